//! What can go wrong in the middle of a run, from outside: the run ends soon, with a word why and the exit code that is
//! documented; what was measured is kept; no half of a record is left, and no locked clock.
#![cfg(target_os = "linux")]

use crate::common;

use common::{BRIEF, HANG, LONG, Locked, Running, no_software_driver, only_record, records, run_of, wattmul};
use predicates::prelude::*;
use predicates::str::contains;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use wattmul::host::claim::Claim;
use wattmul::record::{AdapterInfo, Record, Status};

/// Four windows of a good second each.
const MEDIUM: &[&str] = &run_of("2", "1.2");

fn run(results: &Path) -> Command {
    let mut command = common::program();
    command.arg("--results").arg(results);
    command
}

mod device {
    use super::*;

    /// A software driver whose device is lost once a file is there.
    fn losable(command: &mut Command, folder: &Path) -> PathBuf {
        let (manifest, lost) = (folder.join("driver.json"), folder.join("lost"));
        common::write_manifest(&manifest, &common::fake("libfake_vulkan.so"));
        common::on_driver(command, &manifest);
        command.env("FAKE_VULKAN_DRIVER", common::software_library()).env("VULKAN_DOUBLE_LOST", &lost);
        lost
    }

    #[test]
    fn that_is_lost_after_the_first_round_leaves_what_was_measured() {
        if no_software_driver() {
            return;
        }
        let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut command = run(results.path());
        let lost = losable(&mut command, folder.path());
        let running = Running::start(command.args(LONG)).after_windows(3);
        std::fs::write(lost, "").unwrap();
        let (code, output, error) = running.end_now();
        assert_eq!(code, Some(3), "{error}");
        let record = only_record(results.path());
        assert!((3..100).contains(&record.windows.len()), "{}", record.windows.len());
        assert_eq!(record.verdict.status, Status::Invalid);
        assert!(record.verdict.has("stopped-early"));
        assert!(record.run.halted.as_ref().unwrap().contains("the GPU was lost"), "{:?}", record.run.halted);
        assert!(output.contains("INVALID") && output.contains("see the system's log"), "{output}");
    }

    #[test]
    fn that_is_lost_before_leaves_nothing_but_the_cause() {
        if no_software_driver() {
            return;
        }
        let (folder, results) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut command = run(results.path());
        std::fs::write(losable(&mut command, folder.path()), "").unwrap();
        let (code, _, error) = Running::start(command.args(LONG)).end();
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains("wattmul: the GPU was lost"), "{error}");
        assert_eq!(records(results.path()), []);
    }
}

mod sensor {
    use super::*;

    #[test]
    fn that_fails_or_is_unloaded_in_mid_run_is_named_and_the_clock_is_freed() {
        if no_software_driver() {
            return;
        }
        // Two reads, of power and of energy, a hundred times a second: in the middle of the four windows.
        for (words, cause) in [("lost-after=900", "reset the GPU"), ("unloaded-after=900", "NVML")] {
            let scene = Locked::new();
            let (code, _, error) = Running::start(scene.command(words).args(MEDIUM)).end();
            assert_eq!(code, Some(3), "{words}: {error}");
            let record = only_record(&scene.results());
            assert!(record.verdict.has("sensor-lost"), "{words}: {:?}", record.verdict);
            assert_eq!(record.windows.len(), 4, "the run goes on");
            let why = record.run.last_failure.as_ref().unwrap();
            assert!(record.run.failed_reads > 0 && why.contains(cause), "{words}: {why}");
            assert!(record.summary.inits.values().all(|init| init.energy_j.is_none()), "{:?}", record.summary);
            assert_eq!(scene.clock(), ["locked 1000 1000", "unlocked"], "{words}");
        }
    }

    /// The library does not even let the clock go while it is busy: that falls to the guard.
    #[test]
    fn that_blocks_for_5_seconds_keeps_neither_the_run_nor_the_clock() {
        if no_software_driver() {
            return;
        }
        let scene = Locked::new();
        let (code, _, error) = Running::start(scene.command("blocks-after=900").args(MEDIUM)).end();
        assert_eq!(code, Some(3), "{error}");
        let record = only_record(&scene.results());
        assert!(record.verdict.has("sensor-lost"), "{:?}", record.verdict);
        assert!(record.run.last_failure.as_ref().unwrap().contains("no answer within"), "{:?}", record.run);
        assert!(scene.is_freed(), "{:?}: {error}", scene.clock());
    }

    #[test]
    fn that_blocks_does_not_keep_a_run_from_being_stopped() {
        if no_software_driver() {
            return;
        }
        let scene = Locked::new();
        let running = Running::start(scene.command("blocks-after=300").args(LONG)).after_windows(1);
        common::signal(&running.child, libc::SIGINT);
        let (code, _, error) = running.end_now();
        assert!(matches!(code, Some(1 | 3)), "{code:?}: {error}");
        assert!(scene.is_freed(), "{:?}: {error}", scene.clock());
    }
}

mod folder {
    use super::*;

    #[test]
    fn that_is_removed_in_mid_run_is_made_again() {
        if no_software_driver() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("some/results");
        let running = Running::start(run(&results).args(MEDIUM)).after_windows(1);
        std::fs::remove_dir_all(folder.path().join("some")).unwrap();
        let (code, _, error) = running.end();
        assert!(matches!(code, Some(0 | 3)), "{code:?}: {error}");
        assert_eq!(only_record(&results).windows.len(), 4);
    }

    #[test]
    fn that_cannot_be_made_again_does_not_cost_the_record() {
        if no_software_driver() {
            return;
        }
        let (folder, temporary) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let results = folder.path().join("results");
        let running = Running::start(run(&results).args(MEDIUM).env("TMPDIR", temporary.path())).after_windows(1);
        std::fs::remove_dir_all(&results).unwrap();
        std::fs::write(&results, "a file in its place").unwrap();
        let (code, output, error) = running.end();
        assert_eq!(code, Some(1), "{error}");
        assert!(
            output.contains("zeros against gaussian") && !output.contains("saved"),
            "the answer is shown: {output}"
        );
        is_rescued(temporary.path(), &error);
    }

    /// Is the one record in the temporary folder, as the error says?
    fn is_rescued(temporary: &Path, error: &str) {
        let saved: Vec<PathBuf> = std::fs::read_dir(temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
        let [path] = &saved[..] else { panic!("{saved:?}") };
        assert!(error.contains(&format!("the record is in {} instead", path.display())), "{error}");
        assert!(error.contains("--results"), "{error}");
        let record: Record = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        assert_eq!(record.windows.len(), 4);
    }

    /// Runs the program with its results on a disk of 300 KB, which is full from the start, or once the file `full` exists.
    /// What is in the results folder at the end goes into `left`.
    fn on_a_small_disk(folder: &Path, full_at_once: bool) -> Option<Running> {
        let script = r#"
            mount -t tmpfs -o size=300k tmpfs "$1/results" || exit 77
            fill() { dd if=/dev/zero of="$1/results/other" bs=1k 2>/dev/null; touch "$1/filled"; }
            if [ "$2" = true ]; then fill "$1"; else (until [ -e "$1/full" ]; do sleep 0.02; done; fill "$1") & fi
            shift 2; "$@"; code=$?
            ls -A "$0/results" >"$0/left"; exit $code"#;
        let script = script.replace("$0/", &format!("{}/", folder.display()));
        std::fs::create_dir(folder.join("results")).unwrap();
        std::fs::create_dir(folder.join("temporary")).unwrap();
        let mut command = common::on_software_driver(Command::new("unshare"));
        command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]).arg(folder);
        command.arg(full_at_once.to_string()).arg(assert_cmd::cargo::cargo_bin("wattmul"));
        command.arg("--results").arg(folder.join("results")).args(MEDIUM).env("TMPDIR", folder.join("temporary"));
        let mounts = "unshare --map-root-user --mount mount -t tmpfs tmpfs /mnt";
        let possible = Command::new("sh").args(["-c", mounts]).output().is_ok_and(|output| output.status.success());
        if common::skipped(!possible, "a small disk needs the right to mount one") {
            return None;
        }
        Some(Running::start(&mut command))
    }

    #[test]
    fn that_is_full_before_the_run_is_found_before_the_run() {
        if no_software_driver() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let Some(running) = on_a_small_disk(folder.path(), true) else { return };
        let (code, output, error) = running.end();
        assert_eq!((code, output.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains("No space left on device") && error.contains("--results"), "{error}");
        assert_eq!(std::fs::read_to_string(folder.path().join("left")).unwrap(), "other\n");
    }

    #[test]
    fn that_fills_up_in_mid_run_does_not_cost_the_record() {
        if no_software_driver() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let Some(running) = on_a_small_disk(folder.path(), false) else { return };
        let running = running.after_windows(1);
        std::fs::write(folder.path().join("full"), "").unwrap();
        let (code, output, error) = running.end();
        assert!(folder.path().join("filled").exists());
        assert_eq!(code, Some(1), "{error}");
        assert!(output.contains("zeros against gaussian"), "the answer is shown: {output}");
        assert!(error.contains("No space left on device"), "{error}");
        is_rescued(&folder.path().join("temporary"), &error);
        assert_eq!(std::fs::read_to_string(folder.path().join("left")).unwrap(), "other\n", "no half of a record");
    }
}

mod signals {
    use super::*;
    use std::hash::{BuildHasher, RandomState};
    use std::os::unix::process::ExitStatusExt;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A number from 0 to 1 that is another one each time.
    fn random() -> f64 {
        RandomState::new().hash_one(()) as f64 / u64::MAX as f64
    }

    /// How long a run takes that nothing disturbs, and a little more.
    const WHOLE: Duration = Duration::from_secs(8);

    /// Ends a run by a signal at some moment of it, and looks at what it leaves.
    fn strike(signal: i32, after: Duration) {
        let scene = Locked::new();
        let mut child = scene.command("").args(BRIEF).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(after);
        common::signal(&child, signal);
        let what = format!("signal {signal} after {after:?}");
        if !common::comes(HANG, || child.try_wait().unwrap().is_some()) {
            let _ = child.kill();
            panic!("{what}: hangs");
        }
        let status: ExitStatus = child.wait().unwrap();
        assert!(scene.is_freed(), "{what}: {:?}", scene.clock());

        let results = scene.results();
        if signal == libc::SIGKILL && results.exists() {
            // A file that never got its name is no record.
            for entry in std::fs::read_dir(&results).unwrap().flatten() {
                if entry.file_name().to_string_lossy().starts_with(".wattmul-") {
                    std::fs::remove_file(entry.path()).unwrap();
                }
            }
        }
        let saved = if results.exists() { records(&results) } else { vec![] }; // whole, or this panics
        match status.code() {
            // Done before the signal came.
            Some(0) => assert_eq!(saved.len(), 1, "{what}"),
            Some(3) => assert_eq!(saved[0].1.verdict.status, Status::Invalid, "{what}"),
            Some(1) => assert!(saved.is_empty(), "{what}"),
            None if signal == libc::SIGKILL => assert!(saved.len() <= 1, "{what}"),
            // Before the handler stood.
            None if status.signal() == Some(signal) => assert!(saved.is_empty() && scene.clock().is_empty(), "{what}"),
            _ => panic!("{what}: {status}"),
        }
    }

    /// At so many random moments, spread over the run; some runs side by side.
    fn strike_often(count: usize) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= count {
                            break;
                        }
                        let signal = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGKILL][i % 4];
                        strike(signal, WHOLE.mul_f64((i as f64 + random()) / count as f64));
                    }
                });
            }
        });
    }

    #[test]
    fn at_20_random_moments_leave_no_half_record_and_no_locked_clock() {
        if !no_software_driver() {
            strike_often(20);
        }
    }

    #[test]
    #[ignore = "takes minutes"]
    fn at_200_random_moments_leave_no_half_record_and_no_locked_clock() {
        if !no_software_driver() {
            strike_often(200);
        }
    }

    #[test]
    fn that_kill_a_run_leave_its_clock_to_the_guard() {
        if no_software_driver() {
            return;
        }
        let scene = Locked::new();
        let mut running = Running::start(scene.command("").args(LONG)).after_windows(1);
        running.child.kill().unwrap();
        assert_eq!(running.child.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert!(scene.is_freed(), "{:?}", scene.clock());
        assert_eq!(scene.clock(), ["locked 1000 1000", "unlocked"]);
    }
}

/// The wall clock is set back by years in the middle of a run: nothing that is measured rests on it.
#[test]
fn a_wall_clock_that_jumps_moves_no_figure() {
    if no_software_driver() {
        return;
    }
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let library = folders.map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    let library = library.iter().find(|path| path.exists());
    if common::skipped(library.is_none(), "libfaketime is not installed (Debian: apt install libfaketime)") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (clock, results) = (folder.path().join("clock"), folder.path().join("results"));
    std::fs::write(&clock, "+3000d\n").unwrap();
    let mut command = run(&results);
    command.env("LD_PRELOAD", library.unwrap()).env("FAKETIME_TIMESTAMP_FILE", &clock);
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    let running = Running::start(command.args(MEDIUM)).after_windows(1);
    std::fs::write(&clock, "-3000d\n").unwrap();
    let (code, _, error) = running.end();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {error}");
    let record = only_record(&results);
    let year = jiff::Zoned::now().year();
    assert!(record.run.started[..4].parse::<i16>().unwrap() > year + 7, "the clock was false: {}", record.run.started);
    assert_eq!(record.windows.len(), 4);
    for window in &record.windows {
        assert!((1.2..10.0).contains(&window.duration_s), "{window:?}");
        assert!((window.device_s.unwrap() / window.duration_s - 1.0).abs() < 0.1, "{window:?}");
    }
    assert!(record.windows.is_sorted_by_key(|window| (window.start_s * 1e6) as u64));
}

mod two_runs {
    use super::*;

    #[test]
    fn on_one_software_adapter_go_on_and_the_second_is_told() {
        if no_software_driver() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut first = Running::start(run(&folder.path().join("results")).args(LONG).env("TMPDIR", folder.path()))
            .after_windows(1);
        let told = contains("another wattmul measures llvmpipe");
        let mut second = wattmul();
        second.env("TMPDIR", folder.path()).arg("--no-save").args(BRIEF);
        assert!(told.eval(&String::from_utf8(second.output().unwrap().stdout).unwrap().replace("\n          ", " ")));
        first.child.kill().unwrap();
        first.child.wait().unwrap();
        let alone = second.output().unwrap();
        assert!(!String::from_utf8(alone.stdout).unwrap().contains("another"), "the claim died with its run");
    }

    /// AMD's driver with made-up hardware shows an adapter that is no software.
    #[test]
    fn on_one_gpu_are_not_had_the_second_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        if common::on_made_up_amd("NAVI21").is_none() {
            return;
        }
        let program = |arguments: &[&str]| {
            let mut command = common::on_made_up_amd("NAVI21").unwrap();
            command.env("TMPDIR", folder.path()).args(arguments);
            command
        };
        let devices = program(&["devices", "--json"]).output().unwrap();
        let devices: serde_json::Value = serde_json::from_slice(&devices.stdout).unwrap();
        let mut adapter = devices["adapters"][0].clone();
        adapter.as_object_mut().unwrap().retain(|key, _| !["allowed", "why", "matrix_units"].contains(&key.as_str()));
        let adapter: AdapterInfo = serde_json::from_value(adapter).unwrap();
        let run = || program(&[&["--no-save"], BRIEF].concat()).assert().code(1);
        run().stderr(contains("does not open it"));
        let held = Claim::within(folder.path(), &adapter, 0).unwrap();
        run().stderr(contains("another wattmul measures").and(contains("choose another --adapter")));
        drop(held);
        run().stderr(contains("does not open it"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
