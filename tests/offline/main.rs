//! What needs no driver, no sensor and no clock but a virtual one: all that is computed.

#[path = "../common/mod.rs"]
mod common;

mod activity;
mod atlas;
mod bindings;
mod calibration;
mod claim;
mod compare;
mod earlier;
mod energy;
mod fixes;
mod help;
mod inits;
mod law;
mod matrices;
mod matrix_units;
mod meter;
mod nonsense;
mod order;
mod output;
mod own;
mod pci;
mod plan;
mod predict;
mod real_data;
mod records;
mod rooms;
mod simulate;
mod stats;
mod sweep;
mod trace_builder;
mod translation;
mod truth;
mod validity;
mod verdict;
mod visible;
mod year;
