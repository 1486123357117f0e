//! What a simulated board draws by the numbers that it multiplies: a multiplier and an adder, wire by wire.
//!
//! It counts for itself. What the program says of an init's bits is no part of it, so that an atlas of a simulated board shows whether
//! the law finds what it should.

use super::random::Noise;
use crate::operands::{Init, Matrix, Operand};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How the watts that a product of Gaussian numbers costs above one of zeros are spread over the circuit. The shares add up to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circuit {
    /// Wires that are charged for each one that they carry.
    pub ones: f64,
    /// Wires that bring operands, by the bits that flip.
    pub operands: f64,
    /// Wires of the sum, likewise. A sum that has overflowed flips no more.
    pub sums: f64,
    /// What opens where an operand changes, by however many bits.
    pub changes: f64,
    /// The wire of the product's sign.
    pub signs: f64,
    /// What none of these is: each init costs so much more or less, as a standard deviation of shares. Each seed is a chip of its own.
    /// Of zeros and Gaussian numbers it is 0: their watts are published.
    pub hidden: f64,
    /// Does its compiler exchange rows and columns, as NVIDIA's does?
    pub by_column: bool,
}

/// As often as each part of the circuit does something, a multiply-add.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Switching {
    ones: f64,
    operands: f64,
    sums: f64,
    changes: f64,
    signs: f64,
}

impl Circuit {
    /// What an init costs above zeros, as a share of what Gaussian numbers do.
    pub fn share(&self, init: Init, seed: u64) -> f64 {
        let (of, gaussian) = (of_init(init, self.by_column), of_init(Init::Gaussian, self.by_column));
        let hidden = if matches!(init, Init::Zeros | Init::Gaussian) { 0.0 } else { self.hidden * chip(init, seed) };
        self.ones * of.ones / gaussian.ones
            + self.operands * of.operands / gaussian.operands
            + self.sums * of.sums / gaussian.sums
            + self.changes * of.changes / gaussian.changes
            + self.signs * of.signs / gaussian.signs
            + hidden
    }
}

/// A standard normal number of a chip and an init.
fn chip(init: Init, seed: u64) -> f64 {
    let digest = blake3::hash(init.to_string().as_bytes());
    let stream = digest.as_bytes().iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte));
    Noise::new(seed, stream).normal()
}

/// n of the matrices: enough for the mean, and quickly multiplied.
const SIZE: usize = 256;

/// Of an init, found out once a program.
fn of_init(init: Init, by_column: bool) -> Switching {
    static KNOWN: Mutex<BTreeMap<(Init, bool), Switching>> = Mutex::new(BTreeMap::new());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known().get(&(init, by_column)).copied();
    found.unwrap_or_else(|| {
        // Not under the lock: a thread that makes rows with others may be given a task that waits for it.
        let elements = |operand| {
            let mut elements = vec![0.0; SIZE * SIZE];
            Matrix { init, operand, seed: 0, size: SIZE }.rows(0, SIZE, &mut elements);
            elements
        };
        let switching = multiply(&elements(Operand::A), &elements(Operand::B), SIZE, by_column);
        *known().entry((init, by_column)).or_insert(switching)
    })
}

/// A workgroup of 16 × 16 threads, each with 8 × 8 sums, makes a tile of 128 × 128. Some threads of all tiles are watched.
const THREADS: usize = 16;
const TILE: usize = 128;
const WATCHED: [(usize, usize); 4] = [(0, 0), (0, 5), (TILE, 10), (TILE, 15)]; // where their tile begins, and which they are

fn multiply(a: &[f32], b: &[f32], size: usize, by_column: bool) -> Switching {
    let mut counted = Switching::default();
    let mut steps = 0.0;
    for ((top, y), (left, x)) in WATCHED.into_iter().flat_map(|y| WATCHED.map(|x| (y, x))) {
        let mut sums = [[0.0f32; 8]; 8];
        let mut wires: Option<[u32; 3]> = None;
        for k in 0..size {
            for step in 0..64 {
                let (row, column) = if by_column { (step % 8, step / 8) } else { (step / 8, step % 8) };
                let of_a = a[(top + y + THREADS * row) * size + k];
                let of_b = b[k * size + left + 4 * (x + THREADS * (column / 4)) + column % 4];
                let sum = &mut sums[row][column];
                *sum = (f64::from(of_a) * f64::from(of_b) + f64::from(*sum)) as f32;
                let now = [of_a, of_b, *sum].map(f32::to_bits);
                let flips = wires.map(|last| [0, 1, 2].map(|i| f64::from((now[i] ^ last[i]).count_ones())));
                if let (Some(flips), Some(last)) = (flips, wires) {
                    counted.operands += flips[0] + flips[1];
                    counted.sums += flips[2];
                    counted.changes += f64::from(u8::from(flips[0] + flips[1] > 0.0));
                    counted.signs += f64::from((now[0] ^ now[1] ^ last[0] ^ last[1]) >> 31);
                }
                counted.ones += f64::from(now[0].count_ones() + now[1].count_ones());
                wires = Some(now);
                steps += 1.0;
            }
        }
    }
    let Switching { ones, operands, sums, changes, signs } = counted;
    Switching {
        ones: ones / steps,
        operands: operands / steps,
        sums: sums / steps,
        changes: changes / steps,
        signs: signs / steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_has_overflowed_flips_no_more() {
        let of = |largest: f32| {
            let elements: Vec<f32> = (0..SIZE * SIZE).map(|i| largest / (1.0 + (i % 7) as f32)).collect();
            multiply(&elements, &elements, SIZE, false)
        };
        let (small, large) = (of(1.0), of(3e38));
        assert!(small.sums > 1.0 && large.sums < 0.01, "{small:?} {large:?}");
        assert!(large.operands > 1.0 && large.ones > 1.0, "the operands still do: {large:?}");
    }

    #[test]
    fn zeros_cost_nothing_and_gaussian_numbers_what_is_published() {
        let circuit =
            Circuit { ones: 0.2, operands: 0.3, sums: 0.3, changes: 0.1, signs: 0.1, hidden: 0.1, by_column: true };
        for seed in [0, 1] {
            assert_eq!(circuit.share(Init::Zeros, seed), 0.0);
            assert!((circuit.share(Init::Gaussian, seed) - 1.0).abs() < 1e-12);
        }
        assert_ne!(circuit.share(Init::Uniform, 0), circuit.share(Init::Uniform, 1));
    }
}
