//! Mesa's drivers for AMD's, NVIDIA's and Qualcomm's GPUs, without a GPU: they compile for the one that the environment names,
//! and tell what they made.

use anyhow::{Context, Result};
use ash::vk;
use std::ffi::{CStr, c_char};

/// What the driver says of a compiled kernel.
pub struct Compiled {
    /// Threads that run in step, for which it was compiled.
    pub lanes: u32,
    /// Vector registers a thread.
    pub registers: u64,
    /// Those that did not fit and live in memory.
    pub spilled: u64,
    /// Waves that a SIMD holds at a time, so that one computes while another waits: AMD's of 64 threads, NVIDIA's of
    /// 32, on a quarter of its multiprocessor, Qualcomm's of 64 or 128, on a core.
    pub waves: u64,
    pub assembly: String,
}

/// A device on which nothing can run.
pub struct NullGpu {
    device: ash::Device,
    properties: ash::khr::pipeline_executable_properties::Device,
    layout: vk::PipelineLayout,
    kind: Kind,
    /// "Mesa 22.3.6", say.
    pub driver: String,
    // Last, so that it is closed last.
    _vulkan: ash::Entry,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// AMD's GPUs whose waves may have 32 lanes.
    Rdna,
    Gcn,
    Nvidia,
    Adreno,
}

/// A device has what wgpu asks for and changes the code: robust buffers, which a driver may not merge accesses to.
#[expect(unsafe_code, reason = "plain Vulkan: wgpu does not hand out machine code")]
impl NullGpu {
    /// The GPU of that family, which the environment has made the driver show.
    pub fn open(family: &str) -> Result<Self> {
        // SAFETY: every structure is built by ash and outlives the call that reads it; every handle is used on the
        // device that made it. What is created here lives as long as the process, which compiles and ends.
        unsafe {
            let vulkan = ash::Entry::load().context("no Vulkan loader: sh setup.sh")?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let instance =
                vulkan.create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None)?;
            let gpus = instance.enumerate_physical_devices()?;
            let gpu = *gpus
                .first()
                .context("the driver shows no GPU: it does not know this family, or has no null hardware")?;

            let mut driver = vk::PhysicalDeviceDriverProperties::default();
            let mut about = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            instance.get_physical_device_properties2(gpu, &mut about);
            let kind = match driver.driver_id {
                vk::DriverId::MESA_RADV if family.starts_with("NAVI") || family.starts_with("GFX1") => Kind::Rdna,
                vk::DriverId::MESA_RADV => Kind::Gcn,
                vk::DriverId::MESA_NVK => Kind::Nvidia,
                vk::DriverId::MESA_TURNIP => Kind::Adreno,
                _ => anyhow::bail!("a driver whose machine code is not understood: {}", text(&driver.driver_name)),
            };

            let queue = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
            let listed = instance.enumerate_device_extension_properties(gpu)?;
            let has = |name: &CStr| listed.iter().any(|listed| listed.extension_name_as_c_str() == Ok(name));
            let matrices = has(ash::khr::cooperative_matrix::NAME);
            let mut extensions =
                vec![ash::khr::pipeline_executable_properties::NAME.as_ptr(), ash::ext::robustness2::NAME.as_ptr()];
            if matrices {
                extensions.push(ash::khr::cooperative_matrix::NAME.as_ptr());
            }
            let mut executable =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let mut memory_model = vk::PhysicalDeviceVulkanMemoryModelFeatures::default()
                .vulkan_memory_model(true)
                .vulkan_memory_model_device_scope(true);
            let mut subgroups = vk::PhysicalDeviceSubgroupSizeControlFeatures::default().subgroup_size_control(true);
            let mut cooperative = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
            let mut f16 = vk::PhysicalDeviceShaderFloat16Int8Features::default().shader_float16(true);
            let mut storage = vk::PhysicalDevice16BitStorageFeatures::default().storage_buffer16_bit_access(true);
            let mut dot = vk::PhysicalDeviceShaderIntegerDotProductFeatures::default().shader_integer_dot_product(true);
            let f64 = instance.get_physical_device_features(gpu).shader_float64 != vk::FALSE;
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true).shader_float64(f64);
            let mut info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queue)
                .enabled_extension_names(&extensions)
                .enabled_features(&features)
                .push_next(&mut executable)
                .push_next(&mut robust)
                .push_next(&mut memory_model)
                .push_next(&mut f16)
                .push_next(&mut storage)
                .push_next(&mut dot)
                .push_next(&mut subgroups);
            if matrices {
                info = info.push_next(&mut cooperative);
            }
            let device = instance.create_device(gpu, &info, None)?;

            // A, B, C, shape.
            let binding = |(i, kind)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(i)
                    .descriptor_count(1)
                    .descriptor_type(kind)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            };
            let (storage, uniform) = (vk::DescriptorType::STORAGE_BUFFER, vk::DescriptorType::UNIFORM_BUFFER);
            let bindings = [(0, storage), (1, storage), (2, storage), (3, uniform)].map(binding);
            let group = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let groups = [device.create_descriptor_set_layout(&group, None)?];
            let layout =
                device.create_pipeline_layout(&vk::PipelineLayoutCreateInfo::default().set_layouts(&groups), None)?;

            Ok(NullGpu {
                properties: ash::khr::pipeline_executable_properties::Device::new(&instance, &device),
                device,
                layout,
                kind,
                driver: text(&driver.driver_info),
                _vulkan: vulkan,
            })
        }
    }

    /// Compiles a compute shader's `main`, which may use subgroups.
    pub fn compile(&self, spirv: &[u32], subgroups: bool) -> Result<Compiled> {
        // SAFETY: as above. The driver writes at most `data_size` bytes to each text, which is that long.
        unsafe {
            let module = self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(spirv), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .flags(match subgroups {
                    true => vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE, // as wgpu has it
                    false => vk::PipelineShaderStageCreateFlags::empty(),
                })
                .name(c"main");
            let capture = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let create = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(self.layout).flags(capture)];
            let pipelines = self.device.create_compute_pipelines(vk::PipelineCache::null(), &create, None);
            let pipeline = pipelines.map_err(|(_, error)| error).context("the driver does not compile it")?[0];

            let [about] = self
                .properties
                .get_pipeline_executable_properties(&vk::PipelineInfoKHR::default().pipeline(pipeline))?[..]
            else {
                anyhow::bail!("more than one program for one compute shader");
            };
            let which = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            let statistics = self.properties.get_pipeline_executable_statistics(&which)?;
            let value = |name: &str| {
                let statistic = statistics.iter().find(|statistic| text(&statistic.name) == name);
                Ok::<u64, anyhow::Error>(
                    statistic.with_context(|| format!("the driver does not tell '{name}'"))?.value.u64,
                )
            };

            let read = self.properties.fp().get_pipeline_executable_internal_representations_khr;
            let mut count = 0;
            read(self.device.handle(), &which, &mut count, std::ptr::null_mut()).result()?;
            let mut parts = vec![vk::PipelineExecutableInternalRepresentationKHR::default(); count as usize];
            read(self.device.handle(), &which, &mut count, parts.as_mut_ptr()).result()?;
            let mut texts: Vec<Vec<u8>> = parts.iter().map(|part| vec![0; part.data_size]).collect();
            for (part, text) in parts.iter_mut().zip(&mut texts) {
                part.p_data = text.as_mut_ptr().cast();
            }
            read(self.device.handle(), &which, &mut count, parts.as_mut_ptr()).result()?;
            let assembly =
                parts.iter().position(|part| text(&part.name).ends_with("ssembly")).context("no assembly")?;

            let assembly = String::from_utf8_lossy(&texts[assembly]).trim_end_matches('\0').to_owned();
            let lanes = about.subgroup_size;
            Ok(match self.kind {
                Kind::Adreno => Compiled {
                    lanes,
                    registers: value("Registers used")? * 4, // it counts in fours
                    spilled: value("STP Count")?,
                    waves: value("Max Waves Per Core")?,
                    assembly,
                },
                Kind::Nvidia => Compiled {
                    lanes,
                    registers: value("Number of GPRs")?,
                    spilled: value("Spills to memory")?,
                    waves: value("Max warps/SM")? / 4,
                    assembly,
                },
                Kind::Rdna | Kind::Gcn => Compiled {
                    lanes,
                    registers: value("VGPRs")?,
                    spilled: value("Spilled VGPRs")?,
                    // RADV counts RDNA's waves in halves of 64 lanes, however wide they are (`radv_get_max_waves`).
                    waves: value("Subgroups per SIMD")?
                        / if self.kind == Kind::Rdna { u64::from(lanes) / 32 } else { 1 },
                    assembly,
                },
            })
        }
    }
}

fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().map(|&char| char as u8).collect();
    CStr::from_bytes_until_nul(&bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}
