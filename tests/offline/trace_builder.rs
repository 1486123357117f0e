//! What the sensor said during a run: from a hundred reads a second to one row an update.

use wattmul::protocol::sensor::Sample;
use wattmul::protocol::trace_builder::*;
use wattmul::protocol::{PowerError, Reading};
use wattmul::record::Row;

fn sample(time_s: f64, power_mw: u64, energy_uj: u64) -> Sample {
    let reading = Reading { power_mw: Some(power_mw), energy_uj: Some(energy_uj), ..Reading::default() };
    Sample { time_s, reading: Ok(reading) }
}

#[test]
fn a_row_is_an_update_however_often_the_sensor_is_read() {
    let mut builder = TraceBuilder::new(None);
    for i in 0..100 {
        let update = i / 10; // the sensor moves every tenth read
        builder.take(sample(i as f64 * 0.01, 100_000 + update, 5_000_000 + 10_000_000 * update));
    }
    let trace = builder.finish();
    assert_eq!(trace.t_s, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
    assert_eq!(trace.power_w[3], Some(100.003));
    assert_eq!(trace.energy_j[3], Some(30.0));
}

#[test]
fn the_counters_period_is_known_however_coarse_the_rows_are() {
    let mut builder = TraceBuilder::new(None);
    builder.set_resolution(5.0);
    for i in 0..200 {
        builder.take(sample(i as f64 * 0.01, 1, 1_000_000 * (i / 10)));
    }
    assert!((builder.counter_period_s().unwrap() - 0.1).abs() < 1e-9);
    // A gap, as while it rests, is one step among many.
    builder.take(sample(60.0, 1, 1_000_000_000));
    assert!((builder.counter_period_s().unwrap() - 0.1).abs() < 1e-9);
}

#[test]
fn a_fast_sensor_is_averaged_over_rows_and_the_counter_keeps_its_times() {
    let mut builder = TraceBuilder::new(None);
    builder.set_resolution(0.05);
    for i in 0..20 {
        builder.take(sample(i as f64 * 0.01, 100_000 + 10_000 * (i % 2), 1000 * i));
    }
    let trace = builder.finish();
    assert_eq!(trace.t_s, [0.0, 0.05, 0.1, 0.15]);
    assert_eq!(trace.power_w, [Some(104.0), Some(106.0), Some(104.0), Some(106.0)]);
    assert_eq!(trace.energy_j, [Some(0.0), Some(0.005), Some(0.01), Some(0.015)]);
}

/// 300 W in a window and 100 W after it, in rows of half a second.
#[test]
fn a_row_ends_with_its_part_of_the_run() {
    let mut builder = TraceBuilder::new(None);
    builder.set_resolution(0.5);
    (0..20).for_each(|i| builder.take(sample(i as f64 * 0.01, 300_000 + i % 2, 1)));
    builder.set_resolution(0.5);
    (20..40).for_each(|i| builder.take(sample(i as f64 * 0.01, 100_000 + i % 2, 1)));
    let trace = builder.finish();
    assert_eq!((&trace.t_s[..], &trace.power_w[..]), (&[0.0, 0.2][..], &[Some(300.001), Some(100.001)][..]));
}

#[test]
fn a_silence_that_a_part_of_the_run_ends_in_goes_on_and_not_back() {
    let mut builder = TraceBuilder::new(None);
    builder.take(sample(0.0, 50_000, 0));
    for i in 1..80 {
        let error = PowerError::Absent { what: "it".into(), fix: "look for it" };
        builder.take(Sample { time_s: f64::from(i) * 0.01, reading: Err(error) });
        if i == 40 {
            builder.set_resolution(0.1);
        }
    }
    let trace = builder.finish();
    assert!(trace.t_s.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", trace.t_s);
    assert_eq!((trace.t_s[0], trace.t_s[1], trace.power_w[2]), (0.0, 0.01, None));
}

#[test]
fn steps_and_periods_of_figures_are_found_behind_repetitions() {
    // Whole watts, every 0.1 s, of which most show the same again.
    let mut builder = TraceBuilder::new(None);
    for i in 0..3000u64 {
        let update = i / 10;
        let watts = 290 + [0, 0, 0, 1, 0, 0, 0, 0, 2, 3, 5, 8, 13][update as usize % 13];
        let reading =
            Reading { power_mw: Some(watts * 1000), power_limit_w: Some(200.0 + watts as f64), ..Reading::default() };
        builder.take(Sample { time_s: i as f64 * 0.01, reading: Ok(reading) });
    }
    assert!((builder.period_s().unwrap() - 0.1).abs() < 1e-6, "{:?}", builder.period_s());
    let trace = builder.finish();
    assert_eq!((trace.power_step_w, trace.power_limit_w), (Some(1.0), Some((490.0, 503.0))));
    // Of two figures, nobody knows the step: no sensor is known to be coarser than a watt.
    let mut two = TraceBuilder::new(None);
    two.take(sample(0.0, 60_000, 1));
    two.take(sample(0.1, 290_000, 1));
    assert_eq!(two.finish().power_step_w, Some(1.0));
}

#[test]
fn a_wrap_is_taken_out_and_a_step_back_is_kept() {
    let mut builder = TraceBuilder::new(Some(1_000_000));
    for (i, energy) in [900_000, 950_000, 20_000, 120_000, 60_000].into_iter().enumerate() {
        builder.take(sample(i as f64, 1, energy));
    }
    assert_eq!(builder.finish().energy_j, [Some(0.0), Some(0.05), Some(0.12), Some(0.22), Some(0.16)]);
}

#[test]
fn a_wrap_needs_a_plausible_power() {
    // from 60 kJ of 65.5 kJ to nothing within a second: 5.5 kW would do, if a board drew that; in 0.1 s it is a reset
    for (step_s, expected) in [(1.0, 5.636), (0.1, -59.9)] {
        let mut builder = TraceBuilder::new(Some(65_536_000_000));
        builder.take(sample(0.0, 1, 60_000_000_000));
        builder.take(sample(step_s, 1, 100_000_000));
        let energy_j = builder.finish().energy_j[1].unwrap();
        assert!((energy_j - expected * 1000.0).abs() < 1e-6, "{energy_j}");
    }
}

#[test]
fn a_fall_is_seen_however_coarse_the_rows_are() {
    let mut builder = TraceBuilder::new(None);
    builder.set_resolution(0.1);
    for (i, energy) in [0, 10, 20, 30, 25, 35].into_iter().enumerate() {
        builder.take(sample(i as f64 * 0.01, 1, energy * 1_000_000));
    }
    let trace = builder.finish();
    assert_eq!(trace.t_s, [0.0, 0.03, 0.04]);
    assert_eq!(trace.energy_j, [Some(0.0), Some(30.0), Some(25.0)]);
}

#[test]
fn single_reads_that_fail_leave_the_rows_alone_and_no_time_to_a_move_that_nobody_saw() {
    let mut builder = TraceBuilder::new(None);
    for i in 0..60 {
        if [7, 18, 19, 20, 41].contains(&i) {
            let error = PowerError::Absent { what: "it".into(), fix: "look for it" };
            builder.take(Sample { time_s: i as f64 * 0.01, reading: Err(error) });
        } else {
            builder.take(sample(i as f64 * 0.01, 100_000 + i / 10, 1_000_000 * (i / 10)));
        }
    }
    let trace = builder.finish();
    assert_eq!(trace.t_s, [0.0, 0.1, 0.21, 0.3, 0.4, 0.5]);
    assert_eq!(trace.energy_j, [Some(0.0), Some(1.0), None, Some(3.0), Some(4.0), Some(5.0)]);
    assert!(trace.power_w.iter().all(Option::is_some));
}

#[test]
fn what_is_no_number_is_null() {
    let mut builder = TraceBuilder::new(None);
    let reading = Reading {
        temperature_c: Some(f64::NAN),
        clock_mhz: Some(f64::INFINITY),
        power_mw: Some(0),
        ..Reading::default()
    };
    builder.take(Sample { time_s: 0.0, reading: Ok(reading) });
    assert_eq!(builder.finish().row(0), Row { power_w: Some(0.0), ..Row::default() });
}

#[test]
fn silence_is_a_row_of_nulls_and_not_a_zero() {
    let mut builder = TraceBuilder::new(None);
    builder.take(sample(0.0, 50_000, 0));
    for i in 1..10 {
        let error = PowerError::Absent { what: "it".into(), fix: "look for it" };
        builder.take(Sample { time_s: f64::from(i) * 0.1, reading: Err(error) });
    }
    builder.take(sample(1.0, 60_000, 9));
    assert_eq!(builder.failures(), (9, Some("it is not here: look for it")));
    let trace = builder.finish();
    assert_eq!(trace.t_s, [0.0, 0.1, 1.0]);
    assert_eq!(trace.power_w, [Some(50.0), None, Some(60.0)]);
    // 50 W for 0.1 s and 60 W for 1 s; the silence has no weight
    let mean = trace.mean(0.0, 2.0, |row| row.power_w).unwrap();
    assert!((mean - (50.0 * 0.1 + 60.0) / 1.1).abs() < 1e-9, "{mean}");
    assert_eq!(trace.mean(0.2, 0.9, |row| row.power_w), None);
}
