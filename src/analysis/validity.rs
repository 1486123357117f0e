//! The verdict: can the record's numbers be believed, and if not, why, and what to do about it.

use super::{energy, stats};
use crate::operands::Init;
use crate::record::{CounterFault, Flag, Lead, Limiter, Reason, Record, Status, Verdict, Window};

/// The device must work for this share of a window, by its own clock.
const LEAST_BUSY: f64 = 0.98;
/// Energy (or time) of a product may differ by this share between the first and the last round, and between any window
/// and the median of its init: three of six windows that are off by so much move the ratio by half of it.
const MOST_DRIFT: f64 = 0.02;
/// Updates that a window needs.
const LEAST_COUNTER_UPDATES: u32 = 4;
const LEAST_POLLED_UPDATES: u32 = 20;
/// A sensor that is silent for more than this share of a window did not measure it.
const MOST_SILENCE: f64 = 0.5;
/// Counter and polled power may differ by this share, in any window.
const MOST_DISAGREEMENT: f64 = 0.05;
/// A product in less than this share of its best time in the warm-up was not computed.
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
    match record.truth {
        None => Verdict { status, judged: None, flags, reasons },
        Some(_) => Verdict { status: Status::Simulated, judged: Some(status), flags, reasons },
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
        fix: impl Into<String>,
    ) {
        self.status = self.status.max(status);
        let (value, limit) = figures;
        self.reasons.push(Reason { code: code.into(), message, value, limit, fix: fix.into() });
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
            let fix = "update the driver; lower an overclock; check the card's memory";
            findings.add(Status::Invalid, "wrong-product", message, (Some(wrong as f64), Some(0.0)), fix);
        }
    }
    // Not against the kernel's trials: those may have run at another clock.
    let warm_s = record.warm_up.and_then(|warm_up| warm_up.fast_product_s);
    let fastest = record.windows.iter().map(|window| window.duration_s / window.products).min_by(f64::total_cmp);
    if let (Some(warm_s), Some(fastest_s)) = (warm_s, fastest)
        && fastest_s < LEAST_TIME * warm_s
    {
        let share = fastest_s / warm_s;
        let message =
            format!("a product took {share:.2} of the time that it took at best in the warm-up: work was skipped");
        let fix = "a driver that ends long work silently does this: choose a smaller --size";
        findings.add(Status::Invalid, "skipped-work", message, (Some(share), Some(LEAST_TIME)), fix);
    }
}

fn device(record: &Record, findings: &mut Findings) {
    let least = record.windows.iter().filter_map(|window| window.busy).min_by(f64::total_cmp);
    if let Some(busy) = least.filter(|&busy| busy < LEAST_BUSY) {
        let message = format!("the device worked for only {:.1} % of a window", busy * 100.0);
        let fix = "end what else uses the CPU or the GPU; choose a larger --size";
        findings.add(Status::Invalid, "not-busy", message, (Some(busy), Some(LEAST_BUSY)), fix);
    }
}

fn sensor(record: &Record, findings: &mut Findings) {
    let windows = &record.windows;
    let Some(source) = &record.source else {
        let why = record.run.no_sensor.as_deref().unwrap_or("no sensor");
        let fix = "`wattmul devices` lists the sensors of this machine; --power names one";
        findings.add(Status::TimingOnly, "no-sensor", format!("no energy was measured: {why}"), (None, None), fix);
        return;
    };
    let failed = match (&record.run.last_failure, record.run.failed_reads) {
        (Some(why), count) => format!(" ({count} reads failed, the last because {why})"),
        (None, _) => String::new(),
    };
    let silent = |window: &Window| window.power_w.counter.is_none() && window.power_w.polled.is_none();
    if !windows.is_empty() && windows.iter().all(silent) {
        let message = format!("{} gave no power and no energy{failed}", source.api);
        let fix = "see that the vendor's own tool shows power; --power names another sensor";
        findings.add(Status::TimingOnly, "sensor-silent", message, (None, None), fix);
        return;
    }

    let lost = windows.iter().filter(|w| w.power_w.silent_s > MOST_SILENCE * w.duration_s).count();
    if lost > 0 {
        let message = format!("{} did not answer in {lost} windows{failed}", source.api);
        let fix = "see that the vendor's own tool still shows power, and run it again";
        findings.add(Status::Invalid, "sensor-lost", message, (Some(lost as f64), Some(0.0)), fix);
        return;
    }

    let lead = record.summary.sensor.lead;
    let (least, needed) = match lead {
        Some(Lead::Counter) => (windows.iter().map(|w| w.power_w.counter_updates).min(), LEAST_COUNTER_UPDATES),
        None if source.power.is_none() => {
            (windows.iter().map(|w| w.power_w.counter_updates).min(), LEAST_COUNTER_UPDATES)
        }
        _ => (windows.iter().map(|w| w.power_w.polled_updates).min(), LEAST_POLLED_UPDATES),
    };
    if let Some(least) = least.filter(|&least| least < needed) {
        let message = format!("a window had {least} updates of the sensor, and needs {needed}{failed}");
        let figures = (Some(f64::from(least)), Some(f64::from(needed)));
        findings.add(Status::Invalid, "too-few-updates", message, figures, "choose a longer --window");
    }
    let zero = |window: &&Window| {
        let mut rows = record.trace.rows_within(window.start_s, window.start_s + window.duration_s);
        window.power_w.watts(lead).is_some_and(|watts| watts <= 0.0) || rows.any(|row| row.power_w == Some(0.0))
    };
    let zeros = windows.iter().filter(zero).count();
    if zeros > 0 {
        // A mean over such figures is no power; a counter's difference is.
        let status = if lead == Some(Lead::Counter) { Status::UnverifiedSensor } else { Status::Invalid };
        let message = format!("{} showed no power above 0 in {zeros} windows of full load", source.api);
        let fix = "--power names another sensor; on a card of two dies the first one may report for both";
        findings.add(status, "zero-power", message, (Some(zeros as f64), Some(0.0)), fix);
    }
    if let [other, ..] = source.shared_with[..] {
        let message = format!("the sensor also counts the device at {other}");
        let fix = "keep that device idle: the energy above idle is this device's own then, and the whole is not";
        findings.add(Status::UnverifiedSensor, "sensor-shared", message, (None, None), fix);
    }
    if source.counter.is_some() {
        let faults = |fault| windows.iter().filter(|w| w.power_w.counter_fault == Some(fault)).count();
        let frozen = faults(CounterFault::Frozen) + windows.iter().filter(|w| w.power_w.counter_updates == 0).count();
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
                let fix = "update the driver; the counters of some cards are known to be broken";
                let status = if lead.is_some() { Status::UnverifiedSensor } else { Status::Invalid };
                findings.add(status, code, message, (Some(count as f64), Some(0.0)), fix);
            }
        }
    }
    let outside = energy::steps_back(&record.trace);
    if outside > 0 && windows.iter().all(|window| window.power_w.counter_fault.is_none()) {
        let message = format!("the energy counter went backwards {outside} times outside of the windows");
        let fix = "the counters of some cards fall on idle; --power names another sensor";
        let figures = (Some(outside as f64), Some(0.0));
        findings.add(Status::UnverifiedSensor, "counter-stepped-back", message, figures, fix);
    }
    if let Some(share) = record.summary.sensor.disagreement.filter(|share| share.abs() > MOST_DISAGREEMENT)
        && lead == Some(Lead::Counter)
    {
        let message = format!("the energy counter and power × time differ by {:+.1} % in a window", share * 100.0);
        let fix = "one of the two is wrong: compare with a power meter, and update the driver";
        findings.add(
            Status::UnverifiedSensor,
            "counter-disagrees",
            message,
            (Some(share), Some(MOST_DISAGREEMENT)),
            fix,
        );
    }
}

fn limits(record: &Record, findings: &mut Findings) {
    let limited = |limiter: Limiter| {
        let has = |window: &&Window| window.limiters.as_ref().is_some_and(|limiters| limiters.contains(&limiter));
        record.windows.iter().filter(has).count()
    };
    for (limiter, code, what, fix) in [
        (Limiter::Thermal, "thermal-slowdown", "heat", "cool the GPU better, or lock a lower clock with --lock-clock"),
        (Limiter::Hardware, "hardware-slowdown", "a hardware protection", "check the power supply and its cables"),
    ] {
        let count = limited(limiter);
        if count > 0 {
            let message = format!("{what} slowed the GPU in {count} windows");
            findings.add(Status::Invalid, code, message, (Some(count as f64), Some(0.0)), fix);
        }
    }

    // A cap's flag alone is no slowdown (some cards raise it as a precaution), and a clock alone may wander: a window is
    // power-capped when it is at the limit, by flag or by power, and its clock has fallen.
    let highest = record.windows.iter().filter_map(|window| window.clock_mhz).max_by(f64::total_cmp);
    let lead = record.summary.sensor.lead;
    let limit_w = record.source.as_ref().and_then(|source| source.power_limit_w);
    let capped = |window: &Window| {
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
        let names = capped.iter().map(Init::to_string).collect::<Vec<_>>().join(" and ");
        let limit = limit_w.map(|limit| format!(" of {limit:.0} W")).unwrap_or_default();
        let message = format!("the power limit{limit} held the clock down on {names}");
        let fix = "time is part of the answer; --lock-clock below that clock takes it out";
        findings.flags.push(Flag::PowerCapped);
        findings.add(Status::Valid, "power-capped", message, (None, limit_w), fix);
    }
}

/// Energy, and time, of a product: over the run, and window by window.
fn drift(record: &Record, findings: &mut Findings) {
    let lead = record.summary.sensor.lead;
    let product_s = |window: &Window| Some(window.duration_s / window.products);
    let product_j = |window: &Window| Some(window.power_w.watts(lead)? * product_s(window)?);
    let of_inits = |quantity: &dyn Fn(&Window) -> Option<f64>| -> Vec<(Init, Vec<f64>)> {
        let of_init = |init: Init| record.windows.iter().filter(move |window| window.init == init);
        let inits = record.plan.inits.iter();
        inits.filter_map(|&init| Some((init, of_init(init).map(quantity).collect::<Option<_>>()?))).collect()
    };
    let Some(_) = lead else {
        // Time alone: on a free clock it may wander, and no joules rest on it.
        if let Some((init, share)) = worst(&of_inits(&product_s), whole_drift) {
            findings.flags.push(Flag::UnsteadyTime);
            findings.add_drift(Status::Valid, "unsteady-time", "time", init, share);
        }
        return;
    };
    let (times, energies) = (of_inits(&product_s), of_inits(&product_j));
    let drifts = worst(&energies, whole_drift);
    if let Some((init, share)) = drifts {
        findings.add_drift(Status::Invalid, "drift", "energy", init, share);
    }
    for (what, quantities) in [("time", times), ("energy", energies)] {
        // What drifts is off the median too, but not off its neighbours.
        let by = if drifts.is_some() { worst(&quantities, off_neighbours) } else { worst(&quantities, off_median) };
        if let Some((init, share)) = by {
            let message = format!("the {what} of a product of {init} was off by {:+.1} % in one window", share * 100.0);
            let fix = "something else used the GPU for a while: end it, and run it again";
            findings.add(Status::Invalid, "disturbed", message, (Some(share), Some(MOST_DRIFT)), fix);
            return;
        }
    }
}

impl Findings {
    fn add_drift(&mut self, status: Status, code: &str, what: &str, init: Init, share: f64) {
        let percent = share * 100.0;
        let message =
            format!("the {what} of a product of {init} drifted by {percent:+.1} % from the first round to the last");
        let fix = "end what else uses the machine; warm up longer with --warm-up; run it again";
        self.add(status, code, message, (Some(share), Some(MOST_DRIFT)), fix);
    }
}

/// The init that `change` finds changed the most, if that is too much.
fn worst(inits: &[(Init, Vec<f64>)], change: fn(&[f64]) -> Option<f64>) -> Option<(Init, f64)> {
    let changes = inits.iter().filter_map(|(init, values)| Some((*init, change(values)?)));
    changes.filter(|(_, share)| share.abs() > MOST_DRIFT).max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))
}

/// From the first to the last.
fn whole_drift(values: &[f64]) -> Option<f64> {
    Some(values.last()? / values.first()? - 1.0)
}

/// The value that is farthest from the median.
fn off_median(values: &[f64]) -> Option<f64> {
    let median = stats::median(values)?;
    values.iter().map(|value| value / median - 1.0).max_by(|a, b| a.abs().total_cmp(&b.abs()))
}

/// The value that is farthest from the straight line through its neighbours; at the ends, through the next two.
fn off_neighbours(values: &[f64]) -> Option<f64> {
    let line = |i: usize| match i {
        0 => 2.0 * values[1] - values[2],
        i if i + 1 == values.len() => 2.0 * values[i - 1] - values[i - 2],
        i => (values[i - 1] + values[i + 1]) / 2.0,
    };
    let off = (0..values.len()).filter(|_| values.len() > 2).map(|i| values[i] / line(i) - 1.0);
    off.max_by(|a, b| a.abs().total_cmp(&b.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::summary;
    use crate::run::{PlanOptions, simulated};

    /// A good run of a simulated board, as real as a record can be without a GPU.
    fn record() -> Record {
        let model = "h100".parse().unwrap();
        let plan = simulated::plan(&model, &PlanOptions::default()).unwrap();
        let mut record = simulated::record(&model, plan).unwrap();
        record.truth = None;
        record.verdict = of(&record);
        record
    }

    fn judged(change: impl FnOnce(&mut Record)) -> Verdict {
        let mut record = record();
        change(&mut record);
        of(&record)
    }

    #[test]
    fn a_good_record_is_valid_and_reads_back_as_it_was() {
        let record = record();
        assert_eq!((record.verdict.status, &record.verdict.reasons), (Status::Valid, &vec![]));
        let read: Record = serde_json::from_str(&record.to_json()).unwrap();
        assert_eq!(read, record);
        assert_eq!(summary::of(&read), record.summary);
        assert_eq!(of(&read), record.verdict);
        assert!(record.to_json().len() < 100_000, "{}", record.to_json().len());
    }

    #[test]
    fn every_flaw_is_named_with_its_figure() {
        let idle = judged(|record| record.windows[3].busy = Some(0.9));
        assert!(idle.status == Status::Invalid && idle.has("not-busy"));
        assert_eq!((idle.reasons[0].value, idle.reasons[0].limit), (Some(0.9), Some(LEAST_BUSY)));

        let wrong = judged(|record| record.windows[0].products_right = false);
        assert!(wrong.status == Status::Invalid && wrong.has("wrong-product"), "{wrong:?}");

        let skipped = judged(|record| record.windows[5].products *= 3.0);
        assert!(skipped.status == Status::Invalid && skipped.has("skipped-work"), "{skipped:?}");

        let short = judged(|record| {
            record.windows.truncate(5);
            record.run.halted = Some("it was stopped".into());
        });
        assert!(short.status == Status::Invalid && short.has("stopped-early"));
        assert!(short.reasons[0].message.contains("5 of 12 windows were measured: it was stopped"), "{short:?}");

        let hot = judged(|record| record.windows[1].limiters = Some(vec![Limiter::Thermal]));
        assert!(hot.status == Status::Invalid && hot.has("thermal-slowdown"));
    }

    #[test]
    fn a_power_cap_needs_a_fallen_clock() {
        let capped = |clock_share: f64| {
            judged(|record| {
                for window in record.windows.iter_mut().filter(|window| window.init == Init::Gaussian) {
                    window.limiters = Some(vec![Limiter::PowerCap]);
                    window.clock_mhz = window.clock_mhz.map(|mhz| mhz * clock_share);
                }
            })
        };
        assert_eq!(capped(1.0).flags, []);
        let verdict = capped(0.9);
        assert_eq!((verdict.status, &verdict.flags[..]), (Status::Valid, &[Flag::PowerCapped][..]));
    }
}
