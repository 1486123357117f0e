//! Watts by the bits that flip.

use super::stats;
use super::stats::Line;
use crate::operands::{Bits, Init};
use crate::record::{Flag, Record};

/// One init: the bits that flip in a multiplication, and the watts that were drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub init: Init,
    pub bit_flips: f64,
    pub power_w: f64,
}

/// The inits of a record whose power was measured and whose bits were counted, in the plan's order.
pub fn points(record: &Record, bits: Bits) -> Vec<Point> {
    let point = |&init: &Init| {
        let bit_flips = record.inputs.get(&init)?.activity?.bit_flips(bits);
        Some(Point { init, bit_flips, power_w: record.summary.inits.get(&init)?.power_w? })
    };
    record.plan.inits.iter().filter_map(point).collect()
}

/// Watts by bit flips: the straight line through the inits of a record, its slope in watts a bit, by the bits that explain
/// more of the difference.
///
/// None for fewer than three inits, and where the power limit held the clock: watts do not grow there, time does.
pub fn fit(record: &Record) -> Option<(Bits, Line)> {
    if record.verdict.flags.contains(&Flag::PowerCapped) {
        return None;
    }
    let of = |bits| {
        let points: Vec<(f64, f64)> =
            points(record, bits).iter().map(|point| (point.bit_flips, point.power_w)).collect();
        if points.len() < 3 { None } else { Some((bits, stats::line(&points)?)) }
    };
    let fits = [Bits::Products, Bits::Operands].into_iter().filter_map(of);
    fits.max_by(|a, b| a.1.explained.total_cmp(&b.1.explained))
}
