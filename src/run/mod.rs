//! A plan run, from options and adapter to a record.
//!
//! - [`mod@plan`]: the options completed to a plan. [`settings`]: those of a sweep.
//! - [`execute`]: the protocol on a device, and the record of it; [`measure`] sets it up with a real GPU and its sensor, [`simulated`]
//!   with a model whose truth is known.
//! - [`earlier`]: what an earlier start of the same job left.

pub mod earlier;
pub(crate) mod execute;
pub mod measure;
pub mod plan;
pub mod settings;
pub mod simulated;

pub use execute::{Prepared, RunError, Setup, run};
pub use plan::{PlanError, PlanOptions, plan};
pub use settings::Settings;
