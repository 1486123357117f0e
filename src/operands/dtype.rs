//! Types of elements: what the numbers of a [`Matrix`] become on the device.
//!
//! A matrix is made in f32, the same whatever the type, and each element is rounded to the type that is multiplied:
//!
//! | type | A and B | C | elements |
//! | --- | --- | --- | --- |
//! | `f32` | f32 | f32 | as they are |
//! | `f16` | f16 | f32 | rounded to the nearest, ties to even |
//! | `f64` | f64 | f64 | `gaussian`: the sampler's own f64, of which f32 has the rounded ones; others: as they are |
//! | `i8` | i8 | i32 | whole numbers from −128 to 127 as they are; a matrix with others × its scale, rounded to the nearest, ties to even |
//!
//! f32 widened to f64 would leave 29 of 52 bits of each mantissa zero, and so change what is measured: the bits that
//! switch. The scale of an i8 matrix is 127 over its largest magnitude, as tensors are commonly quantised.

use super::init::Init;
use super::matrix::{Digest, Matrix};
use half::f16;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The type of the elements of A and B, which decides that of C.
///
/// A type is all in this file: its name here, its line in [`with_element`], and its [`Element`]; its WGSL is `shaders/types/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    #[default]
    F32,
    F16,
    F64,
    I8,
}

/// `with_element!(dtype, T => …)`: the expression for `T`, the [`Element`] of that type.
macro_rules! with_element {
    ($dtype:expr, $element:ident => $body:expr) => {
        match $dtype {
            $crate::operands::Dtype::F32 => with_element!(@ f32, $element => $body),
            $crate::operands::Dtype::F16 => with_element!(@ half::f16, $element => $body),
            $crate::operands::Dtype::F64 => with_element!(@ f64, $element => $body),
            $crate::operands::Dtype::I8 => with_element!(@ i8, $element => $body),
        }
    };
    (@ $type:ty, $element:ident => $body:expr) => {{
        type $element = $type;
        $body
    }};
}
pub(crate) use with_element;

impl Dtype {
    /// Every type, in the order in which help texts list them.
    pub const ALL: [Dtype; 4] = [Dtype::F32, Dtype::F16, Dtype::F64, Dtype::I8];

    /// The name on the command line, in records and in names of files.
    pub fn name(self) -> &'static str {
        with_element!(self, T => T::NAME)
    }

    /// Elements of a row of A, or a column of B, that the device takes as one: its integer instructions multiply four at a time.
    pub(crate) fn elements_in_word(self) -> usize {
        with_element!(self, T => T::IN_WORD)
    }

    /// Bytes of what the device takes of A and B as one.
    pub fn word_bytes(self) -> usize {
        with_element!(self, T => size_of::<T>() * T::IN_WORD)
    }

    /// Bytes of an element of C.
    pub(crate) fn sum_bytes(self) -> usize {
        with_element!(self, T => size_of::<<T as Element>::Sum>())
    }

    /// A word of four bytes that no product leaves in C.
    pub(crate) fn poison(self) -> u32 {
        with_element!(self, T => <T as Element>::Sum::POISON)
    }

    /// What the type is in the shaders.
    pub fn wgsl(self) -> &'static str {
        with_element!(self, T => T::WGSL)
    }

    /// What an adapter must have for the type.
    pub fn features(self) -> wgpu::Features {
        with_element!(self, T => T::FEATURES)
    }

    /// The digest of a matrix in this type, and what it was scaled by.
    pub fn digest(self, matrix: &Matrix) -> (String, Option<f64>) {
        with_element!(self, T => digest::<T>(matrix))
    }

    /// Are its elements and their sums whole numbers?
    pub(crate) fn has_whole_numbers(self) -> bool {
        with_element!(self, T => <T as Element>::Sum::UNIT_ROUNDOFF.is_none())
    }

    /// What 10⁹ of the 2n³ operations of a product are called.
    pub(crate) fn giga(self) -> &'static str {
        if self.has_whole_numbers() { "GOP" } else { "GFLOP" }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An element of C: a sum of products.
pub trait Sum: bytemuck::AnyBitPattern + Into<f64> + Send + Sync {
    /// Its bits, on the wires of an adder.
    fn bits(self) -> u64;

    /// Half of the distance from 1 to the next larger number; None where sums are exact.
    const UNIT_ROUNDOFF: Option<f64>;
    /// A word that no sum of products leaves there, in each four bytes.
    const POISON: u32;
}

impl Sum for f32 {
    fn bits(self) -> u64 {
        self.to_bits().into()
    }

    const UNIT_ROUNDOFF: Option<f64> = Some(f32::EPSILON as f64 / 2.0);
    const POISON: u32 = u32::MAX; // NaN
}

impl Sum for f64 {
    fn bits(self) -> u64 {
        self.to_bits()
    }

    const UNIT_ROUNDOFF: Option<f64> = Some(f64::EPSILON / 2.0);
    const POISON: u32 = u32::MAX; // NaN
}

impl Sum for i32 {
    fn bits(self) -> u64 {
        self.cast_unsigned().into()
    }

    const UNIT_ROUNDOFF: Option<f64> = None;
    /// The lowest: a sum of i8 products is no larger than 128² · n, and n under 2³¹ / 128² = 131,072 (`Shape::largest`).
    const POISON: u32 = 1 << 31;
}

/// An element of A or B as the device gets it.
pub trait Element: bytemuck::Pod + Send + Sync {
    /// The type in which products are summed, that of C.
    type Sum: Sum;

    const NAME: &'static str;
    /// Elements that the device takes as one.
    const IN_WORD: usize = 1;
    /// The aliases and the function that the shaders are written in.
    const WGSL: &'static str;
    /// What an adapter must have for it.
    const FEATURES: wgpu::Features = wgpu::Features::empty();

    /// What a matrix is multiplied by before it is rounded.
    fn scale(_matrix: &Matrix) -> Option<f64> {
        None
    }

    /// Fills `out` with the elements of a row, as [`Matrix::row`] does.
    fn row(matrix: &Matrix, scale: Option<f64>, row: usize, out: &mut [Self]);

    /// The element as the device sees it: every type is exact in f64.
    fn value(self) -> f64;

    /// Its bits, on the wires that bring it to a multiplier.
    fn bits(self) -> u64;

    /// The product of both, added to a sum as a device does it: the product exact, the sum rounded.
    fn multiply_add(self, other: Self, sum: Self::Sum) -> Self::Sum;

    /// Is its sign bit set?
    fn is_negative(self) -> bool;
}

impl Element for f32 {
    type Sum = f32;
    const NAME: &str = "f32";
    const WGSL: &str = include_str!("../../shaders/types/f32.wgsl");

    fn row(matrix: &Matrix, _: Option<f64>, row: usize, out: &mut [f32]) {
        matrix.row(row, out);
    }

    fn value(self) -> f64 {
        self.into()
    }

    fn bits(self) -> u64 {
        self.to_bits().into()
    }

    fn multiply_add(self, other: f32, sum: f32) -> f32 {
        // Products are exact in f64. That their sum is rounded twice shows in one of some 2³⁰ of them.
        (f64::from(self) * f64::from(other) + f64::from(sum)) as f32
    }

    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
}

impl Element for f16 {
    type Sum = f32;
    const NAME: &str = "f16";
    const FEATURES: wgpu::Features = wgpu::Features::SHADER_F16;
    const WGSL: &str = include_str!("../../shaders/types/f16.wgsl");

    fn row(matrix: &Matrix, _: Option<f64>, row: usize, out: &mut [f16]) {
        converted(matrix, row, out, f16::from_f32);
    }

    fn value(self) -> f64 {
        self.to_f64()
    }

    fn bits(self) -> u64 {
        self.to_bits().into()
    }

    fn multiply_add(self, other: f16, sum: f32) -> f32 {
        // Products are exact in f32.
        self.to_f32() * other.to_f32() + sum
    }

    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
}

impl Element for f64 {
    type Sum = f64;
    const NAME: &str = "f64";
    const FEATURES: wgpu::Features = wgpu::Features::SHADER_F64;
    const WGSL: &str = include_str!("../../shaders/types/f64.wgsl");

    fn row(matrix: &Matrix, _: Option<f64>, row: usize, out: &mut [f64]) {
        match matrix.generated() {
            Some(Init::Gaussian) => {
                let mut stream = matrix.stream(row);
                let (elements, padding) = out.split_at_mut(matrix.size.min(out.len()));
                elements.fill_with(|| StandardNormal.sample(&mut stream));
                padding.fill(0.0);
            }
            _ => converted(matrix, row, out, f64::from),
        }
    }

    fn value(self) -> f64 {
        self
    }

    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn multiply_add(self, other: f64, sum: f64) -> f64 {
        self.mul_add(other, sum)
    }

    fn is_negative(self) -> bool {
        self.is_sign_negative()
    }
}

/// The largest magnitude of an i8 element that was scaled: −128 has no counterpart.
const LARGEST_I8: f64 = 127.0;

impl Element for i8 {
    type Sum = i32;
    const NAME: &str = "i8";
    const IN_WORD: usize = 4;
    const WGSL: &str = include_str!("../../shaders/types/i8.wgsl");
    // No feature: where there is no instruction for four products at once, wgpu writes them out.

    fn scale(matrix: &Matrix) -> Option<f64> {
        let of_row = |row: usize, elements: &mut Vec<f32>| {
            matrix.row(row, elements);
            let largest = elements.iter().fold(0.0f32, |largest, element| largest.max(element.abs()));
            let fits = |&element: &f32| element.fract() == 0.0 && f32::from(element as i8) == element;
            (f64::from(largest), elements.iter().all(fits))
        };
        let (largest, fit) = (0..matrix.size)
            .into_par_iter()
            .map_init(|| vec![0.0; matrix.size], |elements, row| of_row(row, elements))
            .reduce(|| (0.0, true), |a, b| (a.0.max(b.0), a.1 && b.1));
        Some(i8_scale(largest, fit))
    }

    fn row(matrix: &Matrix, scale: Option<f64>, row: usize, out: &mut [i8]) {
        let scale = scale.unwrap_or(1.0);
        // `as` takes what is beyond to the end of the range, though nothing is.
        converted(matrix, row, out, |element| (f64::from(element) * scale).round_ties_even() as i8);
    }

    fn value(self) -> f64 {
        self.into()
    }

    fn bits(self) -> u64 {
        self.cast_unsigned().into()
    }

    fn multiply_add(self, other: i8, sum: i32) -> i32 {
        sum.wrapping_add(i32::from(self) * i32::from(other))
    }

    fn is_negative(self) -> bool {
        i8::is_negative(self)
    }
}

/// The scale of a matrix of this largest magnitude; `fit` when all its elements are i8 already.
fn i8_scale(largest: f64, fit: bool) -> f64 {
    if fit { 1.0 } else { LARGEST_I8 / largest }
}

fn converted<T>(matrix: &Matrix, row: usize, out: &mut [T], convert: impl Fn(f32) -> T) {
    let mut elements = vec![0.0; out.len()];
    matrix.row(row, &mut elements);
    for (out, element) in out.iter_mut().zip(elements) {
        *out = convert(element);
    }
}

/// Makes `rows.len() / stride` rows of a matrix from `first` on, as [`Matrix::rows`] does.
pub fn rows<T: Element>(matrix: &Matrix, scale: Option<f64>, first: usize, stride: usize, rows: &mut [T]) {
    rows.par_chunks_mut(stride).enumerate().for_each(|(i, out)| match first + i {
        row if row < matrix.size => T::row(matrix, scale, row, out),
        _ => out.fill(T::zeroed()),
    });
}

fn digest<T: Element>(matrix: &Matrix) -> (String, Option<f64>) {
    let scale = T::scale(matrix);
    (Digest::of(matrix.size, |first, elements: &mut [T]| rows(matrix, scale, first, matrix.size, elements)), scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operands::Operand;

    fn matrix(init: Init, size: usize) -> Matrix {
        Matrix { init, operand: Operand::A, seed: 0, size }
    }

    fn whole<T: Element>(matrix: &Matrix) -> Vec<T> {
        let mut elements = vec![T::zeroed(); matrix.size * matrix.size];
        rows(matrix, T::scale(matrix), 0, matrix.size, &mut elements);
        elements
    }

    /// The bits themselves, as those of f32 are held in `inputs`.
    #[test]
    fn the_bits_of_every_type_are_the_same_on_every_machine_and_for_ever() {
        fn digest<T: Element>() -> String {
            super::digest::<T>(&matrix(Init::Gaussian, 100)).0
        }
        assert_eq!(digest::<f32>(), matrix(Init::Gaussian, 100).digest());
        insta::assert_snapshot!(digest::<f16>(), @"1f9c2c1c0accdec08bd47c53e43eb38f8778621888ce8989aabca79fb74d5539");
        insta::assert_snapshot!(digest::<f64>(), @"50399ce39d3746f9667f9ea72d3d993e7c93d829ebe60f21c020fdfa8ae522c2");
        insta::assert_snapshot!(digest::<i8>(), @"33a63a314fb873827a62f23a077734c500d90f0feb04a7c77c30fdd1fd109d67");
        let gaussian = matrix(Init::Gaussian, 100);
        insta::assert_snapshot!(format!("{:?}", &whole::<f64>(&gaussian)[..3]), @"[1.3776972067507913, 0.4053468246470284, -1.196268893387068]");
        insta::assert_snapshot!(format!("{:?}", &whole::<f32>(&gaussian)[..3]), @"[1.3776972, 0.4053468, -1.1962689]");
        insta::assert_snapshot!(format!("{:?}", &whole::<f16>(&gaussian)[..3]), @"[1.3779297, 0.40527344, -1.1962891]");
        insta::assert_snapshot!(format!("{:?}", &whole::<i8>(&gaussian)[..3]), @"[43, 13, -38]");
    }

    #[test]
    fn f32_and_f16_are_the_rounded_f64_whose_mantissas_are_full() {
        let gaussian = matrix(Init::Gaussian, 64);
        let (f64s, f32s) = (whole::<f64>(&gaussian), whole::<f32>(&gaussian));
        assert!(f64s.iter().zip(&f32s).all(|(&wide, &narrow)| wide as f32 == narrow));
        assert!(whole::<f16>(&gaussian).iter().zip(&f32s).all(|(half, &single)| *half == f16::from_f32(single)));
        let low_bits: u32 = f64s.iter().map(|wide| (wide.to_bits() & ((1 << 29) - 1)).count_ones()).sum();
        let mean = f64::from(low_bits) / f64s.len() as f64;
        assert!((14.0..15.0).contains(&mean), "half of 29: {mean}");
    }

    #[test]
    fn a_gaussian_matrix_fills_i8_from_end_to_end_and_zeros_stay_zeros() {
        for size in [1, 64, 300] {
            let gaussian = matrix(Init::Gaussian, size);
            let (scaled, elements) = (whole::<i8>(&gaussian), whole::<f32>(&gaussian));
            assert_eq!(scaled.iter().map(|element| element.unsigned_abs()).max(), Some(127));
            let scale = i8::scale(&gaussian).unwrap();
            for (scaled, element) in scaled.iter().zip(elements) {
                assert!((f64::from(*scaled) - f64::from(element) * scale).abs() <= 0.5, "{element} became {scaled}");
            }
            let zeros = matrix(Init::Zeros, size);
            assert_eq!((i8::scale(&zeros), whole::<i8>(&zeros)), (Some(1.0), vec![0; size * size]));
        }
    }

    #[test]
    fn whole_numbers_that_fit_i8_keep_their_value() {
        let scale = |text: &str| i8::scale(&matrix(text.parse().unwrap(), 3));
        for whole in ["zeros", "ones", "constant:127", "constant:-128", "integers"] {
            assert_eq!(scale(whole), Some(1.0), "{whole}");
        }
        assert_eq!((scale("constant:254"), scale("constant:128")), (Some(0.5), Some(127.0 / 128.0)));
        assert_eq!(i8_scale(0.5, false), 254.0);
        assert_eq!(i8_scale(100.5, false), 127.0 / 100.5);
    }

    #[test]
    fn padding_is_zeros_in_every_type() {
        fn padded<T: Element>() {
            let matrix = matrix(Init::Gaussian, 5);
            let mut elements = vec![T::zeroed(); 6 * 8];
            bytemuck::cast_slice_mut::<T, u8>(&mut elements).fill(0xff);
            rows(&matrix, T::scale(&matrix), 0, 8, &mut elements);
            for (i, element) in elements.iter().enumerate() {
                let inside = i % 8 < 5 && i / 8 < 5;
                assert!(inside || bytemuck::bytes_of(element).iter().all(|&byte| byte == 0), "{i}");
            }
        }
        padded::<f32>();
        padded::<f16>();
        padded::<f64>();
        padded::<i8>();
    }
}
