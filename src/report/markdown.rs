//! The painter for a code forge, which shows Markdown: tables, and plots as images in files.
//!
//! What stands in records is escaped: it makes no table cell end, no link, no image, no HTML.

use super::page::{Block, Figure, Kind, Page, Span, Table, Target, Text};
use super::plot::Layout;
use crate::record::text::printable;
use rayon::prelude::*;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

/// Takes a file: its name and its content.
pub(crate) type Save<'a> = &'a mut dyn FnMut(&str, &str) -> io::Result<()>;

/// Writes the page for `folder`, in which it and its plots will lie: links to records begin there.
///
/// # Errors
/// Only those of `out` and `save`.
pub fn write(page: Page, folder: &Path, out: &mut dyn Write, save: Save) -> io::Result<()> {
    let mut put = |out: &mut dyn Write, blocks: &[Block]| -> io::Result<()> {
        let painted: Vec<Painted> = blocks.par_iter().map(|block| Painted::of(block, folder)).collect();
        for Painted { text, plots } in painted {
            write!(out, "\n{text}")?;
            plots.iter().try_for_each(|(name, plot)| save(name, plot))?;
        }
        Ok(())
    };
    let made = "<!-- Made by `wattmul report`; changes by hand are lost. -->";
    put(out, &[Block::heading(1, page.title)])?;
    write!(out, "\n{made}\n")?;
    put(out, &page.introduction)?;
    for part in page.parts {
        put(out, &[Block::heading(2, part.title)])?;
        for section in part.sections {
            put(out, &section)?;
        }
    }
    Ok(())
}

/// A block as text, and the images that it shows.
struct Painted {
    text: String,
    plots: Vec<(String, String)>,
}

impl Painted {
    fn of(block: &Block, folder: &Path) -> Self {
        let all = |text: &Text| spans(text, folder);
        let mut plots = vec![];
        let text = match block {
            Block::Heading { level, text, .. } => format!("{} {}\n", "#".repeat(usize::from(*level)), cell(text)),
            Block::Paragraph(text) | Block::Warning(text) => all(text) + "\n",
            Block::List(items) => items.iter().map(|item| format!("- {}\n", all(item))).collect(),
            Block::Steps(items) => items.iter().map(|item| format!("1. {}\n", all(item))).collect(),
            Block::Facts(facts) => facts.iter().map(|(name, text)| format!("- **{name}** {}\n", all(text))).collect(),
            Block::Table(of) => table(of, folder),
            Block::Figure(Figure { id, caption, plot }) => match plot(Layout::Wide) {
                None => String::new(),
                Some(plot) => {
                    let name = format!("{id}.svg");
                    let text = format!("{}\n\n![{}]({name})\n", cell(caption), cell(&plot.title));
                    plots.push((name, plot.file()));
                    text
                }
            },
            Block::Details { summary, id, body, .. } => {
                let summary: String = summary.0.iter().map(|span| entities(span.words())).collect();
                let mut text = format!("<details id=\"{id}\">\n<summary>{summary}</summary>\n");
                for inner in body() {
                    let painted = Painted::of(&inner, folder);
                    text += &format!("\n{}", painted.text);
                    plots.extend(painted.plots);
                }
                text + "\n</details>\n"
            }
        };
        Painted { text, plots }
    }
}

fn table(table: &Table, folder: &Path) -> String {
    let row = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let caption = if table.caption.is_empty() { String::new() } else { format!("{}\n\n", cell(&table.caption)) };
    let heads = row(&mut table.heads.iter().map(|head| cell(head)));
    let sides = (0..table.heads.len()).map(|i| if table.kind(i) == Kind::Number { "---:" } else { "---" });
    let kinds = row(&mut sides.map(str::to_owned));
    let rows = table.rows.iter().map(|cells| row(&mut cells.iter().map(|cell| spans(&cell.text, folder))));
    caption + &heads + &kinds + &rows.collect::<String>()
}

fn spans(text: &Text, folder: &Path) -> String {
    let span = |span: &Span| match span {
        Span::Plain(text) => cell(text),
        Span::Strong(text) if text.is_empty() => String::new(),
        Span::Strong(text) => format!("**{}**", cell(text)),
        // Within backticks nothing can be escaped: what has such characters is no code, but text.
        Span::Code(text) if text.contains(|c: char| "`|<>&".contains(c) || c.is_control()) => cell(text),
        Span::Code(text) => format!("`{}`", printable(text)),
        Span::Link(text, Target::Run(path)) => format!("[{}]({})", cell(text), link(path, folder)),
        Span::Link(text, Target::Place(id)) => format!("[{}](#{id})", cell(text)),
        Span::Link(text, Target::Url(url)) => format!("[{}]({url})", cell(text)),
    };
    text.0.iter().map(span).collect()
}

/// Text that means nothing in Markdown or HTML, and stays on its line.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    let text = printable(text);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '&' => cell.push_str("&amp;"),
            // In a table, a bar ends the cell even behind a backslash within code.
            '|' => cell.push_str("&#124;"),
            // Forges make links of bare addresses, and mentions of names.
            '@' => cell.push_str("&#64;"),
            ':' if !rest.as_str().is_empty() && !rest.as_str().starts_with(' ') => cell.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' | '$' => cell.extend(['\\', c]),
            c => cell.push(c),
        }
    }
    cell
}

/// Text that means nothing in HTML, where a backslash takes nothing back.
fn entities(text: &str) -> String {
    let entity = |c: char| match c {
        ' ' | ',' | '.' | '-' | '(' | ')' => c.to_string(),
        c if c.is_ascii_punctuation() => format!("&#{};", u32::from(c)),
        c => c.to_string(),
    };
    printable(text).chars().map(entity).collect()
}

/// Where a record lies, seen from a folder, as an address: whatever could end a link is a percent sign and two digits.
fn link(path: &Path, folder: &Path) -> String {
    let path = path.strip_prefix(folder).unwrap_or(path);
    let mut link = String::new();
    for byte in path.to_string_lossy().replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => link.push(byte as char),
            byte => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn nothing_in_a_name_means_anything_in_a_table() {
        let hostile = "a|b`c` <script>alert(1)</script>\n| x | ![i](http://e.vil) [l](u) **b** \u{202e}@you";
        insta::assert_snapshot!(cell(hostile), @r#"a&#124;b\`c\` &lt;script&gt;alert(1)&lt;/script&gt;&#124; x &#124; \!\[i\](http&#58;//e.vil) \[l\](u) \*\*b\*\* &#64;you"#);
    }

    #[test]
    fn nothing_in_a_name_means_anything_in_html() {
        let hostile = "a</summary><script> `c` ![i](http://e.vil) &amp;";
        insta::assert_snapshot!(entities(hostile), @"a&#60;&#47;summary&#62;&#60;script&#62; &#96;c&#96; &#33;&#91;i&#93;(http&#58;&#47;&#47;e.vil) &#38;amp&#59;");
    }

    #[test]
    fn links_lead_from_the_page_to_the_record_and_nowhere_else() {
        assert_eq!(link(&PathBuf::from("results/x/a.json"), Path::new("results")), "x/a.json");
        assert_eq!(link(&PathBuf::from("other/a b).json"), Path::new("results")), "other/a%20b%29.json");
        assert_eq!(link(&PathBuf::from("javascript:alert(1)"), Path::new("")), "javascript%3Aalert%281%29");
    }
}
