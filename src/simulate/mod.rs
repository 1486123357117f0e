//! Simulated GPUs and sensors whose true answer is known, in virtual time: the same protocol runs on them as on real ones.
//!
//! [`gpu`] draws power, [`sensor`] shows it as real sensors do (late, now and then, wrong by a gain), [`models`] are the boards,
//! and here is the world that they share: a clock that jumps.

pub mod gpu;
pub mod models;
mod random;
pub mod sensor;

use crate::activity::{Activity, Bits};
use crate::dtype::Dtype;
use crate::gpu::GpuError;
use crate::gpu::adapter::{AdapterInfo, AdapterType};
use crate::inputs::Init;
use crate::plan::Plan;
use crate::power::sampler::{PERIOD, Sample};
use crate::power::{PowerReader, Source};
use crate::protocol::{Clock, DeviceSpan, Event, Sampler, Workload};
use crate::record::{Inputs, KernelChoice, Record, TrueRatios, Truth};
use crate::run::{Prepared, RunError, World as RunWorld, carry_out};
use crate::summary;
use gpu::{SimulatedGpu, Trouble};
pub use models::{MODELS, Model};
use random::Noise;
use sensor::SimulatedReader;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A power limit that no board reaches.
const NO_LIMIT_W: f64 = 1e5;
/// As real products are cut into submissions: see `gpu::matmul`.
const SUBMISSION_S: f64 = 0.075;
const LONGEST_SUBMISSION_S: f64 = 0.1;
/// Until the host sees that a submission has ended.
const LATENCY_S: (f64, f64) = (30e-6, 300e-6);
/// By how much a read of the sensor comes late.
const LATE_READ_S: f64 = 200e-6;

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Wrap,
    UnknownWrap,
    Frozen,
    StepBack,
    Reset,
    FallOnIdle,
    DroppedReads,
    NotANumber,
    PermissionLost,
    CapFlag,
    Thermal,
    SecondProcess,
    Drift,
}

impl Fault {
    pub const ALL: [Fault; 13] = [
        Fault::Wrap,
        Fault::UnknownWrap,
        Fault::Frozen,
        Fault::StepBack,
        Fault::Reset,
        Fault::FallOnIdle,
        Fault::DroppedReads,
        Fault::NotANumber,
        Fault::PermissionLost,
        Fault::CapFlag,
        Fault::Thermal,
        Fault::SecondProcess,
        Fault::Drift,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Wrap => "wrap",
            Fault::UnknownWrap => "unknown-wrap",
            Fault::Frozen => "frozen",
            Fault::StepBack => "step-back",
            Fault::Reset => "reset",
            Fault::FallOnIdle => "fall-on-idle",
            Fault::DroppedReads => "dropped-reads",
            Fault::NotANumber => "nan",
            Fault::PermissionLost => "permission-lost",
            Fault::CapFlag => "cap-flag",
            Fault::Thermal => "thermal",
            Fault::SecondProcess => "second-process",
            Fault::Drift => "drift",
        }
    }

    pub fn meaning(self) -> &'static str {
        match self {
            Fault::Wrap => "the counter has 32 bits, and says so: harmless",
            Fault::UnknownWrap => "the counter has 32 bits, and nobody knows",
            Fault::Frozen => "the counter stops in a window and stays",
            Fault::StepBack => "the counter goes back by a few joules in a window",
            Fault::Reset => "the counter starts again from 0 in a window",
            Fault::FallOnIdle => "the counter falls to 200 J whenever the GPU rests",
            Fault::DroppedReads => "a fifth of the reads fails, and once all for 1.5 s: harmless",
            Fault::NotANumber => "half of the temperatures and clocks are no numbers: harmless",
            Fault::PermissionLost => "the sensor may not be read any more from some window on",
            Fault::CapFlag => "the driver says power cap, but nothing slows down: harmless",
            Fault::Thermal => "heat slows the clock to three quarters",
            Fault::SecondProcess => "another program takes half of the GPU for a while",
            Fault::Drift => "power grows by 6 % in the course of the rounds",
        }
    }
}

/// Power grows by this share from the first round to the last in [`Fault::Drift`].
const DRIFT: f64 = 0.06;
/// How long a second process stays.
const SECOND_PROCESS_S: (f64, f64) = (4.0, 30.0);

/// What the simulated clock, GPU and sensor share.
struct World {
    now_s: f64,
    gpu: SimulatedGpu,
    noise: Noise,
    /// The moment at which the sensor is being read.
    read_s: f64,
    /// The beginning of real time, where virtual time keeps pace with it.
    pace: Option<Instant>,
    fault: Option<Fault>,
    /// Windows end with a look at the products: how many looks until the fault begins, and how long after the last of them.
    looks_to_onset: u32,
    after_look_s: f64,
    onset_s: f64,
    rounds_s: f64,
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    // A thread that panicked elsewhere left plain numbers here.
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    fn advance(&mut self, to_s: f64) {
        self.now_s = self.now_s.max(to_s);
        self.gpu.advance(self.now_s);
    }

    /// C was looked at: the warm-up, or a window, has ended.
    fn looked(&mut self) {
        if self.fault == Some(Fault::Drift) && self.gpu.trouble.drift.is_none() {
            self.gpu.trouble.drift = Some((self.now_s, DRIFT / self.rounds_s));
        }
        self.looks_to_onset = self.looks_to_onset.wrapping_sub(1);
        if self.looks_to_onset != 0 {
            return;
        }
        self.onset_s = self.now_s + self.after_look_s;
        match self.fault {
            Some(Fault::Thermal) => self.gpu.trouble.hot_since_s = Some(self.onset_s),
            Some(Fault::SecondProcess) => {
                let seconds = self.noise.between(SECOND_PROCESS_S.0, SECOND_PROCESS_S.1);
                self.gpu.trouble.second_process = Some((self.onset_s, self.onset_s + seconds));
            }
            _ => {}
        }
    }
}

/// Sleeps until virtual time has come in real time too.
fn keep_pace(world: &Mutex<World>) {
    let (pace, now_s) = {
        let world = lock(world);
        (world.pace, world.now_s)
    };
    if let Some(begun) = pace {
        let until = begun + Duration::from_secs_f64(now_s);
        std::thread::sleep(until.saturating_duration_since(Instant::now()));
    }
}

/// Time that passes when somebody waits.
pub struct SimulatedClock(Arc<Mutex<World>>);

impl Clock for SimulatedClock {
    fn now_s(&self) -> f64 {
        lock(&self.0).now_s
    }

    fn sleep(&self, seconds: f64) {
        {
            let mut world = lock(&self.0);
            let until_s = world.now_s + seconds.max(0.0);
            world.advance(until_s);
        }
        keep_pace(&self.0);
    }
}

/// Products on the simulated GPU.
pub struct SimulatedWork {
    world: Arc<Mutex<World>>,
    /// Dynamic power at full clock, by init.
    watts: Vec<f64>,
    products_per_submission: f64,
}

impl Workload for SimulatedWork {
    fn submit(&mut self, init: usize) -> Result<(), GpuError> {
        lock(&self.world).gpu.submit(self.watts[init], self.products_per_submission);
        Ok(())
    }

    fn wait(&mut self) -> Result<f64, GpuError> {
        let products = {
            let mut world = lock(&self.world);
            let Some((end_s, products)) = world.gpu.finish_next() else { return Ok(0.0) };
            let seen_s = end_s + world.noise.between(LATENCY_S.0, LATENCY_S.1);
            world.advance(seen_s);
            products
        };
        keep_pace(&self.world);
        Ok(products)
    }

    fn device_spans(&mut self) -> Result<Vec<Option<DeviceSpan>>, GpuError> {
        Ok(lock(&self.world).gpu.take_spans())
    }

    fn check_products(&mut self, _init: usize) -> Result<bool, GpuError> {
        lock(&self.world).looked();
        Ok(true)
    }
}

/// Reads a simulated sensor at the ticks at which a real one is read.
pub struct TickSampler {
    reader: SimulatedReader,
    world: Arc<Mutex<World>>,
    noise: Noise,
    next_s: f64,
    tick: u64,
}

impl Sampler for TickSampler {
    fn source(&self) -> &Source {
        self.reader.source()
    }

    fn drain(&mut self, take: &mut dyn FnMut(Sample)) {
        let now_s = lock(&self.world).now_s;
        while self.next_s <= now_s {
            let time_s = self.next_s;
            lock(&self.world).read_s = time_s;
            take(Sample { time_s, reading: self.reader.read() });
            self.tick += 1;
            self.next_s = self.tick as f64 * PERIOD.as_secs_f64() + self.noise.between(0.0, LATE_READ_S);
        }
    }
}

/// A simulated board, ready for one run.
pub struct Simulation {
    model: Model,
    plan: Plan,
    world: Arc<Mutex<World>>,
}

impl Simulation {
    /// The plan's seed varies the noise.
    pub fn new(model: Model, plan: Plan, real_time: bool) -> Self {
        let mut model = model;
        if let Some(mhz) = plan.lock_clock_mhz {
            let share = (f64::from(mhz) / model.gpu.clock_mhz).min(1.0);
            for figure in
                [&mut model.gpu.clock_mhz, &mut model.gpu.flop_per_s, &mut model.gpu.zeros_w, &mut model.gpu.gaussian_w]
            {
                *figure *= share;
            }
        }
        let mut noise = Noise::new(plan.seed, 1);
        let windows = f64::from(plan.rounds) * plan.inits.len() as f64;
        // In the middle of a window, and neither of the first nor of the last.
        let looks_to_onset = 2 + noise.between(0.0, (windows - 2.0).max(0.0)) as u32;
        let after_look_s = plan.lead_in_s + plan.window_s * noise.between(0.25, 0.65);
        let mut gpu = SimulatedGpu::new(model.gpu, plan.flop(), Noise::new(plan.seed, 0));
        gpu.trouble = Trouble { cap_flag: model.fault == Some(Fault::CapFlag), ..Trouble::default() };
        let world = World {
            now_s: 0.0,
            gpu,
            noise,
            read_s: 0.0,
            pace: real_time.then(Instant::now),
            fault: model.fault,
            looks_to_onset,
            after_look_s,
            onset_s: f64::INFINITY,
            rounds_s: plan.rounds_s(),
        };
        Simulation { model, plan, world: Arc::new(Mutex::new(world)) }
    }

    /// From now on it draws what an open device draws.
    pub fn open(&self) {
        lock(&self.world).gpu.opened = true;
    }

    /// The plan as it begins.
    pub fn plan(&self) -> Plan {
        let mut plan = self.plan.clone();
        fit(&mut plan, &self.model, None);
        plan
    }

    /// The board's sensor.
    pub fn source(&self) -> Source {
        let Model { title, gpu, sensor, fault, .. } = &self.model;
        SimulatedReader::source_of(sensor, title, gpu.limit_w, *fault)
    }

    /// How the board calls itself.
    pub fn adapter(&self) -> AdapterInfo {
        AdapterInfo {
            name: format!("Simulated {}", self.model.title),
            vendor: self.model.vendor.into(),
            kind: AdapterType::Other,
            backend: "simulated".into(),
            driver: None,
            pci_address: None,
        }
    }

    pub fn clock(&self) -> SimulatedClock {
        SimulatedClock(self.world.clone())
    }

    pub fn sampler(&self) -> TickSampler {
        let Model { sensor, fault, .. } = self.model;
        let reader = SimulatedReader::new(self.source(), sensor, fault, self.world.clone(), self.plan.seed);
        let noise = Noise::new(self.plan.seed, 3);
        TickSampler { reader, world: self.world.clone(), noise, next_s: 0.0, tick: 0 }
    }

    pub fn work(&self) -> SimulatedWork {
        let product_s = lock(&self.world).gpu.product_s();
        let products_per_submission = if product_s > LONGEST_SUBMISSION_S {
            1.0 / (product_s / SUBMISSION_S).ceil()
        } else {
            (SUBMISSION_S / product_s).floor().clamp(1.0, 4096.0)
        };
        let toggles = |init| activity(init).toggles(Bits::Operands);
        let watts = |&init: &Init| self.model.gpu.dynamic_w(toggles(init) / toggles(Init::Gaussian));
        let watts = self.plan.inits.iter().map(watts).collect();
        SimulatedWork { world: self.world.clone(), watts, products_per_submission }
    }

    /// What would have been multiplied.
    fn inputs(&self) -> BTreeMap<Init, Inputs> {
        let inputs = |init| Inputs {
            digest_a: String::new(),
            digest_b: String::new(),
            scale_a: None,
            scale_b: None,
            activity: Some(activity(init)),
        };
        self.plan.inits.iter().map(|&init| (init, inputs(init))).collect()
    }

    /// The whole run, as it is on a real GPU. Without a sensor where `no_sensor` says why.
    ///
    /// # Errors
    /// It was stopped before the first round was complete.
    pub fn run(
        &self,
        truth: Truth,
        no_sensor: Option<&str>,
        stop: &dyn Fn() -> bool,
        watch: &dyn Fn(Event),
    ) -> Result<Record, RunError> {
        let clock = self.clock();
        let sensor = match no_sensor {
            None => Ok(Box::new(self.sampler()) as Box<dyn Sampler>),
            Some(why) => Err(why.into()),
        };
        let prepared = || Prepared {
            work: Box::new(self.work()),
            inputs: self.inputs(),
            kernel: KernelChoice {
                variant: "simulated".into(),
                wgsl_digest: String::new(),
                tuning: vec![],
                remembered: false,
            },
        };
        let world = RunWorld {
            adapter: self.adapter(),
            clock: &clock,
            sensor,
            open: &mut || {
                self.open();
                Ok(())
            },
            prepare: &mut || Ok(prepared()),
            truth: Some(truth),
        };
        carry_out(self.plan(), world, stop, watch)
    }
}

/// n of the matrices whose bits a simulated board multiplies: enough for the mean, and quickly counted.
const ACTIVITY_SIZE: usize = 256;

/// The bits of an init that toggle, counted once a program.
fn activity(init: Init) -> Activity {
    static KNOWN: Mutex<BTreeMap<Init, Activity>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known().get(&init).copied();
    found.unwrap_or_else(|| {
        // Not under the lock: a thread that counts with others may be given a task that waits for it.
        let counted =
            Activity::of(Dtype::F32, init, 0, ACTIVITY_SIZE).unwrap_or_else(|| unreachable!("256 is more than 1"));
        *known().entry(init).or_insert(counted)
    })
}

fn fit(plan: &mut Plan, model: &Model, period_s: Option<f64>) {
    plan.fit_to_sensor(&SimulatedReader::source_of(&model.sensor, "", NO_LIMIT_W, None), period_s);
}

/// Rounds of the run that shows the truth, and how many of its first ones are still warming up.
const TRUTH_ROUNDS: u32 = 40;
const TRUTH_SKIPS: u32 = 10;

/// The record of what the plan's rhythm would show a perfect sensor in rounds without end: the same board without noise
/// and faults, in the same protocol, the first rounds left out.
///
/// # Errors
/// None that a simulated board has.
pub fn endless(model: &Model, plan: &Plan) -> Result<Record, RunError> {
    let mut plan = plan.clone();
    fit(&mut plan, model, Some(model.sensor.period_s));
    (plan.lead_in_fixed, plan.window_fixed) = (true, true);
    plan.rounds = TRUTH_ROUNDS;
    let mut perfect = Model { sensor: model.sensor.perfect(), fault: None, ..*model };
    // Both are zero in the mean, which rounds without end would find.
    (perfect.gpu.wander, perfect.gpu.ripple) = (0.0, 0.0);
    let nothing = Truth { ratios: BTreeMap::new() };
    let mut record = Simulation::new(perfect, plan, false).run(nothing, None, &|| false, &|_| ())?;
    record.windows.retain(|window| window.round >= TRUTH_SKIPS);
    record.summary = summary::of(&record);
    Ok(record)
}

/// The truth about a model, for the record of a run.
///
/// # Errors
/// None that a simulated board has.
pub fn truth(model: &Model, plan: &Plan) -> Result<Truth, RunError> {
    let summary = endless(model, plan)?.summary;
    let ratios = summary.ratios.iter().filter_map(|(&init, ratios)| {
        let true_ratios = TrueRatios {
            time: ratios.time?.estimate,
            power: ratios.power?.estimate,
            energy: ratios.energy?.estimate,
            above_idle: ratios.above_idle?.estimate,
        };
        Some((init, true_ratios))
    });
    Ok(Truth { ratios: ratios.collect() })
}
