//! From a record to watts, ratios, and how sure they are. Pure functions, no I/O: whoever has the file can compute all of it again.
//!
//! - [`energy`]: from the trace to the watts of a window. [`summary`]: from windows to ratios; [`stats`]: and their intervals from scatter;
//!   [`heat`]: what warming does to them; [`type_b`]: and what is known of the sensor.
//! - [`meter`]: the sensor against a meter of the user's own.
//! - [`validity`]: the verdict.
//! - [`law`]: watts by what multipliers and adders see ([`regression`] fits it), and what other numbers would cost ([`predict`]).
//!   [`sweep`]: watts by the clock. [`year`]: over a year.
//! - [`compare`]: one record against another. [`overview`]: many, side by side; [`fleet`]: cards of one model; [`card`]: which it was.

pub mod card;
pub mod compare;
pub mod energy;
pub mod fleet;
pub mod heat;
pub mod law;
pub mod meter;
pub mod overview;
pub mod predict;
pub mod regression;
pub mod stats;
pub mod summary;
pub mod sweep;
pub mod type_b;
pub mod validity;
pub mod year;
