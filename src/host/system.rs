//! The operating system for which the program was built, and what is said on which: a command that fixes something must exist
//! where it is printed.

/// What to say on each operating system. One on which it is never said has [`NEVER`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    pub linux: &'static str,
    pub macos: &'static str,
    pub windows: &'static str,
}

/// Said nowhere: a base for `Words { linux: …, ..NEVER }`.
pub(crate) const NEVER: Words = Words { linux: "", macos: "", windows: "" };

impl Words {
    /// Those of this system.
    pub const fn here(self) -> &'static str {
        if cfg!(windows) {
            self.windows
        } else if cfg!(target_os = "macos") {
            self.macos
        } else {
            self.linux
        }
    }
}

/// Was the program linked whole, as musl's target does it? Such a program can open no library: no driver, and no sensor's.
pub(crate) const IS_STATIC: bool = cfg!(all(target_env = "musl", target_feature = "crt-static"));

/// Put before a command that the administrator alone may run.
pub(crate) const AS_ROOT: &str =
    Words { linux: "sudo ", macos: "sudo ", windows: "in a console of the administrator: " }.here();
