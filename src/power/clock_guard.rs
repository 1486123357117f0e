//! Frees the clock of a program that was killed. A process that gets SIGKILL, or that its driver never lets go, can undo
//! nothing itself: another one must be there already. It is this program again (`wattmul guard-clock SENSOR`), and it waits at
//! a pipe whose other end closes with the program that it guards, however that ends.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The first argument of a guard. No command for people: the command line's help does not know it.
pub(crate) const COMMAND: &str = "guard-clock";
/// What a guard hears when its work is not needed: anything at all, before the pipe closes.
const STAND_DOWN: &[u8] = b".";

/// A guard that stands down when this is dropped.
#[derive(Debug)]
pub struct Guard {
    process: Child,
    pipe: ChildStdin,
}

impl Guard {
    /// Starts the guard of a device's clock, given as `--power` names it. To be called before the clock is locked. None
    /// where the operating system does not start it: then the lock is undone in all cases but a killed program's.
    pub fn start(sensor: &str) -> Option<Guard> {
        let mut command = Command::new(std::env::current_exe().ok()?);
        command.args([COMMAND, sensor]).stdin(Stdio::piped());
        // Whoever reads what the run prints waits for its end, not for the guard's.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(unix)]
        {
            // What kills the program may kill its whole process group (`timeout -s KILL`).
            use std::os::unix::process::CommandExt;
            command.process_group(0);
        }
        let mut process = command.spawn().ok()?;
        let pipe = process.stdin.take()?;
        Some(Guard { process, pipe })
    }

    /// Leaves it to the guard to free the clock, once this program has ended.
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
