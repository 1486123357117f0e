//! The operands of a run of n = 10000 on the CPU: how fast they are made, and how much memory that takes.
//!
//!     cargo bench --bench inputs

mod common;

use divan::Bencher;
use divan::counter::ItemsCount;
use wattmul::operands::matrix::CHUNK_BYTES;
use wattmul::operands::{Activity, Dtype, Init, Matrix, Operand, Order};

const SIZE: usize = 10_000;
const MATRIX: Matrix = Matrix { init: Init::Gaussian, operand: Operand::A, seed: 0, size: SIZE };

fn main() {
    divan::main();
    common::print_peak_memory();
}

/// A row on one core: the fastest tells most on a machine that is busy with other things. The items are normals.
#[divan::bench]
fn normals_on_one_core(bencher: Bencher) {
    let mut row = vec![0.0; SIZE];
    bencher.counter(ItemsCount::new(SIZE)).bench_local(|| MATRIX.row(1, &mut row));
}

/// A chunk as an upload makes it, on all cores.
#[divan::bench]
fn normals_on_all_cores(bencher: Bencher) {
    let rows = CHUNK_BYTES / 4 / SIZE;
    let mut chunk = vec![0.0; rows * SIZE];
    bencher.counter(ItemsCount::new(chunk.len())).bench_local(|| MATRIX.rows(0, SIZE, &mut chunk));
}

/// All that an upload does but the upload: a whole matrix, chunk by chunk, and its digest.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn matrix_and_digest(bencher: Bencher) {
    bencher.counter(ItemsCount::new(SIZE * SIZE)).bench_local(|| MATRIX.digest());
}

/// What multipliers and adders see of them: all that is counted for one init of an atlas.
#[divan::bench(args = [Dtype::F32, Dtype::I8], sample_count = 3, sample_size = 1)]
fn counts(dtype: Dtype) -> Activity {
    Activity::of(dtype, Init::Gaussian, 0, SIZE, Order::default())
}
