//! The answer of a run, and what a simulated one should have found.

use super::window::{Doubt, Lead};
use crate::operands::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An estimate with its 95 % interval from scatter (type A). No interval where there are too few rounds for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    pub estimate: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Of the energy's ratio: the 95 % interval that also counts what is known of the sensor (type B), its offset within
    /// `summary.sensor.offset_w`, all values alike likely (a uniform distribution), and its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined: Option<Band>,
}

/// From the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Band {
    pub low: f64,
    pub high: f64,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub inits: BTreeMap<Init, InitSummary>,
    /// Against the plan's first init.
    pub ratios: BTreeMap<Init, Ratios>,
    pub sensor: SensorSummary,
    /// How the board warmed during the rounds; null where nothing showed it. Power, time and energy in `inits`, and all ratios,
    /// are then those at which nothing is left to warm.
    #[serde(default)]
    pub warming: Option<Warming>,
    /// The sensor against the user's meter, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<MeterSummary>,
}

/// What the user's meter says of the device's sensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MeterSummary {
    /// The median time between two of its rows.
    pub period_s: Option<f64>,
    /// The longest time for which it said nothing, until the end of the last stretch that it might have seen. None where it said
    /// nothing at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_s: Option<f64>,
    /// Why it is not believed. None where nothing speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<MeterDoubt>,
    /// By how much its figures come later than the middle of what they are means of: the delay at which the load's edges fall together.
    pub delay_s: Option<f64>,
    /// The line from its watts to the sensor's. None where too little was seen.
    pub calibration: Option<Calibration>,
}

/// The sensor shows gain · M + offset where the meter says M: least squares over windows and rests, with 95 % intervals from scatter and
/// from the steps of both figures. What the meter itself is off by is in neither. Of a meter at the wall they are not the sensor's
/// alone: they hold the supply's losses and the rest of the machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub gain: Estimate,
    pub offset_w: Estimate,
    /// Do all levels lie on one straight line, as far as scatter tells? None of two levels: they always do.
    pub straight: Option<bool>,
    /// By how many of the sensor's watts the level that lies farthest from the line is off it.
    pub off_w: f64,
    /// Idle, and each init whose windows were seen.
    pub levels: u32,
    /// Windows and rests of which the meter said something.
    pub stretches: u32,
}

/// Why a meter is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeterDoubt {
    /// It said nothing, or nothing while the device worked.
    Silent,
    /// Its figures are some thousand times the sensor's.
    Milliwatts,
    /// They do not follow the load, whatever the delay: another machine's, or another plug's.
    NoLoad,
}

/// How the board came to rest: its temperature, and its power with it, as 1 − e^(−t/τ).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Warming {
    /// τ in seconds.
    pub settles_s: f64,
    /// τ, one standard error less and more.
    pub settles_low_s: f64,
    pub settles_high_s: f64,
    /// The share by which the energy of a product would still have grown after the last window.
    pub left: f64,
    /// The same, without its sign, where τ makes it largest.
    pub left_at_most: f64,
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
    /// Of power less idle power. A sensor's offset and its gain cancel in it.
    pub above_idle: Option<Estimate>,
    /// By what share the energy's ratio moves for every watt that the sensor shows too much, in 1/W: 1/P − 1/P of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_per_offset_w: Option<f64>,
}

/// How the sensor did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensorSummary {
    /// Which of its figures the joules come from.
    pub lead: Option<Lead>,
    /// Why one of the two is not believed. None where nothing speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_doubt: Option<Doubt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_doubt: Option<Doubt>,
    /// Measured, not assumed: as the trace has it, whose rows are farther apart in a run of very many windows. The median time between
    /// two moves of the counter.
    pub counter_period_s: Option<f64>,
    /// The time between two changes of the power figure that a tenth of them undercuts: between others a steady load shows the same
    /// figure again.
    pub power_period_s: Option<f64>,
    /// Counter over polled power, less 1, in the window where they differ most.
    pub disagreement: Option<f64>,
    /// The idle power that `above_idle` rests on.
    pub idle_w: Option<f64>,
    /// Shown watts over true ones, and watts shown at none, as published calibrations of this family of sensors have them; of a
    /// family without any, as all that are published. Where a meter of the board calibrated this very sensor: the intervals of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<Band>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_w: Option<Band>,
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
