//! What the protocol is doing, for whoever watches.

use super::sensor::Sample;
use crate::operands::Init;
use crate::record::Window;

/// What the protocol is doing, for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Begun(Stage),
    /// About ten times a second: seconds until the protocol ends, as far as it knows, and what the sensor says.
    Progress {
        left_s: f64,
        latest: Latest,
    },
    WindowDone(Window),
    /// Something that whoever watches should know now, and that is no stage: a meter fell silent.
    Notice(String),
}

/// What the sensor said last. A field without a finite value is None.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latest {
    pub power_w: Option<f64>,
    pub temperature_c: Option<f64>,
    pub clock_mhz: Option<f64>,
}

impl Latest {
    pub(super) fn of(sample: &Sample) -> Self {
        let Ok(reading) = &sample.reading else { return Latest::default() };
        Latest {
            power_w: reading.power_mw.map(|mw| mw as f64 / 1000.0),
            temperature_c: reading.temperature_c.filter(|degrees| degrees.is_finite()),
            clock_mhz: reading.clock_mhz.filter(|mhz| mhz.is_finite()),
        }
    }
}

/// The protocol's stages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// Making operands, choosing a kernel, verifying.
    Prepare,
    Idle,
    WarmUp,
    Round {
        round: u32,
        init: Init,
    },
}
