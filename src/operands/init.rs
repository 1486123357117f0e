//! What the matrices can be filled with. Each formula is exact arithmetic on a seeded stream, so that it gives the same bits
//! on every machine; docs/INITS.md shows them as a table.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use rand_distr::{Distribution, StandardNormal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use thiserror::Error;

/// How the matrices are filled. Its text on the command line and in records is that of its `Display`: the name, and after a
/// colon the parameter, in the one way in which it is written (`gaussian:1024`, whoever says `gaussian:1.024e3`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Init {
    /// All elements are +0.0: the fewest switching transistors that the arithmetic can have.
    Zeros,
    /// All elements are 1.
    Ones,
    /// All elements are this number.
    Constant(Number),
    /// Elements drawn from N(0, 1).
    Gaussian,
    /// The elements of `gaussian` times this σ.
    Scaled(Number),
    /// Elements drawn evenly from [−1, 1).
    Uniform,
    /// The elements of `gaussian`, of which this share is 0.
    Sparse(Number),
    /// −1, 0 and 1, a third each.
    Ternary,
    /// Whole numbers from −8 to 8, evenly.
    Integers,
    /// The elements of `gaussian`, each row in ascending order.
    Sorted,
    /// The elements of `gaussian` with all but so many of their 23 mantissa bits cleared, from the top.
    Mantissa(u8),
    /// The magnitudes of `gaussian`.
    Positive,
}

/// A parameter: finite, and never −0, so that equal numbers have equal bits.
#[derive(Clone, Copy, Debug)]
pub struct Number(f32);

/// What of a text is no init.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum InitError {
    #[error("no init is called '{0}': choose from {list}", list = names())]
    Unknown(String),
    #[error("'{text}' has no parameter: leave out what follows '{name}'")]
    NoParameter { text: String, name: &'static str },
    #[error("'{text}' needs {what}, such as {example}")]
    Parameter { text: String, what: &'static str, example: &'static str },
}

/// All, as a text in which whoever mistyped one finds it.
fn names() -> String {
    Init::ALL.map(|init| init.to_string()).join(", ")
}

/// The largest constant and σ: the sum of a row's products stays far from infinity.
const LARGEST: f32 = 1e12;
/// The smallest: their products stay far from the numbers that f32 has no full mantissa for.
const SMALLEST: f32 = 1e-12;
/// Bits of an f32 mantissa, the leading 1 aside.
const MANTISSA_BITS: u8 = 23;
/// The largest of `integers`: products of up to 64, of which a sum of 262,144 is still exact in f32.
const LARGEST_INTEGER: u32 = 8;

impl Init {
    /// Every kind once, its parameter as an example has it: what `--atlas` measures. The reference is first.
    #[expect(clippy::approx_constant, reason = "six digits of a number, and no π")]
    pub const ALL: [Init; 12] = [
        Init::Zeros,
        Init::Ones,
        Init::Constant(Number(3.14159)),
        Init::Gaussian,
        Init::Scaled(Number(1024.0)),
        Init::Uniform,
        Init::Sparse(Number(0.5)),
        Init::Ternary,
        Init::Integers,
        Init::Sorted,
        Init::Mantissa(8),
        Init::Positive,
    ];

    /// The kind, without its parameter.
    pub fn name(self) -> &'static str {
        match self {
            Init::Zeros => "zeros",
            Init::Ones => "ones",
            Init::Constant(_) => "constant",
            Init::Gaussian | Init::Scaled(_) => "gaussian",
            Init::Uniform => "uniform",
            Init::Sparse(_) => "sparse",
            Init::Ternary => "ternary",
            Init::Integers => "integers",
            Init::Sorted => "sorted",
            Init::Mantissa(_) => "mantissa",
            Init::Positive => "positive",
        }
    }

    /// Fills a row. Random numbers come from `stream`, and what else is random, so that the numbers stay those of `gaussian`,
    /// from `mask`.
    pub fn fill(self, stream: &mut ChaCha8Rng, mask: &mut ChaCha8Rng, row: &mut [f32]) {
        match self {
            Init::Zeros => row.fill(0.0),
            Init::Ones => row.fill(1.0),
            Init::Constant(Number(number)) => row.fill(number),
            Init::Gaussian => row.fill_with(|| StandardNormal.sample(stream)),
            Init::Scaled(Number(sigma)) => row.fill_with(|| sigma * normal(stream)),
            // 24 bits: all multiples of 2⁻²³ from −1 on, none of them rounded.
            Init::Uniform => row.fill_with(|| (stream.next_u32() >> 8) as f32 / 8_388_608.0 - 1.0),
            Init::Sparse(Number(share)) => {
                let zeros = (f64::from(share) * 4_294_967_296.0) as u32;
                row.fill_with(|| {
                    let number = normal(stream);
                    if mask.next_u32() < zeros { 0.0 } else { number }
                });
            }
            Init::Ternary => row.fill_with(|| whole(stream, 1)),
            Init::Integers => row.fill_with(|| whole(stream, LARGEST_INTEGER)),
            Init::Sorted => {
                Init::Gaussian.fill(stream, mask, row);
                row.sort_unstable_by(f32::total_cmp);
            }
            Init::Mantissa(bits) => {
                let kept = u32::MAX << (MANTISSA_BITS - bits);
                row.fill_with(|| f32::from_bits(normal(stream).to_bits() & kept));
            }
            Init::Positive => row.fill_with(|| normal(stream).abs()),
        }
    }

    /// The init in the one way in which it is written.
    fn named(text: &str) -> Result<Self, InitError> {
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let number = |what, example, fits: &dyn Fn(f32) -> bool| {
            let number = parameter.and_then(|parameter| parameter.parse().ok()).filter(|&number| fits(number));
            // −0 is not among the numbers, and + 0.0 makes it 0.
            number.map(|number| Number(number + 0.0)).ok_or(InitError::Parameter { text: text.into(), what, example })
        };
        match (name, parameter) {
            ("zeros", None) => Ok(Init::Zeros),
            ("ones", None) => Ok(Init::Ones),
            ("gaussian", None) => Ok(Init::Gaussian),
            ("uniform", None) => Ok(Init::Uniform),
            ("ternary", None) => Ok(Init::Ternary),
            ("integers", None) => Ok(Init::Integers),
            ("sorted", None) => Ok(Init::Sorted),
            ("positive", None) => Ok(Init::Positive),
            ("constant", _) => {
                let fits = |number: f32| number == 0.0 || (SMALLEST..=LARGEST).contains(&number.abs());
                let number = number("a number of a magnitude from 1e-12 to 1e12", "constant:3.14159", &fits)?;
                Ok(match number.0 {
                    0.0 => Init::Zeros,
                    1.0 => Init::Ones,
                    _ => Init::Constant(number),
                })
            }
            ("gaussian", Some(_)) => {
                let fits = |sigma: f32| (SMALLEST..=LARGEST).contains(&sigma);
                let sigma = number("a standard deviation from 1e-12 to 1e12", "gaussian:1024", &fits)?;
                Ok(if sigma.0 == 1.0 { Init::Gaussian } else { Init::Scaled(sigma) })
            }
            ("sparse", _) => {
                let share = number("the share of zeros, above 0 and below 1", "sparse:0.5", &|s| s > 0.0 && s < 1.0)?;
                Ok(Init::Sparse(share))
            }
            ("mantissa", _) => {
                let bits = parameter.and_then(|bits| bits.parse().ok()).filter(|&bits| bits < MANTISSA_BITS);
                let what = "how many mantissa bits stay, from 0 to 22";
                let missing = InitError::Parameter { text: text.into(), what, example: "mantissa:8" };
                bits.map(Init::Mantissa).ok_or(missing)
            }
            (name, parameter) => {
                let known = Init::ALL.into_iter().find(|init| init.name() == name).filter(|_| parameter.is_some());
                Err(match known {
                    Some(init) => InitError::NoParameter { text: text.into(), name: init.name() },
                    None => InitError::Unknown(text.into()),
                })
            }
        }
    }
}

fn normal(stream: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(stream)
}

/// A whole number from −`largest` to `largest`, evenly but for 2⁻³² or less.
fn whole(stream: &mut ChaCha8Rng, largest: u32) -> f32 {
    let count = u64::from(2 * largest + 1);
    let from_0 = (u64::from(stream.next_u32()) * count) >> 32;
    from_0 as f32 - largest as f32
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let name = self.name();
        match self {
            Init::Constant(number) | Init::Scaled(number) | Init::Sparse(number) => f.pad(&format!("{name}:{number}")),
            Init::Mantissa(bits) => f.pad(&format!("{name}:{bits}")),
            _ => f.pad(name),
        }
    }
}

impl FromStr for Init {
    type Err = InitError;

    fn from_str(text: &str) -> Result<Self, InitError> {
        Init::named(text)
    }
}

impl TryFrom<String> for Init {
    type Error = InitError;

    fn try_from(text: String) -> Result<Self, InitError> {
        Init::named(&text)
    }
}

impl From<Init> for String {
    fn from(init: Init) -> String {
        init.to_string()
    }
}

impl fmt::Display for Number {
    /// The fewest digits that read back as the same number.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if (1e-4..1e7).contains(&self.0.abs()) { write!(f, "{}", self.0) } else { write!(f, "{:e}", self.0) }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operands::{Matrix, Operand};
    use std::collections::BTreeMap;

    fn elements(init: Init, operand: Operand, size: usize) -> Vec<f32> {
        let mut elements = vec![f32::NAN; size * size];
        Matrix { init, operand, seed: 0, size }.rows(0, size, &mut elements);
        elements
    }

    /// The bits themselves: a change of a formula makes old records incomparable, and must be seen.
    #[test]
    fn bits_of_every_init_are_the_same_on_every_machine_and_for_ever() {
        let digest = |init, operand| Matrix { init, operand, seed: 0, size: 100 }.digest()[..16].to_owned();
        let line = |init: Init| format!("{init:<16} {} {}\n", digest(init, Operand::A), digest(init, Operand::B));
        insta::assert_snapshot!(Init::ALL.map(line).concat(), @"
        zeros            2a1d371e800520f7 2a1d371e800520f7
        ones             c38f5f597b46b40b c38f5f597b46b40b
        constant:3.14159 35c4fec8ffcfc045 35c4fec8ffcfc045
        gaussian         ed4c7f347d8fa9c4 a6092508c06068f0
        gaussian:1024    811951bacd9b1310 50f13e6dc97bd53c
        uniform          b51f0aa267ce794b a832cacdb969d23d
        sparse:0.5       b16266dbb6484147 27c39d5e5239acce
        ternary          f3e8ffaff0ae1d64 6f9510be87a63d6f
        integers         29a0ce3e7c5a38c0 cc8da8434aed8b35
        sorted           d1ba508cb9cd8635 3bffd3ad28457939
        mantissa:8       6cf3a6bdb5aa50e4 a84d7a5e732037a6
        positive         5cb3c95863414938 04a59b77a87b7853
        ");
    }

    #[test]
    fn every_init_is_what_it_says() {
        const SIZE: usize = 300;
        let of = |text: &str| elements(text.parse().unwrap(), Operand::A, SIZE);
        let share = |elements: &[f32], fits: &dyn Fn(f32) -> bool| {
            elements.iter().filter(|&&element| fits(element)).count() as f64 / elements.len() as f64
        };
        let near = |share: f64, expected: f64| (share - expected).abs() < 0.01; // six standard errors
        let gaussian = of("gaussian");
        assert!(of("ones").iter().all(|&x| x == 1.0) && of("constant:-2.5").iter().all(|&x| x == -2.5));
        assert!(of("gaussian:1024").iter().zip(&gaussian).all(|(&x, &g)| x == 1024.0 * g));

        let uniform = of("uniform");
        assert!(uniform.iter().all(|x| (-1.0..1.0).contains(x)));
        assert!(
            [-0.5, 0.0, 0.5].iter().zip([0.25, 0.5, 0.75]).all(|(&at, part)| near(share(&uniform, &|x| x < at), part))
        );

        let sparse = of("sparse:0.25");
        assert!(near(share(&sparse, &|x| x.to_bits() == 0), 0.25));
        assert!(sparse.iter().zip(&gaussian).all(|(&x, &g)| x == 0.0 || x == g));

        let ternary = of("ternary");
        assert!([-1.0, 0.0, 1.0].iter().all(|&value| near(share(&ternary, &|x| x == value), 1.0 / 3.0)));
        let integers = of("integers");
        assert!((-8..=8).all(|value| near(share(&integers, &|x| x == value as f32), 1.0 / 17.0)));

        let mut rows: Vec<Vec<f32>> = gaussian.chunks(SIZE).map(<[f32]>::to_vec).collect();
        rows.iter_mut().for_each(|row| row.sort_by(f32::total_cmp));
        assert_eq!(of("sorted"), rows.concat());

        let cut = |&x: &f32| f32::from_bits(x.to_bits() & 0xffff_8000);
        assert_eq!(of("mantissa:8"), gaussian.iter().map(cut).collect::<Vec<_>>());
        assert!(of("mantissa:0").iter().all(|x| x.to_bits() << 9 == 0));
        assert_eq!(of("positive"), gaussian.iter().map(|x| x.abs()).collect::<Vec<_>>());
    }

    #[test]
    fn an_init_has_one_name_by_which_it_is_read_back() {
        for (text, name) in [
            ("gaussian:1024", "gaussian:1024"),
            ("gaussian:1.024e3", "gaussian:1024"),
            ("gaussian:1", "gaussian"),
            ("constant:3.14159", "constant:3.14159"),
            ("constant:1e10", "constant:1e10"),
            ("constant:-0", "zeros"),
            ("constant:1.0", "ones"),
            ("sparse:.5", "sparse:0.5"),
            ("mantissa:08", "mantissa:8"),
        ] {
            let init: Init = text.parse().unwrap();
            assert_eq!((init.to_string().as_str(), init.to_string().parse()), (name, Ok(init)), "{text}");
        }
        let map: BTreeMap<Init, u32> = Init::ALL.into_iter().zip(0..).collect();
        let json = serde_json::to_string(&map).unwrap();
        assert!(json.starts_with(r#"{"zeros":0,"ones":1,"constant:3.14159":2,"gaussian":3"#), "{json}");
        assert_eq!(serde_json::from_str::<BTreeMap<Init, u32>>(&json).unwrap(), map);
        assert!(serde_json::from_str::<Init>(r#""gauss""#).is_err());
    }

    #[test]
    fn what_is_no_init_is_told_what_is() {
        for (text, fix) in [
            ("ones!", "zeros, ones, constant:3.14159"),
            ("", "zeros, ones"),
            ("Zeros", "zeros, ones"),
            ("zeros:0", "leave out what follows 'zeros'"),
            ("positive:", "leave out what follows 'positive'"),
            ("sparse", "sparse:0.5"),
            ("sparse:1.5", "above 0 and below 1"),
            ("sparse:0", "above 0"),
            ("sparse:NaN", "above 0"),
            ("mantissa", "mantissa:8"),
            ("mantissa:99", "from 0 to 22"),
            ("mantissa:-1", "from 0 to 22"),
            ("mantissa:2.5", "from 0 to 22"),
            ("constant", "constant:3.14159"),
            ("constant:inf", "1e-12 to 1e12"),
            ("constant:1e30", "1e-12 to 1e12"),
            ("gaussian:", "gaussian:1024"),
            ("gaussian:-1", "1e-12 to 1e12"),
            ("gaussian:0", "1e-12 to 1e12"),
        ] {
            let error = text.parse::<Init>().unwrap_err().to_string();
            assert!(error.contains(fix) && !error.contains('\n'), "{text}: {error}");
        }
    }
}
