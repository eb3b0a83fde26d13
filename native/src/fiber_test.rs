//! Guests driven through the exported functions, as C++ drives them.

use std::ffi::c_void;
use std::ptr;

use super::*;
use crate::engine::tests::small_engine;
use crate::engine::{Engine, selvedge_engine_tick};
use crate::error::{selvedge_error_free, selvedge_error_message};
use crate::guest::GrowDecision;
use crate::host_functions::*;
use crate::memory::*;
use crate::module::*;
use crate::store::{selvedge_store_free, selvedge_store_new};

/// The message of an error, which is freed; "" for success.
fn message(error: *mut NativeError) -> String {
    if error.is_null() {
        return String::new();
    }
    let text = unsafe { selvedge_error_message(&*error).to_text() };
    unsafe { selvedge_error_free(error) };
    text
}

fn bytes(text: &str) -> Bytes {
    Bytes::borrowed(text.as_bytes())
}

/// What the host functions of these tests share; found through the context's owner.
#[derive(Default)]
struct Owner {
    memory_bytes_max: usize,
    end_on_growth: bool,
    logged: Vec<i32>,
    /// Signals for its handler; the last one comes first.
    signals: Vec<u32>,
}

extern "C" fn memory_growing(
    guest: *mut GuestContext,
    _current: usize,
    desired: usize,
) -> GrowDecision {
    let owner = unsafe { &*(*guest).owner.cast::<Owner>() };
    if desired <= owner.memory_bytes_max {
        GrowDecision::Allow
    } else if owner.end_on_growth {
        GrowDecision::End
    } else {
        GrowDecision::Refuse
    }
}

extern "C" fn next_signal(guest: *mut GuestContext) -> u32 {
    let owner = unsafe { &mut *(*guest).owner.cast::<Owner>() };
    owner.signals.pop().unwrap_or(0)
}

extern "C" fn table_growing(
    _guest: *mut GuestContext,
    _current: usize,
    desired: usize,
) -> GrowDecision {
    if desired <= 10 { GrowDecision::Allow } else { GrowDecision::Refuse }
}

extern "C" fn log(guest: *mut GuestContext, number: i32) {
    let owner = unsafe { &mut *(*guest).owner.cast::<Owner>() };
    owner.logged.push(number);
}

extern "C" fn end(guest: *mut GuestContext, _code: i32) {
    unsafe { (*guest).state = CallState::Ended };
}

extern "C" fn wait(guest: *mut GuestContext, waits: i32) {
    unsafe {
        if waits == 0 {
            (*guest).result = 5;
        } else {
            (*guest).state = CallState::Pending;
        }
    }
}

/// Adds one to the guest's global and calls its function "add".
extern "C" fn reach(guest: *mut GuestContext, number: i32) -> i32 {
    let mut bits = 0;
    unsafe {
        assert_eq!(message(selvedge_guest_global_get(guest, bytes("g"), &mut bits)), "");
        assert_eq!(message(selvedge_guest_global_set(guest, bytes("g"), bits + 1)), "");
        assert!(!message(selvedge_guest_global_get(guest, bytes("absent"), &mut bits)).is_empty());
        let argument = number as u32 as u64;
        let mut result = 0;
        assert_eq!(
            message(selvedge_guest_call(guest, bytes("add"), &argument, 1, &mut result)),
            ""
        );
        result as i32
    }
}

struct World {
    engine: Engine,
    functions: *mut HostFunctions,
}

impl World {
    fn new() -> World {
        let engine = small_engine();
        let functions = selvedge_host_functions_new(&engine);
        let world = World { engine, functions };
        world.define("log", "i:", false, log as *const c_void);
        world.define("end", "i:", false, end as *const c_void);
        world.define("wait", "i:i", true, wait as *const c_void);
        world.define("reach", "i:i", false, reach as *const c_void);
        world
    }

    fn define(&self, name: &str, signature: &str, blocking: bool, function: *const c_void) {
        let functions = unsafe { &mut *self.functions };
        let error = unsafe {
            selvedge_host_functions_define(
                functions,
                bytes("t"),
                bytes(name),
                bytes(signature),
                blocking,
                function,
            )
        };
        assert_eq!(message(error), "");
    }

    /// Compiles, loads and links; the error of the last step.
    fn link(&self, wat: &str) -> Result<*mut LinkedModule, String> {
        let wasm = wat::parse_str(wat).expect("valid text");
        let mut artifact = ptr::null_mut();
        let mut module = ptr::null_mut();
        let mut linked = ptr::null_mut();
        unsafe {
            let compiled =
                selvedge_module_precompile(&self.engine, Bytes::borrowed(&wasm), &mut artifact);
            assert_eq!(message(compiled), "");
            let artifact_bytes = crate::buffer::selvedge_buffer_bytes(&*artifact);
            assert_eq!(
                message(selvedge_module_load(&self.engine, artifact_bytes, &mut module)),
                ""
            );
            crate::buffer::selvedge_buffer_free(artifact);
            let error =
                message(selvedge_host_functions_link(&*self.functions, &*module, &mut linked));
            selvedge_module_free(module);
            if error.is_empty() { Ok(linked) } else { Err(error) }
        }
    }

    fn guest(&self, wat: &str) -> Guest {
        extern "C" fn unwound(_guest: *mut GuestContext) {
            unreachable!("no guest here unwinds");
        }
        extern "C" fn rewind(_guest: *mut GuestContext) -> u32 {
            unreachable!("no guest here is rewound");
        }
        let linked = self.link(wat).expect("links");
        let mut owner = Box::new(Owner { memory_bytes_max: 1 << 30, ..Owner::default() });
        let mut context = Box::new(GuestContext {
            memory_data: ptr::null_mut(),
            memory_size: 0,
            result: 0,
            state: CallState::Ready,
            resumed: false,
            yielded: false,
            winding: Winding::None,
            restarts: false,
            holds: false,
            held: false,
            memory_stale: false,
            away: false,
            homeward: false,
            in_handler: false,
            globals: ptr::null_mut(),
            store: ptr::null_mut(),
            owner: ptr::from_mut(&mut *owner).cast(),
            unwound,
            rewind,
            next_signal,
            memory_growing,
            table_growing,
        });
        let store = unsafe { selvedge_store_new(&*linked, &mut *context, ptr::null(), 0) };
        unsafe { selvedge_linked_module_free(linked) };
        Guest { store, context, owner }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        unsafe { selvedge_host_functions_free(self.functions) };
    }
}

struct Guest {
    store: *mut GuestStore,
    context: Box<GuestContext>,
    owner: Box<Owner>,
}

impl Guest {
    fn call(&mut self, name: &str, arguments: &[u64]) -> *mut Fiber {
        let mut fiber = ptr::null_mut();
        let error = unsafe {
            selvedge_fiber_new(
                self.store,
                bytes(name),
                arguments.as_ptr(),
                arguments.len(),
                &mut fiber,
            )
        };
        assert_eq!(message(error), "");
        fiber
    }

    /// One poll of a new call, which must end it: its status, result and error message.
    fn run(&mut self, name: &str, arguments: &[u64]) -> (FiberStatus, u64, String) {
        let fiber = self.call(name, arguments);
        let status = selvedge_fiber_poll(unsafe { &mut *fiber });
        assert_ne!(status, FiberStatus::Suspended);
        let error = message(selvedge_fiber_error(unsafe { &mut *fiber }));
        unsafe { selvedge_fiber_free(fiber) };
        (status, self.context.result, error)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        unsafe { selvedge_store_free(self.store) };
    }
}

#[test]
fn a_call_returns_its_result() {
    let world = World::new();
    let mut guest = world.guest(
        r#"(module (import "t" "log" (func $log (param i32)))
             (func (export "f") (param i32 i64) (result i64)
               (call $log (local.get 0)) (local.get 1)))"#,
    );
    let number = -3i64 as u64;
    assert_eq!(guest.run("f", &[7, number]), (FiberStatus::Finished, number, String::new()));
    assert_eq!(guest.owner.logged, [7]);
}

#[test]
fn a_blocking_call_suspends_until_it_is_ready() {
    let world = World::new();
    let mut guest = world.guest(
        r#"(module (import "t" "wait" (func $wait (param i32) (result i32)))
             (func (export "f") (param i32) (result i32) (call $wait (local.get 0))))"#,
    );
    assert_eq!(guest.run("f", &[0]).1, 5);

    let fiber = guest.call("f", &[1]);
    let poll = || selvedge_fiber_poll(unsafe { &mut *fiber });
    assert_eq!(poll(), FiberStatus::Suspended);
    assert_eq!(guest.context.state, CallState::Pending);
    assert_eq!(poll(), FiberStatus::Suspended);
    guest.context.result = 9;
    guest.context.resumed = true;
    guest.context.state = CallState::Ready;
    assert_eq!(poll(), FiberStatus::Finished);
    assert_eq!(guest.context.result, 9);
    assert!(!guest.context.resumed);
    unsafe { selvedge_fiber_free(fiber) };
}

#[test]
fn a_dropped_fiber_leaves_the_pool_clean() {
    let world = World::new();
    let wat = r#"(module (import "t" "wait" (func $wait (param i32) (result i32)))
                   (memory 1) (func (export "f") (drop (call $wait (i32.const 1)))))"#;
    for _ in 0..20 {
        let mut guest = world.guest(wat);
        let fiber = guest.call("f", &[]);
        assert_eq!(selvedge_fiber_poll(unsafe { &mut *fiber }), FiberStatus::Suspended);
        unsafe { selvedge_fiber_free(fiber) };
    }
    let metrics = crate::metrics::selvedge_engine_pool_metrics(&world.engine);
    assert_eq!((metrics.instances, metrics.stacks, metrics.memories), (0, 0, 0));
}

#[test]
fn the_host_ends_a_guest() {
    let world = World::new();
    let mut guest = world.guest(
        r#"(module (import "t" "end" (func $end (param i32))) (import "t" "log" (func $log (param i32)))
             (func (export "_start") (call $end (i32.const 1)) (call $log (i32.const 1))))"#,
    );
    assert_eq!(guest.run("_start", &[]).0, FiberStatus::Ended);
    assert!(guest.owner.logged.is_empty());
}

#[test]
fn traps_and_exceptions_are_told_apart() {
    let world = World::new();
    let mut guest = world.guest(
        r#"(module (tag $e)
             (func $deep (export "unreachable") unreachable)
             (func $again (export "overflow") (call $again) (call $again))
             (func (export "throw") (throw $e)))"#,
    );
    let (status, _, error) = guest.run("unreachable", &[]);
    assert_eq!(status, FiberStatus::Trapped);
    assert!(error.contains("`unreachable`") && error.contains("deep"), "{error}");
    assert_eq!(guest.run("overflow", &[]).0, FiberStatus::StackExhausted);
    let (status, _, error) = guest.run("throw", &[]);
    assert_eq!(status, FiberStatus::Trapped);
    assert!(error.contains("exception"), "{error}");
}

#[test]
fn the_epoch_interrupts_a_spinning_guest() {
    let world = World::new();
    let mut guest = world.guest(r#"(module (func (export "f") (loop $l (br $l))))"#);
    let fiber = guest.call("f", &[]);
    let engine = &world.engine;
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                selvedge_engine_tick(engine);
                std::thread::yield_now();
            }
        });
        for _ in 0..3 {
            assert_eq!(selvedge_fiber_poll(unsafe { &mut *fiber }), FiberStatus::Suspended);
            assert_eq!(guest.context.state, CallState::Ready);
        }
        guest.context.state = CallState::Ended;
        assert_eq!(selvedge_fiber_poll(unsafe { &mut *fiber }), FiberStatus::Ended);
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    unsafe { selvedge_fiber_free(fiber) };
}

#[test]
fn growth_is_decided_by_the_host() {
    let world = World::new();
    let wat = r#"(module (memory (export "memory") 1 8)
        (import "t" "log" (func $log (param i32))) (table 1 funcref)
        (func (export "grow") (param i32) (result i32)
          (memory.grow (local.get 0)) (call $log (i32.const 0)))
        (func (export "table") (result i32) (table.grow (ref.null func) (i32.const 50))))"#;
    let wat = wat.replacen(r#"(memory (export "memory") 1 8)"#, "", 1).replacen(
        "(table 1",
        r#"(memory (export "memory") 1 8) (table 1"#,
        1,
    );
    let mut guest = world.guest(&wat);
    guest.owner.memory_bytes_max = 4 * 65536;
    assert_eq!(guest.run("grow", &[2]).1, 1);
    assert_eq!(guest.context.memory_size, 3 * 65536);
    assert_eq!(guest.run("grow", &[2]).1 as u32 as i32, -1);
    // Beyond the declared maximum the host is not asked.
    guest.owner.end_on_growth = true;
    assert_eq!(guest.run("grow", &[20]).1 as u32 as i32, -1);
    assert_eq!(guest.run("table", &[]).1 as u32 as i32, -1);
    assert_eq!(guest.run("grow", &[2]).0, FiberStatus::Ended);
}

#[test]
fn the_host_reaches_into_the_guest() {
    let world = World::new();
    let mut guest = world.guest(
        r#"(module (import "t" "reach" (func $reach (param i32) (result i32)))
             (global $g (export "g") (mut i32) (i32.const 41))
             (func (export "add") (param i32) (result i32)
               (i32.add (global.get $g) (local.get 0)))
             (func (export "f") (result i32) (call $reach (i32.const 100))))"#,
    );
    assert_eq!(guest.run("f", &[]).1, 142);
}

#[test]
fn unsatisfied_imports_are_named() {
    let world = World::new();
    let error = |wat| world.link(wat).expect_err("does not link");
    let missing = error(r#"(module (import "a" "b" (func (param i32))))"#);
    assert!(missing.contains(r#""a"."b" (i32) -> nothing"#), "{missing}");
    let other = error(r#"(module (import "t" "log" (func (param f32))))"#);
    assert!(other.contains("as (f32) -> nothing, but it is (i32) -> nothing"), "{other}");
    let memory = error(r#"(module (import "env" "memory" (memory 1)))"#);
    assert!(memory.contains(r#"memory "env"."memory""#), "{memory}");
}

#[test]
fn calls_of_what_is_not_a_fitting_function_are_refused() {
    let world = World::new();
    let guest = world.guest(r#"(module (func (export "f") (param i32)) (memory (export "m") 1))"#);
    for (name, count) in [("absent", 0), ("m", 0), ("f", 0), ("f", 2)] {
        let mut fiber = ptr::null_mut();
        let error = unsafe {
            selvedge_fiber_new(guest.store, bytes(name), [0u64; 2].as_ptr(), count, &mut fiber)
        };
        assert!(message(error).contains(name));
    }
}

#[test]
fn an_unknown_signature_cannot_be_defined() {
    let world = World::new();
    let functions = unsafe { &mut *world.functions };
    for (name, signature) in [("new", "fIfI:f"), ("new", "nonsense"), ("log", "i:")] {
        let error = unsafe {
            selvedge_host_functions_define(
                functions,
                bytes("t"),
                bytes(name),
                bytes(signature),
                false,
                log as *const c_void,
            )
        };
        assert!(message(error).contains(name));
    }
}
