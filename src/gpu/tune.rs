//! Which kernel is fastest here, and right.

use super::adapter::Gpu;
use super::buffers::{Buffers, Shape};
use super::kernel::{Kernel, PAD_MN};
use super::matmul::{Band, Compiled, Matmul, cut};
use super::verify::Expectation;
use crate::protocol::{GpuError, LONGEST_SUBMISSION_S};
use crate::record::{Trial, Units};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Each trial works for about this long.
const TRIAL_S: f64 = 0.03;
/// Each kernel is tried so often in a row, and as often again after all others. A GPU that rested needs a second or two to
/// raise its clock: an H100 took 0.43 s for the product of the first kernel, and 0.075 s once it was awake.
const TRIALS: usize = 2;
/// By how much a pilot grows while it is short: what took less than the longest that a submission should take then takes less than
/// half a second.
const PILOT_GROWTH: usize = 4;
/// A kernel that is this much slower than the best at its first trial gets no other.
const HOPELESS: f64 = 3.0;

/// Compiling all kernels together may take so long. Some compilers take minutes for a kernel, DirectX's among them.
const COMPILING: Duration = Duration::from_secs(120);

/// The kernel to measure with, and how it was found.
pub struct Tuned {
    pub matmul: Matmul,
    pub trials: Vec<Trial>,
}

/// Tries the kernel that is pinned, else all that suit the adapter, on the last init, of zeros and Gaussian the latter, and takes
/// the fastest that verifies on all of them. Those that are not compiled within two minutes are left out; the one that is pinned is
/// waited for.
///
/// # Errors
/// The device fails, or no kernel computes A·B.
pub fn fastest(
    buffers: Rc<Buffers>,
    seed: u64,
    pinned: Option<Kernel>,
    tried: impl FnMut(&Trial),
) -> Result<Tuned, GpuError> {
    let patience = if pinned.is_some() { Duration::MAX } else { COMPILING };
    fastest_within(patience, buffers, seed, pinned, tried)
}

/// As [`fastest`], with so much time for compiling all kernels together.
///
/// # Errors
/// Likewise.
pub fn fastest_within(
    patience: Duration,
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
    let mut kernels: Vec<Kernel> = pinned.map_or_else(all, |kernel| vec![kernel]);
    // What is compiled soonest comes first: there is a kernel to measure with, however long others take.
    kernels.sort_by_key(Kernel::unrolled);
    fastest_of(&kernels, &buffers, &expectations, patience, &mut tried)
}

/// A kernel that computes A·B, and its trial: products of so many rows of C.
struct Candidate {
    compiled: Compiled,
    band: Band,
    repeats: usize,
    /// Seconds a product, the best of all trials.
    time_s: f64,
}

fn fastest_of(
    kernels: &[Kernel],
    buffers: &Rc<Buffers>,
    expectations: &[Expectation],
    patience: Duration,
    tried: &mut impl FnMut(&Trial),
) -> Result<Tuned, GpuError> {
    let mut outcomes = vec![];
    let mut best_s = f64::INFINITY;
    let mut left = patience;
    for &kernel in kernels {
        let begun = Instant::now();
        let compiled = Compiled::within(left, &buffers.gpu, kernel, buffers.shape.dtype)?;
        left = left.saturating_sub(begun.elapsed());
        let outcome = match compiled {
            Some(Ok(compiled)) => try_kernel(buffers, compiled, expectations, best_s)?,
            Some(Err(why)) => Err(why),
            None => {
                Err(format!("left out: compiling took longer than {} s, for all kernels together", patience.as_secs()))
            }
        };
        best_s = outcome.as_ref().map_or(best_s, |candidate| best_s.min(candidate.time_s));
        tried(&trial(kernel, &outcome));
        outcomes.push((kernel, outcome));
    }
    if kernels.len() > 1 {
        for candidate in outcomes.iter_mut().filter_map(|(_, outcome)| outcome.as_mut().ok()) {
            candidate.run(buffers, TRIALS)?;
        }
    }

    let mut trials: Vec<Trial> = outcomes.iter().map(|(kernel, outcome)| trial(*kernel, outcome)).collect();
    let mut ranking: Vec<Candidate> = outcomes.into_iter().filter_map(|(_, outcome)| outcome.ok()).collect();
    ranking.sort_by(|a, b| a.time_s.total_cmp(&b.time_s));
    for Candidate { compiled, time_s, .. } in ranking {
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

fn trial(kernel: Kernel, outcome: &Result<Candidate, String>) -> Trial {
    let (time_s, note) = match outcome {
        Ok(candidate) => (Some(candidate.time_s), None),
        Err(why) => (None, Some(why.clone())),
    };
    Trial { kernel: kernel.to_string(), time_s, note }
}

impl Candidate {
    /// Some trials more, on the last init.
    fn run(&mut self, buffers: &Buffers, trials: usize) -> Result<(), GpuError> {
        let init = buffers.operands.len() - 1;
        let products = self.band.share(buffers.shape.mn) * self.repeats as f64;
        for _ in 0..trials {
            let begun = Instant::now();
            buffers.gpu.finish(self.compiled.submit(buffers, &self.band, init, self.repeats, None))?;
            self.time_s = self.time_s.min(begun.elapsed().as_secs_f64() / products);
        }
        Ok(())
    }
}

/// Checks a first band of rows, then tries the kernel on as many rows, or products, as fill a trial.
fn try_kernel(
    buffers: &Buffers,
    compiled: Compiled,
    expectations: &[Expectation],
    best_s: f64,
) -> Result<Result<Candidate, String>, GpuError> {
    let kernel = compiled.kernel;
    let init = buffers.operands.len() - 1;
    let rows = buffers.shape.mn;

    buffers.poison()?;
    let first_s = pilot(&compiled, buffers)? * rows as f64 / PAD_MN as f64;
    let bands = cut(rows, first_s).into_iter().take_while(|(band, _)| band.start == 0);
    let bands: Vec<Band> =
        bands.map(|(band, columns)| compiled.band(buffers, 0..PAD_MN.min(band.end), columns)).collect();
    for band in &bands {
        buffers.gpu.finish(compiled.submit(buffers, band, init, 1, None))?;
    }
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

    // A band of few rows leaves most of a large GPU idle: it tells how many rows a trial takes at least, and nothing about
    // which kernel is faster. Where even that band is cut, its first part is the trial.
    let trial_rows = ((TRIAL_S / first_s * rows as f64) as usize).next_multiple_of(PAD_MN).clamp(PAD_MN, rows);
    let repeats = if trial_rows == rows { ((TRIAL_S / first_s) as usize).clamp(1, 1000) } else { 1 };
    let columns = bands[0].columns.clone();
    let band = compiled.band(buffers, 0..trial_rows, columns);
    let mut candidate = Candidate { compiled, band, repeats, time_s: f64::INFINITY };
    candidate.run(buffers, 1)?;
    if candidate.time_s > HOPELESS * best_s {
        return Ok(Err(format!("{:.1} times slower than the best", candidate.time_s / best_s)));
    }
    candidate.run(buffers, TRIALS - 1)?;
    Ok(Ok(candidate))
}

/// Seconds that [`PAD_MN`] rows of C take, by submissions of ever more columns of them: the first tile of a kernel is short even
/// where a band of rows would outlast a driver's patience, as on a small integrated GPU. Too many, if anything: a few tiles leave
/// a large GPU idle.
fn pilot(compiled: &Compiled, buffers: &Buffers) -> Result<f64, GpuError> {
    let all = buffers.shape.mn;
    let init = buffers.operands.len() - 1;
    let time_s = |columns: usize| -> Result<f64, GpuError> {
        let band = compiled.band(buffers, 0..PAD_MN, 0..columns);
        let begun = Instant::now();
        buffers.gpu.finish(compiled.submit(buffers, &band, init, 1, None))?;
        Ok(begun.elapsed().as_secs_f64())
    };
    let mut columns = PAD_MN;
    // The first run of a pipeline may compile it, so that only the second tells how long it takes.
    time_s(columns)?;
    loop {
        let time_s = time_s(columns)?;
        if columns == all || time_s > LONGEST_SUBMISSION_S {
            return Ok(time_s * all as f64 / columns as f64);
        }
        columns = (PILOT_GROWTH * columns).min(all);
    }
}
