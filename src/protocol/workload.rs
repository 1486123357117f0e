//! What the protocol asks of a device: products in submissions that are queued and waited for.

use thiserror::Error;

/// Submissions that are queued at any time: while one runs, the next one waits behind it.
pub const IN_FLIGHT: usize = 2;

/// Products on a device, in submissions that the protocol queues and waits for.
pub trait Workload {
    /// Queues the next submission of products of init number `init` and returns at once.
    ///
    /// # Errors
    /// The device fails.
    fn submit(&mut self, init: usize) -> Result<(), GpuError>;

    /// Waits for the oldest submission that was not waited for; returns the products in it (a share, if it is a part).
    ///
    /// # Errors
    /// The device fails.
    fn wait(&mut self) -> Result<f64, GpuError>;

    /// When the device worked on each submission since the last call, in order, by its own clock. Empty where it has none.
    /// Called while nothing is in flight.
    ///
    /// # Errors
    /// The device fails.
    fn device_spans(&mut self) -> Result<Vec<Option<DeviceSpan>>, GpuError>;

    /// Is what was computed since the last call the verified product of that init? Overwrites C with invalid values, so
    /// that the next check cannot pass on old results. Called while nothing is in flight.
    ///
    /// # Errors
    /// The device fails.
    fn check_products(&mut self, init: usize) -> Result<bool, GpuError>;
}

/// From when to when the device worked on a submission, in seconds on its own clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceSpan {
    pub start_s: f64,
    pub end_s: f64,
}

/// How long a submission should take. Long enough that the gaps between submissions vanish; far under every watchdog
/// (Windows gives 2 s, macOS a few hundred ms while it draws); short enough that a run stops within a tenth of a second.
pub const SUBMISSION_S: f64 = 0.075;

/// A product that takes longer than this is cut into bands of rows.
pub const LONGEST_SUBMISSION_S: f64 = 0.1;

/// To record more dispatches than this would take longer than to run them.
pub const MOST_REPEATS: usize = 4096;

/// What goes wrong on a device, real or simulated.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GpuError {
    #[error(
        "{adapter} is there, but its driver does not open it ({why}): update the driver, or choose another --adapter"
    )]
    NotOpened { adapter: String, why: String },
    #[error("the GPU's memory is full: choose a smaller --size, or close what else uses the GPU")]
    OutOfMemory,
    #[error(
        "the GPU's memory holds the matrices of {fit} of these {inits} inits: name {fit} at most with --init, or choose a \
         smaller --size"
    )]
    TooManyInits { fit: usize, inits: usize },
    #[error("some numbers of {init} are too large for {dtype}: choose smaller ones with --init, or another --dtype")]
    TooLargeNumbers { init: String, dtype: &'static str },
    #[error("the GPU was lost in the middle of its work ({0}): see the system's log, and try a smaller --size")]
    Lost(String),
    #[error("the GPU did not finish a piece of work within {0} s: it hangs; see the system's log")]
    Stuck(u64),
    #[error(
        "the driver takes work and does not do it: it drives no GPU here, or is broken; `wattmul devices` lists others, and an \
         update may mend it"
    )]
    Undone,
    #[error("the driver refused: {0}")]
    Driver(String),
    #[error(
        "no kernel of this program computes the product rightly on this driver ({0}): update the driver, and please report this"
    )]
    NoRightKernel(String),
}
