use super::*;
use crate::engine::tests::small_engine;

/// As `wasm-ld -pie` writes them.
const PROGRAM: &str = r#"(module
  (@dylink.0 (mem-info (memory 16 3) (table 1 0)))
  (import "env" "memory" (memory 1 100 shared))
  (import "env" "__indirect_function_table" (table 1 funcref))
  (import "env" "__stack_pointer" (global $sp (mut i32)))
  (import "env" "__memory_base" (global $memory i32))
  (import "env" "__table_base" (global $table i32))
  (import "GOT.mem" "value" (global $value (mut i32)))
  (import "GOT.mem" "__heap_base" (global $heap (mut i32)))
  (import "GOT.func" "twice" (global $twice (mut i32)))
  (import "env" "__cpp_exception" (tag (param i32)))
  (global (export "value") i32 (i32.const 8))
  (global $own (mut i32) (i32.const 7))
  (elem (global.get $table) $twice)
  (func $twice (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "__wasm_apply_data_relocs") (global.set $own (i32.const 9)))
  (func (export "_start") (i32.store (global.get $value) (global.get $own)))
  (data (global.get $memory) "\01\02"))"#;

fn linked(text: &str) -> Result<Option<Vec<u8>>, NativeError> {
    prelink(&wat::parse_str(text).expect("valid text"))
}

#[test]
fn program_gets_addresses_and_nothing_to_import_but_functions_and_memory() {
    let program = linked(PROGRAM).ok().flatten().expect("a program");
    let engine = small_engine();
    let module = wasmtime::Module::new(&engine.engine, &program).expect("valid");
    let imports: Vec<_> = module.imports().map(|import| import.name().to_owned()).collect();
    assert_eq!(imports, ["memory"]);
    for name in ["__stack_pointer", "__cpp_exception", "value", "twice", "_start"] {
        assert!(module.get_export(name).is_some(), "{name}");
    }
    assert!(matches!(dylink::read(&program), Ok(None)));
    let Some(wasmtime::ExternType::Memory(memory)) = module.imports().next().map(|it| it.ty())
    else {
        panic!("it imports a memory");
    };
    // Data at 1,024, a stack of 1 MiB.
    assert_eq!(memory.minimum(), 17);
    let mut store = wasmtime::Store::new(&engine.engine, ());
    store.set_epoch_deadline(1);
    let shared = wasmtime::SharedMemory::new(&engine.engine, memory).expect("a memory");
    let instance = wasmtime::Instance::new(&mut store, &module, &[shared.clone().into()]);
    let instance = instance.expect("an instance");
    let value = instance.get_global(&mut store, "value").expect("an export");
    assert_eq!(value.get(&mut store).i32(), Some(1024 + 8));
    // It begins with its relocations.
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a function");
    start.call(&mut store, ()).expect("no trap");
    let byte = |at: usize| unsafe { *shared.data()[at].get() };
    assert_eq!((byte(1024), byte(1025), byte(1032)), (1, 2, 9));
}

#[test]
fn what_is_no_program_stays_as_it_is() {
    assert!(matches!(linked("(module)"), Ok(None)));
    let library = PROGRAM.replace("\"_start\"", "\"other\"");
    assert!(matches!(linked(&library), Ok(None)));
}

#[test]
fn what_nothing_defines_is_an_error_that_names_it() {
    for (from, to, named) in [
        ("\"GOT.mem\" \"value\"", "\"GOT.mem\" \"nothing\"", "nothing"),
        ("\"GOT.func\" \"twice\"", "\"GOT.func\" \"never\"", "never"),
        ("(memory 1 100 shared)", "(memory 1 4 shared)", "--max-memory"),
    ] {
        let error = linked(&PROGRAM.replace(from, to)).expect_err("refused");
        assert!(error.message.contains(named), "{}", error.message);
    }
}

#[test]
fn programs_that_are_cut_are_as_valid_as_before() {
    let program = wat::parse_str(PROGRAM).expect("valid text");
    let engine = small_engine();
    for size in 0..program.len() {
        if let Ok(Some(linked)) = prelink(&program[..size]) {
            let is_valid = |wasm: &[u8]| wasmtime::Module::validate(&engine.engine, wasm).is_ok();
            assert_eq!(is_valid(&linked), is_valid(&program[..size]), "{size}");
        }
    }
}

/// The names of exports that begin with one of the prefixes.
fn bindings(module: &wasmtime::Module) -> Vec<&str> {
    let names = module.exports().map(|export| export.name());
    names.filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix))).collect()
}

fn rewritten(linked: &[u8]) -> Vec<u8> {
    let options = crate::rewrite::RewriteOptions { shared_memory_pages_max: 100, linked: true };
    crate::rewrite::rewrite(linked, &options).ok().flatten().expect("a program")
}

#[test]
fn what_a_program_needs_becomes_names_of_exports() {
    let text = PROGRAM
        .replace(
            "(mem-info",
            "(runtime-path \"$ORIGIN\" \"/a.b\") (needed \"a.so\" \"b.so\") (mem-info",
        )
        .replace("(table 1 0)))", "(table 1 0)) (import-info \"env\" \"absent\" binding-weak))")
        .replace(
            "(import \"GOT.mem\" \"__heap",
            "(import \"GOT.mem\" \"far.data\" (global (mut i32)))
             (import \"GOT.func\" \"absent\" (global (mut i32)))
             (import \"env\" \"far\" (func $far (param i32 i64) (result i32)))
             (import \"env\" \"absent\" (func $absent))
             (import \"GOT.mem\" \"__heap",
        )
        .replace(
            "(func $twice",
            "(func (call $absent) (drop (call $far (i32.const 1) (i64.const 2)))) (func $twice",
        );
    let program = linked(&text).ok().flatten().expect("a program");
    let engine = small_engine();
    let module = wasmtime::Module::new(&engine.engine, &program).expect("valid");
    let imports: Vec<_> = module.imports().map(|import| import.name().to_owned()).collect();
    assert_eq!(imports, ["memory", "load_needed"]);
    assert_eq!(
        bindings(&module),
        [
            "selvedge.library.0.a.so",
            "selvedge.library.1.b.so",
            "selvedge.folder.2.$ORIGIN",
            "selvedge.folder.3./a.b",
            "selvedge.function.4.far",
            "selvedge.weak.5.absent",
            "selvedge.data.6.far.data",
            "selvedge.weak.7.absent",
        ]
    );
    assert!(wasmtime::Module::validate(&engine.engine, &rewritten(&program)).is_ok());
    // Nobody else may use these names.
    let options = crate::rewrite::RewriteOptions { shared_memory_pages_max: 100, linked: false };
    assert!(crate::rewrite::rewrite(&program, &options).is_err());
}

#[test]
fn thread_local_variables_are_exported_as_places_in_a_block() {
    let text = PROGRAM
        .replace(
            "(table 1 0)))",
            "(table 1 0)) (export-info \"value\" tls) (export-info \"twice\" tls))",
        )
        .replace("(import \"GOT.mem\" \"value\" (global $value (mut i32)))", "")
        .replace("(global.get $value)", "(i32.const 0)")
        .replace("(global $own", "(global $own (export \"__tls_base\")");
    let engine = small_engine();
    let globals = |text: &str, names: [&str; 3]| {
        let program = linked(text).ok().flatten().expect("a program");
        let module = wasmtime::Module::new(&engine.engine, &program).expect("valid");
        assert!(wasmtime::Module::validate(&engine.engine, &rewritten(&program)).is_ok());
        let mut store = wasmtime::Store::new(&engine.engine, ());
        store.set_epoch_deadline(1);
        let imports = module.imports().filter_map(|import| match import.ty() {
            wasmtime::ExternType::Memory(memory) => {
                Some(wasmtime::SharedMemory::new(&engine.engine, memory).expect("a memory").into())
            }
            _ => None,
        });
        let imports: Vec<wasmtime::Extern> = imports.collect();
        let instance = wasmtime::Instance::new(&mut store, &module, &imports).expect("an instance");
        names.map(|name| {
            let global = instance.get_global(&mut store, name)?;
            global.get(&mut store).i32()
        })
    };
    let names = ["value", "selvedge.thread_local.value", THREAD_LOCAL_BASE];
    assert_eq!(globals(&text, names), [None, Some(8), Some(7)]);
    assert_eq!(
        globals(&text, ["selvedge.thread_local.twice", "twice", "__tls_base"]),
        [None, None, Some(7)]
    );
    // Nobody says where the block is.
    let without = text.replace("\"__tls_base\"", "\"base\"");
    assert_eq!(globals(&without, names), [Some(1024 + 8), None, None]);
    for name in ["selvedge.thread_local.value", THREAD_LOCAL_BASE] {
        let error = linked(&PROGRAM.replace("(export \"value\")", &format!("(export \"{name}\")")));
        assert!(error.expect_err("refused").message.contains("reserved"));
    }
}

#[test]
fn thread_local_variables_of_one_thread_are_like_others() {
    let text = FIXED
        .replace("(needed", "(export-info \"value\" tls) (needed")
        .replace("(global $stack", "(global $stack (export \"__tls_base\")");
    let program = linked(&text).ok().flatten().expect("a program");
    let module = wasmtime::Module::new(&small_engine().engine, &program).expect("valid");
    assert!(module.get_export("value").is_some());
    assert!(module.get_export(THREAD_LOCAL_BASE).is_none());
}

/// As `wasm-ld -Bdynamic` writes them.
const FIXED: &str = r#"(module
  (@dylink.0 (mem-info (memory 0 4) (table 1 0)) (needed "a.so"))
  (import "env" "far" (func $far (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (table 2 2 funcref)
  (global $stack (mut i32) (i32.const 65536))
  (global (export "value") i32 (i32.const 70000))
  (elem (i32.const 1) $run)
  (func $run (drop (call $far)))
  (func (export "_start") (call $exit (i32.load (i32.const 70000))))
  (data (i32.const 70000) "\01"))"#;

#[test]
fn program_with_addresses_keeps_them() {
    let program = linked(FIXED).ok().flatten().expect("a program");
    let engine = small_engine();
    let module = wasmtime::Module::new(&engine.engine, &program).expect("valid");
    let imports: Vec<_> = module.imports().map(|import| import.name().to_owned()).collect();
    assert_eq!(imports, ["proc_exit", "load_needed"]);
    assert_eq!(bindings(&module), ["selvedge.library.0.a.so", "selvedge.function.1.far"]);
    let mut linker = wasmtime::Linker::<Vec<i32>>::new(&engine.engine);
    linker
        .func_wrap(HOST_MODULE, LOAD_NEEDED, |mut caller: wasmtime::Caller<'_, Vec<i32>>| {
            caller.data_mut().push(-1);
            0
        })
        .expect("a function");
    linker
        .func_wrap(
            "wasi_snapshot_preview1",
            "proc_exit",
            |mut caller: wasmtime::Caller<'_, Vec<i32>>, code: i32| caller.data_mut().push(code),
        )
        .expect("a function");
    let mut store = wasmtime::Store::new(&engine.engine, Vec::new());
    store.set_epoch_deadline(1);
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let value = instance.get_global(&mut store, "value").expect("an export");
    assert_eq!(value.get(&mut store).i32(), Some(70_000));
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("a function");
    start.call(&mut store, ()).expect("no trap");
    assert_eq!(store.data(), &[-1, 1]);
    assert!(wasmtime::Module::validate(&engine.engine, &rewritten(&program)).is_ok());
}

#[test]
fn programs_that_cannot_be_bound_are_refused() {
    for (from, to, named) in [
        ("(export \"_start\")", "(export \"_start\") (param i32)", "a.so"),
        ("\"value\"", "\"selvedge.data.1.x\"", "reserved"),
        ("\"wasi_snapshot_preview1\" \"proc_exit\"", "\"selvedge\" \"load_needed\"", "reserved"),
    ] {
        let error = linked(&FIXED.replace(from, to)).expect_err("refused");
        assert!(error.message.contains(named), "{}", error.message);
    }
}

#[test]
fn bound_programs_that_are_cut_are_as_valid_as_before() {
    let program = wat::parse_str(FIXED).expect("valid text");
    let engine = small_engine();
    for size in 0..program.len() {
        if let Ok(Some(linked)) = prelink(&program[..size]) {
            let is_valid = |wasm: &[u8]| wasmtime::Module::validate(&engine.engine, wasm).is_ok();
            assert_eq!(is_valid(&linked), is_valid(&program[..size]), "{size}");
        }
    }
}
