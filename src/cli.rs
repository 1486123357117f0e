//! The command line.

use crate::analysis::year::GridIntensity;
use crate::gpu::adapter::Backend;
use crate::gpu::kernel::Kernel;
use crate::operands::{Dtype, Operands};
use crate::power::INTERFACES;
use crate::power::choice::SensorChoice;
use crate::power::meter::MeterChoice;
use crate::record::file;
use crate::record::plan::Knob;
use crate::run::{PlanOptions, Settings};
use crate::simulate::models::{Model, ModelError};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::{Path, PathBuf};

/// How many joules one matrix product costs a GPU, by the numbers in it.
///
/// Multiplies n × n matrices of zeros, then of Gaussian numbers, in turns, on one GPU, and compares the energy of a
/// product: the same code, the same FLOPs, other bits.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(help_template = HELP, after_help = EXAMPLES, max_term_width = 80)]
pub struct Cli {
    #[command(flatten)]
    pub run: RunArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// Examples first: most who ask for help want one of them.
const HELP: &str = "{about}{after-help}\n\n{usage-heading} {usage}\n\n{all-args}";

const EXAMPLES: &str = "\
Examples:
  wattmul                                 measure the first GPU
  wattmul --backend vulkan --quick        the same in under a minute
  wattmul --adapter 1 --power nvml:0      choose the GPU and the sensor by hand
  wattmul --adapter all                   every GPU, one after another
  wattmul --size 10000 --lock-clock 1000  hold the clock: no power limit
  wattmul --dtype f16 --units matrix      tensor cores, WMMA and their like
  wattmul --atlas                         twenty kinds of numbers, not two
  wattmul --init zeros,w.npy              numbers of your own, from a file
  wattmul --simulate h100                 no GPU: what a run shows, on a model
  wattmul sweep --clocks 600,900,1200     what the clock costs
  wattmul sweep --power-limits 5          what a power limit saves
  wattmul devices                         which GPUs and sensors are here
  wattmul doctor                          what is missing, and what fixes it
  wattmul kernel --list                   the shaders that compete
  wattmul report                          the records in results/, side by side
  wattmul report -o r.html --format html  the same as a page
  wattmul compare mine.json theirs.json   do two records differ?
  wattmul predict sparse:0.7 --on results  what would other numbers cost?
  wattmul validate results                can these records be what they say?
  wattmul completions bash                for the shell: also fish, zsh, …
  wattmul man                             the manual page (… | man -l -)

Exit codes: 0 done; 1 failed; 2 wrong usage; 3 done, but the verdict is
invalid, records have problems, or they do not compare.";

const COMPLETIONS: &str = "\
Examples:
  wattmul completions bash >~/.local/share/bash-completion/completions/wattmul
  wattmul completions fish >~/.config/fish/completions/wattmul.fish
  wattmul completions zsh >~/.zfunc/_wattmul    with ~/.zfunc in $fpath";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Measure (what happens without a command)
    Run(Box<RunArgs>),
    /// Measure at several clocks or power limits (drivers ask for root)
    Sweep(Box<SweepArgs>),
    /// List adapters and sensors, and which belongs to which
    Devices(DevicesArgs),
    /// Say what this machine lacks for a valid run, and what fixes it
    Doctor(DoctorArgs),
    /// Show the matrix-product kernels
    Kernel(KernelArgs),
    /// Lay records side by side: a table, a page, for a spreadsheet
    Report(ReportArgs),
    /// Say whether two records differ, or one from those of a folder
    Compare(CompareArgs),
    /// Say what other numbers would cost a GPU, by an atlas of it
    Predict(PredictArgs),
    /// Say whether records can be what they say: all is computed again
    Validate(ValidateArgs),
    /// Print what completes the command line in a shell
    #[command(after_help = COMPLETIONS)]
    Completions { shell: Shell },
    /// Print the manual page
    Man,
}

#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Interface to the GPU
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// Which GPU: its index in `wattmul devices`, part of its name, or its PCI address; auto, the first that this process
    /// may use (schedulers say so); all, every one of those, one after another
    #[arg(long, value_name = "auto|all|INDEX|NAME|PCI")]
    pub adapter: Option<String>,
    #[command(flatten)]
    pub plan: PlanOptions,
    /// Kernel by name, instead of the fastest: see `wattmul kernel --list`
    #[arg(long, value_name = "auto|NAME", default_value = "auto", value_parser = parse_kernel)]
    pub kernel: KernelOption,
    #[arg(long, value_name = "SENSOR", default_value = "auto", help = power_help())]
    pub power: SensorChoice,
    /// A meter of your own beside the sensor, of the board alone or at the wall. SOURCE is command:COMMAND, whose lines are `watts` or
    /// `seconds,watts` (one that ends is begun again, once a second); file:FILE, which grows by such lines; http://HOST/PATH#FIELD, a
    /// smart plug that answers JSON; or hwmon, a meter of Linux's
    #[arg(long, value_name = "board|wall:SOURCE", conflicts_with = "simulate")]
    pub meter: Option<MeterChoice>,
    /// Where the record is saved [default: results; nowhere with --simulate]
    #[arg(long, value_name = "FOLDER")]
    pub results: Option<PathBuf>,
    /// A word for the record: which rack, which card
    #[arg(long, value_name = "TEXT", value_parser = parse_label)]
    pub label: Option<String>,
    /// Grams of CO2e a kWh, for what the difference comes to over a year
    #[arg(long, value_name = "G_PER_KWH", allow_negative_numbers = true)]
    pub grid_intensity: Option<GridIntensity>,
    /// Do not save the record
    #[arg(long)]
    pub no_save: bool,
    /// Print the record on standard output instead of the summary
    #[arg(long)]
    pub json: bool,
    /// Run on a simulated board instead of a GPU: its name, then faults and parameters (h100,drift,noise_w=3); `list` shows all
    #[arg(long, value_name = "MODEL|list", value_parser = parse_model, conflicts_with_all = ["adapter", "kernel", "backend", "dtype"])]
    pub simulate: Option<ModelOption>,
    /// Let the simulated run take as long as a real one
    #[arg(long, requires = "simulate")]
    pub real_time: bool,
}

#[derive(Debug, Args)]
pub struct SweepArgs {
    /// The clocks in MHz, or how many to spread over all that the GPU has [default: 5]
    #[arg(long, value_name = "MHZ,MHZ,…|COUNT", conflicts_with = "lock_clock")]
    pub clocks: Option<Settings>,
    /// Power limits in W instead, or how many to spread over the range that the GPU takes
    #[arg(long, value_name = "W,W,…|COUNT", conflicts_with_all = ["clocks", "power_limit"])]
    pub power_limits: Option<Settings>,
    #[command(flatten)]
    pub run: RunArgs,
}

/// So many clocks, where nothing is said.
const CLOCKS: usize = 5;

impl SweepArgs {
    /// What is turned, and to what.
    pub fn settings(&self) -> (Knob, Settings) {
        match (&self.power_limits, &self.clocks) {
            (Some(limits), _) => (Knob::PowerLimit, limits.clone()),
            (None, Some(clocks)) => (Knob::Clock, clocks.clone()),
            (None, None) => (Knob::Clock, Settings::Spread(CLOCKS)),
        }
    }
}

impl RunArgs {
    /// Where to save the record, if anywhere. A simulated one must not slip in among real ones.
    pub fn folder(&self) -> Option<&Path> {
        let usual = if self.simulate.is_none() { Some(Path::new("results")) } else { None };
        self.results.as_deref().or(usual).filter(|_| !self.no_save)
    }
}

fn power_help() -> String {
    let names: Vec<&str> = INTERFACES.iter().map(|interface| interface.name).collect();
    format!(
        "Power sensor: auto (the adapter's own), none, {}; NAME:INDEX or NAME:PCI for one of several, as `wattmul devices` \
         lists them; meter:… for a meter of your own in its place, as --meter takes it",
        names.join(", ")
    )
}

/// `--kernel`: None for the fastest.
#[derive(Clone, Copy, Debug)]
pub struct KernelOption(pub Option<Kernel>);

fn parse_kernel(text: &str) -> Result<KernelOption, String> {
    match text {
        "auto" => Ok(KernelOption(None)),
        name => Kernel::named(name).map(|kernel| KernelOption(Some(kernel))),
    }
}

fn parse_label(text: &str) -> Result<String, &'static str> {
    file::check_label(text).map(|()| text.to_owned())
}

/// `--simulate`: None for the list.
#[derive(Clone, Debug)]
pub struct ModelOption(pub Option<Box<Model>>);

fn parse_model(text: &str) -> Result<ModelOption, ModelError> {
    match text {
        "list" => Ok(ModelOption(None)),
        model => model.parse().map(|model| ModelOption(Some(Box::new(model)))),
    }
}

#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Interface to the GPUs
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Interface to the GPUs
    #[arg(long, value_enum, default_value = "auto")]
    pub backend: Backend,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["list", "print"]))]
pub struct KernelArgs {
    /// A kernel a line, its name first
    #[arg(long)]
    pub list: bool,
    /// The exact WGSL of one kernel
    #[arg(long, value_name = "NAME", value_parser = Kernel::named)]
    pub print: Option<Kernel>,
    /// Type of the elements of A and B
    #[arg(long, value_enum, default_value = "f32")]
    pub dtype: Dtype,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Records, or folders of them
    #[arg(value_name = "PATH", default_value = "results")]
    pub paths: Vec<PathBuf>,
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: Format,
    /// Where to write it, instead of standard output; plots of a markdown report are put into its folder
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Grams of CO2e a kWh, for what the difference comes to over a year
    #[arg(long, value_name = "G_PER_KWH", allow_negative_numbers = true)]
    pub grid_intensity: Option<GridIntensity>,
    /// Every run, and not only the newest good one of each GPU
    #[arg(long)]
    pub all: bool,
    /// Every run's facts and windows too (a page for browsers has them folded)
    #[arg(long)]
    pub details: bool,
}

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table of 80 columns
    Terminal,
    /// Tables and plots, as a code forge shows them
    Markdown,
    /// One page with everything in it
    Html,
    /// One row a run and init
    Csv,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A record
    pub a: PathBuf,
    /// Another one, or a folder of them
    pub b: PathBuf,
}

#[derive(Debug, Args)]
pub struct PredictArgs {
    /// How A and B are initialised, or files of them, as --init takes it
    #[arg(value_name = "OPERANDS", required = true)]
    pub operands: Vec<Operands>,
    /// The record of an atlas (`wattmul --atlas`), or a folder with some
    #[arg(long, value_name = "RECORD|FOLDER")]
    pub on: PathBuf,
    /// Only by atlases of this type of elements
    #[arg(long, value_enum)]
    pub dtype: Option<Dtype>,
    /// Only by atlases of this kind of kernel, as the record names it: tiled, direct, matrix
    #[arg(long, value_name = "NAME")]
    pub algorithm: Option<String>,
}

#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Records, or folders of them
    #[arg(value_name = "PATH", default_value = "results")]
    pub paths: Vec<PathBuf>,
    /// Check all but the matrices: to make large ones again takes a second for each init
    #[arg(long)]
    pub quick: bool,
    /// Print the JSON schema of a record instead
    #[arg(long)]
    pub schema: bool,
}
