//! Tests of inspect.rs.

use super::*;

fn module(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the test's own text is correct")
}

fn refusal(wasm: &[u8]) -> NativeError {
    inspect(wasm, false).err().expect("the module is refused")
}

#[track_caller]
fn assert_refused(wasm: &[u8], kind: NativeErrorKind, parts: &[&str]) {
    let error = refusal(wasm);
    for part in parts {
        assert!(error.message.contains(part), "{part:?} is not in {:?}", error.message);
    }
    assert_eq!(error.kind, kind, "{}", error.message);
    assert!(!error.message.contains('\n') && !error.message.ends_with('.'), "{}", error.message);
}

#[test]
fn imports_and_exports_are_listed_with_signatures_and_offsets() {
    let wasm = module(
        r#"(module
            (import "env" "memory" (memory 1))
            (import "host" "add" (func (param i32 i64 f32 f64 v128) (result i32)))
            (import "host" "limit" (global i32))
            (table (export "table") 1 funcref)
            (func (export "run") (param i64) (result i64) local.get 0)
            (func (export "take") (param funcref)))"#,
    );
    let info = inspect(&wasm, false).ok().expect("valid");
    let imports: Vec<_> = info
        .imports
        .iter()
        .map(|import| (&*import.module, &*import.name, &*import.signature, import.kind))
        .collect();
    assert_eq!(
        imports,
        [
            ("env", "memory", "", InspectedKind::Memory),
            ("host", "add", "iIfFV:i", InspectedKind::Function),
            ("host", "limit", "", InspectedKind::Global),
        ]
    );
    for import in &info.imports {
        let encoded = [&[import.module.len() as u8], import.module.as_bytes()].concat();
        assert!(wasm[import.offset..].starts_with(&encoded), "offset of {}", import.name);
    }
    let exports: Vec<_> = info
        .exports
        .iter()
        .map(|export| (&*export.name, &*export.signature, export.kind))
        .collect();
    assert_eq!(
        exports,
        [
            ("table", "", InspectedKind::Table),
            ("run", "I:I", InspectedKind::Function),
            ("take", "?:", InspectedKind::Function),
        ]
    );
}

#[test]
fn other_files_are_named() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "empty"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\0webc001", "WebC"),
        (b"PK\x03\x04zzzz", "zip"),
        (b"  (module)", "WebAssembly text"),
        (b";; comment\n(module)", "WebAssembly text"),
        (b"#!/bin/sh\n", "script"),
        (b"<!doctype html>", "HTML"),
        (b"<?php echo 1;", "PHP"),
        (b"hello world", "looks like text"),
        (b"\x01\x02\x03\x04\x05\x06\x07\x08", "magic number"),
        (b"   ", "magic number"),
    ];
    for (bytes, part) in cases {
        assert_refused(bytes, NativeErrorKind::Invalid, &["not a WebAssembly module", part]);
    }
}

#[test]
fn components_and_other_versions_are_unsupported() {
    assert_refused(
        b"\0asm\x0d\x00\x01\x00",
        NativeErrorKind::Unsupported,
        &["component", "not supported yet"],
    );
    assert_refused(b"\0asm\x02\x00\x00\x00", NativeErrorKind::Unsupported, &["version 2"]);
}

#[test]
fn every_truncation_is_refused() {
    let wasm = module(
        r#"(module (import "a" "b" (func)) (memory 1) (data (i32.const 0) "0123456789")
            (func (export "run") (result i32) i32.const 300)
            (table 1 funcref) (elem (i32.const 0) 0))"#,
    );
    assert!(inspect(&wasm, false).is_ok());
    let ends: Vec<usize> =
        sections::sections(&wasm).map(|section| section.unwrap().whole.end).collect();
    for size in 0..wasm.len() {
        let Err(error) = inspect(&wasm[..size], false) else {
            // A cut between sections can leave a whole, smaller module.
            assert!(size == 8 || ends.contains(&size), "{size} of {} bytes", wasm.len());
            continue;
        };
        assert_eq!(error.kind, NativeErrorKind::Invalid, "{}", error.message);
        if size > 8 && !ends.contains(&size) {
            assert!(
                error.message.contains("truncated") || error.message.contains("broken section"),
                "{size}: {}",
                error.message
            );
        }
    }
}

#[test]
fn truncated_section_says_how_much_is_missing() {
    let wasm = module(r#"(module (func (export "run")))"#);
    let cut = &wasm[..wasm.len() - 1];
    assert_refused(
        cut,
        NativeErrorKind::Invalid,
        &["truncated: the code section at byte", "has 4"],
    );
}

#[test]
fn missing_features_are_named_with_the_fix() {
    let legacy: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x08\x01\x06\0\x06\x40\x19\x0b\x0b";
    assert_refused(
        legacy,
        NativeErrorKind::Unsupported,
        &["legacy", "-fwasm-exceptions -mllvm -wasm-use-legacy-eh=false", "at byte"],
    );
    let cases = [
        ("(module (memory i64 1))", "memory64"),
        ("(module (table i64 1 funcref))", "memory64"),
        ("(module (memory 1) (memory 1))", "multi-memory"),
        ("(module (memory 1 (pagesize 1)))", "page sizes"),
        ("(module (type (struct (field i32))))", "(gc)"),
        ("(module (type $f (func)) (func (param (ref $f))))", "typed function references"),
        (
            "(module (func (param i64 i64 i64 i64) (result i64 i64)
                local.get 0 local.get 1 local.get 2 local.get 3 i64.add128))",
            "wide arithmetic",
        ),
    ];
    for (text, part) in cases {
        assert_refused(&module(text), NativeErrorKind::Unsupported, &[part, "at byte"]);
    }
}

#[test]
fn invalid_code_is_refused_with_the_offset() {
    let wasm = module("(module (func (result i32) i64.const 0))");
    let error = refusal(&wasm);
    assert_eq!(error.kind, NativeErrorKind::Invalid);
    assert!(error.message.contains("type mismatch"), "{}", error.message);
    assert!(error.message.contains("at byte"), "{}", error.message);
}

#[test]
fn supported_features_pass() {
    for text in [
        "(module (tag $e (param i32)) (func (param exnref) local.get 0 throw_ref))",
        "(module (memory 1) (func (result i32) i32.const 0 i32.const 1 memory.atomic.notify))",
        "(module (import \"env\" \"memory\" (memory 1 2 shared)))",
        "(module (func $f (result i32) return_call $f))",
        "(module (func (param v128 v128 v128) (result v128)
            local.get 0 local.get 1 local.get 2 f32x4.relaxed_madd))",
        "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
        "(module (table 1 externref) (func (param externref) (result externref) local.get 0))",
    ] {
        if let Err(error) = inspect(&module(text), false) {
            panic!("{text}: {}", error.message);
        }
    }
}

#[test]
fn limits_are_named_with_the_offset() {
    let tables = format!("(module {})", "(table 1 funcref)".repeat(MODULE_TABLES_MAX + 1));
    assert_refused(&module(&tables), NativeErrorKind::Invalid, &["more than 4 tables at byte"]);
    let imported = format!(
        "(module {})",
        r#"(import "a" "t" (table 1 funcref))"#.repeat(MODULE_TABLES_MAX + 1)
    );
    assert_refused(&module(&imported), NativeErrorKind::Invalid, &["more than 4 tables at byte"]);
    let imports =
        format!("(module {})", r#"(import "a" "f" (func))"#.repeat(MODULE_IMPORTS_MAX + 1));
    assert_refused(&module(&imports), NativeErrorKind::Invalid, &["more than 10000 imports"]);
    let mut sections = module("(module)");
    for _ in 0..=MODULE_SECTIONS_MAX {
        sections.extend_from_slice(&[0, 1, 0]);
    }
    assert_refused(&sections, NativeErrorKind::Invalid, &["more than 10000 sections"]);
}

#[test]
fn shared_memory_must_be_imported() {
    assert_refused(
        &module("(module (memory 1 2 shared))"),
        NativeErrorKind::Unsupported,
        &["--import-memory"],
    );
}

#[test]
fn fork_without_asyncify_is_refused_with_the_fix() {
    let import = r#"(import "wasix_32v1" "proc_fork" (func (param i32 i32) (result i32)))"#;
    let wasm = module(&format!("(module {import})"));
    assert_refused(
        &wasm,
        NativeErrorKind::Unsupported,
        &["\"proc_fork\"", "\"wasix_32v1\"", "asyncify", "at byte"],
    );
    let with = |exports: &str| module(&format!("(module {import} {exports})"));
    let all = r#"(func (export "asyncify_start_unwind") (param i32))
        (func (export "asyncify_stop_unwind")) (func (export "asyncify_start_rewind") (param i32))
        (func (export "asyncify_stop_rewind"))
        (func (export "asyncify_get_state") (result i32) (i32.const 0))"#;
    assert!(inspect(&with(all), false).is_ok());
    for broken in ["asyncify_stop_unwind", "asyncify_get_state"] {
        let wasm = with(&all.replace(broken, "another"));
        assert_refused(&wasm, NativeErrorKind::Unsupported, &["asyncify"]);
    }
    let wasm = with(&all.replacen("(param i32)", "(param i64)", 1));
    assert_refused(&wasm, NativeErrorKind::Unsupported, &["asyncify"]);
    let position_independent = "(@dylink.0 (mem-info (memory 0 0) (table 0 0)))";
    let text = format!("(module {position_independent} {import})");
    assert!(inspect(&module(&text), false).is_ok());
    assert!(inspect(&wasm, true).is_ok());
    let preview1 = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
    assert!(inspect(&module(preview1), false).is_ok());
}

#[test]
fn hostile_names_are_shown_escaped_and_short() {
    assert_eq!(shown("a\n\x1b[31m\"b"), r#""a\n\u{1b}[31m\"b""#);
    let long = shown(&"x".repeat(1000));
    assert_eq!(long.chars().count(), SHOWN_NAME_MAX + 3);
    assert!(long.ends_with("…\""));
}

#[test]
fn c_interface_hands_out_the_lists() {
    let wasm = module(r#"(module (import "a" "b" (func (param i32))) (export "c" (func 0)))"#);
    let mut info = std::ptr::null_mut();
    unsafe {
        assert!(selvedge_module_inspect(Bytes::borrowed(&wasm), false, &mut info).is_null());
        assert_eq!(selvedge_module_info_import_count(&*info), 1);
        let import = selvedge_module_info_import(&*info, 0);
        assert_eq!(import.name.as_slice(), b"b");
        assert_eq!(selvedge_module_info_export_count(&*info), 1);
        let export = selvedge_module_info_export(&*info, 0);
        assert_eq!(export.signature.as_slice(), b"i:");
        selvedge_module_info_free(info);
        let error = selvedge_module_inspect(Bytes::borrowed(b"no"), false, &mut info);
        assert!(!error.is_null());
        crate::error::selvedge_error_free(error);
    }
}
