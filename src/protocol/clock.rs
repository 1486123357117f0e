//! What the protocol asks of a clock.

/// Time that only moves forward.
pub trait Clock {
    /// Seconds since the clock's beginning.
    fn now_s(&self) -> f64;
    fn sleep(&self, seconds: f64);
}
