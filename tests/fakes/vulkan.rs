//! A stand-in for a GPU's Vulkan driver: Mesa's software driver, which fails when it is told to. Where the file name of this
//! library is a PCI address, it also says that it is a discrete GPU of NVIDIA's at that address. So copies of it are several
//! GPUs, and all of them compute.
//!
//! `FAKE_VULKAN_DRIVER` in the environment is the path of Mesa's driver. `VULKAN_DOUBLE_BROKEN` holds addresses of GPUs that
//! cannot be opened. The device is lost from the moment on that the file `VULKAN_DOUBLE_LOST` exists. `VULKAN_DOUBLE_KIND` makes it
//! another GPU: `intel`, a discrete one of Intel's; `integrated`, a part of an AMD processor; `nonconformant`, one whose driver passed no
//! tests of conformance.
#![allow(non_snake_case, clippy::missing_safety_doc)]
#![expect(unsafe_code, reason = "a C library")]

use ash::vk;
use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicPtr, Ordering};
use wattmul::record::PciAddress;

type GetInstanceProcAddr = unsafe extern "system" fn(vk::Instance, *const c_char) -> *mut c_void;
type Negotiate = unsafe extern "system" fn(*mut u32) -> vk::Result;

static MESA: LazyLock<libloading::Library> = LazyLock::new(|| {
    let path = std::env::var_os("FAKE_VULKAN_DRIVER").expect("FAKE_VULKAN_DRIVER is the path of Mesa's driver");
    // SAFETY: a Vulkan driver, which the loader would open in the same way.
    unsafe { libloading::Library::new(path) }.expect("Mesa's driver opens")
});

/// Where this copy says that it is: `0000:81:00.0`. None for one that says nothing.
static ADDRESS: LazyLock<Option<PciAddress>> = LazyLock::new(|| {
    // SAFETY: dladdr fills the struct with pointers that live as long as this library.
    let path = unsafe {
        let mut info: libc::Dl_info = std::mem::zeroed();
        assert_ne!(libc::dladdr(vk_icdGetInstanceProcAddr as *const c_void, &mut info), 0);
        CStr::from_ptr(info.dli_fname).to_string_lossy().into_owned()
    };
    Path::new(&path).file_stem()?.to_str()?.parse().ok()
});

/// Mesa's own function behind one of ours.
struct Real(AtomicPtr<c_void>);

impl Real {
    const fn new() -> Self {
        Real(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// # Safety
    /// `F` is the type of the function.
    unsafe fn get<F>(&self) -> F {
        let function = self.0.load(Ordering::Relaxed);
        // SAFETY: the loader asked for ours, which set this one, before it called ours; the type is the caller's promise.
        unsafe { std::mem::transmute_copy(&function) }
    }
}

static PROPERTIES: Real = Real::new();
static PROPERTIES_2: Real = Real::new();
static EXTENSIONS: Real = Real::new();
static CREATE_DEVICE: Real = Real::new();
static DEVICE_FUNCTION: Real = Real::new();
static SUBMIT: Real = Real::new();

#[unsafe(no_mangle)]
pub unsafe extern "system" fn vk_icdNegotiateLoaderICDInterfaceVersion(version: *mut u32) -> vk::Result {
    // SAFETY: the loader's call, handed on.
    unsafe { MESA.get::<Negotiate>(b"vk_icdNegotiateLoaderICDInterfaceVersion\0").unwrap()(version) }
}

#[unsafe(no_mangle)]
pub unsafe extern "system" fn vk_icdGetInstanceProcAddr(instance: vk::Instance, name: *const c_char) -> *mut c_void {
    // SAFETY: the loader's call, handed on; its name is a C string.
    let (real, name) = unsafe {
        let get = MESA.get::<GetInstanceProcAddr>(b"vk_icdGetInstanceProcAddr\0").unwrap();
        (get(instance, name), CStr::from_ptr(name).to_bytes())
    };
    let (ours, keep): (*mut c_void, &Real) = match name {
        b"vkGetDeviceProcAddr" => (device_function as *mut c_void, &DEVICE_FUNCTION),
        _ if ADDRESS.is_none() => return real,
        b"vkGetPhysicalDeviceProperties" => (properties as *mut c_void, &PROPERTIES),
        b"vkGetPhysicalDeviceProperties2" | b"vkGetPhysicalDeviceProperties2KHR" => {
            (properties_2 as *mut c_void, &PROPERTIES_2)
        }
        b"vkEnumerateDeviceExtensionProperties" => (extensions as *mut c_void, &EXTENSIONS),
        b"vkCreateDevice" => (create_device as *mut c_void, &CREATE_DEVICE),
        _ => return real,
    };
    if real.is_null() {
        return real;
    }
    keep.0.store(real, Ordering::Relaxed);
    ours
}

static KIND: LazyLock<String> = LazyLock::new(|| std::env::var("VULKAN_DOUBLE_KIND").unwrap_or_default());

fn disguise(properties: &mut vk::PhysicalDeviceProperties) {
    use vk::PhysicalDeviceType as Type;
    let (vendor, device_type, name) = match KIND.as_str() {
        "intel" => (0x8086, Type::DISCRETE_GPU, c"Intel Stand-in"),
        "integrated" => (0x1002, Type::INTEGRATED_GPU, c"AMD Stand-in in a processor"),
        _ => (0x10de, Type::DISCRETE_GPU, c"NVIDIA Stand-in"),
    };
    (properties.vendor_id, properties.device_type) = (vendor, device_type);
    write_name(&mut properties.device_name, name);
}

fn write_name(to: &mut [c_char], name: &CStr) {
    for (to, byte) in to.iter_mut().zip(name.to_bytes_with_nul()) {
        *to = *byte as c_char;
    }
}

unsafe extern "system" fn properties(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties) {
    // SAFETY: the caller's struct, filled by Mesa, and then a little otherwise.
    unsafe {
        PROPERTIES.get::<vk::PFN_vkGetPhysicalDeviceProperties>()(device, to);
        disguise(&mut *to);
    }
}

unsafe extern "system" fn properties_2(device: vk::PhysicalDevice, to: *mut vk::PhysicalDeviceProperties2<'_>) {
    // SAFETY: as above; what follows in the chain begins with its type and the next one, and is what its type says.
    unsafe {
        PROPERTIES_2.get::<vk::PFN_vkGetPhysicalDeviceProperties2>()(device, to.cast());
        disguise(&mut (*to).properties);
        let mut next = (*to).p_next.cast::<vk::BaseOutStructure<'_>>();
        while !next.is_null() {
            if let (Some(address), vk::StructureType::PHYSICAL_DEVICE_PCI_BUS_INFO_PROPERTIES_EXT) =
                (*ADDRESS, (*next).s_type)
            {
                let info = &mut *next.cast::<vk::PhysicalDevicePCIBusInfoPropertiesEXT<'_>>();
                info.pci_domain = address.domain;
                info.pci_bus = address.bus.into();
                info.pci_device = address.device.into();
                info.pci_function = address.function.into();
            }
            if (*next).s_type == vk::StructureType::PHYSICAL_DEVICE_DRIVER_PROPERTIES && *KIND == "nonconformant" {
                let info = &mut *next.cast::<vk::PhysicalDeviceDriverProperties<'_>>();
                info.conformance_version = vk::ConformanceVersion::default();
            }
            next = (*next).p_next.cast();
        }
    }
}

unsafe extern "system" fn extensions(
    device: vk::PhysicalDevice,
    layer: *const c_char,
    count: *mut u32,
    list: *mut vk::ExtensionProperties,
) -> vk::Result {
    // SAFETY: the caller says in `count` how many elements its list has, and learns there how many there are; one of them is
    // ours, and Mesa is told of one less.
    unsafe {
        let real = EXTENSIONS.get::<vk::PFN_vkEnumerateDeviceExtensionProperties>();
        if !layer.is_null() || (!list.is_null() && *count == 0) {
            return real(device, layer, count, list);
        }
        if !list.is_null() {
            *count -= 1;
        }
        let result = real(device, layer, count, list);
        if !list.is_null() {
            let ours = &mut *list.add(*count as usize);
            *ours = vk::ExtensionProperties { spec_version: 2, ..Default::default() };
            write_name(&mut ours.extension_name, ash::ext::pci_bus_info::NAME);
        }
        *count += 1;
        result
    }
}

unsafe extern "system" fn create_device(
    device: vk::PhysicalDevice,
    info: *const vk::DeviceCreateInfo<'_>,
    allocator: *const vk::AllocationCallbacks<'_>,
    to: *mut vk::Device,
) -> vk::Result {
    let broken = std::env::var("VULKAN_DOUBLE_BROKEN").unwrap_or_default();
    if broken.split_whitespace().any(|address| address.parse().ok() == *ADDRESS) {
        return vk::Result::ERROR_INITIALIZATION_FAILED;
    }
    // SAFETY: the caller's call, handed on.
    unsafe { CREATE_DEVICE.get::<vk::PFN_vkCreateDevice>()(device, info.cast(), allocator.cast(), to) }
}

unsafe extern "system" fn device_function(device: vk::Device, name: *const c_char) -> *mut c_void {
    type GetDeviceProcAddr = unsafe extern "system" fn(vk::Device, *const c_char) -> *mut c_void;
    // SAFETY: the caller's call, handed on; its name is a C string.
    unsafe {
        let real = DEVICE_FUNCTION.get::<GetDeviceProcAddr>()(device, name);
        if CStr::from_ptr(name) != c"vkQueueSubmit" || real.is_null() {
            return real;
        }
        SUBMIT.0.store(real, Ordering::Relaxed);
        submit as *mut c_void
    }
}

unsafe extern "system" fn submit(
    queue: vk::Queue,
    count: u32,
    submits: *const vk::SubmitInfo<'_>,
    fence: vk::Fence,
) -> vk::Result {
    static LOST: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::var_os("VULKAN_DOUBLE_LOST").unwrap_or_default().into());
    if LOST.exists() {
        return vk::Result::ERROR_DEVICE_LOST;
    }
    // SAFETY: the caller's call, handed on.
    unsafe { SUBMIT.get::<vk::PFN_vkQueueSubmit>()(queue, count, submits.cast(), fence) }
}
