//! A stand-in for Intel's driver, to which the real loader of Level Zero leads (`ZE_ENABLE_ALT_DRIVERS` holds its path). A loader
//! asks a driver for its functions by tables; those that tell nothing of sensors stay empty here.
//!
//! Its GPU is at 0000:03:00.0 and draws a steady 200 W: 150 W of them in its package, 20 W in its memory. Counters move every
//! 20 ms. `FAKE_LEVEL_ZERO` in the environment holds words, separated by spaces:
//!   gpus=2             a second one at 0000:83:00.0, of 40 W
//!   npu                an accelerator that is no GPU stands before them
//!   integrated         the GPU shares its package with a CPU, and only that is counted
//!   falls              the counter falls back every 300 J
//!   card-at-zero       the card's counter stands still at 0
//!   tiles              two tiles have counters, and the whole has none
//!   old                domains have no kinds, devices no names, nothing has limits
//!   reasons=N          bits of what holds the clock
//!   lost-after=N       from read N on the GPU is lost
//!   no-permission, no-gpu
#![cfg(unix)]
#![allow(non_snake_case)]
#![expect(unsafe_code, reason = "a C library")]

/// The structs of the header; not what loads a library.
#[allow(dead_code, non_camel_case_types, clippy::all, clippy::undocumented_unsafe_blocks)]
mod bindings {
    include!("../../vendor/level_zero/bindings.rs");
}

use bindings::*;
use std::ffi::c_void;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const OK: ze_result_t = ZE_RESULT_SUCCESS;
const VPU: u32 = 5;
const PERIOD_S: f64 = 0.02;

/// What a handle stands for: what it is, which GPU, and which of that GPU's.
#[derive(Clone, Copy, PartialEq)]
enum What {
    Driver = 1,
    Device,
    Power,
    Clock,
    Temperature,
}

/// Handles are numbers that look like no address.
fn handle(what: What, gpu: usize, which: u32) -> usize {
    what as usize * 0x10000 + gpu * 0x100 + which as usize
}

fn gpu_of(handle: usize) -> usize {
    handle >> 8 & 0xff
}

fn which_of(handle: usize) -> u32 {
    (handle & 0xff) as u32
}

/// The GPU of this number is an NPU.
const NPU: usize = 9;

static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    std::env::var("FAKE_LEVEL_ZERO").unwrap_or_default().split_whitespace().map(str::to_owned).collect()
});
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
static READS: AtomicU64 = AtomicU64::new(0);

fn has(word: &str) -> bool {
    WORDS.iter().any(|other| other == word)
}

fn number(name: &str) -> Option<u64> {
    WORDS.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

fn devices() -> Vec<usize> {
    let gpus = 0..number("gpus").unwrap_or(1) as usize;
    has("npu").then_some(NPU).into_iter().chain(gpus).map(|gpu| handle(What::Device, gpu, 0)).collect()
}

/// Watts of a domain. Tiles are numbered from 16.
fn watts(gpu: usize, domain: u32) -> f64 {
    match (gpu, domain) {
        (0, ZES_POWER_DOMAIN_CARD) => 200.0,
        (0, ZES_POWER_DOMAIN_MEMORY) => 20.0,
        (0, _) => 150.0,
        (_, ZES_POWER_DOMAIN_MEMORY) => 4.0,
        (_, _) => 40.0,
    }
}

fn domains(gpu: usize) -> Vec<usize> {
    let domains: &[u32] = if has("tiles") {
        &[16, 17]
    } else if has("integrated") || has("old") {
        &[ZES_POWER_DOMAIN_PACKAGE]
    } else {
        &[ZES_POWER_DOMAIN_MEMORY, ZES_POWER_DOMAIN_PACKAGE, ZES_POWER_DOMAIN_CARD]
    };
    domains.iter().map(|&domain| handle(What::Power, gpu, domain)).collect()
}

/// Writes through a C caller's pointer.
fn give<T>(to: *mut T, value: T) -> ze_result_t {
    // SAFETY: callers hand over a pointer to a T of theirs, as the C interface asks them to.
    unsafe { to.write(value) };
    OK
}

/// A struct of the caller's.
fn at<'a, T>(to: *mut T) -> &'a mut T {
    // SAFETY: callers hand over a pointer to a T of theirs, filled with values, which lives until the call returns.
    unsafe { &mut *to }
}

/// The number of handles where it is asked for, else as many of them as there is room for.
fn give_list(count: *mut u32, to: *mut usize, handles: &[usize]) -> ze_result_t {
    let count = at(count);
    let asked = *count as usize;
    if asked == 0 || asked > handles.len() {
        *count = handles.len() as u32;
    }
    if !to.is_null() {
        for (i, &handle) in handles.iter().take(asked).enumerate() {
            // SAFETY: the caller's list has room for `asked` handles, and i is below that.
            unsafe { to.add(i).write(handle) };
        }
    }
    OK
}

/// How every struct of a chain begins.
#[repr(C)]
struct Start {
    kind: u32,
    next: *mut c_void,
}

/// The struct of this kind in a chain.
fn find<'a, T>(mut next: *mut c_void, kind: u32) -> Option<&'a mut T> {
    while !next.is_null() {
        let start = at(next.cast::<Start>());
        if start.kind == kind {
            return Some(at(next.cast()));
        }
        next = start.next;
    }
    None
}

fn write_text(field: &mut [std::ffi::c_char], text: &str) {
    for (to, byte) in field.iter_mut().zip(text.bytes().chain([0])) {
        *to = byte as std::ffi::c_char;
    }
}

extern "C" fn init(_flags: u32) -> ze_result_t {
    LazyLock::force(&BEGUN);
    if has("no-gpu") { ZE_RESULT_ERROR_UNINITIALIZED } else { OK }
}

extern "C" fn drivers(count: *mut u32, to: *mut usize) -> ze_result_t {
    give_list(count, to, &[handle(What::Driver, 0, 0)])
}

extern "C" fn devices_of(_driver: usize, count: *mut u32, to: *mut usize) -> ze_result_t {
    give_list(count, to, &devices())
}

extern "C" fn device_properties(device: usize, to: *mut zes_device_properties_t) -> ze_result_t {
    let properties = at(to);
    let kind = if gpu_of(device) == NPU { VPU } else { ZE_DEVICE_TYPE_GPU };
    let flags = if has("integrated") { ZE_DEVICE_PROPERTY_FLAG_INTEGRATED } else { 0 };
    properties.core.type_ = kind;
    for field in [&mut properties.serialNumber, &mut properties.boardNumber] {
        write_text(field, "1320021040055"); // nobody should ask: it names the card for ever
    }
    write_text(&mut properties.driverVersion, "unknown");
    if has("old") {
        write_text(&mut properties.modelName, "unkown");
        return OK;
    }
    write_text(&mut properties.core.name, "Intel Stand-in");
    write_text(&mut properties.driverVersion, "25.18.33578");
    if let Some(more) = find::<zes_device_ext_properties_t>(properties.pNext, ZES_STRUCTURE_TYPE_DEVICE_EXT_PROPERTIES)
    {
        (more.type_, more.flags) = (kind, flags);
    }
    OK
}

extern "C" fn pci_properties(device: usize, to: *mut zes_pci_properties_t) -> ze_result_t {
    at(to).bus = if gpu_of(device) == 0 { 0x03 } else { 0x83 };
    OK
}

extern "C" fn power_domains(device: usize, count: *mut u32, to: *mut usize) -> ze_result_t {
    give_list(count, to, &domains(gpu_of(device)))
}

extern "C" fn power_properties(domain: usize, to: *mut zes_power_properties_t) -> ze_result_t {
    let properties = at(to);
    let which = which_of(domain);
    properties.onSubdevice = u8::from(which >= 16);
    properties.subdeviceId = which.saturating_sub(16);
    if has("old") {
        return OK;
    }
    if let Some(more) = find::<zes_power_ext_properties_t>(properties.pNext, ZES_STRUCTURE_TYPE_POWER_EXT_PROPERTIES) {
        more.domain = if which >= 16 { ZES_POWER_DOMAIN_PACKAGE } else { which };
        if !more.defaultLimit.is_null() {
            at(more.defaultLimit).limit = 225_000;
        }
    }
    OK
}

extern "C" fn energy_counter(domain: usize, to: *mut zes_power_energy_counter_t) -> ze_result_t {
    if has("no-permission") {
        return ZE_RESULT_ERROR_INSUFFICIENT_PERMISSIONS;
    }
    if number("lost-after").is_some_and(|after| READS.fetch_add(1, Ordering::Relaxed) > after) {
        return ZE_RESULT_ERROR_DEVICE_LOST;
    }
    let at_s = (BEGUN.elapsed().as_secs_f64() / PERIOD_S).floor() * PERIOD_S;
    let mut joules = 1.0 + watts(gpu_of(domain), which_of(domain)) * at_s;
    if has("falls") {
        joules %= 300.0;
    }
    if has("card-at-zero") && which_of(domain) == ZES_POWER_DOMAIN_CARD {
        joules = 0.0;
    }
    give(to, zes_power_energy_counter_t { energy: (joules * 1e6) as u64, timestamp: (at_s * 1e6) as u64 })
}

extern "C" fn power_limits(_domain: usize, count: *mut u32, to: *mut zes_power_limit_ext_desc_t) -> ze_result_t {
    if has("old") {
        return ZE_RESULT_ERROR_UNSUPPORTED_FEATURE;
    }
    let limits = [
        (ZES_POWER_LEVEL_PEAK, 400_000, 1),
        (ZES_POWER_LEVEL_BURST, 280_000, 1),
        (ZES_POWER_LEVEL_SUSTAINED, 999_000, 0), // not in force
        (ZES_POWER_LEVEL_SUSTAINED, 190_000, 1),
    ];
    let room = *at(count) as usize;
    *at(count) = limits.len() as u32;
    for (i, (level, milliwatts, enabled)) in limits.into_iter().take(room).enumerate() {
        // SAFETY: the caller's list has `room` structs, and i is below that.
        let limit = at(unsafe { to.add(i) });
        (limit.level, limit.limit, limit.enabled) = (level, milliwatts, enabled);
        limit.limitUnit = ZES_LIMIT_UNIT_POWER;
    }
    OK
}

/// Two domains: of the memory (1), and of the GPU (0).
extern "C" fn clocks(device: usize, count: *mut u32, to: *mut usize) -> ze_result_t {
    give_list(count, to, &[1, ZES_FREQ_DOMAIN_GPU].map(|which| handle(What::Clock, gpu_of(device), which)))
}

extern "C" fn clock_properties(clock: usize, to: *mut zes_freq_properties_t) -> ze_result_t {
    at(to).type_ = which_of(clock);
    OK
}

extern "C" fn clock_state(clock: usize, to: *mut zes_freq_state_t) -> ze_result_t {
    let state = at(to);
    state.actual = if which_of(clock) == ZES_FREQ_DOMAIN_GPU { 2400.0 } else { 9501.0 };
    if let Some(reasons) = number("reasons") {
        state.throttleReasons = reasons as u32;
    }
    OK
}

/// Two sensors: of the whole device, the hotter one, and of the GPU.
extern "C" fn temperatures(device: usize, count: *mut u32, to: *mut usize) -> ze_result_t {
    let kinds = [ZES_TEMP_SENSORS_GLOBAL, ZES_TEMP_SENSORS_GPU];
    give_list(count, to, &kinds.map(|which| handle(What::Temperature, gpu_of(device), which)))
}

extern "C" fn temperature_properties(sensor: usize, to: *mut zes_temp_properties_t) -> ze_result_t {
    at(to).type_ = which_of(sensor);
    OK
}

extern "C" fn temperature(sensor: usize, celsius: *mut f64) -> ze_result_t {
    give(celsius, if which_of(sensor) == ZES_TEMP_SENSORS_GPU { 51.0 } else { 77.0 })
}

/// A function in a table: its place, and the version of the interface that has it. An older loader's table ends before.
type Slot = (usize, u32, *const ());

const FIRST: u32 = 0;
const SYSMAN_ALONE: u32 = 0x1_0005; // 1.5

fn fill(version: u32, table: *mut *const (), slots: &[Slot]) -> ze_result_t {
    for &(place, _, function) in slots.iter().filter(|(_, since, _)| version >= *since) {
        // SAFETY: the loader's table is of this version, which has this place.
        unsafe { table.add(place).write(function) };
    }
    OK
}

/// What the loader asks a driver for, by name: each fills a table with functions at their places.
macro_rules! tables {
    ($($name:ident: [$(($place:literal, $since:ident, $function:ident)),* $(,)?]),* $(,)?) => {$(
        #[unsafe(no_mangle)]
        pub extern "C" fn $name(version: u32, table: *mut *const ()) -> ze_result_t {
            fill(version, table, &[$(($place, $since, $function as *const ())),*])
        }
    )*};
}

/// What loaders must find, and nobody calls. (The loader gives tables that hold nothing yet.)
macro_rules! empty_tables {
    ($($name:ident),* $(,)?) => { tables! { $($name: []),* } };
}

tables! {
    zeGetGlobalProcAddrTable: [(0, FIRST, init)],
    zeGetDriverProcAddrTable: [(0, FIRST, drivers)],
    zeGetDeviceProcAddrTable: [(0, FIRST, devices_of)],
    zesGetGlobalProcAddrTable: [(0, FIRST, init)],
    zesGetDriverProcAddrTable: [(2, SYSMAN_ALONE, drivers)],
    zesGetDeviceProcAddrTable: [
        (0, FIRST, device_properties),
        (4, FIRST, pci_properties),
        (14, FIRST, clocks),
        (18, FIRST, power_domains),
        (24, FIRST, temperatures),
        (29, SYSMAN_ALONE, devices_of),
    ],
    zesGetPowerProcAddrTable: [
        (0, FIRST, power_properties),
        (1, FIRST, energy_counter),
        (6, FIRST, power_limits),
    ],
    zesGetFrequencyProcAddrTable: [(0, FIRST, clock_properties), (4, FIRST, clock_state)],
    zesGetTemperatureProcAddrTable: [(0, FIRST, temperature_properties), (3, FIRST, temperature)],
}

empty_tables! {
    zeGetCommandListProcAddrTable,
    zeGetCommandQueueProcAddrTable,
    zeGetContextProcAddrTable,
    zeGetDeviceExpProcAddrTable,
    zeGetEventExpProcAddrTable,
    zeGetEventPoolProcAddrTable,
    zeGetEventProcAddrTable,
    zeGetFabricEdgeExpProcAddrTable,
    zeGetFabricVertexExpProcAddrTable,
    zeGetFenceProcAddrTable,
    zeGetImageExpProcAddrTable,
    zeGetImageProcAddrTable,
    zeGetKernelExpProcAddrTable,
    zeGetKernelProcAddrTable,
    zeGetMemProcAddrTable,
    zeGetModuleBuildLogProcAddrTable,
    zeGetModuleProcAddrTable,
    zeGetPhysicalMemProcAddrTable,
    zeGetSamplerProcAddrTable,
    zeGetVirtualMemProcAddrTable,
    zesGetDiagnosticsProcAddrTable,
    zesGetEngineProcAddrTable,
    zesGetFabricPortProcAddrTable,
    zesGetFanProcAddrTable,
    zesGetFirmwareProcAddrTable,
    zesGetLedProcAddrTable,
    zesGetMemoryProcAddrTable,
    zesGetPerformanceFactorProcAddrTable,
    zesGetPsuProcAddrTable,
    zesGetRasProcAddrTable,
    zesGetSchedulerProcAddrTable,
    zesGetStandbyProcAddrTable,
    zetGetCommandListProcAddrTable,
    zetGetContextProcAddrTable,
    zetGetDebugProcAddrTable,
    zetGetDeviceProcAddrTable,
    zetGetKernelProcAddrTable,
    zetGetMetricGroupExpProcAddrTable,
    zetGetMetricGroupProcAddrTable,
    zetGetMetricProcAddrTable,
    zetGetMetricQueryPoolProcAddrTable,
    zetGetMetricQueryProcAddrTable,
    zetGetMetricStreamerProcAddrTable,
    zetGetModuleProcAddrTable,
    zetGetTracerExpProcAddrTable,
}
