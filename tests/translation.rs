//! Every kernel in the languages of Metal and DirectX, which no driver here takes, and as SPIR-V by Khronos' own validator.

#[path = "machine_code/spirv.rs"]
mod spirv;

#[cfg(target_os = "linux")]
mod common;

use naga::back::{hlsl, msl};
use wattmul::gpu::kernel::{KERNELS, Kernel};

fn metal(kernel: &Kernel) -> String {
    let (module, info) = spirv::parse(kernel).unwrap();
    let options = msl::Options {
        lang_version: (2, 4),
        bounds_check_policies: spirv::UNCHECKED,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let (text, entries) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
    assert!(entries.entry_point_names.iter().all(Result::is_ok), "{kernel}: {:?}", entries.entry_point_names);
    text
}

fn directx(kernel: &Kernel) -> String {
    let (module, info) = spirv::parse(kernel).unwrap();
    let options = hlsl::Options {
        zero_initialize_workgroup_memory: false,
        restrict_indexing: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    let entries = hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).unwrap();
    assert!(entries.entry_point_names.iter().all(Result::is_ok), "{kernel}: {:?}", entries.entry_point_names);
    text
}

/// How often a text contains a word.
fn count(text: &str, word: &str) -> usize {
    text.matches(word).count()
}

#[test]
fn every_kernel_can_be_said_in_metal_and_directx() {
    for kernel in KERNELS {
        let (metal, directx) = (metal(kernel), directx(kernel));
        assert!(metal.contains("kernel void main_("), "{kernel}: {metal}");
        assert!(directx.contains(&format!("[numthreads({}, 1, 1)]", kernel.threads())), "{kernel}: {directx}");
        // Fused multiply-adds stay such; and nothing is cleared, bounded or counted that the kernel does not ask for.
        let fmas = count(&kernel.wgsl(), "fma(");
        assert_eq!((count(&metal, "metal::fma("), count(&directx, "mad(")), (fmas, fmas), "{kernel}");
        assert_eq!(count(&metal, "loop_bound") + count(&directx, "loop_bound"), 0, "{kernel}");
        let barriers = count(&kernel.wgsl(), "workgroupBarrier()");
        assert_eq!(count(&metal, "threadgroup_barrier("), barriers, "{kernel}");
        assert_eq!(count(&directx, "GroupMemoryBarrierWithGroupSync("), barriers, "{kernel}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn every_kernels_spirv_is_valid() {
    use std::process::Command;

    let missing = Command::new("spirv-val").arg("--version").output().is_err();
    if common::skipped(missing, "spirv-val is not installed (Debian: apt install spirv-tools)") {
        return;
    }
    for kernel in KERNELS {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytemuck::cast_slice(&spirv::write(kernel).unwrap())).unwrap();
        let output = Command::new("spirv-val").args(["--target-env", "vulkan1.3"]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{kernel}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
