//! The record of a run: one JSON file, complete enough that everything computed in it can be computed again.

use super::Record;
use super::plan::Plan;
use super::sensor::Scope;
use super::text::{printable, slug};
use super::trace::Trace;
use anyhow::Context;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Of its digest, a record's name shows so many digits; where that name is another's, more.
pub(crate) const DIGITS: usize = 6;
pub(crate) const MORE_DIGITS: usize = 16;
/// Room for a record: but for runs of hours and of many inits, it has far fewer bytes.
const LARGEST: usize = 200_000;

impl Record {
    /// Leaves the rows of trace and meter to the file: those of ten thousand records would fill the memory.
    pub(crate) fn forget_rows(&mut self) {
        self.trace = Trace::default();
        if let Some(meter) = &mut self.meter {
            (meter.t_s, meter.power_w, meter.own_s) = Default::default();
        }
    }

    /// The JSON schema of a record, as `results/schema.json` holds it.
    pub fn schema() -> String {
        let settings = schemars::generate::SchemaSettings::draft2020_12();
        let schema = settings.into_generator().into_root_schema_for::<Record>();
        format!("{:#}\n", schema.to_value())
    }

    /// Which part of the machine the watts are of. None where there are none.
    pub fn scope(&self) -> Option<Scope> {
        self.summary.sensor.lead?;
        self.source.as_ref().map(|source| source.scope)
    }

    /// `<UTC time>-<gpu>-<backend>-<dtype>-n<size>-<6 hex>.json`, the last from the content; `<dtype>-matrix` by matrix units.
    pub fn file_name(&self) -> String {
        self.file_name_of(self.to_json().as_bytes(), DIGITS)
    }

    /// The name of a file that holds this record as these bytes, with so many digits of their digest.
    pub fn file_name_of(&self, bytes: &[u8], digits: usize) -> String {
        let stamp: String = self.run.started.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let digest = blake3::hash(bytes).to_hex();
        let gpu = slug(&self.adapter.name);
        let Plan { dtype, units, size, .. } = &self.plan;
        let (backend, of_type) = (slug(&self.adapter.backend), slug(&units.of(*dtype)));
        format!("{stamp}-{gpu}-{backend}-{of_type}-n{size}-{}.json", &digest[..digits])
    }

    /// The record as it is saved: objects on lines of their own, a window a line, columns of the trace a line each.
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no strings, or a failing writer, makes serde_json fail: neither is here.
        let value = serde_json::to_value(self).unwrap_or_default();
        let mut text = String::new();
        write_value(&value, 0, &mut text);
        text.push('\n');
        text
    }

    /// Saves the record in `folder`, whole or not at all: it is written under another name and then takes its own, so that
    /// nobody ever reads half a record, however many write into the folder: a name is taken in one step, on network file
    /// systems too, and no lock is held. Of the hundreds of runs that a cluster starts in one second, two may well have
    /// digests that begin alike; the later one then shows more of its own.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn save(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
        let mut file = temporary_in(folder).with_context(|| cannot_write(folder))?;
        let text = self.to_json();
        file.write_all(text.as_bytes()).with_context(|| cannot_write(folder))?;
        file.as_file().sync_all().with_context(|| cannot_write(folder))?;
        for digits in [DIGITS, MORE_DIGITS] {
            let path = folder.join(self.file_name_of(text.as_bytes(), digits));
            match file.persist_noclobber(&path) {
                Ok(_) => return Ok(path),
                Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => file = refused.file,
                // A file system without hard links cannot take a name in one step and spare another's; it can rename.
                Err(refused) => {
                    refused.file.persist(&path).with_context(|| cannot_write(folder))?;
                    return Ok(path);
                }
            }
        }
        // By now only the very same record can have the name.
        let path = folder.join(self.file_name_of(text.as_bytes(), MORE_DIGITS));
        file.persist(&path).with_context(|| cannot_write(folder))?;
        Ok(path)
    }
}

/// Is this a label, a short line of text that can be shown anywhere?
///
/// # Errors
/// Why it is none.
pub(crate) fn check_label(text: &str) -> Result<(), &'static str> {
    match text {
        text if text.trim().is_empty() => Err("it is empty"),
        text if text.chars().count() > 100 => Err("it has more than 100 characters"),
        text if text != printable(text) => Err("it has control characters"),
        _ => Ok(()),
    }
}

/// Finds out whether a record can be saved in `folder` before a run that may take minutes.
///
/// # Errors
/// The folder cannot be made or written, or its disk is full.
pub(crate) fn check_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
    let file = temporary_in(folder).and_then(|mut file| file.write_all(&vec![0; LARGEST]));
    file.with_context(|| cannot_write(folder))
}

/// A file without a name of its own yet, in the folder where it will get one.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn temporary_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".wattmul-").suffix(".tmp");
    #[cfg(unix)]
    {
        // Records are for others to read; a temporary file is its owner's alone by default.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o644));
    }
    builder.tempfile_in(folder)
}

fn cannot_write(folder: &Path) -> String {
    format!("cannot write into {}: name another folder with --results, or use --no-save", folder.display())
}

/// Pretty, but for what is a row or a column: those take one line each.
fn write_value(value: &serde_json::Value, depth: usize, text: &mut String) {
    const FLAT_BELOW: usize = 2;
    match value {
        serde_json::Value::Object(map) if depth < FLAT_BELOW && !map.is_empty() => {
            text.push_str("{\n");
            for (i, (key, value)) in map.iter().enumerate() {
                let comma = if i + 1 < map.len() { "," } else { "" };
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str(&serde_json::Value::from(key.as_str()).to_string());
                text.push_str(": ");
                write_value(value, depth + 1, text);
                text.push_str(comma);
                text.push('\n');
            }
            text.push_str(&"  ".repeat(depth));
            text.push('}');
        }
        serde_json::Value::Array(items) if depth < FLAT_BELOW && items.iter().any(serde_json::Value::is_object) => {
            text.push_str("[\n");
            for (i, item) in items.iter().enumerate() {
                let comma = if i + 1 < items.len() { "," } else { "" };
                text.push_str(&"  ".repeat(depth + 1));
                text.push_str(&item.to_string());
                text.push_str(comma);
                text.push('\n');
            }
            text.push_str(&"  ".repeat(depth));
            text.push(']');
        }
        flat => text.push_str(&flat.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{PlanOptions, simulated};

    use crate::simulate::Model;

    #[test]
    fn a_name_that_another_record_has_is_not_taken_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let model: Model = "h100".parse().unwrap();
        let plan = simulated::plan(&model, &PlanOptions { quick: true, ..PlanOptions::default() }).unwrap();
        let record = simulated::record(&model, plan).unwrap();
        std::fs::write(folder.path().join(record.file_name()), "another record").unwrap();
        let path = record.save(folder.path()).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join(record.file_name())).unwrap(), "another record");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), record.to_json());
        assert_eq!(record.save(folder.path()).unwrap(), path, "the same record again is no other");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn json_is_laid_out_by_rows_and_columns() {
        let value = serde_json::json!({"a": 1, "b": {"c": {"d": [1, 2]}, "e": []}, "w": [{"x": 1}, {"x": 2}], "n": {}});
        let mut text = String::new();
        write_value(&value, 0, &mut text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
        insta::assert_snapshot!(text, @r#"
        {
          "a": 1,
          "b": {
            "c": {"d":[1,2]},
            "e": []
          },
          "w": [
            {"x":1},
            {"x":2}
          ],
          "n": {}
        }
        "#);
    }
}
