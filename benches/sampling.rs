//! What the thread that reads the sensor takes from a core, besides the reads themselves: the reader here answers at once.
//!
//!     cargo bench --bench sampling

use std::time::{Duration, Instant};
use wattmul::power::reader::PowerReader;
use wattmul::power::sampling_thread::SamplingThread;
use wattmul::protocol::{PowerError, Reading, SAMPLING_PERIOD, Sampler};
use wattmul::record::{PowerKind, Scope, Source};
use wattmul::run::measure::HostClock;

struct Trivial(Source);

impl PowerReader for Trivial {
    fn source(&self) -> &Source {
        &self.0
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        Ok(Reading { power_mw: Some(1000), ..Reading::default() })
    }
}

/// Nanoseconds that the thread of that name has run; None where the operating system does not tell.
fn cpu_time(name: &str) -> Option<Duration> {
    let is_named =
        |task: &std::path::Path| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
    let tasks = std::fs::read_dir("/proc/self/task").ok()?.flatten().map(|entry| entry.path());
    let schedstat = std::fs::read_to_string(tasks.into_iter().find(|task| is_named(task))?.join("schedstat")).ok()?;
    Some(Duration::from_nanos(schedstat.split_whitespace().next()?.parse().ok()?))
}

fn main() {
    let source = Source { power: Some(PowerKind::Instant), ..Source::new("none", "none", Scope::Board) };
    let mut sampler = SamplingThread::start(Box::new(Trivial(source)), HostClock::start()).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let Some(before) = cpu_time("sensor") else {
        return println!("sampling: skipped: no /proc/self/task/*/schedstat here");
    };
    let begun = Instant::now();
    sampler.drain(&mut |_| {});
    std::thread::sleep(Duration::from_secs(5));
    let mut samples = 0;
    sampler.drain(&mut |_| samples += 1);
    let wall = begun.elapsed();
    let used = cpu_time("sensor").unwrap() - before;
    println!(
        "sampling: {:.1} reads a second (every {SAMPLING_PERIOD:?}), {:.2} % of a core, {:.1} µs a read",
        f64::from(samples) / wall.as_secs_f64(),
        used.div_duration_f64(wall) * 100.0,
        used.as_secs_f64() * 1e6 / f64::from(samples)
    );
}
