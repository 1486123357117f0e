//! What people read.

pub mod atlas;
pub mod canvas;
pub mod chart;
pub mod csv;
pub mod html;
pub mod markdown;
pub mod plot;
pub mod progress;
pub mod published;
pub mod sweep;
pub mod table;
pub mod terminal;
pub mod types;
pub mod units;
pub mod view;
