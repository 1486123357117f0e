//! One page that holds everything: no network, no script but its own, readable by eye, ear and keyboard, on paper light or dark.
//!
//! maud escapes whatever is written into it; what goes in raw are the drawings, which escape by themselves, and the page's
//! own style and script, which the page's policy allows by their digests and nothing else.

mod beside;
mod group;
mod parts;
mod run;

use super::canvas::dark_style;
use super::published::{self, Published};
use super::{plot, units};
use crate::analysis::overview::{LeftOut, Overview};
use crate::record::text::printable;
use crate::report::wrap::counted;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use parts::{Column, figure, nowrap, number, table};
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
            put(&group::section(overview, group, &format!("measured-{number}")).into_string())?;
        }
        put(&beside::types_section(overview, false).into_string())?;
        put(&beside::sweeps_section(overview, false).into_string())?;
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
            put(&group::section(overview, group, &format!("simulated-{number}")).into_string())?;
        }
        put(&beside::types_section(overview, true).into_string())?;
        put(&beside::sweeps_section(overview, true).into_string())?;
    }
    put(&not_shown(overview).into_string())?;
    if !overview.runs.is_empty() {
        put(
            "<h2 id=\"runs\">Runs</h2>\n<p>Each run with what it ran on, the course of its power, its windows, and why it is \
             judged as it is.</p>\n<div class=\"runs\">\n",
        )?;
        for runs in overview.runs.chunks(CHUNK) {
            let sections: Vec<String> =
                runs.par_iter().map(|run| run::section(run, overview.grid).into_string()).collect();
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
            cells.extend(pairs.map(nowrap));
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
