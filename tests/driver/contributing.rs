//! The steps of CONTRIBUTING.md, tried out: its toy reader reads, and measures a run.

use crate::common;

#[path = "../fakes/toy_reader.rs"]
mod toy_reader;

use std::path::PathBuf;
use std::time::Duration;
use wattmul::energy::Lead;
use wattmul::gpu::GpuError;
use wattmul::measure::HostClock;
use wattmul::plan::{Plan, Wishes};
use wattmul::power::PowerError;
use wattmul::power::sampler::SamplingThread;
use wattmul::protocol::{DeviceSpan, Workload};

#[test]
fn the_reader_that_is_printed_is_the_one_that_is_tested() {
    let (text, reader) = (include_str!("../../CONTRIBUTING.md"), include_str!("../fakes/toy_reader.rs"));
    assert!(text.contains(&format!("```rust\n{reader}```")), "copy tests/fakes/toy_reader.rs into CONTRIBUTING.md");
}

#[test]
fn the_toy_is_found_by_its_address_and_its_errors_name_the_mend() {
    let sys = tempfile::tempdir().unwrap();
    let absent = toy_reader::readers(sys.path()).err().unwrap();
    assert!(matches!(absent, PowerError::Absent { .. }) && absent.to_string().contains("load the toy driver"));
    let folder = sys.path().join("class/toy");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("0000:03:00.0"), "nonsense").unwrap();
    let mut readers = toy_reader::readers(sys.path()).unwrap();
    assert_eq!(readers[0].source().pci_address.unwrap().to_string(), "0000:03:00.0");
    let failed = readers[0].read().unwrap_err().to_string();
    assert!(failed.contains("'nonsense' is no number"), "{failed}");
    std::fs::write(folder.join("0000:03:00.0"), "0\n").unwrap();
    assert_eq!(readers[0].read().unwrap().power_mw, Some(0), "a true 0 stays 0");
}

/// A toy that draws twice as much for the second init.
struct Toy {
    sys: PathBuf,
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
        let next = self.sys.join("next");
        std::fs::write(&next, format!("{watts}000000")).unwrap();
        std::fs::rename(next, self.sys.join("class/toy/0000:03:00.0")).unwrap();
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
    let sys = folder.path();
    std::fs::create_dir_all(sys.join("class/toy")).unwrap();
    std::fs::write(sys.join("class/toy/0000:03:00.0"), "30000000\n").unwrap();
    let reader = toy_reader::readers(sys).unwrap().remove(0);
    let wishes = Wishes {
        rounds: Some(2),
        window_s: Some(0.5),
        settling_s: Some(0.2),
        warm_up_s: Some(0.3),
        quick: true,
        ..Wishes::default()
    };
    let plan = Plan::new(&wishes, false, 10_000, "toy").unwrap();
    let clock = HostClock::start();
    let sensor = SamplingThread::start(reader, clock).unwrap();
    let record = common::carried_out(plan, &clock, sensor, Toy { sys: sys.into(), init: 0 }).unwrap();
    assert_eq!(record.source.unwrap().api, "Toy");
    assert_eq!(record.summary.sensor.lead, Some(Lead::Polled));
    let watts: Vec<f64> = record.plan.inits.iter().map(|init| record.summary.inits[init].power_w.unwrap()).collect();
    assert!((watts[0] - 100.0).abs() < 1e-6 && (watts[1] - 200.0).abs() < 1e-6, "{watts:?}");
    assert!((record.idle.cold.unwrap().power_w.unwrap() - 30.0).abs() < 1e-6);
}

#[test]
fn the_map_in_lib_rs_names_every_module() {
    let text = include_str!("../../src/lib.rs");
    let map: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
    let modules = || text.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let missing: Vec<&str> = modules().filter(|module| !map.contains(&format!("[`{module}`]"))).collect();
    assert!(modules().count() > 30 && missing.is_empty(), "src/lib.rs says nothing of {missing:?}");
}
