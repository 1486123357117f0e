//! A meter beside the sensor: a process or a file that is listened to, whatever it does.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};
use wattmul::power::meter::{MeterChoice, MeterThread};
use wattmul::record::Meter;
use wattmul::run::measure::HostClock;

fn listen(choice: &str) -> MeterThread {
    MeterThread::start(&choice.parse::<MeterChoice>().unwrap(), HostClock::start()).unwrap()
}

/// What it has said once it said so many figures.
fn heard(meter: MeterThread, figures: u64) -> Meter {
    wait_for(&meter, figures);
    meter.finish()
}

fn wait_for(meter: &MeterThread, figures: u64) {
    let begun = Instant::now();
    while meter.figures() < figures {
        assert!(begun.elapsed() < Duration::from_secs(100), "{} of {figures} figures", meter.figures());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(unix)]
#[test]
fn a_commands_lines_are_figures_and_what_is_none_is_counted() {
    let meter = heard(listen("board:command:printf '1.0,100\\nrubbish\\n2.0,110\\n3.0'; sleep 600"), 2);
    assert_eq!(meter.power_w, [100.0, 110.0]);
    assert_eq!(meter.own_s, [Some(1.0), Some(2.0)]);
    assert_eq!((meter.starts, meter.not_understood, meter.ended), (1, 1, None), "the rest of its time it stalls");
}

#[cfg(unix)]
#[test]
fn a_command_that_ends_is_begun_again() {
    let meter = heard(listen("wall:command:echo 63.5"), 2);
    assert_eq!(meter.power_w, [63.5, 63.5]);
    assert_eq!((meter.starts, meter.ended), (2, None));
}

#[cfg(unix)]
#[test]
fn a_command_that_never_says_anything_is_given_up_and_the_record_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let tries = folder.path().join("tries");
    let meter = listen(&format!("wall:command:echo >>{}; exit 3", tries.display()));
    let begun = Instant::now();
    while !meter.is_over() {
        assert!(begun.elapsed() < Duration::from_secs(100), "it is tried again and again");
        std::thread::sleep(Duration::from_millis(5));
    }
    let meter = meter.finish();
    assert_eq!((fs::read_to_string(&tries).unwrap().lines().count(), meter.starts), (5, 5));
    let why = meter.ended.unwrap();
    assert!(why.contains("5 times in a row without a figure (exit status: 3)"), "{why}");
    assert!(!why.contains("tries"), "the command is the user's own: {why}");
}

#[cfg(unix)]
#[test]
fn all_that_a_command_started_ends_with_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let beats = folder.path().join("beats");
    let child = format!("while :; do echo >>{}; sleep 0.05; done", beats.display());
    let meter = listen(&format!("wall:command:sh -c '{child}' >/dev/null & echo 1; wait"));
    wait_for(&meter, 1);
    while !beats.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(meter);
    let lines = || fs::read_to_string(&beats).unwrap().lines().count();
    let then = lines();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(lines(), then);
}

#[test]
fn a_file_that_grows_is_read_from_where_it_ends_and_one_that_begins_anew_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.csv");
    fs::write(&path, "seconds,watts\n1,50\n2,50\n").unwrap();
    let meter = listen(&format!("board:file:{}", path.display()));
    let mut log = OpenOptions::new().append(true).open(&path).unwrap();
    write!(log, "3,100\n4,1").unwrap();
    wait_for(&meter, 1);
    writeln!(log, "10").unwrap();
    wait_for(&meter, 2);
    fs::write(&path, "0,90\n").unwrap();
    let meter = heard(meter, 3);
    assert_eq!(meter.power_w, [100.0, 110.0, 90.0]);
    assert_eq!(meter.own_s, [Some(3.0), Some(4.0), Some(0.0)]);
    assert_eq!((meter.starts, meter.not_understood), (2, 0));
}

#[test]
fn a_file_that_is_not_there_is_an_error_that_says_what_to_do() {
    let choice: MeterChoice = "board:file:/no/such/log.csv".parse().unwrap();
    let error = MeterThread::start(&choice, HostClock::start()).err().unwrap().to_string();
    assert!(error.contains("/no/such/log.csv") && error.contains("start its logger first"), "{error}");
}
