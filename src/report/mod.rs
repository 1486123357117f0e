//! What people read: functions from records to text and drawings.
//!
//! - [`content`] decides what is said, and in which order, as blocks of a [`page`]; [`lines`] are a group's rows in words.
//! - Painters draw blocks and decide nothing: [`terminal`], [`markdown`], [`html`]. All of them show the same facts.
//! - [`plot`] draws; [`units`] are figures in words; [`published`] is what others found.
//! - [`mod@csv`] is for spreadsheets, and [`progress`] for those who wait.

pub mod content;
pub mod csv;
mod html;
mod lines;
pub mod markdown;
pub mod page;
pub mod plot;
pub mod progress;
pub mod published;
pub mod terminal;
pub mod units;

use crate::compare::Outcome;
use crate::folder::Problem;
use crate::gpu::adapter::AdapterInfo;
use crate::overview::{Overview, Run};
use crate::plan::Plan;
use crate::power::Source;
use crate::record::Record;
use crate::text::{counted, printable};
use crate::validate::Validation;
use crate::year::GridIntensity;
use std::io::{self, Write};
use std::path::Path;

/// Writes the page of a report for browsers, with the details of every run. Their traces are read again from their files.
///
/// # Errors
/// Only those of `out`.
pub fn write_html(overview: &Overview, out: &mut dyn Write) -> io::Result<()> {
    html::write(content::report(overview, true), out)
}

/// Writes a report in Markdown for `folder`, where `save` puts its plots.
///
/// # Errors
/// Only those of `out` and `save`.
pub fn write_markdown(
    overview: &Overview,
    details: bool,
    folder: &Path,
    out: &mut dyn Write,
    save: markdown::Save,
) -> io::Result<()> {
    markdown::write(content::report(overview, details), folder, out, save)
}

/// Writes a report for terminals.
///
/// # Errors
/// Only those of `out`.
pub fn write_terminal(overview: &Overview, details: bool, out: &mut dyn Write) -> io::Result<()> {
    terminal::write(content::report(overview, details), out)
}

/// The lines before a run: who, what, and by which sensor.
pub fn heading(adapter: &AdapterInfo, plan: &Plan, sensor: Result<&Source, &str>) -> String {
    terminal::blocks(&content::heading(adapter, plan, sensor)).trim_start().to_owned()
}

/// The answer of a run.
pub fn summary(record: &Record, grid: Option<GridIntensity>) -> String {
    format!("\n{}", terminal::blocks(&content::summary(record, grid)))
}

/// What the records of one sweep say together.
pub fn sweep<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    terminal::blocks(&content::sweep::one(records.into_iter().map(|record| (record, None)).collect(), "sweep"))
}

/// What became of several adapters: Ok(None) was saved earlier.
pub fn all_adapters(rows: &[(&AdapterInfo, Result<Option<&Record>, ()>)]) -> String {
    format!("\n{}", terminal::blocks(&content::all_adapters(rows)))
}

/// A record against another.
pub fn comparison(a: &Run, b: &Run, outcome: &Outcome) -> String {
    terminal::blocks(&content::comparison(a, b, outcome))
}

/// A record against many.
pub fn comparisons(a: &Run, others: &[(&Run, Outcome)]) -> String {
    terminal::blocks(&content::comparisons(a, others))
}

/// A line each: a file's name is as long as it is, and other programs may look for it.
pub fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| printable(&problem.to_string()) + "\n").collect()
}

/// What `wattmul validate` prints.
pub fn validation(validation: &Validation) -> String {
    let Validation { files, good, problems: found } = validation;
    problems(found) + &format!("{}: {good} good, {} not\n", counted(*files, "record"), files - good)
}
