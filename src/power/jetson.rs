//! NVIDIA's Jetson boards: monitors of their supply rails (INA3221, INA238) that Linux shows as hwmon devices. NVML is there on
//! newer ones, and answers to nothing.
//!
//! A rail carries its name as `inN_label`; its power is current × voltage (Documentation/hwmon/ina3221.rst of the kernel), or
//! stands in `power1_input` (ina238.rst). Which rail feeds the GPU: "Power and Performance" of NVIDIA's Jetson Linux Developer
//! Guide. Several rails of one board are several sensors; what feeds the GPU comes first.

use super::reader::{Interface, PowerReader, Readers, Serves};
use crate::host::sysfs;
use crate::host::sysfs::{NumberFile, SYS, entries, read_text};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterInfo, AdapterType, PowerKind, Scope, Source};
use std::io;
use std::path::{Path, PathBuf};

const FIX: &str = "see that the kernel has the driver ina3221 (or ina2xx): grep . /sys/class/hwmon/hwmon*/name";
const CHIPS: [&str; 3] = ["ina3221", "ina238", "ina2xx"];

/// The GPU of a Tegra chip.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(is_tegra(adapter)),
    // A machine has one.
    belongs: |source, adapter| is_tegra(adapter) && feeds_gpu(&source.device),
    ..Interface::on_linux("jetson", || readers(Path::new(SYS)))
};

fn is_tegra(adapter: &AdapterInfo) -> bool {
    adapter.vendor == "NVIDIA" && adapter.kind == AdapterType::Integrated
}

/// VDD_GPU, GPU, VDD_SYS_GPU, VDD_GPU_SOC, VDD_CPU_GPU_CV, POM_5V_GPU.
fn feeds_gpu(rail: &str) -> bool {
    rail.split('_').any(|part| part == "GPU")
}

/// What a rail feeds: the GPU alone, other parts of the chip with it, or the whole board.
fn scope(rail: &str) -> Scope {
    let of_chip = ["CPU", "SOC", "CV", "GPU", "MSS"];
    let parts = rail.split('_').filter(|part| of_chip.contains(part)).count();
    match (feeds_gpu(rail), parts) {
        (true, 1) => Scope::Gpu,
        (_, 1..) => Scope::Soc,
        (_, 0) => Scope::Board,
    }
}

/// A reader for every rail that carries a name.
///
/// # Errors
/// There is none, or none that may be read.
pub fn readers(sys: &Path) -> Readers {
    let mut rails = vec![];
    let mut refused = None;
    for folder in entries(&sys.join("class/hwmon")) {
        let monitors = read_text(&folder.join("name")).is_some_and(|name| CHIPS.contains(&name.as_str()));
        for (rail, number) in if monitors { named(&folder) } else { vec![] } {
            match Rail::open(sys, &folder, &rail, number) {
                Ok(reader) => rails.push(reader),
                Err(error) => refused = Some(error),
            }
        }
    }
    rails.sort_by_key(|rail: &Rail| !feeds_gpu(&rail.source.device)); // stable
    match (rails.is_empty(), refused) {
        (false, _) => Ok(rails.into_iter().map(|rail| Box::new(rail) as Box<dyn PowerReader>).collect()),
        (true, Some(error)) => Err(failure(&error)),
        (true, None) => Err(PowerError::Absent { what: "a monitor of a Jetson's supply rails".into(), fix: FIX }),
    }
}

/// The rails of a monitor, each with its channel. Rails without a part to feed ("NC", not connected) are none; the sum of all
/// channels is no rail.
fn named(folder: &Path) -> Vec<(String, u8)> {
    let rail = |number: u8| {
        let rail = read_text(&folder.join(format!("in{number}_label")))?;
        let known = !rail.is_empty() && rail != "NC" && !rail.starts_with("sum");
        known.then_some((rail, number))
    };
    let rails: Vec<(String, u8)> = (1..=3).filter_map(rail).collect();
    // A monitor of one channel has its name for itself.
    let whole = || read_text(&folder.join("label")).filter(|rail| !rail.is_empty()).map(|rail| (rail, 1));
    if rails.is_empty() { whole().into_iter().collect() } else { rails }
}

struct Rail {
    source: Source,
    power: Power,
    temperature_mc: Option<NumberFile>,
    clock_hz: Option<NumberFile>,
}

enum Power {
    Microwatts(NumberFile),
    /// In mA and mV.
    Product(NumberFile, NumberFile),
}

impl Power {
    fn read_uw(&mut self) -> io::Result<u64> {
        match self {
            Power::Microwatts(power) => power.read_unsigned(),
            Power::Product(current, voltage) => Ok(current.read_unsigned()?.saturating_mul(voltage.read_unsigned()?)),
        }
    }
}

impl Rail {
    fn open(sys: &Path, folder: &Path, rail: &str, number: u8) -> io::Result<Self> {
        let open = |name: String| NumberFile::open(&folder.join(name));
        let mut power = match open(format!("power{number}_input")) {
            Ok(power) => Power::Microwatts(power),
            Err(_) => Power::Product(open(format!("curr{number}_input"))?, open(format!("in{number}_input"))?),
        };
        match power.read_uw() {
            // A rail that rests may show a current a little below 0, which is no number of ours: it is read again.
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            _ => {}
        }
        let source = Source { power: Some(PowerKind::Instant), ..Source::new("Jetson", rail, scope(rail)) };
        let (temperature_mc, clock_hz) = match feeds_gpu(rail) {
            true => (temperature(sys), clock(sys)),
            false => (None, None),
        };
        Ok(Rail { source, power, temperature_mc, clock_hz })
    }
}

/// The thermal zone of the GPU: "gpu-thermal", "GPU-therm", "thermal-fan-est" being another.
fn temperature(sys: &Path) -> Option<NumberFile> {
    let is_gpus =
        |zone: &PathBuf| read_text(&zone.join("type")).is_some_and(|kind| kind.to_lowercase().starts_with("gpu"));
    let zone = entries(&sys.join("class/thermal")).into_iter().find(is_gpus)?;
    NumberFile::open(&zone.join("temp")).ok()
}

/// The GPU's clock: 17000000.gpu, 17000000.ga10b, 57000000.gpu and so on.
fn clock(sys: &Path) -> Option<NumberFile> {
    let is_gpu = |path: &PathBuf| {
        let chip = sysfs::name(path).and_then(|name| name.rsplit('.').next());
        chip.is_some_and(|chip| ["gpu", "gp10b", "gv11b", "ga10b"].contains(&chip))
    };
    let device = entries(&sys.join("class/devfreq")).into_iter().find(is_gpu)?;
    NumberFile::open(&device.join("cur_freq")).ok()
}

impl PowerReader for Rail {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let power_uw = self.power.read_uw().map_err(|error| failure(&error))?;
        let number = |file: &mut Option<NumberFile>| file.as_mut().and_then(|file| file.read().ok());
        Ok(Reading {
            power_mw: Some(power_uw / 1000),
            temperature_c: number(&mut self.temperature_mc).map(|millidegrees| millidegrees as f64 / 1000.0),
            clock_mhz: number(&mut self.clock_hz).map(|hertz| hertz as f64 * 1e-6),
            ..Reading::default()
        })
    }
}

fn failure(error: &io::Error) -> PowerError {
    let what = "reading a Jetson's supply rails".to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            PowerError::NoPermission { what, fix: "run as root, or: sudo chmod a+r /sys/class/hwmon/hwmon*/*_input" }
        }
        io::ErrorKind::InvalidData => PowerError::Failed {
            what,
            why: "it shows no current, or one below 0".into(),
            fix: "the monitor is off by a little at rest; under load it shows one",
        },
        _ => PowerError::Failed { what, why: error.to_string(), fix: FIX },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let sys = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = sys.path().join("class").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
        sys
    }

    /// Scope, rail, milliwatts.
    fn seen(sys: &tempfile::TempDir) -> Vec<(Scope, String, Option<u64>)> {
        let mut readers = readers(sys.path()).unwrap();
        let each = readers.iter_mut().map(|reader| {
            let reading = reader.read().unwrap();
            (reader.source().scope, reader.source().device.clone(), reading.power_mw)
        });
        each.collect()
    }

    #[test]
    fn a_rail_is_current_times_voltage_and_the_gpus_comes_first() {
        let sys = tree(&[
            ("hwmon/hwmon1/name", "ina3221"),
            ("hwmon/hwmon1/in1_label", "VIN_SYS_5V0"),
            ("hwmon/hwmon1/in1_input", "5000"),
            ("hwmon/hwmon1/curr1_input", "900"),
            ("hwmon/hwmon1/in2_label", "VDD_GPU_SOC"),
            ("hwmon/hwmon1/in2_input", "19880"),
            ("hwmon/hwmon1/curr2_input", "1264"),
            ("hwmon/hwmon1/in3_label", "VDD_CPU_CV"),
            ("hwmon/hwmon1/in3_input", "19880"),
            ("hwmon/hwmon1/curr3_input", "56"),
            ("hwmon/hwmon1/in7_label", "sum of shunt voltages"),
            ("hwmon/hwmon2/name", "ina238"),
            ("hwmon/hwmon2/label", "VIN"),
            ("hwmon/hwmon2/power1_input", "31250000"),
            ("hwmon/hwmon3/name", "nvme"),
            ("hwmon/hwmon3/in1_label", "GPU"),
            ("thermal/thermal_zone0/type", "CPU-therm"),
            ("thermal/thermal_zone0/temp", "51000"),
            ("thermal/thermal_zone1/type", "gpu-thermal"),
            ("thermal/thermal_zone1/temp", "49500"),
            ("devfreq/17000000.ga10b/cur_freq", "1300500000"),
            ("devfreq/15340000.vic/cur_freq", "115200000"),
        ]);
        let text = |text: &str| text.to_owned();
        let expected = [
            (Scope::Soc, text("VDD_GPU_SOC"), Some(25_128)),
            (Scope::Board, text("VIN_SYS_5V0"), Some(4500)),
            (Scope::Soc, text("VDD_CPU_CV"), Some(1113)),
            (Scope::Board, text("VIN"), Some(31_250)),
        ];
        assert_eq!(seen(&sys), expected);
        let reading = readers(sys.path()).unwrap()[0].read().unwrap();
        assert_eq!((reading.temperature_c, reading.clock_mhz, reading.energy_uj), (Some(49.5), Some(1300.5), None));
    }

    #[test]
    fn a_rail_of_the_gpu_alone_is_the_gpus_and_one_shared_is_the_chips() {
        for (rail, of) in [
            ("VDD_GPU", Scope::Gpu),
            ("GPU", Scope::Gpu),
            ("VDD_SYS_GPU", Scope::Gpu),
            ("VDD_CPU_GPU_CV", Scope::Soc),
            ("VDD_CPU_SOC_MSS", Scope::Soc),
            ("VDD_SOC", Scope::Soc),
            ("VDD_IN", Scope::Board),
        ] {
            assert_eq!(scope(rail), of, "{rail}");
        }
        let tegra = AdapterInfo::new("NVIDIA Tegra Orin (nvgpu)", "NVIDIA", AdapterType::Integrated, "vulkan");
        let card = AdapterInfo::new("NVIDIA RTX A6000", "NVIDIA", AdapterType::Discrete, "vulkan");
        let rail = |name: &str| Source::new("Jetson", name, scope(name));
        assert!((INTERFACE.belongs)(&rail("VDD_GPU_SOC"), &tegra) && !(INTERFACE.belongs)(&rail("VDD_IN"), &tegra));
        assert!(!(INTERFACE.belongs)(&rail("VDD_GPU"), &card) && (INTERFACE.serves)(&card) == Serves::No);
    }

    #[test]
    fn a_current_below_0_is_a_failed_read_and_no_measurement() {
        let sys = tree(&[
            ("hwmon/hwmon1/name", "ina3221"),
            ("hwmon/hwmon1/in1_label", "VDD_GPU"),
            ("hwmon/hwmon1/in1_input", "12000"),
            ("hwmon/hwmon1/curr1_input", "-33"),
            ("hwmon/hwmon1/in2_label", "NC"),
        ]);
        let mut readers = readers(sys.path()).unwrap();
        assert_eq!(readers.len(), 1);
        assert!(readers[0].read().unwrap_err().to_string().contains("below 0"));
        std::fs::write(sys.path().join("class/hwmon/hwmon1/curr1_input"), "2000\n").unwrap();
        assert_eq!(readers[0].read().unwrap().power_mw, Some(24_000));
        assert!(matches!(super::readers(Path::new("/nonexistent")), Err(PowerError::Absent { .. })));
    }
}
