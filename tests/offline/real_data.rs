//! What others measured on real boards, by the program's own arithmetic.
//!
//! The data may not be copied here: `WATTMUL_DATA=FOLDER cargo test --test offline real_data -- --ignored --nocapture` reads it from a
//! folder. `meter_traces.csv` (columns `trace,what,t_s,w`) is from GPU_Power_Benchmark of Yang, Adamek & Armour (SC24): what
//! nvidia-smi showed, an external meter's means, and when load began and ended. `runs_a100.csv` (columns
//! `gpu,seed,init,sample,w,counter_mj,c`) is from arXiv 2409.18324: samples of an A100 on zeros and on Gaussian numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use wattmul::analysis::{energy, stats, type_b};
use wattmul::record::{Estimate, Lead, Meter, MeterInterface, PowerKind, Scope, Source, Trace};

/// The rows of a file, each a column's value by its name.
fn rows(file: &str) -> Vec<BTreeMap<String, String>> {
    let folder = std::env::var("WATTMUL_DATA").expect("WATTMUL_DATA names the folder of the data");
    let text = std::fs::read_to_string(std::path::Path::new(&folder).join(file)).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned));
    let names: Vec<String> = lines.next().unwrap().collect();
    lines.map(|values| names.iter().cloned().zip(values).collect()).collect()
}

/// A trace of power figures alone.
fn trace(points: &[(f64, f64)]) -> Trace {
    let rows = points.len();
    Trace {
        t_s: points.iter().map(|point| point.0).collect(),
        power_w: points.iter().map(|point| Some(point.1)).collect(),
        energy_j: vec![None; rows],
        temperature_c: vec![None; rows],
        clock_mhz: vec![None; rows],
        ..Trace::default()
    }
}

/// The power of a window is the meter's, once the published line is taken out; and the band of the sensor's family holds that line.
#[test]
#[ignore = "needs the folder that WATTMUL_DATA names"]
fn real_data_of_a_meter_agrees_with_the_power_of_a_window() {
    let rows = rows("meter_traces.csv");
    let of = |name: &str, what: &str| -> Vec<(f64, f64)> {
        let of = rows.iter().filter(|row| row["trace"] == name && row["what"] == what);
        of.map(|row| (row["t_s"].parse().unwrap(), row["w"].parse().unwrap_or(0.0))).collect()
    };
    // Gain and offset of SC24, and how long the field looks back.
    for (name, device, field, gain, offset_w, averages_s) in [
        ("A100_TR", "NVIDIA A100-PCIE-40GB", "power.draw.instant", 0.957, -1.95, 0.025),
        ("3090_TR", "NVIDIA GeForce RTX 3090", "power.draw", 0.951, -0.8, 1.07),
    ] {
        let (meter, shown, edges) = (trace(&of(name, "meter")), trace(&of(name, field)), of(name, "load_edge"));
        let settled_s = edges[0].0 + (3.0f64 * averages_s).max(1.5);
        let (start_s, end_s) = (settled_s, edges[1].0 - 0.1);
        let watts = |trace: &Trace| energy::window_power(trace, None, start_s, end_s).polled.unwrap();
        let (true_w, shown_w) = (watts(&meter), watts(&shown));
        let off = (shown_w - offset_w) / gain / true_w - 1.0;
        println!(
            "{name}: {start_s:.2} to {end_s:.2} s, meter {true_w:.2} W, shown {shown_w:.2} W, off by {:+.2} %",
            off * 100.0
        );
        assert!(off.abs() <= 0.006, "{name}: {off}");
        let family = type_b::calibration(&Source::new("NVML", device, Scope::Board));
        let (low_w, high_w) =
            (family.gain.low * true_w + family.offset_w.low, family.gain.high * true_w + family.offset_w.high);
        println!("  the band of {}: {low_w:.1} to {high_w:.1} W", family.family);
        assert!((low_w..=high_w).contains(&shown_w), "{name}: {shown_w} W");
    }
}

/// Gain and offset that the program finds, of rests and of load cut into stretches, against SC24's.
#[test]
#[ignore = "needs the folder that WATTMUL_DATA names"]
fn real_data_of_a_meter_gives_the_published_gain_and_offset() {
    let rows = rows("meter_traces.csv");
    let of = |name: &str, what: &str| -> Vec<(f64, f64)> {
        let of = rows.iter().filter(|row| row["trace"] == name && row["what"] == what);
        of.map(|row| (row["t_s"].parse().unwrap(), row["w"].parse().unwrap_or(0.0))).collect()
    };
    // And for how long after an edge of the load the sensor still shows what was before.
    for (name, device, field, gain, offset_w, settled_s) in [
        ("A100_TR", "NVIDIA A100-PCIE-40GB", "power.draw.instant", 0.957, -1.95, 1.5),
        ("3090_TR", "NVIDIA GeForce RTX 3090", "power.draw", 0.951, -0.8, 3.2),
    ] {
        let edges = of(name, "load_edge");
        let (on_s, off_s) = (edges[0].0, edges[1].0);
        let mut record = crate::common::simulated("a100", 0);
        record.source = Some(Source { power: Some(PowerKind::Instant), ..Source::new("NVML", device, Scope::Board) });
        record.trace = trace(&of(name, field));
        record.timing.settling_s = settled_s;
        let mut meter = Meter::new(MeterInterface::File, Scope::Board);
        of(name, "meter").into_iter().for_each(|(t_s, watts)| meter.push(t_s, watts, None));
        let heard_s = *meter.t_s.last().unwrap();
        record.meter = Some(meter);
        let (from_s, to_s) = (off_s + settled_s, heard_s);
        let rest = |from: f64, to: f64| Some(energy::idle(&record.trace, from, to - from));
        record.idle.cold = rest(0.0, on_s - 0.05);
        record.idle.open = rest(from_s, f64::midpoint(from_s, to_s));
        record.idle.hot = rest(f64::midpoint(from_s, to_s), to_s);
        let length_s = (off_s - 0.05 - on_s - settled_s) / 4.0;
        record.windows.truncate(4);
        for (i, window) in record.windows.iter_mut().enumerate() {
            window.init = record.plan.inits[0];
            (window.start_s, window.duration_s) = (on_s + settled_s + i as f64 * length_s, length_s);
            window.power_w = energy::window_power(&record.trace, None, window.start_s, window.start_s + length_s);
        }
        let found = wattmul::analysis::meter::of(&record, Some(Lead::Polled)).unwrap();
        let line = found.calibration.as_ref().unwrap_or_else(|| panic!("{name}: {found:?}"));
        let within = |of: &Estimate| format!("{:.4} ({:.4} … {:.4})", of.estimate, of.low.unwrap(), of.high.unwrap());
        println!(
            "{name}: delay {:.2} s, gain {} for {gain}, offset {} W for {offset_w}, of {} stretches",
            found.delay_s.unwrap(),
            within(&line.gain),
            within(&line.offset_w),
            line.stretches
        );
        assert!((line.gain.estimate / gain - 1.0).abs() <= 0.01, "{name}: {line:?}");
        assert!((line.offset_w.estimate - offset_w).abs() <= 3.0, "{name}: {line:?}");
    }
}

/// Windows of 3.5 s at random places of random runs, in rounds of alternating order, until precise: how often does the interval hold
/// the ratio of all samples?
#[test]
#[ignore = "needs the folder that WATTMUL_DATA names"]
fn real_data_of_an_a100_lies_in_the_interval_as_often_as_it_says() {
    const EXPERIMENTS: usize = 4000;
    const SAMPLES: usize = 17; // 202 ms each
    let mut runs: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    for row in rows("runs_a100.csv") {
        runs.entry((row["init"].clone(), row["seed"].clone())).or_default().push(row["w"].parse().unwrap());
    }
    let of = |init: &str| -> Vec<&Vec<f64>> { runs.iter().filter(|run| run.0.0 == init).map(|run| run.1).collect() };
    let (zeros, gaussian) = (of("zeros"), of("gaussian"));
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let values: Vec<f64> = values.collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let all = |runs: &[&Vec<f64>]| mean(&mut runs.iter().flat_map(|run| run.iter().copied()));
    let truth = all(&gaussian) / all(&zeros);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut pick = |below: usize| random.next_u32() as usize % below;
    let mut window = |runs: &[&Vec<f64>]| {
        let run = runs[pick(runs.len())];
        let from = pick(run.len() - SAMPLES + 1);
        mean(&mut run[from..from + SAMPLES].iter().copied())
    };
    let (mut held, mut rounds_in_all) = (0, 0);
    for _ in 0..EXPERIMENTS {
        let mut rounds = vec![];
        let found = loop {
            rounds.push(((window(&gaussian) / window(&zeros)).ln(), rounds.len() % 2 == 1));
            if rounds.len() < 6 {
                continue;
            }
            let found = stats::widened(stats::crossover(&rounds).unwrap(), 1.0 + 0.5 / rounds.len() as f64);
            let half_width = (found.high.unwrap() - found.low.unwrap()) / 2.0 / found.estimate;
            if half_width <= 0.003 || rounds.len() == 20 {
                break found;
            }
        };
        rounds_in_all += rounds.len();
        held += usize::from((found.low.unwrap()..=found.high.unwrap()).contains(&truth));
    }
    let share = held as f64 / EXPERIMENTS as f64;
    println!(
        "ratio of all samples {truth:.4}; held in {:.1} % of {EXPERIMENTS} experiments of {:.1} rounds on average",
        share * 100.0,
        rounds_in_all as f64 / EXPERIMENTS as f64
    );
    assert!(share >= 0.93, "{share}");
}
