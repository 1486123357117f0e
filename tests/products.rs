//! Every kernel's product, on a real driver, against f64.
#![cfg(target_os = "linux")]

mod common;

use std::rc::Rc;
use wattmul::gpu::GpuError;
use wattmul::gpu::adapter::{self, AdapterType, Backend, Gpu};
use wattmul::gpu::buffers::Buffers;
use wattmul::gpu::kernel::KERNELS;
use wattmul::gpu::matmul::{Compiled, Matmul};
use wattmul::gpu::tune::{self, Candidates};
use wattmul::gpu::verify::Expectation;
use wattmul::inputs::{Init, Matrix, Operand};
use wattmul::protocol::Workload;

/// The software adapter, as a machine with GPUs has it last.
fn gpu() -> Option<Gpu> {
    let adapters = adapter::list(Backend::Vulkan).unwrap_or_default();
    let software = adapters.into_iter().find(|adapter| adapter.info.kind == AdapterType::Software);
    let gpu = software.map(|adapter| adapter.open().unwrap());
    if common::skipped(gpu.is_none(), "Mesa's software Vulkan driver is not installed (sh setup.sh)") {
        None
    } else {
        gpu
    }
}

fn buffers(gpu: &Gpu, size: usize) -> Rc<Buffers> {
    Rc::new(Buffers::new(gpu.clone(), size, &Init::ALL, 0).unwrap())
}

fn expectations(size: usize) -> Vec<Expectation> {
    Init::ALL.iter().map(|&init| Expectation::new(init, 0, size)).collect()
}

#[test]
fn every_kernel_computes_the_product_of_every_size() {
    let Some(gpu) = gpu() else { return };
    let compiled: Vec<_> = KERNELS.iter().map(|&kernel| Compiled::new(&gpu, kernel).unwrap().unwrap()).collect();
    for size in [1, 2, 63, 64, 65, 100, 1000, 1024] {
        let (buffers, expectations) = (buffers(&gpu, size), expectations(size));
        for compiled in &compiled {
            let kernel = compiled.kernel;
            let mut matmul = Matmul::new(buffers.clone(), compiled.clone(), 0.01);
            assert_eq!(matmul.verify(&expectations), Ok(Ok(())), "{kernel}, n = {size}");
        }
    }
}

/// The verifier itself, against every element in plain f64.
#[test]
fn every_element_of_a_small_product_is_right() {
    let Some(gpu) = gpu() else { return };
    for size in [1, 2, 63, 64, 65, 100] {
        let buffers = buffers(&gpu, size);
        let compiled = Compiled::new(&gpu, KERNELS[0]).unwrap().unwrap();
        let band = compiled.band(&buffers, 0..buffers.shape.mn);
        let gaussian = 1;
        buffers.gpu.finish(compiled.submit(&buffers, &band, gaussian, 1, None)).unwrap();

        let whole = |operand| {
            let mut elements = vec![0.0; size * size];
            Matrix { init: Init::Gaussian, operand, seed: 0, size }.rows(0, size, &mut elements);
            elements
        };
        let (a, b) = (whole(Operand::A), whole(Operand::B));
        buffers
            .read_rows(0, size, |first, rows| {
                for (i, row) in rows.chunks(buffers.shape.mn).enumerate() {
                    let i = first + i;
                    for j in 0..size {
                        let terms = || (0..size).map(|k| f64::from(a[i * size + k]) * f64::from(b[k * size + j]));
                        let (exact, most) = (terms().sum::<f64>(), terms().map(f64::abs).sum::<f64>());
                        let worst = most * size as f64 / f64::from(1 << 24); // γₙ of f32, to first order
                        assert!((f64::from(row[j]) - exact).abs() <= worst, "C[{i}, {j}] of n = {size}");
                    }
                }
                Ok::<_, GpuError>(())
            })
            .unwrap();
    }
}

#[test]
fn a_long_product_is_cut_into_bands_and_nothing_that_was_not_computed_passes() {
    let Some(gpu) = gpu() else { return };
    let size = 300; // three tiles of rows
    let (buffers, expectations) = (buffers(&gpu, size), expectations(size));
    let compiled = Compiled::new(&gpu, KERNELS[0]).unwrap().unwrap();
    let mut matmul = Matmul::new(buffers, compiled, 10.0);
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
    let others = buffers(&gpu, 64);
    let Err(error) = tune::fastest(others.clone(), 1, &Candidates::Pinned(KERNELS[0]), |_| {}) else {
        panic!("a wrong product was taken");
    };
    let text = error.to_string();
    assert!(matches!(error, GpuError::NoRightKernel(_)) && text.contains(&KERNELS[0].to_string()), "{text}");
    assert!(text.contains("row ") && text.contains("update the driver"), "{text}");

    let tuned = tune::fastest(others, 0, &Candidates::Pinned(KERNELS[0]), |_| {}).unwrap();
    assert_eq!((tuned.matmul.kernel(), tuned.trials.len(), tuned.remembered), (KERNELS[0], 1, false));
}
