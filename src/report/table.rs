//! The overview, a validation and a comparison in a terminal, in lines of at most 80 columns.

use super::terminal::{WIDTH, printable, wrapped};
use crate::compare::{self, Comparison, Conclusion, Quantity};
use crate::folder::Problem;
use crate::overview::{Group, LeftOut, Overview, Row, Run};
use crate::record::{Ratios, Record};
use crate::stats::Estimate;
use crate::validate::Validation;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::fmt::Write;
use std::path::Path;

/// All groups, what was left out, and what is wrong with which file.
pub fn overview(overview: &Overview) -> String {
    let mut text = String::new();
    for group in &overview.measured {
        text += &group_table(group, &overview.runs);
    }
    if !overview.simulated.is_empty() {
        text += "\nsimulated: no GPU was measured\n";
        for group in &overview.simulated {
            text += &group_table(group, &overview.runs);
        }
    }
    if overview.runs.is_empty() {
        text += "\n  no record to show\n";
    }
    text.push('\n');
    text + &left_out(overview.left_out) + &problems(&overview.problems)
}

fn group_table(group: &Group, runs: &[Run]) -> String {
    let mut table = table(&["GPU", "energy", "95 % interval", "power", "time", "scope", "verdict"], &[1, 3, 4]);
    for row in &group.rows {
        table.add_row(cells(row, &runs[row.run].record));
    }
    let title = format!("{}: ratios of a product's energy, power, time", group.comparable.title());
    wrapped(&title, "\n", "") + &indented(&table)
}

fn cells(row: &Row, record: &Record) -> [String; 7] {
    let Ratios { time, power, energy, .. } = row.ratios;
    let scope = record.source.as_ref().filter(|_| energy.is_some()).map(|source| source.scope.to_string());
    [
        gpu(record),
        ratio(energy),
        energy.map(interval).unwrap_or_else(missing),
        ratio(power),
        ratio(time),
        scope.unwrap_or_else(missing),
        record.verdict.words(),
    ]
}

/// The GPU's name, and what about its run is not as usual.
pub fn gpu(record: &Record) -> String {
    let lock = record.plan.lock_clock_mhz.map(|mhz| format!(" at {mhz} MHz")).unwrap_or_default();
    let backend = match record.adapter.backend.as_str() {
        "vulkan" | "simulated" => String::new(),
        _ => format!(" ({})", printable(record.adapter.backend_title())),
    };
    printable(&record.adapter.name) + &backend + &lock
}

fn missing() -> String {
    "n/a".into()
}

fn ratio(ratio: Option<Estimate>) -> String {
    ratio.map(|ratio| format!("{:.3}", ratio.estimate)).unwrap_or_else(missing)
}

/// "1.321 … 1.339", as far as there is one.
pub fn interval(estimate: Estimate) -> String {
    let both = estimate.low.zip(estimate.high);
    both.map(|(low, high)| format!("{low:.3} … {high:.3}")).unwrap_or_else(|| "n/a (few rounds)".into())
}

/// Columns without lines; those in `right` hold figures.
fn table(heads: &[&str], right: &[usize]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH as u16 - 2).set_header(heads);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
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

/// A line each: a file's name is as long as it is.
pub fn problems(problems: &[Problem]) -> String {
    problems.iter().map(|problem| printable(&problem.to_string()) + "\n").collect()
}

/// What `wattmul validate` prints.
pub fn validation(validation: &Validation) -> String {
    let Validation { files, good, problems: found } = validation;
    let noun = if *files == 1 { "record" } else { "records" };
    problems(found) + &format!("{files} {noun}: {good} good, {} not\n", files - good)
}

/// Why two records do not compare.
pub fn refusal(why: &[String]) -> String {
    why.iter().map(|why| wrapped(&printable(&format!("they do not compare: {why}")), "  ", "    ")).collect()
}

/// Two records side by side.
pub fn comparison(a: (&Path, &Record), b: (&Path, &Record), comparisons: &[Comparison]) -> String {
    let mut text = String::from("\n");
    for (name, (path, record)) in [("A", a), ("B", b)] {
        let sensor = record.source.as_ref().map(|source| format!(" · {} · {}", source.api, source.scope));
        let line = format!("{}{} · {}", gpu(record), sensor.unwrap_or_default(), record.verdict.words());
        text += &wrapped(&printable(&line), &format!("  {name}  "), "     ");
        let _ = writeln!(text, "     {}", printable(&path.display().to_string()));
    }
    for comparison in comparisons {
        text += &one(comparison, a.1);
    }
    for caution in compare::cautions(a.1, b.1) {
        text += &wrapped(&printable(&caution), "  mind: ", "    ");
    }
    text
}

fn one(comparison: &Comparison, record: &Record) -> String {
    let Comparison { reference, init, quantity, a, b, difference, conclusion } = comparison;
    let mut table = table(&["", "A", "95 % interval", "B", "95 % interval"], &[1, 3]);
    let rows: [(&str, fn(&Ratios) -> Option<Estimate>); 4] = [
        ("energy", |ratios| ratios.energy),
        ("power", |ratios| ratios.power),
        ("time", |ratios| ratios.time),
        ("above idle", |ratios| ratios.above_idle),
    ];
    for (name, of) in rows {
        let sure = |ratio: Option<Estimate>| ratio.map(interval).unwrap_or_else(missing);
        let (a, b) = (of(a), of(b));
        table.add_row([name.to_owned(), ratio(a), sure(a), ratio(b), sure(b)]);
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
pub fn comparisons(a: (&Path, &Record), others: &[(&Path, &Record)]) -> String {
    let mut table = table(&["B", "init", "A", "B", "A − B", "95 % interval", ""], &[2, 3, 4]);
    let mut refused = String::new();
    let mut compared = false;
    for (path, record) in others {
        match compare::of(a.1, record) {
            Ok(comparisons) => {
                for Comparison { init, quantity, a, b, difference, conclusion, .. } in comparisons {
                    compared = true;
                    let of = |ratios: &Ratios| match quantity {
                        Quantity::Energy => ratio(ratios.energy),
                        Quantity::Time => format!("{} (time)", ratio(ratios.time)),
                    };
                    let sure = difference.low.zip(difference.high);
                    let sure = sure.map(|(low, high)| format!("{low:+.3} … {high:+.3}")).unwrap_or_else(missing);
                    let figure = format!("{:+.3}", difference.estimate);
                    table.add_row([
                        gpu(record),
                        init.to_string(),
                        of(&a),
                        of(&b),
                        figure,
                        sure,
                        conclusion.to_string(),
                    ]);
                }
            }
            Err(why) => {
                let line = format!("{}: does not compare: {}", path.display(), why.join("; "));
                refused += &(printable(&line) + "\n");
            }
        }
    }
    let mut text = format!("\n  A  {}\n     {}\n\n", gpu(a.1), printable(&a.0.display().to_string()));
    if compared {
        text += &indented(&table);
        text.push('\n');
    }
    text + &refused
}
