//! A stand-in for AMD's Display Library (atiadlxx.dll) of two GPUs. That at 0000:03:00.0 has two displays, and so two adapters;
//! it draws 200 W while this process works, and else 60 W. That at 0000:83:00.0 draws 40 W.
//!
//! `FAKE_ADL` in the environment holds words, separated by spaces:
//!   asked              keeps no log, and answers when it is asked
//!   chip               gives the chip's power, as cards before the RX 7000
//!   processor          the GPUs share their chip with a processor
//!   stops-after=N      the log stands still after N updates
//!   slow=N             no log at fewer than N ms a reading
//!   log=PATH           the start and the end of every log go there, a line each
//!   throttled=N        bits of what holds the clock
//!   no-power, no-gpu
#![allow(non_snake_case, clippy::missing_safety_doc)]
#![expect(unsafe_code, reason = "a C library")]

mod cpu_time;

use cpu_time::cpu_s;
use std::ffi::{c_char, c_int, c_void};
use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant, SystemTime};

const OK: c_int = 0;
const NOT_INITIALISED: c_int = -2;
const INVALID_ADAPTER: c_int = -5;
const NOT_SUPPORTED: c_int = -8;

/// The bus, the vendor's number as two drivers write it, watts at rest.
const GPUS: [(c_int, c_int, u32); 2] = [(0x03, 1002, 60), (0x83, 0x1002, 40)];
/// Which GPU an adapter is of.
const ADAPTERS: [usize; 3] = [0, 0, 1];
/// Were adapters asked for that are no longer there?
static WITH_GHOSTS: AtomicBool = AtomicBool::new(false);
const CONTEXT: *mut c_void = 16 as *mut c_void;
/// The device of an adapter is its index and this.
const DEVICE: u32 = 70;
const SENSORS: usize = 256;

static WORDS: LazyLock<Vec<String>> =
    LazyLock::new(|| std::env::var("FAKE_ADL").unwrap_or_default().split_whitespace().map(str::to_owned).collect());
static LOGGING: [AtomicBool; 3] = [const { AtomicBool::new(false) }; 3];

fn has(word: &str) -> bool {
    WORDS.iter().any(|other| other == word)
}

fn number(name: &str) -> Option<u64> {
    WORDS.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

fn note(line: &str) {
    let Some(path) = WORDS.iter().find_map(|word| word.strip_prefix("log=")) else { return };
    if let Ok(mut file) = File::options().create(true).append(true).open(path) {
        let _ = writeln!(file, "{line}");
    }
}

/// The GPU of an adapter.
fn gpu(context: *mut c_void, adapter: c_int) -> Result<usize, c_int> {
    if context != CONTEXT {
        return Err(NOT_INITIALISED);
    }
    usize::try_from(adapter).ok().and_then(|adapter| ADAPTERS.get(adapter)).copied().ok_or(INVALID_ADAPTER)
}

/// Did the process work lately, for a quarter of a processor's time or more?
fn works() -> bool {
    const LATELY: Duration = Duration::from_millis(200);
    static SEEN: Mutex<Option<(Instant, f64, bool)>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(|broken| broken.into_inner());
    let (since, before_s, works) = *seen.get_or_insert_with(|| (Instant::now(), cpu_s(), false));
    if since.elapsed() < LATELY {
        return works;
    }
    let (elapsed_s, now_s) = (since.elapsed().as_secs_f64(), cpu_s());
    let works = (now_s - before_s) / elapsed_s > 0.25;
    *seen = Some((Instant::now(), now_s, works));
    works
}

/// The sensors of a GPU: number and value.
fn sensors(gpu: usize) -> Vec<(u32, u32)> {
    let watts = if gpu == 0 && works() { 200 } else { GPUS[gpu].2 };
    let mut sensors = vec![(1, 2400), (2, 1250), (8, 56), (27, 71), (35, number("throttled").unwrap_or(0) as u32)];
    if !has("no-power") {
        let chip = has("chip") || has("processor");
        sensors.push((if chip { 23 } else { 73 }, watts));
    }
    if has("processor") {
        sensors.push((33, 12));
    }
    sensors
}

/// Writes through a C caller's pointer.
fn give<T>(to: *mut T, value: T) -> c_int {
    // SAFETY: callers hand over a pointer to a T of theirs, as the C interface asks them to.
    unsafe { to.write(value) };
    OK
}

#[repr(C)]
pub struct Adapter {
    size: c_int,
    index: c_int,
    id: [c_char; 256],
    bus: c_int,
    device: c_int,
    function: c_int,
    vendor: c_int,
    name: [c_char; 256],
    display: [c_char; 256],
    present: c_int,
    exists: c_int,
    paths: [[c_char; 256]; 3],
    display_index: c_int,
}

#[repr(C)]
pub struct StartInput {
    sensors: [u16; SENSORS],
    rate_ms: u32,
    reserved: [c_int; 15],
}

#[repr(C)]
pub struct StartOutput {
    address: u64,
    reserved: [c_int; 14],
}

#[repr(C)]
pub struct Log {
    version: u32,
    rate_ms: u32,
    updated: u64,
    values: [[u32; 2]; SENSORS],
    reserved: [u32; 256],
}

#[repr(C)]
pub struct Asked {
    size: c_int,
    sensors: [[c_int; 2]; SENSORS],
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Main_Control_Create(
    _allocate: Option<extern "C" fn(c_int) -> *mut c_void>,
    present: c_int,
    context: *mut *mut c_void,
) -> c_int {
    WITH_GHOSTS.store(present == 0, Ordering::Relaxed);
    give(context, CONTEXT)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Adapter_NumberOfAdapters_Get(context: *mut c_void, count: *mut c_int) -> c_int {
    match context == CONTEXT {
        true => give(count, if has("no-gpu") { 0 } else { ADAPTERS.len() as c_int }),
        false => NOT_INITIALISED,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Adapter_AdapterInfo_Get(_context: *mut c_void, to: *mut Adapter, bytes: c_int) -> c_int {
    if bytes as usize != ADAPTERS.len() * size_of::<Adapter>() {
        return -4; // the size of a parameter
    }
    for (index, &gpu) in ADAPTERS.iter().enumerate() {
        let mut name = [0; 256];
        b"AMD Stand-in".iter().zip(&mut name).for_each(|(&byte, letter)| *letter = byte as c_char);
        let (bus, vendor, _) = GPUS[gpu];
        let adapter = Adapter {
            size: size_of::<Adapter>() as c_int,
            index: index as c_int,
            id: [0; 256],
            bus,
            device: 0,
            function: 0,
            vendor,
            name,
            display: [0; 256],
            present: 1,
            exists: c_int::from(!(WITH_GHOSTS.load(Ordering::Relaxed) && index == 0)),
            paths: [[0; 256]; 3],
            display_index: index as c_int,
        };
        // SAFETY: the caller's list has room for as many adapters as it announced.
        give(unsafe { to.add(index) }, adapter);
    }
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Adapter_ASICFamilyType_Get(
    context: *mut c_void,
    adapter: c_int,
    types: *mut c_int,
    known: *mut c_int,
) -> c_int {
    const FUSION: c_int = 1 << 5;
    match gpu(context, adapter) {
        Ok(_) => give(types, if has("processor") { FUSION } else { 1 }) | give(known, FUSION | 1),
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Adapter_PMLog_Support_Get(
    context: *mut c_void,
    adapter: c_int,
    to: *mut [u16; SENSORS],
) -> c_int {
    if has("asked") {
        return NOT_SUPPORTED;
    }
    match gpu(context, adapter) {
        Ok(gpu) => {
            let mut list = [0; SENSORS];
            sensors(gpu).iter().zip(&mut list).for_each(|(sensor, place)| *place = sensor.0 as u16);
            give(to, list)
        }
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Device_PMLog_Device_Create(
    context: *mut c_void,
    adapter: c_int,
    device: *mut u32,
) -> c_int {
    match gpu(context, adapter) {
        Ok(_) => give(device, DEVICE + adapter as u32),
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Device_PMLog_Device_Destroy(_context: *mut c_void, device: u32) -> c_int {
    if !(DEVICE..DEVICE + ADAPTERS.len() as u32).contains(&device) {
        return INVALID_ADAPTER;
    }
    note(&format!("destroy {}", device - DEVICE));
    OK
}

/// Keeps a log until it is stopped. Its memory is never freed: only whoever asked for it reads it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Adapter_PMLog_Start(
    context: *mut c_void,
    adapter: c_int,
    input: *const StartInput,
    output: *mut StartOutput,
    device: u32,
) -> c_int {
    let gpu = match gpu(context, adapter) {
        Ok(gpu) if device == DEVICE + adapter as u32 => gpu,
        Ok(_) => return INVALID_ADAPTER,
        Err(status) => return status,
    };
    // SAFETY: callers hand over a pointer to a filled struct of theirs.
    let (asked, rate_ms) = unsafe { ((*input).sensors, (*input).rate_ms) };
    let log = Log { version: 1, rate_ms, updated: 0, values: [[0; 2]; SENSORS], reserved: [0; 256] };
    let log: &'static mut Log = Box::leak(Box::new(log));
    give(output, StartOutput { address: std::ptr::from_mut(log) as u64, reserved: [0; 14] });
    LOGGING[adapter as usize].store(true, Ordering::Relaxed);
    note(&format!("start {adapter} at {rate_ms}"));
    if number("slow").is_some_and(|least_ms| u64::from(rate_ms) < least_ms) {
        return OK; // and nothing comes
    }
    std::thread::spawn(move || {
        let mut updates = 0;
        while LOGGING[adapter as usize].load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(rate_ms.into()));
            if number("stops-after").is_some_and(|most| updates >= most) {
                continue;
            }
            updates += 1;
            let mut given = sensors(gpu);
            given.retain(|sensor| asked.contains(&(sensor.0 as u16)));
            // A sensor again, and behind the end of the list what some cards leave there.
            given.extend([(1, 3), (0, 0), (73, 57_000), (23, 57_000)]);
            for (place, (sensor, value)) in log.values.iter_mut().zip(given) {
                // SAFETY: a place of the list, of which a reader takes either number whole.
                unsafe { std::ptr::from_mut(place).write_volatile([sensor, value]) };
            }
            let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            let now = 116_444_736_000_000_000 + since_1970.as_nanos() as u64 / 100;
            // SAFETY: as above.
            unsafe { (&raw mut log.updated).write_volatile(now) };
        }
    });
    OK
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_Adapter_PMLog_Stop(context: *mut c_void, adapter: c_int, _device: u32) -> c_int {
    match gpu(context, adapter) {
        Ok(_) => {
            LOGGING[adapter as usize].store(false, Ordering::Relaxed);
            note(&format!("stop {adapter}"));
            OK
        }
        Err(status) => status,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ADL2_New_QueryPMLogData_Get(context: *mut c_void, adapter: c_int, to: *mut Asked) -> c_int {
    match gpu(context, adapter) {
        // SAFETY: callers hand over a pointer to a struct of theirs that says its size.
        Ok(_) if unsafe { (*to).size } as usize != size_of::<Asked>() => -4,
        Ok(gpu) => {
            let mut table = [[0, -1]; SENSORS];
            sensors(gpu).iter().for_each(|&(sensor, value)| table[sensor as usize] = [1, value as c_int]);
            give(to, Asked { size: size_of::<Asked>() as c_int, sensors: table })
        }
        Err(status) => status,
    }
}
