//! Contexts of a guest thread: call stacks between which it switches. Each runs in a store and an instance of its
//! own, and only one of them at a time. What the code of a module sees as one instance is the memory, which they
//! share, and the mutable globals, whose values go from the store that stops to the one that goes on.

use wasmtime::{Func, Global, Ref, StoreContextMut};

use crate::buffer::Buffer;
use crate::guest::GuestContext;
use crate::link_map::error;
use crate::memory::{GLOBAL_BYTES, global_from_bytes, global_to_bytes, mutable_globals};
use crate::rewrite_contexts::{CONTEXT_GLOBALS_MAX, CONTEXTS_EXPORT};
use crate::store::{Host, context_from_raw};

/// The mutable globals of a store, once they are known.
#[derive(Default)]
pub(crate) struct SwitchedGlobals {
    /// For the program, then for each library.
    list: Vec<Global>,
    /// How many of these instances they are of.
    instances: usize,
}

/// The mutable globals of the program and its libraries, in the order that all stores of the process agree on.
fn find_globals(store: &mut StoreContextMut<'_, Host>) {
    let host = store.data();
    let Some(program) = host.instance else { return };
    let libraries = host.links.as_ref().map_or(&[][..], |links| &links.libraries);
    let known = host.switched.instances;
    if known == 1 + libraries.len() {
        return;
    }
    let new: Vec<_> = std::iter::once(&program).chain(libraries).skip(known).copied().collect();
    for instance in new {
        let found = mutable_globals(store, instance);
        let switched = &mut store.data_mut().switched;
        switched.list.extend(found);
        switched.instances += 1;
    }
}

/// Gives the store the values that another context has left for it, if one has.
pub(crate) fn receive_globals(store: &mut StoreContextMut<'_, Host>) -> wasmtime::Result<()> {
    let guest = store.data().guest;
    let values = unsafe { std::mem::replace(&mut (*guest).globals, std::ptr::null_mut()) };
    if values.is_null() {
        return Ok(());
    }
    // Safe: it came from `selvedge_guest_globals_pass`, which left it to this guest.
    let values = unsafe { Box::from_raw(values) };
    find_globals(store);
    let globals = std::mem::take(&mut store.data_mut().switched.list);
    let (chunks, rest) = values.0.as_chunks::<GLOBAL_BYTES>();
    let fits = chunks.len() == globals.len() && rest.is_empty();
    if fits {
        for (global, bytes) in globals.iter().zip(chunks) {
            if let Some(value) = global_from_bytes(global.ty(&*store).content(), *bytes) {
                global.set(&mut *store, value)?;
            }
        }
    }
    store.data_mut().switched.list = globals;
    if fits { Ok(()) } else { error("the contexts of a thread have different globals") }
}

/// The function without parameters and results at an element of the table.
pub(crate) fn entry_function(store: &mut StoreContextMut<'_, Host>, index: u32) -> Option<Func> {
    let table = store.data().instance?.get_table(&mut *store, CONTEXTS_EXPORT)?;
    let Some(Ref::Func(Some(function))) = table.get(&mut *store, u64::from(index)) else {
        return None;
    };
    let kind = function.ty(&*store);
    (kind.params().len() == 0 && kind.results().len() == 0).then_some(function)
}

/// Whether a context can begin at this element of the guest's table: it is a function without parameters and
/// results. Only inside a host call of this guest, on its thread.
///
/// # Safety
/// As said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_can_enter(guest: *mut GuestContext, index: u32) -> bool {
    let mut store = unsafe { context_from_raw((*guest).store) };
    entry_function(&mut store, index).is_some()
}

/// Leaves the values of the guest's mutable globals, and of its libraries', to `next`, a guest of the same module in
/// the same process: it has them when the call that it waits in is done, or when its fiber begins. References are
/// left out. False, with nothing done, when there are too many of them. Only inside a host call of `guest`,
/// while `next` does not run, on the thread of both.
///
/// # Safety
/// As said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_globals_pass(
    guest: *mut GuestContext,
    next: *mut GuestContext,
) -> bool {
    let mut store = unsafe { context_from_raw((*guest).store) };
    find_globals(&mut store);
    let count = store.data().switched.list.len();
    if count > CONTEXT_GLOBALS_MAX {
        return false;
    }
    let mut bytes = Vec::with_capacity(count * GLOBAL_BYTES);
    for index in 0..count {
        let global = store.data().switched.list[index];
        bytes.extend_from_slice(&global_to_bytes(&global.get(&mut store)));
    }
    unsafe {
        drop_globals(next);
        (*next).globals = Buffer::into_raw(bytes);
    }
    true
}

/// Frees what was left to a guest that did not come to take it.
///
/// # Safety
/// `guest` is a guest's context, and its fiber does not run.
pub(crate) unsafe fn drop_globals(guest: *mut GuestContext) {
    unsafe {
        let values = std::mem::replace(&mut (*guest).globals, std::ptr::null_mut());
        crate::buffer::selvedge_buffer_free(values);
    }
}
