//! What the suite's modules import ("spectest"), and plain forms of the host functions that the
//! rewriter puts in place of instructions.

use std::time::Duration;

use wasmtime::{
    Caller, Engine, Extern, Global, GlobalType, Linker, Memory, MemoryType, Mutability, Ref,
    RefType, Result, SharedMemory, Store, Table, TableType, Trap, Val, ValType,
};

pub(super) fn linker(engine: &Engine, store: &mut Store<()>) -> Result<Linker<()>> {
    let mut linker = Linker::new(engine);
    linker.allow_shadowing(true);
    define_spectest(&mut linker, engine, store)?;
    define_instructions(&mut linker)?;
    Ok(linker)
}

fn define_spectest(linker: &mut Linker<()>, engine: &Engine, store: &mut Store<()>) -> Result<()> {
    const MODULE: &str = "spectest";
    linker.func_wrap(MODULE, "print", || {})?;
    linker.func_wrap(MODULE, "print_i32", |_: i32| {})?;
    linker.func_wrap(MODULE, "print_i64", |_: i64| {})?;
    linker.func_wrap(MODULE, "print_f32", |_: f32| {})?;
    linker.func_wrap(MODULE, "print_f64", |_: f64| {})?;
    linker.func_wrap(MODULE, "print_i32_f32", |_: i32, _: f32| {})?;
    linker.func_wrap(MODULE, "print_f64_f64", |_: f64, _: f64| {})?;
    let globals = [
        ("global_i32", ValType::I32, Val::I32(666)),
        ("global_i64", ValType::I64, Val::I64(666)),
        ("global_f32", ValType::F32, Val::F32(666.6f32.to_bits())),
        ("global_f64", ValType::F64, Val::F64(666.6f64.to_bits())),
    ];
    for (name, ty, value) in globals {
        let ty = GlobalType::new(ty, Mutability::Const);
        let global = Global::new(&mut *store, ty, value)?;
        linker.define(&*store, MODULE, name, global)?;
    }
    let table_type = TableType::new(RefType::FUNCREF, 10, Some(20));
    let table = Table::new(&mut *store, table_type, Ref::Func(None))?;
    linker.define(&*store, MODULE, "table", table)?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    linker.define(&*store, MODULE, "memory", memory)?;
    let shared = SharedMemory::new(engine, MemoryType::shared(1, 2))?;
    linker.define(&*store, MODULE, "shared_memory", shared)?;
    Ok(())
}

/// The memory that an instruction works on: "selvedge.memory" of the calling instance.
enum CallerMemory {
    Shared(SharedMemory),
    Plain { size: u64 },
}

fn caller_memory(caller: &mut Caller<'_, ()>) -> CallerMemory {
    match caller.get_export("selvedge.memory") {
        Some(Extern::SharedMemory(memory)) => CallerMemory::Shared(memory),
        Some(Extern::Memory(memory)) => {
            CallerMemory::Plain { size: memory.data_size(&*caller) as u64 }
        }
        _ => panic!("the rewriter exports the memory"),
    }
}

/// A sum beyond 32 bits is out of bounds, aligned or not.
fn effective(address: i32, offset: i32) -> Result<u64, Trap> {
    let sum = (address as u32).checked_add(offset as u32);
    sum.map(u64::from).ok_or(Trap::MemoryOutOfBounds)
}

fn check(address: u64, access: u64, size: u64) -> Result<(), Trap> {
    if !address.is_multiple_of(access) {
        return Err(Trap::HeapMisaligned);
    }
    if address + access > size {
        return Err(Trap::MemoryOutOfBounds);
    }
    Ok(())
}

fn timeout(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

pub(crate) fn define_instructions(linker: &mut Linker<()>) -> Result<()> {
    const MODULE: &str = "selvedge";
    linker.func_wrap(
        MODULE,
        "memory_atomic_wait32",
        |mut caller: Caller<'_, ()>, address: i32, expected: i32, limit: i64, offset: i32| {
            let address = effective(address, offset)?;
            match caller_memory(&mut caller) {
                CallerMemory::Shared(memory) => {
                    Ok(memory.atomic_wait32(address, expected as u32, timeout(limit))? as u32)
                }
                CallerMemory::Plain { size } => {
                    check(address, 4, size)?;
                    Err(wasmtime::Error::from(Trap::AtomicWaitNonSharedMemory))
                }
            }
        },
    )?;
    linker.func_wrap(
        MODULE,
        "memory_atomic_wait64",
        |mut caller: Caller<'_, ()>, address: i32, expected: i64, limit: i64, offset: i32| {
            let address = effective(address, offset)?;
            match caller_memory(&mut caller) {
                CallerMemory::Shared(memory) => {
                    Ok(memory.atomic_wait64(address, expected as u64, timeout(limit))? as u32)
                }
                CallerMemory::Plain { size } => {
                    check(address, 8, size)?;
                    Err(wasmtime::Error::from(Trap::AtomicWaitNonSharedMemory))
                }
            }
        },
    )?;
    linker.func_wrap(
        MODULE,
        "memory_atomic_notify",
        |mut caller: Caller<'_, ()>, address: i32, count: i32, offset: i32| -> Result<u32> {
            let address = effective(address, offset)?;
            match caller_memory(&mut caller) {
                CallerMemory::Shared(memory) => Ok(memory.atomic_notify(address, count as u32)?),
                CallerMemory::Plain { size } => {
                    check(address, 4, size)?;
                    Ok(0)
                }
            }
        },
    )?;
    // Also called in modules whose memory is not shared, when every function moves.
    linker.func_wrap(MODULE, "memory_grow", |mut caller: Caller<'_, ()>, pages: i32| -> i32 {
        let pages = u64::from(pages as u32);
        let before = match caller.get_export("selvedge.memory") {
            Some(Extern::SharedMemory(memory)) => memory.grow(pages),
            Some(Extern::Memory(memory)) => memory.grow(&mut caller, pages),
            _ => panic!("the rewriter exports the memory"),
        };
        before.map_or(-1, |before| before as i32)
    })?;
    Ok(())
}
