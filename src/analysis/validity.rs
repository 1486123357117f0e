//! The verdict: can the record's numbers be believed, and if not, why, and what to do about it.

use super::energy::Belief;
use super::heat::Heat;
use super::{energy, heat, stats};
use crate::operands::Init;
use crate::record::{
    CounterFault, Doubt, Flag, Lead, LimitKind, Limiter, Plan, Ratios, Reason, Record, SensorSummary, Source, Status,
    Verdict, Window,
};

/// The device must work for this share of a window, by its own clock.
const LEAST_BUSY: f64 = 0.98;
/// Energy (or time) of a product may differ by this share between the first and the last round, and between any window
/// and the median of its init: three of six windows that are off by so much move the ratio by half of it.
const MOST_DRIFT: f64 = 0.02;
/// Of a window, the counter must be seen to move at both ends of this share.
const LEAST_OBSERVED: f64 = 0.4;
/// A window's power may be uncertain by this share (standard uncertainty): half of what may be off by a disturbance.
const MOST_UNCERTAIN: f64 = 0.01;
/// Running means are that much longer than vendors say: NVIDIA's of 1 s was measured to be up to 1.1 s.
const LONGEST_AVERAGE: f64 = 1.1;
/// Readings of this share of a window may hold work from before it: of that work's difference, half as much goes into the ratio.
const MOST_FOREIGN: f64 = 0.01;
/// Seconds between two reads of a sensor ([`crate::protocol::SAMPLING_PERIOD`]).
const SAMPLING_S: f64 = 0.01;
/// A counter that moves less than this share as often as usual was held up.
const LEAST_PACE: f64 = 0.5;
/// Of fewer rounds a ratio has no interval.
const LEAST_ROUNDS: u32 = 3;
/// The ratio of the means may be this share away from the mean of the ratios, if it is outside of the interval.
const MOST_APART: f64 = 0.002;
/// A sensor that is silent for more than this share of a window did not measure it.
const MOST_SILENCE: f64 = 0.5;
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
    answer(record, &mut findings);
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
    // Where precision ends the rounds, the record says so; else all of them are due.
    let Plan { inits, precision, .. } = &record.plan;
    let planned = record.plan.fewest_rounds() as usize * inits.len();
    let done = record.windows.len();
    let whole = done.is_multiple_of(inits.len().max(1)) && (precision.is_none() || record.run.ended.is_some());
    if done < planned || !whole {
        let why = record.run.halted.as_deref().unwrap_or("nothing says why");
        let message = match done < planned {
            true => format!("{done} of {planned} windows were measured: {why}"),
            false => format!("{done} windows were measured, and more were due: {why}"),
        };
        let figures = (Some(done as f64), Some(planned as f64));
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
    let frozen = source.counter.is_some() && windows.iter().any(|window| window.power_w.counter_fault.is_some());
    if !windows.is_empty() && windows.iter().all(silent) && !frozen {
        let message = format!("{} gave no power and no energy{failed}", source.api);
        let fix = match source.is_meter() {
            true => {
                "see in a shell, or in a browser, that the meter speaks; without --power, the GPU's own sensor measures"
            }
            false => "see that the vendor's own tool shows power; --power names another sensor",
        };
        findings.add(Status::TimingOnly, "sensor-silent", message, (None, None), fix);
        return;
    }

    let lost = windows.iter().filter(|w| w.power_w.silent_s > MOST_SILENCE * w.duration_s).count();
    if lost > 0 {
        let message = format!("{} did not answer in {lost} windows{failed}", source.api);
        let fix = match source.is_meter() {
            true => "see that the meter still speaks, and run it again",
            false => "see that the vendor's own tool still shows power, and run it again",
        };
        findings.add(Status::Invalid, "sensor-lost", message, (Some(lost as f64), Some(0.0)), fix);
        return;
    }
    let belief = energy::belief(windows, &record.trace, Some(source), &record.idle);
    doubts(record, source, &belief, findings);
    precision(record, source, &belief, &failed, findings);
    faults(record, source, belief.lead, findings);
}

/// Which way to measure power shows what cannot be.
fn doubts(record: &Record, source: &Source, belief: &Belief, findings: &mut Findings) {
    let windows = &record.windows;
    let status = if belief.lead.is_some() { Status::UnverifiedSensor } else { Status::TimingOnly };
    let instead = match belief.lead {
        Some(Lead::Counter) => "; the energy counter stands in",
        Some(Lead::Polled) => "; power × time stands in",
        None => "; no joules are shown",
    };
    let most_w = energy::most_w(Some(source), &record.trace);
    for (name, code, way, doubt) in [
        ("the energy counter", "counter", Lead::Counter, belief.counter),
        ("the power figure", "power", Lead::Polled, belief.polled),
    ] {
        let Some(doubt) = doubt else { continue };
        let watts = windows.iter().filter_map(|window| window.power_w.watts(Some(way)));
        let (least, most) = (watts.clone().min_by(f64::total_cmp), watts.max_by(f64::total_cmp));
        let (what, message, figures) = match doubt {
            Doubt::AboveLimit => {
                let limited = most_w < energy::MOST_W;
                let why = if limited {
                    "more than its power limit lets this device draw"
                } else {
                    "more than any device draws"
                };
                let message = format!("{name} says {:.0} W: {why}{instead}", most.unwrap_or(f64::NAN));
                ("above-limit", message, (most, Some(most_w)))
            }
            Doubt::BelowIdle => {
                let message = format!(
                    "{name} says {:.2} W at full load: no more than at rest, or than any device draws{instead}",
                    least.unwrap_or(f64::NAN)
                );
                ("below-idle", message, (least, record.summary.sensor.idle_w))
            }
            Doubt::Frozen => {
                let message =
                    format!("{name} did not move when the load did: {:.1} W{instead}", least.unwrap_or(f64::NAN));
                ("stuck", message, (least, record.summary.sensor.idle_w))
            }
        };
        let fix = match (source.is_meter(), doubt) {
            (true, Doubt::AboveLimit) => "its figures are milliwatts by their size: divide them by 1000",
            (true, _) => "see that it is the meter of this machine; without --power, the GPU's own sensor measures",
            (false, _) => "update the driver: such figures are known faults of some; --power names another sensor",
        };
        findings.add(status, &format!("{code}-{what}"), message, figures, fix);
    }
    if belief.no_load {
        let message = "the device drew no more in a window than at rest, by a counter that moves".into();
        let fix = "something else used the device at rest: end it, and run it again";
        findings.add(Status::UnverifiedSensor, "no-load", message, (None, None), fix);
    }
    if belief.differ
        && let Some(share) = belief.disagreement
    {
        let message = format!(
            "the energy counter and power × time differ by {:+.1} % in a window; power × time leads",
            share * 100.0
        );
        let fix = "one of the two is wrong: compare with a power meter, and update the driver";
        let figures = (Some(share), Some(energy::MOST_DISAGREEMENT));
        findings.add(Status::UnverifiedSensor, "counter-disagrees", message, figures, fix);
    }
}

/// How much of the windows was seen, and how sharply.
fn precision(record: &Record, source: &Source, belief: &Belief, failed: &str, findings: &mut Findings) {
    let windows = &record.windows;
    let SensorSummary { counter_period_s, power_period_s, .. } = record.summary.sensor;
    let (averaging_s, settling_s) = (source.averaging_s(), record.timing.settling_s);
    let age_s = if belief.lead == Some(Lead::Polled) { power_period_s.unwrap_or(0.0) } else { 0.0 };
    let spared_s = MOST_FOREIGN * record.timing.window_s;
    if LONGEST_AVERAGE * averaging_s > settling_s || averaging_s + age_s > settling_s + spared_s {
        let reach_s = averaging_s + age_s;
        let message = format!(
            "readings look back {reach_s:.2} s, and load began only {settling_s:.2} s before its window: they hold other work"
        );
        let fix = "leave out --settling, or make it three times that long";
        findings.add(Status::Invalid, "reaches-back", message, (Some(reach_s), Some(settling_s)), fix);
    }
    match belief.lead {
        Some(Lead::Counter) => {
            let share = |window: &Window| window.power_w.counter_s / window.duration_s;
            let least = windows.iter().map(share).min_by(f64::total_cmp);
            if let Some(share) = least.filter(|&share| share < LEAST_OBSERVED) {
                let message = format!(
                    "between the counter's first and last move lies {:.0} % of a window, and the rest was not seen{failed}",
                    share * 100.0
                );
                let fix = match counter_period_s {
                    Some(period_s) if 10.0 * period_s > record.timing.window_s => {
                        format!("leave out --window, or choose --window {:.0}", (10.0 * period_s).ceil())
                    }
                    Some(_) => format!(
                        "the sensor was silent for a while: run it again, or choose --window {:.0}",
                        (2.0 * record.timing.window_s).ceil()
                    ),
                    None => "--power names another sensor".into(),
                };
                findings.add(Status::Invalid, "too-little-seen", message, (Some(share), Some(LEAST_OBSERVED)), fix);
            }
            // Each end is seen within a sampling period, at any moment of it alike.
            let grain = |window: &Window| SAMPLING_S / 6f64.sqrt() / window.power_w.counter_s;
            sharp(windows.iter().map(grain).max_by(f64::total_cmp), "leave out --window", findings);
        }
        Some(Lead::Polled) => {
            let share = |window: &Window| Some((window.power_w.polled_u? / window.power_w.polled?).abs());
            let fix = match record.trace.power_step_w {
                Some(step_w) if step_w >= 0.5 => format!(
                    "the sensor's figures have steps of {step_w} W: --power names another one, and a larger --size draws more"
                ),
                _ => "end what else uses the GPU; leave out --window".into(),
            };
            sharp(windows.iter().filter_map(share).max_by(f64::total_cmp), fix, findings);
        }
        None => {
            // Neither a fault nor a doubt: in some window the counter was not seen to move twice.
            let blind = windows.iter().filter(|window| window.power_w.watts(Some(Lead::Counter)).is_none()).count();
            let excused = belief.counter.is_some() || belief.polled.is_some() || stuck(record) > 0;
            if source.counter.is_some() && !excused && blind > 0 {
                let message =
                    format!("the counter moved less than twice in {blind} windows: they have no power{failed}");
                let fix = "leave out --window: a run then fits its windows to the sensor; --power names another one";
                findings.add(Status::Invalid, "too-little-seen", message, (Some(blind as f64), Some(0.0)), fix);
            }
        }
    }
    // A counter without power figures is held against nothing but its own pace.
    if let (true, Some(period_s)) = (source.power.is_none(), counter_period_s) {
        let pace = |window: &Window| f64::from(window.power_w.counter_updates + 1) * period_s / window.duration_s;
        let least = windows.iter().filter(|window| window.power_w.counter.is_some()).map(pace).min_by(f64::total_cmp);
        if let Some(pace) = least.filter(|&pace| pace < LEAST_PACE) {
            let message = format!("the counter moved {:.0} % as often in a window as it usually does", pace * 100.0);
            let fix = "run it again; update the driver if it stays so";
            findings.add(Status::UnverifiedSensor, "counter-uneven", message, (Some(pace), Some(LEAST_PACE)), fix);
        }
    }
}

fn sharp(worst: Option<f64>, fix: impl Into<String>, findings: &mut Findings) {
    if let Some(share) = worst.filter(|&share| share > MOST_UNCERTAIN) {
        let message = format!("a window's power is uncertain by ±{:.1} % (standard uncertainty)", share * 100.0);
        findings.add(Status::Invalid, "imprecise", message, (Some(share), Some(MOST_UNCERTAIN)), fix);
    }
}

/// Windows in which the counter stood still.
fn stuck(record: &Record) -> usize {
    let never = record.summary.sensor.counter_period_s.is_none();
    let stood = |window: &&Window| {
        let power = window.power_w;
        power.counter_fault == Some(CounterFault::Frozen)
            || never && power.counter_updates == 0 && power.counter_fault.is_none()
    };
    record.windows.iter().filter(stood).count()
}

/// What a counter did that no energy does, figures of 0, and other devices in the same figures.
fn faults(record: &Record, source: &Source, lead: Option<Lead>, findings: &mut Findings) {
    let windows = &record.windows;
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
        // A GPU that is divided shares its sensor with itself.
        let (message, fix) = if source.pci_address == Some(other) {
            ("the sensor counts all slices of the GPU".into(), "keep the other slices idle, or undivide the GPU")
        } else {
            let fix = "keep that device idle: the energy above idle is this device's own then, and the whole is not";
            (format!("the sensor also counts the device at {other}"), fix)
        };
        findings.add(Status::UnverifiedSensor, "sensor-shared", message, (None, None), fix);
    }
    if source.counter.is_some() {
        let count_of = |fault| windows.iter().filter(|w| w.power_w.counter_fault == Some(fault)).count();
        for (code, count, what) in [
            ("counter-stepped-back", count_of(CounterFault::SteppedBack), "went backwards"),
            ("counter-jumped", count_of(CounterFault::Jumped), "rose faster than any board draws power"),
            ("counter-frozen", stuck(record), "stood still"),
        ] {
            if count > 0 {
                let instead = if lead == Some(Lead::Polled) { "; power × time stands in" } else { "" };
                let message = format!("the energy counter {what} in {count} windows{instead}");
                let fix = "update the driver: the counters of some cards are known to be broken; --power names another sensor";
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
}

/// Is there an interval, and is the ratio that of the columns? What was not checked does not hold.
fn answer(record: &Record, findings: &mut Findings) {
    let rounds = record.plan.rounds;
    let without = |ratios: &Ratios| ratios.energy.or(ratios.time).is_some_and(|ratio| ratio.low.is_none());
    if record.summary.ratios.values().any(without) {
        let message = match rounds {
            1 => "one round gives no interval, and no drift can be seen in it".into(),
            _ => format!("the {rounds} rounds give no interval"),
        };
        let fix = format!("--rounds {LEAST_ROUNDS} or more; 6 is usual");
        findings.add(Status::Unchecked, "no-interval", message, (Some(rounds.into()), Some(LEAST_ROUNDS.into())), fix);
    }
    let energy_of = |init: &Init| record.summary.inits.get(init)?.energy_j;
    let Some(reference_j) = record.plan.inits.first().and_then(energy_of) else { return };
    for (init, ratios) in &record.summary.ratios {
        let (Some(energy), Some(joules)) = (ratios.energy, energy_of(init)) else { continue };
        let (columns, paired) = (joules / reference_j, energy.estimate);
        let share = columns / paired - 1.0;
        let within = energy.low.zip(energy.high).is_none_or(|(low, high)| (low..=high).contains(&columns));
        if share.abs() > MOST_APART && !within {
            let status = if share.abs() > MOST_DRIFT { Status::Invalid } else { Status::Valid };
            let message = format!(
                "the mean energies of {init} differ by a factor of {columns:.3}, and round by round by {paired:.3}: what ran first in a \
                 round did not drift out of the means"
            );
            let fix = "the ratio counts; an even number of --rounds, and less drift, bring the two together";
            findings.add(status, "columns-differ", message, (Some(share), Some(MOST_APART)), fix);
        }
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
    let enforced = record.source.as_ref().filter(|source| source.power_limit_kind == LimitKind::Enforced);
    let told = record.trace.power_limit_w;
    let limit_w = told.map(|range| range.1).or(enforced.and_then(|source| source.power_limit_w));
    if let Some((least_w, most_w)) = told.filter(|(least_w, most_w)| most_w / least_w - 1.0 > MOST_DRIFT) {
        let message = format!("the power limit moved between {least_w:.0} and {most_w:.0} W during the run");
        let fix = "on a laptop the processor's load moves it: leave the machine alone, or lock a lower clock with --lock-clock";
        findings.add(Status::Valid, "limit-moved", message, (Some(most_w / least_w - 1.0), Some(MOST_DRIFT)), fix);
    }
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
        let fix = match record.plan.power_limit_w {
            Some(_) => "it was asked for: time is part of the answer",
            None => "time is part of the answer; --lock-clock below that clock takes it out",
        };
        findings.flags.push(Flag::PowerCapped);
        findings.add(Status::Valid, "power-capped", message, (None, limit_w), fix);
    }
}

/// The energy of a product may move by this share once the rounds are over.
const MOST_LEFT: f64 = 0.04;

/// Energy, and time, of a product, over the run and window by window, apart from what warming explains.
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
    let heat = Heat::of(&record.plan, &record.windows, lead);
    let drifts = findings.drifts(record, heat.as_ref());
    let at_rest = |inits: Vec<(Init, Vec<f64>)>| -> Vec<(Init, Vec<f64>)> {
        let of_init = |init: Init| record.windows.iter().filter(|window| window.init == init).collect::<Vec<_>>();
        inits.into_iter().map(|(init, values)| (init, heat::at_rest(heat.as_ref(), &of_init(init), values))).collect()
    };
    let (times, energies) = (at_rest(of_inits(&product_s)), at_rest(of_inits(&product_j)));
    for (what, quantities) in [("time", times), ("energy", energies)] {
        // What drifts is off the median too, but not off its neighbours.
        let by = if drifts { worst(&quantities, off_neighbours) } else { worst(&quantities, off_median) };
        if let Some((init, share)) = by {
            let message = format!("the {what} of a product of {init} was off by {:+.1} % in one window", share * 100.0);
            let fix = "something else used the GPU for a while: end it, and run it again";
            findings.add(Status::Invalid, "disturbed", message, (Some(share), Some(MOST_DRIFT)), fix);
            return;
        }
    }
}

impl Findings {
    /// Does the energy grow by what the temperature does not explain; or, where nothing but warming explains it, is too much of
    /// that left?
    fn drifts(&mut self, record: &Record, heat: Option<&Heat>) -> bool {
        let lead = record.summary.sensor.lead;
        let grown = heat::unexplained(&record.plan, &record.windows, lead, heat);
        let share = grown.as_ref().map(|fit| fit.values[0].exp_m1());
        let clear = grown.as_ref().is_some_and(|fit| fit.values[0].abs() > heat::most_by_chance(fit));
        let (what, share, limit) = match (share, record.summary.warming) {
            (Some(share), _) if clear && share.abs() > heat::MOST_UNEXPLAINED => {
                ("moved apart from what its temperature explains", share, heat::MOST_UNEXPLAINED)
            }
            (_, Some(warming)) if record.plan.precision.is_some() && warming.left.abs() > MOST_LEFT => {
                ("would still have moved after the last round", warming.left, MOST_LEFT)
            }
            _ => return false,
        };
        let message = format!("the energy of a product {what}: by {:+.1} %", share * 100.0);
        let fix = "end what else uses the machine; warm up longer with --warm-up; run it again";
        self.add(Status::Invalid, "drift", message, (Some(share), Some(limit)), fix);
        true
    }

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
