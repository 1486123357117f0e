//! What people read.

pub mod sweep;
pub mod terminal;
pub mod units;
