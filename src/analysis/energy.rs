//! From the sensor's trace and a window to watts, and which of them can be believed.

use super::stats::median;
use crate::digits::round;
use crate::record::trace::IMPLAUSIBLE_W;
use crate::record::{
    CounterFault, Doubt, Idle, IdlePower, Lead, LimitKind, Row, Scope, Source, Trace, Window, WindowPower,
};

/// A counter that is not seen to move for so many of its usual steps, and for so long, is frozen.
const FROZEN_STEPS: f64 = 4.0;
const FROZEN_S: f64 = 1.0;

/// Works out the power of the window from `start_s` to `end_s` on the run's clock. `usual_s` is the counter's usual step in the whole of
/// the run ([`update_periods`]), for windows that have too few to tell.
///
/// A counter is read where it was seen to move, at both ends: its age at a window's edge does not matter then.
pub fn window_power(trace: &Trace, usual_s: Option<f64>, start_s: f64, end_s: f64) -> WindowPower {
    let mut result = WindowPower { polled: trace.mean(start_s, end_s, |row| row.power_w), ..WindowPower::default() };
    let silence = |row: &Row| (*row == Row { t_s: row.t_s, ..Row::default() }).then_some(1.0);
    let silent_s = |from_s, to_s| trace.held_s(from_s, to_s, silence);
    result.silent_s = silent_s(start_s, end_s);

    let mut moves: Vec<(f64, f64)> = vec![];
    let mut power_w = None;
    for row in trace.rows_within(start_s, end_s) {
        if row.power_w.is_some() && row.power_w != power_w {
            result.polled_updates += 1;
            power_w = row.power_w;
        }
        let Some(energy_j) = row.energy_j else { continue };
        if let Some(&(before_s, before_j)) = moves.last() {
            result.counter_updates += 1;
            if energy_j < before_j {
                result.counter_fault = Some(CounterFault::SteppedBack);
            } else if energy_j - before_j > IMPLAUSIBLE_W * (row.t_s - before_s) {
                result.counter_fault = result.counter_fault.or(Some(CounterFault::Jumped));
            }
        }
        moves.push((row.t_s, energy_j));
    }
    result.polled_u = result.polled.map(|mean_w| {
        let square = |row: &Row| row.power_w.map(|watts| (watts - mean_w).powi(2));
        let deviation_w = trace.mean(start_s, end_s, square).unwrap_or(0.0).sqrt();
        let scatter_w = deviation_w / f64::from(result.polled_updates.max(1)).sqrt();
        let step_w = trace.power_step_w.unwrap_or(0.0);
        // Rounding averages out where the figures wander over the steps.
        let rounding_w = if deviation_w < step_w / 2.0 { step_w * UNIFORM } else { 0.0 };
        round(scatter_w.hypot(rounding_w), 6)
    });

    let steps_s: Vec<f64> = moves.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    let own_s = if steps_s.len() >= LEAST_STEPS || usual_s.is_none() { median(&steps_s) } else { None };
    if let Some(usual_s) = own_s.or(usual_s) {
        let longest_s = (FROZEN_STEPS * usual_s).max(FROZEN_S);
        let edges = [start_s].into_iter().chain(moves.iter().map(|seen| seen.0)).chain([end_s]);
        let stands = |pair: &[f64]| {
            let still_s = pair[1] - pair[0];
            still_s > longest_s && still_s - silent_s(pair[0], pair[1]) > longest_s
        };
        if edges.collect::<Vec<_>>().windows(2).any(stands) {
            result.counter_fault = result.counter_fault.or(Some(CounterFault::Frozen));
        }
    }
    if let (Some((from_s, from_j)), Some((to_s, to_j)), None) = (moves.first(), moves.last(), result.counter_fault)
        && to_s > from_s
    {
        result.counter_s = round(to_s - from_s, 3); // as the trace's times are
        result.counter = Some((to_j - from_j) / (to_s - from_s));
    }
    result
}

/// Standard deviation of what is alike likely within a step of 1: 1/√12.
const UNIFORM: f64 = 0.288_675_134_594_812_9;

/// A GPU whose clock falls under this share of what it was fell asleep.
const ASLEEP: f64 = 0.5;
/// Figures that a sensor must have shown until then, the first of the sleep among them, so that they stand for a GPU that is awake.
const AWAKE_UPDATES: u32 = 4;

/// Power, clock and temperature from `start_s` on, without work, of a GPU in one state.
///
/// At idle the power figures lead: counters are known to stand still or to fall there.
pub fn idle(trace: &Trace, start_s: f64, duration_s: f64) -> Idle {
    let (from_s, to_s) = in_one_state(trace, start_s, duration_s);
    let power = window_power(trace, None, from_s, to_s);
    Idle {
        start_s,
        duration_s,
        power_w: power.polled.or(power.counter),
        counter_w: power.counter,
        temperature_c: trace.mean(from_s, to_s, |row| row.temperature_c),
        clock_mhz: trace.mean(from_s, to_s, |row| row.clock_mhz).map(|clock_mhz| round(clock_mhz, 1)),
    }
}

/// From when to when a GPU that rests stays what it was at first: awake, at the clock of its work. An H100 falls asleep two seconds after
/// it, from 1980 to 345 MHz and from 123 to 71 W, and no mean of the two is the idle power of anything. One that falls at once, before
/// the sensor has seen it awake, is measured asleep.
fn in_one_state(trace: &Trace, start_s: f64, duration_s: f64) -> (f64, f64) {
    let end_s = start_s + duration_s;
    let mut highest_mhz: f64 = 0.0;
    let falls = trace.rows_within(start_s, end_s).find(|row| {
        let clock_mhz = row.clock_mhz.unwrap_or(highest_mhz);
        highest_mhz = highest_mhz.max(clock_mhz);
        clock_mhz < ASLEEP * highest_mhz
    });
    match falls.map(|row| row.t_s) {
        Some(falls_s) if window_power(trace, None, start_s, falls_s).polled_updates >= AWAKE_UPDATES => {
            (start_s, falls_s)
        }
        Some(falls_s) => (falls_s, end_s),
        None => (start_s, end_s),
    }
}

fn at_rest(trace: &Trace, idle: Idle) -> WindowPower {
    let (from_s, to_s) = in_one_state(trace, idle.start_s, idle.duration_s);
    window_power(trace, None, from_s, to_s)
}

/// Standard uncertainty of the idle power that counts, in watts, by the scatter of its figures; 0 where it comes from a counter.
pub(crate) fn idle_u(trace: &Trace, idle: &IdlePower) -> f64 {
    let power = idle.hot.or(idle.open).or(idle.cold).map(|rest| at_rest(trace, rest));
    power.filter(|power| power.polled.is_some()).and_then(|power| power.polled_u).unwrap_or(0.0)
}

/// Which of a run's watts are believed, and why others are not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Belief {
    pub lead: Option<Lead>,
    pub counter: Option<Doubt>,
    pub polled: Option<Doubt>,
    /// Counter over polled power, less 1, in the window where they differ most.
    pub disagreement: Option<f64>,
    /// Do the two differ by more than they may? Then one of them is wrong, and nothing tells which.
    pub differ: bool,
    /// Idle power in watts, of those who are believed: hot, else open, else cold.
    pub idle_w: Option<f64>,
    /// In some window the device drew no more than at rest, by two ways that agree or by a counter that moves.
    pub no_load: bool,
}

/// Counter and polled power may differ by this share, in any window.
pub(crate) const MOST_DISAGREEMENT: f64 = 0.05;
/// Watts that a sensor may show over the device's power limit: published calibrations have slopes to 1.18 and offsets to +16 W, and
/// limits are kept over some tenths of a second.
const OVER_LIMIT: (f64, f64) = (1.3, 16.0);
/// Mean watts of a window that no device draws (the largest accelerators that are announced draw 3.6 kW), and that none is under.
pub(crate) const MOST_W: f64 = 4000.0;
const LEAST_W: f64 = 0.1;
/// A figure that moves by less than this share from rest to full load did not move.
const MOVED: f64 = 0.01;
/// Under this share of what the other way shows at rest, power at full load is no power of this device. A sensor's idle may be off.
const UNDER_IDLE: f64 = 0.5;
/// Figures a window that say that a sensor usually moves.
const LIVELY_UPDATES: u32 = 5;

/// The most that windows of this device may show in watts.
pub(crate) fn most_w(source: Option<&Source>, trace: &Trace) -> f64 {
    if source.is_some_and(|source| source.scope == Scope::System) {
        return IMPLAUSIBLE_W; // a machine of many devices
    }
    let Some(source) = source.filter(|source| source.power_limit_kind == LimitKind::Enforced) else { return MOST_W };
    let limits = source.power_limit_w.into_iter().chain(trace.power_limit_w.map(|range| range.1));
    let highest = limits.filter(|watts| *watts > 0.0).max_by(f64::total_cmp);
    highest.map_or(MOST_W, |limit_w| (OVER_LIMIT.0 * limit_w + OVER_LIMIT.1).min(MOST_W))
}

/// Holds counter and power figures against what cannot be, and decides which of them leads.
///
/// The counter does where every window has it: it misses least. Power figures stand in where it failed in a window or shows what
/// cannot be, and where the two differ: of the boards that are known to, the counter is the wrong one. None leads where nothing
/// is left that can be believed.
pub fn belief(windows: &[Window], trace: &Trace, source: Option<&Source>, idle: &IdlePower) -> Belief {
    let powers: Vec<WindowPower> = windows.iter().map(|window| window.power_w).collect();
    let rests = || [idle.hot, idle.open, idle.cold].into_iter().flatten();
    let resting: Vec<WindowPower> = rests().map(|rest| at_rest(trace, rest)).collect();
    let most_w = most_w(source, trace);
    let least = |way: Lead| resting.iter().filter_map(|rest| rest.watts(Some(way))).min_by(f64::total_cmp);
    let alone = |way: Lead| {
        let mut watts = powers.iter().filter_map(|power| power.watts(Some(way)));
        let idle_w = least(way).unwrap_or(0.0);
        watts.find_map(|watts| match watts {
            _ if watts > most_w || !watts.is_finite() => Some(Doubt::AboveLimit),
            _ if watts < LEAST_W || watts < idle_w * (1.0 - MOVED) => Some(Doubt::BelowIdle),
            _ if watts <= idle_w * (1.0 + MOVED) => Some(Doubt::Frozen),
            _ => None,
        })
    };
    let differences = powers.iter().filter_map(|power| {
        let (counter, polled) = (power.counter?, power.polled?);
        let share = counter / polled - 1.0;
        // What the figures' steps leave open is no difference.
        let allowed = MOST_DISAGREEMENT + 2.0 * power.polled_u.unwrap_or(0.0) / polled.abs();
        share.is_finite().then_some((share, share.abs() > allowed))
    });
    let (shares, beyond): (Vec<f64>, Vec<bool>) = differences.unzip();
    let disagreement = shares.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
    let all = |way: Lead| !powers.is_empty() && powers.iter().all(|power| power.watts(Some(way)).is_some());

    let mut belief = Belief { disagreement, ..Belief::default() };
    (belief.counter, belief.polled) = (alone(Lead::Counter), alone(Lead::Polled));
    if belief.polled.is_none() && stands_still(windows, trace) {
        belief.polled = Some(Doubt::Frozen);
    }
    // Two that agree in every window are not both stuck: then the device did not draw more.
    let agree = beyond.len() == powers.len() && !beyond.contains(&true);
    let stuck = |doubt| matches!(doubt, Some(Doubt::Frozen | Doubt::BelowIdle));
    if agree && stuck(belief.counter) && stuck(belief.polled) && powers.iter().all(|power| power.counter_updates > 0) {
        (belief.counter, belief.polled, belief.no_load) = (None, None, true);
    }
    // A counter that moves is not stuck.
    let moves = !powers.is_empty() && powers.iter().all(|power| power.counter_updates > 0);
    if belief.counter == Some(Doubt::Frozen) && moves {
        (belief.counter, belief.no_load) = (None, true);
    }
    // Each against the other's rest, where that can be believed.
    let under = |way: Lead, idle_w: Option<f64>| {
        let floor_w = UNDER_IDLE * idle_w.unwrap_or(0.0);
        powers.iter().filter_map(|power| power.watts(Some(way))).any(|watts| watts < floor_w)
    };
    let (counter_idle, polled_idle) = (
        least(Lead::Counter).filter(|_| belief.counter.is_none()),
        least(Lead::Polled).filter(|_| belief.polled.is_none()),
    );
    if belief.counter.is_none() && under(Lead::Counter, polled_idle) {
        belief.counter = Some(Doubt::BelowIdle);
    }
    if belief.polled.is_none() && belief.counter.is_none() && under(Lead::Polled, counter_idle) {
        belief.polled = Some(Doubt::BelowIdle);
    }
    let (counter, polled) =
        (all(Lead::Counter) && belief.counter.is_none(), all(Lead::Polled) && belief.polled.is_none());
    belief.differ = counter && polled && beyond.contains(&true);
    belief.lead = match (counter, polled) {
        (true, true) if belief.differ => Some(Lead::Polled),
        (true, _) => Some(Lead::Counter),
        (false, true) => Some(Lead::Polled),
        (false, false) => None,
    };
    let believed = |rest: Idle| match (belief.polled, belief.counter) {
        (None, _) => rest.power_w,
        (Some(_), None) if all(Lead::Counter) => rest.counter_w,
        (Some(_), _) => None,
    };
    belief.idle_w = rests().next().and_then(believed).filter(|watts| (0.0..=most_w).contains(watts));
    belief
}

/// Does the power figure stay the same from the start of one window to the end of the next one of another init, while it moves in most
/// windows? The load differs between them, at least in the pause.
fn stands_still(windows: &[Window], trace: &Trace) -> bool {
    let updates: Vec<f64> = windows.iter().map(|window| f64::from(window.power_w.polled_updates)).collect();
    if median(&updates).is_none_or(|usual| usual < f64::from(LIVELY_UPDATES)) {
        return false;
    }
    windows.windows(2).any(|pair| {
        let until_s = pair[1].start_s + pair[1].duration_s;
        let mut figures = trace.rows_within(pair[0].start_s, until_s).filter_map(|row| row.power_w);
        let first = figures.next();
        pair[0].init != pair[1].init && first.is_some() && figures.all(|watts| Some(watts) == first)
    })
}

/// How often the counter went back in the whole of a run.
pub(crate) fn steps_back(trace: &Trace) -> usize {
    let mut before_j = f64::NEG_INFINITY;
    let fell = |&&energy_j: &&f64| energy_j < std::mem::replace(&mut before_j, energy_j);
    trace.energy_j.iter().flatten().filter(fell).count()
}

/// The period of what moved in these steps: their median. None of fewer than four.
pub fn period_s(steps_s: &[f64]) -> Option<f64> {
    if steps_s.len() < LEAST_STEPS { None } else { median(steps_s) }
}

/// So many steps tell a period, and no more than so many are kept for it.
const LEAST_STEPS: usize = 4;

/// The time that a tenth of these steps undercuts. None of fewer than four.
pub(crate) fn shortest_s(steps_s: &[f64]) -> Option<f64> {
    let mut sorted = steps_s.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 10).copied().filter(|_| sorted.len() >= LEAST_STEPS)
}

/// The sensor's own period, in seconds: the median time between two moves of the counter, and the [`shortest_s`] between two changes
/// of the power figure. None with fewer than four.
pub fn update_periods(trace: &Trace) -> (Option<f64>, Option<f64>) {
    let steps_s = |times: Vec<f64>| times.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    let rows = (0..trace.len()).map(|i| trace.row(i));
    let counter = rows.clone().filter(|row| row.energy_j.is_some()).map(|row| row.t_s).collect();
    let mut power_w = None;
    let changes = rows.filter(|row| {
        let changed = row.power_w.is_some() && row.power_w != power_w;
        power_w = row.power_w.or(power_w);
        changed
    });
    (period_s(&steps_s(counter)), shortest_s(&steps_s(changes.map(|row| row.t_s).collect())))
}
