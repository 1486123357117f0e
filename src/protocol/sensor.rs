//! What the protocol asks of a sensor: samples, each a reading or why there is none.

use crate::record::{Limiters, Source};
use std::time::Duration;
use thiserror::Error;

/// Samples of a sensor, gathered while the protocol is busy.
pub trait Sampler {
    fn source(&self) -> &Source;
    /// Hands over the samples since the last call, in the order of their times.
    fn drain(&mut self, take: &mut dyn FnMut(Sample));
}

/// Time between two reads: 100 a second, so that an update of the sensor is seen within a tenth of the fastest vendor's
/// period of 100 ms, at well under 1 % of a core.
pub const SAMPLING_PERIOD: Duration = Duration::from_millis(10);

/// One read of a sensor.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The middle of the read, in seconds on the run's clock.
    pub time_s: f64,
    pub reading: Result<Reading, PowerError>,
}

/// What a sensor said at one time. A field that it did not give is None, never 0; a 0 is a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The energy counter in µJ from an origin of its own.
    pub energy_uj: Option<u64>,
    pub power_mw: Option<u64>,
    pub temperature_c: Option<f64>,
    /// The clock of the cores that compute.
    pub clock_mhz: Option<f64>,
    /// What holds the clock down at this moment; None where the sensor does not tell.
    pub limiters: Option<Limiters>,
    /// The power limit in watts, where it may move during a run and the sensor tells.
    pub power_limit_w: Option<f64>,
    /// The memory's clock, and NVIDIA's P-state (0 is the fastest): what else sets the power of the same work. A sensor need not give
    /// them with every reading.
    pub memory_clock_mhz: Option<f64>,
    pub performance_state: Option<u8>,
}

/// Why a sensor does not answer. Each says what to do about it.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PowerError {
    #[error("{what} is not here: {fix}")]
    Absent { what: String, fix: &'static str },
    #[error("{what} is not permitted: {fix}")]
    NoPermission { what: String, fix: &'static str },
    #[error("{what} is not supported: {fix}")]
    Unsupported { what: String, fix: &'static str },
    #[error("{what} failed ({why}): {fix}")]
    Failed { what: String, why: String, fix: &'static str },
}

impl PowerError {
    /// What is wrong, and what fixes it.
    pub fn parts(&self) -> (String, &'static str) {
        let (PowerError::Absent { fix, .. }
        | PowerError::NoPermission { fix, .. }
        | PowerError::Unsupported { fix, .. }
        | PowerError::Failed { fix, .. }) = self;
        let text = self.to_string();
        let wrong = text.strip_suffix(fix).unwrap_or(&text).trim_end_matches(": ").to_owned();
        (wrong, fix)
    }
}
