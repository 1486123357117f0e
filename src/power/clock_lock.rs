//! A locked clock is undone however the run ends: when the lock is dropped (the end, an error, a panic), by [`undo_all`] when
//! a signal ends the program before that, and by the lock's [`Guard`] when neither could do it.

use super::clock_guard::Guard;
use crate::protocol::PowerError;
use crate::say;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Undo = Box<dyn FnOnce() -> Result<(), PowerError> + Send>;

/// A driver that hangs must not keep the program from ending.
const PATIENCE: Duration = Duration::from_secs(2);

/// Holds a clock until it is dropped.
#[must_use = "the clock is free again when this is dropped"]
pub struct ClockLock(Arc<Mutex<Option<Held>>>);

struct Held {
    undo: Undo,
    /// None where no guard could be started: then nobody is left to undo the lock of a killed program.
    guard: Option<Guard>,
}

static HELD: Mutex<Vec<Arc<Mutex<Option<Held>>>>> = Mutex::new(vec![]);

impl ClockLock {
    /// For a clock that is locked already, and that `undo` frees. The guard was started before.
    pub fn new(guard: Option<Guard>, undo: impl FnOnce() -> Result<(), PowerError> + Send + 'static) -> Self {
        let held = Arc::new(Mutex::new(Some(Held { undo: Box::new(undo), guard })));
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(held.clone());
        ClockLock(held)
    }
}

impl Drop for ClockLock {
    fn drop(&mut self) {
        free(&self.0);
        HELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| !Arc::ptr_eq(held, &self.0));
    }
}

/// Frees every clock that is still locked: for a program that is about to exit without unwinding.
pub(crate) fn undo_all() {
    for held in HELD.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        free(held);
    }
}

fn free(held: &Mutex<Option<Held>>) {
    let held = held.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(Held { undo, guard }) = held else { return };
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
                "wattmul: the clock may still be locked: {why}; it is tried once more when the program has ended"
            ));
            guard.stay();
        }
        (Err(why), None) => say::line(format_args!("wattmul: the clock may still be locked: {why}")),
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
            ClockLock::new(None, move || {
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
