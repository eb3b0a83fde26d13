//! Small functions take the place of the calls to them. Compilers leave calls of the C library's functions as they
//! are, down to `tolower`; and here each call asks whether the stack has room and the guest's time is over, which is
//! more work than many of them do.
//!
//! What takes a call's place is a function that calls nothing and does not trap on purpose, so no frame but the
//! innermost is missing from a guest's call stack. A loop in it keeps the engine's check. Indices do not change: the
//! functions themselves stay, for other calls.
//!
//! The parameters and locals of the function become locals of its caller, all such functions in a caller sharing them.

use wasm_encoder::{Encode, Instruction};
use wasmparser::{
    CodeSectionReader, CompositeInnerType, CustomSectionReader, FunctionBody,
    FunctionSectionReader, ImportSectionReader, Operator, TypeRef, TypeSectionReader, ValType,
};

use crate::rewrite::{FUNCTION_SIZE_MAX, Failure, reader, tells_positions};
use crate::sections::{self, Section, id};

/// Instructions of a function that takes the place of any call, in bytes.
const SMALL_BYTES_MAX: usize = 40;
/// The same for calls in a loop.
const LOOPED_BYTES_MAX: usize = 200;
/// Parameters and locals of such a function.
const LOCALS_MAX: usize = 16;
/// What a function may grow by, besides its own size.
const FUNCTION_GROWTH_BYTES: usize = 512;
/// What all functions may grow by, besides half of their size.
const MODULE_GROWTH_BYTES: usize = 16 << 10;
/// Locals that every engine accepts in a function (the limits of the JS API).
const FUNCTION_LOCALS_MAX: u64 = 50_000;
const EMPTY_BLOCK: u8 = 0x40;

/// A function that may take the place of its calls.
struct Callee<'a> {
    /// Of the parameters, then of the locals.
    locals: Vec<ValType>,
    parameters: usize,
    result: Option<ValType>,
    body: FunctionBody<'a>,
    /// Of its instructions.
    size: usize,
    /// It may end before its end.
    branches: bool,
}

/// Whether instructions that begin so move: those that only compute, read and write memory and variables, and the
/// simple branches.
fn moves(opcode: &[u8]) -> bool {
    match opcode[0] {
        0x01..=0x05 | 0x0b..=0x0d | 0x0f | 0x1a | 0x1b => true,
        0x20..=0x24 | 0x28..=0x3f | 0x41..=0xc4 => true,
        // Conversions that saturate.
        0xfc => opcode[1] <= 7,
        _ => false,
    }
}

/// Counts the blocks around an instruction.
#[derive(Default)]
struct Nesting {
    /// Of each block that is open, whether it is a loop.
    blocks: Vec<bool>,
    loops: usize,
}

impl Nesting {
    fn see(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Loop { .. } => {
                self.blocks.push(true);
                self.loops += 1;
            }
            Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                self.blocks.push(false);
            }
            Operator::End => self.loops -= usize::from(self.blocks.pop() == Some(true)),
            _ => {}
        }
    }

    fn depth(&self) -> u32 {
        self.blocks.len() as u32
    }
}

impl<'a> Callee<'a> {
    /// None: the function does not take the place of its calls.
    fn new(
        wasm: &[u8],
        ty: &wasmparser::FuncType,
        body: FunctionBody<'a>,
    ) -> Result<Option<Callee<'a>>, Failure> {
        let is_number =
            |ty: &ValType| matches!(ty, ValType::I32 | ValType::I64 | ValType::F32 | ValType::F64);
        if body.range().len() > LOOPED_BYTES_MAX || ty.results().len() > 1 {
            return Ok(None);
        }
        let mut locals = ty.params().to_vec();
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            if locals.len() + count as usize > LOCALS_MAX {
                return Ok(None);
            }
            locals.extend(std::iter::repeat_n(ty, count as usize));
        }
        if locals.len() > LOCALS_MAX || !locals.iter().chain(ty.results()).all(is_number) {
            return Ok(None);
        }
        let mut operators = body.get_operators_reader()?;
        let size = body.range().end - operators.original_position();
        let mut nesting = Nesting::default();
        let mut branches = false;
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset()?;
            if !moves(&wasm[at..]) {
                return Ok(None);
            }
            branches |= match operator {
                Operator::LocalGet { local_index }
                | Operator::LocalSet { local_index }
                | Operator::LocalTee { local_index } => {
                    if local_index as usize >= locals.len() {
                        return Ok(None); // not valid
                    }
                    false
                }
                Operator::Return => true,
                Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                    relative_depth == nesting.depth()
                }
                _ => false,
            };
            nesting.see(&operator);
        }
        let (parameters, result) = (ty.params().len(), ty.results().first().copied());
        Ok(Some(Callee { locals, parameters, result, body, size, branches }))
    }

    /// The function in the place of a call. `locals` are those that its own become.
    fn write(&self, wasm: &[u8], locals: &[u32], out: &mut Vec<u8>) -> Result<(), Failure> {
        for &local in locals[..self.parameters].iter().rev() {
            Instruction::LocalSet(local).encode(out);
        }
        for (&local, ty) in locals.iter().zip(&self.locals).skip(self.parameters) {
            match ty {
                ValType::I64 => Instruction::I64Const(0),
                ValType::F32 => Instruction::F32Const(0.0.into()),
                ValType::F64 => Instruction::F64Const(0.0.into()),
                _ => Instruction::I32Const(0),
            }
            .encode(out);
            Instruction::LocalSet(local).encode(out);
        }
        if self.branches {
            out.extend([0x02, self.result.map_or(EMPTY_BLOCK, encoded)]);
        }
        let mut nesting = Nesting::default();
        let mut operators = self.body.get_operators_reader()?;
        while !operators.eof() {
            let (operator, start) = operators.read_with_offset()?;
            let local = |index: u32| locals[index as usize];
            match operator {
                Operator::LocalGet { local_index } => {
                    Instruction::LocalGet(local(local_index)).encode(out);
                }
                Operator::LocalSet { local_index } => {
                    Instruction::LocalSet(local(local_index)).encode(out);
                }
                Operator::LocalTee { local_index } => {
                    Instruction::LocalTee(local(local_index)).encode(out);
                }
                Operator::Return => Instruction::Br(nesting.depth()).encode(out),
                Operator::End if nesting.depth() == 0 && !self.branches => {}
                _ => out.extend_from_slice(&wasm[start..operators.original_position()]),
            }
            nesting.see(&operator);
        }
        Ok(())
    }
}

/// As the binary format writes the number type.
fn encoded(ty: ValType) -> u8 {
    match ty {
        ValType::I64 => 0x7e,
        ValType::F32 => 0x7d,
        ValType::F64 => 0x7c,
        _ => 0x7f,
    }
}

/// The locals that a caller gets for what takes the place of its calls.
struct AddedLocals {
    first: u32,
    types: Vec<ValType>,
}

impl AddedLocals {
    /// The indices of locals of these types. The same ones serve every call.
    fn find(&mut self, types: &[ValType]) -> Vec<u32> {
        let mut taken = vec![false; self.types.len()];
        let mut find_one = |ty: &ValType| {
            let free = |at: &usize| self.types[*at] == *ty && !taken[*at];
            let at = (0..self.types.len()).find(free).unwrap_or_else(|| {
                self.types.push(*ty);
                taken.push(false);
                self.types.len() - 1
            });
            taken[at] = true;
            self.first + at as u32
        };
        types.iter().map(&mut find_one).collect()
    }
}

/// What the module's functions are.
struct Functions<'a> {
    wasm: &'a [u8],
    imported: u32,
    /// By index, without imported ones.
    parameters: Vec<usize>,
    callees: Vec<Option<Callee<'a>>>,
    bodies: Vec<FunctionBody<'a>>,
    /// Bytes that all functions may still grow by.
    growth: usize,
}

impl<'a> Functions<'a> {
    fn read(wasm: &'a [u8], all: &[Section]) -> Result<Functions<'a>, Failure> {
        let mut types = Vec::new();
        let mut of_functions = Vec::new();
        let mut functions = Functions {
            wasm,
            imported: 0,
            parameters: Vec::new(),
            callees: Vec::new(),
            bodies: Vec::new(),
            growth: MODULE_GROWTH_BYTES,
        };
        for section in all {
            let reader = reader(wasm, section);
            match section.id {
                id::TYPE => {
                    for group in TypeSectionReader::new(reader)? {
                        types.extend(group?.into_types().map(|ty| ty.composite_type.inner));
                    }
                }
                id::IMPORT => {
                    for import in ImportSectionReader::new(reader)?.into_imports() {
                        let is_function =
                            matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_));
                        functions.imported += u32::from(is_function);
                    }
                }
                id::FUNCTION => {
                    for ty in FunctionSectionReader::new(reader)? {
                        of_functions.push(ty? as usize);
                    }
                }
                id::CODE => {
                    functions.growth += section.content.len() / 2;
                    for (body, &ty) in
                        CodeSectionReader::new(reader)?.into_iter().zip(&of_functions)
                    {
                        let body = body?;
                        let Some(CompositeInnerType::Func(ty)) = types.get(ty) else {
                            return Err(Failure::Malformed("a function has no type".to_owned()));
                        };
                        functions.parameters.push(ty.params().len());
                        functions.callees.push(Callee::new(wasm, ty, body.clone())?);
                        functions.bodies.push(body);
                    }
                }
                _ => {}
            }
        }
        Ok(functions)
    }

    fn callee(&self, function: u32, in_loop: bool) -> Option<&Callee<'a>> {
        let callee = self.callees.get(function.checked_sub(self.imported)? as usize)?.as_ref()?;
        (in_loop || callee.size <= SMALL_BYTES_MAX).then_some(callee)
    }

    /// A function's new body, without its size; None: it stays as it is.
    fn rewrite(&mut self, position: usize) -> Result<Option<Vec<u8>>, Failure> {
        let body = self.bodies[position].clone();
        let (mut groups, mut local_count) = (0, self.parameters[position] as u64);
        for group in body.get_locals_reader()? {
            local_count += u64::from(group?.0);
            groups += 1;
        }
        let mut operators = body.get_operators_reader()?;
        let instructions = operators.original_position();
        let mut allowance = (body.range().len() + FUNCTION_GROWTH_BYTES)
            .min(FUNCTION_SIZE_MAX.saturating_sub(2 * body.range().len()))
            .min(self.growth);
        if local_count + 4 * LOCALS_MAX as u64 > FUNCTION_LOCALS_MAX {
            return Ok(None);
        }
        let mut added = AddedLocals { first: local_count as u32, types: Vec::new() };
        let mut code = Vec::new();
        let mut copied = instructions;
        let mut nesting = Nesting::default();
        while !operators.eof() {
            let (operator, start) = operators.read_with_offset()?;
            nesting.see(&operator);
            let Operator::Call { function_index } = operator else { continue };
            let Some(callee) = self.callee(function_index, nesting.loops > 0) else { continue };
            code.extend_from_slice(&self.wasm[copied..start]);
            let before = code.len();
            callee.write(self.wasm, &added.find(&callee.locals), &mut code)?;
            let grown = code.len() - before;
            if grown > allowance {
                code.truncate(before);
                copied = start;
                continue;
            }
            allowance -= grown;
            self.growth -= grown;
            copied = operators.original_position();
        }
        if copied == instructions {
            return Ok(None);
        }
        code.extend_from_slice(&self.wasm[copied..body.range().end]);
        let mut whole = Vec::with_capacity(code.len() + 32);
        (groups + added.types.len() as u32).encode(&mut whole);
        // What is between the number of groups and the instructions.
        let mut number = body.get_binary_reader();
        number.read_var_u32()?;
        whole.extend_from_slice(&self.wasm[number.original_position()..instructions]);
        for ty in &added.types {
            whole.extend([1, encoded(*ty)]);
        }
        whole.extend_from_slice(&code);
        Ok(Some(whole))
    }
}

/// The module with small functions in the place of calls to them; None: nothing changes. `wasm` is valid.
pub(crate) fn inline(wasm: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
    let all = sections::sections(wasm)
        .collect::<Result<Vec<Section>, _>>()
        .map_err(|broken| Failure::Malformed(format!("truncated at {}", broken.offset)))?;
    let mut functions = Functions::read(wasm, &all)?;
    if functions.callees.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut changes = false;
    let mut code = Vec::with_capacity(wasm.len());
    (functions.bodies.len() as u32).encode(&mut code);
    for position in 0..functions.bodies.len() {
        match functions.rewrite(position)? {
            Some(body) => {
                changes = true;
                body.encode(&mut code);
            }
            None => wasm[functions.bodies[position].range()].encode(&mut code),
        }
    }
    if !changes {
        return Ok(None);
    }
    let mut out = Vec::with_capacity(wasm.len() + code.len() / 4);
    out.extend_from_slice(&wasm[..sections::HEADER_SIZE]);
    for section in &all {
        match section.id {
            id::CODE => {
                out.push(id::CODE);
                code.encode(&mut out);
            }
            id::CUSTOM if tells_positions(&CustomSectionReader::new(reader(wasm, section))?) => {}
            _ => out.extend_from_slice(&wasm[section.whole.clone()]),
        }
    }
    Ok(Some(out))
}

#[cfg(test)]
#[path = "inline_test.rs"]
mod tests;
