//! What needs no driver, no sensor and no clock but a virtual one: all that is computed.

#[path = "../common/mod.rs"]
mod common;

mod atlas;
mod earlier;
mod help;
mod inits;
mod matrices;
mod nonsense;
mod order;
mod output;
mod plan;
mod records;
mod rooms;
mod simulate;
mod sweep;
mod translation;
mod truth;
mod verdict;
