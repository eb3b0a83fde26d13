//! The part of linking a program in advance that writes the new module.

use wasm_encoder::reencode::Reencode;
use wasm_encoder::{
    CodeSection, ConstExpr, Encode, ExportKind, ExportSection, Function, FunctionSection,
    GlobalSection, GlobalType, ImportSection, Instruction, RefType, TableSection, TableType,
    TagKind, TagSection, TagType, ValType,
};
use wasmparser::{DataSectionReader, TableSectionReader, TagSectionReader};

use super::*;

/// Replaces the imported immutable globals in constant expressions by their values.
struct Reencoder {
    constants: HashMap<u32, u32>,
}

impl Reencode for Reencoder {
    type Error = Infallible;

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
}

impl Program<'_> {
    pub(super) fn write(mut self) -> Result<Vec<u8>, Failure> {
        let mut values = Vec::new();
        for global in &self.globals {
            values.push(self.value(global)?);
        }
        let constants = (0..)
            .zip(values.iter().copied())
            .filter(|(index, _)| !self.globals[*index as usize].mutable);
        let mut reencoder = Reencoder { constants: constants.collect() };
        let mut out = self.wasm[..8].to_vec();
        // Sections that the program may lack, which then stand before the first one that comes after them.
        let mut added = Vec::new();
        if self.imported_table.is_some() {
            added.push(id::TABLE);
        }
        if !self.tags.is_empty() {
            added.push(id::TAG);
        }
        if !self.globals.is_empty() {
            added.push(id::GLOBAL);
        }
        for section in std::mem::take(&mut self.sections) {
            while let Some(kind) = added.first().copied()
                && sections::rank(section.id).is_some_and(|rank| Some(rank) >= sections::rank(kind))
            {
                added.remove(0);
                if kind != section.id {
                    self.write_section(kind, None, &values, &mut reencoder, &mut out)?;
                }
            }
            self.write_section(section.id, Some(&section), &values, &mut reencoder, &mut out)?;
        }
        Ok(out)
    }

    fn write_section(
        &self,
        kind: u8,
        section: Option<&Section>,
        values: &[u32],
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let content = section.map(|section| reader(self.wasm, section));
        match (kind, content) {
            (id::IMPORT, Some(reader)) => {
                self.write_imports(ImportSectionReader::new(reader)?, reencoder, out)?;
            }
            (id::TABLE, content) => self.write_tables(content, reencoder, out)?,
            (id::TAG, content) => self.write_tags(content, reencoder, out)?,
            (id::GLOBAL, content) => self.write_globals(content, values, reencoder, out)?,
            (id::FUNCTION, Some(reader)) if self.starts().is_some() => {
                let mut functions = FunctionSection::new();
                for kind in FunctionSectionReader::new(reader)? {
                    functions.function(kind?);
                }
                if let Some((_, _, kind)) = self.starts() {
                    functions.function(kind);
                }
                encode(&functions, out);
            }
            (id::CODE, Some(reader)) if self.starts().is_some() => self.write_code(reader, out)?,
            (id::EXPORT, Some(reader)) => {
                self.write_exports(ExportSectionReader::new(reader)?, reencoder, out)?;
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
            _ => {
                if let Some(section) = section {
                    out.extend_from_slice(&self.wasm[section.whole.clone()]);
                }
            }
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
        values: &[u32],
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut globals = GlobalSection::new();
        for (Global { mutable, .. }, value) in self.globals.iter().zip(values) {
            let kind = GlobalType { val_type: ValType::I32, mutable: *mutable, shared: false };
            globals.global(kind, &ConstExpr::i32_const(*value as i32));
        }
        if let Some(reader) = own {
            let own = GlobalSectionReader::new(reader)?;
            self.add_own_globals(own, reencoder, &mut globals)?;
        }
        encode(&globals, out);
        Ok(())
    }

    /// The program's own globals. Constants that it exports are where its data is, from the beginning of all of it.
    fn add_own_globals(
        &self,
        own: GlobalSectionReader<'_>,
        reencoder: &mut Reencoder,
        globals: &mut GlobalSection,
    ) -> Result<(), Failure> {
        let exported: HashSet<u32> = self
            .exports
            .values()
            .filter(|(kind, _)| *kind == ExternalKind::Global)
            .map(|(_, index)| *index)
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

    /// The functions `_start` and that which applies relocations, and a type of both; None: there are none to apply.
    fn starts(&self) -> Option<(u32, u32, u32)> {
        let function = |name: &str| match self.exports.get(name) {
            Some((ExternalKind::Func, index)) => Some(*index),
            _ => None,
        };
        let (start, relocations) = (function(START)?, function(RELOCATIONS)?);
        let kind = |index: u32| {
            let defined = index.checked_sub(self.imported_functions)?;
            self.function_types.get(defined as usize).copied()
        };
        let (start_type, relocations_type) = (kind(start)?, kind(relocations)?);
        let is_plain = |kind: u32| self.plain_types.contains(&kind);
        (is_plain(start_type) && is_plain(relocations_type)).then_some((
            start,
            relocations,
            start_type,
        ))
    }

    fn write_imports(
        &self,
        imports: ImportSectionReader<'_>,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut kept = ImportSection::new();
        for import in imports.into_imports() {
            let import = import?;
            match import.ty {
                TypeRef::Memory(mut memory) => {
                    memory.initial = memory.initial.max(self.layout.pages);
                    if memory.maximum.is_some_and(|maximum| maximum < memory.initial) {
                        return Err(refused(format!(
                            "the program needs {} pages of 64 KiB for its data and stack: link it with a higher \
                             `--max-memory`",
                            memory.initial
                        )));
                    }
                    kept.import(import.module, import.name, reencoder.memory_type(memory)?);
                }
                TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                    kept.import(import.module, import.name, reencoder.entity_type(import.ty)?);
                }
                TypeRef::Table(_) | TypeRef::Global(_) | TypeRef::Tag(_) => {}
            }
        }
        encode(&kept, out);
        Ok(())
    }

    fn write_code(&self, reader: BinaryReader<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut code = CodeSection::new();
        for body in wasmparser::CodeSectionReader::new(reader)? {
            code.raw(&self.wasm[body?.range()]);
        }
        if let Some((start, relocations, _)) = self.starts() {
            let mut both = Function::new([]);
            both.instruction(&Instruction::Call(relocations));
            both.instruction(&Instruction::Call(start));
            both.instruction(&Instruction::End);
            code.function(&both);
        }
        encode(&code, out);
        Ok(())
    }

    fn write_exports(
        &self,
        own: ExportSectionReader<'_>,
        reencoder: &mut Reencoder,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut exports = ExportSection::new();
        let added = self.imported_functions + self.function_types.len() as u32;
        for export in own {
            let export = export?;
            let kind = reencoder.export_kind(export.kind)?;
            let begins = export.name == START && self.starts().is_some();
            exports.export(export.name, kind, if begins { added } else { export.index });
        }
        let stack = self.globals.iter().position(|global| global.name == "__stack_pointer");
        if let Some(index) = stack
            && !self.exports.contains_key("__stack_pointer")
        {
            exports.export("__stack_pointer", ExportKind::Global, index as u32);
        }
        // Libraries throw the same exceptions.
        let mut names = HashSet::new();
        for (index, (name, _)) in (0..).zip(&self.tags) {
            if !self.exports.contains_key(name) && names.insert(name) {
                exports.export(name, ExportKind::Tag, index);
            }
        }
        encode(&exports, out);
        Ok(())
    }
}

fn is_dylink(reader: BinaryReader<'_>) -> bool {
    wasmparser::CustomSectionReader::new(reader).is_ok_and(|custom| custom.name() == "dylink.0")
}

fn encode(section: &impl wasm_encoder::Section, out: &mut Vec<u8>) {
    section.append_to(out);
}
