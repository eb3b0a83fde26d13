//! Giving a program what it needs of libraries (prelink.rs): the globals that it calls and finds their symbols
//! through. All threads have the same values but for thread-local variables.

use wasmtime::Val;

use crate::error::NativeError;
use crate::guest::GuestContext;
use crate::inspect::shown;
use crate::link_load::{Undefined, deliver, numbers, work_on_links};
use crate::link_map::{Map, PROGRAM, Source, Store, StoreLinks, error};
use crate::link_run::program;
use crate::link_symbols::Symbol;
use crate::prelink::{DATA_PREFIX, FUNCTION_PREFIX, WEAK_PREFIX};

/// A global of the program, by its export, and what it is to be.
pub(crate) struct Binding {
    export: String,
    source: Source,
}

/// What stands behind the prefix and the number of an export.
fn symbol_name<'a>(export: &'a str, prefix: &str) -> Option<&'a str> {
    export.strip_prefix(prefix)?.split_once('.').map(|(_, name)| name)
}

impl StoreLinks {
    fn bind_program(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        scope: &[u32],
    ) -> wasmtime::Result<()> {
        let Some(program) = program(store) else {
            return error("the program has no instance");
        };
        let exports: Vec<String> =
            program.exports(&mut *store).map(|export| export.name().to_owned()).collect();
        let mut bindings = Vec::new();
        for export in exports {
            let find = |prefix| symbol_name(&export, prefix).map(|name| (prefix, name));
            let Some((prefix, name)) =
                [FUNCTION_PREFIX, DATA_PREFIX, WEAK_PREFIX].into_iter().find_map(find)
            else {
                continue;
            };
            let source = match (prefix, self.symbol(store, map, scope, name)) {
                (FUNCTION_PREFIX, Some(Symbol::Data(_) | Symbol::ThreadLocal(..))) => {
                    return error(format!("the symbol {} is not a function", shown(name)));
                }
                (DATA_PREFIX, Some(Symbol::Function(..))) => {
                    return error(format!("the symbol {} is a function", shown(name)));
                }
                (_, Some(symbol)) => self.entry(store, map, symbol)?,
                (WEAK_PREFIX, None) => Source::Address(0),
                (_, None) => return Err(Undefined::error(name)),
            };
            bindings.push(Binding { export, source });
        }
        map.bindings = bindings;
        self.advance();
        self.set_bindings(store, map)
    }

    /// Puts them into the store's instance of the program.
    pub(crate) fn set_bindings(
        &mut self,
        store: &mut Store<'_>,
        map: &Map,
    ) -> wasmtime::Result<()> {
        for Binding { export, source } in &map.bindings {
            let value = match source {
                Source::Address(address) => *address,
                Source::ThreadLocal(number, offset) => self.block(*number)?.wrapping_add(*offset),
                _ => 0,
            };
            match self.export(store, PROGRAM, export).and_then(wasmtime::Extern::into_global) {
                Some(global) => global.set(&mut *store, Val::I32(value as i32))?,
                None => return error("a global of the program is gone"),
            }
        }
        Ok(())
    }
}

/// Gives the program what it needs of the modules at `scope`, in their order. Once, before any of its code but what
/// has called the host. Otherwise as `selvedge_guest_load_library`.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_bind_program(
    guest: *mut GuestContext,
    scope: *const u32,
    scope_count: usize,
) -> *mut NativeError {
    let scope = unsafe { numbers(scope, scope_count) };
    unsafe {
        let bound = work_on_links(guest, |links, map, store| links.bind_program(store, map, scope));
        deliver(bound, &mut ())
    }
}
