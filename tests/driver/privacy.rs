//! A record tells of the machine what can matter for its numbers, and nothing that names the machine or its user.
#![cfg(target_os = "linux")]

use crate::common;

use common::{BRIEF, fake_nvml, measured, no_software_driver, wattmul};
use std::path::Path;
use std::process::Command;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// What a command prints, or nothing where it is not here.
fn said(command: &str, arguments: &[&str]) -> String {
    let output = Command::new(command).args(arguments).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Everything by which this machine and its user could be known, with a word what it is.
fn secrets() -> Vec<(&'static str, String)> {
    let mut secrets = vec![
        ("host name", read("/proc/sys/kernel/hostname")),
        ("host name", said("hostname", &["--fqdn"])),
        ("user name", said("id", &["--user", "--name"])),
        ("user name", std::env::var("USER").unwrap_or_default()),
        ("home folder", std::env::var("HOME").unwrap_or_default()),
        ("present folder", std::env::current_dir().unwrap().display().to_string()),
        ("temporary folder", std::env::temp_dir().display().to_string()),
        ("machine's number", read("/etc/machine-id")),
        ("boot's number", read("/proc/sys/kernel/random/boot_id")),
    ];
    for name in ["product_uuid", "product_serial", "board_serial", "chassis_serial", "chassis_asset_tag"] {
        secrets.push(("serial number", read(&format!("/sys/class/dmi/id/{name}"))));
    }
    let interfaces = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    secrets.extend(interfaces.map(|entry| ("MAC address", read(&entry.path().join("address").display().to_string()))));
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Of the routing table: the lines of addresses that are this machine's own.
    let table = read("/proc/net/fib_trie");
    let mut own: Vec<String> = words(said("hostname", &["--all-ip-addresses"]));
    let lines: Vec<&str> = table.lines().collect();
    own.extend(lines.windows(2).filter(|pair| pair[1].contains("host LOCAL")).flat_map(|pair| words(pair[0].into())));
    secrets.extend(own.into_iter().map(|address| ("IP address", address)));
    // Too short to tell from a word of the record, or what every machine has.
    secrets.retain(|(_, secret)| secret.len() > 3 && secret != "00:00:00:00:00:00");
    secrets
}

/// Is the word in the text, with nothing before and behind that belongs to it?
fn has_word(text: &str, word: &str) -> bool {
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(word)
        .any(|(at, _)| alone(text[..at].chars().next_back()) && alone(text[at + word.len()..].chars().next()))
}

#[test]
fn a_record_names_neither_the_machine_nor_its_user() {
    if no_software_driver() {
        return;
    }
    let library = fake_nvml();
    let results = tempfile::tempdir().unwrap();
    let mut command = wattmul();
    command.env("LD_LIBRARY_PATH", library.path()).args(["--power", "nvml:0", "--json", "--results"]);
    let record = measured(command.arg(results.path()).args(BRIEF));
    assert!(record.source.is_some(), "the sensor's library could have told its serial number");
    let text = record.to_json();
    let secrets = secrets();
    assert!(secrets.len() >= 5, "{secrets:?}");
    let stand_in =
        [("UUID of the GPU", "d72c-4106-c12f".to_owned()), ("serial number of the GPU", "1320021040055".to_owned())];
    for (what, secret) in secrets.iter().chain(&stand_in) {
        assert!(!has_word(&text, secret), "the {what} ({secret}) is in {text}");
    }
    let path = results.path().display().to_string();
    assert!(!text.contains(&path), "{path}");
    // Whatever looks like a path of this machine, or like a UUID.
    for word in text.split(|c: char| !(c.is_alphanumeric() || "/-_.".contains(c))) {
        let is_path = word.starts_with('/') && Path::new(word).parent().is_some_and(|folder| folder.exists());
        assert!(!is_path || word == "/", "{word} is in {text}");
        let groups: Vec<usize> = word.split('-').map(str::len).collect();
        let is_hexadecimal = word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        assert!(!(groups.ends_with(&[8, 4, 4, 4, 12]) && is_hexadecimal), "{word} is in {text}");
    }
}
