//! AMD's real librocm_smi64, over a kernel that seems to have AMD GPUs (tests/fakes/simulated-amdgpu). Where a machine has
//! no such library, no python3 or no mount namespaces, a test says so and passes.

use crate::common;

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{PoisonError, RwLock};
use wattmul::power::rocm_smi::bindings;

/// A run whose times are looked at has the machine's cores for itself.
static CORES: RwLock<()> = RwLock::new(());

/// Runs a command line in which `wattmul` is the program, over these GPUs. None, with a word why, where that cannot be.
fn simulated(gpus: &[&str], command: &str) -> Option<Output> {
    let _shared = CORES.read().unwrap_or_else(PoisonError::into_inner);
    over(gpus, command)
}

fn over(gpus: &[&str], command: &str) -> Option<Output> {
    if !cfg!(target_os = "linux") {
        common::skip("ROCm SMI is for Linux");
        return None;
    }
    if let Err(error) = wattmul::power::rocm_smi::installed_version() {
        common::skip(&error.to_string());
        return None;
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_wattmul")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = common::over_made_up_amdgpu(gpus).args(["sh", "-c", command]).env("PATH", path).output();
    match output {
        Ok(output) if output.status.code() == Some(77) => {
            common::skip(&format!("{}", String::from_utf8_lossy(&output.stderr)));
            None
        }
        Ok(output) => Some(output),
        Err(error) => {
            common::skip(&format!("python3: {error}"));
            None
        }
    }
}

/// What the command printed as JSON. None where there is nothing to run it on.
fn json(gpus: &[&str], command: &str) -> Option<Value> {
    parsed(simulated(gpus, command)?)
}

fn json_alone(gpus: &[&str], command: &str) -> Option<Value> {
    let _alone = CORES.write().unwrap_or_else(PoisonError::into_inner);
    parsed(over(gpus, command)?)
}

fn parsed(output: Output) -> Option<Value> {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if error.contains("no Vulkan loader") || error.contains("offers no adapter") {
        common::skip(&error.to_string());
        return None;
    }
    Some(serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {output:?}")))
}

/// A run of some seconds, long enough for what it is to find.
const SHORT: &str = "--size 128 --window 1.5 --settling 0.1 --warm-up 0.5 --kernel direct/8x16 --no-save --json";

fn reasons(record: &Value) -> Vec<&str> {
    record["verdict"]["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[test]
fn devices_are_listed_with_their_watts() {
    let gpus = ["0000:03:00.0=200", "0000:83:00.0=40"];
    let Some(devices) = json(&gpus, "wattmul devices --json") else { return };
    let sensors = devices["sensors"].as_array().unwrap();
    for (api, counter) in [("ROCm SMI", true), ("hwmon", false)] {
        let of_api: Vec<&Value> = sensors.iter().filter(|sensor| sensor["api"] == api).collect();
        assert_eq!(of_api.len(), 2, "{devices:#}");
        for (sensor, (address, watts)) in of_api.iter().zip([("0000:03:00.0", 200.0), ("0000:83:00.0", 40.0)]) {
            assert_eq!(sensor["pci_address"], address);
            assert_eq!(sensor["power_w"], watts);
            assert_eq!(sensor["temperature_c"], 51.0);
            assert_eq!(sensor["clock_mhz"], 1500.0);
            assert_eq!(sensor["energy_j"].is_number(), counter);
        }
    }
}

/// One run in twenty lies outside of a 95 % interval: a second one decides.
#[test]
fn a_whole_run_reports_the_watts_that_are_drawn() {
    let run =
        "wattmul --power rocm-smi:0000:03:00.0 --quick --warm-up 4 --kernel direct/8x16 --size 256 --no-save --json";
    let holds_one = |record: &Value| {
        let ratio = &record["summary"]["ratios"]["gaussian"]["energy"];
        ratio["low"].as_f64().unwrap() <= 1.0 && 1.0 <= ratio["high"].as_f64().unwrap()
    };
    let gpus = ["0000:03:00.0=200", "0000:83:00.0=40"];
    let Some(mut record) = json_alone(&gpus, run) else { return };
    if !holds_one(&record) {
        record = json_alone(&gpus, run).unwrap();
    }
    assert!(holds_one(&record), "{:#}", record["summary"]);
    assert_eq!(record["summary"]["sensor"]["lead"], "counter");
    for init in ["zeros", "gaussian"] {
        let of_init = &record["summary"]["inits"][init];
        let [watts, joules, seconds] = ["power_w", "energy_j", "time_s"].map(|key| of_init[key].as_f64().unwrap());
        assert!((watts / 200.0 - 1.0).abs() < 0.01, "{init}: {watts} W");
        assert!((joules / (200.0 * seconds) - 1.0).abs() < 0.01, "{init}: {joules} J in {seconds} s");
    }
}

#[test]
fn a_narrow_counter_may_wrap() {
    let command = format!("wattmul --power rocm-smi {SHORT} --rounds 3");
    let Some(record) = json(&["0000:03:00.0=200:narrow"], &command) else { return };
    let wraps_at_uj = record["source"]["counter"]["wraps_at_uj"].as_f64().unwrap();
    assert!((wraps_at_uj * 1e-6 - 65_713.0).abs() < 1.0, "{wraps_at_uj}");
    let watts = record["summary"]["inits"]["gaussian"]["power_w"].as_f64().unwrap();
    assert!((watts / 200.0 - 1.0).abs() < 0.02, "{watts}");
}

#[test]
fn a_sensor_that_lies_is_found_out() {
    for (mode, code) in [("frozen", "counter-frozen"), ("back", "counter-stepped-back"), ("silent", "zero-power")] {
        let gpu = format!("0000:03:00.0=200:{mode}");
        let Some(record) = json(&[&gpu], &format!("wattmul --power rocm-smi --rounds 1 {SHORT}")) else { return };
        assert!(reasons(&record).contains(&code), "{mode}: {:#}", record["verdict"]);
        assert_ne!(record["verdict"]["status"], "valid");
    }
}

#[test]
fn a_device_that_goes_away_ends_no_run() {
    let command = format!("wattmul --power rocm-smi --rounds 1 {SHORT}");
    let Some(record) = json(&["0000:03:00.0=200:gone"], &command) else { return };
    assert!(record["run"]["failed_reads"].as_u64().unwrap() > 0);
    let why = record["run"]["last_failure"].as_str().unwrap();
    assert!(why.contains("ROCm SMI failed") && why.contains("reset the GPU"), "{why}");
    assert_ne!(record["verdict"]["status"], "valid");
}

#[test]
fn two_dies_with_one_counter_are_named() {
    let gpus = ["0000:03:00.0=200", "0000:83:00.0=200:twin"];
    let Some(record) = json(&gpus, &format!("wattmul --power rocm-smi:0 --rounds 1 {SHORT}")) else { return };
    assert_eq!(record["source"]["shared_with"], serde_json::json!(["0000:83:00.0"]));
    assert_eq!(record["source"]["scope"], "board");
    assert!(reasons(&record).contains(&"sensor-shared"), "{:#}", record["verdict"]);
}

/// Software adapters compute on the CPU: its own sensor is theirs without being named.
#[test]
fn a_software_adapter_is_measured_by_the_cpus_counter() {
    let Some(record) = json(&["cpu=50"], &format!("wattmul --rounds 3 {SHORT}")) else { return };
    if record["adapter"]["type"] != "software" {
        common::skip("the first adapter here is a GPU");
        return;
    }
    assert_eq!((&record["source"]["api"], &record["source"]["scope"]), (&"RAPL".into(), &"package".into()));
    let watts = record["summary"]["inits"]["gaussian"]["power_w"].as_f64().unwrap();
    assert!((watts / 50.0 - 1.0).abs() < 0.02, "{watts}, over a wrap: {:#}", record["verdict"]);
}

#[test]
fn a_locked_clock_is_free_again_however_the_run_ends() {
    let files = "/sys/class/made-up/*";
    for (how, signal) in [("the end", ""), ("SIGTERM", "TERM"), ("Ctrl-C", "INT"), ("SIGKILL, and its guard", "KILL")] {
        let command = format!(
            "level() {{ cat {files}/power_dpm_force_performance_level; echo; }}
             cat {files}/pp_od_clk_voltage
             wattmul --power rocm-smi --rounds 1 {SHORT} --lock-clock 1234 >/dev/null & run=$!
             for moment in $(seq 600); do [ \"$(level)\" != auto ] && break; sleep 0.05; done; level
             if [ -n '{signal}' ]; then kill -s {signal} $run; fi
             wait $run
             for moment in $(seq 100); do [ \"$(level)\" = auto ] && break; sleep 0.05; done; level
             cat {files}/pp_od_clk_voltage"
        );
        let Some(output) = simulated(&["0000:03:00.0=200"], &command) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Before, nothing was set; meanwhile the clock is held; at last the level is given back, and a setting was committed.
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words, ["perf_determinism", "auto", "c"], "{how}: {output:?}");
    }
}

#[test]
fn a_power_limit_is_what_it_was_however_the_run_ends() {
    // Neither the default nor a limit that is set.
    let before = "273000000";
    for (how, signal) in [("the end", ""), ("SIGTERM", "TERM"), ("Ctrl-C", "INT"), ("SIGKILL, and its guard", "KILL")] {
        let command = format!(
            "file=$(echo /sys/class/hwmon/hwmon*/power1_cap); cap() {{ cat $file; echo; }}
             printf {before} >$file
             wattmul sweep --power rocm-smi --rounds 1 {SHORT} --power-limits 150,200 >/dev/null & run=$!
             for moment in $(seq 600); do [ \"$(cap)\" != {before} ] && break; sleep 0.02; done; cap
             if [ -n '{signal}' ]; then kill -s {signal} $run; fi
             wait $run
             for moment in $(seq 100); do [ \"$(cap)\" = {before} ] && break; sleep 0.05; done; cap"
        );
        let Some(output) = simulated(&["0000:03:00.0=200"], &command) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["150000000", before], "{how}: {output:?}");
    }
    let refused = format!("wattmul sweep --power rocm-smi {SHORT} --power-limits 150,400");
    let Some(output) = simulated(&["0000:03:00.0=200"], &refused) else { return };
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("does not have 400, but 100 to 330 in steps of 1 W"), "{error}");
}

/// The lock that a dead program leaves makes every read of another thread hang, in libraries before ROCm 6.2.
#[test]
fn a_lock_that_was_left_behind_is_named_with_its_mend() {
    let clocks = "/sys/class/made-up/0000:03:00.0/pp_dpm_sclk";
    // Debian's library ends the program on a clock that it does not understand, in the middle of a read.
    let command = format!(
        "ulimit -c 0; cp {clocks} /dev/shm/kept; echo nonsense >{clocks}; wattmul devices >/dev/null 2>&1 && exit 77; \
         cp /dev/shm/kept {clocks}; wattmul devices"
    );
    let Some(output) = simulated(&["0000:03:00.0=200"], &command) else { return };
    let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let read = text.contains("rocm-smi:0 ROCm SMI · AMD GPU 0 · gpu · 0000:03:00.0 200.0 W");
    assert!(read || text.contains("sudo rm /dev/shm/rocm_smi_card*"), "{text}");
    assert!(text.contains("hwmon · AMD GPU (amdgpu) · gpu · 0000:03:00.0 200.0 W"), "hwmon needs no lock: {text}");
}

/// Sizes and offsets as a C compiler finds them in the vendor's own header.
#[test]
fn structs_lie_in_memory_as_the_vendors_header_says() {
    use std::mem::offset_of;
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("layout.c"), folder.path().join("layout"));
    let c = r#"
        #include <stddef.h>
        #include <stdint.h>
        #include <stdbool.h>
        #include <stdio.h>
        #include <rocm_smi/rocm_smi.h>
        #define AT(type, field) printf("%s.%s %zu\n", #type, #field, offsetof(type, field))
        int main(void) {
            printf("status %zu\n", sizeof(rsmi_status_t));
            printf("version %zu\n", sizeof(rsmi_version_t));
            printf("count %d\n", RSMI_MAX_NUM_FREQUENCIES);
            printf("frequencies %zu\n", sizeof(rsmi_frequencies_t));
            AT(rsmi_frequencies_t, num_supported);
            AT(rsmi_frequencies_t, current);
            AT(rsmi_frequencies_t, frequency);
            printf("metrics %zu\n", sizeof(rsmi_gpu_metrics_t));
            AT(rsmi_gpu_metrics_t, energy_accumulator);
            AT(rsmi_gpu_metrics_t, throttle_status);
            AT(rsmi_gpu_metrics_t, temperature_hbm);
            printf("permission %d\n", RSMI_STATUS_PERMISSION);
            printf("unsupported %d\n", RSMI_STATUS_NOT_SUPPORTED);
            printf("init %d\n", RSMI_STATUS_INIT_ERROR);
            printf("busy %d\n", RSMI_STATUS_BUSY);
            printf("junction %d\n", RSMI_TEMP_TYPE_JUNCTION);
            return 0;
        }"#;
    std::fs::write(&source, c).unwrap();
    match Command::new("cc").arg(&source).arg("-o").arg(&program).output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            common::skip(&format!("no rocm_smi/rocm_smi.h here: {}", String::from_utf8_lossy(&output.stderr)));
            return;
        }
        Err(error) => {
            common::skip(&format!("cc: {error}"));
            return;
        }
    }
    let output = Command::new(&program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let figure = |name: &str| -> usize {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
    };
    assert_eq!(figure("status"), size_of::<bindings::rsmi_status_t>());
    assert_eq!(figure("version"), size_of::<bindings::rsmi_version_t>());
    for (name, code) in [
        ("permission", bindings::RSMI_STATUS_PERMISSION),
        ("unsupported", bindings::RSMI_STATUS_NOT_SUPPORTED),
        ("init", bindings::RSMI_STATUS_INIT_ERROR),
        ("busy", bindings::RSMI_STATUS_BUSY),
        ("junction", bindings::RSMI_TEMP_TYPE_JUNCTION),
    ] {
        assert_eq!(figure(name), code as usize, "{name}");
    }
    // The header is that of one release: the layout is one of the two.
    type Before = bindings::rsmi_frequencies_5_t;
    type Since = bindings::rsmi_frequencies_6_t;
    let ours = match figure("count") as u32 {
        bindings::RSMI_MAX_FREQUENCIES_5 => [
            size_of::<Before>(),
            offset_of!(Before, num_supported),
            offset_of!(Before, current),
            offset_of!(Before, frequency),
        ],
        bindings::RSMI_MAX_FREQUENCIES_6 => [
            size_of::<Since>(),
            offset_of!(Since, num_supported),
            offset_of!(Since, current),
            offset_of!(Since, frequency),
        ],
        count => panic!("a third layout, of {count} frequencies"),
    };
    let theirs = [
        "frequencies",
        "rsmi_frequencies_t.num_supported",
        "rsmi_frequencies_t.current",
        "rsmi_frequencies_t.frequency",
    ];
    assert_eq!(ours, theirs.map(figure));
    type Metrics = bindings::rsmi_gpu_metrics_start_t;
    assert_eq!(figure("rsmi_gpu_metrics_t.energy_accumulator"), offset_of!(Metrics, energy_accumulator));
    assert_eq!(figure("rsmi_gpu_metrics_t.throttle_status"), offset_of!(Metrics, throttle_status));
    assert_eq!(figure("rsmi_gpu_metrics_t.temperature_hbm"), offset_of!(Metrics, temperature_hbm));
    assert!(figure("metrics") <= size_of::<Metrics>(), "the library's struct fits in ours");
}
