//! What A and B are filled with, and in which type.
//!
//! - [`init`]: how the operands are initialised. [`matrix`]: the operands, row by row.
//! - [`own`]: numbers of the user's own. [`tensor`]: those of one file; [`tensor_file`] reads them, [`npy`] a header.
//! - [`dtype`]: the types of their elements. [`order`]: in which order a kernel multiplies. [`activity`]: what a multiplier sees then.

pub mod activity;
pub mod dtype;
pub mod init;
pub mod matrix;
mod npy;
pub mod order;
pub mod own;
pub mod tensor;
pub mod tensor_file;

pub use activity::{Activity, Count, Mean};
pub use dtype::{Dtype, Element};
pub use init::Init;
pub use matrix::{Matrix, Operand};
pub use order::Order;
pub use own::{Operands, Origin, operands};
