//! Toy meters, which measure the CPU: a power figure in µW in a file, one file a meter.

use crate::power::reader::{Interface, PowerReader, Readers, Serves};
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterType, PowerKind, Scope, Source};
use std::path::{Path, PathBuf};

/// The meters in the folder that TOY_METERS names.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(adapter.kind == AdapterType::Software), // what computes on the CPU
    belongs: |_, adapter| adapter.kind == AdapterType::Software, // left out, it would be: what has the same PCI address
    ..Interface::new("toy", || readers(Path::new(&std::env::var_os("TOY_METERS").unwrap_or_default())))
};

const FIX: &str = "set TOY_METERS to the folder of your toys";

/// A reader for every meter in a folder.
pub fn readers(folder: &Path) -> Readers {
    let files = std::fs::read_dir(folder).map_err(|_| PowerError::Absent { what: "a toy meter".into(), fix: FIX })?;
    let open = |file: PathBuf| {
        let name = file.file_name()?.to_str()?.to_owned();
        // What is not known is None.
        let source = Source { power: Some(PowerKind::Instant), ..Source::new("Toy", name, Scope::Package) };
        Some(Box::new(ToyMeter { source, file }) as Box<dyn PowerReader>)
    };
    Ok(files.flatten().filter_map(|entry| open(entry.path())).collect())
}

struct ToyMeter {
    source: Source,
    file: PathBuf,
}

impl PowerReader for ToyMeter {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        let failed = |why| PowerError::Failed { what: "reading a toy meter".into(), why, fix: FIX };
        let text = std::fs::read_to_string(&self.file).map_err(|error| failed(error.to_string()))?;
        let microwatts: u64 = text.trim().parse().map_err(|_| failed(format!("'{}' is no number", text.trim())))?;
        Ok(Reading { power_mw: Some(microwatts / 1000), ..Reading::default() })
    }
}
