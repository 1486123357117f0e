//! Which sensor belongs to which adapter, and which one is meant.

use super::{Api, PowerError, PowerReader, Source};
use crate::gpu::adapter::{AdapterInfo, AdapterType};
use crate::pci::PciAddress;
use std::str::FromStr;

/// `--power`: which sensor to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SensorChoice {
    /// The one that sits at the adapter's PCI address.
    Auto,
    None,
    /// One interface; its device by PCI address or index, else by the adapter's address.
    Named(Api, Option<String>),
}

impl FromStr for SensorChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, device) = match text.split_once(':') {
            Some((name, device)) => (name, Some(device.to_owned())),
            None => (text, None),
        };
        let api = Api::ALL.into_iter().find(|api| api.name() == name);
        match (name, api, device) {
            ("auto", _, None) => Ok(SensorChoice::Auto),
            ("none", _, None) => Ok(SensorChoice::None),
            (_, Some(api), device) if device.as_deref() != Some("") => Ok(SensorChoice::Named(api, device)),
            _ => {
                let names = Api::ALL.map(Api::name).join(", ");
                Err(format!(
                    "no sensor is called '{text}': choose from auto, none, {names}; NAME:INDEX or NAME:PCI for one device \
                     of several, such as nvml:0"
                ))
            }
        }
    }
}

/// The sensor for a run, or why there is none.
pub type Chosen = Result<Box<dyn PowerReader>, String>;

/// Finds the sensor that `choice` means for this adapter. Without one named, an adapter without a sensor is no error: the
/// inner result says why, and what would help.
///
/// # Errors
/// A sensor was named and cannot be had.
pub fn choose(choice: &SensorChoice, adapter: &AdapterInfo) -> Result<Chosen, PowerError> {
    match choice {
        SensorChoice::None => Ok(Err("--power none".into())),
        SensorChoice::Named(api, device) => pick(*api, api.readers()?, device.as_deref(), adapter.pci_address).map(Ok),
        SensorChoice::Auto => Ok(find(adapter)),
    }
}

/// Does this sensor measure this adapter? By PCI address; the CPU's package is that of software adapters and of GPUs that sit
/// in it, and Apple's sensor that of Apple's GPUs. A machine has one of either.
pub fn belongs(api: Api, source: &Source, adapter: &AdapterInfo) -> bool {
    match api {
        Api::Rapl => match adapter.kind {
            AdapterType::Software => true,
            AdapterType::Integrated => matches!(adapter.vendor.as_str(), "AMD" | "Intel"),
            AdapterType::Discrete | AdapterType::Virtual | AdapterType::Other => false,
        },
        Api::Apple => is_apple(adapter),
        Api::Nvml | Api::RocmSmi | Api::Hwmon => {
            adapter.pci_address.is_some() && source.pci_address == adapter.pci_address
        }
    }
}

/// Metal gives no vendor's number.
fn is_apple(adapter: &AdapterInfo) -> bool {
    adapter.name.starts_with("Apple")
}

/// The interfaces that can have a sensor for such an adapter, by preference.
fn interfaces(adapter: &AdapterInfo) -> &'static [Api] {
    match (adapter.kind, adapter.vendor.as_str()) {
        (AdapterType::Software, _) => &[Api::Rapl],
        (_, "NVIDIA") => &[Api::Nvml],
        (AdapterType::Integrated, "AMD") => &[Api::RocmSmi, Api::Hwmon, Api::Rapl],
        (AdapterType::Integrated, "Intel") => &[Api::Hwmon, Api::Rapl],
        (_, "AMD") => &[Api::RocmSmi, Api::Hwmon],
        (_, "Intel") => &[Api::Hwmon],
        _ if is_apple(adapter) => &[Api::Apple],
        _ => &[],
    }
}

/// The first sensor that belongs to the adapter.
fn find(adapter: &AdapterInfo) -> Chosen {
    let apis = interfaces(adapter);
    if apis.is_empty() {
        return Err(format!("no interface to a sensor of {} is known; --power names one", adapter.name));
    }
    let mut reasons = vec![];
    for &api in apis {
        match api.readers() {
            Ok(readers) => match readers.into_iter().find(|reader| belongs(api, reader.source(), adapter)) {
                Some(reader) if reader.source().gives_something() => return Ok(reader),
                Some(reader) => reasons.push(format!(
                    "{} gives neither power nor energy for {}; on a card of two dies the first one may report for both",
                    api.name(),
                    reader.source().device
                )),
                None => reasons.push(match adapter.pci_address {
                    Some(address) => format!("{} shows no device at {address}", api.name()),
                    None => {
                        format!("{} has no PCI address by which to find its sensor; --power names one", adapter.name)
                    }
                }),
            },
            Err(error) => reasons.push(error.to_string()),
        }
    }
    Err(reasons.join("; "))
}

/// The reader meant by `device` (an index or a PCI address), or by the adapter's address, or the only one.
pub(super) fn pick(
    api: Api,
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
            format!("{}:{i} ({}{address})", api.name(), source.device)
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
        Some(index) => readers.into_iter().nth(index).ok_or_else(|| absent(api, device, &list)),
        None => Err(absent(api, device, &list)),
    }
}

fn absent(api: Api, device: Option<&str>, list: &[String]) -> PowerError {
    let what = match device {
        Some(device) => format!("the sensor {}:{device}", api.name()),
        None => format!("a sensor of {} at the adapter's address", api.name()),
    };
    let list = if list.is_empty() { "none".into() } else { list.join(", ") };
    PowerError::Absent { what: format!("{what} (there are: {list})"), fix: "name one of these with --power" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{Reading, Scope};

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
        assert_eq!("nvml".parse(), Ok(SensorChoice::Named(Api::Nvml, None)));
        assert_eq!("nvml:0000:01:00.0".parse(), Ok(SensorChoice::Named(Api::Nvml, Some("0000:01:00.0".into()))));
        assert_eq!("rocm-smi:1".parse(), Ok(SensorChoice::Named(Api::RocmSmi, Some("1".into()))));
        assert_eq!("rapl".parse(), Ok(SensorChoice::Named(Api::Rapl, None)));
        for text in ["", "nvml:", "cuda", "auto:0", "none:1"] {
            assert!(text.parse::<SensorChoice>().unwrap_err().contains("nvml, rocm-smi, hwmon, apple, rapl"), "{text}");
        }
    }

    #[test]
    fn a_named_device_is_taken_and_never_another() {
        let readers = || vec![reader(Some("0000:01:00.0")), reader(Some("0000:81:00.0"))];
        let picked = |device, adapter: Option<&str>| {
            let adapter = adapter.map(|address| address.parse().unwrap());
            pick(Api::Nvml, readers(), device, adapter).map(|reader| reader.source().pci_address.unwrap().to_string())
        };
        assert_eq!(picked(Some("1"), None).unwrap(), "0000:81:00.0");
        assert_eq!(picked(Some("00000000:01:00.0"), None).unwrap(), "0000:01:00.0");
        assert_eq!(picked(None, Some("0000:81:00.0")).unwrap(), "0000:81:00.0");
        for (device, adapter) in [(Some("2"), None), (Some("x"), None), (Some("0000:02:00.0"), None), (None, None)] {
            let error = picked(device, adapter).unwrap_err().to_string();
            assert!(error.contains("nvml:1 (card at 0000:81:00.0)"), "{error}");
        }
        assert!(pick(Api::Nvml, vec![reader(None)], None, None).is_ok(), "the only one");
        assert!(pick(Api::Nvml, vec![], None, None).is_err());
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
        assert!(belongs(Api::RocmSmi, &at(Some("0000:01:00.0")), &card));
        assert!(!belongs(Api::Hwmon, &at(Some("0000:02:00.0")), &card));
        assert!(!belongs(Api::Hwmon, &at(None), &software), "no address is not the same address");
        assert!(belongs(Api::Rapl, &at(None), &software) && !belongs(Api::Rapl, &at(None), &card));
        assert!(belongs(Api::Apple, &at(None), &apple) && !belongs(Api::Apple, &at(None), &card));
        let integrated = adapter("Intel UHD", "Intel", AdapterType::Integrated, Some("0000:00:02.0"));
        assert!(belongs(Api::Rapl, &at(None), &integrated) && !belongs(Api::Rapl, &at(None), &apple));
        assert_eq!(interfaces(&integrated), [Api::Hwmon, Api::Rapl]);
        assert_eq!(interfaces(&card), [Api::RocmSmi, Api::Hwmon]);
        assert_eq!(interfaces(&software), [Api::Rapl]);
        assert_eq!(interfaces(&apple), [Api::Apple]);
        assert_eq!(interfaces(&adapter("Mali", "Arm", AdapterType::Integrated, None)), []);
    }
}
