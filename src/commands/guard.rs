//! `wattmul guard-device CHANGE SENSOR`, no command for people: undoes what a program changed of a device that was killed meanwhile. It
//! waits at a pipe whose other end closes with that program, however that ends.

use crate::power::choice::{SensorChoice, pick};
use crate::power::guard::{COMMAND, Change};
use crate::power::reader::Interface;
use crate::protocol::PowerError;
use std::ffi::OsString;
use std::io::Read;
use std::sync::mpsc::channel;
use std::time::Duration;

/// A driver that does not answer keeps no guard for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What this process is to guard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    change: Change,
    interface: &'static Interface,
    device: Option<String>,
}

/// What this process is to guard, if it was started for that.
pub fn order(arguments: impl IntoIterator<Item = OsString>) -> Option<Order> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != COMMAND {
        return None;
    }
    let change = arguments.next()?.to_str()?.parse().ok()?;
    match arguments.next()?.to_str()?.parse().ok()? {
        SensorChoice::Named(interface, device) => Some(Order { change, interface, device }),
        SensorChoice::Auto | SensorChoice::None | SensorChoice::Meter(_) => None,
    }
}

/// What the guard does: waits until the program that started it stands it down or ends, and undoes the change in the second case.
///
/// # Errors
/// It cannot be undone.
pub fn stand_by(Order { change, interface, device }: Order) -> Result<(), PowerError> {
    // A closing console and a batch system's end reach both processes, and this one must be the last.
    let _ = ctrlc::set_handler(|| ());
    #[cfg(windows)]
    crate::power::guard::take_post();
    if std::io::stdin().lock().read_exact(&mut [0]).is_ok() {
        return Ok(()); // stood down
    }
    let (sender, answer) = channel();
    std::thread::spawn(move || {
        let undone =
            (interface.readers)().and_then(|readers| pick(interface, readers, device.as_deref(), None)?.undo(change));
        sender.send(undone)
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
        let device = || Some("0000:01:00.0".to_owned());
        for (line, change) in [
            ("wattmul guard-device clock=free nvml:0000:01:00.0", Change::Clock),
            ("wattmul guard-device power-limit=250000 nvml:0000:01:00.0", Change::PowerLimit { before_mw: 250_000 }),
        ] {
            assert_eq!(order(line), Some(Order { change, interface: &nvml::INTERFACE, device: device() }));
        }
        for line in [
            "wattmul",
            "wattmul run",
            "wattmul guard-device",
            "wattmul guard-device clock=free",
            "wattmul guard-device clock=free none",
            "wattmul guard-device power-limit nvml:0",
            "wattmul guard-device power-limit=-1 nvml:0",
            "guard-device clock=free nvml:0",
        ] {
            assert_eq!(order(line), None, "{line}");
        }
    }
}
