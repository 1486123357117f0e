//! What the data would cost over a year of continuous use, for people: in kWh, and in kg CO2e where the grid is known.

use crate::operands::Init;
use crate::record::{InitSummary, Record};
use std::str::FromStr;

/// Of 365 days.
const HOURS: f64 = 8760.0;

/// Grams of CO2e a kWh. Nobody but the reader knows their grid: there is no usual one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridIntensity(f64);

/// Lignite comes to about 1200 with all that leads to it: what is much larger is a mistake in the unit.
const LARGEST: f64 = 3000.0;

impl FromStr for GridIntensity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let grams = text.trim().parse().ok().filter(|grams| (0.0..=LARGEST).contains(grams));
        grams.map(|grams: f64| GridIntensity(grams + 0.0)).ok_or_else(|| {
            format!(
                "grams of CO2e a kWh, 0 to {LARGEST}, such as the figure that your supplier or grid operator publishes"
            )
        })
    }
}

impl GridIntensity {
    /// Of so many kWh.
    pub fn kg(self, kwh: f64) -> f64 {
        self.0 * kwh / 1000.0
    }
}

/// Products of an init without pause for a year, against as many of the reference: (E_init − E_ref) / t_init for a year, in kWh.
/// Below 0 where the init takes less. None without energy.
///
/// As many of the reference may take another time: what the GPU draws while it waits for the slower of both is not in it.
pub fn kwh(reference: &InitSummary, init: &InitSummary) -> Option<f64> {
    let watts = (init.energy_j? - reference.energy_j?) / init.time_s;
    Some(watts * HOURS / 1000.0).filter(|kwh| kwh.is_finite())
}

/// Of each init but the reference, in the plan's order; without those whose energy was not measured. None of an invalid record: what
/// is no answer is not made a year of.
pub fn of(record: &Record) -> Vec<(Init, f64)> {
    if record.verdict.is_invalid() {
        return vec![];
    }
    let summary = |init: &Init| record.summary.inits.get(init);
    let reference = record.plan.inits.first().and_then(summary);
    let year = |init: &Init| Some((*init, kwh(reference?, summary(init)?)?));
    record.plan.inits.iter().skip(1).filter_map(year).collect()
}

/// "+862.3 kWh, 310.4 kg CO2e"
pub fn words(kwh: f64, grid: Option<GridIntensity>) -> String {
    let figure = |value: f64| match value.abs() {
        small if small < 99.95 => format!("{value:+.1}"),
        _ => format!("{value:+.0}"),
    };
    let kg = grid.map(|grid| format!(", {} kg CO2e at {} g/kWh", figure(grid.kg(kwh)), grid.0)).unwrap_or_default();
    format!("{} kWh{kg}", figure(kwh))
}
