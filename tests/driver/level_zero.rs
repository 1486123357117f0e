//! The real loader of Level Zero over a driver of our own (tests/fakes/level_zero.rs), whose watts are known: the system's
//! loader, and a newer one that is unpacked beside Mesa (tests/new-mesa). The two start a driver in different ways.
#![cfg(target_os = "linux")]

use crate::common;

use assert_cmd::Command;
use common::{fake, measured, no_software_driver, on_new_mesa, patiently, program_path, wattmul};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;
use wattmul::operands::Init;
use wattmul::power::level_zero::{self, bindings};
use wattmul::record::{Lead, LimitKind, Record, Scope, Status};

/// The system's loader. Those before 1.9 want to be told by a variable that sensors will be read; to others it does nothing.
fn on_the_systems(words: &str) -> Option<Command> {
    if let Err(error) = level_zero::installed() {
        common::skip(&error.to_string());
        return None;
    }
    let mut command = wattmul();
    command.env("ZES_ENABLE_SYSMAN", "1");
    Some(over_fake(command, words))
}

/// A loader that starts sensors by itself, and is not told.
fn on_a_newer(words: &str) -> Option<Command> {
    let mut command = patiently(on_new_mesa("lavapipe", &program_path())?);
    command.env_remove("ZES_ENABLE_SYSMAN");
    Some(over_fake(command, words))
}

fn over_fake(mut command: Command, words: &str) -> Command {
    command.env("ZE_ENABLE_ALT_DRIVERS", fake("libfake_level_zero.so")).env("FAKE_LEVEL_ZERO", words);
    command
}

const LOADERS: [fn(&str) -> Option<Command>; 2] = [on_the_systems, on_a_newer];

/// Runs of some seconds. None where there is no such loader.
fn run(on: fn(&str) -> Option<Command>, words: &str, rounds: &'static str) -> Option<Record> {
    let mut command = on(words)?;
    let options = common::run_of(rounds, "1.0");
    Some(measured(command.args(["--json", "--no-save", "--power", "level-zero:0"]).args(options)))
}

fn level_zeros(command: &mut Command) -> Vec<Value> {
    let output = command.args(["devices", "--json"]).output().unwrap();
    let devices: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"));
    let sensors = devices["sensors"].as_array().unwrap();
    sensors.iter().filter(|sensor| sensor["api"] == "Level Zero").cloned().collect()
}

#[test]
fn devices_are_listed_and_what_is_no_gpu_is_not() {
    for on in LOADERS {
        let Some(mut command) = on("gpus=2 npu") else { continue };
        let sensors = level_zeros(&mut command);
        let addresses: Vec<&Value> = sensors.iter().map(|sensor| &sensor["pci_address"]).collect();
        assert_eq!(addresses, ["0000:03:00.0", "0000:83:00.0"], "{sensors:#?}");
        for sensor in &sensors {
            assert_eq!((&sensor["temperature_c"], &sensor["clock_mhz"]), (&51.0.into(), &2400.0.into()), "{sensor:#}");
            assert!(sensor["energy_j"].as_f64().unwrap() >= 1.0, "{sensor:#}");
        }
    }
}

#[test]
fn a_run_finds_the_watts_that_are_drawn() {
    if no_software_driver() {
        return;
    }
    for on in LOADERS {
        let Some(record) = run(on, "reasons=1", "3") else { continue };
        let source = record.source.as_ref().unwrap();
        assert_eq!((source.api.as_str(), source.device.as_str()), ("Level Zero", "Intel Stand-in"));
        assert_eq!((source.scope, source.api_version.as_deref()), (Scope::Board, Some("25.18.33578")));
        assert_eq!(source.pci_address.unwrap().to_string(), "0000:03:00.0");
        assert_eq!((source.power_limit_w, source.power_limit_kind), (Some(190.0), LimitKind::Sustained));
        assert_eq!((source.default_power_limit_w, source.power), (Some(225.0), None));
        assert_eq!(record.summary.sensor.lead, Some(Lead::Counter));
        for init in [Init::Zeros, Init::Gaussian] {
            let of_init = &record.summary.inits[&init];
            let [watts, joules, seconds] =
                [of_init.power_w, of_init.energy_j, Some(of_init.time_s)].map(Option::unwrap);
            assert!((watts / 200.0 - 1.0).abs() < 0.02, "{init:?}: {watts} W");
            assert!((joules / (200.0 * seconds) - 1.0).abs() < 0.02, "{init:?}: {joules} J in {seconds} s");
        }
        assert!(!serde_json::to_string(&record).unwrap().contains("1320021040055"), "the card's serial number");
    }
}

#[test]
fn what_a_driver_lacks_is_not_made_up() {
    if no_software_driver() {
        return;
    }
    for on in LOADERS {
        let Some(old) = run(on, "old", "1") else { continue };
        let source = old.source.as_ref().unwrap();
        assert_eq!((source.device.as_str(), source.scope), ("Intel GPU 0", Scope::Gpu));
        assert_eq!((source.power_limit_w, source.default_power_limit_w, &source.api_version), (None, None, &None));
        let stuck = run(on, "card-at-zero", "1").unwrap();
        assert_eq!(stuck.source.as_ref().unwrap().scope, Scope::Gpu, "the package's counter moves");
        let watts = stuck.summary.inits[&Init::Zeros].power_w.unwrap();
        assert!((watts / 150.0 - 1.0).abs() < 0.05, "{watts}");
        // Whether a device shares its package is told in a struct that only sysman's own start promises.
        let shared = run(on, "integrated", "1").unwrap();
        assert_eq!(shared.source.as_ref().unwrap().scope, Scope::Package);
    }
}

#[test]
fn a_counter_that_falls_and_a_gpu_that_is_lost_are_named() {
    if no_software_driver() {
        return;
    }
    let Some(fell) = run(on_the_systems, "falls", "2") else { return };
    assert!(fell.verdict.has("counter-stepped-back"), "{:?}", fell.verdict);
    assert_ne!(fell.verdict.status, Status::Valid);
    let lost = run(on_the_systems, "lost-after=120", "2").unwrap();
    assert!(lost.run.failed_reads > 0);
    assert!(lost.run.last_failure.as_ref().unwrap().contains("reset the GPU"), "{:?}", lost.run);
    assert_ne!(lost.verdict.status, Status::Valid);
    assert_eq!(lost.windows.last().unwrap().energy_j, None);
}

#[test]
fn a_gpu_that_is_not_counted_whole_says_so() {
    for (words, why) in [("tiles", "of more than a part of it is not supported"), ("no-permission", "is not permitted")]
    {
        let Some(mut command) = on_the_systems(words) else { return };
        let output = command.arg("doctor").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("reading energy through Level Zero") && text.contains(why), "{words}: {text}");
        let sensors = level_zeros(&mut on_the_systems(words).unwrap());
        assert!(sensors.len() == 1 && sensors[0]["energy_j"].is_null(), "{sensors:#?}");
    }
}

#[test]
fn a_loader_without_a_driver_is_told_from_none() {
    for on in LOADERS {
        for (driver, words) in [(None, "no-gpu"), (Some("/nonexistent.so"), ""), (Some(""), "")] {
            let Some(mut command) = on(words) else { continue };
            if let Some(driver) = driver {
                command.env("ZE_ENABLE_ALT_DRIVERS", driver);
            }
            let asserted = command.args(["--power", "level-zero"]).assert();
            asserted.code(1).stderr(contains("install Intel's Level Zero driver").and(contains("panicked").not()));
        }
    }
    // A loader of old that is not told to read sensors names both ways out; a newer one needs none.
    let untold = || {
        let mut command = on_the_systems("")?;
        command.env_remove("ZES_ENABLE_SYSMAN");
        Some(command)
    };
    let Some(mut command) = untold() else { return };
    let starts_by_itself = !level_zeros(&mut command).is_empty();
    let refused = untold().unwrap().args(["--power", "level-zero:9"]).assert().code(1);
    let fix = if starts_by_itself { "level-zero:0 (Intel Stand-in at 0000:03:00.0)" } else { "ZES_ENABLE_SYSMAN=1" };
    refused.stderr(contains(fix));
}

/// Sizes and offsets as a C compiler finds them in the vendor's own header.
#[test]
fn structs_lie_in_memory_as_the_vendors_header_says() {
    use std::mem::offset_of;
    /// Our figures, and the same questions to the vendor's header.
    macro_rules! figures {
        ($($type:ident { $($field:tt = $theirs:literal),* $(,)? })*) => {
            [$(
                (concat!("sizeof(", stringify!($type), ")"), size_of::<bindings::$type>()),
                $((concat!("offsetof(", stringify!($type), ", ", $theirs, ")"), offset_of!(bindings::$type, $field)),)*
            )*]
        };
    }
    let figures = figures! {
        ze_result_t {}
        ze_device_properties_t { type_ = "type", flags = "flags", maxMemAllocSize = "maxMemAllocSize",
            timerResolution = "timerResolution", uuid = "uuid", name = "name" }
        zes_device_properties_t { core = "core", numSubdevices = "numSubdevices", modelName = "modelName",
            driverVersion = "driverVersion" }
        zes_pci_properties_t { domain = "address", function = "address.function", maxBandwidth = "maxSpeed.maxBandwidth",
            counters = "haveBandwidthCounters" }
        zes_power_properties_t { onSubdevice = "onSubdevice", defaultLimit = "defaultLimit", maxLimit = "maxLimit" }
        zes_power_limit_ext_desc_t { level = "level", limitUnit = "limitUnit", enabled = "enabled",
            interval = "interval", limit = "limit" }
        zes_power_ext_properties_t { domain = "domain", defaultLimit = "defaultLimit" }
        zes_power_energy_counter_t { energy = "energy", timestamp = "timestamp" }
        zes_freq_properties_t { type_ = "type", subdeviceId = "subdeviceId", min = "min", max = "max" }
        zes_freq_state_t { actual = "actual", throttleReasons = "throttleReasons" }
        zes_temp_properties_t { type_ = "type", maxTemperature = "maxTemperature", supported = "isCriticalTempSupported" }
    };
    /// Numbers that a name stands for.
    macro_rules! constants {
        ($($name:ident),* $(,)?) => { [$((stringify!($name), bindings::$name as usize)),*] };
    }
    let constants = constants![
        ZE_RESULT_ERROR_DEVICE_LOST,
        ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET,
        ZE_RESULT_ERROR_DEVICE_IN_LOW_POWER_STATE,
        ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS,
        ZE_RESULT_ERROR_NOT_AVAILABLE,
        ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE,
        ZE_RESULT_ERROR_UNINITIALIZED,
        ZE_RESULT_ERROR_UNSUPPORTED_VERSION,
        ZE_RESULT_ERROR_UNSUPPORTED_FEATURE,
        ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES,
        ZES_STRUCTURE_TYPE_DEVICE_PROPERTIES,
        ZES_STRUCTURE_TYPE_PCI_PROPERTIES,
        ZES_STRUCTURE_TYPE_FREQ_PROPERTIES,
        ZES_STRUCTURE_TYPE_POWER_PROPERTIES,
        ZES_STRUCTURE_TYPE_TEMP_PROPERTIES,
        ZES_STRUCTURE_TYPE_FREQ_STATE,
        ZES_STRUCTURE_TYPE_POWER_LIMIT_EXT_DESC,
        ZES_STRUCTURE_TYPE_POWER_EXT_PROPERTIES,
        ZE_DEVICE_TYPE_GPU,
        ZE_DEVICE_PROPERTY_FLAG_INTEGRATED,
        ZES_STRING_PROPERTY_SIZE,
        ZES_POWER_DOMAIN_CARD,
        ZES_POWER_DOMAIN_PACKAGE,
        ZES_POWER_DOMAIN_STACK,
        ZES_POWER_LEVEL_SUSTAINED,
        ZES_POWER_LEVEL_BURST,
        ZES_POWER_LEVEL_PEAK,
        ZES_LIMIT_UNIT_POWER,
        ZES_FREQ_DOMAIN_GPU,
        ZES_TEMP_SENSORS_GLOBAL,
        ZES_TEMP_SENSORS_GPU,
        ZES_FREQ_THROTTLE_REASON_FLAG_AVE_PWR_CAP,
        ZES_FREQ_THROTTLE_REASON_FLAG_BURST_PWR_CAP,
        ZES_FREQ_THROTTLE_REASON_FLAG_CURRENT_LIMIT,
        ZES_FREQ_THROTTLE_REASON_FLAG_THERMAL_LIMIT,
        ZES_FREQ_THROTTLE_REASON_FLAG_PSU_ALERT,
        ZES_FREQ_THROTTLE_REASON_FLAG_SW_RANGE,
        ZES_FREQ_THROTTLE_REASON_FLAG_HW_RANGE,
    ];
    let asked = figures.iter().chain(&constants);
    let lines: String = asked.clone().map(|(what, _)| format!("printf(\"%zu\\n\", (size_t)({what}));\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    let headers = "#include <stddef.h>\n#include <stdio.h>\n#include <level_zero/zes_api.h>\n";
    std::fs::write(&source, format!("{headers}int main(void) {{\n{lines}return 0;\n}}\n")).unwrap();
    match std::process::Command::new("cc").arg(&source).arg("-o").arg(&program).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return common::skip(&format!("no level_zero/zes_api.h: {}", String::from_utf8_lossy(&output.stderr)));
        }
        Err(error) => return common::skip(&format!("cc: {error}")),
    }
    let output = std::process::Command::new(&program).output().unwrap();
    let theirs: Vec<usize> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
    let ours: Vec<(&str, usize)> = asked.copied().collect();
    assert_eq!(theirs.len(), ours.len());
    for ((what, ours), theirs) in ours.into_iter().zip(theirs) {
        assert_eq!(ours, theirs, "{what}");
    }
}
