//! The numbers of a file, in memory: what type they have there, how they are laid out, and how n rows and columns are made of them.

use half::{bf16, f16};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// The type of the numbers in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StoredType {
    F32,
    F16,
    Bf16,
    I8,
}

impl StoredType {
    pub fn name(self) -> &'static str {
        match self {
            StoredType::F32 => "f32",
            StoredType::F16 => "f16",
            StoredType::Bf16 => "bf16",
            StoredType::I8 => "i8",
        }
    }

    /// Of an element.
    pub fn bytes(self) -> usize {
        match self {
            StoredType::F32 => 4,
            StoredType::F16 | StoredType::Bf16 => 2,
            StoredType::I8 => 1,
        }
    }

    /// An element from its bytes, little endian: all four types are exact in f32.
    fn number(self, bytes: &[u8]) -> f32 {
        match (self, bytes) {
            (StoredType::F32, &[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            (StoredType::F16, &[a, b]) => f16::from_le_bytes([a, b]).to_f32(),
            (StoredType::Bf16, &[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            (StoredType::I8, &[a]) => f32::from(a.cast_signed()),
            _ => f32::NAN, // of no element
        }
    }
}

/// Which element follows which in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those of a row: C order.
    Rows,
    /// Those of a column: Fortran order, of two dimensions at most.
    Columns,
}

/// Numbers of a file. All but the last dimension are taken together as rows.
pub struct Tensor {
    pub dtype: StoredType,
    pub shape: Vec<u64>,
    order: Order,
    /// Little endian.
    bytes: Vec<u8>,
    rows: usize,
    columns: usize,
}

/// Where in a file a tensor lies.
pub(super) struct Layout {
    pub dtype: StoredType,
    pub shape: Vec<u64>,
    pub order: Order,
    /// Of its first byte.
    pub start: u64,
}

/// What to do about another type.
pub(super) const TYPES: &str = "save f32, f16, bf16 or i8, such as x.astype('float32')";

/// A tensor as it fills an operand.
pub(super) struct Loaded {
    pub tensor: Tensor,
    pub digest: String,
    pub transposed: bool,
    /// Does it have few different numbers?
    pub coarse: bool,
    /// What the user called it.
    pub told: String,
}

/// How n rows (or columns) were made of a tensor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// It has n.
    Whole,
    /// It has more: the first n.
    Cut,
    /// It has fewer: all, again and again.
    Repeated,
}

impl Fit {
    /// Of so many made n.
    pub fn of(has: u64, n: usize) -> Self {
        match has.cmp(&(n as u64)) {
            std::cmp::Ordering::Equal => Fit::Whole,
            std::cmp::Ordering::Greater => Fit::Cut,
            std::cmp::Ordering::Less => Fit::Repeated,
        }
    }
}

/// Rows and columns of a shape. None without elements, or of more than the machine can count.
pub fn rows_and_columns(shape: &[u64]) -> Option<(u64, u64)> {
    let (columns, rows) = shape.split_last().map_or((1, &[][..]), |(last, others)| (*last, others));
    let rows = rows.iter().try_fold(1u64, |product, &length| product.checked_mul(length))?;
    (rows.checked_mul(columns)? > 0).then_some((rows, columns))
}

/// `3 × 4`.
pub(super) struct Shape<'a>(pub &'a [u64]);

impl fmt::Display for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.0 {
            [] => f.write_str("1"),
            shape => f.write_str(&shape.iter().map(u64::to_string).collect::<Vec<_>>().join(" × ")),
        }
    }
}

impl Tensor {
    /// Of the bytes of all its elements, little endian. None if shape, type and bytes do not fit each other.
    pub fn new(dtype: StoredType, shape: Vec<u64>, order: Order, bytes: Vec<u8>) -> Option<Self> {
        let (rows, columns) = rows_and_columns(&shape)?;
        let (rows, columns) = (usize::try_from(rows).ok()?, usize::try_from(columns).ok()?);
        let fits = rows.checked_mul(columns)?.checked_mul(dtype.bytes())? == bytes.len();
        // Of one row or one column, both orders are the same.
        (fits && (order == Order::Rows || shape.len() <= 2)).then_some(Tensor {
            dtype,
            shape,
            order,
            bytes,
            rows,
            columns,
        })
    }

    /// Rows and columns; of the transposed tensor, those.
    fn sides(&self, transposed: bool) -> (usize, usize) {
        if transposed { (self.columns, self.rows) } else { (self.rows, self.columns) }
    }

    /// Fills `out` with row `row` of the n × n matrix that is cut from it, or made by repeating it.
    pub fn row(&self, transposed: bool, row: usize, out: &mut [f32]) {
        let (rows, columns) = self.sides(transposed);
        let (row, size) = (row % rows, self.dtype.bytes());
        let length = columns.min(out.len());
        let along_rows = (self.order == Order::Rows) != transposed;
        let (first, step) = if along_rows { (row * columns, 1) } else { (row, rows) };
        for (i, out) in out[..length].iter_mut().enumerate() {
            let at = (first + i * step) * size;
            *out = self.dtype.number(&self.bytes[at..at + size]);
        }
        let mut filled = length;
        while filled < out.len() {
            let more = length.min(out.len() - filled);
            out.copy_within(..more, filled);
            filled += more;
        }
    }

    /// BLAKE3 of its type, its shape, and its elements row by row, so that equal digests are equal numbers in whichever order a file
    /// holds them.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(format!("{} {:?}\n", self.dtype.name(), self.shape).as_bytes());
        match self.order {
            Order::Rows => hasher.update(&self.bytes),
            Order::Columns => {
                let size = self.dtype.bytes();
                let mut of_row = Vec::with_capacity(self.columns * size);
                for row in 0..self.rows {
                    of_row.clear();
                    let starts = (0..self.columns).map(|column| (column * self.rows + row) * size);
                    of_row.extend(starts.flat_map(|start| &self.bytes[start..start + size]));
                    hasher.update(&of_row);
                }
                &mut hasher
            }
        };
        hasher.finalize().to_hex().to_string()
    }

    /// All numbers, in the order of the file.
    pub fn numbers(&self) -> impl Iterator<Item = f32> {
        self.bytes.chunks_exact(self.dtype.bytes()).map(|bytes| self.dtype.number(bytes))
    }

    /// Has it few different numbers? Quantised to 8 bits, a tensor has no more.
    pub fn is_coarse(&self) -> bool {
        const FEW: usize = 256;
        let mut magnitudes = HashSet::new();
        self.numbers().all(|number| {
            magnitudes.insert(number.abs().to_bits());
            magnitudes.len() <= FEW
        })
    }

    /// Where the element at `index` of [`Tensor::numbers`] stands: row and column.
    pub fn place(&self, index: usize) -> (usize, usize) {
        match self.order {
            Order::Rows => (index / self.columns, index % self.columns),
            Order::Columns => (index % self.rows, index / self.rows),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(shape: &[u64], order: Order, numbers: &[f32]) -> Tensor {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Tensor::new(StoredType::F32, shape.to_vec(), order, bytes).unwrap()
    }

    fn made(tensor: &Tensor, transposed: bool, n: usize) -> Vec<Vec<f32>> {
        let mut rows = vec![vec![f32::NAN; n]; n];
        rows.iter_mut().enumerate().for_each(|(i, row)| tensor.row(transposed, i, row));
        rows
    }

    #[test]
    fn what_is_larger_is_cut_and_what_is_smaller_is_repeated() {
        let wide = tensor(&[2, 3], Order::Rows, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(made(&wide, false, 2), [[1.0, 2.0], [4.0, 5.0]]);
        assert_eq!(made(&wide, true, 2), [[1.0, 4.0], [2.0, 5.0]]);
        let rows = [[1.0, 2.0, 3.0, 1.0, 2.0], [4.0, 5.0, 6.0, 4.0, 5.0]];
        assert_eq!(made(&wide, false, 5), [rows[0], rows[1], rows[0], rows[1], rows[0]]);
        let fits = [(2, 2), (3, 2), (1, 2)].map(|(has, n)| Fit::of(has, n));
        assert_eq!(fits, [Fit::Whole, Fit::Cut, Fit::Repeated]);
    }

    #[test]
    fn both_orders_of_a_file_are_the_same_numbers_and_the_same_digest() {
        let by_rows = tensor(&[2, 3], Order::Rows, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let by_columns = tensor(&[2, 3], Order::Columns, &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
        for transposed in [false, true] {
            assert_eq!(made(&by_rows, transposed, 7), made(&by_columns, transposed, 7));
        }
        assert_eq!(by_rows.digest(), by_columns.digest());
        assert_ne!(by_rows.digest(), tensor(&[3, 2], Order::Rows, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).digest());
        assert_eq!((by_rows.place(5), by_columns.place(1)), ((1, 2), (1, 0)));
    }

    #[test]
    fn all_but_the_last_dimension_are_rows() {
        assert_eq!(rows_and_columns(&[2, 3, 4]), Some((6, 4)));
        assert_eq!(rows_and_columns(&[5]), Some((1, 5)));
        assert_eq!(rows_and_columns(&[]), Some((1, 1)));
        assert_eq!(rows_and_columns(&[0, 5]), None);
        assert_eq!(rows_and_columns(&[u64::MAX, 2]), None);
        assert!(Tensor::new(StoredType::F16, vec![2, 2], Order::Rows, vec![0; 7]).is_none());
    }

    #[test]
    fn every_type_is_exact_in_f32() {
        let number = |dtype: StoredType, bytes: &[u8]| dtype.number(bytes);
        assert_eq!(number(StoredType::F16, &f16::from_f32(65504.0).to_le_bytes()), 65504.0);
        assert_eq!(number(StoredType::Bf16, &bf16::from_f32(3e38).to_le_bytes()), bf16::from_f32(3e38).to_f32());
        assert_eq!(number(StoredType::I8, &[0x80]), -128.0);
        assert_eq!(number(StoredType::F32, &1e-40f32.to_le_bytes()), 1e-40);
    }
}
