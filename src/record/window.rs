//! Windows of work and stretches without it: when, and how much power.

use super::sensor::Limiter;
use crate::operands::Init;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub init: Init,
    pub round: u32,
    pub start_s: f64,
    pub duration_s: f64,
    pub products: f64,
    /// The window on the device's clock.
    pub device_s: Option<f64>,
    /// Share of the window in which the device worked, by its own clock.
    pub busy: Option<f64>,
    pub products_right: bool,
    pub power_w: WindowPower,
    /// Energy of the whole window, from the figure that `summary.sensor.lead` names.
    pub energy_j: Option<f64>,
    pub clock_mhz: Option<f64>,
    pub temperature_c: Option<f64>,
    /// What held the clock down at some time in the window; null where the sensor does not tell.
    pub limiters: Option<Vec<Limiter>>,
    /// The lowest clock of the device's memory in the window; null where the sensor does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_clock_mhz: Option<f64>,
    /// NVIDIA's slowest P-state in the window: 0 is the fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_state: Option<u8>,
}

/// Power of the device without work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdlePower {
    /// Before the device was opened.
    pub cold: Option<Idle>,
    /// Open, before its first work.
    pub open: Option<Idle>,
    /// After the last round, at the temperature of the work.
    pub hot: Option<Idle>,
}

/// Mean power of a window, by each of the two ways. None for a way that the sensor does not offer, or that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowPower {
    /// By the energy counter: the difference between its first and last update in the window, over the time between them.
    pub counter: Option<f64>,
    /// By the power figures, each weighted with the time it held.
    pub polled: Option<f64>,
    /// Moves of the counter within the window.
    pub counter_updates: u32,
    /// Seconds from the first of these moves to the last: the part of the window of which `counter` tells. 0 where it tells of none.
    #[serde(default)]
    pub counter_s: f64,
    /// Power figures within the window that differ from the one before. A steady load on a coarse sensor has few, and none the worse.
    pub polled_updates: u32,
    /// Standard uncertainty of `polled` in watts: from the scatter of the figures, and from the sensor's step where they do not move
    /// enough for its rounding to average out: step/√12 (JCGM 100:2008, F.2.2.1).
    #[serde(default)]
    pub polled_u: Option<f64>,
    pub counter_fault: Option<CounterFault>,
    /// Seconds of the window in which the sensor did not answer.
    #[serde(default)]
    pub silent_s: f64,
}

/// What a counter did that no energy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CounterFault {
    /// It fell, and not because it was full.
    SteppedBack,
    /// It rose faster than any board draws power.
    Jumped,
    /// It stood still for much longer than it usually does, while the sensor answered.
    Frozen,
}

/// Mean power, temperature and clock of a device that does nothing: of one that falls asleep meanwhile, before it does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Idle {
    pub start_s: f64,
    pub duration_s: f64,
    /// By the power figures, else by the counter: at idle, counters are known to stand still or to fall.
    pub power_w: Option<f64>,
    /// By the energy counter.
    #[serde(default)]
    pub counter_w: Option<f64>,
    pub temperature_c: Option<f64>,
    /// Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_mhz: Option<f64>,
}

/// What a way to measure power shows that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// More than the device's power limit lets it draw, or than any device draws.
    AboveLimit,
    /// Less in a window of full load than at rest, or than any device draws at work.
    BelowIdle,
    /// It did not move when the load did.
    Frozen,
}

/// Which of the two ways a run is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Lead {
    Counter,
    Polled,
}

impl WindowPower {
    /// The window's power in watts.
    pub fn watts(&self, lead: Option<Lead>) -> Option<f64> {
        match lead? {
            Lead::Counter => self.counter,
            Lead::Polled => self.polled,
        }
    }
}
