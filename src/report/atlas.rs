//! A run of several inits: the watts of each by the bits that flip in it.

use super::canvas::{Ink, Layout, Plot, Shape};
use super::chart::{Chart, Curve, Spot};
use super::units;
use crate::analysis::bit_power;
use crate::operands::{Activity, Bits, Init};
use crate::record::text::printable;
use crate::record::{Estimate, Flag, InitSummary, Record};

/// So many inits make one: through two there is always a line.
const LEAST: usize = 3;

/// Is the record one?
pub fn is(record: &Record) -> bool {
    record.plan.inits.len() >= LEAST
}

/// One init of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub init: Init,
    pub summary: InitSummary,
    /// Of energy, against the reference; the reference has none.
    pub ratio: Option<Estimate>,
    /// Older records have none.
    pub activity: Option<Activity>,
}

/// The inits, in the plan's order.
pub fn rows(record: &Record) -> Vec<Row> {
    let row = |&init: &Init| {
        Some(Row {
            init,
            summary: *record.summary.inits.get(&init)?,
            ratio: record.summary.ratios.get(&init).and_then(|ratios| ratios.energy),
            activity: record.inputs.get(&init).and_then(|inputs| inputs.activity),
        })
    };
    record.plan.inits.iter().filter_map(row).collect()
}

/// What the line says: "2.1 W a bit flip of the operands (2.0 W … 2.2 W), 180 W without; that is 99 % of the differences".
pub fn line(record: &Record) -> Option<String> {
    let (bits, line) = bit_power::fit(record)?;
    let interval = line.slope.low.zip(line.slope.high);
    let interval = interval.map(|(low, high)| format!(" ({} … {})", units::power(low), units::power(high)));
    Some(format!(
        "{} a bit flip of the {bits}{}, {} without; that is {:.0} % of the differences",
        units::power(line.slope.estimate),
        interval.unwrap_or_default(),
        units::power(line.intercept.estimate),
        100.0 * line.explained
    ))
}

/// The line in a sentence, or why there is none.
pub fn sentence(record: &Record) -> String {
    match line(record) {
        Some(line) => format!("{line}. In parentheses: the 95 % interval."),
        None if record.verdict.flags.contains(&Flag::PowerCapped) => {
            "No line: the power limit held the clock, and there watts do not grow with the bits; time does.".into()
        }
        None if record.summary.sensor.lead.is_none() => "No line: power was not measured.".into(),
        None => "No line: it takes three inits whose bits were counted.".into(),
    }
}

/// Power by bit flips, every init by its name. None where watts or bits are missing.
pub fn plot(record: &Record, layout: Layout) -> Option<Plot> {
    let fit = bit_power::fit(record);
    let bits = fit.map_or(Bits::Operands, |(bits, _)| bits);
    let points = bit_power::points(record, bits);
    if points.len() < LEAST {
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
        title: format!("Power by bit flips on {}", printable(&record.adapter.name)),
        description: format!(
            "A dot for each of {} inits, with its name: mean power by the bits of the {bits} that flip in a multiplication. {}",
            points.len(),
            sentence(record)
        ),
        x: format!("bit flips of the {bits} a multiplication"),
        y: "mean power, W".into(),
        from_zero: false,
        curves: line.into_iter().collect(),
        spots: points.iter().map(spot).collect(),
    };
    chart.draw(layout)
}
