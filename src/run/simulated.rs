//! A run on a simulated board, in the same protocol as on a real one, and the truth that it should find.

use super::execute::{Prepared, RunError, Setup, run};
use super::plan::{self, PlanError, PlanOptions};
use crate::analysis::summary;
use crate::operands::{Dtype, Order};
use crate::protocol::{Event, Sampler};
use crate::record::{KernelChoice, Plan, Record, TrueRatios, Truth, Units};
use crate::simulate::{Model, Simulation};

/// n, where no memory limits it.
const LARGEST_SIZE: usize = 100_000;

/// The plan of a run on a simulated board.
///
/// # Errors
/// As [`plan::plan`].
pub fn plan(model: &Model, options: &PlanOptions) -> Result<Plan, PlanError> {
    // Simulated boards have one type, but for their matrix units.
    let options = match options.units {
        Units::Matrix if !model.has_matrix_units() => {
            return Err(PlanError::NoMatrixUnits { adapter: format!("a simulated {}", model.title) });
        }
        Units::Matrix => &PlanOptions { dtype: Dtype::F16, ..options.clone() },
        Units::Simt => options,
    };
    plan::plan(options, false, LARGEST_SIZE, model.title)
}

/// The record of a run that nobody watches or stops, with the truth.
///
/// # Errors
/// None that a simulated board has.
pub fn record(model: &Model, plan: Plan) -> Result<Record, RunError> {
    let truth = truth(model, &plan)?;
    undisturbed(&Simulation::new(*model, plan, false), truth, None)
}

/// The whole run, which nobody watches or stops.
///
/// # Errors
/// None that a simulated board has.
pub fn undisturbed(simulation: &Simulation, truth: Truth, no_sensor: Option<&str>) -> Result<Record, RunError> {
    simulated(simulation, truth, no_sensor, &|| false, &|_| ())
}

/// The whole run, as it is on a real GPU. Without a sensor where `no_sensor` says why.
///
/// # Errors
/// It was stopped before the first round was complete.
pub fn simulated(
    simulation: &Simulation,
    truth: Truth,
    no_sensor: Option<&str>,
    stop: &dyn Fn() -> bool,
    watch: &dyn Fn(Event),
) -> Result<Record, RunError> {
    let clock = simulation.clock();
    let sensor = match no_sensor {
        None => Ok(Box::new(simulation.sampler()) as Box<dyn Sampler>),
        Some(why) => Err(why.into()),
    };
    let prepared = || Prepared {
        work: Box::new(simulation.work()),
        inputs: simulation.inputs(),
        kernel: KernelChoice {
            variant: "simulated".into(),
            wgsl_digest: String::new(),
            order: Order::default(),
            tuning: vec![],
        },
    };
    let setup = Setup {
        adapter: simulation.adapter(),
        clock: &clock,
        sensor,
        meter: None,
        open: &mut || {
            simulation.open();
            Ok(())
        },
        prepare: &mut || Ok(prepared()),
        truth: Some(truth),
    };
    run(simulation.plan().clone(), setup, stop, watch)
}

/// Rounds of the run that shows the truth after those that still warm it up, and seconds that these last.
const TRUTH_ROUNDS: f64 = 8.0;
const TRUTH_WARM_UP_S: f64 = 900.0;

/// The record of what the plan's rhythm would show a perfect sensor in rounds without end: the same board without noise
/// and faults, in the same protocol, the first rounds left out.
///
/// # Errors
/// None that a simulated board has.
pub fn endless(model: &Model, plan: &Plan) -> Result<Record, RunError> {
    let source = Simulation::new(Model { fault: None, ..*model }, plan.clone(), false).source();
    let timing = plan.timing(Some(&source), Some(model.sensor.period_s));
    let round_s = plan.inits.len() as f64 * (timing.settling_s + timing.window_s);
    let skipped = (TRUTH_WARM_UP_S / round_s).ceil();
    let plan = Plan {
        window_s: timing.window_s,
        window_fixed: true,
        settling_s: timing.settling_s,
        settling_fixed: true,
        rounds: (skipped + TRUTH_ROUNDS) as u32,
        precision: None,
        longest_s: None,
        ..plan.clone()
    };
    let mut perfect = Model { sensor: model.sensor.perfect(), fault: None, ..*model };
    // Both are zero in the mean, which rounds without end would find.
    (perfect.gpu.wander, perfect.gpu.ripple) = (0.0, 0.0);
    let mut record = undisturbed(&Simulation::new(perfect, plan, false), Truth::default(), None)?;
    record.windows.retain(|window| f64::from(window.round) >= skipped);
    record.summary = summary::of(&record);
    Ok(record)
}

/// The truth about a model, for the record of a run.
///
/// # Errors
/// None that a simulated board has.
pub fn truth(model: &Model, plan: &Plan) -> Result<Truth, RunError> {
    let summary = endless(model, plan)?.summary;
    let ratios = summary.ratios.iter().filter_map(|(&init, ratios)| {
        let true_ratios = TrueRatios {
            time: ratios.time?.estimate,
            power: ratios.power?.estimate,
            energy: ratios.energy?.estimate,
            above_idle: ratios.above_idle?.estimate,
        };
        Some((init, true_ratios))
    });
    Ok(Truth { ratios: ratios.collect() })
}
