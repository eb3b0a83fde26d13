//! Symbols of the program and of libraries, and their addresses.

use wasmtime::{Extern, Global, Mutability, Val, ValType};

use crate::buffer::Bytes;
use crate::error::NativeError;
use crate::guest::GuestContext;
use crate::link_load::{deliver, numbers, work_on_links};
use crate::link_map::{Element, LibraryCode, Map, PROGRAM, Source, Store, StoreLinks};
use crate::prelink::THREAD_LOCAL_PREFIX;

/// What a name stands for.
pub(crate) enum Symbol {
    Function(u32, String),
    Data(u32),
    /// Where it is in the block that each thread has of the module.
    ThreadLocal(u32, u32),
}

/// A constant that the module exports: an address relative to where its data begins.
fn relative_address(store: &mut Store<'_>, global: &Global) -> Option<u32> {
    let kind = global.ty(&*store);
    if kind.mutability() != Mutability::Const || !matches!(kind.content(), ValType::I32) {
        return None;
    }
    match global.get(&mut *store) {
        Val::I32(value) => Some(value as u32),
        _ => None,
    }
}

impl StoreLinks {
    /// `library`: what the provider is and where its data begins; None: the program.
    pub(crate) fn symbol_of(
        &self,
        store: &mut Store<'_>,
        provider: u32,
        library: Option<(&LibraryCode, u32)>,
        name: &str,
    ) -> Option<Symbol> {
        let Some(export) = self.export(store, provider, name) else {
            return if provider == PROGRAM {
                self.thread_local_of_program(store, name)
            } else {
                None
            };
        };
        match export {
            Extern::Func(_) => Some(Symbol::Function(provider, name.to_owned())),
            Extern::Global(global) => {
                let offset = relative_address(store, &global)?;
                Some(match library {
                    None => Symbol::Data(offset),
                    Some((code, _)) if code.is_thread_local(name) => {
                        Symbol::ThreadLocal(provider, offset)
                    }
                    Some((_, base)) => Symbol::Data(offset.wrapping_add(base)),
                })
            }
            _ => None,
        }
    }

    fn thread_local_of_program(&self, store: &mut Store<'_>, name: &str) -> Option<Symbol> {
        let export = format!("{THREAD_LOCAL_PREFIX}{name}");
        let global = self.export(store, PROGRAM, &export)?.into_global()?;
        Some(Symbol::ThreadLocal(PROGRAM, relative_address(store, &global)?))
    }

    pub(crate) fn symbol(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        scope: &[u32],
        name: &str,
    ) -> Option<Symbol> {
        self.find_program_block(store, map);
        scope.iter().find_map(|&provider| {
            let library = match provider {
                PROGRAM => None,
                number => {
                    let loaded = map.libraries.get(number as usize - 1)?;
                    Some((&*loaded.code, loaded.memory_base))
                }
            };
            self.symbol_of(store, provider, library, name)
        })
    }

    /// The address of a symbol; functions get an element of the table when they have none.
    fn address(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        symbol: Symbol,
    ) -> wasmtime::Result<u32> {
        match symbol {
            Symbol::Data(address) => Ok(address),
            Symbol::ThreadLocal(provider, offset) => Ok(self.block(provider)?.wrapping_add(offset)),
            Symbol::Function(provider, name) => {
                let key = (provider, name);
                if let Some(index) = map.functions.get(&key) {
                    return Ok(*index);
                }
                let element = Element::Export(key.0, key.1.clone());
                let index = self.add_slot(store, map, element)?;
                map.functions.insert(key, index);
                Ok(index)
            }
        }
    }

    /// The entry of an offset table for a symbol.
    pub(crate) fn entry(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        symbol: Symbol,
    ) -> wasmtime::Result<Source> {
        match symbol {
            Symbol::ThreadLocal(provider, offset) => Ok(Source::ThreadLocal(provider, offset)),
            symbol => Ok(Source::Address(self.address(store, map, symbol)?)),
        }
    }
}

/// What `selvedge_guest_symbol` found.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SymbolAddress {
    pub found: bool,
    /// In memory, or in the table of functions.
    pub address: u32,
}

/// The address of a symbol of the `scope_count` modules at `scope`, in their order. Otherwise as
/// `selvedge_guest_load_library`.
///
/// # Safety
/// As there; `name` is readable and `symbol` valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_symbol(
    guest: *mut GuestContext,
    scope: *const u32,
    scope_count: usize,
    name: Bytes,
    symbol: *mut SymbolAddress,
) -> *mut NativeError {
    let name = unsafe { name.to_text() };
    let scope = unsafe { numbers(scope, scope_count) };
    unsafe {
        let found = work_on_links(guest, |links, map, store| {
            match links.symbol(store, map, scope, &name) {
                None => Ok(SymbolAddress::default()),
                Some(symbol) => {
                    let address = links.address(store, map, symbol)?;
                    Ok(SymbolAddress { found: true, address })
                }
            }
        });
        deliver(found, symbol)
    }
}
