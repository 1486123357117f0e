//! How much of AMD's machine code multiplies and adds.

use std::fmt;

/// Fused multiply-adds among all instructions: waits, branches and address arithmetic count, too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    pub fmas: usize,
    pub all: usize,
}

impl Count {
    pub fn share(&self) -> f64 {
        self.fmas as f64 / self.all.max(1) as f64
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&format!("{}/{}", self.fmas, self.all))
    }
}

/// Instructions that run one after the other, up to a label.
struct Block<'a> {
    label: &'a str,
    count: Count,
    /// Labels that it may jump to.
    targets: Vec<&'a str>,
}

fn blocks(assembly: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block> = vec![];
    for line in assembly.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), blocks.last_mut()) {
            (Some(word), _) if line.starts_with("BB") => {
                blocks.push(Block { label: word.trim_end_matches(':'), count: Count::default(), targets: vec![] });
            }
            (Some(operation), Some(block)) if is_instruction(operation) => {
                block.count.all += 1;
                block.count.fmas += usize::from(is_fma(operation));
                if operation.contains("branch") {
                    block.targets.extend(words.next());
                }
            }
            _ => {}
        }
    }
    blocks
}

/// A second line of a long instruction, or a remark, is none.
fn is_instruction(word: &str) -> bool {
    ["s_", "v_", "ds_", "buffer_", "global_", "flat_", "scratch_"].iter().any(|prefix| word.starts_with(prefix))
}

/// v_mac and v_mad round the product before they add: as fast, on GPUs where RADV prefers them to v_fma. v_fma_mix takes
/// operands in f16, v_dot4 four pairs of i8.
fn is_fma(operation: &str) -> bool {
    ["v_fma", "v_mac_f", "v_mad_f", "v_pk_fma", "v_dual_fma", "v_dot4"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}

/// The straight piece of code with the most fused multiply-adds.
pub fn hot_block(assembly: &str) -> Count {
    blocks(assembly).iter().map(|block| block.count).max_by_key(|count| count.fmas).unwrap_or_default()
}

/// The loop with the most fused multiply-adds: every instruction from its first block to the jump back. A share that is
/// taken of the hot block alone would hide what a loop does around it.
///
/// None without such a loop, or when another loop is left inside it: the text then does not tell how often each part runs.
pub fn whole_loop(assembly: &str) -> Option<Count> {
    let blocks = blocks(assembly);
    let loops: Vec<(usize, usize)> = blocks
        .iter()
        .enumerate()
        .flat_map(|(last, block)| block.targets.iter().map(move |target| (target, last)))
        .filter_map(|(target, last)| {
            let first = blocks[..=last].iter().position(|block| block.label == *target)?;
            Some((first, last))
        })
        .collect();
    let sum = |&(first, last): &(usize, usize)| {
        let counts = blocks[first..=last].iter().map(|block| block.count);
        counts.fold(Count::default(), |sum, count| Count { fmas: sum.fmas + count.fmas, all: sum.all + count.all })
    };
    let outermost = loops.iter().max_by_key(|ends| sum(ends).fmas)?;
    let inside = |ends: &&(usize, usize)| outermost.0 <= ends.0 && ends.1 <= outermost.1;
    let count = sum(outermost);
    (loops.iter().filter(inside).count() == 1 && count.fmas > 0).then_some(count)
}
