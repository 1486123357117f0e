//! Ratios of paired measurements, straight lines, and how sure they are. No I/O.

use crate::record::Estimate;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// How sure an interval is.
pub(super) const CONFIDENCE: f64 = 0.95;

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
    let plain = Estimate { estimate: mu.exp(), ..Estimate::default() };

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

/// One round's logarithm of a ratio, and how many places after the reference the other one came: negative before it.
pub type Turn = (f64, i32);

/// The ratio that the rounds measured, whatever the order of its two among others.
///
/// ln(ratio) = μ + ω·places + ε: ω is what each place further on does. μ is where the straight line through the rounds crosses
/// 0 places, its interval the line's on R − 2 degrees of freedom. Between two inits alone, always a place apart, the line is
/// [`crossover`]. Each ratio has its own ω and its own scatter: inits of more watts may scatter less.
///
/// None without rounds, or where one is not a number (a ratio of or by nothing).
pub fn balanced(rounds: &[Turn]) -> Option<Estimate> {
    if rounds.iter().all(|(_, places)| places.abs() == 1) {
        return crossover(&rounds.iter().map(|&(log_ratio, places)| (log_ratio, places < 0)).collect::<Vec<_>>());
    }
    let points: Vec<(f64, f64)> = rounds.iter().map(|&(log_ratio, places)| (f64::from(places), log_ratio)).collect();
    let Some(Line { intercept: mu, .. }) = line(&points) else {
        // In one place alone, its effect cannot be told from the ratio.
        let mean = rounds.iter().map(|round| round.0).sum::<f64>() / rounds.len() as f64;
        return mean.is_finite().then(|| Estimate { estimate: mean.exp(), ..Estimate::default() });
    };
    Some(Estimate { estimate: mu.estimate.exp(), low: mu.low.map(f64::exp), high: mu.high.map(f64::exp), ..mu })
}

/// A straight line through points, by ordinary least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// At x = 0.
    pub intercept: Estimate,
    pub slope: Estimate,
    /// The share of the scatter of y that the line explains; 1 where there is none.
    pub explained: f64,
}

/// The line through points of x and y. Its intervals are Student's on n − 2 degrees of freedom: two points have none. None for
/// fewer than two different x, or where a value is not finite.
pub fn line(points: &[(f64, f64)]) -> Option<Line> {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|point| of(point.0 - x, point.1 - y)).sum::<f64>();
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    let slope = xy / xx;
    if !slope.is_finite() {
        return None;
    }
    let squares = sum(&|x, y| (y - slope * x).powi(2));
    let explained = if yy > 0.0 { 1.0 - squares / yy } else { 1.0 };
    let freedom = count - 2.0;
    let error = (squares / freedom).sqrt();
    Some(Line {
        intercept: interval(y - slope * x, error * (1.0 / count + x * x / xx).sqrt(), freedom),
        slope: interval(slope, error / xx.sqrt(), freedom),
        explained,
    })
}

/// Straight lines that leave one point of x = 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Fan {
    pub intercept: Estimate,
    /// In the order of the lines.
    pub slopes: Vec<Estimate>,
}

/// The fan through the points of some lines, by ordinary least squares. Its intervals are Student's on points − lines − 1
/// degrees of freedom. None where a line has no points but x = 0, or all of them one x, or where a number is none.
pub fn fan(lines: &[Vec<(f64, f64)>]) -> Option<Fan> {
    let sum = |line: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| line.iter().map(of).sum::<f64>();
    // Of a line with the intercept p, the slope is (Σxy − p·Σx) / Σx². With that, the derivative to p gives
    // p·Σ(n − (Σx)² / Σx²) = Σ(Σy − Σx·Σxy / Σx²), both over the lines.
    let sums: Vec<[f64; 5]> = lines
        .iter()
        .map(|line| {
            let (x, y) = (sum(line, |p| p.0), sum(line, |p| p.1));
            [line.len() as f64, x, y, sum(line, |p| p.0 * p.0), sum(line, |p| p.0 * p.1)]
        })
        .collect();
    let weight: f64 = sums.iter().map(|[n, x, _, xx, _]| n - x * x / xx).sum();
    let intercept = sums.iter().map(|[_, x, y, xx, xy]| y - x * xy / xx).sum::<f64>() / weight;
    let slopes: Vec<f64> = sums.iter().map(|[_, x, _, xx, xy]| (xy - intercept * x) / xx).collect();
    if lines.is_empty() || !intercept.is_finite() || slopes.iter().any(|slope| !slope.is_finite()) {
        return None;
    }
    let squares = |(line, slope): (&Vec<(f64, f64)>, &f64)| {
        line.iter().map(|(x, y)| (y - intercept - slope * x).powi(2)).sum::<f64>()
    };
    let freedom = lines.iter().map(Vec::len).sum::<usize>() as f64 - lines.len() as f64 - 1.0;
    let variance = lines.iter().zip(&slopes).map(squares).sum::<f64>() / freedom;
    let of_slope = |([_, x, _, xx, _], &slope): (&[f64; 5], &f64)| {
        interval(slope, (variance * (1.0 / xx + (x / xx).powi(2) / weight)).sqrt(), freedom)
    };
    Some(Fan {
        intercept: interval(intercept, (variance / weight).sqrt(), freedom),
        slopes: sums.iter().zip(&slopes).map(of_slope).collect(),
    })
}

/// A ratio whose interval is so many times as wide, on the logarithm.
pub fn widened(ratio: Estimate, times: f64) -> Estimate {
    if times == 1.0 {
        return ratio;
    }
    let side = |end: f64| ratio.estimate * (end / ratio.estimate).powf(times);
    Estimate { low: ratio.low.map(side), high: ratio.high.map(side), ..ratio }
}

/// A ratio that is less certain than its scatter says: `uncertainty` is standard, of its logarithm, and known well.
pub fn less_certain(ratio: Estimate, uncertainty: f64) -> Estimate {
    let reach = 1.96 * uncertainty;
    let side = |end: f64| {
        let scatter = (end / ratio.estimate).ln();
        ratio.estimate * (scatter.hypot(reach) * scatter.signum()).exp()
    };
    Estimate { low: ratio.low.map(side), high: ratio.high.map(side), ..ratio }
}

/// What ordinary least squares find: y = Σ value·x + ε.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// In the order of the columns, with their standard errors.
    pub values: Vec<f64>,
    pub errors: Vec<f64>,
    /// Rows less columns; above 0.
    pub freedom: f64,
}

/// Fits the columns of `rows` to `y`. None without a degree of freedom, where columns depend on each other, or where a number is
/// none.
pub fn least_squares(rows: &[Vec<f64>], y: &[f64]) -> Option<Fit> {
    let columns = rows.first()?.len();
    let freedom = rows.len() as f64 - columns as f64;
    if freedom < 1.0 {
        return None;
    }
    let sum = |of: &dyn Fn(&[f64], f64) -> f64| rows.iter().zip(y).map(|(row, &y)| of(row, y)).sum::<f64>();
    let product = |i: usize, j: usize| sum(&|row, _| row[i] * row[j]);
    let inverse = inverse((0..columns).map(|i| (0..columns).map(|j| product(i, j)).collect()).collect())?;
    let right: Vec<f64> = (0..columns).map(|i| sum(&|row, y| row[i] * y)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let values: Vec<f64> = inverse.iter().map(|row| dot(row, &right)).collect();
    let variance = sum(&|row, y| (y - dot(row, &values)).powi(2)) / freedom;
    let errors: Vec<f64> = (0..columns).map(|i| (variance * inverse[i][i]).sqrt()).collect();
    let finite = values.iter().chain(&errors).all(|figure| figure.is_finite());
    finite.then_some(Fit { values, errors, freedom })
}

/// So many times an estimate, its interval likewise.
pub fn scaled(estimate: Estimate, times: f64) -> Estimate {
    let side = |side: Option<f64>| side.map(|side| side * times);
    Estimate { estimate: estimate.estimate * times, low: side(estimate.low), high: side(estimate.high), ..estimate }
}

/// A pivot that is smaller than this share of its own diagonal has only rounding in it.
const LEAST_PIVOT: f64 = 1e-10;

/// The inverse of a symmetric, positive matrix, by Gauss and Jordan. None of a singular one.
pub(super) fn inverse(mut matrix: Vec<Vec<f64>>) -> Option<Vec<Vec<f64>>> {
    let size = matrix.len();
    let diagonal: Vec<f64> = (0..size).map(|i| matrix[i][i]).collect();
    let mut inverse: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    for pivot in 0..size {
        let scale = matrix[pivot][pivot];
        if scale.is_nan() || scale <= LEAST_PIVOT * diagonal[pivot] {
            return None;
        }
        for side in [&mut matrix, &mut inverse] {
            side[pivot].iter_mut().for_each(|figure| *figure /= scale);
        }
        for other in (0..size).filter(|&other| other != pivot) {
            let share = matrix[other][pivot];
            for side in [&mut matrix, &mut inverse] {
                let row = side[pivot].clone();
                side[other].iter_mut().zip(row).for_each(|(figure, of_pivot)| *figure -= share * of_pivot);
            }
        }
    }
    Some(inverse)
}

/// An estimate with its interval by Student's t. None of the latter without a degree of freedom.
pub fn interval(estimate: f64, standard_error: f64, freedom: f64) -> Estimate {
    let reach = if freedom >= 1.0 { quantile(freedom).map(|t| t * standard_error) } else { None };
    Estimate {
        estimate,
        low: reach.map(|reach| estimate - reach),
        high: reach.map(|reach| estimate + reach),
        ..Estimate::default()
    }
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
    let plain = Estimate { estimate: a.ratio.estimate - b.ratio.estimate, ..Estimate::default() };
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

/// How far apart the like are.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    /// Indices of those that stand out.
    pub outliers: Vec<usize>,
}

impl Spread {
    /// From the least to the most, as a share of the median.
    pub fn share(&self) -> f64 {
        (self.most - self.least) / self.median
    }
}

/// With fewer values nobody can tell who stands out.
const LEAST_FOR_OUTLIERS: usize = 5;
/// The modified z-score of an outlier: Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (1993). The median absolute deviation
/// of normal values is their standard deviation over 1.4826.
const OUTLIER_SCORE: f64 = 3.5;
const DEVIATIONS: f64 = 1.4826;
/// What is closer to the median than this share of it does not stand out, however alike the others are.
const OUTLIER_SHARE: f64 = 0.01;

/// Median, range and outliers. None without values, or where one is not a number above 0.
pub fn spread(values: &[f64]) -> Option<Spread> {
    if !values.iter().all(|value| value.is_finite() && *value > 0.0) {
        return None;
    }
    let middle = median(values)?;
    let deviation = median(&values.iter().map(|value| (value - middle).abs()).collect::<Vec<_>>())?;
    let far = (OUTLIER_SCORE * DEVIATIONS * deviation).max(OUTLIER_SHARE * middle);
    let far_off = |&i: &usize| values.len() >= LEAST_FOR_OUTLIERS && (values[i] - middle).abs() > far;
    Some(Spread {
        median: middle,
        least: values.iter().copied().fold(f64::INFINITY, f64::min),
        most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        outliers: (0..values.len()).filter(far_off).collect(),
    })
}

/// Of an even number of values, the mean of the two in the middle. None without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// Student's t that is exceeded, on either side, with what [`CONFIDENCE`] leaves.
pub(super) fn quantile(freedom: f64) -> Option<f64> {
    quantile_of(CONFIDENCE, freedom)
}

/// The same with another confidence.
pub(super) fn quantile_of(confidence: f64, freedom: f64) -> Option<f64> {
    Some(StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(0.5 + confidence / 2.0))
}
