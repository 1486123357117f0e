//! The device's own sensor against the user's meter: the delay between the two, and the straight line from the one to
//! the other.
//!
//! The sensor shows g·M + o where the meter says M. Both are means over the same stretches of the run: every window,
//! and idle before and after. Of a meter at the wall, gain and offset are not the sensor's alone: they hold the
//! supply's efficiency, its fans and the rest of the machine too, and nothing in a run tells these apart.

use super::{energy, stats};
use crate::digits::round;
use crate::record::{Calibration, Estimate, Lead, Meter, MeterDoubt, MeterSummary, Record, Scope, WindowPower};
use statrs::distribution::{ContinuousCDF, FisherSnedecor};

/// A meter may be so much ahead of the run's clock (a logger's own clock that is ahead of its lines) and behind it.
const DELAYS_S: (f64, f64) = (-1.0, 15.0);
/// Delays are tried so far apart, first over all of the range and then about the best.
const COARSE_S: f64 = 0.1;
const FINE_S: f64 = 0.01;
/// Less than this share of the meter's variance explained by the sensor's, and it does not follow the load.
const FOLLOWS: f64 = 0.5;
/// So many times the sensor's watts are no watts: a machine draws no 100 times of what one of its boards does.
const TIMES_OF_MILLIWATTS: f64 = 100.0;
/// So much of a stretch is to be seen by the meter.
const SEEN: f64 = 0.8;
/// A line may be missed by this share of the span of what it was fitted to: less than any gain is known by.
const STRAIGHT_WITHIN: f64 = 0.002;

/// A stretch of a steady load, and what the sensor says of it.
struct Stretch {
    /// Windows of one init are one level, and so are all rests.
    level: usize,
    /// With what came before it under the same load.
    loaded_s: f64,
    start_s: f64,
    end_s: f64,
    shown_w: f64,
    /// Standard uncertainty from the sensor's own step, in watts.
    rounding_w: f64,
}

/// What the meter says of a stretch.
struct Pair<'a> {
    stretch: &'a Stretch,
    metered_w: f64,
}

/// What a record's meter says of its sensor, of whose figures `lead` are believed. None without a meter.
pub fn of(record: &Record, lead: Option<Lead>) -> Option<MeterSummary> {
    let meter = record.meter.as_ref()?;
    let times_s = times_s(meter);
    let period_s = stats::median(&times_s.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>());
    let stretches = stretches(record, lead);
    let mut found = MeterSummary { period_s, silent_s: silent_s(record, meter), ..MeterSummary::default() };
    if times_s.is_empty() {
        found.doubt = Some(MeterDoubt::Silent);
        return Some(found);
    }
    let rows: Vec<(f64, f64)> = times_s.into_iter().zip(meter.power_w.iter().copied()).collect();
    if are_milliwatts(&rows, &stretches) {
        found.doubt = Some(MeterDoubt::Milliwatts);
        return Some(found);
    }
    if stretches.is_empty() {
        return Some(found); // no sensor that is believed: nothing to hold it against
    }
    match delay_s(&rows, &stretches) {
        Some((delay_s, explained)) if explained >= FOLLOWS => found.delay_s = Some(delay_s),
        Some(_) => found.doubt = Some(MeterDoubt::NoLoad),
        None => found.doubt = Some(MeterDoubt::Silent),
    }
    found.calibration = found.delay_s.and_then(|delay_s| calibration(&rows, &stretches, delay_s, period_s?));
    Some(found)
}

impl MeterSummary {
    /// Does it say what the sensor's gain and offset are? Only a meter of the board alone does, by a line that is
    /// straight.
    pub(crate) fn of_sensor(&self, scope: Scope) -> Option<&Calibration> {
        self.calibration.as_ref().filter(|line| scope == Scope::Board && line.straight == Some(true))
    }
}

/// For how long it said nothing at most, from the run's beginning to the end of the last window or rest.
fn silent_s(record: &Record, meter: &Meter) -> Option<f64> {
    let last = record.windows.last().map(|window| window.start_s + window.duration_s);
    let end_s = last.into_iter().chain(record.idle.hot.map(|rest| rest.start_s + rest.duration_s)).reduce(f64::max)?;
    let first_s = *meter.t_s.first()?;
    let heard_s = meter.t_s.iter().copied().take_while(|t_s| *t_s < end_s).chain([end_s.max(first_s)]);
    let (_, most_s) = heard_s.fold((0.0, 0.0f64), |(before_s, most_s), t_s| (t_s, most_s.max(t_s - before_s)));
    Some(round(most_s, 3))
}

/// When each row was, on the run's clock. The meter's own seconds, where it tells them, say how far apart figures are
/// that came at once; none can have come before it was: the one that came soonest tells how the clocks stand.
fn times_s(meter: &Meter) -> Vec<f64> {
    let own_s = |i: usize| meter.own_s.get(i).copied().flatten();
    let rows = meter.t_s.len().min(meter.power_w.len());
    let mut times_s = Vec::with_capacity(rows);
    while times_s.len() < rows {
        let from = times_s.len();
        // A clock that goes back is one that was set, or another one.
        let goes_on = |i: usize| own_s(i - 1).zip(own_s(i)).is_some_and(|(before_s, now_s)| now_s >= before_s);
        let to = (from + 1..rows).find(|&i| !goes_on(i)).unwrap_or(rows);
        let late_s = (from..to).filter_map(|i| Some(meter.t_s[i] - own_s(i)?)).min_by(f64::total_cmp);
        times_s.extend((from..to).map(|i| own_s(i).zip(late_s).map_or(meter.t_s[i], |(own_s, late_s)| own_s + late_s)));
    }
    times_s
}

/// Rests and windows, in the order of their times.
fn stretches(record: &Record, lead: Option<Lead>) -> Vec<Stretch> {
    let step_w = record.trace.power_step_w.filter(|_| lead == Some(Lead::Polled)).unwrap_or(0.0);
    let stretch = |level: usize, before_s: f64, start_s: f64, duration_s: f64, power: WindowPower| {
        let rounding_w = super::type_b::rounding_w(step_w, power.polled_u.into_iter());
        let (loaded_s, end_s) = (start_s - before_s, start_s + duration_s);
        Some(Stretch { level, loaded_s, start_s, end_s, shown_w: power.watts(lead)?, rounding_w })
    };
    let idle = &record.idle;
    let rests = [idle.cold, idle.open, idle.hot].into_iter().flatten().filter_map(|rest| {
        let power = energy::window_power(&record.trace, None, rest.start_s, rest.start_s + rest.duration_s);
        stretch(0, 0.0, rest.start_s, rest.duration_s, power)
    });
    let windows = record.windows.iter().filter_map(|window| {
        let level = 1 + record.plan.inits.iter().position(|init| *init == window.init)?;
        stretch(level, record.timing.settling_s, window.start_s, window.duration_s, window.power_w)
    });
    let mut all: Vec<Stretch> = rests.chain(windows).collect();
    all.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    all
}

/// Do the figures say that the meter speaks of milliwatts?
fn are_milliwatts(rows: &[(f64, f64)], stretches: &[Stretch]) -> bool {
    let middle = |values: Vec<f64>| stats::median(&values).unwrap_or(0.0);
    let metered_w = middle(rows.iter().map(|row| row.1).collect());
    if stretches.is_empty() {
        return metered_w > crate::record::trace::IMPLAUSIBLE_W;
    }
    metered_w > TIMES_OF_MILLIWATTS * middle(stretches.iter().map(|stretch| stretch.shown_w).collect())
}

/// By how much the meter is late, its averaging included, and the share of its variance that the sensor then explains:
/// the delay at which the load's edges fall together. None where it said nothing under load.
fn delay_s(rows: &[(f64, f64)], stretches: &[Stretch]) -> Option<(f64, f64)> {
    let tried = |from_s: f64, to_s: f64, step_s: f64| -> Vec<(f64, f64)> {
        let steps = ((to_s - from_s) / step_s).round() as u32;
        let delays = (0..=steps).map(|i| from_s + f64::from(i) * step_s);
        delays.filter_map(|delay_s| Some((delay_s, explained(rows, stretches, delay_s)?))).collect()
    };
    let best = |tried: &[(f64, f64)]| tried.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
    let (about_s, _) = best(&tried(DELAYS_S.0, DELAYS_S.1, COARSE_S))?;
    let fine = tried(about_s - 2.0 * COARSE_S, about_s + 2.0 * COARSE_S, FINE_S);
    let (_, most) = best(&fine)?;
    // Rows that are far apart leave a range of delays alike: its middle.
    let alike: Vec<f64> =
        fine.iter().filter(|(_, share)| 1.0 - share <= 1.02 * (1.0 - most)).map(|tried| tried.0).collect();
    Some((alike.iter().sum::<f64>() / alike.len() as f64, most))
}

/// r² of the meter's rows on what the sensor shows of the stretch in which each was, so much before it came.
fn explained(rows: &[(f64, f64)], stretches: &[Stretch], delay_s: f64) -> Option<f64> {
    let [mut n, mut x, mut y, mut xx, mut xy, mut yy] = [0.0; 6];
    let mut at = 0;
    for &(t_s, watts) in rows {
        let t_s = t_s - delay_s;
        while stretches.get(at).is_some_and(|stretch| stretch.end_s <= t_s) {
            at += 1;
        }
        let Some(stretch) = stretches.get(at) else { break };
        if t_s >= stretch.loaded_s {
            let shown_w = stretch.shown_w;
            n += 1.0;
            x += shown_w;
            y += watts;
            xx += shown_w * shown_w;
            xy += shown_w * watts;
            yy += watts * watts;
        }
    }
    let (of_x, of_both, of_y) = (xx - x * x / n, xy - x * y / n, yy - y * y / n);
    let share = of_both * of_both / (of_x * of_y);
    (n >= 3.0 && of_both > 0.0).then_some(share).filter(|share| share.is_finite())
}

/// The sensor's line, by least squares in which a stretch weighs as long as it lasts. None where fewer than two levels
/// are seen, or too few stretches.
fn calibration(rows: &[(f64, f64)], stretches: &[Stretch], delay_s: f64, period_s: f64) -> Option<Calibration> {
    let step_w = step_w(rows);
    let half_s = period_s / 2.0;
    let within = |stretch: &Stretch| {
        // A figure is a mean over the time since the last one, and `delay_s` is to the middle of that.
        let (from_s, to_s) = (stretch.start_s + delay_s + half_s, stretch.end_s + delay_s - half_s);
        let from = rows.partition_point(|row| row.0 < from_s);
        from..rows.partition_point(|row| row.0 <= to_s).max(from)
    };
    let pairs: Vec<Pair> = stretches
        .iter()
        .filter_map(|stretch| {
            let rows = &rows[within(stretch)];
            let sum: f64 = rows.iter().map(|row| row.1).sum();
            // Power moves within a stretch, too: a meter that stalled there, or was not heard to the end, saw another
            // part of it.
            let seen_s = (rows.len() + 1) as f64 * period_s; // one may just not have fallen into it
            let whole = seen_s >= SEEN * (stretch.end_s - stretch.start_s - period_s);
            (whole && !rows.is_empty()).then(|| Pair { stretch, metered_w: sum / rows.len() as f64 })
        })
        .collect();
    let levels = pairs.iter().map(|pair| pair.stretch.level + 1).max()?;
    let of_level = |level: usize| -> Vec<&Pair> { pairs.iter().filter(|pair| pair.stretch.level == level).collect() };
    let weight = |pair: &Pair| pair.stretch.end_s - pair.stretch.start_s;

    let root = |pair: &Pair| weight(pair).sqrt();
    let columns: Vec<Vec<f64>> = pairs.iter().map(|pair| vec![root(pair), root(pair) * pair.metered_w]).collect();
    let shown: Vec<f64> = pairs.iter().map(|pair| root(pair) * pair.stretch.shown_w).collect();
    let fit = stats::least_squares(&columns, &shown)?;
    let (offset_w, gain) = (fit.values[0], fit.values[1]);

    // Figures of a steady load are all rounded alike, by the meter and by the sensor: a whole level is off by the
    // same.
    let total: f64 = pairs.iter().map(weight).sum();
    let mean_w = pairs.iter().map(|pair| weight(pair) * pair.metered_w).sum::<f64>() / total;
    let spread = pairs.iter().map(|pair| weight(pair) * (pair.metered_w - mean_w).powi(2)).sum::<f64>();
    let (mut of_gain, mut of_offset, mut most_rounding_w) = (0.0f64, 0.0f64, 0.0f64);
    for level in 0..levels {
        let own = of_level(level);
        let metered: Vec<f64> =
            own.iter().flat_map(|pair| rows[within(pair.stretch)].iter().map(|row| row.1)).collect();
        let by_meter_w = if deviation(&metered) < step_w / 2.0 { gain * step_w / 12f64.sqrt() } else { 0.0 };
        let by_sensor_w = own.iter().map(|pair| pair.stretch.rounding_w).fold(f64::INFINITY, f64::min);
        let rounding_w = by_meter_w.hypot(if own.is_empty() { 0.0 } else { by_sensor_w });
        let pull = own.iter().map(|pair| weight(pair) * (pair.metered_w - mean_w)).sum::<f64>() / spread;
        let share = own.iter().map(|pair| weight(pair)).sum::<f64>() / total;
        of_gain = of_gain.hypot(pull * rounding_w);
        of_offset = of_offset.hypot((share - mean_w * pull) * rounding_w);
        most_rounding_w = most_rounding_w.max(rounding_w);
    }
    let estimate = |value: f64, scatter: f64, rounding: f64| {
        let both = scatter.hypot(rounding);
        // Welch and Satterthwaite, with rounding known for sure.
        let freedom = if scatter > 0.0 { (fit.freedom * (both / scatter).powi(4)).min(1e6) } else { 1e6 };
        stats::interval(value, both, freedom)
    };

    let missed = |pair: &Pair| pair.stretch.shown_w - offset_w - gain * pair.metered_w;
    let mut seen = vec![];
    let (mut between, mut among) = (0.0, 0.0);
    for own in (0..levels).map(of_level).filter(|own| !own.is_empty()) {
        let of_all: f64 = own.iter().map(|pair| weight(pair)).sum();
        let mean = own.iter().map(|pair| weight(pair) * missed(pair)).sum::<f64>() / of_all;
        between += of_all * mean * mean;
        among += own.iter().map(|pair| weight(pair) * (missed(pair) - mean).powi(2)).sum::<f64>();
        seen.push(mean);
    }
    let off_w = seen.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()))?;
    let (lines, stretches) = (seen.len() as f64 - 2.0, pairs.len() as f64 - seen.len() as f64);
    let most = pairs.iter().map(|pair| pair.metered_w).fold(f64::NEG_INFINITY, f64::max);
    let least = pairs.iter().map(|pair| pair.metered_w).fold(f64::INFINITY, f64::min);
    let allowed_w = (STRAIGHT_WITHIN * gain * (most - least)).max(2.0 * most_rounding_w);
    let by_chance = || {
        let highest = FisherSnedecor::new(lines, stretches).ok()?.inverse_cdf(stats::CONFIDENCE);
        Some(between / lines <= highest * among / stretches)
    };
    let straight = if lines >= 1.0 && stretches >= 1.0 {
        Some(off_w.abs() <= allowed_w || by_chance().unwrap_or(false))
    } else {
        None // two points are always on a line
    };
    let line = Calibration {
        gain: estimate(gain, fit.errors[1], of_gain),
        offset_w: estimate(offset_w, fit.errors[0], of_offset),
        straight,
        off_w,
        levels: seen.len() as u32,
        stretches: pairs.len() as u32,
    };
    let known = |estimate: &Estimate| estimate.estimate.is_finite() && estimate.low.is_some_and(f64::is_finite);
    (seen.len() >= 2 && known(&line.gain) && known(&line.offset_w)).then_some(line)
}

/// What all figures are multiples of, in watts, as far as milliwatts tell.
fn step_w(rows: &[(f64, f64)]) -> f64 {
    let divisor = rows.iter().fold(0, |mut a, row| {
        let mut b = (row.1.abs() * 1000.0).round() as u64;
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    });
    divisor as f64 / 1000.0
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}
