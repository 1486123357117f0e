//! Which sensor belongs to which adapter, and which one is meant.

use super::INTERFACES;
use super::meter::MeterChoice;
use super::meter::reader::MeterReader;
use super::reader::{Interface, PowerReader, Serves};
use crate::protocol::PowerError;
use crate::record::{AdapterInfo, PciAddress, Source};
use std::str::FromStr;

/// `--power`: which sensor to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SensorChoice {
    /// The first that belongs to the adapter, by most interfaces at its PCI address.
    Auto,
    None,
    /// One interface; its device by PCI address or index, else by the adapter's address.
    Named(&'static Interface, Option<String>),
    /// A meter of the user's own, and no sensor of the device's.
    Meter(MeterChoice),
}

impl FromStr for SensorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, device) = match text.split_once(':') {
            Some((name, device)) => (name, Some(device.to_owned())),
            None => (text, None),
        };
        if name == "meter" {
            return device.unwrap_or_default().parse().map(SensorChoice::Meter);
        }
        let interface = INTERFACES.iter().copied().find(|interface| interface.name == name);
        match (name, interface, device) {
            ("auto", _, None) => Ok(SensorChoice::Auto),
            ("none", _, None) => Ok(SensorChoice::None),
            (_, Some(interface), device) if device.as_deref() != Some("") => Ok(SensorChoice::Named(interface, device)),
            _ => {
                let names = INTERFACES.iter().map(|interface| interface.name).collect::<Vec<_>>().join(", ");
                Err(format!(
                    "no sensor is called '{text}': choose from auto, none, {names}; NAME:INDEX or NAME:PCI for one device \
                     of several, such as nvml:0; meter:… for a meter of your own, as --meter takes it"
                ))
            }
        }
    }
}

/// The sensor for a run, or why there is none.
pub(crate) type Chosen = Result<Box<dyn PowerReader>, String>;

/// Finds the sensor that `choice` means for this adapter. Without one named, an adapter without a sensor is no error: the
/// inner result says why, and what would help.
///
/// # Errors
/// A sensor was named and cannot be had.
pub fn choose(choice: &SensorChoice, adapter: &AdapterInfo) -> Result<Chosen, PowerError> {
    match choice {
        SensorChoice::None => Ok(Err("--power none".into())),
        SensorChoice::Named(interface, device) => {
            pick(interface, (interface.readers)()?, device.as_deref(), adapter.pci_address).map(Ok)
        }
        SensorChoice::Meter(meter) => Ok(Ok(Box::new(MeterReader::start(meter)?))),
        SensorChoice::Auto => Ok(find(adapter)),
    }
}

/// The first sensor that belongs to the adapter.
fn find(adapter: &AdapterInfo) -> Chosen {
    let mut reasons = vec![];
    for interface in INTERFACES.iter().filter(|interface| interface.serves(adapter) != Serves::No) {
        let name = interface.name;
        match (interface.readers)() {
            Ok(mut readers) => match readers.iter().position(|reader| (interface.belongs)(reader.source(), adapter)) {
                Some(place) if readers[place].source().gives_something() => return Ok(readers.swap_remove(place)),
                Some(place) => reasons.push(silence(interface, &mut readers, place)),
                None => reasons.push(match adapter.pci_address {
                    Some(address) => format!("{name} shows no device at {address}"),
                    None => {
                        format!("{} has no PCI address by which to find its sensor; --power names one", adapter.name)
                    }
                }),
            },
            Err(error) => reasons.push(error.to_string()),
        }
    }
    if reasons.is_empty() {
        return Err(format!("no interface to a sensor of {} is known; --power names one", adapter.name));
    }
    Err(reasons.join("; "))
}

/// Why the reader at this place gives nothing to measure by.
fn silence(interface: &Interface, readers: &mut [Box<dyn PowerReader>], place: usize) -> String {
    let Source { device, pci_address, .. } = readers[place].source().clone();
    let name = interface.name;
    let reports_for_it = |source: &Source| pci_address.is_some_and(|address| source.shared_with.contains(&address));
    let other = readers.iter().position(|reader| reports_for_it(reader.source()));
    match (other, readers[place].read()) {
        (Some(other), _) => {
            format!(
                "{name} measures {device} together with another die: --power {name}:{other} names the sensor of both"
            )
        }
        (None, Err(error)) => error.to_string(),
        (None, Ok(_)) => format!("{name} gives neither power nor energy for {device}"),
    }
}

/// The reader meant by `device` (an index or a PCI address), or by the adapter's address, or the only one.
///
/// # Errors
/// There is none, or several and none is named.
pub(crate) fn pick(
    interface: &Interface,
    readers: Vec<Box<dyn PowerReader>>,
    device: Option<&str>,
    adapter: Option<PciAddress>,
) -> Result<Box<dyn PowerReader>, PowerError> {
    let list: Vec<String> = readers
        .iter()
        .enumerate()
        .map(|(i, reader)| {
            let source = reader.source();
            let address = source.pci_address.map(|address| format!(" at {address}")).unwrap_or_default();
            format!("{}:{i} ({}{address})", interface.name, source.device)
        })
        .collect();
    let at = |address| readers.iter().position(|reader| reader.source().pci_address == Some(address));
    let index = match device {
        Some(device) => match (device.parse::<usize>(), device.parse()) {
            (Ok(index), _) => Some(index).filter(|&index| index < readers.len()),
            (_, Ok(address)) => at(address),
            _ => None,
        },
        None => adapter.and_then(at).or((readers.len() == 1).then_some(0)),
    };
    match index {
        Some(index) => readers.into_iter().nth(index).ok_or_else(|| absent(interface, device, &list)),
        None => Err(absent(interface, device, &list)),
    }
}

fn absent(interface: &Interface, device: Option<&str>, list: &[String]) -> PowerError {
    let what = match device {
        Some(device) => format!("the sensor {}:{device}", interface.name),
        None => format!("a sensor of {} at the adapter's address", interface.name),
    };
    let list = if list.is_empty() { "none".into() } else { list.join(", ") };
    PowerError::Absent { what: format!("{what} (there are: {list})"), fix: "name one of these with --power" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::reader::Silent;
    use crate::power::{apple, hwmon, nvml, rapl, rocm_smi};
    use crate::protocol::Reading;
    use crate::record::{AdapterType, Scope, Source};

    struct Fixed(Source);

    impl PowerReader for Fixed {
        fn source(&self) -> &Source {
            &self.0
        }

        fn read(&mut self) -> Result<Reading, PowerError> {
            Ok(Reading::default())
        }
    }

    fn reader(address: Option<&str>) -> Box<dyn PowerReader> {
        Box::new(Fixed(Source {
            pci_address: address.map(|address| address.parse().unwrap()),
            ..Source::new("NVML", "card", Scope::Board)
        }))
    }

    #[test]
    fn a_sensor_is_named_by_interface_and_device() {
        assert_eq!("auto".parse(), Ok(SensorChoice::Auto));
        assert_eq!("none".parse(), Ok(SensorChoice::None));
        assert_eq!("nvml".parse(), Ok(SensorChoice::Named(&nvml::INTERFACE, None)));
        assert_eq!("nvml:0000:01:00.0".parse(), Ok(SensorChoice::Named(&nvml::INTERFACE, Some("0000:01:00.0".into()))));
        assert_eq!("rocm-smi:1".parse(), Ok(SensorChoice::Named(&rocm_smi::INTERFACE, Some("1".into()))));
        assert_eq!("rapl".parse(), Ok(SensorChoice::Named(&rapl::INTERFACE, None)));
        let meter = "meter:wall:command:./plug.sh";
        assert_eq!(meter.parse(), Ok(SensorChoice::Meter("wall:command:./plug.sh".parse().unwrap())));
        assert!("meter".parse::<SensorChoice>().unwrap_err().contains("names no meter"));
        let names = INTERFACES.iter().map(|interface| interface.name).collect::<Vec<_>>().join(", ");
        for text in ["", "nvml:", "cuda", "auto:0", "none:1"] {
            assert!(text.parse::<SensorChoice>().unwrap_err().contains(&names), "{text}");
        }
    }

    #[test]
    fn a_named_device_is_taken_and_never_another() {
        let readers = || vec![reader(Some("0000:01:00.0")), reader(Some("0000:81:00.0"))];
        let picked = |device, adapter: Option<&str>| {
            let adapter = adapter.map(|address| address.parse().unwrap());
            pick(&nvml::INTERFACE, readers(), device, adapter)
                .map(|reader| reader.source().pci_address.unwrap().to_string())
        };
        assert_eq!(picked(Some("1"), None).unwrap(), "0000:81:00.0");
        assert_eq!(picked(Some("00000000:01:00.0"), None).unwrap(), "0000:01:00.0");
        assert_eq!(picked(None, Some("0000:81:00.0")).unwrap(), "0000:81:00.0");
        for (device, adapter) in [(Some("2"), None), (Some("x"), None), (Some("0000:02:00.0"), None), (None, None)] {
            let error = picked(device, adapter).unwrap_err().to_string();
            assert!(error.contains("nvml:1 (card at 0000:81:00.0)"), "{error}");
        }
        assert!(pick(&nvml::INTERFACE, vec![reader(None)], None, None).is_ok(), "the only one");
        assert!(pick(&nvml::INTERFACE, vec![], None, None).is_err());
    }

    #[test]
    fn a_sensor_that_gives_nothing_says_why_and_not_that_another_die_does_where_there_is_none() {
        let unsupported = PowerError::Unsupported { what: "reading power".into(), fix: "update the driver" };
        let silent = |address: &str| -> Box<dyn PowerReader> {
            let source = reader(Some(address)).source().clone();
            Box::new(Silent::new(source, unsupported.clone()))
        };
        let mut alone = [silent("0000:01:00.0")];
        assert_eq!(silence(&nvml::INTERFACE, &mut alone, 0), "reading power is not supported: update the driver");
        let both = Source {
            shared_with: vec!["0000:01:00.0".parse().unwrap()],
            ..reader(Some("0000:02:00.0")).source().clone()
        };
        let mut dies: [Box<dyn PowerReader>; 2] = [silent("0000:01:00.0"), Box::new(Fixed(both))];
        let told = silence(&rocm_smi::INTERFACE, &mut dies, 0);
        assert!(told.contains("together with another die") && told.contains("--power rocm-smi:1"), "{told}");
        let mut nothing = [reader(Some("0000:01:00.0"))];
        assert!(silence(&nvml::INTERFACE, &mut nothing, 0).contains("neither power nor energy for card"));
    }

    #[test]
    fn a_sensor_belongs_to_the_adapter_at_its_address() {
        let adapter = |name: &str, vendor: &str, kind, address: Option<&str>| AdapterInfo {
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new(name, vendor, kind, "vulkan")
        };
        let card = adapter("AMD Radeon", "AMD", AdapterType::Discrete, Some("0000:01:00.0"));
        let software = adapter("llvmpipe", "Mesa", AdapterType::Software, None);
        let apple = adapter("Apple M5", "0x0000", AdapterType::Integrated, None);
        let at = |address| reader(address).source().clone();
        assert!((rocm_smi::INTERFACE.belongs)(&at(Some("0000:01:00.0")), &card));
        assert!(!(hwmon::INTERFACE.belongs)(&at(Some("0000:02:00.0")), &card));
        assert!(!(hwmon::INTERFACE.belongs)(&at(None), &software), "no address is not the same address");
        assert!((rapl::INTERFACE.belongs)(&at(None), &software) && !(rapl::INTERFACE.belongs)(&at(None), &card));
        assert!((apple::INTERFACE.belongs)(&at(None), &apple) && !(apple::INTERFACE.belongs)(&at(None), &card));
        let integrated = adapter("Intel UHD", "Intel", AdapterType::Integrated, Some("0000:00:02.0"));
        assert!((rapl::INTERFACE.belongs)(&at(None), &integrated) && !(rapl::INTERFACE.belongs)(&at(None), &apple));
        let interfaces = |adapter: &AdapterInfo| -> Vec<&str> {
            let serving = INTERFACES.iter().filter(|interface| interface.serves(adapter) != Serves::No);
            serving.map(|interface| interface.name).collect()
        };
        assert_eq!(interfaces(&integrated), ["hwmon", "level-zero", "rapl"]);
        assert_eq!(interfaces(&card), ["rocm-smi", "amd-smi", "hwmon"]);
        assert_eq!(interfaces(&software), ["rapl"]);
        assert_eq!(interfaces(&apple), ["apple"]);
        assert_eq!(interfaces(&adapter("Mali", "Arm", AdapterType::Integrated, None)), Vec::<&str>::new());
    }
}
