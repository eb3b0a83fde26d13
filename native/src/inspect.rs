//! Looks at a module before it is rewritten and compiled: is it Wasm, whole, within the limits,
//! valid for exactly the features that the engine has, and what does it import and export. Whatever
//! is wrong becomes one sentence with the byte offset, written for the person who deploys the
//! module.
//!
//! Runs on hostile bytes. Memory use is bounded by the limits below; time is linear in the input.

use std::fmt::Write;

use wasmparser::{
    BinaryReaderError, CompositeInnerType, ExternalKind, FuncValidatorAllocations, Parser, Payload,
    TypeRef, ValType, ValidPayload, Validator, WasmFeatures,
};

use crate::buffer::Bytes;
use crate::dylink;
use crate::error::{NativeError, NativeErrorKind};
use crate::sections;

/// Bytes of one module.
pub const MODULE_SIZE_MAX: usize = 268_435_456;
/// Sections of one module, custom ones included.
pub const MODULE_SECTIONS_MAX: usize = 10_000;
pub const MODULE_TYPES_MAX: usize = 100_000;
pub const MODULE_IMPORTS_MAX: usize = 10_000;
pub const MODULE_FUNCTIONS_MAX: usize = 1_000_000;
pub const MODULE_TABLES_MAX: usize = 4;
pub const MODULE_MEMORIES_MAX: usize = 1;
pub const MODULE_GLOBALS_MAX: usize = 100_000;
pub const MODULE_TAGS_MAX: usize = 1_000;
pub const MODULE_EXPORTS_MAX: usize = 100_000;
pub const MODULE_ELEMENT_SEGMENTS_MAX: usize = 100_000;
pub const MODULE_DATA_SEGMENTS_MAX: usize = 100_000;

/// Characters of a name from the module that appear in a sentence.
const SHOWN_NAME_MAX: usize = 80;

/// The features of the engine's configuration (engine.rs): WebAssembly 2.0 with tail calls, relaxed
/// SIMD, threads, extended constant expressions and exceptions (the final form, exnref).
pub(crate) const FEATURES: WasmFeatures = WasmFeatures::WASM3
    .difference(WasmFeatures::GC)
    .difference(WasmFeatures::FUNCTION_REFERENCES)
    .difference(WasmFeatures::MULTI_MEMORY)
    .difference(WasmFeatures::MEMORY64);

/// What to tell the owner of a module that uses a feature which the engine does not have.
struct MissingFeature {
    feature: WasmFeatures,
    sentence: &'static str,
}

const MISSING_FEATURES: &[MissingFeature] = &[
    MissingFeature {
        feature: WasmFeatures::LEGACY_EXCEPTIONS,
        sentence: "the module uses the legacy form of exception handling, which is not supported; \
                   compile and link it with `-fwasm-exceptions -mllvm -wasm-use-legacy-eh=false`",
    },
    MissingFeature {
        feature: WasmFeatures::MEMORY64,
        sentence: "the module uses 64-bit memories or tables (memory64), which are not supported; \
                   compile it for wasm32",
    },
    MissingFeature {
        feature: WasmFeatures::MULTI_MEMORY,
        sentence: "the module has several memories (multi-memory), which is not supported; a \
                   module can have one",
    },
    MissingFeature {
        feature: WasmFeatures::FUNCTION_REFERENCES,
        sentence: "the module uses typed function references, which are not supported",
    },
    MissingFeature {
        feature: WasmFeatures::GC.union(WasmFeatures::FUNCTION_REFERENCES),
        sentence: "the module uses garbage-collected types (gc), which are not supported",
    },
    MissingFeature {
        feature: WasmFeatures::STACK_SWITCHING.union(WasmFeatures::FUNCTION_REFERENCES),
        sentence: "the module uses stack switching, which is not supported",
    },
    MissingFeature {
        feature: WasmFeatures::CUSTOM_PAGE_SIZES,
        sentence: "the module uses custom page sizes, which are not supported",
    },
    MissingFeature {
        feature: WasmFeatures::WIDE_ARITHMETIC,
        sentence: "the module uses wide arithmetic, which is not supported; compile it without \
                   `-mwide-arithmetic`",
    },
    MissingFeature {
        feature: WasmFeatures::SHARED_EVERYTHING_THREADS,
        sentence: "the module uses shared-everything threads, which are not supported",
    },
    MissingFeature {
        feature: WasmFeatures::MEMORY_CONTROL,
        sentence: "the module uses memory control, which is not supported",
    },
    MissingFeature {
        feature: WasmFeatures::COMPACT_IMPORTS,
        sentence: "the module uses the compact form of imports, which is not supported",
    },
];

/// What an import or export is.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InspectedKind {
    Function = 0,
    Memory = 1,
    Table = 2,
    Global = 3,
    Tag = 4,
}

/// One import.
struct Import {
    module: String,
    name: String,
    signature: String,
    kind: InspectedKind,
    offset: usize,
}

/// One export.
struct Export {
    name: String,
    signature: String,
    kind: InspectedKind,
}

/// What a valid module imports and exports. Owned by whoever received it; free it with
/// `selvedge_module_info_free`. Immutable: any thread.
#[derive(Default)]
pub struct ModuleInfo {
    imports: Vec<Import>,
    exports: Vec<Export>,
}

/// One import; the texts are borrowed from the ModuleInfo.
#[repr(C)]
pub struct InspectedImport {
    pub module: Bytes,
    pub name: Bytes,
    /// For functions the parameters and results, "iI:i" (i = i32, I = i64, f = f32, F = f64,
    /// V = v128, ? = a reference); else empty.
    pub signature: Bytes,
    /// Where the import begins in the file.
    pub offset: u64,
    pub kind: InspectedKind,
}

/// One export; the texts are borrowed from the ModuleInfo.
#[repr(C)]
pub struct InspectedExport {
    pub name: Bytes,
    /// As in InspectedImport.
    pub signature: Bytes,
    pub kind: InspectedKind,
}

fn invalid(message: impl Into<String>) -> NativeError {
    NativeError::new(NativeErrorKind::Invalid, message)
}

fn unsupported(message: impl Into<String>) -> NativeError {
    NativeError::new(NativeErrorKind::Unsupported, message)
}

/// " at byte 1234 (0x4d2)"
fn at(offset: usize) -> String {
    format!(" at byte {offset} (0x{offset:x})")
}

/// A name from the module as it may appear in a sentence: escaped and short.
pub(crate) fn shown(name: &str) -> String {
    let mut text = String::from("\"");
    for character in name.chars().take(SHOWN_NAME_MAX) {
        let _ = write!(text, "{}", character.escape_debug());
    }
    text.push_str(if name.chars().nth(SHOWN_NAME_MAX).is_some() { "…\"" } else { "\"" });
    text
}

/// What a file that is not a Wasm module looks like.
fn describe_other_file(bytes: &[u8]) -> Option<&'static str> {
    const MAGICS: &[(&[u8], &str)] = &[
        (b"\0webc", "a WebC package"),
        (b"\x7fELF", "a native program or library (ELF)"),
        (b"\x1f\x8b", "a gzip archive; unpack it first"),
        (b"\x28\xb5\x2f\xfd", "zstd data; unpack it first"),
        (b"\xfd7zXZ", "xz data; unpack it first"),
        (b"PK\x03\x04", "a zip archive; unpack it first"),
        (b"!<arch>\n", "a static library; link it first"),
        (b"BC\xc0\xde", "LLVM bitcode; compile it first"),
        (b"MZ", "a Windows program"),
        (b"\xcf\xfa\xed\xfe", "a macOS program"),
        (b"#!", "a script"),
        (b"<?php", "a PHP script"),
        (b"<", "HTML or XML; was it downloaded from the right address?"),
    ];
    if let Some((_, what)) = MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return Some(what);
    }
    let start = &bytes[..bytes.len().min(512)];
    let is_text = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..=0xff);
    let text = start.iter().all(is_text);
    let begin = start.iter().find(|byte| !byte.is_ascii_whitespace());
    match begin {
        None => None,
        Some(b'(' | b';') if text => Some("WebAssembly text; name the file .wat"),
        Some(_) if text => Some("text"),
        _ => None,
    }
}

/// Checks magic and version.
fn check_header(wasm: &[u8]) -> Result<(), NativeError> {
    const MAGIC: &[u8] = b"\0asm";
    if wasm.is_empty() {
        return Err(invalid("the file is empty, not a WebAssembly module"));
    }
    if wasm.len() > MODULE_SIZE_MAX {
        return Err(invalid(format!(
            "the module is too large: {} bytes of at most {MODULE_SIZE_MAX}",
            wasm.len()
        )));
    }
    if !wasm.starts_with(MAGIC) && !MAGIC.starts_with(wasm) {
        let what = describe_other_file(wasm).map(|what| format!(": it looks like {what}"));
        return Err(invalid(format!(
            "the file is not a WebAssembly module{}",
            what.unwrap_or_else(|| String::from(" (byte 0 is not its magic number)"))
        )));
    }
    if wasm.len() < 8 {
        return Err(invalid(format!(
            "the module is truncated: it ends{}, inside the header",
            at(wasm.len())
        )));
    }
    match wasm[4..8] {
        [1, 0, 0, 0] => Ok(()),
        [_, _, 1, 0] => Err(unsupported(
            "the file is a WebAssembly component (byte 6), and components are not supported yet; \
             deploy a core module for WASI preview 1 or WASIX",
        )),
        _ => Err(unsupported(format!(
            "the module has version {}{}, and only version 1 is supported",
            u32::from_le_bytes([wasm[4], wasm[5], wasm[6], wasm[7]]),
            at(4)
        ))),
    }
}

/// Checks that the sections are all there.
fn check_sections(wasm: &[u8]) -> Result<(), NativeError> {
    let mut count = 0;
    for section in sections::sections(wasm) {
        let section = section.map_err(|truncated| {
            let section = match truncated.id {
                Some(id) => format!("the {} section", sections::describe(id)),
                None => String::from("a section header"),
            };
            invalid(match truncated.size {
                Some(size) => format!(
                    "the module is truncated: {section}{} has {size} bytes, but the file ends \
                     after {} of them",
                    at(truncated.offset),
                    truncated.available
                ),
                None => format!("the module has a broken section header{}", at(truncated.offset)),
            })
        })?;
        count += 1;
        check_count("sections", count, MODULE_SECTIONS_MAX, section.whole.start)?;
    }
    Ok(())
}

fn check_count(what: &str, count: usize, most: usize, offset: usize) -> Result<(), NativeError> {
    if count <= most {
        return Ok(());
    }
    Err(invalid(format!("the module has more than {most} {what}{}", at(offset))))
}

fn letters(types: &[ValType], text: &mut String) {
    text.extend(types.iter().map(|value| match value {
        ValType::I32 => 'i',
        ValType::I64 => 'I',
        ValType::F32 => 'f',
        ValType::F64 => 'F',
        ValType::V128 => 'V',
        ValType::Ref(_) => '?',
    }));
}

/// Why an inspection stopped: a limit of ours, or the validator.
enum Stop {
    Ours(NativeError),
    Validator(BinaryReaderError),
}

impl From<NativeError> for Stop {
    fn from(error: NativeError) -> Stop {
        Stop::Ours(error)
    }
}

impl From<BinaryReaderError> for Stop {
    fn from(error: BinaryReaderError) -> Stop {
        Stop::Validator(error)
    }
}

/// Collects what later sections refer to.
#[derive(Default)]
struct Inspector {
    info: ModuleInfo,
    signatures: Vec<String>,
    /// The type of every function, imported ones first.
    functions: Vec<u32>,
    tables: usize,
    memories: usize,
    globals: usize,
    tags: usize,
}

impl Inspector {
    /// Checks the limits of a section before the validator works through it.
    fn check_limits(&mut self, payload: &Payload<'_>) -> Result<(), NativeError> {
        let (what, count, before, most, offset) = match payload {
            Payload::TypeSection(section) => {
                ("types", section.count(), 0, MODULE_TYPES_MAX, section.range().start)
            }
            Payload::ImportSection(section) => {
                ("imports", section.count(), 0, MODULE_IMPORTS_MAX, section.range().start)
            }
            Payload::FunctionSection(section) => (
                "functions",
                section.count(),
                self.functions.len(),
                MODULE_FUNCTIONS_MAX,
                section.range().start,
            ),
            Payload::TableSection(section) => {
                ("tables", section.count(), self.tables, MODULE_TABLES_MAX, section.range().start)
            }
            Payload::GlobalSection(section) => (
                "globals",
                section.count(),
                self.globals,
                MODULE_GLOBALS_MAX,
                section.range().start,
            ),
            Payload::TagSection(section) => {
                ("tags", section.count(), self.tags, MODULE_TAGS_MAX, section.range().start)
            }
            Payload::ExportSection(section) => {
                ("exports", section.count(), 0, MODULE_EXPORTS_MAX, section.range().start)
            }
            Payload::ElementSection(section) => (
                "element segments",
                section.count(),
                0,
                MODULE_ELEMENT_SEGMENTS_MAX,
                section.range().start,
            ),
            Payload::DataSection(section) => (
                "data segments",
                section.count(),
                0,
                MODULE_DATA_SEGMENTS_MAX,
                section.range().start,
            ),
            Payload::DataCountSection { count, range } => {
                ("data segments", *count, 0, MODULE_DATA_SEGMENTS_MAX, range.start)
            }
            _ => return Ok(()),
        };
        check_count(what, before.saturating_add(count as usize), most, offset)
    }

    /// Keeps what a section that was found valid says.
    fn collect(&mut self, payload: Payload<'_>) -> Result<(), Stop> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    for subtype in group?.types() {
                        let mut signature = String::new();
                        if let CompositeInnerType::Func(function) = &subtype.composite_type.inner {
                            letters(function.params(), &mut signature);
                            signature.push(':');
                            letters(function.results(), &mut signature);
                        }
                        self.signatures.push(signature);
                    }
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports_with_offsets() {
                    let (offset, import) = import?;
                    self.add_import(offset, import)?;
                }
            }
            Payload::FunctionSection(section) => {
                for function in section {
                    self.functions.push(function?);
                }
            }
            Payload::TableSection(section) => self.tables += section.count() as usize,
            Payload::GlobalSection(section) => self.globals += section.count() as usize,
            Payload::TagSection(section) => self.tags += section.count() as usize,
            Payload::MemorySection(section) => {
                for memory in section.into_iter_with_offsets() {
                    let (offset, memory) = memory?;
                    self.memories += 1;
                    check_count("memories", self.memories, MODULE_MEMORIES_MAX, offset)?;
                    if memory.shared {
                        return Err(unsupported(format!(
                            "the module defines a shared memory{}; a module with threads has to \
                             import it: link with `-Wl,--import-memory`",
                            at(offset)
                        ))
                        .into());
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    let export = export?;
                    let kind = match export.kind {
                        ExternalKind::Func | ExternalKind::FuncExact => InspectedKind::Function,
                        ExternalKind::Table => InspectedKind::Table,
                        ExternalKind::Memory => InspectedKind::Memory,
                        ExternalKind::Global => InspectedKind::Global,
                        ExternalKind::Tag => InspectedKind::Tag,
                    };
                    let signature = match kind {
                        InspectedKind::Function => self.signature_of(export.index),
                        _ => String::new(),
                    };
                    self.info.exports.push(Export {
                        name: export.name.to_owned(),
                        signature,
                        kind,
                    });
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn signature_of(&self, function: u32) -> String {
        let signature = self
            .functions
            .get(function as usize)
            .and_then(|&index| self.signatures.get(index as usize));
        signature.cloned().unwrap_or_default()
    }

    fn add_import(
        &mut self,
        offset: usize,
        import: wasmparser::Import<'_>,
    ) -> Result<(), NativeError> {
        let mut signature = String::new();
        let kind = match import.ty {
            TypeRef::Func(index) | TypeRef::FuncExact(index) => {
                self.functions.push(index);
                signature = self.signatures.get(index as usize).cloned().unwrap_or_default();
                InspectedKind::Function
            }
            TypeRef::Table(_) => {
                self.tables += 1;
                check_count("tables", self.tables, MODULE_TABLES_MAX, offset)?;
                InspectedKind::Table
            }
            TypeRef::Memory(memory) => {
                signature = if memory.shared { "shared".to_owned() } else { String::new() };
                self.memories += 1;
                check_count("memories", self.memories, MODULE_MEMORIES_MAX, offset)?;
                InspectedKind::Memory
            }
            TypeRef::Global(_) => {
                self.globals += 1;
                InspectedKind::Global
            }
            TypeRef::Tag(_) => {
                self.tags += 1;
                InspectedKind::Tag
            }
        };
        self.info.imports.push(Import {
            module: import.module.to_owned(),
            name: import.name.to_owned(),
            signature,
            kind,
            offset,
        });
        check_count("imports", self.info.imports.len(), MODULE_IMPORTS_MAX, offset)
    }
}

/// Validates everything and collects imports and exports.
fn walk(wasm: &[u8], features: WasmFeatures) -> Result<Inspector, Stop> {
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut validator = Validator::new_with_features(features);
    let mut inspector = Inspector::default();
    let mut allocations = FuncValidatorAllocations::default();
    for payload in parser.parse_all(wasm) {
        let payload = payload?;
        inspector.check_limits(&payload)?;
        match validator.payload(&payload)? {
            ValidPayload::Func(function, body) => {
                let mut function = function.into_validator(std::mem::take(&mut allocations));
                function.validate(&body)?;
                allocations = function.into_allocations();
            }
            _ => inspector.collect(payload)?,
        }
    }
    Ok(inspector)
}

/// The sentence for something that the validator refused: if another feature would get further, the
/// feature is what is wrong.
fn explain(wasm: &[u8], error: &BinaryReaderError) -> NativeError {
    let gets_further = |features| match walk(wasm, features) {
        Ok(_) | Err(Stop::Ours(_)) => true,
        Err(Stop::Validator(other)) => other.offset() > error.offset(),
    };
    for missing in MISSING_FEATURES {
        if gets_further(FEATURES.union(missing.feature)) {
            return unsupported(format!("{} (found{})", missing.sentence, at(error.offset())));
        }
    }
    let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    if gets_further(WasmFeatures::all()) {
        return unsupported(format!(
            "the module uses a feature that is not supported{}: {reason}",
            at(error.offset())
        ));
    }
    invalid(format!("the module is not valid{}: {reason}", at(error.offset())))
}

/// The import that makes a module one that forks.
pub(crate) const FORK: &str = "proc_fork";
pub(crate) const WASIX_MODULE: &str = "wasix_32v1";

/// What Asyncify adds to a module: the exports, and their signatures as in InspectedExport.
pub(crate) const ASYNCIFY: [(&str, &str); 5] = [
    ("asyncify_start_unwind", "i:"),
    ("asyncify_stop_unwind", ":"),
    ("asyncify_start_rewind", "i:"),
    ("asyncify_stop_rewind", ":"),
    ("asyncify_get_state", ":i"),
];

/// A module that forks or saves its stack needs code for it, which Asyncify adds.
/// Position-independent modules are not refused: such a program keeps all of the C library for its
/// libraries, and may never call what it imports. There the call fails.
fn check_asyncify(info: &ModuleInfo, wasm: &[u8], linked: bool) -> Result<(), NativeError> {
    const NEEDS_ASYNCIFY: [&str; 3] = [FORK, "stack_checkpoint", "stack_restore"];
    let asyncified = ASYNCIFY.iter().all(|(name, signature)| {
        let is_it = |export: &Export| export.name == *name && export.signature == *signature;
        info.exports.iter().any(is_it)
    });
    if asyncified {
        return Ok(());
    }
    let import = info.imports.iter().find(|import| {
        import.module == WASIX_MODULE && NEEDS_ASYNCIFY.contains(&import.name.as_str())
    });
    let Some(import) = import else {
        return Ok(());
    };
    if linked || dylink::read(wasm)?.is_some() {
        return Ok(());
    }
    Err(unsupported(format!(
        "the module imports {} from {}{}, which needs Asyncify: run `wasm-opt -O1 --asyncify` on it, or start \
         programs with posix_spawn and build it with exceptions (`-fwasm-exceptions`) for setjmp",
        shown(&import.name),
        shown(&import.module),
        at(import.offset)
    )))
}

fn inspect(wasm: &[u8], linked: bool) -> Result<ModuleInfo, NativeError> {
    check_header(wasm)?;
    check_sections(wasm)?;
    match walk(wasm, FEATURES) {
        Ok(inspector) => {
            check_asyncify(&inspector.info, wasm, linked)?;
            Ok(inspector.info)
        }
        Err(Stop::Ours(error)) => Err(error),
        Err(Stop::Validator(error)) => Err(explain(wasm, &error)),
    }
}

/// Checks that `wasm` is a module which the engine compiles, and lists its imports and exports.
/// `linked`: it comes from `selvedge_module_prelink`. On success `*info` is owned by the caller.
/// Else the error says in one sentence what is wrong, where, and what to do: Invalid (not Wasm,
/// truncated, too large, not valid) or Unsupported (a feature). Does not look at whether the imports
/// exist. Takes about 10 ms for each megabyte. Any thread.
///
/// # Safety
/// `wasm` is readable for the call; `info` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_inspect(
    wasm: Bytes,
    linked: bool,
    info: *mut *mut ModuleInfo,
) -> *mut NativeError {
    match inspect(unsafe { wasm.as_slice() }, linked) {
        Ok(found) => {
            unsafe { info.write(Box::into_raw(Box::new(found))) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Frees a ModuleInfo; null is allowed. Any thread.
///
/// # Safety
/// `info` is null or came from `selvedge_module_inspect` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_info_free(info: *mut ModuleInfo) {
    if !info.is_null() {
        drop(unsafe { Box::from_raw(info) });
    }
}

/// How many imports the module has. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_info_import_count(info: &ModuleInfo) -> usize {
    info.imports.len()
}

/// Import number `index`, which is below the count. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_info_import(info: &ModuleInfo, index: usize) -> InspectedImport {
    let import = &info.imports[index];
    InspectedImport {
        module: Bytes::borrowed(import.module.as_bytes()),
        name: Bytes::borrowed(import.name.as_bytes()),
        signature: Bytes::borrowed(import.signature.as_bytes()),
        offset: import.offset as u64,
        kind: import.kind,
    }
}

/// How many exports the module has. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_info_export_count(info: &ModuleInfo) -> usize {
    info.exports.len()
}

/// Export number `index`, which is below the count. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_info_export(info: &ModuleInfo, index: usize) -> InspectedExport {
    let export = &info.exports[index];
    InspectedExport {
        name: Bytes::borrowed(export.name.as_bytes()),
        signature: Bytes::borrowed(export.signature.as_bytes()),
        kind: export.kind,
    }
}

#[cfg(test)]
#[path = "inspect_test.rs"]
mod tests;
