//! Proof that the rewriter changes nothing: runs the test suite of the WebAssembly core
//! specification on the engine's own configuration with modules as they are, with every module
//! rewritten, and with every module rewritten as if it waited (so that all functions move), and
//! requires the same outcome of each of its commands.
//!
//! The suite (https://github.com/WebAssembly/testsuite) is found by WASM_SPEC_SUITE_DIR; without it
//! the test says so and passes. SPEC_SUITE_FILTER runs only files whose path contains it.

pub(crate) mod host;
mod script;
pub(crate) mod values;

use std::path::{Path, PathBuf};
use std::thread;

use wasmtime::{Engine, InstanceAllocationStrategy};

use self::script::{Mode, Outcome, Script, Verdict};

/// Some tests recurse until the stack is exhausted; the thread's stack must be larger than the
/// guest's.
const THREAD_STACK_BYTES: usize = 16 << 20;
/// Folders of proposals that are in the engine's feature set; the others are not run.
const PROPOSALS: [&str; 1] = ["threads"];
/// With less than this many passed assertions, the suite or the driver is broken.
const PASSED_MIN: usize = 40_000;

/// Files with assertions that fail on this configuration, for a reason that is known.
const KNOWN_FAILURES: [(&str, &str); 3] = [
    ("linking0.wast", "an element of a module with several memories, which is refused"),
    ("load1.wast", "data of a module with several memories, which is refused"),
    ("threads/imports.wast", "from before a module could have several tables"),
];

#[derive(Default)]
struct Counts {
    files: usize,
    commands: usize,
    passed: usize,
    refused: usize,
    skipped: usize,
    rewritten: usize,
    moved: usize,
    known: usize,
    failed: Vec<String>,
    different: Vec<String>,
}

fn wast_files(folder: &Path) -> Vec<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    folders.extend(PROPOSALS.map(|proposal| folder.join("proposals").join(proposal)));
    let mut files: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "wast"))
        .collect();
    files.sort();
    files
}

/// The engine's configuration, but with memory on demand: the pool refuses modules that define
/// shared memories, which has nothing to do with what is proved here.
fn engine() -> Engine {
    let options = crate::engine::tests::small_options();
    let mut config = crate::engine::configure(&options).expect("a valid configuration");
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    Engine::new(&config).expect("a valid configuration")
}

fn run(engine: &Engine, text: &str, mode: Mode) -> (Vec<Outcome>, usize) {
    let mut script = Script::new(engine, mode);
    script.run(text);
    (script.outcomes, script.rewritten)
}

fn count(name: &str, outcomes: &[Outcome], counts: &mut Counts) {
    let known = KNOWN_FAILURES.iter().any(|(file, _)| name.ends_with(file));
    for outcome in outcomes {
        counts.commands += 1;
        match outcome.verdict {
            Verdict::Passed => counts.passed += 1,
            Verdict::Refused => counts.refused += 1,
            Verdict::Skipped => counts.skipped += 1,
            Verdict::Failed if known => counts.known += 1,
            Verdict::Failed => counts.failed.push(format!("{name}: {outcome:?}")),
        }
    }
}

fn compare(name: &str, mode: Mode, plain: &[Outcome], other: &[Outcome], counts: &mut Counts) {
    if plain.len() != other.len() {
        let (before, after) = (plain.len(), other.len());
        counts.different.push(format!("{name}: {before} commands, {after} when {mode:?}"));
    }
    for (before, after) in plain.iter().zip(other).filter(|(before, after)| before != after) {
        counts.different.push(format!("{name}: {before:?}\n    {mode:?}: {after:?}"));
    }
}

fn run_file(engine: &Engine, file: &Path, counts: &mut Counts) {
    let text = std::fs::read_to_string(file).expect("the file is readable");
    let [plain, rewritten, moved] = thread::scope(|scope| {
        let work =
            || [Mode::Plain, Mode::Rewritten, Mode::Moved].map(|mode| run(engine, &text, mode));
        thread::Builder::new()
            .stack_size(THREAD_STACK_BYTES)
            .spawn_scoped(scope, work)
            .expect("a thread can be made")
            .join()
            .expect("the driver does not panic")
    });
    let name = file.to_string_lossy();
    counts.files += 1;
    counts.rewritten += rewritten.1;
    counts.moved += moved.1;
    count(&name, &plain.0, counts);
    compare(&name, Mode::Rewritten, &plain.0, &rewritten.0, counts);
    compare(&name, Mode::Moved, &plain.0, &moved.0, counts);
}

#[test]
fn rewriting_changes_no_outcome_of_the_specification_suite() {
    let Some(folder) = std::env::var_os("WASM_SPEC_SUITE_DIR") else {
        eprintln!(
            "SKIPPED: the specification's test suite (set WASM_SPEC_SUITE_DIR to its folder)"
        );
        return;
    };
    let filter = std::env::var("SPEC_SUITE_FILTER").unwrap_or_default();
    let engine = engine();
    let mut counts = Counts::default();
    for file in wast_files(Path::new(&folder)) {
        if file.to_string_lossy().contains(&filter) {
            run_file(&engine, &file, &mut counts);
        }
    }
    for failure in &counts.failed {
        eprintln!("FAILED {failure}");
    }
    for difference in &counts.different {
        eprintln!("DIFFERENT {difference}");
    }
    eprintln!(
        "specification suite: {} files, {} commands: {} passed, {} failed, {} failed for a known \
         reason, {} refused (features that are switched off), {} skipped (they follow a refused \
         module); {} modules rewritten, {} with moved functions; {} outcomes differ",
        counts.files,
        counts.commands,
        counts.passed,
        counts.failed.len(),
        counts.known,
        counts.refused,
        counts.skipped,
        counts.rewritten,
        counts.moved,
        counts.different.len()
    );
    assert!(counts.different.is_empty(), "the rewriter changes outcomes");
    assert!(counts.failed.is_empty(), "the engine fails the suite");
    assert!(
        !filter.is_empty() || counts.passed >= PASSED_MIN,
        "only {} assertions passed: is this the suite?",
        counts.passed
    );
}
