//! The rounds: windows of every init, in a balanced order.

use super::event::{Event, Stage};
use super::order;
use super::resolution::{USUAL_PERIOD_S, settling_row_s, window_row_s};
use super::steps::{Halt, Protocol};
use super::warm_up::drain;
use super::workload::{DeviceSpan, IN_FLIGHT, Workload};
use crate::digits;
use crate::record::{Ended, Timing, Trace, Window, WindowPower};
use rand_chacha::rand_core::Rng;

impl Protocol<'_> {
    /// Rounds until the plan says why they end; `precise` looks at the trace and the windows so far. Windows that were finished
    /// before a halt are in `windows`.
    ///
    /// # Errors
    /// The device fails, or the run is stopped.
    pub fn rounds(
        &mut self,
        work: &mut dyn Workload,
        windows: &mut Vec<Window>,
        precise: &mut dyn FnMut(&Trace, &[Window]) -> bool,
    ) -> Result<Ended, Halt> {
        let begun_s = self.clock.now_s();
        for round in 0.. {
            for init in order::of_round(self.plan.inits.len(), round) {
                let window = self.window(work, round, init)?;
                (self.watch)(Event::WindowDone(window.clone()));
                windows.push(window);
            }
            let seconds = self.clock.now_s() - begun_s;
            let trace = self.trace.so_far();
            if let Some(ended) = self.plan.ends(round + 1, seconds, || precise(trace, windows)) {
                return Ok(ended);
            }
        }
        Ok(Ended::AllRounds)
    }

    /// Pause, settling time, window, and a look at the products.
    fn window(&mut self, work: &mut dyn Workload, round: u32, init: usize) -> Result<Window, Halt> {
        let Timing { settling_s, window_s } = self.timing;
        self.begin(Stage::Round { round, init: self.plan.inits[init] }, settling_s + window_s);
        let pause_s = USUAL_PERIOD_S * f64::from(self.pauses.next_u32()) / f64::from(u32::MAX);
        self.sleep(pause_s)?;

        let begun_s = self.clock.now_s();
        let mut in_flight = 0;
        // When each submission was seen to end, and the products done by then.
        let mut ends: Vec<(f64, f64)> = vec![];
        let mut first = None;
        let (first, last) = loop {
            while in_flight < IN_FLIGHT {
                work.submit(init)?;
                in_flight += 1;
            }
            let done = ends.last().map_or(0.0, |end| end.1) + work.wait()?;
            in_flight -= 1;
            let now_s = self.clock.now_s();
            ends.push((now_s, done));
            self.gather()?;
            match first {
                None if now_s - begun_s >= settling_s => {
                    first = Some(ends.len() - 1);
                    self.trace.flush(); // what came before it is no part of its first row
                    self.trace.set_resolution(window_row_s(self.plan, self.timing));
                    self.trace.take_conditions();
                }
                // At least one whole product, however long it takes.
                Some(first) if now_s - ends[first].0 >= window_s && done - ends[first].1 >= 1.0 => {
                    break (first, ends.len() - 1);
                }
                _ => {}
            }
        };
        let conditions = self.trace.take_conditions();
        self.trace.flush(); // nor what comes after it of its last
        self.trace.set_resolution(settling_row_s(self.plan, self.timing));
        drain(work, in_flight)?;
        let spans: Option<Vec<DeviceSpan>> =
            work.device_spans()?.get(first..=last).and_then(|s| s.iter().copied().collect());
        let device_s = spans.as_ref().map(|spans| spans[spans.len() - 1].end_s - spans[0].end_s);
        let worked_s = spans
            .as_ref()
            .map(|spans| spans.windows(2).map(|pair| pair[1].end_s - pair[1].start_s.max(pair[0].end_s)).sum::<f64>());
        let busy = worked_s.zip(device_s).map(|(worked_s, device_s)| worked_s / device_s);
        // Figures are rounded before anything is computed from them.
        Ok(Window {
            init: self.plan.inits[init],
            round,
            start_s: digits::round(ends[first].0, 6),
            duration_s: digits::round(ends[last].0 - ends[first].0, 6),
            products: digits::round(ends[last].1 - ends[first].1, 6),
            device_s: device_s.map(|seconds| digits::round(seconds, 6)),
            busy: busy.map(|share| digits::round(share, 6)),
            products_right: work.check_products(init)?,
            limiters: conditions.limiters.map(|limiters| limiters.iter().collect()),
            memory_clock_mhz: conditions.memory_clock_mhz.map(|mhz| digits::round(mhz, 0)),
            performance_state: conditions.performance_state,
            // `summary::with_power_of_trace` fills these in from the whole trace.
            power_w: WindowPower::default(),
            energy_j: None,
            clock_mhz: None,
            temperature_c: None,
        })
    }
}
