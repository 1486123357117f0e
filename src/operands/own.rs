//! Numbers of the user's own: what `--init` makes of files.
//!
//! `w.npy` fills A and B alike; `x.npy@w.npy` fills A from one file and B from another, as Python writes a product; either may be an
//! init (`gaussian@w.npy`). `model.safetensors:layer.weight` is a tensor of several, and `.T` after any of them its transpose.
//!
//! Such an init is known by its numbers: its name is `file:` and eight digits of a digest of types, shapes and elements. So the same
//! numbers have the same name on every machine, and neither path nor tensor is told to whoever reads the record.

use super::init::{Init, InitError, LARGEST, Own, SMALLEST, Side};
use super::tensor::{Fit, Loaded, Shape, StoredType, Tensor, rows_and_columns};
use super::tensor_file::{self, FileError, Kind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use thiserror::Error;

/// What filled one operand, for a record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Origin {
    Init(Init),
    Tensor(TensorOrigin),
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TensorOrigin {
    /// BLAKE3 of its type, its shape, and all its elements row by row, little endian.
    pub digest: String,
    #[serde(rename = "type")]
    pub stored: StoredType,
    /// All but the last dimension are rows.
    pub shape: Vec<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub transposed: bool,
    /// How the plan's n rows and n columns were made of those that it has.
    pub rows: Fit,
    pub columns: Fit,
}

/// What of a text is no init and no file of numbers.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum OperandError {
    #[error("{0}, or name a file of your own: FILE.npy, FILE.safetensors:TENSOR")]
    Init(InitError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("'{0}' names numbers that a record tells of and does not hold: name their file")]
    OfRecord(String),
    #[error("'{0}' is neither .npy nor .safetensors: {FIX}")]
    Kind(String),
    #[error("'{0}': A and B of two inits are not mixed, only a file and an init, such as gaussian@w.npy")]
    NoFile(String),
}

const FIX: &str = "save it with numpy.save, or with safetensors' save_file";
/// What other programs save numbers as.
const OTHER_KINDS: [&str; 10] = [".npz", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt", ".gguf", ".h5", ".onnx"];

/// What `--init` names. The files are not opened before [`Operands::read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operands {
    Init(Init),
    /// Files of A and B.
    Files(String, String),
}

impl From<Init> for Operands {
    fn from(init: Init) -> Self {
        Operands::Init(init)
    }
}

impl FromStr for Operands {
    type Err = OperandError;

    fn from_str(text: &str) -> Result<Self, OperandError> {
        // A path may have an @ too: it parts A and B where both sides can be operands.
        let can_be = |side: &str| file_of(side).is_some() || side.parse::<Init>().is_ok();
        let mut parted = text.match_indices('@').map(|(at, _)| (&text[..at], &text[at + 1..]));
        match parted.find(|(a, b)| can_be(a) && can_be(b)) {
            Some((a, b)) if file_of(a).is_none() && file_of(b).is_none() => Err(OperandError::NoFile(text.into())),
            Some((a, b)) => Ok(Operands::Files(a.into(), b.into())),
            None if file_of(text).is_some() => Ok(Operands::Files(text.into(), text.into())),
            None => match text.parse::<Init>() {
                Ok(Init::Own(_)) => Err(OperandError::OfRecord(text.into())),
                Ok(init) => Ok(Operands::Init(init)),
                Err(error) => Err(neither(text, error)),
            },
        }
    }
}

impl Operands {
    /// Reads the files.
    ///
    /// # Errors
    /// One has no such numbers.
    pub fn read(&self) -> Result<Init, OperandError> {
        let (a, b) = match self {
            Operands::Init(init) => return Ok(*init),
            Operands::Files(a, b) => (a, b),
        };
        let of_a = side(a)?;
        // Of one tensor on both sides, one copy is held.
        let of_b = if a == b { of_a } else { side(b)? };
        Ok(init_of(of_a, of_b))
    }
}

/// What a text says of A and B, read.
///
/// # Errors
/// It is neither an init nor files, or one has no such numbers.
pub fn operands(text: &str) -> Result<Init, OperandError> {
    text.parse::<Operands>()?.read()
}

/// Why a text is no operand.
fn neither(text: &str, error: InitError) -> OperandError {
    let lower = text.to_ascii_lowercase();
    let foreign = OTHER_KINDS.iter().any(|kind| lower.ends_with(kind)) || text.contains(['/', '\\']);
    if foreign { OperandError::Kind(text.into()) } else { OperandError::Init(error) }
}

/// A file that a text names.
struct Named<'a> {
    path: &'a Path,
    kind: Kind,
    tensor: Option<&'a str>,
    transposed: bool,
}

/// What a text says of a file; None where it names none.
fn file_of(text: &str) -> Option<Named<'_>> {
    let lower = text.to_ascii_lowercase(); // of the same length
    if let Some(at) = lower.find(".safetensors:") {
        let (path, tensor) = text.split_at(at + ".safetensors".len());
        let named =
            Named { path: Path::new(path), kind: Kind::Safetensors, tensor: Some(&tensor[1..]), transposed: false };
        return (tensor.len() > 1).then_some(named);
    }
    let path = text.strip_suffix(".T").unwrap_or(text);
    let ends = &lower[..path.len()];
    let kind = match ends {
        _ if ends.ends_with(".npy") => Kind::Npy,
        _ if ends.ends_with(".safetensors") => Kind::Safetensors,
        _ => return None,
    };
    Some(Named { path: Path::new(path), kind, tensor: None, transposed: path.len() < text.len() })
}

/// What fills one operand.
fn side(text: &str) -> Result<Side, OperandError> {
    let Some(Named { path, kind, tensor: name, mut transposed }) = file_of(text) else {
        return match text.parse() {
            Ok(Init::Own(_)) => Err(OperandError::OfRecord(text.into())),
            Ok(init) => Ok(Side::Init(init)),
            Err(error) => Err(OperandError::Init(error)),
        };
    };
    let mut read = tensor_file::read(path, kind, name);
    // A tensor may be called so; else it is the transpose of one.
    if read.is_err()
        && let Some(name) = name.and_then(|name| name.strip_suffix(".T"))
        && let Ok(tensor) = tensor_file::read(path, kind, Some(name))
    {
        (read, transposed) = (Ok(tensor), true);
    }
    let tensor = read?;
    check(&tensor).map_err(|what| FileError { path: path.into(), what })?;
    let (digest, coarse) = (tensor.digest(), tensor.is_coarse());
    Ok(Side::Loaded(Box::leak(Box::new(Loaded { tensor, digest, transposed, coarse, told: text.into() }))))
}

/// Can a GPU multiply these numbers, in f32?
fn check(tensor: &Tensor) -> Result<(), String> {
    let mut largest = 0.0f32;
    for (i, number) in tensor.numbers().enumerate() {
        if !number.is_finite() {
            let (row, column) = tensor.place(i);
            return Err(format!(
                "element [{row}, {column}] is {number}, and every product with it would be: {NO_NUMBER}"
            ));
        }
        largest = largest.max(number.abs());
    }
    match largest {
        0.0 => Ok(()),
        largest if largest > LARGEST => {
            Err(format!("its largest magnitude is {largest:e}, over {LARGEST:e}: scale it down"))
        }
        largest if largest < SMALLEST => {
            Err(format!("its largest magnitude is {largest:e}, under {SMALLEST:e}: scale it up"))
        }
        _ => Ok(()),
    }
}

const NO_NUMBER: &str = "replace it, such as by numpy.nan_to_num";

impl Side {
    fn origin(&self, size: usize) -> Origin {
        match self {
            Side::Init(init) => Origin::Init(*init),
            Side::Loaded(Loaded { tensor, digest, transposed, .. }) => {
                let (rows, columns) = fits(&tensor.shape, *transposed, size).unwrap_or((Fit::Whole, Fit::Whole));
                Origin::Tensor(TensorOrigin {
                    digest: digest.clone(),
                    stored: tensor.dtype,
                    shape: tensor.shape.clone(),
                    transposed: *transposed,
                    rows,
                    columns,
                })
            }
        }
    }
}

fn fits(shape: &[u64], transposed: bool, size: usize) -> Option<(Fit, Fit)> {
    let (rows, columns) = rows_and_columns(shape)?;
    let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
    Some((Fit::of(rows, size), Fit::of(columns, size)))
}

impl Origin {
    /// What of it is the same whatever n.
    fn identity(&self) -> String {
        match self {
            Origin::Init(init) => init.to_string(),
            Origin::Tensor(tensor) => format!("{}{}", tensor.digest, if tensor.transposed { ".T" } else { "" }),
        }
    }

    /// Can it be of a tensor that was read for n: do its fits follow from its shape? None of an init.
    pub(crate) fn fits(&self, size: usize) -> Option<bool> {
        /// NumPy's own limit.
        const MOST_DIMENSIONS: usize = 64;
        match self {
            Origin::Init(_) => None,
            Origin::Tensor(tensor) => {
                let follows = fits(&tensor.shape, tensor.transposed, size) == Some((tensor.rows, tensor.columns));
                Some(follows && tensor.shape.len() <= MOST_DIMENSIONS)
            }
        }
    }
}

/// `f32 4096 × 512 transposed, the first 1024 columns, rows repeated`.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let tensor = match self {
            Origin::Init(init) => return write!(f, "{init}"),
            Origin::Tensor(tensor) => tensor,
        };
        write!(f, "{} {}", tensor.stored.name(), Shape(&tensor.shape))?;
        if tensor.transposed {
            f.write_str(" transposed")?;
        }
        match (tensor.rows, tensor.columns) {
            (Fit::Whole, Fit::Whole) => Ok(()),
            (Fit::Cut, Fit::Cut) => f.write_str(", its first rows and columns"),
            (Fit::Repeated, Fit::Repeated) => f.write_str(", rows and columns repeated"),
            (Fit::Cut, Fit::Whole) => f.write_str(", its first rows"),
            (Fit::Whole, Fit::Cut) => f.write_str(", its first columns"),
            (Fit::Repeated, Fit::Whole) => f.write_str(", rows repeated"),
            (Fit::Whole, Fit::Repeated) => f.write_str(", columns repeated"),
            (Fit::Cut, Fit::Repeated) => f.write_str(", its first rows, columns repeated"),
            (Fit::Repeated, Fit::Cut) => f.write_str(", rows repeated, its first columns"),
        }
    }
}

/// The name of an init of these origins.
pub(crate) fn named(a: &Origin, b: &Origin) -> Own {
    let digest = blake3::hash(format!("{} @ {}", a.identity(), b.identity()).as_bytes());
    let [first, second, third, fourth, ..] = *digest.as_bytes();
    Own { name: u32::from_be_bytes([first, second, third, fourth]), numbers: None }
}

impl Init {
    /// Where the numbers of A and B are from, where a file has some of them and is here.
    pub fn origins(self, size: usize) -> [Option<Origin>; 2] {
        match self {
            Init::Own(Own { numbers: Some(sides), .. }) => sides.each_ref().map(|side| Some(side.origin(size))),
            _ => [None, None],
        }
    }

    /// What the user called what fills A and B, for the terminal alone: None where it is no file that is here.
    pub(crate) fn told(self) -> Option<[String; 2]> {
        let told = |side: &Side| match side {
            Side::Init(init) => init.to_string(),
            Side::Loaded(loaded) => loaded.told.clone(),
        };
        match self {
            Init::Own(Own { numbers, .. }) => numbers.map(|sides| sides.each_ref().map(told)),
            _ => None,
        }
    }
}

/// The init of these operands.
fn init_of(a: Side, b: Side) -> Init {
    let own = named(&a.origin(1), &b.origin(1));
    Init::Own(Own { numbers: Some(Box::leak(Box::new([a, b]))), ..own })
}
