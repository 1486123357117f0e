//! What A and B are filled with, and in which type.
//!
//! - [`init`]: how the operands are initialised. [`matrix`]: the operands, row by row.
//! - [`dtype`]: the types of their elements. [`activity`]: how many of their bits flip.

pub mod activity;
pub mod dtype;
pub mod init;
pub mod matrix;

pub use activity::{Activity, Bits};
pub use dtype::{Dtype, Element};
pub use init::Init;
pub use matrix::{Matrix, Operand};
