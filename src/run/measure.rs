//! A run on a real GPU: its sensor and its clock taken hold of, its device opened when the protocol says so.

use super::execute::{Prepared, RunError, Setup, run};
use crate::gpu::adapter::{Adapter, Gpu};
use crate::gpu::buffers::{Buffers, Operands};
use crate::gpu::kernel::Kernel;
use crate::gpu::tune;
use crate::gpu::tune::Tuned;
use crate::operands::Activity;
use crate::power::choice;
use crate::power::choice::SensorChoice;
use crate::power::hold::Hold;
use crate::power::meter::{MeterChoice, MeterThread};
use crate::power::sampling_thread::SamplingThread;
use crate::protocol::{Clock, Event, GpuError, Sampler};
use crate::record::plan::Knob;
use crate::record::{Inputs, KernelChoice, Plan, Record, Source, Trial};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A GPU with its sensor, ready for one run.
pub(crate) struct Measurement<'a> {
    adapter: &'a Adapter,
    plan: Plan,
    /// None: the fastest.
    kernel: Option<Kernel>,
    clock: HostClock,
    /// The sensor, or why there is none.
    sensor: Result<SamplingThread, String>,
    meter: Option<MeterThread>,
    /// What the plan changes of the device, until the run is over.
    _held: Vec<Hold>,
}

impl<'a> Measurement<'a> {
    /// Starts reading the sensor and the meter, and locks the clock and limits the power where the plan asks for it.
    ///
    /// # Errors
    /// The sensor that is named cannot be had, or the meter, or the clock cannot be locked, or the power limited.
    pub fn new(
        adapter: &'a Adapter,
        plan: Plan,
        kernel: Option<Kernel>,
        power: &SensorChoice,
        meter: Option<&MeterChoice>,
    ) -> anyhow::Result<Measurement<'a>> {
        let mut reader = choice::choose(power, &adapter.info)?;
        let mut held = vec![];
        for (knob, option) in [(Knob::Clock, "--lock-clock"), (Knob::PowerLimit, "--power-limit")] {
            let Some(setting) = plan.setting(knob) else { continue };
            let reader = reader
                .as_mut()
                .map_err(|why| anyhow::anyhow!("{option} needs the vendor's interface, and there is none: {why}"))?;
            held.push(match knob {
                Knob::Clock => reader.lock_clock(setting)?,
                Knob::PowerLimit => reader.limit_power(setting)?,
            });
        }
        let clock = HostClock::start();
        let sensor = match reader {
            Ok(reader) => Ok(SamplingThread::start(reader, clock)?),
            Err(why) => Err(why),
        };
        let meter = meter.map(|meter| MeterThread::start(meter, clock)).transpose()?;
        Ok(Measurement { adapter, plan, kernel, clock, sensor, meter, _held: held })
    }

    /// What is run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The sensor, or why there is none.
    pub fn source(&self) -> Result<&Source, &str> {
        self.sensor.as_ref().map(|sensor| sensor.source()).map_err(String::as_str)
    }

    /// The whole run. `tried` hears of each kernel that was tried.
    ///
    /// # Errors
    /// As [`run`].
    pub fn run(
        self,
        stop: &dyn Fn() -> bool,
        watch: &dyn Fn(Event),
        tried: &dyn Fn(&Trial),
    ) -> Result<Record, RunError> {
        let device = RefCell::new(RealDevice::new(self.adapter, self.plan.clone(), self.kernel));
        let setup = Setup {
            adapter: self.adapter.info.clone(),
            clock: &self.clock,
            sensor: self.sensor.map(|sensor| Box::new(sensor) as Box<dyn Sampler>),
            meter: self.meter,
            open: &mut || device.borrow_mut().open(),
            prepare: &mut || device.borrow_mut().prepare(tried),
            truth: None,
        };
        run(self.plan, setup, stop, watch)
    }
}

/// Opens and prepares a real adapter, in the two steps that [`Setup`] asks for.
pub(crate) struct RealDevice<'a> {
    adapter: &'a Adapter,
    plan: Plan,
    kernel: Option<Kernel>,
    gpu: Option<Gpu>,
}

impl<'a> RealDevice<'a> {
    /// With this kernel, else the fastest.
    pub fn new(adapter: &'a Adapter, plan: Plan, kernel: Option<Kernel>) -> Self {
        RealDevice { adapter, plan, kernel, gpu: None }
    }

    /// # Errors
    /// The driver does not open it.
    pub fn open(&mut self) -> Result<(), GpuError> {
        self.gpu = Some(self.adapter.open(self.plan.units)?);
        Ok(())
    }

    /// Uploads the operands and chooses the kernel; `tried` hears of each.
    ///
    /// # Errors
    /// The device fails, or computes no product rightly.
    pub fn prepare(&mut self, tried: impl FnMut(&Trial)) -> Result<Prepared, GpuError> {
        let gpu = match self.gpu.take() {
            Some(gpu) => gpu,
            None => self.adapter.open(self.plan.units)?,
        };
        let Plan { size, dtype, inits, seed, .. } = &self.plan;
        let buffers = Rc::new(Buffers::new(gpu, *dtype, *size, inits, *seed)?);
        let Tuned { matmul, trials } = tune::fastest(buffers.clone(), *seed, self.kernel, tried)?;
        let kernel = matmul.kernel();
        let inputs = |operands: &Operands| {
            let [origin_a, origin_b] = operands.init.origins(*size);
            let (activity, activity_exchanged) = Activity::of_both(*dtype, operands.init, *seed, *size, kernel.order());
            Inputs {
                digest_a: operands.uploaded_a.digest.clone(),
                digest_b: operands.uploaded_b.digest.clone(),
                scale_a: operands.uploaded_a.scale,
                scale_b: operands.uploaded_b.scale,
                activity: Some(activity),
                activity_exchanged,
                origin_a,
                origin_b,
            }
        };
        let inputs = buffers.operands.iter().map(|operands| (operands.init, inputs(operands))).collect();
        let kernel = KernelChoice {
            variant: kernel.to_string(),
            wgsl_digest: kernel.digest(*dtype),
            order: kernel.order(),
            tuning: trials,
        };
        Ok(Prepared { work: Box::new(matmul), inputs, kernel })
    }
}

/// The monotonic clock of this machine, from the moment it is made.
#[derive(Clone, Copy)]
pub struct HostClock(Instant);

impl HostClock {
    pub fn start() -> Self {
        HostClock(Instant::now())
    }
}

impl Clock for HostClock {
    fn now_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    fn sleep(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds.max(0.0)));
    }
}
