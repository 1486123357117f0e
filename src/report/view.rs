//! A group of records in words: what the tables and plots of every format show of a row, and by what name.

use super::table;
use super::terminal::printable;
use super::units;
use crate::overview::{Group, Overview, Row, Run};
use crate::power::Scope;
use crate::stats::Estimate;
use crate::validity::Status;
use std::collections::HashMap;

/// One row of a group, with the run that it is about.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The GPU, and as much more as tells it from the others in the group.
    pub name: String,
    pub row: &'a Row,
    pub run: &'a Run,
}

/// The rows of a group, in its order.
pub fn lines<'a>(overview: &'a Overview, group: &'a Group) -> Vec<Line<'a>> {
    let named = |row: &'a Row| {
        let run = &overview.runs[row.run];
        let name = table::gpu(&run.record);
        Line { name: if name.trim().is_empty() { "a GPU without a name".into() } else { name }, row, run }
    };
    let mut lines: Vec<Line> = group.rows.iter().map(named).collect();
    let mut counts: HashMap<String, usize> = HashMap::new();
    lines.iter().for_each(|line| *counts.entry(line.name.clone()).or_default() += 1);
    for line in lines.iter_mut().filter(|line| counts[&line.name] > 1) {
        line.name += &format!(", {}", printable(&line.run.record.run.started));
    }
    lines
}

impl Line<'_> {
    /// What the watts are of. None where there are none.
    pub fn scope(&self) -> Option<Scope> {
        self.run.record.summary.sensor.lead?;
        self.run.record.source.as_ref().map(|source| source.scope)
    }

    /// What a plot says of the row where it is not simply valid.
    pub fn note(&self) -> Option<String> {
        let verdict = &self.run.record.verdict;
        let status = Some(verdict.judgement()).filter(|&status| status != Status::Valid);
        let words: Vec<String> =
            status.iter().map(Status::to_string).chain(verdict.flags.iter().map(ToString::to_string)).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// "NVML · board", or why there is none.
    pub fn sensor(&self) -> String {
        match (&self.run.record.source, self.scope()) {
            (Some(source), Some(scope)) => format!("{} · {scope}", printable(&source.api)),
            (Some(source), None) => format!("{}, but no watts", printable(&source.api)),
            (None, _) => "none".into(),
        }
    }
}

/// "1.479"
pub fn ratio(ratio: Option<Estimate>) -> String {
    ratio.map_or_else(|| "n/a".into(), |ratio| figure(ratio.estimate))
}

/// "1.477 … 1.481"
pub fn interval(ratio: Option<Estimate>) -> String {
    match ratio.map(|ratio| (ratio.low, ratio.high)) {
        Some((Some(low), Some(high))) => format!("{} … {}", figure(low), figure(high)),
        Some(_) => "n/a (few rounds)".into(),
        None => "n/a".into(),
    }
}

/// Three digits behind the point; a figure that no ratio has does not burst a column.
pub fn figure(ratio: f64) -> String {
    if ratio.abs() < 1e4 { format!("{ratio:.3}") } else { format!("{ratio:.2e}") }
}

/// Four digits without a unit: "82.37", "15000".
pub fn plain(value: f64) -> String {
    if value.abs() >= 999.95 && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    if value.abs() >= 1e9 {
        return format!("{value:.2e}");
    }
    units::significant(value, "").trim_end().to_owned()
}

/// A sensor's scope as a heading.
pub fn scope_title(scope: Scope) -> &'static str {
    match scope {
        Scope::Board => "whole boards",
        Scope::Gpu => "GPU chips alone",
        Scope::Package => "processor packages",
        Scope::Soc => "systems on chip",
    }
}

/// Every scope, in the order in which they are shown.
pub const SCOPES: [Scope; 4] = [Scope::Board, Scope::Gpu, Scope::Package, Scope::Soc];
