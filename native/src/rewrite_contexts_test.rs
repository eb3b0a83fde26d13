//! Tests of rewrite_contexts.rs.

use crate::inspect::FEATURES;
use crate::rewrite::{RewriteOptions, rewrite};

const NO_LIMIT: RewriteOptions = RewriteOptions { shared_memory_pages_max: 65_536, linked: false };
const CREATE: &str =
    r#"(import "wasix_32v1" "context_create" (func (param i32 i32) (result i32)))"#;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text is correct")
}

fn rewritten(text: &str) -> Option<Vec<u8>> {
    let output = match rewrite(&module(text), &NO_LIMIT) {
        Ok(output) => output?,
        Err(error) => panic!("{}", error.message),
    };
    let mut validator = wasmparser::Validator::new_with_features(FEATURES);
    if let Err(error) = validator.validate_all(&output) {
        panic!("{error}");
    }
    Some(output)
}

fn text_of(wasm: &[u8], name: &str) -> bool {
    wasm.windows(name.len()).any(|window| window == name.as_bytes())
}

#[track_caller]
fn assert_becomes(text: &str, expected: &str) {
    let output = rewritten(text).expect("the module needs a change");
    assert!(output == module(expected), "{output:?}\n{:?}", module(expected));
}

#[test]
fn a_program_with_contexts_begins_once_and_exports_its_table() {
    assert_becomes(
        &format!(
            r#"(module
            (type (func (param i32 i32) (result i32)))
            (type (func))
            {CREATE}
            (table 2 funcref)
            (memory 1 2)
            (global (mut i32) (i32.const 5))
            (start 1)
            (elem (i32.const 1) func 1)
            (func (type 1) nop)
            (data (i32.const 8) "abc")
            (data "passive")
            (data (i32.const 16) "d"))"#
        ),
        r#"(module
            (type (func (param i32 i32) (result i32)))
            (type (func))
            (type (func (result i32)))
            (type (func))
            (import "wasix_32v1" "context_create" (func (type 0)))
            (import "selvedge" "begins" (func (type 2)))
            (import "selvedge" "memory" (memory 1 2 shared))
            (table 2 funcref)
            (global (mut i32) (i32.const 5))
            (export "selvedge.memory" (memory 0))
            (export "selvedge.contexts" (table 0))
            (export "selvedge.global.0" (global 0))
            (start 3)
            (elem (i32.const 1) func 2)
            (func (type 1) nop)
            (func (type 3)
                call 1
                if
                    i32.const 8
                    i32.const 0
                    i32.const 3
                    memory.init 0
                    data.drop 0
                    i32.const 16
                    i32.const 0
                    i32.const 1
                    memory.init 2
                    data.drop 2
                    call 2
                end)
            (data "abc")
            (data "passive")
            (data "d"))"#,
    );
}

#[test]
fn a_start_section_and_a_count_of_data_are_added_in_order() {
    assert_becomes(
        &format!(
            r#"(module
            (type (func (param i32 i32) (result i32)))
            (type (func))
            {CREATE}
            (import "env" "memory" (memory 1 2 shared))
            (table 1 funcref)
            (func (type 1))
            (data (i32.const 0) "x"))"#
        ),
        r#"(module
            (type (func (param i32 i32) (result i32)))
            (type (func))
            (type (func (result i32)))
            (type (func))
            (import "wasix_32v1" "context_create" (func (type 0)))
            (import "env" "memory" (memory 1 2 shared))
            (import "selvedge" "begins" (func (type 2)))
            (table 1 funcref)
            (export "selvedge.memory" (memory 0))
            (export "selvedge.contexts" (table 0))
            (start 3)
            (func (type 1))
            (func (type 3)
                call 1
                if
                    i32.const 0
                    i32.const 0
                    i32.const 1
                    memory.init 0
                    data.drop 0
                end)
            (data "x"))"#,
    );
}

#[test]
fn without_active_data_the_data_section_is_copied() {
    let output = rewritten(&format!(
        r#"(module {CREATE} (memory 1 2) (table 1 funcref) (func) (data "only passive"))"#
    ));
    let output = output.expect("a change");
    assert!(text_of(&output, "selvedge.contexts") && text_of(&output, "only passive"));
}

#[test]
fn the_export_is_left_out_where_instances_could_differ() {
    let globals = "(global (mut i32) (i32.const 0))".repeat(super::CONTEXT_GLOBALS_MAX + 1);
    let load = r#"(import "wasix_32v1" "dlopen"
        (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))"#;
    for body in [
        // A table that the code changes.
        "(memory 1 2) (table 1 funcref) (func (table.set (i32.const 0) (ref.null func)))"
            .to_owned(),
        "(memory 1 2) (table 1 funcref)
            (func (drop (table.grow (ref.null func) (i32.const 1))))"
            .to_owned(),
        // No table, no memory.
        "(memory 1 2) (func)".to_owned(),
        "(table 1 funcref) (func)".to_owned(),
        // The libraries that it loads want a memory that is not shared.
        format!("{load} (memory 1 2) (table 1 funcref) (func)"),
        format!("(memory 1 2) (table 1 funcref) (func) {globals}"),
    ] {
        let output = rewritten(&format!("(module {CREATE} {body})"));
        assert!(!output.is_some_and(|output| text_of(&output, "selvedge.contexts")), "{body}");
    }
}

#[test]
fn programs_without_contexts_are_not_touched() {
    let same = r#"(module (import "m" "context_create" (func (param i32 i32) (result i32)))
        (memory 1 2) (table 1 funcref) (func) (data (i32.const 0) "x"))"#;
    assert!(rewritten(same).is_none());
}
