//! What people read. Functions from records to text and drawings, pure but for [`progress`], which draws as events come, and
//! [`html`], which reads the trace of a run again when its turn comes.
//!
//! - In a terminal: [`terminal`] before and after a run, [`progress`] in its course, [`table`] for many records.
//! - As files: [`html`], [`markdown`], [`mod@csv`].
//! - Drawings: [`canvas`] is what all are drawn on; [`dots`] and [`chart`] are the two kinds; [`plot`], [`timeline`], [`sweep`] and
//!   [`atlas`] are what is drawn.
//! - In words, for all of these: [`view`], [`types`], [`published`], [`units`].

pub mod all_adapters;
pub mod atlas;
pub mod canvas;
pub mod chart;
pub mod csv;
pub mod dots;
pub mod html;
pub mod markdown;
pub mod plot;
pub mod progress;
pub mod published;
pub mod sweep;
pub mod table;
pub mod terminal;
pub mod timeline;
pub mod types;
pub mod units;
pub mod view;
pub mod wrap;
