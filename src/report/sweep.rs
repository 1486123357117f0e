//! A sweep in words and pictures: a row a clock and an init, and what they say together.

use super::canvas::{Ink, Layout, Plot, Shape};
use super::chart::{Chart, Curve, Spot};
use super::units::{self, or_na};
use super::wrap::wrapped;
use crate::analysis::sweep;
use crate::analysis::sweep::{Fit, Row, Sweep};
use crate::operands::Init;
use crate::record::text::printable;
use crate::record::{Estimate, Record};
use std::fmt::Write;

/// The records of one sweep, in lines of at most 80 columns.
pub fn table<'a>(records: impl IntoIterator<Item = &'a Record>) -> String {
    let records: Vec<&Record> = records.into_iter().collect();
    let sweep = Sweep::of(records.iter().copied());
    let Some(first) = records.first() else { return String::new() };
    let width = sweep.rows.iter().map(|row| row.init.to_string().len()).max().unwrap_or(0);
    let joules = sweep.rows.iter().any(|row| row.energy_j.is_some());
    let what = if joules { "energy" } else { "time" };
    let id = printable(first.plan.sweep.as_deref().unwrap_or_default());
    let reference = first.plan.inits[0];
    let mut text = format!("\n  sweep {id}, {} clocks; ratios of {what}, against {reference}\n", records.len());
    let columns = if joules { ["power", "energy"] } else { ["time", ""] };
    let [left, right] = columns;
    let _ = writeln!(text, "  {:<11}{:<width$}{left:>10}{right:>11}{:>8}  95 % interval", "clock", "", "ratio");
    let mut before = None;
    for Row { clock_mhz, init, time_s, power_w, energy_j, ratio } in sweep.rows.iter().copied() {
        let clock = if before == Some(clock_mhz) { String::new() } else { format!("{clock_mhz} MHz") };
        before = Some(clock_mhz);
        let figure = |figure: Option<f64>, unit: fn(f64) -> String| or_na(figure.map(unit));
        let (left, right) = match joules {
            true => (figure(power_w, units::power), figure(energy_j, units::energy)),
            false => (units::time(time_s), String::new()),
        };
        let (factor, interval) = match init == reference {
            true => Default::default(),
            false => (units::ratio(ratio), units::interval(ratio)),
        };
        let init = init.to_string();
        let line = format!("  {clock:<11}{init:<width$}{left:>10}{right:>11}{factor:>8}  {interval}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if !joules {
        return text + "  energy       n/a (no sensor)\n";
    }
    text += &wrapped(&power_words(&sweep, reference), "  power        ", "               ");
    text + &wrapped(&least_words(&sweep), "  least energy ", "               ")
}

/// What the fit says, or why there is none.
pub fn power_words(sweep: &Sweep, reference: Init) -> String {
    match &sweep.fit {
        Some(fit) => line(fit, reference),
        None => "n/a: it takes three clocks that were held, and power that is straight in them".into(),
    }
}

/// "zeros at 900 MHz; gaussian at 600 MHz, the lowest"
pub fn least_words(sweep: &Sweep) -> String {
    let clocks = || sweep.rows.iter().map(|row| row.clock_mhz);
    let least = sweep.least_energy.iter().map(|&(init, mhz)| {
        let end = match mhz {
            mhz if Some(mhz) == clocks().max() => ", the highest",
            mhz if Some(mhz) == clocks().min() => ", the lowest",
            _ => "",
        };
        format!("{init} at {mhz} MHz{end}")
    });
    least.collect::<Vec<_>>().join("; ")
}

/// "NVIDIA H100 · f32 10000² · sweep 1a2b3c4d"
pub fn title(record: &Record) -> String {
    let plan = &record.plan;
    let name = printable(&record.adapter.name);
    format!(
        "{name} · {} {}² · sweep {}",
        plan.dtype.name(),
        plan.size,
        printable(plan.sweep.as_deref().unwrap_or_default())
    )
}

/// A figure of each init by clock, its points joined; `marked` are filled.
fn by_clock(
    sweep: &Sweep,
    figure: fn(&Row) -> Option<f64>,
    marked: impl Fn(&Row) -> bool,
    joined: f64,
) -> (Vec<Curve>, Vec<Spot>) {
    let of = |init: Init| sweep.rows.iter().filter(move |row| row.init == init);
    let point = |row: &Row| Some((f64::from(row.clock_mhz), figure(row)?));
    let curve = |init: Init| Curve {
        points: of(init).filter_map(point).collect(),
        ink: Ink::of(init),
        width: joined,
        name: Some(init.to_string()),
    };
    let spot = |row: &Row| {
        let shape = if marked(row) { Shape::Filled } else { Shape::Hollow };
        Some(Spot { at: point(row)?, shape, ink: Ink::of(row.init), name: None })
    };
    let curves = sweep::inits(&sweep.rows).into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
    (curves, sweep.rows.iter().filter_map(spot).collect())
}

/// Mean power by clock, with the fit as far as it holds.
pub fn power(sweep: &Sweep, record: &Record, layout: Layout) -> Option<Plot> {
    let rests = |row: &Row| sweep.fit.as_ref().is_some_and(|fit| (fit.from_mhz..=fit.to_mhz).contains(&row.clock_mhz));
    // Where the fit says what lies between the points, nothing else does.
    let (mut curves, spots) = by_clock(sweep, |row| row.power_w, rests, if sweep.fit.is_some() { 0.6 } else { 1.4 });
    let fits = sweep.fit.iter().flat_map(|fit| fit.w_per_mhz.iter().map(move |slope| (fit, slope)));
    curves.extend(fits.map(|(fit, (init, slope))| {
        Curve {
            points: [fit.from_mhz, fit.to_mhz]
                .map(|mhz| (f64::from(mhz), fit.static_w.estimate + slope.estimate * f64::from(mhz)))
                .into(),
            ink: Ink::of(*init),
            width: 2.0,
            name: None,
        }
    }));
    let chart = Chart {
        title: format!("Power by clock, {}", title(record)),
        description: format!(
            "A dot for each clock and init, and the straight line that fits them, as far as it does: the dots that it rests on \
             are filled. {}",
            power_words(sweep, record.plan.inits[0])
        ),
        x: "locked clock, MHz".into(),
        y: "mean power, W".into(),
        from_zero: true,
        curves,
        spots,
    };
    chart.draw(layout)
}

/// Joules of a product by clock, the least of each init filled.
pub fn energy(sweep: &Sweep, record: &Record, layout: Layout) -> Option<Plot> {
    let least = |row: &Row| sweep.least_energy.contains(&(row.init, row.clock_mhz));
    let (curves, spots) = by_clock(sweep, |row| row.energy_j, least, 1.4);
    let chart = Chart {
        title: format!("Energy of a product by clock, {}", title(record)),
        description: format!("A dot for each clock and init, the least of each init filled: {}.", least_words(sweep)),
        x: "locked clock, MHz".into(),
        y: "energy of a product, J".into(),
        from_zero: true,
        curves,
        spots,
    };
    chart.draw(layout)
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
