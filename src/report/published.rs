//! What others have published: with other kernels, sensors and protocols, and so never among the records.

use super::units::or_na;
use serde::Deserialize;
use std::sync::LazyLock;

/// The heading under which it stands.
pub(crate) const TITLE: &str = "Published elsewhere, not this protocol";

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
pub(crate) struct Publication {
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
pub(crate) fn publications() -> &'static [Publication] {
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
}
