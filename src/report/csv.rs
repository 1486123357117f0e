//! The overview for spreadsheets: one row a run and init, all figures at full precision.

use crate::analysis::overview::{Overview, Run};
use crate::analysis::year;
use crate::record::text::printable;
use crate::record::{Estimate, Ratios};
use std::io::{self, Write};

const COLUMNS: [&str; 53] = [
    "file",
    "started",
    "status",
    "judged",
    "flags",
    "gpu",
    "vendor",
    "backend",
    "driver",
    "sensor",
    "scope",
    "protocol",
    "dtype",
    "n",
    "seed",
    "lock_clock_mhz",
    "set_power_limit_w",
    "rounds",
    "init",
    "reference",
    "time_s",
    "power_w",
    "energy_j",
    "gflop_per_s",
    "gflop_per_j",
    "clock_mhz",
    "temperature_c",
    "idle_w",
    "time_ratio",
    "power_ratio",
    "energy_ratio",
    "energy_ratio_low",
    "energy_ratio_high",
    "above_idle_ratio",
    "time_ratio_low",
    "time_ratio_high",
    "power_limit_w",
    "year_kwh",
    "wattmul",
    "label",
    "energy_ratio_combined_low",
    "energy_ratio_combined_high",
    "energy_ratio_per_offset_w",
    "above_idle_ratio_low",
    "above_idle_ratio_high",
    "units",
    "meter_scope",
    "sensor_gain",
    "sensor_gain_low",
    "sensor_gain_high",
    "sensor_offset_w",
    "sensor_offset_w_low",
    "sensor_offset_w_high",
];

/// Writes a heading and a row for every init of every run. What was not measured is an empty cell; the reference has
/// no ratios.
///
/// # Errors
/// `output` takes no more.
pub fn write(overview: &Overview, output: &mut dyn Write) -> io::Result<()> {
    let mut csv = csv::Writer::from_writer(output);
    csv.write_record(COLUMNS).map_err(plain)?;
    for run in &overview.runs {
        for row in rows(run) {
            csv.write_record(&row).map_err(plain)?;
        }
    }
    csv.flush()
}

/// The error of the output itself, by whose kind a closed or a full one is known.
fn plain(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

fn rows(run: &Run) -> impl Iterator<Item = Vec<String>> {
    let Run { path, record } = run;
    let reference = record.plan.inits.first();
    let years = year::of(record);
    record.plan.inits.iter().filter_map(move |init| {
        let summary = record.summary.inits.get(init)?;
        let ratios = record.summary.ratios.get(init).copied().unwrap_or_default();
        let Ratios { time, power, energy, above_idle, .. } = ratios;
        let (source, verdict, plan) = (record.source.as_ref(), &record.verdict, &record.plan);
        let line = record.summary.meter.as_ref().and_then(|meter| meter.calibration.as_ref());
        let (gain, offset_w) = (line.map(|line| line.gain), line.map(|line| line.offset_w));
        let flags = verdict.flags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let estimate = |ratio: Option<Estimate>| number(ratio.map(|ratio| ratio.estimate));
        let low = |ratio: Option<Estimate>| number(ratio.and_then(|ratio| ratio.low));
        let high = |ratio: Option<Estimate>| number(ratio.and_then(|ratio| ratio.high));
        Some(vec![
            text(&path.to_string_lossy()),
            text(&record.run.started),
            verdict.status.to_string(),
            verdict.judged.map(|status| status.to_string()).unwrap_or_default(),
            flags,
            text(&record.adapter.name),
            text(&record.adapter.vendor),
            text(&record.adapter.backend),
            text(record.adapter.driver.as_deref().unwrap_or_default()),
            text(source.map(|source| source.api.as_str()).unwrap_or_default()),
            source.map(|source| source.scope.to_string()).unwrap_or_default(),
            text(&record.protocol),
            plan.dtype.name().into(),
            plan.size.to_string(),
            plan.seed.to_string(),
            plan.lock_clock_mhz.map(|mhz| mhz.to_string()).unwrap_or_default(),
            plan.power_limit_w.map(|watts| watts.to_string()).unwrap_or_default(),
            (record.windows.len() / plan.inits.len()).to_string(),
            init.to_string(),
            reference.map(ToString::to_string).unwrap_or_default(),
            number(Some(summary.time_s)),
            number(summary.power_w),
            number(summary.energy_j),
            number(Some(summary.gflop_per_s)),
            number(summary.gflop_per_j),
            number(summary.clock_mhz),
            number(summary.temperature_c),
            number(record.summary.sensor.idle_w),
            estimate(time),
            estimate(power),
            estimate(energy),
            low(energy),
            high(energy),
            estimate(above_idle),
            low(time),
            high(time),
            number(source.and_then(|source| source.power_limit_w)),
            number(years.iter().find(|(other, _)| other == init).map(|year| year.1)),
            text(&record.tool.version),
            text(record.run.label.as_deref().unwrap_or_default()),
            number(energy.and_then(|energy| Some(energy.combined?.low))),
            number(energy.and_then(|energy| Some(energy.combined?.high))),
            number(ratios.energy_per_offset_w),
            low(above_idle),
            high(above_idle),
            plan.units.name().into(),
            record.meter.as_ref().map(|meter| meter.scope.to_string()).unwrap_or_default(),
            estimate(gain),
            low(gain),
            high(gain),
            estimate(offset_w),
            low(offset_w),
            high(offset_w),
        ])
    })
}

fn number(value: Option<f64>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// A spreadsheet takes what begins with one of these for a formula, and would carry it out.
fn text(text: &str) -> String {
    let text = printable(text);
    if text.trim_start().starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_formula_is_carried_out_by_no_spreadsheet() {
        assert_eq!(text("=HYPERLINK(\"http://x\")"), "'=HYPERLINK(\"http://x\")");
        assert_eq!(text("\t-1+1"), "'-1+1");
        assert_eq!(text("NVIDIA H100\r\n"), "NVIDIA H100");
    }
}
