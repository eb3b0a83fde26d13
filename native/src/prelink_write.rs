//! The part of linking a program in advance that writes the new module.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    CodeSection, ConstExpr, Encode, EntityType, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, ImportSection, Instruction, MemorySection,
    NameSection, RefType, StartSection, TableSection, TableType, TagKind, TagSection, TagType,
    TypeSection, ValType,
};
use wasmparser::{DataSectionReader, KnownCustom, Name, TagSectionReader};

use super::*;
use crate::function_names;

/// Moves functions, and replaces the imported immutable globals in constant expressions by their values.
struct Reencoder {
    constants: HashMap<u32, u32>,
    functions: Vec<u32>,
}

impl Reencode for Reencoder {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Infallible>> {
        // Names may be of functions that do not exist.
        Ok(self.functions.get(index as usize).copied().unwrap_or(index))
    }

    fn const_expr(
        &mut self,
        expression: wasmparser::ConstExpr<'_>,
    ) -> Result<ConstExpr, reencode::Error<Infallible>> {
        let mut bytes = Vec::new();
        let mut operators = expression.get_operators_reader();
        while !operators.eof() {
            let operator = operators.read()?;
            let instruction = match operator {
                Operator::End => continue,
                Operator::GlobalGet { global_index } => match self.constants.get(&global_index) {
                    Some(value) => Instruction::I32Const(*value as i32),
                    None => self.instruction(operator)?,
                },
                other => self.instruction(other)?,
            };
            instruction.encode(&mut bytes);
        }
        Ok(ConstExpr::raw(bytes))
    }

    fn parse_custom_name_subsection(
        &mut self,
        names: &mut NameSection,
        subsection: Name<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        function_names::parse_subsection(self, names, subsection)
    }
}

/// What `_start` becomes: one function, then the other. Indices in the new module.
struct Start {
    first: Instruction<'static>,
    then: u32,
    kind: u32,
}

/// Where functions and globals are in the new module.
struct Plan {
    /// What imported globals are; None: it is known when the program runs.
    values: Vec<Option<u32>>,
    moves: bool,
    /// The import `load_needed`, and its type.
    load: Option<(u32, u32)>,
    /// Imports that become functions of the program, the first of them, and the global of the first.
    redirected: Vec<usize>,
    first_redirected: u32,
    first_slot: u32,
    start: Option<Start>,
}

impl Plan {
    fn new(program: &Program<'_>, moved: &mut Vec<u32>) -> Result<Plan, Failure> {
        let imports = &program.imported_functions;
        let is_redirected = |index: &usize| program.is_redirected(&imports[*index]);
        let redirected: Vec<usize> = (0..imports.len()).filter(is_redirected).collect();
        let kept = (imports.len() - redirected.len()) as u32;
        let load = program.is_bound().then_some((kept, program.types.len() as u32));
        let first_defined = kept + u32::from(load.is_some());
        let defined = program.function_types.len() as u32;
        let (mut next_kept, mut next_redirected) = (0.., first_defined + defined..);
        for import in imports {
            let next =
                if program.is_redirected(import) { &mut next_redirected } else { &mut next_kept };
            moved.extend(next.next());
        }
        moved.extend(first_defined..first_defined + defined);
        let values = program.globals.iter().map(|global| program.value(global));
        let start = program.plain_export(START).and_then(|(start, kind)| {
            let first = match (load, program.plain_export(RELOCATIONS)) {
                (Some((load, _)), _) => load,
                (None, Some((relocations, _))) => moved[relocations as usize],
                (None, None) => return None,
            };
            let first = Instruction::Call(first);
            Some(Start { first, then: moved[start as usize], kind })
        });
        Ok(Plan {
            values: values.collect::<Result<_, _>>()?,
            moves: load.is_some() || !redirected.is_empty(),
            load,
            first_redirected: first_defined + defined,
            first_slot: program.globals.len() as u32 + program.own_globals,
            redirected,
            start,
        })
    }

    fn adds_functions(&self) -> bool {
        self.start.is_some() || !self.redirected.is_empty()
    }

    /// The function that is exported as `_start`.
    fn start_index(&self) -> u32 {
        self.first_redirected + self.redirected.len() as u32
    }

    /// A global for exports that are there for their names.
    fn marker(&self) -> u32 {
        self.first_slot + self.redirected.len() as u32
    }
}

impl Program<'_> {
    pub(super) fn write(mut self) -> Result<Vec<u8>, Failure> {
        let mut functions = Vec::new();
        let plan = Plan::new(&self, &mut functions)?;
        let known = plan.values.iter().zip(&self.globals).zip(0..);
        let constants = known
            .filter(|((_, global), _)| !global.mutable)
            .filter_map(|((value, _), index)| value.map(|value| (index, value)));
        let mut reencoder = Reencoder { constants: constants.collect(), functions };
        let mut out = self.wasm[..8].to_vec();
        // Sections that the program may lack, which then stand before the first one that comes after them.
        let mut added = Vec::new();
        if self.imported_table.is_some() {
            added.push(id::TABLE);
        }
        if self.memory.is_some() {
            added.push(id::MEMORY);
        }
        if !self.tags.is_empty() {
            added.push(id::TAG);
        }
        if !self.globals.is_empty() || plan.moves {
            added.push(id::GLOBAL);
        }
        for section in std::mem::take(&mut self.sections) {
            while let Some(kind) = added.first().copied()
                && sections::rank(section.id).is_some_and(|rank| Some(rank) >= sections::rank(kind))
            {
                added.remove(0);
                if kind != section.id {
                    self.write_section(kind, None, &plan, &mut reencoder, &mut out)?;
                }
            }
            self.write_section(section.id, Some(&section), &plan, &mut reencoder, &mut out)?;
        }
        Ok(out)
    }

    fn write_section(
        &self,
        kind: u8,
        section: Option<&Section>,
        plan: &Plan,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let content = section.map(|section| reader(self.wasm, section));
        match (kind, content) {
            (id::TYPE, Some(reader)) if plan.load.is_some() => {
                let mut types = TypeSection::new();
                reencoder.parse_type_section(&mut types, TypeSectionReader::new(reader)?)?;
                types.ty().function([], [ValType::I32]);
                encode(&types, out);
            }
            (id::IMPORT, Some(reader)) => {
                self.write_imports(ImportSectionReader::new(reader)?, plan, reencoder, out)?;
            }
            (id::TABLE, content) => self.write_tables(content, reencoder, out)?,
            (id::MEMORY, None) => self.write_memory(reencoder, out)?,
            (id::TAG, content) => self.write_tags(content, reencoder, out)?,
            (id::GLOBAL, content) => self.write_globals(content, plan, reencoder, out)?,
            (id::FUNCTION, Some(reader)) if plan.adds_functions() => {
                self.write_functions(FunctionSectionReader::new(reader)?, plan, out)?;
            }
            (id::CODE, Some(reader)) if plan.adds_functions() => {
                self.write_code(reader, plan, reencoder, out)?;
            }
            (id::EXPORT, Some(reader)) => {
                self.write_exports(ExportSectionReader::new(reader)?, plan, reencoder, out)?;
            }
            (id::START, Some(mut reader)) if plan.moves => {
                let function_index = reencoder.function_index(reader.read_var_u32()?)?;
                encode(&StartSection { function_index }, out);
            }
            (id::ELEMENT, Some(reader)) => {
                let mut elements = wasm_encoder::ElementSection::new();
                reencoder
                    .parse_element_section(&mut elements, ElementSectionReader::new(reader)?)?;
                encode(&elements, out);
            }
            (id::DATA, Some(reader)) => {
                let mut data = wasm_encoder::DataSection::new();
                reencoder.parse_data_section(&mut data, DataSectionReader::new(reader)?)?;
                encode(&data, out);
            }
            // The program is not to be loaded any more.
            (id::CUSTOM, Some(reader)) if is_dylink(reader.clone()) => {}
            (id::CUSTOM, Some(reader)) if plan.moves => {
                // Others than names may tell positions in the code.
                let custom = wasmparser::CustomSectionReader::new(reader)?;
                if let KnownCustom::Name(names) = custom.as_known()
                    && let Ok(names) = reencoder.custom_name_section(names)
                {
                    encode(&names, out);
                }
            }
            _ => {
                if let Some(section) = section {
                    out.extend_from_slice(&self.wasm[section.whole.clone()]);
                }
            }
        }
        Ok(())
    }

    fn write_functions(
        &self,
        own: FunctionSectionReader<'_>,
        plan: &Plan,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut functions = FunctionSection::new();
        for kind in own {
            functions.function(kind?);
        }
        for import in &plan.redirected {
            functions.function(self.imported_functions[*import].kind);
        }
        if let Some(start) = &plan.start {
            functions.function(start.kind);
        }
        encode(&functions, out);
        Ok(())
    }

    fn write_memory(&self, reencoder: &mut Reencoder, out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(memory) = self.memory {
            let mut memories = MemorySection::new();
            memories.memory(reencoder.memory_type(self.enlarged(memory)?)?);
            encode(&memories, out);
        }
        Ok(())
    }

    fn write_tables(
        &self,
        own: Option<BinaryReader<'_>>,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut tables = TableSection::new();
        if let Some(least) = self.imported_table {
            tables.table(TableType {
                element_type: RefType::FUNCREF,
                table64: false,
                minimum: least.max(u64::from(TABLE_BASE + self.dylink.layout.table_size)),
                maximum: None,
                shared: false,
            });
        }
        if let Some(reader) = own {
            let own = TableSectionReader::new(reader)?;
            reencoder.parse_table_section(&mut tables, own)?;
        }
        encode(&tables, out);
        Ok(())
    }

    fn write_tags(
        &self,
        own: Option<BinaryReader<'_>>,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut tags = TagSection::new();
        for (_, kind) in &self.tags {
            tags.tag(TagType { kind: TagKind::Exception, func_type_idx: *kind });
        }
        if let Some(reader) = own {
            reencoder.parse_tag_section(&mut tags, TagSectionReader::new(reader)?)?;
        }
        encode(&tags, out);
        Ok(())
    }

    fn write_globals(
        &self,
        own: Option<BinaryReader<'_>>,
        plan: &Plan,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut globals = GlobalSection::new();
        for (Global { mutable, .. }, value) in self.globals.iter().zip(&plan.values) {
            let kind = GlobalType { val_type: ValType::I32, mutable: *mutable, shared: false };
            globals.global(kind, &ConstExpr::i32_const(value.unwrap_or(0) as i32));
        }
        if let Some(reader) = own {
            let own = GlobalSectionReader::new(reader)?;
            self.add_own_globals(own, reencoder, &mut globals)?;
        }
        // Those of the imports, and the marker.
        let kind = |mutable| GlobalType { val_type: ValType::I32, mutable, shared: false };
        for _ in &plan.redirected {
            globals.global(kind(true), &ConstExpr::i32_const(0));
        }
        if plan.load.is_some() {
            globals.global(kind(false), &ConstExpr::i32_const(0));
        }
        encode(&globals, out);
        Ok(())
    }

    /// The program's own globals. Constants that it exports are where its data is, from the beginning of all of it;
    /// those of thread-local variables are places in a block of these.
    fn add_own_globals(
        &self,
        own: GlobalSectionReader<'_>,
        reencoder: &mut Reencoder,
        globals: &mut GlobalSection,
    ) -> Result<(), Failure> {
        let exported: HashSet<u32> = self
            .exports
            .iter()
            .filter(|(name, (kind, _))| {
                *kind == ExternalKind::Global && !self.is_thread_local(name)
            })
            .map(|(_, (_, index))| *index)
            .collect();
        for (index, global) in (self.globals.len() as u32..).zip(own) {
            let global = global?;
            let kind = reencoder.global_type(global.ty)?;
            let value = match self.offsets.get(&index).filter(|_| exported.contains(&index)) {
                Some(offset) => {
                    ConstExpr::i32_const(offset.wrapping_add(self.layout.memory_base) as i32)
                }
                None => reencoder.const_expr(global.init_expr)?,
            };
            globals.global(kind, &value);
        }
        Ok(())
    }

    /// With room for data and stack.
    fn enlarged(
        &self,
        mut memory: wasmparser::MemoryType,
    ) -> Result<wasmparser::MemoryType, Failure> {
        memory.initial = memory.initial.max(self.layout.pages);
        if memory.maximum.is_some_and(|maximum| maximum < memory.initial) {
            return Err(refused(format!(
                "the program needs {} pages of 64 KiB for its data and stack: link it with a higher \
                 `--max-memory`",
                memory.initial
            )));
        }
        Ok(memory)
    }

    fn write_imports(
        &self,
        imports: ImportSectionReader<'_>,
        plan: &Plan,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut kept = ImportSection::new();
        let mut functions = self.imported_functions.iter();
        for import in imports.into_imports() {
            let import = import?;
            match import.ty {
                TypeRef::Memory(memory) if memory.shared => {
                    let memory = reencoder.memory_type(self.enlarged(memory)?)?;
                    kept.import(import.module, import.name, memory);
                }
                TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                    if functions.next().is_some_and(|function| self.is_redirected(function)) {
                        continue;
                    }
                    kept.import(import.module, import.name, reencoder.entity_type(import.ty)?);
                }
                TypeRef::Memory(_) | TypeRef::Table(_) | TypeRef::Global(_) | TypeRef::Tag(_) => {}
            }
        }
        if let Some((_, kind)) = plan.load {
            kept.import(HOST_MODULE, LOAD_NEEDED, EntityType::Function(kind));
        }
        encode(&kept, out);
        Ok(())
    }

    fn write_code(
        &self,
        reader: BinaryReader<'_>,
        plan: &Plan,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut code = CodeSection::new();
        let own = wasmparser::CodeSectionReader::new(reader)?;
        if plan.moves {
            reencoder.parse_code_section(&mut code, own)?;
        } else {
            for body in own {
                code.raw(&self.wasm[body?.range()]);
            }
        }
        for (slot, import) in (plan.first_slot..).zip(&plan.redirected) {
            let kind = self.imported_functions[*import].kind;
            let function = self.types.get(kind as usize).copied().flatten();
            let mut body = Function::new([]);
            for parameter in 0..function.map_or(0, |function| function.parameters) {
                body.instruction(&Instruction::LocalGet(parameter));
            }
            body.instruction(&Instruction::GlobalGet(slot));
            body.instruction(&Instruction::CallIndirect { type_index: kind, table_index: 0 });
            body.instruction(&Instruction::End);
            code.function(&body);
        }
        if let Some(start) = &plan.start {
            let mut both = Function::new([]);
            both.instruction(&start.first);
            if plan.load.is_some() {
                // When it returns at all, everything is there.
                both.instruction(&Instruction::Drop);
            }
            both.instruction(&Instruction::Call(start.then));
            both.instruction(&Instruction::End);
            code.function(&both);
        }
        encode(&code, out);
        Ok(())
    }

    fn write_exports(
        &self,
        own: ExportSectionReader<'_>,
        plan: &Plan,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut exports = ExportSection::new();
        let mut has_thread_local = false;
        for export in own {
            let export = export?;
            // By its own name, libraries would take the first thread's for everybody's.
            if self.is_thread_local(export.name) {
                if export.kind == ExternalKind::Global
                    && self.offsets.contains_key(&export.index)
                    && export.name.len() <= THREAD_LOCAL_NAME_SIZE_MAX
                {
                    let name = format!("{THREAD_LOCAL_PREFIX}{}", export.name);
                    exports.export(&name, ExportKind::Global, export.index);
                    has_thread_local = true;
                }
                continue;
            }
            let kind = reencoder.export_kind(export.kind)?;
            let index = match kind {
                ExportKind::Func if export.name == START && plan.start.is_some() => {
                    plan.start_index()
                }
                ExportKind::Func => reencoder.function_index(export.index)?,
                _ => export.index,
            };
            exports.export(export.name, kind, index);
        }
        if let Some(base) = self.thread_local_base.filter(|_| has_thread_local) {
            exports.export(THREAD_LOCAL_BASE, ExportKind::Global, base);
        }
        let stack = self.globals.iter().position(|global| global.name == "__stack_pointer");
        if let Some(index) = stack
            && !self.exports.contains_key("__stack_pointer")
        {
            exports.export("__stack_pointer", ExportKind::Global, index as u32);
        }
        if self.memory.is_some() && !self.exports.contains_key(MEMORY) {
            exports.export(MEMORY, ExportKind::Memory, 0);
        }
        // Libraries throw the same exceptions.
        let mut names = HashSet::new();
        for (index, (name, _)) in (0..).zip(&self.tags) {
            if !self.exports.contains_key(name) && names.insert(name) {
                exports.export(name, ExportKind::Tag, index);
            }
        }
        if self.is_bound() {
            for (number, (prefix, name, global)) in self.bindings(plan).into_iter().enumerate() {
                exports.export(&format!("{prefix}{number}.{name}"), ExportKind::Global, global);
            }
        }
        encode(&exports, out);
        Ok(())
    }

    /// What the program needs, and the global for it.
    fn bindings(&self, plan: &Plan) -> Vec<(&'static str, &str, u32)> {
        let mut bindings = Vec::new();
        for name in self.dylink.needed() {
            bindings.push((LIBRARY_PREFIX, name.as_str(), plan.marker()));
        }
        for folder in self.dylink.folders() {
            bindings.push((FOLDER_PREFIX, folder.as_str(), plan.marker()));
        }
        let strength = |prefix, name| if self.is_weak(name) { WEAK_PREFIX } else { prefix };
        for (slot, import) in (plan.first_slot..).zip(&plan.redirected) {
            let name = self.imported_functions[*import].name.as_str();
            bindings.push((strength(FUNCTION_PREFIX, name), name, slot));
        }
        for ((index, global), value) in (0..).zip(&self.globals).zip(&plan.values) {
            if value.is_none() {
                let of_data = global.module == "GOT.mem";
                let prefix = if of_data { DATA_PREFIX } else { FUNCTION_PREFIX };
                bindings.push((strength(prefix, &global.name), global.name.as_str(), index));
            }
        }
        bindings
    }
}

fn is_dylink(reader: BinaryReader<'_>) -> bool {
    wasmparser::CustomSectionReader::new(reader).is_ok_and(|custom| custom.name() == "dylink.0")
}

fn encode(section: &impl wasm_encoder::Section, out: &mut Vec<u8>) {
    section.append_to(out);
}
