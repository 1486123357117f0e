//! Apple silicon: the GPU's energy, from the system's own reports through macmon. No root needed.
//!
//! The reports are counters (on M5 they move every 2 s or so), which macmon gives as the mean power since the last look. Here
//! they are summed up again, so that a window is measured from move to move, however long that takes, and is made longer
//! where the moves are far apart.

use super::reader::{Interface, Serves};
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
use reports::readers;

/// The one GPU of an Apple silicon machine.
pub static INTERFACE: Interface = Interface {
    serves: |adapter| Serves::when(is_apple(&adapter.name)),
    belongs: |_, adapter| is_apple(&adapter.name), // a machine has one, and no PCI address
    ..Interface::new("apple", readers)
};

/// Metal gives no vendor's number.
fn is_apple(name: &str) -> bool {
    name.starts_with("Apple")
}

#[cfg(not(all(target_os = "macos", target_arch = "aarch64")))]
fn readers() -> super::reader::Readers {
    Err(crate::protocol::PowerError::Absent {
        what: "Apple silicon".into(),
        fix: "only its own build of wattmul, on macOS, reads its sensors",
    })
}

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
mod reports {
    use crate::power::reader::{PowerReader, Readers};
    use crate::protocol::{PowerError, Reading};
    use crate::record::{Counter, Scope, Source};
    use macmon::Sampler;
    use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::{Duration, Instant};

    const FIX: &str = "see that `macmon` or Activity Monitor shows the GPU; virtual machines have no such reports";
    /// Time between two looks, in milliseconds. Energy is summed over all of them: it sets how fine the sum is, and nothing else.
    const LOOK_MS: u32 = 50;
    /// The first look finds the channels, which takes a while.
    const FIRST_LOOK: Duration = Duration::from_secs(10);

    /// The one GPU of this machine.
    ///
    /// # Errors
    /// The system gives no such reports.
    pub fn readers() -> Readers {
        let latest = Arc::new(Mutex::new(Ok(Reading::default())));
        let shared = latest.clone();
        let (sender, receiver) = sync_channel(1);
        // macmon's sampler blocks while it looks, and must stay on one thread.
        let thread = std::thread::Builder::new().name("macmon".into()).spawn(move || {
            let mut sampler = match Sampler::new() {
                Ok(sampler) => sampler,
                Err(error) => {
                    let _ = sender.send(Err(failure(&error.to_string())));
                    return;
                }
            };
            let mut told = Some(sampler.get_soc_info().chip_name.clone());
            let (mut before, mut joules) = (Instant::now(), 0.0);
            // Nobody reads any more: the reader holds the other half of `shared`.
            while Arc::strong_count(&shared) > 1 {
                let reading =
                    sampler.get_metrics(LOOK_MS).map_err(|error| failure(&error.to_string())).map(|metrics| {
                        let now = Instant::now();
                        let watts = f64::from(metrics.gpu_power);
                        if watts.is_finite() && watts > 0.0 {
                            joules += watts * (now - before).as_secs_f64();
                        }
                        before = now;
                        Reading {
                            energy_uj: Some((joules * 1e6) as u64),
                            temperature_c: metrics.temp.gpu_temp_avg.map(f64::from),
                            // A GPU that sleeps has no clock.
                            clock_mhz: (metrics.gpu_active_ratio > 0.0).then(|| f64::from(metrics.gpu_freq_mhz)),
                            ..Reading::default()
                        }
                    });
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = reading;
                if let Some(name) = told.take() {
                    let _ = sender.send(Ok(name));
                }
            }
        });
        thread.map_err(|error| failure(&error.to_string()))?;
        let device = first_look(&receiver)?;
        let source = Source {
            counter: Some(Counter { resolution_uj: None, wraps_at_uj: None }),
            ..Source::new("Apple", device, Scope::Gpu)
        };
        Ok(vec![Box::new(AppleReader { source, latest })])
    }

    fn first_look(receiver: &Receiver<Result<String, PowerError>>) -> Result<String, PowerError> {
        match receiver.recv_timeout(FIRST_LOOK) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(failure("it does not answer")),
            Err(RecvTimeoutError::Disconnected) => Err(failure("it gave up")),
        }
    }

    fn failure(why: &str) -> PowerError {
        PowerError::Failed { what: "reading the GPU's energy through macmon".into(), why: why.into(), fix: FIX }
    }

    struct AppleReader {
        source: Source,
        latest: Arc<Mutex<Result<Reading, PowerError>>>,
    }

    impl PowerReader for AppleReader {
        fn source(&self) -> &Source {
            &self.source
        }

        fn read(&mut self) -> Result<Reading, PowerError> {
            self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }
    }
}
