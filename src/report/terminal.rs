//! What a run prints: the heading and the summary on standard output, the progress on standard error.

use super::{atlas, units};
use crate::gpu::adapter::AdapterInfo;
use crate::inputs::Init;
use crate::plan::Plan;
use crate::power::Source;
use crate::protocol::{Event, Stage};
use crate::record::{InitSummary, Record, TrueRatios};
use crate::stats::Estimate;
use crate::text::{printable, wrapped};
use crate::validity::Status;
use crate::year::{self, GridIntensity};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::Duration;

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

/// Draws what the protocol does: a bar on a terminal, else a line a window.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    doing: String,
    /// Seconds that the whole run takes, as far as is known.
    whole_s: f64,
    left_s: f64,
}

impl Progress {
    /// On standard error.
    pub fn new(plan: &Plan) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("  {spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr()).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let whole_s = plan.rounds_s() + plan.warm_up_s.0;
        Progress { bar, state: RefCell::new(State { doing: String::new(), whole_s, left_s: whole_s }) }
    }

    /// Something outside of the protocol that takes a while.
    pub fn note(&self, doing: &str) {
        self.state.borrow_mut().doing = doing.into();
        if let Some(bar) = &self.bar {
            bar.set_message(doing.to_owned());
        }
    }

    /// Takes an event of the protocol of a plan.
    pub fn event(&self, plan: &Plan, event: Event) {
        match event {
            Event::Begun(stage) => {
                let doing = match stage {
                    Stage::Prepare => "making matrices, choosing a kernel".into(),
                    Stage::Idle => "idle".into(),
                    Stage::WarmUp => "warm-up".into(),
                    Stage::Round { round, init } => {
                        format!("round {}/{}  {init:<width$}", round + 1, plan.rounds, width = name_width(plan))
                    }
                };
                self.note(&doing);
            }
            Event::Progress { left_s, power_w, temperature_c, clock_mhz } => {
                let mut state = self.state.borrow_mut();
                if state.doing == "idle" {
                    return;
                }
                state.left_s = left_s;
                state.whole_s = state.whole_s.max(left_s);
                if let Some(bar) = &self.bar {
                    let figure =
                        |value: Option<f64>, unit: &str| value.map(|v| format!("{v:>5.0} {unit}")).unwrap_or_default();
                    let figures =
                        [figure(power_w, "W"), figure(temperature_c, "°C"), figure(clock_mhz, "MHz")].concat();
                    bar.set_message(format!(
                        "{:<20} {figures} {} {:>5} left",
                        state.doing,
                        meter(
                            1.0 - left_s / state.whole_s,
                            16usize.saturating_sub(state.doing.len().saturating_sub(20))
                        ),
                        units::countdown(left_s)
                    ));
                }
            }
            Event::WindowDone(window) => {
                if self.bar.is_none() {
                    let time = units::time(window.duration_s / window.products);
                    let (init, width) = (plan.inits[window.init], name_width(plan));
                    eprintln!("  round {}/{}  {init:<width$} {time}", window.round + 1, plan.rounds);
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Columns for the name of an init: as many as the longest takes, and the 9 of zeros and gaussian at least.
fn name_width(plan: &Plan) -> usize {
    plan.inits.iter().map(|init| init.to_string().len()).fold(9, usize::max)
}

/// `━━━━╸━━━`: a bar of `width` columns of which `share` is done.
fn meter(share: f64, width: usize) -> String {
    let done = (share.clamp(0.0, 1.0) * width as f64) as usize;
    "━".repeat(done) + if done < width { "╸" } else { "" } + &"┄".repeat(width.saturating_sub(done + 1))
}

/// The answer, in lines of at most 80 columns.
pub fn summary(record: &Record, grid: Option<GridIntensity>) -> String {
    let mut text = String::from("\n");
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
    text + &truth(record) + &verdict(record)
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
    let rounds = record.windows.iter().map(|window| window.round + 1).max().unwrap_or(0);
    let title = format!("{reference} against {init}, {rounds} rounds");
    let _ = writeln!(text, "  {title:<53}95 % interval");
    let _ = writeln!(text, "  {:<11}{:>16}{:>16}{:>8}", "", reference.to_string(), init.to_string(), "ratio");
    let mut row = |name: &str, left: Option<String>, right: Option<String>, ratio: Option<Estimate>| {
        let missing = || "n/a".to_owned();
        let figure = ratio.map(|ratio| format!("{:.3}", ratio.estimate)).unwrap_or_else(missing);
        let interval = ratio.map(interval).unwrap_or_else(missing);
        let (left, right) = (left.unwrap_or_else(missing), right.unwrap_or_else(missing));
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
    let operation = record.plan.dtype.operation();
    let pace = |init: &InitSummary| match init.gflop_per_j {
        Some(per_j) => units::significant(per_j, &format!("G{operation}/J")),
        None => units::significant(init.gflop_per_s, &format!("G{operation}/s")),
    };
    let name = if base.gflop_per_j.is_some() { "efficiency" } else { "speed" };
    let _ = writeln!(text, "  {name:<11}{:>16}{:>16}{}", pace(base), pace(other), idle(record));
    text
}

/// Of more than two inits: a row each, and one ratio, of energy where there is energy.
pub(super) fn table(record: &Record) -> String {
    let summary = &record.summary;
    let inits = &record.plan.inits;
    let joules = summary.sensor.lead.is_some();
    let rounds = record.windows.iter().map(|window| window.round + 1).max().unwrap_or(0);
    let missing = || "n/a".to_owned();
    let figures: Vec<(Init, [String; 4], String)> = inits
        .iter()
        .filter_map(|&init| {
            let InitSummary { time_s, power_w, energy_j, gflop_per_s, .. } = *summary.inits.get(&init)?;
            let (power, energy) = match joules {
                true => (power_w.map(units::power), energy_j.map(units::energy)),
                false => (Some(units::significant(gflop_per_s, "GFLOP/s")), Some(String::new())),
            };
            let ratios = summary.ratios.get(&init);
            let ratio = ratios.and_then(|ratios| if joules { ratios.energy } else { ratios.time });
            let (ratio, interval) = match ratio {
                Some(ratio) => (format!("{:.3}", ratio.estimate), interval(ratio)),
                None => (String::new(), String::new()),
            };
            let columns = [units::time(time_s), power.unwrap_or_else(missing), energy.unwrap_or_else(missing), ratio];
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
    let title = format!("{} inits, {rounds} rounds; ratios of {what}, against {reference}", inits.len());
    if !joules {
        let why = if record.source.is_some() { "the sensor gave none" } else { "no sensor" };
        let _ = writeln!(notes, "  {:<11}  n/a ({why})", "energy");
    }
    match idle(record).trim_start() {
        "" => {}
        idle => {
            let _ = writeln!(notes, "  {:<11}  {}", "idle", idle.trim_start_matches("idle "));
        }
    }
    wrapped(&title, "  ", "    ") + &text + &notes
}

/// `1.119 … 1.127`
pub(super) fn interval(estimate: Estimate) -> String {
    let Estimate { low, high, .. } = estimate;
    match low.zip(high) {
        Some((low, high)) => format!("{low:.3} … {high:.3}"),
        None => "n/a (few rounds)".into(),
    }
}

fn kernel(record: &Record) -> String {
    let tried = match record.kernel.tuning.len() {
        0 | 1 => String::new(), // simulated, or pinned
        count if record.kernel.remembered => format!(", fastest of {count} tried in an earlier run"),
        count => format!(", fastest of {count} tried"),
    };
    format!("  {:<11}  {}{tried}\n", "kernel", record.kernel.variant)
}

fn idle(record: &Record) -> String {
    let watts =
        |idle: Option<crate::protocol::Idle>| idle.and_then(|idle| idle.power_w).map(|watts| format!("{watts:.1} W"));
    match (watts(record.idle.cold), watts(record.idle.hot)) {
        (Some(cold), Some(hot)) => format!("    idle {cold} cold, {hot} hot"),
        (Some(one), None) | (None, Some(one)) => format!("    idle {one}"),
        (None, None) => String::new(),
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
        verdict.reasons.iter().map(|reason| printable(&format!("{}. Mend: {}.", reason.message, reason.mend)));
    match reasons.next() {
        None if verdict.judgement() == Status::Valid => wrapped(&format!("{word}: all checks hold"), "  ", "    "),
        None => wrapped(&word, "  ", "    "),
        Some(first) => {
            let others = reasons.map(|reason| wrapped(&reason, "  also ", "    ")).collect::<String>();
            wrapped(&format!("{word}: {first}"), "  ", "    ") + &others
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_fills_from_left_to_right_and_keeps_its_width() {
        assert_eq!(meter(0.0, 4), "╸┄┄┄");
        assert_eq!(meter(0.5, 4), "━━╸┄");
        assert_eq!(meter(1.0, 4), "━━━━");
        assert_eq!(meter(f64::NAN, 4), "╸┄┄┄");
    }
}
