//! What needs a cluster: a test of minutes, beside which nothing else is to run.

#[path = "../common/mod.rs"]
mod common;

mod slurm;
