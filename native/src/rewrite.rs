//! The one change that is made to modules before they are compiled. It is the smallest that the
//! platform needs, and it does not change what a program computes:
//!
//! * `memory.atomic.wait32`, `wait64` and `notify` become calls of imported host functions, so that
//!   a waiting guest suspends its fiber. The instructions themselves would block the thread of a
//!   shard and let a guest grow the engine's table of waiters without bound. The functions come from
//!   the module "selvedge" and take the operands of the instruction, then its static offset:
//!   - `memory_atomic_wait32 (address i32, expected i32, timeout_ns i64, offset i32) -> i32`
//!   - `memory_atomic_wait64 (address i32, expected i64, timeout_ns i64, offset i32) -> i32`
//!   - `memory_atomic_notify (address i32, count i32, offset i32) -> i32`
//!
//!   The host computes the effective address as the 33-bit sum of address and offset, and traps as
//!   the instruction would: out of bounds, unaligned, a wait on a memory that is not shared. The
//!   memory is exported as "selvedge.memory" for that.
//! * In a module that handles signals, imported functions get wrappers (rewrite_signals.rs) that ask
//!   "selvedge" for the next one: `next_signal () -> i32`, 0 for none.
//! * `memory.fill` and `memory.copy` of more than a block become calls of added functions that the
//!   engine can interrupt (rewrite_bulk.rs).
//! * `memory.grow` of a shared memory becomes `memory_grow (pages i32) -> i32` of "selvedge": the engine
//!   asks no limiter before a shared memory grows, and the process's other memories share its limit.
//! * Programs that load libraries or call functions by number get wrappers and an open table, and libraries give
//!   their start function away (rewrite_dynamic.rs).
//! * Every mutable global that the module defines is exported as "selvedge.global.<index>" (its
//!   index in the module as it came), so that fork and snapshots can copy its value.
//! * The memory of a module that forks becomes a shared one that it imports as "selvedge"."memory": such a memory
//!   is the process's own, which can be copied without touching it.
//! * Programs with contexts get such a memory too, and begin their data once (rewrite_contexts.rs).
//! * The maximum of a shared memory is lowered to what the platform allows: a shared memory
//!   reserves its maximum.
//!
//! Nothing else changes: sections that need no change are copied byte for byte, and a module that
//! needs none of this is not touched. Names that begin with "selvedge." are reserved.
//!
//! Then small functions take the place of calls to them (inline.rs).

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{Encode, ExportKind, Instruction, NameSection, Section as _};
use wasmparser::{
    BinaryReader, CodeSectionReader, DataSectionReader, ExportSectionReader, FunctionBody,
    FunctionSectionReader, GlobalSectionReader, ImportSectionReader, KnownCustom,
    MemorySectionReader, MemoryType, Name, Operator, SectionLimited, TableSectionReader, TypeRef,
    TypeSectionReader,
};

use crate::buffer::{Buffer, Bytes};
use crate::dylink;
use crate::error::{NativeError, NativeErrorKind};
use crate::inline;
use crate::inspect::{FEATURES, FORK, WASIX_MODULE, shown};
use crate::prelink::{LOAD_NEEDED, PREFIXES};
use crate::rewrite_bulk::{self, BulkFinder};
use crate::rewrite_contexts::{self, CONTEXT_GLOBALS_MAX, ContextSurvey};
use crate::rewrite_dynamic::{self, DynamicSurvey};
use crate::rewrite_signals::{ResumingCallees, SignalCallees, SignalSurvey};
use crate::sections::{self, HEADER_SIZE, Section, id};

#[path = "rewrite_write.rs"]
mod write;
use write::Writer;

/// Module of the host functions that replace instructions.
pub(crate) const HOST_MODULE: &str = "selvedge";
/// Imported from there by modules that fork.
const MEMORY_IMPORT: &str = "memory";
/// Pages of 64 KiB of a 32-bit memory without a maximum.
const MEMORY_PAGES_MAX: u64 = 65_536;
/// What the names of added exports begin with.
const RESERVED_PREFIX: &str = "selvedge.";
pub(crate) const MUTABLE_GLOBAL_PREFIX: &str = "selvedge.global.";
pub(crate) const TABLE_EXPORT: &str = "selvedge.table";
pub(crate) const START_EXPORT: &str = "selvedge.start";
pub(crate) const THREAD_LOCAL_EXPORT: &str = "selvedge.init_tls";
/// Bytes of a function body that every engine accepts (the limits of the JS API).
pub(crate) const FUNCTION_SIZE_MAX: usize = 7_654_321;

const TYPE_FUNCTION: u8 = 0x60;
const TYPE_I32: u8 = 0x7f;
const TYPE_I64: u8 = 0x7e;

/// A host function that replaces an instruction.
struct HostFunction {
    name: &'static str,
    parameters: &'static [u8],
}

const HOST_FUNCTION_COUNT: usize = 12;

/// All return an i32. The positions are those of `Survey::uses`.
const HOST_FUNCTIONS: [HostFunction; HOST_FUNCTION_COUNT] = [
    HostFunction {
        name: "memory_atomic_wait32",
        parameters: &[TYPE_I32, TYPE_I32, TYPE_I64, TYPE_I32],
    },
    HostFunction {
        name: "memory_atomic_wait64",
        parameters: &[TYPE_I32, TYPE_I64, TYPE_I64, TYPE_I32],
    },
    HostFunction { name: "memory_atomic_notify", parameters: &[TYPE_I32, TYPE_I32, TYPE_I32] },
    HostFunction { name: "memory_grow", parameters: &[TYPE_I32] },
    HostFunction { name: "next_signal", parameters: &[] },
    HostFunction { name: "next_initializer", parameters: &[] },
    HostFunction { name: "dlopen_result", parameters: &[TYPE_I32] },
    HostFunction { name: "call_argument", parameters: &[TYPE_I32] },
    HostFunction { name: "begins", parameters: &[] },
    HostFunction { name: "handler_to_resume", parameters: &[] },
    HostFunction { name: "resumed_result", parameters: &[] },
    HostFunction { name: "handler_unwound", parameters: &[TYPE_I32, TYPE_I32] },
];
/// Those before it replace instructions; behind it are those for dynamic linking, one for contexts, and those for
/// handlers that a saved stack leads through.
const NEXT_SIGNAL: usize = 4;
const NEXT_INITIALIZER: usize = 5;
const DLOPEN_RESULT: usize = 6;
const CALL_ARGUMENT: usize = 7;
const BEGINS: usize = 8;
const HANDLER_TO_RESUME: usize = 9;
const RESUMED_RESULT: usize = 10;
const HANDLER_UNWOUND: usize = 11;

/// Limits that the rewriter writes into modules.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RewriteOptions {
    /// Pages of 64 KiB that a shared memory may have at most; 65,536 changes nothing.
    pub shared_memory_pages_max: u64,
    /// The module comes from `selvedge_module_prelink`, which may have used reserved names.
    pub linked: bool,
}

/// Why a module cannot be rewritten.
pub(crate) enum Failure {
    Ours(NativeError),
    /// The input was not valid, which the inspection before should have found.
    Malformed(String),
}

impl From<NativeError> for Failure {
    fn from(error: NativeError) -> Failure {
        Failure::Ours(error)
    }
}

impl From<wasmparser::BinaryReaderError> for Failure {
    fn from(error: wasmparser::BinaryReaderError) -> Failure {
        Failure::Malformed(error.to_string())
    }
}

impl From<reencode::Error<Infallible>> for Failure {
    fn from(error: reencode::Error<Infallible>) -> Failure {
        Failure::Malformed(error.to_string())
    }
}

pub(crate) fn invalid(message: String) -> Failure {
    Failure::Ours(NativeError::new(NativeErrorKind::Invalid, message))
}

/// Whether a custom section tells positions in the code, which move.
pub(crate) fn tells_positions(custom: &wasmparser::CustomSectionReader<'_>) -> bool {
    const PREFIXES: [&str; 4] = [".debug_", "reloc.", "linking", "metadata.code."];
    PREFIXES.iter().any(|prefix| custom.name().starts_with(prefix))
}

pub(crate) fn reader<'a>(wasm: &'a [u8], section: &Section) -> BinaryReader<'a> {
    let content = &wasm[section.content.clone()];
    BinaryReader::new_features(content, section.content.start, FEATURES)
}

/// What the module has and needs.
#[derive(Default)]
struct Survey<'a> {
    sections: Vec<Section>,
    types: u32,
    imported_functions: u32,
    imported_globals: u32,
    has_memory: bool,
    has_shared_memory: bool,
    /// It imports one.
    imports_shared_memory: bool,
    /// Indices of mutable globals that the module defines.
    mutable_globals: Vec<u32>,
    clamps_imported_memory: bool,
    clamps_defined_memory: bool,
    /// It imports `proc_fork`.
    forks: bool,
    /// The memory that becomes an imported one.
    moved_memory: Option<MemoryType>,
    /// Which of HOST_FUNCTIONS the module needs.
    uses: [bool; HOST_FUNCTION_COUNT],
    /// Which functions of rewrite_bulk.rs the module needs.
    uses_bulk: [bool; rewrite_bulk::FUNCTIONS],
    signals: SignalSurvey,
    dynamic: DynamicSurvey,
    contexts: ContextSurvey<'a>,
    /// The start function of a library.
    start: Option<u32>,
    /// The function of a library that prepares the variables of a thread.
    thread_local: Option<u32>,
}

impl<'a> Survey<'a> {
    fn new(wasm: &'a [u8], options: &RewriteOptions) -> Result<Survey<'a>, Failure> {
        let mut survey = Survey::default();
        let dylink = dylink::read(wasm)?;
        survey.dynamic.library = dylink.is_some();
        survey.thread_local =
            dylink.and_then(|dylink| dylink.thread_local).and_then(|found| found.initializer);
        for section in sections::sections(wasm) {
            let section = section
                .map_err(|broken| Failure::Malformed(format!("truncated at {}", broken.offset)))?;
            survey.look_at(wasm, &section, options)?;
            survey.sections.push(section);
        }
        survey.uses[NEXT_SIGNAL] = survey.signals.handler().is_some();
        if survey.dynamic.is_dynamic() {
            survey.uses[NEXT_INITIALIZER..=CALL_ARGUMENT].fill(true);
        }
        if survey.signals.asyncify_state().is_some() {
            survey.uses[HANDLER_TO_RESUME..].fill(true);
        }
        survey.contexts.enabled = survey.can_have_contexts();
        survey.uses[BEGINS] = survey.contexts.enabled;
        Ok(survey)
    }

    fn look_at(
        &mut self,
        wasm: &'a [u8],
        section: &Section,
        options: &RewriteOptions,
    ) -> Result<(), Failure> {
        let reader = reader(wasm, section);
        match section.id {
            id::TYPE => {
                for group in TypeSectionReader::new(reader)? {
                    self.types += group?.types().len() as u32;
                }
                self.signals.types(TypeSectionReader::new(self::reader(wasm, section))?)?;
            }
            id::FUNCTION => self.signals.functions(FunctionSectionReader::new(reader)?)?,
            id::TABLE => self.dynamic.tables(TableSectionReader::new(reader)?.count()),
            id::START if self.dynamic.library => {
                let mut reader = reader;
                self.start = Some(reader.read_var_u32()?);
            }
            id::START if self.contexts.imported() => {
                let mut reader = reader;
                self.contexts.start = Some(reader.read_var_u32()?);
            }
            id::IMPORT => self.look_at_imports(ImportSectionReader::new(reader)?, options)?,
            id::MEMORY => {
                for memory in MemorySectionReader::new(reader)? {
                    self.look_at_memory(memory?, options)?;
                }
            }
            id::GLOBAL => {
                let globals = GlobalSectionReader::new(reader)?;
                for (index, global) in (self.imported_globals..).zip(globals) {
                    if global?.ty.mutable {
                        self.mutable_globals.push(index);
                    }
                }
            }
            id::EXPORT => {
                for export in ExportSectionReader::new(reader)? {
                    let export = export?;
                    self.signals.export(&export);
                    let name = export.name;
                    let is_linked = || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
                    if name.starts_with(RESERVED_PREFIX) && !(options.linked && is_linked()) {
                        return Err(invalid(format!(
                            "the module exports {}, and names that begin with \
                             \"{RESERVED_PREFIX}\" are reserved",
                            shown(name)
                        )));
                    }
                }
            }
            id::DATA if self.dynamic.library && self.has_shared_memory => {
                rewrite_dynamic::check_data(DataSectionReader::new(reader)?)?;
            }
            id::DATA if self.contexts.imported() => {
                self.contexts.data(wasm, DataSectionReader::new(reader)?)?;
            }
            id::CODE => {
                self.find_instructions(&wasm[section.content.clone()], reader)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn look_at_memory(
        &mut self,
        memory: MemoryType,
        options: &RewriteOptions,
    ) -> Result<(), Failure> {
        let moves = self.forks || (self.contexts.moves_memory() && !self.dynamic.library);
        self.has_memory = true;
        self.has_shared_memory |= memory.shared || moves;
        if moves {
            self.moved_memory = Some(moved(memory, options)?);
        } else {
            self.clamps_defined_memory |= needs_clamp(&memory, options)?;
        }
        Ok(())
    }

    fn look_at_imports(
        &mut self,
        imports: ImportSectionReader<'_>,
        options: &RewriteOptions,
    ) -> Result<(), Failure> {
        for import in imports.into_imports_with_offsets() {
            let (offset, import) = import?;
            let is_linked = options.linked && import.name == LOAD_NEEDED;
            if import.module == HOST_MODULE && !is_linked {
                return Err(invalid(format!(
                    "the module imports {} from the reserved module \"{HOST_MODULE}\" at byte \
                     {offset} (0x{offset:x})",
                    shown(import.name)
                )));
            }
            match import.ty {
                TypeRef::Func(kind) | TypeRef::FuncExact(kind) => {
                    self.imported_functions += 1;
                    self.signals.imported_function(kind);
                    let fits = self.signals.returns_i32(kind);
                    self.dynamic.imported_function(import.module, import.name, fits);
                    self.contexts.imported_function(import.module, import.name);
                    self.forks |= import.module == WASIX_MODULE && import.name == FORK;
                }
                TypeRef::Global(_) => self.imported_globals += 1,
                TypeRef::Memory(memory) => {
                    self.has_memory = true;
                    self.has_shared_memory |= memory.shared;
                    self.imports_shared_memory |= memory.shared;
                    self.clamps_imported_memory |= needs_clamp(&memory, options)?;
                }
                TypeRef::Table(_) => self.dynamic.tables(1),
                TypeRef::Tag(_) => {}
            }
        }
        Ok(())
    }

    /// Which instructions that have to be replaced are in the code section.
    fn find_instructions(
        &mut self,
        content: &[u8],
        reader: BinaryReader<'_>,
    ) -> Result<(), Failure> {
        // Many modules have none: look for their first two bytes (waits: 0xfe, then 0, 1 or 2,
        // perhaps in a longer LEB128 form) before decoding every instruction.
        let shared = self.has_shared_memory;
        let may_begin =
            |pair: &[u8]| pair[0] == 0xfe && pair[1] & 0x7f <= 2 || rewrite_bulk::may_begin(pair);
        if !shared && !content.windows(2).any(may_begin) {
            return Ok(());
        }
        for body in CodeSectionReader::new(reader)? {
            let mut bulk = BulkFinder::default();
            let mut operators = body?.get_operators_reader()?;
            while !operators.eof() {
                let operator = operators.read()?;
                if let Some((position, _)) = replaced(&operator, shared) {
                    self.uses[position] = true;
                }
                if let Some(function) = bulk.replaced(&operator) {
                    self.uses_bulk[function] = true;
                }
                self.contexts.changes_table |= rewrite_contexts::changes_table(&operator);
            }
        }
        Ok(())
    }

    fn can_have_contexts(&self) -> bool {
        self.contexts.imported()
            && !self.contexts.changes_table
            && !self.dynamic.library
            && self.dynamic.has_table()
            && (self.imports_shared_memory || self.moved_memory.is_some())
            && self.mutable_globals.len() <= CONTEXT_GLOBALS_MAX
            && self.signals.function_count() > self.imported_functions
    }

    /// Whether the code changes, and with it the index of every function.
    fn changes_code(&self) -> bool {
        self.adds_imports() || self.uses_bulk.contains(&true)
    }

    fn adds_imports(&self) -> bool {
        self.uses.contains(&true)
    }

    fn adds_exports(&self) -> bool {
        (self.adds_imports() && self.has_memory)
            || !self.mutable_globals.is_empty()
            || self.dynamic.is_dynamic()
            || self.start.is_some()
            || self.thread_local.is_some()
    }

    /// Imported functions have wrappers.
    fn wraps(&self) -> bool {
        self.signals.handler().is_some() || self.dynamic.is_dynamic()
    }

    fn needs_nothing(&self) -> bool {
        !self.changes_code()
            && !self.adds_exports()
            && !self.clamps_imported_memory
            && !self.clamps_defined_memory
            && self.moved_memory.is_none()
    }
}

/// The type under which the memory of a module that forks is imported.
fn moved(memory: MemoryType, options: &RewriteOptions) -> Result<MemoryType, Failure> {
    let most = options.shared_memory_pages_max;
    let maximum = memory.maximum.unwrap_or(MEMORY_PAGES_MAX).min(most);
    let moved = MemoryType { shared: true, maximum: Some(maximum), ..memory };
    needs_clamp(&moved, options)?;
    Ok(moved)
}

fn needs_clamp(memory: &MemoryType, options: &RewriteOptions) -> Result<bool, Failure> {
    let most = options.shared_memory_pages_max;
    if !memory.shared {
        return Ok(false);
    }
    if memory.initial > most {
        return Err(invalid(format!(
            "the module's shared memory begins with {} pages of 64 KiB, and at most {most} are \
             allowed: link with a lower `--initial-memory`",
            memory.initial
        )));
    }
    Ok(memory.maximum.is_none_or(|maximum| maximum > most))
}

/// The position in HOST_FUNCTIONS for an instruction that is replaced, and its static offset if such
/// instructions have one. A module has at most one memory.
fn replaced(operator: &Operator<'_>, shared: bool) -> Option<(usize, Option<u64>)> {
    match operator {
        Operator::MemoryAtomicWait32 { memarg } => Some((0, Some(memarg.offset))),
        Operator::MemoryAtomicWait64 { memarg } => Some((1, Some(memarg.offset))),
        Operator::MemoryAtomicNotify { memarg } => Some((2, Some(memarg.offset))),
        Operator::MemoryGrow { .. } if shared => Some((3, None)),
        _ => None,
    }
}

pub(crate) fn rewrite(
    wasm: &[u8],
    options: &RewriteOptions,
) -> Result<Option<Vec<u8>>, NativeError> {
    if wasm.len() < HEADER_SIZE {
        let message = "the module is truncated inside its header";
        return Err(NativeError::new(NativeErrorKind::Invalid, message));
    }
    let rewritten = Survey::new(wasm, options).and_then(|survey| {
        if survey.needs_nothing() {
            return Ok(None);
        }
        Writer::new(wasm, survey, options).write().map(Some)
    });
    rewritten.map_err(told)
}

fn told(failure: Failure) -> NativeError {
    match failure {
        Failure::Ours(error) => error,
        Failure::Malformed(reason) => NativeError::new(
            NativeErrorKind::Invalid,
            format!("the module is not valid and cannot be rewritten: {reason}"),
        ),
    }
}

/// All that is done to a module before it is compiled.
pub(crate) fn prepare(
    wasm: &[u8],
    options: &RewriteOptions,
) -> Result<Option<Vec<u8>>, NativeError> {
    let rewritten = rewrite(wasm, options)?;
    let inlined = inline::inline(rewritten.as_deref().unwrap_or(wasm)).map_err(told)?;
    Ok(inlined.or(rewritten))
}

/// Rewrites as if every replaced instruction were in the code, so that tests can move the functions
/// of any module. None for input that is not valid or uses reserved names.
#[cfg(test)]
pub(crate) fn rewrite_all(wasm: &[u8], options: &RewriteOptions) -> Option<Vec<u8>> {
    let mut survey = Survey::new(wasm, options).ok()?;
    survey.uses[..NEXT_SIGNAL].fill(true);
    if survey.has_memory && survey.signals.function_count() > survey.imported_functions {
        survey.uses_bulk.fill(true);
    }
    Writer::new(wasm, survey, options).write().ok()
}

/// Rewrites a module that `selvedge_module_inspect` has accepted. On success `*rewritten` is the
/// new module, owned by the caller, or null when the module needs no change. What changes is told
/// at the top of native/src/rewrite.rs. The result is valid. Invalid when a reserved name is used
/// or a shared memory begins above the limit. Takes a few milliseconds for each megabyte. Any
/// thread.
///
/// # Safety
/// `wasm` is readable for the call; `rewritten` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_rewrite(
    wasm: Bytes,
    options: &RewriteOptions,
    rewritten: *mut *mut Buffer,
) -> *mut NativeError {
    match prepare(unsafe { wasm.as_slice() }, options) {
        Ok(bytes) => {
            unsafe { rewritten.write(bytes.map_or(std::ptr::null_mut(), Buffer::into_raw)) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

#[cfg(test)]
#[path = "rewrite_test.rs"]
mod tests;
