//! What the runs say beside their ratios: what a joule does in each type, and what the clock costs.

use super::parts::{Cell, Column, figure, nowrap, number, table};
use super::run::anchor;
use crate::analysis::overview::{Overview, Run};
use crate::analysis::sweep;
use crate::analysis::sweep::Sweep;
use crate::operands::Dtype;
use crate::report::{sweep as painted, types, units};
use maud::{Markup, html};

/// What a joule does in each type.
pub fn types_section(overview: &Overview, simulated: bool) -> Markup {
    use Column::{Text, Unsorted};
    let rows = types::rows(overview, simulated);
    if rows.is_empty() {
        return html! {};
    }
    let id = if simulated { "simulated-types" } else { "measured-types" };
    let columns: Vec<Column> =
        [Text("GPU"), Text("scope")].into_iter().chain(Dtype::ALL.map(|dtype| Unsorted(dtype.name()))).collect();
    let row = |types::Row { gpu, scope, cells }: types::Row| {
        let cells = cells.map(|cell| nowrap(types::cell(cell)));
        [Cell::from(gpu), scope.to_string().into()].into_iter().chain(cells).collect()
    };
    html! {
        section aria-labelledby=(id) {
            h3 id=(id) { (types::TITLE) }
            p { (types::NOTE) }
            (table(&format!("{id}-table"), types::TITLE, &columns, None, rows.into_iter().map(row).collect()))
        }
    }
}

/// What the clock costs.
pub fn sweeps_section(overview: &Overview, simulated: bool) -> Markup {
    let sweeps = overview.sweeps(simulated);
    if sweeps.is_empty() {
        return html! {};
    }
    let id = if simulated { "simulated-sweeps" } else { "measured-sweeps" };
    html! {
        section aria-labelledby=(id) {
            h3 id=(id) { "Sweeps" }
            p { "The same protocol at several locked clocks. Below some clock, the voltage stays what it is, and power is straight in \
                 the clock: what is drawn whatever the clock, and so much for each MHz. Above it, the voltage rises too." }
            @for (number, runs) in sweeps.iter().enumerate() { (sweep_section(runs, &format!("{id}-{number}"))) }
        }
    }
}

fn sweep_section(runs: &[&Run], id: &str) -> Markup {
    use Column::{Text, Unsorted};
    let sweep = Sweep::of(runs.iter().map(|run| &run.record));
    let first = &runs[0].record;
    let reference = first.plan.inits[0];
    let columns = [
        Column::number("clock, MHz"),
        Text("init"),
        Column::number("time a product"),
        Column::number("power, W"),
        Column::number("J a product"),
        Column::number(format!("ratio to {reference}")),
        Unsorted("95 % interval"),
    ];
    let row = |row: &sweep::Row| {
        let run = runs.iter().find(|run| run.record.plan.lock_clock_mhz == Some(row.clock_mhz));
        let clock = html! {
            @if let Some(run) = run { a href={ "#" (anchor(run)) } { (row.clock_mhz) } } @else { (row.clock_mhz) }
        };
        let ratio = row.ratio.map_or_else(String::new, |ratio| units::interval(Some(ratio)));
        let of_ratio = |text: String| Cell { content: html! { (text) }, value: row.ratio.map(|ratio| ratio.estimate) };
        vec![
            Cell { content: clock, value: Some(row.clock_mhz.into()) },
            row.init.to_string().into(),
            number(Some(row.time_s), units::time),
            number(row.power_w, units::plain),
            number(row.energy_j, units::plain),
            of_ratio(row.ratio.map_or_else(String::new, |ratio| units::figure(ratio.estimate))),
            nowrap(ratio),
        ]
    };
    let rows = sweep.rows.iter().map(row).collect();
    let joules = sweep.rows.iter().any(|row| row.energy_j.is_some());
    html! {
        h4 { (painted::title(first)) }
        @if joules {
            p { "Power: " (painted::power_words(&sweep, reference)) ". Least energy: " strong { (painted::least_words(&sweep)) } "." }
            (figure(
                "Mean power by clock. Filled: what the straight line rests on, which is drawn as far as it holds.",
                |layout| painted::power(&sweep, first, layout),
            ))
            (figure(
                "Energy of a product by clock. Filled: the least of each init.",
                |layout| painted::energy(&sweep, first, layout),
            ))
        } @else {
            p { "Energy n/a: power was not measured." }
        }
        (table(&format!("{id}-table"), "By clock and init", &columns, None, rows))
    }
}
