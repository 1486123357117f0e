//! Which card it was, as far as a record tells.

use crate::record::{Job, Record};

/// What is known of which card it was: a record names neither machine nor serial number. Cards with one label
/// are told apart by their task's number, cards without a label by their job's as well.
pub fn name(record: &Record) -> String {
    let numbers = |job: &Job| {
        let whose = Some(job.job).filter(|_| record.run.label.is_none());
        let numbers = [whose, job.array_task, job.task.filter(|&task| task > 0)];
        let numbers: Vec<String> = numbers.iter().flatten().map(u32::to_string).collect();
        (!numbers.is_empty()).then(|| format!("{} {}", if whose.is_some() { "job" } else { "task" }, numbers.join("/")))
    };
    let run = &record.run;
    let address = record.adapter.pci_address.map(|address| address.to_string());
    let parts = [run.label.clone(), run.slurm.as_ref().and_then(numbers), address];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "card".into() } else { parts.join(" · ") }
}
