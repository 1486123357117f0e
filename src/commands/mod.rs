//! One file a command. Nobody imports them but the program itself.
//!
//! [`run`] measures, and [`save`] keeps what it measured; [`report`], [`compare`], [`predict`] and [`validate`] read records; [`devices`] and
//! [`doctor`] look at the machine; [`kernel`] shows the shaders; [`shell`] helps a shell; [`guard`] waits for the end of a run that
//! locked a clock.

pub mod compare;
pub mod devices;
pub mod doctor;
pub mod guard;
pub mod kernel;
pub mod predict;
pub mod report;
pub mod run;
mod save;
pub mod shell;
pub mod validate;
