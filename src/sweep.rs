//! The protocol at several locked clocks: which they are, and what their records say together.

use crate::inits::Init;
use crate::plan::PlanError;
use crate::power::PowerError;
use crate::record::Record;
use crate::stats::{self, Estimate, Fan};
use crate::validity::Flag;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::str::FromStr;

/// `--clocks`: in MHz, or how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clocks {
    /// In ascending order, at least two.
    These(Vec<u32>),
    /// So many, spread over all that the device has.
    Spread(usize),
}

/// As many as a person waits for.
const MOST_SPREAD: usize = 20;

impl FromStr for Clocks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<u32>().ok().filter(|mhz| (1..=100_000).contains(mhz));
        let numbers: Option<Vec<u32>> = text.split(',').map(number).collect();
        let distinct: BTreeSet<u32> = numbers.iter().flatten().copied().collect();
        match numbers.as_deref() {
            Some(&[count]) if (2..=MOST_SPREAD).contains(&(count as usize)) => Ok(Clocks::Spread(count as usize)),
            Some([_, _, ..]) if numbers.as_ref().is_some_and(|numbers| numbers.len() == distinct.len()) => {
                Ok(Clocks::These(distinct.into_iter().collect()))
            }
            _ => Err(format!(
                "name two clocks in MHz or more, each once, such as 600,900,1200, or how many to spread over the range, 2 to \
                 {MOST_SPREAD}"
            )),
        }
    }
}

impl Clocks {
    /// The clocks of a device that has these. Where it does not tell, those that are named may be right.
    ///
    /// # Errors
    /// It has not all that are named ([`PlanError`]), or does not tell among which to spread.
    pub fn of(&self, device: &str, has: Result<Vec<u32>, PowerError>) -> anyhow::Result<Vec<u32>> {
        let has: BTreeSet<u32> = match (has, self) {
            (Ok(has), _) => has.into_iter().collect(),
            (Err(_), Clocks::These(clocks)) => return Ok(clocks.clone()),
            (Err(why), Clocks::Spread(_)) => return Err(why.into()),
        };
        let refused = |asked| PlanError::Clocks { asked, device: device.into(), has: steps(&has) };
        match self {
            Clocks::These(clocks) => match clocks.iter().find(|mhz| !has.contains(mhz)) {
                Some(missing) => Err(refused(missing.to_string()).into()),
                None => Ok(clocks.clone()),
            },
            Clocks::Spread(count) => {
                let all: Vec<u32> = has.iter().copied().collect();
                let (Some(&least), Some(&most)) = (all.first(), all.last()) else {
                    return Err(refused(text(*count)).into());
                };
                let nearest = |i: usize| {
                    let at = f64::from(least) + f64::from(most - least) * i as f64 / (count - 1) as f64;
                    all.iter().copied().min_by(|a, b| (f64::from(*a) - at).abs().total_cmp(&(f64::from(*b) - at).abs()))
                };
                let clocks: BTreeSet<u32> = (0..*count).filter_map(nearest).collect();
                if clocks.len() < *count { Err(refused(text(*count)).into()) } else { Ok(clocks.into_iter().collect()) }
            }
        }
    }
}

fn text(count: usize) -> String {
    format!("{count} clocks")
}

/// `210, 225 to 1410 in steps of 15`: every clock, in few words.
fn steps(clocks: &BTreeSet<u32>) -> String {
    let all: Vec<u32> = clocks.iter().copied().collect();
    let mut text = String::new();
    let mut first = 0;
    while first < all.len() {
        let step = all.get(first + 1).map_or(0, |next| next - all[first]);
        let mut last = first;
        while last + 1 < all.len() && all[last + 1] - all[last] == step {
            last += 1;
        }
        let comma = if first > 0 { ", " } else { "" };
        // Two or three in a row are quicker read one by one.
        last = if last - first < 3 { first } else { last };
        let _ = match last - first {
            0 => write!(text, "{comma}{}", all[first]),
            _ => write!(text, "{comma}{} to {} in steps of {step}", all[first], all[last]),
        };
        first = last + 1;
    }
    if text.is_empty() { "none".into() } else { text + " MHz" }
}

/// What the records of one sweep have in common, so that they are found again: eight hexadecimal digits of the time.
pub fn new_id() -> String {
    let now = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
    blake3::hash(&now).to_hex()[..8].to_owned()
}

/// What the records of a sweep say together.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// By clock, and at one clock in the plan's order.
    pub rows: Vec<Row>,
    pub fit: Option<Fit>,
    /// Of each init, at which of the clocks a product took the least energy.
    pub least_energy: Vec<(Init, u32)>,
}

/// One init at one clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub clock_mhz: u32,
    pub init: Init,
    /// Seconds a product.
    pub time_s: f64,
    pub power_w: Option<f64>,
    /// Joules a product.
    pub energy_j: Option<f64>,
    /// Of energy to the reference at the same clock; of time where there is no energy.
    pub ratio: Option<Estimate>,
}

/// P = P_0 + (c_static + c_α)·f, as far as power is straight in the clock: above some clock the voltage rises with it, and power
/// faster than the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// P_0: what is drawn whatever the clock, in watts.
    pub static_w: Estimate,
    /// c_static + c_α of each init, in watts a MHz. That of an init in which no bit switches is c_static.
    pub w_per_mhz: Vec<(Init, Estimate)>,
    /// The clocks that it rests on.
    pub from_mhz: u32,
    pub to_mhz: u32,
}

/// Power may be off the lines by this share of itself: a clock at which it is off by more is not on the straight part.
const STRAIGHT: f64 = 0.01;
/// Clocks that a fit needs: through two there is always a line.
const LEAST_CLOCKS: usize = 3;
/// A clock that was locked and yet off by this share was not held.
const HELD: f64 = 0.02;

impl Sweep {
    /// Of the records of one sweep, in any order.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut records: Vec<(u32, &Record)> =
            records.into_iter().filter_map(|record| Some((record.plan.lock_clock_mhz?, record))).collect();
        records.sort_by_key(|(mhz, _)| *mhz);
        let rows: Vec<Row> = records.iter().flat_map(|&(clock_mhz, record)| rows(clock_mhz, record)).collect();
        let inits = inits(&rows);
        let least = |init: Init| {
            let of_init = rows.iter().filter(|row| row.init == init);
            let energies = of_init.filter_map(|row| Some((row.clock_mhz, row.energy_j?)));
            let least = energies.min_by(|a, b| a.1.total_cmp(&b.1));
            least.map(|(mhz, _)| (init, mhz))
        };
        let least_energy = inits.iter().filter_map(|&init| least(init)).collect();
        let held: BTreeSet<u32> =
            records.iter().filter(|(mhz, record)| is_held(*mhz, record)).map(|held| held.0).collect();
        Sweep { fit: fit(&rows, &inits, held), least_energy, rows }
    }
}

/// The inits, in the order of the rows.
pub fn inits(rows: &[Row]) -> Vec<Init> {
    let mut inits: Vec<Init> = vec![];
    for row in rows {
        if !inits.contains(&row.init) {
            inits.push(row.init);
        }
    }
    inits
}

fn rows(clock_mhz: u32, record: &Record) -> impl Iterator<Item = Row> + '_ {
    record.plan.inits.iter().filter_map(move |&init| {
        let summary = record.summary.inits.get(&init)?;
        let ratios = record.summary.ratios.get(&init);
        Some(Row {
            clock_mhz,
            init,
            time_s: summary.time_s,
            power_w: summary.power_w,
            energy_j: summary.energy_j,
            ratio: ratios.and_then(|ratios| ratios.energy.or(ratios.time)),
        })
    })
}

/// Is its power that of the clock it was locked at?
fn is_held(mhz: u32, record: &Record) -> bool {
    let seen = record.summary.inits.values().filter_map(|init| init.clock_mhz);
    let off = |seen: f64| (seen / f64::from(mhz) - 1.0).abs();
    !record.verdict.is_invalid()
        && !record.verdict.flags.contains(&Flag::PowerCapped)
        && seen.map(off).all(|off| off <= HELD)
}

/// Lines that leave one point, through the lowest clocks: as many as lie on them.
fn fit(rows: &[Row], inits: &[Init], mut clocks: BTreeSet<u32>) -> Option<Fit> {
    while clocks.len() >= LEAST_CLOCKS {
        let of_init = |init: &Init| -> Vec<(f64, f64)> {
            let fits = rows.iter().filter(|row| row.init == *init && clocks.contains(&row.clock_mhz));
            fits.filter_map(|row| Some((f64::from(row.clock_mhz), row.power_w?))).collect()
        };
        let lines: Vec<Vec<(f64, f64)>> = inits.iter().map(of_init).collect();
        let Fan { intercept, slopes } = stats::fan(&lines)?;
        let off = |(points, slope): (&Vec<(f64, f64)>, &Estimate)| {
            let share = |&(x, y): &(f64, f64)| ((intercept.estimate + slope.estimate * x) / y - 1.0).abs();
            points.iter().map(share).fold(0.0, f64::max)
        };
        if lines.iter().zip(&slopes).map(off).fold(0.0, f64::max) <= STRAIGHT {
            let (from_mhz, to_mhz) = (*clocks.first()?, *clocks.last()?);
            let w_per_mhz = inits.iter().copied().zip(slopes).collect();
            return Some(Fit { static_w: intercept, w_per_mhz, from_mhz, to_mhz });
        }
        clocks.pop_last();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_named_or_counted() {
        assert_eq!("1200,600, 900".parse(), Ok(Clocks::These(vec![600, 900, 1200])));
        assert_eq!("5".parse(), Ok(Clocks::Spread(5)));
        for text in ["", "600", "1", "600,600", "600,", "600,x", "0,600", "-1,600", "600,100001"] {
            assert!(text.parse::<Clocks>().unwrap_err().contains("600,900,1200"), "{text}");
        }
    }

    #[test]
    fn clocks_are_those_that_the_device_has() {
        let has = || Ok((14..=94).rev().map(|i| 15 * i).collect::<Vec<u32>>());
        let of = |text: &str, has| text.parse::<Clocks>().unwrap().of("card", has).map_err(|error| error.to_string());
        assert_eq!(of("600,900", has()), Ok(vec![600, 900]));
        assert_eq!(of("5", has()), Ok(vec![210, 510, 810, 1110, 1410]));
        assert_eq!(of("4", has()), Ok(vec![210, 615, 1005, 1410]));
        let refused = "--clocks: card does not have 1000, but 210 to 1410 in steps of 15 MHz";
        assert_eq!(of("600,1000", has()), Err(refused.into()));
        assert_eq!(of("5", Ok(vec![500, 900])), Err("--clocks: card does not have 5 clocks, but 500, 900 MHz".into()));
        assert_eq!(of("2,3", Ok(vec![])), Err("--clocks: card does not have 2, but none".into()));
        let silent = || Err(PowerError::Unsupported { what: "listing".into(), fix: "name them" });
        assert_eq!(of("600,1000", silent()), Ok(vec![600, 1000]), "they may be right");
        assert!(of("5", silent()).unwrap_err().contains("name them"));
    }

    #[test]
    fn a_list_of_clocks_is_told_in_few_words() {
        let told = |clocks: &[u32]| steps(&clocks.iter().copied().collect());
        assert_eq!(told(&[300, 600, 900, 1200]), "300 to 1200 in steps of 300 MHz");
        assert_eq!(told(&[19, 300, 800, 1200, 1500]), "19, 300, 800, 1200, 1500 MHz");
        assert_eq!(told(&[100, 210, 225, 240, 255, 300]), "100, 210 to 255 in steps of 15, 300 MHz");
    }

    /// Above 1200 MHz the voltage rises with the clock.
    #[test]
    fn the_fit_ends_where_power_bends() {
        let inits = [Init::Zeros, Init::Gaussian];
        let power_w = |mhz: u32, per_mhz: f64| {
            let voltage = 1.0 + f64::from(mhz.max(1200) - 1200) / 2000.0;
            Some(50.0 + per_mhz * f64::from(mhz) * voltage * voltage)
        };
        let all = [600, 900, 1200, 1500, 1800];
        let row = |clock_mhz, init, per_mhz| {
            let power_w = power_w(clock_mhz, per_mhz);
            Row { clock_mhz, init, time_s: 1.0, power_w, energy_j: power_w, ratio: None }
        };
        let rows: Vec<Row> =
            all.iter().flat_map(|&mhz| [row(mhz, Init::Zeros, 0.1), row(mhz, Init::Gaussian, 0.16)]).collect();
        let found = fit(&rows, &inits, all.into_iter().collect()).unwrap();
        assert_eq!((found.from_mhz, found.to_mhz), (600, 1200));
        assert!((found.static_w.estimate - 50.0).abs() < 1e-9, "{found:?}");
        assert!((found.w_per_mhz[1].1.estimate - 0.16).abs() < 1e-12, "{found:?}");
        assert_eq!(fit(&rows, &inits, [600, 900].into()), None, "through two clocks there is always a line");
        assert_eq!(fit(&rows, &inits, [600, 1500, 1800].into()), None);
    }
}
