//! Several GPUs of one machine, one after another: never at once, for the power of neighbours is not independent. One that
//! fails does not lose the others.

use crate::gpu::adapter::AdapterInfo;
use crate::record::Record;
use crate::report::{content, terminal};
use crate::text::printable;

/// One GPU, and what became of it.
pub struct Row {
    pub adapter: AdapterInfo,
    /// None: an earlier start of this job has measured it.
    pub outcome: anyhow::Result<Option<Record>>,
}

/// Measures one adapter after the other until all are done or `stopped`; says on standard error what fails.
pub fn each(
    chosen: &[usize],
    info: impl Fn(usize) -> AdapterInfo,
    stopped: impl Fn() -> bool,
    mut measure: impl FnMut(usize) -> anyhow::Result<Option<Record>>,
) -> Vec<Row> {
    let mut rows = vec![];
    for &index in chosen {
        if stopped() {
            break;
        }
        let row = Row { adapter: info(index), outcome: measure(index) };
        if let Err(error) = &row.outcome {
            eprintln!("wattmul: {}: {}", printable(&row.adapter.name), printable(&format!("{error:#}")));
        }
        rows.push(row);
    }
    rows
}

/// A line a GPU, 80 columns wide.
pub fn summary(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| (&row.adapter, row.outcome.as_ref().map(Option::as_ref).map_err(|_| ())));
    terminal::blocks(&content::all_adapters(&rows.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::adapter::AdapterType;
    use crate::plan::Wishes;
    use crate::simulate::{self, Model};
    use std::cell::Cell;

    fn info(index: usize) -> AdapterInfo {
        let name = if index == 1 { "NVIDIA \u{1b}[31mwith a name beyond all bounds" } else { "NVIDIA H100" };
        AdapterInfo {
            pci_address: (index != 2).then(|| format!("0000:{index}1:00.0").parse().unwrap()),
            ..AdapterInfo::new(name, "NVIDIA", AdapterType::Discrete, "vulkan")
        }
    }

    fn simulated() -> Record {
        let model: Model = "h100".parse().unwrap();
        let plan = simulate::plan(&model, &Wishes { quick: true, ..Wishes::default() }).unwrap();
        simulate::record(&model, plan).unwrap()
    }

    #[test]
    fn one_that_fails_does_not_lose_the_others_and_one_that_is_done_is_not_done_again() {
        let rows = each(
            &[0, 1, 2, 3],
            info,
            || false,
            |index| match index {
                1 => anyhow::bail!("the driver refused"),
                3 => Ok(None),
                _ => Ok(Some(simulated())),
            },
        );
        assert_eq!(rows.iter().filter(|row| row.outcome.is_ok()).count(), 3);
        let text = summary(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[2].contains("0000:01:00.0") && lines[2].contains('…') && lines[2].ends_with("SIMULATED"),
            "{text}"
        );
        let words: Vec<&str> = lines[3].split_whitespace().rev().take(4).collect();
        assert_eq!(words, ["FAILED", "n/a", "n/a", "0000:11:00.0"], "{text}");
        assert!(lines[4].trim() == "beyond all bounds" && lines[5].contains("n/a"), "a long name is whole: {text}");
        assert!(lines[6].ends_with("saved earlier"), "{text}");
        assert!(lines[0].ends_with("energy of the last init over the first") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn a_stop_ends_the_series() {
        let done = Cell::new(0);
        let rows = each(
            &[0, 1, 2],
            info,
            || done.get() == 1,
            |_| {
                done.set(done.get() + 1);
                Ok(None)
            },
        );
        assert_eq!(rows.len(), 1);
    }
}
