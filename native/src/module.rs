//! Compiled modules: compile to an artifact, load an artifact, list what a module imports and exports.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::sync::OnceLock;

use wasmtime::{ExternType, ValType};

use crate::buffer::{Buffer, Bytes};
use crate::engine::Engine;
use crate::error::{NativeError, NativeErrorKind};

/// Compiled code. Freed with `selvedge_module_free`; instances keep what they need alive.
pub struct Module {
    pub(crate) module: wasmtime::Module,
    descriptions: OnceLock<Descriptions>,
}

struct Descriptions {
    imports: Vec<(String, String, ExternKind, String)>,
    exports: Vec<(String, ExternKind, String)>,
}

/// What an import or export is.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternKind {
    Function = 0,
    Memory = 1,
    Table = 2,
    Global = 3,
    Tag = 4,
}

/// One import; the texts are borrowed from the module.
#[repr(C)]
pub struct ImportDescription {
    pub module: Bytes,
    pub name: Bytes,
    /// For functions the signature, "iI:i"; else empty.
    pub signature: Bytes,
    pub kind: ExternKind,
}

/// One export; the texts are borrowed from the module.
#[repr(C)]
pub struct ExportDescription {
    pub name: Bytes,
    pub signature: Bytes,
    pub kind: ExternKind,
}

/// The signature letters of a function type; "?" for types that no host function has.
pub(crate) fn signature_text(function: &wasmtime::FuncType) -> String {
    let letter = |value: ValType| match value {
        ValType::I32 => 'i',
        ValType::I64 => 'I',
        ValType::F32 => 'f',
        ValType::F64 => 'F',
        _ => '?',
    };
    let mut text: String = function.params().map(letter).collect();
    text.push(':');
    text.extend(function.results().map(letter));
    text
}

fn describe(item: &ExternType) -> (ExternKind, String) {
    match item {
        ExternType::Func(function) => (ExternKind::Function, signature_text(function)),
        ExternType::Memory(_) => (ExternKind::Memory, String::new()),
        ExternType::Table(_) => (ExternKind::Table, String::new()),
        ExternType::Global(_) => (ExternKind::Global, String::new()),
        ExternType::Tag(_) => (ExternKind::Tag, String::new()),
    }
}

impl Module {
    pub(crate) fn new(module: wasmtime::Module) -> Module {
        Module { module, descriptions: OnceLock::new() }
    }

    fn descriptions(&self) -> &Descriptions {
        self.descriptions.get_or_init(|| Descriptions {
            imports: self
                .module
                .imports()
                .map(|import| {
                    let (kind, signature) = describe(&import.ty());
                    (import.module().to_owned(), import.name().to_owned(), kind, signature)
                })
                .collect(),
            exports: self
                .module
                .exports()
                .map(|export| {
                    let (kind, signature) = describe(&export.ty());
                    (export.name().to_owned(), kind, signature)
                })
                .collect(),
        })
    }
}

/// Compiles a Wasm binary into an artifact (native code for every node of this version). Takes seconds
/// for big modules and uses several threads when the engine says so. On success `*artifact` is owned by the
/// caller. Invalid or Unsupported input is an error with the byte offset. Any thread.
///
/// # Safety
/// `wasm` is readable for the duration of the call; `artifact` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_precompile(
    engine: &Engine,
    wasm: Bytes,
    artifact: *mut *mut Buffer,
) -> *mut NativeError {
    match engine.engine.precompile_module(unsafe { wasm.as_slice() }) {
        Ok(bytes) => {
            unsafe { *artifact = Buffer::into_raw(bytes) };
            std::ptr::null_mut()
        }
        Err(error) => NativeError::new(NativeErrorKind::Invalid, format!("{error:#}")).into_raw(),
    }
}

fn finish_load(
    loaded: wasmtime::Result<wasmtime::Module>,
    module: *mut *mut Module,
) -> *mut NativeError {
    // The image of the initial memory is made here, on a helper thread, not at the first request.
    let loaded = loaded.and_then(|loaded| {
        loaded.initialize_copy_on_write_image()?;
        Ok(loaded)
    });
    match loaded {
        Ok(loaded) => {
            unsafe { *module = Box::into_raw(Box::new(Module::new(loaded))) };
            std::ptr::null_mut()
        }
        Err(error) => NativeError::new(
            NativeErrorKind::Internal,
            format!("a compiled module cannot be loaded: {error:#}"),
        )
        .into_raw(),
    }
}

/// Loads an artifact from memory (copied). On success `*module` is owned by the caller. Any thread.
///
/// # Safety
/// The artifact is native code that will be executed: it was made by `selvedge_module_precompile` and
/// not changed since, which the caller has proved (tag). `artifact` is readable for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_load(
    engine: &Engine,
    artifact: Bytes,
    module: *mut *mut Module,
) -> *mut NativeError {
    let loaded = unsafe { wasmtime::Module::deserialize(&engine.engine, artifact.as_slice()) };
    finish_load(loaded, module)
}

/// Loads an artifact by mapping the open file `descriptor`, which is consumed. The file must hold one
/// artifact and may be followed by other bytes. Otherwise as `selvedge_module_load`.
///
/// # Safety
/// As for `selvedge_module_load`; and the file does not change while the module lives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_load_file(
    engine: &Engine,
    descriptor: i32,
    module: *mut *mut Module,
) -> *mut NativeError {
    let file = unsafe { File::from_raw_fd(descriptor) };
    finish_load(unsafe { wasmtime::Module::deserialize_open_file(&engine.engine, file) }, module)
}

/// Frees a module; null is allowed. Any thread.
///
/// # Safety
/// `module` is null or came from this library and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_free(module: *mut Module) {
    if !module.is_null() {
        drop(unsafe { Box::from_raw(module) });
    }
}

/// How many imports the module has. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_import_count(module: &Module) -> usize {
    module.descriptions().imports.len()
}

/// Import number `index`, which is below the count. Borrowed from the module. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_import(module: &Module, index: usize) -> ImportDescription {
    let (from, name, kind, signature) = &module.descriptions().imports[index];
    ImportDescription {
        module: Bytes::borrowed(from.as_bytes()),
        name: Bytes::borrowed(name.as_bytes()),
        signature: Bytes::borrowed(signature.as_bytes()),
        kind: *kind,
    }
}

/// How many exports the module has. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_export_count(module: &Module) -> usize {
    module.descriptions().exports.len()
}

/// Export number `index`, which is below the count. Borrowed from the module. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_module_export(module: &Module, index: usize) -> ExportDescription {
    let (name, kind, signature) = &module.descriptions().exports[index];
    ExportDescription {
        name: Bytes::borrowed(name.as_bytes()),
        signature: Bytes::borrowed(signature.as_bytes()),
        kind: *kind,
    }
}

/// Whether the module exports `name` as this kind. Any thread.
///
/// # Safety
/// `name` is readable for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_module_has_export(
    module: &Module,
    name: Bytes,
    kind: ExternKind,
) -> bool {
    let name = unsafe { name.to_text() };
    module.module.get_export(&name).is_some_and(|item| describe(&item).0 == kind)
}
