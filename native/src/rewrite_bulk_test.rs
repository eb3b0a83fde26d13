//! Tests of rewrite_bulk.rs: what guests see of bulk operations does not change.

use wasmtime::{Caller, Engine, Instance, Linker, Memory, Module, Store, TypedFunc};

use super::BLOCK_BYTES;
use crate::rewrite::{RewriteOptions, rewrite};

const OPTIONS: RewriteOptions = RewriteOptions { shared_memory_pages_max: 65_536, linked: false };
const PAGE: u32 = 65_536;

fn rewritten(text: &str) -> Option<Vec<u8>> {
    let input = wat::parse_str(text).expect("the test's own text is correct");
    match rewrite(&input, &OPTIONS) {
        Ok(output) => output,
        Err(error) => panic!("{}", error.message),
    }
}

struct Guest {
    store: Store<()>,
    memory: Memory,
    fill: TypedFunc<(u32, u32, u32), ()>,
    copy: TypedFunc<(u32, u32, u32), ()>,
}

impl Guest {
    fn new(pages: u32) -> Guest {
        let text = format!(
            "(module
                (memory (export \"memory\") {pages})
                (func (export \"fill\") (param i32 i32 i32)
                    (memory.fill (local.get 0) (local.get 1) (local.get 2)))
                (func (export \"copy\") (param i32 i32 i32)
                    (memory.copy (local.get 0) (local.get 1) (local.get 2))))"
        );
        let wasm = rewritten(&text).expect("a change");
        let engine = Engine::default();
        let module = Module::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let memory = instance.get_memory(&mut store, "memory").unwrap();
        let fill = instance.get_typed_func(&mut store, "fill").unwrap();
        let copy = instance.get_typed_func(&mut store, "copy").unwrap();
        Guest { store, memory, fill, copy }
    }

    fn bytes(&mut self) -> &mut [u8] {
        self.memory.data_mut(&mut self.store)
    }

    /// False: it trapped.
    fn fill(&mut self, to: u32, value: u32, count: u32) -> bool {
        self.fill.call(&mut self.store, (to, value, count)).is_ok()
    }

    fn copy(&mut self, to: u32, from: u32, count: u32) -> bool {
        self.copy.call(&mut self.store, (to, from, count)).is_ok()
    }
}

/// Numbers around the size of a block, in it, and around the end of memory.
fn interesting(pages: u32) -> Vec<u32> {
    let size = pages * PAGE;
    let mut numbers = vec![0, 1, 77, PAGE, size / 2 + 3, u32::MAX, u32::MAX - BLOCK_BYTES];
    for middle in [BLOCK_BYTES, 2 * BLOCK_BYTES, 3 * BLOCK_BYTES, size - BLOCK_BYTES, size] {
        numbers.extend([middle - 1, middle, middle + 1]);
    }
    numbers
}

fn in_bounds(at: u32, count: u32, size: usize) -> bool {
    u64::from(at) + u64::from(count) <= size as u64
}

#[test]
fn fills_and_copies_do_what_the_instructions_do() {
    const PAGES: u32 = 16;
    let mut guest = Guest::new(PAGES);
    let size = (PAGES * PAGE) as usize;
    let start: Vec<u8> = (0..size).map(|at| (at * 7 + at / 251) as u8).collect();
    for &to in &interesting(PAGES) {
        for &count in &interesting(PAGES) {
            let mut expected = start.clone();
            let allowed = in_bounds(to, count, size);
            if allowed {
                expected[to as usize..][..count as usize].fill(0xa5);
            }
            guest.bytes().copy_from_slice(&start);
            assert_eq!(guest.fill(to, 0x1234_56a5, count), allowed, "fill {to} {count}");
            assert!(guest.bytes() == expected.as_slice(), "fill {to} {count}");
        }
    }
    for &to in &interesting(PAGES) {
        for &from in &interesting(PAGES) {
            for count in [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 2 * BLOCK_BYTES + 9, u32::MAX] {
                let mut expected = start.clone();
                let allowed = in_bounds(to, count, size) && in_bounds(from, count, size);
                if allowed {
                    let from = from as usize;
                    expected.copy_within(from..from + count as usize, to as usize);
                }
                guest.bytes().copy_from_slice(&start);
                assert_eq!(guest.copy(to, from, count), allowed, "copy {to} {from} {count}");
                assert!(guest.bytes() == expected.as_slice(), "copy {to} {from} {count}");
            }
        }
    }
}

#[test]
fn the_largest_memory_ends_where_addresses_end() {
    const COUNT: u32 = BLOCK_BYTES + 5;
    let mut guest = Guest::new(65_536);
    let to = (1u64 << 32) - u64::from(COUNT);
    assert!(guest.fill(to as u32, 9, COUNT));
    assert!(guest.bytes()[to as usize..].iter().all(|&byte| byte == 9));
    assert!(guest.copy(to as u32, 0, COUNT));
    assert!(guest.bytes()[to as usize..].iter().all(|&byte| byte == 0));
    assert!(!guest.fill(to as u32, 9, COUNT + 1));
    assert!(!guest.copy(0, to as u32, COUNT + 1));
    assert!(guest.bytes()[to as usize..].iter().all(|&byte| byte == 0));
}

#[test]
fn operations_known_to_be_small_stay() {
    for text in [
        "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144))))",
        "(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 9) (i32.const 16))))",
    ] {
        assert!(rewritten(text).is_none(), "{text}");
    }
    for text in [
        "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 1) (i32.const 262145))))",
        "(module (memory 1) (func (memory.copy (i32.const 0) (i32.const 9) (i32.const -1))))",
        "(module (memory 1) (func (result i32) (i32.const 1)
            (memory.fill (i32.const 0) (i32.const 1) (block (result i32) (i32.const 5)))))",
    ] {
        assert!(rewritten(text).is_some(), "{text}");
    }
}

#[test]
fn works_beside_host_calls_and_signal_handlers() {
    let wasm = rewritten(
        "(module
            (import \"env\" \"f\" (func $f (param i32) (result i32)))
            (memory (export \"memory\") 16)
            (func (export \"__wasm_signal\") (param i32))
            (func (export \"run\") (result i32)
                (memory.fill (i32.const 8) (i32.const 3) (i32.const 600000))
                (memory.copy (i32.const 0) (i32.const 8) (call $f (i32.const 300000)))
                (i32.load8_u (i32.const 0))))",
    )
    .expect("a change");
    let engine = Engine::default();
    let mut linker = Linker::new(&engine);
    let same = |_: Caller<'_, ()>, value: i32| value;
    linker.func_wrap("env", "f", same).unwrap();
    linker.func_wrap("selvedge", "next_signal", || 0).unwrap();
    let mut store = Store::new(&engine, ());
    let module = Module::new(&engine, wasm).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, ()).unwrap(), 3);
}
