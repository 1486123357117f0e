//! `wattmul doctor`: what this machine lacks for a run that can be believed, and the command that fixes it.
//!
//! Each probe takes the root of what it looks at, and says one thing.

use crate::cli::DoctorArgs;
use crate::gpu::adapter;
use crate::gpu::adapter::{AdapterError, Backend};
use crate::host::finding::{Finding, State, bad, good, note};
use crate::host::probes;
use crate::host::sysfs::SYS;
use crate::host::system::Words;
use crate::host::unseen::unseen_gpus;
use crate::power::INTERFACES;
use crate::power::reader::{Interface, PowerReader, Serves};
use crate::protocol::PowerError;
use crate::record::text::printable;
use crate::record::{AdapterInfo, AdapterType, PciAddress, Source};
use crate::report::wrap::wrapped;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// What a script learns of things to fix: the number with which a run ends that is not valid.
const THINGS_TO_FIX: u8 = 3;

/// Looks at this machine and says what it found. Ends with 3 where there is something to fix.
///
/// # Errors
/// Standard output is closed.
pub fn doctor(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let findings = merged(examine(args.backend));
    let shown = if args.json { json(&findings) } else { text(&findings) };
    write!(std::io::stdout().lock(), "{shown}")?;
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    Ok(if bad { ExitCode::from(THINGS_TO_FIX) } else { ExitCode::SUCCESS })
}

/// Looks at this machine.
pub(crate) fn examine(backend: Backend) -> Vec<Finding> {
    let sys = Path::new(SYS);
    let adapters = adapter::list(backend).map(|adapters| adapters.into_iter().map(|adapter| adapter.info).collect());
    let mut findings = drivers(&adapters, sys);
    let infos: &[AdapterInfo] = adapters.as_deref().unwrap_or(&[]);

    // An adapter that no driver offers has a sensor all the same.
    let unseen = unseen_gpus(sys, &[]).into_iter().map(|gpu| {
        let info = AdapterInfo::new("", gpu.vendor, AdapterType::Discrete, "");
        AdapterInfo { pci_address: Some(gpu.address), ..info }
    });
    findings.extend(adapter::hidden(backend).iter().map(|info| hidden(info, infos)));
    let mut unmeasured: Vec<AdapterInfo> = infos.iter().cloned().chain(unseen).collect();
    let mut sources: Vec<(&Interface, Source)> = vec![];
    let mut outcomes: Vec<Result<Vec<Source>, PowerError>> = vec![];
    let mut silent = vec![];
    for interface in INTERFACES {
        let outcome = (interface.readers)().map(|mut readers| {
            silent.extend(readers.iter_mut().filter_map(silence));
            readers.iter().map(|reader| reader.source().clone()).collect::<Vec<_>>()
        });
        sources.extend(outcome.iter().flatten().map(|source| (*interface, source.clone())));
        outcomes.push(outcome);
    }
    unmeasured.retain(|info| measured_by(info, &sources).is_none());
    let availabilities = INTERFACES.iter().zip(&outcomes);
    findings.extend(availabilities.filter_map(|(interface, outcome)| availability(interface, outcome, &unmeasured)));
    findings.extend(silent);
    findings.extend(infos.iter().map(|info| sensor(info, &sources)));
    findings.extend(first_of_each(&sources).filter_map(|(interface, source)| power_limit(interface, source)));
    findings.extend(INTERFACES.iter().flat_map(|interface| (interface.examine)()));
    findings.extend(probes::displays(sys));
    findings.extend(probes::render_nodes(Path::new("/dev"), Path::new("/etc/group")));
    findings.extend(probes::root(Path::new("/proc")));
    findings.extend(probes::battery(sys));
    findings.extend(probes::sleeping(sys));
    findings
}

/// Equal findings are told once, with their number; those that differ in a PCI address alone, once with all addresses. A machine
/// of eight GPUs has each fault eight times.
fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    struct Group {
        first: Finding,
        count: usize,
        addresses: Vec<String>,
    }
    const HERE: char = '\0';
    let mut groups: Vec<(Finding, Group)> = vec![];
    for finding in findings {
        let (text, mut addresses) = addressless(&finding.text, HERE);
        let fix = finding.fix.as_deref().map(|fix| addressless(fix, HERE).0);
        let (text, fix) = match addresses.len() {
            0 | 1 => (text, fix),
            _ => (finding.text.clone(), finding.fix.clone()),
        };
        let pattern = Finding { text, fix, ..finding.clone() };
        match groups.iter_mut().find(|(other, _)| *other == pattern) {
            Some((_, group)) => {
                group.count += 1;
                group.addresses.append(&mut addresses);
            }
            None => groups.push((pattern, Group { first: finding, count: 1, addresses })),
        }
    }
    let told = |(pattern, Group { first, count, addresses }): (Finding, Group)| {
        if count == 1 {
            return first;
        }
        let text = match pattern.text.contains(HERE) {
            true => pattern.text.replace(HERE, &addresses.join(", ")),
            false => format!("{} ({count} times)", first.text),
        };
        let likewise = pattern.fix.is_some_and(|fix| fix.contains(HERE));
        let fix = first.fix.map(|fix| if likewise { format!("{fix} (and likewise for the others)") } else { fix });
        Finding { text, fix, ..first }
    };
    groups.into_iter().map(told).collect()
}

/// The text with a mark for each PCI address, and the addresses.
fn addressless(text: &str, mark: char) -> (String, Vec<String>) {
    const LENGTH: usize = "0000:01:00.0".len();
    let (mut rest, mut without, mut addresses) = (text, String::new(), vec![]);
    while let Some(letter) = rest.chars().next() {
        match rest.get(..LENGTH).filter(|part| part.parse::<PciAddress>().is_ok_and(|at| at.to_string() == **part)) {
            Some(address) => {
                addresses.push(address.to_owned());
                without.push(mark);
                rest = &rest[LENGTH..];
            }
            None => {
                without.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    (without, addresses)
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

/// For programs: every finding, and how many are to be fixed.
fn json(findings: &[Finding]) -> String {
    let to_fix = findings.iter().filter(|finding| finding.state == State::Bad).count();
    let json = serde_json::json!({ "findings": findings, "to_fix": to_fix });
    format!("{json:#}\n")
}

/// Loader and drivers: the adapters, and GPUs that no driver offers.
fn drivers(adapters: &Result<Vec<AdapterInfo>, AdapterError>, sys: &Path) -> Vec<Finding> {
    let infos: &[AdapterInfo] = adapters.as_deref().unwrap_or_default();
    let seen: Vec<PciAddress> = infos.iter().filter_map(|info| info.pci_address).collect();
    let unseen = unseen_gpus(sys, &seen);
    let unseen = unseen.iter().map(|gpu| bad("driver", gpu.wrong(), gpu.fix.as_str()));
    match adapters {
        Ok(_) => {}
        // What is missing of a GPU that is here says more than that there is no adapter.
        Err(AdapterError::None { .. }) if unseen.len() > 0 => return unseen.collect(),
        Err(error) => {
            let (wrong, fix) = error.parts();
            return [bad("driver", wrong, fix)].into_iter().chain(unseen).collect();
        }
    }
    let of_adapter = |info: &AdapterInfo| {
        let driver = info.driver.as_deref().unwrap_or("driver n/a (the backend does not tell)");
        good("driver", format!("{} · {} · {driver}", info.name, info.backend_title()))
    };
    let mut findings: Vec<Finding> = infos.iter().map(of_adapter).collect();
    if infos.iter().all(|info| info.kind == AdapterType::Software) {
        findings.push(bad("driver", "only software adapters: a run measures the CPU", adapter::DRIVER_FIX));
    }
    findings.extend(unseen);
    findings
}

/// A driver that is here, and that wgpu does not show without being asked.
fn hidden(info: &AdapterInfo, offered: &[AdapterInfo]) -> Finding {
    let needed = offered.iter().all(|other| other.kind == AdapterType::Software);
    let state = if needed { State::Bad } else { State::Note };
    Finding { state, ..note("driver", adapter::is_hidden(info), adapter::SHOW_NONCONFORMANT) }
}

/// Why a sensor that is here gives nothing.
fn silence(reader: &mut Box<dyn PowerReader>) -> Option<Finding> {
    if reader.source().gives_something() {
        return None;
    }
    let (wrong, fix) = reader.read().err()?.parts();
    Some(note("sensor", wrong, fix))
}

/// A sensor library or kernel interface, where something here could be read through it. One that is not here is missed where an
/// adapter that it serves has no other sensor.
fn availability(
    interface: &Interface,
    outcome: &Result<Vec<Source>, PowerError>,
    unmeasured: &[AdapterInfo],
) -> Option<Finding> {
    let wanted = unmeasured.iter().any(|info| interface.serves(info) == Serves::Yes);
    match outcome {
        Ok(sources) => {
            let version = sources.iter().find_map(|source| source.api_version.clone());
            let version = version.map(|version| format!(" {version}")).unwrap_or_default();
            let mut devices: Vec<(&str, usize)> = vec![];
            for source in sources {
                match devices.iter_mut().find(|(device, _)| *device == source.device) {
                    Some((_, count)) => *count += 1,
                    None => devices.push((&source.device, 1)),
                }
            }
            let told = |(device, count): &(&str, usize)| match count {
                1 => (*device).to_owned(),
                _ => format!("{count} × {device}"),
            };
            let devices: Vec<String> = devices.iter().map(told).collect();
            Some(good("sensor", format!("{}{version}: {}", interface.name, devices.join(", "))))
        }
        Err(PowerError::Absent { .. }) if !wanted => None,
        Err(error) => {
            let (text, fix) = error.parts();
            Some(if wanted { bad("sensor", text, fix) } else { note("sensor", text, fix) })
        }
    }
}

/// The sensor that a run on this adapter would take.
fn measured_by<'a>(info: &AdapterInfo, sources: &'a [(&Interface, Source)]) -> Option<&'a (&'a Interface, Source)> {
    sources.iter().find(|(interface, source)| (interface.belongs)(source, info) && source.gives_something())
}

/// Of the sensors at one PCI address, the first: a card that several interfaces show has one limit.
fn first_of_each<'a>(sources: &'a [(&Interface, Source)]) -> impl Iterator<Item = &'a (&'a Interface, Source)> {
    let shown = |index: usize, address| sources[..index].iter().any(|(_, other)| other.pci_address == address);
    let all = sources.iter().enumerate();
    all.filter(move |(index, (_, source))| source.pci_address.is_none() || !shown(*index, source.pci_address))
        .map(|(_, sensor)| sensor)
}

/// What measures this adapter.
fn sensor(info: &AdapterInfo, sources: &[(&Interface, Source)]) -> Finding {
    match measured_by(info, sources) {
        Some((interface, source)) if source.shared_with.is_empty() => {
            good("sensor", format!("{} is measured by {} ({})", info.name, interface.name, source.kind()))
        }
        Some((interface, source)) if source.pci_address.is_some_and(|own| source.shared_with == [own]) => {
            let text = format!("{} measures all slices of {} together", interface.name, info.name);
            const UNDIVIDED: &str = Words {
                linux: "keep the other slices idle, or undivide the GPU: sudo nvidia-smi --multi-instance-gpu=0",
                windows: "keep the other slices idle",
                macos: "keep the other slices idle",
            }
            .here();
            note("sensor", text, UNDIVIDED)
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
        return Some(good("limit", format!("{} may draw its {usual:.0} W", source.device)));
    }
    let text =
        format!("{} is limited to {limit:.0} W, {:.0} % of its {usual:.0} W", source.device, 100.0 * limit / usual);
    Some(note("limit", text, interface.restore_limit?(source, usual)))
}

#[cfg(all(test, unix))] // sysfs names hold colons
mod tests {
    use super::*;
    use crate::host::probes::tests::tree;
    use crate::power::{nvml, rapl, rocm_smi};
    use crate::record::{Counter, PowerKind, Scope};

    fn info(kind: AdapterType, vendor: &str, address: Option<&str>) -> AdapterInfo {
        AdapterInfo {
            driver: Some("driver 1.2".into()),
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new("card", vendor, kind, "vulkan")
        }
    }

    fn no_adapter() -> AdapterError {
        AdapterError::None { backend: "Vulkan".into(), missing: vec![] }
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
        let findings = drivers(&Err(no_adapter()), nothing);
        assert_eq!((findings[0].state, findings[0].fix.as_deref()), (State::Bad, Some(adapter::DRIVER_FIX)));
        let findings = drivers(&Err(AdapterError::NoLoader("libvulkan.so.1")), nothing);
        assert_eq!(findings[0].text, "no Vulkan loader here (libvulkan.so.1 does not load)");
        let software = drivers(&Ok(vec![info(AdapterType::Software, "Mesa", None)]), nothing);
        assert_eq!(software.iter().map(|finding| finding.state).collect::<Vec<_>>(), [State::Good, State::Bad]);
        let hidden = tree(&[
            ("sys/bus/pci/devices/0000:05:00.0/class", "0x030200"),
            ("sys/bus/pci/devices/0000:05:00.0/vendor", "0x10de"),
        ]);
        let sys = hidden.path().join("sys");
        let findings = drivers(&Ok(vec![info(AdapterType::Discrete, "AMD", Some("0000:01:00.0"))]), &sys);
        let says = "NVIDIA GPU at 0000:05:00.0 is not offered by Vulkan: NVIDIA's kernel driver is not loaded";
        assert_eq!(findings[1].text, says);
        assert!(findings[1].fix.as_ref().unwrap().contains("sudo modprobe nvidia"));
        let alone = drivers(&Err(no_adapter()), &sys);
        assert_eq!((alone.len(), alone[0].text.as_str()), (1, says), "what is missing, and no advice besides");
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
        let whole = power_limit(&nvml::INTERFACE, &usual).unwrap();
        assert_eq!((whole.state, whole.text.as_str()), (State::Good, "RTX may draw its 370 W"));
        assert_eq!(power_limit(&nvml::INTERFACE, &Source { default_power_limit_w: None, ..usual }), None);
    }

    #[test]
    fn a_fault_of_eight_gpus_is_told_once() {
        let drivers = (1..=8).map(|_| note("driver", "H100 is not in persistence mode", "sudo nvidia-smi"));
        let unseen =
            (1..=2).map(|bus| bad("driver", format!("a GPU at 0000:{bus:02x}:00.0 is not offered"), "install it"));
        let limits =
            (1..=2).map(|bus| note("limit", "card is limited", format!("tee /sys/0000:{bus:02x}:00.0/power1_cap")));
        let others = [bad("driver", "a GPU at 0000:03:00.0 is not offered", "another fix"), good("sensor", "works")];
        let told: Vec<(String, Option<String>)> = merged(drivers.chain(unseen).chain(limits).chain(others).collect())
            .into_iter()
            .map(|f| (f.text, f.fix))
            .collect();
        let text = |text: &str| text.to_owned();
        let expected = [
            (text("H100 is not in persistence mode (8 times)"), Some(text("sudo nvidia-smi"))),
            (text("a GPU at 0000:01:00.0, 0000:02:00.0 is not offered"), Some(text("install it"))),
            (
                text("card is limited (2 times)"),
                Some(text("tee /sys/0000:01:00.0/power1_cap (and likewise for the others)")),
            ),
            (text("a GPU at 0000:03:00.0 is not offered"), Some(text("another fix"))),
            (text("works"), None),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            addressless("é 0000:81:00.0, 0000:81:00.9", '*'),
            (text("é *, 0000:81:00.9"), vec![text("0000:81:00.0")])
        );
        let eight = vec![source("0000:01:00.0"); 8];
        assert_eq!(availability(&nvml::INTERFACE, &Ok(eight), &[]).unwrap().text, "nvml 12.570: 8 × RTX");
    }

    #[test]
    fn slices_of_one_gpu_and_hidden_drivers_are_told() {
        let divided = [(
            &nvml::INTERFACE,
            Source { shared_with: vec!["0000:01:00.0".parse().unwrap()], ..source("0000:01:00.0") },
        )];
        let card = info(AdapterType::Discrete, "NVIDIA", Some("0000:01:00.0"));
        let told = sensor(&card, &divided);
        assert!(told.state == State::Note && told.text.contains("all slices of card together"), "{told:?}");
        let software = [info(AdapterType::Software, "Mesa", None)];
        let only = hidden(&card, &software);
        assert!(only.state == State::Bad && only.fix.unwrap().contains("NONCOMPLIANT_ADAPTER=1"));
        assert_eq!(hidden(&card, std::slice::from_ref(&card)).state, State::Note);
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
        let told: serde_json::Value = serde_json::from_str(&json(&findings)).unwrap();
        let expected = serde_json::json!({
            "findings": [
                { "state": "good", "subject": "driver", "text": "it works", "fix": null },
                { "state": "bad", "subject": "battery", "text": "it is empty", "fix": "plug in" },
            ],
            "to_fix": 1,
        });
        assert_eq!(told, expected);
    }
}
