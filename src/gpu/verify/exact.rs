//! Integers: in whole numbers modulo 2⁶⁴, so that nothing is rounded.
//!
//! An element of C that is wrong by d ≠ 0 goes unseen by one random x when d·x is 0 modulo 2⁶⁴. As |d| is under 2³², that
//! asks for the low 32 bits of x to be zero at least: a chance under 2⁻³², and under 2⁻⁶⁴ for both probes. So no
//! bound, and no samples of whole elements, are needed.

use super::rows::{WrongProduct, elements, map_rows};
use crate::operands::dtype::Sum;
use crate::operands::{Element, Matrix};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use std::marker::PhantomData;

/// Random vectors at once.
const PROBES: usize = 2;

type Probes = [u64; PROBES];

/// What whole-numbered operands must give in a C of type `S`.
pub(crate) struct Exact<S> {
    /// x: n rows.
    x: Vec<Probes>,
    /// A·(B·x): n rows.
    rows: Vec<Probes>,
    sums: PhantomData<S>,
}

impl<S: Sum> Exact<S> {
    /// Of operands whose elements are of type `T`.
    pub fn new<T: Element>(a: &Matrix, b: &Matrix) -> Self {
        let mut random = ChaCha8Rng::from_seed(*b"wattmul: vectors that check C=AB");
        let x: Vec<Probes> = (0..a.size).map(|_| [(); PROBES].map(|()| random.next_u64())).collect();
        let y = map_rows(b, |_, row: &[T]| times(row.iter().map(|element| element.value()), &x));
        let rows = map_rows(a, |_, row: &[T]| times(row.iter().map(|element| element.value()), &y));
        Exact { x, rows, sums: PhantomData }
    }

    /// As [`super::Expectation::check`].
    pub fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct> {
        let size = self.x.len();
        let rows = rows.par_chunks_exact(stride * size_of::<S>()).enumerate().take(size.saturating_sub(first));
        rows.try_for_each(|(i, c)| match first + i {
            row if times(elements::<S>(c).map(Into::into), &self.x) == self.rows[row] => Ok(()),
            row => Err(WrongProduct::Inexact { row }),
        })
    }
}

/// A row times vectors, modulo 2⁶⁴.
fn times(row: impl IntoIterator<Item = f64>, vectors: &[Probes]) -> Probes {
    let mut sums = [0u64; PROBES];
    for (element, vector) in row.into_iter().zip(vectors) {
        let element = element as i64 as u64; // modulo 2⁶⁴; every i8 and i32 is exact in f64
        for p in 0..PROBES {
            sums[p] = sums[p].wrapping_add(element.wrapping_mul(vector[p]));
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::Expectation;
    use super::super::tests::product;
    use super::*;
    use crate::operands::{Dtype, Init};
    use crate::record::Units;

    fn right(init: Init, size: usize) -> Vec<u8> {
        product(init, size, |a: i8, b: i8, c: i32| c + i32::from(a) * i32::from(b))
    }

    #[test]
    fn a_right_product_passes_for_every_size_and_init() {
        for size in [1, 2, 3, 7, 64, 301] {
            for init in Init::ALL {
                let expectation = Expectation::new(Dtype::I8, Units::Simt, init, 0, size);
                assert_eq!(expectation.check(0, &right(init, size), size), Ok(()), "{init} {size}");
            }
        }
    }

    #[test]
    fn one_element_that_is_off_by_one_or_by_a_power_of_two_or_was_never_written_is_found() {
        let size = 100;
        let expectation = Expectation::new(Dtype::I8, Units::Simt, Init::Gaussian, 0, size);
        let right = right(Init::Gaussian, size);
        for at in [0, 55 * size + 17, size * size - 1] {
            let bytes = at * 4..at * 4 + 4;
            let element: i32 = bytemuck::pod_read_unaligned(&right[bytes.clone()]);
            for wrong in [element + 1, element - 1, element ^ i32::MIN, element ^ (1 << 30), i32::MIN] {
                let mut c = right.clone();
                c[bytes.clone()].copy_from_slice(&wrong.to_ne_bytes());
                let found = expectation.check(0, &c, size);
                assert_eq!(found, Err(WrongProduct::Inexact { row: at / size }), "{element} became {wrong}");
            }
        }
        assert_eq!(expectation.check(40, &right[40 * size * 4..], size), Ok(()), "any piece");
        assert!(expectation.check(39, &right[40 * size * 4..], size).is_err());
    }
}
