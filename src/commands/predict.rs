//! `wattmul predict`: what would other numbers cost a GPU that was measured by an atlas?

use crate::analysis::law::Law;
use crate::analysis::overview::Run;
use crate::analysis::predict;
use crate::archive;
use crate::cli::PredictArgs;
use crate::operands::{Activity, Init, Operands};
use crate::record::Record;
use crate::report::{content, terminal};
use crate::simulate;
use std::io::Write;
use std::process::ExitCode;

/// Applies the law of each atlas to the operands. No GPU is needed.
///
/// # Errors
/// No record has a law for them: each says why.
pub fn predict(args: &PredictArgs) -> anyhow::Result<ExitCode> {
    let overview = archive::overview(std::slice::from_ref(&args.on), true);
    let mut output = std::io::stdout().lock();
    write!(output, "{}", terminal::problems(&overview.problems))?;
    if overview.runs.is_empty() && overview.problems.is_empty() {
        anyhow::bail!(archive::no_records(std::slice::from_ref(&args.on)));
    }
    let operands: Vec<Init> = args.operands.iter().map(Operands::read).collect::<Result<_, _>>()?;
    let (mut predicted, mut refused) = (0, vec![]);
    for run in &overview.runs {
        let law = match law(run, args) {
            Ok(law) => law,
            Err(why) => {
                refused.push((run.path.as_path(), why));
                continue;
            }
        };
        let record = &run.record;
        let predictions = operands.iter().map(|&init| (init, predict::of(record, &law, &activity(record, &law, init))));
        let between = if predicted > 0 { "\n" } else { "" };
        let blocks = content::by_law(record, &law, &predictions.collect::<Vec<_>>());
        write!(output, "{between}{}", terminal::blocks(&blocks))?;
        predicted += 1;
    }
    // Of a folder, most runs are of two inits, and none of them was asked about.
    if predicted == 0 || overview.runs.len() == 1 {
        write!(output, "{}", terminal::blocks(&content::refused(&refused)))?;
    }
    Ok(ExitCode::from(if predicted > 0 { 0 } else { 3 }))
}

/// The law of a run, if it is one for these operands.
fn law(run: &Run, args: &PredictArgs) -> Result<Law, String> {
    let Record { plan, kernel, verdict, .. } = &run.record;
    if let Some(dtype) = args.dtype.filter(|&dtype| dtype != plan.dtype) {
        return Err(format!(
            "is of {}, and another type has other bits: ask for --dtype {}, or measure {dtype}",
            plan.dtype, plan.dtype
        ));
    }
    if let Some(other) = args.algorithm.as_deref().filter(|&algorithm| algorithm != kernel.algorithm()) {
        let own = kernel.algorithm();
        return Err(format!(
            "is of {own} kernels, whose bits follow each other in another order: ask for --algorithm {own}, or measure {other}"
        ));
    }
    if verdict.is_invalid() {
        return Err("is judged invalid: `wattmul report --details` says why".into());
    }
    Law::of(&run.record).map_err(|why| format!("has no law: {why}"))
}

/// What the operands do on that card: at the record's size, with its seed, in the order of its law.
fn activity(record: &Record, law: &Law, init: Init) -> Activity {
    let plan = &record.plan;
    match record.truth {
        Some(_) => simulate::activity(init, law.order),
        None => Activity::of(plan.dtype, init, plan.seed, plan.size, law.order),
    }
}
