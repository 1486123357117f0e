//! Every example of the documents and of the help is run, as it stands, by a shell, in a folder that has what it presumes.
//!
//! An example that the program does not take, that fails, or that says nothing fails the test. Whatever is not run as it
//! stands is in one of the tables here, with the reason. (The SQL of the README: tests/queries.py.)
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

use clap::Parser;
use common::{TwoGpus, no_software_driver, patiently};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use wattmul::cli;
use wattmul::record::Record;

/// A standard run takes four to five minutes on a GPU, and of n = 10000 hours on the software driver. All else of a line
/// that measures stays: the GPUs, the sensor, the clock, the numbers.
const SHORTER: [&str; 6] = ["--size 128", "--rounds 2", "--window 0.2", "--settling 0.1", "--warm-up 0.3", "--quick"];

/// Words that stand for what the reader puts in. `{}` is the name of a record in `results/`, another one each time.
const STANDS_FOR: [(&str, &str); 6] = [
    ("MODEL", "h100"),
    ("NAME", "direct/8x16"),
    ("SHELL", "zsh"),
    ("results/FILE.json", "results/{}"),
    ("A", "results/{}"),
    ("B", "results/{}"),
];

/// What comes before the program in a line and is left out.
const BEFORE: [(&str, &str); 1] = [("sh setup.sh && ", "it installs packages, and did so where this test runs")];

/// Lines that look like examples, by how they begin, and are not run here.
const OTHERS: [(&str, &str); 6] = [
    ("cargo run --example machine_code", "another program: tests/driver/machine_code.rs runs it"),
    ("cd benches/peers && ", "another program, with dependencies of its own"),
    ("ls ", "a look at the program's file"),
    (
        "wattmul --dtype f16 --units matrix",
        "no usual driver has such units: tests/driver/matrix_units.rs runs it on one",
    ),
    ("wattmul --meter 'wall:http://", "a plug in somebody's network: tests/offline/meter.rs plays one"),
    ("wattmul --meter wall:hwmon", "a few servers have one: src/power/meter/hwmon.rs tests it on files"),
];

/// Fences of code blocks that hold no command line.
const FENCES: [(&str, &str); 3] = [
    ("text", "what the program prints"),
    ("sql", "tests/queries.py runs it"),
    ("rust", "tests/driver/contributing.rs compiles and runs it"),
];

/// Command lines and where they stand, of a document in Markdown.
fn of_markdown(text: &str) -> Vec<String> {
    let (mut found, mut prose, mut fence) = (vec![], String::new(), None);
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_none() { Some(kind) } else { None };
        } else if fence.is_some_and(|kind| FENCES.iter().any(|(known, _)| *known == kind)) {
            // No command line.
        } else if let Some(kind) = fence {
            assert!(["", "sh"].contains(&kind), "what is in a block of {kind}? Say so in FENCES.\n{line}");
            found.extend(command(line));
        } else if line.starts_with("    ") {
            found.extend(command(line));
        } else {
            prose.extend([line, "\n"]);
        }
    }
    found.extend(in_prose(&prose));
    found
}

/// Of a shell script: what its comments say.
fn of_script(text: &str) -> Vec<String> {
    let comments: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix('#')).collect();
    of_markdown(&comments.join("\n"))
}

/// Of the help of a command: its examples, and what its text names.
fn of_help(text: &str) -> Vec<String> {
    let examples = text.lines().skip_while(|line| *line != "Examples:").skip(1).take_while(|line| !line.is_empty());
    examples.filter_map(command).chain(in_prose(text)).collect()
}

/// The command line of a line in a block, without what is said of it after two spaces.
fn command(line: &str) -> Option<String> {
    let line = line.trim().split("  ").next()?;
    let is_program = |word: &str| word == "wattmul" || word.ends_with("/wattmul");
    (line.contains("cargo run") || line.split_whitespace().any(is_program)).then(|| line.to_owned())
}

/// Command lines between backticks, which may run over the end of a line. `wattmul` alone is a name.
fn in_prose(text: &str) -> Vec<String> {
    let paragraphs = text.split("\n\n");
    // Behind a backslash, a backtick is none.
    let paragraphs = paragraphs.map(|paragraph| paragraph.replace("\\`", ""));
    let spans =
        paragraphs.flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    let spans = spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
    spans.filter(|span| command(span).is_some() && span.contains(' ')).collect()
}

/// All examples, each once, with the files that show it.
fn examples() -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut examples = BTreeMap::<String, BTreeSet<String>>::new();
    let mut add = |place: &str, lines: Vec<String>| {
        lines.into_iter().for_each(|line| {
            examples.entry(line).or_default().insert(place.to_owned());
        });
    };
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let docs = docs.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}"));
    for name in ["README.md", "CONTRIBUTING.md", "results/README.md"].map(String::from).into_iter().chain(docs) {
        add(&name, of_markdown(&fs::read_to_string(root.join(&name)).unwrap()));
    }
    let script = "slurm/wattmul.sbatch";
    add(script, of_script(&fs::read_to_string(root.join(script)).unwrap()));
    let help = |arguments: &[&str]| {
        let output = common::wattmul().args(arguments).arg("--help").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let main = help(&[]);
    let commands = main.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for command in commands.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help") {
        add(&format!("wattmul {command} --help"), of_help(&help(&[command])));
    }
    add("wattmul --help", of_help(&main));
    examples
}

/// How a line is run.
struct Way {
    shell: String,
    /// A run of the protocol may also end with 3: what so short a one measures need not be valid.
    protocol: bool,
    /// It makes records, here or on standard output.
    measures: bool,
}

/// Where the program's own words begin in a line, if that runs it, and the text before.
fn split(line: &str) -> Option<(&str, &str)> {
    let arguments = match line.strip_prefix("cargo run") {
        Some(rest) => rest.split_once(" -- ").map_or("", |(_, arguments)| arguments),
        None => {
            let line = line.strip_prefix("sudo ").unwrap_or(line);
            let (program, arguments) = line.split_once(' ').unwrap_or((line, ""));
            let known = ["wattmul", "target/release/wattmul", "./target/release/wattmul"].contains(&program);
            known.then_some(arguments)?
        }
    };
    let start = &line[..line.len() - arguments.len()];
    (!start.contains("&&")).then_some((start, arguments))
}

/// How the line is run; an error where it is none that the program takes.
fn way(line: &str, records: &[String]) -> Result<Way, String> {
    let mut line = line.to_owned();
    for (before, _) in BEFORE {
        line = line.strip_prefix(before).unwrap_or(&line).to_owned();
    }
    let (start, arguments) = split(&line).ok_or("no line that is known: fix it, or say in OTHERS why it is not run")?;
    let mut records = records.iter();
    let put_in = |word: &str| match STANDS_FOR.iter().find(|(placeholder, _)| *placeholder == word) {
        Some((_, value)) if value.contains("{}") => value.replace("{}", records.next().unwrap()),
        Some((_, value)) => (*value).to_owned(),
        None => word.to_owned(),
    };
    let arguments: Vec<String> = arguments.split_whitespace().map(put_in).collect();
    let shells = arguments.iter().position(|word| word.starts_with(['>', '|', '&', ';'])).unwrap_or(arguments.len());
    let (mut words, rest) = (arguments[..shells].to_vec(), arguments[shells..].join(" "));

    let taken = cli::Cli::try_parse_from(["wattmul"].into_iter().chain(words.iter().map(String::as_str)));
    let run = match taken.map_err(|error| error.to_string())? {
        cli::Cli { command: None, run } => Some(run),
        cli::Cli { command: Some(cli::Command::Run(run)), .. } => Some(*run),
        cli::Cli { command: Some(cli::Command::Sweep(sweep)), .. } => Some(sweep.run),
        _ => None,
    };
    let measures = run.as_ref().is_some_and(|run| run.simulate.is_none());
    if measures {
        for option in SHORTER {
            let (name, value) = option.split_once(' ').unwrap_or((option, ""));
            match words.iter().position(|word| word == name) {
                Some(at) if !value.is_empty() => words[at + 1] = value.into(),
                Some(_) => {}
                None => words.extend(option.split(' ').map(String::from)),
            }
        }
    }
    let start =
        if start.starts_with("cargo") && !start.contains(" -- ") { format!("{start} --") } else { start.into() };
    let shell = [start.trim_end(), &words.join(" "), &rest].join(" ");
    Ok(Way { shell: shell.trim_end().into(), protocol: run.is_some(), measures })
}

/// What examples presume, to be copied for each: records in three places, and the programs that they name.
struct Stage {
    folder: tempfile::TempDir,
    /// What stands for `results/{}`, and all that is there.
    records: Vec<String>,
    known: Vec<String>,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for (to, seed) in [("results", "1"), ("results", "2"), ("results", "3"), ("simulated", "4")] {
            let options = ["--simulate", "h100", "--quick", "--seed", seed, "--results"];
            common::wattmul().args(options).arg(at(to)).assert().success();
        }
        let names = || -> Vec<String> {
            let files = fs::read_dir(at("results")).unwrap();
            files.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        };
        let records = names();
        common::wattmul().args(["--simulate", "a100", "--atlas", "--results"]).arg(at("results")).assert().success();
        let known = names();
        for (record, name) in records.iter().zip(["mine.json", "theirs.json"]) {
            fs::copy(at("results").join(record), at(name)).unwrap();
        }
        let program = assert_cmd::cargo::cargo_bin("wattmul");
        for path in ["bin/wattmul", "target/release/wattmul"] {
            fs::create_dir_all(at(path).parent().unwrap()).unwrap();
            symlink(&program, at(path)).unwrap();
        }
        // What is left of them where one is root, and where the program is built.
        for (path, script) in [
            ("bin/sudo", "exec \"$@\""),
            ("bin/cargo", "while [ $# -gt 0 ] && [ \"$1\" != -- ]; do shift; done; shift; exec wattmul \"$@\""),
        ] {
            fs::write(at(path), format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(at(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        // Somebody's own matrices.
        let numbers = |from: usize, count: usize| common::f32s((from..from + count).map(|i| (i as f32).sin()));
        for (from, name) in ["x.npy", "w.npy", "permuted-x.npy", "permuted-w.npy"].iter().enumerate() {
            fs::write(at(name), common::npy("<f4", false, "(100, 200)", &numbers(from, 20_000))).unwrap();
        }
        let model = [("up_proj.weight", &[300, 200][..], numbers(0, 60_000)), ("other", &[1][..], numbers(0, 1))];
        fs::write(at("model.safetensors"), common::safetensors(&model)).unwrap();
        // Somebody's own meters: a log that has not begun, and a plug's script.
        fs::write(at("riser.csv"), "").unwrap();
        fs::write(at("plug.sh"), "#!/bin/sh\nwhile echo 60; do sleep 0.2; done\n").unwrap();
        fs::set_permissions(at("plug.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(at("tmp")).unwrap(); // where GPUs are claimed: they are this example's own
        Stage { folder, records, known }
    }

    /// Runs a line in a copy; an error that says what was not as it should be.
    fn play(&self, way: &Way, gpus: &TwoGpus) -> Result<i32, String> {
        let copy = tempfile::tempdir().unwrap();
        let copied = Command::new("cp").arg("-a").arg(self.folder.path().join(".")).arg(copy.path()).status();
        assert!(copied.unwrap().success());
        let file = way.shell.split_once('>').map(|(_, file)| at_home(file.trim(), copy.path()));
        if let Some(folder) = file.as_ref().and_then(|file| file.parent()) {
            fs::create_dir_all(folder).unwrap();
        }
        let path = format!("{}/bin:{}", copy.path().display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = common::on_software_driver(Command::new("sh"));
        shell.args(["-c", &way.shell]).current_dir(copy.path()).envs(gpus.environment());
        shell
            .env("FAKE_NVML", "gpus=2")
            .env("PATH", path)
            .env("HOME", copy.path())
            .env("TMPDIR", copy.path().join("tmp"));
        let output = patiently(shell).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().filter(|code| *code == 0 || (*code == 3 && way.protocol));
        let code =
            code.ok_or_else(|| format!("{}: {error}{}", output.status, String::from_utf8_lossy(&output.stdout)))?;
        let says = match file {
            Some(file) => fs::metadata(file).is_ok_and(|file| file.len() > 0),
            None => !output.stdout.is_empty(),
        };
        if !says {
            return Err(format!("says nothing: {error}"));
        }
        if way.measures {
            self.is_measured(&output.stdout, &copy.path().join("results"))?;
        }
        Ok(code)
    }

    /// Is there a new record, whole, of right products?
    fn is_measured(&self, output: &[u8], results: &Path) -> Result<(), String> {
        let saved = common::records(results).into_iter();
        let is_new = |path: &Path| !self.known.iter().any(|name| path.ends_with(name));
        let saved = saved.filter(|(path, _)| is_new(path)).map(|(_, record)| record);
        let made: Vec<Record> = saved.chain(serde_json::from_slice(output)).collect();
        for record in &made {
            println!("    {:?}", record.verdict.reasons.iter().map(|reason| &reason.code).collect::<Vec<_>>());
            if record.run.halted.is_some() || !record.windows.iter().all(|window| window.products_right) {
                return Err(format!("{:?}: {:?}", record.run, record.verdict));
            }
        }
        if made.is_empty() { Err("no record is made".into()) } else { Ok(()) }
    }
}

fn at_home(file: &str, home: &Path) -> PathBuf {
    home.join(file.strip_prefix("~/").unwrap_or(file))
}

#[test]
fn every_example_runs() {
    let examples = examples();
    let counted = |place: &str| examples.values().filter(|places| places.contains(place)).count();
    assert!(counted("README.md") >= 20 && counted("wattmul --help") >= 17, "examples are found: {examples:#?}");
    if no_software_driver() {
        return;
    }
    let (stage, gpus) = (Stage::set(), TwoGpus::new().unwrap());
    let other = |line: &str| OTHERS.iter().any(|(begin, _)| line.starts_with(begin));
    let mut examples: Vec<_> = examples.iter().filter(|(line, _)| !other(line)).collect();
    examples.sort_by_key(|(line, _)| !line.contains("sweep")); // the longest first
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        // Most of a run is waiting.
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((line, places)) = examples.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let way = way(line, &stage.records);
                    let shell = way.as_ref().map_or(line.as_str(), |way| &way.shell);
                    let outcome = way.as_ref().map_err(String::clone).and_then(|way| stage.play(way, &gpus));
                    println!("{line}\n    in {places:?}, run as {shell}: {outcome:?}");
                    if let Err(why) = outcome {
                        wrong.lock().unwrap().push(format!("{line}\n    in {places:?}, run as {shell}: {why}"));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The test of the test.
#[test]
fn an_example_is_found_wherever_it_stands_and_none_is_passed_over() {
    let text = "Say `wattmul\ndevices`, or `wattmul`:\n\n    sh setup.sh && cargo run --release    so\n\n\
                ```sh\nwattmul man | cat\n```\n\n```text\nwattmul 0.1.0\n```\n";
    assert_eq!(of_markdown(text), ["sh setup.sh && cargo run --release", "wattmul man | cat", "wattmul devices"]);
    assert_eq!(of_script("#!/bin/sh\n#     wattmul man   so\nwattmul --quick\n"), ["wattmul man"]);
    assert_eq!(of_help("Examples:\n  wattmul man    so\n\nUsage: wattmul\n"), ["wattmul man"]);

    let shell = |line: &str| way(line, &["one".into(), "two".into()]).map(|way| way.shell);
    let short = SHORTER.join(" ");
    assert_eq!(shell("sh setup.sh && cargo run --release").unwrap(), format!("cargo run --release -- {short}"));
    let slide = shell("sudo ./target/release/wattmul --size 10000 --lock-clock 1000").unwrap();
    let others = SHORTER[1..].join(" ");
    assert_eq!(slide, format!("sudo ./target/release/wattmul --size 128 --lock-clock 1000 {others}"));
    assert_eq!(shell("wattmul compare A B").unwrap(), "wattmul compare results/one results/two");
    assert_eq!(shell("wattmul man | man -l -").unwrap(), "wattmul man | man -l -");
    assert_eq!(shell("cargo run -- --simulate MODEL >file").unwrap(), "cargo run -- --simulate h100 >file");
    for wrong in ["wattmul --nonsense", "wattmul reports", "nice wattmul man", "cargo run --release && wattmul man"] {
        assert!(shell(wrong).is_err(), "{wrong}");
    }
}
