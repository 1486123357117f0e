//! Heat: how far a board still is from where its rounds would end, and what that does to a ratio.
//!
//! A board under load warms as 1 − e^(−t/τ), and leaks more as it does: the same watts on every init, so that their ratio moves
//! too, by less. τ comes from the temperature, which no wandering of the power disturbs; else from the power. The share of the
//! warming that is left, e^(−t/τ), is then a covariate of the crossover, and the ratio is the one at which nothing is left. So it
//! does not matter how leakage depends on the temperature, or whether power or time shows it: each ratio finds its own slope.

use super::stats::{self, Fit};
use crate::record::{Estimate, Lead, Plan, Warming, Window};
use std::collections::BTreeMap;

/// Fewer rounds show no curve: it has three parameters.
const LEAST_ROUNDS: usize = 5;
/// Seconds of τ that are looked at, and the step from one to the next. Air-cooled boards need 50 to 70. An H100 in its server needs 10
/// to 20, and to look further down for it gains nothing: what the chip does within a second is taken for it then.
const SETTLES_S: (f64, f64) = (20.0, 150.0);
const STEP: f64 = 1.03;
/// Temperatures that move by less, in K, and energies that move by less, as a share, show no curve.
const LEAST_K: f64 = 1.5;
const LEAST_SHARE: f64 = 0.004;
/// So much of a standard error of τ goes into a ratio's interval: temperatures are whole degrees, whose rounding takes turns, so that
/// the curve is better known than its scatter says. With all of it, intervals of simulated boards hold the truth in 98 to 100 %.
const OF_ERROR: f64 = 0.7;

/// The energy of a product may move by this share apart from what its temperature explains.
pub(super) const MOST_UNEXPLAINED: f64 = 0.03;
/// What may grow over the rounds and be warming for all that is known, in standard errors of it: more where few rounds tell the
/// error badly.
const DRIFT_ERRORS: f64 = 5.0;
const DRIFT_CONFIDENCE: f64 = 0.999;
/// Rounds go on until a drift of this share would be told from warming.
const SEEN_DRIFT: f64 = 0.04;

/// Would a drift be told from warming?
pub(super) fn shows_drift(plan: &Plan, windows: &[Window], lead: Option<Lead>, heat: Option<&Heat>) -> bool {
    unexplained(plan, windows, lead, heat).is_none_or(|fit| most_by_chance(&fit) <= SEEN_DRIFT)
}

/// By how much the logarithm of the energy may grow without a drift.
pub(super) fn most_by_chance(unexplained: &Fit) -> f64 {
    let errors = stats::quantile_of(DRIFT_CONFIDENCE, unexplained.freedom).unwrap_or(f64::INFINITY);
    errors.max(DRIFT_ERRORS) * unexplained.errors[0]
}

/// The warming of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heat {
    /// When the first window began, on the run's clock.
    since_s: f64,
    /// τ, and where it is one standard error away.
    settles_s: f64,
    settles_low_s: f64,
    settles_high_s: f64,
    /// Whether the temperature shows it.
    pub by_temperature: bool,
}

/// A round: the middle of its windows in seconds, and the means of their temperatures and of the logarithms of their energies.
struct Round {
    at_s: f64,
    temperature_c: Option<f64>,
    log_energy: Option<f64>,
}

/// The middle of a window on the run's clock, in seconds.
pub(super) fn middle_s(window: &Window) -> f64 {
    window.start_s + window.duration_s / 2.0
}

/// Joules of a product, or its seconds where there are none.
pub(super) fn cost(window: &Window, lead: Option<Lead>) -> Option<f64> {
    let product_s = window.duration_s / window.products;
    match lead {
        None => Some(product_s),
        Some(_) => Some(window.power_w.watts(lead)? * product_s),
    }
}

pub(super) fn by_round(windows: &[Window]) -> BTreeMap<u32, Vec<&Window>> {
    let mut rounds: BTreeMap<u32, Vec<&Window>> = BTreeMap::new();
    windows.iter().for_each(|window| rounds.entry(window.round).or_default().push(window));
    rounds
}

/// The rounds that have a window of every init.
fn rounds(plan: &Plan, windows: &[Window], lead: Option<Lead>) -> Vec<Round> {
    let whole = by_round(windows).into_values().filter(|windows| windows.len() == plan.inits.len());
    whole
        .map(|windows| {
            let count = windows.len() as f64;
            let mean = |of: &dyn Fn(&Window) -> Option<f64>| {
                let sum: Option<f64> = windows.iter().map(|window| of(window)).sum();
                sum.map(|sum| sum / count).filter(|mean| mean.is_finite())
            };
            Round {
                at_s: windows.iter().map(|window| middle_s(window)).sum::<f64>() / count,
                temperature_c: mean(&|window| window.temperature_c),
                log_energy: mean(&|window| Some(cost(window, lead)?.ln())),
            }
        })
        .collect()
}

impl Heat {
    /// None where nothing is seen to warm, or without joules.
    pub fn of(plan: &Plan, windows: &[Window], lead: Option<Lead>) -> Option<Self> {
        lead?;
        let rounds = rounds(plan, windows, lead);
        let column = |of: fn(&Round) -> Option<f64>| -> Option<Vec<(f64, f64)>> {
            rounds.iter().map(|round| Some((round.at_s, of(round)?))).collect()
        };
        if rounds.len() < LEAST_ROUNDS {
            return None;
        }
        let since_s = windows.first()?.start_s;
        let (points, least) = match column(|round| round.temperature_c) {
            Some(points) => (points, LEAST_K),
            None => (column(|round| round.log_energy)?, LEAST_SHARE),
        };
        let ends = |side: fn(f64, f64) -> f64, from: f64| points.iter().map(|point| point.1).fold(from, side);
        if ends(f64::max, f64::NEG_INFINITY) - ends(f64::min, f64::INFINITY) < least {
            return None;
        }
        let by_temperature = least == LEAST_K;
        let curve = |settles_s: f64| scatter(&points, since_s, settles_s);
        let steps = ((SETTLES_S.1 / SETTLES_S.0).ln() / STEP.ln()) as i32;
        let known: Vec<(f64, f64)> = (0..=steps)
            .map(|step| SETTLES_S.0 * STEP.powi(step))
            .filter_map(|settles_s| Some((settles_s, curve(settles_s)?)))
            .collect();
        // Of many inits, a round is too long for the curve to be seen in its means.
        let round_s = (points[points.len() - 1].0 - points[0].0) / (points.len() as f64 - 1.0);
        let best = (0..known.len()).min_by(|&a, &b| known[a].1.total_cmp(&known[b].1))?;
        if round_s > known[best].0 {
            return None;
        }
        // One standard error of a parameter: where the squares have grown by their mean for a degree of freedom.
        let near = known[best].1 * (1.0 + 1.0 / (points.len() as f64 - 3.0));
        let far = |mut steps: Box<dyn Iterator<Item = usize>>| steps.find(|&i| known[i].1 > near);
        let low = far(Box::new((0..best).rev())).unwrap_or(0);
        let high = far(Box::new(best + 1..known.len())).unwrap_or(known.len() - 1);
        Some(Heat {
            since_s,
            settles_s: known[best].0,
            settles_low_s: known[low].0,
            settles_high_s: known[high].0,
            by_temperature,
        })
    }

    /// Which share of the warming since the first window is left at a time, if it needs `settles_s`.
    fn left(&self, at_s: f64, settles_s: f64) -> f64 {
        (-(at_s - self.since_s) / settles_s).exp()
    }

    /// By which factor the mean of a quantity over windows becomes what it will be when nothing is left.
    pub fn to_rest(&self, windows: &[&Window], quantity: &dyn Fn(&Window) -> Option<f64>) -> Option<f64> {
        let left = |window: &Window| self.left(middle_s(window), self.settles_s);
        let points: Option<Vec<(f64, f64)>> =
            windows.iter().map(|window| Some((left(window), quantity(window)?.ln()))).collect();
        let line = stats::line(&points?)?;
        let mean_left = windows.iter().map(|window| left(window)).sum::<f64>() / windows.len() as f64;
        Some((-line.slope.estimate * mean_left).exp()).filter(|factor| factor.is_finite())
    }

    /// What an idle measurement after the last window would have been at other moments. What a warm chip leaks it leaks without work
    /// too, so that idle grows by the same watts as the work of one init, the reference. None where these show nothing.
    pub fn idle(&self, idle_w: f64, reference: &[&Window], lead: Option<Lead>, end_s: f64) -> Option<IdleOverTime<'_>> {
        let points: Option<Vec<(f64, f64)>> = reference
            .iter()
            .map(|window| Some((self.left(middle_s(window), self.settles_s), window.power_w.watts(lead)?)))
            .collect();
        let points = points?;
        let slope = stats::line(&points)?.slope;
        let (of_all_w, left) = (slope.estimate, self.left(end_s, self.settles_s));
        let error = (slope.high? - slope.estimate) / stats::quantile(points.len() as f64 - 2.0)?;
        Some(IdleOverTime { heat: self, at_rest_w: idle_w - of_all_w * left, of_all_w, at_rest_u: error * left })
    }

    /// The ratio of a quantity when nothing is left, from each window, that of the reference in its round, and how many places
    /// further on the first one came. The interval is Student's on R − 3 degrees of freedom; it has the scatter, `widened` so
    /// many times, and what one standard error of τ does.
    ///
    /// None where a quantity is missing, or is not above 0. No interval of fewer than four rounds, or of one order alone.
    pub fn ratio(
        &self,
        pairs: &[(&Window, &Window, i32)],
        widened: f64,
        quantity: &dyn Fn(&Window) -> Option<f64>,
    ) -> Option<Estimate> {
        let logs: Option<Vec<(f64, f64)>> = pairs
            .iter()
            .map(|(over, under, _)| {
                let (over, under) = (quantity(over)?, quantity(under)?);
                (over > 0.0 && under > 0.0).then(|| (over.ln(), under.ln()))
            })
            .collect();
        let logs = logs?;
        let Some(fit) = self.covariance(pairs, &logs, self.settles_s) else {
            let turns: Vec<_> = logs.iter().zip(pairs).map(|(logs, pair)| (logs.0 - logs.1, pair.2)).collect();
            return stats::balanced(&turns).map(|ratio| stats::widened(ratio, widened));
        };
        let away = |settles_s| match self.covariance(pairs, &logs, settles_s) {
            Some(other) => (other.values[0] - fit.values[0]).abs(),
            None => 0.0,
        };
        let error =
            (widened * fit.errors[0]).hypot(OF_ERROR * (away(self.settles_low_s) + away(self.settles_high_s)) / 2.0);
        let log = stats::interval(fit.values[0], error, fit.freedom);
        Some(Estimate {
            estimate: log.estimate.exp(),
            low: log.low.map(f64::exp),
            high: log.high.map(f64::exp),
            combined: None,
        })
    }

    /// ln(ratio) = μ + ω·places + γ·left + ε. What the board warms between the two windows of a round is taken out before.
    fn covariance(&self, pairs: &[(&Window, &Window, i32)], logs: &[(f64, f64)], settles_s: f64) -> Option<Fit> {
        let left: Vec<(f64, f64)> = pairs
            .iter()
            .map(|(over, under, _)| (self.left(middle_s(over), settles_s), self.left(middle_s(under), settles_s)))
            .collect();
        let means: Vec<(f64, f64)> =
            left.iter().zip(logs).map(|(left, log)| ((left.0 + left.1) / 2.0, (log.0 + log.1) / 2.0)).collect();
        let slope = stats::line(&means)?.slope.estimate;
        let rows: Vec<Vec<f64>> =
            pairs.iter().zip(&means).map(|(pair, mean)| vec![1.0, f64::from(pair.2), mean.0]).collect();
        let ratios: Vec<f64> =
            left.iter().zip(logs).map(|(left, log)| log.0 - log.1 - slope * (left.0 - left.1)).collect();
        stats::least_squares(&rows, &ratios)
    }

    /// What stands in the record of it.
    pub fn warming(&self, plan: &Plan, windows: &[Window], lead: Option<Lead>) -> Option<Warming> {
        let rounds = rounds(plan, windows, lead);
        let end_s = windows.last().map(|window| window.start_s + window.duration_s)?;
        let left = |settles_s: f64| {
            let points: Option<Vec<(f64, f64)>> =
                rounds.iter().map(|round| Some((self.left(round.at_s, settles_s), round.log_energy?))).collect();
            Some(-stats::line(&points?)?.slope.estimate * self.left(end_s, settles_s))
        };
        let best = left(self.settles_s)?;
        Some(Warming {
            settles_s: self.settles_s,
            settles_low_s: self.settles_low_s,
            settles_high_s: self.settles_high_s,
            left: best,
            left_at_most: best.abs().max(left(self.settles_high_s)?.abs()),
        })
    }
}

/// Idle power of a board that warms.
#[derive(Clone, Copy, Debug)]
pub struct IdleOverTime<'a> {
    heat: &'a Heat,
    /// In watts, when nothing is left to warm.
    pub at_rest_w: f64,
    /// Standard uncertainty of that, in watts, which what is left to warm makes.
    pub at_rest_u: f64,
    /// How many watts more it is when all is left: fewer, so that it is below 0.
    of_all_w: f64,
}

impl IdleOverTime<'_> {
    /// In watts, at the temperature of a window.
    pub fn watts(&self, window: &Window) -> f64 {
        self.at_rest_w + self.of_all_w * self.heat.left(middle_s(window), self.heat.settles_s)
    }
}

/// Squares about the curve.
fn scatter(points: &[(f64, f64)], since_s: f64, settles_s: f64) -> Option<f64> {
    let points: Vec<(f64, f64)> =
        points.iter().map(|(at_s, value)| ((-(at_s - since_s) / settles_s).exp(), *value)).collect();
    let line = stats::line(&points)?;
    let squares = |(x, y): &(f64, f64)| (y - line.intercept.estimate - line.slope.estimate * x).powi(2);
    Some(points.iter().map(squares).sum::<f64>())
}

/// By which share the energy of a product grew over the rounds, apart from what warming explains; its interval. In a run whose
/// temperature is not known, nothing tells the two apart: then None where it warmed.
pub fn unexplained(plan: &Plan, windows: &[Window], lead: Option<Lead>, heat: Option<&Heat>) -> Option<Fit> {
    let rounds = rounds(plan, windows, lead);
    let (first, last) = (rounds.first()?, rounds.last()?);
    if heat.is_some_and(|heat| !heat.by_temperature) {
        return None;
    }
    let whole_s = last.at_s - first.at_s;
    let rows: Vec<Vec<f64>> = rounds
        .iter()
        .map(|round| {
            let time = (round.at_s - first.at_s) / whole_s;
            let left = heat.map(|heat| heat.left(round.at_s, heat.settles_s));
            [time, 1.0].into_iter().chain(left).collect()
        })
        .collect();
    let logs: Option<Vec<f64>> = rounds.iter().map(|round| round.log_energy).collect();
    stats::least_squares(&rows, &logs?)
}

/// What each product of an init took, window by window (joules or seconds), as it would be if nothing were left to warm; where the
/// board is warm, as it would be at the mean of their temperatures: what ran before leaves some heat behind.
pub fn at_rest(heat: Option<&Heat>, windows: &[&Window], values: Vec<f64>) -> Vec<f64> {
    let left = |heat: &Heat, window: &Window| Some(heat.left(middle_s(window), heat.settles_s));
    let mean_c = windows.iter().map(|window| window.temperature_c).sum::<Option<f64>>();
    let mean_c = mean_c.map(|sum| sum / windows.len() as f64);
    let covariates: Option<Vec<f64>> = windows
        .iter()
        .map(|window| match heat {
            Some(heat) => left(heat, window),
            None => Some(window.temperature_c? - mean_c?),
        })
        .collect();
    let Some(covariates) = covariates.filter(|covariates| heat.is_some() || spread(covariates) >= LEAST_K) else {
        return values;
    };
    let points: Vec<(f64, f64)> = covariates.iter().zip(&values).map(|(&x, value)| (x, value.ln())).collect();
    let Some(line) = stats::line(&points) else { return values };
    values.iter().zip(covariates).map(|(value, x)| value * (-line.slope.estimate * x).exp()).collect()
}

fn spread(values: &[f64]) -> f64 {
    let ends = |side: fn(f64, f64) -> f64, from: f64| values.iter().copied().fold(from, side);
    ends(f64::max, f64::NEG_INFINITY) - ends(f64::min, f64::INFINITY)
}

/// By how many kelvins each window was warmer than that of the reference in its round, less the mean of that. None where that is
/// hardly different from round to round, or not known: of two inits, each always follows the other.
pub fn carried_k(pairs: &[(&Window, &Window, i32)]) -> Option<Vec<f64>> {
    let differences: Option<Vec<f64>> =
        pairs.iter().map(|(over, under, _)| Some(over.temperature_c? - under.temperature_c?)).collect();
    let differences = differences?;
    let mean = differences.iter().sum::<f64>() / differences.len() as f64;
    let varies = pairs.len() > LEAST_ROUNDS && pairs.iter().any(|pair| pair.2.abs() > 1);
    (varies && spread(&differences) >= LEAST_K).then(|| differences.iter().map(|k| k - mean).collect())
}

/// The ratio of many inits on a warm board, from the rounds' logarithms: ln(ratio) = μ + ω·places + κ·kelvins + ε. What ran before
/// leaves heat behind, another amount in each round, and the temperature tells how much. The interval is Student's on R − 3 degrees
/// of freedom.
pub fn carried(turns: &[stats::Turn], kelvins: &[f64]) -> Option<Estimate> {
    let rows: Vec<Vec<f64>> = turns.iter().zip(kelvins).map(|(turn, k)| vec![1.0, f64::from(turn.1), *k]).collect();
    let logs: Vec<f64> = turns.iter().map(|turn| turn.0).collect();
    let fit = stats::least_squares(&rows, &logs)?;
    let log = stats::interval(fit.values[0], fit.errors[0], fit.freedom);
    Some(Estimate {
        estimate: log.estimate.exp(),
        low: log.low.map(f64::exp),
        high: log.high.map(f64::exp),
        combined: None,
    })
}
