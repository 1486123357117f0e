//! The record of a run: one JSON file, complete enough that everything computed in it can be computed again.

use crate::activity::Activity;
use crate::energy::{Idle, Lead, WindowPower};
use crate::gpu::adapter::AdapterInfo;
use crate::gpu::tune::Trial;
use crate::host::{Host, Tool};
use crate::inputs::Init;
use crate::plan::Plan;
use crate::power::{Limiter, Scope, Source};
use crate::protocol::WarmUp;
use crate::slurm::Job;
use crate::stats::Estimate;
use crate::text::{printable, slug};
use crate::trace::Trace;
use crate::validity::Verdict;
use anyhow::Context;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of this layout.
pub const SCHEMA: u32 = 1;
/// Of its digest, a record's name shows so many digits; where that name is another's, more.
pub const DIGITS: usize = 6;
pub const MORE_DIGITS: usize = 16;
/// Room for a record: but for runs of hours and of many inits, it has far fewer bytes.
const LARGEST: usize = 200_000;

/// One run. A value that was not measured is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of this layout.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// The protocol's name and version.
    pub protocol: String,
    pub verdict: Verdict,
    pub tool: Tool,
    pub host: Host,
    pub adapter: AdapterInfo,
    /// The sensor, or null.
    pub source: Option<Source>,
    pub plan: Plan,
    /// By init.
    pub inputs: BTreeMap<Init, Inputs>,
    pub kernel: KernelChoice,
    pub run: Course,
    pub idle: IdlePower,
    pub warm_up: Option<WarmUp>,
    pub windows: Vec<WindowRecord>,
    pub summary: Summary,
    pub trace: Trace,
    /// What a simulated run should have found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
}

/// What was multiplied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// BLAKE3 of the elements of A in the plan's type, as [`crate::dtype::Dtype::digest`] makes it. Empty in a simulated run:
    /// nothing was multiplied.
    pub digest_a: String,
    pub digest_b: String,
    /// What A was multiplied by before it was rounded to i8. Not there in the other types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_a: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_b: Option<f64>,
    /// Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
}

/// The kernel that ran, and how those that were tried did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KernelChoice {
    pub variant: String,
    /// BLAKE3 of the exact WGSL; `wattmul kernel --print` shows it.
    pub wgsl_digest: String,
    pub tuning: Vec<Trial>,
    /// The trials are an earlier run's, but for the winner's.
    #[serde(default)]
    pub remembered: bool,
}

/// What happened on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Course {
    /// UTC, RFC 3339, to the second.
    pub started: String,
    /// Why the run ended before its time.
    pub halted: Option<String>,
    /// Why there is no sensor.
    pub no_sensor: Option<String>,
    pub failed_reads: u64,
    pub last_failure: Option<String>,
    /// What `--label` said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The job of Slurm in which it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slurm: Option<Job>,
}

/// Power of the device without work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdlePower {
    /// Before the device was opened.
    pub cold: Option<Idle>,
    /// Open, before its first work.
    pub open: Option<Idle>,
    /// After the last round, at the temperature of the work.
    pub hot: Option<Idle>,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRecord {
    pub init: Init,
    pub round: u32,
    pub start_s: f64,
    pub duration_s: f64,
    pub products: f64,
    /// The window on the device's clock.
    pub device_s: Option<f64>,
    /// Share of the window in which the device worked, by its own clock.
    pub busy: Option<f64>,
    pub products_right: bool,
    pub power_w: WindowPower,
    /// Energy of the whole window, by the way that leads.
    pub energy_j: Option<f64>,
    pub clock_mhz: Option<f64>,
    pub temperature_c: Option<f64>,
    /// What held the clock down at some time in the window; null where the sensor does not tell.
    pub limiters: Option<Vec<Limiter>>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    pub inits: BTreeMap<Init, InitSummary>,
    /// Against the plan's first init.
    pub ratios: BTreeMap<Init, Ratios>,
    pub sensor: SensorSummary,
}

/// One init, over all windows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InitSummary {
    /// Seconds a product.
    pub time_s: f64,
    pub power_w: Option<f64>,
    /// Joules a product.
    pub energy_j: Option<f64>,
    pub gflop_per_s: f64,
    pub gflop_per_j: Option<f64>,
    pub clock_mhz: Option<f64>,
    pub temperature_c: Option<f64>,
}

/// One init over the reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ratios {
    pub time: Option<Estimate>,
    pub power: Option<Estimate>,
    pub energy: Option<Estimate>,
    /// Of power less idle power.
    pub above_idle: Option<Estimate>,
}

/// How the sensor did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SensorSummary {
    /// Which of its figures the joules come from.
    pub lead: Option<Lead>,
    /// Measured, not assumed: as the trace has it, whose rows are farther apart in a run of very many windows.
    pub counter_period_s: Option<f64>,
    pub power_period_s: Option<f64>,
    /// Counter over polled power, less 1, in the window where they differ most.
    pub disagreement: Option<f64>,
    /// The idle power that `above_idle` rests on.
    pub idle_w: Option<f64>,
}

/// What the model of a simulated run says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    pub ratios: BTreeMap<Init, TrueRatios>,
}

/// The true ratios of one init over the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrueRatios {
    pub time: f64,
    pub power: f64,
    pub energy: f64,
    pub above_idle: f64,
}

impl Record {
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

    /// `<UTC time>-<gpu>-<backend>-<dtype>-n<size>-<6 hex>.json`, the last from the content.
    pub fn file_name(&self) -> String {
        self.file_name_of(self.to_json().as_bytes(), DIGITS)
    }

    /// The name of a file that holds this record as these bytes, with so many digits of their digest.
    pub fn file_name_of(&self, bytes: &[u8], digits: usize) -> String {
        let stamp: String = self.run.started.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let digest = blake3::hash(bytes).to_hex();
        let gpu = slug(&self.adapter.name);
        let Plan { dtype, size, .. } = &self.plan;
        format!("{stamp}-{gpu}-{}-{}-n{size}-{}.json", slug(&self.adapter.backend), dtype.name(), &digest[..digits])
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

    /// Saves the record in `folder`, whole or not at all: it is written beside its place and then takes its name, so that
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
pub fn check_label(text: &str) -> Result<(), &'static str> {
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
pub fn check_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| cannot_write(folder))?;
    let file = temporary_in(folder).and_then(|mut file| file.write_all(&vec![0; LARGEST]));
    file.with_context(|| cannot_write(folder))
}

/// A file without a name of its own yet, in the folder where it will get one.
///
/// # Errors
/// The folder cannot be written.
pub fn temporary_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
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
    use crate::plan::Wishes;
    use crate::simulate::{self, Model};

    #[test]
    fn a_name_that_another_record_has_is_not_taken_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let model: Model = "h100".parse().unwrap();
        let plan = simulate::plan(&model, &Wishes { quick: true, ..Wishes::default() }).unwrap();
        let record = simulate::record(&model, plan).unwrap();
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
