//! Power sensors behind one trait.
//!
//! - One file an interface: [`nvml`], [`rocm_smi`], [`hwmon`], `apple`, [`rapl`].
//! - [`choice`]: which sensor belongs to which adapter. [`sampler`]: the thread that reads one.
//! - [`clock_lock`]: a clock that is held and freed again; [`clock_guard`]: freed even for a program that was killed.

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
pub mod apple;
pub mod choice;
pub mod clock_guard;
pub mod clock_lock;
pub mod hwmon;
pub mod nvml;
pub mod rapl;
pub mod rocm_smi;
pub mod sampler;

use crate::pci::PciAddress;
use crate::sysfs::SYS;
use clock_lock::ClockLock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use thiserror::Error;

/// Reads one sensor of one device. All reads come from one thread: some libraries cannot do otherwise.
pub trait PowerReader: Send {
    /// What is read, and how.
    fn source(&self) -> &Source;

    /// What the sensor says now. Allocates nothing: it is called a hundred times a second beside the measurement.
    ///
    /// # Errors
    /// The sensor said nothing at all. A single field that it does not give is None in a reading that succeeds.
    fn read(&mut self) -> Result<Reading, PowerError>;

    /// The core clocks in MHz at which the device can be held.
    ///
    /// # Errors
    /// Many sensors have no such list.
    fn supported_clocks(&self) -> Result<Vec<u32>, PowerError> {
        Err(PowerError::Unsupported {
            what: format!("listing the clocks of {} through {}", self.source().device, self.source().api),
            fix: "name them, such as --clocks 600,900,1200",
        })
    }

    /// Holds the device's core clock at `mhz` until the lock is dropped.
    ///
    /// # Errors
    /// Most drivers ask for root; many sensors have no such control.
    fn lock_clock(&mut self, mhz: u32) -> Result<ClockLock, PowerError> {
        let _ = mhz;
        Err(PowerError::Unsupported {
            what: format!("locking the clock through {}", self.source().api),
            fix: "leave out --lock-clock, or set the clock with the vendor's tool",
        })
    }

    /// Frees the device's core clock, whoever locked it.
    ///
    /// # Errors
    /// As [`PowerReader::lock_clock`].
    fn free_clock(&mut self) -> Result<(), PowerError> {
        Err(PowerError::Unsupported {
            what: format!("freeing the clock through {}", self.source().api),
            fix: "free it with the vendor's tool",
        })
    }
}

/// What a sensor said at one time. A field that it did not give is None, never 0; a 0 is a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// The sensor's own time in seconds from an origin of its own, where it has one.
    pub sensor_time_s: Option<f64>,
    /// The energy counter in µJ from an origin of its own.
    pub energy_uj: Option<u64>,
    pub power_mw: Option<u64>,
    pub temperature_c: Option<f64>,
    /// The clock of the cores that compute.
    pub clock_mhz: Option<f64>,
    /// What holds the clock down at this moment; None where the sensor does not tell.
    pub limiters: Option<Limiters>,
}

/// What holds a clock down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Limiter {
    PowerCap,
    Thermal,
    /// A protection circuit: a power brake, or a supply that does not hold.
    Hardware,
    Other,
}

/// A set of [`Limiter`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limiters(u8);

impl Limiters {
    pub const NONE: Limiters = Limiters(0);
    const ALL: [Limiter; 4] = [Limiter::PowerCap, Limiter::Thermal, Limiter::Hardware, Limiter::Other];

    pub fn with(self, limiter: Limiter) -> Self {
        Limiters(self.0 | 1 << limiter as u8)
    }

    pub fn union(self, other: Limiters) -> Self {
        Limiters(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = Limiter> {
        Self::ALL.into_iter().filter(move |&limiter| self.0 & (1 << limiter as u8) != 0)
    }
}

/// Which part of the machine a sensor measures. Watts of different scopes are not comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The whole card, memory and fans included.
    Board,
    /// The GPU's chip alone.
    Gpu,
    /// A processor's package: CPU cores and an integrated GPU.
    Package,
    /// A system on chip.
    Soc,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Scope::Board => "board",
            Scope::Gpu => "gpu",
            Scope::Package => "package",
            Scope::Soc => "soc",
        })
    }
}

/// A sensor: what it measures and how. It stands in the record beside the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// "NVML", "ROCm SMI", "hwmon", …
    pub api: String,
    pub api_version: Option<String>,
    /// The name that the sensor's library gives the device.
    pub device: String,
    pub pci_address: Option<PciAddress>,
    pub scope: Scope,
    /// None for a sensor without an energy counter.
    pub counter: Option<Counter>,
    /// None for a sensor that gives no power.
    pub power: Option<PowerKind>,
    pub power_limit_w: Option<f64>,
    pub default_power_limit_w: Option<f64>,
    /// Other devices whose power is in the same figures, as with two dies on one card.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_with: Vec<PciAddress>,
}

/// An energy counter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    /// The smallest step, in µJ.
    pub resolution_uj: Option<f64>,
    /// The counter starts again from 0 after this many µJ, where that happens within weeks.
    pub wraps_at_uj: Option<u64>,
}

/// What a power figure is a mean of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PowerKind {
    /// As fresh as the sensor's own period.
    Instant,
    /// A running mean over so many milliseconds.
    AverageMs(u32),
    /// A running mean; the vendor does not say over how long.
    Average,
    /// The vendor does not say.
    Unknown,
}

impl Source {
    /// A sensor of which nothing else is known: [`gives_something`](Source::gives_something) is false until a counter or power is
    /// named.
    pub fn new(api: &str, device: impl Into<String>, scope: Scope) -> Self {
        Source {
            api: api.into(),
            api_version: None,
            device: device.into(),
            pci_address: None,
            scope,
            counter: None,
            power: None,
            power_limit_w: None,
            default_power_limit_w: None,
            shared_with: vec![],
        }
    }

    /// How far back a reading looks, in seconds: a window's readings are its own only so long after its load began.
    pub fn averaging_s(&self) -> f64 {
        match self.power {
            Some(PowerKind::AverageMs(ms)) => f64::from(ms) / 1000.0,
            Some(PowerKind::Instant | PowerKind::Average | PowerKind::Unknown) | None => 0.0,
        }
    }

    /// Is there anything to measure by?
    pub fn gives_something(&self) -> bool {
        self.counter.is_some() || self.power.is_some()
    }

    /// In words: "energy counter and instant power".
    pub fn kind(&self) -> String {
        let counter = self.counter.map(|_| "energy counter".to_owned());
        let power = self.power.map(|kind| match kind {
            PowerKind::Instant => "instant power".into(),
            PowerKind::AverageMs(ms) => format!("power averaged over {ms} ms"),
            PowerKind::Average => "averaged power".into(),
            PowerKind::Unknown => "power".into(),
        });
        counter.into_iter().chain(power).collect::<Vec<_>>().join(" and ")
    }
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

/// The interfaces to sensors, in the order in which they are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Nvml,
    RocmSmi,
    Hwmon,
    Apple,
    Rapl,
}

impl Api {
    pub const ALL: [Api; 5] = [Api::Nvml, Api::RocmSmi, Api::Hwmon, Api::Apple, Api::Rapl];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Api::Nvml => "nvml",
            Api::RocmSmi => "rocm-smi",
            Api::Hwmon => "hwmon",
            Api::Apple => "apple",
            Api::Rapl => "rapl",
        }
    }

    /// A reader for every device that the interface shows.
    ///
    /// # Errors
    /// The library is not there, or does not work.
    pub fn readers(self) -> Result<Vec<Box<dyn PowerReader>>, PowerError> {
        match self {
            Api::Nvml => nvml::readers(),
            Api::RocmSmi => rocm_smi::readers(),
            Api::Hwmon => hwmon::readers(Path::new(SYS)),
            Api::Apple => apple_readers(),
            Api::Rapl => rapl::readers(Path::new(SYS)),
        }
    }
}

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
fn apple_readers() -> Result<Vec<Box<dyn PowerReader>>, PowerError> {
    apple::readers()
}

#[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
fn apple_readers() -> Result<Vec<Box<dyn PowerReader>>, PowerError> {
    Err(PowerError::Absent {
        what: "Apple silicon".into(),
        fix: "only its own build of wattmul, on macOS, reads its sensors",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limiters_are_a_set() {
        let set = Limiters::NONE.with(Limiter::Thermal).union(Limiters::NONE.with(Limiter::PowerCap));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Limiter::PowerCap, Limiter::Thermal]);
        assert_eq!(Limiters::NONE.iter().count(), 0);
    }
}
