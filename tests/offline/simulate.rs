//! `--simulate`, from outside: what someone without a GPU sees.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use wattmul::archive::validate;
use wattmul::archive::validate::Depth;
use wattmul::record::{Record, Truth};
use wattmul::run::PlanOptions;
use wattmul::simulate::Simulation;

fn wattmul(folder: &std::path::Path, args: &[&str]) -> assert_cmd::assert::Assert {
    let mut command = Command::cargo_bin("wattmul").unwrap();
    command.current_dir(folder).args(args).assert()
}

fn json(args: &[&str]) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let output = wattmul(folder.path(), &[&["--json", "--quick", "--simulate"], args].concat()).get_output().clone();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_list_names_models_faults_and_parameters() {
    let folder = tempfile::tempdir().unwrap();
    wattmul(folder.path(), &["--simulate", "list"])
        .success()
        .stdout(contains("h100").and(contains("second-process")).and(contains("noise_w")));
}

#[test]
fn an_unknown_model_lists_the_models_and_nonsense_names_its_field() {
    let folder = tempfile::tempdir().unwrap();
    wattmul(folder.path(), &["--simulate", "h200"]).code(2).stderr(contains("a100, h100"));
    wattmul(folder.path(), &["--simulate", "a100,zeros_w=-5"]).code(2).stderr(contains("zeros_w"));
    wattmul(folder.path(), &["--simulate", "a100,period_s=0"]).code(2).stderr(contains("period_s"));
    wattmul(folder.path(), &["--real-time"]).code(2).stderr(contains("--simulate"));
}

#[test]
fn a_simulated_record_says_so_and_is_saved_only_where_a_folder_is_named() {
    let folder = tempfile::tempdir().unwrap();
    wattmul(folder.path(), &["--quick", "--simulate", "h100"])
        .success()
        .stdout(contains("SIMULATED, else VALID").and(contains("truth of gaussian")).and(contains("not saved")));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    wattmul(folder.path(), &["--quick", "--simulate", "h100", "--results", "here"])
        .success()
        .stdout(contains("saved here/"));
    let saved = std::fs::read_dir(folder.path().join("here")).unwrap().next().unwrap().unwrap();
    let record: wattmul::record::Record = serde_json::from_slice(&std::fs::read(saved.path()).unwrap()).unwrap();
    assert_eq!(record.verdict.status, wattmul::record::Status::Simulated);
    assert!(record.truth.is_some());
}

#[test]
fn the_seed_varies_the_noise_and_nothing_else_does() {
    let energy = |args: &[&str]| json(args)["summary"]["inits"]["zeros"]["energy_j"].as_f64().unwrap();
    assert_eq!(energy(&["a100"]), energy(&["a100"]));
    assert_ne!(energy(&["a100"]), energy(&["a100", "--seed", "1"]));
}

#[test]
fn the_verdict_that_a_real_run_would_have_stands_beside() {
    let verdict = &json(&["h100,permission-lost"])["verdict"];
    assert_eq!((verdict["status"].as_str(), verdict["judged"].as_str()), (Some("simulated"), Some("invalid")));
    assert_eq!(verdict["reasons"][0]["code"], "sensor-lost");
    let verdict = &json(&["h100", "--power", "none"])["verdict"];
    assert_eq!(verdict["judged"], "timing-only");
}

#[test]
fn an_atlas_is_a_table_with_its_law_in_80_columns() {
    let folder = tempfile::tempdir().unwrap();
    for more in
        [&["--atlas"][..], &["--init", "constant:-1.2345679e-10,zeros,mantissa:0"], &["--atlas", "--power", "none"]]
    {
        let output = wattmul(folder.path(), &[&["--simulate", "a100"], more].concat()).success().get_output().clone();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let law =
            text.contains("% of the variance") && text.contains("by the law") && text.contains("whatever the numbers");
        let why = match more {
            ["--atlas"] => "",
            [_, _] => "it has 3 inits",
            _ => "power was not measured",
        };
        assert!(law == why.is_empty() && text.contains(why), "{text}");
        assert!(text.contains("ratios of") && text.contains("95 % interval") && text.contains("truth of"), "{text}");
    }
}

/// However many rounds there are, and however long the warm-up may last, the sensor's period and a steady state are found as in a
/// usual run.
#[test]
fn many_rounds_and_a_patient_warm_up_change_nothing_else() {
    let usual = run("h100", PlanOptions::default());
    let long = run("h100", PlanOptions { rounds: Some(100), ..PlanOptions::default() });
    assert_eq!((long.warm_up, long.timing.window_s), (usual.warm_up, usual.timing.window_s));
    let patient = run("h100", PlanOptions { warm_up: Some(3600.0), ..PlanOptions::default() });
    let warm_up = patient.warm_up.unwrap();
    assert!(warm_up.duration_s < 300.0, "{warm_up:?}");
    assert_eq!(patient.timing.window_s, usual.timing.window_s);
}

#[test]
fn the_record_of_as_many_rounds_as_there_can_be_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = run("h100", PlanOptions { rounds: Some(1000), ..PlanOptions::default() });
    let path = record.save(folder.path()).unwrap();
    let read = validate::read(&path, Depth::Full).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(read.record, record);
}

/// A counter that moves every 2.13 s asks for windows of ten times that, in a first look too.
#[test]
fn a_slow_counter_stretches_the_windows_of_every_run() {
    for seed in 0..20 {
        let quick = run("m5", PlanOptions { quick: true, seed, ..PlanOptions::default() });
        assert!((20.0..23.0).contains(&quick.timing.window_s), "{seed}: {}", quick.timing.window_s);
    }
    for rounds in [1, 100] {
        let record = run("m5", PlanOptions { rounds: Some(rounds), ..PlanOptions::default() });
        assert!((20.0..23.0).contains(&record.timing.window_s), "{rounds}: {}", record.timing.window_s);
    }
}

fn run(model: &str, options: PlanOptions) -> Record {
    let model = model.parse().unwrap();
    let plan = wattmul::run::simulated::plan(&model, &options).unwrap();
    wattmul::run::simulated::undisturbed(&Simulation::new(model, plan, false), Truth::default(), None).unwrap()
}
