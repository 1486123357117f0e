//! What tests from outside share: the program, a driver to run it on, and stand-ins.
#![allow(dead_code, reason = "each test takes what it needs")]

use assert_cmd::Command;
use std::path::{Path, PathBuf};
use wattmul::plan::Wishes;
use wattmul::record::Record;
use wattmul::simulate;

/// Rounds as short as they can be: for tests of everything but the figures.
pub const BRIEF: &[&str] = &[
    "--size", "128", "--rounds", "2", "--window", "0.2", "--lead-in", "0.1", "--warm-up", "0.3", "--kernel",
    "direct/8x16",
];

/// The program under test, on Vulkan's software driver alone.
pub fn wattmul() -> Command {
    let mut command = Command::from_std(program());
    command.timeout(std::time::Duration::from_secs(300));
    command
}

/// The same, for tests that watch it while it runs.
pub fn program() -> std::process::Command {
    on_software_driver(std::process::Command::new(assert_cmd::cargo::cargo_bin("wattmul")))
}

/// Variables that would say which GPUs a test may use.
const SCHEDULERS: [&str; 7] = [
    "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "SLURM_JOB_GPUS",
    "SLURM_JOB_ID", "SLURM_STEP_GPUS",
];

/// Shows a command Vulkan's software driver alone, and a cache folder that is not the user's, in no scheduler's job.
pub fn on_software_driver(mut command: std::process::Command) -> std::process::Command {
    SCHEDULERS.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    if let Some(driver) = software_driver() {
        command.env("VK_DRIVER_FILES", &driver).env("VK_ICD_FILENAMES", &driver); // loaders before 1.3.207 read the second
    }
    command
}

/// Sends a signal to a running child.
#[cfg(unix)]
pub fn signal(child: &std::process::Child, signal: i32) {
    // SAFETY: the process is our child and was not waited for, so that its number is its own.
    #[expect(unsafe_code, reason = "std sends no signal but SIGKILL")]
    unsafe {
        libc::kill(child.id() as i32, signal)
    };
}

/// The manifest of Mesa's software driver.
pub fn software_driver() -> Option<PathBuf> {
    driver("lvp_icd")
}

/// The manifest of a Vulkan driver whose file name begins so.
pub fn driver(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = folders.iter().flat_map(std::fs::read_dir).flatten().flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name));
    let mut found: Vec<PathBuf> = files.filter(fits).collect();
    found.sort();
    found.into_iter().find(|path| !path.to_string_lossy().contains("i686"))
}

/// Says why a test is skipped. Where nothing may be missing, that is a failure.
pub fn skip(why: &str) {
    println!("skipped: {why}");
    assert!(std::env::var_os("WATTMUL_NO_SKIP").is_none(), "nothing may be skipped here: {why}");
}

/// [`skip`]s where something is missing; returns whether it is.
pub fn skipped(missing: bool, why: &str) -> bool {
    if missing {
        skip(why);
    }
    missing
}

/// The record that a run with `--json` prints, whatever its verdict.
pub fn measured(command: &mut Command) -> Record {
    let output = command.output().unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Is Mesa's software driver missing?
pub fn no_software_driver() -> bool {
    skipped(software_driver().is_none(), "Mesa's software Vulkan driver is not installed (sh setup.sh)")
}

/// A folder in which the stand-in for NVIDIA's library has the real one's name. Give it as `LD_LIBRARY_PATH`.
#[cfg(unix)]
pub fn nvml_double() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(double("libnvml_double.so"), folder.path().join("libnvidia-ml.so.1")).unwrap();
    folder
}

/// A stand-in that `cargo test` builds.
pub fn double(name: &str) -> PathBuf {
    let library = assert_cmd::cargo::cargo_bin("wattmul").with_file_name("examples").join(name);
    assert!(library.exists(), "cargo test builds {}", library.display());
    library
}

/// Two GPUs of NVIDIA's, played by Mesa's software driver (tests/doubles/vulkan.rs) and by the stand-in for NVIDIA's library.
pub struct TwoGpus {
    folder: tempfile::TempDir,
}

impl TwoGpus {
    /// Where they are.
    pub const ADDRESSES: [&str; 2] = ["0000:01:00.0", "0000:81:00.0"];

    /// None where the software driver is missing.
    pub fn new() -> Option<Self> {
        let folder = nvml_double();
        for (i, address) in Self::ADDRESSES.iter().enumerate() {
            // Copies: of one file, the system would open one library.
            let library = folder.path().join(format!("{address}.so"));
            std::fs::copy(double("libvulkan_double.so"), &library).unwrap();
            let driver = serde_json::json!({ "library_path": library, "api_version": "1.1.230" });
            let manifest = serde_json::json!({ "file_format_version": "1.0.0", "ICD": driver });
            std::fs::write(folder.path().join(format!("gpu{i}.json")), manifest.to_string()).unwrap();
        }
        software_driver().map(|_| TwoGpus { folder })
    }

    /// The environment in which they are seen, but for `NVML_DOUBLE`, which must hold `gpus=2`.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let manifest = std::fs::read_to_string(software_driver().unwrap()).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let folder = self.folder.path().display();
        let drivers = format!("{folder}/gpu0.json:{folder}/gpu1.json");
        vec![
            ("VULKAN_DOUBLE_DRIVER", manifest["ICD"]["library_path"].as_str().unwrap().into()),
            ("VK_DRIVER_FILES", drivers.clone()),
            ("VK_ICD_FILENAMES", drivers),
            ("LD_LIBRARY_PATH", folder.to_string()),
            ("TMPDIR", folder.to_string()), // where GPUs are claimed: these are nobody else's
            ("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR").into()),
        ]
    }
}

/// The records in a folder, and nothing else may be there.
pub fn records(folder: &Path) -> Vec<(PathBuf, Record)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let record = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        (path, record)
    };
    paths.into_iter().map(read).collect()
}

/// Columns that a line of text takes in a terminal (all of ours are one wide).
pub fn longest_line(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// The record of a run of a simulated board: in virtual time, and whatever its verdict.
pub fn simulated(model: &str, seed: u64) -> Record {
    let model = model.parse().unwrap();
    let plan = simulate::plan(&model, &Wishes { seed, ..Wishes::default() }).unwrap();
    simulate::record(&model, plan).unwrap()
}
