//! How much of a kernel's machine code multiplies and adds: AMD's, as RADV writes it, NVIDIA's, as NVK does, and Qualcomm's, as
//! Turnip does.

use std::fmt;

/// The instructions of a K loop.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Count {
    /// Fused multiply-adds.
    pub fmas: usize,
    /// Those of matrix units.
    pub matrix: usize,
    /// The other ones of the vector units, on NVIDIA's GPUs all that is none of the rest here.
    pub vector: usize,
    /// Reads and writes of workgroup memory.
    pub workgroup: usize,
    /// Everything: waits, branches and address arithmetic count, too.
    pub all: usize,
}

impl Count {
    fn of(operations: impl Iterator<Item = Operation>) -> Count {
        let mut count = Count::default();
        for operation in operations {
            count.all += 1;
            match operation {
                Operation::Fma => count.fmas += 1,
                Operation::Matrix => count.matrix += 1,
                Operation::Vector => count.vector += 1,
                Operation::Workgroup => count.workgroup += 1,
                Operation::Other => {}
            }
        }
        count
    }

    /// What multiplies, in a kernel of either kind.
    fn work(&self) -> usize {
        self.fmas + self.matrix
    }

    /// Fused multiply-adds among all instructions.
    pub fn share(&self) -> f64 {
        self.fmas as f64 / self.all.max(1) as f64
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&format!("{}/{}", self.fmas, self.all))
    }
}

#[derive(Clone, Copy)]
enum Operation {
    Fma,
    Matrix,
    Vector,
    Workgroup,
    Other,
}

impl Operation {
    /// v_mac and v_mad round the product before they add: as fast, on GPUs where RADV prefers them to v_fma.
    /// v_fma_mix takes operands in f16; v_dot4, idp4 and dp4acc multiply four pairs of i8.
    const FMAS: &[&str] = &[
        "v_fma", "v_mac_f", "v_mad_f", "v_pk_fma", "v_dual_fma", "v_dot4", "ffma", "dfma", "hfma", "idp4", "mad.f",
        "dp4acc",
    ];
    const MATRIX: &[&str] = &["v_wmma", "v_swmmac", "v_mfma", "hmma", "imma"];
    const WORKGROUP: &[&str] = &["ds_", "ld.shared", "st.shared", "ldsm", "ldl.", "stl."];
    /// What is issued to no vector unit: scalar instructions of AMD, global memory, and the control of NVIDIA's.
    const OTHER: &[&str] = &[
        "s_", "buffer_", "global_", "flat_", "scratch_", "ld.", "st.", "ldc", "bar", "membar", "bra", "nop", "bclear",
        "bssy", "bsync",
    ];

    fn named(name: &str) -> Operation {
        let one_of = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
        if one_of(Self::MATRIX) {
            Operation::Matrix
        } else if one_of(Self::FMAS) {
            Operation::Fma
        } else if one_of(Self::WORKGROUP) {
            Operation::Workgroup
        } else if one_of(Self::OTHER) {
            Operation::Other
        } else {
            Operation::Vector
        }
    }
}

/// Instructions that run one after the other.
#[derive(Default)]
struct Block {
    name: String,
    operations: Vec<Operation>,
    /// Names of the blocks that may follow.
    next: Vec<String>,
}

fn blocks(assembly: &str) -> Vec<Block> {
    if assembly.contains("} -> [") {
        blocks_of_nvk(assembly)
    } else if assembly.contains("(rpt") {
        blocks_of_turnip(assembly)
    } else {
        blocks_of_radv(assembly)
    }
}

/// `l84:`, then an instruction a line, with marks in parentheses before it: `(rptN)` runs it N times more, `(nopN)` waits as long as N
/// others take.
fn blocks_of_turnip(assembly: &str) -> Vec<Block> {
    let mut blocks = vec![Block::default()];
    let mut falls_through = true;
    for line in assembly.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(':') {
            if let Some(before) = blocks.last_mut().filter(|_| falls_through) {
                before.next.push(name.to_owned());
            }
            blocks.push(Block { name: name.to_owned(), ..Block::default() });
            falls_through = true;
            continue;
        }
        let (mut rest, mut times, mut waits) = (line, 1, 0);
        while let Some((mark, behind)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
            let count = |kind| mark.strip_prefix(kind).and_then(|count: &str| count.parse::<usize>().ok()).unwrap_or(0);
            (times, waits) = (times + count("rpt"), waits + count("nop"));
            rest = behind.trim_start();
        }
        let (Some(name), Some(block)) = (rest.split_whitespace().next(), blocks.last_mut()) else { continue };
        block.operations.extend(std::iter::repeat_n(Operation::Other, waits));
        block.operations.extend(std::iter::repeat_n(Operation::named(name), times));
        block.next.extend(rest.split_once('#').map(|(_, target)| target.to_owned()));
        falls_through = falls_through && !["jump", "end"].contains(&name);
    }
    blocks
}

/// `BB1:`, then an instruction a line.
fn blocks_of_radv(assembly: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    let mut falls_through = false;
    for line in assembly.lines() {
        let mut words = line.split_whitespace();
        let Some(word) = words.next() else { continue };
        if line.starts_with("BB") {
            let name = word.trim_end_matches(':').to_owned();
            if let Some(before) = blocks.last_mut().filter(|_| falls_through) {
                before.next.push(name.clone());
            }
            blocks.push(Block { name, ..Block::default() });
            falls_through = true;
            continue;
        }
        // A second line of a long instruction, or a remark, is none.
        let is_instruction = ["s_", "v_", "ds_", "buffer_", "global_", "flat_", "scratch_"];
        let Some(block) = blocks.last_mut().filter(|_| is_instruction.iter().any(|prefix| word.starts_with(prefix)))
        else {
            continue;
        };
        block.operations.push(Operation::named(word));
        if word.contains("branch") {
            block.next.extend(words.next().map(str::to_owned));
        }
        falls_through = falls_through && !["s_branch", "s_endpgm", "s_setpc_b64"].contains(&word);
    }
    blocks
}

/// `block 1 L4 [0, 7] -> {`, an instruction a line with its remarks behind `//`, and `} -> [2, 3]`.
fn blocks_of_nvk(assembly: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = vec![];
    for line in assembly.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), blocks.last_mut()) {
            (Some("block" | "block.u"), _) => {
                blocks.push(Block { name: words.next().unwrap_or_default().to_owned(), ..Block::default() });
            }
            (Some("}"), Some(block)) => {
                let inside = line.split_once('[').map_or("", |(_, names)| names.trim_end_matches(']'));
                block.next = inside.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect();
            }
            (Some(_), Some(block)) => {
                let Some((instruction, _)) = line.split_once("//") else { continue };
                let called = instruction.split_once(" = ").map_or(instruction, |(_, called)| called);
                let condition = |word: &&str| word.starts_with('@');
                let name = called.split_whitespace().find(|word| !condition(word));
                block.operations.extend(name.map(Operation::named));
            }
            _ => {}
        }
    }
    blocks
}

/// The loop that multiplies most: every instruction in it, wherever it is entered. A share that is taken of its
/// hottest block alone would hide what a loop does around it.
///
/// None without such a loop, or when another loop is left inside it: the text then does not tell how often each part
/// runs.
pub fn whole_loop(assembly: &str) -> Option<Count> {
    let blocks = blocks(assembly);
    let place = |name: &String| blocks.iter().position(|block| block.name == *name);
    let next: Vec<Vec<usize>> = blocks.iter().map(|block| block.next.iter().filter_map(place).collect()).collect();
    let after: Vec<Vec<usize>> = (0..blocks.len()).map(|block| reached_from(block, &next)).collect();
    // A block is in a loop when it comes after itself; with it are those before which, and after which, it comes.
    let looping = (0..blocks.len()).filter(|&block| after[block].contains(&block));
    let together = |block: usize| {
        let with_it = |other: &usize| after[*other].contains(&block);
        after[block].iter().copied().filter(with_it).collect::<Vec<usize>>()
    };
    let count = |inside: &[usize]| Count::of(inside.iter().flat_map(|&block| blocks[block].operations.iter().copied()));
    let hottest = looping.map(together).max_by_key(|inside| count(inside).work())?;
    // Without the block where it is entered, nothing of it comes after itself.
    let from_outside =
        |block: &&usize| (0..blocks.len()).any(|before| !hottest.contains(&before) && next[before].contains(block));
    let entered = hottest.iter().find(from_outside).or(hottest.iter().min());
    let without: Vec<Vec<usize>> = next
        .iter()
        .map(|next| next.iter().copied().filter(|block| hottest.contains(block) && Some(block) != entered).collect())
        .collect();
    let nested = hottest.iter().any(|&block| Some(&block) != entered && reached_from(block, &without).contains(&block));
    let twice = entered.is_some_and(|&block| next[block].contains(&block) && hottest.len() > 1);
    let count = count(&hottest);
    (!nested && !twice && count.work() > 0).then_some(count)
}

/// The blocks that may come after one, at any distance.
fn reached_from(block: usize, next: &[Vec<usize>]) -> Vec<usize> {
    let (mut reached, mut ahead) = (vec![], next[block].clone());
    while let Some(block) = ahead.pop() {
        if !reached.contains(&block) {
            reached.push(block);
            ahead.extend(&next[block]);
        }
    }
    reached
}
