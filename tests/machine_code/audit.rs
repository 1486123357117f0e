//! What compilers make of every kernel, on a machine without the GPUs they compile for: the tables of
//! docs/MACHINE_CODE.md.
//!
//!     cargo run --example machine_code                           # the tables, by every compiler
//!     cargo run --example machine_code -- newer f16              # those of one type by one compiler
//!     cargo run --example machine_code -- newer matrix           # those of the matrix units
//!     cargo run --example machine_code -- f16 128x128x16/8x8     # the machine code of one kernel, for every family
//!
//! `system` is the Mesa that is installed here, if that is an old one: its driver RADV compiles for an AMD GPU that
//! is not there when `RADV_FORCE_FAMILY` names it. `newer` is Mesa 26 (tests/new-mesa), whose RADV, NVK (for
//! NVIDIA's GPUs) and Turnip (for Qualcomm's) do so over a stand-in for the kernel. A driver shows one GPU a process, so that each
//! family has a process of its own.

mod assembly;
mod compiler;
mod spirv;

use anyhow::{Context, Result, bail, ensure};
use assembly::{Count, whole_loop};
use compiler::{Compiled, NullGpu};
use std::path::Path;
use std::process::Command;
use wattmul::gpu::kernel::{KERNELS, Kernel, MATRIX_KERNELS};
use wattmul::gpu::matrix_units::MatrixUnits;
use wattmul::operands::Dtype;
use wattmul::record::Units;

/// A compiler that is asked, and the GPUs it compiles for.
struct Mesa {
    name: &'static str,
    gpus: &'static [Gpu],
}

struct Gpu {
    /// As RADV, NVIDIA and Qualcomm call it.
    family: &'static str,
    /// As tests/new-mesa does; empty for the system's Mesa, which takes the family's name.
    driver: &'static str,
    /// Those that its multiply-adds take.
    types: &'static [Dtype],
    matrix: Option<MatrixUnit>,
}

/// A matrix unit's pace and what else a wave does meanwhile, in cycles of one SIMD, or of a quarter of NVIDIA's
/// multiprocessor.
#[derive(Clone, Copy)]
struct MatrixUnit {
    /// That one instruction holds the unit.
    busy: usize,
    /// That another vector instruction of a whole wave takes.
    vector: usize,
    lanes: u32,
}

const fn simt(family: &'static str, driver: &'static str) -> Gpu {
    Gpu { family, driver, types: &Dtype::ALL, matrix: None }
}

/// RDNA 2, RDNA 3, GCN 5 (Vega 20, Radeon VII) and CDNA 2 (MI200, which no Vulkan driver opens, but the compiler
/// knows).
const SYSTEM: Mesa = Mesa {
    name: "system",
    gpus: &[simt("NAVI21", ""), simt("GFX1100", ""), simt("VEGA20", ""), simt("ALDEBARAN", "")],
};

/// RDNA 2 to 4, GCN 5, NVIDIA's Ampere, and Qualcomm's Adreno 740.
///
/// A multiply-add of 16 × 16 × 16 is 8192 operations. A compute unit of RDNA 3 does 512 in a cycle, one of RDNA 4
/// 1024 (AMD, "Using the Matrix Cores of AMD RDNA 4 architecture GPUs"), and has two SIMDs. A wave of 64 takes two
/// cycles for any other vector instruction. A tensor core of GA102 does 64 multiply-adds in a cycle, summed in f32
/// (NVIDIA, "Ampere GA102 GPU Architecture", table 3: 71 TFLOP/s of an RTX 3090's 328 at 1695 MHz), and m16n8k16 are
/// 2048.
const NEWER: Mesa = Mesa {
    name: "newer",
    gpus: &[
        simt("NAVI21", "amd:navi21"),
        Gpu { matrix: Some(MatrixUnit { busy: 32, vector: 2, lanes: 64 }), ..simt("NAVI31", "amd:navi31") },
        Gpu { matrix: Some(MatrixUnit { busy: 16, vector: 2, lanes: 64 }), ..simt("GFX1201", "amd:gfx1201") },
        simt("VEGA20", "amd:vega20"),
        Gpu { matrix: Some(MatrixUnit { busy: 32, vector: 1, lanes: 32 }), ..simt("GA102", "nvidia:172") },
        // It has no f64, and multiplies signed i8 one by one.
        Gpu { types: &[Dtype::F32, Dtype::F16], ..simt("A740", "adreno:740") },
    ],
};

/// Where distributions put the driver's manifest. `VK_DRIVER_FILES` in the environment comes first.
const MANIFEST: &str = "/usr/share/vulkan/icd.d/radeon_icd.x86_64.json";
const NEW_MESA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/new-mesa");
const NEW_MESA_FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/tmp/new-mesa");
/// Names the family to the process that compiles for it.
const FAMILY: &str = "WATTMUL_AUDIT_FAMILY";

/// What one table is about.
#[derive(Clone, Copy, PartialEq)]
enum Table {
    Simt(Dtype),
    Matrix,
}

impl Table {
    fn all() -> impl Iterator<Item = Table> {
        Dtype::ALL.into_iter().map(Table::Simt).chain([Table::Matrix])
    }

    fn name(self) -> &'static str {
        match self {
            Table::Simt(dtype) => dtype.name(),
            Table::Matrix => "matrix",
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Table::Simt(dtype) => dtype,
            Table::Matrix => Dtype::F16,
        }
    }
}

fn main() -> Result<()> {
    let (mut compilers, mut tables, mut kernel) = (vec![SYSTEM, NEWER], Table::all().collect::<Vec<_>>(), None);
    for word in std::env::args().skip(1) {
        if let Some(place) = compilers.iter().position(|mesa| mesa.name == word) {
            compilers = vec![compilers.swap_remove(place)];
        } else if let Some(table) = Table::all().find(|table| table.name() == word) {
            tables = vec![table];
        } else {
            kernel = Some(Kernel::named(&word).map_err(anyhow::Error::msg)?);
        }
    }
    for table in tables {
        for mesa in &compilers {
            for (place, gpu) in mesa.gpus.iter().enumerate() {
                match std::env::var(FAMILY) {
                    Ok(family) if family == gpu.family => of_family(gpu, place == 0, table, kernel)?,
                    Ok(_) => {}
                    Err(_) => in_a_process_of_its_own(mesa, gpu, table, kernel)?,
                }
            }
        }
    }
    Ok(())
}

fn in_a_process_of_its_own(mesa: &Mesa, gpu: &Gpu, table: Table, kernel: Option<Kernel>) -> Result<()> {
    let has = match table {
        Table::Simt(dtype) => gpu.types.contains(&dtype),
        Table::Matrix => gpu.matrix.is_some(),
    };
    if !has {
        return Ok(());
    }
    let this = std::env::current_exe()?;
    let mut command = if gpu.driver.is_empty() {
        let manifest = std::env::var_os("VK_DRIVER_FILES").unwrap_or(MANIFEST.into());
        ensure!(
            Path::new(&manifest).exists(),
            "no {}: install Mesa's Vulkan drivers (sh setup.sh), or say in VK_DRIVER_FILES where RADV's manifest is",
            manifest.display()
        );
        let mut command = Command::new(this);
        command
            .env("RADV_FORCE_FAMILY", gpu.family)
            .env("VK_DRIVER_FILES", &manifest)
            .env("VK_ICD_FILENAMES", &manifest); // loaders before 1.3.207 read this one
        command
    } else {
        let mut command = Command::new(NEW_MESA);
        command.arg(NEW_MESA_FOLDER).arg(gpu.driver).arg(this);
        command
    };
    let status = command
        .args([mesa.name, table.name()])
        .args(kernel.map(|kernel| kernel.to_string()))
        .env(FAMILY, gpu.family)
        .env("MESA_SHADER_CACHE_DISABLE", "true") // what comes from the cache has no assembly
        .status()?;
    ensure!(status.success(), "{} of {}: {status}", gpu.family, mesa.name);
    Ok(())
}

/// Prints the rows of a family, or the machine code of one kernel.
fn of_family(gpu: &Gpu, first: bool, table: Table, kernel: Option<Kernel>) -> Result<()> {
    let null = NullGpu::open(gpu.family)?;
    let dtype = table.dtype();
    let compile = |kernel: &Kernel| {
        let spirv = spirv::write(kernel, dtype)?;
        null.compile(&spirv, kernel.units() == Units::Matrix).with_context(|| format!("{kernel} for {}", gpu.family))
    };
    if let Some(kernel) = kernel {
        println!("; {dtype} {kernel} for {} by {}\n{}", gpu.family, null.driver, compile(&kernel)?.assembly);
        return Ok(());
    }
    let in_loop = |kernel: &Kernel, compiled: &Compiled| {
        whole_loop(&compiled.assembly).with_context(|| {
            format!("{kernel} for {}: not one straight K loop, its share cannot be counted", gpu.family)
        })
    };
    match (table, gpu.matrix) {
        (Table::Simt(_), _) => {
            if first {
                let headings = "family | registers | spilled | LDS bytes | waves a SIMD | K loop | share";
                heading(&format!("{dtype}, {}", version(&null.driver)), headings);
            }
            for kernel in KERNELS.iter().filter(|kernel| kernel.suits(false, dtype)) {
                let compiled = compile(kernel)?;
                let count = in_loop(kernel, &compiled)?;
                println!("{} | {count} | {:.3} |", begin(kernel, gpu, dtype, &compiled), count.share());
            }
        }
        (Table::Matrix, Some(unit)) => {
            if gpu.family == "NAVI31" {
                let headings =
                    "family | registers | spilled | LDS bytes | waves a SIMD | matrix | vector | LDS | other | share";
                heading(&format!("matrix units, {}", version(&null.driver)), headings);
            }
            let offered = MatrixUnits { edges: vec![16], lanes: (unit.lanes, unit.lanes) };
            for kernel in MATRIX_KERNELS.iter().filter(|kernel| kernel.is_for(Some(&offered))) {
                let compiled = compile(kernel)?;
                ensure!(compiled.lanes == unit.lanes, "{kernel}: compiled for subgroups of {}", compiled.lanes);
                let count = in_loop(kernel, &compiled)?;
                let Count { matrix, vector, workgroup, all, .. } = count;
                let vector = vector + count.fmas;
                println!(
                    "{} | {matrix} | {vector} | {workgroup} | {} | {:.3} |",
                    begin(kernel, gpu, dtype, &compiled),
                    all - matrix - vector - workgroup,
                    unit.share(matrix, vector, all),
                );
            }
        }
        (Table::Matrix, None) => bail!("{} has no matrix units", gpu.family),
    }
    Ok(())
}

impl MatrixUnit {
    /// Cycles of a turn of the K loop in which the unit works, if a wave were alone and none of its instructions
    /// overlapped: those that are neither matrix nor vector instructions take one each to be issued.
    fn share(self, matrix: usize, vector: usize, all: usize) -> f64 {
        let busy = matrix * self.busy;
        busy as f64 / (busy + vector * self.vector + (all - matrix - vector)) as f64
    }
}

/// "Mesa 26.1.6" without what a distribution adds.
fn version(driver: &str) -> &str {
    driver.split('-').next().unwrap_or(driver)
}

fn heading(first: &str, others: &str) {
    println!("\n| {first} | {others} |\n|{}", " --- |".repeat(1 + others.split('|').count()));
}

/// The columns that both kinds of tables have.
fn begin(kernel: &Kernel, gpu: &Gpu, dtype: Dtype, compiled: &Compiled) -> String {
    let Compiled { registers, spilled, waves, .. } = compiled;
    format!("| {kernel} | {} | {registers} | {spilled} | {} | {waves}", gpu.family, kernel.workgroup_bytes(dtype))
}
