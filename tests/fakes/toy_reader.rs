//! Toy boards: a power figure in µW in a file, one file a board, named by its PCI address.

use crate::power::PowerReader;
use crate::protocol::{PowerError, Reading};
use crate::record::{PowerKind, Scope, Source};
use std::path::{Path, PathBuf};

const FIX: &str = "load the toy driver";

/// A reader for every board under `<sys>/class/toy`.
pub fn readers(sys: &Path) -> Result<Vec<Box<dyn PowerReader>>, PowerError> {
    let folder = sys.join("class/toy");
    let files = std::fs::read_dir(folder).map_err(|_| PowerError::Absent { what: "Toy".into(), fix: FIX })?;
    let open = |file: PathBuf| {
        let source = Source {
            pci_address: file.file_name()?.to_str()?.parse().ok(),
            power: Some(PowerKind::Instant),
            ..Source::new("Toy", "Toy board", Scope::Board) // what is not known is None
        };
        Some(Box::new(ToyReader { source, file }) as Box<dyn PowerReader>)
    };
    Ok(files.flatten().filter_map(|entry| open(entry.path())).collect())
}

struct ToyReader {
    source: Source,
    file: PathBuf,
}

impl PowerReader for ToyReader {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let failed = |why| PowerError::Failed { what: "reading a toy's power".into(), why, fix: FIX };
        let text = std::fs::read_to_string(&self.file).map_err(|error| failed(error.to_string()))?;
        let microwatts: u64 = text.trim().parse().map_err(|_| failed(format!("'{}' is no number", text.trim())))?;
        Ok(Reading { power_mw: Some(microwatts / 1000), ..Reading::default() })
    }
}
