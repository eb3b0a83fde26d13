//! Handlers of signals in the middle of what a guest computes. After host calls the guest's own code calls its handler
//! (rewrite_signals.rs); a guest that makes none is interrupted at the end of its time slice, and its handler is called
//! on top of what it was doing, as a kernel does.
//!
//! Code that LLVM makes for a function without calls may keep up to RED_ZONE_BYTES below the stack pointer, so a module
//! must export that pointer. One that does not has its handlers called after host calls only.
//!
//! The handler is ordinary code: it makes host calls, waits and is interrupted itself, but not for another signal. Its
//! stack has frames of the host below it, so it cannot be unwound (Asyncify). It may be left: Asyncify's `longjmp`
//! restores another stack. An exception (the other `longjmp`) is thrown by the next host call of what was interrupted:
//! at an interruption the code is not prepared for one.

use wasmtime::{
    AsContextMut, Caller, ExternType, Func, Global, Linker, Mutability, StoreContextMut,
    ThrownException, Val, ValRaw, ValType,
};

use crate::module::signature_text;
use crate::rewrite::HOST_MODULE;
use crate::signatures::{begin, finish};
use crate::store::{GuestStore, Host, SLICE_TICKS, on_epoch};

/// The import by which the guest's own code asks after a host call.
pub(crate) const NEXT_SIGNAL: &str = "next_signal";

const HANDLER: &str = "__wasm_signal";
const STACK_POINTER: &str = "__stack_pointer";
/// Of WebAssembly in LLVM: WebAssemblyFrameLowering::RedZoneSize.
const RED_ZONE_BYTES: i32 = 128;

/// Whether handlers of the module can be called in the middle of what it computes.
pub(crate) fn can_interrupt(module: &wasmtime::Module) -> bool {
    let handles = matches!(module.get_export(HANDLER),
        Some(ExternType::Func(function)) if signature_text(&function) == "i:");
    let points = matches!(module.get_export(STACK_POINTER),
        Some(ExternType::Global(global))
            if global.mutability() == Mutability::Var && matches!(global.content(), ValType::I32));
    handles && points
}

/// What `can_interrupt` has seen.
struct Handler {
    function: Func,
    stack_pointer: Global,
}

fn handler(store: &mut StoreContextMut<'_, Host>) -> Option<Handler> {
    let instance = store.data().instance?;
    let function = instance.get_func(&mut *store, HANDLER)?;
    let stack_pointer = instance.get_global(&mut *store, STACK_POINTER)?;
    Some(Handler { function, stack_pointer })
}

/// Calls the handler for each signal that the host has for a guest whose slice has ended. An error is the guest's end,
/// or that it leaves its stack.
///
/// # Safety
/// `store` is that of `own`, of a module that `can_interrupt`; the guest runs at home, may be suspended, and is in none
/// of its handlers.
pub(crate) unsafe fn handle(
    own: *mut GuestStore,
    store: &mut StoreContextMut<'_, Host>,
) -> wasmtime::Result<()> {
    let guest = store.data().guest;
    // A start function has no instance yet.
    let Some(handler) = handler(store) else {
        return Ok(());
    };
    // A handler may end away from home.
    while store.data().thrown.is_none() && !unsafe { (*guest).away } {
        let signal = unsafe { ((*guest).next_signal)(guest) };
        if signal == 0 {
            return Ok(());
        }
        let Val::I32(stack_pointer) = handler.stack_pointer.get(&mut *store) else {
            unreachable!("can_interrupt has looked");
        };
        let below = Val::I32(stack_pointer.wrapping_sub(RED_ZONE_BYTES));
        handler.stack_pointer.set(&mut *store, below)?;
        unsafe {
            // The engine takes the callback away while it runs, and the handler has slices too. It puts it back
            // afterwards.
            (*own).store.epoch_deadline_callback(on_epoch);
            (*guest).in_handler = true;
        }
        store.set_epoch_deadline(SLICE_TICKS);
        let mut values = [ValRaw::u32(signal)];
        // Safe: the function is (i32) -> ().
        let called =
            unsafe { handler.function.call_unchecked(store.as_context_mut(), &mut values[..]) };
        unsafe { (*guest).in_handler = false };
        if let Err(error) = called {
            keep_exception(store, error)?;
        }
        handler.stack_pointer.set(&mut *store, Val::I32(stack_pointer))?;
    }
    Ok(())
}

/// For the next host call. Any other error is returned.
fn keep_exception(
    store: &mut StoreContextMut<'_, Host>,
    error: wasmtime::Error,
) -> wasmtime::Result<()> {
    let thrown = error.is::<ThrownException>().then(|| store.take_pending_exception()).flatten();
    let Some(thrown) = thrown else {
        return Err(error);
    };
    let thrown = thrown.to_owned_rooted(&mut *store)?;
    store.data_mut().thrown = Some(thrown);
    Ok(())
}

/// Answers the guest's own code: the signal that its handler is to take now; 0: there is none.
fn next_signal(mut caller: Caller<'_, Host>) -> wasmtime::Result<i32> {
    let guest = begin(&mut caller)?;
    let host = caller.data_mut();
    if host.thrown.is_some() && !host.holds_thread() {
        let thrown = host.thrown.take().expect("seen above").to_rooted(&mut caller);
        return caller.as_context_mut().throw(thrown);
    }
    finish(guest, unsafe { ((*guest).next_signal)(guest) } as i32)
}

/// Offers the import.
pub(crate) fn define(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    linker.func_wrap(HOST_MODULE, NEXT_SIGNAL, next_signal).map(drop)
}
