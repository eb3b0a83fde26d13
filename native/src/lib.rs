//! Selvedge's only Rust code.
pub use wasmtime::Engine;
