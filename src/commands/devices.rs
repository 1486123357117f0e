//! `wattmul devices`: the adapters of this machine, its sensors with what each says now, and which belongs to which.

use crate::cli::DevicesArgs;
use crate::gpu::adapter;
use crate::gpu::adapter::{Adapter, AdapterError, Backend};
use crate::gpu::matrix_units::MatrixUnits;
use crate::host::sysfs::SYS;
use crate::host::unseen::unseen_gpus;
use crate::host::visible;
use crate::host::visible::{Grant, Standing, Variables, VisibleError};
use crate::power::reader::{Interface, PowerReader};
use crate::power::{INTERFACES, inventory};
use crate::protocol::{PowerError, Reading};
use crate::record::text::printable;
use crate::record::{AdapterInfo, Source};
use crate::report::wrap::{notice, wrapped};
use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How long a counter is watched for its power: two and a half periods of the slowest common board.
const WATCH: Duration = Duration::from_millis(250);

/// Lists adapters and sensors.
///
/// # Errors
/// Standard output is closed.
pub fn devices(args: &DevicesArgs) -> anyhow::Result<ExitCode> {
    let devices = look(args.backend);
    let mut output = std::io::stdout().lock();
    if args.json {
        writeln!(output, "{:#}", devices.json())?;
    } else {
        write!(output, "{}", devices.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All that was found.
pub struct Devices {
    pub adapters: Result<Vec<AdapterInfo>, AdapterError>,
    /// What matrix units each of them has, if any.
    pub matrix_units: Vec<Option<MatrixUnits>>,
    /// Which of them this process may use.
    pub grant: Result<Grant, VisibleError>,
    pub sensors: Vec<Sensor>,
    /// Interfaces that are here and do not work. Those that are not here are not listed: most machines lack most.
    pub refusals: Vec<PowerError>,
}

/// A sensor and what it says.
pub struct Sensor {
    pub interface: &'static Interface,
    /// Its place among the interface's: `--power api:index` names it.
    pub index: usize,
    pub source: Source,
    pub reading: Result<Reading, PowerError>,
    /// As the sensor says, else by its counter, watched for a moment.
    pub power_w: Option<f64>,
    /// Index of the adapter that it measures.
    pub adapter: Option<usize>,
}

/// Looks for adapters and sensors, and reads each sensor. A machine without an adapter may still have sensors.
pub fn look(backend: Backend) -> Devices {
    let adapters = adapter::list(backend);
    let matrix_units = adapters.iter().flatten().map(Adapter::matrix_units).collect();
    let adapters = adapters.map(|adapters| adapters.into_iter().map(|adapter| adapter.info).collect::<Vec<_>>());
    let infos = adapters.as_deref().unwrap_or(&[]);
    let grant = visible::grant(&Variables::of_this_process(), infos, &inventory::gpus_of);
    let mut refusals = vec![];
    let mut readers: Vec<(&Interface, usize, Box<dyn PowerReader>)> = vec![];
    for interface in INTERFACES {
        match (interface.readers)() {
            Ok(found) => {
                readers.extend(found.into_iter().enumerate().map(|(index, reader)| (*interface, index, reader)));
            }
            Err(PowerError::Absent { .. }) => {}
            Err(error) => refusals.push(error),
        }
    }
    let timed = |reader: &mut Box<dyn PowerReader>| (Instant::now(), reader.read());
    let first: Vec<(Instant, Result<Reading, PowerError>)> = readers.iter_mut().map(|(.., r)| timed(r)).collect();
    if first.iter().any(|(_, reading)| reading.as_ref().is_ok_and(|reading| reading.power_mw.is_none())) {
        std::thread::sleep(WATCH);
    }
    let sensors = readers.into_iter().zip(first).map(|((interface, index, mut reader), (begun, before))| {
        let (ended, reading) = timed(&mut reader);
        let source = reader.source().clone();
        let power_w = match (&before, &reading) {
            (_, Ok(Reading { power_mw: Some(power_mw), .. })) => Some(*power_mw as f64 / 1000.0),
            (Ok(Reading { energy_uj: Some(from), .. }), Ok(Reading { energy_uj: Some(to), .. })) if to > from => {
                Some((to - from) as f64 * 1e-6 / (ended - begun).as_secs_f64())
            }
            _ => None,
        };
        let adapter = infos.iter().position(|info| (interface.belongs)(&source, info));
        Sensor { interface, index, source, reading, power_w, adapter }
    });
    let sensors = sensors.collect();
    Devices { adapters, matrix_units, grant, sensors, refusals }
}

impl Devices {
    fn infos(&self) -> &[AdapterInfo] {
        self.adapters.as_deref().unwrap_or(&[])
    }

    /// None where the environment cannot be obeyed.
    fn standing(&self, info: &AdapterInfo) -> Option<Standing> {
        self.grant.as_ref().ok().map(|grant| grant.standing(info))
    }

    /// For people: adapters, sensors, and what does not work, in 80 columns.
    pub fn table(&self) -> String {
        let mut text = String::from("adapters\n");
        for (index, info) in self.infos().iter().enumerate() {
            let address = info.pci_address.map(|address| format!(" · {address}")).unwrap_or_default();
            let line = format!("{} · {} · {}{address}", printable(&info.name), info.kind, info.backend_title());
            text += &wrapped(&line, &format!("{index:>3}  "), "     ");
            if let Some(driver) = &info.driver {
                let _ = writeln!(text, "     driver {}", printable(driver));
            }
            let matrix = match self.matrix_units.get(index).and_then(Option::as_ref) {
                Some(units) => units.to_string(),
                None => "n/a (--units simt alone)".into(),
            };
            let _ = writeln!(text, "     matrix {matrix}");
            let twin = self.infos()[..index]
                .iter()
                .position(|other| info.pci_address.is_some() && other.pci_address == info.pci_address);
            if let Some(first) = twin {
                let _ = writeln!(text, "     use    the GPU of adapter {first} by another driver; only if named");
            }
            if let Some(why) = self.standing(info).and_then(|standing| standing.why()) {
                text += &wrapped(&printable(&why), "     use    ", "            ");
            }
            // Sensors stand in the order of preference: the first is the one that a run takes.
            let sensor = self.sensors.iter().find(|s| s.adapter == Some(index) && s.source.gives_something());
            let _ = match sensor {
                Some(sensor) => writeln!(text, "     sensor {}", sensor.name()),
                None => writeln!(text, "     sensor n/a (`wattmul doctor` says what is missing)"),
            };
        }
        if let Err(error) = &self.adapters {
            let told = error.to_string();
            text += &told.lines().map(|line| wrapped(&printable(line), "     ", "     ")).collect::<String>();
        }
        text += "sensors\n";
        for sensor in &self.sensors {
            text += &sensor.lines();
        }
        if self.sensors.is_empty() {
            text += "     none (`wattmul doctor` says what is missing)\n";
        }
        if let Err(error) = &self.grant {
            text += &notice(&error.to_string());
        }
        text += &self.refusals.iter().map(|error| notice(&error.to_string())).collect::<String>();
        match self.adapters {
            Err(AdapterError::None { .. }) => text, // which has told of them
            _ => text + &unseen(self.infos().iter()),
        }
    }

    /// For programs.
    pub fn json(&self) -> serde_json::Value {
        let sensors: Vec<_> = self.sensors.iter().map(Sensor::json).collect();
        let adapters = self.infos().iter().enumerate().map(|(index, info)| {
            let standing = self.standing(info);
            let mut json = serde_json::json!(info);
            let matrix_units = self.matrix_units.get(index).and_then(Option::as_ref);
            json["matrix_units"] = matrix_units
                .map(|units| serde_json::json!({ "edges": units.edges, "lanes": [units.lanes.0, units.lanes.1] }))
                .into();
            json["allowed"] = standing.as_ref().map(Standing::is_allowed).into();
            json["why"] = standing.and_then(|standing| standing.why()).into();
            json
        });
        let refusal = self.grant.as_ref().err().map(|error| error.to_string());
        serde_json::json!({ "adapters": adapters.collect::<Vec<_>>(), "refusal": refusal, "sensors": sensors })
    }
}

impl Sensor {
    /// As `--power` takes it.
    fn name(&self) -> String {
        format!("{}:{}", self.interface.name, self.index)
    }

    fn lines(&self) -> String {
        let Source { api, device, pci_address, scope, .. } = &self.source;
        let address = pci_address.map(|address| format!(" · {address}")).unwrap_or_default();
        let adapter = self.adapter.map(|adapter| format!(" · adapter {adapter}")).unwrap_or_default();
        let line = format!("{api} · {} · {scope}{address}{adapter}", printable(device));
        let says = match &self.reading {
            Ok(reading) => {
                let figure = |value: Option<f64>, unit: &str| value.map(|value| format!("{value:.1} {unit}"));
                let figures = [
                    Some(figure(self.power_w, "W").unwrap_or_else(|| "power n/a (nothing moved)".into())),
                    figure(reading.temperature_c, "°C"),
                    reading.clock_mhz.map(|mhz| format!("{mhz:.0} MHz")),
                    Some(self.source.kind()).filter(|kind| !kind.is_empty()),
                ];
                figures.into_iter().flatten().collect::<Vec<_>>().join(" · ")
            }
            Err(error) => error.to_string(),
        };
        wrapped(&line, &format!("  {:<12} ", self.name()), "               ")
            + &wrapped(&printable(&says), "               ", "               ")
    }

    fn json(&self) -> serde_json::Value {
        let reading = self.reading.as_ref().copied().unwrap_or_default();
        serde_json::json!({
            "api": self.source.api,
            "name": self.source.device,
            "pci_address": self.source.pci_address,
            "scope": self.source.scope,
            "kind": self.source.kind(),
            "power_w": self.power_w,
            "energy_j": reading.energy_uj.map(|energy_uj| energy_uj as f64 * 1e-6),
            "temperature_c": reading.temperature_c,
            "clock_mhz": reading.clock_mhz,
            "adapter": self.adapter,
        })
    }
}

/// A sentence for each GPU that the PCI bus shows and the backend does not.
pub fn unseen<'a>(infos: impl Iterator<Item = &'a AdapterInfo>) -> String {
    let seen: Vec<_> = infos.filter_map(|info| info.pci_address).collect();
    let gpus = unseen_gpus(Path::new(SYS), &seen);
    gpus.iter().map(|gpu| notice(&gpu.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{hwmon, rocm_smi};
    use crate::record::{AdapterType, Counter, PowerKind, Scope};

    fn sensor(
        interface: &'static Interface,
        address: Option<&str>,
        power_w: Option<f64>,
        adapter: Option<usize>,
    ) -> Sensor {
        let source = Source {
            pci_address: address.map(|address| address.parse().unwrap()),
            counter: (interface.name == "rocm-smi").then_some(Counter { resolution_uj: None, wraps_at_uj: None }),
            power: power_w.map(|_| PowerKind::Average),
            ..Source::new(
                if interface.name == "hwmon" { "hwmon" } else { "ROCm SMI" },
                "AMD Radeon \u{1b}[31mRX",
                Scope::Gpu,
            )
        };
        let reading = Reading { temperature_c: Some(51.0), energy_uj: Some(7_000_000), ..Reading::default() };
        Sensor { interface, index: 0, source, reading: Ok(reading), power_w, adapter }
    }

    fn two() -> Devices {
        let info = |name: &str, address: Option<&str>| AdapterInfo {
            driver: Some("radv".into()),
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new(name, "AMD", AdapterType::Discrete, "vulkan")
        };
        let mut gone = sensor(&hwmon::INTERFACE, None, None, None);
        gone.reading = Err(PowerError::Failed { what: "reading".into(), why: "gone".into(), fix: "look for it" });
        Devices {
            grant: Ok(Grant::default()),
            adapters: Ok(vec![info("AMD Radeon", Some("0000:03:00.0")), info("other", None)]),
            matrix_units: vec![Some(MatrixUnits { edges: vec![16], lanes: (32, 64) }), None],
            sensors: vec![
                sensor(&rocm_smi::INTERFACE, Some("0000:03:00.0"), Some(200.04), Some(0)),
                sensor(&hwmon::INTERFACE, Some("0000:03:00.0"), None, Some(0)),
                gone,
            ],
            refusals: vec![PowerError::NoPermission { what: "RAPL".into(), fix: "sudo chmod" }],
        }
    }

    #[test]
    fn the_table_pairs_adapters_with_sensors() {
        insta::assert_snapshot!(two().table(), @r"
        adapters
          0  AMD Radeon · discrete · Vulkan · 0000:03:00.0
             driver radv
             matrix f16 by 16 × 16, summed in f32, 32 to 64 threads
             sensor rocm-smi:0
          1  other · discrete · Vulkan
             driver radv
             matrix n/a (--units simt alone)
             sensor n/a (`wattmul doctor` says what is missing)
        sensors
          rocm-smi:0   ROCm SMI · AMD Radeon [31mRX · gpu · 0000:03:00.0 · adapter 0
                       200.0 W · 51.0 °C · energy counter and averaged power
          hwmon:0      hwmon · AMD Radeon [31mRX · gpu · 0000:03:00.0 · adapter 0
                       power n/a (nothing moved) · 51.0 °C
          hwmon:0      hwmon · AMD Radeon [31mRX · gpu
                       reading failed (gone): look for it
          notice: RAPL is not permitted: sudo chmod
        ");
    }

    #[test]
    fn what_a_sensor_does_not_say_is_null_and_not_0() {
        let json = two().json();
        let [first, _, gone] = &json["sensors"].as_array().unwrap()[..] else { panic!("{json:#}") };
        let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
        assert_eq!(
            keys,
            [
                "api", "name", "pci_address", "scope", "kind", "power_w", "energy_j", "temperature_c", "clock_mhz",
                "adapter"
            ]
        );
        assert_eq!((&first["power_w"], &first["energy_j"]), (&200.04.into(), &7.0.into()));
        assert!(first["clock_mhz"].is_null());
        assert!(
            ["power_w", "energy_j", "temperature_c", "pci_address", "adapter"].iter().all(|key| gone[key].is_null())
        );
        assert_eq!(json["adapters"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn sensors_are_listed_without_an_adapter() {
        let none = Devices { adapters: Err(AdapterError::NoLoader("libvulkan.so.1")), ..two() };
        let table = none.table();
        assert!(table.contains("libvulkan1") && table.contains("200.0 W"), "{table}");
        assert_eq!(none.json()["adapters"], serde_json::json!([]));
    }
}
