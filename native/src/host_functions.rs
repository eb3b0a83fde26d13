//! The functions that guests may import, and the joining of modules with them.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::Arc;

use wasmtime::{
    ExternType, ImportType, InstancePre, Linker, MemoryType, ModuleExport, SharedMemory, Store,
};

use crate::buffer::Bytes;
use crate::engine::Engine;
use crate::error::{NativeError, NativeErrorKind};
use crate::inspect::{ASYNCIFY, FORK};
use crate::limits::GuestSlots;
use crate::module::{Module, signature_text};
use crate::rewrite::{HOST_MODULE, TABLE_EXPORT};
use crate::rewrite_contexts::CONTEXTS_EXPORT;
use crate::signals::{self, NEXT_SIGNAL, can_interrupt};
use crate::signatures;
use crate::store::Host;

/// A set of host functions. Filled by one thread, then used by any. Freed with
/// `selvedge_host_functions_free`.
pub struct HostFunctions {
    pub(crate) linker: Linker<Host>,
    signatures: HashMap<String, HashMap<String, String>>,
    guests: Arc<GuestSlots>,
}

/// A module with its imports resolved, shared by its stores.
pub(crate) struct Linked {
    pub(crate) module: wasmtime::Module,
    /// None while a memory import is open.
    pub(crate) pre: Option<InstancePre<Host>>,
    pub(crate) source: MemorySource,
    /// It has what Asyncify adds, so that its stack can leave it.
    unwinds: bool,
    /// It imports `proc_fork`, and unwinds.
    forks: bool,
    /// It can load libraries.
    pub(crate) is_dynamic: bool,
    /// Its threads can have contexts.
    pub(crate) has_contexts: bool,
    /// Its handlers of signals can be called whenever it computes.
    pub(crate) can_interrupt: bool,
    /// Of the engine.
    pub(crate) guests: Arc<GuestSlots>,
}

/// Where the memory that host functions see comes from.
pub(crate) enum MemorySource {
    /// The module has none, or keeps it to itself.
    None,
    /// The export "memory", an unshared memory: each instance has its own.
    Export(ModuleExport),
    /// A shared memory that the module imports and that is not bound yet.
    Import(Box<MemoryImport>),
    /// The shared memory that it is bound to.
    Shared(SharedMemory),
}

/// A shared memory that a module imports, and what it takes to resolve it.
pub(crate) struct MemoryImport {
    module: String,
    name: String,
    pub(crate) kind: MemoryType,
    linker: Linker<Host>,
}

impl Linked {
    /// The same module with its memory import resolved.
    pub(crate) fn bind(&self, memory: &SharedMemory) -> Result<Linked, NativeError> {
        let invalid = |message: String| NativeError::new(NativeErrorKind::Invalid, message);
        let MemorySource::Import(import) = &self.source else {
            return Err(invalid("the module has no open memory import".to_owned()));
        };
        let mut linker = import.linker.clone();
        // The linker asks for a store to compare engines; nothing of it is kept.
        let store = Store::new(self.module.engine(), Host::detached());
        let pre = linker
            .define(&store, &import.module, &import.name, memory.clone())
            .and_then(|linker| linker.instantiate_pre(&self.module))
            .map_err(|error| invalid(format!("the module cannot be linked: {error:#}")))?;
        Ok(Linked {
            module: self.module.clone(),
            pre: Some(pre),
            source: MemorySource::Shared(memory.clone()),
            unwinds: self.unwinds,
            forks: self.forks,
            is_dynamic: self.is_dynamic,
            has_contexts: self.has_contexts,
            can_interrupt: self.can_interrupt,
            guests: self.guests.clone(),
        })
    }
}

/// A module with its imports resolved. Freed with `selvedge_linked_module_free`.
pub struct LinkedModule {
    pub(crate) linked: Arc<Linked>,
}

/// "iI:i" as "(i32, i64) -> i32".
fn readable(signature: &str) -> String {
    let kind = |letter: char| match letter {
        'i' => "i32",
        'I' => "i64",
        'f' => "f32",
        'F' => "f64",
        _ => "reference",
    };
    let (parameters, results) = signature.split_once(':').unwrap_or((signature, ""));
    let list = |letters: &str| letters.chars().map(kind).collect::<Vec<_>>().join(", ");
    let results = if results.is_empty() { "nothing".to_owned() } else { list(results) };
    format!("({}) -> {results}", list(parameters))
}

/// Whether it has all that Asyncify adds.
fn unwinds(module: &wasmtime::Module) -> bool {
    ASYNCIFY.iter().all(|(name, signature)| {
        matches!(module.get_export(name),
            Some(ExternType::Func(function)) if signature_text(&function) == *signature)
    })
}

impl HostFunctions {
    /// The first import that these functions do not satisfy, as a sentence.
    fn check(&self, module: &wasmtime::Module) -> Result<(), NativeError> {
        for import in module.imports() {
            if !matches!(import.ty(), ExternType::Memory(memory) if memory.is_shared()) {
                self.check_import(&import)?;
            }
        }
        Ok(())
    }

    /// Whether an import is one of these functions.
    pub(crate) fn check_import(&self, import: &ImportType<'_>) -> Result<(), NativeError> {
        let (from, name) = (import.module(), import.name());
        let invalid = |message: String| Err(NativeError::new(NativeErrorKind::Invalid, message));
        let kind = import.ty();
        let ExternType::Func(function) = &kind else {
            let what = match kind {
                ExternType::Memory(_) => "memory",
                ExternType::Table(_) => "table",
                ExternType::Global(_) => "global",
                _ => "tag",
            };
            return invalid(format!(
                "the module imports the {what} \"{from}\".\"{name}\", which is not provided"
            ));
        };
        let wanted = signature_text(function);
        match self.signatures.get(from).and_then(|names| names.get(name)) {
            None => invalid(format!(
                "the module imports the function \"{from}\".\"{name}\" {}, which is not provided",
                readable(&wanted)
            )),
            Some(offered) if *offered != wanted => invalid(format!(
                "the module imports the function \"{from}\".\"{name}\" as {}, but it is {}",
                readable(&wanted),
                readable(offered)
            )),
            Some(_) => Ok(()),
        }
    }

    fn link(&self, module: &wasmtime::Module) -> Result<Linked, NativeError> {
        self.check(module)?;
        let unwinds = unwinds(module);
        let forks = unwinds && module.imports().any(|import| import.name() == FORK);
        let is_dynamic = module.get_export(TABLE_EXPORT).is_some();
        let has_contexts = module.get_export(CONTEXTS_EXPORT).is_some();
        let can_interrupt = can_interrupt(module);
        // A module has one memory at most.
        let import = module.imports().find_map(|import| match import.ty() {
            ExternType::Memory(kind) => Some(MemoryImport {
                module: import.module().to_owned(),
                name: import.name().to_owned(),
                kind,
                linker: self.linker.clone(),
            }),
            _ => None,
        });
        if let Some(import) = import {
            let source = MemorySource::Import(Box::new(import));
            let guests = self.guests.clone();
            return Ok(Linked {
                module: module.clone(),
                pre: None,
                source,
                unwinds,
                forks,
                is_dynamic,
                has_contexts,
                can_interrupt,
                guests,
            });
        }
        let pre = self.linker.instantiate_pre(module).map_err(|error| {
            NativeError::new(
                NativeErrorKind::Invalid,
                format!("the module cannot be linked: {error:#}"),
            )
        })?;
        let source = match (module.get_export("memory"), module.get_export_index("memory")) {
            (Some(ExternType::Memory(kind)), Some(index)) if !kind.is_shared() => {
                MemorySource::Export(index)
            }
            _ => MemorySource::None,
        };
        let guests = self.guests.clone();
        Ok(Linked {
            module: module.clone(),
            pre: Some(pre),
            source,
            unwinds,
            forks,
            is_dynamic,
            has_contexts,
            can_interrupt,
            guests,
        })
    }
}

/// A set with what the engine itself offers to rewritten modules. Owned by the caller. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_host_functions_new(engine: &Engine) -> *mut HostFunctions {
    let mut linker = Linker::new(&engine.engine);
    let mut signatures = HashMap::<String, HashMap<String, String>>::new();
    signals::define(&mut linker).expect("the set is empty");
    signatures
        .entry(HOST_MODULE.to_owned())
        .or_default()
        .insert(NEXT_SIGNAL.to_owned(), ":i".to_owned());
    let guests = engine.guests.clone();
    Box::into_raw(Box::new(HostFunctions { linker, signatures, guests }))
}

/// Frees a set; null is allowed. What was linked with it stays valid.
///
/// # Safety
/// `functions` is null or came from `selvedge_host_functions_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_host_functions_free(functions: *mut HostFunctions) {
    if !functions.is_null() {
        drop(unsafe { Box::from_raw(functions) });
    }
}

/// Adds a function. `signature` is one of signatures.rs; `function` has the C signature
/// `R (GuestContext*, parameters...)` when it never blocks, and `void (GuestContext*, parameters...)` when
/// it may: it then leaves its result in the context or sets the state to Pending. Invalid when the name is
/// taken or the signature is not known. One thread at a time, none linking.
///
/// # Safety
/// The texts are readable for the call. `function` has that type, does not unwind, and is callable for as
/// long as guests run.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_host_functions_define(
    functions: &mut HostFunctions,
    module: Bytes,
    name: Bytes,
    signature: Bytes,
    blocking: bool,
    function: *const c_void,
) -> *mut NativeError {
    let (module, name, signature) =
        unsafe { (module.to_text(), name.to_text(), signature.to_text()) };
    let linker = &mut functions.linker;
    let defined = unsafe {
        if blocking {
            signatures::define_blocking(linker, &module, &name, &signature, function)
        } else {
            signatures::define(linker, &module, &name, &signature, function)
        }
    };
    let problem = match defined {
        None => format!("no host function has the signature {signature}"),
        Some(Err(error)) => format!("{error:#}"),
        Some(Ok(())) => {
            functions.signatures.entry(module).or_default().insert(name, signature);
            return std::ptr::null_mut();
        }
    };
    let message = format!("the host function \"{module}\".\"{name}\" cannot be defined: {problem}");
    NativeError::new(NativeErrorKind::Invalid, message).into_raw()
}

/// Resolves a module's imports. On success `*linked` is owned by the caller; else the error names the first
/// import that is missing or has another signature. A module that imports a shared memory is then still to be
/// bound to one (`selvedge_linked_module_bind`) before it can be instantiated. Any thread.
///
/// # Safety
/// `linked` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_host_functions_link(
    functions: &HostFunctions,
    module: &Module,
    linked: *mut *mut LinkedModule,
) -> *mut NativeError {
    match functions.link(&module.module) {
        Ok(made) => {
            let made = LinkedModule { linked: Arc::new(made) };
            unsafe { *linked = Box::into_raw(Box::new(made)) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Frees a linked module; null is allowed. Stores made from it stay valid. Any thread.
///
/// # Safety
/// `linked` is null or came from `selvedge_host_functions_link` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_linked_module_free(linked: *mut LinkedModule) {
    if !linked.is_null() {
        drop(unsafe { Box::from_raw(linked) });
    }
}

/// Whether the module is prepared for loading libraries and calling functions by number. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_linked_module_is_dynamic(linked: &LinkedModule) -> bool {
    linked.linked.is_dynamic
}

/// Whether a guest thread of the module can have contexts beside its main one. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_linked_module_has_contexts(linked: &LinkedModule) -> bool {
    linked.linked.has_contexts
}

/// Whether the module's stack can leave it and come back (Asyncify). Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_linked_module_unwinds(linked: &LinkedModule) -> bool {
    linked.linked.unwinds
}

/// Whether the module imports `proc_fork`, and unwinds. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_linked_module_forks(linked: &LinkedModule) -> bool {
    linked.linked.forks
}

/// Whether the module imports a shared memory and is not bound to one yet. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_linked_module_needs_memory(linked: &LinkedModule) -> bool {
    matches!(linked.linked.source, MemorySource::Import(_))
}
