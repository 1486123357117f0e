//! Records that strangers wrote: read, checked, and laid side by side. They need no GPU, and no driver.

pub mod validate;

use crate::analysis::overview::{Overview, Run, arrange};
use crate::record::read;
use crate::record::read::Problem;
use rayon::prelude::*;
use std::path::PathBuf;
use validate::{Depth, Good, Originals};

/// Reads and validates all records, and lays them side by side. `all`: every run, and not the best of each GPU alone.
pub fn overview(paths: &[PathBuf], all: bool) -> Overview {
    let (files, mut problems) = read::files(paths);
    let read = |path: &PathBuf| {
        let mut good = validate::read(path, Depth::Quick)?;
        good.record.forget_rows();
        Ok(good)
    };
    let read: Vec<Result<Good, Vec<Problem>>> = files.par_iter().map(read).collect();
    let mut originals = Originals::default();
    let (mut runs, mut renamed) = (vec![], vec![]);
    for (path, outcome) in files.into_iter().zip(read) {
        match outcome {
            Err(found) => problems.extend(found),
            Ok(Good { record, digest, renamed: is_renamed }) => match originals.take(&path, digest) {
                Ok(()) => {
                    renamed.extend(is_renamed.then(|| path.clone()));
                    runs.push(Run { path, record });
                }
                Err(problem) => problems.push(problem),
            },
        }
    }
    Overview { renamed, ..arrange(runs, all, problems) }
}

/// What to say where there is nothing to read.
pub(crate) fn no_records(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    format!("no records in {paths}: `wattmul` makes one; name files or folders that hold some")
}
