//! The program: parse, run, print the error, exit code.

#![deny(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;
use wattmul::cli::{Cli, Command};
use wattmul::commands::{compare, devices, doctor, guard, kernel, report, run, shell, validate};
use wattmul::gpu::adapter;
use wattmul::record::text::printable;
use wattmul::run::PlanError;

#[expect(unsafe_code, reason = "the environment is changed before there is a second thread")]
fn main() -> ExitCode {
    // SAFETY: the first statement of the program; nothing has started a thread.
    unsafe { adapter::without_device_select() };
    if let Some((interface, device)) = guard::order(std::env::args_os()) {
        return guard::stand_by(interface, device).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Sweep(args)) => run::sweep(&args),
        Some(Command::Devices(args)) => devices::devices(&args),
        Some(Command::Doctor(args)) => doctor::doctor(&args),
        Some(Command::Kernel(args)) => kernel::kernel(&args),
        Some(Command::Report(args)) => report::report(&args),
        Some(Command::Compare(args)) => compare::compare(&args),
        Some(Command::Validate(args)) => validate::validate(&args),
        Some(Command::Completions { shell }) => shell::completions(shell),
        Some(Command::Man) => shell::manual(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `wattmul … | head`
        Err(error) => {
            eprintln!("wattmul: {}", printable(&format!("{error:#}")));
            ExitCode::from(if error.is::<PlanError>() { 2 } else { 1 })
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
