//! The timeline of a run: power, clock and temperature.

use super::axis::{Axis, push_apart};
use super::canvas::{Ink, Layout, Pen, Plot, SMALL, Sheet, Side, draw};
use crate::operands::Init;
use crate::record::text::printable;
use crate::record::{Record, Trace};

/// What a trace is drawn in: a stretch of the run, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from_s: f64,
    to_s: f64,
    init: Option<Init>,
}

/// One panel of a run's plot.
struct Panel {
    label: &'static str,
    height: f64,
    from_zero: bool,
    /// By time; None where the sensor was silent.
    points: Vec<(f64, Option<f64>)>,
}

impl Panel {
    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().filter_map(|point| point.1)
    }
}

/// Power, clock and temperature of a run over time, coloured by init. The record is a whole one, with its trace.
pub(crate) fn run(record: &Record, layout: Layout) -> Option<Plot> {
    let narrow = layout == Layout::Narrow;
    let panels = panels(record, narrow);
    if panels.is_empty() {
        return None;
    }
    let width = layout.width();
    let pixels = (44.0, width - 8.0);
    let end_s = record.trace.t_s.last().copied().unwrap_or(0.0);
    let time = Axis::from_zero([end_s], pixels)?;
    let stretches = stretches(record);

    // A limit that the board does not come near says nothing.
    let highest = panels[0].values().max_by(f64::total_cmp).unwrap_or(0.0);
    let limit_w = record.source.as_ref().and_then(|source| source.power_limit_w);
    let limit_w = limit_w.filter(|limit_w| (0.9 * highest..1.15 * highest).contains(limit_w));

    const TOP: f64 = 22.0;
    const GAP: f64 = 26.0;
    let bottom = TOP + panels.iter().map(|panel| panel.height + GAP).sum::<f64>();
    let name = printable(&record.adapter.name);
    let inits: Vec<String> = record.plan.inits.iter().map(ToString::to_string).collect();
    let title = format!("Timeline of a run on {name}");
    let shown: Vec<&str> = panels.iter().map(|panel| panel.label).collect();
    let description = format!(
        "Over {end_s:.0} seconds: {}. Coloured within the windows of {}, grey outside of them.",
        shown.join("; "),
        inits.join(", ")
    );
    Some(draw((width, bottom + 30.0), &title, &description, |sheet| {
        for stretch in &stretches {
            if let Some(init) = stretch.init {
                let (from, to) = (time.at(stretch.from_s), time.at(stretch.to_s));
                sheet.band((from, TOP), (to, bottom - GAP + 6.0), Ink::of(init), 0.09);
            }
        }
        label_stretches(sheet, record, &stretches, &time, pixels);
        for (x, text) in time.ticks(if narrow { 5 } else { 10 }) {
            sheet.line((x, bottom - GAP + 6.0), (x, bottom - GAP + 10.0), Ink::Muted, 1.0);
            sheet.label(x, bottom - GAP + 19.0, width, SMALL, &text);
        }
        sheet.text(pixels.1, bottom - GAP + 36.0, Side::Left, SMALL, "seconds since the start");
        let mut top = TOP;
        for panel in &panels {
            let bounds = (top + panel.height, top + 20.0);
            top += panel.height + GAP;
            let limit_w = limit_w.filter(|_| panel.from_zero);
            let values = panel.values().chain(limit_w);
            let Some(axis) =
                (if panel.from_zero { Axis::from_zero(values, bounds) } else { Axis::around(values, bounds) })
            else {
                continue;
            };
            for (y, text) in axis.ticks(if panel.from_zero { 5 } else { 3 }) {
                sheet.line((pixels.0, y), (pixels.1, y), Ink::Grid, 1.0);
                sheet.text(pixels.0 - 6.0, y, Side::Left, SMALL, &text);
            }
            sheet.text(0.0, bounds.1 - 12.0, Side::Right, Pen { ink: Ink::Text, ..SMALL }, panel.label);
            if let Some(limit_w) = limit_w {
                let y = axis.at(limit_w);
                sheet.line((pixels.0, y), (pixels.1, y), Ink::Muted, 1.0);
                let text = format!("limit {limit_w:.0} W");
                sheet.text(pixels.1, y - 8.0, Side::Left, SMALL, &text);
            }
            for stretch in &stretches {
                let (ink, thick) = stretch.init.map_or((Ink::Muted, 1.0), |init| (Ink::of(init), 1.5));
                let paths = paths(&panel.points, stretch, &time, &axis);
                paths.iter().for_each(|path| sheet.path(path, ink, thick));
            }
        }
    }))
}

/// Is there anything to draw?
pub(crate) fn has_something(record: &Record) -> bool {
    !panels(record, false).is_empty()
}

fn panels(record: &Record, narrow: bool) -> Vec<Panel> {
    let trace = &record.trace;
    let column = |values: &[Option<f64>]| trace.t_s.iter().copied().zip(values.iter().copied()).collect::<Vec<_>>();
    let (label, power) = match trace.power_w.iter().any(Option::is_some) {
        true => ("power, W", column(&trace.power_w)),
        false => ("power, W, from the counter", power_of_counter(trace)),
    };
    let panel = |label, height, from_zero, points| Panel { label, height, from_zero, points };
    [
        panel(label, if narrow { 150.0 } else { 190.0 }, true, power),
        panel("clock, MHz", 64.0, false, column(&trace.clock_mhz)),
        panel("temperature, °C", 64.0, false, column(&trace.temperature_c)),
    ]
    .into_iter()
    .filter(|panel| panel.values().count() >= 2)
    .collect()
}

/// A sensor that only counts has been drawing so much since it last moved.
fn power_of_counter(trace: &Trace) -> Vec<(f64, Option<f64>)> {
    let counted: Vec<(f64, f64)> =
        trace.t_s.iter().zip(&trace.energy_j).filter_map(|(&t_s, &energy_j)| Some((t_s, energy_j?))).collect();
    let between = |pair: &[(f64, f64)]| {
        let [(from_s, from_j), (to_s, to_j)] = [pair[0], pair[1]];
        let watts = (to_j - from_j) / (to_s - from_s);
        // A step back is no power.
        ((from_s + to_s) / 2.0, Some(watts).filter(|watts| watts.is_finite() && *watts >= 0.0))
    };
    counted.windows(2).map(between).collect()
}

/// The windows, and what lies between them, in order.
fn stretches(record: &Record) -> Vec<Stretch> {
    let mut windows: Vec<Stretch> = record
        .windows
        .iter()
        .map(|window| Stretch {
            from_s: window.start_s,
            to_s: window.start_s + window.duration_s,
            init: Some(window.init),
        })
        .collect();
    windows.sort_by(|a, b| a.from_s.total_cmp(&b.from_s));
    let mut all = Vec::with_capacity(2 * windows.len() + 1);
    let mut from_s = 0.0;
    for window in windows {
        all.push(Stretch { from_s, to_s: window.from_s, init: None });
        all.push(window);
        from_s = window.to_s;
    }
    all.push(Stretch { from_s, to_s: f64::INFINITY, init: None });
    all
}

/// Of so many inits, the windows are named.
const MOST_NAMED: usize = 3;

/// Names above the first window of each init, and above idle and warm-up where they fit.
fn label_stretches(sheet: &mut Sheet, record: &Record, stretches: &[Stretch], time: &Axis, pixels: (f64, f64)) {
    let middle = |from_s: f64, to_s: f64| (time.at(from_s) + time.at(to_s)) / 2.0;
    let mut labels: Vec<(f64, String, Pen)> = vec![];
    // The windows of many are narrower than their names.
    let inits = if record.plan.inits.len() > MOST_NAMED { &[] } else { &record.plan.inits[..] };
    for &init in inits {
        if let Some(first) = stretches.iter().find(|stretch| stretch.init == Some(init)) {
            labels.push((
                middle(first.from_s, first.to_s),
                init.to_string(),
                Pen { ink: Ink::of(init), bold: true, ..SMALL },
            ));
        }
    }
    if let Some(warm_up) = record.warm_up {
        labels.push((middle(warm_up.start_s, warm_up.start_s + warm_up.duration_s), "warm-up".into(), SMALL));
    }
    if let Some(idle) = record.idle.hot {
        labels.push((middle(idle.start_s, idle.start_s + idle.duration_s), "idle".into(), SMALL));
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut places: Vec<(f64, f64)> = labels.iter().map(|(x, text, pen)| (*x, pen.width(text))).collect();
    push_apart(&mut places, pixels, 6.0);
    for ((x, _), (_, text, pen)) in places.into_iter().zip(labels) {
        sheet.text(x, 10.0, Side::Middle, pen, &text);
    }
}

/// The line through the points of a stretch, cut where the sensor was silent, and thinned out to what can be seen.
fn paths(points: &[(f64, Option<f64>)], stretch: &Stretch, time: &Axis, axis: &Axis) -> Vec<Vec<(f64, f64)>> {
    let [mut from, mut to] = [stretch.from_s, stretch.to_s].map(|at_s| points.partition_point(|point| point.0 < at_s));
    if stretch.init.is_none() {
        // What leads from a window to the next is neither's.
        (from, to) = (from.saturating_sub(1), (to + 1).min(points.len()));
    }
    let place = |&(t_s, value): &(f64, Option<f64>)| {
        let value = value.filter(|value| time.shows(t_s) && value.abs() < 1e9)?;
        Some((time.at(t_s), axis.at(value)))
    };
    let places: Vec<Option<(f64, f64)>> = points[from.min(to)..to].iter().map(place).collect();
    let path = |places: &[Option<(f64, f64)>]| thinned(&places.iter().flatten().copied().collect::<Vec<_>>());
    places.split(Option::is_none).map(path).filter(|path| path.len() >= 2).collect()
}

/// Of all points within a few pixels' width, the least and the greatest, in their order; and of a level stretch, its
/// ends.
fn thinned(path: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const PIXELS: f64 = 2.5;
    let mut kept: Vec<(f64, f64)> = vec![];
    for points in path.chunk_by(|a, b| (a.0 / PIXELS).floor() == (b.0 / PIXELS).floor()) {
        let by_height = |&a: &usize, &b: &usize| points[a].1.total_cmp(&points[b].1);
        let (one, other) = ((0..points.len()).min_by(by_height), (0..points.len()).rev().max_by(by_height));
        let extremes = [one.min(other), one.max(other).filter(|_| one != other)];
        kept.extend(extremes.into_iter().flatten().map(|i| points[i]));
    }
    kept.extend(path.last().filter(|&last| kept.last() != Some(last)));
    let level = |a: &(f64, f64), b: &(f64, f64)| (a.1 - b.1).abs() < 0.05;
    let mut ends: Vec<(f64, f64)> = vec![];
    for point in kept {
        match ends[..] {
            [.., before, last] if level(&before, &last) && level(&last, &point) => {
                *ends.last_mut().unwrap_or(&mut (0.0, 0.0)) = point
            }
            _ => ends.push(point),
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Truth;
    use crate::run::{PlanOptions, simulated};
    use crate::simulate::{MODELS, Simulation};

    fn record(model: usize) -> Record {
        let plan =
            simulated::plan(&MODELS[model], &PlanOptions { size: Some(4096), ..PlanOptions::default() }).unwrap();
        simulated::undisturbed(&Simulation::new(MODELS[model], plan, false), Truth::default(), None).unwrap()
    }

    #[test]
    fn thinning_keeps_the_extremes_and_the_ends_of_what_is_level() {
        let spikes = [(0.0, 5.0), (0.5, 9.0), (1.0, 1.0), (1.5, 5.0), (10.0, 5.0), (20.0, 5.0), (30.0, 5.0)];
        assert_eq!(thinned(&spikes), [(0.5, 9.0), (1.0, 1.0), (10.0, 5.0), (30.0, 5.0)]);
        assert_eq!(thinned(&[(0.0, 1.0)]), [(0.0, 1.0)]);
        assert_eq!(thinned(&[]), []);
    }

    #[test]
    fn the_line_is_cut_where_the_sensor_was_silent_and_changes_its_colour_with_the_window() {
        let stretch = |from_s, to_s, init| Stretch { from_s, to_s, init };
        let stretches =
            [stretch(0.0, 10.0, None), stretch(10.0, 20.0, Some(Init::Zeros)), stretch(20.0, f64::INFINITY, None)];
        let points: Vec<(f64, Option<f64>)> =
            (0..8).map(|i| (5.0 * f64::from(i), (i != 2).then_some([50.0, 60.0][i as usize % 2]))).collect();
        let time = Axis::from_zero([100.0], (0.0, 1040.0)).unwrap();
        let axis = Axis::from_zero([100.0], (104.0, 0.0)).unwrap();
        let of = |stretch: &Stretch| {
            let paths = paths(&points, stretch, &time, &axis);
            let seconds = |path: Vec<(f64, f64)>| path.into_iter().map(|place| (place.0 / 10.0).round()).collect();
            paths.into_iter().map(|path| (stretch.init, seconds(path))).collect::<Vec<(_, Vec<f64>)>>()
        };
        let found: Vec<_> = stretches.iter().flat_map(of).collect();
        // 10 s is missing: its window's line, of one point, is none.
        assert_eq!(found, [(None, vec![0.0, 5.0]), (None, vec![15.0, 20.0, 25.0, 30.0, 35.0])]);
    }

    #[test]
    fn a_counter_that_steps_back_has_no_power() {
        let trace = Trace {
            t_s: vec![0.0, 2.0, 4.0, 6.0],
            power_w: vec![None; 4],
            energy_j: vec![Some(0.0), Some(20.0), Some(10.0), Some(30.0)],
            temperature_c: vec![None; 4],
            clock_mhz: vec![None; 4],
            ..Trace::default()
        };
        assert_eq!(power_of_counter(&trace), [(1.0, Some(10.0)), (3.0, None), (5.0, Some(10.0))]);
    }

    #[test]
    fn the_timeline_of_a_run_is_light_and_names_what_it_shows() {
        for (number, model) in MODELS.iter().enumerate() {
            let svg = run(&record(number), Layout::Wide).unwrap().inline();
            assert!(svg.len() < 40_000, "{}: {} bytes", model.name, svg.len());
            for text in ["zeros", "gaussian", "warm-up", "idle", "power, W", "clock, MHz", "temperature, °C"] {
                assert!(svg.contains(text), "{}: {text}", model.name);
            }
        }
    }

    #[test]
    fn what_has_nothing_to_show_is_not_drawn() {
        let mut record = record(0);
        record.trace.clock_mhz.fill(None);
        let panels = run(&record, Layout::Narrow).unwrap().description;
        assert!(panels.contains("temperature") && !panels.contains("clock"), "{panels}");
        record.trace = Trace::default();
        assert_eq!(run(&record, Layout::Wide), None);
    }

    #[test]
    fn figures_that_no_axis_can_show_spoil_no_plot() {
        let mut record = record(0);
        record.trace.power_w[3] = Some(1e308);
        record.trace.t_s[5] = f64::MAX;
        assert!(run(&record, Layout::Wide).is_none_or(|plot| !plot.inline().contains("NaN")));
        record.source.as_mut().unwrap().power_limit_w = Some(f64::MAX);
        assert!(run(&record, Layout::Narrow).is_none_or(|plot| !plot.inline().contains("inf")));
    }
}
