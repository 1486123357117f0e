//! Whole runs with a meter of the user's own: beside the stand-in for NVIDIA's sensor (tests/fakes/nvml.rs), whose log it reads as if
//! it hung at the machine's plug, and in the sensor's place.
#![cfg(target_os = "linux")]

use crate::common;

use common::{BRIEF, fake_nvml, no_software_driver, only_record, run_of, wattmul};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use wattmul::record::{Lead, MeterInterface, PowerKind, Record, Scope};

/// The supply loses a fifth of what it takes, and the rest of the machine takes 80 W at the plug.
const GAIN: f64 = 0.8;
const REST_W: f64 = 80.0;

/// A meter at the plug: `seconds,watts` by the log of the stand-in, which grows by a line ten times a second.
const PLUG: &str = r#"#!/bin/sh
until [ -e "$1" ]; do sleep 0.1; done
tail -n +1 -f "$1" | while read -r seconds millijoules; do
    now_ms=$(printf %.0f "${seconds}e3") now_mj=$(printf %.0f "$millijoules")
    if [ -n "$ms" ] && [ "$now_ms" -gt "$ms" ]; then
        wall_mw=$(((now_mj - mj) * 1000 / (now_ms - ms) * 5 / 4 + 80000))
        printf '%s,%d.%03d\n' "$seconds" $((wall_mw / 1000)) $((wall_mw % 1000))
    fi
    ms=$now_ms mj=$now_mj
done
"#;

/// Long enough for idle and load to be told apart.
const RUN: &[&str] = &run_of("3", "2");

/// A folder with the script and the log, and what runs it.
struct Plug {
    folder: tempfile::TempDir,
    library: tempfile::TempDir,
}

impl Plug {
    fn new() -> Self {
        let plug = Plug { folder: tempfile::tempdir().unwrap(), library: fake_nvml() };
        let script = plug.at("cellar-plug.sh");
        fs::write(&script, PLUG).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        plug
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> String {
        format!("wall:command:{} {}", self.at("cellar-plug.sh").display(), self.at("log").display())
    }

    /// Runs and validates; gives the record and what was said on standard error and output.
    fn measured(&self, options: &[&str]) -> (Record, String, String) {
        let results = self.at("results");
        let _ = fs::remove_dir_all(&results);
        let mut run = wattmul();
        let words = format!("period_ms=100 log={}", self.at("log").display());
        run.env("LD_LIBRARY_PATH", self.library.path()).env("FAKE_NVML", words);
        let run = run.args(options).arg("--results").arg(&results).output().unwrap();
        let [errors, output] = [&run.stderr, &run.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(matches!(run.status.code(), Some(0 | 3)), "{options:?}: {errors}");
        let validated = wattmul().arg("validate").arg(&results).output().unwrap();
        assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stdout));
        let record = only_record(&results);
        tells_nothing(&record, self.folder.path(), options);
        (record, errors, output)
    }

    fn report(&self) -> String {
        let report = wattmul().arg("report").arg(self.at("results")).args(["--all", "--details"]).output().unwrap();
        String::from_utf8_lossy(&report.stdout).into_owned()
    }
}

/// Neither the command nor a path or an address of it stands in the record.
fn tells_nothing(record: &Record, folder: &Path, options: &[&str]) {
    let text = record.to_json();
    let secrets = [folder.to_str().unwrap(), "cellar", "127.0.0.1", "apower", "echo"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} of {options:?} is in {text}");
    }
}

/// A text in one line, however it was wrapped.
fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_meter_at_the_wall_calibrates_the_sensor_beside_it() {
    if no_software_driver() {
        return;
    }
    let plug = Plug::new();
    let (record, _, output) = plug.measured(&[RUN, &["--power", "nvml:0", "--meter", &plug.command()]].concat());
    let meter = record.meter.as_ref().unwrap();
    assert_eq!((meter.interface, meter.scope, &meter.ended), (MeterInterface::Command, Scope::System, &None));
    let found = record.summary.meter.as_ref().unwrap();
    let line = found.calibration.as_ref().unwrap_or_else(|| panic!("{found:?}"));
    let offset_w = -REST_W * GAIN;
    println!("gain {:.4} of {GAIN}, offset {:.2} of {offset_w} W", line.gain.estimate, line.offset_w.estimate);
    assert!((line.gain.estimate / GAIN - 1.0).abs() < 0.03, "{line:?}");
    assert!((line.offset_w.estimate - offset_w).abs() < 6.0, "{line:?}");
    // The sensor is the board's own: nothing of the wall's is taken for it.
    assert_eq!(record.scope(), Some(Scope::Board));
    for text in [output, plug.report()] {
        let text = unwrapped(&text);
        assert!(text.contains("at the wall, by a command") && text.contains("sensor = 0."), "{text}");
    }
}

#[test]
fn a_meter_that_dies_is_named_during_the_run_and_in_the_record() {
    if no_software_driver() {
        return;
    }
    let plug = Plug::new();
    let once = plug.at("said");
    let dying = format!("wall:command:[ -e {0} ] && exit 3; touch {0}; echo 100", once.display());
    let (record, errors, output) = plug.measured(&[RUN, &["--power", "nvml:0", "--meter", &dying]].concat());
    let meter = record.meter.as_ref().unwrap();
    assert_eq!((meter.power_w.as_slice(), meter.starts), (&[100.0][..], 6));
    let why = "its command ended 5 times in a row without a figure (exit status: 3)";
    assert_eq!(meter.ended.as_deref(), Some(why));
    assert!(
        unwrapped(&errors).contains(&format!("nothing more comes of the meter: {why}. The run goes on.")),
        "{errors}"
    );
    assert!(unwrapped(&output).contains(why), "{output}");
    assert!(record.summary.meter.unwrap().silent_s.unwrap() > 5.0);
    assert_eq!(record.windows.len(), 6);
}

#[test]
fn a_meter_takes_the_sensors_place_and_its_watts_are_the_whole_machines() {
    if no_software_driver() {
        return;
    }
    let plug = Plug::new();
    // 80 W of the machine's, and 100 W for each core that the program keeps busy, by its ticks of 10 ms.
    let power = "meter:wall:command:while sleep 0.1; do \
                 stat=$(cat /proc/$PPID/stat); set -- ${stat##*)}; now=$((${12} + ${13})); \
                 [ -n \"$ticks\" ] && echo $((80 + 10 * (now - ticks))); ticks=$now; done";
    let (record, _, output) = plug.measured(&[RUN, &["--power", power]].concat());
    let source = record.source.as_ref().unwrap();
    assert_eq!(
        (source.api.as_str(), source.scope, source.power),
        ("meter", Scope::System, Some(PowerKind::LateMs(2000)))
    );
    assert!(
        record.verdict.has("reaches-back"),
        "a plug's figures are older than so short a settling: {:?}",
        record.verdict
    );
    assert!(output.contains("power up to 2 s old · system"), "{output}");
    assert!(
        record.summary.inits.values().all(|of| of.power_w.is_some_and(|watts| watts > 100.0)),
        "{:?}",
        record.summary
    );
    assert_eq!(record.summary.sensor.offset_w, None, "the meter is what sensors are held against");
    assert!(unwrapped(&output).contains("of the whole machine, at the wall"), "{output}");
    let report = plug.report();
    assert!(report.contains("whole machines") && !report.contains("whole boards"), "{report}");

    // One that speaks of milliwatts is told by its figures.
    let power = "meter:wall:command:while sleep 0.05; do echo 15050$((i = (i + 1) % 10)); done";
    let (record, _, _) = plug.measured(&[BRIEF, &["--power", power]].concat());
    assert!(record.verdict.has("sensor-silent"), "{:?}", record.verdict);
    assert!(record.run.last_failure.unwrap().contains("divide them by 1000"));

    // One that never speaks: the run goes on, without watts.
    let (record, _, _) = plug.measured(&[BRIEF, &["--power", "meter:wall:http://127.0.0.1:9/cellar#apower"]].concat());
    assert!(record.verdict.has("sensor-silent"), "{:?}", record.verdict);
    assert_eq!(record.summary.sensor.lead, None::<Lead>);
    assert!(record.run.last_failure.unwrap().contains("connection refused"));
}

#[test]
fn meters_that_cannot_be_are_refused_in_a_line() {
    for (arguments, why) in [
        (&["--simulate", "h100", "--meter", "wall:hwmon"][..], "'--simulate <MODEL|list>' cannot be used with"),
        (&["--simulate", "h100", "--power", "meter:wall:hwmon"], "a simulated board has a sensor of its own"),
        (&["--meter", "wall:https://plug/#apower"], "asks without TLS: take a command instead, such as curl"),
        (&["--meter", "plug"], "names no meter"),
    ] {
        let output = wattmul().args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = said.lines().find(|line| line.contains(why));
        assert!(!output.status.success() && line.is_some(), "{arguments:?}: {said}");
    }
}
