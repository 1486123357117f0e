//! Remembers which kernel won, so that the next run on the same adapter, driver, type and size need not try them all.
//!
//! A cache is a convenience: whatever goes wrong with it means that the kernels are tried again.

use super::kernel::KERNELS;
use super::tune::Trial;
use crate::dtype::Dtype;
use crate::gpu::adapter::AdapterInfo;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The trials of one adapter, driver, type, size and set of kernels.
#[derive(Clone, Debug)]
pub struct TuningCache {
    file: PathBuf,
    key: String,
}

impl TuningCache {
    /// In the user's cache folder. None where the system has no such folder.
    pub fn of(adapter: &AdapterInfo, dtype: Dtype, size: usize) -> Option<Self> {
        Some(Self::within(dirs::cache_dir()?.join("wattmul"), adapter, dtype, size))
    }

    fn within(folder: PathBuf, adapter: &AdapterInfo, dtype: Dtype, size: usize) -> Self {
        // Any change of any kernel, or of the program, asks for a new trial.
        let kernels: String = KERNELS.iter().map(|kernel| kernel.wgsl(dtype)).collect();
        let kernels = blake3::hash(kernels.as_bytes()).to_hex();
        let AdapterInfo { name, backend, driver, .. } = adapter;
        let driver = driver.as_deref().unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        let key = format!("{name} | {backend} | {driver} | {dtype} n{size} | {version} {}", &kernels[..16]);
        TuningCache { file: folder.join("tuning.json"), key }
    }

    /// What the kernels did last time.
    pub fn load(&self) -> Option<Vec<Trial>> {
        self.read().remove(&self.key).filter(|trials| trials.iter().any(|trial| trial.time_s.is_some()))
    }

    /// Lets the kernels be tried again.
    pub fn forget(&self) {
        self.change(|all| drop(all.remove(&self.key)));
    }

    /// Keeps the trials for the next time.
    pub fn store(&self, trials: &[Trial]) {
        self.change(|all| drop(all.insert(self.key.clone(), trials.to_vec())));
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<Trial>>)) {
        let mut all = self.read();
        change(&mut all);
        let Some(folder) = self.file.parent() else { return };
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, &all)?;
            file.persist(&self.file)?;
            Ok(())
        };
        let _ = write(); // the next run tries the kernels again
    }

    fn read(&self) -> BTreeMap<String, Vec<Trial>> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::adapter::AdapterType;

    fn adapter(driver: &str) -> AdapterInfo {
        AdapterInfo {
            driver: Some(driver.into()),
            ..AdapterInfo::new("card", "NVIDIA", AdapterType::Discrete, "vulkan")
        }
    }

    #[test]
    fn trials_are_kept_by_adapter_driver_type_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let of = |driver, dtype, size| TuningCache::within(folder.path().join("new"), &adapter(driver), dtype, size);
        let cache = |driver, size| of(driver, Dtype::F32, size);
        let trials = vec![Trial { kernel: KERNELS[0].to_string(), time_s: Some(0.5), note: None }];
        assert_eq!(cache("1", 64).load(), None);
        cache("1", 64).store(&trials);
        assert_eq!(cache("1", 64).load(), Some(trials.clone()));
        assert_eq!(cache("2", 64).load(), None, "another driver");
        assert_eq!(cache("1", 65).load(), None, "another size");
        assert_eq!(of("1", Dtype::F16, 64).load(), None, "another type");
        cache("2", 64).store(&[Trial { time_s: None, ..trials[0].clone() }]);
        assert_eq!(cache("2", 64).load(), None, "nothing that worked");
        assert_eq!(cache("1", 64).load(), Some(trials), "entries live side by side");
        cache("1", 64).forget();
        assert_eq!(cache("1", 64).load(), None);
    }

    #[test]
    fn a_broken_cache_is_no_cache() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tuning.json"), "{").unwrap();
        let cache = TuningCache::within(folder.path().into(), &adapter("1"), Dtype::F32, 64);
        assert_eq!(cache.load(), None);
        let nowhere = TuningCache::within("/proc/nowhere".into(), &adapter("1"), Dtype::F32, 64);
        nowhere.store(&[]);
        assert_eq!(nowhere.load(), None);
    }
}
