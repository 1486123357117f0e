//! What is said, and in which order: one file a section, one function each. Painters draw it.

pub mod atlas;
mod calibrations;
mod comparison;
mod group;
mod guide;
mod meter;
mod predict;
mod run;
mod summary;
pub mod sweep;
pub mod types;

pub use comparison::{comparison, comparisons};
pub use predict::{by_law, refused};
pub use summary::{all_adapters, heading, summary};

use super::page::{Block, Cell, Page, Part, Sections, Span, Table, Target, Text, code, number, strong, text};
use super::{lines, published, units};
use crate::analysis::overview::{LeftOut, Overview, Run};
use crate::analysis::year;
use crate::operands::Init;
use crate::report::wrap::counted;
use std::iter::{once, once_with};
use std::path::PathBuf;

/// So many runs are read and drawn at once.
const CHUNK: usize = 64;
/// The parts that are the same for all records.
const GUIDE: [&str; 3] = ["reading", "published", "contributing"];
/// So many files that are no good are named.
const MOST_PROBLEMS: usize = 50;

/// The report of many records; `details`: with every run's facts and windows.
pub fn report(overview: &Overview, details: bool) -> Page<'_> {
    let part = |id, title, sections| Some(Part { id, title, sections, guide: GUIDE.contains(&id) });
    let LeftOut { superseded, invalid } = overview.left_out;
    let parts = [
        part("measured", "Measured", results(overview, false)).filter(|_| !runs(overview, false).is_empty()),
        part("simulated", "Simulated", results(overview, true)).filter(|_| !runs(overview, true).is_empty()),
        part("left-out", "Left out", Box::new(once_with(|| left_out(overview))))
            .filter(|_| superseded + invalid + overview.problems.len() + overview.renamed.len() > 0),
        part("reading", "How to read it", Box::new(once_with(guide::reading))),
        part("published", published::TITLE, Box::new(once_with(guide::published))),
        part("runs", "Runs", all_runs(overview, details)).filter(|_| !overview.runs.is_empty()),
        part("contributing", "Contributing: add yours", Box::new(once_with(guide::contributing))),
    ];
    Page {
        title: "What a matrix product costs, by the numbers in it",
        introduction: introduction(overview),
        parts: parts.into_iter().flatten().collect(),
    }
}

/// Measured or simulated ones, the newest first.
fn runs(overview: &Overview, simulated: bool) -> Vec<&Run> {
    overview.runs.iter().filter(|run| run.record.truth.is_some() == simulated).collect()
}

/// What measured or simulated runs say.
fn results(overview: &Overview, simulated: bool) -> Sections<'_> {
    let (name, groups) = match simulated {
        false => ("measured", &overview.measured),
        true => ("simulated", &overview.simulated),
    };
    let groups = groups.iter().enumerate();
    let groups = groups.map(move |(i, group)| group::section(overview, group, &format!("{name}-{}", i + 1)));
    Box::new(
        simulated
            .then(guide::simulated)
            .into_iter()
            .chain(groups)
            .chain(once_with(move || types::section(overview, simulated)))
            .chain(once_with(move || sweep::section(overview, simulated)))
            .chain(once_with(move || atlas::section(&runs(overview, simulated), name)))
            .chain(once_with(move || calibrations::section(&runs(overview, simulated), name)))
            .chain(once_with(move || years(overview, simulated))),
    )
}

fn introduction<'a>(overview: &Overview) -> Vec<Block<'a>> {
    let rows = overview.measured.iter().flat_map(|group| &group.rows);
    let mut ratios: Vec<f64> = rows.filter_map(|row| Some(row.energy()?.estimate)).collect();
    ratios.sort_by(f64::total_cmp);
    let answer = match ratios[..] {
        [ratio] => text![
            "In ",
            strong("1 comparison"),
            " with measured energy, a product of other numbers takes ",
            strong(units::figure(ratio)),
            " times the energy of a product of the reference."
        ],
        [least, .., most] => text![
            "In ",
            strong(counted(ratios.len(), "comparison")),
            " with measured energy, a product of other numbers takes between ",
            strong(format!("{} and {}", units::figure(least), units::figure(most))),
            " times the energy of a product of the reference."
        ],
        [] if overview.measured.is_empty() => text!["No GPU has been measured yet."],
        [] => text!["None of the runs below measured energy: they have times alone."],
    };
    vec![Block::Paragraph(answer), guide::question()]
}

/// What the difference comes to over a year, a row a run and init.
fn years(overview: &Overview, simulated: bool) -> Vec<Block<'_>> {
    let runs = runs(overview, simulated);
    let names = lines::distinct_names(runs.iter().map(|run| (lines::gpu(&run.record), &run.record)));
    let rows = runs.iter().zip(names).flat_map(|(run, name)| {
        let row = move |(init, kwh): (Init, f64)| {
            let name = Span::Link(name.clone(), Target::Run(run.path.clone()));
            vec![name.into(), init.to_string().into(), number(Some(kwh), |kwh| year::words(kwh, overview.grid))]
        };
        year::of(&run.record).into_iter().map(row)
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    if rows.is_empty() {
        return vec![];
    }
    let id = if simulated { "simulated-years" } else { "measured-years" };
    let caption = "Products of an init without pause for a year, against as many of the reference";
    vec![Block::heading(3, "Over a year"), Block::Table(Table::new(id, caption, ["GPU", "init", "over a year"], rows))]
}

/// What was read and is not above.
fn left_out(overview: &Overview) -> Vec<Block<'_>> {
    let LeftOut { superseded, invalid } = overview.left_out;
    let problems = &overview.problems;
    let mut counts = vec![];
    if superseded > 0 {
        let runs = counted(superseded, "run");
        counts.push(text![format!(
            "{runs} of a GPU that has a newer run, or one with a better verdict (--all shows all)."
        )]);
    }
    if invalid > 0 {
        counts.push(text![format!("{} with the verdict invalid (--all shows all).", counted(invalid, "run"))]);
    }
    if !problems.is_empty() {
        counts.push(text![format!("{} in files that are no good:", counted(problems.len(), "problem"))]);
    }
    let named = problems.iter().take(MOST_PROBLEMS).map(|problem| text![code(problem.to_string())]);
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    let more = (more > 0).then(|| text![format!("and {more} more: "), code("wattmul validate"), " names all."]);
    let mut blocks = vec![Block::List(counts), Block::List(named.chain(more).collect())];
    blocks.extend(renamed(&overview.renamed));
    blocks
}

/// That files were read which are called otherwise than their records call them.
pub(crate) fn renamed<'a>(paths: &[PathBuf]) -> Vec<Block<'a>> {
    let names = paths.iter().take(MOST_PROBLEMS).map(|path| text![code(path.display().to_string())]);
    let more = paths.len().saturating_sub(MOST_PROBLEMS);
    let names: Vec<Text> = names.chain((more > 0).then(|| text![format!("and {more} more")])).collect();
    if names.is_empty() {
        return vec![];
    }
    let what = "Read, though renamed since they were made, so that their names no longer vouch for their content:";
    vec![Block::paragraph(what), Block::List(names)]
}

/// Every run, folded; or how to see them.
fn all_runs(overview: &Overview, details: bool) -> Sections<'_> {
    if !details {
        let runs = counted(overview.runs.len(), "run");
        let how = text![
            code("--details"),
            format!(" shows what each of {runs} ran on, its windows, and why it is judged as it is.")
        ];
        return Box::new(once(vec![Block::Paragraph(how)]));
    }
    let what = "Each run with what it ran on, its timeline, its windows, and why it is judged as it is.";
    let names = lines::distinct_names(overview.runs.iter().map(|run| (lines::gpu(&run.record), &run.record)));
    let mut names = names.into_iter();
    let runs = overview.runs.chunks(CHUNK).map(move |runs| {
        runs.iter().zip(names.by_ref()).map(|(run, name)| run::details(run, name, overview.grid)).collect()
    });
    Box::new(once(vec![Block::paragraph(what)]).chain(runs))
}
