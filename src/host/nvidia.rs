//! What NVIDIA's Vulkan driver needs of a Linux machine, looked at piece by piece: `vulkaninfo` says that there is no GPU, and not
//! why.
//!
//! Where the loader looks for manifests: "Driver Discovery on Linux" in docs/LoaderDriverInterface.md of KhronosGroup/Vulkan-Loader.
//! What the driver opens was seen on an H100 whose container had the driver and not libglvnd: its entry point then gives no
//! function, and the loader leaves it out without a word.

use super::sysfs::{entries, name, read_text};
use std::path::{Path, PathBuf};

/// What is missing, and what brings it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missing {
    pub wrong: String,
    pub fix: String,
}

fn missing(wrong: impl Into<String>, fix: impl Into<String>) -> Missing {
    Missing { wrong: wrong.into(), fix: fix.into() }
}

/// The graphics part of the driver, which servers and containers are often set up without.
const GRAPHICS_PART: &str = "install the graphics part of its driver, of the version that /proc/driver/nvidia/version tells (Ubuntu: libnvidia-gl-VERSION; \
     Debian: nvidia-vulkan-icd; Fedora: xorg-x11-drv-nvidia-libs); a container needs \
     NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics";
const LIBGLVND: &str = "install libglvnd (Debian, Ubuntu: apt install libglvnd0 libegl1 libglx0 libgl1; Fedora: dnf install \
                        libglvnd-egl libglvnd-glx)";
/// What the driver opens besides its own files.
const DISPATCH: [&str; 3] = ["libGLdispatch.so.0", "libGLX.so.0", "libEGL.so.1"];
/// A folder in which some hosts mount the driver, and where no loader looks.
const MOUNTED: &str = "usr/local/nvidia/share";

/// What of the environment says where manifests lie.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// The name and the value of the variable that names manifests instead of those in the usual folders.
    pub instead: Option<(&'static str, String)>,
    pub home: Option<PathBuf>,
}

impl Variables {
    pub fn of_this_process() -> Self {
        let named = |name| Some((name, std::env::var(name).ok().filter(|value| !value.is_empty())?));
        Variables {
            instead: named("VK_DRIVER_FILES").or_else(|| named("VK_ICD_FILENAMES")),
            home: std::env::home_dir(),
        }
    }
}

/// The one thing that keeps Vulkan from the GPU whose PCI folder this is: of all that it needs, the first that is not there.
/// `opens` opens a library, or says why not. Of a machine that lacks nothing, how to ask the loader.
pub(crate) fn lacks(
    root: &Path,
    device: &Path,
    variables: &Variables,
    opens: &dyn Fn(&str) -> Result<(), String>,
) -> Missing {
    let driver = device.join("driver").canonicalize().ok();
    match driver.as_deref().and_then(name) {
        Some("nouveau") => {
            return missing(
                "Linux's own driver (nouveau) drives it, and Mesa has no Vulkan driver for it here",
                "install Mesa 24.1 or later with its driver NVK, or NVIDIA's driver",
            );
        }
        Some("vfio-pci") => {
            return missing("it is held for a virtual machine (vfio-pci)", "run wattmul in that machine");
        }
        _ if !root.join("proc/driver/nvidia/version").exists() => {
            return missing(
                "NVIDIA's kernel driver is not loaded",
                "install NVIDIA's driver, or load it: sudo modprobe nvidia",
            );
        }
        _ => {}
    }
    let library = match manifest(root, variables) {
        Ok(library) => library,
        Err(missing) => return missing,
    };
    if let Err(why) = opens(&library) {
        return match not_found(&why) {
            Some(needed) if needed != library => missing(
                format!("its driver ({library}) needs {needed}, which is not here"),
                format!("install what has {needed}{}", package(needed)),
            ),
            Some(_) => missing(format!("its driver ({library}) is not here, though its manifest is"), GRAPHICS_PART),
            None => missing(format!("its driver does not load ({why})"), GRAPHICS_PART),
        };
    }
    if let Some(library) = DISPATCH.iter().find(|library| opens(library).is_err()) {
        return missing(format!("its driver needs {library}, which does not load"), LIBGLVND);
    }
    missing(
        "its driver is here whole",
        "`VK_LOADER_DEBUG=error,driver vulkaninfo --summary` tells what the loader makes of it; slices of a GPU (MIG) have no Vulkan",
    )
}

/// The library that the driver's manifest names.
fn manifest(root: &Path, variables: &Variables) -> Result<String, Missing> {
    let home = variables.home.iter().flat_map(|home| [home.join(".config"), home.join(".local/share")]);
    let usual = ["etc/xdg", "usr/local/etc", "etc", "usr/local/share", "usr/share"].map(|folder| root.join(folder));
    let folders: Vec<PathBuf> = home.chain(usual).map(|folder| folder.join("vulkan/icd.d")).collect();
    let found = folders.iter().flat_map(|folder| entries(folder)).find_map(|path| Some((library_of(&path)?, path)));
    if let Some((variable, files)) = &variables.instead {
        let named =
            std::env::split_paths(files).flat_map(|path| if path.is_dir() { entries(&path) } else { vec![path] });
        return named.into_iter().find_map(|path| library_of(&path)).ok_or_else(|| {
            let fix = match &found {
                Some((_, path)) => format!("unset {variable}, or name {} there too", path.display()),
                None => format!("unset {variable}; then {GRAPHICS_PART}"),
            };
            missing(format!("{variable} names other drivers alone"), fix)
        });
    }
    if let Some((library, _)) = found {
        return Ok(library);
    }
    let mounted = entries(&root.join(MOUNTED).join("vulkan/icd.d")).into_iter().find(|path| library_of(path).is_some());
    Err(match mounted {
        Some(path) => missing(
            "the manifest of its driver lies where no loader looks",
            format!("export VK_DRIVER_FILES={}", path.display()),
        ),
        None => missing(
            "its Vulkan driver has no manifest here (nvidia_icd.json in /usr/share/vulkan/icd.d)",
            GRAPHICS_PART,
        ),
    })
}

/// The library that a manifest names, if that is NVIDIA's.
fn library_of(manifest: &Path) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(&read_text(manifest)?).ok()?;
    let library = json["ICD"]["library_path"].as_str()?;
    // Mesa's own driver for these GPUs is called libvulkan_nouveau.so.
    library.contains("_nvidia").then(|| library.to_owned())
}

/// The library that the system's loader says it does not find.
fn not_found(why: &str) -> Option<&str> {
    let (library, reason) = why.split_once(": ")?;
    (library.contains(".so") && reason.contains("No such file")).then_some(library)
}

/// Which package has a library of the X Window System, which the driver needs even where there is no display.
fn package(library: &str) -> &'static str {
    match library {
        "libX11.so.6" => " (Debian, Ubuntu: apt install libx11-6; Fedora: dnf install libX11)",
        "libXext.so.6" => " (Debian, Ubuntu: apt install libxext6; Fedora: dnf install libXext)",
        _ => "",
    }
}

/// Opens a library, and closes it again.
#[expect(unsafe_code, reason = "a library is opened to see whether it is there")]
pub(crate) fn opens(library: &str) -> Result<(), String> {
    // SAFETY: the parts of a graphics driver, whose initialisation routines the Vulkan loader has run before, or would.
    unsafe { libloading::Library::new(library) }.map(drop).map_err(|error| error.to_string())
}

#[cfg(all(test, unix))] // sysfs names hold colons
mod tests {
    use super::*;

    const MANIFEST: &str = r#"{"ICD": {"library_path": "libGLX_nvidia.so.0", "api_version": "1.4"}}"#;

    /// A machine with these files, on which the libraries that are named do not load: each with what the loader says.
    fn look(files: &[(&str, &str)], driver: Option<&str>, variables: Variables, broken: &[(&str, &str)]) -> Missing {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let device = root.path().join("sys/bus/pci/devices/0000:06:00.0");
        std::fs::create_dir_all(&device).unwrap();
        if let Some(driver) = driver {
            let drivers = root.path().join("sys/bus/pci/drivers").join(driver);
            std::fs::create_dir_all(&drivers).unwrap();
            std::os::unix::fs::symlink(&drivers, device.join("driver")).unwrap();
        }
        let instead = variables.instead.map(|(name, path)| (name, root.path().join(path).display().to_string()));
        let opens = |library: &str| match broken.iter().find(|(name, _)| *name == library) {
            Some((_, why)) => Err((*why).to_owned()),
            None => Ok(()),
        };
        lacks(root.path(), &device, &Variables { instead, ..variables }, &opens)
    }

    const LOADED: (&str, &str) = ("proc/driver/nvidia/version", "NVRM version: 580.95.05");
    const IN_PLACE: (&str, &str) = ("usr/share/vulkan/icd.d/nvidia_icd.json", MANIFEST);
    const MESAS: (&str, &str) =
        ("usr/share/vulkan/icd.d/nouveau.json", r#"{"ICD": {"library_path": "libvulkan_nouveau.so"}}"#);

    #[test]
    fn of_all_that_the_driver_needs_the_one_that_is_missing_is_named() {
        let usual = Variables::default;
        let absent = |library: &str| format!("{library}: cannot open shared object file: No such file or directory");
        let says = |missing: Missing, wrong: &str, fix: &str| {
            assert!(missing.wrong.contains(wrong) && missing.fix.contains(fix), "{missing:?}");
        };
        says(look(&[], Some("nouveau"), usual(), &[]), "nouveau", "NVK");
        says(look(&[LOADED], Some("vfio-pci"), usual(), &[]), "virtual machine", "that machine");
        says(look(&[IN_PLACE], None, usual(), &[]), "kernel driver", "modprobe nvidia");
        says(look(&[LOADED, MESAS], Some("nvidia"), usual(), &[]), "no manifest", "libnvidia-gl");
        let broken = look(&[LOADED, ("etc/vulkan/icd.d/nvidia_icd.json", "{")], None, usual(), &[]);
        says(broken, "no manifest", "graphics");

        let whole = [LOADED, MESAS, IN_PLACE];
        let no_driver = absent("libGLX_nvidia.so.0");
        says(look(&whole, None, usual(), &[("libGLX_nvidia.so.0", &no_driver)]), "is not here", "libnvidia-gl");
        let no_x = absent("libX11.so.6");
        says(
            look(&whole, None, usual(), &[("libGLX_nvidia.so.0", &no_x)]),
            "needs libX11.so.6",
            "apt install libx11-6",
        );
        let damaged = look(&whole, None, usual(), &[("libGLX_nvidia.so.0", "file too short")]);
        says(damaged, "file too short", "libnvidia-gl");
        // The H100 of a server's container: the driver is there, and what it hands calls on by is not.
        let no_dispatch = absent("libGLdispatch.so.0");
        let server =
            look(&whole, Some("nvidia"), usual(), &[("libGLdispatch.so.0", &no_dispatch), ("libEGL.so.1", "no")]);
        says(server, "needs libGLdispatch.so.0", "apt install libglvnd0 libegl1 libglx0 libgl1");
        says(look(&whole, None, usual(), &[("libEGL.so.1", "no")]), "needs libEGL.so.1", "libglvnd");
        says(look(&whole, None, usual(), &[]), "is here whole", "VK_LOADER_DEBUG");
    }

    #[test]
    fn a_manifest_that_the_loader_is_not_shown_is_told_with_its_place() {
        let mounted = ("usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json", MANIFEST);
        let told = look(&[LOADED, mounted], None, Variables::default(), &[]);
        assert!(told.fix.starts_with("export VK_DRIVER_FILES=/") && told.fix.ends_with(mounted.0), "{told:?}");
        let instead =
            |path: &str| Variables { instead: Some(("VK_ICD_FILENAMES", path.into())), ..Variables::default() };
        let others = look(&[LOADED, IN_PLACE, MESAS], None, instead(MESAS.0), &[]);
        assert!(others.wrong.starts_with("VK_ICD_FILENAMES") && others.fix.starts_with("unset"), "{others:?}");
        let named = look(&[LOADED, mounted], None, instead(mounted.0), &[]);
        assert_eq!(named.wrong, "its driver is here whole");
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join(".local/share/vulkan/icd.d");
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("mine.json"), MANIFEST).unwrap();
        let of_user = Variables { home: Some(home.path().into()), ..Variables::default() };
        assert_eq!(look(&[LOADED], None, of_user, &[]).wrong, "its driver is here whole");
    }
}
