//! How long the processors worked for this process, by which stand-ins know of a load.

/// CPU seconds that this process has used, all threads.
#[cfg(unix)]
pub fn cpu_s() -> f64 {
    // SAFETY: rusage is plain C data, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The same on Windows.
#[cfg(windows)]
pub fn cpu_s() -> f64 {
    use std::ffi::{c_int, c_void};
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetCurrentProcess() -> *mut c_void;
        fn GetProcessTimes(
            process: *mut c_void,
            begun: *mut u64,
            ended: *mut u64,
            kernel: *mut u64,
            user: *mut u64,
        ) -> c_int;
    }
    let [mut begun, mut ended, mut kernel, mut user] = [0; 4];
    // SAFETY: the functions are Windows' own, and the pointers are to numbers of 64 bits, which are its FILETIMEs.
    unsafe { GetProcessTimes(GetCurrentProcess(), &mut begun, &mut ended, &mut kernel, &mut user) };
    (kernel + user) as f64 * 1e-7
}
