//! Intel's GPUs through Level Zero's sysman: an energy counter in µJ, and what holds the clock; Linux and Windows.
//!
//! The loader is opened at run time, and opens Intel's driver. Names and units: the specification's Sysman Programming Guide.
//! Where the kernel's hwmon files serve a card they come first: this counter was seen to fall back to some 200 J while a card
//! idled, when the same card's hwmon stayed right. What it shows is passed on as it is, and a run names a counter that falls.

use super::once::Once;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use crate::host::system::{NEVER, Words};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterType, Counter, LimitKind, Limiter, Limiters, PciAddress, Scope, Source};
use bindings::{
    LevelZero, ze_result_t, zes_device_ext_properties_t, zes_device_handle_t, zes_device_properties_t,
    zes_driver_handle_t, zes_freq_handle_t, zes_freq_properties_t, zes_freq_state_t, zes_pci_properties_t,
    zes_power_energy_counter_t, zes_power_ext_properties_t, zes_power_limit_ext_desc_t, zes_power_properties_t,
    zes_pwr_handle_t, zes_temp_handle_t, zes_temp_properties_t,
};
use std::ptr::{from_mut, null_mut};

/// Made by bindgen from vendor/level_zero/level_zero.h.
#[expect(unsafe_code, reason = "calls of a C library")]
#[allow(dead_code, non_camel_case_types, non_snake_case, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    include!(concat!(env!("OUT_DIR"), "/level_zero.rs"));
}

const LOADER: &str = Words { linux: "libze_loader.so.1", windows: "ze_loader.dll", ..NEVER }.here();
const DRIVER: &str = Words {
    linux: "install Intel's Level Zero driver (libze-intel-gpu1, or intel-level-zero-gpu); hwmon reads most cards without it",
    windows: "install Intel's graphics driver anew",
    ..NEVER
}
.here();
const INSTALL: &str = Words {
    linux: "install its loader (Debian: apt install libze1) and Intel's driver for it; hwmon reads most cards without it",
    windows: "install Intel's graphics driver, which brings it",
    ..NEVER
}
.here();
const RIGHTS: &str =
    Words { linux: "run as root, or join the render group", windows: "run as administrator", ..NEVER }.here();
const READING: &str = "reading energy through Level Zero";

/// By this variable programs that know no zesInit ask the driver for its sensors. It must stand before the driver is opened.
const ENABLE: &str = "ZES_ENABLE_SYSMAN";

/// GPUs of Intel's whose driver brings Level Zero.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(adapter.kind != AdapterType::Software && adapter.vendor == "Intel"),
    ..Interface::new("level-zero", readers)
};

/// The one Level Zero of this process. Readers borrow from it for as long as the program runs.
struct Library {
    ze: LevelZero,
    /// Did sysman start by itself? Else the core lists the devices.
    alone: bool,
}

fn library() -> Result<&'static Library, PowerError> {
    static LIBRARY: Once<Library> = Once::new();
    LIBRARY.get(|| {
        let ze = open()?;
        let alone = start(&ze)?;
        Ok(Library { ze, alone })
    })
}

fn open() -> Result<LevelZero, PowerError> {
    if cfg!(target_os = "macos") {
        return Err(PowerError::Absent { what: "Level Zero".into(), fix: "it is for Linux and Windows" });
    }
    // SAFETY: the library's initialisation routines are those of a C++ program, and ask nothing of ours. A library of another
    // kind under this name has none of the symbols, and none is required.
    #[expect(unsafe_code, reason = "a library is opened")]
    let opened = unsafe { LevelZero::new(LOADER) };
    opened.map_err(|_| PowerError::Absent { what: format!("Level Zero ({LOADER})"), fix: INSTALL })
}

/// Can the loader be opened here?
///
/// # Errors
/// It cannot.
pub fn installed() -> Result<(), PowerError> {
    open().map(drop)
}

/// Starts sysman; says whether it did so by itself, or as a part of the core, which is how loaders before 1.9 and drivers of
/// their time have it.
#[expect(unsafe_code, reason = "C calls by value")]
fn start(ze: &LevelZero) -> Result<bool, PowerError> {
    // SAFETY: the function is that of the header, and takes flags by value.
    let by_itself = call(&ze.zesInit, |init| unsafe { init(0) });
    let asked = std::env::var_os(ENABLE).is_some_and(|value| value == "1");
    match by_itself {
        Ok(()) => Ok(true),
        // SAFETY: as above.
        Err(_) if asked => match call(&ze.zeInit, |init| unsafe { init(0) }) {
            Ok(()) => Ok(false),
            Err(status) => Err(failure("starting Level Zero", status)),
        },
        Err(_) if ze.zesInit.is_err() => Err(PowerError::Absent {
            what: "a Level Zero loader that starts sensors by itself (1.9 or later)".into(),
            fix: "update it, or run wattmul with ZES_ENABLE_SYSMAN=1 in its environment",
        }),
        Err(status) => Err(failure("starting Level Zero's sysman", status)),
    }
}

type Answer<T> = Result<T, ze_result_t>;

/// Calls what the library may lack; a lacking symbol is a call that is not supported.
fn call<F: Copy>(symbol: &Result<F, libloading::Error>, run: impl FnOnce(F) -> ze_result_t) -> Answer<()> {
    match symbol {
        Ok(function) => match run(*function) {
            bindings::ZE_RESULT_SUCCESS => Ok(()),
            status => Err(status),
        },
        Err(_) => Err(bindings::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE),
    }
}

/// The handles that a call lists: it is asked for their number, and then for them.
fn list<F: Copy, T>(
    symbol: &Result<F, libloading::Error>,
    run: impl Fn(F, *mut u32, *mut *mut T) -> ze_result_t,
) -> Answer<Vec<*mut T>> {
    const MOST: u32 = 1024; // whatever a driver says
    let mut count = 0;
    call(symbol, |function| run(function, &mut count, null_mut()))?;
    let mut handles = vec![null_mut(); count.min(MOST) as usize];
    count = handles.len() as u32;
    if count > 0 {
        call(symbol, |function| run(function, &mut count, handles.as_mut_ptr()))?;
    }
    handles.truncate(count as usize);
    handles.retain(|handle| !handle.is_null());
    Ok(handles)
}

fn failure(what: &str, status: ze_result_t) -> PowerError {
    let what = what.to_owned();
    match status {
        bindings::ZE_RESULT_ERROR_UNINITIALIZED | bindings::ZE_RESULT_ERROR_DEPENDENCY_UNAVAILABLE => {
            PowerError::Absent { what: format!("a GPU with a Level Zero driver ({what} found none)"), fix: DRIVER }
        }
        bindings::ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS => PowerError::NoPermission { what, fix: RIGHTS },
        bindings::ZE_RESULT_ERROR_UNSUPPORTED_FEATURE | bindings::ZE_RESULT_ERROR_UNSUPPORTED_VERSION => {
            PowerError::Unsupported { what, fix: "update Intel's driver; some integrated GPUs never give it" }
        }
        bindings::ZE_RESULT_ERROR_DEVICE_LOST | bindings::ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET => {
            PowerError::Failed { what, why: "the GPU is lost".into(), fix: "reset the GPU, or restart the machine" }
        }
        bindings::ZE_RESULT_ERROR_DEVICE_IN_LOW_POWER_STATE | bindings::ZE_RESULT_ERROR_NOT_AVAILABLE => {
            PowerError::Failed {
                what,
                why: "the GPU sleeps, or is held by another program".into(),
                fix: "it wakes with the work that it gets; else end what else reads it",
            }
        }
        status => PowerError::Failed { what, why: format!("status {status:#x}"), fix: DRIVER },
    }
}

/// A reader for every GPU that Level Zero shows.
///
/// # Errors
/// There is no Level Zero here, or it shows no GPU.
#[expect(unsafe_code, reason = "C calls that write where they are told")]
pub fn readers() -> Readers {
    let library = library()?;
    let ze = &library.ze;
    let drivers = match library.alone {
        // SAFETY: the function is that of the header; the list has room for the handles that it is told of. Likewise below.
        true => list(&ze.zesDriverGet, |get, count, to| unsafe { get(count, to) }),
        // SAFETY: as above.
        false => list(&ze.zeDriverGet, |get, count, to| unsafe { get(count, to) }),
    };
    let drivers = drivers.map_err(|status| failure("listing Level Zero's drivers", status))?;
    let devices = |driver: zes_driver_handle_t| match library.alone {
        // SAFETY: as above, of a driver that was listed.
        true => list(&ze.zesDeviceGet, |get, count, to| unsafe { get(driver, count, to) }),
        // SAFETY: as above.
        false => list(&ze.zeDeviceGet, |get, count, to| unsafe { get(driver, count, to) }),
    };
    let mut gpus = vec![];
    let mut refused = None;
    for driver in drivers {
        match devices(driver) {
            Ok(handles) => gpus.extend(handles.into_iter().map(|handle| Device { library, handle })),
            Err(status) => refused = refused.or(Some(failure("listing GPUs through Level Zero", status))),
        }
    }
    let described: Vec<(Device, Described)> =
        gpus.into_iter().map(|gpu| (gpu, gpu.described())).filter(|(_, described)| described.is_gpu).collect();
    match (described.is_empty(), refused) {
        (true, Some(error)) => Err(error),
        (true, None) => Err(PowerError::Absent { what: "a GPU of Intel's that Level Zero knows".into(), fix: DRIVER }),
        (false, _) => Ok(described.into_iter().enumerate().map(|(index, gpu)| reader(index, gpu)).collect()),
    }
}

/// The GPU's reader, or a silent one where no counter counts all of it.
fn reader(index: usize, (device, described): (Device, Described)) -> Box<dyn PowerReader> {
    let name = described.name.unwrap_or_else(|| format!("Intel GPU {index}"));
    let of = |scope| Source {
        api_version: described.driver_version,
        pci_address: device.pci_address(),
        ..Source::new("Level Zero", name, scope)
    };
    let domains = match device.power_domains() {
        Ok(domains) => domains,
        Err(status) => return Box::new(Silent::new(of(Scope::Gpu), failure(READING, status))),
    };
    let seen: Vec<Seen> = domains.iter().map(|domain| domain.seen).collect();
    let Some(best) = choose(&seen) else {
        let why = match seen.iter().find_map(|seen| seen.energy_uj.err()) {
            Some(status) => failure(READING, status),
            None => PowerError::Unsupported {
                what: if seen.is_empty() { READING.into() } else { format!("{READING} of more than a part of it") },
                fix: "update Intel's driver; --power names another sensor, such as hwmon",
            },
        };
        return Box::new(Silent::new(of(Scope::Gpu), why));
    };
    let domain = &domains[best];
    let limit = device.power_limit(domain.handle);
    let source = Source {
        counter: Some(Counter { resolution_uj: None, wraps_at_uj: None }),
        power_limit_w: limit.map(|(watts, _)| watts),
        power_limit_kind: limit.map_or(LimitKind::Enforced, |(_, kind)| kind),
        // It is that of the sustained limit.
        default_power_limit_w: domain.default_limit_w.filter(|_| matches!(limit, Some((_, LimitKind::Sustained)))),
        ..of(scope(domain.seen.kind, described.is_integrated))
    };
    Box::new(LevelZeroReader {
        source,
        device,
        power: domain.handle,
        clocks: device.clocks(),
        temperature: device.temperature(),
    })
}

/// A domain whose power is counted, as a first look found it.
#[derive(Clone, Copy)]
struct Seen {
    /// ZES_POWER_DOMAIN_…
    kind: u32,
    /// Is it a part of the GPU, such as one of its tiles?
    on_part: bool,
    energy_uj: Answer<u64>,
}

/// The domain that holds the most of the GPU: the card before the package before the GPU alone. A counter that stands at 0 is
/// taken where there is no other: the B580's for its card does so on Windows. Counters of tiles are not added up, as other parts
/// of the GPU are in none of them.
fn choose(seen: &[Seen]) -> Option<usize> {
    let rank = |kind| match kind {
        bindings::ZES_POWER_DOMAIN_CARD => Some(4),
        bindings::ZES_POWER_DOMAIN_PACKAGE => Some(3),
        bindings::ZES_POWER_DOMAIN_GPU => Some(2),
        bindings::ZES_POWER_DOMAIN_UNKNOWN => Some(1), // drivers before the kinds were named had the one counter
        _ => None,                                     // the memory, or a stack of several in a package
    };
    let whole = seen.iter().enumerate().filter(|(_, seen)| !seen.on_part);
    let usable = whole.filter_map(|(i, seen)| Some((seen.energy_uj.ok()? > 0, rank(seen.kind)?, i)));
    usable.max_by_key(|&(counts, rank, i)| (counts, rank, std::cmp::Reverse(i))).map(|(_, _, i)| i)
}

/// What a domain's figure is of. A GPU that shares its package with a CPU shares its counter too, but for that of the GPU alone.
fn scope(kind: u32, is_integrated: bool) -> Scope {
    match (kind, is_integrated) {
        (bindings::ZES_POWER_DOMAIN_GPU, _) => Scope::Gpu,
        (_, true) => Scope::Package,
        (bindings::ZES_POWER_DOMAIN_CARD, false) => Scope::Board,
        (_, false) => Scope::Gpu,
    }
}

/// What holds the clock down, named as for the kernel's files (intel_gt).
fn limiters(reasons: u32) -> Limiters {
    use bindings::*;
    const POWER: u32 = ZES_FREQ_THROTTLE_REASON_FLAG_AVE_PWR_CAP
        | ZES_FREQ_THROTTLE_REASON_FLAG_BURST_PWR_CAP
        | ZES_FREQ_THROTTLE_REASON_FLAG_CURRENT_LIMIT
        | ZES_FREQ_THROTTLE_REASON_FLAG_POWER;
    const HEAT: u32 = ZES_FREQ_THROTTLE_REASON_FLAG_THERMAL_LIMIT | ZES_FREQ_THROTTLE_REASON_FLAG_THERMAL;
    const SUPPLY: u32 = ZES_FREQ_THROTTLE_REASON_FLAG_PSU_ALERT | ZES_FREQ_THROTTLE_REASON_FLAG_VOLTAGE;
    let groups = [
        (POWER, Limiter::PowerCap),
        (HEAT, Limiter::Thermal),
        (SUPPLY, Limiter::Hardware),
        (!(POWER | HEAT | SUPPLY), Limiter::Other),
    ];
    let holding = groups.into_iter().filter(|(bits, _)| reasons & bits != 0);
    holding.fold(Limiters::NONE, |set, (_, limiter)| set.with(limiter))
}

/// A C string in a field of fixed length; None for what the driver does not know, which it spells in two ways.
fn text(field: &[std::ffi::c_char]) -> Option<String> {
    let bytes: Vec<u8> = field.iter().map(|&letter| letter as u8).take_while(|&byte| byte != 0).collect();
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    (!text.is_empty() && !["unknown", "unkown"].contains(&text.to_lowercase().as_str())).then_some(text)
}

/// The C structs of the header: plain numbers and pointers, of which all zeros is a value.
///
/// # Safety
/// Only for such.
#[expect(unsafe_code, reason = "a promise about the header's structs")]
unsafe trait Plain: Sized {
    /// The struct's name for itself.
    const KIND: u32;

    /// All zeros.
    fn zeroed() -> Self {
        // SAFETY: the trait's promise.
        unsafe { std::mem::zeroed() }
    }
}

/// Declares such structs, each with its kind, and how an empty one is made.
macro_rules! plain {
    ($($name:ident: $kind:ident),* $(,)?) => {$(
        // SAFETY: a struct of the header, of numbers and pointers.
        #[expect(unsafe_code, reason = "a promise about the header's structs")]
        unsafe impl Plain for $name {
            const KIND: u32 = bindings::$kind;
        }

        impl Default for $name {
            fn default() -> Self {
                Self { stype: Self::KIND, ..Self::zeroed() }
            }
        }
    )*};
}

plain! {
    zes_device_properties_t: ZES_STRUCTURE_TYPE_DEVICE_PROPERTIES,
    zes_device_ext_properties_t: ZES_STRUCTURE_TYPE_DEVICE_EXT_PROPERTIES,
    zes_pci_properties_t: ZES_STRUCTURE_TYPE_PCI_PROPERTIES,
    zes_power_properties_t: ZES_STRUCTURE_TYPE_POWER_PROPERTIES,
    zes_power_ext_properties_t: ZES_STRUCTURE_TYPE_POWER_EXT_PROPERTIES,
    zes_power_limit_ext_desc_t: ZES_STRUCTURE_TYPE_POWER_LIMIT_EXT_DESC,
    zes_freq_properties_t: ZES_STRUCTURE_TYPE_FREQ_PROPERTIES,
    zes_freq_state_t: ZES_STRUCTURE_TYPE_FREQ_STATE,
    zes_temp_properties_t: ZES_STRUCTURE_TYPE_TEMP_PROPERTIES,
}

/// One device's calls, each with the status that the library gave instead of a value.
#[derive(Clone, Copy)]
struct Device {
    library: &'static Library,
    handle: zes_device_handle_t,
}

struct Described {
    name: Option<String>,
    driver_version: Option<String>,
    /// Or is it another accelerator, such as an NPU?
    is_gpu: bool,
    is_integrated: bool,
}

struct Domain {
    handle: zes_pwr_handle_t,
    seen: Seen,
    default_limit_w: Option<f64>,
}

#[expect(unsafe_code, reason = "C calls that write where they are told")]
impl Device {
    fn described(self) -> Described {
        let mut more = zes_device_ext_properties_t::default();
        let mut properties = zes_device_properties_t { pNext: from_mut(&mut more).cast(), ..Default::default() };
        properties.core.stype = bindings::ZE_STRUCTURE_TYPE_DEVICE_PROPERTIES;
        // SAFETY: here and below, the functions are those of the header, the handles were listed by the library, which
        // keeps them for as long as the process runs, and each pointer is to a value of the announced type that outlives
        // the call.
        let told =
            call(&self.library.ze.zesDeviceGetProperties, |get| unsafe { get(self.handle, &mut properties) }).is_ok();
        let core = &properties.core;
        let either = |core: u32, more: u32| if core != 0 { core } else { more };
        let kind = either(core.type_, more.type_);
        Described {
            name: told.then(|| text(&core.name).or_else(|| text(&properties.modelName))).flatten(),
            driver_version: text(&properties.driverVersion),
            is_gpu: kind == 0 || kind == bindings::ZE_DEVICE_TYPE_GPU, // 0: not told
            is_integrated: (core.flags | more.flags) & bindings::ZE_DEVICE_PROPERTY_FLAG_INTEGRATED != 0,
        }
    }

    fn pci_address(self) -> Option<PciAddress> {
        let mut pci = zes_pci_properties_t::default();
        // SAFETY: as above.
        call(&self.library.ze.zesDevicePciGetProperties, |get| unsafe { get(self.handle, &mut pci) }).ok()?;
        let address = PciAddress {
            domain: pci.domain,
            bus: pci.bus.try_into().ok()?,
            device: pci.device.try_into().ok()?,
            function: pci.function.try_into().ok()?,
        };
        // At 0 is the bridge to all else, and never a GPU: the driver did not know.
        (address != PciAddress { domain: 0, bus: 0, device: 0, function: 0 }).then_some(address)
    }

    fn power_domains(self) -> Answer<Vec<Domain>> {
        let ze = &self.library.ze;
        // SAFETY: as above; the list has room for the handles that it is told of. Likewise below.
        let handles = list(&ze.zesDeviceEnumPowerDomains, |get, count, to| unsafe { get(self.handle, count, to) })?;
        let look = |handle: zes_pwr_handle_t| {
            let mut usual = zes_power_limit_ext_desc_t::default();
            let mut more = zes_power_ext_properties_t { defaultLimit: &mut usual, ..Default::default() };
            let mut properties = zes_power_properties_t { pNext: from_mut(&mut more).cast(), ..Default::default() };
            properties.defaultLimit = -1;
            // SAFETY: as above.
            call(&ze.zesPowerGetProperties, |get| unsafe { get(handle, &mut properties) }).ok()?;
            let default_mw = [usual.limit, properties.defaultLimit].into_iter().find(|&milliwatts| milliwatts > 0);
            Some(Domain {
                handle,
                seen: Seen {
                    kind: more.domain,
                    on_part: properties.onSubdevice != 0,
                    energy_uj: self.energy_uj(handle),
                },
                default_limit_w: default_mw.map(|milliwatts| f64::from(milliwatts) / 1000.0),
            })
        };
        Ok(handles.into_iter().filter_map(look).collect())
    }

    fn energy_uj(self, domain: zes_pwr_handle_t) -> Answer<u64> {
        let mut counter = zes_power_energy_counter_t { energy: 0, timestamp: 0 };
        // SAFETY: as above.
        call(&self.library.ze.zesPowerGetEnergyCounter, |get| unsafe { get(domain, &mut counter) })?;
        Ok(counter.energy)
    }

    /// The limit that rules a load that lasts: the sustained one, or that of a burst, which binds where there is no other.
    fn power_limit(self, domain: zes_pwr_handle_t) -> Option<(f64, LimitKind)> {
        const MOST: usize = 8;
        let mut limits = [zes_power_limit_ext_desc_t::default(); MOST];
        let mut count = MOST as u32;
        // SAFETY: as above; the list has the announced length.
        call(&self.library.ze.zesPowerGetLimitsExt, |get| unsafe { get(domain, &mut count, limits.as_mut_ptr()) })
            .ok()?;
        let limits = &limits[..(count as usize).min(MOST)];
        let watts = |level: u32| {
            let in_force = |limit: &&zes_power_limit_ext_desc_t| {
                let is_power = limit.limitUnit == bindings::ZES_LIMIT_UNIT_POWER;
                limit.level == level && is_power && limit.enabled != 0 && limit.limit > 0
            };
            limits.iter().find(in_force).map(|limit| f64::from(limit.limit) / 1000.0)
        };
        let sustained = watts(bindings::ZES_POWER_LEVEL_SUSTAINED).map(|watts| (watts, LimitKind::Sustained));
        let shorter = [bindings::ZES_POWER_LEVEL_BURST, bindings::ZES_POWER_LEVEL_PEAK];
        sustained.or_else(|| shorter.into_iter().find_map(watts).map(|watts| (watts, LimitKind::Enforced)))
    }

    /// The clocks of what computes: one, or one a tile.
    fn clocks(self) -> Vec<zes_freq_handle_t> {
        let ze = &self.library.ze;
        // SAFETY: as above.
        let clocks = list(&ze.zesDeviceEnumFrequencyDomains, |get, count, to| unsafe { get(self.handle, count, to) });
        let computes = |&clock: &zes_freq_handle_t| {
            let mut properties = zes_freq_properties_t::default();
            // SAFETY: as above.
            let told = call(&ze.zesFrequencyGetProperties, |get| unsafe { get(clock, &mut properties) });
            told.is_ok() && properties.type_ == bindings::ZES_FREQ_DOMAIN_GPU && self.frequency(clock).is_ok()
        };
        clocks.unwrap_or_default().into_iter().filter(computes).collect()
    }

    /// The clock in MHz, and the reasons that hold it down.
    fn frequency(self, clock: zes_freq_handle_t) -> Answer<(Option<f64>, Option<u32>)> {
        const UNTOLD: u32 = u32::MAX;
        let mut state = zes_freq_state_t { actual: -1.0, throttleReasons: UNTOLD, ..Default::default() };
        // SAFETY: as above.
        call(&self.library.ze.zesFrequencyGetState, |get| unsafe { get(clock, &mut state) })?;
        // An engine that sleeps has no clock.
        let mhz = Some(state.actual).filter(|&mhz| mhz > 0.0);
        Ok((mhz, Some(state.throttleReasons).filter(|&reasons| reasons != UNTOLD)))
    }

    /// The sensor of the GPU's own temperature, or that of the whole device.
    fn temperature(self) -> Option<zes_temp_handle_t> {
        let ze = &self.library.ze;
        // SAFETY: as above.
        let sensors =
            list(&ze.zesDeviceEnumTemperatureSensors, |get, count, to| unsafe { get(self.handle, count, to) }).ok()?;
        let kind = |sensor: zes_temp_handle_t| {
            let mut properties = zes_temp_properties_t::default();
            // SAFETY: as above.
            call(&ze.zesTemperatureGetProperties, |get| unsafe { get(sensor, &mut properties) }).ok()?;
            self.celsius(sensor).map(|_| properties.type_)
        };
        let first = |wanted| sensors.iter().copied().find(|&sensor| kind(sensor) == Some(wanted));
        first(bindings::ZES_TEMP_SENSORS_GPU).or_else(|| first(bindings::ZES_TEMP_SENSORS_GLOBAL))
    }

    fn celsius(self, sensor: zes_temp_handle_t) -> Option<f64> {
        let mut celsius = f64::NAN;
        // SAFETY: as above.
        call(&self.library.ze.zesTemperatureGetState, |get| unsafe { get(sensor, &mut celsius) }).ok()?;
        celsius.is_finite().then_some(celsius)
    }
}

struct LevelZeroReader {
    source: Source,
    device: Device,
    power: zes_pwr_handle_t,
    clocks: Vec<zes_freq_handle_t>,
    temperature: Option<zes_temp_handle_t>,
}

// SAFETY: the handles are the library's, which takes these calls from any thread, as its specification says of each.
#[expect(unsafe_code, reason = "handles of a C library go to another thread")]
unsafe impl Send for LevelZeroReader {}

impl PowerReader for LevelZeroReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let energy_uj = self.device.energy_uj(self.power).map_err(|status| failure(READING, status))?;
        let (mut clock_mhz, mut held): (Option<f64>, Option<Limiters>) = (None, None);
        for &clock in &self.clocks {
            let (mhz, reasons) = self.device.frequency(clock).unwrap_or_default();
            clock_mhz = mhz.map_or(clock_mhz, |mhz| Some(clock_mhz.map_or(mhz, |most| most.max(mhz))));
            held = reasons.map(limiters).map_or(held, |set| Some(held.map_or(set, |others| others.union(set))));
        }
        Ok(Reading {
            energy_uj: Some(energy_uj),
            temperature_c: self.temperature.and_then(|sensor| self.device.celsius(sensor)),
            clock_mhz,
            limiters: held,
            ..Reading::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::bindings::*;
    use super::*;

    #[test]
    fn the_domain_that_holds_the_most_is_chosen_and_parts_are_not_added_up() {
        let whole = |kind, energy_uj| Seen { kind, on_part: false, energy_uj: Ok(energy_uj) };
        let tile = |kind| Seen { on_part: true, ..whole(kind, 9) };
        let (card, package, gpu) = (ZES_POWER_DOMAIN_CARD, ZES_POWER_DOMAIN_PACKAGE, ZES_POWER_DOMAIN_GPU);
        assert_eq!(choose(&[whole(gpu, 5), whole(package, 7), whole(card, 9)]), Some(2));
        assert_eq!(choose(&[whole(card, 0), whole(package, 7)]), Some(1), "a card's counter that stands at 0");
        assert_eq!(choose(&[whole(package, 0), whole(card, 0)]), Some(1), "all may begin at 0");
        assert_eq!(choose(&[whole(ZES_POWER_DOMAIN_MEMORY, 7), whole(ZES_POWER_DOMAIN_UNKNOWN, 3)]), Some(1));
        assert_eq!(choose(&[whole(package, 7), whole(package, 8)]), Some(0), "the first of equals");
        let broken = Seen { energy_uj: Err(ZE_RESULT_ERROR_UNSUPPORTED_FEATURE), ..whole(card, 0) };
        assert_eq!(choose(&[broken, whole(gpu, 1)]), Some(1));
        assert_eq!(choose(&[tile(card), tile(package), whole(ZES_POWER_DOMAIN_MEMORY, 7), broken]), None);
    }

    #[test]
    fn a_figure_is_of_no_more_than_its_domain() {
        let scopes = |integrated| {
            let kinds =
                [ZES_POWER_DOMAIN_CARD, ZES_POWER_DOMAIN_PACKAGE, ZES_POWER_DOMAIN_GPU, ZES_POWER_DOMAIN_UNKNOWN];
            kinds.map(|kind| scope(kind, integrated))
        };
        assert_eq!(scopes(false), [Scope::Board, Scope::Gpu, Scope::Gpu, Scope::Gpu]);
        assert_eq!(scopes(true), [Scope::Package, Scope::Package, Scope::Gpu, Scope::Package]);
    }

    #[test]
    fn reasons_are_told_apart() {
        let told = |reasons| limiters(reasons).iter().collect::<Vec<_>>();
        assert_eq!(told(0), []);
        for power in [0x1, 0x2, 0x4, 0x200] {
            assert_eq!(told(power), [Limiter::PowerCap]);
        }
        assert_eq!(told(0x8 | 0x100), [Limiter::Thermal]);
        assert_eq!(told(0x10), [Limiter::Hardware]);
        assert_eq!(told(0x80), [Limiter::Hardware]);
        assert_eq!(told(0x1 | 0x20), [Limiter::PowerCap, Limiter::Other]);
        assert_eq!(told(0x8000_0000), [Limiter::Other], "one that is not known yet");
    }

    #[test]
    fn what_a_driver_does_not_know_is_no_text() {
        let field = |text: &str| text.bytes().map(|byte| byte as std::ffi::c_char).collect::<Vec<_>>();
        assert_eq!(text(&field("Arc B580\0rest")), Some("Arc B580".into()));
        for unknown in ["", "\0", "unknown\0", "Unkown", "  "] {
            assert_eq!(text(&field(unknown)), None, "{unknown:?}");
        }
    }
}
