//! One run: what it ran on, the course of its power, its windows, and why it is judged as it is.

use super::parts::{Cell, Column, figure, nowrap, number, table};
use crate::analysis::overview::Run;
use crate::analysis::year;
use crate::analysis::year::GridIntensity;
use crate::operands::Bits;
use crate::record::text::printable;
use crate::record::{Idle, Limiter, Reason, Record, Status, Window, read};
use crate::report::units::or_na;
use crate::report::wrap::counted;
use crate::report::{atlas, timeline, units, view};
use maud::{Markup, html};

/// The name of a run's place on the page: its file's, which has the digest of its content.
pub fn anchor(run: &Run) -> String {
    let stem = run.path.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    format!("run-{plain}")
}

/// The run, folded together.
pub fn section(run: &Run, grid: Option<GridIntensity>) -> Markup {
    let Run { path, record } = run;
    let energies = record.plan.inits.iter().skip(1).filter_map(|init| {
        let energy = record.summary.ratios.get(init)?.energy?;
        Some(format!("{init} {}", units::figure(energy.estimate)))
    });
    let energies: Vec<String> = energies.collect();
    let energies = match energies.len() {
        0 => "energy n/a".into(),
        count if count > MOST_RATIOS => format!("{} inits", record.plan.inits.len()),
        _ => energies.join(", "),
    };
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    html! {
        details {
            summary { h3 {
                (view::gpu(record))
                " " span.muted.unset {
                    "· n = " (record.plan.size) " · "
                    (energies)
                    " · " (verdict_of(record)) " · " (day(record))
                }
            } }
            div.body id=(anchor(run)) {
                (reasons(record))
                (year_line(record, grid))
                (atlas_of(record, &anchor(run)))
                (course_of(run))
                (facts(record, &file))
                (windows(record, &anchor(run)))
            }
        }
        "\n"
    }
}

/// So many ratios stand in the heading of a run.
const MOST_RATIOS: usize = 3;

/// What the difference comes to over a year, for each init.
fn year_line(record: &Record, grid: Option<GridIntensity>) -> Markup {
    let years = year::of(record);
    if years.is_empty() {
        return html! {};
    }
    html! {
        p { "Over a year without pause, against as many products of " (record.plan.inits[0]) ":"
            @for (i, (init, kwh)) in years.iter().enumerate() {
                @if i > 0 { ";" }
                " " (init) " " span.nowrap { (year::words(*kwh, grid)) }
            }
            "."
        }
    }
}

/// The inits of a run that has more than two, and the bits that flip in each.
fn atlas_of(record: &Record, id: &str) -> Markup {
    use Column::{Text, Unsorted};
    if !atlas::is(record) {
        return html! {};
    }
    let columns = [
        Text("init"),
        Column::number("power, W"),
        Column::number("J a product"),
        Column::number("energy ratio"),
        Unsorted("95 % interval"),
        Column::number("bit flips, operands"),
        Column::number("bit flips, products"),
    ];
    let row = |row: atlas::Row| {
        let bit_flips =
            |bits| number(row.activity.map(|activity| activity.bit_flips(bits)), |bits| format!("{bits:.2}"));
        let (ratio, interval) = match row.init == record.plan.inits[0] {
            true => ("1".to_owned().into(), Cell::from("the reference".to_owned())),
            false => (number(row.ratio.map(|ratio| ratio.estimate), units::figure), nowrap(units::interval(row.ratio))),
        };
        vec![
            row.init.to_string().into(),
            number(row.summary.power_w, units::plain),
            number(row.summary.energy_j, units::plain),
            ratio,
            interval,
            bit_flips(Bits::Operands),
            bit_flips(Bits::Products),
        ]
    };
    let rows = atlas::rows(record).into_iter().map(row).collect();
    html! {
        h4 { "Inits" }
        p { (atlas::sentence(record)) }
        (figure("Mean power by bit flips, and the straight line through all inits.", |layout| atlas::plot(record, layout)))
        (table(&format!("{id}-inits"), "Inits, and the bits that flip in a multiplication", &columns, None, rows))
    }
}

/// The verdict where nothing else says that a run was simulated.
fn verdict_of(record: &Record) -> String {
    let words = record.verdict.words();
    if record.truth.is_some() { format!("simulated, else {words}") } else { words }
}

/// The run's plot, from its file.
fn course_of(run: &Run) -> Markup {
    let mut record = match read::read(&run.path) {
        Ok((record, _)) => record,
        Err(problem) => return html! { p { "Its trace cannot be shown: " code { (printable(&problem.to_string())) } } },
    };
    let trace = std::mem::take(&mut record.trace);
    if record != run.record {
        return html! { p { "Its file has changed since it was read: its trace is not shown." } };
    }
    record.trace = trace;
    let drawing = figure("The course of the run.", |layout| timeline::run(&record, layout));
    match &record.source {
        Some(_) if drawing.0.is_empty() => html! { p { "The sensor gave too little for a picture." } },
        _ => drawing,
    }
}

fn reasons(record: &Record) -> Markup {
    let verdict = &record.verdict;
    let plain = |value: Option<f64>| value.map(units::plain);
    let figures = |reason: &Reason| match (plain(reason.value), plain(reason.limit)) {
        (Some(value), Some(limit)) => format!(" (found {value}, limit {limit})"),
        (Some(value), None) => format!(" (found {value})"),
        (None, Some(limit)) => format!(" (limit {limit})"),
        (None, None) => String::new(),
    };
    html! {
        p { "Verdict: " strong { (verdict_of(record)) }
            @if verdict.reasons.is_empty() && verdict.judgement() == Status::Valid { ". All checks hold." } }
        @if !verdict.reasons.is_empty() {
            ul { @for reason in &verdict.reasons { li {
                code { (printable(&reason.code)) } ": " (printable(&reason.message)) (figures(reason)) ". "
                em { "Fix: " } (printable(&reason.fix)) "."
            } } }
        }
    }
}

fn facts(record: &Record, file: &str) -> Markup {
    let known = |text: &Option<String>| or_na(text.as_deref().map(printable));
    let adapter = &record.adapter;
    let plan = &record.plan;
    let joined = |parts: Vec<Option<String>>| parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let adapter_words = joined(vec![
        Some(printable(&adapter.name)),
        Some(printable(&adapter.vendor)),
        Some(adapter.kind.to_string()),
        Some(printable(adapter.backend_title())),
        adapter.pci_address.map(|address| address.to_string()),
    ]);
    let sensor = match &record.source {
        None => format!("none: {}", known(&record.run.no_sensor)),
        Some(source) => joined(vec![
            Some(printable(&source.api)),
            source.api_version.as_deref().map(printable),
            Some(printable(&source.device)),
            Some(source.kind()),
            Some(format!("scope: {}", source.scope)),
            source.power_limit_w.map(|limit| format!("limit {limit:.0} W")),
        ]),
    };
    let summary = &record.summary.sensor;
    let period = |seconds: Option<f64>, what: &str| Some(format!("{what} every {}", units::time(seconds?)));
    let behaviour = joined(vec![
        period(summary.counter_period_s, "counter"),
        period(summary.power_period_s, "power"),
        summary.disagreement.map(|share| format!("counter and power differ by {:+.2} %", 100.0 * share)),
        (record.run.failed_reads > 0).then(|| format!("{} failed reads", record.run.failed_reads)),
    ]);
    let idle = |name: &str, idle: Option<Idle>| {
        let idle = idle?;
        let degrees = idle.temperature_c.map(|degrees| format!(" at {degrees:.0} °C")).unwrap_or_default();
        Some(format!("{name} {}{degrees}", units::power(idle.power_w?)))
    };
    let idle =
        joined(vec![idle("cold", record.idle.cold), idle("open", record.idle.open), idle("hot", record.idle.hot)]);
    let inits: Vec<String> = plan.inits.iter().map(ToString::to_string).collect();
    let plan_words = joined(vec![
        Some(format!("{} {}²", plan.dtype.name(), plan.size)),
        Some(inits.join(", ")),
        Some(format!("{} rounds × {} s, settling time {} s", plan.rounds, plan.window_s, plan.settling_s)),
        Some(format!("seed {}", plan.seed)),
        plan.lock_clock_mhz.map(|mhz| format!("clock locked at {mhz} MHz")),
    ]);
    let host = &record.host;
    let host_words = joined(vec![
        host.os.as_deref().map(printable),
        host.kernel.as_deref().map(printable),
        host.cpu.as_deref().map(printable),
        host.cpus.map(|cpus| counted(cpus, "CPU")),
    ]);
    let tool = joined(vec![
        Some(format!("{} {}", printable(&record.tool.name), printable(&record.tool.version))),
        record.tool.commit.as_deref().map(printable),
        record.tool.rustc.as_deref().map(printable),
        Some(format!("protocol {}", printable(&record.protocol))),
    ]);
    let truth = record.truth.iter().flat_map(|truth| &truth.ratios);
    let truth: Vec<String> = truth
        .map(|(init, truth)| {
            let [time, power, energy] = [truth.time, truth.power, truth.energy].map(units::figure);
            format!("{init}: time {time}, power {power}, energy {energy}")
        })
        .collect();
    html! {
        dl {
            dt { "adapter" } dd { (adapter_words) }
            dt { "driver" } dd { (known(&adapter.driver)) }
            dt { "sensor" } dd { (sensor) }
            @if !behaviour.is_empty() { dt { "as it behaved" } dd { (behaviour) } }
            dt { "idle" } dd { @if idle.is_empty() { "n/a" } @else { (idle) } }
            dt { "plan" } dd { (plan_words) }
            dt { "kernel" } dd { (printable(&record.kernel.variant)) }
            @if !truth.is_empty() { dt { "the model's truth" } dd { (truth.join("; ")) } }
            dt { "machine" } dd { (host_words) }
            dt { "tool" } dd { (tool) }
            @if record.run.label.is_some() { dt { "label" } dd { (known(&record.run.label)) } }
            dt { "started" } dd { (printable(&record.run.started)) }
            @if record.run.halted.is_some() { dt { "halted" } dd { (known(&record.run.halted)) } }
            dt { "record" } dd { code { (printable(file)) } }
        }
    }
}

fn windows(record: &Record, id: &str) -> Markup {
    use Column::Text;
    let columns = [
        Text("round and init"),
        Column::number("start, s"),
        Column::number("length, s"),
        Column::number("products"),
        Column::number("time a product"),
        Column::number("W by counter"),
        Column::number("W by polling"),
        Column::number("J"),
        Column::number("MHz"),
        Column::number("°C"),
        Column::number("busy"),
        Text("held down by"),
        Text("product"),
    ];
    let row = |window: &Window| {
        let fixed = |value: Option<f64>, digits: usize| number(value, |value| format!("{value:.digits$}"));
        let limiters = match window.limiters.as_deref() {
            None => "n/a".into(),
            Some([]) => "nothing".into(),
            Some(limiters) => limiters.iter().map(|&limiter| limiter_name(limiter)).collect::<Vec<_>>().join(", "),
        };
        vec![
            nowrap(format!("{} {}", window.round.saturating_add(1), window.init)),
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
            if window.products_right { "right" } else { "wrong" }.to_owned().into(),
        ]
    };
    table(
        &format!("{id}-windows"),
        "Windows, in the order in which they ran",
        &columns,
        None,
        record.windows.iter().map(row).collect(),
    )
}

fn limiter_name(limiter: Limiter) -> &'static str {
    match limiter {
        Limiter::PowerCap => "the power limit",
        Limiter::Thermal => "heat",
        Limiter::Hardware => "a protection circuit",
        Limiter::Other => "something else",
    }
}

/// The part of an RFC 3339 time that is the day.
fn day(record: &Record) -> String {
    printable(&record.run.started).chars().take(10).collect()
}
