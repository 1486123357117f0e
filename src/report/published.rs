//! What others have published: with other kernels, sensors and protocols, and so never among the records.

use super::units::{or_na, significant};
use super::wrap::wrapped;
use serde::Deserialize;
use std::fmt::Write;
use std::sync::LazyLock;

/// The heading under which it stands, in every format.
pub const TITLE: &str = "Published elsewhere, not this protocol";

/// What a publication compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantity {
    Energy,
    Power,
}

impl Quantity {
    pub fn name(self) -> &'static str {
        match self {
            Quantity::Energy => "energy",
            Quantity::Power => "power",
        }
    }
}

/// One publication.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    pub source: String,
    pub url: Option<String>,
    pub quantity: Quantity,
    pub unit: String,
    /// What was done.
    pub setting: String,
    /// What to mind when it is held against this program's figures.
    pub caution: String,
    pub rows: Vec<Published>,
}

/// One GPU and type of it. Pairs are of zeros and of Gaussian numbers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    pub gpu: String,
    pub dtype: String,
    pub zeros: f64,
    pub gaussian: f64,
    /// Gaussian over zeros, from the figures before they were rounded.
    pub ratio: f64,
    /// Standard deviations.
    pub spread: Option<(f64, f64)>,
    pub clock_mhz: Option<(u32, u32)>,
    pub temperature_c: Option<(u32, u32)>,
}

impl Published {
    pub fn title(&self) -> String {
        format!("{} · {}", self.gpu, self.dtype)
    }

    /// "183.9 ± 0.7 W", of zeros and of Gaussian numbers.
    pub fn figures(&self, unit: &str) -> [String; 2] {
        let with = |value: f64, spread: Option<f64>| match spread {
            Some(spread) => format!("{value:.1} ± {spread:.1} {unit}"),
            None => format!("{value:.2} {unit}"),
        };
        [with(self.zeros, self.spread.map(|both| both.0)), with(self.gaussian, self.spread.map(|both| both.1))]
    }

    /// "1410 / 1365", of zeros and of Gaussian numbers.
    pub fn pair(pair: Option<(u32, u32)>) -> String {
        or_na(pair.map(|(zeros, gaussian)| format!("{zeros} / {gaussian}")))
    }
}

static PUBLICATIONS: LazyLock<Vec<Publication>> =
    // A file of this crate: a test reads it.
    LazyLock::new(|| serde_json::from_str(include_str!("published.json")).unwrap_or_default());

/// All of them.
pub fn publications() -> &'static [Publication] {
    &PUBLICATIONS
}

/// The ratio on the slide with which it began.
pub fn slide() -> Option<f64> {
    publications()
        .iter()
        .find(|publication| publication.quantity == Quantity::Energy)?
        .rows
        .first()
        .map(|row| row.ratio)
}

/// For the terminal, in lines of at most 80 columns.
pub fn table() -> String {
    let mut text = format!("{TITLE}\n");
    for Publication { source, unit, quantity, rows, caution, .. } in publications() {
        text += &wrapped(source, "  ", "    ");
        let ratio = format!("{} ratio", quantity.name());
        let _ = writeln!(text, "    {:<36}{:>12}{:>12}{ratio:>15}", "", "zeros", "gaussian");
        for row in rows {
            let [zeros, gaussian] = [row.zeros, row.gaussian].map(|value| significant(value, unit));
            let _ = writeln!(text, "    {:<36}{zeros:>12}{gaussian:>12}{:>15.3}", row.title(), row.ratio);
        }
        text += &wrapped(caution, "    ", "    ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_published_figures_is_read() {
        assert_eq!(publications().iter().map(|publication| publication.rows.len()).sum::<usize>(), 8);
        assert_eq!(format!("{:.3}", slide().unwrap()), "1.318");
        for row in publications().iter().flat_map(|publication| &publication.rows) {
            assert!((row.ratio - row.gaussian / row.zeros).abs() < 0.002, "{}", row.title());
        }
        for publication in publications() {
            let ratios: Vec<f64> = publication.rows.iter().map(|row| row.ratio).collect();
            assert!(ratios.is_sorted_by(|a, b| a >= b), "the highest first, as everywhere: {ratios:?}");
        }
    }

    #[test]
    fn the_published_table_fits_a_terminal() {
        let table = table();
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        insta::assert_snapshot!(table, @r"
        Published elsewhere, not this protocol
          Hugo Gangloff, a slide of 2026 (Statistiques au sommet de Rochebrune)
                                                       zeros    gaussian   energy ratio
            the slide's GPU · f32                    28.97 J     38.17 J          1.318
            Two readings without an interval. It is the experiment that this protocol
            repeats.
          “Input-Dependent Power Usage in GPUs”, arXiv 2409.18324, from its public raw
            data
                                                       zeros    gaussian    power ratio
            A100 PCIe · fp16, tensor cores           183.9 W     296.3 W          1.611
            A100 PCIe · fp32                         196.2 W     293.3 W          1.495
            A100 PCIe · int8                         178.6 W     264.5 W          1.481
            H100 PCIe, name unchecked · fp16         299.1 W     429.0 W          1.435
            V100 · fp16                              202.9 W     270.6 W          1.334
            A100 PCIe · fp16                         197.6 W     255.7 W          1.294
            RTX 6000, Turing · fp16                  179.2 W     202.5 W          1.130
            Ratios of power, not of energy: where the clock gave way on Gaussian data
            (the A100's tensor cores, at the power limit), the ratio of energy is
            larger.
        ");
    }
}
