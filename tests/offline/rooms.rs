//! The house keeps its plan (src/lib.rs draws it): no two files, and no two rooms, import each other in a circle, and no arrow runs
//! where none may.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From, to, and why not. `*` is every room but the one that is named, the program itself, the digits of figures and the lines on standard error.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    ("*", "commands", "a command is the top: what two of them share belongs below"),
    ("*", "main", "the program is no library"),
    ("operands", "*", "matrices and their types stand on nothing of ours"),
    ("record", "analysis", "a record is what was measured; what is computed from it may change"),
    ("record", "protocol", "whoever reads a record needs no protocol"),
    ("analysis", "archive", "pure functions of a record: no files"),
    ("analysis", "host", "pure functions of a record: not of this machine"),
    ("analysis", "protocol", "what is computed is computed from the record alone, by whoever has it"),
    ("archive", "run", "records are checked without a GPU, a driver or a plan"),
    ("protocol", "gpu", "the protocol knows devices by its own trait"),
    ("protocol", "power", "the protocol knows sensors by its own trait"),
    ("protocol", "simulate", "the protocol does not know whether it is simulated"),
    ("protocol", "report", "the protocol prints nothing"),
    ("gpu", "power", "a device and its sensor meet in run"),
    ("power", "gpu", "a device and its sensor meet in run"),
    ("simulate", "gpu", "a simulated board implements the protocol's traits, as a real one does"),
    ("simulate", "power", "likewise"),
    ("run", "report", "a run prints nothing: commands show what it tells"),
    ("run", "cli", "options come in as plain values"),
    ("report", "run", "a report needs no GPU"),
    ("report", "gpu", "a report needs no GPU"),
    ("report", "power", "a report needs no GPU"),
    ("host", "power", "the machine is what vendors' readers stand on"),
    ("host", "gpu", "the machine is what devices stand on"),
];

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_circles_and_no_forbidden_arrows() {
    let files = imports(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    assert!(files.len() > 60 && files.values().map(BTreeSet::len).sum::<usize>() > 200, "imports are read: {files:#?}");
    assert_eq!(circle(&files), None, "these files import each other");
    let mut rooms = Graph::new();
    for (from, to) in files.iter().flat_map(|(from, to)| to.iter().map(move |to| (room(from), room(to)))) {
        rooms.entry(from.clone()).or_default().extend(Some(to).filter(|to| *to != from));
    }
    assert_eq!(circle(&rooms), None, "these rooms import each other");
    for (from, to) in rooms.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to))) {
        let is = |pattern: &str, name: &str, other: &str| {
            pattern == name || (pattern == "*" && name != other && !["main", "digits", "say"].contains(&name))
        };
        let broken = FORBIDDEN.iter().find(|rule| is(rule.0, from, rule.1) && is(rule.1, to, rule.0));
        let who: Vec<&String> =
            files.iter().filter(|(f, t)| room(f) == *from && t.iter().any(|t| room(t) == *to)).map(|f| f.0).collect();
        assert!(broken.is_none(), "{from} → {to}: {} ({who:?})", broken.unwrap().2);
    }
}

/// Each part of it does what it should: whoever breaks the rule is found.
#[test]
fn a_circle_is_found_however_long() {
    let graph = |arrows: &[(&str, &str)]| {
        let mut graph = Graph::new();
        arrows.iter().for_each(|(from, to)| {
            graph.entry((*from).into()).or_default().insert((*to).into());
        });
        graph
    };
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&graph(&[("a", "b"), ("b", "c"), ("c", "a")])).unwrap().len(), 3);
    let source = "use super::x::Y;\nuse crate::record::{Plan, read::{self, Problem}};\nfn f() { crate::host::slurm::this_job(); }\n\
                  #[cfg(test)]\nmod tests {\n    use crate::simulate::Model;\n}\n";
    let found: Vec<String> = paths(source).into_iter().map(|path| path.join("::")).collect();
    for path in [
        "super::x::Y",
        "crate::record::Plan",
        "crate::record::read",
        "crate::record::read::Problem",
        "crate::host::slurm::this_job",
    ] {
        assert!(found.contains(&path.to_owned()), "{path}: {found:?}");
    }
    assert!(found.iter().all(|path| !path.contains("Model")), "tests may use what they like: {found:?}");
}

/// The folder of a file, or the file itself where it lies in src.
fn room(file: &str) -> String {
    file.split('/').next().unwrap().trim_end_matches(".rs").into()
}

/// Files that import each other, if there are any.
fn circle(graph: &Graph) -> Option<Vec<String>> {
    let mut left = graph.clone();
    // What imports nothing that is left is in no circle.
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, to| to.iter().any(|to| names.contains(to)));
        if left.len() == before {
            break;
        }
    }
    let mut path: Vec<String> = vec![left.keys().next()?.clone()];
    loop {
        let next = left[path.last()?].iter().find(|to| left.contains_key(*to))?.clone();
        match path.iter().position(|name| *name == next) {
            Some(start) => return Some(path.split_off(start)),
            None => path.push(next),
        }
    }
}

/// What each file of a crate imports, tests left out. What a room's `mod.rs` hands on counts as its own file's.
fn imports(src: &Path) -> Graph {
    let mut sources = BTreeMap::new();
    read(src, src, &mut sources);
    let files: BTreeSet<String> = sources.keys().cloned().collect();
    let mut graph = Graph::new();
    for (file, text) in &sources {
        let own = module_of(file);
        let to = paths(text).into_iter().filter_map(|path| {
            let absolute: Vec<String> = match path[0].as_str() {
                "crate" | "wattmul" => path[1..].to_vec(),
                // In mod.rs, and in a file of its own, `self` is the module and `super` the one above.
                "super" => {
                    own[..own.len().saturating_sub(1)].iter().cloned().chain(path[1..].iter().cloned()).collect()
                }
                _ => own.iter().cloned().chain(path.iter().skip(usize::from(path[0] == "self")).cloned()).collect(),
            };
            target(&absolute, &files, &sources, 0)
        });
        graph.insert(file.clone(), to.filter(|to| to != file).collect());
    }
    graph
}

fn read(folder: &Path, src: &Path, sources: &mut BTreeMap<String, String>) {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for path in entries {
        if path.is_dir() {
            read(&path, src, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name: PathBuf = path.strip_prefix(src).unwrap().into();
            sources.insert(name.to_string_lossy().replace('\\', "/"), std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// `power/nvml.rs` → power::nvml, `power/mod.rs` → power, `lib.rs` → the crate.
fn module_of(file: &str) -> Vec<String> {
    let parts = file.trim_end_matches(".rs").split('/');
    parts.filter(|part| !["mod", "lib", "main"].contains(part)).map(str::to_owned).collect()
}

/// The file in which a path ends.
fn target(path: &[String], files: &BTreeSet<String>, sources: &BTreeMap<String, String>, depth: u32) -> Option<String> {
    let as_file = |parts: &[String]| {
        let name = parts.join("/");
        [format!("{name}.rs"), format!("{name}/mod.rs")].into_iter().find(|name| files.contains(name))
    };
    let (length, file) = (1..=path.len()).rev().find_map(|length| Some((length, as_file(&path[..length])?)))?;
    let Some(name) = path.get(length) else { return Some(file) };
    // A name that is handed on comes from elsewhere.
    let handed_on = paths(&sources[&file]).into_iter().find(|path| {
        path.len() > 1 && path.last() == Some(name) && sources[&file].contains(&format!("pub use {}::", path[0]))
    });
    match handed_on.filter(|_| depth < 4) {
        Some(other) => {
            let own = module_of(&file);
            let absolute: Vec<String> = own.into_iter().chain(other).collect();
            target(&absolute, files, sources, depth + 1).or(Some(file))
        }
        None => Some(file),
    }
}

/// Every path that the code names by `crate::`, `super::` or a `use`, in-file tests left out.
fn paths(source: &str) -> Vec<Vec<String>> {
    let code: String = source.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
    let code = code.split("#[cfg(all(test").next().unwrap_or_default();
    let code: String =
        code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.to_owned() + "\n").collect();
    let mut found = vec![];
    for statement in code.split(';') {
        let Some(at) = statement.rfind("use ").filter(|&at| at == 0 || statement[..at].ends_with([' ', '\n', ')']))
        else {
            continue;
        };
        expand(statement[at + 4..].trim(), &[], &mut found);
    }
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let end = code[at..]
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .map_or(code.len(), |end| at + end);
            let path = code[at..end].trim_end_matches(':');
            found.push(path.split("::").map(str::to_owned).collect());
        }
    }
    found
}

/// `a::{b, c::{self, d}}` → a::b, a::c, a::c::d.
fn expand(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let (head, group) = match tree.find('{') {
        Some(at) => (tree[..at].trim_end_matches("::"), tree.trim_end().strip_suffix('}').map(|tree| &tree[at + 1..])),
        None => (tree.split(" as ").next().unwrap_or_default().trim(), None),
    };
    let mut path = before.to_vec();
    path.extend(head.split("::").filter(|part| !part.is_empty() && *part != "self").map(str::to_owned));
    let Some(group) = group else {
        if !path.is_empty() {
            found.push(path);
        }
        return;
    };
    let (mut depth, mut from) = (0, 0);
    for (at, c) in group.char_indices().chain([(group.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                expand(group[from..at].trim(), &path, found);
                from = at + 1;
            }
            _ => {}
        }
    }
}
