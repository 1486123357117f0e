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
use std::sync::mpsc;
use std::time::Duration;
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

/// Some rows and columns of C, and the bind groups (one an init) that show the kernel no others.
pub struct Band {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
    groups: Vec<wgpu::BindGroup>,
}

impl Band {
    /// The part of C that it is, of n × n padded.
    pub(super) fn share(&self, mn: usize) -> f64 {
        self.rows.len() as f64 / mn as f64 * (self.columns.len() as f64 / mn as f64)
    }
}

/// Rows and columns of the submissions of a product of n × n padded that takes so many seconds: bands of rows, equal but for the
/// last, and where a band of the fewest rows is still too long, parts of its columns.
pub(super) fn cut(mn: usize, product_s: f64) -> Vec<(Range<usize>, Range<usize>)> {
    // Of what takes `time_s` as a whole, so many that each takes about SUBMISSION_S.
    let parts = |time_s: f64| -> usize {
        if time_s <= LONGEST_SUBMISSION_S {
            return mn;
        }
        let count = (time_s / SUBMISSION_S).ceil().min(mn as f64) as usize;
        mn.div_ceil(count).next_multiple_of(PAD_MN).min(mn)
    };
    let rows = parts(product_s);
    let columns = if rows == PAD_MN { parts(product_s * rows as f64 / mn as f64) } else { mn };
    let ranges = |length: usize| (0..mn).step_by(length).map(move |first| first..(first + length).min(mn));
    ranges(rows).flat_map(|rows| ranges(columns).map(move |columns| (rows.clone(), columns))).collect()
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

    /// As [`Compiled::new`], but for no longer than that; None for a kernel that is not compiled by then. No driver lets a compilation
    /// be ended: the thread that waits for it is left alone, has a handle of the device of its own, and takes a core of the CPU until
    /// the driver is done.
    ///
    /// # Errors
    /// The device fails.
    pub(super) fn within(
        limit: Duration,
        gpu: &Gpu,
        kernel: Kernel,
        dtype: Dtype,
    ) -> Result<Option<Result<Self, String>>, GpuError> {
        let (sender, receiver) = mpsc::channel();
        let own = gpu.clone();
        let thread = std::thread::Builder::new().name("compile".into()).spawn(move || {
            let _ = sender.send(Compiled::new(&own, kernel, dtype)); // nobody may be waiting any more
        });
        if thread.is_err() {
            return Compiled::new(gpu, kernel, dtype).map(Some); // a machine that has no thread left
        }
        match receiver.recv_timeout(limit) {
            Ok(outcome) => outcome.map(Some),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => Ok(Some(Err("the driver's compiler broke down".into()))),
        }
    }

    /// What binds the kernel to some rows and columns of C: multiples of [`PAD_MN`]. Where they are not all columns, they are of as
    /// many rows alone.
    pub fn band(&self, buffers: &Buffers, rows: Range<usize>, columns: Range<usize>) -> Band {
        let device = &buffers.gpu.device;
        let shape = buffers.shape;
        let sizes = [rows.len() as u32, shape.mn as u32, shape.k as u32, 0];
        let sizes = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("shape"),
            contents: bytemuck::cast_slice(&sizes),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        // PAD_MN rows of at least PAD_K words, or as many columns, are at least 256 bytes: no device asks more of an offset.
        let part = |buffer, offset: usize, end: usize| {
            wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: offset as u64,
                size: wgpu::BufferSize::new((end - offset) as u64),
            })
        };
        let (a_row, c_row) = (shape.a_row_bytes(), shape.c_row_bytes());
        let from_column = |bytes: usize| columns.start * bytes;
        let groups = buffers
            .operands
            .iter()
            .map(|operands| {
                let resources = [
                    part(&operands.a, rows.start * a_row, rows.end * a_row),
                    part(&operands.b, from_column(shape.b_column_bytes()), shape.k * shape.b_row_bytes()),
                    part(&buffers.c, rows.start * c_row + from_column(shape.dtype.sum_bytes()), rows.end * c_row),
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
        Band { rows, columns, groups }
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
        let (x, y) = self.kernel.workgroups(band.rows.len(), band.columns.len(), buffers.shape.mn);
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
        let repeats = ((SUBMISSION_S / product_s) as usize).clamp(1, MOST_REPEATS);
        let bands = cut(buffers.shape.mn, product_s).into_iter();
        Matmul {
            bands: bands.map(|(rows, columns)| compiled.band(&buffers, rows, columns)).collect(),
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
        let products = self.repeats as f64 * band.share(buffers.shape.mn);
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
        let bytes = self.buffers.shape.dtype.sum_bytes();
        let now = self.spot_rows()?;
        let is_right = |band: &Band| {
            let mut rows = now.iter().zip(&self.verified[init]).filter(|((row, _), _)| band.rows.contains(row));
            rows.all(|((_, now), (_, then))| {
                let columns = (band.columns.start * bytes).min(now.len())..(band.columns.end * bytes).min(now.len());
                now[columns.clone()] == then[columns]
            })
        };
        let right = self.bands.iter().take(bands_done).all(is_right);
        self.buffers.poison()?;
        Ok(right && bands_done > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every element once, in submissions that no watchdog ends, on however slow a GPU.
    #[test]
    fn submissions_cover_the_product_and_none_is_long() {
        for (mn, product_s) in [
            (128, 1e-4),
            (128, 1e4),
            (1024, 0.05),
            (10_112, 0.3),
            (10_112, 9.0),
            (23_040, 60.0),
            (23_040, 600.0), // 40 GFLOP/s: a small integrated GPU, of which 128 rows would take 3.3 s
            (23_040, 5000.0),
        ] {
            let bands = cut(mn, product_s);
            let elements: usize = bands.iter().map(|(rows, columns)| rows.len() * columns.len()).sum();
            assert_eq!(elements, mn * mn, "{mn} {product_s}");
            for (rows, columns) in &bands {
                assert!(rows.len() == PAD_MN || columns.len() == mn, "columns are cut of the fewest rows alone");
                assert!([rows.start, rows.end, columns.start, columns.end].iter().all(|edge| edge % PAD_MN == 0));
                let time_s = product_s * (rows.len() * columns.len()) as f64 / (mn * mn) as f64;
                let least = rows.len() == PAD_MN && columns.len() == PAD_MN;
                assert!(time_s <= LONGEST_SUBMISSION_S * 2.0 || least, "{mn} {product_s}: {time_s} s");
            }
            let mut sorted = bands.clone();
            sorted.sort_by_key(|(rows, columns)| (rows.start, columns.start));
            assert_eq!(sorted, bands, "in the order of C");
        }
        assert_eq!(cut(10_112, 0.09), [(0..10_112, 0..10_112)]);
    }
}
