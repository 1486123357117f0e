//! NVIDIA's library, played by a stand-in (tests/fakes/nvml.rs), whose clock can be locked.

use crate::common;
use crate::wine::Windows;

use common::{HANG, LONG, comes, measured};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use wattmul::record::Lead;

const LOG: &str = "log";

/// A GPU's guard keeps its place by a file in Windows' folder for such, which all tests share.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn windows() -> Option<Windows> {
    Windows::start().map(|windows| windows.with("nvml.dll", "fake_nvml.dll"))
}

/// What the library was told to do with the clock.
fn clock(folder: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(LOG)).unwrap_or_default();
    text.lines().filter(|line| line.contains("lock")).map(str::to_owned).collect()
}

#[test]
fn a_run_finds_the_librarys_joules_at_a_clock_that_is_locked_and_freed() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(windows) = windows() else { return };
    let mut command = windows.wattmul();
    command.env("FAKE_NVML", format!("log={LOG}")).args(["--power", "nvml:0", "--lock-clock", "1000"]);
    command.args(["--json", "--no-save", "--size", "256", "--rounds", "2", "--window", "1.5", "--settling", "0.3"]);
    let record = measured(command.args(["--warm-up", "0.5", "--kernel", "direct/8x16"]));
    assert_eq!(record.source.as_ref().unwrap().api, "NVML");
    assert_eq!(record.summary.sensor.lead, Some(Lead::Counter));
    // 30 W, and 100 W a core that works: by the counter as by the power that the same library gives.
    for window in &record.windows {
        let [counted, polled] = [window.power_w.counter, window.power_w.polled].map(Option::unwrap);
        assert!(counted > 60.0 && (counted / polled - 1.0).abs() < 0.05, "{counted} W, {polled} W");
        let joules = window.energy_j.unwrap();
        assert!((joules / (counted * window.duration_s) - 1.0).abs() < 0.02, "{joules} J of {counted} W");
    }
    let told = clock(&windows.folder());
    assert!(told.len() == 2 && told[0].contains("1000") && told[1] == "unlocked", "{told:?}");
}

#[test]
fn a_program_that_is_killed_leaves_a_guard_that_frees_the_clock() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(windows) = windows() else { return };
    let begin = || {
        let mut command = windows.program();
        command.env("FAKE_NVML", format!("log={LOG}")).args(["--power", "nvml:0", "--lock-clock", "1000", "--no-save"]);
        command.args(LONG).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let locks = |count| {
        let so_often = || clock(&windows.folder()).iter().filter(|line| line.contains("1000")).count() >= count;
        comes(Duration::from_secs(60), so_often)
    };
    let mut first = begin();
    let locked = locks(1);
    first.kill().unwrap();
    // The next run waits for the guard of this one: else the clock that it locks would be freed.
    let mut second = begin();
    first.wait().unwrap();
    let again = locked && locks(2);
    second.kill().unwrap();
    second.wait().unwrap();
    assert!(again, "the clock is locked at each start: {:?}", clock(&windows.folder()));
    let freed = comes(HANG, || clock(&windows.folder()).last().is_some_and(|last| last == "unlocked"));
    let told = clock(&windows.folder());
    assert!(freed && told.len() == 4 && told[1] == "unlocked", "{told:?}");
}
