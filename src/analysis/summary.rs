//! From windows to the answer: per init, and init against init.

use super::energy::Belief;
use super::heat::Heat;
use super::{energy, heat, meter, stats, type_b};
use crate::digits::round;
use crate::operands::Init;
use crate::record::{
    Estimate, IdlePower, InitSummary, Lead, Plan, Ratios, Record, SensorSummary, Source, Summary, Trace, Window,
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

    let heat = Heat::of(&record.plan, windows, lead);
    let flop = record.plan.flop();
    let of_init = |init: Init| windows.iter().filter(move |window| window.init == init);
    let inits: BTreeMap<Init, InitSummary> = record
        .plan
        .inits
        .iter()
        .filter_map(|&init| Some((init, of_windows(of_init(init).collect(), lead, heat.as_ref(), flop)?)))
        .collect();

    let reference = record.plan.inits[0];
    let watts_of = |init: Init| inits.get(&init)?.power_w;
    // A meter is what sensors are held against: what it is off by itself, only its own calibration knows.
    let sensor = record.source.as_ref().filter(|source| !source.is_meter());
    let band = sensor.zip(watts_of(reference).filter(|_| lead.is_some()));
    // What this board's own calibration leaves open is less than what is known of its family.
    let meter = meter::of(record, lead);
    let own =
        record.meter.as_ref().zip(meter.as_ref()).and_then(|(of, found)| type_b::of_meter(found.of_sensor(of.scope)?));
    let band = band.map(|(source, watts)| own.unwrap_or_else(|| type_b::calibration(source).of_run(watts, idle_w)));
    let rounding_w = |init: Init| {
        let step_w = record.trace.power_step_w.filter(|_| lead == Some(Lead::Polled)).unwrap_or(0.0);
        type_b::rounding_w(step_w, of_init(init).filter_map(|window| window.power_w.polled_u))
    };
    let rounds = heat::by_round(windows);
    let idle = heat.as_ref().zip(idle_w).filter(|_| record.idle.hot.is_some()).and_then(|(heat, idle_w)| {
        let end_s = windows.last().map(|window| window.start_s + window.duration_s)?;
        heat.idle(idle_w, &of_init(reference).collect::<Vec<_>>(), lead, end_s)
    });
    let rest_w = idle.map(|idle| idle.at_rest_w).or(idle_w);
    // One measurement of idle is in all ratios alike: their scatter does not show how well it is known.
    let idle_u = energy::idle_u(&record.trace, &record.idle).hypot(idle.map_or(0.0, |idle| idle.at_rest_u));
    let moved_by_idle = |init: Init| {
        let above_w = |init: Init| Some(watts_of(init)? - rest_w?);
        let watts = above_w(init).zip(above_w(reference));
        watts.map_or(0.0, |(over_w, under_w)| idle_u * (1.0 / over_w - 1.0 / under_w).abs())
    };
    let idle_at = |window: &Window| idle.map(|idle| idle.watts(window)).or(idle_w);
    let ratios =
        record.plan.inits[1..].iter().filter(|init| inits.contains_key(init) && inits.contains_key(&reference));
    let ratios = ratios
        .map(|&init| {
            let pairs = pairs(&rounds, of_init(init), reference);
            let estimate =
                |quantity: &dyn Fn(&Window) -> Option<f64>| ratio(&record.plan, &pairs, heat.as_ref(), quantity);
            let watts = |window: &Window| window.power_w.watts(lead);
            let product_s = |window: &Window| window.duration_s / window.products;
            let energy = estimate(&|window| Some(watts(window)? * product_s(window))).map(|energy| Estimate {
                combined: band.zip(watts_of(init).zip(watts_of(reference))).and_then(|(band, shown_w)| {
                    let rounding_w = (rounding_w(init), rounding_w(reference));
                    type_b::combined(energy, freedom_of(&pairs, heat.is_some()), shown_w, rounding_w, band.offset_w)
                }),
                ..energy
            });
            let ratios = Ratios {
                time: estimate(&|window| Some(product_s(window))),
                power: estimate(&watts),
                energy,
                energy_per_offset_w: energy.and(watts_of(init).zip(watts_of(reference))).map(type_b::per_offset_w),
                above_idle: estimate(&|window| Some(watts(window)? - idle_at(window)?))
                    .map(|ratio| stats::less_certain(ratio, moved_by_idle(init))),
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
        idle_w: rest_w,
        gain: band.map(|band| band.gain),
        offset_w: band.map(|band| band.offset_w),
    };
    let warming = heat.and_then(|heat| heat.warming(&record.plan, windows, lead));
    Summary { inits, ratios, sensor, warming, meter }
}

/// A run goes on while the energy of a product would still grow by more than this share, one standard error of τ included.
const MOST_LEFT: f64 = 0.03;

/// Where precision ends a run after R rounds, scatter is taken to be 1 + this / R times what it looks: rounds that scatter little by
/// chance end it sooner, and neighbours are alike where power wanders; few rounds show neither.
const WIDENED: f64 = 0.5;

/// Is each ratio of the energy (without joules: of the time) as precise as the plan asks for, and the board warm? `lead`: what the
/// watts of the windows come from.
pub(crate) fn is_precise(plan: &Plan, windows: &[Window], lead: Option<Lead>) -> bool {
    let Some(precision) = plan.precision else { return false };
    let heat = Heat::of(plan, windows, lead);
    let warming = heat.and_then(|heat| heat.warming(plan, windows, lead));
    let warm = warming.is_none_or(|warming| warming.left_at_most <= MOST_LEFT);
    if !warm || !heat::shows_drift(plan, windows, lead, heat.as_ref()) {
        return false;
    }
    let rounds = heat::by_round(windows);
    plan.inits[1..].iter().all(|&init| {
        let of_init = windows.iter().filter(|window| window.init == init);
        let found =
            ratio(plan, &pairs(&rounds, of_init, plan.inits[0]), heat.as_ref(), &|window| heat::cost(window, lead));
        let half_width = found.and_then(|found| Some((found.high? - found.low?) / 2.0 / found.estimate));
        half_width.is_some_and(|half_width| half_width <= precision)
    })
}

/// On how many degrees of freedom the intervals of an init's ratios rest: rounds less the mean, the effect of the order, and, where
/// heat is a covariate, what that does.
pub(crate) fn freedom(record: &Record, init: Init) -> f64 {
    let of_init = record.windows.iter().filter(|window| window.init == init);
    let pairs = pairs(&heat::by_round(&record.windows), of_init, record.plan.inits[0]);
    freedom_of(&pairs, record.summary.warming.is_some())
}

fn freedom_of(pairs: &[Pair], warms: bool) -> f64 {
    pairs.len() as f64 - if warms || heat::carried_k(pairs).is_some() { 3.0 } else { 2.0 }
}

/// Each window with that of the reference in its round.
fn pairs<'a>(
    rounds: &BTreeMap<u32, Vec<&'a Window>>,
    windows: impl Iterator<Item = &'a Window>,
    reference: Init,
) -> Vec<Pair<'a>> {
    let pair = |window: &'a Window| {
        let round = rounds.get(&window.round)?;
        let reference = round.iter().copied().find(|other| other.init == reference)?;
        Some((window, reference, place(round, window) - place(round, reference)))
    };
    windows.filter_map(pair).collect()
}

/// A window, that of the reference in the same round, and how many places after it the first one came.
type Pair<'a> = (&'a Window, &'a Window, i32);

/// How many of its round came before it.
fn place(round: &[&Window], window: &Window) -> i32 {
    round.iter().filter(|other| other.start_s < window.start_s).count() as i32
}

fn of_windows(windows: Vec<&Window>, lead: Option<Lead>, heat: Option<&Heat>, flop: f64) -> Option<InitSummary> {
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
    let to_rest = |quantity: &dyn Fn(&Window) -> Option<f64>| {
        heat.and_then(|heat| heat.to_rest(&windows, quantity)).unwrap_or(1.0)
    };
    let time_s = duration_s / products * to_rest(&|window| Some(window.duration_s / window.products));
    let watts = |window: &Window| window.power_w.watts(lead);
    let power_w = mean(&watts).map(|power_w| power_w * to_rest(&watts));
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
fn ratio(
    plan: &Plan,
    pairs: &[Pair],
    heat: Option<&Heat>,
    quantity: &dyn Fn(&Window) -> Option<f64>,
) -> Option<Estimate> {
    let widened = if plan.precision.is_some() { 1.0 + WIDENED / pairs.len() as f64 } else { 1.0 };
    if let Some(heat) = heat {
        return heat.ratio(pairs, widened, quantity);
    }
    let log_ratio = |(window, reference, places): &Pair| {
        let (over, under) = (quantity(window)?, quantity(reference)?);
        (over > 0.0 && under > 0.0).then(|| ((over / under).ln(), *places))
    };
    let turns = pairs.iter().map(log_ratio).collect::<Option<Vec<_>>>()?;
    let carried = heat::carried_k(pairs).and_then(|kelvins| heat::carried(&turns, &kelvins));
    Some(stats::widened(carried.or_else(|| stats::balanced(&turns))?, widened))
}
