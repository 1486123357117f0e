//! AMD's Display Library, played by a stand-in (tests/fakes/adl.rs) whose watts are known.

use crate::common;
use crate::wine::Windows;

use assert_cmd::Command;
use common::measured;
use predicates::str::contains;
use serde_json::Value;
use wattmul::operands::Init;
use wattmul::record::{Lead, Limiter, PowerKind, Record, Scope, Status, Window};

fn windows() -> Option<Windows> {
    Windows::start().map(|windows| windows.with("atiadlxx.dll", "fake_adl.dll"))
}

fn with_adl(windows: &Windows, words: &str) -> Command {
    let mut command = windows.wattmul();
    command.env("FAKE_ADL", words);
    command
}

/// A run of some seconds.
fn run(windows: &Windows, words: &str, rounds: &'static str) -> Record {
    let mut command = with_adl(windows, words);
    command.args(["--json", "--no-save", "--power", "adl:0"]).args(["--rounds", rounds, "--window", "1.0"]);
    command.args(["--size", "128", "--kernel", "direct/8x16", "--warm-up", "0.5"]);
    measured(command.args(["--settling", "0.6"])) // the stand-in knows of a load after 0.2 s
}

#[test]
fn a_gpu_is_listed_once_however_many_displays_it_has() {
    let Some(windows) = windows() else { return };
    for words in ["", "asked"] {
        let output = with_adl(&windows, words).args(["devices", "--json"]).output().unwrap();
        let devices: Value = serde_json::from_slice(&output.stdout).unwrap();
        let sensors = devices["sensors"].as_array().unwrap();
        let told = |key| sensors.iter().map(|sensor| sensor[key].clone()).collect::<Vec<_>>();
        assert_eq!(told("pci_address"), ["0000:03:00.0", "0000:83:00.0"], "{devices:#}");
        assert_eq!(told("power_w"), [60.0, 40.0], "{words}: what stands behind the list's end is not read");
        assert_eq!(told("clock_mhz"), [2400.0; 2], "{words}: the first of two");
        assert_eq!(told("temperature_c"), [56.0; 2]);
    }
    // Every log that was begun is ended, its device with it; a rate at which nothing comes is not the last that is tried.
    with_adl(&windows, "log=log slow=50").args(["devices", "--json"]).assert().success();
    let told = std::fs::read_to_string(windows.folder().join("log")).unwrap();
    let of = |adapter: u32| {
        let lines = told.lines().filter(|line| line.split(' ').nth(1) == Some(&adapter.to_string()));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for adapter in [0, 2] {
        let [start, stop, destroy] = ["start", "stop", "destroy"].map(|what| format!("{what} {adapter}"));
        let [fast, slow] = [20, 100].map(|rate_ms| format!("{start} at {rate_ms}"));
        let expected = [&fast, &stop, &destroy, &slow, &stop, &destroy].map(String::clone);
        assert!(of(adapter).starts_with(&expected), "{told}");
        assert_eq!(of(adapter).len() % 6, 0, "{told}");
    }
    assert!(of(1).is_empty(), "another display of the first: {told}");
    let none = with_adl(&windows, "no-gpu").args(["--power", "adl", "--no-save"]).assert().code(1);
    none.stderr(contains("install AMD's graphics driver anew"));
}

#[test]
fn a_run_finds_the_watts_and_joules_that_are_drawn() {
    let Some(windows) = windows() else { return };
    for (words, scope) in [("throttled=1", Scope::Board), ("asked chip", Scope::Gpu), ("processor", Scope::Package)] {
        let record = run(&windows, words, "2");
        let source = record.source.as_ref().unwrap();
        assert_eq!((source.api.as_str(), source.device.as_str()), ("ADL", "AMD Stand-in"));
        assert_eq!((source.scope, source.power, source.counter), (scope, Some(PowerKind::Unknown), None));
        assert_eq!(record.summary.sensor.lead, Some(Lead::Polled));
        for init in [Init::Zeros, Init::Gaussian] {
            let of_init = &record.summary.inits[&init];
            let (watts, joules) = (of_init.power_w.unwrap(), of_init.energy_j.unwrap());
            assert!((watts / 200.0 - 1.0).abs() < 1e-3, "{words} {init:?}: {watts} W");
            assert!((joules / (200.0 * of_init.time_s) - 1.0).abs() < 1e-3, "{words} {init:?}: {joules} J");
        }
        // Bits that are clear tell nothing: then there is no list, and not an empty one.
        let held = |window: &Window| window.limiters == words.contains("throttled").then(|| vec![Limiter::PowerCap]);
        assert!(record.windows.iter().all(held), "{:?}", record.windows);
    }
}

#[test]
fn a_log_that_stands_still_is_no_measurement() {
    let Some(windows) = windows() else { return };
    let stuck = run(&windows, "stops-after=100", "5");
    assert!(stuck.run.failed_reads > 0);
    assert!(stuck.run.last_failure.as_ref().unwrap().contains("the driver's log stands still"), "{:?}", stuck.run);
    assert_ne!(stuck.verdict.status, Status::Valid);
    assert_eq!(stuck.windows.last().unwrap().energy_j, None);
    let text = with_adl(&windows, "no-power").arg("doctor").output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("reading power through ADL is not supported"), "{text}");
}
