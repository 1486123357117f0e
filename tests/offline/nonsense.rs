//! Nonsense in a record: whatever a file says, nothing panics.
//!
//! `cargo test --release --test offline nonsense -- --ignored` tries a million inputs.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;
use wattmul::analysis::overview::Run;
use wattmul::analysis::{compare, overview};
use wattmul::archive::validate;
use wattmul::record::Record;
use wattmul::report::{content, csv, terminal};
use wattmul::run::PlanOptions;
use wattmul::simulate::Simulation;

/// A small record of each kind: with a counter, with power figures alone, and without a sensor.
static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| {
    let short = PlanOptions { window: Some(0.5), settling: Some(0.0), warm_up: Some(0.5), ..PlanOptions::default() };
    let record = |model: &str, no_sensor: Option<&str>| {
        let model = model.parse().unwrap();
        let plan = wattmul::run::simulated::plan(&model, &PlanOptions { rounds: Some(3), ..short.clone() }).unwrap();
        let truth = wattmul::run::simulated::truth(&model, &plan).unwrap();
        wattmul::run::simulated::undisturbed(&Simulation::new(model, plan, false), truth, no_sensor).unwrap()
    };
    vec![record("a100", None), record("rtx3090", None), record("h100", Some("none"))]
});

static VALUES: LazyLock<Vec<Value>> =
    LazyLock::new(|| RECORDS.iter().map(|record| serde_json::to_value(record).unwrap()).collect());

/// What a place in a record may become.
fn nonsense() -> impl Strategy<Value = Value> {
    let numbers = [0.0, -0.0, -1.0, 1e-308, 1e308, -1e308, 0.5, 1e15, 5e-324].map(|number| json!(number));
    let others = [
        Value::Null,
        json!(true),
        json!([]),
        json!({}),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("zeros"),
        json!("gaussian"),
        json!("counter"),
        json!("2026-01-31T14:12:00Z"),
        json!("\u{202e}\u{0}<script>"),
        json!([null, null]),
    ];
    let fixed: Vec<Value> = numbers.into_iter().chain(others).collect();
    prop_oneof![
        proptest::sample::select(fixed),
        any::<f64>().prop_map(|number| json!(number)),
        any::<u32>().prop_map(|number| json!(number)),
    ]
}

/// The places of each record as JSON pointers: every member, and the first items of every list.
static PLACES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    fn collect(value: &Value, pointer: &str, found: &mut Vec<String>) {
        found.push(pointer.into());
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(key, value)| collect(value, &format!("{pointer}/{key}"), found))
            }
            Value::Array(items) => {
                items
                    .iter()
                    .take(8)
                    .enumerate()
                    .for_each(|(i, value)| collect(value, &format!("{pointer}/{i}"), found));
            }
            _ => {}
        }
    }
    let of = |value: &Value| {
        let mut found = vec![];
        collect(value, "", &mut found);
        found
    };
    VALUES.iter().map(of).collect()
});

/// Everything that a record goes through when it was read from a file.
fn digest(text: &[u8], base: &Record) {
    let Ok(record) = wattmul::record::read::parse(text) else { return };
    let path = Path::new("nonsense.json");
    let problems = validate::problems(path, &record, text, validate::Depth::Quick);
    let _ = terminal::problems(&problems);
    if problems.iter().all(|problem| problem.what.starts_with("the name")) {
        let _ = compare::of(&record, base);
        let _ = compare::cautions(&record, base);
        let overview = overview::arrange(vec![Run { path: path.into(), record }], true, problems);
        terminal::write(content::report(&overview, true), true, &mut Vec::new()).unwrap();
        csv::write(&overview, &mut Vec::new()).unwrap();
    }
}

fn try_nonsense(inputs: u32) {
    let mut runner = TestRunner::new(Config { cases: inputs, failure_persistence: None, ..Config::default() });
    let changes = proptest::collection::vec((any::<Index>(), nonsense()), 0..6);
    let bytes = proptest::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    let strategy = (0..RECORDS.len(), changes, bytes, any::<bool>());
    let result = runner.run(&strategy, |(which, changes, bytes, in_text)| {
        let mut value = VALUES[which].clone();
        for (index, nonsense) in changes {
            // It may be gone already, with what held it.
            if let Some(place) = value.pointer_mut(&PLACES[which][index.index(PLACES[which].len())]) {
                *place = nonsense;
            }
        }
        let mut text = value.to_string().into_bytes();
        for (index, byte) in bytes.into_iter().filter(|_| in_text) {
            let at = index.index(text.len());
            text[at] = byte;
        }
        digest(&text, &RECORDS[which]);
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn nothing_panics_on_thousands_of_inputs() {
    try_nonsense(10_000);
}

#[test]
#[ignore = "minutes: for a release build"]
fn nothing_panics_on_a_million_inputs() {
    try_nonsense(1_000_000);
}
