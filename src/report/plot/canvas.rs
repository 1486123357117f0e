//! What every plot is drawn with: a sheet measured in pixels, and inks that are seen on light and on dark paper.
//!
//! The SVG has no style of its own: each ink is one value of `fill` and `stroke`, which [`dark_style`] turns into the
//! one for dark paper.

use crate::operands::Init;
use crate::record::text::{printable, without_remarks};
use std::fmt::{self, Write};

/// A colour, on light paper and on dark. The inits' are Okabe and Ito's, darkened and lightened until words written in
/// them have a contrast of 4.5 : 1.
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
    /// An init that is none of [`Init::ALL`] has the ink of its kind; one of files has one that neither zeros nor gaussian has.
    pub fn of(init: Init) -> Self {
        const OTHERS: [usize; 4] = [1, 2, 4, 5];
        let same = Init::ALL.iter().position(|&other| other == init);
        let kind = || Init::ALL.iter().position(|other| other.name() == init.name());
        let any = || OTHERS[init.to_string().bytes().map(usize::from).sum::<usize>() % OTHERS.len()];
        Ink::Of(same.or_else(kind).unwrap_or_else(any))
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
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"{FONTS}\">\n\
             <title>{title}</title>\n<desc>{description}</desc>\n{before}{}</svg>\n",
            self.shapes
        )
    }
}

const FONTS: &str = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Which side of a point a text is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
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
    /// A phone's: what stands in its row elsewhere stands above it here.
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
pub(crate) struct Pen {
    pub ink: Ink,
    pub size: f64,
    pub bold: bool,
}

impl Pen {
    pub const fn new(ink: Ink, size: f64) -> Self {
        Pen { ink, size, bold: false }
    }

    pub(crate) const fn bold(ink: Ink, size: f64) -> Self {
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
    pub(crate) fn fitted(self, text: &str, width: f64) -> String {
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
    pub(crate) fn fitted_name(self, name: &str, width: f64) -> String {
        let plain = without_remarks(name);
        let plain = Some(plain.trim()).filter(|plain| self.width(name) > width && !plain.is_empty());
        self.fitted(plain.unwrap_or(name), width)
    }
}

/// Of figures on axes, notes, and all that stands behind what is shown.
pub(crate) const SMALL: Pen = Pen::new(Ink::Muted, 11.5);

/// The shape of a point, so that colour never tells alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Filled,
    Hollow,
    /// A short vertical line.
    Tick,
}

/// Where a plot is drawn, in pixels from the upper left.
pub(crate) struct Sheet {
    shapes: String,
}

/// Draws on a new sheet.
pub(crate) fn draw(size: (f64, f64), title: &str, description: &str, body: impl FnOnce(&mut Sheet)) -> Plot {
    let mut sheet = Sheet { shapes: String::new() };
    body(&mut sheet);
    Plot { title: title.into(), description: description.into(), size, shapes: sheet.shapes }
}

/// A tenth of a pixel is as fine as anybody sees; what lies far outside stays outside.
struct Pixels(f64);

impl fmt::Display for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tenths = if self.0.is_nan() { 0.0 } else { (self.0 * 10.0).round().clamp(-1e6, 1e6) };
        write!(f, "{}", tenths / 10.0 + 0.0)
    }
}

impl fmt::Display for Ink {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "#{:06X}", self.light_and_dark().0)
    }
}

impl Sheet {
    fn add(&mut self, shape: fmt::Arguments) {
        let _ = writeln!(self.shapes, "{shape}");
    }

    /// A text to one side of a point, its middle at the point's height.
    pub(crate) fn text(&mut self, x: f64, y: f64, side: Side, pen: Pen, text: &str) {
        self.text_with(x, y, side, pen, text, "");
    }

    /// A text to the right of a point that is read above whatever it lies on.
    pub(crate) fn haloed(&mut self, x: f64, y: f64, pen: Pen, text: &str) {
        let halo = format!(" stroke=\"{}\" stroke-width=\"3\" paint-order=\"stroke\"", Ink::Paper);
        self.text_with(x, y, Side::Right, pen, text, &halo);
    }

    fn text_with(&mut self, x: f64, y: f64, side: Side, pen: Pen, text: &str, more: &str) {
        let anchor = match side {
            Side::Right => "start",
            Side::Middle => "middle",
            Side::Left => "end",
        };
        let Pen { ink, size, bold } = pen;
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        // Capital letters are 0.7 em high.
        let (x, y, text) = (Pixels(x), Pixels(y + 0.35 * size), escaped(text));
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\"{weight} \
             fill=\"{ink}\"{more}>{text}</text>"
        ));
    }

    /// A text under a place, moved aside where it would reach beyond a sheet of this width.
    pub(crate) fn label(&mut self, x: f64, y: f64, width: f64, pen: Pen, text: &str) {
        let half = pen.width(text) / 2.0;
        self.text(x.clamp(half, (width - half).max(half)), y, Side::Middle, pen, text);
    }

    pub(crate) fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) {
        self.path(&[from, to], ink, width);
    }

    pub(crate) fn path(&mut self, points: &[(f64, f64)], ink: Ink, width: f64) {
        let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", Pixels(x), Pixels(y))).collect();
        let points = points.join(" ");
        self.add(format_args!(
            "<polyline fill=\"none\" stroke=\"{ink}\" stroke-width=\"{width}\" points=\"{points}\"/>"
        ));
    }

    /// A filled rectangle, as strong as `share` says.
    pub(crate) fn band(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, share: f64) {
        let (x, y, width, height) = (Pixels(from.0), Pixels(from.1), Pixels(to.0 - from.0), Pixels(to.1 - from.1));
        self.add(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{ink}\" fill-opacity=\"{share}\"/>"
        ));
    }

    pub(crate) fn point(&mut self, x: f64, y: f64, shape: Shape, ink: Ink) {
        const RADIUS: f64 = 4.5;
        let (cx, cy) = (Pixels(x), Pixels(y));
        match shape {
            Shape::Filled => self.add(format_args!("<circle cx=\"{cx}\" cy=\"{cy}\" r=\"{RADIUS}\" fill=\"{ink}\"/>")),
            Shape::Hollow => self.add(format_args!(
                "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3.6\" fill=\"{}\" stroke=\"{ink}\" stroke-width=\"1.8\"/>",
                Ink::Paper
            )),
            Shape::Tick => self.line((x, y - RADIUS - 1.0), (x, y + RADIUS + 1.0), ink, 1.8),
        }
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
    fn a_plot_is_a_whole_file_and_says_nothing_that_was_not_escaped() {
        let plot = draw((40.0, 20.0), "<script>&", "\u{202e}\"x\"", |sheet| {
            sheet.text(1.0, 10.0, Side::Right, Pen::new(Ink::Text, 13.0), "</text><script>\u{7}");
            sheet.point(20.0, 10.0, Shape::Filled, Ink::Of(1));
        });
        insta::assert_snapshot!(plot.inline(), @r##"
        <svg xmlns="http://www.w3.org/2000/svg" width="40" height="20" viewBox="0 0 40 20" role="img" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">
        <title>&lt;script&gt;&amp;</title>
        <desc>"x"</desc>
        <text x="1" y="14.6" text-anchor="start" font-size="13" fill="#1F2328">&lt;/text&gt;&lt;script&gt;</text>
        <circle cx="20" cy="10" r="4.5" fill="#BF4F00"/>
        </svg>
        "##);
    }
}
