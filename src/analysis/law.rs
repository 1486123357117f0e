//! The law of a card: watts by what its multipliers and adders see, and what it says of numbers that the card never multiplied.
//!
//! P = offset + Σ weight · count. Which counts depends on the type and on how many inits there are, never on what fits best.
//!
//! One thing is chosen by fit, for nothing else tells it: whether the compiler kept to the shader's order of multiplication or exchanged
//! rows and columns. The choice is paid for: what is said of an init comes from the order that all others choose without it.

use super::regression::Regression;
use super::{heat, stats};
use crate::operands::{Activity, Count, Dtype, Init, Order};
use crate::record::{Estimate, Flag, Inputs, Record, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// One init: what it drew, and what the others say that it should draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub init: Init,
    /// As measured, had all inits found the board equally warm.
    pub power_w: f64,
    /// By the law of all other inits.
    pub predicted_w: f64,
    /// Off the law, farther than chance.
    pub off: bool,
}

/// Watts by counts, as one record has them.
#[derive(Clone, Debug, PartialEq)]
pub struct Law {
    /// What the watts are fitted to.
    pub counts: &'static [Count],
    /// The order of multiplication in which the bits were counted: the kernel's own, or that with rows and columns exchanged.
    pub order: Order,
    /// What the other order would explain. None where the record has no counts in it.
    pub explained_otherwise: Option<f64>,
    /// Watts of a product whatever the numbers are.
    pub offset_w: Estimate,
    /// Watts for each of a count, in the order of the counts. None is below 0.
    pub weights_w: Vec<Estimate>,
    /// The share of the variance that inits have in common with the law of all others. None where all draw alike.
    pub explained: Option<f64>,
    /// By how many watts the law of the others misses an init: root mean square.
    pub error_w: f64,
    /// In the plan's order.
    pub points: Vec<Point>,
    /// What each count costs in a product of `example`, in watts, in the order of the counts: weight times count.
    pub costs_w: Vec<Estimate>,
    /// `gaussian`; where the record has none, the init of most watts.
    pub example: Init,
    regression: Regression,
}

/// Why a record has no law.
#[derive(Clone, Debug, PartialEq)]
pub enum NoLaw {
    /// There watts do not grow with the bits: time does.
    PowerCapped,
    NoPower,
    FewInits(usize),
    /// Counts depend on each other in all inits, or in all but one.
    Alike,
}

impl fmt::Display for NoLaw {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            NoLaw::PowerCapped => f.write_str(
                "the power limit held the clock, and there watts do not grow with the bits, time does: `--lock-clock` with a \
                 lower clock keeps under the limit",
            ),
            NoLaw::NoPower => f.write_str("power was not measured: `wattmul doctor` says how it can be"),
            NoLaw::FewInits(inits) => {
                write!(f, "it has {inits} inits whose bits were counted, and a law takes {LEAST_INITS}: `--atlas` has more")
            }
            NoLaw::Alike => f.write_str("its inits do not tell the counts of bits apart: `--atlas` has some that do"),
        }
    }
}

/// With fewer, one init more or less changes all.
pub const LEAST_INITS: usize = 8;
/// From so many on, five counts: twice as many inits as that has figures, and some.
const INITS_FOR_FIVE: usize = 16;

const THREE: &[Count] = &[Count::Ones, Count::OperandFlips, Count::SumFlips];
const FIVE: &[Count] = &[Count::Ones, Count::OperandFlips, Count::SumFlips, Count::Changes, Count::SignFlips];
/// The sign of whole numbers is in all of their upper bits: their sums are told apart by their ones.
const FIVE_OF_WHOLE: &[Count] = &[Count::Ones, Count::OperandFlips, Count::SumFlips, Count::Changes, Count::SumOnes];

/// What watts are fitted to. It is decided before anything is fitted: a choice by fit would have to be paid for.
pub fn counts(dtype: Dtype, inits: usize) -> &'static [Count] {
    match (inits, dtype.has_whole_numbers()) {
        (..INITS_FOR_FIVE, _) => THREE,
        (_, false) => FIVE,
        (_, true) => FIVE_OF_WHOLE,
    }
}

/// A board is warm e^(−t/τ) short of where it ends, for air-cooled ones with a τ of 50 to 70 s: seconds.
const SETTLES_S: f64 = 60.0;

/// Watts by init. Inits whose windows came when the board was colder than for others drew less for that alone, by the same slope for
/// all (an analysis of covariance): rounds reverse, which takes a straight drift out of means, but not the bend of warming.
fn powers_w(record: &Record) -> BTreeMap<Init, f64> {
    let lead = record.summary.sensor.lead;
    let since_s = record.windows.first().map_or(0.0, |window| window.start_s);
    let point = |window: &Window| {
        let middle_s = heat::middle_s(window) - since_s;
        Some((window.init, (-middle_s / SETTLES_S).exp(), window.power_w.watts(lead)?))
    };
    let points: Vec<(Init, f64, f64)> = record.windows.iter().filter_map(point).collect();
    let inits: BTreeSet<Init> = points.iter().map(|point| point.0).collect();
    let mean = |of: Option<Init>, column: fn(&(Init, f64, f64)) -> f64| {
        let figures: Vec<f64> = points.iter().filter(|point| of.is_none_or(|of| of == point.0)).map(column).collect();
        figures.iter().sum::<f64>() / figures.len() as f64
    };
    let means: BTreeMap<Init, (f64, f64)> = inits
        .into_iter()
        .map(|init| (init, (mean(Some(init), |point| point.1), mean(Some(init), |point| point.2))))
        .collect();
    let (mut products, mut squares) = (0.0, 0.0);
    for (init, cold, watts) in &points {
        let (of_cold, of_watts) = means[init];
        products += (cold - of_cold) * (watts - of_watts);
        squares += (cold - of_cold).powi(2);
    }
    let slope = if squares > 0.0 { products / squares } else { 0.0 };
    let usual = mean(None, |point| point.1);
    means.into_iter().map(|(init, (cold, watts))| (init, watts - slope * (cold - usual))).collect()
}

/// The counts that stand for an activity.
fn row(counts: &[Count], activity: &Activity) -> Vec<f64> {
    counts.iter().map(|&count| activity.of_count(count).mean).collect()
}

/// The watts fitted to what was counted in one order.
struct Reading {
    order: Order,
    rows: Vec<Vec<f64>>,
    regression: Regression,
}

impl Reading {
    /// None where an init was not counted in that order, or where its counts do not tell watts apart.
    fn of(
        order: Order,
        counts: &[Count],
        inits: &[(Init, &Inputs, f64)],
        watts: &[f64],
        activity: fn(&Inputs) -> Option<Activity>,
    ) -> Option<Self> {
        let rows: Vec<Vec<f64>> =
            inits.iter().map(|(_, inputs, _)| Some(row(counts, &activity(inputs)?))).collect::<Option<_>>()?;
        let regression = Regression::of(&rows, watts)?;
        Some(Reading { order, rows, regression })
    }

    /// By how much such predictions miss, of all inits but one, which takes no part in it.
    fn error_without(&self, init: usize, watts: &[f64]) -> f64 {
        let others = |i: &usize| *i != init;
        let rows: Vec<Vec<f64>> = (0..watts.len()).filter(others).map(|i| self.rows[i].clone()).collect();
        let watts: Vec<f64> = (0..watts.len()).filter(others).map(|i| watts[i]).collect();
        Regression::of(&rows, &watts).map_or(f64::INFINITY, |regression| regression.error)
    }
}

impl Law {
    /// Fits a record's watts.
    ///
    /// # Errors
    /// Why there is none.
    pub fn of(record: &Record) -> Result<Self, NoLaw> {
        if record.verdict.flags.contains(&Flag::PowerCapped) {
            return Err(NoLaw::PowerCapped);
        }
        if record.summary.sensor.lead.is_none() {
            return Err(NoLaw::NoPower);
        }
        let powers_w = powers_w(record);
        let counted = |&init: &Init| Some((init, record.inputs.get(&init)?, *powers_w.get(&init)?));
        let counted: Vec<(Init, &Inputs, f64)> =
            record.plan.inits.iter().filter_map(counted).filter(|(_, inputs, _)| inputs.activity.is_some()).collect();
        if counted.len() < LEAST_INITS {
            return Err(NoLaw::FewInits(counted.len()));
        }
        let counts = counts(record.plan.dtype, counted.len());
        let watts: Vec<f64> = counted.iter().map(|of| of.2).collect();
        let own = record.kernel.order;
        let mut readings: Vec<Reading> = vec![];
        readings.extend(Reading::of(own, counts, &counted, &watts, |inputs| inputs.activity));
        if let Some(order) = own.exchanged() {
            readings.extend(Reading::of(order, counts, &counted, &watts, |inputs| inputs.activity_exchanged));
        }
        // The order that explains more, and what each init is predicted as by that which the others choose.
        readings.sort_by(|a, b| a.regression.error.total_cmp(&b.regression.error));
        let left_out: Vec<f64> = (0..counted.len())
            .map(|init| {
                let chosen = match &readings[..] {
                    [_, _] => readings
                        .iter()
                        .min_by(|a, b| a.error_without(init, &watts).total_cmp(&b.error_without(init, &watts))),
                    _ => readings.first(),
                };
                chosen.map_or(f64::NAN, |reading| reading.regression.left_out[init])
            })
            .collect();
        let explained_otherwise = readings.get(1).and_then(|reading| reading.regression.explained);
        let Some(Reading { order, rows, regression }) = readings.into_iter().next() else { return Err(NoLaw::Alike) };
        let regression = regression.judged_by(left_out, &watts);

        let inits: Vec<Init> = counted.iter().map(|of| of.0).collect();
        let dearest = || (0..inits.len()).max_by(|&i, &j| watts[i].total_cmp(&watts[j]));
        let example = inits.iter().position(|&init| init == Init::Gaussian).or_else(dearest).unwrap_or(0);
        let point = |(i, &init): (usize, &Init)| Point {
            init,
            power_w: watts[i],
            predicted_w: regression.left_out[i],
            off: regression.off.contains(&i),
        };
        Ok(Law {
            counts,
            order,
            explained_otherwise,
            offset_w: regression.offset,
            weights_w: regression.coefficients.clone(),
            explained: regression.explained,
            error_w: regression.error,
            points: inits.iter().enumerate().map(point).collect(),
            costs_w: regression
                .coefficients
                .iter()
                .zip(&rows[example])
                .map(|(weight, &count)| stats::scaled(*weight, count))
                .collect(),
            example: inits[example],
            regression,
        })
    }

    /// The watts of operands of that activity, with the 95 % interval of one init that the law does not know.
    pub fn predict(&self, activity: &Activity) -> Estimate {
        self.regression.predict(&row(self.counts, activity))
    }
}
