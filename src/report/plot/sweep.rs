//! The plots of a sweep: power, time and energy by clock or by power limit, and energy by speed where both were swept.

use super::canvas::{Ink, Layout, Plot, Shape};
use super::chart::{Chart, Curve, Spot};
use crate::analysis::sweep;
use crate::analysis::sweep::{Row, Sweep};
use crate::operands::Init;
use crate::record::plan::Knob;

/// What is turned, in words.
pub(crate) fn name(knob: Knob) -> &'static str {
    match knob {
        Knob::Clock => "clock",
        Knob::PowerLimit => "power limit",
    }
}

/// Mean power by clock, with the fit as far as it holds. `words` are what the fit says.
pub(crate) fn power(sweep: &Sweep, title: &str, words: &str, layout: Layout) -> Option<Plot> {
    let rests = |row: &Row| sweep.fit.as_ref().is_some_and(|fit| (fit.from_mhz..=fit.to_mhz).contains(&row.setting));
    // Where the fit says what lies between the points, nothing else does.
    let joined = if sweep.fit.is_some() { 0.6 } else { 1.4 };
    let mut chart = by_setting(sweep, |row| row.power_w, rests, joined);
    chart.title = format!("Power by clock, {title}");
    chart.description = format!(
        "A dot for each clock and init, and the straight line that fits them, as far as it does: the dots that it \
         rests on are filled. {words}"
    );
    chart.y = "mean power, W".into();
    let fits = sweep.fit.iter().flat_map(|fit| fit.w_per_mhz.iter().map(move |slope| (fit, slope)));
    chart.curves.extend(fits.map(|(fit, (init, slope))| {
        let at = |mhz: u32| (f64::from(mhz), fit.static_w.estimate + slope.estimate * f64::from(mhz));
        Curve { points: vec![at(fit.from_mhz), at(fit.to_mhz)], ink: Ink::of(*init), width: 2.0, name: None }
    }));
    chart.draw(layout)
}

/// Seconds of a product by power limit, the least of energy × time of each init filled. `words` say which these are.
pub(crate) fn time(sweep: &Sweep, title: &str, words: &str, layout: Layout) -> Option<Plot> {
    let least = |row: &Row| sweep.least_delay.contains(&(row.init, row.setting));
    let mut chart = by_setting(sweep, |row| Some(row.time_s * 1e3), least, 1.4);
    chart.title = format!("Time of a product by {}, {title}", name(sweep.knob));
    chart.description =
        format!("A dot for each {} and init, the least energy × time of each init filled: {words}.", name(sweep.knob));
    chart.y = "time of a product, ms".into();
    chart.draw(layout)
}

/// Joules of a product by setting, the least of each init filled. `words` say which these are.
pub(crate) fn energy(sweep: &Sweep, title: &str, words: &str, layout: Layout) -> Option<Plot> {
    let least = |row: &Row| sweep.least_energy.contains(&(row.init, row.setting));
    let mut chart = by_setting(sweep, |row| row.energy_j, least, 1.4);
    let name = name(sweep.knob);
    chart.title = format!("Energy of a product by {name}, {title}");
    chart.description = format!("A dot for each {name} and init, the least of each init filled: {words}.");
    chart.y = "energy of a product, J".into();
    chart.draw(layout)
}

/// Joules of a product by speed, as the clock sets it (filled) and as the power limit does. `words` say which saves more.
pub(crate) fn both(clock: &Sweep, limit: &Sweep, title: &str, words: &str, layout: Layout) -> Option<Plot> {
    let rows = || clock.rows.iter().chain(&limit.rows);
    let fastest_s = rows().map(|row| row.time_s).filter(|time_s| *time_s > 0.0).min_by(f64::total_cmp)?;
    let point = |row: &Row| Some((100.0 * fastest_s / row.time_s, row.energy_j?));
    let curves = [(clock, 2.0), (limit, 1.0)].into_iter().flat_map(|(sweep, width)| {
        sweep::inits(&sweep.rows).into_iter().map(move |init| {
            let of_init = sweep.rows.iter().filter(|row| row.init == init);
            let mut points: Vec<(f64, f64)> = of_init.filter_map(point).collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Curve { points, ink: Ink::of(init), width, name: Some(format!("{init}, {}", name(sweep.knob))) }
        })
    });
    let spots = [(clock, Shape::Filled), (limit, Shape::Hollow)].into_iter().flat_map(|(sweep, shape)| {
        sweep
            .rows
            .iter()
            .filter_map(move |row| Some(Spot { at: point(row)?, shape, ink: Ink::of(row.init), name: None }))
    });
    let chart = Chart {
        title: format!("Energy of a product by speed, {title}"),
        description: format!(
            "A dot for each setting and init: filled by the clock, hollow by the power limit. {words}"
        ),
        x: "speed, % of the fastest".into(),
        y: "energy of a product, J".into(),
        from_zero: true,
        curves: curves.collect(),
        spots: spots.collect(),
    };
    chart.draw(layout)
}

/// A figure of each init by setting, its points joined; `marked` are filled.
fn by_setting(sweep: &Sweep, figure: fn(&Row) -> Option<f64>, marked: impl Fn(&Row) -> bool, width: f64) -> Chart {
    let point = |row: &Row| Some((f64::from(row.setting), figure(row)?));
    let curve = |init: Init| {
        let points = sweep.rows.iter().filter(|row| row.init == init).filter_map(point).collect();
        Curve { points, ink: Ink::of(init), width, name: Some(init.to_string()) }
    };
    let spot = |row: &Row| {
        let shape = if marked(row) { Shape::Filled } else { Shape::Hollow };
        Some(Spot { at: point(row)?, shape, ink: Ink::of(row.init), name: None })
    };
    let x = match sweep.knob {
        Knob::Clock => "locked clock, MHz",
        Knob::PowerLimit => "power limit, W",
    };
    Chart {
        title: String::new(),
        description: String::new(),
        x: x.into(),
        y: String::new(),
        from_zero: true,
        curves: sweep::inits(&sweep.rows).into_iter().map(curve).collect(),
        spots: sweep.rows.iter().filter_map(spot).collect(),
    }
}
