//! Listens to a meter on a thread of its own. Whatever the meter does, the run goes on.

use super::choice::{From, MeterChoice};
use super::http;
use super::hwmon::KernelMeter;
use super::lines::Figure;
use super::listener::{Latest, Listener};
use crate::host::apart::apart;
use crate::host::sysfs::SYS;
use crate::protocol::{Clock, PowerError};
use crate::record::Meter;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A command that ends is begun again, but no oftener than this: one that asks a plug once is asked once a second.
const BEGUN_AGAIN: Duration = Duration::from_secs(1);
/// So many times in a row without a figure, and it is given up.
const MOST_BARREN: u32 = 5;
/// How often a file is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// A command that was asked to end is not waited for longer.
const PATIENCE: Duration = Duration::from_millis(300);

/// A meter that is listened to until this is finished or dropped.
pub struct MeterThread {
    shared: Arc<Shared>,
    clock: Box<dyn Clock + Send>,
}

struct Shared {
    listener: Mutex<Listener>,
    child: Mutex<Option<Child>>,
    stop: AtomicBool,
}

/// What a meter is listened to by, once it is known to be there.
enum Source {
    Command(String),
    File(PathBuf, File),
    Http(http::Endpoint),
    Hwmon(KernelMeter),
}

impl Source {
    fn open(from: &From) -> Result<Self, PowerError> {
        Ok(match from {
            From::Command(command) => Source::Command(command.clone()),
            From::File(path) => {
                let file = at_end(path).map_err(|error| PowerError::Absent {
                    what: format!("the meter's file {} ({error})", path.display()),
                    fix: "start its logger first, or name the file that it writes",
                })?;
                Source::File(path.clone(), file)
            }
            From::Http(endpoint) => Source::Http(endpoint.clone()),
            From::Hwmon(_) if !cfg!(target_os = "linux") => {
                return Err(PowerError::Absent {
                    what: "hwmon, which is a part of Linux".into(),
                    fix: "read the meter by a command, a file or http",
                });
            }
            From::Hwmon(name) => Source::Hwmon(KernelMeter::find(Path::new(SYS), name)?),
        })
    }
}

impl MeterThread {
    /// Starts listening. Of a file, what stands there already is not of this run.
    ///
    /// # Errors
    /// The file cannot be read, or the operating system gives no thread. A command that cannot run, and a host that does not answer,
    /// is no error: the record says so.
    pub fn start(choice: &MeterChoice, clock: impl Clock + Clone + Send + 'static) -> Result<Self, PowerError> {
        let shared = Arc::new(Shared {
            listener: Mutex::new(Listener::new(choice.interface(), choice.scope)),
            child: Mutex::new(None),
            stop: AtomicBool::new(false),
        });
        let (listening, source, of_thread) = (shared.clone(), Source::open(&choice.from)?, clock.clone());
        let body = move || match source {
            Source::Command(command) => listening.to_command(&command, &of_thread),
            Source::File(path, file) => listening.to_file(&path, file, &of_thread),
            Source::Http(endpoint) => listening.to_answers(http::ASKED_EVERY, &of_thread, || endpoint.ask()),
            Source::Hwmon(mut meter) => listening.to_answers(meter.interval, &of_thread, || meter.ask()),
        };
        let no_thread = |error: std::io::Error| PowerError::Failed {
            what: "listening to the meter".into(),
            why: error.to_string(),
            fix: "end other programs, or leave out the meter",
        };
        std::thread::Builder::new().name("meter".into()).spawn(body).map_err(no_thread)?;
        Ok(MeterThread { shared, clock: Box::new(clock) })
    }

    /// What is to be said of it during the run, once.
    pub(crate) fn news(&self) -> Option<String> {
        lock(&self.shared.listener).news(self.clock.now_s())
    }

    /// What it said last, all before forgotten; where it says nothing any more, or nothing for so long, why, as far as is known.
    pub(crate) fn latest(&self, no_older_s: f64) -> Result<Option<Latest>, String> {
        let mut listener = lock(&self.shared.listener);
        listener.forget();
        if listener.is_over() || listener.is_silent(self.clock.now_s(), no_older_s) {
            return Err(listener.trouble().unwrap_or("it says nothing").to_owned());
        }
        Ok(listener.latest())
    }

    /// How many figures it has said so far.
    pub fn figures(&self) -> u64 {
        lock(&self.shared.listener).figures()
    }

    /// Will it say nothing any more?
    pub fn is_over(&self) -> bool {
        lock(&self.shared.listener).is_over()
    }

    /// Ends listening: what was said.
    pub fn finish(self) -> Meter {
        let mut listener = lock(&self.shared.listener);
        self.shared.stop.store(true, Ordering::Relaxed);
        listener.take()
    }
}

impl Drop for MeterThread {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        lock(&self.shared.child).as_mut().map(end);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked left plain figures here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// None where nobody is to be told any more.
    fn tell<T>(&self, what: impl FnOnce(&mut Listener) -> T) -> Option<T> {
        let mut listener = lock(&self.listener);
        (!self.stopped() && !listener.is_over()).then(|| what(&mut listener))
    }

    fn to_command(&self, command: &str, clock: &dyn Clock) {
        let mut barren = 0;
        while !self.stopped() {
            let begun = Instant::now();
            let (figures, how) = match self.run(command, clock) {
                Ok((figures, status)) => (figures, status.map_or("it was ended".into(), |status| status.to_string())),
                Err(error) => (0, format!("it cannot be run: {}", error.kind())),
            };
            barren = if figures > 0 { 0 } else { barren + 1 };
            if barren == MOST_BARREN {
                self.tell(|listener| {
                    listener.ends(format!("its command ended {MOST_BARREN} times in a row without a figure ({how})"));
                });
            }
            if self.tell(|_| ()).is_none() {
                return;
            }
            self.rest((begun + BEGUN_AGAIN).saturating_duration_since(Instant::now()));
        }
    }

    /// The command once, to its end: how many figures it said, and how it ended.
    fn run(&self, command: &str, clock: &dyn Clock) -> std::io::Result<(usize, Option<ExitStatus>)> {
        self.tell(Listener::begins);
        let mut output = {
            let mut child = lock(&self.child);
            if self.stopped() {
                return Ok((0, None));
            }
            let (spawned, output) = spawn(command)?;
            *child = Some(spawned);
            output
        };
        let (mut figures, mut bytes) = (0, [0; 4096]);
        loop {
            let count = output.read(&mut bytes).unwrap_or(0);
            let now_s = clock.now_s();
            match self.tell(|listener| listener.hear(now_s, &bytes[..count])) {
                Some(heard) if count > 0 => figures += heard,
                _ => break,
            }
        }
        // It closed its output, or enough was said. A command that goes on without output says nothing any more.
        let mut child = lock(&self.child);
        Ok((figures, child.take().and_then(|mut child| end(&mut child))))
    }

    fn to_file(&self, path: &Path, mut file: File, clock: &dyn Clock) {
        let mut bytes = [0; 4096];
        self.tell(Listener::begins);
        while !self.stopped() {
            let count = file.read(&mut bytes).unwrap_or(0);
            let now_s = clock.now_s();
            if self.tell(|listener| listener.hear(now_s, &bytes[..count])).is_none() {
                return;
            }
            if count > 0 {
                continue;
            }
            self.rest(LOOK);
            // A file that became shorter, or is another one, begins anew.
            if begins_anew(path, &mut file).unwrap_or(false)
                && let Ok(new) = File::open(path)
            {
                file = new;
                self.tell(Listener::begins);
            }
        }
    }

    /// Asks so often, and takes what is answered to be of the middle of the asking.
    fn to_answers(&self, every: Duration, clock: &dyn Clock, mut ask: impl FnMut() -> Result<Figure, String>) {
        self.tell(Listener::begins);
        let mut next = Instant::now();
        while !self.stopped() {
            let before_s = clock.now_s();
            let answer = ask();
            let time_s = f64::midpoint(before_s, clock.now_s());
            if self.tell(|listener| listener.answered(time_s, answer)).is_none() {
                return;
            }
            // After a slow answer the rhythm starts again, instead of catching up in a burst.
            next = (next + every).max(Instant::now());
            self.rest(next.saturating_duration_since(Instant::now()));
        }
    }

    /// Sleeps, but not on when it is to stop.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|_| !self.stopped()) {
            std::thread::sleep(left.min(LOOK));
        }
    }
}

fn at_end(path: &PathBuf) -> std::io::Result<File> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

fn begins_anew(path: &Path, file: &mut File) -> std::io::Result<bool> {
    let named = std::fs::metadata(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let open = file.metadata()?;
        if (open.dev(), open.ino()) != (named.dev(), named.ino()) {
            return Ok(true);
        }
    }
    Ok(named.len() < file.stream_position()?)
}

/// The command in the system's shell, apart from this program, so that all that it starts ends with it and with nothing else.
fn spawn(command: &str) -> std::io::Result<(Child, ChildStdout)> {
    let mut shell = shell(command);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = apart(&mut shell).spawn()?;
    let output = child.stdout.take();
    let output = output.ok_or_else(|| std::io::Error::other("no output"))?;
    Ok((child, output))
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

/// cmd takes off the first and the last quotation mark and leaves all between as it is, where other programs know \".
#[cfg(windows)]
fn shell(command: &str) -> Command {
    use std::os::windows::process::CommandExt;
    let mut shell = Command::new("cmd");
    shell.args(["/S", "/C"]).raw_arg(format!("\"{command}\""));
    shell
}

/// Ends a command and all that it started, and says how it ended, if by itself.
fn end(child: &mut Child) -> Option<ExitStatus> {
    let by_itself = waited_for(child, Duration::from_millis(50));
    if by_itself.is_none() {
        signal(child);
        if waited_for(child, PATIENCE).is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
    by_itself
}

fn waited_for(child: &mut Child, time: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + time;
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(5)),
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
}

/// Asks the command, and what it started, to end.
#[cfg(unix)]
fn signal(child: &Child) {
    let Ok(group) = libc::pid_t::try_from(child.id()) else { return };
    #[expect(unsafe_code, reason = "a C call")]
    // SAFETY: a signal to a group that is the child's own, and the child was not waited for yet: its number is no
    // other's.
    unsafe {
        libc::kill(-group, libc::SIGTERM);
    }
}

/// Ends the command, and what it started.
#[cfg(not(unix))]
fn signal(child: &Child) {
    let mut end = Command::new("taskkill");
    end.args(["/T", "/F", "/PID", &child.id().to_string()]);
    let _ = apart(&mut end).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
