//! AMD SMI, played by a stand-in (tests/fakes/amd_smi.rs) whose joules are known, over a kernel that seems to have the same GPUs
//! (tests/fakes/simulated-amdgpu). Where a machine has no python3 or no mount namespaces, a test says so and passes.
#![cfg(target_os = "linux")]

use crate::common;

use serde_json::Value;
use std::path::Path;
use std::process::Output;

/// How the stand-in ends a program that calls it from a second thread.
const SECOND_THREAD: i32 = 78;
const GPUS: [&str; 2] = ["0000:03:00.0=200", "0000:83:00.0=40"];

/// Runs a command line in which `wattmul` is the program, with the stand-in in the mode that `words` describe. None, with a word
/// why, where that cannot be.
fn simulated(words: &str, command: &str) -> Option<Output> {
    let library = common::fake_amd_smi();
    let folder = Path::new(env!("CARGO_BIN_EXE_wattmul")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut program = common::over_made_up_amdgpu(&GPUS);
    program.env("PATH", path).env("LD_LIBRARY_PATH", library.path()).env("FAKE_AMD_SMI", words);
    match program.args(["sh", "-c", command]).output() {
        Ok(output) if output.status.code() == Some(77) => {
            common::skip(&format!("{}", String::from_utf8_lossy(&output.stderr)));
            None
        }
        Ok(output) => {
            assert_ne!(output.status.code(), Some(SECOND_THREAD), "{}", String::from_utf8_lossy(&output.stderr));
            Some(output)
        }
        Err(error) => {
            common::skip(&format!("python3: {error}"));
            None
        }
    }
}

/// What the command printed as JSON. None where there is nothing to run it on.
fn json(words: &str, command: &str) -> Option<Value> {
    let output = simulated(words, command)?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if error.contains("no Vulkan loader") || error.contains("offers no adapter") {
        common::skip(&error);
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}")))
}

const SHORT: &str =
    "--rounds 2 --size 128 --window 1.5 --settling 0.1 --warm-up 0.5 --kernel direct/8x16 --no-save --json";

#[test]
fn devices_are_listed_once_an_interface() {
    let Some(devices) = json("", "wattmul devices --json") else { return };
    let sensors: Vec<&Value> =
        devices["sensors"].as_array().unwrap().iter().filter(|sensor| sensor["api"] == "AMD SMI").collect();
    assert_eq!(sensors.len(), 2, "{devices:#}");
    let expected = [("0000:03:00.0", 200.0, 56.0), ("0000:83:00.0", 40.0, 51.0)];
    for (sensor, (address, watts, celsius)) in sensors.iter().zip(expected) {
        assert_eq!(sensor["pci_address"], address);
        assert_eq!(sensor["power_w"], watts);
        assert_eq!(sensor["temperature_c"], celsius);
        assert_eq!(sensor["clock_mhz"], 1500.0);
        assert!(sensor["energy_j"].is_number(), "{sensor}");
    }
    let Some(table) = simulated("", "wattmul devices") else { return };
    let text = String::from_utf8_lossy(&table.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("amd-smi:0 AMD SMI · AMD Stand-in · gpu · 0000:03:00.0 200.0 W"), "{text}");
}

/// ROCm SMI, where it is installed, AMD SMI and hwmon all show the limit.
#[test]
fn a_lowered_limit_is_told_once_a_card() {
    let lower = "echo 250000000 | tee /sys/class/made-up/*/hwmon/hwmon*/power1_cap >/dev/null; wattmul doctor; true";
    let Some(doctor) = simulated("", lower) else { return };
    let text = String::from_utf8_lossy(&doctor.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("amd-smi 26.2.1: 2 × AMD Stand-in"), "{text}");
    let told = text.matches("limited to 250 W").count();
    assert!(told == 2 || (told == 1 && text.contains("(2 times)")), "{told}: {text}");
}

#[test]
fn a_run_finds_the_joules_that_are_counted() {
    for (device, watts, kind) in [("0", 200.0, "instant"), ("0000:83:00.0", 40.0, "average")] {
        let Some(record) = json("", &format!("wattmul --power amd-smi:{device} {SHORT}")) else { return };
        let source = &record["source"];
        assert_eq!((&source["api"], &source["api_version"]), (&"AMD SMI".into(), &"26.2.1".into()), "{source:#}");
        assert_eq!((&source["power"], &source["device"]), (&kind.into(), &"AMD Stand-in".into()));
        assert_eq!(
            (source["power_limit_w"].as_f64(), source["default_power_limit_w"].as_f64()),
            (Some(250.0), Some(300.0))
        );
        assert_eq!(record["summary"]["sensor"]["lead"], "counter");
        for init in ["zeros", "gaussian"] {
            let of_init = &record["summary"]["inits"][init];
            let [power_w, joules, seconds] =
                ["power_w", "energy_j", "time_s"].map(|key| of_init[key].as_f64().unwrap());
            println!("{device} {init}: {power_w} W, {} of the joules", joules / (watts * seconds));
            assert!((power_w / watts - 1.0).abs() < 0.01, "{init}: {power_w} W");
            assert!((joules / (watts * seconds) - 1.0).abs() < 0.01, "{init}: {joules} J in {seconds} s");
        }
    }
}

#[test]
fn power_alone_is_read_where_there_is_no_counter() {
    let Some(devices) = json("no-counter", "wattmul devices --json") else { return };
    let sensors = devices["sensors"].as_array().unwrap();
    let sensor = sensors.iter().find(|sensor| sensor["api"] == "AMD SMI").unwrap();
    assert_eq!((&sensor["kind"], &sensor["power_w"]), (&"instant power".into(), &200.0.into()), "{sensor}");
    assert!(sensor["energy_j"].is_null(), "{sensor}");
}

#[test]
fn a_device_that_goes_away_ends_no_run() {
    let Some(record) = json("gone-after=200", &format!("wattmul --power amd-smi:0 {SHORT}")) else { return };
    assert!(record["run"]["failed_reads"].as_u64().unwrap() > 0);
    let why = record["run"]["last_failure"].as_str().unwrap();
    assert!(why.contains("AMD SMI failed") && why.contains("reset the GPU"), "{why}");
    assert_ne!(record["verdict"]["status"], "valid");
}

#[test]
fn a_library_of_an_unknown_version_is_refused_in_one_calm_line() {
    for (version, fix) in [("24", "update ROCm"), ("28", "update wattmul")] {
        let words = format!("version={version}");
        let Some(devices) = simulated(&words, "wattmul devices") else { return };
        let text = String::from_utf8_lossy(&devices.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
        let told = format!("its version is {version}.2.1, and 25 to 27 are understood");
        assert!(devices.status.success() && text.matches(&told).count() == 1 && text.contains(fix), "{text}");
        assert!(text.contains("hwmon · AMD GPU (amdgpu) · gpu · 0000:03:00.0 200.0 W"), "{text}");
        let Some(run) = simulated(&words, &format!("wattmul --power amd-smi:0 {SHORT}")) else { return };
        let error = String::from_utf8_lossy(&run.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(run.status.code(), Some(1), "{error}");
        assert!(error.contains(&told) && !error.contains("panicked"), "{error}");
    }
}
