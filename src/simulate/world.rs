//! What a simulated clock, GPU and sensor share: a time that passes when somebody waits, and the moment at which a fault begins.

use super::fault::Fault;
use super::gpu::SimulatedGpu;
use super::random::Noise;
use crate::protocol::{Clock, DeviceSpan, GpuError, Workload};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Until the host sees that a submission has ended.
const LATENCY_S: (f64, f64) = (30e-6, 300e-6);

/// Power grows by this share during the fewest rounds that a run may have, and goes on so, in [`Fault::Drift`].
const DRIFT: f64 = 0.06;
/// How long a second process stays.
const SECOND_PROCESS_S: (f64, f64) = (4.0, 30.0);

/// What the simulated clock, GPU and sensor share.
pub(super) struct World {
    pub now_s: f64,
    pub gpu: SimulatedGpu,
    pub noise: Noise,
    /// The moment at which the sensor is being read.
    pub read_s: f64,
    /// The beginning of real time, where virtual time keeps pace with it.
    pub pace: Option<Instant>,
    pub fault: Option<Fault>,
    /// Windows end with a look at the products: how many looks until the fault begins, and how long after the last of them.
    pub looks_to_onset: u32,
    pub after_look_s: f64,
    pub onset_s: f64,
    pub fewest_s: f64,
}

pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
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
            self.gpu.trouble.drift = Some((self.now_s, DRIFT / self.fewest_s));
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
pub struct SimulatedClock(pub(super) Arc<Mutex<World>>);

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
    pub(super) world: Arc<Mutex<World>>,
    /// Dynamic power at full clock, by init.
    pub(super) watts: Vec<f64>,
    pub(super) products_per_submission: f64,
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
