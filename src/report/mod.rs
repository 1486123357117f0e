//! What people read: functions from records to text and drawings.
//!
//! - [`content`] decides what is said, and in which order, as blocks of a [`page`].
//! - [`lines`] are a group's rows in words, [`units`] figures in words; [`published`] is what others found.
//! - Painters draw blocks and decide nothing: [`terminal`], [`markdown`], [`html`]. All of them show the same facts.
//! - [`plot`] draws; [`wrap`] keeps lines to a terminal's width.
//! - [`mod@csv`] is for spreadsheets, and [`progress`] for those who wait.

pub mod content;
pub mod csv;
pub mod html;
mod lines;
pub mod markdown;
pub mod page;
pub mod plot;
pub(crate) mod progress;
pub mod published;
pub mod terminal;
pub(crate) mod units;
pub mod wrap;
