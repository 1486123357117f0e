//! A stand-in for NVIDIA's libnvidia-ml: a C library whose GPU draws 30 W, and 100 W more for each CPU core that this
//! process keeps busy. Energy is the integral of just that, so that whoever measures it must find the library's own joules.
//!
//! `FAKE_NVML` in the environment holds words, separated by spaces:
//!   log=PATH           every update of the counter (seconds, millijoules) and every clock lock goes there, a line each
//!   gpus=2             two GPUs, at 0000:01:00.0 and 0000:81:00.0; the first draws a steady 55 W
//!   only=1             of these only that of index 1, as a device cgroup shows it: numbered 0
//!   domain=8           PCI addresses with a domain of 8 digits, as NVML writes them
//!   period_ms=N        time between updates (default 20)
//!   average            no field 186, and power is a mean over the last second
//!   lost-after=N, unloaded-after=N, blocks-after=N   from read N on the GPU is lost, the library is unloaded, or every read takes
//!                      5 s, and every other call waits for it
//!   no-counter, no-power, no-permission, step-back, frozen, zero-power, broken-init
//!   limit=PATH         the power limit in milliwatts is in that file and outlives the process, as in a driver
//!   thermal, power-cap the reasons that hold the clock down
//!   dead=N             the GPU of index N fell off the bus: nobody gets a handle of it
//!   module             GPU and CPU on one module: what asks for the board is not supported, and the module answers
//!   mig                the GPU is divided
//!   not-persistent, display, display-off (attached, and dark), programs=N (others on the GPU)
//!   memory=MB, free=MB     the memory of each GPU, of which so much is free; without the first, it does not tell
#![allow(non_snake_case, clippy::missing_safety_doc)]
#![expect(unsafe_code, reason = "a C library")]

mod cpu_time;

use cpu_time::cpu_s;
use nvml_wrapper_sys::bindings::{
    NVML_POWER_SCOPE_MODULE, field_id, nvmlDevice_t, nvmlFieldValue_t, nvmlMemory_v2_t, nvmlPciInfo_t,
    nvmlProcessInfo_t, nvmlReturn_t,
};
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong};
use std::fs::File;
use std::io::Write;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

const OK: nvmlReturn_t = 0;
const UNINITIALIZED: nvmlReturn_t = 1;
const INVALID_ARGUMENT: nvmlReturn_t = 2;
const NOT_SUPPORTED: nvmlReturn_t = 3;
const NO_PERMISSION: nvmlReturn_t = 4;
const NOT_FOUND: nvmlReturn_t = 6;
const INSUFFICIENT_SIZE: nvmlReturn_t = 7;
const DRIVER_NOT_LOADED: nvmlReturn_t = 9;
const GPU_IS_LOST: nvmlReturn_t = 15;

/// The lowest and the highest power limit.
const LIMITS_MW: (c_uint, c_uint) = (100_000, 350_000);
const IDLE_W: f64 = 30.0;
const WATTS_PER_CORE: f64 = 100.0;
const NEIGHBOUR_W: f64 = 55.0;

/// What the library shows. It moves only every `period_s`, as a real one does.
struct Sensor {
    words: Vec<String>,
    log: Option<File>,
    period_s: f64,
    begun: Instant,
    updated_s: f64,
    energy_j: f64,
    power_w: f64,
    /// Where no file has it.
    limit_mw: c_uint,
    /// (seconds, joules) of the last second.
    past: VecDeque<(f64, f64)>,
    reads: u64,
}

static SENSOR: LazyLock<Mutex<Sensor>> = LazyLock::new(|| {
    let words: Vec<String> =
        std::env::var("FAKE_NVML").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let value = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    Mutex::new(Sensor {
        log: value("log").and_then(|path| File::options().create(true).append(true).open(path).ok()),
        period_s: value("period_ms").and_then(|ms| ms.parse().ok()).unwrap_or(20.0) / 1000.0,
        begun: Instant::now(),
        updated_s: f64::NEG_INFINITY,
        energy_j: 0.0,
        power_w: IDLE_W,
        limit_mw: 300_000,
        past: VecDeque::new(),
        reads: 0,
        words,
    })
});

impl Sensor {
    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|other| other == word)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    }

    fn gpus(&self) -> usize {
        self.number("gpus").unwrap_or(1) as usize
    }

    /// The GPUs that are shown, in order.
    fn shown(&self) -> Vec<usize> {
        match self.number("only") {
            Some(gpu) => vec![gpu as usize],
            None => (0..self.gpus()).collect(),
        }
    }

    /// Index of the GPU that follows the process's work: the last one.
    fn ours(&self) -> usize {
        self.gpus() - 1
    }

    fn address(&self, gpu: usize) -> &'static str {
        match (gpu, self.number("domain")) {
            (0, Some(8)) => "00000000:01:00.0",
            (0, _) => "0000:01:00.0",
            (_, Some(8)) => "00000000:81:00.0",
            (_, _) => "0000:81:00.0",
        }
    }

    /// Counts a read, and moves the figures if a period has passed.
    fn read(&mut self) -> nvmlReturn_t {
        self.reads += 1;
        if self.has("no-permission") {
            return NO_PERMISSION;
        }
        let after = |word: &str| self.number(word).is_some_and(|after| self.reads > after);
        if after("lost-after") {
            return GPU_IS_LOST;
        }
        if after("unloaded-after") {
            return UNINITIALIZED;
        }
        if after("blocks-after") {
            std::thread::sleep(Duration::from_secs(5)); // with the library locked
        }
        let now_s = self.begun.elapsed().as_secs_f64();
        if now_s - self.updated_s < self.period_s {
            return OK;
        }
        self.updated_s = now_s;
        self.energy_j = IDLE_W * now_s + WATTS_PER_CORE * cpu_s();
        self.past.push_back((now_s, self.energy_j));
        let reach_s = if self.has("average") { 1.0 } else { 0.0 };
        while self.past.len() > 2 && self.past[1].0 <= now_s - reach_s {
            self.past.pop_front();
        }
        let (then_s, then_j) = self.past[0];
        if now_s > then_s {
            self.power_w = (self.energy_j - then_j) / (now_s - then_s);
        }
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{now_s} {}", self.energy_j * 1000.0);
        }
        OK
    }

    /// The device's, whatever process asks: it is in the file that `limit` names.
    fn limit_mw(&self) -> c_uint {
        let text = self.text("limit").and_then(|path| std::fs::read_to_string(path).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(self.limit_mw)
    }

    fn set_limit_mw(&mut self, milliwatts: c_uint) {
        self.note(&format!("limited {milliwatts}"));
        self.limit_mw = milliwatts;
        let Some(path) = self.text("limit") else { return };
        // In one step, as a driver does: a program that is killed meanwhile leaves no half of a number.
        let new = format!("{path}.{}", std::process::id());
        if std::fs::write(&new, milliwatts.to_string()).is_ok() {
            let _ = std::fs::rename(new, path);
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    fn note(&mut self, what: &str) {
        if let Some(log) = &mut self.log {
            let _ = writeln!(log, "{what}");
        }
    }
}

fn sensor() -> MutexGuard<'static, Sensor> {
    SENSOR.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Handles are indices, counted from 1.
fn index_of(device: nvmlDevice_t) -> usize {
    device as usize - 1
}

/// Writes through a C caller's pointer.
fn give<T>(to: *mut T, value: T) -> nvmlReturn_t {
    // SAFETY: callers hand over a pointer to a T of theirs, as the C interface asks them to.
    unsafe { to.write(value) };
    OK
}

fn give_text(to: *mut c_char, length: c_uint, text: &str) -> nvmlReturn_t {
    for (i, byte) in text.bytes().chain([0]).take(length as usize).enumerate() {
        // SAFETY: the caller's buffer has `length` bytes, and i is below that.
        unsafe { to.add(i).write(byte as c_char) };
    }
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    if sensor().has("broken-init") { DRIVER_NOT_LOADED } else { OK }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetDriverVersion(text: *mut c_char, length: c_uint) -> nvmlReturn_t {
    give_text(text, length, "570.86.10")
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetNVMLVersion(text: *mut c_char, length: c_uint) -> nvmlReturn_t {
    give_text(text, length, "12.570.86.10")
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> nvmlReturn_t {
    give(count, sensor().shown().len() as c_uint)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) -> nvmlReturn_t {
    let sensor = sensor();
    match sensor.shown().get(index as usize) {
        Some(&gpu) if sensor.number("dead") == Some(gpu as u64) => GPU_IS_LOST,
        Some(gpu) => give(device, (gpu + 1) as nvmlDevice_t),
        None => INVALID_ARGUMENT,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    address: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's address is a C string.
    let wanted = unsafe { CStr::from_ptr(address) }.to_string_lossy().to_lowercase();
    let sensor = sensor();
    let ends = |gpu: &usize| wanted.ends_with(sensor.address(*gpu).trim_start_matches('0'));
    match sensor.shown().into_iter().find(ends) {
        Some(gpu) => give(device, (gpu + 1) as nvmlDevice_t),
        None => NOT_FOUND,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetIndex(device: nvmlDevice_t, index: *mut c_uint) -> nvmlReturn_t {
    match sensor().shown().iter().position(|&gpu| gpu == index_of(device)) {
        Some(place) => give(index, place as c_uint),
        None => INVALID_ARGUMENT,
    }
}

/// It names the card for ever: it may be compared with what a scheduler says, and written nowhere.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetUUID(device: nvmlDevice_t, text: *mut c_char, length: c_uint) -> nvmlReturn_t {
    give_text(text, length, &format!("GPU-0000000{}-d72c-4106-c12f-20bd9faed9f6", index_of(device)))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetName(_device: nvmlDevice_t, text: *mut c_char, length: c_uint) -> nvmlReturn_t {
    give_text(text, length, "NVIDIA Stand-in")
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPciInfo_v3(device: nvmlDevice_t, info: *mut nvmlPciInfo_t) -> nvmlReturn_t {
    // SAFETY: nvmlPciInfo_t is plain C data, for which all zeros is a value.
    let mut pci: nvmlPciInfo_t = unsafe { std::mem::zeroed() };
    give_text(pci.busId.as_mut_ptr(), 32, sensor().address(index_of(device)));
    pci.bus = if index_of(device) == 0 { 0x01 } else { 0x81 };
    give(info, pci)
}

/// Nobody should ask: it names the card for ever.
#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetSerial(_device: nvmlDevice_t, text: *mut c_char, length: c_uint) -> nvmlReturn_t {
    give_text(text, length, "1320021040055")
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetArchitecture(_device: nvmlDevice_t, architecture: *mut c_uint) -> nvmlReturn_t {
    give(architecture, 8) // Ada
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    device: nvmlDevice_t,
    millijoules: *mut c_ulonglong,
) -> nvmlReturn_t {
    let mut sensor = sensor();
    if sensor.has("no-counter") {
        return NOT_SUPPORTED;
    }
    match sensor.read() {
        OK => {}
        error => return error,
    }
    let mut energy_j = match index_of(device) == sensor.ours() {
        true => sensor.energy_j,
        false => NEIGHBOUR_W * sensor.updated_s,
    };
    if sensor.has("frozen") {
        energy_j = 0.0;
    }
    if sensor.has("step-back") {
        energy_j %= 300.0; // falls every few seconds
    }
    give(millijoules, (energy_j * 1000.0) as c_ulonglong + 1_000_000)
}

fn power_mw(device: nvmlDevice_t) -> Result<c_uint, nvmlReturn_t> {
    let mut sensor = sensor();
    if sensor.has("no-power") {
        return Err(NOT_SUPPORTED);
    }
    match sensor.read() {
        OK => {}
        error => return Err(error),
    }
    let watts = match index_of(device) == sensor.ours() {
        _ if sensor.has("zero-power") => 0.0,
        true => sensor.power_w,
        false => NEIGHBOUR_W,
    };
    Ok((watts * 1000.0) as c_uint)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerUsage(device: nvmlDevice_t, milliwatts: *mut c_uint) -> nvmlReturn_t {
    if sensor().has("module") {
        return NOT_SUPPORTED;
    }
    match power_mw(device) {
        Ok(power_mw) => give(milliwatts, power_mw),
        Err(error) => error,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetFieldValues(
    device: nvmlDevice_t,
    count: c_int,
    values: *mut nvmlFieldValue_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's array has `count` elements.
    for field in unsafe { std::slice::from_raw_parts_mut(values, count as usize) } {
        let average = sensor().has("average");
        let module = sensor().has("module");
        let given = match field.fieldId {
            _ if module && field.scopeId != NVML_POWER_SCOPE_MODULE => Err(NOT_SUPPORTED),
            field_id::NVML_FI_DEV_POWER_CURRENT_LIMIT | field_id::NVML_FI_DEV_POWER_DEFAULT_LIMIT if module => {
                Ok(900_000)
            }
            field_id::NVML_FI_DEV_POWER_INSTANT if !average => power_mw(device),
            _ => Err(NOT_SUPPORTED),
        };
        field.nvmlReturn = given.err().unwrap_or(OK);
        field.value.uiVal = given.unwrap_or_default();
    }
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTemperature(
    _device: nvmlDevice_t,
    _sensor: c_uint,
    degrees: *mut c_uint,
) -> nvmlReturn_t {
    give(degrees, 45)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetClockInfo(_device: nvmlDevice_t, clock: c_uint, mhz: *mut c_uint) -> nvmlReturn_t {
    const MEMORY: c_uint = 2;
    give(mhz, if clock == MEMORY { 5001 } else { 1500 })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPerformanceState(_device: nvmlDevice_t, state: *mut c_uint) -> nvmlReturn_t {
    give(state, 2)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(
    _device: nvmlDevice_t,
    reasons: *mut c_ulonglong,
) -> nvmlReturn_t {
    let sensor = sensor();
    let power_cap = if sensor.has("power-cap") { 0x04 } else { 0 };
    let thermal = if sensor.has("thermal") { 0x20 } else { 0 };
    give(reasons, power_cap | thermal)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetEnforcedPowerLimit(_device: nvmlDevice_t, milliwatts: *mut c_uint) -> nvmlReturn_t {
    give(milliwatts, sensor().limit_mw())
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerManagementLimit(_device: nvmlDevice_t, milliwatts: *mut c_uint) -> nvmlReturn_t {
    give(milliwatts, sensor().limit_mw())
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    _device: nvmlDevice_t,
    least_mw: *mut c_uint,
    most_mw: *mut c_uint,
) -> nvmlReturn_t {
    give(least_mw, LIMITS_MW.0);
    give(most_mw, LIMITS_MW.1)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceSetPowerManagementLimit(_device: nvmlDevice_t, milliwatts: c_uint) -> nvmlReturn_t {
    let mut sensor = sensor();
    if sensor.has("no-permission") {
        return NO_PERMISSION;
    }
    if !(LIMITS_MW.0..=LIMITS_MW.1).contains(&milliwatts) {
        return INVALID_ARGUMENT;
    }
    sensor.set_limit_mw(milliwatts);
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerManagementDefaultLimit(
    _device: nvmlDevice_t,
    milliwatts: *mut c_uint,
) -> nvmlReturn_t {
    give(milliwatts, 350_000)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedMemoryClocks(
    _device: nvmlDevice_t,
    count: *mut c_uint,
    mhz: *mut c_uint,
) -> nvmlReturn_t {
    give(count, 2);
    // SAFETY: the caller's array has more elements.
    unsafe { std::slice::from_raw_parts_mut(mhz, 2) }.copy_from_slice(&[405, 5001]);
    OK
}

/// From 1500 MHz down in steps of 300, beside the fast memory clock; beside the slow one, the lowest alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetSupportedGraphicsClocks(
    _device: nvmlDevice_t,
    memory_mhz: c_uint,
    count: *mut c_uint,
    mhz: *mut c_uint,
) -> nvmlReturn_t {
    let clocks: &[c_uint] = if memory_mhz == 5001 { &[1500, 1200, 900, 600, 300] } else { &[300] };
    give(count, clocks.len() as c_uint);
    // SAFETY: the caller's array has more elements.
    unsafe { std::slice::from_raw_parts_mut(mhz, clocks.len()) }.copy_from_slice(clocks);
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceSetGpuLockedClocks(_device: nvmlDevice_t, least: c_uint, most: c_uint) -> nvmlReturn_t {
    let mut sensor = sensor();
    if sensor.has("no-permission") {
        return NO_PERMISSION;
    }
    sensor.note(&format!("locked {least} {most}"));
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceResetGpuLockedClocks(_device: nvmlDevice_t) -> nvmlReturn_t {
    sensor().note("unlocked");
    OK
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMigMode(
    _device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let divided = c_uint::from(sensor().has("mig"));
    give(current, divided);
    give(pending, divided)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPersistenceMode(_device: nvmlDevice_t, mode: *mut c_uint) -> nvmlReturn_t {
    give(mode, if sensor().has("not-persistent") { 0 } else { 1 })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetDisplayActive(_device: nvmlDevice_t, active: *mut c_uint) -> nvmlReturn_t {
    give(active, if sensor().has("display") { 1 } else { 0 })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetDisplayMode(_device: nvmlDevice_t, attached: *mut c_uint) -> nvmlReturn_t {
    let sensor = sensor();
    give(attached, c_uint::from(sensor.has("display") || sensor.has("display-off")))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(_device: nvmlDevice_t, to: *mut nvmlMemory_v2_t) -> nvmlReturn_t {
    let sensor = sensor();
    let Some(total) = sensor.number("memory") else { return NOT_SUPPORTED };
    let free = sensor.number("free").unwrap_or(total);
    // SAFETY: the caller's struct, of the version that it names.
    let info = unsafe { &mut *to };
    (info.total, info.free, info.used) = (total * 1_000_000, free * 1_000_000, (total - free) * 1_000_000);
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    _device: nvmlDevice_t,
    count: *mut c_uint,
    processes: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    let programs = sensor().number("programs").unwrap_or(0) as c_uint;
    // SAFETY: the caller says in `count` how many elements its array has, and learns there how many there are.
    unsafe {
        let room = count.replace(programs);
        if room < programs {
            return INSUFFICIENT_SIZE;
        }
        for i in 0..programs {
            let mut process: nvmlProcessInfo_t = std::mem::zeroed();
            process.pid = 4_000_000 + i; // beyond any that Linux gives by default
            processes.add(i as usize).write(process);
        }
    }
    OK
}
