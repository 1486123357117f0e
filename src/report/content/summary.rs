//! What a run prints: who and what before it, and the answer after it.

use super::atlas;
use super::meter;
use crate::analysis::law::Law;
use crate::analysis::year;
use crate::analysis::year::GridIntensity;
use crate::operands::{Init, Origin};
use crate::record::{AdapterInfo, Idle, InitSummary, MeterInterface, Plan, Record, Scope, Source, Status, TrueRatios};
use crate::report::page::{Block, Cell, Table, Text, estimated, figures, number, strong, text};
use crate::report::units::or_na;
use crate::report::wrap::counted;
use crate::report::{lines, units};

/// Before a run: who, what, by which sensor, and which meter beside it.
pub fn heading<'a>(
    adapter: &AdapterInfo,
    plan: &Plan,
    sensor: Result<&Source, &str>,
    meter: Option<(MeterInterface, Scope)>,
) -> Vec<Block<'a>> {
    let driver = adapter.driver.as_ref().map(|driver| format!(" · {driver}")).unwrap_or_default();
    let (version, name) = (env!("CARGO_PKG_VERSION"), &adapter.name);
    let mut lock = plan.lock_clock_mhz.map(|mhz| format!(" · clock locked at {mhz} MHz")).unwrap_or_default();
    lock += &plan.power_limit_w.map(|watts| format!(" · power limited to {watts} W")).unwrap_or_default();
    let product = format!("{} · {}{lock}", lines::product(plan), lines::length(plan));
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
    let beside = meter.map(|(interface, scope)| ("meter", Text::from(meter::which(interface, scope))));
    let facts = [("matmul", product.into()), ("power", power.into())].into_iter().chain(beside);
    vec![
        Block::heading(3, format!("wattmul {version} · {name} · {}{driver}", adapter.backend_title())),
        Block::Facts(facts.chain(plan.inits.iter().filter_map(|&init| own(init, plan))).collect()),
    ]
}

/// Which files an init is made of, as the user called them: the record will not say it.
fn own(init: Init, plan: &Plan) -> Option<(&'static str, Text)> {
    let [a, b] = init.told()?;
    let from = |told: &str, origin: Option<Origin>| match origin {
        Some(origin @ Origin::Tensor(_)) => format!("{told} ({origin}, as {})", plan.dtype.name()),
        _ => told.to_owned(),
    };
    let [of_a, of_b] = init.origins(plan.size);
    let (from_a, from_b) = (from(&a, of_a), from(&b, of_b));
    let what = if a == b { format!("A and B from {from_a}") } else { format!("A from {from_a}, B from {from_b}") };
    Some(("numbers", format!("{init}: {what}").into()))
}

/// After a run: the answer, and whether to believe it.
pub fn summary<'a>(record: &Record, grid: Option<GridIntensity>) -> Vec<Block<'a>> {
    // So many were begun: one that was cut short counts.
    let begun = record.windows.iter().map(|window| window.round.saturating_add(1)).max().unwrap_or(0);
    let law = Law::of(record);
    let mut table = match record.plan.inits[..] {
        [reference, init] => against(record, reference, init),
        _ => atlas::table(record, law.as_ref().ok(), "run"),
    };
    table.caption += &format!(", {}", counted(begun as usize, "round"));
    let mut facts: Vec<(&'static str, Text)> = vec![];
    if record.summary.sensor.lead.is_none() {
        let why = if record.source.is_some() { "the sensor gave none" } else { "no sensor" };
        facts.push(("energy", format!("n/a ({why})").into()));
    }
    if record.plan.inits.len() >= atlas::LEAST {
        facts.extend(atlas::facts(&law).into_iter().map(|(name, words)| (name, words.into())));
    }
    let watts = |name, idle: Option<Idle>| idle?.power_w.map(|watts| format!("{watts:.1} W {name}"));
    let idle: Vec<String> =
        [watts("cold", record.idle.cold), watts("hot", record.idle.hot)].into_iter().flatten().collect();
    if !idle.is_empty() && record.summary.sensor.idle_w.is_some() {
        facts.push(("idle", idle.join(", ").into()));
    }
    if let ([_, init], Some(offset)) = (&record.plan.inits[..], record.summary.sensor.offset_w)
        && let Some(band) = record.summary.ratios.get(init).and_then(|ratios| ratios.energy?.combined)
    {
        let (low, high) = (units::figure(band.low), units::figure(band.high));
        let offset = format!("{:+.0} … {:+.0} W", offset.low, offset.high);
        facts.push(("sensor", format!("ratio of energy {low} … {high} if the sensor is off by {offset}").into()));
    }
    if record.scope() == Some(Scope::System) {
        let whose =
            "of the whole machine, at the wall: ratios are its; above idle, they are the device's and its supply's";
        facts.push(("watts", whose.into()));
    }
    if record.meter.is_some() {
        facts.push(("meter", meter::words(record).join(", ").into()));
    }
    let tried = match record.kernel.tuning.len() {
        0 | 1 => String::new(), // simulated, or pinned
        count => format!(", fastest of {count} tried"),
    };
    facts.push(("kernel", format!("{}{tried}", record.kernel.variant).into()));
    // Of many inits, the one that differs most.
    if let Some((init, kwh)) = year::of(record).into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())) {
        let (words, reference) = (year::words(kwh, grid), record.plan.inits[0]);
        facts.push(("a year", format!("{words} of {init} without pause, against as many of {reference}").into()));
    }
    let figures = [Block::Table(table), Block::Facts(facts)].into_iter().chain(truth(record));
    // Figures that answer nothing come after the word that says so.
    if record.verdict.is_invalid() {
        let read = [Block::paragraph("What was read, which is no answer:")];
        return verdict(record).into_iter().chain(read).chain(figures).collect();
    }
    figures.chain(verdict(record)).collect()
}

/// One init against the reference, a row a quantity.
fn against(record: &Record, reference: Init, init: Init) -> Table {
    let ratios = record.summary.ratios.get(&init).copied().unwrap_or_default();
    let both = [reference, init].map(|init| record.summary.inits.get(&init));
    let row = |name: &str, of: &dyn Fn(&InitSummary) -> Option<f64>, unit: &dyn Fn(f64) -> String, ratio: [Cell; 2]| {
        let figures = both.map(|summary| number(summary.and_then(of), unit));
        [Cell::from(name)].into_iter().chain(figures).chain(ratio).collect()
    };
    let (giga, idle_w) = (record.plan.dtype.giga(), record.summary.sensor.idle_w);
    let pace = |per: char| move |value: f64| units::significant(value, &format!("{giga}/{per}"));
    let no_ratio = || ["".into(), "".into()];
    let rows: Vec<Vec<Cell>> = match record.summary.sensor.lead {
        Some(_) => vec![
            row("time", &|of| Some(of.time_s), &units::time, estimated(ratios.time)),
            row("power", &|of| of.power_w, &units::power, estimated(ratios.power)),
            row("energy", &|of| of.energy_j, &units::energy, estimated(ratios.energy)),
            row("above idle", &|of| Some(of.power_w? - idle_w?), &units::power, estimated(ratios.above_idle)),
            row("efficiency", &|of| of.gflop_per_j, &pace('J'), no_ratio()),
        ],
        None => vec![
            row("time", &|of| Some(of.time_s), &units::time, estimated(ratios.time)),
            row("speed", &|of| Some(of.gflop_per_s), &pace('s'), no_ratio()),
        ],
    };
    let heads = [String::new(), reference.to_string(), init.to_string(), "ratio".into(), "95 % interval".into()];
    Table::new("run", format!("{reference} against {init}"), heads, rows)
}

/// What a simulated board should have shown.
fn truth<'a>(record: &Record) -> Option<Block<'a>> {
    let row = |(init, truth): (&Init, &TrueRatios)| {
        let TrueRatios { time, power, energy, above_idle } = truth;
        let ratios = [time, power, energy, above_idle].map(|ratio| number(Some(*ratio), units::figure));
        [Cell::from(format!("truth of {init}"))].into_iter().chain(ratios).collect()
    };
    let ratios = record.truth.as_ref().map(|truth| &truth.ratios).filter(|ratios| !ratios.is_empty())?;
    Some(Block::Table(Table::new("truth", "", ["", "time", "power", "energy", "above idle"], ratios.iter().map(row))))
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
pub fn all_adapters<'a>(rows: &[(&AdapterInfo, Result<Option<&Record>, ()>)]) -> Vec<Block<'a>> {
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
        let [ratio, interval] = estimated(ratio.map(|(ratio, _)| ratio));
        let address = or_na(adapter.pci_address.map(|address| address.to_string()));
        vec![adapter.name.as_str().into(), figures(address), ratio, interval, verdict.into()]
    };
    let heads = ["GPU", "PCI", "ratio", "95 % interval", "verdict"];
    vec![Block::Table(Table::new("adapters", what, heads, rows.iter().map(row)))]
}
