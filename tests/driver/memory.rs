//! The readers' unsafe code under valgrind: the calls into NVIDIA's library (its stand-in) and AMD's real one, with memory that
//! is watched byte by byte.
#![cfg(target_os = "linux")]

use crate::common;

use std::process::{Command, Output};
use wattmul::power::reader::PowerReader;
use wattmul::power::{nvml, rocm_smi};

/// Set where this program is run again, under valgrind.
const INSIDE: &str = "WATTMUL_TEST_INSIDE_VALGRIND";

/// All that a reader can be asked.
fn exercise(readers: Vec<Box<dyn PowerReader>>) {
    assert!(!readers.is_empty());
    for mut reader in readers {
        for _ in 0..100 {
            let reading = reader.read().unwrap();
            assert!(reading.power_mw.or(reading.energy_uj).is_some(), "{reading:?}");
        }
        drop(reader.lock_clock(1234).unwrap());
        reader.free_clock().unwrap();
        assert!(reader.supported_power_limits().unwrap().contains(&200));
        drop(reader.limit_power(200).unwrap());
        reader.set_power_limit(250_000).unwrap();
    }
}

/// This program's test of that name under valgrind, behind `before`.
fn under_valgrind(name: &str, before: Command) -> Output {
    let mut command = before;
    command.args(["valgrind", "--quiet", "--error-exitcode=99", "--num-callers=30"]);
    let exe = std::env::current_exe().unwrap();
    command.arg(exe).args(["--exact", name, "--test-threads=1"]).env(INSIDE, "1");
    command.output().unwrap()
}

fn no_valgrind() -> bool {
    let found = Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success());
    common::skipped(!found, "valgrind is not installed (Debian: apt install valgrind)")
}

#[test]
fn nvidias_library_is_called_without_a_fault() {
    if std::env::var_os(INSIDE).is_some() {
        assert_eq!(nvml::states().unwrap().len(), 2);
        return exercise(nvml::readers().unwrap());
    }
    if no_valgrind() {
        return;
    }
    let library = common::fake_nvml();
    let mut command = Command::new("env");
    command.env("LD_LIBRARY_PATH", library.path()).env("FAKE_NVML", "gpus=2 programs=3");
    let output = under_valgrind("memory::nvidias_library_is_called_without_a_fault", command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn amds_library_is_called_without_a_fault() {
    if std::env::var_os(INSIDE).is_some() {
        return exercise(rocm_smi::readers().unwrap());
    }
    if no_valgrind() {
        return;
    }
    if let Err(error) = rocm_smi::installed_version() {
        return common::skip(&error.to_string());
    }
    let command = common::over_made_up_amdgpu(&["0000:03:00.0=200", "0000:83:00.0=40"]);
    let output = under_valgrind("memory::amds_library_is_called_without_a_fault", command);
    if output.status.code() == Some(77) {
        return common::skip(&String::from_utf8_lossy(&output.stderr));
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
