//! `wattmul kernel`: the kernels that compete.

use crate::cli::KernelArgs;
use crate::gpu::kernel::{KERNELS, MATRIX_KERNELS};
use crate::operands::Dtype;
use crate::record::Units;
use crate::run::PlanError;
use std::io::Write;
use std::process::ExitCode;

/// Lists the kernels, or prints one.
///
/// # Errors
/// Standard output is closed; the kernel is not for the type.
pub fn kernel(args: &KernelArgs) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if let Some(kernel) = args.print {
        if kernel.units() == Units::Matrix && args.dtype != Dtype::F16 {
            return Err(PlanError::MatrixKernel { kernel: kernel.to_string() }.into());
        }
        write!(output, "{}", kernel.wgsl(args.dtype))?;
    } else {
        let matrix = if args.dtype == Dtype::F16 { MATRIX_KERNELS } else { &[] };
        for kernel in KERNELS.iter().chain(matrix) {
            let (threads, bytes) = (kernel.threads(), kernel.workgroup_bytes(args.dtype));
            writeln!(output, "{:<33}{threads:>4} threads  {bytes:>6} bytes of workgroup memory", kernel.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
