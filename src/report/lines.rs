//! A group of records in words: what tables and plots show of a row, and by what name.

use super::units::{self, figure, or_na};
use super::wrap::counted;
use crate::analysis::fleet::{Card, Entry, Fleet};
use crate::analysis::overview::{Group, Overview, Row, Run};
use crate::analysis::stats::Spread;
use crate::analysis::{card, fleet};
use crate::digits;
use crate::record::text::printable;
use crate::record::{Estimate, Plan, Ratios, Record, Scope, Verdict};
use std::collections::HashMap;

/// So many rows are drawn; a table has the others.
pub(crate) const MOST_DRAWN: usize = 40;

/// The GPU's name, and what about its run is not as usual.
pub fn gpu(record: &Record) -> String {
    let settings = [(record.plan.lock_clock_mhz, "MHz"), (record.plan.power_limit_w, "W")];
    let settings: Vec<String> =
        settings.iter().filter_map(|(setting, unit)| Some(format!("{} {unit}", (*setting)?))).collect();
    let lock = if settings.is_empty() { String::new() } else { format!(" at {}", settings.join(" and ")) };
    let backend = match record.adapter.backend.as_str() {
        "vulkan" | "simulated" => String::new(),
        _ => format!(" ({})", printable(record.adapter.backend_title())),
    };
    let name = printable(&record.adapter.name);
    let name = if name.trim().is_empty() { "a GPU without a name" } else { &name };
    format!("{name}{backend}{lock}")
}

/// Names of runs, each with as much more as tells it from the others: which card it was, when it was started, at last
/// a number.
pub(crate) fn distinct_names<'a>(names: impl IntoIterator<Item = (String, &'a Record)>) -> Vec<String> {
    let (mut names, records): (Vec<String>, Vec<&Record>) = names.into_iter().unzip();
    for attempt in 0..3 {
        let more = |number: usize, record: &Record| match attempt {
            0 => Some(card::name(record)).filter(|card| card != "card"),
            1 => Some(record.run.started.clone()),
            _ => Some(format!("no. {number}")),
        };
        let mut counts: HashMap<String, (usize, usize)> = HashMap::new();
        names.iter().for_each(|name| counts.entry(name.clone()).or_default().0 += 1);
        for (name, record) in names.iter_mut().zip(&records) {
            if let Some((2.., number)) = counts.get_mut(name) {
                *number += 1;
                *name += &more(*number, record).map(|more| format!(", {}", printable(&more))).unwrap_or_default();
            }
        }
    }
    names
}

/// How long a plan is: "windows of 3.5 s until ±0.3 %", or "6 rounds × 10 s".
pub(crate) fn length(plan: &Plan) -> String {
    match plan.precision {
        Some(share) => format!("windows of {} s until ±{} %", plan.window_s, digits::round(100.0 * share, 4)),
        None => format!("{} × {} s", counted(plan.rounds as usize, "round"), plan.window_s),
    }
}

/// "f32 10000²", or "f16 matrix 10000²" by matrix units.
pub(crate) fn product(plan: &Plan) -> String {
    format!("{} {}²", plan.units.of(plan.dtype), plan.size)
}

/// The part of an RFC 3339 time that is the day.
pub(crate) fn day(record: &Record) -> String {
    record.run.started.chars().take(10).collect()
}

/// One line of a group: a run, or the cards of one model, with the run that stands for them.
#[derive(Clone, Debug)]
pub(crate) struct Line<'a> {
    /// The GPU, and as much more as tells it from the others in the group.
    pub(crate) name: String,
    /// Of cards, that of the one in the middle.
    pub(crate) row: Row,
    pub(crate) run: &'a Run,
    /// The cards, where they are several.
    pub(crate) fleet: Option<Fleet<'a>>,
}

/// The lines of a group, the highest ratio first.
pub(crate) fn of<'a>(overview: &'a Overview, group: &Group) -> Vec<Line<'a>> {
    let line = |entry| match entry {
        Entry::One(row) => {
            let run = &overview.runs[row.run];
            Line { name: gpu(&run.record), row, run, fleet: None }
        }
        Entry::Many(fleet) => {
            let Card { row, run, .. } = *fleet.median_card();
            Line { name: format!("{} × {}", gpu(&run.record), fleet.cards.len()), row, run, fleet: Some(fleet) }
        }
    };
    let mut lines: Vec<Line> = fleet::entries(group, &overview.runs).into_iter().map(line).collect();
    let names = distinct_names(lines.iter().map(|line| (line.name.clone(), &line.run.record)));
    lines.iter_mut().zip(names).for_each(|(line, name)| line.name = name);
    lines
}

impl Line<'_> {
    /// What the watts are of. None where there are none.
    pub(crate) fn scope(&self) -> Option<Scope> {
        self.run.record.scope()
    }

    /// What a plot says of the row where it is not simply valid.
    pub(crate) fn note(&self) -> Option<String> {
        let words = self.verdict().words();
        let note = words.strip_prefix("valid").unwrap_or(&words).trim_start_matches(", ");
        (!note.is_empty()).then(|| note.to_owned())
    }

    /// Of cards, the worst.
    pub(crate) fn verdict(&self) -> &Verdict {
        self.fleet.as_ref().map_or(&self.run.record.verdict, Fleet::worst_verdict)
    }

    /// Of cards, the median.
    pub(crate) fn ratio(&self, of: impl Fn(&Ratios) -> Option<Estimate>) -> Option<f64> {
        match &self.fleet {
            Some(fleet) => fleet.median(of),
            None => of(&self.row.ratios).map(|ratio| ratio.estimate),
        }
    }

    /// How sure the ratio of energy is; of cards, from which to which they reach, and it says so.
    pub(crate) fn interval(&self) -> String {
        match &self.fleet {
            Some(fleet) => or_na(fleet.ratio.as_ref().map(|ratio| format!("{} (cards)", reach(ratio)))),
            None => units::interval(self.row.energy()),
        }
    }

    /// How sure the ratio above idle is; nothing is said of several cards'.
    pub(crate) fn above_idle_interval(&self) -> String {
        match &self.fleet {
            Some(_) => String::new(),
            None => units::interval(self.row.ratios.above_idle),
        }
    }

    /// "NVML · board", or why there is none.
    pub(crate) fn sensor(&self) -> String {
        match (&self.run.record.source, self.scope()) {
            (Some(source), Some(scope)) => format!("{} · {scope}", source.api),
            (Some(source), None) => format!("{}, but no watts", source.api),
            (None, _) => "none".into(),
        }
    }
}

/// "1.453 … 1.618", from the least to the most.
pub(crate) fn reach(spread: &Spread) -> String {
    format!("{} … {}", figure(spread.least), figure(spread.most))
}

/// How many cards stand out, in words.
pub(crate) fn standing_out(count: usize) -> String {
    match count {
        0 => "none stands out".into(),
        1 => "1 stands out".into(),
        count => format!("{count} stand out"),
    }
}

/// A sensor's scope as a heading.
pub(crate) fn scope_title(scope: Scope) -> &'static str {
    match scope {
        Scope::Board => "whole boards",
        Scope::Gpu => "GPU chips alone",
        Scope::Package => "processor packages",
        Scope::Soc => "systems on chip",
        Scope::Module => "modules of GPU and CPU",
        Scope::System => "whole machines",
    }
}

/// Every scope, in the order in which they are shown.
pub(crate) const SCOPES: [Scope; 6] =
    [Scope::Board, Scope::Gpu, Scope::Package, Scope::Soc, Scope::Module, Scope::System];
