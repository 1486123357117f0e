//! What a sweep prints after its runs: a row a clock and an init, and what they say together.

use super::terminal::{interval, wrapped};
use super::units;
use crate::inits::Init;
use crate::record::Record;
use crate::stats::Estimate;
use crate::sweep::{Fit, Row, Sweep};
use std::fmt::Write;

/// The records of one sweep, in lines of at most 80 columns.
pub fn table(records: &[Record]) -> String {
    let sweep = Sweep::of(records);
    let Some(first) = records.first() else { return String::new() };
    let width = sweep.rows.iter().map(|row| row.init.to_string().len()).max().unwrap_or(0);
    let joules = sweep.rows.iter().any(|row| row.energy_j.is_some());
    let what = if joules { "energy" } else { "time" };
    let id = first.plan.sweep.as_deref().unwrap_or_default();
    let reference = first.plan.inits[0];
    let mut text = format!("\n  sweep {id}, {} clocks; ratios of {what}, against {reference}\n", records.len());
    let columns = if joules { ["power", "energy"] } else { ["time", ""] };
    let [left, right] = columns;
    let _ = writeln!(text, "  {:<11}{:<width$}{left:>10}{right:>11}{:>8}  95 % interval", "clock", "", "ratio");
    let mut before = None;
    for Row { clock_mhz, init, time_s, power_w, energy_j, ratio } in sweep.rows {
        let clock = if before == Some(clock_mhz) { String::new() } else { format!("{clock_mhz} MHz") };
        before = Some(clock_mhz);
        let figure = |figure: Option<f64>, unit: fn(f64) -> String| figure.map_or("n/a".into(), unit);
        let (left, right) = match joules {
            true => (figure(power_w, units::power), figure(energy_j, units::energy)),
            false => (units::time(time_s), String::new()),
        };
        let factor = ratio.map(|ratio| format!("{:.3}", ratio.estimate)).unwrap_or_default();
        let interval = ratio.map(interval).unwrap_or_default();
        let init = init.to_string();
        let line = format!("  {clock:<11}{init:<width$}{left:>10}{right:>11}{factor:>8}  {interval}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if !joules {
        return text + "  energy       n/a (no sensor)\n";
    }
    let fit = match sweep.fit {
        Some(fit) => line(&fit, reference),
        None => "n/a: it takes three clocks that were held, and power that is straight in them".into(),
    };
    text += &wrapped(&fit, "  power        ", "               ");
    let clocks: Vec<u32> = records.iter().filter_map(|record| record.plan.lock_clock_mhz).collect();
    let least = sweep.least_energy.iter().map(|&(init, mhz)| {
        let end = match mhz {
            mhz if Some(&mhz) == clocks.iter().max() => ", the highest",
            mhz if Some(&mhz) == clocks.iter().min() => ", the lowest",
            _ => "",
        };
        format!("{init} at {mhz} MHz{end}")
    });
    text + &wrapped(&least.collect::<Vec<_>>().join("; "), "  least energy ", "               ")
}

/// P = P_0 + f · (c_static + c_α), in words.
fn line(fit: &Fit, reference: Init) -> String {
    let watts = |estimate: Estimate, unit: &dyn Fn(f64) -> String| {
        let ends = estimate.low.zip(estimate.high).map(|(low, high)| format!(" ({} … {})", unit(low), unit(high)));
        unit(estimate.estimate) + &ends.unwrap_or_default()
    };
    let per_mhz = |watts: f64| units::significant(1000.0 * watts, "mW");
    let base = fit.w_per_mhz.iter().find(|(init, _)| *init == reference).map(|(_, slope)| slope.estimate);
    let slopes = fit.w_per_mhz.iter().map(|&(init, slope)| {
        let more = base.filter(|_| init != reference).map(|base| slope.estimate - base);
        let more = more.map(|more| format!(", {} more", per_mhz(more))).unwrap_or_default();
        format!("{init} {}{more}", watts(slope, &per_mhz))
    });
    format!(
        "{} whatever the clock, and each MHz: {}; straight from {} to {} MHz",
        watts(fit.static_w, &units::power),
        slopes.collect::<Vec<_>>().join("; "),
        fit.from_mhz,
        fit.to_mhz
    )
}
