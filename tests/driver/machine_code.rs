//! The kernels in AMD's, NVIDIA's and Qualcomm's machine code, on a machine without their GPUs: near what the hardware can do,
//! and no worse than docs/MACHINE_CODE.md says.
#![cfg(target_os = "linux")]

use crate::common;

#[path = "../machine_code/assembly.rs"]
mod assembly;

use assembly::{Count, whole_loop};
use std::process::Command;
use wattmul::operands::Dtype;

/// A row of a table.
#[derive(Debug)]
struct Row {
    kernel: String,
    family: String,
    spilled: u64,
    waves: u64,
    share: f64,
}

/// The compiler that made the table of this name, and the rows; of the compiler that printed the first such table, or
/// of this one.
fn table(markdown: &str, name: &str, compiler: Option<&str>) -> Option<(String, Vec<Row>)> {
    let first = format!("| {name}, {}", compiler.unwrap_or_default());
    let begins = |line: &&str| !(line.starts_with(&first) && line.contains("| family | registers |"));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = markdown.lines().skip_while(begins).take_while(|line| line.starts_with('|')).map(cells);
    let compiler = lines.next()?[1].strip_prefix(&format!("{name}, "))?.to_owned();
    let row = |cells: Vec<String>| Row {
        kernel: cells[1].clone(),
        family: cells[2].clone(),
        spilled: cells[4].parse().unwrap(),
        waves: cells[6].parse().unwrap(),
        share: cells[cells.len() - 2].parse().unwrap(),
    };
    Some((compiler, lines.skip(1).map(row).collect()))
}

/// What the audit prints of a compiler. By cargo, which builds it: `cargo test --test driver` alone would run the one
/// of last time, with its kernels.
fn audit(compiler: &str, variables: &[(&str, &std::ffi::OsStr)]) -> String {
    let mut audit = Command::new(env!("CARGO"));
    audit.args(["run", "--quiet", "--locked", "--example", "machine_code"]);
    audit.args(if cfg!(debug_assertions) { None } else { Some("--release") });
    let output = audit.args(["--", compiler]).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    println!("{printed}");
    printed
}

/// What the best kernel of a family must reach: its share, and the waves that hide its waits. docs/KERNEL.md tells
/// why not every family reaches as much in every type.
type Limit = (&'static str, f64, u64);

#[test]
fn the_best_kernel_of_each_type_and_family_nearly_only_multiplies_and_none_fell_behind() {
    let driver = common::driver("radeon_icd");
    if common::skipped(driver.is_none(), "Mesa's Vulkan driver for AMD is not installed (sh setup.sh)") {
        return;
    }
    let printed = audit("system", &[("VK_DRIVER_FILES", driver.unwrap().as_os_str())]);
    let limits = |dtype| -> [Limit; 4] {
        match dtype {
            Dtype::F32 | Dtype::I8 => {
                [("NAVI21", 0.90, 4), ("GFX1100", 0.90, 4), ("VEGA20", 0.90, 2), ("ALDEBARAN", 0.90, 2)]
            }
            Dtype::F16 => [("NAVI21", 0.90, 4), ("GFX1100", 0.90, 4), ("VEGA20", 0.88, 2), ("ALDEBARAN", 0.88, 2)],
            Dtype::F64 => [("NAVI21", 0.83, 2), ("GFX1100", 0.75, 4), ("VEGA20", 0.83, 1), ("ALDEBARAN", 0.83, 1)],
        }
    };
    for dtype in Dtype::ALL {
        hold(dtype.name(), &limits(dtype), &printed);
    }
}

/// Mesa 26 reads workgroup memory by 8 bytes at most: see docs/KERNEL.md.
#[test]
fn the_same_by_the_newest_compilers_and_matrix_units_are_kept_busy() {
    let this = std::env::current_exe().unwrap();
    if common::on_new_mesa("amd:navi21", &this).is_none() {
        return;
    }
    let printed = audit("newer", &[]);
    let limits = |dtype| -> Vec<Limit> {
        match dtype {
            Dtype::F32 => vec![
                ("NAVI21", 0.83, 4),
                ("NAVI31", 0.86, 4),
                ("GFX1201", 0.86, 4),
                ("VEGA20", 0.83, 2),
                ("GA102", 0.83, 3),
                ("A740", 0.85, 4),
            ],
            Dtype::I8 => vec![
                ("NAVI21", 0.83, 4),
                ("NAVI31", 0.85, 4),
                ("GFX1201", 0.85, 4),
                ("VEGA20", 0.83, 2),
                ("GA102", 0.83, 3),
            ],
            Dtype::F16 => vec![
                ("NAVI21", 0.89, 4),
                ("NAVI31", 0.92, 4),
                ("GFX1201", 0.91, 4),
                ("VEGA20", 0.89, 2),
                ("GA102", 0.82, 3),
                ("A740", 0.84, 4),
            ],
            Dtype::F64 => vec![
                ("NAVI21", 0.73, 2),
                ("NAVI31", 0.70, 4),
                ("GFX1201", 0.70, 4),
                ("VEGA20", 0.73, 1),
                ("GA102", 0.75, 1),
            ],
        }
    };
    for dtype in Dtype::ALL {
        hold(dtype.name(), &limits(dtype), &printed);
    }
    hold("matrix units", &[("NAVI31", 0.5, 2), ("GFX1201", 0.5, 2), ("GA102", 0.5, 2)], &printed);
}

/// Matrix units are held for so many cycles an instruction that fewer waves hide the rest.
fn hold(name: &str, limits: &[Limit], printed: &str) {
    let (compiler, rows) = table(printed, name, None).expect("a table with these headings");
    for &(family, share, waves) in limits {
        let good = |row: &&Row| row.family == family && row.spilled == 0 && row.waves >= waves;
        let best = rows.iter().filter(good).max_by(|a, b| a.share.total_cmp(&b.share));
        assert!(best.is_some_and(|best| best.share >= share), "{name} {family}: {best:?}");
    }

    let documented = include_str!("../../docs/MACHINE_CODE.md");
    let Some((_, documented)) = table(documented, name, Some(&compiler)) else {
        println!("docs/MACHINE_CODE.md has nothing of {compiler}: not compared");
        return;
    };
    let names = |rows: &[Row]| rows.iter().map(|row| (row.kernel.clone(), row.family.clone())).collect::<Vec<_>>();
    assert_eq!(names(&rows), names(&documented), "docs/MACHINE_CODE.md lists the kernels of the program");
    for (now, then) in rows.iter().zip(&documented) {
        let behind = now.share < then.share - 0.0005 || now.spilled > then.spilled || now.waves < then.waves;
        assert!(!behind, "{name} fell behind docs/MACHINE_CODE.md: {now:?} was {then:?}");
    }
}

/// As RADV writes it, shortened.
const ASSEMBLY: &str = "
BB0:
\ts_load_dwordx4 s[0:3], s[2:3], 0x0       ; f4080001 fa000000
\tv_fmac_f32_e32 v1, v2, v3                ; 56020702
BB1:
\tds_read_b128 v[4:7], v0                  ; d9fc0000 04000000
\ts_waitcnt lgkmcnt(0)                     ; bf8cc07f
\tv_fmac_f32_e32 v1, v4, v5                ; 56020b04
\tv_fma_f32 v8, v4, v6, v8                 ; d54b0008 04220d04
\ts_cbranch_scc1 BB3                       ; bf850002
BB2:
\tv_mac_f32_e32 v1, v4, v5                 ; 56020b04
\ts_branch BB1                             ; bf82fff8
BB3:
\ts_endpgm                                 ; bf810000
";

/// As NVK does.
const NAK: &str = "
block.u 0 L2 [] -> {
      r51       = mov rZ                                            // delay=1
} -> [1]
block.u 1 L1 [0, 2] -> {
      up0       = isetp.eq.i32 ur1 rZ                               // delay=9
                  bra !up0 L261                                     // delay=1
} -> [2, 3]
block 2 L3 [1] -> {
      r40..r44  = ld.shared.strong.cta.b128 r96                     // delay=2 wr:1
      r66       = ffma.ftz r88 r124 r66                             // delay=1 wt=010000
 @p0  r67       = ffma.ftz r88 r125 r67                             // delay=1
 @!p0             bra pT L1                                         // delay=5
} -> [1]
block.u 3 L261 [1] -> {
      r67       = ffma.ftz r88 r125 r67                             // delay=1
} -> []
";

/// As Turnip does.
const IR3: &str = "
(jp)add.u r0.x, r0.y, 1
l315:
cmps.s.eq up0.x, r53.y, 0
(ss)br p0.x, #l786
(nop3) shl.b r24.w, r0.x, 4
ldl.u32 r25.z, l[r24.z+128], 4
(sy)(rpt1)mad.f32 r22.z, r27.z, (r)r30.x, (r)(last)r22.z
(rpt2)nop
(sy)(ss)jump #l315
l786:
(rpt1)mad.f32 r22.z, r27.z, (r)r30.x, (r)(last)r22.z
end
";

/// The instructions that multiply and add in each type, and those that only look like it.
#[test]
fn a_multiply_add_is_known_in_every_type() {
    let count = |operation: &str| {
        let turns = format!("BB0:\n\t{operation} v1, v2, v3, v1\n\tv_fma_f32 v1, v2, v3, v1\n\ts_cbranch_scc1 BB0\n");
        let count = whole_loop(&turns).unwrap();
        (count.fmas - 1, count.matrix)
    };
    for operation in
        ["v_fmac_f32_e32", "v_fma_mix_f32", "v_fma_f64", "v_dot4_i32_i8", "v_dot4c_i32_i8_e32", "v_dot4_i32_iu8"]
    {
        assert_eq!(count(operation), (1, 0), "{operation}");
    }
    for operation in ["v_wmma_f32_16x16x16_f16", "v_mfma_f32_16x16x16_f16"] {
        assert_eq!(count(operation), (0, 1), "{operation}");
    }
    for operation in ["v_cvt_f32_f16_e32", "v_mul_f32_e32", "v_add_f64", "v_mul_i32_i24", "v_lshrrev_b64"] {
        assert_eq!(count(operation), (0, 0), "{operation}");
    }
}

#[test]
fn a_loop_is_counted_from_its_label_to_its_jump_back() {
    let radv = Count { fmas: 3, all: 7, workgroup: 1, ..Count::default() };
    assert_eq!(whole_loop(ASSEMBLY), Some(radv));
    assert_eq!((radv.to_string(), radv.share()), ("3/7".into(), 3.0 / 7.0));
    let rolled = ASSEMBLY.replace("s_waitcnt lgkmcnt(0)", "s_cbranch_vccnz BB1");
    assert_eq!(whole_loop(&rolled), None, "a loop in the loop");
    assert_eq!(whole_loop(&ASSEMBLY.replace("s_branch BB1", "s_branch BB3")), None, "no loop");

    let nvk = Count { fmas: 2, all: 6, workgroup: 1, vector: 1, ..Count::default() };
    assert_eq!(whole_loop(NAK), Some(nvk));
    assert_eq!(whole_loop(&NAK.replace("} -> [1]\nblock.u 3", "} -> [3]\nblock.u 3")), None, "no loop");

    // What is run again counts again, and what waits as long as it waits.
    let turnip = whole_loop(IR3).unwrap();
    assert_eq!((turnip.fmas, turnip.workgroup, turnip.all), (2, 1, 13));
    assert_eq!(whole_loop(&IR3.replace("#l315", "#l786")), None, "no loop");
}
