//! The answer of a run, and what a simulated one should have found.

use super::window::Lead;
use crate::operands::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An estimate with its 95 % interval. No interval where there are too few rounds for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    pub estimate: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub inits: BTreeMap<Init, InitSummary>,
    /// Against the plan's first init.
    pub ratios: BTreeMap<Init, Ratios>,
    pub sensor: SensorSummary,
}

/// One init, over all windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitSummary {
    /// Seconds a product.
    pub time_s: f64,
    pub power_w: Option<f64>,
    /// Joules a product.
    pub energy_j: Option<f64>,
    pub gflop_per_s: f64,
    pub gflop_per_j: Option<f64>,
    pub clock_mhz: Option<f64>,
    pub temperature_c: Option<f64>,
}

/// One init over the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ratios {
    pub time: Option<Estimate>,
    pub power: Option<Estimate>,
    pub energy: Option<Estimate>,
    /// Of power less idle power.
    pub above_idle: Option<Estimate>,
}

/// How the sensor did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensorSummary {
    /// Which of its figures the joules come from.
    pub lead: Option<Lead>,
    /// Measured, not assumed: as the trace has it, whose rows are farther apart in a run of very many windows.
    pub counter_period_s: Option<f64>,
    pub power_period_s: Option<f64>,
    /// Counter over polled power, less 1, in the window where they differ most.
    pub disagreement: Option<f64>,
    /// The idle power that `above_idle` rests on.
    pub idle_w: Option<f64>,
}

/// What the model of a simulated run says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    pub ratios: BTreeMap<Init, TrueRatios>,
}

/// The true ratios of one init over the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrueRatios {
    pub time: f64,
    pub power: f64,
    pub energy: f64,
    pub above_idle: f64,
}
