//! The kernels: three algorithms in WGSL (`shaders/`), what each type of element is in them (`shaders/types/`), and
//! the tables of tile sizes worth trying: [`KERNELS`] for the plain arithmetic units, [`MATRIX_KERNELS`] for matrix
//! units.

use super::matrix_units::MatrixUnits;
use crate::operands::{Dtype, Order};
use crate::record::Units;
use std::fmt;

/// Elements by which rows and columns of C are padded: every tile of the table divides them.
pub(crate) const PAD_MN: usize = 128;
/// Words (see [`Dtype::elements_in_word`]) by which the inner dimension is padded, likewise.
pub(crate) const PAD_K: usize = 16;
/// The same for matrix units.
pub(crate) const MATRIX_PAD_K: usize = 64;
/// Rows of B that lie together for matrix units: see `shaders/matrix.wgsl`.
pub(crate) const SLICE: usize = 32;

/// Elements by which a row of a tile in workgroup memory is longer, likewise.
const MATRIX_PAD_ROW: u32 = 8;

/// What a thread of a GPU can sum up in registers: half of what the largest hardware gives a thread.
const MOST_SUMS_BYTES: usize = 128 * 4;

/// Where a kernel keeps what its threads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// Tiles of A and B in workgroup memory: `shaders/matmul.wgsl`. `wide` ones keep elements there in the type of
    /// the sums: each is then widened once, not once by every thread that reads it, and read at twice the width.
    Tiled { tile_m: u32, tile_n: u32, tile_k: u32, group: u32, wide: bool },
    /// Nothing but registers and caches: `shaders/direct.wgsl`.
    Direct { lanes: u32 },
    /// Tiles in workgroup memory, `buffers` of each, and cooperative matrices of `edge` × `edge` that subgroups of
    /// `lanes` threads multiply: `shaders/matrix.wgsl`. A thread of the others is a subgroup here.
    Matrix { tile_m: u32, tile_n: u32, tile_k: u32, group: u32, buffers: u32, edge: u32, lanes: u32 },
}

/// One kernel: an algorithm and its constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    algorithm: Algorithm,
    /// The part of C that a thread, or with matrix units a subgroup, sums up in registers.
    thread_m: u32,
    thread_n: u32,
}

const fn tiled(tile_m: u32, tile_n: u32, tile_k: u32, thread_m: u32, thread_n: u32) -> Kernel {
    Kernel { algorithm: Algorithm::Tiled { tile_m, tile_n, tile_k, group: 8, wide: false }, thread_m, thread_n }
}

const fn wide(tile_m: u32, tile_n: u32, tile_k: u32, thread_m: u32, thread_n: u32) -> Kernel {
    Kernel { algorithm: Algorithm::Tiled { tile_m, tile_n, tile_k, group: 8, wide: true }, thread_m, thread_n }
}

const fn direct(thread_m: u32, thread_n: u32) -> Kernel {
    Kernel { algorithm: Algorithm::Direct { lanes: 8 }, thread_m, thread_n }
}

/// How a matrix unit is fed: the edge of its cooperative matrices, and the threads that hold one.
#[derive(Clone, Copy)]
struct Feed {
    edge: u32,
    lanes: u32,
}

const fn matrix(feed: Feed, tile: [u32; 3], part: [u32; 2], buffers: u32) -> Kernel {
    let ([tile_m, tile_n, tile_k], [thread_m, thread_n], Feed { edge, lanes }) = (tile, part, feed);
    Kernel {
        algorithm: Algorithm::Matrix { tile_m, tile_n, tile_k, group: 8, buffers, edge, lanes },
        thread_m,
        thread_n,
    }
}

/// Small ones first: some drivers take long to compile large ones, and the first that works sets the pace.
pub const KERNELS: &[Kernel] = &[
    direct(8, 8),
    direct(8, 16),
    direct(16, 16),
    direct(32, 16),
    tiled(32, 32, 16, 4, 4),
    tiled(64, 64, 16, 4, 4),
    tiled(64, 64, 16, 4, 8),
    tiled(64, 64, 8, 8, 8),
    tiled(128, 64, 8, 8, 8),
    tiled(128, 64, 16, 8, 8),
    tiled(128, 128, 8, 8, 8),
    tiled(128, 128, 16, 8, 8),
    tiled(128, 128, 8, 8, 16),
    tiled(128, 128, 16, 8, 16),
    wide(64, 64, 16, 4, 8),
    wide(128, 64, 16, 8, 8),
    wide(128, 128, 16, 8, 8),
    wide(128, 128, 8, 8, 16),
];

/// NVIDIA, and AMD where its driver takes subgroups of 32.
const WARP: Feed = Feed { edge: 16, lanes: 32 };
/// AMD.
const WAVE: Feed = Feed { edge: 16, lanes: 64 };
/// Apple: Metal's matrices are of 8 × 8.
const SIMDGROUP: Feed = Feed { edge: 8, lanes: 32 };
/// Mesa's software driver, whose subgroup is a vector of the CPU: here for tests.
const VECTOR: Feed = Feed { edge: 8, lanes: 8 };

/// The same for matrix units. A subgroup of 64 threads has twice the registers of one of 32, so its part may be larger.
pub const MATRIX_KERNELS: &[Kernel] = &[
    matrix(VECTOR, [32, 32, 32], [32, 32], 1),
    matrix(VECTOR, [64, 64, 32], [32, 32], 1),
    matrix(VECTOR, [64, 64, 32], [32, 32], 2),
    matrix(VECTOR, [64, 128, 64], [32, 64], 1),
    matrix(SIMDGROUP, [32, 32, 32], [16, 16], 1),
    matrix(SIMDGROUP, [64, 64, 32], [32, 32], 1),
    matrix(SIMDGROUP, [64, 64, 32], [32, 32], 2),
    matrix(SIMDGROUP, [64, 64, 32], [32, 64], 1),
    matrix(SIMDGROUP, [128, 64, 32], [32, 64], 1),
    matrix(WARP, [64, 64, 32], [32, 32], 1),
    matrix(WARP, [64, 64, 32], [32, 32], 2),
    matrix(WARP, [128, 64, 32], [64, 32], 2),
    matrix(WARP, [128, 128, 32], [64, 32], 1),
    matrix(WARP, [128, 128, 32], [64, 32], 2),
    matrix(WARP, [128, 128, 64], [32, 32], 1),
    matrix(WARP, [128, 128, 64], [64, 32], 1),
    matrix(WARP, [128, 128, 32], [64, 64], 1),
    matrix(WARP, [128, 128, 32], [64, 64], 2),
    matrix(WARP, [128, 128, 64], [64, 64], 1),
    matrix(WAVE, [64, 64, 32], [32, 32], 1),
    matrix(WAVE, [64, 64, 32], [32, 32], 2),
    matrix(WAVE, [128, 64, 32], [64, 32], 2),
    matrix(WAVE, [128, 128, 32], [64, 32], 1),
    matrix(WAVE, [128, 128, 32], [64, 64], 1),
    matrix(WAVE, [128, 128, 32], [64, 64], 2),
    matrix(WAVE, [128, 128, 64], [64, 64], 1),
];

/// `128x128x8/8x8` is a tile of 128 × 128, 8 deep, of which a thread makes 8 × 8; in `direct/8x16` it makes 8 × 16;
/// `…/wide` keeps tiles in the type of the sums. In `matrix16w64/128x128x32/64x64` a subgroup of 64 threads makes 64
/// × 64 of a tile by matrices of 16 × 16; `…/2` has two buffers.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Kernel { algorithm, thread_m, thread_n } = self;
        f.pad(&match algorithm {
            Algorithm::Tiled { tile_m, tile_n, tile_k, wide, .. } => {
                let wide = if *wide { "/wide" } else { "" };
                format!("{tile_m}x{tile_n}x{tile_k}/{thread_m}x{thread_n}{wide}")
            }
            Algorithm::Direct { .. } => format!("direct/{thread_m}x{thread_n}"),
            Algorithm::Matrix { tile_m, tile_n, tile_k, buffers, edge, lanes, .. } => {
                let buffers = if *buffers == 1 { "" } else { "/2" };
                format!("matrix{edge}w{lanes}/{tile_m}x{tile_n}x{tile_k}/{thread_m}x{thread_n}{buffers}")
            }
        })
    }
}

impl Kernel {
    /// The kernels for these units.
    pub fn all(units: Units) -> &'static [Kernel] {
        match units {
            Units::Simt => KERNELS,
            Units::Matrix => MATRIX_KERNELS,
        }
    }

    /// The kernel of that name.
    ///
    /// # Errors
    /// None is called so: a sentence that lists the names.
    pub fn named(name: &str) -> Result<Kernel, String> {
        let all = || KERNELS.iter().chain(MATRIX_KERNELS);
        all().copied().find(|kernel| kernel.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = all().map(Kernel::to_string).collect();
            format!("no kernel is called '{name}': choose from {}", names.join(", "))
        })
    }

    /// The units that it multiplies with.
    pub fn units(&self) -> Units {
        match self.algorithm {
            Algorithm::Matrix { .. } => Units::Matrix,
            Algorithm::Tiled { .. } | Algorithm::Direct { .. } => Units::Simt,
        }
    }

    /// The very text that the driver gets: type and constants on top, the algorithm below.
    pub fn wgsl(&self, dtype: Dtype) -> String {
        let Kernel { algorithm, thread_m, thread_n } = *self;
        let part = [("THREAD_M", thread_m), ("THREAD_N", thread_n)];
        // Both that make C of tiles walk them alike: shaders/tiles.wgsl.
        let (constants, body) = match algorithm {
            Algorithm::Tiled { tile_m, tile_n, tile_k, group, .. } => (
                vec![("TILE_M", tile_m), ("TILE_N", tile_n), ("TILE_K", tile_k), ("GROUP", group), part[0], part[1]],
                concat!(include_str!("../../shaders/matmul.wgsl"), "\n", include_str!("../../shaders/tiles.wgsl")),
            ),
            Algorithm::Direct { lanes } => {
                (vec![("LANES", lanes), part[0], part[1]], include_str!("../../shaders/direct.wgsl"))
            }
            Algorithm::Matrix { tile_m, tile_n, tile_k, group, buffers, edge, lanes } => (
                vec![
                    ("TILE_M", tile_m),
                    ("TILE_N", tile_n),
                    ("TILE_K", tile_k),
                    ("GROUP", group),
                    ("PART_M", thread_m),
                    ("PART_N", thread_n),
                    ("BUFFERS", buffers),
                    ("SLICE", SLICE as u32),
                    ("EDGE", edge),
                    ("LANES", lanes),
                ],
                concat!(include_str!("../../shaders/matrix.wgsl"), "\n", include_str!("../../shaders/tiles.wgsl")),
            ),
        };
        let lines: String = constants.iter().map(|(name, value)| format!("const {name} = {value}u;\n")).collect();
        let kept = if self.widens(dtype) { "Sum" } else { "Word" };
        let element = format!("{}\nalias Kept = {kept}; // what workgroup memory keeps of a Word\n", dtype.wgsl());
        match algorithm {
            Algorithm::Matrix { edge, .. } => matrix_head(edge, &element) + &lines + "\n" + body,
            _ => format!("{element}\n{lines}\n{body}"),
        }
    }

    /// Do its tiles keep elements wider than they are stored? Only one type has an element of its own that widens
    /// exactly.
    fn widens(&self, dtype: Dtype) -> bool {
        dtype == Dtype::F16 && matches!(self.algorithm, Algorithm::Tiled { wide: true, .. })
    }

    /// BLAKE3 of [`Kernel::wgsl`].
    pub fn digest(&self, dtype: Dtype) -> String {
        blake3::hash(self.wgsl(dtype).as_bytes()).to_hex().to_string()
    }

    /// Threads in a workgroup.
    pub fn threads(&self) -> u32 {
        match self.algorithm {
            Algorithm::Tiled { tile_m, tile_n, .. } => tile_m / self.thread_m * (tile_n / self.thread_n),
            Algorithm::Direct { lanes } => lanes,
            Algorithm::Matrix { tile_m, tile_n, lanes, .. } => {
                tile_m / self.thread_m * (tile_n / self.thread_n) * lanes
            }
        }
    }

    /// Bytes of workgroup memory.
    pub fn workgroup_bytes(&self, dtype: Dtype) -> u32 {
        match self.algorithm {
            Algorithm::Tiled { tile_m, tile_n, tile_k, .. } => {
                let kept_bytes = if self.widens(dtype) { dtype.sum_bytes() } else { dtype.word_bytes() };
                (tile_m + tile_n) * tile_k * kept_bytes as u32
            }
            Algorithm::Direct { .. } => 0,
            Algorithm::Matrix { tile_m, tile_n, tile_k, buffers, .. } => {
                buffers * (tile_m + tile_n) * (tile_k + MATRIX_PAD_ROW) * dtype.word_bytes() as u32
            }
        }
    }

    /// Rows and columns of C that a workgroup makes.
    fn tile(&self) -> (u32, u32) {
        match self.algorithm {
            Algorithm::Tiled { tile_m, tile_n, .. } | Algorithm::Matrix { tile_m, tile_n, .. } => (tile_m, tile_n),
            Algorithm::Direct { lanes } => (self.thread_m, lanes * self.thread_n),
        }
    }

    /// The order in which a thread multiplies: what the loops of the algorithms say, and compilers need not keep to. Nobody tells in
    /// which order a matrix unit does; for it, this is row by row and column by column.
    pub fn order(&self) -> Order {
        let (rows, columns) = (self.thread_m, self.thread_n);
        let plain = Order {
            rows,
            rows_together: 1,
            row_step: 1,
            columns,
            four_step: 4,
            rows_inside: false,
            depth: 1,
            transposed: false,
        };
        match self.algorithm {
            Algorithm::Tiled { tile_m, tile_n, .. } => Order {
                rows_together: 4,
                row_step: 4 * (tile_m / rows),
                four_step: 4 * (tile_n / columns),
                rows_inside: true,
                ..plain
            },
            Algorithm::Direct { .. } => Order { depth: 4, ..plain },
            Algorithm::Matrix { edge, .. } => Order { rows: edge, columns: edge, ..plain },
        }
    }

    /// Workgroups along x and y for that many rows and the first columns of `all`, padded sizes. Fewer than all columns can be had
    /// of [`PAD_MN`] rows alone: tiles are numbered down the columns of a few rows of tiles (`tile_of` in the shaders), so that
    /// those of the first columns are the first.
    pub(crate) fn workgroups(&self, rows: usize, columns: usize, all: usize) -> (u32, u32) {
        let (tile_m, tile_n) = self.tile();
        let (x, y) = (columns as u32 / tile_n, rows as u32 / tile_m);
        match self.algorithm {
            Algorithm::Tiled { .. } | Algorithm::Matrix { .. } if columns < all => (x * y, 1),
            _ => (x, y),
        }
    }

    /// How long its text becomes once its loops are written out, in multiply-adds: what a compiler's time grows with.
    pub(crate) fn unrolled(&self) -> u32 {
        let depth = match self.algorithm {
            Algorithm::Tiled { tile_k, .. } => tile_k,
            Algorithm::Direct { .. } => 4,
            Algorithm::Matrix { tile_k, edge, .. } => tile_k / (edge * edge),
        };
        self.thread_m * self.thread_n * depth.max(1)
    }

    /// Is the kernel worth a trial on such an adapter? To a CPU workgroup memory is memory like any other: tiled
    /// kernels take several times as long as direct ones there, and many seconds to compile. A GPU has no registers for
    /// 128 sums in f64 a thread: they would take all 256. Such kernels run if they are pinned. Wide ones are others
    /// only where elements widen.
    pub fn suits(&self, software: bool, dtype: Dtype) -> bool {
        let sums_bytes = self.thread_m as usize * self.thread_n as usize * dtype.sum_bytes();
        match self.algorithm {
            Algorithm::Direct { .. } => software,
            Algorithm::Tiled { wide, .. } => {
                !software && sums_bytes <= MOST_SUMS_BYTES && (!wide || self.widens(dtype))
            }
            Algorithm::Matrix { lanes, .. } => dtype == Dtype::F16 && software == (lanes == VECTOR.lanes),
        }
    }

    /// Is the kernel one for such matrix units, or for none?
    pub fn is_for(&self, units: Option<&MatrixUnits>) -> bool {
        match self.algorithm {
            Algorithm::Tiled { .. } | Algorithm::Direct { .. } => units.is_none(),
            Algorithm::Matrix { edge, lanes, .. } => units
                .is_some_and(|units| units.edges.contains(&edge) && (units.lanes.0..=units.lanes.1).contains(&lanes)),
        }
    }

    /// Is there one for such matrix units?
    pub(crate) fn exists_for(units: Option<&MatrixUnits>) -> bool {
        units.is_some() && MATRIX_KERNELS.iter().any(|kernel| kernel.is_for(units))
    }

    /// Can the kernel run on an adapter with these limits? The direct kernels are for software adapters alone: their
    /// workgroups of 8 threads would take a GPU so long that its driver might end them.
    ///
    /// # Errors
    /// What is missing.
    pub fn fits(&self, limits: &wgpu::Limits, software: bool, dtype: Dtype) -> Result<(), String> {
        if matches!(self.algorithm, Algorithm::Direct { .. }) && !software {
            return Err("is for software adapters".into());
        }
        let more = |what: &str, needs: u32, has: u32| Err(format!("needs {needs} {what}, the adapter has {has}"));
        let (bytes, threads) = (self.workgroup_bytes(dtype), self.threads());
        if bytes > limits.max_compute_workgroup_storage_size {
            return more("bytes of workgroup memory", bytes, limits.max_compute_workgroup_storage_size);
        }
        if threads > limits.max_compute_invocations_per_workgroup {
            return more("threads in a workgroup", threads, limits.max_compute_invocations_per_workgroup);
        }
        if threads > limits.max_compute_workgroup_size_x {
            return more("threads in a row", threads, limits.max_compute_workgroup_size_x);
        }
        Ok(())
    }
}

/// What stands on top of `shaders/matrix.wgsl`: the type's aliases, and those of the matrices.
fn matrix_head(edge: u32, element: &str) -> String {
    let role = |name, word, role| format!("alias {name} = coop_mat{edge}x{edge}<{word}, {role}>;\n");
    let matrices = [role("MatrixA", "Word", "A"), role("MatrixB", "Word", "B"), role("MatrixC", "Sum", "C")].concat();
    // Metal loads matrices of 8 × 8, and from scalars alone.
    let stored = match edge {
        8 => include_str!("../../shaders/stored/word.wgsl"),
        _ => include_str!("../../shaders/stored/vec4.wgsl"),
    };
    // The early return for subgroups of another size is taken by all or by none; naga does not know, and this is its
    // one switch for it.
    let directives = "enable wgpu_cooperative_matrix;\ndiagnostic(off, derivative_uniformity);\n";
    format!("{directives}{element}\n{matrices}\n{stored}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_divides_the_padding_and_has_a_name_of_its_own() {
        for (i, kernel) in KERNELS.iter().enumerate() {
            let (m, n) = kernel.tile();
            assert_eq!((PAD_MN as u32 % m, PAD_MN as u32 % n), (0, 0), "{kernel}");
            assert_eq!(Kernel::named(&kernel.to_string()), Ok(*kernel));
            assert!(KERNELS[..i].iter().all(|other| other.to_string() != kernel.to_string()), "{kernel}");
        }
        for (i, kernel) in MATRIX_KERNELS.iter().enumerate() {
            let (m, n) = kernel.tile();
            assert_eq!((PAD_MN as u32 % m, PAD_MN as u32 % n), (0, 0), "{kernel}");
            let Algorithm::Matrix { tile_k, .. } = kernel.algorithm else { panic!("{kernel}") };
            assert_eq!((MATRIX_PAD_K as u32 % tile_k, tile_k % SLICE as u32), (0, 0), "{kernel}");
            assert_eq!(Kernel::named(&kernel.to_string()), Ok(*kernel));
            assert!(MATRIX_KERNELS[..i].iter().all(|other| other.to_string() != kernel.to_string()), "{kernel}");
        }
        let grouped = |kernel: &Kernel| match kernel.algorithm {
            Algorithm::Tiled { tile_m, group, .. } | Algorithm::Matrix { tile_m, group, .. } => {
                PAD_MN as u32 / tile_m <= group
            }
            Algorithm::Direct { .. } => true,
        };
        assert!(KERNELS.iter().chain(MATRIX_KERNELS).all(grouped), "PAD_MN rows are walked down their columns");
        assert!(Kernel::named("8x8").unwrap_err().contains(&KERNELS[0].to_string()));
    }

    #[test]
    fn every_adapter_has_kernels_that_suit_it() {
        let limits = wgpu::Limits::default();
        for (software, dtype) in
            [true, false].into_iter().flat_map(|software| Dtype::ALL.map(|dtype| (software, dtype)))
        {
            let fits = |kernel: &&Kernel| kernel.fits(&limits, software, dtype).is_ok();
            let suitable = KERNELS.iter().filter(|kernel| kernel.suits(software, dtype)).filter(fits);
            assert!(suitable.count() >= 4, "software: {software}, {dtype}");
        }
    }

    #[test]
    fn every_offer_of_matrices_has_kernels_and_no_other_is_met() {
        // What the least of such GPUs has.
        let limits = wgpu::Limits { max_compute_workgroup_storage_size: 32 << 10, ..wgpu::Limits::default() };
        for (edge, lanes) in [(16, (32, 32)), (16, (64, 64)), (16, (32, 64)), (8, (32, 32)), (8, (8, 8))] {
            let units = MatrixUnits { edges: vec![edge], lanes };
            let fits = |kernel: &&Kernel| kernel.fits(&limits, false, Dtype::F16).is_ok();
            let kernels = || MATRIX_KERNELS.iter().filter(|kernel| kernel.is_for(Some(&units)));
            assert!(kernels().filter(fits).count() >= 2, "{units}");
            for kernel in kernels() {
                let Algorithm::Matrix { edge: own, lanes: threads, .. } = kernel.algorithm else { panic!("{kernel}") };
                assert!(own == edge && lanes.0 <= threads && threads <= lanes.1, "{kernel} for {units}");
                assert!(!kernel.is_for(None) && kernel.units() == Units::Matrix, "{kernel}");
            }
            assert!(KERNELS.iter().all(|kernel| !kernel.is_for(Some(&units)) && kernel.is_for(None)));
        }
        let none = MatrixUnits { edges: vec![16], lanes: (16, 16) };
        assert!(!Kernel::exists_for(Some(&none)) && !Kernel::exists_for(None), "four threads of a CPU, say");
        let on_a_gpu = MATRIX_KERNELS.iter().filter(|kernel| kernel.suits(false, Dtype::F16));
        assert!(on_a_gpu.clone().all(|kernel| !kernel.to_string().contains("w8/")) && on_a_gpu.count() > 10);
    }

    #[test]
    fn what_does_not_fit_says_why() {
        let mut limits = wgpu::Limits::default(); // 16 KiB, 256 threads
        let kernel = tiled(128, 128, 16, 8, 8);
        let fits = |kernel: Kernel, limits: &wgpu::Limits, software| kernel.fits(limits, software, Dtype::F32);
        assert_eq!(fits(kernel, &limits, false), Ok(()));
        assert!(kernel.fits(&limits, false, Dtype::F64).unwrap_err().starts_with("needs 32768 bytes"));
        assert_eq!(fits(direct(8, 16), &limits, true), Ok(()));
        assert_eq!(fits(direct(8, 16), &limits, false).unwrap_err(), "is for software adapters");
        limits.max_compute_workgroup_storage_size = 16_000;
        assert_eq!(
            fits(kernel, &limits, false).unwrap_err(),
            "needs 16384 bytes of workgroup memory, the adapter has 16000"
        );
        limits.max_compute_invocations_per_workgroup = 128;
        limits.max_compute_workgroup_storage_size = 1 << 20;
        assert_eq!(fits(kernel, &limits, false).unwrap_err(), "needs 256 threads in a workgroup, the adapter has 128");
    }
}
