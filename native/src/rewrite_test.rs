//! Tests of rewrite.rs.

use super::*;

use wasmparser::{Parser, Payload, Validator};

const NO_LIMIT: RewriteOptions = RewriteOptions { shared_memory_pages_max: 65_536, linked: false };

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text is correct")
}

fn validate(wasm: &[u8]) {
    if let Err(error) = Validator::new_with_features(FEATURES).validate_all(wasm) {
        panic!("{error}");
    }
}

#[track_caller]
fn rewritten(text: &str) -> Vec<u8> {
    let input = module(text);
    validate(&input);
    let output = match rewrite(&input, &NO_LIMIT) {
        Ok(output) => output.expect("the module needs a change"),
        Err(error) => panic!("{}", error.message),
    };
    validate(&output);
    output
}

/// The rewritten module must equal, byte for byte, the module that `expected` says.
#[track_caller]
fn assert_becomes(text: &str, expected: &str) {
    let output = rewritten(text);
    assert!(output == module(expected), "{}", describe(&output));
}

fn describe(wasm: &[u8]) -> String {
    let mut text = String::new();
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.unwrap() {
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader().unwrap() {
                    text += &format!("    {:?}\n", operator.unwrap());
                }
            }
            payload => text += &format!("{payload:?}\n"),
        }
    }
    text
}

#[track_caller]
fn assert_unchanged(wasm: &[u8]) {
    match rewrite(wasm, &NO_LIMIT) {
        Ok(output) => assert!(output.is_none()),
        Err(error) => panic!("{}", error.message),
    }
}

#[test]
fn modules_that_need_nothing_are_not_touched() {
    for text in [
        "(module)",
        "(module (memory 1) (global i32 (i32.const 1)) (func (export \"f\") (param i32) nop))",
        "(module (import \"env\" \"memory\" (memory 1 2 shared))
            (func (result i32) i32.const 0 i32.atomic.load))",
        "(module (import \"env\" \"g\" (global (mut i32))))",
    ] {
        assert_unchanged(&module(text));
    }
}

#[test]
fn bytes_that_look_like_a_wait_are_no_wait() {
    // i64.const with the bytes 0xfe 0x01 inside.
    assert_unchanged(&module("(module (func (result i64) i64.const 254))"));
    // The same bytes in data, outside the code.
    assert_unchanged(&module("(module (memory 1) (data (i32.const 0) \"\\fe\\00\\fe\\01\"))"));
}

#[test]
fn mutable_globals_are_exported_under_reserved_names() {
    assert_becomes(
        "(module
            (import \"env\" \"a\" (global (mut i32)))
            (import \"env\" \"b\" (global i32))
            (global (mut i32) (i32.const 1))
            (global i64 (i64.const 2))
            (global (export \"own\") (mut f64) (f64.const 3))
            (func (export \"f\")))",
        "(module
            (import \"env\" \"a\" (global (mut i32)))
            (import \"env\" \"b\" (global i32))
            (global (mut i32) (i32.const 1))
            (global i64 (i64.const 2))
            (global (export \"own\") (mut f64) (f64.const 3))
            (func (export \"f\"))
            (export \"selvedge.global.2\" (global 2))
            (export \"selvedge.global.4\" (global 4)))",
    );
}

#[test]
fn missing_export_section_is_added_in_order() {
    assert_becomes(
        "(module (func $s) (global (mut i32) (i32.const 1)) (start $s)
            (table 1 funcref) (elem (i32.const 0) $s))",
        "(module (func $s) (global (mut i32) (i32.const 1)) (start $s)
            (table 1 funcref) (elem (i32.const 0) $s) (export \"selvedge.global.0\" (global 0)))",
    );
    assert_becomes(
        "(module (global (mut i32) (i32.const 1)))",
        "(module (global (mut i32) (i32.const 1)) (export \"selvedge.global.0\" (global 0)))",
    );
}

#[test]
fn sections_without_a_change_stay_byte_for_byte() {
    let mut input = module("(module (global (mut i32) (i32.const 1)) (func (export \"f\")))");
    // A custom section whose size is written in five bytes instead of one.
    let odd = [0, 0x86, 0x80, 0x80, 0x80, 0, 1, b'x', 1, 2, 3, 4];
    input.extend_from_slice(&odd);
    validate(&input);
    let output = rewrite(&input, &NO_LIMIT).ok().flatten().expect("a change");
    assert!(output.ends_with(&odd));
    validate(&output);
}

#[test]
fn waits_become_host_calls_and_indices_move_everywhere() {
    assert_becomes(
        "(module $names
            (type $callback (func (param i32) (result i32)))
            (import \"env\" \"memory\" (memory 1 2 shared))
            (import \"env\" \"before\" (func $before))
            (table $table 4 funcref)
            (global $reference funcref (ref.func $run))
            (export \"run\" (func $run))
            (start $start)
            (elem (i32.const 0) func $run $other $before)
            (elem declare funcref (ref.func $other))
            (func $start call $before)
            (func $run (param $address i32) (result i32)
                (drop (ref.func $other))
                (drop (call $other (i32.const 1)))
                (memory.atomic.wait32 offset=0xfffffffc
                    (local.get $address) (i32.const 5) (i64.const -1))
                (memory.atomic.wait64 offset=8 (local.get $address) (i64.const 6) (i64.const 7))
                i32.add
                (memory.atomic.notify (local.get $address) (i32.const 9))
                i32.add)
            (func $other (param i32) (result i32)
                (call_indirect (type $callback) (local.get 0) (i32.const 0))
                return_call $run))",
        "(module $names
            (type $callback (func (param i32) (result i32)))
            (type (func))
            (type (func (param i32 i32 i64 i32) (result i32)))
            (type (func (param i32 i64 i64 i32) (result i32)))
            (type (func (param i32 i32 i32) (result i32)))
            (import \"env\" \"memory\" (memory 1 2 shared))
            (import \"env\" \"before\" (func $before))
            (import \"selvedge\" \"memory_atomic_wait32\" (func (type 2)))
            (import \"selvedge\" \"memory_atomic_wait64\" (func (type 3)))
            (import \"selvedge\" \"memory_atomic_notify\" (func (type 4)))
            (table $table 4 funcref)
            (global $reference funcref (ref.func $run))
            (export \"run\" (func $run))
            (export \"selvedge.memory\" (memory 0))
            (start $start)
            (elem (i32.const 0) func $run $other $before)
            (elem declare funcref (ref.func $other))
            (func $start call $before)
            (func $run (param $address i32) (result i32)
                (drop (ref.func $other))
                (drop (call $other (i32.const 1)))
                (call 1 (local.get $address) (i32.const 5) (i64.const -1) (i32.const 0xfffffffc))
                (call 2 (local.get $address) (i64.const 6) (i64.const 7) (i32.const 8))
                i32.add
                (call 3 (local.get $address) (i32.const 9) (i32.const 0))
                i32.add)
            (func $other (param i32) (result i32)
                (call_indirect (type $callback) (local.get 0) (i32.const 0))
                return_call $run))",
    );
}

// Without names, so that there is no name section to compare.
#[test]
fn imports_of_a_module_that_handles_signals_get_wrappers() {
    assert_becomes(
        r#"(module
            (type (func (param i32 i64) (result i32)))
            (type (func (param i32)))
            (type (func))
            (import "m" "f" (func (type 0)))
            (import "m" "v" (func (type 2)))
            (table 1 funcref)
            (export "__wasm_signal" (func 2))
            (export "f" (func 0))
            (elem (i32.const 0) func 1)
            (func (type 1) (call 1))
            (func (type 2) (drop (call 0 (i32.const 1) (i64.const 2)))))"#,
        r#"(module
            (type (func (param i32 i64) (result i32)))
            (type (func (param i32)))
            (type (func))
            (type (func (result i32)))
            (import "m" "f" (func (type 0)))
            (import "m" "v" (func (type 2)))
            (import "selvedge" "next_signal" (func (type 3)))
            (table 1 funcref)
            (export "__wasm_signal" (func 3))
            (export "f" (func 5))
            (elem (i32.const 0) func 6)
            (func (type 1) (call 6))
            (func (type 2) (drop (call 5 (i32.const 1) (i64.const 2))))
            (func (type 0) (local i32)
                local.get 0
                local.get 1
                call 0
                loop
                    call 2
                    local.tee 2
                    if
                        local.get 2
                        call 3
                        br 1
                    end
                end)
            (func (type 2) (local i32)
                call 1
                loop
                    call 2
                    local.tee 0
                    if
                        local.get 0
                        call 3
                        br 1
                    end
                end))"#,
    );
}

#[test]
fn wrappers_of_a_module_with_asyncify_go_on_in_handlers() {
    assert_becomes(
        r#"(module
            (type (func (param i32) (result i32)))
            (type (func (param i32)))
            (type (func (result i32)))
            (import "m" "f" (func (type 0)))
            (import "m" "v" (func (type 1)))
            (export "__wasm_signal" (func 2))
            (export "asyncify_get_state" (func 3))
            (func (type 1))
            (func (type 2) i32.const 0))"#,
        r#"(module
            (type (func (param i32) (result i32)))
            (type (func (param i32)))
            (type (func (result i32)))
            (type (func (result i32)))
            (type (func (result i32)))
            (type (func (result i32)))
            (type (func (param i32 i32) (result i32)))
            (import "m" "f" (func (type 0)))
            (import "m" "v" (func (type 1)))
            (import "selvedge" "next_signal" (func (type 3)))
            (import "selvedge" "handler_to_resume" (func (type 4)))
            (import "selvedge" "resumed_result" (func (type 5)))
            (import "selvedge" "handler_unwound" (func (type 6)))
            (export "__wasm_signal" (func 6))
            (export "asyncify_get_state" (func 7))
            (func (type 1))
            (func (type 2) i32.const 0)
            (func (type 0) (local i32 i32)
                (if (i32.eq (call 7) (i32.const 2)) (then (local.set 1 (call 3))))
                (if (local.get 1)
                    (then (local.set 2 (call 4)))
                    (else (local.set 2 (call 0 (local.get 0))) (local.set 1 (call 2))))
                (loop
                    (if (local.get 1)
                        (then
                            (call 6 (local.get 1))
                            (if (i32.eq (call 7) (i32.const 1))
                                (then (drop (call 5 (local.get 1) (local.get 2))))
                                (else (local.set 1 (call 2)) (br 2))))))
                (local.get 2))
            (func (type 1) (local i32 i32)
                (if (i32.eq (call 7) (i32.const 2)) (then (local.set 1 (call 3))))
                (if (local.get 1)
                    (then)
                    (else (call 1 (local.get 0)) (local.set 1 (call 2))))
                (loop
                    (if (local.get 1)
                        (then
                            (call 6 (local.get 1))
                            (if (i32.eq (call 7) (i32.const 1))
                                (then (drop (call 5 (local.get 1) (i32.const 0))))
                                (else (local.set 1 (call 2)) (br 2))))))))"#,
    );
}

#[test]
fn names_stay_in_order_when_imported_functions_get_wrappers() {
    let output = rewritten(
        r#"(module
            (import "m" "f" (func $imported))
            (func $handler (export "__wasm_signal") (param i32) call $imported))"#,
    );
    let mut functions = Vec::new();
    for payload in Parser::new(0).parse_all(&output) {
        let Payload::CustomSection(section) = payload.unwrap() else { continue };
        let KnownCustom::Name(names) = section.as_known() else { continue };
        for name in names {
            let Name::Function(map) = name.unwrap() else { continue };
            functions
                .extend(map.into_iter().map(|naming| naming.map(|n| (n.index, n.name)).unwrap()));
        }
    }
    assert_eq!(functions, [(2, "handler"), (3, "imported")]);
}

#[test]
fn growing_a_shared_memory_asks_the_host_and_another_does_not() {
    assert_becomes(
        r#"(module
            (type (func (param i32) (result i32)))
            (import "env" "memory" (memory 1 2 shared))
            (export "f" (func 0))
            (func (type 0) local.get 0 memory.grow))"#,
        r#"(module
            (type (func (param i32) (result i32)))
            (type (func (param i32) (result i32)))
            (import "env" "memory" (memory 1 2 shared))
            (import "selvedge" "memory_grow" (func (type 1)))
            (export "f" (func 1))
            (export "selvedge.memory" (memory 0))
            (func (type 0) local.get 0 call 0))"#,
    );
    assert_unchanged(&module(
        "(module (memory 1 2) (func (param i32) (result i32) local.get 0 memory.grow))",
    ));
}

#[test]
fn the_memory_of_a_module_that_forks_is_imported() {
    assert_becomes(
        r#"(module
            (import "wasix_32v1" "proc_fork" (func (param i32 i32) (result i32)))
            (memory (export "memory") 2)
            (data (i32.const 8) "x"))"#,
        r#"(module
            (import "wasix_32v1" "proc_fork" (func (param i32 i32) (result i32)))
            (import "selvedge" "memory" (memory 2 65536 shared))
            (export "memory" (memory 0))
            (data (i32.const 8) "x"))"#,
    );
    // Only of one that forks, and not one that is imported already.
    assert_unchanged(&module(
        r#"(module (import "m" "proc_fork" (func (param i32 i32) (result i32))) (memory 2))"#,
    ));
    assert_unchanged(&module(
        r#"(module (import "wasix_32v1" "proc_fork" (func (param i32 i32) (result i32)))
            (import "env" "memory" (memory 2 3 shared)))"#,
    ));
}

#[test]
fn a_handler_of_another_type_or_an_imported_one_changes_nothing() {
    assert_unchanged(&module(
        r#"(module (import "m" "f" (func)) (func (export "__wasm_signal") (param i64)))"#,
    ));
    assert_unchanged(&module(
        r#"(module (import "m" "f" (func $f (param i32))) (export "__wasm_signal" (func $f)))"#,
    ));
    assert_unchanged(&module(r#"(module (func (export "__wasm_signal") (param i32)))"#));
}

#[test]
fn missing_import_section_is_added_in_order() {
    assert_becomes(
        "(module (memory 1) (func (export \"f\") (result i32)
            (memory.atomic.notify offset=4 (i32.const 0) (i32.const 1))))",
        "(module
            (type (func (result i32)))
            (type (func (param i32 i32 i32) (result i32)))
            (import \"selvedge\" \"memory_atomic_notify\" (func (type 1)))
            (memory 1)
            (func (export \"f\") (result i32)
                (call 0 (i32.const 0) (i32.const 1) (i32.const 4)))
            (export \"selvedge.memory\" (memory 0)))",
    );
}

#[test]
fn waits_in_unreachable_code_stay_valid() {
    rewritten(
        "(module (memory 1) (func (result i32)
            unreachable memory.atomic.wait32 drop memory.atomic.wait64 i32.const 1
            memory.atomic.notify drop memory.atomic.notify))",
    );
}

#[test]
fn custom_sections_with_positions_in_the_code_go_and_others_stay() {
    let text = "(module (memory 1)
        (func (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1)))
        (@custom \".debug_info\" \"x\") (@custom \"metadata.code.branch_hint\" \"\\00\")
        (@custom \"producers\" \"\\00\") (@custom \"mine\" \"abc\"))";
    let names = |wasm: &[u8]| -> Vec<String> {
        Parser::new(0)
            .parse_all(wasm)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(custom) => Some(custom.name().to_owned()),
                _ => None,
            })
            .collect()
    };
    assert_eq!(names(&rewritten(text)), ["producers", "mine"]);
    let copied = text.replace("memory.atomic.notify", "i32.add");
    let copied = copied.replace("(memory 1)", "(memory 1) (global (mut i32) (i32.const 1))");
    assert_eq!(
        names(&rewritten(&copied)),
        [".debug_info", "metadata.code.branch_hint", "producers", "mine"]
    );
}

#[test]
fn unreadable_name_section_is_dropped_when_functions_move() {
    let mut input = module(
        "(module (memory 1)
            (func (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1))))",
    );
    input.extend_from_slice(&[0, 8, 4, b'n', b'a', b'm', b'e', 1, 0x7f, 9]);
    validate(&input);
    let output = rewrite(&input, &NO_LIMIT).ok().flatten().expect("a change");
    validate(&output);
    assert!(!output.windows(4).any(|window| window == b"name"));
}

#[test]
fn shared_memory_maximum_is_lowered() {
    let options = RewriteOptions { shared_memory_pages_max: 100, linked: false };
    let apply = |text: &str| {
        let output = rewrite(&module(text), &options).ok().flatten().expect("a change");
        validate(&output);
        output
    };
    let imported = |most: u32| {
        format!(
            "(module (import \"a\" \"f\" (func))
                (import \"env\" \"memory\" (memory 1 {most} shared))
                (func (export \"f\") call 0))"
        )
    };
    assert_eq!(apply(&imported(65_536)), module(&imported(100)));
    let defined = |most: u32| format!("(module (memory 2 {most} shared) (func (export \"f\")))");
    assert_eq!(apply(&defined(101)), module(&defined(100)));
    let both = |most: u32, call: &str, extra: &str, export: &str| {
        format!(
            "(module (type (func (result i32))) {extra}
                (import \"env\" \"memory\" (memory 1 {most} shared)) {}
                (func (type 0) i32.const 0 i32.const 1 {call}) {export})",
            if extra.is_empty() {
                ""
            } else {
                "(import \"selvedge\" \"memory_atomic_notify\" (func (type 1)))"
            }
        )
    };
    assert_eq!(
        apply(&both(65_536, "memory.atomic.notify offset=16", "", "")),
        module(&both(
            100,
            "i32.const 16 call 0",
            "(type (func (param i32 i32 i32) (result i32)))",
            "(export \"selvedge.memory\" (memory 0))"
        ))
    );
    for text in [imported(100), imported(99), defined(100)] {
        assert!(matches!(rewrite(&module(&text), &options), Ok(None)));
    }
    let error = rewrite(&module("(module (memory 101 200 shared))"), &options).err().unwrap();
    assert_eq!(error.kind, NativeErrorKind::Invalid);
    assert!(error.message.contains("101 pages"), "{}", error.message);
}

#[test]
fn reserved_names_are_refused() {
    for text in [
        "(module (func (export \"selvedge.memory\")))",
        "(module (import \"selvedge\" \"memory_atomic_notify\" (func)))",
    ] {
        let error = rewrite(&module(text), &NO_LIMIT).expect_err("refused");
        assert_eq!(error.kind, NativeErrorKind::Invalid);
        assert!(error.message.contains("reserved"), "{}", error.message);
    }
}

#[test]
fn malformed_input_is_an_error() {
    let input = module(
        "(module (memory 1) (global (mut i32) (i32.const 1))
            (func (export \"f\") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1))))",
    );
    for size in 0..input.len() {
        let _ = rewrite(&input[..size], &NO_LIMIT);
    }
    for position in 8..input.len() {
        let mut broken = input.clone();
        broken[position] ^= 0xff;
        let _ = rewrite(&broken, &NO_LIMIT);
    }
    assert!(rewrite(&input[..4], &NO_LIMIT).is_err());
}

#[test]
fn c_interface_returns_null_for_no_change() {
    let mut out = std::ptr::dangling_mut::<Buffer>();
    unsafe {
        let plain = module("(module)");
        assert!(selvedge_module_rewrite(Bytes::borrowed(&plain), &NO_LIMIT, &mut out).is_null());
        assert!(out.is_null());
        let global = module("(module (global (mut i32) (i32.const 1)))");
        assert!(selvedge_module_rewrite(Bytes::borrowed(&global), &NO_LIMIT, &mut out).is_null());
        validate(crate::buffer::selvedge_buffer_bytes(&*out).as_slice());
        crate::buffer::selvedge_buffer_free(out);
    }
}

#[test]
fn small_functions_take_the_place_of_calls_after_all_else() {
    let text = "(module (memory 1 2 shared) (func $small (param i32))
        (func (drop (memory.atomic.notify (i32.const 0) (i32.const 0))) (call $small (i32.const 1))))";
    let prepared = prepare(&module(text), &NO_LIMIT).ok().flatten().expect("a change");
    validate(&prepared);
    let text = describe(&prepared);
    assert!(text.contains("Call { function_index: 0 }") && text.contains("LocalSet"), "{text}");
    assert!(!text.contains("Call { function_index: 1 }"), "{text}");
}

#[test]
fn functions_can_move_in_a_module_without_any_section() {
    let output = rewrite_all(&module("(module)"), &NO_LIMIT).expect("a change");
    validate(&output);
    let output = rewrite_all(&module("(module (memory 1))"), &NO_LIMIT).expect("a change");
    validate(&output);
}

/// A small generator, the same on every machine (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    /// Changes, removes or doubles a few bytes behind the header.
    fn mutate(&mut self, wasm: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            if wasm.len() <= HEADER_SIZE {
                return;
            }
            let at = HEADER_SIZE + self.below(wasm.len() - HEADER_SIZE);
            match self.below(4) {
                0 => wasm[at] ^= 1 << self.below(8),
                1 => wasm[at] = self.below(256) as u8,
                2 => drop(wasm.remove(at)),
                _ => wasm.insert(at, wasm[at]),
            }
        }
    }
}

/// Where the corpus of the fuzzer lies; its files are modules of all kinds.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/engine_module_info_fuzz");

#[test]
fn mutated_modules_that_pass_inspection_are_valid_when_rewritten() {
    const ROUNDS: usize = 1_000;
    let seed = std::env::var("SELVEDGE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or(0x5e1_7ed6e);
    println!("SELVEDGE_TEST_SEED={seed}");
    let mut numbers = Numbers(seed);
    let options = RewriteOptions { shared_memory_pages_max: 256, linked: false };
    let (mut passed, mut changed) = (0, 0);
    let mut files: Vec<_> =
        std::fs::read_dir(CORPUS).expect("the corpus").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let wasm = std::fs::read(&file).unwrap();
        for round in 0..ROUNDS {
            let mut mutated = wasm.clone();
            if round > 0 {
                numbers.mutate(&mut mutated);
            }
            let outcome = prepare(&mutated, &options);
            let mut info = std::ptr::null_mut();
            let error = unsafe {
                crate::inspect::selvedge_module_inspect(Bytes::borrowed(&mutated), false, &mut info)
            };
            unsafe {
                crate::inspect::selvedge_module_info_free(info);
                crate::error::selvedge_error_free(error);
            }
            if !error.is_null() {
                continue;
            }
            passed += 1;
            if let Some(output) = rewrite_all(&mutated, &options) {
                validate(&output);
            }
            if let Ok(Some(output)) = outcome {
                validate(&output);
                changed += 1;
            }
        }
    }
    println!("{passed} mutated modules passed, {changed} were rewritten");
    assert!(passed > 500 && changed > 80, "{passed} passed, {changed} were rewritten");
}

const DYNAMIC: &str = r#"(module
  (type $plain (func))
  (import "wasix_32v1" "dlsym" (func (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasix_32v1" "dlopen" (func RESULT))
  (table 1 2 funcref)
  (elem (i32.const 0) 1)
  (func (export "run") (call_indirect (type $plain) (i32.const 0))))"#;

#[test]
fn programs_that_load_libraries_get_an_open_table() {
    let output = rewritten(&DYNAMIC.replace("RESULT", "(result i32)"));
    let text = describe(&output);
    let tables = Parser::new(0).parse_all(&output).find_map(|payload| match payload.unwrap() {
        Payload::TableSection(tables) => tables.into_iter().next(),
        _ => None,
    });
    assert_eq!(tables.unwrap().unwrap().ty.maximum, None);
    for name in [TABLE_EXPORT, "next_initializer", "dlopen_result", "call_argument"] {
        assert!(String::from_utf8_lossy(&output).contains(name), "{name}");
    }
    assert!(text.contains("CallIndirect { type_index: 6, table_index: 0 }"), "{text}");
}

#[test]
fn loading_functions_of_another_type_are_left_for_the_linker_to_refuse() {
    let output = rewritten(&DYNAMIC.replace("RESULT", ""));
    assert!(!describe(&output).contains("type_index: 6"));
}

#[test]
fn start_function_of_a_library_becomes_an_export() {
    assert_becomes(
        r#"(module (@dylink.0 (mem-info (memory 0 0) (table 0 0))) (func $start) (start $start))"#,
        r#"(module (@dylink.0 (mem-info (memory 0 0) (table 0 0))) (func $start (export "selvedge.start")))"#,
    );
}

#[test]
fn library_with_shared_memory_has_passive_data() {
    let text = r#"(module (@dylink.0 (mem-info (memory 0 0) (table 0 0)))
        (import "env" "memory" (memory 1 2 shared)) (data (i32.const 0) "x"))"#;
    let error = rewrite(&module(text), &NO_LIMIT).expect_err("refused");
    assert!(error.message.contains("--shared-memory"), "{}", error.message);
}
