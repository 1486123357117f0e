//! From the sensor's trace and a window to watts.

use super::stats::median;
use crate::record::trace::IMPLAUSIBLE_W;
use crate::record::{CounterFault, Idle, Lead, Row, Trace, WindowPower};

/// A counter that is not seen to move for so many of its usual steps, and for so long, is frozen.
const FROZEN_STEPS: f64 = 4.0;
const FROZEN_S: f64 = 1.0;

/// Works out the power of the window from `start_s` to `end_s` on the run's clock.
///
/// A counter is read where it was seen to move, at both ends: its age at a window's edge does not matter then.
pub fn window_power(trace: &Trace, start_s: f64, end_s: f64) -> WindowPower {
    let mut result = WindowPower { polled: trace.mean(start_s, end_s, |row| row.power_w), ..WindowPower::default() };
    let silence = |row: &Row| (*row == Row { t_s: row.t_s, ..Row::default() }).then_some(1.0);
    let silent_s = |from_s, to_s| trace.held_s(from_s, to_s, silence);
    result.silent_s = silent_s(start_s, end_s);

    let mut first: Option<(f64, f64)> = None;
    let mut last: Option<(f64, f64)> = None;
    let mut power_w = None;
    let mut steps_s = vec![];
    for row in trace.rows_within(start_s, end_s) {
        if row.power_w.is_some() && row.power_w != power_w {
            result.polled_updates += 1;
            power_w = row.power_w;
        }
        let Some(energy_j) = row.energy_j else { continue };
        if let Some((before_s, before_j)) = last {
            result.counter_updates += 1;
            steps_s.push(row.t_s - before_s);
            if energy_j < before_j {
                result.counter_fault = Some(CounterFault::SteppedBack);
            } else if energy_j - before_j > IMPLAUSIBLE_W * (row.t_s - before_s) {
                result.counter_fault = result.counter_fault.or(Some(CounterFault::Jumped));
            }
        }
        first = first.or(Some((row.t_s, energy_j)));
        last = Some((row.t_s, energy_j));
    }
    if let Some(usual_s) = median(&steps_s) {
        let longest_s = (FROZEN_STEPS * usual_s).max(FROZEN_S);
        let mut moves: Vec<f64> =
            trace.rows_within(start_s, end_s).filter(|r| r.energy_j.is_some()).map(|r| r.t_s).collect();
        moves.push(end_s);
        let stands = |pair: &[f64]| {
            let still_s = pair[1] - pair[0];
            still_s > longest_s && still_s - silent_s(pair[0], pair[1]) > longest_s
        };
        if moves.windows(2).any(stands) {
            result.counter_fault = result.counter_fault.or(Some(CounterFault::Frozen));
        }
    }
    if let (Some((from_s, from_j)), Some((to_s, to_j)), None) = (first, last, result.counter_fault) {
        result.counter = (to_s > from_s).then(|| (to_j - from_j) / (to_s - from_s));
    }
    result
}

/// Power and temperature from `start_s` on, without work.
///
/// At idle the power figures lead: counters are known to stand still or to fall there.
pub fn idle(trace: &Trace, start_s: f64, duration_s: f64) -> Idle {
    let end_s = start_s + duration_s;
    let power = window_power(trace, start_s, end_s);
    let temperature_c = trace.mean(start_s, end_s, |row| row.temperature_c);
    Idle { start_s, duration_s, power_w: power.polled.or(power.counter), temperature_c }
}

/// The counter leads where every window has it, unless it is absurd against the polled power.
pub fn lead(windows: &[WindowPower]) -> Option<Lead> {
    let absurd = |window: &WindowPower| {
        matches!((window.counter, window.polled), (Some(counter), Some(polled))
        if !(polled * ABSURD.0..=polled * ABSURD.1).contains(&counter))
    };
    if windows.is_empty() {
        None
    } else if windows.iter().all(|window| window.counter.is_some() && !absurd(window)) {
        Some(Lead::Counter)
    } else if windows.iter().all(|window| window.polled.is_some()) {
        Some(Lead::Polled)
    } else {
        None
    }
}

/// A counter outside this share of the polled power counts something else than this device's energy.
pub const ABSURD: (f64, f64) = (0.1, 10.0);

/// How often the counter went back in the whole of a run.
pub fn steps_back(trace: &Trace) -> usize {
    let mut before_j = f64::NEG_INFINITY;
    let fell = |&&energy_j: &&f64| energy_j < std::mem::replace(&mut before_j, energy_j);
    trace.energy_j.iter().flatten().filter(fell).count()
}

/// The period of what moved in these steps: their median. None of fewer than four.
pub fn period_s(steps_s: &[f64]) -> Option<f64> {
    if steps_s.len() < LEAST_STEPS { None } else { median(steps_s) }
}

/// So many steps tell a period, and no more than so many are kept for it.
const LEAST_STEPS: usize = 4;

/// The sensor's own period, in seconds: the median time between two moves of the counter, and between two changes of the
/// power figure. None with fewer than four.
pub fn update_periods(trace: &Trace) -> (Option<f64>, Option<f64>) {
    let period_s = |times: Vec<f64>| {
        let steps_s: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        period_s(&steps_s)
    };
    let rows = (0..trace.len()).map(|i| trace.row(i));
    let counter = rows.clone().filter(|row| row.energy_j.is_some()).map(|row| row.t_s).collect();
    let mut power_w = None;
    let changes = rows.filter(|row| {
        let changed = row.power_w.is_some() && row.power_w != power_w;
        power_w = row.power_w.or(power_w);
        changed
    });
    (period_s(counter), period_s(changes.map(|row| row.t_s).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sensor that updates every `period_s` for 12 s.
    fn trace(period_s: f64, power_w: impl Fn(f64) -> Option<f64>, energy_j: impl Fn(f64) -> Option<f64>) -> Trace {
        let mut trace = Trace::default();
        for i in 0..(12.0 / period_s) as u32 {
            let t_s = f64::from(i) * period_s;
            trace.t_s.push(t_s);
            trace.power_w.push(power_w(t_s));
            trace.energy_j.push(energy_j(t_s));
            trace.temperature_c.push(None);
            trace.clock_mhz.push(None);
        }
        trace
    }

    #[test]
    fn counter_and_polled_power_of_a_steady_load_agree_wherever_the_window_lies() {
        let trace = trace(0.1, |t| Some(250.0 + t * 1e-6), |t| Some(250.0 * t));
        for start_s in [1.0, 1.03, 1.0999] {
            let power = window_power(&trace, start_s, start_s + 9.77);
            assert!((power.counter.unwrap() - 250.0).abs() < 1e-6);
            assert!((power.polled.unwrap() - 250.0).abs() < 1e-3);
            assert!((96..=98).contains(&power.counter_updates), "{power:?}");
            assert_eq!(lead(&[power]), Some(Lead::Counter));
        }
    }

    #[test]
    fn a_faulty_counter_is_named_and_not_used() {
        let step_back = trace(0.1, |_| Some(200.0), |t| Some(if t < 5.0 { 200.0 * t } else { 200.0 * t - 700.0 }));
        let power = window_power(&step_back, 1.0, 11.0);
        assert_eq!((power.counter, power.counter_fault), (None, Some(CounterFault::SteppedBack)));
        let watts = power.watts(lead(&[power])).unwrap();
        assert!((watts - 200.0).abs() < 1e-9, "polled power stands in: {watts}");

        let jump = trace(0.1, |_| Some(200.0), |t| Some(if t < 5.0 { 200.0 * t } else { 200.0 * t + 1e9 }));
        assert_eq!(window_power(&jump, 1.0, 11.0).counter_fault, Some(CounterFault::Jumped));

        let freezes = trace(0.1, |_| Some(200.0), |t| (t < 6.0).then_some(200.0 * t));
        let power = window_power(&freezes, 1.0, 11.0);
        assert_eq!((power.counter, power.counter_fault), (None, Some(CounterFault::Frozen)));

        let frozen = trace(0.1, |_| Some(200.0), |t| (t == 0.0).then_some(0.0));
        let power = window_power(&frozen, 1.0, 11.0);
        assert_eq!((power.counter, power.counter_updates, power.counter_fault), (None, 0, None));

        let thousandth = trace(0.1, |_| Some(200.0), |t| Some(0.2 * t));
        assert_eq!(lead(&[window_power(&thousandth, 1.0, 11.0)]), Some(Lead::Polled));
    }

    #[test]
    fn nothing_is_made_of_nothing() {
        let power = window_power(&Trace::default(), 0.0, 1.0);
        assert_eq!(power, WindowPower::default());
        assert_eq!((lead(&[power]), lead(&[])), (None, None));
        assert_eq!(update_periods(&Trace::default()), (None, None));
        // a single update says nothing about power
        let one = trace(10.0, |_| None, Some);
        assert_eq!(window_power(&one, 9.0, 11.0).counter, None);
    }

    #[test]
    fn the_period_is_measured() {
        let (counter, polled) = update_periods(&trace(0.02, |t| Some(t.sin()), Some));
        assert!((counter.unwrap() - 0.02).abs() < 1e-9 && (polled.unwrap() - 0.02).abs() < 1e-9);
    }
}
