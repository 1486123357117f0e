//! A meter beside the sensor: a process or a file that is listened to, whatever it does.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
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

/// What a plug answers, one after another, and then always the last.
enum Answer {
    Body(&'static str),
    Status(&'static str),
    /// So many seconds late: too late.
    Late(u64),
    /// It hangs up.
    Nothing,
    /// No HTTP.
    Raw(&'static [u8]),
}

/// A plug on the loopback: where it is, and the first line of each request.
fn plug(answers: Vec<Answer>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        let last = answers.len() - 1;
        for (i, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let count = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..count]).lines().next().unwrap_or_default().to_owned();
            if sender.send(request).is_err() {
                return;
            }
            let whole = |status: &str, body: &str| {
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
            };
            let answer = match &answers[i.min(last)] {
                Answer::Body(body) => whole("200 OK", body).into_bytes(),
                Answer::Status(status) => whole(status, r#"{"apower":5}"#).into_bytes(),
                Answer::Late(seconds) => {
                    std::thread::sleep(Duration::from_secs(*seconds));
                    whole("200 OK", r#"{"apower":6}"#).into_bytes()
                }
                Answer::Nothing => vec![],
                Answer::Raw(bytes) => bytes.to_vec(),
            };
            let _ = stream.write_all(&answer); // who asked may have given up
        }
    });
    (address, asked)
}

#[test]
fn a_plug_is_asked_for_its_watts_and_the_field_is_not_sent() {
    let (address, asked) = plug(vec![Answer::Body(r#"{"id":0,"apower":63.5,"voltage":230.1}"#)]);
    let meter = heard(listen(&format!("wall:http://{address}/rpc/Switch.GetStatus?id=0#apower")), 2);
    assert_eq!(meter.power_w, [63.5, 63.5]);
    assert_eq!((meter.starts, meter.not_understood, meter.last_failure, meter.ended), (1, 0, None, None));
    assert_eq!(asked.recv().unwrap(), "GET /rpc/Switch.GetStatus?id=0 HTTP/1.1");
    let (address, _asked) = plug(vec![Answer::Body(r#"{"StatusSNS":{"ENERGY":{"Power":64}}}"#)]);
    let meter = heard(listen(&format!("wall:http://{address}/cm?cmnd=Status%208#StatusSNS.ENERGY.Power")), 1);
    assert_eq!(meter.power_w, [64.0]);
}

/// Whatever it answers, it is asked again, and the record says how often it was in vain, and why at last.
#[test]
fn a_plug_that_answers_late_or_wrongly_is_asked_again() {
    fn check(wrong: Answer, why: &str) {
        let (address, _asked) = plug(vec![Answer::Body(r#"{"apower":60}"#), wrong, Answer::Body(r#"{"apower":61}"#)]);
        let meter = heard(listen(&format!("wall:http://{address}/#apower")), 2);
        assert_eq!(meter.power_w[..2], [60.0, 61.0], "{why}");
        assert_eq!((meter.not_understood, meter.last_failure.as_deref(), meter.ended), (1, Some(why), None));
    }
    std::thread::scope(|scope| {
        for (wrong, why) in [
            (Answer::Late(3), "no answer within 2 s"),
            (Answer::Status("500 Internal Server Error"), "it answered with HTTP's status 500"),
            (Answer::Body("<html>rebooting</html>"), "its answer is no JSON"),
            (Answer::Body(r#"{"apower":"off"}"#), "its answer has no watts in that field"),
            (Answer::Body(r#"{"voltage":230.1}"#), "its answer has no watts in that field"),
            (Answer::Raw(b"220 smtp.example.org ESMTP\r\n"), "its answer is no HTTP"),
            (Answer::Nothing, "its answer is no HTTP"),
        ] {
            scope.spawn(move || check(wrong, why));
        }
    });
}

#[test]
fn a_host_that_is_not_there_is_asked_until_it_is() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let meter = listen(&format!("wall:http://{address}/#apower"));
    std::thread::sleep(Duration::from_millis(1500));
    let meter = meter.finish();
    assert!(meter.not_understood >= 1 && meter.power_w.is_empty(), "{meter:?}");
    assert_eq!(meter.last_failure.as_deref(), Some("connection refused"));
}
