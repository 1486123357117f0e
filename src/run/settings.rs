//! The settings of a sweep: clocks or power limits.

use super::plan::PlanError;
use crate::protocol::PowerError;
use crate::record::plan::Knob;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::str::FromStr;

/// The settings of a knob that a device has, or why it does not tell.
pub(crate) type Supported = Result<Vec<u32>, PowerError>;

/// `--clocks` in MHz, `--power-limits` in W, or how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settings {
    /// In ascending order, at least two.
    These(Vec<u32>),
    /// So many, spread over all that the device has.
    Spread(usize),
}

/// The option that names settings, what a number of them is called, and their unit.
fn words(knob: Knob) -> (&'static str, &'static str, &'static str) {
    match knob {
        Knob::Clock => ("--clocks", "clocks", "MHz"),
        Knob::PowerLimit => ("--power-limits", "power limits", "W"),
    }
}

/// As many as a person waits for.
const MOST_SPREAD: usize = 20;

impl FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<u32>().ok().filter(|number| (1..=100_000).contains(number));
        let numbers: Option<Vec<u32>> = text.split(',').map(number).collect();
        let distinct: BTreeSet<u32> = numbers.iter().flatten().copied().collect();
        match numbers.as_deref() {
            Some(&[count]) if (2..=MOST_SPREAD).contains(&(count as usize)) => Ok(Settings::Spread(count as usize)),
            Some([_, _, ..]) if numbers.as_ref().is_some_and(|numbers| numbers.len() == distinct.len()) => {
                Ok(Settings::These(distinct.into_iter().collect()))
            }
            _ => Err(format!(
                "name two or more, each once, such as 600,900,1200, or how many to spread over the range, 2 to {MOST_SPREAD}"
            )),
        }
    }
}

impl Settings {
    /// The settings of a device that has these. Where it does not tell, those that are named may be right.
    ///
    /// # Errors
    /// It has not all that are named ([`PlanError`]), or does not tell among which to spread.
    pub fn of(&self, knob: Knob, device: &str, has: Supported) -> anyhow::Result<Vec<u32>> {
        let (option, name, unit) = words(knob);
        let has: BTreeSet<u32> = match (has, self) {
            (Ok(has), _) => has.into_iter().collect(),
            (Err(_), Settings::These(settings)) => return Ok(settings.clone()),
            (Err(why), Settings::Spread(_)) => return Err(why.into()),
        };
        let refused = |asked| PlanError::Setting { option, asked, device: device.into(), has: steps(&has, unit) };
        let text = |count: usize| format!("{count} {name}");
        match self {
            Settings::These(settings) => match settings.iter().find(|setting| !has.contains(setting)) {
                Some(missing) => Err(refused(missing.to_string()).into()),
                None => Ok(settings.clone()),
            },
            Settings::Spread(count) => {
                let all: Vec<u32> = has.iter().copied().collect();
                let (Some(&least), Some(&most)) = (all.first(), all.last()) else {
                    return Err(refused(text(*count)).into());
                };
                let nearest = |i: usize| {
                    let at = f64::from(least) + f64::from(most - least) * i as f64 / (count - 1) as f64;
                    all.iter().copied().min_by(|a, b| (f64::from(*a) - at).abs().total_cmp(&(f64::from(*b) - at).abs()))
                };
                let spread: BTreeSet<u32> = (0..*count).filter_map(nearest).collect();
                if spread.len() < *count { Err(refused(text(*count)).into()) } else { Ok(spread.into_iter().collect()) }
            }
        }
    }
}

/// `210, 225 to 1410 in steps of 15`: every setting, in few words.
fn steps(settings: &BTreeSet<u32>, unit: &str) -> String {
    let all: Vec<u32> = settings.iter().copied().collect();
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
    if text.is_empty() { "none".into() } else { format!("{text} {unit}") }
}

/// What the records of one sweep have in common, so that they are found again: eight hexadecimal digits of the time.
pub(crate) fn new_id() -> String {
    let now = jiff::Timestamp::now().as_nanosecond().to_le_bytes();
    blake3::hash(&now).to_hex()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_named_or_counted() {
        assert_eq!("1200,600, 900".parse(), Ok(Settings::These(vec![600, 900, 1200])));
        assert_eq!("5".parse(), Ok(Settings::Spread(5)));
        for text in ["", "600", "1", "600,600", "600,", "600,x", "0,600", "-1,600", "600,100001"] {
            assert!(text.parse::<Settings>().unwrap_err().contains("600,900,1200"), "{text}");
        }
    }

    #[test]
    fn clocks_are_those_that_the_device_has() {
        let has = || Ok((14..=94).rev().map(|i| 15 * i).collect::<Vec<u32>>());
        let of = |text: &str, has| {
            text.parse::<Settings>().unwrap().of(Knob::Clock, "card", has).map_err(|error| error.to_string())
        };
        assert_eq!(of("600,900", has()), Ok(vec![600, 900]));
        assert_eq!(of("5", has()), Ok(vec![210, 510, 810, 1110, 1410]));
        assert_eq!(of("4", has()), Ok(vec![210, 615, 1005, 1410]));
        let refused = "--clocks: card does not have 1000, but 210 to 1410 in steps of 15 MHz";
        assert_eq!(of("600,1000", has()), Err(refused.into()));
        assert_eq!(of("5", Ok(vec![500, 900])), Err("--clocks: card does not have 5 clocks, but 500, 900 MHz".into()));
        assert_eq!(of("2,3", Ok(vec![])), Err("--clocks: card does not have 2, but none".into()));
        let watts = "200,450".parse::<Settings>().unwrap().of(Knob::PowerLimit, "card", Ok((100..=400).collect()));
        let refused = "--power-limits: card does not have 450, but 100 to 400 in steps of 1 W";
        assert_eq!(watts.map_err(|error| error.to_string()), Err(refused.into()));
        let silent = || Err(PowerError::Unsupported { what: "listing".into(), fix: "name them" });
        assert_eq!(of("600,1000", silent()), Ok(vec![600, 1000]), "they may be right");
        assert!(of("5", silent()).unwrap_err().contains("name them"));
    }

    #[test]
    fn a_list_of_clocks_is_told_in_few_words() {
        let told = |clocks: &[u32]| steps(&clocks.iter().copied().collect(), "MHz");
        assert_eq!(told(&[300, 600, 900, 1200]), "300 to 1200 in steps of 300 MHz");
        assert_eq!(told(&[19, 300, 800, 1200, 1500]), "19, 300, 800, 1200, 1500 MHz");
        assert_eq!(told(&[100, 210, 225, 240, 255, 300]), "100, 210 to 255 in steps of 15, 300 MHz");
    }
}
