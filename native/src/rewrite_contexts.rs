//! The part of rewriting that serves contexts: call stacks between which a guest thread switches (`context_create`
//! of WASIX). Each is an instance of its own on the memory of the process, but the program is to see a single one.
//! So a program that imports `context_create`
//!
//! * has a shared memory: its own one becomes that, as in modules that fork;
//! * begins its data and runs its start function in a function that asks the host first, since they
//!   belong to a thread's beginning and not to that of a further context:
//!
//! ```text
//! (func $start
//!   (if (call $selvedge.begins)
//!     (then (memory.init $segment (offset) (i32.const 0) (i32.const size)) (data.drop $segment) ...
//!           (call $original_start))))
//! ```
//!
//! * exports its table as "selvedge.contexts", in which a context finds its first function.
//!
//! Without that export there are no contexts. It is left out where instances could come to differ: the code
//! changes a table; and where there are too many mutable globals to copy at each switch. The memory of a program
//! that loads libraries stays as it is, since they were built for that.

use wasm_encoder::{BlockType, Encode, Function, Instruction};
use wasmparser::{BinaryReaderError, DataKind, DataSectionReader, Operator};

use crate::inspect::WASIX_MODULE;

const CREATE: &str = "context_create";
const LOAD: &str = "dlopen";
/// The exported table of a program that can have contexts.
pub(crate) const CONTEXTS_EXPORT: &str = "selvedge.contexts";
/// Mutable globals of a process that has contexts.
pub(crate) const CONTEXT_GLOBALS_MAX: usize = 1_024;

const PASSIVE: u8 = 1;
const END: u8 = 0x0b;

/// A data segment that is written when the program begins.
struct ActiveSegment<'a> {
    index: u32,
    /// Instructions that leave its address.
    offset: &'a [u8],
    size: usize,
}

/// What is known of a module.
#[derive(Default)]
pub(crate) struct ContextSurvey<'a> {
    imported: bool,
    loads: bool,
    pub(crate) changes_table: bool,
    pub(crate) start: Option<u32>,
    active: Vec<ActiveSegment<'a>>,
    segments: u32,
    /// The module will be one whose threads can have contexts.
    pub(crate) enabled: bool,
}

/// Whether the instruction changes a table of this instance only.
pub(crate) fn changes_table(operator: &Operator<'_>) -> bool {
    matches!(
        operator,
        Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
    )
}

impl<'a> ContextSurvey<'a> {
    pub(crate) fn imported_function(&mut self, module: &str, name: &str) {
        self.imported |= module == WASIX_MODULE && name == CREATE;
        self.loads |= module == WASIX_MODULE && name == LOAD;
    }

    /// The module imports `context_create`.
    pub(crate) fn imported(&self) -> bool {
        self.imported
    }

    /// A memory of the module's own is to become the process's.
    pub(crate) fn moves_memory(&self) -> bool {
        self.imported && !self.loads
    }

    pub(crate) fn data(
        &mut self,
        wasm: &'a [u8],
        segments: DataSectionReader<'a>,
    ) -> Result<(), BinaryReaderError> {
        self.segments = segments.count();
        for (index, segment) in (0..).zip(segments) {
            let segment = segment?;
            if let DataKind::Active { offset_expr, .. } = segment.kind {
                let offset = &wasm[offset_expr.get_binary_reader().range()];
                let offset = offset.strip_suffix(&[END]).unwrap_or(offset);
                self.active.push(ActiveSegment { index, offset, size: segment.data.len() });
            }
        }
        Ok(())
    }

    /// The module needs a section that counts its data segments.
    pub(crate) fn counts_data(&self) -> bool {
        self.enabled && !self.active.is_empty()
    }

    pub(crate) fn segments(&self) -> u32 {
        self.segments
    }

    /// The body of the function that begins the program, with its size before it. `start`: the moved index of what
    /// was the start function.
    pub(crate) fn write_start(&self, begins: u32, start: Option<u32>, content: &mut Vec<u8>) {
        let mut body = Function::new([]);
        body.instruction(&Instruction::Call(begins));
        body.instruction(&Instruction::If(BlockType::Empty));
        for segment in &self.active {
            body.raw(segment.offset.iter().copied());
            body.instruction(&Instruction::I32Const(0));
            body.instruction(&Instruction::I32Const(segment.size as i32));
            body.instruction(&Instruction::MemoryInit { mem: 0, data_index: segment.index });
            body.instruction(&Instruction::DataDrop(segment.index));
        }
        if let Some(start) = start {
            body.instruction(&Instruction::Call(start));
        }
        body.instruction(&Instruction::End);
        body.instruction(&Instruction::End);
        body.encode(content);
    }
}

/// The content of the data section with nothing in it that writes by itself.
pub(crate) fn passive_data(segments: DataSectionReader<'_>) -> Result<Vec<u8>, BinaryReaderError> {
    let mut content = Vec::new();
    segments.count().encode(&mut content);
    for segment in segments {
        content.push(PASSIVE);
        segment?.data.encode(&mut content);
    }
    Ok(content)
}

#[cfg(test)]
#[path = "rewrite_contexts_test.rs"]
mod tests;
