//! Records that compare: their ratios, their cards, and their watts by what the sensors measure.

use super::parts::{Cell, Column, figure, nowrap, number, table};
use super::run::anchor;
use crate::analysis::fleet::{Card, Fleet};
use crate::analysis::overview::{Comparable, Group, Overview};
use crate::operands::Init;
use crate::record::text::printable;
use crate::record::{Estimate, InitSummary, Ratios, Scope};
use crate::report::view::Line;
use crate::report::{plot, units, view};
use maud::{Markup, html};

/// A group.
pub fn section(overview: &Overview, group: &Group, id: &str) -> Markup {
    let lines = view::lines(overview, group);
    let comparable = &group.comparable;
    let Comparable { reference, init, .. } = comparable;
    let slide = if (*reference, *init) == (Init::Zeros, Init::Gaussian) {
        " “The slide” is the published measurement that this protocol repeats, under “Published elsewhere”."
    } else {
        ""
    };
    let drawn = lines.iter().filter(|line| line.row.energy().is_some()).count();
    let more = view::not_all_drawn(drawn, "highest").map(|more| format!(" {more}")).unwrap_or_default();
    html! {
        section aria-labelledby=(id) {
            h3 id=(id) { (comparable.title()) }
            (figure(
                &format!("How many times the energy of a product of {reference} one of {init} numbers costs.{slide}{more}"),
                |layout| plot::ratios(comparable, &lines, layout),
            ))
            (ratio_table(&lines, comparable, id))
            (fleets(&lines, comparable, id))
            @for scope in view::SCOPES {
                @if lines.iter().any(|line| line.scope() == Some(scope)) { (scope_section(&lines, comparable, scope, id)) }
            }
        }
    }
}

fn ratio_table(lines: &[Line], comparable: &Comparable, id: &str) -> Markup {
    use Column::{Text, Unsorted};
    let Comparable { reference, init, dtype, .. } = comparable;
    let giga = dtype.giga();
    let columns = [
        Text("GPU"),
        Column::number("energy ratio"),
        Unsorted("95 % interval"),
        Column::number("power ratio"),
        Column::number("time ratio"),
        Column::number("ratio above idle"),
        Column::number(format!("{giga}/s")),
        Text("sensor"),
        Text("verdict"),
    ];
    let row = |line: &Line| {
        let ratio = |of: fn(&Ratios) -> Option<Estimate>| number(line.ratio(of), units::figure);
        vec![
            html! { a href={ "#" (target(line, id)) } { (line.name) } }.into(),
            ratio(|ratios| ratios.energy),
            nowrap(line.interval()),
            ratio(|ratios| ratios.power),
            ratio(|ratios| ratios.time),
            ratio(|ratios| ratios.above_idle),
            number(Some(line.row.summaries.1.gflop_per_s), units::plain),
            line.sensor().into(),
            line.verdict().words().into(),
        ]
    };
    let caption = format!("{init} against {reference}, ratios by GPU; {giga}/s of {init}");
    table(&format!("{id}-ratios"), &caption, &columns, Some(1), lines.iter().map(row).collect())
}

/// Where a line's name leads: to its run, or to its cards.
fn target(line: &Line, id: &str) -> String {
    if line.fleet.is_some() { format!("{id}-cards-{}", line.row.run) } else { anchor(line.run) }
}

/// The cards of each model that has several: all of them on a line, and a table each.
fn fleets(lines: &[Line], comparable: &Comparable, id: &str) -> Markup {
    let fleets: Vec<(&Line, &Fleet)> = lines.iter().filter_map(|line| Some((line, line.fleet.as_ref()?))).collect();
    if fleets.is_empty() {
        return html! {};
    }
    html! {
        h4 { "Cards of one model" }
        p { "What stands above for a model with several cards is their median, and the range is that of the cards: how much the like \
             differ, where a 95 % interval says how sure one card's figure is. A card stands out where it is 3.5 times as far from the \
             median as is usual among its like, and by 1 % at least." }
        (figure("The cards' ratios of energy.", |layout| plot::cards(comparable, lines, layout)))
        @for (line, fleet) in fleets {
            details.cards {
                summary { (view::cards(fleet)) }
                div id=(target(line, id)) { (cards_table(fleet, comparable, &target(line, id))) }
            }
        }
    }
}

fn cards_table(fleet: &Fleet, comparable: &Comparable, id: &str) -> Markup {
    use Column::{Text, Unsorted};
    let columns = [
        Text("card"),
        Column::number("energy ratio"),
        Unsorted("95 % interval"),
        Column::number(format!("{}, J a product", comparable.init)),
        Column::number(format!("{}, time a product", comparable.init)),
        Text("verdict"),
        Text("stands out by"),
    ];
    let row = |(number_of, card): (usize, &Card)| {
        let Card { row, run, name, .. } = card;
        vec![
            html! { a href={ "#" (anchor(run)) } { (printable(name)) } }.into(),
            number(row.energy().map(|energy| energy.estimate), units::figure),
            nowrap(units::interval(row.energy())),
            number(row.summaries.1.energy_j, units::plain),
            number(Some(row.summaries.1.time_s), units::time),
            run.record.verdict.words().into(),
            html! { strong { (fleet.stands_out_by(number_of).join(", ")) } }.into(),
        ]
    };
    let rows = fleet.cards.iter().enumerate().map(row).collect();
    table(&format!("{id}-table"), "Cards, by their ratio of energy", &columns, Some(1), rows)
}

/// What depends on what the sensor measures: watts, joules, and what is made of them.
fn scope_section(lines: &[Line], comparable: &Comparable, scope: Scope, id: &str) -> Markup {
    use Column::Text;
    let Comparable { reference, init, dtype, .. } = comparable;
    let giga = dtype.giga();
    let columns = [
        Text("GPU"),
        Column::number("idle, W"),
        Column::number(format!("{reference}, W")),
        Column::number(format!("{init}, W")),
        Column::number(format!("{reference}, J a product")),
        Column::number(format!("{init}, J a product")),
        Column::number(format!("{reference}, {giga}/J")),
        Column::number(format!("{init}, {giga}/J")),
    ];
    let row = |line: &Line| {
        let (base, other) = line.row.summaries;
        let of_both = |figure: fn(&InitSummary) -> Option<f64>| [figure(&base), figure(&other)];
        let plain = |value: Option<f64>| number(value, units::plain);
        let mut cells = vec![
            html! { a href={ "#" (target(line, id)) } { (line.name) } }.into(),
            plain(line.run.record.summary.sensor.idle_w),
        ];
        cells.extend(of_both(|init| init.power_w).map(plain));
        cells.extend(of_both(|init| init.energy_j).map(plain));
        cells.extend(of_both(|init| init.gflop_per_j).map(plain));
        cells
    };
    let rows: Vec<Vec<Cell>> = lines.iter().filter(|line| line.scope() == Some(scope)).map(row).collect();
    let title = view::scope_title(scope);
    let cards = lines.iter().any(|line| line.scope() == Some(scope) && line.fleet.is_some());
    let median = if cards { "; of several cards, those of the one with the median ratio" } else { "" };
    let more = view::not_all_drawn(rows.len(), "first").map(|more| format!(" {more}")).unwrap_or_default();
    html! {
        h4 { "Watts and joules of " (title) }
        (figure(
            &format!("Mean power: idle, on {reference}, and on {init}. Sensors of {title}.{more}"),
            |layout| plot::power(comparable, lines, scope, layout),
        ))
        (figure(
            &format!("Operations a joule, on {reference} and on {init}. Sensors of {title}.{more}"),
            |layout| plot::efficiency(comparable, lines, scope, layout),
        ))
        (table(
            &format!("{id}-{scope}"),
            &format!("Watts and joules of {title}{median}"),
            &columns,
            None,
            rows,
        ))
    }
}
