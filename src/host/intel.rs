//! Intel's GPUs as the kernel shows them to this process: Level Zero counts what it can open, and `ZE_AFFINITY_MASK` with it.

use super::sysfs;
use super::sysfs::{entries, pci_address, pci_device, read_text};
use super::visible::ListedGpu;
use std::fs::File;
use std::path::Path;

/// The GPUs with a device file under `<sys>/class/drm` (renderD128 and so on) that this process may open under `<dev>/dri`, by
/// PCI address. One that a device cgroup keeps from it is not counted.
pub fn gpus(sys: &Path, dev: &Path) -> Vec<ListedGpu> {
    let gpu = |node: &Path| {
        let name = sysfs::name(node).filter(|name| name.starts_with("renderD"))?;
        if read_text(&node.join("device/vendor"))? != "0x8086" {
            return None;
        }
        File::options().read(true).write(true).open(dev.join("dri").join(name)).ok()?;
        let is_tile = |path: &Path| sysfs::name(path)?.strip_prefix("tile")?.parse::<u32>().ok();
        let tiles = entries(&pci_device(node)?).iter().filter(|path| is_tile(path).is_some()).count();
        Some(ListedGpu { parts: tiles.max(1), ..ListedGpu::at(pci_address(node)?) })
    };
    let mut gpus: Vec<ListedGpu> = entries(&sys.join("class/drm")).iter().filter_map(|node| gpu(node)).collect();
    gpus.sort_by_key(|gpu| gpu.address);
    gpus
}

#[cfg(all(test, unix))] // sysfs names hold colons, and links
mod tests {
    use super::*;

    #[test]
    fn gpus_that_may_be_opened_are_counted_by_address() {
        let root = tempfile::tempdir().unwrap();
        let (sys, dev) = (root.path().join("sys"), root.path().join("dev"));
        std::fs::create_dir_all(sys.join("class/drm")).unwrap();
        std::fs::create_dir_all(dev.join("dri")).unwrap();
        for (address, node, vendor, opens) in [
            ("0000:76:00.0", 128, "0x8086", true),
            ("0000:03:00.0", 129, "0x8086", true),
            ("0000:04:00.0", 130, "0x8086", false), // another job's
            ("0000:05:00.0", 131, "0x1002", true),
        ] {
            let device = sys.join("devices/pci0000:00").join(address);
            let folder = device.join(format!("drm/renderD{node}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(device.join("vendor"), format!("{vendor}\n")).unwrap();
            std::os::unix::fs::symlink(&device, folder.join("device")).unwrap();
            std::os::unix::fs::symlink(&folder, sys.join(format!("class/drm/renderD{node}"))).unwrap();
            if opens {
                std::fs::write(dev.join(format!("dri/renderD{node}")), "").unwrap();
            }
        }
        for tile in ["tile0", "tile1"] {
            std::fs::create_dir(sys.join("devices/pci0000:00/0000:76:00.0").join(tile)).unwrap();
        }
        let gpus = gpus(&sys, &dev);
        let seen: Vec<_> = gpus.iter().map(|gpu| (gpu.address.unwrap().to_string(), gpu.parts)).collect();
        assert_eq!(seen, [("0000:03:00.0".to_owned(), 1), ("0000:76:00.0".to_owned(), 2)]);
        assert!(super::gpus(Path::new("/nonexistent"), &dev).is_empty());
    }
}
