//! Every kernel's product, on a real driver, against f64.
#![cfg(target_os = "linux")]

use crate::common;

use half::f16;
use std::rc::Rc;
use std::time::Duration;
use wattmul::gpu::adapter::{Backend, Gpu};
use wattmul::gpu::buffers::{Buffers, Uploaded};
use wattmul::gpu::kernel::KERNELS;
use wattmul::gpu::matmul::{Compiled, Matmul};
use wattmul::gpu::verify::Expectation;
use wattmul::gpu::{adapter, tune};
use wattmul::operands::{Dtype, Element, Init, Matrix, Operand, dtype};
use wattmul::protocol::{GpuError, Workload};
use wattmul::record::{AdapterType, Trial, Units};

/// The software adapter, as a machine with GPUs has it last.
fn gpu() -> Option<Gpu> {
    let adapters = adapter::list(Backend::Vulkan).unwrap_or_default();
    let software = adapters.into_iter().find(|adapter| adapter.info.kind == AdapterType::Software);
    let gpu = software.map(|adapter| adapter.open(Units::Simt).unwrap());
    if common::skipped(gpu.is_none(), "Mesa's software Vulkan driver is not installed (sh setup.sh)") {
        None
    } else {
        gpu
    }
}

/// What a run compares if nobody says otherwise.
const PAIR: [Init; 2] = [Init::Zeros, Init::Gaussian];

fn buffers(gpu: &Gpu, dtype: Dtype, size: usize) -> Rc<Buffers> {
    Rc::new(Buffers::new(gpu.clone(), dtype, size, &PAIR, 0).unwrap())
}

fn expectations(dtype: Dtype, inits: &[Init], size: usize) -> Vec<Expectation> {
    inits.iter().map(|&init| Expectation::new(dtype, Units::Simt, init, 0, size)).collect()
}

fn every_kernel_computes_every_size(dtype: Dtype) {
    let Some(gpu) = gpu() else { return };
    let compiled: Vec<_> = KERNELS.iter().map(|&kernel| Compiled::new(&gpu, kernel, dtype).unwrap().unwrap()).collect();
    for size in [1, 2, 63, 64, 65, 100, 1000, 1024] {
        let (buffers, expectations) = (buffers(&gpu, dtype, size), expectations(dtype, &PAIR, size));
        for compiled in &compiled {
            let kernel = compiled.kernel;
            let mut matmul = Matmul::new(buffers.clone(), compiled.clone(), 0.01);
            assert_eq!(matmul.verify(&expectations), Ok(Ok(())), "{dtype} {kernel}, n = {size}");
        }
    }
}

#[test]
fn every_kernel_computes_the_product_of_every_size() {
    every_kernel_computes_every_size(Dtype::F32);
}

#[test]
fn every_kernel_computes_the_product_of_every_size_in_f16() {
    every_kernel_computes_every_size(Dtype::F16);
}

#[test]
fn every_kernel_computes_the_product_of_every_size_in_f64() {
    every_kernel_computes_every_size(Dtype::F64);
}

#[test]
fn every_kernel_computes_the_product_of_every_size_in_i8() {
    every_kernel_computes_every_size(Dtype::I8);
}

/// One kernel of each algorithm: what is in the matrices does not change how they are walked.
#[test]
fn every_init_gives_a_right_product_in_every_type() {
    let Some(gpu) = gpu() else { return };
    for dtype in Dtype::ALL {
        for size in [1, 65, 256] {
            let buffers = Rc::new(Buffers::new(gpu.clone(), dtype, size, &Init::ALL, 0).unwrap());
            let expectations = expectations(dtype, &Init::ALL, size);
            for kernel in [KERNELS[1], KERNELS[5]] {
                let compiled = Compiled::new(&gpu, kernel, dtype).unwrap().unwrap();
                let mut matmul = Matmul::new(buffers.clone(), compiled, 0.01);
                assert_eq!(matmul.verify(&expectations), Ok(Ok(())), "{dtype} {kernel}, n = {size}");
            }
        }
    }
}

/// The verifier itself, against every element in plain f64: `T` is the type of A and B, `S` that of C.
fn every_element_is_right<T: Element, S: bytemuck::Pod + Into<f64>>(dtype: Dtype, unit_roundoff: f64) {
    let Some(gpu) = gpu() else { return };
    for size in [1, 2, 63, 64, 65, 100] {
        let buffers = buffers(&gpu, dtype, size);
        let compiled = Compiled::new(&gpu, KERNELS[0], dtype).unwrap().unwrap();
        let band = compiled.band(&buffers, 0..buffers.shape.mn, 0..buffers.shape.mn);
        let gaussian = 1;
        buffers.gpu.finish(compiled.submit(&buffers, &band, gaussian, 1, None)).unwrap();

        let whole = |operand| {
            let matrix = Matrix { init: Init::Gaussian, operand, seed: 0, size };
            let mut elements = vec![T::zeroed(); size * size];
            dtype::rows(&matrix, T::scale(&matrix), 0, size, &mut elements);
            elements
        };
        let (a, b) = (whole(Operand::A), whole(Operand::B));
        buffers
            .read_rows(0, size, |first, rows| {
                for (i, row) in rows.chunks(buffers.shape.c_row_bytes()).enumerate() {
                    let (i, row) = (first + i, bytemuck::pod_collect_to_vec::<u8, S>(row));
                    for j in 0..size {
                        let terms = || (0..size).map(|k| a[i * size + k].value() * b[k * size + j].value());
                        let (exact, most) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                        let worst = most * size as f64 * unit_roundoff; // γₙ, to first order
                        assert!((row[j].into() - exact).abs() <= worst, "C[{i}, {j}] of n = {size}");
                    }
                }
                Ok::<_, GpuError>(())
            })
            .unwrap();
    }
}

#[test]
fn every_element_of_a_small_product_is_right_in_every_type() {
    every_element_is_right::<f32, f32>(Dtype::F32, f64::from(f32::EPSILON) / 2.0);
    every_element_is_right::<f16, f32>(Dtype::F16, f64::from(f32::EPSILON) / 2.0);
    every_element_is_right::<f64, f64>(Dtype::F64, f64::EPSILON); // half is the device's, half of the sum here
    every_element_is_right::<i8, i32>(Dtype::I8, 0.0);
}

/// Twice, from one seed: what was uploaded is told by its digest, and the digest by the elements alone.
#[test]
fn the_digest_and_the_scale_are_of_the_elements_in_their_type() {
    fn digest<T: Element>(operand: Operand) -> (String, Option<f64>) {
        let matrix = Matrix { init: Init::Gaussian, operand, seed: 0, size: 65 };
        let mut elements = vec![T::zeroed(); 65 * 65];
        dtype::rows(&matrix, T::scale(&matrix), 0, 65, &mut elements);
        (blake3::hash(bytemuck::cast_slice(&elements)).to_hex().to_string(), T::scale(&matrix))
    }
    let Some(gpu) = gpu() else { return };
    for (dtype, digest) in [
        (Dtype::F32, digest::<f32> as fn(_) -> _),
        (Dtype::F16, digest::<f16>),
        (Dtype::F64, digest::<f64>),
        (Dtype::I8, digest::<i8>),
    ] {
        let gaussian = &buffers(&gpu, dtype, 65).operands[1];
        let uploaded = |uploaded: &Uploaded| (uploaded.digest.clone(), uploaded.scale);
        assert_eq!(uploaded(&gaussian.uploaded_a), digest(Operand::A), "{dtype}");
        assert_eq!(uploaded(&gaussian.uploaded_b), digest(Operand::B), "{dtype}");
    }
}

#[test]
fn a_long_product_is_cut_into_bands_and_nothing_that_was_not_computed_passes() {
    for dtype in Dtype::ALL {
        cut_into_bands(dtype);
    }
}

/// As on a GPU so slow that the fewest rows of C take too long: their columns are cut too.
#[test]
fn the_fewest_rows_are_cut_into_columns_for_every_kernel() {
    let Some(gpu) = gpu() else { return };
    let size = 300; // three tiles each way
    for dtype in Dtype::ALL {
        let (buffers, expectations) = (buffers(&gpu, dtype, size), expectations(dtype, &PAIR, size));
        // Compiling them all in every type would take minutes: one that is walked along rows of tiles, and one down their columns.
        let kernels = if dtype == Dtype::F32 { KERNELS } else { &KERNELS[3..5] };
        for &kernel in kernels {
            let Ok(compiled) = Compiled::new(&gpu, kernel, dtype).unwrap() else { continue };
            let mut matmul = Matmul::new(buffers.clone(), compiled, 10.0);
            assert_eq!(matmul.verify(&expectations), Ok(Ok(())), "{kernel} {dtype}");
            let gaussian = 1;
            for parts in [1, 2, 5, 9, 11] {
                let mut products = 0.0;
                for _ in 0..parts {
                    matmul.submit(gaussian).unwrap();
                    products += matmul.wait().unwrap();
                }
                assert!((products - f64::from(parts) / 9.0).abs() < 1e-9, "{products} {parts}");
                assert_eq!(matmul.check_products(gaussian), Ok(true), "{kernel} {dtype}: the parts that were computed");
            }
            matmul.submit(gaussian).unwrap();
            matmul.wait().unwrap();
            let zeros = 0;
            assert_eq!(matmul.check_products(zeros), Ok(false), "{kernel} {dtype}");
        }
    }
}

#[test]
fn a_kernel_that_is_not_compiled_in_time_is_left_out_and_named() {
    let Some(gpu) = gpu() else { return };
    let buffers = buffers(&gpu, Dtype::F32, 64);
    let mut trials = vec![];
    let tried = |trial: &Trial| trials.push((trial.kernel.clone(), trial.note.clone()));
    let result = tune::fastest_within(Duration::ZERO, buffers.clone(), 0, None, tried);
    assert!(matches!(result, Err(GpuError::NoRightKernel(_))));
    let left_out =
        |(_, note): &(String, Option<String>)| note.as_ref().is_some_and(|note| note.starts_with("left out"));
    assert!(trials.len() >= 4 && trials.iter().all(left_out), "{trials:?}");
    assert_eq!(trials[0].0, KERNELS[0].to_string(), "the smallest comes first");
    // Those that are still compiling meanwhile do no harm.
    assert!(tune::fastest(buffers, 0, None, |_| {}).is_ok());
}

fn cut_into_bands(dtype: Dtype) {
    let Some(gpu) = gpu() else { return };
    let size = 300; // three tiles of rows
    let (buffers, expectations) = (buffers(&gpu, dtype, size), expectations(dtype, &PAIR, size));
    let compiled = Compiled::new(&gpu, KERNELS[0], dtype).unwrap().unwrap();
    let mut matmul = Matmul::new(buffers, compiled, 0.25);
    assert_eq!(matmul.verify(&expectations), Ok(Ok(())));

    let (zeros, gaussian) = (0, 1);
    assert_eq!(matmul.check_products(gaussian), Ok(false), "C was spoiled, and nothing has been computed since");
    let mut products = 0.0;
    for _ in 0..3 {
        matmul.submit(gaussian).unwrap();
        products += matmul.wait().unwrap();
    }
    assert!((products - 1.0).abs() < 1e-9, "three bands make one product: {products}");
    let spans = matmul.device_spans().unwrap();
    assert_eq!(spans.len(), 3);
    assert!(spans.iter().all(|span| span.is_some_and(|span| span.end_s > span.start_s)), "{spans:?}");
    assert_eq!(matmul.check_products(gaussian), Ok(true));

    matmul.submit(gaussian).unwrap();
    matmul.wait().unwrap();
    assert_eq!(matmul.check_products(gaussian), Ok(true), "only the band that was computed is looked at");
    matmul.submit(gaussian).unwrap();
    matmul.wait().unwrap();
    assert_eq!(matmul.check_products(zeros), Ok(false), "the products of another init");
}

#[test]
fn a_kernel_whose_product_is_wrong_is_named_and_not_used() {
    let Some(gpu) = gpu() else { return };
    // To a verifier that expects the products of another seed, every product is wrong.
    let others = buffers(&gpu, Dtype::F32, 64);
    let Err(error) = tune::fastest(others.clone(), 1, Some(KERNELS[0]), |_| {}) else {
        panic!("a wrong product was taken");
    };
    let text = error.to_string();
    assert!(matches!(error, GpuError::NoRightKernel(_)) && text.contains(&KERNELS[0].to_string()), "{text}");
    assert!(text.contains("row ") && text.contains("update the driver"), "{text}");

    let tuned = tune::fastest(others, 0, Some(KERNELS[0]), |_| {}).unwrap();
    assert_eq!((tuned.matmul.kernel(), tuned.trials.len()), (KERNELS[0], 1));

    let whole_numbers = buffers(&gpu, Dtype::I8, 64);
    let tuned = tune::fastest(whole_numbers, 1, Some(KERNELS[0]), |_| {});
    let text = tuned.map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("row 0 of C is not that of A·B, which integers must be exactly"), "{text}");
}
