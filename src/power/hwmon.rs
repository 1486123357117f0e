//! Linux's hwmon files: what the kernel's own GPU drivers (amdgpu, i915, xe) say of power, without a vendor's library.
//!
//! Names and units: Documentation/hwmon/sysfs-interface.rst and Documentation/gpu/amdgpu/thermal.rst of the kernel, and
//! Documentation/ABI/testing/sysfs-driver-intel-{i915,xe}-hwmon.

use super::reader::{Interface, PowerReader, Readers, Serves};
use crate::host::sysfs::{NumberFile, SYS, entries, pci_address, read_number, read_text};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterType, Counter, LimitKind, PciAddress, PowerKind, Scope, Source};
use std::io;
use std::path::{Path, PathBuf};

const FIX: &str = "see that the kernel's driver (amdgpu, i915 or xe) drives the GPU: `lspci -k`";
/// The drivers whose files are understood. i915 has one more for each tile (i915_gt0): the device's own counts them all.
const DRIVERS: [&str; 3] = ["amdgpu", "i915", "xe"];

/// AMD's and Intel's GPUs on Linux.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| {
        Serves::when(adapter.kind != AdapterType::Software && matches!(adapter.vendor.as_str(), "AMD" | "Intel"))
    },
    restore_limit: Some(restore_limit),
    ..Interface::new("hwmon", || readers(Path::new(SYS)))
};

/// Through the kernel's own file, which asks for no vendor's tool.
fn restore_limit(source: &Source, watts: f64) -> String {
    let address = source.pci_address.map(|address| address.to_string()).unwrap_or_else(|| "*".into());
    format!("echo {:.0} | sudo tee /sys/bus/pci/devices/{address}/hwmon/hwmon*/power1_cap", watts * 1e6)
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
            Ok(Some(reader)) => readers.push(Box::new(reader)),
            Ok(None) => {}
            Err(error) => refused = Some(error),
        }
    }
    match (readers.is_empty(), refused) {
        (false, _) => Ok(readers),
        (true, Some(error)) => Err(failure("reading power through hwmon", &error)),
        (true, None) => Err(PowerError::Absent { what: "a GPU with hwmon power files".into(), fix: FIX }),
    }
}

/// What the GPU at this address measures: an APU's figure holds its CPU cores too.
pub fn scope_at(sys: &Path, address: PciAddress) -> Option<Scope> {
    folders(sys).into_iter().find(|(at, _)| *at == address).map(|(_, folder)| scope(&folder))
}

/// The hwmon folders of GPUs by PCI address. The number in a folder's name changes from boot to boot.
fn folders(sys: &Path) -> Vec<(PciAddress, PathBuf)> {
    let understood =
        |folder: &PathBuf| read_text(&folder.join("name")).is_some_and(|name| DRIVERS.contains(&name.as_str()));
    let folders = entries(&sys.join("class/hwmon")).into_iter().filter(understood);
    let mut folders: Vec<(PciAddress, PathBuf)> =
        folders.filter_map(|folder| Some((pci_address(&folder)?, folder))).collect();
    folders.sort();
    folders
}

fn scope(folder: &Path) -> Scope {
    // amdgpu shows the voltage of the north bridge (in1, "vddnb") on APUs alone.
    let apu = read_text(&folder.join("in1_label")).is_some_and(|label| label == "vddnb");
    let card = read_text(&folder.join("energy1_label")).is_some_and(|label| label == "card");
    match (apu, card) {
        (true, _) => Scope::Package,
        (false, true) => Scope::Board,
        // amdgpu's is the power of "the SoC", on some cards of the whole board: the lesser claim.
        (false, false) => Scope::Gpu,
    }
}

struct HwmonReader {
    source: Source,
    power_uw: Option<NumberFile>,
    energy_uj: Option<NumberFile>,
    temperature_mc: Option<NumberFile>,
    clock_hz: Option<NumberFile>,
}

impl HwmonReader {
    /// None for a GPU that has no power file; an error for one whose files may not be read.
    fn open(folder: &Path, address: PciAddress) -> io::Result<Option<Self>> {
        let driver = read_text(&folder.join("name")).unwrap_or_default();
        // A file that is there and cannot be read now (amdgpu shows some that its card does not serve) is no sensor.
        let open = |name: &str| match NumberFile::open(&folder.join(name)) {
            Ok(mut file) => Ok(file.read().is_ok().then_some(file)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
            Err(_) => Ok(None),
        };
        let (power_uw, kind) = match open("power1_input")? {
            Some(file) => (Some(file), PowerKind::Instant),
            None => (open("power1_average")?, PowerKind::Average),
        };
        // xe: 1 is the card, 2 its chip; some cards show the second alone.
        let energy_uj = match open("energy1_input")? {
            Some(file) => Some(file),
            None => open("energy2_input")?,
        };
        if power_uw.is_none() && energy_uj.is_none() {
            return Ok(None);
        }
        let watts = |name: &str| Some(read_number(&folder.join(name))? as f64 * 1e-6).filter(|&watts| watts > 0.0);
        let vendor = if driver == "amdgpu" { "AMD" } else { "Intel" };
        let source = Source {
            pci_address: Some(address),
            counter: energy_uj.as_ref().map(|_| Counter { resolution_uj: None, wraps_at_uj: None }),
            power: power_uw.as_ref().map(|_| kind),
            power_limit_w: watts("power1_cap").or_else(|| watts("power1_max")),
            // Of Intel's drivers power1_max is PL1, and power1_cap what is not exceeded.
            power_limit_kind: match watts("power1_cap") {
                None if driver != "amdgpu" => LimitKind::Sustained,
                _ => LimitKind::Enforced,
            },
            default_power_limit_w: watts("power1_cap_default").or_else(|| watts("power1_rated_max")),
            ..Source::new("hwmon", format!("{vendor} GPU ({driver})"), scope(folder))
        };
        let temperature_mc = open("temp1_input").unwrap_or(None);
        let clock_hz = open("freq1_input").unwrap_or(None);
        Ok(Some(HwmonReader { source, power_uw, energy_uj, temperature_mc, clock_hz }))
    }
}

impl PowerReader for HwmonReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let power = self.power_uw.as_mut().map(NumberFile::read_unsigned).transpose();
        let energy = self.energy_uj.as_mut().map(NumberFile::read_unsigned).transpose();
        let (power_uw, energy_uj) = match (power, energy) {
            (Err(error), Err(_) | Ok(None)) | (Ok(None), Err(error)) => {
                return Err(failure("reading power through hwmon", &error));
            }
            (power, energy) => (power.unwrap_or(None), energy.unwrap_or(None)),
        };
        let number = |file: &mut Option<NumberFile>| file.as_mut().and_then(|file| file.read().ok());
        Ok(Reading {
            energy_uj,
            power_mw: power_uw.map(|microwatts| microwatts / 1000),
            temperature_c: number(&mut self.temperature_mc).map(|millidegrees| millidegrees as f64 / 1000.0),
            clock_mhz: number(&mut self.clock_hz).map(|hertz| hertz as f64 * 1e-6),
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
        for garbage in ["", "-3", "over 9000"] {
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
