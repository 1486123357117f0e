//! Runs whose parts fail as no real part here can be made to: the whole protocol in this process, on a device and a sensor of
//! the test's own.

use crate::common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use wattmul::power::reader::PowerReader;
use wattmul::power::sampling_thread::SamplingThread;
use wattmul::protocol::{DeviceSpan, GpuError, PowerError, Reading, Workload};
use wattmul::record::{PowerKind, Record, Scope, Source, Status};
use wattmul::run::measure::HostClock;
use wattmul::run::{PlanOptions, RunError};
use wattmul::simulate::Simulation;

/// Gives out another workload's answers until its last submission, and then an error.
struct Failing {
    work: Box<dyn Workload>,
    submissions: Rc<Cell<usize>>,
    last: usize,
    error: GpuError,
}

impl Workload for Failing {
    fn submit(&mut self, init: usize) -> Result<(), GpuError> {
        if self.submissions.get() == self.last {
            return Err(self.error.clone());
        }
        self.submissions.set(self.submissions.get() + 1);
        self.work.submit(init)
    }

    fn wait(&mut self) -> Result<f64, GpuError> {
        self.work.wait()
    }

    fn device_spans(&mut self) -> Result<Vec<Option<DeviceSpan>>, GpuError> {
        self.work.device_spans()
    }

    fn check_products(&mut self, init: usize) -> Result<bool, GpuError> {
        self.work.check_products(init)
    }
}

/// A simulated run whose device fails after so many submissions, and how many there were.
fn failing(last: usize, error: &GpuError) -> (Result<Record, RunError>, usize) {
    let options = PlanOptions { rounds: Some(6), ..PlanOptions::default() };
    let plan = wattmul::run::plan(&options, false, 10_000, "H100").unwrap();
    let simulation = Simulation::new("h100".parse().unwrap(), plan.clone(), false);
    let submissions = Rc::new(Cell::new(0));
    let work = Box::new(simulation.work());
    let failing = Failing { work, submissions: submissions.clone(), last, error: error.clone() };
    let result = common::run_on(plan, &simulation.clock(), simulation.sampler(), failing);
    (result, submissions.get())
}

#[test]
fn every_error_of_a_device_after_the_first_round_leaves_an_invalid_record_with_its_reason() {
    let (whole, submissions) = failing(usize::MAX, &GpuError::OutOfMemory);
    let whole = whole.unwrap();
    assert_eq!((whole.verdict.status, whole.windows.len()), (Status::Valid, 12));
    for error in [
        GpuError::Lost("in the middle".into()),
        GpuError::Stuck(10),
        GpuError::OutOfMemory,
        GpuError::Driver("validation".into()),
        GpuError::NoRightKernel("all are wrong".into()),
        GpuError::NotOpened { adapter: "card".into(), why: "gone".into() },
    ] {
        // At every tenth part of the run, from the warm-up to its end.
        let (mut kept, mut refused) = (0, 0);
        for tenth in 0..10 {
            match failing(submissions * tenth / 10, &error).0 {
                Ok(record) => {
                    kept += 1;
                    assert!((2..12).contains(&record.windows.len()), "{}", record.windows.len());
                    assert_eq!(record.verdict.status, Status::Invalid);
                    let reason = record.verdict.reasons.iter().find(|reason| reason.code == "stopped-early").unwrap();
                    assert!(reason.message.contains(&error.to_string()), "{reason:?}");
                    assert_eq!(record.run.halted, Some(error.to_string()));
                    let energy = record.summary.inits.values().next().unwrap().energy_j;
                    assert!(energy.is_some(), "the windows so far are summed up");
                }
                Err(RunError::Gpu(told)) => {
                    refused += 1;
                    assert_eq!(told, error);
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(kept >= 3 && refused >= 1, "{error}: {kept} kept, {refused} refused");
    }
}

/// A device that only takes its time.
struct Idling;

impl Workload for Idling {
    fn submit(&mut self, _init: usize) -> Result<(), GpuError> {
        Ok(())
    }

    fn wait(&mut self) -> Result<f64, GpuError> {
        std::thread::sleep(Duration::from_millis(10));
        Ok(1.0)
    }

    fn device_spans(&mut self) -> Result<Vec<Option<DeviceSpan>>, GpuError> {
        Ok(vec![])
    }

    fn check_products(&mut self, _init: usize) -> Result<bool, GpuError> {
        Ok(true)
    }
}

/// A sensor that answers so often, and then panics.
struct Panicking {
    source: Source,
    reads_left: u32,
}

impl PowerReader for Panicking {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        assert!(self.reads_left > 0, "this panic is part of a test");
        self.reads_left -= 1;
        let power_mw = Some(100_000 + u64::from(self.reads_left % 7));
        Ok(Reading { power_mw, ..Reading::default() })
    }
}

#[test]
fn a_panic_in_the_sampling_thread_is_a_lost_sensor_and_no_hang() {
    let source = Source { power: Some(PowerKind::Instant), ..Source::new("Toy", "toy", Scope::Board) };
    let options = PlanOptions {
        rounds: Some(2),
        window: Some(0.5),
        settling: Some(0.1),
        warm_up: Some(0.3),
        quick: true,
        ..PlanOptions::default()
    };
    let plan = wattmul::run::plan(&options, false, 10_000, "toy").unwrap();
    let clock = HostClock::start();
    // Of four windows of half a second, the first has its sensor.
    let reads = (200.0 * plan.idle_s + 100.0 * (0.3 + 0.1 + 0.7)) as u32;
    let sensor = SamplingThread::start(Box::new(Panicking { source, reads_left: reads }), clock).unwrap();
    let record = common::run_on(plan, &clock, sensor, Idling).unwrap();
    assert_eq!(record.windows.len(), 4, "the run goes on");
    assert!(record.windows[3].power_w.polled.is_none());
    assert_eq!(record.verdict.status, Status::Invalid);
    assert!(record.verdict.has("sensor-lost"), "{:?}", record.verdict);
    let why = record.run.last_failure.unwrap();
    assert!(why.contains("its reader panicked") && why.contains("--power"), "{why}");
}
