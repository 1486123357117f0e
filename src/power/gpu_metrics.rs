//! What holds the clock of an AMD GPU down, from the table that amdgpu shows as `gpu_metrics`.
//!
//! The table has many versions (struct gpu_metrics_v… in the kernel's kgd_pp_interface.h). All hold a throttle status, but up to
//! 1.2 and 2.1 its bits mean another thing on each chip; 1.3 (most cards since RDNA 2, MI100, MI200) and 2.2 to 2.4 (APUs) also
//! hold one that means the same on all, and that alone is read.

use crate::record::{Limiter, Limiters};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

/// The longest table known takes about 2,000 bytes; the status stands in the first 128.
const BEGINNING: usize = 256;

/// A GPU's table, kept open.
pub(super) struct GpuMetrics(File);

impl GpuMetrics {
    /// The table of the device at this folder of sysfs. None where there is none that tells.
    pub(super) fn open(device: &Path) -> Option<Self> {
        let mut metrics = GpuMetrics(File::open(device.join("gpu_metrics")).ok()?);
        let tells = match metrics.read() {
            Some((table, length)) => length < 4 || limiters(&table[..length]).is_some(),
            None => true, // asleep, perhaps: it is read again
        };
        tells.then_some(metrics)
    }

    /// Format and content of the table's version.
    fn header(device: &Path) -> Option<(u8, u8)> {
        let (table, length) = GpuMetrics(File::open(device.join("gpu_metrics")).ok()?).read()?;
        (length >= 4).then_some((table[2], table[3]))
    }

    /// What holds the clock down now. None where the table does not tell, as while the GPU sleeps. Allocates nothing.
    pub(super) fn limiters(&mut self) -> Option<Limiters> {
        let (table, length) = self.read()?;
        limiters(&table[..length])
    }

    fn read(&mut self) -> Option<([u8; BEGINNING], usize)> {
        let mut table = [0; BEGINNING];
        self.0.rewind().ok()?;
        let length = self.0.read(&mut table).ok()?;
        Some((table, length))
    }
}

/// Does the energy counter of the device at this folder have 32 bits? That of the table's first version (1.0: Vega 20, early
/// drivers of MI100) has.
pub(super) fn counter_is_narrow(device: &Path) -> bool {
    GpuMetrics::header(device) == Some((1, 0))
}

fn limiters(table: &[u8]) -> Option<Limiters> {
    // The header: size (16 bits), format, content.
    let offset = match (*table.get(2)?, *table.get(3)?) {
        (1, 3) => 112,
        (2, 2..=4) => 120,
        _ => return None,
    };
    let status = table.get(offset..offset + 8)?.try_into().ok()?;
    of_status(u64::from_le_bytes(status))
}

/// Throttlers as the kernel numbers them for all chips alike (SMU_THROTTLER_*_BIT in its amdgpu_smu.h). None for a status that is
/// marked as not given.
pub(super) fn of_status(status: u64) -> Option<Limiters> {
    let table = [
        (0..=7, Limiter::PowerCap),   // package power, fast and slow
        (16..=23, Limiter::PowerCap), // current
        (32..=45, Limiter::Thermal),  // chip, memory, voltage regulators
        (46..=47, Limiter::Hardware), // a signal from the board
        (48..=63, Limiter::Other),
    ];
    let mut set = Limiters::NONE;
    for (bits, limiter) in table {
        if bits.into_iter().any(|bit: u32| status >> bit & 1 != 0) {
            set = set.with(limiter);
        }
    }
    (status != u64::MAX).then_some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of a version, with a status at its place.
    fn table(length: u8, version: (u8, u8), offset: usize, status: u64) -> Vec<u8> {
        let mut table = vec![0u8; usize::from(length)];
        table[..4].copy_from_slice(&[length, 0, version.0, version.1]);
        table[offset..offset + 8].copy_from_slice(&status.to_le_bytes());
        table
    }

    fn told(table: &[u8]) -> Option<Vec<Limiter>> {
        limiters(table).map(|set| set.iter().collect())
    }

    #[test]
    fn the_status_that_means_the_same_on_all_chips_is_read_where_the_table_has_it() {
        assert_eq!(told(&table(120, (1, 3), 112, 1 << 36)), Some(vec![Limiter::Thermal]));
        assert_eq!(told(&table(128, (2, 2), 120, 1)), Some(vec![Limiter::PowerCap]));
        assert_eq!(told(&table(168, (2, 4), 120, 0)), Some(vec![]), "no limit is an answer");
        assert_eq!(told(&table(120, (1, 3), 112, u64::MAX)), None, "marked as not given");
        for version in [(1, 0), (1, 2), (1, 4), (2, 1), (3, 0)] {
            assert_eq!(told(&table(128, version, 112, 1)), None, "{version:?}");
        }
        for cut in [0, 3, 112, 119] {
            assert_eq!(told(&table(120, (1, 3), 112, 1)[..cut]), None, "cut short at {cut}");
        }
    }

    #[test]
    fn a_table_that_tells_nothing_is_not_kept_and_one_that_is_empty_now_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gpu_metrics");
        assert!(GpuMetrics::open(folder.path()).is_none());
        assert!(!counter_is_narrow(folder.path()));
        std::fs::write(&path, table(80, (1, 0), 20, 0)).unwrap();
        assert!(GpuMetrics::open(folder.path()).is_none());
        assert!(counter_is_narrow(folder.path()));
        std::fs::write(&path, "").unwrap();
        let mut asleep = GpuMetrics::open(folder.path()).unwrap();
        assert!(asleep.limiters().is_none());
        std::fs::write(&path, table(120, (1, 3), 112, 1)).unwrap();
        assert_eq!(asleep.limiters(), Some(Limiters::NONE.with(Limiter::PowerCap)), "it woke up");
    }
}
