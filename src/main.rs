//! The program: parse, run, print the error, exit code.

#![deny(unsafe_code)]

use anyhow::Context;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wattmul::cli::{
    Cli, Command, CompareArgs, DevicesArgs, DoctorArgs, Format, KernelArgs, KernelWish, ModelWish, ReportArgs, RunArgs,
    SweepArgs, ValidateArgs,
};
use wattmul::conclude::{conclude, exit_code, show_heading};
use wattmul::gpu::adapter;
use wattmul::gpu::kernel::{KERNELS, Kernel};
use wattmul::measure;
use wattmul::overview::{Overview, Run};
use wattmul::plan::PlanError;
use wattmul::power::choice::{self, SensorChoice};
use wattmul::power::clock_guard;
use wattmul::record::Record;
use wattmul::report::progress::Progress;
use wattmul::report::{content, csv, html, markdown, terminal};
use wattmul::simulate::{Model, Simulation};
use wattmul::text::printable;
use wattmul::validate::Depth;
use wattmul::{compare, devices, doctor, folder, interrupt, overview, record, simulate, sweep, validate};

#[expect(unsafe_code, reason = "the environment is changed before there is a second thread")]
fn main() -> ExitCode {
    // SAFETY: the first statement of the program; nothing has started a thread.
    unsafe { adapter::without_device_select() };
    if let Some((api, device)) = clock_guard::order(std::env::args_os()) {
        return clock_guard::stand_by(api, device).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let cli = Cli::parse();
    let outcome = match cli.command {
        None => run(&cli.run),
        Some(Command::Run(args)) => run(&args),
        Some(Command::Sweep(args)) => sweep(&args),
        Some(Command::Devices(args)) => list_devices(&args),
        Some(Command::Doctor(args)) => examine(&args),
        Some(Command::Kernel(args)) => show_kernels(&args),
        Some(Command::Report(args)) => report(&args),
        Some(Command::Compare(args)) => compare(&args),
        Some(Command::Validate(args)) => validate(&args),
        Some(Command::Completions { shell }) => complete(shell),
        Some(Command::Man) => show_manual(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS, // `wattmul … | head`
        Err(error) => {
            eprintln!("wattmul: {}", printable(&format!("{error:#}")));
            ExitCode::from(if error.is::<PlanError>() { 2 } else { 1 })
        }
    }
}

fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    match &args.simulate {
        None => measure::measure(args),
        Some(ModelWish(Some(model))) => Ok(exit_code(&[conclude(args, simulate(args, model)?)?])),
        Some(ModelWish(None)) => list_models(),
    }
}

fn list_models() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", Model::list())?;
    Ok(ExitCode::SUCCESS)
}

/// A run at each clock. What was measured before one fails, or before somebody stops it, is saved.
fn sweep(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let adapters = if args.run.simulate.is_none() { adapter::list(args.run.backend)? } else { vec![] };
    let chosen = if adapters.is_empty() { 0 } else { measure::choose_one(&args.run, &adapters)? };
    let clocks = match &args.run.simulate {
        Some(ModelWish(None)) => return list_models(),
        Some(ModelWish(Some(model))) => args.clocks.of(model.title, Ok(model.supported_clocks()))?,
        None => {
            let reader = choice::choose(&args.run.power, &adapters[chosen].info)?;
            let reader =
                reader.map_err(|why| anyhow::anyhow!("a sweep locks the clock through a sensor's interface: {why}"))?;
            args.clocks.of(&reader.source().device, reader.supported_clocks())?
        }
    };
    let mut run = RunArgs { sweep: Some(sweep::new_id()), ..args.run.clone() };
    let mut records = vec![];
    for mhz in clocks {
        run.lock_clock = Some(mhz);
        let record = match &run.simulate {
            Some(ModelWish(Some(model))) => Some(simulate(&run, model)?),
            _ => measure::run(&run, &adapters, chosen)?,
        };
        let Some(record) = record else { continue };
        let record = conclude(&run, record)?;
        // One kernel at all clocks, or another one's time would look like the clock's.
        if run.simulate.is_none() {
            run.kernel = KernelWish(Some(Kernel::named(&record.kernel.variant).map_err(anyhow::Error::msg)?));
        }
        records.push(record);
        if interrupt::stopped() {
            break;
        }
    }
    if !run.json {
        write!(std::io::stdout().lock(), "\n{}", terminal::blocks(&content::sweep::of_records(&records)))?;
    }
    Ok(exit_code(&records))
}

/// The same run on a simulated board.
fn simulate(args: &RunArgs, model: &Model) -> anyhow::Result<Record> {
    let no_sensor = match args.power {
        SensorChoice::Auto => None,
        SensorChoice::None => Some("--power none"),
        SensorChoice::Named(..) => anyhow::bail!("a simulated board has a sensor of its own: --power auto or none"),
    };
    let plan = simulate::plan(model, &args.wishes())?;
    if let Some(folder) = args.folder() {
        record::check_folder(folder)?;
    }
    let truth = simulate::truth(model, &plan)?;
    let simulation = Simulation::new(*model, plan, args.real_time);
    let (plan, source) = (simulation.plan(), simulation.source());
    let heading = content::heading(&simulation.adapter(), &plan, no_sensor.map_or(Ok(&source), Err));
    show_heading(args, &terminal::blocks(&heading))?;
    let progress = Progress::new(&plan);
    let result = simulation.run(truth, no_sensor, &interrupt::stopped, &|event| progress.event(&plan, event));
    progress.finish();
    Ok(result?)
}

fn list_devices(args: &DevicesArgs) -> anyhow::Result<ExitCode> {
    let devices = devices::look(args.backend);
    let mut output = std::io::stdout().lock();
    if args.json {
        writeln!(output, "{:#}", devices.json())?;
    } else {
        write!(output, "{}", devices.table())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn examine(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", doctor::text(&doctor::examine(args.backend)))?;
    Ok(ExitCode::SUCCESS)
}

fn show_kernels(args: &KernelArgs) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if let Some(kernel) = args.print {
        write!(output, "{}", kernel.wgsl(args.dtype))?;
    } else {
        for kernel in KERNELS {
            let (threads, bytes) = (kernel.threads(), kernel.workgroup_bytes(args.dtype));
            writeln!(output, "{:<22}{threads:>4} threads  {bytes:>6} bytes of workgroup memory", kernel.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn report(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let overview = Overview { grid: args.grid_intensity, ..overview::of(&args.paths, args.all) };
    if overview.runs.is_empty() && overview.problems.is_empty() && overview.left_out == Default::default() {
        anyhow::bail!(no_records(&args.paths));
    }
    let paint = |output: &mut dyn Write, folder: &Path| -> anyhow::Result<()> {
        match args.format {
            Format::Terminal => terminal::write(content::report(&overview, args.details), output)?,
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
        eprint!("{}", terminal::problems(&overview.problems));
    }
    Ok(ExitCode::from(if overview.problems.is_empty() { 0 } else { 3 }))
}

/// Writes a file whole or not at all: what was there before stays until the new one is complete.
fn whole_file(path: &Path, write: &mut dyn FnMut(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}: name another file with --output", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = record::temporary_in(folder).with_context(cannot)?;
    let mut output = BufWriter::new(file);
    write(&mut output)?;
    let file = output.into_inner().map_err(|error| error.into_error()).with_context(cannot)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}

fn no_records(paths: &[PathBuf]) -> String {
    let paths = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    format!("no records in {paths}: `wattmul` makes one; name files or folders that hold some")
}

fn compare(args: &CompareArgs) -> anyhow::Result<ExitCode> {
    let one_against_one = !args.b.is_dir();
    let (mut files, mut problems) = folder::files(std::slice::from_ref(&args.b));
    files.retain(|path| one_against_one || *path != args.a);
    let mut read = |path: PathBuf| match validate::read(&path, Depth::Quick) {
        Ok(good) => Some(Run { path, record: good.record }),
        Err(found) => {
            problems.extend(found);
            None
        }
    };
    let (a, others) = (read(args.a.clone()), files.into_iter().filter_map(&mut read).collect::<Vec<_>>());
    let mut output = std::io::stdout().lock();
    write!(output, "{}", terminal::problems(&problems))?;
    let Some(a) = a else { return Ok(ExitCode::from(3)) };
    let compared: Vec<_> = others.iter().map(|b| (b, compare::of(&a.record, &b.record))).collect();
    let blocks = match &compared[..] {
        [(b, outcome)] if one_against_one => content::comparison(&a, b, outcome),
        all => content::comparisons(&a, all),
    };
    write!(output, "{}", terminal::blocks(&blocks))?;
    Ok(ExitCode::from(if compared.iter().any(|(_, outcome)| outcome.is_ok()) { 0 } else { 3 }))
}

fn validate(args: &ValidateArgs) -> anyhow::Result<ExitCode> {
    let mut output = std::io::stdout().lock();
    if args.schema {
        write!(output, "{}", Record::schema())?;
        return Ok(ExitCode::SUCCESS);
    }
    let validation = validate::of(&args.paths);
    if validation.files == 0 && validation.problems.is_empty() {
        anyhow::bail!(no_records(&args.paths));
    }
    write!(output, "{}", terminal::validation(&validation))?;
    Ok(ExitCode::from(if validation.problems.is_empty() { 0 } else { 3 }))
}

fn complete(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = vec![];
    clap_complete::generate(shell, &mut Cli::command(), "wattmul", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

fn show_manual() -> anyhow::Result<ExitCode> {
    let mut page = vec![];
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    std::io::stdout().lock().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
