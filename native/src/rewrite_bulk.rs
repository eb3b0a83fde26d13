//! The part of rewriting that bounds bulk memory operations. One `memory.fill` or `memory.copy` may
//! name gigabytes, and the engine cannot interrupt it. So each becomes a call of a function that is
//! added to the module and works in blocks, with a loop that the engine's epoch can stop between
//! them. What a guest sees stays: both trap before they write anything.

use wasm_encoder::{BlockType, Encode, Function, Instruction, ValType};
use wasmparser::Operator;

/// What one instruction may move: tens of microseconds, also into pages that are new.
pub(crate) const BLOCK_BYTES: u32 = 256 << 10;
/// Pages of a memory that ends where 32-bit addresses do.
const PAGES_MAX: i32 = 65_536;

/// The added functions. All take three i32 and return nothing.
pub(crate) const FUNCTIONS: usize = 2;
const FILL: usize = 0;
const COPY: usize = 1;

const TO: u32 = 0;
const FROM_OR_VALUE: u32 = 1;
const COUNT: u32 = 2;
const END: u32 = 3;

/// Finds the instructions that become calls, one after another in a function body.
#[derive(Default)]
pub(crate) struct BulkFinder {
    /// What the instruction before leaves on the stack, when that is known.
    constant: Option<u32>,
}

impl BulkFinder {
    /// The position in FUNCTIONS, when `operator` may move more than a block.
    pub(crate) fn replaced(&mut self, operator: &Operator<'_>) -> Option<usize> {
        let count = self.constant.take();
        match operator {
            Operator::I32Const { value } => {
                self.constant = Some(*value as u32);
                None
            }
            _ if count.is_some_and(|count| count <= BLOCK_BYTES) => None,
            Operator::MemoryFill { .. } => Some(FILL),
            Operator::MemoryCopy { .. } => Some(COPY),
            _ => None,
        }
    }
}

/// Whether the two bytes may begin one of the instructions.
pub(crate) fn may_begin(pair: &[u8]) -> bool {
    pair[0] == 0xfc && matches!(pair[1] & 0x7f, 10 | 11)
}

fn bulk(function: usize) -> Instruction<'static> {
    match function {
        FILL => Instruction::MemoryFill(0),
        _ => Instruction::MemoryCopy { src_mem: 0, dst_mem: 0 },
    }
}

fn whole(function: usize) -> [Instruction<'static>; 4] {
    use Instruction::LocalGet;
    [LocalGet(TO), LocalGet(FROM_OR_VALUE), LocalGet(COUNT), bulk(function)]
}

/// Traps when `local` and the COUNT bytes behind it are not all in memory, by the whole operation;
/// else does nothing.
fn check(function: usize, local: u32) -> Vec<Instruction<'static>> {
    use Instruction::*;
    let mut code = vec![LocalGet(local), LocalGet(COUNT), I32Add, LocalTee(END), LocalGet(local)];
    // Below 2^32 it is enough to ask for nothing at the end.
    code.extend([I32GtU, If(BlockType::Empty)]);
    code.extend([LocalGet(END), I32Const(0), I32Const(0), MemoryFill(0)]);
    // At 2^32 only the largest memory has all of it; beyond, none.
    code.extend([Else, LocalGet(END), MemorySize(0), I32Const(PAGES_MAX), I32Xor, I32Or]);
    code.push(If(BlockType::Empty));
    code.extend(whole(function));
    code.extend([End, End]);
    code
}

fn add_block(local: u32) -> [Instruction<'static>; 4] {
    use Instruction::*;
    [LocalGet(local), I32Const(BLOCK_BYTES as i32), I32Add, LocalSet(local)]
}

fn more_than_a_block() -> [Instruction<'static>; 3] {
    [Instruction::LocalGet(COUNT), Instruction::I32Const(BLOCK_BYTES as i32), Instruction::I32GtU]
}

fn subtract_block() -> [Instruction<'static>; 4] {
    use Instruction::*;
    [LocalGet(COUNT), I32Const(BLOCK_BYTES as i32), I32Sub, LocalSet(COUNT)]
}

/// Blocks from the first one on; what is left at the end.
fn ascending(function: usize) -> Vec<Instruction<'static>> {
    use Instruction::*;
    let mut code = vec![Loop(BlockType::Empty), LocalGet(TO), LocalGet(FROM_OR_VALUE)];
    code.extend([I32Const(BLOCK_BYTES as i32), bulk(function)]);
    code.extend(add_block(TO));
    if function == COPY {
        code.extend(add_block(FROM_OR_VALUE));
    }
    code.extend(subtract_block());
    code.extend(more_than_a_block());
    code.extend([BrIf(0), End]);
    code.extend(whole(function));
    code
}

/// A copy's blocks from the last one on, for a destination that overlaps the source behind it.
fn descending() -> Vec<Instruction<'static>> {
    use Instruction::*;
    let mut code = vec![Loop(BlockType::Empty)];
    code.extend(subtract_block());
    code.extend([LocalGet(TO), LocalGet(COUNT), I32Add]);
    code.extend([LocalGet(FROM_OR_VALUE), LocalGet(COUNT), I32Add]);
    code.extend([I32Const(BLOCK_BYTES as i32), bulk(COPY)]);
    code.extend(more_than_a_block());
    code.extend([BrIf(0), End]);
    code.extend(whole(COPY));
    code
}

/// The body of an added function, with its size before it.
pub(crate) fn write_function(function: usize, content: &mut Vec<u8>) {
    use Instruction::*;
    let mut code = Vec::from(more_than_a_block());
    code.extend([I32Eqz, If(BlockType::Empty)]);
    code.extend(whole(function));
    code.extend([Return, End]);
    code.extend(check(function, TO));
    if function == COPY {
        code.extend(check(function, FROM_OR_VALUE));
        code.extend([LocalGet(TO), LocalGet(FROM_OR_VALUE), I32GtU, If(BlockType::Empty)]);
        code.extend(descending());
        code.extend([Return, End]);
    }
    code.extend(ascending(function));
    code.push(End);
    let mut body = Function::new([(1, ValType::I32)]);
    for instruction in &code {
        body.instruction(instruction);
    }
    body.encode(content);
}

#[cfg(test)]
#[path = "rewrite_bulk_test.rs"]
mod tests;
