//! Reaching into a guest from inside a host call: its memory, its exported globals and functions.

use wasmtime::{AsContextMut, Extern, Global, Instance, StoreContextMut, Val, ValRaw, ValType};

use crate::buffer::{Buffer, Bytes};
use crate::error::{NativeError, NativeErrorKind};
use crate::guest::{CallState, GuestContext};
use crate::limits::GuestEnded;
use crate::rewrite::MUTABLE_GLOBAL_PREFIX;
use crate::store::{Host, context_from_raw, context_to_raw, refresh_memory};

/// Parameters of a function called from inside a host call.
const REENTRY_PARAMETERS_MAX: usize = 8;

fn invalid(message: String) -> *mut NativeError {
    NativeError::new(NativeErrorKind::Invalid, message).into_raw()
}

/// # Safety
/// The guest is inside a host call on this thread.
unsafe fn context<'a>(guest: *mut GuestContext) -> StoreContextMut<'a, Host> {
    unsafe { context_from_raw((*guest).store) }
}

fn export(store: &mut StoreContextMut<'_, Host>, name: &str) -> Option<Extern> {
    let instance = store.data().instance?;
    instance.get_export(store, name)
}

/// Reads the exported global `name` as the bits of its value. Invalid when there is none or it is not a
/// number. Only inside a host call of this guest, on its thread.
///
/// # Safety
/// As said; `name` is readable and `bits` valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_global_get(
    guest: *mut GuestContext,
    name: Bytes,
    bits: *mut u64,
) -> *mut NativeError {
    let (mut store, name) = unsafe { (context(guest), name.to_text()) };
    let Some(Extern::Global(global)) = export(&mut store, &name) else {
        return invalid(format!("the module exports no global \"{name}\""));
    };
    let value = match global.get(&mut store) {
        Val::I32(number) => u64::from(number as u32),
        Val::I64(number) => number as u64,
        Val::F32(value) => u64::from(value),
        Val::F64(value) => value,
        _ => return invalid(format!("the global \"{name}\" is not a number")),
    };
    unsafe { *bits = value };
    std::ptr::null_mut()
}

/// Writes the exported mutable global `name`. Otherwise as `selvedge_guest_global_get`.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_global_set(
    guest: *mut GuestContext,
    name: Bytes,
    bits: u64,
) -> *mut NativeError {
    let (mut store, name) = unsafe { (context(guest), name.to_text()) };
    let Some(Extern::Global(global)) = export(&mut store, &name) else {
        return invalid(format!("the module exports no global \"{name}\""));
    };
    let value = match global.ty(&store).content() {
        ValType::I32 => Val::I32(bits as u32 as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits),
        _ => return invalid(format!("the global \"{name}\" is not a number")),
    };
    match global.set(&mut store, value) {
        Ok(()) => std::ptr::null_mut(),
        Err(_) => invalid(format!("the global \"{name}\" cannot be changed")),
    }
}

/// Bytes that one global takes in a list of values.
pub(crate) const GLOBAL_BYTES: usize = 16;

pub(crate) fn global_to_bytes(value: &Val) -> [u8; GLOBAL_BYTES] {
    let bits = match value {
        Val::I32(number) => u128::from(*number as u32),
        Val::I64(number) => u128::from(*number as u64),
        Val::F32(bits) => u128::from(*bits),
        Val::F64(bits) => u128::from(*bits),
        Val::V128(bits) => bits.as_u128(),
        _ => 0,
    };
    bits.to_le_bytes()
}

pub(crate) fn global_from_bytes(kind: &ValType, bytes: [u8; GLOBAL_BYTES]) -> Option<Val> {
    let bits = u128::from_le_bytes(bytes);
    Some(match kind {
        ValType::I32 => Val::I32(bits as u32 as i32),
        ValType::I64 => Val::I64(bits as u64 as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits as u64),
        ValType::V128 => Val::V128(bits.into()),
        _ => return None,
    })
}

/// The mutable globals that the module defines, as the rewriter exports them.
pub(crate) fn mutable_globals(
    store: &mut StoreContextMut<'_, Host>,
    instance: Instance,
) -> Vec<Global> {
    let exports = instance.exports(store).filter_map(|export| {
        let ours = export.name().starts_with(MUTABLE_GLOBAL_PREFIX);
        export.into_global().filter(|_| ours)
    });
    exports.collect()
}

fn globals_of_program(store: &mut StoreContextMut<'_, Host>) -> Vec<Global> {
    store.data().instance.map_or_else(Vec::new, |instance| mutable_globals(store, instance))
}

/// The values of all mutable globals of the module; references are left out. Owned by the caller. Only inside
/// a host call of this guest or in its `unwound`, on its thread.
///
/// # Safety
/// As said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_globals_save(guest: *mut GuestContext) -> *mut Buffer {
    let mut store = unsafe { context(guest) };
    let globals = globals_of_program(&mut store);
    let mut bytes = Vec::with_capacity(globals.len() * GLOBAL_BYTES);
    for global in globals {
        bytes.extend_from_slice(&global_to_bytes(&global.get(&mut store)));
    }
    Buffer::into_raw(bytes)
}

/// Sets them to values saved from an instance of the same module; references stay. False, with nothing
/// changed, for another number of globals. Otherwise as `selvedge_guest_globals_save`, or in its `rewind`.
///
/// # Safety
/// As there; `values` is readable for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_globals_restore(
    guest: *mut GuestContext,
    values: Bytes,
) -> bool {
    let (mut store, values) = unsafe { (context(guest), values.as_slice()) };
    let globals = globals_of_program(&mut store);
    let (chunks, rest) = values.as_chunks::<GLOBAL_BYTES>();
    if chunks.len() != globals.len() || !rest.is_empty() {
        return false;
    }
    for (global, bytes) in globals.iter().zip(chunks) {
        if let Some(value) = global_from_bytes(global.ty(&store).content(), *bytes) {
            let set = global.set(&mut store, value);
            debug_assert!(set.is_ok(), "the rewriter exports mutable globals only");
        }
    }
    true
}

/// Grows the guest's own memory by `pages` of 64 KiB, as its `memory.grow` would: its pages before, or -1. Not for
/// shared memories. Only inside a host call that is not a blocking one, on its thread.
///
/// # Safety
/// As said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_memory_grow(guest: *mut GuestContext, pages: u32) -> i64 {
    let mut store = unsafe { context(guest) };
    let Some(memory) = store.data().memory else {
        return -1;
    };
    let before = memory.grow(&mut store, u64::from(pages)).map_or(-1, |before| before as i64);
    refresh_memory(&mut store);
    before
}

/// Calls the exported function `name`, whose parameters are `argument_count` (at most 8) numbers and which
/// has at most one result, left in `*result` (0 without one). The call runs to its end on the present stack:
/// it is not interrupted by the epoch, so it is only for short functions of the guest's own runtime; one that
/// runs for longer than some milliseconds fails. Invalid when there is no such function, and from inside
/// such a call, for which the stack has no room; when the guest
/// trapped or is to end, the state becomes Ended and the error says why. Only inside a host call that is not a
/// blocking one, on its thread.
///
/// # Safety
/// As said; `name` and `arguments` are readable and `result` valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_call(
    guest: *mut GuestContext,
    name: Bytes,
    arguments: *const u64,
    argument_count: usize,
    result: *mut u64,
) -> *mut NativeError {
    let (mut store, name) = unsafe { (context(guest), name.to_text()) };
    if store.data().reentered {
        return invalid(format!("the guest's function \"{name}\" leads back to itself"));
    }
    let Some(Extern::Func(function)) = export(&mut store, &name) else {
        return invalid(format!("the module exports no function \"{name}\""));
    };
    let kind = function.ty(&store);
    let numbers =
        |kind: ValType| matches!(kind, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
    if kind.params().len() != argument_count
        || argument_count > REENTRY_PARAMETERS_MAX
        || kind.results().len() > 1
        || !kind.params().chain(kind.results()).all(numbers)
    {
        return invalid(format!(
            "the exported function \"{name}\" cannot be called with {argument_count} numbers"
        ));
    }
    // Wasm's untyped calling convention: parameters in, results out, in the same slots.
    let mut values = [ValRaw::u64(0); REENTRY_PARAMETERS_MAX];
    for (index, value) in values.iter_mut().enumerate().take(argument_count) {
        *value = ValRaw::u64(unsafe { *arguments.add(index) });
    }
    if !store.data().holds_thread() {
        store.data_mut().held_ticks = 0;
    }
    store.data_mut().reentered = true;
    let called = unsafe { function.call_unchecked(&mut store, &mut values[..]) };
    store.data_mut().reentered = false;
    unsafe {
        if (*guest).memory_stale {
            refresh_memory(&mut store.as_context_mut());
        }
        // Host calls made by the callee left their own view behind.
        (*guest).store = context_to_raw(store);
    }
    match called {
        Ok(()) => {
            let bits = match kind.results().next() {
                None => 0,
                Some(ValType::I32 | ValType::F32) => u64::from(values[0].get_u32()),
                Some(_) => values[0].get_u64(),
            };
            unsafe { *result = bits };
            std::ptr::null_mut()
        }
        Err(error) => {
            unsafe { (*guest).state = CallState::Ended };
            let message = if error.is::<GuestEnded>() {
                "the host ended the guest".to_owned()
            } else {
                format!("the guest's function \"{name}\" failed: {}", error.root_cause())
            };
            invalid(message)
        }
    }
}
