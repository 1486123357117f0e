//! The power limit is set, and is what it was before however the run ends, on the stand-ins for both vendors' libraries.

use crate::common;
use crate::common::{BRIEF, Running, fake_nvml, no_software_driver};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use wattmul::record::Record;

/// No default, and none of the limits that are set.
const BEFORE_MW: &str = "273500";

/// A device whose power limit outlives the program.
struct Limited {
    library: TempDir,
    folder: TempDir,
}

impl Limited {
    fn new() -> Self {
        let scene = Limited { library: fake_nvml(), folder: tempfile::tempdir().unwrap() };
        fs::write(scene.at("limit"), BEFORE_MW).unwrap();
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, words: &str) -> Command {
        let mut command = common::program();
        let words = format!("limit={} log={} {words}", self.at("limit").display(), self.at("log").display());
        command.env("LD_LIBRARY_PATH", self.library.path()).env("FAKE_NVML", words).env("TMPDIR", self.folder.path());
        command
    }

    fn sweep(&self, words: &str, limits: &str) -> Command {
        let mut command = self.program(words);
        command.args(["sweep", "--power", "nvml:0", "--power-limits", limits, "--results"]).arg(self.at("results"));
        command.args(BRIEF);
        command
    }

    fn limit_mw(&self) -> String {
        fs::read_to_string(self.at("limit")).unwrap()
    }

    /// The limits that were set, in order.
    fn limits(&self) -> Vec<String> {
        let text = fs::read_to_string(self.at("log")).unwrap_or_default();
        text.lines().filter_map(|line| line.strip_prefix("limited ")).map(str::to_owned).collect()
    }

    /// Is the limit what it was, now or soon? A guard does it when the program is gone already.
    fn is_restored(&self) -> bool {
        common::comes(Duration::from_secs(60), || self.limit_mw() == BEFORE_MW)
    }
}

#[test]
fn a_sweep_sets_each_limit_and_afterwards_it_is_what_it_was() {
    if no_software_driver() {
        return;
    }
    let scene = Limited::new();
    let done = common::patiently(scene.sweep("", "150,200")).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(matches!(done.status.code(), Some(0 | 3)), "{text}{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(scene.limits(), ["150000", BEFORE_MW, "200000", BEFORE_MW]);
    assert_eq!(scene.limit_mw(), BEFORE_MW);
    let records: Vec<Record> = common::records(&scene.at("results")).into_iter().map(|(_, record)| record).collect();
    let mut limits: Vec<u32> = records.iter().map(|record| record.plan.power_limit_w.unwrap()).collect();
    limits.sort_unstable();
    assert_eq!(limits, [150, 200]);
    for record in &records {
        let source = record.source.as_ref().unwrap();
        assert_eq!(source.power_limit_w, record.plan.power_limit_w.map(f64::from), "the limit in force");
        assert_eq!(source.default_power_limit_w, Some(350.0));
    }
    assert!(text.contains("2 power limits") && text.contains("energy × time"), "{text}");

    let spread = common::patiently(scene.sweep("", "5")).output().unwrap();
    assert!(matches!(spread.status.code(), Some(0 | 3)), "{spread:?}");
    let set: Vec<String> = scene.limits().into_iter().skip(4).filter(|limit| limit != BEFORE_MW).collect();
    assert_eq!(set, ["100000", "162000", "225000", "287000", "350000"]);
}

#[test]
fn a_limit_that_cannot_be_set_is_one_line_and_changes_nothing() {
    if no_software_driver() {
        return;
    }
    let scene = Limited::new();
    let refused = |words: &str, limits: &str, code: i32, what: &[&str]| {
        let output = common::patiently(scene.sweep(words, limits)).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert!(what.iter().all(|what| error.contains(what)), "{error}");
    };
    refused("", "150,400", 2, &["--power-limits", "does not have 400, but 100 to 350 in steps of 1 W"]);
    refused("no-permission", "150,200", 1, &["as root", "sudo nvidia-smi --power-limit=WATTS"]);
    assert_eq!((scene.limits().len(), scene.limit_mw().as_str()), (0, BEFORE_MW));
    let mut two = scene.program("");
    let two = two.args(["sweep", "--clocks", "600,900", "--power-limits", "150,200"]).output().unwrap();
    assert_eq!(two.status.code(), Some(2), "one knob at a time");
}

#[test]
fn a_stopped_sweep_restores_the_limit_at_once() {
    if no_software_driver() {
        return;
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        let scene = Limited::new();
        let running = Running::start(&mut scene.sweep("", "150,200"));
        assert!(common::comes(Duration::from_secs(60), || !scene.limits().is_empty()));
        common::signal(&running.child, signal);
        running.end_now();
        assert_eq!(scene.limits(), ["150000", BEFORE_MW], "after signal {signal}");
    }
}

/// How often a program is killed; WATTMUL_KILLS says another number.
const KILLS: usize = 12;

/// However soon the next one begins: it waits for the guard, and so never takes for the device's own a limit that is about to go.
#[test]
fn no_kill_at_any_moment_leaves_a_limit_that_was_set() {
    if no_software_driver() {
        return;
    }
    let kills = std::env::var("WATTMUL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut random = ChaCha8Rng::seed_from_u64(RandomState::new().build_hasher().finish());
    let scene = Limited::new();
    let mut limited = 0;
    for kill in 0..kills {
        let mut program = scene.sweep("", "150,200,250");
        program.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut child = program.spawn().unwrap();
        // Half of the moments lie in the start, where the limit is set for the first time.
        let longest_ms = if kill % 2 == 0 { 800 } else { 5000 };
        std::thread::sleep(Duration::from_millis(random.next_u64() % longest_ms));
        let _ = child.kill();
        child.wait().unwrap();
        limited += usize::from(scene.limit_mw() != BEFORE_MW);
        if random.next_u32() % 2 == 0 {
            assert!(scene.is_restored(), "after kill {kill}: {}", scene.limit_mw());
        }
    }
    assert!(scene.is_restored(), "{}", scene.limit_mw());
    // Before and after each limit of a run comes the device's own: none was ever taken for it.
    let limits = scene.limits();
    assert!(limits.iter().all(|limit| ["150000", "200000", "250000", BEFORE_MW].contains(&&limit[..])), "{limits:?}");
    println!("{kills} kills, {limited} of them while a limit was set, {} limits set", limits.len());
}
