//! A run of three inits and more: the watts of each, by the bits that flip in it.

use crate::analysis::bit_power;
use crate::analysis::overview::Run;
use crate::operands::{Bits, Init};
use crate::record::{Flag, InitSummary, Record};
use crate::report::page::{Block, Cell, Span, Table, Target, against, number, text};
use crate::report::{lines, plot, units};

/// So many inits make one: through two there is always a line.
pub(super) const LEAST: usize = 3;

/// All of measured or of simulated runs.
pub(super) fn section<'a>(runs: &[&'a Run], name: &str) -> Vec<Block<'a>> {
    let atlases: Vec<&&Run> = runs.iter().filter(|run| run.record.plan.inits.len() >= LEAST).collect();
    if atlases.is_empty() {
        return vec![];
    }
    let mut blocks = vec![
        Block::heading(3, "Atlases"),
        Block::paragraph("Runs of three inits and more, by the bits that flip in a multiplication."),
    ];
    let names = atlases
        .iter()
        .map(|Run { record, .. }| (format!("{} · {}", lines::gpu(record), lines::product(&record.plan)), record));
    for (number, (name_of, Run { path, record })) in lines::distinct_names(names).into_iter().zip(atlases).enumerate() {
        let id = format!("{name}-atlas-{}", number + 1);
        let words = sentence(record);
        let day = Span::Link(lines::day(record), Target::Run(path.clone()));
        blocks.push(Block::heading(4, name_of));
        blocks.push(Block::Paragraph(text![day, format!(", {}. {words}", record.verdict.words())]));
        blocks.push(Block::figure(
            id.clone(),
            "Mean power by bit flips, and the straight line through all inits.",
            move |layout| plot::atlas::plot(record, &words, layout),
        ));
        blocks.push(Block::Table(table(record, &id)));
    }
    blocks
}

/// Every init of a run with its figures. Without energy, the ratios are those of time.
pub(super) fn table(record: &Record, id: &str) -> Table {
    let (plan, joules) = (&record.plan, record.summary.sensor.lead.is_some());
    let reference = plan.inits[0];
    let what = if joules { "energy" } else { "time" };
    let row = |&init: &Init| -> Option<Vec<Cell>> {
        let InitSummary { time_s, power_w, energy_j, gflop_per_s, .. } = *record.summary.inits.get(&init)?;
        let ratios = record.summary.ratios.get(&init);
        let ratio = ratios.and_then(|ratios| if joules { ratios.energy } else { ratios.time });
        let activity = record.inputs.get(&init).and_then(|inputs| inputs.activity);
        let bit_flips = |bits| number(activity.map(|activity| activity.bit_flips(bits)), |bits| format!("{bits:.2}"));
        let measured = match joules {
            true => vec![number(power_w, units::power), number(energy_j, units::energy)],
            false => vec![number(Some(gflop_per_s), units::plain)],
        };
        let head = [init.to_string().into(), number(Some(time_s), units::time)];
        let tail = [bit_flips(Bits::Operands), bit_flips(Bits::Products)];
        Some(head.into_iter().chain(measured).chain(against(init == reference, ratio)).chain(tail).collect())
    };
    let (ratio, speed) = (format!("{what} ratio"), format!("{}/s", plan.dtype.giga()));
    let measured = if joules { vec!["power", "energy"] } else { vec![speed.as_str()] };
    let tail = [&ratio, "95 % interval", "bit flips, operands", "bit flips, products"];
    let heads = ["init", "time"].into_iter().chain(measured).chain(tail);
    let caption = format!("{} inits; ratios of {what}, against {reference}", plan.inits.len());
    Table::new(format!("{id}-inits"), caption, heads, plan.inits.iter().filter_map(row))
}

/// What the line says: "2.1 W a bit flip of the operands (2.0 W … 2.2 W), 180 W without; that is 99 % of the
/// differences".
pub fn line(record: &Record) -> Option<String> {
    let (bits, line) = bit_power::fit(record)?;
    let interval = line.slope.low.zip(line.slope.high);
    let interval = interval.map(|(low, high)| format!(" ({} … {})", units::power(low), units::power(high)));
    Some(format!(
        "{} a bit flip of the {bits}{}, {} without; that is {:.0} % of the differences",
        units::power(line.slope.estimate),
        interval.unwrap_or_default(),
        units::power(line.intercept.estimate),
        100.0 * line.explained
    ))
}

/// The line in a sentence, or why there is none.
pub fn sentence(record: &Record) -> String {
    match line(record) {
        Some(line) => format!("{line}. In parentheses: the 95 % interval."),
        None if record.verdict.flags.contains(&Flag::PowerCapped) => {
            "No line: the power limit held the clock, and there watts do not grow with the bits; time does.".into()
        }
        None if record.summary.sensor.lead.is_none() => "No line: power was not measured.".into(),
        None => "No line: it takes three inits whose bits were counted.".into(),
    }
}
