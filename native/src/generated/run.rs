//! Runs a module in all its forms and compares.

use std::fmt;
use std::sync::{Arc, Mutex};

use wasmparser::{Operator, Parser, Payload, Validator};
use wasmtime::{
    Engine, Extern, ExternType, Func, FuncType, Instance, Linker, Module, Store, ThrownException,
    Trap, Val,
};

use super::numbers::Numbers;
use super::wasm::generate;
use crate::inline::inline;
use crate::inspect::FEATURES;
use crate::rewrite::{HOST_MODULE, RewriteOptions, prepare, rewrite_all};
use crate::spec_suite::{host, values};

const NO_LIMIT: RewriteOptions = RewriteOptions { shared_memory_pages_max: 65_536, linked: false };
/// With other arguments each.
const CALLS_OF_A_FUNCTION: usize = 3;
/// For a call in the module as it is. What needs more may never end.
const FUEL: u64 = 20_000;
/// In another form a call may take more, but not without end.
const FUEL_OF_OTHER_FORMS: u64 = 200 * FUEL;

#[derive(Default)]
pub(super) struct Comparison {
    modules: u64,
    /// Calls in the code that functions took the place of.
    pub(super) inlined: u64,
    /// Outcomes that were compared, by kind.
    pub(super) returned: u64,
    trapped: u64,
    /// What may never end is not compared.
    endless: u64,
    pub(super) differences: Vec<String>,
}

impl fmt::Display for Comparison {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} modules, {} calls replaced; {} calls returned and {} trapped alike, {} did not end; {} \
             differences",
            self.modules,
            self.inlined,
            self.returned,
            self.trapped,
            self.endless,
            self.differences.len()
        )
    }
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq)]
enum Outcome {
    Returned(String),
    Trapped(String),
    /// Out of fuel or stack.
    Endless,
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Returned(values) => write!(out, "returns ({values})"),
            Outcome::Trapped(reason) => write!(out, "traps: {reason}"),
            Outcome::Endless => write!(out, "does not end"),
        }
    }
}

fn failed(error: &wasmtime::Error) -> Outcome {
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel | Trap::StackOverflow) => Outcome::Endless,
        Some(trap) => Outcome::Trapped(trap.to_string()),
        None if error.is::<ThrownException>() => Outcome::Trapped("exception".to_owned()),
        None => Outcome::Trapped(error.root_cause().to_string()),
    }
}

/// A function to call, and with what.
struct Subject {
    name: String,
    arguments: Vec<Vec<Val>>,
}

fn subjects(module: &Module, numbers: &mut Numbers) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for export in module.exports() {
        let ExternType::Func(ty) = export.ty() else { continue };
        let arguments: Option<Vec<Vec<Val>>> = (0..CALLS_OF_A_FUNCTION)
            .map(|_| ty.params().map(|ty| numbers.value(&ty)).collect())
            .collect();
        if let Some(arguments) = arguments {
            subjects.push(Subject { name: export.name().to_owned(), arguments });
        }
    }
    subjects
}

/// What an imported function was called with.
type Calls = Arc<Mutex<Vec<String>>>;

/// Notes its arguments and returns numbers that follow from them.
fn imported_function(store: &mut Store<()>, ty: &FuncType, name: String, calls: &Calls) -> Func {
    let calls = Arc::clone(calls);
    let results: Vec<_> = ty.results().collect();
    Func::new(store, ty.clone(), move |_, arguments, into| {
        let noted = format!("{name} {arguments:?}");
        let mut numbers = Numbers::new(noted.bytes().map(u64::from).sum());
        for (into, ty) in into.iter_mut().zip(&results) {
            *into = numbers.value(ty).expect("references can be null");
        }
        // References are told apart by where they lie.
        let is_number = |value: &Val| value.ref_().is_none();
        if arguments.iter().all(is_number) {
            calls.lock().expect("no panic").push(noted);
        }
        Ok(())
    })
}

/// One form of a module.
struct Form<'e> {
    engine: &'e Engine,
    module: Module,
    fuel: u64,
}

impl Form<'_> {
    fn instantiate(
        &self,
        linker: &Linker<()>,
        calls: &Calls,
    ) -> (Store<()>, wasmtime::Result<Instance>) {
        let mut store = Store::new(self.engine, ());
        store.set_epoch_deadline(1); // nobody advances it
        store.set_fuel(self.fuel).expect("fuel is on");
        let imports: Vec<Extern> = self
            .module
            .imports()
            .map(|import| match import.ty() {
                _ if import.module() == HOST_MODULE => {
                    linker.get_by_import(&mut store, &import).expect("a function of the rewriter")
                }
                ExternType::Func(ty) => {
                    let name = format!("{} {}", import.module(), import.name());
                    imported_function(&mut store, &ty, name, calls).into()
                }
                ty => ty.default_value(&mut store).expect("types have a default"),
            })
            .collect();
        let instance = Instance::new(&mut store, &self.module, &imports);
        (store, instance)
    }

    /// The outcome of each call in one instance, the first of which is that of its start, and what the instance's
    /// state is then. Not more than `count_max` calls; what did not end has no state.
    fn run(
        &self,
        linker: &Linker<()>,
        subject: &Subject,
        state: &[String],
        count_max: usize,
    ) -> (Vec<Outcome>, String) {
        let calls = Calls::default();
        let (mut store, instance) = self.instantiate(linker, &calls);
        let instance = match instance {
            Ok(instance) => instance,
            Err(error) => return (vec![failed(&error)], String::new()),
        };
        let mut outcomes = vec![Outcome::Returned(String::new())];
        let function = instance.get_func(&mut store, &subject.name).expect("an exported function");
        let mut results = vec![Val::I32(0); function.ty(&store).results().len()];
        for arguments in &subject.arguments {
            if outcomes.len() == count_max {
                return (outcomes, String::new());
            }
            store.set_fuel(self.fuel).expect("fuel is on");
            outcomes.push(match function.call(&mut store, arguments, &mut results) {
                Ok(()) => Outcome::Returned(values::describe(&store, &results)),
                Err(error) => failed(&error),
            });
            if outcomes.last() == Some(&Outcome::Endless) {
                return (outcomes, String::new());
            }
        }
        let mut told = describe_state(&mut store, &instance, state);
        for call in calls.lock().expect("no panic").iter() {
            told += &format!("called {call}\n");
        }
        (outcomes, told)
    }
}

fn describe_state(store: &mut Store<()>, instance: &Instance, exports: &[String]) -> String {
    let mut told = String::new();
    for name in exports {
        let item = instance.get_export(&mut *store, name).expect("exports stay");
        told += &match item {
            Extern::Global(global) => {
                let value = global.get(&mut *store);
                format!("global {name:?} {}\n", values::describe(store, &[value]))
            }
            Extern::Memory(memory) => {
                format!("memory {name:?} {}\n", blake3::hash(memory.data(&*store)))
            }
            Extern::SharedMemory(memory) => {
                // Safe: no guest runs.
                let bytes = memory.data().iter().map(|byte| unsafe { *byte.get() });
                format!("memory {name:?} {}\n", blake3::hash(&bytes.collect::<Vec<u8>>()))
            }
            Extern::Table(table) => {
                let elements = (0..table.size(&*store)).map(|at| {
                    let element = table.get(&mut *store, at).expect("within the table");
                    if element.is_null() { '0' } else { '1' }
                });
                format!("table {name:?} {}\n", elements.collect::<String>())
            }
            _ => String::new(),
        };
    }
    told
}

fn count_calls(wasm: &[u8]) -> u64 {
    let mut count = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        if let Payload::CodeSectionEntry(body) = payload.expect("a valid module") {
            let operators = body.get_operators_reader().expect("a valid module").into_iter();
            count += operators.filter(|next| matches!(next, Ok(Operator::Call { .. }))).count();
        }
    }
    count as u64
}

fn validate(wasm: &[u8]) -> Result<(), String> {
    let validated = Validator::new_with_features(FEATURES).validate_all(wasm);
    validated.map(drop).map_err(|error| error.to_string())
}

/// The forms of a module beside the one that it came in.
fn other_forms(wasm: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut forms = Vec::new();
    if let Some(prepared) = prepare(wasm, &NO_LIMIT).ok().expect("a valid module") {
        forms.push(("as at publish", prepared));
    }
    let moved = rewrite_all(wasm, &NO_LIMIT).expect("a valid module");
    let inlined = inline(&moved).ok().expect("a valid module");
    forms.push(("moved", inlined.unwrap_or(moved)));
    forms
}

/// Adds what the module of `seed` does in all its forms to `total`.
pub(super) fn compare(engine: &Engine, seed: u64, total: &mut Comparison) {
    let Some(wasm) = generate(seed) else { return };
    total.modules += 1;
    if let Err(reason) = validate(&wasm) {
        panic!("the module of seed {seed} is not valid: {reason}");
    }
    total.inlined += match inline(&wasm).ok().expect("a valid module") {
        Some(inlined) => count_calls(&wasm) - count_calls(&inlined),
        None => 0,
    };
    let module = Module::new(engine, &wasm).expect("a valid module");
    let mut numbers = Numbers::new(!seed);
    let subjects = subjects(&module, &mut numbers);
    let state: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    let mut linker = Linker::new(engine);
    host::define_instructions(&mut linker).expect("functions with names of their own");
    let plain = Form { engine, module, fuel: FUEL };
    let expected: Vec<(Vec<Outcome>, String)> =
        subjects.iter().map(|subject| plain.run(&linker, subject, &state, usize::MAX)).collect();
    for (outcomes, _) in &expected {
        for outcome in outcomes {
            match outcome {
                Outcome::Returned(_) => total.returned += 1,
                Outcome::Trapped(_) => total.trapped += 1,
                Outcome::Endless => total.endless += 1,
            }
        }
    }
    for (form, changed) in other_forms(&wasm) {
        if let Err(reason) = validate(&changed) {
            total.differences.push(format!("seed {seed}, {form}: not valid: {reason}"));
            continue;
        }
        let module = Module::new(engine, &changed).expect("a valid module");
        let other = Form { engine, module, fuel: FUEL_OF_OTHER_FORMS };
        for (subject, (outcomes, told)) in subjects.iter().zip(&expected) {
            let ended = outcomes.iter().filter(|outcome| **outcome != Outcome::Endless).count();
            if ended == 0 {
                continue;
            }
            let (others, other_told) = other.run(&linker, subject, &state, ended);
            if let Some(difference) = difference(&outcomes[..ended], told, &others, &other_told) {
                let name = &subject.name;
                total.differences.push(format!("seed {seed}, {form}, {name:?}: {difference}"));
            }
        }
    }
}

fn difference(
    outcomes: &[Outcome],
    told: &str,
    others: &[Outcome],
    other_told: &str,
) -> Option<String> {
    for (at, (outcome, other)) in outcomes.iter().zip(others).enumerate() {
        if outcome != other {
            return Some(format!("call {at} {outcome}, and then {other}"));
        }
    }
    let mut lines = told.lines().zip(other_told.lines());
    let differing = lines.find(|(line, other)| line != other);
    match differing {
        Some((line, other)) => Some(format!("{line}, and then {other}")),
        None if told.is_empty() || told.len() == other_told.len() => None,
        None => Some(format!("the state is\n{told}and then\n{other_told}")),
    }
}
