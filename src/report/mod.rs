//! What people read.

pub mod terminal;
pub mod units;
