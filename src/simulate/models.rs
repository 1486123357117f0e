//! The simulated boards: what is published of real ones, and a few that are there for what they are not.
//!
//! Where a figure comes from stands next to it, by these names:
//!
//! - *inputs*: the raw data of "Input-Dependent Power Usage in GPUs" (arXiv 2409.18324): power on zeros and on Gaussian numbers, idle
//!   power, clocks, temperatures, heat, and how power wanders, on A100, V100, RTX 6000 and H100.
//! - *meter*: the raw data of Yang, Adamek, Armour (SC24), GPU_Power_Benchmark: what boards showed beside an external meter.
//!
//! The rest is made up within reason; none of it is a measurement of this program.

use super::circuit::Circuit;
use super::fault::Fault;
use super::gpu::{GpuModel, NO_LIMIT_W};
use super::sensor::{CounterModel, SensorModel, Shape};

use crate::protocol::PowerError;
use crate::record::plan::Knob;
use crate::record::{Scope, Units};
use std::fmt::Write;
use thiserror::Error;

/// A simulated board: a GPU, its sensor, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// On the command line.
    pub name: &'static str,
    pub title: &'static str,
    pub vendor: &'static str,
    pub gpu: GpuModel,
    pub sensor: SensorModel,
    pub fault: Option<Fault>,
}

/// Where the watts of most boards go: about as least squares have the A100's in f32 (*inputs*). Others are made up.
const CIRCUIT: Circuit =
    Circuit { ones: 0.25, operands: 0.3, sums: 0.35, changes: 0.05, signs: 0.05, hidden: 0.03, by_column: true };

/// The A100, which the others vary.
const GPU: GpuModel = GpuModel {
    flop_per_s: 15e12,
    clock_mhz: 1410.0,
    idle_clock_mhz: 210.0,
    // 48.8 W at rest, at 36 °C (inputs).
    static_w: 38.5,
    // 1.15 to 1.33 W/K of the same work (inputs).
    leak_w_per_k: 1.24,
    // An open context (meter).
    open_w: 24.0,
    awake_s: 0.0,
    awake_w: 0.0,
    // 196 and 293 W at 69 °C (inputs), less what leaks there.
    zeros_w: 82.0,
    gaussian_w: 179.0,
    circuit: CIRCUIT,
    // Higher than 300 W, so that no init of an atlas meets it.
    limit_w: 340.0,
    room_c: 28.0,
    // 0.17 K/W in 66 s, and 5 to 6 K within the first second (inputs).
    k_per_w: 0.17,
    thermal_s: 66.0,
    chip_k_per_w: 0.025,
    chip_s: 0.4,
    // Means of a second scatter by 0.05 to 0.10 % (inputs): more ripple would show in them.
    ripple: 0.01,
    // 0.2 to 0.4 % after 1.3 s of load (inputs).
    swing: 0.015,
    // Windows of one input scatter by 0.13 to 0.32 %, a straight line taken out, and neighbours alike (inputs).
    wander: 0.0025,
    wander_s: 10.0,
};

/// The A100's.
const NVML: SensorModel = SensorModel {
    api: "simulated NVML",
    scope: Scope::Board,
    // 101.15 to 101.21 ms, in phase for 203 s; it sees 20 to 30 ms, and shows 0.957 P - 1.95 W (meter).
    period_s: 0.1012,
    jitter_s: 0.001,
    shape: Shape::Boxcar,
    average_s: 0.025,
    delay_s: 0.01,
    gain: 0.957,
    offset_w: -1.95,
    noise_w: 0.5,
    quantum_mw: 10.0,
    // Its steps go with the power figures beside them by a correlation of 0.04 to 0.16 only (inputs).
    counter: CounterModel::OfAll,
    quantum_uj: 1000.0,
};

/// Gaming boards: large coolers; heat is made up between the A100's and the RTX 6000's.
const GAMING: GpuModel =
    GpuModel { static_w: 22.0, leak_w_per_k: 0.7, open_w: 15.0, k_per_w: 0.12, thermal_s: 55.0, ..GPU };

/// All boards, without faults.
pub const MODELS: [Model; 15] = [
    Model { name: "a100", title: "A100 PCIe", vendor: "NVIDIA", gpu: GPU, sensor: NVML, fault: None },
    // 299 and 429 W at 40 and 44 °C, 69.4 W at rest, 1.5 W/K (inputs). An open context: 41 W (meter). The counter steps at once,
    // whatever the power figure remembers (meter). Gain and offset are made up.
    Model {
        name: "h100",
        title: "H100 PCIe",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 38e12,
            clock_mhz: 1980.0,
            static_w: 64.0,
            leak_w_per_k: 1.5,
            open_w: 41.0,
            zeros_w: 160.0,
            gaussian_w: 290.0,
            limit_w: 700.0,
            room_c: 22.0,
            k_per_w: 0.055,
            chip_k_per_w: 0.01,
            circuit: Circuit {
                ones: 0.1,
                operands: 0.25,
                sums: 0.25,
                changes: 0.15,
                signs: 0.25,
                hidden: 0.03,
                by_column: true,
            },
            ..GPU
        },
        sensor: SensorModel { period_s: 0.1, gain: 1.03, offset_w: 3.0, noise_w: 1.0, ..NVML },
        fault: None,
    },
    // Measured by this program (results/): 70 W asleep at 34 °C, 120 W awake at 38 °C and 143.5 W at 59.5 °C; zeros 442 W at 56 °C;
    // Gaussian numbers at the limit, 2.7 % slower. It falls asleep 2 s after work, cools by 9 K in 0.1 s and by 19 K in one, and is
    // warm in 20 s. Its law has the circuit's shares. Gain and offset are made up.
    Model {
        name: "h100-sxm",
        title: "H100 SXM",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 43.7e12,
            clock_mhz: 1980.0,
            idle_clock_mhz: 345.0,
            static_w: 65.0,
            leak_w_per_k: 1.1,
            open_w: 0.0,
            awake_s: 2.0,
            awake_w: 46.0,
            zeros_w: 301.0,
            gaussian_w: 564.0,
            limit_w: 698.0,
            room_c: 29.5,
            k_per_w: 0.038,
            thermal_s: 20.0,
            chip_k_per_w: 0.024,
            chip_s: 0.25,
            circuit: Circuit {
                ones: 0.2,
                operands: 0.36,
                sums: 0.33,
                changes: 0.09,
                signs: 0.02,
                hidden: 0.07,
                by_column: true,
            },
            ..GPU
        },
        sensor: SensorModel { period_s: 0.1, gain: 1.03, offset_w: 3.0, noise_w: 1.0, ..NVML },
        fault: None,
    },
    // 203 and 271 W at 60 to 63 °C, 41.6 W at rest, 1.0 to 1.2 W/K (inputs); 16 W of an open context, 20.04 ms, figures that scatter by
    // 3.4 %, in steps of up to 0.49 W (meter). Gain and offset within what SC24 found.
    Model {
        name: "v100",
        title: "V100",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 12.5e12,
            clock_mhz: 1530.0,
            static_w: 34.0,
            leak_w_per_k: 1.1,
            open_w: 16.0,
            zeros_w: 110.0,
            gaussian_w: 178.0,
            limit_w: 300.0,
            room_c: 24.0,
            k_per_w: 0.16,
            circuit: Circuit {
                ones: 0.2,
                operands: 0.3,
                sums: 0.3,
                changes: 0.1,
                signs: 0.1,
                hidden: 0.05,
                by_column: true,
            },
            ..GPU
        },
        sensor: SensorModel {
            period_s: 0.020_04,
            jitter_s: 0.000_2,
            average_s: 0.01,
            gain: 1.02,
            offset_w: -4.0,
            noise_w: 7.0,
            quantum_mw: 490.0,
            ..NVML
        },
        fault: None,
    },
    // 179 and 203 W at 61 °C, 31.5 W at rest, 0.92 W/K, 0.21 K/W in 52 s (inputs); sees 20 ms (meter). The real one's counter reads
    // 10 to 32 % under its power figures, in a sawtooth; this one adds them up.
    Model {
        name: "rtx6000",
        title: "RTX 6000",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 13e12,
            clock_mhz: 1935.0,
            idle_clock_mhz: 300.0,
            static_w: 25.0,
            leak_w_per_k: 0.92,
            open_w: 15.0,
            zeros_w: 99.0,
            gaussian_w: 123.0,
            limit_w: 260.0,
            room_c: 22.0,
            k_per_w: 0.21,
            thermal_s: 52.0,
            circuit: Circuit {
                ones: 0.1,
                operands: 0.3,
                sums: 0.2,
                changes: 0.2,
                signs: 0.2,
                hidden: 0.05,
                by_column: true,
            },
            ..GPU
        },
        sensor: SensorModel {
            average_s: 0.02,
            gain: 0.94,
            offset_w: -5.0,
            noise_w: 1.0,
            counter: CounterModel::OfSamples,
            ..NVML
        },
        fault: None,
    },
    // At its power limit with Gaussian numbers: the difference turns into time. The default field alone, a mean of 1.04 to 1.10 s;
    // 0.951 P - 0.8 W (meter).
    Model {
        name: "rtx3090",
        title: "RTX 3090 at its power limit",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 24e12,
            clock_mhz: 1860.0,
            zeros_w: 220.0,
            gaussian_w: 345.0,
            limit_w: 350.0,
            ..GAMING
        },
        sensor: SensorModel {
            period_s: 0.1,
            average_s: 1.07,
            gain: 0.951,
            offset_w: -0.8,
            counter: CounterModel::None,
            ..NVML
        },
        fault: None,
    },
    // By its instant field: 100 ± 4 ms (meter).
    Model {
        name: "rtx3090i",
        title: "RTX 3090, instant field",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 20e12,
            clock_mhz: 1695.0,
            zeros_w: 180.0,
            gaussian_w: 255.0,
            limit_w: 350.0,
            ..GAMING
        },
        sensor: SensorModel {
            period_s: 0.1,
            jitter_s: 0.004,
            average_s: 0.1,
            gain: 0.951,
            offset_w: -0.8,
            noise_w: 1.0,
            ..NVML
        },
        fault: None,
    },
    // The default field of driver 530 is an instant one, 106 ms, and shows 1.047 P - 21.6 W (meter).
    Model {
        name: "rtx4090",
        title: "RTX 4090 below its power limit",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 55e12,
            clock_mhz: 2730.0,
            zeros_w: 180.0,
            gaussian_w: 280.0,
            limit_w: 450.0,
            k_per_w: 0.1,
            ..GAMING
        },
        sensor: SensorModel { period_s: 0.106, average_s: 0.1, gain: 1.047, offset_w: -21.6, noise_w: 1.0, ..NVML },
        fault: None,
    },
    // 100 ms, a mean of 1.0 to 1.16 s, 0.936 P - 0.95 W (meter).
    Model {
        name: "a5000",
        title: "RTX A5000",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 19e12,
            clock_mhz: 1695.0,
            static_w: 20.0,
            open_w: 12.0,
            zeros_w: 95.0,
            gaussian_w: 150.0,
            limit_w: 230.0,
            k_per_w: 0.2,
            ..GAMING
        },
        sensor: SensorModel {
            period_s: 0.1,
            average_s: 1.08,
            gain: 0.936,
            offset_w: -0.95,
            counter: CounterModel::None,
            ..NVML
        },
        fault: None,
    },
    // A lag of the first order of 50 ms, updates every 16 ms (meter). No counter.
    Model {
        name: "k40m",
        title: "Tesla K40m",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 2.5e12,
            clock_mhz: 745.0,
            idle_clock_mhz: 324.0,
            static_w: 18.0,
            leak_w_per_k: 0.4,
            open_w: 40.0,
            zeros_w: 60.0,
            gaussian_w: 85.0,
            limit_w: 235.0,
            ..GPU
        },
        sensor: SensorModel {
            period_s: 0.016,
            jitter_s: 0.000_5,
            shape: Shape::Lag,
            average_s: 0.05,
            gain: 1.0,
            offset_w: 0.0,
            quantum_mw: 100.0,
            counter: CounterModel::None,
            ..NVML
        },
        fault: None,
    },
    Model {
        name: "mi210",
        title: "MI210",
        vendor: "AMD",
        gpu: GpuModel {
            flop_per_s: 16e12,
            clock_mhz: 1700.0,
            idle_clock_mhz: 800.0,
            static_w: 34.0,
            leak_w_per_k: 0.8,
            open_w: 3.0,
            zeros_w: 110.0,
            gaussian_w: 180.0,
            limit_w: 300.0,
            k_per_w: 0.12,
            circuit: Circuit {
                ones: 0.3,
                operands: 0.4,
                sums: 0.3,
                changes: 0.0,
                signs: 0.0,
                hidden: 0.02,
                by_column: false,
            },
            ..GPU
        },
        sensor: SensorModel {
            api: "simulated ROCm SMI",
            scope: Scope::Gpu,
            period_s: 0.001,
            jitter_s: 0.0,
            shape: Shape::Boxcar,
            average_s: 0.01,
            delay_s: 0.002,
            gain: 1.0,
            offset_w: 0.0,
            noise_w: 1.0,
            quantum_mw: 1000.0,
            counter: CounterModel::OfAll,
            quantum_uj: 15.3,
        },
        fault: None,
    },
    // Whole watts every 2 to 5 ms that scatter by 0.7 W, and no counter (meter: Radeon Pro W7700).
    Model {
        name: "w7700",
        title: "Radeon Pro W7700",
        vendor: "AMD",
        gpu: GpuModel {
            flop_per_s: 20e12,
            clock_mhz: 2600.0,
            idle_clock_mhz: 30.0,
            static_w: 12.0,
            leak_w_per_k: 0.35,
            open_w: 5.0,
            zeros_w: 75.0,
            gaussian_w: 115.0,
            limit_w: 190.0,
            k_per_w: 0.25,
            ..GAMING
        },
        sensor: SensorModel {
            api: "simulated hwmon",
            scope: Scope::Board,
            period_s: 0.003_5,
            jitter_s: 0.001_5,
            average_s: 0.003_5,
            delay_s: 0.002,
            gain: 1.0,
            offset_w: 0.0,
            noise_w: 0.7,
            quantum_mw: 1000.0,
            counter: CounterModel::None,
            ..NVML
        },
        fault: None,
    },
    // The board's queries fail, the module's answer, and so does its counter: GPU, CPU and memory in one. Figures are made up.
    Model {
        name: "gh200",
        title: "GH200 module",
        vendor: "NVIDIA",
        gpu: GpuModel {
            flop_per_s: 42e12,
            clock_mhz: 1980.0,
            static_w: 160.0,
            leak_w_per_k: 1.5,
            open_w: 41.0,
            zeros_w: 180.0,
            gaussian_w: 330.0,
            limit_w: 1000.0,
            room_c: 22.0,
            k_per_w: 0.05,
            chip_k_per_w: 0.01,
            ..GPU
        },
        sensor: SensorModel { scope: Scope::Package, period_s: 0.1, gain: 1.0, offset_w: 0.0, noise_w: 2.0, ..NVML },
        fault: None,
    },
    Model {
        name: "m5",
        title: "Apple M5",
        vendor: "Apple",
        gpu: GpuModel {
            flop_per_s: 3.5e12,
            clock_mhz: 1470.0,
            idle_clock_mhz: 338.0,
            static_w: 0.6,
            leak_w_per_k: 0.005,
            open_w: 0.0,
            zeros_w: 9.0,
            gaussian_w: 15.5,
            swing: 0.0,
            limit_w: NO_LIMIT_W,
            k_per_w: 2.0,
            thermal_s: 40.0,
            chip_k_per_w: 0.2,
            circuit: Circuit {
                ones: 0.0,
                operands: 0.5,
                sums: 0.5,
                changes: 0.0,
                signs: 0.0,
                hidden: 0.01,
                by_column: false,
            },
            ..GPU
        },
        sensor: SensorModel {
            api: "simulated IOReport",
            scope: Scope::Gpu,
            // 2.03 to 2.23 s.
            period_s: 2.13,
            jitter_s: 0.1,
            shape: Shape::Boxcar,
            average_s: 2.13,
            delay_s: 0.0,
            gain: 1.0,
            offset_w: 0.0,
            noise_w: 0.0,
            quantum_mw: 0.0,
            counter: CounterModel::OfAll,
            quantum_uj: 1.0,
        },
        fault: None,
    },
    // The true ratio is 1.
    Model {
        name: "even",
        title: "board that does not care",
        vendor: "nobody",
        gpu: GpuModel { zeros_w: 130.0, gaussian_w: 130.0, limit_w: NO_LIMIT_W, ..GPU },
        sensor: NVML,
        fault: None,
    },
];

/// What differs in a board when its matrix units are at work.
#[derive(Clone, Copy, Debug, PartialEq)]
struct MatrixUnits {
    /// [`Model::name`].
    of: &'static str,
    flop_per_s: f64,
    zeros_w: f64,
    gaussian_w: f64,
    limit_w: f64,
}

/// The boards whose matrix units are simulated: those of which there are figures.
///
/// A100, tensor cores, f16: 184 W on zeros at 1410 MHz; 296 W on Gaussian numbers at 1365 MHz, where the limit of 300 W makes the clock
/// give way (arXiv 2409.18324). The watts here are what is left of these on a board that does both in turns, and is as warm as that
/// makes it; the speed is made up.
const MATRIX_UNITS: [MatrixUnits; 1] =
    [MatrixUnits { of: "a100", flop_per_s: 250e12, zeros_w: 65.1, gaussian_w: 179.8, limit_w: 296.3 }];

/// What of `--simulate` makes no model.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ModelError {
    #[error("no simulated model is called '{0}': choose from {list}, or see --simulate list", list = names())]
    NoModel(String),
    #[error("no parameter or fault is called '{0}': --simulate list shows them")]
    NoField(String),
    #[error("'{field}={value}' is outside {least} to {most}")]
    Outside { field: &'static str, value: String, least: f64, most: f64 },
    #[error(
        "leak_w_per_k and k_per_w together would let the temperature run away, or chip_s is over a quarter of thermal_s: choose \
         one smaller"
    )]
    Runaway,
}

fn names() -> String {
    MODELS.map(|model| model.name).join(", ")
}

type Place = fn(&mut Model) -> &mut f64;

/// The parameters by name, with the least and the most that make sense.
const FIELDS: [(&str, Place, f64, f64); 26] = [
    ("flop_per_s", |model| &mut model.gpu.flop_per_s, 1e6, 1e18),
    ("clock_mhz", |model| &mut model.gpu.clock_mhz, 1.0, 1e5),
    ("static_w", |model| &mut model.gpu.static_w, 0.0, 1e4),
    ("leak_w_per_k", |model| &mut model.gpu.leak_w_per_k, 0.0, 100.0),
    ("open_w", |model| &mut model.gpu.open_w, 0.0, 1e4),
    ("zeros_w", |model| &mut model.gpu.zeros_w, 0.001, 1e4),
    ("gaussian_w", |model| &mut model.gpu.gaussian_w, 0.001, 1e4),
    ("limit_w", |model| &mut model.gpu.limit_w, 1.0, NO_LIMIT_W),
    ("room_c", |model| &mut model.gpu.room_c, -50.0, 100.0),
    ("k_per_w", |model| &mut model.gpu.k_per_w, 0.0001, 100.0),
    ("thermal_s", |model| &mut model.gpu.thermal_s, 0.1, 1e5),
    ("chip_k_per_w", |model| &mut model.gpu.chip_k_per_w, 0.0, 100.0),
    ("chip_s", |model| &mut model.gpu.chip_s, 0.01, 10.0),
    ("ripple", |model| &mut model.gpu.ripple, 0.0, 1.0),
    ("swing", |model| &mut model.gpu.swing, 0.0, 0.5),
    ("wander", |model| &mut model.gpu.wander, 0.0, 0.2),
    ("wander_s", |model| &mut model.gpu.wander_s, 0.1, 1e4),
    ("period_s", |model| &mut model.sensor.period_s, 0.001, 60.0),
    ("jitter_s", |model| &mut model.sensor.jitter_s, 0.0, 30.0),
    ("average_s", |model| &mut model.sensor.average_s, 0.001, 3.0),
    ("delay_s", |model| &mut model.sensor.delay_s, 0.0, 1.0),
    ("gain", |model| &mut model.sensor.gain, 0.01, 100.0),
    ("offset_w", |model| &mut model.sensor.offset_w, -1e4, 1e4),
    ("noise_w", |model| &mut model.sensor.noise_w, 0.0, 1e4),
    ("quantum_mw", |model| &mut model.sensor.quantum_mw, 0.0, 1e6),
    ("quantum_uj", |model| &mut model.sensor.quantum_uj, 1e-3, 1e9),
];

impl std::str::FromStr for Model {
    type Err = ModelError;

    /// A model's name; after it, parted by commas, parameters (`noise_w=3`) and a fault (`drift`).
    fn from_str(text: &str) -> Result<Self, ModelError> {
        let mut parts = text.split(',').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut model =
            *MODELS.iter().find(|model| model.name == name).ok_or_else(|| ModelError::NoModel(name.into()))?;
        for part in parts {
            let Some((field, value)) = part.split_once('=') else {
                let fault = Fault::ALL.into_iter().find(|fault| fault.name() == part);
                model.fault = Some(fault.ok_or_else(|| ModelError::NoField(part.into()))?);
                continue;
            };
            let field = FIELDS.iter().find(|known| known.0 == field);
            let &(field, place, least, most) = field.ok_or_else(|| ModelError::NoField(part.into()))?;
            let number = value.parse().ok().filter(|number| (least..=most).contains(number));
            *place(&mut model) =
                number.ok_or_else(|| ModelError::Outside { field, value: value.into(), least, most })?;
        }
        let GpuModel { leak_w_per_k, k_per_w, chip_k_per_w, chip_s, thermal_s, .. } = model.gpu;
        if leak_w_per_k * (k_per_w + chip_k_per_w) > 0.9 || chip_s > thermal_s / 4.0 {
            return Err(ModelError::Runaway);
        }
        Ok(model)
    }
}

/// The lowest power limit that a board takes, of its own.
const LEAST_LIMIT: f64 = 0.3;
/// Between two clocks at which a board can be held, in MHz.
const CLOCK_STEP: usize = 15;

impl Model {
    fn matrix_units(&self) -> Option<&'static MatrixUnits> {
        MATRIX_UNITS.iter().find(|units| units.of == self.name)
    }

    /// Can `--units matrix` be simulated on it?
    pub fn has_matrix_units(&self) -> bool {
        self.matrix_units().is_some()
    }

    /// The board with these units at work. What the command line made of it stays.
    pub(crate) fn with(mut self, units: Units) -> Self {
        let usual = MODELS.iter().find(|model| model.name == self.name);
        if let (Units::Matrix, Some(matrix), Some(Model { gpu: usual, .. })) = (units, self.matrix_units(), usual) {
            for (field, usual, matrix) in [
                (&mut self.gpu.flop_per_s, usual.flop_per_s, matrix.flop_per_s),
                (&mut self.gpu.zeros_w, usual.zeros_w, matrix.zeros_w),
                (&mut self.gpu.gaussian_w, usual.gaussian_w, matrix.gaussian_w),
                (&mut self.gpu.limit_w, usual.limit_w, matrix.limit_w),
            ] {
                if *field == usual {
                    *field = matrix;
                }
            }
        }
        self
    }

    /// The clocks in MHz at which the board can be held.
    fn supported_clocks(&self) -> Vec<u32> {
        (self.gpu.idle_clock_mhz as u32..=self.gpu.clock_mhz as u32).rev().step_by(CLOCK_STEP).collect()
    }

    /// What a knob of the board can be set to.
    ///
    /// # Errors
    /// It has no power limit.
    pub fn supported(&self, knob: Knob) -> Result<Vec<u32>, PowerError> {
        match knob {
            Knob::Clock => Ok(self.supported_clocks()),
            Knob::PowerLimit if self.gpu.limit_w < NO_LIMIT_W => {
                Ok(((LEAST_LIMIT * self.gpu.limit_w).ceil() as u32..=self.gpu.limit_w as u32).collect())
            }
            Knob::PowerLimit => Err(PowerError::Unsupported {
                what: format!("limiting the power of {}", self.title),
                fix: "choose a model that has a power limit: `wattmul --simulate list` shows all",
            }),
        }
    }

    /// What `--simulate list` prints.
    pub fn list() -> String {
        let mut text = String::from("Models (--simulate NAME):\n");
        for model in MODELS {
            let SensorModel { api, period_s, average_s, counter, .. } = model.sensor;
            let counts = if counter == CounterModel::None { "power" } else { "counter" };
            let name = model.name;
            let _ = writeln!(
                text,
                "  {name:<9} {:<31} {counts} every {period_s} s, sees {average_s} s; {}",
                model.title,
                api.trim_start_matches("simulated ")
            );
        }
        let matrix = MATRIX_UNITS.map(|units| units.of).join(", ");
        let _ = writeln!(text, "With --units matrix: {matrix}");
        text += "\nFaults (--simulate NAME,FAULT):\n";
        for fault in Fault::ALL {
            let _ = writeln!(text, "  {:<16} {}", fault.name(), fault.meaning());
        }
        text += "\nParameters (--simulate NAME,FIELD=VALUE,…), and what they may be:\n";
        for (field, _, least, most) in FIELDS {
            let _ = writeln!(text, "  {field:<16} {least} to {most}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_and_its_parameters_changed() {
        let model: Model = "h100,noise_w=3,drift".parse().unwrap();
        assert_eq!((model.name, model.sensor.noise_w, model.fault), ("h100", 3.0, Some(Fault::Drift)));
        let unknown = "h200".parse::<Model>().unwrap_err().to_string();
        assert!(MODELS.iter().all(|model| unknown.contains(model.name)), "{unknown}");
    }

    #[test]
    fn matrix_units_change_what_the_command_line_did_not() {
        let model: Model = "a100,zeros_w=100,noise_w=3".parse().unwrap();
        let (plain, matrix) = (model.with(Units::Simt), model.with(Units::Matrix));
        assert_eq!(plain, model);
        assert_eq!((matrix.gpu.zeros_w, matrix.sensor, matrix.with(Units::Matrix)), (100.0, model.sensor, matrix));
        assert!(matrix.gpu.flop_per_s > 10.0 * plain.gpu.flop_per_s && matrix.gpu.limit_w < plain.gpu.limit_w);
        assert!(MATRIX_UNITS.iter().all(|units| MODELS.iter().any(|model| model.name == units.of)));
    }

    #[test]
    fn nonsense_is_refused_by_the_name_of_its_field() {
        for (text, named) in [
            ("a100,zeros_w=-1", "zeros_w"),
            ("a100,period_s=0", "period_s"),
            ("a100,gain=NaN", "gain"),
            ("a100,noise_w=inf", "noise_w"),
            ("a100,noise_w=", "noise_w"),
            ("a100,colour=3", "colour"),
            ("a100,gremlins", "gremlins"),
            ("a100,leak_w_per_k=1,k_per_w=50", "k_per_w"),
            ("", "a100"),
        ] {
            let error = text.parse::<Model>().unwrap_err().to_string();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn every_model_is_within_its_own_limits() {
        for model in MODELS {
            let mut model = model;
            for (field, place, least, most) in FIELDS {
                let value = *place(&mut model);
                assert!((least..=most).contains(&value), "{} {field} {value}", model.name);
            }
        }
    }
}
