//! The warm-up: work until the device is as warm as the rounds will keep it.

use super::event::Stage;
use super::resolution::{USUAL_PERIOD_S, settling_row_s, turn_s, warm_up_row_s};
use super::steps::{Halt, Protocol};
use super::workload::{GpuError, IN_FLIGHT, Workload};
use crate::record::{Row, Trace, WarmUp};
use std::collections::VecDeque;

impl Protocol<'_> {
    /// Products of every init in turn, until the device is as warm as the rounds will keep it.
    ///
    /// # Errors
    /// The device fails, or the run is stopped.
    pub fn warm_up(&mut self, work: &mut dyn Workload) -> Result<WarmUp, Halt> {
        let (least_s, most_s) = self.plan.warm_up_s;
        let start_s = self.clock.now_s();
        self.begin(Stage::WarmUp, least_s);
        self.trace.set_resolution(warm_up_row_s(self.plan, self.timing));
        let inits = self.plan.inits.len();
        let turn_s = turn_s(self.plan, self.timing);
        // Of many inits, some warm the device and others let it cool: only all of their turns together are steady.
        let all_turns_s = if inits > 2 { turn_s * inits as f64 } else { 0.0 };
        // Of what is in flight: the init of each.
        let mut in_flight = VecDeque::new();
        let mut turns: Vec<Turn> = vec![];
        // Seconds a product, by submission: what stands for power where there is no sensor.
        let mut pace: Vec<Point> = vec![];
        let mut before_s = start_s;
        let mut next_look_s = least_s.max(all_turns_s);
        loop {
            while in_flight.len() < IN_FLIGHT {
                let init = ((before_s - start_s) / turn_s) as usize % inits;
                work.submit(init)?;
                in_flight.push_back(init);
            }
            let products = work.wait()?;
            let init = in_flight.pop_front().unwrap_or_default();
            let now_s = self.clock.now_s();
            if turns.last().is_none_or(|turn| turn.init != init) {
                turns.push(Turn { start_s: before_s, init });
            }
            pace.push(Point { at_s: now_s, value: (now_s - before_s) / products, init });
            before_s = now_s;
            self.gather()?;
            let elapsed_s = now_s - start_s;
            if elapsed_s >= most_s {
                break;
            }
            if elapsed_s >= next_look_s {
                next_look_s = elapsed_s + least_s / 10.0;
                let from_s = now_s - (elapsed_s / 3.0).max(all_turns_s);
                let points: Vec<Point> = match &self.sensor {
                    Some(sensor) => {
                        let settle_s = USUAL_PERIOD_S + sensor.source().averaging_s();
                        power_since(self.trace.so_far(), from_s, &turns, settle_s)
                    }
                    None => pace.iter().filter(|point| point.at_s >= from_s).copied().collect(),
                };
                if is_steady(&points, inits) {
                    break;
                }
            }
        }
        let (in_flight, init) = (in_flight.len(), in_flight.pop_back().unwrap_or_default());
        drain(work, in_flight)?;
        work.device_spans()?;
        work.check_products(init)?;
        if let Some(sensor) = &self.sensor {
            self.trace.flush();
            self.timing = self.plan.timing(Some(sensor.source()), self.trace.period_s());
        }
        self.trace.set_resolution(settling_row_s(self.plan, self.timing));
        pace.sort_by(|a, b| a.value.total_cmp(&b.value));
        let fast_product_s = pace.get(pace.len() / 10).map(|point| point.value);
        Ok(WarmUp { start_s, duration_s: self.clock.now_s() - start_s, fast_product_s })
    }
}

/// Waits for what is still in flight.
pub(super) fn drain(work: &mut dyn Workload, in_flight: usize) -> Result<(), GpuError> {
    (0..in_flight).try_for_each(|_| work.wait().map(drop))
}

/// Power is steady when it moves by less than this share a minute, by a straight line through the last third of the
/// warm-up. A rate, and not a difference: heat sinks take about a minute, however short the third is.
const STEADY_PER_MINUTE: f64 = 0.005;

/// A turn of the warm-up: from its start to that of the next one, products of one init.
struct Turn {
    start_s: f64,
    init: usize,
}

/// Power, or the time of a product, while products of one init ran.
#[derive(Clone, Copy, Debug)]
struct Point {
    at_s: f64,
    value: f64,
    init: usize,
}

/// Power over time from `from_s` on, as polled, else between moves of the counter: what lies within one turn, once the
/// sensor has seen `settle_s` of it.
fn power_since(trace: &Trace, from_s: f64, turns: &[Turn], settle_s: f64) -> Vec<Point> {
    // The turn in which [from, to] lies whole.
    let turn_of = |from_s: f64, to_s: f64| {
        let next = turns.partition_point(|turn| turn.start_s <= from_s);
        let turn = turns.get(next.checked_sub(1)?)?;
        let ends_s = turns.get(next).map_or(f64::INFINITY, |next| next.start_s);
        (from_s >= turn.start_s + settle_s && to_s <= ends_s).then_some(turn.init)
    };
    let rows: Vec<_> = trace.rows_within(from_s, f64::INFINITY).collect();
    let polled = |pair: &[Row]| {
        let value = pair[0].power_w?;
        Some(Point { at_s: pair[0].t_s, value, init: turn_of(pair[0].t_s, pair[1].t_s)? })
    };
    let points: Vec<Point> = rows.windows(2).filter_map(polled).collect();
    if !points.is_empty() {
        return points;
    }
    let energy: Vec<(f64, f64)> = rows.iter().filter_map(|row| Some((row.t_s, row.energy_j?))).collect();
    let counted = |pair: &[(f64, f64)]| {
        let value = (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0);
        Some(Point { at_s: pair[0].0, value, init: turn_of(pair[0].0, pair[1].0)? })
    };
    energy.windows(2).filter_map(counted).collect()
}

/// Parallel straight lines through the points, one an init: do they move by less than [`STEADY_PER_MINUTE`] of their means,
/// and is the slope known well enough to say so?
fn is_steady(points: &[Point], inits: usize) -> bool {
    let freedom = points.len() as f64 - inits as f64 - 1.0;
    if freedom < 1.0 {
        return false;
    }
    // Each point relative to the means of its init.
    let mut relative: Vec<(f64, f64)> = vec![];
    for init in 0..inits {
        let of_init = || points.iter().filter(move |point| point.init == init);
        let count = of_init().count() as f64;
        let mean_t = of_init().map(|point| point.at_s).sum::<f64>() / count;
        let mean = of_init().map(|point| point.value).sum::<f64>() / count;
        relative.extend(of_init().map(|point| (point.at_s - mean_t, point.value / mean - 1.0)));
    }
    let variance = relative.iter().map(|(t, _)| t * t).sum::<f64>();
    let slope = relative.iter().map(|(t, y)| t * y).sum::<f64>() / variance;
    let squares = relative.iter().map(|(t, y)| (y - slope * t).powi(2)).sum::<f64>();
    let error = (squares / freedom / variance).sqrt();
    60.0 * (slope.abs() + error) < STEADY_PER_MINUTE
}
