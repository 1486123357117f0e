//! Idle, warm-up, and rounds of windows.
//!
//! Why each step is as it is stands in docs/PROTOCOL.md.

use super::clock::Clock;
use super::event::{Event, Latest, Stage};
use super::order;
use super::sensor::Sampler;
use super::trace_builder::TraceBuilder;
use super::workload::{DeviceSpan, GpuError, IN_FLIGHT, Workload};
use crate::digits;
use crate::record::{Plan, Row, Timing, Trace, WarmUp, Window, WindowPower};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::VecDeque;

/// A stretch without work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rest {
    pub start_s: f64,
    pub duration_s: f64,
}

/// What is left of a [`Protocol`] when it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub timing: Timing,
    pub trace: Trace,
    pub failed_reads: u64,
    pub last_failure: Option<String>,
}

/// Why a run ended before its time.
#[derive(Clone, Debug, PartialEq)]
pub enum Halt {
    /// Somebody asked it to.
    Stopped,
    Gpu(GpuError),
}

impl From<GpuError> for Halt {
    fn from(error: GpuError) -> Self {
        Halt::Gpu(error)
    }
}

/// Rows of the trace that a run may have within its windows, between them, and in the warm-up and all idles: a record stays under
/// 100 KB, and under 180 KB with the 72 windows of an atlas.
const ROWS_WITHIN: f64 = 1800.0;
const ROWS_BETWEEN: f64 = 150.0;
const ROWS_BESIDE: f64 = 450.0;
/// But a window has room for so many: it takes 20 to judge one, and a row is up to an update longer than it need be, so that less
/// than half would be left of the updates of some sensors.
const LEAST_ROWS: f64 = 45.0;
/// And a turn of the warm-up for so many, however long it may last: coarser rows than turns would never be seen to be steady.
const LEAST_ROWS_OF_TURN: f64 = 8.0;
/// But none need be finer than this for it.
const FINE_ROW_S: f64 = 0.05;
/// What the sensor's period is taken to be, for pauses, before it is known: that of most boards.
const USUAL_PERIOD_S: f64 = 0.1;
/// After load, a sensor that averages and a clock that has not fallen yet are waited for.
const SETTLE_S: f64 = 1.0;
/// A turn of the warm-up outlasts a settling time by so much: the sensor is to see something of each.
const MORE_THAN_SETTLING_S: f64 = 1.0;
/// Power is steady when it moves by less than this share a minute, by a straight line through the last third of the
/// warm-up. A rate, and not a difference: heat sinks take about a minute, however short the third is.
const STEADY_PER_MINUTE: f64 = 0.005;

/// A run of the protocol, from the first idle measurement to the last.
pub struct Protocol<'a> {
    plan: &'a Plan,
    timing: Timing,
    clock: &'a dyn Clock,
    sensor: Option<Box<dyn Sampler + 'a>>,
    stop: &'a dyn Fn() -> bool,
    watch: &'a dyn Fn(Event),
    trace: TraceBuilder,
    latest: Latest,
    pauses: ChaCha8Rng,
    /// When the stage after the present one is expected to begin, and what comes after that.
    stage_ends_s: f64,
    after_stage_s: f64,
    last_progress_s: f64,
}

impl<'a> Protocol<'a> {
    /// `stop` is asked often; once it says yes, the run ends.
    pub fn new(
        plan: &'a Plan,
        clock: &'a dyn Clock,
        sensor: Option<Box<dyn Sampler + 'a>>,
        stop: &'a dyn Fn() -> bool,
        watch: &'a dyn Fn(Event),
    ) -> Self {
        let timing = plan.timing(sensor.as_ref().map(|sensor| sensor.source()), None);
        let wraps_at_uj = sensor.as_ref().and_then(|sensor| sensor.source().counter?.wraps_at_uj);
        let mut trace = TraceBuilder::new(wraps_at_uj);
        trace.set_resolution(idle_row_s(plan));
        let mut key = *b"wattmul: pauses before a window.";
        key[24..].copy_from_slice(&plan.seed.to_le_bytes());
        Protocol {
            plan,
            timing,
            clock,
            sensor,
            stop,
            watch,
            trace,
            latest: Latest::default(),
            pauses: ChaCha8Rng::from_seed(key),
            stage_ends_s: 0.0,
            after_stage_s: 0.0,
            last_progress_s: f64::NEG_INFINITY,
        }
    }

    /// Lets the sensor look at the device as it is now, without work: when, and for how long. None where there is no sensor.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn idle(&mut self) -> Result<Option<Rest>, Halt> {
        if self.sensor.is_none() {
            return Ok(None);
        }
        self.begin(Stage::Idle, self.plan.idle_s);
        self.trace.set_resolution(idle_row_s(self.plan));
        let start_s = self.clock.now_s();
        self.sleep(self.plan.idle_s)?;
        let end_s = self.clock.now_s();
        self.trace.flush();
        Ok(Some(Rest { start_s, duration_s: end_s - start_s }))
    }

    /// As [`Protocol::idle`], but after work: a sensor that averages must forget it first.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub fn idle_after_work(&mut self) -> Result<Option<Rest>, Halt> {
        if let Some(sensor) = &self.sensor {
            let settle_s = SETTLE_S.max(sensor.source().averaging_s());
            self.begin(Stage::Idle, settle_s);
            self.sleep(settle_s)?;
        }
        self.idle()
    }

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
            self.timing = self.plan.timing(Some(sensor.source()), self.trace.counter_period_s());
        }
        self.trace.set_resolution(settling_row_s(self.plan, self.timing));
        pace.sort_by(|a, b| a.value.total_cmp(&b.value));
        let fast_product_s = pace.get(pace.len() / 10).map(|point| point.value);
        Ok(WarmUp { start_s, duration_s: self.clock.now_s() - start_s, fast_product_s })
    }

    /// All rounds. Windows that were finished before a halt are in `windows`.
    ///
    /// # Errors
    /// The device fails, or the run is stopped.
    pub fn rounds(&mut self, work: &mut dyn Workload, windows: &mut Vec<Window>) -> Result<(), Halt> {
        for round in 0..self.plan.rounds {
            for init in order::of_round(self.plan.inits.len(), round) {
                let window = self.window(work, round, init)?;
                (self.watch)(Event::WindowDone(window.clone()));
                windows.push(window);
            }
        }
        Ok(())
    }

    /// Pause, settling time, window, and a look at the products.
    fn window(&mut self, work: &mut dyn Workload, round: u32, init: usize) -> Result<Window, Halt> {
        let Timing { settling_s, window_s } = self.timing;
        self.begin(Stage::Round { round, init: self.plan.inits[init] }, settling_s + window_s);
        let pause_s = USUAL_PERIOD_S * f64::from(self.pauses.next_u32()) / f64::from(u32::MAX);
        self.sleep(pause_s)?;

        let begun_s = self.clock.now_s();
        let mut in_flight = 0;
        // When each submission was seen to end, and the products done by then.
        let mut ends: Vec<(f64, f64)> = vec![];
        let mut first = None;
        let (first, last) = loop {
            while in_flight < IN_FLIGHT {
                work.submit(init)?;
                in_flight += 1;
            }
            let done = ends.last().map_or(0.0, |end| end.1) + work.wait()?;
            in_flight -= 1;
            let now_s = self.clock.now_s();
            ends.push((now_s, done));
            self.gather()?;
            match first {
                None if now_s - begun_s >= settling_s => {
                    first = Some(ends.len() - 1);
                    self.trace.set_resolution(window_row_s(self.plan, self.timing));
                    self.trace.take_limiters();
                }
                // At least one whole product, however long it takes.
                Some(first) if now_s - ends[first].0 >= window_s && done - ends[first].1 >= 1.0 => {
                    break (first, ends.len() - 1);
                }
                _ => {}
            }
        };
        let limiters = self.trace.take_limiters();
        self.trace.set_resolution(settling_row_s(self.plan, self.timing));
        drain(work, in_flight)?;
        let spans: Option<Vec<DeviceSpan>> =
            work.device_spans()?.get(first..=last).and_then(|s| s.iter().copied().collect());
        let device_s = spans.as_ref().map(|spans| spans[spans.len() - 1].end_s - spans[0].end_s);
        let worked_s = spans
            .as_ref()
            .map(|spans| spans.windows(2).map(|pair| pair[1].end_s - pair[1].start_s.max(pair[0].end_s)).sum::<f64>());
        let busy = worked_s.zip(device_s).map(|(worked_s, device_s)| worked_s / device_s);
        // Figures are rounded before anything is computed from them.
        Ok(Window {
            init: self.plan.inits[init],
            round,
            start_s: digits::round(ends[first].0, 6),
            duration_s: digits::round(ends[last].0 - ends[first].0, 6),
            products: digits::round(ends[last].1 - ends[first].1, 6),
            device_s: device_s.map(|seconds| digits::round(seconds, 6)),
            busy: busy.map(|share| digits::round(share, 6)),
            products_right: work.check_products(init)?,
            limiters: limiters.map(|limiters| limiters.iter().collect()),
            // What the trace says of it is worked out once the trace is whole.
            power_w: WindowPower::default(),
            energy_j: None,
            clock_mhz: None,
            temperature_c: None,
        })
    }

    /// How long its parts were, what the sensor said, and where it failed.
    pub fn finish(mut self) -> Finished {
        self.take_samples();
        let (failed_reads, last_failure) = self.trace.failures();
        let last_failure = last_failure.map(str::to_owned);
        Finished { timing: self.timing, trace: self.trace.finish(), failed_reads, last_failure }
    }

    fn begin(&mut self, stage: Stage, seconds: f64) {
        let (plan, timing) = (self.plan, self.timing);
        let idle_s = if self.sensor.is_some() { SETTLE_S + plan.idle_s } else { 0.0 };
        self.stage_ends_s = self.clock.now_s() + seconds;
        self.after_stage_s = match stage {
            Stage::WarmUp => plan.rounds_s(timing) + idle_s,
            Stage::Round { round, init } => {
                let order = order::of_round(plan.inits.len(), round);
                let place = order.iter().position(|&other| plan.inits[other] == init).unwrap_or_default();
                let done = round as usize * plan.inits.len() + place + 1;
                (plan.windows() - done as f64) * (timing.settling_s + timing.window_s) + idle_s
            }
            Stage::Idle | Stage::Prepare => 0.0,
        };
        (self.watch)(Event::Begun(stage));
    }

    fn sleep(&mut self, seconds: f64) -> Result<(), Halt> {
        let until_s = self.clock.now_s() + seconds;
        loop {
            self.gather()?;
            let left_s = until_s - self.clock.now_s();
            if left_s <= 0.0 {
                return Ok(());
            }
            self.clock.sleep(left_s.min(0.1));
        }
    }

    /// Takes what the sensor said meanwhile, tells the progress, and looks whether to stop.
    fn gather(&mut self) -> Result<(), Halt> {
        self.take_samples();
        let now_s = self.clock.now_s();
        if now_s - self.last_progress_s >= 0.1 {
            self.last_progress_s = now_s;
            let left_s = (self.stage_ends_s - now_s).max(0.0) + self.after_stage_s;
            (self.watch)(Event::Progress { left_s, latest: self.latest });
        }
        if (self.stop)() { Err(Halt::Stopped) } else { Ok(()) }
    }

    fn take_samples(&mut self) {
        let (trace, latest) = (&mut self.trace, &mut self.latest);
        if let Some(sensor) = &mut self.sensor {
            sensor.drain(&mut |sample| {
                *latest = Latest::of(&sample);
                trace.take(sample);
            });
        }
    }
}

fn window_row_s(plan: &Plan, timing: Timing) -> f64 {
    timing.window_s / (ROWS_WITHIN / plan.windows()).max(LEAST_ROWS)
}

fn settling_row_s(plan: &Plan, timing: Timing) -> f64 {
    plan.windows() * (timing.settling_s + USUAL_PERIOD_S) / ROWS_BETWEEN
}

fn idle_row_s(plan: &Plan) -> f64 {
    (plan.warm_up_s.1 + 3.0 * plan.idle_s) / ROWS_BESIDE
}

fn warm_up_row_s(plan: &Plan, timing: Timing) -> f64 {
    idle_row_s(plan).min((turn_s(plan, timing) / LEAST_ROWS_OF_TURN).max(FINE_ROW_S))
}

/// How long the warm-up stays with an init. However many there are, each has its turn.
fn turn_s(plan: &Plan, timing: Timing) -> f64 {
    (timing.settling_s + MORE_THAN_SETTLING_S).min(plan.warm_up_s.1 / plan.inits.len() as f64)
}

/// Waits for what is still in flight.
fn drain(work: &mut dyn Workload, in_flight: usize) -> Result<(), GpuError> {
    (0..in_flight).try_for_each(|_| work.wait().map(drop))
}

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
/// and does the slope's standard error not hide the contrary?
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
