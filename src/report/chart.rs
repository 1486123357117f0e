//! A plot of one quantity by another: points that are all named, and lines through them.

use super::canvas::{Axis, Drawn, Ink, Layout, Pen, Plot, SMALL, Shape, Sheet, Side, draw, push_apart};

/// What is drawn.
pub struct Chart {
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
pub struct Curve {
    pub points: Vec<(f64, f64)>,
    pub ink: Ink,
    pub width: f64,
    pub name: Option<String>,
}

/// A point, named beside it.
pub struct Spot {
    pub at: (f64, f64),
    pub shape: Shape,
    pub ink: Ink,
    pub name: Option<String>,
}

/// A name's pen.
fn pen(ink: Ink) -> Pen {
    Pen { ink, ..SMALL }
}

/// The height of a line of names.
const LINE: f64 = 14.0;
/// Between a point and its name.
const GAP: f64 = 8.0;

/// A stretch of the sheet: left, top, right, bottom.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area(f64, f64, f64, f64);

impl Area {
    /// Of a text with its middle there.
    fn around(middle: (f64, f64), width: f64) -> Self {
        Area(middle.0 - width / 2.0, middle.1 - LINE / 2.0, middle.0 + width / 2.0, middle.1 + LINE / 2.0)
    }

    fn meets(&self, other: &Area) -> bool {
        self.0 < other.2 && other.0 < self.2 && self.1 < other.3 && other.1 < self.3
    }

    fn lies_in(&self, other: &Area) -> bool {
        self.0 >= other.0 && self.1 >= other.1 && self.2 <= other.2 && self.3 <= other.3
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.0..=self.2).contains(&x) && (self.1..=self.3).contains(&y)
    }

    /// Where the letters are: widths are rather too large, and lines have gaps.
    fn shrunk(&self) -> Area {
        Area(self.0 + 2.0, self.1 + 2.0, self.2 - 2.0, self.3 - 2.0)
    }

    /// Its place that is nearest to a point.
    fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.0, self.2), y.clamp(self.1, self.3))
    }
}

fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// Points on the way from one to another.
fn between(a: (f64, f64), b: (f64, f64)) -> impl Iterator<Item = (f64, f64)> {
    (0..=40).map(move |i| f64::from(i) / 40.0).map(move |share| (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1)))
}

/// Where names go: beside their points, the nearest place that is free. The order is that of the points; None where there is no
/// place. `points` are to be kept clear, and `lines` as far as that costs little.
fn places(
    names: &[((f64, f64), f64)],
    points: &[(f64, f64)],
    lines: &[(f64, f64)],
    within: Area,
) -> Vec<Option<(f64, f64)>> {
    const DIRECTIONS: [(f64, f64); 16] = [
        (1.0, 0.0),
        (0.0, -1.0),
        (-1.0, 0.0),
        (0.0, 1.0),
        (0.7, -0.8),
        (0.7, 0.8),
        (-0.7, -0.8),
        (-0.7, 0.8),
        (0.95, -0.4),
        (0.95, 0.4),
        (-0.95, -0.4),
        (-0.95, 0.4),
        (0.2, -1.0),
        (0.2, 1.0),
        (-0.2, -1.0),
        (-0.2, 1.0),
    ];
    let mut taken: Vec<Area> = vec![];
    let mut leaders: Vec<((f64, f64), (f64, f64))> = vec![];
    let mut place = |&(point, width): &((f64, f64), f64)| {
        let mut best: Option<(f64, (f64, f64))> = None;
        for reach in (0..30).map(|step| GAP * f64::from(step)) {
            for (i, (dx, dy)) in DIRECTIONS.into_iter().enumerate() {
                let middle = (
                    point.0 + dx * (GAP + reach) + dx.signum() * f64::from(dx != 0.0) * width / 2.0,
                    point.1 + dy * (GAP + 2.0 + reach) + f64::from(dx == 0.0) * dy * 2.0,
                );
                let area = Area::around(middle, width);
                let leader = (point, area.nearest(point));
                let free = area.lies_in(&within) && !taken.iter().any(|other| other.meets(&area));
                if !free {
                    continue;
                }
                let crossed = |place: (f64, f64)| taken.iter().any(|other| other.shrunk().holds(place));
                let crosses = between(leader.0, leader.1).any(crossed)
                    || leaders.iter().any(|&(a, b)| between(a, b).any(|place| area.shrunk().holds(place)));
                let wide = Area(area.0 - 4.0, area.1 - 2.0, area.2 + 4.0, area.3 + 2.0);
                let covered = points.iter().filter(|&&other| wide.holds(other)).count() as f64;
                let struck = f64::from(lines.iter().any(|&place| wide.holds(place)));
                let cost = reach + 0.25 * i as f64 + 60.0 * covered + 45.0 * struck + if crosses { 200.0 } else { 0.0 };
                if best.is_none_or(|(least, _)| cost < least) {
                    best = Some((cost, middle));
                }
            }
        }
        let (_, middle) = best?;
        let area = Area::around(middle, width);
        taken.push(area);
        leaders.push((point, area.nearest(point)));
        Some(middle)
    };
    names.iter().map(&mut place).collect()
}

impl Chart {
    /// Draws it. None where no point can be shown.
    pub fn draw(&self, layout: Layout) -> Option<Plot> {
        let narrow = layout == Layout::Narrow;
        let width = layout.width();
        let named: Vec<&Curve> = self.curves.iter().filter(|curve| curve.name.is_some()).collect();
        let margin = named.iter().filter_map(|curve| curve.name.as_deref()).map(|name| SMALL.width(name));
        let margin = margin.fold(0.0, f64::max).min(width / 3.0);
        const TOP: f64 = 28.0;
        let bottom = TOP + f64::max(if narrow { 270.0 } else { 320.0 }, LINE * named.len() as f64);
        let pixels = (44.0, width - if margin > 0.0 { margin + 14.0 } else { 8.0 });
        let points =
            || self.spots.iter().map(|spot| spot.at).chain(self.curves.iter().flat_map(|curve| curve.points.clone()));
        let x = Axis::around(points().map(|point| point.0), pixels)?;
        let values = points().map(|point| point.1);
        let y =
            if self.from_zero { Axis::from_zero(values, (bottom, TOP)) } else { Axis::around(values, (bottom, TOP)) }?;
        let at = |point: (f64, f64)| (x.at(point.0), y.at(point.1));
        let shows = |point: &(f64, f64)| x.shows(point.0) && y.shows(point.1);
        draw((width, bottom + 42.0), &self.title, &self.description, |sheet| {
            for (height, text) in y.ticks(if narrow { 5 } else { 7 }) {
                sheet.line((pixels.0, height), (pixels.1, height), Ink::Grid, 1.0)?;
                sheet.text(pixels.0 - 6.0, height, Side::Left, SMALL, &text)?;
            }
            for (place, text) in x.ticks(if narrow { 5 } else { 9 }) {
                sheet.line((place, bottom), (place, bottom + 4.0), Ink::Muted, 1.0)?;
                sheet.label(place, bottom + 13.0, width, SMALL, &text)?;
            }
            sheet.line((pixels.0, bottom), (pixels.1, bottom), Ink::Muted, 1.0)?;
            sheet.text(0.0, 8.0, Side::Right, pen(Ink::Text), &SMALL.fitted(&self.y, width))?;
            sheet.label((pixels.0 + pixels.1) / 2.0, bottom + 31.0, width, SMALL, &self.x)?;
            for curve in &self.curves {
                let path: Vec<(f64, f64)> =
                    curve.points.iter().filter(|point| shows(point)).map(|&point| at(point)).collect();
                if path.len() > 1 {
                    sheet.path(&path, curve.ink, curve.width)?;
                }
            }
            for spot in self.spots.iter().filter(|spot| shows(&spot.at)) {
                let (x, y) = at(spot.at);
                sheet.point(x, y, spot.shape, spot.ink)?;
            }
            self.name_curves(sheet, &named, &at, (TOP, bottom), (pixels.1, margin))?;
            self.name_spots(sheet, &at, Area(pixels.0 + 2.0, TOP - 10.0, width, bottom - 2.0))
        })
    }

    /// In a column beside their ends, pushed apart.
    fn name_curves(
        &self,
        sheet: &Sheet,
        named: &[&Curve],
        at: &dyn Fn((f64, f64)) -> (f64, f64),
        limits: (f64, f64),
        (right, room): (f64, f64),
    ) -> Drawn {
        let end = |curve: &&&Curve| curve.points.last().map(|&point| at(point));
        let mut ends: Vec<((f64, f64), &Curve)> =
            named.iter().filter_map(|curve| Some((end(&curve)?, *curve))).collect();
        ends.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
        let mut heights: Vec<(f64, f64)> = ends.iter().map(|((_, y), _)| (*y, LINE)).collect();
        push_apart(&mut heights, (limits.0 - LINE / 2.0, limits.1 + LINE / 2.0), 0.0);
        for (((x, y), curve), (height, _)) in ends.into_iter().zip(heights) {
            if (height - y).abs() > 3.0 {
                sheet.line((x + 6.0, y), (right + 8.0, height), Ink::Grid, 1.0)?;
            }
            let name = SMALL.fitted(curve.name.as_deref().unwrap_or_default(), room);
            sheet.text(right + 11.0, height, Side::Right, pen(curve.ink), &name)?;
        }
        Ok(())
    }

    /// Beside their points, with a line to them where there is no room near by.
    fn name_spots(&self, sheet: &Sheet, at: &dyn Fn((f64, f64)) -> (f64, f64), within: Area) -> Drawn {
        let points: Vec<(f64, f64)> = self.spots.iter().map(|spot| at(spot.at)).collect();
        let lines: Vec<(f64, f64)> = self
            .curves
            .iter()
            .flat_map(|curve| curve.points.windows(2).flat_map(|pair| between(at(pair[0]), at(pair[1]))))
            .collect();
        let mut named: Vec<(&Spot, (f64, f64))> = self
            .spots
            .iter()
            .zip(&points)
            .filter(|(spot, _)| spot.name.is_some())
            .map(|(spot, &at)| (spot, at))
            .collect();
        // The outermost first: they have the places that the others do not need.
        named.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        let name = |spot: &Spot| SMALL.fitted(spot.name.as_deref().unwrap_or_default(), 160.0);
        let widths: Vec<((f64, f64), f64)> = named.iter().map(|(spot, at)| (*at, SMALL.width(&name(spot)))).collect();
        for ((spot, point), middle) in named.iter().zip(places(&widths, &points, &lines, within)) {
            let Some(middle) = middle else { continue };
            let name = name(spot);
            let near = Area::around(middle, SMALL.width(&name)).nearest(*point);
            let away = distance(near, *point);
            if away > 2.5 * GAP {
                let share = 6.0 / away;
                let from = (point.0 + share * (near.0 - point.0), point.1 + share * (near.1 - point.1));
                sheet.line(from, near, Ink::Muted, 0.8)?;
            }
            sheet.text(middle.0, middle.1, Side::Middle, pen(spot.ink), &name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_points_that_crowd_lie_neither_on_each_other_nor_outside() {
        let within = Area(0.0, 0.0, 300.0, 250.0);
        let names: Vec<((f64, f64), f64)> =
            (0..12).map(|i| ((250.0 + f64::from(i), 120.0 + f64::from(i % 3)), 60.0 + f64::from(i))).collect();
        let points: Vec<(f64, f64)> = names.iter().map(|name| name.0).collect();
        let found = places(&names, &points, &[], within);
        let areas: Vec<Area> =
            found.into_iter().zip(&names).map(|(middle, name)| Area::around(middle.unwrap(), name.1)).collect();
        for (i, area) in areas.iter().enumerate() {
            assert!(area.lies_in(&within), "{area:?}");
            assert!(areas[i + 1..].iter().all(|other| !other.meets(area)), "{areas:?}");
        }
        assert_eq!(places(&[((5.0, 5.0), 400.0)], &[], &[], within), [None], "what is too long has no place");
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
        assert!(chart((1.0, 1.0)).draw(Layout::Narrow).unwrap().inline().contains("\na\n"));
    }
}
