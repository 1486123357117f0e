//! What the matrices can be filled with. Each formula is exact arithmetic on a seeded stream, so that it gives the same bits
//! on every machine; docs/INITS.md shows them as a table.

use super::tensor::Loaded;
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
    /// Elements drawn evenly from [1, 2): one exponent, one sign, full mantissas.
    Octave,
    /// −1 and 1, evenly.
    Signs,
    /// Elements drawn evenly from [−1, 1), one from each nth of it in each column, in ascending order.
    Ramp,
    /// The elements of `gaussian`'s first row in every row.
    EqualRows,
    /// In every row, its first element of `gaussian` throughout.
    EqualColumns,
    /// Numbers of the user's, from files.
    Own(Own),
}

/// What the names of inits from files begin with; so many digits follow.
const OWN: &str = "file";
const OWN_DIGITS: usize = 8;

/// A and B of which a file has at least one. Two are equal when their names are. Read from a record, it has a name alone.
#[derive(Clone, Copy)]
pub struct Own {
    pub(super) name: u32,
    /// Of A and B. They live as long as the program: they are few, and an [`Init`] is copied everywhere.
    pub(super) numbers: Option<&'static [Side; 2]>,
}

/// What fills one operand.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Init(Init),
    Loaded(&'static Loaded),
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
pub(super) const LARGEST: f32 = 1e12;
/// The smallest: their products stay far from the numbers that f32 has no full mantissa for.
pub(super) const SMALLEST: f32 = 1e-12;
/// Bits of an f32 mantissa, the leading 1 aside.
const MANTISSA_BITS: u8 = 23;
/// The largest of `integers`: products of up to 64, of which a sum of 262,144 is still exact in f32.
const LARGEST_INTEGER: u32 = 8;

impl Init {
    /// What `--atlas` measures: every kind, and those of several parameters that pull the counts of bits apart. The reference is first.
    #[expect(clippy::approx_constant, reason = "six digits of a number, and no π")]
    pub const ALL: [Init; 20] = [
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
        Init::Octave,
        Init::Signs,
        Init::Ramp,
        Init::EqualRows,
        Init::EqualColumns,
        Init::Constant(Number(-1.9999)),
        Init::Sparse(Number(0.2)),
        Init::Sparse(Number(0.9)),
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
            Init::Octave => "octave",
            Init::Signs => "signs",
            Init::Ramp => "ramp",
            Init::EqualRows => "equal-rows",
            Init::EqualColumns => "equal-columns",
            Init::Own(_) => OWN,
        }
    }

    /// Where in its stream of rows a row's random numbers come from.
    pub(super) fn stream_of(self, row: usize) -> usize {
        if self == Init::EqualRows { 0 } else { row }
    }

    /// Fills a row. Random numbers come from `stream`, and what else is random, so that the numbers stay those of `gaussian`,
    /// from `mask`. `place` is the row's number and how many there are.
    pub fn fill(self, stream: &mut ChaCha8Rng, mask: &mut ChaCha8Rng, place: (usize, usize), row: &mut [f32]) {
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
                Init::Gaussian.fill(stream, mask, place, row);
                row.sort_unstable_by(f32::total_cmp);
            }
            Init::Mantissa(bits) => {
                let kept = u32::MAX << (MANTISSA_BITS - bits);
                row.fill_with(|| f32::from_bits(normal(stream).to_bits() & kept));
            }
            Init::Positive => row.fill_with(|| normal(stream).abs()),
            // 23 bits: all f32 from 1 to 2.
            Init::Octave => row.fill_with(|| f32::from_bits(1.0f32.to_bits() | stream.next_u32() >> 9)),
            Init::Signs => row.fill_with(|| if stream.next_u32() >> 31 == 0 { 1.0 } else { -1.0 }),
            Init::Ramp => {
                let (number, rows) = (place.0 as f64, place.1 as f64);
                let from_0 = |random: u32| (number + f64::from(random) / 4_294_967_296.0) / rows;
                row.fill_with(|| (2.0 * from_0(stream.next_u32()) - 1.0) as f32);
            }
            Init::EqualRows => Init::Gaussian.fill(stream, mask, place, row),
            Init::EqualColumns => row.fill(normal(stream)),
            // No numbers of a stream: `Matrix::row` has them from the file.
            Init::Own(_) => row.fill(f32::NAN),
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
            ("octave", None) => Ok(Init::Octave),
            ("signs", None) => Ok(Init::Signs),
            ("ramp", None) => Ok(Init::Ramp),
            ("equal-rows", None) => Ok(Init::EqualRows),
            ("equal-columns", None) => Ok(Init::EqualColumns),
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
            (OWN, Some(digits)) => {
                let what = "the eight digits of a record";
                let missing = InitError::Parameter { text: text.into(), what, example: "file:1a2b3c4d" };
                Own::of_record(digits).map(Init::Own).ok_or(missing)
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
            Init::Own(own) => fmt::Display::fmt(own, f),
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

impl Own {
    /// Of a record: the digits after the colon.
    fn of_record(digits: &str) -> Option<Self> {
        let plain = digits.len() == OWN_DIGITS && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let name = u32::from_str_radix(digits, 16).ok().filter(|_| plain)?;
        Some(Own { name, numbers: None })
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&format!("{OWN}:{:0OWN_DIGITS$x}", self.name))
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Own {}

impl PartialOrd for Own {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Own {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(&other.name)
    }
}

impl Hash for Own {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
