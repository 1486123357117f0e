//! Adapters: which there are, which one is meant, and how its device is opened.

use super::matrix_units::MatrixUnits;
use crate::host::memory::{self, Memory};
use crate::host::sysfs::SYS;
use crate::host::system::{IS_STATIC, Words};
use crate::host::unseen::unseen_gpus;
use crate::operands::Dtype;
use crate::protocol::GpuError;
use crate::record::pci::vendor_name;
use crate::record::text::printable;
use crate::record::{AdapterInfo, AdapterType, PciAddress, Units};
use std::path::Path;
use std::sync::{Arc, Mutex};
use thiserror::Error;

/// The graphics interface through which the adapter is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// Metal on macOS, Vulkan elsewhere
    Auto,
    Vulkan,
    Metal,
    Dx12,
}

impl Backend {
    fn wgpu(self) -> wgpu::Backends {
        match self {
            Backend::Auto if cfg!(target_os = "macos") => wgpu::Backends::METAL,
            Backend::Auto | Backend::Vulkan => wgpu::Backends::VULKAN,
            Backend::Metal => wgpu::Backends::METAL,
            Backend::Dx12 => wgpu::Backends::DX12,
        }
    }
}

/// As wgpu describes it.
fn info_of(info: &wgpu::AdapterInfo) -> AdapterInfo {
    let driver = format!("{} {}", info.driver, info.driver_info);
    AdapterInfo {
        name: info.name.clone(),
        vendor: vendor_name(info.vendor),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => AdapterType::Discrete,
            wgpu::DeviceType::IntegratedGpu => AdapterType::Integrated,
            wgpu::DeviceType::VirtualGpu => AdapterType::Virtual,
            wgpu::DeviceType::Cpu => AdapterType::Software,
            wgpu::DeviceType::Other => AdapterType::Other,
        },
        backend: info.backend.to_str().to_owned(),
        driver: Some(driver.trim().to_owned()).filter(|driver| !driver.is_empty()),
        pci_address: info.device_pci_bus_id.parse().ok(),
    }
}

/// An adapter that can be opened.
pub struct Adapter {
    pub info: AdapterInfo,
    wgpu: wgpu::Adapter,
}

/// Why no adapter was chosen.
#[derive(Debug, Error)]
pub enum AdapterError {
    #[error("{0} does not exist on this operating system: leave out --backend, or choose {1}")]
    NoSuchBackend(String, &'static str),
    #[error("no Vulkan loader here ({0} does not load): {LOADER_FIX}")]
    NoLoader(&'static str),
    /// With a line for each GPU of which it is known why it is not offered.
    #[error("{backend} offers no adapter{}", reasons(.missing))]
    None { backend: String, missing: Vec<String> },
    #[error("no adapter is called '{wanted}': choose an index, a part of the name or a PCI address from\n{list}")]
    Unknown { wanted: String, list: String },
    #[error("'{wanted}' fits {count} adapters: choose one by its index or PCI address from\n{list}")]
    Ambiguous { wanted: String, count: usize, list: String },
}

const LOADER_FIX: &str = if IS_STATIC {
    "this is a static program, which opens no library: take one that was built for glibc"
} else {
    INSTALL_LOADER
};
const INSTALL_LOADER: &str = Words {
    linux: "install it, and your GPU vendor's driver or Mesa's (Debian, Ubuntu: apt install libvulkan1 mesa-vulkan-drivers; \
            Fedora: dnf install vulkan-loader mesa-vulkan-drivers; wattmul's source has setup.sh, which does it)",
    macos: "leave out --backend: macOS has Metal",
    windows: "install the driver of your GPU's vendor, which brings it",
}
.here();

/// How an adapter is had where it is not known what is missing.
pub(crate) const DRIVER_FIX: &str = Words {
    linux: "install your GPU vendor's driver, or Mesa's (Debian, Ubuntu: apt install mesa-vulkan-drivers; Fedora: dnf install \
            mesa-vulkan-drivers); `vulkaninfo --summary` shows what the loader finds",
    macos: "Metal is a part of macOS: virtual machines may have none",
    windows: "install the driver of your GPU's vendor",
}
.here();

fn reasons(lines: &[String]) -> String {
    if lines.is_empty() { format!(": {DRIVER_FIX}") } else { format!("\n{}", lines.join("\n")) }
}

impl AdapterError {
    /// What is wrong, and what fixes it.
    pub(crate) fn parts(&self) -> (String, &'static str) {
        match self {
            AdapterError::None { backend, .. } => (format!("{backend} offers no adapter"), DRIVER_FIX),
            AdapterError::NoLoader(name) => (format!("no Vulkan loader here ({name} does not load)"), LOADER_FIX),
            AdapterError::NoSuchBackend(..) => (self.to_string(), "wattmul doctor, without --backend"),
            AdapterError::Unknown { .. } | AdapterError::Ambiguous { .. } => {
                (self.to_string().replace('\n', "; "), "wattmul devices")
            }
        }
    }
}

/// Keeps Mesa's device-select layer out of the loader. It would ask a display server, which servers and containers do not
/// have, for its favourite GPU, and complain on standard error; the order of adapters is this program's own.
///
/// # Safety
/// As [`std::env::set_var`]: to be called while the program has one thread.
#[expect(unsafe_code, reason = "the loader reads this from the environment alone")]
pub unsafe fn without_device_select() {
    // SAFETY: the caller's.
    unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
}

/// All adapters of a backend: discrete before integrated before software, and as the driver lists them among equals.
///
/// # Errors
/// No such backend on this system, no Vulkan loader, or no adapter at all.
pub fn list(backend: Backend) -> Result<Vec<Adapter>, AdapterError> {
    let backends = backend.wgpu();
    let title = if backends == wgpu::Backends::VULKAN { "Vulkan" } else { "this backend" };
    if !wgpu::Instance::enabled_backend_features().contains(backends) {
        let usable = if cfg!(target_os = "macos") { "metal" } else { "vulkan" };
        return Err(AdapterError::NoSuchBackend(format!("{backend:?}"), usable));
    }
    let adapters = enumerate(backends, allows_nonconformant(std::env::var_os(NONCONFORMANT).as_deref()));
    if adapters.is_empty() {
        if backends == wgpu::Backends::VULKAN && !loads(VULKAN_LOADER) {
            return Err(AdapterError::NoLoader(VULKAN_LOADER));
        }
        let unseen = unseen_gpus(Path::new(SYS), &[]).into_iter().map(|gpu| gpu.to_string());
        let hidden = hidden(backend).into_iter().map(|info| format!("{}: {SHOW_NONCONFORMANT}", is_hidden(&info)));
        return Err(AdapterError::None { backend: title.into(), missing: hidden.chain(unseen).collect() });
    }
    Ok(adapters)
}

/// Asks wgpu for adapters whose driver does not claim to conform to its specification, such as Mesa's dzn on WSL. wgpu's own name.
const NONCONFORMANT: &str = "WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER";
/// How to get a hidden adapter.
pub(crate) const SHOW_NONCONFORMANT: &str =
    "set WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER=1 to use it; products are verified all the same";

/// Anything but "0" is yes, as for wgpu.
fn allows_nonconformant(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_some_and(|value| value != "0")
}

fn enumerate(backends: wgpu::Backends, nonconformant: bool) -> Vec<Adapter> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    // No validation layers: they cost time in the measurement.
    descriptor.flags = wgpu::InstanceFlags::empty();
    descriptor.flags.set(wgpu::InstanceFlags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER, nonconformant);
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters: Vec<Adapter> = pollster::block_on(instance.enumerate_adapters(backends))
        .into_iter()
        .map(|wgpu| Adapter { info: info_of(&wgpu.get_info()), wgpu })
        .collect();
    adapters.sort_by_key(|adapter| adapter.info.kind); // stable
    distrust_shared_addresses(adapters.iter_mut().map(|adapter| &mut adapter.info).collect());
    adapters
}

/// Of two equal cards under DirectX, wgpu tells the address of the first for both: a sensor that is found by it may be the other's.
fn distrust_shared_addresses(mut adapters: Vec<&mut AdapterInfo>) {
    adapters.retain(|info| info.backend == wgpu::Backend::Dx12.to_str());
    let addresses: Vec<Option<PciAddress>> = adapters.iter().map(|info| info.pci_address).collect();
    for info in adapters {
        if addresses.iter().filter(|address| **address == info.pci_address).count() > 1 {
            info.pci_address = None;
        }
    }
}

/// Adapters that [`list`] leaves out, because their driver does not claim to conform to its specification.
pub fn hidden(backend: Backend) -> Vec<AdapterInfo> {
    let backends = backend.wgpu();
    if !wgpu::Instance::enabled_backend_features().contains(backends)
        || allows_nonconformant(std::env::var_os(NONCONFORMANT).as_deref())
    {
        return vec![];
    }
    let infos = |nonconformant| enumerate(backends, nonconformant).into_iter().map(|adapter| adapter.info).collect();
    without(infos(true), infos(false))
}

/// All that are not among the others, each of those counted once.
fn without(mut all: Vec<AdapterInfo>, others: Vec<AdapterInfo>) -> Vec<AdapterInfo> {
    for other in others {
        if let Some(place) = all.iter().position(|info| *info == other) {
            all.remove(place);
        }
    }
    all
}

/// What is wrong with a hidden adapter.
pub(crate) fn is_hidden(info: &AdapterInfo) -> String {
    let driver = info.driver.as_deref().unwrap_or("its driver");
    format!("{} is hidden: {driver} does not claim to conform to {}", info.name, info.backend_title())
}

const VULKAN_LOADER: &str = if cfg!(windows) { "vulkan-1.dll" } else { "libvulkan.so.1" };

#[expect(unsafe_code, reason = "a library is opened to see whether it is there")]
fn loads(library: &str) -> bool {
    // SAFETY: the Vulkan loader has no initialisation routine that depends on our state, and it is closed again.
    unsafe { libloading::Library::new(library) }.is_ok()
}

/// The adapter that was named: by an index into the list, a PCI address or a part of the name. Where one GPU is offered by two
/// drivers, the first of them ([`same_gpu`] names the others).
///
/// # Errors
/// None or several fit.
pub fn choose<'a>(infos: impl Iterator<Item = &'a AdapterInfo> + Clone, wanted: &str) -> Result<usize, AdapterError> {
    let count = infos.clone().count();
    if let Ok(index) = wanted.parse::<usize>()
        && index < count
    {
        return Ok(index);
    }
    let by_address = wanted.parse::<PciAddress>().ok();
    let name = wanted.to_lowercase();
    let fits = |info: &AdapterInfo| match by_address {
        Some(address) => info.pci_address == Some(address),
        None => !name.trim().is_empty() && info.name.to_lowercase().contains(&name),
    };
    let fitting: Vec<usize> = infos.clone().enumerate().filter(|(_, info)| fits(info)).map(|(i, _)| i).collect();
    let list = || {
        let line = |(i, info): (usize, &AdapterInfo)| {
            let address = info.pci_address.map(|a| format!("  {a}")).unwrap_or_default();
            format!("  {i}  {}{address}", printable(&info.name))
        };
        infos.clone().enumerate().map(line).collect::<Vec<_>>().join("\n")
    };
    match fitting[..] {
        [one] => Ok(one),
        [first, ..] if fitting[1..] == same_gpu(infos.clone(), first)[..] => Ok(first),
        [] => Err(AdapterError::Unknown { wanted: wanted.into(), list: list() }),
        _ => Err(AdapterError::Ambiguous { wanted: wanted.into(), count: fitting.len(), list: list() }),
    }
}

/// The later adapters that are the same GPU as this one, by another driver (RADV and AMDVLK, NVK and NVIDIA's own).
pub(crate) fn same_gpu<'a>(infos: impl Iterator<Item = &'a AdapterInfo> + Clone, index: usize) -> Vec<usize> {
    let address = infos.clone().nth(index).and_then(|info| info.pci_address);
    let is_same = |info: &AdapterInfo| address.is_some() && info.pci_address == address;
    infos.enumerate().skip(index + 1).filter(|(_, info)| is_same(info)).map(|(index, _)| index).collect()
}

/// An open device with its queue. Errors that a driver raises at any time end in [`Gpu::check`].
#[derive(Clone)]
pub struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// Seconds a tick of a timestamp query; None where there are no timestamps.
    pub tick_s: Option<f64>,
    /// The device computes on the CPU.
    pub software: bool,
    /// The matrix units, where it was opened for them.
    pub matrix_units: Option<MatrixUnits>,
    fault: Arc<Mutex<Option<GpuError>>>,
}

impl Adapter {
    /// The limits of storage buffers, workgroups and so on.
    pub fn limits(&self) -> wgpu::Limits {
        self.wgpu.limits()
    }

    /// The memory that matrices would lie in, as the backend tells: of all that is the device's, or the machine's where the device
    /// has none of its own. None for DirectX, and for a GPU of its own memory behind Metal.
    pub fn memory(&self) -> Option<Memory> {
        let machine = || memory::of_this_machine();
        match self.info.kind {
            AdapterType::Software => Some(machine()),
            AdapterType::Integrated => {
                let (machine, heaps) = (machine(), self.heaps_bytes());
                let total_bytes = heaps.map_or(machine.total_bytes, |heaps| heaps.min(machine.total_bytes));
                Some(Memory { total_bytes, free_bytes: machine.free_bytes.map(|free| free.min(total_bytes)) })
            }
            AdapterType::Discrete | AdapterType::Virtual | AdapterType::Other => {
                self.heaps_bytes().map(|total_bytes| Memory { total_bytes, free_bytes: None })
            }
        }
    }

    /// Vulkan's heaps of the device's own memory.
    #[cfg(not(target_os = "macos"))]
    #[expect(unsafe_code, reason = "wgpu does not hand on how much memory there is")]
    fn heaps_bytes(&self) -> Option<u64> {
        const DEVICE_LOCAL: u32 = 1; // VK_MEMORY_HEAP_DEVICE_LOCAL_BIT
        // SAFETY: the adapter is asked, while it is held, and not changed; its instance outlives it.
        let heaps = unsafe {
            let adapter = self.wgpu.as_hal::<wgpu::hal::api::Vulkan>()?;
            let instance = adapter.shared_instance().raw_instance();
            instance.get_physical_device_memory_properties(adapter.raw_physical_device())
        };
        let local = heaps.memory_heaps_as_slice().iter().filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
        Some(local.map(|heap| heap.size).sum()).filter(|&bytes: &u64| bytes > 0)
    }

    #[cfg(target_os = "macos")]
    fn heaps_bytes(&self) -> Option<u64> {
        None
    }

    /// The types of elements that the adapter can multiply.
    pub fn dtypes(&self) -> Vec<Dtype> {
        let features = self.wgpu.features();
        Dtype::ALL.into_iter().filter(|&dtype| features.contains(dtype.features())).collect()
    }

    /// Its matrix units, if it has any that the kernels can use.
    pub fn matrix_units(&self) -> Option<MatrixUnits> {
        let info = self.wgpu.get_info();
        let lanes = (info.subgroup_min_size, info.subgroup_max_size);
        let listed = self.wgpu.features().contains(MATRIX).then(|| self.wgpu.cooperative_matrix_properties())?;
        MatrixUnits::among(&listed, lanes)
    }

    /// Opens the device with all that the adapter can: its own limits, not the portable ones, timestamps and types if it has them.
    /// Matrix units only where they are meant: with what they need, AMD's driver for one compiles the other kernels for subgroups of
    /// another size.
    ///
    /// # Errors
    /// [`GpuError::NotOpened`] when the driver refuses, [`GpuError::Undone`] where it does not do what it takes.
    pub fn open(&self, units: Units) -> Result<Gpu, GpuError> {
        let matrix_units = if units == Units::Matrix { self.matrix_units() } else { None };
        let usual = Dtype::ALL.into_iter().fold(wgpu::Features::TIMESTAMP_QUERY, |all, dtype| all | dtype.features());
        let wanted = if matrix_units.is_some() { usual | MATRIX } else { usual };
        let features = self.wgpu.features() & wanted;
        let experimental_features =
            if matrix_units.is_some() { with_experiments() } else { wgpu::ExperimentalFeatures::disabled() };
        let (device, queue) = pollster::block_on(self.wgpu.request_device(&wgpu::DeviceDescriptor {
            label: Some("wattmul"),
            required_features: features,
            required_limits: self.wgpu.limits(),
            experimental_features,
            ..Default::default()
        }))
        .map_err(|error| GpuError::NotOpened { adapter: self.info.name.clone(), why: error.to_string() })?;

        // What nobody waits for would otherwise panic (wgpu's default). The first error is the cause, the rest follow.
        let fault = Arc::new(Mutex::new(None));
        let (uncaptured, lost) = (fault.clone(), fault.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            note(
                &uncaptured,
                match error {
                    wgpu::Error::OutOfMemory { .. } => GpuError::OutOfMemory,
                    other => GpuError::Driver(one_line(&other.to_string())),
                },
            );
        }));
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed {
                note(&lost, GpuError::Lost(one_line(&message)));
            }
        });
        let timestamps = features.contains(wgpu::Features::TIMESTAMP_QUERY);
        let tick_s = timestamps.then(|| f64::from(queue.get_timestamp_period()) * 1e-9);
        let software = self.info.kind == AdapterType::Software;
        let gpu = Gpu { device, queue, tick_s, software, matrix_units, fault };
        gpu.echoes()?;
        Ok(gpu)
    }
}

/// What kernels for matrix units need of an adapter: the matrices themselves, f16, and to ask for the size of a subgroup.
const MATRIX: wgpu::Features =
    wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SHADER_F16).union(wgpu::Features::SUBGROUP);

#[expect(unsafe_code, reason = "wgpu has cooperative matrices as an experiment alone")]
fn with_experiments() -> wgpu::ExperimentalFeatures {
    // SAFETY: what wgpu does not promise to check of such matrices is checked here: only sizes and types that the adapter lists are
    // used (`MatrixUnits`, `Kernel::is_for`), by this program's own shaders, in buffers of whole tiles.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

fn note(fault: &Mutex<Option<GpuError>>, error: GpuError) {
    let mut slot = fault.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match *slot {
        None => *slot = Some(error),
        // That the device is gone explains every other error.
        Some(GpuError::Driver(_)) if matches!(error, GpuError::Lost(_)) => *slot = Some(error),
        Some(_) => {}
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Gpu {
    /// The first error that the driver raised since the device was opened.
    ///
    /// # Errors
    /// That error, again at each call: a device that failed once is not used again.
    pub fn check(&self) -> Result<(), GpuError> {
        let slot = self.fault.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        slot.clone().map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(name: &str, address: Option<&str>) -> AdapterInfo {
        AdapterInfo {
            pci_address: address.map(|address| address.parse().unwrap()),
            ..AdapterInfo::new(name, "NVIDIA", AdapterType::Discrete, "vulkan")
        }
    }

    #[test]
    fn what_wgpu_hides_is_what_it_shows_when_asked() {
        let (one, other) = (info("Microsoft Direct3D12 (RTX)", None), info("llvmpipe", None));
        let all = |names: &[&AdapterInfo]| names.iter().map(|&info| info.clone()).collect::<Vec<_>>();
        assert_eq!(without(all(&[&one, &other]), all(&[&other])), all(&[&one]));
        assert_eq!(without(all(&[&other, &other]), all(&[&other])), all(&[&other]), "twins are two");
        assert_eq!(without(all(&[&other]), all(&[&other])), []);
        assert!(is_hidden(&one).contains("Direct3D12 (RTX) is hidden") && is_hidden(&one).ends_with("Vulkan"));
        let allows = |value: &str| allows_nonconformant(Some(value.as_ref()));
        assert_eq!([allows("1"), allows("0"), allows_nonconformant(None)], [true, false, false]);
    }

    #[test]
    fn twins_under_directx_are_at_no_address() {
        let at = |backend: &str, address| AdapterInfo { backend: backend.into(), ..info("RTX", Some(address)) };
        let (one, other) = ("0000:01:00.0", "0000:02:00.0");
        let mut all = [at("dx12", one), at("dx12", one), at("dx12", other), at("vulkan", one), at("vulkan", one)];
        distrust_shared_addresses(all.iter_mut().collect());
        let left = all.map(|info| info.pci_address.map(|address| address.to_string()));
        assert_eq!(left.each_ref().map(Option::as_deref), [None, None, Some(other), Some(one), Some(one)]);
    }

    #[test]
    fn an_adapter_is_named_by_index_name_or_address() {
        let all = [
            info("NVIDIA RTX A6000", Some("0000:01:00.0")),
            info("NVIDIA RTX A6000", Some("0000:81:00.0")),
            info("llvmpipe (LLVM 15)", None),
        ];
        let choose = |wanted| choose(all.iter(), wanted);
        assert_eq!(choose("2").unwrap(), 2);
        assert_eq!(choose("LLVM").unwrap(), 2);
        assert_eq!(choose("81:00.0").unwrap(), 1);
        assert_eq!(choose("00000000:81:00.0").unwrap(), 1);
        let ambiguous = choose("a6000").unwrap_err().to_string();
        assert!(ambiguous.contains("fits 2 adapters") && ambiguous.contains("0000:81:00.0"), "{ambiguous}");
        for wanted in ["3", "RTX 4090", "0000:02:00.0", "", " "] {
            assert!(matches!(choose(wanted), Err(AdapterError::Unknown { .. })), "{wanted}");
        }
        // One GPU by two drivers is no choice between GPUs.
        let twice = [all[0].clone(), all[2].clone(), all[0].clone(), all[1].clone()];
        assert_eq!(super::choose(twice.iter(), "01:00.0").unwrap(), 0);
        assert_eq!(super::choose(twice[..3].iter(), "a6000").unwrap(), 0);
        assert!(matches!(super::choose(twice.iter(), "a6000"), Err(AdapterError::Ambiguous { count: 3, .. })));
        assert_eq!((same_gpu(twice.iter(), 0), same_gpu(twice.iter(), 2)), (vec![2], vec![]));
        assert_eq!(same_gpu([all[2].clone(), all[2].clone()].iter(), 0), [0; 0], "no address, no telling");
        // "6000" is no index, but a part of a name
        assert!(matches!(choose("6000"), Err(AdapterError::Ambiguous { .. })));
    }
}
