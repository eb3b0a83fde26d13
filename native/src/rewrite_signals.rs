//! The part of rewriting that lets a guest run its own signal handlers. A module that exports
//! `__wasm_signal (signal i32)` gets each of its imported functions behind a wrapper:
//!
//! ```text
//! (func $wrapper (param ...) (result ...) (local $signal i32)
//!   (call $import (local.get 0) ...)
//!   (loop
//!     (if (local.tee $signal (call $selvedge.next_signal))
//!       (then (call $__wasm_signal (local.get $signal)) (br 1)))))
//! ```
//!
//! So handlers run after host calls, as ordinary code of the guest on its own stack. What makes none is interrupted
//! (signals.rs).
//!
//! Asyncify ran before and knows nothing of wrappers. While a stack is unwound or rewound `next_signal` answers
//! 0, so that a wrapper is the import itself, unless the stack leads through a handler that it called. Then it
//! tells the host so when the handler returns to unwind, and calls the handler instead of the import to rewind:
//!
//! ```text
//! (func $wrapper (param ...) (result i32) (local $signal i32) (local $result i32)
//!   (if (i32.eq (call $asyncify_get_state) (i32.const 2))  ;; rewinding
//!     (then (local.set $signal (call $selvedge.handler_to_resume))))
//!   (if (local.get $signal)
//!     (then (local.set $result (call $selvedge.resumed_result)))
//!     (else (local.set $result (call $import (local.get 0) ...))
//!           (local.set $signal (call $selvedge.next_signal))))
//!   (loop
//!     (if (local.get $signal)
//!       (then
//!         (call $__wasm_signal (local.get $signal))
//!         (if (i32.eq (call $asyncify_get_state) (i32.const 1))  ;; unwinding
//!           (then (drop (call $selvedge.handler_unwound (local.get $signal) (local.get $result))))
//!           (else (local.set $signal (call $selvedge.next_signal)) (br 2))))))
//!   (local.get $result))
//! ```

use wasm_encoder::{BlockType, Encode, Function, Instruction, ValType};
use wasmparser::{
    BinaryReaderError, CompositeInnerType, ExternalKind, FunctionSectionReader, TypeSectionReader,
    ValType::I32,
};

use crate::rewrite_dynamic::{Callees, DynamicSurvey};

const HANDLER: &str = "__wasm_signal";
const ASYNCIFY_STATE: &str = "asyncify_get_state";
/// What that answers.
const UNWINDING: i32 = 1;
const REWINDING: i32 = 2;

/// What matters of a function's type.
#[derive(Clone, Copy)]
struct FunctionType {
    parameters: u32,
    /// It is `(i32) -> ()`.
    handles: bool,
    returns_i32: bool,
    returns_nothing: bool,
}

/// What is known of a module's function types, and of its handler.
#[derive(Default)]
pub(crate) struct SignalSurvey {
    /// None: not a function.
    types: Vec<Option<FunctionType>>,
    /// Type of each function: the imported ones come first.
    functions: Vec<u32>,
    imported: usize,
    exported: Option<u32>,
    /// The export that tells the state of Asyncify.
    asyncify_state: Option<u32>,
}

/// What wrappers call, by index in the new module.
pub(crate) struct SignalCallees {
    pub(crate) next_signal: u32,
    pub(crate) handler: u32,
    /// In a module with Asyncify.
    pub(crate) resuming: Option<ResumingCallees>,
}

pub(crate) struct ResumingCallees {
    pub(crate) asyncify_state: u32,
    pub(crate) handler_to_resume: u32,
    pub(crate) resumed_result: u32,
    pub(crate) handler_unwound: u32,
}

impl SignalSurvey {
    pub(crate) fn types(&mut self, reader: TypeSectionReader<'_>) -> Result<(), BinaryReaderError> {
        for group in reader {
            for kind in group?.types() {
                self.types.push(match &kind.composite_type.inner {
                    CompositeInnerType::Func(function) => Some(FunctionType {
                        parameters: function.params().len() as u32,
                        handles: function.params() == [I32] && function.results().is_empty(),
                        returns_i32: function.results() == [I32],
                        returns_nothing: function.results().is_empty(),
                    }),
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
        if export.kind != ExternalKind::Func {
            return;
        }
        match export.name {
            HANDLER => self.exported = Some(export.index),
            ASYNCIFY_STATE => self.asyncify_state = Some(export.index),
            _ => {}
        }
    }

    fn type_of(&self, function: u32) -> Option<FunctionType> {
        let kind = *self.functions.get(function as usize)?;
        *self.types.get(kind as usize)?
    }

    pub(crate) fn returns_i32(&self, kind: u32) -> bool {
        matches!(self.types.get(kind as usize), Some(Some(kind)) if kind.returns_i32)
    }

    /// The function is `(i32) -> ()`.
    pub(crate) fn takes_i32(&self, function: u32) -> bool {
        self.type_of(function).is_some_and(|kind| kind.handles)
    }

    /// The handler, when the module defines it with the right type and imports functions at all.
    pub(crate) fn handler(&self) -> Option<u32> {
        let handler = self.exported?;
        let defined = handler as usize >= self.imported;
        (defined && self.takes_i32(handler) && self.imported != 0).then_some(handler)
    }

    /// The function that tells the state of Asyncify, when the module has a handler and defines it.
    pub(crate) fn asyncify_state(&self) -> Option<u32> {
        let state = self.asyncify_state.filter(|&index| index as usize >= self.imported)?;
        let tells =
            self.type_of(state).is_some_and(|kind| kind.parameters == 0 && kind.returns_i32);
        (tells && self.handler().is_some()).then_some(state)
    }

    /// How many functions the module has, imported ones included.
    pub(crate) fn function_count(&self) -> u32 {
        self.functions.len() as u32
    }

    /// The type of the wrapper of each imported function.
    pub(crate) fn wrapper_types(&self) -> &[u32] {
        &self.functions[..self.imported]
    }

    /// The body of the wrapper of imported function `import`, with its size before it. `dynamic`: what else is
    /// done after the call.
    pub(crate) fn write_wrapper(
        &self,
        import: u32,
        signals: Option<&SignalCallees>,
        dynamic: (&DynamicSurvey, &Callees),
        content: &mut Vec<u8>,
    ) {
        let kind = self.type_of(import);
        let parameters = kind.map_or(0, |kind| kind.parameters);
        let nothing = kind.is_some_and(|kind| kind.returns_nothing);
        let (survey, callees) = dynamic;
        // Other results do not exist: no host function has them.
        let resuming = signals
            .and_then(|signals| Some((signals, signals.resuming.as_ref()?)))
            .filter(|_| kind.is_some_and(|kind| kind.returns_nothing || kind.returns_i32));
        let locals = match resuming {
            _ if survey.is_dynamic() => 3,
            Some(_) => 2,
            None => 1,
        };
        let mut body = Function::new([(locals, ValType::I32)]);
        let call = |body: &mut Function| {
            for parameter in 0..parameters {
                body.instruction(&Instruction::LocalGet(parameter));
            }
            body.instruction(&Instruction::Call(import));
            survey.write_extra(import, callees, (parameters + 1, parameters + 2), body);
        };
        if let Some((signals, resuming)) = resuming {
            let result = (!nothing).then_some(parameters + 1);
            write_resuming(&mut body, (signals, resuming), (parameters, result), call);
        } else {
            call(&mut body);
            if let Some(signals) = signals {
                write_signals(&mut body, parameters, signals);
            }
        }
        body.instruction(&Instruction::End);
        body.encode(content);
    }
}

/// Calls the handler as long as there is a signal. `signal` is a free local.
fn write_signals(body: &mut Function, signal: u32, callees: &SignalCallees) {
    body.instruction(&Instruction::Loop(BlockType::Empty));
    body.instruction(&Instruction::Call(callees.next_signal));
    body.instruction(&Instruction::LocalTee(signal));
    body.instruction(&Instruction::If(BlockType::Empty));
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&Instruction::Call(callees.handler));
    body.instruction(&Instruction::Br(1));
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::End);
}

/// The wrapper of a module with Asyncify. `call` leaves the import's result on the stack. `signal` and `result`
/// are free locals; an import without a result needs none.
fn write_resuming(
    body: &mut Function,
    (callees, resuming): (&SignalCallees, &ResumingCallees),
    (signal, result): (u32, Option<u32>),
    call: impl Fn(&mut Function),
) {
    let if_state = |body: &mut Function, state| {
        body.instruction(&Instruction::Call(resuming.asyncify_state));
        body.instruction(&Instruction::I32Const(state));
        body.instruction(&Instruction::I32Eq);
        body.instruction(&Instruction::If(BlockType::Empty));
    };
    if_state(body, REWINDING);
    body.instruction(&Instruction::Call(resuming.handler_to_resume));
    body.instruction(&Instruction::LocalSet(signal));
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&Instruction::If(BlockType::Empty));
    if let Some(result) = result {
        body.instruction(&Instruction::Call(resuming.resumed_result));
        body.instruction(&Instruction::LocalSet(result));
    }
    body.instruction(&Instruction::Else);
    call(body);
    if let Some(result) = result {
        body.instruction(&Instruction::LocalSet(result));
    }
    body.instruction(&Instruction::Call(callees.next_signal));
    body.instruction(&Instruction::LocalSet(signal));
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::Loop(BlockType::Empty));
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&Instruction::If(BlockType::Empty));
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&Instruction::Call(callees.handler));
    if_state(body, UNWINDING);
    body.instruction(&Instruction::LocalGet(signal));
    body.instruction(&result.map_or(Instruction::I32Const(0), Instruction::LocalGet));
    body.instruction(&Instruction::Call(resuming.handler_unwound));
    body.instruction(&Instruction::Drop);
    body.instruction(&Instruction::Else);
    body.instruction(&Instruction::Call(callees.next_signal));
    body.instruction(&Instruction::LocalSet(signal));
    body.instruction(&Instruction::Br(2));
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::End);
    body.instruction(&Instruction::End);
    if let Some(result) = result {
        body.instruction(&Instruction::LocalGet(result));
    }
}
