//! The store of one guest thread: its instance and everything that the instance owns.

use std::ffi::c_void;
use std::future::Future;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use wasmtime::{
    AsContextMut, ExnRef, Func, Instance, Memory, OwnedRooted, SharedMemory, Store,
    StoreContextMut, UpdateDeadline,
};

use crate::away::may_leave;
use crate::contexts::{SwitchedGlobals, drop_globals};
use crate::faults::hide_addresses;
use crate::guest::{CallState, GuestContext, Winding};
use crate::host_functions::{Linked, LinkedModule, MemorySource};
use crate::limits::{GuestEnded, GuestSlot, Limiter};
use crate::link_map::{LinkMap, StoreLinks, catch_up};
use crate::signals;

/// Ticks that a guest may run before it yields.
pub(crate) const SLICE_TICKS: u64 = 1;
/// Ticks that a guest may hold its thread without yielding, while its stack is unwound or rewound and in calls
/// from inside a host call. Saving the largest stack takes less than one.
const HELD_TICKS_MAX: u32 = 4;

/// What the engine keeps for each store.
pub(crate) struct Host {
    pub(crate) guest: *mut GuestContext,
    pub(crate) instance: Option<Instance>,
    pub(crate) memory: Option<Memory>,
    /// The memory of all threads of the process, instead of one of its own.
    shared: Option<SharedMemory>,
    /// What the process has loaded; None: it can load nothing.
    pub(crate) links: Option<Box<StoreLinks>>,
    /// What a switch from or to another context of its guest thread copies.
    pub(crate) switched: SwitchedGlobals,
    /// For `come_home`, which makes it.
    pub(crate) waits_for_home: Option<Func>,
    /// Why the store could not follow its process.
    link_failure: Option<wasmtime::Error>,
    /// A call made from inside a host call is running: it cannot be suspended.
    pub(crate) reentered: bool,
    /// Ticks since the guest last could yield.
    pub(crate) held_ticks: u32,
    /// What a handler has thrown that was called in the middle of what the guest computed.
    pub(crate) thrown: Option<OwnedRooted<ExnRef>>,
    /// Where the store itself is, when its module's handlers of signals can be called whenever it computes; else null.
    interruptible: *mut GuestStore,
    limiter: Limiter,
}

// Safe: a store and its guest context are used by one thread at a time.
unsafe impl Send for Host {}

impl Host {
    fn new(guest: *mut GuestContext, shared: Option<SharedMemory>) -> Host {
        let limiter = Limiter { guest };
        Host {
            guest,
            instance: None,
            memory: None,
            shared,
            links: None,
            switched: SwitchedGlobals::default(),
            waits_for_home: None,
            link_failure: None,
            reentered: false,
            held_ticks: 0,
            thrown: None,
            interruptible: ptr::null_mut(),
            limiter,
        }
    }

    pub(crate) fn shared(&self) -> Option<&SharedMemory> {
        self.shared.as_ref()
    }

    /// The guest is in something that must not be interrupted.
    pub(crate) fn holds_thread(&self) -> bool {
        let guest = self.guest;
        self.reentered || unsafe { (*guest).winding != Winding::None || (*guest).holds }
    }

    /// For a store in which nothing ever runs.
    pub(crate) fn detached() -> Host {
        Host::new(ptr::null_mut(), None)
    }
}

/// The store of one guest thread. Made by `selvedge_store_new`, freed with `selvedge_store_free`.
pub struct GuestStore {
    pub(crate) store: Store<Host>,
    pub(crate) linked: std::sync::Arc<Linked>,
    slot: Option<GuestSlot>,
}

/// Notes which store the guest is in, for `selvedge_guest_*`, and brings the view of its memory up to date. At home.
#[inline(always)]
pub(crate) fn enter(mut store: StoreContextMut<'_, Host>) -> *mut GuestContext {
    let guest = store.data().guest;
    unsafe {
        if (*guest).memory_stale {
            refresh_memory(&mut store);
        }
        (*guest).store = context_to_raw(store);
    }
    guest
}

const _: () = assert!(size_of::<StoreContextMut<'static, Host>>() == size_of::<*mut c_void>());

/// A store context is one reference; C++ carries it as an opaque pointer through a host call and back.
pub(crate) fn context_to_raw(store: StoreContextMut<'_, Host>) -> *mut c_void {
    unsafe { std::mem::transmute::<StoreContextMut<'_, Host>, *mut c_void>(store) }
}

/// # Safety
/// `raw` came from `context_to_raw` during the host call that is still in progress, and no other use of
/// that store is.
pub(crate) unsafe fn context_from_raw<'a>(raw: *mut c_void) -> StoreContextMut<'a, Host> {
    unsafe { std::mem::transmute::<*mut c_void, StoreContextMut<'a, Host>>(raw) }
}

/// Brings the guest's view of its memory up to date. A shared memory grows without asking, so its view stays
/// stale for the next call.
#[cold]
pub(crate) fn refresh_memory(store: &mut StoreContextMut<'_, Host>) {
    if let Some(shared) = &store.data().shared {
        let guest = store.data().guest;
        unsafe {
            (*guest).memory_data = shared.data().as_ptr().cast_mut().cast();
            (*guest).memory_size = shared.data_size();
            (*guest).memory_stale = true;
        }
        return;
    }
    let Some(memory) = store.data().memory else {
        return;
    };
    let data = memory.data_ptr(&mut *store);
    let size = memory.data_size(&mut *store);
    let guest = store.data().guest;
    unsafe {
        (*guest).memory_data = data;
        (*guest).memory_size = size;
        (*guest).memory_stale = false;
    }
}

/// Gives a guest that comes out of a wait a whole slice.
pub(crate) fn renew_slice(store: &mut StoreContextMut<'_, Host>) {
    store.set_epoch_deadline(SLICE_TICKS);
}

pub(crate) fn on_epoch(mut store: StoreContextMut<'_, Host>) -> wasmtime::Result<UpdateDeadline> {
    let host = store.data_mut();
    if let Some(failure) = host.link_failure.take() {
        return Err(failure);
    }
    if unsafe { (*host.guest).state } == CallState::Ended {
        return Err(GuestEnded.into());
    }
    if host.holds_thread() {
        host.held_ticks += 1;
        if host.held_ticks > HELD_TICKS_MAX {
            return Err(wasmtime::Error::msg(
                "the guest does not return from what must not be interrupted: Asyncify, or the start of a library",
            ));
        }
        return Ok(UpdateDeadline::Continue(SLICE_TICKS));
    }
    let (own, guest) = (host.interruptible, host.guest);
    unsafe {
        if !own.is_null() && !(*guest).away && !(*guest).in_handler {
            signals::handle(own, &mut store)?;
        }
    }
    if store.data().links.is_none() {
        return Ok(UpdateDeadline::Yield(SLICE_TICKS));
    }
    unsafe {
        (*guest).yielded = false;
        (*guest).store = context_to_raw(store);
    }
    Ok(UpdateDeadline::YieldCustom(SLICE_TICKS, Box::pin(YieldAndCatchUp)))
}

/// Lets others run once, and then gives the store what they have loaded meanwhile. Without fields, so that boxing
/// it allocates nothing.
struct YieldAndCatchUp;

impl Future for YieldAndCatchUp {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let guest = context.waker().data().cast_mut().cast::<GuestContext>();
        // Safe: every fiber is polled with a waker whose data is its guest's context; the guest is still in the
        // interruption that noted the store.
        unsafe {
            if !(*guest).yielded {
                (*guest).yielded = true;
                return Poll::Pending;
            }
            let mut store = context_from_raw((*guest).store);
            if let Err(error) = catch_up(&mut store) {
                // The next interruption ends the guest with it; until then its table is as it was.
                store.data_mut().link_failure = Some(error);
            }
        }
        Poll::Ready(())
    }
}

impl GuestStore {
    /// Instantiates the module if that has not happened yet. Runs its start function.
    pub(crate) async fn instantiate(&mut self) -> wasmtime::Result<Instance> {
        self.store.set_epoch_deadline(SLICE_TICKS);
        if let Some(instance) = self.store.data().instance {
            return Ok(instance);
        }
        let Some(pre) = &self.linked.pre else {
            return Err(wasmtime::Error::msg("the module's memory import is not bound"));
        };
        if self.slot.is_none() {
            self.slot = Some(GuestSlot::take(&self.linked.guests)?);
        }
        let instance = pre.instantiate_async(&mut self.store).await?;
        let memory = match &self.linked.source {
            MemorySource::Export(index) => instance
                .get_module_export(&mut self.store, index)
                .and_then(|export| export.into_memory()),
            _ => None,
        };
        let host = self.store.data_mut();
        host.instance = Some(instance);
        host.memory = memory;
        refresh_memory(&mut self.store.as_context_mut());
        catch_up(&mut self.store.as_context_mut())?;
        Ok(instance)
    }
}

/// Makes an empty store for a guest thread. Owned by the caller. `guest` is initialised (its callbacks
/// and owner set, the rest zero), keeps its address, and is freed after the store. `links`: what the guest's
/// process has loaded and will load; null for a process that loads nothing. Stores with the same `thread` have the
/// same thread-local variables of libraries. Any thread; afterwards one thread at a time.
///
/// # Safety
/// As said of `guest`; `links` is null or a map.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_store_new(
    linked: &LinkedModule,
    guest: *mut GuestContext,
    links: *const LinkMap,
    thread: u32,
) -> *mut GuestStore {
    let linked = &linked.linked;
    let shared = match &linked.source {
        MemorySource::Shared(memory) => Some(memory.clone()),
        _ => None,
    };
    let is_shared = shared.is_some();
    let mut store = Store::new(linked.module.engine(), Host::new(guest, shared));
    if !links.is_null() && linked.is_dynamic {
        let links = StoreLinks::new(unsafe { (*links).shared.clone() }, thread);
        store.data_mut().links = Some(Box::new(links));
    }
    if let MemorySource::Shared(memory) = &linked.source {
        hide_addresses(&mut store, memory);
    }
    if may_leave(&store, linked) {
        // Away from home the limiter has to wait.
        store.limiter_async(|host| &mut host.limiter);
    } else {
        store.limiter(|host| &mut host.limiter);
    }
    store.epoch_deadline_callback(on_epoch);
    unsafe {
        (*guest).memory_data = ptr::null_mut();
        (*guest).memory_size = 0;
        // The module's start function may make host calls already.
        (*guest).memory_stale = is_shared;
        (*guest).away = false;
        (*guest).homeward = false;
        (*guest).resumed = false;
        (*guest).yielded = false;
        (*guest).winding = Winding::None;
        (*guest).restarts = false;
        (*guest).holds = false;
        (*guest).held = false;
        (*guest).in_handler = false;
        (*guest).state = CallState::Ready;
        (*guest).globals = ptr::null_mut();
        (*guest).store = ptr::null_mut();
    }
    let own = Box::into_raw(Box::new(GuestStore { store, linked: linked.clone(), slot: None }));
    if linked.can_interrupt {
        unsafe { (*own).store.data_mut().interruptible = own };
    }
    own
}

/// Frees a store and gives its memory, tables and stack back to the pool; null is allowed. Its fibers are
/// gone. The thread that owns it.
///
/// # Safety
/// `store` is null or came from `selvedge_store_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_store_free(store: *mut GuestStore) {
    if !store.is_null() {
        let store = unsafe { Box::from_raw(store) };
        unsafe { drop_globals(store.store.data().guest) };
    }
}
