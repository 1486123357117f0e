//! Which GPUs a process was given, by the variables of every vendor and of Slurm.

use wattmul::host::visible::*;
use wattmul::record::{AdapterInfo, AdapterType, PciAddress};

#[derive(Default)]
struct Shown {
    nvidia: Vec<ListedGpu>,
    amd: Vec<ListedGpu>,
    intel: Vec<ListedGpu>,
}

const CUDA: &str = "CUDA_VISIBLE_DEVICES";
const ROCR: &str = "ROCR_VISIBLE_DEVICES";
const HIP: &str = "HIP_VISIBLE_DEVICES";
const ORDINAL: &str = "GPU_DEVICE_ORDINAL";
const MASK: &str = "ZE_AFFINITY_MASK";
const MASK_ORDER: &str = "ZE_ENABLE_PCI_ID_DEVICE_ORDER";
const HIERARCHY: &str = "ZE_FLAT_DEVICE_HIERARCHY";

impl Shown {
    fn gpus_of(&self, vendor: &str) -> Result<Vec<ListedGpu>, String> {
        let (gpus, library) = match vendor {
            "NVIDIA" => (&self.nvidia, "NVML"),
            "AMD" => (&self.amd, "amdkfd"),
            _ => (&self.intel, "i915"),
        };
        if gpus.is_empty() { Err(format!("{library} is not here")) } else { Ok(gpus.clone()) }
    }
}

const UUIDS: [&str; 4] = [
    "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
    "GPU-8932f937-0000-4106-c12f-20bd9faed9f6",
    "GPU-1a2b3c4d-d72c-4106-c12f-20bd9faed9f6",
    "GPU-ffffffff-d72c-4106-c12f-20bd9faed9f6",
];

fn address(bus: u8) -> PciAddress {
    PciAddress { domain: 0, bus, device: 0, function: 0 }
}

/// GPUs on the buses 1, 2 and so on.
fn gpus(count: u8) -> Vec<ListedGpu> {
    let model = Some("card".to_owned());
    let gpu = |i: u8| ListedGpu {
        uuid: UUIDS.get(usize::from(i)).map(|&u| u.into()),
        model: model.clone(),
        ..ListedGpu::at(address(i + 1))
    };
    (0..count).map(gpu).collect()
}

fn info(vendor: &str, bus: Option<u8>) -> AdapterInfo {
    let kind = if vendor == "Mesa" { AdapterType::Software } else { AdapterType::Discrete };
    AdapterInfo { pci_address: bus.map(address), ..AdapterInfo::new(format!("{vendor} card"), vendor, kind, "vulkan") }
}

fn variables(said: &[(&'static str, &str)]) -> Variables {
    Variables::of(|name| said.iter().find(|said| said.0 == name).map(|said| said.1.to_owned()))
}

/// On a machine with so many GPUs of one vendor, all offered: the buses of those that are given.
fn buses(vendor: &str, count: u8, said: &[(&'static str, &str)]) -> Result<Vec<u8>, String> {
    let offered: Vec<AdapterInfo> = (1..=count).map(|bus| info(vendor, Some(bus))).collect();
    let shown = match vendor {
        "NVIDIA" => Shown { nvidia: gpus(count), ..Shown::default() },
        "AMD" => Shown { amd: gpus(count), ..Shown::default() },
        _ => Shown { intel: gpus(count), ..Shown::default() },
    };
    let grant =
        grant(&variables(said), &offered, &|vendor| shown.gpus_of(vendor)).map_err(|error| error.to_string())?;
    let given = |info: &&AdapterInfo| matches!(grant.standing(info), Standing::Given(_));
    Ok(offered.iter().filter(given).map(|info| info.pci_address.unwrap().bus).collect())
}

#[test]
fn cuda_visible_devices_is_read_as_cuda_reads_it() {
    let given = |value: &str| buses("NVIDIA", 3, &[(CUDA, value)]).unwrap();
    for (value, expected) in [
        ("0", vec![1]),
        ("2", vec![3]),
        ("2,1", vec![2, 3]),
        (" 0 , 2 ", vec![1, 3]),
        ("0,2,-1,1", vec![1, 3]),
        ("0,9,1", vec![1]),
        ("0,x,1", vec![1]),
        ("0,", vec![1]),
        ("1,1,2", vec![]),
        ("0,1,0", vec![]),
        ("0,-1,0", vec![1]),
        ("GPU-1a2b,gpu-1a2b3c4d", vec![]),
        ("", vec![]),
        (" ", vec![]),
        ("-1", vec![]),
        ("-1,0", vec![]),
        ("NoDevFiles", vec![]),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", vec![1]),
        ("gpu-1A2B", vec![3]),
        ("GPU-1", vec![3]),
        ("GPU-8932f937-0", vec![2]),
        ("GPU-1a2b3c4d,0", vec![3]),
        ("GPU-1a2b3c4d,GPU-8932f937-d", vec![1, 3]),
        ("0,GPU-8932f937", vec![1]),
        ("0,GPU-77", vec![1]),
        ("0,MIG-1", vec![1]),
    ] {
        assert_eq!(given(value), expected, "'{value}'");
    }
}

#[test]
fn a_list_that_names_a_gpu_twice_says_why_it_gives_none() {
    let shown = Shown { nvidia: gpus(2), ..Shown::default() };
    let offered = [info("NVIDIA", Some(1)), info("NVIDIA", Some(2))];
    let told = |value: &str| {
        let grant = grant(&variables(&[(CUDA, value)]), &offered, &|vendor| shown.gpus_of(vendor)).unwrap();
        grant.allowed(&offered).unwrap_err().to_string()
    };
    assert!(told("1, 1").contains("CUDA_VISIBLE_DEVICES=1, 1 (a list that names a GPU twice gives none)"));
    assert!(!told("-1,0").contains("twice"));
}

#[test]
fn a_list_that_names_nothing_is_an_error_that_says_what_and_how_to_mend_it() {
    let refused = |value: &str| buses("NVIDIA", 3, &[(CUDA, value)]).unwrap_err();
    for (value, wrong) in [
        ("3", "GPU 3, and 3 are shown"),
        ("99999999999999999999", "no list"),
        ("all", "no list"),
        ("0x1", "no list"),
        ("0-2", "no list"),
        ("GPU-", "no list"),
        ("\u{e9}", "no list"),
        ("GPU-8932f937", "several GPUs"),
        ("GPU-77", "no GPU here has"),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6-1", "no GPU here has"),
        ("MIG-GPU-8932f937-d72c-4106-c12f-20bd9faed9f6/1/0", "slice"),
        ("MIG-41b3359c-e721-56e5-8009-12e5797ed514", "slice"),
    ] {
        let error = refused(value);
        let (said, wrong) = (format!("CUDA_VISIBLE_DEVICES={value} "), wrong);
        assert!(
            error.starts_with(&said) && error.contains(wrong) && error.contains("`wattmul devices` lists what is here"),
            "{error}"
        );
    }
}

#[test]
fn an_index_among_several_models_needs_an_order() {
    let mut mixed = gpus(2);
    mixed[1].model = Some("other card".into());
    let shown = Shown { nvidia: mixed, ..Shown::default() };
    let offered = [info("NVIDIA", Some(1)), info("NVIDIA", Some(2))];
    let grant = |said: &[(&'static str, &str)]| grant(&variables(said), &offered, &|vendor| shown.gpus_of(vendor));
    let error = grant(&[(CUDA, "0")]).unwrap_err().to_string();
    assert!(error.contains("CUDA_DEVICE_ORDER=PCI_BUS_ID") && error.contains("UUID"), "{error}");
    assert!(grant(&[(CUDA, "0"), ("CUDA_DEVICE_ORDER", "FASTEST_FIRST")]).is_err());
    for said in [
        &[(CUDA, "1"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")][..],
        &[(CUDA, "GPU-8932f937-0")],
        &[(CUDA, "1"), ("SLURM_JOB_ID", "7"), ("SLURM_JOB_GPUS", "1")],
    ] {
        assert_eq!(grant(said).unwrap().allowed(&offered).unwrap(), [1], "{said:?}");
    }
    assert!(grant(&[(CUDA, "")]).unwrap().allowed(&offered).is_err(), "an empty list gives none");
}

#[test]
fn amds_variables_are_read_as_rocm_reads_them() {
    let given = |said: &[(&'static str, &str)]| buses("AMD", 3, said).unwrap();
    assert_eq!(given(&[(ROCR, "0,GPU-1A2B3C4D")]), [1, 3]);
    assert_eq!(given(&[(ROCR, "1")]), [2]);
    assert_eq!(given(&[(HIP, "2")]), [3]);
    assert_eq!(given(&[(ROCR, "1,2"), (HIP, "1")]), [3], "HIP counts what ROCr left");
    assert_eq!(given(&[(ROCR, "2,1"), (HIP, "0")]), [3], "in the order that ROCr was given");
    assert_eq!(given(&[(ORDINAL, "0,2")]), [1, 3]);
    assert_eq!(given(&[(CUDA, "1")]), [2]);
    assert_eq!(given(&[(CUDA, "1"), (ROCR, "0")]), [1]);
    assert_eq!(given(&[(ROCR, "")]), Vec::<u8>::new());
    let error = buses("AMD", 3, &[(ROCR, "1"), (HIP, "1")]).unwrap_err();
    assert!(error.starts_with("HIP_VISIBLE_DEVICES=1 names GPU 1, and 1 are shown"), "{error}");
}

#[test]
fn a_gpu_that_does_not_answer_keeps_its_place_and_spoils_only_what_counts() {
    let mut nvidia = gpus(3);
    nvidia[0] = ListedGpu::unknown();
    let shown = Shown { nvidia, ..Shown::default() };
    let offered = [info("NVIDIA", Some(2)), info("NVIDIA", Some(3))];
    let allowed = |said: &[(&'static str, &str)]| {
        let grant = grant(&variables(said), &offered, &|vendor| shown.gpus_of(vendor)).map_err(|e| e.to_string())?;
        grant.allowed(&offered).map_err(|error| error.to_string())
    };
    assert_eq!(allowed(&[(CUDA, UUIDS[2])]), Ok(vec![1]), "who names another by its UUID");
    assert!(allowed(&[(CUDA, "1")]).unwrap_err().contains("only a UUID"));
    assert_eq!(allowed(&[("SLURM_JOB_GPUS", "2")]), Ok(vec![1]), "Slurm counts the node's");
    assert!(allowed(&[("SLURM_JOB_GPUS", "0")]).unwrap_err().contains("a GPU that does not answer"));
    assert_eq!(allowed(&[]), Ok(vec![0, 1]));
}

#[test]
fn level_zeros_mask_is_obeyed_or_refused() {
    let given = |count: u8, said: &[(&'static str, &str)]| buses("Intel", count, said);
    assert_eq!(given(2, &[(MASK, "1")]), Ok(vec![2]));
    assert_eq!(given(3, &[(MASK, "2, 0,2")]), Ok(vec![1, 3]));
    assert_eq!(given(2, &[(MASK, "0.0")]), Ok(vec![1]), "the whole of a GPU of one part");
    assert_eq!(given(2, &[(MASK, "")]), Ok(vec![]), "no mask");
    let refused = |value: &str, wrong: &str| {
        let error = given(2, &[(MASK, value)]).unwrap_err();
        assert!(error.starts_with(&format!("ZE_AFFINITY_MASK={value} ")) && error.contains(wrong), "{error}");
    };
    for (value, wrong) in [
        ("2", "names GPU 2, and 2"),
        ("0.1", "a part"),
        ("x", "no list"),
        ("0,", "no list"),
        ("-1", "no list"),
        ("0.0.0", "no list"),
    ] {
        refused(value, wrong);
    }
    assert_eq!(given(2, &[("SLURM_JOB_ID", "1"), ("SLURM_JOB_GPUS", "1"), (MASK, "1")]), Ok(vec![2]));
    assert_eq!(given(2, &[("SLURM_JOB_ID", "1"), ("SLURM_JOB_GPUS", "1")]), Ok(vec![2]));
    assert!(given(2, &[("SLURM_JOB_GPUS", "1"), (MASK, "0")]).unwrap_err().contains("does not give"));

    // Cards of two parts: some parts of one are no GPU of Vulkan's.
    let mut tiled = gpus(2);
    tiled.iter_mut().for_each(|gpu| gpu.parts = 2);
    let shown = Shown { intel: tiled, ..Shown::default() };
    let offered = [info("Intel", Some(1)), info("Intel", Some(2))];
    let allowed = |said: &[(&'static str, &str)]| {
        let grant = grant(&variables(said), &offered, &|vendor| shown.gpus_of(vendor)).map_err(|e| e.to_string())?;
        grant.allowed(&offered).map_err(|error| error.to_string())
    };
    assert_eq!(allowed(&[(MASK, "1"), (HIERARCHY, "COMPOSITE")]), Ok(vec![1]));
    assert_eq!(allowed(&[(MASK, "1.0,1.1"), (HIERARCHY, "COMPOSITE")]), Ok(vec![1]));
    assert!(allowed(&[(MASK, "1.1"), (HIERARCHY, "COMPOSITE")]).unwrap_err().contains("gives a part"));
    assert_eq!(allowed(&[(MASK, "2,3")]), Ok(vec![1]), "parts are counted");
    assert!(allowed(&[(MASK, "1")]).unwrap_err().contains("gives a part"));

    // The processor's GPU comes first on the bus, and not in Level Zero's list.
    let mixed =
        [info("Intel", Some(3)), AdapterInfo { pci_address: "0000:00:02.0".parse().ok(), ..info("Intel", None) }];
    let nothing = Shown::default();
    let grant = |said: &[(&'static str, &str)]| grant(&variables(said), &mixed, &|vendor| nothing.gpus_of(vendor));
    assert!(grant(&[(MASK, "0")]).unwrap_err().to_string().contains("ZE_ENABLE_PCI_ID_DEVICE_ORDER=1"));
    assert_eq!(grant(&[(MASK, "0"), (MASK_ORDER, "1")]).unwrap().allowed(&mixed).unwrap(), [1]);
    let job = [("SLURM_JOB_ID", "1"), ("SLURM_JOB_GPUS", "0"), (MASK, "0")];
    assert_eq!(grant(&job).unwrap().allowed(&mixed).unwrap(), [0], "a scheduler gives cards");
    let lost = wattmul::host::visible::grant(&variables(&job[..2]), &mixed[1..], &|vendor| nothing.gpus_of(vendor))
        .unwrap_err();
    assert!(lost.to_string().starts_with("SLURM_JOB_GPUS=0 cannot be told"), "no other in its place: {lost}");
}

#[test]
fn a_gpu_that_two_drivers_offer_is_measured_once() {
    let offered =
        [info("AMD", Some(1)), info("AMD", Some(2)), info("AMD", Some(1)), info("Apple", None), info("Apple", None)];
    let grant = grant(&variables(&[]), &offered, &|_| Err("nothing".into())).unwrap();
    assert_eq!(grant.allowed(&offered).unwrap(), [0, 1, 3, 4], "without an address nobody knows");
}

#[test]
fn slurms_lists_count_the_nodes_gpus_whether_all_of_them_are_shown_or_not() {
    let (step, job) = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS");
    let given = |count: u8, said: &[(&'static str, &str)]| buses("NVIDIA", count, said);
    // All four of the node are shown.
    assert_eq!(given(4, &[(job, "1,3")]).unwrap(), [2, 4]);
    assert_eq!(given(4, &[(job, "1-3")]).unwrap(), [2, 3, 4]);
    assert_eq!(given(4, &[(job, "1,3"), (step, "3")]).unwrap(), [4], "the step's is the narrower");
    assert_eq!(given(4, &[(job, "0,1,2,3"), (step, "2"), (CUDA, "2")]).unwrap(), [3]);
    // A device cgroup shows the job's alone, and the vendor's variable counts them anew.
    assert_eq!(given(2, &[(job, "5,7")]).unwrap(), [1, 2]);
    assert_eq!(given(2, &[(job, "5,7"), (step, "7")]).unwrap(), [2]);
    assert_eq!(given(2, &[(job, "5,7"), (step, "7"), (CUDA, "1")]).unwrap(), [2]);
    assert_eq!(given(1, &[(job, "5,7"), (step, "7"), (CUDA, "0")]).unwrap(), [1]);
    assert_eq!(given(4, &[(job, "1,2,3,4"), (step, "2"), (CUDA, "1")]).unwrap(), [2]);
    // What cannot be brought together gives nothing, unless the vendor's variable tells.
    let error = given(2, &[(job, "5")]).unwrap_err();
    assert!(error.starts_with("SLURM_JOB_GPUS=5 ") && error.contains("UUID"), "{error}");
    assert_eq!(given(2, &[(job, "5"), (CUDA, "1")]).unwrap(), [2]);
    // An empty list is none.
    assert_eq!(given(2, &[(job, "")]).unwrap(), Vec::<u8>::new());
    for nonsense in ["x", "1,", "3-1", "-1", "0-99999999", "NoDevFiles"] {
        assert!(given(4, &[(job, nonsense)]).unwrap_err().contains("0,2 or 0-3"), "{nonsense}");
    }
}

#[test]
fn a_variable_that_points_at_another_jobs_gpu_is_refused() {
    let error = buses("NVIDIA", 4, &[("SLURM_JOB_GPUS", "3"), (CUDA, "0")]).unwrap_err();
    assert_eq!(
        error,
        "CUDA_VISIBLE_DEVICES=0 is 0000:01:00.0, which SLURM_JOB_GPUS=3 does not give: unset it, and take what Slurm \
         gives"
    );
    assert_eq!(buses("NVIDIA", 4, &[("SLURM_JOB_GPUS", "0,3"), (CUDA, "0")]).unwrap(), [1], "narrower is right");
    assert_eq!(buses("NVIDIA", 4, &[("SLURM_JOB_GPUS", "3"), (CUDA, "")]).unwrap(), Vec::<u8>::new());
}

#[test]
fn what_slurm_says_to_all_vendors_alike_is_meant_for_one() {
    let said = variables(&[("SLURM_JOB_ID", "7"), ("SLURM_JOB_GPUS", "1"), (CUDA, "1"), (ROCR, "1"), (ORDINAL, "1")]);
    let offered = [info("NVIDIA", Some(1)), info("NVIDIA", Some(2)), info("AMD", Some(9)), info("Mesa", None)];
    let processor = ListedGpu::at(address(9));
    for amd in [vec![], vec![processor]] {
        let shown = Shown { nvidia: gpus(2), amd, ..Shown::default() };
        let grant = grant(&said, &offered, &|vendor| shown.gpus_of(vendor)).unwrap();
        assert_eq!(grant.allowed(&offered).unwrap(), [1]);
        assert_eq!(grant.standing(&offered[2]), Standing::Forbidden("SLURM_JOB_GPUS=1".into()));
        let error = grant.check(&offered, 0).unwrap_err().to_string();
        assert!(error.contains("CUDA_VISIBLE_DEVICES=1") && error.contains("is 1 (NVIDIA card)"), "{error}");
        grant.check(&offered, 1).unwrap();
        grant.check(&offered, 3).unwrap();
    }
    let offered = [info("AMD", Some(1)), info("AMD", Some(2))];
    let grant = grant(&said, &offered, &|vendor| (Shown { amd: gpus(2), ..Shown::default() }).gpus_of(vendor)).unwrap();
    assert_eq!(grant.allowed(&offered).unwrap(), [1]);
}

#[test]
fn without_a_word_everything_is_allowed_and_in_a_job_without_gpus_nothing_is_taken() {
    let nothing = Shown::default();
    let offered = [info("NVIDIA", Some(1)), info("Intel", Some(2)), info("Mesa", None)];
    let free = grant(&variables(&[]), &offered, &|vendor| nothing.gpus_of(vendor)).unwrap();
    assert_eq!(free.allowed(&offered).unwrap(), [0, 1], "the CPU is no GPU");
    assert_eq!(free.allowed(&offered[2..]).unwrap(), [0], "unless it is all that there is");

    let job = grant(&variables(&[("SLURM_JOB_ID", "7")]), &offered, &|vendor| nothing.gpus_of(vendor)).unwrap();
    let error = job.allowed(&offered).unwrap_err().to_string();
    assert!(error.contains("given no GPU") && error.contains("--gpus=1"), "{error}");
    job.check(&offered, 0).unwrap();
    assert_eq!(job.allowed(&offered[2..]).unwrap(), [0], "a cluster without GPUs measures its CPUs");

    // A variable of NVIDIA's says nothing of Intel's GPU.
    let hidden = grant(&variables(&[(CUDA, "")]), &offered, &|vendor| {
        (Shown { nvidia: gpus(1), ..Shown::default() }).gpus_of(vendor)
    })
    .unwrap();
    assert_eq!(hidden.allowed(&offered).unwrap(), [1]);
    let error = hidden.allowed(&offered[..1]).unwrap_err().to_string();
    assert!(error.contains("CUDA_VISIBLE_DEVICES="), "{error}");
}

#[test]
fn a_gpu_that_cannot_be_found_is_an_error_and_never_another() {
    let nothing = Shown::default();
    let offered = [info("NVIDIA", Some(1)), info("Mesa", None)];
    let refused = |said: &[(&'static str, &str)], offered: &[AdapterInfo]| {
        grant(&variables(said), offered, &|vendor| nothing.gpus_of(vendor)).unwrap_err().to_string()
    };
    let error = refused(&[(CUDA, "0")], &offered);
    assert!(error.starts_with("CUDA_VISIBLE_DEVICES=0 cannot be told") && error.contains("NVML"), "{error}");
    let error = refused(&[("SLURM_JOB_GPUS", "0"), (CUDA, "0")], &offered[1..]);
    assert!(error.starts_with("SLURM_JOB_GPUS=0 cannot be told") && error.contains("amdkfd"), "{error}");
    // Of a vendor that is not here at all, a variable may say what it likes.
    assert_eq!(
        grant(&variables(&[(CUDA, "7")]), &offered[1..], &|vendor| nothing.gpus_of(vendor)).unwrap(),
        Grant::default()
    );

    // Known to NVML, and not offered by Vulkan: not a reason to take another, nor the CPU.
    let shown = Shown { nvidia: gpus(2), ..Shown::default() };
    let grant = grant(&variables(&[(CUDA, "1")]), &offered, &|vendor| shown.gpus_of(vendor)).unwrap();
    for adapters in [&offered[..], &offered[1..]] {
        let error = grant.allowed(adapters).unwrap_err().to_string();
        assert!(error.starts_with("CUDA_VISIBLE_DEVICES=1 gives this process 0000:02:00.0"), "{error}");
    }
}
