//! Linux's hwmon files: what the kernel's own GPU drivers (amdgpu, i915, xe) say of power, without a vendor's library.
//!
//! Names and units: Documentation/hwmon/sysfs-interface.rst and Documentation/gpu/amdgpu/thermal.rst of the kernel, and
//! Documentation/ABI/testing/sysfs-driver-intel-{i915,xe}-hwmon.

use super::gpu_metrics::GpuMetrics;
use super::intel_gt::Graphics;
use super::reader::{Interface, PowerReader, Readers, Serves, Silent};
use crate::host::finding::{Finding, note};
use crate::host::memory::Memory;
use crate::host::sysfs::{NumberFile, SYS, entries, pci_address, pci_device, read_number, read_text};
use crate::host::visible::ListedGpu;
use crate::host::{intel, sysfs};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterType, Counter, LimitKind, Limiters, PciAddress, PowerKind, Scope, Source};
use std::io;
use std::path::{Path, PathBuf};

const FIX: &str = "see that the kernel's driver (amdgpu, i915 or xe) drives the GPU: `lspci -k`";
const WAKE: &str = "it wakes with the work that it gets, and is read again then; by hand: echo on | sudo tee \
                    /sys/bus/pci/devices/ADDRESS/power/control";
/// The drivers whose files are understood. i915 has one more for each tile (i915_gt0): the device's own counts them all.
const DRIVERS: [&str; 3] = ["amdgpu", "i915", "xe"];

/// AMD's and Intel's GPUs on Linux.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| {
        Serves::when(adapter.kind != AdapterType::Software && matches!(adapter.vendor.as_str(), "AMD" | "Intel"))
    },
    examine: || sleeping(Path::new(SYS)),
    counts: Some(("Intel", intels)),
    memory: |address| memory(Path::new(SYS), address),
    restore_limit: Some(|source, watts| restore_limit(Path::new(SYS), source, watts)),
    ..Interface::on_linux("hwmon", || readers(Path::new(SYS)))
};

/// As Level Zero counts them.
fn intels() -> Result<Vec<ListedGpu>, String> {
    match intel::gpus(Path::new(SYS), Path::new("/dev")) {
        gpus if gpus.is_empty() => Err("no GPU of Intel's may be opened".into()),
        gpus => Ok(gpus),
    }
}

/// amdgpu's files (Documentation/gpu/amdgpu/driver-misc.rst of the kernel). A GPU in a processor has a small part of the machine's
/// memory as its own, and borrows the rest (GTT); Intel's drivers have no such files.
fn memory(sys: &Path, address: PciAddress) -> Option<Memory> {
    let device = sys.join("bus/pci/devices").join(address.to_string());
    let bytes = |name: &str| u64::try_from(read_number(&device.join(name))?).ok();
    let of = |kind: &str| Some((bytes(&format!("mem_info_{kind}_total"))?, bytes(&format!("mem_info_{kind}_used"))));
    let (own, own_used) = of("vram")?;
    let shares = scope_at(sys, address) == Some(Scope::Package);
    let (borrowed, borrowed_used) = of("gtt").filter(|_| shares).unwrap_or((0, Some(0)));
    let used = own_used.zip(borrowed_used).map(|(own, borrowed)| own + borrowed);
    let total_bytes = own + borrowed;
    Some(Memory { total_bytes, free_bytes: used.map(|used| total_bytes.saturating_sub(used)) })
}

/// Through the kernel's own file, which asks for no vendor's tool.
fn restore_limit(sys: &Path, source: &Source, watts: f64) -> String {
    let folder = folders(sys).into_iter().find(|(at, _)| Some(*at) == source.pci_address).map(|(_, folder)| folder);
    let file = folder.and_then(|folder| limit(&folder)).map_or("power1_cap", |limit| limit.file);
    let address = source.pci_address.map(|address| address.to_string()).unwrap_or_else(|| "*".into());
    format!("echo {:.0} | sudo tee /sys/bus/pci/devices/{address}/hwmon/hwmon*/{file}", watts * 1e6)
}

/// A limit of power, and the file that sets it.
struct Limit {
    file: &'static str,
    watts: f64,
    kind: LimitKind,
    default_watts: Option<f64>,
}

/// The limit that rules a load that lasts. Intel's `power1_max` is the card's sustained one, and 0 where it is off; `power2_max`
/// its chip's; `power1_cap` only that of a burst of milliseconds, which binds where the driver shows no other, and of which no
/// default is told. AMD has the one `power1_cap`.
fn limit(folder: &Path) -> Option<Limit> {
    let watts = |name: &str| Some(read_number(&folder.join(name))? as f64 * 1e-6).filter(|&watts| watts > 0.0);
    let limit = |kind, file, default| Some(Limit { file, watts: watts(file)?, kind, default_watts: watts(default) });
    if driver(folder) == "amdgpu" {
        return limit(LimitKind::Enforced, "power1_cap", "power1_cap_default");
    }
    limit(LimitKind::Sustained, "power1_max", "power1_rated_max")
        .or_else(|| limit(LimitKind::Sustained, "power2_max", "power2_rated_max"))
        .or_else(|| limit(LimitKind::Enforced, "power1_cap", ""))
        .or_else(|| limit(LimitKind::Enforced, "power2_cap", ""))
}

/// A reader for every GPU whose driver has hwmon files under `sys`.
///
/// # Errors
/// There is none, or none that may be read.
pub fn readers(sys: &Path) -> Readers {
    let mut readers: Vec<Box<dyn PowerReader>> = vec![];
    let mut refused = None;
    for (address, folder) in folders(sys) {
        match HwmonReader::open(&folder, address) {
            Ok(Some(reader)) => readers.push(reader.unless_absurd()),
            Ok(None) => {}
            Err(error) => refused = Some(error),
        }
    }
    match (readers.is_empty(), refused) {
        (false, _) => Ok(readers),
        (true, Some(error)) => Err(failure(READING, &error)),
        (true, None) => Err(PowerError::Absent { what: "a GPU with hwmon power files".into(), fix: FIX }),
    }
}

const READING: &str = "reading power through hwmon";

/// What the GPU at this address measures: an APU's figure holds its CPU cores too.
pub(crate) fn scope_at(sys: &Path, address: PciAddress) -> Option<Scope> {
    folders(sys).into_iter().find(|(at, _)| *at == address).map(|(_, folder)| scope(&folder, 1))
}

/// Can a sensor of this scope show so little? No processor's package draws under 0.3 W while a program reads its sensor; those of
/// AMD's Zen 5 show theirs a thousand times too small: 45 W as 45 mW.
pub(crate) fn is_believable(scope: Scope, power_mw: u64) -> bool {
    scope != Scope::Package || power_mw >= 300
}

/// What a sensor says that is not believed.
pub(crate) fn absurd(what: &str, power_mw: u64) -> PowerError {
    PowerError::Failed {
        what: what.into(),
        why: format!("it shows {:.3} W, and no processor's package draws so little", power_mw as f64 / 1000.0),
        fix: "--power rapl measures the package; update the kernel",
    }
}

/// The hwmon folders of GPUs by PCI address. The number in a folder's name changes from boot to boot.
fn folders(sys: &Path) -> Vec<(PciAddress, PathBuf)> {
    let understood = |folder: &PathBuf| DRIVERS.contains(&driver(folder).as_str());
    let folders = entries(&sys.join("class/hwmon")).into_iter().filter(understood);
    let mut folders: Vec<(PciAddress, PathBuf)> =
        folders.filter_map(|folder| Some((pci_address(&folder)?, folder))).collect();
    folders.sort();
    folders
}

/// The driver's name: hwmon's own, or, where that cannot be read now, that of the device's driver.
fn driver(folder: &Path) -> String {
    let of_device = || {
        let driver = pci_device(folder)?.join("driver").canonicalize().ok()?;
        sysfs::name(&driver).map(str::to_owned)
    };
    read_text(&folder.join("name")).or_else(of_device).unwrap_or_default()
}

/// What the sensors of a domain measure: 1 is the whole device, 2 its chip.
fn scope(folder: &Path, domain: u8) -> Scope {
    // amdgpu shows the voltage of the north bridge (in1, "vddnb") on APUs alone.
    let apu = read_text(&folder.join("in1_label")).is_some_and(|label| label == "vddnb");
    let card = read_text(&folder.join(format!("energy{domain}_label"))).is_some_and(|label| label == "card");
    match (apu, card) {
        (true, _) => Scope::Package,
        (false, true) => Scope::Board,
        // amdgpu's is the power of "the SoC", on some cards of the whole board: the lesser claim.
        (false, false) => Scope::Gpu,
    }
}

/// Does this failure say that the GPU sleeps, or is being reset? amdgpu refuses its files meanwhile, with EPERM or, since 2026,
/// EBUSY, or leaves them empty. EPERM is not EACCES: nobody lacks a right.
fn is_asleep(error: &io::Error) -> bool {
    const EPERM: i32 = 1;
    error.raw_os_error() == Some(EPERM)
        || matches!(error.kind(), io::ErrorKind::ResourceBusy | io::ErrorKind::UnexpectedEof)
}

fn is_suspended(device: &Path) -> bool {
    read_text(&device.join("power/runtime_status")).is_some_and(|status| status == "suspended")
}

fn asleep(device: &Path, error: &io::Error) -> PowerError {
    let state = if is_suspended(device) { "the GPU sleeps" } else { "the GPU sleeps, or is being reset" };
    let sign = match error.kind() {
        io::ErrorKind::ResourceBusy => "EBUSY",
        io::ErrorKind::UnexpectedEof => "an empty file",
        _ => "EPERM",
    };
    PowerError::Failed { what: READING.into(), why: format!("{state}: {sign}"), fix: WAKE }
}

/// GPUs that cannot be read, as if they slept, and of which the kernel does not say so: those that do are told for every vendor.
fn sleeping(sys: &Path) -> Vec<Finding> {
    let finding = |(address, folder): (PciAddress, PathBuf)| {
        let mut reader = HwmonReader::open(&folder, address).ok()??;
        let error = reader.figures().err().filter(is_asleep).filter(|_| !is_suspended(&reader.device))?;
        let (wrong, _) = asleep(&reader.device, &error).parts();
        let text = format!("{} at {address}: {wrong}", reader.source.device);
        Some(note("sensor", text, WAKE.replace("ADDRESS", &address.to_string())))
    };
    folders(sys).into_iter().filter_map(finding).collect()
}

struct HwmonReader {
    source: Source,
    /// The PCI device's folder.
    device: PathBuf,
    power_uw: Option<NumberFile>,
    energy_uj: Option<NumberFile>,
    temperature_mc: Option<NumberFile>,
    clock_hz: Option<NumberFile>,
    /// AMD's and Intel's own tellers of what hwmon has no files for.
    metrics: Option<GpuMetrics>,
    graphics: Graphics,
}

/// A file, opened. None for one that is not there, or that says nothing of use, as amdgpu shows some that its card does not serve;
/// an error for one that may not be read. That of a GPU that sleeps is read again when it wakes.
fn open(folder: &Path, name: &str) -> io::Result<Option<NumberFile>> {
    match NumberFile::open(&folder.join(name)) {
        Ok(mut file) => {
            let first = file.read();
            Ok((first.is_ok() || first.is_err_and(|error| is_asleep(&error))).then_some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        Err(_) => Ok(None),
    }
}

/// The energy counter and its domain. xe: 1 is the card, 2 its chip; some cards show the second alone, and with some kernels the
/// first one stays 0 for ever.
fn energy(folder: &Path) -> io::Result<Option<(NumberFile, u8)>> {
    let counter = |name| -> io::Result<Option<(NumberFile, bool)>> {
        Ok(open(folder, name)?.map(|mut file| {
            let counts = file.read_unsigned().is_ok_and(|count| count > 0);
            (file, counts)
        }))
    };
    Ok(match (counter("energy1_input")?, counter("energy2_input")?) {
        (Some((_, false)) | None, Some((chip, true))) | (None, Some((chip, _))) => Some((chip, 2)),
        (Some((card, _)), _) => Some((card, 1)),
        (None, None) => None,
    })
}

/// The chip's temperature: temp1 (edge) on AMD, temp2 (pkg) on Intel; some data-centre cards begin at temp2 too. Memory's is not it.
fn temperature(folder: &Path) -> Option<NumberFile> {
    let is_chip = |number: &u8| {
        let label = read_text(&folder.join(format!("temp{number}_label"))).unwrap_or_default();
        !["mem", "vram", "mctrl", "pcie"].iter().any(|other| label.starts_with(other))
    };
    (1..=8).filter(is_chip).find_map(|number| open(folder, &format!("temp{number}_input")).ok().flatten())
}

impl HwmonReader {
    /// None for a GPU that has no power file; an error for one whose files may not be read.
    fn open(folder: &Path, address: PciAddress) -> io::Result<Option<Self>> {
        let driver = driver(folder);
        let (power_uw, kind) = match open(folder, "power1_input")? {
            Some(file) => (Some(file), PowerKind::Instant),
            None => (open(folder, "power1_average")?, PowerKind::Average),
        };
        let (energy_uj, domain) = energy(folder)?.map_or((None, 1), |(file, domain)| (Some(file), domain));
        if power_uw.is_none() && energy_uj.is_none() {
            return Ok(None);
        }
        let limit = limit(folder);
        let vendor = if driver == "amdgpu" { "AMD" } else { "Intel" };
        let source = Source {
            pci_address: Some(address),
            counter: energy_uj.as_ref().map(|_| Counter { resolution_uj: None, wraps_at_uj: None }),
            power: power_uw.as_ref().map(|_| kind),
            power_limit_w: limit.as_ref().map(|limit| limit.watts),
            power_limit_kind: limit.as_ref().map_or(LimitKind::Enforced, |limit| limit.kind),
            default_power_limit_w: limit.and_then(|limit| limit.default_watts),
            ..Source::new("hwmon", format!("{vendor} GPU ({driver})"), scope(folder, domain))
        };
        let device = pci_device(folder).unwrap_or_default();
        Ok(Some(HwmonReader {
            source,
            power_uw,
            energy_uj,
            temperature_mc: temperature(folder),
            clock_hz: open(folder, "freq1_input").unwrap_or(None),
            metrics: if vendor == "AMD" { GpuMetrics::open(&device) } else { None },
            graphics: Graphics::open(&device),
            device,
        }))
    }

    /// This reader, or a silent one where its power cannot be true.
    fn unless_absurd(mut self) -> Box<dyn PowerReader> {
        match self.figures() {
            Ok((Some(power_uw), None)) if !is_believable(self.source.scope, power_uw / 1000) => {
                let why = absurd("the power that hwmon shows", power_uw / 1000);
                Box::new(Silent::new(self.source, why))
            }
            _ => Box::new(self),
        }
    }

    /// Power in µW and energy in µJ.
    fn figures(&mut self) -> io::Result<(Option<u64>, Option<u64>)> {
        let power = self.power_uw.as_mut().map(NumberFile::read_unsigned).transpose();
        let energy = self.energy_uj.as_mut().map(NumberFile::read_unsigned).transpose();
        match (power, energy) {
            (Err(error), Err(_) | Ok(None)) | (Ok(None), Err(error)) => Err(error),
            (power, energy) => Ok((power.unwrap_or(None), energy.unwrap_or(None))),
        }
    }

    fn limiters(&mut self) -> Option<Limiters> {
        self.metrics.as_mut().and_then(GpuMetrics::limiters).or_else(|| self.graphics.limiters())
    }
}

impl PowerReader for HwmonReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let (power_uw, energy_uj) = self.figures().map_err(|error| match is_asleep(&error) {
            true => asleep(&self.device, &error),
            false => failure(READING, &error),
        })?;
        let number = |file: &mut Option<NumberFile>| file.as_mut().and_then(|file| file.read().ok());
        let clock_mhz = number(&mut self.clock_hz).map(|hertz| hertz as f64 * 1e-6);
        Ok(Reading {
            energy_uj,
            power_mw: power_uw.map(|microwatts| microwatts / 1000),
            temperature_c: number(&mut self.temperature_mc).map(|millidegrees| millidegrees as f64 / 1000.0),
            clock_mhz: clock_mhz.or_else(|| self.graphics.clock_mhz()),
            limiters: self.limiters(),
            ..Reading::default()
        })
    }
}

fn failure(what: &str, error: &io::Error) -> PowerError {
    let what = what.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            PowerError::NoPermission { what, fix: "run as root, or: sudo chmod a+r /sys/class/hwmon/hwmon*/*_input" }
        }
        io::ErrorKind::InvalidData => PowerError::Failed {
            what,
            why: "what the file holds is no number".into(),
            fix: "update the kernel; --power names another sensor",
        },
        _ => PowerError::Failed { what, why: error.to_string(), fix: FIX },
    }
}

#[cfg(all(test, unix))] // sysfs names hold colons, and links
mod tests {
    use super::*;
    use crate::record::Limiter;

    /// A /sys in which each GPU's hwmon folder lies in its PCI device's.
    fn sys(gpus: &[(&str, &[(&str, &str)])]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(sys.path().join("class/hwmon")).unwrap();
        for (i, (address, files)) in gpus.iter().enumerate() {
            let folder = sys.path().join(format!("devices/pci0000:00/0000:00:01.0/{address}/hwmon/hwmon{i}"));
            std::fs::create_dir_all(&folder).unwrap();
            for (name, text) in *files {
                std::fs::write(folder.join(name), text).unwrap();
            }
            std::os::unix::fs::symlink(&folder, sys.path().join(format!("class/hwmon/hwmon{i}"))).unwrap();
        }
        sys
    }

    fn folder(sys: &tempfile::TempDir, address: &str, i: u32) -> PathBuf {
        sys.path().join(format!("devices/pci0000:00/0000:00:01.0/{address}/hwmon/hwmon{i}"))
    }

    const DISCRETE: &[(&str, &str)] = &[
        ("name", "amdgpu\n"),
        ("power1_average", "200000000\n"),
        ("power1_cap", "250000000\n"),
        ("power1_cap_default", "300000000\n"),
        ("temp1_input", "51000\n"),
        ("freq1_input", "1500000000\n"),
    ];

    #[test]
    fn each_driver_is_read_in_its_own_units() {
        let sys = sys(&[
            ("0000:83:00.0", DISCRETE),
            ("0000:03:00.0", &[("name", "amdgpu"), ("power1_input", "40000000"), ("in1_label", "vddnb")]),
            ("0000:04:00.0", &[("name", "i915"), ("energy1_input", "123456789")]),
            ("0000:05:00.0", &[("name", "xe"), ("energy1_input", "7"), ("energy1_label", "card"), ("power1_max", "0")]),
            ("0000:06:00.0", &[("name", "xe"), ("energy2_input", "9"), ("energy2_label", "pkg")]),
            ("0000:07:00.0", &[("name", "nvme"), ("power1_input", "5000000")]),
            ("0000:08:00.0", &[("name", "amdgpu"), ("temp1_input", "40000")]),
        ]);
        let mut readers = readers(sys.path()).unwrap();
        let mut seen = readers.iter_mut().map(|reader| {
            let (source, reading) = (reader.source().clone(), reader.read().unwrap());
            let address = source.pci_address.unwrap().to_string();
            (address, source.scope, source.kind(), reading.power_mw, reading.energy_uj)
        });
        let mut next = || seen.next().unwrap();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            next(),
            (text("0000:03:00.0"), Scope::Package, text("instant power"), Some(40_000), None),
            "an APU reports its package"
        );
        assert_eq!(
            next(),
            (text("0000:04:00.0"), Scope::Gpu, text("energy counter"), None, Some(123_456_789)),
            "no power is None"
        );
        assert_eq!(next(), (text("0000:05:00.0"), Scope::Board, text("energy counter"), None, Some(7)));
        assert_eq!(next(), (text("0000:06:00.0"), Scope::Gpu, text("energy counter"), None, Some(9)));
        assert_eq!(next(), (text("0000:83:00.0"), Scope::Gpu, text("averaged power"), Some(200_000), None));
        assert_eq!(seen.next(), None, "neither the disk, nor the card without a power file");
        let discrete = &mut readers[4];
        assert_eq!(
            (discrete.source().power_limit_w, discrete.source().default_power_limit_w),
            (Some(250.0), Some(300.0))
        );
        let reading = discrete.read().unwrap();
        assert_eq!((reading.temperature_c, reading.clock_mhz), (Some(51.0), Some(1500.0)));
        assert_eq!(scope_at(sys.path(), "0000:03:00.0".parse().unwrap()), Some(Scope::Package));
        assert_eq!(scope_at(sys.path(), "0000:99:00.0".parse().unwrap()), None);
    }

    #[test]
    fn garbage_and_vanished_files_are_errors_and_missing_fields_are_none() {
        let sys = sys(&[("0000:83:00.0", DISCRETE)]);
        let folder = folder(&sys, "0000:83:00.0", 0);
        let mut reader = readers(sys.path()).unwrap().remove(0);
        std::fs::write(folder.join("temp1_input"), "").unwrap();
        let reading = reader.read().unwrap();
        assert_eq!((reading.temperature_c, reading.power_mw), (None, Some(200_000)));
        std::fs::write(folder.join("power1_average"), "0\n").unwrap();
        assert_eq!(reader.read().unwrap().power_mw, Some(0), "a true zero is a measurement");
        for garbage in ["-3", "over 9000"] {
            std::fs::write(folder.join("power1_average"), garbage).unwrap();
            let error = reader.read().unwrap_err().to_string();
            assert!(error.contains("no number") && error.contains("--power"), "{error}");
        }
        // An open file outlives its name on a disk. The kernel's answers with ENODEV from then on.
        std::fs::remove_dir_all(&folder).unwrap();
        let gone = failure("it", &io::Error::from_raw_os_error(19)).to_string();
        assert!(gone.contains("No such device") && gone.contains("lspci -k"), "{gone}");
        assert!(matches!(readers(sys.path()), Err(PowerError::Absent { .. })));
        assert!(matches!(readers(Path::new("/nonexistent")), Err(PowerError::Absent { .. })));
    }

    #[test]
    fn intels_card_is_read_by_the_names_that_its_drivers_use() {
        let sys = sys(&[
            (
                "0000:03:00.0", // the card's counter stands at 0 for ever, and its temperatures begin at 2
                &[
                    ("name", "xe"),
                    ("energy1_label", "card"),
                    ("energy1_input", "0"),
                    ("energy2_label", "pkg"),
                    ("energy2_input", "977130000"),
                    ("temp2_label", "pkg"),
                    ("temp2_input", "54000"),
                    ("temp3_label", "vram"),
                    ("temp3_input", "56000"),
                    ("power1_cap", "228000000"),
                    ("power1_max", "190000000"),
                    ("power1_rated_max", "200000000"),
                ],
            ),
            (
                "0000:04:00.0",
                &[
                    ("name", "xe"),
                    ("energy1_label", "card"),
                    ("energy1_input", "7"),
                    ("energy2_input", "5"),
                    ("power1_cap", "228000000"),
                    ("power1_max", "0"), // off
                    ("power2_max", "150000000"),
                    ("power2_rated_max", "160000000"),
                    ("temp1_label", "vram"),
                    ("temp1_input", "56000"),
                ],
            ),
            ("0000:05:00.0", &[("name", "i915"), ("energy1_input", "0"), ("power1_cap", "1000000")]),
        ]);
        let device = sys.path().join("devices/pci0000:00/0000:00:01.0/0000:03:00.0");
        let throttle = device.join("tile0/gt0/freq0/throttle");
        std::fs::create_dir_all(&throttle).unwrap();
        std::fs::write(throttle.join("../act_freq"), "2400\n").unwrap();
        std::fs::write(throttle.join("reason_pl1"), "1\n").unwrap();

        let mut readers = readers(sys.path()).unwrap();
        let limits = |reader: &dyn PowerReader| (reader.source().power_limit_w, reader.source().default_power_limit_w);
        let reading = readers[0].read().unwrap();
        assert_eq!(
            (reading.energy_uj, readers[0].source().scope),
            (Some(977_130_000), Scope::Gpu),
            "the one that counts"
        );
        assert_eq!((reading.temperature_c, reading.clock_mhz), (Some(54.0), Some(2400.0)));
        assert_eq!(reading.limiters.map(|set| set.iter().collect()), Some(vec![Limiter::PowerCap]));
        assert_eq!(limits(readers[0].as_ref()), (Some(190.0), Some(200.0)), "the sustained limit, and not the burst's");
        let restored = |reader: &dyn PowerReader, watts| restore_limit(sys.path(), reader.source(), watts);
        let command = "echo 200000000 | sudo tee /sys/bus/pci/devices/0000:03:00.0/hwmon/hwmon*/power1_max";
        assert_eq!(restored(readers[0].as_ref(), 200.0), command);

        let reading = readers[1].read().unwrap();
        assert_eq!((reading.energy_uj, readers[1].source().scope), (Some(7), Scope::Board), "both count: the card's");
        assert_eq!((reading.temperature_c, reading.clock_mhz, reading.limiters), (None, None, None));
        assert_eq!(limits(readers[1].as_ref()), (Some(150.0), Some(160.0)));
        assert!(restored(readers[1].as_ref(), 160.0).ends_with("/power2_max"));
        assert_eq!(readers[2].read().unwrap().energy_uj, Some(0), "a lone counter may begin at 0");
        assert_eq!(limits(readers[2].as_ref()), (Some(1.0), None), "a burst's limit has no default");
    }

    #[test]
    fn a_gpu_that_sleeps_has_its_sensor_all_the_same() {
        let sys = sys(&[("0000:83:00.0", DISCRETE)]);
        let folder = folder(&sys, "0000:83:00.0", 0);
        let power = folder.join("../../power");
        std::fs::create_dir_all(&power).unwrap();
        std::fs::write(power.join("runtime_status"), "suspended\n").unwrap();
        for name in ["power1_average", "temp1_input", "freq1_input"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        // Whatever cannot be read now, its driver is known.
        std::fs::remove_file(folder.join("name")).unwrap();
        let drivers = sys.path().join("bus/pci/drivers/amdgpu");
        std::fs::create_dir_all(&drivers).unwrap();
        std::os::unix::fs::symlink(&drivers, folder.join("../../driver")).unwrap();
        let mut reader = readers(sys.path()).unwrap().remove(0);
        assert_eq!(reader.source().power, Some(PowerKind::Average));
        let error = reader.read().unwrap_err().to_string();
        assert!(error.contains("the GPU sleeps: an empty file") && error.contains("power/control"), "{error}");
        assert_eq!(sleeping(sys.path()), [], "which is told for GPUs of every vendor");
        std::fs::write(power.join("runtime_status"), "active\n").unwrap();
        let findings = sleeping(sys.path());
        assert_eq!(findings.len(), 1, "in reset, it may be");
        assert!(findings[0].fix.as_ref().unwrap().contains("/0000:83:00.0/power/control"), "{findings:?}");

        std::fs::write(folder.join("power1_average"), "28000000\n").unwrap();
        std::fs::write(folder.join("temp1_input"), "45000\n").unwrap();
        let reading = reader.read().unwrap();
        assert_eq!((reading.power_mw, reading.temperature_c), (Some(28_000), Some(45.0)), "it woke up");
        assert_eq!(sleeping(sys.path()), []);

        let device = Path::new("/nonexistent");
        for (errno, sign) in [(1, "EPERM"), (16, "EBUSY")] {
            let error = io::Error::from_raw_os_error(errno);
            assert!(is_asleep(&error));
            let told = asleep(device, &error).to_string();
            assert!(told.contains("sleeps, or is being reset") && told.contains(sign), "{told}");
        }
        for errno in [13, 19, 22, 95] {
            assert!(!is_asleep(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
    }

    #[test]
    fn the_memory_of_a_processors_gpu_is_what_it_has_and_what_it_borrows() {
        let sys = sys(&[
            ("0000:83:00.0", DISCRETE),
            ("0000:74:00.0", &[("name", "amdgpu"), ("power1_input", "45000000"), ("in1_label", "vddnb")]),
        ]);
        let files = [
            ("mem_info_vram_total", "512000000"),
            ("mem_info_vram_used", "112000000"),
            ("mem_info_gtt_total", "8000000000"),
            ("mem_info_gtt_used", "1000000"),
        ];
        for address in ["0000:83:00.0", "0000:74:00.0"] {
            let device = sys.path().join("bus/pci/devices").join(address);
            std::fs::create_dir_all(&device).unwrap();
            for (name, text) in files {
                std::fs::write(device.join(name), text).unwrap();
            }
        }
        let memory = |address: &str| memory(sys.path(), address.parse().unwrap());
        let expected = |total_bytes, free| Some(Memory { total_bytes, free_bytes: Some(free) });
        assert_eq!(memory("0000:83:00.0"), expected(512_000_000, 400_000_000));
        assert_eq!(memory("0000:74:00.0"), expected(8_512_000_000, 8_399_000_000));
        assert_eq!(memory("0000:99:00.0"), None);
    }

    #[test]
    fn a_package_that_draws_milliwatts_is_not_believed() {
        let apu = |power: &'static str| {
            sys(&[("0000:74:00.0", &[("name", "amdgpu"), ("power1_input", power), ("in1_label", "vddnb")])])
        };
        let scaled_down = apu("45210");
        let mut reader = readers(scaled_down.path()).unwrap().remove(0);
        assert!(!reader.source().gives_something());
        let error = reader.read().unwrap_err().to_string();
        assert!(error.contains("0.045 W") && error.contains("--power rapl"), "{error}");
        let idle = apu("2000000");
        assert!(readers(idle.path()).unwrap()[0].source().gives_something());
        let discrete = sys(&[("0000:83:00.0", &[("name", "amdgpu"), ("power1_input", "45210")])]);
        assert!(readers(discrete.path()).unwrap()[0].source().gives_something(), "a card that rests may draw little");
    }

    #[test]
    fn a_lacking_permission_is_named_with_its_mend() {
        use std::os::unix::fs::PermissionsExt;
        let sys = sys(&[("0000:83:00.0", DISCRETE)]);
        let path = folder(&sys, "0000:83:00.0", 0).join("power1_average");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
        if std::fs::File::open(&path).is_ok() {
            eprintln!("skipped: root may read everything");
        } else {
            let error = readers(sys.path()).map(drop).unwrap_err();
            assert!(matches!(error, PowerError::NoPermission { .. }) && error.to_string().contains("chmod"), "{error}");
        }
        let error = failure("it", &io::ErrorKind::PermissionDenied.into());
        assert!(matches!(error, PowerError::NoPermission { .. }), "{error}");
    }
}
