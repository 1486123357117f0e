//! Which GPUs the vendors' libraries show this process, and what they tell of them.

use super::INTERFACES;
use super::reader::Serves;
use crate::host::memory::Memory;
use crate::host::visible::ListedGpu;
use crate::record::AdapterInfo;

/// A vendor's GPUs in the order in which its runtime counts them, for [`crate::host::visible`].
///
/// # Errors
/// Why there are none.
pub fn gpus_of(vendor: &str) -> Result<Vec<ListedGpu>, String> {
    let counts = INTERFACES.iter().filter_map(|interface| interface.counts);
    let count = counts.filter(|(whose, _)| *whose == vendor).map(|(_, count)| count).next();
    count.ok_or_else(|| format!("nothing counts {vendor}'s GPUs"))?()
}

/// The memory of an adapter, as its vendor's library or driver tells; None where neither does.
pub fn memory_of(adapter: &AdapterInfo) -> Option<Memory> {
    let address = adapter.pci_address?;
    let serving = INTERFACES.iter().filter(|interface| interface.serves(adapter) == Serves::Yes);
    serving.into_iter().find_map(|interface| (interface.memory)(address))
}
