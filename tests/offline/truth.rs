//! Can the ratio be believed? Whole experiments on simulated boards whose true answer is known.
//!
//! `cargo test --release truth -- --nocapture` measures all and prints the table of docs/PROTOCOL.md; a debug build takes a
//! small sample of the same.

use crate::common::CAPPED;
use rayon::prelude::*;
use std::fmt::Write;
use std::sync::LazyLock;
use wattmul::analysis::stats;
use wattmul::operands::Init;
use wattmul::protocol::{Clock, Sampler, Workload};
use wattmul::record::{Flag, Plan, Record, Status, Truth};
use wattmul::run::PlanOptions;
use wattmul::run::simulated::{endless, truth};
use wattmul::simulate::sensor::CounterModel;
use wattmul::simulate::{Fault, MODELS, Model, Simulation};

/// All together: a sample that is too small for shares in a debug build.
const EXPERIMENTS: u64 = if cfg!(debug_assertions) { 30 } else { 2010 };
const SEEDS_PER_FAULT: u64 = if cfg!(debug_assertions) { 4 } else { 200 };
const NAIVE_SEEDS: u64 = if cfg!(debug_assertions) { 2 } else { 200 };

fn plan(model: &Model, seed: u64) -> Plan {
    wattmul::run::simulated::plan(model, &PlanOptions { seed, ..PlanOptions::default() }).unwrap()
}

fn run(model: &Model, seed: u64, truth: &Truth) -> Record {
    wattmul::run::simulated::undisturbed(&Simulation::new(*model, plan(model, seed), false), truth.clone(), None)
        .unwrap()
}

/// What a board's sensor would show without noise and without end: power by init, and from it the ratio. The gain cancels in
/// the ratio; an offset does not, and no protocol can know it.
struct Expected {
    truth: Truth,
    zeros_j: f64,
    gaussian_j: f64,
    energy: f64,
    /// What the offset alone does to the ratio.
    offset_share: f64,
}

impl Expected {
    fn of(model: &Model) -> Self {
        let perfect = endless(model, &plan(model, 0)).unwrap().summary;
        let of = |init| {
            let init = &perfect.inits[&init];
            (init.power_w.unwrap(), init.time_s)
        };
        let shown = |watts: f64| model.sensor.gain * watts + model.sensor.offset_w;
        let ((zeros_w, zeros_s), (gaussian_w, gaussian_s)) = (of(Init::Zeros), of(Init::Gaussian));
        let offset_share = shown(gaussian_w) / shown(zeros_w) / (gaussian_w / zeros_w);
        Expected {
            truth: truth(model, &plan(model, 0)).unwrap(),
            zeros_j: shown(zeros_w) * zeros_s,
            gaussian_j: shown(gaussian_w) * gaussian_s,
            energy: perfect.ratios[&Init::Gaussian].energy.unwrap().estimate * offset_share,
            offset_share,
        }
    }
}

// Not in parallel: a thread of the pool that waits for this must not be one that this waits for.
static EXPECTED: LazyLock<Vec<Expected>> = LazyLock::new(|| MODELS.iter().map(Expected::of).collect());

/// What one experiment found, against what was there.
struct Outcome {
    ratio_error: f64,
    energy_error: f64,
    held: bool,
    /// Does the combined interval hold the true ratio, whatever the sensor shows of it?
    combined_held: bool,
    /// Does the interval of the ratio above idle hold the true one, and by what share is the ratio off?
    above_idle_held: bool,
    above_idle_error: f64,
    half_width: f64,
    found_difference: bool,
    /// Seconds from the first sample to the last.
    length_s: f64,
    /// Why a good run is not called valid.
    false_alarm: Option<String>,
}

fn outcome(record: &Record, expected: &Expected) -> Outcome {
    let energy = record.summary.ratios[&Init::Gaussian].energy.unwrap();
    let (low, high) = (energy.low.unwrap(), energy.high.unwrap());
    let combined = energy.combined.unwrap();
    let above_idle = record.summary.ratios[&Init::Gaussian].above_idle.unwrap();
    let true_above_idle = expected.truth.ratios[&Init::Gaussian].above_idle;
    let off = |init, joules: f64| (record.summary.inits[&init].energy_j.unwrap() / joules - 1.0).abs();
    Outcome {
        ratio_error: energy.estimate / expected.energy - 1.0,
        energy_error: off(Init::Zeros, expected.zeros_j).max(off(Init::Gaussian, expected.gaussian_j)),
        held: (low..=high).contains(&expected.energy),
        combined_held: (combined.low..=combined.high).contains(&(expected.energy / expected.offset_share)),
        above_idle_held: (above_idle.low.unwrap()..=above_idle.high.unwrap()).contains(&true_above_idle),
        above_idle_error: above_idle.estimate / true_above_idle - 1.0,
        half_width: (high - low) / 2.0 / energy.estimate,
        found_difference: !(low..=high).contains(&1.0),
        length_s: record.trace.t_s.last().unwrap() - record.trace.t_s[0],
        false_alarm: (record.verdict.judged != Some(Status::Valid)).then(|| format!("{:?}", record.verdict.reasons)),
    }
}

fn share(outcomes: &[Outcome], what: impl Fn(&Outcome) -> bool) -> f64 {
    outcomes.iter().filter(|&outcome| what(outcome)).count() as f64 / outcomes.len() as f64
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    stats::median(&values.collect::<Vec<_>>()).unwrap()
}

fn worst(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

/// "0.05 / 0.14 %": the median and the worst.
fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return "none".into();
    }
    let (median, worst) = (median(values.iter().copied()), worst(values.iter().copied()));
    let digits = if worst < 0.005 { 2 } else { 0 };
    let percent = |share: f64| if share.is_finite() { format!("{:.digits$}", 100.0 * share) } else { "none".into() };
    format!("{} / {} %", percent(median), percent(worst))
}

#[test]
fn truth_is_found_by_every_sensor_without_a_fault() {
    LazyLock::force(&EXPECTED);
    let outcomes: Vec<(usize, Outcome)> = (0..EXPERIMENTS)
        .into_par_iter()
        .map(|i| {
            let which = (i % MODELS.len() as u64) as usize;
            let (model, expected) = (&MODELS[which], &EXPECTED[which]);
            let record = run(model, 1 + i / MODELS.len() as u64, &expected.truth);
            assert_eq!(record.verdict.status, Status::Simulated);
            assert_eq!(record.verdict.flags.contains(&Flag::PowerCapped), CAPPED.contains(&model.name));
            (which, outcome(&record, expected))
        })
        .collect();
    println!("\n{EXPERIMENTS} experiments on {} boards\n", MODELS.len());
    let mut wrong = vec![];
    let held = outcomes.iter().filter(|(_, outcome)| outcome.held).count() as f64 / outcomes.len() as f64;
    let above_idle_held =
        outcomes.iter().filter(|(_, outcome)| outcome.above_idle_held).count() as f64 / outcomes.len() as f64;
    let combined_held =
        outcomes.iter().filter(|(_, outcome)| outcome.combined_held).count() as f64 / outcomes.len() as f64;
    let mut by_model: Vec<Vec<Outcome>> = MODELS.iter().map(|_| vec![]).collect();
    outcomes.into_iter().for_each(|(which, outcome)| by_model[which].push(outcome));

    let mut table = String::from(
        "| model | true ratio | bias | worst error | type A holds what is shown | combined holds truth | \
         above idle: bias, holds truth | half-width | length: median, longest | false alarms |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for ((model, expected), outcomes) in MODELS.iter().zip(EXPECTED.iter()).zip(&by_model) {
        let bias = outcomes.iter().map(|outcome| outcome.ratio_error).sum::<f64>() / outcomes.len() as f64;
        let worst_ratio = worst(outcomes.iter().map(|outcome| outcome.ratio_error.abs()));
        let worst_energy = worst(outcomes.iter().map(|outcome| outcome.energy_error));
        let held = share(outcomes, |outcome| outcome.held);
        let combined_held = share(outcomes, |outcome| outcome.combined_held);
        let half_width = median(outcomes.iter().map(|outcome| outcome.half_width));
        let length_s = median(outcomes.iter().map(|outcome| outcome.length_s));
        let longest_s = worst(outcomes.iter().map(|outcome| outcome.length_s));
        let alarms = share(outcomes, |outcome| outcome.false_alarm.is_some());
        let _ = writeln!(
            table,
            "| {} | {:.4} | {:+.2} % | {:.2} % | {:.1} % | {:.1} % | {:+.2} %, {:.1} % | ±{:.2} % | {length_s:.0}, {longest_s:.0} s | {:.1} % |",
            model.name,
            expected.energy / expected.offset_share,
            100.0 * bias,
            100.0 * worst_ratio,
            100.0 * held,
            100.0 * combined_held,
            100.0 * outcomes.iter().map(|outcome| outcome.above_idle_error).sum::<f64>() / outcomes.len() as f64,
            100.0 * share(outcomes, |outcome| outcome.above_idle_held),
            100.0 * half_width,
            100.0 * alarms,
        );
        let name = model.name;
        outcomes
            .iter()
            .filter_map(|outcome| outcome.false_alarm.as_ref())
            .take(2)
            .for_each(|why| println!("{name}: {why}"));
        let mut check = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{name}: {what}"));
            }
        };
        check(bias.abs() <= 0.003, "bias");
        check(worst_ratio <= 0.01, "worst ratio");
        check(worst_energy <= 0.015, "energy");
        check(worst(outcomes.iter().map(|outcome| outcome.above_idle_error.abs())) <= 0.012, "above idle");
        check(half_width <= 0.005, "half-width");
        check(longest_s <= 240.0 || name == "m5", "length");
        if !cfg!(debug_assertions) {
            // 143 runs of a board leave a standard error of 2 %.
            check(held >= 0.86, "the interval holds the truth too seldom");
            check(combined_held >= 0.91, "the combined interval holds the truth too seldom");
            check(alarms <= 0.01, "false alarms");
        }
    }
    let length_s = median(by_model.iter().map(|outcomes| median(outcomes.iter().map(|outcome| outcome.length_s))));
    println!(
        "{table}\nall together, the type A interval holds what a sensor shows of the truth in {:.1} %,",
        100.0 * held
    );
    println!("the combined interval the truth in {:.1} %,", 100.0 * combined_held);
    println!("and above idle the interval the truth in {:.1} %\n", 100.0 * above_idle_held);
    println!("the median of the models' median runs: {length_s:.0} s\n");
    let even = MODELS.iter().position(|model| model.name == "even").unwrap();
    let no_difference = 1.0 - share(&by_model[even], |outcome| outcome.found_difference);
    println!("where the true ratio is 1, no difference is found in {:.1} %\n", 100.0 * no_difference);
    if !cfg!(debug_assertions) {
        assert!(held >= 0.95, "{held}");
        assert!(combined_held >= 0.95, "{combined_held}");
        assert!(above_idle_held >= 0.93, "{above_idle_held}");
        assert!(no_difference >= 0.90, "{no_difference}");
        assert!(length_s <= 150.0, "{length_s}");
    }
    naive_table(&by_model);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Time that this thread had a core, where the system tells (Linux); else time.
enum Busy {
    Cpu(u64),
    Wall(std::time::Instant),
}

impl Busy {
    fn now() -> Self {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanoseconds = text.and_then(|text| text.split(' ').next()?.parse().ok());
        nanoseconds.map_or_else(|| Busy::Wall(std::time::Instant::now()), Busy::Cpu)
    }

    fn elapsed_s(self) -> f64 {
        match (self, Busy::now()) {
            (Busy::Cpu(then), Busy::Cpu(now)) => (now - then) as f64 * 1e-9,
            (Busy::Wall(then), _) => then.elapsed().as_secs_f64(),
            (Busy::Cpu(_), Busy::Wall(_)) => unreachable!("schedstat does not go away"),
        }
    }
}

#[test]
fn truth_takes_milliseconds() {
    const RUNS: u64 = if cfg!(debug_assertions) { 1 } else { 25 };
    LazyLock::force(&EXPECTED);
    for model in &MODELS {
        // The mean of some: the system's account of a thread's time has a grain of milliseconds.
        let begun = Busy::now();
        (0..RUNS).for_each(|seed| drop(run(model, seed, &EXPECTED[0].truth)));
        let each_s = begun.elapsed_s() / RUNS as f64;
        println!("a whole run on {} takes {:.1} ms", model.name, each_s * 1e3);
        assert!(cfg!(debug_assertions) || each_s <= 0.020, "{}: {each_s} s", model.name);
    }
}

/// What people do: run for a while, then one product, with a reading of the counter before and after it; or its time by the
/// mean of the power figures that were polled meanwhile.
struct Naive {
    counted_j: Option<f64>,
    polled_j: Option<f64>,
}

const NAIVE_WARM_UP_S: f64 = 20.0;

fn naive(simulation: &Simulation, init: usize, clock: &dyn Clock, sampler: &mut dyn Sampler) -> Naive {
    let mut work = simulation.work();
    let mut latest = None;
    let begun_s = clock.now_s();
    while clock.now_s() - begun_s < NAIVE_WARM_UP_S {
        work.submit(init).unwrap();
        work.wait().unwrap();
        sampler.drain(&mut |sample| latest = sample.reading.ok().or(latest));
    }
    let before_s = clock.now_s();
    let before_uj = latest.and_then(|reading| reading.energy_uj);
    let (mut products, mut watts) = (0.0, vec![]);
    while products < 0.999 {
        work.submit(init).unwrap();
        products += work.wait().unwrap();
        sampler.drain(&mut |sample| {
            latest = sample.reading.ok().or(latest);
            watts.extend(latest.and_then(|reading| reading.power_mw).map(|mw| mw as f64 / 1000.0));
        });
    }
    let seconds = clock.now_s() - before_s;
    let after_uj = latest.and_then(|reading| reading.energy_uj);
    let mean_w = watts.iter().sum::<f64>() / watts.len() as f64;
    Naive {
        counted_j: before_uj.zip(after_uj).map(|(before, after)| (after - before) as f64 * 1e-6 / products),
        polled_j: mean_w.is_finite().then(|| mean_w * seconds / products),
    }
}

fn naive_table(ours: &[Vec<Outcome>]) {
    let mut table = String::from(
        "| model | its sensor | energy: counter before and after | energy: mean of polled | energy: ours | ratio: counter | ratio: polled | ratio: ours |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for ((model, expected), ours) in MODELS.iter().zip(EXPECTED.iter()).zip(ours) {
        let found: Vec<(Naive, Naive)> = (1..=NAIVE_SEEDS)
            .into_par_iter()
            .map(|seed| {
                let simulation = Simulation::new(*model, plan(model, seed), false);
                simulation.open();
                let (clock, mut sampler) = (simulation.clock(), simulation.sampler());
                let zeros = naive(&simulation, 0, &clock, &mut sampler);
                (zeros, naive(&simulation, 1, &clock, &mut sampler))
            })
            .collect();
        let energy = |joules: &dyn Fn(&Naive) -> Option<f64>| -> Vec<f64> {
            found.iter().filter_map(|(_, g)| Some((joules(g)? / expected.gaussian_j - 1.0).abs())).collect()
        };
        let ratio = |joules: &dyn Fn(&Naive) -> Option<f64>| -> Vec<f64> {
            let ratios = found.iter().filter_map(|(z, g)| Some(joules(g)? / joules(z)?));
            // 0 / 0: the counter had not moved at all
            ratios
                .map(|ratio| if ratio.is_nan() { f64::INFINITY } else { (ratio / expected.energy - 1.0).abs() })
                .collect()
        };
        let sensor = &model.sensor;
        let counts = if sensor.counter == CounterModel::None { "power" } else { "counter" };
        let _ = writeln!(
            table,
            "| {} | {counts} every {} s, sees {} s | {} | {} | {} | {} | {} | {} |",
            model.name,
            sensor.period_s,
            sensor.average_s,
            spread(&energy(&|naive| naive.counted_j)),
            spread(&energy(&|naive| naive.polled_j)),
            spread(&ours.iter().map(|outcome| outcome.energy_error).collect::<Vec<_>>()),
            spread(&ratio(&|naive| naive.counted_j)),
            spread(&ratio(&|naive| naive.polled_j)),
            spread(&ours.iter().map(|outcome| outcome.ratio_error.abs()).collect::<Vec<_>>()),
        );
    }
    println!("median and worst error against the truth, after the sensor's own gain and offset:\n\n{table}");
}

/// The boards on which a fault is tried, and the verdict and the reason that it must end in.
fn due(fault: Fault, model: &Model) -> Option<(Status, Option<&'static str>)> {
    let counts = model.sensor.counter != CounterModel::None;
    let polls = model.sensor.quantum_mw > 0.0;
    // Without power figures, nothing stands in for a counter that fails in a window.
    let failed_counter = if polls { Status::UnverifiedSensor } else { Status::Invalid };
    match fault {
        // A counter of 32 bits in µJ outlasts the run on the small chip, or wraps outside of the windows.
        Fault::UnknownWrap => (counts && polls).then_some((failed_counter, Some("counter-stepped-back"))),
        Fault::Frozen => counts.then_some((failed_counter, Some("counter-frozen"))),
        Fault::StepBack | Fault::Reset => counts.then_some((failed_counter, Some("counter-stepped-back"))),
        Fault::FallOnIdle => counts.then_some((Status::UnverifiedSensor, Some("counter-stepped-back"))),
        Fault::Wrap => counts.then_some((Status::Valid, None)),
        Fault::DroppedReads | Fault::NotANumber => Some((Status::Valid, None)),
        Fault::CapFlag => (!CAPPED.contains(&model.name)).then_some((Status::Valid, None)),
        Fault::PermissionLost => Some((Status::Invalid, Some("sensor-lost"))),
        Fault::Thermal => Some((Status::Invalid, Some("thermal-slowdown"))),
        Fault::SecondProcess => Some((Status::Invalid, Some("disturbed"))),
        Fault::Drift => Some((Status::Invalid, Some("drift"))),
    }
}

#[test]
fn truth_is_not_claimed_where_a_fault_spoils_it() {
    LazyLock::force(&EXPECTED);
    let mut table = String::from(
        "| fault | runs | right verdict | worst ratio of those judged valid, and unverified |\n| --- | --- | --- | --- |\n",
    );
    let mut wrong = vec![];
    for fault in Fault::ALL {
        let boards: Vec<usize> = (0..MODELS.len()).filter(|&which| due(fault, &MODELS[which]).is_some()).collect();
        let results: Vec<(Option<String>, Status, f64)> = (0..SEEDS_PER_FAULT)
            .into_par_iter()
            .map(|seed| {
                let which = boards[seed as usize % boards.len()];
                let model = Model { fault: Some(fault), ..MODELS[which] };
                let (status, code) = due(fault, &model).unwrap();
                let record = run(&model, 1 + seed, &EXPECTED[which].truth);
                let verdict = &record.verdict;
                let capped = verdict.flags.contains(&Flag::PowerCapped) == (CAPPED.contains(&model.name));
                let reasons = verdict.reasons.iter().filter(|reason| reason.code != "power-capped").count();
                let right =
                    verdict.judgement() == status && code.map_or(reasons == 0 && capped, |code| verdict.has(code));
                let energy = record.summary.ratios.get(&Init::Gaussian).and_then(|ratios| ratios.energy);
                let off = energy.map_or(0.0, |energy| (energy.estimate / EXPECTED[which].energy - 1.0).abs());
                let found = (!right).then(|| format!("{} {} {seed}: {verdict:?}", fault.name(), model.name));
                (found, verdict.judgement(), off)
            })
            .collect();
        let worst_of = |status| worst(results.iter().filter(|result| result.1 == status).map(|result| result.2));
        let (valid, unverified) = (worst_of(Status::Valid), worst_of(Status::UnverifiedSensor));
        let right = results.iter().filter(|result| result.0.is_none()).count();
        let percent = 100.0 * right as f64 / results.len() as f64;
        let _ = writeln!(
            table,
            "| {} | {} | {percent:.1} % | {:.2} %, {:.2} % |",
            fault.name(),
            results.len(),
            100.0 * valid,
            100.0 * unverified
        );
        wrong.extend(results.into_iter().filter_map(|result| result.0));
        if valid > 0.01 {
            wrong.push(format!("{}: valid, and off by {valid}", fault.name()));
        }
    }
    println!("\n{table}");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}
