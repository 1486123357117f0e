//! NVIDIA's management library, from the driver: an energy counter in mJ (Volta and later) and power in mW.
//!
//! The library is opened at run time, so that the program starts where there is none. Update periods and averaging of its
//! figures by GPU generation: Yang, Adamek, Armour, "Accurate and Convenient Energy Measurements for GPUs" (SC24).

use super::guard::{Change, Guard, Post};
use super::hold::Hold;
use super::once::Once;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use crate::host::finding::{Finding, bad, display_finding, good, note};
use crate::host::memory::Memory;
use crate::host::system::{AS_ROOT, NEVER, Words};
use crate::host::visible::ListedGpu;
use crate::protocol::{PowerError, Reading};
use crate::record::{Counter, Limiter, Limiters, PciAddress, PowerKind, Scope, Source};
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, PerformanceState, TemperatureSensor};
use nvml_wrapper::enums::device::DeviceArchitecture;
use nvml_wrapper::error::{NvmlError, nvml_try};
use nvml_wrapper::{Device, Nvml};
use nvml_wrapper_sys::bindings::{NVML_POWER_SCOPE_GPU, NVML_POWER_SCOPE_MODULE, field_id, nvmlFieldValue_t};
use std::ffi::OsStr;

const FIX: &str = Words {
    linux: "install NVIDIA's driver, and see that nvidia-smi works; where it does, let LD_LIBRARY_PATH name the folder of \
            libnvidia-ml.so.1",
    windows: "install NVIDIA's driver, and see that nvidia-smi works",
    macos: "macOS has no driver of NVIDIA's",
}
.here();
/// Drivers install the versioned name; NixOS and WSL keep it in folders that the loader does not search. The plain one comes with
/// development packages.
const NAMES: &[&str] = if cfg!(windows) {
    &["nvml.dll"]
} else {
    &[
        "libnvidia-ml.so.1",
        "/run/opengl-driver/lib/libnvidia-ml.so.1",
        "/usr/lib/wsl/lib/libnvidia-ml.so.1",
        "libnvidia-ml.so",
    ]
};

/// The one NVML of this process. Readers borrow from it for as long as the program runs.
fn library() -> Result<&'static Nvml, PowerError> {
    static NVML: Once<Nvml> = Once::new();
    NVML.get(open)
}

fn open() -> Result<Nvml, PowerError> {
    let mut result = Err(NvmlError::LibraryNotFound);
    for name in NAMES {
        result = Nvml::builder().lib_path(OsStr::new(name)).init();
        if !matches!(result, Err(NvmlError::LibloadingError(_))) {
            break;
        }
    }
    result.map_err(|error| failure("NVML (NVIDIA's driver)", error))
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
        NvmlError::NoPermission => PowerError::NoPermission { what, fix: ADMINISTRATOR },
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
    memory,
    restore_limit: Some(|_, watts| format!("{AS_ROOT}nvidia-smi --power-limit={watts:.0}")),
    counts: Some((VENDOR, || gpus().map_err(|error| error.to_string()))),
    ..Interface::new("nvml", readers)
};

const VENDOR: &str = "NVIDIA";

const ADMINISTRATOR: &str = Words {
    linux: "run as root, or ask the administrator",
    windows: "run in a console of the administrator, or ask the administrator",
    ..NEVER
}
.here();
/// What may lock a clock, and how it is done without this program.
const LOCK: &str = Words {
    linux: "run wattmul as root, or lock it yourself first: sudo nvidia-smi --lock-gpu-clocks=MHZ",
    windows: "run wattmul in a console of the administrator, or lock it there first: nvidia-smi --lock-gpu-clocks=MHZ",
    ..NEVER
}
.here();
const LIMIT: &str = Words {
    linux: "run wattmul as root, or set it yourself before each run: sudo nvidia-smi --power-limit=WATTS",
    windows: "run wattmul in a console of the administrator, or set it there before each run: nvidia-smi --power-limit=WATTS",
    ..NEVER
}
.here();

fn memory(address: PciAddress) -> Option<Memory> {
    let info = library().ok()?.device_by_pci_bus_id(address.to_string()).ok()?.memory_info().ok()?;
    Some(Memory { total_bytes: info.total, free_bytes: Some(info.free) }).filter(|memory| memory.total_bytes > 0)
}

/// A reader for every GPU that the driver shows.
///
/// # Errors
/// There is no NVML here, or it shows no GPU.
pub fn readers() -> Readers {
    let (nvml, count) = counted()?;
    // A GPU that fell off the bus must neither hide the others nor count them anew; one of another job's is not counted at all.
    let reader = |index| match NvmlReader::open(nvml, index) {
        Ok(reader) => Some(Box::new(reader) as Box<dyn PowerReader>),
        Err(NvmlError::NoPermission) => None,
        Err(error) => {
            let source = Source::new("NVML", format!("GPU {index} (does not answer)"), Scope::Board);
            let why = failure(&format!("asking for GPU {index} through NVML"), error);
            Some(Box::new(Silent::new(source, why)) as Box<dyn PowerReader>)
        }
    };
    Ok((0..count).filter_map(reader).collect())
}

/// The GPUs that the driver shows this process, in its order, which is that of PCI addresses. One that is kept from the
/// process is not counted.
///
/// # Errors
/// There is no NVML here.
pub fn gpus() -> Result<Vec<ListedGpu>, PowerError> {
    let (nvml, count) = counted()?;
    let gpu = |index: u32| {
        let device = match nvml.device_by_index(index) {
            Err(NvmlError::NoPermission) => return None,
            Err(_) => return Some(ListedGpu::unknown()), // it keeps its place: whoever left it out would count the others wrongly
            Ok(device) => device,
        };
        let address = device.pci_info().ok().and_then(|pci| pci.bus_id.parse().ok());
        Some(ListedGpu { address, uuid: device.uuid().ok(), model: device.name().ok(), ..ListedGpu::unknown() })
    };
    Ok((0..count).filter_map(gpu).collect())
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
        // Attached and dark today may be lit tomorrow.
        display: match (device.is_display_active(), device.is_display_connected()) {
            (Ok(true), _) | (_, Ok(true)) => Some(true),
            (Ok(false), _) | (_, Ok(false)) => Some(false),
            (Err(_), Err(_)) => None,
        },
    }
}

/// What NVML tells besides power.
fn examine(state: &GpuState) -> Vec<Finding> {
    let GpuState { name, persistent, programs, display } = state;
    let mut findings = vec![];
    match persistent {
        Some(true) => findings.push(good("driver", format!("{name} is in persistence mode"))),
        Some(false) => {
            let text =
                format!("{name} is not in persistence mode: its driver unloads between runs, and counters start anew");
            findings.push(note("driver", text, format!("{AS_ROOT}nvidia-smi --persistence-mode=1")));
        }
        None => {}
    }
    match programs {
        Some(0) => findings.push(good("programs", format!("no other program on {name}"))),
        Some(count) => {
            let fix = "`nvidia-smi` lists them; end them before a run";
            findings.push(bad("programs", format!("other programs on {name}: {count}"), fix));
        }
        None => {}
    }
    match display {
        Some(false) => findings.push(good("display", format!("no display is attached to {name}"))),
        Some(true) => findings.push(display_finding(name)),
        None => {}
    }
    findings
}

struct NvmlReader {
    source: Source,
    device: Device<'static>,
    nvml: &'static Nvml,
    /// How the power is asked for; None where nothing gives it.
    power: Option<Power>,
    /// What a first read gave. What is not there is not asked for a hundred times a second.
    gives: Gives,
    /// Why there is neither power nor energy, where that is so.
    silence: Option<PowerError>,
    reads: u32,
}

/// Where the power is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    /// Field 186: the power now, of a board, or of a module of GPU and CPU (NVML_POWER_SCOPE_*).
    Field(u32),
    /// `nvmlDeviceGetPowerUsage`, for older drivers and GPUs.
    Usage,
}

/// Laptops move the limit between CPU and GPU (Dynamic Boost) within seconds, and P-states hold for as long: they are asked for once
/// in so many reads.
const SELDOM: u32 = 50;

/// P0 to P15.
fn state_number(state: PerformanceState) -> Option<u8> {
    u8::try_from(state.as_c()).ok().filter(|number| *number <= 15)
}

struct Gives {
    energy: bool,
    temperature: bool,
    clock: bool,
    throttle_reasons: bool,
}

impl NvmlReader {
    fn open(nvml: &'static Nvml, index: u32) -> Result<Self, NvmlError> {
        let device = nvml.device_by_index(index)?;
        let name = device.name().unwrap_or_else(|_| format!("GPU {index}"));
        let field = |scope| field_mw(nvml, &device, field_id::NVML_FI_DEV_POWER_INSTANT, scope);
        let usage = device.power_usage();
        let power = match (field(NVML_POWER_SCOPE_GPU), &usage) {
            (Ok(_), _) => Some(Power::Field(NVML_POWER_SCOPE_GPU)),
            (Err(_), Ok(_)) => Some(Power::Usage),
            // Asked last: drivers that do not know of scopes answer for the board.
            (Err(_), Err(_)) => field(NVML_POWER_SCOPE_MODULE).ok().map(|_| Power::Field(NVML_POWER_SCOPE_MODULE)),
        };
        // A superchip's counter is that of its module, whatever its power is: it does not go together with the board's power.
        let foreign = is_superchip(&name) && matches!(power, Some(Power::Usage | Power::Field(NVML_POWER_SCOPE_GPU)));
        let module = power == Some(Power::Field(NVML_POWER_SCOPE_MODULE)) || (power.is_none() && is_superchip(&name));
        let gives = Gives {
            energy: device.total_energy_consumption().is_ok() && !foreign,
            temperature: device.temperature(TemperatureSensor::Gpu).is_ok(),
            clock: device.clock_info(Clock::SM).is_ok(),
            throttle_reasons: device.current_throttle_reasons().is_ok(),
        };
        let silence = usage.err().filter(|_| power.is_none() && !gives.energy);
        let pci_address = device.pci_info().ok().and_then(|pci| pci.bus_id.parse().ok());
        let divided = device.mig_mode().is_ok_and(|mode| mode.current == NVML_DEVICE_MIG_ENABLE);
        let (power_limit_w, default_power_limit_w) = limits_w(nvml, &device, module);
        let source = Source {
            api_version: nvml.sys_nvml_version().ok(),
            pci_address,
            counter: gives.energy.then_some(Counter { resolution_uj: Some(1000.0), wraps_at_uj: None }),
            power: power.map(|power| match power {
                Power::Field(_) => PowerKind::Instant,
                Power::Usage => power_usage_kind(&device, &name),
            }),
            power_limit_w,
            default_power_limit_w,
            shared_with: pci_address.filter(|_| divided).into_iter().collect(),
            ..Source::new("NVML", name, if module { Scope::Module } else { Scope::Board })
        };
        let silence =
            silence.map(|error| failure(&format!("reading the power of {} through NVML", source.device), error));
        Ok(NvmlReader { source, device, nvml, power, gives, silence, reads: 0 })
    }
}

/// Grace Hopper, Grace Blackwell: GH200, GB200, GB300.
fn is_superchip(name: &str) -> bool {
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| {
        let number = word.strip_prefix("GH").or_else(|| word.strip_prefix("GB"));
        number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The limit of power and its default, in watts.
fn limits_w(nvml: &Nvml, device: &Device, module: bool) -> (Option<f64>, Option<f64>) {
    let watts = |milliwatts: Option<u64>| milliwatts.filter(|&mw| mw > 0).map(|mw| mw as f64 / 1000.0);
    if module {
        let field = |id| watts(field_mw(nvml, device, id, NVML_POWER_SCOPE_MODULE).ok());
        return (field(field_id::NVML_FI_DEV_POWER_CURRENT_LIMIT), field(field_id::NVML_FI_DEV_POWER_DEFAULT_LIMIT));
    }
    let limit = device.enforced_power_limit().or_else(|_| device.power_management_limit());
    (watts(limit.ok().map(u64::from)), watts(device.power_management_limit_default().ok().map(u64::from)))
}

/// What `nvmlDeviceGetPowerUsage` is: the power now up to Turing and on GA100, a mean of 1 s on the others.
fn power_usage_kind(device: &Device, name: &str) -> PowerKind {
    let capability = device.cuda_compute_capability().ok().map(|capability| (capability.major, capability.minor));
    match device.architecture() {
        Ok(
            DeviceArchitecture::Kepler
            | DeviceArchitecture::Maxwell
            | DeviceArchitecture::Pascal
            | DeviceArchitecture::Volta
            | DeviceArchitecture::Turing,
        ) => PowerKind::Instant,
        Ok(DeviceArchitecture::Ampere) if is_ga100(capability, name) => PowerKind::Instant,
        Ok(_) => PowerKind::AverageMs(1000),
        Err(_) => PowerKind::Unknown,
    }
}

/// Of Ampere's chips only GA100 (A100, A800, A30) has compute capability 8.0. Its cards are known by whole words: an RTX A1000 or
/// A3000 is none.
fn is_ga100(capability: Option<(i32, i32)>, name: &str) -> bool {
    let mut words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    match capability {
        Some(capability) => capability == (8, 0),
        None => words.any(|word| ["A100", "A100X", "A800", "A30", "A30X"].contains(&word)),
    }
}

/// A field in mW, through the raw call: the wrapper's `field_values_for` allocates at each call.
#[expect(unsafe_code, reason = "a C call with an array of one element")]
fn field_mw(nvml: &Nvml, device: &Device, field: u32, scope: u32) -> Result<u64, NvmlError> {
    let get = match &nvml.lib().nvmlDeviceGetFieldValues {
        Ok(get) => get,
        Err(_) => return Err(NvmlError::FunctionNotFound),
    };
    // SAFETY: nvmlFieldValue_t is plain C data, for which all zeros is a value.
    let mut value: nvmlFieldValue_t = unsafe { std::mem::zeroed() };
    (value.fieldId, value.scopeId) = (field, scope);
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
        let asks_more = self.reads % SELDOM == 1;
        let asks_limit = self.source.power_limit_w.is_some() && asks_more;
        let device = &self.device;
        let power = |power| match power {
            Power::Field(scope) => field_mw(self.nvml, device, field_id::NVML_FI_DEV_POWER_INSTANT, scope),
            Power::Usage => device.power_usage().map(u64::from),
        };
        let power_mw = self.power.map(power).transpose();
        let energy_mj = self.gives.energy.then(|| device.total_energy_consumption()).transpose();
        let (power_mw, energy_mj) = match (power_mw, energy_mj) {
            // All silent: the device is gone, or the right to read it.
            (Err(error), Err(_) | Ok(None)) | (Ok(None), Err(error)) => {
                return Err(failure("reading power through NVML", error));
            }
            (Ok(None), Ok(None)) => {
                let unsupported = || failure("reading power through NVML", NvmlError::NotSupported);
                return Err(self.silence.clone().unwrap_or_else(unsupported));
            }
            (power_mw, energy_mj) => (power_mw.unwrap_or(None), energy_mj.unwrap_or(None)),
        };
        Ok(Reading {
            energy_uj: energy_mj.map(|mj| mj.saturating_mul(1000)),
            power_mw,
            temperature_c: ask(self.gives.temperature, || device.temperature(TemperatureSensor::Gpu)).map(f64::from),
            clock_mhz: ask(self.gives.clock, || device.clock_info(Clock::SM)).map(f64::from),
            limiters: ask(self.gives.throttle_reasons, || device.current_throttle_reasons()).map(limiters),
            memory_clock_mhz: ask(asks_more, || device.clock_info(Clock::Memory)).map(f64::from),
            performance_state: ask(asks_more, || device.performance_state()).and_then(state_number),
            power_limit_w: ask(asks_limit, || device.enforced_power_limit()).map(|mw| f64::from(mw) / 1000.0),
        })
    }

    fn supported_clocks(&self) -> Result<Vec<u32>, PowerError> {
        // Those of the fastest memory clock: the one under load.
        let memory = self.device.supported_memory_clocks().map(|clocks| clocks.into_iter().max().unwrap_or_default());
        let clocks = memory.and_then(|memory_mhz| self.device.supported_graphics_clocks(memory_mhz));
        clocks.map_err(|error| failure("listing the clocks through NVML", error))
    }

    fn lock_clock(&mut self, mhz: u32) -> Result<Hold, PowerError> {
        use nvml_wrapper::enums::device::GpuLockedClocksSetting;
        let what = || format!("locking the clock of {} at {mhz} MHz", self.source.device);
        let place = self.place();
        let guard = Guard::start(Post::of(place.sensor())?, Change::Clock);
        let setting = GpuLockedClocksSetting::Numeric { min_clock_mhz: mhz, max_clock_mhz: mhz };
        self.device.set_gpu_locked_clocks(setting).map_err(|error| match error {
            NvmlError::NoPermission => PowerError::NoPermission { what: what(), fix: LOCK },
            NvmlError::InvalidArg => PowerError::Unsupported {
                what: what(),
                fix: "nvidia-smi -q -d SUPPORTED_CLOCKS lists the clocks that this GPU has",
            },
            other => failure(&what(), other),
        })?;
        Ok(Hold::new("the clock", guard, move || {
            place
                .device()
                .and_then(|mut device| device.reset_gpu_locked_clocks())
                .map_err(|error| failure(FREEING, error))
        }))
    }

    fn free_clock(&mut self) -> Result<(), PowerError> {
        self.device.reset_gpu_locked_clocks().map_err(|error| failure(FREEING, error))
    }

    fn supported_power_limits(&self) -> Result<Vec<u32>, PowerError> {
        let range = self.device.power_management_limit_constraints();
        let range = range.map_err(|error| failure("reading the range of power limits through NVML", error))?;
        Ok((range.min_limit.div_ceil(1000)..=range.max_limit / 1000).collect())
    }

    fn limit_power(&mut self, watts: u32) -> Result<Hold, PowerError> {
        let what = || format!("limiting the power of {} to {watts} W", self.source.device);
        let place = self.place();
        let post = Post::of(place.sensor())?;
        // Now that no guard is about to change it.
        let before = self.device.power_management_limit();
        let before_mw = before.map_err(|error| failure("reading the power limit through NVML", error))?;
        let guard = Guard::start(post, Change::PowerLimit { before_mw: before_mw.into() });
        let asked_mw = watts.saturating_mul(1000);
        self.device.set_power_management_limit(asked_mw).map_err(|error| match error {
            NvmlError::NoPermission => PowerError::NoPermission { what: what(), fix: LIMIT },
            NvmlError::InvalidArg => PowerError::Unsupported {
                what: what(),
                fix: "nvidia-smi -q -d POWER tells the range of limits that this GPU takes",
            },
            other => failure(&what(), other),
        })?;
        let hold = Hold::new("the power limit", guard, move || {
            let set = place.device().and_then(|mut device| device.set_power_management_limit(before_mw));
            set.map_err(|error| failure(&limiting(before_mw.into()), error))
        });
        match self.device.power_management_limit() {
            Ok(now_mw) if now_mw != asked_mw => Err(PowerError::Failed {
                what: what(),
                why: format!("the driver made it {} W", f64::from(now_mw) / 1000.0),
                fix: "name another limit: nvidia-smi -q -d POWER tells the range",
            }),
            _ => {
                self.source.power_limit_w = Some(watts.into());
                Ok(hold)
            }
        }
    }

    fn set_power_limit(&mut self, milliwatts: u64) -> Result<(), PowerError> {
        let set = u32::try_from(milliwatts).map_err(|_| NvmlError::InvalidArg);
        let set = set.and_then(|milliwatts| self.device.set_power_management_limit(milliwatts));
        set.map_err(|error| failure(&limiting(milliwatts), error))
    }
}

fn limiting(milliwatts: u64) -> String {
    let watts = milliwatts as f64 / 1000.0;
    format!("setting the power limit back through NVML (`{AS_ROOT}nvidia-smi --power-limit={watts}` does the same)")
}

/// How a GPU is found again, by whoever has no handle of it.
#[derive(Clone, Copy)]
struct Place {
    nvml: &'static Nvml,
    address: Option<PciAddress>,
    index: Option<u32>,
}

impl Place {
    fn device(self) -> Result<Device<'static>, NvmlError> {
        match (self.address, self.index) {
            (_, Some(index)) => self.nvml.device_by_index(index),
            (Some(address), None) => self.nvml.device_by_pci_bus_id(address.to_string()),
            (None, None) => Err(NvmlError::NotFound),
        }
    }

    /// As `--power` names it.
    fn sensor(self) -> String {
        let name = self.address.map(|address| address.to_string()).or(self.index.map(|index| index.to_string()));
        format!("nvml:{}", name.unwrap_or_default())
    }
}

impl NvmlReader {
    fn place(&self) -> Place {
        Place { nvml: self.nvml, address: self.source.pci_address, index: self.device.index().ok() }
    }
}

/// NVML_DEVICE_MIG_ENABLE.
const NVML_DEVICE_MIG_ENABLE: u32 = 1;
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
    use crate::host::finding::State;

    #[test]
    fn a_name_that_only_contains_another_cards_is_not_that_card() {
        for name in
            ["NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe", "NVIDIA A30", "NVIDIA A800-SXM4-80GB", "A100-PG509-200"]
        {
            assert!(is_ga100(None, name) && is_ga100(Some((8, 0)), name), "{name}");
            assert!(!is_ga100(Some((8, 6)), name), "the chip tells better");
        }
        for name in ["NVIDIA RTX A1000", "NVIDIA RTX A3000 Laptop GPU", "NVIDIA A10", "NVIDIA RTX A30000"] {
            assert!(!is_ga100(None, name), "{name}");
        }
        for (name, superchip) in [
            ("NVIDIA GH200 480GB", true),
            ("NVIDIA GB200", true),
            ("NVIDIA GeForce GTX 1080", false),
            ("NVIDIA GB10", false),
            ("NVIDIA H100", false),
        ] {
            assert_eq!(is_superchip(name), superchip, "{name}");
        }
    }

    #[test]
    fn the_library_is_looked_for_where_the_loader_does_not_look() {
        if cfg!(unix) {
            assert_eq!(NAMES[0], "libnvidia-ml.so.1", "the loader's own choice comes first");
            for folder in ["/run/opengl-driver/lib/", "/usr/lib/wsl/lib/"] {
                assert!(NAMES.iter().any(|name| name.starts_with(folder)), "{folder}");
            }
        }
    }

    #[test]
    fn what_nvml_tells_is_judged() {
        let state = |persistent, programs, display| GpuState { name: "RTX".into(), persistent, programs, display };
        assert_eq!(examine(&state(None, None, None)), []);
        let told = |state: &GpuState| examine(state).iter().map(|told| (told.subject, told.state)).collect::<Vec<_>>();
        let subjects = ["driver", "programs", "display"];
        let as_it_should = told(&state(Some(true), Some(0), Some(false)));
        assert_eq!(as_it_should, subjects.map(|subject| (subject, State::Good)));
        let troubled = told(&state(Some(false), Some(2), Some(true)));
        assert_eq!(troubled, [(subjects[0], State::Note), (subjects[1], State::Bad), (subjects[2], State::Note)]);
    }
}
