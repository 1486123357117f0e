//! Children that outlive what ends the program.

use std::process::Command;

/// Puts a child where what is meant for the program does not reach it: Ctrl-C, the end of its terminal, or what kills its whole
/// process group (`timeout -s KILL`). On Windows that is a console of its own, which nobody sees.
pub(crate) fn apart(command: &mut Command) -> &mut Command {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(windows)]
    {
        const CREATE_NO_WINDOW: u32 = 0x0800_0000;
        std::os::windows::process::CommandExt::creation_flags(command, CREATE_NO_WINDOW);
    }
    command
}
