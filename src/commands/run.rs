//! `wattmul run` and `wattmul sweep`: one GPU, every one of a machine, or one at several clocks or power limits, real or simulated.

use super::save;
use crate::cli::{KernelOption, ModelOption, RunArgs, SweepArgs};
use crate::gpu::adapter;
use crate::gpu::adapter::Adapter;
use crate::gpu::buffers::Shape;
use crate::gpu::kernel::Kernel;
use crate::host::claim::Claim;
use crate::host::sysfs::SYS;
use crate::host::visible::{Grant, Variables, VisibleError};
use crate::host::{interrupt, slurm, unseen, visible};
use crate::power::choice::SensorChoice;
use crate::power::{choice, hold, inventory};
use crate::record::plan::Knob;
use crate::record::text::{printable, printable_lines};
use crate::record::{AdapterInfo, AdapterType, Record, Scope, Trial, Units, file};
use crate::report::progress::Progress;
use crate::report::wrap::notice;
use crate::report::{content, terminal};
use crate::run::measure::Measurement;
use crate::run::plan::largest;
use crate::run::{PlanError, earlier, plan, settings, simulated};
use crate::say;
use crate::simulate::{Model, Simulation};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Measures what `--adapter` means, or a simulated board.
///
/// # Errors
/// No such adapter, or it is another's; one adapter that fails. Of several, each that fails is a row of the summary.
pub fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen(hold::undo_all)?;
    let mut args = args.clone();
    args.plan.read_files()?;
    let args = &args;
    let Some(bench) = Bench::of(args)? else { return list_models() };
    if bench.is_all(args) {
        return bench.measure_each(args);
    }
    let records = bench.measure_at(args, bench.choose(args)?, None)?;
    save::lost()?;
    Ok(exit_code(&records))
}

/// A run at each setting of a knob. What was measured before one fails, or before somebody stops it, is saved.
///
/// # Errors
/// As [`run`]; the device has not these settings.
pub fn sweep(args: &SweepArgs) -> anyhow::Result<ExitCode> {
    interrupt::listen(hold::undo_all)?;
    let mut run = args.run.clone();
    run.plan.read_files()?;
    let Some(bench) = Bench::of(&run)? else { return list_models() };
    let chosen = bench.choose(&run)?;
    let (knob, settings) = args.settings();
    let (device, has) = bench.supported(&run, chosen, knob)?;
    let settings = settings.of(knob, &device, has)?;
    run.plan.sweep = Some(settings::new_id());
    let records = bench.measure_at(&run, chosen, Some((knob, &settings)))?;
    save::lost()?;
    if !run.json {
        write!(std::io::stdout().lock(), "\n{}", terminal::blocks(&content::sweep::of_records(&records)))?;
    }
    Ok(exit_code(&records))
}

fn list_models() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", Model::list())?;
    Ok(ExitCode::SUCCESS)
}

/// 3 if one verdict is invalid, else 0.
fn exit_code(records: &[Record]) -> ExitCode {
    ExitCode::from(if records.iter().any(|record| record.verdict.is_invalid()) { 3 } else { 0 })
}

/// What there is to measure.
enum Bench {
    Adapters(Vec<Adapter>),
    Simulated(Box<Model>),
}

impl Bench {
    /// None where the models are to be listed.
    fn of(args: &RunArgs) -> anyhow::Result<Option<Self>> {
        Ok(match &args.simulate {
            None => Some(Bench::Adapters(adapter::list(args.backend)?)),
            Some(ModelOption(Some(model))) => Some(Bench::Simulated(model.clone())),
            Some(ModelOption(None)) => None,
        })
    }

    fn infos(&self) -> Vec<AdapterInfo> {
        match self {
            Bench::Adapters(adapters) => adapters.iter().map(|adapter| adapter.info.clone()).collect(),
            Bench::Simulated(_) => vec![],
        }
    }

    fn is_all(&self, args: &RunArgs) -> bool {
        matches!(self, Bench::Adapters(_)) && args.adapter.as_deref() == Some("all")
    }

    /// The index of the adapter that `--adapter` names.
    fn choose(&self, args: &RunArgs) -> anyhow::Result<usize> {
        let infos = self.infos();
        match (self, args.adapter.as_deref()) {
            (Bench::Simulated(_), _) => Ok(0),
            (_, None | Some("auto")) => Ok(granted(&infos)?.allowed(&infos)?[0]),
            (_, Some("all")) => anyhow::bail!("--adapter all is for a run: name one adapter here"),
            (_, Some(wanted)) => {
                let chosen = adapter::choose(infos.iter(), wanted)?;
                if wanted.parse::<usize>().is_err()
                    && let [other, ..] = adapter::same_gpu(infos.iter(), chosen)[..]
                {
                    let driver = infos[chosen].driver.as_deref().unwrap_or("the first driver");
                    let said =
                        format!("two drivers offer this GPU: {driver} is measured; --adapter {other} is the other");
                    say::text(notice(&printable(&said)));
                }
                // The CPU is no GPU: nobody gives it, and no other job is disturbed in what it was given.
                if infos[chosen].kind != AdapterType::Software {
                    granted(&infos)?.check(&infos, chosen)?;
                }
                Ok(chosen)
            }
        }
    }

    /// The name of the device, and what a knob of it can be set to, if it tells.
    fn supported(&self, args: &RunArgs, chosen: usize, knob: Knob) -> anyhow::Result<(String, settings::Supported)> {
        match self {
            Bench::Simulated(model) => Ok((model.title.into(), model.supported(knob))),
            Bench::Adapters(adapters) => {
                let reader = choice::choose(&args.power, &adapters[chosen].info)?
                    .map_err(|why| anyhow::anyhow!("a sweep turns a knob of a sensor's interface: {why}"))?;
                let has = match knob {
                    Knob::Clock => reader.supported_clocks(),
                    Knob::PowerLimit => reader.supported_power_limits(),
                };
                Ok((reader.source().device.clone(), has))
            }
        }
    }

    /// One device at each of these settings, or as the arguments have it, each record saved and shown before the next one.
    fn measure_at(&self, args: &RunArgs, chosen: usize, sweep: Option<(Knob, &[u32])>) -> anyhow::Result<Vec<Record>> {
        let mut args = args.clone();
        let mut records = vec![];
        let settings: Vec<Option<(Knob, u32)>> = match sweep {
            None => vec![None],
            Some((knob, settings)) => settings.iter().map(|&setting| Some((knob, setting))).collect(),
        };
        for setting in settings {
            match setting {
                None => {}
                Some((Knob::Clock, mhz)) => args.plan.lock_clock = Some(mhz),
                Some((Knob::PowerLimit, watts)) => args.plan.power_limit = Some(watts),
            }
            let Some(record) = self.measure(&args, chosen)? else { continue };
            // One kernel at all settings, or another one's time would look like the setting's.
            if matches!(self, Bench::Adapters(_)) {
                args.kernel = KernelOption(Some(Kernel::named(&record.kernel.variant).map_err(anyhow::Error::msg)?));
            }
            records.push(record);
            if interrupt::stopped() {
                break;
            }
        }
        Ok(records)
    }

    /// Every adapter that this process may use, one after another.
    fn measure_each(&self, args: &RunArgs) -> anyhow::Result<ExitCode> {
        let infos = self.infos();
        let allowed = granted(&infos)?.allowed(&infos)?;
        if let (SensorChoice::Named(interface, Some(device)), 2..) = (&args.power, allowed.len()) {
            let name = interface.name;
            anyhow::bail!("--power {name}:{device} is one GPU's sensor: with --adapter all, say --power {name}");
        }
        let of_power = if let SensorChoice::Meter(meter) = &args.power { Some(meter) } else { None };
        let mut meters = args.meter.iter().chain(of_power);
        if allowed.len() > 1 && meters.any(|meter| meter.scope == Scope::Board) {
            anyhow::bail!(
                "a meter of a board is one GPU's: with --adapter all, name one at the wall, or measure one GPU"
            );
        }
        let rows = each(&allowed, |index| infos[index].clone(), interrupt::stopped, |index| self.measure(args, index));
        save::lost()?;
        let text = summary(&rows);
        if args.json {
            say::text(format!("\n{text}"));
        } else {
            write!(std::io::stdout().lock(), "\n{text}")?;
        }
        let failed = rows.len() < allowed.len() || rows.iter().any(|row| row.outcome.is_err());
        let records: Vec<Record> = rows.into_iter().filter_map(|row| row.outcome.ok().flatten()).collect();
        Ok(if failed { ExitCode::FAILURE } else { exit_code(&records) })
    }

    /// The record of one run, saved and shown; None where an earlier start of this job saved it.
    fn measure(&self, args: &RunArgs, chosen: usize) -> anyhow::Result<Option<Record>> {
        let record = match self {
            Bench::Adapters(adapters) => real(args, adapters, chosen)?,
            Bench::Simulated(model) => Some(simulated(args, model)?),
        };
        record.map(|record| save::save_and_show(args, record)).transpose()
    }
}

/// One GPU, and what became of it.
struct Row {
    adapter: AdapterInfo,
    /// None: an earlier start of this job has measured it.
    outcome: anyhow::Result<Option<Record>>,
}

/// A line a GPU.
fn summary(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| (&row.adapter, row.outcome.as_ref().map(Option::as_ref).map_err(|_| ())));
    terminal::blocks(&content::all_adapters(&rows.collect::<Vec<_>>()))
}

/// Measures one adapter after the other until all are done or `stopped`: never at once, for the power of neighbours is not
/// independent. Says on standard error what fails; that does not lose the others.
fn each(
    chosen: &[usize],
    info: impl Fn(usize) -> AdapterInfo,
    stopped: impl Fn() -> bool,
    mut measure: impl FnMut(usize) -> anyhow::Result<Option<Record>>,
) -> Vec<Row> {
    let mut rows = vec![];
    for &index in chosen {
        if stopped() {
            break;
        }
        let row = Row { adapter: info(index), outcome: measure(index) };
        if let Err(error) = &row.outcome {
            let (name, why) = (printable(&row.adapter.name), printable_lines(&format!("{error:#}")));
            say::line(format_args!("wattmul: {name}: {why}"));
        }
        rows.push(row);
    }
    rows
}

fn granted(infos: &[AdapterInfo]) -> Result<Grant, VisibleError> {
    visible::grant(&Variables::of_this_process(), infos, &inventory::gpus_of)
}

/// The record of one adapter, not saved yet; None where an earlier start of this job saved it.
fn real(args: &RunArgs, adapters: &[Adapter], chosen: usize) -> anyhow::Result<Option<Record>> {
    let adapter = &adapters[chosen];
    let software = adapter.info.kind == AdapterType::Software;
    let (dtype, has) = (args.plan.dtype, adapter.dtypes());
    if !has.contains(&dtype) {
        return Err(PlanError::NoDtype { dtype, adapter: adapter.info.name.clone(), has }.into());
    }
    let bound = Shape::largest(&adapter.limits(), dtype);
    let memory = inventory::memory_of(&adapter.info).or_else(|| adapter.memory());
    let largest = largest(&args.plan, bound, memory, &adapter.info.name)?;
    let plan = plan(&args.plan, software, largest, &adapter.info.name)?;
    if plan.units == Units::Matrix && !Kernel::exists_for(adapter.matrix_units().as_ref()) {
        return Err(PlanError::NoMatrixUnits { adapter: adapter.info.name.clone() }.into());
    }
    if let Some(kernel) = args.kernel.0.filter(|kernel| kernel.units() != plan.units) {
        return Err(PlanError::OtherUnits { kernel: kernel.to_string(), units: kernel.units() }.into());
    }
    if let Some(folder) = args.folder() {
        file::check_folder(folder)?;
        // Of several adapters, each is to be found; else it does not matter which one the job had before it was started again.
        let adapter = (args.adapter.as_deref() == Some("all")).then_some(&adapter.info);
        let earlier = slurm::this_job().and_then(|job| earlier::record_of(&job, folder, adapter, &plan));
        if let Some(path) = earlier {
            say::line(format_args!(
                "wattmul: Slurm started this job again, and its record is there: {}",
                path.display()
            ));
            return Ok(None);
        }
    }
    let claim = Claim::new(&adapter.info, chosen);
    let mut notices = String::new();
    if software {
        notices += &notice(
            "this is a software adapter: it computes on the CPU, and what it measures is the CPU. No GPU is offered here.",
        );
        let seen: Vec<_> = adapters.iter().filter_map(|adapter| adapter.info.pci_address).collect();
        notices.extend(unseen::unseen_gpus(Path::new(SYS), &seen).iter().map(|gpu| notice(&gpu.to_string())));
    }
    match &claim {
        Err(in_use) if !software => anyhow::bail!("{in_use}"),
        // Programs share a CPU all the time.
        Err(in_use) => notices += &notice(&format!("{in_use}.")),
        Ok(_) => {}
    }
    let measurement = Measurement::new(adapter, plan, args.kernel.0, &args.power, args.meter.as_ref())?;
    let plan = measurement.plan().clone();
    let beside = args.meter.as_ref().map(|meter| (meter.interface(), meter.scope));
    let heading = content::heading(&adapter.info, &plan, measurement.source(), beside);
    save::show_heading(args, &(terminal::blocks(&heading) + &notices));
    let progress = Progress::new(&plan, measurement.source().ok());
    let tried = |trial: &Trial| progress.note(&format!("tried kernel {}", trial.kernel));
    let result = measurement.run(&interrupt::stopped, &|event| progress.event(&plan, event), &tried);
    progress.finish();
    Ok(Some(result?))
}

/// The same run on a simulated board.
fn simulated(args: &RunArgs, model: &Model) -> anyhow::Result<Record> {
    let no_sensor = match args.power {
        SensorChoice::Auto => None,
        SensorChoice::None => Some("--power none"),
        SensorChoice::Named(..) | SensorChoice::Meter(_) => {
            anyhow::bail!("a simulated board has a sensor of its own: --power auto or none")
        }
    };
    let plan = simulated::plan(model, &args.plan)?;
    if let Some(folder) = args.folder() {
        file::check_folder(folder)?;
    }
    let truth = simulated::truth(model, &plan)?;
    let simulation = Simulation::new(*model, plan.clone(), args.real_time);
    let source = simulation.source();
    let sensor = no_sensor.map_or(Ok(&source), Err);
    save::show_heading(args, &terminal::blocks(&content::heading(&simulation.adapter(), &plan, sensor, None)));
    let progress = Progress::new(&plan, sensor.ok());
    let watch = |event| progress.event(&plan, event);
    let result = simulated::simulated(&simulation, truth, no_sensor, &interrupt::stopped, &watch);
    progress.finish();
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::PlanOptions;
    use std::cell::Cell;

    fn info(index: usize) -> AdapterInfo {
        let name = if index == 1 { "NVIDIA \u{1b}[31mwith a name beyond all bounds" } else { "NVIDIA H100" };
        AdapterInfo {
            pci_address: (index != 2).then(|| format!("0000:{index}1:00.0").parse().unwrap()),
            ..AdapterInfo::new(name, "NVIDIA", AdapterType::Discrete, "vulkan")
        }
    }

    fn of_a_board() -> Record {
        let model: Model = "h100".parse().unwrap();
        let plan = simulated::plan(&model, &PlanOptions { quick: true, ..PlanOptions::default() }).unwrap();
        simulated::record(&model, plan).unwrap()
    }

    #[test]
    fn one_that_fails_does_not_lose_the_others_and_one_that_is_done_is_not_done_again() {
        let rows = each(
            &[0, 1, 2, 3],
            info,
            || false,
            |index| match index {
                1 => anyhow::bail!("the driver refused"),
                3 => Ok(None),
                _ => Ok(Some(of_a_board())),
            },
        );
        assert_eq!(rows.iter().filter(|row| row.outcome.is_ok()).count(), 3);
        let text = summary(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[2].contains("0000:01:00.0") && lines[2].contains('…') && lines[2].ends_with("SIMULATED"),
            "{text}"
        );
        let words: Vec<&str> = lines[3].split_whitespace().rev().take(4).collect();
        assert_eq!(words, ["FAILED", "n/a", "n/a", "0000:11:00.0"], "{text}");
        assert!(lines[4].trim() == "beyond all bounds" && lines[5].contains("n/a"), "a long name is whole: {text}");
        assert!(lines[6].ends_with("saved earlier"), "{text}");
        assert!(lines[0].ends_with("energy of the last init over the first") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_stop_ends_the_series() {
        let done = Cell::new(0);
        let rows = each(
            &[0, 1, 2],
            info,
            || done.get() == 1,
            |_| {
                done.set(done.get() + 1);
                Ok(None)
            },
        );
        assert_eq!(rows.len(), 1);
    }
}
