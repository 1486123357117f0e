//! The verdict: can the record's numbers be believed, and if not, why, and what to do about it.

use crate::energy::{CounterFault, Lead};
use crate::inputs::Init;
use crate::power::Limiter;
use crate::record::{Record, WindowRecord};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How far a record can be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub status: Status,
    pub flags: Vec<Flag>,
    pub reasons: Vec<Reason>,
}

/// From best to worst, but for `Simulated`, which is neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// All checks hold.
    Valid,
    /// Energy was measured, but the sensor failed a cross-check.
    UnverifiedSensor,
    /// No sensor: times, and no joules.
    TimingOnly,
    Invalid,
    /// No GPU was measured at all.
    Simulated,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Status::Valid => "valid",
            Status::UnverifiedSensor => "unverified-sensor",
            Status::TimingOnly => "timing-only",
            Status::Invalid => "invalid",
            Status::Simulated => "simulated",
        })
    }
}

/// What belongs to the answer without spoiling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// The power limit slowed a window: time is part of the answer.
    PowerCapped,
    /// Without joules to judge by, the time of a product drifted.
    UnsteadyTime,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Flag::PowerCapped => "power-capped",
            Flag::UnsteadyTime => "unsteady-time",
        })
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// Stays the same for ever; the message may be worded better.
    pub code: String,
    pub message: String,
    pub value: Option<f64>,
    pub limit: Option<f64>,
    /// What to do about it.
    pub mend: String,
}

/// The device must work for this share of a window, by its own clock.
const LEAST_BUSY: f64 = 0.98;
/// Energy (or time) of a product may differ by this share between the first and the last round.
const MOST_DRIFT: f64 = 0.02;
/// Updates that a window needs.
const LEAST_COUNTER_UPDATES: u32 = 4;
const LEAST_POLLED_UPDATES: u32 = 20;
/// Counter and polled power may differ by this share.
const MOST_DISAGREEMENT: f64 = 0.05;
/// A product in less than this share of the tuned kernel's time was not computed.
const LEAST_TIME: f64 = 0.5;
/// A clock this much below the highest of the run has fallen.
const FALLEN_CLOCK: f64 = 0.01;
/// Power this close to the limit is at the limit.
const AT_LIMIT: f64 = 0.97;

/// Judges a record by its windows, trace and summary.
pub fn of(record: &Record) -> Verdict {
    let mut findings = Findings { status: Status::Valid, flags: vec![], reasons: vec![] };
    completeness(record, &mut findings);
    products(record, &mut findings);
    device(record, &mut findings);
    sensor(record, &mut findings);
    limits(record, &mut findings);
    drift(record, &mut findings);
    let Findings { status, flags, reasons } = findings;
    Verdict { status: if record.truth.is_some() { Status::Simulated } else { status }, flags, reasons }
}

impl Verdict {
    /// Is any of the reasons one that makes a record invalid? For simulated records, whose status does not say.
    pub fn has(&self, code: &str) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}

struct Findings {
    status: Status,
    flags: Vec<Flag>,
    reasons: Vec<Reason>,
}

impl Findings {
    fn add(
        &mut self,
        status: Status,
        code: &str,
        message: String,
        figures: (Option<f64>, Option<f64>),
        mend: impl Into<String>,
    ) {
        self.status = self.status.max(status);
        let (value, limit) = figures;
        self.reasons.push(Reason { code: code.into(), message, value, limit, mend: mend.into() });
    }
}

fn completeness(record: &Record, findings: &mut Findings) {
    let planned = record.plan.rounds as usize * record.plan.inits.len();
    if record.windows.len() < planned {
        let why = record.run.halted.as_deref().unwrap_or("nothing says why");
        let message = format!("{} of {planned} windows were measured: {why}", record.windows.len());
        let figures = (Some(record.windows.len() as f64), Some(planned as f64));
        findings.add(Status::Invalid, "stopped-early", message, figures, "run it again, to its end");
    }
}

fn products(record: &Record, findings: &mut Findings) {
    for &init in &record.plan.inits {
        let wrong = record.windows.iter().filter(|window| window.init == init && !window.products_right).count();
        if wrong > 0 {
            let message = format!("the products of {init} were not A·B after {wrong} windows");
            let mend = "update the driver; lower an overclock; check the card's memory";
            findings.add(Status::Invalid, "wrong-product", message, (Some(wrong as f64), Some(0.0)), mend);
        }
    }
    let tuned_s =
        record.kernel.tuning.iter().find(|trial| trial.kernel == record.kernel.variant).and_then(|t| t.time_s);
    let fastest = record.windows.iter().map(|window| window.duration_s / window.products).min_by(f64::total_cmp);
    if let (Some(tuned_s), Some(fastest_s)) = (tuned_s, fastest)
        && fastest_s < LEAST_TIME * tuned_s
    {
        let message =
            format!("a product took {:.2} of the time that the kernel needs: work was skipped", fastest_s / tuned_s);
        let mend = "a driver that ends long work silently does this: choose a smaller --size";
        findings.add(Status::Invalid, "skipped-work", message, (Some(fastest_s / tuned_s), Some(LEAST_TIME)), mend);
    }
}

fn device(record: &Record, findings: &mut Findings) {
    let least = record.windows.iter().filter_map(|window| window.busy).min_by(f64::total_cmp);
    if let Some(busy) = least.filter(|&busy| busy < LEAST_BUSY) {
        let message = format!("the device worked for only {:.1} % of a window", busy * 100.0);
        let mend = "end what else uses the CPU or the GPU; choose a larger --size";
        findings.add(Status::Invalid, "not-busy", message, (Some(busy), Some(LEAST_BUSY)), mend);
    }
}

fn sensor(record: &Record, findings: &mut Findings) {
    let windows = &record.windows;
    let Some(source) = &record.source else {
        let why = record.run.no_sensor.as_deref().unwrap_or("no sensor");
        let mend = "`wattmul devices` lists the sensors of this machine; --power names one";
        findings.add(Status::TimingOnly, "no-sensor", format!("no energy was measured: {why}"), (None, None), mend);
        return;
    };
    let failed = match (&record.run.last_failure, record.run.failed_reads) {
        (Some(why), count) => format!(" ({count} reads failed, the last because {why})"),
        (None, _) => String::new(),
    };
    let silent = |window: &WindowRecord| window.power_w.counter.is_none() && window.power_w.polled.is_none();
    if !windows.is_empty() && windows.iter().all(silent) {
        let message = format!("{} gave no power and no energy{failed}", source.api);
        let mend = "see that the vendor's own tool shows power; --power names another sensor";
        findings.add(Status::TimingOnly, "sensor-silent", message, (None, None), mend);
        return;
    }

    let lead = record.summary.sensor.lead;
    let (least, needed) = match lead {
        Some(Lead::Counter) => (windows.iter().map(|w| w.power_w.counter_updates).min(), LEAST_COUNTER_UPDATES),
        _ => (windows.iter().map(|w| w.power_w.polled_updates).min(), LEAST_POLLED_UPDATES),
    };
    if let Some(least) = least.filter(|&least| least < needed) {
        let message = format!("a window had {least} updates of the sensor, and needs {needed}{failed}");
        let figures = (Some(f64::from(least)), Some(f64::from(needed)));
        findings.add(Status::Invalid, "too-few-updates", message, figures, "choose a longer --window");
    }
    let zero = |window: &&WindowRecord| {
        let mut rows = record.trace.rows_within(window.start_s, window.start_s + window.duration_s);
        window.power_w.watts(lead).is_some_and(|watts| watts <= 0.0) || rows.any(|row| row.power_w == Some(0.0))
    };
    let zeros = windows.iter().filter(zero).count();
    if zeros > 0 {
        // A mean over such figures is no power; a counter's difference is.
        let status = if lead == Some(Lead::Counter) { Status::UnverifiedSensor } else { Status::Invalid };
        let message = format!("{} showed no power above 0 in {zeros} windows of full load", source.api);
        let mend = "--power names another sensor; on a card of two dies the first one may report for both";
        findings.add(status, "zero-power", message, (Some(zeros as f64), Some(0.0)), mend);
    }
    if let [other, ..] = source.shared_with[..] {
        let message = format!("the sensor also counts the device at {other}");
        let mend = "keep that device idle: the energy above idle is this device's own then, and the whole is not";
        findings.add(Status::UnverifiedSensor, "sensor-shared", message, (None, None), mend);
    }
    if source.counter.is_some() {
        let faults = |fault| windows.iter().filter(|w| w.power_w.counter_fault == Some(fault)).count();
        let frozen = windows.iter().filter(|w| w.power_w.counter_updates == 0 && w.power_w.polled.is_some()).count();
        let absurd = lead == Some(Lead::Polled) && windows.iter().all(|window| window.power_w.counter.is_some());
        for (code, count, what) in [
            ("counter-stepped-back", faults(CounterFault::SteppedBack), "went backwards"),
            ("counter-jumped", faults(CounterFault::Jumped), "rose faster than any board draws power"),
            ("counter-frozen", frozen, "did not move"),
            (
                "counter-absurd",
                if absurd { windows.len() } else { 0 },
                "shows under a tenth or over ten times of the power",
            ),
        ] {
            if count > 0 {
                let instead = if lead == Some(Lead::Polled) { "; power × time stands in" } else { "" };
                let message = format!("the energy counter {what} in {count} windows{instead}");
                let mend = "update the driver; the counters of some cards are known to be broken";
                findings.add(Status::UnverifiedSensor, code, message, (Some(count as f64), Some(0.0)), mend);
            }
        }
    }
    if let Some(share) = record.summary.sensor.disagreement.filter(|share| share.abs() > MOST_DISAGREEMENT)
        && lead == Some(Lead::Counter)
    {
        let message = format!("the energy counter and power × time differ by {:+.1} %", share * 100.0);
        let mend = "one of the two is wrong: compare with a power meter, and update the driver";
        findings.add(
            Status::UnverifiedSensor,
            "counter-disagrees",
            message,
            (Some(share), Some(MOST_DISAGREEMENT)),
            mend,
        );
    }
}

fn limits(record: &Record, findings: &mut Findings) {
    let limited = |limiter: Limiter| {
        let has = |window: &&WindowRecord| window.limiters.as_ref().is_some_and(|limiters| limiters.contains(&limiter));
        record.windows.iter().filter(has).count()
    };
    for (limiter, code, what, mend) in [
        (Limiter::Thermal, "thermal-slowdown", "heat", "cool the GPU better, or lock a lower clock with --lock-clock"),
        (Limiter::Hardware, "hardware-slowdown", "a hardware protection", "check the power supply and its cables"),
    ] {
        let count = limited(limiter);
        if count > 0 {
            let message = format!("{what} slowed the GPU in {count} windows");
            findings.add(Status::Invalid, code, message, (Some(count as f64), Some(0.0)), mend);
        }
    }

    // A cap's flag alone is no slowdown (some cards raise it as a precaution), and a clock alone may wander: a window is
    // power-capped when it is at the limit, by flag or by power, and its clock has fallen.
    let highest = record.windows.iter().filter_map(|window| window.clock_mhz).max_by(f64::total_cmp);
    let lead = record.summary.sensor.lead;
    let limit_w = record.source.as_ref().and_then(|source| source.power_limit_w);
    let capped = |window: &WindowRecord| {
        let flagged = window.limiters.as_ref().is_some_and(|limiters| limiters.contains(&Limiter::PowerCap));
        let at_limit = window.power_w.watts(lead).zip(limit_w).is_some_and(|(watts, limit)| watts >= AT_LIMIT * limit);
        let fallen =
            window.clock_mhz.zip(highest).is_some_and(|(clock, highest)| clock < highest * (1.0 - FALLEN_CLOCK));
        (flagged || at_limit) && fallen
    };
    let capped: Vec<Init> = record
        .plan
        .inits
        .iter()
        .copied()
        .filter(|&init| record.windows.iter().any(|window| window.init == init && capped(window)))
        .collect();
    if !capped.is_empty() {
        let names = capped.iter().map(|init| init.name()).collect::<Vec<_>>().join(" and ");
        let limit = limit_w.map(|limit| format!(" of {limit:.0} W")).unwrap_or_default();
        let message = format!("the power limit{limit} held the clock down on {names}");
        let mend = "time is part of the answer; --lock-clock below that clock takes it out";
        findings.flags.push(Flag::PowerCapped);
        findings.add(Status::Valid, "power-capped", message, (None, limit_w), mend);
    }
}

fn drift(record: &Record, findings: &mut Findings) {
    let lead = record.summary.sensor.lead;
    let quantity = |window: &WindowRecord| {
        let product_s = window.duration_s / window.products;
        if lead.is_some() { Some(window.power_w.watts(lead)? * product_s) } else { Some(product_s) }
    };
    let drift_of = |&init: &Init| {
        let mut of_init = record.windows.iter().filter(|window| window.init == init);
        let (first, last) = (of_init.next()?, of_init.next_back()?);
        Some((init, quantity(last)? / quantity(first)? - 1.0))
    };
    let worst = record.plan.inits.iter().filter_map(drift_of).max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    if let Some((init, share)) = worst.filter(|(_, share)| share.abs() > MOST_DRIFT) {
        let (what, status) = match lead {
            Some(_) => ("energy", Status::Invalid),
            None => ("time", Status::Valid),
        };
        let message = format!(
            "the {what} of a product of {init} drifted by {:+.1} % from the first round to the last",
            share * 100.0
        );
        let mend = "end what else uses the machine; warm up longer with --warm-up; run it again";
        let code = if lead.is_some() { "drift" } else { "unsteady-time" };
        if lead.is_none() {
            findings.flags.push(Flag::UnsteadyTime);
        }
        findings.add(status, code, message, (Some(share), Some(MOST_DRIFT)), mend);
    }
}
