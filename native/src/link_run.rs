//! Making instances in a store whose guest is suspended or inside a host call: to their end, on the present stack.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use wasmtime::{Extern, Global, Instance, MemoryType, Module};

use crate::fiber::waker;
use crate::link_map::{Store, error};
use crate::rewrite::{START_EXPORT, THREAD_LOCAL_EXPORT};

pub(crate) const NO_STACK_POINTER: &str =
    "the program does not export its stack pointer: link it with `-Wl,--export=__stack_pointer`";

/// Pages of 64 KiB of a 32-bit memory.
const MEMORY_PAGES_MAX: u32 = 65_536;

/// The instance of the program itself.
pub(crate) fn program(store: &Store<'_>) -> Option<Instance> {
    store.data().instance
}

/// The guest's memory, and the type under which any module can import it.
pub(crate) fn memory(store: &Store<'_>) -> wasmtime::Result<(Extern, MemoryType)> {
    let host = store.data();
    if let Some(shared) = host.shared() {
        return Ok((shared.clone().into(), MemoryType::shared(0, MEMORY_PAGES_MAX)));
    }
    match host.memory {
        Some(memory) => Ok((memory.into(), MemoryType::new(0, None))),
        None => error("the program does not export its memory: link it with `-Wl,--export-memory`"),
    }
}

pub(crate) fn stack_pointer(store: &mut Store<'_>) -> Option<Global> {
    program(store)?.get_global(&mut *store, "__stack_pointer")
}

/// Runs `work` to its end; nothing else runs meanwhile, so that it must not wait, and takes some milliseconds
/// at most.
macro_rules! run_now {
    ($store:expr, $what:literal, $work:expr) => {{
        let guest = $store.data().guest;
        if !$store.data().holds_thread() {
            $store.data_mut().held_ticks = 0;
        }
        let reentered = std::mem::replace(&mut $store.data_mut().reentered, true);
        let waker = waker(guest);
        let polled = {
            let work = pin!($work);
            work.poll(&mut Context::from_waker(&waker))
        };
        $store.data_mut().reentered = reentered;
        match polled {
            Poll::Ready(result) => result,
            Poll::Pending => error(concat!($what, " waits for something, which it must not")),
        }
    }};
}

/// An instance of a module whose start function has been taken out.
pub(crate) fn instantiate(
    store: &mut Store<'_>,
    module: &Module,
    imports: &[Extern],
) -> wasmtime::Result<Instance> {
    run_now!(store, "a library", Instance::new_async(&mut *store, module, imports))
}

/// Runs what was the module's start function.
pub(crate) fn run_start(store: &mut Store<'_>, instance: Instance) -> wasmtime::Result<()> {
    let Some(start) = instance.get_func(&mut *store, START_EXPORT) else {
        return Ok(());
    };
    let start = start.typed::<(), ()>(&*store)?;
    run_now!(store, "the start function of a library", start.call_async(&mut *store, ()))
}

/// Runs what the linker made to prepare a block of thread-local variables, if it is there.
pub(crate) fn run_thread_local(
    store: &mut Store<'_>,
    instance: Instance,
    block: u32,
) -> wasmtime::Result<()> {
    let Some(initializer) = instance.get_func(&mut *store, THREAD_LOCAL_EXPORT) else {
        return Ok(());
    };
    let initializer = initializer.typed::<u32, ()>(&*store)?;
    run_now!(
        store,
        "the initializer of a library's variables",
        initializer.call_async(&mut *store, block)
    )
}
