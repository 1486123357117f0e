//! Numbers of the user's own: what is read from files, how it is named, and what is refused.

use crate::common;
use crate::common::{f32s, npy, safetensors};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use wattmul::operands::{Element, Init, Matrix, Operand, dtype, operands};
use wattmul::record::Record;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.path().join(name), bytes).unwrap();
        self.at(name)
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().into()
    }
}

fn rows<T: Element>(init: Init, operand: Operand, size: usize) -> Vec<T> {
    let matrix = Matrix { init, operand, seed: 0, size };
    let mut elements = vec![T::zeroed(); size * size];
    dtype::rows(&matrix, T::scale(&matrix), 0, size, &mut elements);
    elements
}

/// 2 × 3: 1 to 6.
fn six(folder: &Folder) -> String {
    folder.put("six.npy", npy("<f4", false, "(2, 3)", &f32s((1..=6).map(|i| i as f32))))
}

#[test]
fn one_file_fills_both_two_fill_one_each_and_an_init_may_stand_for_either() {
    let folder = Folder::new();
    let six = six(&folder);
    let tensors = safetensors(&[("w", &[2, 2], f32s([7.0, 8.0, 9.0, 10.0])), ("v.T", &[1, 2], f32s([3.0, 4.0]))]);
    let model = folder.put("model@v2.safetensors", tensors);
    let of = |text: &str, operand| rows::<f32>(operands(text).unwrap(), operand, 2);
    let (a, b) = (Operand::A, Operand::B);
    assert_eq!((of(&six, a), of(&six, b)), (vec![1.0, 2.0, 4.0, 5.0], vec![1.0, 2.0, 4.0, 5.0]));
    assert_eq!(of(&format!("{six}.T"), a), [1.0, 4.0, 2.0, 5.0]);
    let both = format!("{six}@{model}:w");
    assert_eq!((of(&both, a), of(&both, b)), (vec![1.0, 2.0, 4.0, 5.0], vec![7.0, 8.0, 9.0, 10.0]));
    assert_eq!(of(&format!("{six}@{model}:w.T"), b), [7.0, 9.0, 8.0, 10.0]);
    assert_eq!(of(&format!("{model}:v.T"), a), [3.0, 4.0, 3.0, 4.0], "a tensor may be called so");
    let mixed = format!("gaussian@{model}:w");
    assert_eq!(of(&mixed, a), rows::<f32>(Init::Gaussian, a, 2));
    assert_eq!(of(&mixed, b), [7.0, 8.0, 9.0, 10.0]);
    // In f64 as well, whose gaussian has more bits than the f32 of the others.
    assert_eq!(rows::<f64>(operands(&mixed).unwrap(), a, 2), rows::<f64>(Init::Gaussian, a, 2));
    assert_eq!(operands("constant:2").unwrap().to_string(), "constant:2");
}

#[test]
fn the_name_is_that_of_the_numbers_wherever_they_lie() {
    let folder = Folder::new();
    let six = six(&folder);
    let name = |text: &str| operands(text).unwrap().to_string();
    insta::assert_snapshot!(name(&six), @"file:940a0e1f");
    let copies = [
        folder.put("copy.NPY", fs::read(&six).unwrap()),
        folder.put("by columns.npy", npy("<f4", true, "(2, 3)", &f32s([1.0, 4.0, 2.0, 5.0, 3.0, 6.0]))),
        folder.put("one.safetensors", safetensors(&[("any", &[2, 3], f32s((1..=6).map(|i| i as f32)))])),
    ];
    for copy in copies {
        assert_eq!(name(&copy), name(&six), "{copy}");
        assert_eq!(name(&format!("{six}@{copy}")), name(&six));
    }
    let others = [
        format!("{six}.T"),
        format!("{six}@gaussian"),
        format!("gaussian@{six}"),
        format!("gaussian:2@{six}"),
        format!("{six}@{six}.T"),
        folder.put("flat.npy", npy("<f4", false, "(6,)", &f32s((1..=6).map(|i| i as f32)))),
        folder.put("i8.npy", npy("|i1", false, "(2, 3)", &[1, 2, 3, 4, 5, 6])),
        folder.put("other.npy", npy("<f4", false, "(2, 3)", &f32s((2..=7).map(|i| i as f32)))),
    ];
    let names: BTreeMap<String, &String> = others.iter().chain([&six]).map(|text| (name(text), text)).collect();
    assert_eq!(names.len(), others.len() + 1, "{names:?}");
    // A record tells the name, and no numbers: never ones that look like some.
    let of_record: Init = name(&six).parse().unwrap();
    assert_eq!(of_record, operands(&six).unwrap());
    assert!(rows::<f32>(of_record, Operand::A, 2).iter().all(|number| number.is_nan()));
    for text in ["file:", "file:1234567", "file:123456789", "file:1234567G", "file:ABCDEF12"] {
        assert!(text.parse::<Init>().is_err(), "{text}");
    }
}

#[test]
fn numbers_are_rounded_to_the_type_that_is_multiplied_and_whole_ones_stay() {
    let folder = Folder::new();
    let halves = |numbers: [f32; 4]| numbers.map(|number| half::bf16::from_f32(number).to_le_bytes()).concat();
    let bf16 = folder.put("bf16.npy", npy("<V2", false, "(2, 2)", &halves([1.0, -2.5, 100.0, 3.0])));
    let f32 = folder.put("f32.npy", npy("<f4", false, "(2, 2)", &f32s([0.1, -0.2, 0.3, 0.05])));
    let i8 = folder.put("i8.npy", npy("|i1", false, "(2, 2)", &[0x80, 0x7f, 0, 1]));
    let a = |text: &str| operands(text).unwrap();
    assert_eq!(rows::<f32>(a(&bf16), Operand::A, 2), [1.0, -2.5, 100.0, 3.0]);
    assert_eq!(rows::<half::f16>(a(&f32), Operand::A, 2), [0.1, -0.2, 0.3, 0.05].map(half::f16::from_f32));
    assert_eq!(rows::<f64>(a(&f32), Operand::A, 2), [0.1f32, -0.2, 0.3, 0.05].map(f64::from));
    assert_eq!(rows::<i8>(a(&f32), Operand::A, 2), [42, -85, 127, 21]);
    assert_eq!(rows::<i8>(a(&i8), Operand::A, 2), [-128, 127, 0, 1]);
    assert_eq!(rows::<f32>(a(&i8), Operand::A, 2), [-128.0, 127.0, 0.0, 1.0]);
}

/// What is said of a file; it must be one line, and soon.
fn refused(text: &str) -> String {
    let why = operands(text).expect_err(text).to_string();
    assert!(!why.contains('\n') && !why.contains('\u{1b}'), "{why}");
    why
}

#[test]
fn bad_files_are_refused_in_one_line_each() {
    let folder = Folder::new();
    let good = npy("<f4", false, "(2, 2)", &f32s([1.0; 4]));
    let header =
        |json: &str, numbers: &[u8]| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), numbers].concat();
    let of_f32 = |shape: &str, offsets: &str, bytes: usize| {
        let json = format!(r#"{{"w":{{"dtype":"F32","shape":{shape},"data_offsets":{offsets}}}}}"#);
        header(&json, &vec![0; bytes])
    };
    let number = |number: f32| npy("<f4", false, "(2, 2)", &f32s([1.0, 1.0, number, 1.0]));
    let many: Vec<String> = (0..20).map(|i| format!("layer\u{1b}[31m{i:02}")).collect();
    let many: Vec<(&str, &[usize], Vec<u8>)> = many.iter().map(|name| (&name[..], &[1][..], f32s([1.0]))).collect();
    let cases: &[(&str, Vec<u8>, &str)] = &[
        ("empty.npy", vec![], "is no .npy file"),
        ("magic.npy", b"\x93NUMPX\x01\0v\0{'descr'".to_vec(), "is no .npy file"),
        ("pickle.npy", b"\x80\x04\x95\x10\0\0\0\0\0\0\0cos\nsystem\n".to_vec(), "is no .npy file"),
        ("header.npy", good[..40].to_vec(), "is no .npy file"),
        (
            "truncated.npy",
            good[..good.len() - 1].to_vec(),
            "ends before its numbers do: it was not written to its end (143 of 144",
        ),
        ("objects.npy", npy("|O", false, "(2, 2)", b"\x80\x04."), "Python objects"),
        ("f64.npy", npy("<f8", false, "(1,)", &[0; 8]), "holds <f8: save f32, f16, bf16 or i8"),
        ("none.npy", npy("<f4", false, "(0, 3)", &[]), "shape 0 × 3 has nothing"),
        ("huge.npy", npy("<f4", false, "(9000000000000000000, 9)", &[]), "has nothing to multiply"),
        ("large.npy", npy("<f4", false, "(100000, 100000)", &[]), "more than 8 GiB"),
        ("nan.npy", number(f32::NAN), "element [1, 0] is NaN"),
        ("infinity.npy", number(f32::NEG_INFINITY), "element [1, 0] is -inf"),
        ("over.npy", number(1e30), "largest magnitude is 1e30, over 1e12"),
        ("under.npy", npy("<f4", false, "(1,)", &f32s([1e-30])), "under 1e-12"),
        ("empty.safetensors", vec![], "is no safetensors file"),
        ("short.safetensors", of_f32("[2,2]", "[0,16]", 15), "ends before its numbers do"),
        ("length.safetensors", [&[0xff; 8][..], b"{}"].concat(), "is no safetensors file"),
        ("json.safetensors", header("{\"w\":", &[]), "is no safetensors file"),
        ("deep.safetensors", header(&"[".repeat(1_000_000), &[]), "is no safetensors file"),
        ("offsets.safetensors", of_f32("[2,2]", "[0,1000000]", 16), "is no safetensors file"),
        ("overflow.safetensors", of_f32("[4611686018427387904,4]", "[0,16]", 16), "is no safetensors file"),
        ("tensors.safetensors", safetensors(&many), "name one of its tensors, FILE:TENSOR: layer\\u{1b}[31m00, "),
        ("none.safetensors", safetensors(&[]), "has no tensor"),
    ];
    for (name, bytes, expected) in cases {
        let why = refused(&folder.put(name, bytes));
        assert!(why.contains(expected), "{name}: {why}");
    }
    let i64 = r#"{"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
    let i64 = folder.put("i64.safetensors", header(i64, &[0; 8]));
    assert!(refused(&i64).contains("'ids' holds I64: save f32"), "{}", refused(&i64));
    assert!(refused(&format!("{i64}:other")).contains("has no tensor 'other', but ids"));
    let tensors = refused(&folder.at("tensors.safetensors"));
    assert!(tensors.ends_with("and 15 more"), "{tensors}");
    assert!(refused(&folder.at("missing.npy")).ends_with("is not there"));
    for text in ["w.npz", "model.pt", "pytorch_model.bin", "some/where/else"] {
        assert!(refused(text).contains("neither .npy nor .safetensors"), "{text}");
    }
    assert!(refused("nonsense").contains("no init is called 'nonsense'") && refused("nonsense").contains("FILE.npy"));
    assert!(refused("file:1a2b3c4d").contains("name their file"));
    assert!(refused("zeros@gaussian").contains("gaussian@w.npy"));
    assert!(refused(&format!("file:1a2b3c4d@{}", six(&folder))).contains("name their file"));
}

/// Opening one of these would block for ever, or read without an end.
#[cfg(unix)]
#[test]
fn only_plain_files_are_opened() {
    let folder = Folder::new();
    fs::create_dir(folder.at("folder.npy")).unwrap();
    assert!(refused(&folder.at("folder.npy")).contains("is a folder"));
    assert!(std::process::Command::new("mkfifo").arg(folder.at("pipe.npy")).status().unwrap().success());
    for (name, target) in [("zero.npy", "/dev/zero"), ("random.safetensors", "/dev/urandom")] {
        std::os::unix::fs::symlink(target, folder.at(name)).unwrap();
    }
    for name in ["pipe.npy", "zero.npy", "random.safetensors"] {
        assert!(refused(&folder.at(name)).ends_with("is no plain file"), "{name}");
    }
    std::os::unix::fs::symlink("circle.npy", folder.at("circle.npy")).unwrap();
    assert!(refused(&folder.at("circle.npy")).contains("cannot be read"));
    // A link to a plain file is that file.
    std::os::unix::fs::symlink(six(&folder), folder.at("link.npy")).unwrap();
    assert_eq!(operands(&folder.at("link.npy")).unwrap(), operands(&six(&folder)).unwrap());
}

/// 100 GB that take no room on the disk, and are not read.
#[cfg(unix)]
#[test]
fn a_sparse_file_is_not_read_beyond_what_it_says_it_holds() {
    let folder = Folder::new();
    let large = |name: &str, start: &[u8]| {
        let path = folder.put(name, start);
        fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100 << 30).unwrap();
        path
    };
    let header = npy("<f4", false, "(160000, 160000)", &[]);
    assert!(refused(&large("sparse.npy", &header)).contains("more than 8 GiB"));
    assert!(refused(&large("zeros.npy", &[])).contains("is no .npy file"));
    assert!(refused(&large("zeros.safetensors", &[])).contains("is no safetensors file"));
    // What stands before the hole is read, and nothing else.
    let six = npy("<f4", false, "(2, 3)", &f32s((1..=6).map(|i| i as f32)));
    assert_eq!(rows::<f32>(operands(&large("six.npy", &six)).unwrap(), Operand::A, 1), [1.0]);
}

fn simulated(inits: &str, to: &Path) -> (Record, String) {
    let output = common::wattmul()
        .args(["--simulate", "h100", "--quick", "--init", inits, "--results"])
        .arg(to)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, record) = common::records(to).into_iter().next().unwrap();
    (record, String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_record_tells_the_numbers_and_neither_path_nor_tensor() {
    let folder = Folder::new();
    let secret = folder.put(
        "secret-model.safetensors",
        safetensors(&[
            ("hidden.weight", &[2, 20_000], f32s((0..40_000).map(|i| (i as f32).sin()))),
            ("other", &[3], f32s([1.0, 2.0, 3.0])),
        ]),
    );
    let results = folder.0.path().join("results");
    let (record, shown) = simulated(&format!("zeros,gaussian@{secret}:hidden.weight"), &results);
    let text = record.to_json();
    assert!(!text.contains("secret") && !text.contains("hidden") && !text.contains(folder.0.path().to_str().unwrap()));
    let init = record.plan.inits[1];
    let inputs = serde_json::to_value(&record.inputs[&init]).unwrap();
    assert_eq!(inputs["origin_a"], serde_json::json!({ "init": "gaussian" }));
    let tensor = &inputs["origin_b"]["tensor"];
    assert_eq!((&tensor["type"], &tensor["shape"]), (&"f32".into(), &serde_json::json!([2, 20_000])));
    assert_eq!((&tensor["rows"], &tensor["columns"]), (&"repeated".into(), &"cut".into()));
    assert!(inputs["activity"].is_object(), "its bits are counted: {inputs}");
    // The terminal says what was made of it.
    let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = format!(
        "{init}: A from gaussian, B from {secret}:hidden.weight (f32 2 × 20000, rows repeated, its first columns, as f32)"
    );
    assert!(flat.contains(&said.split_whitespace().collect::<Vec<_>>().join(" ")), "{shown}");

    let validate = |path: &Path| {
        let output = common::wattmul().arg("validate").arg(path).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = validate(&results);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("which only their owner can read again") && said.contains("1 good, 0 not"), "{said}");

    // Each part of it is held against the rest.
    let forge = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        change(&mut value["inputs"][init.to_string()]);
        let record: Record = serde_json::from_value(value).unwrap();
        let path = record.save(&folder.0.path().join("forged")).unwrap();
        let (code, said) = validate(&path);
        fs::remove_file(path).unwrap();
        assert_eq!(code, Some(3));
        said
    };
    assert!(
        forge(&|i| i["origin_b"]["tensor"]["shape"] = serde_json::json!([20_000, 20_000]))
            .contains("do not follow from its shape")
    );
    assert!(
        forge(&|i| i["origin_b"]["tensor"]["digest"] = "0".repeat(64).into())
            .contains("is not what the init is named after")
    );
    assert!(forge(&|i| i["origin_a"]["init"] = "zeros".into()).contains("is not what the init is named after"));
    assert!(forge(&|i| i["origin_a"] = serde_json::Value::Null).contains("is missing"));
}

#[test]
fn the_same_numbers_compare_and_others_do_not() {
    let folder = Folder::new();
    let numbers = |seed: usize| f32s((0..4096).map(|i| ((i * seed) as f32).sin()));
    let one = folder.put("one.npy", npy("<f4", false, "(64, 64)", &numbers(1)));
    let same = folder.put("same.npy", fs::read(&one).unwrap());
    let other = folder.put("other.npy", npy("<f4", false, "(64, 64)", &numbers(2)));
    let record = |name: &str, of: &str| -> PathBuf {
        let to = folder.0.path().join(name);
        simulated(&format!("zeros,{of}"), &to);
        common::records(&to).into_iter().next().unwrap().0
    };
    let (one, same, other) = (record("a", &one), record("b", &same), record("c", &other));
    let compare = |a: &Path, b: &Path| common::wattmul().arg("compare").args([a, b]).output().unwrap();
    assert_eq!(compare(&one, &same).status.code(), Some(0), "{:?}", compare(&one, &same));
    assert_eq!(compare(&one, &other).status.code(), Some(3), "{:?}", compare(&one, &other));
}

#[test]
fn the_program_says_it_in_one_line() {
    let folder = Folder::new();
    folder.put("short.npy", b"\x93NUMPY");
    for (file, why) in [("missing.npy", "is not there"), ("short.npy", "is no .npy file: write it with numpy.save")] {
        let mut run = common::wattmul();
        run.current_dir(folder.0.path()).args(["--simulate", "h100", "--init", &format!("zeros,{file}")]);
        let output = run.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("wattmul: --init: {file}: {why}\n"));
        assert_eq!(output.status.code(), Some(2));
    }
}
