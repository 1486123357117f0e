//! What meters said of sensors: of every board that was held against one, its gain and offset, by the family of its sensor. The bands
//! that a family's boards share ([`crate::analysis::type_b`]) are renewed from such lines.

use super::meter;
use crate::analysis::overview::Run;
use crate::analysis::type_b;
use crate::record::{Calibration, Estimate, Meter, Record, Scope};
use crate::report::lines;
use crate::report::page::{Block, Cell, Span, Table, Target};

/// The table, where a run has a meter that says something.
pub(super) fn section<'a>(runs: &[&'a Run], name: &str) -> Vec<Block<'a>> {
    let calibrated = |run: &&'a Run| {
        let Record { source, meter, summary, .. } = &run.record;
        let (source, line) = (source.as_ref()?, summary.meter.as_ref()?.calibration.as_ref()?);
        Some((type_b::family(source), *run, meter.as_ref()?, line))
    };
    let mut found: Vec<(String, &Run, &Meter, &Calibration)> = runs.iter().filter_map(calibrated).collect();
    if found.is_empty() {
        return vec![];
    }
    found.sort_by(|a, b| a.0.cmp(&b.0)); // the newest first within a family, as they came
    let names = lines::distinct_names(found.iter().map(|found| (lines::gpu(&found.1.record), &found.1.record)));
    let rows: Vec<Vec<Cell>> = found
        .into_iter()
        .zip(names)
        .map(|((family, run, meter, line), name)| {
            let gpu = Span::Link(name, Target::Run(run.path.clone()));
            let at = if meter.scope == Scope::System { "wall" } else { "board" };
            let within = |estimate: &Estimate, digits| meter::within(estimate, digits).into();
            vec![
                family.into(),
                gpu.into(),
                at.into(),
                within(&line.gain, 3),
                within(&line.offset_w, 1),
                meter::straight(line).into(),
            ]
        })
        .collect();
    let caption = "Watts that the sensor shows for each of the meter's, and at none of them, with 95 % intervals";
    let heads = ["sensors", "GPU", "meter", "gain", "offset in W", "levels"];
    vec![
        Block::heading(3, "Sensors against meters"),
        Block::paragraph(
            "Runs with a meter of their owner's beside the sensor. A meter of the board says what its sensor's gain and offset are, \
             where all levels of power lie on a straight line; at the wall, the supply's losses and the rest of the machine are in \
             both. What a meter is off by itself is in none of these intervals.",
        ),
        Block::Table(Table::new(format!("{name}-calibrations"), caption, heads, rows)),
    ]
}
