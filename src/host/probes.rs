//! What of a Linux machine spoils a run: its displays, its power supply, GPUs that sleep, and what this user may not do. Each probe takes
//! the root of what it looks at; where there is no such thing, as on other systems, it says nothing.

use super::finding::{Finding, bad, display_finding, good, note};
use super::sysfs;
use super::sysfs::{entries, pci_address, read_number, read_text};
use crate::record::PciAddress;
use std::io;
use std::path::{Path, PathBuf};

/// Connectors of graphics cards, such as card0-HDMI-A-1.
pub(crate) fn displays(sys: &Path) -> Vec<Finding> {
    let status = |path: &PathBuf| read_text(&path.join("status"));
    let connectors: Vec<PathBuf> =
        entries(&sys.join("class/drm")).into_iter().filter(|path| status(path).is_some()).collect();
    let connected = connectors.iter().filter(|path| status(path).is_some_and(|status| status == "connected"));
    let mut names: Vec<String> = connected
        .map(|path| match pci_address(path) {
            Some(address) => format!("the GPU at {address}"),
            None => "a GPU".into(),
        })
        .collect();
    names.sort();
    names.dedup();
    match (names.is_empty(), connectors.is_empty()) {
        (true, true) => vec![],
        (true, false) => vec![good("display", "no display is attached")],
        (false, _) => names.iter().map(|name| display_finding(name)).collect(),
    }
}

/// Device files through which Mesa's drivers and ROCm reach a GPU. `groups` is the system's list of groups.
pub(crate) fn render_nodes(dev: &Path, groups: &Path) -> Option<Finding> {
    let is_node = |path: &PathBuf| sysfs::name(path).is_some_and(|name| name.starts_with("renderD"));
    let nodes: Vec<PathBuf> = entries(&dev.join("dri")).into_iter().filter(is_node).collect();
    let refused = |path: &&PathBuf| {
        let opened = std::fs::File::options().read(true).write(true).open(path);
        opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    match nodes.iter().find(refused) {
        Some(path) => Some(no_right(path, groups)),
        None if nodes.is_empty() => None,
        None => Some(good("rights", "this user may use the GPUs that /dev/dri shows")),
    }
}

/// In a container the group of the file is often one that has no name there.
fn no_right(path: &Path, groups: &Path) -> Finding {
    let group = group_of(path);
    let named = |id: u32| {
        let list = read_text(groups)?;
        let line = list.lines().find(|line| line.split(':').nth(2).is_some_and(|own| own.parse() == Ok(id)))?;
        Some(line.split(':').next()?.to_owned())
    };
    let fix = match (group, group.and_then(named)) {
        (_, Some(name)) => format!("sudo usermod --append --groups {name} $USER, then log in again"),
        (Some(id), None) => format!("start this container with --group-add {id}"),
        (None, None) => "sudo usermod --append --groups render,video $USER, then log in again".into(),
    };
    bad("rights", format!("{} may not be opened", path.display()), fix)
}

#[cfg(unix)]
fn group_of(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| metadata.gid())
}

#[cfg(not(unix))]
fn group_of(_: &Path) -> Option<u32> {
    None
}

/// Only root may lock a clock.
pub(crate) fn root(proc: &Path) -> Option<Finding> {
    let status = read_text(&proc.join("self/status"))?;
    let effective = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?;
    (effective != "0").then(|| {
        note(
            "rights",
            "--lock-clock needs root with most drivers",
            "sudo wattmul --lock-clock MHZ (nothing else needs it)",
        )
    })
}

/// On battery a laptop slows its GPU down.
pub(crate) fn battery(sys: &Path) -> Option<Finding> {
    let supplies = entries(&sys.join("class/power_supply"));
    let is = |path: &Path, kind: &str| read_text(&path.join("type")).is_some_and(|text| text == kind);
    // The battery of a mouse says "Device" here.
    let own = |path: &Path| is(path, "Battery") && read_text(&path.join("scope")).is_none_or(|scope| scope != "Device");
    let batteries: Vec<&PathBuf> = supplies.iter().filter(|path| own(path)).collect();
    let discharging =
        batteries.iter().any(|path| read_text(&path.join("status")).is_some_and(|status| status == "Discharging"));
    let plugged = supplies.iter().any(|path| is(path, "Mains") && read_number(&path.join("online")) == Some(1));
    if discharging && !plugged {
        let text = "this machine runs on its battery, and slows its GPU down";
        return Some(bad("battery", text, "plug in its power supply"));
    }
    (!batteries.is_empty()).then(|| good("battery", "this machine runs on its power supply"))
}

/// GPUs that the kernel has put to sleep (runtime power management): power at rest is then that of sleep, and many sensors are silent.
pub(crate) fn sleeping(sys: &Path) -> Vec<Finding> {
    let is_gpu = |device: &PathBuf| read_text(&device.join("class")).is_some_and(|class| class.starts_with("0x03"));
    let finding = |device: PathBuf| {
        let address: PciAddress = sysfs::name(&device)?.parse().ok()?;
        let status = read_text(&device.join("power/runtime_status"))?;
        (status == "suspended").then(|| {
            let text =
                format!("the GPU at {address} sleeps: its power at rest is that of sleep, and a sensor may be silent");
            note("sleep", text, format!("echo on | sudo tee /sys/bus/pci/devices/{address}/power/control"))
        })
    };
    entries(&sys.join("bus/pci/devices")).into_iter().filter(is_gpu).filter_map(finding).collect()
}

#[cfg(all(test, unix))] // sysfs names hold colons
pub(crate) mod tests {
    use super::super::finding::State;
    use super::*;

    /// A folder that holds these files.
    pub(crate) fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn displays_and_batteries_are_found_in_sysfs() {
        let supply = |online| {
            [
                ("class/drm/card0-DP-1/status", if online == "1" { "disconnected\n" } else { "connected\n" }),
                ("class/drm/card0-HDMI-A-1/status", if online == "1" { "disconnected\n" } else { "connected\n" }),
                ("class/power_supply/AC/type", "Mains\n"),
                ("class/power_supply/AC/online", online),
                ("class/power_supply/BAT0/type", "Battery\n"),
                ("class/power_supply/BAT0/status", "Discharging\n"),
            ]
        };
        let idle = tree(&supply("1"));
        let states = |findings: &[Finding]| findings.iter().map(|finding| finding.state).collect::<Vec<_>>();
        assert_eq!(states(&displays(idle.path())), [State::Good]);
        assert_eq!(battery(idle.path()).unwrap().state, State::Good, "a full battery may be used a little");
        let busy = tree(&supply("0"));
        assert_eq!(states(&displays(busy.path())), [State::Note], "a card is named once");
        let empty = battery(busy.path()).unwrap();
        assert_eq!((empty.state, empty.fix.as_deref()), (State::Bad, Some("plug in its power supply")));
        let mouse = tree(&[
            ("class/power_supply/mouse/type", "Battery\n"),
            ("class/power_supply/mouse/scope", "Device\n"),
            ("class/power_supply/mouse/status", "Discharging\n"),
        ]);
        assert_eq!(battery(mouse.path()), None);
        let nothing = Path::new("/nonexistent");
        assert_eq!((displays(nothing), battery(nothing), sleeping(nothing)), (vec![], None, vec![]));
        assert_eq!((render_nodes(nothing, nothing), root(nothing)), (None, None));
    }

    #[test]
    fn rights_are_looked_at() {
        let user = tree(&[("self/status", "Name:\twattmul\nUid:\t1000\t1000\t1000\t1000\n")]);
        assert!(root(user.path()).unwrap().text.contains("--lock-clock"));
        let superuser = tree(&[("self/status", "Uid:\t1000\t0\t0\t0\n")]);
        assert_eq!(root(superuser.path()), None);
        let dev = tree(&[("dri/renderD128", ""), ("dri/card0", "")]);
        assert_eq!(render_nodes(dev.path(), Path::new("/etc/group")).unwrap().state, State::Good);

        let node = dev.path().join("dri/renderD128");
        let id = group_of(&node).unwrap();
        let groups = tree(&[("group", &format!("root:x:77777:\nrendering:x:{id}:someone\n"))]);
        let told = no_right(&node, &groups.path().join("group"));
        assert_eq!(told.state, State::Bad);
        assert_eq!(told.fix.as_deref(), Some("sudo usermod --append --groups rendering $USER, then log in again"));
        let container = no_right(&node, Path::new("/nonexistent"));
        assert_eq!(container.fix, Some(format!("start this container with --group-add {id}")));
    }

    #[test]
    fn a_gpu_that_sleeps_is_told_with_what_wakes_it() {
        let sys = tree(&[
            ("bus/pci/devices/0000:01:00.0/class", "0x030200\n"),
            ("bus/pci/devices/0000:01:00.0/power/runtime_status", "suspended\n"),
            ("bus/pci/devices/0000:02:00.0/class", "0x030000\n"),
            ("bus/pci/devices/0000:02:00.0/power/runtime_status", "active\n"),
            ("bus/pci/devices/0000:03:00.0/class", "0x010802\n"), // a disk
            ("bus/pci/devices/0000:03:00.0/power/runtime_status", "suspended\n"),
        ]);
        let findings = sleeping(sys.path());
        assert_eq!(findings.len(), 1);
        let wakes = "echo on | sudo tee /sys/bus/pci/devices/0000:01:00.0/power/control";
        assert_eq!((findings[0].state, findings[0].fix.as_deref()), (State::Note, Some(wakes)));
    }
}
