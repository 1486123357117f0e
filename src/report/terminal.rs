//! The painter for terminals: lines of at most 80 columns, but for what is to be copied whole. Plots are not drawn:
//! their figures stand in tables. Of links, the words are shown.

use super::page::{Block, Cell, Kind, Page, Span, Table, Text};
use super::wrap::{WIDTH, counted, wrapped};
use crate::archive::validate::Validation;
use crate::record::read::Problem;
use crate::record::text::printable;
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

/// Writes a page; its guide, which is the same for all records, only with `details`.
///
/// # Errors
/// Only those of `out`.
pub fn write(page: Page, details: bool, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\n{}", page.title, blocks(&page.introduction))?;
    let (shown, folded): (Vec<_>, Vec<_>) = page.parts.into_iter().partition(|part| details || !part.guide);
    for part in shown {
        write!(out, "\n\n{}\n{}\n", part.title, "─".repeat(part.title.chars().count()))?;
        for (i, section) in part.sections.enumerate() {
            let text = blocks(&section);
            write!(out, "{}{text}", if i > 0 && !text.is_empty() { "\n" } else { "" })?;
        }
    }
    let titles: Vec<&str> = folded.iter().map(|part| part.title).collect();
    if !titles.is_empty() {
        write!(out, "\n{}", wrapped(&format!("Also with --details: {}.", titles.join("; ")), "  ", "  "))?;
    }
    Ok(())
}

/// Some blocks, with a line between them, but for what belongs to what stands above it.
pub fn blocks(blocks: &[Block]) -> String {
    let mut text = String::new();
    let mut above: Option<&Block> = None;
    for (of, painted) in blocks.iter().map(|of| (of, block(of))).filter(|(_, painted)| !painted.is_empty()) {
        let belongs = match above {
            None | Some(Block::Heading { .. }) => true,
            Some(Block::Paragraph(_)) => matches!(of, Block::List(_)),
            Some(_) => false,
        };
        text += if belongs { "" } else { "\n" };
        text += &painted;
        above = Some(of);
    }
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading { level: 3, text, .. } => filled(&text.as_str().into(), "", "  "),
        Block::Heading { text, .. } => filled(&text.as_str().into(), "  ", "    "),
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
        Block::Details { level: 3, summary, body, .. } => filled(summary, "", "  ") + &blocks(&body()),
        Block::Details { summary, body, .. } => filled(summary, "  ", "    ") + &blocks(&body()),
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

/// A table under its caption. One that is too wide is several, each with the first column, as R prints its data
/// frames.
pub fn table(table: &Table) -> String {
    let caption =
        if table.caption.is_empty() { String::new() } else { filled(&table.caption.as_str().into(), "  ", "  ") };
    let words = |cell: &Cell| cell.text.0.iter().map(|span| printable(span.words())).collect::<String>();
    let cells: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(words).collect()).collect();
    let columns: Vec<Shape> = (0..table.heads.len()).map(|i| Shape::of(table, i, &cells)).collect();
    let piece = |(first, piece): (usize, Vec<usize>)| {
        let mut painted = comfy_table::Table::new();
        painted.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        painted.set_width((WIDTH - INDENT) as u16).set_header(piece.iter().map(|&i| &columns[i].head));
        painted.add_rows(cells.iter().map(|row| piece.iter().map(|&i| &row[i])));
        let widths = widths(&columns, first, &piece);
        for (place, (column, width)) in painted.column_iter_mut().zip(widths).enumerate() {
            let gap = if place + 1 == piece.len() { 0 } else { GAP as u16 };
            column.set_padding((0, gap));
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width as u16 + gap)));
            if columns[piece[place]].kind == Kind::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        painted.lines().map(|line| format!("{}\n", format!("  {line}").trim_end())).collect::<String>()
    };
    let pieces: Vec<String> = split(&columns).into_iter().map(piece).collect();
    caption + &pieces.join("\n").replace('\u{a0}', " ")
}

/// What a column needs, in columns of the terminal.
struct Shape {
    head: String,
    /// So that no word is broken, and no figure.
    least: usize,
    /// So that nothing is broken.
    most: usize,
    kind: Kind,
}

impl Shape {
    fn of(table: &Table, column: usize, cells: &[Vec<String>]) -> Self {
        let width = textwrap::core::display_width;
        let longest = |text: &str| text.split(' ').map(width).max().unwrap_or(0);
        let most_of = |of: &dyn Fn(&str) -> usize| cells.iter().map(|row| of(&row[column])).max().unwrap_or(0);
        let (head, kind) = (printable(&table.heads[column]).replace(" %", "\u{a0}%"), table.kind(column));
        let content = most_of(&width);
        let least = if kind == Kind::Text { most_of(&longest) } else { content };
        let least = least.max(longest(&head)).min(WIDTH - INDENT - GAP - FIRST.start());
        Shape { least, most: content.max(width(&head)), kind, head }
    }

    /// Where the table does not fit as it is.
    fn usual(&self) -> usize {
        if self.kind == Kind::Text { self.least.max(self.most.min(WORDS)) } else { self.least }
    }
}

/// Which columns stand together, and how wide the first is, with which all begin: as few pieces as can be, then as
/// wide a first; and no piece of a single column more, if that can be.
fn split(columns: &[Shape]) -> Vec<(usize, Vec<usize>)> {
    let room = WIDTH - INDENT;
    let Some(head) = columns.first() else { return vec![] };
    if columns.iter().map(|column| column.most + GAP).sum::<usize>() <= room + GAP {
        return vec![(head.most, (0..columns.len()).collect())];
    }
    let with = |first: usize, room: usize| {
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
    let widest = head.most.min(*FIRST.end());
    let firsts = (head.least.max(*FIRST.start()).min(widest)..=widest).rev();
    let Some(few) = firsts.map(|first| with(first, room)).min_by_key(Vec::len) else { return vec![] };
    let whole = |pieces: &Vec<(usize, Vec<usize>)>| pieces.iter().all(|piece| piece.1.len() > 2);
    let others = (room / 2..=room).rev().map(|room| with(few[0].0, room)).filter(|other| other.len() == few.len());
    others.into_iter().find(whole).unwrap_or(few)
}

/// The room that a piece leaves goes to the first column, then to whatever else would be broken.
fn widths(columns: &[Shape], first: usize, piece: &[usize]) -> Vec<usize> {
    let mut widths: Vec<usize> = piece.iter().map(|&i| columns[i].usual()).collect();
    widths[0] = first;
    let mut left = (WIDTH - INDENT + GAP).saturating_sub(widths.iter().map(|width| width + GAP).sum());
    for (width, &i) in widths.iter_mut().zip(piece) {
        let more = columns[i].most.saturating_sub(*width).min(left);
        *width += more;
        left -= more;
    }
    widths
}

/// A line each: a file's name is as long as it is, and other programs may look for it.
pub fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| printable(&problem.to_string()) + "\n").collect()
}

/// What `wattmul validate` prints.
pub fn validation(validation: &Validation) -> String {
    let Validation { files, good, own, problems: found } = validation;
    let owners = match own {
        0 => String::new(),
        own => format!(
            "{}: all was checked but the numbers of files, which only their owner can read again\n",
            counted(*own, "good record")
        ),
    };
    problems(found) + &owners + &format!("{}: {good} good, {} not\n", counted(*files, "record"), files - good)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::page::{code, figures, number, text};

    #[test]
    fn a_table_that_does_not_fit_is_several_that_begin_alike_and_no_word_is_broken() {
        let row = |name: &str| -> Vec<Cell> {
            let sure = figures("1.482 … 1.485");
            let verdict = "unverified-sensor, power-capped".into();
            vec![
                name.into(),
                number(Some(1.484), |of| of.to_string()),
                sure,
                verdict,
                "NVML energy counter".into(),
                "1".into(),
            ]
        };
        let heads = ["GPU", "energy ratio", "95 % interval", "verdict", "sensor", "a heading of words"];
        let painted =
            table(&Table::new("", "", heads, ["NVIDIA A100-PCIE-40GB at 1410 MHz", "\u{1b}[31mMI210"].map(row)));
        insta::assert_snapshot!(painted, @"
          GPU                              energy  95 % interval  verdict
                                            ratio
          NVIDIA A100-PCIE-40GB at 1410     1.484  1.482 … 1.485  unverified-sensor,
          MHz                                                     power-capped
          [31mMI210                         1.484  1.482 … 1.485  unverified-sensor,
                                                                  power-capped

          GPU                                sensor               a heading of words
          NVIDIA A100-PCIE-40GB at 1410 MHz  NVML energy counter  1
          [31mMI210                          NVML energy counter  1
        ");
    }

    #[test]
    fn what_is_copied_is_whole_and_the_rest_is_wrapped() {
        let file = "a file of a name with spaces that is longer than any terminal would be, and then some more.json";
        let painted = blocks(&[
            Block::List(vec![text![code(file), ": is no good"]]),
            Block::Facts(vec![("power", "no sensor ".repeat(9).into()), ("a year", text!["\u{7}+800 kWh"])]),
        ]);
        insta::assert_snapshot!(painted, @"
          - a file of a name with spaces that is longer than any terminal would be, and then some more.json:
            is no good

          power   no sensor no sensor no sensor no sensor no sensor no sensor no sensor
                  no sensor no sensor
          a year  +800 kWh
        ");
    }
}
