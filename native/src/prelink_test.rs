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
        ("(mem-info", "(needed \"libc.so\") (mem-info", "libc.so"),
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
