//! How full the instance pool is.

use crate::engine::Engine;

/// Counts of pool slots in use, and of free ones that are kept warm.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct PoolMetrics {
    pub instances: u64,
    pub memories: u64,
    pub tables: u64,
    pub stacks: u64,
    pub warm_memories: u64,
    pub warm_memory_bytes: u64,
}

/// A snapshot; numbers may be from slightly different moments. Any thread.
#[unsafe(no_mangle)]
pub extern "C" fn selvedge_engine_pool_metrics(engine: &Engine) -> PoolMetrics {
    let Some(metrics) = engine.engine.pooling_allocator_metrics() else {
        return PoolMetrics::default();
    };
    PoolMetrics {
        instances: metrics.core_instances(),
        memories: metrics.memories() as u64,
        tables: metrics.tables() as u64,
        stacks: metrics.stacks() as u64,
        warm_memories: u64::from(metrics.unused_warm_memories()),
        warm_memory_bytes: metrics.unused_memory_bytes_resident() as u64,
    }
}
