//! slurm/wattmul.sbatch on the real Slurm: a cluster of one node, in a folder and on ports of its own.
#![cfg(target_os = "linux")]

use crate::common;

use common::{TwoGpus, no_software_driver, records};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use wattmul::analysis::{summary, validity};
use wattmul::record::Record;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/slurm/wattmul.sbatch");
/// Options that make a run short; the script's own come before them.
const BRIEF: &[&str] = &["--quick", "--size", "128", "--rounds", "2", "--window", "0.2", "--settling", "0.1"];
/// Nothing here takes nearly as long.
const HANGS: Duration = Duration::from_secs(120);

/// A cluster of one node with two GPUs to give away. Nothing of it is left when it is dropped.
struct Cluster {
    folder: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl Cluster {
    /// None, with a word why, where there is no Slurm or the user is not root.
    fn start() -> Option<Self> {
        let programs = ["munged", "slurmctld", "slurmd", "sbatch", "mknod"];
        let missing: Vec<&str> = programs.into_iter().filter(|name| find(name).is_none()).collect();
        if !missing.is_empty() {
            common::skip(&format!("no {} here (Debian: apt install slurm-wlm munge)", missing.join(", ")));
            return None;
        }
        // SAFETY: the call has no arguments, and cannot fail.
        #[expect(unsafe_code, reason = "std does not tell who runs the program")]
        let root = unsafe { libc::geteuid() } == 0;
        if common::skipped(!root, "only root starts Slurm's daemons") {
            return None;
        }
        let mut cluster = Cluster { folder: tempfile::tempdir().unwrap(), daemons: vec![] };
        cluster.configure();
        let folder = cluster.path().to_owned();
        let at = |name: &str| folder.join(name);
        let munged = ["--foreground", "--force", "--num-threads=1"].map(str::to_owned);
        let files = ["key-file", "socket", "pid-file", "seed-file", "log-file"];
        let files = files.map(|option| format!("--{option}={}", at(&format!("munge.{option}")).display()));
        cluster.daemon("munged", &munged.into_iter().chain(files).collect::<Vec<_>>());
        cluster.wait_for("munged", || at("munge.socket").exists());
        let configuration = ["-D".to_owned(), "-f".to_owned(), at("slurm.conf").display().to_string()];
        cluster.daemon("slurmctld", &configuration);
        cluster.daemon("slurmd", &configuration);
        cluster
            .wait_for("an idle node", || cluster.run("sinfo", &["-h", "-o", "%T"]).is_ok_and(|text| text == "idle\n"));
        Some(cluster)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn configure(&self) {
        use std::os::unix::fs::PermissionsExt;
        for name in ["state", "spool", "gpus"] {
            fs::create_dir(self.path().join(name)).unwrap();
        }
        // Slurm gives away devices: two more names of /dev/null will do.
        for gpu in 0..2 {
            let device = self.path().join(format!("gpus/gpu{gpu}"));
            assert!(Command::new("mknod").arg(device).args(["c", "1", "3"]).status().unwrap().success());
        }
        let key = self.path().join("munge.key-file");
        fs::write(&key, [7; 64]).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).unwrap(); // munged wants to trust it
        let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let name = Command::new("hostname").arg("-s").output().unwrap().stdout;
        let (name, folder) = (String::from_utf8(name).unwrap(), self.path().display());
        let (name, control, node) = (name.trim(), port(), port());
        let conf = format!(
            "ClusterName=one\nSlurmctldHost={name}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket,cred_expire=5\nCredType=cred/munge\n\
             SlurmctldPort={control}\nSlurmdPort={node}\nStateSaveLocation={folder}/state\n\
             SlurmdSpoolDir={folder}/spool\nSlurmctldPidFile={folder}/slurmctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core\nSwitchType=switch/none\nMpiDefault=none\nReturnToService=2\nGresTypes=gpu\n\
             KillWait=30\nSchedulerParameters=sched_interval=1\n\
             NodeName={name} NodeAddr=127.0.0.1 CPUs=2 Gres=gpu:2 State=UNKNOWN\n\
             PartitionName=main Nodes={name} Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(self.path().join("slurm.conf"), conf).unwrap();
        fs::write(self.path().join("gres.conf"), format!("AutoDetect=off\nName=gpu File={folder}/gpus/gpu[0-1]\n"))
            .unwrap();
        fs::write(self.path().join("cgroup.conf"), "CgroupPlugin=cgroup/v1\nIgnoreSystemd=yes\n").unwrap();
    }

    fn daemon(&mut self, name: &str, arguments: &[String]) {
        let log = fs::File::create(self.path().join(format!("{name}.log"))).unwrap();
        let child = Command::new(find(name).unwrap())
            .args(arguments)
            .env("SLURM_CONF", self.path().join("slurm.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemons.push(child);
    }

    fn wait_for(&self, what: &str, mut come: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !come() {
            assert!(begun.elapsed() < HANGS, "{what} did not come\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn logs(&self) -> String {
        let files = fs::read_dir(self.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.map(|path| format!("{}\n{}\n", path.display(), fs::read_to_string(&path).unwrap_or_default())).collect()
    }

    /// One of Slurm's commands in this cluster.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(find(name).unwrap());
        command.env("SLURM_CONF", self.path().join("slurm.conf")).stdin(Stdio::null());
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) -> Result<String, String> {
        let output = self.command(name).args(arguments).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Submits the script; its number.
    fn submit(&self, own: &[&str], environment: &[(&str, String)], options: &[&str]) -> String {
        let mut command = self.command("sbatch");
        command.current_dir(self.path()).envs(environment.iter().map(|(name, value)| (name, value)));
        command.env("WATTMUL", env!("CARGO_BIN_EXE_wattmul"));
        command.args(["--parsable", "--output=%j.log"]).args(own).arg(SCRIPT).args(options);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn wait_for_all(&self) {
        self.wait_for("the end of all jobs", || self.run("squeue", &["-h"]).is_ok_and(|text| text.is_empty()));
    }

    fn results(&self) -> Vec<Record> {
        records(&self.path().join("results")).into_iter().map(|(_, record)| record).collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs());
        }
        // The steps first: they are no children of ours.
        if self.daemons.len() == 3 {
            let _ = self.run("scancel", &["--full", "--signal=KILL", "--state=RUNNING"]);
            let _ = self.run("scancel", &["--state=PENDING"]);
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(10)
                && self.run("squeue", &["-h"]).is_ok_and(|text| !text.is_empty())
            {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        for daemon in self.daemons.iter_mut().rev() {
            common::signal(daemon, libc::SIGTERM);
            common::comes(Duration::from_secs(10), || !matches!(daemon.try_wait(), Ok(None)));
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// What the software driver needs, as the node's environment.
fn software() -> Vec<(&'static str, String)> {
    let driver = common::software_driver().unwrap().display().to_string();
    let cache = env!("CARGO_TARGET_TMPDIR").to_owned();
    vec![("VK_DRIVER_FILES", driver.clone()), ("VK_ICD_FILENAMES", driver), ("XDG_CACHE_HOME", cache)]
}

/// All in one test: a cluster takes seconds to start, and a machine has room for one.
#[test]
fn a_cluster_measures_itself() {
    if no_software_driver() {
        return;
    }
    let Some(cluster) = Cluster::start() else { return };
    an_array_of_four_saves_four_records(&cluster);
    each_task_gets_the_gpu_that_slurm_gave_it(&cluster);
    a_cancelled_run_leaves_no_record_and_no_locked_clock(&cluster);
    a_requeued_task_leaves_one_record(&cluster);
}

fn an_array_of_four_saves_four_records(cluster: &Cluster) {
    let options = [BRIEF, &["--warm-up", "0.3", "--kernel", "direct/8x16", "--label", "rack 7"]].concat();
    let job = cluster.submit(&["--array=0-3"], &software(), &options);
    cluster.wait_for_all();
    let found = cluster.results();
    assert_eq!(found.len(), 4, "{}", cluster.logs());
    let name = String::from_utf8(Command::new("hostname").output().unwrap().stdout).unwrap();
    let mut tasks = BTreeSet::new();
    for record in &found {
        assert_eq!(summary::of(record), record.summary);
        assert_eq!(validity::of(record), record.verdict);
        assert_eq!((record.windows.len(), record.run.label.as_deref()), (4, Some("rack 7")));
        let slurm = record.run.slurm.as_ref().unwrap();
        assert_eq!((slurm.job.to_string(), slurm.restarts), (job.clone(), 0));
        tasks.insert(slurm.array_task.unwrap());
        let run = serde_json::to_value((&record.run, &record.host, &record.tool)).unwrap().to_string();
        assert!(!run.contains(&format!("\"{}\"", name.trim())), "the node is not named: {run}");
    }
    assert_eq!(tasks, BTreeSet::from([0, 1, 2, 3]));

    let read = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_wattmul")).current_dir(cluster.path()).args(arguments).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(read(&["validate"]), "4 records: 4 good, 0 not\n");
    let report = read(&["report", "--all", "--format", "csv"]);
    let rows = report.lines().skip(1).filter(|row| row.contains(",gaussian,zeros,"));
    assert_eq!(rows.map(|row| row.split(',').next()).collect::<BTreeSet<_>>().len(), 4, "{report}");
    fs::remove_dir_all(cluster.path().join("results")).unwrap();
}

/// Two at once on two GPUs, then two tasks of one job; what each measures is said by its sensor and its adapter.
fn each_task_gets_the_gpu_that_slurm_gave_it(cluster: &Cluster) {
    let gpus = TwoGpus::new().unwrap();
    let mut environment = gpus.environment();
    environment.push(("FAKE_NVML", "gpus=2".into()));
    let options = [BRIEF, &["--warm-up", "0.3", "--kernel", "32x32x16/4x4"]].concat();
    for own in [&["--array=0-1", "--gpus=1"][..], &["--ntasks=2", "--gpus-per-task=1"]] {
        cluster.submit(own, &environment, &options);
        cluster.wait_for_all();
        let found = cluster.results();
        let addresses: BTreeSet<String> =
            found.iter().map(|record| record.adapter.pci_address.unwrap().to_string()).collect();
        assert_eq!(addresses, TwoGpus::ADDRESSES.map(String::from).into(), "{own:?}\n{}", cluster.logs());
        assert!(
            found.len() == 2 && found.iter().all(|r| r.source.as_ref().unwrap().pci_address == r.adapter.pci_address)
        );
        fs::remove_dir_all(cluster.path().join("results")).unwrap();
    }
    // A job that asked for no GPU takes none, although both are there to be seen.
    let job = cluster.submit(&[], &environment, &options);
    cluster.wait_for_all();
    assert!(!cluster.path().join("results").exists());
    let log = fs::read_to_string(cluster.path().join(format!("{job}.log"))).unwrap();
    assert!(log.contains("given no GPU") && log.contains("--gpus=1"), "{log}");
    // What `devices` says in a job.
    let program = env!("CARGO_BIN_EXE_wattmul");
    let shown =
        cluster.command("srun").envs(environment).args(["--gpus=1", program, "devices", "--json"]).output().unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_else(|why| panic!("{why}: {shown:?}"));
    let allowed: Vec<_> = shown["adapters"].as_array().unwrap().iter().map(|adapter| &adapter["allowed"]).collect();
    assert_eq!(allowed, [&Value::from(true), &Value::from(false)], "{shown:#}");
}

/// A run on a sensor that notes when its clock is locked; the job is in its rounds when this returns.
struct InRounds {
    job: String,
    /// The stand-in for NVIDIA's library, needed as long as the job runs.
    _library: tempfile::TempDir,
    notes: PathBuf,
}

impl InRounds {
    fn start(cluster: &Cluster, rounds: &str) -> Self {
        let library = common::fake_nvml();
        let notes = library.path().join("notes");
        let mut environment = software();
        environment.push(("LD_LIBRARY_PATH", library.path().display().to_string()));
        environment.push(("FAKE_NVML", format!("log={}", notes.display())));
        let options = ["--size", "128", "--window", "0.3", "--settling", "0.1", "--warm-up", "0.3", "--rounds", rounds];
        let sensor = ["--kernel", "direct/8x16", "--power", "nvml:0", "--lock-clock", "1200"];
        let job = cluster.submit(&[], &environment, &[&options[..], &sensor].concat());
        let log = cluster.path().join(format!("{job}.log"));
        cluster.wait_for("the second round", || fs::read_to_string(&log).is_ok_and(|text| text.contains("round 2/")));
        let running = InRounds { job, _library: library, notes };
        assert_eq!(running.locks(), ["locked 1200 1200"]);
        running
    }

    fn locks(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.notes).unwrap();
        text.lines().filter(|line| line.contains("lock")).map(str::to_owned).collect()
    }
}

fn a_cancelled_run_leaves_no_record_and_no_locked_clock(cluster: &Cluster) {
    let running = InRounds::start(cluster, "400");
    cluster.run("scancel", &[&running.job]).unwrap();
    cluster.wait_for_all();
    assert_eq!(running.locks(), ["locked 1200 1200", "unlocked"], "{}", cluster.logs());
    assert_eq!(fs::read_dir(cluster.path().join("results")).unwrap().count(), 0, "nothing, and nothing half-written");
}

/// Preempted in mid-run, and then again when all was done.
fn a_requeued_task_leaves_one_record(cluster: &Cluster) {
    let running = InRounds::start(cluster, "20");
    for restarts in [1, 2] {
        cluster.run("scontrol", &["requeue", &running.job]).unwrap();
        cluster.wait_for_all();
        let [record] = &cluster.results()[..] else { panic!("one record after start {restarts}\n{}", cluster.logs()) };
        assert_eq!((record.windows.len(), record.run.halted.as_deref()), (40, None), "{}", cluster.logs());
        assert_eq!(record.run.slurm.as_ref().unwrap().restarts, 1);
    }
    let log = fs::read_to_string(cluster.path().join(format!("{}.log", running.job))).unwrap();
    assert!(log.contains("Slurm started this job again, and its record is there"), "{log}");
}
