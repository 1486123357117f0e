//! Drawings. [`canvas`] is what all are drawn on, with scales from [`axis`]; [`dots`] and [`chart`] are the two kinds
//! of plot that others fill: [`groups`], [`sweep`], [`atlas`]. [`timeline`] is a kind of its own.

pub mod atlas;
pub(crate) mod axis;
pub(crate) mod canvas;
pub(crate) mod chart;
pub(crate) mod dots;
pub(crate) mod groups;
pub(crate) mod sweep;
pub(crate) mod timeline;

pub use canvas::{Ink, Layout, Plot, Shape, dark_style};
pub use dots::{DotRow, Rows};
