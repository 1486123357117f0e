//! Sweeps over the clock on simulated boards, in the program and from outside.

use assert_cmd::Command;
use predicates::str::contains;
use rayon::prelude::*;
use std::fmt::Write;
use wattmul::analysis::sweep::{Fit, Sweep};
use wattmul::operands::Init;
use wattmul::record::plan::Knob;
use wattmul::record::{Plan, Record, Truth};
use wattmul::report;
use wattmul::run::simulated::endless;
use wattmul::run::{PlanOptions, Settings};
use wattmul::simulate::{MODELS, Model, Simulation};

/// On each board.
const SEEDS: u64 = if cfg!(debug_assertions) { 1 } else { 20 };

fn plans(model: &Model, seed: u64) -> Vec<Plan> {
    let clocks = "5".parse::<Settings>().unwrap().of(Knob::Clock, model.title, model.supported(Knob::Clock)).unwrap();
    let options =
        |mhz| PlanOptions { seed, lock_clock: Some(mhz), sweep: Some("of-a-test".into()), ..PlanOptions::default() };
    clocks.into_iter().map(|mhz| wattmul::run::simulated::plan(model, &options(mhz)).unwrap()).collect()
}

fn sweep(model: &Model, seed: u64) -> Sweep {
    let run = |plan| {
        wattmul::run::simulated::undisturbed(&Simulation::new(*model, plan, false), Truth::default(), None).unwrap()
    };
    let records: Vec<Record> = plans(model, seed).into_iter().map(run).collect();
    Sweep::of(&records)
}

/// P_0 and the watts a MHz of zeros and of gaussian.
fn figures(fit: &Fit) -> [f64; 3] {
    assert_eq!((fit.w_per_mhz[0].0, fit.w_per_mhz[1].0), (Init::Zeros, Init::Gaussian));
    [fit.static_w.estimate, fit.w_per_mhz[0].1.estimate, fit.w_per_mhz[1].1.estimate]
}

/// Once without leakage that grows with the temperature, where the model itself has P_0 and the slopes; and once with it, where
/// a perfect sensor in the same rhythm without end shows them.
#[test]
fn truth_of_the_clock_is_found_from_one_sweep() {
    let mut table = String::from(
        "| model | P_0 | zeros | gaussian | worst without leakage | with it |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for model in MODELS {
        // At its power limit, a board does not hold the clock; the fit leaves that clock out.
        let shown = |watts: f64| model.sensor.gain * watts;
        let rigid = Model { gpu: wattmul::simulate::gpu::GpuModel { leak_w_per_k: 0.0, ..model.gpu }, ..model };
        let gpu = rigid.gpu;
        let known = [
            shown(gpu.static_w + gpu.open_w + gpu.awake_w) + model.sensor.offset_w,
            shown(gpu.zeros_w) / gpu.clock_mhz,
            shown(gpu.gaussian_w) / gpu.clock_mhz,
        ];
        let perfect: Vec<Record> = plans(&model, 0).iter().map(|plan| endless(&model, plan).unwrap()).collect();
        let perfect = figures(&Sweep::of(&perfect).fit.unwrap());
        let perfect = [shown(perfect[0]) + model.sensor.offset_w, shown(perfect[1]), shown(perfect[2])];
        let worst = |model: &Model, truth: [f64; 3]| {
            let off = |seed| {
                let sweep = sweep(model, seed);
                // Straight to the end: these models have no voltage.
                let found = figures(&sweep.fit.unwrap());
                let off = found.iter().zip(truth).map(|(found, truth)| (found / truth - 1.0).abs());
                off.fold(0.0, f64::max)
            };
            (1..=SEEDS).into_par_iter().map(off).reduce(|| 0.0, f64::max)
        };
        let (without, with) = (worst(&rigid, known), worst(&model, perfect));
        let _ = writeln!(
            table,
            "| {} | {:.2} W | {:.1} mW/MHz | {:.1} mW/MHz | {:.2} % | {:.2} % |",
            model.name,
            known[0],
            1000.0 * known[1],
            1000.0 * known[2],
            100.0 * without,
            100.0 * with
        );
        assert!(without <= 0.03 && with <= 0.03, "{}: {without} {with}", model.name);
    }
    println!("\n{table}");
}

fn wattmul(folder: &std::path::Path, args: &[&str]) -> assert_cmd::assert::Assert {
    Command::cargo_bin("wattmul").unwrap().current_dir(folder).arg("sweep").args(args).assert()
}

#[test]
fn a_sweep_saves_a_record_a_clock_and_prints_a_table_that_the_records_alone_make() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--simulate", "a100", "--clocks", "1410,600,900", "--init", "zeros,gaussian,mantissa:0"];
    let output = wattmul(folder.path(), &[&args[..], &["--results", "."]].concat()).success().get_output().clone();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let paths = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let records: Vec<Record> =
        paths.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect();
    assert_eq!(records.len(), 3);
    let id = records[0].plan.sweep.as_deref().unwrap();
    assert!(id.len() == 8 && records.iter().all(|record| record.plan.sweep.as_deref() == Some(id)));
    let sweep = Sweep::of(&records);
    let at: Vec<(u32, Init)> = sweep.rows.iter().map(|row| (row.setting, row.init)).collect();
    let inits = &records[0].plan.inits;
    assert_eq!(at, [600, 900, 1410].iter().flat_map(|&mhz| inits.iter().map(move |&i| (mhz, i))).collect::<Vec<_>>());
    let mut by_clock = records.clone();
    by_clock.sort_by_key(|record| record.plan.lock_clock_mhz);
    let told = report::terminal::blocks(&report::content::sweep::of_records(&by_clock));
    assert!(text.ends_with(&told), "{text}");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in [&format!("sweep {id}, 3 clocks"), "600 MHz", "whatever the clock", "gaussian at 1410 MHz, the highest"]
    {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }

    let json = wattmul(folder.path(), &[&args[..], &["--json"]].concat()).success().get_output().clone();
    let read = serde_json::Deserializer::from_slice(&json.stdout).into_iter::<Record>();
    assert_eq!(read.map(|record| record.unwrap().plan.lock_clock_mhz).collect::<Vec<_>>(), [600, 900, 1410].map(Some));
}

#[test]
fn a_board_at_its_power_limit_costs_least_below_it() {
    let model: Model = "rtx3090".parse().unwrap();
    let sweep = sweep(&model, 1);
    assert!(sweep.fit.unwrap().to_mhz < model.supported(Knob::Clock).unwrap()[0], "the highest clock is not held");
}

#[test]
fn clocks_that_cannot_be_are_one_line_that_names_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let fails = |args: &[&str], fix: &str| {
        wattmul(folder.path(), &[&["--simulate", "a100"], args].concat()).code(2).stderr(contains(fix));
    };
    fails(&["--clocks", "600,1000"], "does not have 1000, but 210 to 1410 in steps of 15 MHz");
    fails(&["--clocks", "600"], "600,900,1200");
    fails(&["--clocks", "fast"], "600,900,1200");
    fails(&["--lock-clock", "600", "--clocks", "600,900"], "--lock-clock");
    fails(&["--init", "zeros"], "--init");
}

/// Both sweeps of a board: by the power limit and by the clock.
fn both(folder: &std::path::Path) -> (Vec<Record>, String) {
    let args = ["--simulate", "rtx3090", "--quick", "--results", "."];
    let limits = wattmul(folder, &[&args[..], &["--power-limits", "200,250,300"]].concat()).get_output().clone();
    assert!(limits.status.success(), "{}", String::from_utf8_lossy(&limits.stderr));
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let records = paths.map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect();
    wattmul(folder, &[&args[..], &["--clocks", "5"]].concat()).success();
    (records, String::from_utf8(limits.stdout).unwrap())
}

#[test]
fn a_board_obeys_its_power_limit_and_a_report_holds_it_against_the_clock() {
    let folder = tempfile::tempdir().unwrap();
    let (records, text) = both(folder.path());
    let sweep = Sweep::of(&records);
    assert_eq!((sweep.knob, sweep.fit.is_none()), (Knob::PowerLimit, true));
    let of = |init: Init| sweep.rows.iter().filter(move |row| row.init == init);
    for row in &sweep.rows {
        // What the sensor shows has a gain and an offset of its own.
        assert!(row.power_w.unwrap() < 1.05 * f64::from(row.setting) + 5.0, "{row:?}");
    }
    let times: Vec<f64> = of(Init::Gaussian).map(|row| row.time_s).collect();
    assert!(times[0] > 1.1 * times[1] && times[1] > 1.05 * times[2], "a lower limit is slower: {times:?}");
    let delay = sweep.least_delay.iter().find(|least| least.0 == Init::Gaussian).unwrap().1;
    assert_eq!(delay, 300, "without a voltage, the fastest has the least energy × time");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in [
        "3 power limits",
        "200 W zeros",
        "least energy × time",
        "gaussian at 300 W, the highest",
        "power limited to 250 W",
    ] {
        assert!(words.contains(word), "{word} is missing in\n{text}");
    }
    let is_path = |line: &str| line.starts_with("  saved ");
    assert!(text.lines().all(|line| is_path(line) || line.chars().count() <= 80), "{text}");
    let validated = Command::cargo_bin("wattmul").unwrap().arg("validate").arg(folder.path()).output().unwrap();
    assert!(validated.status.success(), "{}", String::from_utf8_lossy(&validated.stdout));

    let report = |args: &[&str]| {
        let output =
            Command::cargo_bin("wattmul").unwrap().current_dir(folder.path()).arg("report").args(args).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let terminal = report(&["."]);
    std::fs::create_dir(folder.path().join("page")).unwrap();
    report(&[".", "--format", "markdown", "-o", "page/README.md"]);
    let markdown = std::fs::read_to_string(folder.path().join("page/README.md")).unwrap();
    let page = report(&[".", "--format", "html"]);
    for text in [&terminal, &markdown, &page] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("clock or power limit"), "{text}");
        // Its boards have no voltage: at equal speed, both knobs are the same knob.
        assert!(words.contains("gaussian: both alike, within 1 %"), "{words}");
    }
    let plot = std::fs::read_to_string(folder.path().join("page/simulated-knobs-1-energy.svg")).unwrap();
    assert_eq!(plot.matches("<circle").count(), 2 * (3 + 5), "a dot for each init at each limit and each clock");

    wattmul(folder.path(), &["--simulate", "m5", "--power-limits", "5"]).code(1).stderr(contains("has a power limit"));
    wattmul(folder.path(), &["--simulate", "rtx3090", "--power-limits", "90,200"])
        .code(2)
        .stderr(contains("does not have 90, but 105 to 350 in steps of 1 W"));
}
