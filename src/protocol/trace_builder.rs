//! What the sensor said during a run: from a hundred reads a second to one row an update.

use super::sensor::{Reading, Sample};
use crate::analysis::energy::{period_s, shortest_s};
use crate::digits::round;
use crate::record::trace::{CLOCKS_MHZ, IMPLAUSIBLE_W, TEMPERATURES_C};
use crate::record::{Limiters, Row, Trace};
use std::collections::VecDeque;

/// A sensor that does not answer for so long gets a row of nulls. Single reads fail now and then, and lose nothing.
const SILENCE_S: f64 = 0.1;

/// After failed reads for longer than this, the time at which a counter moved is unknown.
const UNSEEN_S: f64 = 0.025;

/// So many falls of a counter get rows of their own: more would say nothing new.
const MOST_FALLS: u32 = 50;

/// Even an unchanging sensor gets a row this often: the temperature and the clock may move all the same.
const HEARTBEAT_S: f64 = 1.0;

/// What holds for some time of a trace, and is no figure of each row. None where the sensor does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Conditions {
    /// What held the clock down at some moment.
    pub limiters: Option<Limiters>,
    /// The lowest clock of the memory.
    pub memory_clock_mhz: Option<f64>,
    /// The slowest P-state: the highest number.
    pub performance_state: Option<u8>,
}

impl Conditions {
    fn note(&mut self, reading: &Reading) {
        if let Some(now) = reading.limiters {
            self.limiters = Some(self.limiters.map_or(now, |before| before.union(now)));
        }
        let memory_mhz = reading.memory_clock_mhz.filter(|mhz| (CLOCKS_MHZ.0..=CLOCKS_MHZ.1).contains(mhz));
        self.memory_clock_mhz = memory_mhz.into_iter().chain(self.memory_clock_mhz).min_by(f64::total_cmp);
        self.performance_state = self.performance_state.max(reading.performance_state);
    }
}

/// Makes a trace of the samples of a run, as they come.
pub struct TraceBuilder {
    trace: Trace,
    /// Where the counter starts again from 0, if it does.
    wraps_at_uj: Option<u64>,
    /// Rows are at least this far apart.
    resolution_s: f64,
    open: Option<OpenRow>,
    energy: Option<EnergyOrigin>,
    /// When the last row began that has the counter.
    energy_row_s: f64,
    falls: u32,
    counter_steps: Steps,
    power_steps: Steps,
    power_step: PowerStep,
    last_power_mw: Option<u64>,
    conditions: Conditions,
    /// The first of the failed reads since the last good one.
    silent_since_s: Option<f64>,
    failed_reads: u64,
    last_failure: Option<String>,
}

/// The row that still holds, and the mean of the power seen in it.
struct OpenRow {
    row: Row,
    power_sum_mw: f64,
    power_count: u32,
}

struct EnergyOrigin {
    first_uj: u64,
    last_uj: u64,
    /// When it came to `last_uj`.
    moved_s: f64,
    /// Energy that was on the counter when it wrapped.
    wrapped_uj: u64,
}

/// The latest times between two moves of a figure, whether it got rows for them or not.
#[derive(Default)]
struct Steps {
    moved_s: Option<f64>,
    steps_s: VecDeque<f64>,
}

const MOST_STEPS: usize = 255;

impl Steps {
    fn note(&mut self, time_s: f64) {
        if let Some(before_s) = self.moved_s.replace(time_s) {
            self.steps_s.truncate(MOST_STEPS - 1);
            self.steps_s.push_front(time_s - before_s);
        }
    }
}

/// What all power figures are multiples of.
#[derive(Default)]
struct PowerStep {
    /// In mW; 0 before the first figure.
    divisor_mw: u64,
    /// The first figures that differ.
    distinct: Vec<u64>,
}

/// Figures that tell a step. Of fewer the divisor is chance, and [`COARSEST_MW`] bounds it.
const TELLING_FIGURES: usize = 8;
/// Whole watts: the coarsest step that is known of a sensor (AMD's RDNA).
const COARSEST_MW: u64 = 1000;

impl PowerStep {
    fn note(&mut self, power_mw: u64) {
        let (mut a, mut b) = (self.divisor_mw, power_mw);
        while b > 0 {
            (a, b) = (b, a % b);
        }
        self.divisor_mw = a;
        if self.distinct.len() < TELLING_FIGURES && !self.distinct.contains(&power_mw) {
            self.distinct.push(power_mw);
        }
    }

    fn watts(&self) -> Option<f64> {
        let most_mw = if self.distinct.len() < TELLING_FIGURES { COARSEST_MW } else { u64::MAX };
        (self.divisor_mw > 0).then(|| self.divisor_mw.min(most_mw) as f64 / 1000.0)
    }
}

impl EnergyOrigin {
    fn joules(&self) -> f64 {
        (i128::from(self.last_uj) + i128::from(self.wrapped_uj) - i128::from(self.first_uj)) as f64 * 1e-6
    }
}

impl TraceBuilder {
    pub fn new(wraps_at_uj: Option<u64>) -> Self {
        TraceBuilder {
            trace: Trace::default(),
            wraps_at_uj,
            resolution_s: 0.0,
            open: None,
            energy: None,
            energy_row_s: f64::NEG_INFINITY,
            falls: 0,
            counter_steps: Steps::default(),
            power_steps: Steps::default(),
            power_step: PowerStep::default(),
            last_power_mw: None,
            conditions: Conditions::default(),
            silent_since_s: None,
            failed_reads: 0,
            last_failure: None,
        }
    }

    /// From now on rows are at least this far apart: finer in windows, coarser between them. The row that holds ends here: what
    /// comes now belongs to another part of the run, and a mean over both would be of neither.
    pub fn set_resolution(&mut self, seconds: f64) {
        self.close();
        self.resolution_s = seconds;
    }

    /// Takes the next sample.
    pub fn take(&mut self, sample: Sample) {
        let reading = match sample.reading {
            Ok(reading) => reading,
            Err(error) => {
                self.failed_reads += 1;
                self.last_failure = Some(error.to_string());
                self.note_silence(sample.time_s);
                return;
            }
        };
        let within =
            |(least, most): (f64, f64), value: Option<f64>| value.filter(|value| (least..=most).contains(value));
        let (temperature_c, clock_mhz) =
            (within(TEMPERATURES_C, reading.temperature_c), within(CLOCKS_MHZ, reading.clock_mhz));
        let silent_s = self.silent_since_s.take().map_or(0.0, |since_s| sample.time_s - since_s);
        self.conditions.note(&reading);
        let power_moved = reading.power_mw.is_some() && reading.power_mw != self.last_power_mw;
        if let Some(power_mw) = reading.power_mw.filter(|_| power_moved) {
            self.power_steps.note(sample.time_s);
            self.power_step.note(power_mw);
        }
        if let Some(watts) = reading.power_limit_w.filter(|watts| watts.is_finite() && *watts > 0.0) {
            let (least_w, most_w) = self.trace.power_limit_w.unwrap_or((watts, watts));
            self.trace.power_limit_w = Some((least_w.min(watts), most_w.max(watts)));
        }
        let energy_moved = match (&self.energy, reading.energy_uj) {
            (Some(energy), Some(now)) => energy.last_uj != now,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if energy_moved {
            self.counter_steps.note(sample.time_s);
        }
        let age_s = self.open.as_ref().map_or(f64::INFINITY, |open| sample.time_s - open.row.t_s);
        // A counter that moves seldom is never lost behind a row that something else began.
        let energy_age_s = sample.time_s - self.energy_row_s;
        let due = (power_moved && age_s >= self.resolution_s - 1e-6)
            || (energy_moved && energy_age_s >= self.resolution_s - 1e-6);
        let before = self.energy.as_ref().map(|energy| (energy.moved_s, energy.joules()));
        let energy_j = reading.energy_uj.filter(|_| energy_moved).map(|now_uj| self.energy_j(now_uj, sample.time_s));
        let fell_from =
            before.zip(energy_j).filter(|((_, before_j), now_j)| now_j < before_j).map(|(before, _)| before);
        if let Some((t_s, energy_j)) = fell_from.filter(|_| self.falls < MOST_FALLS) {
            // Between two rows a fall could hide in what was gained since: it gets the row that it fell from.
            self.falls += 1;
            self.close();
            if self.trace.t_s.last().is_none_or(|&last_s| last_s < round(t_s, 3)) {
                self.trace.push(Row { t_s, energy_j: Some(energy_j), ..Row::default() });
            }
        }
        let fell = fell_from.is_some() && self.open.is_none();
        // A row of nulls means silence: an answer that says nothing new is none.
        let says = reading.power_mw.is_some() || temperature_c.or(clock_mhz).is_some();
        if due || fell || (age_s >= HEARTBEAT_S && says) || silent_s >= SILENCE_S {
            self.close();
            if energy_moved {
                self.energy_row_s = sample.time_s;
            }
            self.open = Some(OpenRow {
                row: Row {
                    t_s: sample.time_s,
                    power_w: None,
                    energy_j: energy_j.filter(|_| silent_s <= UNSEEN_S),
                    temperature_c,
                    clock_mhz,
                },
                power_sum_mw: 0.0,
                power_count: 0,
            });
        }
        if let (Some(open), Some(power_mw)) = (&mut self.open, reading.power_mw) {
            open.power_sum_mw += power_mw as f64;
            open.power_count += 1;
        }
        self.last_power_mw = reading.power_mw;
    }

    /// The read at `time_s` failed.
    fn note_silence(&mut self, time_s: f64) {
        let since_s = *self.silent_since_s.get_or_insert(time_s);
        let shown = self.open.as_ref().is_some_and(|open| open.row.t_s >= since_s);
        if time_s - since_s >= SILENCE_S && !shown {
            self.close();
            // A row of this silence that another part of the run ended goes on from here.
            let begun = self.trace.t_s.last().is_some_and(|&last_s| last_s >= round(since_s, 3));
            let row = Row { t_s: if begun { time_s } else { since_s }, ..Row::default() };
            self.open = Some(OpenRow { row, power_sum_mw: 0.0, power_count: 0 });
        }
    }

    /// Joules since the first that the counter said. Every move must come here, or a wrap could be missed.
    fn energy_j(&mut self, now_uj: u64, time_s: f64) -> f64 {
        let begun = EnergyOrigin { first_uj: now_uj, last_uj: now_uj, moved_s: time_s, wrapped_uj: 0 };
        let energy = self.energy.get_or_insert(begun);
        if let Some(range) = self.wraps_at_uj.filter(|_| now_uj < energy.last_uj) {
            // A counter that falls has wrapped if no board would need more power for it; any other fall is a fault.
            let through_uj = range.saturating_sub(energy.last_uj) + now_uj;
            if through_uj as f64 <= IMPLAUSIBLE_W * 1e6 * (time_s - energy.moved_s) && through_uj < range / 2 {
                energy.wrapped_uj += range;
            }
        }
        (energy.last_uj, energy.moved_s) = (now_uj, time_s);
        energy.joules()
    }

    fn close(&mut self) {
        if let Some(OpenRow { mut row, power_sum_mw, power_count }) = self.open.take() {
            row.power_w = (power_count > 0).then(|| power_sum_mw / f64::from(power_count) / 1000.0);
            self.trace.push(row);
        }
    }

    /// Under which conditions the device was since the last call.
    pub(crate) fn take_conditions(&mut self) -> Conditions {
        std::mem::take(&mut self.conditions)
    }

    /// The counter's own period in seconds: the median of the latest times between two moves, as the reads saw them, however coarse
    /// the rows are. None with fewer than five moves.
    pub fn counter_period_s(&self) -> Option<f64> {
        period_s(&self.counter_steps.steps_s.iter().copied().collect::<Vec<_>>())
    }

    /// The period in seconds of what the joules come from: of the counter, or of the power figure where no counter moves. A steady
    /// load shows the same figure again and again on a coarse sensor, so that its shortest times between two changes count.
    pub fn period_s(&self) -> Option<f64> {
        let steps_s: Vec<f64> = self.power_steps.steps_s.iter().copied().collect();
        self.counter_period_s().or_else(|| shortest_s(&steps_s))
    }

    /// Ends the row that still holds, so that [`TraceBuilder::so_far`] shows it.
    pub(crate) fn flush(&mut self) {
        self.close();
    }

    /// The rows so far, without the one that still holds.
    pub(crate) fn so_far(&self) -> &Trace {
        &self.trace
    }

    /// How many reads failed, and what the last of them said.
    pub fn failures(&self) -> (u64, Option<&str>) {
        (self.failed_reads, self.last_failure.as_deref())
    }

    pub fn finish(mut self) -> Trace {
        self.trace.power_step_w = self.power_step.watts();
        self.close();
        self.trace
    }
}
