//! Every fix that a message names exists on the system on which it is printed: all texts of the source are read, and none that may be
//! printed on a system names what that system has not.

use std::path::{Path, PathBuf};

const LINUX: &str = "linux";
const MACOS: &str = "macos";
const WINDOWS: &str = "windows";

/// What is named, and the systems that have it. A word begins where no letter stands before it.
const EXISTS: &[(&str, &[&str])] = &[
    ("sudo ", &[LINUX, MACOS]),
    ("as root", &[LINUX, MACOS]),
    ("chmod ", &[LINUX, MACOS]),
    ("export ", &[LINUX, MACOS]),
    ("/dev/", &[LINUX, MACOS]),
    ("apt ", &[LINUX]),
    ("dnf ", &[LINUX]),
    ("modprobe ", &[LINUX]),
    ("systemctl ", &[LINUX]),
    ("usermod ", &[LINUX]),
    ("lspci", &[LINUX]),
    ("| tee", &[LINUX]),
    ("setup.sh", &[LINUX]),
    ("./plug.sh", &[LINUX, MACOS]),
    ("plug.bat", &[WINDOWS]),
    ("/sys/", &[LINUX]),
    ("/proc/", &[LINUX]),
    ("LD_LIBRARY_PATH", &[LINUX]),
    ("render group", &[LINUX]),
    ("rocm-smi ", &[LINUX]),
    ("amd-smi ", &[LINUX]),
    ("rocm-smi`", &[LINUX]),
    ("container", &[LINUX]),
    ("vulkaninfo", &[LINUX]),
    ("nvidia-smi ", &[LINUX, WINDOWS]),
    ("nvidia-smi`", &[LINUX, WINDOWS]),
    ("Activity Monitor", &[MACOS]),
    ("console of the administrator", &[WINDOWS]),
    (".dll", &[WINDOWS]),
];

/// Files of which all texts are for some systems alone, and what says so.
const FOR: &[(&str, &[&str], &str)] = &[
    ("host/nvidia.rs", &[LINUX], "asked for GPUs that /sys shows"),
    ("host/unseen.rs", &[LINUX], "GPUs that /sys shows"),
    ("host/probes.rs", &[LINUX], "reads /sys, /dev and /proc, and says nothing where there are none"),
    ("host/slurm.rs", &[LINUX], "Slurm runs on Linux"),
    ("host/visible.rs", &[LINUX, WINDOWS], "numbers of CUDA's and ROCm's GPUs"),
    ("power/nvml.rs", &[LINUX, WINDOWS], "NVIDIA's driver"),
    ("power/apple.rs", &[MACOS], "Interface::new(\"apple\""),
    ("power/hwmon.rs", &[LINUX], "Interface::on_linux("),
    ("power/meter/hwmon.rs", &[LINUX], "opened on Linux alone"),
    ("power/jetson.rs", &[LINUX], "Interface::on_linux("),
    ("power/rapl.rs", &[LINUX], "Interface::on_linux("),
    ("power/rocm_smi.rs", &[LINUX], "Interface::on_linux("),
    ("power/amd_smi.rs", &[LINUX], "Interface::on_linux("),
    ("power/adl.rs", &[WINDOWS], "Interface::on_windows("),
];

/// A text of the source, and the system that its label names.
#[derive(Debug, PartialEq)]
struct Text {
    label: Option<&'static str>,
    words: String,
}

#[test]
fn every_fix_exists_on_the_system_on_which_it_is_printed() {
    let src = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let (mut read, mut labelled, mut wrong) = (0, 0, vec![]);
    for path in files(src) {
        let source = std::fs::read_to_string(&path).unwrap();
        let file = path.strip_prefix(src).unwrap().to_string_lossy().replace('\\', "/");
        let systems = FOR.iter().find(|(name, ..)| *name == file).map_or(&[LINUX, MACOS, WINDOWS][..], |rule| rule.1);
        for Text { label, words } in texts(&source) {
            read += 1;
            labelled += usize::from(label.is_some());
            let own = label.map_or(systems.to_vec(), |label| vec![label]);
            for missing in own.into_iter().flat_map(|system| foreign(&words, system).map(move |word| (system, word))) {
                wrong.push(format!("{file}: {missing:?} in {words:?}"));
            }
        }
    }
    assert!(read > 1000 && labelled > 15, "texts are found: {read}, {labelled} of them for a system");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (file, _, sign) in FOR.iter().filter(|rule| rule.2.starts_with("Interface::")) {
        let source = std::fs::read_to_string(src.join(file)).unwrap();
        assert!(source.contains(sign), "{file} is served on one system alone");
    }
}

/// What a text names and a system has not.
fn foreign(text: &str, system: &str) -> impl Iterator<Item = &'static str> {
    let named = |word: &str| {
        let starts = text.match_indices(word);
        starts.into_iter().any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '-'))
    };
    let missing = EXISTS.iter().filter(move |(word, systems)| named(word) && !systems.contains(&system));
    missing.map(|(word, _)| *word).collect::<Vec<_>>().into_iter()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// The texts between quotes, comments and in-file tests left out. What stands behind `linux:` is for Linux, and so on.
fn texts(source: &str) -> Vec<Text> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = code.split("#[cfg(all(test").next().unwrap_or_default();
    let (mut texts, mut rest) = (vec![], code);
    let mut before = String::new();
    while let Some(letter) = rest.chars().next() {
        let raw = ["r\"", "r#\""].into_iter().find(|start| rest.starts_with(start));
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(start) = raw {
            let end = if start == "r\"" { "\"" } else { "\"#" };
            let (words, after) = rest[start.len()..].split_once(end).unwrap_or_default();
            texts.push(Text { label: label(&before), words: words.to_owned() });
            (rest, before) = (after, String::new());
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            rest = &rest[rest[1..].find("'").map_or(1, |at| at + 2)..];
        } else if letter == '"' {
            let (words, after) = quoted(&rest[1..]);
            texts.push(Text { label: label(&before), words });
            (rest, before) = (after, String::new());
        } else {
            before.push(letter);
            rest = &rest[letter.len_utf8()..];
        }
    }
    texts
}

/// A text up to its closing quote, and what follows. A line that ends in a backslash goes on where the next one begins.
fn quoted(rest: &str) -> (String, &str) {
    let mut words = String::new();
    let mut letters = rest.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (words, &rest[at + 1..]),
            '\\' => match letters.next() {
                Some((_, '\n')) => {
                    let indent = rest[letters.offset()..].len() - rest[letters.offset()..].trim_start().len();
                    let skipped = rest[letters.offset()..][..indent].chars().count();
                    letters.by_ref().take(skipped).for_each(|_| {});
                }
                Some((_, escaped)) => words.push(escaped),
                None => {}
            },
            letter => words.push(letter),
        }
    }
    (words, "")
}

fn label(before: &str) -> Option<&'static str> {
    let before = before.trim_end();
    [LINUX, MACOS, WINDOWS].into_iter().find(|system| before.ends_with(&format!("{system}:")))
}

/// Each part of it does what it should: whoever names a fix in the wrong place is found.
#[test]
fn a_fix_in_the_wrong_place_is_found() {
    let source = "// \"sudo\"\nconst A: Words = Words { linux: \"say \\\"sudo \\\n   apt x\\\"\", windows: r\"sudo x\" };\n\
                  let b = '\"'; f(\"run as root\", r#\"a \"b\" c\"#);\n#[cfg(test)]\nmod tests { \"modprobe x\" }";
    let found = texts(source);
    let text = |label, words: &str| Text { label, words: words.into() };
    let expected = [
        text(Some(LINUX), "say \"sudo apt x\""),
        text(Some(WINDOWS), "sudo x"),
        text(None, "run as root"),
        text(None, "a \"b\" c"),
    ];
    assert_eq!(found, expected);
    let missing = |words: &str, system| foreign(words, system).collect::<Vec<_>>();
    assert_eq!(missing("try `sudo modprobe x`", WINDOWS), ["sudo ", "modprobe "]);
    assert_eq!(missing("try `sudo modprobe x`", MACOS), ["modprobe "]);
    assert_eq!(missing("pseudo modprobe-like rocm-smi:1", LINUX), [""; 0]);
    assert_eq!(missing("pseudo adapt x rocm-smi:1", WINDOWS), [""; 0], "words that only contain one");
}
