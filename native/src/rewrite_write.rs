//! The part of rewriting that writes the new module, as the survey says.

use super::*;
use crate::function_names;
use crate::rewrite_contexts::CONTEXTS_EXPORT;
use crate::rewrite_dynamic::{CALLER_ARGUMENTS, Callees};

/// Moves function indices past the added imports, and lowers the maximum of shared memories.
struct Reencoder {
    first_moved: u32,
    moved_by: u32,
    /// The wrapper of the first imported function; the others follow it.
    first_wrapper: Option<u32>,
    shared_memory_pages_max: u64,
    /// Tables have no maximum.
    opens_tables: bool,
}

impl Reencode for Reencoder {
    type Error = Infallible;

    fn function_index(&mut self, index: u32) -> Result<u32, reencode::Error<Infallible>> {
        Ok(self.moved_function(index))
    }

    fn memory_type(
        &mut self,
        memory: MemoryType,
    ) -> Result<wasm_encoder::MemoryType, reencode::Error<Infallible>> {
        let mut memory = reencode::utils::memory_type(self, memory);
        if memory.shared {
            let most = self.shared_memory_pages_max;
            memory.maximum = Some(memory.maximum.map_or(most, |maximum| maximum.min(most)));
        }
        Ok(memory)
    }

    fn table_type(
        &mut self,
        table: wasmparser::TableType,
    ) -> Result<wasm_encoder::TableType, reencode::Error<Infallible>> {
        let mut table = reencode::utils::table_type(self, table)?;
        if self.opens_tables {
            table.maximum = None;
        }
        Ok(table)
    }

    fn parse_custom_name_subsection(
        &mut self,
        names: &mut NameSection,
        subsection: Name<'_>,
    ) -> Result<(), reencode::Error<Infallible>> {
        function_names::parse_subsection(self, names, subsection)
    }
}

impl Reencoder {
    /// The index that a function of the module has in the new one.
    fn moved_function(&self, index: u32) -> u32 {
        // Wraps only for names of functions that do not exist.
        match self.first_wrapper {
            _ if index >= self.first_moved => index.wrapping_add(self.moved_by),
            Some(first) => first + index,
            None => index,
        }
    }
}

/// Writes the new module.
pub(super) struct Writer<'a> {
    wasm: &'a [u8],
    survey: Survey<'a>,
    reencoder: Reencoder,
    /// The function index of each host function that is used.
    host_functions: [u32; HOST_FUNCTION_COUNT],
    /// The function index of each added function that is used.
    bulk_functions: [u32; rewrite_bulk::FUNCTIONS],
    /// The index that the function which begins a program with contexts has, if it is one.
    start_function: u32,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(wasm: &'a [u8], survey: Survey<'a>, options: &RewriteOptions) -> Writer<'a> {
        let first = survey.imported_functions;
        let mut host_functions = [0; HOST_FUNCTION_COUNT];
        let mut next = first;
        for (function, _) in host_functions.iter_mut().zip(survey.uses).filter(|(_, used)| *used) {
            *function = next;
            next += 1;
        }
        let wraps = survey.wraps();
        let mut next_added = survey.signals.function_count() + (next - first);
        if wraps {
            next_added += survey.imported_functions;
        }
        let mut bulk_functions = [0; rewrite_bulk::FUNCTIONS];
        let used = bulk_functions.iter_mut().zip(survey.uses_bulk).filter(|(_, used)| *used);
        for (function, _) in used {
            *function = next_added;
            next_added += 1;
        }
        let reencoder = Reencoder {
            first_moved: first,
            moved_by: next - first,
            first_wrapper: wraps.then(|| survey.signals.function_count() + (next - first)),
            shared_memory_pages_max: options.shared_memory_pages_max,
            opens_tables: survey.dynamic.is_dynamic(),
        };
        let out = Vec::with_capacity(wasm.len() + wasm.len() / 64 + 1024);
        let start_function = next_added;
        Writer { wasm, survey, reencoder, host_functions, bulk_functions, start_function, out }
    }

    pub(super) fn write(mut self) -> Result<Vec<u8>, Failure> {
        self.out.extend_from_slice(&self.wasm[..HEADER_SIZE]);
        let mut missing = [
            (id::TYPE, self.survey.changes_code()),
            // A module whose memory moves imports something already.
            (id::IMPORT, self.survey.adds_imports()),
            (id::EXPORT, self.survey.adds_exports()),
            (id::START, self.survey.contexts.enabled),
            (id::DATA_COUNT, self.survey.contexts.counts_data()),
        ];
        for section in &self.survey.sections {
            for (id, is_missing) in &mut missing {
                *is_missing &= *id != section.id;
            }
        }
        for section in std::mem::take(&mut self.survey.sections) {
            if let Some(rank) = sections::rank(section.id) {
                for (id, is_missing) in &mut missing {
                    if *is_missing && sections::rank(*id) < Some(rank) {
                        *is_missing = false;
                        self.add_section(*id);
                    }
                }
            }
            self.write_section(&section)?;
        }
        for (id, _) in missing.iter().filter(|(_, is_missing)| *is_missing) {
            self.add_section(*id);
        }
        Ok(self.out)
    }

    /// A section that the module does not have.
    fn add_section(&mut self, id: u8) {
        let (first, items) = match id {
            id::START => (self.start_function, Vec::new()),
            id::DATA_COUNT => (self.survey.contexts.segments(), Vec::new()),
            _ => self.added_items(id),
        };
        let mut content = Vec::new();
        first.encode(&mut content);
        content.extend_from_slice(&items);
        self.put(id, &content);
    }

    fn put(&mut self, id: u8, content: &[u8]) {
        self.out.push(id);
        content.encode(&mut self.out);
    }

    fn copy(&mut self, section: &Section) {
        self.out.extend_from_slice(&self.wasm[section.whole.clone()]);
    }

    fn write_section(&mut self, section: &Section) -> Result<(), Failure> {
        let moves = self.survey.changes_code();
        match section.id {
            id::TYPE if moves => self.append_to(section, id::TYPE),
            id::FUNCTION if moves => self.append_to(section, id::FUNCTION),
            id::IMPORT if self.survey.clamps_imported_memory => self.write_imports(section),
            id::IMPORT if moves || self.survey.moved_memory.is_some() => {
                self.append_to(section, id::IMPORT)
            }
            id::MEMORY if self.survey.moved_memory.is_some() => Ok(()),
            id::MEMORY if self.survey.clamps_defined_memory => {
                let mut memories = wasm_encoder::MemorySection::new();
                let reader = MemorySectionReader::new(reader(self.wasm, section))?;
                self.reencoder.parse_memory_section(&mut memories, reader)?;
                memories.append_to(&mut self.out);
                Ok(())
            }
            id::EXPORT if moves => self.write_exports(section),
            id::EXPORT if self.survey.adds_exports() => self.append_to(section, id::EXPORT),
            id::START if self.survey.start.is_some() => Ok(()),
            id::START if self.survey.contexts.enabled => {
                self.add_section(id::START);
                Ok(())
            }
            id::DATA if self.survey.contexts.counts_data() => {
                let reader = DataSectionReader::new(reader(self.wasm, section))?;
                let content = rewrite_contexts::passive_data(reader)?;
                self.put(id::DATA, &content);
                Ok(())
            }
            _ if moves => self.write_moved(section),
            _ => {
                self.copy(section);
                Ok(())
            }
        }
    }

    /// The added imports, with the type of each.
    fn added_imports(&self) -> impl Iterator<Item = (&'static HostFunction, u32)> {
        let used = HOST_FUNCTIONS.iter().zip(self.survey.uses).filter(|(_, used)| *used);
        used.map(|(function, _)| function).zip(self.survey.types..)
    }

    /// What the wrappers of a dynamic program call.
    fn callees(&self) -> Callees {
        let bulk_types = u32::from(self.survey.uses_bulk.contains(&true));
        let initializer_type = self.survey.types + self.added_imports().count() as u32 + bulk_types;
        Callees {
            next_initializer: self.host_functions[NEXT_INITIALIZER],
            dlopen_result: self.host_functions[DLOPEN_RESULT],
            call_argument: self.host_functions[CALL_ARGUMENT],
            initializer_type,
            caller_type: initializer_type + 1,
        }
    }

    /// What the wrappers of a module that handles signals call.
    fn signal_callees(&self) -> Option<SignalCallees> {
        let signals = &self.survey.signals;
        let resuming = signals.asyncify_state().map(|state| ResumingCallees {
            asyncify_state: self.reencoder.moved_function(state),
            handler_to_resume: self.host_functions[HANDLER_TO_RESUME],
            resumed_result: self.host_functions[RESUMED_RESULT],
            handler_unwound: self.host_functions[HANDLER_UNWOUND],
        });
        Some(SignalCallees {
            next_signal: self.host_functions[NEXT_SIGNAL],
            handler: self.reencoder.moved_function(signals.handler()?),
            resuming,
        })
    }

    /// Name, kind and index of the added exports.
    fn added_exports(&self) -> Vec<(String, ExportKind, u32)> {
        let mut exports = Vec::new();
        if self.survey.adds_imports() && self.survey.has_memory {
            exports.push((format!("{RESERVED_PREFIX}memory"), ExportKind::Memory, 0));
        }
        if self.survey.dynamic.is_dynamic() {
            exports.push((TABLE_EXPORT.to_owned(), ExportKind::Table, 0));
        }
        if self.survey.contexts.enabled {
            exports.push((CONTEXTS_EXPORT.to_owned(), ExportKind::Table, 0));
        }
        if let Some(start) = self.survey.start {
            let start = self.reencoder.moved_function(start);
            exports.push((START_EXPORT.to_owned(), ExportKind::Func, start));
        }
        if let Some(function) = self.survey.thread_local {
            let function = self.reencoder.moved_function(function);
            exports.push((THREAD_LOCAL_EXPORT.to_owned(), ExportKind::Func, function));
        }
        for &index in &self.survey.mutable_globals {
            exports.push((format!("{MUTABLE_GLOBAL_PREFIX}{index}"), ExportKind::Global, index));
        }
        exports
    }

    /// Parameters and results of the added types: of the imports, of the functions for bulk memory, and of what
    /// wrappers call.
    fn added_types(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let imports = self.added_imports();
        let mut types: Vec<_> =
            imports.map(|(function, _)| (function.parameters.to_vec(), vec![TYPE_I32])).collect();
        if self.survey.uses_bulk.contains(&true) {
            types.push((vec![TYPE_I32; 3], Vec::new()));
        }
        if self.survey.dynamic.is_dynamic() {
            types.extend([0, CALLER_ARGUMENTS].map(|count| (vec![TYPE_I32; count], Vec::new())));
        }
        if self.survey.contexts.enabled {
            types.push((Vec::new(), Vec::new()));
        }
        types
    }

    /// How many items are added to a section, and the items.
    fn added_items(&self, id: u8) -> (u32, Vec<u8>) {
        let mut items = Vec::new();
        let mut count = 0;
        match id {
            id::TYPE => {
                for (parameters, results) in self.added_types() {
                    items.push(TYPE_FUNCTION);
                    parameters.as_slice().encode(&mut items);
                    results.as_slice().encode(&mut items);
                    count += 1;
                }
            }
            id::IMPORT => {
                for (function, ty) in self.added_imports() {
                    HOST_MODULE.encode(&mut items);
                    function.name.encode(&mut items);
                    items.push(ExportKind::Func as u8);
                    ty.encode(&mut items);
                    count += 1;
                }
                if let Some(memory) = self.survey.moved_memory {
                    HOST_MODULE.encode(&mut items);
                    MEMORY_IMPORT.encode(&mut items);
                    items.push(ExportKind::Memory as u8);
                    wasm_encoder::MemoryType {
                        minimum: memory.initial,
                        maximum: memory.maximum,
                        memory64: false,
                        shared: true,
                        page_size_log2: None,
                    }
                    .encode(&mut items);
                    count += 1;
                }
            }
            id::FUNCTION => {
                let wrappers: &[u32] = match self.reencoder.first_wrapper {
                    Some(_) => self.survey.signals.wrapper_types(),
                    None => &[],
                };
                let bulk_type = self.survey.types + self.added_imports().count() as u32;
                let bulk = self.survey.uses_bulk.iter().filter(|used| **used).map(|_| &bulk_type);
                // The last one of the added types.
                let last_type = || self.survey.types + self.added_types().len() as u32 - 1;
                let start = self.survey.contexts.enabled.then(last_type);
                for kind in wrappers.iter().chain(bulk).chain(&start) {
                    kind.encode(&mut items);
                    count += 1;
                }
            }
            id::EXPORT => {
                for (name, kind, index) in self.added_exports() {
                    name.as_str().encode(&mut items);
                    items.push(kind as u8);
                    index.encode(&mut items);
                    count += 1;
                }
            }
            _ => {}
        }
        (count, items)
    }

    /// The section as it is, with the added items after its own.
    fn append_to(&mut self, section: &Section, id: u8) -> Result<(), Failure> {
        let mut reader = reader(self.wasm, section);
        let own = reader.read_var_u32()?;
        let rest = reader.original_position()..section.content.end;
        let (added, items) = self.added_items(id);
        let mut content = Vec::new();
        (own + added).encode(&mut content);
        content.extend_from_slice(&self.wasm[rest]);
        content.extend_from_slice(&items);
        self.put(id, &content);
        Ok(())
    }

    /// The import section with a lowered maximum, and added functions if there are any.
    fn write_imports(&mut self, section: &Section) -> Result<(), Failure> {
        let mut imports = wasm_encoder::ImportSection::new();
        let reader = ImportSectionReader::new(reader(self.wasm, section))?;
        self.reencoder.parse_import_section(&mut imports, reader)?;
        for (function, ty) in self.added_imports() {
            imports.import(HOST_MODULE, function.name, wasm_encoder::EntityType::Function(ty));
        }
        imports.append_to(&mut self.out);
        Ok(())
    }

    /// The export section with moved function indices and the added exports.
    fn write_exports(&mut self, section: &Section) -> Result<(), Failure> {
        let mut exports = wasm_encoder::ExportSection::new();
        let reader = ExportSectionReader::new(reader(self.wasm, section))?;
        self.reencoder.parse_export_section(&mut exports, reader)?;
        for (name, kind, index) in self.added_exports() {
            exports.export(&name, kind, index);
        }
        exports.append_to(&mut self.out);
        Ok(())
    }

    /// A section in which function indices move.
    fn write_moved(&mut self, section: &Section) -> Result<(), Failure> {
        let mut reader = reader(self.wasm, section);
        match section.id {
            id::CUSTOM => self.write_custom(section)?,
            id::TABLE => {
                let mut tables = wasm_encoder::TableSection::new();
                self.reencoder.parse_table_section(&mut tables, SectionLimited::new(reader)?)?;
                tables.append_to(&mut self.out);
            }
            id::GLOBAL => {
                let mut globals = wasm_encoder::GlobalSection::new();
                self.reencoder.parse_global_section(&mut globals, SectionLimited::new(reader)?)?;
                globals.append_to(&mut self.out);
            }
            id::START => {
                let function_index = self.reencoder.function_index(reader.read_var_u32()?)?;
                wasm_encoder::StartSection { function_index }.append_to(&mut self.out);
            }
            id::ELEMENT => {
                let mut elements = wasm_encoder::ElementSection::new();
                self.reencoder
                    .parse_element_section(&mut elements, SectionLimited::new(reader)?)?;
                elements.append_to(&mut self.out);
            }
            id::CODE => {
                let bodies = CodeSectionReader::new(reader)?;
                let mut content = Vec::with_capacity(section.content.len());
                let wrappers = if self.survey.wraps() { self.survey.imported_functions } else { 0 };
                let uses_bulk = self.survey.uses_bulk;
                let bulk = (0..rewrite_bulk::FUNCTIONS).filter(|&at| uses_bulk[at]);
                let start = u32::from(self.survey.contexts.enabled);
                let added = wrappers + bulk.clone().count() as u32 + start;
                (bodies.count() + added).encode(&mut content);
                for body in bodies {
                    self.write_body(&body?, &mut content)?;
                }
                let signals = self.signal_callees();
                let dynamic = (&self.survey.dynamic, &self.callees());
                for import in 0..wrappers {
                    self.survey.signals.write_wrapper(
                        import,
                        signals.as_ref(),
                        dynamic,
                        &mut content,
                    );
                }
                bulk.for_each(|function| rewrite_bulk::write_function(function, &mut content));
                if self.survey.contexts.enabled {
                    let contexts = &self.survey.contexts;
                    let start = contexts.start.map(|start| self.reencoder.moved_function(start));
                    contexts.write_start(self.host_functions[BEGINS], start, &mut content);
                }
                self.put(id::CODE, &content);
            }
            _ => self.copy(section),
        }
        Ok(())
    }

    /// A custom section. Those that tell positions in the code, which moves, are left out.
    fn write_custom(&mut self, section: &Section) -> Result<(), Failure> {
        let custom = wasmparser::CustomSectionReader::new(reader(self.wasm, section))?;
        if tells_positions(&custom) {
            return Ok(());
        }
        match custom.as_known() {
            KnownCustom::Name(names) => {
                // Names are for people: a section that cannot be read is left out, not an error.
                if let Ok(names) = self.reencoder.custom_name_section(names) {
                    names.append_to(&mut self.out);
                }
            }
            _ => self.copy(section),
        }
        Ok(())
    }

    /// A function body: all bytes as they are but for instructions that name a moved function or
    /// are replaced.
    fn write_body(
        &mut self,
        body: &FunctionBody<'_>,
        content: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut out = Vec::with_capacity(body.range().len() + 16);
        let mut copied = body.range().start;
        let mut bulk = BulkFinder::default();
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            let (operator, start) = operators.read_with_offset()?;
            let replacement = replaced(&operator, self.survey.has_shared_memory);
            let bulk_function = bulk.replaced(&operator);
            let moved = |index| {
                index >= self.reencoder.first_moved || self.reencoder.first_wrapper.is_some()
            };
            let instruction = match operator {
                Operator::Call { function_index } if moved(function_index) => {
                    Instruction::Call(self.reencoder.function_index(function_index)?)
                }
                Operator::ReturnCall { function_index } if moved(function_index) => {
                    Instruction::ReturnCall(self.reencoder.function_index(function_index)?)
                }
                Operator::RefFunc { function_index } if moved(function_index) => {
                    Instruction::RefFunc(self.reencoder.function_index(function_index)?)
                }
                _ => match (replacement, bulk_function) {
                    (Some((position, _)), _) => Instruction::Call(self.host_functions[position]),
                    (None, Some(function)) => Instruction::Call(self.bulk_functions[function]),
                    (None, None) => continue,
                },
            };
            out.extend_from_slice(&self.wasm[copied..start]);
            copied = operators.original_position();
            if let Some((_, Some(offset))) = replacement {
                Instruction::I32Const(offset as u32 as i32).encode(&mut out);
            }
            instruction.encode(&mut out);
        }
        out.extend_from_slice(&self.wasm[copied..body.range().end]);
        if out.len() > FUNCTION_SIZE_MAX {
            let at = body.range().start;
            return Err(invalid(format!("the function at byte {at} (0x{at:x}) is too large")));
        }
        out.encode(content);
        Ok(())
    }
}
