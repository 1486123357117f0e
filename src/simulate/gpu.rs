//! A simulated GPU: its power, clock and temperature while it works and rests, integrated exactly between events.
//!
//! P = P_static(T) + α·k·f, and heat that flows through a chip and a heat sink, each with a time constant. All is linear, so
//! that a stretch of constant clock has a closed form: no step size, and a run of minutes takes milliseconds.

use super::circuit::Circuit;
use super::random::Noise;
use crate::protocol::DeviceSpan;
use crate::record::{Limiter, Limiters};
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// A power limit that no board reaches.
pub(crate) const NO_LIMIT_W: f64 = 1e5;

/// A GPU's parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GpuModel {
    /// Speed of the product at full clock.
    pub flop_per_s: f64,
    pub clock_mhz: f64,
    pub idle_clock_mhz: f64,
    /// Power at rest at the temperature of the room.
    pub static_w: f64,
    /// Watts by which leakage grows with each kelvin, at work or not.
    pub leak_w_per_k: f64,
    /// What an open device draws more, at work or not.
    pub open_w: f64,
    /// For so long after work the clock stays up, and so many watts more are drawn at it. Then the device falls asleep.
    pub awake_s: f64,
    pub awake_w: f64,
    /// α·k·f of products of zeros at full clock.
    pub zeros_w: f64,
    /// The same of Gaussian numbers.
    pub gaussian_w: f64,
    /// Where the difference between the two goes.
    pub circuit: Circuit,
    /// The clock gives way so that power stays under this.
    pub limit_w: f64,
    pub room_c: f64,
    /// Kelvins a watt over the heat sink, and seconds in which it comes to rest, leakage taken into account.
    pub k_per_w: f64,
    pub thermal_s: f64,
    /// The same of the chip against its heat sink.
    pub chip_k_per_w: f64,
    pub chip_s: f64,
    /// Amplitude of the dynamic power's swing within each product, as a share.
    pub ripple: f64,
    /// Amplitude of the clock's swing in the first seconds of load, as a share.
    pub swing: f64,
    /// Standard deviation of the slow wandering of the dynamic power, as a share, and the seconds in which it forgets itself.
    pub wander: f64,
    pub wander_s: f64,
}

impl GpuModel {
    /// α·k·f of products that cost this share of what Gaussian numbers cost above zeros.
    pub(crate) fn dynamic_w(&self, share: f64) -> f64 {
        self.zeros_w + (self.gaussian_w - self.zeros_w) * share
    }
}

/// What happens to a GPU that is no property of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    /// From when to when a second process has half of the time.
    pub second_process: Option<(f64, f64)>,
    /// Since when the chip is too hot.
    pub hot_since_s: Option<f64>,
    /// Since when, and by which share a second, the dynamic power grows.
    pub drift: Option<(f64, f64)>,
    /// The driver says "power cap", but nothing slows down.
    pub cap_flag: bool,
}

/// Longest stretch of constant clock: a power limiter reacts about that fast.
const CONTROL_S: f64 = 0.1;
/// Clocks swing for so long after load begins: in the traces of arXiv 2409.18324 no more than 0.2 to 0.4 % is left after 1.3 s.
const SWING_S: f64 = 2.0;
const SWING_PERIOD_S: f64 = 0.8;
/// They do so again after a rest of this.
const REST_S: f64 = 0.02;
/// The speed of a product jitters by this share.
const JITTER: f64 = 1e-4;
/// A chip that is too hot runs at this share of its clock.
const HOT_CLOCK: f64 = 0.75;
/// What the second process draws, against Gaussian products.
const SECOND_POWER: f64 = 0.7;
/// How far back sensors look.
const MEMORY_S: f64 = 4.0;

/// A stretch of constant clock.
#[derive(Clone, Copy, Debug)]
struct Segment {
    start_s: f64,
    /// Energy drawn until `start_s`.
    energy_j: f64,
    /// Power and temperature that the stretch would end at.
    final_w: f64,
    final_c: f64,
    /// Kelvins that are left to it at its beginning, in each of the two ways that heat decays, and how fast each goes.
    left_k: [f64; 2],
    rate_per_s: [f64; 2],
    /// Watts that each kelvin leaks more.
    leak_w_per_k: f64,
    /// Amplitude in watts, and phase and speed in products.
    ripple_w: f64,
    phase: f64,
    phase_cos: f64,
    products_per_s: f64,
    clock_mhz: f64,
    limiters: Limiters,
}

impl Segment {
    fn temperature_c(&self, at_s: f64) -> f64 {
        let left = |way: usize| self.left_k[way] * (-self.rate_per_s[way] * (at_s - self.start_s)).exp();
        self.final_c + left(0) + left(1)
    }

    fn energy_j(&self, at_s: f64) -> f64 {
        let seconds = at_s - self.start_s;
        let held = |way: usize| {
            let gone = -(-self.rate_per_s[way] * seconds).exp_m1();
            self.left_k[way] * gone / self.rate_per_s[way]
        };
        let mut energy_j = self.energy_j + self.final_w * seconds + self.leak_w_per_k * (held(0) + held(1));
        if self.ripple_w != 0.0 {
            let swing = self.phase_cos - (TAU * (self.phase + self.products_per_s * seconds)).cos();
            energy_j += self.ripple_w * swing / (TAU * self.products_per_s);
        }
        energy_j
    }
}

/// Heat in the sink and in the chip above it: C dT/dt = P(T) − T / R for each, in kelvins above the room, where both leak.
///
/// Near the point at which both are at rest, what is left decays in two ways (the eigenvectors of the two equations).
#[derive(Clone, Copy, Debug)]
struct Heat {
    k_per_w: [f64; 2],
    /// 1 − leakage's share of what heat flows away: at rest the temperature is so much higher.
    feedback: f64,
    rate_per_s: [f64; 2],
    /// Kelvins of the chip for each kelvin of the sink, by way.
    chip: [f64; 2],
}

impl Heat {
    fn of(model: &GpuModel) -> Self {
        let (leak, [sink, chip]) = (model.leak_w_per_k, [model.k_per_w, model.chip_k_per_w]);
        let feedback = 1.0 - leak * (sink + chip);
        // The seconds are those with leakage; the sink's own are fewer.
        let own_s = [model.thermal_s * feedback / (1.0 - leak * chip), model.chip_s * (1.0 - leak * chip)];
        let matrix = [
            [(leak * sink - 1.0) / own_s[0], leak * sink / own_s[0]],
            [leak * chip / own_s[1], (leak * chip - 1.0) / own_s[1]],
        ];
        let half = (matrix[0][0] + matrix[1][1]) / 2.0;
        let determinant = matrix[0][0] * matrix[1][1] - matrix[0][1] * matrix[1][0];
        let root = (half * half - determinant).max(0.0).sqrt();
        let of_way = |value: f64| (matrix[1][0] / (value - matrix[1][1]), -value);
        // In the slow way the chip follows the sink; in the fast one the sink hardly moves.
        let (slow, fast) = (half + root, half - root);
        Heat {
            k_per_w: [sink, chip],
            feedback,
            rate_per_s: [-slow, -fast],
            chip: [of_way(slow).0, (fast - matrix[0][0]) / matrix[0][1].max(1e-12)],
        }
    }

    /// Kelvins of sink and chip at rest, where `cold_w` are drawn apart from leakage.
    fn at_rest(&self, cold_w: f64) -> [f64; 2] {
        self.k_per_w.map(|k_per_w| k_per_w * cold_w / self.feedback)
    }

    /// Splits what is left to that into the two ways: kelvins of the sink in each.
    fn split(&self, [sink, chip]: [f64; 2]) -> [f64; 2] {
        let fast = (chip - self.chip[0] * sink) / (self.chip[1] - self.chip[0]);
        [sink - fast, fast]
    }
}

/// A submission that has not ended.
struct Job {
    /// Dynamic power at full clock.
    watts: f64,
    products: f64,
    left: f64,
    start_s: f64,
}

/// What a sensor sees besides power.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub rests: bool,
    pub temperature_c: f64,
    pub clock_mhz: f64,
    pub limiters: Limiters,
}

/// The GPU during a run.
pub(crate) struct SimulatedGpu {
    model: GpuModel,
    /// Of one product.
    flop: f64,
    noise: Noise,
    pub trouble: Trouble,
    pub opened: bool,
    /// Everything up to here has happened.
    now_s: f64,
    energy_j: f64,
    heat: Heat,
    /// Kelvins of the sink above the room, and of the chip above the sink.
    warmth_k: [f64; 2],
    jobs: VecDeque<Job>,
    /// When each submission that was not asked for ended, and its products.
    ended: VecDeque<(f64, f64)>,
    spans: Vec<Option<DeviceSpan>>,
    /// Place within the present product.
    phase: f64,
    loaded_since_s: f64,
    rested_s: f64,
    wander: f64,
    jitter: f64,
    next_control_s: f64,
    segments: VecDeque<Segment>,
}

impl SimulatedGpu {
    pub fn new(model: GpuModel, flop: f64, mut noise: Noise) -> Self {
        let heat = Heat::of(&model);
        let wander = if model.wander > 0.0 { model.wander * noise.normal() } else { 0.0 };
        let mut gpu = SimulatedGpu {
            model,
            flop,
            noise,
            trouble: Trouble::default(),
            opened: false,
            now_s: 0.0,
            energy_j: 0.0,
            heat,
            warmth_k: heat.at_rest(model.static_w),
            jobs: VecDeque::new(),
            ended: VecDeque::new(),
            spans: vec![],
            phase: 0.0,
            loaded_since_s: 0.0,
            rested_s: f64::INFINITY,
            wander,
            jitter: 0.0,
            next_control_s: 0.0,
            segments: VecDeque::new(),
        };
        gpu.advance(1e-3); // so that there is a past to look at
        gpu
    }

    /// Seconds of a product at full clock.
    pub(crate) fn product_s(&self) -> f64 {
        self.flop / self.model.flop_per_s
    }

    /// Queues a submission that draws so many dynamic watts at full clock.
    pub fn submit(&mut self, watts: f64, products: f64) {
        let start_s = self.jobs.back().map_or(self.now_s, |_| f64::INFINITY);
        self.jobs.push_back(Job { watts, products, left: products, start_s });
    }

    /// Works until the oldest submission that was not asked for has ended: when, and how many products it had.
    pub(crate) fn finish_next(&mut self) -> Option<(f64, f64)> {
        while self.ended.is_empty() && !self.jobs.is_empty() {
            self.step(f64::INFINITY);
        }
        self.ended.pop_front()
    }

    /// Works, or rests, until `until_s`.
    pub(crate) fn advance(&mut self, until_s: f64) {
        while self.now_s < until_s {
            self.step(until_s);
        }
        let old = self.segments.partition_point(|segment| segment.start_s < self.now_s - MEMORY_S);
        self.segments.drain(..old.saturating_sub(1));
    }

    /// The spans of the submissions that ended since the last call.
    pub(crate) fn take_spans(&mut self) -> Vec<Option<DeviceSpan>> {
        std::mem::take(&mut self.spans)
    }

    /// A stretch of constant clock: up to `until_s`, the end of a submission, or the next move of the clock.
    fn step(&mut self, until_s: f64) {
        let start_s = self.now_s;
        let model = self.model;
        if start_s >= self.next_control_s {
            self.next_control_s = start_s + CONTROL_S;
            let kept = (-CONTROL_S / model.wander_s).exp();
            if model.wander > 0.0 {
                self.wander = kept * self.wander + model.wander * (1.0 - kept * kept).sqrt() * self.noise.normal();
                self.jitter = JITTER * self.noise.normal();
            }
        }
        let load_w = self.jobs.front().map(|job| job.watts);
        if load_w.is_some() {
            if self.rested_s > REST_S {
                self.loaded_since_s = start_s;
            }
            self.rested_s = 0.0;
        }
        let second = self.trouble.second_process.is_some_and(|(from_s, to_s)| (from_s..to_s).contains(&start_s));

        // Power at full clock, then the clock, then the power at that clock.
        let drift = self.trouble.drift.map_or(0.0, |(since_s, share)| (start_s - since_s).max(0.0) * share);
        let own_w = load_w.map_or(0.0, |watts| watts * (1.0 + self.wander) * (1.0 + drift));
        let share = if second && load_w.is_some() { 0.5 } else { 1.0 };
        let other_w = if second { model.gaussian_w * SECOND_POWER * (1.5 - share) } else { 0.0 };
        let full_w = own_w * share + other_w;
        let mut limiters = if self.trouble.cap_flag && load_w.is_some() {
            Limiters::NONE.with(Limiter::PowerCap)
        } else {
            Limiters::NONE
        };
        let mut speed = 1.0 + self.swing(start_s);
        if self.trouble.hot_since_s.is_some_and(|since_s| start_s >= since_s) && load_w.is_some() {
            speed *= HOT_CLOCK;
            limiters = limiters.with(Limiter::Thermal);
        }
        let leak_w_per_k = model.leak_w_per_k;
        let is_awake = load_w.is_some() || second || self.rested_s < model.awake_s;
        let cold_w =
            model.static_w + if self.opened { model.open_w } else { 0.0 } + if is_awake { model.awake_w } else { 0.0 };
        let static_w = cold_w + leak_w_per_k * (self.warmth_k[0] + self.warmth_k[1]);
        if static_w + full_w * speed > model.limit_w {
            speed = ((model.limit_w - static_w) / full_w).clamp(0.1, speed);
            limiters = limiters.with(Limiter::PowerCap);
        }
        let dynamic_w = full_w * speed;

        let rest_k = self.heat.at_rest(cold_w + dynamic_w);
        let final_k = rest_k[0] + rest_k[1];
        let left_k = self.heat.split([self.warmth_k[0] - rest_k[0], self.warmth_k[1] - rest_k[1]]);
        let of_way = |way: usize| left_k[way] * (1.0 + self.heat.chip[way]);
        let products_per_s =
            if load_w.is_some() { speed * (1.0 + self.jitter) * share / self.product_s() } else { 0.0 };
        let segment = Segment {
            start_s,
            energy_j: self.energy_j,
            final_w: cold_w + dynamic_w + leak_w_per_k * final_k,
            final_c: model.room_c + final_k,
            left_k: [of_way(0), of_way(1)],
            rate_per_s: self.heat.rate_per_s,
            leak_w_per_k,
            ripple_w: own_w * share * speed * model.ripple,
            phase: self.phase,
            phase_cos: (TAU * self.phase).cos(),
            products_per_s,
            clock_mhz: if is_awake { model.clock_mhz * speed } else { model.idle_clock_mhz },
            limiters,
        };

        let end_s = until_s.min(self.next_control_s);
        let job_end_s = self.jobs.front().map_or(f64::INFINITY, |job| start_s + job.left / products_per_s);
        self.now_s = end_s.min(job_end_s);
        if load_w.is_none() {
            self.rested_s += self.now_s - start_s;
        }
        let products = products_per_s * (self.now_s - start_s);
        self.phase = (self.phase + products).fract();
        self.energy_j = segment.energy_j(self.now_s);
        let passed_s = self.now_s - start_s;
        let decayed = [0, 1].map(|way| left_k[way] * (-self.heat.rate_per_s[way] * passed_s).exp());
        let chip_k = decayed[0] * self.heat.chip[0] + decayed[1] * self.heat.chip[1];
        self.warmth_k = [rest_k[0] + decayed[0] + decayed[1], rest_k[1] + chip_k];
        self.segments.push_back(segment);
        if job_end_s <= end_s {
            if let Some(job) = self.jobs.pop_front() {
                self.spans.push(Some(DeviceSpan { start_s: job.start_s, end_s: self.now_s }));
                self.ended.push_back((self.now_s, job.products));
            }
            if let Some(next) = self.jobs.front_mut() {
                next.start_s = self.now_s;
            }
        } else if let Some(job) = self.jobs.front_mut() {
            job.left -= products;
        }
    }

    fn swing(&self, at_s: f64) -> f64 {
        let loaded_s = at_s - self.loaded_since_s;
        if loaded_s >= SWING_S {
            return 0.0;
        }
        -self.model.swing * (TAU * loaded_s / SWING_PERIOD_S).cos() * (1.0 - loaded_s / SWING_S)
    }

    fn segment(&self, at_s: f64) -> Option<&Segment> {
        let next = self.segments.partition_point(|segment| segment.start_s <= at_s);
        self.segments.get(next.saturating_sub(1))
    }

    /// Energy drawn until `at_s`, which lies in the last few seconds.
    pub(crate) fn energy_at(&self, at_s: f64) -> f64 {
        // Before the beginning it rested as it did then.
        self.segment(at_s).map_or(0.0, |segment| segment.energy_j(at_s))
    }

    pub(crate) fn condition(&self, at_s: f64) -> Condition {
        match self.segment(at_s) {
            Some(segment) => Condition {
                rests: segment.products_per_s == 0.0,
                temperature_c: segment.temperature_c(at_s.max(segment.start_s)),
                clock_mhz: segment.clock_mhz,
                limiters: segment.limiters,
            },
            None => Condition {
                rests: true,
                temperature_c: self.model.room_c + self.warmth_k[0] + self.warmth_k[1],
                clock_mhz: self.model.idle_clock_mhz,
                limiters: Limiters::NONE,
            },
        }
    }
}
