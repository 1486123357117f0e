//! The steps of CONTRIBUTING.md, tried out: its toy meter reads, measures a run, and becomes a part of the program.

use crate::common;

#[path = "../fakes/toy.rs"]
mod toy;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use wattmul::power::sampling_thread::SamplingThread;
use wattmul::protocol::{DeviceSpan, GpuError, PowerError, Workload};
use wattmul::record::Lead;
use wattmul::run::PlanOptions;
use wattmul::run::measure::HostClock;

#[test]
fn the_reader_that_is_printed_is_the_one_that_is_tested() {
    let (text, reader) = (include_str!("../../CONTRIBUTING.md"), include_str!("../fakes/toy.rs"));
    assert!(text.contains(&format!("```rust\n{reader}```")), "copy tests/fakes/toy.rs into CONTRIBUTING.md");
}

#[test]
fn the_toy_is_found_and_its_errors_name_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let absent = toy::readers(&folder.path().join("nothing")).err().unwrap();
    assert!(matches!(absent, PowerError::Absent { .. }) && absent.to_string().contains("set TOY_METERS"));
    std::fs::write(folder.path().join("meter"), "nonsense").unwrap();
    let mut readers = toy::readers(folder.path()).unwrap();
    assert_eq!((readers[0].source().device.as_str(), toy::INTERFACE.name), ("meter", "toy"));
    let failed = readers[0].read().unwrap_err().to_string();
    assert!(failed.contains("'nonsense' is no number"), "{failed}");
    std::fs::write(folder.path().join("meter"), "0\n").unwrap();
    assert_eq!(readers[0].read().unwrap().power_mw, Some(0), "a true 0 stays 0");
}

/// A toy that draws twice as much for the second init.
struct Toy {
    meters: PathBuf,
    init: usize,
}

impl Workload for Toy {
    fn submit(&mut self, init: usize) -> Result<(), GpuError> {
        self.init = init;
        Ok(())
    }

    fn wait(&mut self) -> Result<f64, GpuError> {
        // A new file in the old one's place: a reader never sees half of a number.
        let watts = [100, 200][self.init];
        let next = self.meters.with_file_name("next");
        std::fs::write(&next, format!("{watts}000000")).unwrap();
        std::fs::rename(next, self.meters.join("meter")).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        Ok(1.0)
    }

    fn device_spans(&mut self) -> Result<Vec<Option<DeviceSpan>>, GpuError> {
        Ok(vec![])
    }

    fn check_products(&mut self, _init: usize) -> Result<bool, GpuError> {
        Ok(true)
    }
}

#[test]
fn the_toy_measures_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let meters = folder.path().join("meters");
    std::fs::create_dir(&meters).unwrap();
    std::fs::write(meters.join("meter"), "30000000\n").unwrap();
    let reader = toy::readers(&meters).unwrap().remove(0);
    let options = PlanOptions {
        rounds: Some(2),
        window: Some(0.5),
        // Longer than a busy machine keeps the thread that reads from its next turn.
        settling: Some(1.0),
        warm_up: Some(0.3),
        quick: true,
        ..PlanOptions::default()
    };
    let plan = wattmul::run::plan(&options, false, 10_000, "toy").unwrap();
    let clock = HostClock::start();
    let sensor = SamplingThread::start(reader, clock).unwrap();
    let record = common::run_on(plan, &clock, sensor, Toy { meters, init: 0 }).unwrap();
    assert_eq!(record.source.unwrap().api, "Toy");
    assert_eq!(record.summary.sensor.lead, Some(Lead::Polled));
    let watts: Vec<f64> = record.plan.inits.iter().map(|init| record.summary.inits[init].power_w.unwrap()).collect();
    assert!((watts[0] - 100.0).abs() < 1e-6 && (watts[1] - 200.0).abs() < 1e-6, "{watts:?}");
    assert!((record.idle.cold.unwrap().power_w.unwrap() - 30.0).abs() < 1e-6);
}

/// The whole program with the toy in it: one file, one line.
#[test]
fn the_toy_is_one_file_and_one_line() {
    if common::no_software_driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("wattmul");
    for part in ["src", "shaders", "vendor", "tests", "benches", "build.rs", "Cargo.toml", "Cargo.lock"] {
        copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join(part), &copy.join(part));
    }
    std::fs::copy(copy.join("tests/fakes/toy.rs"), copy.join("src/power/toy.rs")).unwrap();
    let table = copy.join("src/power/mod.rs");
    let text = std::fs::read_to_string(&table).unwrap();
    let with_toy = text.replacen("    rapl,\n", "    toy,\n    rapl,\n", 1);
    assert_ne!(text, with_toy);
    std::fs::write(&table, with_toy).unwrap();

    // What the program stands on is built already, in the folder of this test's own build; only the program is not.
    let built = common::program_path().ancestors().nth(2).unwrap().to_owned();
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(&copy).env("CARGO_BUILD_BUILD_DIR", built).env("CARGO_TARGET_DIR", folder.path().join("target"));
    build.args(["build", "--offline", "--locked", "--config", "profile.dev.package.wattmul.opt-level=0"]);
    let built = build.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let meters = folder.path().join("meters");
    std::fs::create_dir(&meters).unwrap();
    let wattmul = |meters: &Path, arguments: &[&str]| {
        let mut command = common::on_software_driver(Command::new(folder.path().join("target/debug/wattmul")));
        command.env("TOY_METERS", meters).args(arguments).current_dir(folder.path());
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let advice = wattmul(Path::new("/nonexistent"), &["doctor"]);
    assert!(advice.contains("a toy meter is not here") && advice.contains("set TOY_METERS"), "{advice}");
    std::fs::write(meters.join("meter"), "45000000\n").unwrap();
    let devices = wattmul(&meters, &["devices"]);
    assert!(devices.contains("toy:0") && devices.contains("45.0 W") && devices.contains("sensor toy:0"), "{devices}");
    let advice = wattmul(&meters, &["doctor"]);
    assert!(advice.contains("is measured by toy"), "{advice}");
    let run = wattmul(&meters, &[common::BRIEF, &["--power", "toy", "--no-save"]].concat());
    // A figure that does not move with the load is no power, and is said.
    assert!(
        run.contains("Toy instant power · package") && run.contains("did not move when the") && run.contains("45.0 W"),
        "{run}"
    );
}

fn copy_all(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        // Builds of others may lie there.
        if entry.file_name() != "target" {
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    }
}

#[test]
fn the_map_in_lib_rs_names_every_module() {
    let text = include_str!("../../src/lib.rs");
    let map: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let modules = || text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<&str> = modules().filter(|module| !map.contains(&format!("[`{module}`]"))).collect();
    assert!(modules().count() > 10 && missing.is_empty(), "src/lib.rs says nothing of {missing:?}");
}
