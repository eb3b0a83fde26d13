//! One typed registration for each Wasm signature that host functions have: all of WASI preview 1 and WASIX,
//! the imports that rewriting adds, and a few for tests. Letters: i = i32, I = i64, f = f32, F = f64.
//!
//! Typed registrations keep values in registers: a call that does not block costs some 8 ns, one that may
//! block and completes at once about 10 ns, because the future of a blocking call has no fields and boxing it
//! allocates nothing. Its state is in the guest's context, found through the waker.

use std::ffi::c_void;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::{AsContextMut, Caller, Linker};

use crate::away::{AtHome, come_home};
use crate::contexts::receive_globals;
use crate::guest::{CallState, GuestContext};
use crate::limits::GuestEnded;
use crate::link_map::catch_up;
use crate::store::{Host, context_from_raw, enter, renew_slice};

type Defined = Option<wasmtime::Result<()>>;

/// A Wasm value made of the bits in a guest's context.
trait FromBits: Send + Unpin {
    fn from_bits(bits: u64) -> Self;
}

impl FromBits for () {
    fn from_bits(_bits: u64) {}
}

impl FromBits for i32 {
    fn from_bits(bits: u64) -> i32 {
        bits as u32 as i32
    }
}

impl FromBits for i64 {
    fn from_bits(bits: u64) -> i64 {
        bits as i64
    }
}

impl FromBits for f32 {
    fn from_bits(bits: u64) -> f32 {
        f32::from_bits(bits as u32)
    }
}

impl FromBits for f64 {
    fn from_bits(bits: u64) -> f64 {
        f64::from_bits(bits)
    }
}

/// A blocking host call after its C++ function returned. Without fields, so that it needs no allocation.
struct HostCall<R>(PhantomData<R>);

const _: () = assert!(size_of::<HostCall<i32>>() == 0);

impl<R: FromBits> Future for HostCall<R> {
    type Output = wasmtime::Result<R>;

    // Small enough to be inlined into the engine's own wrapper, which the optimizer then sees through:
    // no virtual call and no allocation are left on this path.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let guest = context.waker().data().cast_mut().cast::<GuestContext>();
        // Safe: every fiber is polled with a waker whose data is its guest's context.
        unsafe {
            match (*guest).state {
                CallState::Ready => {
                    if (*guest).resumed
                        && let Err(error) = resume(guest)
                    {
                        return Poll::Ready(Err(error));
                    }
                    Poll::Ready(Ok(R::from_bits((*guest).result)))
                }
                CallState::Pending => Poll::Pending,
                CallState::Ended => Poll::Ready(ended()),
            }
        }
    }
}

/// Begins a host call that cannot block.
#[inline(always)]
pub(crate) fn begin(caller: &mut Caller<'_, Host>) -> wasmtime::Result<*mut GuestContext> {
    if is_away(caller) {
        come_home(&mut caller.as_context_mut())?;
    }
    Ok(enter(caller.as_context_mut()))
}

#[inline(always)]
fn is_away(caller: &Caller<'_, Host>) -> bool {
    unsafe { (*caller.data().guest).away }
}

/// Ends a host call that cannot block.
#[inline(always)]
pub(crate) fn finish<R>(guest: *mut GuestContext, value: R) -> wasmtime::Result<R> {
    if unsafe { (*guest).state } == CallState::Ended {
        return ended();
    }
    Ok(value)
}

#[cold]
#[inline(never)]
fn ended<R>() -> wasmtime::Result<R> {
    Err(GuestEnded.into())
}

/// A call that waited is done: its guest gets a whole slice, what its process has loaded meanwhile, and the globals
/// of the context that ran before it.
///
/// # Safety
/// The guest is still inside the host call that noted the store.
#[inline(never)]
unsafe fn resume(guest: *mut GuestContext) -> wasmtime::Result<()> {
    unsafe {
        (*guest).resumed = false;
        let mut store = context_from_raw((*guest).store);
        renew_slice(&mut store);
        catch_up(&mut store)?;
        receive_globals(&mut store)
    }
}

macro_rules! result_type {
    () => {
        ()
    };
    ($result:ty) => {
        $result
    };
}

macro_rules! host_signatures {
    ($($text:literal ($($name:ident: $kind:ty),*) $(-> $result:ty)?;)*) => {
        /// Registers a function that never blocks; None when the signature is not in the table.
        ///
        /// # Safety
        /// `function` is `extern "C" fn(*mut GuestContext, parameters...) -> result` of this signature.
        pub(crate) unsafe fn define(
            linker: &mut Linker<Host>,
            module: &str,
            name: &str,
            signature: &str,
            function: *const c_void,
        ) -> Defined {
            Some(match signature {
                $($text => {
                    type Function =
                        unsafe extern "C" fn(*mut GuestContext $(, $kind)*) $(-> $result)?;
                    let function =
                        unsafe { std::mem::transmute::<*const c_void, Function>(function) };
                    linker.func_wrap(
                        module,
                        name,
                        move |mut caller: Caller<'_, Host> $(, $name: $kind)*|
                            -> wasmtime::Result<result_type!($($result)?)> {
                            let guest = begin(&mut caller)?;
                            finish(guest, unsafe { function(guest $(, $name)*) })
                        },
                    ).map(drop)
                })*
                _ => return None,
            })
        }

        /// Registers a function that may block; None when the signature is not in the table.
        ///
        /// # Safety
        /// `function` is `extern "C" fn(*mut GuestContext, parameters...)` of this signature.
        pub(crate) unsafe fn define_blocking(
            linker: &mut Linker<Host>,
            module: &str,
            name: &str,
            signature: &str,
            function: *const c_void,
        ) -> Defined {
            Some(match signature {
                $($text => {
                    type Function = unsafe extern "C" fn(*mut GuestContext $(, $kind)*);
                    let function =
                        unsafe { std::mem::transmute::<*const c_void, Function>(function) };
                    linker.func_wrap_async(
                        module,
                        name,
                        move |mut caller: Caller<'_, Host>, ($($name,)*): ($($kind,)*)| {
                            if is_away(&caller) {
                                return Box::new(async move {
                                    AtHome.await?;
                                    renew_slice(&mut caller.as_context_mut());
                                    let guest = enter(caller.as_context_mut());
                                    unsafe { function(guest $(, $name)*) };
                                    HostCall::<result_type!($($result)?)>(PhantomData).await
                                });
                            }
                            let guest = enter(caller.as_context_mut());
                            unsafe { function(guest $(, $name)*) };
                            Box::new(HostCall::<result_type!($($result)?)>(PhantomData))
                        },
                    ).map(drop)
                })*
                _ => return None,
            })
        }
    };
}

host_signatures! {
    ":" ();
    ":I" () -> i64;
    ":i" () -> i32;
    "F:F" (a: f64) -> f64;
    "I:" (a: i64);
    "I:I" (a: i64) -> i64;
    "I:i" (a: i64) -> i32;
    "f:f" (a: f32) -> f32;
    "i:" (a: i32);
    "i:I" (a: i32) -> i64;
    "i:i" (a: i32) -> i32;
    "II:I" (a: i64, b: i64) -> i64;
    "iI:" (a: i32, b: i64);
    "iI:I" (a: i32, b: i64) -> i64;
    "iI:i" (a: i32, b: i64) -> i32;
    "ii:" (a: i32, b: i32);
    "ii:I" (a: i32, b: i32) -> i64;
    "ii:i" (a: i32, b: i32) -> i32;
    "Iii:i" (a: i64, b: i32, c: i32) -> i32;
    "iII:i" (a: i32, b: i64, c: i64) -> i32;
    "iIi:i" (a: i32, b: i64, c: i32) -> i32;
    "iiI:i" (a: i32, b: i32, c: i64) -> i32;
    "iii:" (a: i32, b: i32, c: i32);
    "iii:i" (a: i32, b: i32, c: i32) -> i32;
    "iIIi:i" (a: i32, b: i64, c: i64, d: i32) -> i32;
    "iIii:i" (a: i32, b: i64, c: i32, d: i32) -> i32;
    "iiII:i" (a: i32, b: i32, c: i64, d: i64) -> i32;
    "iiiI:i" (a: i32, b: i32, c: i32, d: i64) -> i32;
    "iiii:" (a: i32, b: i32, c: i32, d: i32);
    "iiIi:i" (a: i32, b: i32, c: i64, d: i32) -> i32;
    "iiii:i" (a: i32, b: i32, c: i32, d: i32) -> i32;
    "iiIIi:i" (a: i32, b: i32, c: i64, d: i64, e: i32) -> i32;
    "iiiIi:i" (a: i32, b: i32, c: i32, d: i64, e: i32) -> i32;
    "iiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32) -> i32;
    "iiiiii:" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32);
    "iiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32) -> i32;
    "iiiiIIi:i" (a: i32, b: i32, c: i32, d: i32, e: i64, f: i64, g: i32) -> i32;
    "iiiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32) -> i32;
    "iiiiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32) -> i32;
    "iiiiiIIii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32) -> i32;
    "iiiiiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32) -> i32;
    "iiiiiiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32) -> i32;
    "iiiiiIIiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i64, g: i64, h: i32, i: i32, j: i32) -> i32;
    "iiiiiiiiiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, k: i32, l: i32, m: i32) -> i32;
    "iiiiiiiiiiiiii:i" (a: i32, b: i32, c: i32, d: i32, e: i32, f: i32, g: i32, h: i32, i: i32, j: i32, k: i32, l: i32, m: i32, n: i32) -> i32;
}
