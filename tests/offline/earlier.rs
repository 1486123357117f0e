//! What an earlier start of the same job left: a node may fail after a run is done and before its job is, and the scheduler then

use wattmul::record::{AdapterInfo, Job, Plan};
use wattmul::run::earlier::*;
use wattmul::run::{PlanOptions, simulated};
use wattmul::simulate::Model;

#[test]
fn a_job_that_is_started_again_finds_what_it_saved_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("other.json"), "{}").unwrap();
    let model: Model = "h100".parse().unwrap();
    let plan = simulated::plan(&model, &PlanOptions { quick: true, ..PlanOptions::default() }).unwrap();
    let mut record = simulated::record(&model, plan.clone()).unwrap();
    let first = Job { job: 7, array_task: Some(2), task: Some(0), restarts: 0 };
    record.run.slurm = Some(first.clone());
    let again = Job { restarts: 1, ..first.clone() };
    let find = |job: &Job, plan: &Plan| record_of(job, folder.path(), Some(&record.adapter), plan);

    record.clone().save(folder.path()).unwrap();
    assert!(find(&again, &plan).is_some());
    assert!(record_of(&again, folder.path(), None, &plan).is_some());
    assert_eq!(find(&first, &plan), None, "not started again");
    assert_eq!(find(&Job { array_task: Some(3), ..again.clone() }, &plan), None);
    assert_eq!(find(&again, &Plan { size: 5, ..plan.clone() }), None);
    let other = AdapterInfo { name: "other".into(), ..record.adapter.clone() };
    assert_eq!(record_of(&again, folder.path(), Some(&other), &plan), None);
}
