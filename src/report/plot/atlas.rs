//! The plots of an atlas: power as measured by what the law says, and what each count costs.

use super::canvas::{Ink, Layout, Plot, Shape};
use super::chart::{Chart, Curve, Spot};
use super::dots::{DotRow, Rows};
use crate::analysis::law::{Law, Point};
use crate::operands::Count;
use crate::record::Estimate;
use crate::report::units;

/// Power as measured, by what the law of all other inits says, every init by its name. `words` say how well the law does.
pub fn measured(law: &Law, card: &str, words: &str, layout: Layout) -> Option<Plot> {
    let both = || law.points.iter().flat_map(|point| [point.power_w, point.predicted_w]);
    let (least, most) = (both().fold(f64::INFINITY, f64::min), both().fold(f64::NEG_INFINITY, f64::max));
    let agree = Curve { points: vec![(least, least), (most, most)], ink: Ink::Muted, width: 1.2, name: None };
    let spot = |point: &Point| Spot {
        at: (point.predicted_w, point.power_w),
        shape: if point.off { Shape::Hollow } else { Shape::Filled },
        ink: Ink::of(point.init),
        name: Some(point.init.to_string()),
    };
    let chart = Chart {
        title: format!("Power as measured and by the law on {card}"),
        description: format!(
            "A dot for each of {} inits, with its name: mean power as measured, by what the law of all other inits says; hollow \
             where it is off the law. On the line both agree. The law {words}.",
            law.points.len(),
        ),
        x: "power by the law of all other inits, W".into(),
        y: "power as measured, W".into(),
        from_zero: false,
        curves: vec![agree],
        spots: law.points.iter().map(spot).collect(),
    };
    chart.draw(layout)
}

/// A bar for what each count costs, with its interval.
pub fn costs(law: &Law, card: &str, layout: Layout) -> Option<Plot> {
    let row = |(i, (count, cost)): (usize, (&Count, &Estimate))| DotRow {
        name: count.name().into(),
        bar: Some((cost.estimate, Ink::Of(i))),
        span: cost.low.zip(cost.high),
        points: vec![(cost.estimate, Shape::Tick, Ink::Text)],
        figures: vec![
            units::power(cost.estimate),
            cost.low.zip(cost.high).map_or("n/a".into(), |(low, high)| format!("{low:.1} … {high:.1}")),
        ],
        ..DotRow::default()
    };
    let plot = Rows {
        title: format!("What each count costs on {card}"),
        description: format!(
            "A bar for each count: the watts that it costs in a product of {}, with the 95 % interval as a line. The figures stand in \
             columns. Whatever the numbers are, {} are drawn.",
            law.example,
            units::power(law.offset_w.estimate)
        ),
        axis: format!("watts in a product of {}, with 95 % interval", law.example),
        from_zero: true,
        columns: vec![("costs".into(), Ink::Text, 66.0), ("95 % interval".into(), Ink::Muted, 106.0)],
        rows: law.counts.iter().zip(&law.costs_w).enumerate().map(row).collect(),
        ..Rows::default()
    };
    plot.draw(layout)
}
