//! `wattmul doctor`: what this machine lacks for a run that can be believed, and the command that fixes it.
//!
//! Each probe takes the root of what it looks at, and says one thing.

use crate::cli::DoctorArgs;
use crate::gpu::adapter;
use crate::gpu::adapter::{AdapterError, Backend};
use crate::host::finding::{Finding, State, bad, display_finding, good, note};
use crate::host::sysfs;
use crate::host::sysfs::{SYS, entries, read_number, read_text};
use crate::host::unseen::unseen_gpus;
use crate::power::INTERFACES;
use crate::power::reader::{Interface, Serves};
use crate::protocol::PowerError;
use crate::record::text::printable;
use crate::record::{AdapterInfo, AdapterType, PciAddress, Source};
use crate::report::wrap::wrapped;
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Looks at this machine and says what it found.
///
/// # Errors
/// Standard output is closed.
pub fn doctor(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", text(&examine(args.backend)))?;
    Ok(ExitCode::SUCCESS)
}

/// Looks at this machine.
pub fn examine(backend: Backend) -> Vec<Finding> {
    let sys = Path::new(SYS);
    let adapters = adapter::list(backend).map(|adapters| adapters.into_iter().map(|adapter| adapter.info).collect());
    let mut findings = drivers(&adapters, sys);
    let infos: &[AdapterInfo] = adapters.as_deref().unwrap_or(&[]);

    // An adapter that no driver offers has a sensor all the same.
    let unseen = unseen_gpus(sys, &[]).into_iter().map(|gpu| {
        let info = AdapterInfo::new("", gpu.vendor, AdapterType::Discrete, "");
        AdapterInfo { pci_address: Some(gpu.address), ..info }
    });
    let here: Vec<AdapterInfo> = infos.iter().cloned().chain(unseen).collect();
    let mut sources: Vec<(&Interface, Source)> = vec![];
    for interface in INTERFACES {
        let outcome =
            (interface.readers)().map(|readers| readers.iter().map(|reader| reader.source().clone()).collect());
        findings.extend(availability(interface, &outcome, &here));
        sources.extend(outcome.into_iter().flatten().map(|source| (*interface, source)));
    }
    findings.extend(infos.iter().map(|info| sensor(info, &sources)));
    findings.extend(sources.iter().filter_map(|(interface, source)| power_limit(interface, source)));
    findings.extend(INTERFACES.iter().flat_map(|interface| (interface.examine)()));
    findings.extend(displays(sys));
    findings.extend(render_nodes(Path::new("/dev")));
    findings.extend(root(Path::new("/proc")));
    findings.extend(battery(sys));
    findings
}

/// For people, in 80 columns: what is bad first.
pub fn text(findings: &[Finding]) -> String {
    let mut text = String::new();
    for (state, word) in [(State::Bad, "BAD"), (State::Note, "note"), (State::Good, "good")] {
        for Finding { subject, text: says, fix, .. } in findings.iter().filter(|finding| finding.state == state) {
            text += &wrapped(&printable(says), &format!("  {word:<5} {subject:<9} "), "                  ");
            if let Some(fix) = fix {
                text += &wrapped(&printable(fix), "                  fix: ", "                       ");
            }
        }
    }
    let bad = findings.iter().filter(|finding| finding.state == State::Bad).count();
    text + &match bad {
        0 => "  nothing stands in the way of a valid run\n".to_owned(),
        1 => "  1 thing to fix\n".to_owned(),
        many => format!("  {many} things to fix\n"),
    }
}

/// Loader and drivers: the adapters, and GPUs that no driver offers.
fn drivers(adapters: &Result<Vec<AdapterInfo>, AdapterError>, sys: &Path) -> Vec<Finding> {
    let infos: &[AdapterInfo] = match adapters {
        Ok(infos) => infos,
        Err(error) => return vec![bad("driver", error.to_string().replace('\n', " "), "sh setup.sh")],
    };
    let of_adapter = |info: &AdapterInfo| {
        let driver = info.driver.as_deref().unwrap_or("driver n/a (the backend does not tell)");
        good("driver", format!("{} · {} · {driver}", info.name, info.backend_title()))
    };
    let mut findings: Vec<Finding> = infos.iter().map(of_adapter).collect();
    if infos.iter().all(|info| info.kind == AdapterType::Software) {
        let fix = "install your GPU vendor's driver; `vulkaninfo --summary` shows what the loader finds";
        findings.push(bad("driver", "only software adapters: a run measures the CPU", fix));
    }
    let seen: Vec<PciAddress> = infos.iter().filter_map(|info| info.pci_address).collect();
    findings.extend(unseen_gpus(sys, &seen).iter().map(|gpu| bad("driver", gpu.wrong(), gpu.fix)));
    findings
}

/// A sensor library or kernel interface, where something here could be read through it.
fn availability(
    interface: &Interface,
    outcome: &Result<Vec<Source>, PowerError>,
    here: &[AdapterInfo],
) -> Option<Finding> {
    let wanted = here.iter().any(|info| (interface.serves)(info) == Serves::Yes);
    match outcome {
        Ok(sources) => {
            let version = sources.iter().find_map(|source| source.api_version.clone());
            let version = version.map(|version| format!(" {version}")).unwrap_or_default();
            let devices: Vec<&str> = sources.iter().map(|source| source.device.as_str()).collect();
            Some(good("sensor", format!("{}{version}: {}", interface.name, devices.join(", "))))
        }
        Err(PowerError::Absent { .. }) if !wanted => None,
        Err(error) => {
            let (text, fix) = error.parts();
            Some(if wanted { bad("sensor", text, fix) } else { note("sensor", text, fix) })
        }
    }
}

/// Which sensor a run on this adapter would take.
fn sensor(info: &AdapterInfo, sources: &[(&Interface, Source)]) -> Finding {
    let fits =
        |(interface, source): &&(&Interface, Source)| (interface.belongs)(source, info) && source.gives_something();
    match sources.iter().find(fits) {
        Some((interface, source)) if source.shared_with.is_empty() => {
            good("sensor", format!("{} is measured by {} ({})", info.name, interface.name, source.kind()))
        }
        Some((interface, source)) => {
            let others: Vec<String> = source.shared_with.iter().map(PciAddress::to_string).collect();
            let text = format!("{} measures {} together with {}", interface.name, info.name, others.join(", "));
            note("sensor", text, "keep the other device idle")
        }
        None => {
            bad("sensor", format!("{} has no sensor: a run gives times alone", info.name), "--power names one by hand")
        }
    }
}

/// A limit that somebody lowered makes the card look slow.
fn power_limit(interface: &Interface, source: &Source) -> Option<Finding> {
    let (limit, usual) = (source.power_limit_w?, source.default_power_limit_w?);
    if (limit / usual - 1.0).abs() < 0.001 {
        return None;
    }
    let text =
        format!("{} is limited to {limit:.0} W, {:.0} % of its {usual:.0} W", source.device, 100.0 * limit / usual);
    Some(note("limit", text, interface.restore_limit?(source, usual)))
}

/// Connectors of graphics cards, such as card0-HDMI-A-1.
fn displays(sys: &Path) -> Vec<Finding> {
    let connected = |path: &PathBuf| read_text(&path.join("status")).is_some_and(|status| status == "connected");
    let connectors = entries(&sys.join("class/drm")).into_iter().filter(connected);
    let mut names: Vec<String> = connectors
        .map(|path| match sysfs::pci_address(&path) {
            Some(address) => format!("the GPU at {address}"),
            None => "a GPU".into(),
        })
        .collect();
    names.sort();
    names.dedup();
    names.iter().map(|name| display_finding(name)).collect()
}

/// Device files through which Mesa's drivers and ROCm reach a GPU.
fn render_nodes(dev: &Path) -> Option<Finding> {
    let is_node = |path: &PathBuf| sysfs::name(path).is_some_and(|name| name.starts_with("renderD"));
    let refused = |path: PathBuf| {
        let opened = std::fs::File::options().read(true).write(true).open(&path);
        opened.is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied).then_some(path)
    };
    let path = entries(&dev.join("dri")).into_iter().filter(is_node).find_map(refused)?;
    let fix = "sudo usermod --append --groups render,video $USER, then log in again";
    Some(bad("rights", format!("{} may not be opened", path.display()), fix))
}

/// Only root may lock a clock.
fn root(proc: &Path) -> Option<Finding> {
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
fn battery(sys: &Path) -> Option<Finding> {
    let supplies = entries(&sys.join("class/power_supply"));
    let is = |path: &Path, kind: &str| read_text(&path.join("type")).is_some_and(|text| text == kind);
    let discharging = supplies.iter().any(|path| {
        is(path, "Battery")
            // The battery of a mouse says "Device" here.
            && read_text(&path.join("scope")).is_none_or(|scope| scope != "Device")
            && read_text(&path.join("status")).is_some_and(|status| status == "Discharging")
    });
    let plugged = supplies.iter().any(|path| is(path, "Mains") && read_number(&path.join("online")) == Some(1));
    (discharging && !plugged)
        .then(|| bad("battery", "this machine runs on its battery, and slows its GPU down", "plug in its power supply"))
}

#[cfg(all(test, unix))] // sysfs names hold colons
mod tests {
    use super::*;
    use crate::power::{nvml, rapl, rocm_smi};
    use crate::record::{Counter, PowerKind, Scope};

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    fn info(kind: AdapterType, vendor: &str, address: Option<&str>) -> AdapterInfo {
        AdapterInfo {
            driver: Some("driver 1.2".into()),
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new("card", vendor, kind, "vulkan")
        }
    }

    fn source(address: &str) -> Source {
        Source {
            api_version: Some("12.570".into()),
            pci_address: Some(address.parse().unwrap()),
            counter: Some(Counter { resolution_uj: None, wraps_at_uj: None }),
            power: Some(PowerKind::Instant),
            power_limit_w: Some(230.0),
            default_power_limit_w: Some(370.0),
            ..Source::new("NVML", "RTX", Scope::Board)
        }
    }

    #[test]
    fn a_machine_without_a_driver_is_told_how_to_get_one() {
        let nothing = Path::new("/nonexistent");
        let findings = drivers(&Err(AdapterError::None("Vulkan".into(), String::new())), nothing);
        assert_eq!((findings[0].state, findings[0].fix.as_deref()), (State::Bad, Some("sh setup.sh")));
        let software = drivers(&Ok(vec![info(AdapterType::Software, "Mesa", None)]), nothing);
        assert_eq!(software.iter().map(|finding| finding.state).collect::<Vec<_>>(), [State::Good, State::Bad]);
        let hidden = tree(&[
            ("bus/pci/devices/0000:05:00.0/class", "0x030200"),
            ("bus/pci/devices/0000:05:00.0/vendor", "0x10de"),
        ]);
        let findings = drivers(&Ok(vec![info(AdapterType::Discrete, "AMD", Some("0000:01:00.0"))]), hidden.path());
        assert_eq!(findings[1].text, "NVIDIA GPU at 0000:05:00.0 is not offered by Vulkan");
        assert!(findings[1].fix.as_ref().unwrap().contains("libnvidia-gl"));
    }

    #[test]
    fn only_interfaces_that_matter_here_are_missed() {
        let absent = || Err(PowerError::Absent { what: "NVML".into(), fix: "install it" });
        let card = |vendor| [info(AdapterType::Discrete, vendor, None)];
        assert_eq!(availability(&nvml::INTERFACE, &absent(), &card("AMD")), None);
        let missed = availability(&nvml::INTERFACE, &absent(), &card("NVIDIA")).unwrap();
        assert_eq!((missed.state, missed.text.as_str()), (State::Bad, "NVML is not here"));
        assert_eq!(missed.fix.as_deref(), Some("install it"));
        let refused = Err(PowerError::NoPermission { what: "RAPL".into(), fix: "sudo chmod" });
        assert_eq!(availability(&rapl::INTERFACE, &refused, &[]).unwrap().state, State::Note);
        let software = [info(AdapterType::Software, "Mesa", None)];
        assert_eq!(availability(&rapl::INTERFACE, &refused, &software).unwrap().state, State::Bad);
        let works = availability(&nvml::INTERFACE, &Ok(vec![source("0000:01:00.0")]), &[]).unwrap();
        assert_eq!(works.text, "nvml 12.570: RTX");
    }

    #[test]
    fn each_adapter_has_its_sensor_or_none() {
        let sources = [(&nvml::INTERFACE, source("0000:01:00.0"))];
        let with = sensor(&info(AdapterType::Discrete, "NVIDIA", Some("0000:01:00.0")), &sources);
        assert_eq!(
            (with.state, with.text.as_str()),
            (State::Good, "card is measured by nvml (energy counter and instant power)")
        );
        assert_eq!(sensor(&info(AdapterType::Discrete, "NVIDIA", Some("0000:02:00.0")), &sources).state, State::Bad);
        let shared = [(
            &rocm_smi::INTERFACE,
            Source { shared_with: vec!["0000:02:00.0".parse().unwrap()], ..source("0000:01:00.0") },
        )];
        let die = sensor(&info(AdapterType::Discrete, "AMD", Some("0000:01:00.0")), &shared);
        assert!(die.state == State::Note && die.text.contains("together with 0000:02:00.0"), "{die:?}");
    }

    #[test]
    fn a_lowered_limit_is_named_with_its_share() {
        let finding = power_limit(&nvml::INTERFACE, &source("0000:01:00.0")).unwrap();
        assert_eq!(finding.text, "RTX is limited to 230 W, 62 % of its 370 W");
        assert_eq!(finding.fix.as_deref(), Some("sudo nvidia-smi --power-limit=370"));
        let usual = Source { power_limit_w: Some(370.0), ..source("0000:01:00.0") };
        assert_eq!(power_limit(&nvml::INTERFACE, &usual), None);
        assert_eq!(power_limit(&nvml::INTERFACE, &Source { default_power_limit_w: None, ..usual }), None);
    }

    #[test]
    fn displays_and_batteries_are_found_in_sysfs() {
        let idle = tree(&[
            ("class/drm/card0-DP-1/status", "disconnected\n"),
            ("class/power_supply/AC/type", "Mains\n"),
            ("class/power_supply/AC/online", "1\n"),
            ("class/power_supply/BAT0/type", "Battery\n"),
            ("class/power_supply/BAT0/status", "Discharging\n"),
        ]);
        assert_eq!((displays(idle.path()), battery(idle.path())), (vec![], None));
        let busy = tree(&[
            ("class/drm/card0-DP-1/status", "connected\n"),
            ("class/drm/card0-HDMI-A-1/status", "connected\n"),
            ("class/power_supply/AC/type", "Mains\n"),
            ("class/power_supply/AC/online", "0\n"),
            ("class/power_supply/BAT0/type", "Battery\n"),
            ("class/power_supply/BAT0/status", "Discharging\n"),
        ]);
        assert_eq!(displays(busy.path()).len(), 1, "a card is named once");
        assert_eq!(battery(busy.path()).unwrap().fix.as_deref(), Some("plug in its power supply"));
        let mouse = tree(&[
            ("class/power_supply/mouse/type", "Battery\n"),
            ("class/power_supply/mouse/scope", "Device\n"),
            ("class/power_supply/mouse/status", "Discharging\n"),
        ]);
        assert_eq!(battery(mouse.path()), None);
        let nothing = Path::new("/nonexistent");
        assert_eq!(
            (displays(nothing), battery(nothing), render_nodes(nothing), root(nothing)),
            (vec![], None, None, None)
        );
    }

    #[test]
    fn rights_are_looked_at() {
        let user = tree(&[("self/status", "Name:\twattmul\nUid:\t1000\t1000\t1000\t1000\n")]);
        assert!(root(user.path()).unwrap().text.contains("--lock-clock"));
        let superuser = tree(&[("self/status", "Uid:\t1000\t0\t0\t0\n")]);
        assert_eq!(root(superuser.path()), None);
        let dev = tree(&[("dri/renderD128", ""), ("dri/card0", "")]);
        assert_eq!(render_nodes(dev.path()), None);
    }

    #[test]
    fn what_is_bad_comes_first() {
        let findings = [good("driver", "it works"), bad("battery", "it is empty", "plug in")];
        insta::assert_snapshot!(text(&findings), @r"
          BAD   battery   it is empty
                          fix: plug in
          good  driver    it works
          1 thing to fix
        ");
        assert!(text(&[]).contains("nothing stands in the way"));
    }
}
