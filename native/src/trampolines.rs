//! Small modules that are made while a guest runs: calls of functions whose signature the caller learns at run
//! time, and functions that the guest makes at run time (closures). They are ordinary code of the guest, on
//! its own stack: such a call may wait and be interrupted like any other.
//!
//! Each imports the guest's memory and table and exports "run".
//!
//! * A *caller* for a signature: `run (function i32, values i32, values_size i32, results i32, results_size i32)`
//!   calls the table's element `function` with the values at `values`. A value that does not fit into the
//!   size is 0, a result that does not fit is dropped.
//! * A *closure* for a signature has that signature. It calls the table's element `backing` with the addresses of
//!   its arguments and results, both on the guest's stack (it imports the stack pointer), and with
//!   `environment`; both numbers are mutable globals that it exports.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemArg, MemoryType,
    Module, RefType, TableType, TypeSection, ValType,
};

pub(crate) const RUN: &str = "run";
pub(crate) const BACKING: &str = "backing";
pub(crate) const ENVIRONMENT: &str = "environment";
/// Parameters and results of one signature together.
pub(crate) const SIGNATURE_VALUES_MAX: usize = 256;

/// How values lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Layout {
    /// One behind the other (`call_dynamic`, closures).
    Packed,
    /// Records of 24 bytes: the type at 0, the value at 8 (`call_dynamic2`).
    Typed,
}

const RECORD_SIZE: u64 = 24;
const RECORD_VALUE: u64 = 8;
const STACK_ALIGNMENT: u64 = 16;

/// Parameters and results, from letters as in "iI:f" (i, I, f, F, and V for vectors). None: other letters, or
/// too many of them.
pub(crate) struct Signature {
    pub(crate) parameters: Vec<ValType>,
    pub(crate) results: Vec<ValType>,
}

impl Signature {
    pub(crate) fn parse(text: &str) -> Option<Signature> {
        let (parameters, results) = text.split_once(':')?;
        if parameters.len() + results.len() > SIGNATURE_VALUES_MAX {
            return None;
        }
        let list = |letters: &str| letters.chars().map(value_type).collect::<Option<Vec<_>>>();
        Some(Signature { parameters: list(parameters)?, results: list(results)? })
    }
}

fn value_type(letter: char) -> Option<ValType> {
    Some(match letter {
        'i' => ValType::I32,
        'I' => ValType::I64,
        'f' => ValType::F32,
        'F' => ValType::F64,
        'V' => ValType::V128,
        _ => return None,
    })
}

fn size_of(kind: ValType) -> u64 {
    match kind {
        ValType::I32 | ValType::F32 => 4,
        ValType::V128 => 16,
        _ => 8,
    }
}

/// WASIX's number for a type (wasm_value_type).
fn type_code(kind: ValType) -> i32 {
    match kind {
        ValType::I32 => 0,
        ValType::I64 => 1,
        ValType::F32 => 2,
        ValType::F64 => 3,
        _ => 4,
    }
}

/// Where the values of a list lie.
fn offsets(kinds: &[ValType], layout: Layout) -> Vec<u64> {
    let mut next = 0;
    let place = |kind: &ValType| {
        let offset = next;
        next += match layout {
            Layout::Packed => size_of(*kind),
            Layout::Typed => RECORD_SIZE,
        };
        match layout {
            Layout::Packed => offset,
            Layout::Typed => offset + RECORD_VALUE,
        }
    };
    kinds.iter().map(place).collect()
}

/// Bytes of a packed list.
pub(crate) fn packed_size(kinds: &[ValType]) -> u64 {
    kinds.iter().map(|kind| size_of(*kind)).sum()
}

fn unaligned(offset: u64) -> MemArg {
    MemArg { offset, align: 0, memory_index: 0 }
}

fn load(kind: ValType, offset: u64) -> Instruction<'static> {
    let place = unaligned(offset);
    match kind {
        ValType::I32 => Instruction::I32Load(place),
        ValType::I64 => Instruction::I64Load(place),
        ValType::F32 => Instruction::F32Load(place),
        ValType::F64 => Instruction::F64Load(place),
        _ => Instruction::V128Load(place),
    }
}

fn store(kind: ValType, offset: u64) -> Instruction<'static> {
    let place = unaligned(offset);
    match kind {
        ValType::I32 => Instruction::I32Store(place),
        ValType::I64 => Instruction::I64Store(place),
        ValType::F32 => Instruction::F32Store(place),
        ValType::F64 => Instruction::F64Store(place),
        _ => Instruction::V128Store(place),
    }
}

fn zero(kind: ValType) -> Instruction<'static> {
    match kind {
        ValType::I32 => Instruction::I32Const(0),
        ValType::I64 => Instruction::I64Const(0),
        ValType::F32 => Instruction::F32Const(0.0.into()),
        ValType::F64 => Instruction::F64Const(0.0.into()),
        _ => Instruction::V128Const(0),
    }
}

/// What both kinds have in common. The type of `run` is number 0, that of the element it calls 1.
fn module(
    own: (&[ValType], &[ValType]),
    called: (&[ValType], &[ValType]),
    memory: MemoryType,
    imports_stack_pointer: bool,
    globals: &[&str],
    body: &Function,
) -> Vec<u8> {
    let mut types = TypeSection::new();
    for (parameters, results) in [own, called] {
        types.ty().function(parameters.iter().copied(), results.iter().copied());
    }
    let mut imports = ImportSection::new();
    imports.import("env", "memory", EntityType::Memory(memory));
    let table = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 0,
        maximum: None,
        shared: false,
    };
    imports.import("env", "__indirect_function_table", EntityType::Table(table));
    let number = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    if imports_stack_pointer {
        imports.import("env", "__stack_pointer", EntityType::Global(number));
    }
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut own_globals = GlobalSection::new();
    let mut exports = ExportSection::new();
    exports.export(RUN, ExportKind::Func, 0);
    for (index, name) in (u32::from(imports_stack_pointer)..).zip(globals) {
        own_globals.global(number, &ConstExpr::i32_const(0));
        exports.export(name, ExportKind::Global, index);
    }
    let mut code = CodeSection::new();
    code.function(body);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    if !globals.is_empty() {
        module.section(&own_globals);
    }
    module.section(&exports).section(&code);
    module.finish()
}

/// A caller for the signature.
pub(crate) fn caller(signature: &Signature, layout: Layout, memory: MemoryType) -> Vec<u8> {
    const FUNCTION: u32 = 0;
    const VALUES: u32 = 1;
    const VALUES_SIZE: u32 = 2;
    const RESULTS: u32 = 3;
    const RESULTS_SIZE: u32 = 4;
    const FIRST_LOCAL: u32 = 5;

    let Signature { parameters, results } = signature;
    let mut body = Function::new(results.iter().map(|kind| (1, *kind)));
    let fits = |body: &mut Function, size: u32, end: u64| {
        body.instruction(&Instruction::LocalGet(size));
        body.instruction(&Instruction::I32Const(end as i32));
        body.instruction(&Instruction::I32GeU);
    };
    for (kind, offset) in parameters.iter().zip(offsets(parameters, layout)) {
        fits(&mut body, VALUES_SIZE, offset + size_of(*kind));
        body.instruction(&Instruction::If(BlockType::Result(*kind)));
        body.instruction(&Instruction::LocalGet(VALUES));
        body.instruction(&load(*kind, offset));
        body.instruction(&Instruction::Else);
        body.instruction(&zero(*kind));
        body.instruction(&Instruction::End);
    }
    body.instruction(&Instruction::LocalGet(FUNCTION));
    body.instruction(&Instruction::CallIndirect { type_index: 1, table_index: 0 });
    let locals = FIRST_LOCAL..FIRST_LOCAL + results.len() as u32;
    for local in locals.clone().rev() {
        body.instruction(&Instruction::LocalSet(local));
    }
    for ((kind, offset), local) in results.iter().zip(offsets(results, layout)).zip(locals) {
        fits(&mut body, RESULTS_SIZE, offset + size_of(*kind));
        body.instruction(&Instruction::If(BlockType::Empty));
        if layout == Layout::Typed {
            body.instruction(&Instruction::LocalGet(RESULTS));
            body.instruction(&Instruction::I32Const(type_code(*kind)));
            body.instruction(&Instruction::I32Store8(unaligned(offset - RECORD_VALUE)));
        }
        body.instruction(&Instruction::LocalGet(RESULTS));
        body.instruction(&Instruction::LocalGet(local));
        body.instruction(&store(*kind, offset));
        body.instruction(&Instruction::End);
    }
    body.instruction(&Instruction::End);
    module((&[ValType::I32; 5], &[]), (parameters, results), memory, false, &[], &body)
}

/// A closure of the signature.
pub(crate) fn closure(signature: &Signature, memory: MemoryType) -> Vec<u8> {
    const STACK_POINTER: u32 = 0;
    const BACKING_GLOBAL: u32 = 1;
    const ENVIRONMENT_GLOBAL: u32 = 2;

    let Signature { parameters, results } = signature;
    let arguments_size = packed_size(parameters).next_multiple_of(STACK_ALIGNMENT);
    let frame = arguments_size + packed_size(results).next_multiple_of(STACK_ALIGNMENT);
    let base = parameters.len() as u32;
    let mut body = Function::new([(1, ValType::I32)]);
    body.instruction(&Instruction::GlobalGet(STACK_POINTER));
    body.instruction(&Instruction::I32Const(frame as i32));
    body.instruction(&Instruction::I32Sub);
    body.instruction(&Instruction::LocalTee(base));
    body.instruction(&Instruction::GlobalSet(STACK_POINTER));
    for ((kind, offset), local) in
        parameters.iter().zip(offsets(parameters, Layout::Packed)).zip(0..)
    {
        body.instruction(&Instruction::LocalGet(base));
        body.instruction(&Instruction::LocalGet(local));
        body.instruction(&store(*kind, offset));
    }
    body.instruction(&Instruction::LocalGet(base));
    body.instruction(&Instruction::LocalGet(base));
    body.instruction(&Instruction::I32Const(arguments_size as i32));
    body.instruction(&Instruction::I32Add);
    body.instruction(&Instruction::GlobalGet(ENVIRONMENT_GLOBAL));
    body.instruction(&Instruction::GlobalGet(BACKING_GLOBAL));
    body.instruction(&Instruction::CallIndirect { type_index: 1, table_index: 0 });
    for (kind, offset) in results.iter().zip(offsets(results, Layout::Packed)) {
        body.instruction(&Instruction::LocalGet(base));
        body.instruction(&load(*kind, arguments_size + offset));
    }
    body.instruction(&Instruction::LocalGet(base));
    body.instruction(&Instruction::I32Const(frame as i32));
    body.instruction(&Instruction::I32Add);
    body.instruction(&Instruction::GlobalSet(STACK_POINTER));
    body.instruction(&Instruction::End);
    module(
        (parameters, results),
        (&[ValType::I32; 3], &[]),
        memory,
        true,
        &[BACKING, ENVIRONMENT],
        &body,
    )
}
