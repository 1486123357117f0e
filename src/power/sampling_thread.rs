//! Reads a sensor all the time, on a thread of its own, during the measurement.

use super::reader::PowerReader;
use crate::protocol::{Clock, PowerError, SAMPLING_PERIOD, Sample, Sampler};
use crate::record::Source;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// Samples that the thread may be ahead: over ten minutes. The channel takes its memory at the start.
const CAPACITY: usize = 1 << 16;
/// A read that does not come back (a driver that hangs) must not keep the program from ending.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);

/// A slower read is discarded: its time is not known.
const LONGEST_READ_S: f64 = 1.0;

/// A sensor that is read by a thread until this is dropped.
pub struct SamplingThread {
    source: Source,
    samples: Receiver<Sample>,
    stop: Arc<AtomicBool>,
    clock: Box<dyn Clock>,
    /// Time of the last sample, and its failure if it was one.
    last: (f64, Option<PowerError>),
}

impl SamplingThread {
    /// Starts reading.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start(
        mut reader: Box<dyn PowerReader>,
        clock: impl Clock + Clone + Send + 'static,
    ) -> Result<Self, std::io::Error> {
        let listeners_clock = Box::new(clock.clone());
        let last = (clock.now_s(), None);
        let source = reader.source().clone();
        let (sender, samples) = sync_channel(CAPACITY);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        std::thread::Builder::new().name("sensor".into()).spawn(move || {
            let mut next = Instant::now();
            let mut broken = false;
            while !stopped.load(Ordering::Relaxed) && !broken {
                let before_s = clock.now_s();
                // A panic would end this thread without a word, and the run must say why its sensor fell silent.
                let mut reading = catch_unwind(AssertUnwindSafe(|| reader.read())).unwrap_or_else(|_| {
                    broken = true;
                    Err(panicked(reader.source()))
                });
                let took_s = clock.now_s() - before_s;
                let mut time_s = before_s + took_s / 2.0;
                if took_s > LONGEST_READ_S {
                    (time_s, reading) = (before_s, reading.and(Err(unanswered(reader.source()))));
                }
                // Full only when nobody listens for minutes; then the oldest samples are the ones to keep.
                let _ = sender.try_send(Sample { time_s, reading });
                // After a slow read the rhythm starts again, instead of catching up in a burst.
                next = (next + SAMPLING_PERIOD).max(Instant::now());
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            // Before the channel, whose end is waited for: what a reader started must not outlive the program.
            drop(reader);
            drop(sender);
        })?;
        Ok(SamplingThread { source, samples, stop, clock: listeners_clock, last })
    }
}

fn unanswered(source: &Source) -> PowerError {
    PowerError::Failed {
        what: format!("reading {}", source.api),
        why: format!("no answer within {LONGEST_READ_S} s"),
        fix: "see the system's log for a driver that hangs",
    }
}

fn panicked(source: &Source) -> PowerError {
    PowerError::Failed {
        what: format!("reading {}", source.api),
        why: "its reader panicked".into(),
        fix: "please report this with the lines above; --power names another sensor",
    }
}

impl Sampler for SamplingThread {
    fn source(&self) -> &Source {
        &self.source
    }

    fn drain(&mut self, take: &mut dyn FnMut(Sample)) {
        for sample in self.samples.try_iter() {
            self.last = (sample.time_s, sample.reading.as_ref().err().cloned());
            take(sample);
        }
        // A read that does not come back says nothing itself, nor does a thread that ended.
        let (last_s, now_s) = (self.last.0, self.clock.now_s());
        if now_s - last_s > LONGEST_READ_S {
            let failure = self.last.1.clone().unwrap_or_else(|| unanswered(&self.source));
            for time_s in [last_s + SAMPLING_PERIOD.as_secs_f64(), now_s] {
                take(Sample { time_s, reading: Err(failure.clone()) });
            }
            self.last = (now_s, Some(failure));
        }
    }
}

impl Drop for SamplingThread {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The thread ends by dropping its end of the channel.
        let until = Instant::now() + SHUTDOWN_TIMEOUT;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            if let Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) = self.samples.recv_timeout(left) {
                break;
            }
        }
    }
}
