//! Growth of memories and tables is decided by C++, which knows the tenant.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::{ResourceLimiter, ResourceLimiterAsync};

use crate::away::AtHome;
use crate::guest::{GrowDecision, GuestContext};

/// The guests that may exist at once. The pool's own count has room for the instances of libraries too.
pub(crate) struct GuestSlots {
    taken: AtomicU32,
    most: u32,
}

impl GuestSlots {
    pub(crate) fn new(most: u32) -> Arc<GuestSlots> {
        Arc::new(GuestSlots { taken: AtomicU32::new(0), most })
    }
}

/// One guest's place, while it lives.
pub(crate) struct GuestSlot(Arc<GuestSlots>);

impl GuestSlot {
    pub(crate) fn take(slots: &Arc<GuestSlots>) -> wasmtime::Result<GuestSlot> {
        let taken = slots.taken.fetch_add(1, Ordering::Relaxed);
        let slot = GuestSlot(slots.clone());
        if taken < slots.most {
            return Ok(slot);
        }
        Err(wasmtime::Error::msg(format!("all {} instances of the pool are in use", slots.most)))
    }
}

impl Drop for GuestSlot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

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

/// For guests that may be away from home when they want to grow.
#[async_trait::async_trait]
impl ResourceLimiterAsync for Limiter {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        AtHome.await?;
        ResourceLimiter::memory_growing(self, current, desired, maximum)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        AtHome.await?;
        ResourceLimiter::table_growing(self, current, desired, maximum)
    }
}
