//! A vendor's library that is opened once a process: readers borrow from it for as long as the program runs.

use crate::protocol::PowerError;
use std::sync::{Mutex, OnceLock};

/// What is opened when it is first asked for. Where that fails, it is tried again the next time.
pub(super) struct Once<T> {
    opened: OnceLock<T>,
    /// Held while it is opened: one thread at a time.
    opening: Mutex<()>,
}

impl<T> Once<T> {
    pub const fn new() -> Self {
        Once { opened: OnceLock::new(), opening: Mutex::new(()) }
    }

    /// What is open, or opens it.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn get(&self, open: impl FnOnce() -> Result<T, PowerError>) -> Result<&T, PowerError> {
        let _one_at_a_time = self.opening.lock();
        match self.opened.get() {
            Some(opened) => Ok(opened),
            None => open().map(|new| self.opened.get_or_init(|| new)),
        }
    }
}
