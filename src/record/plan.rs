//! What was to be measured, and how long its parts took.

use super::sensor::Source;
use crate::operands::{Dtype, Init};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name and version of the protocol. A change of what is measured, or how, changes it.
pub const PROTOCOL: &str = "zeros-gaussian/1";

/// A GPU holds the matrices of all inits at once, and a person waits for each.
pub(crate) const MOST_INITS: usize = 100;

/// Which arithmetic units multiply. Products of the ones and of the others are experiments of their own: they share neither
/// wires nor kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Units {
    /// The plain ones of every GPU: CUDA cores, stream processors
    #[default]
    Simt,
    /// Matrix units, of f16 alone: tensor cores, WMMA, simdgroup matrices
    Matrix,
}

impl Units {
    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Units::Simt => "simt",
            Units::Matrix => "matrix",
        }
    }

    /// "f16", or by matrix units "f16 matrix": what tables call products of that type.
    pub fn of(self, dtype: Dtype) -> String {
        match self {
            Units::Simt => dtype.name().into(),
            Units::Matrix => format!("{dtype} matrix"),
        }
    }

    /// The plain units, which records of before did not name.
    fn is_simt(&self) -> bool {
        *self == Units::Simt
    }
}

/// A run as it was asked for, in full: what the command line left open is filled in. Nothing changes it on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// n: A, B and C are n × n.
    pub size: usize,
    /// The type of the elements.
    pub dtype: Dtype,
    /// Not there where the plain units multiply.
    #[serde(default, skip_serializing_if = "Units::is_simt")]
    pub units: Units,
    /// The first is the reference of the ratios.
    pub inits: Vec<Init>,
    pub seed: u64,
    /// How many rounds; with `precision`, the most.
    pub rounds: u32,
    /// Rounds go on until the half-width of the interval of each energy ratio is at most this share of it; null: all rounds.
    #[serde(default)]
    pub precision: Option<f64>,
    /// With `precision`: no round begins that would end later than so many seconds after the first began.
    #[serde(default)]
    pub longest_s: Option<f64>,
    /// Length of a window, and whether the command line fixed it: else a slow sensor makes it longer.
    pub window_s: f64,
    pub window_fixed: bool,
    /// Products before each window, likewise.
    pub settling_s: f64,
    pub settling_fixed: bool,
    /// The warm-up ends between these, when power is steady.
    pub warm_up_s: (f64, f64),
    /// Each idle measurement.
    pub idle_s: f64,
    /// None: the clock is free.
    pub lock_clock_mhz: Option<u32>,
    /// None: the power limit is what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_limit_w: Option<u32>,
    /// What the records of one sweep over the clock or the power limit have in common. None: it is no part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
}

/// What a sweep turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knob {
    /// In MHz.
    Clock,
    /// In W.
    PowerLimit,
}

/// How long windows and settling times were: the plan's, or longer where the sensor is slow.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    pub window_s: f64,
    pub settling_s: f64,
}

/// Why the rounds ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ended {
    /// The ratios are as precise as the plan asks for, and the board is warm.
    Precise,
    /// Another round would have lasted longer than the plan allows.
    Longest,
    /// All rounds of the plan were run.
    AllRounds,
}

/// Rounds that a run has at least, however precise it is, or however long they last: an interval of few rounds is narrow by chance
/// now and then.
const LEAST_ROUNDS: u32 = 6;

/// A sensor's running mean has forgotten all but 5 % of the load before, after so many of its averaging times.
const SETTLING_AVERAGES: f64 = 3.0;
/// And a sensor that updates seldom shows the pause before the window until its next update, which may be late.
const SETTLING_UPDATES: f64 = 1.1;
/// A window holds at least so many updates of the energy counter, or of the power figure where there is no counter: at its edges up
/// to two are lost.
const WINDOW_UPDATES: f64 = 10.0;
/// And, of a run that is to be precise, so many of a power figure, as long as that makes it no longer than this.
const WINDOW_FIGURES: f64 = 40.0;
const LONGEST_FOR_FIGURES_S: f64 = 10.0;

impl Plan {
    /// The lengths that suit a sensor: a settling time outlasts its memory, and a window holds enough of its updates, `period_s`
    /// apart: of its counter, or of its power figure where it has none.
    pub fn timing(&self, source: Option<&Source>, period_s: Option<f64>) -> Timing {
        let mut timing = Timing { window_s: self.window_s, settling_s: self.settling_s };
        let Some(source) = source else { return timing };
        if !self.settling_fixed {
            let update_s = SETTLING_UPDATES * period_s.unwrap_or(0.0);
            timing.settling_s = timing.settling_s.max(SETTLING_AVERAGES * source.averaging_s()).max(update_s);
        }
        if let (false, Some(period_s), true) = (self.window_fixed, period_s, source.gives_something()) {
            let needed_s = WINDOW_UPDATES * period_s;
            let better_s = match (source.counter, self.precision) {
                (None, Some(_)) => (WINDOW_FIGURES * period_s).min(LONGEST_FOR_FIGURES_S),
                _ => needed_s,
            };
            timing.window_s = timing.window_s.max(needed_s).max(better_s);
        }
        timing
    }

    /// What a knob is set to.
    pub fn setting(&self, knob: Knob) -> Option<u32> {
        match knob {
            Knob::Clock => self.lock_clock_mhz,
            Knob::PowerLimit => self.power_limit_w,
        }
    }

    /// FLOP of one product; operations on integers count as such.
    pub(crate) fn flop(&self) -> f64 {
        2.0 * (self.size as f64).powi(3)
    }

    /// How many windows the rounds have.
    pub fn windows(&self) -> f64 {
        f64::from(self.rounds) * self.inits.len() as f64
    }

    /// Whether another round is due after `done` of them, which took `seconds`; if not, why. `precise` is asked where it matters:
    /// are the ratios precise, and is the board warm?
    pub fn ends(&self, done: u32, seconds: f64, precise: impl FnOnce() -> bool) -> Option<Ended> {
        if done >= self.rounds {
            return Some(if self.precision.is_some_and(|_| precise()) { Ended::Precise } else { Ended::AllRounds });
        }
        let longest_s = self.precision.and(self.longest_s)?;
        if done < LEAST_ROUNDS {
            return None;
        }
        if precise() {
            return Some(Ended::Precise);
        }
        let next_s = seconds + seconds / f64::from(done);
        (next_s > longest_s).then_some(Ended::Longest)
    }

    /// How many rounds there are at least.
    pub fn fewest_rounds(&self) -> u32 {
        if self.precision.is_some() { self.rounds.min(LEAST_ROUNDS) } else { self.rounds }
    }

    /// About how long the rounds take at most, in seconds.
    pub(crate) fn rounds_s(&self, timing: Timing) -> f64 {
        let round_s = self.inits.len() as f64 * (timing.settling_s + timing.window_s);
        let all_s = f64::from(self.rounds) * round_s;
        self.longest_s.map_or(all_s, |longest_s| all_s.min(longest_s.max(f64::from(LEAST_ROUNDS) * round_s)))
    }
}
