use super::*;

/// As `wasm-ld -shared --shared-memory` writes it.
const LIBRARY: &str = r#"(module
  (import "env" "memory" (memory 1 100 shared))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "other" (func))
  (global $errors (mut i32) (i32.const 0))
  (global $base (mut i32) (i32.const 0))
  (func $set (param i32) (global.set $base (local.get 0)))
  (func $prepare (param i32)
    (global.set $base (local.get 0))
    (memory.init 1 (local.get 0) (i32.const 0) (i32.const 12)))
  (func $start (local i32)
    (block (br_if 0 (i32.atomic.rmw.cmpxchg (global.get $memory) (i32.const 0) (i32.const 1)))
      (local.set 0 (global.get $memory))
      (global.set $base (local.get 0))
      (memory.init 1 (local.get 0) (i32.const 0) (i32.const 12))
      (memory.init 0 (i32.const 100) (i32.const 0) (i32.const 2))))
  (start $start)
  (data $others "ab")
  (data $variables "abcdefghijkl"))"#;

fn found(text: &str) -> Option<ThreadLocal> {
    find(&wat::parse_str(text).expect("valid text")).expect("a module")
}

#[test]
fn block_of_the_start_function_and_the_function_that_does_the_same_for_others() {
    let expected = ThreadLocal { base: 2, size: 12, initializer: Some(2), segment: 1 };
    assert_eq!(found(LIBRARY), Some(expected));
    let alone = LIBRARY.replace("(func $prepare (param i32)", "(func $prepare (param i64 i32)");
    let alone = alone.replace("(global.set $base (local.get 0))\n    (mem", "(mem");
    let alone = alone.replace(
        "(memory.init 1 (local.get 0) (i32.const 0)",
        "(memory.init 1 (i32.const 8) (i32.const 0)",
    );
    assert_eq!(found(&alone), Some(ThreadLocal { initializer: None, ..expected }));
}

#[test]
fn without_threads_or_variables_there_is_none() {
    assert_eq!(found("(module)"), None);
    assert_eq!(found(&LIBRARY.replace("(memory 1 100 shared)", "(memory 1 100)")), None);
    assert_eq!(found(&LIBRARY.replace("(start $start)", "")), None);
    let none = LIBRARY.replace("(global.set $base (local.get 0))", "");
    assert_eq!(found(&none), None);
    assert_eq!(found(r#"(module (import "env" "begin" (func $begin)) (start $begin))"#), None);
}

#[test]
fn modules_that_are_cut_are_read_to_their_end_or_refused() {
    let library = wat::parse_str(LIBRARY).expect("valid text");
    for size in 0..library.len() {
        if let Ok(Some(found)) = find(&library[..size]) {
            assert_eq!((found.base, found.size), (2, 12), "{size}");
        }
    }
}
