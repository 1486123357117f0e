//! A run of three inits and more: the watts of each, and what in its numbers they go with.

use crate::analysis::law::{Law, NoLaw, Point};
use crate::analysis::overview::Run;
use crate::operands::{Count, Init};
use crate::record::{Estimate, InitSummary, Record};
use crate::report::page::{Block, Cell, Span, Table, Target, against, code, number, strong, text};
use crate::report::{lines, plot, units};
use std::sync::Arc;

/// So many inits make one.
pub(super) const LEAST: usize = 3;

/// All of measured or of simulated runs.
pub(super) fn section<'a>(runs: &[&'a Run], name: &str) -> Vec<Block<'a>> {
    let atlases: Vec<&&Run> = runs.iter().filter(|run| run.record.plan.inits.len() >= LEAST).collect();
    if atlases.is_empty() {
        return vec![];
    }
    let mut blocks = vec![
        Block::heading(3, "Atlases"),
        Block::Paragraph(text![
            "Runs of three inits and more. With enough inits there is a law: watts by what a multiplier and an adder see of the \
             numbers. Each init is held against the law of all others. ",
            code("wattmul predict sparse:0.7 --on results"),
            " applies it to other numbers.",
        ]),
    ];
    let names = atlases
        .iter()
        .map(|Run { record, .. }| (format!("{} · {}", lines::gpu(record), lines::product(&record.plan)), record));
    for (number, (name_of, Run { path, record })) in lines::distinct_names(names).into_iter().zip(atlases).enumerate() {
        let id = format!("{name}-atlas-{}", number + 1);
        let law = Law::of(record);
        let day = Span::Link(lines::day(record), Target::Run(path.clone()));
        blocks.push(Block::heading(4, name_of));
        blocks.push(Block::Paragraph(text![day, format!(", {}.", record.verdict.words())]));
        blocks.push(Block::Facts(facts(&law).into_iter().map(|(name, words)| (name, words.into())).collect()));
        if let Ok(law) = &law {
            blocks.extend(figures_of(law, record, &id));
        }
        blocks.push(Block::Table(table(record, law.as_ref().ok(), &id)));
        let exchanged = law.is_ok_and(|law| law.order.transposed);
        blocks.extend(counts(record, exchanged, &id).map(Block::Table));
    }
    blocks
}

/// Measured against predicted watts, and what each count costs.
fn figures_of<'a>(law: &Law, record: &'a Record, id: &str) -> [Block<'a>; 2] {
    let law = Arc::new(law.clone());
    let (also, words) = (law.clone(), explained(&law));
    let measured = Block::figure(
        id.to_owned(),
        "Power as measured, by what the law of all other inits says. On the line, both agree; hollow: off the law.",
        move |layout| plot::atlas::measured(&law, &record.adapter.name, &words, layout),
    );
    let example = also.example;
    let costs = Block::figure(
        format!("{id}-costs"),
        format!("What each count costs in a product of {example}, with its 95 % interval."),
        move |layout| plot::atlas::costs(&also, &record.adapter.name, layout),
    );
    [measured, costs]
}

/// Every init of a run with its figures. Without energy, the ratios are those of time.
pub(super) fn table(record: &Record, law: Option<&Law>, id: &str) -> Table {
    let (plan, joules) = (&record.plan, record.summary.sensor.lead.is_some());
    let reference = plan.inits[0];
    let what = if joules { "energy" } else { "time" };
    let row = |&init: &Init| -> Option<Vec<Cell>> {
        let InitSummary { time_s, power_w, energy_j, gflop_per_s, .. } = *record.summary.inits.get(&init)?;
        let ratios = record.summary.ratios.get(&init);
        let ratio = ratios.and_then(|ratios| if joules { ratios.energy } else { ratios.time });
        let point = law.and_then(|law| law.points.iter().find(|point| point.init == init));
        let name = match point {
            Some(Point { off: true, .. }) => Cell::from(strong(init.to_string())),
            _ => init.to_string().into(),
        };
        // Where there is a law, nothing held the clock, and all products took the same time.
        let by_law =
            law.map_or(number(Some(time_s), units::time), |_| number(point.map(|p| p.predicted_w), units::power));
        let head = [name, by_law];
        let measured = match joules {
            true => vec![number(power_w, units::power), number(energy_j, units::energy)],
            false => vec![number(Some(gflop_per_s), units::plain)],
        };
        Some(head.into_iter().chain(measured).chain(against(init == reference, ratio)).collect())
    };
    let (ratio, speed) = (format!("{what} ratio"), format!("{}/s", plan.dtype.giga()));
    let measured = if joules { vec!["power", "energy"] } else { vec![speed.as_str()] };
    let heads = ["init", if law.is_some() { "by the law" } else { "time" }].into_iter().chain(measured);
    let heads = heads.chain([ratio.as_str(), "95 % interval"]);
    let by_law = if law.is_some() { "; power by the law of all other inits" } else { "" };
    let caption = format!("{} inits; ratios of {what}, against {reference}{by_law}", plan.inits.len());
    Table::new(format!("{id}-inits"), caption, heads, plan.inits.iter().filter_map(row))
}

/// What was counted, where something was.
fn counts(record: &Record, exchanged: bool, id: &str) -> Option<Table> {
    let row = |&init: &Init| -> Option<Vec<Cell>> {
        let inputs = record.inputs.get(&init)?;
        let activity = if exchanged { inputs.activity_exchanged } else { inputs.activity }?;
        let cell = |count| number(Some(activity.of_count(count).mean), |mean| format!("{mean:.2}"));
        Some([Cell::from(init.to_string())].into_iter().chain(Count::ALL.map(cell)).collect())
    };
    let rows: Vec<Vec<Cell>> = record.plan.inits.iter().filter_map(row).collect();
    let caption = "What multipliers and adders see, a multiply-add, in the order of the law";
    let heads = ["init"].into_iter().chain(Count::ALL.map(Count::name));
    (!rows.is_empty()).then(|| Table::new(format!("{id}-counts"), caption, heads, rows))
}

/// The law by name, or why there is none.
pub(super) fn facts(law: &Result<Law, NoLaw>) -> Vec<(&'static str, String)> {
    match law {
        Ok(law) => {
            let mut facts = vec![("law", explained(law)), (COSTS, costs(law))];
            facts.extend(order(law).map(|words| ("order", words)));
            facts.extend(off(law).map(|words| ("off the law", words)));
            facts
        }
        Err(why) => vec![("law", format!("none: {why}"))],
    }
}

const COSTS: &str = "costs";

/// "predicts an init from the 19 others: 98 % of the variance, off by 2.310 W (root mean square)"
pub fn explained(law: &Law) -> String {
    let share = match law.explained {
        Some(share) if share > 0.0 => format!("{:.0} % of the variance", 100.0 * share),
        Some(_) => "nothing of the variance".into(),
        None => "there is no variance".into(),
    };
    let off = units::power(law.error_w);
    format!("predicts an init from the {} others: {share}, off by {off} (root mean square)", law.points.len() - 1)
}

/// "rows and columns exchanged by the compiler; by the shader's order the law would explain 69 %". None where only one was counted.
fn order(law: &Law) -> Option<String> {
    let otherwise = law.explained_otherwise.map(|share| format!("{:.0} %", 100.0 * share.max(0.0)))?;
    Some(if law.order.transposed {
        format!("rows and columns exchanged by the compiler; in the shader's order the law would explain {otherwise}")
    } else {
        format!("as in the shader; with rows and columns exchanged the law would explain {otherwise}")
    })
}

/// "82.00 W whatever the numbers (80.00 W … 84.00 W); of gaussian: ones of the operands 23.00 W (…); …"
fn costs(law: &Law) -> String {
    let each = law.counts.iter().zip(&law.costs_w).map(|(count, cost)| format!("{} {}", count.name(), watts(*cost)));
    let each = each.collect::<Vec<_>>().join("; ");
    format!("{} whatever the numbers; in {}: {each}", watts(law.offset_w), law.example)
}

/// "ramp (measured 301.2 W, by the law 280.1 W), …"
fn off(law: &Law) -> Option<String> {
    let point = |Point { init, power_w, predicted_w, .. }: &Point| {
        format!("{init} (measured {}, by the law {})", units::power(*power_w), units::power(*predicted_w))
    };
    let off: Vec<String> = law.points.iter().filter(|point| point.off).map(point).collect();
    (!off.is_empty()).then(|| off.join(", "))
}

/// "23.10 W (20.00 W … 26.20 W)"
pub(super) fn watts(watts: Estimate) -> String {
    let power = |watts: f64| if watts == 0.0 { "0 W".into() } else { units::power(watts) };
    let interval = watts.low.zip(watts.high).map(|(low, high)| format!(" ({} … {})", power(low), power(high)));
    power(watts.estimate) + &interval.unwrap_or_default()
}
