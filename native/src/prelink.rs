//! Programs that are position-independent (`-pie`, as wasix-libc's `ehpic` builds are) leave to a loader where
//! their data, stack, heap and functions lie. A process has one program, so all of it is decided here, before the
//! module is compiled: the result is a program with addresses like any other, whose table the engine can fill
//! lazily, and to which libraries can be loaded.
//!
//! * Memory from 1,024: the program's data, its stack (1 MiB), its heap. The table from 1: its functions.
//! * Imported globals become defined ones, which keep their indices: `__memory_base`, `__table_base`,
//!   `__stack_pointer`, the offset table `GOT.mem` and `GOT.func` with the addresses of what the program exports and of
//!   `__heap_base` and its like. So does the imported table, tags of exceptions, and a memory that is not shared.
//! * `_start` first applies the relocations of data, which only the first thread may do.
//!
//! A program that needs libraries before it starts, position-independent or not, is *bound* to them when it runs.
//! Its `_start` first calls `load_needed` of "selvedge", which loads them (rewrite_dynamic.rs). What it imports
//! from "env" and from offset tables and does not define itself, and the libraries, are names of exports:
//!
//! * "selvedge.library.<number>.<name>" and "selvedge.folder.<number>.<path>", in their order.
//! * "selvedge.function.<number>.<name>": a global for the table element of a function. An imported function
//!   becomes one that calls through it. "selvedge.data.<number>.<name>": a global for an address.
//! * "selvedge.weak.<number>.<name>": a global for a symbol that need not exist.
//!
//! Where a thread-local variable that a program exports lies depends on the thread. Libraries find it by the exports
//! "selvedge.thread_local.<name>", its place in the block of each thread, and "selvedge.thread_local_base", the
//! program's own global that says where the block is.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use wasm_encoder::reencode;
use wasmparser::{
    BinaryReader, CompositeInnerType, Element, ElementItems, ElementKind, ElementSectionReader,
    ExportSectionReader, ExternalKind, FunctionSectionReader, GlobalSectionReader,
    ImportSectionReader, Operator, TableSectionReader, TypeRef, TypeSectionReader,
};

use crate::buffer::{Buffer, Bytes};
use crate::dylink::{self, Dylink};
use crate::error::{NativeError, NativeErrorKind};
use crate::inspect::{FEATURES, shown};
use crate::rewrite::HOST_MODULE;
use crate::sections::{self, Section, id};

#[path = "prelink_write.rs"]
mod write;

const DATA_BEGIN: u64 = 1024;
const STACK_BYTES: u64 = 1 << 20;
const STACK_ALIGNMENT: u64 = 16;
const PAGE_BYTES: u64 = 65_536;
/// Element 0 is what a null pointer calls.
const TABLE_BASE: u32 = 1;
const START: &str = "_start";
const MEMORY: &str = "memory";
const TLS_BASE: &str = "__tls_base";
const RELOCATIONS: &str = "__wasm_apply_data_relocs";
const ENVIRONMENT: &str = "env";
/// Imported from "selvedge" by programs that need libraries.
pub(crate) const LOAD_NEEDED: &str = "load_needed";

/// What the names of exports begin with that tell what a program needs.
pub(crate) const LIBRARY_PREFIX: &str = "selvedge.library.";
pub(crate) const FOLDER_PREFIX: &str = "selvedge.folder.";
pub(crate) const FUNCTION_PREFIX: &str = "selvedge.function.";
pub(crate) const DATA_PREFIX: &str = "selvedge.data.";
pub(crate) const WEAK_PREFIX: &str = "selvedge.weak.";
/// Before the names of thread-local variables.
pub(crate) const THREAD_LOCAL_PREFIX: &str = "selvedge.thread_local.";
pub(crate) const THREAD_LOCAL_BASE: &str = "selvedge.thread_local_base";
pub(crate) const PREFIXES: [&str; 7] = [
    LIBRARY_PREFIX,
    FOLDER_PREFIX,
    FUNCTION_PREFIX,
    DATA_PREFIX,
    WEAK_PREFIX,
    THREAD_LOCAL_PREFIX,
    THREAD_LOCAL_BASE,
];
/// Longer names of thread-local variables are not for libraries.
const THREAD_LOCAL_NAME_SIZE_MAX: usize = 4096;

enum Failure {
    Ours(NativeError),
    Malformed,
}

impl From<NativeError> for Failure {
    fn from(error: NativeError) -> Failure {
        Failure::Ours(error)
    }
}

impl From<wasmparser::BinaryReaderError> for Failure {
    fn from(_: wasmparser::BinaryReaderError) -> Failure {
        Failure::Malformed
    }
}

impl From<reencode::Error<Infallible>> for Failure {
    fn from(_: reencode::Error<Infallible>) -> Failure {
        Failure::Malformed
    }
}

fn refused(message: String) -> Failure {
    Failure::Ours(NativeError::new(NativeErrorKind::Unsupported, message))
}

fn reserved(name: &str) -> Failure {
    Failure::Ours(NativeError::new(
        NativeErrorKind::Invalid,
        format!(
            "the program uses {}, and names that begin with \"selvedge\" are reserved",
            shown(name)
        ),
    ))
}

fn undefined(module: &str, name: &str) -> Failure {
    refused(format!(
        "the program imports the global {}.{}, which nothing defines before it runs",
        shown(module),
        shown(name)
    ))
}

/// Where everything lies.
struct Layout {
    memory_base: u32,
    stack_low: u32,
    /// The heap begins there too.
    stack_high: u32,
    pages: u64,
}

impl Layout {
    /// Of a program whose linker has given it all of its addresses.
    const FIXED: Layout = Layout { memory_base: 0, stack_low: 0, stack_high: 0, pages: 0 };

    fn new(dylink: &Dylink) -> Layout {
        let data = DATA_BEGIN.next_multiple_of(u64::from(dylink.layout.memory_alignment));
        let stack_low =
            (data + u64::from(dylink.layout.memory_size)).next_multiple_of(STACK_ALIGNMENT);
        let stack_high = stack_low + STACK_BYTES;
        // The sizes in "dylink.0" are at most 1 GiB, so these fit.
        Layout {
            memory_base: data as u32,
            stack_low: stack_low as u32,
            stack_high: stack_high as u32,
            pages: stack_high.div_ceil(PAGE_BYTES),
        }
    }

    /// What linkers define.
    fn symbol(&self, name: &str) -> Option<u32> {
        if self.pages == 0 {
            return None;
        }
        Some(match name {
            "__heap_end" => (self.pages * PAGE_BYTES) as u32,
            "__stack_low" | "__data_end" => self.stack_low,
            "__stack_high" | "__heap_base" => self.stack_high,
            "__global_base" | "__dso_handle" => self.memory_base,
            _ => return None,
        })
    }
}

/// An imported global, which becomes one of the program's own.
struct Global {
    module: String,
    name: String,
    mutable: bool,
}

struct FunctionImport {
    module: String,
    name: String,
    kind: u32,
}

/// What matters of a function's type.
#[derive(Clone, Copy)]
struct FunctionType {
    parameters: u32,
    /// It has neither parameters nor results.
    is_plain: bool,
}

/// What the program has.
struct Program<'a> {
    wasm: &'a [u8],
    dylink: Dylink,
    layout: Layout,
    sections: Vec<Section>,
    globals: Vec<Global>,
    /// Name and type.
    tags: Vec<(String, u32)>,
    /// A memory that is imported and that no other instance shares.
    memory: Option<wasmparser::MemoryType>,
    /// The least size of the imported table.
    imported_table: Option<u64>,
    imported_functions: Vec<FunctionImport>,
    /// None: not a function.
    types: Vec<Option<FunctionType>>,
    /// Type of each defined function.
    function_types: Vec<u32>,
    exports: HashMap<String, (ExternalKind, u32)>,
    /// The first table element of each function that has one.
    elements: HashMap<u32, u32>,
    /// Offsets of the constant globals that the program defines.
    offsets: HashMap<u32, u32>,
    /// Numbers that change.
    variables: HashSet<u32>,
    own_globals: u32,
    has_own_table: bool,
    has_shared_memory: bool,
    /// The global with the address of each thread's variables, and which symbols are such.
    thread_local_base: Option<u32>,
    thread_local: HashSet<String>,
}

fn reader<'a>(wasm: &'a [u8], section: &Section) -> BinaryReader<'a> {
    BinaryReader::new_features(&wasm[section.content.clone()], section.content.start, FEATURES)
}

impl<'a> Program<'a> {
    fn new(wasm: &'a [u8], dylink: Dylink) -> Result<Program<'a>, Failure> {
        let layout = Layout::new(&dylink);
        let mut program = Program {
            wasm,
            dylink,
            layout,
            sections: Vec::new(),
            globals: Vec::new(),
            tags: Vec::new(),
            memory: None,
            imported_table: None,
            imported_functions: Vec::new(),
            types: Vec::new(),
            function_types: Vec::new(),
            exports: HashMap::new(),
            elements: HashMap::new(),
            offsets: HashMap::new(),
            variables: HashSet::new(),
            own_globals: 0,
            has_own_table: false,
            has_shared_memory: false,
            thread_local_base: None,
            thread_local: HashSet::new(),
        };
        for section in sections::sections(wasm) {
            let section = section.map_err(|_| Failure::Malformed)?;
            program.look_at(&section)?;
            program.sections.push(section);
        }
        let is_base =
            |global: &Global| ["__memory_base", "__table_base"].contains(&global.name.as_str());
        if program.imported_table.is_none() && !program.globals.iter().any(is_base) {
            program.layout = Layout::FIXED;
        }
        program.find_thread_local();
        Ok(program)
    }

    /// Without a shared memory there is one thread, whose variables are like others.
    fn find_thread_local(&mut self) {
        let exported = match self.exports.get(TLS_BASE) {
            Some((ExternalKind::Global, index)) => Some(*index),
            _ => None,
        };
        let found = self.dylink.thread_local.map(|found| found.base);
        let base = exported.filter(|index| self.variables.contains(index)).or(found);
        if self.has_shared_memory && base.is_some() {
            self.thread_local_base = base;
            self.thread_local = self.dylink.thread_local_symbols.iter().cloned().collect();
        }
    }

    fn look_at(&mut self, section: &Section) -> Result<(), Failure> {
        let reader = reader(self.wasm, section);
        match section.id {
            id::TYPE => self.look_at_types(TypeSectionReader::new(reader)?)?,
            id::IMPORT => self.look_at_imports(ImportSectionReader::new(reader)?)?,
            id::FUNCTION => {
                for kind in FunctionSectionReader::new(reader)? {
                    self.function_types.push(kind?);
                }
            }
            id::GLOBAL => {
                let globals = GlobalSectionReader::new(reader)?;
                for (index, global) in (self.globals.len() as u32..).zip(globals) {
                    let global = global?;
                    self.own_globals += 1;
                    if global.ty.mutable && global.ty.content_type == wasmparser::ValType::I32 {
                        self.variables.insert(index);
                    }
                    let mut operators = global.init_expr.get_operators_reader();
                    if let Operator::I32Const { value } = operators.read()?
                        && !global.ty.mutable
                    {
                        self.offsets.insert(index, value as u32);
                    }
                }
            }
            id::TABLE => self.has_own_table = TableSectionReader::new(reader)?.count() != 0,
            id::EXPORT => {
                for export in ExportSectionReader::new(reader)? {
                    let export = export?;
                    if PREFIXES.iter().any(|prefix| export.name.starts_with(prefix)) {
                        return Err(reserved(export.name));
                    }
                    self.exports.insert(export.name.to_owned(), (export.kind, export.index));
                }
            }
            id::ELEMENT => {
                for element in ElementSectionReader::new(reader)? {
                    self.look_at_elements(element?)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn look_at_types(&mut self, types: TypeSectionReader<'_>) -> Result<(), Failure> {
        for group in types {
            for kind in group?.types() {
                self.types.push(match &kind.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(FunctionType {
                        parameters: function.params().len() as u32,
                        is_plain: function.params().is_empty() && function.results().is_empty(),
                    }),
                    _ => None,
                });
            }
        }
        Ok(())
    }

    fn look_at_imports(&mut self, imports: ImportSectionReader<'_>) -> Result<(), Failure> {
        for import in imports.into_imports() {
            let import = import?;
            if import.module == HOST_MODULE {
                return Err(reserved(import.name));
            }
            match import.ty {
                TypeRef::Func(kind) | TypeRef::FuncExact(kind) => {
                    self.imported_functions.push(FunctionImport {
                        module: import.module.to_owned(),
                        name: import.name.to_owned(),
                        kind,
                    });
                }
                TypeRef::Global(kind) if kind.content_type != wasmparser::ValType::I32 => {
                    return Err(undefined(import.module, import.name));
                }
                TypeRef::Global(kind) => {
                    if kind.mutable {
                        self.variables.insert(self.globals.len() as u32);
                    }
                    self.globals.push(Global {
                        module: import.module.to_owned(),
                        name: import.name.to_owned(),
                        mutable: kind.mutable,
                    });
                }
                TypeRef::Tag(kind) => {
                    self.tags.push((import.name.to_owned(), kind.func_type_idx));
                }
                TypeRef::Table(table) => {
                    let is_first = self.imported_table.replace(table.initial).is_none();
                    if !is_first || table.element_type != wasmparser::RefType::FUNCREF {
                        return Err(undefined(import.module, import.name));
                    }
                }
                TypeRef::Memory(memory) if !memory.shared => self.memory = Some(memory),
                TypeRef::Memory(_) => self.has_shared_memory = true,
            }
        }
        Ok(())
    }

    /// Where the functions of an active segment are, as linkers write it: from the table's base.
    fn look_at_elements(&mut self, element: Element<'_>) -> Result<(), Failure> {
        let (ElementKind::Active { offset_expr, .. }, ElementItems::Functions(functions)) =
            (element.kind, element.items)
        else {
            return Ok(());
        };
        let base = self.globals.iter().position(|global| global.name == "__table_base");
        let mut offset = offset_expr.get_operators_reader();
        let begins_at_base = matches!(offset.read()?, Operator::GlobalGet { global_index }
            if Some(global_index as usize) == base);
        if !begins_at_base || !matches!(offset.read()?, Operator::End) {
            return Ok(());
        }
        for (index, function) in (TABLE_BASE..).zip(functions) {
            self.elements.entry(function?).or_insert(index);
        }
        Ok(())
    }

    /// The exported function of that name, without parameters and results, and its type.
    fn plain_export(&self, name: &str) -> Option<(u32, u32)> {
        let Some((ExternalKind::Func, index)) = self.exports.get(name) else {
            return None;
        };
        let defined = index.checked_sub(self.imported_functions.len() as u32)?;
        let kind = *self.function_types.get(defined as usize)?;
        let function = self.types.get(kind as usize).copied().flatten()?;
        function.is_plain.then_some((*index, kind))
    }

    /// It needs libraries, among which what it does not define is looked for when it runs.
    fn is_bound(&self) -> bool {
        !self.dylink.needed().is_empty()
    }

    fn is_weak(&self, name: &str) -> bool {
        self.dylink.weak.iter().any(|weak| weak == name)
    }

    /// Each of its threads has another one.
    fn is_thread_local(&self, name: &str) -> bool {
        self.thread_local.contains(name)
    }

    /// The imported function becomes one of the program's own, which calls another through the table.
    fn is_redirected(&self, import: &FunctionImport) -> bool {
        import.module == ENVIRONMENT && (self.is_bound() || self.is_weak(&import.name))
    }

    /// The value that an imported global has; None: that is known when the program runs.
    fn value(&self, global: &Global) -> Result<Option<u32>, Failure> {
        let name = global.name.as_str();
        let known = match (global.module.as_str(), name) {
            ("env", "__memory_base") => Some(self.layout.memory_base),
            ("env", "__table_base") => Some(TABLE_BASE),
            ("env", "__stack_pointer") => Some(self.layout.stack_high),
            // Each thread sets its own.
            ("env", TLS_BASE) => Some(0),
            ("GOT.mem", _) if self.is_thread_local(name) => None,
            ("GOT.mem", _) => match self.exports.get(name) {
                Some((ExternalKind::Global, index)) => {
                    let offset = self.offsets.get(index);
                    offset.map(|offset| offset.wrapping_add(self.layout.memory_base))
                }
                _ => self.layout.symbol(name),
            },
            ("GOT.func", _) => match self.exports.get(name) {
                Some((ExternalKind::Func, index)) => self.elements.get(index).copied(),
                _ => None,
            },
            _ => None,
        };
        let is_entry = global.mutable && global.module.starts_with("GOT.");
        if known.is_none() && is_entry && self.is_bound() {
            return Ok(None);
        }
        let value = known.or_else(|| self.is_weak(name).then_some(0));
        value.map(Some).ok_or_else(|| undefined(&global.module, name))
    }
}

/// None: the module is no program that has anything to link.
pub(crate) fn prelink(wasm: &[u8]) -> Result<Option<Vec<u8>>, NativeError> {
    let Some(dylink) = dylink::read(wasm)? else {
        return Ok(None);
    };
    let result = Program::new(wasm, dylink).and_then(|program| {
        if !program.exports.contains_key(START) {
            return Ok(None);
        }
        if let Some(needed) = program.dylink.needed().first()
            && (program.imported_table.is_none() && !program.has_own_table
                || program.plain_export(START).is_none())
        {
            return Err(refused(format!(
                "the program needs the library {}, and has no table of functions or no `_start` without parameters",
                shown(needed)
            )));
        }
        program.write().map(Some)
    });
    result.map_err(|failure| match failure {
        Failure::Ours(error) => error,
        Failure::Malformed => NativeError::new(
            NativeErrorKind::Invalid,
            "the program is not valid and cannot be linked",
        ),
    })
}

/// Gives a position-independent program that `selvedge_module_inspect` has accepted its addresses, and prepares one
/// that needs libraries. `*linked` becomes null when the module is neither, else a new module, owned by the caller,
/// which may be rewritten (with `linked`) and compiled. Unsupported: it needs symbols that nothing defines. Any
/// thread.
///
/// # Safety
/// `wasm` is readable for the call; `linked` is writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_prelink(
    wasm: Bytes,
    linked: *mut *mut Buffer,
) -> *mut NativeError {
    match prelink(unsafe { wasm.as_slice() }) {
        Ok(bytes) => {
            unsafe { linked.write(bytes.map_or(std::ptr::null_mut(), Buffer::into_raw)) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

#[cfg(test)]
#[path = "prelink_test.rs"]
mod tests;
