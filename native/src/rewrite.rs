//! The one change that is made to modules before they are compiled. It is the smallest that the
//! platform needs, and it does not change what a program computes:
//!
//! * `memory.atomic.wait32`, `wait64` and `notify` become calls of imported host functions, so that
//! a waiting guest suspends its fiber. The instructions themselves would block the thread of a
//! shard and let a guest grow the engine's table of waiters without bound. The functions come from
//! the module "selvedge" and take the operands of the instruction, then its static offset:
//! - `memory_atomic_wait32 (address i32, expected i32, timeout_ns i64, offset i32) -> i32`
//! - `memory_atomic_wait64 (address i32, expected i64, timeout_ns i64, offset i32) -> i32`
//! - `memory_atomic_notify (address i32, count i32, offset i32) -> i32`
//!
//! The host computes the effective address as the 33-bit sum of address and offset, and traps as
//! the instruction would: out of bounds, unaligned, a wait on a memory that is not shared. The
//! memory is exported as "selvedge.memory" for that.
//! * In a module that handles signals, imported functions get wrappers (rewrite_signals.rs) that ask
//! "selvedge" for the next one: `next_signal (handled i32) -> i32`, 0 for none.
//! * `memory.fill` and `memory.copy` of more than a block become calls of added functions that the
//! engine can interrupt (rewrite_bulk.rs).
//! * `memory.grow` of a shared memory becomes `memory_grow (pages i32) -> i32` of "selvedge": the engine
//! asks no limiter before a shared memory grows, and the process's other memories share its limit.
//! * Every mutable global that the module defines is exported as "selvedge.global.<index>" (its
//! index in the module as it came), so that fork and snapshots can copy its value.
//! * The memory of a module that forks becomes a shared one that it imports as "selvedge"."memory": such a memory
//! is the process's own, which can be copied without touching it.
//! * The maximum of a shared memory is lowered to what the platform allows: a shared memory
//! reserves its maximum.
//!
//! Nothing else changes: sections that need no change are copied byte for byte, and a module that
//! needs none of this is not touched. Names that begin with "selvedge." are reserved.

use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{
    Encode, ExportKind, IndirectNameMap, Instruction, NameMap, NameSection, Section as _,
};
use wasmparser::{
    BinaryReader, CodeSectionReader, ExportSectionReader, FunctionBody, FunctionSectionReader,
    GlobalSectionReader, ImportSectionReader, KnownCustom, MemorySectionReader, MemoryType, Name,
    Operator, SectionLimited, TypeRef, TypeSectionReader,
};

use crate::buffer::{Buffer, Bytes};
use crate::error::{NativeError, NativeErrorKind};
use crate::inspect::{FEATURES, FORK, WASIX_MODULE, shown};
use crate::rewrite_bulk::{self, BulkFinder};
use crate::rewrite_signals::SignalSurvey;
use crate::sections::{self, Section, id};

/// Module of the host functions that replace instructions.
const HOST_MODULE: &str = "selvedge";
/// Imported from there by modules that fork.
const MEMORY_IMPORT: &str = "memory";
/// Pages of 64 KiB of a 32-bit memory without a maximum.
const MEMORY_PAGES_MAX: u64 = 65_536;
/// What the names of added exports begin with.
const RESERVED_PREFIX: &str = "selvedge.";
pub(crate) const MUTABLE_GLOBAL_PREFIX: &str = "selvedge.global.";
/// Bytes of a function body that every engine accepts (the limits of the JS API).
const FUNCTION_SIZE_MAX: usize = 7_654_321;
const HEADER_SIZE: usize = 8;

const TYPE_FUNCTION: u8 = 0x60;
const TYPE_I32: u8 = 0x7f;
const TYPE_I64: u8 = 0x7e;

/// A host function that replaces an instruction.
struct HostFunction {
    name: &'static str,
    parameters: &'static [u8],
}

const HOST_FUNCTION_COUNT: usize = 5;

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
    HostFunction { name: "next_signal", parameters: &[TYPE_I32] },
];
/// Those before it replace instructions.
const NEXT_SIGNAL: usize = 4;

/// Limits that the rewriter writes into modules.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RewriteOptions {
    /// Pages of 64 KiB that a shared memory may have at most; 65,536 changes nothing.
    pub shared_memory_pages_max: u64,
}

/// Why a module cannot be rewritten.
enum Failure {
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

fn invalid(message: String) -> Failure {
    Failure::Ours(NativeError::new(NativeErrorKind::Invalid, message))
}

fn reader<'a>(wasm: &'a [u8], section: &Section) -> BinaryReader<'a> {
    let content = &wasm[section.content.clone()];
    BinaryReader::new_features(content, section.content.start, FEATURES)
}

/// What the module has and needs.
#[derive(Default)]
struct Survey {
    sections: Vec<Section>,
    types: u32,
    imported_functions: u32,
    imported_globals: u32,
    has_memory: bool,
    has_shared_memory: bool,
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
}

impl Survey {
    fn new(wasm: &[u8], options: &RewriteOptions) -> Result<Survey, Failure> {
        let mut survey = Survey::default();
        for section in sections::sections(wasm) {
            let section = section
                .map_err(|broken| Failure::Malformed(format!("truncated at {}", broken.offset)))?;
            survey.look_at(wasm, &section, options)?;
            survey.sections.push(section);
        }
        survey.uses[NEXT_SIGNAL] = survey.signals.handler().is_some();
        Ok(survey)
    }

    fn look_at(
        &mut self,
        wasm: &[u8],
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
            id::IMPORT => self.look_at_imports(ImportSectionReader::new(reader)?, options)?,
            id::MEMORY => {
                for memory in MemorySectionReader::new(reader)? {
                    let memory = memory?;
                    self.has_memory = true;
                    self.has_shared_memory |= memory.shared || self.forks;
                    if self.forks {
                        self.moved_memory = Some(moved(memory, options)?);
                    } else {
                        self.clamps_defined_memory |= needs_clamp(&memory, options)?;
                    }
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
                    if name.starts_with(RESERVED_PREFIX) {
                        return Err(invalid(format!(
                            "the module exports {}, and names that begin with \
                             \"{RESERVED_PREFIX}\" are reserved",
                            shown(name)
                        )));
                    }
                }
            }
            id::CODE => {
                self.find_instructions(&wasm[section.content.clone()], reader)?;
            }
            _ => {}
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
            if import.module == HOST_MODULE {
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
                    self.forks |= import.module == WASIX_MODULE && import.name == FORK;
                }
                TypeRef::Global(_) => self.imported_globals += 1,
                TypeRef::Memory(memory) => {
                    self.has_memory = true;
                    self.has_shared_memory |= memory.shared;
                    self.clamps_imported_memory |= needs_clamp(&memory, options)?;
                }
                TypeRef::Table(_) | TypeRef::Tag(_) => {}
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
            }
        }
        Ok(())
    }

    /// Whether the code changes, and with it the index of every function.
    fn changes_code(&self) -> bool {
        self.adds_imports() || self.uses_bulk.contains(&true)
    }

    fn adds_imports(&self) -> bool {
        self.uses.contains(&true)
    }

    fn adds_exports(&self) -> bool {
        (self.adds_imports() && self.has_memory) || !self.mutable_globals.is_empty()
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

/// Moves function indices past the added imports, and lowers the maximum of shared memories.
struct Reencoder {
    first_moved: u32,
    moved_by: u32,
    /// The wrapper of the first imported function; the others follow it.
    first_wrapper: Option<u32>,
    shared_memory_pages_max: u64,
}

impl Reencode for Reencoder {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Infallible>> {
        // Wraps only for names of functions that do not exist.
        Ok(match self.first_wrapper {
            _ if index >= self.first_moved => index.wrapping_add(self.moved_by),
            Some(first) => first + index,
            None => index,
        })
    }

    fn memory_type(
        &mut self,
        memory: MemoryType,
    ) -> Result<wasm_encoder::MemoryType, reencode::Error<Infallible>> {
        let mut memory = reencode::utils::memory_type(self, memory);
        if memory.shared {
            let most = self.shared_memory_pages_max;
            memory.maximum = Some(memory.maximum.map_or(most, |maximum| maximum.min(most)));
        }
        Ok(memory)
    }

    // Wrappers come after all functions, so moved names are not in the order that the format asks for.
    fn parse_custom_name_subsection(
        &mut self,
        names: &mut NameSection,
        subsection: Name<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        match subsection {
            Name::Function(map) => {
                let mut sorted = Vec::new();
                for naming in map {
                    let naming = naming?;
                    sorted.push((self.function_index(naming.index)?, naming.name));
                }
                sorted.sort_by_key(|(index, _)| *index);
                let mut functions = NameMap::new();
                for (index, name) in sorted {
                    functions.append(index, name);
                }
                names.functions(&functions);
            }
            Name::Local(map) => names.locals(&self.sorted_by_function(map)?),
            Name::Label(map) => names.labels(&self.sorted_by_function(map)?),
            other => reencode::utils::parse_custom_name_subsection(self, names, other)?,
        }
        Ok(())
    }
}

impl Reencoder {
    fn sorted_by_function(
        &mut self,
        map: wasmparser::IndirectNameMap<'_>,
    ) -> Result<IndirectNameMap, reencode::Error<Infallible>> {
        let mut sorted = Vec::new();
        for naming in map {
            let naming = naming?;
            let names = reencode::utils::name_map(naming.names, Ok)?;
            sorted.push((self.function_index(naming.index)?, names));
        }
        sorted.sort_by_key(|(index, _)| *index);
        let mut functions = IndirectNameMap::new();
        for (index, names) in sorted {
            functions.append(index, &names);
        }
        Ok(functions)
    }
}

/// Writes the new module.
struct Writer<'a> {
    wasm: &'a [u8],
    survey: Survey,
    reencoder: Reencoder,
    /// The function index of each host function that is used.
    host_functions: [u32; HOST_FUNCTION_COUNT],
    /// The function index of each added function that is used.
    bulk_functions: [u32; rewrite_bulk::FUNCTIONS],
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    fn new(wasm: &'a [u8], survey: Survey, options: &RewriteOptions) -> Writer<'a> {
        let first = survey.imported_functions;
        let mut host_functions = [0; HOST_FUNCTION_COUNT];
        let mut next = first;
        for (function, _) in host_functions.iter_mut().zip(survey.uses).filter(|(_, used)| *used) {
            *function = next;
            next += 1;
        }
        let handles_signals = survey.signals.handler().is_some();
        let mut next_added = survey.signals.function_count() + (next - first);
        if handles_signals {
            next_added += survey.imported_functions;
        }
        let mut bulk_functions = [0; rewrite_bulk::FUNCTIONS];
        let used = bulk_functions.iter_mut().zip(survey.uses_bulk).filter(|(_, used)| *used);
        for (function, _) in used {
            *function = next_added;
            next_added += 1;
        }
        let reencoder = Reencoder {
            first_moved: first,
            moved_by: next - first,
            first_wrapper: handles_signals
                .then(|| survey.signals.function_count() + (next - first)),
            shared_memory_pages_max: options.shared_memory_pages_max,
        };
        let out = Vec::with_capacity(wasm.len() + wasm.len() / 64 + 1024);
        Writer { wasm, survey, reencoder, host_functions, bulk_functions, out }
    }

    fn write(mut self) -> Result<Vec<u8>, Failure> {
        self.out.extend_from_slice(&self.wasm[..HEADER_SIZE]);
        let mut missing = [
            (id::TYPE, self.survey.changes_code()),
            // A module whose memory moves imports something already.
            (id::IMPORT, self.survey.adds_imports()),
            (id::EXPORT, self.survey.adds_exports()),
        ];
        for section in &self.survey.sections {
            for (id, is_missing) in &mut missing {
                *is_missing &= *id != section.id;
            }
        }
        for section in std::mem::take(&mut self.survey.sections) {
            if let Some(rank) = sections::rank(section.id) {
                for (id, is_missing) in &mut missing {
                    if *is_missing && sections::rank(*id) < Some(rank) {
                        *is_missing = false;
                        self.add_section(*id);
                    }
                }
            }
            self.write_section(&section)?;
        }
        for (id, _) in missing.iter().filter(|(_, is_missing)| *is_missing) {
            self.add_section(*id);
        }
        Ok(self.out)
    }

    /// A section that the module does not have.
    fn add_section(&mut self, id: u8) {
        let (count, items) = self.added_items(id);
        let mut content = Vec::new();
        count.encode(&mut content);
        content.extend_from_slice(&items);
        self.put(id, &content);
    }

    fn put(&mut self, id: u8, content: &[u8]) {
        self.out.push(id);
        content.encode(&mut self.out);
    }

    fn copy(&mut self, section: &Section) {
        self.out.extend_from_slice(&self.wasm[section.whole.clone()]);
    }

    fn write_section(&mut self, section: &Section) -> Result<(), Failure> {
        let moves = self.survey.changes_code();
        match section.id {
            id::TYPE if moves => self.append_to(section, id::TYPE),
            id::FUNCTION if moves => self.append_to(section, id::FUNCTION),
            id::IMPORT if self.survey.clamps_imported_memory => self.write_imports(section),
            id::IMPORT if moves || self.survey.moved_memory.is_some() => {
                self.append_to(section, id::IMPORT)
            }
            id::MEMORY if self.survey.moved_memory.is_some() => Ok(()),
            id::MEMORY if self.survey.clamps_defined_memory => {
                let mut memories = wasm_encoder::MemorySection::new();
                let reader = MemorySectionReader::new(reader(self.wasm, section))?;
                self.reencoder.parse_memory_section(&mut memories, reader)?;
                memories.append_to(&mut self.out);
                Ok(())
            }
            id::EXPORT if moves => self.write_exports(section),
            id::EXPORT if self.survey.adds_exports() => self.append_to(section, id::EXPORT),
            _ if moves => self.write_moved(section),
            _ => {
                self.copy(section);
                Ok(())
            }
        }
    }

    /// The added imports, with the type of each.
    fn added_imports(&self) -> impl Iterator<Item = (&'static HostFunction, u32)> {
        let used = HOST_FUNCTIONS.iter().zip(self.survey.uses).filter(|(_, used)| *used);
        used.map(|(function, _)| function).zip(self.survey.types..)
    }

    /// Name, kind and index of the added exports.
    fn added_exports(&self) -> Vec<(String, ExportKind, u32)> {
        let mut exports = Vec::new();
        if self.survey.adds_imports() && self.survey.has_memory {
            exports.push((format!("{RESERVED_PREFIX}memory"), ExportKind::Memory, 0));
        }
        for &index in &self.survey.mutable_globals {
            exports.push((format!("{MUTABLE_GLOBAL_PREFIX}{index}"), ExportKind::Global, index));
        }
        exports
    }

    /// How many items are added to a section, and the items.
    fn added_items(&self, id: u8) -> (u32, Vec<u8>) {
        let mut items = Vec::new();
        let mut count = 0;
        match id {
            id::TYPE => {
                for (function, _) in self.added_imports() {
                    items.push(TYPE_FUNCTION);
                    function.parameters.encode(&mut items);
                    [TYPE_I32].as_slice().encode(&mut items);
                    count += 1;
                }
                if self.survey.uses_bulk.contains(&true) {
                    items.push(TYPE_FUNCTION);
                    [TYPE_I32; 3].as_slice().encode(&mut items);
                    [0u8; 0].as_slice().encode(&mut items);
                    count += 1;
                }
            }
            id::IMPORT => {
                for (function, ty) in self.added_imports() {
                    HOST_MODULE.encode(&mut items);
                    function.name.encode(&mut items);
                    items.push(ExportKind::Func as u8);
                    ty.encode(&mut items);
                    count += 1;
                }
                if let Some(memory) = self.survey.moved_memory {
                    HOST_MODULE.encode(&mut items);
                    MEMORY_IMPORT.encode(&mut items);
                    items.push(ExportKind::Memory as u8);
                    wasm_encoder::MemoryType {
                        minimum: memory.initial,
                        maximum: memory.maximum,
                        memory64: false,
                        shared: true,
                        page_size_log2: None,
                    }
                    .encode(&mut items);
                    count += 1;
                }
            }
            id::FUNCTION => {
                let wrappers: &[u32] = match self.reencoder.first_wrapper {
                    Some(_) => self.survey.signals.wrapper_types(),
                    None => &[],
                };
                let bulk_type = self.survey.types + self.added_imports().count() as u32;
                let bulk = self.survey.uses_bulk.iter().filter(|used| **used).map(|_| &bulk_type);
                for kind in wrappers.iter().chain(bulk) {
                    kind.encode(&mut items);
                    count += 1;
                }
            }
            id::EXPORT => {
                for (name, kind, index) in self.added_exports() {
                    name.as_str().encode(&mut items);
                    items.push(kind as u8);
                    index.encode(&mut items);
                    count += 1;
                }
            }
            _ => {}
        }
        (count, items)
    }

    /// The section as it is, with the added items after its own.
    fn append_to(&mut self, section: &Section, id: u8) -> Result<(), Failure> {
        let mut reader = reader(self.wasm, section);
        let own = reader.read_var_u32()?;
        let rest = reader.original_position()..section.content.end;
        let (added, items) = self.added_items(id);
        let mut content = Vec::new();
        (own + added).encode(&mut content);
        content.extend_from_slice(&self.wasm[rest]);
        content.extend_from_slice(&items);
        self.put(id, &content);
        Ok(())
    }

    /// The import section with a lowered maximum, and added functions if there are any.
    fn write_imports(&mut self, section: &Section) -> Result<(), Failure> {
        let mut imports = wasm_encoder::ImportSection::new();
        let reader = ImportSectionReader::new(reader(self.wasm, section))?;
        self.reencoder.parse_import_section(&mut imports, reader)?;
        for (function, ty) in self.added_imports() {
            imports.import(HOST_MODULE, function.name, wasm_encoder::EntityType::Function(ty));
        }
        imports.append_to(&mut self.out);
        Ok(())
    }

    /// The export section with moved function indices and the added exports.
    fn write_exports(&mut self, section: &Section) -> Result<(), Failure> {
        let mut exports = wasm_encoder::ExportSection::new();
        let reader = ExportSectionReader::new(reader(self.wasm, section))?;
        self.reencoder.parse_export_section(&mut exports, reader)?;
        for (name, kind, index) in self.added_exports() {
            exports.export(&name, kind, index);
        }
        exports.append_to(&mut self.out);
        Ok(())
    }

    /// A section in which function indices move.
    fn write_moved(&mut self, section: &Section) -> Result<(), Failure> {
        let mut reader = reader(self.wasm, section);
        match section.id {
            id::CUSTOM => self.write_custom(section)?,
            id::TABLE => {
                let mut tables = wasm_encoder::TableSection::new();
                self.reencoder.parse_table_section(&mut tables, SectionLimited::new(reader)?)?;
                tables.append_to(&mut self.out);
            }
            id::GLOBAL => {
                let mut globals = wasm_encoder::GlobalSection::new();
                self.reencoder.parse_global_section(&mut globals, SectionLimited::new(reader)?)?;
                globals.append_to(&mut self.out);
            }
            id::START => {
                let function_index = self.reencoder.function_index(reader.read_var_u32()?)?;
                wasm_encoder::StartSection { function_index }.append_to(&mut self.out);
            }
            id::ELEMENT => {
                let mut elements = wasm_encoder::ElementSection::new();
                self.reencoder
                    .parse_element_section(&mut elements, SectionLimited::new(reader)?)?;
                elements.append_to(&mut self.out);
            }
            id::CODE => {
                let bodies = CodeSectionReader::new(reader)?;
                let mut content = Vec::with_capacity(section.content.len());
                let handler = self.survey.signals.handler();
                let wrappers = handler.map_or(0, |_| self.survey.imported_functions);
                let uses_bulk = self.survey.uses_bulk;
                let bulk = (0..rewrite_bulk::FUNCTIONS).filter(|&at| uses_bulk[at]);
                (bodies.count() + wrappers + bulk.clone().count() as u32).encode(&mut content);
                for body in bodies {
                    self.write_body(&body?, &mut content)?;
                }
                for import in 0..wrappers {
                    let handler = self.reencoder.function_index(handler.unwrap_or_default())?;
                    let next_signal = self.host_functions[NEXT_SIGNAL];
                    self.survey.signals.write_wrapper(import, next_signal, handler, &mut content);
                }
                bulk.for_each(|function| rewrite_bulk::write_function(function, &mut content));
                self.put(id::CODE, &content);
            }
            _ => self.copy(section),
        }
        Ok(())
    }

    /// A custom section. Those that tell positions in the code, which moves, are left out.
    fn write_custom(&mut self, section: &Section) -> Result<(), Failure> {
        const POSITIONAL: [&str; 4] = [".debug_", "reloc.", "linking", "metadata.code."];
        let custom = wasmparser::CustomSectionReader::new(reader(self.wasm, section))?;
        if POSITIONAL.iter().any(|prefix| custom.name().starts_with(prefix)) {
            return Ok(());
        }
        match custom.as_known() {
            KnownCustom::Name(names) => {
                // Names are for people: a section that cannot be read is left out, not an error.
                if let Ok(names) = self.reencoder.custom_name_section(names) {
                    names.append_to(&mut self.out);
                }
            }
            _ => self.copy(section),
        }
        Ok(())
    }

    /// A function body: all bytes as they are but for instructions that name a moved function or
    /// are replaced.
    fn write_body(
        &mut self,
        body: &FunctionBody<'_>,
        content: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut out = Vec::with_capacity(body.range().len() + 16);
        let mut copied = body.range().start;
        let mut bulk = BulkFinder::default();
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let (operator, start) = operators.read_with_offset()?;
            let replacement = replaced(&operator, self.survey.has_shared_memory);
            let bulk_function = bulk.replaced(&operator);
            let moved = |index| {
                index >= self.reencoder.first_moved || self.reencoder.first_wrapper.is_some()
            };
            let instruction = match operator {
                Operator::Call { function_index } if moved(function_index) => {
                    Instruction::Call(self.reencoder.function_index(function_index)?)
                }
                Operator::ReturnCall { function_index } if moved(function_index) => {
                    Instruction::ReturnCall(self.reencoder.function_index(function_index)?)
                }
                Operator::RefFunc { function_index } if moved(function_index) => {
                    Instruction::RefFunc(self.reencoder.function_index(function_index)?)
                }
                _ => match (replacement, bulk_function) {
                    (Some((position, _)), _) => Instruction::Call(self.host_functions[position]),
                    (None, Some(function)) => Instruction::Call(self.bulk_functions[function]),
                    (None, None) => continue,
                },
            };
            out.extend_from_slice(&self.wasm[copied..start]);
            copied = operators.original_position();
            if let Some((_, Some(offset))) = replacement {
                Instruction::I32Const(offset as u32 as i32).encode(&mut out);
            }
            instruction.encode(&mut out);
        }
        out.extend_from_slice(&self.wasm[copied..body.range().end]);
        if out.len() > FUNCTION_SIZE_MAX {
            let at = body.range().start;
            return Err(invalid(format!("the function at byte {at} (0x{at:x}) is too large")));
        }
        out.encode(content);
        Ok(())
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
    rewritten.map_err(|failure| match failure {
        Failure::Ours(error) => error,
        Failure::Malformed(reason) => NativeError::new(
            NativeErrorKind::Invalid,
            format!("the module is not valid and cannot be rewritten: {reason}"),
        ),
    })
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
    match rewrite(unsafe { wasm.as_slice() }, options) {
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
