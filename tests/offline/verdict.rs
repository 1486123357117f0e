//! What a record's verdict and intervals rest on: sensors that are coarse, slow, wrong, or of an unknown offset.

use crate::common;

use common::simulated;
use rayon::prelude::*;
use wattmul::archive::validate::{self, Depth};
use wattmul::operands::Init;
use wattmul::record::{Doubt, LimitKind, Record, Status, Truth};
use wattmul::run::PlanOptions;
use wattmul::run::simulated::{plan, truth, undisturbed};
use wattmul::simulate::sensor::CounterModel;
use wattmul::simulate::{MODELS, Model, Simulation};

/// Runs of each kind: few in a debug build.
const SEEDS: u64 = if cfg!(debug_assertions) { 4 } else { 20 };

fn run(model: &Model, options: PlanOptions) -> Record {
    undisturbed(&Simulation::new(*model, plan(model, &options).unwrap(), false), Truth::default(), None).unwrap()
}

fn model(text: &str) -> Model {
    text.parse().unwrap()
}

fn quick(seed: u64) -> PlanOptions {
    PlanOptions { quick: true, seed, ..PlanOptions::default() }
}

fn standard(seed: u64) -> PlanOptions {
    PlanOptions { seed, ..PlanOptions::default() }
}

/// All runs of a model are valid.
fn are_valid(model: &Model, options: fn(u64) -> PlanOptions) {
    (0..SEEDS).into_par_iter().for_each(|seed| {
        let record = run(model, options(seed));
        assert_eq!(record.verdict.judgement(), Status::Valid, "seed {seed}: {:?}", record.verdict);
    });
}

/// A figure of whole watts, as AMD's RDNA boards show, under a load that moves by less.
fn whole_watts(noise_w: f64) -> Model {
    let mut model = model("rtx3090,average_s=0.025");
    model.gpu = wattmul::simulate::gpu::GpuModel { ripple: 0.0, limit_w: 1000.0, ..model.gpu };
    model.sensor.quantum_mw = 1000.0;
    model.sensor.noise_w = noise_w;
    model.sensor.counter = CounterModel::None;
    model
}

#[test]
fn a_steady_load_on_a_coarse_sensor_is_no_fault() {
    for noise_w in [0.3, 0.0] {
        are_valid(&whole_watts(noise_w), standard);
        are_valid(&whole_watts(noise_w), quick);
    }
    let record = run(&whole_watts(0.0), standard(0));
    assert_eq!(record.trace.power_step_w, Some(1.0));
    assert!(record.timing.window_s <= 4.0, "a load that shows the same figure again makes no sensor slow");
}

#[test]
fn a_step_that_is_large_for_the_power_is_said() {
    let mut model = whole_watts(0.0);
    (model.gpu.zeros_w, model.gpu.gaussian_w, model.gpu.static_w) = (5.0, 9.0, 1.0);
    model.sensor.offset_w = 0.0;
    let record = run(&model, standard(0));
    assert!(record.verdict.is_invalid() && record.verdict.has("imprecise"), "{:?}", record.verdict);
}

#[test]
fn windows_fit_slow_power_figures_too() {
    for (text, options, window_s) in [
        ("rtx3090,period_s=0.6", standard as fn(u64) -> PlanOptions, 10.0),
        ("rtx3090,period_s=0.6", quick, 6.0),
        ("rtx3090,period_s=0.12", quick, 2.0),
        ("rtx3090,period_s=2.5,average_s=2.5", standard, 25.0),
    ] {
        let slow = model(text);
        are_valid(&slow, options);
        let found_s = run(&slow, options(0)).timing.window_s;
        assert!((found_s / window_s - 1.0).abs() < 0.1, "{text}: {found_s} s");
    }
}

#[test]
fn readings_that_look_back_before_the_load_are_not_valid_whatever_the_command_line_says() {
    for (text, settling_s, valid) in [
        ("a5000", 0.0, false),
        ("a5000", 0.9, false),
        ("rtx3090", 1.0, false),
        ("rtx3090", 1.5, true),
        ("h100", 0.5, true),
    ] {
        let options = PlanOptions { settling: Some(settling_s), ..PlanOptions::default() };
        let verdict = run(&model(text), options).verdict;
        assert_eq!(verdict.has("reaches-back"), !valid, "{text} after {settling_s} s: {verdict:?}");
        assert!(valid || verdict.is_invalid());
    }
}

#[test]
fn a_power_that_cannot_be_has_no_joules_and_is_never_valid() {
    let record = simulated("h100,gain=20", 0);
    let verdict = &record.verdict;
    assert_eq!(verdict.judgement(), Status::TimingOnly, "{verdict:?}");
    assert!(verdict.has("power-above-limit") && verdict.has("counter-above-limit"), "{verdict:?}");
    assert_eq!(record.summary.sensor.lead, None);
    assert!(record.summary.inits.values().all(|init| init.energy_j.is_none()));
    assert!(record.windows.iter().all(|window| window.energy_j.is_none()));
}

/// Whatever a sensor shows, the program takes back the record that it made of it.
#[test]
fn no_record_of_this_program_is_refused_by_it() {
    let folder = tempfile::tempdir().unwrap();
    for text in
        ["h100,gain=20", "h100,gain=2.5", "a100,gain=100", "m5,gain=90", "rtx3090,offset_w=-10000", "rtx3090,gain=1.4"]
    {
        let path = simulated(text, 0).save(folder.path()).unwrap();
        let problems = validate::read(&path, Depth::Full).err();
        assert!(problems.is_none(), "{text}: {problems:?}");
    }
}

/// PL1 is a mean of minutes, and laptops boost beyond it.
#[test]
fn a_sustained_limit_is_no_bound_of_a_window() {
    let mut record = simulated("m5", 0);
    let source = record.source.as_mut().unwrap();
    (source.power_limit_w, source.power_limit_kind) = (Some(5.0), LimitKind::Sustained);
    assert_eq!(wattmul::analysis::summary::of(&record).sensor.counter_doubt, None);
    record.source.as_mut().unwrap().power_limit_kind = LimitKind::Enforced;
    let summary = wattmul::analysis::summary::of(&record);
    assert_eq!(
        (summary.sensor.counter_doubt, summary.sensor.lead),
        (None, Some(wattmul::record::Lead::Counter)),
        "16 W over"
    );
    record.source.as_mut().unwrap().power_limit_w = Some(0.5);
    // A limit that rose during the run bounds by its highest.
    record.trace.power_limit_w = Some((0.5, 20.0));
    assert_eq!(wattmul::analysis::summary::of(&record).sensor.counter_doubt, None);
}

#[test]
fn what_was_not_checked_does_not_hold() {
    for (rounds, status) in [(1, Status::Unchecked), (2, Status::Unchecked), (3, Status::Valid)] {
        let verdict = run(&model("h100"), PlanOptions { rounds: Some(rounds), ..PlanOptions::default() }).verdict;
        assert_eq!(verdict.judgement(), status, "{rounds}: {verdict:?}");
        assert_eq!(verdict.has("no-interval"), status == Status::Unchecked);
    }
}

/// The truth, and not what the sensor shows of it: gain and offset of each board lie within the band of its family.
#[test]
fn the_combined_interval_holds_the_truth_that_no_scatter_shows() {
    let mut missed = 0;
    for model in &MODELS {
        let truth = truth(model, &plan(model, &standard(0)).unwrap()).unwrap();
        let true_ratio = truth.ratios[&Init::Gaussian].energy;
        for seed in 0..SEEDS {
            let record = run(model, standard(seed));
            let ratios = record.summary.ratios[&Init::Gaussian];
            let (energy, offset) = (ratios.energy.unwrap(), record.summary.sensor.offset_w.unwrap());
            let combined = energy.combined.unwrap();
            missed += usize::from(!(combined.low..=combined.high).contains(&true_ratio));
            // With more degrees of freedom, Student's t is smaller.
            let width = energy.high.unwrap() - energy.low.unwrap();
            assert!(combined.high - combined.low >= 0.95 * width, "{energy:?}");
            let sensor = model.sensor;
            assert!((offset.low..=offset.high).contains(&sensor.offset_w), "{}: {offset:?}", model.name);
            let gain = record.summary.sensor.gain.unwrap();
            assert!((gain.low..=gain.high).contains(&sensor.gain), "{}: {gain:?}", model.name);
            let of = |init| record.summary.inits[&init].power_w.unwrap();
            let expected = 1.0 / of(Init::Gaussian) - 1.0 / of(Init::Zeros);
            assert!((ratios.energy_per_offset_w.unwrap() - expected).abs() < 1e-12);
        }
    }
    // One in twenty may be; where the ratio is 1, no offset widens the interval.
    let runs = MODELS.len() * SEEDS as usize;
    println!("the combined interval holds the truth in {} of {runs} runs", runs - missed);
    assert!(missed <= runs / 12, "{missed} of {runs}");
}

/// Of whole watts, two powers are each off by up to half a watt, in every window alike.
#[test]
fn rounding_that_no_window_averages_out_is_in_the_combined_interval() {
    let fine = Model {
        sensor: wattmul::simulate::sensor::SensorModel { quantum_mw: 1.0, ..whole_watts(0.0).sensor },
        ..whole_watts(0.0)
    };
    let width = |model: &Model| {
        let combined = run(model, standard(0)).summary.ratios[&Init::Gaussian].energy.unwrap().combined.unwrap();
        combined.high - combined.low
    };
    assert!(width(&whole_watts(0.0)) > width(&fine));
}

/// The row that is open at a window's end holds nothing from after it.
#[test]
fn a_window_holds_its_own_reads_alone() {
    let record = run(&model("mi210,noise_w=0,ripple=0,wander=0"), standard(0));
    for window in &record.windows {
        let end_s = window.start_s + window.duration_s;
        let last_w = record.trace.mean(end_s - 0.02, end_s, |row| row.power_w).unwrap();
        let whole_w = record.trace.mean(end_s - 0.3, end_s - 0.07, |row| row.power_w).unwrap();
        assert!((last_w / whole_w - 1.0).abs() < 0.003, "{last_w} W at the end, {whole_w} W before");
    }
}

#[test]
fn a_doubt_is_written_as_a_word() {
    assert_eq!(serde_json::to_string(&Doubt::AboveLimit).unwrap(), "\"above-limit\"");
}
