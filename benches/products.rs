//! Products of every kernel on the first adapter, Gaussian operands. The items are FLOP: Gitem/s are GFLOP/s.
//!
//!     cargo bench --bench products                       # all kernels in all types
//!     cargo bench --bench products -- f32                # those whose names contain it

use divan::Bencher;
use divan::counter::ItemsCount;
use std::time::Duration;
use wattmul::gpu::adapter;
use wattmul::gpu::adapter::Backend;
use wattmul::gpu::buffers::Buffers;
use wattmul::gpu::kernel::{KERNELS, Kernel};
use wattmul::gpu::matmul::Compiled;
use wattmul::operands::{Dtype, Init};
use wattmul::record::Units;

fn main() {
    // SAFETY: the first statement of main: there is no other thread.
    unsafe { adapter::without_device_select() };
    match adapter::list(Backend::Auto) {
        Ok(adapters) => println!("{}", adapters[0].info.name),
        Err(error) => return println!("products: skipped: {error}"),
    }
    divan::main();
}

/// `i8 direct/8x8`, say.
fn names() -> impl Iterator<Item = String> {
    Dtype::ALL.into_iter().flat_map(|dtype| KERNELS.iter().map(move |kernel| format!("{dtype} {kernel}")))
}

#[divan::bench(args = names(), consts = [512, 1024], sample_count = 5, sample_size = 1)]
fn product<const SIZE: usize>(bencher: Bencher, name: &str) {
    let (dtype, kernel) = name.split_once(' ').unwrap();
    let dtype = Dtype::ALL.into_iter().find(|known| known.name() == dtype).unwrap();
    let adapter = &adapter::list(Backend::Auto).unwrap()[0];
    if !adapter.dtypes().contains(&dtype) {
        return println!("skipped: no {dtype} here");
    }
    let gpu = adapter.open(Units::Simt).unwrap();
    let buffers = Buffers::new(gpu, dtype, SIZE, &[Init::Gaussian], 0).unwrap();
    let compiled = match Compiled::new(&buffers.gpu, Kernel::named(kernel).unwrap(), dtype).unwrap() {
        Ok(compiled) => compiled,
        Err(why) => return println!("skipped: {name} {why}"),
    };
    let band = compiled.band(&buffers, 0..buffers.shape.mn, 0..buffers.shape.mn);
    // As many as make one submission long enough that its own cost does not count.
    let products = |count| buffers.gpu.finish(compiled.submit(&buffers, &band, 0, count, None)).unwrap();
    products(1); // some drivers compile only now
    let begun = std::time::Instant::now();
    products(1);
    let count = (Duration::from_millis(100).div_duration_f64(begun.elapsed()) as usize).clamp(1, 1000);
    bencher.counter(ItemsCount::new(count * 2 * SIZE.pow(3))).bench_local(|| products(count));
}
