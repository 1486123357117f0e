//! What people read.

pub mod canvas;
pub mod html;
pub mod markdown;
pub mod plot;
pub mod published;
pub mod terminal;
pub mod units;
pub mod view;
