//! The job of a scheduler in which a run took place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The same piece of work, whichever time it was started.
    pub(crate) fn is_same_work(&self, other: &Job) -> bool {
        (self.job, self.array_task, self.task) == (other.job, other.array_task, other.task)
    }
}
