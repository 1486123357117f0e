//! The protocol: idle, warm-up, and rounds of windows, on whatever workload, sensor and clock it is given.
//!
//! - [`workload`], [`sensor`], [`clock`]: what it asks of a device, a sensor and a clock; others implement these traits.
//! - [`steps`]: what it does with them, `warm_up` and `rounds` among others, told by [`event`]s; [`order`]: whose turn it is. It prints
//!   nothing.
//! - [`trace_builder`]: from a hundred samples a second to one row an update; `resolution`: or coarser ones.

pub mod clock;
pub mod event;
pub mod order;
mod resolution;
mod rounds;
pub mod sensor;
pub mod steps;
pub mod trace_builder;
mod warm_up;
pub mod workload;

pub use clock::Clock;
pub use event::{Event, Latest, Stage};
pub use sensor::{PowerError, Reading, SAMPLING_PERIOD, Sample, Sampler};
pub use steps::{Finished, Halt, Protocol, Rest};
pub use trace_builder::TraceBuilder;
pub use workload::{DeviceSpan, GpuError, IN_FLIGHT, LONGEST_SUBMISSION_S, MOST_REPEATS, SUBMISSION_S, Workload};
