//! Executes one .wast file and notes the outcome of every command.

use std::collections::HashMap;
use std::thread;

use wasmparser::Validator;
use wasmtime::{
    Engine, Extern, Instance, Linker, Module, SharedMemory, Store, ThrownException, Trap,
};
use wast::core::WastArgCore;
use wast::parser::{self, ParseBuffer};
use wast::token::Id;
use wast::{
    QuoteWat, Wast, WastArg, WastDirective, WastExecute, WastInvoke, WastRet, WastThread, Wat,
};

use super::{host, values};
use crate::inspect::FEATURES;
use crate::rewrite::{RewriteOptions, prepare, rewrite_all};

const NO_LIMIT: RewriteOptions = RewriteOptions { shared_memory_pages_max: 65_536, linked: false };

/// What is done to modules before they are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Plain,
    /// As at publish.
    Rewritten,
    /// As at publish, and all functions moved, as if every module waited.
    Moved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As the suite wants it.
    Passed,
    /// Not as the suite wants it.
    Failed,
    /// The module uses a feature that is switched off.
    Refused,
    /// It needs an instance of a module that was refused.
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) line: usize,
    pub(super) verdict: Verdict,
    /// Results or error, in words that do not depend on indices.
    pub(super) detail: String,
}

/// What a name of the script stands for.
#[derive(Clone)]
enum Item {
    Instance(Instance),
    /// What another thread shares.
    Shared(Vec<(String, SharedMemory)>),
    /// A module that was refused.
    Missing,
}

/// How an execution ended.
enum Execution {
    Values(Vec<wasmtime::Val>),
    Trap(Trap),
    Exception,
    /// Could not be linked, or another error.
    Error(String),
    Missing,
}

/// Why a module could not be made.
enum LoadFailure {
    /// Valid with features that are switched off.
    Refused,
    Invalid(String),
}

pub(super) struct Script<'e> {
    engine: &'e Engine,
    mode: Mode,
    store: Store<()>,
    linker: Linker<()>,
    definitions: HashMap<String, Option<Module>>,
    last_definition: Option<Module>,
    items: HashMap<String, Item>,
    last: Item,
    refused_names: Vec<String>,
    pub(super) outcomes: Vec<Outcome>,
    pub(super) rewritten: usize,
}

type Running<'scope> = HashMap<String, thread::ScopedJoinHandle<'scope, (Vec<Outcome>, usize)>>;

impl<'e> Script<'e> {
    pub(super) fn new(engine: &'e Engine, mode: Mode) -> Script<'e> {
        let mut store = Store::new(engine, ());
        // Nobody advances the epoch.
        store.set_epoch_deadline(1);
        let linker = host::linker(engine, &mut store).expect("the host's items can be defined");
        Script {
            engine,
            mode,
            store,
            linker,
            definitions: HashMap::new(),
            last_definition: None,
            items: HashMap::new(),
            last: Item::Missing,
            refused_names: Vec::new(),
            outcomes: Vec::new(),
            rewritten: 0,
        }
    }

    pub(super) fn run(&mut self, text: &str) {
        let mut lexer = wast::lexer::Lexer::new(text);
        lexer.allow_confusing_unicode(true);
        let buffer = match ParseBuffer::new_with_lexer(lexer) {
            Ok(buffer) => buffer,
            Err(error) => return self.note_at(0, Verdict::Failed, error.message()),
        };
        match parser::parse::<Wast<'_>>(&buffer) {
            Ok(wast) => self.run_directives(wast.directives, text),
            Err(error) => self.note_at(0, Verdict::Failed, error.message()),
        }
    }

    fn run_directives(&mut self, directives: Vec<WastDirective<'_>>, text: &str) {
        thread::scope(|scope| {
            let mut running = Running::new();
            for directive in directives {
                let (line, _) = directive.span().linecol_in(text);
                match directive {
                    WastDirective::Thread(child) => {
                        let name = child.name.name().to_owned();
                        let (engine, mode) = (self.engine, self.mode);
                        let shared = self.share(child.shared_module);
                        let work = move || run_thread(engine, mode, child, shared, text);
                        running.insert(name, scope.spawn(work));
                    }
                    WastDirective::Wait { thread, .. } => {
                        let handle = running.remove(thread.name()).expect("the thread was begun");
                        let (outcomes, rewritten) = handle.join().expect("no panic");
                        self.outcomes.extend(outcomes);
                        self.rewritten += rewritten;
                    }
                    directive => self.run_directive(directive, line + 1),
                }
            }
        });
    }

    fn run_directive(&mut self, directive: WastDirective<'_>, line: usize) {
        match directive {
            WastDirective::Module(module) => self.define_and_instantiate(module, line),
            WastDirective::ModuleDefinition(mut module) => {
                let name = name_of(module.name());
                let loaded = self.encode_and_load(&mut module);
                self.note_load(line, &loaded);
                self.last_definition = loaded.ok();
                if let Some(name) = name {
                    self.definitions.insert(name, self.last_definition.clone());
                }
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let module = match name_of(module) {
                    Some(name) => self.definitions.get(&name).cloned().flatten(),
                    None => self.last_definition.clone(),
                };
                self.instantiate_as(name_of(instance), module, line);
            }
            WastDirective::Register { name, module, .. } => self.register(name, module, line),
            WastDirective::AssertMalformed { mut module, .. }
            | WastDirective::AssertInvalid { mut module, .. } => {
                let (verdict, detail) = match self.encode_and_load(&mut module) {
                    Err(LoadFailure::Invalid(reason)) => (Verdict::Passed, reason),
                    // Invalid for another reason than the suite's, but not accepted.
                    Err(LoadFailure::Refused) => (Verdict::Refused, String::new()),
                    Ok(_) => (Verdict::Failed, String::from("accepted")),
                };
                self.note_at(line, verdict, detail);
            }
            // Custom sections are never a reason to refuse a module.
            WastDirective::AssertMalformedCustom { .. }
            | WastDirective::AssertInvalidCustom { .. } => {
                self.note_at(line, Verdict::Skipped, "custom sections are not looked at");
            }
            WastDirective::Invoke(invoke) => {
                let execution = self.invoke(invoke);
                self.note_expected(line, execution, |_| true, "results");
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                self.assert_return(line, exec, &results);
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let execution = self.execute(exec);
                self.note_trap(line, execution, message);
            }
            WastDirective::AssertExhaustion { call, .. } => {
                let execution = self.invoke(call);
                self.note_trap(line, execution, "call stack exhausted");
            }
            WastDirective::AssertException { exec, .. } => {
                let execution = self.execute(exec);
                let is_exception =
                    |execution: &Execution| matches!(execution, Execution::Exception);
                self.note_expected(line, execution, is_exception, "exception");
            }
            WastDirective::AssertUnlinkable { module, .. } => {
                let execution = self.execute(WastExecute::Wat(module));
                let is_error = |execution: &Execution| matches!(execution, Execution::Error(_));
                self.note_expected(line, execution, is_error, "unlinkable");
            }
            WastDirective::AssertSuspension { .. } => {
                self.note_at(line, Verdict::Refused, "stack switching");
            }
            WastDirective::Thread(_) | WastDirective::Wait { .. } => {
                unreachable!("handled by run_directives")
            }
        }
    }

    fn note_at(&mut self, line: usize, verdict: Verdict, detail: impl Into<String>) {
        self.outcomes.push(Outcome { line, verdict, detail: detail.into() });
    }

    fn note_load(&mut self, line: usize, loaded: &Result<Module, LoadFailure>) {
        match loaded {
            Ok(_) => self.note_at(line, Verdict::Passed, "loaded"),
            Err(LoadFailure::Refused) => self.note_at(line, Verdict::Refused, ""),
            Err(LoadFailure::Invalid(reason)) => self.note_at(line, Verdict::Failed, reason),
        }
    }

    fn note_expected(
        &mut self,
        line: usize,
        execution: Execution,
        expected: impl Fn(&Execution) -> bool,
        what: &str,
    ) {
        let verdict = match &execution {
            Execution::Missing => Verdict::Skipped,
            execution if expected(execution) => Verdict::Passed,
            _ => Verdict::Failed,
        };
        let detail = self.describe(&execution);
        self.note_at(line, verdict, format!("{what}: {detail}"));
    }

    fn note_trap(&mut self, line: usize, execution: Execution, message: &str) {
        let is_expected = |execution: &Execution| match execution {
            Execution::Trap(trap) => is_trap(*trap, message),
            _ => false,
        };
        self.note_expected(line, execution, is_expected, message);
    }

    fn assert_return(&mut self, line: usize, exec: WastExecute<'_>, results: &[WastRet<'_>]) {
        let execution = self.execute(exec);
        let verdict = match &execution {
            Execution::Missing => Verdict::Skipped,
            Execution::Values(values) if values::all_match(&self.store, values, results) => {
                Verdict::Passed
            }
            _ => Verdict::Failed,
        };
        let detail = self.describe(&execution);
        self.note_at(line, verdict, detail);
    }

    fn describe(&self, execution: &Execution) -> String {
        match execution {
            Execution::Values(values) => values::describe(&self.store, values),
            Execution::Trap(trap) => trap.to_string(),
            Execution::Exception => String::from("exception"),
            Execution::Error(reason) => reason.clone(),
            Execution::Missing => String::from("no such instance"),
        }
    }

    fn encode_and_load(&mut self, module: &mut QuoteWat<'_>) -> Result<Module, LoadFailure> {
        let wasm = module.encode().map_err(|error| LoadFailure::Invalid(error.message()))?;
        self.load(&wasm)
    }

    /// Compiles a module, in the mode of this run. The inspection's feature set must agree with the
    /// engine about every module.
    fn load(&mut self, wasm: &[u8]) -> Result<Module, LoadFailure> {
        let valid = Validator::new_with_features(FEATURES).validate_all(wasm).is_ok();
        let changed = match self.mode {
            Mode::Rewritten if valid => match prepare(wasm, &NO_LIMIT) {
                Ok(changed) => changed,
                Err(error) => return Err(LoadFailure::Invalid(error.message)),
            },
            Mode::Moved if valid => rewrite_all(wasm, &NO_LIMIT),
            _ => None,
        };
        self.rewritten += usize::from(changed.is_some());
        let compiled = Module::new(self.engine, changed.as_deref().unwrap_or(wasm));
        match compiled {
            Ok(_) if !valid => {
                Err(LoadFailure::Invalid(String::from("the engine takes what inspection refuses")))
            }
            Ok(module) => Ok(module),
            Err(_)
                if Validator::new_with_features(wasmparser::WasmFeatures::all())
                    .validate_all(wasm)
                    .is_ok()
                    && !valid =>
            {
                Err(LoadFailure::Refused)
            }
            Err(error) => Err(LoadFailure::Invalid(error.root_cause().to_string())),
        }
    }

    fn define_and_instantiate(&mut self, mut module: QuoteWat<'_>, line: usize) {
        let name = name_of(module.name());
        match self.encode_and_load(&mut module) {
            Ok(module) => {
                if let Some(name) = &name {
                    self.definitions.insert(name.clone(), Some(module.clone()));
                }
                self.last_definition = Some(module.clone());
                self.instantiate_as(name, Some(module), line);
            }
            failure => {
                self.note_load(line, &failure);
                self.last_definition = None;
                self.set_item(name, Item::Missing);
            }
        }
    }

    fn set_item(&mut self, name: Option<String>, item: Item) {
        if let Some(name) = name {
            self.items.insert(name, item.clone());
        }
        self.last = item;
    }

    fn instantiate_as(&mut self, name: Option<String>, module: Option<Module>, line: usize) {
        let Some(module) = module else {
            self.set_item(name, Item::Missing);
            return self.note_at(line, Verdict::Skipped, "no such module");
        };
        if self.imports_refused(&module) {
            self.set_item(name, Item::Missing);
            return self.note_at(line, Verdict::Skipped, "it imports from a refused module");
        }
        match self.linker.instantiate(&mut self.store, &module) {
            Ok(instance) => {
                self.set_item(name, Item::Instance(instance));
                self.note_at(line, Verdict::Passed, "instantiated");
            }
            Err(error) => {
                self.set_item(name, Item::Missing);
                let execution = self.execution_of(Err(error));
                let detail = self.describe(&execution);
                self.note_at(line, Verdict::Failed, detail);
            }
        }
    }

    fn imports_refused(&self, module: &Module) -> bool {
        module.imports().any(|import| self.refused_names.iter().any(|name| name == import.module()))
    }

    fn item(&self, module: Option<Id<'_>>) -> Item {
        match module {
            Some(id) => self.items.get(id.name()).cloned().unwrap_or(Item::Missing),
            None => self.last.clone(),
        }
    }

    fn register(&mut self, name: &str, module: Option<Id<'_>>, line: usize) {
        let registered = match self.item(module) {
            Item::Instance(instance) => {
                self.linker.instance(&mut self.store, name, instance).map(|_| ())
            }
            Item::Shared(memories) => memories.into_iter().try_for_each(|(item, memory)| {
                self.linker.define(&self.store, name, &item, memory).map(|_| ())
            }),
            Item::Missing => {
                self.refused_names.push(name.to_owned());
                return self.note_at(line, Verdict::Skipped, "no such instance");
            }
        };
        self.refused_names.retain(|refused| refused != name);
        match registered {
            Ok(()) => self.note_at(line, Verdict::Passed, "registered"),
            Err(error) => self.note_at(line, Verdict::Failed, error.to_string()),
        }
    }

    /// The shared memories that a module exports, for another thread.
    fn share(&mut self, module: Option<Id<'_>>) -> Option<(String, Item)> {
        let id = module?;
        let Item::Instance(instance) = self.item(Some(id)) else {
            return Some((id.name().to_owned(), Item::Missing));
        };
        let exports = instance.exports(&mut self.store);
        let memories = exports.filter_map(|export| {
            let name = export.name().to_owned();
            export.into_extern().into_shared_memory().map(|memory| (name, memory))
        });
        Some((id.name().to_owned(), Item::Shared(memories.collect())))
    }

    fn execute(&mut self, exec: WastExecute<'_>) -> Execution {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(invoke),
            WastExecute::Wat(module) => self.execute_module(module),
            WastExecute::Get { module, global, .. } => {
                let Item::Instance(instance) = self.item(module) else {
                    return Execution::Missing;
                };
                match instance.get_export(&mut self.store, global) {
                    Some(Extern::Global(global)) => {
                        Execution::Values(vec![global.get(&mut self.store)])
                    }
                    _ => Execution::Error(format!("no global {global}")),
                }
            }
        }
    }

    fn execute_module(&mut self, mut module: Wat<'_>) -> Execution {
        let wasm = match module.encode() {
            Ok(wasm) => wasm,
            Err(error) => return Execution::Error(error.message()),
        };
        match self.load(&wasm) {
            Ok(module) if self.imports_refused(&module) => Execution::Missing,
            Ok(module) => {
                let instantiated = self.linker.instantiate(&mut self.store, &module);
                self.execution_of(instantiated.map(|_| Vec::new()))
            }
            Err(LoadFailure::Refused) => Execution::Missing,
            Err(LoadFailure::Invalid(reason)) => Execution::Error(format!("invalid: {reason}")),
        }
    }

    fn invoke(&mut self, invoke: WastInvoke<'_>) -> Execution {
        let Item::Instance(instance) = self.item(invoke.module) else {
            return Execution::Missing;
        };
        let Some(function) = instance.get_func(&mut self.store, invoke.name) else {
            return Execution::Error(format!("no function {}", invoke.name));
        };
        let mut arguments = Vec::new();
        for argument in &invoke.args {
            let WastArg::Core(argument) = argument else {
                return Execution::Missing;
            };
            match self.argument(argument) {
                Some(value) => arguments.push(value),
                None => return Execution::Missing,
            }
        }
        let result_count = function.ty(&self.store).results().len();
        let mut results = vec![wasmtime::Val::I32(0); result_count];
        let called = function.call(&mut self.store, &arguments, &mut results);
        self.execution_of(called.map(|()| results))
    }

    fn argument(&mut self, argument: &WastArgCore<'_>) -> Option<wasmtime::Val> {
        values::argument(&mut self.store, argument)
    }

    fn execution_of(&mut self, result: wasmtime::Result<Vec<wasmtime::Val>>) -> Execution {
        let error = match result {
            Ok(values) => return Execution::Values(values),
            Err(error) => error,
        };
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return Execution::Trap(*trap);
        }
        if error.is::<ThrownException>() {
            self.store.take_pending_exception();
            return Execution::Exception;
        }
        Execution::Error(error.root_cause().to_string())
    }
}

fn name_of(id: Option<Id<'_>>) -> Option<String> {
    id.map(|id| id.name().to_owned())
}

/// Whether a trap is what the suite calls `message`.
fn is_trap(trap: Trap, message: &str) -> bool {
    let text = trap.to_string();
    text.contains(message)
        || match trap {
            Trap::StackOverflow => message.starts_with("call stack exhausted"),
            Trap::TableOutOfBounds => {
                message.starts_with("undefined element")
                    || message.starts_with("out of bounds table access")
                    || message.starts_with("uninitialized element")
            }
            Trap::IndirectCallToNull => message.starts_with("uninitialized element"),
            Trap::NullReference => message.starts_with("null"),
            Trap::AtomicWaitNonSharedMemory => message.starts_with("expected shared memory"),
            _ => false,
        }
}

fn run_thread(
    engine: &Engine,
    mode: Mode,
    child: WastThread<'_>,
    shared: Option<(String, Item)>,
    text: &str,
) -> (Vec<Outcome>, usize) {
    let mut script = Script::new(engine, mode);
    if let Some((name, item)) = shared {
        script.set_item(Some(name), item);
    }
    script.run_directives(child.directives, text);
    (script.outcomes, script.rewritten)
}
