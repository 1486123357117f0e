//! `wattmul predict`: what other numbers would cost, without a GPU.

use crate::common::{longest_line, wattmul};
use std::path::Path;
use wattmul::analysis::law::Law;
use wattmul::analysis::predict;
use wattmul::operands::Init;
use wattmul::run::{PlanOptions, simulated};
use wattmul::simulate::{Model, activity};

fn record(options: PlanOptions) -> wattmul::record::Record {
    let model: Model = "h100".parse().unwrap();
    simulated::record(&model, simulated::plan(&model, &options).unwrap()).unwrap()
}

fn predicted(on: &Path, more: &[&str]) -> (i32, String) {
    let output = wattmul().arg("predict").args(more).arg("--on").arg(on).output().unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
    )
}

#[test]
fn other_numbers_have_watts_joules_and_ratios_with_intervals() {
    let atlas = record(PlanOptions { atlas: true, ..PlanOptions::default() });
    let law = Law::of(&atlas).unwrap();
    let prediction = predict::of(&atlas, &law, &activity("sparse:0.7".parse().unwrap(), law.order)).unwrap();
    let of = |init: Init| atlas.summary.inits[&init];
    let (zeros_w, gaussian_w) = (of(Init::Zeros).power_w.unwrap(), of(Init::Gaussian).power_w.unwrap());
    assert!((zeros_w..gaussian_w).contains(&prediction.power_w.estimate), "{prediction:?}");
    assert!((prediction.energy_j.estimate / prediction.power_w.estimate / of(Init::Zeros).time_s - 1.0).abs() < 0.01);
    let [(Init::Zeros, over_zeros), (Init::Gaussian, over_gaussian)] = prediction.ratios[..] else {
        panic!("{prediction:?}")
    };
    assert!(over_zeros.low.unwrap() > 1.0 && over_gaussian.high.unwrap() < 1.0, "{prediction:?}");
    // What is doubtful in watts is more so in joules, and most in ratios.
    let share = |e: wattmul::record::Estimate| (e.high.unwrap() - e.low.unwrap()) / e.estimate;
    assert!(
        share(prediction.power_w) < share(prediction.energy_j) && share(prediction.energy_j) < share(over_gaussian)
    );

    let folder = tempfile::tempdir().unwrap();
    let path = atlas.save(folder.path()).unwrap();
    record(PlanOptions::default()).save(folder.path()).unwrap();
    for on in [&*path, folder.path()] {
        let (code, text) = predicted(on, &["sparse:0.7", "mantissa:2"]);
        assert_eq!(code, 0, "{text}");
        for words in [
            "Simulated H100 PCIe", "simulated", "sparse:0.7", "mantissa:2", "power", "energy of a product",
            "energy ÷ zeros", "energy ÷ gaussian", "95 % interval", "% of the variance",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("No prediction") && longest_line(&text) <= 80, "{text}");
    }
}

/// Numbers from a file are predicted as the same numbers by name are, and unlike others.
#[test]
fn numbers_from_files_are_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let atlas = record(PlanOptions { atlas: true, ..PlanOptions::default() }).save(folder.path()).unwrap();
    let file = |name: &str, number: f32| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        let head = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }");
        bytes.extend((head.len() as u16).to_le_bytes());
        bytes.extend(head.as_bytes());
        bytes.extend([number; 4].into_iter().flat_map(f32::to_le_bytes));
        std::fs::write(folder.path().join(name), bytes).unwrap();
        folder.path().join(name).display().to_string()
    };
    let figures = |operands: &str| {
        let (code, text) = predicted(&atlas, &[operands]);
        assert_eq!(code, 0, "{text}");
        text.lines()
            .filter(|line| line.contains(" W ") && line.contains("power"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (ones, other) = (file("ones.npy", 1.0), file("other.npy", 3.0));
    assert_eq!(figures(&ones), figures("ones"));
    assert_ne!(figures(&format!("{ones}@{other}")), figures("ones"));
    let (code, text) = predicted(&atlas, &["nowhere.npy"]);
    assert!(code == 1 && text.contains("nowhere.npy") && text.lines().count() <= 2, "{code} {text}");
}

#[test]
fn what_has_no_law_for_them_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let two = record(PlanOptions::default()).save(folder.path()).unwrap();
    let (code, text) = predicted(&two, &["ones"]);
    assert!(code == 3 && text.contains("has 2 inits") && text.contains("--atlas"), "{code} {text}");
    let atlas = record(PlanOptions { atlas: true, ..PlanOptions::default() }).save(folder.path()).unwrap();
    for (more, why) in [(["--dtype", "f16"], "--dtype f32"), (["--algorithm", "matrix"], "--algorithm simulated")] {
        let (code, text) = predicted(&atlas, &[&["ones"][..], &more].concat());
        assert!(code == 3 && text.split_whitespace().collect::<Vec<_>>().join(" ").contains(why), "{code} {text}");
        let (code, text) = predicted(folder.path(), &[&["ones"][..], &more].concat());
        assert!(code == 3 && text.matches("json").count() == 2, "{code} {text}");
    }
    assert_eq!(predicted(&atlas, &["twos"]).0, 2, "no init");
    assert_eq!(predicted(&atlas, &[]).0, 2, "no operands");
    let (code, text) = predicted(&folder.path().join("none.json"), &["ones"]);
    assert!(code == 3 && text.contains("none.json"), "{code} {text}");
    let empty = tempfile::tempdir().unwrap();
    let (code, text) = predicted(empty.path(), &["ones"]);
    assert!(code == 1 && text.contains("no records in"), "{code} {text}");
}
