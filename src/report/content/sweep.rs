//! A sweep: what power and energy do with the clock, or with the power limit, and which of the two saves more.

use crate::analysis::overview::{Overview, Run};
use crate::analysis::sweep::{self, EqualSpeed, Fit, Row, Sweep};
use crate::operands::Init;
use crate::record::plan::Knob;
use crate::record::{Estimate, Record};
use crate::report::page::{Block, Cell, Span, Table, Target, against, number};
use crate::report::{lines, plot, units};
use std::path::Path;
use std::sync::Arc;

/// All sweeps of measured or of simulated GPUs.
pub(super) fn section(overview: &Overview, simulated: bool) -> Vec<Block<'_>> {
    let sweeps = overview.sweeps(simulated);
    if sweeps.is_empty() {
        return vec![];
    }
    let name = if simulated { "simulated" } else { "measured" };
    let mut blocks = vec![
        Block::heading(3, "Sweeps"),
        Block::paragraph(
            "The same protocol at several locked clocks, or power limits. Below some clock, the voltage stays what it is, and power \
             is straight in the clock: what is drawn whatever the clock, and so much for each MHz. Above it, the \
             voltage rises too. A power limit lets the driver choose the clock, for each init its own.",
        ),
    ];
    for (number, runs) in sweeps.iter().enumerate() {
        let runs = runs.iter().map(|Run { path, record }| (record, Some(path.as_path()))).collect();
        blocks.extend(one(runs, &format!("{name}-sweep-{}", number + 1)));
    }
    for (number, (clock, limit)) in pairs(&sweeps).into_iter().enumerate() {
        blocks.extend(both(clock, limit, &format!("{name}-knobs-{}", number + 1)));
    }
    blocks
}

/// Of each card and product, the newest sweep over the clock and the newest over the power limit, where there are both.
fn pairs<'a, 'b>(sweeps: &'b [Vec<&'a Run>]) -> Vec<(&'b [&'a Run], &'b [&'a Run])> {
    let is = |sweep: &[&Run], knob| sweep::knob(&sweep.iter().map(|run| &run.record).collect::<Vec<_>>()) == knob;
    let about = |sweep: &[&Run]| {
        let Record { adapter, plan, kernel, .. } = &sweep[0].record;
        (adapter.clone(), plan.dtype, plan.size, plan.inits.clone(), plan.seed, kernel.variant.clone())
    };
    let mut pairs: Vec<(&[&Run], &[&Run])> = vec![];
    for clock in sweeps.iter().filter(|sweep| is(sweep, Knob::Clock)) {
        let limit = sweeps.iter().find(|sweep| is(sweep, Knob::PowerLimit) && about(sweep) == about(clock));
        let is_newest = pairs.iter().all(|pair| about(pair.0) != about(clock));
        pairs.extend(limit.filter(|_| is_newest).map(|limit| (&clock[..], &limit[..])));
    }
    pairs
}

/// What the clock and what the power limit make of energy, in one picture.
fn both<'a>(clock: &[&'a Run], limit: &[&'a Run], id: &str) -> Vec<Block<'a>> {
    let of = |runs: &[&'a Run]| Sweep::of(runs.iter().map(|run| &run.record));
    let (by_clock, by_limit) = (of(clock), of(limit));
    let found = sweep::at_equal_speed(&by_clock, &by_limit);
    let first = &clock[0].record;
    let title = format!("{} · {}", first.adapter.name, lines::product(&first.plan));
    let words = equal_speed_words(&found);
    let percent = |share: f64| format!("{:+.1} %", 100.0 * (share - 1.0));
    let row = |found: &EqualSpeed| -> Vec<Cell> {
        let times = format!("{} … {}", units::time(found.from_s), units::time(found.to_s));
        let ends = format!("{} … {}", percent(found.least), percent(found.most));
        vec![found.init.to_string().into(), times.into(), number(Some(found.mean), percent), ends.into()]
    };
    let heads = ["init", "time of a product", "energy by the limit", "from … to"];
    let caption = "Energy of a product by the power limit, against that by the clock at equal speed";
    let mut blocks = vec![
        Block::heading(4, format!("{title}, clock or power limit")),
        Block::Facts(vec![("at equal speed", words.as_str().into())]),
    ];
    blocks.push(Block::figure(
        format!("{id}-energy"),
        "Energy of a product by speed. Filled: as the clock sets it; hollow: as the power limit does.",
        move |layout| plot::sweep::both(&by_clock, &by_limit, &title, &words, layout),
    ));
    if !found.is_empty() {
        blocks.push(Block::Table(Table::new(format!("{id}-table"), caption, heads, found.iter().map(row))));
    }
    blocks
}

/// "gaussian: the clock saves 3.1 % more".
fn equal_speed_words(found: &[EqualSpeed]) -> String {
    /// What two knobs differ by less is nothing: meters and temperatures do as much.
    const SAME: f64 = 0.01;
    let words = found.iter().map(|EqualSpeed { init, mean, .. }| match mean - 1.0 {
        more if more.abs() < SAME => format!("{init}: both alike, within {:.0} %", 100.0 * SAME),
        more if more > 0.0 => format!("{init}: the clock saves more, the power limit takes {:.1} % more", 100.0 * more),
        less => format!("{init}: the power limit saves more, it takes {:.1} % less", -100.0 * less),
    });
    let words: Vec<String> = words.collect();
    if words.is_empty() { "n/a: the two sweeps share no range of speeds".into() } else { words.join("; ") }
}

/// One sweep, when it was just measured.
pub fn of_records(records: &[Record]) -> Vec<Block<'_>> {
    one(records.iter().map(|record| (record, None)).collect(), "sweep")
}

/// The unit of a knob's settings.
fn unit(knob: Knob) -> &'static str {
    match knob {
        Knob::Clock => "MHz",
        Knob::PowerLimit => "W",
    }
}

/// One sweep, as its records and where they lie.
fn one<'a>(runs: Vec<(&'a Record, Option<&Path>)>, id: &str) -> Vec<Block<'a>> {
    let Some(&(first, _)) = runs.first() else { return vec![] };
    let sweep = Sweep::of(runs.iter().map(|run| run.0));
    let (knob, reference) = (sweep.knob, first.plan.inits[0]);
    let (name, unit) = (plot::sweep::name(knob), unit(knob));
    let title = format!("{}, {} {name}s", title(first), runs.len());
    let joules = sweep.rows.iter().any(|row| row.energy_j.is_some());
    let what = if joules { "energy" } else { "time" };
    let power = power_words(&sweep, reference);
    let (least, delay) = (least_words(&sweep, &sweep.least_energy), least_words(&sweep, &sweep.least_delay));
    let mut blocks = vec![Block::heading(4, title.as_str())];
    let facts = [("power", power.as_str()), ("least energy", &least), ("least energy × time", &delay)];
    blocks.push(Block::Facts(match joules {
        true => {
            facts.into_iter().skip(usize::from(knob != Knob::Clock)).map(|(name, fact)| (name, fact.into())).collect()
        }
        false => vec![("energy", "n/a: power was not measured".into())],
    }));
    let row = |row: &Row| -> Vec<Cell> {
        let run = runs.iter().find(|run| run.0.plan.setting(knob) == Some(row.setting));
        let setting = format!("{} {unit}", row.setting);
        let setting = match run.and_then(|run| run.1) {
            Some(path) => Span::Link(setting, Target::Run(path.into())),
            None => setting.into(),
        };
        let [ratio, interval] = against(row.init == reference, row.ratio);
        vec![
            Cell { text: setting.into(), ..number(Some(row.setting.into()), units::plain) },
            row.init.to_string().into(),
            number(Some(row.time_s), units::time),
            number(row.power_w, units::power),
            number(row.energy_j, units::energy),
            ratio,
            interval,
            number(row.delay_js(), |delay_js| units::significant(delay_js, "J·s")),
        ]
    };
    let heads = [name, "init", "time", "power", "energy", &format!("{what} ratio"), "95 % interval", "energy × time"];
    let caption = format!("Of a product, by {name} and init; ratios of {what}, against {reference} at the same {name}");
    let table = Table::new(format!("{id}-table"), caption, heads, sweep.rows.iter().map(row));
    if joules {
        let sweep = Arc::new(sweep);
        let (also, same) = (sweep.clone(), title.clone());
        blocks.push(match knob {
            Knob::Clock => Block::figure(
                format!("{id}-power"),
                "Mean power by clock. Filled: what the straight line rests on, which is drawn as far as it holds.",
                move |layout| plot::sweep::power(&sweep, &title, &power, layout),
            ),
            Knob::PowerLimit => Block::figure(
                format!("{id}-time"),
                "Time of a product by power limit. Filled: the least energy × time of each init.",
                move |layout| plot::sweep::time(&sweep, &title, &delay, layout),
            ),
        });
        blocks.push(Block::figure(
            format!("{id}-energy"),
            format!("Energy of a product by {name}. Filled: the least of each init."),
            move |layout| plot::sweep::energy(&also, &same, &least, layout),
        ));
    }
    blocks.push(Block::Table(table));
    blocks
}

/// What the fit says, or why there is none.
pub(crate) fn power_words(sweep: &Sweep, reference: Init) -> String {
    match &sweep.fit {
        Some(fit) => line(fit, reference),
        None => "n/a: it takes three clocks that were held, and power that is straight in them".into(),
    }
}

/// "zeros at 900 MHz; gaussian at 600 MHz, the lowest"
pub fn least_words(sweep: &Sweep, least: &[(Init, u32)]) -> String {
    let settings = || sweep.rows.iter().map(|row| row.setting);
    let least = least.iter().map(|&(init, setting)| {
        let end = match setting {
            setting if Some(setting) == settings().max() => ", the highest",
            setting if Some(setting) == settings().min() => ", the lowest",
            _ => "",
        };
        format!("{init} at {setting} {}{end}", unit(sweep.knob))
    });
    least.collect::<Vec<_>>().join("; ")
}

/// "NVIDIA H100 · f32 10000² · sweep 1a2b3c4d"
fn title(record: &Record) -> String {
    let sweep = record.plan.sweep.as_deref().unwrap_or_default();
    format!("{} · {} · sweep {sweep}", record.adapter.name, lines::product(&record.plan))
}

/// P = P_0 + f · (c_static + c_α), in words.
fn line(fit: &Fit, reference: Init) -> String {
    let watts = |estimate: Estimate, unit: &dyn Fn(f64) -> String| {
        let ends = estimate.low.zip(estimate.high).map(|(low, high)| format!(" ({} … {})", unit(low), unit(high)));
        unit(estimate.estimate) + &ends.unwrap_or_default()
    };
    let per_mhz = |watts: f64| units::significant(1000.0 * watts, "mW");
    let base = fit.w_per_mhz.iter().find(|(init, _)| *init == reference).map(|(_, slope)| slope.estimate);
    let slopes = fit.w_per_mhz.iter().map(|&(init, slope)| {
        let more = base.filter(|_| init != reference).map(|base| slope.estimate - base);
        let more = more.map(|more| format!(", {} more", per_mhz(more))).unwrap_or_default();
        format!("{init} {}{more}", watts(slope, &per_mhz))
    });
    format!(
        "{} whatever the clock, and each MHz: {}; straight from {} to {} MHz",
        watts(fit.static_w, &units::power),
        slopes.collect::<Vec<_>>().join("; "),
        fit.from_mhz,
        fit.to_mhz
    )
}
