//! A dot plot as Cleveland has it: points on a row of their own each, with their figures.

use super::axis::Axis;
use super::canvas::{Ink, Layout, Pen, Plot, SMALL, Shape, Sheet, Side, draw};

/// By which a column of figures is narrower on a phone.
pub(crate) const NARROWER: f64 = 0.85;

/// The height of a bar.
const BAR: f64 = 12.0;

const NAME: Pen = Pen::new(Ink::Text, 13.0);
const FIGURE: Pen = Pen::bold(Ink::Text, 13.0);

/// Points on a row of their own each, with their figures: a dot plot as Cleveland has it.
#[derive(Default)]
pub struct Rows {
    pub title: String,
    pub description: String,
    /// Under the axis, with its unit.
    pub axis: String,
    /// Does the axis begin at 0?
    pub from_zero: bool,
    /// Values that are marked from top to bottom, and what they are.
    pub marks: Vec<(f64, String)>,
    /// The figures of a row: heading, ink, and width of the column.
    pub columns: Vec<(String, Ink, f64)>,
    pub rows: Vec<DotRow>,
}

/// One row of [`Rows`].
#[derive(Default)]
pub struct DotRow {
    pub name: String,
    pub note: Option<String>,
    /// From where the axis begins to this value, behind all else.
    pub bar: Option<(f64, Ink)>,
    /// A line between two values: an interval, or the way from one point to another.
    pub span: Option<(f64, f64)>,
    pub points: Vec<(f64, Shape, Ink)>,
    pub figures: Vec<String>,
}

impl Rows {
    /// Draws them. None where there are none.
    pub fn draw(&self, layout: Layout) -> Option<Plot> {
        if self.rows.is_empty() {
            return None;
        }
        let values = || {
            let of_rows = self.rows.iter().flat_map(|row| {
                row.points
                    .iter()
                    .map(|point| point.0)
                    .chain(row.bar.map(|bar| bar.0))
                    .chain(row.span.into_iter().flat_map(|span| [span.0, span.1]))
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
        // The headings of the columns stand in the marks' line where there is room for both, else above them.
        let headings = 16.0;
        let top = headings + 16.0 * mark_lines.iter().map(|line| line.2 + 1).max().unwrap_or(0) as f64 + 8.0;
        let step = |row: &DotRow| match (layout, &row.note) {
            (Layout::Wide, _) => 30.0,
            (Layout::Narrow, None) => 44.0,
            (Layout::Narrow, Some(_)) => 58.0,
        };
        let bottom = top + self.rows.iter().map(step).sum::<f64>();
        Some(draw((width, bottom + 42.0), &self.title, &self.description, |sheet| {
            let ticks = axis.ticks(if narrow { 5 } else { 8 });
            // Where names stand in the way, what goes through is drawn row by row.
            let through = |sheet: &mut Sheet, x: f64, ink: Ink, width: f64| {
                if !narrow {
                    return sheet.line((x, top), (x, bottom), ink, width);
                }
                let mut y = top;
                for row in &self.rows {
                    y += step(row);
                    sheet.line((x, y - 24.0), (x, y - 2.0), ink, width);
                }
            };
            for (x, text) in &ticks {
                through(sheet, *x, Ink::Grid, 1.0);
                sheet.label(*x, bottom + 13.0, width, SMALL, text);
            }
            // A long title may reach under the names, but not beyond the sheet.
            let title = SMALL.fitted(&self.axis, width);
            sheet.label((pixels.0 + pixels.1) / 2.0, bottom + 31.0, width, SMALL, &title);
            for (mark, (middle, text, level)) in self.marks.iter().zip(&mark_lines) {
                let y = headings + 8.0 + 16.0 * *level as f64;
                let x = axis.at(mark.0);
                sheet.line((x, y + 9.0), (x, top), Ink::Muted, 1.2);
                through(sheet, x, Ink::Muted, 1.2);
                sheet.text(*middle, y, Side::Middle, SMALL, text);
            }
            // Where each column ends.
            let after = |i: usize| self.columns[i + 1..].iter().map(column_width).sum::<f64>();
            let ends: Vec<f64> = (0..self.columns.len()).map(|i| width - 2.0 - after(i)).collect();
            for ((heading, ink, _), x) in self.columns.iter().zip(&ends) {
                sheet.text(*x, 8.0, Side::Left, Pen { ink: *ink, bold: *ink != Ink::Muted, ..SMALL }, heading);
            }
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
                );
                for ((&(_, ink, _), x), figure) in self.columns.iter().zip(&ends).zip(&row.figures) {
                    let pen = if ink == Ink::Muted { SMALL } else { Pen { ink, ..FIGURE } };
                    sheet.text(*x, text_y, Side::Left, pen, figure);
                }
                let room = if narrow { width - figures - 12.0 } else { names + 8.0 };
                row.draw_name(sheet, text_y, room, layout);
                row.draw_points(sheet, &axis, y);
            }
        }))
    }

    /// The middle, the text and the line of every mark's label: on one line if they fit.
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
    fn draw_name(&self, sheet: &mut Sheet, y: f64, room: f64, layout: Layout) {
        let name = NAME.fitted_name(&self.name, room);
        let Some(note) = &self.note else {
            return sheet.text(0.0, y, Side::Right, NAME, &name);
        };
        let (name_y, note_y) = if layout == Layout::Wide { (y - 7.0, y + 7.5) } else { (y, y + 15.0) };
        sheet.text(0.0, name_y, Side::Right, NAME, &name);
        sheet.text(0.0, note_y, Side::Right, SMALL, &SMALL.fitted(note, room));
    }

    fn draw_points(&self, sheet: &mut Sheet, axis: &Axis, y: f64) {
        if let Some((value, ink)) = self.bar {
            sheet.line((axis.at(f64::NEG_INFINITY), y), (axis.at(value), y), ink, BAR);
        }
        if let Some((low, high)) = self.span {
            let (low, high) = (axis.at(low), axis.at(high));
            // On a bar, it must be seen against that.
            let ink = if self.bar.is_some() { Ink::Text } else { Ink::Muted };
            sheet.line((low, y), (high, y), ink, 2.0);
            // An interval that its point hides needs no ends.
            if self.points.len() == 1 && high - low > 12.0 {
                for x in [low, high] {
                    sheet.line((x, y - 4.0), (x, y + 4.0), ink, 2.0);
                }
            }
        }
        for &(value, shape, ink) in &self.points {
            if value.is_finite() {
                sheet.point(axis.at(value), y, shape, ink);
            }
        }
    }
}
