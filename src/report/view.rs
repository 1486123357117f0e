//! A group of records in words: what the tables and plots of every format show of a row, and by what name.

/// So many rows are drawn; a table has the others.
pub const MOST_ROWS: usize = 40;
use super::units::{self, figure, or_na};
use crate::analysis::fleet;
use crate::analysis::fleet::{Card, Entry, Fleet};
use crate::analysis::overview::{Group, Overview, Row, Run};
use crate::analysis::stats::Spread;
use crate::record::text::printable;
use crate::record::{Estimate, Ratios, Record, Scope, Status, Verdict};
use std::collections::HashMap;

/// The GPU's name, and what about its run is not as usual.
pub fn gpu(record: &Record) -> String {
    let lock = record.plan.lock_clock_mhz.map(|mhz| format!(" at {mhz} MHz")).unwrap_or_default();
    let backend = match record.adapter.backend.as_str() {
        "vulkan" | "simulated" => String::new(),
        _ => format!(" ({})", printable(record.adapter.backend_title())),
    };
    printable(&record.adapter.name) + &backend + &lock
}

/// One line of a group: a run, or the cards of one model, with the run that stands for them.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The GPU, and as much more as tells it from the others in the group.
    pub name: String,
    /// Of cards, that of the one in the middle.
    pub row: Row,
    pub run: &'a Run,
    /// The cards, where they are several.
    pub fleet: Option<Fleet<'a>>,
}

/// The lines of a group, the highest ratio first.
pub fn lines<'a>(overview: &'a Overview, group: &Group) -> Vec<Line<'a>> {
    let named = |record: &Record| {
        let name = gpu(record);
        if name.trim().is_empty() { "a GPU without a name".into() } else { name }
    };
    let line = |entry| match entry {
        Entry::One(row) => {
            let run = &overview.runs[row.run];
            Line { name: named(&run.record), row, run, fleet: None }
        }
        Entry::Many(fleet) => {
            let Card { row, run, .. } = *fleet.median_card();
            let name = format!("{} × {}", named(&run.record), fleet.cards.len());
            Line { name, row, run, fleet: Some(fleet) }
        }
    };
    let mut lines: Vec<Line> = fleet::entries(group, &overview.runs).into_iter().map(line).collect();
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
        self.run.record.scope()
    }

    /// What a plot says of the row where it is not simply valid.
    pub fn note(&self) -> Option<String> {
        let verdict = self.verdict();
        let status = Some(verdict.judgement()).filter(|&status| status != Status::Valid);
        let words: Vec<String> =
            status.iter().map(Status::to_string).chain(verdict.flags.iter().map(ToString::to_string)).collect();
        (!words.is_empty()).then(|| words.join(", "))
    }

    /// Of cards, the worst.
    pub fn verdict(&self) -> &Verdict {
        self.fleet.as_ref().map_or(&self.run.record.verdict, Fleet::worst_verdict)
    }

    /// Of cards, the median.
    pub fn ratio(&self, of: impl Fn(&Ratios) -> Option<Estimate>) -> Option<f64> {
        match &self.fleet {
            Some(fleet) => fleet.median(of),
            None => of(&self.row.ratios).map(|ratio| ratio.estimate),
        }
    }

    /// How sure the ratio of energy is; of cards, from which to which they reach, and it says so.
    pub fn interval(&self) -> String {
        match &self.fleet {
            Some(fleet) => or_na(fleet.ratio.as_ref().map(|ratio| format!("{} (cards)", reach(ratio)))),
            None => units::interval(self.row.energy()),
        }
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

/// "1.453 … 1.618", from the least to the most.
pub fn reach(spread: &Spread) -> String {
    format!("{} … {}", figure(spread.least), figure(spread.most))
}

/// "12 cards of NVIDIA H100: energy ratio 1.453 … 1.618, median 1.454; 1 stands out"
pub fn cards(fleet: &Fleet) -> String {
    let Fleet { cards, ratio, .. } = fleet;
    let ratio = ratio.as_ref().map(|ratio| format!("energy ratio {}, median {}", reach(ratio), figure(ratio.median)));
    let (name, out) = (gpu(&cards[0].run.record), standing_out(cards.iter().filter(|card| card.outlier).count()));
    format!("{} cards of {name}: {}; {out}", cards.len(), ratio.unwrap_or_else(|| "energy n/a".into()))
}

/// How many cards stand out, in words.
pub fn standing_out(count: usize) -> String {
    match count {
        0 => "none stands out".into(),
        1 => "1 stands out".into(),
        count => format!("{count} stand out"),
    }
}

/// What to say where more rows were measured than are drawn.
pub fn not_all_drawn(rows: usize, which: &str) -> Option<String> {
    (rows > MOST_ROWS).then(|| format!("The {which} {MOST_ROWS} of {rows} are drawn; the table has all."))
}

/// A sensor's scope as a heading.
pub fn scope_title(scope: Scope) -> &'static str {
    match scope {
        Scope::Board => "whole boards",
        Scope::Gpu => "GPU chips alone",
        Scope::Package => "processor packages",
        Scope::Soc => "systems on chip",
        Scope::Module => "modules of GPU and CPU",
    }
}

/// Every scope, in the order in which they are shown.
pub const SCOPES: [Scope; 5] = [Scope::Board, Scope::Gpu, Scope::Package, Scope::Soc, Scope::Module];
