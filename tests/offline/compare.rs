//! Two records against each other: is what one GPU pays for data the same as what the other pays?

use wattmul::analysis::compare::*;
use wattmul::record::{Estimate, Record, Status, Units};
use wattmul::run::{PlanOptions, simulated};

fn record(model: &str, seed: u64) -> Record {
    let model = model.parse().unwrap();
    let plan = simulated::plan(&model, &PlanOptions { seed, ..PlanOptions::default() }).unwrap();
    simulated::record(&model, plan).unwrap()
}

fn only(a: &Record, b: &Record) -> Comparison {
    let comparisons = of(a, b).unwrap();
    assert_eq!(comparisons.len(), 1);
    comparisons[0].clone()
}

#[test]
fn a_board_is_the_same_as_itself_and_two_boards_are_not() {
    let (a100, again, rtx) = (record("a100", 1), record("a100", 2), record("rtx6000", 1));
    assert_eq!(only(&a100, &again).conclusion, Conclusion::Same);
    let (up, down) = (only(&a100, &rtx), only(&rtx, &a100));
    assert_eq!((up.conclusion, down.conclusion), (Conclusion::AHigher, Conclusion::BHigher));
    assert!((up.difference.estimate - (1.497 - 1.141)).abs() < 0.02, "{up:?}");
    assert!((up.difference.low.unwrap() + down.difference.high.unwrap()).abs() < 1e-12);
}

/// By hand: 1.40 ± 0.03 and 1.30 ± 0.04 differ by 0.10 ± 0.05.
#[test]
fn between_two_boards_both_sensors_are_in_the_interval() {
    let estimate = |estimate: f64, half: f64| Estimate {
        estimate,
        low: Some(estimate - 0.001),
        high: Some(estimate + 0.001),
        combined: Some(wattmul::record::Band { low: estimate - half, high: estimate + half }),
    };
    let found = both_types(estimate(1.4, 0.03), estimate(1.3, 0.04)).unwrap();
    assert!((found.low.unwrap() - 0.05).abs() < 1e-12 && (found.high.unwrap() - 0.15).abs() < 1e-12, "{found:?}");
    let (a100, again, h100) = (record("a100", 1), record("a100", 2), record("h100", 1));
    assert!(!only(&a100, &again).combined, "the same sensor is wrong alike");
    let apart = only(&a100, &h100);
    let Estimate { low, high, .. } = apart.difference;
    assert!(apart.combined && high.unwrap() - low.unwrap() > 0.02, "{apart:?}");
}

#[test]
fn what_an_interval_says() {
    let difference = |low, high| Estimate { estimate: 0.0, low, high, combined: None };
    for (low, high, expected) in [
        (Some(-0.009), Some(0.009), Conclusion::Same),
        (Some(0.001), Some(0.009), Conclusion::Same),
        (Some(0.001), Some(0.02), Conclusion::AHigher),
        (Some(-0.02), Some(-0.001), Conclusion::BHigher),
        (Some(-0.02), Some(0.001), Conclusion::CannotTell),
        (None, None, Conclusion::CannotTell),
        (Some(f64::NAN), Some(f64::NAN), Conclusion::CannotTell),
    ] {
        assert_eq!(conclusion_of(difference(low, high), 0.01), expected, "{low:?} {high:?}");
    }
}

#[test]
fn what_does_not_compare_is_refused_by_name() {
    let a = record("a100", 0);
    let refused = |change: &dyn Fn(&mut Record)| {
        let mut b = a.clone();
        change(&mut b);
        of(&a, &b).unwrap_err().join("; ")
    };
    assert!(refused(&|b| b.plan.size = 1024).contains("n differs: 10000 in A, 1024 in B"));
    let by_matrix_units = refused(&|b| b.plan.units = Units::Matrix);
    assert!(by_matrix_units.contains("which units multiply differs: simt in A, matrix in B"), "{by_matrix_units}");
    assert!(refused(&|b| b.protocol = "other/2".into()).contains("protocol"));
    assert!(refused(&|b| b.truth = None).contains("simulated in A, measured in B"));
    assert!(refused(&|b| b.verdict.judged = Some(Status::Invalid)).contains("B is invalid"));
    assert!(refused(&|b| b.plan.inits.clear()).contains("reference"));
    assert!(refused(&|b| b.summary.ratios.clear()).contains("no ratio in common"));
}

#[test]
fn without_joules_in_one_of_them_times_are_compared() {
    let (a, mut b) = (record("a100", 0), record("a100", 1));
    for ratios in b.summary.ratios.values_mut() {
        (ratios.energy, ratios.power) = (None, None);
    }
    assert_eq!(only(&a, &b).quantity, Quantity::Time);
}
