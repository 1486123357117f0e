//! A sweep: what power and energy do with the clock.

use crate::analysis::overview::{Overview, Run};
use crate::analysis::sweep::{Fit, Row, Sweep};
use crate::operands::Init;
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
            "The same protocol at several locked clocks. Below some clock, the voltage stays what it is, and power \
             is straight in the clock: what is drawn whatever the clock, and so much for each MHz. Above it, the \
             voltage rises too.",
        ),
    ];
    for (number, runs) in sweeps.into_iter().enumerate() {
        let runs = runs.into_iter().map(|Run { path, record }| (record, Some(path.as_path()))).collect();
        blocks.extend(one(runs, &format!("{name}-sweep-{}", number + 1)));
    }
    blocks
}

/// One sweep, when it was just measured.
pub fn of_records(records: &[Record]) -> Vec<Block<'_>> {
    one(records.iter().map(|record| (record, None)).collect(), "sweep")
}

/// One sweep, as its records and where they lie.
fn one<'a>(runs: Vec<(&'a Record, Option<&Path>)>, id: &str) -> Vec<Block<'a>> {
    let Some(&(first, _)) = runs.first() else { return vec![] };
    let sweep = Sweep::of(runs.iter().map(|run| run.0));
    let reference = first.plan.inits[0];
    let title = format!("{}, {} clocks", title(first), runs.len());
    let joules = sweep.rows.iter().any(|row| row.energy_j.is_some());
    let what = if joules { "energy" } else { "time" };
    let (power, least) = (power_words(&sweep, reference), least_words(&sweep));
    let mut blocks = vec![Block::heading(4, title.as_str())];
    blocks.push(Block::Facts(match joules {
        true => vec![("power", power.as_str().into()), ("least energy", least.as_str().into())],
        false => vec![("energy", "n/a: power was not measured".into())],
    }));
    let row = |row: &Row| -> Vec<Cell> {
        let run = runs.iter().find(|run| run.0.plan.lock_clock_mhz == Some(row.clock_mhz));
        let clock = format!("{} MHz", row.clock_mhz);
        let clock = match run.and_then(|run| run.1) {
            Some(path) => Span::Link(clock, Target::Run(path.into())),
            None => clock.into(),
        };
        let [ratio, interval] = against(row.init == reference, row.ratio);
        vec![
            Cell { text: clock.into(), ..number(Some(row.clock_mhz.into()), units::plain) },
            row.init.to_string().into(),
            number(Some(row.time_s), units::time),
            number(row.power_w, units::power),
            number(row.energy_j, units::energy),
            ratio,
            interval,
        ]
    };
    let heads = ["clock", "init", "time", "power", "energy", &format!("{what} ratio"), "95 % interval"];
    let caption = format!("Of a product, by clock and init; ratios of {what}, against {reference} at the same clock");
    let table = Table::new(format!("{id}-table"), caption, heads, sweep.rows.iter().map(row));
    if joules {
        let sweep = Arc::new(sweep);
        let (also, same) = (sweep.clone(), title.clone());
        blocks.push(Block::figure(
            format!("{id}-power"),
            "Mean power by clock. Filled: what the straight line rests on, which is drawn as far as it holds.",
            move |layout| plot::sweep::power(&sweep, &title, &power, layout),
        ));
        blocks.push(Block::figure(
            format!("{id}-energy"),
            "Energy of a product by clock. Filled: the least of each init.",
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
pub fn least_words(sweep: &Sweep) -> String {
    let clocks = || sweep.rows.iter().map(|row| row.clock_mhz);
    let least = sweep.least_energy.iter().map(|&(init, mhz)| {
        let end = match mhz {
            mhz if Some(mhz) == clocks().max() => ", the highest",
            mhz if Some(mhz) == clocks().min() => ", the lowest",
            _ => "",
        };
        format!("{init} at {mhz} MHz{end}")
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
