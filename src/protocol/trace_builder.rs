//! What the sensor said during a run: from a hundred reads a second to one row an update.

use super::sensor::Sample;
use crate::analysis::energy::{period_s, shortest_s};
use crate::digits::round;
use crate::record::trace::{CLOCKS_MHZ, IMPLAUSIBLE_W, TEMPERATURES_C};
use crate::record::{Limiters, Row, Trace};
use std::collections::VecDeque;

/// A sensor that does not answer for so long gets a row of nulls. Single reads fail now and then, and lose nothing.
const SILENCE_S: f64 = 0.1;

/// When a counter moves behind failed reads of more than this, nobody knows when it did.
const UNSEEN_S: f64 = 0.025;

/// So many falls of a counter get rows of their own: enough to condemn it.
const MOST_FALLS: u32 = 50;

/// Even an unchanging sensor gets a row this often: the temperature and the clock may move all the same.
const HEARTBEAT_S: f64 = 1.0;

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
    limiters: Option<Limiters>,
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
            limiters: None,
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
                self.be_silent(sample.time_s);
                return;
            }
        };
        let within =
            |(least, most): (f64, f64), value: Option<f64>| value.filter(|value| (least..=most).contains(value));
        let (temperature_c, clock_mhz) =
            (within(TEMPERATURES_C, reading.temperature_c), within(CLOCKS_MHZ, reading.clock_mhz));
        let silent_s = self.silent_since_s.take().map_or(0.0, |since_s| sample.time_s - since_s);
        if let Some(now) = reading.limiters {
            self.limiters = Some(self.limiters.map_or(now, |before| before.union(now)));
        }
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
    fn be_silent(&mut self, time_s: f64) {
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

    /// What limited the clock since the last call.
    pub fn take_limiters(&mut self) -> Option<Limiters> {
        self.limiters.take()
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
    pub fn flush(&mut self) {
        self.close();
    }

    /// The rows so far, without the one that still holds.
    pub fn so_far(&self) -> &Trace {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{PowerError, Reading};

    fn sample(time_s: f64, power_mw: u64, energy_uj: u64) -> Sample {
        let reading = Reading { power_mw: Some(power_mw), energy_uj: Some(energy_uj), ..Reading::default() };
        Sample { time_s, reading: Ok(reading) }
    }

    #[test]
    fn a_row_is_an_update_however_often_the_sensor_is_read() {
        let mut builder = TraceBuilder::new(None);
        for i in 0..100 {
            let update = i / 10; // the sensor moves every tenth read
            builder.take(sample(i as f64 * 0.01, 100_000 + update, 5_000_000 + 10_000_000 * update));
        }
        let trace = builder.finish();
        assert_eq!(trace.t_s, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
        assert_eq!(trace.power_w[3], Some(100.003));
        assert_eq!(trace.energy_j[3], Some(30.0));
    }

    #[test]
    fn the_counters_period_is_known_however_coarse_the_rows_are() {
        let mut builder = TraceBuilder::new(None);
        builder.set_resolution(5.0);
        for i in 0..200 {
            builder.take(sample(i as f64 * 0.01, 1, 1_000_000 * (i / 10)));
        }
        assert!((builder.counter_period_s().unwrap() - 0.1).abs() < 1e-9);
        // A gap, as while it rests, is one step among many.
        builder.take(sample(60.0, 1, 1_000_000_000));
        assert!((builder.counter_period_s().unwrap() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_fast_sensor_is_averaged_over_rows_and_the_counter_keeps_its_times() {
        let mut builder = TraceBuilder::new(None);
        builder.set_resolution(0.05);
        for i in 0..20 {
            builder.take(sample(i as f64 * 0.01, 100_000 + 10_000 * (i % 2), 1000 * i));
        }
        let trace = builder.finish();
        assert_eq!(trace.t_s, [0.0, 0.05, 0.1, 0.15]);
        assert_eq!(trace.power_w, [Some(104.0), Some(106.0), Some(104.0), Some(106.0)]);
        assert_eq!(trace.energy_j, [Some(0.0), Some(0.005), Some(0.01), Some(0.015)]);
    }

    /// 300 W in a window and 100 W after it, in rows of half a second.
    #[test]
    fn a_row_ends_with_its_part_of_the_run() {
        let mut builder = TraceBuilder::new(None);
        builder.set_resolution(0.5);
        (0..20).for_each(|i| builder.take(sample(i as f64 * 0.01, 300_000 + i % 2, 1)));
        builder.set_resolution(0.5);
        (20..40).for_each(|i| builder.take(sample(i as f64 * 0.01, 100_000 + i % 2, 1)));
        let trace = builder.finish();
        assert_eq!((&trace.t_s[..], &trace.power_w[..]), (&[0.0, 0.2][..], &[Some(300.001), Some(100.001)][..]));
    }

    #[test]
    fn a_silence_that_a_part_of_the_run_ends_in_goes_on_and_not_back() {
        let mut builder = TraceBuilder::new(None);
        builder.take(sample(0.0, 50_000, 0));
        for i in 1..80 {
            let error = PowerError::Absent { what: "it".into(), fix: "look for it" };
            builder.take(Sample { time_s: f64::from(i) * 0.01, reading: Err(error) });
            if i == 40 {
                builder.set_resolution(0.1);
            }
        }
        let trace = builder.finish();
        assert!(trace.t_s.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", trace.t_s);
        assert_eq!((trace.t_s[0], trace.t_s[1], trace.power_w[2]), (0.0, 0.01, None));
    }

    #[test]
    fn steps_and_periods_of_figures_are_found_behind_repetitions() {
        // Whole watts, every 0.1 s, of which most show the same again.
        let mut builder = TraceBuilder::new(None);
        for i in 0..3000u64 {
            let update = i / 10;
            let watts = 290 + [0, 0, 0, 1, 0, 0, 0, 0, 2, 3, 5, 8, 13][update as usize % 13];
            let reading = Reading {
                power_mw: Some(watts * 1000),
                power_limit_w: Some(200.0 + watts as f64),
                ..Reading::default()
            };
            builder.take(Sample { time_s: i as f64 * 0.01, reading: Ok(reading) });
        }
        assert!((builder.period_s().unwrap() - 0.1).abs() < 1e-6, "{:?}", builder.period_s());
        let trace = builder.finish();
        assert_eq!((trace.power_step_w, trace.power_limit_w), (Some(1.0), Some((490.0, 503.0))));
        // Of two figures, nobody knows the step: no sensor is known to be coarser than a watt.
        let mut two = TraceBuilder::new(None);
        two.take(sample(0.0, 60_000, 1));
        two.take(sample(0.1, 290_000, 1));
        assert_eq!(two.finish().power_step_w, Some(1.0));
    }

    #[test]
    fn a_wrap_is_taken_out_and_a_step_back_is_kept() {
        let mut builder = TraceBuilder::new(Some(1_000_000));
        for (i, energy) in [900_000, 950_000, 20_000, 120_000, 60_000].into_iter().enumerate() {
            builder.take(sample(i as f64, 1, energy));
        }
        assert_eq!(builder.finish().energy_j, [Some(0.0), Some(0.05), Some(0.12), Some(0.22), Some(0.16)]);
    }

    #[test]
    fn a_wrap_needs_a_plausible_power() {
        // from 60 kJ of 65.5 kJ to nothing within a second: 5.5 kW would do, if a board drew that; in 0.1 s it is a reset
        for (step_s, expected) in [(1.0, 5.636), (0.1, -59.9)] {
            let mut builder = TraceBuilder::new(Some(65_536_000_000));
            builder.take(sample(0.0, 1, 60_000_000_000));
            builder.take(sample(step_s, 1, 100_000_000));
            let energy_j = builder.finish().energy_j[1].unwrap();
            assert!((energy_j - expected * 1000.0).abs() < 1e-6, "{energy_j}");
        }
    }

    #[test]
    fn a_fall_is_seen_however_coarse_the_rows_are() {
        let mut builder = TraceBuilder::new(None);
        builder.set_resolution(0.1);
        for (i, energy) in [0, 10, 20, 30, 25, 35].into_iter().enumerate() {
            builder.take(sample(i as f64 * 0.01, 1, energy * 1_000_000));
        }
        let trace = builder.finish();
        assert_eq!(trace.t_s, [0.0, 0.03, 0.04]);
        assert_eq!(trace.energy_j, [Some(0.0), Some(30.0), Some(25.0)]);
    }

    #[test]
    fn single_reads_that_fail_leave_the_rows_alone_and_no_time_to_a_move_that_nobody_saw() {
        let mut builder = TraceBuilder::new(None);
        for i in 0..60 {
            if [7, 18, 19, 20, 41].contains(&i) {
                let error = PowerError::Absent { what: "it".into(), fix: "look for it" };
                builder.take(Sample { time_s: i as f64 * 0.01, reading: Err(error) });
            } else {
                builder.take(sample(i as f64 * 0.01, 100_000 + i / 10, 1_000_000 * (i / 10)));
            }
        }
        let trace = builder.finish();
        assert_eq!(trace.t_s, [0.0, 0.1, 0.21, 0.3, 0.4, 0.5]);
        assert_eq!(trace.energy_j, [Some(0.0), Some(1.0), None, Some(3.0), Some(4.0), Some(5.0)]);
        assert!(trace.power_w.iter().all(Option::is_some));
    }

    #[test]
    fn what_is_no_number_is_null() {
        let mut builder = TraceBuilder::new(None);
        let reading = Reading {
            temperature_c: Some(f64::NAN),
            clock_mhz: Some(f64::INFINITY),
            power_mw: Some(0),
            ..Reading::default()
        };
        builder.take(Sample { time_s: 0.0, reading: Ok(reading) });
        assert_eq!(builder.finish().row(0), Row { power_w: Some(0.0), ..Row::default() });
    }

    #[test]
    fn silence_is_a_row_of_nulls_and_not_a_zero() {
        let mut builder = TraceBuilder::new(None);
        builder.take(sample(0.0, 50_000, 0));
        for i in 1..10 {
            let error = PowerError::Absent { what: "it".into(), fix: "look for it" };
            builder.take(Sample { time_s: f64::from(i) * 0.1, reading: Err(error) });
        }
        builder.take(sample(1.0, 60_000, 9));
        assert_eq!(builder.failures(), (9, Some("it is not here: look for it")));
        let trace = builder.finish();
        assert_eq!(trace.t_s, [0.0, 0.1, 1.0]);
        assert_eq!(trace.power_w, [Some(50.0), None, Some(60.0)]);
        // 50 W for 0.1 s and 60 W for 1 s; the silence has no weight
        let mean = trace.mean(0.0, 2.0, |row| row.power_w).unwrap();
        assert!((mean - (50.0 * 0.1 + 60.0) / 1.1).abs() < 1e-9, "{mean}");
        assert_eq!(trace.mean(0.2, 0.9, |row| row.power_w), None);
    }
}
