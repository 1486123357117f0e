//! Nothing grows while a run goes on: what the heap holds after the warm-up is what it holds at the end, but for the rows of the
//! trace and the windows, which a record has.

use crate::allocator::HELD;
use std::cell::Cell;
use wattmul::protocol::{Event, Stage};
use wattmul::record::Truth;
use wattmul::run::PlanOptions;
use wattmul::simulate::Simulation;

const MIB: isize = 1 << 20;

/// Runs so many rounds, of 26 s each, and looks at the heap after the warm-up and after the last window.
fn is_steady(rounds: u32, real_time: bool) {
    let model = "h100".parse().unwrap();
    let options = PlanOptions { rounds: Some(rounds), ..PlanOptions::default() };
    let plan = wattmul::run::simulated::plan(&model, &options).unwrap();
    let windows = rounds as usize * plan.inits.len();
    let simulation = Simulation::new(model, plan, real_time);
    let (warm, last, done) = (Cell::new(None), Cell::new(0), Cell::new(0));
    let watch = |event| match event {
        Event::Begun(Stage::Round { .. }) if warm.get().is_none() => warm.set(Some(HELD.get())),
        Event::WindowDone(_) => {
            last.set(HELD.get());
            done.set(done.get() + 1);
        }
        _ => {}
    };
    let truth = Truth::default();
    let record = wattmul::run::simulated::simulated(&simulation, truth, None, &|| false, &watch).unwrap();
    let (warm, last) = (warm.get().unwrap(), last.get());
    let seconds = record.windows.last().unwrap().start_s - record.windows[0].start_s;
    println!("{seconds:.0} s: {warm} bytes after the warm-up, {last} at the end");
    assert_eq!(done.get(), windows);
    assert!(last <= warm + MIB, "{warm} bytes after the warm-up, {last} at the end");
}

/// 17 minutes in virtual time, in no time: 100,000 reads of the sensor.
#[test]
fn a_long_simulated_run_holds_no_more_at_its_end_than_after_its_warm_up() {
    is_steady(40, false);
}

#[test]
#[ignore = "takes over ten minutes"]
fn ten_minutes_of_a_simulated_run_in_real_time_hold_no_more_at_their_end() {
    is_steady(24, true);
}
