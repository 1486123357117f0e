//! A kernel as the Vulkan driver gets it.

use anyhow::{Result, anyhow};
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use wattmul::gpu::kernel::Kernel;
use wattmul::operands::Dtype;

/// What every translation begins with.
pub fn parse(kernel: &Kernel, dtype: Dtype) -> Result<(naga::Module, ModuleInfo)> {
    let wgsl = kernel.wgsl(dtype);
    let module = naga::front::wgsl::parse_str(&wgsl).map_err(|error| anyhow!(error.emit_to_string(&wgsl)))?;
    let types = Capabilities::SHADER_FLOAT16 | Capabilities::FLOAT64;
    let matrix_units = Capabilities::COOPERATIVE_MATRIX | Capabilities::SUBGROUP;
    let mut validator = Validator::new(ValidationFlags::all(), types | matrix_units);
    let info = validator.validate(&module).map_err(|error| anyhow!(error.emit_to_string(&wgsl)))?;
    Ok((module, info))
}

/// No check at any access.
pub const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// SPIR-V 1.6, with the options that wgpu 30 sets on Vulkan 1.3 for a trusted module whose checks are all off and whose
/// workgroup memory is not cleared (wgpu-hal, `vulkan/adapter.rs` and `compile_stage` in `vulkan/device.rs`).
pub fn write(kernel: &Kernel, dtype: Dtype) -> Result<Vec<u32>> {
    let (module, info) = parse(kernel, dtype)?;
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
        fake_missing_bindings: true, // the numbers that the WGSL gives
        bounds_check_policies: UNCHECKED,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let main = spv::PipelineOptions { shader_stage: naga::ShaderStage::Compute, entry_point: "main".into() };
    Ok(spv::write_vec(&module, &info, &options, Some(&main))?)
}
