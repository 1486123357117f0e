//! One run at a time on an adapter: two would measure each other.
//!
//! A claim is a lock on an empty file in the folder for temporary files. The operating system lets the lock go with the process
//! that holds it, however that ends. Runs that do not see each other's files (in containers, or where users or jobs have such
//! folders of their own) do not hear of each other, nor do two that begin in the microseconds in which a third one ends.

use crate::record::AdapterInfo;
use crate::record::text::slug;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Holds an adapter until it is dropped.
#[derive(Debug)]
#[must_use = "the adapter is free again when this is dropped"]
pub struct Claim {
    /// None where there can be no such lock: not to know of another run is no reason against this one.
    locked: Option<(File, PathBuf)>,
}

/// Another run came first.
#[derive(Debug, Error)]
#[error("another wattmul measures {0} right now: wait for its end, or choose another --adapter")]
pub struct InUse(String);

impl Claim {
    /// Claims an adapter, the `index`-th of the backend's list.
    ///
    /// # Errors
    /// Another process holds it.
    pub fn new(adapter: &AdapterInfo, index: usize) -> Result<Self, InUse> {
        Self::within(&std::env::temp_dir(), adapter, index)
    }

    /// The same among those who use this folder.
    ///
    /// # Errors
    /// As [`Claim::new`].
    pub fn within(folder: &Path, adapter: &AdapterInfo, index: usize) -> Result<Self, InUse> {
        // The address is the device's own, whatever the backend; without one, its place tells twins apart.
        let name = match adapter.pci_address {
            Some(address) => address.to_string(),
            None => format!("{} {} {index}", adapter.backend, adapter.name),
        };
        let path = folder.join(format!("wattmul-{}.lock", slug(&name)));
        let Some(file) = open(&path) else { return Ok(Claim { locked: None }) };
        match file.try_lock() {
            Ok(()) => Ok(Claim { locked: Some((file, path)) }),
            Err(TryLockError::WouldBlock) => Err(InUse(adapter.name.clone())),
            Err(TryLockError::Error(_)) => Ok(Claim { locked: None }),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((_file, path)) = &self.locked {
            let _ = std::fs::remove_file(path); // another user's stays: an empty file that holds nobody up
        }
    }
}

/// The file, for reading alone: others may have made it, as anything, and a lock needs no more.
fn open(path: &Path) -> Option<File> {
    let made = OpenOptions::new().write(true).create_new(true).open(path);
    match made {
        Ok(file) => {
            #[cfg(unix)]
            {
                // For other users to lock, whatever this one's umask.
                use std::os::unix::fs::PermissionsExt;
                file.set_permissions(std::fs::Permissions::from_mode(0o644)).ok()?;
            }
            Some(file)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            // A pipe in its place would be waited for.
            let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
            if is_file { File::open(path).ok() } else { None }
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::AdapterType;

    fn adapter(name: &str, address: Option<&str>) -> AdapterInfo {
        AdapterInfo {
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new(name, "NVIDIA", AdapterType::Discrete, "vulkan")
        }
    }

    #[test]
    fn an_adapter_is_one_runs_at_a_time_and_another_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let claim = |adapter: &AdapterInfo, index| Claim::within(folder.path(), adapter, index);
        let (first, second) = (adapter("H100", Some("0000:01:00.0")), adapter("H100", Some("0000:81:00.0")));
        let held = claim(&first, 0).unwrap();
        let told = claim(&first, 1).unwrap_err().to_string();
        assert!(told.contains("H100") && told.contains("--adapter"), "{told}");
        let _neighbour = claim(&second, 1).unwrap();
        drop(held);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the neighbour's alone is left");
        let _again = claim(&first, 0).unwrap();
        let twin = adapter("Apple M2", None);
        let _first = claim(&twin, 0).unwrap();
        assert!(claim(&twin, 0).is_err());
        let _second = claim(&twin, 1).unwrap();
    }

    #[test]
    fn where_no_file_can_be_a_run_is_not_kept_from_it() {
        let gpu = adapter("H100", Some("0000:01:00.0"));
        let _one = Claim::within(Path::new("/nonexistent"), &gpu, 0).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("wattmul-0000-01-00-0.lock")).unwrap();
        let _two = Claim::within(folder.path(), &gpu, 0).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn what_somebody_else_put_there_is_neither_waited_for_nor_changed() {
        let folder = tempfile::tempdir().unwrap();
        let gpu = adapter("H100", Some("0000:01:00.0"));
        let (path, other) = (folder.path().join("wattmul-0000-01-00-0.lock"), folder.path().join("other"));
        std::fs::write(&other, "theirs").unwrap();
        std::os::unix::fs::symlink(&other, &path).unwrap();
        let _over_a_link = Claim::within(folder.path(), &gpu, 0).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let _over_a_pipe = Claim::within(folder.path(), &gpu, 0).unwrap();
    }
}
