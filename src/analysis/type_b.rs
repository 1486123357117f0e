//! What is known of a sensor besides its scatter: uncertainty of type B, and both types combined (JCGM 100:2008, "GUM", 4.3 and 5.1).
//!
//! A sensor shows g·P + o of a true power P. In a ratio of energies its gain g cancels; its offset o does not. In a ratio of powers
//! above idle both do.

use super::stats;
use crate::record::{self, Band, Estimate, Source};

/// What calibrations against external meters found of a family of sensors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Which sensors these are.
    pub family: &'static str,
    /// Who calibrated which of them.
    pub origin: &'static str,
    /// Shown watts for each true one.
    pub gain: Band,
    /// Shown watts at none, in watts.
    pub offset_w: Band,
    /// Watts that a board of the family draws at least when it is calibrated: of a smaller device, offsets are taken to be as large a
    /// share.
    usual_w: f64,
}

const fn band(low: f64, high: f64) -> Band {
    Band { low, high }
}

/// Whose data.
const SC24: &str = "Yang, Adamek & Armour (SC24), boards against an external meter";

/// By what the sensor's library and the device are called: each part of the first must occur in the names, in either case of letters.
///
/// A published line is that of one board or a few. Where a family has one line, its boards are allowed ±5 W (what NVIDIA's tools
/// state as their accuracy) and ±5 % about it: an assumption.
const FAMILIES: [(&[&str], &[&str], Calibration); 4] = [
    (
        &["nvml"],
        &["a100", "a800", "a30 "],
        Calibration {
            family: "NVML on GA100",
            origin: "0.957·P − 1.95 W (A100); SC24",
            gain: band(0.907, 1.007),
            offset_w: band(-6.95, 3.05),
            usual_w: 200.0,
        },
    ),
    (
        &["nvml"],
        &["rtx 30", "rtx a", "a5000", "a4000", "a6000", "a40", "a10"],
        Calibration {
            family: "NVML on GA10x",
            origin: "0.951·P − 0.8 W (RTX 3090), 0.936·P − 0.95 W (RTX A5000); SC24",
            gain: band(0.886, 1.001),
            offset_w: band(-5.95, 4.2),
            usual_w: 200.0,
        },
    ),
    (
        &["nvml"],
        &["rtx 40", "ada", "l40", "l4 "],
        Calibration {
            family: "NVML on AD10x",
            origin: "1.047·P − 21.6 W (RTX 4090, driver 530); SC24. Later drivers show another field: up to an offset of +5 W is allowed",
            gain: band(0.95, 1.097),
            offset_w: band(-26.6, 5.0),
            usual_w: 200.0,
        },
    ),
    (&[], &[], WIDEST),
];

/// Of a family without a published calibration: all that are published.
const WIDEST: Calibration = Calibration {
    family: "any sensor",
    origin: SC24,
    gain: band(0.87, 1.18),
    offset_w: band(-24.0, 16.0),
    usual_w: 200.0,
};

/// What is known of a sensor's family.
pub fn calibration(source: &Source) -> Calibration {
    let (api, device) = (source.api.to_lowercase(), format!("{} ", source.device.to_lowercase()));
    let is = |apis: &[&str], devices: &[&str]| {
        (apis.is_empty() || apis.iter().any(|part| api.contains(part)))
            && (devices.is_empty() || devices.iter().any(|part| device.contains(part)))
    };
    FAMILIES.iter().find(|(apis, devices, _)| is(apis, devices)).map_or(WIDEST, |family| family.2)
}

/// What a sensor's family is called; of one without a published calibration, after its library.
pub(crate) fn family(source: &Source) -> String {
    let family = calibration(source).family;
    if family == WIDEST.family { source.api.clone() } else { family.into() }
}

/// The bands in which gain and offset lie in one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bands {
    pub gain: Band,
    pub offset_w: Band,
}

impl Calibration {
    /// For a device that shows `reference_w` with the reference, and `idle_w` at rest. A device that draws nothing shows the offset, and
    /// one at rest no less: the offset is no more than what is shown at rest.
    pub(crate) fn of_run(&self, reference_w: f64, idle_w: Option<f64>) -> Bands {
        let share = (reference_w / self.usual_w).clamp(0.0, 1.0);
        let Band { low, high } = self.offset_w;
        let high = (high * share).min(idle_w.filter(|idle_w| *idle_w >= 0.0).unwrap_or(f64::INFINITY));
        Bands { gain: self.gain, offset_w: Band { low: low * share, high: high.max(low * share) } }
    }
}

/// What a calibration of this very sensor leaves open: its intervals.
pub(crate) fn of_meter(line: &record::Calibration) -> Option<Bands> {
    let within = |estimate: Estimate| Some(Band { low: estimate.low?, high: estimate.high? });
    Some(Bands { gain: within(line.gain)?, offset_w: within(line.offset_w)? })
}

/// By what share a ratio of energies moves for every watt that is shown too much, of shown powers in watts: that of the init, and
/// that of the reference.
pub(crate) fn per_offset_w((shown_w, reference_w): (f64, f64)) -> f64 {
    1.0 / shown_w - 1.0 / reference_w
}

/// Standard uncertainty in watts of a mean over windows, from the sensor's step alone: none where the figures' own movement averages it
/// out in one of the windows. `windows_u` are [`crate::record::WindowPower::polled_u`].
pub(crate) fn rounding_w(step_w: f64, windows_u: impl Iterator<Item = f64>) -> f64 {
    let rounding_w = step_w / 12f64.sqrt();
    // Windows of a steady load are all rounded alike: more of them do not help.
    let least = windows_u.min_by(f64::total_cmp);
    least.map_or(0.0, |least| if least >= rounding_w * 0.99 { rounding_w } else { 0.0 })
}

/// The 95 % interval of a ratio of energies from both types of uncertainty: scatter on `freedom` degrees of freedom, the offset anywhere within
/// its band with the same probability, and the rounding of both powers, in watts likewise.
///
/// In logarithms, ln r(o) = ln(P − o) − ln(P' − o) + …, from one end of the band to the other, is near enough a straight line: its
/// midpoint is the estimate that the band calls for (GUM 4.3.8), and its half-length over √3 the standard uncertainty. The interval
/// is Student's on the effective degrees of freedom (Welch–Satterthwaite, GUM G.4), type B having infinitely many. None without a type A
/// interval, or where the band reaches the power itself.
pub fn combined(
    energy: Estimate,
    freedom: f64,
    (shown_w, reference_w): (f64, f64),
    rounding_w: (f64, f64),
    offset_w: Band,
) -> Option<Band> {
    let of_scatter = (energy.high?.ln() - energy.low?.ln()) / 2.0 / stats::quantile(freedom)?;
    let moved = |offset_w: f64| (1.0 - offset_w / shown_w).ln() - (1.0 - offset_w / reference_w).ln();
    let (at_low, at_high) = (moved(offset_w.low), moved(offset_w.high));
    let of_offset = (at_high - at_low).abs() / 2.0 / 3f64.sqrt();
    let of_rounding = (rounding_w.0 / shown_w).hypot(rounding_w.1 / reference_w);
    let both = of_scatter.hypot(of_offset).hypot(of_rounding);
    // Scatter that is no part of the whole leaves no bound to the freedom.
    let effective = (freedom * (both / of_scatter).powi(4)).min(1e6);
    let reach = if both > 0.0 { both * stats::quantile(effective)? } else { 0.0 };
    let middle = energy.estimate.ln() + (at_low + at_high) / 2.0;
    let band = Band { low: (middle - reach).exp(), high: (middle + reach).exp() };
    (band.low.is_finite() && band.high.is_finite()).then_some(band)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Scope;

    fn family(api: &str, device: &str) -> &'static str {
        calibration(&Source::new(api, device, Scope::Board)).family
    }

    #[test]
    fn a_sensor_is_known_by_its_family_and_others_are_not() {
        assert_eq!(family("NVML", "NVIDIA A100-SXM4-80GB"), "NVML on GA100");
        assert_eq!(family("NVML", "NVIDIA GeForce RTX 3090"), "NVML on GA10x");
        assert_eq!(family("NVML", "NVIDIA RTX A5000"), "NVML on GA10x");
        assert_eq!(family("NVML", "NVIDIA RTX 6000 Ada Generation"), "NVML on AD10x");
        assert_eq!(family("NVML", "NVIDIA GeForce RTX 4090"), "NVML on AD10x");
        for (api, device) in
            [("NVML", "Quadro RTX 6000"), ("NVML", "NVIDIA H100 PCIe"), ("hwmon", "AMD A100"), ("RAPL", "CPU")]
        {
            assert_eq!(family(api, device), "any sensor", "{device}");
        }
    }

    /// By hand: 280 W against 200 W; an offset of −10 W to +10 W moves the ratio to 290/210 and to 270/190, ln(1.3810) − ln(1.4) = −0.01370
    /// and ln(1.4211) − ln(1.4) = +0.01493: half of the distance is 0.01432, over √3 0.008266. With ±0.002·t(4) of scatter: u = 0.008504,
    /// 4 · (0.008504 / 0.002)⁴ = 1308 degrees of freedom, t = 1.9618, ± 0.016684 about ln(1.4) + 0.000615.
    #[test]
    fn a_combined_interval_worked_out_by_hand() {
        let reach = 0.002 * 2.776_445;
        let energy = Estimate {
            estimate: 1.4,
            low: Some(1.4 * f64::exp(-reach)),
            high: Some(1.4 * f64::exp(reach)),
            combined: None,
        };
        let found = combined(energy, 4.0, (280.0, 200.0), (0.0, 0.0), band(-10.0, 10.0)).unwrap();
        assert!((found.low.ln() - (1.4f64.ln() + 0.000_615 - 0.016_684)).abs() < 2e-5, "{found:?}");
        assert!((found.high.ln() - (1.4f64.ln() + 0.000_615 + 0.016_684)).abs() < 2e-5, "{found:?}");
        // Without a band it is the interval of the scatter.
        let same = combined(energy, 4.0, (280.0, 200.0), (0.0, 0.0), band(0.0, 0.0)).unwrap();
        assert!((same.low - energy.low.unwrap()).abs() < 1e-9 && (same.high - energy.high.unwrap()).abs() < 1e-9);
        let plain = Estimate { estimate: 1.4, ..Estimate::default() };
        assert_eq!(combined(plain, 0.0, (280.0, 200.0), (0.0, 0.0), band(-10.0, 10.0)), None);
        assert_eq!(combined(energy, 4.0, (280.0, 200.0), (0.0, 0.0), band(-10.0, 300.0)), None, "no power is left");
    }

    /// By hand: 1/280 W − 1/200 W = −0.1429 % a watt: −5 W make +0.71 %.
    #[test]
    fn the_sensitivity_is_that_of_the_ratio_shown() {
        assert!((per_offset_w((280.0, 200.0)) + 0.001_428_571).abs() < 1e-9);
        let (shown, less) = (280.0 / 200.0, 279.99 / 199.99);
        assert!(((less / shown - 1.0) / -0.01 - per_offset_w((280.0, 200.0))).abs() < 1e-6);
    }

    #[test]
    fn a_small_device_has_a_small_offset_and_none_has_more_than_it_shows_at_rest() {
        let small = WIDEST.of_run(10.0, Some(5.0)).offset_w;
        assert!((small.low + 1.2).abs() < 1e-9 && (small.high - 0.8).abs() < 1e-9, "{small:?}");
        assert_eq!(WIDEST.of_run(300.0, Some(9.0)).offset_w, band(-24.0, 9.0));
        assert_eq!(WIDEST.of_run(300.0, None).offset_w, band(-24.0, 16.0));
    }

    #[test]
    fn a_step_counts_where_nothing_moves_over_it() {
        assert!((rounding_w(1.0, [0.29, 0.288_675_134_6].into_iter()) - 0.288_675).abs() < 1e-6);
        assert_eq!(rounding_w(1.0, [0.29, 0.03].into_iter()), 0.0);
        assert_eq!(rounding_w(1.0, [].into_iter()), 0.0);
    }
}
