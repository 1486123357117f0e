//! Can a stranger's record be what it says? Its structure, its physics, and everything computed in it, computed again.
//!
//! What this cannot find: a record whose maker invented a trace and computed the rest from it by this very program.

use crate::analysis::{energy, summary, validity};
use crate::operands::{Activity, Dtype, Init, Matrix, Operand, Order, Origin, own};
use crate::record::file::{self, DIGITS, MORE_DIGITS};
use crate::record::plan::MOST_INITS;
use crate::record::read::Problem;
use crate::record::trace::{CLOCKS_MHZ, IMPLAUSIBLE_W, TEMPERATURES_C};
use crate::record::{Idle, Meter, PROTOCOL, Record, Scope, Trace, Units, Verdict, Window, read};
use jiff::{SignedDuration, Timestamp};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

/// Figures that are computed again may differ by this share: logarithms differ in their last bits between systems.
const SAME: f64 = 1e-9;
/// n of the largest matrices that are made again for their digests: 1 s of work, 2 GB of numbers.
const LARGEST_COMPUTED: usize = 16_384;

/// Of one file, so many problems are named: a stranger's file may have more than there is memory.
const MOST_PROBLEMS: usize = 1000;

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Enough to lay a record next to others, ten thousand of them in seconds: digests of the usual sizes are looked up.
    Quick,
    /// The text's form too, and the file's name.
    Form,
    /// Everything: matrices up to n = 16384 are made again for their digests and their bits, once for each size and seed.
    Full,
}

/// What was validated.
#[derive(Debug)]
pub struct Validation {
    /// Files that were read.
    pub files: usize,
    /// Files without a problem.
    pub good: usize,
    /// Of these, files of which some operands cannot be made again, because they were somebody's own: all else was checked.
    pub own: usize,
    /// In the order of their files.
    pub problems: Vec<Problem>,
}

/// Validates files, and all records in folders.
pub fn of(paths: &[PathBuf], depth: Depth) -> Validation {
    let (files, mut problems) = read::files(paths);
    let checked: Vec<_> =
        files.par_iter().map(|path| read(path, depth).map(|good| (good.digest, has_own(&good.record)))).collect();
    let mut originals = Originals::default();
    let (mut good, mut own) = (0, 0);
    for (path, outcome) in files.iter().zip(checked) {
        match outcome
            .and_then(|(digest, own)| originals.take(path, digest).map(|()| own).map_err(|problem| vec![problem]))
        {
            Ok(has_own) => (good, own) = (good + 1, own + usize::from(has_own)),
            Err(found) => problems.extend(found),
        }
    }
    problems.sort_by(|a, b| a.path.cmp(&b.path));
    Validation { files: files.len(), good, own, problems }
}

/// Are there numbers that only a file of their owner's has?
fn has_own(record: &Record) -> bool {
    record.plan.inits.iter().any(|init| matches!(init, Init::Own(_)))
}

/// A record without problems.
pub struct Good {
    pub record: Record,
    /// Of the file's bytes.
    pub digest: blake3::Hash,
    /// The file has another name than its record gives it: somebody renamed it, or changed it in a way that nothing else shows.
    pub renamed: bool,
}

/// Reads a record and looks whether it is what it says. What it is called matters to [`Depth::Form`] and deeper: people call a file as
/// they like.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path, depth: Depth) -> Result<Good, Vec<Problem>> {
    let (record, bytes) = read::read(path).map_err(|problem| vec![problem])?;
    let problems = problems(path, &record, &bytes, depth);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Good { renamed: proper_name(path, &record, &bytes).is_some(), digest: blake3::hash(&bytes), record })
}

/// Finds records that are there twice.
#[derive(Default)]
pub(crate) struct Originals(HashMap<blake3::Hash, PathBuf>);

impl Originals {
    /// Takes the next record.
    ///
    /// # Errors
    /// It is a copy of an earlier one.
    pub fn take(&mut self, path: &Path, digest: blake3::Hash) -> Result<(), Problem> {
        match self.0.insert(digest, path.into()) {
            None => Ok(()),
            Some(first) => Err(Problem::of_file(path, format!("is the same as {}", first.display()))),
        }
    }
}

/// Everything that is wrong with a record that was read from a file. What is computed is looked at only where its
/// foundation holds.
pub fn problems(path: &Path, record: &Record, bytes: &[u8], depth: Depth) -> Vec<Problem> {
    let mut findings = Findings { path, problems: vec![] };
    structure(record, &mut findings);
    if findings.problems.is_empty() {
        physics(record, &mut findings);
        arithmetic(record, &mut findings);
        inputs(record, depth, &mut findings);
    }
    if depth >= Depth::Form {
        form(record, bytes, &mut findings);
        if let Some(expected) = proper_name(path, record, bytes) {
            let found = path.file_name().unwrap_or_default().to_string_lossy();
            findings.add("", "the name does not fit the content: one of the two was changed", expected, found);
        }
    }
    findings.problems
}

struct Findings<'a> {
    path: &'a Path,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn add(&mut self, place: impl Into<String>, what: &str, expected: impl ToString, found: impl ToString) {
        if self.problems.len() == MOST_PROBLEMS {
            self.problems.push(Problem::of_file(self.path, format!("has more: {MOST_PROBLEMS} are named")));
        }
        if self.problems.len() > MOST_PROBLEMS {
            return;
        }
        self.problems.push(Problem {
            path: self.path.into(),
            place: place.into(),
            what: what.into(),
            expected: Some(expected.to_string().into()),
            found: Some(found.to_string().into()),
        });
    }

    /// A figure must lie within [least, most].
    fn within(&mut self, place: impl Into<String>, what: &str, value: f64, (least, most): (f64, f64)) {
        if !(least..=most).contains(&value) {
            self.add(place, what, format!("{least} to {most}"), value);
        }
    }
}

/// What everything else rests on.
fn structure(record: &Record, findings: &mut Findings) {
    let plan = &record.plan;
    if record.protocol != PROTOCOL {
        findings.add("protocol", "is not a protocol that this program knows", PROTOCOL, &record.protocol);
    }
    started(&record.run.started, findings);
    if let Some(label) = &record.run.label
        && let Err(why) = file::check_label(label)
    {
        findings.add("run.label", "is no label", "a short line of text", why);
    }
    findings.within("plan.size", "is no size", plan.size as f64, (1.0, 1e6));
    findings.within("plan.rounds", "is no number of rounds", f64::from(plan.rounds), (1.0, 1000.0));
    for (name, least_s, planned_s, fixed, had_s) in [
        ("window_s", 0.001, plan.window_s, plan.window_fixed, record.timing.window_s),
        ("settling_s", 0.0, plan.settling_s, plan.settling_fixed, record.timing.settling_s),
    ] {
        findings.within(format!("plan.{name}"), "is no length of time", planned_s, (least_s, 36_000.0));
        // A slow sensor makes what was not fixed longer, and never shorter.
        let longest_s = if fixed { planned_s } else { 36_000.0 };
        findings.within(format!("timing.{name}"), "does not follow from the plan", had_s, (planned_s, longest_s));
    }
    let inits = &plan.inits;
    let distinct: HashSet<Init> = inits.iter().copied().collect();
    if !(2..=MOST_INITS).contains(&inits.len()) || distinct.len() < inits.len() {
        let names = inits.iter().take(MOST_INITS).map(Init::to_string).collect::<Vec<_>>().join(", ");
        findings.add("plan.inits", "does not compare anything", format!("2 to {MOST_INITS} inits, each once"), names);
    }
    if !record.kernel.order.is_sound() {
        let order = serde_json::to_value(record.kernel.order).unwrap_or_default();
        findings.add("kernel.order", "is no order of a kernel", "columns by four, no more than 4096 sums", order);
    }
    let (simulated, truth) = (record.adapter.backend == "simulated", record.truth.is_some());
    let by_matrix_units = plan.units == Units::Matrix;
    if by_matrix_units && plan.dtype != Dtype::F16 {
        findings.add("plan.units", "have no such type", "f16", plan.dtype.name());
    }
    // Names of kernels say for which units they are; a simulated board has none.
    if !simulated && by_matrix_units != record.kernel.variant.starts_with("matrix") {
        findings.add("plan.units", "are not those of the kernel", record.kernel.variant.as_str(), plan.units.name());
    }
    if simulated != truth {
        let what = "a simulated run carries its truth, and no other run has one";
        findings.add(
            "truth",
            what,
            if simulated { "the truth" } else { "null" },
            if truth { "a truth" } else { "null" },
        );
    }
    trace(&record.trace, findings);
    if let Some(of) = &record.meter {
        meter(of, findings);
    }
    windows(record, findings);
}

fn started(text: &str, findings: &mut Findings) {
    const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";
    let time = text.parse::<Timestamp>().ok().filter(|time| time.strftime(FORM).to_string() == text);
    // A day: clocks are set wrong, and a run of the future would be the newest for ever.
    let latest = Timestamp::now().checked_add(SignedDuration::from_hours(24));
    match time {
        None => findings.add("run.started", "is no time", "such as 2026-01-31T14:12:00Z", text),
        Some(time) if latest.is_ok_and(|latest| time > latest) => {
            findings.add("run.started", "is in the future", "a time before tomorrow", text)
        }
        Some(_) => {}
    }
}

fn trace(trace: &Trace, findings: &mut Findings) {
    let rows = trace.t_s.len();
    for (name, length) in [
        ("power_w", trace.power_w.len()),
        ("energy_j", trace.energy_j.len()),
        ("temperature_c", trace.temperature_c.len()),
        ("clock_mhz", trace.clock_mhz.len()),
    ] {
        if length != rows {
            findings.add(format!("trace.{name}"), "is not as long as trace.t_s", rows, length);
        }
    }
    if let Some(i) = (1..rows).find(|&i| trace.t_s[i] < trace.t_s[i - 1]) {
        let least = format!("{} or more", trace.t_s[i - 1]);
        findings.add(format!("trace.t_s[{i}]"), "goes back in time", least, trace.t_s[i]);
    }
}

fn meter(meter: &Meter, findings: &mut Findings) {
    let rows = meter.t_s.len();
    for (name, length) in [("power_w", meter.power_w.len()), ("own_s", meter.own_s.len())] {
        if length != rows {
            findings.add(format!("meter.{name}"), "is not as long as meter.t_s", rows, length);
        }
    }
    if let Some(i) = (1..rows).find(|&i| meter.t_s[i] < meter.t_s[i - 1]) {
        let least = format!("{} or more", meter.t_s[i - 1]);
        findings.add(format!("meter.t_s[{i}]"), "goes back in time", least, meter.t_s[i]);
    }
    if !matches!(meter.scope, Scope::Board | Scope::System) {
        findings.add("meter.scope", "is none of a meter", "board or system", meter.scope.to_string());
    }
}

fn windows(record: &Record, findings: &mut Findings) {
    let plan = &record.plan;
    let mut ended_s = 0.0;
    let mut seen = HashSet::new();
    for (i, window) in record.windows.iter().enumerate() {
        let Window { init, round, start_s, duration_s, products, busy, .. } = window;
        let place = |field: &str| format!("windows[{i}].{field}");
        if !plan.inits.contains(init) {
            findings.add(place("init"), "is not in the plan", "one of plan.inits", init);
        }
        if *round >= plan.rounds {
            findings.add(place("round"), "is not in the plan", format!("0 to {}", plan.rounds.max(1) - 1), round);
        }
        if !seen.insert((*init, *round)) {
            findings.add(place("round"), "is there twice", format!("one window of {init} a round"), round);
        }
        // Times are rounded to a microsecond.
        if *start_s < ended_s - 1e-5 {
            findings.add(place("start_s"), "begins before the one before ends", format!("{ended_s} or more"), start_s);
        }
        if !(record.timing.window_s - 1e-5..=1e6).contains(duration_s) {
            let least = format!("{} or more", record.timing.window_s);
            findings.add(place("duration_s"), "is shorter than the run's windows, or endless", least, duration_s);
        }
        findings.within(place("products"), "is no number of products", *products, (1e-6, 1e15));
        if let Some(busy) = busy {
            findings.within(place("busy"), "is no share", *busy, (0.0, 1.001));
        }
        ended_s = start_s + duration_s;
    }
}

/// Figures that no device shows.
fn physics(record: &Record, findings: &mut Findings) {
    // What a sensor showed is no reason to refuse the record of it: the verdict says which figures cannot be. But those that lead were
    // believed, and so are no more than the device can draw.
    let most_w = energy::most_w(record.source.as_ref(), &record.trace);
    let lead = record.summary.sensor.lead;
    for (i, window) in record.windows.iter().enumerate() {
        if let Some(watts) = window.power_w.watts(lead) {
            findings.within(format!("windows[{i}].power_w"), "is no power of this device", watts, (0.0, most_w));
        }
    }
    if let Some(watts) = record.summary.sensor.idle_w {
        findings.within("summary.sensor.idle_w", "is no power of this device", watts, (0.0, most_w));
    }
    let Trace { power_w, temperature_c, clock_mhz, .. } = &record.trace;
    // A sensor that is not believed may have shown anything.
    let power_w: &[Option<f64>] = if record.summary.sensor.power_doubt.is_some() { &[] } else { power_w };
    for (name, column, what, range) in [
        ("power_w", power_w, "is no power of a board", (0.0, IMPLAUSIBLE_W)),
        ("temperature_c", temperature_c, "is no temperature of a chip", TEMPERATURES_C),
        ("clock_mhz", clock_mhz, "is no clock", CLOCKS_MHZ),
    ] {
        let outside = |value: &Option<f64>| value.is_some_and(|value| !(range.0..=range.1).contains(&value));
        // One of a column is enough: the rest is likely the same.
        if let Some(i) = column.iter().position(outside) {
            findings.within(format!("trace.{name}[{i}]"), what, column[i].unwrap_or(f64::NAN), range);
        }
    }
}

fn idles(record: &Record) -> [(&'static str, Option<Idle>); 3] {
    [("cold", record.idle.cold), ("open", record.idle.open), ("hot", record.idle.hot)]
}

/// Windows and idle from the trace, the summary from those, and the verdict from all.
fn arithmetic(record: &Record, findings: &mut Findings) {
    let trace = &record.trace;
    for (name, idle) in idles(record) {
        if let Some(idle) = idle {
            let mut again = energy::idle(trace, idle.start_s, idle.duration_s);
            again.clock_mhz = again.clock_mhz.filter(|_| idle.clock_mhz.is_some());
            difference(&format!("idle.{name}"), "is not what the trace says", &again, &idle, findings);
        }
    }
    let windows = summary::with_power_of_trace(&record.windows, trace, record.source.as_ref(), &record.idle);
    for (i, (again, window)) in windows.iter().zip(&record.windows).enumerate() {
        difference(&format!("windows[{i}]"), "is not what the trace says", again, window, findings);
    }
    // Each step is held against what stands in the record, so that one changed figure is one problem.
    difference("summary", "does not follow from the windows", &summary::of(record), &record.summary, findings);
    let again = validity::of(record);
    // Sentences may be worded better in another version; what they say may not change.
    let wordless = |verdict: &Verdict| {
        let mut verdict = verdict.clone();
        for reason in &mut verdict.reasons {
            reason.message.clear();
            reason.fix.clear();
        }
        verdict
    };
    let what = "does not follow from the windows, the trace and the summary";
    difference("verdict", what, &wordless(&again), &wordless(&record.verdict), findings);
}

/// Adds a problem for every value in which two things differ.
fn difference<T: Serialize + PartialEq>(place: &str, what: &str, expected: &T, found: &T, findings: &mut Findings) {
    if expected == found {
        return;
    }
    let json = |thing: &T| serde_json::to_value(thing).unwrap_or_default();
    values_differ(place, what, &json(expected), &json(found), findings);
}

fn values_differ(place: &str, what: &str, expected: &Value, found: &Value, findings: &mut Findings) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let others = found.keys().filter(|key| !expected.contains_key(*key));
            for key in expected.keys().chain(others) {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                values_differ(&format!("{place}.{key}"), what, &of(expected), &of(found), findings);
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (i, (expected, found)) in expected.iter().zip(found).enumerate() {
                values_differ(&format!("{place}[{i}]"), what, expected, found, findings);
            }
        }
        (expected, found) => {
            let same = match (expected.as_f64(), found.as_f64()) {
                (Some(a), Some(b)) => (a - b).abs() <= SAME * a.abs().max(b.abs()),
                _ => expected == found,
            };
            if !same {
                findings.add(place, what, expected, found);
            }
        }
    }
}

/// Are the digests those of the numbers that init, seed and type mean, and the scales, and the bits that switch?
fn inputs(record: &Record, depth: Depth, findings: &mut Findings) {
    let plan = &record.plan;
    origins(record, findings);
    if record.truth.is_some() {
        return; // a simulated run has no matrices
    }
    for &init in &plan.inits {
        let Some(inputs) = record.inputs.get(&init) else {
            findings.add(format!("inputs.{init}"), "is missing", "digests of A and B", "null");
            continue;
        };
        for (operand, name, digest, scale, origin) in [
            (Operand::A, "a", &inputs.digest_a, inputs.scale_a, &inputs.origin_a),
            (Operand::B, "b", &inputs.digest_b, inputs.scale_b, &inputs.origin_b),
        ] {
            let init = match origin {
                Some(Origin::Tensor(_)) => continue, // its owner alone has it
                Some(Origin::Init(init)) => *init,
                None => init,
            };
            let matrix = Matrix { init, operand, seed: plan.seed, size: plan.size };
            let known = known(plan.dtype, &matrix).map(|digest| (digest, None));
            let expected = known.or_else(|| if depth == Depth::Full { computed(plan.dtype, matrix) } else { None });
            let Some((expected_digest, expected_scale)) = expected else { continue };
            if expected_digest != *digest {
                let what = "is not the digest of these numbers";
                findings.add(format!("inputs.{init}.digest_{name}"), what, expected_digest, digest);
            }
            let place = format!("inputs.{init}.scale_{name}");
            difference(&place, "is not the scale of these numbers", &expected_scale, &scale, findings);
        }
        if depth == Depth::Full
            && !matches!(init, Init::Own(_))
            && let Some((activity, exchanged)) = inputs
                .activity
                .or(inputs.activity_exchanged)
                .and_then(|_| bits(plan.dtype, init, plan.seed, plan.size, record.kernel.order))
        {
            let counted = [
                ("activity", inputs.activity, Some(activity)),
                ("activity_exchanged", inputs.activity_exchanged, exchanged),
            ];
            for (name, found, expected) in counted {
                // Older records have not counted all.
                if found.is_some() {
                    let place = format!("inputs.{init}.{name}");
                    difference(&place, "is not that of these numbers", &expected, &found, findings);
                }
            }
        }
    }
}

/// Has every init that is named after a file's numbers the name that follows from them, and no other init any?
fn origins(record: &Record, findings: &mut Findings) {
    let size = record.plan.size;
    for (init, inputs) in &record.inputs {
        let place = |name: &str| format!("inputs.{init}.{name}");
        let (a, b) = match (init, &inputs.origin_a, &inputs.origin_b) {
            (Init::Own(own), Some(a), Some(b)) => {
                let expected = own::named(a, b);
                if expected != *own {
                    findings.add(place("origin_a"), "is not what the init is named after", expected, own);
                }
                (a, b)
            }
            (Init::Own(_), ..) => {
                findings.add(place("origin_a"), "is missing", "where the numbers of A and B are from", "null");
                continue;
            }
            (_, None, None) => continue,
            _ => {
                findings.add(place("origin_a"), "is there, though the init is of no file", "null", "an origin");
                continue;
            }
        };
        let is_init = |origin: &Origin| matches!(origin, Origin::Init(init) if !matches!(init, Init::Own(_)));
        let is_tensor = |origin: &Origin| matches!(origin, Origin::Tensor(_));
        if !(is_tensor(a) && (is_tensor(b) || is_init(b)) || is_init(a) && is_tensor(b)) {
            findings.add(place("origin_a"), "and origin_b are of no file", "a tensor at least", format!("{a}, {b}"));
        }
        for (name, origin) in [("origin_a", a), ("origin_b", b)] {
            if origin.fits(size) == Some(false) {
                let what = "rows and columns do not follow from its shape and n";
                findings.add(place(name), what, "whole, cut or repeated as they are", origin);
            }
        }
    }
}

/// Digests of the usual sizes, seed 0: of zeros, and of A and B of gaussian.
const KNOWN: [(usize, [&str; 3]); 2] = [
    (
        1024,
        [
            "04e52cd2da6a0e1f338b0078369130d96585c1de65057da5dd1283b12fb853e1",
            "e3b5e99eb29bb3d063de6d27b0f79ab4122c4b3ca0f9c9bb74bb5c2b73e238d0",
            "481ed6019cc93a740af4a630093d107bc67ea331e96ac45c34fee2aeeca990c7",
        ],
    ),
    (
        10_000,
        [
            "766257b59228ef7b2e5090b4ff1e7a3cbfe6e3fac4b264f050279a7fac46c8fe",
            "f1e8eaa1f22d612d469384d07c4a55033d8a8398aaf880bc4922285c2c8e8e06",
            "c36e66c426292fd106bd97297f12e255e66970d26750add0784073bc139a8acb",
        ],
    ),
];

/// The digest of a matrix of a usual size and type, seed 0.
pub fn known(dtype: Dtype, matrix: &Matrix) -> Option<String> {
    let usual = |size: usize| size == matrix.size && matrix.seed == 0 && dtype == Dtype::F32;
    let (_, [zeros, a, b]) = KNOWN.iter().find(|(size, _)| usual(*size))?;
    let digest = match (matrix.init, matrix.operand) {
        (Init::Zeros, _) => zeros,
        (Init::Gaussian, Operand::A) => a,
        (Init::Gaussian, Operand::B) => b,
        _ => return None,
    };
    Some((*digest).to_owned())
}

/// The digest and the scale of a matrix. None if it is too large to be made for that.
fn computed(dtype: Dtype, matrix: Matrix) -> Option<(String, Option<f64>)> {
    static MADE: Once<(Dtype, Matrix), (String, Option<f64>)> = Once::new();
    (matrix.size <= LARGEST_COMPUTED).then(|| MADE.get((dtype, matrix), || dtype.digest(&matrix)))
}

type Counted = (Activity, Option<Activity>);

/// The bits that switch with the operands of an init, in an order and in that with rows and columns exchanged. None if they are too large
/// to be made for that.
fn bits(dtype: Dtype, init: Init, seed: u64, size: usize, order: Order) -> Option<Counted> {
    static COUNTED: Once<(Dtype, Init, u64, usize, Order), Counted> = Once::new();
    let count = || COUNTED.get((dtype, init, seed, size, order), || Activity::of_both(dtype, init, seed, size, order));
    (size <= LARGEST_COMPUTED).then(count)
}

/// What takes long and is asked for by many records: found out once for each key, whichever thread comes first.
struct Once<K, V>(LazyLock<Mutex<HashMap<K, Arc<OnceLock<V>>>>>);

impl<K: Eq + Hash, V: Clone> Once<K, V> {
    const fn new() -> Self {
        Once(LazyLock::new(Mutex::default))
    }

    fn get(&self, key: K, find: impl FnOnce() -> V) -> V {
        let cell = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        cell.get_or_init(find).clone()
    }
}

/// The text must be what the record is written as: a reader of JSON takes a list for an object, and a key that is there twice,
/// and another program would read something else.
fn form(record: &Record, bytes: &[u8], findings: &mut Findings) {
    let written = serde_json::to_value(record).unwrap_or_default();
    let read = serde_json::from_slice(bytes).unwrap_or_default();
    forms_differ("", &written, &read, findings);
}

fn forms_differ(place: &str, written: &Value, read: &Value, findings: &mut Findings) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            // What is missing has a default: records of earlier versions lack it.
            for (key, read) in read {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                forms_differ(&place, written.get(key).unwrap_or(&Value::Null), read, findings);
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            for (i, (written, read)) in written.iter().zip(read).enumerate() {
                forms_differ(&format!("{place}[{i}]"), written, read, findings);
            }
        }
        (Value::Number(written), Value::Number(read)) if written.as_f64() == read.as_f64() => {}
        (written, read) if written == read => {}
        (written, read) => {
            let short = |value: &Value| value.to_string().chars().take(60).collect::<String>();
            findings.add(place, "is not written as the schema has it", short(written), short(read));
        }
    }
}

/// The name that a record gives its file (when, on what, and the digest of its content), where the file has another.
fn proper_name(path: &Path, record: &Record, bytes: &[u8]) -> Option<String> {
    let found = path.file_name().unwrap_or_default().to_string_lossy();
    let fits = |text: &[u8]| [DIGITS, MORE_DIGITS].iter().any(|&digits| found == record.file_name_of(text, digits));
    // Whoever only laid the JSON out anew changed nothing. Nearly nobody did: the record is written again only then.
    let has_it = fits(bytes) || fits(record.to_json().as_bytes());
    (!has_it).then(|| record.file_name_of(bytes, DIGITS))
}
