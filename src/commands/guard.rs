//! `wattmul guard-clock SENSOR`, no command for people: frees the clock of a program that was killed. It waits at a pipe whose
//! other end closes with that program, however that ends.

use crate::power::choice::{SensorChoice, pick};
use crate::power::clock_guard::COMMAND;
use crate::power::reader::Interface;
use crate::protocol::PowerError;
use std::ffi::OsString;
use std::io::Read;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A driver that does not answer keeps no guard for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sensor whose clock this process is to guard, if it was started for that.
pub fn order(arguments: impl IntoIterator<Item = OsString>) -> Option<(&'static Interface, Option<String>)> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    match arguments.next()?.to_str()?.parse().ok()? {
        SensorChoice::Named(interface, device) => Some((interface, device)),
        SensorChoice::Auto | SensorChoice::None => None,
    }
}

/// What the guard does: waits until the program that started it stands it down or ends, and frees the clock in the second case.
///
/// # Errors
/// The clock cannot be freed.
pub fn stand_by(interface: &'static Interface, device: Option<String>) -> Result<(), PowerError> {
    // A closing console and a batch system's end reach both processes, and this one must be the last.
    let _ = ctrlc::set_handler(|| ());
    if std::io::stdin().lock().read_exact(&mut [0]).is_ok() {
        return Ok(()); // stood down
    }
    let (sender, answer) = channel();
    std::thread::spawn(move || {
        let freed =
            (interface.readers)().and_then(|readers| pick(interface, readers, device.as_deref(), None)?.free_clock());
        sender.send(freed)
    });
    answer.recv_timeout(PATIENCE).unwrap_or(Ok(())) // nobody is there to hear that it hangs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::nvml;

    #[test]
    fn a_guard_knows_its_order_and_people_give_none() {
        let order = |line: &str| order(line.split(' ').map(OsString::from));
        assert_eq!(
            order("wattmul guard-clock nvml:0000:01:00.0"),
            Some((&nvml::INTERFACE, Some("0000:01:00.0".into())))
        );
        for line in ["wattmul", "wattmul run", "wattmul guard-clock", "wattmul guard-clock none", "guard-clock nvml:0"]
        {
            assert_eq!(order(line), None, "{line}");
        }
    }
}
