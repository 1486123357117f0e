//! AMD's GPUs as its compute driver (amdkfd) numbers them: ROCm's runtime counts in this order, and
//! `ROCR_VISIBLE_DEVICES` with it. ROCm SMI sorts by PCI address instead, which on boards of several dies is another order.

use super::sysfs;
use super::sysfs::{entries, read_number, read_text};
use super::visible::ListedGpu;
use crate::record::PciAddress;
use std::path::Path;

/// The GPUs under `<sys>/class/kfd`, in order. A node that a device cgroup keeps from this process cannot be read, and the
/// runtime does not count it either.
pub fn gpus(sys: &Path) -> Vec<ListedGpu> {
    nodes(sys).into_iter().map(|(gpu, _)| gpu).collect()
}

/// The version of the instruction set of the GPU at this address: 100300 is 10.3.0 (RDNA 2), 90010 is 9.0.10 (MI200). None where
/// the driver does not tell.
pub(crate) fn target_version(sys: &Path, address: PciAddress) -> Option<u32> {
    nodes(sys).into_iter().find(|(gpu, _)| gpu.address == Some(address))?.1
}

fn nodes(sys: &Path) -> Vec<(ListedGpu, Option<u32>)> {
    let nodes = sys.join("class/kfd/kfd/topology/nodes");
    let paths = entries(&nodes);
    let mut numbers: Vec<u32> = paths.iter().filter_map(|path| sysfs::name(path)?.parse().ok()).collect();
    numbers.sort_unstable(); // 2 before 10
    let gpu = |number: u32| {
        let node = nodes.join(number.to_string());
        if read_number(&node.join("gpu_id"))? == 0 {
            return None; // a CPU
        }
        let properties = read_text(&node.join("properties"))?;
        let property = |name: &str| -> Option<u64> {
            properties.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
        };
        // bus << 8 | device << 3 | function, as in kfd_topology.c; the domain came with Linux 5.6.
        let location = property("location_id")?;
        let address = PciAddress {
            domain: property("domain").unwrap_or(0) as u32,
            bus: (location >> 8 & 0xff) as u8,
            device: (location >> 3 & 0x1f) as u8,
            function: (location & 7) as u8,
        };
        let uuid = property("unique_id").filter(|&id| id != 0).map(|id| format!("GPU-{id:016x}"));
        let version = property("gfx_target_version").and_then(|version| version.try_into().ok());
        Some((ListedGpu { uuid, model: read_text(&node.join("name")), ..ListedGpu::at(address) }, version))
    };
    numbers.into_iter().filter_map(gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_counted_by_node_without_cpus_and_without_what_cannot_be_read() {
        let sys = tempfile::tempdir().unwrap();
        let node = |number: u32, id: &str, properties: Option<&str>| {
            let path = sys.path().join("class/kfd/kfd/topology/nodes").join(number.to_string());
            std::fs::create_dir_all(&path).unwrap();
            std::fs::write(path.join("gpu_id"), id).unwrap();
            if let Some(properties) = properties {
                std::fs::write(path.join("properties"), properties).unwrap();
            }
        };
        node(0, "0\n", Some("cpu_cores_count 64\nlocation_id 0\n"));
        node(
            2,
            "51321\n",
            Some(&format!("simd_count 480\nlocation_id 33536\ndomain 0\nunique_id {}\n", 0xdbab_eb25_bba3_114e_u64)),
        );
        node(3, "4711\n", None); // another job's
        node(10, "2\n", Some("location_id 49931\ndomain 1\nunique_id 0\ngfx_target_version 90402\n"));
        assert_eq!(target_version(sys.path(), "0001:c3:01.3".parse().unwrap()), Some(90_402));
        assert_eq!(target_version(sys.path(), "0000:83:00.0".parse().unwrap()), None, "not told");
        let gpus = gpus(sys.path());
        let seen: Vec<_> = gpus.iter().map(|gpu| (gpu.address.unwrap().to_string(), gpu.uuid.as_deref())).collect();
        assert_eq!(
            seen,
            [("0000:83:00.0".into(), Some("GPU-dbabeb25bba3114e")), ("0001:c3:01.3".to_string(), None)],
            "2 before 10"
        );
        assert!(super::gpus(Path::new("/nonexistent")).is_empty());
    }
}
