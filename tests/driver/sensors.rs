//! GPUs that NVIDIA's library shows otherwise than a whole, healthy board: the stand-in (tests/fakes/nvml.rs) plays each.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_wattmul");

/// What `wattmul devices` prints of the stand-in in the mode that `words` describe.
fn devices(words: &str, arguments: &[&str]) -> String {
    let library = Path::new(PROGRAM).with_file_name("examples").join("libfake_nvml.so");
    assert!(library.exists(), "cargo test builds {}", library.display());
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(library, folder.path().join("libnvidia-ml.so.1")).unwrap();
    let mut program = Command::new(PROGRAM);
    program.env("LD_LIBRARY_PATH", folder.path()).env("FAKE_NVML", words).arg("devices").args(arguments);
    String::from_utf8(program.output().unwrap().stdout).unwrap()
}

fn sensors(words: &str) -> Vec<serde_json::Value> {
    let json: serde_json::Value = serde_json::from_str(&devices(words, &["--json"])).unwrap();
    let is_nvml = |sensor: &&serde_json::Value| sensor["api"] == "NVML";
    json["sensors"].as_array().unwrap().iter().filter(is_nvml).cloned().collect()
}

#[test]
fn a_module_is_measured_where_the_board_does_not_answer() {
    let module = &sensors("module")[0];
    assert_eq!((&module["scope"], &module["kind"]), (&"module".into(), &"energy counter and instant power".into()));
    assert!(module["power_w"].as_f64().unwrap() > 20.0, "{module}");
    // Drivers that know of no scopes answer for the board, whatever they are asked for.
    assert_eq!(sensors("")[0]["scope"], "board");
}

#[test]
fn a_dead_gpu_neither_hides_the_others_nor_counts_them_anew() {
    let sensors = sensors("gpus=2 dead=0");
    assert_eq!(sensors.len(), 2);
    assert!(sensors[0]["power_w"].is_null() && sensors[0]["kind"] == "", "{}", sensors[0]);
    assert_eq!(sensors[1]["pci_address"], "0000:81:00.0");
    let table = devices("gpus=2 dead=0", &[]);
    assert!(table.contains("nvml:1       NVML · NVIDIA Stand-in") && table.contains("reset the GPU"), "{table}");
}

#[test]
fn a_gpu_that_supports_neither_power_nor_energy_says_so() {
    let silent = &sensors("no-power no-counter")[0];
    assert!(silent["power_w"].is_null() && silent["energy_j"].is_null(), "{silent}");
    let table = devices("no-power no-counter", &[]).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(table.contains("through NVML is not supported: update NVIDIA's driver"), "{table}");
}

#[test]
fn doctor_ends_with_3_where_there_is_something_to_fix() {
    let mut doctor = Command::new(PROGRAM);
    doctor.arg("doctor").envs([("VK_DRIVER_FILES", "/none"), ("VK_ICD_FILENAMES", "/none")]);
    let nothing = doctor.output();
    let nothing = nothing.unwrap();
    let text = String::from_utf8_lossy(&nothing.stdout).into_owned();
    assert!(nothing.status.code() == Some(3) && text.contains("to fix"), "{text}");

    let told = doctor.arg("--json").output().unwrap();
    assert_eq!(told.status.code(), Some(3));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let findings = told["findings"].as_array().unwrap();
    let bad: Vec<&Value> = findings.iter().filter(|finding| finding["state"] == "bad").collect();
    assert!(!bad.is_empty() && told["to_fix"] == bad.len(), "{told}");
    assert!(bad.iter().all(|finding| finding["fix"].is_string()), "each says how: {told}");
}
