//! The sensor against a meter beside it: simulated boards whose sensor's gain and offset are known, and a meter that
//! sees what they draw.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use wattmul::analysis::summary;
use wattmul::archive::validate::{Depth, problems};
use wattmul::operands::{Init, Order};
use wattmul::protocol::{Clock, Sample, Sampler};
use wattmul::record::{
    Band, Calibration, KernelChoice, Meter, MeterDoubt, MeterInterface, MeterSummary, Record, Scope, Source, Summary,
    Truth,
};
use wattmul::report::{content, markdown};
use wattmul::run::simulated::plan;
use wattmul::run::{PlanOptions, Prepared, Setup, run};
use wattmul::simulate::sensor::TickSampler;
use wattmul::simulate::{Model, Simulation};

/// Shares need many.
const SEEDS: u64 = 200;

/// A meter of known faults.
#[derive(Clone, Copy)]
struct Fake {
    period_s: f64,
    average_s: f64,
    delay_s: f64,
    noise_w: f64,
    step_w: f64,
    scope: Scope,
}

/// A bench meter in the cables: ten means a second, hundredths of a watt.
const BENCH: Fake =
    Fake { period_s: 0.1, average_s: 0.1, delay_s: 0.3, noise_w: 0.2, step_w: 0.01, scope: Scope::Board };
/// Once a second, in whole watts, late by two seconds.
const PLUG: Fake = Fake { period_s: 1.0, average_s: 1.0, delay_s: 2.0, noise_w: 0.3, step_w: 1.0, ..BENCH };

/// All that a meter is late and averages over is a multiple of this.
const TICK_S: f64 = 0.1;

/// The board's own sensor, and beside it what the board has drawn, tick by tick: it forgets.
struct Beside<'a> {
    sensor: TickSampler,
    simulation: &'a Simulation,
    drawn_j: Rc<RefCell<Vec<f64>>>,
}

impl Sampler for Beside<'_> {
    fn source(&self) -> &Source {
        self.sensor.source()
    }

    fn drain(&mut self, take: &mut dyn FnMut(Sample)) {
        let now_s = self.simulation.clock().now_s();
        let mut drawn_j = self.drawn_j.borrow_mut();
        while drawn_j.len() as f64 * TICK_S <= now_s {
            let at_s = drawn_j.len() as f64 * TICK_S;
            drawn_j.push(self.simulation.drawn_j(at_s));
        }
        self.sensor.drain(take);
    }
}

impl Fake {
    /// What it says of a board that had drawn so much by each tick; `watts` are its of the board's.
    fn of(&self, drawn_j: &[f64], seed: u64, watts: impl Fn(f64) -> f64) -> Meter {
        let mut noise = ChaCha8Rng::seed_from_u64(seed);
        let mut meter = Meter::new(MeterInterface::Command, self.scope);
        let ticks = |seconds: f64| (seconds / TICK_S).round() as usize;
        let first = ticks(self.delay_s + self.average_s);
        for at in (first..drawn_j.len()).step_by(ticks(self.period_s)) {
            let to = at - ticks(self.delay_s);
            let board_w = (drawn_j[to] - drawn_j[to - ticks(self.average_s)]) / self.average_s;
            let noise: f64 = StandardNormal.sample(&mut noise);
            let shown_w = watts(board_w) + self.noise_w * noise;
            meter.push(at as f64 * TICK_S, (shown_w / self.step_w).round() * self.step_w, None);
        }
        meter
    }
}

fn model(text: &str) -> Model {
    text.parse().unwrap()
}

/// A run of the model with such a meter, whose watts are `watts` of the board's.
fn metered(model: &Model, fake: Fake, seed: u64, watts: impl Fn(f64) -> f64) -> Record {
    let plan = plan(model, &PlanOptions { seed, ..PlanOptions::default() }).unwrap();
    let simulation = Simulation::new(*model, plan.clone(), false);
    let drawn_j = Rc::new(RefCell::new(vec![]));
    let sensor = Beside { sensor: simulation.sampler(), simulation: &simulation, drawn_j: drawn_j.clone() };
    let none = KernelChoice {
        variant: "simulated".into(),
        wgsl_digest: String::new(),
        order: Order::default(),
        tuning: vec![],
    };
    let setup = Setup {
        adapter: simulation.adapter(),
        clock: &simulation.clock(),
        sensor: Ok(Box::new(sensor)),
        meter: None,
        open: &mut || {
            simulation.open();
            Ok(())
        },
        prepare: &mut || {
            let work = Box::new(simulation.work());
            Ok(Prepared { work, inputs: simulation.inputs(), kernel: none.clone() })
        },
        truth: Some(Truth::default()),
    };
    let mut record = run(plan, setup, &|| false, &|_| ()).unwrap();
    record.meter = Some(fake.of(&drawn_j.borrow(), seed, watts));
    record.summary = summary::of(&record);
    record
}

fn found(record: &Record) -> &MeterSummary {
    record.summary.meter.as_ref().unwrap()
}

fn line(record: &Record) -> &Calibration {
    found(record).calibration.as_ref().unwrap_or_else(|| panic!("{:?}", found(record)))
}

#[test]
fn gain_and_offset_are_found_and_their_intervals_hold_them() {
    for (name, fake) in [("h100", BENCH), ("rtx4090", BENCH), ("h100", PLUG)] {
        let model = model(name);
        let (gain, offset_w) = (model.sensor.gain, model.sensor.offset_w);
        let lines: Vec<Calibration> =
            (0..SEEDS).into_par_iter().map(|seed| line(&metered(&model, fake, seed, |watts| watts)).clone()).collect();
        let off = |of: &dyn Fn(&Calibration) -> f64| -> Vec<f64> {
            let mut off: Vec<f64> = lines.iter().map(|line| of(line).abs()).collect();
            off.sort_by(f64::total_cmp);
            off
        };
        let gains = off(&|line| line.gain.estimate / gain - 1.0);
        let offsets = off(&|line| line.offset_w.estimate - offset_w);
        let share = |holds: &dyn Fn(&Calibration) -> bool| {
            lines.iter().filter(|line| holds(line)).count() as f64 / lines.len() as f64
        };
        let of_gain = share(&|line| line.gain.low.unwrap() <= gain && gain <= line.gain.high.unwrap());
        let of_offset =
            share(&|line| line.offset_w.low.unwrap() <= offset_w && offset_w <= line.offset_w.high.unwrap());
        let straight = share(&|line| line.straight == Some(true));
        let at = |sorted: &[f64], share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        println!(
            "{name}, every {} s: gain off by {:.3} % (half), {:.3} % (most); offset by {:.3} W, {:.3} W; held {of_gain:.3}, \
             {of_offset:.3}; straight {straight:.3}",
            fake.period_s,
            100.0 * at(&gains, 0.5),
            100.0 * at(&gains, 1.0),
            at(&offsets, 0.5),
            at(&offsets, 1.0)
        );
        // Whole watts, two or three in a rest, are now and then off by more.
        let most = if fake.step_w < 1.0 { 1.0 } else { 0.95 };
        assert!(at(&gains, most) < 0.005 && at(&offsets, most) < 0.5, "{name}");
        assert!(of_gain >= 0.93 && of_offset >= 0.93 && straight >= 0.93, "{name}");
    }
}

/// A meter of the board shrinks what is not known of the sensor; one at the wall, or off a straight line, does not.
#[test]
fn a_board_meters_line_takes_the_place_of_the_published_bands_and_no_other_does() {
    let model = model("h100");
    let board = metered(&model, BENCH, 1, |watts| watts);
    let published = Record { meter: None, ..board.clone() };
    let published = summary::of(&published);
    let width = |band: Option<Band>| band.map(|band| band.high - band.low).unwrap();
    let combined = |summary: &Summary| width(summary.ratios[&Init::Gaussian].energy.unwrap().combined);
    assert!(width(board.summary.sensor.offset_w) < 0.1 * width(published.sensor.offset_w));
    assert!(combined(&board.summary) < combined(&published), "{} < {}", combined(&board.summary), combined(&published));
    let gain = &line(&board).gain;
    assert_eq!(board.summary.sensor.gain, Some(Band { low: gain.low.unwrap(), high: gain.high.unwrap() }));

    // A supply that loses a tenth, beside 80 W of the rest.
    let wall = metered(&model, Fake { scope: Scope::System, ..BENCH }, 1, |watts| watts / 0.9 + 80.0);
    let expected = 0.9 * model.sensor.gain;
    assert!((line(&wall).gain.estimate / expected - 1.0).abs() < 0.005, "{:?}", line(&wall));
    assert_eq!(wall.summary.sensor, published.sensor);

    let curved = metered(&model, BENCH, 1, |watts| watts + 2e-4 * watts * watts);
    assert_eq!(line(&curved).straight, Some(false), "{:?}", line(&curved));
    assert_eq!(curved.summary.sensor, published.sensor);
}

#[test]
fn a_meter_that_is_not_to_be_believed_is_told_by_its_figures() {
    let model = model("h100");
    let doubt = |record: &Record| {
        assert_eq!(found(record).calibration, None);
        found(record).doubt
    };
    let milliwatts = metered(&model, PLUG, 2, |watts| 1000.0 * watts);
    assert_eq!(doubt(&milliwatts), Some(MeterDoubt::Milliwatts));
    let another = metered(&model, PLUG, 2, |_| 63.0);
    assert_eq!(doubt(&another), Some(MeterDoubt::NoLoad));
    let mut silent = another;
    silent.meter = Some(Meter::new(MeterInterface::Command, Scope::Board));
    silent.summary = summary::of(&silent);
    assert_eq!(doubt(&silent), Some(MeterDoubt::Silent));
}

/// The middle of what a figure is a mean of lies half its averaging before it, on top of its delay.
#[test]
fn a_meters_delay_is_found_two_seconds_and_more() {
    for (name, fake) in [("h100", BENCH), ("h100", PLUG), ("a100", PLUG), ("rtx4090", Fake { delay_s: 2.0, ..BENCH })] {
        let truly_s = fake.delay_s + fake.average_s / 2.0;
        for seed in 0..20 {
            let found_s = found(&metered(&model(name), fake, seed, |watts| watts)).delay_s.unwrap();
            assert!((found_s - truly_s).abs() <= fake.period_s / 2.0, "{name}, seed {seed}: {found_s} of {truly_s} s");
        }
    }
}

/// A meter that hangs for a while says so, and what it did not see is no part of its line.
#[test]
fn a_meter_that_stalled_is_believed_for_the_rest() {
    let model = model("h100");
    let whole = metered(&model, BENCH, 5, |watts| watts);
    let mut stalled = whole.clone();
    let (from_s, to_s) = (whole.windows[3].start_s, whole.windows[5].start_s + 0.5 * whole.windows[5].duration_s);
    let meter = stalled.meter.as_mut().unwrap();
    let heard: Vec<bool> = meter.t_s.iter().map(|t_s| !(from_s..to_s).contains(t_s)).collect();
    let mut of = heard.iter();
    meter.t_s.retain(|_| *of.next().unwrap());
    let mut of = heard.iter();
    meter.power_w.retain(|_| *of.next().unwrap());
    let mut of = heard.iter();
    meter.own_s.retain(|_| *of.next().unwrap());
    stalled.summary = summary::of(&stalled);
    assert!((line(&stalled).gain.estimate / model.sensor.gain - 1.0).abs() < 0.005, "{:?}", line(&stalled));
    assert_eq!(line(&stalled).stretches, line(&whole).stretches - 3);
    let silent_s = |record: &Record| found(record).silent_s.unwrap();
    assert!((silent_s(&stalled) - (to_s - from_s)).abs() < 0.3, "{} s", silent_s(&stalled));
    assert!(silent_s(&whole) < 2.0, "{} s", silent_s(&whole));
}

/// A meter that dies in the middle, and one whose logger starts again, its own clock with it.
#[test]
fn what_a_meter_said_before_it_died_or_began_anew_counts() {
    let model = model("h100");
    let whole = metered(&model, BENCH, 3, |watts| watts);
    let mut dead = whole.clone();
    let meter = dead.meter.as_mut().unwrap();
    let half = meter.t_s.len() / 2;
    meter.t_s.truncate(half);
    meter.power_w.truncate(half);
    meter.own_s.truncate(half);
    dead.summary = summary::of(&dead);
    assert!((line(&dead).gain.estimate / model.sensor.gain - 1.0).abs() < 0.005, "{:?}", line(&dead));
    assert!(line(&dead).stretches < line(&whole).stretches);

    // Ten figures at once, told apart by a clock of its own, which begins anew in the middle.
    let mut logged = whole.clone();
    let meter = logged.meter.as_mut().unwrap();
    for i in 0..meter.t_s.len() {
        let begun_s = if i < half { 0.0 } else { meter.t_s[half] };
        meter.own_s[i] = Some(meter.t_s[i] - begun_s + 1000.0);
    }
    for i in 0..meter.t_s.len() {
        meter.t_s[i] = meter.t_s[(i / 10 * 10 + 9).min(meter.t_s.len() - 1)];
    }
    logged.summary = summary::of(&logged);
    let (before, after) = (line(&whole), line(&logged));
    assert!((after.gain.estimate / before.gain.estimate - 1.0).abs() < 1e-3, "{after:?}, {before:?}");
}

/// A row for each board that was held against a meter, by family, in every format.
#[test]
fn the_report_shows_all_calibrations_by_family() {
    let folder = tempfile::tempdir().unwrap();
    for (i, name) in ["rtx4090", "a100", "h100"].into_iter().enumerate() {
        let mut record = metered(&model(name), BENCH, 6, |watts| watts);
        record.verdict = wattmul::analysis::validity::of(&record);
        std::fs::write(folder.path().join(format!("{i}.json")), record.to_json()).unwrap();
    }
    let overview = wattmul::archive::overview(&[folder.path().to_owned()], true);
    assert_eq!((overview.runs.len(), &overview.problems), (3, &vec![]));
    assert!(
        overview.runs.iter().all(|run| run.record.meter.as_ref().unwrap().t_s.is_empty()),
        "rows stay in the files"
    );
    let mut page = vec![];
    markdown::write(content::report(&overview, false), folder.path(), &mut page, &mut |_, _| Ok(())).unwrap();
    let page = String::from_utf8(page).unwrap();
    let section = page.split("### Sensors against meters").nth(1).unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(2).take(3).collect();
    // By family, whose names stand first.
    for (row, (family, name)) in
        rows.iter().zip([("NVML on AD10x", "rtx4090"), ("NVML on GA100", "a100"), ("simulated NVML", "h100")])
    {
        let cells: Vec<&str> = row.split(" | ").collect();
        let gain: f64 = cells[3].split(' ').next().unwrap().parse().unwrap();
        assert!(cells[0].ends_with(family) && cells[2] == "board", "{row}");
        assert!((gain / model(name).sensor.gain - 1.0).abs() < 0.005, "{row}");
    }
}

#[test]
fn a_calibration_is_computed_again_from_the_meters_rows() {
    let record = metered(&model("h100"), BENCH, 4, |watts| watts);
    let read: Record = serde_json::from_str(&record.to_json()).unwrap();
    assert_eq!(read, record);
    let places = |record: &Record| -> Vec<String> {
        let text = record.to_json();
        let found = problems(Path::new("a.json"), record, text.as_bytes(), Depth::Quick);
        found.into_iter().map(|problem| problem.place).collect()
    };
    assert_eq!(places(&record), [""; 0]);
    let mut moved = record.clone();
    moved.meter.as_mut().unwrap().power_w.iter_mut().for_each(|watts| *watts += 1.0);
    assert!(places(&moved).contains(&"summary.meter.calibration.offset_w.estimate".into()), "{:?}", places(&moved));
    let mut backwards = record.clone();
    backwards.meter.as_mut().unwrap().t_s[7] = 0.0;
    assert_eq!(places(&backwards), ["meter.t_s[7]"]);
    let mut short = record;
    short.meter.as_mut().unwrap().own_s.pop();
    assert_eq!(places(&short), ["meter.own_s"]);
}
