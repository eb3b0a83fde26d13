//! The part of rewriting that serves dynamic linking. A *dynamic* program imports functions of WASIX that load
//! libraries or call functions by the number of their table element. Its table is exported as "selvedge.table" and
//! may grow without end, and two kinds of imported functions get something to do in their wrappers
//! (rewrite_signals.rs), so that libraries' constructors and called functions run as ordinary code of the guest,
//! on its own stack:
//!
//! ```text
//! dlopen:        (local.set $result (call $import ...))
//!                (loop (if (local.tee $element (call $selvedge.next_initializer))
//!                  (then (call_indirect (local.get $element)) (br 1))))
//!                (call $selvedge.dlopen_result (local.get $result))
//! call_dynamic:  (local.set $result (call $import ...))
//!                (if (local.tee $element (call $selvedge.call_argument (i32.const 0)))
//!                  (then (call_indirect (call $selvedge.call_argument (i32.const 1)) ... (local.get $element))))
//!                (local.get $result)
//! ```
//!
//! `load_needed`, which the start of a program that needs libraries calls (prelink.rs), is wrapped as `dlopen` is.
//!
//! `next_initializer` links what `dlopen` has found and answers 0 when nothing is left to call. `call_argument` gives
//! the element of a caller (trampolines.rs), 0 for none, and its five arguments.
//!
//! The start function of a *library*, a module with a section "dylink.0", becomes the export "selvedge.start": it
//! runs once in a process, while each thread makes an instance. So does the function that prepares a block of
//! thread-local variables (thread_local.rs), as "selvedge.init_tls".

use wasm_encoder::{BlockType, Function, Instruction};
use wasmparser::{DataKind, DataSectionReader};

use crate::inspect::WASIX_MODULE;
use crate::prelink::LOAD_NEEDED;
use crate::rewrite::{Failure, HOST_MODULE, invalid};

const NAMES: [&str; 8] = [
    "dlopen",
    "dlsym",
    "call_dynamic",
    "call_dynamic2",
    "closure_allocate",
    "closure_prepare",
    "closure_free",
    "reflect_signature",
];
/// Arguments of a caller.
pub(crate) const CALLER_ARGUMENTS: usize = 5;

/// What the wrapper of an imported function does after the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extra {
    #[default]
    Nothing,
    Initializers,
    Call,
}

/// What is known of a module.
#[derive(Default)]
pub(crate) struct DynamicSurvey {
    pub(crate) library: bool,
    imports_any: bool,
    has_table: bool,
    /// For each imported function.
    extras: Vec<Extra>,
}

/// Indices in the new module.
pub(crate) struct Callees {
    pub(crate) next_initializer: u32,
    pub(crate) dlopen_result: u32,
    pub(crate) call_argument: u32,
    /// Type of functions without parameters and results.
    pub(crate) initializer_type: u32,
    pub(crate) caller_type: u32,
}

fn extra_of(module: &str, name: &str) -> Extra {
    match name {
        "dlopen" if module == WASIX_MODULE => Extra::Initializers,
        LOAD_NEEDED if module == HOST_MODULE => Extra::Initializers,
        "call_dynamic" | "call_dynamic2" if module == WASIX_MODULE => Extra::Call,
        _ => Extra::Nothing,
    }
}

/// The import is one that works through its wrapper.
pub(crate) fn calls_elements(module: &str, name: &str) -> bool {
    extra_of(module, name) != Extra::Nothing
}

/// The data of a library on a shared memory: each thread makes an instance, which must not begin it anew.
pub(crate) fn check_data(segments: DataSectionReader<'_>) -> Result<(), Failure> {
    for data in segments {
        if matches!(data?.kind, DataKind::Active { .. }) {
            return Err(invalid(
                "the library has a shared memory and data that every thread would begin anew: link it with \
                 `--shared-memory`"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

impl DynamicSurvey {
    /// `fits`: it returns an i32, as all of them do; one that does not is refused when it is linked.
    pub(crate) fn imported_function(&mut self, module: &str, name: &str, fits: bool) {
        let known = module == HOST_MODULE || module == WASIX_MODULE && NAMES.contains(&name);
        self.imports_any |= known;
        self.extras.push(if fits { extra_of(module, name) } else { Extra::Nothing });
    }

    pub(crate) fn tables(&mut self, count: u32) {
        self.has_table |= count != 0;
    }

    pub(crate) fn has_table(&self) -> bool {
        self.has_table
    }

    /// The module is a dynamic program. Without a table it can call nothing.
    pub(crate) fn is_dynamic(&self) -> bool {
        self.imports_any && self.has_table && !self.library
    }

    fn extra(&self, import: u32) -> Extra {
        if self.is_dynamic() { self.extras[import as usize] } else { Extra::Nothing }
    }

    /// What follows the call of the import; its result, an i32, is on the stack before and after. `result` and
    /// `element` are free locals.
    pub(crate) fn write_extra(
        &self,
        import: u32,
        callees: &Callees,
        (result, element): (u32, u32),
        body: &mut Function,
    ) {
        match self.extra(import) {
            Extra::Nothing => {}
            Extra::Initializers => {
                body.instruction(&Instruction::LocalSet(result));
                body.instruction(&Instruction::Loop(BlockType::Empty));
                body.instruction(&Instruction::Call(callees.next_initializer));
                body.instruction(&Instruction::LocalTee(element));
                body.instruction(&Instruction::If(BlockType::Empty));
                body.instruction(&Instruction::LocalGet(element));
                body.instruction(&Instruction::CallIndirect {
                    type_index: callees.initializer_type,
                    table_index: 0,
                });
                body.instruction(&Instruction::Br(1));
                body.instruction(&Instruction::End);
                body.instruction(&Instruction::End);
                body.instruction(&Instruction::LocalGet(result));
                body.instruction(&Instruction::Call(callees.dlopen_result));
            }
            Extra::Call => {
                body.instruction(&Instruction::LocalSet(result));
                body.instruction(&Instruction::I32Const(0));
                body.instruction(&Instruction::Call(callees.call_argument));
                body.instruction(&Instruction::LocalTee(element));
                body.instruction(&Instruction::If(BlockType::Empty));
                for argument in 1..=CALLER_ARGUMENTS {
                    body.instruction(&Instruction::I32Const(argument as i32));
                    body.instruction(&Instruction::Call(callees.call_argument));
                }
                body.instruction(&Instruction::LocalGet(element));
                body.instruction(&Instruction::CallIndirect {
                    type_index: callees.caller_type,
                    table_index: 0,
                });
                body.instruction(&Instruction::End);
                body.instruction(&Instruction::LocalGet(result));
            }
        }
    }
}
