//! The operands: matrices of an [`Init`], row by row.
//!
//! Every row of every matrix is a random stream of its own, so that rows can be made in any order, on any number of
//! threads, a few at a time, and again later for verification, always with the same bits: ChaCha8 is exact integer
//! arithmetic, and the normal sampler is pure Rust on `libm`, which does not depend on the machine's C library.

use super::init::{Own, Side};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

pub use crate::operands::Init;

/// Which of the two factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    A,
    B,
}

/// One operand of one product: an n × n matrix, row-major, that can make any of its rows at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    pub init: Init,
    pub operand: Operand,
    pub seed: u64,
    /// Rows and columns.
    pub size: usize,
}

impl Matrix {
    /// The random stream of row `row`: stream 2·row + (0 for A, 1 for B) of ChaCha8, keyed with the seed (8 bytes, little
    /// endian, then zeros).
    pub fn stream(&self, row: usize) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        let mut stream = ChaCha8Rng::from_seed(key);
        stream.set_stream(2 * row as u64 + u64::from(self.operand == Operand::B));
        stream
    }

    /// Fills `out` with the elements of row `row`. `out` may be longer than a row: what is left becomes zero padding.
    pub fn row(&self, row: usize, out: &mut [f32]) {
        let (elements, padding) = out.split_at_mut(self.size.min(out.len()));
        padding.fill(0.0);
        let init = match self.side() {
            Side::Loaded(loaded) => return loaded.tensor.row(loaded.transposed, row, elements),
            Side::Init(init) => init,
        };
        let (mut stream, mut mask) = (self.stream(init.stream_of(row)), self.stream(row));
        mask.set_stream(mask.get_stream() | MASK);
        init.fill(&mut stream, &mut mask, (row, self.size), elements);
    }

    fn side(&self) -> Side {
        match self.init {
            Init::Own(Own { numbers: Some(sides), .. }) => sides[usize::from(self.operand == Operand::B)],
            init => Side::Init(init),
        }
    }

    /// The init that makes this operand: another than the matrix's own where the other operand alone is from a file. None of a file's
    /// numbers.
    pub(crate) fn generated(&self) -> Option<Init> {
        match self.side() {
            Side::Init(init) => Some(init),
            Side::Loaded(_) => None,
        }
    }

    /// May its products all be rounded alike, because it has few different numbers?
    pub(crate) fn is_coarse(&self) -> bool {
        match self.side() {
            Side::Init(init) => matches!(init, Init::Constant(_)),
            Side::Loaded(loaded) => loaded.coarse,
        }
    }

    /// Makes `rows.len() / stride` rows from `first` on, each `stride` elements apart, on all cores. Rows past the
    /// matrix's end are padding: zeros.
    pub fn rows(&self, first: usize, stride: usize, rows: &mut [f32]) {
        rows.par_chunks_mut(stride).enumerate().for_each(|(i, out)| match first + i {
            row if row < self.size => self.row(row, out),
            _ => out.fill(0.0),
        });
    }

    /// BLAKE3 over the elements, row-major, little endian, without padding: what stands in a record, so that two
    /// records of equal digests multiplied the same numbers.
    pub fn digest(&self) -> String {
        Digest::of(self.size, |first, rows: &mut [f32]| self.rows(first, self.size, rows))
    }
}

/// Set in the number of a row's stream, it names a second stream of that row.
const MASK: u64 = 1 << 63;

/// How much of a matrix is in host memory at a time.
pub const CHUNK_BYTES: usize = 16 << 20;

/// A matrix's digest, row by row, padding left out.
pub struct Digest {
    hasher: blake3::Hasher,
    size: usize,
    rows_left: usize,
}

impl Digest {
    /// For an n × n matrix of n = `size`.
    pub fn new(size: usize) -> Self {
        Digest { hasher: blake3::Hasher::new(), size, rows_left: size }
    }

    /// Of the n × n matrix whose rows `make` makes: it is given the first of them, and room for some.
    pub fn of<T: bytemuck::Pod>(size: usize, make: impl Fn(usize, &mut [T])) -> String {
        let mut digest = Digest::new(size);
        let rows_at_once = (CHUNK_BYTES / size_of::<T>() / size).clamp(1, size);
        let mut chunk = vec![T::zeroed(); rows_at_once * size];
        for first in (0..size).step_by(rows_at_once) {
            let rows = &mut chunk[..rows_at_once.min(size - first) * size];
            make(first, rows);
            digest.update(rows, size);
        }
        digest.finish()
    }

    /// Takes the next rows, each `stride` elements apart; rows past the n-th are padding and do not count.
    pub fn update<T: bytemuck::NoUninit>(&mut self, rows: &[T], stride: usize) {
        for row in rows.chunks_exact(stride).take(self.rows_left) {
            self.rows_left -= 1;
            if cfg!(target_endian = "little") {
                self.hasher.update(bytemuck::cast_slice(&row[..self.size]));
            } else {
                for element in &row[..self.size] {
                    let bytes: Vec<u8> = bytemuck::bytes_of(element).iter().rev().copied().collect();
                    self.hasher.update(&bytes);
                }
            }
        }
    }

    /// The digest so far, 64 hexadecimal digits.
    pub fn finish(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}
