//! One page that holds everything: no network, no script but its own, readable by eye, ear and keyboard, on paper light or dark.
//!
//! maud escapes whatever is written into it; what goes in raw are the drawings, which escape by themselves, and the page's
//! own style and script, which the page's policy allows by their digests and nothing else.

use super::canvas::{Plot, dark_style};
use super::plot::{self, Layout};
use super::published::{self, Published};
use super::units::{self, or_na};
use super::view::{self, Line};
use super::{atlas, sweep as painted, types};
use crate::activity::Bits;
use crate::dtype::Dtype;
use crate::fleet::{Card, Fleet};
use crate::folder;
use crate::inputs::Init;
use crate::overview::{Comparable, Group, LeftOut, Overview, Run};
use crate::power::{Limiter, Scope};
use crate::protocol::Idle;
use crate::record::{InitSummary, Ratios, Record, WindowRecord};
use crate::stats::Estimate;
use crate::sweep::{self, Sweep};
use crate::text::{counted, printable};
use crate::validity::{Reason, Status};
use crate::year::{self, GridIntensity};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::io::{self, Write};

const SCRIPT: &str = include_str!("page.js");
const TITLE: &str = "What a matrix product costs, by the numbers in it";
/// So many files that are no good are named.
const MOST_PROBLEMS: usize = 50;
/// So many runs are read and drawn at once.
const CHUNK: usize = 64;

/// Writes the page. Each run's trace is read again from its file when its turn comes.
///
/// # Errors
/// Only those of `out`.
pub fn write(overview: &Overview, out: &mut dyn Write) -> io::Result<()> {
    let mut put = |text: &str| out.write_all(text.as_bytes());
    put(&head())?;
    put(&introduction(overview).into_string())?;
    if !overview.measured.is_empty() {
        put(&html! { h2 id="measured" { "Measured" } }.into_string())?;
        for (number, group) in overview.measured.iter().enumerate() {
            put(&section(overview, group, &format!("measured-{number}")).into_string())?;
        }
        put(&types_section(overview, false).into_string())?;
        put(&sweeps_section(overview, false).into_string())?;
    }
    put(&reading().into_string())?;
    put(&published_section().into_string())?;
    if !overview.simulated.is_empty() {
        let warning = html! {
            h2 id="simulated" { "Simulated" }
            p.warning { strong { "No GPU was measured here. " }
                "These runs were made by models of boards in virtual time. They show what a run looks like and how well the \
                 protocol finds a truth that is known; they say nothing about any real GPU." }
        };
        put(&warning.into_string())?;
        for (number, group) in overview.simulated.iter().enumerate() {
            put(&section(overview, group, &format!("simulated-{number}")).into_string())?;
        }
        put(&types_section(overview, true).into_string())?;
        put(&sweeps_section(overview, true).into_string())?;
    }
    put(&not_shown(overview).into_string())?;
    if !overview.runs.is_empty() {
        put(
            "<h2 id=\"runs\">Runs</h2>\n<p>Each run with what it ran on, the course of its power, its windows, and why it is \
             judged as it is.</p>\n<div class=\"runs\">\n",
        )?;
        for runs in overview.runs.chunks(CHUNK) {
            let sections: Vec<String> =
                runs.par_iter().map(|run| run_section(run, overview.grid).into_string()).collect();
            sections.iter().try_for_each(|section| put(section))?;
        }
        put("</div>\n")?;
    }
    put(&foot())
}

fn digest(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn head() -> String {
    let style = include_str!("page.css").to_owned() + &dark_style();
    // The icon is the page's own: without one, browsers ask the server for it.
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        digest(&style),
        digest(SCRIPT)
    );
    let head = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                meta name="generator" content=(concat!("wattmul ", env!("CARGO_PKG_VERSION")));
                title { (TITLE) " · wattmul" }
                link rel="icon" href="data:,";
                style { (PreEscaped(style)) }
            }
            body {}
        }
    };
    let head = head.into_string();
    head.strip_suffix("</body></html>").unwrap_or(&head).to_owned() + "\n"
}

fn foot() -> String {
    let foot = html! {
        footer {
            "Made by wattmul " (env!("CARGO_PKG_VERSION")) " from the records of runs. This page fetches nothing and sends nothing."
        }
        script { (PreEscaped(SCRIPT)) }
    };
    format!("</main>\n{}\n</body></html>\n", foot.into_string())
}

/// What it is about, and how to read it.
fn introduction(overview: &Overview) -> Markup {
    let ratios: Vec<f64> =
        overview.measured.iter().flat_map(|group| &group.rows).filter_map(|row| Some(row.energy()?.estimate)).collect();
    let lowest = ratios.iter().copied().min_by(f64::total_cmp);
    let highest = ratios.iter().copied().max_by(f64::total_cmp);
    html! {
        a.skip href="#content" { "Skip to the results" }
        header {
            h1 { (TITLE) }
            p.lead {
                "Multiply two matrices of zeros, then two of Gaussian numbers: the same code, the same count of operations, and yet \
                 not the same energy. Which transistors switch depends on the data, and each switch costs."
            }
            @if let (Some(lowest), Some(highest)) = (lowest, highest) {
                p.lead {
                    "In " strong { (counted(ratios.len(), "comparison")) } " with measured energy, the ratio is "
                    @if ratios.len() == 1 { strong { (units::figure(lowest)) } }
                    @else { "between " strong { (units::figure(lowest)) " and " (units::figure(highest)) } }
                    "."
                }
            } @else if !overview.measured.is_empty() {
                p.lead { "None of the runs below measured energy: they have times alone." }
            } @else {
                p.lead { "No GPU has been measured yet." }
            }
        }
        nav aria-label="On this page" {
            ul {
                @if !overview.measured.is_empty() { li { a href="#measured" { "Measured" } } }
                li { a href="#reading" { "How to read it" } }
                li { a href="#published" { "Published elsewhere" } }
                @if !overview.simulated.is_empty() { li { a href="#simulated" { "Simulated" } } }
                @if !overview.runs.is_empty() { li { a href="#runs" { "Runs" } } }
            }
        }
        (PreEscaped("<main id=\"content\" tabindex=\"-1\">"))
    }
}

fn reading() -> Markup {
    html! {
        h2 id="reading" { "How to read it" }
        p {
            "The " strong { "ratio" } " says how many times the energy of a product of zeros a product of the other numbers costs on \
             the same GPU, by the same kernel. 1 means that the data does not matter. Energy is mean power times the time of a \
             product, both from the same windows of back-to-back work, so that a GPU whose clock gives way at its power limit \
             pays in time what it does not pay in watts."
        }
        p {
            "The " strong { "95 % interval" } " comes from the scatter of the rounds of one run, in which the inits take turns in an \
             order that flips: in 95 of 100 runs it holds what the sensor would show in rounds without end. A sensor's gain cancels in a ratio; its \
             offset does not, and nobody without a meter can take it out. Watts of different sensors carry some ±10 %, and watts of \
             a whole board and of a chip alone are different things: they are never shown on one scale."
        }
        p {
            "The " strong { "verdict" } " says whether to believe a run. " em { "Valid" } ": all checks hold. "
            em { "Power-capped" } ": the power limit slowed the clock. " em { "Unverified-sensor" } ": energy was measured, but the sensor failed a \
             cross-check. " em { "Timing-only" } ": no sensor, so no energy (n/a). Every reason stands with its run."
        }
    }
}

/// The same plot for wide and for narrow windows, of which one is shown.
fn figure(caption: &str, make: impl Fn(Layout) -> Option<Plot>) -> Markup {
    let [Some(wide), Some(narrow)] = Layout::BOTH.map(make) else { return html! {} };
    html! {
        figure {
            figcaption { (caption) }
            div.wide { (PreEscaped(wide.inline())) }
            div.narrow { (PreEscaped(narrow.inline())) }
        }
    }
}

/// One cell: its text, and the figure to sort by.
struct Cell {
    content: Markup,
    value: Option<f64>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell { content: html! { (printable(&text)) }, value: None }
    }
}

fn number(value: Option<f64>, text: impl Fn(f64) -> String) -> Cell {
    Cell { content: html! { (or_na(value.map(text))) }, value }
}

/// A column's heading, and how it is written and sorted.
enum Column {
    Number(String),
    Text(&'static str),
    /// Text whose order means nothing, such as figures in different units.
    Unsorted(&'static str),
}

impl Column {
    fn number(title: impl Into<String>) -> Self {
        Column::Number(title.into())
    }
}

/// A table in a box of its own that scrolls sideways where it is too wide. The first cell of a row is its heading.
fn table(id: &str, caption: &str, columns: &[Column], sorted: Option<usize>, rows: Vec<Vec<Cell>>) -> Markup {
    let caption_id = format!("{id}-caption");
    let class = |column: usize| match columns.get(column) {
        Some(Column::Number(_)) => "number",
        _ => "text",
    };
    html! {
        div.scroll role="region" tabindex="0" aria-labelledby=(caption_id) {
            table.sortable {
                caption id=(caption_id) { span { (caption) } }
                thead { tr {
                    @for (i, column) in columns.iter().enumerate() {
                        @let (sort, title): (Option<&str>, &str) = match column {
                            Column::Number(title) => (Some("number"), title),
                            Column::Text(title) => (Some("text"), title),
                            Column::Unsorted(title) => (None, title),
                        };
                        th scope="col" class=(class(i)) data-sort=[sort] aria-sort=[(sorted == Some(i)).then_some("descending")] { (title) }
                    }
                } }
                tbody {
                    @for row in rows { tr {
                        @for (i, cell) in row.into_iter().enumerate() {
                            @if i == 0 { th scope="row" data-value=[cell.value] { (cell.content) } }
                            @else { td class=(class(i)) data-value=[cell.value] { (cell.content) } }
                        }
                    } }
                }
            }
        }
    }
}

fn section(overview: &Overview, group: &Group, id: &str) -> Markup {
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
            Cell { content: html! { a href={ "#" (target(line, id)) } { (line.name) } }, value: None },
            ratio(|ratios| ratios.energy),
            Cell { content: html! { span.nowrap { (line.interval()) } }, value: None },
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
            Cell { content: html! { a href={ "#" (anchor(run)) } { (printable(name)) } }, value: None },
            number(row.energy().map(|energy| energy.estimate), units::figure),
            Cell { content: html! { span.nowrap { (units::interval(row.energy())) } }, value: None },
            number(row.summaries.1.energy_j, units::plain),
            number(Some(row.summaries.1.time_s), units::time),
            run.record.verdict.words().into(),
            Cell { content: html! { strong { (fleet.stands_out_by(number_of).join(", ")) } }, value: None },
        ]
    };
    let rows = fleet.cards.iter().enumerate().map(row).collect();
    table(&format!("{id}-table"), "Cards, by their ratio of energy", &columns, Some(1), rows)
}

/// The part of an RFC 3339 time that is the day.
fn day(record: &Record) -> String {
    printable(&record.run.started).chars().take(10).collect()
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
            Cell { content: html! { a href={ "#" (target(line, id)) } { (line.name) } }, value: None },
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

/// What a joule does in each type.
fn types_section(overview: &Overview, simulated: bool) -> Markup {
    use Column::{Text, Unsorted};
    let rows = types::rows(overview, simulated);
    if rows.is_empty() {
        return html! {};
    }
    let id = if simulated { "simulated-types" } else { "measured-types" };
    let columns: Vec<Column> =
        [Text("GPU"), Text("scope")].into_iter().chain(Dtype::ALL.map(|dtype| Unsorted(dtype.name()))).collect();
    let row = |types::Row { gpu, scope, cells }: types::Row| {
        let nowrap = |text: String| Cell { content: html! { span.nowrap { (text) } }, value: None };
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
fn sweeps_section(overview: &Overview, simulated: bool) -> Markup {
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
            Cell { content: html! { span.nowrap { (ratio) } }, value: None },
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

fn published_section() -> Markup {
    use Column::{Text, Unsorted};
    let columns = [
        Text("GPU and type"),
        Column::number("ratio"),
        Text("of"),
        Unsorted("zeros"),
        Unsorted("Gaussian"),
        Unsorted("MHz, zeros / Gaussian"),
        Unsorted("°C, zeros / Gaussian"),
    ];
    let rows = published::publications().iter().flat_map(|publication| {
        publication.rows.iter().map(|row| {
            let [zeros, gaussian] = row.figures(&publication.unit);
            let mut cells = vec![
                row.title().into(),
                number(Some(row.ratio), units::figure),
                publication.quantity.name().to_owned().into(),
            ];
            let pairs = [zeros, gaussian, Published::pair(row.clock_mhz), Published::pair(row.temperature_c)];
            cells.extend(pairs.map(|pair| Cell { content: html! { span.nowrap { (pair) } }, value: None }));
            cells
        })
    });
    html! {
        h2 id="published" { (published::TITLE) }
        p { "Figures of others, found with other kernels and sensors. They are here to hold results against, and none was measured \
             by this program." }
        ul {
            @for publication in published::publications() {
                li {
                    @if let Some(url) = &publication.url { a href=(url) { (publication.source) } }
                    @else { (publication.source) }
                    ": " (publication.setting) ". " (publication.caution)
                }
            }
        }
        (figure("Ratios of energy (filled dot) and of power (hollow dots).", plot::published))
        (table("published-figures", "Published figures", &columns, None, rows.collect()))
    }
}

/// What was read and is not above.
fn not_shown(overview: &Overview) -> Markup {
    let LeftOut { superseded, invalid } = overview.left_out;
    let problems = &overview.problems;
    if superseded + invalid + problems.len() == 0 {
        return html! {};
    }
    html! {
        h2 id="left-out" { "Left out" }
        ul {
            @if superseded > 0 { li { (counted(superseded, "run")) " of a GPU that has a newer run, or one with a better verdict." } }
            @if invalid > 0 { li { (counted(invalid, "run")) " with the verdict invalid." } }
            @if !problems.is_empty() { li { (counted(problems.len(), "problem")) " in files that are no good:" } }
        }
        @if !problems.is_empty() {
            ul {
                @for problem in problems.iter().take(MOST_PROBLEMS) { li { code { (printable(&problem.to_string())) } } }
                @if problems.len() > MOST_PROBLEMS { li { "and " (problems.len() - MOST_PROBLEMS) " more." } }
            }
        }
    }
}

/// The name of a run's place on the page: its file's, which has the digest of its content.
fn anchor(run: &Run) -> String {
    let stem = run.path.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("run-{plain}")
}

fn run_section(run: &Run, grid: Option<GridIntensity>) -> Markup {
    let Run { path, record } = run;
    let energies = record.plan.inits.iter().skip(1).filter_map(|init| {
        let energy = record.summary.ratios.get(init)?.energy?;
        Some(format!("{init} {}", units::figure(energy.estimate)))
    });
    let energies: Vec<String> = energies.collect();
    let energies = match energies.len() {
        0 => "energy n/a".into(),
        count if count > MOST_RATIOS => format!("{} inits", record.plan.inits.len()),
        _ => energies.join(", "),
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    html! {
        details {
            summary { h3 {
                (printable(&record.adapter.name))
                " " span.muted.unset {
                    "· n = " (record.plan.size) " · "
                    (energies)
                    " · " (verdict_of(record)) " · " (day(record))
                }
            } }
            div.body id=(anchor(run)) {
                (reasons(record))
                (year_line(record, grid))
                (atlas_of(record, &anchor(run)))
                (course(run))
                (facts(record, &file))
                (windows(record, &anchor(run)))
            }
        }
        "\n"
    }
}

/// So many ratios stand in the heading of a run.
const MOST_RATIOS: usize = 3;

/// What the difference comes to over a year, for each init.
fn year_line(record: &Record, grid: Option<GridIntensity>) -> Markup {
    let years = year::of(record);
    if years.is_empty() {
        return html! {};
    }
    html! {
        p { "Over a year without pause, against as many products of " (record.plan.inits[0]) ":"
            @for (i, (init, kwh)) in years.iter().enumerate() {
                @if i > 0 { ";" }
                " " (init) " " span.nowrap { (year::words(*kwh, grid)) }
            }
            "."
        }
    }
}

/// The inits of a run that has more than two, and the bits that toggle in each.
fn atlas_of(record: &Record, id: &str) -> Markup {
    use Column::{Text, Unsorted};
    if !atlas::is(record) {
        return html! {};
    }
    let columns = [
        Text("init"),
        Column::number("power, W"),
        Column::number("J a product"),
        Column::number("energy ratio"),
        Unsorted("95 % interval"),
        Column::number("toggles, operands"),
        Column::number("toggles, products"),
    ];
    let row = |row: atlas::Row| {
        let toggles = |bits| number(row.activity.map(|activity| activity.toggles(bits)), |bits| format!("{bits:.2}"));
        let (ratio, interval) = match row.init == record.plan.inits[0] {
            true => ("1".to_owned().into(), Cell::from("the reference".to_owned())),
            false => (
                number(row.ratio.map(|ratio| ratio.estimate), units::figure),
                Cell { content: html! { span.nowrap { (units::interval(row.ratio)) } }, value: None },
            ),
        };
        vec![
            row.init.to_string().into(),
            number(row.summary.power_w, units::plain),
            number(row.summary.energy_j, units::plain),
            ratio,
            interval,
            toggles(Bits::Operands),
            toggles(Bits::Products),
        ]
    };
    let rows = atlas::rows(record).into_iter().map(row).collect();
    html! {
        h4 { "Inits" }
        p { (atlas::sentence(record)) }
        (figure("Mean power by toggled bits, and the straight line through all inits.", |layout| atlas::plot(record, layout)))
        (table(&format!("{id}-inits"), "Inits, and the bits that toggle in a multiplication", &columns, None, rows))
    }
}

/// The verdict where nothing else says that a run was simulated.
fn verdict_of(record: &Record) -> String {
    let words = record.verdict.words();
    if record.truth.is_some() { format!("simulated, else {words}") } else { words }
}

/// The run's plot, from its file.
fn course(run: &Run) -> Markup {
    let mut record = match folder::read(&run.path) {
        Ok((record, _)) => record,
        Err(problem) => return html! { p { "Its trace cannot be shown: " code { (printable(&problem.to_string())) } } },
    };
    let trace = std::mem::take(&mut record.trace);
    if record != run.record {
        return html! { p { "Its file has changed since it was read: its trace is not shown." } };
    }
    record.trace = trace;
    let drawing = figure("The course of the run.", |layout| plot::run(&record, layout));
    match &record.source {
        Some(_) if drawing.0.is_empty() => html! { p { "The sensor gave too little for a picture." } },
        _ => drawing,
    }
}

fn reasons(record: &Record) -> Markup {
    let verdict = &record.verdict;
    let plain = |value: Option<f64>| value.map(units::plain);
    let figures = |reason: &Reason| match (plain(reason.value), plain(reason.limit)) {
        (Some(value), Some(limit)) => format!(" (found {value}, limit {limit})"),
        (Some(value), None) => format!(" (found {value})"),
        (None, Some(limit)) => format!(" (limit {limit})"),
        (None, None) => String::new(),
    };
    html! {
        p { "Verdict: " strong { (verdict_of(record)) }
            @if verdict.reasons.is_empty() && verdict.judgement() == Status::Valid { ". All checks hold." } }
        @if !verdict.reasons.is_empty() {
            ul { @for reason in &verdict.reasons { li {
                code { (printable(&reason.code)) } ": " (printable(&reason.message)) (figures(reason)) ". "
                em { "Mend: " } (printable(&reason.mend)) "."
            } } }
        }
    }
}

fn facts(record: &Record, file: &str) -> Markup {
    let known = |text: &Option<String>| or_na(text.as_deref().map(printable));
    let adapter = &record.adapter;
    let plan = &record.plan;
    let joined = |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let adapter_words = joined(vec![
        Some(printable(&adapter.name)),
        Some(printable(&adapter.vendor)),
        Some(adapter.kind.to_string()),
        Some(printable(adapter.backend_title())),
        adapter.pci_address.map(|address| address.to_string()),
    ]);
    let sensor = match &record.source {
        None => format!("none: {}", known(&record.run.no_sensor)),
        Some(source) => joined(vec![
            Some(printable(&source.api)),
            source.api_version.as_deref().map(printable),
            Some(printable(&source.device)),
            Some(source.kind()),
            Some(format!("scope: {}", source.scope)),
            source.power_limit_w.map(|limit| format!("limit {limit:.0} W")),
        ]),
    };
    let summary = &record.summary.sensor;
    let period = |seconds: Option<f64>, what: &str| Some(format!("{what} every {}", units::time(seconds?)));
    let behaviour = joined(vec![
        period(summary.counter_period_s, "counter"),
        period(summary.power_period_s, "power"),
        summary.disagreement.map(|share| format!("counter and power differ by {:+.2} %", 100.0 * share)),
        (record.run.failed_reads > 0).then(|| format!("{} failed reads", record.run.failed_reads)),
    ]);
    let idle = |name: &str, idle: Option<Idle>| {
        let idle = idle?;
        let degrees = idle.temperature_c.map(|degrees| format!(" at {degrees:.0} °C")).unwrap_or_default();
        Some(format!("{name} {}{degrees}", units::power(idle.power_w?)))
    };
    let idle =
        joined(vec![idle("cold", record.idle.cold), idle("open", record.idle.open), idle("hot", record.idle.hot)]);
    let inits: Vec<String> = plan.inits.iter().map(ToString::to_string).collect();
    let plan_words = joined(vec![
        Some(format!("{} {}²", plan.dtype.name(), plan.size)),
        Some(inits.join(", ")),
        Some(format!("{} rounds × {} s, lead-in {} s", plan.rounds, plan.window_s, plan.lead_in_s)),
        Some(format!("seed {}", plan.seed)),
        plan.lock_clock_mhz.map(|mhz| format!("clock locked at {mhz} MHz")),
    ]);
    let host = &record.host;
    let host_words = joined(vec![
        host.os.as_deref().map(printable),
        host.kernel.as_deref().map(printable),
        host.cpu.as_deref().map(printable),
        host.cpus.map(|cpus| counted(cpus, "CPU")),
    ]);
    let tool = joined(vec![
        Some(format!("{} {}", printable(&record.tool.name), printable(&record.tool.version))),
        record.tool.commit.as_deref().map(printable),
        record.tool.rustc.as_deref().map(printable),
        Some(format!("protocol {}", printable(&record.protocol))),
    ]);
    let truth = record.truth.iter().flat_map(|truth| &truth.ratios);
    let truth: Vec<String> = truth
        .map(|(init, truth)| {
            let [time, power, energy] = [truth.time, truth.power, truth.energy].map(units::figure);
            format!("{init}: time {time}, power {power}, energy {energy}")
        })
        .collect();
    html! {
        dl {
            dt { "adapter" } dd { (adapter_words) }
            dt { "driver" } dd { (known(&adapter.driver)) }
            dt { "sensor" } dd { (sensor) }
            @if !behaviour.is_empty() { dt { "as it behaved" } dd { (behaviour) } }
            dt { "idle" } dd { @if idle.is_empty() { "n/a" } @else { (idle) } }
            dt { "plan" } dd { (plan_words) }
            dt { "kernel" } dd { (printable(&record.kernel.variant)) }
            @if !truth.is_empty() { dt { "the model's truth" } dd { (truth.join("; ")) } }
            dt { "machine" } dd { (host_words) }
            dt { "tool" } dd { (tool) }
            @if record.run.label.is_some() { dt { "label" } dd { (known(&record.run.label)) } }
            dt { "started" } dd { (printable(&record.run.started)) }
            @if record.run.halted.is_some() { dt { "halted" } dd { (known(&record.run.halted)) } }
            dt { "record" } dd { code { (printable(file)) } }
        }
    }
}

fn windows(record: &Record, id: &str) -> Markup {
    use Column::Text;
    let columns = [
        Text("round and init"),
        Column::number("start, s"),
        Column::number("length, s"),
        Column::number("products"),
        Column::number("time a product"),
        Column::number("W by counter"),
        Column::number("W by polling"),
        Column::number("J"),
        Column::number("MHz"),
        Column::number("°C"),
        Column::number("busy"),
        Text("held down by"),
        Text("product"),
    ];
    let row = |window: &WindowRecord| {
        let fixed = |value: Option<f64>, digits: usize| number(value, |value| format!("{value:.digits$}"));
        let limiters = match window.limiters.as_deref() {
            None => "n/a".into(),
            Some([]) => "nothing".into(),
            Some(limiters) => limiters.iter().map(|&limiter| limiter_name(limiter)).collect::<Vec<_>>().join(", "),
        };
        vec![
            Cell { content: html! { span.nowrap { (window.round.saturating_add(1)) " " (window.init) } }, value: None },
            fixed(Some(window.start_s), 1),
            fixed(Some(window.duration_s), 2),
            fixed(Some(window.products), 1),
            number(Some(window.duration_s / window.products), units::time),
            fixed(window.power_w.counter, 1),
            fixed(window.power_w.polled, 1),
            fixed(window.energy_j, 1),
            fixed(window.clock_mhz, 0),
            fixed(window.temperature_c, 1),
            number(window.busy, |busy| format!("{:.1} %", 100.0 * busy)),
            limiters.into(),
            if window.products_right { "right" } else { "wrong" }.to_owned().into(),
        ]
    };
    table(
        &format!("{id}-windows"),
        "Windows, in the order in which they ran",
        &columns,
        None,
        record.windows.iter().map(row).collect(),
    )
}

fn limiter_name(limiter: Limiter) -> &'static str {
    match limiter {
        Limiter::PowerCap => "the power limit",
        Limiter::Thermal => "heat",
        Limiter::Hardware => "a protection circuit",
        Limiter::Other => "something else",
    }
}
