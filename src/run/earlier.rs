//! What an earlier start of the same job left: a node may fail after a run is done and before its job is, and the scheduler then
//! starts the job again.

use crate::record::{AdapterInfo, Job, Plan, Record};
use std::path::{Path, PathBuf};

/// The record in `folder` that this job saved before it was started again, of the same plan (and adapter).
pub fn record_of(job: &Job, folder: &Path, adapter: Option<&AdapterInfo>, plan: &Plan) -> Option<PathBuf> {
    if job.restarts == 0 {
        return None;
    }
    let is_it = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let Ok(record) = serde_json::from_str::<Record>(&text) else { return false };
        let same_work = record.run.slurm.as_ref().is_some_and(|other| job.is_same_work(other));
        let same_adapter = adapter.is_none_or(|adapter| *adapter == record.adapter);
        same_work && same_adapter && record.run.halted.is_none() && record.plan == *plan
    };
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).find(is_it)
}
