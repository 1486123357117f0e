//! Power sensors behind one trait.
//!
//! - One file a vendor's interface, each a line of the table below; all that is known of the vendor stands there.
//! - [`reader`]: the trait, and what such a file tells. [`choice`]: which sensor belongs to which adapter.
//! - [`inventory`]: which GPUs the vendors' libraries show. [`sampling_thread`]: reads a sensor
//!   while the protocol is busy.
//! - `gpu_metrics`, `intel_gt`: what AMD's and Intel's drivers tell besides power.
//! - [`meter`]: a meter of the user's own beside a sensor.
//! - `once`: a library that is opened once a process.
//! - [`hold`]: a clock or a power limit that is changed and put back; [`guard`]: even for a program that was killed.

pub mod choice;
mod gpu_metrics;
pub(crate) mod guard;
pub(crate) mod hold;
mod intel_gt;
pub(crate) mod inventory;
pub mod meter;
mod once;
pub mod reader;
pub mod sampling_thread;

/// Declares the files of the interfaces, and lists them in order of preference. (rustfmt does not see these files by itself.)
macro_rules! interfaces {
    ($($file:ident),* $(,)?) => {
        $(pub mod $file;)*

        /// Every interface to sensors, the preferred first.
        pub(crate) static INTERFACES: &[&reader::Interface] = &[$(&$file::INTERFACE),*];
    };
}

interfaces! {
    nvml,
    rocm_smi,
    amd_smi,
    hwmon,
    level_zero,
    adl,
    jetson,
    apple,
    rapl,
}
