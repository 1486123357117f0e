//! What other numbers would cost a card.

use super::atlas;
use crate::analysis::law::Law;
use crate::analysis::predict::Prediction;
use crate::operands::Init;
use crate::record::{Estimate, Record};
use crate::report::page::{Block, Cell, Table, Text, code, figures, number, text};
use crate::report::{lines, units};
use std::path::Path;

/// Predictions by the law of one record, an init after the other.
pub fn by_law<'a>(record: &Record, law: &Law, predictions: &[(Init, Option<Prediction>)]) -> Vec<Block<'a>> {
    let simulated = if record.truth.is_some() { " · simulated" } else { "" };
    let kernel = format!("{} · {}", record.kernel.variant, lines::day(record));
    let mut blocks = vec![
        Block::heading(3, format!("{} · {}{simulated}", lines::gpu(record), lines::product(&record.plan))),
        Block::Facts(vec![("kernel", kernel.into()), ("law", atlas::explained(law).into())]),
    ];
    blocks.extend(predictions.iter().map(|(init, prediction)| match prediction {
        Some(prediction) => Block::Table(table(*init, prediction)),
        None => Block::paragraph(format!("{init}: the record has no time of a product.")),
    }));
    blocks
}

fn table(init: Init, prediction: &Prediction) -> Table {
    let row = |name: String, estimate: Estimate, unit: &dyn Fn(f64) -> String| -> Vec<Cell> {
        let interval = estimate.low.zip(estimate.high).map(|(low, high)| format!("{} … {}", unit(low), unit(high)));
        vec![name.into(), number(Some(estimate.estimate), unit), figures(units::or_na(interval))]
    };
    let mut rows = vec![
        row("power".into(), prediction.power_w, &units::power),
        row("energy of a product".into(), prediction.energy_j, &units::energy),
    ];
    rows.extend(prediction.ratios.iter().map(|&(of, ratio)| row(format!("energy ÷ {of}"), ratio, &units::figure)));
    Table::new("prediction", init.to_string(), ["", "by the law", "95 % interval"], rows)
}

/// Why records say nothing of the operands.
pub fn refused<'a>(records: &[(&Path, String)]) -> Vec<Block<'a>> {
    let line = |(path, why): &(&Path, String)| text![code(path.display().to_string()), format!(" {why}.")];
    let lines: Vec<Text> = records.iter().map(line).collect();
    if lines.is_empty() { vec![] } else { vec![Block::paragraph("No prediction:"), Block::List(lines)] }
}
