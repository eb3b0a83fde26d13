//! The record that both sides of a host call share: C++ owns it, one for each guest thread.

use std::ffi::c_void;

use crate::buffer::Buffer;

/// How far the host call that a guest thread is in has come.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// No call is pending; a blocking function that returns in this state is done and `result` holds
    /// its value.
    Ready = 0,
    /// A blocking function began and is not done: the fiber suspends until the state changes.
    Pending = 1,
    /// The guest is to end (exit or trap requested by the host): the call returns no value.
    Ended = 2,
}

/// Whether a guest's call stack is on its way out of the guest or back into it (Asyncify).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Winding {
    /// Neither.
    None = 0,
    /// Calls return to save their frames. Set by C++ in the host call that begins it.
    Unwinding = 1,
    /// Calls are made again to restore their frames. Set by C++ before the function is called again.
    Rewinding = 2,
}

/// Answer of the host to a guest that wants more memory or table elements.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrowDecision {
    /// Grow.
    Allow = 0,
    /// The guest's `memory.grow` returns -1.
    Refuse = 1,
    /// The guest ends.
    End = 2,
}

/// Shared state of one guest thread. C++ allocates it, keeps its address fixed, and frees it after the
/// store that was made with it. Only the thread that currently runs the guest touches it; while that is not the
/// thread of its host, nobody else does.
#[repr(C)]
pub struct GuestContext {
    /// Start of the guest's memory (the export "memory"); null before instantiation or without one.
    pub memory_data: *mut u8,
    /// Its size in bytes.
    pub memory_size: usize,
    /// Result of a blocking host call, as the bits of its Wasm value. Set by C++.
    pub result: u64,
    /// Set by C++; see CallState.
    pub state: CallState,
    /// Set by C++ when it makes a pending call ready: the guest gets a whole slice again.
    pub resumed: bool,
    /// It has let others run in the present interruption. Kept by the library.
    pub yielded: bool,
    /// Set by C++; see Winding. Time slices do not end meanwhile.
    pub winding: Winding,
    /// Set by C++ with the state Ended and Rewinding: the guest does not end but leaves its frames and is rewound.
    pub restarts: bool,
    /// Set by C++: the guest goes no further than its instantiation.
    pub holds: bool,
    /// It has come there. Kept by the library.
    pub held: bool,
    /// The memory may have grown since `memory_size` was written. Kept by the library.
    pub memory_stale: bool,
    /// It runs on another thread than its host, where it computes but makes no host call (away.rs). Kept by the
    /// library.
    pub away: bool,
    /// It waits to go on where its host is. Kept by the library.
    pub homeward: bool,
    /// A handler of signals runs in the middle of what the guest computed (signals.rs): its stack cannot be unwound.
    /// Kept by the library.
    pub in_handler: bool,
    /// Values of the mutable globals that the guest gets before its code runs again; null for none. See
    /// `selvedge_guest_globals_pass`.
    pub globals: *mut Buffer,
    /// The store, while the guest is inside a host call. Kept by the library.
    pub store: *mut c_void,
    /// For C++ to find its own object. The library never reads it.
    pub owner: *mut c_void,
    /// The guest's stack is unwound and nothing of the guest runs. Leaves the state Ended, or winding Rewinding,
    /// perhaps with the state Pending for now. Must not unwind.
    pub unwound: extern "C" fn(guest: *mut GuestContext),
    /// Asked right before a stack is rewound for the address of its record, which is in place then; or leaves
    /// the state Ended. Must not unwind.
    pub rewind: extern "C" fn(guest: *mut GuestContext) -> u32,
    /// Asked when a slice ends for a signal that the guest's handler is to take now; 0: there is none. Must not
    /// unwind.
    pub next_signal: extern "C" fn(guest: *mut GuestContext) -> u32,
    /// Asked before a memory grows from `current` to `desired` bytes. Must not unwind.
    pub memory_growing:
        extern "C" fn(guest: *mut GuestContext, current: usize, desired: usize) -> GrowDecision,
    /// Asked before a table grows from `current` to `desired` elements. Must not unwind.
    pub table_growing:
        extern "C" fn(guest: *mut GuestContext, current: usize, desired: usize) -> GrowDecision,
}
