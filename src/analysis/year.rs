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

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(time_s: f64, energy_j: Option<f64>) -> InitSummary {
        InitSummary {
            time_s,
            power_w: energy_j.map(|joules| joules / time_s),
            energy_j,
            gflop_per_s: 1.0,
            gflop_per_j: None,
            clock_mhz: None,
            temperature_c: None,
        }
    }

    /// By hand: (30 J − 20 J) / 0.1 s = 100 W; × 8760 h = 876 kWh; at 500 g/kWh 438 kg. The reference's own time plays no part.
    #[test]
    fn a_year_worked_out_by_hand() {
        let kwh = kwh(&summary(0.05, Some(20.0)), &summary(0.1, Some(30.0))).unwrap();
        assert!((kwh - 876.0).abs() < 1e-9, "{kwh}");
        let grid: GridIntensity = "500".parse().unwrap();
        assert!((grid.kg(kwh) - 438.0).abs() < 1e-9);
        assert_eq!(words(kwh, Some(grid)), "+876 kWh, +438 kg CO2e at 500 g/kWh");
        assert_eq!(words(-1.04, None), "-1.0 kWh");
    }

    #[test]
    fn without_joules_there_is_no_year() {
        assert_eq!(kwh(&summary(0.1, None), &summary(0.1, Some(30.0))), None);
        assert_eq!(kwh(&summary(0.1, Some(20.0)), &summary(0.0, Some(30.0))), None, "no year of products without time");
    }

    #[test]
    fn a_grid_that_cannot_be_is_refused() {
        for text in ["-1", "NaN", "inf", "1e9", "3001", "", "coal", "0x10"] {
            assert!(text.parse::<GridIntensity>().unwrap_err().contains("g"), "{text}");
        }
        assert_eq!("0".parse(), Ok(GridIntensity(0.0)));
        assert_eq!("-0".parse::<GridIntensity>().unwrap().kg(1.0).to_bits(), 0.0f64.to_bits());
    }
}
