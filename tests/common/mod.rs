//! What tests from outside share: the program, a driver to run it on, and stand-ins.
#![allow(dead_code, reason = "each test takes what it needs")]

use assert_cmd::Command;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wattmul::protocol::{Clock, Sampler, Workload};
use wattmul::record::{AdapterInfo, AdapterType, KernelChoice, Plan, Record};
use wattmul::run::{PlanOptions, Prepared, RunError, Setup};

/// Simulated boards whose power limit holds the clock down.
pub const CAPPED: [&str; 2] = ["rtx3090", "h100-sxm"];

/// Options of a run of so many rounds, of windows of so many seconds, and with as little besides as there can be.
pub const fn run_of(rounds: &'static str, window_s: &'static str) -> [&'static str; 12] {
    let (size, settling, warm_up) = (["--size", "128"], ["--settling", "0.1"], ["--warm-up", "0.3"]);
    let kernel = ["--kernel", "direct/8x16"]; // the last, so that it can be left out
    [
        size[0], size[1], "--rounds", rounds, "--window", window_s, settling[0], settling[1], warm_up[0], warm_up[1],
        kernel[0], kernel[1],
    ]
}

/// A run as short as it can be: for tests of everything but the figures.
pub const BRIEF: &[&str] = &run_of("2", "0.2");
/// The same, with whatever kernel is fastest.
pub const BRIEF_TUNED: &[&str] = BRIEF.split_at(10).0;
/// More rounds than any test waits for.
pub const LONG: &[&str] = &run_of("100", "0.3");

/// The program under test, on Vulkan's software driver alone.
pub fn wattmul() -> Command {
    patiently(program())
}

/// Nothing here takes nearly as long.
const HANGS: Duration = Duration::from_secs(300);

/// A command that is killed when it hangs.
pub fn patiently(command: std::process::Command) -> Command {
    let mut command = Command::from_std(command);
    command.timeout(HANGS);
    command
}

/// The same, for tests that watch it while it runs.
pub fn program() -> std::process::Command {
    on_software_driver(std::process::Command::new(program_path()))
}

/// Where the program lies.
pub fn program_path() -> PathBuf {
    assert_cmd::cargo::cargo_bin("wattmul")
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
        on_driver(&mut command, &driver);
    }
    command
}

/// Shows a command the Vulkan driver of this manifest alone.
pub fn on_driver(command: &mut std::process::Command, manifest: &Path) {
    command.env("VK_DRIVER_FILES", manifest).env("VK_ICD_FILENAMES", manifest); // loaders before 1.3.207 read the second
}

/// The program on Mesa's driver for AMD GPUs, whose hardware is made up: there is an adapter, and it cannot be opened. None,
/// with a word why, where there is no such driver.
pub fn on_made_up_amd(family: &str) -> Option<Command> {
    let driver = driver("radeon_icd");
    if skipped(driver.is_none(), "Mesa's Vulkan driver for AMD is not installed (sh setup.sh)") {
        return None;
    }
    let mut command = program();
    on_driver(&mut command, &driver?);
    command.env("RADV_FORCE_FAMILY", family);
    Some(patiently(command))
}

/// Runs this program on a driver of a newer Mesa than the system's (tests/new-mesa), which is unpacked if need be. None, with a word
/// why, where that cannot be.
#[cfg(target_os = "linux")]
pub fn on_new_mesa(driver: &str, program: &Path) -> Option<std::process::Command> {
    static UNPACKED: std::sync::LazyLock<Result<(), String>> = std::sync::LazyLock::new(|| {
        let output = std::process::Command::new(NEW_MESA).arg(NEW_MESA_FOLDER).output().unwrap();
        let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(format!("no newer Mesa: {}", said())) }
    });
    if let Err(why) = &*UNPACKED {
        skip(why);
        return None;
    }
    let mut command = std::process::Command::new(NEW_MESA);
    SCHEDULERS.iter().for_each(|name| {
        command.env_remove(name);
    });
    command.env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command.arg(NEW_MESA_FOLDER).arg(driver).arg(program);
    Some(command)
}

const NEW_MESA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/new-mesa");
const NEW_MESA_FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/new-mesa");

/// Runs what is added to it over a kernel that seems to have these AMD GPUs; it ends with 77 where that cannot be.
pub fn over_made_up_amdgpu(gpus: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new("python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fakes/simulated-amdgpu")).args(gpus).arg("--");
    command
}

/// The file of Mesa's software driver itself.
pub fn software_library() -> String {
    let manifest = std::fs::read_to_string(software_driver().unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["ICD"]["library_path"].as_str().unwrap().into()
}

/// A manifest for another library.
pub fn write_manifest(path: &Path, library: &Path) {
    let driver = serde_json::json!({ "library_path": library, "api_version": "1.1.230" });
    let manifest = serde_json::json!({ "file_format_version": "1.0.0", "ICD": driver });
    std::fs::write(path, manifest.to_string()).unwrap();
}

/// Sends a signal to a running child.
#[cfg(unix)]
pub fn signal(child: &std::process::Child, signal: i32) {
    kill(child.id(), signal);
}

#[cfg(unix)]
fn kill(id: u32, signal: i32) {
    // SAFETY: the process is our child and was not waited for, so that its number is its own.
    #[expect(unsafe_code, reason = "std sends no signal but SIGKILL")]
    unsafe {
        libc::kill(id as i32, signal)
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

/// A `.npy` as NumPy writes it.
pub fn npy(descr: &str, fortran_order: bool, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let order = if fortran_order { "True" } else { "False" };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}");
    let padding = (64 - (10 + header.len() + 1) % 64) % 64;
    header += &(" ".repeat(padding) + "\n");
    [&b"\x93NUMPY\x01\x00"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), numbers].concat()
}

/// Numbers as bytes, little endian.
pub fn f32s(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// A `.safetensors` of f32.
pub fn safetensors(tensors: &[(&str, &[usize], Vec<u8>)]) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let view = |shape: &[usize], bytes| TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap();
    safetensors::serialize(tensors.iter().map(|(name, shape, bytes)| (*name, view(shape, bytes))), None).unwrap()
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
pub fn fake_nvml() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(fake("libfake_nvml.so"), folder.path().join("libnvidia-ml.so.1")).unwrap();
    folder
}

/// The same for AMD SMI.
#[cfg(unix)]
pub fn fake_amd_smi() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(fake("libfake_amd_smi.so"), folder.path().join("libamd_smi.so.26")).unwrap();
    folder
}

/// A stand-in that `cargo test` builds.
pub fn fake(name: &str) -> PathBuf {
    let library = assert_cmd::cargo::cargo_bin("wattmul").with_file_name("examples").join(name);
    assert!(library.exists(), "cargo test builds {}", library.display());
    library
}

/// Two GPUs of NVIDIA's, played by Mesa's software driver (tests/fakes/vulkan.rs) and by the stand-in for NVIDIA's library.
pub struct TwoGpus {
    folder: TempDir,
}

impl TwoGpus {
    /// Where they are.
    pub const ADDRESSES: [&str; 2] = ["0000:01:00.0", "0000:81:00.0"];

    /// None where the software driver is missing.
    pub fn new() -> Option<Self> {
        let folder = fake_nvml();
        for (i, address) in Self::ADDRESSES.iter().enumerate() {
            // Copies: of one file, the system would open one library.
            let library = folder.path().join(format!("{address}.so"));
            std::fs::copy(fake("libfake_vulkan.so"), &library).unwrap();
            write_manifest(&folder.path().join(format!("gpu{i}.json")), &library);
        }
        software_driver().map(|_| TwoGpus { folder })
    }

    /// The environment in which they are seen, but for `FAKE_NVML`, which must hold `gpus=2`.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.path().display();
        let drivers = format!("{folder}/gpu0.json:{folder}/gpu1.json");
        vec![
            ("FAKE_VULKAN_DRIVER", software_library()),
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

/// The only record in a folder.
pub fn only_record(folder: &Path) -> Record {
    let mut found = records(folder);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).1
}

/// Columns that a line of text takes in a terminal (all of ours are one wide).
pub fn longest_line(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

/// The record of a run of a simulated board: in virtual time, and whatever its verdict.
pub fn simulated(model: &str, seed: u64) -> Record {
    let model = model.parse().unwrap();
    let plan = wattmul::run::simulated::plan(&model, &PlanOptions { seed, ..PlanOptions::default() }).unwrap();
    wattmul::run::simulated::record(&model, plan).unwrap()
}

/// Runs a plan on a workload and a sensor of the test's own.
pub fn run_on(
    plan: Plan,
    clock: &dyn Clock,
    sensor: impl Sampler,
    work: impl Workload + 'static,
) -> Result<Record, RunError> {
    let mut work = Some(Box::new(work));
    let kernel =
        KernelChoice { variant: "none".into(), wgsl_digest: String::new(), order: Default::default(), tuning: vec![] };
    let setup = Setup {
        adapter: AdapterInfo::new("toy", "toy", AdapterType::Other, "none"),
        clock,
        sensor: Ok(Box::new(sensor)),
        meter: None,
        open: &mut || Ok(()),
        prepare: &mut || Ok(Prepared { work: work.take().unwrap(), inputs: BTreeMap::new(), kernel: kernel.clone() }),
        truth: None,
    };
    wattmul::run::run(plan, setup, &|| false, &|_| ())
}

/// Nothing may take longer to end.
pub const HANG: Duration = Duration::from_secs(5);

/// Does it come about within this time?
pub fn comes(within: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < within {
        if is_so() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// A run that is watched, and killed when it hangs.
#[cfg(unix)]
pub struct Running {
    pub child: Child,
    errors: BufReader<std::process::ChildStderr>,
    seen: String,
    /// Closes with this: then nothing hangs any more.
    _watched: Sender<()>,
}

#[cfg(unix)]
impl Running {
    pub fn start(command: &mut std::process::Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        let (watched, ended) = channel();
        let id = child.id();
        std::thread::spawn(move || {
            if ended.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                kill(id, libc::SIGKILL);
            }
        });
        Running { child, errors, seen: String::new(), _watched: watched }
    }

    /// Waits until so many windows were measured.
    pub fn after_windows(mut self, count: usize) -> Self {
        for _ in 0..count {
            loop {
                let from = self.seen.len();
                assert!(self.errors.read_line(&mut self.seen).unwrap() > 0, "the run ended: {}", self.seen);
                if self.seen[from..].contains("round ") {
                    break;
                }
            }
        }
        self
    }

    /// Waits for the end; gives the exit code and what was said on either output.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        let mut output = String::new();
        self.errors.read_to_string(&mut self.seen).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
        assert!(!self.seen.contains("panicked"), "{}", self.seen);
        (self.child.wait().unwrap().code(), output, self.seen)
    }

    /// The same for a run that must end now.
    pub fn end_now(self) -> (Option<i32>, String, String) {
        let begun = Instant::now();
        let ended = self.end();
        assert!(begun.elapsed() < HANG, "{:?}", begun.elapsed());
        ended
    }
}

/// A run with a stand-in for NVIDIA's library and a locked clock.
#[cfg(unix)]
pub struct Locked {
    library: TempDir,
    folder: TempDir,
}

#[cfg(unix)]
impl Locked {
    pub fn new() -> Self {
        Locked { library: fake_nvml(), folder: tempfile::tempdir().unwrap() }
    }

    pub fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    /// The program with the library, in the mode that `words` describe.
    pub fn program(&self, words: &str) -> std::process::Command {
        let mut command = program();
        let words = format!("log={} {words}", self.folder.path().join("log").display());
        // Guards, too, are this scene's own.
        command.env("TMPDIR", self.folder.path());
        command.env("LD_LIBRARY_PATH", self.library.path()).env("FAKE_NVML", words);
        command
    }

    /// A run whose clock is locked at 1000 MHz.
    pub fn command(&self, words: &str) -> std::process::Command {
        let mut command = self.program(words);
        command.args(["--power", "nvml:0", "--lock-clock", "1000", "--results"]).arg(self.results());
        command
    }

    /// What the library was told to do with the clock.
    pub fn clock(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        text.lines().filter(|line| line.contains("lock")).map(str::to_owned).collect()
    }

    /// Waits until the clock is locked.
    pub fn wait_for_lock(&self) {
        assert!(comes(Duration::from_secs(60), || !self.clock().is_empty()), "the clock is locked at the start");
    }

    /// Is the clock free, now or soon, if it ever was locked? A guard does it when the program is gone already.
    pub fn is_freed(&self) -> bool {
        comes(HANG, || self.clock().last().is_none_or(|last| last == "unlocked"))
    }
}
