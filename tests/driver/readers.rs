//! Readers run beside a measurement, a hundred times a second for minutes: they must neither grow nor dawdle.

#![cfg(target_os = "linux")]

use crate::allocator::ALLOCATIONS;
use crate::common;

use std::path::Path;
use std::process::Command;
use std::time::Instant;
use wattmul::power::reader::PowerReader;
use wattmul::power::{amd_smi, hwmon, nvml, rapl, rocm_smi};

/// Reads so often, and says how long the slowest hundredth took at least. The machine's load is in that figure: it is printed,
/// and held against a bound that only a broken reader misses.
fn watch(reader: &mut dyn PowerReader, reads: u32) {
    // Reads by the microseconds that they took; the last also counts the longer ones. A list of all would be growth.
    let mut took = vec![0u32; 50_001];
    reader.read().unwrap();
    let before = ALLOCATIONS.get();
    for _ in 0..reads {
        let begun = Instant::now();
        let reading = reader.read().unwrap();
        took[(begun.elapsed().as_micros() as usize).min(50_000)] += 1;
        assert!(reading.energy_uj.is_some() || reading.power_mw.is_some());
    }
    assert_eq!(ALLOCATIONS.get() - before, 0, "{} allocates", reader.source().api);
    let within_us = |share: f64| {
        let mut left = f64::from(reads) * share;
        took.iter().position(|&count| {
            left -= f64::from(count);
            left <= 0.0
        })
    };
    let (median, slow) = (within_us(0.5).unwrap(), within_us(0.99).unwrap());
    println!("{}: {reads} reads, median {median} µs, 99th percentile {slow} µs", reader.source().api);
    assert!(slow < 50_000, "{slow} µs");
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn hwmon_neither_grows_nor_dawdles() {
    let sys = tempfile::tempdir().unwrap();
    let folder = sys.path().join("devices/0000:03:00.0/hwmon/hwmon0");
    write(
        &folder,
        &[
            ("name", "amdgpu\n"),
            ("power1_average", "200000000\n"),
            ("temp1_input", "51000\n"),
            ("freq1_input", "1500000000\n"),
        ],
    );
    std::fs::create_dir_all(sys.path().join("class/hwmon")).unwrap();
    std::os::unix::fs::symlink(&folder, sys.path().join("class/hwmon/hwmon0")).unwrap();
    watch(hwmon::readers(sys.path()).unwrap()[0].as_mut(), 1_000_000);
}

#[test]
fn rapl_neither_grows_nor_dawdles() {
    let sys = tempfile::tempdir().unwrap();
    for package in ["intel-rapl:0", "intel-rapl:1"] {
        let files = [("name", "package-0\n"), ("energy_uj", "123456\n"), ("max_energy_range_uj", "262143328850\n")];
        write(&sys.path().join("class/powercap").join(package), &files);
    }
    watch(rapl::readers(sys.path()).unwrap()[0].as_mut(), 1_000_000);
}

#[test]
fn nvml_neither_grows_nor_dawdles() {
    const INSIDE: &str = "WATTMUL_TEST_INSIDE_NVML";
    if std::env::var_os(INSIDE).is_some() {
        for reader in &mut nvml::readers().unwrap() {
            watch(reader.as_mut(), 1_000_000);
        }
        return;
    }
    // The loader reads the path once, when a program starts.
    let library = common::fake_nvml();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "readers::nvml_neither_grows_nor_dawdles", "--nocapture"])
        .env("LD_LIBRARY_PATH", library.path())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter(|line| line.contains("NVML:")).for_each(|line| println!("{line}"));
    assert!(output.status.success(), "{output:?}");
}

/// Pages of memory that this process holds: C++ asks the heap past our counter.
fn resident_pages() -> Option<u64> {
    std::fs::read_to_string("/proc/self/statm").ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn rocm_smi_neither_grows_nor_dawdles() {
    const INSIDE: &str = "WATTMUL_TEST_INSIDE";
    const NAME: &str = "readers::rocm_smi_neither_grows_nor_dawdles";
    if std::env::var_os(INSIDE).is_some() {
        let mut readers = rocm_smi::readers().unwrap();
        watch(readers[0].as_mut(), 1000);
        let before = resident_pages();
        watch(readers[0].as_mut(), 1_000_000);
        let grown = resident_pages().zip(before).map(|(after, before)| after.saturating_sub(before));
        println!("ROCm SMI: {grown:?} pages more");
        assert!(grown.is_none_or(|pages| pages < 256), "{grown:?} pages");
        return;
    }
    if let Err(error) = rocm_smi::installed_version() {
        common::skip(&error.to_string());
        return;
    }
    let command = common::over_made_up_amdgpu(&["0000:03:00.0=200"]);
    run_inside(command, INSIDE, NAME, "ROCm SMI:");
}

/// Runs a test of this program once more, over what the command makes up, with a variable that says so; repeats what it says of this.
fn run_inside(mut command: Command, inside: &str, test: &str, of: &str) {
    let this = std::env::current_exe().unwrap();
    match command.arg(this).args(["--exact", test, "--nocapture"]).env(inside, "1").output() {
        Ok(output) if output.status.code() == Some(77) => {
            common::skip(&format!("{}", String::from_utf8_lossy(&output.stderr)));
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout);
            text.lines().filter(|line| line.contains(of)).for_each(|line| println!("{line}"));
            assert!(output.status.success(), "{output:?}");
        }
        Err(error) => common::skip(&format!("python3: {error}")),
    }
}

/// Each read asks another thread and waits for it: fewer do.
#[test]
fn amd_smi_neither_grows_nor_dawdles() {
    const INSIDE: &str = "WATTMUL_TEST_INSIDE_AMD_SMI";
    if std::env::var_os(INSIDE).is_some() {
        for reader in &mut amd_smi::readers().unwrap() {
            watch(reader.as_mut(), 100_000);
        }
        return;
    }
    let library = common::fake_amd_smi();
    let mut command = common::over_made_up_amdgpu(&["0000:03:00.0=200", "0000:83:00.0=40"]);
    command.env("LD_LIBRARY_PATH", library.path());
    run_inside(command, INSIDE, "readers::amd_smi_neither_grows_nor_dawdles", "AMD SMI:");
}
