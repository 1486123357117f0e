//! Scales with round figures, and labels that do not lie on each other.

/// A scale of figures along a stretch of the sheet.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    range: (f64, f64),
    pixels: (f64, f64),
}

impl Axis {
    /// From the least to the greatest of the values, with a little room on both sides. Values that no axis can show
    /// (not finite, or absurdly large) do not count; None where no other is.
    pub(crate) fn around(values: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Option<Self> {
        let (low, high) = values
            .into_iter()
            .filter(|&value| showable(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let room = ((high - low) * 0.04).max(high.abs() * 1e-3).max(1e-9);
        (low <= high).then_some(Axis { range: (low - room, high + room), pixels })
    }

    /// From 0 to the greatest: what has a true zero is shown with it.
    pub(crate) fn from_zero(values: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Option<Self> {
        let highest = values.into_iter().filter(|&value| showable(value)).max_by(f64::total_cmp)?;
        Some(Axis { range: (0.0, highest.max(1e-9) * 1.04), pixels })
    }

    /// Where a value stands; what lies outside stands at the end.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        self.pixels.0 + share.clamp(0.0, 1.0) * (self.pixels.1 - self.pixels.0)
    }

    /// Does the value lie on it?
    pub(crate) fn shows(&self, value: f64) -> bool {
        (self.range.0..=self.range.1).contains(&value)
    }

    /// At most so many round figures, 1, 2 or 5 times a power of ten apart, with where they stand and how they are
    /// written.
    pub(crate) fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let (low, high) = self.range;
        let power = ((high - low) / most.max(1) as f64).log10().floor();
        let between = |step: f64| ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
        let steps = [1.0, 2.0, 5.0, 10.0, 20.0].map(|times| times * 10f64.powf(power));
        let fits = |step: &f64| between(*step).1 - between(*step).0 < most as i64;
        let step = steps.into_iter().find(fits).unwrap_or(high - low);
        let digits = (-(step * 1.001).log10().floor()).clamp(0.0, 6.0) as usize;
        let (first, last) = between(step);
        let values = (first..=last).map(|i| i as f64 * step);
        values.map(|value| (self.at(value), format!("{:.digits$}", value + 0.0))).collect()
    }
}

fn showable(value: f64) -> bool {
    value.abs() < 1e9 // false for what is no number
}

/// Pushes texts apart that stand on one line, each given by its middle and width, in order, until none touches the
/// next and all lie within the limits (as far as there is room).
pub(crate) fn push_apart(middles: &mut [(f64, f64)], limits: (f64, f64), gap: f64) {
    let mut from = limits.0;
    for (middle, width) in middles.iter_mut() {
        *middle = middle.max(from + *width / 2.0);
        from = *middle + *width / 2.0 + gap;
    }
    let mut to = limits.1;
    for (middle, width) in middles.iter_mut().rev() {
        *middle = middle.min(to - *width / 2.0);
        to = *middle - *width / 2.0 - gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_figures_and_survive_absurd_ones() {
        let words = |axis: &Axis, most| axis.ticks(most).into_iter().map(|tick| tick.1).collect::<Vec<_>>().join(" ");
        let axis = Axis::around([1.0, 1.479, 1.318], (0.0, 300.0)).unwrap();
        assert_eq!(words(&axis, 6), "1.0 1.1 1.2 1.3 1.4");
        assert_eq!(words(&axis, 3), "1.0 1.2 1.4");
        assert_eq!(words(&Axis::from_zero([250.0], (0.0, 300.0)).unwrap(), 6), "0 50 100 150 200 250");
        assert!(Axis::around([f64::NAN, f64::INFINITY, 1e308], (0.0, 300.0)).is_none());
        assert!(Axis::around([], (0.0, 300.0)).is_none());
        let point = Axis::around([2.0, f64::NAN], (0.0, 300.0)).unwrap();
        assert!((point.at(2.0) - 150.0).abs() < 1e-6, "one value stands in the middle");
        assert_eq!(Axis::from_zero([0.0], (0.0, 300.0)).unwrap().at(0.0), 0.0);
        assert_eq!(axis.at(1e300), 300.0, "what lies outside stays at the edge");
        for high in [1e-9, 3e-7, 0.5, 7.0, 123_456.0, 9e8] {
            let ticks = Axis::from_zero([high], (0.0, 300.0)).unwrap().ticks(5).len();
            assert!((2..=5).contains(&ticks), "{high}: {ticks}");
        }
    }

    #[test]
    fn labels_are_pushed_apart_and_stay_within_their_limits() {
        let mut labels = [(10.0, 40.0), (20.0, 40.0), (95.0, 30.0)];
        push_apart(&mut labels, (0.0, 140.0), 5.0);
        assert_eq!(labels.map(|label| label.0), [20.0, 65.0, 105.0]);
        let mut late = [(130.0, 40.0), (135.0, 40.0)];
        push_apart(&mut late, (0.0, 140.0), 5.0);
        assert_eq!(late.map(|label| label.0), [75.0, 120.0]);
    }
}
