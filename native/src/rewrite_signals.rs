//! The part of rewriting that lets a guest run its own signal handlers. A module that exports
//! `__wasm_signal (signal i32)` gets each of its imported functions behind a wrapper:
//!
//! ```text
//! (func $wrapper (param ...) (result ...) (local $signal i32)
//!   (call $import (local.get 0) ...)
//!   (loop
//!     (if (local.tee $signal (call $selvedge.next_signal (local.get $signal)))
//!       (then (call $__wasm_signal (local.get $signal)) (br 1)))))
//! ```
//!
//! So handlers run after host calls, as ordinary code of the guest on its own stack. `next_signal` takes the
//! signal whose handler has returned, 0 at first: the host knows which threads are in a handler.
//!
//! Asyncify ran before and knows nothing of wrappers. While a stack is unwound or rewound `next_signal` answers
//! 0, so that a wrapper is the import itself. A wrapper that called a handler could not be rewound (it would call
//! its import again), hence no stack is saved inside a handler; leaving one for an outer stack works.

use wasm_encoder::{BlockType, Encode, Function, Instruction, ValType};
use wasmparser::{BinaryReaderError, ExternalKind, FunctionSectionReader, TypeSectionReader};

use crate::rewrite_dynamic::{Callees, DynamicSurvey};

const HANDLER: &str = "__wasm_signal";

/// What is known of a module's function types, and of its handler.
#[derive(Default)]
pub(crate) struct SignalSurvey {
    /// Parameters of each type and whether it is `(i32) -> ()`; None: not a function.
    types: Vec<Option<(u32, bool)>>,
    /// Whether each type returns one i32.
    returns_i32: Vec<bool>,
    /// Type of each function: the imported ones come first.
    functions: Vec<u32>,
    imported: usize,
    exported: Option<u32>,
}

impl SignalSurvey {
    pub(crate) fn types(&mut self, reader: TypeSectionReader<'_>) -> Result<(), BinaryReaderError> {
        for group in reader {
            for kind in group?.types() {
                self.returns_i32.push(match &kind.composite_type.inner {
                    wasmparser::CompositeInnerType::Func(function) => {
                        function.results() == [wasmparser::ValType::I32]
                    }
                    _ => false,
                });
                self.types.push(match &kind.composite_type.inner {
                    wasmparser::CompositeInnerType::Func(function) => {
                        let handles = function.params() == [wasmparser::ValType::I32]
                            && function.results().is_empty();
                        Some((function.params().len() as u32, handles))
                    }
                    _ => None,
                });
            }
        }
        Ok(())
    }

    pub(crate) fn imported_function(&mut self, kind: u32) {
        self.functions.push(kind);
        self.imported += 1;
    }

    pub(crate) fn functions(
        &mut self,
        reader: FunctionSectionReader<'_>,
    ) -> Result<(), BinaryReaderError> {
        for kind in reader {
            self.functions.push(kind?);
        }
        Ok(())
    }

    pub(crate) fn export(&mut self, export: &wasmparser::Export<'_>) {
        if export.name == HANDLER && export.kind == ExternalKind::Func {
            self.exported = Some(export.index);
        }
    }

    fn type_of(&self, function: u32) -> Option<(u32, bool)> {
        let kind = *self.functions.get(function as usize)?;
        *self.types.get(kind as usize)?
    }

    pub(crate) fn returns_i32(&self, kind: u32) -> bool {
        self.returns_i32.get(kind as usize).is_some_and(|returns| *returns)
    }

    /// The handler, when the module defines it with the right type and imports functions at all.
    pub(crate) fn handler(&self) -> Option<u32> {
        let handler = self.exported?;
        let defined = handler as usize >= self.imported;
        let handles = self.type_of(handler).is_some_and(|(_, handles)| handles);
        (defined && handles && self.imported != 0).then_some(handler)
    }

    /// How many functions the module has, imported ones included.
    pub(crate) fn function_count(&self) -> u32 {
        self.functions.len() as u32
    }

    /// The type of the wrapper of each imported function.
    pub(crate) fn wrapper_types(&self) -> &[u32] {
        &self.functions[..self.imported]
    }

    /// The body of the wrapper of imported function `import`, with its size before it. `signals`: the functions
    /// `next_signal` and the handler. `dynamic`: what else is done after the call.
    pub(crate) fn write_wrapper(
        &self,
        import: u32,
        signals: Option<(u32, u32)>,
        dynamic: (&DynamicSurvey, &Callees),
        content: &mut Vec<u8>,
    ) {
        let parameters = self.type_of(import).map_or(0, |(parameters, _)| parameters);
        let (survey, callees) = dynamic;
        let locals = if survey.is_dynamic() { 3 } else { 1 };
        let mut body = Function::new([(locals, ValType::I32)]);
        for parameter in 0..parameters {
            body.instruction(&Instruction::LocalGet(parameter));
        }
        body.instruction(&Instruction::Call(import));
        survey.write_extra(import, callees, (parameters + 1, parameters + 2), &mut body);
        if let Some((next_signal, handler)) = signals {
            write_signals(&mut body, parameters, next_signal, handler);
        }
        body.instruction(&Instruction::End);
        body.encode(content);
    }
}

/// Calls the handler as long as there is a signal. `signal` is a free local.
fn write_signals(body: &mut Function, signal: u32, next_signal: u32, handler: u32) {
    body.instruction(&Instruction::Loop(BlockType::Empty));
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&Instruction::Call(next_signal));
    body.instruction(&Instruction::LocalTee(signal));
    body.instruction(&Instruction::If(BlockType::Empty));
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&Instruction::Call(handler));
    body.instruction(&Instruction::Br(1));
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::End);
}
