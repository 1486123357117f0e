//! One run: why it is judged as it is, its timeline, what it ran on, and its windows.

use super::atlas;
use super::meter;
use crate::analysis::overview::Run;
use crate::analysis::year;
use crate::analysis::year::GridIntensity;
use crate::record::{Ended, Idle, Limiter, Reason, Record, Status, Window, read};
use crate::report::page::{Block, Cell, Table, Text, code, number, run_id, strong, text};
use crate::report::plot::timeline;
use crate::report::units::or_na;
use crate::report::wrap::counted;
use crate::report::{lines, units};

/// The run, folded together. Its trace is read again from its file when it is unfolded.
pub(super) fn details(run: &Run, name: String, grid: Option<GridIntensity>) -> Block<'_> {
    let record = &run.record;
    let energies = record.plan.inits.iter().skip(1).filter_map(|init| {
        let energy = record.summary.ratios.get(init)?.energy?;
        Some(format!("{init} {}", units::figure(energy.estimate)))
    });
    let energies: Vec<String> = energies.collect();
    let energies = match energies.len() {
        0 => "energy n/a".into(),
        count if count >= atlas::LEAST => format!("{} inits", record.plan.inits.len()),
        _ => energies.join(", "),
    };
    let more = [format!("n = {}", record.plan.size), energies, verdict(record), lines::day(record)].join(" · ");
    let id = run_id(&run.path);
    Block::Details {
        level: 3,
        summary: text![strong(name), format!(" · {more}")],
        id: id.clone(),
        body: Box::new(move || {
            let mut blocks = reasons(record);
            blocks.push(timeline(run, &id));
            blocks.push(Block::Facts(facts(run, grid)));
            blocks.push(Block::Table(windows(record, &id)));
            blocks
        }),
    }
}

/// The verdict where nothing else says that a run was simulated.
fn verdict(record: &Record) -> String {
    let words = record.verdict.words();
    if record.truth.is_some() { format!("simulated, else {words}") } else { words }
}

fn reasons<'a>(record: &Record) -> Vec<Block<'a>> {
    let reasons = &record.verdict.reasons;
    let all_hold = reasons.is_empty() && record.verdict.judgement() == Status::Valid;
    let plain = |value: Option<f64>| value.map(units::plain);
    let reason = |reason: &Reason| {
        let figures = match (plain(reason.value), plain(reason.limit)) {
            (Some(value), Some(limit)) => format!(" (found {value}, limit {limit})"),
            (Some(value), None) => format!(" (found {value})"),
            (None, Some(limit)) => format!(" (limit {limit})"),
            (None, None) => String::new(),
        };
        let Reason { code: name, message, fix, .. } = reason;
        text![code(name), format!(": {message}{figures}. Fix: {fix}.")]
    };
    let holds = if all_hold { ". All checks hold." } else { "" };
    let judged = Block::Paragraph(text!["Verdict: ", strong(verdict(record)), holds]);
    let why = (!reasons.is_empty()).then(|| Block::List(reasons.iter().map(reason).collect()));
    [judged].into_iter().chain(why).collect()
}

/// The run's plot, from its file.
fn timeline<'a>(run: &Run, id: &str) -> Block<'a> {
    let record = match read::read(&run.path) {
        Ok((record, _)) => record,
        Err(problem) => return Block::Paragraph(text!["Its trace cannot be shown: ", code(problem.to_string())]),
    };
    let mut bare = record.clone();
    bare.forget_rows();
    if bare != run.record {
        return Block::paragraph("Its file has changed since it was read: its trace is not shown.");
    }
    if record.source.is_some() && !timeline::has_something(&record) {
        return Block::paragraph("The sensor gave too little for a timeline.");
    }
    Block::figure(format!("{id}-timeline"), "The timeline of the run.", move |layout| timeline::run(&record, layout))
}

fn facts(run: &Run, grid: Option<GridIntensity>) -> Vec<(&'static str, Text)> {
    let Record { adapter, plan, host, tool, source, .. } = &run.record;
    let record = &run.record;
    let some = |text: &str| Some(text.to_owned());
    let summary = &record.summary.sensor;
    let period = |seconds: Option<f64>, what: &str| Some(format!("{what} every {}", units::time(seconds?)));
    let failed = Some(record.run.failed_reads as usize).filter(|&failed| failed > 0);
    let idle = |name: &str, idle: Option<Idle>| {
        let idle = idle?;
        let state = [
            idle.temperature_c.map(|degrees| format!("{degrees:.0} °C")),
            idle.clock_mhz.map(|clock_mhz| format!("{clock_mhz:.0} MHz")),
        ];
        let state = state.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        let at = if state.is_empty() { "" } else { " at " };
        Some(format!("{name} {}{at}{state}", units::power(idle.power_w?)))
    };
    let sensor = match source {
        None => vec![Some(format!("none: {}", or_na(record.run.no_sensor.clone())))],
        Some(source) => vec![
            some(&source.api),
            source.api_version.clone(),
            some(&source.device),
            Some(source.kind()),
            Some(format!("scope: {}", source.scope)),
            source.power_limit_w.map(|limit| format!("limit {limit:.0} W")),
        ],
    };
    let inits: Vec<String> = plan.inits.iter().map(ToString::to_string).collect();
    let truth = record.truth.iter().flat_map(|truth| &truth.ratios).map(|(init, truth)| {
        let [time, power, energy] = [truth.time, truth.power, truth.energy].map(units::figure);
        Some(format!("{init}: time {time}, power {power}, energy {energy}"))
    });
    let years = year::of(record).into_iter().map(|(init, kwh)| Some(format!("{init} {}", year::words(kwh, grid))));
    let file = run.path.file_name().unwrap_or_default().to_string_lossy();
    let facts: [(&str, Vec<Option<String>>); 17] = [
        (
            "adapter",
            vec![
                some(&adapter.name),
                some(&adapter.vendor),
                Some(adapter.kind.to_string()),
                some(adapter.backend_title()),
                adapter.pci_address.map(|address| address.to_string()),
            ],
        ),
        ("driver", vec![Some(or_na(adapter.driver.clone()))]),
        ("sensor", sensor),
        (
            "as it behaved",
            vec![
                period(summary.counter_period_s, "counter"),
                period(summary.power_period_s, "power"),
                summary.disagreement.map(|share| format!("counter and power differ by {:+.2} %", 100.0 * share)),
                failed.map(|failed| counted(failed, "failed read")),
            ],
        ),
        ("meter", meter::words(record).into_iter().map(Some).collect()),
        ("idle", vec![idle("cold", record.idle.cold), idle("open", record.idle.open), idle("hot", record.idle.hot)]),
        ("over a year", years.collect()),
        (
            "plan",
            vec![
                Some(lines::product(plan)),
                Some(inits.join(", ")),
                Some(format!("{}, settling time {} s", lines::length(plan), plan.settling_s)),
                record.run.ended.filter(|_| plan.precision.is_some()).map(|ended| {
                    let done = counted(record.windows.len() / plan.inits.len(), "round");
                    match ended {
                        Ended::Precise => format!("precise after {done}"),
                        Ended::Longest => format!("{done}, as many as its longest time allows"),
                        Ended::AllRounds => format!("{done}, as many as there may be"),
                    }
                }),
                Some(format!("seed {}", plan.seed)),
                plan.lock_clock_mhz.map(|mhz| format!("clock locked at {mhz} MHz")),
                plan.power_limit_w.map(|watts| format!("power limited to {watts} W")),
            ],
        ),
        (
            "under load",
            vec![
                range(&record.windows, |window| window.performance_state.map(|state| format!("P{state}"))),
                range(&record.windows, |window| window.memory_clock_mhz.map(|mhz| format!("{mhz:.0} MHz")))
                    .map(|clocks| format!("memory at {clocks}")),
            ],
        ),
        ("own numbers", origins(record).collect()),
        ("kernel", vec![some(&record.kernel.variant)]),
        ("the model's truth", truth.collect()),
        (
            "machine",
            vec![host.os.clone(), host.kernel.clone(), host.cpu.clone(), host.cpus.map(|cpus| counted(cpus, "CPU"))],
        ),
        (
            "tool",
            vec![
                Some(format!("{} {}", tool.name, tool.version)),
                tool.commit.clone(),
                tool.rustc.clone(),
                Some(format!("protocol {}", record.protocol)),
            ],
        ),
        ("label", vec![record.run.label.clone()]),
        ("started", vec![some(&record.run.started)]),
        ("halted", vec![record.run.halted.clone()]),
    ];
    let facts = facts.into_iter().filter_map(|(name, parts)| {
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| (name, parts.join(" · ").into()))
    });
    facts.chain([("record", text![code(file)])]).collect()
}

/// What an init of files was made of, in the plan's order.
fn origins(record: &Record) -> impl Iterator<Item = Option<String>> {
    record.plan.inits.iter().filter_map(|init| {
        let inputs = record.inputs.get(init)?;
        let (a, b) = inputs.origin_a.as_ref().zip(inputs.origin_b.as_ref())?;
        Some(Some(if a == b { format!("{init}: A and B {a}") } else { format!("{init}: A {a}, B {b}") }))
    })
}

fn windows(record: &Record, id: &str) -> Table {
    let heads = [
        "round and init", "start, s", "length, s", "products", "time a product", "W by counter", "W by polling", "J",
        "MHz", "°C", "busy", "held down by", "product",
    ];
    let row = |window: &Window| -> Vec<Cell> {
        let fixed = |value: Option<f64>, digits: usize| number(value, |value| format!("{value:.digits$}"));
        let limiters = match window.limiters.as_deref() {
            None => "n/a".into(),
            Some([]) => "nothing".into(),
            Some(limiters) => limiters.iter().map(|&limiter| limiter_name(limiter)).collect::<Vec<_>>().join(", "),
        };
        vec![
            format!("{} {}", window.round.saturating_add(1), window.init).into(),
            fixed(Some(window.start_s), 1),
            fixed(Some(window.duration_s), 2),
            fixed(Some(window.products), 1),
            number(Some(window.duration_s / window.products), units::time),
            fixed(window.power_w.counter, 1),
            fixed(window.power_w.polled, 1),
            fixed(window.energy_j, 1),
            fixed(window.clock_mhz, 0),
            fixed(window.temperature_c, 1),
            number(window.busy, |busy| format!("{:.1} %", 100.0 * busy)),
            limiters.into(),
            if window.products_right { "right" } else { "wrong" }.into(),
        ]
    };
    let caption = "Windows, in the order in which they ran";
    Table::new(format!("{id}-windows"), caption, heads, record.windows.iter().map(row))
}

/// All that a fact of the windows was, in the order in which it was first seen. None without any.
fn range(windows: &[Window], fact: impl Fn(&Window) -> Option<String>) -> Option<String> {
    let mut seen: Vec<String> = vec![];
    for fact in windows.iter().filter_map(fact) {
        if !seen.contains(&fact) {
            seen.push(fact);
        }
    }
    (!seen.is_empty()).then(|| seen.join(", "))
}

fn limiter_name(limiter: Limiter) -> &'static str {
    match limiter {
        Limiter::PowerCap => "the power limit",
        Limiter::Thermal => "heat",
        Limiter::Hardware => "a protection circuit",
        Limiter::Other => "something else",
    }
}
