//! A simulated power sensor: it looks now and then, averages, comes late, errs by a gain and an offset, is noisy and
//! counts in quanta. And it fails, as real ones are known to.

use super::fault::Fault;
use super::gpu::{NO_LIMIT_W, SimulatedGpu};
use super::random::Noise;
use super::world::{World, lock};
use crate::protocol::{PowerError, Reading, SAMPLING_PERIOD, Sample, Sampler};
use crate::record::{Counter, PowerKind, Scope, Source};
use std::sync::{Arc, Mutex};

/// A sensor's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SensorModel {
    pub api: &'static str,
    pub scope: Scope,
    /// Time between two updates, and by how much at most one is early or late: the rhythm itself keeps its phase.
    pub period_s: f64,
    pub jitter_s: f64,
    pub shape: Shape,
    /// How much of the time before an update it sees; of a lag, the time constant.
    pub average_s: f64,
    /// An update shows the past of so long ago.
    pub delay_s: f64,
    pub gain: f64,
    pub offset_w: f64,
    /// Standard deviation of an update.
    pub noise_w: f64,
    /// Smallest step of the power figure in mW. 0: there is none.
    pub quantum_mw: f64,
    pub counter: CounterModel,
    /// Smallest step of the counter.
    pub quantum_uj: f64,
}

/// How a power figure remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The mean of a stretch.
    Boxcar,
    /// It follows with a lag of the first order, as the K40m's does.
    Lag,
}

/// How a counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterModel {
    None,
    /// It adds up the power figures: what they miss, it misses.
    OfSamples,
    /// It sees all of the time, whatever the power figures do (AMD, Apple, NVIDIA's data-centre boards).
    OfAll,
}

impl SensorModel {
    /// Shows what is, at every read.
    pub fn perfect(self) -> Self {
        SensorModel {
            period_s: 0.01,
            jitter_s: 0.0,
            shape: Shape::Boxcar,
            average_s: 0.01,
            delay_s: 0.0,
            gain: 1.0,
            offset_w: 0.0,
            noise_w: 0.0,
            quantum_mw: 1.0,
            counter: CounterModel::OfAll,
            quantum_uj: 1.0,
            ..self
        }
    }
}

/// A counter of 32 bits in µJ is full after this many: every 14 s at 300 W.
const WRAPS_AT_UJ: u64 = 1 << 32;
/// In the fault of dropped reads, this share is lost, and once a whole stretch.
const DROPPED: f64 = 0.2;
const SILENCE_S: f64 = 1.5;
/// What a counter that steps back forgets.
const STEP_BACK_J: f64 = 5.0;
/// What is left on a counter that falls on idle.
const LEFT_ON_IDLE_J: f64 = 200.0;

/// Reads the sensor of a simulated world.
pub(crate) struct SimulatedReader {
    source: Source,
    model: SensorModel,
    fault: Option<Fault>,
    world: Arc<Mutex<World>>,
    noise: Noise,
    /// When the next update is due by the sensor's rhythm, and when it comes.
    due_s: f64,
    next_update_s: f64,
    updated_s: f64,
    /// What the GPU had drawn by then.
    seen_j: f64,
    /// Where a figure that lags has come to.
    lagged_w: f64,
    counted_j: f64,
    /// What a step back, a reset or a fall took from the counter.
    lost_j: f64,
    /// Whether the one misstep of a counter has happened.
    misstepped: bool,
    resting: bool,
    reading: Reading,
}

impl SimulatedReader {
    pub(super) fn new(
        source: Source,
        model: SensorModel,
        fault: Option<Fault>,
        world: Arc<Mutex<World>>,
        seed: u64,
    ) -> Self {
        let mut noise = Noise::new(seed, 2);
        let due_s = noise.between(0.0, model.period_s);
        // Counters count since the driver was loaded.
        let counted_j = if model.counter == CounterModel::None { 0.0 } else { noise.between(1e3, 1e6) };
        SimulatedReader {
            source,
            model,
            fault,
            world,
            noise,
            due_s,
            next_update_s: due_s,
            updated_s: 0.0,
            seen_j: 0.0,
            lagged_w: 0.0,
            counted_j,
            lost_j: 0.0,
            misstepped: false,
            resting: false,
            reading: Reading::default(),
        }
    }

    /// What the vendor's library says of a sensor of this model.
    pub(super) fn source_of(model: &SensorModel, device: &str, limit_w: f64, fault: Option<Fault>) -> Source {
        let wraps_at_uj = (fault == Some(Fault::Wrap)).then_some(WRAPS_AT_UJ);
        let counter = Counter { resolution_uj: Some(model.quantum_uj), wraps_at_uj };
        let average_ms = (model.average_s * 1000.0).round() as u32;
        let power =
            if model.average_s > model.period_s { PowerKind::AverageMs(average_ms) } else { PowerKind::Instant };
        let limit_w = Some(limit_w).filter(|&limit_w| limit_w < NO_LIMIT_W);
        Source {
            counter: (model.counter != CounterModel::None).then_some(counter),
            power: (model.quantum_mw > 0.0).then_some(power),
            power_limit_w: limit_w,
            default_power_limit_w: limit_w,
            ..Source::new(model.api, device, model.scope)
        }
    }

    /// The sensor looks at the GPU at `at_s`.
    fn update(&mut self, gpu: &SimulatedGpu, at_s: f64, since_s: f64, onset_s: f64) {
        let SensorModel { shape, average_s, delay_s, gain, offset_w, noise_w, quantum_mw, quantum_uj, counter, .. } =
            self.model;
        let seen_s = at_s - delay_s;
        let seen_j = gpu.energy_at(seen_s);
        let true_w = match shape {
            Shape::Boxcar => (seen_j - gpu.energy_at(seen_s - average_s)) / average_s,
            Shape::Lag => {
                let kept = if self.seen_j > 0.0 { (-since_s / average_s).exp() } else { 0.0 };
                let mean_w = (seen_j - gpu.energy_at(seen_s - since_s)) / since_s;
                self.lagged_w = kept * self.lagged_w + (1.0 - kept) * mean_w;
                self.lagged_w
            }
        };
        let mut watts = gain * true_w + offset_w;
        if noise_w > 0.0 {
            watts += noise_w * self.noise.normal();
        }
        let watts = watts.max(0.0);
        if quantum_mw > 0.0 {
            self.reading.power_mw = Some(((watts * 1000.0 / quantum_mw).round() * quantum_mw) as u64);
        }
        match counter {
            CounterModel::None => {}
            CounterModel::OfSamples => self.counted_j += watts * since_s,
            CounterModel::OfAll => {
                self.counted_j += gain * (seen_j - self.seen_j) + offset_w * since_s;
            }
        }
        self.seen_j = seen_j;
        let condition = gpu.condition(at_s);
        if counter != CounterModel::None {
            self.misstep(at_s, onset_s, watts, condition.rests);
            if self.fault != Some(Fault::Frozen) || at_s < onset_s {
                let shown_uj = ((self.counted_j - self.lost_j) * 1e6 / quantum_uj).floor() * quantum_uj;
                let wraps = matches!(self.fault, Some(Fault::Wrap | Fault::UnknownWrap));
                self.reading.energy_uj = Some(if wraps { shown_uj as u64 % WRAPS_AT_UJ } else { shown_uj as u64 });
            }
        }
        self.reading.temperature_c = Some(condition.temperature_c.round());
        self.reading.clock_mhz = Some((condition.clock_mhz / 15.0).round() * 15.0);
        self.reading.limiters = Some(condition.limiters);
        if self.fault == Some(Fault::NotANumber) && self.noise.between(0.0, 1.0) < 0.5 {
            self.reading.temperature_c = Some(f64::NAN);
            self.reading.clock_mhz = Some(f64::NAN);
        }
    }

    /// What a broken counter loses.
    fn misstep(&mut self, at_s: f64, onset_s: f64, watts: f64, rests: bool) {
        let begins = at_s >= onset_s && !std::mem::replace(&mut self.misstepped, at_s >= onset_s);
        match self.fault {
            Some(Fault::StepBack) if begins => self.lost_j += STEP_BACK_J + watts * self.model.period_s,
            Some(Fault::Reset) if begins => self.lost_j = self.counted_j,
            Some(Fault::FallOnIdle) => {
                if rests && !self.resting {
                    self.lost_j = self.counted_j - LEFT_ON_IDLE_J;
                }
                self.resting = rests;
            }
            _ => {}
        }
    }
}

impl SimulatedReader {
    /// What the sensor says now.
    fn read(&mut self) -> Result<Reading, PowerError> {
        let world = self.world.clone();
        let world = lock(&world);
        let (now_s, onset_s) = (world.read_s, world.onset_s);
        let mut since_s = 0.0;
        // Of several updates since the last read, a counter that sees all of the time needs the last one alone.
        let SensorModel { period_s, jitter_s, shape, counter, .. } = self.model;
        let last_alone = counter != CounterModel::OfSamples && shape == Shape::Boxcar;
        if last_alone && jitter_s == 0.0 {
            self.due_s += ((now_s - self.due_s) / period_s).floor().max(0.0) * period_s;
            self.next_update_s = self.due_s;
        }
        while self.next_update_s <= now_s {
            let at_s = self.next_update_s;
            self.due_s += period_s;
            let jitter_s = self.noise.between(-jitter_s, jitter_s);
            self.next_update_s = (self.due_s + jitter_s).max(at_s + period_s * 0.1);
            since_s += at_s - self.updated_s;
            self.updated_s = at_s;
            if self.next_update_s > now_s || !last_alone {
                self.update(&world.gpu, at_s, since_s, onset_s);
                since_s = 0.0;
            }
        }
        match self.fault {
            Some(Fault::PermissionLost) if now_s >= onset_s => Err(PowerError::NoPermission {
                what: "reading the simulated sensor".into(),
                fix: "choose a model without the fault permission-lost",
            }),
            Some(Fault::DroppedReads)
                if (onset_s..onset_s + SILENCE_S).contains(&now_s) || self.noise.between(0.0, 1.0) < DROPPED =>
            {
                Err(PowerError::Failed {
                    what: "reading the simulated sensor".into(),
                    why: "the read was dropped".into(),
                    fix: "choose a model without the fault dropped-reads",
                })
            }
            _ => Ok(self.reading),
        }
    }
}

/// By how much a read of the sensor comes late.
const LATE_READ_S: f64 = 200e-6;

/// Reads a simulated sensor at the ticks at which a real one is read.
pub struct TickSampler {
    reader: SimulatedReader,
    world: Arc<Mutex<World>>,
    noise: Noise,
    next_s: f64,
    tick: u64,
}

impl TickSampler {
    pub(super) fn new(reader: SimulatedReader, world: Arc<Mutex<World>>, noise: Noise) -> Self {
        TickSampler { reader, world, noise, next_s: 0.0, tick: 0 }
    }
}

impl Sampler for TickSampler {
    fn source(&self) -> &Source {
        &self.reader.source
    }

    fn drain(&mut self, take: &mut dyn FnMut(Sample)) {
        let now_s = lock(&self.world).now_s;
        while self.next_s <= now_s {
            let time_s = self.next_s;
            lock(&self.world).read_s = time_s;
            take(Sample { time_s, reading: self.reader.read() });
            self.tick += 1;
            self.next_s = self.tick as f64 * SAMPLING_PERIOD.as_secs_f64() + self.noise.between(0.0, LATE_READ_S);
        }
    }
}
