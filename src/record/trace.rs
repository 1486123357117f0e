//! What the sensor said during a run: one row an update.

use crate::digits::round;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Columns of equal length, one row an update of the sensor. A row holds from its time to that of the next one.
///
/// Sensors that update faster than the trace resolves get their mean power over the row. A row of nulls alone begins a
/// stretch in which the sensor did not answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Seconds on the run's clock at which the row's values were first seen.
    pub t_s: Vec<f64>,
    pub power_w: Vec<Option<f64>>,
    /// The energy counter, from the first that was seen; null where it was not seen to move, and where it moved while the
    /// sensor did not answer: nobody knows when. Wraps are taken out, steps back are not.
    pub energy_j: Vec<Option<f64>>,
    pub temperature_c: Vec<Option<f64>>,
    pub clock_mhz: Vec<Option<f64>>,
    /// The step of the sensor's power figures in watts: the largest of which all of them were multiples. None without figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_step_w: Option<f64>,
    /// The lowest and the highest power limit in watts that the sensor told during the run. None where it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<(f64, f64)>,
}

/// One row of a [`Trace`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Row {
    pub t_s: f64,
    pub power_w: Option<f64>,
    pub energy_j: Option<f64>,
    pub temperature_c: Option<f64>,
    pub clock_mhz: Option<f64>,
}

impl Trace {
    pub fn len(&self) -> usize {
        self.t_s.len()
    }

    pub fn is_empty(&self) -> bool {
        self.t_s.is_empty()
    }

    /// Row `i`. A column that is too short (in a record that someone wrote by hand) reads as null.
    pub fn row(&self, i: usize) -> Row {
        let at = |column: &[Option<f64>]| column.get(i).copied().flatten();
        Row {
            t_s: self.t_s[i],
            power_w: at(&self.power_w),
            energy_j: at(&self.energy_j),
            temperature_c: at(&self.temperature_c),
            clock_mhz: at(&self.clock_mhz),
        }
    }

    /// The rows that begin within [start, end], both in seconds.
    pub(crate) fn rows_within(&self, start_s: f64, end_s: f64) -> impl DoubleEndedIterator<Item = Row> {
        let from = self.t_s.partition_point(|&t| t < start_s);
        let to = self.t_s.partition_point(|&t| t <= end_s);
        (from..to.max(from)).map(|i| self.row(i))
    }

    /// Mean of a column over [start, end], each row weighted by how long it holds there; null rows do not count.
    /// None where there is no row with a value.
    pub fn mean(&self, start_s: f64, end_s: f64, column: impl Fn(&Row) -> Option<f64>) -> Option<f64> {
        let (sum, weight) = self.sum(start_s, end_s, column);
        (weight > 0.0).then(|| sum / weight)
    }

    /// For how long within [start, end] the rows hold for which `column` has a value.
    pub(crate) fn held_s(&self, start_s: f64, end_s: f64, column: impl Fn(&Row) -> Option<f64>) -> f64 {
        self.sum(start_s, end_s, column).1
    }

    /// The integral of a column over [start, end], and the seconds in which it has a value.
    fn sum(&self, start_s: f64, end_s: f64, column: impl Fn(&Row) -> Option<f64>) -> (f64, f64) {
        let first = self.t_s.partition_point(|&t| t <= start_s).saturating_sub(1);
        let (mut sum, mut weight) = (0.0, 0.0);
        for i in first..self.len() {
            let row = self.row(i);
            if row.t_s >= end_s {
                break;
            }
            let until = self.t_s.get(i + 1).copied().unwrap_or(f64::INFINITY).min(end_s);
            let held_s = until - row.t_s.max(start_s);
            if let (Some(value), true) = (column(&row), held_s > 0.0) {
                sum += value * held_s;
                weight += held_s;
            }
        }
        (sum, weight)
    }

    /// Adds a row, rounded to the digits that a record holds.
    pub(crate) fn push(&mut self, row: Row) {
        self.t_s.push(round(row.t_s, 3));
        self.power_w.push(row.power_w.map(|watts| round(watts, 3)));
        self.energy_j.push(row.energy_j.map(|joules| round(joules, 3)));
        self.temperature_c.push(row.temperature_c.map(|degrees| round(degrees, 1)));
        self.clock_mhz.push(row.clock_mhz.map(|mhz| round(mhz, 0)));
    }
}

/// More than this is no power of any board, however short: a counter that rises faster has jumped.
pub(crate) const IMPLAUSIBLE_W: f64 = 20_000.0;

/// °C and MHz that a working chip can have, from the least to the most. What lies outside was not measured.
pub(crate) const TEMPERATURES_C: (f64, f64) = (-60.0, 200.0);
pub(crate) const CLOCKS_MHZ: (f64, f64) = (0.0, 20_000.0);
