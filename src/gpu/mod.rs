//! The GPU side: which adapter, which kernel, products that never stop, and whether they are right.
//!
//! - [`adapter`]: which there are, and how one is opened; [`matrix_units`]: which of those it has. [`buffers`]: what is on the device.
//! - [`kernel`]: the shaders. [`tune`]: which is fastest here. [`matmul`]: products one after the other; [`timestamps`]: when the
//!   device worked. [`verify`]: are they right?

pub mod adapter;
pub mod buffers;
pub mod kernel;
pub mod matmul;
pub mod matrix_units;
pub(crate) mod timestamps;
pub mod tune;
pub mod verify;
