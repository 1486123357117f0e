//! What a multiplier and an adder see of the operands of an init, counted in the very numbers that are multiplied, in the order in
//! which the kernel multiplies them.

use super::dtype::{Dtype, Element, Sum, with_element};
use super::init::Init;
use super::matrix::{Matrix, Operand};
use super::order::Order;
use crate::digits::round;
use bytemuck::Zeroable;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One count, with the standard error of its mean: C's elements are sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    pub mean: f64,
    pub error: f64,
}

/// What the operands of one init do to the wires. A step is what a thread does at once: one multiply-add, in i8 four, added to one sum.
/// A flip is a bit in which two words differ that follow each other at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// Ones in an element of A and one of B.
    pub ones: Mean,
    /// Flips of A's and B's elements together, from one multiply-add to the next.
    pub operand_flips: Mean,
    /// Flips between the partial sums of a step and of the next.
    pub sum_flips: Mean,
    /// The share of steps before which a bit of A or B changes.
    pub changes: Mean,
    /// The share of multiply-adds whose product has another sign than the one before.
    pub sign_flips: Mean,
    /// Ones in a partial sum.
    pub sum_ones: Mean,
}

/// One of the counts of [`Activity`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    Ones,
    OperandFlips,
    SumFlips,
    Changes,
    SignFlips,
    SumOnes,
}

impl Count {
    pub const ALL: [Count; 6] =
        [Count::Ones, Count::OperandFlips, Count::SumFlips, Count::Changes, Count::SignFlips, Count::SumOnes];

    /// In words, as a heading.
    pub fn name(self) -> &'static str {
        match self {
            Count::Ones => "ones of the operands",
            Count::OperandFlips => "bit flips of the operands",
            Count::SumFlips => "bit flips of the sums",
            Count::Changes => "steps with a new operand",
            Count::SignFlips => "sign flips of the products",
            Count::SumOnes => "ones of the sums",
        }
    }
}

impl Activity {
    /// The mean of a count.
    pub fn of_count(&self, count: Count) -> Mean {
        match count {
            Count::Ones => self.ones,
            Count::OperandFlips => self.operand_flips,
            Count::SumFlips => self.sum_flips,
            Count::Changes => self.changes,
            Count::SignFlips => self.sign_flips,
            Count::SumOnes => self.sum_ones,
        }
    }

    /// Counts in a sample of threads, each all along k, on all cores. Every row of B is made once more, and of A those of the sample.
    pub fn of(dtype: Dtype, init: Init, seed: u64, size: usize, order: Order) -> Self {
        with_element!(dtype, T => Sample::<T>::of(init, seed, size, order).count(order))
    }

    /// The same in that order, and in that with rows and columns exchanged, where there is one.
    pub fn of_both(dtype: Dtype, init: Init, seed: u64, size: usize, order: Order) -> (Self, Option<Self>) {
        with_element!(dtype, T => {
            let sample = Sample::<T>::of(init, seed, size, order);
            (sample.count(order), order.exchanged().map(|exchanged| sample.count(exchanged)))
        })
    }
}

/// What some threads multiply.
struct Sample<T> {
    size: usize,
    threads: Vec<Operands<T>>,
}

struct Operands<T> {
    /// A thread's rows of A, each along k.
    rows: Vec<Vec<T>>,
    /// Its columns of B, side by side for each k.
    columns: Vec<T>,
}

impl<T: Element> Sample<T> {
    fn of(init: Init, seed: u64, size: usize, order: Order) -> Self {
        let matrix = |operand| Matrix { init, operand, seed, size };
        let (a, b) = (matrix(Operand::A), matrix(Operand::B));
        let (scale_a, scale_b) = (T::scale(&a), T::scale(&b));
        let rows: Vec<usize> = (0..order.rows as usize).map(|row| order.row(row)).collect();
        let columns: Vec<usize> = (0..order.columns as usize).map(|column| order.column(column)).collect();
        let threads = threads(size, &rows, &columns);

        // The threads' columns of B, word by word along k.
        let all_columns: Vec<usize> =
            threads.iter().flat_map(|thread| columns.iter().map(move |column| (thread.1 + column) % size)).collect();
        let mut of_b = vec![T::zeroed(); size * all_columns.len()];
        of_b.par_chunks_mut(all_columns.len()).enumerate().for_each_init(
            || vec![T::zeroed(); size],
            |row, (k, out)| {
                T::row(&b, scale_b, k, row);
                out.iter_mut().zip(&all_columns).for_each(|(out, &column)| *out = row[column]);
            },
        );
        let operands = threads.par_iter().enumerate().map(|(number, thread)| {
            let row = |row: &usize| {
                let mut elements = vec![T::zeroed(); size];
                T::row(&a, scale_a, (thread.0 + row) % size, &mut elements);
                elements
            };
            let own = number * columns.len()..(number + 1) * columns.len();
            let columns = of_b.chunks(all_columns.len()).flat_map(|of_k| of_k[own.clone()].iter().copied());
            Operands { rows: rows.iter().map(row).collect(), columns: columns.collect() }
        });
        Sample { size, threads: operands.collect() }
    }

    fn count(&self, order: Order) -> Activity {
        let columns = order.columns as usize;
        let of_thread = |Operands { rows, columns: of_b }: &Operands<T>| {
            walk(order, self.size, |row, k| rows[row][k], |k, column| of_b[k * columns + column])
        };
        let counted: Vec<[f64; 6]> = self.threads.par_iter().map(of_thread).collect();
        let [ones, operand_flips, sum_flips, changes, sign_flips, sum_ones] =
            std::array::from_fn(|count| mean(counted.iter().map(|thread| thread[count])));
        Activity { ones, operand_flips, sum_flips, changes, sign_flips, sum_ones }
    }
}

/// Threads in the sample.
const THREADS: usize = 32;

/// Where each thread of the sample begins in C, row and column: evenly over the whole (a lattice of the golden ratio).
fn threads(size: usize, rows: &[usize], columns: &[usize]) -> Vec<(usize, usize)> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let place = |share: f64, offsets: &[usize]| {
        // A matrix that is smaller than what a thread spans begins again.
        let places = size.saturating_sub(offsets.last().copied().unwrap_or(0)).max(1);
        (share * places as f64) as usize
    };
    let thread = |thread: usize| {
        let along = (thread as f64 + 0.5) / THREADS as f64;
        (place(along, rows), place((GOLDEN * (thread as f64 + 1.0)).fract(), columns))
    };
    (0..THREADS).map(thread).collect()
}

/// The counts of one thread, in the order of [`Activity`]. `a` gives the element of a row and k, `b` that of k and a column, both in
/// the thread's own numbers.
fn walk<T: Element>(
    order: Order,
    size: usize,
    a: impl Fn(usize, usize) -> T,
    b: impl Fn(usize, usize) -> T,
) -> [f64; 6] {
    let columns = order.columns as usize;
    let mut sums = vec![T::Sum::zeroed(); order.rows as usize * columns];
    // Elements along k that are multiplied at once, of which the last word may lack some: padding, which is zeros.
    let width = T::IN_WORD;
    let element = |of: &dyn Fn(usize) -> T, word: usize, part: usize| {
        let k = word * width + part;
        if k < size { of(k) } else { T::zeroed() }
    };
    let steps: Vec<(usize, usize, usize)> = order.steps().collect();
    let (mut ones, mut operand_flips, mut sum_flips, mut changes, mut sign_flips, mut sum_ones) = (0, 0, 0, 0, 0, 0);
    let (mut done, mut last_sum) = (0u64, 0);
    let mut last = vec![(0, 0, false); width];
    let words = size.div_ceil(width);
    for block in (0..words).step_by(order.depth as usize) {
        for &(row, column, word) in steps.iter().filter(|step| block + step.2 < words) {
            let mut sum = sums[row * columns + column];
            let mut changed = 0;
            for (part, last) in last.iter_mut().enumerate() {
                let word = block + word;
                let (x, y) = (element(&|k| a(row, k), word, part), element(&|k| b(k, column), word, part));
                sum = x.multiply_add(y, sum);
                let now = (x.bits(), y.bits(), x.is_negative() != y.is_negative());
                ones += u64::from(now.0.count_ones() + now.1.count_ones());
                if done > 0 {
                    let flips = (now.0 ^ last.0).count_ones() + (now.1 ^ last.1).count_ones();
                    changed += flips;
                    sign_flips += u64::from(now.2 != last.2);
                }
                *last = now;
            }
            let bits = sum.bits();
            sum_ones += u64::from(bits.count_ones());
            if done > 0 {
                operand_flips += u64::from(changed);
                changes += u64::from(changed > 0);
                sum_flips += u64::from((bits ^ last_sum).count_ones());
            }
            (last_sum, sums[row * columns + column]) = (bits, sum);
            done += 1;
        }
    }
    let per = |count: u64, steps: u64| count as f64 / steps.max(1) as f64;
    let (next, width) = (done - 1, width as u64);
    [
        per(ones, done * width),
        per(operand_flips, next * width),
        per(sum_flips, next),
        per(changes, next),
        per(sign_flips, next * width),
        per(sum_ones, done),
    ]
}

/// Over the threads.
fn mean(counted: impl Iterator<Item = f64> + Clone) -> Mean {
    let threads = THREADS as f64;
    let mean = counted.clone().sum::<f64>() / threads;
    let squares = counted.map(|count| (count - mean).powi(2)).sum::<f64>();
    Mean { mean: round(mean, 4), error: round((squares / (threads - 1.0) / threads).sqrt(), 4) }
}
