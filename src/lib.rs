//! The joules that one matrix product costs a GPU depend on the numbers in it. This crate measures by how much.
//!
//! Data flows one way. An arrow is an import:
//!
//! ```text
//! commands ─→ report ─→ archive ─→ analysis ─→ record ─→ operands
//!     │          │                    ↑          ↑
//!     │          └─────┐              │          │
//!     │                ↓              │          │
//!     └─→ run ─→ protocol ────────────┘          │
//!          │        ↑                            │
//!          └─→ gpu, power, simulate ─→ host ─────┘
//! ```
//!
//! A room may also import what lies further down its arrows, and nothing else (`tests/offline/rooms.rs` holds it to that).
//!
//! - [`cli`]: the arguments. [`commands`]: one file a command.
//! - [`run`]: a plan run on a device, real or simulated, and the record of it.
//! - [`protocol`]: idle, warm-up, rounds of windows. It knows a workload, a sensor and a clock by traits of its own, and prints nothing.
//!   [`gpu`] multiplies, [`power`] reads sensors and locks clocks, [`simulate`] does both in virtual time.
//! - [`record`]: the file: plain types, reading and saving. [`operands`]: what was multiplied, bit by bit.
//! - [`analysis`]: from a record to watts, ratios, how sure they are, and the verdict; whoever has the file can compute them again.
//! - [`archive`]: records that strangers wrote: can they be what they say?
//! - [`report`]: what people read.
//! - [`host`]: the machine: its devices, its scheduler, its signals. [`digits`]: how figures are rounded for a record. [`say`]:
//!   messages on standard error.

#![deny(unsafe_code)]
// The documents are for who reads the source: they name what is private, too.
#![allow(rustdoc::private_intra_doc_links)]

pub mod analysis;
pub mod archive;
pub mod cli;
pub mod commands;
pub mod digits;
pub mod gpu;
pub mod host;
pub mod operands;
pub mod power;
pub mod protocol;
pub mod record;
pub mod report;
pub mod run;
pub mod say;
pub mod simulate;
