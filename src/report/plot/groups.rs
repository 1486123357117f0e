//! The plots of groups: pure functions from records to drawings. None where there is nothing to show.

use super::canvas::{Ink, Layout, Pen, Plot, SMALL, Shape};
use super::dots::{DotRow, NARROWER, Rows};
use crate::inputs::Init;
use crate::overview::Comparable;
use crate::power::Scope;
use crate::record::InitSummary;
use crate::report::lines::{self, Line, MOST_DRAWN};
use crate::report::published::{self, Quantity};
use crate::report::units::{self, or_na};
use crate::stats::{Estimate, Spread};

/// The ratio of energy with its interval, by GPU.
pub(crate) fn ratios(comparable: &Comparable, lines: &[Line], layout: Layout) -> Option<Plot> {
    let measured = lines.iter().filter_map(|line| line.row.energy().map(|energy| (line, energy)));
    let one = |line: &Line, energy: Estimate| {
        let interval = energy.low.zip(energy.high);
        // Hollow: with this interval, there may be no difference at all.
        let sure = interval.is_some_and(|(low, high)| !(low..=high).contains(&1.0));
        DotRow {
            name: line.name.clone(),
            note: line.note(),
            span: interval,
            points: vec![(energy.estimate, if sure { Shape::Filled } else { Shape::Hollow }, Ink::Text)],
            figures: vec![units::ratio(Some(energy)), units::interval(Some(energy))],
        }
    };
    let many = |line: &Line, ratio: &Spread| DotRow {
        name: line.name.clone(),
        note: Some(["range of the cards".into()].into_iter().chain(line.note()).collect::<Vec<_>>().join(", ")),
        span: Some((ratio.least, ratio.most)),
        points: vec![(ratio.median, Shape::Filled, Ink::Text)],
        figures: vec![units::figure(ratio.median), lines::reach(ratio)],
    };
    let row = |(line, energy): (&Line, Estimate)| match &line.fleet {
        Some(fleet) => Some(many(line, fleet.ratio.as_ref()?)),
        None => Some(one(line, energy)),
    };
    let rows: Vec<DotRow> = measured.filter_map(row).take(MOST_DRAWN).collect();
    if rows.is_empty() {
        return None;
    }
    let Comparable { reference, init, .. } = comparable;
    let mut marks = vec![(1.0, "no difference".to_owned())];
    if let (Some(slide), Init::Zeros, Init::Gaussian) = (published::slide(), *reference, *init) {
        marks.push((slide, format!("the slide: {slide:.3}")));
    }
    let plot = Rows {
        title: format!("Energy of a product, {}", comparable.title()),
        description: format!(
            "A dot for each of {} GPUs: by how much a product of {init} numbers costs more energy than one of {reference}, \
             with the 95 % interval as a line. A hollow dot: the interval holds 1, no difference is certain. Of several cards \
             of one model, the median, and a line from the least to the most. The figures stand beside it.",
            rows.len()
        ),
        axis: format!("energy, {init} ÷ {reference}, with 95 % interval"),
        from_zero: false,
        marks,
        columns: vec![("ratio".into(), Ink::Text, 56.0), ("95 % interval".into(), Ink::Muted, 106.0)],
        rows,
    };
    plot.draw(layout)
}

/// The cards of each model on a line, by their ratio of energy.
pub(crate) fn cards(comparable: &Comparable, lines: &[Line], layout: Layout) -> Option<Plot> {
    let strip = |line: &Line| {
        let fleet = line.fleet.as_ref()?;
        let ratio = fleet.ratio.as_ref()?;
        let point = |card: usize, value: f64| match ratio.outliers.contains(&card) {
            true => (value, Shape::Filled, Ink::Of(1)),
            false => (value, Shape::Tick, Ink::Text),
        };
        let values = fleet.cards.iter().map(|card| card.row.energy().map(|energy| energy.estimate));
        let points = values.enumerate().filter_map(|(card, value)| Some(point(card, value?)));
        Some(DotRow {
            name: line.name.clone(),
            note: Some(lines::standing_out(ratio.outliers.len())),
            span: None,
            points: points.collect(),
            figures: vec![units::figure(ratio.median), format!("{:.1} %", 100.0 * ratio.share())],
        })
    };
    let rows: Vec<DotRow> = lines.iter().filter_map(strip).take(MOST_DRAWN).collect();
    if rows.is_empty() {
        return None;
    }
    let Comparable { reference, init, .. } = comparable;
    let plot = Rows {
        title: format!("Cards of one model, {}", comparable.title()),
        description:
            "An upright stroke for each card at its ratio of energy, a filled dot for one that stands out. The median, \
                      and the spread from the least to the most, stand beside it."
                .into(),
        axis: format!("energy, {init} ÷ {reference}, each card"),
        from_zero: false,
        marks: vec![],
        columns: vec![("median".into(), Ink::Text, 60.0), ("spread".into(), Ink::Muted, 62.0)],
        rows,
    };
    plot.draw(layout)
}

/// Power of both inits, and idle, by GPU. Watts of one scope alone.
pub(crate) fn power(comparable: &Comparable, lines: &[Line], scope: Scope, layout: Layout) -> Option<Plot> {
    let watts_text = |watts: f64| if watts < 20.0 { format!("{watts:.1}") } else { format!("{watts:.0}") };
    let watts = |line: &Line| {
        let idle_w = line.run.record.summary.sensor.idle_w;
        let mut row = two(comparable, line, |init| init.power_w, watts_text)?;
        row.figures.insert(0, or_na(idle_w.map(watts_text)));
        if let Some(idle_w) = idle_w {
            row.points.insert(0, (idle_w, Shape::Tick, Ink::Muted));
        }
        Some(row)
    };
    let Comparable { reference, init, .. } = comparable;
    let plot = Rows {
        title: format!("Power of {}, {}", lines::scope_title(scope), comparable.title()),
        description: format!(
            "Mean power on {reference} (hollow dot) and on {init} (filled dot), with a line between them, and idle after \
             the work (short upright line). The watts stand beside it."
        ),
        axis: "mean power, W".into(),
        from_zero: true,
        marks: vec![],
        columns: vec![("idle".into(), Ink::Muted, 44.0), column(*reference, 62.0), column(*init, 78.0)],
        rows: of_scope(lines, scope).filter_map(watts).take(MOST_DRAWN).collect(),
    };
    if plot.rows.is_empty() { None } else { plot.draw(layout) }
}

/// Operations a joule of both inits, by GPU. Joules of one scope alone.
pub(crate) fn efficiency(comparable: &Comparable, lines: &[Line], scope: Scope, layout: Layout) -> Option<Plot> {
    let row = |line: &Line| two(comparable, line, |init| init.gflop_per_j, units::plain);
    let Comparable { reference, init, dtype, .. } = comparable;
    let giga = dtype.giga();
    let plot = Rows {
        title: format!("Efficiency of {}, {}", lines::scope_title(scope), comparable.title()),
        description: format!(
            "{giga} a joule on {reference} (hollow dot) and on {init} (filled dot), with a line between them. The figures stand \
             beside it."
        ),
        axis: format!("efficiency, {giga}/J"),
        from_zero: true,
        marks: vec![],
        columns: vec![column(*reference, 72.0), column(*init, 84.0)],
        rows: of_scope(lines, scope).filter_map(row).take(MOST_DRAWN).collect(),
    };
    if plot.rows.is_empty() { None } else { plot.draw(layout) }
}

/// The figures of an init, with room for its name.
fn column(init: Init, least: f64) -> (String, Ink, f64) {
    let name = init.to_string();
    let width = (Pen::bold(Ink::Text, SMALL.size).width(&name) + 8.0) / NARROWER;
    (name, Ink::of(init), width.max(least))
}

fn of_scope<'a, 'b>(lines: &'a [Line<'b>], scope: Scope) -> impl Iterator<Item = &'a Line<'b>> {
    lines.iter().filter(move |line| line.scope() == Some(scope))
}

/// The same figure of the reference and of the init: hollow → filled.
fn two(
    comparable: &Comparable,
    line: &Line,
    figure: impl Fn(&InitSummary) -> Option<f64>,
    text: impl Fn(f64) -> String,
) -> Option<DotRow> {
    let (base, other) = (figure(&line.row.summaries.0)?, figure(&line.row.summaries.1)?);
    Some(DotRow {
        name: line.name.clone(),
        note: line.note(),
        span: Some((base, other)),
        points: vec![
            (base, Shape::Hollow, Ink::of(comparable.reference)),
            (other, Shape::Filled, Ink::of(comparable.init)),
        ],
        figures: vec![text(base), text(other)],
    })
}

/// What others have published.
pub(crate) fn published(layout: Layout) -> Option<Plot> {
    let rows = published::publications().iter().flat_map(|publication| {
        publication.rows.iter().map(|row| DotRow {
            name: row.title(),
            note: None,
            span: None,
            points: vec![(
                row.ratio,
                if publication.quantity == Quantity::Energy { Shape::Filled } else { Shape::Hollow },
                Ink::Text,
            )],
            figures: vec![format!("{:.3}", row.ratio), publication.quantity.name().into()],
        })
    });
    let plot = Rows {
        title: published::TITLE.into(),
        description:
            "A dot for each published ratio: filled where it is one of energy, hollow where it is one of power. \
                      The figures stand beside it."
                .into(),
        axis: "Gaussian ÷ zeros".into(),
        from_zero: false,
        marks: vec![(1.0, "no difference".into())],
        columns: vec![("ratio".into(), Ink::Text, 56.0), ("of".into(), Ink::Muted, 62.0)],
        rows: rows.collect(),
    };
    plot.draw(layout)
}
