//! Is C really A·B? Freivalds' check in O(n²), with a bound from the theory of rounding errors.
//!
//! With random vectors x, C·x must equal A·(B·x) up to what f32 rounding explains. An f32 sum of fused products errs by
//! Σₖ δₖ·sₖ, where sₖ is the sum after k terms and |δₖ| ≤ u = 2⁻²⁴; the δ behave like independent random numbers
//! (Higham & Mary, "A new approach to probabilistic rounding error analysis", 2019), so that the error has the size of
//! u·√(Σₖ sₖ²), far below the worst case of u·Σₖ |sₖ|. For row i of C·x the sum over all columns of that is
//! estimated, without any n³ work, by the partial sums of (A·y)ᵢ with y = B·x: E[(Σ_{l≤k} aᵢₗ·yₗ)²] over Gaussian x is just
//! Σⱼ (partial sum k of cᵢⱼ)². The bound is therefore as sharp for zeros (exactly 0) as for any other data, and one
//! wrong element in a row of 10,000 stands out by two orders of magnitude.

use crate::inputs::{Init, Matrix, Operand};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use thiserror::Error;

/// Random vectors at once. One finds a wrong row almost surely; four make the estimate of the bound steady.
const PROBES: usize = 4;
/// How many times the expected rounding error is allowed. Measured errors reach 2 (a sequential f32 product); other orders
/// of summation, or no fused multiply-add, stay under 3. TF32 or bf16 arithmetic, or one wrong element, is far above.
const SAFETY: f64 = 16.0;
/// The same for products that are all alike, times √n. They are all rounded alike: their errors add up instead of averaging
/// out, to √n times as much at most (Cauchy-Schwarz), twice that if each is rounded twice, and up to twice that again in a
/// probe that lies above the mean of all.
const SAFETY_ALIKE: f64 = 4.0;
/// Rows, and columns, whose crossings are computed whole.
const SAMPLES: usize = 8;
/// The unit roundoff of f32.
const U: f64 = 1.0 / (1 << 24) as f64;

type Probes = [f64; PROBES];

fn safety(init: Init, size: usize) -> f64 {
    match init {
        Init::Constant(_) => SAFETY.max(SAFETY_ALIKE * (size as f64).sqrt()),
        _ => SAFETY,
    }
}

/// C is not A·B.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum WrongProduct {
    #[error("row {row} of C·x is {found:.6e} instead of {expected:.6e} ± {bound:.1e}")]
    Row { row: usize, expected: f64, found: f64, bound: f64 },
    #[error("C[{row}, {column}] is {found:.6e} instead of {expected:.6e} ± {bound:.1e}")]
    Element { row: usize, column: usize, expected: f64, found: f64, bound: f64 },
}

/// What is known of the right product: enough to check any rows of C, in any order.
pub struct Expectation {
    /// x: n rows.
    x: Vec<Probes>,
    /// A·(B·x): n rows, and the error that rounding explains.
    rows: Vec<(Probes, f64)>,
    elements: Vec<Element>,
}

struct Element {
    row: usize,
    column: usize,
    value: f64,
    bound: f64,
}

/// Each row of a matrix, made when it is needed, on all cores; `each` sees the row's index and elements.
fn map_rows<T: Send>(matrix: &Matrix, each: impl Fn(usize, &[f32]) -> T + Sync) -> Vec<T> {
    (0..matrix.size)
        .into_par_iter()
        .map_init(
            || vec![0.0; matrix.size],
            |row, i| {
                matrix.row(i, row);
                each(i, row)
            },
        )
        .collect()
}

impl Expectation {
    /// Works out, in f64 and O(n²), what the product of this init's operands must be. Holds about 80 bytes a row.
    pub fn new(init: Init, seed: u64, size: usize) -> Self {
        let safety = safety(init, size);
        let matrix = |operand| Matrix { init, operand, seed, size };
        let mut random = ChaCha8Rng::from_seed(*b"wattmul: vectors that check C=AB");
        let x: Vec<Probes> = (0..size).map(|_| [(); PROBES].map(|()| StandardNormal.sample(&mut random))).collect();
        // Spread over the whole matrix, first and last included.
        let samples = SAMPLES.min(size);
        let sampled: Vec<usize> = (0..samples).map(|s| s * (size - 1) / (samples - 1).max(1)).collect();

        let y_and_columns = map_rows(&matrix(Operand::B), |_, b| {
            let mut y = [0.0; PROBES];
            for (&b, x) in b.iter().zip(&x) {
                for p in 0..PROBES {
                    y[p] += f64::from(b) * x[p];
                }
            }
            let mut columns = [0.0; SAMPLES];
            for (column, &j) in columns.iter_mut().zip(&sampled) {
                *column = b[j];
            }
            (y, columns)
        });

        let rows_and_elements = map_rows(&matrix(Operand::A), |i, a| {
            let (mut sum, mut squares) = ([0.0; PROBES], [0.0; PROBES]);
            for (&a, (y, _)) in a.iter().zip(&y_and_columns) {
                for p in 0..PROBES {
                    sum[p] += f64::from(a) * y[p];
                    squares[p] += sum[p] * sum[p];
                }
            }
            let square = squares.iter().sum::<f64>() / PROBES as f64;
            let elements: Vec<Element> = (0..if sampled.contains(&i) { samples } else { 0 })
                .map(|s| {
                    let (mut value, mut square) = (0.0, 0.0);
                    for (&a, (_, columns)) in a.iter().zip(&y_and_columns) {
                        value += f64::from(a) * f64::from(columns[s]);
                        square += value * value;
                    }
                    Element { row: i, column: sampled[s], value, bound: safety * U * square.sqrt() }
                })
                .collect();
            (sum, square, elements)
        });

        // A row whose partial sums stay small by chance would get too narrow a bound: none is below the mean row's.
        let mean_square = rows_and_elements.iter().map(|(_, square, _)| square).sum::<f64>() / size as f64;
        let (mut rows, mut elements) = (Vec::with_capacity(size), vec![]);
        for (sum, square, sampled) in rows_and_elements {
            rows.push((sum, safety * U * square.max(mean_square).sqrt()));
            elements.extend(sampled);
        }
        Expectation { x, rows, elements }
    }

    /// Checks rows `first`, `first + 1`, … of C, each `stride` elements apart. Rows past the matrix's end are ignored.
    ///
    /// # Errors
    /// The first row or element that rounding does not explain; NaN (what C was poisoned with) is one.
    pub fn check(&self, first: usize, rows: &[f32], stride: usize) -> Result<(), WrongProduct> {
        let size = self.x.len();
        rows.par_chunks_exact(stride).enumerate().take(size.saturating_sub(first)).try_for_each(|(i, c)| {
            let row = first + i;
            let mut found = [0.0; PROBES];
            for (&c, x) in c.iter().zip(&self.x) {
                for p in 0..PROBES {
                    found[p] += f64::from(c) * x[p];
                }
            }
            let (expected, bound) = &self.rows[row];
            for p in 0..PROBES {
                if !within(found[p], expected[p], *bound) {
                    return Err(WrongProduct::Row { row, expected: expected[p], found: found[p], bound: *bound });
                }
            }
            for &Element { row, column, value, bound } in self.elements.iter().filter(|element| element.row == row) {
                let found = f64::from(c[column]);
                if !within(found, value, bound) {
                    return Err(WrongProduct::Element { row, column, expected: value, found, bound });
                }
            }
            Ok(())
        })
    }
}

/// False for NaN and infinity.
fn within(found: f64, expected: f64, bound: f64) -> bool {
    (found - expected).abs() <= bound
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C = A·B in f32, as a GPU sums it: along k, each product through `multiply_add`.
    fn product(init: Init, size: usize, multiply_add: impl Fn(f32, f32, f32) -> f32) -> Vec<f32> {
        let whole = |operand| {
            let mut elements = vec![0.0; size * size];
            Matrix { init, operand, seed: 0, size }.rows(0, size, &mut elements);
            elements
        };
        let (a, b) = (whole(Operand::A), whole(Operand::B));
        let mut c = vec![0.0f32; size * size];
        for i in 0..size {
            for k in 0..size {
                for j in 0..size {
                    c[i * size + j] = multiply_add(a[i * size + k], b[k * size + j], c[i * size + j]);
                }
            }
        }
        c
    }

    #[test]
    fn a_right_product_passes_for_every_size_and_order_of_rounding() {
        for size in [1, 2, 3, 7, 8, 9, 64, 301] {
            for init in Init::ALL {
                let expectation = Expectation::new(init, 0, size);
                let fused = product(init, size, f32::mul_add);
                assert_eq!(expectation.check(0, &fused, size), Ok(()), "{init} {size}");
                let twice_rounded = product(init, size, |a, b, c| a * b + c);
                assert_eq!(expectation.check(0, &twice_rounded, size), Ok(()), "{init} {size}");
            }
        }
    }

    /// One row and one column stand for all: each of the products of a constant is the same sum.
    #[test]
    fn errors_that_add_up_are_no_wrong_product_and_a_wrong_one_is_found() {
        for (constant, size) in [("constant:3.14159", 2048), ("constant:0.1", 5760), ("constant:0.33333334", 3000)] {
            let init: Init = constant.parse().unwrap();
            let mut element = [0.0];
            Matrix { init, operand: Operand::A, seed: 0, size: 1 }.row(0, &mut element);
            let sum = (0..size).fold(0.0, |sum, _| element[0].mul_add(element[0], sum));
            let expectation = Expectation::new(init, 0, size);
            let mut row = vec![sum; size];
            assert_eq!(expectation.check(0, &row, size), Ok(()), "{init} {size}");
            row[size / 2] = 0.0;
            assert!(expectation.check(0, &row, size).is_err(), "{init} {size}");
        }
    }

    #[test]
    fn one_wrong_element_anywhere_is_found() {
        let size = 200;
        let expectation = Expectation::new(Init::Gaussian, 0, size);
        let right = product(Init::Gaussian, size, f32::mul_add);
        for (at, wrong) in [(0, 0.0), (size * size - 1, f32::NAN), (77 * size + 5, f32::INFINITY), (123 * size, 1.5)] {
            let mut c = right.clone();
            c[at] = wrong;
            let found = expectation.check(0, &c, size).unwrap_err().to_string();
            assert!(found.contains(&format!("{}", at / size)), "{found}");
        }
        let mut swapped = right.clone();
        swapped.swap(40 * size + 3, 40 * size + 4);
        assert!(expectation.check(0, &swapped, size).is_err());
    }

    #[test]
    fn zeros_must_be_exact() {
        let expectation = Expectation::new(Init::Zeros, 0, 50);
        let mut c = vec![0.0; 50 * 50];
        assert_eq!(expectation.check(0, &c, 50), Ok(()));
        c[1234] = -0.0;
        assert_eq!(expectation.check(0, &c, 50), Ok(()));
        c[1234] = f32::from_bits(1); // the smallest number above zero
        assert!(expectation.check(0, &c, 50).is_err());
    }

    /// Some hardware rounds f32 operands to 10 bits of mantissa behind one's back; that would be another benchmark.
    #[test]
    fn reduced_precision_is_found() {
        let tf32 = |x: f32| f32::from_bits((x.to_bits() + 0x1000) & !0x1fff);
        let c = product(Init::Gaussian, 128, |a, b, c| tf32(a).mul_add(tf32(b), c));
        assert!(Expectation::new(Init::Gaussian, 0, 128).check(0, &c, 128).is_err());
    }

    #[test]
    fn rows_are_checked_in_any_piece_with_any_padding() {
        let size = 100;
        let expectation = Expectation::new(Init::Gaussian, 0, size);
        let right = product(Init::Gaussian, size, f32::mul_add);
        let mut padded = vec![0.0; 128 * 112];
        for i in 0..size {
            padded[i * 112..i * 112 + size].copy_from_slice(&right[i * size..(i + 1) * size]);
        }
        assert_eq!(expectation.check(0, &padded, 112), Ok(()));
        assert_eq!(expectation.check(64, &padded[64 * 112..], 112), Ok(()));
        assert!(expectation.check(63, &padded[64 * 112..], 112).is_err());
    }
}
