//! Many cards of one model: they are never quite alike. How far apart are they, and which one stands out?

use super::card::name;
use super::overview::{Group, Row, Run};
use super::stats;
use super::stats::Spread;
use crate::record::{Estimate, Ratios, Record, Verdict};

/// The cards of one model in a group of records that compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Fleet<'a> {
    /// What the cards have in common.
    pub model: Model<'a>,
    /// In the order of the group: the highest ratio first.
    pub cards: Vec<Card<'a>>,
    /// Of the ratios of energy.
    pub ratio: Option<Spread>,
    /// Of the joules of a product of the init.
    pub energy_j: Option<Spread>,
    /// Of the seconds of a product of the init.
    pub time_s: Option<Spread>,
}

/// A model, driven in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model<'a> {
    pub adapter: &'a str,
    pub backend: &'a str,
    pub lock_clock_mhz: Option<u32>,
    pub power_limit_w: Option<u32>,
}

impl<'a> Model<'a> {
    pub fn of(record: &'a Record) -> Self {
        Model {
            adapter: &record.adapter.name,
            backend: &record.adapter.backend,
            lock_clock_mhz: record.plan.lock_clock_mhz,
            power_limit_w: record.plan.power_limit_w,
        }
    }
}

/// A line of an overview.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a handful of entries a report")]
pub enum Entry<'a> {
    One(Row),
    Many(Fleet<'a>),
}

impl Entry<'_> {
    /// By which it is sorted.
    fn ratio(&self) -> Option<f64> {
        match self {
            Entry::One(row) => row.energy().map(|energy| energy.estimate),
            Entry::Many(fleet) => fleet.ratio.as_ref().map(|ratio| ratio.median),
        }
    }
}

impl<'a> Fleet<'a> {
    /// The one that speaks for all where one run has to: it is nearest to the median ratio, or time where there is none.
    pub(crate) fn median_card(&self) -> &Card<'a> {
        let off = |card: &Card| match (&self.ratio, card.row.energy(), &self.time_s) {
            (Some(ratio), Some(energy), _) => (energy.estimate - ratio.median).abs(),
            (_, _, Some(time_s)) => (card.row.summaries.1.time_s - time_s.median).abs(),
            _ => 0.0,
        };
        // A fleet has two cards or more.
        self.cards.iter().min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(&self.cards[0])
    }

    /// The median of a ratio, if all cards have it.
    pub fn median(&self, of: impl Fn(&Ratios) -> Option<Estimate>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.cards.iter().map(|card| Some(of(&card.row.ratios)?.estimate)).collect();
        values.and_then(|values| stats::spread(&values)).map(|spread| spread.median)
    }

    /// By what a card stands out, in words.
    pub(crate) fn stands_out_by(&self, card: usize) -> Vec<&'static str> {
        let of = [("ratio", &self.ratio), ("energy", &self.energy_j), ("time", &self.time_s)];
        let out = |spread: &Option<Spread>| spread.as_ref().is_some_and(|spread| spread.outliers.contains(&card));
        of.into_iter().filter(|(_, spread)| out(spread)).map(|(name, _)| name).collect()
    }

    /// The verdict of the card that has the worst one.
    pub(crate) fn worst_verdict(&self) -> &Verdict {
        let verdicts = self.cards.iter().map(|card| &card.run.record.verdict);
        verdicts.max_by_key(|verdict| verdict.judgement()).unwrap_or(&self.cards[0].run.record.verdict)
    }
}

/// A group with one line a model, the highest ratio first.
pub fn entries<'a>(group: &Group, runs: &'a [Run]) -> Vec<Entry<'a>> {
    let fleets = of(group, runs);
    let alone = |row: &&Row| !fleets.iter().any(|fleet| fleet.model == Model::of(&runs[row.run].record));
    let mut entries: Vec<Entry> = group.rows.iter().filter(alone).map(|row| Entry::One(*row)).collect();
    entries.extend(fleets.into_iter().map(Entry::Many));
    // What has no ratio stays behind.
    entries.sort_by(|a, b| b.ratio().unwrap_or(f64::MIN).total_cmp(&a.ratio().unwrap_or(f64::MIN)));
    entries
}

/// One card.
#[derive(Clone, Debug, PartialEq)]
pub struct Card<'a> {
    pub row: Row,
    pub run: &'a Run,
    /// What sets it apart from its like, by [`name`].
    pub name: String,
    /// It stands out by its ratio, its joules or its seconds.
    pub outlier: bool,
}

/// The models of which a group has two cards or more, those with most cards first.
pub fn of<'a>(group: &Group, runs: &'a [Run]) -> Vec<Fleet<'a>> {
    let mut fleets: Vec<(Model, Vec<Card>)> = vec![];
    for &row in &group.rows {
        let run = &runs[row.run];
        let (model, name) = (Model::of(&run.record), name(&run.record));
        let card = Card { row, run, name, outlier: false };
        match fleets.iter_mut().find(|(other, _)| *other == model) {
            None => fleets.push((model, vec![card])),
            // With every run shown, a card has several; the newest speaks for it.
            Some((_, cards)) => match cards.iter_mut().find(|other| other.name == card.name) {
                None => cards.push(card),
                Some(other) if card.row.run < other.row.run => *other = card,
                Some(_) => {}
            },
        }
    }
    let mut fleets: Vec<Fleet> =
        fleets.into_iter().filter(|(_, cards)| cards.len() > 1).map(|(model, cards)| fleet(model, cards)).collect();
    fleets.sort_by_key(|fleet| std::cmp::Reverse(fleet.cards.len()));
    fleets
}

fn fleet<'a>(model: Model<'a>, mut cards: Vec<Card<'a>>) -> Fleet<'a> {
    let spread = |of: fn(&Row) -> Option<f64>| {
        let values: Option<Vec<f64>> = cards.iter().map(|card| of(&card.row)).collect();
        stats::spread(&values?)
    };
    let ratio = spread(|row| Some(row.ratios.energy?.estimate));
    let energy_j = spread(|row| row.summaries.1.energy_j);
    let time_s = spread(|row| Some(row.summaries.1.time_s));
    for outlier in [&ratio, &energy_j, &time_s].into_iter().flatten().flat_map(|spread| &spread.outliers) {
        cards[*outlier].outlier = true;
    }
    Fleet { model, cards, ratio, energy_j, time_s }
}
