//! Decimal digits of the figures that a record holds.

/// Everything computed from a trace is computed from the rounded figures that the record holds, so that it can be
/// computed again.
pub fn round(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
