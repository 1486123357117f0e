//! What a joule does in each type and by which units, GPU by GPU.

use crate::analysis::overview::{Overview, Run};
use crate::operands::{Dtype, Init};
use crate::record::{Scope, Units};
use crate::report::lines;
use crate::report::page::{Block, Cell, Table, figures};
use crate::report::units::{or_na, plain};

/// The title, in every format.
pub const TITLE: &str = "GFLOP/J by GPU, type and units";
/// What its cells are.
pub(crate) const NOTE: &str = "On zeros → on Gaussian numbers, or on the reference → on the last init where these two were \
                        not both measured; of i8, GOP/J. Matrix: by matrix units. The newest run of each.";

/// What has a column: every type by the plain units, then the one that matrix units multiply.
pub const COLUMNS: [(Dtype, Units); 5] = [
    (Dtype::F32, Units::Simt),
    (Dtype::F16, Units::Simt),
    (Dtype::F64, Units::Simt),
    (Dtype::I8, Units::Simt),
    (Dtype::F16, Units::Matrix),
];

/// A GPU whose watts are of one scope, and in each of [`COLUMNS`] the efficiency of the reference and of the init.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub gpu: String,
    pub scope: Scope,
    pub cells: [Option<(f64, f64)>; COLUMNS.len()],
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
    let of_type = COLUMNS.map(|(dtype, units)| units.of(dtype));
    let heads = ["GPU", "scope"].into_iter().chain(of_type.iter().map(String::as_str));
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
        let of_run = (run.record.plan.dtype, run.record.plan.units);
        for (cell, _) in row.cells.iter_mut().zip(COLUMNS).filter(|(_, column)| *column == of_run) {
            *cell = cell.or_else(|| efficiencies(run));
        }
    }
    let used = |column: usize| rows.iter().any(|row| row.cells[column].is_some());
    if (0..COLUMNS.len()).filter(|&column| used(column)).count() < 2 {
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
