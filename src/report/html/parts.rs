//! What the page is made of: figures for wide and for narrow windows, and tables that can be sorted.

use crate::record::text::printable;
use crate::report::canvas::{Layout, Plot};
use crate::report::units::or_na;
use maud::{Markup, PreEscaped, Render, html};

/// The same plot for wide and for narrow windows, of which one is shown.
pub fn figure(caption: &str, make: impl Fn(Layout) -> Option<Plot>) -> Markup {
    let [Some(wide), Some(narrow)] = Layout::BOTH.map(make) else { return html! {} };
    html! {
        figure {
            figcaption { (caption) }
            div.wide { (PreEscaped(wide.inline())) }
            div.narrow { (PreEscaped(narrow.inline())) }
        }
    }
}

/// One cell: its text, and the figure to sort by.
pub struct Cell {
    pub content: Markup,
    pub value: Option<f64>,
}

impl From<Markup> for Cell {
    fn from(content: Markup) -> Self {
        Cell { content, value: None }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell { content: html! { (printable(&text)) }, value: None }
    }
}

/// A text that stays on one line.
pub fn nowrap(text: impl Render) -> Cell {
    html! { span.nowrap { (text) } }.into()
}

/// A figure, and what it is sorted by.
pub fn number(value: Option<f64>, text: impl Fn(f64) -> String) -> Cell {
    Cell { content: html! { (or_na(value.map(text))) }, value }
}

/// A column's heading, and how it is written and sorted.
pub enum Column {
    Number(String),
    Text(&'static str),
    /// Text whose order means nothing, such as figures in different units.
    Unsorted(&'static str),
}

impl Column {
    /// Of figures.
    pub fn number(title: impl Into<String>) -> Self {
        Column::Number(title.into())
    }
}

/// A table in a box of its own that scrolls sideways where it is too wide. The first cell of a row is its heading.
pub fn table(id: &str, caption: &str, columns: &[Column], sorted: Option<usize>, rows: Vec<Vec<Cell>>) -> Markup {
    let caption_id = format!("{id}-caption");
    let class = |column: usize| match columns.get(column) {
        Some(Column::Number(_)) => "number",
        _ => "text",
    };
    html! {
        div.scroll role="region" tabindex="0" aria-labelledby=(caption_id) {
            table.sortable {
                caption id=(caption_id) { span { (caption) } }
                thead { tr {
                    @for (i, column) in columns.iter().enumerate() {
                        @let (sort, title): (Option<&str>, &str) = match column {
                            Column::Number(title) => (Some("number"), title),
                            Column::Text(title) => (Some("text"), title),
                            Column::Unsorted(title) => (None, title),
                        };
                        th scope="col" class=(class(i)) data-sort=[sort] aria-sort=[(sorted == Some(i)).then_some("descending")] { (title) }
                    }
                } }
                tbody {
                    @for row in rows { tr {
                        @for (i, cell) in row.into_iter().enumerate() {
                            @if i == 0 { th scope="row" data-value=[cell.value] { (cell.content) } }
                            @else { td class=(class(i)) data-value=[cell.value] { (cell.content) } }
                        }
                    } }
                }
            }
        }
    }
}
