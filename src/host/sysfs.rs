//! Linux's sysfs: a tree of files, each a value.

use crate::record::PciAddress;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// Where Linux shows its devices. What reads there takes another root too, so that a test can lay out its own.
pub(crate) const SYS: &str = "/sys";

/// A file that holds a whole number, kept open: it is read again and again without opening and without allocating. The kernel writes it anew for each read from its beginning.
pub(crate) struct NumberFile(File);

impl NumberFile {
    /// # Errors
    /// The file is not there, or not for us to read.
    pub fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(NumberFile)
    }

    /// The number now.
    ///
    /// # Errors
    /// The device is gone, does not answer, says nothing ([`io::ErrorKind::UnexpectedEof`]), or something that is no number
    /// ([`io::ErrorKind::InvalidData`]).
    pub fn read(&mut self) -> io::Result<i64> {
        self.0.rewind()?;
        let mut buffer = [0; 32]; // i64 takes 20
        let length = self.0.read(&mut buffer)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        number(&buffer[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// As [`NumberFile::read`], for what cannot be below 0.
    ///
    /// # Errors
    /// Likewise.
    pub(crate) fn read_unsigned(&mut self) -> io::Result<u64> {
        self.read().and_then(|number| u64::try_from(number).map_err(|_| io::ErrorKind::InvalidData.into()))
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// The number in a file; None where there is none.
pub(crate) fn read_number(path: &Path) -> Option<i64> {
    number(read_text(path)?.as_bytes())
}

/// The text in a file, without the space around it; None where there is none.
pub(crate) fn read_text(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// What lies in a folder, in the order of the names; nothing where there is none.
pub fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The name of a file or folder, where it is text.
pub fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// The folder of the PCI device to which a file or folder belongs, links followed: of `…/0000:03:00.0/hwmon/hwmon4`, the one of
/// `0000:03:00.0`. None for what belongs to no PCI device.
pub fn pci_device(path: &Path) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    let is_device = |folder: &&Path| name(folder).is_some_and(|name| name.parse::<PciAddress>().is_ok());
    real.ancestors().find(is_device).map(Path::to_path_buf)
}

/// The address of the device that a link leads to: of `…/0000:00:01.0/0000:03:00.0/hwmon/hwmon4`, the last.
pub fn pci_address(path: &Path) -> Option<PciAddress> {
    name(&pci_device(path)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_anew_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("power1_average");
        std::fs::write(&path, "200000000\n").unwrap();
        let mut file = NumberFile::open(&path).unwrap();
        assert_eq!(file.read_unsigned().unwrap(), 200_000_000);
        std::fs::write(&path, "0\n").unwrap();
        assert_eq!(file.read_unsigned().unwrap(), 0, "a true zero stays");
        std::fs::write(&path, "-5000").unwrap();
        assert_eq!(file.read().unwrap(), -5000);
        std::fs::write(&path, "").unwrap();
        assert_eq!(file.read().unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "nothing is not nonsense");
        for garbage in ["-1", "\n", "N/A", "1e6", "99999999999999999999", "\u{fffd}"] {
            std::fs::write(&path, garbage).unwrap();
            assert_eq!(file.read_unsigned().unwrap_err().kind(), io::ErrorKind::InvalidData, "{garbage}");
        }
        assert_eq!((read_number(&path), read_number(folder.path())), (None, None));
    }
}
