//! Tests of inline.rs.

use wasmtime::{Engine, Instance, Module, Store};

use super::*;
use crate::inspect::FEATURES;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text is correct")
}

fn inlined(wasm: &[u8]) -> Option<Vec<u8>> {
    let output = inline(wasm).ok().expect("the test's own text is correct");
    if let Some(output) = &output {
        let mut validator = wasmparser::Validator::new_with_features(FEATURES);
        if let Err(error) = validator.validate_all(output) {
            panic!("{error}");
        }
    }
    output
}

/// The module must become, byte for byte, the one that `expected` says.
#[track_caller]
fn assert_becomes(text: &str, expected: &str) {
    let output = inlined(&module(text)).expect("a change");
    if output != module(expected) {
        panic!("{:?}", wasmparser_text(&output));
    }
}

fn wasmparser_text(wasm: &[u8]) -> Vec<String> {
    let mut text = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::CodeSectionEntry(body) = payload.unwrap() {
            let operators = body.get_operators_reader().unwrap();
            text.extend(operators.into_iter().map(|operator| format!("{:?}", operator.unwrap())));
        }
    }
    text
}

#[track_caller]
fn assert_unchanged(text: &str) {
    assert!(inlined(&module(text)).is_none());
}

/// What the exported function "run" returns for `argument`, in the module as it is and with functions in place of
/// calls.
#[track_caller]
fn both_return(text: &str, argument: i32) -> i32 {
    let before = module(text);
    let after = inlined(&before).expect("a change");
    assert!(!wasmparser_text(&after).iter().any(|operator| operator.starts_with("Call ")));
    let engine = Engine::default();
    let [first, second] = [before, after].map(|wasm| {
        let module = Module::new(&engine, wasm).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        run.call(&mut store, argument).unwrap()
    });
    assert_eq!(first, second);
    first
}

const TO_LOWER: &str = "(func $lower (param i32) (result i32)
    (select (i32.or (local.get 0) (i32.const 32)) (local.get 0)
        (i32.lt_u (i32.sub (local.get 0) (i32.const 65)) (i32.const 26))))";

#[test]
fn small_function_takes_the_place_of_its_calls() {
    assert_becomes(
        &format!(
            "(module {TO_LOWER}
                (func (param i32 i32) (result i32)
                    (i32.sub (call $lower (local.get 0)) (call $lower (local.get 1)))))"
        ),
        &format!(
            "(module {TO_LOWER}
                (func (param i32 i32) (result i32) (local i32)
                    (local.set 2 (local.get 0))
                    (select (i32.or (local.get 2) (i32.const 32)) (local.get 2)
                        (i32.lt_u (i32.sub (local.get 2) (i32.const 65)) (i32.const 26)))
                    (local.set 2 (local.get 1))
                    (select (i32.or (local.get 2) (i32.const 32)) (local.get 2)
                        (i32.lt_u (i32.sub (local.get 2) (i32.const 65)) (i32.const 26)))
                    i32.sub))"
        ),
    );
}

#[test]
fn early_ends_leave_only_the_function() {
    let text = "(module
        (func $sign (param i32) (result i32)
            (if (i32.lt_s (local.get 0) (i32.const 0)) (then (return (i32.const -1))))
            (drop (br_if 0 (i32.const 0) (i32.eqz (local.get 0))))
            i32.const 1)
        (func (export \"run\") (param i32) (result i32)
            (i32.add (i32.mul (call $sign (local.get 0)) (i32.const 10))
                (call $sign (i32.sub (local.get 0) (i32.const 5))))))";
    for (argument, result) in [(-7, -11), (0, -1), (3, 9), (5, 10), (6, 11)] {
        assert_eq!(both_return(text, argument), result);
    }
}

#[test]
fn locals_are_zero_at_the_begin_of_each_call() {
    let text = "(module
        (func $count (param i32) (result i32) (local i32 i64 f32 f64)
            (local.set 1 (i32.add (local.get 1) (local.get 0)))
            (local.set 2 (i64.add (local.get 2) (i64.const 1)))
            (local.set 3 (f32.add (local.get 3) (f32.const 1)))
            (local.set 4 (f64.add (local.get 4) (f64.const 1)))
            (i32.add (i32.add (local.get 1) (i32.wrap_i64 (local.get 2)))
                (i32.add (i32.trunc_f32_s (local.get 3)) (i32.trunc_f64_s (local.get 4)))))
        (func (export \"run\") (param i32) (result i32) (local i32)
            (loop $again
                (local.set 1 (i32.add (local.get 1) (call $count (i32.const 10))))
                (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
            local.get 1))";
    assert_eq!(both_return(text, 3), 39);
}

#[test]
fn larger_functions_take_the_place_of_calls_in_loops() {
    let padding = "nop ".repeat(SMALL_BYTES_MAX);
    let text = format!(
        "(module
            (func $sum (param i32) (result i32) (local i32)
                {padding}
                (loop $again
                    (local.set 1 (i32.add (local.get 1) (local.get 0)))
                    (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                local.get 1)
            (func (export \"run\") (param i32) (result i32) (local i32)
                (loop $again
                    (local.set 1 (i32.add (local.get 1) (call $sum (local.get 0))))
                    (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
                local.get 1))"
    );
    assert_eq!(both_return(&text, 3), 10);
    assert_unchanged(&format!(
        "(module (func $f {padding}) (func (loop) call $f (block (call $f))))"
    ));
}

#[test]
fn calls_of_other_functions_stay() {
    // What calls, traps, jumps by a table, or leaves its caller.
    for body in ["call $g", "unreachable", "(br_table 0 0 (i32.const 0))", "return_call $g"] {
        assert_unchanged(&format!(
            "(module (import \"m\" \"g\" (func $g)) (func $f {body}) (func (call $f)))"
        ));
    }
    // Imported, recursive, too many locals, two results, a vector, a reference.
    for text in [
        "(module (import \"m\" \"g\" (func $g)) (func (call $g)))",
        "(module (func $f (call $f)))",
        "(module (func $f (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
            i32)) (func (call $f)))",
        "(module (func $f (result i32 i32) i32.const 1 i32.const 2) (func (call $f) drop drop))",
        "(module (func $f (param v128)) (func (call $f (v128.const i64x2 0 0))))",
        "(module (func $f (param funcref)) (func (call $f (ref.null func))))",
    ] {
        assert_unchanged(text);
    }
}

#[test]
fn calls_in_code_that_is_never_reached_are_valid() {
    let text = format!(
        "(module {TO_LOWER} (func (result i32) unreachable call $lower) (func (result i32)
            (block (result i32) (br 0 (i32.const 1)) call $lower)))"
    );
    assert!(inlined(&module(&text)).is_some());
}

#[test]
fn growth_is_bounded() {
    let body = "(drop (i32.const 1000000000))".repeat(5);
    let calls = "(call $f)".repeat(10_000);
    let wasm = module(&format!("(module (func $f {body}) (func {calls}) (func {calls}))"));
    let output = inlined(&wasm).expect("a change");
    assert!(output.len() < wasm.len() * 3 / 2 + MODULE_GROWTH_BYTES + 1024, "{}", output.len());
    let many = "(func (call $f))".repeat(10_000);
    let wasm = module(&format!("(module (func $f {body}) {many})"));
    let output = inlined(&wasm).expect("a change");
    assert!(output.len() < wasm.len() * 3 / 2 + MODULE_GROWTH_BYTES + 1024, "{}", output.len());
}

#[test]
fn function_with_as_many_locals_as_there_may_be_stays() {
    let locals = "i32 ".repeat(50_000);
    assert_unchanged(&format!(
        "(module {TO_LOWER} (func (local {locals})
        (drop (call $lower (i32.const 1)))))"
    ));
}

#[test]
fn sections_that_tell_positions_in_the_code_are_left_out() {
    let text = |extra: &str| {
        format!(
            "(module {TO_LOWER} (func (result i32) (call $lower (i32.const 1)))
                (@custom \"kept\" \"x\") {extra})"
        )
    };
    let plain = inlined(&module(&text(""))).expect("a change");
    for name in [".debug_line", "metadata.code.branch_hint", "reloc.CODE"] {
        let extra = format!("(@custom \"{name}\" \"y\")");
        assert!(inlined(&module(&text(&extra))).expect("a change") == plain, "{name}");
    }
    assert!(plain.windows(4).any(|bytes| bytes == b"kept"));
}

#[test]
fn bytes_that_are_no_module_are_errors_or_unchanged() {
    for text in [
        &b"\0asm\x01\0\0\0\x0a\x04\x01\x02\0\x0b"[..], // a body without a function
        &b"\0asm\x01\0\0\0\x0a\xff"[..],               // truncated
        &b"\0asm\x01\0\0\0\x03\x02\x01\x07\x0a\x04\x01\x02\0\x0b"[..], // no such type
    ] {
        assert!(!matches!(inline(text), Ok(Some(_))));
    }
    let text = module(
        "(module (func $f (param i32) (drop (local.get 0))) (func (call $f (i32.const 0))))",
    );
    for at in 8..text.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut broken = text.clone();
            broken[at] = value;
            let _ = inline(&broken);
        }
    }
}
