//! Simulated GPUs and sensors whose true answer is known, in virtual time: the same protocol runs on them as on real ones.
//!
//! [`gpu`] draws power, [`sensor`] shows it as real sensors do (late, now and then, wrong by a gain), [`fault`] is what may go wrong,
//! [`models`] are the boards, and [`world`] is what all of them share: a clock that jumps.

pub mod fault;
pub mod gpu;
pub mod models;
mod random;
pub mod sensor;
pub mod world;

use crate::activity::{Activity, Bits};
use crate::dtype::Dtype;
use crate::gpu::adapter::{AdapterInfo, AdapterType};
use crate::gpu::matmul::{LONGEST_SUBMISSION_S, MOST_REPEATS, SUBMISSION_S};
use crate::inputs::Init;
use crate::plan::{Plan, PlanError, Wishes};
use crate::power::Source;
use crate::protocol::{Event, Sampler};
use crate::record::{Inputs, KernelChoice, Record, TrueRatios, Truth};
use crate::run::{Prepared, RunError, Setup, carry_out};
use crate::summary;
pub use fault::Fault;
use gpu::{SimulatedGpu, Trouble};
pub use models::{MODELS, Model};
use random::Noise;
use sensor::SimulatedReader;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use world::{SimulatedClock, SimulatedWork, TickSampler, World, lock};

/// A power limit that no board reaches.
const NO_LIMIT_W: f64 = 1e5;
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
        // In the middle of a window, and neither of the first nor of the last.
        let looks_to_onset = 2 + noise.between(0.0, (plan.windows() - 2.0).max(0.0)) as u32;
        let after_look_s = plan.settling_s + plan.window_s * noise.between(0.25, 0.65);
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
        AdapterInfo::new(format!("Simulated {}", self.model.title), self.model.vendor, AdapterType::Other, "simulated")
    }

    pub fn clock(&self) -> SimulatedClock {
        SimulatedClock(self.world.clone())
    }

    pub fn sampler(&self) -> TickSampler {
        let Model { sensor, fault, .. } = self.model;
        let reader = SimulatedReader::new(self.source(), sensor, fault, self.world.clone(), self.plan.seed);
        TickSampler::new(reader, self.world.clone(), Noise::new(self.plan.seed, 3))
    }

    pub fn work(&self) -> SimulatedWork {
        let product_s = lock(&self.world).gpu.product_s();
        let products_per_submission = if product_s > LONGEST_SUBMISSION_S {
            1.0 / (product_s / SUBMISSION_S).ceil()
        } else {
            (SUBMISSION_S / product_s).floor().clamp(1.0, MOST_REPEATS as f64)
        };
        let bit_flips = |init| activity(init).bit_flips(Bits::Operands);
        let watts = |&init: &Init| self.model.gpu.dynamic_w(bit_flips(init) / bit_flips(Init::Gaussian));
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
        let setup = Setup {
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
        carry_out(self.plan(), setup, stop, watch)
    }

    /// The whole run, which nobody watches or stops.
    ///
    /// # Errors
    /// None that a simulated board has.
    pub fn undisturbed(&self, truth: Truth, no_sensor: Option<&str>) -> Result<Record, RunError> {
        self.run(truth, no_sensor, &|| false, &|_| ())
    }
}

/// n, where no memory limits it.
const LARGEST_SIZE: usize = 100_000;

/// The plan of a run on a simulated board.
///
/// # Errors
/// As [`Plan::new`].
pub fn plan(model: &Model, wishes: &Wishes) -> Result<Plan, PlanError> {
    Plan::new(wishes, false, LARGEST_SIZE, model.title)
}

/// The record of a run that nobody watches or stops, its truth beside it.
///
/// # Errors
/// None that a simulated board has.
pub fn record(model: &Model, plan: Plan) -> Result<Record, RunError> {
    let truth = truth(model, &plan)?;
    Simulation::new(*model, plan, false).undisturbed(truth, None)
}

/// n of the matrices whose bits a simulated board multiplies: enough for the mean, and quickly counted.
const ACTIVITY_SIZE: usize = 256;

/// The bits of an init that flip, counted once a program.
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
    (plan.settling_fixed, plan.window_fixed) = (true, true);
    plan.rounds = TRUTH_ROUNDS;
    let mut perfect = Model { sensor: model.sensor.perfect(), fault: None, ..*model };
    // Both are zero in the mean, which rounds without end would find.
    (perfect.gpu.wander, perfect.gpu.ripple) = (0.0, 0.0);
    let mut record = Simulation::new(perfect, plan, false).undisturbed(Truth::default(), None)?;
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
