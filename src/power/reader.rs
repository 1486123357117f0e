//! A sensor of one device, and all that is known of an interface to such sensors.

use super::guard::Change;
use super::hold::Hold;
use crate::host::finding::Finding;
use crate::host::memory::Memory;
use crate::host::visible::ListedGpu;
use crate::protocol::{PowerError, Reading};
use crate::record::{AdapterInfo, PciAddress, Source};
use std::fmt;

/// Reads one sensor of one device. All reads come from one thread: some libraries cannot do otherwise.
pub trait PowerReader: Send {
    /// What is read, and how.
    fn source(&self) -> &Source;

    /// What the sensor says now. Allocates nothing: it is called a hundred times a second during the measurement.
    ///
    /// # Errors
    /// The sensor said nothing at all. A single field that it does not give is None in a reading that succeeds.
    fn read(&mut self) -> Result<Reading, PowerError>;

    /// The core clocks in MHz at which the device can be held.
    ///
    /// # Errors
    /// Many sensors have no such list.
    fn supported_clocks(&self) -> Result<Vec<u32>, PowerError> {
        Err(PowerError::Unsupported {
            what: format!("listing the clocks of {} through {}", self.source().device, self.source().api),
            fix: "name them, such as --clocks 600,900,1200",
        })
    }

    /// Holds the device's core clock at `mhz` until the hold is dropped.
    ///
    /// # Errors
    /// Most drivers ask for root; many sensors have no such control.
    fn lock_clock(&mut self, mhz: u32) -> Result<Hold, PowerError> {
        let _ = mhz;
        Err(PowerError::Unsupported {
            what: format!("locking the clock through {}", self.source().api),
            fix: "leave out --lock-clock, or set the clock with the vendor's tool",
        })
    }

    /// Frees the device's core clock, whoever locked it.
    ///
    /// # Errors
    /// As [`PowerReader::lock_clock`].
    fn free_clock(&mut self) -> Result<(), PowerError> {
        Err(PowerError::Unsupported {
            what: format!("freeing the clock through {}", self.source().api),
            fix: "free it with the vendor's tool",
        })
    }

    /// The power limits in watts that the device takes.
    ///
    /// # Errors
    /// Many sensors know none.
    fn supported_power_limits(&self) -> Result<Vec<u32>, PowerError> {
        Err(PowerError::Unsupported {
            what: format!(
                "reading the range of power limits of {} through {}",
                self.source().device,
                self.source().api
            ),
            fix: "name them, such as --power-limits 200,250,300",
        })
    }

    /// Limits the device's power to so many watts until the hold is dropped; the limit is then what it was before.
    ///
    /// # Errors
    /// Most drivers ask for root; many sensors have no such control.
    fn limit_power(&mut self, watts: u32) -> Result<Hold, PowerError> {
        let _ = watts;
        Err(PowerError::Unsupported {
            what: format!("setting a power limit through {}", self.source().api),
            fix: "leave out --power-limit, or set it with the vendor's tool",
        })
    }

    /// Sets the device's power limit, whatever it is.
    ///
    /// # Errors
    /// As [`PowerReader::limit_power`].
    fn set_power_limit(&mut self, milliwatts: u64) -> Result<(), PowerError> {
        let _ = milliwatts;
        Err(PowerError::Unsupported {
            what: format!("setting a power limit through {}", self.source().api),
            fix: "set it with the vendor's tool",
        })
    }

    /// Undoes what a run changed.
    ///
    /// # Errors
    /// As [`PowerReader::free_clock`] and [`PowerReader::set_power_limit`].
    fn undo(&mut self, change: Change) -> Result<(), PowerError> {
        match change {
            Change::Clock => self.free_clock(),
            Change::PowerLimit { before_mw } => self.set_power_limit(before_mw),
        }
    }
}

/// A device that measures nothing now, such as a GPU that fell off the bus. It keeps its place in the list, so that the indices
/// of the others stay, and says at each read why it is silent.
pub(crate) struct Silent {
    source: Source,
    why: PowerError,
}

impl Silent {
    /// Of `source`, which gives neither power nor energy, and why.
    pub fn new(source: Source, why: PowerError) -> Self {
        Silent { source: Source { power: None, counter: None, ..source }, why }
    }
}

impl PowerReader for Silent {
    fn source(&self) -> &Source {
        &self.source
    }

    fn read(&mut self) -> Result<Reading, PowerError> {
        Err(self.why.clone())
    }
}

/// Lists a vendor's GPUs, or says why there are none.
pub type Counts = fn() -> Result<Vec<ListedGpu>, String>;

/// What reads every device that an interface shows, or why none can be read.
pub type Readers = Result<Vec<Box<dyn PowerReader>>, PowerError>;

/// All that the program knows of one interface to sensors. Its file exports one as `INTERFACE`.
#[derive(Clone, Copy)]
pub struct Interface {
    /// The name on the command line: `--power NAME`.
    pub name: &'static str,
    /// A reader for every device that the interface shows.
    pub readers: fn() -> Readers,
    /// Can it have a sensor for such an adapter?
    pub serves: fn(&AdapterInfo) -> Serves,
    /// Does this sensor measure this adapter?
    pub belongs: fn(&Source, &AdapterInfo) -> bool,
    /// What spoils a run on its devices, for `wattmul doctor`.
    pub examine: fn() -> Vec<Finding>,
    /// The memory of the GPU at this address, where the interface tells.
    pub memory: fn(PciAddress) -> Option<Memory>,
    /// The command that sets a device's power limit back to so many watts.
    pub restore_limit: Option<fn(&Source, f64) -> String>,
    /// A vendor, and its GPUs in the order in which its runtime counts them: schedulers name GPUs by these numbers.
    pub counts: Option<(&'static str, Counts)>,
    /// Is it one of this operating system?
    pub here: bool,
}

/// How an interface can serve an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serves {
    /// Not at all.
    No,
    /// Where no other does: it measures more than the adapter.
    AsLastResort,
    /// It is made for such adapters.
    Yes,
}

impl Serves {
    /// [`Serves::Yes`] where the condition holds.
    pub fn when(holds: bool) -> Self {
        if holds { Serves::Yes } else { Serves::No }
    }
}

impl Interface {
    /// An interface that serves no adapter by itself, and whose sensors belong to the adapter at their PCI address: a base for
    /// `Interface { serves: …, ..Interface::new(name, readers) }`.
    pub const fn new(name: &'static str, readers: fn() -> Readers) -> Self {
        Interface {
            name,
            readers,
            serves: |_| Serves::No,
            belongs: |source, adapter| adapter.pci_address.is_some() && source.pci_address == adapter.pci_address,
            examine: Vec::new,
            memory: |_| None,
            restore_limit: None,
            counts: None,
            here: true,
        }
    }

    /// The same of an interface that Linux alone has: elsewhere it serves nothing, and says so where it is named.
    pub const fn on_linux(name: &'static str, readers: fn() -> Readers) -> Self {
        const ELSEWHERE: fn() -> Readers =
            || Err(not_here("Linux alone has it; `wattmul devices` lists the sensors that are here"));
        Interface::new(name, readers).where_it_is(cfg!(target_os = "linux"), ELSEWHERE)
    }

    /// The same of one that Windows alone has.
    pub const fn on_windows(name: &'static str, readers: fn() -> Readers) -> Self {
        const ELSEWHERE: fn() -> Readers =
            || Err(not_here("Windows alone has it; `wattmul devices` lists the sensors that are here"));
        Interface::new(name, readers).where_it_is(cfg!(windows), ELSEWHERE)
    }

    const fn where_it_is(self, here: bool, elsewhere: fn() -> Readers) -> Self {
        Interface { here, readers: if here { self.readers } else { elsewhere }, ..self }
    }

    /// How it can serve an adapter on this system.
    pub fn serves(&self, adapter: &AdapterInfo) -> Serves {
        if self.here { (self.serves)(adapter) } else { Serves::No }
    }
}

fn not_here(fix: &'static str) -> PowerError {
    PowerError::Absent { what: "this interface to sensors".into(), fix }
}

impl PartialEq for Interface {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Interface {}

impl fmt::Debug for Interface {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}
