//! `--power meter:…`: a meter of the user's own as the run's sensor.

use super::choice::MeterChoice;
use super::listener::Latest;
use super::thread::MeterThread;
use crate::power::reader::PowerReader;
use crate::protocol::{Clock, PowerError, Reading};
use crate::record::trace::IMPLAUSIBLE_W;
use crate::record::{PowerKind, Scope, Source};
use std::time::{Duration, Instant};

/// What a meter says may be so old, its averaging included: a smart plug's second, and as much on its way. It is not known before
/// the run; a sensor's settling times are three times as long as that, and hold all that is known of plugs.
const LATE_MS: u32 = 2000;

/// An older figure is none: the load may be another one by now.
const NO_OLDER_S: f64 = 3.0;

/// Reads what a meter said last, as a vendor's sensor shows its last figure.
pub struct MeterReader {
    source: Source,
    meter: MeterThread,
}

impl MeterReader {
    /// Starts listening.
    ///
    /// # Errors
    /// As [`MeterThread::start`].
    pub fn start(choice: &MeterChoice) -> Result<Self, PowerError> {
        let device =
            if choice.scope == Scope::System { "the machine, at the wall" } else { "the board, in its cables" };
        let source = Source { power: Some(PowerKind::LateMs(LATE_MS)), ..Source::new("meter", device, choice.scope) };
        Ok(MeterReader { source, meter: MeterThread::start(choice, SinceStart(Instant::now()))? })
    }
}

impl PowerReader for MeterReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let failed = |why: String| PowerError::Failed {
            what: "listening to the meter".into(),
            why,
            fix: "see that it still speaks, or measure by another sensor",
        };
        let latest = self.meter.latest(NO_OLDER_S).map_err(failed)?;
        let Latest { watts, .. } = latest.ok_or_else(|| failed("it has said nothing yet".into()))?;
        let milliwatts = (watts * 1000.0).round();
        if watts > IMPLAUSIBLE_W {
            return Err(failed("its figures are milliwatts by their size: divide them by 1000".into()));
        }
        if milliwatts < 0.0 {
            return Err(failed("its watts are below 0: turn it round".into()));
        }
        Ok(Reading { power_mw: Some(milliwatts as u64), ..Reading::default() })
    }
}

/// Tells how old a figure is; the run's own clock stamps it.
#[derive(Clone)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now_s(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    fn sleep(&self, seconds: f64) {
        std::thread::sleep(Duration::from_secs_f64(seconds.max(0.0)));
    }
}
