//! Frees the clock of a program that was killed. A process that gets SIGKILL, or that its driver never lets go, can undo
//! nothing itself: another one must be there already. It is this program again (`wattmul guard-clock SENSOR`), and it waits at
//! a pipe whose other end closes with the program that it guards, however that ends.

use super::{PowerError, SensorChoice, pick};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The command that runs [`stand_by`].
pub const COMMAND: &str = "guard-clock";
/// What a guard hears when its work is not needed: anything at all, before the pipe closes.
const STAND_DOWN: &[u8] = b".";
/// A driver that does not answer keeps no guard for ever.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let mut process = Command::new(std::env::current_exe().ok()?)
            .args([COMMAND, sensor])
            .stdin(Stdio::piped())
            .stdout(Stdio::null()) // whoever reads what the run prints waits for its end, not for the guard's
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
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

/// What the guard does: waits until the program that started it stands it down or ends, and frees the clock in the second case.
///
/// # Errors
/// The clock cannot be freed.
pub fn stand_by(sensor: &SensorChoice) -> Result<(), PowerError> {
    // Ctrl-C, a closing terminal and a batch system's end reach both processes, and this one must be the last.
    let _ = ctrlc::set_handler(|| ());
    let mut word = [0];
    let stood_down = std::io::stdin().lock().read_exact(&mut word).is_ok();
    let SensorChoice::Named(api, device) = sensor.clone() else { return Ok(()) };
    if stood_down {
        return Ok(());
    }
    let (sender, answer) = channel();
    std::thread::spawn(move || {
        let freed = api.readers().and_then(|readers| pick(api, readers, device.as_deref(), None)?.free_clock());
        sender.send(freed)
    });
    answer.recv_timeout(PATIENCE).unwrap_or(Ok(())) // nobody is there to hear that it hangs
}
