//! What a run prints on standard output: the heading before it, and the summary after it.

use super::atlas;
use super::units::{self, or_na};
use super::wrap::wrapped;
use crate::analysis::year;
use crate::analysis::year::GridIntensity;
use crate::operands::Init;
use crate::record::text::printable;
use crate::record::{AdapterInfo, Estimate, Idle, InitSummary, Plan, Record, Source, Status, TrueRatios};
use std::fmt::Write;

/// The lines before a run: who, what, and by which sensor.
pub fn heading(adapter: &AdapterInfo, plan: &Plan, sensor: Result<&Source, &str>) -> String {
    let mut text =
        format!("wattmul {} · {} · {}", env!("CARGO_PKG_VERSION"), printable(&adapter.name), adapter.backend_title());
    if let Some(driver) = &adapter.driver {
        let _ = write!(text, " · {}", printable(driver));
    }
    text = wrapped(&text, "", "  ");
    let Plan { size, dtype, rounds, window_s, .. } = plan;
    let lock = plan.lock_clock_mhz.map(|mhz| format!(" · clock locked at {mhz} MHz")).unwrap_or_default();
    let _ = writeln!(text, "  matmul  {} {size}² · {rounds} rounds × {window_s} s{lock}", dtype.name());
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
    text + &wrapped(&printable(&power), "  power   ", "          ")
}

/// The answer, in lines of at most 80 columns.
pub fn summary(record: &Record, grid: Option<GridIntensity>) -> String {
    let mut text = String::from("\n");
    let invalid = record.verdict.is_invalid();
    if invalid {
        text += &verdict(record);
        text += "\n  What was read, which is no answer:\n";
    }
    let of = |init: Init| record.summary.inits.get(&init).map(|summary| (init, summary));
    text += &match record.plan.inits[..] {
        [reference, init] => match (of(reference), of(init)) {
            (Some(reference), Some(other)) => comparison(record, reference, other) + &kernel(record),
            _ => String::new(),
        },
        _ => table(record) + &kernel(record),
    };
    text += &over_a_year(record, grid);
    text.push('\n');
    text += &truth(record);
    if !invalid {
        text += &verdict(record);
    }
    text
}

/// What the difference comes to in a year; of many inits, for the one that differs most.
fn over_a_year(record: &Record, grid: Option<GridIntensity>) -> String {
    let most = year::of(record).into_iter().max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let Some((init, kwh)) = most else { return String::new() };
    let reference = record.plan.inits[0];
    let text = format!("{} of {init} without pause, against as many of {reference}", year::words(kwh, grid));
    wrapped(&text, "  a year       ", "               ")
}

/// What a simulated board should have shown.
fn truth(record: &Record) -> String {
    let ratios = record.truth.iter().flat_map(|truth| &truth.ratios);
    let many = record.plan.inits.len() > 2;
    let line = |(init, ratios): (&Init, &TrueRatios)| {
        let TrueRatios { time, power, energy, above_idle } = ratios;
        if many {
            return format!("  truth of {init}: time {time:.3}, energy {energy:.3}\n");
        }
        format!("  truth of {init}: time {time:.3}, power {power:.3}, energy {energy:.3}, above idle {above_idle:.3}\n")
    };
    ratios.map(line).collect()
}

fn comparison(record: &Record, reference: (Init, &InitSummary), other: (Init, &InitSummary)) -> String {
    let mut text = String::new();
    let ((reference, base), (init, other)) = (reference, other);
    let ratios = record.summary.ratios.get(&init).copied().unwrap_or_default();
    let title = format!("{reference} against {init}, {} rounds", rounds(record));
    let _ = writeln!(text, "  {title:<53}95 % interval");
    let _ = writeln!(text, "  {:<11}{:>16}{:>16}{:>8}", "", reference.to_string(), init.to_string(), "ratio");
    let mut row = |name: &str, left: Option<String>, right: Option<String>, ratio: Option<Estimate>| {
        let ([left, right], figure, interval) = ([left, right].map(or_na), units::ratio(ratio), units::interval(ratio));
        let line = format!("  {name:<11}{left:>16}{right:>16}{figure:>8}    {interval}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    row("time", Some(units::time(base.time_s)), Some(units::time(other.time_s)), ratios.time);
    if record.summary.sensor.lead.is_some() {
        row("power", base.power_w.map(units::power), other.power_w.map(units::power), ratios.power);
        row("energy", base.energy_j.map(units::energy), other.energy_j.map(units::energy), ratios.energy);
        let above = |watts: Option<f64>| Some(units::power(watts? - record.summary.sensor.idle_w?));
        row("above idle", above(base.power_w), above(other.power_w), ratios.above_idle);
    } else {
        let why = if record.source.is_some() { "the sensor gave none" } else { "no sensor" };
        let _ = writeln!(text, "  {:<11}{:>16}", "power", format!("n/a ({why})"));
        let _ = writeln!(text, "  {:<11}{:>16}", "energy", format!("n/a ({why})"));
    }
    let giga = record.plan.dtype.giga();
    let pace = |init: &InitSummary| match init.gflop_per_j {
        Some(per_j) => units::significant(per_j, &format!("{giga}/J")),
        None => units::significant(init.gflop_per_s, &format!("{giga}/s")),
    };
    let name = if base.gflop_per_j.is_some() { "efficiency" } else { "speed" };
    let idle = idle(record).map(|idle| format!("    idle {idle}")).unwrap_or_default();
    let _ = writeln!(text, "  {name:<11}{:>16}{:>16}{idle}", pace(base), pace(other));
    text
}

/// Of more than two inits: a row each, and one ratio, of energy where there is energy.
pub(super) fn table(record: &Record) -> String {
    let summary = &record.summary;
    let inits = &record.plan.inits;
    let (joules, giga) = (summary.sensor.lead.is_some(), record.plan.dtype.giga());
    let figures: Vec<(Init, [String; 4], String)> = inits
        .iter()
        .filter_map(|&init| {
            let InitSummary { time_s, power_w, energy_j, gflop_per_s, .. } = *summary.inits.get(&init)?;
            let (power, energy) = match joules {
                true => (power_w.map(units::power), energy_j.map(units::energy)),
                false => (Some(units::significant(gflop_per_s, &format!("{giga}/s"))), Some(String::new())),
            };
            let ratios = summary.ratios.get(&init);
            let ratio = ratios.and_then(|ratios| if joules { ratios.energy } else { ratios.time });
            let (ratio, interval) = match init == inits[0] {
                true => Default::default(), // the reference
                false => (units::ratio(ratio), units::interval(ratio)),
            };
            let columns = [units::time(time_s), or_na(power), or_na(energy), ratio];
            Some((init, columns, interval))
        })
        .collect();
    let Some(&reference) = inits.first() else { return String::new() };
    let width = inits.iter().map(|init| init.to_string().len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut row = |name: &str, [time, power, energy, ratio]: &[String; 4], interval: &str| {
        let power_and_energy = if joules { format!("{power:>10}{energy:>11}") } else { format!("{power:>16}") };
        let line = format!("  {name:<width$}{time:>11}{power_and_energy}{ratio:>8}  {interval}");
        let _ = writeln!(text, "{}", line.trim_end());
    };
    let what = if joules { "energy" } else { "time" };
    let heading = ["time", if joules { "power" } else { "speed" }, "energy", "ratio"].map(str::to_owned);
    row("", &heading, "95 % interval");
    for (init, columns, interval) in &figures {
        row(&init.to_string(), columns, interval);
    }
    let mut notes = String::new();
    if let Some(line) = atlas::line(record) {
        notes += &wrapped(&line, "  bits         ", "               ");
    }
    let title = format!("{} inits, {} rounds; ratios of {what}, against {reference}", inits.len(), rounds(record));
    if !joules {
        let why = if record.source.is_some() { "the sensor gave none" } else { "no sensor" };
        let _ = writeln!(notes, "  {:<11}  n/a ({why})", "energy");
    }
    if let Some(idle) = idle(record) {
        let _ = writeln!(notes, "  {:<11}  {idle}", "idle");
    }
    wrapped(&title, "  ", "    ") + &text + &notes
}

/// So many were begun: one that was cut short counts.
fn rounds(record: &Record) -> u32 {
    record.windows.iter().map(|window| window.round.saturating_add(1)).max().unwrap_or(0)
}

fn kernel(record: &Record) -> String {
    let tried = match record.kernel.tuning.len() {
        0 | 1 => String::new(), // simulated, or pinned
        count => format!(", fastest of {count} tried"),
    };
    format!("  {:<11}  {}{tried}\n", "kernel", record.kernel.variant)
}

/// "52.0 W cold, 61.3 W hot"
fn idle(record: &Record) -> Option<String> {
    record.summary.sensor.idle_w?; // else what was shown at rest is not believed
    let watts = |idle: Option<Idle>| idle.and_then(|idle| idle.power_w).map(|watts| format!("{watts:.1} W"));
    match (watts(record.idle.cold), watts(record.idle.hot)) {
        (Some(cold), Some(hot)) => Some(format!("{cold} cold, {hot} hot")),
        (one, other) => one.or(other),
    }
}

/// The verdict as a word, and every reason with what to do about it.
fn verdict(record: &Record) -> String {
    let verdict = &record.verdict;
    let flags: String = verdict.flags.iter().map(|flag| format!(", {flag}")).collect();
    // A simulated record is what it is, but the word that its readings deserve belongs beside it.
    let judged =
        verdict.judged.map(|status| format!(", else {}", status.to_string().to_uppercase())).unwrap_or_default();
    let word = verdict.status.to_string().to_uppercase() + &judged + &flags;
    let mut reasons =
        verdict.reasons.iter().map(|reason| printable(&format!("{}. Fix: {}.", reason.message, reason.fix)));
    match reasons.next() {
        None if verdict.judgement() == Status::Valid => wrapped(&format!("{word}: all checks hold"), "  ", "    "),
        None => wrapped(&word, "  ", "    "),
        Some(first) => {
            let others = reasons.map(|reason| wrapped(&reason, "  also ", "    ")).collect::<String>();
            wrapped(&format!("{word}: {first}"), "  ", "    ") + &others
        }
    }
}
