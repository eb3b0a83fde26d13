//! Inlining and rewriting against modules that nobody wrote: each generated module runs as it is, as at publish, and
//! with all its functions moved as well, on one engine configuration. All exported functions are called with the same
//! arguments, and must return, trap and leave globals and memories alike.
//!
//! SELVEDGE_GENERATED_MODULES is how many modules are made, SELVEDGE_TEST_SEED the number of the first one: with 1 and
//! the number of a failure, that module alone runs again.

mod numbers;
mod run;
mod spread_calls;
mod wasm;

use wasmtime::{Engine, InstanceAllocationStrategy};

use self::run::{Comparison, compare};

/// Takes a few seconds.
const MODULES: u64 = 400;

/// That of guests, but: memory on demand, as the pool refuses modules that define shared memories; NaNs have one form,
/// as the sign of a new one depends on the registers in use; and what does not end is stopped at the same place always.
fn engine() -> Engine {
    let options = crate::engine::tests::small_options();
    let mut config = crate::engine::configure(&options).expect("a valid configuration");
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .cranelift_nan_canonicalization(true)
        .consume_fuel(true);
    Engine::new(&config).expect("a valid configuration")
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn generated_modules_do_the_same_when_functions_take_the_place_of_calls() {
    let count = number("SELVEDGE_GENERATED_MODULES").unwrap_or(MODULES);
    let first = number("SELVEDGE_TEST_SEED").unwrap_or(0);
    let engine = engine();
    let mut total = Comparison::default();
    for seed in first..first + count {
        compare(&engine, seed, &mut total);
    }
    println!("{count} generated modules from SELVEDGE_TEST_SEED={first}: {total}");
    for difference in &total.differences {
        println!("DIFFERENT {difference}");
    }
    assert!(total.differences.is_empty(), "{} outcomes differ", total.differences.len());
    // Else the modules are not what this is about.
    assert!(
        count < MODULES || (total.inlined > 3 * count && total.returned > 10 * count),
        "too few calls: {total}"
    );
}
