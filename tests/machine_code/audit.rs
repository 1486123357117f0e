//! What AMD's compiler makes of every tiled kernel, on a machine without an AMD GPU: the tables of docs/KERNEL.md.
//!
//!     cargo run --example machine_code                           # the tables
//!     cargo run --example machine_code -- f16                    # that of one type
//!     cargo run --example machine_code -- f16 128x128x16/8x8     # the machine code of one kernel, for every family
//!
//! Mesa's driver RADV compiles for a GPU that is not there when `RADV_FORCE_FAMILY` names one (its null hardware). It reads
//! that once a process, so that each family has one of its own.

mod assembly;
mod radv;
mod spirv;

use anyhow::{Context, Result, ensure};
use std::process::Command;
use wattmul::gpu::kernel::{KERNELS, Kernel};
use wattmul::operands::Dtype;

/// RDNA 2, RDNA 3, GCN 5 (Vega 20, Radeon VII) and CDNA 2 (MI200, which no Vulkan driver opens, but the compiler knows).
const FAMILIES: [&str; 4] = ["NAVI21", "GFX1100", "VEGA20", "ALDEBARAN"];
/// Where distributions put the driver's manifest. `VK_DRIVER_FILES` in the environment comes first.
const MANIFEST: &str = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";

fn main() -> Result<()> {
    let (wanted, only) = (std::env::args().nth(1), std::env::args().nth(2));
    let of_type = |dtype: &Dtype| wanted.as_ref().is_none_or(|wanted| dtype.name() == wanted);
    let dtypes: Vec<Dtype> = Dtype::ALL.into_iter().filter(of_type).collect();
    ensure!(!dtypes.is_empty(), "no such type: choose from {}", Dtype::ALL.map(Dtype::name).join(", "));
    let only = only.map(|name| Kernel::named(&name).map_err(anyhow::Error::msg)).transpose()?;
    match std::env::var("RADV_FORCE_FAMILY") {
        Ok(family) => dtypes.iter().try_for_each(|&dtype| of_family(&family, dtype, only)),
        Err(_) => dtypes.iter().try_for_each(|&dtype| {
            FAMILIES.into_iter().try_for_each(|family| in_a_process_of_its_own(family, dtype, only))
        }),
    }
}

fn in_a_process_of_its_own(family: &str, dtype: Dtype, only: Option<Kernel>) -> Result<()> {
    let manifest = std::env::var_os("VK_DRIVER_FILES").unwrap_or(MANIFEST.into());
    ensure!(
        std::path::Path::new(&manifest).exists(),
        "no {}: install Mesa's Vulkan drivers (sh setup.sh), or say in VK_DRIVER_FILES where RADV's manifest is",
        manifest.display()
    );
    let status = Command::new(std::env::current_exe()?)
        .arg(dtype.name())
        .args(only.map(|kernel| kernel.to_string()))
        .env("RADV_FORCE_FAMILY", family)
        .env("VK_DRIVER_FILES", &manifest)
        .env("VK_ICD_FILENAMES", &manifest) // loaders before 1.3.207 read this one
        .env("MESA_SHADER_CACHE_DISABLE", "true") // what comes from the cache has no assembly
        .status()?;
    ensure!(status.success(), "{family}: {status}");
    Ok(())
}

/// Prints the rows of a family, or the machine code of one kernel.
fn of_family(family: &str, dtype: Dtype, only: Option<Kernel>) -> Result<()> {
    let gpu = radv::NullGpu::open(family)?;
    if let Some(kernel) = only {
        println!(
            "; {dtype} {kernel} for {family} by {}\n{}",
            gpu.driver,
            gpu.compile(&spirv::write(&kernel, dtype)?)?.assembly
        );
        return Ok(());
    }
    if family == FAMILIES[0] {
        println!(
            "\n| {dtype}, {} | family | registers | spilled | LDS bytes | waves a SIMD | hot block | K loop | share |",
            gpu.driver
        );
        println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    }
    for kernel in KERNELS.iter().filter(|kernel| kernel.suits(false, dtype)) {
        let compiled = gpu.compile(&spirv::write(kernel, dtype)?).with_context(|| format!("{kernel} for {family}"))?;
        let hot = assembly::hot_block(&compiled.assembly).share();
        let whole = assembly::whole_loop(&compiled.assembly)
            .with_context(|| format!("{kernel} for {family}: not one straight K loop, its share cannot be counted"))?;
        let radv::Compiled { registers, spilled, workgroup_bytes, waves, .. } = compiled;
        println!(
            "| {kernel} | {family} | {registers} | {spilled} | {workgroup_bytes} | {waves} | {hot:.3} | {whole} | {:.3} |",
            whole.share()
        );
    }
    Ok(())
}
