//! The operands: matrices of an [`Init`], row by row.

use wattmul::operands::matrix::*;
fn matrix(init: Init, operand: Operand, seed: u64, size: usize) -> Matrix {
    Matrix { init, operand, seed, size }
}

/// The bits themselves: a change of sampler, library or seeding makes old records incomparable, and must be seen.
#[test]
fn gaussian_bits_are_the_same_on_every_machine_and_for_ever() {
    let mut row = [0.0; 4];
    matrix(Init::Gaussian, Operand::A, 0, 4).row(0, &mut row);
    assert_eq!(row.map(f32::to_bits), [1_068_521_570, 1_053_788_574, 3_214_483_287, 3_220_680_607]);
    let digest = |init, operand| matrix(init, operand, 0, 100).digest();
    insta::assert_snapshot!(digest(Init::Gaussian, Operand::A), @"ed4c7f347d8fa9c4a09cefe4c5df758cc3f45aa757232db2782081866f2f5eb9");
    insta::assert_snapshot!(digest(Init::Gaussian, Operand::B), @"a6092508c06068f02dcf20862cdb01fca4c8cdf4af784fd141bf0c06ab6d6a0d");
    insta::assert_snapshot!(digest(Init::Zeros, Operand::A), @"2a1d371e800520f76ffb59fcdb4760a3ec7243e57217020602b65bc76db29fdc");
}

#[test]
fn rows_do_not_depend_on_how_they_are_asked_for() {
    let m = matrix(Init::Gaussian, Operand::B, 7, 65);
    let mut together = vec![f32::NAN; 68 * 80];
    m.rows(0, 80, &mut together);
    let mut alone = vec![f32::NAN; 80];
    m.row(64, &mut alone);
    assert_eq!(together[64 * 80..65 * 80], alone[..]);
    assert!(alone[65..].iter().all(|x| x.to_bits() == 0), "columns are padded with zeros");
    assert!(together[65 * 80..].iter().all(|x| x.to_bits() == 0), "rows are padded with zeros");

    let mut digest = Digest::new(65);
    digest.update(&together, 80);
    assert_eq!(digest.finish(), m.digest(), "padding does not count");
}

#[test]
fn gaussian_has_mean_0_and_variance_1_and_rows_differ() {
    let m = matrix(Init::Gaussian, Operand::A, 1, 1000);
    let mut elements = vec![0.0; 1000 * 1000];
    m.rows(0, 1000, &mut elements);
    let mean = elements.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e6;
    let variance = elements.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / 1e6;
    assert!(mean.abs() < 0.005, "{mean}"); // five standard errors
    assert!((variance - 1.0).abs() < 0.0075, "{variance}");
    assert_ne!(elements[..1000], elements[1000..2000]);
    let b = matrix(Init::Gaussian, Operand::B, 1, 1000);
    assert_ne!(m.digest(), b.digest());
    assert_ne!(m.digest(), matrix(Init::Gaussian, Operand::A, 2, 1000).digest());
}
