//! The protocol at several locked clocks: which they are, and what their records say together.

use super::stats;
use super::stats::Fan;
use crate::operands::Init;
use crate::record::{Estimate, Flag, Record};
use std::collections::BTreeSet;

/// What the records of a sweep say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// By clock, and at one clock in the plan's order.
    pub rows: Vec<Row>,
    pub fit: Option<Fit>,
    /// Of each init, at which of the clocks a product took the least energy.
    pub least_energy: Vec<(Init, u32)>,
}

/// One init at one clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub clock_mhz: u32,
    pub init: Init,
    /// Seconds a product.
    pub time_s: f64,
    pub power_w: Option<f64>,
    /// Joules a product.
    pub energy_j: Option<f64>,
    /// Of energy to the reference at the same clock; of time where there is no energy.
    pub ratio: Option<Estimate>,
}

/// P = P_0 + (c_static + c_α)·f, as far as power is straight in the clock: above some clock the voltage rises with it, and power
/// faster than the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// P_0: what is drawn whatever the clock, in watts.
    pub static_w: Estimate,
    /// c_static + c_α of each init, in watts a MHz. That of an init in which no bit switches is c_static.
    pub w_per_mhz: Vec<(Init, Estimate)>,
    /// The clocks that it rests on.
    pub from_mhz: u32,
    pub to_mhz: u32,
}

/// Power may be off the lines by this share of itself: a clock at which it is off by more is not on the straight part.
const STRAIGHT: f64 = 0.01;
/// Clocks that a fit needs: through two there is always a line.
const LEAST_CLOCKS: usize = 3;
/// A clock that was locked and yet off by this share was not held.
const HELD: f64 = 0.02;

impl Sweep {
    /// Of the records of one sweep, in any order.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut records: Vec<(u32, &Record)> =
            records.into_iter().filter_map(|record| Some((record.plan.lock_clock_mhz?, record))).collect();
        records.sort_by_key(|(mhz, _)| *mhz);
        let rows: Vec<Row> = records.iter().flat_map(|&(clock_mhz, record)| rows(clock_mhz, record)).collect();
        let inits = inits(&rows);
        let least = |init: Init| {
            let of_init = rows.iter().filter(|row| row.init == init);
            let energies = of_init.filter_map(|row| Some((row.clock_mhz, row.energy_j?)));
            let least = energies.min_by(|a, b| a.1.total_cmp(&b.1));
            least.map(|(mhz, _)| (init, mhz))
        };
        let least_energy = inits.iter().filter_map(|&init| least(init)).collect();
        let held: BTreeSet<u32> =
            records.iter().filter(|(mhz, record)| is_held(*mhz, record)).map(|held| held.0).collect();
        Sweep { fit: fit(&rows, &inits, held), least_energy, rows }
    }
}

/// The inits, in the order of the rows.
pub fn inits(rows: &[Row]) -> Vec<Init> {
    let mut inits: Vec<Init> = vec![];
    for row in rows {
        if !inits.contains(&row.init) {
            inits.push(row.init);
        }
    }
    inits
}

fn rows(clock_mhz: u32, record: &Record) -> impl Iterator<Item = Row> + '_ {
    record.plan.inits.iter().filter_map(move |&init| {
        let summary = record.summary.inits.get(&init)?;
        let ratios = record.summary.ratios.get(&init);
        Some(Row {
            clock_mhz,
            init,
            time_s: summary.time_s,
            power_w: summary.power_w,
            energy_j: summary.energy_j,
            ratio: ratios.and_then(|ratios| ratios.energy.or(ratios.time)),
        })
    })
}

/// Is its power that of the clock it was locked at?
fn is_held(mhz: u32, record: &Record) -> bool {
    let seen = record.summary.inits.values().filter_map(|init| init.clock_mhz);
    let off = |seen: f64| (seen / f64::from(mhz) - 1.0).abs();
    !record.verdict.is_invalid()
        && !record.verdict.flags.contains(&Flag::PowerCapped)
        && seen.map(off).all(|off| off <= HELD)
}

/// Lines that leave one point, through the lowest clocks: as many as lie on them.
fn fit(rows: &[Row], inits: &[Init], mut clocks: BTreeSet<u32>) -> Option<Fit> {
    while clocks.len() >= LEAST_CLOCKS {
        let of_init = |init: &Init| -> Vec<(f64, f64)> {
            let fits = rows.iter().filter(|row| row.init == *init && clocks.contains(&row.clock_mhz));
            fits.filter_map(|row| Some((f64::from(row.clock_mhz), row.power_w?))).collect()
        };
        let lines: Vec<Vec<(f64, f64)>> = inits.iter().map(of_init).collect();
        let Fan { intercept, slopes } = stats::fan(&lines)?;
        let off = |(points, slope): (&Vec<(f64, f64)>, &Estimate)| {
            let share = |&(x, y): &(f64, f64)| ((intercept.estimate + slope.estimate * x) / y - 1.0).abs();
            points.iter().map(share).fold(0.0, f64::max)
        };
        if lines.iter().zip(&slopes).map(off).fold(0.0, f64::max) <= STRAIGHT {
            let (from_mhz, to_mhz) = (*clocks.first()?, *clocks.last()?);
            let w_per_mhz = inits.iter().copied().zip(slopes).collect();
            return Some(Fit { static_w: intercept, w_per_mhz, from_mhz, to_mhz });
        }
        clocks.pop_last();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Above 1200 MHz the voltage rises with the clock.
    #[test]
    fn the_fit_ends_where_power_bends() {
        let inits = [Init::Zeros, Init::Gaussian];
        let power_w = |mhz: u32, per_mhz: f64| {
            let voltage = 1.0 + f64::from(mhz.max(1200) - 1200) / 2000.0;
            Some(50.0 + per_mhz * f64::from(mhz) * voltage * voltage)
        };
        let all = [600, 900, 1200, 1500, 1800];
        let row = |clock_mhz, init, per_mhz| {
            let power_w = power_w(clock_mhz, per_mhz);
            Row { clock_mhz, init, time_s: 1.0, power_w, energy_j: power_w, ratio: None }
        };
        let rows: Vec<Row> =
            all.iter().flat_map(|&mhz| [row(mhz, Init::Zeros, 0.1), row(mhz, Init::Gaussian, 0.16)]).collect();
        let found = fit(&rows, &inits, all.into_iter().collect()).unwrap();
        assert_eq!((found.from_mhz, found.to_mhz), (600, 1200));
        assert!((found.static_w.estimate - 50.0).abs() < 1e-9, "{found:?}");
        assert!((found.w_per_mhz[1].1.estimate - 0.16).abs() < 1e-12, "{found:?}");
        assert_eq!(fit(&rows, &inits, [600, 900].into()), None, "through two clocks there is always a line");
        assert_eq!(fit(&rows, &inits, [600, 1500, 1800].into()), None);
    }
}
