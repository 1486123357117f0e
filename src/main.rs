//! The program: parse, run, print the error, exit code.

#![deny(unsafe_code)]

use clap::Parser;
use std::io::ErrorKind;
use std::process::ExitCode;
use wattmul::cli::{Cli, Command};
use wattmul::commands::{compare, devices, doctor, guard, kernel, predict, report, run, shell, validate};
use wattmul::gpu::adapter;
use wattmul::host::interrupt;
use wattmul::record::text::printable_lines;
use wattmul::run::PlanError;
use wattmul::say;

#[expect(unsafe_code, reason = "the environment is changed before there is a second thread")]
fn main() -> ExitCode {
    // SAFETY: the first statement of the program; nothing has started a thread.
    unsafe { adapter::without_device_select() };
    interrupt::fail_at_file_limits();
    if let Some(order) = guard::order(std::env::args_os()) {
        return guard::stand_by(order).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
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
        Some(Command::Predict(args)) => predict::predict(&args),
        Some(Command::Validate(args)) => validate::validate(&args),
        Some(Command::Completions { shell }) => shell::completions(shell),
        Some(Command::Man) => shell::manual(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `wattmul … | head`
        Err(error) => {
            say::line(format_args!("wattmul: {}", in_words(&error)));
            ExitCode::from(if error.is::<PlanError>() { 2 } else { 1 })
        }
    }
}

/// An error of input and output that nothing explains comes from standard output: all others say what could not be written.
fn in_words(error: &anyhow::Error) -> String {
    let kind = error.downcast_ref::<std::io::Error>().filter(|_| error.chain().count() == 1).map(|error| error.kind());
    match kind {
        Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge) => {
            "standard output is full: free its disk, or write to another one".into()
        }
        _ => printable_lines(&format!("{error:#}")),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
