//! Accesses beyond a shared memory, in a store with more than one instance on it.
//!
//! When compiled code faults, the engine looks for the address in the memories of all instances of the store, to
//! name it in the trap, and ends the process when two have it: that would be a bug of its own. But it keeps a
//! record of a shared memory for each instance that imports it, so that a guest with a library or a function made at
//! run time would end the process by an access beyond its memory. Nobody asks for the address, so it is hidden:
//! the store's own handler, which the engine asks first, repeats the signal with the null address, which the engine
//! looks for nowhere.

use std::ffi::{c_int, c_void};
use std::mem::zeroed;
use std::ptr::null;

use wasmtime::unix::StoreExt;
use wasmtime::{SharedMemory, Store};

use crate::engine::{MEMORY_GUARD_BYTES, MEMORY_RESERVATION_BYTES};
use crate::store::Host;

/// The beginning of a signal's record when it tells of a fault (sigaction(2)).
#[repr(C)]
struct FaultInfo {
    number: c_int,
    error: c_int,
    code: c_int,
    address: *const c_void,
}

type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// The handler of the process, which is the engine's.
///
/// # Safety
/// Any time, signal handlers included.
unsafe fn installed_handler(signal: c_int) -> Option<Handler> {
    unsafe {
        let mut action: libc::sigaction = zeroed();
        let asked = libc::sigaction(signal, null(), &mut action) == 0;
        let takes_info = action.sa_flags & libc::SA_SIGINFO != 0;
        (asked && takes_info).then(|| std::mem::transmute::<usize, Handler>(action.sa_sigaction))
    }
}

/// Faults at addresses of `memory` trap without telling the address. Others go their usual way.
pub(crate) fn hide_addresses(store: &mut Store<Host>, memory: &SharedMemory) {
    let begin = memory.data().as_ptr().addr();
    let end = begin + (MEMORY_RESERVATION_BYTES + MEMORY_GUARD_BYTES) as usize;
    let handler = move |signal: c_int, info: *const libc::siginfo_t, context: *const c_void| {
        if signal != libc::SIGSEGV {
            return false;
        }
        // Safe: the kernel's record of this signal, and a copy of it. Nothing here allocates or locks. The second
        // call of this handler finds the null address, and leaves it to the engine.
        unsafe {
            if !(begin..end).contains(&(*info).si_addr().addr()) {
                return false;
            }
            let Some(handler) = installed_handler(signal) else {
                return false;
            };
            let mut hidden = *info;
            (*(&raw mut hidden).cast::<FaultInfo>()).address = null();
            handler(signal, &mut hidden, context.cast_mut());
        }
        true
    };
    // Safe: the handler does only what signal handlers may.
    unsafe { store.set_signal_handler(handler) };
}
