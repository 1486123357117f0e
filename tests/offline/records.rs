//! Records from strangers: validate, compare and report, from outside.

use crate::common;

use assert_cmd::Command;
use common::{longest_line, simulated};
use predicates::prelude::*;
use predicates::str::{contains, is_empty};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use wattmul::record::{Record, Units};
use wattmul::run::PlanOptions;

fn wattmul(arguments: &[&str], path: &Path) -> assert_cmd::assert::Assert {
    let mut command = Command::from_std(std::process::Command::new(assert_cmd::cargo::cargo_bin("wattmul")));
    command.timeout(std::time::Duration::from_secs(60)).args(arguments).arg(path).assert()
}

fn printed(assert: assert_cmd::assert::Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// A record as JSON, changed, under the name that fits its new content: as a forger would leave it.
fn forged(folder: &Path, record: &Record, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value = serde_json::to_value(record).unwrap();
    change(&mut value);
    let changed: Record = serde_json::from_value(value).unwrap();
    changed.save(folder).unwrap()
}

/// Every figure in a value, by its JSON pointer.
fn figures(value: &Value, pointer: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| figures(value, format!("{pointer}/{key}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| figures(value, format!("{pointer}/{i}"), found));
        }
        Value::Number(_) => found.push(pointer),
        _ => {}
    }
}

#[test]
fn the_schema_beside_the_records_is_that_of_the_program() {
    let committed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("results/schema.json")).unwrap();
    let fix = "renew it: cargo run -- validate --schema > results/schema.json";
    assert!(committed == Record::schema(), "{fix}");
}

#[test]
fn good_records_pass_and_what_is_committed_is_good() {
    let folder = tempfile::tempdir().unwrap();
    for model in
        ["a100", "rtx3090", "m5", "h100,thermal", "v100,frozen", "mi210,wrap", "a100,dropped-reads", "h100,nan"]
    {
        simulated(model, 3).save(folder.path()).unwrap();
    }
    wattmul(&["validate"], folder.path()).success().stdout("8 records: 8 good, 0 not\n");
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    // Of real GPUs there are forty large matrices, which a debug build makes in minutes.
    wattmul(&["validate", "--quick"], &results).success().stdout(contains(" 0 not").and(contains("0 records").not()));
}

/// The name of a file holds a digest of what is in it, so that no change passes while the name stays.
#[test]
fn every_changed_figure_is_found() {
    let record = simulated("a100", 0);
    let name = record.file_name();
    let value = serde_json::to_value(&record).unwrap();
    for part in ["summary", "windows", "trace"] {
        let mut pointers = vec![];
        figures(&value[part], format!("/{part}"), &mut pointers);
        assert!(pointers.len() > 20, "{part}");
        // The trace has thousands; a prime stride meets every column.
        let stride = if part == "trace" { 97 } else { 1 };
        for pointer in pointers.iter().step_by(stride) {
            let mut changed = value.clone();
            let figure = changed.pointer_mut(pointer).unwrap();
            *figure = match figure.as_u64() {
                Some(whole) => json!(whole + 1),
                None => json!(figure.as_f64().unwrap() * 1.001 + 0.001),
            };
            let changed: Record = serde_json::from_value(changed).unwrap();
            let text = changed.to_json();
            let found = wattmul::archive::validate::problems(
                Path::new(&name),
                &changed,
                text.as_bytes(),
                wattmul::archive::validate::Depth::Full,
            );
            assert!(!found.is_empty(), "{pointer} may be changed");
        }
    }
}

#[test]
fn a_forger_who_renames_the_file_is_found_by_arithmetic() {
    let record = simulated("h100", 0);
    let row = record.trace.t_s.partition_point(|&t| t < record.windows[3].start_s + 1.0);
    let cases: &[(&str, Value, &str)] = &[
        ("/summary/ratios/gaussian/energy/estimate", json!(1.9), "summary.ratios.gaussian.energy.estimate"),
        ("/summary/ratios/gaussian/energy/low", json!(1.0), "summary.ratios.gaussian.energy.low"),
        ("/summary/inits/zeros/power_w", json!(100.0), "summary.inits.zeros.power_w"),
        ("/summary/sensor/idle_w", json!(1.0), "summary.sensor.idle_w"),
        ("/windows/2/power_w/counter", json!(500.0), "windows[2].power_w.counter"),
        ("/windows/2/energy_j", json!(9.0), "windows[2].energy_j"),
        ("/windows/4/temperature_c", json!(20.0), "windows[4].temperature_c"),
        ("/windows/1/products", json!(1.0), "summary.inits.gaussian.time_s"),
        ("/windows/1/busy", json!(0.5), "verdict.judged"),
        ("/windows/1/duration_s", json!(2.0), "windows[1].duration_s"),
        ("/windows/1/init", json!("zeros"), "windows[1].round"),
        ("/windows/5/round", json!(77), "windows[5].round"),
        (&format!("/trace/power_w/{row}"), json!(999.0), "windows[3].power_w.polled"),
        (&format!("/trace/temperature_c/{row}"), json!(-300.0), "trace.temperature_c"),
        ("/trace/t_s/9", json!(0.0), "trace.t_s[9]"),
        ("/idle/hot/power_w", json!(3.0), "idle.hot.power_w"),
        ("/verdict/status", json!("valid"), "verdict.status"),
        ("/verdict/judged", json!("invalid"), "verdict.judged"),
        ("/verdict/flags", json!(["power-capped"]), "verdict.flags"),
        ("/truth", Value::Null, "truth"),
        ("/run/started", json!("2999-01-01T00:00:00Z"), "run.started"),
        ("/run/started", json!("yesterday"), "run.started"),
        ("/plan/inits", json!(["zeros"]), "plan.inits"),
        ("/plan/inits", json!([]), "plan.inits"),
        ("/plan/size", json!(0), "plan.size"),
        ("/plan/rounds", json!(7), "windows[14].round"),
        ("/run/ended", Value::Null, "verdict.judged"),
        ("/protocol", json!("other/9"), "protocol"),
        ("/windows/0/start_s", json!(-1.0), "windows[0].start_s"),
        ("/source/power_limit_w", json!(100.0), "windows[0].energy_j"),
        ("/summary/ratios/gaussian/energy/combined/low", json!(1.3), "summary.ratios.gaussian.energy.combined.low"),
        ("/summary/ratios/gaussian/energy_per_offset_w", json!(0.1), "summary.ratios.gaussian.energy_per_offset_w"),
        ("/summary/sensor/offset_w/high", json!(1.0), "summary.sensor.offset_w.high"),
        ("/trace/power_step_w", json!(50.0), "windows[0].power_w.polled_u"),
    ];
    for (pointer, value, place) in cases {
        let folder = tempfile::tempdir().unwrap();
        forged(folder.path(), &record, |record| *record.pointer_mut(pointer).unwrap() = value.clone());
        let text = printed(wattmul(&["validate"], folder.path()).code(3));
        let named = text.lines().any(|line| line.contains(&format!(": {place}")) && line.contains("; expected "));
        assert!(named, "{pointer} → {value}: {place} is not named in\n{text}");
    }
}

#[test]
fn units_that_a_type_or_a_kernel_does_not_have_are_found() {
    let found = |change: &dyn Fn(&mut Record)| {
        let (mut record, folder) = (simulated("a100", 0), tempfile::tempdir().unwrap());
        change(&mut record);
        record.save(folder.path()).unwrap();
        printed(wattmul(&["validate"], folder.path()).code(3))
    };
    let text = found(&|record| record.plan.units = Units::Matrix);
    assert!(text.contains("plan.units: have no such type") && text.contains("expected f16"), "{text}");
    let kernels = [("matrix16w32/128x128x32/64x64", Units::Simt), ("128x128x16/8x8", Units::Matrix)];
    for (kernel, units) in kernels {
        let text = found(&|record| {
            (record.plan.units, record.kernel.variant, record.adapter.backend) =
                (units, kernel.into(), "vulkan".into());
        });
        assert!(text.contains("plan.units: are not those of the kernel") && text.contains(kernel), "{text}");
    }
}

/// Readers of JSON are lenient; other programs would not see the same record.
#[test]
fn a_list_that_passes_for_an_object_is_found() {
    let record = simulated("h100", 0);
    let text = record.to_json();
    let idle = serde_json::to_value(record.idle).unwrap();
    let list = Value::Array(idle.as_object().unwrap().values().cloned().collect());
    let from = text.find("\"idle\": {").unwrap();
    let to = from + text[from..].find("\n  }").unwrap() + 4;
    let text = format!("{}\"idle\": {list}{}", &text[..from], &text[to..]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(record.file_name_of(text.as_bytes(), 6)), text).unwrap();
    wattmul(&["validate"], folder.path()).code(3).stdout(contains("idle: is not written as the schema has it"));
}

/// The committed record of a real device: its matrices are made again.
#[test]
fn digests_of_inputs_are_held_against_the_numbers() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let (files, _) = wattmul::record::read::files(&[results]);
    let (record, _) = wattmul::record::read::read(&files[0]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let swap = |record: &mut Value| {
        let digest = record["inputs"]["gaussian"]["digest_a"].clone();
        record["inputs"]["gaussian"]["digest_b"] = digest;
    };
    forged(folder.path(), &record, swap);
    let digest = "inputs.gaussian.digest_b: is not the digest of these numbers";
    wattmul(&["validate"], folder.path()).code(3).stdout(contains(digest));

    // Another seed is in no table.
    let folder = tempfile::tempdir().unwrap();
    forged(folder.path(), &record, |record| record["plan"]["seed"] = json!(7));
    wattmul(&["validate"], folder.path()).code(3).stdout(contains(digest).and(contains("inputs.gaussian.digest_a")));
    let folder = tempfile::tempdir().unwrap();
    forged(folder.path(), &record, |record| drop(record["inputs"].as_object_mut().unwrap().remove("zeros")));
    wattmul(&["validate"], folder.path()).code(3).stdout(contains("inputs.zeros: is missing"));
}

/// The table of known digests, against the matrices.
#[test]
fn known_digests_are_those_of_the_matrices() {
    use wattmul::operands::{Dtype, Init, Matrix, Operand};
    for size in [1024, 10_000] {
        for (init, operand) in [(Init::Zeros, Operand::A), (Init::Gaussian, Operand::A), (Init::Gaussian, Operand::B)] {
            let matrix = Matrix { init, operand, seed: 0, size };
            assert_eq!(wattmul::archive::validate::known(Dtype::F32, &matrix).unwrap(), matrix.digest(), "{matrix:?}");
        }
    }
}

mod bad_input {
    use super::*;

    /// Each file, and what its one line says.
    fn bad_files(folder: &Path) -> Vec<(&'static str, &'static str)> {
        let record = simulated("m5", 0);
        let text = record.to_json();
        let with = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        let write = |name: &str, content: &[u8]| fs::write(folder.join(name), content).unwrap();
        write("truncated.json", &text.as_bytes()[..text.len() / 2]);
        write("empty.json", b"");
        write("deep.json", "[".repeat(200_000).as_bytes());
        write("latin1.json", &[text.as_bytes(), b"\xe9"].concat());
        write("no-json.json", b"hello");
        write("wrong-type.json", with("\"rounds\": 40", "\"rounds\": \"six\"").as_bytes());
        write("unknown-field.json", with("\"tool\": {", "\"tool\": {\"hostname\": \"secret\",").as_bytes());
        write("version-7.json", with("\"schema\": 2", "\"schema\": 7").as_bytes());
        write("version-text.json", with("\"schema\": 2", "\"schema\": \"1\"").as_bytes());
        write("nan.json", with("\"window_s\": ", "\"window_s\": NaN").as_bytes());
        write("1e999.json", with("\"window_s\": ", "\"window_s\": 1e999, \"x\": ").as_bytes());
        let mut large = serde_json::to_value(&record).unwrap();
        large["windows"][0]["duration_s"] = json!(1e308);
        write("1e308.json", large.to_string().as_bytes());
        write("two.json", [text.as_bytes(), text.as_bytes()].concat().as_slice());
        fs::File::create(folder.join("huge.json")).unwrap().set_len(1 << 30).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/dev/zero", folder.join("zero.json")).unwrap();
            std::os::unix::fs::symlink("..", folder.join("up.json")).unwrap();
        }
        write("LIST.JSON", format!("[{text}]").as_bytes());
        vec![
            ("LIST.JSON", "is a list of records: put each record into a file of its own"),
            ("truncated.json", "ends in the middle"),
            ("empty.json", "ends in the middle"),
            ("deep.json", "is a list of records"),
            ("latin1.json", "not UTF-8"),
            ("no-json.json", "expected"),
            ("wrong-type.json", "plan.rounds: invalid type: string"),
            ("unknown-field.json", "tool.hostname: unknown field"),
            ("version-7.json", "update wattmul; expected 2; found 7"),
            ("version-text.json", "schema: invalid type"),
            ("nan.json", "plan.window_s: expected"),
            ("1e999.json", "plan.window_s: number out of range"),
            ("1e308.json", "windows[0].duration_s"),
            ("two.json", "trailing characters"),
            ("huge.json", "larger than any record"),
            ("zero.json", "is not followed"),
            ("up.json", "is not followed"),
        ]
    }

    #[test]
    fn each_bad_file_is_a_line_and_the_good_ones_are_still_reported() {
        let folder = tempfile::tempdir().unwrap();
        let bad = bad_files(folder.path());
        simulated("h100", 0).save(folder.path()).unwrap();
        fs::write(folder.path().join("README.md"), "no record").unwrap();
        fs::write(folder.path().join(".wattmul-x.tmp"), "half a rec").unwrap();

        for arguments in [&["validate"][..], &["report"], &["report", "--format", "csv"]] {
            let output = wattmul(arguments, folder.path()).code(3);
            let (stdout, stderr) = (&output.get_output().stdout, &output.get_output().stderr);
            let text = [String::from_utf8_lossy(stdout), String::from_utf8_lossy(stderr)].concat();
            assert!(!text.contains("panicked"), "{text}");
            for (name, why) in &bad {
                let lines: Vec<&str> = text.lines().filter(|line| line.contains(&format!("/{name}: "))).collect();
                assert!(!lines.is_empty() && lines[0].contains(why), "{arguments:?} {name}: {lines:?} {text}");
                assert!(lines.len() == 1 || *name == "1e308.json", "one line each: {lines:?}");
            }
            assert!(!text.contains(&format!("{}/README", folder.path().display())), "{text}");
            assert!(!text.contains("wattmul-x"), "{text}");
            match arguments[0] {
                "validate" => assert!(text.contains("1 good"), "{text}"),
                _ => assert!(text.contains("Simulated H100"), "{text}"),
            }
        }
    }

    /// A byte order mark, and a name in capitals: some programs write records so.
    #[test]
    fn a_byte_order_mark_and_a_name_in_capitals_are_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = simulated("h100", 0).save(folder.path()).unwrap();
        let text = fs::read(&path).unwrap();
        fs::write(&path, [b"\xef\xbb\xbf", &text[..]].concat()).unwrap();
        wattmul(&["validate"], folder.path()).success().stdout("1 record: 1 good, 0 not\n");
        fs::rename(&path, folder.path().join("RECORD.JSON")).unwrap();
        wattmul(&["report"], folder.path()).success().stdout(contains("Simulated H100"));
    }

    /// Fifty thousand windows that cannot be, and more inits than any GPU holds: a stranger's file takes neither hours nor pages.
    #[test]
    fn a_file_of_nothing_but_problems_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let record = simulated("h100", 0);
        let mut windows = record.clone();
        windows.windows = record.windows.iter().cycle().take(50_000).cloned().collect();
        windows.save(folder.path()).unwrap();
        let mut inits = record.clone();
        inits.plan.inits = (1..100_000).map(|sigma| format!("gaussian:{sigma}").parse().unwrap()).collect();
        inits.save(folder.path()).unwrap();
        let text = printed(wattmul(&["validate"], folder.path()).code(3));
        assert!(text.contains("has more: 1000 are named") && text.contains("expected 2 to 100 inits"), "{text}");
        assert!(text.lines().count() < 2100, "{}", text.lines().count());
    }

    #[test]
    fn a_copy_is_named_with_its_original() {
        let folder = tempfile::tempdir().unwrap();
        let good = simulated("h100", 0).save(folder.path()).unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::copy(&good, folder.path().join("sub").join(good.file_name().unwrap())).unwrap();
        let text = printed(wattmul(&["validate"], folder.path()).code(3));
        assert!(text.contains("is the same as") && text.contains("2 records: 1 good, 1 not"), "{text}");
    }

    #[test]
    fn what_is_not_there_or_no_record_is_said() {
        let folder = tempfile::tempdir().unwrap();
        wattmul(&["validate"], &folder.path().join("nowhere")).code(3).stdout(contains("nowhere: is not there"));
        wattmul(&["report"], &folder.path().join("nowhere")).code(3).stdout(contains("nowhere: is not there"));
        for command in ["validate", "report"] {
            wattmul(&[command], folder.path()).code(1).stderr(contains("no records in"));
        }
        #[cfg(target_os = "linux")]
        wattmul(&["validate"], Path::new("/dev/zero")).code(3).stdout(contains("/dev/zero: is no plain file"));
    }

    /// Root may read everything, so that a test as root becomes somebody else.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_may_not_be_read_is_a_line() {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::CommandExt;
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        open(folder.path(), 0o755);
        let locked = folder.path().join("locked");
        fs::create_dir(&locked).unwrap();
        simulated("h100", 0).save(folder.path()).unwrap();
        // The program itself may lie where nobody else can go.
        let program = folder.path().join("wattmul");
        fs::copy(assert_cmd::cargo::cargo_bin("wattmul"), &program).unwrap();
        open(&program, 0o755);
        open(&locked, 0o000);
        let mut command = std::process::Command::new(program);
        // SAFETY: asks for a number, and nothing else.
        #[expect(unsafe_code, reason = "std does not tell who we are")]
        if unsafe { libc::geteuid() } == 0 {
            command.uid(65534).gid(65534);
        }
        let output = command.arg("validate").arg(folder.path()).output().unwrap();
        open(&locked, 0o755);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("locked: may not be read") && text.contains("1 good"), "{text}");
        assert_eq!(output.status.code(), Some(3));
    }

    const HOSTILE: &str =
        "<script>alert(1)</script>|\n\r\x1b[31m\u{202e}\u{200b}\u{7}=cmd` [x](http://y) \"><img src=x>";

    #[test]
    fn hostile_names_are_harmless_in_text_and_in_spreadsheets() {
        let folder = tempfile::tempdir().unwrap();
        let mut record = simulated("h100", 0);
        for text in [&mut record.adapter.name, &mut record.adapter.vendor] {
            *text = HOSTILE.into();
        }
        record.adapter.driver = Some(format!("={HOSTILE}"));
        record.source.as_mut().unwrap().api = HOSTILE.into();
        let path = record.save(folder.path()).unwrap();
        wattmul(&["validate"], folder.path()).success();
        let b = path.to_str().unwrap();
        for arguments in [&["report"][..], &["report", "--format", "csv"], &["compare", b]] {
            let text = printed(wattmul(arguments, folder.path()).code(predicate::in_iter([0, 3])));
            let invisible = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{200b}' | '\u{202e}'));
            assert!(!text.contains(invisible), "{text:?}");
        }
        let csv = printed(wattmul(&["report", "--format", "csv"], folder.path()).success());
        assert!(csv.contains("\"'=<script>"), "{csv}");
        assert_eq!(csv.lines().count(), 3, "a heading, and a row an init: {csv}");
    }
}

#[test]
fn two_records_are_laid_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let save = |model, seed| simulated(model, seed).save(folder.path()).unwrap();
    let (a, again, b) = (save("a100", 0), save("a100", 1), save("rtx6000", 0));
    let compared = |b: &Path| printed(wattmul(&["compare", a.to_str().unwrap()], b).success());
    let text = compared(&b);
    assert!(text.contains("A HIGHER") && text.contains("difference of the energy ratios"), "{text}");
    let paths_aside: String = text.lines().filter(|line| !line.contains(".json")).collect::<Vec<_>>().join("\n");
    assert!(longest_line(&paths_aside) <= 80, "{text}");
    assert!(compared(&again).contains("SAME"), "{}", compared(&again));
    let all = compared(folder.path());
    assert!(all.contains("same") && all.contains("A higher"), "{all}");

    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let (real, _) = wattmul::record::read::files(&[results]);
    let refused = printed(wattmul(&["compare", a.to_str().unwrap()], &real[0]).code(3));
    assert!(refused.contains("n differs: 10000 in A, 1024 in B"), "{refused}");
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    wattmul(&["compare", a.to_str().unwrap()], &broken).code(3).stdout(contains("ends in the middle"));
    wattmul(&["compare", broken.to_str().unwrap()], &a).code(3).stdout(contains("ends in the middle"));
}

/// What a report says of simulated boards, and what it leaves out.
fn simulated_part(report: &str) -> &str {
    report.split("\nSimulated\n").nth(1).unwrap().split("\nRuns\n").next().unwrap()
}

#[test]
fn the_newest_good_run_of_each_gpu_is_shown_by_its_ratio() {
    let folder = tempfile::tempdir().unwrap();
    let save = |model: &str, seed: u64, started: &str| {
        let mut record = simulated(model, seed);
        record.run.started = started.into();
        record.save(folder.path()).unwrap();
    };
    save("a100", 0, "2026-01-01T00:00:00Z");
    save("a100", 0, "2026-01-02T00:00:00Z");
    save("a100,thermal", 0, "2026-01-03T00:00:00Z"); // newer, and invalid
    save("v100,frozen", 0, "2026-01-04T00:00:00Z"); // newer, and unverified
    save("v100", 0, "2026-01-01T00:00:00Z");
    save("even", 0, "2026-01-01T00:00:00Z");
    let text = printed(wattmul(&["report"], folder.path()).success());
    assert!(longest_line(&text) <= 80, "{text}");
    insta::assert_snapshot!(simulated_part(&text), @"
    ─────────
      No GPU was measured here. Models of boards made these runs in virtual time.
      They show what a run looks like and how well the protocol finds a truth that
      is known; they say nothing about any real GPU.

    gaussian against zeros · f32 10000²
      Ratios of gaussian to zeros, by GPU; GFLOP/s of gaussian
      GPU                  energy  95 % interval  ratio  interval       power   time
                            ratio                 above  above idle     ratio  ratio
                                                   idle
      Simulated A100 PCIe   1.497  1.493 … 1.501  2.176  2.168 … 2.184  1.497  1.000
      Simulated V100        1.343  1.340 … 1.347  1.617  1.610 … 1.625  1.343  1.000
      Simulated board       1.000  0.997 … 1.002  0.999  0.996 … 1.003  0.999  1.000
      that does not care

      GPU                       verdict  GFLOP/s  sensor                  run
      Simulated A100 PCIe       valid      14998  simulated NVML · board  2026-01-02
      Simulated V100            valid      12498  simulated NVML · board  2026-01-01
      Simulated board that      valid      14997  simulated NVML · board  2026-01-01
      does not care

      Watts and joules of whole boards
      Mean power, idle and by init; energy of a product; GFLOP a joule
      GPU                               idle,  zeros,  gaussian,   zeros,  gaussian,
                                            W       W          W      J a        J a
                                                                  product    product
      Simulated A100 PCIe               111.2   194.0      290.1    25.87      38.69
      Simulated V100                    92.12   209.0      280.5    33.44      44.88
      Simulated board that does not     111.6   242.3      242.2    32.31      32.30
      care

      GPU                                 zeros, GFLOP/J  gaussian, GFLOP/J
      Simulated A100 PCIe                          77.32              51.70
      Simulated V100                               59.82              44.56
      Simulated board that does not care           61.90              61.91

    Over a year
      Products of an init without pause for a year, against as many of the reference
      GPU                                 init      over a year
      Simulated A100 PCIe                 gaussian     +842 kWh
      Simulated board that does not care  gaussian     -0.6 kWh
      Simulated V100                      gaussian     +627 kWh


    Left out
    ────────
      - 2 runs of a GPU that has a newer run, or one with a better verdict (--all
        shows all).
      - 1 run with the verdict invalid (--all shows all).
    ");
    let all = printed(wattmul(&["report", "--all"], folder.path()).success());
    let ratios = all.split("Ratios of gaussian").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(ratios.matches("  Simulated A100 PCIe, ").count(), 3, "{all}");
    assert!(all.contains("  unverified-sensor  "), "a verdict is not broken within a word: {all}");
    for why in ["- invalid: heat slowed the GPU", "- unverified-sensor: the energy counter stood still"] {
        assert_eq!(all.matches(why).count(), 1, "each reason once: {all}");
    }
    assert!(longest_line(&all) <= 80, "{all}");

    let csv = printed(wattmul(&["report", "--format", "csv"], folder.path()).success());
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let heads = rows.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 6, "a row a run and init");
    let of = |row: usize, head: &str| rows[row][heads.iter().position(|h| h == head).unwrap()].to_owned();
    for row in 0..6 {
        let energy: f64 = of(row, "energy_j").parse().unwrap();
        let product = of(row, "power_w").parse::<f64>().unwrap() * of(row, "time_s").parse::<f64>().unwrap();
        assert!((energy / product - 1.0).abs() < 1e-9);
        assert_eq!(of(row, "energy_ratio").is_empty(), of(row, "init") == "zeros");
    }
}

/// Eight cards of one model, of which one is worse than the others, and a model of which there is one.
#[test]
fn cards_of_one_model_are_one_row_with_the_cards_inside() {
    let folder = tempfile::tempdir().unwrap();
    for card in 0..8 {
        let watts = if card == 5 { 120.0 } else { 140.0 };
        let mut record = simulated(&format!("a100,zeros_w={watts}"), card);
        record.plan.seed = 0;
        record.adapter.pci_address = Some(format!("0000:{card:02}:00.0").parse().unwrap());
        record.save(folder.path()).unwrap();
    }
    let mut other = simulated("v100", 0);
    other.run.started = "2026-11-25T00:00:00Z".into();
    other.save(folder.path()).unwrap();
    let text = printed(wattmul(&["report"], folder.path()).success());
    assert!(longest_line(&text) <= 80, "{text}");
    let shown = simulated_part(&text).split("\n  Watts").next().unwrap();
    insta::assert_snapshot!(shown, @"
    ─────────
      No GPU was measured here. Models of boards made these runs in virtual time.
      They show what a run looks like and how well the protocol finds a truth that
      is known; they say nothing about any real GPU.

    gaussian against zeros · f32 10000²
      Ratios of gaussian to zeros, by GPU; GFLOP/s of gaussian
      GPU                 energy  95 % interval          ratio  interval       power
                           ratio                         above  above idle     ratio
                                                          idle
      Simulated V100       1.343  1.340 … 1.347          1.617  1.610 … 1.625  1.343
      Simulated A100       1.149  1.147 … 1.247 (cards)  1.278                 1.149
      PCIe × 8

      GPU                 time  verdict  GFLOP/s  sensor                  run
                         ratio
      Simulated V100     1.000  valid      12498  simulated NVML · board  2026-11-25
      Simulated A100     1.000  valid      14998  simulated NVML · board  8 cards
      PCIe × 8

      Cards of one model
      What stands above for a model with several cards is their median, and the
      range is that of the cards: how much the like differ, where a 95 % interval
      says how sure one card's figure is. A card stands out where it is 3.5 times as
      far from the median as is usual among its like, and by 1 % at least.

      8 cards of Simulated A100 PCIe: energy ratio 1.147 … 1.247, median 1.149; 1
        stands out
      median                 ratio 1.149, energy 39.65 J, time 133.4 ms
      spread, least to most  ratio 8.6 %, energy 1.4 %, time 0.0 %

      Cards, by their ratio of energy; energy and time of a product of gaussian
      card          energy  95 % interval   energy      time  verdict  stands out by
                     ratio
      0000:05:00.0   1.247  1.244 … 1.249  39.34 J  133.4 ms  valid    ratio
      0000:02:00.0   1.151  1.148 … 1.154  39.61 J  133.4 ms  valid
      0000:01:00.0   1.150  1.147 … 1.152  39.71 J  133.3 ms  valid
      0000:06:00.0   1.149  1.146 … 1.152  39.71 J  133.4 ms  valid
      0000:03:00.0   1.149  1.146 … 1.152  39.66 J  133.4 ms  valid
      0000:00:00.0   1.148  1.145 … 1.151  39.89 J  133.4 ms  valid
      0000:07:00.0   1.148  1.145 … 1.151  39.64 J  133.3 ms  valid
      0000:04:00.0   1.147  1.144 … 1.151  39.61 J  133.3 ms  valid
    ");
}

/// Of a sweep and of several types, the terminal says what they say together.
#[test]
fn sweeps_and_types_have_tables_of_their_own() {
    use wattmul::operands::Dtype;
    let folder = tempfile::tempdir().unwrap();
    let sweep = ["sweep", "--simulate", "a100", "--quick", "--clocks", "600,900,1200", "--results"];
    wattmul(&sweep, folder.path()).code(predicate::in_iter([0, 3]));
    for (dtype, units) in [(Dtype::F32, Units::Simt), (Dtype::I8, Units::Simt), (Dtype::F16, Units::Matrix)] {
        let model = "a100".parse().unwrap();
        let options = PlanOptions { dtype, units, ..PlanOptions::default() };
        let plan = wattmul::run::simulated::plan(&model, &options).unwrap();
        wattmul::run::simulated::record(&model, plan).unwrap().save(folder.path()).unwrap();
    }
    let text = printed(wattmul(&["report"], folder.path()).success());
    assert!(longest_line(&text) <= 80, "{text}");
    let types = text.split("GFLOP/J by GPU, type and units").nth(1).unwrap();
    let row = types.lines().find(|line| line.contains("Simulated A100")).unwrap();
    assert_eq!((row.matches('→').count(), row.matches("n/a").count()), (3, 2), "{row}");
    assert!(types.contains("matrix") && text.contains("gaussian against zeros · f16 matrix 10000²"), "{text}");
    let told = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("3 clocks") && told.contains("whatever the clock"), "{text}");
    assert!(told.contains("gaussian at 1200 MHz, the highest"), "{text}");
}

#[test]
fn a_year_of_it_is_told_in_kwh_and_in_co2_where_the_grid_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let all = [&["--simulate", "a100"], arguments, &["--results"]].concat();
        printed(wattmul(&all, folder.path()).success())
    };
    let told = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = run(&["--grid-intensity", "400"]);
    assert!(longest_line(&text.lines().filter(|line| !line.contains("saved ")).collect::<Vec<_>>().join("\n")) <= 80);
    assert!(told(&text).contains("kg CO2e at 400 g/kWh of gaussian without pause, against as many of zeros"), "{text}");

    let csv = printed(wattmul(&["report", "--format", "csv"], folder.path()).success());
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let heads = rows.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let of = |row: usize, head: &str| rows[row][heads.iter().position(|h| h == head).unwrap()].to_owned();
    let number = |row: usize, head: &str| of(row, head).parse::<f64>().unwrap();
    assert_eq!((of(0, "init").as_str(), of(0, "year_kwh").as_str()), ("zeros", ""), "the reference against itself");
    let expected = (number(1, "energy_j") - number(0, "energy_j")) / number(1, "time_s") * 8.76;
    assert!((number(1, "year_kwh") / expected - 1.0).abs() < 1e-9, "{expected}");
    assert!(told(&text).contains(&format!("a year {expected:+.0} kWh, {:+.0} kg", 0.4 * expected)), "{text}");

    assert!(!run(&["--no-save"]).contains("CO2e"), "no grid is taken for granted");
    let timing = run(&["--no-save", "--power", "none"]);
    assert!(!timing.contains("a year"), "{timing}");
    let html = printed(wattmul(&["report", "--format", "html", "--grid-intensity", "250"], folder.path()).success());
    assert!(html.contains("kg CO2e at 250 g/kWh"));
    let markdown = ["report", "--format", "markdown", "--grid-intensity", "250"];
    wattmul(&markdown, folder.path()).success().stdout(contains("kg CO2e at 250 g/kWh"));
    for wrong in ["-1", "NaN", "1e9", "inf", "coal"] {
        for command in [&["report", "--grid-intensity", wrong][..], &["--grid-intensity", wrong, "--results"]] {
            wattmul(command, folder.path()).code(2).stdout(is_empty()).stderr(contains("grams of CO2e a kWh"));
        }
    }
}

#[test]
fn an_output_that_cannot_be_written_is_one_line() {
    let folder = tempfile::tempdir().unwrap();
    simulated("h100", 0).save(folder.path()).unwrap();
    wattmul(&["report", "--output", "/nonexistent/x.csv", "--format", "csv"], folder.path())
        .code(1)
        .stdout(is_empty())
        .stderr(contains("--output"));
}

/// Runs on many machines save into one folder at once.
#[test]
fn a_hundred_runs_that_save_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = |seed: u32| {
        std::process::Command::new(assert_cmd::cargo::cargo_bin("wattmul"))
            .args(["--quick", "--simulate", "a100", "--seed", &seed.to_string(), "--results"])
            .arg(folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..100).map(start).collect();
    for mut run in runs {
        // Short rounds scatter: some of a hundred are called invalid, and are saved like the others.
        assert!(matches!(run.wait().unwrap().code(), Some(0 | 3)));
    }
    wattmul(&["validate"], folder.path()).success().stdout("100 records: 100 good, 0 not\n");
    assert_eq!(common::records(folder.path()).len(), 100, "and nothing else is left");
}

/// Whatever the moment, there is a whole record or none.
#[test]
fn a_run_that_is_killed_leaves_no_part_of_a_record() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..60 {
        let mut run = std::process::Command::new(assert_cmd::cargo::cargo_bin("wattmul"))
            .args(["--simulate", "a100", "--seed", &i.to_string(), "--results"])
            .arg(folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(3 * i));
        run.kill().unwrap();
        run.wait().unwrap();
    }
    let (files, problems) = wattmul::record::read::files(&[folder.path().into()]);
    assert_eq!(problems, []);
    for file in files {
        wattmul::record::read::read(&file).unwrap();
    }
}
