//! The kernels: two algorithms in WGSL (`shaders/`), what each type of element is in them (`shaders/types/`), and the table of
//! tile sizes worth trying.

use crate::operands::Dtype;
use std::fmt;

/// Elements by which rows and columns of C are padded: every tile of the table divides them.
pub(crate) const PAD_MN: usize = 128;
/// Words (see [`Dtype::elements_in_word`]) by which the inner dimension is padded, likewise.
pub(crate) const PAD_K: usize = 16;

/// What a thread of a GPU can sum up in registers: half of what the largest hardware gives a thread.
const MOST_SUMS_BYTES: usize = 128 * 4;

/// Where a kernel keeps what its threads share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    /// Tiles of A and B in workgroup memory: `shaders/matmul.wgsl`.
    Tiled { tile_m: u32, tile_n: u32, tile_k: u32, group: u32 },
    /// Nothing but registers and caches: `shaders/direct.wgsl`.
    Direct { lanes: u32 },
}

/// One kernel: an algorithm and its constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    algorithm: Algorithm,
    thread_m: u32,
    thread_n: u32,
}

const fn tiled(tile_m: u32, tile_n: u32, tile_k: u32, thread_m: u32, thread_n: u32) -> Kernel {
    Kernel { algorithm: Algorithm::Tiled { tile_m, tile_n, tile_k, group: 8 }, thread_m, thread_n }
}

const fn direct(thread_m: u32, thread_n: u32) -> Kernel {
    Kernel { algorithm: Algorithm::Direct { lanes: 8 }, thread_m, thread_n }
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
];

/// `128x128x8/8x8` is a tile of 128 × 128, 8 deep, of which a thread makes 8 × 8; in `direct/8x16` it makes 8 × 16.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Kernel { algorithm, thread_m, thread_n } = self;
        f.pad(&match algorithm {
            Algorithm::Tiled { tile_m, tile_n, tile_k, .. } => {
                format!("{tile_m}x{tile_n}x{tile_k}/{thread_m}x{thread_n}")
            }
            Algorithm::Direct { .. } => format!("direct/{thread_m}x{thread_n}"),
        })
    }
}

impl Kernel {
    /// The kernel of that name.
    ///
    /// # Errors
    /// None is called so: a sentence that lists the names.
    pub fn named(name: &str) -> Result<Kernel, String> {
        KERNELS.iter().copied().find(|kernel| kernel.to_string() == name).ok_or_else(|| {
            let names: Vec<String> = KERNELS.iter().map(Kernel::to_string).collect();
            format!("no kernel is called '{name}': choose from {}", names.join(", "))
        })
    }

    /// The very text that the driver gets: type and constants on top, the algorithm below.
    pub fn wgsl(&self, dtype: Dtype) -> String {
        let Kernel { algorithm, thread_m, thread_n } = self;
        let (constants, body): (Vec<(&str, u32)>, &str) = match *algorithm {
            Algorithm::Tiled { tile_m, tile_n, tile_k, group } => (
                vec![("TILE_M", tile_m), ("TILE_N", tile_n), ("TILE_K", tile_k), ("GROUP", group)],
                include_str!("../../shaders/matmul.wgsl"),
            ),
            Algorithm::Direct { lanes } => (vec![("LANES", lanes)], include_str!("../../shaders/direct.wgsl")),
        };
        let threads = [("THREAD_M", *thread_m), ("THREAD_N", *thread_n)];
        let lines = constants.into_iter().chain(threads).map(|(name, value)| format!("const {name} = {value}u;\n"));
        dtype.wgsl().to_owned() + "\n" + &lines.collect::<String>() + "\n" + body
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
        }
    }

    /// Bytes of workgroup memory.
    pub fn workgroup_bytes(&self, dtype: Dtype) -> u32 {
        match self.algorithm {
            Algorithm::Tiled { tile_m, tile_n, tile_k, .. } => (tile_m + tile_n) * tile_k * dtype.word_bytes() as u32,
            Algorithm::Direct { .. } => 0,
        }
    }

    /// Rows and columns of C that a workgroup makes.
    fn tile(&self) -> (u32, u32) {
        match self.algorithm {
            Algorithm::Tiled { tile_m, tile_n, .. } => (tile_m, tile_n),
            Algorithm::Direct { lanes } => (self.thread_m, lanes * self.thread_n),
        }
    }

    /// Workgroups along x and y for that many rows and columns of C, padded sizes.
    pub(crate) fn workgroups(&self, rows: usize, columns: usize) -> (u32, u32) {
        let (tile_m, tile_n) = self.tile();
        (columns as u32 / tile_n, rows as u32 / tile_m)
    }

    /// Is the kernel worth a trial on such an adapter? To a CPU workgroup memory is memory like any other: tiled kernels take
    /// twice the time of direct ones there, and many seconds to compile. And a GPU has no registers for 128 sums in f64 a thread:
    /// they would take all 256. Such kernels run if they are pinned.
    pub fn suits(&self, software: bool, dtype: Dtype) -> bool {
        let sums_bytes = self.thread_m as usize * self.thread_n as usize * dtype.sum_bytes();
        match self.algorithm {
            Algorithm::Direct { .. } => software,
            Algorithm::Tiled { .. } => !software && sums_bytes <= MOST_SUMS_BYTES,
        }
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
