//! Floating point, with a bound from the theory of rounding errors.
//!
//! A sum of fused products errs by Σₖ δₖ·sₖ, where sₖ is the sum after k terms and |δₖ| ≤ u, the unit roundoff of the type
//! in which C is summed: 2⁻²⁴ in f32, 2⁻⁵³ in f64. The δ behave like independent random numbers
//! (Higham & Mary, "A new approach to probabilistic rounding error analysis", 2019), so that the error has the size of
//! u·√(Σₖ sₖ²), far below the worst case of u·Σₖ |sₖ|. For row i of C·x the sum over all columns of that is
//! estimated, without any n³ work, by the partial sums of (A·y)ᵢ with y = B·x: E[(Σ_{l≤k} aᵢₗ·yₗ)²] over Gaussian x is just
//! Σⱼ (partial sum k of cᵢⱼ)². The bound is therefore as sharp for zeros (exactly 0) as for any other data, and one
//! wrong element in a row of 10,000 stands out by two orders of magnitude.
//!
//! Matrix units do not round so. NVIDIA's add 4 to 16 exact products of f16 to a sum at once: they shift all of them to the exponent of
//! the largest, cut off what then lies below 0 to 2 bits under the last one of f32, add them, and cut the result (Fasi, Higham, Mikaitis
//! & Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021; Khattak & Mikaitis, "Accurate models of NVIDIA tensor cores", 2025,
//! for V100 to B200). AMD's differ again, and for RDNA nobody has published how (Li et al., "FTTN", 2024, for CDNA). Cutting takes from
//! every sum in the same direction, so that errors add up as those of products all alike do. A cut loses 2u of the largest at most, u in the
//! mean; a block of b products has b + 2 of them (its terms, and the result), so that b products lose (b + 2)·u in the mean: 1.5 u
//! each for the smallest block, 4 (Blanchard et al., "Mixed precision block fused multiply-add", 2020, have the worst case). With a
//! probe that lies twice above the mean of all that makes 3·√n, where 4·√n is allowed; squares are summed over sums and terms, for either
//! may be the largest. At n = 10000 that is 25 times what the plain units are allowed: a wrong element still stands out, by a factor of
//! about 6.
//!
//! A, B and A·(B·x) are in f64. Against C in f32 its rounding is nothing. C in f64 is as good as that: B·x, A·y and C·x then
//! add an error each of the size of C's own, together twice that, which the safety factor covers.

use super::rows::{WrongProduct, elements, map_rows};
use crate::operands::dtype::Sum;
use crate::operands::{Element, Matrix};
use crate::record::Units;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::marker::PhantomData;

/// Random vectors at once. One finds a wrong row almost surely; four make the estimate of the bound steady.
const PROBES: usize = 4;
/// How many times the expected rounding error is allowed. Measured errors reach 2 (a sequential f32 product); other orders
/// of summation, or no fused multiply-add, stay under 3. TF32 or bf16 arithmetic, or one wrong element, is far above.
const SAFETY: f64 = 16.0;
/// The same for products that are all alike, times √n, and for matrix units. They are all rounded alike: their errors add up instead of
/// averaging out, to √n times as much at most (Cauchy-Schwarz), twice that if each is rounded twice, and up to twice that again
/// in a probe that lies above the mean of all.
const SAFETY_ALIKE: f64 = 4.0;
/// Rows, and columns, whose crossings are computed whole.
const SAMPLES: usize = 8;

type Probes = [f64; PROBES];

fn safety(a: &Matrix, b: &Matrix, units: Units) -> f64 {
    let alike = a.is_coarse() && b.is_coarse() || units == Units::Matrix;
    if alike { SAFETY.max(SAFETY_ALIKE * (a.size as f64).sqrt()) } else { SAFETY }
}

/// What operands must give in a C of type `S`.
pub(crate) struct Rounded<S> {
    /// x: n rows.
    x: Vec<Probes>,
    /// A·(B·x): n rows, and the error that rounding explains.
    rows: Vec<(Probes, f64)>,
    samples: Vec<Sample>,
    sums: PhantomData<S>,
}

/// An element of C that is computed whole.
struct Sample {
    row: usize,
    column: usize,
    value: f64,
    bound: f64,
}

impl<S: Sum> Rounded<S> {
    /// Of operands whose elements are of type `T`; sums are rounded by this share of themselves.
    pub fn new<T: Element>(a: &Matrix, b: &Matrix, unit_roundoff: f64, units: Units) -> Self {
        let (size, safety) = (a.size, safety(a, b, units));
        // A matrix unit also rounds the terms themselves, to the scale of the largest among them and the sum.
        let of_terms = if units == Units::Matrix { 1.0 } else { 0.0 };
        let mut random = ChaCha8Rng::from_seed(*b"wattmul: vectors that check C=AB");
        let x: Vec<Probes> = (0..size).map(|_| [(); PROBES].map(|()| StandardNormal.sample(&mut random))).collect();
        // Spread over the whole matrix, first and last included.
        let samples = SAMPLES.min(size);
        let sampled: Vec<usize> = (0..samples).map(|s| s * (size - 1) / (samples - 1).max(1)).collect();

        let y_and_columns = map_rows(b, |_, b: &[T]| {
            let mut y = [0.0; PROBES];
            for (&b, x) in b.iter().zip(&x) {
                for p in 0..PROBES {
                    y[p] += b.value() * x[p];
                }
            }
            let mut columns = [0.0; SAMPLES];
            for (column, &j) in columns.iter_mut().zip(&sampled) {
                *column = b[j].value();
            }
            (y, columns)
        });

        let rows_and_elements = map_rows(a, |i, a: &[T]| {
            let (mut sum, mut squares) = ([0.0; PROBES], [0.0; PROBES]);
            for (&a, (y, _)) in a.iter().zip(&y_and_columns) {
                for p in 0..PROBES {
                    let term = a.value() * y[p];
                    sum[p] += term;
                    squares[p] += sum[p] * sum[p] + of_terms * term * term;
                }
            }
            let square = squares.iter().sum::<f64>() / PROBES as f64;
            let elements: Vec<Sample> = (0..if sampled.contains(&i) { samples } else { 0 })
                .map(|s| {
                    let (mut value, mut square) = (0.0, 0.0);
                    for (&a, (_, columns)) in a.iter().zip(&y_and_columns) {
                        let term = a.value() * columns[s];
                        value += term;
                        square += value * value + of_terms * term * term;
                    }
                    Sample { row: i, column: sampled[s], value, bound: safety * unit_roundoff * square.sqrt() }
                })
                .collect();
            (sum, square, elements)
        });

        // A row whose partial sums stay small by chance would get too narrow a bound: none is below the mean row's.
        let mean_square = rows_and_elements.iter().map(|(_, square, _)| square).sum::<f64>() / size as f64;
        let (mut rows, mut samples) = (Vec::with_capacity(size), vec![]);
        for (sum, square, sampled) in rows_and_elements {
            rows.push((sum, safety * unit_roundoff * square.max(mean_square).sqrt()));
            samples.extend(sampled);
        }
        Rounded { x, rows, samples, sums: PhantomData }
    }

    pub fn check(&self, first: usize, rows: &[u8], stride: usize) -> Result<(), WrongProduct> {
        let size = self.x.len();
        let rows = rows.par_chunks_exact(stride * size_of::<S>()).enumerate().take(size.saturating_sub(first));
        rows.try_for_each(|(i, c)| {
            let row = first + i;
            let mut found = [0.0; PROBES];
            for (c, x) in elements::<S>(c).zip(&self.x) {
                let c: f64 = c.into();
                for p in 0..PROBES {
                    found[p] += c * x[p];
                }
            }
            let (expected, bound) = &self.rows[row];
            for p in 0..PROBES {
                if !within(found[p], expected[p], *bound) {
                    return Err(WrongProduct::Row { row, expected: expected[p], found: found[p], bound: *bound });
                }
            }
            for &Sample { row, column, value, bound } in self.samples.iter().filter(|sample| sample.row == row) {
                let at = column * size_of::<S>();
                let found = bytemuck::pod_read_unaligned::<S>(&c[at..at + size_of::<S>()]).into();
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
    use super::super::Expectation;
    use super::super::tests::{product, whole};
    use super::*;
    use crate::operands::{Dtype, Init, Operand};
    use half::f16;

    /// The types, each with its product in all the ways in which a device may round.
    fn products(init: Init, size: usize) -> [(Dtype, [Vec<u8>; 2]); 3] {
        let f32s = [product(init, size, f32::mul_add), product(init, size, |a: f32, b: f32, c: f32| a * b + c)];
        let of_f16 = |a: f16, b: f16, c: f32| a.to_f32().mul_add(b.to_f32(), c);
        let f64s = [product(init, size, f64::mul_add), product(init, size, |a: f64, b: f64, c: f64| a * b + c)];
        let f16s = product(init, size, of_f16); // their products are exact in f32, fused or not
        [(Dtype::F32, f32s), (Dtype::F16, [f16s.clone(), f16s]), (Dtype::F64, f64s)]
    }

    #[test]
    fn a_right_product_passes_for_every_type_and_size_and_order_of_rounding() {
        for size in [1, 2, 3, 7, 8, 9, 64, 301] {
            for init in Init::ALL {
                for (dtype, products) in products(init, size) {
                    let expectation = Expectation::new(dtype, Units::Simt, init, 0, size);
                    for product in products {
                        assert_eq!(expectation.check(0, &product, size), Ok(()), "{dtype} {init} {size}");
                    }
                }
            }
        }
    }

    /// A block of a matrix unit, as far as it was found out from outside: `extra` bits are kept below those of f32 when terms and sum are
    /// shifted to the largest exponent among them.
    fn block_sum(a: &[f16], b: &[f16], sum: f32, extra: i32) -> f32 {
        let cut = |value: f64, last: f64| (value / last).trunc() * last;
        let terms = || a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).chain([f64::from(sum)]);
        let largest = terms().fold(0.0f64, |largest, term| largest.max(term.abs()));
        if largest == 0.0 {
            return 0.0;
        }
        let exponent = largest.log2().floor() as i32;
        let exact: f64 = terms().map(|term| cut(term, 2f64.powi(exponent - 23 - extra))).sum();
        if exact == 0.0 { 0.0 } else { cut(exact, 2f64.powi(exact.abs().log2().floor() as i32 - 23)) as f32 }
    }

    /// The first rows of C as units sum that take so many products at once.
    fn by_blocks(init: Init, size: usize, rows: usize, (block, extra): (usize, i32)) -> Vec<u8> {
        let (a, b) = (whole::<f16>(init, Operand::A, size), whole::<f16>(init, Operand::B, size));
        let columns: Vec<Vec<f16>> = (0..size).map(|j| (0..size).map(|k| b[k * size + j]).collect()).collect();
        let blocks = |i: usize| a[i * size..(i + 1) * size].chunks(block);
        let element = |i: usize, column: &Vec<f16>| {
            blocks(i).zip(column.chunks(block)).fold(0.0, |sum, (a, b)| block_sum(a, b, sum, extra))
        };
        let c: Vec<f32> = (0..rows).flat_map(|i| columns.iter().map(move |column| element(i, column))).collect();
        bytemuck::cast_slice(&c).to_vec()
    }

    /// V100, A100 and H100.
    const TENSOR_CORES: [(usize, i32); 3] = [(4, 0), (8, 1), (16, 2)];

    fn by_matrix_units(init: Init, size: usize) -> Rounded<f32> {
        let [a, b] = [Operand::A, Operand::B].map(|operand| Matrix { init, operand, seed: 0, size });
        Rounded::new::<f16>(&a, &b, f64::from(f32::EPSILON) / 2.0, Units::Matrix)
    }

    #[test]
    fn what_tensor_cores_sum_passes_and_leaves_half_of_the_bound() {
        // Of the larger sizes a few rows: a whole product would take minutes.
        for (size, rows) in [(1, 1), (3, 3), (17, 17), (64, 64), (300, 20), (1000, 1)] {
            for init in Init::ALL {
                let mut expected = by_matrix_units(init, size);
                expected.rows.iter_mut().for_each(|(_, bound)| *bound /= 2.0);
                expected.samples.iter_mut().for_each(|sample| sample.bound /= 2.0);
                for model in TENSOR_CORES {
                    let c = by_blocks(init, size, rows, model);
                    assert_eq!(expected.check(0, &c, size), Ok(()), "{init} {size} {model:?}");
                }
            }
        }
    }

    /// Why they have a bound of their own.
    #[test]
    fn what_tensor_cores_cut_off_is_too_much_for_the_bound_of_plain_units() {
        let (size, init) = (2000, Init::Positive);
        let c = by_blocks(init, size, 1, TENSOR_CORES[0]);
        assert!(Expectation::new(Dtype::F16, Units::Simt, init, 0, size).check(0, &c, size).is_err());
    }

    #[test]
    fn what_matrix_units_get_wrong_is_found() {
        let size = 256;
        let expected = by_matrix_units(Init::Gaussian, size);
        let right = by_blocks(Init::Gaussian, size, size, TENSOR_CORES[1]);
        assert_eq!(expected.check(0, &right, size), Ok(()));
        let found = |c: &[u8]| expected.check(0, c, size).is_err();
        for (at, wrong) in [(0, 0.0f32), (size * size - 1, f32::NAN), (77 * size + 5, 200.0)] {
            let mut c = right.clone();
            c[at * 4..at * 4 + 4].copy_from_slice(&wrong.to_ne_bytes());
            assert!(found(&c), "{at} became {wrong}");
        }
        assert!(found(&vec![0xff; size * size * 4]), "poison");
        let sum_f16 = |a: f16, b: f16, c: f32| f16::from_f32(a.to_f32().mul_add(b.to_f32(), c)).to_f32();
        assert!(found(&product(Init::Gaussian, size, sum_f16)), "sums in f16");
        let short = |x: f16| f16::from_bits(x.to_bits() & !7).to_f32();
        let bf16 = |a: f16, b: f16, c: f32| short(a).mul_add(short(b), c);
        assert!(found(&product(Init::Gaussian, size, bf16)), "operands with the 7 bits of bf16");
        let zeros = by_matrix_units(Init::Zeros, size);
        assert!(zeros.check(0, &right, size).is_err() && zeros.check(0, &vec![0; size * size * 4], size) == Ok(()));
    }

    /// How much of the bound a right product of f64 takes, whose reference is rounded as it is itself.
    #[test]
    fn a_reference_in_f64_is_good_enough_for_f64() {
        for size in [1, 5, 64, 301] {
            let [a, b] =
                [Operand::A, Operand::B].map(|operand| Matrix { init: Init::Gaussian, operand, seed: 0, size });
            let mut rounded = Rounded::<f64>::new::<f64>(&a, &b, f64::EPSILON / 2.0, Units::Simt);
            for (_, bound) in &mut rounded.rows {
                *bound /= 2.0;
            }
            let c = product(Init::Gaussian, size, f64::mul_add);
            assert_eq!(rounded.check(0, &c, size), Ok(()), "half of the bound is enough for n = {size}");
        }
    }

    #[test]
    fn one_wrong_element_anywhere_is_found() {
        let size = 200;
        for (dtype, [right, _]) in products(Init::Gaussian, size) {
            let expectation = Expectation::new(dtype, Units::Simt, Init::Gaussian, 0, size);
            let bytes = dtype.sum_bytes();
            let put = |c: &mut [u8], at: usize, wrong: f64| match dtype {
                Dtype::F64 => c[at * 8..at * 8 + 8].copy_from_slice(&wrong.to_ne_bytes()),
                _ => c[at * 4..at * 4 + 4].copy_from_slice(&(wrong as f32).to_ne_bytes()),
            };
            for (at, wrong) in
                [(0, 0.0), (size * size - 1, f64::NAN), (77 * size + 5, f64::INFINITY), (123 * size, 1.5)]
            {
                let mut c = right.clone();
                put(&mut c, at, wrong);
                let found = expectation.check(0, &c, size).unwrap_err().to_string();
                assert!(found.contains(&format!("{}", at / size)), "{dtype}: {found}");
            }
            let mut swapped = right.clone();
            let (left, right) = swapped[(40 * size + 3) * bytes..(40 * size + 5) * bytes].split_at_mut(bytes);
            left.swap_with_slice(right);
            assert!(expectation.check(0, &swapped, size).is_err(), "{dtype}");
            let (poisoned, zeros) = (vec![0xff; size * size * bytes], vec![0; size * size * bytes]);
            assert!(expectation.check(0, &poisoned, size).unwrap_err().is_poison(), "{dtype}");
            assert!(!expectation.check(0, &zeros, size).unwrap_err().is_poison(), "{dtype}");
        }
    }

    #[test]
    fn zeros_must_be_exact() {
        let expectation = Expectation::new(Dtype::F32, Units::Simt, Init::Zeros, 0, 50);
        let check = |c: &[f32]| expectation.check(0, bytemuck::cast_slice(c), 50);
        let mut c = vec![0.0; 50 * 50];
        assert_eq!(check(&c), Ok(()));
        c[1234] = -0.0;
        assert_eq!(check(&c), Ok(()));
        c[1234] = f32::from_bits(1); // the smallest number above zero
        assert!(check(&c).is_err());
    }

    /// Some hardware rounds f32 operands to 10 bits of mantissa behind one's back; that would be another benchmark. So would
    /// sums of f16 in f16, or of f64 in f32.
    #[test]
    fn reduced_precision_is_found() {
        let tf32 = |x: f32| f32::from_bits((x.to_bits() + 0x1000) & !0x1fff);
        let sum_f16 = |a: f16, b: f16, c: f32| f16::from_f32(a.to_f32().mul_add(b.to_f32(), c)).to_f32();
        let sum_f32 = |a: f64, b: f64, c: f64| f64::from(a.mul_add(b, c) as f32);
        let size = 128;
        for (dtype, c) in [
            (Dtype::F32, product(Init::Gaussian, size, |a, b, c| tf32(a).mul_add(tf32(b), c))),
            (Dtype::F16, product(Init::Gaussian, size, sum_f16)),
            (Dtype::F64, product(Init::Gaussian, size, sum_f32)),
        ] {
            assert!(
                Expectation::new(dtype, Units::Simt, Init::Gaussian, 0, size).check(0, &c, size).is_err(),
                "{dtype}"
            );
        }
    }

    #[test]
    fn rows_are_checked_in_any_piece_with_any_padding() {
        let size = 100;
        for (dtype, [right, _]) in products(Init::Gaussian, size) {
            let expectation = Expectation::new(dtype, Units::Simt, Init::Gaussian, 0, size);
            let (row, stride) = (size * dtype.sum_bytes(), 112 * dtype.sum_bytes());
            let mut padded = vec![0; 128 * stride];
            for i in 0..size {
                padded[i * stride..i * stride + row].copy_from_slice(&right[i * row..(i + 1) * row]);
            }
            assert_eq!(expectation.check(0, &padded, 112), Ok(()));
            assert_eq!(expectation.check(64, &padded[64 * stride..], 112), Ok(()));
            assert!(expectation.check(63, &padded[64 * stride..], 112).is_err());
        }
    }
}
