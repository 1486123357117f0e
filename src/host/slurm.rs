//! The job of Slurm, the scheduler of many clusters, in which this process runs. Its numbers go into the record; the name of
//! the node does not.

use crate::record::Job;

/// The job of this process; None outside of Slurm.
pub fn this_job() -> Option<Job> {
    job_of(|name| std::env::var(name).ok())
}

fn job_of(variable: impl Fn(&str) -> Option<String>) -> Option<Job> {
    let number = |name: &str| variable(name)?.trim().parse().ok();
    Some(Job {
        job: number("SLURM_ARRAY_JOB_ID").or_else(|| number("SLURM_JOB_ID"))?,
        array_task: number("SLURM_ARRAY_TASK_ID"),
        task: number("SLURM_PROCID"),
        restarts: number("SLURM_RESTART_COUNT").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)]) -> Option<Job> {
        job_of(|name| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()))
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
    }
}
