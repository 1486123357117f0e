//! `--dtype` from outside: every type of element on Mesa's software driver, and what refuses one.
#![cfg(target_os = "linux")]

use crate::common;

use common::{
    BRIEF, BRIEF_TUNED, measured, no_software_driver, on_new_mesa, patiently, program_path, records, wattmul,
};
use predicates::prelude::*;
use predicates::str::contains;
use wattmul::gpu::kernel::KERNELS;
use wattmul::operands::Dtype;

#[test]
fn a_run_in_every_type_is_verified_recorded_and_named_by_it() {
    if no_software_driver() {
        return;
    }
    let mut digests = vec![];
    for dtype in Dtype::ALL {
        let results = tempfile::tempdir().unwrap();
        let record =
            measured(wattmul().args(BRIEF).args(["--dtype", dtype.name(), "--json", "--results"]).arg(results.path()));
        assert_eq!(record.plan.dtype, dtype);
        assert!(record.windows.iter().all(|window| window.products_right), "{dtype}: {:?}", record.windows);
        let [(path, saved)] = &records(results.path())[..] else { panic!("one record") };
        assert_eq!(saved, &record);
        let name = path.file_name().unwrap().to_string_lossy();
        assert!(name.contains(&format!("-vulkan-{dtype}-n128-")), "{name}");
        assert_eq!(
            record.kernel.wgsl_digest,
            KERNELS[1].digest(dtype),
            "the very text that ran: {}",
            record.kernel.variant
        );
        for (init, inputs) in &record.inputs {
            let scales = (inputs.scale_a.is_some(), inputs.scale_b.is_some());
            assert_eq!(scales, (dtype == Dtype::I8, dtype == Dtype::I8), "{dtype} {init}");
            digests.push(inputs.digest_a.clone());
        }
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.contains("scale_a"), dtype == Dtype::I8, "{text}");
    }
    let count = digests.len();
    digests.sort();
    digests.dedup();
    assert_eq!(digests.len(), count, "no two types multiply the same bytes");
}

#[test]
fn operations_on_integers_are_not_called_floating_point() {
    if no_software_driver() {
        return;
    }
    let output = wattmul().args(BRIEF).args(["--dtype", "i8", "--no-save"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("i8 128²") && text.contains(" GOP/s") && !text.contains("GFLOP"), "{text}");
}

#[test]
fn every_type_has_its_kernels_tried() {
    if no_software_driver() {
        return;
    }
    for dtype in ["f16", "i8"] {
        let kernel = measured(wattmul().args(BRIEF_TUNED).args(["--dtype", dtype, "--json", "--no-save"])).kernel;
        assert!(kernel.tuning.len() >= 4, "{:?}", kernel.tuning);
        assert!(kernel.tuning.iter().all(|trial| trial.kernel.starts_with("direct/")), "{:?}", kernel.tuning);
    }
}

/// Mesa's driver for an AMD GPU of 2016, which has no f16, on a machine without one.
#[test]
fn an_adapter_that_lacks_a_type_says_so_in_one_line() {
    let Some(mut command) = common::on_made_up_amd("POLARIS10") else { return };
    let output = command.args(["--dtype", "f16", "--no-save"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
    let text = String::from_utf8(output.stderr).unwrap();
    let line = text.lines().find(|line| line.starts_with("wattmul: ")).unwrap();
    assert!(line.starts_with("wattmul: --dtype f16 is not for ") && line.contains("POLARIS10"), "{line}");
    assert!(line.ends_with("its driver has no such type; choose from f32, f64, i8"), "{line}");
}

#[test]
fn numbers_that_a_type_cannot_hold_are_refused_and_no_kernel_is_blamed() {
    if no_software_driver() {
        return;
    }
    let run =
        |dtype| wattmul().args(BRIEF).args(["--no-save", "--init", "zeros,gaussian:1e5", "--dtype", dtype]).assert();
    run("f16").code(1).stderr(contains("some numbers of gaussian:100000 are too large for f16: choose smaller ones"));
    run("i8").stdout(contains("gaussian:100000"));
}

#[test]
fn a_type_is_asked_for_by_its_name_and_of_a_gpu() {
    wattmul().args(["--dtype", "bf16"]).assert().code(2).stderr(contains("f32, f16, f64, i8"));
    wattmul().args(["--simulate", "h100", "--dtype", "f16"]).assert().code(2).stderr(contains("--dtype"));
}

#[test]
fn kernels_are_shown_in_the_type_that_is_asked_for() {
    for dtype in Dtype::ALL {
        for kernel in [KERNELS[0], KERNELS[4]] {
            let name = kernel.to_string();
            let print = wattmul().args(["kernel", "--print", &name, "--dtype", dtype.name()]).assert().success();
            assert_eq!(String::from_utf8_lossy(&print.get_output().stdout), kernel.wgsl(dtype));
        }
        let bytes = format!("{} bytes of workgroup memory", 64 * 16 * dtype.word_bytes());
        let list = wattmul().args(["kernel", "--list", "--dtype", dtype.name()]).assert().success();
        list.stdout(contains("32x32x16/4x4")).stdout(contains(bytes));
    }
    wattmul().args(["kernel", "--dtype", "f16"]).assert().code(2).stderr(contains("--list").and(contains("--print")));
}

/// Debian 12's Mesa is four years older than the one that users have.
#[test]
fn every_type_is_verified_and_recorded_on_the_newest_mesa_too() {
    let results = tempfile::tempdir().unwrap();
    for dtype in Dtype::ALL {
        let Some(mut command) = on_new_mesa("lavapipe", &program_path()) else { return };
        command.args(BRIEF).args(["--dtype", dtype.name(), "--results"]).arg(results.path());
        let output = patiently(command).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 3)), "{dtype}: {text}");
    }
    let found = records(results.path());
    assert_eq!(found.len(), Dtype::ALL.len());
    for (path, record) in found {
        assert!(record.windows.iter().all(|window| window.products_right), "{}", path.display());
        assert!(
            record.adapter.driver.as_ref().is_some_and(|driver| driver.contains("Mesa 26")),
            "{:?}",
            record.adapter
        );
    }
    wattmul().arg("validate").arg(results.path()).assert().success();
}

/// AMD's driver over hardware that is made up takes every command and does nothing.
#[test]
fn a_driver_that_computes_nothing_ends_in_one_calm_line() {
    for gpu in ["amd:navi21", "amd:navi31"] {
        let Some(mut command) = on_new_mesa(gpu, &program_path()) else { return };
        command.args(BRIEF_TUNED).arg("--no-save");
        let output = patiently(command).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let said: Vec<&str> = errors.lines().filter(|line| line.starts_with("wattmul: ")).collect();
        assert_eq!((output.status.code(), said.len()), (Some(1), 1), "{gpu}: {errors}");
        assert!(!errors.contains("panicked"), "{gpu}: {errors}");
        println!("{gpu}: {errors}");
    }
}
