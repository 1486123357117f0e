//! `wattmul report`: records laid side by side.

use crate::analysis::overview::Overview;
use crate::cli::{Format, ReportArgs};
use crate::record::file;
use crate::report::{content, csv, html, markdown, terminal};
use crate::{archive, say};
use anyhow::Context;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

/// Reads the records and writes the report.
///
/// # Errors
/// There are no records, or the report cannot be written.
pub fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let overview = Overview { grid: args.grid_intensity, ..archive::overview(&args.paths, args.all) };
    if overview.runs.is_empty() && overview.problems.is_empty() && overview.left_out == Default::default() {
        anyhow::bail!(archive::no_records(&args.paths));
    }
    let paint = |output: &mut dyn Write, folder: &Path| -> anyhow::Result<()> {
        match args.format {
            Format::Terminal => terminal::write(content::report(&overview, args.details), args.details, output)?,
            Format::Csv => csv::write(&overview, output)?,
            Format::Html => html::write(content::report(&overview, true), output)?,
            Format::Markdown => {
                // On a terminal there is no folder for plots.
                let mut save = |name: &str, plot: &str| match &args.output {
                    None => Ok(()),
                    Some(_) => whole_file(&folder.join(name), &mut |output| Ok(write!(output, "{plot}")?))
                        .map_err(std::io::Error::other),
                };
                markdown::write(content::report(&overview, args.details), folder, output, &mut save)?;
            }
        }
        Ok(())
    };
    match &args.output {
        None => {
            let mut output = BufWriter::new(std::io::stdout().lock());
            paint(&mut output, Path::new(""))?;
            output.flush()?;
        }
        Some(path) => {
            let folder = path.parent().unwrap_or(Path::new("")).to_owned();
            whole_file(path, &mut |output| paint(output, &folder))?;
            writeln!(std::io::stdout(), "wrote {}", path.display())?;
        }
    }
    if args.format != Format::Terminal || args.output.is_some() {
        say::text(terminal::problems(&overview.problems));
    }
    Ok(ExitCode::from(if overview.problems.is_empty() { 0 } else { 3 }))
}

/// Writes a file whole or not at all: what was there before stays until the new one is complete.
fn whole_file(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}: name another file with --output", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = file::temporary_in(folder).with_context(cannot)?;
    let mut output = BufWriter::new(file);
    write(&mut output).with_context(cannot)?;
    let file = output.into_inner().map_err(|error| error.into_error()).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}
