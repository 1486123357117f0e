//! The law of a board, from one atlas of a simulated one whose circuit is known; and what it says of numbers that it was not shown.
//!
//! `cargo test --release atlas -- --nocapture` measures all and prints the tables of docs/INITS.md; a debug build takes a small
//! sample of the same.

use crate::common::CAPPED;
use rayon::prelude::*;
use std::fmt::Write;
use wattmul::analysis::law::{Law, NoLaw};
use wattmul::analysis::{summary, validity};
use wattmul::operands::{Count, Init};
use wattmul::record::{Estimate, Plan, Record, Status, Truth};
use wattmul::run::PlanOptions;
use wattmul::simulate::circuit::Circuit;
use wattmul::simulate::{MODELS, Model, Simulation, activity};

/// On each board.
const SEEDS: u64 = if cfg!(debug_assertions) { 3 } else { 200 };
/// Of the intervals hold, what they should: at least.
const HELD: f64 = if cfg!(debug_assertions) { 0.7 } else { 0.93 };

/// Numbers that no atlas has.
const OTHERS: [&str; 10] = [
    "constant:2.71828", "constant:-7.77", "gaussian:0.01", "gaussian:65536", "sparse:0.05", "sparse:0.35",
    "sparse:0.7", "mantissa:0", "mantissa:4", "mantissa:16",
];

fn plan(model: &Model, seed: u64) -> Plan {
    wattmul::run::simulated::plan(model, &PlanOptions { seed, atlas: true, ..PlanOptions::default() }).unwrap()
}

fn run(model: &Model, seed: u64) -> Record {
    wattmul::run::simulated::undisturbed(&Simulation::new(*model, plan(model, seed), false), Truth::default(), None)
        .unwrap()
}

fn own(circuit: &Circuit, count: Count) -> f64 {
    match count {
        Count::Ones => circuit.ones,
        Count::OperandFlips => circuit.operands,
        Count::SumFlips => circuit.sums,
        Count::Changes => circuit.changes,
        Count::SignFlips => circuit.signs,
        Count::SumOnes => 0.0,
    }
}

/// What a perfect sensor would have shown of the same run, the chip's own costs among it: watts of zeros, and by how much Gaussian
/// numbers draw more. There the chip is warmer, and leaks more.
fn truth_w(model: &Model, seed: u64) -> (f64, f64) {
    let mut perfect = Model { sensor: model.sensor.perfect(), ..*model };
    (perfect.gpu.wander, perfect.gpu.ripple) = (0.0, 0.0);
    let law = Law::of(&run(&perfect, seed)).unwrap();
    let shown_w = |init: Init| law.points.iter().find(|point| point.init == init).unwrap().power_w;
    let [zeros_w, gaussian_w] = [Init::Zeros, Init::Gaussian].map(shown_w);
    // Where there is no difference, rounding is none either.
    let difference_w = if model.gpu.gaussian_w > model.gpu.zeros_w { gaussian_w - zeros_w } else { 0.0 };
    (model.sensor.gain * zeros_w + model.sensor.offset_w, model.sensor.gain * difference_w)
}

/// Watts for each of a count, where Gaussian numbers draw so many more than zeros.
fn weights_w(model: &Model, law: &Law, difference_w: f64) -> Vec<f64> {
    let gaussian = activity(Init::Gaussian, law.order);
    let weight = |&count: &Count| own(&model.gpu.circuit, count) * difference_w / gaussian.of_count(count).mean;
    law.counts.iter().map(weight).collect()
}

fn holds(estimate: Estimate, truth: f64) -> bool {
    (estimate.low.unwrap()..=estimate.high.unwrap()).contains(&truth)
}

/// What one atlas says, against what is so.
struct Outcome {
    /// Of the weights and the offset.
    held: Vec<bool>,
    half_widths: Vec<f64>,
    /// Watts of the model for each of a count, times the sensor's gain.
    own_w: Vec<f64>,
    /// Of numbers that were not in the atlas.
    predicted: usize,
    missed_w2: f64,
    /// As it says.
    error_w: f64,
    explained: f64,
    /// Does it find out whether the board's compiler exchanges rows and columns? Where nothing costs anything, there is nothing to find.
    order_found: bool,
    /// Why a good run is not called valid.
    alarm: Option<String>,
}

fn outcome(model: &Model, seed: u64) -> Outcome {
    let record = run(model, seed);
    let law = Law::of(&record).unwrap();
    let (zeros_w, difference_w) = truth_w(model, seed);
    let weights = law.weights_w.iter().zip(weights_w(model, &law, difference_w));
    let (mut predicted, mut missed_w2) = (0, 0.0);
    for init in OTHERS.map(|text| text.parse::<Init>().unwrap()) {
        let truth_w = zeros_w + model.gpu.circuit.share(init, seed) * difference_w;
        let prediction = law.predict(&activity(init, law.order));
        predicted += usize::from(holds(prediction, truth_w));
        missed_w2 += (prediction.estimate - truth_w).powi(2) / OTHERS.len() as f64;
    }
    Outcome {
        held: weights.map(|(&weight, truth_w)| holds(weight, truth_w)).chain([holds(law.offset_w, zeros_w)]).collect(),
        half_widths: law.weights_w.iter().map(|weight| (weight.high.unwrap() - weight.low.unwrap()) / 2.0).collect(),
        own_w: weights_w(model, &law, model.sensor.gain * (model.gpu.gaussian_w - model.gpu.zeros_w)),
        predicted,
        missed_w2,
        error_w: law.error_w,
        explained: law.explained.unwrap(),
        order_found: law.order.transposed == model.gpu.circuit.by_column || difference_w == 0.0,
        alarm: (record.verdict.judged != Some(Status::Valid)).then(|| format!("{seed}: {:?}", record.verdict.reasons)),
    }
}

#[test]
fn truth_of_a_circuit_is_found_from_one_atlas() {
    let mut table = String::from(
        "| model | W each: own ± of one atlas, held (ones; operands' flips; sums' flips; changes; sign flips) | held, with the offset | \
         variance explained | off by, as it says | off by, other numbers | other numbers held |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let (mut held_of_all, mut predicted_of_all, mut atlases, mut wrong) = (0.0, 0.0, 0.0, vec![]);
    // At its power limit, a board turns bits into time.
    for model in MODELS.iter().filter(|model| !CAPPED.contains(&model.name)) {
        let outcomes: Vec<Outcome> = (1..=SEEDS).into_par_iter().map(|seed| outcome(model, seed)).collect();
        let seeds = outcomes.len() as f64;
        let mean = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).sum::<f64>() / seeds;
        let share =
            |outcome: &Outcome| outcome.held.iter().filter(|&&held| held).count() as f64 / outcome.held.len() as f64;
        let (held, predicted) = (mean(&share), mean(&|outcome| outcome.predicted as f64 / OTHERS.len() as f64));
        let (says_w, is_w) =
            (mean(&|outcome| outcome.error_w.powi(2)).sqrt(), mean(&|outcome| outcome.missed_w2).sqrt());
        let weights = outcomes[0].own_w.iter().enumerate().map(|(i, own_w)| {
            let each = mean(&|outcome| f64::from(u8::from(outcome.held[i])));
            format!("{own_w:.2} ± {:.2}, {:.0} %", mean(&|outcome| outcome.half_widths[i]), 100.0 * each)
        });
        let name = model.name;
        let _ = writeln!(
            table,
            "| {name} | {} | {:.1} % | {:.1} % | {says_w:.2} W | {is_w:.2} W | {:.1} % |",
            weights.collect::<Vec<_>>().join("; "),
            100.0 * held,
            100.0 * mean(&|outcome| outcome.explained),
            100.0 * predicted,
        );
        (held_of_all, predicted_of_all, atlases) =
            (held_of_all + seeds * held, predicted_of_all + seeds * predicted, atlases + seeds);
        let alarms = outcomes.iter().filter_map(|outcome| outcome.alarm.as_ref());
        wrong.extend(alarms.take(2).map(|alarm| format!("{name}: {alarm}")));
        let mut check = |is_so: bool, what: &str| {
            if !is_so {
                wrong.push(format!("{name}: {what}"));
            }
        };
        check(outcomes.iter().all(|outcome| outcome.order_found), "its order of multiplication is not found");
        check(held >= HELD, "its intervals hold too few weights");
        check(predicted >= HELD, "its intervals hold too few other numbers");
        check(cfg!(debug_assertions) || (0.4..=1.25).contains(&(is_w / says_w)), "it is not as far off as it says");
    }
    let (held, predicted) = (held_of_all / atlases, predicted_of_all / atlases);
    println!(
        "\n{table}\n{atlases} atlases: intervals hold {:.1} % of the weights, {:.1} % of other numbers\n",
        100.0 * held,
        100.0 * predicted
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_atlas_takes_turns_in_balanced_orders_and_is_computed_again_from_its_record() {
    let model: Model = "v100".parse().unwrap();
    let record = run(&model, 3);
    let inits = Init::ALL.len();
    assert_eq!(record.windows.len(), record.plan.rounds as usize * inits);
    for (round, windows) in record.windows.chunks(inits).enumerate() {
        let order = wattmul::protocol::order::of_round(inits, round as u32);
        let inits: Vec<Init> = order.into_iter().map(|init| Init::ALL[init]).collect();
        assert_eq!(windows.iter().map(|window| window.init).collect::<Vec<_>>(), inits);
    }
    let text = record.to_json();
    assert!(text.len() < 340_000, "{}", text.len());
    let read: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(read, record);
    assert_eq!((summary::of(&read), validity::of(&read)), (record.summary.clone(), record.verdict.clone()));
    assert_eq!(Law::of(&read), Law::of(&record));
    // A sensor without a counter needs many updates in each window, however many windows share the trace.
    for period_s in ["0.1", "0.15", "0.25", "0.4"] {
        let model: Model = format!("rtx3090,limit_w=1000,average_s=0.1,period_s={period_s}").parse().unwrap();
        let slow = run(&model, 3);
        assert_eq!(slow.verdict.judged, Some(Status::Valid), "{period_s}: {:?}", slow.verdict);
        assert!(slow.to_json().len() < 340_000, "{period_s}: {}", slow.to_json().len());
    }
    let capped = run(&"rtx3090".parse().unwrap(), 3);
    assert_eq!(Law::of(&capped).unwrap_err(), NoLaw::PowerCapped, "at the limit, bits cost time");
}
