//! The program: parse, run, print the error, exit code.

#![deny(unsafe_code)]

use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use wattmul::cli::{Cli, Command, DevicesArgs, DoctorArgs, KernelArgs, ModelWish, RunArgs};
use wattmul::gpu::adapter::{self, AdapterType};
use wattmul::gpu::buffers::Shape;
use wattmul::gpu::claim::Claim;
use wattmul::gpu::kernel::KERNELS;
use wattmul::gpu::tune::Candidates;
use wattmul::gpu::tuning_cache::TuningCache;
use wattmul::plan::{Plan, PlanError};
use wattmul::power::SensorChoice;
use wattmul::power::clock_guard;
use wattmul::power::sampler::SamplingThread;
use wattmul::protocol::Sampler;
use wattmul::record::Record;
use wattmul::report::terminal::{self, Progress};
use wattmul::run::{HostClock, RealDevice, World, carry_out};
use wattmul::simulate::{Model, Simulation};
use wattmul::validity::Status;
use wattmul::{devices, doctor, interrupt, power, record, simulate};

#[expect(unsafe_code, reason = "the environment is changed before there is a second thread")]
fn main() -> ExitCode {
    // SAFETY: the first statement of the program; nothing has started a thread.
    unsafe { adapter::without_device_select() };
    if let Some((api, device)) = clock_guard::order(std::env::args_os()) {
        return clock_guard::stand_by(api, device).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run(&cli.run),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Devices(args)) => list_devices(&args),
        Some(Command::Doctor(args)) => examine(&args),
        Some(Command::Kernel(args)) => show_kernels(&args),
        Some(Command::Completions { shell }) => complete(shell),
        Some(Command::Man) => show_manual(),
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
    match &args.simulate {
        None => measure(args),
        Some(ModelWish(Some(model))) => simulate(args, model),
        Some(ModelWish(None)) => {
            write!(std::io::stdout().lock(), "{}", Model::list())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn measure(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let adapters = adapter::list(args.backend)?;
    let chosen = adapter::choose(adapters.iter().map(|adapter| &adapter.info), args.adapter.as_deref())?;
    let adapter = &adapters[chosen];
    let software = adapter.info.kind == AdapterType::Software;
    let mut plan = Plan::new(&args.wishes(), software, Shape::largest(&adapter.limits()), &adapter.info.name)?;
    if let Some(folder) = args.folder() {
        record::check_folder(folder)?;
    }

    let claim = Claim::new(&adapter.info, chosen);
    let shared = match &claim {
        Err(in_use) if !software => anyhow::bail!("{in_use}"),
        // Programs share a CPU all the time.
        Err(in_use) => terminal::wrapped(&format!("notice: {in_use}."), "  ", "          "),
        Ok(_) => String::new(),
    };

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
    show_heading(args, &(heading + &notices + &shared))?;

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
    conclude(args, &result?)
}

/// The same run on a simulated board.
fn simulate(args: &RunArgs, model: &Model) -> anyhow::Result<ExitCode> {
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
    conclude(args, &result?)
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

/// Saves and shows the record. It is shown all the same where it cannot be saved.
fn conclude(args: &RunArgs, record: &Record) -> anyhow::Result<ExitCode> {
    let saved = args.folder().map(|folder| record.save(folder));
    let shown = show(args, record, saved.as_ref().and_then(|saved| saved.as_deref().ok()));
    if let Some(Err(why)) = saved {
        return Err(rescue(args, record, why));
    }
    shown?;
    Ok(ExitCode::from(if record.verdict.judgement() == Status::Invalid { 3 } else { 0 }))
}

fn show(args: &RunArgs, record: &Record, saved: Option<&Path>) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    if args.json {
        write!(output, "{}", record.to_json())?;
    } else {
        write!(output, "{}", terminal::summary(record))?;
        match saved {
            Some(path) => writeln!(output, "  saved {}", path.display())?,
            None if args.folder().is_some() => {} // the error says where it is
            None if args.no_save => writeln!(output, "  not saved (--no-save)")?,
            None => writeln!(output, "  not saved: simulated (--results names a folder)")?,
        }
    }
    output.flush()
}

/// The error of a record that could not be saved: minutes of work are in it, and it says where they are instead.
fn rescue(args: &RunArgs, record: &Record, why: anyhow::Error) -> anyhow::Error {
    match record.save(&std::env::temp_dir()) {
        Ok(path) => why.context(format!("the record is in {} instead", path.display())),
        Err(_) if args.json => why,
        Err(_) => {
            eprint!("{}", record.to_json());
            why.context("the record is saved nowhere, and is printed above instead")
        }
    }
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

fn complete(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "wattmul", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn show_manual() -> anyhow::Result<ExitCode> {
    let mut page = vec![];
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    std::io::stdout().lock().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
