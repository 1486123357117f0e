//! NVIDIA's management library, from the driver: an energy counter in mJ (Volta and later) and power in mW.
//!
//! The library is opened at run time, so that the program starts where there is none. Update periods and averaging of its
//! figures by GPU generation: Yang, Adamek, Armour, "Accurate and Convenient Energy Measurements for GPUs" (SC24).

use super::clock_guard::Guard;
use super::clock_lock::ClockLock;
use super::reader::{Interface, PowerReader, Readers, Serves};
use crate::host::finding::{Finding, bad, display_finding, note};
use crate::host::visible::ListedGpu;
use crate::protocol::{PowerError, Reading};
use crate::record::{Counter, Limiter, Limiters, PowerKind, Scope, Source};
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{field_id, nvmlFieldValue_t};
use std::ffi::OsStr;
use std::sync::{Mutex, OnceLock};

const FIX: &str = "install NVIDIA's driver, and see that nvidia-smi works";

/// The one NVML of this process. Readers borrow from it for as long as the program runs.
fn library() -> Result<&'static Nvml, PowerError> {
    static NVML: OnceLock<Nvml> = OnceLock::new();
    static OPENING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = OPENING.lock();
    if let Some(nvml) = NVML.get() {
        return Ok(nvml);
    }
    // Drivers install the versioned name; the plain one comes with development packages.
    let names: &[&str] = if cfg!(windows) { &["nvml.dll"] } else { &["libnvidia-ml.so.1", "libnvidia-ml.so"] };
    let mut result = Err(NvmlError::LibraryNotFound);
    for name in names {
        result = Nvml::builder().lib_path(OsStr::new(name)).init();
        if !matches!(result, Err(NvmlError::LibloadingError(_))) {
            break;
        }
    }
    match result {
        Ok(nvml) => Ok(NVML.get_or_init(|| nvml)),
        Err(error) => Err(failure("NVML (NVIDIA's driver)", error)),
    }
}

/// The library, and how many GPUs it shows.
fn counted() -> Result<(&'static Nvml, u32), PowerError> {
    let nvml = library()?;
    let count = nvml.device_count().map_err(|error| failure("counting GPUs through NVML", error))?;
    Ok((nvml, count))
}

fn failure(what: &str, error: NvmlError) -> PowerError {
    let what = what.to_owned();
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound | NvmlError::DriverNotLoaded => {
            PowerError::Absent { what, fix: FIX }
        }
        NvmlError::NoPermission => PowerError::NoPermission { what, fix: "run as root, or ask the administrator" },
        NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_) | NvmlError::FunctionNotFound => {
            PowerError::Unsupported {
                what,
                fix: "update NVIDIA's driver; some cards and virtual machines never give it",
            }
        }
        NvmlError::GpuLost | NvmlError::ResetRequired => {
            PowerError::Failed { what, why: error.to_string(), fix: "reset the GPU, or restart the machine" }
        }
        other => PowerError::Failed { what, why: other.to_string(), fix: FIX },
    }
}

/// NVIDIA's GPUs.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(adapter.vendor == VENDOR),
    examine: || states().unwrap_or_default().iter().flat_map(examine).collect(),
    restore_limit: Some(|_, watts| format!("sudo nvidia-smi --power-limit={watts:.0}")),
    counts: Some((VENDOR, || gpus().map_err(|error| error.to_string()))),
    ..Interface::new("nvml", readers)
};

const VENDOR: &str = "NVIDIA";

/// A reader for every GPU that the driver shows.
///
/// # Errors
/// There is no NVML here, or it shows no GPU.
pub fn readers() -> Readers {
    let (nvml, count) = counted()?;
    // A GPU that fell off the bus must not hide the others.
    let readers = (0..count).filter_map(|index| NvmlReader::open(nvml, index).ok());
    Ok(readers.map(|reader| Box::new(reader) as Box<dyn PowerReader>).collect())
}

/// The GPUs that the driver shows this process, in its order, which is that of PCI addresses. One that is kept from the
/// process is not counted.
///
/// # Errors
/// There is no NVML here, or a GPU does not answer: whoever left it out would count the others wrongly.
pub fn gpus() -> Result<Vec<ListedGpu>, PowerError> {
    let (nvml, count) = counted()?;
    let gpu = |index: u32| {
        let device = match nvml.device_by_index(index) {
            Err(NvmlError::NoPermission) => return Ok(None),
            device => device?,
        };
        let address = device.pci_info()?.bus_id.parse().map_err(|_| NvmlError::UnexpectedVariant(index))?;
        Ok(Some(ListedGpu { address, uuid: device.uuid().ok(), model: device.name().ok() }))
    };
    let gpus: Result<Vec<Option<ListedGpu>>, NvmlError> = (0..count).map(gpu).collect();
    Ok(gpus.map_err(|error| failure("telling GPUs apart through NVML", error))?.into_iter().flatten().collect())
}

/// What the driver tells of a GPU besides power. None where it does not tell.
pub struct GpuState {
    pub name: String,
    /// Does the driver stay loaded between programs? Linux alone has this.
    pub persistent: Option<bool>,
    /// Programs on the GPU but this one.
    pub programs: Option<usize>,
    pub display: Option<bool>,
}

/// The state of every GPU that the driver shows.
///
/// # Errors
/// As [`readers`].
pub fn states() -> Result<Vec<GpuState>, PowerError> {
    let (nvml, count) = counted()?;
    Ok((0..count).filter_map(|index| nvml.device_by_index(index).ok()).map(|device| state(&device)).collect())
}

fn state(device: &Device) -> GpuState {
    #[cfg(target_os = "linux")]
    let persistent = device.is_in_persistent_mode().ok();
    #[cfg(not(target_os = "linux"))]
    let persistent = None;
    let mut programs = device.running_compute_processes().ok();
    if let (Some(programs), Ok(graphics)) = (&mut programs, device.running_graphics_processes()) {
        programs.extend(graphics);
    }
    let own = std::process::id();
    let others = programs.map(|programs| {
        let mut ids: Vec<u32> = programs.iter().map(|program| program.pid).filter(|&id| id != own).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    });
    GpuState {
        name: device.name().unwrap_or_else(|_| "a GPU".into()),
        persistent,
        programs: others,
        display: device.is_display_active().ok(),
    }
}

/// What NVML tells besides power.
fn examine(state: &GpuState) -> Vec<Finding> {
    let GpuState { name, persistent, programs, display } = state;
    let mut findings = vec![];
    if *persistent == Some(false) {
        let text =
            format!("{name} is not in persistence mode: its driver unloads between runs, and counters start anew");
        findings.push(note("driver", text, "sudo nvidia-smi --persistence-mode=1"));
    }
    if let Some(count) = programs.filter(|&count| count > 0) {
        let fix = "`nvidia-smi` lists them; end them before a run";
        findings.push(bad("programs", format!("other programs on {name}: {count}"), fix));
    }
    if *display == Some(true) {
        findings.push(display_finding(name));
    }
    findings
}

struct NvmlReader {
    source: Source,
    device: Device<'static>,
    nvml: &'static Nvml,
    /// Field 186: the power now. Without it (older drivers and GPUs), `nvmlDeviceGetPowerUsage` stands in.
    instant_power: bool,
    /// What a first read gave. What is not there is not asked for a hundred times a second.
    gives: Gives,
    reads: u32,
}

/// Laptops move the limit between CPU and GPU (Dynamic Boost) within seconds: it is asked for once in so many reads.
const LIMIT_EVERY: u32 = 50;

struct Gives {
    power: bool,
    energy: bool,
    temperature: bool,
    clock: bool,
    throttle_reasons: bool,
}

impl NvmlReader {
    fn open(nvml: &'static Nvml, index: u32) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index)?;
        let instant_power = instant_power_mw(nvml, &device).is_ok();
        let gives = Gives {
            power: instant_power || device.power_usage().is_ok(),
            energy: device.total_energy_consumption().is_ok(),
            temperature: device.temperature(TemperatureSensor::Gpu).is_ok(),
            clock: device.clock_info(Clock::SM).is_ok(),
            throttle_reasons: device.current_throttle_reasons().is_ok(),
        };
        let watts = |milliwatts: Result<u32, NvmlError>| milliwatts.ok().map(|mw| f64::from(mw) / 1000.0);
        let source = Source {
            api_version: nvml.sys_nvml_version().ok(),
            pci_address: device.pci_info().ok().and_then(|pci| pci.bus_id.parse().ok()),
            counter: gives.energy.then_some(Counter { resolution_uj: Some(1000.0), wraps_at_uj: None }),
            power: gives.power.then(|| if instant_power { PowerKind::Instant } else { power_usage_kind(&device) }),
            power_limit_w: watts(device.enforced_power_limit().or_else(|_| device.power_management_limit())),
            default_power_limit_w: watts(device.power_management_limit_default()),
            ..Source::new("NVML", device.name().unwrap_or_else(|_| format!("GPU {index}")), Scope::Board)
        };
        Ok(NvmlReader { source, device, nvml, instant_power, gives, reads: 0 })
    }
}

/// What `nvmlDeviceGetPowerUsage` is: the power now up to Turing and on GA100 (A100, A30), a mean of 1 s on the others.
fn power_usage_kind(device: &Device) -> PowerKind {
    match device.architecture() {
        Ok(
            DeviceArchitecture::Kepler
            | DeviceArchitecture::Maxwell
            | DeviceArchitecture::Pascal
            | DeviceArchitecture::Volta
            | DeviceArchitecture::Turing,
        ) => PowerKind::Instant,
        Ok(DeviceArchitecture::Ampere)
            if device.name().is_ok_and(|name| name.contains("A100") || name.contains("A30")) =>
        {
            PowerKind::Instant
        }
        Ok(_) => PowerKind::AverageMs(1000),
        Err(_) => PowerKind::Unknown,
    }
}

/// Field 186, through the raw call: the wrapper's `field_values_for` allocates at each call.
#[expect(unsafe_code, reason = "a C call with an array of one element")]
fn instant_power_mw(nvml: &Nvml, device: &Device) -> Result<u64, NvmlError> {
    let get = match &nvml.lib().nvmlDeviceGetFieldValues {
        Ok(get) => get,
        Err(_) => return Err(NvmlError::FunctionNotFound),
    };
    // SAFETY: nvmlFieldValue_t is plain C data, for which all zeros is a value.
    let mut value: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
    value.fieldId = field_id::NVML_FI_DEV_POWER_INSTANT;
    // SAFETY: the handle belongs to `device`, whose NVML is alive, and the array has the one element that is announced.
    let (code, milliwatts) = unsafe { (get(device.handle(), 1, &mut value), value.value.uiVal) };
    nvml_try(code)?;
    nvml_try(value.nvmlReturn)?;
    Ok(u64::from(milliwatts))
}

impl PowerReader for NvmlReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        self.reads = self.reads.wrapping_add(1);
        let asks_limit = self.source.power_limit_w.is_some() && self.reads % LIMIT_EVERY == 1;
        let device = &self.device;
        let power = || match self.instant_power {
            true => instant_power_mw(self.nvml, device),
            false => device.power_usage().map(u64::from),
        };
        let power_mw = self.gives.power.then(power).transpose();
        let energy_mj = self.gives.energy.then(|| device.total_energy_consumption()).transpose();
        let (power_mw, energy_mj) = match (power_mw, energy_mj) {
            // All silent: the device is gone, or the right to read it.
            (Err(error), Err(_) | Ok(None)) | (Ok(None), Err(error)) => {
                return Err(failure("reading power through NVML", error));
            }
            (power_mw, energy_mj) => (power_mw.unwrap_or(None), energy_mj.unwrap_or(None)),
        };
        Ok(Reading {
            energy_uj: energy_mj.map(|mj| mj.saturating_mul(1000)),
            power_mw,
            temperature_c: ask(self.gives.temperature, || device.temperature(TemperatureSensor::Gpu)).map(f64::from),
            clock_mhz: ask(self.gives.clock, || device.clock_info(Clock::SM)).map(f64::from),
            limiters: ask(self.gives.throttle_reasons, || device.current_throttle_reasons()).map(limiters),
            power_limit_w: ask(asks_limit, || device.enforced_power_limit()).map(|mw| f64::from(mw) / 1000.0),
        })
    }

    fn supported_clocks(&self) -> Result<Vec<u32>, PowerError> {
        // Those of the fastest memory clock: the one under load.
        let memory = self.device.supported_memory_clocks().map(|clocks| clocks.into_iter().max().unwrap_or_default());
        let clocks = memory.and_then(|memory_mhz| self.device.supported_graphics_clocks(memory_mhz));
        clocks.map_err(|error| failure("listing the clocks through NVML", error))
    }

    fn lock_clock(&mut self, mhz: u32) -> Result<ClockLock, PowerError> {
        use nvml_wrapper::enums::device::GpuLockedClocksSetting;
        let what = || format!("locking the clock of {} at {mhz} MHz", self.source.device);
        let address = self.source.pci_address;
        let index = self.device.index().ok();
        let name = address.map(|address| address.to_string()).or(index.map(|index| index.to_string()));
        let guard = Guard::start(&format!("nvml:{}", name.unwrap_or_default()));
        let setting = GpuLockedClocksSetting::Numeric { min_clock_mhz: mhz, max_clock_mhz: mhz };
        self.device.set_gpu_locked_clocks(setting).map_err(|error| match error {
            NvmlError::NoPermission => PowerError::NoPermission {
                what: what(),
                fix: "run wattmul as root, or lock it yourself first: sudo nvidia-smi --lock-gpu-clocks=MHZ",
            },
            NvmlError::InvalidArg => PowerError::Unsupported {
                what: what(),
                fix: "nvidia-smi -q -d SUPPORTED_CLOCKS lists the clocks that this GPU has",
            },
            other => failure(&what(), other),
        })?;
        let nvml = self.nvml;
        Ok(ClockLock::new(guard, move || {
            let device = match (address, index) {
                (_, Some(index)) => nvml.device_by_index(index),
                (Some(address), None) => nvml.device_by_pci_bus_id(address.to_string()),
                (None, None) => Err(NvmlError::NotFound),
            };
            device.and_then(|mut device| device.reset_gpu_locked_clocks()).map_err(|error| failure(FREEING, error))
        }))
    }

    fn free_clock(&mut self) -> Result<(), PowerError> {
        self.device.reset_gpu_locked_clocks().map_err(|error| failure(FREEING, error))
    }
}

const FREEING: &str = "freeing the clock through NVML (nvidia-smi --reset-gpu-clocks does the same)";

fn ask<T>(given: bool, call: impl FnOnce() -> Result<T, NvmlError>) -> Option<T> {
    if given { call().ok() } else { None }
}

/// What the driver says holds the clock down. Idle and a clock that the user set are no limits.
fn limiters(reasons: ThrottleReasons) -> Limiters {
    let table = [
        (ThrottleReasons::SW_POWER_CAP, Limiter::PowerCap),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, Limiter::Thermal),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, Limiter::Thermal),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, Limiter::Hardware),
        (ThrottleReasons::SYNC_BOOST, Limiter::Other),
    ];
    let mut set = Limiters::NONE;
    for (reason, limiter) in table {
        if reasons.contains(reason) {
            set = set.with(limiter);
        }
    }
    // HW_SLOWDOWN stands with its causes; alone, the cause is unknown.
    let causes = ThrottleReasons::HW_THERMAL_SLOWDOWN | ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN;
    if reasons.contains(ThrottleReasons::HW_SLOWDOWN) && !reasons.intersects(causes) {
        set = set.with(Limiter::Hardware);
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nvml_tells_is_judged() {
        let state = |persistent, programs, display| GpuState { name: "RTX".into(), persistent, programs, display };
        assert_eq!(examine(&state(None, None, None)), []);
        assert_eq!(examine(&state(Some(true), Some(0), Some(false))), []);
        let subjects: Vec<&str> =
            examine(&state(Some(false), Some(2), Some(true))).iter().map(|finding| finding.subject).collect();
        assert_eq!(subjects, ["driver", "programs", "display"]);
    }
}
