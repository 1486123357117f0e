//! The program for Windows, run on Linux by Wine.
#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;

mod adl;
mod nvml;
mod program;
mod wine;
