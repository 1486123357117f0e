//! The user's meter, in words: what came of it, and what it says of the sensor.

use crate::record::{Calibration, Estimate, Meter, MeterDoubt, MeterInterface, Record, Scope};
use crate::report::units;
use crate::report::wrap::counted;

/// Which meter it was, how it did, and what it found; nothing without one.
pub(super) fn words(record: &Record) -> Vec<String> {
    let Some((meter, found)) = record.meter.as_ref().zip(record.summary.meter.as_ref()) else { return vec![] };
    let Meter { interface, scope, starts, not_understood, last_failure, ended, .. } = meter;
    let mut words = vec![which(*interface, *scope)];
    words.extend(found.period_s.map(|period_s| format!("every {}", units::time(period_s))));
    words.extend(found.delay_s.map(|delay_s| format!("{delay_s:.2} s late")));
    words.extend((*starts > 1).then(|| format!("begun {starts} times")));
    words.extend((*not_understood > 0).then(|| {
        let times = usize::try_from(*not_understood).unwrap_or(usize::MAX);
        match last_failure {
            None => format!("{} not understood", counted(times, "line")),
            Some(why) => format!("asked {} in vain: {why}", counted(times, "time")),
        }
    }));
    words.extend(
        found
            .silent_s
            .filter(|&silent_s| is_gap(silent_s, found.period_s))
            .map(|silent_s| format!("silent for up to {}", units::time(silent_s))),
    );
    words.extend(ended.clone());
    words.extend(found.doubt.map(|doubt| doubt_in_words(doubt).to_owned()));
    words.extend(found.calibration.iter().map(|line| line_in_words(line, *scope)));
    words
}

/// "at the wall, by a command"
pub(super) fn which(interface: MeterInterface, scope: Scope) -> String {
    let at = if scope == Scope::System { "at the wall" } else { "of the board" };
    let by = match interface {
        MeterInterface::Command => "by a command",
        MeterInterface::File => "by a file",
        MeterInterface::Http => "by HTTP",
        MeterInterface::Hwmon => "by the kernel's hwmon",
    };
    format!("{at}, {by}")
}

/// Longer than a meter's figures are apart.
fn is_gap(silent_s: f64, period_s: Option<f64>) -> bool {
    silent_s > (3.0 * period_s.unwrap_or(0.0)).max(5.0)
}

fn doubt_in_words(doubt: MeterDoubt) -> &'static str {
    match doubt {
        MeterDoubt::Silent => "it said nothing while the device worked: try its command in a shell",
        MeterDoubt::Milliwatts => "its figures are milliwatts by their size: divide them by 1000",
        MeterDoubt::NoLoad => "its figures do not follow the load: is it the meter of this machine?",
    }
}

fn line_in_words(line: &Calibration, scope: Scope) -> String {
    let Calibration { gain, offset_w, .. } = line;
    let whose = if scope == Scope::System { "; the supply and the rest of the machine are in both" } else { "" };
    format!("sensor = {} × meter + {} W, {}{whose}", within(gain, 4), within(offset_w, 2), straight(line))
}

/// "0.957 (0.955 … 0.959)"
pub(super) fn within(of: &Estimate, digits: usize) -> String {
    match (of.low, of.high) {
        (Some(low), Some(high)) => format!("{:.digits$} ({low:.digits$} … {high:.digits$})", of.estimate),
        _ => format!("{:.digits$}", of.estimate),
    }
}

/// Whether a straight line holds.
pub(super) fn straight(Calibration { straight, off_w, levels, .. }: &Calibration) -> String {
    match straight {
        None => format!("of {levels} levels, which are always on a line"),
        Some(true) => format!("a straight line of {levels} levels"),
        Some(false) => format!("no straight line: off by up to {:.1} W at one of {levels} levels", off_w.abs()),
    }
}
