//! What the matrices can be filled with. Each formula is exact arithmetic on a seeded stream, so that it gives the same bits

use std::collections::BTreeMap;
use wattmul::operands::init::*;
use wattmul::operands::{Matrix, Operand};

fn elements(init: Init, operand: Operand, size: usize) -> Vec<f32> {
    let mut elements = vec![f32::NAN; size * size];
    Matrix { init, operand, seed: 0, size }.rows(0, size, &mut elements);
    elements
}

/// The bits themselves: a change of a formula makes old records incomparable, and must be seen.
#[test]
fn bits_of_every_init_are_the_same_on_every_machine_and_for_ever() {
    let digest = |init, operand| Matrix { init, operand, seed: 0, size: 100 }.digest()[..16].to_owned();
    let line = |init: Init| format!("{init:<16} {} {}\n", digest(init, Operand::A), digest(init, Operand::B));
    insta::assert_snapshot!(Init::ALL.map(line).concat(), @"
    zeros            2a1d371e800520f7 2a1d371e800520f7
    ones             c38f5f597b46b40b c38f5f597b46b40b
    constant:3.14159 35c4fec8ffcfc045 35c4fec8ffcfc045
    gaussian         ed4c7f347d8fa9c4 a6092508c06068f0
    gaussian:1024    811951bacd9b1310 50f13e6dc97bd53c
    uniform          b51f0aa267ce794b a832cacdb969d23d
    sparse:0.5       b16266dbb6484147 27c39d5e5239acce
    ternary          f3e8ffaff0ae1d64 6f9510be87a63d6f
    integers         29a0ce3e7c5a38c0 cc8da8434aed8b35
    sorted           d1ba508cb9cd8635 3bffd3ad28457939
    mantissa:8       6cf3a6bdb5aa50e4 a84d7a5e732037a6
    positive         5cb3c95863414938 04a59b77a87b7853
    octave           5a799a0e9cbb36d6 32e472b32b6aec49
    signs            83475559f3194b2f 3b7f0279c1105f2d
    ramp             33057ad9bbb7a040 222a67aed077f44f
    equal-rows       f4e4cc64ad0f781a df571a007ebe7995
    equal-columns    3e17a37d31459376 ceaada620eca5c92
    constant:-1.9999 a949a0fb580c97c6 a949a0fb580c97c6
    sparse:0.2       686550f4c7aea9ff 075e4b53303a4743
    sparse:0.9       73257c6373720d5e 63cad88b4d32b505
    ");
}

#[test]
fn every_init_is_what_it_says() {
    const SIZE: usize = 300;
    let of = |text: &str| elements(text.parse().unwrap(), Operand::A, SIZE);
    let share = |elements: &[f32], fits: &dyn Fn(f32) -> bool| {
        elements.iter().filter(|&&element| fits(element)).count() as f64 / elements.len() as f64
    };
    let near = |share: f64, expected: f64| (share - expected).abs() < 0.01; // six standard errors
    let gaussian = of("gaussian");
    assert!(of("ones").iter().all(|&x| x == 1.0) && of("constant:-2.5").iter().all(|&x| x == -2.5));
    assert!(of("gaussian:1024").iter().zip(&gaussian).all(|(&x, &g)| x == 1024.0 * g));

    let uniform = of("uniform");
    assert!(uniform.iter().all(|x| (-1.0..1.0).contains(x)));
    assert!([-0.5, 0.0, 0.5].iter().zip([0.25, 0.5, 0.75]).all(|(&at, part)| near(share(&uniform, &|x| x < at), part)));

    let sparse = of("sparse:0.25");
    assert!(near(share(&sparse, &|x| x.to_bits() == 0), 0.25));
    assert!(sparse.iter().zip(&gaussian).all(|(&x, &g)| x == 0.0 || x == g));

    let ternary = of("ternary");
    assert!([-1.0, 0.0, 1.0].iter().all(|&value| near(share(&ternary, &|x| x == value), 1.0 / 3.0)));
    let integers = of("integers");
    assert!((-8..=8).all(|value| near(share(&integers, &|x| x == value as f32), 1.0 / 17.0)));

    let mut rows: Vec<Vec<f32>> = gaussian.chunks(SIZE).map(<[f32]>::to_vec).collect();
    rows.iter_mut().for_each(|row| row.sort_by(f32::total_cmp));
    assert_eq!(of("sorted"), rows.concat());

    let cut = |&x: &f32| f32::from_bits(x.to_bits() & 0xffff_8000);
    assert_eq!(of("mantissa:8"), gaussian.iter().map(cut).collect::<Vec<_>>());
    assert!(of("mantissa:0").iter().all(|x| x.to_bits() << 9 == 0));
    assert_eq!(of("positive"), gaussian.iter().map(|x| x.abs()).collect::<Vec<_>>());

    let octave = of("octave");
    assert!(octave.iter().all(|x| (1.0..2.0).contains(x)) && near(share(&octave, &|x| x < 1.25), 0.25));
    let signs = of("signs");
    assert!(signs.iter().all(|x| x.abs() == 1.0) && near(share(&signs, &|x| x > 0.0), 0.5));
    // Each column has one number in each 300th of [-1, 1), in ascending order.
    for (row, numbers) in of("ramp").chunks(SIZE).enumerate() {
        let from = |row: usize| (2.0 * row as f64 / SIZE as f64 - 1.0) as f32;
        assert!(numbers.iter().all(|x| (from(row)..=from(row + 1)).contains(x)), "{row}");
    }
    assert!(of("equal-rows").chunks(SIZE).all(|row| row == &gaussian[..SIZE]));
    let (equal, first) = (of("equal-columns"), gaussian.iter().step_by(SIZE));
    assert!(equal.chunks(SIZE).zip(first).all(|(row, first)| row.iter().all(|x| x == first)));
}

#[test]
fn an_init_has_one_name_by_which_it_is_read_back() {
    for (text, name) in [
        ("gaussian:1024", "gaussian:1024"),
        ("gaussian:1.024e3", "gaussian:1024"),
        ("gaussian:1", "gaussian"),
        ("constant:3.14159", "constant:3.14159"),
        ("constant:1e10", "constant:1e10"),
        ("constant:-0", "zeros"),
        ("constant:1.0", "ones"),
        ("sparse:.5", "sparse:0.5"),
        ("mantissa:08", "mantissa:8"),
    ] {
        let init: Init = text.parse().unwrap();
        assert_eq!((init.to_string().as_str(), init.to_string().parse()), (name, Ok(init)), "{text}");
    }
    let map: BTreeMap<Init, u32> = Init::ALL.into_iter().zip(0..).collect();
    let json = serde_json::to_string(&map).unwrap();
    assert!(
        json.starts_with(r#"{"zeros":0,"ones":1,"constant:-1.9999":17,"constant:3.14159":2,"gaussian":3"#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<BTreeMap<Init, u32>>(&json).unwrap(), map);
    assert!(serde_json::from_str::<Init>(r#""gauss""#).is_err());
}

#[test]
fn what_is_no_init_is_told_what_is() {
    for (text, fix) in [
        ("ones!", "zeros, ones, constant:3.14159"),
        ("", "zeros, ones"),
        ("Zeros", "zeros, ones"),
        ("zeros:0", "leave out what follows 'zeros'"),
        ("positive:", "leave out what follows 'positive'"),
        ("sparse", "sparse:0.5"),
        ("sparse:1.5", "above 0 and below 1"),
        ("sparse:0", "above 0"),
        ("sparse:NaN", "above 0"),
        ("mantissa", "mantissa:8"),
        ("mantissa:99", "from 0 to 22"),
        ("mantissa:-1", "from 0 to 22"),
        ("mantissa:2.5", "from 0 to 22"),
        ("constant", "constant:3.14159"),
        ("constant:inf", "1e-12 to 1e12"),
        ("constant:1e30", "1e-12 to 1e12"),
        ("gaussian:", "gaussian:1024"),
        ("gaussian:-1", "1e-12 to 1e12"),
        ("gaussian:0", "1e-12 to 1e12"),
    ] {
        let error = text.parse::<Init>().unwrap_err().to_string();
        assert!(error.contains(fix) && !error.contains('\n'), "{text}: {error}");
    }
}
