//! The plot of an atlas: power by bit flips.

use super::canvas::{Ink, Layout, Plot, Shape};
use super::chart::{Chart, Curve, Spot};
use crate::analysis::bit_power;
use crate::operands::Bits;
use crate::record::Record;

/// Power by bit flips, every init by its name. None where watts or bits are missing. `words` say what the line does.
pub fn plot(record: &Record, words: &str, layout: Layout) -> Option<Plot> {
    let fit = bit_power::fit(record);
    let bits = fit.map_or(Bits::Operands, |(bits, _)| bits);
    let points = bit_power::points(record, bits);
    if points.len() < 3 {
        return None;
    }
    let most = points.iter().map(|point| point.bit_flips).fold(0.0, f64::max);
    let line = fit.map(|(_, line)| Curve {
        points: [0.0, most].map(|x| (x, line.intercept.estimate + line.slope.estimate * x)).into(),
        ink: Ink::Muted,
        width: 1.2,
        name: None,
    });
    let spot = |point: &bit_power::Point| Spot {
        at: (point.bit_flips, point.power_w),
        shape: Shape::Filled,
        ink: Ink::of(point.init),
        name: Some(point.init.to_string()),
    };
    let chart = Chart {
        title: format!("Power by bit flips on {}", record.adapter.name),
        description: format!(
            "A dot for each of {} inits, with its name: mean power by the bits of the {bits} that flip in a \
             multiplication. {words}",
            points.len(),
        ),
        x: format!("bit flips of the {bits} a multiplication"),
        y: "mean power, W".into(),
        from_zero: false,
        curves: line.into_iter().collect(),
        spots: points.iter().map(spot).collect(),
    };
    chart.draw(layout)
}
