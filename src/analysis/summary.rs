//! From windows to the answer: per init, and init against init.

use super::{energy, stats};
use crate::digits::round;
use crate::operands::Init;
use crate::record::{Estimate, InitSummary, Lead, Ratios, Record, SensorSummary, Summary, Trace, Window};
use std::collections::BTreeMap;

/// What the trace says of windows: their power, joules, clock and temperature. The rest of them stays as it is.
pub fn by_trace(windows: &[Window], trace: &Trace) -> Vec<Window> {
    let measured = |window: &Window| {
        let (start_s, end_s) = (window.start_s, window.start_s + window.duration_s);
        Window {
            power_w: energy::window_power(trace, start_s, end_s),
            clock_mhz: trace.mean(start_s, end_s, |row| row.clock_mhz).map(|mhz| round(mhz, 1)),
            temperature_c: trace.mean(start_s, end_s, |row| row.temperature_c).map(|degrees| round(degrees, 2)),
            ..window.clone()
        }
    };
    let mut windows: Vec<Window> = windows.iter().map(measured).collect();
    let lead = lead(&windows);
    for window in &mut windows {
        window.energy_j = window.power_w.watts(lead).map(|watts| round(watts * window.duration_s, 6));
    }
    windows
}

fn lead(windows: &[Window]) -> Option<Lead> {
    energy::lead(&windows.iter().map(|window| window.power_w).collect::<Vec<_>>())
}

/// Sums up a record's windows, trace and idle power. Nothing else of the record is read, and the old summary least of all.
pub fn of(record: &Record) -> Summary {
    let windows = &record.windows;
    let lead = lead(windows);
    // The temperature at which the work was done is that of the hot idle; its power is what leaks at that temperature.
    let idle = record.idle.hot.or(record.idle.open).or(record.idle.cold);
    let idle_w = idle.and_then(|idle| idle.power_w);
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
            let ratios = Ratios {
                time: estimate(&|window| Some(product_s(window))),
                power: estimate(&watts),
                energy: estimate(&|window| Some(watts(window)? * product_s(window))),
                above_idle: estimate(&|window| Some(watts(window)? - idle_w?)),
            };
            (init, ratios)
        })
        .collect();

    // The worst window, not the mean: a counter that fails in one of them must not hide behind the others.
    let powers = windows.iter().map(|window| window.power_w);
    let differences = powers.filter_map(|power| Some(power.counter? / power.polled? - 1.0));
    let disagreement = differences.filter(|share| share.is_finite()).max_by(|a, b| a.abs().total_cmp(&b.abs()));
    Summary { inits, ratios, sensor: SensorSummary { lead, counter_period_s, power_period_s, disagreement, idle_w } }
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
