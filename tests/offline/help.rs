//! What the program tells of itself: help, manual page, completions.

use crate::common;

use assert_cmd::Command;
use common::longest_line;
use predicates::prelude::*;
use predicates::str::{contains, is_empty, starts_with};
use std::io::Write;
use std::process::Stdio;

/// What the program prints on standard output, and nothing besides.
fn says(arguments: &[&str]) -> String {
    let output = Command::cargo_bin("wattmul").unwrap().args(arguments).assert().success().stderr(is_empty());
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

#[test]
fn help_begins_with_examples_and_keeps_to_80_columns() {
    for help in [says(&["--help"]), says(&["-h"])] {
        let places = ["How many joules", "Examples:", "Exit codes:", "Usage:", "Commands:", "Options:", "--backend <"];
        let places: Vec<usize> = places.iter().map(|word| help.find(word).unwrap()).collect();
        assert!(places.is_sorted(), "{help}");
    }
    let commands = says(&["--help"]);
    let commands = commands.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let commands = commands.take_while(|line| !line.is_empty());
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"doctor") && commands.contains(&"man"), "{commands:?}");
    for command in commands.iter().filter(|&&command| command != "help").chain([&"--help"]) {
        let help = says(&[command, "--help"]);
        assert!(longest_line(&help) <= 80, "{command}: {help}");
    }
}

/// The examples of the help are no prose: the program takes each of them.
#[test]
fn every_example_is_a_command_line_that_is_understood() {
    use clap::Parser;
    let help = says(&["--help"]);
    let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  wattmul ")).collect();
    assert!(examples.len() >= 8, "{examples:?}");
    for example in examples {
        let line = example.split("  ").next().unwrap();
        let words = ["wattmul"].into_iter().chain(line.split_whitespace());
        if let Err(error) = wattmul::cli::Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn the_manual_page_is_one_and_shows_the_examples() {
    let page = says(&["man"]);
    assert!(starts_with(".ie").eval(&page) || page.starts_with(".TH"), "{page}");
    for word in [".TH wattmul 1", ".SH SYNOPSIS", "--lock\\-clock", "wattmul \\-\\-simulate h100", "Exit codes"] {
        assert!(page.contains(word) || page.replace("\\-", "-").contains(&word.replace("\\-", "-")), "{word}: {page}");
    }
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = says(&["completions", shell]);
        assert!(script.contains("lock-clock") && script.contains("doctor"), "{shell}: {script}");
        assert!(!script.contains("guard"), "{shell}: the guard is the program's own business");
    }
    // The shells that are here take what they are given.
    for shell in ["bash", "zsh", "fish"].iter().filter(|_| cfg!(unix)) {
        let mut syntax = std::process::Command::new(shell);
        let Ok(mut child) = syntax.args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn() else { continue };
        child.stdin.take().unwrap().write_all(says(&["completions", shell]).as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{shell}");
    }
    let mut unknown = Command::cargo_bin("wattmul").unwrap();
    unknown.args(["completions", "tcsh"]).assert().code(2).stderr(contains("bash"));
}

/// Not on a terminal, and nowhere else where nobody wants it: no escape sequence.
#[test]
fn without_a_terminal_nothing_is_coloured() {
    let run = |arguments: &[&str]| Command::cargo_bin("wattmul").unwrap().args(arguments).output().unwrap();
    for arguments in [&["--help"][..], &["--size", "nonsense"], &["--simulate", "h100", "--quick"]] {
        let output = run(arguments);
        assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{output:?}");
    }
}

/// On a terminal that `script` makes: NO_COLOR takes the colours away; a bar may still move.
#[test]
#[cfg(target_os = "linux")]
fn no_color_takes_colours_away_on_a_terminal() {
    let program = assert_cmd::cargo::cargo_bin("wattmul");
    let on_a_terminal = |line: &str, no_color: bool| {
        let mut command = std::process::Command::new("script");
        command.args(["--quiet", "--return", "--command", line, "/dev/null"]).env("TERM", "xterm-256color");
        if no_color {
            command.env("NO_COLOR", "1");
        } else {
            command.env_remove("NO_COLOR");
        }
        command.stdin(Stdio::null()).output().map(|output| String::from_utf8_lossy(&output.stdout).into())
    };
    let coloured = |text: &str| predicate::str::is_match("\u{1b}\\[[0-9;]*m").unwrap().eval(text);
    let wrong = format!("{} --size nonsense", program.display());
    let Ok(plain) = on_a_terminal(&wrong, true) else {
        return common::skip("`script` of util-linux is not installed");
    };
    let plain: String = plain;
    assert!(plain.contains("nonsense") && !coloured(&plain), "{plain:?}");
    let run = format!("{} --simulate h100 --quick", program.display());
    let text: String = on_a_terminal(&run, true).unwrap();
    assert!(text.contains("SIMULATED") && !coloured(&text), "{text:?}");
    assert!(coloured(&on_a_terminal(&wrong, false).unwrap()), "there is something to take away");
}
