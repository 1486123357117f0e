//! A page as data: what it says, block by block. Painters draw it and decide nothing. Texts are as they were found,
//! strangers' words among them: each painter makes them harmless in its format.

use super::plot::{Layout, Plot};
use super::units::{self, or_na};
use crate::record::Estimate;
use std::path::{Path, PathBuf};

/// A page. Its parts are made when their turn comes, section by section.
pub struct Page<'a> {
    pub title: &'static str,
    pub introduction: Vec<Block<'a>>,
    pub parts: Vec<Part<'a>>,
}

/// What stands under a main heading.
pub struct Part<'a> {
    pub id: &'static str,
    pub title: &'static str,
    pub sections: Sections<'a>,
    /// It says how to read the rest, the same whatever the records: a terminal shows it when asked.
    pub guide: bool,
}

/// Some blocks at a time.
pub(crate) type Sections<'a> = Box<dyn Iterator<Item = Vec<Block<'a>>> + 'a>;

/// What is shown as one.
pub enum Block<'a> {
    /// Of level 3 or more: 1 is the page's, 2 a part's.
    Heading {
        level: u8,
        text: String,
        id: Option<String>,
    },
    Paragraph(Text),
    Warning(Text),
    List(Vec<Text>),
    /// Steps, in their order.
    Steps(Vec<Text>),
    /// Names and what they are.
    Facts(Vec<(&'static str, Text)>),
    Table(Table),
    Figure(Figure<'a>),
    /// What folds together where the reader can open it. The body is made when its turn comes.
    Details {
        level: u8,
        summary: Text,
        id: String,
        body: Box<dyn Fn() -> Vec<Block<'a>> + Send + Sync + 'a>,
    },
}

/// A plot with the words above it.
pub struct Figure<'a> {
    /// The name of its file, where it is one.
    pub id: String,
    pub caption: String,
    /// None where there is nothing to show.
    pub plot: Box<dyn Fn(Layout) -> Option<Plot> + Send + Sync + 'a>,
}

impl<'a> Block<'a> {
    pub(crate) fn heading(level: u8, text: impl Into<String>) -> Self {
        Block::Heading { level, text: text.into(), id: None }
    }

    pub(crate) fn paragraph(text: impl Into<Text>) -> Self {
        Block::Paragraph(text.into())
    }

    pub(crate) fn figure(
        id: String,
        caption: impl Into<String>,
        plot: impl Fn(Layout) -> Option<Plot> + Send + Sync + 'a,
    ) -> Self {
        Block::Figure(Figure { id, caption: caption.into(), plot: Box::new(plot) })
    }
}

/// A text of several kinds of words.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<Span>);

/// Words of one kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    Plain(String),
    Strong(String),
    /// A file, a command: it is never broken.
    Code(String),
    Link(String, Target),
}

/// Where a link leads.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// To the run that is saved there.
    Run(PathBuf),
    /// To the details of that id.
    Place(String),
    Url(String),
}

/// The id of a run's details, made of its file's name, which has the digest of its content.
pub(crate) fn run_id(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("run-{plain}")
}

/// [`Text`] of spans and whatever becomes one.
macro_rules! text {
    ($($span:expr),+ $(,)?) => { $crate::report::page::Text(vec![$($crate::report::page::Span::from($span)),+]) };
}
pub(crate) use text;

pub(crate) fn strong(text: impl Into<String>) -> Span {
    Span::Strong(text.into())
}

pub(crate) fn code(text: impl Into<String>) -> Span {
    Span::Code(text.into())
}

impl From<&str> for Span {
    fn from(text: &str) -> Self {
        Span::Plain(text.into())
    }
}

impl From<String> for Span {
    fn from(text: String) -> Self {
        Span::Plain(text)
    }
}

impl<S: Into<Span>> From<S> for Text {
    fn from(span: S) -> Self {
        Text(vec![span.into()])
    }
}

impl Span {
    pub(crate) fn words(&self) -> &str {
        let (Span::Plain(text) | Span::Strong(text) | Span::Code(text) | Span::Link(text, _)) = self;
        text
    }
}

/// Rows under headings. The first cell of a row says whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub id: String,
    pub caption: String,
    pub heads: Vec<String>,
    /// The column by whose figures the rows stand, the highest first.
    pub sorted_by: Option<usize>,
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// In the order of the rows.
    pub fn new<H: Into<String>>(
        id: impl Into<String>,
        caption: impl Into<String>,
        heads: impl IntoIterator<Item = H>,
        rows: impl IntoIterator<Item = Vec<Cell>>,
    ) -> Self {
        let heads = heads.into_iter().map(Into::into).collect();
        Table { id: id.into(), caption: caption.into(), heads, sorted_by: None, rows: rows.into_iter().collect() }
    }

    /// What stands in a column.
    pub fn kind(&self, column: usize) -> Kind {
        self.rows.first().and_then(|row| row.get(column)).map_or(Kind::Text, |cell| cell.kind)
    }
}

/// How a cell is written and sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A figure, on the right, sorted by its value.
    Number,
    /// Words, which may take several lines.
    Text,
    /// Figures whose order means nothing, on one line.
    Figures,
}

/// A text, and the figure to sort it by.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub text: Text,
    pub kind: Kind,
    pub value: Option<f64>,
}

impl<T: Into<Text>> From<T> for Cell {
    fn from(text: T) -> Self {
        Cell { text: text.into(), kind: Kind::Text, value: None }
    }
}

/// A figure in its unit. What was not measured is said to be so, and never 0.
pub(crate) fn number(value: Option<f64>, unit: impl Fn(f64) -> String) -> Cell {
    Cell { value, kind: Kind::Number, ..Cell::from(or_na(value.map(unit))) }
}

/// Figures on one line.
pub(crate) fn figures(text: impl Into<String>) -> Cell {
    Cell { kind: Kind::Figures, ..Cell::from(text.into()) }
}

/// A ratio and its interval.
pub(crate) fn estimated(ratio: Option<Estimate>) -> [Cell; 2] {
    [number(ratio.map(|ratio| ratio.estimate), units::figure), figures(units::interval(ratio))]
}

/// The same of an init, of which one is the reference: its own ratio is 1 by definition.
pub(crate) fn against(is_reference: bool, ratio: Option<Estimate>) -> [Cell; 2] {
    if is_reference { [number(Some(1.0), |one| one.to_string()), figures("reference")] } else { estimated(ratio) }
}
