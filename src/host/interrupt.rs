//! Ctrl-C and its kin: the run is asked to end, and ends within a second even where a driver does not answer.

use crate::say;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

static STOPPED: AtomicBool = AtomicBool::new(false);
/// Was a record saved? Who holds this is saving one, or is ending the program.
static SAVED: Mutex<bool> = Mutex::new(false);

/// How long a run may take to end by itself, its record saved.
const GRACE: Duration = Duration::from_millis(800);

/// How long a disk may take to write a record.
const PATIENCE: Duration = Duration::from_secs(3);

/// From now on SIGINT, SIGTERM and SIGHUP (on Windows, Ctrl-C and closing the console) ask the run to end. Where it does not, the
/// program ends, `undo` called before.
///
/// # Errors
/// The operating system refuses a handler.
pub(crate) fn listen(undo: fn()) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        let again = STOPPED.swap(true, Ordering::Relaxed);
        if !again {
            std::thread::sleep(GRACE);
        }
        // Still here: in a compiler or a driver that does not come back. Records are saved whole or not at all, so that
        // nothing half-written is left; the clock is.
        undo();
        let begun = Instant::now();
        let saved = loop {
            match SAVED.try_lock() {
                Ok(saved) => break Some(saved),
                Err(_) if begun.elapsed() > PATIENCE => break None,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        say::line("wattmul: stopped");
        // What was stopped and saved is invalid. Nothing more is saved: the lock is held to the end.
        std::process::exit(if saved.is_some_and(|saved| *saved) { 3 } else { 1 });
    })
}

/// From now on a write that would exceed a file's largest size (`ulimit -f`) is an error, as one on a full disk is, and no signal
/// that ends the program in the middle of a record, its temporary file left behind.
pub fn fail_at_file_limits() {
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "a C call")]
    // SAFETY: to ignore a signal runs no code of ours.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Held while a record is saved, and set when it was: a program that ends meanwhile waits, and its exit code is true.
pub(crate) fn saving() -> MutexGuard<'static, bool> {
    SAVED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Was the run asked to end?
pub fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}
