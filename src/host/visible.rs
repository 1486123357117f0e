//! Which GPUs this process was given. Schedulers and users say so in environment variables, which the vendors' own runtimes
//! obey and Vulkan does not know: without this, every job of a node would measure the node's first GPU.
//!
//! | variable | whose | how it counts |
//! | --- | --- | --- |
//! | `CUDA_VISIBLE_DEVICES` | NVIDIA | indices as nvidia-smi counts, UUIDs or the beginning of one; MIG slices |
//! | `ROCR_VISIBLE_DEVICES` | AMD | indices as ROCm's runtime counts, UUIDs or the beginning of one |
//! | `HIP_VISIBLE_DEVICES` | AMD | indices into what `ROCR_VISIBLE_DEVICES` left |
//! | `GPU_DEVICE_ORDINAL`, `CUDA_VISIBLE_DEVICES` | AMD | as HIP's, where neither of the above is set |
//! | `ZE_AFFINITY_MASK` | Intel | indices by PCI address, `0.1` for a part of a GPU; with `ZE_FLAT_DEVICE_HIERARCHY` other than `COMPOSITE`, parts are counted |
//! | `SLURM_STEP_GPUS`, `SLURM_JOB_GPUS` | Slurm | indices by PCI address among all GPUs of the node |
//!
//! A list ends at the first item that names no GPU: `0,2,-1,1` is 0 and 2, and `-1`, `NoDevFiles` and the empty list are
//! none (CUDA's Programming Guide, "Environment Variables"; ROCR-Runtime, amd_filter_device.cpp). For CUDA, and PyTorch with it, a
//! list is of indices or of UUIDs, ends at the first item of the other kind, and is none as soon as it names a GPU twice. An
//! empty `ZE_AFFINITY_MASK` is no mask (Level Zero's Programming Guide, "Affinity Mask").
//!
//! A vendor's variable counts what the process can see: where Slurm keeps other jobs' GPUs away (`ConstrainDevices`), the
//! vendor's library shows fewer and numbers them anew, and Slurm writes the variable in those numbers. Slurm's own lists stay
//! those of the node (sbatch(1)), so that they are translated.

use crate::record::{AdapterInfo, AdapterType, PciAddress};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// A GPU in the list of its vendor's runtime; its place there is its index.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedGpu {
    /// None for one that does not answer: it has its place all the same.
    pub address: Option<PciAddress>,
    pub uuid: Option<String>,
    pub model: Option<String>,
    /// Parts of it that its runtime can give apart, at least 1.
    pub parts: usize,
}

impl ListedGpu {
    /// One of which nothing is known.
    pub fn unknown() -> Self {
        ListedGpu { address: None, uuid: None, model: None, parts: 1 }
    }

    /// One of which the address alone is known.
    pub fn at(address: PciAddress) -> Self {
        ListedGpu { address: Some(address), ..Self::unknown() }
    }
}

/// A vendor's GPUs in the order in which its runtime counts them, or why there are none.
pub(crate) type GpusOf<'a> = &'a dyn Fn(&str) -> Result<Vec<ListedGpu>, String>;

const NAMES: [&str; 11] = [
    CUDA, "CUDA_DEVICE_ORDER", ROCR, HIP, ORDINAL, MASK, MASK_ORDER, HIERARCHY, "SLURM_STEP_GPUS", "SLURM_JOB_GPUS",
    "SLURM_JOB_ID",
];
const CUDA: &str = "CUDA_VISIBLE_DEVICES";
const ROCR: &str = "ROCR_VISIBLE_DEVICES";
const HIP: &str = "HIP_VISIBLE_DEVICES";
const ORDINAL: &str = "GPU_DEVICE_ORDINAL";
const MASK: &str = "ZE_AFFINITY_MASK";
const MASK_ORDER: &str = "ZE_ENABLE_PCI_ID_DEVICE_ORDER";
const HIERARCHY: &str = "ZE_FLAT_DEVICE_HIERARCHY";

/// The variables that speak of GPUs.
#[derive(Clone, Debug, Default)]
pub struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        Variables::of(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// By the value of each name.
    pub fn of(value: impl Fn(&str) -> Option<String>) -> Self {
        Variables(NAMES.into_iter().filter_map(|name| Some((name, value(name)?))).collect())
    }

    fn get(&self, name: &'static str) -> Option<Said<'_>> {
        self.0.get(name).map(|value| Said { name, value })
    }

    fn in_job(&self) -> bool {
        self.0.contains_key("SLURM_JOB_ID")
    }

    /// Slurm's list for this step, else for this job.
    fn slurm(&self) -> Option<Said<'_>> {
        let list = |name| self.get(name).filter(|said| !said.value.trim().is_empty());
        list("SLURM_STEP_GPUS").or_else(|| list("SLURM_JOB_GPUS"))
    }
}

/// A variable and its value.
#[derive(Clone, Copy)]
struct Said<'a> {
    name: &'static str,
    value: &'a str,
}

impl Said<'_> {
    fn text(&self) -> String {
        format!("{}={}", self.name, self.value)
    }

    fn wrong(&self, wrong: impl Into<String>, fix: &'static str) -> VisibleError {
        VisibleError { said: self.text(), wrong: wrong.into(), fix }
    }
}

/// A variable that cannot be obeyed. Nothing is measured then: it might be another job's GPU.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{said} {wrong}: {fix}")]
pub struct VisibleError {
    /// The variable and its value.
    said: String,
    wrong: String,
    fix: &'static str,
}

/// The GPUs that a variable gives.
#[derive(Clone, Debug, PartialEq)]
struct Given {
    said: String,
    addresses: Vec<PciAddress>,
}

/// What the environment gives to this process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grant {
    /// Of each vendor; None where no variable speaks of it.
    nvidia: Option<Given>,
    amd: Option<Given>,
    intel: Option<Given>,
    /// Slurm's list, if there is one: then what it does not give is another's.
    slurm: Option<String>,
    in_job: bool,
}

/// May this adapter be measured?
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// The environment names it.
    Given(String),
    /// Nothing speaks of it.
    Free,
    /// This is a job of Slurm, and nothing says whether the GPU is the job's.
    Unclear,
    /// It is another's, or hidden.
    Forbidden(String),
}

impl Standing {
    /// May it be taken without being named?
    pub(crate) fn is_allowed(&self) -> bool {
        matches!(self, Standing::Given(_) | Standing::Free)
    }

    /// In words, for people; None where there is nothing to say.
    pub fn why(&self) -> Option<String> {
        match self {
            Standing::Given(said) => Some(format!("allowed by {said}")),
            Standing::Free => None,
            Standing::Unclear => {
                Some("this Slurm job was given no GPU; it is measured only if --adapter names it".into())
            }
            Standing::Forbidden(said) => Some(format!("not allowed by {said}")),
        }
    }
}

/// Why no adapter of this machine may be measured.
#[derive(Debug, Error)]
pub enum GrantError {
    #[error(
        "adapter {index} ({name}) is not given to this process by {said}: allowed {allowed}; ask the scheduler for another GPU, or, if this one is yours, unset the variable"
    )]
    Forbidden { index: usize, name: String, said: String, allowed: String },
    #[error(
        "{said} gives this process {addresses}, which Vulkan does not offer: `wattmul doctor` says what is missing; --adapter names another adapter"
    )]
    NotOffered { said: String, addresses: String },
    #[error(
        "this process may use no GPU of this machine ({why}): ask the scheduler for one (sbatch --gpus=1), or name what is yours with --adapter"
    )]
    NoneGiven { why: String },
}

/// Reads what the environment gives, in terms of the GPUs that are here.
///
/// # Errors
/// A variable speaks of GPUs that cannot be found.
pub fn grant(variables: &Variables, adapters: &[AdapterInfo], gpus_of: GpusOf) -> Result<Grant, VisibleError> {
    let offered = |vendor: &str| adapters.iter().any(|info| info.vendor == vendor && is_gpu(info));
    let slurm = variables.slurm();
    let mut grant = Grant { slurm: slurm.map(|said| said.text()), in_job: variables.in_job(), ..Grant::default() };

    let cuda = variables.get(CUDA);
    let mut absent = vec![];
    let mut shown = |gpus: Result<Vec<ListedGpu>, String>, said: Option<Said>, vendor: &str| match gpus {
        Ok(gpus) if !gpus.is_empty() => Ok(Some(gpus)),
        Ok(_) | Err(_) if said.is_none() && slurm.is_none() => Ok(None),
        other => {
            let why = other.err().unwrap_or_else(|| format!("no GPU of {vendor} is shown"));
            match said.or(slurm) {
                Some(said) if offered(vendor) => {
                    Err(said.wrong(format!("cannot be told from other GPUs ({why})"), LOOK))
                }
                _ => {
                    absent.push(why);
                    Ok(None)
                }
            }
        }
    };
    if (cuda.is_some() || slurm.is_some())
        && let Some(gpus) = shown(gpus_of("NVIDIA"), cuda, "NVIDIA")?
    {
        grant.nvidia = Some(given(variables, cuda, &gpus)?);
    }

    let (rocr, hip) = (variables.get(ROCR), variables.get(HIP));
    // HIP takes CUDA's variable for its own where there is no other; next to NVIDIA's GPUs it is theirs.
    let as_hip = cuda.filter(|_| grant.nvidia.is_none() && offered("AMD"));
    let first = rocr.or(hip).or(variables.get(ORDINAL)).or(as_hip);
    // Slurm sets the variables of all vendors alike unless it is told the vendor (gres.conf, Flags): next to NVIDIA's GPUs,
    // the same words to AMD's runtime are an echo.
    let echo = grant.in_job && grant.nvidia.is_some() && first.is_none_or(|f| cuda.is_some_and(|c| c.value == f.value));
    if !echo
        && (first.is_some() || slurm.is_some())
        && let Some(gpus) = shown(gpus_of("AMD"), first.filter(|_| offered("AMD")), "AMD")?
    {
        let outer = given(variables, first, &gpus)?;
        grant.amd = Some(match (rocr, hip) {
            (Some(_), Some(hip)) => within(&outer, hip, &gpus)?,
            _ => outer,
        });
    }
    let mask = variables.get(MASK).filter(|said| !said.value.trim().is_empty());
    let others = grant.nvidia.is_some() || grant.amd.is_some();
    let echo = grant.in_job
        && others
        && mask.is_none_or(|mask| slurm.is_some() || cuda.is_some_and(|c| c.value == mask.value));
    if !echo
        && (mask.is_some() || slurm.is_some())
        && let Some(gpus) =
            shown(intels(adapters, gpus_of, slurm.is_some()), mask.filter(|_| offered("Intel")), "Intel")?
    {
        grant.intel = Some(given(variables, mask, &gpus)?);
    }
    match slurm {
        Some(said) if grant.nvidia.is_none() && grant.amd.is_none() && grant.intel.is_none() => {
            Err(said.wrong(format!("cannot be told from other GPUs ({})", absent.join("; ")), LOOK))
        }
        _ => Ok(grant),
    }
}

const LOOK: &str = "`wattmul doctor` says what is missing; without a GPU of its own, a job measures the CPU with \
                    --adapter llvmpipe";
const LIST: &str = "`wattmul devices` lists what is here; unset the variable if the whole machine is yours";

/// Intel's GPUs by PCI address: those that the kernel shows this process, and those that are offered. A scheduler's are `cards`:
/// the GPU of a node's processor is not counted with them, and never given in the place of one that cannot be found.
fn intels(adapters: &[AdapterInfo], gpus_of: GpusOf, cards: bool) -> Result<Vec<ListedGpu>, String> {
    let listed = gpus_of("Intel");
    let mut gpus = listed.as_deref().unwrap_or_default().to_vec();
    for address in
        adapters.iter().filter(|info| info.vendor == "Intel" && is_gpu(info)).filter_map(|info| info.pci_address)
    {
        if gpus.iter().all(|gpu| gpu.address != Some(address)) {
            gpus.push(ListedGpu::at(address));
        }
    }
    gpus.sort_by_key(|gpu| gpu.address);
    gpus.retain(|gpu| !cards || gpu.address != Some(PROCESSORS));
    if gpus.is_empty() { listed.and(Ok(gpus)) } else { Ok(gpus) }
}

fn is_gpu(info: &AdapterInfo) -> bool {
    info.kind != AdapterType::Software
}

/// The GPUs of one vendor that the vendor's variable gives, else Slurm's list, and never one that Slurm's list does not give.
fn given(variables: &Variables, said: Option<Said>, gpus: &[ListedGpu]) -> Result<Given, VisibleError> {
    let by_slurm = slurm_places(variables, gpus.len())?;
    let (places, by) = match (said, variables.slurm(), by_slurm) {
        (Some(said), slurm, by_slurm) => {
            check_order(variables, said, gpus)?;
            let places = if said.name == MASK { masked(variables, said, gpus)? } else { places(said, gpus)? };
            if let (Some(slurm), Some(by_slurm)) = (slurm, by_slurm)
                && let Some(&foreign) = places.iter().find(|place| !by_slurm.contains(place))
            {
                let wrong = format!("is {}, which {} does not give", named(&gpus[foreign]), slurm.text());
                return Err(said.wrong(wrong, "unset it, and take what Slurm gives"));
            }
            (places, said)
        }
        (None, Some(slurm), Some(by_slurm)) => (by_slurm, slurm),
        (None, Some(slurm), None) => {
            let count = gpus.len();
            let wrong = format!("counts the node's GPUs, of which {count} are shown here, and not these alone");
            return Err(slurm.wrong(wrong, "set CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES to the GPU's UUID"));
        }
        (None, None, _) => return Ok(Given { said: String::new(), addresses: vec![] }),
    };
    let twice = by.name == CUDA && places.is_empty() && names_twice(by.value);
    let said = by.text() + if twice { " (a list that names a GPU twice gives none)" } else { "" };
    let silent = || by.wrong("names a GPU that does not answer", "ask for another, or have it reset");
    let addresses: Option<Vec<PciAddress>> = places.into_iter().map(|place| gpus[place].address).collect();
    Ok(Given { said, addresses: addresses.ok_or_else(silent)? })
}

fn names_twice(list: &str) -> bool {
    let mut seen = BTreeSet::new();
    !list.split(',').all(|item| seen.insert(item.trim().to_ascii_uppercase()))
}

fn named(gpu: &ListedGpu) -> String {
    gpu.address.map_or("a GPU that does not answer".into(), |address| address.to_string())
}

/// What a second variable leaves of what the first one gives.
fn within(outer: &Given, said: Said, gpus: &[ListedGpu]) -> Result<Given, VisibleError> {
    let of = |address: &PciAddress| gpus.iter().find(|gpu| gpu.address == Some(*address)).cloned();
    let left: Vec<ListedGpu> = outer.addresses.iter().filter_map(of).collect();
    let addresses = places(said, &left)?.into_iter().filter_map(|place| left[place].address).collect();
    Ok(Given { said: format!("{} and {}", outer.said, said.text()), addresses })
}

/// CUDA counts the fastest GPU first unless `CUDA_DEVICE_ORDER` says otherwise; NVML and Slurm count by PCI address. Among
/// GPUs of one model the two agree. Level Zero puts cards before the GPU of the processor, which has the lowest address of all.
fn check_order(variables: &Variables, said: Said, gpus: &[ListedGpu]) -> Result<(), VisibleError> {
    let is = |name, value: &str| variables.get(name).is_some_and(|order| order.value.trim() == value);
    if variables.in_job() {
        return Ok(());
    }
    if said.name == MASK {
        let processors = gpus.iter().filter(|gpu| gpu.address == Some(PROCESSORS)).count();
        if processors == 0 || processors == gpus.len() || is(MASK_ORDER, "1") {
            return Ok(());
        }
        let wrong = "counts the processor's GPU among cards, whose order Level Zero may choose";
        return Err(said.wrong(wrong, "set ZE_ENABLE_PCI_ID_DEVICE_ORDER=1 where it is read, too"));
    }
    let by_index = said.value.split(',').any(|item| item.trim().parse::<u32>().is_ok());
    let mut models = gpus.iter().filter(|gpu| gpu.address.is_some()).map(|gpu| &gpu.model);
    let first = models.next();
    if said.name != CUDA
        || is("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        || !by_index
        || models.all(|model| Some(model) == first)
    {
        return Ok(());
    }
    let wrong = "is an index among GPUs of several models, which CUDA counts by speed and NVML by PCI address";
    Err(said.wrong(wrong, "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or use the GPU's UUID (nvidia-smi -L)"))
}

/// Where the GPU of an Intel processor sits, in all of them.
const PROCESSORS: PciAddress = PciAddress { domain: 0, bus: 0, device: 2, function: 0 };

/// Indices into `gpus` that a vendor's variable names.
fn places(said: Said, gpus: &[ListedGpu]) -> Result<Vec<usize>, VisibleError> {
    let is_uuid = |item: &str| item.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("GPU-"));
    let items: Vec<&str> = said.value.split(',').map(str::trim).collect();
    let cuda = said.name == CUDA;
    let mut places = vec![];
    for item in &items {
        if cuda && is_uuid(item) != is_uuid(items[0]) && !places.is_empty() {
            break;
        }
        match place(item, gpus) {
            Ok(Some(place)) if !places.contains(&place) => places.push(place),
            // CUDA takes a list that names a GPU twice for none.
            Ok(Some(_)) if cuda => return Ok(vec![]),
            // An item that ends the list, or, for ROCm, one that is in it already, which does so too.
            Ok(_) => break,
            // What stands before nonsense counts; nonsense alone gives nothing, and is more likely a mistake.
            Err(_) if !places.is_empty() => break,
            Err(wrong) => return Err(said.wrong(wrong, LIST)),
        }
    }
    Ok(places)
}

/// Indices into `gpus` that Level Zero's mask names. A GPU of which it names some parts only cannot be had: Vulkan has the whole.
fn masked(variables: &Variables, said: Said, gpus: &[ListedGpu]) -> Result<Vec<usize>, VisibleError> {
    let composite = variables.get(HIERARCHY).is_some_and(|said| said.value.trim().eq_ignore_ascii_case("COMPOSITE"));
    let parts = || (0..gpus.len()).flat_map(|gpu| (0..gpus[gpu].parts).map(move |part| (gpu, part)));
    let of = |item: &str| -> Result<Vec<(usize, usize)>, String> {
        let (device, part) = item.split_once('.').map_or((item, None), |(device, part)| (device, Some(part)));
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| "is no list of indices such as 0,1 or 0.1");
        let device = number(device)?;
        let mut named: Vec<(usize, usize)> = match composite {
            true => parts().filter(|(gpu, _)| *gpu == device).collect(),
            false => parts().nth(device).into_iter().collect(),
        };
        if named.is_empty() {
            return Err(format!("names GPU {device}, and {} are shown here, counted from 0", gpus.len()));
        }
        if let Some(part) = part.map(number).transpose()? {
            named =
                named.get(part).map(|&one| vec![one]).ok_or(format!("names a part of GPU {device} that it has not"))?;
        }
        Ok(named)
    };
    let items: Result<Vec<_>, String> = said.value.split(',').map(of).collect();
    let mut named: Vec<(usize, usize)> = items.map_err(|wrong| said.wrong(wrong, LIST))?.concat();
    named.sort_unstable();
    named.dedup();
    let mut places: Vec<usize> = named.iter().map(|(gpu, _)| *gpu).collect();
    places.dedup();
    if named.len() < places.iter().map(|&gpu| gpus[gpu].parts).sum() {
        return Err(said.wrong("gives a part of a GPU, and Vulkan has the whole alone", LIST));
    }
    Ok(places)
}

/// The index that an item names; None if it says that nothing is given.
fn place(item: &str, gpus: &[ListedGpu]) -> Result<Option<usize>, String> {
    let nothing = item.is_empty() || item.eq_ignore_ascii_case("NoDevFiles");
    if nothing || item.parse::<i64>().is_ok_and(|index| index < 0) {
        return Ok(None);
    }
    let upper = item.to_ascii_uppercase();
    if upper.starts_with("MIG-") {
        return Err(format!("names a slice of a GPU ({item}), and Vulkan has no slices"));
    }
    if upper.starts_with("GPU-") && upper.len() > "GPU-".len() {
        let fits =
            |gpu: &ListedGpu| gpu.uuid.as_ref().is_some_and(|uuid| uuid.to_ascii_uppercase().starts_with(&upper));
        let mut fitting = (0..gpus.len()).filter(|&place| fits(&gpus[place]));
        return match (fitting.next(), fitting.next()) {
            (Some(place), None) => Ok(Some(place)),
            (None, _) => Err("names a UUID that no GPU here has".into()),
            (Some(_), Some(_)) => Err("names a UUID that several GPUs here begin with".into()),
        };
    }
    match item.parse::<usize>() {
        Ok(_) if gpus.iter().any(|gpu| gpu.address.is_none()) => {
            Err("is an index, and a GPU here does not answer: only a UUID (nvidia-smi -L) tells the others apart"
                .into())
        }
        Ok(index) if index < gpus.len() => Ok(Some(index)),
        Ok(index) => Err(format!("names GPU {index}, and {} are shown here, counted from 0", gpus.len())),
        Err(_) => Err("is no list of indices or UUIDs".into()),
    }
}

/// Slurm's numbers as indices into the `shown` GPUs. None where the two cannot be brought together, and where Slurm has no
/// list.
fn slurm_places(variables: &Variables, shown: usize) -> Result<Option<Vec<usize>>, VisibleError> {
    let Some(said) = variables.slurm() else { return Ok(None) };
    let wanted = numbers(said)?;
    let job = variables.get("SLURM_JOB_GPUS").filter(|said| !said.value.trim().is_empty()).map(numbers).transpose()?;
    // Where exactly as many are shown as the job, or the step, has, they are those, in order.
    for frame in job.iter().chain([&wanted]).filter(|frame| frame.len() == shown) {
        if let Some(places) = wanted.iter().map(|number| frame.iter().position(|other| other == number)).collect() {
            return Ok(Some(places));
        }
    }
    let in_range = wanted.iter().all(|&number| number < shown);
    Ok((in_range && shown > wanted.len()).then_some(wanted))
}

/// `0,2`, and `0-3` as Slurm abbreviates lists elsewhere; sorted.
fn numbers(said: Said) -> Result<Vec<usize>, VisibleError> {
    const MOST: usize = 1024;
    let range = |item: &str| {
        let (first, last) = item.split_once('-').unwrap_or((item, item));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last && last < MOST).then_some(first..=last)
    };
    let ranges: Option<Vec<_>> = said.value.split(',').map(range).collect();
    let Some(ranges) = ranges else {
        return Err(said.wrong("is no list of GPUs such as 0,2 or 0-3", "do not change Slurm's variables in a job"));
    };
    let mut numbers: Vec<usize> = ranges.into_iter().flatten().collect();
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

impl Grant {
    /// May this adapter be measured, and who says so?
    pub fn standing(&self, info: &AdapterInfo) -> Standing {
        if !is_gpu(info) {
            return Standing::Free;
        }
        let given = match info.vendor.as_str() {
            "NVIDIA" => &self.nvidia,
            "AMD" => &self.amd,
            "Intel" => &self.intel,
            _ => &None,
        };
        match given {
            Some(given) if info.pci_address.is_some_and(|address| given.addresses.contains(&address)) => {
                Standing::Given(given.said.clone())
            }
            Some(given) => Standing::Forbidden(given.said.clone()),
            None => match &self.slurm {
                Some(said) => Standing::Forbidden(said.clone()),
                None if self.in_job && self.speaks().next().is_none() => Standing::Unclear,
                None => Standing::Free,
            },
        }
    }

    /// What variables give, vendor by vendor.
    fn speaks(&self) -> impl Iterator<Item = &Given> {
        self.nvidia.iter().chain(&self.amd).chain(&self.intel)
    }

    /// Every adapter that may be measured without being named, given ones before free ones: GPUs, each once, however many
    /// drivers offer it, or, where there is no GPU at all, the software adapter.
    ///
    /// # Errors
    /// A GPU was given that is not offered, or none may be measured.
    pub fn allowed(&self, adapters: &[AdapterInfo]) -> Result<Vec<usize>, GrantError> {
        let at = |given: bool| {
            let fits = move |info: &AdapterInfo| match self.standing(info) {
                Standing::Given(_) => given,
                Standing::Free => !given && is_gpu(info),
                Standing::Unclear | Standing::Forbidden(_) => false,
            };
            (0..adapters.len()).filter(move |&index| fits(&adapters[index]))
        };
        let named: Vec<usize> = at(true).collect();
        if named.is_empty()
            && let Some(given) = self.speaks().find(|given| !given.addresses.is_empty())
        {
            let addresses = given.addresses.iter().map(|address| address.to_string()).collect::<Vec<_>>().join(", ");
            return Err(GrantError::NotOffered { said: given.said.clone(), addresses });
        }
        let mut allowed: Vec<usize> = named.into_iter().chain(at(false)).collect();
        let mut seen = BTreeSet::new();
        allowed.retain(|&index| adapters[index].pci_address.is_none_or(|address| seen.insert(address)));
        if !allowed.is_empty() {
            return Ok(allowed);
        }
        match adapters.iter().find(|info| is_gpu(info)) {
            Some(gpu) => Err(GrantError::NoneGiven { why: self.standing(gpu).why().unwrap_or_default() }),
            None => Ok((0..adapters.len()).collect()),
        }
    }

    /// May the adapter that was named be measured?
    ///
    /// # Errors
    /// It is another's.
    pub fn check(&self, adapters: &[AdapterInfo], index: usize) -> Result<(), GrantError> {
        let Standing::Forbidden(said) = self.standing(&adapters[index]) else { return Ok(()) };
        let allowed = adapters.iter().enumerate().filter(|(_, info)| self.standing(info).is_allowed());
        let allowed: Vec<String> = allowed.map(|(index, info)| format!("{index} ({})", info.name)).collect();
        let allowed = if allowed.is_empty() { "is none".into() } else { format!("is {}", allowed.join(", ")) };
        Err(GrantError::Forbidden { index, name: adapters[index].name.clone(), said, allowed })
    }
}
