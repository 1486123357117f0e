//! What multipliers and adders see, counted by the program and one by one.

use wattmul::operands::Order;
use wattmul::operands::activity::*;
use wattmul::operands::dtype::Dtype;
use wattmul::operands::init::Init;
use wattmul::operands::matrix::{Matrix, Operand};

/// Every step of every thread of a small product, with numbers for wires: the same means as those of a sample, within six of its errors.
#[test]
fn bits_are_counted_as_they_are() {
    let direct = Order {
        rows: 8,
        rows_together: 1,
        row_step: 1,
        columns: 16,
        four_step: 4,
        rows_inside: false,
        depth: 4,
        transposed: false,
    };
    for (init, size, order) in [
        (Init::Gaussian, 128, Order::default()),
        (Init::Sorted, 128, Order::default()),
        (Init::EqualColumns, 128, Order::default()),
        (Init::Integers, 128, direct),
        ("sparse:0.9".parse().unwrap(), 96, direct),
    ] {
        let elements = |operand| {
            let mut elements = vec![0.0f32; size * size];
            Matrix { init, operand, seed: 9, size }.rows(0, size, &mut elements);
            elements
        };
        let (a, b) = (elements(Operand::A), elements(Operand::B));
        // First rows and columns of threads that make the whole product between them.
        let (rows, columns) = match order.depth {
            1 => ((0..16).map(|y| 4 * y).collect::<Vec<usize>>(), (0..16).map(|x| 4 * x).collect::<Vec<usize>>()),
            _ => ((0..size).step_by(8).collect(), (0..size).step_by(16).collect()),
        };
        let mut threads: Vec<[f64; 6]> = vec![];
        for (top, left) in rows.iter().flat_map(|&top| columns.iter().map(move |&left| (top, left))) {
            let mut sums = vec![0.0f32; size * size];
            let mut last: Option<[u32; 3]> = None;
            let (mut counts, mut steps) = ([0.0; 6], 0.0);
            for block in (0..size).step_by(order.depth as usize) {
                let (rows, fours) = (order.rows as usize, order.columns as usize / 4);
                for outer in 0..if order.rows_inside { fours } else { rows } {
                    for inner in 0..if order.rows_inside { rows } else { fours } {
                        let (i, four) = if order.rows_inside { (inner, outer) } else { (outer, inner) };
                        for k in block..(block + order.depth as usize).min(size) {
                            for lane in 0..4 {
                                let row = top + if order.depth == 1 { i / 4 * 64 + i % 4 } else { i };
                                let column = left + four * order.four_step as usize + lane;
                                let (x, y) = (a[row * size + k], b[k * size + column]);
                                let sum = &mut sums[row * size + column];
                                *sum = x.mul_add(y, *sum);
                                let now = [x, y, *sum].map(f32::to_bits);
                                let ones = now.map(u32::count_ones).map(f64::from);
                                (counts[0], counts[5]) = (counts[0] + ones[0] + ones[1], counts[5] + ones[2]);
                                if let Some(last) = last {
                                    let flips = [0, 1, 2].map(|i| f64::from((now[i] ^ last[i]).count_ones()));
                                    counts[1] += flips[0] + flips[1];
                                    counts[2] += flips[2];
                                    counts[3] += f64::from(u8::from(flips[0] + flips[1] > 0.0));
                                    let sign = |[x, y, _]: [u32; 3]| (x ^ y) >> 31;
                                    counts[4] += f64::from(u8::from(sign(now) != sign(last)));
                                }
                                (last, steps) = (Some(now), steps + 1.0);
                            }
                        }
                    }
                }
            }
            let per = [steps, steps - 1.0, steps - 1.0, steps - 1.0, steps - 1.0, steps];
            threads.push(std::array::from_fn(|i| counts[i] / per[i]));
        }
        let found = Activity::of(Dtype::F32, init, 9, size, order);
        for (i, count) in Count::ALL.into_iter().enumerate() {
            let expected = threads.iter().map(|thread| thread[i]).sum::<f64>() / threads.len() as f64;
            let Mean { mean, error } = found.of_count(count);
            assert!((mean - expected).abs() <= 6.0 * error + 1e-4, "{init} {count:?}: {mean} ± {error}, {expected}");
            assert!(error <= 0.05 * expected.max(1.0), "{init} {count:?}: ± {error}");
        }
    }
}

/// One thread makes the whole of a product of 8 × 8: what it does is counted to the last bit.
#[test]
fn a_product_of_one_thread_is_counted_to_the_last_bit() {
    let order = Order {
        rows: 8,
        rows_together: 1,
        row_step: 1,
        columns: 8,
        four_step: 4,
        rows_inside: false,
        depth: 1,
        transposed: false,
    };
    for dtype in Dtype::ALL {
        let of = |init| Activity::of(dtype, init, 0, 8, order);
        let zeros = of(Init::Zeros);
        assert!(Count::ALL.into_iter().all(|count| zeros.of_count(count).mean == 0.0), "{zeros:?}");
        assert!(Count::ALL.into_iter().all(|count| of(Init::Gaussian).of_count(count).error == 0.0), "{dtype}");
        let ones = of(Init::Ones);
        assert_eq!((ones.operand_flips.mean, ones.changes.mean, ones.sign_flips.mean), (0.0, 0.0, 0.0));
    }
    // Sums of 1 to 8 in each of the 64 sums: they flip where k goes on, 7 times in 511 steps, by the bits of neighbouring numbers.
    let sums = |dtype| Activity::of(dtype, Init::Ones, 0, 8, order).sum_flips.mean;
    let flips: u32 = (1..8u32).map(|k| ((k as f32).to_bits() ^ (k as f32 + 1.0).to_bits()).count_ones()).sum();
    assert_eq!(sums(Dtype::F32), (f64::from(flips) / 511.0 * 1e4).round() / 1e4);
    // Whole numbers go four by four: 4 and 8, over 128 steps.
    assert_eq!(sums(Dtype::I8), (f64::from((4u32 ^ 8).count_ones()) / 127.0 * 1e4).round() / 1e4);
    let one = Activity::of(Dtype::F32, Init::Gaussian, 0, 1, Order::default());
    assert!(one.ones.mean > 0.0 && one.operand_flips.mean == 0.0, "an n of 1 is counted too: {one:?}");
}

/// The figures that docs/INITS.md shows.
#[test]
fn what_switches_differs_from_init_to_init() {
    let line = |init: Init| {
        let of = Activity::of(Dtype::F32, init, 0, 256, Order::default());
        let counts = Count::ALL.map(|count| format!("{:>6.2}", of.of_count(count).mean));
        format!("{init:<19} {}\n", counts.join(" "))
    };
    insta::assert_snapshot!(Init::ALL.map(line).concat(), @"
    zeros                 0.00   0.00   0.00   0.00   0.00   0.00
    ones                 14.00   0.00   0.03   0.00   0.00   5.84
    constant:3.14159     22.00   0.00   0.16   0.00   0.00  14.58
    gaussian             35.46  16.99  14.61   1.00   0.50  14.63
    gaussian:1024        29.37  17.33  13.31   1.00   0.50  15.71
    uniform              33.64  15.60  15.52   1.00   0.50  15.55
    sparse:0.5           17.82  15.35  15.35   0.80   0.40  14.95
    ternary               9.97   4.46   3.88   0.72   0.45   3.52
    integers              6.59   4.37   5.53   0.96   0.50   6.56
    sorted               35.50  13.94  11.34   1.00   0.03  14.40
    mantissa:8           20.46   7.62  14.45   1.00   0.50  14.24
    positive             34.46  16.37  11.66   1.00   0.00  14.02
    octave               37.02  14.36  10.62   1.00   0.00  14.56
    signs                15.00   0.63   3.53   0.56   0.50   3.75
    ramp                 35.53  11.93   8.96   1.00   0.02  14.52
    equal-rows           35.61  13.87  14.44   1.00   0.50  15.32
    equal-columns        35.04   3.65   3.62   0.25   0.12  14.56
    constant:-1.9999     52.00   0.00   0.09   0.00   0.00  16.86
    sparse:0.2           28.38  17.94  14.87   0.97   0.48  14.74
    sparse:0.9            3.59   4.17  12.68   0.23   0.12  11.18
    ");
}

/// i8 has 8 wires an operand, and sums of 32 bits; f64 has twice the wires of f32.
#[test]
fn each_type_has_its_own_bits() {
    let of = |dtype| Activity::of(dtype, Init::Gaussian, 0, 128, Order::default());
    let [f32, f16, f64, i8] = Dtype::ALL.map(|dtype| of(dtype).operand_flips.mean);
    assert!(i8 < f16 && f16 < f32 && f32 < f64, "{i8} {f16} {f32} {f64}");
    // Bits of random mantissas flip every other time: 29 more of them, and some of 3 more of the exponent, at one operand in each step
    // and at the other in each fourth.
    assert!((14.5 * 1.25..15.5 * 1.25).contains(&(f64 - f32)), "{f64} {f32}");
    assert!(of(Dtype::I8).sum_flips.mean > 10.0, "a sum changes its sign, and with it the upper bits");
}

#[test]
fn an_order_that_no_kernel_has_is_not_sound() {
    let sound = Order::default();
    assert!(sound.is_sound());
    for order in [
        Order { rows: 0, ..sound },
        Order { columns: 6, ..sound },
        Order { depth: 1 << 20, ..sound },
        Order { rows: 4000, columns: 4000, ..sound },
    ] {
        assert!(!order.is_sound(), "{order:?}");
    }
}

#[test]
fn rows_and_columns_are_exchanged_in_every_order() {
    for (rows_inside, depth, (rows, columns)) in [true, false].into_iter().flat_map(|inside| {
        [1, 4].into_iter().flat_map(move |depth| [(8, 16), (16, 8), (4, 4)].map(|part| (inside, depth, part)))
    }) {
        let order = Order { rows, columns, rows_inside, depth, ..Order::default() };
        let turned = Order { rows: columns, columns: rows, ..order };
        let exchanged = order.exchanged().unwrap();
        let steps: Vec<_> = turned.steps().map(|(row, column, word)| (column, row, word)).collect();
        assert_eq!(exchanged.steps().collect::<Vec<_>>(), steps, "{order:?}");
        assert_eq!(exchanged.exchanged(), Some(order));
    }
    // Rows that do not go by four cannot take the columns' place.
    assert_eq!(Order { rows: 6, ..Order::default() }.exchanged(), None);
}

/// A part of C in which an element of B stays while rows of A go by: A's elements flip where its rows differ, not where B's columns do.
#[test]
fn the_exchanged_order_sees_the_other_operand() {
    let flips = |init, order| Activity::of(Dtype::F32, init, 0, 256, order).operand_flips.mean;
    let (order, exchanged) = (Order::default(), Order::default().exchanged().unwrap());
    assert!(flips(Init::EqualRows, order) > 2.0 * flips(Init::EqualColumns, order));
    assert!(flips(Init::EqualColumns, exchanged) > 2.0 * flips(Init::EqualRows, exchanged));
}
