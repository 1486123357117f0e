//! Idle, warm-up, and rounds of windows.
//!
//! Why each step is as it is stands in docs/PROTOCOL.md.

use super::clock::Clock;
use super::event::{Event, Latest, Stage};
use super::order;
use super::resolution::idle_row_s;
use super::sensor::Sampler;
use super::trace_builder::TraceBuilder;
use super::workload::GpuError;
use crate::record::{Plan, Timing, Trace};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

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

/// After load, a sensor that averages and a clock that has not fallen yet are waited for.
const SETTLE_S: f64 = 1.0;
/// Idle lasts so many updates of the sensor at least.
const IDLE_UPDATES: f64 = 3.5;

/// A run of the protocol, from the first idle measurement to the last.
pub struct Protocol<'a> {
    pub(super) plan: &'a Plan,
    pub(super) timing: Timing,
    pub(super) clock: &'a dyn Clock,
    pub(super) sensor: Option<Box<dyn Sampler + 'a>>,
    pub(super) stop: &'a dyn Fn() -> bool,
    pub(super) watch: &'a dyn Fn(Event),
    pub(super) trace: TraceBuilder,
    pub(super) latest: Latest,
    pub(super) pauses: ChaCha8Rng,
    /// When the stage after the present one is expected to begin, and what comes after that.
    pub(super) stage_ends_s: f64,
    pub(super) after_stage_s: f64,
    pub(super) last_progress_s: f64,
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
        // A sensor whose period is known by now must be seen to move twice.
        let idle_s = self.plan.idle_s.max(IDLE_UPDATES * self.trace.period_s().unwrap_or(0.0));
        self.begin(Stage::Idle, idle_s);
        self.trace.set_resolution(idle_row_s(self.plan));
        let start_s = self.clock.now_s();
        self.sleep(idle_s)?;
        let end_s = self.clock.now_s();
        self.trace.flush();
        Ok(Some(Rest { start_s, duration_s: end_s - start_s }))
    }

    /// As [`Protocol::idle`], but after work: a sensor that averages must forget it first.
    ///
    /// # Errors
    /// [`Halt::Stopped`].
    pub(crate) fn idle_after_work(&mut self) -> Result<Option<Rest>, Halt> {
        if let Some(sensor) = &self.sensor {
            let settle_s = SETTLE_S.max(sensor.source().averaging_s());
            self.begin(Stage::Idle, settle_s);
            self.sleep(settle_s)?;
        }
        self.idle()
    }

    /// How long its parts were, what the sensor said, and where it failed.
    pub fn finish(mut self) -> Finished {
        self.take_samples();
        let (failed_reads, last_failure) = self.trace.failures();
        let last_failure = last_failure.map(str::to_owned);
        Finished { timing: self.timing, trace: self.trace.finish(), failed_reads, last_failure }
    }

    /// Tells what begins, and for how long it lasts.
    pub(super) fn begin(&mut self, stage: Stage, seconds: f64) {
        let (plan, timing) = (self.plan, self.timing);
        let idle_s = if self.sensor.is_some() { SETTLE_S + plan.idle_s } else { 0.0 };
        self.stage_ends_s = self.clock.now_s() + seconds;
        self.after_stage_s = match stage {
            Stage::WarmUp => plan.rounds_s(timing) + idle_s,
            Stage::Round { round, init } => {
                let order = order::of_round(plan.inits.len(), round);
                let place = order.iter().position(|&other| plan.inits[other] == init).unwrap_or_default();
                let done = (round as usize * plan.inits.len() + place + 1) as f64;
                (plan.rounds_s(timing) - done * (timing.settling_s + timing.window_s)).max(0.0) + idle_s
            }
            Stage::Idle | Stage::Prepare => 0.0,
        };
        (self.watch)(Event::Begun(stage));
    }

    /// Rests, and listens to the sensor meanwhile.
    pub(super) fn sleep(&mut self, seconds: f64) -> Result<(), Halt> {
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
    pub(super) fn gather(&mut self) -> Result<(), Halt> {
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
