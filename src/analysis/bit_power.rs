//! Watts by the bits that flip.
//!
//! Two counts of bits are tried, and the one that explains more is taken: its intervals pay for the choice.

use super::stats;
use super::stats::Line;
use crate::operands::{Bits, Init};
use crate::record::{Estimate, Flag, Record};

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
/// Whoever takes the best of two lines has two chances to be wrong. The intervals are Bonferroni's: each holds with 97.5 %, so that
/// both hold together with 95 % at least, whichever is taken.
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
    let fits: Vec<(Bits, Line)> = fits.collect();
    let tried = fits.len() as f64;
    let (bits, line) = fits.into_iter().max_by(|a, b| a.1.explained.total_cmp(&b.1.explained))?;
    let freedom = points(record, bits).len() as f64 - 2.0;
    let wider = |estimate| chosen_of(estimate, tried, freedom);
    Some((bits, Line { intercept: wider(line.intercept), slope: wider(line.slope), ..line }))
}

/// The same estimate with the interval of the best of so many.
fn chosen_of(estimate: Estimate, tried: f64, freedom: f64) -> Estimate {
    let wide = stats::quantile_of(1.0 - (1.0 - stats::CONFIDENCE) / tried, freedom);
    let factor = wide.zip(stats::quantile(freedom)).map(|(wide, usual)| wide / usual);
    let side = |side: Option<f64>| Some(estimate.estimate + (side? - estimate.estimate) * factor?);
    Estimate { low: side(estimate.low), high: side(estimate.high), ..estimate }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of Student's t: of 10 degrees of freedom 2.2281 at 95 %, 2.6338 at 97.5 %.
    #[test]
    fn the_best_of_two_has_a_wider_interval_than_the_only_one() {
        let line = Estimate { estimate: 2.0, low: Some(1.0), high: Some(3.0), combined: None };
        let wider = chosen_of(line, 2.0, 10.0);
        let reach = 2.633_77 / 2.228_14;
        assert!((wider.high.unwrap() - 2.0 - reach).abs() < 1e-4 && (wider.low.unwrap() - 2.0 + reach).abs() < 1e-4);
        assert_eq!(chosen_of(line, 1.0, 10.0), line);
        assert_eq!(chosen_of(Estimate { low: None, high: None, ..line }, 2.0, 0.0).low, None);
    }
}
