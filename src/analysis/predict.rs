//! What other numbers would cost a card, by its law.

use super::law::Law;
use super::stats;
use crate::operands::{Activity, Init};
use crate::record::{Estimate, Record};

/// What operands cost that a card did not multiply. Every interval is of 95 %, as wide as such predictions were wrong of inits that the
/// law was not shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    pub power_w: Estimate,
    /// Of a product, in joules.
    pub energy_j: Estimate,
    /// The energy over that of inits of the record that were measured there: zeros and gaussian, where it has them.
    pub ratios: Vec<(Init, Estimate)>,
}

/// Applies the law of a record to operands of that activity, at the record's size, clock and kernel.
///
/// None where the record has no time of a product.
pub fn of(record: &Record, law: &Law, activity: &Activity) -> Option<Prediction> {
    let power_w = law.predict(activity);
    // Where nothing holds the clock down, time does not depend on the numbers; what it scatters makes energy less sure.
    let times: Vec<f64> = record.summary.inits.values().map(|init| init.time_s).collect();
    let time_s = times.iter().sum::<f64>() / times.len() as f64;
    let squares = times.iter().map(|time| (time / time_s - 1.0).powi(2)).sum::<f64>();
    let of_time = 2.0 * (squares / (times.len() as f64 - 1.0)).sqrt();
    if !time_s.is_finite() || time_s <= 0.0 {
        return None;
    }
    let energy_j = widened(stats::scaled(power_w, time_s), of_time);
    let ratio = |init: Init| {
        let measured_j = record.summary.inits.get(&init)?.energy_j.filter(|&joules| joules > 0.0)?;
        let scatter = record.summary.ratios.get(&init).and_then(|ratios| ratios.energy).map(half_width).unwrap_or(0.0);
        Some((init, widened(stats::scaled(energy_j, 1.0 / measured_j), scatter)))
    };
    Some(Prediction {
        power_w,
        energy_j,
        ratios: [Init::Zeros, Init::Gaussian].into_iter().filter_map(ratio).collect(),
    })
}

/// Of an interval, as a share of what it is of.
fn half_width(estimate: Estimate) -> f64 {
    let width = estimate.low.zip(estimate.high).map(|(low, high)| (high - low) / 2.0 / estimate.estimate);
    width.filter(|width| width.is_finite()).unwrap_or(0.0)
}

/// With one more source of doubt, independent of the others: so large a share of the estimate.
fn widened(estimate: Estimate, share: f64) -> Estimate {
    let more = share * estimate.estimate;
    let side =
        |side: f64| estimate.estimate + (side - estimate.estimate).signum() * (side - estimate.estimate).hypot(more);
    Estimate { low: estimate.low.map(side), high: estimate.high.map(side), ..estimate }
}
