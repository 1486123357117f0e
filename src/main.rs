//! The program: parse, run, print the error, exit code.

#![deny(unsafe_code)]

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;
use wattmul::cli::{Cli, Command, DevicesArgs, DoctorArgs, KernelArgs, ModelWish, RunArgs};
use wattmul::gpu::adapter;
use wattmul::gpu::kernel::KERNELS;
use wattmul::measure::{conclude, exit_code, measure, show_heading};
use wattmul::plan::{Plan, PlanError};
use wattmul::power::SensorChoice;
use wattmul::report::terminal::{self, Progress};
use wattmul::simulate::{Model, Simulation};
use wattmul::{devices, doctor, interrupt, record, simulate};

#[expect(unsafe_code, reason = "the environment is changed before there is a second thread")]
fn main() -> ExitCode {
    // SAFETY: the first statement of the program; nothing has started a thread.
    unsafe { adapter::without_device_select() };
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run(&cli.run),
        Some(Command::Run(args)) => run(&args),
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
    match &args.simulate {
        None => measure(args),
        Some(ModelWish(Some(model))) => simulate(args, model),
        Some(ModelWish(None)) => {
            write!(std::io::stdout().lock(), "{}", Model::list())?;
            Ok(ExitCode::SUCCESS)
        }
    }
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
    Ok(exit_code(&conclude(args, result?)?))
}

/// n, where no memory limits it.
const LARGEST_SIMULATED: usize = 100_000;

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
