//! The modules: the crate wasm-smith makes types, globals, memories, tables and bodies of functions; calls of small
//! functions, which are rare in them, are spread over them by spread_calls.rs.

use arbitrary::Unstructured;
use wasm_smith::{Config, InstructionKind, InstructionKinds, Module};
use wasmparser::{Operator, Parser, Payload};

use super::numbers::Numbers;
use super::spread_calls::spread_calls;

/// Above what the rewriter leaves one bulk operation move.
const MEMORY_BYTES_MAX: u64 = 1 << 20;
/// What wasm-smith decides with; the module ends when they are used up.
const RANDOM_BYTES: usize = 8 << 10;

fn config(numbers: &mut Numbers) -> Config {
    use InstructionKind::*;
    const PLAIN: [InstructionKind; 5] = [Numeric, Parametric, Variable, Memory, Control];
    const ALL: [InstructionKind; 9] =
        [Numeric, Parametric, Variable, Memory, Control, Vector, Reference, Table, Aggregate];
    let all = numbers.one_in(4);
    Config {
        allowed_instructions: InstructionKinds::new(if all { &ALL } else { &PLAIN }),
        simd_enabled: all,
        reference_types_enabled: all,
        exceptions_enabled: all,
        bulk_memory_enabled: all || numbers.one_in(3),
        // What traps early shows little of what follows.
        disallow_traps: !numbers.one_in(3),
        export_everything: true,
        allow_start_export: numbers.one_in(4),
        min_types: 4,
        max_types: 10,
        min_funcs: 6,
        max_funcs: 14,
        max_instructions: [2, 4, 8, 16, 50][numbers.below(5)],
        min_globals: 3,
        max_globals: 8,
        min_memories: 1,
        max_memories: 1,
        max_memory32_bytes: MEMORY_BYTES_MAX,
        max_table_elements: 100,
        max_imports: if numbers.one_in(3) { 4 } else { 0 },
        max_nesting_depth: 4,
        generate_custom_sections: numbers.one_in(8),
        threads_enabled: numbers.one_in(8),
        // What the platform leaves out (inspect.rs).
        gc_enabled: false,
        memory64_enabled: false,
        ..Config::default()
    }
}

/// A wait on a shared memory would not end in the module as it is.
fn may_wait(wasm: &[u8]) -> bool {
    let waits = |operator: &Operator<'_>| {
        matches!(
            operator,
            Operator::MemoryAtomicWait32 { .. } | Operator::MemoryAtomicWait64 { .. }
        )
    };
    Parser::new(0).parse_all(wasm).any(|payload| match payload.expect("a valid module") {
        Payload::CodeSectionEntry(body) => {
            let operators = body.get_operators_reader().expect("a valid module");
            operators.into_iter().any(|operator| waits(&operator.expect("a valid module")))
        }
        _ => false,
    })
}

/// The module of a seed; None: there is none for it.
pub(super) fn generate(seed: u64) -> Option<Vec<u8>> {
    let mut numbers = Numbers::new(seed);
    let config = config(&mut numbers);
    let bytes: Vec<u8> = (0..RANDOM_BYTES / 8).flat_map(|_| numbers.next().to_le_bytes()).collect();
    let module = Module::new(config, &mut Unstructured::new(&bytes)).ok()?;
    let wasm = module.to_bytes();
    if may_wait(&wasm) {
        return None;
    }
    Some(spread_calls(&wasm, &mut numbers))
}
