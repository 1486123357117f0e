//! A simulated board, ready for one run.

use super::fault::Fault;
use super::gpu::{NO_LIMIT_W, SimulatedGpu, Trouble};
use super::models::Model;
use super::random::Noise;
use super::sensor::{SimulatedReader, TickSampler};
use super::world::{SimulatedClock, SimulatedWork, World, lock};
use crate::operands::{Activity, Dtype, Init, Order};
use crate::protocol::{LONGEST_SUBMISSION_S, MOST_REPEATS, SUBMISSION_S};
use crate::record::{AdapterInfo, AdapterType, Inputs, Plan, Source};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A simulated board, ready for one run.
pub struct Simulation {
    model: Model,
    plan: Plan,
    /// The board's own power limit, whatever the plan's.
    default_limit_w: f64,
    world: Arc<Mutex<World>>,
}

impl Simulation {
    /// The plan's seed varies the noise.
    pub fn new(model: Model, plan: Plan, real_time: bool) -> Self {
        let mut model = model.with(plan.units);
        let default_limit_w = model.gpu.limit_w;
        if let Some(mhz) = plan.lock_clock_mhz {
            let share = (f64::from(mhz) / model.gpu.clock_mhz).min(1.0);
            for figure in
                [&mut model.gpu.clock_mhz, &mut model.gpu.flop_per_s, &mut model.gpu.zeros_w, &mut model.gpu.gaussian_w]
            {
                *figure *= share;
            }
        }
        if let Some(watts) = plan.power_limit_w {
            model.gpu.limit_w = watts.into();
        }
        let mut noise = Noise::new(plan.seed, 1);
        // In the middle of a window, and neither of the first nor of the last, however few rounds there are.
        let windows = f64::from(plan.fewest_rounds()) * plan.inits.len() as f64;
        let looks_to_onset = 2 + noise.between(0.0, (windows - 2.0).max(0.0)) as u32;
        let source = SimulatedReader::source_of(&model.sensor, model.title, model.gpu.limit_w, model.fault);
        let timing = plan.timing(Some(&source), Some(model.sensor.period_s));
        let after_look_s = timing.settling_s + timing.window_s * noise.between(0.25, 0.65);
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
            fewest_s: windows * (timing.settling_s + timing.window_s),
        };
        Simulation { model, plan, default_limit_w, world: Arc::new(Mutex::new(world)) }
    }

    /// From now on it draws what an open device draws.
    pub fn open(&self) {
        lock(&self.world).gpu.opened = true;
    }

    /// What is run on it.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The board's sensor.
    pub fn source(&self) -> Source {
        let Model { title, gpu, sensor, fault, .. } = &self.model;
        Source {
            default_power_limit_w: Some(self.default_limit_w).filter(|&watts| watts < NO_LIMIT_W),
            ..SimulatedReader::source_of(sensor, title, gpu.limit_w, *fault)
        }
    }

    /// How the board calls itself.
    pub fn adapter(&self) -> AdapterInfo {
        AdapterInfo::new(format!("Simulated {}", self.model.title), self.model.vendor, AdapterType::Other, "simulated")
    }

    /// The joules that it had drawn by `at_s`, as no sensor shows them: what a meter of the board would see. It remembers the last few
    /// seconds alone.
    pub fn drawn_j(&self, at_s: f64) -> f64 {
        lock(&self.world).gpu.energy_at(at_s)
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
        let gpu = &self.model.gpu;
        let watts = |&init: &Init| gpu.dynamic_w(gpu.circuit.share(init, self.plan.seed));
        let watts = self.plan.inits.iter().map(watts).collect();
        SimulatedWork { world: self.world.clone(), watts, products_per_submission }
    }

    /// What would have been multiplied.
    pub fn inputs(&self) -> BTreeMap<Init, Inputs> {
        let inputs = |init: Init| {
            let [origin_a, origin_b] = init.origins(self.plan.size);
            Inputs {
                digest_a: String::new(),
                digest_b: String::new(),
                scale_a: None,
                scale_b: None,
                activity: Some(activity(init, Order::default())),
                activity_exchanged: Order::default().exchanged().map(|order| activity(init, order)),
                origin_a,
                origin_b,
            }
        };
        self.plan.inits.iter().map(|&init| (init, inputs(init))).collect()
    }
}

/// n of the matrices whose bits a simulated board multiplies: enough for the mean, and quickly counted.
const ACTIVITY_SIZE: usize = 256;

/// What is counted of an init on a simulated board, in the kernel's order or that with rows and columns exchanged, once a program.
pub fn activity(init: Init, order: Order) -> Activity {
    static KNOWN: Mutex<BTreeMap<(Init, bool), Activity>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (init, order.transposed);
    let found = known().get(&key).copied();
    found.unwrap_or_else(|| {
        // Not under the lock: a thread that counts with others may be given a task that waits for it.
        let counted = Activity::of(Dtype::F32, init, 0, ACTIVITY_SIZE, order);
        *known().entry(key).or_insert(counted)
    })
}
