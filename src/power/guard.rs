//! Undoes what a killed program changed of a device. A process that gets SIGKILL, or that its driver never lets go, can undo
//! nothing itself: another one must be there already. It is this program again (`wattmul guard-device CHANGE SENSOR`), and it waits at
//! a pipe whose other end closes with the program that it guards, however that ends.
//!
//! A device has one guard at a time. The next run waits for it: else it would take a limit for the device's own that the guard is
//! about to undo, or lock a clock that the guard then frees.

use crate::host::apart::apart;
use crate::host::claim;
use crate::protocol::PowerError;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

/// The first argument of a guard. No command for people: the command line's help does not know it.
pub(crate) const COMMAND: &str = "guard-device";
/// A guard is done within a second or two, of which the vendor's library takes most to open.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was changed, and what it was before; as text, one word with a sign of equality, so that a program of tests, which is a guard's
/// program too where a test changes a device, takes it for no test's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The clock, which was free.
    Clock,
    /// The power limit, which was so many milliwatts.
    PowerLimit { before_mw: u64 },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Change::Clock => f.write_str("clock=free"),
            Change::PowerLimit { before_mw } => write!(f, "power-limit={before_mw}"),
        }
    }
}

impl FromStr for Change {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once('=') {
            Some(("clock", "free")) => Ok(Change::Clock),
            Some(("power-limit", before)) => {
                before.parse().map(|before_mw| Change::PowerLimit { before_mw }).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

/// The place of a device's guard, which no other run has: whoever has it looks at the device, and changes it then.
pub(crate) struct Post {
    /// The sensor, as `--power` names it.
    sensor: String,
    /// None where there can be no such lock.
    lock: Option<File>,
}

impl Post {
    /// Of a device, given as `--power` names it. Waits for the guard of an earlier run.
    ///
    /// # Errors
    /// That one does not end.
    pub fn of(sensor: String) -> Result<Self, PowerError> {
        let lock = claim::lockable(&format!("guard {sensor}"));
        let begun = Instant::now();
        while let Some(Err(TryLockError::WouldBlock)) = lock.as_ref().map(File::try_lock) {
            if begun.elapsed() > PATIENCE {
                return Err(PowerError::Failed {
                    what: format!("changing {sensor}"),
                    why: "the guard of an earlier run is still putting back what that changed".into(),
                    fix: "wait for its end; if its driver hangs, restart the machine",
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Post { sensor, lock })
    }
}

/// Takes the lock of the post, whose file a guard has in place of standard output, as soon as it is free, and holds it to the end
/// of the process. On Unix a guard has it already: there a lock is held until the last process that was given its file has ended,
/// and on Windows until the process that took it has.
#[cfg(windows)]
pub(crate) fn take_post() {
    let output = std::os::windows::io::AsHandle::as_handle(&std::io::stdout()).try_clone_to_owned();
    let Ok(output) = output else { return };
    std::thread::spawn(move || {
        let file = File::from(output);
        let _ = file.lock();
        std::mem::forget(file);
    });
}

/// What a guard hears when its work is not needed: anything at all, before the pipe closes.
const STAND_DOWN: &[u8] = b".";

/// A guard that stands down when this is dropped.
#[derive(Debug)]
pub struct Guard {
    process: Child,
    pipe: ChildStdin,
}

impl Guard {
    /// Starts the guard of what is about to be changed. To be called before it is. None where the operating system does not start
    /// it: then the change is undone in all cases but a killed program's.
    pub(crate) fn start(post: Post, change: Change) -> Option<Guard> {
        let mut command = Command::new(std::env::current_exe().ok()?);
        command.args([COMMAND, &change.to_string(), &post.sensor]).stdin(Stdio::piped());
        // Whoever reads what the run prints waits for its end, not for the guard's. What the guard has in place of standard output,
        // and never writes to, is the file of the lock.
        command.stdout(post.lock.map_or_else(Stdio::null, Stdio::from)).stderr(Stdio::null());
        let mut process = apart(&mut command).spawn().ok()?;
        let pipe = process.stdin.take()?;
        Some(Guard { process, pipe })
    }

    /// Leaves it to the guard to undo the change, once this program has ended.
    pub fn stay(self) {
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Where it died before its time there is nobody to stand down.
        if self.pipe.write_all(STAND_DOWN).is_ok() {
            let _ = self.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_to_a_guard_in_one_word() {
        for change in [Change::Clock, Change::PowerLimit { before_mw: 273_500 }] {
            assert_eq!(change.to_string().parse(), Ok(change));
        }
        for text in ["", "clock", "clocks=free", "power-limit", "power-limit=", "power-limit=-1", "clock=1"] {
            assert_eq!(text.parse::<Change>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_device_has_one_guard_and_the_next_run_waits_for_it() {
        let sensor = || format!("test {}", std::process::id());
        let first = Post::of(sensor()).unwrap();
        let waiting = std::thread::spawn(move || Post::of(sensor()).map(drop));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!waiting.is_finished(), "the first one is still there");
        drop(first);
        assert!(waiting.join().unwrap().is_ok());
        let _ =
            std::fs::remove_file(std::env::temp_dir().join(format!("wattmul-guard-test-{}.lock", std::process::id())));
    }
}
