//! Guests that run away from their host.
//!
//! The host functions of a guest belong to one thread, its home. Another thread may run the guest meanwhile as long as
//! it only computes. What it may not do there suspends the fiber until it is polled at home: host calls (growth of the
//! shared memory is one, by rewriting), and other growth, which the host decides.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::{Func, Store, StoreContextMut, ValRaw};

use crate::guest::GuestContext;
use crate::host_functions::Linked;
use crate::store::{GuestStore, Host, renew_slice};

/// Waits until the guest is at home. Without fields, so that boxing it allocates nothing.
pub(crate) struct AtHome;

impl Future for AtHome {
    type Output = wasmtime::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let guest = context.waker().data().cast_mut().cast::<GuestContext>();
        // Safe: every fiber is polled with a waker whose data is its guest's context.
        unsafe {
            if (*guest).away {
                (*guest).homeward = true;
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// For host functions that are no futures: waits on the guest's own stack until it is at home, where it then has a
/// whole slice. Fails when the fiber is freed meanwhile.
#[cold]
#[inline(never)]
pub(crate) fn come_home(store: &mut StoreContextMut<'_, Host>) -> wasmtime::Result<()> {
    let waits = match store.data().waits_for_home {
        Some(waits) => waits,
        None => {
            let waits = Func::wrap_async(&mut *store, |_, ()| Box::new(AtHome));
            store.data_mut().waits_for_home = Some(waits);
            waits
        }
    };
    // Safe: it has neither parameters nor results.
    unsafe { waits.call_unchecked(&mut *store, &mut [] as &mut [ValRaw])? };
    renew_slice(store);
    Ok(())
}

/// Other instances share its memory, and all that happens at an interruption is that others run.
pub(crate) fn may_leave(store: &Store<Host>, linked: &Linked) -> bool {
    let host = store.data();
    host.shared().is_some() && host.links.is_none() && !linked.has_contexts
}

/// Whether fibers of this store may be polled away from home. The thread that owns the store.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_store_may_leave(store: &GuestStore) -> bool {
    may_leave(&store.store, &store.linked)
}
