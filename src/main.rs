//! The program: parse, run, print the error, exit code.

#![deny(unsafe_code)]

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use wattmul::cli::{Cli, Command, DevicesArgs, DoctorArgs, KernelArgs, KernelWish, ModelWish, RunArgs, SweepArgs};
use wattmul::gpu::adapter::{self, AdapterType};
use wattmul::gpu::buffers::Shape;
use wattmul::gpu::kernel::{KERNELS, Kernel};
use wattmul::gpu::tune::Candidates;
use wattmul::gpu::tuning_cache::TuningCache;
use wattmul::plan::{Plan, PlanError};
use wattmul::power::SensorChoice;
use wattmul::power::sampler::SamplingThread;
use wattmul::protocol::Sampler;
use wattmul::record::Record;
use wattmul::report::terminal::{self, Progress};
use wattmul::run::{HostClock, RealDevice, World, carry_out};
use wattmul::simulate::{Model, Simulation};
use wattmul::validity::Status;
use wattmul::{devices, doctor, interrupt, power, record, report, simulate, sweep};

#[expect(unsafe_code, reason = "the environment is changed before there is a second thread")]
fn main() -> ExitCode {
    // SAFETY: the first statement of the program; nothing has started a thread.
    unsafe { adapter::without_device_select() };
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run(&cli.run),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Sweep(args)) => sweep(&args),
        Some(Command::Devices(args)) => list_devices(&args),
        Some(Command::Doctor(args)) => examine(&args),
        Some(Command::Kernel(args)) => show_kernels(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `wattmul … | head`
        Err(error) => {
            eprintln!("wattmul: {}", terminal::printable(&format!("{error:#}")));
            ExitCode::from(if error.is::<PlanError>() { 2 } else { 1 })
        }
    }
}

fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    if let Some(ModelWish(None)) = args.simulate {
        return list_models();
    }
    let record = record(args)?;
    conclude(args, &record)?;
    Ok(exit_code(&[record]))
}

fn list_models() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", Model::list())?;
    Ok(ExitCode::SUCCESS)
}

/// Measures on a GPU or on a model of one.
fn record(args: &RunArgs) -> anyhow::Result<Record> {
    match &args.simulate {
        Some(ModelWish(Some(model))) => simulate(args, model),
        _ => measure(args),
    }
}

/// A run at each clock. What was measured before one fails, or before somebody stops it, is saved.
fn sweep(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let clocks = match &args.run.simulate {
        Some(ModelWish(None)) => return list_models(),
        Some(ModelWish(Some(model))) => args.clocks.of(model.title, Ok(model.supported_clocks()))?,
        None => {
            let adapters = adapter::list(args.run.backend)?;
            let chosen = adapter::choose(adapters.iter().map(|a| &a.info), args.run.adapter.as_deref())?;
            let reader = power::choose(&args.run.power, &adapters[chosen].info)?;
            let reader =
                reader.map_err(|why| anyhow::anyhow!("a sweep locks the clock through a sensor's interface: {why}"))?;
            args.clocks.of(&reader.source().device, reader.supported_clocks())?
        }
    };
    let mut run = RunArgs { sweep: Some(sweep::new_id()), ..args.run.clone() };
    let mut records = vec![];
    for mhz in clocks {
        run.lock_clock = Some(mhz);
        let record = record(&run)?;
        conclude(&run, &record)?;
        // One kernel at all clocks, or another one's time would look like the clock's.
        if run.simulate.is_none() {
            run.kernel = KernelWish(Some(Kernel::named(&record.kernel.variant).map_err(anyhow::Error::msg)?));
        }
        records.push(record);
        if interrupt::stopped() {
            break;
        }
    }
    if !run.json {
        write!(std::io::stdout().lock(), "{}", report::sweep::table(&records))?;
    }
    Ok(exit_code(&records))
}

fn exit_code(records: &[Record]) -> ExitCode {
    let invalid = |record: &Record| record.verdict.judgement() == Status::Invalid;
    ExitCode::from(if records.iter().any(invalid) { 3 } else { 0 })
}

fn measure(args: &RunArgs) -> anyhow::Result<Record> {
    let adapters = adapter::list(args.backend)?;
    let chosen = adapter::choose(adapters.iter().map(|adapter| &adapter.info), args.adapter.as_deref())?;
    let adapter = &adapters[chosen];
    let software = adapter.info.kind == AdapterType::Software;
    let mut plan = Plan::new(&args.wishes(), software, Shape::largest(&adapter.limits()), &adapter.info.name)?;
    if let Some(folder) = args.folder() {
        record::check_folder(folder)?;
    }

    let mut reader = power::choose(&args.power, &adapter.info)?;
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
        let why = "notice: this is a software adapter: it computes on the CPU, and what it measures is the CPU. \
                   No GPU is offered here.";
        terminal::wrapped(why, "  ", "          ") + &devices::unseen(adapters.iter().map(|adapter| &adapter.info))
    } else {
        String::new()
    };
    let heading = terminal::heading(&adapter.info, &plan, sensor.as_ref().map(|s| s.source()).map_err(String::as_str));
    show_heading(args, &(heading + &notices))?;

    let progress = Progress::new(&plan);
    let cache = TuningCache::of(&adapter.info, plan.size);
    let candidates = match args.kernel.0 {
        Some(kernel) => Candidates::Pinned(kernel),
        None => Candidates::All(cache.inspect(|cache| {
            if args.retune {
                cache.forget()
            }
        })),
    };
    let device = std::cell::RefCell::new(RealDevice::new(adapter, plan.clone(), candidates));
    let world = World {
        adapter: adapter.info.clone(),
        clock: &clock,
        sensor: sensor.map(|sensor| Box::new(sensor) as Box<dyn Sampler>),
        open: &mut || device.borrow_mut().open(),
        prepare: &mut || device.borrow_mut().prepare(|trial| progress.note(&format!("tried kernel {}", trial.kernel))),
        truth: None,
    };
    let result = carry_out(plan.clone(), world, &interrupt::stopped, &|event| progress.event(&plan, event));
    progress.finish();
    Ok(result?)
}

/// The same run on a simulated board.
fn simulate(args: &RunArgs, model: &Model) -> anyhow::Result<Record> {
    let no_sensor = match args.power {
        SensorChoice::Auto => None,
        SensorChoice::None => Some("--power none"),
        SensorChoice::Named(..) => anyhow::bail!("a simulated board has a sensor of its own: --power auto or none"),
    };
    let plan = Plan::new(&args.wishes(), false, LARGEST_SIMULATED, model.title)?;
    if let Some(folder) = args.folder() {
        record::check_folder(folder)?;
    }
    let truth = simulate::truth(model, &plan)?;
    let simulation = Simulation::new(*model, plan, args.real_time);
    let (plan, source) = (simulation.plan(), simulation.source());
    let heading = terminal::heading(&simulation.adapter(), &plan, no_sensor.map_or(Ok(&source), Err));
    show_heading(args, &heading)?;
    let progress = Progress::new(&plan);
    let result = simulation.run(truth, no_sensor, &interrupt::stopped, &|event| progress.event(&plan, event));
    progress.finish();
    Ok(result?)
}

/// n, where no memory limits it.
const LARGEST_SIMULATED: usize = 100_000;

fn show_heading(args: &RunArgs, heading: &str) -> std::io::Result<()> {
    if args.json {
        eprint!("{heading}");
        return Ok(());
    }
    let mut output = std::io::stdout().lock();
    write!(output, "{heading}")?;
    output.flush()
}

/// Saves and shows the record.
fn conclude(args: &RunArgs, record: &Record) -> anyhow::Result<()> {
    let saved = args.folder().map(|folder| record.save(folder)).transpose()?;
    let mut output = std::io::stdout().lock();
    if args.json {
        write!(output, "{}", record.to_json())?;
    } else {
        write!(output, "{}", terminal::summary(record))?;
        match &saved {
            Some(path) => writeln!(output, "  saved {}", path.display())?,
            None if args.no_save => writeln!(output, "  not saved (--no-save)")?,
            None => writeln!(output, "  not saved: simulated (--results names a folder)")?,
        }
    }
    output.flush()?;
    Ok(())
}

fn list_devices(args: &DevicesArgs) -> anyhow::Result<ExitCode> {
    let devices = devices::look(args.backend);
    let mut output = std::io::stdout().lock();
    if args.json {
        writeln!(output, "{:#}", devices.json())?;
    } else {
        write!(output, "{}", devices.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn examine(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", doctor::text(&doctor::examine(args.backend)))?;
    Ok(ExitCode::SUCCESS)
}

fn show_kernels(args: &KernelArgs) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if let Some(kernel) = args.print {
        write!(output, "{}", kernel.wgsl())?;
    } else {
        for kernel in KERNELS {
            let (threads, bytes) = (kernel.threads(), kernel.workgroup_bytes());
            writeln!(output, "{:<22}{threads:>4} threads  {bytes:>6} bytes of workgroup memory", kernel.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
