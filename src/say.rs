//! Messages on standard error. Nobody may be reading them: the other end of a pipe can be closed and the disk of a log can be full.
//! A message that cannot be written is lost, and nothing else is.

use std::fmt::Display;
use std::io::Write;

/// A line on standard error, or nothing where it takes none.
pub fn line(message: impl Display) {
    text(format_args!("{message}\n"));
}

/// Text on standard error as it is, or nothing where it takes none.
pub fn text(text: impl Display) {
    // In one piece: what two threads write stays apart.
    let _ = std::io::stderr().lock().write_all(text.to_string().as_bytes());
}
