//! Two records against each other: is what one GPU pays for data the same as what the other pays?

use super::stats;
use super::stats::Measured;
use crate::operands::Init;
use crate::record::{Estimate, Ratios, Record, Status};
use std::fmt;

/// Two ratios are the same if their difference is surely smaller than this share of them. An offset of a sensor, which no
/// protocol can see, alone moves a ratio by up to half as much (docs/PROTOCOL.md).
pub const SAME_SHARE: f64 = 0.01;

/// One init's ratio in record A against the same in record B.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    pub reference: Init,
    pub init: Init,
    pub quantity: Quantity,
    pub a: Ratios,
    pub b: Ratios,
    /// Of the ratios of `quantity`, A − B.
    pub difference: Estimate,
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

/// Two records compare when protocol, type, size and the numbers themselves are equal, and both may be believed.
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
            refusals.push(format!("the numbers of {init} differ: their seeds are {a} in A and {b} in B"));
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
    let conclusion = conclusion_of(difference, SAME_SHARE * ratio_a.estimate.min(ratio_b.estimate));
    Some(Comparison { reference, init, quantity, a: of_a, b: of_b, difference, conclusion })
}

/// Rounds less two: the mean and the effect of the order are estimated from them.
fn freedom(record: &Record, init: Init) -> f64 {
    record.windows.iter().filter(|window| window.init == init).count() as f64 - 2.0
}

fn conclusion_of(difference: Estimate, margin: f64) -> Conclusion {
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
    if a.adapter.name != b.adapter.name {
        cautions.push("no sensor is free of an offset: between two boards it may move the ratio by about 1 %".into());
    }
    if a.plan.lock_clock_mhz != b.plan.lock_clock_mhz {
        let clock = |mhz: Option<u32>| mhz.map_or("free".into(), |mhz| format!("locked at {mhz} MHz"));
        let (a, b) = (clock(a.plan.lock_clock_mhz), clock(b.plan.lock_clock_mhz));
        cautions.push(format!("the clock is {a} in A, and {b} in B"));
    }
    for (name, record) in [("A", a), ("B", b)] {
        let verdict = &record.verdict;
        if verdict.judgement() != Status::Valid || !verdict.flags.is_empty() {
            cautions.push(format!("{name} is {}", verdict.words()));
        }
    }
    cautions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{PlanOptions, simulated};

    fn record(model: &str, seed: u64) -> Record {
        let model = model.parse().unwrap();
        let plan = simulated::plan(&model, &PlanOptions { seed, ..PlanOptions::default() }).unwrap();
        simulated::record(&model, plan).unwrap()
    }

    fn only(a: &Record, b: &Record) -> Comparison {
        let comparisons = of(a, b).unwrap();
        assert_eq!(comparisons.len(), 1);
        comparisons[0].clone()
    }

    #[test]
    fn a_board_is_the_same_as_itself_and_two_boards_are_not() {
        let (a100, again, rtx) = (record("a100", 1), record("a100", 2), record("rtx6000", 1));
        assert_eq!(only(&a100, &again).conclusion, Conclusion::Same);
        let (up, down) = (only(&a100, &rtx), only(&rtx, &a100));
        assert_eq!((up.conclusion, down.conclusion), (Conclusion::AHigher, Conclusion::BHigher));
        assert!((up.difference.estimate - (1.479 - 1.121)).abs() < 0.02, "{up:?}");
        assert_eq!(up.difference.low.unwrap(), -down.difference.high.unwrap());
    }

    #[test]
    fn what_an_interval_says() {
        let difference = |low, high| Estimate { estimate: 0.0, low, high, combined: None };
        for (low, high, expected) in [
            (Some(-0.009), Some(0.009), Conclusion::Same),
            (Some(0.001), Some(0.009), Conclusion::Same),
            (Some(0.001), Some(0.02), Conclusion::AHigher),
            (Some(-0.02), Some(-0.001), Conclusion::BHigher),
            (Some(-0.02), Some(0.001), Conclusion::CannotTell),
            (None, None, Conclusion::CannotTell),
            (Some(f64::NAN), Some(f64::NAN), Conclusion::CannotTell),
        ] {
            assert_eq!(conclusion_of(difference(low, high), 0.01), expected, "{low:?} {high:?}");
        }
    }

    #[test]
    fn what_does_not_compare_is_refused_by_name() {
        let a = record("a100", 0);
        let refused = |change: &dyn Fn(&mut Record)| {
            let mut b = a.clone();
            change(&mut b);
            of(&a, &b).unwrap_err().join("; ")
        };
        assert!(refused(&|b| b.plan.size = 1024).contains("n differs: 10000 in A, 1024 in B"));
        assert!(refused(&|b| b.protocol = "other/2".into()).contains("protocol"));
        assert!(refused(&|b| b.truth = None).contains("simulated in A, measured in B"));
        assert!(refused(&|b| b.verdict.judged = Some(Status::Invalid)).contains("B is invalid"));
        assert!(refused(&|b| b.plan.inits.clear()).contains("reference"));
        assert!(refused(&|b| b.summary.ratios.clear()).contains("no ratio in common"));
    }

    #[test]
    fn without_joules_in_one_of_them_times_are_compared() {
        let (a, mut b) = (record("a100", 0), record("a100", 1));
        for ratios in b.summary.ratios.values_mut() {
            (ratios.energy, ratios.power) = (None, None);
        }
        assert_eq!(only(&a, &b).quantity, Quantity::Time);
    }
}
