//! Power sensors: one trait, one file a vendor, and which sensor belongs to which adapter.

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
pub mod apple;
pub mod clock_guard;
pub mod clock_lock;
pub mod hwmon;
pub mod nvml;
pub mod rapl;
pub mod rocm_smi;
pub mod sampler;

use crate::gpu::adapter::{AdapterInfo, AdapterType};
use crate::pci::PciAddress;
use crate::sysfs::SYS;
use clock_lock::ClockLock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
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
            mend: "name them, such as --clocks 600,900,1200",
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
            mend: "leave out --lock-clock, or set the clock with the vendor's tool",
        })
    }

    /// Frees the device's core clock, whoever locked it.
    ///
    /// # Errors
    /// As [`PowerReader::lock_clock`].
    fn free_clock(&mut self) -> Result<(), PowerError> {
        Err(PowerError::Unsupported {
            what: format!("freeing the clock through {}", self.source().api),
            mend: "free it with the vendor's tool",
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
    #[error("{what} is not here: {mend}")]
    Absent { what: String, mend: &'static str },
    #[error("{what} is not permitted: {mend}")]
    NoPermission { what: String, mend: &'static str },
    #[error("{what} is not supported: {mend}")]
    Unsupported { what: String, mend: &'static str },
    #[error("{what} failed ({why}): {mend}")]
    Failed { what: String, why: String, mend: &'static str },
}

impl PowerError {
    /// What is wrong, and what mends it.
    pub fn parts(&self) -> (String, &'static str) {
        let (PowerError::Absent { mend, .. }
        | PowerError::NoPermission { mend, .. }
        | PowerError::Unsupported { mend, .. }
        | PowerError::Failed { mend, .. }) = self;
        let text = self.to_string();
        let wrong = text.strip_suffix(mend).unwrap_or(&text).trim_end_matches(": ").to_owned();
        (wrong, mend)
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
        mend: "only its own build of wattmul, on macOS, reads its sensors",
    })
}

/// `--power`: which sensor to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SensorChoice {
    /// The one that sits at the adapter's PCI address.
    Auto,
    None,
    /// One interface; its device by PCI address or index, else by the adapter's address.
    Named(Api, Option<String>),
}

impl FromStr for SensorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, device) = match text.split_once(':') {
            Some((name, device)) => (name, Some(device.to_owned())),
            None => (text, None),
        };
        let api = Api::ALL.into_iter().find(|api| api.name() == name);
        match (name, api, device) {
            ("auto", _, None) => Ok(SensorChoice::Auto),
            ("none", _, None) => Ok(SensorChoice::None),
            (_, Some(api), device) if device.as_deref() != Some("") => Ok(SensorChoice::Named(api, device)),
            _ => {
                let names = Api::ALL.map(Api::name).join(", ");
                Err(format!(
                    "no sensor is called '{text}': choose from auto, none, {names}; NAME:INDEX or NAME:PCI for one device \
                     of several, such as nvml:0"
                ))
            }
        }
    }
}

/// The sensor for a run, or why there is none.
pub type Chosen = Result<Box<dyn PowerReader>, String>;

/// Finds the sensor that `choice` means for this adapter. Without one named, an adapter without a sensor is no error: the
/// inner result says why, and what would help.
///
/// # Errors
/// A sensor was named and cannot be had.
pub fn choose(choice: &SensorChoice, adapter: &AdapterInfo) -> Result<Chosen, PowerError> {
    match choice {
        SensorChoice::None => Ok(Err("--power none".into())),
        SensorChoice::Named(api, device) => pick(*api, api.readers()?, device.as_deref(), adapter.pci_address).map(Ok),
        SensorChoice::Auto => Ok(find(adapter)),
    }
}

/// Does this sensor measure this adapter? By PCI address; the CPU's package is that of software adapters and of GPUs that sit
/// in it, and Apple's sensor that of Apple's GPUs. A machine has one of either.
pub fn belongs(api: Api, source: &Source, adapter: &AdapterInfo) -> bool {
    match api {
        Api::Rapl => match adapter.kind {
            AdapterType::Software => true,
            AdapterType::Integrated => matches!(adapter.vendor.as_str(), "AMD" | "Intel"),
            AdapterType::Discrete | AdapterType::Virtual | AdapterType::Other => false,
        },
        Api::Apple => is_apple(adapter),
        Api::Nvml | Api::RocmSmi | Api::Hwmon => {
            adapter.pci_address.is_some() && source.pci_address == adapter.pci_address
        }
    }
}

/// Metal gives no vendor's number.
fn is_apple(adapter: &AdapterInfo) -> bool {
    adapter.name.starts_with("Apple")
}

/// The interfaces that can have a sensor for such an adapter, by preference.
fn interfaces(adapter: &AdapterInfo) -> &'static [Api] {
    match (adapter.kind, adapter.vendor.as_str()) {
        (AdapterType::Software, _) => &[Api::Rapl],
        (_, "NVIDIA") => &[Api::Nvml],
        (AdapterType::Integrated, "AMD") => &[Api::RocmSmi, Api::Hwmon, Api::Rapl],
        (AdapterType::Integrated, "Intel") => &[Api::Hwmon, Api::Rapl],
        (_, "AMD") => &[Api::RocmSmi, Api::Hwmon],
        (_, "Intel") => &[Api::Hwmon],
        _ if is_apple(adapter) => &[Api::Apple],
        _ => &[],
    }
}

/// The first sensor that belongs to the adapter.
fn find(adapter: &AdapterInfo) -> Chosen {
    let apis = interfaces(adapter);
    if apis.is_empty() {
        return Err(format!("no interface to a sensor of {} is known; --power names one", adapter.name));
    }
    let mut reasons = vec![];
    for &api in apis {
        match api.readers() {
            Ok(readers) => match readers.into_iter().find(|reader| belongs(api, reader.source(), adapter)) {
                Some(reader) if reader.source().gives_something() => return Ok(reader),
                Some(reader) => reasons.push(format!(
                    "{} gives neither power nor energy for {}; on a card of two dies the first one may report for both",
                    api.name(),
                    reader.source().device
                )),
                None => reasons.push(match adapter.pci_address {
                    Some(address) => format!("{} shows no device at {address}", api.name()),
                    None => {
                        format!("{} has no PCI address by which to find its sensor; --power names one", adapter.name)
                    }
                }),
            },
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(reasons.join("; "))
}

/// The reader meant by `device` (an index or a PCI address), or by the adapter's address, or the only one.
fn pick(
    api: Api,
    readers: Vec<Box<dyn PowerReader>>,
    device: Option<&str>,
    adapter: Option<PciAddress>,
) -> Result<Box<dyn PowerReader>, PowerError> {
    let list: Vec<String> = readers
        .iter()
        .enumerate()
        .map(|(i, reader)| {
            let source = reader.source();
            let address = source.pci_address.map(|address| format!(" at {address}")).unwrap_or_default();
            format!("{}:{i} ({}{address})", api.name(), source.device)
        })
        .collect();
    let at = |address| readers.iter().position(|reader| reader.source().pci_address == Some(address));
    let index = match device {
        Some(device) => match (device.parse::<usize>(), device.parse()) {
            (Ok(index), _) => Some(index).filter(|&index| index < readers.len()),
            (_, Ok(address)) => at(address),
            _ => None,
        },
        None => adapter.and_then(at).or((readers.len() == 1).then_some(0)),
    };
    match index {
        Some(index) => readers.into_iter().nth(index).ok_or_else(|| absent(api, device, &list)),
        None => Err(absent(api, device, &list)),
    }
}

fn absent(api: Api, device: Option<&str>, list: &[String]) -> PowerError {
    let what = match device {
        Some(device) => format!("the sensor {}:{device}", api.name()),
        None => format!("a sensor of {} at the adapter's address", api.name()),
    };
    let list = if list.is_empty() { "none".into() } else { list.join(", ") };
    PowerError::Absent { what: format!("{what} (there are: {list})"), mend: "name one of these with --power" }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Source);

    impl PowerReader for Fixed {
        fn source(&self) -> &Source {
            &self.0
        }

        fn read(&mut self) -> Result<Reading, PowerError> {
            Ok(Reading::default())
        }
    }

    fn reader(address: Option<&str>) -> Box<dyn PowerReader> {
        Box::new(Fixed(Source {
            pci_address: address.map(|address| address.parse().unwrap()),
            ..Source::new("NVML", "card", Scope::Board)
        }))
    }

    #[test]
    fn a_sensor_is_named_by_interface_and_device() {
        assert_eq!("auto".parse(), Ok(SensorChoice::Auto));
        assert_eq!("none".parse(), Ok(SensorChoice::None));
        assert_eq!("nvml".parse(), Ok(SensorChoice::Named(Api::Nvml, None)));
        assert_eq!("nvml:0000:01:00.0".parse(), Ok(SensorChoice::Named(Api::Nvml, Some("0000:01:00.0".into()))));
        assert_eq!("rocm-smi:1".parse(), Ok(SensorChoice::Named(Api::RocmSmi, Some("1".into()))));
        assert_eq!("rapl".parse(), Ok(SensorChoice::Named(Api::Rapl, None)));
        for text in ["", "nvml:", "cuda", "auto:0", "none:1"] {
            assert!(text.parse::<SensorChoice>().unwrap_err().contains("nvml, rocm-smi, hwmon, apple, rapl"), "{text}");
        }
    }

    #[test]
    fn a_named_device_is_taken_and_never_another() {
        let readers = || vec![reader(Some("0000:01:00.0")), reader(Some("0000:81:00.0"))];
        let picked = |device, adapter: Option<&str>| {
            let adapter = adapter.map(|address| address.parse().unwrap());
            pick(Api::Nvml, readers(), device, adapter).map(|reader| reader.source().pci_address.unwrap().to_string())
        };
        assert_eq!(picked(Some("1"), None).unwrap(), "0000:81:00.0");
        assert_eq!(picked(Some("00000000:01:00.0"), None).unwrap(), "0000:01:00.0");
        assert_eq!(picked(None, Some("0000:81:00.0")).unwrap(), "0000:81:00.0");
        for (device, adapter) in [(Some("2"), None), (Some("x"), None), (Some("0000:02:00.0"), None), (None, None)] {
            let error = picked(device, adapter).unwrap_err().to_string();
            assert!(error.contains("nvml:1 (card at 0000:81:00.0)"), "{error}");
        }
        assert!(pick(Api::Nvml, vec![reader(None)], None, None).is_ok(), "the only one");
        assert!(pick(Api::Nvml, vec![], None, None).is_err());
    }

    #[test]
    fn a_sensor_belongs_to_the_adapter_at_its_address() {
        let adapter = |name: &str, vendor: &str, kind, address: Option<&str>| AdapterInfo {
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new(name, vendor, kind, "vulkan")
        };
        let card = adapter("AMD Radeon", "AMD", AdapterType::Discrete, Some("0000:01:00.0"));
        let software = adapter("llvmpipe", "Mesa", AdapterType::Software, None);
        let apple = adapter("Apple M5", "0x0000", AdapterType::Integrated, None);
        let at = |address| reader(address).source().clone();
        assert!(belongs(Api::RocmSmi, &at(Some("0000:01:00.0")), &card));
        assert!(!belongs(Api::Hwmon, &at(Some("0000:02:00.0")), &card));
        assert!(!belongs(Api::Hwmon, &at(None), &software), "no address is not the same address");
        assert!(belongs(Api::Rapl, &at(None), &software) && !belongs(Api::Rapl, &at(None), &card));
        assert!(belongs(Api::Apple, &at(None), &apple) && !belongs(Api::Apple, &at(None), &card));
        let integrated = adapter("Intel UHD", "Intel", AdapterType::Integrated, Some("0000:00:02.0"));
        assert!(belongs(Api::Rapl, &at(None), &integrated) && !belongs(Api::Rapl, &at(None), &apple));
        assert_eq!(interfaces(&integrated), [Api::Hwmon, Api::Rapl]);
        assert_eq!(interfaces(&card), [Api::RocmSmi, Api::Hwmon]);
        assert_eq!(interfaces(&software), [Api::Rapl]);
        assert_eq!(interfaces(&apple), [Api::Apple]);
        assert_eq!(interfaces(&adapter("Mali", "Arm", AdapterType::Integrated, None)), []);
    }

    #[test]
    fn limiters_are_a_set() {
        let set = Limiters::NONE.with(Limiter::Thermal).union(Limiters::NONE.with(Limiter::PowerCap));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Limiter::PowerCap, Limiter::Thermal]);
        assert_eq!(Limiters::NONE.iter().count(), 0);
    }
}
