//! A locked clock is undone however the run ends: when the lock is dropped (the end, an error, a panic), or by
//! [`undo_all`] when a signal ends the program before that.

use std::sync::{Arc, Mutex, PoisonError};

type Undo = Box<dyn FnOnce() + Send>;

/// Holds a clock until it is dropped.
#[must_use = "the clock is free again when this is dropped"]
pub struct ClockLock(Arc<Mutex<Option<Undo>>>);

static HELD: Mutex<Vec<Arc<Mutex<Option<Undo>>>>> = Mutex::new(vec![]);

impl ClockLock {
    /// For a clock that is locked already, and that `undo` frees.
    pub fn new(undo: impl FnOnce() + Send + 'static) -> Self {
        let undo: Arc<Mutex<Option<Undo>>> = Arc::new(Mutex::new(Some(Box::new(undo))));
        HELD.lock().unwrap_or_else(PoisonError::into_inner).push(undo.clone());
        ClockLock(undo)
    }
}

impl Drop for ClockLock {
    fn drop(&mut self) {
        run(&self.0);
        HELD.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| !Arc::ptr_eq(held, &self.0));
    }
}

/// Frees every clock that is still locked: for a program that is about to exit without unwinding.
pub fn undo_all() {
    for held in HELD.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        run(held);
    }
}

fn run(undo: &Mutex<Option<Undo>>) {
    let undo = undo.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(undo) = undo {
        undo();
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
            ClockLock::new(move || {
                undone.fetch_add(1, Ordering::Relaxed);
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
