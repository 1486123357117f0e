//! The memory that matrices can lie in.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

/// The memory of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total_bytes: u64,
    /// What nobody uses now; None where that is not told.
    pub free_bytes: Option<u64>,
}

impl Memory {
    /// What a run can have of it, before what it keeps for others.
    pub(crate) fn available_bytes(&self) -> u64 {
        self.free_bytes.unwrap_or(self.total_bytes)
    }
}

/// That of the machine, which a GPU without any of its own shares with the CPU. Within a container, what the container may have.
pub(crate) fn of_this_machine() -> Memory {
    let refresh = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(refresh);
    let machine = Memory { total_bytes: system.total_memory(), free_bytes: Some(system.available_memory()) };
    match system.cgroup_limits() {
        Some(limits) if limits.total_memory < machine.total_bytes => Memory {
            total_bytes: limits.total_memory,
            free_bytes: Some(limits.free_memory.min(system.available_memory())),
        },
        _ => machine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_memory_and_uses_some_of_it() {
        let memory = of_this_machine();
        let free = memory.free_bytes.unwrap();
        assert!(free > 0 && free < memory.total_bytes && memory.available_bytes() == free, "{memory:?}");
        assert_eq!(Memory { free_bytes: None, ..memory }.available_bytes(), memory.total_bytes);
    }
}
