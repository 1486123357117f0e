//! The protocol at several locked clocks, or power limits: which they are, and what their records say together.

use super::stats;
use super::stats::Fan;
use crate::operands::Init;
use crate::record::plan::Knob;
use crate::record::{Estimate, Flag, Record};
use std::collections::BTreeSet;

/// What the records of a sweep say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// What was turned.
    pub knob: Knob,
    /// By setting, and at one setting in the plan's order.
    pub rows: Vec<Row>,
    /// Of clocks.
    pub fit: Option<Fit>,
    /// Of each init, at which of the settings a product took the least energy.
    pub least_energy: Vec<(Init, u32)>,
    /// And at which energy × time of a product was the least: a little more speed for a little more energy.
    pub least_delay: Vec<(Init, u32)>,
}

/// One init at one setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// In MHz, or in W.
    pub setting: u32,
    pub init: Init,
    /// Seconds a product.
    pub time_s: f64,
    pub power_w: Option<f64>,
    /// Joules a product.
    pub energy_j: Option<f64>,
    /// Of energy to the reference at the same setting; of time where there is no energy.
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
        let records: Vec<&Record> = records.into_iter().collect();
        let knob = knob(&records);
        let mut records: Vec<(u32, &Record)> =
            records.into_iter().filter_map(|record| Some((record.plan.setting(knob)?, record))).collect();
        records.sort_by_key(|(setting, _)| *setting);
        let rows: Vec<Row> = records.iter().flat_map(|&(setting, record)| rows(setting, record)).collect();
        let inits = inits(&rows);
        let least = |figure: fn(&Row) -> Option<f64>| -> Vec<(Init, u32)> {
            let of_init = |init: Init| {
                let rows = rows.iter().filter(move |row| row.init == init);
                let least = rows.filter_map(|row| Some((row.setting, figure(row)?))).min_by(|a, b| a.1.total_cmp(&b.1));
                least.map(|(setting, _)| (init, setting))
            };
            inits.iter().filter_map(|&init| of_init(init)).collect()
        };
        let held: BTreeSet<u32> =
            records.iter().filter(|(mhz, record)| is_held(*mhz, record)).map(|held| held.0).collect();
        let fit = if knob == Knob::Clock { fit(&rows, &inits, held) } else { None };
        Sweep { knob, fit, least_energy: least(|row| row.energy_j), least_delay: least(Row::delay_js), rows }
    }
}

impl Row {
    /// Energy × time of a product, in J·s.
    pub fn delay_js(&self) -> Option<f64> {
        Some(self.energy_j? * self.time_s)
    }
}

/// What was turned: what differs among the records. Of one record alone, what it says.
pub fn knob(records: &[&Record]) -> Knob {
    let limits: BTreeSet<Option<u32>> = records.iter().map(|record| record.plan.power_limit_w).collect();
    let clocks: BTreeSet<Option<u32>> = records.iter().map(|record| record.plan.lock_clock_mhz).collect();
    let is_limited = limits.iter().any(Option::is_some);
    let turns_clock =
        clocks.len() > limits.len() || (clocks.len() == limits.len() && clocks.iter().any(Option::is_some));
    if is_limited && !turns_clock { Knob::PowerLimit } else { Knob::Clock }
}

/// What one product takes by the power limit against what it takes by the clock, at equal speed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EqualSpeed {
    pub init: Init,
    /// Seconds a product, from the fastest to the slowest that both sweeps reached.
    pub from_s: f64,
    pub to_s: f64,
    /// Energy by the power limit over that by the clock: its mean over these times, and its ends.
    pub mean: f64,
    pub least: f64,
    pub most: f64,
}

/// So many times between the fastest and the slowest are looked at.
const LOOKS: usize = 33;
/// Two sweeps that share less of their times than this have nothing to compare.
const LEAST_SHARED: f64 = 0.02;

/// Of each init that both sweeps have: a sweep over the clock and one over the power limit, of one card and one product. Between two
/// settings, energy is taken to be straight in the time.
pub fn at_equal_speed(clock: &Sweep, limit: &Sweep) -> Vec<EqualSpeed> {
    let curve = |sweep: &Sweep, init: Init| -> Vec<(f64, f64)> {
        let rows = sweep.rows.iter().filter(|row| row.init == init);
        let mut points: Vec<(f64, f64)> = rows.filter_map(|row| Some((row.time_s, row.energy_j?))).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points
    };
    let of_init = |init: Init| {
        let (clock, limit) = (curve(clock, init), curve(limit, init));
        let from_s = clock.first()?.0.max(limit.first()?.0);
        let to_s = clock.last()?.0.min(limit.last()?.0);
        if to_s <= from_s * (1.0 + LEAST_SHARED) {
            return None;
        }
        let look = |i: usize| {
            let time_s = from_s + (to_s - from_s) * i as f64 / (LOOKS - 1) as f64;
            Some(between(&limit, time_s)? / between(&clock, time_s)?)
        };
        let shares: Vec<f64> = (0..LOOKS).map(look).collect::<Option<_>>()?;
        let least = shares.iter().copied().fold(f64::INFINITY, f64::min);
        let most = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(EqualSpeed { init, from_s, to_s, mean: shares.iter().sum::<f64>() / LOOKS as f64, least, most })
    };
    inits(&clock.rows).into_iter().filter_map(of_init).collect()
}

/// On the straight lines between points, whose first figures ascend. None beyond them.
fn between(points: &[(f64, f64)], at: f64) -> Option<f64> {
    let after = points.iter().position(|point| point.0 >= at)?;
    let (right, left) = (points[after], points[after.saturating_sub(1)]);
    if after == 0 {
        return (right.0 <= at).then_some(right.1);
    }
    let share = if right.0 > left.0 { (at - left.0) / (right.0 - left.0) } else { 1.0 };
    Some(left.1 + share * (right.1 - left.1))
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

fn rows(setting: u32, record: &Record) -> impl Iterator<Item = Row> + '_ {
    record.plan.inits.iter().filter_map(move |&init| {
        let summary = record.summary.inits.get(&init)?;
        let ratios = record.summary.ratios.get(&init);
        Some(Row {
            setting,
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
            let fits = rows.iter().filter(|row| row.init == *init && clocks.contains(&row.setting));
            fits.filter_map(|row| Some((f64::from(row.setting), row.power_w?))).collect()
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
            Row { setting: clock_mhz, init, time_s: 1.0, power_w, energy_j: power_w, ratio: None }
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

    fn of_knob(knob: Knob, points: &[(f64, f64)]) -> Sweep {
        let row = |(setting, &(time_s, energy_j)): (usize, &(f64, f64))| Row {
            setting: setting as u32,
            init: Init::Gaussian,
            time_s,
            power_w: None,
            energy_j: Some(energy_j),
            ratio: None,
        };
        let rows = points.iter().enumerate().map(row).collect();
        Sweep { knob, rows, fit: None, least_energy: vec![], least_delay: vec![] }
    }

    #[test]
    fn two_knobs_are_compared_at_equal_speed_and_where_both_have_been() {
        // By the clock 10 J a second more; by the limit 20 % over that.
        let clock = of_knob(Knob::Clock, &[(3.0, 130.0), (1.0, 110.0), (2.0, 120.0)]);
        let limit = of_knob(Knob::PowerLimit, &[(4.0, 168.0), (1.5, 138.0)]);
        let [found] = at_equal_speed(&clock, &limit)[..] else { panic!() };
        assert_eq!((found.init, found.from_s, found.to_s), (Init::Gaussian, 1.5, 3.0));
        for share in [found.mean, found.least, found.most] {
            assert!((share - 1.2).abs() < 1e-12, "{found:?}");
        }
        // A limit that never held the card down has one speed.
        let idle = of_knob(Knob::PowerLimit, &[(1.0, 110.0), (1.001, 111.0)]);
        assert_eq!(at_equal_speed(&clock, &idle), []);
        assert_eq!(at_equal_speed(&clock, &of_knob(Knob::PowerLimit, &[(5.0, 1.0), (6.0, 1.0)])), []);
        assert_eq!(between(&[(1.0, 2.0), (3.0, 4.0)], 2.0), Some(3.0));
        assert_eq!(
            (between(&[(1.0, 2.0)], 0.5), between(&[(1.0, 2.0)], 1.5), between(&[(1.0, 2.0)], 1.0)),
            (None, None, Some(2.0))
        );
    }
}
