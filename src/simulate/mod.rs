//! Simulated GPUs and sensors whose true answer is known, in virtual time: the same protocol runs on them as on real ones.
//!
//! [`gpu`] draws power, by what its [`circuit`] does with the numbers; [`sensor`] shows it as real sensors do (late, now and then,
//! wrong by a gain), [`fault`] is what may go wrong, [`models`] are the boards, [`world`] is what all of them share, a clock that
//! jumps, and a [`simulation`] is one of them ready to run.

pub mod circuit;
pub mod fault;
pub mod gpu;
pub mod models;
mod random;
pub mod sensor;
pub mod simulation;
pub(crate) mod world;

pub use fault::Fault;
pub use models::{MODELS, Model};
pub use simulation::{Simulation, activity};
