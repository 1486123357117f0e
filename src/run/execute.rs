//! A whole run of the protocol on a device, real or simulated, and the record of it.

use crate::analysis::{energy, summary, validity};
use crate::host::machine;
use crate::operands::Init;
use crate::power::meter::MeterThread;
use crate::protocol::{Clock, Event, Finished, GpuError, Halt, Protocol, Rest, Sampler, Stage, Workload};
use crate::record::{
    AdapterInfo, Ended, IdlePower, Inputs, KernelChoice, PROTOCOL, Plan, Record, RunInfo, SCHEMA, Source, Status,
    Summary, Trace, Truth, Verdict, WarmUp, Window,
};
use std::collections::BTreeMap;

/// A device opened and its products verified.
pub struct Prepared {
    pub work: Box<dyn Workload>,
    pub inputs: BTreeMap<Init, Inputs>,
    pub kernel: KernelChoice,
}

/// Everything that [`run`] needs besides the plan.
pub struct Setup<'a> {
    pub adapter: AdapterInfo,
    pub clock: &'a dyn Clock,
    /// The sensor, or why there is none.
    pub sensor: Result<Box<dyn Sampler + 'a>, String>,
    /// The user's own meter beside it, which has begun to listen.
    pub meter: Option<MeterThread>,
    /// Opens the device. Called before `prepare`, so that idle power can be measured with the device open.
    pub open: &'a mut dyn FnMut() -> Result<(), GpuError>,
    /// Makes the operands, chooses the kernel and verifies its products.
    pub prepare: &'a mut dyn FnMut() -> Result<Prepared, GpuError>,
    /// What a simulated device should show.
    pub truth: Option<Truth>,
}

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("stopped before the first round was complete: nothing is saved")]
    Stopped,
    #[error(transparent)]
    Gpu(GpuError),
}

impl From<Halt> for RunError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped => RunError::Stopped,
            Halt::Gpu(error) => RunError::Gpu(error),
        }
    }
}

/// Runs the plan. A run that is stopped, or whose device fails, after its first round still gives a record, and the
/// record says so.
///
/// # Errors
/// The device fails, or the run is stopped, before the first round is complete.
pub fn run(plan: Plan, setup: Setup, stop: &dyn Fn() -> bool, watch: &dyn Fn(Event)) -> Result<Record, RunError> {
    let started = jiff::Timestamp::now();
    let Setup { adapter, clock, sensor, meter, open, prepare, truth } = setup;
    let (sensor, no_sensor) = match sensor {
        Ok(sensor) => (Some(sensor), None),
        Err(why) => (None, Some(why)),
    };
    let source: Option<Source> = sensor.as_ref().map(|sensor| sensor.source().clone());
    let inits = plan.inits.len();
    let watch: &dyn Fn(Event) = &|event| {
        if let Some(said) = meter.as_ref().and_then(MeterThread::news) {
            watch(Event::Notice(said));
        }
        watch(event);
    };

    let mut protocol = Protocol::new(&plan, clock, sensor, stop, watch);
    let cold = protocol.idle()?;
    watch(Event::Begun(Stage::Prepare));
    open().map_err(RunError::Gpu)?;
    let opened = protocol.idle()?;
    watch(Event::Begun(Stage::Prepare));
    let Prepared { mut work, inputs, kernel } = prepare().map_err(RunError::Gpu)?;

    let mut windows = vec![];
    // The windows so far, with what the trace says of them.
    let mut measured: Vec<Window> = vec![];
    let mut precise = |trace: &Trace, windows: &[Window]| {
        let (source, idle) = (source.as_ref(), idle_power(trace, [cold, opened, None]));
        measured.extend(summary::with_power_of_trace(&windows[measured.len()..], trace, source, &idle));
        summary::is_precise(&plan, &measured, energy::belief(&measured, trace, source, &idle).lead)
    };
    let Rounds { warm_up, ended, hot, halt } = rounds(&mut protocol, work.as_mut(), &mut windows, &mut precise);
    let halted = match halt {
        None => None,
        Some(halt) if windows.len() < inits => return Err(halt.into()),
        Some(Halt::Stopped) => Some("it was stopped".into()),
        Some(Halt::Gpu(error)) => Some(error.to_string()),
    };

    let Finished { timing, trace, failed_reads, last_failure } = protocol.finish();
    let meter = meter.map(MeterThread::finish);
    let idle = idle_power(&trace, [cold, opened, hot]);
    let windows = summary::with_power_of_trace(&windows, &trace, source.as_ref(), &idle);
    let mut record = Record {
        schema: SCHEMA,
        protocol: PROTOCOL.into(),
        verdict: Verdict { status: Status::Invalid, judged: None, flags: vec![], reasons: vec![] },
        tool: machine::this_program(),
        host: machine::this_machine(),
        adapter,
        source,
        inputs,
        kernel,
        run: RunInfo {
            started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            ended,
            halted,
            no_sensor,
            failed_reads,
            last_failure,
            label: None,
            slurm: None,
        },
        idle,
        warm_up,
        windows,
        summary: Summary::default(),
        trace,
        meter,
        truth,
        timing,
        plan,
    };
    record.summary = summary::of(&record);
    record.verdict = validity::of(&record);
    Ok(record)
}

/// What the trace says of the device without work: cold, with the program's context open, and hot.
fn idle_power(trace: &Trace, rests: [Option<Rest>; 3]) -> IdlePower {
    let [cold, open, hot] =
        rests.map(|rest| rest.map(|Rest { start_s, duration_s }| energy::idle(trace, start_s, duration_s)));
    IdlePower { cold, open, hot }
}

/// What can be cut short: warm-up, rounds, and the last look at the device without work.
struct Rounds {
    warm_up: Option<WarmUp>,
    ended: Option<Ended>,
    hot: Option<Rest>,
    halt: Option<Halt>,
}

/// Windows that were finished before a halt are in `windows`.
fn rounds(
    protocol: &mut Protocol,
    work: &mut dyn Workload,
    windows: &mut Vec<Window>,
    precise: &mut dyn FnMut(&Trace, &[Window]) -> bool,
) -> Rounds {
    let mut done = Rounds { warm_up: None, ended: None, hot: None, halt: None };
    let mut steps = || {
        done.warm_up = Some(protocol.warm_up(work)?);
        done.ended = Some(protocol.rounds(work, windows, precise)?);
        done.hot = protocol.idle_after_work()?;
        Ok(())
    };
    let outcome: Result<(), Halt> = steps();
    done.halt = outcome.err();
    done
}
