//! The kernels in AMD's machine code, on a machine without an AMD GPU: near what the hardware can do, and no worse than
//! docs/KERNEL.md says.
#![cfg(target_os = "linux")]

use crate::common;

#[path = "../machine_code/assembly.rs"]
mod assembly;

use assembly::{Count, hot_block, whole_loop};
use std::process::Command;
use wattmul::operands::Dtype;

/// A row of the table.
#[derive(Debug)]
struct Row {
    kernel: String,
    family: String,
    spilled: u64,
    waves: u64,
    share: f64,
}

/// The driver that made the table of a type, from its first heading, and the rows.
fn table(markdown: &str, dtype: Dtype) -> (String, Vec<Row>) {
    let first = format!("| {dtype}, ");
    let lines =
        markdown.lines().skip_while(|line| !(line.starts_with(&first) && line.contains("| family | registers |")));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let mut lines = lines.take_while(|line| line.starts_with('|')).map(cells);
    let driver = lines.next().expect("a table with these headings")[1].clone();
    let row = |cells: Vec<String>| Row {
        kernel: cells[1].clone(),
        family: cells[2].clone(),
        spilled: cells[4].parse().unwrap(),
        waves: cells[6].parse().unwrap(),
        share: cells[9].parse().unwrap(),
    };
    (driver, lines.skip(1).map(row).collect())
}

/// What the audit prints on this machine; None where it cannot run.
fn audit() -> Option<String> {
    let driver = common::driver("radeon_icd");
    if common::skipped(driver.is_none(), "Mesa's Vulkan driver for AMD is not installed (sh setup.sh)") {
        return None;
    }
    // By cargo, which builds it: `cargo test --test driver` alone would run the one of last time, with its kernels.
    let mut audit = Command::new(env!("CARGO"));
    audit.args(["run", "--quiet", "--locked", "--example", "machine_code"]);
    audit.args(if cfg!(debug_assertions) { None } else { Some("--release") });
    let output = audit.env("VK_DRIVER_FILES", driver?).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_best_kernel_of_each_type_and_family_nearly_only_multiplies_and_none_fell_behind() {
    let Some(printed) = audit() else { return };
    println!("{printed}");
    for dtype in Dtype::ALL {
        hold(dtype, &printed);
    }
}

/// What the best kernel of a family must reach: its share, and the waves that hide its waits. docs/KERNEL.md tells why not
/// every family reaches as much in every type.
fn limits(dtype: Dtype) -> [(&'static str, f64, u64); 4] {
    match dtype {
        Dtype::F32 => [("NAVI21", 0.90, 4), ("GFX1100", 0.88, 4), ("VEGA20", 0.88, 2), ("ALDEBARAN", 0.88, 2)],
        Dtype::F16 => [("NAVI21", 0.90, 4), ("GFX1100", 0.88, 4), ("VEGA20", 0.74, 2), ("ALDEBARAN", 0.74, 2)],
        Dtype::F64 => [("NAVI21", 0.82, 2), ("GFX1100", 0.66, 4), ("VEGA20", 0.82, 1), ("ALDEBARAN", 0.82, 1)],
        Dtype::I8 => [("NAVI21", 0.90, 4), ("GFX1100", 0.88, 4), ("VEGA20", 0.88, 2), ("ALDEBARAN", 0.88, 2)],
    }
}

fn hold(dtype: Dtype, printed: &str) {
    let (driver, rows) = table(printed, dtype);
    for (family, share, waves) in limits(dtype) {
        let good = |row: &&Row| row.family == family && row.spilled == 0 && row.waves >= waves;
        let best = rows.iter().filter(good).max_by(|a, b| a.share.total_cmp(&b.share));
        assert!(best.is_some_and(|best| best.share >= share), "{dtype} {family}: {best:?}");
    }

    let (documented_driver, documented) = table(include_str!("../../docs/KERNEL.md"), dtype);
    let names = |rows: &[Row]| rows.iter().map(|row| (row.kernel.clone(), row.family.clone())).collect::<Vec<_>>();
    assert_eq!(names(&rows), names(&documented), "docs/KERNEL.md lists the kernels of the program");
    if driver != documented_driver {
        println!("docs/KERNEL.md is of {documented_driver}, this is {driver}: not compared");
        return;
    }
    for (now, then) in rows.iter().zip(&documented) {
        let behind = now.share < then.share - 0.0005 || now.spilled > then.spilled || now.waves < then.waves;
        assert!(!behind, "{dtype} fell behind docs/KERNEL.md: {now:?} was {then:?}");
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

/// The instructions that multiply and add in each type, and those that only look like it.
#[test]
fn a_multiply_add_is_known_in_every_type() {
    let count = |operation: &str| hot_block(&format!("BB0:\n\t{operation} v1, v2, v3, v1\n")).fmas;
    for operation in
        ["v_fmac_f32_e32", "v_fma_mix_f32", "v_fma_f64", "v_dot4_i32_i8", "v_dot4c_i32_i8_e32", "v_dot4_i32_iu8"]
    {
        assert_eq!(count(operation), 1, "{operation}");
    }
    for operation in ["v_cvt_f32_f16_e32", "v_mul_f32_e32", "v_add_f64", "v_mul_i32_i24", "v_lshrrev_b64"] {
        assert_eq!(count(operation), 0, "{operation}");
    }
}

#[test]
fn a_loop_is_counted_from_its_label_to_its_jump_back() {
    assert_eq!(hot_block(ASSEMBLY), Count { fmas: 2, all: 5 });
    assert_eq!(whole_loop(ASSEMBLY), Some(Count { fmas: 3, all: 7 }));
    assert_eq!(whole_loop(ASSEMBLY).map(|count| (count.to_string(), count.share())), Some(("3/7".into(), 3.0 / 7.0)));
    let rolled = ASSEMBLY.replace("s_waitcnt lgkmcnt(0)", "s_cbranch_vccnz BB1");
    assert_eq!(whole_loop(&rolled), None, "a loop in the loop");
    assert_eq!(whole_loop(&ASSEMBLY.replace("s_branch BB1", "s_branch BB3")), None, "no loop");
}
