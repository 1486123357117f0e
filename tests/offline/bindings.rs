//! The bindings to vendors' libraries that are committed, for whoever builds without libclang, are those that bindgen makes of our
//! headers.

use crate::common;

#[test]
fn the_committed_bindings_are_those_of_the_headers() {
    if env!("WATTMUL_BINDINGS") == "committed" {
        common::skip("there was no libclang to make fresh bindings with");
        return;
    }
    macro_rules! check {
        ($($name:literal),*) => {$(
            let made = include_str!(concat!(env!("OUT_DIR"), "/", $name, ".rs"));
            let committed = include_str!(concat!("../../vendor/", $name, "/bindings.rs"));
            assert_eq!(made, committed, "copy {}/{}.rs to vendor/{1}/bindings.rs", env!("OUT_DIR"), $name);
        )*};
    }
    check!("adl", "amd_smi", "level_zero", "rocm_smi");
    let folders = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/vendor")).unwrap();
    assert_eq!(folders.count(), 4, "a header that is not checked here");
}
