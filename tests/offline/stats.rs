//! Ratios of paired measurements, straight lines, and how sure they are. No I/O.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use wattmul::analysis::stats::*;
use wattmul::record::Estimate;

fn alternating(logs: &[f64]) -> Vec<Round> {
    logs.iter().enumerate().map(|(i, &log)| (log, i % 2 == 1)).collect()
}

/// By hand: means 0.3 and 0.1, μ = 0.2; squares 0.0002 in each order, s² = 0.0004 / 2; SE = √(0.0002 (½ + ½)) / 2 = 0.00707;
/// t(2, 97.5 %) = 4.3027.
#[test]
fn a_case_worked_out_by_hand() {
    let found = crossover(&alternating(&[0.29, 0.09, 0.31, 0.11])).unwrap();
    assert!((found.estimate.ln() - 0.2).abs() < 1e-12);
    assert!((found.high.unwrap().ln() - (0.2 + 4.302_65 * 0.007_071_068)).abs() < 1e-6, "{found:?}");
    assert!((found.low.unwrap().ln() - (0.2 - 4.302_65 * 0.007_071_068)).abs() < 1e-6);
}

#[test]
fn the_effect_of_the_order_drops_out() {
    let found = crossover(&alternating(&[0.25, 0.15, 0.25, 0.15, 0.25])).unwrap();
    assert!((found.estimate.ln() - 0.2).abs() < 1e-12);
    assert!((found.high.unwrap() - found.low.unwrap()).abs() < 1e-9, "no scatter is left");
}

#[test]
fn few_rounds_give_an_estimate_and_no_interval() {
    assert_eq!(crossover(&[]), None);
    assert_eq!(crossover(&[(f64::NAN, false), (0.1, true)]), None);
    assert_eq!(crossover(&[(f64::NEG_INFINITY, false)]), None);
    for logs in [&[0.5][..], &[0.4, 0.6]] {
        let found = crossover(&alternating(logs)).unwrap();
        assert!((found.estimate.ln() - 0.5).abs() < 1e-12 && found.low.is_none() && found.high.is_none());
    }
    // in one order alone, its effect cannot be told from the ratio
    assert_eq!(crossover(&[(0.5, false), (0.51, false), (0.49, false)]).unwrap().low, None);
}

/// By hand: standard errors 0.02 and 0.01 of the logarithms on 4 degrees of freedom each, t(4) = 2.7764; of the ratios 0.03 and
/// 0.01; 0.0316 in all, on (0.0009 + 0.0001)² / (0.0009² / 4 + 0.0001² / 4) = 4.878, t = 2.589.
#[test]
fn the_difference_of_two_ratios_worked_out_by_hand() {
    let measured = |estimate: f64, error: f64| {
        let of = |side: f64| Some(estimate * (side * 2.776_445 * error).exp());
        Measured { ratio: Estimate { estimate, low: of(-1.0), high: of(1.0), combined: None }, freedom: 4.0 }
    };
    let found = difference(measured(1.5, 0.02), measured(1.0, 0.01));
    assert!((found.estimate - 0.5).abs() < 1e-12);
    assert!((found.high.unwrap() - 0.5 - 2.5898 * 0.031_623).abs() < 1e-4, "{found:?}");
    assert!((found.low.unwrap() - 0.5 + 2.5898 * 0.031_623).abs() < 1e-4, "{found:?}");

    let sharp = difference(measured(1.5, 0.0), measured(1.5, 0.0));
    assert_eq!((sharp.low, sharp.high), (Some(0.0), Some(0.0)));
    let plain = Measured { ratio: Estimate { estimate: 1.2, ..Estimate::default() }, freedom: 0.0 };
    assert_eq!(difference(plain, measured(1.0, 0.1)).low, None);
}

#[test]
fn one_that_stands_out_moves_neither_the_median_nor_the_measure() {
    let of = |values: &[f64]| spread(values).unwrap();
    let found = of(&[1.42, 1.40, 1.41, 1.43, 1.41, 2.0]);
    assert_eq!((found.median, found.least, found.most, &found.outliers[..]), (1.415, 1.40, 2.0, &[5][..]));
    assert_eq!(of(&[1.42, 1.40, 1.41, 1.43, 1.41]).outliers, [0; 0]);
    assert_eq!(of(&[1.0, 1.0, 1.0, 2.0]).outliers, [0; 0], "of four, nobody stands out");
    // Alike to the last digit, but for one that is within a percent, and one that is not.
    assert_eq!(of(&[1.0, 1.0, 1.0, 1.0, 1.009]).outliers, [0; 0]);
    assert_eq!(of(&[1.0, 1.0, 1.0, 1.0, 1.011]).outliers, [4]);
    assert!((of(&[1.0, 1.1]).share() - 0.1 / 1.05).abs() < 1e-12);
    for values in [&[][..], &[f64::NAN], &[1.0, 0.0], &[1.0, f64::INFINITY]] {
        assert_eq!(spread(values), None);
    }
}

#[test]
fn the_interval_holds_the_truth_as_often_as_it_says() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let experiments = 4000;
    let held = (0..experiments)
        .filter(|_| {
            let mut noise = || -> f64 { StandardNormal.sample(&mut random) };
            let logs: Vec<f64> = (0..6).map(|i| 0.3 + [0.01, -0.01][i % 2] + 0.002 * noise()).collect();
            let found = crossover(&alternating(&logs)).unwrap();
            (found.low.unwrap()..=found.high.unwrap()).contains(&0.3f64.exp())
        })
        .count();
    let share = held as f64 / f64::from(experiments);
    assert!((share - 0.95).abs() < 0.014, "{share}"); // four standard errors
}

#[test]
fn of_two_inits_the_balanced_ratio_is_the_crossover_to_the_bit() {
    let logs = [0.291, 0.093, 0.312, 0.108, 0.305];
    let turns: Vec<Turn> = logs.iter().enumerate().map(|(i, &log)| (log, [1, -1][i % 2])).collect();
    for count in 0..=logs.len() {
        assert_eq!(balanced(&turns[..count]), crossover(&alternating(&logs[..count])), "{count}");
    }
}

/// By hand: x̄ = 2.5, ȳ = 5, Sxx = 5, Sxy = 9.5: slope 1.9, intercept 0.25; residuals −0.15, 0.45, −0.45, 0.15, squares 0.45,
/// s² = 0.225; SE of the slope √(0.225 / 5) = 0.2121, of the intercept √(0.225 (1/4 + 6.25/5)) = 0.5809; t(2) = 4.3027.
#[test]
fn a_line_worked_out_by_hand() {
    let found = line(&[(1.0, 2.0), (2.0, 4.5), (3.0, 5.5), (4.0, 8.0)]).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-4;
    assert!(near(found.slope.estimate, 1.9) && near(found.intercept.estimate, 0.25), "{found:?}");
    assert!(near(found.slope.high.unwrap(), 1.9 + 4.302_65 * 0.212_132), "{found:?}");
    assert!(near(found.intercept.low.unwrap(), 0.25 - 4.302_65 * 0.580_948), "{found:?}");
    assert!(near(found.explained, 1.0 - 0.45 / 18.5), "{found:?}");
    let exact = line(&[(0.0, 1.0), (2.0, 5.0)]).unwrap();
    assert_eq!((exact.intercept.estimate, exact.slope.estimate, exact.slope.low), (1.0, 2.0, None));
    assert_eq!(line(&[(1.0, 2.0)]), None);
    assert_eq!(line(&[(1.0, 2.0), (1.0, 3.0)]), None);
    assert_eq!(line(&[(1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)]), None);
}

#[test]
fn least_squares_of_a_line_are_the_line() {
    let points = [(1.0, 2.0), (2.0, 4.5), (3.0, 5.5), (4.0, 8.0)];
    let rows: Vec<Vec<f64>> = points.iter().map(|point| vec![1.0, point.0]).collect();
    let y: Vec<f64> = points.iter().map(|point| point.1).collect();
    let (fit, line) = (least_squares(&rows, &y).unwrap(), line(&points).unwrap());
    assert!((fit.values[0] - line.intercept.estimate).abs() < 1e-9, "{fit:?}");
    assert!((fit.values[1] - line.slope.estimate).abs() < 1e-9, "{fit:?}");
    let high = interval(fit.values[0], fit.errors[0], fit.freedom).high.unwrap();
    assert!((high - line.intercept.high.unwrap()).abs() < 1e-9, "{fit:?}");
    let doubled: Vec<Vec<f64>> = points.iter().map(|point| vec![point.0, 2.0 * point.0]).collect();
    assert_eq!(least_squares(&doubled, &y), None);
    assert_eq!(least_squares(&rows[..2], &y[..2]), None);
    assert_eq!(least_squares(&rows, &[1.0, f64::NAN, 2.0, 3.0]), None);
}

/// By hand: lines 1 + 2x and 1 + 3x leave one point; of one line, the fan is the line.
#[test]
fn a_fan_worked_out_by_hand() {
    let found = fan(&[vec![(1.0, 3.0), (2.0, 5.0)], vec![(1.0, 4.0), (3.0, 10.0)]]).unwrap();
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(near(found.intercept.estimate, 1.0), "{found:?}");
    assert!(near(found.slopes[0].estimate, 2.0) && near(found.slopes[1].estimate, 3.0), "{found:?}");
    let points = vec![(1.0, 2.0), (2.0, 4.5), (3.0, 5.5), (4.0, 8.0)];
    let (one, line) = (fan(std::slice::from_ref(&points)).unwrap(), line(&points).unwrap());
    assert!(near(one.intercept.low.unwrap(), line.intercept.low.unwrap()), "{one:?} {line:?}");
    assert!(near(one.slopes[0].high.unwrap(), line.slope.high.unwrap()), "{one:?} {line:?}");
    assert_eq!(fan(&[]), None);
    assert_eq!(fan(&[vec![(1.0, 2.0), (1.0, 3.0)]]), None);
    assert_eq!(fan(&[points, vec![]]), None);
}

#[test]
fn one_place_gives_an_estimate_and_no_interval() {
    assert_eq!(balanced(&[]), None);
    assert_eq!(balanced(&[(f64::NAN, 3), (0.1, -3)]), None);
    let found = balanced(&[(0.4, 5), (0.6, 5)]).unwrap();
    assert!((found.estimate.ln() - 0.5).abs() < 1e-12 && found.low.is_none());
}

/// Twelve inits in balanced orders: a chip that warms from place to place and from round to round, a heat that the init before
/// leaves behind, and more scatter on some inits than on others.
#[test]
fn of_twelve_inits_the_interval_holds_the_truth_as_often_as_it_says() {
    const INITS: usize = 12;
    for (rounds, experiments) in [(6, 2000), (4, 2000), (12, 1000)] {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let (mut held, mut asked, mut off) = (0, 0, 0.0f64);
        for _ in 0..experiments {
            let mut turns = vec![vec![]; INITS];
            let mut before = 0;
            for round in 0..rounds {
                let order = wattmul::protocol::order::of_round(INITS, round);
                let mut logs = [(0.0, 0); INITS];
                for (place, &init) in order.iter().enumerate() {
                    let noise: f64 = StandardNormal.sample(&mut random);
                    let scatter = 0.002 * (1.0 + init as f64 / INITS as f64) * noise;
                    let warmth = 0.003 * place as f64 + 0.01 * f64::from(round) + 0.000_1 * before as f64;
                    logs[init] = (0.05 * init as f64 + warmth + scatter, place as i32);
                    before = init;
                }
                for init in 1..INITS {
                    turns[init].push((logs[init].0 - logs[0].0, logs[init].1 - logs[0].1));
                }
            }
            for (init, turns) in turns.iter().enumerate().skip(1) {
                let found = balanced(turns).unwrap();
                let truth = (0.05 * init as f64).exp();
                asked += 1;
                held += usize::from((found.low.unwrap()..=found.high.unwrap()).contains(&truth));
                off += found.estimate / truth - 1.0;
            }
        }
        let (share, bias) = (f64::from(held as u32) / f64::from(asked), off / f64::from(asked));
        assert!((share - 0.95).abs() < 0.014, "{rounds} rounds: {share}");
        // What the one before left behind differs by 0.1 % at most, and drops out once each has come after each.
        assert!(bias.abs() < if rounds as usize == INITS { 5e-5 } else { 4e-4 }, "{rounds} rounds: {bias}");
    }
}
