//! Many records laid side by side: what compares stands together, the best run of each GPU in front.

use super::card;
use super::year::GridIntensity;
use crate::operands::{Dtype, Init};
use crate::record::read::Problem;
use crate::record::{Estimate, InitSummary, Plan, Ratios, Record, Units};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// All that a report shows.
#[derive(Debug, Default)]
pub struct Overview {
    /// Measured on devices.
    pub measured: Vec<Group>,
    /// Made by `--simulate`, and never among the others.
    pub simulated: Vec<Group>,
    /// What is in the groups, by the time of the run, newest first.
    pub runs: Vec<Run>,
    /// Records that were read and are good, but are not shown.
    pub left_out: LeftOut,
    /// Files that are no good.
    pub problems: Vec<Problem>,
    /// Files that are called otherwise than their records call them, and were read all the same.
    pub renamed: Vec<PathBuf>,
    /// Of the grid that would bear a year of it, if somebody said.
    pub grid: Option<GridIntensity>,
}

/// How many good records are not shown, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The same GPU has a newer run, or one with a better verdict.
    pub superseded: usize,
    /// The verdict is invalid.
    pub invalid: usize,
}

/// A record that is shown. Its trace is left in the file: ten thousand of them would fill the memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub path: PathBuf,
    pub record: Record,
}

/// What may be laid side by side: the same product of the same numbers, one init against another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Comparable {
    pub protocol: String,
    pub dtype: Dtype,
    pub units: Units,
    /// n of the n × n matrices.
    pub size: usize,
    pub reference: Init,
    pub init: Init,
    pub seed: u64,
    /// Digests of A and B, of the reference and of the init. None in simulated runs, which have no matrices.
    pub digests: Option<[String; 4]>,
}

/// Runs that compare, by their ratio of energy, the highest first; those without one behind.
#[derive(Clone, Debug)]
pub struct Group {
    pub comparable: Comparable,
    pub rows: Vec<Row>,
}

/// One run in a group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Index into [`Overview::runs`].
    pub run: usize,
    /// Of the reference and of the init.
    pub summaries: (InitSummary, InitSummary),
    pub ratios: Ratios,
}

impl Row {
    /// What the row is about: the ratio of energy, if energy was measured.
    pub fn energy(&self) -> Option<Estimate> {
        self.ratios.energy
    }
}

impl Overview {
    /// The runs of each sweep of which two settings or more are shown, measured or simulated ones; the newest sweep first.
    pub fn sweeps(&self, simulated: bool) -> Vec<Vec<&Run>> {
        let mut sweeps: Vec<Vec<&Run>> = vec![];
        let key = |run: &Run| {
            let Record { plan, adapter, .. } = &run.record;
            (
                plan.sweep.clone(),
                plan.dtype,
                plan.units,
                plan.size,
                plan.inits.clone(),
                adapter.name.clone(),
                adapter.backend.clone(),
            )
        };
        let is_set = |plan: &Plan| plan.lock_clock_mhz.is_some() || plan.power_limit_w.is_some();
        let locked = |run: &&Run| run.record.plan.sweep.is_some() && is_set(&run.record.plan);
        for run in self.runs.iter().filter(locked).filter(|run| run.record.truth.is_some() == simulated) {
            match sweeps.iter_mut().find(|sweep| key(sweep[0]) == key(run)) {
                Some(sweep) => sweep.push(run),
                None => sweeps.push(vec![run]),
            }
        }
        sweeps.retain(|sweep| sweep.len() > 1);
        sweeps
            .iter_mut()
            .for_each(|sweep| sweep.sort_by_key(|run| (run.record.plan.lock_clock_mhz, run.record.plan.power_limit_w)));
        sweeps
    }
}

/// Where a run belongs: a newer run of the same card, driven in the same way, takes its place.
#[derive(PartialEq, Eq, Hash)]
struct Place {
    comparable: Comparable,
    adapter: String,
    card: String,
    backend: String,
    lock_clock_mhz: Option<u32>,
    power_limit_w: Option<u32>,
    simulated: bool,
}

/// Groups what compares. The runs' records are good; `problems` are passed on.
pub fn arrange(mut runs: Vec<Run>, all: bool, problems: Vec<Problem>) -> Overview {
    runs.sort_by(|a, b| b.record.run.started.cmp(&a.record.run.started).then_with(|| a.path.cmp(&b.path)));
    let mut left_out = LeftOut::default();
    let mut best: HashMap<Place, usize> = HashMap::new();
    let mut shown = vec![false; runs.len()];
    for (index, run) in runs.iter().enumerate() {
        if all {
            shown[index] = true;
        } else if run.record.verdict.is_invalid() {
            left_out.invalid += 1;
        } else {
            for place in places(&run.record) {
                best.entry(place)
                    // Newest first, so that only a better verdict takes the place.
                    .and_modify(|other| {
                        if run.record.verdict.judgement() < runs[*other].record.verdict.judgement() {
                            *other = index;
                        }
                    })
                    .or_insert(index);
            }
        }
    }
    best.values().for_each(|&index| shown[index] = true);
    if !all {
        left_out.superseded = runs.len() - left_out.invalid - shown.iter().filter(|&&shown| shown).count();
    }

    let mut kept = shown.iter();
    let runs: Vec<Run> = runs.into_iter().filter(|_| kept.next().is_some_and(|&kept| kept)).collect();
    let mut overview = Overview { left_out, problems, ..Overview::default() };
    let mut groups: BTreeMap<(bool, String), Group> = BTreeMap::new();
    for (index, run) in runs.iter().enumerate() {
        for place in places(&run.record) {
            let Some(row) = row(index, &run.record, &place.comparable) else { continue };
            let order = format!("{:?}", place.comparable);
            let group = groups.entry((place.simulated, order));
            group.or_insert_with(|| Group { comparable: place.comparable, rows: vec![] }).rows.push(row);
        }
    }
    // A run of many inits has a section of its own; of its ratios, the usual question and what others asked too are shown beside
    // those of others.
    let asked = |group: &Group| {
        let usual = (group.comparable.reference, group.comparable.init) == (Init::Zeros, Init::Gaussian);
        usual || group.rows.iter().any(|row| runs[row.run].record.plan.inits.len() == 2)
    };
    groups.retain(|_, group| asked(group));
    for ((simulated, _), mut group) in groups {
        group.rows.sort_by(|a, b| by_ratio(a, b, &runs));
        if simulated { &mut overview.simulated } else { &mut overview.measured }.push(group);
    }
    // What most have measured stands first, and what has joules before what has none.
    for groups in [&mut overview.measured, &mut overview.simulated] {
        groups.sort_by_key(|group| {
            let without_joules = group.rows.iter().all(|row| row.ratios.energy.is_none());
            (without_joules, std::cmp::Reverse(group.rows.len()), std::cmp::Reverse(group.comparable.size))
        });
    }
    overview.runs = runs;
    overview
}

fn places(record: &Record) -> impl Iterator<Item = Place> {
    let reference = record.plan.inits.first().copied();
    record.plan.inits.iter().skip(1).filter_map(move |&init| {
        let reference = reference?;
        let inputs = record.inputs.get(&reference).zip(record.inputs.get(&init));
        let digests = inputs.map(|(reference, init)| {
            [&reference.digest_a, &reference.digest_b, &init.digest_a, &init.digest_b].map(String::clone)
        });
        Some(Place {
            comparable: Comparable {
                protocol: record.protocol.clone(),
                dtype: record.plan.dtype,
                units: record.plan.units,
                size: record.plan.size,
                reference,
                init,
                seed: record.plan.seed,
                digests,
            },
            adapter: record.adapter.name.clone(),
            card: card::name(record),
            backend: record.adapter.backend.clone(),
            lock_clock_mhz: record.plan.lock_clock_mhz,
            power_limit_w: record.plan.power_limit_w,
            simulated: record.truth.is_some(),
        })
    })
}

fn row(run: usize, record: &Record, comparable: &Comparable) -> Option<Row> {
    let of = |init| record.summary.inits.get(init).copied();
    let ratios = record.summary.ratios.get(&comparable.init).copied()?;
    Some(Row { run, summaries: (of(&comparable.reference)?, of(&comparable.init)?), ratios })
}

/// The highest ratio of energy first, then what has none, by name.
fn by_ratio(a: &Row, b: &Row, runs: &[Run]) -> Ordering {
    let name = |row: &Row| &runs[row.run].record.adapter.name;
    match (a.energy(), b.energy()) {
        (Some(a), Some(b)) => b.estimate.total_cmp(&a.estimate),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
    .then_with(|| name(a).cmp(name(b)))
    .then_with(|| a.run.cmp(&b.run))
}

impl Comparable {
    /// "gaussian against zeros · f32 10000²", and the seed where it is not the usual one.
    pub fn title(&self) -> String {
        let seed = if self.seed == 0 { String::new() } else { format!(" · seed {}", self.seed) };
        format!("{} against {} · {} {}²{seed}", self.init, self.reference, self.units.of(self.dtype), self.size)
    }
}
