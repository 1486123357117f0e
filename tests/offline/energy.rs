//! From the sensor's trace and a window to watts, and which of them can be believed.

use wattmul::analysis::energy::*;
use wattmul::operands::Init;
use wattmul::record::{CounterFault, Doubt, IdlePower, Lead, LimitKind, Source, Trace, Window, WindowPower};

/// A sensor that updates every `period_s` for 12 s.
fn trace(period_s: f64, power_w: impl Fn(f64) -> Option<f64>, energy_j: impl Fn(f64) -> Option<f64>) -> Trace {
    let mut trace = Trace::default();
    for i in 0..(12.0 / period_s) as u32 {
        let t_s = f64::from(i) * period_s;
        trace.t_s.push(t_s);
        trace.power_w.push(power_w(t_s));
        trace.energy_j.push(energy_j(t_s));
        trace.temperature_c.push(Some(50.0)); // a row of nulls would be silence
        trace.clock_mhz.push(None);
    }
    trace
}

fn window(power_w: WindowPower, init: Init, start_s: f64, duration_s: f64) -> Window {
    Window {
        init,
        round: 0,
        start_s,
        duration_s,
        products: 1.0,
        device_s: None,
        busy: None,
        products_right: true,
        power_w,
        energy_j: None,
        clock_mhz: None,
        memory_clock_mhz: None,
        performance_state: None,
        temperature_c: None,
        limiters: None,
    }
}

fn led(powers: &[WindowPower]) -> Option<Lead> {
    let windows: Vec<Window> = powers.iter().map(|&power| window(power, Init::Zeros, 0.0, 10.0)).collect();
    belief(&windows, &Trace::default(), None, &IdlePower::default()).lead
}

/// What is believed of 2 s at rest and 10 s at full load, by counter and by power figure, under a limit.
fn believed(rest: (f64, f64), load: (f64, f64), limit_w: Option<f64>, kind: LimitKind) -> Belief {
    let at = |of: fn((f64, f64)) -> f64| move |t: f64| if t < 2.0 { of(rest) } else { of(load) };
    let (counter, polled) = (at(|watts| watts.0), at(|watts| watts.1));
    let joules = move |t: f64| counter(0.0) * t.min(2.0) + counter(5.0) * (t - 2.0).max(0.0);
    // The counter's joules, and figures that wander by a hundredth of a watt.
    let trace = trace(0.1, |t| Some(polled(t) * (1.0 + 1e-4 * t.sin())), |t| Some(joules(t)));
    let source = Source {
        power_limit_w: limit_w,
        power_limit_kind: kind,
        ..Source::new("test", "card", wattmul::record::Scope::Board)
    };
    let idle = IdlePower { cold: Some(idle(&trace, 0.0, 1.9)), ..IdlePower::default() };
    let windows = [window(window_power(&trace, None, 2.5, 11.5), Init::Zeros, 2.5, 9.0)];
    belief(&windows, &trace, Some(&source), &idle)
}

#[test]
fn the_wrong_one_of_two_is_doubted_and_the_right_one_leads() {
    use Doubt::{AboveLimit, BelowIdle, Frozen};
    use Lead::{Counter, Polled};
    let limited = |rest, load, limit_w| {
        let Belief { lead, counter, polled, .. } = believed(rest, load, limit_w, LimitKind::Enforced);
        (lead, counter, polled)
    };
    // (counter, power figure) at rest and at full load, in watts
    assert_eq!(limited((50.0, 50.0), (300.0, 301.0), Some(350.0)), (Some(Counter), None, None));
    // a power figure of 1 to 2 W beside a right counter (MI325X)
    assert_eq!(limited((150.0, 1.0), (700.0, 2.0), Some(1000.0)), (Some(Counter), None, Some(BelowIdle)));
    assert_eq!(limited((150.0, 1.5), (700.0, 1.5), Some(1000.0)), (Some(Counter), None, Some(Frozen)));
    // 3.7 million milliwatts beside a right counter (a 32-bit library), at rest too
    assert_eq!(limited((50.0, 3700.0), (300.0, 3700.0), Some(350.0)).0, Some(Counter));
    assert_eq!(limited((50.0, 60.0), (300.0, 3700.0), Some(350.0)), (Some(Counter), None, Some(AboveLimit)));
    // a counter of a thousandth, and one of twenty times too much
    assert_eq!(limited((0.05, 50.0), (0.3, 300.0), None), (Some(Polled), Some(BelowIdle), None));
    assert_eq!(limited((1000.0, 50.0), (6000.0, 300.0), None), (Some(Polled), Some(AboveLimit), None));
    // frozen at 588 to 593 W, and no counter that tells otherwise
    assert_eq!(limited((590.0, 591.0), (590.0, 590.0), Some(150.0)), (None, Some(AboveLimit), Some(AboveLimit)));
    let alone = believed((590.0, 590.0), (590.0, 592.0), None, LimitKind::Enforced);
    assert!(alone.no_load && alone.lead == Some(Counter), "two that agree are not both stuck: {alone:?}");
    // both too much: no joules
    assert_eq!(limited((900.0, 900.0), (8503.0, 8503.0), Some(700.0)), (None, Some(AboveLimit), Some(AboveLimit)));
}

#[test]
fn where_both_may_be_right_and_differ_the_power_figure_leads() {
    let found = believed((50.0, 50.0), (270.0, 300.0), Some(350.0), LimitKind::Enforced);
    assert_eq!((found.lead, found.counter, found.polled, found.differ), (Some(Lead::Polled), None, None, true));
    let near = believed((50.0, 50.0), (288.0, 300.0), Some(350.0), LimitKind::Enforced);
    assert_eq!((near.lead, near.differ), (Some(Lead::Counter), false));
}

/// A laptop's PL1 of 15 W, and a load of 60 W for minutes.
#[test]
fn a_limit_on_the_long_mean_is_no_limit_of_a_window() {
    let boosts = |kind| believed((5.0, 5.0), (60.0, 60.0), Some(15.0), kind).lead;
    assert_eq!(boosts(LimitKind::Sustained), Some(Lead::Counter));
    assert_eq!(boosts(LimitKind::Enforced), None);
}

/// 85 % of a window: what the counter counted later is the power of the rest alone.
#[test]
fn a_counter_frozen_at_a_windows_start_is_a_fault() {
    let late = trace(0.1, |_| None, |t| (!(1.0..=9.5).contains(&t)).then_some(355.0 * t));
    let power = window_power(&late, None, 1.0, 11.0);
    assert_eq!((power.counter, power.counter_fault), (None, Some(CounterFault::Frozen)), "{power:?}");
    // With two moves in a window, the run tells how often it moves.
    let (usual_s, _) = update_periods(&trace(0.1, |_| None, |t| Some(355.0 * t)));
    let twice = trace(0.1, |_| None, |t| (!(1.0..=10.85).contains(&t)).then_some(355.0 * t));
    assert_eq!(window_power(&twice, usual_s, 1.0, 11.0).counter_fault, Some(CounterFault::Frozen));
}

/// By hand: whole watts that do not move have an uncertainty of 1/√12 W; 100 figures that jump between two, of 0.5/√100 W.
#[test]
fn a_step_is_averaged_out_only_where_the_figures_move_over_it() {
    let coarse = |power_w: &dyn Fn(f64) -> f64| {
        let mut trace = trace(0.1, |t| Some(power_w(t)), |_| None);
        trace.power_step_w = Some(1.0);
        window_power(&trace, None, 1.0, 11.0).polled_u.unwrap()
    };
    assert!((coarse(&|_| 290.0) - 0.288_675).abs() < 1e-6);
    let jumps = coarse(&|t| if ((t * 10.0).round() as u32).is_multiple_of(2) { 290.0 } else { 291.0 });
    assert!((jumps - 0.05).abs() < 0.002, "{jumps}");
}

#[test]
fn a_figure_that_stands_still_over_two_loads_while_it_usually_moves_is_stuck() {
    let moving = |t: f64| 200.0 + (t * 100.0).sin();
    let stuck = trace(0.1, |t| Some(if t < 6.0 { moving(t) } else { 207.0 }), |_| None);
    let of = |trace: &Trace| {
        let init = |i| if i % 2 == 0 { Init::Zeros } else { Init::Gaussian };
        let at = |i: i32| (f64::from(i) * 2.0 + 0.1, 1.8);
        let of = |i| window(window_power(trace, None, at(i).0, at(i).0 + at(i).1), init(i), at(i).0, at(i).1);
        belief(&(0..5).map(of).collect::<Vec<_>>(), trace, None, &IdlePower::default()).polled
    };
    assert_eq!(of(&stuck), Some(Doubt::Frozen));
    assert_eq!(of(&trace(0.1, |t| Some(moving(t)), |_| None)), None);
    assert_eq!(of(&trace(0.1, |_| Some(290.0), |_| None)), None, "a steady load on a coarse sensor");
}

#[test]
fn counter_and_polled_power_of_a_steady_load_agree_wherever_the_window_lies() {
    let trace = trace(0.1, |t| Some(250.0 + t * 1e-6), |t| Some(250.0 * t));
    for start_s in [1.0, 1.03, 1.0999] {
        let power = window_power(&trace, None, start_s, start_s + 9.77);
        assert!((power.counter.unwrap() - 250.0).abs() < 1e-6);
        assert!((power.polled.unwrap() - 250.0).abs() < 1e-3);
        assert!((96..=98).contains(&power.counter_updates), "{power:?}");
        assert_eq!(led(&[power]), Some(Lead::Counter));
    }
}

#[test]
fn a_faulty_counter_is_named_and_not_used() {
    let step_back = trace(0.1, |_| Some(200.0), |t| Some(if t < 5.0 { 200.0 * t } else { 200.0 * t - 700.0 }));
    let power = window_power(&step_back, None, 1.0, 11.0);
    assert_eq!((power.counter, power.counter_fault), (None, Some(CounterFault::SteppedBack)));
    let watts = power.watts(led(&[power])).unwrap();
    assert!((watts - 200.0).abs() < 1e-9, "polled power stands in: {watts}");

    let jump = trace(0.1, |_| Some(200.0), |t| Some(if t < 5.0 { 200.0 * t } else { 200.0 * t + 1e9 }));
    assert_eq!(window_power(&jump, None, 1.0, 11.0).counter_fault, Some(CounterFault::Jumped));

    let freezes = trace(0.1, |_| Some(200.0), |t| (t < 6.0).then_some(200.0 * t));
    let power = window_power(&freezes, None, 1.0, 11.0);
    assert_eq!((power.counter, power.counter_fault), (None, Some(CounterFault::Frozen)));

    let frozen = trace(0.1, |_| Some(200.0), |t| (t == 0.0).then_some(0.0));
    let power = window_power(&frozen, None, 1.0, 11.0);
    assert_eq!((power.counter, power.counter_updates, power.counter_fault), (None, 0, None));
}

#[test]
fn nothing_is_made_of_nothing() {
    let power = window_power(&Trace::default(), None, 0.0, 1.0);
    assert_eq!(power, WindowPower::default());
    assert_eq!((led(&[power]), led(&[])), (None, None));
    assert_eq!(update_periods(&Trace::default()), (None, None));
    // a single update says nothing about power
    let one = trace(10.0, |_| None, Some);
    assert_eq!(window_power(&one, None, 9.0, 11.0).counter, None);
}

#[test]
fn the_period_is_measured() {
    let (counter, polled) = update_periods(&trace(0.02, |t| Some(t.sin()), Some));
    assert!((counter.unwrap() - 0.02).abs() < 1e-9 && (polled.unwrap() - 0.02).abs() < 1e-9);
}

#[test]
fn idle_is_that_of_a_gpu_awake_or_asleep_and_no_mean_of_both() {
    // An H100 two seconds after its work: (seconds at 1980 MHz, of 3) → watts and clock of idle.
    for (awake_s, watts, clock_mhz) in
        [(3.0, 123.5, 1980.0), (0.9, 123.5, 1980.0), (0.2, 71.0, 345.0), (0.0, 71.0, 345.0)]
    {
        let is_awake = |t: f64| t < awake_s;
        let mut trace = trace(0.1, |t| Some(if is_awake(t) { 123.5 } else { 71.0 } + 1e-3 * t.sin()), |_| None);
        trace.clock_mhz = trace.t_s.iter().map(|&t| Some(if is_awake(t) { 1980.0 } else { 345.0 })).collect();
        let idle = idle(&trace, 0.0, 3.0);
        assert!((idle.power_w.unwrap() - watts).abs() < 0.1, "{awake_s}: {idle:?}");
        assert_eq!(idle.clock_mhz, Some(clock_mhz), "{awake_s}");
        assert_eq!((idle.start_s, idle.duration_s), (0.0, 3.0));
    }
    // A clock that wanders without falling asleep is of one state, and one that nothing shows too.
    let mut wandering = trace(0.1, |t| Some(20.0 + t), |_| None);
    let unseen = idle(&wandering, 0.0, 3.0);
    wandering.clock_mhz = wandering.t_s.iter().map(|&t| Some(300.0 + 100.0 * t.sin())).collect();
    assert_eq!(idle(&wandering, 0.0, 3.0).power_w, unseen.power_w);
    assert_eq!(unseen.clock_mhz, None);
}
