//! The GPU side: which adapter, which kernel, products that never stop, and whether they are right.

pub mod adapter;
pub mod buffers;
pub mod claim;
pub mod kernel;
pub mod kfd;
pub mod matmul;
pub mod timestamps;
pub mod tune;
pub mod tuning_cache;
pub mod unseen;
pub mod verify;
pub mod visible;

use thiserror::Error;

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
    #[error(
        "some numbers of {init} are too large for {dtype}: choose a smaller parameter with --init, or another --dtype"
    )]
    TooLargeNumbers { init: String, dtype: &'static str },
    #[error("the GPU was lost in the middle of its work ({0}): see the system's log, and try a smaller --size")]
    Lost(String),
    #[error("the GPU did not finish a piece of work within {0} s: it hangs; see the system's log")]
    Stuck(u64),
    #[error("the driver refused: {0}")]
    Driver(String),
    #[error(
        "no kernel of this program computes the product rightly on this driver ({0}): update the driver, and please report this"
    )]
    NoRightKernel(String),
}
