//! The header of a `.npy`: a magic word, a version, a length, and a Python dictionary of three entries that NumPy writes itself
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>). Nothing else of Python is understood.

use super::tensor::{Layout, Order, StoredType, TYPES};
use std::io::Read;

const MAGIC: &[u8] = b"\x93NUMPY";
/// As many bytes as NumPy's own reader takes.
const LARGEST_HEADER: usize = 10_000;

const NO_NPY: &str = "is no .npy file: write it with numpy.save";

/// Reads the header: where the numbers lie, and what they are.
pub(super) fn layout(file: &mut impl Read) -> Result<Layout, String> {
    let broken = |_| NO_NPY.to_owned();
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(broken)?;
    if !start.starts_with(MAGIC) {
        return Err(NO_NPY.into());
    }
    let (length, before) = match start[6] {
        1 => {
            let mut length = [0; 2];
            file.read_exact(&mut length).map_err(broken)?;
            (usize::from(u16::from_le_bytes(length)), 10)
        }
        2 | 3 => {
            let mut length = [0; 4];
            file.read_exact(&mut length).map_err(broken)?;
            (u32::from_le_bytes(length) as usize, 12)
        }
        version => return Err(format!("is of version {version} of .npy, and 1 to 3 are known: {NO_NPY}")),
    };
    if length > LARGEST_HEADER {
        return Err(NO_NPY.into());
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header).map_err(broken)?;
    let header = std::str::from_utf8(&header).map_err(|_| NO_NPY.to_owned())?;
    let (dtype, order, shape) = dictionary(header)?;
    if order == Order::Columns && shape.len() > 2 {
        return Err("is in Fortran order, of more than two dimensions: save numpy.ascontiguousarray(x)".into());
    }
    Ok(Layout { dtype, shape, order, start: (before + length) as u64 })
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
fn dictionary(header: &str) -> Result<(StoredType, Order, Vec<u64>), String> {
    let no_npy = || NO_NPY.to_owned();
    let value = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start()).ok_or_else(no_npy);
    let descr = value("'descr':")?;
    // A list of fields is a structured array.
    let descr = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\''));
    let (descr, _) = descr.ok_or_else(|| format!("is a structured array: {TYPES}"))?;
    let dtype = match descr {
        "<f4" => StoredType::F32,
        "<f2" => StoredType::F16,
        // NumPy has no name for the bfloat16 of ml_dtypes and JAX, and saves it as two bytes without a type.
        "<V2" | "|V2" | "bfloat16" => StoredType::Bf16,
        "|i1" => StoredType::I8,
        "|O" => return Err(format!("holds Python objects, which are pickled, and a pickle can run anything: {TYPES}")),
        other if other.starts_with('>') => {
            return Err("is big endian: save x.astype('<f4')".into());
        }
        other => return Err(format!("holds {}: {TYPES}", other.escape_debug())),
    };
    let order = match value("'fortran_order':")? {
        rest if rest.starts_with("False") => Order::Rows,
        rest if rest.starts_with("True") => Order::Columns,
        _ => return Err(no_npy()),
    };
    let shape = value("'shape':")?.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(no_npy)?.0;
    let lengths = shape.split(',').map(str::trim).filter(|length| !length.is_empty());
    let shape = lengths.map(|length| length.parse().ok()).collect::<Option<Vec<u64>>>().ok_or_else(no_npy)?;
    Ok((dtype, order, shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, header: &str) -> Vec<u8> {
        let mut file = [MAGIC, &[version, 0]].concat();
        match version {
            1 => file.extend((header.len() as u16).to_le_bytes()),
            _ => file.extend((header.len() as u32).to_le_bytes()),
        }
        file.extend(header.as_bytes());
        file
    }

    #[test]
    fn headers_are_read_whatever_their_version_and_the_order_of_their_keys() {
        let usual = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }      \n";
        for (version, start) in [(1, 10), (2, 12), (3, 12)] {
            let layout = layout(&mut &file(version, usual)[..]).unwrap();
            assert_eq!((layout.dtype, layout.shape, layout.order), (StoredType::F32, vec![3, 4], Order::Rows));
            assert_eq!(layout.start, start + usual.len() as u64);
        }
        let of = |header: &str| dictionary(header).unwrap();
        assert_eq!(of("{'shape': (5,), 'fortran_order': True, 'descr': '|i1'}").2, [5]);
        assert_eq!(of("{'descr': '<V2', 'fortran_order': True, 'shape': (2, 3), }").1, Order::Columns);
        assert!(of("{'descr': '<f2', 'fortran_order': False, 'shape': (), }").2.is_empty());
    }

    #[test]
    fn what_is_no_header_is_said_in_one_line() {
        let why = |bytes: &[u8]| layout(&mut &bytes[..]).err().unwrap();
        let of = |descr: &str, order: &str, shape: &str| {
            why(&file(1, &format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n")))
        };
        for bytes in
            [&b""[..], b"\x93NUM", b"not a file of numbers", b"\x93NUMPY\x01\0\xff\xff{", b"\x80\x04\x95pickled!"]
        {
            assert_eq!(why(bytes), NO_NPY);
        }
        assert_eq!(why(&file(2, &" ".repeat(LARGEST_HEADER + 1))), NO_NPY);
        assert_eq!(of("'<f4'", "False", "(3, -4)"), NO_NPY);
        assert_eq!(of("'<f4'", "False", "(99999999999999999999,)"), NO_NPY);
        assert_eq!(of("'<f4'", "None", "(3, 4)"), NO_NPY);
        assert!(why(&file(9, "{}")).contains("version 9"));
        assert!(of("'|O'", "False", "(3,)").contains("Python objects"));
        assert!(of("[('a', '<f4')]", "False", "(3,)").contains("structured"));
        assert!(of("'>f4'", "False", "(3,)").contains("big endian"));
        assert!(of("'<f8'", "False", "(3,)").contains("holds <f8: save f32"));
        assert!(of("'<f4'", "True", "(3, 4, 5)").contains("ascontiguousarray"));
        assert!(of("'\u{1b}[31m'", "False", "(3,)").contains("\\u{1b}"), "a stranger's text moves no cursor");
    }
}
