//! Matrix units on simulated boards: what is published of the A100's, and nothing for a board of which nothing is.

use crate::common;

use common::{patiently, program_path};
use predicates::prelude::*;
use predicates::str::contains;
use wattmul::operands::{Dtype, Init};
use wattmul::record::{Flag, Units};
use wattmul::run::{PlanError, PlanOptions, simulated};

fn options() -> PlanOptions {
    PlanOptions { units: Units::Matrix, ..PlanOptions::default() }
}

/// Published (arXiv 2409.18324): 296.3 and 183.9 W, 1365 and 1410 MHz, so that a ratio of power of 1.611 goes with one of time of 1.033.
#[test]
fn the_a100s_tensor_cores_cost_about_what_is_published_and_meet_the_power_limit() {
    let model = "a100".parse().unwrap();
    let plan = simulated::plan(&model, &options()).unwrap();
    assert_eq!((plan.dtype, plan.units), (Dtype::F16, Units::Matrix));
    let record = simulated::record(&model, plan).unwrap();
    let ratios = record.truth.as_ref().unwrap().ratios[&Init::Gaussian];
    assert!((ratios.power / 1.611 - 1.0).abs() < 0.02, "{ratios:?}");
    assert!((ratios.time / 1.033 - 1.0).abs() < 0.02, "{ratios:?}");
    assert!(record.verdict.flags.contains(&Flag::PowerCapped), "{:?}", record.verdict);
    assert!(record.file_name().contains("-f16-matrix-n10000-"), "{}", record.file_name());
    let plain = simulated::plan(&model, &PlanOptions::default()).unwrap();
    let plain = simulated::record(&model, plain).unwrap();
    let efficiency = |record: &wattmul::record::Record| record.summary.inits[&Init::Gaussian].gflop_per_j.unwrap();
    assert!(efficiency(&record) > 8.0 * efficiency(&plain), "that is what they are for");
}

#[test]
fn a_board_whose_matrix_units_nobody_measured_has_none() {
    let refused = simulated::plan(&"h100".parse().unwrap(), &options()).unwrap_err();
    assert!(matches!(refused, PlanError::NoMatrixUnits { .. }), "{refused}");
    let wattmul = || patiently(std::process::Command::new(program_path()));
    let line = wattmul().args(["--simulate", "h100", "--units", "matrix"]).assert().code(2);
    line.stderr(contains("--units matrix is not for a simulated H100 PCIe: it offers no matrices of f16"));
    let shown = wattmul().args(["--simulate", "a100", "--units", "matrix", "--quick"]).assert().success();
    shown.stdout(contains("f16 matrix 10000²").and(contains("tensor").not()));
}
