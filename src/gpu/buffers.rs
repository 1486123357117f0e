//! What lies in the GPU's memory: A and B of every init, one C, and the ways in and out.

use super::GpuError;
use super::adapter::Gpu;
use super::kernel::{PAD_K, PAD_MN};
use crate::inputs::{CHUNK_BYTES, Digest, Init, Matrix, Operand};
use std::time::Duration;

/// The longest that one piece of work may take before the device counts as hung. Drivers give up earlier.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sizes of the padded matrices: A is m × k, B is k × n, C is m × n, all row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// n of the product, without padding.
    pub size: usize,
    /// m and n of the padded matrices.
    pub mn: usize,
    /// k of the padded matrices.
    pub k: usize,
}

impl Shape {
    pub fn new(size: usize) -> Self {
        Shape { size, mn: size.next_multiple_of(PAD_MN), k: size.next_multiple_of(PAD_K) }
    }

    /// The largest n whose matrices each fit one buffer and one binding of the adapter.
    pub fn largest(limits: &wgpu::Limits) -> usize {
        // Vulkan and DirectX 12 count a binding's bytes in 31 bits, whatever they report.
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min((1 << 31) - 1);
        let elements = bytes / 4;
        (elements.isqrt() as usize) / PAD_MN * PAD_MN
    }

    fn c_bytes(&self) -> u64 {
        (self.mn * self.mn * 4) as u64
    }
}

/// A and B of one init, on the device.
pub struct Operands {
    pub init: Init,
    pub a: wgpu::Buffer,
    pub b: wgpu::Buffer,
    pub digest_a: String,
    pub digest_b: String,
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
    /// Allocates everything, makes the operands on the CPU and uploads them, a chunk at a time.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], or whatever the driver raises meanwhile.
    pub fn new(gpu: Gpu, size: usize, inits: &[Init], seed: u64) -> Result<Self, GpuError> {
        let shape = Shape::new(size);
        let storage = wgpu::BufferUsages::STORAGE;
        // C first: it is needed whatever else fits.
        let c = allocate(&gpu, "C", shape.c_bytes(), storage | wgpu::BufferUsages::COPY_SRC)?;
        let empty: Vec<_> = inits
            .iter()
            .map(|&init| {
                let a = allocate(&gpu, "A", (shape.mn * shape.k * 4) as u64, storage | wgpu::BufferUsages::COPY_DST)?;
                let b = allocate(&gpu, "B", (shape.k * shape.mn * 4) as u64, storage | wgpu::BufferUsages::COPY_DST)?;
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
                let digest_a = upload(&gpu, &matrix(Operand::A), &a, shape.mn, shape.k)?;
                let digest_b = upload(&gpu, &matrix(Operand::B), &b, shape.k, shape.mn)?;
                Ok(Operands { init, a, b, digest_a, digest_b })
            })
            .collect::<Result<_, GpuError>>()?;

        let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("fill"),
            source: wgpu::ShaderSource::Wgsl(include_str!("../../shaders/fill.wgsl").into()),
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

    /// Fills C with NaN. Waits until it is done.
    ///
    /// # Errors
    /// Whatever the driver raises.
    pub fn poison(&self) -> Result<(), GpuError> {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.fill);
        pass.set_bind_group(0, &self.fill_group, &[]);
        pass.dispatch_workgroups((self.shape.c_bytes() / 4 / 256).min(4096) as u32, 1, 1);
        drop(pass);
        self.gpu.finish(self.gpu.queue.submit([encoder.finish()]))
    }

    /// Reads `count` rows of C from row `first` on, a chunk at a time; `each` gets the first row's number and the rows,
    /// each `shape.mn` elements long. Stops at the first error of `each`.
    ///
    /// # Errors
    /// Whatever the driver raises, or `each` returns.
    pub fn read_rows<E: From<GpuError>>(
        &self,
        first: usize,
        count: usize,
        mut each: impl FnMut(usize, &[f32]) -> Result<(), E>,
    ) -> Result<(), E> {
        let row_bytes = self.shape.mn * 4;
        let rows_at_once = (CHUNK_BYTES / row_bytes).clamp(1, count.max(1));
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        let staging = allocate(&self.gpu, "rows of C", (rows_at_once * row_bytes) as u64, usage)?;
        for start in (first..first + count).step_by(rows_at_once) {
            let rows = rows_at_once.min(first + count - start);
            let bytes = (rows * row_bytes) as u64;
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            encoder.copy_buffer_to_buffer(&self.c, (start * row_bytes) as u64, &staging, 0, bytes);
            let submission = self.gpu.queue.submit([encoder.finish()]);
            self.gpu.read(&staging, bytes, submission, |data| each(start, bytemuck::cast_slice(data)))??;
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

/// Makes a matrix in chunks of rows and writes it, padded to rows × stride. Waits after each chunk: the driver's staging
/// memory stays small, and running out of it (which loses the device) is avoided. Returns the digest.
fn upload(gpu: &Gpu, matrix: &Matrix, to: &wgpu::Buffer, rows: usize, stride: usize) -> Result<String, GpuError> {
    let mut digest = Digest::new(matrix.size);
    let rows_at_once = (CHUNK_BYTES / 4 / stride).clamp(1, rows);
    let mut chunk = vec![0.0; rows_at_once * stride];
    for first in (0..rows).step_by(rows_at_once) {
        let chunk = &mut chunk[..rows_at_once.min(rows - first) * stride];
        matrix.rows(first, stride, chunk);
        digest.update(chunk, stride);
        gpu.queue.write_buffer(to, (first * stride * 4) as u64, bytemuck::cast_slice(chunk));
        gpu.finish(gpu.queue.submit([]))?;
    }
    Ok(digest.finish())
}

impl Gpu {
    /// Waits for a submission, and for all before it.
    ///
    /// # Errors
    /// The device was lost, hangs, or raised an error at any time.
    pub fn finish(&self, submission: wgpu::SubmissionIndex) -> Result<(), GpuError> {
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(PATIENCE) };
        let waited = self.device.poll(wait);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_size_fits_and_one_more_does_not() {
        let mut limits = wgpu::Limits { max_storage_buffer_binding_size: 134_217_728, ..Default::default() };
        limits.max_buffer_size = u64::MAX;
        let largest = Shape::largest(&limits);
        assert_eq!(largest, 5760);
        let bytes = |size| Shape::new(size).c_bytes();
        assert!(bytes(largest) <= 134_217_728 && bytes(largest + 1) > 134_217_728);
        limits.max_storage_buffer_binding_size = u64::MAX;
        assert!(bytes(Shape::largest(&limits)) < 1 << 31 && bytes(Shape::largest(&limits) + 1) >= 1 << 31);
    }
}
