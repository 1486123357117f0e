//! Files of records that strangers wrote: which files are records, and reading one calmly, whatever is in it.

use super::{Record, SCHEMA};
use serde::Deserialize;
use std::fmt;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// No record is larger: one of a thousand rounds of twelve inits has 23 MB; a usual one under 0.1 MB.
pub(crate) const LARGEST_BYTES: u64 = 1 << 25;

/// What is wrong with a file, or with one value in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub path: PathBuf,
    /// The value's place in the record, such as `windows[3].power_w.counter`. Empty for the file as a whole.
    pub place: String,
    pub what: String,
    /// What should stand there, and what does, where there is such a thing.
    pub expected: Option<Box<str>>,
    pub found: Option<Box<str>>,
}

impl Problem {
    /// With the file as a whole.
    pub(crate) fn of_file(path: &Path, what: impl Into<String>) -> Self {
        Problem { path: path.into(), place: String::new(), what: what.into(), expected: None, found: None }
    }
}

/// One line: file, place, what, expected, found.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}", self.what)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(found) = &self.found {
            write!(f, "; found {found}")?;
        }
        Ok(())
    }
}

/// The files to read: those that are named, and every `*.json` (in either case of letters) in folders that are named, in the order of their names.
/// Links within folders are not followed: they could lead anywhere, or in circles.
pub fn files(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let (mut files, mut problems) = (vec![], vec![]);
    for path in paths {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => files_within(path, &mut files, &mut problems),
            Ok(_) => files.push(path.clone()),
            Err(error) => problems.push(Problem::of_file(path, reason(&error))),
        }
    }
    files.sort();
    files.dedup();
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    (files, problems)
}

fn files_within(folder: &Path, files: &mut Vec<PathBuf>, problems: &mut Vec<Problem>) {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(Problem::of_file(folder, reason(&error))),
    };
    for entry in entries {
        let (entry, kind) = match entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind))) {
            Ok(both) => both,
            Err(error) => {
                problems.push(Problem::of_file(folder, reason(&error)));
                continue;
            }
        };
        let (path, name) = (entry.path(), entry.file_name());
        // A name that begins with a point is hidden: among others, a record that is being written.
        if name.as_encoded_bytes().starts_with(b".") || name.eq_ignore_ascii_case(SCHEMA_FILE) {
            continue;
        }
        let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        if kind.is_dir() {
            files_within(&path, files, problems);
        } else if is_json && kind.is_file() {
            files.push(path);
        } else if is_json {
            problems.push(Problem::of_file(&path, "is a link or no plain file, and is not followed"));
        }
    }
}

/// Some editors put it in front of a text; a reader of JSON may ignore it (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The schema's own file, among the records.
pub(crate) const SCHEMA_FILE: &str = "schema.json";

/// Reads one record and its bytes, less a byte order mark in front. Never more than [`LARGEST_BYTES`], and nothing but plain files: a pipe would block.
///
/// # Errors
/// What is wrong with the file, with its place in the record where it has one.
pub fn read(path: &Path) -> Result<(Record, Vec<u8>), Problem> {
    let of_file = |what: String| Problem::of_file(path, what);
    let metadata = fs::metadata(path).map_err(|error| of_file(reason(&error)))?;
    if !metadata.is_file() {
        return Err(of_file("is no plain file".into()));
    }
    let too_large = || of_file(format!("is larger than any record: over {LARGEST_BYTES} bytes"));
    if metadata.len() > LARGEST_BYTES {
        return Err(too_large());
    }
    let file = File::open(path).map_err(|error| of_file(reason(&error)))?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 1);
    file.take(LARGEST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| of_file(reason(&error)))?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(too_large()); // it grew meanwhile
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    let record = parse(&bytes).map_err(|problem| Problem { path: path.into(), ..problem })?;
    Ok((record, bytes))
}

/// Reads a record's text.
///
/// # Errors
/// A [`Problem`] without a path.
pub fn parse(bytes: &[u8]) -> Result<Record, Problem> {
    let problem = |place: String, what: String| Problem { place, ..Problem::of_file(Path::new(""), what) };
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(problem(String::new(), "is a list of records: put each record into a file of its own".into()));
    }
    let wrong = match serde_json::from_slice::<Record>(bytes) {
        Ok(record) if record.schema == SCHEMA => return Ok(record),
        Ok(_) => None,
        Err(error) => Some(error),
    };
    // The version tells whether the rest can be understood at all.
    #[derive(Deserialize)]
    struct Version {
        schema: serde_json::Number,
    }
    if let Ok(Version { schema }) = serde_json::from_slice(bytes)
        && schema.as_u64() != Some(SCHEMA.into())
    {
        let what = "this program does not know this version of records: update wattmul";
        return Err(Problem {
            expected: Some(SCHEMA.to_string().into()),
            found: Some(schema.to_string().into()),
            ..problem("schema".into(), what.into())
        });
    }
    let text_ends = wrong.as_ref().is_some_and(|error| error.is_eof());
    if std::str::from_utf8(bytes).is_err() {
        return Err(problem(String::new(), "is not UTF-8, and so no JSON".into()));
    }
    if text_ends {
        return Err(problem(String::new(), "ends in the middle of the record".into()));
    }
    // Slower, but it knows the place.
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let error = match serde_path_to_error::deserialize::<_, Record>(&mut reader) {
        Err(error) => error,
        // Something stands behind the record.
        Ok(_) => return Err(problem(String::new(), wrong.map(|error| error.to_string()).unwrap_or_default())),
    };
    let place = error.path().to_string();
    let place = if place == "." { String::new() } else { place };
    Err(problem(place, error.into_inner().to_string()))
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "is not there".into(),
        ErrorKind::PermissionDenied => "may not be read".into(),
        _ => format!("cannot be read: {error}"),
    }
}
