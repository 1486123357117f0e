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
        let path = path_within(folder, &name);
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

fn path_within(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("wattmul-{}.lock", slug(name)))
}

/// An empty file of this name among the temporary ones, to be locked. None where there can be none.
pub(crate) fn lockable(name: &str) -> Option<File> {
    open(&path_within(&std::env::temp_dir(), name))
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
