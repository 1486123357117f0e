//! Is C really A·B? Freivalds' check in O(n²): with random vectors x, C·x must equal A·(B·x).
//!
//! Floating-point products are compared up to what rounding explains, integers exactly.

mod exact;
mod rounded;
mod rows;

use crate::operands::dtype::{Sum, with_element};
use crate::operands::{Dtype, Element, Init, Matrix, Operand};
use crate::record::Units;
use exact::Exact;
use rounded::Rounded;
pub use rows::WrongProduct;

/// What is known of the right product: enough to check any rows of C, in any order.
pub struct Expectation(Box<dyn Check>);

/// How rows of C are held against A·B.
trait Check: Send + Sync {
    /// As [`Expectation::check`].
    fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct>;
}

impl Expectation {
    /// Works out, in O(n²), what the product of this init's operands must be when these units make it. Holds about 80 bytes a row.
    pub fn new(dtype: Dtype, units: Units, init: Init, seed: u64, size: usize) -> Self {
        let [a, b] = [Operand::A, Operand::B].map(|operand| Matrix { init, operand, seed, size });
        Expectation(with_element!(dtype, T => expected::<T>(&a, &b, units)))
    }

    /// Checks rows `first`, `first + 1`, … of C, as bytes, each `stride` elements apart. Rows past the matrix's end are ignored.
    ///
    /// # Errors
    /// The first row or element that is not that of A·B; what C was poisoned with is none.
    pub fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct> {
        self.0.check(first, rows, stride)
    }
}

fn expected<T: Element>(a: &Matrix, b: &Matrix, units: Units) -> Box<dyn Check> {
    match T::Sum::UNIT_ROUNDOFF {
        Some(unit_roundoff) => Box::new(Rounded::<T::Sum>::new::<T>(a, b, unit_roundoff, units)),
        None => Box::new(Exact::<T::Sum>::new::<T>(a, b)),
    }
}

impl<S: Sum> Check for Rounded<S> {
    fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct> {
        Rounded::check(self, first, rows, stride)
    }
}

impl<S: Sum> Check for Exact<S> {
    fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct> {
        Exact::check(self, first, rows, stride)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A whole operand.
    pub fn whole<T: Element>(init: Init, operand: Operand, size: usize) -> Vec<T> {
        let mut elements = vec![T::zeroed(); size * size];
        let matrix = Matrix { init, operand, seed: 0, size };
        crate::operands::dtype::rows(&matrix, T::scale(&matrix), 0, size, &mut elements);
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
