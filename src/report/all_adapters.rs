//! What became of each GPU of one machine, once all were measured.

use super::units;
use super::units::or_na;
use super::wrap::wrapped;
use crate::record::text::printable;
use crate::record::{AdapterInfo, Estimate, Record};

/// One GPU, and what became of it.
pub struct Row {
    pub adapter: AdapterInfo,
    /// None: an earlier start of this job has measured it.
    pub outcome: anyhow::Result<Option<Record>>,
}

/// A line a GPU, 80 columns wide.
pub fn summary(rows: &[Row]) -> String {
    let mut text = format!("\n  {:<22}{:<14}{:<8}{:<15}verdict\n", "gpu", "pci", "ratio", "95 % interval");
    for Row { adapter, outcome } in rows {
        let name: String = printable(&adapter.name).chars().take(21).collect();
        let address = or_na(adapter.pci_address.map(|address| address.to_string()));
        let (ratio, verdict) = match outcome {
            Ok(Some(record)) => (ratio(record), record.verdict.status.to_string().to_uppercase()),
            Ok(None) => (None, "saved earlier".into()),
            Err(_) => (None, "FAILED".into()),
        };
        // Without an interval: the words why are too long for the column.
        let sure = ratio.filter(|ratio| ratio.low.is_some());
        let (ratio, interval) = (units::ratio(ratio), units::interval(sure));
        text += format!("  {name:<22}{address:<14}{ratio:<8}{interval:<15}{verdict}").trim_end();
        text.push('\n');
    }
    let of = rows.iter().filter_map(|row| row.outcome.as_ref().ok()?.as_ref());
    let (energy, time): (Vec<_>, Vec<_>) = of.partition(|record| energy(record).is_some());
    let what = match (energy.is_empty(), time.is_empty()) {
        (true, true) => return text,
        (false, true) => "ratio: energy of the last init over the first",
        (true, false) => "ratio: time of the last init over the first (no energy was measured)",
        (false, false) => "ratio: of energy where it was measured, else of time; last init over the first",
    };
    text + &wrapped(what, "  ", "  ")
}

fn ratio(record: &Record) -> Option<Estimate> {
    energy(record).or_else(|| record.summary.ratios.get(record.plan.inits.last()?)?.time)
}

fn energy(record: &Record) -> Option<Estimate> {
    record.summary.ratios.get(record.plan.inits.last()?)?.energy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::AdapterType;
    use crate::run::{PlanOptions, simulated};

    use crate::simulate::Model;

    fn info(index: usize) -> AdapterInfo {
        let name = if index == 1 { "NVIDIA \u{1b}[31mwith a name beyond all bounds" } else { "NVIDIA H100" };
        AdapterInfo {
            pci_address: (index != 2).then(|| format!("0000:{index}1:00.0").parse().unwrap()),
            ..AdapterInfo::new(name, "NVIDIA", AdapterType::Discrete, "vulkan")
        }
    }

    fn simulated() -> Record {
        let model: Model = "h100".parse().unwrap();
        let plan = simulated::plan(&model, &PlanOptions { quick: true, ..PlanOptions::default() }).unwrap();
        simulated::record(&model, plan).unwrap()
    }

    #[test]
    fn one_that_fails_does_not_lose_the_others_and_one_that_is_done_is_not_done_again() {
        let outcome = |index| match index {
            1 => Err(anyhow::anyhow!("the driver refused")),
            3 => Ok(None),
            _ => Ok(Some(simulated())),
        };
        let rows: Vec<Row> = (0..4).map(|index| Row { adapter: info(index), outcome: outcome(index) }).collect();
        let text = summary(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[2].contains("0000:01:00.0") && lines[2].contains('…') && lines[2].ends_with("SIMULATED"),
            "{text}"
        );
        assert!(lines[3].contains("0000:11:00.0  n/a     n/a") && lines[3].ends_with("FAILED"), "{text}");
        assert!(lines[4].contains("n/a") && lines[5].ends_with("saved earlier"), "{text}");
        assert!(text.ends_with("energy of the last init over the first\n") && !text.contains('\u{1b}'), "{text}");
    }
}
