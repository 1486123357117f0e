//! A stand-in for AMD's libamd_smi: a C library of two GPUs that draw a steady 200 W and 40 W, at 0000:03:00.0 and 0000:83:00.0,
//! each on a socket of its own. The energy accumulator is the product of watts and time, so that whoever measures it must find
//! these joules.
//!
//! The real one is not safe to be called from several threads. This one remembers which called it first, and ends the program
//! with exit code 78 when another one does.
//!
//! `FAKE_AMD_SMI` in the environment holds words, separated by spaces: `version=N` (the major one, 26 without), `no-counter`,
//! `gone-after=N` (from read N of the power on that is not supported, and the counter stands still, as when the driver's files
//! are gone).
#![allow(clippy::missing_safety_doc)]
#![expect(unsafe_code, reason = "a C library")]

use std::ffi::{c_char, c_float, c_void};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;
use std::time::Instant;

const OK: u32 = 0;
const INVALID: u32 = 1;
const NOT_SUPPORTED: u32 = 2;
const NOT_INITIALISED: u32 = 32;

const JOULES_PER_COUNT: f64 = 15.259e-6;
const NONE: u32 = u32::MAX;
/// Address (bus << 8), watts now and on average: one card as MI300 gives them, the other as cards before it.
const GPUS: [(u64, u32, u32); 2] = [(0x0300, 200, NONE), (0x8300, NONE, 40)];

static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
static CALLER: LazyLock<ThreadId> = LazyLock::new(|| std::thread::current().id());
static STARTED: AtomicU64 = AtomicU64::new(0);
/// When the counter moved last.
static MOVED_NS: AtomicU64 = AtomicU64::new(0);
static READS: AtomicU64 = AtomicU64::new(0);
static WORDS: LazyLock<Vec<String>> =
    LazyLock::new(|| std::env::var("FAKE_AMD_SMI").unwrap_or_default().split_whitespace().map(str::to_owned).collect());

fn number(name: &str) -> Option<u64> {
    WORDS.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

/// Every call begins here.
fn enter() {
    if *CALLER != std::thread::current().id() {
        eprintln!("the stand-in for AMD SMI is called from a second thread");
        std::process::exit(78);
    }
}

/// A call about a GPU, whose handle is its index, counted from 1.
fn gpu(handle: *mut c_void) -> Result<(u64, u32, u32), u32> {
    enter();
    if STARTED.load(Ordering::Relaxed) == 0 {
        return Err(NOT_INITIALISED);
    }
    GPUS.get((handle as usize).wrapping_sub(1)).copied().ok_or(INVALID)
}

/// Writes through a C caller's pointer.
fn give<T>(to: *mut T, value: T) -> u32 {
    // SAFETY: callers hand over a pointer to a T of theirs, as the C interface asks them to.
    unsafe { to.write(value) };
    OK
}

#[repr(C)]
pub struct Version {
    major: u32,
    minor: u32,
    release: u32,
    build: *const c_char,
}

/// As version 26 lays it out, in full.
#[repr(C)]
pub struct PowerInfo {
    socket_power: u64,
    current_socket_power: u32,
    average_socket_power: u32,
    gfx_voltage: u64,
    soc_voltage: u64,
    mem_voltage: u64,
    power_limit: u32,
    reserved: [u64; 18],
}

#[repr(C)]
pub struct ClockInfo {
    clk: u32,
    min_clk: u32,
    max_clk: u32,
    clk_locked: u8,
    clk_deep_sleep: u8,
    reserved: [u32; 4],
}

#[repr(C)]
pub struct PowerCapInfo {
    power_cap: u64,
    default_power_cap: u64,
    dpm_cap: u64,
    min_power_cap: u64,
    max_power_cap: u64,
    reserved: [u64; 3],
}

#[repr(C)]
pub struct AsicInfo {
    market_name: [u8; 256],
    vendor_id: u32,
    vendor_name: [u8; 256],
    subvendor_id: u32,
    device_id: u64,
    rev_id: u32,
    asic_serial: [u8; 256],
    oam_id: u32,
    num_of_compute_units: u32,
    target_graphics_version: u64,
    subsystem_id: u32,
    reserved: [u32; 21],
}

fn text<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_init(_flags: u64) -> u32 {
    enter();
    STARTED.store(1, Ordering::Relaxed);
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_shut_down() -> u32 {
    enter();
    STARTED.store(0, Ordering::Relaxed);
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_lib_version(version: *mut Version) -> u32 {
    enter();
    let major = number("version").unwrap_or(26) as u32;
    give(version, Version { major, minor: 2, release: 1, build: c"stand-in".as_ptr() })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn amdsmi_get_socket_handles(count: *mut u32, sockets: *mut *mut c_void) -> u32 {
    enter();
    if !sockets.is_null() {
        // SAFETY: the caller's array is as long as its count says, of which no more is used.
        (0..GPUS.len().min(unsafe { *count } as usize))
            .for_each(|i| unsafe { sockets.add(i).write((i + 101) as *mut c_void) });
    }
    give(count, GPUS.len() as u32)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn amdsmi_get_processor_handles(
    socket: *mut c_void,
    count: *mut u32,
    processors: *mut *mut c_void,
) -> u32 {
    enter();
    // SAFETY: the caller's array is as long as its count says.
    if !processors.is_null() && unsafe { *count } > 0 {
        give(processors, (socket as usize - 100) as *mut c_void);
    }
    give(count, 1)
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_gpu_device_bdf(handle: *mut c_void, bdf: *mut u64) -> u32 {
    gpu(handle).map_or_else(|status| status, |(address, ..)| give(bdf, address))
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_gpu_asic_info(handle: *mut c_void, info: *mut AsicInfo) -> u32 {
    if let Err(status) = gpu(handle) {
        return status;
    }
    let asic = AsicInfo {
        market_name: text("AMD Stand-in"),
        vendor_id: 0x1002,
        vendor_name: text("Advanced Micro Devices Inc. [AMD/ATI]"),
        subvendor_id: 0x1002,
        device_id: 0x74a1,
        rev_id: 0,
        asic_serial: text("0x1320021040055"), // nobody should keep it: it names the card for ever
        oam_id: 0,
        num_of_compute_units: 304,
        target_graphics_version: 942,
        subsystem_id: 0,
        reserved: [0; 21],
    };
    give(info, asic)
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_energy_count(
    handle: *mut c_void,
    count: *mut u64,
    resolution_uj: *mut c_float,
    nanoseconds: *mut u64,
) -> u32 {
    let watts = match gpu(handle) {
        Ok((_, current, average)) => current.min(average),
        Err(status) => return status,
    };
    if WORDS.iter().any(|word| word == "no-counter") {
        return NOT_SUPPORTED;
    }
    if !is_gone() {
        MOVED_NS.store(BEGUN.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
    let seconds = MOVED_NS.load(Ordering::Relaxed) as f64 * 1e-9;
    give(resolution_uj, (JOULES_PER_COUNT * 1e6) as c_float);
    give(nanoseconds, (seconds * 1e9) as u64);
    give(count, (f64::from(watts) * seconds / JOULES_PER_COUNT) as u64 + 1_000_000)
}

fn is_gone() -> bool {
    number("gone-after").is_some_and(|after| READS.load(Ordering::Relaxed) > after)
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_power_info(handle: *mut c_void, info: *mut PowerInfo) -> u32 {
    READS.fetch_add(1, Ordering::Relaxed);
    match gpu(handle) {
        _ if is_gone() => NOT_SUPPORTED,
        Ok((_, current, average)) => give(
            info,
            PowerInfo {
                socket_power: u64::from(current.min(average)),
                current_socket_power: current,
                average_socket_power: average,
                gfx_voltage: 900,
                soc_voltage: u64::MAX,
                mem_voltage: u64::MAX,
                power_limit: 300,
                reserved: [0; 18],
            },
        ),
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_power_cap_info(handle: *mut c_void, sensor: u32, info: *mut PowerCapInfo) -> u32 {
    match gpu(handle) {
        Ok(_) if sensor != 0 => NOT_SUPPORTED,
        Ok(_) => give(
            info,
            PowerCapInfo {
                power_cap: 250_000_000,
                default_power_cap: 300_000_000,
                dpm_cap: 0,
                min_power_cap: 0,
                max_power_cap: 330_000_000,
                reserved: [0; 3],
            },
        ),
        Err(status) => status,
    }
}

/// The first card has no temperature at the edge, as MI300 has none.
#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_temp_metric(handle: *mut c_void, sensor: u32, metric: u32, celsius: *mut i64) -> u32 {
    match gpu(handle) {
        Ok((0x0300, ..)) if sensor == 0 => NOT_SUPPORTED,
        Ok(_) if metric == 0 => give(celsius, if sensor == 0 { 51 } else { 56 }),
        Ok(_) => NOT_SUPPORTED,
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn amdsmi_get_clock_info(handle: *mut c_void, clock: u32, info: *mut ClockInfo) -> u32 {
    match gpu(handle) {
        Ok(_) if clock != 0 => NOT_SUPPORTED,
        Ok(_) => give(
            info,
            ClockInfo { clk: 1500, min_clk: 500, max_clk: 2100, clk_locked: 0, clk_deep_sleep: 0, reserved: [0; 4] },
        ),
        Err(status) => status,
    }
}
