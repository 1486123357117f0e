//! What goes wrong in a simulated run, so that it can be seen whether the verdict finds it.

/// What goes wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Wrap,
    UnknownWrap,
    Frozen,
    StepBack,
    Reset,
    FallOnIdle,
    DroppedReads,
    NotANumber,
    PermissionLost,
    CapFlag,
    Thermal,
    SecondProcess,
    Drift,
}

impl Fault {
    pub const ALL: [Fault; 13] = [
        Fault::Wrap,
        Fault::UnknownWrap,
        Fault::Frozen,
        Fault::StepBack,
        Fault::Reset,
        Fault::FallOnIdle,
        Fault::DroppedReads,
        Fault::NotANumber,
        Fault::PermissionLost,
        Fault::CapFlag,
        Fault::Thermal,
        Fault::SecondProcess,
        Fault::Drift,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Wrap => "wrap",
            Fault::UnknownWrap => "unknown-wrap",
            Fault::Frozen => "frozen",
            Fault::StepBack => "step-back",
            Fault::Reset => "reset",
            Fault::FallOnIdle => "fall-on-idle",
            Fault::DroppedReads => "dropped-reads",
            Fault::NotANumber => "nan",
            Fault::PermissionLost => "permission-lost",
            Fault::CapFlag => "cap-flag",
            Fault::Thermal => "thermal",
            Fault::SecondProcess => "second-process",
            Fault::Drift => "drift",
        }
    }

    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Fault::Wrap => "the counter has 32 bits, and says so: harmless",
            Fault::UnknownWrap => "the counter has 32 bits, and nobody knows",
            Fault::Frozen => "the counter stops in a window and stays",
            Fault::StepBack => "the counter goes back by a few joules in a window",
            Fault::Reset => "the counter starts again from 0 in a window",
            Fault::FallOnIdle => "the counter falls to 200 J whenever the GPU rests",
            Fault::DroppedReads => "a fifth of the reads fails, and once all for 1.5 s: harmless",
            Fault::NotANumber => "half of the temperatures and clocks are no numbers: harmless",
            Fault::PermissionLost => "the sensor may not be read any more from some window on",
            Fault::CapFlag => "the driver says power cap, but nothing slows down: harmless",
            Fault::Thermal => "heat slows the clock to three quarters",
            Fault::SecondProcess => "another program takes half of the GPU for a while",
            Fault::Drift => "power grows by 6 % in six rounds, and on",
        }
    }
}
