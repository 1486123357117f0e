//! What people read.

pub mod csv;
pub mod table;
pub mod terminal;
pub mod units;
