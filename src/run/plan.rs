//! What will be measured: the options, completed by what the adapter is.

use crate::gpu::buffers::Shape;
use crate::gpu::kernel::PAD_MN;
use crate::host::memory::Memory;
use crate::operands::own::OperandError;
use crate::operands::{Dtype, Init, Operands};
use crate::record::plan::MOST_INITS;
use crate::record::{Plan, Units};
use clap::Args;
use thiserror::Error;

/// What the command line says of a plan.
#[derive(Clone, Debug, Args)]
pub struct PlanOptions {
    /// n: the matrices are n × n [default: 10000; 8192 with --atlas; 1024 on a software adapter]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub size: Option<usize>,
    /// Type of the elements of A and B; f16 is summed in f32, i8 in i32
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: Dtype,
    /// Which arithmetic units multiply: simt, the plain ones of every GPU (CUDA cores, stream processors), or matrix, those for
    /// matrices of f16 (tensor cores, WMMA, simdgroup matrices; `wattmul devices` says where they are)
    #[arg(long, value_enum, default_value = "simt", hide_possible_values = true, value_name = "simt|matrix")]
    pub units: Units,
    /// How A and B are initialised, the reference first: zeros, ones, constant:3.14159, gaussian, gaussian:1024 (standard
    /// deviation), uniform, octave, sparse:0.5 (share of zeros), signs, ternary, integers, mantissa:8 (bits kept), positive,
    /// sorted, ramp, equal-rows, equal-columns; or numbers of your own: w.npy, m.safetensors:TENSOR, with .T transposed, for A
    /// and B alike; x.npy@w.npy for A and for B
    #[arg(long, value_name = "INIT,INIT,…", value_delimiter = ',', default_value = "zeros,gaussian")]
    pub init: Vec<Operands>,
    /// Twenty of these inits, and what each kind of bit in them costs
    #[arg(long, conflicts_with = "init")]
    pub atlas: bool,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value_t = 0)]
    pub seed: u64,
    /// Rounds go on until the half-width of each energy ratio's interval is at most this much of it [default: 0.3]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, conflicts_with = "rounds")]
    pub precision: Option<f64>,
    /// Exactly so many rounds, each a window of every init [default: as many as --precision needs; 6 with --quick
    /// or of more than two inits, 4 with both --atlas and --quick]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub rounds: Option<u32>,
    /// Length of a window [default: 3.5, 2 with --atlas, 10 for other runs of more than two inits, or more for a slow
    /// sensor; 2 with --quick]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub window: Option<f64>,
    /// Products before each window, until sensor and clock have settled [default: 1.5, 3 for more than two inits without
    /// --atlas, or thrice what the sensor averages over; with --quick 1, or 0.5]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub settling: Option<f64>,
    /// Longest warm-up, which ends when power is steady [default: 15, 120 with --atlas, 300 for more
    /// than two inits and in a sweep; 10 with --quick]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub warm_up: Option<f64>,
    /// Fewer and shorter rounds: a first look (always so on a software adapter)
    #[arg(long)]
    pub quick: bool,
    /// Hold the GPU's clock for the run (most drivers ask for root)
    #[arg(long, value_name = "MHZ", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub lock_clock: Option<u32>,
    /// Limit the GPU's power for the run; then the limit is what it was before (most drivers ask for root)
    #[arg(long, value_name = "WATTS", allow_negative_numbers = true, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub power_limit: Option<u32>,
    /// Of which sweep it is a part.
    #[arg(skip)]
    pub sweep: Option<String>,
}

impl Default for PlanOptions {
    /// As without any option.
    fn default() -> Self {
        PlanOptions {
            size: None,
            dtype: Dtype::F32,
            units: Units::Simt,
            init: vec![Init::Zeros.into(), Init::Gaussian.into()],
            atlas: false,
            seed: 0,
            precision: None,
            rounds: None,
            window: None,
            settling: None,
            warm_up: None,
            quick: false,
            lock_clock: None,
            power_limit: None,
            sweep: None,
        }
    }
}

// By hand: as a source, the error would be told twice.
impl From<OperandError> for PlanError {
    fn from(error: OperandError) -> Self {
        PlanError::Operands(error)
    }
}

impl PlanOptions {
    /// Reads the files that `--init` names, so that several plans have one copy of their numbers.
    ///
    /// # Errors
    /// One has no such numbers.
    pub fn read_files(&mut self) -> Result<(), PlanError> {
        for operands in &mut self.init {
            *operands = Operands::Init(operands.read()?);
        }
        Ok(())
    }
}

/// What of the command line makes no plan.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum PlanError {
    #[error("--size 0 has nothing to multiply: choose 1 or more")]
    NoSize,
    #[error("--size {size} does not fit {adapter}: the largest that does is --size {largest}")]
    TooLarge { size: usize, largest: usize, adapter: String },
    #[error(
        "--size {size} with {inits} inits takes {} of memory, and {adapter} has {}: the largest that fits is --size {largest}{}",
        gigabytes(*.needed), has(.memory), if *.inits > 2 { ", or name fewer inits" } else { "" }
    )]
    NoMemory { size: usize, inits: usize, needed: u64, memory: Memory, largest: usize, adapter: String },
    #[error("--dtype {dtype} is not for {adapter}: its driver has no such type; choose from {}", names(.has))]
    NoDtype { dtype: Dtype, adapter: String, has: Vec<Dtype> },
    #[error("--units matrix multiplies f16 alone: say --dtype f16 too")]
    MatrixDtype,
    #[error(
        "--units matrix is not for {adapter}: it offers no matrices of f16, summed in f32, that a kernel is for; it has \
         --units simt \
         (`wattmul devices` lists what each adapter has)"
    )]
    NoMatrixUnits { adapter: String },
    #[error("{kernel} is a kernel of f16: say --dtype f16 too")]
    MatrixKernel { kernel: String },
    #[error("--kernel {kernel} is for --units {}", .units.name())]
    OtherUnits { kernel: String, units: Units },
    #[error(
        "--init needs at least two inits, the reference first, such as zeros,gaussian: their ratio is what is measured"
    )]
    Inits,
    #[error("--init names {0} inits: {MOST_INITS} at most")]
    Many(usize),
    #[error("--init has {0} twice: name each init once, the reference first")]
    Twice(Init),
    #[error("--init: {0}")]
    Operands(OperandError),
    #[error("{option}: {device} does not have {asked}, but {has}")]
    Setting { option: &'static str, asked: String, device: String, has: String },
    #[error("--rounds {0} is outside 1 to 1000")]
    Rounds(u32),
    #[error("--precision {0} is outside 0.01 to 10 percent")]
    Precision(f64),
    #[error("{option} {value} is outside {least} to {most} seconds")]
    Seconds { option: &'static str, value: f64, least: f64, most: f64 },
}

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 * 1e-9)
}

fn has(memory: &Memory) -> String {
    match memory.free_bytes {
        Some(free) => format!("{} free of {}", gigabytes(free), gigabytes(memory.total_bytes)),
        None => gigabytes(memory.total_bytes),
    }
}

/// The largest n for an adapter: of that which its bindings hold (`bound`), what its memory, where it is known, has room for. Some
/// drivers move what does not fit to the machine's memory, and multiply ten times more slowly without a word.
///
/// # Errors
/// [`PlanError::NoMemory`]: the size that is asked for does not fit.
pub fn largest(options: &PlanOptions, bound: usize, memory: Option<Memory>, adapter: &str) -> Result<usize, PlanError> {
    let Some(memory) = memory else { return Ok(bound) };
    let inits = if options.atlas { Init::ALL.len() } else { options.init.len() };
    let fit = Shape::largest_in(memory.available_bytes(), options.dtype, options.units, inits);
    match options.size {
        Some(size) if size > fit && size <= bound => Err(PlanError::NoMemory {
            size,
            inits,
            needed: Shape::new(options.dtype, options.units, size).bytes(inits),
            memory,
            largest: fit,
            adapter: adapter.into(),
        }),
        // Where nothing fits, the least is tried: the driver knows better, or says so.
        _ => Ok(bound.min(fit).max(PAD_MN)),
    }
}

fn names(dtypes: &[Dtype]) -> String {
    dtypes.iter().map(|dtype| dtype.name()).collect::<Vec<_>>().join(", ")
}

/// n without `--size`: the size of the experiment that this protocol repeats, and one that a CPU can do.
const GPU_SIZE: usize = 10_000;
/// The same of an atlas, all of whose matrices lie in the memory of a GPU at once: twenty pairs take 10.7 GB in f32.
const ATLAS_SIZE: usize = 8192;
const SOFTWARE_SIZE: usize = 1024;

/// Percent of an energy ratio, without `--precision`.
const PRECISION: f64 = 0.3;
/// Rounds of a first look, or of more than two inits.
const FEW_ROUNDS: u32 = 6;
/// Of a first look at an atlas: it takes 4 minutes then, and without --quick, of windows of 2 s and a warm-up of 2 minutes at most,
/// 10 minutes where the sensor is not slow.
const QUICK_ATLAS_ROUNDS: u32 = 4;
/// Seconds that rounds may last, and that each init may have of them, if that is more.
const LONGEST_S: f64 = 208.0;
const LONGEST_OF_INIT_S: f64 = 78.0;
/// However short they are, as many rounds.
const MOST_ROUNDS: u32 = 40;

/// How many rounds, how precise, and for how long at most.
fn length(options: &PlanOptions, quick: bool, inits: usize) -> Result<(u32, Option<f64>, Option<f64>), PlanError> {
    // Of many inits each round is long, and six of them are as long as a run should be.
    let fixed = (quick || inits > 2) && options.precision.is_none();
    let exact =
        options.rounds.or(fixed.then_some(if options.atlas && quick { QUICK_ATLAS_ROUNDS } else { FEW_ROUNDS }));
    if let Some(rounds) = exact {
        return if (1..=1000).contains(&rounds) { Ok((rounds, None, None)) } else { Err(PlanError::Rounds(rounds)) };
    }
    let percent = options.precision.unwrap_or(PRECISION);
    if !(0.01..=10.0).contains(&percent) {
        return Err(PlanError::Precision(percent));
    }
    Ok((MOST_ROUNDS, Some(percent / 100.0), Some(LONGEST_S.max(LONGEST_OF_INIT_S * inits as f64))))
}

/// Completes the options. `largest` is the largest n that fits the adapter.
///
/// # Errors
/// An option that cannot be met; the message names it.
pub fn plan(options: &PlanOptions, software: bool, largest: usize, adapter: &str) -> Result<Plan, PlanError> {
    let usual = match (software, options.atlas) {
        (true, _) => SOFTWARE_SIZE,
        (false, true) => ATLAS_SIZE,
        (false, false) => GPU_SIZE,
    };
    let size = options.size.unwrap_or(usual.min(largest));
    match size {
        0 => return Err(PlanError::NoSize),
        _ if size > largest => return Err(PlanError::TooLarge { size, largest, adapter: adapter.into() }),
        _ => {}
    }
    if options.units == Units::Matrix && options.dtype != Dtype::F16 {
        return Err(PlanError::MatrixDtype);
    }
    let inits = match options.atlas {
        true => Init::ALL.to_vec(),
        false => options.init.iter().map(Operands::read).collect::<Result<_, _>>()?,
    };
    match inits.len() {
        ..2 => return Err(PlanError::Inits),
        count if count > MOST_INITS => return Err(PlanError::Many(count)),
        _ => {}
    }
    if let Some(i) = (1..inits.len()).find(|&i| inits[..i].contains(&inits[i])) {
        return Err(PlanError::Twice(inits[i]));
    }
    let quick = options.quick || software;
    let (rounds, precision, longest_s) = length(options, quick, inits.len())?;
    let seconds = |option, given: Option<f64>, usual: f64, least: f64, most: f64| match given.unwrap_or(usual) {
        value if (least..=most).contains(&value) => Ok(value),
        value => Err(PlanError::Seconds { option, value, least, most }),
    };
    // What the command line leaves open: a window, and its settling time. A first look at many inits is short too.
    let usual_s = match (quick, inits.len()) {
        (false, ..=2) => (3.5, 1.5),
        (false, _) if options.atlas => (2.0, 1.5),
        (false, _) => (10.0, 3.0),
        (true, ..=2) => (2.0, 1.0),
        (true, _) => (2.0, 0.5),
    };
    let window_s = seconds("--window", options.window, usual_s.0, 0.1, 3600.0)?;
    let settling_s = seconds("--settling", options.settling, usual_s.1, 0.0, 600.0)?;
    // Many inits take turns too slowly to see a board warm meanwhile, and the first clock of a sweep warms it for the others.
    let usual = match quick {
        true => (3.0, 10.0),
        false if options.atlas => (20.0, 120.0),
        false if inits.len() > 2 || options.sweep.is_some() => (20.0, 300.0),
        false => (15.0, 15.0),
    };
    let longest_warm_up_s = seconds("--warm-up", options.warm_up, usual.1, 0.0, 3600.0)?;
    let warm_up_s = if options.warm_up.is_some() { (longest_warm_up_s.min(usual.0), longest_warm_up_s) } else { usual };
    Ok(Plan {
        size,
        dtype: options.dtype,
        units: options.units,
        inits,
        seed: options.seed,
        rounds,
        precision,
        longest_s,
        window_s,
        settling_s,
        warm_up_s,
        idle_s: if quick { 1.0 } else { 3.0 },
        lock_clock_mhz: options.lock_clock,
        power_limit_w: options.power_limit,
        sweep: options.sweep.clone(),
        settling_fixed: options.settling.is_some(),
        window_fixed: options.window.is_some(),
    })
}
