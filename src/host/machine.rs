//! What made a record and on what machine. Nothing that names the machine or its user.

use crate::record::{Host, Tool};
use std::sync::OnceLock;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// This program, as it was built.
pub(crate) fn this_program() -> Tool {
    let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Tool {
        name: env!("CARGO_PKG_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        commit: known(env!("WATTMUL_COMMIT")),
        rustc: known(env!("WATTMUL_RUSTC")),
    }
}

/// This machine. Found out once: thousands of simulated runs share it.
pub(crate) fn this_machine() -> Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(find_out).clone()
}

fn find_out() -> Host {
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()));
    let cpu = system.cpus().first().map(|cpu| cpu.brand().trim().to_owned());
    Host {
        os: System::long_os_version(),
        kernel: System::kernel_version(),
        cpu: cpu.filter(|brand| !brand.is_empty()),
        cpus: std::thread::available_parallelism().ok().map(usize::from),
    }
}
