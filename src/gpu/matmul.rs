//! Products, one after the other without a gap: a kernel on the device, cut into submissions of equal length.

use super::adapter::Gpu;
use super::buffers::{Buffers, Shape};
use super::kernel::{Kernel, PAD_MN};
use super::timestamps::Timestamps;
use super::verify::{Expectation, WrongProduct};
use crate::operands::Dtype;
use crate::protocol::{DeviceSpan, GpuError, LONGEST_SUBMISSION_S, MOST_REPEATS, SUBMISSION_S, Workload};
use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use wgpu::util::DeviceExt;

/// Rows of C that are compared with the verified product after each window.
const SPOT_ROWS: usize = 16;

/// A kernel compiled for the device, whatever the size of the matrices.
#[derive(Clone)]
pub struct Compiled {
    pub kernel: Kernel,
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// Some rows of C, and the bind groups (one an init) that show the kernel those rows of A and C alone.
pub struct Band {
    pub(super) rows: Range<usize>,
    groups: Vec<wgpu::BindGroup>,
}

impl Compiled {
    /// Compiles a kernel.
    ///
    /// # Errors
    /// The outer: the device fails. The inner: the kernel does not fit the adapter, or the driver refuses it.
    pub fn new(gpu: &Gpu, kernel: Kernel, dtype: Dtype) -> Result<Result<Self, String>, GpuError> {
        let device = &gpu.device;
        if !kernel.is_for(gpu.matrix_units.as_ref()) {
            return Ok(Err("is for other units, or for matrices that the adapter does not list".into()));
        }
        if let Err(why) = kernel.fits(&device.limits(), gpu.software, dtype) {
            return Ok(Err(why));
        }
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        let compiled = compile(device, kernel, dtype);
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(internal.pop())];
        gpu.check()?;
        Ok(match errors.into_iter().flatten().next() {
            Some(error) => Err(format!("the driver does not compile it: {error}")),
            None => Ok(compiled),
        })
    }

    /// What binds the kernel to some rows of C: multiples of [`PAD_MN`].
    pub fn band(&self, buffers: &Buffers, rows: Range<usize>) -> Band {
        let device = &buffers.gpu.device;
        let shape = buffers.shape;
        let sizes = [rows.len() as u32, shape.mn as u32, shape.k as u32, 0];
        let sizes = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("shape"),
            contents: bytemuck::cast_slice(&sizes),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        // PAD_MN rows of at least PAD_K words: far coarser than any alignment that a device asks of an offset.
        let rows_of = |buffer, row_bytes: usize| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: (rows.start * row_bytes) as u64,
                size: wgpu::BufferSize::new((rows.len() * row_bytes) as u64),
            })
        };
        let groups = buffers
            .operands
            .iter()
            .map(|operands| {
                let resources = [
                    rows_of(&operands.a, shape.a_row_bytes()),
                    operands.b.as_entire_binding(),
                    rows_of(&buffers.c, shape.c_row_bytes()),
                    sizes.as_entire_binding(),
                ];
                let entry = |(i, resource)| wgpu::BindGroupEntry { binding: i as u32, resource };
                let entries: Vec<_> = resources.into_iter().enumerate().map(entry).collect();
                device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(operands.init.name()),
                    layout: &self.layout,
                    entries: &entries,
                })
            })
            .collect();
        Band { rows, groups }
    }

    /// Submits `repeats` products of a band, timed on the device's clock where `timestamps` are given.
    pub fn submit(
        &self,
        buffers: &Buffers,
        band: &Band,
        init: usize,
        repeats: usize,
        timestamps: Option<wgpu::ComputePassTimestampWrites>,
    ) -> wgpu::SubmissionIndex {
        let mut encoder = buffers.gpu.device.create_command_encoder(&Default::default());
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: timestamps });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &band.groups[init], &[]);
        let (x, y) = self.kernel.workgroups(band.rows.len(), buffers.shape.mn);
        for _ in 0..repeats {
            pass.dispatch_workgroups(x, y, 1);
        }
        drop(pass);
        buffers.gpu.queue.submit([encoder.finish()])
    }
}

#[expect(unsafe_code, reason = "shaders of this program alone are compiled without run-time checks")]
fn compile(device: &wgpu::Device, kernel: Kernel, dtype: Dtype) -> Compiled {
    let name = kernel.to_string();
    let source = wgpu::ShaderSource::Wgsl(kernel.wgsl(dtype).into());
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(&name), source };
    // SAFETY: without checks, an index out of bounds or an endless loop would be undefined behaviour. The shaders are
    // this program's own. Every buffer is padded to whole tiles (`Shape`, tested with `kernel::KERNELS`), so that no index
    // leaves its buffer; every loop runs to a constant or to k / TILE_K. Checks would cost what is measured: a bounds check
    // an access, and a counter a loop (one user of wgpu lost a factor of 100 to it).
    let module = unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
    let storage = |binding, read_only| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only },
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        count: None,
    };
    let uniform = wgpu::BindGroupLayoutEntry {
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Uniform,
            has_dynamic_offset: false,
            min_binding_size: None,
        },
        ..storage(3, true)
    };
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("A, B, C, shape"),
        entries: &[storage(0, true), storage(1, true), storage(2, false), uniform],
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(&name),
        layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        })),
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            // Every element of workgroup memory is written before it is read: clearing it would be work for nothing.
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    Compiled { kernel, pipeline, layout }
}

/// Products of every init, at any time up to a few submissions ahead of the device.
pub struct Matmul {
    buffers: Rc<Buffers>,
    compiled: Compiled,
    /// Submission i makes band i mod `bands.len()`, `repeats` times.
    bands: Vec<Band>,
    repeats: usize,
    next_band: usize,
    /// What was submitted and not yet waited for, with the products in it.
    in_flight: VecDeque<(wgpu::SubmissionIndex, f64)>,
    timestamps: Option<Timestamps>,
    /// Rows of the verified products, to the bit: one list an init.
    verified: Vec<Vec<(usize, Vec<u8>)>>,
    /// Bands finished since C was poisoned.
    bands_done: usize,
}

impl Matmul {
    /// Cuts the products into submissions, from the seconds that one product takes.
    pub fn new(buffers: Rc<Buffers>, compiled: Compiled, product_s: f64) -> Self {
        let rows = buffers.shape.mn;
        let repeats = ((SUBMISSION_S / product_s) as usize).clamp(1, MOST_REPEATS);
        let mut band_rows = rows;
        if product_s > LONGEST_SUBMISSION_S {
            let count = (product_s / SUBMISSION_S).ceil() as usize;
            band_rows = rows.div_ceil(count).next_multiple_of(PAD_MN); // equal bands, but for the last
        }
        let bands = (0..rows).step_by(band_rows).map(|first| first..(first + band_rows).min(rows));
        Matmul {
            bands: bands.map(|rows| compiled.band(&buffers, rows)).collect(),
            repeats,
            next_band: 0,
            in_flight: VecDeque::new(),
            timestamps: buffers.gpu.tick_s.map(Timestamps::new),
            verified: vec![],
            bands_done: 0,
            compiled,
            buffers,
        }
    }

    /// The kernel in use.
    pub fn kernel(&self) -> Kernel {
        self.compiled.kernel
    }

    /// Makes one product of every init in a poisoned C and checks it whole, then poisons C again.
    ///
    /// # Errors
    /// The outer: the device fails. The inner: C is not A·B.
    pub fn verify(&mut self, expectations: &[Expectation]) -> Result<Result<(), WrongProduct>, GpuError> {
        self.verified.clear();
        let stride = self.buffers.shape.mn;
        let size = self.buffers.shape.size;
        for (init, expectation) in expectations.iter().enumerate() {
            self.buffers.poison()?;
            for band in &self.bands {
                self.buffers.gpu.finish(self.compiled.submit(&self.buffers, band, init, 1, None))?;
            }
            let checked = self.buffers.read_rows(0, size, |first, rows| Ok(expectation.check(first, rows, stride)?));
            match checked {
                Ok(()) => {}
                Err(CheckError::Gpu(error)) => return Err(error),
                Err(CheckError::Wrong(wrong)) => return Ok(Err(wrong)),
            }
            let rows = self.spot_rows()?;
            self.verified.push(rows);
        }
        self.buffers.poison()?;
        Ok(Ok(()))
    }

    /// A few rows of C as it is now, spread from the first to the last.
    fn spot_rows(&self) -> Result<Vec<(usize, Vec<u8>)>, GpuError> {
        let Shape { dtype, size, .. } = self.buffers.shape;
        let count = SPOT_ROWS.min(size);
        let mut rows = vec![];
        for row in (0..count).map(|i| i * (size - 1) / (count - 1).max(1)) {
            self.buffers.read_rows(row, 1, |_, bytes| {
                rows.push((row, bytes[..size * dtype.sum_bytes()].to_vec()));
                Ok::<_, GpuError>(())
            })?;
        }
        Ok(rows)
    }
}

enum CheckError {
    Gpu(GpuError),
    Wrong(WrongProduct),
}

impl From<GpuError> for CheckError {
    fn from(error: GpuError) -> Self {
        CheckError::Gpu(error)
    }
}

impl From<WrongProduct> for CheckError {
    fn from(wrong: WrongProduct) -> Self {
        CheckError::Wrong(wrong)
    }
}

impl Workload for Matmul {
    fn submit(&mut self, init: usize) -> Result<(), GpuError> {
        let band = &self.bands[self.next_band];
        self.next_band = (self.next_band + 1) % self.bands.len();
        let buffers = &self.buffers;
        let writes = self.timestamps.as_mut().map(|timestamps| timestamps.next(&buffers.gpu.device));
        let submission = self.compiled.submit(buffers, band, init, self.repeats, writes);
        let products = self.repeats as f64 * band.rows.len() as f64 / buffers.shape.mn as f64;
        self.in_flight.push_back((submission, products));
        buffers.gpu.check()
    }

    fn wait(&mut self) -> Result<f64, GpuError> {
        let Some((submission, products)) = self.in_flight.pop_front() else { return Ok(0.0) };
        self.buffers.gpu.finish(submission)?;
        self.bands_done += 1;
        Ok(products)
    }

    fn device_spans(&mut self) -> Result<Vec<Option<DeviceSpan>>, GpuError> {
        match &mut self.timestamps {
            Some(timestamps) => timestamps.take(&self.buffers),
            None => Ok(vec![]),
        }
    }

    fn check_products(&mut self, init: usize) -> Result<bool, GpuError> {
        let bands_done = std::mem::take(&mut self.bands_done);
        self.next_band = 0;
        let written = |row| self.bands.iter().take(bands_done).any(|band| band.rows.contains(&row));
        let now = self.spot_rows()?;
        let right =
            now.iter().zip(&self.verified[init]).filter(|((row, _), _)| written(*row)).all(|(now, then)| now == then);
        self.buffers.poison()?;
        Ok(right && bands_done > 0)
    }
}
