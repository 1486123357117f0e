//! A second meter beside the device's own sensor: what it said, on the run's clock.

use super::sensor::Scope;
use crate::digits::round;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a meter of the user's said during a run. It has rows of its own, not a column beside the sensor's: the two come in rhythms of
/// their own, and to bring one into the other's rows would be to invent figures.
///
/// Which command or file it was does not stand here: names of files and addresses are the user's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    pub interface: MeterInterface,
    /// What it measures, as the user says: "board" or "system".
    pub scope: Scope,
    /// Seconds on the run's clock at which a row's first figure came.
    pub t_s: Vec<f64>,
    /// Watts: of figures that come within 20 ms, their mean.
    pub power_w: Vec<f64>,
    /// Seconds on the meter's own clock, of whatever beginning, where it tells them.
    pub own_s: Vec<Option<f64>>,
    /// How often it was begun: once, and again each time its command ended or its file began anew.
    pub starts: u64,
    /// Lines that were no figures, or times that it was asked for none.
    pub not_understood: u64,
    /// Why it had none when it was last asked in vain; null where lines come by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// Why nothing more came of it; null where it went on to the end.
    pub ended: Option<String>,
}

/// How figures come from a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MeterInterface {
    /// The lines of a command.
    Command,
    /// The lines of a file that grows.
    File,
    /// JSON over HTTP, asked for.
    Http,
    /// A file of the kernel's, asked for.
    Hwmon,
}

impl Meter {
    /// One that has said nothing yet.
    pub fn new(interface: MeterInterface, scope: Scope) -> Self {
        Meter {
            interface,
            scope,
            t_s: vec![],
            power_w: vec![],
            own_s: vec![],
            starts: 0,
            not_understood: 0,
            last_failure: None,
            ended: None,
        }
    }

    /// Adds a row, rounded to the digits that a record holds.
    pub fn push(&mut self, t_s: f64, power_w: f64, own_s: Option<f64>) {
        self.t_s.push(round(t_s, 3));
        self.power_w.push(round(power_w, 3));
        self.own_s.push(own_s.map(|own_s| round(own_s, 3)));
    }
}
