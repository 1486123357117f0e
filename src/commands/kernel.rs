//! `wattmul kernel`: the kernels that compete.

use crate::cli::KernelArgs;
use crate::gpu::kernel::KERNELS;
use std::io::Write;
use std::process::ExitCode;

/// Lists the kernels, or prints one.
///
/// # Errors
/// Standard output is closed.
pub fn kernel(args: &KernelArgs) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if let Some(kernel) = args.print {
        write!(output, "{}", kernel.wgsl(args.dtype))?;
    } else {
        for kernel in KERNELS {
            let (threads, bytes) = (kernel.threads(), kernel.workgroup_bytes(args.dtype));
            writeln!(output, "{:<22}{threads:>4} threads  {bytes:>6} bytes of workgroup memory", kernel.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
