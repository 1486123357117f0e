//! `wattmul compare`: do two records differ, or one from those of a folder?

use crate::analysis::compare;
use crate::analysis::overview::Run;
use crate::archive::validate;
use crate::archive::validate::Depth;
use crate::cli::CompareArgs;
use crate::record::read;
use crate::report::{content, terminal};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Compares the records and says what they have in common.
///
/// # Errors
/// Standard output is closed.
pub fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let one_against_one = !args.b.is_dir();
    let (mut files, mut problems) = read::files(std::slice::from_ref(&args.b));
    files.retain(|path| one_against_one || *path != args.a);
    let mut renamed = vec![];
    let mut run = |path: PathBuf| match validate::read(&path, Depth::Quick) {
        Ok(good) => {
            renamed.extend(good.renamed.then(|| path.clone()));
            Some(Run { path, record: good.record })
        }
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    let (a, others) = (run(args.a.clone()), files.into_iter().filter_map(&mut run).collect::<Vec<_>>());
    let mut output = std::io::stdout().lock();
    write!(output, "{}", terminal::problems(&problems))?;
    let Some(a) = a else { return Ok(ExitCode::from(3)) };
    let compared: Vec<_> = others.iter().map(|b| (b, compare::of(&a.record, &b.record))).collect();
    let blocks = match &compared[..] {
        [(b, outcome)] if one_against_one => content::comparison(&a, b, outcome),
        all => content::comparisons(&a, all),
    };
    write!(output, "{}", terminal::blocks(&blocks))?;
    write!(output, "{}", terminal::blocks(&content::renamed(&renamed)))?;
    Ok(ExitCode::from(if compared.iter().any(|(_, outcome)| outcome.is_ok()) { 0 } else { 3 }))
}
