//! `wattmul run` on real hardware: one adapter, or every one that may be measured, one after another.

use crate::activity::Activity;
use crate::cli::RunArgs;
use crate::conclude::{conclude, exit_code, show_heading};
use crate::gpu::GpuError;
use crate::gpu::adapter::{self, Adapter, AdapterInfo, AdapterType, Gpu};
use crate::gpu::buffers::{Buffers, Operands, Shape};
use crate::gpu::claim::Claim;
use crate::gpu::tune::{self, Candidates, Trial, Tuned};
use crate::gpu::tuning_cache::TuningCache;
use crate::gpu::visible::{self, Grant, ThisMachine, Variables, VisibleError};
use crate::plan::{Plan, PlanError};
use crate::power::choice::{self, SensorChoice};
use crate::power::sampler::SamplingThread;
use crate::protocol::{Clock, Sampler};
use crate::record::{self, Inputs, KernelChoice, Record};
use crate::report::progress::Progress;
use crate::report::{content, terminal};
use crate::run::{Prepared, Setup, carry_out};
use crate::several::{self, Row};
use crate::slurm::Job;
use crate::{devices, interrupt, text};
use std::cell::RefCell;
use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Measures what `--adapter` means.
///
/// # Errors
/// No such adapter, or it is another's; one adapter that fails. Of several, each that fails is a row of the summary.
pub fn measure(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let adapters = adapter::list(args.backend)?;
    if args.adapter.as_deref() == Some("all") {
        let infos = infos(&adapters);
        return measure_all(args, &adapters, &granted(&infos)?.allowed(&infos)?);
    }
    match run(args, &adapters, choose_one(args, &adapters)?)? {
        Some(record) => Ok(exit_code(&[conclude(args, record)?])),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The index of the adapter that `--adapter` names.
///
/// # Errors
/// There is no such adapter, it is another's, or it is `all` where one alone can be.
pub fn choose_one(args: &RunArgs, adapters: &[Adapter]) -> anyhow::Result<usize> {
    let infos = infos(adapters);
    match args.adapter.as_deref() {
        None | Some("auto") => Ok(granted(&infos)?.allowed(&infos)?[0]),
        Some("all") => anyhow::bail!("--adapter all is for a run: name one adapter here"),
        Some(wanted) => {
            let chosen = adapter::choose(infos.iter(), wanted)?;
            // The CPU is no GPU: nobody gives it, and no other job is disturbed in what it was given.
            if infos[chosen].kind != AdapterType::Software {
                granted(&infos)?.check(&infos, chosen)?;
            }
            Ok(chosen)
        }
    }
}

fn infos(adapters: &[Adapter]) -> Vec<AdapterInfo> {
    adapters.iter().map(|adapter| adapter.info.clone()).collect()
}

fn granted(infos: &[AdapterInfo]) -> Result<Grant, VisibleError> {
    visible::grant(&Variables::of_this_process(), infos, &ThisMachine)
}

/// One GPU's failure does not lose the others. The exit code is that of the worst: 1 if one failed, else 3 if one is invalid.
fn measure_all(args: &RunArgs, adapters: &[Adapter], chosen: &[usize]) -> anyhow::Result<ExitCode> {
    if let (SensorChoice::Named(api, Some(device)), 2..) = (&args.power, chosen.len()) {
        let api = api.name();
        anyhow::bail!("--power {api}:{device} is one GPU's sensor: with --adapter all, say --power {api}");
    }
    let rows = several::each(
        chosen,
        |index| adapters[index].info.clone(),
        interrupt::stopped,
        |index| {
            let record = run(args, adapters, index)?;
            record.map(|record| conclude(args, record)).transpose()
        },
    );
    let text = several::summary(&rows);
    if args.json {
        eprint!("\n{text}")
    } else {
        write!(std::io::stdout().lock(), "\n{text}")?
    }
    let failed = rows.len() < chosen.len() || rows.iter().any(|row| row.outcome.is_err());
    let invalid = |row: &Row| matches!(&row.outcome, Ok(Some(record)) if record.verdict.is_invalid());
    Ok(ExitCode::from(if failed {
        1
    } else if rows.iter().any(invalid) {
        3
    } else {
        0
    }))
}

/// The record of one adapter, not saved yet; None where an earlier start of this job saved it.
///
/// # Errors
/// The adapter, its sensor or the folder for the record cannot be used, or the run ended before its first round.
pub fn run(args: &RunArgs, adapters: &[Adapter], chosen: usize) -> anyhow::Result<Option<Record>> {
    let adapter = &adapters[chosen];
    let software = adapter.info.kind == AdapterType::Software;
    let (dtype, has) = (args.dtype, adapter.dtypes());
    if !has.contains(&dtype) {
        return Err(PlanError::NoDtype { dtype, adapter: adapter.info.name.clone(), has }.into());
    }
    let largest = Shape::largest(&adapter.limits(), dtype);
    let mut plan = Plan::new(&args.wishes(), software, largest, &adapter.info.name)?;
    if let Some(folder) = args.folder() {
        record::check_folder(folder)?;
        // Of several adapters, each is to be found; else it does not matter which one the job had before it was started again.
        let adapter = (args.adapter.as_deref() == Some("all")).then_some(&adapter.info);
        let job = Job::of_this_process();
        if let Some(path) = job.and_then(|job| job.saved_by_earlier_start(folder, adapter, &plan)) {
            eprintln!("wattmul: Slurm started this job again, and its record is there: {}", path.display());
            return Ok(None);
        }
    }

    let claim = Claim::new(&adapter.info, chosen);
    let shared = match &claim {
        Err(in_use) if !software => anyhow::bail!("{in_use}"),
        // Programs share a CPU all the time.
        Err(in_use) => text::notice(&format!("{in_use}.")),
        Ok(_) => String::new(),
    };

    let mut reader = choice::choose(&args.power, &adapter.info)?;
    let _clock_lock = match (args.lock_clock, &mut reader) {
        (None, _) => None,
        (Some(mhz), Ok(reader)) => Some(reader.lock_clock(mhz)?),
        (Some(_), Err(why)) => anyhow::bail!("--lock-clock needs the vendor's interface, and there is none: {why}"),
    };
    let clock = HostClock::start();
    let sensor = match reader {
        Ok(reader) => Ok(SamplingThread::start(reader, clock)?),
        Err(why) => Err(why),
    };
    if let Ok(sensor) = &sensor {
        plan.fit_to_sensor(sensor.source(), None);
    }

    let notices = if software {
        let why = "this is a software adapter: it computes on the CPU, and what it measures is the CPU. \
                   No GPU is offered here.";
        text::notice(why) + &devices::unseen(adapters.iter().map(|adapter| &adapter.info))
    } else {
        String::new()
    };
    let heading = content::heading(&adapter.info, &plan, sensor.as_ref().map(|s| s.source()).map_err(String::as_str));
    show_heading(args, &(terminal::blocks(&heading) + &notices + &shared))?;

    let progress = Progress::new(&plan);
    let cache = TuningCache::of(&adapter.info, plan.dtype, plan.size);
    let candidates = match args.kernel.0 {
        Some(kernel) => Candidates::Pinned(kernel),
        None => Candidates::All(cache.inspect(|cache| {
            if args.retune {
                cache.forget()
            }
        })),
    };
    let device = RefCell::new(RealDevice::new(adapter, plan.clone(), candidates));
    let setup = Setup {
        adapter: adapter.info.clone(),
        clock: &clock,
        sensor: sensor.map(|sensor| Box::new(sensor) as Box<dyn Sampler>),
        open: &mut || device.borrow_mut().open(),
        prepare: &mut || device.borrow_mut().prepare(|trial| progress.note(&format!("tried kernel {}", trial.kernel))),
        truth: None,
    };
    let result = carry_out(plan.clone(), setup, &interrupt::stopped, &|event| progress.event(&plan, event));
    progress.finish();
    Ok(Some(result?))
}

/// Opens and prepares a real adapter, in the two steps that [`Setup`] asks for.
pub struct RealDevice<'a> {
    adapter: &'a Adapter,
    plan: Plan,
    candidates: Candidates,
    gpu: Option<Gpu>,
}

impl<'a> RealDevice<'a> {
    pub fn new(adapter: &'a Adapter, plan: Plan, candidates: Candidates) -> Self {
        RealDevice { adapter, plan, candidates, gpu: None }
    }

    /// # Errors
    /// The driver does not open it.
    pub fn open(&mut self) -> Result<(), GpuError> {
        self.gpu = Some(self.adapter.open()?);
        Ok(())
    }

    /// Uploads the operands and chooses the kernel; `tried` hears of each.
    ///
    /// # Errors
    /// The device fails, or computes no product rightly.
    pub fn prepare(&mut self, tried: impl FnMut(&Trial)) -> Result<Prepared, GpuError> {
        let gpu = match self.gpu.take() {
            Some(gpu) => gpu,
            None => self.adapter.open()?,
        };
        let Plan { size, dtype, inits, seed, .. } = &self.plan;
        let buffers = Rc::new(Buffers::new(gpu, *dtype, *size, inits, *seed)?);
        let digests = |operands: &Operands| Inputs {
            digest_a: operands.uploaded_a.digest.clone(),
            digest_b: operands.uploaded_b.digest.clone(),
            scale_a: operands.uploaded_a.scale,
            scale_b: operands.uploaded_b.scale,
            activity: Activity::of(*dtype, operands.init, *seed, *size),
        };
        let inputs = buffers.operands.iter().map(|operands| (operands.init, digests(operands))).collect();
        let Tuned { matmul, trials, remembered } = tune::fastest(buffers, *seed, &self.candidates, tried)?;
        let kernel = matmul.kernel();
        let kernel = KernelChoice {
            variant: kernel.to_string(),
            wgsl_digest: kernel.digest(*dtype),
            tuning: trials,
            remembered,
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
