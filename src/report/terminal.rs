//! The painter for terminals: lines of at most 80 columns, but for what is to be copied whole. Plots are not drawn: their figures
//! stand in tables. Of links, the words are shown.

use super::page::{Block, Column, Kind, Page, Span, Table, Text};
use crate::text::{WIDTH, printable, wrapped};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Width, presets};
use std::io::{self, Write};

/// Between two columns.
const GAP: usize = 2;
/// Before whatever is no heading.
const INDENT: usize = 2;
/// The first column, which is repeated, takes so much where a table does not fit as it is.
const FIRST: std::ops::RangeInclusive<usize> = 14..=30;
/// Another column of words takes no more there, unless one of its words does.
const WORDS: usize = 22;

/// Writes a page.
pub(crate) fn write(page: Page, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\n{}", page.title, blocks(&page.introduction))?;
    for part in page.parts {
        write!(out, "\n{}\n{}\n", part.title, "─".repeat(part.title.chars().count()))?;
        for section in part.sections {
            write!(out, "{}", blocks(&section))?;
        }
    }
    Ok(())
}

/// Some blocks, one under the other.
pub(crate) fn blocks(blocks: &[Block]) -> String {
    blocks.iter().map(block).collect()
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level: 3, text, .. } => filled(&text.as_str().into(), "\n", "  "),
        Block::Heading { text, .. } => filled(&text.as_str().into(), "\n  ", "    "),
        Block::Paragraph(text) | Block::Warning(text) => filled(text, "  ", "  "),
        Block::List(items) => items.iter().map(|item| filled(item, "  - ", "    ")).collect(),
        Block::Steps(items) => {
            items.iter().enumerate().map(|(i, item)| filled(item, &format!("  {}. ", i + 1), "     ")).collect()
        }
        Block::Facts(facts) => {
            let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + INDENT + GAP;
            let fact = |(name, text): &(&str, Text)| {
                filled(text, &format!("{:<width$}", format!("  {name}")), &" ".repeat(width))
            };
            facts.iter().map(fact).collect()
        }
        Block::Table(of) => table(of),
        Block::Figure(_) => String::new(),
        Block::Details { summary, body, .. } => filled(summary, "\n  ", "    ") + &blocks(&body()),
    }
}

/// A text in lines; what is code is not broken.
fn filled(text: &Text, first: &str, others: &str) -> String {
    let words = text.0.iter().map(|span| match span {
        Span::Code(text) => printable(text).replace(' ', "\u{a0}"),
        span => printable(span.words()),
    });
    wrapped(&words.collect::<String>(), first, others).replace('\u{a0}', " ")
}

/// A table under its caption. One that is too wide is several, each with the first column, as R prints its data frames.
pub fn table(table: &Table) -> String {
    let caption = if table.caption.is_empty() { String::new() } else { filled(&table.caption.as_str().into(), "  ", "  ") };
    let cells: Vec<Vec<String>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(|cell| cell.text.0.iter().map(|span| printable(span.words())).collect()).collect())
        .collect();
    let columns: Vec<Shape> =
        table.columns.iter().enumerate().map(|(i, column)| Shape::of(column, cells.iter().map(|row| &row[i]))).collect();
    let pieces = split(&columns);
    let piece = |piece: &(usize, Vec<usize>)| {
        let heads = piece.1.iter().map(|&i| columns[i].title.clone());
        let mut painted = comfy_table::Table::new();
        painted.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        painted.set_width((WIDTH - INDENT) as u16).set_header(heads.collect::<Vec<_>>());
        painted.add_rows(cells.iter().map(|row| piece.1.iter().map(|&i| row[i].clone()).collect::<Vec<_>>()));
        let widths = widths(&columns, piece);
        for (place, column) in painted.column_iter_mut().enumerate() {
            let gap = if place + 1 == widths.len() { 0 } else { GAP as u16 };
            column.set_padding((0, gap));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(widths[place] as u16 + gap)));
            if table.columns[piece.1[place]].kind == Kind::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        painted.lines().map(|line| format!("{}\n", format!("  {line}").trim_end())).collect::<String>()
    };
    caption + &pieces.iter().map(piece).collect::<String>().replace('\u{a0}', " ")
}

/// What a column needs, in columns of the terminal.
struct Shape {
    title: String,
    /// So that no word is broken, and no figure.
    least: usize,
    /// So that nothing is broken.
    most: usize,
    kind: Kind,
}

impl Shape {
    fn of<'a>(column: &Column, cells: impl Iterator<Item = &'a String> + Clone) -> Self {
        let title = printable(&column.title).replace(" %", "\u{a0}%");
        let width = textwrap::core::display_width;
        let longest = |text: &str| text.split(' ').map(width).max().unwrap_or(0);
        let content = cells.clone().map(|cell| width(cell)).max().unwrap_or(0);
        let least = match column.kind {
            Kind::Text => cells.map(|cell| longest(cell)).max().unwrap_or(0),
            Kind::Number | Kind::Figures => content,
        };
        let least = least.max(longest(&title)).min(WIDTH - INDENT - GAP - FIRST.start());
        Shape { least, most: content.max(width(&title)), kind: column.kind, title }
    }

    /// Where the table does not fit as it is.
    fn usual(&self) -> usize {
        if self.kind == Kind::Text { self.least.max(self.most.min(WORDS)) } else { self.least }
    }
}

/// Which columns stand together, and how wide the first is that all begin with: as few pieces as can be, then as wide a first.
fn split(columns: &[Shape]) -> Vec<(usize, Vec<usize>)> {
    let room = WIDTH - INDENT;
    let Some(head) = columns.first() else { return vec![] };
    if columns.iter().map(|column| column.most + GAP).sum::<usize>() <= room + GAP {
        return vec![(head.most, (0..columns.len()).collect())];
    }
    let with = |first: usize| {
        let mut pieces = vec![(first, vec![0])];
        let mut used = first;
        for (i, column) in columns.iter().enumerate().skip(1) {
            used += GAP + column.usual();
            if used > room && pieces.last().is_some_and(|piece| piece.1.len() > 1) {
                pieces.push((first, vec![0]));
                used = first + GAP + column.usual();
            }
            pieces.last_mut().into_iter().for_each(|piece| piece.1.push(i));
        }
        pieces
    };
    let narrowest = head.least.clamp(*FIRST.start(), *FIRST.end()).min(head.most);
    let widest = head.most.min(*FIRST.end());
    (narrowest..=widest).rev().map(with).min_by_key(Vec::len).unwrap_or_default()
}

/// The room that a piece leaves goes to the first column, then to whatever else would be broken.
fn widths(columns: &[Shape], (first, piece): &(usize, Vec<usize>)) -> Vec<usize> {
    let mut widths: Vec<usize> = piece.iter().map(|&i| columns[i].usual()).collect();
    widths[0] = *first;
    let mut left = (WIDTH - INDENT + GAP).saturating_sub(widths.iter().map(|width| width + GAP).sum());
    for (width, &i) in widths.iter_mut().zip(piece) {
        let more = columns[i].most.saturating_sub(*width).min(left);
        *width += more;
        left -= more;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::{Cell, code, text};

    #[test]
    fn a_table_that_does_not_fit_is_several_that_begin_alike_and_no_word_is_broken() {
        let titles = ["energy ratio", "95 % interval", "verdict", "sensor", "a heading of many words"];
        let columns = [Kind::Text.of("GPU")].into_iter().chain(titles.map(|title| {
            if title.contains("ratio") { Kind::Number.of(title) } else { Kind::Text.of(title) }
        }));
        let row = |name: &str| {
            [name, "1.484", "1.482 … 1.485", "unverified-sensor, power-capped", "NVML energy counter", "1"]
        };
        let rows = ["NVIDIA A100-PCIE-40GB at 1410 MHz", "\u{1b}[31mMI210"].map(|name| row(name).map(Cell::from).into());
        let painted = table(&Table { columns: columns.collect(), rows: rows.into(), ..Table::default() });
        insta::assert_snapshot!(painted, @"");
    }

    #[test]
    fn what_is_copied_is_whole_and_the_rest_is_wrapped() {
        let file = "a file of a name with spaces that is longer than any terminal would be, and then some more.json";
        let painted = blocks(&[
            Block::List(vec![text![code(file), ": is no good"]]),
            Block::Facts(vec![("power", "no sensor ".repeat(9).into()), ("a year", text!["\u{7}+800 kWh"])]),
        ]);
        insta::assert_snapshot!(painted, @"");
    }
}
