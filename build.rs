//! Tells the program which commit and compiler made it: both stand in every record.

use std::path::Path;
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

    println!("cargo::rerun-if-changed=build.rs");
    for path in ["src", "shaders", "Cargo.toml", ".git/HEAD", ".git/index"] {
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
