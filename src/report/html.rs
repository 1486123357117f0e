//! The painter for browsers: one page that holds everything. No network, no script but its own, readable by eye, ear
//! and keyboard, on paper light or dark.
//!
//! maud escapes whatever is written into it; what goes in raw are the drawings, which escape by themselves, and the
//! page's own style and script.

use super::page::{Block, Cell, Figure, Kind, Page, Span, Table, Target, Text, run_id};
use super::plot::{Layout, dark_style};
use crate::record::text::printable;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rayon::prelude::*;
use std::io::{self, Write};

const SCRIPT: &str = include_str!("page.js");
/// Nothing is fetched, and nothing is sent. The icon is the page's own: without one, browsers ask the server for it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// Writes the page.
///
/// # Errors
/// Only those of `out`.
pub fn write(page: Page, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", before(&page).into_string())?;
    for part in page.parts {
        write!(out, "<section aria-labelledby=\"{0}\">\n<h2 id=\"{0}\">{1}</h2>\n", part.id, html! { (part.title) }.0)?;
        for section in part.sections {
            let painted: Vec<String> = section.par_iter().map(|of| block(of).into_string()).collect();
            painted.iter().try_for_each(|text| writeln!(out, "{text}"))?;
        }
        writeln!(out, "</section>")?;
    }
    let footer = html! {
        footer {
            "Made by wattmul " (env!("CARGO_PKG_VERSION")) " from the records of runs. "
            "This page fetches nothing and sends nothing."
        }
        script { (PreEscaped(SCRIPT)) }
    };
    writeln!(out, "</main>\n{}\n</body>\n</html>", footer.into_string())
}

/// All that comes before the parts; they and what closes it follow.
fn before(page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        (PreEscaped("<html lang=\"en\">"))
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="generator" content=(concat!("wattmul ", env!("CARGO_PKG_VERSION")));
            title { (page.title) " · wattmul" }
            link rel="icon" href="data:,";
            style { (PreEscaped(include_str!("page.css"))) (PreEscaped(dark_style())) }
        }
        (PreEscaped("<body>"))
        a.skip href="#content" { "Skip to the results" }
        header {
            h1 { (page.title) }
            @for of in &page.introduction { (block(of)) }
        }
        nav aria-label="On this page" {
            ul { @for part in &page.parts { li { a href={ "#" (part.id) } { (part.title) } } } }
        }
        (PreEscaped("<main id=\"content\" tabindex=\"-1\">"))
    }
}

fn block(block_of: &Block) -> Markup {
    match block_of {
        Block::Heading { level, text, id } => heading(*level, id.as_deref(), html! { (printable(text)) }),
        Block::Paragraph(text) => html! { p { (spans(text)) } },
        Block::Warning(text) => html! { p.warning { (spans(text)) } },
        Block::List(items) => html! { ul { @for item in items { li { (spans(item)) } } } },
        Block::Steps(items) => html! { ol { @for item in items { li { (spans(item)) } } } },
        Block::Facts(facts) => html! { dl { @for (name, text) in facts { dt { (name) } dd { (spans(text)) } } } },
        Block::Table(of) => table(of),
        Block::Figure(of) => figure(of),
        Block::Details { level, summary, id, body } => html! {
            details {
                summary { (heading(*level, None, spans(summary))) }
                div.body id=(id) { @for of in &body() { (block(of)) } }
            }
        },
    }
}

fn heading(level: u8, id: Option<&str>, text: Markup) -> Markup {
    html! {
        @match level {
            3 => h3 id=[id] { (text) },
            4 => h4 id=[id] { (text) },
            _ => h5 id=[id] { (text) },
        }
    }
}

fn spans(text: &Text) -> Markup {
    let link = |target: &Target| match target {
        Target::Run(path) => format!("#{}", run_id(path)),
        Target::Place(id) => format!("#{id}"),
        Target::Url(url) => url.clone(),
    };
    html! {
        @for span in &text.0 {
            @let words = printable(span.words());
            @match span {
                Span::Plain(_) => (words),
                Span::Strong(_) => strong { (words) },
                Span::Code(_) => code { (words) },
                Span::Link(_, target) => a href=(link(target)) { (words) },
            }
        }
    }
}

/// The same plot for wide and for narrow windows, of which one is shown.
fn figure(Figure { caption, plot, .. }: &Figure) -> Markup {
    let [Some(wide), Some(narrow)] = Layout::BOTH.map(plot) else { return html! {} };
    html! {
        figure {
            figcaption { (caption) }
            div.wide { (PreEscaped(wide.inline())) }
            div.narrow { (PreEscaped(narrow.inline())) }
        }
    }
}

/// A table in a box of its own that scrolls sideways where it is too wide. The first cell of a row is its heading.
fn table(of: &Table) -> Markup {
    let caption_id = format!("{}-caption", of.id);
    let class = |column: usize| match of.kind(column) {
        Kind::Number => "number",
        Kind::Figures => "figures",
        Kind::Text => "text",
    };
    let sort = |column: usize| Some(class(column)).filter(|&class| class != "figures");
    html! {
        div.scroll role="region" tabindex="0" aria-labelledby=(caption_id) {
            table.sortable {
                caption id=(caption_id) { span { (printable(&of.caption)) } }
                thead { tr {
                    @for (i, head) in of.heads.iter().enumerate() {
                        @let sorted = (of.sorted_by == Some(i)).then_some("descending");
                        th scope="col" class=(class(i)) data-sort=[sort(i)] aria-sort=[sorted] { (head) }
                    }
                } }
                tbody {
                    @for row in &of.rows { tr {
                        @for (i, Cell { text, value, .. }) in row.iter().enumerate() {
                            @if i == 0 { th scope="row" class=(class(i)) data-value=[value] { (spans(text)) } }
                            @else { td class=(class(i)) data-value=[value] { (spans(text)) } }
                        }
                    } }
                }
            }
        }
    }
}
