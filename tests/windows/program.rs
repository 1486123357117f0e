//! The program as a user of Windows meets it.

use crate::common;
use crate::wine::Windows;

use common::{BRIEF, LONG, measured, only_record, records, wattmul};
use serde_json::Value;
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};
use wattmul::record::Status;

/// A folder of records, whose name no code page of eight bits holds whole.
const RESULTS: &str = "Ergebnisse δ 结果";

/// What a command prints, with single spaces; its outcome is of no concern.
fn said(command: &mut assert_cmd::Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_simulated_run_says_to_the_letter_what_it_says_on_linux() {
    let Some(windows) = Windows::start() else { return };
    let simulate = ["--simulate", "h100", "--no-save"];
    let here = wattmul().args(simulate).assert().success().get_output().stdout.clone();
    let there = windows.wattmul().args(simulate).assert().success().get_output().stdout.clone();
    assert_eq!(String::from_utf8(there).unwrap(), String::from_utf8(here).unwrap());
}

#[test]
fn devices_and_doctor_name_what_windows_has() {
    let Some(windows) = Windows::start() else { return };
    let devices = windows.wattmul().args(["devices", "--json"]).assert().success().get_output().stdout.clone();
    let devices: Value = serde_json::from_slice(&devices).unwrap();
    let adapter = &devices["adapters"][0];
    assert!(adapter["name"].as_str().unwrap().starts_with("llvmpipe") && adapter["backend"] == "vulkan", "{devices:#}");
    assert_eq!(devices["sensors"], Value::Array(vec![]));

    let doctor = windows.wattmul().args(["doctor", "--json"]).assert().code(3).get_output().stdout.clone();
    let doctor: Value = serde_json::from_slice(&doctor).unwrap();
    assert!(doctor.to_string().contains("llvmpipe"), "{doctor:#}");
    let text = said(windows.wattmul().arg("doctor"));
    assert!(text.contains("install the driver of your GPU's vendor"), "{text}");
    for foreign in ["sudo", "modprobe", "setup.sh", "apt ", "/dev/", "/sys/", "root"] {
        assert!(!text.contains(foreign), "{foreign}: {text}");
    }
    for (sensor, why) in [("rapl", "Linux alone has it"), ("adl", "AMD's Display Library (atiadlxx.dll) is not here")] {
        let text = said(windows.wattmul().args(["--power", sensor, "--no-save"]));
        assert!(text.contains(why), "{sensor}: {text}");
    }
}

#[test]
fn a_run_on_vulkan_is_saved_validated_and_reported_as_on_linux() {
    let Some(windows) = Windows::start() else { return };
    let results = windows.folder().join(RESULTS);
    windows.wattmul().args(["--backend", "vulkan", "--results", RESULTS]).args(BRIEF).assert().success();
    let [(path, record)] = &records(&results)[..] else { panic!("one record: {results:?}") };
    assert_eq!(record.verdict.status, Status::TimingOnly);
    assert!(record.windows.iter().all(|window| window.products_right && window.products > 0.0), "{:?}", record.windows);
    assert!(record.host.os.as_ref().is_some_and(|os| os.contains("Windows")), "{:?}", record.host);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(name.contains("-llvmpipe-vulkan-f32-n128-"), "{name}");
    assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter)), "{name}");

    windows.wattmul().args(["validate", RESULTS]).assert().success();
    wattmul().arg("validate").arg(&results).assert().success();
    for format in ["terminal", "html", "csv"] {
        let there = windows.wattmul().args(["report", RESULTS, "--format", format]).output().unwrap();
        let here =
            wattmul().current_dir(windows.folder()).args(["report", RESULTS, "--format", format]).output().unwrap();
        assert!(there.status.success(), "{there:?}");
        let there = String::from_utf8(there.stdout).unwrap().replace('\\', "/"); // in names of files
        assert_eq!(there, String::from_utf8(here.stdout).unwrap(), "{format}");
    }
}

/// A program in a folder with a space, an argument in quotation marks, and lines that end as on Windows.
#[test]
fn a_meter_of_ones_own_is_a_command_as_it_would_be_typed() {
    let Some(windows) = Windows::start() else { return };
    let folder = windows.folder().join("my meter");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("plug.bat"), "@echo %~1\r\n").unwrap();
    let mut command = windows.wattmul();
    command.args(["--power", r#"meter:wall:command:"my meter\plug.bat" "123.5""#, "--json", "--no-save"]);
    command.args(["--size", "128", "--kernel", "direct/8x16", "--warm-up", "0.5", "--settling", "0.3"]);
    let record = measured(command.args(["--rounds", "1", "--window", "3"]));
    let readings = record.trace.power_w.iter().flatten().collect::<Vec<_>>();
    assert!(!readings.is_empty() && readings.iter().all(|watts| **watts == 123.5), "{readings:?}");
}

/// What is typed on a console goes to the program, and what it says comes back.
struct Console {
    script: std::process::Child,
    said: Vec<u8>,
}

impl Console {
    fn start(windows: &Windows, line: &str) -> Self {
        let mut command = windows.console(line);
        let script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        Console { script, said: vec![] }
    }

    /// Waits until this is said, and types.
    fn after(&mut self, text: &str, typed: &[u8]) {
        let begun = Instant::now();
        let output = self.script.stdout.as_mut().unwrap();
        let mut more = [0; 4096];
        while !String::from_utf8_lossy(&self.said).contains(text) {
            let count = output.read(&mut more).unwrap();
            assert!(count > 0 && begun.elapsed() < Duration::from_secs(120), "{}", String::from_utf8_lossy(&self.said));
            self.said.extend(&more[..count]);
        }
        self.script.stdin.as_mut().unwrap().write_all(typed).unwrap();
    }

    /// The exit code, and all that was said.
    fn end(mut self) -> (Option<i32>, String) {
        self.script.stdout.take().unwrap().read_to_end(&mut self.said).unwrap();
        (self.script.wait().unwrap().code(), String::from_utf8_lossy(&self.said).into_owned())
    }
}

#[test]
fn ctrl_c_ends_a_run_and_keeps_the_rounds_that_were_complete() {
    const CTRL_C: &[u8] = b"\x03";
    let Some(windows) = Windows::start() else { return };
    let line = [&["wattmul.exe", "--results", "results"], LONG].concat().join(" ");
    let mut console = Console::start(&windows, &line);
    console.after("round 3/", CTRL_C);
    let (code, said) = console.end();
    assert_eq!(code, Some(3), "an invalid record is saved: {said}");
    let record = only_record(&windows.folder().join("results"));
    assert!((4..40).contains(&record.windows.len()), "{:?}", record.windows);
    assert!(record.verdict.has("stopped-early"), "{:?}", record.verdict);
    assert!(said.contains("saved results") && !said.contains("panicked"), "{said}");
    windows.wattmul().args(["validate", "results"]).assert().success();
}

/// America's code page has neither … nor ′, and a console shows them all the same.
#[test]
fn a_console_of_an_old_code_page_shows_every_letter() {
    let Some(windows) = Windows::start() else { return };
    let line = "cmd /c chcp 437 & chcp & wattmul.exe --simulate h100 --no-save";
    let (code, said) = Console::start(&windows, line).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("437"), "{said}");
    for text in ["·", "10000²", "1.000 … 1.000", "±0.3 %"] {
        assert!(said.contains(text), "{text}: {said}");
    }
}
