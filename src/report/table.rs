//! The overview, a validation and a comparison in a terminal, in lines of at most 80 columns.

use super::units::{self, interval, or_na, ratio};
use super::wrap::{WIDTH, counted, notice, wrapped};
use super::{atlas, published, terminal, types, view};
use crate::analysis::compare::{Comparison, Conclusion, Outcome, Quantity};
use crate::analysis::fleet::{Card, Entry, Fleet};
use crate::analysis::overview::{Group, LeftOut, Overview, Row, Run};
use crate::analysis::stats::Spread;
use crate::analysis::{compare, fleet};
use crate::archive::validate::Validation;
use crate::operands::{Dtype, Init};
use crate::record::read::Problem;
use crate::record::text::printable;
use crate::record::{Ratios, Record, Status};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::fmt::Write;
use std::path::PathBuf;

/// All groups, what was left out, and what is wrong with which file.
pub fn overview(overview: &Overview) -> String {
    let mut text = String::new();
    for group in &overview.measured {
        text += &group_table(group, &overview.runs);
    }
    text += &more(overview, false);
    if !overview.simulated.is_empty() {
        text += "\nsimulated: no GPU was measured\n";
        for group in &overview.simulated {
            text += &group_table(group, &overview.runs);
        }
        text += &more(overview, true);
    }
    if overview.runs.is_empty() {
        text += "\n  no record to show\n";
    }
    text.push('\n');
    text += &published::table();
    text.push('\n');
    text + &left_out(overview.left_out) + &renamed(&overview.renamed) + &problems(&overview.problems)
}

/// What the runs say beside their ratios: the types of each GPU, and the sweeps.
fn more(overview: &Overview, simulated: bool) -> String {
    let mut text = String::new();
    let rows = types::rows(overview, simulated);
    if !rows.is_empty() {
        let heads: Vec<&str> = ["GPU", "scope"].into_iter().chain(Dtype::ALL.map(Dtype::name)).collect();
        let mut table = table(&heads, &[]);
        for types::Row { gpu, scope, cells } in rows {
            table.add_row([gpu, scope.to_string()].into_iter().chain(cells.map(types::cell)));
        }
        text += &format!("\n{}\n", types::TITLE);
        text += &(wrapped(types::NOTE, "  ", "  ") + &indented(&table));
    }
    let atlases = overview.runs.iter().map(|run| &run.record).filter(|record| record.truth.is_some() == simulated);
    for record in atlases.filter(|record| atlas::is(record)) {
        text += &wrapped(&format!("{}: {}", view::gpu(record), record.verdict.words()), "\n", "");
        text += &terminal::table(record);
    }
    for sweep in overview.sweeps(simulated) {
        text += &wrapped(&super::sweep::title(&sweep[0].record), "\n", "");
        text += super::sweep::table(sweep.iter().map(|run| &run.record)).trim_start_matches('\n');
    }
    text
}

fn group_table(group: &Group, runs: &[Run]) -> String {
    let (mut rows, mut fleets, mut why) = (vec![], String::new(), String::new());
    for entry in fleet::entries(group, runs) {
        match entry {
            Entry::One(row) => {
                let record = &runs[row.run].record;
                why += &reasons(record);
                rows.push(cells(&row, record));
            }
            Entry::Many(fleet) => {
                fleets += &fleet_table(&fleet, group.comparable.init);
                rows.push(fleet_cells(&fleet));
            }
        }
    }
    let mut table = table(&["GPU", "energy", "95 % interval", "power", "time", "scope", "verdict"], &[1, 3, 4]);
    // A long name may break between its words, a verdict of one word would break within it.
    let longest = rows.iter().flat_map(|[.., verdict]| verdict.split(' ')).map(str::len).max().unwrap_or(0);
    if let Some(verdict) = table.column_mut(6) {
        verdict.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(longest as u16)));
    }
    table.add_rows(rows);
    let title = format!("{}: ratios of a product's energy, power, time", group.comparable.title());
    wrapped(&title, "\n", "") + &indented(&table) + &why + &fleets
}

/// Why a run is not simply valid.
fn reasons(record: &Record) -> String {
    let reasons = &record.verdict.reasons;
    if record.verdict.judgement() == Status::Valid || reasons.is_empty() {
        return String::new();
    }
    let messages: Vec<String> = reasons.iter().map(|reason| printable(&reason.message)).collect();
    wrapped(&format!("{}: {}: {}", view::gpu(record), record.verdict.words(), messages.join("; ")), "  ", "    ")
}

/// The median of the cards, and from which to which they reach.
fn fleet_cells(fleet: &Fleet) -> [String; 7] {
    let (cards, first) = (fleet.cards.len(), &fleet.cards[0].run.record);
    let figure = |value: Option<f64>| or_na(value.map(units::figure));
    let reach = fleet.ratio.as_ref().map(|ratio| format!("{} (cards)", view::reach(ratio)));
    [
        format!("{} × {cards}", view::gpu(first)),
        figure(fleet.ratio.as_ref().map(|ratio| ratio.median)),
        or_na(reach),
        figure(fleet.median(|ratios| ratios.power)),
        figure(fleet.median(|ratios| ratios.time)),
        or_na(first.scope().map(|scope| scope.to_string())),
        fleet.worst_verdict().words(),
    ]
}

/// One model with its cards inside.
fn fleet_table(fleet: &Fleet, init: Init) -> String {
    let mut table = table(&["", "ratio", "energy", "time", ""], &[1, 2, 3]);
    let figures = |values: [Option<f64>; 3]| {
        let [ratio, energy_j, time_s] = values;
        [ratio.map(units::figure), energy_j.map(units::energy), time_s.map(units::time)].map(or_na)
    };
    let spreads = [&fleet.ratio, &fleet.energy_j, &fleet.time_s];
    let of = |value: fn(&Spread) -> f64| figures(spreads.map(|spread| spread.as_ref().map(value)));
    let mut add = |name: &str, [ratio, energy, time]: [String; 3], note: &str| {
        table.add_row([name.to_owned(), ratio, energy, time, note.to_owned()]);
    };
    add("median", of(|spread| spread.median), "");
    let share = |spread: &Option<Spread>| spread.as_ref().map(|spread| format!("{:.1} %", spread.share() * 100.0));
    add("spread", spreads.map(|spread| or_na(share(spread))), "from the least to the most");
    for Card { row, name, outlier, .. } in &fleet.cards {
        let values =
            [row.energy().map(|energy| energy.estimate), row.summaries.1.energy_j, Some(row.summaries.1.time_s)];
        add(&printable(name), figures(values), if *outlier { "stands out" } else { "" });
    }
    let first = &fleet.cards[0].run.record;
    let title = format!("{} cards of {}: a product of {init}", fleet.cards.len(), view::gpu(first));
    wrapped(&title, "\n  ", "  ") + &indented(&table)
}

fn cells(row: &Row, record: &Record) -> [String; 7] {
    let Ratios { time, power, energy, .. } = row.ratios;
    [
        view::gpu(record),
        ratio(energy),
        interval(energy),
        ratio(power),
        ratio(time),
        or_na(record.scope().map(|scope| scope.to_string())),
        record.verdict.words(),
    ]
}

/// Columns without lines; those in `right` hold figures.
fn table(heads: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH as u16 - 2).set_header(heads);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i + 1 == heads.len() { 0 } else { 2 }));
        if right.contains(&i) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if i == 0 {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(30)));
        }
    }
    table
}

fn indented(table: &Table) -> String {
    table.lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}

fn left_out(LeftOut { superseded, invalid }: LeftOut) -> String {
    let mut parts = vec![];
    if superseded > 0 {
        parts.push(format!("{superseded} with a newer or better run of the same GPU"));
    }
    if invalid > 0 {
        parts.push(format!("{invalid} invalid"));
    }
    match parts.is_empty() {
        true => String::new(),
        false => wrapped(&format!("not shown: {} (--all shows them)", parts.join(", ")), "  ", "    "),
    }
}

/// That files are called otherwise than their records call them.
pub fn renamed(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    match names.is_empty() {
        true => String::new(),
        false => notice(&format!(
            "renamed since it was made, so that its name no longer vouches for its content: {}",
            names.join(", ")
        )),
    }
}

/// A line each: a file's name is as long as it is.
pub fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| printable(&problem.to_string()) + "\n").collect()
}

/// What `wattmul validate` prints.
pub fn validation(validation: &Validation) -> String {
    let Validation { files, good, problems: found } = validation;
    problems(found) + &format!("{}: {good} good, {} not\n", counted(*files, "record"), files - good)
}

/// Why two records do not compare.
pub fn refusal(why: &[String]) -> String {
    why.iter().map(|why| wrapped(&printable(&format!("they do not compare: {why}")), "  ", "    ")).collect()
}

/// Two records side by side.
pub fn comparison(a: &Run, b: &Run, comparisons: &[Comparison]) -> String {
    let mut text = String::from("\n");
    for (name, Run { path, record }) in [("A", a), ("B", b)] {
        let sensor = record.source.as_ref().map(|source| format!(" · {} · {}", source.api, source.scope));
        let line = format!("{}{} · {}", view::gpu(record), sensor.unwrap_or_default(), record.verdict.words());
        text += &wrapped(&printable(&line), &format!("  {name}  "), "     ");
        let _ = writeln!(text, "     {}", printable(&path.display().to_string()));
    }
    for comparison in comparisons {
        text += &one(comparison, &a.record);
    }
    for caution in compare::cautions(&a.record, &b.record) {
        text += &wrapped(&printable(&caution), "  mind: ", "    ");
    }
    text
}

fn one(comparison: &Comparison, record: &Record) -> String {
    let Comparison { reference, init, quantity, a, b, difference, conclusion, .. } = comparison;
    let mut table = table(&["", "A", "95 % interval", "B", "95 % interval"], &[1, 3]);
    for (name, a, b) in [
        ("energy", a.energy, b.energy),
        ("power", a.power, b.power),
        ("time", a.time, b.time),
        ("above idle", a.above_idle, b.above_idle),
    ] {
        table.add_row([name.to_owned(), ratio(a), interval(a), ratio(b), interval(b)]);
    }
    let plan = &record.plan;
    let title = format!("\n  {init} against {reference} · {} {}²\n", plan.dtype.name(), plan.size);
    let sure = match (difference.low, difference.high) {
        (Some(low), Some(high)) => format!("95 % interval {low:+.3} … {high:+.3}"),
        _ => "no interval: too few rounds".into(),
    };
    let figure = format!("\n  difference of the {quantity} ratios, A − B: {:+.3}, {sure}\n", difference.estimate);
    title + &indented(&table) + &figure + &wrapped(&words(*conclusion, *quantity), "  ", "    ") + "\n"
}

fn words(conclusion: Conclusion, quantity: Quantity) -> String {
    let margin = compare::SAME_SHARE * 100.0;
    let word = conclusion.to_string().to_uppercase();
    match conclusion {
        Conclusion::Same => format!("{word}: whatever the difference is, it is under {margin} % of the ratio"),
        Conclusion::AHigher | Conclusion::BHigher => {
            format!("{word}: 0 is outside of the interval; the data costs that one more {quantity}")
        }
        Conclusion::CannotTell => {
            format!("{word}: the interval holds 0 and more than {margin} %; more --rounds make it narrower")
        }
    }
}

/// One record against many: a row each that compares, a line each that does not.
pub fn comparisons(a: &Run, others: &[(&Run, Outcome)]) -> String {
    let mut table = table(&["B", "init", "A", "B", "A − B", "95 % interval", ""], &[2, 3, 4]);
    let mut refused = String::new();
    for (Run { path, record }, outcome) in others {
        if let Err(why) = outcome {
            let line = format!("{}: does not compare: {}", path.display(), why.join("; "));
            refused += &(printable(&line) + "\n");
        }
        for Comparison { init, quantity, a, b, difference, conclusion, .. } in outcome.iter().flatten() {
            let of = |ratios: &Ratios| match quantity {
                Quantity::Energy => ratio(ratios.energy),
                Quantity::Time => format!("{} (time)", ratio(ratios.time)),
            };
            let sure = difference.low.zip(difference.high);
            let sure = or_na(sure.map(|(low, high)| format!("{low:+.3} … {high:+.3}")));
            let figure = format!("{:+.3}", difference.estimate);
            table.add_row([view::gpu(record), init.to_string(), of(a), of(b), figure, sure, conclusion.to_string()]);
        }
    }
    let mut text = format!("\n  A  {}\n     {}\n\n", view::gpu(&a.record), printable(&a.path.display().to_string()));
    if !table.is_empty() {
        text += &indented(&table);
        text.push('\n');
    }
    text + &refused
}
