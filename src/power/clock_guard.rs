//! Frees the clock of a program that was killed. A process that gets SIGKILL, or that its driver never lets go, can undo
//! nothing itself: another one must be there already. It is this program again (`wattmul guard-clock SENSOR`), and it waits at
//! a pipe whose other end closes with the program that it guards, however that ends.

use super::choice::{SensorChoice, pick};
use super::{Api, PowerError};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

/// The first argument of a guard. No command for people: the command line's help does not know it.
const COMMAND: &str = "guard-clock";
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

/// The sensor whose clock this process is to guard, if it was started for that.
pub fn order(arguments: impl IntoIterator<Item = OsString>) -> Option<(Api, Option<String>)> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    match arguments.next()?.to_str()?.parse().ok()? {
        SensorChoice::Named(api, device) => Some((api, device)),
        SensorChoice::Auto | SensorChoice::None => None,
    }
}

/// What the guard does: waits until the program that started it stands it down or ends, and frees the clock in the second case.
///
/// # Errors
/// The clock cannot be freed.
pub fn stand_by(api: Api, device: Option<String>) -> Result<(), PowerError> {
    // A closing console and a batch system's end reach both processes, and this one must be the last.
    let _ = ctrlc::set_handler(|| ());
    if std::io::stdin().lock().read_exact(&mut [0]).is_ok() {
        return Ok(()); // stood down
    }
    let (sender, answer) = channel();
    std::thread::spawn(move || {
        let freed = api.readers().and_then(|readers| pick(api, readers, device.as_deref(), None)?.free_clock());
        sender.send(freed)
    });
    answer.recv_timeout(PATIENCE).unwrap_or(Ok(())) // nobody is there to hear that it hangs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_knows_its_order_and_people_give_none() {
        let order = |line: &str| order(line.split(' ').map(OsString::from));
        assert_eq!(order("wattmul guard-clock nvml:0000:01:00.0"), Some((Api::Nvml, Some("0000:01:00.0".into()))));
        for line in ["wattmul", "wattmul run", "wattmul guard-clock", "wattmul guard-clock none", "guard-clock nvml:0"]
        {
            assert_eq!(order(line), None, "{line}");
        }
    }
}
