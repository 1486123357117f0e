//! From windows to the answer: per init, and init against init.

use super::energy::Belief;
use super::{energy, stats, type_b};
use crate::digits::round;
use crate::operands::Init;
use crate::record::{
    Estimate, IdlePower, InitSummary, Lead, Ratios, Record, SensorSummary, Source, Summary, Trace, Window,
};
use std::collections::BTreeMap;

/// What the trace says of windows: their power, joules, clock and temperature. The rest of them stays as it is. Sensor and idle
/// measurements tell which watts can be believed.
pub(crate) fn with_power_of_trace(
    windows: &[Window],
    trace: &Trace,
    source: Option<&Source>,
    idle: &IdlePower,
) -> Vec<Window> {
    let (usual_s, _) = energy::update_periods(trace);
    let measured = |window: &Window| {
        let (start_s, end_s) = (window.start_s, window.start_s + window.duration_s);
        Window {
            power_w: energy::window_power(trace, usual_s, start_s, end_s),
            clock_mhz: trace.mean(start_s, end_s, |row| row.clock_mhz).map(|mhz| round(mhz, 1)),
            temperature_c: trace.mean(start_s, end_s, |row| row.temperature_c).map(|degrees| round(degrees, 2)),
            ..window.clone()
        }
    };
    let mut windows: Vec<Window> = windows.iter().map(measured).collect();
    let lead = energy::belief(&windows, trace, source, idle).lead;
    for window in &mut windows {
        window.energy_j = window.power_w.watts(lead).map(|watts| round(watts * window.duration_s, 6));
    }
    windows
}

/// Sums up a record's windows, trace, sensor and idle power. Nothing else of the record is read, and the old summary least of all.
pub fn of(record: &Record) -> Summary {
    let windows = &record.windows;
    // The temperature at which the work was done is that of the hot idle; its power is what leaks at that temperature.
    let Belief { lead, counter: counter_doubt, polled: power_doubt, disagreement, idle_w, .. } =
        energy::belief(windows, &record.trace, record.source.as_ref(), &record.idle);
    let (counter_period_s, power_period_s) = energy::update_periods(&record.trace);

    let flop = record.plan.flop();
    let of_init = |init: Init| windows.iter().filter(move |window| window.init == init);
    let inits: BTreeMap<Init, InitSummary> = record
        .plan
        .inits
        .iter()
        .filter_map(|&init| Some((init, of_windows(of_init(init).collect(), lead, flop)?)))
        .collect();

    let reference = record.plan.inits[0];
    let watts_of = |init: Init| inits.get(&init)?.power_w;
    let band = record.source.as_ref().zip(watts_of(reference).filter(|_| lead.is_some()));
    let band = band.map(|(source, watts)| type_b::calibration(source).of_run(watts, idle_w));
    let rounding_w = |init: Init| {
        let step_w = record.trace.power_step_w.filter(|_| lead == Some(Lead::Polled)).unwrap_or(0.0);
        type_b::rounding_w(step_w, of_init(init).filter_map(|window| window.power_w.polled_u))
    };
    let mut rounds: BTreeMap<u32, Vec<&Window>> = BTreeMap::new();
    windows.iter().for_each(|window| rounds.entry(window.round).or_default().push(window));
    let ratios =
        record.plan.inits[1..].iter().filter(|init| inits.contains_key(init) && inits.contains_key(&reference));
    let ratios = ratios
        .map(|&init| {
            let pairs: Vec<Pair> = of_init(init)
                .filter_map(|window| {
                    let round = &rounds[&window.round];
                    let reference = round.iter().copied().find(|other| other.init == reference)?;
                    Some((window, reference, place(round, window) - place(round, reference)))
                })
                .collect();
            let estimate = |quantity: &dyn Fn(&Window) -> Option<f64>| ratio(&pairs, quantity);
            let watts = |window: &Window| window.power_w.watts(lead);
            let product_s = |window: &Window| window.duration_s / window.products;
            let energy = estimate(&|window| Some(watts(window)? * product_s(window))).map(|energy| Estimate {
                combined: band.zip(watts_of(init).zip(watts_of(reference))).and_then(|(band, shown_w)| {
                    let rounding_w = (rounding_w(init), rounding_w(reference));
                    type_b::combined(energy, pairs.len(), shown_w, rounding_w, band.offset_w)
                }),
                ..energy
            });
            let ratios = Ratios {
                time: estimate(&|window| Some(product_s(window))),
                power: estimate(&watts),
                energy,
                energy_per_offset_w: energy.and(watts_of(init).zip(watts_of(reference))).map(type_b::per_offset_w),
                above_idle: estimate(&|window| Some(watts(window)? - idle_w?)),
            };
            (init, ratios)
        })
        .collect();

    let sensor = SensorSummary {
        lead,
        counter_doubt,
        power_doubt,
        counter_period_s,
        power_period_s,
        disagreement,
        idle_w,
        gain: band.map(|band| band.gain),
        offset_w: band.map(|band| band.offset_w),
    };
    Summary { inits, ratios, sensor }
}

/// A window, that of the reference in the same round, and how many places after it the first one came.
type Pair<'a> = (&'a Window, &'a Window, i32);

/// How many of its round came before it.
fn place(round: &[&Window], window: &Window) -> i32 {
    round.iter().filter(|other| other.start_s < window.start_s).count() as i32
}

fn of_windows(windows: Vec<&Window>, lead: Option<Lead>, flop: f64) -> Option<InitSummary> {
    let duration_s: f64 = windows.iter().map(|window| window.duration_s).sum();
    let products: f64 = windows.iter().map(|window| window.products).sum();
    if windows.is_empty() || products <= 0.0 || duration_s <= 0.0 {
        return None;
    }
    // Weighted by duration; None if one window lacks the value.
    let mean = |value: &dyn Fn(&Window) -> Option<f64>| {
        let sum: Option<f64> = windows.iter().map(|window| Some(value(window)? * window.duration_s)).sum();
        sum.map(|sum| sum / duration_s)
    };
    let time_s = duration_s / products;
    let power_w = mean(&|window| window.power_w.watts(lead));
    let energy_j = power_w.map(|power_w| power_w * time_s);
    Some(InitSummary {
        time_s,
        power_w,
        energy_j,
        gflop_per_s: flop / time_s * 1e-9,
        gflop_per_j: energy_j.filter(|&energy_j| energy_j > 0.0).map(|energy_j| flop / energy_j * 1e-9),
        clock_mhz: mean(&|window| window.clock_mhz),
        temperature_c: mean(&|window| window.temperature_c),
    })
}

/// The ratio of a quantity, round by round. None if it is missing, or not above 0, in one of them.
fn ratio(pairs: &[Pair], quantity: &dyn Fn(&Window) -> Option<f64>) -> Option<Estimate> {
    let log_ratio = |(window, reference, places): &Pair| {
        let (over, under) = (quantity(window)?, quantity(reference)?);
        (over > 0.0 && under > 0.0).then(|| ((over / under).ln(), *places))
    };
    stats::balanced(&pairs.iter().map(log_ratio).collect::<Option<Vec<_>>>()?)
}
