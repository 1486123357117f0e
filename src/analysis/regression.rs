//! Linear regression with an offset and coefficients that are not negative, and how sure it is, by leaving one point out.

use super::stats;
use crate::record::Estimate;

/// y = offset + Σ coefficient · x, and what was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    pub offset: f64,
    /// In the order of the columns; none below 0.
    pub coefficients: Vec<f64>,
}

impl Fit {
    /// y at x.
    pub fn at(&self, x: &[f64]) -> f64 {
        self.offset + self.coefficients.iter().zip(x).map(|(coefficient, x)| coefficient * x).sum::<f64>()
    }
}

/// Points of which each is a row of x and a y, moved so that the mean of every column is 0.
struct Centred {
    mean_x: Vec<f64>,
    mean_y: f64,
    /// Xᵀ·X and Xᵀ·y.
    gram: Vec<Vec<f64>>,
    right: Vec<f64>,
}

impl Centred {
    /// None without rows, or where a number is none.
    fn of(rows: &[Vec<f64>], y: &[f64]) -> Option<Self> {
        let (count, columns) = (rows.len() as f64, rows.first()?.len());
        let mean_x: Vec<f64> = (0..columns).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count).collect();
        let mean_y = y.iter().sum::<f64>() / count;
        let sum = |of: &dyn Fn(&[f64], f64) -> f64| rows.iter().zip(y).map(|(row, &y)| of(row, y)).sum::<f64>();
        let off = |row: &[f64], i: usize| row[i] - mean_x[i];
        let gram: Vec<Vec<f64>> =
            (0..columns).map(|i| (0..columns).map(|j| sum(&|row, _| off(row, i) * off(row, j))).collect()).collect();
        let right: Vec<f64> = (0..columns).map(|i| sum(&|row, y| off(row, i) * (y - mean_y))).collect();
        let finite = gram.iter().flatten().chain(&right).chain([&mean_y]).all(|figure| figure.is_finite());
        finite.then_some(Centred { mean_x, mean_y, gram, right })
    }

    fn off_mean(&self, x: &[f64]) -> Vec<f64> {
        x.iter().zip(&self.mean_x).map(|(x, mean)| x - mean).collect()
    }

    /// The least squares of some columns, in their order; the others are left out.
    fn solve(&self, columns: &[usize]) -> Option<Vec<f64>> {
        let part = columns.iter().map(|&i| columns.iter().map(|&j| self.gram[i][j]).collect()).collect();
        let dot = |row: &Vec<f64>| row.iter().zip(columns).map(|(figure, &i)| figure * self.right[i]).sum();
        Some(stats::inverse(part)?.iter().map(dot).collect())
    }
}

/// The least squares among coefficients of 0 and more, by Lawson and Hanson ("Solving Least Squares Problems", 1974, chapter 23). None
/// where no number comes out: no points, or columns that depend on each other.
pub fn non_negative(rows: &[Vec<f64>], y: &[f64]) -> Option<Fit> {
    let centred = Centred::of(rows, y)?;
    let columns = centred.mean_x.len();
    let mut values = vec![0.0; columns];
    // The columns in use: all others are at 0.
    let mut used: Vec<usize> = vec![];
    // By how much the squares fall for each step of a column that is not in use, against rounding.
    let gain = |values: &[f64], i: usize| {
        let left = centred.right[i] - (0..columns).map(|j| centred.gram[i][j] * values[j]).sum::<f64>();
        let size = centred.gram[i][i].sqrt();
        if size > 0.0 { left / size } else { 0.0 }
    };
    let slack = 1e-10 * y.iter().map(|y| (y - centred.mean_y).powi(2)).sum::<f64>().sqrt();
    // Each turn lowers the squares, so that no set of columns comes twice.
    for _ in 0..1 << columns {
        let unused = (0..columns).filter(|i| !used.contains(i));
        let best = unused.max_by(|&i, &j| gain(&values, i).total_cmp(&gain(&values, j)));
        let Some(best) = best.filter(|&best| gain(&values, best) > slack) else { break };
        used.push(best);
        loop {
            let solved = centred.solve(&used)?;
            // As far towards the solution as no coefficient falls below 0.
            let reach = |(&i, &to): (&usize, &f64)| if to > 0.0 { 1.0 } else { values[i] / (values[i] - to) };
            let share = used.iter().zip(&solved).map(reach).fold(1.0, f64::min);
            for (&i, &to) in used.iter().zip(&solved) {
                values[i] += share * (to - values[i]);
            }
            if share == 1.0 {
                break;
            }
            // Whatever stopped it there is at 0, rounding or not.
            let least = used.iter().copied().min_by(|&i, &j| values[i].total_cmp(&values[j]));
            let stopped = |(i, value): &(usize, &mut f64)| Some(*i) == least || **value <= 0.0;
            values.iter_mut().enumerate().filter(stopped).for_each(|(_, value)| *value = 0.0);
            used.retain(|&i| values[i] > 0.0);
            if used.is_empty() {
                break;
            }
        }
    }
    let offset = centred.mean_y - values.iter().zip(&centred.mean_x).map(|(value, mean)| value * mean).sum::<f64>();
    Some(Fit { offset, coefficients: values })
}

/// The share of the variance of y that predictions explain; None where y has none. Below 0 they are worse than the mean.
pub fn explained(y: &[f64], predicted: &[f64]) -> Option<f64> {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let squares = |of: &mut dyn Iterator<Item = f64>| of.map(|off| off * off).sum::<f64>();
    let missed = squares(&mut y.iter().zip(predicted).map(|(y, predicted)| y - predicted));
    let all = squares(&mut y.iter().map(|y| y - mean));
    Some(1.0 - missed / all).filter(|share| share.is_finite())
}

/// A fit, and how sure it is.
///
/// What makes it unsure is not that a point is measured badly, but that the columns do not explain all of it. So every figure comes
/// from leaving points out: how far a coefficient moves, and how far the fit without a point misses that point.
#[derive(Clone, Debug, PartialEq)]
pub struct Regression {
    pub offset: Estimate,
    /// None below 0. Their intervals are those of least squares without that bound, cut at 0 (which loses none that is not
    /// negative), and hold the estimate.
    pub coefficients: Vec<Estimate>,
    /// What the fit without each point says of it.
    pub left_out: Vec<f64>,
    /// The root mean square of what those miss.
    pub error: f64,
    /// The share of the variance of y that they explain.
    pub explained: Option<f64>,
    /// Points that lie farther off than the farthest of so many would by chance, in 19 of 20 regressions.
    pub off: Vec<usize>,
    fit: Fit,
    mean_x: Vec<f64>,
    /// (Xᵀ·X)⁻¹ about the mean.
    inverse: Vec<Vec<f64>>,
    /// The mean of 1 / (1 − h): by how much what was left out was missed more than what was fitted scatters.
    stretch: f64,
    freedom: f64,
    points: f64,
}

/// A point without which columns depend on each other has all of its leverage; rounding leaves it less than this from 1.
const FULL_LEVERAGE: f64 = 1e-9;

impl Regression {
    /// Fits and judges. None without two degrees of freedom, where columns depend on each other or would without one of the points, or
    /// where a number is none.
    pub fn of(rows: &[Vec<f64>], y: &[f64]) -> Option<Self> {
        let centred = Centred::of(rows, y)?;
        let (points, columns) = (rows.len() as f64, centred.mean_x.len());
        let freedom = points - columns as f64 - 1.0;
        if freedom < 2.0 {
            return None;
        }
        let inverse = stats::inverse(centred.gram.clone())?;
        let all: Vec<usize> = (0..columns).collect();
        let unbounded = centred.solve(&all)?;
        let leverages: Vec<f64> =
            rows.iter().map(|row| 1.0 / points + distance(&inverse, &centred.off_mean(row))).collect();
        if leverages.iter().any(|leverage| 1.0 - leverage < FULL_LEVERAGE) {
            return None;
        }
        let fit = non_negative(rows, y)?;

        // By how much each coefficient, and the offset, moves when a point is left out, in closed form; their squares add up to the
        // variance of the jackknife (MacKinnon & White, 1985: HC3), which holds whatever the variance of each point is.
        let mut variances = vec![0.0; columns];
        let mut of_offset = 0.0;
        for ((row, y), leverage) in rows.iter().zip(y).zip(&leverages) {
            let off = centred.off_mean(row);
            let missed = (y - centred.mean_y - dot(&unbounded, &off)) / (1.0 - leverage);
            let moves: Vec<f64> = inverse.iter().map(|line| dot(line, &off) * missed).collect();
            of_offset += (missed / points - dot(&moves, &centred.mean_x)).powi(2);
            variances.iter_mut().zip(moves).for_each(|(variance, moved)| *variance += moved * moved);
        }
        let t = stats::quantile(freedom)?;
        let estimate = |estimate: f64, centre: f64, variance: f64, least: f64| {
            let [low, high] = [-1.0, 1.0].map(|side| (centre + side * t * variance.sqrt()).max(least));
            Estimate { estimate, low: Some(low.min(estimate)), high: Some(high.max(estimate)), ..Estimate::default() }
        };
        let of_coefficient = |i: usize| estimate(fit.coefficients[i], unbounded[i], variances[i], 0.0);
        let unbounded_offset = centred.mean_y - dot(&unbounded, &centred.mean_x);

        let left_out: Vec<f64> = (0..rows.len())
            .map(|point| {
                let others = |i: &usize| *i != point;
                let rest: Vec<Vec<f64>> = (0..rows.len()).filter(others).map(|i| rows[i].clone()).collect();
                let of_rest: Vec<f64> = (0..rows.len()).filter(others).map(|i| y[i]).collect();
                Some(non_negative(&rest, &of_rest)?.at(&rows[point]))
            })
            .collect::<Option<_>>()?;
        let missed: Vec<f64> = y.iter().zip(&left_out).map(|(y, left_out)| y - left_out).collect();
        let regression = Regression {
            offset: estimate(fit.offset, unbounded_offset, of_offset, f64::NEG_INFINITY),
            coefficients: (0..columns).map(of_coefficient).collect(),
            error: (missed.iter().map(|missed| missed * missed).sum::<f64>() / points).sqrt(),
            explained: explained(y, &left_out),
            off: far_off(&missed, &leverages, freedom),
            left_out,
            fit,
            mean_x: centred.mean_x,
            inverse,
            stretch: leverages.iter().map(|leverage| 1.0 / (1.0 - leverage)).sum::<f64>() / points,
            freedom,
            points,
        };
        Some(regression)
    }

    /// Judged by other predictions of the points than its own: those of a procedure that chose among regressions.
    pub(super) fn judged_by(self, left_out: Vec<f64>, y: &[f64]) -> Self {
        let missed = y.iter().zip(&left_out).map(|(y, left_out)| (y - left_out).powi(2)).sum::<f64>();
        let (error, explained) = ((missed / self.points).sqrt(), explained(y, &left_out));
        Regression { error, explained, left_out, ..self }
    }

    /// y at x, and the 95 % interval of a new point there: as wide as points that were left out were missed, and wider where x lies
    /// farther out than they did.
    pub fn predict(&self, x: &[f64]) -> Estimate {
        let off: Vec<f64> = x.iter().zip(&self.mean_x).map(|(x, mean)| x - mean).collect();
        let of_new = 1.0 + 1.0 / self.points + distance(&self.inverse, &off);
        stats::interval(self.fit.at(x), self.error * (of_new / self.stretch).max(1.0).sqrt(), self.freedom)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// xᵀ · M · x.
fn distance(matrix: &[Vec<f64>], x: &[f64]) -> f64 {
    matrix.iter().zip(x).map(|(line, of_line)| of_line * dot(line, x)).sum()
}

/// Which points the others speak against: each is held against the scatter of all others (its deleted residual, as Student's t), with
/// Bonferroni's share of 5 %.
fn far_off(missed: &[f64], leverages: &[f64], freedom: f64) -> Vec<usize> {
    let points = missed.len();
    let Some(far) = stats::quantile_of(1.0 - (1.0 - stats::CONFIDENCE) / points as f64, freedom - 1.0) else {
        return vec![];
    };
    // What a point was missed by when it was left out, back to what it is off when it is not.
    let residuals: Vec<f64> =
        missed.iter().zip(leverages).map(|(missed, leverage)| missed * (1.0 - leverage)).collect();
    let squares: f64 = residuals.iter().map(|residual| residual * residual).sum();
    let is_far = |&i: &usize| {
        let own = residuals[i].powi(2) / (1.0 - leverages[i]);
        own > far * far * (squares - own).max(0.0) / (freedom - 1.0)
    };
    (0..points).filter(is_far).collect()
}
