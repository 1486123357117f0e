//! Rows of a product as they come from a device, and of the operands as they are made again.

use crate::operands::{Element, Matrix};
use rayon::prelude::*;
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

impl WrongProduct {
    /// Is what was found no number? Poison is none.
    pub fn is_poison(&self) -> bool {
        match self {
            WrongProduct::Row { found, .. } | WrongProduct::Element { found, .. } => found.is_nan(),
            WrongProduct::Inexact { .. } => false,
        }
    }
}

/// Each row of a matrix, made when it is needed, on all cores; `each` sees the row's index and elements.
pub(super) fn map_rows<T: Element, R: Send>(matrix: &Matrix, each: impl Fn(usize, &[T]) -> R + Sync) -> Vec<R> {
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
pub(super) fn elements<T: bytemuck::AnyBitPattern>(row: &[u8]) -> impl Iterator<Item = T> {
    row.chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned)
}
