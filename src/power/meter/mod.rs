//! A meter of the user's own, beside the device's sensor or instead of it: a smart plug, a bench meter, a riser with a logger.
//!
//! - [`choice`]: `--meter`. [`lines`]: from bytes to figures. [`listener`]: from figures to rows, as they come. [`thread`]: a command or
//!   a file that is listened to while the protocol is busy.

pub mod choice;
pub mod lines;
pub mod listener;
pub mod thread;

pub use choice::MeterChoice;
pub use thread::MeterThread;
