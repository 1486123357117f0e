//! How far a record can be believed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a record can be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    pub status: Status,
    /// Of a simulated record: the status that a real one with the same readings would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Status>,
    pub flags: Vec<Flag>,
    pub reasons: Vec<Reason>,
}

/// From best to worst, but for `Simulated`, which is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All checks hold.
    Valid,
    /// What was checked holds, but not all could be: of so few rounds there is no interval, or no drift to see.
    Unchecked,
    /// Energy was measured, but the sensor failed a cross-check.
    UnverifiedSensor,
    /// No sensor: times, and no joules.
    TimingOnly,
    Invalid,
    /// No GPU was measured at all.
    Simulated,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Status::Valid => "valid",
            Status::Unchecked => "unchecked",
            Status::UnverifiedSensor => "unverified-sensor",
            Status::TimingOnly => "timing-only",
            Status::Invalid => "invalid",
            Status::Simulated => "simulated",
        })
    }
}

/// What belongs to the answer without spoiling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// The power limit slowed a window: time is part of the answer.
    PowerCapped,
    /// Without joules to judge by, the time of a product drifted.
    UnsteadyTime,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Flag::PowerCapped => "power-capped",
            Flag::UnsteadyTime => "unsteady-time",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Stays the same for ever; the message may be worded better.
    pub code: String,
    pub message: String,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    /// What to do about it.
    pub fix: String,
}

impl Verdict {
    /// The status that the readings deserve, whether a GPU made them or a model.
    pub fn judgement(&self) -> Status {
        self.judged.unwrap_or(self.status)
    }

    /// Do the readings deserve no belief at all?
    pub fn is_invalid(&self) -> bool {
        self.judgement() == Status::Invalid
    }

    /// The verdict in words: "valid, power-capped". Of a simulated record, the status that its readings deserve.
    pub fn words(&self) -> String {
        let flags: String = self.flags.iter().map(|flag| format!(", {flag}")).collect();
        format!("{}{flags}", self.judgement())
    }

    /// Is there a reason of this code?
    pub fn has(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}
