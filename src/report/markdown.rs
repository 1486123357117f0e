//! `results/README.md`, as a code forge shows it: tables, and the plots as images beside it.
//!
//! What stands in records is escaped: it makes no table cell end, no link, no image, no HTML.

use super::canvas::{Layout, Plot};
use super::published::{self, Published};
use super::units::{self, or_na};
use super::view::{self, Line};
use super::{atlas, plot, sweep as painted, types};
use crate::analysis::fleet::Card;
use crate::analysis::overview::{Group, LeftOut, Overview, Run};
use crate::analysis::sweep::Sweep;
use crate::analysis::year;
use crate::operands::{Bits, Dtype, Init};
use crate::record::text::printable;
use crate::record::{Estimate, Ratios};
use std::fmt::Write;
use std::path::Path;

/// A text and the images that it shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    pub text: String,
    /// File names, to be written beside the text, and their content.
    pub plots: Vec<(String, String)>,
}

/// So many files that are no good are named.
const MOST_PROBLEMS: usize = 50;

/// The page for `folder`, in which it and its plots will lie: links to records begin there.
pub fn page(overview: &Overview, folder: &Path) -> Page {
    let mut page = Page { text: INTRODUCTION.into(), plots: vec![] };
    if overview.measured.is_empty() {
        page.text += "\nNo GPU has been measured yet.\n";
    }
    for (number, group) in overview.measured.iter().enumerate() {
        page.group(overview, group, folder, &format!("measured-{}", number + 1));
    }
    page.beside_ratios(overview, folder, false);
    page.published();
    if !overview.simulated.is_empty() {
        page.text += SIMULATED;
        for (number, group) in overview.simulated.iter().enumerate() {
            page.group(overview, group, folder, &format!("simulated-{}", number + 1));
        }
        page.beside_ratios(overview, folder, true);
    }
    page.not_shown(overview);
    page.text += CONTRIBUTING;
    page
}

const INTRODUCTION: &str = "\
# Results

<!-- Made by `wattmul report`; changes by hand are lost. -->

By how much does the energy of one matrix product depend on the numbers in it? The *ratio* says how many times the energy of
a product of zeros a product of the other numbers costs, on the same GPU, by the same kernel; 1 means that the data does
not matter. The *95 % interval* comes from the scatter of the rounds of one run. Watts and joules of different scopes (a whole board, a
chip alone) are different things; ratios compare.
";

const SIMULATED: &str = "
## Simulated

**No GPU was measured here.** These runs were made by models of boards in virtual time, to show what a run looks like and how
well the protocol finds a truth that is known.
";

const CONTRIBUTING: &str = "
## Contributing: add yours

1. Measure, with nothing else running: `cargo run --release` (on Linux, `-- --backend vulkan` after it). It takes four to five
   minutes, and saves a record into `results/`.
2. Check the record: `wattmul validate results/FILE.json`. A file that was changed by hand fails here. A verdict that is not
   valid is no shame, but says what to fix; timing-only runs are welcome.
3. Make this page anew: `wattmul report results --format markdown --output results/README.md`.
4. Open a pull request with the record and the page.

What a record tells of a machine: the GPU, its driver and PCI address, its sensor and power limit; the operating system, its
kernel, the CPU's name and number of cores; the time of the run. What it does not tell: the machine's or the user's name, serial
numbers, UUIDs, network addresses. Read it before you send it: it is one JSON file.
";

impl Page {
    /// Shows a plot, if there is one.
    fn show(&mut self, name: String, plot: Option<Plot>) {
        if let Some(plot) = plot {
            let _ = writeln!(self.text, "\n![{}]({name})", cell(&plot.title));
            self.plots.push((name, plot.file()));
        }
    }

    fn group(&mut self, overview: &Overview, group: &Group, folder: &Path, name: &str) {
        let lines = view::lines(overview, group);
        let comparable = &group.comparable;
        let level = if name.starts_with("simulated") { "###" } else { "##" };
        let _ = writeln!(self.text, "\n{level} {}", cell(&comparable.title()));
        self.show(format!("{name}-energy-ratio.svg"), plot::ratios(comparable, &lines, Layout::Wide));
        let drawn = lines.iter().filter(|line| line.row.energy().is_some()).count();
        if let Some(sentence) = view::not_all_drawn(drawn, "highest") {
            let _ = writeln!(self.text, "\n{sentence}");
        }
        let (reference, init, giga) = (comparable.reference, comparable.init, comparable.dtype.giga());
        let _ = write!(
            self.text,
            "\n| GPU | energy ratio | 95 % interval | power ratio | time ratio | {giga}/J {reference} → {init} | sensor · scope | verdict | record |\n\
             | --- | ---: | --- | ---: | ---: | ---: | --- | --- | --- |\n"
        );
        for line in &lines {
            self.text += &row(line, folder);
        }
        self.fleets(&lines, group, folder, name, level);
        for scope in view::SCOPES {
            self.show(format!("{name}-power-{scope}.svg"), plot::power(comparable, &lines, scope, Layout::Wide));
            self.show(
                format!("{name}-efficiency-{scope}.svg"),
                plot::efficiency(comparable, &lines, scope, Layout::Wide),
            );
        }
    }

    /// The cards of each model that has several.
    fn fleets(&mut self, lines: &[Line], group: &Group, folder: &Path, name: &str, level: &str) {
        let comparable = &group.comparable;
        if lines.iter().all(|line| line.fleet.is_none()) {
            return;
        }
        let _ = writeln!(
            self.text,
            "\n{level}# Cards of one model\n\nAbove stands the median of a model's cards; the range is that of the cards, and no \
             95 % interval."
        );
        self.show(format!("{name}-cards.svg"), plot::cards(comparable, lines, Layout::Wide));
        for fleet in lines.iter().filter_map(|line| line.fleet.as_ref()) {
            let init = comparable.init;
            let _ = write!(
                self.text,
                "\n{}\n\n\
                 | card | energy ratio | 95 % interval | {init}, J a product | {init}, time a product | verdict | stands out by | record |\n\
                 | --- | ---: | --- | ---: | ---: | --- | --- | --- |\n",
                cell(&view::cards(fleet))
            );
            for (number, Card { row, run, name, .. }) in fleet.cards.iter().enumerate() {
                let _ = writeln!(
                    self.text,
                    "| {} | {} | {} | {} | {} | {} | {} | {} |",
                    cell(name),
                    units::ratio(row.energy()),
                    units::interval(row.energy()),
                    or_na(row.summaries.1.energy_j.map(units::plain)),
                    units::time(row.summaries.1.time_s),
                    cell(&run.record.verdict.words()),
                    fleet.stands_out_by(number).join(", "),
                    dated(run, folder),
                );
            }
        }
    }

    /// What measured or simulated runs say beside their ratios: types, sweeps, atlases, and a year of it.
    fn beside_ratios(&mut self, overview: &Overview, folder: &Path, simulated: bool) {
        let name = if simulated { "simulated" } else { "measured" };
        let level = if simulated { "###" } else { "##" };
        let runs = || overview.runs.iter().filter(|run| run.record.truth.is_some() == simulated);
        self.types(&types::rows(overview, simulated), level);
        let sweeps = overview.sweeps(simulated);
        if !sweeps.is_empty() {
            let _ = writeln!(
                self.text,
                "\n{level} Sweeps\n\nThe same protocol at several locked clocks. In the plots of power, filled dots are what the straight \
                 line rests on; in those of energy, the least of each init."
            );
        }
        for (number, runs) in sweeps.iter().enumerate() {
            self.sweep(runs, folder, &format!("{name}-sweep-{}", number + 1), level);
        }
        let atlases: Vec<&Run> = runs().filter(|run| atlas::is(&run.record)).collect();
        if !atlases.is_empty() {
            let _ = writeln!(
                self.text,
                "\n{level} Atlases\n\nRuns of three inits and more, by the bits that flip in a multiplication."
            );
        }
        for (number, run) in atlases.into_iter().enumerate() {
            self.atlas(run, folder, &format!("{name}-atlas-{}", number + 1), level);
        }
        let years: Vec<(&Run, Init, f64)> =
            runs().flat_map(|run| year::of(&run.record).into_iter().map(move |(init, kwh)| (run, init, kwh))).collect();
        if !years.is_empty() {
            let _ = write!(
                self.text,
                "\n{level} Over a year\n\nProducts of an init without pause for a year, against as many of the reference.\n\n\
                 | GPU | init | over a year | record |\n| --- | --- | --- | --- |\n"
            );
        }
        for (run, init, kwh) in years {
            let (gpu, words) = (cell(&view::gpu(&run.record)), year::words(kwh, overview.grid));
            let _ = writeln!(self.text, "| {gpu} | {init} | {words} | {} |", dated(run, folder));
        }
    }

    fn types(&mut self, rows: &[types::Row], level: &str) {
        if rows.is_empty() {
            return;
        }
        let dtypes = Dtype::ALL.map(Dtype::name).join(" | ");
        let _ = write!(
            self.text,
            "\n{level} {}\n\n{}\n\n| GPU | scope | {dtypes} |\n| --- | --- |{}\n",
            types::TITLE,
            types::NOTE,
            " --- |".repeat(Dtype::ALL.len())
        );
        for types::Row { gpu, scope, cells } in rows {
            let _ = writeln!(self.text, "| {} | {scope} | {} |", cell(gpu), cells.map(types::cell).join(" | "));
        }
    }

    fn sweep(&mut self, runs: &[&Run], folder: &Path, name: &str, level: &str) {
        let sweep = Sweep::of(runs.iter().map(|run| &run.record));
        let first = &runs[0].record;
        let reference = first.plan.inits[0];
        let _ = writeln!(self.text, "\n{level}# {}", cell(&painted::title(first)));
        if sweep.rows.iter().any(|row| row.energy_j.is_some()) {
            let (power, least) = (painted::power_words(&sweep, reference), painted::least_words(&sweep));
            let _ = writeln!(self.text, "\nPower: {power}. Least energy: {least}.");
        }
        self.show(format!("{name}-power.svg"), painted::power(&sweep, first, Layout::Wide));
        self.show(format!("{name}-energy.svg"), painted::energy(&sweep, first, Layout::Wide));
        let _ = write!(
            self.text,
            "\n| clock, MHz | init | time a product | power, W | J a product | ratio to {reference} | 95 % interval | record |\n\
             | ---: | --- | ---: | ---: | ---: | ---: | --- | --- |\n"
        );
        for row in &sweep.rows {
            let run = runs.iter().find(|run| run.record.plan.lock_clock_mhz == Some(row.clock_mhz));
            let figure = |value: Option<f64>| or_na(value.map(units::plain));
            let _ = writeln!(
                self.text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                row.clock_mhz,
                row.init,
                units::time(row.time_s),
                figure(row.power_w),
                figure(row.energy_j),
                row.ratio.map(|ratio| units::figure(ratio.estimate)).unwrap_or_default(),
                row.ratio.map(|ratio| units::interval(Some(ratio))).unwrap_or_default(),
                run.map(|run| dated(run, folder)).unwrap_or_default(),
            );
        }
    }

    fn atlas(&mut self, run: &Run, folder: &Path, name: &str, level: &str) {
        let record = &run.record;
        let plan = &record.plan;
        let gpu = cell(&view::gpu(record));
        let _ = write!(
            self.text,
            "\n{level}# {gpu} · {} {}²\n\n{} {}\n",
            plan.dtype.name(),
            plan.size,
            dated(run, folder),
            atlas::sentence(record)
        );
        self.show(format!("{name}.svg"), atlas::plot(record, Layout::Wide));
        self.text += "\n| init | power, W | J a product | energy ratio | 95 % interval | bit flips, operands | bit flips, products |\n\
                      | --- | ---: | ---: | ---: | --- | ---: | ---: |\n";
        for atlas::Row { init, summary, ratio, activity } in atlas::rows(record) {
            let figure = |value: Option<f64>| or_na(value.map(units::plain));
            let bit_flips = |bits| or_na(activity.map(|activity| format!("{:.2}", activity.bit_flips(bits))));
            let (ratio, interval) = match init == plan.inits[0] {
                true => ("1".into(), "the reference".into()),
                false => (units::ratio(ratio), units::interval(ratio)),
            };
            let _ = writeln!(
                self.text,
                "| {init} | {} | {} | {ratio} | {interval} | {} | {} |",
                figure(summary.power_w),
                figure(summary.energy_j),
                bit_flips(Bits::Operands),
                bit_flips(Bits::Products),
            );
        }
    }

    fn published(&mut self) {
        let _ = write!(
            self.text,
            "\n## {}\n\nFigures of others, found with other kernels and sensors: to hold results against. None was measured by this \
             program.\n",
            published::TITLE
        );
        self.show("published.svg".into(), plot::published(Layout::Wide));
        for publication in published::publications() {
            let source = match &publication.url {
                Some(url) => format!("[{}]({url})", cell(&publication.source)),
                None => cell(&publication.source),
            };
            let _ = write!(
                self.text,
                "\n{source}: {}. {}\n\n\
                 | GPU and type | {} ratio | zeros | Gaussian | clock, MHz, zeros / Gaussian | °C, zeros / Gaussian |\n\
                 | --- | ---: | ---: | ---: | --- | --- |\n",
                publication.setting,
                publication.caution,
                publication.quantity.name()
            );
            for row in &publication.rows {
                let [zeros, gaussian] = row.figures(&publication.unit);
                let (clock, degrees) = (Published::pair(row.clock_mhz), Published::pair(row.temperature_c));
                let _ = writeln!(
                    self.text,
                    "| {} | {:.3} | {zeros} | {gaussian} | {clock} | {degrees} |",
                    row.title(),
                    row.ratio
                );
            }
        }
    }

    fn not_shown(&mut self, overview: &Overview) {
        let LeftOut { superseded, invalid } = overview.left_out;
        let problems = &overview.problems;
        if superseded + invalid + problems.len() == 0 {
            return;
        }
        self.text += "\n## Left out\n\n";
        let mut item = |count: usize, what: &str| {
            if count > 0 {
                let _ = writeln!(self.text, "- {what}: {count}");
            }
        };
        item(superseded, "Runs of a GPU that has a newer run, or one with a better verdict");
        item(invalid, "Runs with the verdict invalid");
        item(problems.len(), "Problems in files that are no good");
        for problem in problems.iter().take(MOST_PROBLEMS) {
            let _ = writeln!(self.text, "  - {}", cell(&problem.to_string()));
        }
        if problems.len() > MOST_PROBLEMS {
            let _ = writeln!(self.text, "  - and {} more", problems.len() - MOST_PROBLEMS);
        }
    }
}

fn row(line: &Line, folder: &Path) -> String {
    let (base, other) = line.row.summaries;
    let ratio = |of: fn(&Ratios) -> Option<Estimate>| or_na(line.ratio(of).map(units::figure));
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        cell(&line.name),
        ratio(|ratios| ratios.energy),
        line.interval(),
        ratio(|ratios| ratios.power),
        ratio(|ratios| ratios.time),
        types::cell(base.gflop_per_j.zip(other.gflop_per_j)),
        cell(&line.sensor()),
        cell(&line.verdict().words()),
        match &line.fleet {
            Some(fleet) => format!("{} below", fleet.cards.len()),
            None => dated(line.run, folder),
        },
    )
}

/// The day of a run, which leads to its record.
fn dated(run: &Run, folder: &Path) -> String {
    let day: String = run.record.run.started.chars().take(10).collect();
    format!("[{}]({})", cell(&day), link(&run.path, folder))
}

/// Text that means nothing in Markdown or HTML, and stays on its line.
fn cell(text: &str) -> String {
    let mut cell = String::new();
    for c in printable(text).chars() {
        match c {
            '<' => cell.push_str("&lt;"),
            '>' => cell.push_str("&gt;"),
            '&' => cell.push_str("&amp;"),
            // In a table, a bar ends the cell even behind a backslash within code.
            '|' => cell.push_str("&#124;"),
            // Forges make links of bare addresses, and mentions of names.
            '@' => cell.push_str("&#64;"),
            ':' => cell.push_str("&#58;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '!' | '~' | '$' => cell.extend(['\\', c]),
            c => cell.push(c),
        }
    }
    cell
}

/// Where a record lies, seen from a folder, as an address: whatever could end a link is a percent sign and two digits.
fn link(path: &Path, folder: &Path) -> String {
    let path = path.strip_prefix(folder).unwrap_or(path);
    let mut link = String::new();
    for byte in path.to_string_lossy().replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => link.push(byte as char),
            byte => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn nothing_in_a_name_means_anything_in_a_table() {
        let hostile = "a|b`c` <script>alert(1)</script>\n| x | ![i](http://e.vil) [l](u) **b** \u{202e}@you";
        insta::assert_snapshot!(cell(hostile), @r#"a&#124;b\`c\` &lt;script&gt;alert(1)&lt;/script&gt;&#124; x &#124; \!\[i\](http&#58;//e.vil) \[l\](u) \*\*b\*\* &#64;you"#);
    }

    #[test]
    fn links_lead_from_the_page_to_the_record_and_nowhere_else() {
        assert_eq!(link(&PathBuf::from("results/x/a.json"), Path::new("results")), "x/a.json");
        assert_eq!(link(&PathBuf::from("other/a b).json"), Path::new("results")), "other/a%20b%29.json");
        assert_eq!(link(&PathBuf::from("javascript:alert(1)"), Path::new("")), "javascript%3Aalert%281%29");
    }
}
