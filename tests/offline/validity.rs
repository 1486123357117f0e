//! The verdict: can the record's numbers be believed, and if not, why, and what to do about it.

use wattmul::analysis::summary;
use wattmul::analysis::validity::*;
use wattmul::operands::Init;
use wattmul::record::{Flag, Limiter, Record, Status, Verdict};
use wattmul::run::{PlanOptions, simulated};

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
    assert_eq!((idle.reasons[0].value, idle.reasons[0].limit), (Some(0.9), Some(0.98)));

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

    let slices = judged(|record| {
        let source = record.source.as_mut().unwrap();
        source.pci_address = "0000:01:00.0".parse().ok();
        source.shared_with = source.pci_address.into_iter().collect();
    });
    assert!(slices.status == Status::UnverifiedSensor && slices.has("sensor-shared"));
    assert!(slices.reasons[0].message.contains("all slices of the GPU"), "{slices:?}");

    let hot = judged(|record| record.windows[1].limiters = Some(vec![Limiter::Thermal]));
    assert!(hot.status == Status::Invalid && hot.has("thermal-slowdown"));
}

#[test]
fn a_counter_that_nothing_stands_beside_is_held_against_its_own_pace() {
    let uneven = judged(|record| {
        record.source.as_mut().unwrap().power = None;
        record.windows[4].power_w.counter_updates /= 3;
    });
    assert!(uneven.has("counter-uneven") && uneven.status == Status::UnverifiedSensor, "{uneven:?}");
    assert!(!judged(|record| record.windows[4].power_w.counter_updates /= 3).has("counter-uneven"));
}

#[test]
fn too_little_seen_and_too_little_sharp_are_two_reasons() {
    let little = judged(|record| record.windows[2].power_w.counter_s = 1.2);
    assert!(little.has("too-little-seen") && !little.has("imprecise"), "{little:?}");
    let blunt = judged(|record| {
        record.source.as_mut().unwrap().counter = None;
        for window in &mut record.windows {
            window.power_w.counter = None;
            window.power_w.polled_u = window.power_w.polled.map(|watts| 0.02 * watts);
        }
    });
    assert!(blunt.has("imprecise") && blunt.status == Status::Invalid, "{blunt:?}");
    assert_eq!(
        blunt
            .reasons
            .iter()
            .find(|reason| reason.code == "imprecise")
            .unwrap()
            .value
            .map(|share| (share * 1e9).round()),
        Some(2e7)
    );
}

#[test]
fn a_limit_that_moves_is_said_and_is_no_fault() {
    let moved = judged(|record| record.trace.power_limit_w = Some((500.0, 700.0)));
    assert!(moved.status == Status::Valid && moved.has("limit-moved"), "{moved:?}");
    assert_eq!(judged(|record| record.trace.power_limit_w = Some((700.0, 700.0))).reasons, []);
}

#[test]
fn means_and_ratio_that_part_need_a_line() {
    let apart = |share: f64| {
        judged(|record| {
            let init = record.summary.inits.get_mut(&Init::Gaussian).unwrap();
            init.energy_j = init.energy_j.map(|joules| joules * share);
        })
    };
    assert_eq!(apart(1.0).status, Status::Valid);
    let (little, much) = (apart(0.99), apart(0.95));
    assert!(little.status == Status::Valid && little.has("columns-differ"), "{little:?}");
    assert!(much.status == Status::Invalid && much.has("columns-differ"), "{much:?}");
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
