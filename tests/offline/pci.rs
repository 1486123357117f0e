//! PCI addresses: how an adapter and the sensor of the same board are known to belong together, and a scheduler's GPU to both.

use wattmul::record::pci::*;

#[test]
fn all_spellings_of_one_address_are_equal() {
    for text in ["0000:81:1f.7", "81:1f.7", "00000000:81:1F.7", " 0:81:1f.7 "] {
        assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), "0000:81:1f.7", "{text}");
    }
    assert_eq!("10000:01:00.0".parse::<PciAddress>().unwrap().to_string(), "10000:01:00.0");
}

#[test]
fn what_is_no_address_is_refused() {
    for text in ["", "0", "nvidia", "01:00", "01:00.8", "01:20.0", "001:00.0", "+1:00.0", "0000:01:00.0.0", "é:0.0"] {
        assert!(text.parse::<PciAddress>().is_err(), "{text}");
    }
}
