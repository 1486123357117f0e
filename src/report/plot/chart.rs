//! A plot of one quantity by another: lines and points, each with its name to its right.

use super::axis::{Axis, push_apart};
use super::canvas::{Ink, Layout, Pen, Plot, SMALL, Shape, Side, draw};

/// What is drawn.
pub(crate) struct Chart {
    pub title: String,
    pub description: String,
    /// Under the horizontal axis and above the upright one, with their units.
    pub x: String,
    pub y: String,
    /// Does the upright axis begin at 0?
    pub from_zero: bool,
    pub curves: Vec<Curve>,
    pub spots: Vec<Spot>,
}

/// A line, named at its end.
pub(crate) struct Curve {
    pub points: Vec<(f64, f64)>,
    pub ink: Ink,
    pub width: f64,
    pub name: Option<String>,
}

/// A point.
pub(crate) struct Spot {
    pub at: (f64, f64),
    pub shape: Shape,
    pub ink: Ink,
    pub name: Option<String>,
}

/// A name and the pixel that it is of.
#[derive(Clone, Debug, PartialEq)]
struct Label {
    of: (f64, f64),
    name: String,
    ink: Ink,
}

/// The height of a line of names.
const LINE: f64 = 14.0;
/// Between a point and its name.
const GAP: f64 = 9.0;
const WIDEST: f64 = 150.0;

impl Chart {
    /// Draws it. None where no point can be shown.
    pub(crate) fn draw(&self, layout: Layout) -> Option<Plot> {
        let narrow = layout == Layout::Narrow;
        let width = layout.width();
        let ends =
            self.curves.iter().filter_map(|curve| Some((*curve.points.last()?, curve.ink, curve.name.as_ref()?)));
        let spots = self.spots.iter().filter_map(|spot| Some((spot.at, spot.ink, spot.name.as_ref()?)));
        let named: Vec<((f64, f64), Ink, &String)> = ends.chain(spots).collect();
        let margin = named.iter().map(|(.., name)| SMALL.width(name)).fold(0.0, f64::max).min(WIDEST);
        const TOP: f64 = 28.0;
        let bottom = TOP + f64::max(if narrow { 270.0 } else { 320.0 }, LINE * named.len() as f64);
        let pixels = (44.0, width - margin - GAP - 6.0);
        let points =
            || self.spots.iter().map(|spot| spot.at).chain(self.curves.iter().flat_map(|curve| curve.points.clone()));
        let x = Axis::around(points().map(|point| point.0), pixels)?;
        let values = points().map(|point| point.1);
        let y =
            if self.from_zero { Axis::from_zero(values, (bottom, TOP)) } else { Axis::around(values, (bottom, TOP)) }?;
        let at = |point: (f64, f64)| (x.at(point.0), y.at(point.1));
        let shows = |point: &(f64, f64)| x.shows(point.0) && y.shows(point.1);
        let labels = named.into_iter().filter(|(point, ..)| shows(point)).map(|(point, ink, name)| Label {
            of: at(point),
            name: SMALL.fitted(name, WIDEST),
            ink,
        });
        let labels: Vec<Label> = labels.collect();
        Some(draw((width, bottom + 42.0), &self.title, &self.description, |sheet| {
            for (height, text) in y.ticks(if narrow { 5 } else { 7 }) {
                sheet.line((pixels.0, height), (pixels.1, height), Ink::Grid, 1.0);
                sheet.text(pixels.0 - 6.0, height, Side::Left, SMALL, &text);
            }
            for (place, text) in x.ticks(if narrow { 5 } else { 9 }) {
                sheet.line((place, bottom), (place, bottom + 4.0), Ink::Muted, 1.0);
                sheet.label(place, bottom + 13.0, width, SMALL, &text);
            }
            sheet.line((pixels.0, bottom), (pixels.1, bottom), Ink::Muted, 1.0);
            sheet.text(0.0, 8.0, Side::Right, Pen { ink: Ink::Text, ..SMALL }, &SMALL.fitted(&self.y, width));
            sheet.label((pixels.0 + pixels.1) / 2.0, bottom + 31.0, width, SMALL, &self.x);
            for curve in &self.curves {
                let path: Vec<(f64, f64)> =
                    curve.points.iter().filter(|point| shows(point)).map(|&point| at(point)).collect();
                if path.len() > 1 {
                    sheet.path(&path, curve.ink, curve.width);
                }
            }
            let placed = place(labels, (TOP - 8.0, bottom - 2.0));
            for (label, at) in &placed {
                if (label.of.1 - at.1).abs() > 3.0 || at.0 - label.of.0 > 2.0 * GAP {
                    sheet.line((label.of.0, label.of.1), (at.0 - 3.0, at.1), Ink::Muted, 0.6);
                }
            }
            for spot in self.spots.iter().filter(|spot| shows(&spot.at)) {
                let (x, y) = at(spot.at);
                sheet.point(x, y, spot.shape, spot.ink);
            }
            for (Label { ink, name, .. }, (x, y)) in placed {
                sheet.haloed(x, y, Pen { ink, ..SMALL }, &name);
            }
        }))
    }
}

/// Where names begin. Points that are closer to each other than their names are long have theirs in one column to the
/// right of all of them, pushed apart.
fn place(mut labels: Vec<Label>, limits: (f64, f64)) -> Vec<(Label, (f64, f64))> {
    labels.sort_by(|a, b| a.of.0.total_cmp(&b.of.0));
    let mut columns: Vec<Vec<Label>> = vec![];
    let mut end = f64::NEG_INFINITY;
    for label in labels {
        match columns.last_mut().filter(|_| label.of.0 - GAP < end) {
            Some(column) => column.push(label),
            None => columns.push(vec![label]),
        }
        let column = columns.last().into_iter().flatten();
        end = column.map(|label| SMALL.width(&label.name)).fold(0.0, f64::max) + begin(columns.last());
    }
    let place = |mut column: Vec<Label>| {
        column.sort_by(|a, b| a.of.1.total_cmp(&b.of.1));
        let x = begin(Some(&column));
        let mut heights: Vec<(f64, f64)> = column.iter().map(|label| (label.of.1, LINE)).collect();
        push_apart(&mut heights, limits, 0.0);
        column.into_iter().zip(heights).map(move |(label, (y, _))| (label, (x, y))).collect::<Vec<_>>()
    };
    columns.into_iter().flat_map(place).collect()
}

/// Where the names of a column begin.
fn begin(column: Option<&Vec<Label>>) -> f64 {
    column.into_iter().flatten().map(|label| label.of.0).fold(f64::NEG_INFINITY, f64::max) + GAP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_points_that_crowd_lie_neither_on_each_other_nor_outside() {
        let limits = (0.0, 250.0);
        let label = |i: i32| Label {
            of: ([20.0, 250.0][usize::from(i % 3 > 0)] + f64::from(i), 120.0 + f64::from(i % 5)),
            name: format!("gaussian:{i}"),
            ink: Ink::Text,
        };
        let placed = place((0..12).map(label).collect(), limits);
        assert_eq!(placed.len(), 12);
        let area =
            |(label, (x, y)): &(Label, (f64, f64))| (*x, y - LINE / 2.0, x + SMALL.width(&label.name), y + LINE / 2.0);
        for (i, one) in placed.iter().enumerate() {
            let a = area(one);
            assert!(a.1 >= limits.0 && a.3 <= limits.1 && one.0.of.0 < a.0, "{one:?}");
            let meets = |b: (f64, f64, f64, f64)| a.0 < b.2 && b.0 < a.2 && a.1 < b.3 && b.1 < a.3;
            assert!(placed[i + 1..].iter().all(|other| !meets(area(other))), "{placed:?}");
            let on_point = |other: &(Label, (f64, f64))| {
                let (x, y) = other.0.of;
                (a.0..=a.2).contains(&x) && (a.1..=a.3).contains(&y)
            };
            assert!(!placed.iter().any(on_point), "{one:?}");
        }
    }

    #[test]
    fn a_chart_without_a_figure_is_none() {
        let chart = |at| Chart {
            title: "t".into(),
            description: "d".into(),
            x: "x".into(),
            y: "y".into(),
            from_zero: false,
            curves: vec![],
            spots: vec![Spot { at, shape: Shape::Filled, ink: Ink::Text, name: Some("a".into()) }],
        };
        assert_eq!(chart((f64::NAN, 1.0)).draw(Layout::Wide), None);
        assert_eq!(chart((1.0, 1e300)).draw(Layout::Wide), None);
        assert!(chart((1.0, 1.0)).draw(Layout::Narrow).unwrap().inline().contains(">a</text>"));
    }
}
