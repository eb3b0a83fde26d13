//! Functions that a library both imports and exports. The linker makes such imports of what several modules may
//! define (inline functions, instances of templates, weak functions), so that all of them use the first definition
//! in the scope. That may be the library's own, but an instance needs its imports before it is there: so functions of
//! a small module stand in for them and call the library's through elements of the table.

use std::collections::HashMap;

use wasm_encoder::{
    CodeSection, ConstExpr, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, Module, RefType, TableType, TypeSection,
    ValType,
};
use wasmtime::{ExternType, FuncType, Instance, Val};

use crate::link_map::{Element, LibraryCode, Loaded, Map, Source, Store, StoreLinks, error};
use crate::link_run::instantiate;

const FIRST_ELEMENT: &str = "first_element";
const ENVIRONMENT: &str = "env";

/// Those of one library, and the module that stands in for them: its exports have their numbers as names.
pub(crate) struct OwnFunctions {
    module: wasmtime::Module,
    numbers: HashMap<String, u32>,
}

fn value_types(kinds: impl Iterator<Item = wasmtime::ValType>) -> Option<Vec<ValType>> {
    let encoded = |kind| match kind {
        wasmtime::ValType::I32 => Some(ValType::I32),
        wasmtime::ValType::I64 => Some(ValType::I64),
        wasmtime::ValType::F32 => Some(ValType::F32),
        wasmtime::ValType::F64 => Some(ValType::F64),
        wasmtime::ValType::V128 => Some(ValType::V128),
        wasmtime::ValType::Ref(_) => None,
    };
    kinds.map(encoded).collect()
}

type Signature = (Vec<ValType>, Vec<ValType>);

fn signature(kind: &FuncType) -> Option<Signature> {
    Some((value_types(kind.params())?, value_types(kind.results())?))
}

/// Each function calls the element of its number after the first, which a mutable global tells.
fn stand_ins(signatures: &[Signature]) -> Vec<u8> {
    let mut types = TypeSection::new();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    for (number, (parameters, results)) in (0..).zip(signatures) {
        types.ty().function(parameters.iter().copied(), results.iter().copied());
        functions.function(number);
        exports.export(&number.to_string(), ExportKind::Func, number);
        let mut body = Function::new([]);
        for parameter in 0..parameters.len() as u32 {
            body.instruction(&Instruction::LocalGet(parameter));
        }
        body.instruction(&Instruction::GlobalGet(0))
            .instruction(&Instruction::I32Const(number as i32))
            .instruction(&Instruction::I32Add)
            .instruction(&Instruction::CallIndirect { type_index: number, table_index: 0 })
            .instruction(&Instruction::End);
        code.function(&body);
    }
    let mut imports = ImportSection::new();
    let table = TableType {
        element_type: RefType::FUNCREF,
        table64: false,
        minimum: 0,
        maximum: None,
        shared: false,
    };
    imports.import(ENVIRONMENT, "__indirect_function_table", EntityType::Table(table));
    let mut globals = GlobalSection::new();
    let number = GlobalType { val_type: ValType::I32, mutable: true, shared: false };
    globals.global(number, &ConstExpr::i32_const(0));
    exports.export(FIRST_ELEMENT, ExportKind::Global, 0);
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions);
    module.section(&globals).section(&exports).section(&code);
    module.finish()
}

impl OwnFunctions {
    /// None: the library has none.
    pub(crate) fn of(library: &wasmtime::Module) -> wasmtime::Result<Option<OwnFunctions>> {
        let mut numbers = HashMap::new();
        let mut signatures = Vec::new();
        for import in library.imports().filter(|import| import.module() == ENVIRONMENT) {
            if let ExternType::Func(kind) = import.ty()
                && let Some(ExternType::Func(own)) = library.get_export(import.name())
                && FuncType::eq(&kind, &own)
                && let Some(signature) = signature(&kind)
            {
                numbers.insert(import.name().to_owned(), signatures.len() as u32);
                signatures.push(signature);
            }
        }
        if numbers.is_empty() {
            return Ok(None);
        }
        let module = wasmtime::Module::new(library.engine(), stand_ins(&signatures))?;
        Ok(Some(OwnFunctions { module, numbers }))
    }

    pub(crate) fn count(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn source(&self, name: &str) -> Option<Source> {
        let number = *self.numbers.get(name)?;
        Some(Source::OwnFunction { number, first_element: 0 })
    }
}

impl StoreLinks {
    /// Gives the functions of a library's own, for which the sources stand, their elements of the table.
    pub(crate) fn reserve_own(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        code: &LibraryCode,
        sources: &mut [Source],
    ) -> wasmtime::Result<()> {
        let is_own = |source: &Source| matches!(source, Source::OwnFunction { .. });
        let Some(own) = code.own_functions.as_ref().filter(|_| sources.iter().any(is_own)) else {
            return Ok(());
        };
        map.check_slots(own.count())?;
        let first = self.add_elements(store, map, own.count() as u32, 1)?;
        for source in sources {
            if let Source::OwnFunction { first_element, .. } = source {
                *first_element = first;
            }
        }
        Ok(())
    }

    /// Puts those of the library `number`, of which there is an instance now, into the table.
    pub(crate) fn place_own(
        &mut self,
        store: &mut Store<'_>,
        map: &mut Map,
        loaded: &Loaded,
        number: u32,
    ) -> wasmtime::Result<()> {
        for (import, source) in loaded.code.module.imports().zip(&loaded.sources) {
            if let Source::OwnFunction { number: function, first_element } = source {
                let name = import.name();
                let index = first_element + function;
                self.set_slot(store, map, index, Element::Export(number, name.to_owned()))?;
                map.functions.insert((number, name.to_owned()), index);
            }
        }
        Ok(())
    }

    /// What stands in for them in this store.
    pub(crate) fn own_stand_ins(
        &mut self,
        store: &mut Store<'_>,
        code: &LibraryCode,
        sources: &[Source],
    ) -> wasmtime::Result<Option<Instance>> {
        let first = sources.iter().find_map(|source| match source {
            Source::OwnFunction { first_element, .. } => Some(*first_element),
            _ => None,
        });
        let (Some(first), Some(own)) = (first, &code.own_functions) else {
            return Ok(None);
        };
        let imports = [self.table(store)?.into()];
        let instance = instantiate(store, &own.module, &imports)?;
        match instance.get_global(&mut *store, FIRST_ELEMENT) {
            Some(global) => global.set(&mut *store, Val::I32(first as i32))?,
            None => return error("the functions that stand in for others have no elements"),
        }
        Ok(Some(instance))
    }
}
