//! What a run prints on standard error while it goes on.

use super::units;
use super::wrap::notice;
use crate::protocol::{Event, Latest, Stage};
use crate::record::{Plan, Source};
use crate::say;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

/// Draws what the protocol does: a bar on a terminal, else a line a window.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    doing: String,
    /// Seconds that the whole run takes, as far as is known.
    whole_s: f64,
    /// Watts that were said since the present window's load began, about ten a second.
    watts: Vec<f64>,
    /// How much of that is the window.
    window_share: f64,
}

impl Progress {
    /// On standard error.
    pub fn new(plan: &Plan, source: Option<&Source>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("  {spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::with_draw_target(Some(1000), ProgressDrawTarget::stderr()).with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        let timing = plan.timing(source, None);
        let whole_s = plan.rounds_s(timing) + plan.warm_up_s.0;
        let window_share = timing.window_s / (timing.window_s + timing.settling_s);
        Progress { bar, state: RefCell::new(State { whole_s, window_share, ..State::default() }) }
    }

    /// Something outside of the protocol that takes a while.
    pub fn note(&self, doing: &str) {
        self.state.borrow_mut().doing = doing.into();
        if let Some(bar) = &self.bar {
            bar.set_message(doing.to_owned());
        }
    }

    /// Takes an event of the protocol of a plan.
    pub fn event(&self, plan: &Plan, event: Event) {
        match event {
            Event::Begun(stage) => {
                let doing = match stage {
                    Stage::Prepare => "making matrices, choosing a kernel".into(),
                    Stage::Idle => "idle".into(),
                    Stage::WarmUp => "warm-up".into(),
                    Stage::Round { round, init } => {
                        format!("round {}  {init:<width$}", of_rounds(plan, round), width = name_width(plan))
                    }
                };
                self.note(&doing);
                self.state.borrow_mut().watts.clear();
            }
            Event::Progress { left_s, latest: Latest { power_w, temperature_c, clock_mhz } } => {
                let mut state = self.state.borrow_mut();
                if state.doing == "idle" {
                    return;
                }
                state.whole_s = state.whole_s.max(left_s);
                state.watts.extend(power_w);
                if let Some(bar) = &self.bar {
                    let figure =
                        |value: Option<f64>, unit: &str| value.map(|v| format!("{v:>5.0} {unit}")).unwrap_or_default();
                    let figures =
                        [figure(power_w, "W"), figure(temperature_c, "°C"), figure(clock_mhz, "MHz")].concat();
                    // What is done may have a long name, at the meter's cost.
                    let width = 16usize.saturating_sub(state.doing.len().saturating_sub(20));
                    let (meter, left) = (meter(1.0 - left_s / state.whole_s, width), units::countdown(left_s));
                    bar.set_message(format!("{:<20} {figures} {meter} {left:>5} left", state.doing));
                }
            }
            Event::Notice(said) => match &self.bar {
                Some(bar) => bar.suspend(|| say::text(notice(&said))),
                None => say::text(notice(&said)),
            },
            Event::WindowDone(window) => {
                if self.bar.is_none() {
                    let state = self.state.borrow();
                    let watts = latest_mean(&state.watts, state.window_share).map(|watts| format!("{watts:>8.1} W"));
                    let watts = watts.unwrap_or_default();
                    let time = units::time(window.duration_s / window.products);
                    let (init, width) = (window.init, name_width(plan));
                    say::line(format_args!("  round {}  {init:<width$} {time}{watts}", of_rounds(plan, window.round)));
                }
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The mean of the last `share` of the values. None without any.
fn latest_mean(values: &[f64], share: f64) -> Option<f64> {
    let latest = &values[values.len() - ((values.len() as f64 * share).ceil() as usize).min(values.len())..];
    (!latest.is_empty()).then(|| latest.iter().sum::<f64>() / latest.len() as f64)
}

/// Columns for the name of an init: as many as the longest takes, and the 9 of zeros and gaussian at least.
fn name_width(plan: &Plan) -> usize {
    plan.inits.iter().map(|init| init.to_string().len()).fold(9, usize::max)
}

/// `━━━━╸━━━`: a bar of `width` columns of which `share` is done.
fn meter(share: f64, width: usize) -> String {
    let done = (share.clamp(0.0, 1.0) * width as f64) as usize;
    "━".repeat(done) + if done < width { "╸" } else { "" } + &"┄".repeat(width.saturating_sub(done + 1))
}

/// "2/6", or "2" where precision ends the rounds.
fn of_rounds(plan: &Plan, round: u32) -> String {
    let number = round.saturating_add(1);
    if plan.precision.is_some() { number.to_string() } else { format!("{number}/{}", plan.rounds) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_window_leaves_out_what_was_said_before_it() {
        assert_eq!(latest_mean(&[100.0, 100.0, 200.0, 210.0], 0.5), Some(205.0));
        assert_eq!(latest_mean(&[], 0.5), None);
        assert_eq!(latest_mean(&[1.0], f64::NAN), None);
    }

    #[test]
    fn a_meter_fills_from_left_to_right_and_keeps_its_width() {
        assert_eq!(meter(0.0, 4), "╸┄┄┄");
        assert_eq!(meter(0.5, 4), "━━╸┄");
        assert_eq!(meter(1.0, 4), "━━━━");
        assert_eq!(meter(f64::NAN, 4), "╸┄┄┄");
    }
}
