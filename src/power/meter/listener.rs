//! From a meter's figures to the rows of a record, as they come.

use super::lines::{Figure, Lines};
use crate::record::{Meter, MeterInterface, Scope};

/// Figures that come closer than this are one row, their mean: no ratio needs more, and a record has its bounds.
const ROW_S: f64 = 0.02;
/// A record holds no more.
const MOST_ROWS: usize = 300_000;

/// After so long without a figure it is said that a meter is silent; of a slow one, after three times its period.
const SILENT_S: f64 = 10.0;
const SILENT_PERIODS: f64 = 3.0;

/// Hears what a meter says.
pub struct Listener {
    meter: Meter,
    lines: Lines,
    open: Option<Open>,
    figures: u64,
    latest: Option<Latest>,
    told: Told,
}

/// The last figure that came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latest {
    pub t_s: f64,
    pub watts: f64,
    /// Since the one before it.
    pub after_s: f64,
}

/// What whoever watches was told last.
#[derive(PartialEq)]
enum Told {
    Nothing,
    Silent,
    Over,
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
        let meter = Meter::new(interface, scope);
        Listener { meter, lines: Lines::default(), open: None, figures: 0, latest: None, told: Told::Nothing }
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

    /// Takes what it answered when it was asked, at `time_s`: a figure, or why there is none.
    pub fn answered(&mut self, time_s: f64, answer: Result<Figure, String>) {
        match answer {
            Ok(figure) => {
                self.figures += 1;
                self.note(time_s, figure);
            }
            Err(why) => {
                self.meter.not_understood += 1;
                self.meter.last_failure = Some(why);
            }
        }
    }

    /// What came last.
    pub fn latest(&self) -> Option<Latest> {
        self.latest
    }

    /// Why nothing comes, as far as is known.
    pub fn trouble(&self) -> Option<&str> {
        self.meter.ended.as_deref().or(self.meter.last_failure.as_deref())
    }

    /// Has it been silent for longer than that, and than suits its period, `now_s` after the run's beginning?
    pub fn is_silent(&self, now_s: f64, for_s: f64) -> bool {
        let (since_s, usual_s) = self.latest.map_or((0.0, 0.0), |latest| (latest.t_s, latest.after_s));
        now_s - since_s > for_s.max(SILENT_PERIODS * usual_s)
    }

    /// What is to be said of it during the run, once: that it ended, fell silent, or speaks again.
    pub fn news(&mut self, now_s: f64) -> Option<String> {
        let (told, said) = match (self.is_over(), self.is_silent(now_s, SILENT_S), &self.told) {
            (true, _, Told::Nothing | Told::Silent) => {
                (Told::Over, format!("nothing more comes of the meter: {}. The run goes on.", self.trouble()?))
            }
            (false, true, Told::Nothing) => {
                let why = self.meter.last_failure.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
                (Told::Silent, format!("the meter has been silent for {SILENT_S} s and more{why}. The run goes on."))
            }
            (false, false, Told::Silent) => (Told::Nothing, "the meter speaks again.".into()),
            _ => return None,
        };
        self.told = told;
        Some(said)
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

    /// Forgets its rows: no record will hold them.
    pub fn forget(&mut self) {
        (self.meter.t_s, self.meter.power_w, self.meter.own_s) = Default::default();
    }

    /// Takes all that was said.
    pub fn take(&mut self) -> Meter {
        self.close();
        let nothing = Meter::new(self.meter.interface, self.meter.scope);
        std::mem::replace(&mut self.meter, nothing)
    }

    fn note(&mut self, time_s: f64, Figure { watts, own_s }: Figure) {
        // Of figures that come at once, the burst has the period.
        let before = self.latest.unwrap_or(Latest { t_s: time_s, watts, after_s: 0.0 });
        let after_s = Some(time_s - before.t_s).filter(|after_s| *after_s > ROW_S).unwrap_or(before.after_s);
        self.latest = Some(Latest { t_s: time_s, watts, after_s });
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
    fn what_becomes_of_it_is_said_once() {
        let mut listener = listener();
        listener.begins();
        assert_eq!(listener.news(9.0), None);
        listener.answered(9.5, Err("no answer within 2 s".into()));
        let said = listener.news(11.0).unwrap();
        assert_eq!(said, "the meter has been silent for 10 s and more (no answer within 2 s). The run goes on.");
        assert_eq!(listener.news(30.0), None);
        listener.answered(31.0, Ok(Figure { watts: 63.0, own_s: None }));
        assert_eq!(listener.news(31.1).unwrap(), "the meter speaks again.");
        listener.answered(37.0, Ok(Figure { watts: 64.0, own_s: None }));
        assert_eq!((listener.news(54.0), listener.latest().unwrap().watts), (None, 64.0), "it is slow");
        assert!(listener.news(56.0).is_some());
        listener.ends("its command is gone".into());
        assert_eq!(
            listener.news(57.0).unwrap(),
            "nothing more comes of the meter: its command is gone. The run goes on."
        );
        assert_eq!(listener.news(90.0), None);
        let meter = listener.take();
        assert_eq!((meter.not_understood, meter.last_failure.as_deref()), (1, Some("no answer within 2 s")));
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
