//! What will be measured: the options, completed by what the adapter is.

use wattmul::operands::Init;
use wattmul::record::{Counter, Plan, PowerKind, Scope, Source};
use wattmul::run::plan::*;

fn plan(options: PlanOptions) -> Result<Plan, PlanError> {
    wattmul::run::plan::plan(&options, false, 20_000, "card")
}

#[test]
fn a_gpu_gets_the_standard_protocol_and_a_cpu_the_quick_one() {
    let standard = plan(PlanOptions::default()).unwrap();
    assert_eq!((standard.size, standard.rounds, standard.window_s, standard.settling_s), (10_000, 40, 3.5, 1.5));
    assert_eq!((standard.precision, standard.longest_s), (Some(0.003), Some(208.0)));
    let exact = plan(PlanOptions { rounds: Some(7), ..PlanOptions::default() }).unwrap();
    assert_eq!((exact.rounds, exact.precision, exact.longest_s), (7, None, None));
    let quick = wattmul::run::plan::plan(&PlanOptions::default(), true, 5760, "llvmpipe").unwrap();
    assert_eq!((quick.size, quick.rounds, quick.window_s, quick.warm_up_s), (1024, 6, 2.0, (3.0, 10.0)));
    assert_eq!(quick.precision, None);
    assert_eq!(
        wattmul::run::plan::plan(&PlanOptions::default(), false, 8192, "card").unwrap().size,
        8192,
        "the largest that fits"
    );
}

#[test]
fn nonsense_is_refused_by_the_name_of_its_option() {
    let refused = |options| plan(options).unwrap_err().to_string();
    assert!(refused(PlanOptions { size: Some(0), ..PlanOptions::default() }).contains("--size"));
    let large = refused(PlanOptions { size: Some(20_001), ..PlanOptions::default() });
    assert_eq!(large, "--size 20001 does not fit card: the largest that does is --size 20000");
    assert!(refused(PlanOptions { rounds: Some(0), ..PlanOptions::default() }).contains("--rounds"));
    for window_s in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(refused(PlanOptions { window: Some(window_s), ..PlanOptions::default() }).contains("--window"));
        let precise = PlanOptions { precision: Some(window_s), ..PlanOptions::default() };
        assert!(refused(precise).contains("--precision"));
    }
    assert_eq!(plan(PlanOptions { init: vec![Init::Zeros.into()], ..PlanOptions::default() }), Err(PlanError::Inits));
    let many = (2..=102).map(|sigma| format!("gaussian:{sigma}").parse().unwrap()).collect();
    assert_eq!(plan(PlanOptions { init: many, ..PlanOptions::default() }), Err(PlanError::Many(101)));
    let inits = [Init::Gaussian, Init::Zeros, Init::Gaussian].map(Into::into).to_vec();
    assert_eq!(plan(PlanOptions { init: inits, ..PlanOptions::default() }), Err(PlanError::Twice(Init::Gaussian)));
}

#[test]
fn a_slow_sensor_stretches_the_plan_but_never_the_users_word() {
    let source = Source {
        counter: Some(Counter { resolution_uj: None, wraps_at_uj: None }),
        power: Some(PowerKind::AverageMs(2000)),
        ..Source::new("test", "card", Scope::Board)
    };
    let slow = plan(PlanOptions::default()).unwrap().timing(Some(&source), Some(2.2));
    assert_eq!((slow.settling_s, slow.window_s), (6.0, 22.0));
    let options = PlanOptions { settling: Some(1.0), window: Some(5.0), ..PlanOptions::default() };
    let fixed = plan(options).unwrap().timing(Some(&source), Some(2.2));
    assert_eq!((fixed.settling_s, fixed.window_s), (1.0, 5.0));
}
