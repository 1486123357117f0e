//! What lies in the GPU's memory: A and B of every init, one C, and the ways in and out.

use super::adapter::Gpu;
use super::kernel::{MATRIX_PAD_K, PAD_K, PAD_MN, SLICE};
use crate::operands::dtype::with_element;
use crate::operands::matrix::{CHUNK_BYTES, Digest};
use crate::operands::{Dtype, Element, Init, Matrix, Operand, dtype};
use crate::protocol::GpuError;
use crate::record::Units;
use rayon::prelude::*;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Once;
use std::time::Duration;

/// The longest that one piece of work may take before the device counts as hung. Drivers give up earlier.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a run takes besides its matrices: the driver's own, and chunks on their way in and out.
const RESERVE_BYTES: u64 = 256 << 20;

/// Sizes of the padded matrices: A is m × k words, B is k × n words, C is m × n elements, all row-major. A word is what the
/// device multiplies at once: an element, or four i8 that follow each other along k, in A as in B. For matrix units, [`SLICE`]
/// elements of B follow each other so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub dtype: Dtype,
    pub units: Units,
    /// n of the product, without padding.
    pub size: usize,
    /// m and n of the padded matrices.
    pub mn: usize,
    /// k of the padded matrices, in words.
    pub k: usize,
}

impl Shape {
    pub fn new(dtype: Dtype, units: Units, size: usize) -> Self {
        let words = size.div_ceil(dtype.elements_in_word());
        let pad_k = match units {
            Units::Simt => PAD_K,
            Units::Matrix => MATRIX_PAD_K,
        };
        Shape { dtype, units, size, mn: size.next_multiple_of(PAD_MN), k: words.next_multiple_of(pad_k) }
    }

    /// Elements of a column of B that lie side by side.
    fn side_by_side(&self) -> usize {
        match self.units {
            Units::Simt => self.dtype.elements_in_word(),
            Units::Matrix => SLICE,
        }
    }

    /// The largest n whose matrices each fit one buffer and one binding of the adapter.
    pub fn largest(limits: &wgpu::Limits, dtype: Dtype) -> usize {
        // Vulkan and DirectX 12 count a binding's bytes in 31 bits, whatever they report.
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min((1 << 31) - 1);
        // No element of A or B is larger than one of C, and k is padded no further than n.
        let elements = bytes / dtype.sum_bytes() as u64;
        (elements.isqrt() as usize) / PAD_MN * PAD_MN
    }

    /// Bytes that a run with so many inits takes of a device: A and B of each, C, and what goes in and out.
    pub(crate) fn bytes(&self, inits: usize) -> u64 {
        let operands = (self.mn * self.a_row_bytes() + self.k * self.b_row_bytes()) as u64;
        self.c_bytes() + operands * inits as u64 + RESERVE_BYTES
    }

    /// The largest n whose run with so many inits takes no more than these bytes. 0 where none does.
    pub(crate) fn largest_in(bytes: u64, dtype: Dtype, units: Units, inits: usize) -> usize {
        let fits = |size: usize| Shape::new(dtype, units, size).bytes(inits) <= bytes;
        let (mut fit, mut too_large) = (0, 1 << 20); // no device holds as much
        while too_large - fit > 1 {
            let size = (fit + too_large) / 2;
            if fits(size) { fit = size } else { too_large = size }
        }
        fit
    }

    /// Bytes of a row of A.
    pub(crate) fn a_row_bytes(&self) -> usize {
        self.k * self.dtype.word_bytes()
    }

    /// Bytes of a row of B, of words.
    pub(crate) fn b_row_bytes(&self) -> usize {
        self.mn * self.dtype.word_bytes()
    }

    /// Bytes between a column of B and the next one: of one word, or of a slice of them.
    pub(crate) fn b_column_bytes(&self) -> usize {
        match self.units {
            Units::Simt => self.dtype.word_bytes(),
            Units::Matrix => SLICE * self.dtype.word_bytes(),
        }
    }

    /// Bytes of a row of C.
    pub fn c_row_bytes(&self) -> usize {
        self.mn * self.dtype.sum_bytes()
    }

    fn c_bytes(&self) -> u64 {
        (self.mn * self.c_row_bytes()) as u64
    }
}

/// A and B of one init, on the device.
pub struct Operands {
    pub init: Init,
    pub a: wgpu::Buffer,
    pub b: wgpu::Buffer,
    pub uploaded_a: Uploaded,
    pub uploaded_b: Uploaded,
}

/// What a matrix became on its way to the device.
pub struct Uploaded {
    /// BLAKE3 over the elements in their type, as [`Matrix::digest`] in f32.
    pub digest: String,
    /// What the numbers were multiplied by, where the type asks for it.
    pub scale: Option<f64>,
}

/// All matrices of a run, resident at once, so that a switch of init moves no data.
pub struct Buffers {
    pub gpu: Gpu,
    pub shape: Shape,
    pub operands: Vec<Operands>,
    pub c: wgpu::Buffer,
    fill: wgpu::ComputePipeline,
    fill_group: wgpu::BindGroup,
}

impl Buffers {
    /// Allocates everything, for the units that the device was opened for, makes the operands on the CPU and uploads them, a chunk at a time.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::TooLargeNumbers`], or whatever the driver raises meanwhile.
    pub fn new(gpu: Gpu, dtype: Dtype, size: usize, inits: &[Init], seed: u64) -> Result<Self, GpuError> {
        let units = if gpu.matrix_units.is_some() { Units::Matrix } else { Units::Simt };
        let shape = Shape::new(dtype, units, size);
        let storage = wgpu::BufferUsages::STORAGE;
        // C first: it is needed whatever else fits.
        let c = allocate(&gpu, "C", shape.c_bytes(), storage | wgpu::BufferUsages::COPY_SRC)?;
        let empty: Vec<_> = inits
            .iter()
            .map(|&init| {
                let filled = storage | wgpu::BufferUsages::COPY_DST;
                let a = allocate(&gpu, "A", (shape.mn * shape.a_row_bytes()) as u64, filled)?;
                let b = allocate(&gpu, "B", (shape.k * shape.b_row_bytes()) as u64, filled)?;
                Ok((init, a, b))
            })
            .enumerate()
            .map(|(fit, buffers)| match buffers {
                Err(GpuError::OutOfMemory) if fit >= 2 => Err(GpuError::TooManyInits { fit, inits: inits.len() }),
                buffers => buffers,
            })
            .collect::<Result<_, GpuError>>()?;

        let operands = empty
            .into_iter()
            .map(|(init, a, b)| {
                let matrix = |operand| Matrix { init, operand, seed, size };
                let upload = with_element!(dtype, T => upload::<T>);
                let uploaded_a = upload(&gpu, &matrix(Operand::A), &a, shape)?;
                let uploaded_b = upload(&gpu, &matrix(Operand::B), &b, shape)?;
                Ok(Operands { init, a, b, uploaded_a, uploaded_b })
            })
            .collect::<Result<_, GpuError>>()?;

        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("fill"),
            source: wgpu::ShaderSource::Wgsl(fill_wgsl(dtype).into()),
        });
        let fill = gpu.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("fill"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let fill_group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("fill"),
            layout: &fill.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource: c.as_entire_binding() }],
        });
        gpu.check()?;
        Ok(Buffers { gpu, shape, operands, c, fill, fill_group })
    }

    /// Fills C with what no product can hold. Waits until it is done.
    ///
    /// # Errors
    /// Whatever the driver raises.
    pub(crate) fn poison(&self) -> Result<(), GpuError> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.fill);
        pass.set_bind_group(0, &self.fill_group, &[]);
        pass.dispatch_workgroups((self.shape.c_bytes() / 4 / 256).min(4096) as u32, 1, 1);
        drop(pass);
        self.gpu.finish(self.gpu.queue.submit([encoder.finish()]))
    }

    /// Reads `count` rows of C from row `first` on, a chunk at a time; `each` gets the first row's number and the bytes of
    /// the rows, each `shape.mn` elements long. Stops at the first error of `each`.
    ///
    /// # Errors
    /// Whatever the driver raises, or `each` returns.
    pub fn read_rows<E: From<GpuError>>(
        &self,
        first: usize,
        count: usize,
        mut each: impl FnMut(usize, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let row_bytes = self.shape.c_row_bytes();
        let rows_at_once = (CHUNK_BYTES / row_bytes).clamp(1, count.max(1));
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = allocate(&self.gpu, "rows of C", (rows_at_once * row_bytes) as u64, usage)?;
        for start in (first..first + count).step_by(rows_at_once) {
            let rows = rows_at_once.min(first + count - start);
            let bytes = (rows * row_bytes) as u64;
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.c, (start * row_bytes) as u64, &staging, 0, bytes);
            let submission = self.gpu.queue.submit([encoder.finish()]);
            self.gpu.read(&staging, bytes, submission, |data| each(start, data))??;
        }
        Ok(())
    }
}

fn allocate(gpu: &Gpu, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer, GpuError> {
    let out_of_memory = gpu.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size,
        usage,
        mapped_at_creation: false,
    });
    match pollster::block_on(out_of_memory.pop()) {
        Some(_) => Err(GpuError::OutOfMemory),
        None => Ok(buffer),
    }
}

/// Rows of a chunk are a multiple of this, the least common padding of k in elements.
const PAD_ROWS: usize = 64;

/// Makes a matrix in chunks of rows and writes it, padded. Waits after each chunk: the driver's staging memory stays small,
/// and running out of it (which loses the device) is avoided.
fn upload<T: Element>(gpu: &Gpu, matrix: &Matrix, to: &wgpu::Buffer, shape: Shape) -> Result<Uploaded, GpuError> {
    let k = shape.k * shape.dtype.elements_in_word();
    let (rows, stride) = if matrix.operand == Operand::A { (shape.mn, k) } else { (k, shape.mn) };
    let scale = T::scale(matrix);
    let mut digest = Digest::new(matrix.size);
    // Both sizes are multiples of PAD_ROWS, and so is a chunk: no word or slice of B is cut.
    let rows_at_once = (CHUNK_BYTES / size_of::<T>() / stride / PAD_ROWS * PAD_ROWS).max(PAD_ROWS).min(rows);
    let mut chunk = vec![T::zeroed(); rows_at_once * stride];
    for first in (0..rows).step_by(rows_at_once) {
        let chunk = &mut chunk[..rows_at_once.min(rows - first) * stride];
        dtype::rows(matrix, scale, first, stride, chunk);
        digest.update(chunk, stride);
        // f16 ends at 65,504: what is rounded to infinity would end as NaN, and look like a wrong product.
        if chunk.par_iter().any(|element| !element.value().is_finite()) {
            return Err(GpuError::TooLargeNumbers { init: matrix.init.to_string(), dtype: shape.dtype.name() });
        }
        if matrix.operand == Operand::B {
            gather_words(chunk, stride, shape.side_by_side());
        }
        gpu.queue.write_buffer(to, (first * stride * size_of::<T>()) as u64, bytemuck::cast_slice(chunk));
        gpu.finish(gpu.queue.submit([]))?;
    }
    Ok(Uploaded { digest: digest.finish(), scale })
}

/// Turns rows of elements into rows of words: `in_word` elements of one column, which lay a stride apart, come to lie side
/// by side.
fn gather_words<T: Element>(rows: &mut [T], stride: usize, in_word: usize) {
    if in_word == 1 {
        return;
    }
    rows.par_chunks_exact_mut(in_word * stride).for_each(|rows| {
        let elements = rows.to_vec();
        for (column, word) in rows.chunks_exact_mut(in_word).enumerate() {
            for (i, element) in word.iter_mut().enumerate() {
                *element = elements[i * stride + column];
            }
        }
    });
}

/// The shader that poisons C.
fn fill_wgsl(dtype: Dtype) -> String {
    format!("const POISON = {:#x}u;\n\n{}", dtype.poison(), include_str!("../../shaders/fill.wgsl"))
}

impl Gpu {
    /// Does what is written come back? A driver without hardware takes all work, and leaves memory as it was.
    ///
    /// # Errors
    /// [`GpuError::Undone`] where it does not; else as [`Gpu::read`].
    pub(super) fn echoes(&self) -> Result<(), GpuError> {
        const SAID: &[u8; 16] = b"is someone here?";
        let bytes = SAID.len() as u64;
        let written = allocate(self, "echo", bytes, wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST)?;
        let back = allocate(self, "echo", bytes, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST)?;
        self.queue.write_buffer(&written, 0, SAID);
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(&written, 0, &back, 0, bytes);
        let submission = self.queue.submit([encoder.finish()]);
        match self.read(&back, bytes, submission, |data| data == SAID)? {
            true => Ok(()),
            false => Err(GpuError::Undone),
        }
    }

    /// Waits for a submission, and for all before it.
    ///
    /// # Errors
    /// The device was lost, hangs, or raised an error at any time.
    pub fn finish(&self, submission: wgpu::SubmissionIndex) -> Result<(), GpuError> {
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        let Ok(waited) = quietly(|| self.device.poll(wait)) else { return Err(GpuError::Undone) };
        self.check()?;
        match waited {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => Err(GpuError::Stuck(PATIENCE.as_secs())),
            Err(other) => Err(GpuError::Driver(other.to_string())),
        }
    }

    /// Lends the first `bytes` of a mappable buffer to `with`, once `submission` is done.
    ///
    /// # Errors
    /// As [`Gpu::finish`].
    pub fn read<T>(
        &self,
        buffer: &wgpu::Buffer,
        bytes: u64,
        submission: wgpu::SubmissionIndex,
        with: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, GpuError> {
        buffer.map_async(wgpu::MapMode::Read, ..bytes, |_| {}); // an error shows below
        self.finish(submission)?;
        let view = buffer.get_mapped_range(..bytes).map_err(|error| GpuError::Driver(error.to_string()))?;
        let result = with(&view);
        drop(view);
        buffer.unmap();
        Ok(result)
    }
}

/// Runs what may panic, without a word on standard error. wgpu does where a driver says that nothing is left to do and has not done
/// what it was given ("should never be hit", wgpu-core 30), as a driver without hardware does.
fn quietly<T>(run: impl FnOnce() -> T) -> std::thread::Result<T> {
    thread_local! {
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    QUIET.set(true);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_size_fits_and_one_more_does_not() {
        let mut limits = wgpu::Limits { max_storage_buffer_binding_size: 134_217_728, ..Default::default() };
        limits.max_buffer_size = u64::MAX;
        assert_eq!(Dtype::ALL.map(|dtype| Shape::largest(&limits, dtype)), [5760, 5760, 4096, 5760]);
        for (limit, dtype) in
            [134_217_728, u64::MAX].into_iter().flat_map(|limit| Dtype::ALL.map(|dtype| (limit, dtype)))
        {
            limits.max_storage_buffer_binding_size = limit;
            let largest = Shape::largest(&limits, dtype);
            let bytes = |size| {
                let shape = Shape::new(dtype, Units::Simt, size);
                let all =
                    [shape.mn * shape.a_row_bytes(), shape.k * shape.b_row_bytes(), shape.mn * shape.c_row_bytes()];
                all.into_iter().max().unwrap() as u64
            };
            let limit = limit.min((1 << 31) - 1);
            assert!(bytes(largest) <= limit && bytes(largest + 1) > limit, "{dtype} {limit}");
        }
        let largest = Shape::largest(&limits, Dtype::I8) as i64;
        assert!(128 * 128 * largest < -i64::from(i32::MIN), "no sum of i8 products is what C is poisoned with");
    }

    #[test]
    fn the_largest_size_in_a_memory_takes_no_more_than_it() {
        for (dtype, units) in
            Dtype::ALL.map(|dtype| (dtype, Units::Simt)).into_iter().chain([(Dtype::F16, Units::Matrix)])
        {
            for (gigabytes, inits) in [(1, 2), (8, 2), (80, 2), (80, 20), (24, 40)] {
                let bytes = gigabytes * 1_000_000_000;
                let largest = Shape::largest_in(bytes, dtype, units, inits);
                let needs = |size| Shape::new(dtype, units, size).bytes(inits);
                assert!(
                    largest > 0 && needs(largest) <= bytes && needs(largest + 1) > bytes,
                    "{dtype} {gigabytes} {inits}"
                );
            }
        }
        // An atlas of 8192 in f32: twenty pairs and C are 41 matrices of 268 MB.
        assert_eq!(Shape::new(Dtype::F32, Units::Simt, 8192).bytes(20) - RESERVE_BYTES, 41 * 8192 * 8192 * 4);
        assert_eq!(Shape::largest_in(100 << 20, Dtype::F32, Units::Simt, 2), 0, "less than what a driver takes");
    }

    #[test]
    fn words_hold_what_follows_along_k() {
        let mut rows: Vec<i8> = (0..24).collect(); // 8 × 3
        gather_words(&mut rows, 3, 4);
        assert_eq!(rows, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 12, 15, 18, 21, 13, 16, 19, 22, 14, 17, 20, 23]);
        let mut floats = [1.0f32, 2.0, 3.0];
        gather_words(&mut floats, 3, 1);
        assert_eq!(floats, [1.0, 2.0, 3.0]);
    }
}
