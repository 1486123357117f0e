//! A meter that the kernel reads: a server's own, at its supplies (ACPI's `power_meter`), or a chip in the cables (`ina226` and its
//! like).
//!
//! Names and units: Documentation/hwmon/acpi_power_meter.rst and Documentation/hwmon/sysfs-interface.rst of the kernel. Until a
//! kernel of 2025, ACPI's files lie in the folder of its device, one deeper than all others'.

use super::lines::Figure;
use crate::host::sysfs;
use crate::host::sysfs::{NumberFile, entries, read_number, read_text};
use crate::protocol::PowerError;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What ACPI's driver calls itself.
pub const USUAL: &str = "power_meter";

/// The files of power, in µW: what the meter averages itself comes first.
const FILES: [&str; 2] = ["power1_average", "power1_input"];
/// How often the meter renews it, in milliseconds.
const INTERVALS: [&str; 2] = ["power1_average_interval", "update_interval"];
/// Where none of them tells: ACPI's meters do once a second.
const USUAL_INTERVAL: Duration = Duration::from_secs(1);
/// Read no oftener, and no more seldom.
const BOUNDS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Some say all ones where they know nothing.
const MOST_W: f64 = crate::record::trace::IMPLAUSIBLE_W;

/// A meter's file, kept open.
pub struct KernelMeter {
    power: NumberFile,
    /// How often it says something new.
    pub interval: Duration,
}

impl KernelMeter {
    /// The one whose driver, or whose folder below `class/hwmon`, has this name.
    ///
    /// # Errors
    /// There is none, or several, or it may not be read.
    pub fn find(sys: &Path, name: &str) -> Result<Self, PowerError> {
        let mut found: Vec<PathBuf> = entries(&sys.join("class/hwmon"))
            .into_iter()
            .flat_map(|folder| [folder.join("device"), folder])
            .filter(|place| FILES.iter().any(|file| place.join(file).exists()))
            .filter(|place| is_called(place, name))
            .collect();
        let place = match (found.pop(), found.is_empty()) {
            (Some(place), true) => place,
            (None, _) => {
                return Err(PowerError::Absent {
                    what: format!("a meter of the kernel's that is called {name}"),
                    fix: "see `grep . /sys/class/hwmon/*/name`; a server's own needs `sudo modprobe acpi_power_meter`",
                });
            }
            (Some(_), false) => {
                return Err(PowerError::Absent {
                    what: format!("only one meter of the kernel's that is called {name}"),
                    fix: "name its folder below /sys/class/hwmon, such as wall:hwmon:hwmon3",
                });
            }
        };
        let milliseconds = INTERVALS.iter().find_map(|name| read_number(&place.join(name)));
        let interval = milliseconds.and_then(|number| u64::try_from(number).ok()).map(Duration::from_millis);
        let interval = interval.unwrap_or(USUAL_INTERVAL).clamp(BOUNDS.0, BOUNDS.1);
        let file = FILES.iter().map(|file| place.join(file)).find(|file| file.exists()).unwrap_or_default();
        match NumberFile::open(&file) {
            Ok(power) => Ok(KernelMeter { power, interval }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(PowerError::NoPermission {
                what: format!("reading {}", file.display()),
                fix: "sudo chmod a+r that file, or run as root",
            }),
            Err(error) => Err(PowerError::Failed {
                what: format!("reading {}", file.display()),
                why: error.to_string(),
                fix: "read it with `cat`: its driver may have lost the meter",
            }),
        }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there is no figure.
    pub fn ask(&mut self) -> Result<Figure, String> {
        let watts = match self.power.read() {
            Ok(microwatts) => microwatts as f64 * 1e-6,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err("its file holds no number".into()),
            Err(error) => return Err(format!("its file cannot be read: {}", error.kind())),
        };
        if watts > MOST_W {
            return Err("its file holds more than any machine draws".into());
        }
        Ok(Figure { watts, own_s: None })
    }
}

/// By its driver, or by its folder.
fn is_called(place: &Path, name: &str) -> bool {
    let folder = if place.ends_with("device") { place.parent() } else { Some(place) };
    read_text(&place.join("name")).is_some_and(|driver| driver == name)
        || folder.and_then(sysfs::name).is_some_and(|folder| folder == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A /sys with hwmon folders, or the folders of their devices, and their files.
    fn sys(places: &[(&str, &[(&str, &str)])]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        for (place, files) in places {
            let place = sys.path().join("class/hwmon").join(place);
            fs::create_dir_all(&place).unwrap();
            for (name, text) in *files {
                fs::write(place.join(name), text).unwrap();
            }
        }
        sys
    }

    const CPU: (&str, &[(&str, &str)]) = ("hwmon0", &[("name", "k10temp\n"), ("temp1_input", "40000\n")]);
    const GPU: (&str, &[(&str, &str)]) = ("hwmon1", &[("name", "amdgpu\n"), ("power1_average", "30000000\n")]);

    #[test]
    fn a_servers_meter_is_read_where_old_and_new_kernels_have_it() {
        let files: &[(&str, &str)] =
            &[("name", "power_meter\n"), ("power1_average", "412000000\n"), ("power1_average_interval", "500\n")];
        for place in ["hwmon3", "hwmon3/device"] {
            let sys = sys(&[CPU, GPU, (place, files)]);
            for name in [USUAL, "hwmon3"] {
                let mut meter = KernelMeter::find(sys.path(), name).unwrap();
                assert_eq!((meter.ask().unwrap().watts, meter.interval), (412.0, Duration::from_millis(500)));
                let file = sys.path().join("class/hwmon").join(place).join("power1_average");
                fs::write(&file, "0\n").unwrap();
                assert_eq!(meter.ask().unwrap().watts, 0.0, "a true zero is a measurement");
                for (text, why) in
                    [("", "cannot be read"), ("none", "no number"), ("4294967295000000", "more than any")]
                {
                    fs::write(&file, text).unwrap();
                    assert!(meter.ask().unwrap_err().contains(why), "{text}");
                }
                fs::write(&file, "412000000\n").unwrap();
            }
        }
    }

    #[test]
    fn a_chip_in_the_cables_is_found_by_its_drivers_name() {
        let sys = sys(&[GPU, ("hwmon2", &[("name", "ina226\n"), ("power1_input", "75500000\n")])]);
        let mut meter = KernelMeter::find(sys.path(), "ina226").unwrap();
        assert_eq!((meter.ask().unwrap().watts, meter.interval), (75.5, USUAL_INTERVAL));
    }

    #[test]
    fn none_and_several_are_told_apart_and_what_helps_is_said() {
        let none = KernelMeter::find(sys(&[CPU, GPU]).path(), USUAL).err().unwrap().to_string();
        assert!(
            none.contains("called power_meter is not here") && none.contains("modprobe acpi_power_meter"),
            "{none}"
        );
        let both: &[(&str, &str)] = &[("name", "power_meter\n"), ("power1_average", "1\n")];
        let sys = sys(&[("hwmon2", both), ("hwmon3", both)]);
        let several = KernelMeter::find(sys.path(), USUAL).err().unwrap().to_string();
        assert!(several.contains("only one") && several.contains("wall:hwmon:hwmon3"), "{several}");
        assert!(KernelMeter::find(sys.path(), "hwmon2").is_ok());
        assert!(KernelMeter::find(Path::new("/nonexistent"), USUAL).is_err());
    }
}
