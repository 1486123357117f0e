//! How many bits switch: what the operands of an init do to the wires of a multiplier, counted in the very numbers that are
//! multiplied, and how many watts go with it.

use super::dtype::{Dtype, Element, with_element};
use super::init::Init;
use super::matrix::{Matrix, Operand};
use crate::digits::round;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Add;

/// Of the operands of one init, in bits a word of their type.
///
/// A flip is a bit in which two words differ that follow each other at a multiplier. Every kernel adds up each element of C
/// along k, so that A\[i, k + 1\] follows A\[i, k\], and B\[k + 1, j\] follows B\[k, j\].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Mean number of ones.
    pub hamming_weight_a: f64,
    pub hamming_weight_b: f64,
    /// Mean number of bit flips.
    pub bit_flips_a: f64,
    pub bit_flips_b: f64,
    /// The same of the products A\[i, k\] · B\[k, j\], each in the type in which they are summed, in a sample of C's elements.
    pub bit_flips_products: f64,
}

/// Rows, and columns, whose crossings are the sample of C's elements.
const SAMPLES: usize = 16;
/// Rows of B that one task goes through: it makes one more than that.
const ROWS: usize = 64;

/// Ones and bit flips, counted.
#[derive(Clone, Copy, Default)]
struct Count {
    ones: u64,
    bit_flips: u64,
}

impl Add for Count {
    type Output = Count;

    fn add(self, other: Count) -> Count {
        Count { ones: self.ones + other.ones, bit_flips: self.bit_flips + other.bit_flips }
    }
}

fn ones<T: Element>(words: &[T]) -> u64 {
    words.iter().map(|word| u64::from(word.bits().count_ones())).sum()
}

/// Bits in which the words differ from those that follow them.
fn bit_flips<T: Element>(words: &[T], next: &[T]) -> u64 {
    words.iter().zip(next).map(|(a, b)| u64::from((a.bits() ^ b.bits()).count_ones())).sum()
}

impl Activity {
    /// Makes A and B once more, row by row, on all cores. None for n = 1, where nothing follows anything.
    pub fn of(dtype: Dtype, init: Init, seed: u64, size: usize) -> Option<Self> {
        (size > 1).then(|| with_element!(dtype, T => Activity::of_type::<T>(init, seed, size)))
    }

    fn of_type<T: Element>(init: Init, seed: u64, size: usize) -> Self {
        let matrix = |operand| Matrix { init, operand, seed, size };
        let (a, b) = (matrix(Operand::A), matrix(Operand::B));
        let (scale_a, scale_b) = (T::scale(&a), T::scale(&b));
        let room = || vec![T::zeroed(); size];
        // Spread over the whole matrix, first and last included.
        let samples = SAMPLES.min(size);
        let sampled: Vec<usize> = (0..samples).map(|s| s * (size - 1) / (samples - 1).max(1)).collect();

        let of_a = |row: &mut Vec<T>, i| {
            T::row(&a, scale_a, i, row);
            Count { ones: ones(row), bit_flips: bit_flips(row, &row[1..]) }
        };
        let in_a = (0..size).into_par_iter().map_init(room, of_a).reduce(Count::default, Count::add);

        // Of each row of B, with its count, the elements in the sampled columns.
        let of_b = |(row, next): &mut (Vec<T>, Vec<T>), first: usize| {
            let last = (first + ROWS).min(size);
            let (mut count, mut columns) = (Count::default(), Vec::with_capacity((last - first) * samples));
            T::row(&b, scale_b, first, row);
            for k in first..last {
                count.ones += ones(row);
                columns.extend(sampled.iter().map(|&j| row[j]));
                if k + 1 < size {
                    T::row(&b, scale_b, k + 1, next);
                    count.bit_flips += bit_flips(row, next);
                    std::mem::swap(row, next);
                }
            }
            (count, columns)
        };
        let firsts: Vec<usize> = (0..size).step_by(ROWS).collect();
        let parts: Vec<(Count, Vec<T>)> = firsts.into_par_iter().map_init(|| (room(), room()), of_b).collect();
        let in_b = parts.iter().fold(Count::default(), |sum, part| sum + part.0);
        let columns: Vec<T> = parts.into_iter().flat_map(|part| part.1).collect();

        let of_products = |row: &mut Vec<T>, &i: &usize| {
            T::row(&a, scale_a, i, row);
            let bits = |s: usize| {
                let column = columns[s..].iter().step_by(samples);
                row.iter().zip(column).map(|(a, b)| a.product_bits(*b)).collect::<Vec<u64>>()
            };
            let bit_flips =
                |bits: Vec<u64>| bits.windows(2).map(|pair| u64::from((pair[0] ^ pair[1]).count_ones())).sum::<u64>();
            (0..samples).map(|s| bit_flips(bits(s))).sum::<u64>()
        };
        let in_products: u64 = sampled.par_iter().map_init(room, of_products).sum();

        let (words, steps) = ((size * size) as f64, (size * (size - 1)) as f64);
        let mean = |count: u64, of: f64| round(count as f64 / of, 4);
        Activity {
            hamming_weight_a: mean(in_a.ones, words),
            hamming_weight_b: mean(in_b.ones, words),
            bit_flips_a: mean(in_a.bit_flips, steps),
            bit_flips_b: mean(in_b.bit_flips, steps),
            bit_flips_products: mean(in_products, (samples * samples * (size - 1)) as f64),
        }
    }

    /// Bit flips a multiplication, on the wires that `bits` names.
    pub fn bit_flips(&self, bits: Bits) -> f64 {
        match bits {
            Bits::Operands => self.bit_flips_a + self.bit_flips_b,
            Bits::Products => self.bit_flips_products,
        }
    }
}

/// Whose bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bits {
    /// Of A's and B's elements together.
    Operands,
    Products,
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Bits::Operands => "operands",
            Bits::Products => "products",
        })
    }
}
