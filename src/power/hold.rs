//! What a run changes of a device, its clock or its power limit, is undone however the run ends: when the hold is dropped (the end,
//! an error, a panic), by [`undo_all`] when a signal ends the program before that, and by the hold's [`Guard`] when neither could.

use super::guard::Guard;
use crate::protocol::PowerError;
use crate::say;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Undo = Box<dyn FnOnce() -> Result<(), PowerError> + Send>;

/// A driver that hangs must not keep the program from ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// Holds a clock or a power limit until it is dropped.
#[must_use = "it is as before when this is dropped"]
pub struct Hold(Arc<Mutex<Option<Held>>>);

struct Held {
    /// What is held: "the clock".
    what: &'static str,
    undo: Undo,
    /// None where no guard could be started: then nobody is left to undo what a killed program did.
    guard: Option<Guard>,
}

static HELD: Mutex<Vec<Arc<Mutex<Option<Held>>>>> = Mutex::new(vec![]);

impl Hold {
    /// Of what ("the clock") is changed already, and `undo` puts back. The guard was started before.
    pub fn new(
        what: &'static str,
        guard: Option<Guard>,
        undo: impl FnOnce() -> Result<(), PowerError> + Send + 'static,
    ) -> Self {
        let held = Arc::new(Mutex::new(Some(Held { what, undo: Box::new(undo), guard })));
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(held.clone());
        Hold(held)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        free(&self.0);
        HELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| !Arc::ptr_eq(held, &self.0));
    }
}

/// Puts back all that is still changed: for a program that is about to exit without unwinding.
pub(crate) fn undo_all() {
    for held in HELD.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        free(held);
    }
}

fn free(held: &Mutex<Option<Held>>) {
    let held = held.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Held { what, undo, guard }) = held else { return };
    let (sender, answer) = channel();
    let begun = std::thread::Builder::new().name("unlock".into()).spawn(move || sender.send(undo()));
    let undone = match begun.map(|_| answer.recv_timeout(PATIENCE)) {
        Ok(Ok(undone)) => undone.map_err(|error| error.to_string()),
        Ok(Err(RecvTimeoutError::Timeout)) => Err("the driver does not answer".into()),
        Ok(Err(RecvTimeoutError::Disconnected)) => Err("the driver's library failed".into()),
        Err(error) => Err(error.to_string()),
    };
    match (undone, guard) {
        (Ok(()), guard) => drop(guard),
        (Err(why), Some(guard)) => {
            say::line(format_args!(
                "wattmul: {what} may not be as before: {why}; it is tried once more when the program has ended"
            ));
            guard.stay();
        }
        (Err(why), None) => say::line(format_args!("wattmul: {what} may not be as before: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_lock_is_undone_once_whoever_comes_first() {
        let undone = Arc::new(AtomicU32::new(0));
        let lock = || {
            let undone = undone.clone();
            Hold::new("the clock", None, move || {
                undone.fetch_add(1, Ordering::Relaxed);
                Ok(())
            })
        };
        drop(lock());
        assert_eq!(undone.load(Ordering::Relaxed), 1);
        let held = lock();
        undo_all();
        assert_eq!(undone.load(Ordering::Relaxed), 2);
        drop(held);
        assert_eq!(undone.load(Ordering::Relaxed), 2);
        let panicked = std::panic::catch_unwind(|| {
            let _held = lock();
            panic!("in the middle of a run");
        });
        assert!(panicked.is_err());
        assert_eq!(undone.load(Ordering::Relaxed), 3);
    }
}
