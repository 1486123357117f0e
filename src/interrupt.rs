//! Ctrl-C and its kin: the run is asked to end, and ends within a second even where a driver does not answer.

use crate::power::clock_lock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static STOPPED: AtomicBool = AtomicBool::new(false);

/// How long a run may take to end by itself, its record saved.
const GRACE: Duration = Duration::from_millis(800);

/// From now on SIGINT, SIGTERM and SIGHUP (on Windows, Ctrl-C and closing the console) ask the run to end.
///
/// # Errors
/// The operating system refuses a handler.
pub fn listen() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        let again = STOPPED.swap(true, Ordering::Relaxed);
        if !again {
            std::thread::sleep(GRACE);
        }
        // Still here: in a compiler or a driver that does not come back. Records are saved whole or not at all, so that
        // nothing half-written is left; the clock is.
        clock_lock::undo_all();
        eprintln!("wattmul: stopped");
        std::process::exit(1);
    })
}

/// Was the run asked to end?
pub fn stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}
