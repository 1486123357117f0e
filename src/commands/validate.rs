//! `wattmul validate`: can records be what they say?

use crate::archive;
use crate::archive::validate::{self, Depth};
use crate::cli::ValidateArgs;
use crate::record::Record;
use crate::report::terminal;
use std::io::Write;
use std::process::ExitCode;

/// Validates the records, or prints the schema of one.
///
/// # Errors
/// There are no records, or standard output is closed.
pub fn validate(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if args.schema {
        write!(output, "{}", Record::schema())?;
        return Ok(ExitCode::SUCCESS);
    }
    let validation = validate::of(&args.paths, if args.quick { Depth::Form } else { Depth::Full });
    if validation.files == 0 && validation.problems.is_empty() {
        anyhow::bail!(archive::no_records(&args.paths));
    }
    write!(output, "{}", terminal::validation(&validation))?;
    Ok(ExitCode::from(if validation.problems.is_empty() { 0 } else { 3 }))
}
