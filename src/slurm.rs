//! The job of Slurm, the scheduler of many clusters, in which this process runs. Its numbers go into the record; the name of
//! the node does not.

use crate::gpu::adapter::AdapterInfo;
use crate::plan::Plan;
use crate::record::Record;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A job by its numbers. None of a number that Slurm did not set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// That of the array, if the job is one of an array: what `sbatch` printed.
    pub job: u32,
    /// Place in the array.
    pub array_task: Option<u32>,
    /// Place among the tasks of one job (`srun`).
    pub task: Option<u32>,
    /// How often Slurm started the job again.
    pub restarts: u32,
}

impl Job {
    /// This process's; None outside of Slurm.
    pub fn of_this_process() -> Option<Self> {
        Job::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let number = |name: &str| variable(name)?.trim().parse().ok();
        Some(Job {
            job: number("SLURM_ARRAY_JOB_ID").or_else(|| number("SLURM_JOB_ID"))?,
            array_task: number("SLURM_ARRAY_TASK_ID"),
            task: number("SLURM_PROCID"),
            restarts: number("SLURM_RESTART_COUNT").unwrap_or(0),
        })
    }

    /// The record in `folder` that this job saved before it was started again, of the same plan (and adapter): a node may
    /// fail after a run is done and before the job is.
    pub fn saved_by_earlier_start(&self, folder: &Path, adapter: Option<&AdapterInfo>, plan: &Plan) -> Option<PathBuf> {
        if self.restarts == 0 {
            return None;
        }
        let is_it = |path: &PathBuf| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let Ok(record) = serde_json::from_str::<Record>(&text) else { return false };
            let same_work = record.run.slurm.as_ref().is_some_and(|job| self.is_same_work(job));
            let same_adapter = adapter.is_none_or(|adapter| *adapter == record.adapter);
            same_work && same_adapter && record.run.halted.is_none() && asked(&record.plan) == asked(plan)
        };
        let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "json")).find(is_it)
    }

    /// The same piece of work, whichever time it was started.
    fn is_same_work(&self, other: &Job) -> bool {
        (self.job, self.array_task, self.task) == (other.job, other.array_task, other.task)
    }
}

/// A plan without what a sensor stretches in the course of a run.
fn asked(plan: &Plan) -> Plan {
    Plan { window_s: 0.0, settling_s: 0.0, window_fixed: false, settling_fixed: false, ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Wishes;
    use crate::simulate::{self, Model};

    fn job(variables: &[(&str, &str)]) -> Option<Job> {
        Job::from_variables(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
    }

    #[test]
    fn a_job_is_known_by_its_numbers() {
        assert_eq!(job(&[]), None);
        assert_eq!(job(&[("SLURM_JOB_ID", "x")]), None);
        let plain = job(&[("SLURM_JOB_ID", "7")]).unwrap();
        assert_eq!(plain, Job { job: 7, array_task: None, task: None, restarts: 0 });
        let array = [
            ("SLURM_JOB_ID", "9"),
            ("SLURM_ARRAY_JOB_ID", "7"),
            ("SLURM_ARRAY_TASK_ID", "2"),
            ("SLURM_PROCID", "1"),
            ("SLURM_RESTART_COUNT", "3"),
        ];
        let array = job(&array).unwrap();
        assert_eq!(array, Job { job: 7, array_task: Some(2), task: Some(1), restarts: 3 });
        assert!(array.is_same_work(&Job { restarts: 0, ..array.clone() }) && !array.is_same_work(&plain));
    }

    #[test]
    fn a_job_that_is_started_again_finds_what_it_saved_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("other.json"), "{}").unwrap();
        let model: Model = "h100".parse().unwrap();
        let plan = simulate::plan(&model, &Wishes { quick: true, ..Wishes::default() }).unwrap();
        let mut record = simulate::record(&model, plan.clone()).unwrap();
        let first = Job { job: 7, array_task: Some(2), task: Some(0), restarts: 0 };
        record.run.slurm = Some(first.clone());
        let again = Job { restarts: 1, ..first.clone() };
        let find = |job: &Job, plan: &Plan| job.saved_by_earlier_start(folder.path(), Some(&record.adapter), plan);

        record.clone().save(folder.path()).unwrap();
        assert!(find(&again, &plan).is_some());
        assert!(again.saved_by_earlier_start(folder.path(), None, &plan).is_some());
        assert_eq!(find(&first, &plan), None, "not started again");
        assert_eq!(find(&Job { array_task: Some(3), ..again.clone() }, &plan), None);
        assert_eq!(find(&again, &Plan { size: 5, ..plan.clone() }), None);
        let other = AdapterInfo { name: "other".into(), ..record.adapter.clone() };
        assert_eq!(again.saved_by_earlier_start(folder.path(), Some(&other), &plan), None);
    }
}
