//! What every plot is drawn with: a sheet measured in pixels, inks that are seen on light and on dark paper, axes with round
//! figures, and labels that do not lie on each other.
//!
//! The SVG has no style of its own but for colours: each ink is one value of `fill` and `stroke`, which [`dark_style`] turns
//! into the one for dark paper. So a plot within a page needs no inline style, which the page's policy forbids.

use crate::operands::Init;
use crate::record::text::{printable, without_remarks};
use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::fmt::Write;

/// A colour, on light paper and on dark. The inits' are Okabe and Ito's, darkened and lightened until words written in them
/// have a contrast of 4.5 : 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    Paper,
    Text,
    Muted,
    Grid,
    /// Of [`Init::ALL`], by number; they come again from the start where there are more.
    Of(usize),
}

const PAPER: (u32, u32) = (0xFFFFFF, 0x0D1117);
const TEXT: (u32, u32) = (0x1F2328, 0xE6EDF3);
const MUTED: (u32, u32) = (0x59636E, 0x9DA7B3);
const GRID: (u32, u32) = (0xDDE2E7, 0x2D343C);
const INITS: [(u32, u32); 6] = [
    (0x0072B2, 0x56B4E9), // blue
    (0xBF4F00, 0xF5935A), // vermilion
    (0x007A5A, 0x2CC29A), // bluish green
    (0x8E4A8B, 0xD9A0D5), // reddish purple
    (0x7D6300, 0xE6C229), // yellow
    (0x4A5A8A, 0xA9B8E8), // slate
];

impl Ink {
    pub fn of(init: Init) -> Self {
        Ink::Of(Init::ALL.iter().position(|&other| other == init).unwrap_or(0))
    }

    fn light_and_dark(self) -> (u32, u32) {
        match self {
            Ink::Paper => PAPER,
            Ink::Text => TEXT,
            Ink::Muted => MUTED,
            Ink::Grid => GRID,
            Ink::Of(number) => INITS[number % INITS.len()],
        }
    }

    fn rgb(self) -> RGBColor {
        let [_, r, g, b] = self.light_and_dark().0.to_be_bytes();
        RGBColor(r, g, b)
    }

    fn all() -> impl Iterator<Item = Ink> {
        [Ink::Paper, Ink::Text, Ink::Muted, Ink::Grid].into_iter().chain((0..INITS.len()).map(Ink::Of))
    }
}

/// The style that exchanges the inks where the reader prefers dark paper.
pub fn dark_style() -> String {
    let mut style = String::from("@media(prefers-color-scheme:dark){");
    for ink in Ink::all() {
        let (light, dark) = ink.light_and_dark();
        for attribute in ["fill", "stroke"] {
            let _ = write!(style, "svg [{attribute}=\"#{light:06X}\"]{{{attribute}:#{dark:06X}}}");
        }
    }
    style + "}"
}

/// A finished drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    pub title: String,
    /// For those who do not see it.
    pub description: String,
    size: (f64, f64),
    shapes: String,
}

impl Plot {
    /// As part of a page that has [`dark_style`].
    pub fn inline(&self) -> String {
        self.svg("")
    }

    /// As a file of its own, on paper of its own: whoever shows it may prefer dark while the reader's system does not.
    pub fn file(&self) -> String {
        let style = dark_style();
        self.svg(&format!("<style>{style}</style>\n<rect width=\"100%\" height=\"100%\" fill=\"#{:06X}\"/>\n", PAPER.0))
    }

    fn svg(&self, before: &str) -> String {
        let (width, height) = self.size;
        let (title, description) = (escaped(&self.title), escaped(&self.description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {} {}\" role=\"img\" font-family=\"{FONTS}\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n{before}{}</svg>\n",
            width * UNIT,
            height * UNIT,
            self.shapes
        )
    }
}

const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Coordinates of SVGs are whole numbers in plotters: ten of them a pixel.
const UNIT: f64 = 10.0;

/// Which side of a point a text is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It begins there.
    Right,
    /// Its middle is there.
    Middle,
    /// It ends there.
    Left,
}

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    Wide,
    /// A phone's: what stands beside its row elsewhere stands above it here.
    Narrow,
}

impl Layout {
    pub const BOTH: [Layout; 2] = [Layout::Wide, Layout::Narrow];

    /// Pixels.
    pub fn width(self) -> f64 {
        match self {
            Layout::Wide => 760.0,
            Layout::Narrow => 358.0,
        }
    }
}

/// How a text looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pen {
    pub ink: Ink,
    pub size: f64,
    pub bold: bool,
}

impl Pen {
    pub const fn new(ink: Ink, size: f64) -> Self {
        Pen { ink, size, bold: false }
    }

    pub const fn bold(ink: Ink, size: f64) -> Self {
        Pen { ink, size, bold: true }
    }

    /// About how wide a text is. Rather too much: the reader's font is not known.
    pub fn width(self, text: &str) -> f64 {
        let em = |c: char| match c {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '!' | '\'' | '(' | ')' | '[' | ']' | ' ' => 0.36,
            'm' | 'w' | 'M' | 'W' | '@' | '%' | '…' | '→' => 0.95,
            'A'..='Z' => 0.70,
            c if c.is_ascii() => 0.61,
            c => 0.65 * textwrap::core::display_width(c.encode_utf8(&mut [0; 4])).max(1) as f64,
        };
        let weight = if self.bold { 1.07 } else { 1.0 };
        text.chars().map(em).sum::<f64>() * self.size * weight
    }

    /// The text, shortened in its middle until it fits: GPUs of one family differ at the end of their names.
    pub fn fitted(self, text: &str, width: f64) -> String {
        if self.width(text) <= width {
            return text.into();
        }
        let letters: Vec<char> = text.chars().collect();
        let shortened = |kept: usize| -> String {
            let tail = kept / 2;
            let (head, tail) = (&letters[..kept - tail], &letters[letters.len() - tail..]);
            head.iter().copied().chain(['…']).chain(tail.iter().copied()).collect()
        };
        // Never longer than what could fit of the narrowest letters.
        let most = letters.len().min((width / (0.3 * self.size)).max(1.0) as usize);
        (1..most).rev().map(shortened).find(|text| self.width(text) <= width).unwrap_or_else(|| "…".into())
    }

    /// A GPU's name, without the driver's remark in parentheses where that helps, else shortened.
    pub fn fitted_name(self, name: &str, width: f64) -> String {
        let plain = without_remarks(name);
        let plain = Some(plain.trim()).filter(|plain| self.width(name) > width && !plain.is_empty());
        self.fitted(plain.unwrap_or(name), width)
    }
}

/// Of figures on axes, notes, and all that stands behind what is shown.
pub const SMALL: Pen = Pen::new(Ink::Muted, 11.5);

/// The shape of a point, so that colour never tells alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Filled,
    Hollow,
    /// A short vertical line.
    Tick,
}

/// What drawing ends in. Writing into a string does not fail; plotters cannot know.
pub type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// Where a plot is drawn, in pixels from the upper left.
pub struct Sheet<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Draws on a new sheet. None where there was nothing to draw on it.
pub fn draw(size: (f64, f64), title: &str, description: &str, body: impl FnOnce(&Sheet) -> Drawn) -> Option<Plot> {
    let mut text = String::new();
    let sheet = Sheet {
        area: SVGBackend::with_string(&mut text, ((size.0 * UNIT) as u32, (size.1 * UNIT) as u32)).into_drawing_area(),
    };
    body(&sheet).and_then(|()| sheet.area.present()).ok()?;
    drop(sheet);
    // plotters' own opening tag gives way to ours; what every element says anew is said there or is so by itself.
    let (_, shapes) = text.split_once('\n')?;
    let shapes = shapes.trim_end().strip_suffix("</svg>")?;
    let shapes = shapes.replace(" opacity=\"1\"", "").replace(" font-family=\"\"", "").replace(" \"/>", "\"/>");
    Some(Plot { title: title.into(), description: description.into(), size, shapes })
}

impl Sheet<'_> {
    fn at(x: f64, y: f64) -> (i32, i32) {
        // A cast saturates: whatever is drawn far outside stays outside.
        ((x * UNIT).round() as i32, (y * UNIT).round() as i32)
    }

    fn stroke(ink: Ink, width: f64) -> ShapeStyle {
        ShapeStyle { color: ink.rgb().into(), filled: false, stroke_width: (width * UNIT) as u32 }
    }

    /// A text beside a point, its middle at the point's height.
    pub fn text(&self, x: f64, y: f64, side: Side, pen: Pen, text: &str) -> Drawn {
        let side = match side {
            Side::Right => HPos::Left,
            Side::Middle => HPos::Center,
            Side::Left => HPos::Right,
        };
        let style = if pen.bold { FontStyle::Bold } else { FontStyle::Normal };
        // plotters divides by 1.24 what it writes into an SVG.
        let font = FontDesc::new(FontFamily::Name(""), pen.size * UNIT * 1.24, style);
        let style = TextStyle { color: pen.ink.rgb().to_backend_color(), ..TextStyle::from(font) };
        let style = style.pos(Pos::new(side, VPos::Top));
        // The baseline is 0.76 em under what plotters calls the top, and capital letters are 0.7 em high.
        let y = y - 0.41 * pen.size;
        self.area.draw(&Text::new(printable(text), Self::at(x, y), style))
    }

    /// A text under a place, moved aside where it would reach beyond a sheet of this width.
    pub fn label(&self, x: f64, y: f64, width: f64, pen: Pen, text: &str) -> Drawn {
        let half = pen.width(text) / 2.0;
        self.text(x.clamp(half, (width - half).max(half)), y, Side::Middle, pen, text)
    }

    pub fn line(&self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) -> Drawn {
        let points = vec![Self::at(from.0, from.1), Self::at(to.0, to.1)];
        self.area.draw(&PathElement::new(points, Self::stroke(ink, width)))
    }

    pub fn path(&self, points: &[(f64, f64)], ink: Ink, width: f64) -> Drawn {
        let points: Vec<(i32, i32)> = points.iter().map(|&(x, y)| Self::at(x, y)).collect();
        self.area.draw(&PathElement::new(points, Self::stroke(ink, width)))
    }

    /// A filled rectangle, as strong as `share` says.
    pub fn band(&self, from: (f64, f64), to: (f64, f64), ink: Ink, share: f64) -> Drawn {
        let corners = [Self::at(from.0, from.1), Self::at(to.0, to.1)];
        self.area.draw(&Rectangle::new(corners, ink.rgb().mix(share).filled()))
    }

    pub fn point(&self, x: f64, y: f64, shape: Shape, ink: Ink) -> Drawn {
        const RADIUS: f64 = 4.5;
        let circle = |radius: f64, style: ShapeStyle| Circle::new(Self::at(x, y), (radius * UNIT) as u32, style);
        match shape {
            Shape::Filled => self.area.draw(&circle(RADIUS, ink.rgb().filled())),
            Shape::Hollow => {
                self.area.draw(&circle(RADIUS, Ink::Paper.rgb().filled()))?;
                self.area.draw(&circle(RADIUS - 0.9, Self::stroke(ink, 1.8)))
            }
            Shape::Tick => self.line((x, y - RADIUS - 1.0), (x, y + RADIUS + 1.0), ink, 1.8),
        }
    }
}

/// A scale of figures along a stretch of the sheet.
#[derive(Clone, Debug)]
pub struct Axis {
    range: (f64, f64),
    pixels: (f64, f64),
}

impl Axis {
    /// From the least to the greatest of the values, with a little room on both sides. Values that no axis can show (not finite,
    /// or absurdly large) do not count; None where no other is.
    pub fn around(values: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Option<Self> {
        let (low, high) = values
            .into_iter()
            .filter(|&value| showable(value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return None;
        }
        let room = ((high - low) * 0.04).max(high.abs() * 1e-3).max(1e-9);
        Some(Axis { range: (low - room, high + room), pixels })
    }

    /// From 0 to the greatest: what has a true zero is shown with it.
    pub fn from_zero(values: impl IntoIterator<Item = f64>, pixels: (f64, f64)) -> Option<Self> {
        let highest = values.into_iter().filter(|&value| showable(value)).max_by(f64::total_cmp)?;
        Some(Axis { range: (0.0, highest.max(1e-9) * 1.04), pixels })
    }

    pub fn at(&self, value: f64) -> f64 {
        let share = (value - self.range.0) / (self.range.1 - self.range.0);
        self.pixels.0 + share.clamp(0.0, 1.0) * (self.pixels.1 - self.pixels.0)
    }

    /// Does the value lie on it?
    pub fn shows(&self, value: f64) -> bool {
        (self.range.0..=self.range.1).contains(&value)
    }

    /// At most so many round figures, with where they stand and how they are written.
    pub fn ticks(&self, most: usize) -> Vec<(f64, String)> {
        let values = RangedCoordf64::from(self.range.0..self.range.1).key_points(most.max(2));
        let step = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let whole = values.iter().all(|value| value.fract() == 0.0);
        let digits = match step.is_finite() {
            true => (-(step * 1.001).log10().floor()).clamp(0.0, 6.0) as usize,
            false => {
                if whole {
                    0
                } else {
                    2
                }
            }
        };
        values.into_iter().map(|value| (self.at(value), format!("{:.digits$}", value + 0.0))).collect()
    }
}

fn showable(value: f64) -> bool {
    value.abs() < 1e9 // false for what is no number
}

/// Pushes texts apart that stand on one line, each given by its middle and width, in order, until none touches the next and all
/// lie within the limits (as far as there is room).
pub fn push_apart(middles: &mut [(f64, f64)], limits: (f64, f64), gap: f64) {
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

    /// As WCAG 2 defines it.
    fn contrast(one: u32, other: u32) -> f64 {
        let luminance = |colour: u32| {
            let linear = |byte: u8| {
                let share = f64::from(byte) / 255.0;
                if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
            };
            let [_, r, g, b] = colour.to_be_bytes().map(linear);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    #[test]
    fn every_ink_of_words_is_read_on_light_and_on_dark_paper() {
        for ink in Ink::all().filter(|&ink| ink != Ink::Paper && ink != Ink::Grid) {
            let (light, dark) = ink.light_and_dark();
            assert!(contrast(light, PAPER.0) >= 4.5, "{ink:?} on light: {}", contrast(light, PAPER.0));
            assert!(contrast(dark, PAPER.1) >= 4.5, "{ink:?} on dark: {}", contrast(dark, PAPER.1));
        }
    }

    #[test]
    fn long_names_lose_their_middle() {
        let pen = Pen::new(Ink::Text, 13.0);
        assert_eq!(pen.fitted("NVIDIA H100", 200.0), "NVIDIA H100");
        insta::assert_snapshot!(pen.fitted("NVIDIA GeForce RTX 3090 Founders Edition (24 GB)", 160.0), @"NVIDIA GeF…on (24 GB)");
        assert_eq!(pen.fitted("NVIDIA", 1.0), "…");
        assert!(pen.fitted(&"W".repeat(10_000), 160.0).chars().count() < 20);
    }

    #[test]
    fn axes_have_round_figures_and_survive_absurd_ones() {
        let axis = Axis::around([1.0, 1.479, 1.318], (0.0, 300.0)).unwrap();
        let words: Vec<String> = axis.ticks(6).into_iter().map(|tick| tick.1).collect();
        assert_eq!(words, ["1.0", "1.1", "1.2", "1.3", "1.4"]);
        assert!(Axis::around([f64::NAN, f64::INFINITY, 1e308], (0.0, 300.0)).is_none());
        assert!(Axis::around([], (0.0, 300.0)).is_none());
        let point = Axis::around([2.0, f64::NAN], (0.0, 300.0)).unwrap();
        assert!((point.at(2.0) - 150.0).abs() < 1e-6, "one value stands in the middle");
        assert_eq!(Axis::from_zero([0.0], (0.0, 300.0)).unwrap().at(0.0), 0.0);
        assert_eq!(axis.at(1e300), 300.0, "what lies outside stays at the edge");
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

    #[test]
    fn a_plot_is_a_whole_file_and_says_nothing_that_was_not_escaped() {
        let plot = draw((40.0, 20.0), "<script>&", "\u{202e}\"x\"", |sheet| {
            sheet.text(1.0, 10.0, Side::Right, Pen::new(Ink::Text, 13.0), "</text><script>\u{7}")?;
            sheet.point(20.0, 10.0, Shape::Filled, Ink::Of(1))
        });
        insta::assert_snapshot!(plot.unwrap().inline(), @r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" viewBox="0 0 400 200" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">
        <title>&lt;script&gt;&amp;</title>
        <desc>"x"</desc>
        <text x="10" y="47" dy="0.76em" text-anchor="start" font-size="130" fill="#1F2328">
        &lt;/text&gt;&lt;script&gt;
        </text>
        <circle cx="200" cy="100" r="45" fill="#BF4F00" stroke="none" stroke-width="1"/>
        </svg>
        "##);
    }
}
