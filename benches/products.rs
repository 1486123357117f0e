//! Products of every kernel on the first adapter, Gaussian operands. The items are FLOP: Gitem/s are GFLOP/s.
//!
//!     cargo bench --bench products                       # all kernels
//!     cargo bench --bench products -- direct             # those whose names contain it

use divan::Bencher;
use divan::counter::ItemsCount;
use std::time::Duration;
use wattmul::gpu::adapter::{self, Backend};
use wattmul::gpu::buffers::Buffers;
use wattmul::gpu::kernel::{KERNELS, Kernel};
use wattmul::gpu::matmul::Compiled;
use wattmul::inputs::Init;

fn main() {
    // SAFETY: the first statement of main: there is no other thread.
    unsafe { adapter::without_device_select() };
    match adapter::list(Backend::Auto) {
        Ok(adapters) => println!("{}", adapters[0].info.name),
        Err(error) => return println!("products: skipped: {error}"),
    }
    divan::main();
}

fn names() -> impl Iterator<Item = String> {
    KERNELS.iter().map(Kernel::to_string)
}

#[divan::bench(args = names(), consts = [512, 1024], sample_count = 5, sample_size = 1)]
fn product<const SIZE: usize>(bencher: Bencher, name: &str) {
    let gpu = adapter::list(Backend::Auto).unwrap()[0].open().unwrap();
    let buffers = Buffers::new(gpu, SIZE, &[Init::Gaussian], 0).unwrap();
    let compiled = match Compiled::new(&buffers.gpu, Kernel::named(name).unwrap()).unwrap() {
        Ok(compiled) => compiled,
        Err(why) => return println!("skipped: {name} {why}"),
    };
    let band = compiled.band(&buffers, 0..buffers.shape.mn);
    // As many as make one submission long enough that its own cost does not count.
    let products = |count| buffers.gpu.finish(compiled.submit(&buffers, &band, 0, count, None)).unwrap();
    products(1); // some drivers compile only now
    let begun = std::time::Instant::now();
    products(1);
    let count = (Duration::from_millis(100).div_duration_f64(begun.elapsed()) as usize).clamp(1, 1000);
    bencher.counter(ItemsCount::new(count * 2 * SIZE.pow(3))).bench_local(|| products(count));
}
