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
/// Each kernel is tried so often in a row, and on a GPU as often again after all others, once it is awake.
const TRIALS: usize = 2;
/// By how much a pilot grows while it is short: what took less than the longest that a submission should take then takes less than
/// half a second.
const PILOT_GROWTH: usize = 4;
/// A kernel that is this much slower than the best at its first trial gets no other.
const HOPELESS: f64 = 3.0;
/// A GPU is awake once it has worked for so long without becoming faster by more than this share, and is not waited for any longer
/// than that. Trials alone do not wake it: while the next kernel was compiled, an H100 stayed at 525 of its 1980 MHz.
const AWAKE_S: f64 = 0.5;
const FASTER: f64 = 0.03;
const LONGEST_WAKE_S: f64 = 5.0;

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
    if !buffers.gpu.software {
        let mut candidates: Vec<&mut Candidate> =
            outcomes.iter_mut().filter_map(|(_, outcome)| outcome.as_mut().ok()).collect();
        if let Some(best) = candidates.iter_mut().min_by(|a, b| a.time_s.total_cmp(&b.time_s)) {
            best.wake(buffers)?;
        }
        for candidate in candidates {
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
    Err(GpuError::NoRightKernel(reasons(&trials)))
}

/// Why the kernels are not used, each reason once: a driver that does nothing does so with all of them.
fn reasons(trials: &[Trial]) -> String {
    let mut groups: Vec<(&str, &str, usize)> = vec![];
    for trial in trials {
        let Some(note) = &trial.note else { continue };
        match groups.iter_mut().find(|(_, reason, _)| reason == note) {
            Some((.., others)) => *others += 1,
            None => groups.push((&trial.kernel, note, 0)),
        }
    }
    let told = groups.into_iter().map(|(kernel, reason, others)| match others {
        0 => format!("{kernel}: {reason}"),
        1 => format!("{kernel} and another: {reason}"),
        _ => format!("{kernel} and {others} others: {reason}"),
    });
    told.collect::<Vec<_>>().join("; ")
}

fn trial(kernel: Kernel, outcome: &Result<Candidate, String>) -> Trial {
    let (time_s, note) = match outcome {
        Ok(candidate) => (Some(candidate.time_s), None),
        Err(why) => (None, Some(why.clone())),
    };
    Trial { kernel: kernel.to_string(), time_s, note }
}

impl Candidate {
    /// Works until the GPU is awake.
    fn wake(&mut self, buffers: &Buffers) -> Result<(), GpuError> {
        let begun = Instant::now();
        wake(
            || begun.elapsed().as_secs_f64(),
            || {
                self.run(buffers, 1)?;
                Ok(self.time_s)
            },
        )
    }

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

/// Works, by `work_s` that says how long a product took, until it takes no less than some time ago.
fn wake<E>(now_s: impl Fn() -> f64, mut work_s: impl FnMut() -> Result<f64, E>) -> Result<(), E> {
    let begun_s = now_s();
    let (mut best_s, mut faster_s) = (f64::INFINITY, begun_s);
    while now_s() - faster_s < AWAKE_S && now_s() - begun_s < LONGEST_WAKE_S {
        let product_s = work_s()?;
        if product_s < best_s * (1.0 - FASTER) {
            (best_s, faster_s) = (product_s, now_s());
        }
    }
    Ok(())
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
    if candidate.time_s > HOPELESS * best_s && !buffers.gpu.software {
        candidate.wake(buffers)?; // the best was perhaps tried on a GPU that was awake, and this one while it slept
    }
    if candidate.time_s > HOPELESS * best_s {
        return Ok(Err(format!("{:.1} times slower than the best", candidate.time_s / best_s)));
    }
    candidate.run(buffers, TRIALS - 1)?;
    Ok(Ok(candidate))
}

/// Seconds that [`PAD_MN`] rows of C take.
fn pilot(compiled: &Compiled, buffers: &Buffers) -> Result<f64, GpuError> {
    let init = buffers.operands.len() - 1;
    grown(buffers.shape.mn, |columns| {
        let band = compiled.band(buffers, 0..PAD_MN, 0..columns);
        let begun = Instant::now();
        buffers.gpu.finish(compiled.submit(buffers, &band, init, 1, None))?;
        Ok(begun.elapsed().as_secs_f64())
    })
}

/// Seconds that all columns take, by submissions (`time_s`) of ever more of them: the first tile of a kernel is short even where a
/// band of rows would outlast a driver's patience, as on a small integrated GPU. Too many, if anything: a few tiles leave a
/// large GPU idle.
fn grown<E>(all: usize, mut time_s: impl FnMut(usize) -> Result<f64, E>) -> Result<f64, E> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::convert::Infallible;

    #[test]
    fn a_reason_of_many_kernels_is_told_once() {
        let trial = |kernel: &str, note: Option<&str>| Trial {
            kernel: kernel.into(),
            time_s: None,
            note: note.map(str::to_owned),
        };
        let zero = Some("row 0 is 0");
        let told = reasons(&[trial("a", zero), trial("b", Some("slow")), trial("c", zero), trial("d", zero)]);
        assert_eq!(told, "a and 2 others: row 0 is 0; b: slow");
        assert_eq!(reasons(&[trial("a", zero), trial("b", None), trial("c", zero)]), "a and another: row 0 is 0");
        assert_eq!(reasons(&[]), "");
    }

    #[test]
    fn a_gpu_that_sleeps_is_worked_awake_and_no_longer() {
        // (seconds of work until it wakes, seconds of a product asleep and awake) → about how long it is worked
        for (wakes_s, asleep_s, awake_s, worked_s) in
            [(0.0, 0.045, 0.045, 0.5), (0.3, 0.170, 0.045, 0.9), (f64::INFINITY, 1.5, 1.5, 1.5)]
        {
            let now_s = Cell::new(0.0_f64);
            let mut products = vec![];
            let work_s = || {
                let product_s = if now_s.get() >= wakes_s { awake_s } else { asleep_s };
                now_s.set(now_s.get() + product_s);
                products.push(product_s);
                Ok::<_, Infallible>(product_s)
            };
            let Ok(()) = wake(|| now_s.get(), work_s);
            assert_eq!(products.last(), Some(&awake_s));
            assert!((worked_s..worked_s + 2.0 * asleep_s).contains(&now_s.get()), "{wakes_s}: {}", now_s.get());
        }
    }

    #[test]
    fn a_gpu_that_becomes_faster_for_ever_is_not_waited_for() {
        let now_s = Cell::new(0.0_f64);
        let work_s = || {
            now_s.set(now_s.get() + 0.1);
            Ok::<f64, Infallible>((1.0 + now_s.get()).powi(-9))
        };
        let Ok(()) = wake(|| now_s.get(), work_s);
        assert!((LONGEST_WAKE_S..LONGEST_WAKE_S + 0.2).contains(&now_s.get()));
    }

    /// n = 23,000 on GPUs from a slow integrated one to an H100: no submission of a pilot is long, and few are made.
    #[test]
    fn a_pilot_grows_from_one_tile_and_is_never_long() {
        const MN: usize = 23_040;
        for (flops, tiles_at_once) in [(10e9, 1), (40e9, 3), (150e9, 6), (400e9, 24), (60e12, 132)] {
            let tile_s = 2.0 * (PAD_MN * PAD_MN * MN) as f64 / flops * tiles_at_once as f64;
            let mut submissions: Vec<f64> = vec![];
            let band_s = grown(MN, |columns| {
                let rounds = (columns / PAD_MN).div_ceil(tiles_at_once);
                submissions.push(rounds as f64 * tile_s);
                Ok::<_, Infallible>(rounds as f64 * tile_s)
            });
            let Ok(band_s) = band_s;
            let longest_s = submissions.iter().copied().fold(0.0, f64::max);
            assert!(longest_s <= 0.5 && submissions.len() <= 6, "{flops}: {submissions:?}");
            let true_s = (MN / PAD_MN).div_ceil(tiles_at_once) as f64 * tile_s;
            assert!(band_s >= true_s * 0.999, "too many, if anything: {band_s} for {true_s}");
        }
    }
}
