//! Functions that a guest names by the number of their table element: initializers of libraries, calls with a
//! signature that is known at run time only, closures. Nothing is called here: the guest calls the element
//! itself, on its own stack.

use wasmtime::{Func, Module, Ref};

use crate::buffer::{Buffer, Bytes};
use crate::error::NativeError;
use crate::guest::GuestContext;
use crate::link_load::{deliver, work_on_links};
use crate::link_map::{
    Element, Map, SIGNATURES_MAX, Store, StoreLinks, TRAMPOLINE_CODE_BYTES, charge, error,
};
use crate::link_run::{NO_STACK_POINTER, memory, stack_pointer};
use crate::module::signature_text;
use crate::trampolines::{self, Layout, Signature};

/// The letters of a function's signature; as `signature_text`, which knows no vectors.
fn signature_of(store: &Store<'_>, function: &Func) -> String {
    let kind = function.ty(store);
    let is_vector = |value: &wasmtime::ValType| matches!(value, wasmtime::ValType::V128);
    if !kind.params().chain(kind.results()).any(|value| is_vector(&value)) {
        return signature_text(&kind);
    }
    let letters = |values: &mut dyn Iterator<Item = wasmtime::ValType>| {
        let letter = |value: wasmtime::ValType| {
            if is_vector(&value) {
                return 'V';
            }
            let single = wasmtime::FuncType::new(store.engine(), [value], []);
            signature_text(&single).chars().next().unwrap_or('?')
        };
        values.map(letter).collect::<String>()
    };
    format!("{}:{}", letters(&mut kind.params()), letters(&mut kind.results()))
}

impl StoreLinks {
    fn function_at(&mut self, store: &mut Store<'_>, index: u32) -> wasmtime::Result<Option<Func>> {
        Ok(match self.table(store)?.get(&mut *store, u64::from(index)) {
            Some(Ref::Func(function)) => function,
            _ => None,
        })
    }

    fn initializer(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        number: u32,
        name: &str,
    ) -> wasmtime::Result<u32> {
        let exported = self.export(store, number, name).and_then(wasmtime::Extern::into_func);
        let Some(function) = exported.filter(|function| signature_of(store, function) == ":")
        else {
            return Ok(0);
        };
        let scratch = match map.scratch {
            Some(scratch) => scratch,
            None => self.add_slot(store, map, Element::Empty)?,
        };
        map.scratch = Some(scratch);
        self.table(store)?.set(&mut *store, u64::from(scratch), Ref::Func(Some(function)))?;
        Ok(scratch)
    }

    fn signature_at(&mut self, store: &mut Store<'_>, index: u32) -> wasmtime::Result<String> {
        match self.function_at(store, index)? {
            Some(function) => Ok(signature_of(store, &function)),
            None => error(format!("the table has no function at {index}")),
        }
    }

    fn caller(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        index: u32,
        layout: Layout,
    ) -> wasmtime::Result<u32> {
        let text = self.signature_at(store, index)?;
        let key = (text, layout);
        if let Some(element) = map.callers.get(&key) {
            return Ok(*element);
        }
        let Some(signature) = Signature::parse(&key.0) else {
            return error("the function takes or returns references");
        };
        if map.callers.len() >= SIGNATURES_MAX {
            return error(format!("functions of more than {SIGNATURES_MAX} types are called"));
        }
        let (_, memory) = memory(store)?;
        charge(store, TRAMPOLINE_CODE_BYTES)?;
        let code = trampolines::caller(&signature, layout, memory_type(&memory));
        let module = Module::new(store.engine(), code)?;
        let element = self.add_slot(store, map, Element::Caller(module))?;
        map.callers.insert(key, element);
        Ok(element)
    }

    fn allocate_closure(&mut self, store: &mut Store<'_>, map: &mut Map) -> wasmtime::Result<u32> {
        let index = match map.closures.free.pop() {
            Some(index) => index,
            None => self.add_slot(store, map, Element::Empty)?,
        };
        map.closures.allocated.insert(index);
        Ok(index)
    }

    fn prepare_closure(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        index: u32,
        text: &str,
        backing: u32,
        environment: u32,
    ) -> wasmtime::Result<()> {
        if !map.closures.allocated.contains(&index) {
            return error(format!("{index} is no closure"));
        }
        let module = match map.closures.modules.get(text) {
            Some(module) => module.clone(),
            None => {
                let Some(signature) = Signature::parse(text) else {
                    return error("a closure cannot have this signature");
                };
                if map.closures.modules.len() >= SIGNATURES_MAX {
                    return error(format!(
                        "there are closures of more than {SIGNATURES_MAX} types"
                    ));
                }
                if stack_pointer(store).is_none() {
                    return error(NO_STACK_POINTER);
                }
                let (_, memory) = memory(store)?;
                charge(store, TRAMPOLINE_CODE_BYTES)?;
                let code = trampolines::closure(&signature, memory_type(&memory));
                let module = Module::new(store.engine(), code)?;
                map.closures.modules.insert(text.to_owned(), module.clone());
                module
            }
        };
        let signature = text.to_owned();
        let element = Element::Closure { module, signature, backing, environment };
        self.set_slot(store, map, index, element)
    }

    fn free_closure(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        index: u32,
    ) -> wasmtime::Result<()> {
        if !map.closures.allocated.remove(&index) {
            return error(format!("{index} is no closure"));
        }
        map.closures.free.push(index);
        self.set_slot(store, map, index, Element::Empty)
    }
}

fn memory_type(kind: &wasmtime::MemoryType) -> wasm_encoder::MemoryType {
    wasm_encoder::MemoryType {
        minimum: kind.minimum(),
        maximum: kind.maximum(),
        memory64: false,
        shared: kind.is_shared(),
        page_size_log2: None,
    }
}

/// The table element through which to call, once and at once, the function that library `number` exports as
/// `name`; 0 when it exports no function of that name without parameters and results. Otherwise as
/// `selvedge_guest_load_library`.
///
/// # Safety
/// As there; `name` is readable and `element` valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_initializer(
    guest: *mut GuestContext,
    number: u32,
    name: Bytes,
    element: *mut u32,
) -> *mut NativeError {
    let name = unsafe { name.to_text() };
    unsafe {
        let found =
            work_on_links(guest, |links, map, store| links.initializer(store, map, number, &name));
        deliver(found, element)
    }
}

/// The signature of the function at a table element: "iI:f", with V for vectors and ? for references. Owned by
/// the caller. Invalid: there is none. Otherwise as `selvedge_guest_load_library`.
///
/// # Safety
/// As there; `signature` is valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_function_signature(
    guest: *mut GuestContext,
    index: u32,
    signature: *mut *mut Buffer,
) -> *mut NativeError {
    unsafe {
        let text = work_on_links(guest, |links, _, store| links.signature_at(store, index));
        deliver(text.map(|text| Buffer::into_raw(text.into_bytes())), signature)
    }
}

/// The table element of a function `(function i32, values i32, values_size i32, results i32, results_size i32)`
/// that calls functions of the type of the one at `index` with values from memory (trampolines.rs); `typed`:
/// values lie in records with their types. Takes a millisecond for a type that is new. Invalid: there is no
/// function, or it takes references. Otherwise as `selvedge_guest_load_library`.
///
/// # Safety
/// As there; `element` is valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_caller(
    guest: *mut GuestContext,
    index: u32,
    typed: bool,
    element: *mut u32,
) -> *mut NativeError {
    let layout = if typed { Layout::Typed } else { Layout::Packed };
    unsafe {
        let found =
            work_on_links(guest, |links, map, store| links.caller(store, map, index, layout));
        deliver(found, element)
    }
}

/// A table element for a closure, which is no function yet. Otherwise as `selvedge_guest_load_library`.
///
/// # Safety
/// As there; `index` is valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_closure_allocate(
    guest: *mut GuestContext,
    index: *mut u32,
) -> *mut NativeError {
    unsafe {
        let made = work_on_links(guest, |links, map, store| links.allocate_closure(store, map));
        deliver(made, index)
    }
}

/// Makes the closure a function of this signature, which calls the element `backing` with the addresses of its
/// arguments and results and with `environment`. May be done again. Otherwise as `selvedge_guest_caller`.
///
/// # Safety
/// As there; `signature` is readable for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_closure_prepare(
    guest: *mut GuestContext,
    index: u32,
    signature: Bytes,
    backing: u32,
    environment: u32,
) -> *mut NativeError {
    let text = unsafe { signature.to_text() };
    unsafe {
        let prepared = work_on_links(guest, |links, map, store| {
            links.prepare_closure(store, map, index, &text, backing, environment)
        });
        deliver(prepared, &mut ())
    }
}

/// Frees a closure: its element is no function any more. Otherwise as `selvedge_guest_load_library`.
///
/// # Safety
/// As there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_closure_free(
    guest: *mut GuestContext,
    index: u32,
) -> *mut NativeError {
    unsafe {
        let freed = work_on_links(guest, |links, map, store| links.free_closure(store, map, index));
        deliver(freed, &mut ())
    }
}

/// Whether the element is a closure, for which the type of its function may change. Otherwise as
/// `selvedge_guest_load_library`.
///
/// # Safety
/// As there; `is_closure` is valid for the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn selvedge_guest_is_closure(
    guest: *mut GuestContext,
    index: u32,
    is_closure: *mut bool,
) -> *mut NativeError {
    unsafe {
        let found = work_on_links(guest, |_, map, _| Ok(map.closures.allocated.contains(&index)));
        deliver(found, is_closure)
    }
}
