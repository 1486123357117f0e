//! `--units matrix` on the one driver without hardware that has matrix units: Mesa's software driver from 26.1 on (tests/new-mesa).
#![cfg(target_os = "linux")]

use crate::common;

use common::{no_software_driver, on_new_mesa, patiently, program_path, records, wattmul};
use predicates::prelude::*;
use predicates::str::contains;
use std::process::Command;
use std::rc::Rc;
use wattmul::gpu::adapter;
use wattmul::gpu::adapter::{Adapter, Backend, Gpu};
use wattmul::gpu::buffers::Buffers;
use wattmul::gpu::kernel::{KERNELS, Kernel, MATRIX_KERNELS};
use wattmul::gpu::matmul::{Compiled, Matmul};
use wattmul::gpu::verify::Expectation;
use wattmul::operands::{Dtype, Init};
use wattmul::protocol::GpuError;
use wattmul::record::{Record, Trial, Units};

/// Runs a test of this file, which is ignored elsewhere, in a process of its own on the newer driver.
fn runs_on_new_mesa(test: &str) {
    let Some(mut command) = on_new_mesa("lavapipe", &std::env::current_exe().unwrap()) else { return };
    let name = format!("matrix_units::{test}");
    let output = patiently_run(command.args([&name, "--exact", "--ignored", "--nocapture"]));
    assert!(output.contains("1 passed"), "{output}");
}

fn patiently_run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The only adapter there, and its device opened for matrix units.
fn opened() -> (Adapter, Gpu) {
    let adapter = adapter::list(Backend::Vulkan).unwrap().remove(0);
    let gpu = adapter.open(Units::Matrix).unwrap();
    (adapter, gpu)
}

fn buffers(gpu: &Gpu, size: usize) -> Rc<Buffers> {
    Rc::new(Buffers::new(gpu.clone(), Dtype::F16, size, &INITS, 0).unwrap())
}

const INITS: [Init; 2] = [Init::Zeros, Init::Gaussian];

fn expectation(init: Init, size: usize) -> Expectation {
    Expectation::new(Dtype::F16, Units::Matrix, init, 0, size)
}

#[test]
fn every_kernel_computes_the_product_of_every_size() {
    runs_on_new_mesa("inside_every_kernel_computes_the_product_of_every_size");
}

#[test]
#[ignore = "run by the test without `inside`"]
fn inside_every_kernel_computes_the_product_of_every_size() {
    let (adapter, gpu) = opened();
    let units = adapter.matrix_units().unwrap();
    assert_eq!((&units.edges[..], units.lanes), (&[8][..], (8, 8)), "as Mesa 26.1 has them");
    let (ours, others): (Vec<Kernel>, Vec<Kernel>) =
        MATRIX_KERNELS.iter().partition(|kernel| kernel.is_for(Some(&units)));
    assert!(ours.len() >= 4 && !others.is_empty());
    let compile = |kernel: &Kernel| Compiled::new(&gpu, *kernel, Dtype::F16).unwrap();
    for kernel in others.iter().chain(KERNELS) {
        assert!(compile(kernel).is_err_and(|why| why.contains("other units")), "{kernel} is not offered");
    }
    let compiled: Vec<Compiled> = ours.iter().map(|kernel| compile(kernel).unwrap()).collect();
    for size in [1, 15, 16, 17, 64, 100, 256, 1000] {
        let (buffers, expectations) = (buffers(&gpu, size), INITS.map(|init| expectation(init, size)));
        for compiled in &compiled {
            let mut matmul = Matmul::new(buffers.clone(), compiled.clone(), 0.01);
            assert_eq!(matmul.verify(&expectations), Ok(Ok(())), "{}, n = {size}", compiled.kernel);
        }
    }
    // Every kind of numbers, and an edge in every direction.
    let (kernel, size) = (&compiled[1], 130);
    let buffers = Rc::new(Buffers::new(gpu.clone(), Dtype::F16, size, &Init::ALL, 0).unwrap());
    let expectations: Vec<_> = Init::ALL.iter().map(|&init| expectation(init, size)).collect();
    let mut matmul = Matmul::new(buffers.clone(), kernel.clone(), 0.01);
    assert_eq!(matmul.verify(&expectations), Ok(Ok(())));
    // Bands: a part of A's rows and of C's at a time.
    let mut matmul = Matmul::new(buffers, kernel.clone(), 10.0);
    assert_eq!(matmul.verify(&expectations), Ok(Ok(())));
}

/// The rows of C after the WGSL has run once on the Gaussian operands; C was zeros before.
fn product_by(gpu: &Gpu, buffers: &Buffers, wgsl: String, tile: u32) -> Vec<u8> {
    let device = &gpu.device;
    let descriptor = wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(wgsl.into()) };
    // SAFETY: as in the program itself: whole tiles in padded buffers.
    #[expect(unsafe_code, reason = "shaders of the program itself")]
    let module = unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let sizes = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let (mn, k) = (buffers.shape.mn as u32, buffers.shape.k as u32);
    gpu.queue.write_buffer(&sizes, 0, bytemuck::cast_slice(&[mn, mn, k, 0]));
    let all = [&buffers.operands[1].a, &buffers.operands[1].b, &buffers.c, &sizes];
    let entries: Vec<_> = all
        .iter()
        .enumerate()
        .map(|(i, buffer)| wgpu::BindGroupEntry { binding: i as u32, resource: buffer.as_entire_binding() })
        .collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(mn / tile, mn / tile, 1);
    drop(pass);
    gpu.finish(gpu.queue.submit([encoder.finish()])).unwrap();
    let mut c = vec![];
    let read = buffers.read_rows(0, buffers.shape.mn, |_, rows| {
        c.extend_from_slice(rows);
        Ok::<(), GpuError>(())
    });
    read.unwrap();
    c
}

/// The text of a kernel, written for subgroups of another size.
fn for_lanes(kernel: &str, lanes: u32, others: u32) -> String {
    let wgsl = Kernel::named(kernel).unwrap().wgsl(Dtype::F16);
    let (from, to) = (format!("const LANES = {lanes}u;"), format!("const LANES = {others}u;"));
    assert_eq!(wgsl.matches(&from).count(), 1);
    wgsl.replace(&from, &to)
}

#[test]
fn a_kernel_for_subgroups_of_another_size_writes_nothing_and_the_text_for_gpus_is_right() {
    runs_on_new_mesa("inside_a_kernel_for_subgroups_of_another_size_writes_nothing_and_the_text_for_gpus_is_right");
}

#[test]
#[ignore = "run by the test without `inside`"]
fn inside_a_kernel_for_subgroups_of_another_size_writes_nothing_and_the_text_for_gpus_is_right() {
    let (_, gpu) = opened();
    let size = 130;
    for (kernel, lanes) in [("matrix8w8/64x64x32/32x32", 8), ("matrix16w64/64x64x32/32x32/2", 64)] {
        let buffers = buffers(&gpu, size);
        let c = product_by(&gpu, &buffers, for_lanes(kernel, lanes, 16), 64);
        assert!(c.iter().all(|&byte| byte == 0), "{kernel}: subgroups have 8 threads here, not 16");
    }
    // The driver lists 8 × 8 alone, and yet computes 16 × 16 rightly: so the kernels for AMD and NVIDIA are tried, too.
    let expected = expectation(Init::Gaussian, size);
    for kernel in MATRIX_KERNELS.iter().map(Kernel::to_string).filter(|kernel| kernel.contains("/64x64x32/")) {
        let lanes = kernel.split(['w', '/']).nth(1).unwrap().parse().unwrap();
        let buffers = buffers(&gpu, size);
        let c = product_by(&gpu, &buffers, for_lanes(&kernel, lanes, 8), 64);
        assert_eq!(expected.check(0, &c, buffers.shape.mn), Ok(()), "{kernel}");
    }
}

/// The program on the newer driver.
fn on_new(arguments: &[&str]) -> Option<assert_cmd::Command> {
    let mut command = on_new_mesa("lavapipe", &program_path())?;
    command.args(arguments);
    Some(patiently(command))
}

const SHORT: [&str; 12] =
    ["--dtype", "f16", "--size", "200", "--rounds", "3", "--window", "0.3", "--settling", "0.1", "--warm-up", "0.5"];

#[test]
fn a_run_is_verified_recorded_valid_and_never_compared_with_plain_units() {
    let results = tempfile::tempdir().unwrap();
    let folder = results.path().to_str().unwrap();
    for units in ["simt", "matrix"] {
        let Some(mut command) = on_new(&SHORT) else { return };
        let output = command.args(["--units", units, "--results", folder]).output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(matches!(output.status.code(), Some(0 | 3)), "{text}{errors}");
        let title = if units == "matrix" { "f16 matrix 200²" } else { "f16 200²" };
        assert!(text.contains(title) && text.contains("zeros against gaussian"), "{text}");
    }
    let mut found = records(results.path());
    found.sort_by_key(|(_, record)| record.plan.units == Units::Matrix);
    let [(simt_path, simt), (path, matrix)] = &found[..] else { panic!("{found:?}") };
    assert!(path.to_str().unwrap().contains("-f16-matrix-n200-"), "{path:?}");
    let kernel = Kernel::named(&matrix.kernel.variant).unwrap();
    assert_eq!((kernel.units(), kernel.digest(Dtype::F16)), (Units::Matrix, matrix.kernel.wgsl_digest.clone()));
    let slower = |note: &String| note.ends_with("slower than the best");
    let right = |trial: &Trial| trial.time_s.is_some() || trial.note.as_ref().is_some_and(slower);
    assert!(matrix.kernel.tuning.len() >= 4 && matrix.kernel.tuning.iter().all(right), "{:?}", matrix.kernel);
    assert!(matrix.windows.len() == 6 && matrix.windows.iter().all(|window| window.products_right));
    let digests = |record: &Record| record.inputs.values().map(|inputs| inputs.digest_b.clone()).collect::<Vec<_>>();
    assert_eq!(digests(matrix), digests(simt), "the same numbers, however they lie in memory");
    let without = std::fs::read_to_string(simt_path).unwrap();
    assert!(!without.contains("\"units\"") && std::fs::read_to_string(path).unwrap().contains(r#""units": "matrix""#));

    wattmul().arg("validate").arg(folder).assert().success();
    let (a, b) = (path.to_str().unwrap(), simt_path.to_str().unwrap());
    wattmul().args(["compare", a, b]).assert().code(3).stdout(contains("which units multiply differs"));
    let report = wattmul().args(["report", "--all", folder]).assert().success();
    let text = String::from_utf8_lossy(&report.get_output().stdout).into_owned();
    let groups = text.lines().filter(|line| line.contains("gaussian against zeros · f16 ")).count();
    assert!(groups == 2 && text.contains("· f16 matrix 200²"), "{text}");
    let csv = wattmul().args(["report", "--all", "--format", "csv", folder]).output().unwrap().stdout;
    let mut csv = csv::Reader::from_reader(&csv[..]);
    let column = csv.headers().unwrap().iter().position(|head| head == "units").unwrap();
    let units: Vec<String> = csv.records().map(|record| record.unwrap()[column].to_owned()).collect();
    assert_eq!(["simt", "matrix"].map(|name| units.iter().filter(|units| *units == name).count()), [2, 2]);
}

#[test]
fn devices_say_what_matrix_units_they_have() {
    let Some(mut command) = on_new(&["devices"]) else { return };
    command.assert().success().stdout(contains("matrix f16 by 8 × 8, summed in f32, 8 threads"));
    let amd = on_new_mesa("amd:navi31", &program_path()).unwrap().args(["devices", "--json"]).output().unwrap();
    let devices: serde_json::Value = serde_json::from_slice(&amd.stdout).unwrap();
    assert_eq!(devices["adapters"][0]["matrix_units"], serde_json::json!({ "edges": [16], "lanes": [32, 64] }));
    let amd = on_new_mesa("amd:navi21", &program_path()).unwrap().args(["devices", "--json"]).output().unwrap();
    let devices: serde_json::Value = serde_json::from_slice(&amd.stdout).unwrap();
    assert!(devices["adapters"][0]["matrix_units"].is_null(), "RDNA 2 has none: {devices}");
}

#[test]
fn an_adapter_without_matrix_units_and_a_type_that_they_do_not_have_are_refused_in_one_line() {
    if no_software_driver() {
        return;
    }
    let refused = |arguments: &[&str]| {
        let output = wattmul().args(["--no-save", "--units", "matrix"]).args(arguments).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true));
        let text = String::from_utf8(output.stderr).unwrap();
        text.lines().find(|line| line.starts_with("wattmul: ")).unwrap().to_owned()
    };
    assert!(refused(&[]).contains("--units matrix multiplies f16 alone: say --dtype f16 too"));
    let devices = wattmul().args(["devices", "--json"]).output().unwrap().stdout;
    let devices: serde_json::Value = serde_json::from_slice(&devices).unwrap();
    if devices["adapters"][0]["matrix_units"].is_null() {
        let line = refused(&["--dtype", "f16"]);
        assert!(line.contains("--units matrix is not for llvmpipe") && line.contains("it has --units simt"), "{line}");
        wattmul().arg("devices").assert().success().stdout(contains("matrix n/a (--units simt alone)"));
    }
    let kernel = "matrix8w8/64x64x32/32x32";
    let pinned = wattmul().args(["--dtype", "f16", "--no-save", "--kernel", kernel]).assert().code(2);
    pinned.stderr(contains(format!("--kernel {kernel} is for --units matrix")));
}

#[test]
fn kernels_for_matrix_units_are_shown_in_the_type_that_they_have() {
    for kernel in MATRIX_KERNELS {
        let name = kernel.to_string();
        let print = wattmul().args(["kernel", "--print", &name, "--dtype", "f16"]).assert().success();
        assert_eq!(String::from_utf8_lossy(&print.get_output().stdout), kernel.wgsl(Dtype::F16));
    }
    let name = MATRIX_KERNELS[0].to_string();
    let refused = wattmul().args(["kernel", "--print", &name]).assert().code(2);
    refused.stderr(contains(format!("{name} is a kernel of f16: say --dtype f16 too")));
    let list = wattmul().args(["kernel", "--list", "--dtype", "f16"]).assert().success();
    list.stdout(contains(&name).and(contains("32x32x16/4x4")));
    wattmul().args(["kernel", "--list"]).assert().success().stdout(contains(&name).not());
}
