//! The law's fit, held against what it must find; and against real measurements, where somebody has them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use wattmul::analysis::law::{Law, NoLaw, counts};
use wattmul::analysis::regression::{Fit, Regression, explained, non_negative};
use wattmul::operands::{Count, Dtype, Init};
use wattmul::record::{Flag, Inputs, Record, read};
use wattmul::run::{PlanOptions, simulated};

/// Numbers from −1 to 1 without any pattern.
fn numbers(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

fn points(seed: u64, rows: usize, columns: usize, noise: f64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut next = numbers(seed);
    let weights: Vec<f64> = (0..columns).map(|_| 3.0 * next()).collect();
    let rows: Vec<Vec<f64>> = (0..rows).map(|_| (0..columns).map(|_| next() + 0.5 * next()).collect()).collect();
    let of = |row: &Vec<f64>| 7.0 + row.iter().zip(&weights).map(|(x, weight)| x * weight).sum::<f64>();
    let y = rows.iter().map(of).map(|y| y + noise * next()).collect();
    (rows, y)
}

fn squares(fit: &Fit, rows: &[Vec<f64>], y: &[f64]) -> f64 {
    rows.iter().zip(y).map(|(row, y)| (y - fit.at(row)).powi(2)).sum()
}

/// The conditions of Karush, Kuhn and Tucker: no coefficient below 0, and no step that none forbids lowers the squares.
#[test]
fn no_coefficients_of_0_and_more_fit_better() {
    let mut at_the_bound = 0;
    for seed in 0..300 {
        let columns = 1 + seed as usize % 6;
        let (rows, y) = points(seed, 20, columns, 1.0);
        let fit = non_negative(&rows, &y).unwrap();
        assert!(fit.coefficients.iter().all(|&coefficient| coefficient >= 0.0), "{fit:?}");
        at_the_bound += fit.coefficients.iter().filter(|&&coefficient| coefficient == 0.0).count();
        let residuals: Vec<f64> = rows.iter().zip(&y).map(|(row, y)| y - fit.at(row)).collect();
        assert!(residuals.iter().sum::<f64>().abs() < 1e-9, "the offset is free");
        for i in 0..columns {
            let gain: f64 = rows.iter().zip(&residuals).map(|(row, residual)| row[i] * residual).sum();
            assert!(gain < 1e-8, "{seed}: column {i} would gain {gain}: {fit:?}");
            assert!(fit.coefficients[i] == 0.0 || gain.abs() < 1e-8, "{seed}: column {i} is not at rest: {gain}");
        }
    }
    assert!(at_the_bound > 200, "half of the true weights are below 0: {at_the_bound}");
    // What nothing disturbs is found again.
    let rows: Vec<Vec<f64>> = points(1, 20, 3, 0.0).0;
    let y: Vec<f64> = rows.iter().map(|row| 5.0 + 2.0 * row[0] + 0.25 * row[2]).collect();
    let fit = non_negative(&rows, &y).unwrap();
    assert!(squares(&fit, &rows, &y) < 1e-20 && (fit.coefficients[0] - 2.0).abs() < 1e-9 && fit.coefficients[1] < 1e-9);
}

#[test]
fn what_has_no_fit_has_none() {
    assert_eq!(non_negative(&[], &[]), None);
    let (rows, y) = points(3, 12, 3, 0.1);
    assert!(Regression::of(&rows, &y).is_some());
    let twice: Vec<Vec<f64>> = rows.iter().map(|row| vec![row[0], row[1], row[0]]).collect();
    assert_eq!(Regression::of(&twice, &y), None, "columns that are the same");
    assert_eq!(Regression::of(&rows[..5], &y[..5]), None, "one degree of freedom");
    let mut nan = y.clone();
    nan[4] = f64::NAN;
    assert_eq!(Regression::of(&rows, &nan), None);
    // A column that one point alone has.
    let alone: Vec<Vec<f64>> =
        rows.iter().enumerate().map(|(i, row)| vec![row[0], if i == 2 { 1.0 } else { 0.0 }]).collect();
    assert_eq!(Regression::of(&alone, &y), None, "without that point there is nothing to fit");
}

/// The closed forms are what they stand for: fits without a point, and how far they are from the fit with all.
#[test]
fn leaving_one_out_is_what_it_says() {
    let (rows, mut y) = points(5, 15, 2, 0.3);
    // Coefficients far from 0, so that the bound does nothing.
    y.iter_mut().zip(&rows).for_each(|(y, row)| *y += 20.0 * (row[0] + row[1]));
    let all = Regression::of(&rows, &y).unwrap();
    let fit = non_negative(&rows, &y).unwrap();
    let without = |point: usize| {
        let keep = |i: &usize| *i != point;
        let rows: Vec<Vec<f64>> = (0..15).filter(keep).map(|i| rows[i].clone()).collect();
        non_negative(&rows, &(0..15).filter(keep).map(|i| y[i]).collect::<Vec<_>>()).unwrap()
    };
    let fits: Vec<Fit> = (0..15).map(without).collect();
    for (i, fit) in fits.iter().enumerate() {
        assert!((fit.at(&rows[i]) - all.left_out[i]).abs() < 1e-9);
    }
    // Student's t of 12 degrees of freedom: 2.1788.
    let half_width =
        |moved: &dyn Fn(&Fit) -> f64| 2.178_81 * fits.iter().map(|fit| moved(fit).powi(2)).sum::<f64>().sqrt();
    for i in 0..2 {
        let expected = half_width(&|without| without.coefficients[i] - fit.coefficients[i]);
        let found = all.coefficients[i];
        assert!((found.high.unwrap() - found.estimate - expected).abs() < 1e-4 * expected, "{found:?} {expected}");
    }
    let expected = half_width(&|without| without.offset - fit.offset);
    assert!((all.offset.estimate - all.offset.low.unwrap() - expected).abs() < 1e-4 * expected, "{:?}", all.offset);
    assert!(all.explained.unwrap() > 0.99 && all.off.is_empty(), "{all:?}");
    let rms = (y.iter().zip(&all.left_out).map(|(y, out)| (y - out).powi(2)).sum::<f64>() / 15.0).sqrt();
    assert!((all.error - rms).abs() < 1e-12);
    // Farther out, less is known.
    let width = |x: [f64; 2]| all.predict(&x).high.unwrap() - all.predict(&x).low.unwrap();
    assert!(width([0.0, 0.0]) >= 2.0 * 2.178 * rms && width([30.0, -30.0]) > 4.0 * width([0.0, 0.0]));

    y[6] += 4.0;
    assert_eq!(Regression::of(&rows, &y).unwrap().off, [6], "a point that the others speak against");
}

/// Normal numbers: an interval of a new point holds it in 19 of 20, and points are named as off in 1 of 20 fits.
#[test]
fn intervals_hold_what_they_promise() {
    let mut next = numbers(8);
    let mut normal = move || (0..12).map(|_| next()).sum::<f64>() / 2.0;
    let (trials, weights) = (400, [2.0, 0.0, 1.0]);
    let (mut held, mut of_new, mut named) = ([0; 3], 0, 0);
    for trial in 0..trials {
        let rows = points(trial, 18, 3, 0.0).0;
        let watts = |row: &Vec<f64>| row.iter().zip(weights).map(|(x, weight)| x * weight).sum::<f64>();
        let y: Vec<f64> = rows[1..].iter().map(|row| watts(row) + normal()).collect();
        let fit = Regression::of(&rows[1..], &y).unwrap();
        let holds = |estimate: wattmul::record::Estimate, truth: f64| {
            (estimate.low.unwrap()..=estimate.high.unwrap()).contains(&truth)
        };
        for (i, held) in held.iter_mut().enumerate() {
            *held += usize::from(holds(fit.coefficients[i], weights[i]));
        }
        of_new += usize::from(holds(fit.predict(&rows[0]), watts(&rows[0]) + normal()));
        named += usize::from(!fit.off.is_empty());
    }
    let share = |count: usize| count as f64 / trials as f64;
    assert!(held.into_iter().all(|held| share(held) >= 0.93), "{held:?}");
    assert!((0.93..=0.99).contains(&share(of_new)), "{of_new}");
    assert!(share(named) <= 0.08, "{named}");
}

#[test]
fn what_is_counted_is_decided_before_the_fit() {
    let three = [Count::Ones, Count::OperandFlips, Count::SumFlips];
    for dtype in Dtype::ALL {
        assert_eq!(counts(dtype, 12), three);
        let five = counts(dtype, Init::ALL.len());
        assert_eq!((&five[..3], five[3]), (&three[..], Count::Changes));
        assert_eq!(five[4], if dtype == Dtype::I8 { Count::SumOnes } else { Count::SignFlips });
    }
}

fn atlas() -> Record {
    let model = "h100".parse().unwrap();
    let plan = simulated::plan(&model, &PlanOptions { atlas: true, ..PlanOptions::default() }).unwrap();
    simulated::record(&model, plan).unwrap()
}

#[test]
fn a_record_without_a_law_says_why() {
    let record = atlas();
    assert!(Law::of(&record).is_ok());
    let why = |change: &dyn Fn(&mut Record)| {
        let mut record = record.clone();
        change(&mut record);
        Law::of(&record).unwrap_err()
    };
    assert_eq!(why(&|record| record.verdict.flags.push(Flag::PowerCapped)), NoLaw::PowerCapped);
    assert_eq!(why(&|record| record.summary.sensor.lead = None), NoLaw::NoPower);
    assert_eq!(why(&|record| record.plan.inits.truncate(7)), NoLaw::FewInits(7));
    assert_eq!(why(&|record| record.inputs.clear()), NoLaw::FewInits(0));
    let zeros = record.inputs[&Init::Zeros].clone();
    assert_eq!(why(&|record| record.inputs.values_mut().for_each(|inputs| *inputs = zeros.clone())), NoLaw::Alike);
}

/// The atlases of an H100 and an H200 in results/: NVIDIA's compiler exchanged rows and columns of the plain kernel, and of the matrix
/// units one order is the better one too.
#[test]
fn real_gpus_have_a_law_and_an_order_of_their_own() {
    let results = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    let law = |name: &str| {
        let (files, _) = read::files(std::slice::from_ref(&results));
        let file = files.iter().find(|file| file.to_string_lossy().contains(name)).unwrap();
        Law::of(&read::read(file).unwrap().0).unwrap()
    };
    for (name, transposed, otherwise) in
        [("h100-80gb-hbm3-vulkan-f32-n8192", true, 0.69), ("h200-vulkan-f16-matrix-n8192", false, 0.67)]
    {
        let law = law(name);
        assert_eq!(law.order.transposed, transposed, "{name}");
        assert!(law.explained.unwrap() > 0.94, "{name}: {:?}", law.explained);
        assert!((law.explained_otherwise.unwrap() - otherwise).abs() < 0.01, "{name}: {:?}", law.explained_otherwise);
        assert!(law.points.iter().filter(|point| point.off).count() <= 1, "{name}");
    }
}

/// Where two orders explain alike, each init is told by that which the others prefer, and the price of the choice is in what the law
/// says of itself: it never says to be better than either order is alone.
#[test]
fn the_choice_of_the_order_is_paid_for() {
    let record = atlas();
    let chosen = Law::of(&record).unwrap();
    let alone = |keep: fn(&mut Inputs)| {
        let mut record = record.clone();
        record.inputs.values_mut().for_each(keep);
        Law::of(&record).unwrap()
    };
    let own = alone(|inputs| inputs.activity_exchanged = None);
    let exchanged = alone(|inputs| inputs.activity = inputs.activity_exchanged.take());
    assert!(own.explained_otherwise.is_none() && !own.order.transposed);
    assert!(chosen.order.transposed && chosen.error_w >= exchanged.error_w && exchanged.error_w < own.error_w);
    assert_eq!(chosen.explained_otherwise, own.explained);
    // Of two readings of the same, neither is the other's better.
    let mut twice = record.clone();
    twice.inputs.values_mut().for_each(|inputs| inputs.activity_exchanged = inputs.activity);
    assert_eq!(Law::of(&twice).unwrap().error_w, own.error_w);
}

/// Sweeps of inputs on a real A100, by others (arXiv 2409.18324), with what multipliers and adders see in the same inputs: a sweep is
/// predicted by the law of all other sweeps. WATTMUL_DATA names a folder with `plateaus.csv` (group, sweep, value, power_w) and
/// `activity_counts.csv` (dtype, sweep, value, and columns of counts).
#[test]
#[ignore = "it takes measurements that are not ours to hand on: WATTMUL_DATA names their folder"]
fn real_gpus_draw_by_the_law() {
    let folder = std::env::var_os("WATTMUL_DATA")
        .expect("WATTMUL_DATA names a folder with plateaus.csv and activity_counts.csv");
    let read = |name: &str| -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(std::path::Path::new(&folder).join(name)).unwrap();
        reader.deserialize().collect::<Result<_, _>>().unwrap()
    };
    let (plateaus, counted) = (read("plateaus.csv"), read("activity_counts.csv"));
    // Sign flips are counted there from one k to the next.
    let column = |count: Count| match count {
        Count::Ones => "hw",
        Count::OperandFlips => "in_ab",
        Count::SumFlips => "in_c",
        Count::Changes => "il_any",
        Count::SignFlips => "k_sg",
        Count::SumOnes => "hwS",
    };
    let mut table = String::from("| counts | A100, fp32 | A100, int8 |\n| --- | --- | --- |\n");
    let along_k = ["Tk"];
    let few: Vec<&str> = counts(Dtype::F32, 12).iter().map(|&count| column(count)).collect();
    let by_type = [("fp32", Dtype::F32), ("int8", Dtype::I8)];
    let many = |dtype| counts(dtype, Init::ALL.len()).iter().map(|&count| column(count)).collect::<Vec<&str>>();
    let mut of_law = vec![];
    for (name, of) in [
        ("bit flips of the operands along k", &(|_| along_k.to_vec()) as &dyn Fn(Dtype) -> Vec<&'static str>),
        ("three", &|_| few.clone()),
        ("five", &many),
    ] {
        let share = |(type_name, dtype): (&str, Dtype)| {
            let columns = of(dtype);
            let point = |plateau: &BTreeMap<String, String>| {
                let (sweep, value) = (&plateau["sweep"], &plateau["value"]);
                let same = |counts: &&BTreeMap<String, String>| {
                    counts["dtype"] == type_name && counts["sweep"] == *sweep && counts["value"] == *value
                };
                let counts = counted.iter().find(same)?;
                let row: Vec<f64> = columns.iter().map(|&column| counts[column].parse().unwrap()).collect();
                Some((sweep.clone(), row, plateau["power_w"].parse::<f64>().unwrap()))
            };
            let of_type = plateaus.iter().filter(|plateau| plateau["group"] == format!("a100/{type_name}"));
            let points: Vec<(String, Vec<f64>, f64)> = of_type.filter_map(point).collect();
            let sweeps: BTreeSet<&String> = points.iter().map(|point| &point.0).collect();
            assert!(sweeps.len() == 15 && points.len() > 100, "{} {}", sweeps.len(), points.len());
            let (mut measured, mut predicted) = (vec![], vec![]);
            for sweep in sweeps {
                let others = || points.iter().filter(|point| point.0 != *sweep);
                let rows: Vec<Vec<f64>> = others().map(|point| point.1.clone()).collect();
                let law = non_negative(&rows, &others().map(|point| point.2).collect::<Vec<_>>()).unwrap();
                for (_, row, watts) in points.iter().filter(|point| point.0 == *sweep) {
                    measured.push(*watts);
                    predicted.push(law.at(row));
                }
            }
            explained(&measured, &predicted).unwrap()
        };
        let [fp32, int8] = by_type.map(share);
        let _ = writeln!(table, "| {name} | {fp32:.3} | {int8:.3} |");
        of_law = vec![fp32, int8];
    }
    println!("\n{table}");
    assert!(of_law.iter().all(|&share| share >= 0.9), "{of_law:?}");
}
