//! What made the record and on what machine. Nothing that names the machine or its user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

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

impl Tool {
    pub fn this() -> Self {
        let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Tool {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            commit: known(env!("WATTMUL_COMMIT")),
            rustc: known(env!("WATTMUL_RUSTC")),
        }
    }
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

impl Host {
    /// Found out once: thousands of simulated runs share it.
    pub fn this() -> Self {
        static HOST: OnceLock<Host> = OnceLock::new();
        HOST.get_or_init(Host::find_out).clone()
    }

    fn find_out() -> Self {
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
        let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
        Host {
            os: System::long_os_version(),
            kernel: System::kernel_version(),
            cpu: cpu.filter(|brand| !brand.is_empty()),
            cpus: std::thread::available_parallelism().ok().map(usize::from),
        }
    }
}
