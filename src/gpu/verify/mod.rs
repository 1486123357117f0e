//! Is C really A·B? Freivalds' check in O(n²): with random vectors x, C·x must equal A·(B·x).
//!
//! Floating-point products are compared up to what rounding explains, integers exactly.

mod exact;
mod rounded;

use crate::dtype::{Dtype, Element};
use crate::inputs::{Init, Matrix, Operand};
use exact::Exact;
use half::f16;
use rayon::prelude::*;
use rounded::Rounded;
use thiserror::Error;

/// C is not A·B.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WrongProduct {
    #[error("row {row} of C·x is {found:.6e} instead of {expected:.6e} ± {bound:.1e}")]
    Row { row: usize, expected: f64, found: f64, bound: f64 },
    #[error("C[{row}, {column}] is {found:.6e} instead of {expected:.6e} ± {bound:.1e}")]
    Element { row: usize, column: usize, expected: f64, found: f64, bound: f64 },
    #[error("row {row} of C is not that of A·B, which integers must be exactly")]
    Inexact { row: usize },
}

/// What is known of the right product: enough to check any rows of C, in any order.
pub enum Expectation {
    F32(Rounded<f32>),
    F64(Rounded<f64>),
    I32(Exact),
}

impl Expectation {
    /// Works out, in O(n²), what the product of this init's operands must be. Holds about 80 bytes a row.
    pub fn new(dtype: Dtype, init: Init, seed: u64, size: usize) -> Self {
        let [a, b] = [Operand::A, Operand::B].map(|operand| Matrix { init, operand, seed, size });
        match dtype {
            Dtype::F32 => Expectation::F32(Rounded::new::<f32>(&a, &b)),
            Dtype::F16 => Expectation::F32(Rounded::new::<f16>(&a, &b)),
            Dtype::F64 => Expectation::F64(Rounded::new::<f64>(&a, &b)),
            Dtype::I8 => Expectation::I32(Exact::new(&a, &b)),
        }
    }

    /// Checks rows `first`, `first + 1`, … of C, as bytes, each `stride` elements apart. Rows past the matrix's end are ignored.
    ///
    /// # Errors
    /// The first row or element that is not that of A·B; what C was poisoned with is none.
    pub fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct> {
        match self {
            Expectation::F32(rounded) => rounded.check(first, rows, stride),
            Expectation::F64(rounded) => rounded.check(first, rows, stride),
            Expectation::I32(exact) => exact.check(first, rows, stride),
        }
    }
}

/// Each row of a matrix, made when it is needed, on all cores; `each` sees the row's index and elements.
fn map_rows<T: Element, R: Send>(matrix: &Matrix, each: impl Fn(usize, &[T]) -> R + Sync) -> Vec<R> {
    let scale = T::scale(matrix);
    (0..matrix.size)
        .into_par_iter()
        .map_init(
            || vec![T::zeroed(); matrix.size],
            |row, i| {
                T::row(matrix, scale, i, row);
                each(i, row)
            },
        )
        .collect()
}

/// The elements of a row of C from its bytes.
fn elements<T: bytemuck::AnyBitPattern>(row: &[u8]) -> impl Iterator<Item = T> {
    row.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole operand.
    pub fn whole<T: Element>(init: Init, operand: Operand, size: usize) -> Vec<T> {
        let mut elements = vec![T::zeroed(); size * size];
        let matrix = Matrix { init, operand, seed: 0, size };
        crate::dtype::rows(&matrix, T::scale(&matrix), 0, size, &mut elements);
        elements
    }

    /// C = A·B as a GPU sums it: along k, each product through `multiply_add`. As bytes.
    pub fn product<T: Element, S: bytemuck::Pod>(
        init: Init,
        size: usize,
        multiply_add: impl Fn(T, T, S) -> S,
    ) -> Vec<u8> {
        let (a, b) = (whole::<T>(init, Operand::A, size), whole::<T>(init, Operand::B, size));
        let mut c = vec![S::zeroed(); size * size];
        for i in 0..size {
            for k in 0..size {
                for j in 0..size {
                    c[i * size + j] = multiply_add(a[i * size + k], b[k * size + j], c[i * size + j]);
                }
            }
        }
        bytemuck::cast_slice(&c).to_vec()
    }
}
