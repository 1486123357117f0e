//! Numbers of the user's own on a driver: multiplied, verified, recorded, validated; and files that Python's own packages wrote.

use crate::common;
use crate::common::{BRIEF, f32s, npy};
use std::fs;
use std::path::{Path, PathBuf};
use wattmul::record::Record;

/// Runs and validates; gives the record.
fn measured(folder: &Path, options: &[&str]) -> Record {
    let results = folder.join("results");
    let _ = fs::remove_dir_all(&results);
    let run = common::wattmul().args(BRIEF).args(options).arg("--results").arg(&results).current_dir(folder).output();
    let run = run.unwrap();
    assert!(matches!(run.status.code(), Some(0 | 3)), "{options:?}: {}", String::from_utf8_lossy(&run.stderr));
    let validated = common::wattmul().arg("validate").arg(&results).output().unwrap();
    let said = String::from_utf8_lossy(&validated.stdout);
    assert!(validated.status.success() && said.contains("which only their owner can read again"), "{said}");
    let (_, record) = common::records(&results).into_iter().next().unwrap();
    assert!(record.windows.iter().all(|window| window.products_right), "{options:?}");
    record
}

#[test]
fn files_are_multiplied_verified_and_validated_in_every_type() {
    if common::no_software_driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let numbers = |count: usize| f32s((0..count).map(|i| (i as f32).sin() * 0.02));
    fs::write(folder.path().join("w.npy"), npy("<f4", false, "(200, 100)", &numbers(20_000))).unwrap();
    let constant = f32s(std::iter::repeat_n(std::f32::consts::PI, 4));
    fs::write(folder.path().join("pi.npy"), npy("<f4", false, "(2, 2)", &constant)).unwrap();
    for dtype in ["f32", "f16", "f64", "i8"] {
        let record = measured(folder.path(), &["--dtype", dtype, "--init", "zeros,w.npy,gaussian@w.npy.T,pi.npy"]);
        let inputs = &record.inputs[&record.plan.inits[1]];
        assert_eq!(inputs.digest_a, inputs.digest_b);
        assert_eq!(inputs.scale_a.is_some(), dtype == "i8");
    }
    // What f16 cannot hold is said, and which init it is.
    fs::write(folder.path().join("large.npy"), npy("<f4", false, "(1,)", &f32s([1e6]))).unwrap();
    let options = ["--dtype", "f16", "--init", "zeros,large.npy", "--no-save"];
    let run = common::wattmul().args(BRIEF).args(options).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.code() == Some(1) && said.contains("are too large for f16"), "{said}");
}

/// A Python that has the packages; None, with a word why, where there is none.
fn python(packages: &str) -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/checkers/bin/python");
    let python = [ours, "python3".into()].into_iter().find(|python| {
        let imports = std::process::Command::new(python).args(["-c", &format!("import {packages}")]).output();
        imports.is_ok_and(|output| output.status.success())
    });
    common::skipped(python.is_none(), &format!("no Python here has {packages} (.ci/run installs them)"));
    python
}

/// What NumPy and safetensors write themselves, in every type and order, and what Python says that the numbers are.
const WRITE: &str = r#"
import json, ml_dtypes, numpy as np
from safetensors.numpy import save_file
rng = np.random.default_rng(0)
x = rng.standard_normal((96, 160)).astype(np.float32)
types = {'f32': np.float32, 'f16': np.float16, 'bf16': ml_dtypes.bfloat16}
arrays = {name: x.astype(dtype) for name, dtype in types.items()}
arrays['i8'] = rng.integers(-128, 128, (96, 160)).astype(np.int8)
arrays['three'] = x.reshape(4, 24, 160)
for name, array in arrays.items():
    np.save(f'{name}.npy', array)
    if array.ndim == 2:
        np.save(f'{name}-fortran.npy', np.asfortranarray(array))
save_file({f'layer.{name}': np.ascontiguousarray(array) for name, array in arrays.items()}, 'all.safetensors')
np.savez('archive.npz', x)
np.save('object.npy', np.array([{'a': 1}, None], dtype=object), allow_pickle=True)
np.save('double.npy', x.astype(np.float64))
np.save('big.npy', x.astype('>f4'))
np.save('fields.npy', np.zeros(3, dtype=[('a', np.float32), ('b', np.int8)]))
np.save('fortran3.npy', np.asfortranarray(x.reshape(4, 24, 160)))
import hashlib
def made(array, n):
    rows, columns = np.arange(n) % array.shape[0], np.arange(n) % array.shape[1]
    return np.ascontiguousarray(array[rows][:, columns]).astype(np.float32)
json.dump({name: made(array.reshape(-1, 160), 128).tobytes().hex()[:512] for name, array in arrays.items()}, open('truth.json', 'w'))
"#;

#[test]
fn files_of_numpy_and_safetensors_run_and_are_the_numbers_that_python_says() {
    let Some(python) = python("numpy, ml_dtypes, safetensors.numpy") else { return };
    if common::no_software_driver() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let wrote = std::process::Command::new(python).args(["-c", WRITE]).current_dir(path).output().unwrap();
    assert!(wrote.status.success(), "{}", String::from_utf8_lossy(&wrote.stderr));
    let truth: std::collections::BTreeMap<String, String> =
        serde_json::from_slice(&fs::read(path.join("truth.json")).unwrap()).unwrap();
    let at = |name: String| path.join(name).to_str().unwrap().to_owned();
    let of = |text: &str| wattmul::operands::operands(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    for (name, bytes) in &truth {
        let stored =
            [at(format!("{name}.npy")), at(format!("all.safetensors:layer.{name}")), at(format!("{name}-fortran.npy"))];
        for text in &stored[..if name == "three" { 2 } else { 3 }] {
            let matrix = wattmul::operands::Matrix {
                init: of(text),
                operand: wattmul::operands::Operand::B,
                seed: 0,
                size: 128,
            };
            let mut row = vec![0.0; 128];
            matrix.row(0, &mut row);
            let made: String = f32s(row).iter().take(256).map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(made, *bytes, "{text}");
            assert_eq!(of(text), of(&stored[0]), "{text}: the same numbers have one name");
        }
    }
    for (name, why) in [
        ("object.npy", "Python objects"),
        ("double.npy", "holds <f8"),
        ("big.npy", "big endian"),
        ("fields.npy", "structured"),
        ("fortran3.npy", "ascontiguousarray"),
        ("archive.npz", "neither .npy nor .safetensors"),
    ] {
        let said = wattmul::operands::operands(&at(name.into())).expect_err(name).to_string();
        assert!(said.contains(why), "{name}: {said}");
    }
    let record = measured(path, &["--init", "zeros,f32.npy@all.safetensors:layer.bf16.T,i8.npy,f16-fortran.npy"]);
    assert_eq!(record.plan.inits.len(), 4);
    measured(path, &["--dtype", "i8", "--init", "zeros,i8.npy"]);
}
