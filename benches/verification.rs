//! The CPU's part of verifying a product of n = 10000: what the right C must satisfy, and a pass over C.
//!
//!     cargo bench --bench verification

mod common;

use divan::Bencher;
use wattmul::gpu::verify::Expectation;
use wattmul::operands::matrix::CHUNK_BYTES;
use wattmul::operands::{Dtype, Init};
use wattmul::record::Units;

const SIZE: usize = 10_000;

fn main() {
    divan::main();
    common::print_peak_memory();
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn expectation() -> Expectation {
    Expectation::new(Dtype::F32, Units::Simt, Init::Gaussian, 0, SIZE)
}

/// All rows of C, a chunk at a time as they come from the GPU. Of zeros, whose product is known without a GPU.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn check(bencher: Bencher) {
    let expectation = Expectation::new(Dtype::F32, Units::Simt, Init::Zeros, 0, SIZE);
    let rows_at_once = CHUNK_BYTES / 4 / SIZE;
    let chunk = vec![0; rows_at_once * SIZE * 4];
    bencher.bench_local(|| {
        for first in (0..SIZE).step_by(rows_at_once) {
            expectation.check(first, &chunk, SIZE).unwrap();
        }
    });
}
