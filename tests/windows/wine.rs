//! A Windows to run the program on: Wine, a screen, and the program built for it by MinGW.

use crate::common;

use assert_cmd::Command;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::LazyLock;
use std::sync::mpsc::channel;

const TARGET: &str = "x86_64-pc-windows-gnu";
const LINKER: &str = "x86_64-w64-mingw32-gcc";
/// Debian's wine64 is on no path; other packages' wine runs programs of 64 bits, too.
const WINES: [&str; 3] = ["wine64", "/usr/lib/wine/wine64", "wine"];
/// Where the program lies: with a space, and letters of which none is in the console's code page.
const FOLDER: &str = "Žofie Łukasik";

/// Wine has this library from version 9 on. Rust's own library asks it for random numbers, by one function.
const RANDOM_NUMBERS: &str = "\
    #include <windows.h>\n\
    BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);\n\
    __declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE to, SIZE_T bytes) { return SystemFunction036(to, bytes); }\n";

/// A folder with the program in it.
pub struct Windows {
    folder: tempfile::TempDir,
}

impl Windows {
    /// None, with a word why, where something is missing.
    pub fn start() -> Option<Self> {
        let program = match &*PROGRAM {
            Ok(program) => program,
            Err(why) => {
                common::skip(why);
                return None;
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let of_program = folder.path().join(FOLDER);
        std::fs::create_dir(&of_program).unwrap();
        for name in ["wattmul.exe", "bcryptprimitives.dll"] {
            std::os::unix::fs::symlink(program.join(name), of_program.join(name)).unwrap();
        }
        Some(Windows { folder })
    }

    /// The folder of the program, in which it is run.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join(FOLDER)
    }

    /// Puts a stand-in beside the program, under the name of a vendor's library.
    pub fn with(self, library: &str, stand_in: &str) -> Self {
        let stand_in = PROGRAM.as_ref().unwrap().join("examples").join(stand_in);
        assert!(stand_in.exists(), "{}", stand_in.display());
        std::os::unix::fs::symlink(stand_in, self.folder().join(library)).unwrap();
        self
    }

    /// The program, on Vulkan's software driver alone.
    pub fn wattmul(&self) -> Command {
        common::patiently(self.program())
    }

    /// The same, for tests that watch it while it runs.
    pub fn program(&self) -> std::process::Command {
        self.environment(wine("wattmul.exe"))
    }

    /// A command line on a console, to which what is written to its standard input is typed.
    pub fn console(&self, line: &str) -> std::process::Command {
        const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = std::process::Command::new("timeout"); // what hangs is ended, its console with it
        command.args(["--kill-after=5", "200", "python3", "-c", TERMINAL, WINE.unwrap()]).args(line.split(' '));
        command.env("TERM", "xterm");
        self.environment(command)
    }

    fn environment(&self, command: std::process::Command) -> std::process::Command {
        let mut command = common::on_software_driver(in_wine(command));
        command.current_dir(self.folder());
        command
    }
}

/// A screen that nobody sees, without which Wine offers no Vulkan. It ends with this program: the system kills it when the thread that
/// started it ends, and that one never does before.
static SCREEN: LazyLock<String> = LazyLock::new(|| {
    let (sender, display) = channel();
    std::thread::spawn(move || {
        let mut screen = std::process::Command::new("setpriv");
        screen
            .args(["--pdeathsig", "KILL", "Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "640x480x24"]);
        let mut screen = screen.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut display = String::new();
        BufReader::new(screen.stdout.as_mut().unwrap()).read_line(&mut display).unwrap();
        sender.send(format!(":{}", display.trim())).unwrap();
        screen.wait()
    });
    display.recv().unwrap()
});

fn in_wine(mut command: std::process::Command) -> std::process::Command {
    command.env("DISPLAY", &*SCREEN).env("WINEPREFIX", PREFIX).env("WINEDEBUG", "-all");
    command
}

/// What Wine keeps of its Windows.
const PREFIX: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/wine");

static WINE: LazyLock<Option<&str>> = LazyLock::new(|| WINES.into_iter().find(|name| runs(name, "--version")));

fn wine(program: impl AsRef<OsStr>) -> std::process::Command {
    let mut command = std::process::Command::new(WINE.unwrap());
    command.arg(program);
    command
}

fn runs(program: &str, argument: &str) -> bool {
    let output = std::process::Command::new(program).arg(argument).output();
    output.is_ok_and(|output| output.status.success())
}

/// The folder in which the program and the stand-ins were built, or what is missing.
static PROGRAM: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
    let installed = |program: &str| std::process::Command::new(program).arg("-help").output().is_ok();
    let missing = [
        (!runs(LINKER, "--version"), "MinGW (Debian: apt install gcc-mingw-w64-x86-64-posix)"),
        (WINE.is_none(), "Wine (Debian: apt install wine64)"),
        (!installed("Xvfb"), "Xvfb (Debian: apt install xvfb)"),
        (!runs("python3", "--version"), "Python"),
        (common::software_driver().is_none(), "Mesa's software Vulkan driver (sh setup.sh)"),
        (!has_target(), "Rust's library for Windows (rustup target add x86_64-pc-windows-gnu)"),
    ];
    let missing: Vec<&str> = missing.into_iter().filter(|(missing, _)| *missing).map(|(_, what)| what).collect();
    if !missing.is_empty() {
        return Err(format!("this needs {}", missing.join(", ")));
    }
    let mut cargo = std::process::Command::new(env!("CARGO"));
    let target = common::program_path().ancestors().nth(2).unwrap().to_owned();
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--locked", "--target", TARGET, "--bin", "wattmul"]);
    cargo.arg("--target-dir").arg(&target);
    cargo.args(["--example", "fake_adl", "--example", "fake_nvml"]);
    // All that it stands on is built a second time, for another system: that takes half as long without optimisation.
    cargo.args(["--config", "profile.dev.opt-level=0", "--config", "profile.dev.debug=false"]);
    succeed(&mut cargo);
    let folder = target.join(TARGET).join("debug");

    let mut compiler = std::process::Command::new(LINKER);
    compiler.args(["-shared", "-x", "c", "-", "-ladvapi32", "-o"]).arg(folder.join("bcryptprimitives.dll"));
    let mut compiler = compiler.stdin(Stdio::piped()).spawn().unwrap();
    compiler.stdin.take().unwrap().write_all(RANDOM_NUMBERS.as_bytes()).unwrap();
    assert!(compiler.wait().unwrap().success());

    let mut boot = in_wine(wine("wineboot"));
    succeed(boot.arg("--init"));
    Ok(folder)
});

fn has_target() -> bool {
    let rustc = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--target", TARGET, "--print", "target-libdir"])
        .output();
    rustc.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

fn succeed(command: &mut std::process::Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
