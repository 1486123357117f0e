//! What was found when the machine was looked at for what spoils a run, and what fixes it.

use super::system::Words;
use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub state: State,
    pub subject: &'static str,
    pub text: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// How a finding bears on a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    /// Worth knowing; a run can be valid all the same.
    Note,
    /// Spoils a run, or makes it poorer.
    Bad,
}

/// As it should be.
pub fn good(subject: &'static str, text: impl Into<String>) -> Finding {
    Finding { state: State::Good, subject, text: text.into(), fix: None }
}

/// Worth knowing, and what would change it.
pub fn note(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { state: State::Note, subject, text: text.into(), fix: Some(fix.into()) }
}

/// Spoils a run, and what fixes it.
pub fn bad(subject: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { state: State::Bad, subject, text: text.into(), fix: Some(fix.into()) }
}

/// A display is attached to this GPU.
pub(crate) fn display_finding(name: &str) -> Finding {
    const FIX: &str = Words {
        linux: "attach it to another GPU, or end the desktop for the run: sudo systemctl isolate multi-user.target",
        macos: "close what draws",
        windows: "attach it to another GPU, or to the mainboard",
    }
    .here();
    note("display", format!("a display is attached to {name}: drawing it takes time and energy"), FIX)
}
