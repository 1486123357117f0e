//! What benches share.
#![allow(dead_code, reason = "each bench takes what it needs")]

/// Prints the most memory that this process ever held, where the operating system tells.
pub fn print_peak_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok()) {
        Some(kib) => println!("peak memory of the whole process: {} MiB", kib.div_ceil(1024)),
        None => println!("peak memory: skipped: no /proc/self/status here"),
    }
}
