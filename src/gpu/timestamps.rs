//! When the device worked on what was submitted, by its own clock.

use super::buffers::Buffers;
use crate::protocol::{DeviceSpan, GpuError};

/// Timestamps of submissions, kept on the device until the queue is empty: reading them in between would disturb it, and
/// some drivers return zeros when they are resolved in the submission that wrote them.
pub(crate) struct Timestamps {
    tick_s: f64,
    sets: Vec<wgpu::QuerySet>,
    /// Submissions since the last [`Timestamps::take`].
    count: usize,
}

/// Two timestamps a submission.
const SUBMISSIONS_PER_SET: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

impl Timestamps {
    /// For a device of which a tick takes so many seconds.
    pub fn new(tick_s: f64) -> Self {
        Timestamps { tick_s, sets: vec![], count: 0 }
    }

    /// What the next submission writes its beginning and its end into.
    pub fn next(&mut self, device: &wgpu::Device) -> wgpu::ComputePassTimestampWrites<'_> {
        let (set, slot) = (self.count / SUBMISSIONS_PER_SET, (self.count % SUBMISSIONS_PER_SET) as u32);
        self.count += 1;
        if set == self.sets.len() {
            self.sets.push(device.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: wgpu::QUERY_SET_MAX_QUERIES,
            }));
        }
        wgpu::ComputePassTimestampWrites {
            query_set: &self.sets[set],
            beginning_of_pass_write_index: Some(2 * slot),
            end_of_pass_write_index: Some(2 * slot + 1),
        }
    }

    /// The spans of all submissions since the last call, in order; None for one whose timestamps make no sense.
    ///
    /// # Errors
    /// The device fails.
    pub fn take(&mut self, buffers: &Buffers) -> Result<Vec<Option<DeviceSpan>>, GpuError> {
        let count = std::mem::take(&mut self.count);
        let device = &buffers.gpu.device;
        let mut spans = Vec::with_capacity(count);
        for set in &self.sets[..count.div_ceil(SUBMISSIONS_PER_SET)] {
            let submissions = (count - spans.len()).min(SUBMISSIONS_PER_SET);
            let bytes = submissions as u64 * 16;
            let buffer = |usage| {
                device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some("timestamps"),
                    size: bytes,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let resolved = buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC);
            let staging = buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ);
            let mut encoder = device.create_command_encoder(&Default::default());
            encoder.resolve_query_set(set, 0..2 * submissions as u32, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, bytes);
            let submission = buffers.gpu.queue.submit([encoder.finish()]);
            let span = |ticks: &[u64]| {
                // A counter that wrapped in between (Intel's has 36 bits), or zeros.
                let sane = ticks[0] != 0 && ticks[1] > ticks[0];
                sane.then(|| DeviceSpan {
                    start_s: ticks[0] as f64 * self.tick_s,
                    end_s: ticks[1] as f64 * self.tick_s,
                })
            };
            let read = |data: &[u8]| bytemuck::pod_collect_to_vec::<u8, u64>(data).chunks_exact(2).map(span).collect();
            let mut read: Vec<_> = buffers.gpu.read(&staging, bytes, submission, read)?;
            spans.append(&mut read);
        }
        Ok(spans)
    }
}
