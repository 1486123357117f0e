//! The order in which one thread of a kernel multiplies: what follows what at a multiplier.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A thread adds up `rows` × `columns` elements of C in registers. For `depth` words along k at a time it goes through its rows, in
/// each through its columns four by four (or the other way round), for each row and four through those words along k, and in each of
/// these through the four.
///
/// That is what the shader says. No sum depends on another, so a compiler may take them in another order: NVIDIA's (580, on an H100)
/// exchanges rows and columns, and keeps an element of B while four rows of A go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub rows: u32,
    /// So many of its rows are neighbours in C.
    pub rows_together: u32,
    /// From the first of those to the first of the next, in rows of C.
    pub row_step: u32,
    /// A multiple of four.
    pub columns: u32,
    /// From the first column of four to the first of the next four.
    pub four_step: u32,
    /// Does it go through all rows with four columns, and not through all columns with a row?
    pub rows_inside: bool,
    /// Words along k (elements, or four i8 that are multiplied at once).
    pub depth: u32,
    /// All of it with rows and columns exchanged: four rows by four rows, in each through its columns.
    #[serde(default, skip_serializing_if = "is_false")]
    pub transposed: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for Order {
    /// A tile of 128 × 128, of which a thread makes 8 × 8: what most GPUs are fastest with.
    fn default() -> Self {
        Order {
            rows: 8,
            rows_together: 4,
            row_step: 64,
            columns: 8,
            four_step: 64,
            rows_inside: true,
            depth: 1,
            transposed: false,
        }
    }
}

/// No thread has more sums, and no step is larger: what a record says is counted, and the count must end.
const MOST: u32 = 4096;

impl Order {
    /// Can a kernel multiply in this order, and can it be counted?
    pub fn is_sound(&self) -> bool {
        let Order { rows, rows_together, row_step, columns, four_step, rows_inside: _, depth, transposed } = *self;
        let counts = [rows, rows_together, row_step, columns, four_step, depth];
        let each = counts.iter().all(|n| (1..=MOST).contains(n));
        let by_four = if transposed { rows } else { columns };
        each && rows * columns <= MOST && by_four.is_multiple_of(4)
    }

    /// The same with rows and columns exchanged, if a thread's rows go by four.
    pub fn exchanged(self) -> Option<Order> {
        Some(Order { transposed: !self.transposed, ..self }).filter(Order::is_sound)
    }

    /// The steps of a block of `depth` words: row, column and word of each, in the thread's own numbers.
    pub fn steps(&self) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let Order { rows_inside: lines_inside, depth, transposed, .. } = *self;
        let (rows, columns) = (self.rows as usize, self.columns as usize);
        let (lines, fours) = if transposed { (columns, rows / 4) } else { (rows, columns / 4) };
        (0..lines * fours).flat_map(move |place| {
            let (line, four) =
                if lines_inside { (place % lines, place / lines) } else { (place / fours, place % fours) };
            (0..depth as usize).flat_map(move |word| {
                (4 * four..4 * four + 4)
                    .map(move |across| if transposed { (across, line, word) } else { (line, across, word) })
            })
        })
    }

    /// Where a thread's row lies, from its first row on.
    pub(super) fn row(&self, row: usize) -> usize {
        let together = self.rows_together as usize;
        row / together * self.row_step as usize + row % together
    }

    /// Where a thread's column lies, from its first column on.
    pub(super) fn column(&self, column: usize) -> usize {
        column / 4 * self.four_step as usize + column % 4
    }
}
