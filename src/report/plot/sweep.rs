//! The plots of a sweep: power and energy by clock.

use super::canvas::{Ink, Layout, Plot, Shape};
use super::chart::{Chart, Curve, Spot};
use crate::analysis::sweep;
use crate::analysis::sweep::{Row, Sweep};
use crate::operands::Init;

/// Mean power by clock, with the fit as far as it holds. `words` are what the fit says.
pub(crate) fn power(sweep: &Sweep, title: &str, words: &str, layout: Layout) -> Option<Plot> {
    let rests = |row: &Row| sweep.fit.as_ref().is_some_and(|fit| (fit.from_mhz..=fit.to_mhz).contains(&row.clock_mhz));
    // Where the fit says what lies between the points, nothing else does.
    let joined = if sweep.fit.is_some() { 0.6 } else { 1.4 };
    let mut chart = by_clock(sweep, |row| row.power_w, rests, joined);
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

/// Joules of a product by clock, the least of each init filled. `words` say which these are.
pub(crate) fn energy(sweep: &Sweep, title: &str, words: &str, layout: Layout) -> Option<Plot> {
    let least = |row: &Row| sweep.least_energy.contains(&(row.init, row.clock_mhz));
    let mut chart = by_clock(sweep, |row| row.energy_j, least, 1.4);
    chart.title = format!("Energy of a product by clock, {title}");
    chart.description = format!("A dot for each clock and init, the least of each init filled: {words}.");
    chart.y = "energy of a product, J".into();
    chart.draw(layout)
}

/// A figure of each init by clock, its points joined; `marked` are filled.
fn by_clock(sweep: &Sweep, figure: fn(&Row) -> Option<f64>, marked: impl Fn(&Row) -> bool, width: f64) -> Chart {
    let point = |row: &Row| Some((f64::from(row.clock_mhz), figure(row)?));
    let curve = |init: Init| {
        let points = sweep.rows.iter().filter(|row| row.init == init).filter_map(point).collect();
        Curve { points, ink: Ink::of(init), width, name: Some(init.to_string()) }
    };
    let spot = |row: &Row| {
        let shape = if marked(row) { Shape::Filled } else { Shape::Hollow };
        Some(Spot { at: point(row)?, shape, ink: Ink::of(row.init), name: None })
    };
    Chart {
        title: String::new(),
        description: String::new(),
        x: "locked clock, MHz".into(),
        y: String::new(),
        from_zero: true,
        curves: sweep::inits(&sweep.rows).into_iter().map(curve).collect(),
        spots: sweep.rows.iter().filter_map(spot).collect(),
    }
}
