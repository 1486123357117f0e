//! What a run prints on standard error while it goes on.

use super::units;
use crate::protocol::{Event, Latest, Stage};
use crate::record::{Plan, Source};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

/// Draws what the protocol does: a bar on a terminal, else a line a window.
pub struct Progress {
    bar: Option<ProgressBar>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    doing: String,
    /// Seconds that the whole run takes, as far as is known.
    whole_s: f64,
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
        let whole_s = plan.rounds_s(plan.timing(source, None)) + plan.warm_up_s.0;
        Progress { bar, state: RefCell::new(State { doing: String::new(), whole_s }) }
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
                        format!("round {}/{}  {init:<width$}", round + 1, plan.rounds, width = name_width(plan))
                    }
                };
                self.note(&doing);
            }
            Event::Progress { left_s, latest: Latest { power_w, temperature_c, clock_mhz } } => {
                let mut state = self.state.borrow_mut();
                if state.doing == "idle" {
                    return;
                }
                state.whole_s = state.whole_s.max(left_s);
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
            Event::WindowDone(window) => {
                if self.bar.is_none() {
                    let time = units::time(window.duration_s / window.products);
                    let (init, width) = (window.init, name_width(plan));
                    eprintln!("  round {}/{}  {init:<width$} {time}", window.round + 1, plan.rounds);
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

/// Columns for the name of an init: as many as the longest takes, and the 9 of zeros and gaussian at least.
fn name_width(plan: &Plan) -> usize {
    plan.inits.iter().map(|init| init.to_string().len()).fold(9, usize::max)
}

/// `━━━━╸━━━`: a bar of `width` columns of which `share` is done.
fn meter(share: f64, width: usize) -> String {
    let done = (share.clamp(0.0, 1.0) * width as f64) as usize;
    "━".repeat(done) + if done < width { "╸" } else { "" } + &"┄".repeat(width.saturating_sub(done + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_fills_from_left_to_right_and_keeps_its_width() {
        assert_eq!(meter(0.0, 4), "╸┄┄┄");
        assert_eq!(meter(0.5, 4), "━━╸┄");
        assert_eq!(meter(1.0, 4), "━━━━");
        assert_eq!(meter(f64::NAN, 4), "╸┄┄┄");
    }
}
