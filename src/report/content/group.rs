//! Records that compare: their ratios, why some are doubted, their cards, and their watts by what the sensors measure.

use crate::analysis::fleet::{Card, Fleet};
use crate::analysis::overview::{Comparable, Group, Overview};
use crate::analysis::stats::Spread;
use crate::operands::Init;
use crate::record::{Estimate, InitSummary, Ratios, Scope, Status};
use crate::report::lines::{Line, MOST_DRAWN};
use crate::report::page::{Block, Cell, Span, Table, Target, Text, estimated, figures, number, strong, text};
use crate::report::plot::groups;
use crate::report::units::or_na;
use crate::report::wrap::counted;
use crate::report::{lines, units};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// So many reasons, and so many runs of each, are named.
const MOST_NAMED: usize = 20;

/// A group.
pub(super) fn section<'a>(overview: &'a Overview, group: &'a Group, id: &str) -> Vec<Block<'a>> {
    let lines = Arc::new(lines::of(overview, group));
    let comparable = &group.comparable;
    let Comparable { reference, init, .. } = comparable;
    let slide = match (reference, init) {
        (Init::Zeros, Init::Gaussian) => {
            " “The slide” is the published measurement that this protocol repeats, under “Published elsewhere”."
        }
        _ => "",
    };
    let more = not_all_drawn(lines.iter().filter(|line| line.row.energy().is_some()).count(), "highest");
    let drawn = lines.clone();
    let mut blocks = vec![
        Block::Heading { level: 3, text: comparable.title(), id: Some(id.into()) },
        Block::figure(
            format!("{id}-energy-ratio"),
            format!("How many times the energy of a product of {reference} one of {init} numbers takes.{slide}{more}"),
            move |layout| groups::ratios(comparable, &drawn, layout),
        ),
        Block::Table(ratios(&lines, comparable, id)),
    ];
    blocks.extend(reasons(overview, group, &lines));
    blocks.extend(cards(&lines, comparable, id));
    for scope in lines::SCOPES {
        if lines.iter().any(|line| line.scope() == Some(scope)) {
            blocks.extend(watts(&lines, comparable, scope, id));
        }
    }
    blocks
}

/// What to say where more rows were measured than are drawn.
fn not_all_drawn(rows: usize, which: &str) -> String {
    match rows > MOST_DRAWN {
        true => format!(" The {which} {MOST_DRAWN} of {rows} are drawn; the table has all."),
        false => String::new(),
    }
}

fn ratios(lines: &[Line], comparable: &Comparable, id: &str) -> Table {
    let Comparable { reference, init, dtype, .. } = comparable;
    let giga = dtype.giga();
    let speed = format!("{giga}/s");
    let heads = [
        "GPU", "energy ratio", "95 % interval", "ratio above idle", "interval above idle", "power ratio", "time ratio",
        "verdict", &speed, "sensor", "run",
    ];
    let row = |line: &Line| {
        let ratio = |of: fn(&Ratios) -> Option<Estimate>| number(line.ratio(of), units::figure);
        let run = line.fleet.as_ref().map(|fleet| counted(fleet.cards.len(), "card"));
        vec![
            name(line, id).into(),
            ratio(|ratios| ratios.energy),
            figures(line.interval()),
            ratio(|ratios| ratios.above_idle),
            figures(line.above_idle_interval()),
            ratio(|ratios| ratios.power),
            ratio(|ratios| ratios.time),
            line.verdict().words().into(),
            number(Some(line.row.summaries.1.gflop_per_s), units::plain),
            line.sensor().into(),
            figures(run.unwrap_or_else(|| lines::day(&line.run.record))),
        ]
    };
    let caption = format!("Ratios of {init} to {reference}, by GPU; {speed} of {init}");
    Table { sorted_by: Some(1), ..Table::new(format!("{id}-ratios"), caption, heads, lines.iter().map(row)) }
}

/// A line's name, which leads to its run, or to its cards.
fn name(line: &Line, id: &str) -> Span {
    let target = match line.fleet {
        Some(_) => Target::Place(cards_id(line, id)),
        None => Target::Run(line.run.path.clone()),
    };
    Span::Link(line.name.clone(), target)
}

fn cards_id(line: &Line, id: &str) -> String {
    format!("{id}-cards-{}", line.row.run)
}

/// Why runs are not simply valid: each reason once, with those that it applies to.
fn reasons<'a>(overview: &Overview, group: &Group, lines: &[Line]) -> Option<Block<'a>> {
    let runs_of = |line: &'_ Line| match &line.fleet {
        Some(fleet) => fleet.cards.iter().map(|card| card.row.run).collect(),
        None => vec![line.row.run],
    };
    let names: HashMap<usize, &str> =
        lines.iter().flat_map(|line| runs_of(line).into_iter().map(|run| (run, line.name.as_str()))).collect();
    let mut found: Vec<(String, &str, Vec<&str>)> = vec![];
    let mut places: HashMap<(String, &str), usize> = HashMap::new();
    for row in &group.rows {
        let verdict = &overview.runs[row.run].record.verdict;
        let name = names.get(&row.run).copied().unwrap_or("an older run of a card");
        for reason in verdict.reasons.iter().filter(|_| verdict.judgement() != Status::Valid) {
            let place = *places.entry((verdict.words(), &reason.message)).or_insert_with(|| {
                found.push((verdict.words(), &reason.message, vec![]));
                found.len() - 1
            });
            found[place].2.push(name);
        }
    }
    let rest = found.len().saturating_sub(MOST_NAMED);
    let item = |(words, message, names): &(String, &str, Vec<&str>)| -> Text {
        // In the order in which they stand, each once.
        let mut seen = HashSet::new();
        let names: Vec<&str> = names.iter().copied().filter(|name| seen.insert(*name)).collect();
        let more = names.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = names[..names.len().min(MOST_NAMED)].join("; ");
        text![strong(words.as_str()), format!(": {message} ({names}{more})")]
    };
    let mut items: Vec<Text> = found.iter().take(MOST_NAMED).map(item).collect();
    items.extend((rest > 0).then(|| text![format!("and {}", counted(rest, "more reason"))]));
    (!items.is_empty()).then_some(Block::List(items))
}

/// The cards of each model that has several: all of them on a line, and a table each.
fn cards<'a>(lines: &Arc<Vec<Line<'a>>>, comparable: &'a Comparable, id: &str) -> Vec<Block<'a>> {
    let mut fleets = lines.iter().filter_map(|line| Some((line, line.fleet.as_ref()?))).peekable();
    if fleets.peek().is_none() {
        return vec![];
    }
    let drawn = lines.clone();
    let mut blocks = vec![
        Block::heading(4, "Cards of one model"),
        Block::paragraph(
            "What stands above for a model with several cards is their median, and the range is that of the cards: \
             how much the like differ, where a 95 % interval says how sure one card's figure is. A card stands out \
             where it is 3.5 times as far from the median as is usual among its like, and by 1 % at least.",
        ),
        Block::figure(format!("{id}-cards"), "The cards' ratios of energy.", move |layout| {
            groups::cards(comparable, &drawn, layout)
        }),
    ];
    blocks.extend(fleets.map(|(line, fleet)| {
        let Fleet { cards, ratio, .. } = fleet;
        let ratio =
            ratio.as_ref().map(|all| format!("ratio {}, median {}", lines::reach(all), units::figure(all.median)));
        let out = lines::standing_out(cards.iter().filter(|card| card.outlier).count());
        let (count, name) = (cards.len(), lines::gpu(&line.run.record));
        let ratio = ratio.unwrap_or_else(|| "n/a".into());
        let (fleet, id) = (fleet.clone(), cards_id(line, id));
        Block::Details {
            level: 5,
            summary: text![format!("{count} cards of {name}: energy {ratio}; {out}")],
            id: id.clone(),
            body: Box::new(move || card_blocks(&fleet, comparable, &id)),
        }
    }));
    blocks
}

fn card_blocks<'a>(fleet: &Fleet, comparable: &Comparable, id: &str) -> Vec<Block<'a>> {
    let Comparable { init, .. } = comparable;
    let row = |(place, card): (usize, &Card)| -> Vec<Cell> {
        let Card { row, run, name, .. } = card;
        let [ratio, interval] = estimated(row.energy());
        vec![
            Span::Link(name.clone(), Target::Run(run.path.clone())).into(),
            ratio,
            interval,
            number(row.summaries.1.energy_j, units::energy),
            number(Some(row.summaries.1.time_s), units::time),
            run.record.verdict.words().into(),
            strong(fleet.stands_out_by(place).join(", ")).into(),
        ]
    };
    let heads = ["card", "energy ratio", "95 % interval", "energy", "time", "verdict", "stands out by"];
    let median = |spread: &Option<Spread>, unit: fn(f64) -> String| or_na(spread.as_ref().map(|all| unit(all.median)));
    let share = |all: &Option<Spread>| or_na(all.as_ref().map(|all| format!("{:.1} %", 100.0 * all.share())));
    let Fleet { ratio, energy_j, time_s, .. } = fleet;
    let medians = [median(ratio, units::figure), median(energy_j, units::energy), median(time_s, units::time)];
    let of = |[ratio, energy, time]: [String; 3]| format!("ratio {ratio}, energy {energy}, time {time}").into();
    let caption = format!("Cards, by their ratio of energy; energy and time of a product of {init}");
    vec![
        Block::Facts(vec![
            ("median", of(medians)),
            ("spread, least to most", of([ratio, energy_j, time_s].map(share))),
        ]),
        Block::Table(Table {
            sorted_by: Some(1),
            ..Table::new(format!("{id}-table"), caption, heads, fleet.cards.iter().enumerate().map(row))
        }),
    ]
}

/// What depends on what the sensor measures: watts, joules, and what is made of them.
fn watts<'a>(lines: &Arc<Vec<Line<'a>>>, comparable: &'a Comparable, scope: Scope, id: &str) -> Vec<Block<'a>> {
    let Comparable { reference, init, dtype, .. } = comparable;
    let giga = dtype.giga();
    let units = ["W", "J a product", &format!("{giga}/J")];
    let of_both = units.into_iter().flat_map(|unit| [reference, init].map(|init| format!("{init}, {unit}")));
    let heads = ["GPU", "idle, W"].map(str::to_owned).into_iter().chain(of_both);
    let row = |line: &Line| -> Vec<Cell> {
        let (base, other) = line.row.summaries;
        let figures: [fn(&InitSummary) -> Option<f64>; 3] = [|of| of.power_w, |of| of.energy_j, |of| of.gflop_per_j];
        let figures = figures.into_iter().flat_map(|figure| [figure(&base), figure(&other)]);
        let watts = [line.run.record.summary.sensor.idle_w].into_iter().chain(figures);
        [name(line, id).into()].into_iter().chain(watts.map(|value| number(value, units::plain))).collect()
    };
    let of_scope = || lines.iter().filter(|line| line.scope() == Some(scope));
    let title = lines::scope_title(scope);
    let cards = of_scope().any(|line| line.fleet.is_some());
    let median = if cards { "; of several cards, those of the one with the median ratio" } else { "" };
    let more = not_all_drawn(of_scope().count(), "first");
    let (drawn, also) = (lines.clone(), lines.clone());
    vec![
        Block::heading(4, format!("Watts and joules of {title}")),
        Block::figure(
            format!("{id}-power-{scope}"),
            format!("Mean power: idle, on {reference}, and on {init}. Sensors of {title}.{more}"),
            move |layout| groups::power(comparable, &drawn, scope, layout),
        ),
        Block::figure(
            format!("{id}-efficiency-{scope}"),
            format!("Operations a joule, on {reference} and on {init}. Sensors of {title}.{more}"),
            move |layout| groups::efficiency(comparable, &also, scope, layout),
        ),
        Block::Table(Table::new(
            format!("{id}-{scope}"),
            format!("Mean power, idle and by init; energy of a product; {giga} a joule{median}"),
            heads,
            of_scope().map(row),
        )),
    ]
}
