//! What will be measured: the arguments, completed by what the adapter and its sensor are.

use crate::dtype::Dtype;
use crate::inputs::Init;
use crate::power::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The name and version of the protocol. A change of what is measured, or how, changes it.
pub const PROTOCOL: &str = "zeros-gaussian/1";

/// A run, in full. Stands in the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// n: A, B and C are n × n.
    pub size: usize,
    /// The type of the elements.
    pub dtype: Dtype,
    /// The first is the reference of the ratios.
    pub inits: Vec<Init>,
    pub seed: u64,
    pub rounds: u32,
    pub window_s: f64,
    pub settling_s: f64,
    /// The warm-up ends between these, when power is steady.
    pub warm_up_s: (f64, f64),
    /// Each idle measurement.
    pub idle_s: f64,
    /// None: the clock is free.
    pub lock_clock_mhz: Option<u32>,
    /// What the records of one sweep over the clock have in common. None: it is no part of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<String>,
    /// The command line fixed the settling time: a slow sensor does not stretch it.
    #[serde(skip)]
    pub settling_fixed: bool,
    /// Likewise the window.
    #[serde(skip)]
    pub window_fixed: bool,
}

/// What the command line says of the plan; None where it is silent.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub size: Option<usize>,
    pub dtype: Dtype,
    pub inits: Vec<Init>,
    pub seed: u64,
    pub rounds: Option<u32>,
    pub window_s: Option<f64>,
    pub settling_s: Option<f64>,
    pub warm_up_s: Option<f64>,
    pub quick: bool,
    pub lock_clock_mhz: Option<u32>,
    pub sweep: Option<String>,
}

/// What of the command line makes no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    #[error("--size 0 has nothing to multiply: choose 1 or more")]
    NoSize,
    #[error("--size {size} does not fit {adapter}: the largest that does is --size {largest}")]
    TooLarge { size: usize, largest: usize, adapter: String },
    #[error("--dtype {dtype} is not for {adapter}: its driver has no such type; choose from {}", names(.has))]
    NoDtype { dtype: Dtype, adapter: String, has: Vec<Dtype> },
    #[error(
        "--init needs at least two inits, the reference first, such as zeros,gaussian: their ratio is what is measured"
    )]
    Inits,
    #[error("--init names {0} inits: {MOST_INITS} at most")]
    Many(usize),
    #[error("--init has {0} twice: name each init once, the reference first")]
    Twice(Init),
    #[error("--clocks: {device} does not have {asked}, but {has}")]
    Clocks { asked: String, device: String, has: String },
    #[error("--rounds {0} is outside 1 to 1000")]
    Rounds(u32),
    #[error("{option} {value} is outside {least} to {most} seconds")]
    Seconds { option: &'static str, value: f64, least: f64, most: f64 },
}

fn names(dtypes: &[Dtype]) -> String {
    dtypes.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(", ")
}

/// A GPU holds the matrices of all inits at once, and a person waits for each.
pub const MOST_INITS: usize = 100;
/// n without `--size`: the size of the experiment that this protocol repeats, and one that a CPU can do.
const GPU_SIZE: usize = 10_000;
const SOFTWARE_SIZE: usize = 1024;
/// A sensor's running mean has forgotten all but 5 % of the load before, after so many of its averaging times.
const SETTLING_AVERAGES: f64 = 3.0;
/// A window holds at least so many updates of the energy counter: at its edges up to two are lost.
const WINDOW_UPDATES: f64 = 10.0;

impl Plan {
    /// Completes the wishes. `largest` is the largest n that fits the adapter.
    ///
    /// # Errors
    /// A wish that cannot be met; the message names the option.
    pub fn new(wishes: &Wishes, software: bool, largest: usize, adapter: &str) -> Result<Self, PlanError> {
        let size = wishes.size.unwrap_or(if software { SOFTWARE_SIZE } else { GPU_SIZE }.min(largest));
        match size {
            0 => return Err(PlanError::NoSize),
            _ if size > largest => return Err(PlanError::TooLarge { size, largest, adapter: adapter.into() }),
            _ => {}
        }
        let inits = if wishes.inits.is_empty() { vec![Init::Zeros, Init::Gaussian] } else { wishes.inits.clone() };
        match inits.len() {
            ..2 => return Err(PlanError::Inits),
            count if count > MOST_INITS => return Err(PlanError::Many(count)),
            _ => {}
        }
        if let Some(i) = (1..inits.len()).find(|&i| inits[..i].contains(&inits[i])) {
            return Err(PlanError::Twice(inits[i]));
        }
        let quick = wishes.quick || software;
        let rounds = wishes.rounds.unwrap_or(if quick { 4 } else { 6 });
        if !(1..=1000).contains(&rounds) {
            return Err(PlanError::Rounds(rounds));
        }
        let seconds = |option, wish: Option<f64>, usual: f64, least: f64, most: f64| match wish.unwrap_or(usual) {
            value if (least..=most).contains(&value) => Ok(value),
            value => Err(PlanError::Seconds { option, value, least, most }),
        };
        let window_s = seconds("--window", wishes.window_s, if quick { 2.0 } else { 10.0 }, 0.1, 3600.0)?;
        // A first look at many inits is short too.
        let usual_s = match (quick, inits.len()) {
            (false, _) => 3.0,
            (true, ..=2) => 1.0,
            (true, _) => 0.5,
        };
        let settling_s = seconds("--settling", wishes.settling_s, usual_s, 0.0, 600.0)?;
        let usual = if quick { (3.0, 10.0) } else { (20.0, 120.0) };
        let longest_s = seconds("--warm-up", wishes.warm_up_s, usual.1, 0.0, 3600.0)?;
        let warm_up_s = if wishes.warm_up_s.is_some() { (longest_s.min(usual.0), longest_s) } else { usual };
        Ok(Plan {
            size,
            dtype: wishes.dtype,
            inits,
            seed: wishes.seed,
            rounds,
            window_s,
            settling_s,
            warm_up_s,
            idle_s: if quick { 1.0 } else { 5.0 },
            lock_clock_mhz: wishes.lock_clock_mhz,
            sweep: wishes.sweep.clone(),
            settling_fixed: wishes.settling_s.is_some(),
            window_fixed: wishes.window_s.is_some(),
        })
    }

    /// Stretches what the sensor is too slow for, unless the command line fixed it: a settling time must outlast the sensor's
    /// memory, and a window must hold enough updates of its counter, `period_s` apart.
    pub fn fit_to_sensor(&mut self, source: &Source, period_s: Option<f64>) {
        if !self.settling_fixed {
            self.settling_s = self.settling_s.max(SETTLING_AVERAGES * source.averaging_s());
        }
        if let (false, Some(period_s), Some(_)) = (self.window_fixed, period_s, source.counter) {
            self.window_s = self.window_s.max(WINDOW_UPDATES * period_s);
        }
    }

    /// FLOP of one product; operations on integers count as such.
    pub fn flop(&self) -> f64 {
        2.0 * (self.size as f64).powi(3)
    }

    /// How many windows the rounds have.
    pub fn windows(&self) -> f64 {
        f64::from(self.rounds) * self.inits.len() as f64
    }

    /// About how long the rounds take.
    pub fn rounds_s(&self) -> f64 {
        self.windows() * (self.settling_s + self.window_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{Counter, PowerKind, Scope};

    fn plan(wishes: Wishes) -> Result<Plan, PlanError> {
        Plan::new(&wishes, false, 20_000, "card")
    }

    #[test]
    fn a_gpu_gets_the_standard_protocol_and_a_cpu_the_quick_one() {
        let standard = plan(Wishes::default()).unwrap();
        assert_eq!((standard.size, standard.rounds, standard.window_s, standard.settling_s), (10_000, 6, 10.0, 3.0));
        let quick = Plan::new(&Wishes::default(), true, 5760, "llvmpipe").unwrap();
        assert_eq!((quick.size, quick.rounds, quick.window_s, quick.warm_up_s), (1024, 4, 2.0, (3.0, 10.0)));
        assert_eq!(Plan::new(&Wishes::default(), false, 8192, "card").unwrap().size, 8192, "the largest that fits");
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_option() {
        let refused = |wishes| plan(wishes).unwrap_err().to_string();
        assert!(refused(Wishes { size: Some(0), ..Wishes::default() }).contains("--size"));
        let large = refused(Wishes { size: Some(20_001), ..Wishes::default() });
        assert_eq!(large, "--size 20001 does not fit card: the largest that does is --size 20000");
        assert!(refused(Wishes { rounds: Some(0), ..Wishes::default() }).contains("--rounds"));
        for window_s in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(refused(Wishes { window_s: Some(window_s), ..Wishes::default() }).contains("--window"));
        }
        assert_eq!(plan(Wishes { inits: vec![Init::Zeros], ..Wishes::default() }), Err(PlanError::Inits));
        let many: Vec<Init> = (2..=102).map(|sigma| format!("gaussian:{sigma}").parse().unwrap()).collect();
        assert_eq!(plan(Wishes { inits: many, ..Wishes::default() }), Err(PlanError::Many(101)));
        let inits = vec![Init::Gaussian, Init::Zeros, Init::Gaussian];
        assert_eq!(plan(Wishes { inits, ..Wishes::default() }), Err(PlanError::Twice(Init::Gaussian)));
    }

    #[test]
    fn a_slow_sensor_stretches_the_plan_but_never_the_users_word() {
        let source = Source {
            counter: Some(Counter { resolution_uj: None, wraps_at_uj: None }),
            power: Some(PowerKind::AverageMs(2000)),
            ..Source::new("test", "card", Scope::Board)
        };
        let mut slow = plan(Wishes::default()).unwrap();
        slow.fit_to_sensor(&source, Some(2.2));
        assert_eq!((slow.settling_s, slow.window_s), (6.0, 22.0));
        let wishes = Wishes { settling_s: Some(1.0), window_s: Some(5.0), ..Wishes::default() };
        let mut fixed = plan(wishes).unwrap();
        fixed.fit_to_sensor(&source, Some(2.2));
        assert_eq!((fixed.settling_s, fixed.window_s), (1.0, 5.0));
    }
}
