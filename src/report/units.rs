//! Numbers as people write them: with units, ratios with their intervals, and a word where there is none.

use crate::record::Estimate;

/// A figure in words; what was not measured is said to be so, and never 0.
pub(crate) fn or_na(text: Option<String>) -> String {
    text.unwrap_or_else(|| "n/a".into())
}

/// Four significant digits and a unit that keeps the number between 1 and 1000: `1.710 ms`.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // Nothing is nothing of the plain unit.
    let fits = |scale: f64| if value == 0.0 { scale == 1.0 } else { value.abs() >= scale * 0.9995 };
    let &(scale, unit) = units.iter().find(|unit| fits(unit.0)).unwrap_or(&units[units.len() - 1]);
    significant(value / scale, unit)
}

/// Four significant digits, of which at least one stands behind the point: `12.34 GFLOP/J`.
pub(crate) fn significant(value: f64, unit: &str) -> String {
    let digits = match value.abs() {
        v if v >= 99.995 => 1,
        v if v >= 9.9995 => 2,
        v if v >= 0.9999 || v == 0.0 => 3,
        v if v >= 0.099_995 => 4,
        _ => 5,
    };
    format!("{value:.digits$} {unit}")
}

pub fn time(seconds: f64) -> String {
    scaled(seconds, &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs")])
}

pub fn energy(joules: f64) -> String {
    scaled(joules, &[(1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")])
}

pub fn power(watts: f64) -> String {
    scaled(watts, &[(1.0, "W"), (1e-3, "mW")])
}

/// Minutes and seconds: `1:20`.
pub(crate) fn countdown(seconds: f64) -> String {
    let seconds = seconds.max(0.0).ceil() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// "1.479"
pub fn ratio(ratio: Option<Estimate>) -> String {
    or_na(ratio.map(|ratio| figure(ratio.estimate)))
}

/// "1.477 … 1.481"
pub fn interval(ratio: Option<Estimate>) -> String {
    match ratio.map(|ratio| (ratio.low, ratio.high)) {
        Some((Some(low), Some(high))) => format!("{} … {}", figure(low), figure(high)),
        Some(_) => "n/a (few rounds)".into(),
        None => "n/a".into(),
    }
}

/// Three digits behind the point; a figure that no ratio has does not burst a column.
pub fn figure(ratio: f64) -> String {
    if ratio.abs() < 1e4 { format!("{ratio:.3}") } else { format!("{ratio:.2e}") }
}

/// Four digits without a unit: "82.37", "15000".
pub fn plain(value: f64) -> String {
    if value.abs() >= 999.95 && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    if value.abs() >= 1e9 {
        return format!("{value:.2e}");
    }
    significant(value, "").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_digits_and_the_fitting_unit() {
        assert_eq!(time(0.001_71), "1.710 ms");
        assert_eq!(time(0.143_04), "143.0 ms");
        assert_eq!(time(1.13), "1.130 s");
        assert_eq!(time(0.999_96), "1.000 s");
        assert_eq!((time(0.0), power(0.0)), ("0.000 s".into(), "0.000 W".into()));
        assert_eq!(energy(28.97), "28.97 J");
        assert_eq!(energy(0.664), "664.0 mJ");
        assert_eq!(power(388.2), "388.2 W");
        assert_eq!(power(1500.0), "1500.0 W");
        assert_eq!(significant(0.0916, "GFLOP/J"), "0.09160 GFLOP/J");
        assert_eq!(significant(3012.3, "GFLOP/J"), "3012.3 GFLOP/J");
        assert_eq!(countdown(79.2), "1:20");
        assert_eq!(countdown(-3.0), "0:00");
    }
}
