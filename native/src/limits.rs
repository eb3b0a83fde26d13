//! Growth of memories and tables is decided by C++, which knows the tenant.

use std::ptr;

use wasmtime::ResourceLimiter;

use crate::guest::{GrowDecision, GuestContext};

/// Forwards the engine's questions about growth to the guest's C++ side.
pub(crate) struct Limiter {
    pub(crate) guest: *mut GuestContext,
}

// Safe: a guest context is used by one thread at a time, the one that uses the store.
unsafe impl Send for Limiter {}

/// The host ends the guest instead of letting it see a failed growth.
#[derive(Debug)]
pub(crate) struct GuestEnded;

impl std::fmt::Display for GuestEnded {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the host ended the guest")
    }
}

impl std::error::Error for GuestEnded {}

fn decide(decision: GrowDecision) -> wasmtime::Result<bool> {
    match decision {
        GrowDecision::Allow => Ok(true),
        GrowDecision::Refuse => Ok(false),
        GrowDecision::End => Err(GuestEnded.into()),
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond the declared maximum the growth fails whatever we say: C++ must not account for it.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        unsafe {
            ptr::addr_of_mut!((*self.guest).memory_stale).write(true);
            decide(((*self.guest).memory_growing)(self.guest, current, desired))
        }
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        decide(unsafe { ((*self.guest).table_growing)(self.guest, current, desired) })
    }
}
