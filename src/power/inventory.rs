//! Which GPUs the vendors' libraries show this process.

use super::INTERFACES;
use crate::host::visible::ListedGpu;

/// A vendor's GPUs in the order in which its runtime counts them, for [`crate::host::visible`].
///
/// # Errors
/// Why there are none.
pub fn gpus_of(vendor: &str) -> Result<Vec<ListedGpu>, String> {
    let counts = INTERFACES.iter().filter_map(|interface| interface.counts);
    let count = counts.filter(|(whose, _)| *whose == vendor).map(|(_, count)| count).next();
    count.ok_or_else(|| format!("nothing counts {vendor}'s GPUs"))?()
}
