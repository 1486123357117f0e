//! AMD SMI, ROCm's newer management library, which stays when ROCm SMI goes (ROCm 10.0): the energy accumulator, power in whole
//! watts, temperature, clock, and the power limit. ROCm SMI leads where both are here: it has run longer, and can also set.
//!
//! Before ROCm 7.2 the library is not safe to be called from several threads. One thread of ours opens it and alone holds its
//! functions and handles; readers ask that thread and wait for its answer.

use super::gpu_metrics::GpuMetrics;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use super::{gpu_metrics, hwmon, rocm_smi};
use crate::host::sysfs::SYS;
use crate::protocol::{PowerError, Reading};
use crate::record::{Counter, PciAddress, PowerKind, Scope, Source};
use bindings::{
    AmdSmi, amdsmi_asic_info_start_t, amdsmi_clk_info_start_t, amdsmi_power_cap_info_start_t,
    amdsmi_power_info_start_t, amdsmi_processor_handle, amdsmi_status_t, amdsmi_version_t,
};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Made by bindgen from vendor/amd_smi/amd_smi.h.
#[expect(unsafe_code, reason = "calls of a C library")]
#[allow(dead_code, non_camel_case_types, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    include!(concat!(env!("OUT_DIR"), "/amd_smi.rs"));
}

const FIX: &str = "see that amd-smi works; your user needs the render and video groups";
/// The plain name comes with development packages, the versioned ones with the library.
const NAMES: [&str; 8] = [
    "libamd_smi.so",
    "libamd_smi.so.27",
    "libamd_smi.so.26",
    "libamd_smi.so.25",
    "/opt/rocm/lib/libamd_smi.so",
    "/opt/rocm/lib/libamd_smi.so.27",
    "/opt/rocm/lib/libamd_smi.so.26",
    "/opt/rocm/lib/libamd_smi.so.25",
];
/// The library breaks its binary interface with its major version; what is called here is known to be the same in these: ROCm 6.4,
/// 7 and 10. Earlier ones come with ROCm SMI.
const UNDERSTOOD: RangeInclusive<u32> = 25..=27;

/// AMD's GPUs that ROCm knows.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(adapter.vendor == "AMD"),
    restore_limit: Some(|_, _| "sudo amd-smi reset --power-cap".into()),
    ..Interface::on_linux("amd-smi", readers)
};

/// A reader for every GPU that the library shows.
///
/// # Errors
/// There is no AMD SMI here, or one that is not understood, or it shows no GPU.
pub fn readers() -> Readers {
    let asked = asked()?;
    let mut readers = described(asked)?.into_iter().map(|gpu| AmdReader::new(asked, gpu)).collect::<Vec<_>>();
    let mut look = || -> Vec<Reading> { readers.iter_mut().map(|reader| reader.read().unwrap_or_default()).collect() };
    let (first, second) = (look(), look());
    let mut sources: Vec<Source> = readers.iter().map(|reader| reader.source.clone()).collect();
    rocm_smi::mark_shared(&mut sources, &first, &second);
    let marked = readers.into_iter().zip(sources).map(|(reader, source)| AmdReader { source, ..reader });
    Ok(marked.zip(&first).map(|(reader, first)| believed(reader, first)).collect())
}

/// The reader, or a silent one where its power cannot be true.
fn believed(reader: AmdReader, first: &Reading) -> Box<dyn PowerReader> {
    match (first.power_mw, first.energy_uj) {
        (Some(power_mw), None) if !hwmon::is_believable(reader.source.scope, power_mw) => {
            Box::new(Silent::new(reader.source, hwmon::absurd("the power that AMD SMI shows", power_mw)))
        }
        _ => Box::new(reader),
    }
}

struct AmdReader {
    source: Source,
    gpu: usize,
    gives: Gives,
    asked: &'static SyncSender<Question>,
    answer: (SyncSender<Answer<Reading>>, Receiver<Answer<Reading>>),
    /// What holds the clock down. The library's own teller (amdsmi_get_violation_status) serves MI300 and later alone and sleeps
    /// 100 ms in the call; the kernel's table tells for the others.
    metrics: Option<GpuMetrics>,
    /// The counter at the last read.
    before_uj: Option<u64>,
}

impl AmdReader {
    fn new(asked: &'static SyncSender<Question>, Described { gpu, source, gives }: Described) -> Self {
        let metrics = source.pci_address.and_then(|address| GpuMetrics::open(&folder(address)));
        AmdReader { source, gpu, gives, asked, answer: sync_channel(1), metrics, before_uj: None }
    }
}

/// Of a device in sysfs.
fn folder(address: PciAddress) -> PathBuf {
    Path::new(SYS).join(format!("bus/pci/devices/{address}"))
}

impl PowerReader for AmdReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let (sender, answer) = &self.answer;
        let question = Question::Read { gpu: self.gpu, gives: self.gives, to: sender.clone() };
        self.asked.send(question).map_err(|_| thread_ended())?;
        let reading = answer.recv().map_err(|_| thread_ended())?;
        let failed = |status| failure("reading power through AMD SMI", status);
        let reading = reading.map_err(failed)?;
        // As ROCm SMI's code, which it builds on, the library tells the counter's last value again and again when its file is gone:
        // it is believed while it moves, or while power is given with it.
        let stands = reading.energy_uj.is_some() && reading.energy_uj == self.before_uj;
        self.before_uj = reading.energy_uj;
        if stands && self.gives.power && reading.power_mw.is_none() {
            return Err(failed(bindings::AMDSMI_STATUS_NOT_FOUND));
        }
        Ok(Reading { limiters: self.metrics.as_mut().and_then(GpuMetrics::limiters), ..reading })
    }
}

/// What the library's thread is asked for, and where it answers.
enum Question {
    Describe(SyncSender<Vec<Described>>),
    Read { gpu: usize, gives: Gives, to: SyncSender<Answer<Reading>> },
}

/// A GPU and what it gives.
struct Described {
    gpu: usize,
    source: Source,
    gives: Gives,
}

/// What a first read gave. What is not there is not asked for a hundred times a second.
#[derive(Clone, Copy)]
struct Gives {
    power: bool,
    energy: bool,
    /// Which of the temperatures.
    temperature: Option<u32>,
    clock: bool,
}

/// Where the one thread of this process that calls the library takes its questions. Tried once: a second try would be a second
/// thread.
fn asked() -> Result<&'static SyncSender<Question>, PowerError> {
    static ASKED: OnceLock<Result<SyncSender<Question>, PowerError>> = OnceLock::new();
    ASKED.get_or_init(start).as_ref().map_err(Clone::clone)
}

/// Starts that thread, which lasts as long as the program.
fn start() -> Result<SyncSender<Question>, PowerError> {
    let (asked, questions) = sync_channel(64);
    let (opened, outcome) = sync_channel(1);
    let thread = std::thread::Builder::new().name("amd-smi".into()).spawn(move || match Library::open() {
        Ok(library) => {
            let _ = opened.send(Ok(()));
            questions.iter().for_each(|question| library.answer(question));
        }
        Err(error) => {
            let _ = opened.send(Err(error));
        }
    });
    thread.map_err(|error| PowerError::Failed {
        what: "starting a thread for AMD SMI".into(),
        why: error.to_string(),
        fix: "end other programs",
    })?;
    outcome.recv().map_err(|_| thread_ended())?.map(|()| asked)
}

fn described(asked: &SyncSender<Question>) -> Result<Vec<Described>, PowerError> {
    let (sender, answer) = sync_channel(1);
    asked.send(Question::Describe(sender)).map_err(|_| thread_ended())?;
    match answer.recv().map_err(|_| thread_ended())? {
        gpus if gpus.is_empty() => Err(PowerError::Absent { what: "an AMD GPU that AMD SMI knows".into(), fix: FIX }),
        gpus => Ok(gpus),
    }
}

fn thread_ended() -> PowerError {
    PowerError::Failed {
        what: "asking AMD SMI".into(),
        why: "its thread ended".into(),
        fix: "please report this with the lines above; --power names another sensor",
    }
}

fn failure(what: &str, status: amdsmi_status_t) -> PowerError {
    let what = what.to_owned();
    match status {
        bindings::AMDSMI_STATUS_NO_PERM => {
            PowerError::NoPermission { what, fix: "run as root; to read, the render and video groups will do" }
        }
        bindings::AMDSMI_STATUS_NOT_SUPPORTED | bindings::AMDSMI_STATUS_NOT_YET_IMPLEMENTED => {
            PowerError::Unsupported { what, fix: "update ROCm; some cards and virtual machines never give it" }
        }
        bindings::AMDSMI_STATUS_DRIVER_NOT_LOADED | bindings::AMDSMI_STATUS_INIT_ERROR => {
            PowerError::Absent { what: format!("an AMD GPU ({what} found none)"), fix: FIX }
        }
        bindings::AMDSMI_STATUS_FILE_ERROR | bindings::AMDSMI_STATUS_NOT_FOUND => PowerError::Failed {
            what,
            why: "a file of the driver is gone".into(),
            fix: "reset the GPU, or restart the machine",
        },
        bindings::AMDSMI_STATUS_BUSY => PowerError::Failed {
            what,
            why: "the GPU sleeps, is being reset, or is held by another program".into(),
            fix: "it wakes with the work that it gets; else end what else reads it",
        },
        status => PowerError::Failed { what, why: format!("status {status}"), fix: FIX },
    }
}

/// The library, opened. Its handles are pointers, which keeps it on the thread that opened it.
struct Library {
    smi: &'static AmdSmi,
    version: String,
    gpus: Vec<amdsmi_processor_handle>,
}

type Answer<T> = Result<T, amdsmi_status_t>;

/// Calls what the library may lack; a lacking symbol is a call that is not supported.
fn call<F: Copy>(
    symbol: &Result<F, libloading::Error>,
    run: impl FnOnce(F) -> amdsmi_status_t,
) -> Result<(), amdsmi_status_t> {
    match symbol {
        Ok(function) => match run(*function) {
            bindings::AMDSMI_STATUS_SUCCESS => Ok(()),
            status => Err(status),
        },
        Err(_) => Err(bindings::AMDSMI_STATUS_NOT_SUPPORTED),
    }
}

fn load() -> Result<AmdSmi, PowerError> {
    // SAFETY: the library's initialisation routines are those of a C++ program, and ask nothing of ours. A library of
    // another kind under this name has none of the symbols, and none is required.
    #[expect(unsafe_code, reason = "a library is opened")]
    let opened = rocm_smi::open_first(&NAMES, |name| unsafe { AmdSmi::new(name) });
    opened.map_err(|broken| match broken {
        Some(why) => PowerError::Failed {
            what: "opening AMD SMI".into(),
            why,
            fix: "install ROCm anew, whole and of one release",
        },
        None => PowerError::Absent {
            what: "AMD SMI (libamd_smi.so)".into(),
            fix: "install ROCm's amd-smi-lib; hwmon reads AMD GPUs without it",
        },
    })
}

/// The version, if what is called here is known to be in it as it is called.
fn understood(version: &amdsmi_version_t) -> Result<String, PowerError> {
    let text = format!("{}.{}.{}", version.major, version.minor, version.release);
    if UNDERSTOOD.contains(&version.major) {
        return Ok(text);
    }
    Err(PowerError::Failed {
        what: "opening AMD SMI".into(),
        why: format!("its version is {text}, and {} to {} are understood", UNDERSTOOD.start(), UNDERSTOOD.end()),
        fix: match version.major < *UNDERSTOOD.start() {
            true => "update ROCm; ROCm SMI and hwmon read these GPUs as well",
            false => "update wattmul; hwmon reads these GPUs as well",
        },
    })
}

/// domain<<16 | bus<<8 | device<<3 | function.
fn decode_address(bdf: u64) -> PciAddress {
    PciAddress {
        domain: (bdf >> 16) as u32,
        bus: (bdf >> 8 & 0xff) as u8,
        device: (bdf >> 3 & 0x1f) as u8,
        function: (bdf & 0x7) as u8,
    }
}

/// None where it is all ones, in 16 bits (as the kernel marks what a card does not give) or 32.
fn given(value: u32) -> Option<u32> {
    (value != u32::from(u16::MAX) && value != u32::MAX).then_some(value)
}

/// Milliwatts, and what they are a mean of. Since MI300, cards have the current power alone; those before it, and all Radeons, the
/// average.
fn socket_power(info: &amdsmi_power_info_start_t) -> Option<(u64, PowerKind)> {
    let current = given(info.current_socket_power).map(|watts| (watts, PowerKind::Instant));
    let average = || given(info.average_socket_power).map(|watts| (watts, PowerKind::Average));
    let (watts, kind) = current.or_else(average)?;
    Some((u64::from(watts) * 1000, kind))
}

fn watts(microwatts: u64) -> Option<f64> {
    (microwatts > 0 && microwatts != u64::MAX).then_some(microwatts as f64 * 1e-6)
}

struct Energy {
    microjoules: u64,
    resolution_uj: f64,
}

#[expect(unsafe_code, reason = "C calls that write where they are told")]
impl Library {
    /// On the thread that calls it from then on.
    fn open() -> Result<Self, PowerError> {
        // Never unloaded, not even when it is refused: what a library leaves with a thread would be called at the thread's end.
        let smi: &AmdSmi = Box::leak(Box::new(load()?));
        // Without a GPU of AMD's the library would complain on standard error, past any reporting of ours.
        if !rocm_smi::has_gpu(Path::new(SYS)) {
            return Err(PowerError::Absent {
                what: "a GPU with AMD's kernel driver and its compute part (amdkfd)".into(),
                fix: "load it with `sudo modprobe amdgpu`; hwmon reads AMD's GPUs without amdkfd",
            });
        }
        // SAFETY: the function is that of the header, and takes flags by value.
        call(&smi.amdsmi_init, |init| unsafe { init(u64::from(bindings::AMDSMI_INIT_AMD_GPUS)) })
            .map_err(|status| failure("starting AMD SMI", status))?;
        let version = version(smi).and_then(|version| understood(&version));
        if version.is_err() {
            // SAFETY: the function is that of the header, and nothing is called after it.
            let _ = call(&smi.amdsmi_shut_down, |end| unsafe { end() });
        }
        let version = version?;
        let gpus = gpus(smi).map_err(|status| failure("counting GPUs through AMD SMI", status))?;
        Ok(Library { smi, version, gpus })
    }

    fn answer(&self, question: Question) {
        // Whoever asked may have gone.
        match question {
            Question::Describe(to) => drop(to.send((0..self.gpus.len()).map(|gpu| self.describe(gpu)).collect())),
            Question::Read { gpu, gives, to } => drop(to.send(self.read(self.gpus[gpu], gives))),
        }
    }

    fn describe(&self, index: usize) -> Described {
        let gpu = self.gpus[index];
        let pci_address = self.pci_address(gpu);
        let (power, energy, limits) = (self.power(gpu), self.energy(gpu), self.power_limits_w(gpu));
        let temperatures = [bindings::AMDSMI_TEMPERATURE_TYPE_EDGE, bindings::AMDSMI_TEMPERATURE_TYPE_JUNCTION];
        let scope = pci_address.and_then(|address| hwmon::scope_at(Path::new(SYS), address));
        let narrow = pci_address.is_some_and(|address| gpu_metrics::counter_is_narrow(&folder(address)));
        let source = Source {
            api_version: Some(self.version.clone()),
            pci_address,
            counter: energy.as_ref().ok().map(|energy| counter(energy.resolution_uj, narrow)),
            power: power.ok().map(|(_, kind)| kind),
            power_limit_w: limits.0,
            default_power_limit_w: limits.1,
            ..Source::new(
                "AMD SMI",
                self.name(gpu).unwrap_or_else(|| format!("AMD GPU {index}")),
                scope.unwrap_or(Scope::Gpu),
            )
        };
        let gives = Gives {
            power: power.is_ok(),
            energy: energy.is_ok(),
            temperature: temperatures.into_iter().find(|&sensor| self.temperature_c(gpu, sensor).is_ok()),
            clock: self.clock_mhz(gpu).is_ok(),
        };
        Described { gpu: index, source, gives }
    }

    /// Allocates nothing.
    fn read(&self, gpu: amdsmi_processor_handle, gives: Gives) -> Answer<Reading> {
        let power = gives.power.then(|| self.power(gpu)).transpose();
        let energy = gives.energy.then(|| self.energy(gpu)).transpose();
        let (power, energy) = match (power, energy) {
            // A file that is gone reads as one that was never there; this one was.
            (Err(bindings::AMDSMI_STATUS_NOT_SUPPORTED), Err(_) | Ok(None))
            | (Ok(None), Err(bindings::AMDSMI_STATUS_NOT_SUPPORTED)) => return Err(bindings::AMDSMI_STATUS_NOT_FOUND),
            (Err(status), Err(_) | Ok(None)) | (Ok(None), Err(status)) => return Err(status),
            (Ok(None), Ok(None)) => return Err(bindings::AMDSMI_STATUS_NOT_SUPPORTED),
            (power, energy) => (power.unwrap_or(None), energy.unwrap_or(None)),
        };
        Ok(Reading {
            energy_uj: energy.map(|energy| energy.microjoules),
            power_mw: power.map(|(milliwatts, _)| milliwatts),
            temperature_c: gives.temperature.and_then(|sensor| self.temperature_c(gpu, sensor).ok()),
            clock_mhz: if gives.clock { self.clock_mhz(gpu).ok() } else { None },
            ..Reading::default()
        })
    }

    fn pci_address(&self, gpu: amdsmi_processor_handle) -> Option<PciAddress> {
        let mut bdf = 0;
        // SAFETY: here and below, the functions are those of the header, the handle is one that the library gave, and each
        // pointer is to a value of the announced type that outlives the call.
        call(&self.smi.amdsmi_get_gpu_device_bdf, |get| unsafe { get(gpu, &mut bdf) }).ok()?;
        Some(decode_address(bdf))
    }

    /// None also for a card that the library's list of names lacks: it gives a number then.
    fn name(&self, gpu: amdsmi_processor_handle) -> Option<String> {
        // SAFETY: the struct is of plain numbers, for which all zeros is a value; so are those below.
        let mut info: amdsmi_asic_info_start_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above; the struct has room behind for what releases append.
        call(&self.smi.amdsmi_get_gpu_asic_info, |get| unsafe { get(gpu, &mut info) }).ok()?;
        let name = info.market_name.map(|byte| byte as u8);
        let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?.to_string_lossy().trim().to_owned();
        (!name.is_empty() && !name.starts_with("0x") && name != "N/A").then_some(name)
    }

    fn power(&self, gpu: amdsmi_processor_handle) -> Answer<(u64, PowerKind)> {
        // SAFETY: as above.
        let mut info: amdsmi_power_info_start_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above, with room behind.
        call(&self.smi.amdsmi_get_power_info, |get| unsafe { get(gpu, &mut info) })?;
        socket_power(&info).ok_or(bindings::AMDSMI_STATUS_NOT_SUPPORTED)
    }

    fn energy(&self, gpu: amdsmi_processor_handle) -> Answer<Energy> {
        let (mut count, mut resolution_uj, mut nanoseconds) = (u64::MAX, 0.0, 0);
        // SAFETY: as above.
        call(&self.smi.amdsmi_get_energy_count, |get| unsafe {
            get(gpu, &mut count, &mut resolution_uj, &mut nanoseconds)
        })?;
        let resolution_uj = f64::from(resolution_uj);
        // All ones, in 64 bits or 32, is how the kernel marks what a card does not give.
        if count == u64::MAX || count == u64::from(u32::MAX) || !(resolution_uj > 0.0 && resolution_uj < 1e6) {
            return Err(bindings::AMDSMI_STATUS_NOT_SUPPORTED);
        }
        Ok(Energy { microjoules: (count as f64 * resolution_uj) as u64, resolution_uj })
    }

    /// The power limit and its default.
    fn power_limits_w(&self, gpu: amdsmi_processor_handle) -> (Option<f64>, Option<f64>) {
        // SAFETY: as above.
        let mut info: amdsmi_power_cap_info_start_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above, with room behind; the sensor of index 0 is the whole card's.
        match call(&self.smi.amdsmi_get_power_cap_info, |get| unsafe { get(gpu, 0, &mut info) }) {
            Ok(()) => (watts(info.power_cap), watts(info.default_power_cap)),
            Err(_) => (None, None),
        }
    }

    fn temperature_c(&self, gpu: amdsmi_processor_handle, sensor: u32) -> Answer<f64> {
        let mut celsius = 0;
        // SAFETY: as above.
        call(&self.smi.amdsmi_get_temp_metric, |get| unsafe {
            get(gpu, sensor, bindings::AMDSMI_TEMP_CURRENT, &mut celsius)
        })?;
        Ok(celsius as f64)
    }

    fn clock_mhz(&self, gpu: amdsmi_processor_handle) -> Answer<f64> {
        // SAFETY: as above.
        let mut info: amdsmi_clk_info_start_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above, with room behind.
        call(&self.smi.amdsmi_get_clock_info, |get| unsafe { get(gpu, bindings::AMDSMI_CLK_TYPE_GFX, &mut info) })?;
        given(info.clk).map(f64::from).ok_or(bindings::AMDSMI_STATUS_NOT_SUPPORTED)
    }
}

#[expect(unsafe_code, reason = "a C call")]
fn version(smi: &AmdSmi) -> Result<amdsmi_version_t, PowerError> {
    let mut version = amdsmi_version_t { major: 0, minor: 0, release: 0, build: std::ptr::null() };
    // SAFETY: the function is that of the header, and fills in the struct that it is given: it has one size in all versions.
    let told = call(&smi.amdsmi_get_lib_version, |get| unsafe { get(&mut version) });
    told.map(|()| version).map_err(|status| failure("reading the version of AMD SMI", status))
}

/// The GPUs in the library's order: of each socket, its processors.
#[expect(unsafe_code, reason = "C calls that fill arrays of the length that they announced")]
fn gpus(smi: &AmdSmi) -> Answer<Vec<amdsmi_processor_handle>> {
    let mut count = 0;
    // SAFETY: the functions are those of the header. Without an array they write the number alone.
    call(&smi.amdsmi_get_socket_handles, |get| unsafe { get(&mut count, std::ptr::null_mut()) })?;
    let mut sockets = vec![std::ptr::null_mut(); count as usize];
    // SAFETY: as above; the array is as long as `count` says.
    call(&smi.amdsmi_get_socket_handles, |get| unsafe { get(&mut count, sockets.as_mut_ptr()) })?;
    sockets.truncate(count as usize);
    let mut gpus = vec![];
    for socket in sockets {
        let mut count = 0;
        // SAFETY: as above; the library gave the socket's handle.
        call(&smi.amdsmi_get_processor_handles, |get| unsafe { get(socket, &mut count, std::ptr::null_mut()) })?;
        let mut processors = vec![std::ptr::null_mut(); count as usize];
        // SAFETY: as above; the array is as long as `count` says.
        call(&smi.amdsmi_get_processor_handles, |get| unsafe { get(socket, &mut count, processors.as_mut_ptr()) })?;
        processors.truncate(count as usize);
        gpus.extend(processors);
    }
    Ok(gpus)
}

/// The accumulator as it is documented. Where it has 32 bits, at 15.3 µJ a count, it starts again after 65.7 kJ.
fn counter(resolution_uj: f64, narrow: bool) -> Counter {
    let wraps_at_uj = narrow.then(|| (2f64.powi(32) * resolution_uj) as u64);
    Counter { resolution_uj: Some(resolution_uj), wraps_at_uj }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(decode_address(0x300).to_string(), "0000:03:00.0");
        assert_eq!(decode_address(0x1 << 16 | 0xc1 << 8 | 0x1f << 3 | 7).to_string(), "0001:c1:1f.7");
    }

    #[test]
    fn the_power_that_a_card_has_is_read_and_what_it_marks_as_missing_is_not() {
        let power = |current_socket_power, average_socket_power| {
            let room = [0; 100];
            socket_power(&amdsmi_power_info_start_t {
                socket_power: 0,
                current_socket_power,
                average_socket_power,
                room,
            })
        };
        assert_eq!(power(750, u32::MAX), Some((750_000, PowerKind::Instant)), "MI300");
        assert_eq!(power(0xffff, 300), Some((300_000, PowerKind::Average)), "MI210");
        assert_eq!(power(0, 0xffff), Some((0, PowerKind::Instant)), "a silent card says 0");
        assert_eq!(power(u32::MAX, 0xffff), None);
    }

    #[test]
    fn versions_whose_structs_are_not_known_are_refused_with_what_to_update() {
        let refused = |major| {
            let version = amdsmi_version_t { major, minor: 3, release: 0, build: std::ptr::null() };
            understood(&version).map_err(|error| error.to_string())
        };
        assert_eq!(refused(26), Ok("26.3.0".into()));
        assert!(refused(24).unwrap_err().contains("update ROCm"), "24 is a year there");
        let newer = refused(28).unwrap_err();
        assert!(newer.contains("28.3.0") && newer.contains("25 to 27") && newer.contains("update wattmul"), "{newer}");
    }

    #[test]
    fn a_narrow_counter_wraps() {
        assert_eq!(counter(15.3, false).wraps_at_uj, None);
        let wraps_at_j = counter(15.3, true).wraps_at_uj.unwrap() as f64 * 1e-6;
        assert!((wraps_at_j - 65_713.0).abs() < 1.0, "{wraps_at_j}");
    }

    #[test]
    fn each_failure_tells_what_to_do() {
        let told = |status| failure("reading", status);
        assert!(matches!(told(bindings::AMDSMI_STATUS_NO_PERM), PowerError::NoPermission { .. }));
        assert!(matches!(told(bindings::AMDSMI_STATUS_NOT_SUPPORTED), PowerError::Unsupported { .. }));
        assert!(matches!(told(bindings::AMDSMI_STATUS_DRIVER_NOT_LOADED), PowerError::Absent { .. }));
        assert!(told(bindings::AMDSMI_STATUS_NOT_FOUND).to_string().contains("reset the GPU"));
        assert!(told(77).to_string().contains("status 77"));
        let missing: Result<fn(), libloading::Error> = Err(libloading::Error::DlSymUnknown);
        assert_eq!(call(&missing, |_| unreachable!()), Err(bindings::AMDSMI_STATUS_NOT_SUPPORTED));
    }
}
