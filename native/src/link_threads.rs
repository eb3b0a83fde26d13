//! The thread-local variables of libraries: each thread has a block of memory for those of a library. That of the
//! thread which loads it is part of the library's data. All others are made by the caller in advance and get a copy
//! of an image, so that no code of the guest runs when a thread follows its process: it may be anywhere, inside
//! malloc(3) for example. `__wasix_init_tls`, which allocates a block itself, is not called for that reason.
//!
//! The program has its own where its `__tls_base` says. A new thread sets that itself, which is too late for the
//! libraries that it gets before it begins: so the thread that makes it says where its block is.

use std::collections::HashMap;

use wasmtime::{Extern, Instance, Val};

use crate::link_map::{LibraryCode, LinkMap, Loaded, Map, PROGRAM, Store, StoreLinks, error};
use crate::link_run::run_thread_local;
use crate::prelink::THREAD_LOCAL_BASE;

/// Memory of the process for the variables of one library.
#[derive(Default)]
pub(crate) struct Blocks {
    /// What a new thread finds in its block.
    image: Option<u32>,
    free: Vec<u32>,
    by_thread: HashMap<u32, u32>,
}

impl Blocks {
    pub(crate) fn new(addresses: &[u32]) -> Blocks {
        match addresses.split_first() {
            Some((image, free)) => {
                Blocks { image: Some(*image), free: free.to_vec(), by_thread: HashMap::new() }
            }
            None => Blocks::default(),
        }
    }
}

impl LibraryCode {
    pub(crate) fn is_thread_local(&self, name: &str) -> bool {
        self.thread_local_base.is_some()
            && self.thread_local_symbols.iter().any(|symbol| symbol == name)
    }
}

/// Copies within the memory of the process, which is a shared one.
fn copy(store: &Store<'_>, from: u32, to: u32, size: u32) -> wasmtime::Result<()> {
    let Some(memory) = store.data().shared() else {
        return error("the program's memory is not shared");
    };
    let bytes = memory.data();
    let within = |begin: u32| begin as usize + size as usize <= bytes.len();
    if !within(from) || !within(to) {
        return error("the library's variables are not in memory");
    }
    let data = bytes.as_ptr().cast_mut().cast::<u8>();
    // Safe: both are in memory, which never moves. Other threads of the process may change the bytes meanwhile, as
    // they may with the guest's own memory.copy; nothing is decided by them.
    unsafe { std::ptr::copy(data.add(from as usize), data.add(to as usize), size as usize) };
    Ok(())
}

impl StoreLinks {
    /// Where the store has the variables of the library, or of the program.
    pub(crate) fn block(&self, number: u32) -> wasmtime::Result<u32> {
        match self.blocks.get(&number) {
            Some(block) => Ok(*block),
            None if number == PROGRAM => {
                error("it is not known where the program's thread-local variables are")
            }
            None => error("the library has no thread-local variables"),
        }
    }

    /// Keeps the program's own block for libraries that use its variables, if it has any for them.
    pub(crate) fn find_program_block(&mut self, store: &mut Store<'_>, map: &mut Map) {
        if self.blocks.contains_key(&PROGRAM) {
            return;
        }
        let Some(base) =
            self.export(store, PROGRAM, THREAD_LOCAL_BASE).and_then(Extern::into_global)
        else {
            return;
        };
        // A thread that has begun has set it, or a context of the thread has.
        let block = match base.get(&mut *store) {
            Val::I32(block) if block != 0 => block as u32,
            _ => match map.program_blocks.get(&self.thread) {
                Some(block) => *block,
                None => return,
            },
        };
        map.program_blocks.insert(self.thread, block);
        self.blocks.insert(PROGRAM, block);
    }

    /// After its start function: the block of the thread that loads it.
    pub(crate) fn find_block(
        &mut self,
        store: &mut Store<'_>,
        loaded: &mut Loaded,
        instance: Instance,
        number: u32,
    ) -> wasmtime::Result<()> {
        let Some(export) = &loaded.code.thread_local_base else {
            return Ok(());
        };
        let Some(global) = instance.get_global(&mut *store, export) else {
            return error("the library's base of thread-local variables is gone");
        };
        let base = match global.get(&mut *store) {
            Val::I32(value) => value as u32,
            _ => 0,
        };
        let layout = loaded.code.layout;
        let end = u64::from(loaded.memory_base) + u64::from(layout.memory_size);
        if base < loaded.memory_base || u64::from(base) + u64::from(layout.thread_local_size) > end
        {
            return error("the library's thread-local variables are not where its data is");
        }
        self.blocks.insert(number, base);
        loaded.blocks.by_thread.insert(self.thread, base);
        Ok(())
    }

    /// After the offset table: puts addresses into the block, and keeps its image.
    pub(crate) fn initialize_block(
        &mut self,
        store: &mut Store<'_>,
        loaded: &Loaded,
        instance: Instance,
        number: u32,
    ) -> wasmtime::Result<()> {
        let Some(block) = self.blocks.get(&number).copied() else {
            return Ok(());
        };
        run_thread_local(store, instance, block)?;
        match loaded.blocks.image {
            Some(image) => copy(store, block, image, loaded.code.layout.thread_local_size),
            None => error("there is no memory for the library's thread-local variables"),
        }
    }

    /// The same for a thread that follows its process.
    pub(crate) fn take_block(
        &mut self,
        store: &Store<'_>,
        map: &mut Map,
        number: u32,
    ) -> wasmtime::Result<()> {
        let library = &mut map.libraries[number as usize - 1];
        let Some(image) = library.blocks.image else {
            return Ok(());
        };
        if let Some(block) = library.blocks.by_thread.get(&self.thread) {
            self.blocks.insert(number, *block);
            return Ok(());
        }
        let Some(block) = library.blocks.free.pop() else {
            return error("there is no memory for a library's thread-local variables");
        };
        library.blocks.by_thread.insert(self.thread, block);
        self.blocks.insert(number, block);
        copy(store, image, block, library.code.layout.thread_local_size)
    }

    /// Tells a new instance of the library where the store's block is.
    pub(crate) fn set_thread_local_base(
        &self,
        store: &mut Store<'_>,
        code: &LibraryCode,
        instance: Instance,
        number: u32,
    ) -> wasmtime::Result<()> {
        let (Some(export), Some(block)) = (&code.thread_local_base, self.blocks.get(&number))
        else {
            return Ok(());
        };
        match instance.get_global(&mut *store, export) {
            Some(global) => global.set(&mut *store, Val::I32(*block as i32)),
            None => error("the library's base of thread-local variables is gone"),
        }
    }
}

/// The thread has ended: its blocks are for others. The thread that runs the process.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_link_map_end_thread(map: &LinkMap, thread: u32) {
    let mut map = map.lock();
    map.program_blocks.remove(&thread);
    for library in &mut map.libraries {
        library.blocks.free.extend(library.blocks.by_thread.remove(&thread));
    }
}

/// Where a new thread will have the program's own thread-local variables; before it has an instance. The thread
/// that runs the process.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_link_map_set_program_block(map: &LinkMap, thread: u32, address: u32) {
    map.lock().program_blocks.insert(thread, address);
}

/// Memory for the thread-local variables that one more thread has of library `number`, which was loaded with such
/// blocks. The thread that runs the process.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_link_map_add_block(map: &LinkMap, number: u32, address: u32) {
    let mut map = map.lock();
    if let Some(library) = map.libraries.get_mut((number as usize).wrapping_sub(1)) {
        library.blocks.free.push(address);
    }
}
