//! A record against another, or against many.

use crate::analysis::compare;
use crate::analysis::compare::{Comparison, Conclusion, Outcome, Quantity};
use crate::analysis::overview::Run;
use crate::record::{Estimate, Ratios, Record};
use crate::report::page::{Block, Cell, Table, Text, code, estimated, figures, number, strong, text};
use crate::report::{lines, units};

/// Two records side by side, or why they do not compare.
pub fn comparison<'a>(a: &Run, b: &Run, outcome: &Outcome) -> Vec<Block<'a>> {
    let comparisons = match outcome {
        Ok(comparisons) => comparisons,
        Err(why) => {
            let refusal = |why: &String| Block::paragraph(format!("they do not compare: {why}"));
            return why.iter().map(refusal).collect();
        }
    };
    let facts = [("A", a), ("B", b)].into_iter().flat_map(|(name, Run { path, record })| {
        let sensor = record.source.as_ref().map(|source| format!(" · {} · {}", source.api, source.scope));
        let words = format!("{}{} · {}", lines::gpu(record), sensor.unwrap_or_default(), record.verdict.words());
        [(name, words.into()), ("", text![code(path.display().to_string())])]
    });
    let mut blocks = vec![Block::Facts(facts.collect())];
    blocks.extend(comparisons.iter().flat_map(|comparison| one(comparison, &a.record)));
    let cautions: Vec<Text> = compare::cautions(&a.record, &b.record).into_iter().map(Text::from).collect();
    if !cautions.is_empty() {
        blocks.push(Block::paragraph("Mind:"));
        blocks.push(Block::List(cautions));
    }
    blocks
}

fn one<'a>(comparison: &Comparison, record: &Record) -> [Block<'a>; 2] {
    let Comparison { reference, init, quantity, a, b, difference, conclusion, combined } = comparison;
    let row = |name: &str, of: fn(&Ratios) -> Option<Estimate>| -> Vec<Cell> {
        [name.into()].into_iter().chain([of(a), of(b)].into_iter().flat_map(estimated)).collect()
    };
    let rows = [
        row("energy", |ratios| ratios.energy),
        row("power", |ratios| ratios.power),
        row("time", |ratios| ratios.time),
        row("above idle", |ratios| ratios.above_idle),
    ];
    let sure = match (difference.low, difference.high) {
        (Some(low), Some(high)) => {
            let sensors = if *combined { ", the sensors' offsets counted" } else { "" };
            format!("95 % interval {low:+.3} … {high:+.3}{sensors}")
        }
        _ => "no interval: too few rounds".into(),
    };
    let margin = compare::SAME_SHARE * 100.0;
    let why = match conclusion {
        Conclusion::Same => format!("whatever the difference is, it is under {margin} % of the ratio"),
        Conclusion::AHigher | Conclusion::BHigher => {
            format!("0 is outside of the interval; the data costs that one more {quantity}")
        }
        Conclusion::CannotTell => {
            format!("the interval holds 0 and more than {margin} %; more --rounds make it narrower")
        }
    };
    [
        Block::Table(Table::new(
            init.to_string(),
            format!("{init} against {reference} · {}", lines::product(&record.plan)),
            ["ratio of", "A", "95 % interval", "B", "95 % interval"],
            rows,
        )),
        Block::Paragraph(text![
            format!("difference of the {quantity} ratios, A − B: {:+.3}, {sure}. ", difference.estimate),
            strong(conclusion.to_string().to_uppercase()),
            format!(": {why}")
        ]),
    ]
}

/// One record against many: a row each that compares, a line each that does not.
pub fn comparisons<'a>(a: &Run, others: &[(&Run, Outcome)]) -> Vec<Block<'a>> {
    let names = lines::distinct_names(others.iter().map(|(b, _)| (lines::gpu(&b.record), &b.record)));
    let (mut rows, mut refused) = (vec![], vec![]);
    for ((Run { path, .. }, outcome), name) in others.iter().zip(names) {
        if let Err(why) = outcome {
            refused.push(text![code(path.display().to_string()), format!(": does not compare: {}", why.join("; "))]);
        }
        for Comparison { init, quantity, a, b, difference, conclusion, .. } in outcome.iter().flatten() {
            let [a, b] = [a, b].map(|ratios| match quantity {
                Quantity::Energy => number(ratios.energy.map(|ratio| ratio.estimate), units::figure),
                Quantity::Time => number(ratios.time.map(|ratio| ratio.estimate), |time| format!("{time:.3} (time)")),
            });
            let sure = difference.low.zip(difference.high);
            rows.push(vec![
                Cell::from(name.clone()),
                init.to_string().into(),
                a,
                b,
                number(Some(difference.estimate), |value| format!("{value:+.3}")),
                conclusion.to_string().into(),
                figures(units::or_na(sure.map(|(low, high)| format!("{low:+.3} … {high:+.3}")))),
            ]);
        }
    }
    let path = a.path.display().to_string();
    let mut blocks = vec![Block::Facts(vec![("A", lines::gpu(&a.record).into()), ("", text![code(path)])])];
    if !rows.is_empty() {
        let heads = ["B", "init", "A", "B", "A − B", "conclusion", "95 % interval"];
        let caption = "Ratios of energy in A and in B, and their difference";
        blocks.push(Block::Table(Table::new("compared", caption, heads, rows)));
    }
    if !refused.is_empty() {
        blocks.push(Block::List(refused));
    }
    blocks
}
