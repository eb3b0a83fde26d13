//! A call in progress: a future that C++ polls. It is driven by the scheduler alone, so its waker does
//! nothing but carry the guest's context to the host calls that wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use wasmtime::{AsContextMut, Func, Trap, Val, ValType, WasmBacktrace};

use crate::buffer::Bytes;
use crate::contexts::{entry_function, receive_globals};
use crate::error::{NativeError, NativeErrorKind};
use crate::guest::{CallState, GuestContext, Winding};
use crate::limits::GuestEnded;
use crate::link_map::catch_up;
use crate::store::{GuestStore, SLICE_TICKS};

/// Guest functions named in a trap's message.
const FRAMES_SHOWN_MAX: usize = 6;
/// Characters of one function's name shown there.
const FRAME_NAME_CHARS_MAX: usize = 80;

/// What a poll found.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FiberStatus {
    /// Suspended: in a host call when the guest's state is Pending, else by the epoch.
    Suspended = 0,
    /// The function returned; its result is in the guest's `result`.
    Finished = 1,
    /// The guest ended because its host asked for it.
    Ended = 2,
    /// A trap or uncaught exception; see `selvedge_fiber_error`.
    Trapped = 3,
    /// The guest's stack is exhausted; see `selvedge_fiber_error`.
    StackExhausted = 4,
    /// The instance could not be made; see `selvedge_fiber_error`.
    NotStarted = 5,
    /// Suspended by a poll away from its host: it can go on only there.
    Homeward = 6,
}

enum Failure {
    NotStarted(wasmtime::Error),
    Call(wasmtime::Error),
}

type CallFuture = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;

/// A call in progress. Freed with `selvedge_fiber_free`, before its store.
pub struct Fiber {
    future: Option<CallFuture>,
    guest: *mut GuestContext,
    error: Option<NativeError>,
}

/// A waker whose data is the guest's context. Host calls that wait find it there.
pub(crate) fn waker(guest: *mut GuestContext) -> Waker {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(|data| RawWaker::new(data, &VTABLE), |_| {}, |_| {}, |_| {});
    // Safe: the functions do nothing, so they keep every promise.
    unsafe { Waker::from_raw(RawWaker::new(guest.cast_const().cast(), &VTABLE)) }
}

fn value_from_bits(kind: &ValType, bits: u64) -> Option<Val> {
    Some(match kind {
        ValType::I32 => Val::I32(bits as u32 as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits),
        _ => return None,
    })
}

fn value_to_bits(value: &Val) -> u64 {
    match value {
        Val::I32(number) => u64::from(*number as u32),
        Val::I64(number) => *number as u64,
        Val::F32(bits) => u64::from(*bits),
        Val::F64(bits) => *bits,
        _ => 0,
    }
}

/// Calls the function once. `_start` and its like take the typed, allocation-free way.
async fn enter(store: &mut GuestStore, function: Func, arguments: &[u64]) -> wasmtime::Result<u64> {
    if arguments.is_empty()
        && let Ok(plain) = function.typed::<(), ()>(&store.store)
    {
        return plain.call_async(&mut store.store, ()).await.map(|()| 0);
    }
    let kind = function.ty(&store.store);
    let values: Vec<Val> = kind
        .params()
        .zip(arguments)
        .filter_map(|(kind, bits)| value_from_bits(&kind, *bits))
        .collect();
    let mut results = vec![Val::I32(0); kind.results().len()];
    function.call_async(&mut store.store, &values, &mut results).await?;
    Ok(results.first().map_or(0, value_to_bits))
}

/// Calls a function of Asyncify's, which takes an address or nothing.
async fn call_asyncify(
    store: &mut GuestStore,
    name: &str,
    arguments: &[u64],
) -> wasmtime::Result<()> {
    let instance = store.store.data().instance.expect("it has run");
    let Some(function) = instance.get_func(&mut store.store, name) else {
        return Err(wasmtime::Error::msg(format!("the module exports no function \"{name}\"")));
    };
    enter(store, function, arguments).await.map(drop)
}

/// Waits while the guest's state is Pending.
struct Settled;

impl Future for Settled {
    type Output = wasmtime::Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let guest = context.waker().data().cast_mut().cast::<GuestContext>();
        // Safe: every fiber is polled with a waker whose data is its guest's context.
        match unsafe { (*guest).state } {
            CallState::Ready => Poll::Ready(Ok(())),
            CallState::Pending => Poll::Pending,
            CallState::Ended => Poll::Ready(Err(GuestEnded.into())),
        }
    }
}

/// Waits while the guest is held.
struct Released;

impl Future for Released {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let guest = context.waker().data().cast_mut().cast::<GuestContext>();
        // Safe: as above.
        unsafe {
            (*guest).held = (*guest).holds;
            if (*guest).holds { Poll::Pending } else { Poll::Ready(()) }
        }
    }
}

#[allow(clippy::mut_from_ref)]
fn guest_of(store: &GuestStore) -> &mut GuestContext {
    // Safe: the context outlives the store, and only the thread that polls the fiber uses it.
    unsafe { &mut *store.store.data().guest }
}

/// Puts the stack back into the guest, but for the call of the function itself.
async fn begin_rewind(store: &mut GuestStore) -> wasmtime::Result<()> {
    let guest = crate::store::enter(store.store.as_context_mut());
    let address = unsafe { ((*guest).rewind)(guest) };
    if guest_of(store).state == CallState::Ended {
        return Err(GuestEnded.into());
    }
    store.store.data_mut().held_ticks = 0;
    call_asyncify(store, "asyncify_start_rewind", &[u64::from(address)]).await
}

/// The stack is out of the guest: C++ decides how it goes on.
async fn finish_unwind(store: &mut GuestStore) -> wasmtime::Result<()> {
    call_asyncify(store, "asyncify_stop_unwind", &[]).await?;
    let guest = crate::store::enter(store.store.as_context_mut());
    unsafe { ((*guest).unwound)(guest) };
    Settled.await?;
    guest_of(store).resumed = false;
    store.store.set_epoch_deadline(SLICE_TICKS);
    Ok(())
}

/// Calls the function; again as often as its stack is to be rewound.
async fn run_unwinding(
    store: &mut GuestStore,
    function: Func,
    arguments: &[u64],
) -> wasmtime::Result<u64> {
    loop {
        if guest_of(store).winding == Winding::Rewinding {
            begin_rewind(store).await?;
        }
        match enter(store, function, arguments).await {
            Err(error) => {
                let guest = guest_of(store);
                if !guest.restarts || !error.is::<GuestEnded>() {
                    return Err(error);
                }
                guest.restarts = false;
                guest.state = CallState::Ready;
            }
            Ok(value) => match guest_of(store).winding {
                Winding::None => return Ok(value),
                Winding::Unwinding => finish_unwind(store).await?,
                Winding::Rewinding => {
                    let message = "the guest returned while its stack was being rewound";
                    return Err(wasmtime::Error::msg(message));
                }
            },
        }
    }
}

/// The function that a fiber calls.
enum Entry {
    Export(wasmtime::ModuleExport),
    /// An element of the table.
    Element(u32),
}

async fn run(store: &mut GuestStore, entry: Entry, arguments: Vec<u64>) -> Result<u64, Failure> {
    let instance = store.instantiate().await.map_err(Failure::NotStarted)?;
    Released.await;
    let mut context = store.store.as_context_mut();
    // A context may begin long after its instance was made.
    catch_up(&mut context)
        .and_then(|()| receive_globals(&mut context))
        .map_err(Failure::NotStarted)?;
    let function = match entry {
        Entry::Export(export) => {
            instance.get_module_export(&mut context, &export).and_then(|export| export.into_func())
        }
        Entry::Element(index) => entry_function(&mut context, index),
    };
    let function = function.ok_or_else(|| {
        Failure::NotStarted(wasmtime::Error::msg("there is no function to begin with"))
    })?;
    run_unwinding(store, function, &arguments).await.map_err(Failure::Call)
}

/// "name < caller < its caller", innermost first.
fn frames_text(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        .take(FRAMES_SHOWN_MAX)
        .map(|frame| match frame.func_name() {
            Some(name) => name.chars().take(FRAME_NAME_CHARS_MAX).collect(),
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    if names.is_empty() { String::new() } else { format!(" (in {})", names.join(" < ")) }
}

fn call_error(error: &wasmtime::Error) -> (FiberStatus, NativeError) {
    let frames = frames_text(error);
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let status = match trap {
            Trap::StackOverflow => FiberStatus::StackExhausted,
            _ => FiberStatus::Trapped,
        };
        let text = trap.to_string();
        let text = text.strip_prefix("wasm trap: ").unwrap_or(&text);
        return (status, NativeError::new(NativeErrorKind::Invalid, format!("{text}{frames}")));
    }
    if error.is::<wasmtime::ThrownException>() {
        let message = format!("an exception was thrown and not caught{frames}");
        return (FiberStatus::Trapped, NativeError::new(NativeErrorKind::Invalid, message));
    }
    let message = format!("{}{frames}", error.root_cause());
    (FiberStatus::Trapped, NativeError::new(NativeErrorKind::Internal, message))
}

impl Fiber {
    fn fail(&mut self, failure: Failure) -> FiberStatus {
        let (not_started, error) = match failure {
            Failure::NotStarted(error) => (true, error),
            Failure::Call(error) => (false, error),
        };
        if error.is::<GuestEnded>() {
            return FiberStatus::Ended;
        }
        let (mut status, described) = call_error(&error);
        // A trap in the module's start function is a trap like any other.
        if not_started && !error.is::<Trap>() && !error.is::<wasmtime::ThrownException>() {
            status = FiberStatus::NotStarted;
        }
        self.error = Some(described);
        status
    }
}

/// Prepares a call of the exported function `name`; nothing runs yet. `*fiber` is then owned by the
/// caller. Invalid when the module has no such function or it takes other than `argument_count` numbers.
/// The thread that owns the store.
///
/// # Safety
/// `store` stays at its address and is used by nobody else while the fiber exists; `name` and
/// `arguments` (bits of Wasm values) are readable for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_fiber_new(
    store: *mut GuestStore,
    name: Bytes,
    arguments: *const u64,
    argument_count: usize,
    fiber: *mut *mut Fiber,
) -> *mut NativeError {
    let store: &'static mut GuestStore = unsafe { &mut *store };
    let name = unsafe { name.to_text() };
    let module = &store.linked.module;
    let Some(wasmtime::ExternType::Func(kind)) = module.get_export(&name) else {
        let message = format!("the module exports no function \"{name}\"");
        return NativeError::new(NativeErrorKind::Invalid, message).into_raw();
    };
    let takes_numbers = kind.params().all(|kind| value_from_bits(&kind, 0).is_some());
    if kind.params().len() != argument_count || !takes_numbers {
        let message = format!(
            "the exported function \"{name}\" is ({}) and cannot be called with {argument_count} numbers",
            crate::module::signature_text(&kind)
        );
        return NativeError::new(NativeErrorKind::Invalid, message).into_raw();
    }
    let export = module.get_export_index(&name).expect("found above");
    let arguments = if argument_count == 0 {
        Vec::new()
    } else {
        unsafe { std::slice::from_raw_parts(arguments, argument_count) }.to_vec()
    };
    unsafe { *fiber = make(store, Entry::Export(export), arguments) };
    std::ptr::null_mut()
}

/// The same for the function without parameters and results at an element of the table of a module that has
/// contexts. A fiber for which there is no such function is NotStarted. The thread that owns the store.
///
/// # Safety
/// `store` stays at its address and is used by nobody else while the fiber exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_fiber_new_at_element(
    store: *mut GuestStore,
    index: u32,
) -> *mut Fiber {
    make(unsafe { &mut *store }, Entry::Element(index), Vec::new())
}

fn make(store: &'static mut GuestStore, entry: Entry, arguments: Vec<u64>) -> *mut Fiber {
    let guest = store.store.data().guest;
    unsafe { (*guest).state = CallState::Ready };
    store.store.data_mut().held_ticks = 0;
    let future = Some(Box::pin(run(store, entry, arguments)) as CallFuture);
    Box::into_raw(Box::new(Fiber { future, guest, error: None }))
}

/// Runs the guest until it waits, its slice ends or it is done. After a status other than Suspended and Homeward
/// the fiber is only good for `selvedge_fiber_error` and `selvedge_fiber_free`. One thread at a time, the one
/// that owns the store.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_fiber_poll(fiber: &mut Fiber) -> FiberStatus {
    fiber.poll()
}

/// The same on another thread than the one whose host functions the guest calls: it goes on until its slice ends, it
/// is done, or it needs its host, and then suspends as Homeward. Only after `selvedge_fiber_poll` has
/// returned Suspended outside a host call, and when `selvedge_store_may_leave`. One thread at a time.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_fiber_poll_away(fiber: &mut Fiber) -> FiberStatus {
    let guest = fiber.guest;
    unsafe { (*guest).away = true };
    let status = fiber.poll();
    let homeward = unsafe {
        (*guest).away = false;
        std::mem::replace(&mut (*guest).homeward, false)
    };
    if status == FiberStatus::Suspended && homeward { FiberStatus::Homeward } else { status }
}

impl Fiber {
    fn poll(&mut self) -> FiberStatus {
        let Some(future) = self.future.as_mut() else {
            return FiberStatus::Ended;
        };
        let waker = waker(self.guest);
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => FiberStatus::Suspended,
            Poll::Ready(outcome) => {
                self.future = None;
                match outcome {
                    Ok(result) => {
                        unsafe { (*self.guest).result = result };
                        FiberStatus::Finished
                    }
                    Err(failure) => self.fail(failure),
                }
            }
        }
    }
}

/// Takes the error of a fiber that trapped or was not started; null when there is none. Owned by the
/// caller. The thread that owns the store.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_fiber_error(fiber: &mut Fiber) -> *mut NativeError {
    fiber.error.take().map_or(std::ptr::null_mut(), NativeError::into_raw)
}

/// Frees a fiber; null is allowed. One that is not done is unwound: its guest frames and the host's frames
/// between them are left, in microseconds. The thread that owns the store.
///
/// # Safety
/// `fiber` is null or came from `selvedge_fiber_new` and was not freed before; its store still exists.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_fiber_free(fiber: *mut Fiber) {
    if !fiber.is_null() {
        drop(unsafe { Box::from_raw(fiber) });
    }
}

#[cfg(test)]
#[path = "fiber_test.rs"]
mod tests;
