//! AMD's GPUs on Windows, through the Display Library (ADL), which AMD's driver brings: power in whole watts, temperature,
//! clocks. Of the Radeon VII, the RX 5000 and later ones.
//!
//! The driver writes its sensors into memory that it shares, at a rate that is asked for (PMLog). Where it does not, it is
//! asked again and again. What the documentation leaves out is by programs that use it on many cards (LibreHardwareMonitor's
//! #1074, #1308, #1329; display-library's #22, #34, #45).

use super::hwmon;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterType, Limiter, Limiters, PciAddress, PowerKind, Scope, Source};
use bindings::{
    ADL_CONTEXT_HANDLE, ADL_D3DKMT_HANDLE, ADLPMLogData, ADLPMLogDataOutput, ADLPMLogStartInput, ADLPMLogStartOutput,
    ADLPMLogSupportInfo, AdapterInfo, Adl,
};
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Made by bindgen from vendor/adl/adl.h.
#[expect(unsafe_code, reason = "calls of a C library")]
#[allow(dead_code, non_camel_case_types, non_snake_case, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    include!(concat!(env!("OUT_DIR"), "/adl.rs"));
}

const LIBRARY: &str = "atiadlxx.dll";
const INSTALL: &str = "install AMD's graphics driver anew";
const UPDATE: &str = "update AMD's driver; cards before the Radeon VII and the RX 5000 never give it, nor do some integrated \
                      GPUs: --power meter:… takes a meter of your own";
const READING: &str = "reading power through ADL";

/// GPUs of AMD's under its driver for Windows.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(adapter.kind != AdapterType::Software && adapter.vendor == "AMD"),
    ..Interface::on_windows("adl", readers)
};

/// A reader for every GPU that the driver shows.
///
/// # Errors
/// There is no driver of AMD's here, or it shows no GPU.
pub fn readers() -> Readers {
    let gpus = library()?.gpus().map_err(|status| failure("listing GPUs through ADL", status))?;
    match gpus.is_empty() {
        true => Err(PowerError::Absent { what: "a GPU that AMD's driver shows".into(), fix: INSTALL }),
        false => gpus.into_iter().map(reader).collect(),
    }
}

/// The GPU's reader, or a silent one where no power is given.
fn reader(gpu: Gpu) -> Result<Box<dyn PowerReader>, PowerError> {
    let shares_its_chip = library()?.shares_its_chip(gpu.index);
    let source = |scope| Source { pci_address: gpu.pci_address, ..Source::new("ADL", gpu.name.clone(), scope) };
    let silent = |why| Ok(Box::new(Silent::new(source(Scope::Gpu), why)) as Box<dyn PowerReader>);
    let table = match Table::open(gpu.index) {
        Ok(table) => table,
        Err(why) => return silent(why),
    };
    let Some((sensor, scope)) = power_sensor(|sensor| table.value(sensor), shares_its_chip) else {
        return silent(PowerError::Unsupported { what: READING.into(), fix: UPDATE });
    };
    match table.value(sensor).map(|watts| u64::from(watts) * 1000) {
        Some(power_mw) if !hwmon::is_believable(scope, power_mw) => {
            let why = format!("it shows {} W, and no processor's package draws so little", power_mw / 1000);
            silent(PowerError::Failed { what: "the power that ADL shows".into(), why, fix: UPDATE })
        }
        _ => {
            let source = Source { power: Some(PowerKind::Unknown), ..source(scope) };
            Ok(Box::new(AdlReader { source, table, sensor }))
        }
    }
}

/// The sensor of the most that is measured, and what that is. The RX 7000 and later give the board's power, and that of the chip no
/// more; a GPU on a processor gives that of both.
fn power_sensor(value: impl Fn(u32) -> Option<u32>, shares_its_chip: Option<bool>) -> Option<(u32, Scope)> {
    use bindings::{ADL_PMLOG_ASIC_POWER as CHIP, ADL_PMLOG_BOARD_POWER as BOARD};
    let on_processor = shares_its_chip.unwrap_or_else(|| value(bindings::ADL_PMLOG_CPU_POWER).is_some());
    let of = |narrow| if on_processor { Scope::Package } else { narrow };
    match (value(BOARD), value(CHIP)) {
        // A board's that stands at 0 is one that is not measured, where there is another.
        (Some(0) | None, Some(_)) => Some((CHIP, of(Scope::Gpu))),
        (Some(_), Some(_)) if on_processor => Some((CHIP, Scope::Package)),
        (Some(_), _) => Some((BOARD, of(Scope::Board))),
        (None, None) => None,
    }
}

/// What holds the clock down. A driver was seen to leave all bits clear while the power limit held the clock, so that clear bits
/// tell nothing.
fn limiters(bits: u32) -> Option<Limiters> {
    use bindings::{ADL_PMLOG_THROTTLE_CURRENT, ADL_PMLOG_THROTTLE_POWER, ADL_PMLOG_THROTTLE_THERMAL};
    let groups = [
        (ADL_PMLOG_THROTTLE_POWER | ADL_PMLOG_THROTTLE_CURRENT, Limiter::PowerCap),
        (ADL_PMLOG_THROTTLE_THERMAL, Limiter::Thermal),
    ];
    let holding = groups.into_iter().filter(|(group, _)| bits & group != 0);
    Some(holding.fold(Limiters::NONE, |set, (_, limiter)| set.with(limiter))).filter(|set| *set != Limiters::NONE)
}

struct AdlReader {
    source: Source,
    table: Table,
    /// Which of the sensors is power.
    sensor: u32,
}

impl PowerReader for AdlReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        self.table.refresh()?;
        let value = |sensor| self.table.value(sensor);
        let watts = value(self.sensor).ok_or_else(|| failure(READING, bindings::ADL_ERR_NOT_SUPPORTED))?;
        let mhz = |sensor| value(sensor).filter(|&mhz| mhz > 0).map(f64::from);
        let celsius = |sensor| value(sensor).map(f64::from);
        Ok(Reading {
            power_mw: Some(u64::from(watts) * 1000),
            temperature_c: celsius(bindings::ADL_PMLOG_TEMPERATURE_EDGE)
                .or_else(|| celsius(bindings::ADL_PMLOG_TEMPERATURE_HOTSPOT)),
            clock_mhz: mhz(bindings::ADL_PMLOG_CLK_GFXCLK),
            memory_clock_mhz: mhz(bindings::ADL_PMLOG_CLK_MEMCLK),
            limiters: value(bindings::ADL_PMLOG_THROTTLER_STATUS).and_then(limiters),
            ..Reading::default()
        })
    }
}

type Answer<T> = Result<T, c_int>;

/// Calls what the library may lack; a lacking symbol is a call that is not supported. Positive results are successes with a
/// remark.
fn call<F: Copy>(symbol: &Result<F, libloading::Error>, run: impl FnOnce(F) -> c_int) -> Answer<()> {
    match symbol {
        Ok(function) => match run(*function) {
            status if status < 0 => Err(status),
            _ => Ok(()),
        },
        Err(_) => Err(bindings::ADL_ERR_NOT_SUPPORTED),
    }
}

fn failure(what: &str, status: c_int) -> PowerError {
    let what = what.to_owned();
    match status {
        bindings::ADL_ERR_NOT_SUPPORTED => PowerError::Unsupported { what, fix: UPDATE },
        bindings::ADL_ERR_NO_ADMINISTRATOR_PRIVILEGES => {
            PowerError::NoPermission { what, fix: "run in a console of the administrator" }
        }
        bindings::ADL_ERR_DISABLED_ADAPTER => {
            PowerError::Failed { what, why: "the GPU is disabled".into(), fix: "enable it in the device manager" }
        }
        status => PowerError::Failed { what, why: format!("status {status}"), fix: INSTALL },
    }
}

/// The one ADL of this process.
struct Library {
    adl: Adl,
    context: ADL_CONTEXT_HANDLE,
}

// SAFETY: a context is no thread's own. The library does not promise that two threads may call it at a time: [`library`] lends it
// to one.
#[expect(unsafe_code, reason = "a handle of a C library goes to other threads")]
unsafe impl Send for Library {}

/// The library, for as long as nobody else has it.
fn library() -> Result<MutexGuard<'static, Library>, PowerError> {
    static LIBRARY: OnceLock<Result<Mutex<Library>, PowerError>> = OnceLock::new();
    let library = LIBRARY.get_or_init(|| Library::open().map(Mutex::new)).as_ref().map_err(Clone::clone)?;
    Ok(library.lock().unwrap_or_else(PoisonError::into_inner))
}

/// A GPU, by one of its adapters.
struct Gpu {
    index: c_int,
    name: String,
    pci_address: Option<PciAddress>,
}

/// Memory for what the library returns, which its caller is to free. Of what is called here, nothing returns any.
extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    vec![0_u64; usize::try_from(bytes).unwrap_or_default().div_ceil(8)].leak().as_mut_ptr().cast()
}

#[expect(unsafe_code, reason = "C calls that write where they are told")]
impl Library {
    fn open() -> Result<Self, PowerError> {
        /// Adapters that are there; else those that were there once, too.
        const PRESENT: c_int = 1;
        // SAFETY: the library's initialisation routines ask nothing of ours. A library of another kind under this name has none of
        // the symbols, and none is required.
        let adl = unsafe { Adl::new(LIBRARY) }
            .map_err(|_| PowerError::Absent { what: format!("AMD's Display Library ({LIBRARY})"), fix: INSTALL })?;
        let mut context = std::ptr::null_mut();
        // SAFETY: here and below, the functions are those of the header, and each pointer is to a value of the announced type that
        // outlives the call.
        call(&adl.ADL2_Main_Control_Create, |create| unsafe { create(Some(allocate), PRESENT, &mut context) })
            .map_err(|status| failure("starting ADL", status))?;
        Ok(Library { adl, context })
    }

    fn gpus(&self) -> Answer<Vec<Gpu>> {
        const MOST: c_int = 256; // whatever a driver says
        let mut count = 0;
        // SAFETY: as above.
        call(&self.adl.ADL2_Adapter_NumberOfAdapters_Get, |get| unsafe { get(self.context, &mut count) })?;
        // SAFETY: a struct of numbers, for which all zeros is a value; so are those below.
        let mut adapters = vec![unsafe { std::mem::zeroed::<AdapterInfo>() }; count.clamp(0, MOST) as usize];
        if !adapters.is_empty() {
            let bytes = size_of_val(&adapters[..]) as c_int;
            // SAFETY: as above; the list has the announced length.
            call(&self.adl.ADL2_Adapter_AdapterInfo_Get, |get| unsafe {
                get(self.context, adapters.as_mut_ptr(), bytes)
            })?;
        }
        Ok(distinct(&adapters))
    }

    /// Does the GPU share its chip with a processor? None where the driver does not tell.
    fn shares_its_chip(&self, adapter: c_int) -> Option<bool> {
        let (mut types, mut known) = (0, 0);
        // SAFETY: as above.
        call(&self.adl.ADL2_Adapter_ASICFamilyType_Get, |get| unsafe {
            get(self.context, adapter, &mut types, &mut known)
        })
        .ok()?;
        let shared = (bindings::ADL_ASIC_FUSION | bindings::ADL_ASIC_INTEGRATED) as c_int;
        (known & shared != 0).then_some(types & known & shared != 0)
    }

    /// The sensors that a log may hold.
    fn loggable(&self, adapter: c_int) -> Answer<[u16; SENSORS]> {
        // SAFETY: a struct of numbers.
        let mut support: ADLPMLogSupportInfo = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        call(&self.adl.ADL2_Adapter_PMLog_Support_Get, |get| unsafe { get(self.context, adapter, &mut support) })?;
        Ok(support.usSensors)
    }

    /// Starts a log of these sensors: the device that keeps it, and where it lies.
    fn start(
        &self,
        adapter: c_int,
        sensors: [u16; SENSORS],
        rate_ms: u32,
    ) -> Answer<(ADL_D3DKMT_HANDLE, *const ADLPMLogData)> {
        // SAFETY: structs of numbers.
        let (mut input, mut output): (ADLPMLogStartInput, ADLPMLogStartOutput) = unsafe { std::mem::zeroed() };
        (input.usSensors, input.ulSampleRate) = (sensors, rate_ms);
        let mut device = 0;
        // SAFETY: as above.
        call(&self.adl.ADL2_Device_PMLog_Device_Create, |create| unsafe {
            create(self.context, adapter, &mut device)
        })?;
        // SAFETY: as above.
        let started = call(&self.adl.ADL2_Adapter_PMLog_Start, |start| unsafe {
            start(self.context, adapter, &mut input, &mut output, device)
        });
        let data = output.ptr_LoggingAddress as usize as *const ADLPMLogData;
        let usable = started.and(match data.is_null() || !data.is_aligned() {
            true => Err(bindings::ADL_ERR_NOT_SUPPORTED),
            false => Ok((device, data)),
        });
        if usable.is_err() {
            self.destroy(device);
        }
        usable
    }

    fn stop(&self, adapter: c_int, device: ADL_D3DKMT_HANDLE) {
        // SAFETY: as above, of a device that the library made.
        let _ = call(&self.adl.ADL2_Adapter_PMLog_Stop, |stop| unsafe { stop(self.context, adapter, device) });
        self.destroy(device);
    }

    fn destroy(&self, device: ADL_D3DKMT_HANDLE) {
        // SAFETY: as above.
        let _ = call(&self.adl.ADL2_Device_PMLog_Device_Destroy, |destroy| unsafe { destroy(self.context, device) });
    }

    fn ask(&self, adapter: c_int, data: &mut ADLPMLogDataOutput) -> Answer<()> {
        data.size = size_of::<ADLPMLogDataOutput>() as c_int;
        // SAFETY: as above, and the struct is of the size that it says.
        call(&self.adl.ADL2_New_QueryPMLogData_Get, |get| unsafe { get(self.context, adapter, data) })
    }
}

const SENSORS: usize = bindings::ADL_PMLOG_MAX_SENSORS as usize;

/// The GPUs of AMD's among the adapters, of which one GPU has several, one a display.
fn distinct(adapters: &[AdapterInfo]) -> Vec<Gpu> {
    // The hexadecimal number, or its digits read as a decimal one; with a minus where the driver does not fit the card.
    let of_amd = |adapter: &&AdapterInfo| [0x1002, 1002].contains(&adapter.iVendorID.unsigned_abs());
    let place = |adapter: &AdapterInfo| (adapter.iBusNumber, adapter.iDeviceNumber, adapter.iFunctionNumber);
    let mut adapters: Vec<&AdapterInfo> =
        adapters.iter().filter(of_amd).filter(|adapter| adapter.iBusNumber >= 0).collect();
    // Another card may have been in the same slot once.
    adapters.sort_by_key(|adapter| (adapter.iExist == 0, adapter.iAdapterIndex));
    let mut gpus: Vec<(_, Gpu)> = vec![];
    for adapter in adapters {
        let at = place(adapter);
        if gpus.iter().any(|(other, _)| *other == at) {
            continue;
        }
        let name = adapter.strAdapterName.iter().map(|&letter| letter as u8).take_while(|&byte| byte != 0);
        let name = String::from_utf8_lossy(&name.collect::<Vec<_>>()).trim().to_owned();
        let name = if name.is_empty() { format!("AMD GPU {}", gpus.len()) } else { name };
        gpus.push((at, Gpu { index: adapter.iAdapterIndex, name, pci_address: address(at) }));
    }
    gpus.into_iter().map(|(_, gpu)| gpu).collect()
}

/// ADL knows no PCI domains; Windows gives GPUs the first.
fn address((bus, device, function): (c_int, c_int, c_int)) -> Option<PciAddress> {
    Some(PciAddress {
        domain: 0,
        bus: bus.try_into().ok()?,
        device: device.try_into().ok()?,
        function: function.try_into().ok()?,
    })
}

/// What the sensors say, by their numbers.
enum Table {
    /// The driver writes it.
    Log(Log),
    /// The driver is asked.
    Asked(Asked),
}

impl Table {
    /// By a log that the driver keeps, else by asking.
    ///
    /// # Errors
    /// The driver does neither.
    fn open(adapter: c_int) -> Result<Self, PowerError> {
        let no_log = match Log::open(adapter)? {
            Ok(log) => return Ok(Table::Log(log)),
            Err(status) => status,
        };
        // SAFETY: a struct of numbers.
        #[expect(unsafe_code, reason = "an empty struct of a C library's")]
        let empty = unsafe { std::mem::zeroed() };
        let mut asked = Asked { adapter, data: Box::new(empty), last: None };
        match asked.ask()? {
            Ok(()) => Ok(Table::Asked(asked)),
            // Whichever of the two says more.
            Err(bindings::ADL_ERR_NOT_SUPPORTED) => Err(failure(READING, no_log)),
            Err(status) => Err(failure(READING, status)),
        }
    }

    /// Takes what is new.
    fn refresh(&mut self) -> Result<(), PowerError> {
        match self {
            Table::Log(log) => {
                log.look();
                match log.seen_at.elapsed() > log.patience {
                    true => Err(PowerError::Failed {
                        what: READING.into(),
                        why: "the driver's log stands still".into(),
                        fix: "run it again; if it stays, restart the machine",
                    }),
                    false => Ok(()),
                }
            }
            Table::Asked(asked) => asked.ask()?.map_err(|status| failure(READING, status)),
        }
    }

    fn value(&self, sensor: u32) -> Option<u32> {
        match self {
            Table::Log(log) => log.value(sensor),
            Table::Asked(asked) => {
                let sensor = asked.data.sensors.get(sensor as usize)?;
                if sensor.supported != 0 { sensor.value.try_into().ok() } else { None }
            }
        }
    }
}

/// Answers of the driver's.
struct Asked {
    adapter: c_int,
    data: Box<ADLPMLogDataOutput>,
    /// When it was asked last, and with what outcome.
    last: Option<(Instant, Answer<()>)>,
}

impl Asked {
    /// Asks, if the last answer is no longer new: the driver reads its sensors at each question.
    fn ask(&mut self) -> Result<Answer<()>, PowerError> {
        const NEW: Duration = Duration::from_millis(100);
        if let Some((at, answer)) = self.last
            && at.elapsed() < NEW
        {
            return Ok(answer);
        }
        let answer = library()?.ask(self.adapter, &mut self.data);
        self.last = Some((Instant::now(), answer));
        Ok(answer)
    }
}

/// Memory into which the driver writes, until this is dropped.
struct Log {
    adapter: c_int,
    device: ADL_D3DKMT_HANDLE,
    data: *const ADLPMLogData,
    /// As it was seen last, and since when it is so.
    seen: Box<ADLPMLogData>,
    seen_at: Instant,
    /// Figures that are older are not believed: the driver has stopped.
    patience: Duration,
}

// SAFETY: the memory is mapped for the process, and goes with no thread.
#[expect(unsafe_code, reason = "memory of a driver's goes to another thread")]
unsafe impl Send for Log {}

#[expect(unsafe_code, reason = "memory of a driver's")]
impl Log {
    /// At the first rate at which the driver keeps one.
    fn open(adapter: c_int) -> Result<Answer<Self>, PowerError> {
        /// Rates to ask for: the driver reads its sensors so often. The last is what others ask for.
        const RATES_MS: [u32; 3] = [20, 100, 1000];
        let sensors = match library()?.loggable(adapter) {
            Ok(sensors) if u32::from(sensors[0]) != bindings::ADL_SENSOR_MAXTYPES => sensors,
            Ok(_) => return Ok(Err(bindings::ADL_ERR_NOT_SUPPORTED)),
            Err(status) => return Ok(Err(status)),
        };
        let mut refused = bindings::ADL_ERR_NOT_SUPPORTED;
        for rate_ms in RATES_MS {
            let started = library()?.start(adapter, sensors, rate_ms);
            match started {
                Ok((device, data)) => {
                    // SAFETY: a struct of numbers.
                    let seen = Box::new(unsafe { std::mem::zeroed() });
                    // A driver may keep a slower rate than was asked for, and be late.
                    let patience = Duration::from_millis(u64::from(rate_ms) * 20).max(Duration::from_secs(3));
                    let mut log = Log { adapter, device, data, seen, seen_at: Instant::now(), patience };
                    if log.is_filled_within(Duration::from_millis(500 + 2 * u64::from(rate_ms))) {
                        return Ok(Ok(log));
                    }
                }
                Err(status) => refused = status,
            }
        }
        Ok(Err(refused))
    }

    /// The first figures come with the driver's first reading.
    fn is_filled_within(&mut self, time: Duration) -> bool {
        while self.seen_at.elapsed() < time {
            self.look();
            if self.seen.ulLastUpdated > 0 && self.seen.ulValues[0][0] != bindings::ADL_SENSOR_MAXTYPES {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Copies what the driver wrote, if it is new. Nothing keeps the driver from writing meanwhile: such a copy is not taken.
    fn look(&mut self) {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            // SAFETY: the driver keeps the memory until the log is stopped, and writes it at any time: hence volatile reads, of plain
            // numbers.
            let copy = unsafe { self.data.read_volatile() };
            // SAFETY: as above.
            let then = unsafe { (&raw const (*self.data).ulLastUpdated).read_volatile() };
            if copy.ulLastUpdated == self.seen.ulLastUpdated {
                return;
            }
            if copy.ulLastUpdated == then {
                (*self.seen, self.seen_at) = (copy, Instant::now());
                return;
            }
        }
    }

    /// The first entry of a sensor, up to the list's end: behind it, cards were seen to leave other numbers.
    fn value(&self, sensor: u32) -> Option<u32> {
        let listed = self.seen.ulValues.iter().take_while(|pair| pair[0] != bindings::ADL_SENSOR_MAXTYPES);
        listed.into_iter().find(|pair| pair[0] == sensor).map(|pair| pair[1])
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        if let Ok(library) = library() {
            library.stop(self.adapter, self.device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_listed_once_whatever_its_vendors_number() {
        // SAFETY: a struct of numbers.
        #[expect(unsafe_code, reason = "an empty struct of a C library's")]
        let empty: AdapterInfo = unsafe { std::mem::zeroed() };
        let adapter = |index, vendor, bus| AdapterInfo {
            iAdapterIndex: index,
            iVendorID: vendor,
            iBusNumber: bus,
            iExist: 1,
            ..empty
        };
        let named = |text: &str, mut adapter: AdapterInfo| {
            text.bytes().zip(&mut adapter.strAdapterName).for_each(|(byte, letter)| *letter = byte as std::ffi::c_char);
            adapter
        };
        let adapters = [
            adapter(0, 0x8086, 0),
            named("AMD Radeon RX 7900 XT ", adapter(1, 1002, 3)),
            adapter(2, 1002, 3), // another display of it
            adapter(3, 0x1002, 9),
            adapter(4, -1002, 0x84),
            adapter(5, 1002, -1), // not there
            adapter(6, 1002, 300),
            AdapterInfo { iExist: 0, ..named("once in that slot", adapter(-3, 1002, 3)) },
        ];
        let listed: Vec<_> = distinct(&adapters)
            .into_iter()
            .map(|gpu| (gpu.index, gpu.name, gpu.pci_address.map(|address| address.to_string())))
            .collect();
        let gpu = |index, name: &str, address: Option<&str>| (index, name.to_owned(), address.map(str::to_owned));
        assert_eq!(
            listed,
            [
                gpu(1, "AMD Radeon RX 7900 XT", Some("0000:03:00.0")),
                gpu(3, "AMD GPU 1", Some("0000:09:00.0")),
                gpu(4, "AMD GPU 2", Some("0000:84:00.0")),
                gpu(6, "AMD GPU 3", None),
            ]
        );
        assert!(distinct(&[]).is_empty());
    }

    /// Sizes and offsets as MinGW finds them in the structs of AMD's own header (SDK 18.1).
    #[test]
    fn structs_lie_in_memory_as_the_vendors_header_says() {
        use std::mem::offset_of;
        let adapter = [
            size_of::<AdapterInfo>(),
            offset_of!(AdapterInfo, iBusNumber),
            offset_of!(AdapterInfo, iVendorID),
            offset_of!(AdapterInfo, strAdapterName),
            offset_of!(AdapterInfo, iPresent),
            offset_of!(AdapterInfo, iOSDisplayIndex),
        ];
        assert_eq!(adapter, [1572, 264, 276, 280, 792, 1568]);
        assert_eq!(size_of::<ADLPMLogSupportInfo>(), 576);
        let input = [size_of::<ADLPMLogStartInput>(), offset_of!(ADLPMLogStartInput, ulSampleRate)];
        assert_eq!((input, size_of::<ADLPMLogStartOutput>()), ([576, 512], 64));
        let data = [offset_of!(ADLPMLogData, ulLastUpdated), offset_of!(ADLPMLogData, ulValues)];
        assert_eq!((size_of::<ADLPMLogData>(), data), (3088, [8, 16]));
        assert_eq!((size_of::<ADLPMLogDataOutput>(), offset_of!(ADLPMLogDataOutput, sensors)), (2052, 4));
    }

    #[test]
    fn the_power_of_the_most_is_taken_for_what_it_is() {
        use bindings::{ADL_PMLOG_ASIC_POWER as CHIP, ADL_PMLOG_BOARD_POWER as BOARD, ADL_PMLOG_CPU_POWER as CPU};
        let chosen = |given: &[(u32, u32)], shares| {
            power_sensor(|sensor| given.iter().find(|pair| pair.0 == sensor).map(|pair| pair.1), shares)
        };
        assert_eq!(chosen(&[(CHIP, 150)], Some(false)), Some((CHIP, Scope::Gpu)));
        assert_eq!(chosen(&[(BOARD, 200)], Some(false)), Some((BOARD, Scope::Board)));
        assert_eq!(chosen(&[(CHIP, 150), (BOARD, 200)], None), Some((BOARD, Scope::Board)));
        assert_eq!(chosen(&[(CHIP, 150), (BOARD, 0)], None), Some((CHIP, Scope::Gpu)), "a board's that says nothing");
        assert_eq!(chosen(&[(BOARD, 0)], None), Some((BOARD, Scope::Board)), "of a card that sleeps");
        assert_eq!(chosen(&[(CHIP, 15)], Some(true)), Some((CHIP, Scope::Package)));
        assert_eq!(chosen(&[(CHIP, 15), (CPU, 8)], None), Some((CHIP, Scope::Package)), "a processor's, though untold");
        assert_eq!(chosen(&[(CHIP, 15), (CPU, 8)], Some(false)), Some((CHIP, Scope::Gpu)));
        assert_eq!(chosen(&[(CPU, 8)], None), None);
        assert_eq!(chosen(&[], Some(true)), None);
    }

    #[test]
    fn clear_bits_tell_nothing() {
        let told = |bits| limiters(bits).map(|set| set.iter().collect::<Vec<_>>());
        assert_eq!(told(0), None);
        assert_eq!(told(1), Some(vec![Limiter::PowerCap]));
        assert_eq!(told(4), Some(vec![Limiter::PowerCap]));
        assert_eq!(told(3), Some(vec![Limiter::PowerCap, Limiter::Thermal]));
        assert_eq!(told(8), None, "a bit that has no name");
    }
}
