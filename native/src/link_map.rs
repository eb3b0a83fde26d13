//! What a process has loaded while it runs: libraries, and the elements of its table that stand for functions of
//! theirs. All threads of a process have the same libraries at the same addresses of their one memory, but each
//! thread has its own store with its own instances and its own table. So the map says what every store must have;
//! the thread that loads something puts it into its own store, and each other one catches up before its guest
//! code runs again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wasmtime::{
    Extern, ExternType, Func, Global, GlobalType, ImportType, Instance, Linker, Mutability, Ref,
    StoreContextMut, Table, Tag, TagType, Val, ValType,
};

use crate::dylink::DylinkLayout;
use crate::guest::GrowDecision;
use crate::limits::GuestEnded;
use crate::link_bind::Binding;
use crate::link_own::OwnFunctions;
use crate::link_run::{NO_STACK_POINTER, instantiate, memory, program, stack_pointer};
use crate::link_threads::Blocks;
use crate::memory::{global_from_bytes, mutable_globals};
use crate::rewrite::TABLE_EXPORT;
use crate::store::Host;
use crate::trampolines::{self, Layout};

pub(crate) const LIBRARIES_MAX: usize = 256;
/// Elements of the table that are placed one by one.
const SLOTS_MAX: usize = 100_000;
/// Signatures for which there are callers or closures.
pub(crate) const SIGNATURES_MAX: usize = 1_000;
/// Instances of libraries, callers and closures in all threads.
const INSTANCES_MAX: usize = 20_000;
/// What an instance of a caller or closure takes, and its code.
const TRAMPOLINE_BYTES: usize = 1 << 10;
pub(crate) const TRAMPOLINE_CODE_BYTES: usize = 16 << 10;

/// The program itself, where libraries are numbered from 1.
pub(crate) const PROGRAM: u32 = 0;

/// A library that can be loaded into any process.
pub(crate) struct LibraryCode {
    pub(crate) module: wasmtime::Module,
    pub(crate) linker: Linker<Host>,
    pub(crate) layout: DylinkLayout,
    /// What an instance takes, at most.
    pub(crate) instance_bytes: usize,
    /// Symbols that need not exist.
    pub(crate) weak: Vec<String>,
    /// The export of `__tls_base`; None: it has no thread-local variables.
    pub(crate) thread_local_base: Option<String>,
    pub(crate) thread_local_symbols: Vec<String>,
    pub(crate) own_functions: Option<OwnFunctions>,
}

/// Where an import of a library comes from, in any store.
pub(crate) enum Source {
    Memory,
    Table,
    Constant(u32),
    /// An entry of its global offset table: an address.
    Address(u32),
    /// The same for a thread-local variable: its place in the block that the store has of the module.
    ThreadLocal(u32, u32),
    /// The same for a symbol of the library itself, which is not known before there is an instance.
    Own(String),
    Host,
    Export(u32, String),
    /// A function of the library itself: its number among those, and the element of the first.
    OwnFunction {
        number: u32,
        first_element: u32,
    },
    /// One of the store's own, by its name.
    Tag(String, TagType),
    /// A function that need not exist and does not.
    Missing(String),
}

/// A library in a process.
pub(crate) struct Loaded {
    pub(crate) code: Arc<LibraryCode>,
    pub(crate) sources: Vec<Source>,
    pub(crate) memory_base: u32,
    /// Its mutable globals as its start function left them.
    pub(crate) globals: Vec<[u8; 16]>,
    pub(crate) blocks: Blocks,
}

/// What an element of the table is.
#[derive(Clone)]
pub(crate) enum Element {
    Empty,
    Export(u32, String),
    Caller(wasmtime::Module),
    Closure { module: wasmtime::Module, signature: String, backing: u32, environment: u32 },
}

struct Slot {
    /// The map's revision when it became this.
    revision: u64,
    element: Element,
}

#[derive(Default)]
pub(crate) struct Closures {
    /// By signature.
    pub(crate) modules: HashMap<String, wasmtime::Module>,
    /// Elements that the guest has as closures, and such that it has given back.
    pub(crate) allocated: BTreeSet<u32>,
    pub(crate) free: Vec<u32>,
}

#[derive(Default)]
pub(crate) struct Map {
    pub(crate) libraries: Vec<Loaded>,
    slots: BTreeMap<u32, Slot>,
    /// The elements of functions that have an address.
    pub(crate) functions: HashMap<(u32, String), u32>,
    pub(crate) callers: HashMap<(String, Layout), u32>,
    pub(crate) closures: Closures,
    /// What the program needs of the libraries.
    pub(crate) bindings: Vec<Binding>,
    /// By thread: where it has the thread-local variables of the program.
    pub(crate) program_blocks: HashMap<u32, u32>,
    /// For functions that are called once and at once.
    pub(crate) scratch: Option<u32>,
    /// Elements that the table of each thread has; None: nothing has been added yet.
    table_size: Option<u64>,
    instances: usize,
}

impl Map {
    /// There is room for `count` more slots.
    pub(crate) fn check_slots(&self, count: usize) -> wasmtime::Result<()> {
        if self.slots.len() + count > SLOTS_MAX {
            return error(format!("the process uses more than {SLOTS_MAX} functions by address"));
        }
        Ok(())
    }
}

/// The libraries of one process. Freed with `selvedge_link_map_free`; stores keep it alive. Used by the thread
/// that runs the process.
pub struct LinkMap {
    pub(crate) shared: Arc<SharedMap>,
}

impl LinkMap {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Map> {
        self.shared.map.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(crate) struct SharedMap {
    revision: AtomicU64,
    map: Mutex<Map>,
}

/// One thread's part.
pub(crate) struct StoreLinks {
    shared: Arc<SharedMap>,
    /// What of the map this store has.
    revision: u64,
    table: Option<Table>,
    pub(crate) libraries: Vec<Instance>,
    /// Whose thread-local variables it has.
    pub(crate) thread: u32,
    /// Where those of each library and of the program are, by number.
    pub(crate) blocks: HashMap<u32, u32>,
    closures: HashMap<(u32, String), Instance>,
    tags: HashMap<String, Tag>,
    instances: usize,
}

pub(crate) type Store<'a> = StoreContextMut<'a, Host>;

/// Asks the guest's account for memory of the host's, which goes back when the guest's instance ends.
pub(crate) fn charge(store: &mut Store<'_>, bytes: usize) -> wasmtime::Result<()> {
    let guest = store.data().guest;
    // Not from 0: that would be the guest's first memory, without which it ends.
    match unsafe { ((*guest).memory_growing)(guest, 1, 1 + bytes) } {
        GrowDecision::Allow => Ok(()),
        GrowDecision::Refuse => error("its limit of memory is reached"),
        GrowDecision::End => Err(GuestEnded.into()),
    }
}

pub(crate) fn error<T>(message: impl Into<String>) -> wasmtime::Result<T> {
    Err(wasmtime::Error::msg(message.into()))
}

impl Drop for StoreLinks {
    fn drop(&mut self) {
        let mut map = self.shared.map.lock().unwrap_or_else(PoisonError::into_inner);
        map.instances -= self.instances;
    }
}

impl StoreLinks {
    pub(crate) fn new(shared: Arc<SharedMap>, thread: u32) -> StoreLinks {
        StoreLinks {
            shared,
            thread,
            revision: 0,
            table: None,
            libraries: Vec::new(),
            blocks: HashMap::new(),
            closures: HashMap::new(),
            tags: HashMap::new(),
            instances: 0,
        }
    }

    fn is_behind(&self) -> bool {
        self.shared.revision.load(Ordering::Relaxed) != self.revision
    }

    pub(crate) fn table(&mut self, store: &mut Store<'_>) -> wasmtime::Result<Table> {
        if let Some(table) = self.table {
            return Ok(table);
        }
        match program(store).and_then(|program| program.get_table(&mut *store, TABLE_EXPORT)) {
            Some(table) => Ok(*self.table.insert(table)),
            None => error("the program has no table of functions"),
        }
    }

    pub(crate) fn instance(&self, store: &Store<'_>, provider: u32) -> Option<Instance> {
        match provider {
            PROGRAM => program(store),
            library => self.libraries.get(library as usize - 1).copied(),
        }
    }

    pub(crate) fn export(
        &self,
        store: &mut Store<'_>,
        provider: u32,
        name: &str,
    ) -> Option<Extern> {
        self.instance(store, provider)?.get_export(store, name)
    }

    /// Makes room for one more instance, which takes `bytes` of the host's memory.
    pub(crate) fn count_instance(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        bytes: usize,
    ) -> wasmtime::Result<()> {
        if map.instances >= INSTANCES_MAX {
            return error(format!(
                "the process has more than {INSTANCES_MAX} instances of libraries in its threads"
            ));
        }
        charge(store, bytes)?;
        map.instances += 1;
        self.instances += 1;
        Ok(())
    }

    /// What the source is in this store.
    fn item(
        &mut self,
        store: &mut Store<'_>,
        code: &LibraryCode,
        import: &ImportType<'_>,
        source: &Source,
        stand_ins: Option<Instance>,
    ) -> wasmtime::Result<Extern> {
        let number = |mutability| GlobalType::new(ValType::I32, mutability);
        Ok(match source {
            Source::Memory => memory(store)?.0,
            Source::Table => self.table(store)?.into(),
            Source::Constant(value) => {
                let kind = number(Mutability::Const);
                Global::new(&mut *store, kind, Val::I32(*value as i32))?.into()
            }
            Source::Address(address) => {
                let kind = number(Mutability::Var);
                Global::new(&mut *store, kind, Val::I32(*address as i32))?.into()
            }
            Source::ThreadLocal(provider, offset) => {
                let address = self.block(*provider)?.wrapping_add(*offset);
                let kind = number(Mutability::Var);
                Global::new(&mut *store, kind, Val::I32(address as i32))?.into()
            }
            Source::Own(_) => {
                Global::new(&mut *store, number(Mutability::Var), Val::I32(0))?.into()
            }
            Source::Host => match code.linker.get_by_import(&mut *store, import) {
                Some(item) => item,
                None => return error("a host function is gone"),
            },
            Source::Export(provider, name) => match self.export(store, *provider, name) {
                Some(item) => item,
                None => return error(format!("the symbol {name} is gone")),
            },
            Source::OwnFunction { number, .. } => {
                let function =
                    stand_ins.and_then(|made| made.get_export(&mut *store, &number.to_string()));
                match function {
                    Some(item) => item,
                    None => return error(format!("the symbol {} is gone", import.name())),
                }
            }
            Source::Tag(name, kind) => match self.tags.get(name) {
                Some(tag) => (*tag).into(),
                None => {
                    let tag = Tag::new(&mut *store, kind)?;
                    self.tags.insert(name.clone(), tag);
                    tag.into()
                }
            },
            Source::Missing(name) => {
                let ExternType::Func(kind) = import.ty() else {
                    return error(format!("{name} is not a function"));
                };
                let message =
                    format!("a library called the function {name}, which nothing defines");
                Func::new(&mut *store, kind, move |_, _, _| error(message.clone())).into()
            }
        })
    }

    /// Puts an element into this store's table.
    fn place(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        index: u32,
        element: &Element,
    ) -> wasmtime::Result<()> {
        let function = match element {
            Element::Empty => None,
            Element::Export(provider, name) => {
                self.export(store, *provider, name).and_then(Extern::into_func)
            }
            Element::Caller(module) => {
                let (memory, _) = memory(store)?;
                self.count_instance(store, map, TRAMPOLINE_BYTES)?;
                let imports = [memory, self.table(store)?.into()];
                instantiate(store, module, &imports)?.get_func(&mut *store, trampolines::RUN)
            }
            Element::Closure { module, signature, backing, environment } => {
                let key = (index, signature.clone());
                let made = match self.closures.get(&key) {
                    Some(made) => *made,
                    None => {
                        let (memory, _) = memory(store)?;
                        let Some(stack_pointer) = stack_pointer(store) else {
                            return error(NO_STACK_POINTER);
                        };
                        self.count_instance(store, map, TRAMPOLINE_BYTES)?;
                        let imports = [memory, self.table(store)?.into(), stack_pointer.into()];
                        let made = instantiate(store, module, &imports)?;
                        self.closures.insert(key, made);
                        made
                    }
                };
                for (name, value) in
                    [(trampolines::BACKING, backing), (trampolines::ENVIRONMENT, environment)]
                {
                    if let Some(global) = made.get_global(&mut *store, name) {
                        global.set(&mut *store, Val::I32(*value as i32))?;
                    }
                }
                made.get_func(&mut *store, trampolines::RUN)
            }
        };
        self.table(store)?.set(&mut *store, u64::from(index), Ref::Func(function))
    }

    /// Grows this store's table to what every thread has.
    fn grow_table(&mut self, store: &mut Store<'_>, size: u64) -> wasmtime::Result<()> {
        let table = self.table(store)?;
        let present = table.size(&*store);
        if present > size {
            return error("the program has changed the size of its table itself");
        }
        if present < size && table.grow(&mut *store, size - present, Ref::Func(None)).is_err() {
            return error(format!("the table cannot have {size} elements"));
        }
        Ok(())
    }

    /// `count` more elements, the first of which is at a multiple of `alignment`.
    pub(crate) fn add_elements(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        count: u32,
        alignment: u32,
    ) -> wasmtime::Result<u32> {
        let table = self.table(store)?;
        let present = table.size(&*store);
        if map.table_size.is_some_and(|size| size != present) {
            return error("the program has changed the size of its table itself");
        }
        let first = present.next_multiple_of(u64::from(alignment.max(1)));
        let size = first + u64::from(count);
        self.grow_table(store, size)?;
        map.table_size = Some(size);
        Ok(first as u32)
    }

    /// A new element for this and all other threads.
    pub(crate) fn add_slot(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        element: Element,
    ) -> wasmtime::Result<u32> {
        map.check_slots(1)?;
        let index = self.add_elements(store, map, 1, 1)?;
        self.set_slot(store, map, index, element)?;
        Ok(index)
    }

    pub(crate) fn set_slot(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        index: u32,
        element: Element,
    ) -> wasmtime::Result<()> {
        self.place(store, map, index, &element)?;
        let revision = self.advance();
        map.slots.insert(index, Slot { revision, element });
        Ok(())
    }

    /// Everything of the map is in this store.
    pub(crate) fn advance(&mut self) -> u64 {
        self.revision = self.shared.revision.fetch_add(1, Ordering::Relaxed) + 1;
        self.revision
    }

    fn catch_up(&mut self, store: &mut Store<'_>, map: &mut Map) -> wasmtime::Result<()> {
        if let Some(size) = map.table_size {
            self.grow_table(store, size)?;
        }
        self.find_program_block(store, map);
        for index in self.libraries.len()..map.libraries.len() {
            let bytes = map.libraries[index].code.instance_bytes;
            self.count_instance(store, map, bytes)?;
            let number = index as u32 + 1;
            self.take_block(store, map, number)?;
            let loaded = &map.libraries[index];
            let imports = self.items(store, &loaded.code, &loaded.sources)?;
            let instance = instantiate(store, &loaded.code.module, &imports)?;
            for (global, bytes) in mutable_globals(store, instance).iter().zip(&loaded.globals) {
                if let Some(value) = global_from_bytes(global.ty(&*store).content(), *bytes) {
                    global.set(&mut *store, value)?;
                }
            }
            self.set_thread_local_base(store, &loaded.code, instance, number)?;
            self.libraries.push(instance);
        }
        let changed: Vec<(u32, Element)> = map
            .slots
            .iter()
            .filter(|(_, slot)| slot.revision > self.revision)
            .map(|(index, slot)| (*index, slot.element.clone()))
            .collect();
        for (index, element) in changed {
            self.place(store, map, index, &element)?;
        }
        self.revision = self.shared.revision.load(Ordering::Relaxed);
        self.set_bindings(store, map)
    }

    /// The imports of a library in this store.
    pub(crate) fn items(
        &mut self,
        store: &mut Store<'_>,
        code: &LibraryCode,
        sources: &[Source],
    ) -> wasmtime::Result<Vec<Extern>> {
        let stand_ins = self.own_stand_ins(store, code, sources)?;
        let imports = code.module.imports().zip(sources);
        imports.map(|(import, source)| self.item(store, code, &import, source, stand_ins)).collect()
    }
}

/// Does something with the links of the store and the map. None: the guest has none.
pub(crate) fn with_links<R>(
    store: &mut Store<'_>,
    work: impl FnOnce(&mut StoreLinks, &mut Map, &mut Store<'_>) -> R,
) -> Option<R> {
    let mut links = store.data_mut().links.take()?;
    let shared = links.shared.clone();
    // A panic ends the process, so nobody sees a map that one has left half changed.
    let mut map = shared.map.lock().unwrap_or_else(PoisonError::into_inner);
    let result = work(&mut links, &mut map, store);
    drop(map);
    store.data_mut().links = Some(links);
    Some(result)
}

/// Gives the store what other threads of its process have loaded. Cheap when there is nothing.
pub(crate) fn catch_up(store: &mut Store<'_>) -> wasmtime::Result<()> {
    if store.data().links.as_ref().is_some_and(|links| links.is_behind()) {
        return with_links(store, |links, map, store| links.catch_up(store, map)).unwrap_or(Ok(()));
    }
    Ok(())
}

/// An empty map, for a process that begins. Owned by the caller. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_link_map_new() -> *mut LinkMap {
    Box::into_raw(Box::new(LinkMap { shared: Arc::default() }))
}

/// Whether nothing has been loaded or placed in a table. The thread that runs the process.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_link_map_is_empty(map: &LinkMap) -> bool {
    map.shared.revision.load(Ordering::Relaxed) == 0
}

/// Frees a map; null is allowed. Any thread.
///
/// # Safety
/// `map` is null or came from `selvedge_link_map_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_link_map_free(map: *mut LinkMap) {
    if !map.is_null() {
        drop(unsafe { Box::from_raw(map) });
    }
}
