//! The process's Wasm engine: its one configuration and its instance pool.
//!
//! Everything that changes compiled code is fixed here, so that every node of a version loads the same
//! artifacts; EngineOptions holds only what does not.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
    WasmBacktraceDetails,
};

use crate::error::{NativeError, NativeErrorKind};
use crate::limits::GuestSlots;

/// Address space of one linear memory. A 32-bit guest cannot name a byte beyond it and its guard, so
/// compiled code needs no bounds checks.
pub(crate) const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
pub(crate) const MEMORY_GUARD_BYTES: u64 = 32 << 20;
/// Initial heaps up to this size become copy-on-write images even when they are sparse.
const DENSE_IMAGE_BYTES: u64 = 128 << 20;
const INSTANCES_MAX: u32 = 30_000;
/// Exceptions live in a heap of their own, made at the first throw; each takes a memory's address space.
const EXCEPTION_HEAPS_MAX: u32 = 1_000;
const TABLES_PER_MODULE_MAX: u32 = 4;
/// Instances besides those of guests: libraries that guests have loaded, once for each thread. A process's own
/// limit is in link_map.rs.
const LIBRARY_INSTANCES_MAX: u32 = 10_000_000;
/// Stacks on which libraries begin, at most one on each shard.
const LIBRARY_STACKS: u32 = 64;
/// What one module's function references, globals and imports may take at run time.
const INSTANCE_RECORD_BYTES_MAX: usize = 8 << 20;
const BACKTRACE_FRAMES_MAX: usize = 16;
const PAGE_BYTES: u64 = 4096;
/// What stays resident of a memory where the kernel does not tell which pages were written (Linux before 6.7):
/// all of it is written anew when a guest ends.
const UNTRACKED_RESIDENT_BYTES_MAX: u64 = 128 << 10;
const STACK_BYTES_MAX: u64 = 256 << 20;

/// What compiled code may use: x86-64-v3, in Cranelift's names.
#[cfg(target_arch = "x86_64")]
const CPU_FEATURES: [&str; 12] = [
    "has_sse3",
    "has_ssse3",
    "has_cmpxchg16b",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

/// Sizes of the pool; see selvedge::engine::EngineOptions.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EngineOptions {
    pub instances_max: u32,
    pub warm_slots_max: u32,
    pub memory_bytes_max: u64,
    pub table_elements_max: u64,
    pub wasm_stack_bytes: u64,
    pub host_stack_bytes: u64,
    pub memory_keep_resident_bytes: u64,
    pub stack_keep_resident_bytes: u64,
    pub parallel_compilation: bool,
}

/// The engine. Freed with `selvedge_engine_free`; what was made from it keeps what it needs alive.
pub struct Engine {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) guests: Arc<GuestSlots>,
}

fn invalid(message: String) -> NativeError {
    NativeError::new(NativeErrorKind::Invalid, message)
}

fn check(options: &EngineOptions) -> Result<(), NativeError> {
    if !(1..=INSTANCES_MAX).contains(&options.instances_max) {
        return Err(invalid(format!(
            "the number of instances must be between 1 and {INSTANCES_MAX}, not {}",
            options.instances_max
        )));
    }
    if options.memory_bytes_max > MEMORY_RESERVATION_BYTES {
        return Err(invalid(format!(
            "the memory of one guest is at most {MEMORY_RESERVATION_BYTES} bytes, not {}",
            options.memory_bytes_max
        )));
    }
    if !(1..=100_000_000).contains(&options.table_elements_max) {
        return Err(invalid(format!(
            "the number of table elements must be between 1 and 100000000, not {}",
            options.table_elements_max
        )));
    }
    for (name, bytes) in
        [("guest stack", options.wasm_stack_bytes), ("host stack", options.host_stack_bytes)]
    {
        if !(64 << 10..=STACK_BYTES_MAX).contains(&bytes) || bytes % PAGE_BYTES != 0 {
            return Err(invalid(format!(
                "the {name} must be whole pages between 64 KiB and {STACK_BYTES_MAX} bytes, not {bytes}"
            )));
        }
    }
    for (name, bytes, bytes_max) in [
        ("memory", options.memory_keep_resident_bytes, options.memory_bytes_max),
        ("stack", options.stack_keep_resident_bytes, options.wasm_stack_bytes),
    ] {
        if bytes % PAGE_BYTES != 0 || bytes > bytes_max {
            return Err(invalid(format!(
                "the {name} kept resident must be whole pages up to {bytes_max} bytes, not {bytes}"
            )));
        }
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn check_cpu() -> Result<(), NativeError> {
    let missing: Vec<&str> = [
        ("SSE4.2", std::is_x86_feature_detected!("sse4.2")),
        ("SSSE3", std::is_x86_feature_detected!("ssse3")),
        ("POPCNT", std::is_x86_feature_detected!("popcnt")),
        ("CMPXCHG16B", std::is_x86_feature_detected!("cmpxchg16b")),
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
        ("BMI1", std::is_x86_feature_detected!("bmi1")),
        ("BMI2", std::is_x86_feature_detected!("bmi2")),
        ("LZCNT", std::is_x86_feature_detected!("lzcnt")),
    ]
    .into_iter()
    .filter_map(|(name, present)| (!present).then_some(name))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(NativeError::new(
        NativeErrorKind::Unsupported,
        format!(
            "this CPU lacks {}: compiled modules need x86-64-v3 (Intel Haswell, AMD Excavator or newer)",
            missing.join(", ")
        ),
    ))
}

#[cfg(not(target_arch = "x86_64"))]
fn check_cpu() -> Result<(), NativeError> {
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn select_cpu(config: &mut Config) -> wasmtime::Result<()> {
    // Naming the target stops Wasmtime from inferring this machine's features.
    config.target("x86_64-unknown-linux-gnu")?;
    for feature in CPU_FEATURES {
        // Safe: check_cpu has found each of them on this machine.
        unsafe { config.cranelift_flag_enable(feature) };
    }
    Ok(())
}

#[cfg(not(target_arch = "x86_64"))]
fn select_cpu(_config: &mut Config) -> wasmtime::Result<()> {
    Ok(())
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let instances = options.instances_max;
    let exception_heaps = instances.min(EXCEPTION_HEAPS_MAX);
    let mut memory_keep_resident = options.memory_keep_resident_bytes;
    if !PoolingAllocationConfig::is_pagemap_scan_available() {
        memory_keep_resident = memory_keep_resident.min(UNTRACKED_RESIDENT_BYTES_MAX);
    }
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(instances + LIBRARY_INSTANCES_MAX)
        .total_memories(instances + exception_heaps)
        .total_tables(instances * 2)
        .total_stacks(instances + LIBRARY_STACKS)
        .total_gc_heaps(exception_heaps)
        .total_component_instances(1)
        .max_unused_warm_slots(options.warm_slots_max)
        .max_memory_size(options.memory_bytes_max as usize)
        .max_memories_per_module(1)
        .max_tables_per_module(TABLES_PER_MODULE_MAX)
        .table_elements(options.table_elements_max as usize)
        .max_core_instance_size(INSTANCE_RECORD_BYTES_MAX)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(memory_keep_resident as usize)
        .table_keep_resident(PAGE_BYTES as usize)
        .async_stack_keep_resident(options.stack_keep_resident_bytes as usize);
    pool
}

pub(crate) fn configure(options: &EngineOptions) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    select_cpu(&mut config)?;
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(options.parallel_compilation)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)))
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_guard_size(MEMORY_GUARD_BYTES)
        .memory_init_cow(true)
        .memory_guaranteed_dense_image_size(DENSE_IMAGE_BYTES)
        .max_wasm_stack(options.wasm_stack_bytes as usize)
        // A handler of signals that interrupts the guest gets the limit of a first call (signals.rs), and so does a
        // call from inside a host call (selvedge_guest_call): they have stacks of their own below. Address space
        // only, unless it is used.
        .async_stack_size((3 * options.wasm_stack_bytes + options.host_stack_bytes) as usize)
        .async_stack_zeroing(options.stack_keep_resident_bytes != 0)
        .epoch_interruption(true)
        // Function names suffice for a person; offsets would add a third to every artifact.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX))
        .generate_address_map(false)
        // Registering unwind tables takes a process-wide lock of the C++ runtime.
        .native_unwind_info(false)
        .wasm_simd(true)
        .wasm_relaxed_simd(true)
        .wasm_bulk_memory(true)
        .wasm_reference_types(true)
        .wasm_multi_value(true)
        .wasm_tail_call(true)
        .wasm_exceptions(true)
        .wasm_threads(true)
        .shared_memory(true)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_custom_page_sizes(false);
    Ok(config)
}

fn create(options: &EngineOptions) -> Result<Engine, NativeError> {
    check(options)?;
    check_cpu()?;
    let config = configure(options).map_err(|error| invalid(format!("{error:#}")))?;
    let engine = wasmtime::Engine::new(&config).map_err(|error| {
        NativeError::new(
            NativeErrorKind::Internal,
            format!("a pool of {} instances cannot be made: {error:#}", options.instances_max),
        )
    })?;
    Ok(Engine { engine, guests: GuestSlots::new(options.instances_max) })
}

/// Collects what is hashed into BLAKE3.
struct DigestHasher(blake3::Hasher);

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.0.finalize().as_bytes()[..8]);
        u64::from_le_bytes(word)
    }
}

/// Makes the engine and reserves its pool. On success `*engine` is owned by the caller; on failure it is
/// untouched and the error says which option is wrong, or what this CPU lacks. Any thread.
///
/// # Safety
/// Both pointers are valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_engine_new(
    options: &EngineOptions,
    engine: *mut *mut Engine,
) -> *mut NativeError {
    match create(options) {
        Ok(made) => {
            unsafe { *engine = Box::into_raw(Box::new(made)) };
            std::ptr::null_mut()
        }
        Err(error) => error.into_raw(),
    }
}

/// Frees the engine; null is allowed. No guest runs, and no thread is in `selvedge_engine_tick`.
///
/// # Safety
/// `engine` is null or came from `selvedge_engine_new` and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_engine_free(engine: *mut Engine) {
    if !engine.is_null() {
        drop(unsafe { Box::from_raw(engine) });
    }
}

/// Advances the epoch: each running guest yields at its next check. Any thread, any time.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_engine_tick(engine: &Engine) {
    engine.engine.increment_epoch();
}

/// Writes 32 bytes that are equal exactly when two engines load each other's artifacts: they cover the
/// engine's version, target CPU and code-generation settings. Any thread.
///
/// # Safety
/// `digest` points to 32 writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_engine_compatibility(engine: &Engine, digest: *mut u8) {
    let mut hasher = DigestHasher(blake3::Hasher::new());
    engine.engine.precompile_compatibility_hash().hash(&mut hasher);
    let hash = hasher.0.finalize();
    unsafe { std::ptr::copy_nonoverlapping(hash.as_bytes().as_ptr(), digest, 32) };
}

/// Does the set-up that the calling thread's first guest call would else do (signal stack).
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_engine_prepare_thread() {
    wasmtime::Engine::tls_eager_initialize();
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn small_options() -> EngineOptions {
        EngineOptions {
            instances_max: 4,
            warm_slots_max: 4,
            memory_bytes_max: 64 << 20,
            table_elements_max: 10_000,
            wasm_stack_bytes: 512 << 10,
            host_stack_bytes: 256 << 10,
            memory_keep_resident_bytes: 64 << 10,
            stack_keep_resident_bytes: 16 << 10,
            parallel_compilation: false,
        }
    }

    pub(crate) fn small_engine() -> Engine {
        create(&small_options()).ok().expect("valid options")
    }

    #[test]
    fn options_out_of_range_are_errors() {
        let bad = [
            EngineOptions { instances_max: 0, ..small_options() },
            EngineOptions { instances_max: 1 << 20, ..small_options() },
            EngineOptions { memory_bytes_max: 5 << 30, ..small_options() },
            EngineOptions { table_elements_max: 0, ..small_options() },
            EngineOptions { wasm_stack_bytes: 1, ..small_options() },
            EngineOptions { host_stack_bytes: (64 << 10) + 1, ..small_options() },
            EngineOptions { memory_keep_resident_bytes: 100, ..small_options() },
        ];
        for options in bad {
            let error = create(&options).err().expect("out of range");
            assert_eq!(error.kind, NativeErrorKind::Invalid, "{}", error.message);
        }
    }

    #[test]
    fn compatibility_ignores_pool_sizes() {
        let digest = |options: EngineOptions| {
            let engine = create(&options).ok().expect("valid options");
            let mut digest = [0u8; 32];
            unsafe { selvedge_engine_compatibility(&engine, digest.as_mut_ptr()) };
            digest
        };
        let small = digest(small_options());
        let other = digest(EngineOptions {
            instances_max: 9,
            memory_bytes_max: 1 << 30,
            wasm_stack_bytes: 1 << 20,
            ..small_options()
        });
        assert_eq!(small, other);
        assert_ne!(small, [0; 32]);
    }
}
