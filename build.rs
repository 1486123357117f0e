//! Tells the program which commit and compiler made it (both stand in every record), and makes the bindings to vendors' libraries.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let commit = output("git", &["rev-parse", "--short=12", "HEAD"]).map(|commit| {
        // A tree with changes is not that commit.
        let changed =
            output("git", &["status", "--porcelain", "--untracked-files=no"]).is_none_or(|text| !text.is_empty());
        if changed { format!("{commit}+changes") } else { commit }
    });
    println!("cargo::rustc-env=WATTMUL_COMMIT={}", commit.unwrap_or_default());
    let rustc = std::env::var("RUSTC").ok().and_then(|rustc| output(&rustc, &["--version"]));
    println!("cargo::rustc-env=WATTMUL_RUSTC={}", rustc.unwrap_or_default());

    let made = INTERFACES.map(|interface| bind(&interface)).iter().all(|&made| made);
    println!("cargo::rustc-env=WATTMUL_BINDINGS={}", if made { "made" } else { "committed" });

    println!("cargo::rerun-if-changed=build.rs");
    for path in ["src", "shaders", "vendor", "Cargo.toml", ".git/HEAD", ".git/index"] {
        if Path::new(path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
}

/// The first line that a command prints; None where it is missing or fails, as git does outside a checkout.
fn output(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.lines().next().unwrap_or_default().trim().to_owned())
}

/// A vendor's C interface, by a header of ours.
struct Interface {
    /// The name of its folder in vendor/, of its header, and of the bindings that the program includes.
    name: &'static str,
    /// What its symbols begin with; its constants, in capitals.
    prefix: &'static str,
    /// The table of its functions.
    table: &'static str,
}

const INTERFACES: [Interface; 4] = [
    Interface { name: "rocm_smi", prefix: "rsmi", table: "RocmSmi" },
    Interface { name: "amd_smi", prefix: "amdsmi", table: "AmdSmi" },
    Interface { name: "level_zero", prefix: "zes?", table: "LevelZero" },
    Interface { name: "adl", prefix: "ADL2?", table: "Adl" },
];

/// Puts the bindings where the program includes them from: fresh ones, or those that are committed where there is no
/// libclang, or where the program is made for another system than this, whose types clang may not know. Were they made fresh?
fn bind(interface: &Interface) -> bool {
    let committed = format!("vendor/{}/bindings.rs", interface.name);
    let target = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join(format!("{}.rs", interface.name));
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    // bindgen panics where it finds no libclang, so that it is looked for first.
    let bindings = if linux && clang_sys::load().is_ok() { bindings(interface, &committed) } else { None };
    let made = bindings.is_some_and(|bindings| std::fs::write(&target, bindings).is_ok());
    if !made && let Err(error) = std::fs::copy(&committed, &target) {
        println!("cargo::error=cannot copy {committed} to {}: {error}", target.display());
    }
    made
}

fn bindings(Interface { name, prefix, table }: &Interface, committed: &str) -> Option<String> {
    let bindings = bindgen::Builder::default()
        .header(format!("vendor/{name}/{name}.h"))
        .allowlist_function(format!("{prefix}[A-Z_].*"))
        .allowlist_type(format!("{prefix}[A-Z_].*"))
        .allowlist_var(format!("{}_.*", prefix.to_uppercase()))
        // A table that is loaded at run time, in which a symbol may lack: releases have different ones.
        .dynamic_library_name(*table)
        .dynamic_link_require_all(false)
        .wrap_unsafe_ops(true)
        .derive_copy(true)
        .derive_debug(false)
        .derive_default(false)
        // Layouts are compared with those of the vendor's header by tests of ours.
        .layout_tests(false)
        // The same text wherever it is made: the committed file is compared with it.
        .formatter(bindgen::Formatter::Prettyplease)
        .rust_target(bindgen::RustTarget::stable(85, 0).ok()?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .generate();
    match bindings {
        Ok(bindings) => Some(bindings.to_string()),
        Err(error) => {
            println!("cargo::warning=bindgen: {error}; {committed} is used instead");
            None
        }
    }
}
