//! A meter of the user's own, beside the device's sensor or instead of it: a smart plug, a bench meter, a riser with a logger.
//!
//! - [`choice`]: `--meter`. [`lines`]: from bytes to figures. [`http`], [`hwmon`]: meters that are asked. [`listener`]: from figures to
//!   rows, as they come. [`thread`]: a meter that is listened to while the protocol is busy. [`reader`]: one that is the run's sensor.

pub mod choice;
pub mod http;
pub mod hwmon;
pub mod lines;
pub mod listener;
pub mod reader;
pub mod thread;

pub use choice::MeterChoice;
pub use thread::MeterThread;
