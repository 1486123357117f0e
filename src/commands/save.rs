//! What a run shows and leaves: its heading, and its record, saved and shown.

use crate::cli::RunArgs;
use crate::host::{interrupt, slurm};
use crate::record::Record;
use crate::report::{content, terminal};
use crate::say;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Why standard output took no more, the first time that it did not.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// No print ends a run: what cannot be shown is lost, and [`lost`] tells it once all is measured and saved.
fn keep(shown: io::Result<()>) {
    if let Err(why) = shown {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
    }
}

/// Was all shown that was to be?
///
/// # Errors
/// Standard output was closed or full.
pub fn lost() -> io::Result<()> {
    LOST.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

/// Prints what is about to run.
pub(crate) fn show_heading(args: &RunArgs, heading: &str) {
    if args.json {
        return say::text(heading);
    }
    let mut output = io::stdout().lock();
    keep(write!(output, "{heading}").and_then(|()| output.flush()));
}

/// Saves and shows the record. It is shown all the same where it cannot be saved.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn save_and_show(args: &RunArgs, mut record: Record) -> anyhow::Result<Record> {
    record.run.label = args.label.clone();
    record.run.slurm = slurm::this_job();
    // What Slurm ended before its time, it starts again or was told to forget: half of a run would stand next to the whole one.
    let dropped = record.run.slurm.is_some() && record.run.halted.is_some() && interrupt::stopped();
    let saved = args.folder().filter(|_| !dropped).map(|folder| {
        let mut saved = interrupt::saving();
        let outcome = record.save(folder);
        *saved |= outcome.is_ok();
        outcome
    });
    let shown = show(args, &record, saved.as_ref().and_then(|saved| saved.as_deref().ok()), dropped);
    if let Some(Err(why)) = saved {
        return Err(rescue(args, &record, why));
    }
    keep(shown);
    Ok(record)
}

fn show(args: &RunArgs, record: &Record, saved: Option<&Path>, dropped: bool) -> io::Result<()> {
    let mut output = io::stdout().lock();
    if args.json {
        write!(output, "{}", record.to_json())?;
    } else {
        write!(output, "\n{}", terminal::blocks(&content::summary(record, args.grid_intensity)))?;
        match saved {
            Some(path) => writeln!(output, "  saved {}", path.display())?,
            None if dropped => writeln!(output, "  not saved: stopped in a job of Slurm, which may start it again")?,
            None if args.folder().is_some() => {} // the error says where it is
            None if args.no_save => writeln!(output, "  not saved (--no-save)")?,
            None => writeln!(output, "  not saved: simulated (--results names a folder)")?,
        }
    }
    output.flush()
}

/// The error of a record that could not be saved: minutes of work are in it, and it says where they are instead.
fn rescue(args: &RunArgs, record: &Record, why: anyhow::Error) -> anyhow::Error {
    match record.save(&std::env::temp_dir()) {
        Ok(path) => why.context(format!("the record is in {} instead", path.display())),
        Err(_) if args.json => why,
        Err(_) => {
            say::text(record.to_json());
            why.context("the record is saved nowhere, and is printed above instead")
        }
    }
}
