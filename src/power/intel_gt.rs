//! The clock of an Intel GPU, and what holds it down, from the files of xe and i915.
//!
//! A GT is a group of engines with a clock of its own. The first of each tile computes; a second one, if there is one, decodes
//! video. Names: the kernel's xe_gt_freq.c, xe_gt_throttle.c and i915's intel_gt_sysfs_pm.c.

use crate::host::sysfs;
use crate::host::sysfs::{NumberFile, entries};
use crate::record::{Limiter, Limiters};
use std::path::{Path, PathBuf};

/// The GTs of a GPU that compute.
pub(super) struct Graphics(Vec<Gt>);

struct Gt {
    clock_mhz: Option<NumberFile>,
    /// Does anything hold the clock down? Without this, each reason is asked for.
    status: Option<NumberFile>,
    reasons: Vec<(Limiter, NumberFile)>,
}

impl Graphics {
    /// Those of the device at this folder of sysfs; none where its driver has no such files.
    pub(super) fn open(device: &Path) -> Self {
        let xe = |gt: PathBuf| Gt::open(&gt.join("freq0/act_freq"), &gt.join("freq0/throttle"), "");
        let i915 = |gt: PathBuf| Gt::open(&gt.join("rps_act_freq_mhz"), &gt, "throttle_");
        let first = |folder: &Path| numbered(folder, "gt").into_iter().next();
        let mut gts: Vec<Gt> = numbered(device, "tile").iter().filter_map(|tile| first(tile)).map(xe).collect();
        if gts.is_empty() {
            gts.extend(first(device).map(xe)); // xe before Linux 6.8
        }
        gts.retain(Gt::tells);
        if gts.is_empty() {
            let cards = numbered(&device.join("drm"), "card");
            gts.extend(
                cards.iter().filter_map(|card| first(&card.join("gt"))).chain(first(&device.join("gt"))).map(i915),
            );
            gts.extend(cards.iter().map(|card| Gt::open(&card.join("gt_act_freq_mhz"), card, "throttle_")));
            gts.retain(Gt::tells);
            gts.truncate(1); // the older name shows the same
        }
        Graphics(gts)
    }

    /// The highest clock in MHz; None while the engines sleep, when they have none.
    pub(super) fn clock_mhz(&mut self) -> Option<f64> {
        let clocks = self.0.iter_mut().filter_map(|gt| gt.clock_mhz.as_mut()?.read_unsigned().ok());
        clocks.filter(|&mhz| mhz > 0).max().map(|mhz| mhz as f64)
    }

    /// What holds a clock down now; None where the driver does not tell.
    pub(super) fn limiters(&mut self) -> Option<Limiters> {
        self.0.iter_mut().filter_map(Gt::limiters).reduce(Limiters::union)
    }
}

impl Gt {
    fn open(clock: &Path, folder: &Path, prefix: &str) -> Self {
        let open = |path: &Path| {
            let mut file = NumberFile::open(path).ok()?;
            file.read().is_ok().then_some(file)
        };
        let reason = |path: PathBuf| {
            let name = sysfs::name(&path)?.strip_prefix(prefix)?.strip_prefix("reason_")?;
            Some((limiter(name)?, open(&path)?))
        };
        let status = ["status", "reason_status"].iter().find_map(|name| open(&folder.join(format!("{prefix}{name}"))));
        let reasons = entries(folder).into_iter().filter_map(reason).collect();
        Gt { clock_mhz: open(clock), status, reasons }
    }

    fn tells(&self) -> bool {
        self.clock_mhz.is_some() || self.status.is_some() || !self.reasons.is_empty()
    }

    fn limiters(&mut self) -> Option<Limiters> {
        let status = self.status.as_mut().and_then(|file| file.read().ok());
        match status {
            Some(0) => return Some(Limiters::NONE),
            None if self.reasons.is_empty() => return None,
            _ => {}
        }
        let mut set = Limiters::NONE;
        let mut answered = status.is_some();
        for (limiter, file) in &mut self.reasons {
            let holds = file.read();
            answered |= holds.is_ok();
            if holds.is_ok_and(|holds| holds != 0) {
                set = set.with(*limiter);
            }
        }
        if status.is_some() && set == Limiters::NONE {
            set = set.with(Limiter::Other);
        }
        answered.then_some(set)
    }
}

/// What a reason is; None for what is no limit of ours: the status of all, and the highest clock that there is.
fn limiter(reason: &str) -> Option<Limiter> {
    Some(match reason {
        "status" | "p0_freq" => return None,
        "pl1" | "pl2" | "pl4" | "psys_pl1" | "psys_pl2" | "vr_tdc" | "iccmax" => Limiter::PowerCap,
        "ratl" | "vr_thermalert" => Limiter::Thermal,
        heat if heat.ends_with("thermal") => Limiter::Thermal,
        "prochot" | "fastvmode" | "psys_crit" => Limiter::Hardware,
        _ => Limiter::Other,
    })
}

/// Folders called `tile0`, `tile1` and so on, by number.
fn numbered(folder: &Path, stem: &str) -> Vec<PathBuf> {
    let number = |path: &Path| -> Option<u32> { sysfs::name(path)?.strip_prefix(stem)?.parse().ok() };
    let mut numbered: Vec<(u32, PathBuf)> =
        entries(folder).into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
    numbered.sort();
    numbered.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(files: &[(&str, &str)]) -> tempfile::TempDir {
        let device = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = device.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{text}\n")).unwrap();
        }
        device
    }

    fn told(graphics: &mut Graphics) -> (Option<f64>, Option<Vec<Limiter>>) {
        (graphics.clock_mhz(), graphics.limiters().map(|set| set.iter().collect()))
    }

    #[test]
    fn xes_first_engines_of_each_tile_are_read_and_the_video_ones_are_not() {
        let device = device(&[
            ("tile0/gt0/freq0/act_freq", "2400"),
            ("tile0/gt0/freq0/throttle/status", "0"),
            ("tile0/gt0/freq0/throttle/reason_pl1", "1"), // stale: the status comes first
            ("tile0/gt1/freq0/act_freq", "9999"),
            ("tile0/gt1/freq0/throttle/status", "1"),
            ("tile1/gt2/freq0/act_freq", "2500"),
        ]);
        let mut graphics = Graphics::open(device.path());
        assert_eq!(told(&mut graphics), (Some(2500.0), Some(vec![])));
        let write = |path: &str, text: &str| std::fs::write(device.path().join(path), text).unwrap();
        write("tile0/gt0/freq0/throttle/status", "1");
        assert_eq!(told(&mut graphics).1, Some(vec![Limiter::PowerCap]));
        write("tile0/gt0/freq0/throttle/reason_pl1", "0");
        assert_eq!(told(&mut graphics).1, Some(vec![Limiter::Other]), "held, and nothing says by what");
        write("tile0/gt0/freq0/act_freq", "0");
        write("tile1/gt2/freq0/act_freq", "0");
        assert_eq!(graphics.clock_mhz(), None, "engines that sleep have no clock");
    }

    #[test]
    fn i915s_names_are_known_old_and_new() {
        let files = [
            ("drm/card0/gt/gt0/rps_act_freq_mhz", "1300"),
            ("drm/card0/gt/gt0/throttle_reason_status", "1"),
            ("drm/card0/gt/gt0/throttle_reason_thermal", "1"),
            ("drm/card0/gt/gt0/throttle_reason_prochot", "1"),
            ("drm/card0/gt/gt0/throttle_reason_vr_tdc", "0"),
            ("drm/card0/gt_act_freq_mhz", "1301"),
            ("drm/renderD128/gt_act_freq_mhz", "9999"),
        ];
        let new = device(&files);
        let both = Some(vec![Limiter::Thermal, Limiter::Hardware]);
        assert_eq!(told(&mut Graphics::open(new.path())), (Some(1300.0), both));
        let old = device(&files[5..]);
        assert_eq!(told(&mut Graphics::open(old.path())), (Some(1301.0), None));
        assert_eq!(told(&mut Graphics::open(Path::new("/nonexistent"))), (None, None));
    }
}
