//! Which kernel is fastest here, and right.

use super::adapter::Gpu;
use super::buffers::{Buffers, Shape};
use super::kernel::{Kernel, PAD_MN};
use super::matmul::{Compiled, Matmul};
use super::verify::Expectation;
use crate::protocol::GpuError;
use crate::record::{Trial, Units};
use std::rc::Rc;
use std::time::Instant;

/// Each trial works for about this long.
const TRIAL_S: f64 = 0.03;
/// The best of so many counts.
const TRIALS: usize = 3;
/// A kernel that is this much slower than the best at its first try gets no other.
const HOPELESS: f64 = 3.0;

/// The kernel to measure with, and how it was found.
pub struct Tuned {
    pub matmul: Matmul,
    pub trials: Vec<Trial>,
}

/// Tries the kernel that is pinned, else all that suit the adapter, on the last init, of zeros and Gaussian the latter, and takes
/// the fastest that verifies on all of them.
///
/// # Errors
/// The device fails, or no kernel computes A·B.
pub fn fastest(
    buffers: Rc<Buffers>,
    seed: u64,
    pinned: Option<Kernel>,
    mut tried: impl FnMut(&Trial),
) -> Result<Tuned, GpuError> {
    let Shape { dtype, units, size, .. } = buffers.shape;
    let expect = |init| Expectation::new(dtype, units, init, seed, size);
    let expectations: Vec<_> = buffers.operands.iter().map(|operands| expect(operands.init)).collect();
    let Gpu { software, matrix_units, .. } = &buffers.gpu;
    let suits = |kernel: &Kernel| kernel.is_for(matrix_units.as_ref()) && kernel.suits(*software, dtype);
    let all = || Kernel::all(units).iter().copied().filter(suits).collect();
    let kernels: Vec<Kernel> = pinned.map_or_else(all, |kernel| vec![kernel]);
    fastest_of(&kernels, &buffers, &expectations, &mut tried)
}

fn fastest_of(
    kernels: &[Kernel],
    buffers: &Rc<Buffers>,
    expectations: &[Expectation],
    tried: &mut impl FnMut(&Trial),
) -> Result<Tuned, GpuError> {
    let (mut trials, mut ranking) = (vec![], vec![]);
    let mut best_s = f64::INFINITY;
    for &kernel in kernels {
        let (time_s, note) = match try_kernel(buffers, kernel, expectations, best_s)? {
            Ok((time_s, compiled)) => {
                best_s = best_s.min(time_s);
                ranking.push((time_s, compiled));
                (Some(time_s), None)
            }
            Err(why) => (None, Some(why)),
        };
        trials.push(Trial { kernel: kernel.to_string(), time_s, note });
        trials.last().into_iter().for_each(&mut *tried);
    }

    ranking.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (time_s, compiled) in ranking {
        let mut matmul = Matmul::new(buffers.clone(), compiled, time_s);
        match matmul.verify(expectations)? {
            Ok(()) => return Ok(Tuned { matmul, trials }),
            Err(wrong) => {
                let name = matmul.kernel().to_string();
                for trial in trials.iter_mut().filter(|trial| trial.kernel == name) {
                    (trial.time_s, trial.note) = (None, Some(wrong.to_string()));
                }
            }
        }
    }
    let reasons = trials.iter().filter_map(|trial| Some(format!("{}: {}", trial.kernel, trial.note.as_ref()?)));
    Err(GpuError::NoRightKernel(reasons.collect::<Vec<_>>().join("; ")))
}

/// Checks a first band of rows, then times as many rows, or products, as fill a trial. Returns seconds a product.
fn try_kernel(
    buffers: &Buffers,
    kernel: Kernel,
    expectations: &[Expectation],
    best_s: f64,
) -> Result<Result<(f64, Compiled), String>, GpuError> {
    let compiled = match Compiled::new(&buffers.gpu, kernel, buffers.shape.dtype)? {
        Ok(compiled) => compiled,
        Err(why) => return Ok(Err(why)),
    };
    let init = buffers.operands.len() - 1;
    let rows = buffers.shape.mn;
    let timed = |rows, repeats| {
        let band = compiled.band(buffers, 0..rows);
        let begun = Instant::now();
        buffers.gpu.finish(compiled.submit(buffers, &band, init, repeats, None))?;
        Ok::<f64, GpuError>(begun.elapsed().as_secs_f64())
    };

    // The first run of a pipeline may compile it, so that only the second tells how long it takes.
    buffers.poison()?;
    timed(PAD_MN, 1)?;
    let mut wrong = None;
    buffers.read_rows(0, PAD_MN.min(buffers.shape.size), |first, rows| {
        wrong = expectations[init].check(first, rows, buffers.shape.mn).err();
        Ok::<_, GpuError>(())
    })?;
    match wrong {
        // As `shaders/matrix.wgsl` does where its subgroups are not those that it was written for.
        Some(wrong) if kernel.units() == Units::Matrix && wrong.is_poison() => {
            return Ok(Err("writes nothing: the driver takes subgroups of another size for it".into()));
        }
        Some(wrong) => return Ok(Err(wrong.to_string())),
        None => {}
    }
    let first_s = timed(PAD_MN, 1)? * rows as f64 / PAD_MN as f64;
    if first_s > HOPELESS * best_s && first_s > TRIAL_S {
        return Ok(Err(format!("{:.1} times slower than the best", first_s / best_s)));
    }

    let trial_rows = ((TRIAL_S / first_s * rows as f64) as usize).next_multiple_of(PAD_MN).clamp(PAD_MN, rows);
    let repeats = if trial_rows == rows { ((TRIAL_S / first_s) as usize).clamp(1, 1000) } else { 1 };
    let mut best_trial_s = f64::INFINITY;
    for _ in 0..TRIALS {
        best_trial_s = best_trial_s.min(timed(trial_rows, repeats)?);
    }
    Ok(Ok((best_trial_s * rows as f64 / trial_rows as f64 / repeats as f64, compiled)))
}
