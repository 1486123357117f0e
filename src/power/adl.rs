//! AMD's GPUs on Windows, through the Display Library (ADL), which AMD's driver brings: power in whole watts, temperature, clocks.
//!
//! The driver writes its sensors into memory of ours at a rate that is asked for (PMLog). Where it does not, it is asked at each
//! read. What the documentation leaves out is by programs that use it on many cards (LibreHardwareMonitor's #1074, #1308, #1329;
//! display-library's #22, #34, #45).

use super::hwmon;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterType, Limiter, Limiters, PciAddress, PowerKind, Scope, Source};
use bindings::{
    ADL_CONTEXT_HANDLE, ADL_D3DKMT_HANDLE, ADLPMLogData, ADLPMLogDataOutput, ADLPMLogStartInput, ADLPMLogStartOutput,
    ADLPMLogSupportInfo, AdapterInfo, Adl,
};
use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Made by bindgen from vendor/adl/adl.h.
#[expect(unsafe_code, reason = "calls of a C library")]
#[allow(dead_code, non_camel_case_types, non_snake_case, clippy::all, clippy::undocumented_unsafe_blocks)]
pub mod bindings {
    include!(concat!(env!("OUT_DIR"), "/adl.rs"));
}

const LIBRARY: &str = "atiadlxx.dll";
const FIX: &str = "install AMD's graphics driver anew";
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
    let library = library()?;
    let gpus = library.gpus().map_err(|status| failure("listing GPUs through ADL", status))?;
    match gpus.is_empty() {
        true => Err(PowerError::Absent { what: "a GPU that AMD's driver shows".into(), fix: FIX }),
        false => Ok(gpus.into_iter().map(|gpu| reader(library, gpu)).collect()),
    }
}

/// The GPU's reader, or a silent one where no power is given.
fn reader(library: &'static Library, gpu: Gpu) -> Box<dyn PowerReader> {
    let source = |scope| Source { pci_address: gpu.pci_address, ..Source::new("ADL", gpu.name.clone(), scope) };
    let table = match Table::open(library, gpu.index) {
        Ok(table) => table,
        Err(error) => return Box::new(Silent::new(source(Scope::Gpu), error)),
    };
    let Some((sensor, scope)) = power_sensor(|sensor| table.value(sensor), library.shares_its_chip(gpu.index)) else {
        let fix = "update AMD's driver; some cards and integrated GPUs never give it";
        let why = PowerError::Unsupported { what: READING.into(), fix };
        return Box::new(Silent::new(source(Scope::Gpu), why));
    };
    let source = Source { power: Some(PowerKind::Unknown), ..source(scope) };
    match table.value(sensor).map(|watts| u64::from(watts) * 1000) {
        Some(power_mw) if !hwmon::is_believable(scope, power_mw) => {
            let why = format!("it shows {power_mw} mW, and no processor's package draws so little");
            let what = "the power that ADL shows".into();
            Box::new(Silent::new(source, PowerError::Failed { what, why, fix: "update AMD's driver" }))
        }
        _ => Box::new(AdlReader { source, table, sensor }),
    }
}

/// The sensor of the most that is measured, and what that is. The RX 7000 and later give the board's power, and that of the chip no
/// more; a GPU on a processor gives that of both.
fn power_sensor(value: impl Fn(u32) -> Option<u32>, shares_its_chip: Option<bool>) -> Option<(u32, Scope)> {
    let given = |sensor| value(sensor).is_some_and(|watts| watts > 0);
    let on_processor = shares_its_chip.unwrap_or_else(|| value(bindings::ADL_PMLOG_CPU_POWER).is_some());
    match (given(bindings::ADL_PMLOG_BOARD_POWER), value(bindings::ADL_PMLOG_ASIC_POWER).is_some()) {
        (true, _) if !on_processor => Some((bindings::ADL_PMLOG_BOARD_POWER, Scope::Board)),
        (_, true) => Some((bindings::ADL_PMLOG_ASIC_POWER, if on_processor { Scope::Package } else { Scope::Gpu })),
        (true, false) => Some((bindings::ADL_PMLOG_BOARD_POWER, Scope::Package)),
        (false, false) => None,
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

/// Calls what the library may lack; a lacking symbol is a call that is not supported. Positive results are successes with a remark.
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
        bindings::ADL_ERR_NOT_SUPPORTED => {
            PowerError::Unsupported { what, fix: "update AMD's driver; some integrated GPUs never give it" }
        }
        bindings::ADL_ERR_NO_ADMINISTRATOR_PRIVILEGES => {
            PowerError::NoPermission { what, fix: "run in a console of the administrator" }
        }
        bindings::ADL_ERR_DISABLED_ADAPTER => {
            PowerError::Failed { what, why: "the GPU is disabled".into(), fix: "enable it in the device manager" }
        }
        status => PowerError::Failed { what, why: format!("status {status}"), fix: FIX },
    }
}

/// The one ADL of this process. Readers borrow from it for as long as the program runs.
struct Library {
    adl: Adl,
    context: ADL_CONTEXT_HANDLE,
}

// SAFETY: the context is the library's, whose ADL2 functions may be called from any thread; that is what they have it for.
#[expect(unsafe_code, reason = "a handle of a C library goes to other threads")]
unsafe impl Send for Library {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a handle of a C library goes to other threads")]
unsafe impl Sync for Library {}

/// A GPU, by the first of its adapters.
struct Gpu {
    index: c_int,
    name: String,
    pci_address: Option<PciAddress>,
}

fn library() -> Result<&'static Library, PowerError> {
    static LIBRARY: OnceLock<Result<Library, PowerError>> = OnceLock::new();
    LIBRARY.get_or_init(Library::open).as_ref().map_err(Clone::clone)
}

/// Memory for what the library returns, which its caller is to free. Of what is called here, nothing returns any.
extern "C" fn allocate(bytes: c_int) -> *mut c_void {
    vec![0_u64; usize::try_from(bytes).unwrap_or_default().div_ceil(8)].leak().as_mut_ptr().cast()
}

#[expect(unsafe_code, reason = "C calls that write where they are told")]
impl Library {
    fn open() -> Result<Self, PowerError> {
        // SAFETY: the library's initialisation routines ask nothing of ours. A library of another kind under this name has none of
        // the symbols, and none is required.
        let adl = unsafe { Adl::new(LIBRARY) }
            .map_err(|_| PowerError::Absent { what: format!("AMD's Display Library ({LIBRARY})"), fix: FIX })?;
        let mut context = std::ptr::null_mut();
        // SAFETY: here and below, the functions are those of the header, and each pointer is to a value of the announced type that
        // outlives the call.
        call(&adl.ADL2_Main_Control_Create, |create| unsafe { create(Some(allocate), 0, &mut context) })
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
}

/// The GPUs of AMD's among the adapters, of which one GPU has several, one a display.
fn distinct(adapters: &[AdapterInfo]) -> Vec<Gpu> {
    let mut seen = vec![];
    let mut gpus = vec![];
    for adapter in adapters {
        let at = (adapter.iBusNumber, adapter.iDeviceNumber, adapter.iFunctionNumber);
        // The hexadecimal number, or its digits read as a decimal one, with either sign: all were seen.
        let of_amd = [0x1002, 1002].contains(&adapter.iVendorID.unsigned_abs());
        if !of_amd || adapter.iBusNumber < 0 || seen.contains(&at) {
            continue;
        }
        seen.push(at);
        let name = adapter.strAdapterName.iter().map(|&letter| letter as u8).take_while(|&byte| byte != 0);
        let name = String::from_utf8_lossy(&name.collect::<Vec<_>>()).trim().to_owned();
        gpus.push(Gpu {
            index: adapter.iAdapterIndex,
            name: if name.is_empty() { format!("AMD GPU {}", gpus.len()) } else { name },
            pci_address: address(at),
        });
    }
    gpus
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
struct Table {
    library: &'static Library,
    adapter: c_int,
    way: Way,
}

enum Way {
    /// The driver writes it.
    Log(Log),
    /// The driver is asked.
    Asked(Box<ADLPMLogDataOutput>),
}

/// Memory into which the driver writes.
struct Log {
    device: ADL_D3DKMT_HANDLE,
    data: *const ADLPMLogData,
    /// The driver's time of the newest figures, and ours when they were first seen.
    newest: (u64, Instant),
    /// Figures older than this are not believed: the driver has stopped.
    patience: Duration,
}

// SAFETY: the memory is mapped for the process, and goes with no thread.
#[expect(unsafe_code, reason = "memory of a driver's goes to another thread")]
unsafe impl Send for Log {}

/// Rates to ask for, in milliseconds: the driver reads its sensors so often. The last is what others ask for.
const RATES_MS: [u32; 3] = [20, 100, 1000];
/// The first figures come with the first reading of the driver's.
const FIRST_FIGURES: Duration = Duration::from_millis(2500);

impl Table {
    /// By a log that the driver keeps, else by asking.
    ///
    /// # Errors
    /// The driver does neither.
    fn open(library: &'static Library, adapter: c_int) -> Result<Self, PowerError> {
        let table = |way| Table { library, adapter, way };
        if let Some(log) = RATES_MS.into_iter().find_map(|rate_ms| Log::start(library, adapter, rate_ms)) {
            let mut table = table(Way::Log(log));
            let begun = Instant::now();
            while begun.elapsed() < FIRST_FIGURES {
                if table.refresh().is_ok() && table.is_filled() {
                    return Ok(table);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // SAFETY: a struct of numbers.
        #[expect(unsafe_code, reason = "an empty struct of a C library's")]
        let empty = unsafe { std::mem::zeroed() };
        let mut table = table(Way::Asked(Box::new(empty)));
        table.refresh().map(|()| table)
    }

    fn is_filled(&self) -> bool {
        match &self.way {
            Way::Log(log) => log.newest.0 > 0 && log.pair(0).0 != bindings::ADL_SENSOR_MAXTYPES,
            Way::Asked(_) => true,
        }
    }

    /// Asks the driver, or sees that it still writes.
    fn refresh(&mut self) -> Result<(), PowerError> {
        match &mut self.way {
            Way::Log(log) => log.look(),
            #[expect(unsafe_code, reason = "a C call that writes where it is told")]
            Way::Asked(data) => {
                data.size = size_of::<ADLPMLogDataOutput>() as c_int;
                let Library { adl, context } = self.library;
                // SAFETY: the function is that of the header, and the struct is of the announced size.
                call(&adl.ADL2_New_QueryPMLogData_Get, |get| unsafe { get(*context, self.adapter, &mut **data) })
                    .map_err(|status| failure(READING, status))
            }
        }
    }

    fn value(&self, sensor: u32) -> Option<u32> {
        match &self.way {
            Way::Log(log) => log.value(sensor),
            Way::Asked(data) => {
                let sensor = data.sensors.get(sensor as usize)?;
                if sensor.supported != 0 { sensor.value.try_into().ok() } else { None }
            }
        }
    }
}

impl Drop for Table {
    #[expect(unsafe_code, reason = "C calls by value")]
    fn drop(&mut self) {
        if let Way::Log(log) = &self.way {
            let Library { adl, context } = self.library;
            // SAFETY: the functions are those of the header; the device is one that the library made, and nothing reads its memory
            // from here on.
            let _ = call(&adl.ADL2_Adapter_PMLog_Stop, |stop| unsafe { stop(*context, self.adapter, log.device) });
            // SAFETY: as above.
            let _ = call(&adl.ADL2_Device_PMLog_Device_Destroy, |destroy| unsafe { destroy(*context, log.device) });
        }
    }
}

#[expect(unsafe_code, reason = "C calls that write where they are told, and a driver's memory")]
impl Log {
    /// None where the driver keeps none at this rate.
    fn start(Library { adl, context }: &Library, adapter: c_int, rate_ms: u32) -> Option<Self> {
        // SAFETY: structs of numbers, for which all zeros is a value.
        let (mut support, mut input, mut output): (ADLPMLogSupportInfo, ADLPMLogStartInput, ADLPMLogStartOutput) =
            unsafe { std::mem::zeroed() };
        // SAFETY: here and below, the functions are those of the header, and each pointer is to a value of the announced type that
        // outlives the call.
        call(&adl.ADL2_Adapter_PMLog_Support_Get, |get| unsafe { get(*context, adapter, &mut support) }).ok()?;
        let mut device = 0;
        // SAFETY: as above.
        call(&adl.ADL2_Device_PMLog_Device_Create, |create| unsafe { create(*context, adapter, &mut device) }).ok()?;
        (input.usSensors, input.ulSampleRate) = (support.usSensors, rate_ms);
        // SAFETY: as above.
        let started = call(&adl.ADL2_Adapter_PMLog_Start, |start| unsafe {
            start(*context, adapter, &mut input, &mut output, device)
        });
        let data = output.ptr_LoggingAddress as usize as *const ADLPMLogData;
        if started.is_err() || data.is_null() || !data.is_aligned() {
            // SAFETY: as above, of a device that the library made.
            let _ = call(&adl.ADL2_Device_PMLog_Device_Destroy, |destroy| unsafe { destroy(*context, device) });
            return None;
        }
        // A driver may keep a slower rate than was asked for, and be late.
        let patience = Duration::from_millis(u64::from(rate_ms) * 20).max(Duration::from_secs(3));
        Some(Log { device, data, newest: (0, Instant::now()), patience })
    }

    /// Sees whether the driver wrote anew.
    fn look(&mut self) -> Result<(), PowerError> {
        // SAFETY: the driver keeps the memory until the log is stopped, and writes it at any time: hence a volatile read, of a field
        // that is written whole.
        let newest = unsafe { (&raw const (*self.data).ulLastUpdated).read_volatile() };
        let now = Instant::now();
        if newest != self.newest.0 {
            self.newest = (newest, now);
        } else if now - self.newest.1 > self.patience {
            return Err(PowerError::Failed {
                what: READING.into(),
                why: "the driver's log stands still".into(),
                fix: "run it again; if it stays, restart the machine",
            });
        }
        Ok(())
    }

    /// The sensor at a place of the list, and what it says.
    fn pair(&self, place: usize) -> (u32, u32) {
        assert!(place < bindings::ADL_PMLOG_MAX_SENSORS as usize);
        // SAFETY: as in `look`; the place is one of the list's.
        unsafe {
            let pair = (&raw const (*self.data).ulValues).cast::<[u32; 2]>().add(place);
            ((&raw const (*pair)[0]).read_volatile(), (&raw const (*pair)[1]).read_volatile())
        }
    }

    /// The first entry of a sensor, up to the list's end: behind it, cards were seen to leave other numbers.
    fn value(&self, sensor: u32) -> Option<u32> {
        let pairs = (0..bindings::ADL_PMLOG_MAX_SENSORS as usize).map(|place| self.pair(place));
        let mut listed = pairs.take_while(|&(number, _)| number != bindings::ADL_SENSOR_MAXTYPES);
        listed.find(|&(number, _)| number == sensor).map(|(_, value)| value)
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
        let adapter =
            |index, vendor, bus| AdapterInfo { iAdapterIndex: index, iVendorID: vendor, iBusNumber: bus, ..empty };
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
