//! An adapter as a record names it.

use super::pci::PciAddress;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of device an adapter is. The order is that of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdapterType {
    Discrete,
    Integrated,
    Virtual,
    Other,
    /// A driver that computes on the CPU.
    Software,
}

impl fmt::Display for AdapterType {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            AdapterType::Discrete => "discrete",
            AdapterType::Integrated => "integrated",
            AdapterType::Virtual => "virtual",
            AdapterType::Other => "other",
            AdapterType::Software => "software",
        })
    }
}

/// An adapter as records name it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdapterInfo {
    pub name: String,
    /// The vendor's name, or its PCI number in hexadecimal.
    pub vendor: String,
    #[serde(rename = "type")]
    pub kind: AdapterType,
    /// "vulkan", "metal" or "dx12"; "simulated" where there is no adapter.
    pub backend: String,
    /// The driver's name and version, as far as the backend tells.
    pub driver: Option<String>,
    /// None on Metal and on software adapters.
    pub pci_address: Option<PciAddress>,
}

impl AdapterInfo {
    /// An adapter of which neither driver nor address is known.
    pub fn new(name: impl Into<String>, vendor: impl Into<String>, kind: AdapterType, backend: &str) -> Self {
        AdapterInfo {
            name: name.into(),
            vendor: vendor.into(),
            kind,
            backend: backend.into(),
            driver: None,
            pci_address: None,
        }
    }

    /// The interface's name as people write it.
    pub(crate) fn backend_title(&self) -> &str {
        match self.backend.as_str() {
            "vulkan" => "Vulkan",
            "metal" => "Metal",
            "dx12" => "DirectX 12",
            other => other,
        }
    }
}
