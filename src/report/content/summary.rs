//! What a run prints: who and what before it, and the answer after it.

use super::atlas;
use crate::energy::Idle;
use crate::gpu::adapter::AdapterInfo;
use crate::inputs::Init;
use crate::plan::Plan;
use crate::power::Source;
use crate::record::{InitSummary, Record, TrueRatios};
use crate::report::lines;
use crate::report::page::{Block, Cell, Kind, Table, Text, number, strong, text};
use crate::report::units::{self, or_na};
use crate::stats::Estimate;
use crate::validity::Status;
use crate::year::{self, GridIntensity};

/// Before a run: who, what, and by which sensor.
pub(crate) fn heading<'a>(adapter: &AdapterInfo, plan: &Plan, sensor: Result<&Source, &str>) -> Vec<Block<'a>> {
    let driver = adapter.driver.as_ref().map(|driver| format!(" · {driver}")).unwrap_or_default();
    let (version, name) = (env!("CARGO_PKG_VERSION"), &adapter.name);
    let lock = plan.lock_clock_mhz.map(|mhz| format!(" · clock locked at {mhz} MHz")).unwrap_or_default();
    let product = format!("{} · {} rounds × {} s{lock}", lines::product(plan), plan.rounds, plan.window_s);
    let power = match sensor {
        Ok(source) => {
            let address = source.pci_address.map(|address| format!(" · {address}")).unwrap_or_default();
            let limit = match (source.power_limit_w, source.default_power_limit_w) {
                (Some(limit), Some(usual)) if (limit / usual - 1.0).abs() > 0.001 => {
                    format!(" · limit {limit:.0} W, {:.0} % of the default", 100.0 * limit / usual)
                }
                (Some(limit), _) => format!(" · limit {limit:.0} W"),
                (None, _) => String::new(),
            };
            format!("{} {} · {}{address}{limit}", source.api, source.kind(), source.scope)
        }
        Err(why) => format!("no sensor: {why}"),
    };
    vec![
        Block::heading(3, format!("wattmul {version} · {name} · {}{driver}", adapter.backend_title())),
        Block::Facts(vec![("matmul", product.into()), ("power", power.into())]),
    ]
}

/// After a run: the answer, and whether to believe it.
pub(crate) fn summary<'a>(record: &Record, grid: Option<GridIntensity>) -> Vec<Block<'a>> {
    // So many were begun: one that was cut short counts.
    let rounds = record.windows.iter().map(|window| window.round.saturating_add(1)).max().unwrap_or(0);
    let mut table = match record.plan.inits[..] {
        [reference, init] => against(record, reference, init),
        _ => atlas::table(record, "run"),
    };
    table.caption += &format!(", {rounds} rounds");
    let mut facts: Vec<(&'static str, Text)> = vec![];
    if record.summary.sensor.lead.is_none() {
        let why = if record.source.is_some() { "the sensor gave none" } else { "no sensor" };
        facts.push(("energy", format!("n/a ({why})").into()));
    }
    if let Some(line) = atlas::line(record) {
        facts.push(("bits", line.into()));
    }
    let watts = |name, idle: Option<Idle>| idle?.power_w.map(|watts| format!("{watts:.1} W {name}"));
    let idle: Vec<String> =
        [watts("cold", record.idle.cold), watts("hot", record.idle.hot)].into_iter().flatten().collect();
    if !idle.is_empty() {
        facts.push(("idle", idle.join(", ").into()));
    }
    let tried = match record.kernel.tuning.len() {
        0 | 1 => String::new(), // simulated, or pinned
        count if record.kernel.remembered => format!(", fastest of {count} tried in an earlier run"),
        count => format!(", fastest of {count} tried"),
    };
    facts.push(("kernel", format!("{}{tried}", record.kernel.variant).into()));
    // Of many inits, the one that differs most.
    if let Some((init, kwh)) = year::of(record).into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())) {
        let (words, reference) = (year::words(kwh, grid), record.plan.inits[0]);
        facts.push(("a year", format!("{words} of {init} without pause, against as many of {reference}").into()));
    }
    let mut blocks = vec![Block::Table(table), Block::Facts(facts)];
    blocks.extend(truth(record));
    blocks.extend(verdict(record));
    blocks
}

/// One init against the reference, a row a quantity.
fn against(record: &Record, reference: Init, init: Init) -> Table {
    let ratios = record.summary.ratios.get(&init).copied().unwrap_or_default();
    let [base, other] = [reference, init].map(|init| record.summary.inits.get(&init));
    let mut rows = vec![];
    let mut row = |name: &str, of: &dyn Fn(&InitSummary) -> Option<f64>, unit: &dyn Fn(f64) -> String, ratio: Option<Option<Estimate>>| {
        let [left, right] = [base, other].map(|summary| number(summary.and_then(of), unit));
        let [ratio, interval] = match ratio {
            Some(ratio) => [Cell::from(units::ratio(ratio)), units::interval(ratio).into()],
            None => ["".into(), "".into()],
        };
        rows.push(vec![name.into(), left, right, ratio, interval]);
    };
    let giga = record.plan.dtype.giga();
    row("time", &|of| Some(of.time_s), &units::time, Some(ratios.time));
    if record.summary.sensor.lead.is_some() {
        row("power", &|of| of.power_w, &units::power, Some(ratios.power));
        row("energy", &|of| of.energy_j, &units::energy, Some(ratios.energy));
        let idle_w = record.summary.sensor.idle_w;
        row("above idle", &|of| Some(of.power_w? - idle_w?), &units::power, Some(ratios.above_idle));
        let per_joule = |value: f64| units::significant(value, &format!("{giga}/J"));
        row("efficiency", &|of| of.gflop_per_j, &per_joule, None);
    } else {
        let per_second = |value: f64| units::significant(value, &format!("{giga}/s"));
        row("speed", &|of| Some(of.gflop_per_s), &per_second, None);
    }
    Table {
        id: "run".into(),
        caption: format!("{reference} against {init}"),
        columns: vec![
            Kind::Text.of(""),
            Kind::Number.of(reference.to_string()),
            Kind::Number.of(init.to_string()),
            Kind::Number.of("ratio"),
            Kind::Figures.of("95 % interval"),
        ],
        sorted_by: None,
        rows,
    }
}

/// What a simulated board should have shown.
fn truth<'a>(record: &Record) -> Option<Block<'a>> {
    let ratios = record.truth.iter().flat_map(|truth| &truth.ratios);
    let row = |(init, truth): (&Init, &TrueRatios)| {
        let TrueRatios { time, power, energy, above_idle } = truth;
        let ratios = [time, power, energy, above_idle].map(|ratio| number(Some(*ratio), units::figure));
        [Cell::from(format!("truth of {init}"))].into_iter().chain(ratios).collect()
    };
    let rows: Vec<Vec<Cell>> = ratios.map(row).collect();
    let columns = ["time", "power", "energy", "above idle"].map(|title| Kind::Number.of(title));
    (!rows.is_empty()).then(|| {
        Block::Table(Table {
            id: "truth".into(),
            caption: String::new(),
            columns: [Kind::Text.of("")].into_iter().chain(columns).collect(),
            sorted_by: None,
            rows,
        })
    })
}

/// The verdict as a word, and every reason with what to do about it.
fn verdict<'a>(record: &Record) -> Vec<Block<'a>> {
    let verdict = &record.verdict;
    let flags: String = verdict.flags.iter().map(|flag| format!(", {flag}")).collect();
    // A simulated record is what it is, but the word that its readings deserve belongs to it.
    let judged =
        verdict.judged.map(|status| format!(", else {}", status.to_string().to_uppercase())).unwrap_or_default();
    let word = strong(verdict.status.to_string().to_uppercase() + &judged + &flags);
    let mut reasons = verdict.reasons.iter().map(|reason| format!("{}. Fix: {}.", reason.message, reason.fix));
    match (reasons.next(), reasons.len()) {
        (None, _) if verdict.judgement() == Status::Valid => vec![Block::Paragraph(text![word, ": all checks hold"])],
        (None, _) => vec![Block::Paragraph(text![word])],
        (Some(only), 0) => vec![Block::Paragraph(text![word, format!(": {only}")])],
        (Some(first), _) => {
            let all = [first].into_iter().chain(reasons).map(Text::from).collect();
            vec![Block::Paragraph(text![word, ":"]), Block::List(all)]
        }
    }
}

/// After several adapters: a line each, by the last init of its run.
pub(crate) fn all_adapters<'a>(rows: &[(&AdapterInfo, Result<Option<&Record>, ()>)]) -> Vec<Block<'a>> {
    let of_last = |record: &Record| {
        let ratios = record.summary.ratios.get(record.plan.inits.last()?)?;
        Some((ratios.energy.or(ratios.time)?, ratios.energy.is_some()))
    };
    let found = || rows.iter().filter_map(|(_, outcome)| of_last((*outcome).ok()??));
    let what = match (found().any(|of| of.1), found().any(|of| !of.1)) {
        (true, false) => "ratio: energy of the last init over the first",
        (false, true) => "ratio: time of the last init over the first (no energy was measured)",
        (true, true) => "ratio: of energy where it was measured, else of time; last init over the first",
        (false, false) => "",
    };
    let row = |(adapter, outcome): &(&AdapterInfo, Result<Option<&Record>, ()>)| -> Vec<Cell> {
        let (ratio, verdict) = match outcome {
            Ok(Some(record)) => (of_last(record), record.verdict.status.to_string().to_uppercase()),
            Ok(None) => (None, "saved earlier".into()),
            Err(()) => (None, "FAILED".into()),
        };
        let ratio = ratio.map(|(ratio, _)| ratio);
        vec![
            adapter.name.as_str().into(),
            or_na(adapter.pci_address.map(|address| address.to_string())).into(),
            units::ratio(ratio).into(),
            units::interval(ratio).into(),
            verdict.into(),
        ]
    };
    vec![Block::Table(Table {
        id: "adapters".into(),
        caption: what.into(),
        columns: vec![
            Kind::Text.of("GPU"),
            Kind::Figures.of("PCI"),
            Kind::Number.of("ratio"),
            Kind::Figures.of("95 % interval"),
            Kind::Text.of("verdict"),
        ],
        sorted_by: None,
        rows: rows.iter().map(row).collect(),
    })]
}
