//! What goes by the real clock, on a Vulkan driver, a sensor's library, or a stand-in for one.

#[path = "../common/mod.rs"]
mod common;

/// Where the toy reader's `crate::` leads to.
use wattmul::{power, protocol, record};

mod allocator;
mod amd_smi;
mod contributing;
mod faults;
mod heap;
mod level_zero;
mod machine_code;
mod matrix_units;
mod memory;
mod meter;
mod nvml;
mod own;
#[cfg(unix)]
mod power_limit;
mod privacy;
mod products;
mod readers;
mod rocm_smi;
mod run;
#[cfg(target_os = "linux")]
mod sensors;
mod types;
mod visible;
mod whole_runs;
