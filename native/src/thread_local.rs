//! Thread-local variables of a library, as wasm-ld lays them out: a block that begins where the global
//! `__tls_base` says, filled from a passive segment of its own. Neither the global nor the segment has a name in a
//! module that the linker was not asked for it, so they are told by what the linker's start function does with
//! them, for the first thread: it sets the global and fills the block before anything else. For other threads there
//! may be `__wasm_init_tls (block i32)`, which also puts addresses into the block; it is told the same way.

use wasmparser::{
    BinaryReader, BinaryReaderError, CodeSectionReader, FunctionBody, FunctionSectionReader,
    GlobalSectionReader, ImportSectionReader, Operator, TypeRef, ValType,
};

use crate::inspect::FEATURES;
use crate::rewrite_signals::SignalSurvey;
use crate::sections::{self, Section, id};

/// Where they are, in the module as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ThreadLocal {
    /// The index of `__tls_base`.
    pub(crate) base: u32,
    /// Bytes of a block.
    pub(crate) size: u32,
    /// The index of `__wasm_init_tls`.
    pub(crate) initializer: Option<u32>,
    segment: u32,
}

#[derive(Default)]
struct Survey {
    imported_functions: u32,
    has_shared_memory: bool,
    /// Mutable globals of the module's own.
    globals: Vec<u32>,
    imported_globals: u32,
    types: SignalSurvey,
    start: Option<u32>,
}

fn reader<'a>(wasm: &'a [u8], section: &Section) -> BinaryReader<'a> {
    BinaryReader::new_features(&wasm[section.content.clone()], section.content.start, FEATURES)
}

impl Survey {
    fn look_at(&mut self, kind: u8, mut reader: BinaryReader<'_>) -> Result<(), BinaryReaderError> {
        match kind {
            id::TYPE => self.types.types(wasmparser::TypeSectionReader::new(reader)?)?,
            id::FUNCTION => self.types.functions(FunctionSectionReader::new(reader)?)?,
            id::START => self.start = Some(reader.read_var_u32()?),
            id::IMPORT => {
                for import in ImportSectionReader::new(reader)?.into_imports() {
                    match import?.ty {
                        TypeRef::Func(kind) | TypeRef::FuncExact(kind) => {
                            self.imported_functions += 1;
                            self.types.imported_function(kind);
                        }
                        TypeRef::Memory(memory) => self.has_shared_memory |= memory.shared,
                        TypeRef::Global(_) => self.imported_globals += 1,
                        TypeRef::Table(_) | TypeRef::Tag(_) => {}
                    }
                }
            }
            id::GLOBAL => {
                for (index, global) in
                    (self.imported_globals..).zip(GlobalSectionReader::new(reader)?)
                {
                    let kind = global?.ty;
                    if kind.mutable && kind.content_type == ValType::I32 {
                        self.globals.push(index);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The first global that is set, and the first segment that is put into memory after that, whole.
    fn filled_by(&self, body: &FunctionBody<'_>) -> Result<Option<ThreadLocal>, BinaryReaderError> {
        let mut base = None;
        let mut number = None;
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            match operators.read()? {
                Operator::GlobalSet { global_index } if base.is_none() => base = Some(global_index),
                Operator::I32Const { value } => number = Some(value as u32),
                Operator::MemoryInit { data_index, .. } => {
                    let (Some(base), Some(size)) = (base, number) else {
                        return Ok(None);
                    };
                    let found = ThreadLocal { base, size, initializer: None, segment: data_index };
                    return Ok(self.globals.contains(&base).then_some(found));
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The function puts its parameter into the global, and then the segment into memory.
fn initializes(body: &FunctionBody<'_>, found: &ThreadLocal) -> Result<bool, BinaryReaderError> {
    let mut operators = body.get_operators_reader()?;
    let begins = matches!(operators.read()?, Operator::LocalGet { local_index: 0 })
        && matches!(operators.read()?, Operator::GlobalSet { global_index } if global_index == found.base);
    while begins && !operators.eof() {
        if let Operator::MemoryInit { data_index, .. } = operators.read()? {
            return Ok(data_index == found.segment);
        }
    }
    Ok(false)
}

/// None: the library has none, or a memory that is not shared, where they are variables like others.
pub(crate) fn find(wasm: &[u8]) -> Result<Option<ThreadLocal>, BinaryReaderError> {
    let mut survey = Survey::default();
    let mut code = None;
    for section in sections::sections(wasm).flatten() {
        if section.id == id::CODE {
            code = Some(section);
        } else {
            survey.look_at(section.id, reader(wasm, &section))?;
        }
    }
    let defined = |index: u32| index.checked_sub(survey.imported_functions);
    let (Some(code), Some(start)) = (code, survey.start.and_then(defined)) else {
        return Ok(None);
    };
    if !survey.has_shared_memory {
        return Ok(None);
    }
    let bodies: Vec<_> =
        CodeSectionReader::new(reader(wasm, &code))?.into_iter().collect::<Result<_, _>>()?;
    let Some(start) = bodies.get(start as usize) else {
        return Ok(None);
    };
    let Some(mut found) = survey.filled_by(start)? else {
        return Ok(None);
    };
    for (function, body) in (survey.imported_functions..).zip(&bodies) {
        if survey.types.takes_i32(function) && initializes(body, &found)? {
            found.initializer = Some(function);
            break;
        }
    }
    Ok(Some(found))
}

#[cfg(test)]
#[path = "thread_local_test.rs"]
mod tests;
