//! Standard output and standard error that take no more: nothing is lost but what was to be printed.

#![cfg(target_os = "linux")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn wattmul(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("wattmul"));
    command.current_dir(folder).args(args).stdin(Stdio::null());
    command
}

fn full() -> File {
    File::options().write(true).open("/dev/full").unwrap()
}

/// A pipe whose reader is gone.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn records(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

const RUN: &[&str] = &["--simulate", "h100", "--quick", "--results", "here"];

#[test]
fn a_run_whose_messages_nobody_takes_saves_its_record() {
    for stderr in [closed(), full().into()] {
        let folder = tempfile::tempdir().unwrap();
        let status = wattmul(folder.path(), RUN).stdout(Stdio::null()).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(0));
        assert_eq!(records(&folder.path().join("here")).len(), 1);
    }
}

#[test]
fn an_error_that_cannot_be_told_keeps_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    for (args, code) in
        [(&["--simulate", "h100", "--size", "0"][..], 2), (&["report", "nowhere", "--format", "csv"], 3)]
    {
        for stderr in [closed(), full().into()] {
            let status = wattmul(folder.path(), args).stdout(Stdio::null()).stderr(stderr).status().unwrap();
            assert_eq!(status.code(), Some(code), "{args:?}");
        }
    }
}

#[test]
fn a_full_standard_output_is_named_and_the_record_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    for args in [RUN, &[RUN, &["--json"]].concat()] {
        let before = records(&folder.path().join("here")).len();
        let Output { status, stderr, .. } =
            wattmul(folder.path(), args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("standard output is full"), "{stderr}");
        assert!(
            records(&folder.path().join("here")).len() == before + 1 || before == 1,
            "the same run gives the same record"
        );
    }
    for args in [&["--simulate", "list"][..], &["report", "here", "--format", "csv"], &["validate", "--schema"]] {
        let Output { status, stderr, .. } =
            wattmul(folder.path(), args).stdout(full()).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.code() == Some(1) && stderr.contains("standard output is full"), "{args:?}: {stderr}");
    }
}

/// `wattmul … | head`
#[test]
fn a_reader_that_has_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let status = wattmul(folder.path(), RUN).stdout(closed()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(records(&folder.path().join("here")).len(), 1);
}

/// `ulimit -f`: no temporary file stays behind, and the fix is named.
#[test]
fn a_limit_on_the_size_of_files_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let program = assert_cmd::cargo::cargo_bin("wattmul");
    let script = format!("ulimit -f 16; exec {} {}", program.display(), RUN.join(" "));
    let output = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && stderr.contains("cannot write into here"),
        "{:?} {stderr}",
        output.status
    );
    assert_eq!(records(&folder.path().join("here")), [""; 0]);
}
