//! The plots of groups: pure functions from records to drawings. None where there is nothing to show.

use super::canvas::{Ink, Layout, Pen, Plot, SMALL, Shape};
use super::dots::{DotRow, NARROWER, Rows};
use crate::analysis::overview::Comparable;
use crate::analysis::stats::Spread;
use crate::operands::Init;
use crate::record::{Estimate, InitSummary, Scope};
use crate::report::lines::{Line, MOST_DRAWN};
use crate::report::published::Quantity;
use crate::report::units::or_na;
use crate::report::{lines, published, units};

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
            ..DotRow::default()
        }
    };
    let many = |line: &Line, ratio: &Spread| DotRow {
        name: line.name.clone(),
        note: Some(["range of the cards".into()].into_iter().chain(line.note()).collect::<Vec<_>>().join(", ")),
        span: Some((ratio.least, ratio.most)),
        points: vec![(ratio.median, Shape::Filled, Ink::Text)],
        figures: vec![units::figure(ratio.median), lines::reach(ratio)],
        ..DotRow::default()
    };
    let row = |(line, energy): (&Line, Estimate)| match &line.fleet {
        Some(fleet) => Some(many(line, fleet.ratio.as_ref()?)),
        None => Some(one(line, energy)),
    };
    let rows: Vec<DotRow> = measured.filter_map(row).take(MOST_DRAWN).collect();
    let Comparable { reference, init, .. } = comparable;
    let mut marks = vec![(1.0, "no difference".to_owned())];
    if let (Some(slide), Init::Zeros, Init::Gaussian) = (published::slide(), *reference, *init) {
        marks.push((slide, format!("the slide: {slide:.3}")));
    }
    let plot = Rows {
        title: format!("Energy of a product, {}", comparable.title()),
        description: format!(
            "A dot for each of {} GPUs: by how much a product of {init} numbers costs more energy than one of \
             {reference}, with the 95 % interval as a line. A hollow dot: the interval holds 1, no difference is \
             certain. Of several cards of one model, the median, and a line from the least to the most. The figures \
             stand in columns.",
            rows.len()
        ),
        axis: format!("energy, {init} ÷ {reference}, with 95 % interval"),
        marks,
        columns: vec![("ratio".into(), Ink::Text, 56.0), ("95 % interval".into(), Ink::Muted, 106.0)],
        rows,
        ..Rows::default()
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
            ..DotRow::default()
        })
    };
    let rows: Vec<DotRow> = lines.iter().filter_map(strip).take(MOST_DRAWN).collect();
    let Comparable { reference, init, .. } = comparable;
    let plot = Rows {
        title: format!("Cards of one model, {}", comparable.title()),
        description:
            "An upright stroke for each card at its ratio of energy, a filled dot for one that stands out. The \
             median, and the spread from the least to the most, stand in columns."
                .into(),
        axis: format!("energy, {init} ÷ {reference}, each card"),
        columns: vec![("median".into(), Ink::Text, 60.0), ("spread".into(), Ink::Muted, 62.0)],
        rows,
        ..Rows::default()
    };
    plot.draw(layout)
}

/// Power of both inits, and idle, by GPU. Watts of one scope alone.
pub(crate) fn power(comparable: &Comparable, lines: &[Line], scope: Scope, layout: Layout) -> Option<Plot> {
    let text = |watts: f64| if watts < 20.0 { format!("{watts:.1}") } else { format!("{watts:.0}") };
    let with_idle = |line: &Line, mut row: DotRow| {
        let idle_w = line.run.record.summary.sensor.idle_w;
        row.figures.insert(0, or_na(idle_w.map(text)));
        row.points.extend(idle_w.map(|idle_w| (idle_w, Shape::Tick, Ink::Muted)));
        row
    };
    let mut plot = both(comparable, lines, scope, [62.0, 78.0], |init| init.power_w, text, with_idle);
    plot.columns.insert(0, ("idle".into(), Ink::Muted, 44.0));
    plot.title = format!("Power of {}, {}", lines::scope_title(scope), comparable.title());
    plot.description = format!("Mean power {}, and idle after the work (short upright line).", plot.description);
    plot.axis = "mean power, W".into();
    plot.draw(layout)
}

/// Operations a joule of both inits, by GPU. Joules of one scope alone.
pub(crate) fn efficiency(comparable: &Comparable, lines: &[Line], scope: Scope, layout: Layout) -> Option<Plot> {
    let giga = comparable.dtype.giga();
    let plot = both(comparable, lines, scope, [72.0, 84.0], |init| init.gflop_per_j, units::plain, |_, row| row);
    let plot = Rows {
        title: format!("Efficiency of {}, {}", lines::scope_title(scope), comparable.title()),
        description: format!("{giga} a joule {}.", plot.description),
        axis: format!("efficiency, {giga}/J"),
        ..plot
    };
    plot.draw(layout)
}

/// The same figure of the reference and of the init, hollow → filled, in columns of these widths at least; `more` adds
/// to a row.
fn both(
    comparable: &Comparable,
    lines: &[Line],
    scope: Scope,
    least: [f64; 2],
    figure: impl Fn(&InitSummary) -> Option<f64>,
    text: impl Fn(f64) -> String,
    more: impl Fn(&Line, DotRow) -> DotRow,
) -> Rows {
    let Comparable { reference, init, .. } = *comparable;
    // With room for their names.
    let column = |(init, least): (Init, f64)| {
        let name = init.to_string();
        let width = (Pen::bold(Ink::Text, SMALL.size).width(&name) + 8.0) / NARROWER;
        (name, Ink::of(init), width.max(least))
    };
    let row = |line: &Line| {
        let (base, other) = (figure(&line.row.summaries.0)?, figure(&line.row.summaries.1)?);
        let points = vec![(base, Shape::Hollow, Ink::of(reference)), (other, Shape::Filled, Ink::of(init))];
        let (name, note, figures) = (line.name.clone(), line.note(), vec![text(base), text(other)]);
        Some(more(line, DotRow { name, note, bar: None, span: Some((base, other)), points, figures }))
    };
    let rows = lines.iter().filter(|line| line.scope() == Some(scope)).filter_map(row).take(MOST_DRAWN).collect();
    let description =
        format!("on {reference} (hollow dot) and on {init} (filled dot), with a line between them; figures in columns");
    let columns = [reference, init].into_iter().zip(least).map(column).collect();
    Rows { description, from_zero: true, columns, rows, ..Rows::default() }
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
            ..DotRow::default()
        })
    });
    let plot = Rows {
        title: published::TITLE.into(),
        description:
            "A dot for each published ratio: filled where it is one of energy, hollow where it is one of power. \
             The figures stand in columns."
                .into(),
        axis: "Gaussian ÷ zeros".into(),
        marks: vec![(1.0, "no difference".into())],
        columns: vec![("ratio".into(), Ink::Text, 56.0), ("of".into(), Ink::Muted, 62.0)],
        rows: rows.collect(),
        ..Rows::default()
    };
    plot.draw(layout)
}
