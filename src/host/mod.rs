//! The machine on which the program runs.
//!
//! - [`machine`]: what it is. [`sysfs`]: how Linux shows its devices; [`unseen`]: GPUs that no driver offers; [`kfd`]: AMD's, as
//!   ROCm counts them; [`intel`]: Intel's, as Level Zero does. [`finding`]: what spoils a run there.
//! - [`visible`]: which GPUs a scheduler gave to this process; [`slurm`]: its job; [`claim`]: a GPU is measured by one run at a time.
//! - [`interrupt`]: how a run is ended.

pub mod claim;
pub(crate) mod finding;
pub mod intel;
pub mod interrupt;
pub(crate) mod kfd;
pub mod machine;
pub mod slurm;
pub(crate) mod sysfs;
pub mod unseen;
pub mod visible;
