//! `wattmul devices`: the adapters of this machine.

use crate::gpu::adapter::{self, Adapter, AdapterError, Backend};
use crate::report::terminal::{printable, wrapped};
use std::fmt::Write;
use std::path::Path;

/// The adapters as a table, and any GPU that the backend does not offer.
pub fn table(adapters: &[Adapter]) -> String {
    let mut text = String::new();
    for (index, adapter) in adapters.iter().enumerate() {
        let info = &adapter.info;
        let address = info.pci_address.map(|address| format!(" · {address}")).unwrap_or_default();
        let line = format!("{} · {} · {}{address}", printable(&info.name), info.kind, info.backend_title());
        text += &wrapped(&line, &format!("{index:>3}  "), "     ");
        if let Some(driver) = &info.driver {
            let _ = writeln!(text, "     driver {}", printable(driver));
        }
    }
    text + &unseen(adapters)
}

/// A sentence for each GPU that the PCI bus shows and the backend does not.
pub fn unseen(adapters: &[Adapter]) -> String {
    let seen: Vec<_> = adapters.iter().filter_map(|adapter| adapter.info.pci_address).collect();
    let gpus = adapter::unseen_gpus(Path::new("/sys"), &seen);
    gpus.iter().map(|gpu| wrapped(&gpu.to_string(), "  notice: ", "          ")).collect()
}

/// The adapters as JSON.
pub fn json(adapters: &[Adapter]) -> serde_json::Value {
    let infos: Vec<_> = adapters.iter().map(|adapter| &adapter.info).collect();
    serde_json::json!({ "adapters": infos })
}

/// # Errors
/// As [`adapter::list`].
pub fn list(backend: Backend) -> Result<Vec<Adapter>, AdapterError> {
    adapter::list(backend)
}
