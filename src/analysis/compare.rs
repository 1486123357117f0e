//! Two records against each other: is what one GPU pays for data the same as what the other pays?

use super::stats;
use super::stats::Measured;
use super::summary::freedom;
use crate::operands::Init;
use crate::record::{Estimate, Ratios, Record, Status};
use std::fmt;

/// Two ratios are the same if their difference is surely smaller than this share of them.
pub(crate) const SAME_SHARE: f64 = 0.01;

/// One init's ratio in record A against the same in record B.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub reference: Init,
    pub init: Init,
    pub quantity: Quantity,
    pub a: Ratios,
    pub b: Ratios,
    /// Of the ratios of `quantity`, A − B. Between two boards, its interval is of both types of uncertainty: of scatter, and of what is
    /// known of their sensors.
    pub difference: Estimate,
    /// Is the sensors' part in that interval? On one board, sensors are wrong alike.
    pub combined: bool,
    pub conclusion: Conclusion,
}

/// What is compared: energy, if both records have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    Energy,
    Time,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Quantity::Energy => "energy",
            Quantity::Time => "time",
        })
    }
}

/// What the interval of the difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It lies within ± [`SAME_SHARE`].
    Same,
    /// It lies above 0, and not all of it within that.
    AHigher,
    BHigher,
    /// It is too wide, or there is none.
    CannotTell,
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Conclusion::Same => "same",
            Conclusion::AHigher => "A higher",
            Conclusion::BHigher => "B higher",
            Conclusion::CannotTell => "cannot tell",
        })
    }
}

/// One comparison an init; or why two records do not compare, a sentence each.
pub type Outcome = Result<Vec<Comparison>, Vec<String>>;

/// Compares every init that both records have.
///
/// # Errors
/// Why they do not compare.
pub fn of(a: &Record, b: &Record) -> Outcome {
    let refusals = refusals(a, b);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let reference = a.plan.inits[0]; // `refusals` saw that there is one, and that it is the same
    let both = a.plan.inits[1..].iter().filter(|init| b.plan.inits.contains(init));
    let comparisons: Vec<Comparison> = both.filter_map(|&init| comparison(a, b, reference, init)).collect();
    if comparisons.is_empty() {
        return Err(vec!["they have no ratio in common: neither of energy nor of time".into()]);
    }
    Ok(comparisons)
}

/// Two records compare when protocol, units, type, size and the numbers themselves are equal, and both may be believed.
fn refusals(a: &Record, b: &Record) -> Vec<String> {
    let mut refusals = vec![];
    let mut differ = |what: &str, a: String, b: String| {
        if a != b {
            refusals.push(format!("{what} differs: {a} in A, {b} in B"));
        }
    };
    let kind = |record: &Record| if record.truth.is_some() { "simulated" } else { "measured" };
    differ("what they are", kind(a).into(), kind(b).into());
    differ("the protocol", a.protocol.clone(), b.protocol.clone());
    differ("which units multiply", a.plan.units.name().into(), b.plan.units.name().into());
    differ("the type", a.plan.dtype.name().into(), b.plan.dtype.name().into());
    differ("n", a.plan.size.to_string(), b.plan.size.to_string());
    let reference = |record: &Record| record.plan.inits.first().map(Init::to_string).unwrap_or_default();
    differ("the reference", reference(a), reference(b));
    // Simulated boards have no matrices, and their seed is that of the noise. Other sizes are other numbers anyway.
    let same_so_far = refusals.is_empty() && a.truth.is_none();
    for init in a.plan.inits.iter().filter(|init| same_so_far && b.plan.inits.contains(init)) {
        let digests = |record: &Record| record.inputs.get(init).map(|i| (i.digest_a.clone(), i.digest_b.clone()));
        if digests(a) != digests(b) {
            let (a, b) = (a.plan.seed, b.plan.seed);
            refusals.push(match init {
                Init::Own(_) => format!("the numbers of {init} differ, though they are called alike"),
                _ => format!("the numbers of {init} differ: their seeds are {a} in A and {b} in B"),
            });
        }
    }
    for (name, record) in [("A", a), ("B", b)] {
        if record.verdict.is_invalid() {
            let why =
                record.verdict.reasons.first().map(|reason| reason.message.as_str()).unwrap_or("nothing says why");
            refusals.push(format!("{name} is invalid: {why}"));
        }
    }
    refusals
}

fn comparison(a: &Record, b: &Record, reference: Init, init: Init) -> Option<Comparison> {
    let (of_a, of_b) = (*a.summary.ratios.get(&init)?, *b.summary.ratios.get(&init)?);
    let (quantity, ratio_a, ratio_b) = match (of_a.energy, of_b.energy, of_a.time, of_b.time) {
        (Some(a), Some(b), ..) => (Quantity::Energy, a, b),
        (.., Some(a), Some(b)) => (Quantity::Time, a, b),
        _ => return None,
    };
    let difference = stats::difference(
        Measured { ratio: ratio_a, freedom: freedom(a, init) },
        Measured { ratio: ratio_b, freedom: freedom(b, init) },
    );
    let sensors = if same_sensor(a, b) { None } else { both_types(ratio_a, ratio_b) };
    let combined = sensors.is_some();
    let difference = sensors.unwrap_or(difference);
    let conclusion = conclusion_of(difference, SAME_SHARE * ratio_a.estimate.min(ratio_b.estimate));
    Some(Comparison { reference, init, quantity, a: of_a, b: of_b, difference, combined, conclusion })
}

/// Were both measured by a sensor of the same kind on a board of the same name? Its offset is then taken to be the same.
fn same_sensor(a: &Record, b: &Record) -> bool {
    let kind = |record: &Record| {
        record.source.as_ref().map(|source| (source.api.clone(), source.scope, source.device.clone()))
    };
    a.adapter.name == b.adapter.name && kind(a) == kind(b)
}

/// The difference of two ratios by their combined intervals, as two sensors that are wrong independently of each other leave it: the
/// half-widths add up as squares do.
pub fn both_types(a: Estimate, b: Estimate) -> Option<Estimate> {
    let (of_a, of_b) = (a.combined?, b.combined?);
    let middle = (of_a.low + of_a.high - of_b.low - of_b.high) / 2.0;
    let half = ((of_a.high - of_a.low) / 2.0).hypot((of_b.high - of_b.low) / 2.0);
    let estimate = a.estimate - b.estimate;
    Some(Estimate { estimate, low: Some(middle - half), high: Some(middle + half), combined: None })
}

/// What the interval of a difference says, where a difference under `margin` is none.
pub fn conclusion_of(difference: Estimate, margin: f64) -> Conclusion {
    match (difference.low, difference.high) {
        (Some(low), Some(high)) if -margin <= low && high <= margin => Conclusion::Same,
        (Some(low), _) if low > 0.0 => Conclusion::AHigher,
        (_, Some(high)) if high < 0.0 => Conclusion::BHigher,
        _ => Conclusion::CannotTell,
    }
}

/// What besides the interval may explain a difference, a sentence each.
pub fn cautions(a: &Record, b: &Record) -> Vec<String> {
    let mut cautions = vec![];
    let sensors = a.source.as_ref().zip(b.source.as_ref());
    if let Some((of_a, of_b)) = sensors.filter(|(a, b)| a.scope != b.scope) {
        cautions.push(format!(
            "A's sensor measures the {}, B's the {}: what is in one and not in the other shifts the ratio",
            of_a.scope, of_b.scope
        ));
    }
    let combined = |record: &Record| {
        record.summary.ratios.values().all(|ratios| ratios.energy.is_none_or(|e| e.combined.is_some()))
    };
    if !same_sensor(a, b) {
        cautions.push(match combined(a) && combined(b) {
            true => "two boards have two sensors: the interval holds what published calibrations leave open of their offsets".into(),
            false => "no sensor is free of an offset: between two boards it may move the ratio by some percent".into(),
        });
    }
    if a.plan.lock_clock_mhz != b.plan.lock_clock_mhz {
        let clock = |mhz: Option<u32>| mhz.map_or("free".into(), |mhz| format!("locked at {mhz} MHz"));
        let (a, b) = (clock(a.plan.lock_clock_mhz), clock(b.plan.lock_clock_mhz));
        cautions.push(format!("the clock is {a} in A, and {b} in B"));
    }
    if a.plan.power_limit_w != b.plan.power_limit_w {
        let limit = |watts: Option<u32>| watts.map_or("as it was".into(), |watts| format!("set to {watts} W"));
        let (a, b) = (limit(a.plan.power_limit_w), limit(b.plan.power_limit_w));
        cautions.push(format!("the power limit is {a} in A, and {b} in B"));
    }
    for (name, record) in [("A", a), ("B", b)] {
        let verdict = &record.verdict;
        if verdict.judgement() != Status::Valid || !verdict.flags.is_empty() {
            cautions.push(format!("{name} is {}", verdict.words()));
        }
    }
    cautions
}
