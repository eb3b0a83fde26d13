//! Selvedge's only Rust code: a thin C ABI over what C++ cannot reach itself. See README.md for the rules.

// Engine glue over wasmtime.
pub mod away;
pub mod buffer;
pub mod contexts;
pub mod engine;
pub mod error;
mod faults;
pub mod fiber;
pub mod guest;
pub mod host_functions;
pub mod limits;
pub mod link_bind;
pub mod link_calls;
pub mod link_load;
pub mod link_map;
mod link_own;
mod link_run;
pub mod link_symbols;
pub mod link_threads;
pub mod memory;
pub mod metrics;
pub mod module;
pub mod shared_memory;
mod signals;
pub mod signatures;
pub mod store;
pub mod wat;

// Tools on bytes.
pub mod dylink;
mod function_names;
pub mod hash;
pub mod http1;
mod inline;
pub mod inspect;
pub mod prelink;
pub mod rewrite;
mod rewrite_bulk;
mod rewrite_contexts;
mod rewrite_dynamic;
mod rewrite_signals;
mod sections;
pub mod semver;
mod thread_local;
pub mod time_zone;
mod trampolines;

#[cfg(test)]
mod generated;
#[cfg(test)]
mod spec_suite;
