//! AMD's management library, from ROCm: an energy accumulator (ROCm 4.3 and later), power in µW, and what holds the clock.
//!
//! The library is opened at run time. Releases differ in their symbols, so that each may lack; what a release lacks is a
//! figure that is not given. Calls come from one thread, that which reads: counters were seen to go back when several read.
//! Setting the clock free at the end is the exception.

use super::guard::{Change, Guard, Post};
use super::hold::Hold;
use super::once::Once;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use super::{gpu_metrics, hwmon};
use crate::host::finding::{Finding, bad};
use crate::host::sysfs::{SYS, entries, read_text};
use crate::host::system::IS_STATIC;
use crate::host::visible::ListedGpu;
use crate::host::{kfd, sysfs};
use crate::protocol::{PowerError, Reading};
use crate::record::{Counter, Limiters, PciAddress, PowerKind, Scope, Source};
use bindings::{RocmSmi, rsmi_frequencies_any_t, rsmi_gpu_metrics_start_t, rsmi_status_t, rsmi_version_t};
use std::path::Path;
use std::time::Duration;

/// Made by bindgen from vendor/rocm_smi/rocm_smi.h.
#[expect(unsafe_code, reason = "calls of a C library")]
#[allow(dead_code, non_camel_case_types, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    include!(concat!(env!("OUT_DIR"), "/rocm_smi.rs"));
}

const FIX: &str = "see that rocm-smi works; your user needs the render and video groups";
/// The plain name comes with development packages, the versioned ones with the library: 7, 6 and 5 are those of ROCm's
/// releases, 1 that of distributions' builds.
const NAMES: [&str; 10] = [
    "librocm_smi64.so",
    "librocm_smi64.so.7",
    "librocm_smi64.so.6",
    "librocm_smi64.so.5",
    "librocm_smi64.so.1",
    "/opt/rocm/lib/librocm_smi64.so",
    "/opt/rocm/lib/librocm_smi64.so.7",
    "/opt/rocm/lib/librocm_smi64.so.6",
    "/opt/rocm/lib/librocm_smi64.so.5",
    "/opt/rocm/lib/librocm_smi64.so.1",
];

/// A call takes about a millisecond.
const ANSWER: Duration = Duration::from_secs(2);

/// The one ROCm SMI of this process. Readers borrow from it for as long as the program runs.
struct Library {
    smi: RocmSmi,
    version: Option<String>,
    /// Is it of ROCm 6.0 or later? The layout of frequencies and the end of the metrics changed then. Its version does not
    /// tell (distributions' builds all say 1.0.0); a call that came in the same release does.
    since_6: bool,
}

fn library() -> Result<&'static Library, PowerError> {
    static LIBRARY: Once<Library> = Once::new();
    LIBRARY.get(start)
}

fn start() -> Result<Library, PowerError> {
    let smi = open()?;
    // Without a GPU of AMD's the library would complain on standard error, past any reporting of ours.
    if !has_gpu(Path::new(SYS)) {
        return Err(PowerError::Absent {
            what: "a GPU with AMD's kernel driver and its compute part (amdkfd)".into(),
            fix: "load it with `sudo modprobe amdgpu`; hwmon reads AMD's GPUs without amdkfd",
        });
    }
    let init = call(&smi.rsmi_init, |init| {
        // SAFETY: the function is that of the header, and takes flags by value.
        #[expect(unsafe_code, reason = "a C call")]
        unsafe {
            init(bindings::RSMI_INIT_FLAG_THREAD_ONLY_MUTEX)
        }
    });
    init.map_err(|status| failure("starting ROCm SMI", status))?;
    let since_6 = smi.rsmi_dev_power_get.is_ok();
    let version = version(&smi);
    Ok(Library { smi, version, since_6 })
}

/// Does the kernel drive a GPU of AMD's, for computing too? The library looks for both in the same files.
pub(super) fn has_gpu(sys: &Path) -> bool {
    let is_amds = |card: &Path| read_text(&card.join("device/vendor")).is_some_and(|vendor| vendor == "0x1002");
    let computes = !entries(&sys.join("class/kfd/kfd/topology/nodes")).is_empty();
    computes && entries(&sys.join("class/drm")).iter().any(|card| is_amds(card))
}

/// Until ROCm 6.2 a lock in shared memory guards each device. A program that dies while it holds one leaves it to the thread
/// that starts the library next, for good: reads of every other thread then hang, and a run would wait for its sensor.
fn is_locked_for_good(library: &'static Library, count: u32) -> bool {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().name("lock".into()).spawn(move || {
        for index in 0..count {
            let _ = Device { library, index }.performance_level();
        }
        let _ = sender.send(());
    });
    thread.is_ok() && receiver.recv_timeout(ANSWER).is_err()
}

fn open() -> Result<RocmSmi, PowerError> {
    if !cfg!(target_os = "linux") {
        return Err(PowerError::Absent { what: "ROCm SMI".into(), fix: "it is for Linux alone" });
    }
    // SAFETY: the library's initialisation routines are those of a C++ program, and ask nothing of ours. A library of
    // another kind under this name has none of the symbols, and none is required.
    #[expect(unsafe_code, reason = "a library is opened")]
    let opened = open_first(&NAMES, |name| unsafe { RocmSmi::new(name) });
    opened.map_err(|broken| match broken {
        Some(why) => PowerError::Failed {
            what: "opening ROCm SMI".into(),
            why,
            fix: "install ROCm anew, whole and of one release",
        },
        None => PowerError::Absent {
            what: "ROCm SMI (librocm_smi64.so)".into(),
            fix: "install ROCm's rocm-smi-lib (Debian: apt install librocm-smi64-1); hwmon reads AMD GPUs without it",
        },
    })
}

/// The first of these libraries that opens.
///
/// # Errors
/// Why one that is here does not. None where none is here.
pub(super) fn open_first<T>(
    names: &[&str],
    open: impl Fn(&str) -> Result<T, libloading::Error>,
) -> Result<T, Option<String>> {
    let mut broken = None;
    if IS_STATIC {
        return Err(None);
    }
    for name in names {
        match open(name) {
            Ok(library) => return Ok(library),
            // The loader names the file that it misses: another one than this is a library that this one needs.
            Err(error) if !error.to_string().contains("No such file") || !error.to_string().contains(name) => {
                broken = broken.or(Some(error.to_string()));
            }
            Err(_) => {}
        }
    }
    Err(broken)
}

/// The library's own name for its release.
///
/// # Errors
/// It is not here, or does not open.
pub fn installed_version() -> Result<Option<String>, PowerError> {
    open().map(|smi| version(&smi))
}

fn version(smi: &RocmSmi) -> Option<String> {
    let mut version = rsmi_version_t { major: 0, minor: 0, patch: 0, build: std::ptr::null() };
    let result = call(&smi.rsmi_version_get, |get| {
        // SAFETY: the function is that of the header, and fills in the struct that it is given.
        #[expect(unsafe_code, reason = "a C call")]
        unsafe {
            get(&mut version)
        }
    });
    result.ok().map(|()| format!("{}.{}.{}", version.major, version.minor, version.patch))
}

/// Calls what the library may lack; a lacking symbol is a call that is not supported.
fn call<F: Copy>(
    symbol: &Result<F, libloading::Error>,
    run: impl FnOnce(F) -> rsmi_status_t,
) -> Result<(), rsmi_status_t> {
    match symbol {
        Ok(function) => match run(*function) {
            bindings::RSMI_STATUS_SUCCESS => Ok(()),
            status => Err(status),
        },
        Err(_) => Err(bindings::RSMI_STATUS_NOT_SUPPORTED),
    }
}

fn failure(what: &str, status: rsmi_status_t) -> PowerError {
    let what = what.to_owned();
    match status {
        bindings::RSMI_STATUS_PERMISSION => {
            PowerError::NoPermission { what, fix: "run as root; to read, the render and video groups will do" }
        }
        bindings::RSMI_STATUS_NOT_SUPPORTED | bindings::RSMI_STATUS_NOT_YET_IMPLEMENTED => {
            PowerError::Unsupported { what, fix: "update ROCm; some cards and virtual machines never give it" }
        }
        bindings::RSMI_STATUS_INIT_ERROR => {
            PowerError::Absent { what: format!("an AMD GPU ({what} found none)"), fix: FIX }
        }
        bindings::RSMI_STATUS_FILE_ERROR | bindings::RSMI_STATUS_NOT_FOUND => PowerError::Failed {
            what,
            why: "a file of the driver is gone".into(),
            fix: "reset the GPU, or restart the machine",
        },
        bindings::RSMI_STATUS_BUSY => PowerError::Failed {
            what,
            why: "the GPU sleeps, is being reset, or is held by another program".into(),
            fix: "it wakes with the work that it gets; else end what else reads it",
        },
        status => PowerError::Failed { what, why: format!("status {status}"), fix: FIX },
    }
}

/// AMD's GPUs that ROCm knows.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(adapter.vendor == VENDOR),
    examine: || programs(Path::new(SYS)).into_iter().collect(),
    restore_limit: Some(|_, _| "sudo rocm-smi --resetpoweroverdrive".into()),
    counts: Some((VENDOR, counted)),
    ..Interface::on_linux("rocm-smi", readers)
};

const VENDOR: &str = "AMD";

/// As ROCm's runtime counts them.
fn counted() -> Result<Vec<ListedGpu>, String> {
    match kfd::gpus(Path::new(SYS)) {
        gpus if gpus.is_empty() => Err("AMD's compute driver (amdkfd) shows no GPU".into()),
        gpus => Ok(gpus),
    }
}

/// Programs that compute on AMD's GPUs, which the kernel lists by process.
fn programs(sys: &Path) -> Option<Finding> {
    let own = std::process::id().to_string();
    let names = entries(&sys.join("class/kfd/kfd/proc"));
    let others = names.iter().filter_map(|path| sysfs::name(path)).filter(|name| *name != own).count();
    let fix = "`rocm-smi --showpids` lists them; end them before a run";
    (others > 0).then(|| bad("programs", format!("other programs on AMD's GPUs: {others}"), fix))
}

/// A reader for every GPU that the library shows.
///
/// # Errors
/// There is no ROCm SMI here, or it shows no GPU.
pub fn readers() -> Readers {
    let library = library()?;
    let mut count = 0;
    let counted = call(&library.smi.rsmi_num_monitor_devices, |get| {
        // SAFETY: the function is that of the header, and writes one number.
        #[expect(unsafe_code, reason = "a C call")]
        unsafe {
            get(&mut count)
        }
    });
    counted.map_err(|status| failure("counting GPUs through ROCm SMI", status))?;
    if count == 0 {
        return Err(PowerError::Absent { what: "an AMD GPU that ROCm SMI knows".into(), fix: FIX });
    }
    if is_locked_for_good(library, count) {
        return Err(PowerError::Failed {
            what: "reading through ROCm SMI".into(),
            why: "a program that ended in the middle of a read left its lock".into(),
            fix: "end what uses ROCm SMI, then: sudo rm /dev/shm/rocm_smi_card*",
        });
    }
    let mut readers: Vec<RocmReader> = (0..count).map(|index| RocmReader::open(library, index)).collect();
    let mut look = || -> Vec<Reading> { readers.iter_mut().map(|reader| reader.read().unwrap_or_default()).collect() };
    let (first, second) = (look(), look());
    let mut sources: Vec<Source> = readers.iter().map(|reader| reader.source.clone()).collect();
    mark_shared(&mut sources, &first, &second);
    readers.iter_mut().zip(sources).for_each(|(reader, source)| reader.source = source);
    Ok(readers.into_iter().zip(&first).map(|(reader, first)| believed(reader, first)).collect())
}

/// The reader, or a silent one where its power cannot be true.
fn believed(reader: RocmReader, first: &Reading) -> Box<dyn PowerReader> {
    match (first.power_mw, first.energy_uj) {
        (Some(power_mw), None) if !hwmon::is_believable(reader.source.scope, power_mw) => {
            Box::new(Silent::new(reader.source, hwmon::absurd("the power that ROCm SMI shows", power_mw)))
        }
        _ => Box::new(reader),
    }
}

/// Marks the sensors whose figures hold other devices' power as well. All were read in turn, twice.
pub(super) fn mark_shared(sources: &mut [Source], first: &[Reading], second: &[Reading]) {
    let unmarked = sources.to_vec();
    for (i, source) in sources.iter_mut().enumerate() {
        let others = (0..unmarked.len()).filter(|&j| share(&unmarked, first, second, i, j));
        source.shared_with = others.filter_map(|j| unmarked[j].pci_address).collect();
        if !source.shared_with.is_empty() {
            source.scope = Scope::Board;
        }
    }
}

/// Is the power of device `j` in the figures of device `i` too? On a card of two dies both may show one counter; on the MI250
/// the first die reports for both, and the second one nothing. All were read in turn, twice.
fn share(sources: &[Source], first: &[Reading], second: &[Reading], i: usize, j: usize) -> bool {
    // The later of the two, read between two looks at the earlier one, shows a count between those: by chance alone that is
    // a matter of a few in billions.
    let (a, b) = (i.min(j), i.max(j));
    let counts = first[a].energy_uj.zip(first[b].energy_uj).zip(second[a].energy_uj);
    let one_counter = counts.is_some_and(|((a, b), a_again)| b > 0 && (a..=a_again).contains(&b));
    let silent =
        |reading: &Reading| [reading.power_mw, reading.energy_uj].into_iter().flatten().all(|value| value == 0);
    let dies = [i, j].iter().all(|&at| sources[at].device.contains("MI250"));
    i != j && (one_counter || (dies && j == i + 1 && !silent(&first[i]) && silent(&first[j])))
}

struct RocmReader {
    source: Source,
    device: Device,
    gives: Gives,
    /// The counter and its time at the last read.
    before: Option<(u64, Option<f64>)>,
}

/// What a first read gave. What is not there is not asked for a hundred times a second.
struct Gives {
    power: bool,
    energy: bool,
    /// Which of the temperatures.
    temperature: Option<u32>,
    clock: bool,
    limiters: bool,
}

impl RocmReader {
    fn open(library: &'static Library, index: u32) -> Self {
        let device = Device { library, index };
        let pci_address = device.pci_address();
        let metrics = device.metrics();
        let power = device.power();
        let energy = device.energy();
        let temperatures = [bindings::RSMI_TEMP_TYPE_EDGE, bindings::RSMI_TEMP_TYPE_JUNCTION];
        let name = device.name().unwrap_or_else(|| format!("AMD GPU {index}"));
        let scope = pci_address.and_then(|address| hwmon::scope_at(Path::new(SYS), address));
        let source = Source {
            api_version: library.version.clone(),
            pci_address,
            counter: energy.ok().map(|energy| counter(energy.resolution_uj, metrics.as_ref())),
            power: power.ok().map(|(_, kind)| kind),
            power_limit_w: device.power_cap_w(),
            default_power_limit_w: device.default_power_cap_w(),
            ..Source::new("ROCm SMI", name, scope.unwrap_or(Scope::Gpu))
        };
        let gives = Gives {
            power: power.is_ok(),
            energy: energy.is_ok(),
            temperature: temperatures.into_iter().find(|&sensor| device.temperature_c(sensor).is_ok()),
            clock: device.frequencies().is_ok(), // asleep, a card lists clocks of which none is in force
            limiters: library.since_6 && metrics.as_ref().and_then(limiters).is_some(),
        };
        RocmReader { source, device, gives, before: None }
    }
}

/// The accumulator as it is documented. Where the GPU's table of metrics is of the first version it has 32 bits: at 15.3 µJ a
/// count it starts again after 65.7 kJ.
fn counter(resolution_uj: f64, metrics: Option<&rsmi_gpu_metrics_start_t>) -> Counter {
    let narrow = metrics.is_some_and(|metrics| (metrics.format_revision, metrics.content_revision) == (1, 0));
    Counter { resolution_uj: Some(resolution_uj), wraps_at_uj: narrow.then(|| (2f64.powi(32) * resolution_uj) as u64) }
}

/// What holds the clock down, in metrics of version 1.3 alone, which most cards of RDNA 2 and 3, and MI100 and MI200 have.
fn limiters(metrics: &rsmi_gpu_metrics_start_t) -> Option<Limiters> {
    let tells = (metrics.format_revision, metrics.content_revision) == (1, 3);
    if tells { gpu_metrics::of_status(metrics.indep_throttle_status) } else { None }
}

/// domain<<32 | partition<<28 | bus<<8 | device<<3 | function.
fn decode_address(id: u64) -> PciAddress {
    PciAddress {
        domain: (id >> 32) as u32,
        bus: (id >> 8 & 0xff) as u8,
        device: (id >> 3 & 0x1f) as u8,
        function: (id & 0x7) as u8,
    }
}

/// The clocks that a card lists.
struct Clocks<'a> {
    hertz: &'a [u64],
    /// Index of the one in force; past the end where none is.
    current: usize,
    /// The first is that of sleep, and the levels count from the second.
    sleeps: bool,
}

#[expect(unsafe_code, reason = "a union of two layouts")]
fn clocks(frequencies: &rsmi_frequencies_any_t, since_6: bool) -> Clocks<'_> {
    // SAFETY: both members are plain numbers, for which any bits are a value, and the union was zeroed before the call.
    let (list, count, current, sleeps): (&[u64], u32, u32, bool) = unsafe {
        match since_6 {
            true => {
                let since_6 = &frequencies.since_6;
                (&since_6.frequency, since_6.num_supported, since_6.current, since_6.has_deep_sleep != 0)
            }
            false => {
                let before_6 = &frequencies.before_6;
                (&before_6.frequency, before_6.num_supported, before_6.current, false)
            }
        }
    };
    Clocks { hertz: &list[..list.len().min(count as usize)], current: current as usize, sleeps }
}

/// The number of the level at which the card's clock is `mhz`. Cards that step finely (RDNA, MI200) list three: the lowest, the
/// present and the highest clock, of which the present one is no level.
fn level_at(clocks: &Clocks, mhz: u32) -> Option<usize> {
    let levels = &clocks.hertz[usize::from(clocks.sleeps).min(clocks.hertz.len())..];
    let level = levels.iter().position(|&hertz| hertz == u64::from(mhz) * 1_000_000)?;
    (levels.len() > 3 || level == 0 || level == levels.len() - 1).then_some(level)
}

/// The clocks in MHz at which a card can be held: its levels; between the ends of one that steps finely, anything where the card
/// takes a limit for its clock (`any_mhz`), and nothing where it does not.
fn can_hold(clocks: &Clocks, any_mhz: bool) -> Vec<u32> {
    let levels = &clocks.hertz[usize::from(clocks.sleeps).min(clocks.hertz.len())..];
    let mut mhz: Vec<u32> = levels.iter().map(|hertz| (hertz / 1_000_000) as u32).collect();
    mhz.sort_unstable();
    match mhz[..] {
        [least, _, most] if any_mhz => (least..=most).collect(),
        [least, _, most] => vec![least, most],
        _ => mhz,
    }
}

/// Does a card take a limit for its clock? MI200 and later do (gfx 9); RDNA (gfx 10 and later) lists three levels as well, and
/// refuses. Where the compute driver does not tell, it is tried.
fn takes_a_limit(sys: &Path, address: Option<PciAddress>) -> bool {
    address.and_then(|address| kfd::target_version(sys, address)).is_none_or(|version| version < 100_000)
}

/// One GPU's calls, each with the status that the library gave instead of a value.
#[derive(Clone, Copy)]
struct Device {
    library: &'static Library,
    index: u32,
}

#[derive(Clone, Copy)]
struct Energy {
    microjoules: u64,
    resolution_uj: f64,
    time_s: Option<f64>,
}

type Answer<T> = Result<T, rsmi_status_t>;

#[expect(unsafe_code, reason = "C calls that write where they are told")]
impl Device {
    fn pci_address(self) -> Option<PciAddress> {
        let mut id = 0;
        // SAFETY: here and below, the functions are those of the header, the index is one that the library counted, and
        // each pointer is to a value of the announced type that outlives the call.
        call(&self.library.smi.rsmi_dev_pci_id_get, |get| unsafe { get(self.index, &mut id) }).ok()?;
        Some(decode_address(id))
    }

    /// None also for a card that the library's list of names lacks: it gives a number then.
    fn name(self) -> Option<String> {
        let mut name = [0u8; 256];
        // SAFETY: as above; the buffer has the announced length.
        let get = |get: unsafe extern "C" fn(u32, *mut std::ffi::c_char, usize) -> u32| unsafe {
            get(self.index, name.as_mut_ptr().cast(), name.len())
        };
        call(&self.library.smi.rsmi_dev_name_get, get).ok()?;
        let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?.to_string_lossy().trim().to_owned();
        (!name.is_empty() && !name.starts_with("0x")).then_some(name)
    }

    /// Milliwatts, and what they are a mean of.
    fn power(self) -> Answer<(u64, PowerKind)> {
        let (mut microwatts, mut kind) = (0, bindings::RSMI_AVERAGE_POWER);
        let smi = &self.library.smi;
        // SAFETY: as above.
        call(&smi.rsmi_dev_power_get, |get| unsafe { get(self.index, &mut microwatts, &mut kind) })
            // SAFETY: as above; the sensor of index 0 is the only one.
            .or_else(|_| call(&smi.rsmi_dev_power_ave_get, |get| unsafe { get(self.index, 0, &mut microwatts) }))?;
        let kind = match kind {
            bindings::RSMI_CURRENT_POWER => PowerKind::Instant,
            _ => PowerKind::Average,
        };
        if microwatts == u64::MAX { Err(bindings::RSMI_STATUS_NOT_SUPPORTED) } else { Ok((microwatts / 1000, kind)) }
    }

    fn energy(self) -> Answer<Energy> {
        let (mut count, mut resolution_uj, mut nanoseconds) = (u64::MAX, 0.0, u64::MAX);
        // SAFETY: as above.
        call(&self.library.smi.rsmi_dev_energy_count_get, |get| unsafe {
            get(self.index, &mut count, &mut resolution_uj, &mut nanoseconds)
        })?;
        let resolution_uj = f64::from(resolution_uj);
        // All ones, in 64 bits or 32, is how the kernel marks what a card does not give.
        if count == u64::MAX || count == u64::from(u32::MAX) || !(resolution_uj > 0.0 && resolution_uj < 1e6) {
            return Err(bindings::RSMI_STATUS_NOT_SUPPORTED);
        }
        Ok(Energy {
            microjoules: (count as f64 * resolution_uj) as u64,
            resolution_uj,
            time_s: (nanoseconds != 0 && nanoseconds != u64::MAX).then_some(nanoseconds as f64 * 1e-9),
        })
    }

    fn temperature_c(self, sensor: u32) -> Answer<f64> {
        let mut millidegrees = 0;
        // SAFETY: as above.
        call(&self.library.smi.rsmi_dev_temp_metric_get, |get| unsafe {
            get(self.index, sensor, bindings::RSMI_TEMP_CURRENT, &mut millidegrees)
        })?;
        Ok(millidegrees as f64 / 1000.0)
    }

    fn frequencies(self) -> Answer<rsmi_frequencies_any_t> {
        // SAFETY: the union is of plain numbers, for which all zeros is a value.
        let mut frequencies: rsmi_frequencies_any_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above; the union has room for the layout of any release.
        call(&self.library.smi.rsmi_dev_gpu_clk_freq_get, |get| unsafe {
            get(self.index, bindings::RSMI_CLK_TYPE_SYS, &mut frequencies)
        })?;
        Ok(frequencies)
    }

    fn clock_mhz(self) -> Answer<f64> {
        let frequencies = self.frequencies()?;
        let Clocks { hertz, current, .. } = clocks(&frequencies, self.library.since_6);
        hertz.get(current).map(|&hertz| hertz as f64 * 1e-6).ok_or(bindings::RSMI_STATUS_NOT_SUPPORTED)
    }

    fn metrics(self) -> Option<rsmi_gpu_metrics_start_t> {
        // SAFETY: the struct is of plain numbers, for which all zeros is a value.
        let mut metrics: rsmi_gpu_metrics_start_t = unsafe { std::mem::zeroed() };
        // SAFETY: as above; the struct has room behind for what releases append.
        call(&self.library.smi.rsmi_dev_gpu_metrics_info_get, |get| unsafe { get(self.index, &mut metrics) }).ok()?;
        Some(metrics)
    }

    fn power_cap_uw(self) -> Answer<u64> {
        let mut microwatts = 0;
        // SAFETY: as above.
        call(&self.library.smi.rsmi_dev_power_cap_get, |get| unsafe { get(self.index, 0, &mut microwatts) })?;
        Ok(microwatts)
    }

    fn power_cap_w(self) -> Option<f64> {
        watts(self.power_cap_uw().ok()?)
    }

    /// The lowest and the highest.
    fn power_cap_range_uw(self) -> Answer<(u64, u64)> {
        let (mut most, mut least) = (0, 0);
        // SAFETY: as above.
        call(&self.library.smi.rsmi_dev_power_cap_range_get, |get| unsafe {
            get(self.index, 0, &mut most, &mut least)
        })?;
        Ok((least, most))
    }

    fn set_power_cap(self, microwatts: u64) -> Answer<()> {
        // SAFETY: as above; all arguments are values.
        call(&self.library.smi.rsmi_dev_power_cap_set, |set| unsafe { set(self.index, 0, microwatts) })
    }

    fn default_power_cap_w(self) -> Option<f64> {
        let mut microwatts = 0;
        // SAFETY: as above.
        call(&self.library.smi.rsmi_dev_power_cap_default_get, |get| unsafe { get(self.index, &mut microwatts) })
            .ok()?;
        watts(microwatts)
    }

    fn performance_level(self) -> Answer<u32> {
        let mut level = 0;
        // SAFETY: as above.
        call(&self.library.smi.rsmi_dev_perf_level_get, |get| unsafe { get(self.index, &mut level) })?;
        Ok(level)
    }

    fn set_performance_level(self, level: u32) -> Answer<()> {
        // SAFETY: as above; both arguments are values.
        call(&self.library.smi.rsmi_dev_perf_level_set_v1, |set| unsafe { set(self.index, level) })
    }

    /// Holds the clock at one of the levels that the card lists.
    fn set_clock_level(self, level: usize) -> Answer<()> {
        // SAFETY: as above; all arguments are values.
        call(&self.library.smi.rsmi_dev_gpu_clk_freq_set, |set| unsafe {
            set(self.index, bindings::RSMI_CLK_TYPE_SYS, 1 << level)
        })
    }

    /// Limits the clock for runs that repeat: MI200 and later.
    fn set_determinism(self, mhz: u32) -> Answer<()> {
        // SAFETY: as above; both arguments are values.
        call(&self.library.smi.rsmi_perf_determinism_mode_set, |set| unsafe { set(self.index, u64::from(mhz)) })
    }
}

/// Why what was given at first is not any more. A file that is gone reads as one that was never there; this one was.
fn gone(status: rsmi_status_t) -> PowerError {
    let gone = status == bindings::RSMI_STATUS_NOT_SUPPORTED;
    failure("reading power through ROCm SMI", if gone { bindings::RSMI_STATUS_NOT_FOUND } else { status })
}

/// Lets the driver choose the clock again.
fn free(device: Device) -> Result<(), PowerError> {
    let what = "freeing the clock through ROCm SMI (`rocm-smi --setperflevel auto` does the same)";
    device.set_performance_level(bindings::RSMI_DEV_PERF_LEVEL_AUTO).map_err(|status| failure(what, status))
}

fn limiting(microwatts: u64) -> String {
    let watts = microwatts as f64 * 1e-6;
    format!("setting the power limit back through ROCm SMI (`sudo rocm-smi --setpoweroverdrive {watts}` does the same)")
}

/// No device takes more.
const MOST_CAP_W: u32 = 10_000;

/// A sensor as `--power` names it.
fn sensor(address: PciAddress) -> String {
    format!("rocm-smi:{address}")
}

fn watts(microwatts: u64) -> Option<f64> {
    (microwatts > 0 && microwatts != u64::MAX).then_some(microwatts as f64 * 1e-6)
}

impl PowerReader for RocmReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let (device, gives) = (self.device, &self.gives);
        let power = gives.power.then(|| device.power()).transpose();
        let energy = gives.energy.then(|| device.energy()).transpose();
        let now = energy.ok().flatten().map(|energy| (energy.microjoules, energy.time_s));
        // ROCm 6 tells the counter's last value again and again when its file is gone: it is believed while it moves, or
        // while power is given with it.
        let stands = now.is_none() || now == self.before;
        self.before = now;
        let (power, energy) = match (power, energy) {
            (Err(status), _) if stands => return Err(gone(status)),
            (Ok(None), Err(status)) => return Err(gone(status)),
            (Ok(None), Ok(None)) => {
                let what = "reading power through ROCm SMI";
                return Err(failure(what, bindings::RSMI_STATUS_NOT_SUPPORTED));
            }
            (power, energy) => (power.unwrap_or(None), energy.unwrap_or(None)),
        };
        Ok(Reading {
            energy_uj: energy.map(|energy| energy.microjoules),
            power_mw: power.map(|(milliwatts, _)| milliwatts),
            temperature_c: gives.temperature.and_then(|sensor| device.temperature_c(sensor).ok()),
            clock_mhz: if gives.clock { device.clock_mhz().ok() } else { None },
            limiters: if gives.limiters { device.metrics().as_ref().and_then(limiters) } else { None },
            ..Reading::default()
        })
    }

    fn supported_clocks(&self) -> Result<Vec<u32>, PowerError> {
        let device = self.device;
        let frequencies =
            device.frequencies().map_err(|status| failure("listing the clocks through ROCm SMI", status))?;
        let any_mhz = takes_a_limit(Path::new(SYS), self.source.pci_address);
        Ok(can_hold(&clocks(&frequencies, device.library.since_6), any_mhz))
    }

    fn lock_clock(&mut self, mhz: u32) -> Result<Hold, PowerError> {
        let device = self.device;
        let what = format!("locking the clock of {} at {mhz} MHz", self.source.device);
        let failed = |status| match status {
            bindings::RSMI_STATUS_PERMISSION => {
                PowerError::NoPermission { what: what.clone(), fix: "run wattmul as root, or leave out --lock-clock" }
            }
            bindings::RSMI_STATUS_NOT_SUPPORTED | bindings::RSMI_STATUS_INVALID_ARGS => PowerError::Unsupported {
                what: what.clone(),
                fix: "`rocm-smi --showclkfrq` lists the clocks that this GPU can be held at",
            },
            status => failure(&what, status),
        };
        let post = self.source.pci_address.map(|address| Post::of(sensor(address))).transpose()?;
        // Someone who holds the clock already would find it free after the run.
        if device.performance_level().map_err(failed)? != bindings::RSMI_DEV_PERF_LEVEL_AUTO {
            return Err(PowerError::Unsupported {
                what: format!("{what} while it is held already"),
                fix: "free it first with `rocm-smi --setperflevel auto`, or leave out --lock-clock",
            });
        }
        // An exact level where the card lists one; else a limit that its load will run into.
        let frequencies = device.frequencies().map_err(failed)?;
        let level = level_at(&clocks(&frequencies, device.library.since_6), mhz);
        if level.is_none() && !takes_a_limit(Path::new(SYS), self.source.pci_address) {
            return Err(PowerError::Unsupported {
                what,
                fix: "this card holds its lowest and its highest clock alone (`rocm-smi --showclkfrq`): name one of these",
            });
        }
        // From here on something may have been changed, even where a call fails half-way.
        let guard = post.and_then(|post| Guard::start(post, Change::Clock));
        let lock = Hold::new("the clock", guard, move || free(device));
        match level {
            Some(level) => device.set_clock_level(level),
            None => device.set_determinism(mhz),
        }
        .map_err(failed)?;
        Ok(lock)
    }

    fn free_clock(&mut self) -> Result<(), PowerError> {
        free(self.device)
    }

    fn supported_power_limits(&self) -> Result<Vec<u32>, PowerError> {
        let range = self.device.power_cap_range_uw();
        let (least_uw, most_uw) =
            range.map_err(|status| failure("reading the range of power limits through ROCm SMI", status))?;
        let watts = |microwatts: u64| u32::try_from(microwatts / 1_000_000).unwrap_or(u32::MAX).min(MOST_CAP_W);
        Ok((watts(least_uw.saturating_add(999_999))..=watts(most_uw)).filter(|&watts| watts > 0).collect())
    }

    fn limit_power(&mut self, watts: u32) -> Result<Hold, PowerError> {
        let device = self.device;
        let what = || format!("limiting the power of {} to {watts} W", self.source.device);
        let failed = |status| match status {
            bindings::RSMI_STATUS_PERMISSION => PowerError::NoPermission {
                what: what(),
                fix: "run wattmul as root, or set it yourself before each run: sudo rocm-smi --setpoweroverdrive WATTS",
            },
            bindings::RSMI_STATUS_NOT_SUPPORTED | bindings::RSMI_STATUS_INVALID_ARGS => PowerError::Unsupported {
                what: what(),
                fix: "`rocm-smi --showmaxpower` tells the highest limit that this GPU takes",
            },
            status => failure(&what(), status),
        };
        let post = self.source.pci_address.map(|address| Post::of(sensor(address))).transpose()?;
        // Now that no guard is about to change it. The library counts in µW, the driver in whole watts.
        let before_uw = device.power_cap_uw().map_err(failed)?;
        let guard = post.and_then(|post| Guard::start(post, Change::PowerLimit { before_mw: before_uw / 1000 }));
        let asked_uw = u64::from(watts) * 1_000_000;
        device.set_power_cap(asked_uw).map_err(failed)?;
        let hold = Hold::new("the power limit", guard, move || {
            device.set_power_cap(before_uw).map_err(|status| failure(&limiting(before_uw), status))
        });
        match device.power_cap_uw() {
            Ok(now_uw) if now_uw != asked_uw => Err(PowerError::Failed {
                what: what(),
                why: format!("the driver made it {} W", now_uw as f64 * 1e-6),
                fix: "name another limit: `rocm-smi --showmaxpower` tells the highest",
            }),
            _ => {
                self.source.power_limit_w = Some(watts.into());
                Ok(hold)
            }
        }
    }

    fn set_power_limit(&mut self, milliwatts: u64) -> Result<(), PowerError> {
        let microwatts = milliwatts.saturating_mul(1000);
        self.device.set_power_cap(microwatts).map_err(|status| failure(&limiting(microwatts), status))
    }
}

#[cfg(test)]
mod tests {
    use super::bindings::{rsmi_frequencies_5_t, rsmi_frequencies_6_t};
    use super::*;
    use crate::record::Limiter;

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(decode_address(0x300).to_string(), "0000:03:00.0");
        assert_eq!(decode_address(0x8300).to_string(), "0000:83:00.0");
        let partition = 5 << 28;
        assert_eq!(decode_address(0x1_0000_0000 | partition | 0xc1 << 8 | 0x1f << 3 | 7).to_string(), "0001:c1:1f.7");
    }

    #[test]
    fn both_layouts_of_clocks_are_read() {
        let mut frequency = [0; 32];
        frequency[..3].copy_from_slice(&[500_000_000, 1_500_000_000, 2_575_000_000]);
        let before_6 =
            rsmi_frequencies_any_t { before_6: rsmi_frequencies_5_t { num_supported: 3, current: 1, frequency } };
        let Clocks { hertz, current, sleeps } = clocks(&before_6, false);
        assert_eq!((hertz.len(), hertz[current], sleeps), (3, 1_500_000_000, false));

        let mut frequency = [0; 33];
        frequency[..2].copy_from_slice(&[19_000_000, 800_000_000]);
        let mut newer = rsmi_frequencies_6_t { has_deep_sleep: 1, num_supported: 2, current: 34, frequency };
        let since_6 = rsmi_frequencies_any_t { since_6: newer };
        let Clocks { hertz, current, sleeps } = clocks(&since_6, true);
        assert_eq!((hertz, hertz.get(current), sleeps), (&frequency[..2], None, true), "none is in force");
        newer.num_supported = u32::MAX;
        assert_eq!(
            clocks(&rsmi_frequencies_any_t { since_6: newer }, true).hertz.len(),
            33,
            "nonsense stays in bounds"
        );
    }

    #[test]
    fn a_clock_is_locked_at_a_level_and_never_at_the_present_one() {
        let at = |hertz: &[u64], sleeps, mhz| level_at(&Clocks { hertz, current: 1, sleeps }, mhz);
        let fine = [500_000_000, 1_500_000_000, 2_575_000_000];
        assert_eq!([500, 1500, 2575, 1000].map(|mhz| at(&fine, false, mhz)), [Some(0), None, Some(2), None]);
        let coarse = [19_000_000, 300_000_000, 800_000_000, 1_200_000_000, 1_500_000_000];
        assert_eq!([300, 1200, 19].map(|mhz| at(&coarse, true, mhz)), [Some(0), Some(2), None]);
        assert_eq!(at(&[], true, 0), None);
        let held = |hertz: &[u64], sleeps, any_mhz| can_hold(&Clocks { hertz, current: 1, sleeps }, any_mhz);
        assert_eq!(held(&fine, false, true), (500..=2575).collect::<Vec<_>>());
        assert_eq!(held(&fine, false, false), [500, 2575], "RDNA holds its ends alone");
        assert_eq!(held(&coarse, true, false), [300, 800, 1200, 1500]);
        assert_eq!(held(&[], true, true), [0; 0]);
    }

    #[test]
    fn only_cards_that_refuse_are_not_asked_for_any_clock() {
        let sys = tempfile::tempdir().unwrap();
        for (number, bus, version) in [(1, 3, "100300"), (2, 4, "90010"), (3, 5, "110000")] {
            let node = sys.path().join(format!("class/kfd/kfd/topology/nodes/{number}"));
            std::fs::create_dir_all(&node).unwrap();
            std::fs::write(node.join("gpu_id"), "7\n").unwrap();
            let location = bus << 8;
            let text = format!("location_id {location}\ngfx_target_version {version}\n");
            std::fs::write(node.join("properties"), text).unwrap();
        }
        let takes = |address: &str| takes_a_limit(sys.path(), Some(address.parse().unwrap()));
        assert_eq!(["03:00.0", "04:00.0", "05:00.0", "06:00.0"].map(takes), [false, true, false, true]);
        assert!(takes_a_limit(sys.path(), None));
    }

    #[test]
    fn without_a_gpu_of_amds_the_library_is_not_asked() {
        let sys = tempfile::tempdir().unwrap();
        assert!(!has_gpu(sys.path()));
        let nodes = sys.path().join("class/kfd/kfd/topology/nodes");
        std::fs::create_dir_all(nodes.join("0")).unwrap();
        for (card, vendor, has) in [("card0", "0x8086\n", false), ("card1", "0x1002\n", true)] {
            let device = sys.path().join("class/drm").join(card).join("device");
            std::fs::create_dir_all(&device).unwrap();
            std::fs::write(device.join("vendor"), vendor).unwrap();
            assert_eq!(has_gpu(sys.path()), has, "{card}");
        }
        std::fs::remove_dir_all(&nodes).unwrap();
        assert!(!has_gpu(sys.path()), "without amdkfd it starts for no GPU");
    }

    fn metrics(revision: u8, status: u64) -> rsmi_gpu_metrics_start_t {
        // SAFETY: a struct of plain numbers, for which all zeros is a value.
        #[expect(unsafe_code, reason = "zeros for a long struct")]
        let mut metrics: rsmi_gpu_metrics_start_t = unsafe { std::mem::zeroed() };
        (metrics.format_revision, metrics.content_revision, metrics.indep_throttle_status) = (1, revision, status);
        metrics
    }

    #[test]
    fn throttlers_are_told_where_the_metrics_hold_them() {
        let set = |status| limiters(&metrics(3, status)).map(|set| set.iter().collect::<Vec<_>>());
        assert_eq!(set(0), Some(vec![]));
        assert_eq!(set(1), Some(vec![Limiter::PowerCap]));
        assert_eq!(set(1 << 36 | 1 << 16), Some(vec![Limiter::PowerCap, Limiter::Thermal]));
        assert_eq!(set(1 << 47), Some(vec![Limiter::Hardware]));
        assert_eq!(set(u64::MAX), None, "marked as not given");
        assert_eq!(limiters(&metrics(4, 0)), None, "another table");
    }

    #[test]
    fn the_first_tables_counter_is_narrow() {
        assert_eq!(counter(15.3, Some(&metrics(3, 0))).wraps_at_uj, None);
        assert_eq!(counter(15.3, None).wraps_at_uj, None);
        let wraps_at_j = counter(15.3, Some(&metrics(0, 0))).wraps_at_uj.unwrap() as f64 * 1e-6;
        assert!((wraps_at_j - 65_713.0).abs() < 1.0, "{wraps_at_j}");
    }

    #[test]
    fn two_dies_with_one_sensor_are_found() {
        let source = |device: &str| Source::new("ROCm SMI", device, Scope::Gpu);
        let reading = |energy_uj, power_mw| Reading { energy_uj, power_mw, ..Reading::default() };
        let cards = [source("AMD Instinct MI250X"), source("AMD Instinct MI250X")];
        let silent_second = [reading(Some(9), Some(300_000)), reading(Some(0), Some(0))];
        assert!(share(&cards, &silent_second, &silent_second, 0, 1));
        assert!(!share(&cards, &silent_second, &silent_second, 1, 0), "the second counts for nothing");
        let others = [source("Radeon VII"), source("Radeon VII")];
        assert!(!share(&others, &silent_second, &silent_second, 0, 1), "a card without a sensor is no die");
        let twins = [reading(Some(9), Some(300_000)), reading(Some(10), Some(300_000))];
        let again = [reading(Some(11), Some(300_000)), reading(Some(12), Some(300_000))];
        assert!(share(&others, &twins, &again, 0, 1) && share(&others, &twins, &again, 1, 0));
        assert!(!share(&others, &twins, &again, 1, 1));
        let apart = [reading(Some(9), Some(1)), reading(Some(900), Some(1))];
        assert!(!share(&others, &apart, &again, 0, 1));
        let nothing = [reading(None, Some(1)), reading(None, Some(1))];
        assert!(!share(&others, &nothing, &nothing, 0, 1));
    }

    #[test]
    fn each_failure_tells_what_to_do() {
        let told = |status| failure("reading", status);
        assert!(matches!(told(bindings::RSMI_STATUS_PERMISSION), PowerError::NoPermission { .. }));
        assert!(matches!(told(bindings::RSMI_STATUS_NOT_SUPPORTED), PowerError::Unsupported { .. }));
        assert!(matches!(told(bindings::RSMI_STATUS_INIT_ERROR), PowerError::Absent { .. }));
        assert!(told(bindings::RSMI_STATUS_NOT_FOUND).to_string().contains("reset the GPU"));
        assert!(told(77).to_string().contains("status 77"));
        let missing: Result<fn(), libloading::Error> = Err(libloading::Error::DlSymUnknown);
        assert_eq!(call(&missing, |_| unreachable!()), Err(bindings::RSMI_STATUS_NOT_SUPPORTED));
    }

    #[test]
    fn other_programs_are_counted_and_this_one_is_not() {
        let sys = tempfile::tempdir().unwrap();
        let process = |id: u32| std::fs::create_dir_all(sys.path().join(format!("class/kfd/kfd/proc/{id}"))).unwrap();
        process(std::process::id());
        assert_eq!(programs(sys.path()), None);
        process(1);
        assert!(programs(sys.path()).unwrap().text.ends_with(": 1"));
        assert_eq!(programs(Path::new("/nonexistent")), None);
    }
}
