//! The linear memory that all threads of one guest process share. The process makes it before its first
//! instance, since a module with threads imports it.

use std::ffi::c_void;
use std::sync::Arc;

use wasmtime::{MemoryType, SharedMemory as EngineMemory};

use crate::error::{NativeError, NativeErrorKind};
use crate::host_functions::{Linked, LinkedModule, MemorySource};

/// A shared memory. Freed with `selvedge_shared_memory_free`; modules that are bound to it keep it alive.
pub struct SharedMemory {
    memory: EngineMemory,
}

fn invalid(message: String) -> NativeError {
    NativeError::new(NativeErrorKind::Invalid, message)
}

fn create(linked: &Linked, pages_max: u64) -> Result<SharedMemory, NativeError> {
    let MemorySource::Import(import) = &linked.source else {
        return Err(invalid("the module imports no shared memory".to_owned()));
    };
    let minimum = import.kind.minimum();
    if minimum > pages_max {
        return Err(invalid(format!(
            "the module's shared memory begins with {minimum} pages of 64 KiB, and this process may have \
             {pages_max}"
        )));
    }
    let maximum = import.kind.maximum().unwrap_or(pages_max).min(pages_max);
    let bounds = (u32::try_from(minimum), u32::try_from(maximum));
    let (Ok(minimum), Ok(maximum)) = bounds else {
        return Err(invalid("the module's shared memory is too large".to_owned()));
    };
    let kind = MemoryType::shared(minimum, maximum);
    let memory = EngineMemory::new(linked.module.engine(), kind).map_err(|error| {
        NativeError::new(
            NativeErrorKind::Internal,
            format!("a shared memory cannot be reserved: {error:#}"),
        )
    })?;
    Ok(SharedMemory { memory })
}

/// Makes a memory of the type that the module imports, zeroed, which can grow to `pages_max` pages of 64 KiB
/// or the module's own maximum, whichever is lower. On success `*memory` is owned by the caller. Invalid
/// when the module imports none or begins with more; Internal without address space. Any thread.
///
/// # Safety
/// `memory` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_shared_memory_new(
    linked: &LinkedModule,
    pages_max: u64,
    memory: *mut *mut SharedMemory,
) -> *mut NativeError {
    match create(&linked.linked, pages_max) {
        Ok(made) => {
            unsafe { *memory = Box::into_raw(Box::new(made)) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Frees a memory; null is allowed. Any thread.
///
/// # Safety
/// `memory` is null or came from `selvedge_shared_memory_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_shared_memory_free(memory: *mut SharedMemory) {
    if !memory.is_null() {
        drop(unsafe { Box::from_raw(memory) });
    }
}

/// Its size in bytes now; it never shrinks. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_shared_memory_size(memory: &SharedMemory) -> usize {
    memory.memory.data_size()
}

/// Grows it by `pages` of 64 KiB; its size in pages before, or -1 when that passes its maximum. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_shared_memory_grow(memory: &SharedMemory, pages: u32) -> i64 {
    memory.memory.grow(u64::from(pages)).map_or(-1, |before| before as i64)
}

/// Where it begins: it never moves. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_shared_memory_data(memory: &SharedMemory) -> *mut c_void {
    memory.memory.data().as_ptr().cast_mut().cast()
}

/// The size in bytes to which it may grow. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_shared_memory_maximum(memory: &SharedMemory) -> usize {
    let kind = memory.memory.ty();
    (kind.maximum().unwrap_or(kind.minimum()) * kind.page_size()) as usize
}

/// The module with its memory import resolved: what the threads of a process are made of. On success `*bound`
/// is owned by the caller, as from `selvedge_host_functions_link`. Invalid when the module imports no memory
/// or one of another type. Any thread.
///
/// # Safety
/// `bound` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_linked_module_bind(
    linked: &LinkedModule,
    memory: &SharedMemory,
    bound: *mut *mut LinkedModule,
) -> *mut NativeError {
    match linked.linked.bind(&memory.memory) {
        Ok(made) => {
            unsafe { *bound = Box::into_raw(Box::new(LinkedModule { linked: Arc::new(made) })) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}
