//! How fine the rows of a trace are: a record stays under 100 KB, and under 190 KB with the 72 windows of an atlas.

use crate::record::{Plan, Timing};

/// Rows that a run may have within its windows, between them, and in the warm-up and all idle measurements.
const ROWS_WITHIN: f64 = 1800.0;
const ROWS_BETWEEN: f64 = 100.0;
const ROWS_OUTSIDE: f64 = 450.0;
/// But a window has room for so many: it takes 20 to judge one, and a row is up to an update longer than it need be, so that less
/// than half would be left of the updates of some sensors.
const LEAST_ROWS: f64 = 34.0;
/// And so many for each window of a second, half of them for one of two: the shorter it is, the more of it a sensor may be silent.
const LEAST_ROWS_OF_SECOND: f64 = 66.0;
/// And a turn of the warm-up for so many, however long it may last: coarser rows than turns would never be seen to be steady.
const LEAST_ROWS_OF_TURN: f64 = 8.0;
/// The finest row of a warm-up, in seconds.
const FINE_ROW_S: f64 = 0.05;
/// What the sensor's period is taken to be, for pauses, before it is known: that of most boards.
pub(super) const USUAL_PERIOD_S: f64 = 0.1;
/// A turn of the warm-up outlasts a settling time by so much: the sensor is to see something of each.
const MORE_THAN_SETTLING_S: f64 = 1.0;

/// Seconds of a row within a window.
pub(super) fn window_row_s(plan: &Plan, timing: Timing) -> f64 {
    timing.window_s / (ROWS_WITHIN / plan.windows()).max(LEAST_ROWS + LEAST_ROWS_OF_SECOND / timing.window_s)
}

/// Seconds of a row between windows.
pub(super) fn settling_row_s(plan: &Plan, timing: Timing) -> f64 {
    plan.windows() * (timing.settling_s + USUAL_PERIOD_S) / ROWS_BETWEEN
}

/// Seconds of a row without work.
pub(super) fn idle_row_s(plan: &Plan) -> f64 {
    (plan.warm_up_s.1 + 3.0 * plan.idle_s) / ROWS_OUTSIDE
}

/// Seconds of a row of the warm-up.
pub(super) fn warm_up_row_s(plan: &Plan, timing: Timing) -> f64 {
    idle_row_s(plan).min((turn_s(plan, timing) / LEAST_ROWS_OF_TURN).max(FINE_ROW_S))
}

/// How long the warm-up stays with an init. However many there are, each has its turn.
pub(super) fn turn_s(plan: &Plan, timing: Timing) -> f64 {
    (timing.settling_s + MORE_THAN_SETTLING_S).min(plan.warm_up_s.1 / plan.inits.len() as f64)
}
