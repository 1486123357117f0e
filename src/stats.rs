//! Ratios of paired measurements and how sure they are. No I/O.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// An estimate with its 95 % interval. No interval where there are too few rounds for one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    pub estimate: f64,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

/// How sure an interval is.
const CONFIDENCE: f64 = 0.95;

/// One round's logarithm of a ratio, and whether the round ran in reverse order.
pub type Round = (f64, bool);

/// The ratio that the rounds measured, analysed as what alternating orders are: an AB/BA crossover.
///
/// ln(ratio) = μ ± ω + ε, with + in one order and − in the other: ω is what being second does (a warmer chip). μ is the
/// mean of the two orders' means, so that ω drops out; the scatter ε is taken within each order, on R − 2 degrees of freedom. A
/// plain mean of all rounds would count ω as scatter, and its interval would be too wide. See Jones & Kenward, "Design and
/// Analysis of Cross-Over Trials", for the model.
///
/// None without rounds, or where one is not a number (a ratio of or by nothing).
pub fn crossover(rounds: &[Round]) -> Option<Estimate> {
    if rounds.is_empty() || rounds.iter().any(|(log_ratio, _)| !log_ratio.is_finite()) {
        return None;
    }
    let of =
        |order: bool| -> Vec<f64> { rounds.iter().filter(|round| round.1 == order).map(|round| round.0).collect() };
    let orders: Vec<Vec<f64>> = [of(false), of(true)].into_iter().filter(|logs| !logs.is_empty()).collect();
    let mean = |logs: &[f64]| logs.iter().sum::<f64>() / logs.len() as f64;
    let groups = orders.len() as f64;
    let mu = orders.iter().map(|logs| mean(logs)).sum::<f64>() / groups;
    let plain = Estimate { estimate: mu.exp(), low: None, high: None };

    let freedom = rounds.len() as f64 - groups;
    if freedom < 1.0 || groups < 2.0 {
        return Some(plain);
    }
    let squares = |logs: &Vec<f64>| logs.iter().map(|log| (log - mean(logs)).powi(2)).sum::<f64>();
    let variance = orders.iter().map(squares).sum::<f64>() / freedom;
    let standard_error = (variance * orders.iter().map(|logs| 1.0 / logs.len() as f64).sum::<f64>()).sqrt() / groups;
    let t = quantile(freedom)?;
    Some(Estimate { low: Some((mu - t * standard_error).exp()), high: Some((mu + t * standard_error).exp()), ..plain })
}

/// A ratio as [`crossover`] estimates it, and on how many degrees of freedom its interval rests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub ratio: Estimate,
    pub freedom: f64,
}

/// The difference of two ratios that were measured independently of each other, `a` − `b`.
///
/// The intervals are symmetric on the logarithm, so that each gives its standard error back. That of a ratio itself is r times as
/// large, to first order; Welch's interval allows the two to scatter differently. No interval where one has none.
pub fn difference(a: Measured, b: Measured) -> Estimate {
    let plain = Estimate { estimate: a.ratio.estimate - b.ratio.estimate, low: None, high: None };
    let variance = |Measured { ratio, freedom }: Measured| {
        let half_width = (ratio.high?.ln() - ratio.low?.ln()) / 2.0;
        Some((ratio.estimate * half_width / quantile(freedom)?).powi(2))
    };
    let (Some(of_a), Some(of_b)) = (variance(a), variance(b)) else { return plain };
    let freedom = (of_a + of_b).powi(2) / (of_a.powi(2) / a.freedom + of_b.powi(2) / b.freedom);
    // Two ratios without any scatter have no freedom to speak of, and need none.
    let half_width = if of_a + of_b > 0.0 { quantile(freedom).map(|t| t * (of_a + of_b).sqrt()) } else { Some(0.0) };
    let Some(half_width) = half_width.filter(|half_width| half_width.is_finite()) else { return plain };
    Estimate { low: Some(plain.estimate - half_width), high: Some(plain.estimate + half_width), ..plain }
}

/// Student's t that is exceeded, on either side, with what [`CONFIDENCE`] leaves.
fn quantile(freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.5 + CONFIDENCE / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use rand_distr::{Distribution, StandardNormal};

    fn alternating(logs: &[f64]) -> Vec<Round> {
        logs.iter().enumerate().map(|(i, &log)| (log, i % 2 == 1)).collect()
    }

    /// By hand: means 0.3 and 0.1, μ = 0.2; squares 0.0002 in each order, s² = 0.0004 / 2; SE = √(0.0002 (½ + ½)) / 2 = 0.00707;
    /// t(2, 97.5 %) = 4.3027.
    #[test]
    fn a_case_worked_out_by_hand() {
        let found = crossover(&alternating(&[0.29, 0.09, 0.31, 0.11])).unwrap();
        assert!((found.estimate.ln() - 0.2).abs() < 1e-12);
        assert!((found.high.unwrap().ln() - (0.2 + 4.302_65 * 0.007_071_068)).abs() < 1e-6, "{found:?}");
        assert!((found.low.unwrap().ln() - (0.2 - 4.302_65 * 0.007_071_068)).abs() < 1e-6);
    }

    #[test]
    fn the_effect_of_the_order_drops_out() {
        let found = crossover(&alternating(&[0.25, 0.15, 0.25, 0.15, 0.25])).unwrap();
        assert!((found.estimate.ln() - 0.2).abs() < 1e-12);
        assert!((found.high.unwrap() - found.low.unwrap()).abs() < 1e-9, "no scatter is left");
    }

    #[test]
    fn few_rounds_give_an_estimate_and_no_interval() {
        assert_eq!(crossover(&[]), None);
        assert_eq!(crossover(&[(f64::NAN, false), (0.1, true)]), None);
        assert_eq!(crossover(&[(f64::NEG_INFINITY, false)]), None);
        for logs in [&[0.5][..], &[0.4, 0.6]] {
            let found = crossover(&alternating(logs)).unwrap();
            assert!((found.estimate.ln() - 0.5).abs() < 1e-12 && found.low.is_none() && found.high.is_none());
        }
        // in one order alone, its effect cannot be told from the ratio
        assert_eq!(crossover(&[(0.5, false), (0.51, false), (0.49, false)]).unwrap().low, None);
    }

    /// By hand: standard errors 0.02 and 0.01 of the logarithms on 4 degrees of freedom each, t(4) = 2.7764; of the ratios 0.03 and
    /// 0.01; 0.0316 in all, on (0.0009 + 0.0001)² / (0.0009² / 4 + 0.0001² / 4) = 4.878, t = 2.589.
    #[test]
    fn the_difference_of_two_ratios_worked_out_by_hand() {
        let measured = |estimate: f64, error: f64| {
            let of = |side: f64| Some(estimate * (side * 2.776_445 * error).exp());
            Measured { ratio: Estimate { estimate, low: of(-1.0), high: of(1.0) }, freedom: 4.0 }
        };
        let found = difference(measured(1.5, 0.02), measured(1.0, 0.01));
        assert!((found.estimate - 0.5).abs() < 1e-12);
        assert!((found.high.unwrap() - 0.5 - 2.5898 * 0.031_623).abs() < 1e-4, "{found:?}");
        assert!((found.low.unwrap() - 0.5 + 2.5898 * 0.031_623).abs() < 1e-4, "{found:?}");

        let sharp = difference(measured(1.5, 0.0), measured(1.5, 0.0));
        assert_eq!((sharp.low, sharp.high), (Some(0.0), Some(0.0)));
        let plain = Measured { ratio: Estimate { estimate: 1.2, low: None, high: None }, freedom: 0.0 };
        assert_eq!(difference(plain, measured(1.0, 0.1)).low, None);
    }

    #[test]
    fn the_interval_holds_the_truth_as_often_as_it_says() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let experiments = 4000;
        let held = (0..experiments)
            .filter(|_| {
                let mut noise = || -> f64 { StandardNormal.sample(&mut random) };
                let logs: Vec<f64> = (0..6).map(|i| 0.3 + [0.01, -0.01][i % 2] + 0.002 * noise()).collect();
                let found = crossover(&alternating(&logs)).unwrap();
                (found.low.unwrap()..=found.high.unwrap()).contains(&0.3f64.exp())
            })
            .count();
        let share = held as f64 / f64::from(experiments);
        assert!((share - 0.95).abs() < 0.014, "{share}"); // four standard errors
    }
}
