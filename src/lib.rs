//! The joules that one matrix product costs a GPU depend on the numbers in it. This crate measures by how much.
//!
//! Data flows one way:
//!
//! ```text
//! cli ─→ plan ─┐
//! gpu ─────────┼─→ measure, simulate ─→ run ─→ protocol ─┬─→ windows ─┬─→ energy ─→ summary ─→ validity
//! power ───────┘                                         └─→ trace ───┘            (stats)        │
//!                                                                        report ←─ conclude ←─ record
//!
//! files of records ─→ folder ─→ validate ─→ overview (fleet, sweep) ─→ report
//!                                       └─→ compare ─────────────────↗
//! ```
//!
//! What `protocol` drives (a workload, a sensor, a clock) it knows by traits of its own; [`gpu`], [`power`] and [`simulate`] implement
//! them.
//!
//! - [`cli`], [`plan`]: what was asked for, and what will be measured.
//! - [`inits`], [`inputs`]: what the operands can be filled with, and the operands. [`dtype`]: the type of their elements.
//!   [`gpu`]: adapters, kernels, products, and whether they are right.
//! - [`power`]: sensors behind one trait, the thread that reads one, and the clock that is held and freed again.
//! - [`run`]: the plan carried out, whoever set it up: [`measure`] with a real GPU and its sensor, [`several`] with all of a machine,
//!   one after another; [`simulate`] with models whose truth is known, in virtual time.
//! - [`protocol`]: idle, warm-up, rounds, each in a balanced [`order`]. Knows a workload, a sensor and a clock by their traits
//!   alone, and prints nothing.
//! - [`trace`], [`energy`]: from samples to the watts of a window. [`stats`]: ratios and their intervals.
//! - [`activity`]: how many bits of the operands switch, and the watts that go with it.
//! - [`summary`], [`validity`], [`record`]: the answer, whether it can be believed, and the file that holds it. Whoever has
//!   the file can compute the first two again. [`conclude`] saves and shows it.
//! - [`sweep`]: the clocks of a sweep, and what its records say together. [`year`]: what the difference would be over a year.
//! - [`folder`], [`validate`]: records that strangers wrote, and whether they can be what they say. They need no GPU, and no
//!   driver; nor does what follows until `report`.
//! - [`overview`], [`fleet`], [`compare`]: records side by side, cards of one model, one record against another.
//! - [`report`]: what people read.
//! - [`devices`], [`doctor`]: what is here, and what is missing.
//! - Around it: [`slurm`], the cluster's job; [`host`], this machine; [`pci`] and [`sysfs`], how its devices are found;
//!   [`interrupt`], how a run is ended; [`text`], what may be shown.

#![deny(unsafe_code)]

pub mod activity;
pub mod cli;
pub mod compare;
pub mod conclude;
pub mod devices;
pub mod doctor;
pub mod dtype;
pub mod energy;
pub mod fleet;
pub mod folder;
pub mod gpu;
pub mod host;
pub mod inits;
pub mod inputs;
pub mod interrupt;
pub mod measure;
pub mod order;
pub mod overview;
pub mod pci;
pub mod plan;
pub mod power;
pub mod protocol;
pub mod record;
pub mod report;
pub mod run;
pub mod several;
pub mod simulate;
pub mod slurm;
pub mod stats;
pub mod summary;
pub mod sweep;
pub mod sysfs;
pub mod text;
pub mod trace;
pub mod validate;
pub mod validity;
pub mod year;
