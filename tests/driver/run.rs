//! Whole runs on Mesa's software driver, from outside.
#![cfg(target_os = "linux")]

use crate::common;

use common::{BRIEF, BRIEF_TUNED, longest_line, measured, no_software_driver, records, wattmul};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use wattmul::analysis::law::{Law, NoLaw};
use wattmul::analysis::{summary, validity};
use wattmul::gpu::kernel::Kernel;
use wattmul::operands::{Activity, Init};
use wattmul::record::Status;

#[test]
fn a_quick_run_prints_a_summary_and_saves_a_record_that_can_be_computed_again() {
    if no_software_driver() {
        return;
    }
    let results = tempfile::tempdir().unwrap();
    let output = wattmul()
        .args(["--backend", "vulkan", "--size", "200", "--rounds", "4", "--window", "0.5", "--settling", "0.2"])
        .args(["--warm-up", "1", "--results"])
        .arg(results.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let saved_line = text.lines().find(|line| line.contains("saved")).unwrap();
    let printed = text.replace(saved_line, ""); // a path is as long as it is
    assert!(longest_line(&printed) <= 80, "{printed}");
    for word in [
        "llvmpipe", "Vulkan", "f32 200²", "software adapter", "zeros", "gaussian", "no energy was measured",
        "n/a (no sensor)",
    ] {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
    assert!(!text.contains(" J") && !text.contains(" mJ"), "no joules without a sensor:\n{text}");

    let [(path, record)] = &records(results.path())[..] else { panic!("one record") };
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(saved_line.contains(name));
    assert!(
        predicate::str::is_match(r"^\d{8}T\d{6}Z-llvmpipe-vulkan-f32-n200-[0-9a-f]{6}\.json$").unwrap().eval(name),
        "{name}"
    );
    assert_eq!(name, record.file_name(), "the name is the content's");
    assert!(std::fs::metadata(path).unwrap().len() < 100_000);

    // A machine that does much else besides keeps the device from its work, and the record says so.
    let expected = if record.verdict.has("not-busy") { (Status::Invalid, 3) } else { (Status::TimingOnly, 0) };
    assert_eq!((record.verdict.status, output.status.code().unwrap()), expected, "{:?}", record.verdict);
    assert!(record.verdict.has("no-sensor"));
    assert_eq!(record.source, None);
    assert_eq!(record.windows.len(), 8);
    let order: Vec<Init> = record.windows.iter().map(|window| window.init).collect();
    let (z, g) = (Init::Zeros, Init::Gaussian);
    assert_eq!(order, [z, g, g, z, z, g, g, z]);
    for window in &record.windows {
        assert!(window.products_right && window.duration_s >= 0.5 && window.products >= 1.0, "{window:?}");
        let (device_s, busy) = (window.device_s.unwrap(), window.busy.unwrap());
        assert!((device_s / window.duration_s - 1.0).abs() < 0.1, "two clocks, one window: {window:?}");
        assert!(busy > 0.8 && busy <= 1.0, "{window:?}");
        assert_eq!((window.energy_j, window.power_w.counter, window.power_w.polled), (None, None, None));
    }
    assert_ne!(record.inputs[&g].digest_a, record.inputs[&g].digest_b);
    assert_eq!(record.inputs[&z].digest_a, record.inputs[&z].digest_b);
    let time = record.summary.ratios[&g].time.unwrap();
    assert!(time.low.unwrap() <= time.estimate && time.estimate <= time.high.unwrap());
    assert_eq!(summary::of(record), record.summary);
    assert_eq!(validity::of(record), record.verdict);
}

#[test]
fn json_goes_to_standard_output_and_nothing_else_does() {
    if no_software_driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let record = measured(wattmul().current_dir(folder.path()).args(["run", "--json", "--no-save"]).args(BRIEF));
    assert_eq!(record.plan.size, 128);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is saved");
}

#[test]
fn the_same_seed_makes_the_same_numbers_and_another_seed_makes_others() {
    if no_software_driver() {
        return;
    }
    let digest = |seed: &str| {
        let record = measured(wattmul().args(["--json", "--no-save", "--seed", seed]).args(BRIEF));
        record.inputs[&Init::Gaussian].digest_a.clone()
    };
    let first = digest("5");
    assert_eq!(first, digest("5"));
    assert_ne!(first, digest("6"));
}

#[test]
fn a_pinned_kernel_runs_and_the_printed_shader_is_the_one_that_ran() {
    if no_software_driver() {
        return;
    }
    let list = wattmul().args(["kernel", "--list"]).assert().success();
    let list = String::from_utf8(list.get_output().stdout.clone()).unwrap();
    let name = list.lines().last().unwrap().split_whitespace().next().unwrap();
    let shader = wattmul().args(["kernel", "--print", name]).assert().success();
    let record = measured(wattmul().args(["--json", "--no-save", "--kernel", name]).args(BRIEF_TUNED));
    assert_eq!(record.kernel.variant, name);
    assert_eq!(record.kernel.wgsl_digest, blake3::hash(&shader.get_output().stdout).to_hex().to_string());
}

#[test]
fn what_cannot_be_is_one_line_that_names_the_mend() {
    if no_software_driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let file = file.to_str().unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["--size", "0"], 2, "--size"),
        (&["--size", "1000000"], 2, "the largest that does is --size 5760"),
        (&["--size", "99999999999999999999"], 2, "--size"),
        (&["--size", "-1"], 2, "--size"),
        (&["--rounds", "0"], 2, "--rounds"),
        (&["--window", "0"], 2, "--window"),
        (&["--window", "NaN"], 2, "--window"),
        (&["--init", "zeros"], 2, "--init"),
        (&["--init", "zeros,ones!"], 2, "zeros, ones, constant:3.14159, gaussian"),
        (&["--init", "zeros,sparse:1.5"], 2, "above 0 and below 1"),
        (&["--init", "zeros,mantissa:99"], 2, "from 0 to 22"),
        (&["--init", "gaussian,zeros,gaussian:1"], 2, "gaussian twice"),
        (&["--init", "gaussian,zeros", "--atlas"], 2, "--atlas"),
        (&["--backend", "cuda"], 2, "vulkan"),
        (&["--backend", "metal"], 1, "--backend"),
        (&["--adapter", "RTX 9090"], 1, "llvmpipe"),
        (&["--adapter", "7"], 1, "llvmpipe"),
        (&["--kernel", "fast"], 2, "128x128x8/8x8"),
        (&["--power", "wish"], 2, "nvml:0"),
        (&["--power", "nvml:0"], 1, "install NVIDIA's driver"),
        (&["--lock-clock", "1000"], 1, "--lock-clock"),
        (&["--lock-clock", "0"], 2, "--lock-clock"),
        (&["--results", "/proc/nowhere"], 1, "--results"),
        (&["--results", file], 1, "--results"),
    ];
    for (arguments, code, fix) in cases {
        let output = wattmul().args(*arguments).assert().code(*code).stdout(is_empty()).stderr(contains(*fix));
        let error = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(!error.contains("panicked"), "{error}");
        if *code == 1 {
            assert!(error.starts_with("wattmul: "), "{error}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no half-written file");
}

#[test]
fn a_machine_without_a_driver_or_without_a_loader_is_told_what_to_install() {
    if no_software_driver() {
        return;
    }
    let mut nothing = wattmul();
    nothing.env("VK_DRIVER_FILES", "/nonexistent.json").env("VK_ICD_FILENAMES", "/nonexistent.json");
    nothing.assert().code(1).stdout(is_empty()).stderr(contains("offers no adapter").and(contains("driver")));
}

#[test]
fn an_error_of_several_lines_is_shown_in_lines() {
    if no_software_driver() {
        return;
    }
    let output = wattmul().args(["--no-save", "--adapter", "no such"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines.len() >= 2 && lines[0].starts_with("wattmul: no adapter is called 'no such'"), "{error}");
    assert!(lines[1..].iter().all(|line| line.starts_with("  ")), "{error}");
}

/// A limit on the address space stands for a card whose memory is full: five matrices of 100 MB do not fit.
#[test]
fn memory_that_runs_out_is_an_error_and_no_panic() {
    if no_software_driver() {
        return;
    }
    let output = common::on_software_driver(std::process::Command::new("sh"))
        .args(["-c", "ulimit -v 900000; exec \"$0\" --no-save --size 5000 --kernel direct/8x16"])
        .arg(assert_cmd::cargo::cargo_bin("wattmul"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("memory is full") && error.contains("--size"), "{error}");
    assert!(!error.contains("panicked"), "{error}");
}

/// The same limit, for more inits than fit.
#[test]
fn inits_that_do_not_fit_are_told_how_many_do() {
    if no_software_driver() {
        return;
    }
    let output = common::on_software_driver(std::process::Command::new("sh"))
        .args(["-c", "ulimit -v 1200000; exec \"$0\" --no-save --atlas --size 3000 --kernel direct/8x16"])
        .arg(assert_cmd::cargo::cargo_bin("wattmul"))
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("of these 20 inits: name ") && error.contains(" at most with --init"), "{error}");
}

#[test]
fn an_atlas_multiplies_what_it_says_and_counts_its_bits() {
    if no_software_driver() {
        return;
    }
    let record = measured(wattmul().args(["--json", "--no-save", "--atlas"]).args(BRIEF));
    assert_eq!((&record.plan.inits[..], record.windows.len()), (&Init::ALL[..], 2 * Init::ALL.len()));
    assert!(record.windows.iter().all(|window| window.products_right), "{:?}", record.verdict);
    for init in Init::ALL {
        assert_eq!(
            record.inputs[&init].activity,
            Some(Activity::of(wattmul::operands::dtype::Dtype::F32, init, 0, 128, record.kernel.order)),
            "{init}"
        );
        assert_eq!(record.summary.ratios.contains_key(&init), init != Init::Zeros);
    }
    assert_eq!(record.kernel.order, Kernel::named(&record.kernel.variant).unwrap().order());
    assert_eq!(Law::of(&record).unwrap_err(), NoLaw::NoPower);
    assert_eq!((summary::of(&record), validity::of(&record)), (record.summary.clone(), record.verdict.clone()));
}

/// AMD's driver with made-up hardware shows an adapter that cannot be opened.
#[test]
fn a_device_that_does_not_open_is_an_error_and_no_panic() {
    let Some(mut command) = common::on_made_up_amd("NAVI21") else { return };
    let results = tempfile::tempdir().unwrap();
    let output = command
        .args(BRIEF)
        .arg("--results")
        .arg(results.path())
        .assert()
        .code(1)
        .stderr(contains("does not open it").and(contains("--adapter")));
    let error = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(!error.contains("panicked"), "{error}");
    assert_eq!(records(results.path()), []);
}

mod signals {
    use super::*;
    use common::{LONG, Running};
    use std::time::Duration;

    fn long_run(results: &std::path::Path) -> Running {
        Running::start(common::program().args(LONG).arg("--results").arg(results))
    }

    #[test]
    fn a_run_that_is_stopped_late_saves_what_it_has_and_says_so() {
        if no_software_driver() {
            return;
        }
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            let results = tempfile::tempdir().unwrap();
            let running = long_run(results.path()).after_windows(5);
            common::signal(&running.child, signal);
            let (code, _, error) = running.end_now();
            assert_eq!(code, Some(3), "an invalid record was saved: {error}");
            let [(_, record)] = &records(results.path())[..] else { panic!("one record") };
            assert_eq!(record.verdict.status, Status::Invalid);
            assert!(record.verdict.has("stopped-early"));
            assert!(record.windows.len() >= 5 && record.windows.len() < 200, "{}", record.windows.len());
        }
    }

    #[test]
    fn a_run_that_is_stopped_early_saves_nothing() {
        if no_software_driver() {
            return;
        }
        let results = tempfile::tempdir().unwrap();
        let running = long_run(results.path());
        std::thread::sleep(Duration::from_millis(300));
        common::signal(&running.child, libc::SIGINT);
        let (code, _, error) = running.end_now();
        assert!(matches!(code, Some(1) | None), "{code:?}: {error}"); // None: before the handler stood
        assert_eq!(records(results.path()), []);
    }
}

/// What won once says little of today's clock and driver: every run tries all.
#[test]
fn all_kernels_that_suit_are_tried_at_each_run() {
    if no_software_driver() {
        return;
    }
    let run = || measured(wattmul().args(["--json", "--no-save"]).args(BRIEF_TUNED)).kernel;
    for kernel in [run(), run()] {
        let best = kernel.tuning.iter().filter_map(|trial| Some((trial.time_s?, &trial.kernel)));
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        assert!(kernel.tuning.len() >= 4 && *best.1 == kernel.variant, "{kernel:?}");
    }
}
