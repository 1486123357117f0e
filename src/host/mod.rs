//! The machine on which the program runs.
//!
//! - [`machine`]: what it is; [`memory`]: how much of it there is. [`sysfs`]: how Linux shows its devices; [`unseen`]: GPUs that no driver offers; [`nvidia`]: what keeps
//!   NVIDIA's from it; [`system`]: what is said on which system; [`kfd`]: AMD's, as
//!   ROCm counts them; [`intel`]: Intel's, as Level Zero does. [`finding`]: what spoils a run there; [`probes`]: looks for it.
//! - [`visible`]: which GPUs a scheduler gave to this process; [`slurm`]: its job; [`claim`]: a GPU is measured by one run at a time.
//! - [`interrupt`]: how a run is ended.

pub(crate) mod apart;
pub mod claim;
pub(crate) mod finding;
pub mod intel;
pub mod interrupt;
pub(crate) mod kfd;
pub mod machine;
pub mod memory;
pub(crate) mod nvidia;
pub(crate) mod probes;
pub mod slurm;
pub(crate) mod sysfs;
pub(crate) mod system;
pub mod unseen;
pub mod visible;
