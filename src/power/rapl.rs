//! RAPL: the energy counters of processor packages, through Linux's powercap files (AMD's processors have them too). The
//! sensor of software adapters, whose products the CPU computes.
//!
//! Documentation/power/powercap/powercap.rst of the kernel. Counters move every millisecond or so.

use super::reader::{Interface, PowerReader, Readers, Serves};
use crate::host::sysfs;
use crate::host::sysfs::{NumberFile, SYS, entries, read_number, read_text};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterInfo, AdapterType, Counter, LimitKind, Scope, Source};
use std::io;
use std::path::{Path, PathBuf};

/// Since Linux 5.10 the files are root's alone, because the counter leaks what the CPU computes (CVE-2020-8694).
const PERMISSION_FIX: &str = "run as root, or: sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj \
                              /sys/class/powercap/intel-rapl:*/max_energy_range_uj";

/// The CPU: of software adapters, and of GPUs that sit in it.
pub static INTERFACE: Interface = Interface {
    serves,
    belongs: |_, adapter| serves(adapter) != Serves::No, // a machine has one
    ..Interface::on_linux("rapl", || readers(Path::new(SYS)))
};

fn serves(adapter: &AdapterInfo) -> Serves {
    match adapter.kind {
        AdapterType::Software => Serves::Yes,
        AdapterType::Integrated if matches!(adapter.vendor.as_str(), "AMD" | "Intel") => Serves::AsLastResort,
        AdapterType::Integrated | AdapterType::Discrete | AdapterType::Virtual | AdapterType::Other => Serves::No,
    }
}

/// One reader for all packages of this machine: a software adapter computes on every one of them.
///
/// # Errors
/// There are none, as on virtual machines, or they may not be read.
pub fn readers(sys: &Path) -> Readers {
    let folders = packages(sys);
    if folders.is_empty() {
        return Err(PowerError::Absent {
            what: "RAPL (the CPU's energy counter)".into(),
            fix: "try `sudo modprobe intel_rapl_msr`; virtual machines and containers often have none",
        });
    }
    let packages: Result<Vec<Package>, PowerError> = folders.iter().map(|folder| Package::open(folder)).collect();
    let packages = packages?;
    let names: Vec<String> = folders.iter().filter_map(|folder| read_text(&folder.join("name"))).collect();
    let watts = |name: &str| -> Option<f64> {
        folders.iter().map(|folder| Some(read_number(&folder.join(name))? as f64 * 1e-6)).sum()
    };
    let source = Source {
        counter: Some(Counter { resolution_uj: None, wraps_at_uj: None }), // wraps are taken out here, package by package
        power_limit_w: watts("constraint_0_power_limit_uw").filter(|&watts| watts > 0.0),
        power_limit_kind: LimitKind::Sustained, // constraint 0 is PL1
        default_power_limit_w: watts("constraint_0_max_power_uw").filter(|&watts| watts > 0.0),
        ..Source::new("RAPL", format!("CPU ({})", names.join(" + ")), Scope::Package)
    };
    Ok(vec![Box::new(RaplReader { source, packages })])
}

/// The packages' folders: intel-rapl:0, intel-rapl:1, … Parts of a package (intel-rapl:0:0, the cores) are in it already,
/// and so is the same package through another interface (intel-rapl-mmio:0). "psys", the whole machine, is no package.
fn packages(sys: &Path) -> Vec<PathBuf> {
    let is_package = |folder: &PathBuf| {
        let number = sysfs::name(folder).and_then(|name| name.strip_prefix("intel-rapl:"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
            && read_text(&folder.join("name")).is_some_and(|name| name.starts_with("package"))
    };
    entries(&sys.join("class/powercap")).into_iter().filter(is_package).collect()
}

struct RaplReader {
    source: Source,
    packages: Vec<Package>,
}

struct Package {
    energy_uj: NumberFile,
    range_uj: u64,
    last_uj: u64,
    /// Energy that was on the counter when it wrapped.
    wrapped_uj: u64,
}

impl Package {
    fn open(folder: &Path) -> Result<Self, PowerError> {
        // Each file has rights of its own: a chmod of the counter alone leaves the other one root's.
        let open = |name: &str| -> Result<(NumberFile, u64), PowerError> {
            let opened = NumberFile::open(&folder.join(name)).and_then(|mut file| {
                let number = file.read_unsigned()?;
                Ok((file, number))
            });
            opened.map_err(|error| failure(&format!("{READING} ({name})"), &error))
        };
        let (energy_uj, last_uj) = open("energy_uj")?;
        let (_, range_uj) = open("max_energy_range_uj")?;
        Ok(Package { energy_uj, range_uj, last_uj, wrapped_uj: 0 })
    }

    /// The energy so far, wraps taken out. A counter that falls from its upper quarter into its lowest one has wrapped; any
    /// other fall is a fault, and left in for whoever looks for one.
    fn read(&mut self) -> io::Result<u64> {
        let now_uj = self.energy_uj.read_unsigned()?;
        if self.last_uj > self.range_uj / 4 * 3 && now_uj < self.range_uj / 4 {
            self.wrapped_uj += self.range_uj;
        }
        self.last_uj = now_uj;
        Ok(self.wrapped_uj + now_uj)
    }
}

impl PowerReader for RaplReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        // A sum without one of its parts would be a step back: none without all.
        let energy: io::Result<u64> = self.packages.iter_mut().map(Package::read).sum();
        let energy_uj = energy.map_err(|error| failure(READING, &error))?;
        Ok(Reading { energy_uj: Some(energy_uj), ..Reading::default() })
    }
}

const READING: &str = "reading the CPU's energy through RAPL";

fn failure(what: &str, error: &io::Error) -> PowerError {
    let what = what.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied => PowerError::NoPermission { what, fix: PERMISSION_FIX },
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => PowerError::Failed {
            what,
            why: "what the file holds is no number".into(),
            fix: "update the kernel; some virtual machines show empty counters",
        },
        _ => PowerError::Failed { what, why: error.to_string(), fix: "try `sudo modprobe intel_rapl_msr`" },
    }
}

#[cfg(all(test, unix))] // sysfs names hold colons, and links
mod tests {
    use super::*;

    /// A /sys with zones: folder, name, counter, range.
    fn sys(zones: &[(&str, &str, &str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        for (folder, name, energy, range) in zones {
            let folder = sys.path().join("class/powercap").join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("name"), name).unwrap();
            std::fs::write(folder.join("energy_uj"), energy).unwrap();
            std::fs::write(folder.join("max_energy_range_uj"), range).unwrap();
        }
        sys
    }

    fn set(sys: &tempfile::TempDir, zone: &str, energy: &str) {
        std::fs::write(sys.path().join("class/powercap").join(zone).join("energy_uj"), energy).unwrap();
    }

    #[test]
    fn packages_are_summed_and_each_wraps_by_itself() {
        let sys = sys(&[
            ("intel-rapl:0", "package-0\n", "900\n", "1000\n"),
            ("intel-rapl:0:0", "core\n", "5\n", "1000\n"),
            ("intel-rapl:1", "package-1\n", "100\n", "1000\n"),
            ("intel-rapl:2", "psys\n", "7\n", "1000\n"),
            ("intel-rapl-mmio:0", "package-0\n", "900\n", "1000\n"),
        ]);
        let mut readers = readers(sys.path()).unwrap();
        assert_eq!(readers.len(), 1);
        let reader = &mut readers[0];
        assert_eq!(
            (reader.source().device.as_str(), reader.source().scope),
            ("CPU (package-0 + package-1)", Scope::Package)
        );
        let mut energy = || reader.read().unwrap().energy_uj;
        assert_eq!(energy(), Some(1000));
        set(&sys, "intel-rapl:0", "50\n");
        assert_eq!(energy(), Some(1150), "the first wrapped");
        set(&sys, "intel-rapl:1", "950\n");
        assert_eq!(energy(), Some(2000));
        set(&sys, "intel-rapl:1", "30\n");
        assert_eq!(energy(), Some(2080), "the second wrapped");
        set(&sys, "intel-rapl:0", "10\n");
        assert_eq!(energy(), Some(2040), "a step back is no wrap, and shows");
        set(&sys, "intel-rapl:0", "garbage");
        let error = reader.read().unwrap_err().to_string();
        assert!(error.contains("no number"), "{error}");
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        assert!(matches!(readers(Path::new("/nonexistent")), Err(PowerError::Absent { .. })));
        let no_range = sys(&[("intel-rapl:0", "package-0", "900", "")]);
        assert!(matches!(readers(no_range.path()), Err(PowerError::Failed { .. })));
        std::fs::remove_file(no_range.path().join("class/powercap/intel-rapl:0/energy_uj")).unwrap();
        assert!(matches!(readers(no_range.path()), Err(PowerError::Failed { .. })));
        let error = failure("reading", &io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(error.contains("sudo chmod a+r /sys/class/powercap"), "{error}");
    }

    #[test]
    fn each_of_the_two_files_may_be_the_one_that_is_not_permitted() {
        use std::os::unix::fs::PermissionsExt;
        for name in ["energy_uj", "max_energy_range_uj"] {
            let sys = sys(&[("intel-rapl:0", "package-0", "900", "1000")]);
            let path = sys.path().join("class/powercap/intel-rapl:0").join(name);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
            if std::fs::File::open(&path).is_ok() {
                eprintln!("skipped: root may read everything");
                continue;
            }
            let error = readers(sys.path()).map(drop).unwrap_err();
            assert!(matches!(error, PowerError::NoPermission { .. }), "{error}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("({name})")) && text.ends_with("intel-rapl:*/max_energy_range_uj"),
                "{text}"
            );
        }
    }
}
