//! One run at a time on an adapter: two would measure each other.

use std::path::Path;
use wattmul::host::claim::*;
use wattmul::record::{AdapterInfo, AdapterType};

fn adapter(name: &str, address: Option<&str>) -> AdapterInfo {
    AdapterInfo {
        pci_address: address.map(|address| address.parse().unwrap()),
        ..AdapterInfo::new(name, "NVIDIA", AdapterType::Discrete, "vulkan")
    }
}

#[test]
fn an_adapter_is_one_runs_at_a_time_and_another_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let claim = |adapter: &AdapterInfo, index| Claim::within(folder.path(), adapter, index);
    let (first, second) = (adapter("H100", Some("0000:01:00.0")), adapter("H100", Some("0000:81:00.0")));
    let held = claim(&first, 0).unwrap();
    let told = claim(&first, 1).unwrap_err().to_string();
    assert!(told.contains("H100") && told.contains("--adapter"), "{told}");
    let _neighbour = claim(&second, 1).unwrap();
    drop(held);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the neighbour's alone is left");
    let _again = claim(&first, 0).unwrap();
    let twin = adapter("Apple M2", None);
    let _first = claim(&twin, 0).unwrap();
    assert!(claim(&twin, 0).is_err());
    let _second = claim(&twin, 1).unwrap();
}

#[test]
fn where_no_file_can_be_a_run_is_not_kept_from_it() {
    let gpu = adapter("H100", Some("0000:01:00.0"));
    let _one = Claim::within(Path::new("/nonexistent"), &gpu, 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("wattmul-0000-01-00-0.lock")).unwrap();
    let _two = Claim::within(folder.path(), &gpu, 0).unwrap();
}

#[test]
#[cfg(unix)]
fn what_somebody_else_put_there_is_neither_waited_for_nor_changed() {
    let folder = tempfile::tempdir().unwrap();
    let gpu = adapter("H100", Some("0000:01:00.0"));
    let (path, other) = (folder.path().join("wattmul-0000-01-00-0.lock"), folder.path().join("other"));
    std::fs::write(&other, "theirs").unwrap();
    std::os::unix::fs::symlink(&other, &path).unwrap();
    let _over_a_link = Claim::within(folder.path(), &gpu, 0).unwrap();
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "theirs");
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let _over_a_pipe = Claim::within(folder.path(), &gpu, 0).unwrap();
}
