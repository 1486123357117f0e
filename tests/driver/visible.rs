//! Which of several GPUs is measured, from outside: two that compute, played by stand-ins.
#![cfg(target_os = "linux")]

use crate::common;

use common::{TwoGpus, measured, no_software_driver, records};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

/// Rounds as short as they can be, with a kernel for GPUs.
const BRIEF: &[&str] = &[
    "--size", "128", "--rounds", "2", "--window", "0.2", "--settling", "0.1", "--warm-up", "0.3", "--quick",
    "--kernel", "32x32x16/4x4",
];

const CUDA: &str = "CUDA_VISIBLE_DEVICES";

/// The program on the two GPUs, with these variables besides.
fn on(gpus: &TwoGpus, variables: &[(&str, &str)]) -> assert_cmd::Command {
    let mut command = common::wattmul();
    command.env("FAKE_NVML", "gpus=2").envs(gpus.environment()).envs(variables.iter().copied());
    command
}

fn devices(gpus: &TwoGpus, variables: &[(&str, &str)]) -> Value {
    let output = on(gpus, variables).args(["devices", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}"))
}

#[test]
fn the_gpu_that_was_given_is_the_one_that_is_measured_and_with_its_own_sensor() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let [first, second] = TwoGpus::ADDRESSES;
    for (variables, expected) in [
        (&[][..], first),
        (&[(CUDA, "1")][..], second),
        (&[(CUDA, "GPU-00000001")], second),
        (&[(CUDA, "0"), ("ROCR_VISIBLE_DEVICES", "0"), ("SLURM_JOB_ID", "7"), ("SLURM_JOB_GPUS", "0")], first),
        (&[("SLURM_JOB_ID", "7"), ("SLURM_JOB_GPUS", "0,1"), ("SLURM_STEP_GPUS", "1")], second),
    ] {
        let record = measured(on(&gpus, variables).args(["--json", "--no-save", "--adapter", "auto"]).args(BRIEF));
        assert_eq!(record.adapter.pci_address.unwrap().to_string(), expected, "{variables:?}");
        let sensor = record.source.unwrap_or_else(|| panic!("{:?}", record.run));
        assert_eq!(sensor.pci_address, record.adapter.pci_address, "{variables:?}");
    }
    // In a device cgroup, where the second GPU is the only one that is shown, it has the number 0.
    let cgroup = [(CUDA, "0"), ("SLURM_JOB_ID", "7"), ("SLURM_JOB_GPUS", "1"), ("FAKE_NVML", "gpus=2 only=1")];
    let shown = devices(&gpus, &cgroup);
    let allowed: Vec<_> = shown["adapters"].as_array().unwrap().iter().map(|adapter| &adapter["allowed"]).collect();
    assert_eq!(allowed, [&Value::from(false), &Value::from(true)], "{shown:#}");
}

#[test]
fn another_jobs_gpu_is_never_measured() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let job = ("SLURM_JOB_ID", "7");
    for (variables, arguments, error) in [
        (&[(CUDA, "2")][..], &[][..], "CUDA_VISIBLE_DEVICES=2 names GPU 2, and 2 are shown here"),
        (&[(CUDA, "x")], &[], "CUDA_VISIBLE_DEVICES=x is no list"),
        (&[(CUDA, "")], &[], "not allowed by CUDA_VISIBLE_DEVICES="),
        (&[(CUDA, "1")], &["--adapter", "0"], "not given to this process by CUDA_VISIBLE_DEVICES=1: allowed is 1"),
        (&[(CUDA, "0"), job, ("SLURM_JOB_GPUS", "1")], &[], "which SLURM_JOB_GPUS=1 does not give"),
        (&[job], &[], "given no GPU"),
        (&[(CUDA, "0"), ("FAKE_NVML", "broken-init")], &[], "CUDA_VISIBLE_DEVICES=0 cannot be told from other GPUs"),
    ] {
        on(&gpus, variables).arg("--no-save").args(arguments).assert().code(1).stderr(contains(error));
    }
    // A cluster that does not count its GPUs leaves the choice to the user.
    let named = on(&gpus, &[job]).args(["--json", "--no-save", "--adapter", "1"]).args(BRIEF).output().unwrap();
    assert!(matches!(named.status.code(), Some(0 | 3)), "{named:?}");
}

#[test]
fn what_does_not_fit_the_memory_is_told_before_with_the_largest_that_does() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let run = |nvml: &str, arguments: &[&str]| {
        let output = on(&gpus, &[("FAKE_NVML", nvml)]).arg("--no-save").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let full = run("gpus=2 memory=1000 free=500", &["--size", "4000"]);
    let says = "wattmul: --size 4000 with 2 inits takes 0.6 GB of memory, and NVIDIA Stand-in has 0.5 GB free of 1.0 GB: \
                the largest that fits is --size ";
    let largest = full.strip_prefix(says).unwrap_or_else(|| panic!("{full}")).trim_end();
    assert!(!run("gpus=2 memory=1000 free=500", &["--atlas", "--size", largest]).is_empty(), "twenty pairs do not fit");
    let atlas = run("gpus=2 memory=1000", &["--atlas", "--size", "4000"]);
    assert!(atlas.contains("with 20 inits takes 3.0 GB") && atlas.ends_with(", or name fewer inits\n"), "{atlas}");
    // That which is named fits.
    let fits = on(&gpus, &[("FAKE_NVML", "gpus=2 memory=1000 free=290")]);
    let record = measured(
        { fits }
            .args(["--json", "--no-save", "--rounds", "2", "--window", "0.2", "--settling", "0.1"])
            .args(["--warm-up", "0.3", "--quick", "--kernel", "32x32x16/4x4"]),
    );
    assert_eq!(record.plan.size, 1024, "without --size, the largest that fits");
}

#[test]
fn devices_shows_what_is_allowed_and_why() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let text = on(&gpus, &[(CUDA, "1")]).arg("devices").output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    let use_of: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("use ")).map(str::trim).collect();
    assert_eq!(use_of, ["not allowed by CUDA_VISIBLE_DEVICES=1", "allowed by CUDA_VISIBLE_DEVICES=1"], "{text}");

    let json = devices(&gpus, &[]);
    for adapter in json["adapters"].as_array().unwrap() {
        assert_eq!((&adapter["allowed"], &adapter["why"]), (&true.into(), &Value::Null), "{json:#}");
    }
    let json = devices(&gpus, &[(CUDA, "7")]);
    assert!(json["refusal"].as_str().unwrap().contains("CUDA_VISIBLE_DEVICES=7"), "{json:#}");
    assert!(json["adapters"][0]["allowed"].is_null(), "{json:#}");
}

#[test]
fn all_measures_one_after_another_and_one_that_fails_does_not_lose_the_others() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let results = tempfile::tempdir().unwrap();
    let all = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = on(&gpus, variables);
        command.args(["--adapter", "all", "--results"]).arg(results.path()).args(BRIEF).args(arguments);
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), text, String::from_utf8(output.stderr).unwrap())
    };
    let row = |text: &str, address: &str| -> String {
        let (_, table) = text.split_once("verdict\n").unwrap_or_else(|| panic!("{text}"));
        table.lines().find(|line| line.contains(address)).unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    // The name has two words, and the ratio comes after the address.
    let has_ratio = |row: &str| row.split_whitespace().nth(3).is_some_and(|figure| figure.parse::<f64>().is_ok());
    let [first, second] = TwoGpus::ADDRESSES;

    let (code, text, _) = all(&[], &["--label", "rack 7"]);
    assert!(matches!(code, Some(0 | 3)), "{text}");
    assert!(has_ratio(&row(&text, first)) && has_ratio(&row(&text, second)), "{text}");
    let mut found = records(results.path());
    found.sort_by_key(|(_, record)| record.adapter.pci_address);
    let addresses: Vec<_> = found.iter().map(|(_, record)| record.adapter.pci_address.unwrap().to_string()).collect();
    assert_eq!(addresses, TwoGpus::ADDRESSES);
    for (_, record) in &found {
        assert_eq!(record.run.label.as_deref(), Some("rack 7"));
        assert_eq!(record.source.as_ref().unwrap().pci_address, record.adapter.pci_address);
    }

    let (code, text, error) = all(&[("VULKAN_DOUBLE_BROKEN", first)], &[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(row(&text, first).ends_with("FAILED") && has_ratio(&row(&text, second)), "{text}");
    assert!(error.contains("does not open it"), "{error}");
    assert_eq!(records(results.path()).len(), 3);

    let (_, text, _) = all(&[(CUDA, "1")], &["--no-save"]);
    assert!(!text.contains(first) && has_ratio(&row(&text, second)), "only what is allowed: {text}");
    let (code, _, error) = all(&[], &["--no-save", "--power", "nvml:0"]);
    assert!(code == Some(1) && error.contains("say --power nvml"), "{error}");
}

#[test]
fn the_cpu_is_measured_where_it_is_all_that_there_is_and_a_gpu_that_was_given_is_not_forgotten_for_it() {
    if no_software_driver() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let all = ["--adapter", "all", "--results"];
    let cpu =
        common::wattmul().env("SLURM_JOB_ID", "7").args(all).arg(results.path()).args(common::BRIEF).output().unwrap();
    assert!(matches!(cpu.status.code(), Some(0 | 3)), "{cpu:?}");
    let [(_, record)] = &records(results.path())[..] else { panic!("one record") };
    assert_eq!(record.run.slurm.as_ref().unwrap().job, 7);
    let library = common::fake_nvml();
    let mut given = common::wattmul();
    given.env("LD_LIBRARY_PATH", library.path()).env(CUDA, "0").arg("--no-save");
    given.assert().code(1).stderr(contains("gives this process 0000:01:00.0, which Vulkan does not offer"));
}

#[test]
fn an_intel_gpu_is_given_by_its_own_variables() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let [first, second] = TwoGpus::ADDRESSES;
    let intel = ("VULKAN_DOUBLE_KIND", "intel");
    for (variables, expected) in [(&[intel][..], first), (&[intel, ("ZE_AFFINITY_MASK", "1")], second)] {
        let record = measured(on(&gpus, variables).args(["--json", "--no-save", "--adapter", "auto"]).args(BRIEF));
        assert_eq!(record.adapter.pci_address.unwrap().to_string(), expected, "{variables:?}");
        assert_eq!(record.adapter.vendor, "Intel", "{variables:?}");
    }
    let other =
        on(&gpus, &[intel, ("ZE_AFFINITY_MASK", "1")]).args(["--adapter", first]).args(BRIEF).assert().failure();
    let text = String::from_utf8_lossy(&other.get_output().stderr).into_owned();
    assert!(text.contains("ZE_AFFINITY_MASK=1"), "{text}");
}

#[test]
fn a_processors_own_gpu_is_no_discrete_one_and_is_measured_where_it_is_alone() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let shown = devices(&gpus, &[("VULKAN_DOUBLE_KIND", "integrated")]);
    assert!(shown.to_string().contains("\"integrated\""), "{shown:#}");
    let mut command = on(&gpus, &[("VULKAN_DOUBLE_KIND", "integrated")]);
    let record = measured(command.args(["--json", "--no-save"]).args(BRIEF));
    assert_eq!(record.adapter.vendor, "AMD");
    assert_eq!(record.source, None, "no sensor of NVIDIA's is taken for it");
}

#[test]
fn a_driver_that_passed_no_conformance_tests_is_hidden_and_named_with_what_shows_it() {
    let Some(gpus) = (if no_software_driver() { None } else { TwoGpus::new() }) else { return };
    let kind = ("VULKAN_DOUBLE_KIND", "nonconformant");
    let allow = ("WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER", "1");
    let assert = on(&gpus, &[kind]).args(BRIEF).arg("--no-save").assert().code(1);
    let text = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(text.contains(&format!("{}=1", allow.0)), "{text}");
    let record = measured(on(&gpus, &[kind, allow]).args(["--json", "--no-save"]).args(BRIEF));
    assert_eq!(record.adapter.name, "NVIDIA Stand-in");
}

#[test]
fn a_label_is_a_short_line_of_text() {
    for label in ["", " ", "two\nlines", "\u{1b}[31m", &"long ".repeat(21)] {
        common::wattmul().args(["--label", label]).assert().code(2).stderr(contains("--label"));
    }
    let named = predicate::str::contains("--label");
    common::wattmul().args(["--simulate", "list", "--label", "Regal 7, 図"]).assert().success().stderr(named.not());
}
