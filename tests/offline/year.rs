//! What the data would cost over a year of continuous use, for people: in kWh, and in kg CO2e where the grid is known.

use wattmul::analysis::year::*;
use wattmul::record::InitSummary;

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
    assert_eq!("0".parse::<GridIntensity>().unwrap().kg(1.0), 0.0);
    assert_eq!("-0".parse::<GridIntensity>().unwrap().kg(1.0).to_bits(), 0.0f64.to_bits());
}
