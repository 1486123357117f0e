//! The record of a run: one JSON file.
//!
//! Plain types, one idea a file: [`verdict`], [`machine`], [`adapter`], [`sensor`], [`plan`],
//! [`window`], [`summary`], [`trace`], [`meter`]. [`mod@file`] saves a record, [`read`] reads one that anybody may have written, and [`text`]
//! makes what strangers call their devices fit to be shown.

pub mod adapter;
pub mod file;
pub mod job;
pub mod machine;
pub mod meter;
pub mod pci;
pub mod plan;
pub mod read;
pub mod sensor;
pub mod summary;
pub mod text;
pub mod trace;
pub mod verdict;
pub mod window;

use crate::operands::{Activity, Init, Order, Origin};
pub use adapter::{AdapterInfo, AdapterType};
pub use job::Job;
pub use machine::{Host, Tool};
pub use meter::{Meter, MeterInterface};
pub use pci::PciAddress;
pub use plan::{Ended, PROTOCOL, Plan, Timing, Units};
use schemars::JsonSchema;
pub use sensor::{Counter, LimitKind, Limiter, Limiters, PowerKind, Scope, Source};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
pub use summary::{
    Band, Calibration, Estimate, InitSummary, MeterDoubt, MeterSummary, Ratios, SensorSummary, Summary, TrueRatios,
    Truth, Warming,
};
pub use trace::{Row, Trace};
pub use verdict::{Flag, Reason, Status, Verdict};
pub use window::{CounterFault, Doubt, Idle, IdlePower, Lead, Window, WindowPower};

/// The version of this layout.
pub(crate) const SCHEMA: u32 = 2;

/// One run. A value that was not measured is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this layout.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The protocol's name and version.
    pub protocol: String,
    pub verdict: Verdict,
    pub tool: Tool,
    pub host: Host,
    pub adapter: AdapterInfo,
    /// The sensor, or null.
    pub source: Option<Source>,
    pub plan: Plan,
    pub timing: Timing,
    /// By init.
    pub inputs: BTreeMap<Init, Inputs>,
    pub kernel: KernelChoice,
    pub run: RunInfo,
    pub idle: IdlePower,
    pub warm_up: Option<WarmUp>,
    pub windows: Vec<Window>,
    pub summary: Summary,
    pub trace: Trace,
    /// What the user's own meter said, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<Meter>,
    /// What a simulated run should have found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
}

/// What was multiplied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// BLAKE3 of the elements of A in the plan's type, as [`crate::operands::Dtype::digest`] makes it. Empty in a simulated run:
    /// nothing was multiplied.
    pub digest_a: String,
    pub digest_b: String,
    /// What A was multiplied by before it was rounded to i8. Not there in the other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_a: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_b: Option<f64>,
    /// In the kernel's order. Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// In that order with rows and columns exchanged, as some compilers do. Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity_exchanged: Option<Activity>,
    /// Where A's numbers are from, of an init that is named after a file's; its name follows from both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_a: Option<Origin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin_b: Option<Origin>,
}

/// The kernel that ran, and how those that were tried did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelChoice {
    pub variant: String,
    /// BLAKE3 of the exact WGSL; `wattmul kernel --print` shows it.
    pub wgsl_digest: String,
    /// In which order a thread of it multiplies, which decides what bits flip.
    #[serde(default)]
    pub order: Order,
    pub tuning: Vec<Trial>,
}

impl KernelChoice {
    /// The kind of kernel, as its name begins: runs of two kinds multiply in different orders, or with different units.
    pub fn algorithm(&self) -> &str {
        match self.variant.split('/').next().unwrap_or_default() {
            name if name.starts_with("matrix") => "matrix",
            tile if tile.starts_with(|c: char| c.is_ascii_digit()) => "tiled",
            name => name,
        }
    }
}

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunInfo {
    /// UTC, RFC 3339, to the second.
    pub started: String,
    /// Why the rounds ended; null where something else ended the run.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// Why the run ended before its time.
    pub halted: Option<String>,
    /// Why there is no sensor.
    pub no_sensor: Option<String>,
    pub failed_reads: u64,
    pub last_failure: Option<String>,
    /// What `--label` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The job of Slurm in which it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm: Option<Job>,
}

/// How one kernel did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    pub kernel: String,
    /// Seconds a product; None for a kernel that was left out.
    pub time_s: Option<f64>,
    /// Why it was left out.
    pub note: Option<String>,
}

/// The load before the first round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    pub start_s: f64,
    pub duration_s: f64,
    /// Seconds a product, of the fastest tenth of the submissions: what a product that was computed takes at least.
    #[serde(default)]
    pub fast_product_s: Option<f64>,
}
