//! The plots: pure functions from records to drawings. None where there is nothing to show.

use super::canvas::{Axis, Drawn, Ink, Pen, Plot, Shape, Sheet, Side, draw, push_apart};
use super::published::{self, Quantity};
use super::units::{self, or_na};
use super::view::{self, Line};
use crate::inputs::Init;
use crate::overview::Comparable;
use crate::power::Scope;
use crate::record::{InitSummary, Record};
use crate::stats::{Estimate, Spread};
use crate::text::printable;
use crate::trace::Trace;

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Wide,
    /// A phone's: what stands beside its row elsewhere stands above it here.
    Narrow,
}

impl Layout {
    pub const BOTH: [Layout; 2] = [Layout::Wide, Layout::Narrow];

    pub(super) fn width(self) -> f64 {
        match self {
            Layout::Wide => 760.0,
            Layout::Narrow => 358.0,
        }
    }
}

/// So many rows are drawn; a table has the others.
pub const MOST_ROWS: usize = 40;

/// By which a column of figures is narrower on a phone.
const NARROWER: f64 = 0.85;

const NAME: Pen = Pen::new(Ink::Text, 13.0);
pub(super) const SMALL: Pen = Pen::new(Ink::Muted, 11.5);
const FIGURE: Pen = Pen::bold(Ink::Text, 13.0);

/// Points on a row of their own each, with the figures beside them: a dot plot as Cleveland has it.
pub struct Rows {
    pub title: String,
    pub description: String,
    /// Under the axis, with its unit.
    pub axis: String,
    /// Does the axis begin at 0?
    pub from_zero: bool,
    /// Values that are marked from top to bottom, and what they are.
    pub marks: Vec<(f64, String)>,
    /// The figures beside a row: heading, ink, and width of the column.
    pub columns: Vec<(String, Ink, f64)>,
    pub rows: Vec<DotRow>,
}

/// One row of [`Rows`].
pub struct DotRow {
    pub name: String,
    pub note: Option<String>,
    /// A line between two values: an interval, or the way from one point to another.
    pub span: Option<(f64, f64)>,
    pub points: Vec<(f64, Shape, Ink)>,
    pub figures: Vec<String>,
}

impl Rows {
    /// Draws them.
    pub fn draw(&self, layout: Layout) -> Option<Plot> {
        let values = || {
            let of_rows = self.rows.iter().flat_map(|row| {
                row.points.iter().map(|point| point.0).chain(row.span.into_iter().flat_map(|span| [span.0, span.1]))
            });
            of_rows.chain(self.marks.iter().map(|mark| mark.0))
        };
        let narrow = layout == Layout::Narrow;
        let width = layout.width();
        // A phone's room is for the names.
        let column_width = |column: &(String, Ink, f64)| if narrow { column.2 * NARROWER } else { column.2 };
        let figures: f64 = self.columns.iter().map(column_width).sum();
        let longest = self.rows.iter().map(|row| NAME.width(&row.name)).fold(0.0, f64::max);
        let names = longest.clamp(90.0, 265.0);
        let pixels = if narrow { (14.0, width - 14.0) } else { (names + 24.0, width - figures - 20.0) };
        let axis = if self.from_zero { Axis::from_zero(values(), pixels) } else { Axis::around(values(), pixels) }?;

        let mark_lines = self.mark_lines(&axis, width);
        // The headings of the columns stand beside the marks where there is room for both, else above them.
        let headings = 16.0;
        let top = headings + 16.0 * mark_lines.iter().map(|line| line.2 + 1).max().unwrap_or(0) as f64 + 8.0;
        let step = |row: &DotRow| match (layout, &row.note) {
            (Layout::Wide, _) => 30.0,
            (Layout::Narrow, None) => 44.0,
            (Layout::Narrow, Some(_)) => 58.0,
        };
        let bottom = top + self.rows.iter().map(step).sum::<f64>();
        draw((width, bottom + 42.0), &self.title, &self.description, |sheet| {
            let ticks = axis.ticks(if narrow { 5 } else { 8 });
            // Where names stand in the way, what goes through is drawn row by row.
            let through = |x: f64, ink: Ink, width: f64| {
                let mut y = top;
                if !narrow {
                    return sheet.line((x, top), (x, bottom), ink, width);
                }
                self.rows.iter().try_for_each(|row| {
                    y += step(row);
                    sheet.line((x, y - 24.0), (x, y - 2.0), ink, width)
                })
            };
            for (x, text) in &ticks {
                through(*x, Ink::Grid, 1.0)?;
                sheet.label(*x, bottom + 13.0, width, SMALL, text)?;
            }
            // A long title may reach under the names, but not beyond the sheet.
            let title = SMALL.fitted(&self.axis, width);
            sheet.label((pixels.0 + pixels.1) / 2.0, bottom + 31.0, width, SMALL, &title)?;
            for (mark, (middle, text, level)) in self.marks.iter().zip(&mark_lines) {
                let y = headings + 8.0 + 16.0 * *level as f64;
                let x = axis.at(mark.0);
                sheet.line((x, y + 9.0), (x, top), Ink::Muted, 1.2)?;
                through(x, Ink::Muted, 1.2)?;
                sheet.text(*middle, y, Side::Middle, SMALL, text)?;
            }
            let columns = |each: &dyn Fn(usize, f64) -> Drawn| {
                let mut right = width - 2.0;
                self.columns.iter().enumerate().rev().try_for_each(|(i, column)| {
                    each(i, right)?;
                    right -= column_width(column);
                    Ok(())
                })
            };
            columns(&|i, x| {
                let (heading, ink, _) = &self.columns[i];
                sheet.text(x, 8.0, Side::Left, Pen { ink: *ink, bold: *ink != Ink::Muted, ..SMALL }, heading)
            })?;
            let mut end = top;
            for row in &self.rows {
                let from = end;
                end += step(row);
                let (y, text_y) =
                    if narrow { (end - 13.0, from + 9.0) } else { ((from + end) / 2.0, (from + end) / 2.0) };
                sheet.line(
                    (if narrow { pixels.0 } else { pixels.0 - 6.0 }, y),
                    (if narrow { pixels.1 } else { pixels.1 + 6.0 }, y),
                    Ink::Grid,
                    1.0,
                )?;
                columns(&|column, x| {
                    let ink = self.columns[column].1;
                    let pen = if ink == Ink::Muted { SMALL } else { Pen { ink, ..FIGURE } };
                    sheet.text(x, text_y, Side::Left, pen, row.figures.get(column).map_or("", String::as_str))
                })?;
                let room = if narrow { width - figures - 12.0 } else { names + 8.0 };
                row.draw_name(sheet, text_y, room, layout)?;
                row.draw_points(sheet, &axis, y)?;
            }
            Ok(())
        })
    }

    /// The middle, the text and the line of every mark's label: on one line if they fit beside each other.
    fn mark_lines(&self, axis: &Axis, width: f64) -> Vec<(f64, String, usize)> {
        let mut from = f64::NEG_INFINITY;
        let mut level = 0;
        let place = |(value, text): &(f64, String)| {
            let half = SMALL.width(text) / 2.0;
            let middle = axis.at(*value).clamp(half, (width - half).max(half));
            level = if middle - half < from { level + 1 } else { 0 };
            from = if level == 0 { middle + half + 8.0 } else { from.max(middle + half + 8.0) };
            (middle, text.clone(), level)
        };
        self.marks.iter().map(place).collect()
    }
}

impl DotRow {
    fn draw_name(&self, sheet: &Sheet, y: f64, room: f64, layout: Layout) -> Drawn {
        let name = NAME.fitted_name(&self.name, room);
        let Some(note) = &self.note else {
            return sheet.text(0.0, y, Side::Right, NAME, &name);
        };
        let (name_y, note_y) = if layout == Layout::Wide { (y - 7.0, y + 7.5) } else { (y, y + 15.0) };
        sheet.text(0.0, name_y, Side::Right, NAME, &name)?;
        sheet.text(0.0, note_y, Side::Right, SMALL, &SMALL.fitted(note, room))
    }

    fn draw_points(&self, sheet: &Sheet, axis: &Axis, y: f64) -> Drawn {
        if let Some((low, high)) = self.span {
            let (low, high) = (axis.at(low), axis.at(high));
            sheet.line((low, y), (high, y), Ink::Muted, 2.0)?;
            // An interval that its point hides needs no ends.
            if self.points.len() == 1 && high - low > 12.0 {
                for x in [low, high] {
                    sheet.line((x, y - 4.0), (x, y + 4.0), Ink::Muted, 2.0)?;
                }
            }
        }
        for &(value, shape, ink) in &self.points {
            if value.is_finite() {
                sheet.point(axis.at(value), y, shape, ink)?;
            }
        }
        Ok(())
    }
}

/// The ratio of energy with its interval, by GPU.
pub fn ratios(comparable: &Comparable, lines: &[Line], layout: Layout) -> Option<Plot> {
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
        figures: vec![units::figure(ratio.median), view::reach(ratio)],
    };
    let row = |(line, energy): (&Line, Estimate)| match &line.fleet {
        Some(fleet) => Some(many(line, fleet.ratio.as_ref()?)),
        None => Some(one(line, energy)),
    };
    let rows: Vec<DotRow> = measured.filter_map(row).take(MOST_ROWS).collect();
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
pub fn cards(comparable: &Comparable, lines: &[Line], layout: Layout) -> Option<Plot> {
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
            note: Some(view::standing_out(ratio.outliers.len())),
            span: None,
            points: points.collect(),
            figures: vec![units::figure(ratio.median), format!("{:.1} %", 100.0 * ratio.share())],
        })
    };
    let rows: Vec<DotRow> = lines.iter().filter_map(strip).take(MOST_ROWS).collect();
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
pub fn power(comparable: &Comparable, lines: &[Line], scope: Scope, layout: Layout) -> Option<Plot> {
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
        title: format!("Power of {}, {}", view::scope_title(scope), comparable.title()),
        description: format!(
            "Mean power on {reference} (hollow dot) and on {init} (filled dot), with a line between them, and idle after \
             the work (short upright line). The watts stand beside it."
        ),
        axis: "mean power, W".into(),
        from_zero: true,
        marks: vec![],
        columns: vec![("idle".into(), Ink::Muted, 44.0), column(*reference, 62.0), column(*init, 78.0)],
        rows: of_scope(lines, scope).filter_map(watts).take(MOST_ROWS).collect(),
    };
    if plot.rows.is_empty() { None } else { plot.draw(layout) }
}

/// FLOP a joule of both inits, by GPU. Joules of one scope alone.
pub fn efficiency(comparable: &Comparable, lines: &[Line], scope: Scope, layout: Layout) -> Option<Plot> {
    let row = |line: &Line| two(comparable, line, |init| init.gflop_per_j, units::plain);
    let Comparable { reference, init, dtype, .. } = comparable;
    let giga = dtype.giga();
    let plot = Rows {
        title: format!("Efficiency of {}, {}", view::scope_title(scope), comparable.title()),
        description: format!(
            "{giga} a joule on {reference} (hollow dot) and on {init} (filled dot), with a line between them. The figures stand \
             beside it."
        ),
        axis: format!("efficiency, {giga}/J"),
        from_zero: true,
        marks: vec![],
        columns: vec![column(*reference, 72.0), column(*init, 84.0)],
        rows: of_scope(lines, scope).filter_map(row).take(MOST_ROWS).collect(),
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
pub fn published(layout: Layout) -> Option<Plot> {
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

/// What a trace is drawn in: a stretch of the run, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from_s: f64,
    to_s: f64,
    init: Option<Init>,
}

/// One panel of a run's plot.
struct Panel {
    label: &'static str,
    height: f64,
    from_zero: bool,
    points: Vec<Option<(f64, f64)>>,
}

/// Power, clock and temperature in the course of a run, coloured by init. The record is a whole one, with its trace.
pub fn run(record: &Record, layout: Layout) -> Option<Plot> {
    let trace = &record.trace;
    let narrow = layout == Layout::Narrow;
    let column = |values: &[Option<f64>]| -> Vec<Option<(f64, f64)>> {
        trace.t_s.iter().zip(values).map(|(&t_s, &value)| Some((t_s, value?))).collect()
    };
    let polled = column(&trace.power_w);
    let (label, power) = if polled.iter().any(Option::is_some) {
        ("power, W", polled)
    } else {
        ("power, W, from the counter", power_of_counter(trace))
    };
    let panel = |label, height, from_zero, points| Panel { label, height, from_zero, points };
    let panels: Vec<Panel> = [
        panel(label, if narrow { 150.0 } else { 190.0 }, true, power),
        panel("clock, MHz", 64.0, false, column(&trace.clock_mhz)),
        panel("temperature, °C", 64.0, false, column(&trace.temperature_c)),
    ]
    .into_iter()
    .filter(|panel| panel.points.iter().flatten().count() >= 2)
    .collect();
    if panels.is_empty() {
        return None;
    }
    let width = layout.width();
    let pixels = (44.0, width - 8.0);
    let end_s = trace.t_s.last().copied().unwrap_or(0.0);
    let time = Axis::from_zero([end_s], pixels)?;
    let stretches = stretches(record);

    // A limit that the board does not come near says nothing.
    let highest = panels[0].points.iter().flatten().map(|point| point.1).max_by(f64::total_cmp).unwrap_or(0.0);
    let limit_w = record.source.as_ref().and_then(|source| source.power_limit_w);
    let limit_w = limit_w.filter(|limit_w| (0.9 * highest..1.15 * highest).contains(limit_w));

    const TOP: f64 = 22.0;
    const GAP: f64 = 26.0;
    let bottom = TOP + panels.iter().map(|panel| panel.height + GAP).sum::<f64>();
    let name = printable(&record.adapter.name);
    let inits: Vec<String> = record.plan.inits.iter().map(ToString::to_string).collect();
    let title = format!("Course of a run on {name}");
    let shown: Vec<&str> = panels.iter().map(|panel| panel.label).collect();
    let description = format!(
        "Over {end_s:.0} seconds: {}. Coloured within the windows of {}, grey outside of them.",
        shown.join("; "),
        inits.join(", ")
    );
    draw((width, bottom + 30.0), &title, &description, |sheet| {
        for stretch in &stretches {
            if let Some(init) = stretch.init {
                let (from, to) = (time.at(stretch.from_s), time.at(stretch.to_s));
                sheet.band((from, TOP), (to, bottom - GAP + 6.0), Ink::of(init), 0.09)?;
            }
        }
        label_stretches(sheet, record, &stretches, &time, pixels)?;
        for (x, text) in time.ticks(if narrow { 5 } else { 10 }) {
            sheet.line((x, bottom - GAP + 6.0), (x, bottom - GAP + 10.0), Ink::Muted, 1.0)?;
            sheet.label(x, bottom - GAP + 19.0, width, SMALL, &text)?;
        }
        sheet.text(pixels.1, bottom - GAP + 36.0, Side::Left, SMALL, "seconds since the start")?;
        let mut top = TOP;
        for panel in &panels {
            let bounds = (top + panel.height, top + 20.0);
            top += panel.height + GAP;
            let limit_w = limit_w.filter(|_| panel.from_zero);
            let values = panel.points.iter().flatten().map(|point| point.1).chain(limit_w);
            let Some(axis) =
                (if panel.from_zero { Axis::from_zero(values, bounds) } else { Axis::around(values, bounds) })
            else {
                continue;
            };
            for (y, text) in axis.ticks(if panel.from_zero { 5 } else { 3 }) {
                sheet.line((pixels.0, y), (pixels.1, y), Ink::Grid, 1.0)?;
                sheet.text(pixels.0 - 6.0, y, Side::Left, SMALL, &text)?;
            }
            sheet.text(0.0, bounds.1 - 12.0, Side::Right, Pen { ink: Ink::Text, ..SMALL }, panel.label)?;
            if let Some(limit_w) = limit_w {
                let y = axis.at(limit_w);
                sheet.line((pixels.0, y), (pixels.1, y), Ink::Muted, 1.0)?;
                let text = format!("limit {limit_w:.0} W");
                sheet.text(pixels.1, y - 8.0, Side::Left, SMALL, &text)?;
            }
            for Piece { init, places } in pieces(&panel.points, &stretches, &time, &axis) {
                let (ink, thick) = init.map_or((Ink::Muted, 1.0), |init| (Ink::of(init), 1.5));
                sheet.path(&places, ink, thick)?;
            }
        }
        Ok(())
    })
}

/// A sensor that only counts has been drawing so much since it last moved.
fn power_of_counter(trace: &Trace) -> Vec<Option<(f64, f64)>> {
    let counted: Vec<(f64, f64)> =
        trace.t_s.iter().zip(&trace.energy_j).filter_map(|(&t_s, &energy_j)| Some((t_s, energy_j?))).collect();
    let between = |pair: &[(f64, f64)]| {
        let [(from_s, from_j), (to_s, to_j)] = [pair[0], pair[1]];
        let watts = (to_j - from_j) / (to_s - from_s);
        // A step back is no power.
        (watts.is_finite() && watts >= 0.0).then_some(((from_s + to_s) / 2.0, watts))
    };
    counted.windows(2).map(between).collect()
}

/// The windows, and what lies between them, in order.
fn stretches(record: &Record) -> Vec<Stretch> {
    let mut windows: Vec<Stretch> = record
        .windows
        .iter()
        .map(|window| Stretch {
            from_s: window.start_s,
            to_s: window.start_s + window.duration_s,
            init: Some(window.init),
        })
        .collect();
    windows.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let mut all = Vec::with_capacity(2 * windows.len() + 1);
    let mut from_s = 0.0;
    for window in windows {
        all.push(Stretch { from_s, to_s: window.from_s, init: None });
        all.push(window);
        from_s = window.to_s;
    }
    all.push(Stretch { from_s, to_s: f64::INFINITY, init: None });
    all
}

/// Of so many inits, the windows are named.
const MOST_NAMED: usize = 3;

/// Names above the first window of each init, and above idle and warm-up where they fit.
fn label_stretches(sheet: &Sheet, record: &Record, stretches: &[Stretch], time: &Axis, pixels: (f64, f64)) -> Drawn {
    let middle = |from_s: f64, to_s: f64| (time.at(from_s) + time.at(to_s)) / 2.0;
    let mut labels: Vec<(f64, String, Pen)> = vec![];
    // The windows of many are narrower than their names.
    let inits = if record.plan.inits.len() > MOST_NAMED { &[] } else { &record.plan.inits[..] };
    for &init in inits {
        if let Some(first) = stretches.iter().find(|stretch| stretch.init == Some(init)) {
            labels.push((
                middle(first.from_s, first.to_s),
                init.to_string(),
                Pen { ink: Ink::of(init), bold: true, ..SMALL },
            ));
        }
    }
    if let Some(warm_up) = record.warm_up {
        labels.push((middle(warm_up.start_s, warm_up.start_s + warm_up.duration_s), "warm-up".into(), SMALL));
    }
    if let Some(idle) = record.idle.hot {
        labels.push((middle(idle.start_s, idle.start_s + idle.duration_s), "idle".into(), SMALL));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<(f64, f64)> = labels.iter().map(|(x, text, pen)| (*x, pen.width(text))).collect();
    push_apart(&mut places, pixels, 6.0);
    for ((x, _), (_, text, pen)) in places.into_iter().zip(labels) {
        sheet.text(x, 10.0, Side::Middle, pen, &text)?;
    }
    Ok(())
}

/// A piece of a panel's line, of one colour.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    init: Option<Init>,
    places: Vec<(f64, f64)>,
}

/// The line through the points, cut where it changes its colour and where the sensor was silent, and thinned out to what can
/// be seen.
fn pieces(points: &[Option<(f64, f64)>], stretches: &[Stretch], time: &Axis, axis: &Axis) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = vec![];
    let mut joins = false;
    let mut stretch = 0;
    for point in points {
        let Some((t_s, value)) = *point else {
            joins = false;
            continue;
        };
        if !(time.shows(t_s) && value.abs() < 1e9) {
            continue;
        }
        let before = stretch;
        while stretch + 1 < stretches.len() && t_s >= stretches[stretch].to_s {
            stretch += 1;
        }
        let init = stretches[stretch].init;
        let place = (time.at(t_s), axis.at(value));
        match pieces.last_mut().filter(|_| joins) {
            Some(piece) if stretch == before => piece.places.push(place),
            Some(piece) => {
                // What leads from a window to the next is neither's.
                let from = piece.places.last().copied().filter(|_| init.is_none());
                if piece.init.is_none() {
                    piece.places.push(place);
                }
                pieces.push(Piece { init, places: from.into_iter().chain([place]).collect() });
            }
            None => pieces.push(Piece { init, places: vec![place] }),
        }
        joins = true;
    }
    pieces.iter_mut().for_each(|piece| piece.places = thinned(&piece.places));
    pieces.retain(|piece| piece.places.len() >= 2);
    pieces
}

/// Of all points within a few pixels' width, the least and the greatest, in their order; and of a level stretch, its ends.
fn thinned(path: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const PIXELS: f64 = 2.5;
    let mut kept: Vec<(f64, f64)> = vec![];
    for points in path.chunk_by(|a, b| (a.0 / PIXELS).floor() == (b.0 / PIXELS).floor()) {
        let by_height = |&a: &usize, &b: &usize| points[a].1.total_cmp(&points[b].1);
        let (one, other) = ((0..points.len()).min_by(by_height), (0..points.len()).rev().max_by(by_height));
        let extremes = [one.min(other), one.max(other).filter(|_| one != other)];
        kept.extend(extremes.into_iter().flatten().map(|i| points[i]));
    }
    kept.extend(path.last().filter(|&last| kept.last() != Some(last)));
    let level = |a: &(f64, f64), b: &(f64, f64)| (a.1 - b.1).abs() < 0.05;
    let mut ends: Vec<(f64, f64)> = vec![];
    for point in kept {
        match ends[..] {
            [.., before, last] if level(&before, &last) && level(&last, &point) => {
                *ends.last_mut().unwrap_or(&mut (0.0, 0.0)) = point
            }
            _ => ends.push(point),
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Wishes;
    use crate::record::Truth;
    use crate::simulate::{self, MODELS, Simulation};

    fn record(model: usize) -> Record {
        let plan = simulate::plan(&MODELS[model], &Wishes { size: Some(4096), ..Wishes::default() }).unwrap();
        Simulation::new(MODELS[model], plan, false).undisturbed(Truth::default(), None).unwrap()
    }

    #[test]
    fn thinning_keeps_the_extremes_and_the_ends_of_what_is_level() {
        let spikes = [(0.0, 5.0), (0.5, 9.0), (1.0, 1.0), (1.5, 5.0), (10.0, 5.0), (20.0, 5.0), (30.0, 5.0)];
        assert_eq!(thinned(&spikes), [(0.5, 9.0), (1.0, 1.0), (10.0, 5.0), (30.0, 5.0)]);
        assert_eq!(thinned(&[(0.0, 1.0)]), [(0.0, 1.0)]);
        assert_eq!(thinned(&[]), []);
    }

    #[test]
    fn the_line_is_cut_where_the_sensor_was_silent_and_changes_its_colour_with_the_window() {
        let stretch = |from_s, to_s, init| Stretch { from_s, to_s, init };
        let stretches =
            [stretch(0.0, 10.0, None), stretch(10.0, 20.0, Some(Init::Zeros)), stretch(20.0, f64::INFINITY, None)];
        let points: Vec<Option<(f64, f64)>> =
            (0..8).map(|i| (i != 2).then(|| (5.0 * f64::from(i), [50.0, 60.0][i as usize % 2]))).collect();
        let time = Axis::from_zero([100.0], (0.0, 1040.0)).unwrap();
        let pieces = pieces(&points, &stretches, &time, &Axis::from_zero([100.0], (104.0, 0.0)).unwrap());
        let found: Vec<(Option<Init>, Vec<f64>)> = pieces
            .into_iter()
            .map(|piece| (piece.init, piece.places.into_iter().map(|place| (place.0 / 10.0).round()).collect()))
            .collect();
        // 10 s is missing: its window's line, of one point, is none.
        assert_eq!(found, [(None, vec![0.0, 5.0]), (None, vec![15.0, 20.0, 25.0, 30.0, 35.0])]);
    }

    #[test]
    fn a_counter_that_steps_back_has_no_power() {
        let trace = Trace {
            t_s: vec![0.0, 2.0, 4.0, 6.0],
            power_w: vec![None; 4],
            energy_j: vec![Some(0.0), Some(20.0), Some(10.0), Some(30.0)],
            temperature_c: vec![None; 4],
            clock_mhz: vec![None; 4],
        };
        assert_eq!(power_of_counter(&trace), [Some((1.0, 10.0)), None, Some((5.0, 10.0))]);
    }

    #[test]
    fn the_course_of_a_run_is_light_and_names_what_it_shows() {
        for (number, model) in MODELS.iter().enumerate() {
            let svg = run(&record(number), Layout::Wide).unwrap().inline();
            assert!(svg.len() < 25_000, "{}: {} bytes", model.name, svg.len());
            for text in ["zeros", "gaussian", "warm-up", "idle", "power, W", "clock, MHz", "temperature, °C"] {
                assert!(svg.contains(text), "{}: {text}", model.name);
            }
        }
    }

    #[test]
    fn what_has_nothing_to_show_is_not_drawn() {
        let mut record = record(0);
        record.trace.clock_mhz.fill(None);
        let panels = run(&record, Layout::Narrow).unwrap().description;
        assert!(panels.contains("temperature") && !panels.contains("clock"), "{panels}");
        record.trace = Trace::default();
        assert_eq!(run(&record, Layout::Wide), None);
    }

    #[test]
    fn figures_that_no_axis_can_show_spoil_no_plot() {
        let mut record = record(0);
        record.trace.power_w[3] = Some(1e308);
        record.trace.t_s[5] = f64::MAX;
        assert!(run(&record, Layout::Wide).is_none_or(|plot| !plot.inline().contains("NaN")));
        record.source.as_mut().unwrap().power_limit_w = Some(f64::MAX);
        assert!(run(&record, Layout::Narrow).is_none_or(|plot| !plot.inline().contains("inf")));
    }
}
