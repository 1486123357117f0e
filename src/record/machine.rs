//! What made a record and on what machine. Nothing that names the machine or its user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// This program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    pub name: String,
    pub version: String,
    /// None for a build outside a git checkout. Ends in "+changes" where the tree was not that commit.
    pub commit: Option<String>,
    pub rustc: Option<String>,
}

/// The machine, as far as it can matter for the numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    pub os: Option<String>,
    pub kernel: Option<String>,
    pub cpu: Option<String>,
    pub cpus: Option<usize>,
}
