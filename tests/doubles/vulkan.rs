//! A stand-in for a GPU's Vulkan driver: a driver that hands every call to another one (`VULKAN_DOUBLE_OF`, the path of its
//! library), and whose device is lost from the moment on that the file `VULKAN_DOUBLE_LOST` exists.
//!
//! The loader asks a driver for each function by its name, so that only `vkQueueSubmit` need be replaced.
#![allow(non_snake_case)]
#![expect(unsafe_code, reason = "a C library")]

use ash::vk;
use std::ffi::{CStr, c_char};
use std::path::PathBuf;
use std::sync::{LazyLock, OnceLock};

/// What a driver must export for the loader.
struct Driver {
    negotiate: unsafe extern "system" fn(*mut u32) -> vk::Result,
    instance: vk::PFN_vkGetInstanceProcAddr,
    _library: libloading::Library,
}

static DRIVER: LazyLock<Driver> = LazyLock::new(|| {
    let path = std::env::var_os("VULKAN_DOUBLE_OF").expect("VULKAN_DOUBLE_OF names a driver's library");
    // SAFETY: a Vulkan driver, whose two exports have the types that the loader's interface gives them; it stays open.
    unsafe {
        let library = libloading::Library::new(path).expect("the driver loads");
        let negotiate = *library.get(b"vk_icdNegotiateLoaderICDInterfaceVersion").expect("a driver negotiates");
        let instance = *library.get(b"vk_icdGetInstanceProcAddr").expect("a driver has functions");
        Driver { negotiate, instance, _library: library }
    }
});

static DEVICE: OnceLock<vk::PFN_vkGetDeviceProcAddr> = OnceLock::new();
static SUBMIT: OnceLock<vk::PFN_vkQueueSubmit> = OnceLock::new();

/// A function by its name, ours in the place of the driver's.
///
/// # Safety
/// `name` is a C string, and `found` is the driver's function of that name.
unsafe fn replaced(name: *const c_char, found: vk::PFN_vkVoidFunction) -> vk::PFN_vkVoidFunction {
    // SAFETY: the caller's; functions of one name have one type, and all function pointers have one size.
    unsafe {
        match CStr::from_ptr(name).to_bytes() {
            b"vkGetDeviceProcAddr" => {
                DEVICE.get_or_init(|| std::mem::transmute(found));
                std::mem::transmute::<vk::PFN_vkGetDeviceProcAddr, vk::PFN_vkVoidFunction>(get_device_proc_addr)
            }
            b"vkQueueSubmit" => {
                SUBMIT.get_or_init(|| std::mem::transmute(found));
                std::mem::transmute::<vk::PFN_vkQueueSubmit, vk::PFN_vkVoidFunction>(queue_submit)
            }
            _ => found,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn vk_icdNegotiateLoaderICDInterfaceVersion(version: *mut u32) -> vk::Result {
    // SAFETY: the loader's argument is passed on.
    unsafe { (DRIVER.negotiate)(version) }
}

#[unsafe(no_mangle)]
unsafe extern "system" fn vk_icdGetInstanceProcAddr(
    instance: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction {
    // SAFETY: the loader's arguments are passed on, and what comes back is the function of that name.
    unsafe { replaced(name, (DRIVER.instance)(instance, name)) }
}

unsafe extern "system" fn get_device_proc_addr(device: vk::Device, name: *const c_char) -> vk::PFN_vkVoidFunction {
    let get = DEVICE.get().expect("the loader was given this function in its place");
    // SAFETY: as above.
    unsafe { replaced(name, get(device, name)) }
}

unsafe extern "system" fn queue_submit(
    queue: vk::Queue,
    count: u32,
    submits: *const vk::SubmitInfo,
    fence: vk::Fence,
) -> vk::Result {
    static LOST: LazyLock<PathBuf> =
        LazyLock::new(|| std::env::var_os("VULKAN_DOUBLE_LOST").unwrap_or_default().into());
    if LOST.exists() {
        return vk::Result::ERROR_DEVICE_LOST;
    }
    let submit = SUBMIT.get().expect("the loader was given this function in its place");
    // SAFETY: the caller's arguments are passed on.
    unsafe { submit(queue, count, submits, fence) }
}
