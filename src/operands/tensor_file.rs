//! Files of numbers: NumPy's `.npy` and `.safetensors`. Only plain files are opened (a pipe would block, a device never end), no file
//! is believed (no more is read, or room made for, than a file of its length can hold), and nothing in one is run: pickled objects are
//! refused.
//!
//! A file is read and not mapped: one that somebody shortens meanwhile would end the program.

use super::npy;
use super::tensor::{Layout, Order, Shape, StoredType, TYPES, Tensor, rows_and_columns};
use safetensors::tensor::{Dtype as Listed, Metadata};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The most bytes that a tensor may have: more than any layer of today's models, and what a host has room for.
const LARGEST_BYTES: u64 = 8 << 30;
/// The most bytes of a header: safetensors' own limit is the same.
const LARGEST_HEADER: u64 = 100_000_000;
/// So many names of tensors are told.
const MOST_NAMES: usize = 5;

/// Why a file gives no numbers.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}: {what}", .path.display())]
pub struct FileError {
    pub path: PathBuf,
    pub what: String,
}

/// Which kind of file it is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Npy,
    Safetensors,
}

/// Reads a tensor: of a `.safetensors`, the one of this name, which may be left out where there is one alone.
pub(super) fn read(path: &Path, kind: Kind, name: Option<&str>) -> Result<Tensor, FileError> {
    let wrong = |what: String| FileError { path: path.into(), what };
    let failed = |error: std::io::Error| wrong(reason(&error));
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(wrong(
            if metadata.is_dir() { "is a folder: name a file in it" } else { "is no plain file" }.into(),
        ));
    }
    let mut file = File::open(path).map_err(failed)?;
    let length = metadata.len();
    let layout = match kind {
        Kind::Npy => npy::layout(&mut file).map_err(wrong)?,
        Kind::Safetensors => safetensors(&mut file, length, name).map_err(wrong)?,
    };
    let Layout { dtype, shape, order, start } = layout;
    let elements = rows_and_columns(&shape).map(|(rows, columns)| rows * columns);
    let bytes = elements.and_then(|elements| elements.checked_mul(dtype.bytes() as u64));
    let Some(bytes) = bytes else {
        return Err(wrong(format!("a tensor of shape {} has nothing to multiply", Shape(&shape))));
    };
    if bytes > LARGEST_BYTES {
        let gib = LARGEST_BYTES >> 30;
        return Err(wrong(format!(
            "a tensor of more than {gib} GiB is not read: save the part that is to be multiplied"
        )));
    }
    if length.saturating_sub(start) < bytes {
        let what = "the file ends before its numbers do: it was not written to its end";
        return Err(wrong(format!("{what} ({length} of {} bytes)", start.saturating_add(bytes))));
    }
    let mut room = Vec::new();
    if room.try_reserve_exact(bytes as usize).is_err() {
        return Err(wrong(format!("there is no memory for its {bytes} bytes")));
    }
    file.seek(SeekFrom::Start(start)).and_then(|_| file.take(bytes).read_to_end(&mut room)).map_err(failed)?;
    Tensor::new(dtype, shape, order, room).ok_or_else(|| wrong("it was shortened while it was read".into()))
}

/// Finds a tensor in a `.safetensors`: eight bytes that say how long the JSON after them is, the JSON, and the numbers.
fn safetensors(file: &mut File, length: u64, name: Option<&str>) -> Result<Layout, String> {
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(|_| NO_SAFETENSORS.to_owned())?;
    let size = u64::from_le_bytes(size);
    if size > LARGEST_HEADER || size > length.saturating_sub(8) {
        return Err(NO_SAFETENSORS.into());
    }
    let mut header = Vec::new();
    file.take(size).read_to_end(&mut header).map_err(|error| reason(&error))?;
    // The library holds shapes, types and places against each other.
    let listed: Metadata = serde_json::from_slice(&header).map_err(|_| NO_SAFETENSORS.to_owned())?;
    let tensors = listed.tensors();
    let mut names: Vec<&str> = tensors.keys().map(String::as_str).collect();
    names.sort_unstable();
    let name = match (name, &names[..]) {
        (Some(name), _) => name,
        (None, [only]) => only,
        (None, []) => return Err("has no tensor".into()),
        (None, _) => return Err(format!("name one of its tensors, FILE:TENSOR: {}", Names(&names))),
    };
    let info =
        tensors.get(name).ok_or_else(|| format!("has no tensor '{}', but {}", name.escape_debug(), Names(&names)))?;
    let dtype = match info.dtype {
        Listed::F32 => StoredType::F32,
        Listed::F16 => StoredType::F16,
        Listed::BF16 => StoredType::Bf16,
        Listed::I8 => StoredType::I8,
        other => return Err(format!("'{}' holds {other:?}: {TYPES}", name.escape_debug())),
    };
    let shape = info.shape.iter().map(|&length| length as u64).collect();
    Ok(Layout { dtype, shape, order: Order::Rows, start: 8 + size + info.data_offsets.0 as u64 })
}

const NO_SAFETENSORS: &str =
    "is no safetensors file, or was not written to its end: write it with safetensors' save_file";

/// Names of tensors, as a text in which one can be found.
struct Names<'a>(&'a [&'a str]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // They are a stranger's: what would move the cursor is written out.
        let names: Vec<String> = self.0.iter().take(MOST_NAMES).map(|name| name.escape_debug().to_string()).collect();
        f.write_str(&names.join(", "))?;
        match self.0.len().saturating_sub(MOST_NAMES) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "is not there".into(),
        ErrorKind::PermissionDenied => "may not be read".into(),
        _ => format!("cannot be read: {error}"),
    }
}
