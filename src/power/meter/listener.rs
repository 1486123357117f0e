//! From a meter's figures to the rows of a record, as they come.

use super::lines::{Figure, Lines};
use crate::record::{Meter, MeterInterface, Scope};

/// Figures that come closer than this are one row, their mean: no ratio needs more, and a record has its bounds.
const ROW_S: f64 = 0.02;
/// A record holds no more.
const MOST_ROWS: usize = 300_000;

/// Hears what a meter says.
pub struct Listener {
    meter: Meter,
    lines: Lines,
    open: Option<Open>,
    figures: u64,
}

/// The row that still grows.
struct Open {
    t_s: f64,
    own_s: Option<f64>,
    sum_w: f64,
    count: f64,
}

impl Listener {
    pub fn new(interface: MeterInterface, scope: Scope) -> Self {
        Listener { meter: Meter::new(interface, scope), lines: Lines::default(), open: None, figures: 0 }
    }

    /// Its command, or its file, begins (again).
    pub fn begins(&mut self) {
        self.close();
        self.lines.forget();
        self.meter.starts += 1;
    }

    /// Takes bytes that came at `time_s` on the run's clock, and says how many figures were in them.
    pub fn hear(&mut self, time_s: f64, bytes: &[u8]) -> usize {
        let mut lines = std::mem::take(&mut self.lines);
        let mut figures = 0;
        lines.take(bytes, |figure| match figure {
            None => self.meter.not_understood += 1,
            Some(figure) => {
                figures += 1;
                self.note(time_s, figure);
            }
        });
        self.lines = lines;
        self.figures += figures as u64;
        figures
    }

    /// So many figures so far.
    pub fn figures(&self) -> u64 {
        self.figures
    }

    /// Nothing more will come, and why.
    pub fn ends(&mut self, why: String) {
        self.meter.ended.get_or_insert(why);
    }

    /// Has it ended, or said all that a record holds?
    pub fn is_over(&self) -> bool {
        self.meter.ended.is_some()
    }

    /// Takes all that was said.
    pub fn take(&mut self) -> Meter {
        self.close();
        let nothing = Meter::new(self.meter.interface, self.meter.scope);
        std::mem::replace(&mut self.meter, nothing)
    }

    fn note(&mut self, time_s: f64, Figure { watts, own_s }: Figure) {
        if let Some(open) = &mut self.open {
            // A logger that writes now and then says many figures at once: its own clock tells them apart.
            let later_s = open.own_s.zip(own_s).map_or(time_s - open.t_s, |(from_s, to_s)| to_s - from_s);
            if open.own_s.is_some() == own_s.is_some() && (0.0..ROW_S).contains(&later_s) {
                open.sum_w += watts;
                open.count += 1.0;
                return;
            }
        }
        self.close();
        if self.meter.t_s.len() >= MOST_ROWS {
            return self.ends(format!("it said more than a record holds: {MOST_ROWS} figures"));
        }
        self.open = Some(Open { t_s: time_s, own_s, sum_w: watts, count: 1.0 });
    }

    fn close(&mut self) {
        if let Some(Open { t_s, own_s, sum_w, count }) = self.open.take() {
            self.meter.push(t_s, sum_w / count, own_s);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener() -> Listener {
        Listener::new(MeterInterface::Command, Scope::Board)
    }

    #[test]
    fn a_row_is_a_figure_or_the_mean_of_those_that_come_at_once() {
        let mut listener = listener();
        listener.begins();
        assert_eq!(listener.hear(1.0, b"100\n"), 1);
        assert_eq!(listener.hear(1.01, b"102\ngarbage\n"), 1);
        assert_eq!(listener.hear(2.0, b"110\n11"), 1);
        listener.begins();
        listener.hear(3.0, b"120\n");
        let meter = listener.take();
        assert_eq!((meter.t_s, meter.power_w), (vec![1.0, 2.0, 3.0], vec![101.0, 110.0, 120.0]));
        assert_eq!((meter.starts, meter.not_understood), (2, 1));
    }

    #[test]
    fn figures_that_come_at_once_are_told_apart_by_the_meters_own_clock() {
        let mut listener = listener();
        listener.hear(5.0, b"70.0,100\n70.5,110\n71.0,120\n71.001,122\n3.0,90\n80\n");
        let meter = listener.take();
        assert_eq!(meter.power_w, [100.0, 110.0, 121.0, 90.0, 80.0]);
        assert_eq!(meter.own_s, [Some(70.0), Some(70.5), Some(71.0), Some(3.0), None]);
        assert_eq!(meter.t_s, [5.0; 5]);
    }
}
