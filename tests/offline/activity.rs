//! The bits that switch, counted by the program and one by one.

use wattmul::operands::activity::*;
use wattmul::operands::dtype::Dtype;
use wattmul::operands::init::Init;
use wattmul::operands::matrix::{Matrix, Operand};

/// Every bit, one by one.
#[test]
fn bits_are_counted_as_they_are() {
    for (init, size) in [(Init::Gaussian, 3), (Init::Sorted, 65), (Init::Integers, 130)] {
        let bits = |operand| {
            let mut elements = vec![0.0f32; size * size];
            Matrix { init, operand, seed: 9, size }.rows(0, size, &mut elements);
            elements.into_iter().map(f32::to_bits).collect::<Vec<u32>>()
        };
        let (a, b) = (bits(Operand::A), bits(Operand::B));
        let mean = |counts: Vec<u32>| f64::from(counts.iter().sum::<u32>()) / counts.len() as f64;
        let steps = || (0..size).flat_map(|line| (1..size).map(move |k| (line, k)));
        let weight = |words: &[u32]| mean(words.iter().map(|word| word.count_ones()).collect());
        let along_rows = mean(steps().map(|(i, k)| (a[i * size + k] ^ a[i * size + k - 1]).count_ones()).collect());
        let down_columns = mean(steps().map(|(j, k)| (b[k * size + j] ^ b[(k - 1) * size + j]).count_ones()).collect());
        let found = Activity::of(Dtype::F32, init, 9, size).unwrap();
        for (found, expected) in [
            (found.hamming_weight_a, weight(&a)),
            (found.hamming_weight_b, weight(&b)),
            (found.bit_flips_a, along_rows),
            (found.bit_flips_b, down_columns),
        ] {
            assert!((found - expected).abs() <= 5.1e-5, "{init} {size}: {found} {expected}");
        }
        if size <= 16 {
            // So few rows are all counted.
            let product = |i: usize, j: usize, k: usize| {
                (f32::from_bits(a[i * size + k]) * f32::from_bits(b[k * size + j])).to_bits()
            };
            let all = (0..size).flat_map(|i| steps().map(move |(j, k)| (i, j, k)));
            let products = mean(all.map(|(i, j, k)| (product(i, j, k) ^ product(i, j, k - 1)).count_ones()).collect());
            assert!((found.bit_flips_products - products).abs() <= 5.1e-5, "{init}: {found:?} {products}");
        }
    }
    assert_eq!(Activity::of(Dtype::F32, Init::Gaussian, 0, 1), None);
}

/// The figures that docs/INITS.md shows.
#[test]
fn what_switches_differs_from_init_to_init() {
    let line = |init: Init| {
        let Activity { hamming_weight_a, bit_flips_a, bit_flips_b, bit_flips_products, .. } =
            Activity::of(Dtype::F32, init, 0, 256).unwrap();
        format!("{init:<16} {hamming_weight_a:>5.2} {bit_flips_a:>5.2} {bit_flips_b:>5.2} {bit_flips_products:>5.2}\n")
    };
    insta::assert_snapshot!(Init::ALL.map(line).concat(), @"
    zeros             0.00  0.00  0.00  0.00
    ones              7.00  0.00  0.00  0.00
    constant:3.14159 11.00  0.00  0.00  0.00
    gaussian         17.74 13.60 13.60 13.99
    gaussian:1024    14.68 13.87 13.87 14.14
    uniform          16.83 12.49 12.49 13.53
    sparse:0.5        8.91 12.27 12.26  7.48
    ternary           5.00  3.55  3.56  3.97
    integers          3.29  3.48  3.50  3.57
    sorted           17.74 10.59 12.07 12.13
    mantissa:8       10.23  6.10  6.10 10.63
    positive         17.23 13.10 13.11 13.48
    ");
}

/// i8 has 8 wires an operand, and products of 16 bits that are summed in 32; f64 has twice the wires of f32.
#[test]
fn each_type_has_its_own_bits() {
    let of = |dtype| Activity::of(dtype, Init::Gaussian, 0, 128).unwrap();
    let bit_flips = Dtype::ALL.map(|dtype| of(dtype).bit_flips_a);
    let [f32, f16, f64, i8] = bit_flips;
    assert!(i8 < f16 && f16 < f32 && f32 < f64, "{bit_flips:?}");
    // Bits of random mantissas flip every other time: 29 more of them, 14.5 more bit flips, and some of 3 more of the exponent,
    // all of which turn where a magnitude passes 2.
    assert!((14.5..15.0).contains(&(f64 - f32)), "{bit_flips:?}");
    assert!(of(Dtype::I8).bit_flips_products > 10.0, "a product changes its sign, and with it the upper bits");
}
