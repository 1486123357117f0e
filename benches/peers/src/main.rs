//! Our fastest kernel against CubeCL's autotuned matmul (through burn), on the same adapter in one run.
//!
//!     cd benches/peers && cargo run --release             # n = 512 and 1024
//!     cd benches/peers && cargo run --release -- 2048     # other sizes
//!
//! Both multiply the same Gaussian matrices, and both products are verified. They take turns, so that whatever else the
//! machine does meets both; what is printed is the ratio of the medians. CubeCL keeps what its autotuning found in
//! target/autotune: delete that folder when it was found on a busy machine.

use anyhow::{Result, ensure};
use burn::backend::Wgpu;
use burn::backend::wgpu::{RuntimeOptions, WgpuDevice, graphics, init_setup};
use burn::tensor::backend::Backend as _;
use burn::tensor::{Tensor, TensorData};
use std::rc::Rc;
use std::time::Instant;
use wattmul::gpu::adapter;
use wattmul::gpu::adapter::{Adapter, Backend};
use wattmul::gpu::buffers::Buffers;
use wattmul::gpu::matmul::Compiled;
use wattmul::gpu::tune;
use wattmul::gpu::verify::Expectation;
use wattmul::operands::Dtype;
use wattmul::operands::{Init, Matrix, Operand};
use wattmul::record::Units;

/// Turns of each.
const TURNS: usize = 15;
/// A turn works for about this long.
const TURN_S: f64 = 0.2;
const SEED: u64 = 0;

fn main() -> Result<()> {
    // SAFETY: the first statement of main: there is no other thread.
    unsafe { adapter::without_device_select() };
    let sizes = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<Vec<usize>, _>>()?;
    let sizes = if sizes.is_empty() { vec![512, 1024] } else { sizes };

    let adapters = adapter::list(Backend::Vulkan)?;
    let device = WgpuDevice::DefaultDevice;
    let theirs = init_setup::<graphics::Vulkan>(&device, RuntimeOptions::default()).adapter.get_info().name;
    let mut ours = adapters.iter();
    let adapter = ours.find(|adapter| adapter.info.name == theirs);
    ensure!(adapter.is_some(), "CubeCL chose {theirs}, which is not among our adapters");
    println!("{theirs}, {TURNS} turns each, of {TURN_S} s");
    for size in sizes {
        race(adapter.expect("checked above"), &device, size)?;
    }
    Ok(())
}

fn race(adapter: &Adapter, device: &WgpuDevice, size: usize) -> Result<()> {
    let buffers = Rc::new(Buffers::new(adapter.open(Units::Simt)?, Dtype::F32, size, &[Init::Gaussian], SEED)?);
    let kernel = tune::fastest(buffers.clone(), SEED, None, |_| {})?.matmul.kernel(); // verified
    let compiled = Compiled::new(&buffers.gpu, kernel, Dtype::F32)?.map_err(anyhow::Error::msg)?;
    let band = compiled.band(&buffers, 0..buffers.shape.mn);
    let mut ours = |count| Ok(buffers.gpu.finish(compiled.submit(&buffers, &band, 0, count, None))?);

    let [a, b] = [Operand::A, Operand::B].map(|operand| {
        let mut elements = vec![0.0; size * size];
        Matrix { init: Init::Gaussian, operand, seed: SEED, size }.rows(0, size, &mut elements);
        Tensor::<Wgpu, 2>::from_data(TensorData::new(elements, [size, size]), device)
    });
    let c = a.clone().matmul(b.clone()).into_data().to_vec::<f32>().map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let bytes: Vec<u8> = c.iter().flat_map(|element| element.to_ne_bytes()).collect();
    Expectation::new(Dtype::F32, Units::Simt, Init::Gaussian, SEED, size).check(0, &bytes, size)?;
    let mut theirs = |count| {
        for _ in 0..count {
            let _ = a.clone().matmul(b.clone());
        }
        Wgpu::<f32, i32>::sync(device).map_err(|error| anyhow::anyhow!("{error:?}"))
    };

    let (our_count, their_count) = (products_a_turn(&mut ours)?, products_a_turn(&mut theirs)?);
    let (mut our_times, mut their_times) = (vec![], vec![]);
    for _ in 0..TURNS {
        our_times.push(seconds(&mut ours, our_count)?);
        their_times.push(seconds(&mut theirs, their_count)?);
    }
    let speed = |times| 2.0 * (size as f64).powi(3) / median(times) / 1e9;
    let (our_speed, their_speed) = (speed(our_times), speed(their_times));
    println!(
        "n = {size}: wattmul {our_speed:.1} GFLOP/s ({kernel}), CubeCL {their_speed:.1} GFLOP/s, ratio of medians {:.2}",
        our_speed / their_speed
    );
    Ok(())
}

/// Seconds a product, over so many.
fn seconds(products: &mut impl FnMut(usize) -> Result<()>, count: usize) -> Result<f64> {
    let begun = Instant::now();
    products(count)?;
    Ok(begun.elapsed().as_secs_f64() / count as f64)
}

/// As many as fill a turn, after a few that let caches and autotuning settle.
fn products_a_turn(products: &mut impl FnMut(usize) -> Result<()>) -> Result<usize> {
    products(3)?;
    Ok((TURN_S / seconds(products, 3)?).ceil() as usize)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
