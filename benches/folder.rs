//! Folders of many records: how long a report and a validation take, and how much memory.
//!
//! Time must grow with the number of records and no faster; memory must not grow with the traces. `cargo bench --bench folder`

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use wattmul::record::Record;
use wattmul::run::PlanOptions;
use wattmul::simulate::MODELS;

const COUNTS: [usize; 3] = [100, 1000, 10_000];
/// Runs that are simulated; the others are these under other names, at other times.
const SIMULATED: usize = 90;
/// GPUs that the runs are of.
const GPUS: usize = 50;

fn main() {
    println!("{:<10}{:>10}{:>14}{:>12}{:>12}", "records", "MB", "command", "s", "MB memory");
    let records: Vec<Record> = (0..SIMULATED).map(simulated).collect();
    for count in COUNTS {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let bytes: u64 = (0..count).map(|i| save(&records[i % SIMULATED], i, folder.path())).sum();
        let page = folder.path().join("report.html");
        let page = page.to_str().expect("a plain path");
        for arguments in [
            &["validate"][..],
            &["report"],
            &["report", "--format", "html", "--output", page],
            &["report", "--all", "--format", "html", "--output", page],
        ] {
            let begun = Instant::now();
            let memory_mb = run(arguments, folder.path());
            let seconds = begun.elapsed().as_secs_f64();
            let name = match arguments.len() {
                1 => arguments[0],
                5 => "html",
                _ => "html --all",
            };
            println!("{count:<10}{:>10.1}{name:>14}{seconds:>12.2}{memory_mb:>12.0}", bytes as f64 * 1e-6);
        }
    }
}

fn simulated(i: usize) -> Record {
    let model = MODELS[i % MODELS.len()];
    let options = PlanOptions { seed: (i / MODELS.len()) as u64, ..PlanOptions::default() };
    let plan = wattmul::run::simulated::plan(&model, &options).expect("a plan");
    let mut record = wattmul::run::simulated::record(&model, plan).expect("a record");
    record.plan.seed = 0; // all compare
    record
}

/// Saves a record as that of GPU number `i`; returns its size.
fn save(record: &Record, i: usize, folder: &Path) -> u64 {
    let mut record = record.clone();
    record.adapter.name = format!("{} {}", record.adapter.name, i % GPUS);
    record.run.started = format!("2026-01-{:02}T{:02}:00:00Z", 1 + i % 28, i / 28 % 24);
    let path = record.save(folder).expect("a file");
    std::fs::metadata(path).expect("a file").len()
}

/// Runs the program; returns the most memory that it had, in MB.
fn run(arguments: &[&str], folder: &Path) -> f64 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wattmul"))
        .args(arguments)
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    most_memory_mb(&mut child)
}

/// Waits for a child and asks what it took.
fn most_memory_mb(child: &mut std::process::Child) -> f64 {
    let (mut status, mut usage) = (0, std::mem::MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: the child is ours and was not waited for; both pointers are to our own memory, and zeroes are a valid rusage.
    #[expect(unsafe_code, reason = "std does not tell what a child took")]
    let usage = unsafe {
        libc::wait4(child.id() as i32, &mut status, 0, usage.as_mut_ptr());
        usage.assume_init()
    };
    assert!(libc::WIFEXITED(status) && [0, 3].contains(&libc::WEXITSTATUS(status)), "it failed: {status}");
    usage.ru_maxrss as f64 / 1024.0
}
