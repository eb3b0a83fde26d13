//! Loading a library into a process.

use std::fmt;
use std::sync::Arc;

use wasmtime::{Extern, ExternType, ImportType, Instance, Val};

use crate::dylink::{Dylink, DylinkLayout};
use crate::error::{NativeError, NativeErrorKind};
use crate::guest::{CallState, GuestContext};
use crate::host_functions::HostFunctions;
use crate::inspect::shown;
use crate::limits::GuestEnded;
use crate::link_map::{
    LIBRARIES_MAX, LibraryCode, Loaded, Map, Source, Store, StoreLinks, error, with_links,
};
use crate::link_own::OwnFunctions;
use crate::link_run::{instantiate, memory, run_start};
use crate::link_symbols::Symbol;
use crate::link_threads::Blocks;
use crate::memory::{global_to_bytes, mutable_globals};
use crate::module::Module;
use crate::rewrite::MUTABLE_GLOBAL_PREFIX;
use crate::rewrite_dynamic;
use crate::store::{context_from_raw, context_to_raw, refresh_memory};

/// A library that can be loaded into any process. Freed with `selvedge_library_free`. Immutable: any thread.
pub struct Library {
    code: Arc<LibraryCode>,
}

const ENVIRONMENT: &str = "env";
const TABLE_BASE: &str = "__table_base";
const OFFSETS_OF_DATA: &str = "GOT.mem";
const OFFSETS_OF_FUNCTIONS: &str = "GOT.func";

impl StoreLinks {
    fn source(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        code: &LibraryCode,
        import: &ImportType<'_>,
        scope: &[u32],
        memory_base: u32,
    ) -> wasmtime::Result<Source> {
        let (module, name) = (import.module(), import.name());
        // A symbol is weak or not, however it is imported; the linker says it of one import only.
        let is_weak = || code.weak.iter().any(|weak| weak == name);
        match (module, name, import.ty()) {
            (ENVIRONMENT, "memory", ExternType::Memory(kind)) => {
                match (kind.is_shared(), memory(store)?.1.is_shared()) {
                    (false, true) => error(
                        "the program's memory is shared and the library's is not: compile it with \
                         `-matomics -mbulk-memory` and link it with `-Wl,--shared-memory`",
                    ),
                    (true, false) => error(
                        "the library's memory is shared and the program's is not: link it without \
                         `--shared-memory`",
                    ),
                    _ => Ok(Source::Memory),
                }
            }
            (ENVIRONMENT, "__indirect_function_table", ExternType::Table(_)) => Ok(Source::Table),
            (ENVIRONMENT, "__memory_base", _) => Ok(Source::Constant(memory_base)),
            // Its elements are added when all symbols are found.
            (ENVIRONMENT, TABLE_BASE, _) => Ok(Source::Constant(0)),
            (OFFSETS_OF_DATA | OFFSETS_OF_FUNCTIONS, _, ExternType::Global(_)) => {
                if let Some(symbol) = self.symbol(store, map, scope, name) {
                    return self.entry(store, map, symbol);
                }
                if code.module.get_export(name).is_some() {
                    return Ok(Source::Own(name.to_owned()));
                }
                if is_weak() { Ok(Source::Address(0)) } else { Err(Undefined::error(name)) }
            }
            (ENVIRONMENT, _, ExternType::Tag(kind)) => {
                let exported = self.exporter(store, scope, name, |item| item.into_tag().is_some());
                Ok(match exported {
                    Some(provider) => Source::Export(provider, name.to_owned()),
                    None => Source::Tag(name.to_owned(), kind),
                })
            }
            (ENVIRONMENT, _, kind @ (ExternType::Func(_) | ExternType::Global(_))) => {
                let wants_function = matches!(kind, ExternType::Func(_));
                let fits = |item: Extern| match item {
                    Extern::Func(_) => wants_function,
                    Extern::Global(_) => !wants_function,
                    _ => false,
                };
                let own = code.own_functions.as_ref().filter(|_| wants_function);
                let own = own.and_then(|own| own.source(name));
                let exporter = self.exporter(store, scope, name, fits);
                let exported = exporter.map(|provider| Source::Export(provider, name.to_owned()));
                match exported.or(own) {
                    Some(source) => Ok(source),
                    None if wants_function && is_weak() => Ok(Source::Missing(name.to_owned())),
                    None if name == "__stack_pointer" => error(crate::link_run::NO_STACK_POINTER),
                    None => Err(Undefined::error(name)),
                }
            }
            _ => Ok(Source::Host),
        }
    }

    fn exporter(
        &self,
        store: &mut Store<'_>,
        scope: &[u32],
        name: &str,
        fits: impl Fn(Extern) -> bool,
    ) -> Option<u32> {
        let mut providers = scope.iter().copied();
        providers.find(|provider| self.export(store, *provider, name).is_some_and(&fits))
    }

    /// Loads a library, whose data begins at `memory_base`: its number. Its symbols come from `scope`. Runs
    /// its start function. `blocks`: memory for the thread-local variables, one for their image and one
    /// for each other thread.
    fn load(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        code: &Arc<LibraryCode>,
        memory_base: u32,
        blocks: &[u32],
        scope: &[u32],
    ) -> wasmtime::Result<u32> {
        if map.libraries.len() >= LIBRARIES_MAX {
            return error(format!("the process has {LIBRARIES_MAX} libraries, which is the most"));
        }
        let mut sources = Vec::new();
        for import in code.module.imports() {
            sources.push(self.source(store, map, code, &import, scope, memory_base)?);
        }
        let DylinkLayout { table_size, table_alignment, .. } = code.layout;
        let table_base = self.add_elements(store, map, table_size, table_alignment)?;
        for (import, source) in code.module.imports().zip(&mut sources) {
            if (import.module(), import.name()) == (ENVIRONMENT, TABLE_BASE) {
                *source = Source::Constant(table_base);
            }
        }
        self.reserve_own(store, map, code, &mut sources)?;
        let items = self.items(store, code, &sources)?;
        self.count_instance(store, map, code.instance_bytes)?;
        let instance = instantiate(store, &code.module, &items)?;
        self.libraries.push(instance);
        let mut loaded = Loaded {
            code: code.clone(),
            sources,
            memory_base,
            globals: Vec::new(),
            blocks: Blocks::new(blocks),
        };
        let begun = self.begin(store, map, &mut loaded, &items);
        if let Err(error) = begun {
            // Some of it may be known by address already: the program cannot go on without it.
            unsafe { (*store.data().guest).state = CallState::Ended };
            return Err(error);
        }
        loaded.globals = saved_globals(store, instance);
        map.libraries.push(loaded);
        self.advance();
        Ok(self.libraries.len() as u32)
    }

    /// Fills the entries of the offset table that name symbols of the last library itself, runs its start
    /// function, and prepares its thread-local variables.
    fn begin(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        loaded: &mut Loaded,
        items: &[Extern],
    ) -> wasmtime::Result<()> {
        let number = self.libraries.len() as u32;
        let instance = self.libraries[number as usize - 1];
        self.place_own(store, map, loaded, number)?;
        self.fill_own(store, map, loaded, items, number)?;
        run_start(store, instance)?;
        // Where the block is, the start function has said.
        self.find_block(store, loaded, instance, number)?;
        self.fill_own(store, map, loaded, items, number)?;
        self.initialize_block(store, loaded, instance, number)
    }

    /// Those that are known.
    fn fill_own(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        loaded: &mut Loaded,
        items: &[Extern],
        number: u32,
    ) -> wasmtime::Result<()> {
        for (source, item) in loaded.sources.iter_mut().zip(items) {
            let (Source::Own(name), Extern::Global(entry)) = (&*source, item) else {
                continue;
            };
            let library = Some((&*loaded.code, loaded.memory_base));
            let symbol = self.symbol_of(store, number, library, name);
            if matches!(symbol, Some(Symbol::ThreadLocal(..))) && !self.blocks.contains_key(&number)
            {
                continue;
            }
            *source = match symbol {
                Some(symbol) => self.entry(store, map, symbol)?,
                None => Source::Address(0),
            };
            let address = match source {
                Source::ThreadLocal(_, offset) => self.block(number)?.wrapping_add(*offset),
                Source::Address(address) => *address,
                _ => 0,
            };
            entry.set(&mut *store, Val::I32(address as i32))?;
        }
        Ok(())
    }
}

/// No module of the scope has the symbol.
#[derive(Debug)]
pub(crate) struct Undefined(String);

impl Undefined {
    pub(crate) fn error(name: &str) -> wasmtime::Error {
        wasmtime::Error::new(Undefined(shown(name)))
    }
}

impl fmt::Display for Undefined {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the symbol {} is not defined", self.0)
    }
}

impl std::error::Error for Undefined {}

fn saved_globals(store: &mut Store<'_>, instance: Instance) -> Vec<[u8; 16]> {
    let globals = mutable_globals(store, instance);
    globals.iter().map(|global| global_to_bytes(&global.get(&mut *store))).collect()
}

/// The record of an instance: of its functions, those whose address is taken or that are exported are in it.
fn instance_bytes(module: &wasmtime::Module, own: &Option<OwnFunctions>) -> usize {
    const BASE: usize = 1 << 10;
    const FUNCTION: usize = 48;
    const ITEM: usize = 64;
    let stand_ins = own.as_ref().map_or(0, |own| BASE + (FUNCTION + ITEM) * own.count());
    stand_ins
        + BASE
        + FUNCTION * module.functions().count()
        + ITEM * (module.imports().len() + module.exports().len())
}

impl HostFunctions {
    /// The library of a module, whose imports of host functions are checked.
    fn library(&self, module: &wasmtime::Module, dylink: &Dylink) -> Result<Library, NativeError> {
        for import in module.imports() {
            let from_program = match import.ty() {
                ExternType::Memory(_) | ExternType::Table(_) | ExternType::Tag(_) => {
                    import.module() == ENVIRONMENT
                }
                ExternType::Global(_) => {
                    [ENVIRONMENT, OFFSETS_OF_DATA, OFFSETS_OF_FUNCTIONS].contains(&import.module())
                }
                ExternType::Func(_) => import.module() == ENVIRONMENT,
            };
            if !from_program {
                self.check_import(&import)?;
            }
            if let ExternType::Memory(kind) = import.ty()
                && kind.is_shared()
                && dylink.thread_local.is_none()
                && let Some(name) = dylink.thread_local_symbols.first()
            {
                return Err(NativeError::new(
                    NativeErrorKind::Unsupported,
                    format!(
                        "the library has the thread-local variable {}, and no start function of the linker's that \
                         prepares it",
                        shown(name)
                    ),
                ));
            }
            if rewrite_dynamic::calls_elements(import.module(), import.name()) {
                return Err(NativeError::new(
                    NativeErrorKind::Unsupported,
                    format!(
                        "the library imports {} itself: only a program can; let it export a function",
                        import.name()
                    ),
                ));
            }
        }
        let own_functions = OwnFunctions::of(module)
            .map_err(|error| NativeError::new(NativeErrorKind::Invalid, error.to_string()))?;
        let code = LibraryCode {
            module: module.clone(),
            linker: self.linker.clone(),
            layout: dylink.layout,
            instance_bytes: instance_bytes(module, &own_functions),
            weak: dylink.weak.clone(),
            thread_local_base: dylink
                .thread_local
                .map(|found| format!("{MUTABLE_GLOBAL_PREFIX}{}", found.base)),
            thread_local_symbols: dylink.thread_local_symbols.clone(),
            own_functions,
        };
        Ok(Library { code: Arc::new(code) })
    }
}

/// A library of a compiled module and of what its section "dylink.0" says. On success `*library` is owned by
/// the caller; Invalid names an import that is not provided. Any thread.
///
/// # Safety
/// `library` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_library_new(
    functions: &HostFunctions,
    module: &Module,
    dylink: &Dylink,
    library: *mut *mut Library,
) -> *mut NativeError {
    match functions.library(&module.module, dylink) {
        Ok(made) => {
            unsafe { *library = Box::into_raw(Box::new(made)) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Frees a library; null is allowed. Processes that have loaded it keep what they need. Any thread.
///
/// # Safety
/// `library` is null or came from `selvedge_library_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_library_free(library: *mut Library) {
    if !library.is_null() {
        drop(unsafe { Box::from_raw(library) });
    }
}

/// Does something with the links of a guest that is inside a host call. What fails because the guest is to end,
/// or waits where it must not, leaves the guest's state Ended.
///
/// # Safety
/// The guest is inside a host call that is not a blocking one, on this thread.
pub(crate) unsafe fn work_on_links<R>(
    guest: *mut GuestContext,
    work: impl FnOnce(&mut StoreLinks, &mut Map, &mut Store<'_>) -> wasmtime::Result<R>,
) -> Result<R, NativeError> {
    let mut store: Store<'_> = unsafe { context_from_raw((*guest).store) };
    let worked = with_links(&mut store, work);
    unsafe {
        if (*guest).memory_stale {
            refresh_memory(&mut store);
        }
        // Host calls that the library made left their own view behind.
        (*guest).store = context_to_raw(store);
    }
    match worked {
        None => Err(NativeError::new(
            NativeErrorKind::Unsupported,
            "the program is not prepared for libraries",
        )),
        Some(Ok(result)) => Ok(result),
        Some(Err(failure)) => {
            unsafe {
                if failure.is::<GuestEnded>() || (*guest).state == CallState::Pending {
                    (*guest).state = CallState::Ended;
                }
            }
            let is_undefined = failure.is::<Undefined>();
            let kind =
                if is_undefined { NativeErrorKind::NotFound } else { NativeErrorKind::Invalid };
            Err(NativeError::new(kind, failure.root_cause().to_string()))
        }
    }
}

/// # Safety
/// `first` is readable for `count` numbers that outlive the slice; with none of them it may be null.
pub(crate) unsafe fn numbers<'a>(first: *const u32, count: usize) -> &'a [u32] {
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(first, count) } }
}

/// Hands a result over.
///
/// # Safety
/// `out` is valid.
pub(crate) unsafe fn deliver<R>(result: Result<R, NativeError>, out: *mut R) -> *mut NativeError {
    match result {
        Ok(value) => {
            unsafe { out.write(value) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Loads a library into the guest's process, with its data at `memory_base` (reserved by the caller, aligned as
/// the library wants). `blocks` are such addresses too: when it has thread-local variables, one for their image and
/// one for each other thread of the process, each with room for them. Its symbols are looked up in the `scope_count`
/// numbers at `scope`: 0 is the program, others are numbers that earlier calls gave. `*number` is the library's. Its
/// start function has run, its constructors have not (`selvedge_guest_initializer`). NotFound: a symbol that nothing
/// defines, and nothing has happened. Invalid: a limit, or the library's own failure. Only inside a host call that
/// is not a blocking one, on the guest's thread.
///
/// # Safety
/// As said; `blocks` and `scope` are readable and `number` valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_load_library(
    guest: *mut GuestContext,
    library: &Library,
    memory_base: u32,
    blocks: *const u32,
    block_count: usize,
    scope: *const u32,
    scope_count: usize,
    number: *mut u32,
) -> *mut NativeError {
    let (blocks, scope) = unsafe { (numbers(blocks, block_count), numbers(scope, scope_count)) };
    unsafe {
        let loaded = work_on_links(guest, |links, map, store| {
            links.load(store, map, &library.code, memory_base, blocks, scope)
        });
        deliver(loaded, number)
    }
}
