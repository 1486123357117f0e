//! Whole runs with NVIDIA's library, played by a stand-in (tests/fakes/nvml.rs) whose joules are known.
#![cfg(target_os = "linux")]

use crate::common;

use common::{BRIEF, Locked, Running, fake_nvml, measured, no_software_driver, only_record, run_of, wattmul};
use predicates::prelude::*;
use predicates::str::contains;
use std::path::Path;
use wattmul::operands::Init;
use wattmul::record::{Lead, PowerKind, Record, Status};

/// A run on the stand-in, in the mode that `words` describe.
fn run(words: &str, arguments: &[&str]) -> Record {
    let folder = fake_nvml();
    let mut command = wattmul();
    command.env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NVML", words);
    measured(command.args(["--json", "--no-save"]).args(arguments))
}

fn brief(words: &str) -> Record {
    run(words, &[BRIEF, &["--power", "nvml:0"]].concat())
}

/// The stand-in's counter over time, from its log.
fn joules(log: &Path) -> Vec<(f64, f64)> {
    let text = std::fs::read_to_string(log).unwrap();
    let line = |line: &str| {
        let (seconds, millijoules) = line.split_once(' ')?;
        Some((seconds.parse().ok()?, millijoules.parse::<f64>().ok()? / 1000.0))
    };
    text.lines().filter_map(line).collect()
}

fn interpolated(points: &[(f64, f64)], at_s: f64) -> f64 {
    let after = points.partition_point(|point| point.0 < at_s).clamp(1, points.len() - 1);
    let ((t0, e0), (t1, e1)) = (points[after - 1], points[after]);
    e0 + (e1 - e0) * (at_s - t0) / (t1 - t0)
}

#[test]
fn the_joules_are_the_librarys_own_and_the_init_makes_no_difference_to_it() {
    if no_software_driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let arguments = ["--size", "256", "--rounds", "4", "--window", "2", "--settling", "0.5", "--warm-up", "3"];
    let record = run(&format!("log={}", log.display()), &[&arguments[..], &["--power", "nvml:0"]].concat());

    let source = record.source.as_ref().unwrap();
    assert_eq!((source.api.as_str(), source.power), ("NVML", Some(PowerKind::Instant)));
    assert_eq!(source.pci_address.unwrap().to_string(), "0000:01:00.0");
    assert_eq!(record.summary.sensor.lead, Some(Lead::Counter));
    let states = record.windows.iter().map(|window| (window.performance_state, window.memory_clock_mhz));
    assert!(states.clone().all(|state| state == (Some(2), Some(5001.0))), "{:?}", states.collect::<Vec<_>>());
    let period_s = record.summary.sensor.counter_period_s.unwrap();
    assert!((0.015..0.06).contains(&period_s), "updates come every 20 ms, seen every 10 ms: {period_s}");

    // The log begins with the first read of all; the trace's energy is counted from its own first row.
    let points = joules(&log);
    let first_j = record.trace.energy_j[0].map(|_| record.trace.t_s[0]).unwrap();
    let shift_s = {
        // The moment at which the library was first read on the run's clock: where both curves agree best.
        let last = record.trace.t_s.len() - 1;
        let seen: Vec<(f64, f64)> =
            (0..=last).filter_map(|i| Some((record.trace.t_s[i], record.trace.energy_j[i]?))).collect();
        let error = |shift_s: f64| {
            let origin = interpolated(&points, first_j + shift_s);
            seen.iter().map(|(t, e)| (interpolated(&points, t + shift_s) - origin - e).abs()).sum::<f64>()
        };
        (0..2000).map(|i| f64::from(i) * 1e-3).min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap()
    };
    let (mut own_j, mut found_j) = (0.0, 0.0);
    for window in &record.windows {
        let (from_s, to_s) = (window.start_s + shift_s, window.start_s + window.duration_s + shift_s);
        let window_j = interpolated(&points, to_s) - interpolated(&points, from_s);
        let error = window.energy_j.unwrap() / window_j - 1.0;
        assert!(error.abs() < 0.02, "a window is off by {:.2} %", error * 100.0);
        own_j += window_j;
        found_j += window.energy_j.unwrap();
    }
    println!("all windows together are off by {:.3} %", (found_j / own_j - 1.0) * 100.0);

    let energy = record.summary.ratios[&Init::Gaussian].energy.unwrap();
    let holds_1 = (energy.low.unwrap()..=energy.high.unwrap()).contains(&1.0);
    assert!(holds_1 || (energy.estimate - 1.0).abs() < 0.03, "no difference is real here: {energy:?}");
    let idle_w = record.idle.cold.unwrap().power_w.unwrap();
    assert!((25.0..80.0).contains(&idle_w), "30 W and a little for the program itself: {idle_w}");
}

#[test]
fn the_second_of_two_gpus_is_found_by_either_spelling_of_its_address() {
    if no_software_driver() {
        return;
    }
    for (words, power) in [
        ("gpus=2", "nvml:0000:81:00.0"),
        ("gpus=2 domain=8", "nvml:81:00.0"),
        ("gpus=2", "nvml:1"),
        ("gpus=2 domain=8", "nvml:1"),
    ] {
        let record = run(words, &[BRIEF, &["--power", power]].concat());
        assert_eq!(record.source.as_ref().unwrap().pci_address.unwrap().to_string(), "0000:81:00.0", "{words} {power}");
        // The neighbour draws a steady 55 W; ours follows the work.
        let watts = record.summary.inits[&Init::Zeros].power_w.unwrap();
        assert!((watts - 55.0).abs() > 0.1, "{:?}", record.summary);
    }
    let folder = fake_nvml();
    let mut wrong = wattmul();
    wrong.env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NVML", "gpus=2");
    wrong
        .args(["--power", "nvml:0000:02:00.0"])
        .assert()
        .code(1)
        .stderr(contains("nvml:1 (NVIDIA Stand-in at 0000:81:00.0)"));
    let mut which = wattmul();
    which.env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NVML", "gpus=2");
    which.args(["--power", "nvml"]).assert().code(1).stderr(contains("--power"));
}

#[test]
fn an_average_of_a_second_lengthens_the_settling() {
    if no_software_driver() {
        return;
    }
    let record = run(
        "average",
        &[
            "--size", "128", "--rounds", "1", "--window", "0.3", "--warm-up", "0.3", "--kernel", "direct/8x16",
            "--power", "nvml:0",
        ],
    );
    assert_eq!(record.source.as_ref().unwrap().power, Some(PowerKind::AverageMs(1000)));
    assert_eq!(record.timing.settling_s, 3.0);
}

#[test]
fn a_sensor_that_fails_is_named_and_its_figures_are_not_used() {
    if no_software_driver() {
        return;
    }
    let frozen = brief("frozen");
    assert!(frozen.verdict.has("counter-frozen"), "{:?}", frozen.verdict);
    assert_eq!(frozen.summary.sensor.lead, Some(Lead::Polled));
    assert!(frozen.summary.inits[&Init::Zeros].power_w.unwrap() > 60.0);

    let back = run("step-back", &[&run_of("2", "3")[..], &["--power", "nvml:0"]].concat());
    assert!(back.verdict.has("counter-stepped-back"), "{:?}", back.verdict);
    assert_eq!(back.summary.sensor.lead, Some(Lead::Polled));

    let power_alone = brief("no-counter");
    assert_eq!(power_alone.source.as_ref().unwrap().counter, None);
    assert_eq!(power_alone.summary.sensor.lead, Some(Lead::Polled));
    let counter_alone = brief("no-power");
    assert_eq!(counter_alone.source.as_ref().unwrap().power, None);
    assert_eq!(counter_alone.summary.sensor.lead, Some(Lead::Counter));

    let zero = brief("zero-power no-counter");
    assert!(zero.verdict.has("zero-power"), "{:?}", zero.verdict);
    assert_eq!(zero.verdict.status, Status::Invalid);

    let hot = brief("thermal");
    assert!(hot.verdict.has("thermal-slowdown") && hot.verdict.status == Status::Invalid);
    // The clock of the stand-in never falls: the flag alone is no slowdown.
    assert!(!brief("power-cap").verdict.has("power-capped"));
}

#[test]
fn a_sensor_that_goes_away_leaves_no_false_joules() {
    if no_software_driver() {
        return;
    }
    let gone = brief("lost-after=120");
    assert!(gone.run.failed_reads > 0);
    assert!(gone.run.last_failure.as_ref().unwrap().contains("reset the GPU"), "{:?}", gone.run);
    assert_ne!(gone.verdict.status, Status::Valid);
    assert!(gone.windows.last().unwrap().energy_j.is_none(), "{:?}", gone.windows);
    assert_eq!(gone.summary.inits[&Init::Zeros].energy_j, None);

    let forbidden = brief("no-permission");
    // A machine that does much else besides may keep the device from its work as well.
    assert!(forbidden.verdict.has("sensor-silent"), "{:?}", forbidden.verdict);
    assert!(forbidden.verdict.status >= Status::TimingOnly, "{:?}", forbidden.verdict);
    assert_eq!(forbidden.summary.inits[&Init::Zeros].energy_j, None);
}

#[test]
fn a_library_without_its_driver_is_told_from_one_that_is_not_there() {
    if no_software_driver() {
        return;
    }
    let folder = fake_nvml();
    let mut broken = wattmul();
    broken.env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NVML", "broken-init");
    broken.args(["--power", "nvml:0"]).assert().code(1).stderr(contains("install NVIDIA's driver"));
}

#[test]
fn a_locked_clock_is_unlocked_at_the_end_and_when_stopped() {
    if no_software_driver() {
        return;
    }
    let scene = Locked::new();
    let (code, _, error) = Running::start(scene.command("").args(BRIEF)).end();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {error}");
    assert_eq!(only_record(&scene.results()).plan.lock_clock_mhz, Some(1000));
    assert_eq!(scene.clock(), ["locked 1000 1000", "unlocked"]);

    for signal in [libc::SIGINT, libc::SIGTERM] {
        let scene = Locked::new();
        let running = Running::start(&mut scene.command(""));
        scene.wait_for_lock();
        common::signal(&running.child, signal);
        running.end_now();
        assert_eq!(scene.clock(), ["locked 1000 1000", "unlocked"], "after signal {signal}");
    }

    let library = fake_nvml();
    let mut forbidden = wattmul();
    forbidden.env("LD_LIBRARY_PATH", library.path()).env("FAKE_NVML", "no-permission");
    let forbidden = forbidden.args(["--power", "nvml:0", "--lock-clock", "1000"]).args(BRIEF).assert();
    forbidden.code(1).stderr(contains("as root").and(contains("nvidia-smi")));
}

#[test]
fn a_sweep_locks_each_clock_and_frees_it_and_changes_nothing_where_it_may_not() {
    if no_software_driver() {
        return;
    }
    let scene = Locked::new();
    let sweep = |words: &str, clocks: &str| {
        let mut program = common::patiently(scene.program(words));
        program.args(["sweep", "--power", "nvml:0", "--clocks", clocks, "--results"]).arg(scene.results());
        program.args(BRIEF).output().unwrap()
    };

    let missing = sweep("", "600,1000");
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert_eq!(missing.status.code(), Some(2), "{error}");
    assert!(error.contains("does not have 1000, but 300 to 1500 in steps of 300 MHz"), "{error}");
    let forbidden = sweep("no-permission", "600,900");
    let error = String::from_utf8_lossy(&forbidden.stderr).into_owned();
    assert_eq!(forbidden.status.code(), Some(1), "{error}");
    assert!(error.contains("as root") && error.contains("sudo nvidia-smi"), "{error}");
    assert_eq!(scene.clock(), [""; 0], "nothing was changed");

    let done = sweep("", "3");
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(matches!(done.status.code(), Some(0 | 3)), "{text}{}", String::from_utf8_lossy(&done.stderr));
    let (all, free) = ([300, 900, 1500], "unlocked".to_owned());
    let expected: Vec<String> = all.iter().flat_map(|mhz| [format!("locked {mhz} {mhz}"), free.clone()]).collect();
    assert_eq!(scene.clock(), expected);
    let records: Vec<Record> = common::records(&scene.results()).into_iter().map(|(_, record)| record).collect();
    let mut clocks: Vec<u32> = records.iter().map(|record| record.plan.lock_clock_mhz.unwrap()).collect();
    clocks.sort_unstable();
    assert_eq!(clocks, all);
    let id = records[0].plan.sweep.clone().unwrap();
    assert!(records.iter().all(|record| record.plan.sweep.as_ref() == Some(&id)), "one sweep");
    let kernels: Vec<&str> = records.iter().map(|record| record.kernel.variant.as_str()).collect();
    assert!(kernels.iter().all(|kernel| *kernel == kernels[0]), "{kernels:?}");
    assert!(text.contains(&format!("sweep {id}, 3 clocks")) && text.contains("900 MHz"), "{text}");

    // Stopped at one clock, it goes on to no other.
    let scene = Locked::new();
    let mut stopped = scene.program("");
    stopped.args(["sweep", "--no-save", "--power", "nvml:0", "--clocks", "600,900", "--size", "64"]);
    let running = Running::start(&mut stopped);
    scene.wait_for_lock();
    common::signal(&running.child, libc::SIGINT);
    running.end_now();
    assert_eq!(scene.clock(), ["locked 600 600", "unlocked"]);
}

#[test]
fn doctor_tells_what_spoils_a_run_and_devices_shows_the_sensor() {
    let folder = fake_nvml();
    let run = |words: &str, command: &str| {
        let mut program = wattmul();
        program.env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NVML", words).arg(command);
        let output = program.output().unwrap();
        String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let healthy = run("", "doctor");
    assert!(healthy.contains("limited to 300 W, 86 % of its 350 W"), "{healthy}");
    assert!(healthy.contains("sudo nvidia-smi --power-limit=350"), "{healthy}");
    let good = ["is in persistence mode", "no other program on NVIDIA", "no display is attached to NVIDIA"];
    let troubles = ["not in persistence mode", "other programs", " a display is attached to NVIDIA"];
    assert!(good.iter().all(|word| healthy.contains(word)), "{healthy}");
    assert!(!troubles.iter().any(|word| healthy.contains(word)), "{healthy}");
    let dark = run("display-off", "doctor");
    assert!(dark.contains(" a display is attached to NVIDIA Stand-in"), "attached, and off today: {dark}");
    let troubled = run("not-persistent display programs=2", "doctor");
    for word in ["persistence mode", "other programs on NVIDIA Stand-in: 2", "a display is attached to NVIDIA Stand-in"]
    {
        assert!(troubled.contains(word), "{word}: {troubled}");
    }
    let devices = run("gpus=2", "devices");
    assert!(devices.contains("nvml:1 NVML · NVIDIA Stand-in · board · 0000:81:00.0"), "{devices}");
    assert!(devices.contains("55.0 W · 45.0 °C · 1500 MHz"), "{devices}");
}
