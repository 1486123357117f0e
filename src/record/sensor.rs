//! A sensor as a record names it: what it measures, and how.

use super::pci::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    pub(crate) const NONE: Limiters = Limiters(0);
    const ALL: [Limiter; 4] = [Limiter::PowerCap, Limiter::Thermal, Limiter::Hardware, Limiter::Other];

    pub fn with(self, limiter: Limiter) -> Self {
        Limiters(self.0 | 1 << limiter as u8)
    }

    pub(crate) fn union(self, other: Limiters) -> Self {
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
    /// A module of a GPU and a CPU with their memories, such as NVIDIA's Grace Hopper.
    Module,
    /// A whole machine, at its plug: the supply's losses, fans, processors and disks included.
    System,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Scope::Board => "board",
            Scope::Gpu => "gpu",
            Scope::Package => "package",
            Scope::Soc => "soc",
            Scope::Module => "module",
            Scope::System => "system",
        })
    }
}

/// A sensor: what it measures and how. It stands in the record with the numbers.
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
    /// What the limit limits.
    #[serde(default)]
    pub power_limit_kind: LimitKind,
    /// Other devices whose power is in the same figures, as with two dies on one card. The sensor's own address stands for the
    /// other slices of a GPU that is divided (MIG): the figures are those of all of them.
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
    /// A meter of the user's own: no older than so many milliseconds, its averaging included.
    LateMs(u32),
    /// The vendor does not say.
    Unknown,
}

/// What a power limit limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitKind {
    /// The device's power, within a second.
    #[default]
    Enforced,
    /// The mean over a long time: a device that boosts draws far more for minutes (Intel's PL1).
    Sustained,
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
            power_limit_kind: LimitKind::Enforced,
            shared_with: vec![],
        }
    }

    /// How far back a reading looks, in seconds: a window's readings are its own only so long after its load began.
    pub(crate) fn averaging_s(&self) -> f64 {
        match self.power {
            Some(PowerKind::AverageMs(ms) | PowerKind::LateMs(ms)) => f64::from(ms) / 1000.0,
            Some(PowerKind::Instant | PowerKind::Average | PowerKind::Unknown) | None => 0.0,
        }
    }

    /// Is it a meter of the user's own, and no sensor of the device's?
    pub(crate) fn is_meter(&self) -> bool {
        matches!(self.power, Some(PowerKind::LateMs(_)))
    }

    /// Is there anything to measure by?
    pub(crate) fn gives_something(&self) -> bool {
        self.counter.is_some() || self.power.is_some()
    }

    /// In words: "energy counter and instant power".
    pub fn kind(&self) -> String {
        let counter = self.counter.map(|_| "energy counter".to_owned());
        let power = self.power.map(|kind| match kind {
            PowerKind::Instant => "instant power".into(),
            PowerKind::AverageMs(ms) => format!("power averaged over {ms} ms"),
            PowerKind::Average => "averaged power".into(),
            PowerKind::LateMs(ms) => format!("power up to {} s old", f64::from(ms) / 1000.0),
            PowerKind::Unknown => "power".into(),
        });
        counter.into_iter().chain(power).collect::<Vec<_>>().join(" and ")
    }
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
