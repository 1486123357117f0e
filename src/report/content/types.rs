//! What a joule does in each type, GPU by GPU.

use crate::analysis::overview::{Overview, Run};
use crate::operands::{Dtype, Init};
use crate::record::Scope;
use crate::report::lines;
use crate::report::page::{Block, Cell, Table, figures};
use crate::report::units::{or_na, plain};

/// The title, in every format.
pub const TITLE: &str = "GFLOP/J by GPU and type";
/// What its cells are.
pub(crate) const NOTE: &str = "On zeros → on Gaussian numbers, or on the reference → on the last init where these two were \
                        not both measured; of i8, GOP/J. The newest run of each GPU and type.";

/// A GPU whose watts are of one scope, and in each of [`Dtype::ALL`] the efficiency of the reference and of the init.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub gpu: String,
    pub scope: Scope,
    pub cells: [Option<(f64, f64)>; Dtype::ALL.len()],
}

/// The table, where there is one.
pub(super) fn section<'a>(overview: &Overview, simulated: bool) -> Vec<Block<'a>> {
    let rows = rows(overview, simulated);
    if rows.is_empty() {
        return vec![];
    }
    let row = |Row { gpu, scope, cells }| {
        let head = [Cell::from(gpu), scope.to_string().into()];
        head.into_iter().chain(cells.map(|both| figures(cell(both)))).collect()
    };
    let id = if simulated { "simulated-types" } else { "measured-types" };
    let heads = ["GPU", "scope"].into_iter().chain(Dtype::ALL.map(Dtype::name));
    vec![Block::heading(3, TITLE), Block::Table(Table::new(id, NOTE, heads, rows.into_iter().map(row)))]
}

/// "82.37 → 55.71"
pub fn cell(cell: Option<(f64, f64)>) -> String {
    or_na(cell.map(|(reference, init)| format!("{} → {}", plain(reference), plain(init))))
}

/// Measured GPUs, or simulated ones, by name. Nothing where they have but one type among them.
pub fn rows(overview: &Overview, simulated: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = vec![];
    // The newest stands first.
    for run in overview.runs.iter().filter(|run| run.record.truth.is_some() == simulated) {
        // A sweep turns the clock, and has a table of its own.
        if run.record.plan.sweep.is_some() {
            continue;
        }
        let Some(scope) = run.record.scope() else { continue };
        let gpu = lines::gpu(&run.record);
        let row = match rows.iter().position(|row| row.gpu == gpu && row.scope == scope) {
            Some(known) => &mut rows[known],
            None => {
                rows.push(Row { gpu, scope, cells: Default::default() });
                let last = rows.len() - 1;
                &mut rows[last]
            }
        };
        for (cell, _) in row.cells.iter_mut().zip(Dtype::ALL).filter(|(_, dtype)| *dtype == run.record.plan.dtype) {
            *cell = cell.or_else(|| efficiencies(run));
        }
    }
    let used = |dtype: usize| rows.iter().any(|row| row.cells[dtype].is_some());
    if (0..Dtype::ALL.len()).filter(|&dtype| used(dtype)).count() < 2 {
        return vec![];
    }
    rows.sort_by(|a, b| a.gpu.cmp(&b.gpu).then_with(|| a.scope.to_string().cmp(&b.scope.to_string())));
    rows
}

fn efficiencies(run: &Run) -> Option<(f64, f64)> {
    let inits = &run.record.plan.inits;
    let of = |init: &Init| run.record.summary.inits.get(init)?.gflop_per_j;
    let usual = of(&Init::Zeros).zip(of(&Init::Gaussian));
    usual.or_else(|| of(inits.first()?).zip(of(inits.last()?)))
}
