//! GPUs that are in the machine and that Vulkan does not offer: who looks for one should hear why it is missing.

use super::nvidia::{self, Missing, Variables};
use super::sysfs;
use super::sysfs::{entries, read_text};
use crate::record::PciAddress;
use crate::record::pci::vendor_name;
use std::fmt;
use std::path::Path;

/// A GPU that the PCI bus shows and the backend does not offer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UnseenGpu {
    pub vendor: String,
    pub address: PciAddress,
    /// What is missing, where that can be told.
    lacks: Option<String>,
    /// What brings what is missing, or is likely to.
    pub fix: String,
}

impl UnseenGpu {
    /// What is wrong, without the fix.
    pub fn wrong(&self) -> String {
        let lacks = self.lacks.as_ref().map(|lacks| format!(": {lacks}")).unwrap_or_default();
        format!("{} GPU at {} is not offered by Vulkan{lacks}", self.vendor, self.address)
    }
}

impl fmt::Display for UnseenGpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.wrong(), self.fix)
    }
}

/// What keeps a vendor's GPU from Vulkan, as far as it can be told, and the fix; None for those whose drivers wgpu cannot use.
fn reason(vendor: u32, device: &Path, root: &Path) -> Option<(Option<String>, String)> {
    match vendor {
        0x10de => {
            let Missing { wrong, fix } = nvidia::lacks(root, device, &Variables::of_this_process(), &nvidia::opens);
            Some((Some(wrong), fix))
        }
        0x1002 => Some((
            None,
            "your user needs the render group (/dev/dri/renderD*) and Mesa's driver; Instinct cards (MI100 and later) have no \
             Vulkan driver"
                .into(),
        )),
        0x8086 => Some((None, "your user needs the render group (/dev/dri/renderD*) and Mesa's driver".into())),
        _ => None,
    }
}

/// GPUs under `<sys>/bus/pci` that are none of `seen`, by address. Empty where there is no such folder.
///
/// A wrong guess would be worse than none, so that only display controllers and accelerators (PCI class 03 and 12) of the
/// three vendors whose drivers wgpu can use are named: servers have a small display chip on the mainboard as well.
pub(crate) fn unseen_gpus(sys: &Path, seen: &[PciAddress]) -> Vec<UnseenGpu> {
    let number = |path: &Path| u32::from_str_radix(read_text(path)?.trim_start_matches("0x"), 16).ok();
    let gpu = |device: &Path| {
        let address: PciAddress = sysfs::name(device)?.parse().ok()?;
        let (class, vendor) = (number(&device.join("class"))? >> 16, number(&device.join("vendor"))?);
        if !(class == 0x03 || class == 0x12) || seen.contains(&address) {
            return None;
        }
        let (lacks, fix) = reason(vendor, device, sys.parent()?)?;
        Some(UnseenGpu { vendor: vendor_name(vendor), address, lacks, fix })
    };
    let mut gpus: Vec<UnseenGpu> = entries(&sys.join("bus/pci/devices")).iter().filter_map(|path| gpu(path)).collect();
    gpus.sort_by_key(|gpu| gpu.address);
    gpus
}

#[cfg(all(test, unix))] // sysfs names hold colons
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_vulkan_hides_is_named_with_the_reason() {
        let root = tempfile::tempdir().unwrap();
        let sys = root.path().join("sys");
        for (address, vendor, class) in [
            ("0000:01:00.0", "0x10de", "0x030200"), // a GPU for computing, hidden
            ("0000:02:00.0", "0x1002", "0x120000"), // an accelerator, hidden
            ("0000:03:00.0", "0x1002", "0x030000"), // seen
            ("0000:04:00.0", "0x1a03", "0x030000"), // a server's display chip
            ("0000:05:00.0", "0x10de", "0x040300"), // a GPU's sound device
            ("0000:06:00.0", "garbage", "0x030000"),
        ] {
            let path = sys.join("bus/pci/devices").join(address);
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("vendor"), format!("{vendor}\n")).unwrap();
            std::fs::write(path.join("class"), format!("{class}\n")).unwrap();
        }
        let gpus = unseen_gpus(&sys, &["0000:03:00.0".parse().unwrap()]);
        let texts: Vec<String> = gpus.iter().map(|gpu| gpu.to_string()).collect();
        assert_eq!(texts.len(), 2, "{texts:?}");
        assert!(texts[0].starts_with("NVIDIA GPU at 0000:01:00.0 is not offered by Vulkan: "), "{texts:?}");
        assert!(
            texts[0].contains("kernel driver is not loaded") && texts[0].ends_with("sudo modprobe nvidia"),
            "{texts:?}"
        );
        assert!(texts[1].contains("Instinct"), "{texts:?}");
        assert!(unseen_gpus(Path::new("/nonexistent"), &[]).is_empty());
    }
}
