//! Adds calls of small functions to a module. Each comes with its arguments and with something that takes its result,
//! so that it fits before any instruction: in blocks, in loops, in code that is never reached. The small functions get
//! more to do with their parameters and locals, and ways to end early.

use wasm_encoder::{BlockType, Encode, Instruction};
use wasmparser::{
    CompositeInnerType, FuncType, FunctionBody, GlobalType, Operator, Parser, Payload, TypeRef,
    ValType,
};

use super::numbers::Numbers;
use crate::sections::{self, HEADER_SIZE, id};

/// How often a loop with calls runs.
const ROUNDS_MAX: usize = 3;
/// Calls whose results are arguments of calls.
const NESTED_MAX: usize = 2;
const NUMBERS: [ValType; 4] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64];

struct Function<'a> {
    index: u32,
    ty: FuncType,
    body: FunctionBody<'a>,
    /// It calls nothing, and no calls are added to it.
    leaf: bool,
}

#[derive(Default)]
struct Parts<'a> {
    functions: Vec<Function<'a>>,
    globals: Vec<GlobalType>,
}

impl<'a> Parts<'a> {
    fn read(wasm: &'a [u8], numbers: &mut Numbers) -> Parts<'a> {
        let (mut types, mut of_functions, mut parts) = (Vec::new(), Vec::new(), Parts::default());
        let mut imported = 0;
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.expect("a valid module") {
                Payload::TypeSection(section) => {
                    for group in section {
                        let group = group.expect("a valid module").into_types();
                        types.extend(group.map(|ty| ty.composite_type.inner));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        match import.expect("a valid module").ty {
                            TypeRef::Func(_) => imported += 1,
                            TypeRef::Global(ty) => parts.globals.push(ty),
                            _ => {}
                        }
                    }
                }
                Payload::FunctionSection(section) => {
                    of_functions = section.into_iter().map(|ty| ty.unwrap()).collect();
                }
                Payload::GlobalSection(section) => {
                    parts.globals.extend(section.into_iter().map(|global| global.unwrap().ty));
                }
                Payload::CodeSectionEntry(body) => {
                    let at = parts.functions.len();
                    let CompositeInnerType::Func(ty) = &types[of_functions[at] as usize] else {
                        panic!("a function has the type of one");
                    };
                    let leaf = !calls(&body) && !numbers.one_in(4);
                    let (index, ty) = (imported + at as u32, ty.clone());
                    parts.functions.push(Function { index, ty, body, leaf });
                }
                _ => {}
            }
        }
        parts
    }
}

fn calls(body: &FunctionBody<'_>) -> bool {
    body.get_operators_reader().expect("a valid module").into_iter().any(|operator| {
        matches!(
            operator.expect("a valid module"),
            Operator::Call { .. }
                | Operator::CallIndirect { .. }
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
        )
    })
}

/// Adds calls to one function.
struct Spreader<'p, 'n> {
    parts: &'p Parts<'p>,
    numbers: &'n mut Numbers,
    /// Of the function.
    locals: Vec<ValType>,
    results: Vec<ValType>,
    /// A local that counts the rounds of added loops.
    counter: u32,
    code: Vec<u8>,
}

impl Spreader<'_, '_> {
    fn emit(&mut self, instruction: Instruction<'_>) {
        instruction.encode(&mut self.code);
    }

    fn choose<T: Copy>(&mut self, among: &[T]) -> Option<T> {
        (!among.is_empty()).then(|| among[self.numbers.below(among.len())])
    }

    fn local(&mut self, ty: ValType) -> Option<u32> {
        let all = 0..self.locals.len() as u32;
        let fitting: Vec<u32> = all.filter(|&at| self.locals[at as usize] == ty).collect();
        self.choose(&fitting)
    }

    fn global(&mut self, ty: ValType, mutable: bool) -> Option<u32> {
        let fits = |global: &GlobalType| global.content_type == ty && (global.mutable || !mutable);
        let all = 0..self.parts.globals.len() as u32;
        let fitting: Vec<u32> = all.filter(|&at| fits(&self.parts.globals[at as usize])).collect();
        self.choose(&fitting)
    }

    /// A leaf, of this result if one is wanted.
    fn callee(&mut self, result: Option<ValType>) -> Option<usize> {
        let fits = |function: &Function<'_>| {
            function.leaf
                && function.ty.params().iter().all(|ty| NUMBERS.contains(ty))
                && result.is_none_or(|result| function.ty.results() == [result])
        };
        let all = 0..self.parts.functions.len();
        let fitting: Vec<usize> = all.filter(|&at| fits(&self.parts.functions[at])).collect();
        self.choose(&fitting)
    }

    fn push(&mut self, ty: ValType, nested: usize) {
        if nested > 0
            && self.numbers.one_in(4)
            && let Some(callee) = self.callee(Some(ty))
        {
            return self.call(callee, nested - 1);
        }
        let instruction = match self.numbers.below(3) {
            0 => self.global(ty, false).map(Instruction::GlobalGet),
            1 => self.local(ty).map(Instruction::LocalGet),
            _ => None,
        };
        match instruction {
            Some(instruction) => self.emit(instruction),
            None => self.constant(ty),
        }
    }

    fn constant(&mut self, ty: ValType) {
        let (integer, float) = (self.numbers.integer(), self.numbers.float());
        self.emit(match ty {
            ValType::I32 => Instruction::I32Const(integer as i32),
            ValType::I64 => Instruction::I64Const(integer),
            ValType::F32 => Instruction::F32Const((float as f32).into()),
            _ => Instruction::F64Const(float.into()),
        });
    }

    fn call(&mut self, callee: usize, nested: usize) {
        let function = &self.parts.functions[callee];
        for &ty in function.ty.params() {
            self.push(ty, nested);
        }
        self.emit(Instruction::Call(function.index));
    }

    fn take(&mut self, ty: ValType) {
        if self.numbers.one_in(2)
            && let Some(global) = self.global(ty, true)
        {
            return self.emit(Instruction::GlobalSet(global));
        }
        match self.local(ty) {
            Some(local) => self.emit(Instruction::LocalSet(local)),
            None => self.emit(Instruction::Drop),
        }
    }

    /// A call that leaves nothing on the stack.
    fn add_call(&mut self) {
        let Some(callee) = self.callee(None) else { return };
        self.call(callee, NESTED_MAX);
        for &ty in self.parts.functions[callee].ty.results().iter().rev() {
            self.take(ty);
        }
    }

    /// Something that leaves nothing on the stack: calls, or in a leaf what shows that its locals are its own.
    fn add(&mut self, leaf: bool) {
        match self.numbers.below(4) {
            0 if leaf => self.set_local(),
            1 if leaf => self.return_early(),
            _ if leaf => self.show_local(),
            0 | 1 => self.add_loop(),
            2 => {
                self.emit(Instruction::Block(BlockType::Empty));
                self.add_call();
                self.emit(Instruction::End);
            }
            _ => self.add_call(),
        }
    }

    fn add_loop(&mut self) {
        let rounds = 1 + self.numbers.below(ROUNDS_MAX) as i32;
        self.emit(Instruction::I32Const(rounds));
        self.emit(Instruction::LocalSet(self.counter));
        self.emit(Instruction::Loop(BlockType::Empty));
        self.add_call();
        self.emit(Instruction::LocalGet(self.counter));
        self.emit(Instruction::I32Const(1));
        self.emit(Instruction::I32Sub);
        self.emit(Instruction::LocalTee(self.counter));
        self.emit(Instruction::BrIf(0));
        self.emit(Instruction::End);
    }

    /// One that holds a number.
    fn any_local(&mut self) -> Option<(u32, ValType)> {
        let all = self.locals.iter().zip(0..);
        let fitting: Vec<(u32, ValType)> =
            all.filter(|(ty, _)| NUMBERS.contains(ty)).map(|(&ty, at)| (at, ty)).collect();
        self.choose(&fitting)
    }

    fn set_local(&mut self) {
        if let Some((local, ty)) = self.any_local() {
            self.push(ty, 0);
            self.emit(Instruction::LocalSet(local));
        }
    }

    /// Mixes a local into a global.
    fn show_local(&mut self) {
        let Some((local, ty)) = self.any_local() else { return };
        let Some(global) = self.global(ty, true) else { return };
        self.emit(Instruction::LocalGet(local));
        self.emit(Instruction::GlobalGet(global));
        self.emit(match ty {
            ValType::I32 => Instruction::I32Sub,
            ValType::I64 => Instruction::I64Sub,
            ValType::F32 => Instruction::F32Sub,
            _ => Instruction::F64Sub,
        });
        self.emit(Instruction::GlobalSet(global));
    }

    fn return_early(&mut self) {
        if !self.results.iter().all(|ty| NUMBERS.contains(ty)) {
            return;
        }
        self.push(ValType::I32, 0);
        self.emit(Instruction::If(BlockType::Empty));
        for at in 0..self.results.len() {
            self.push(self.results[at], 0);
        }
        self.emit(Instruction::Return);
        self.emit(Instruction::End);
    }
}

/// The function's new body, without its size.
fn spread(
    wasm: &[u8],
    parts: &Parts<'_>,
    function: &Function<'_>,
    numbers: &mut Numbers,
) -> Vec<u8> {
    let mut groups = Vec::new();
    let mut locals = function.ty.params().to_vec();
    for group in function.body.get_locals_reader().expect("a valid module") {
        let (count, ty) = group.expect("a valid module");
        groups.push((count, wasm_encoder::ValType::try_from(ty).expect("a type of a local")));
        locals.extend(std::iter::repeat_n(ty, count as usize));
    }
    let counter = locals.len() as u32;
    groups.push((1, wasm_encoder::ValType::I32));
    if function.leaf {
        locals.push(ValType::I32);
    }
    let mut code = Vec::new();
    groups.len().encode(&mut code);
    for (count, ty) in groups {
        count.encode(&mut code);
        ty.encode(&mut code);
    }
    let every = 2 + numbers.below(8);
    let results = function.ty.results().to_vec();
    let mut spreader = Spreader { parts, numbers, locals, results, counter, code };
    let mut operators = function.body.get_operators_reader().expect("a valid module");
    while !operators.eof() {
        let start = operators.original_position();
        operators.read().expect("a valid module");
        if spreader.numbers.one_in(every) {
            spreader.add(function.leaf);
        }
        spreader.code.extend_from_slice(&wasm[start..operators.original_position()]);
    }
    spreader.code
}

/// The valid module with calls added to it; it stays valid.
pub(super) fn spread_calls(wasm: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let parts = Parts::read(wasm, numbers);
    let mut code = Vec::new();
    parts.functions.len().encode(&mut code);
    for function in &parts.functions {
        spread(wasm, &parts, function, numbers).encode(&mut code);
    }
    let mut out = wasm[..HEADER_SIZE].to_vec();
    for section in sections::sections(wasm) {
        let section = section.expect("a valid module");
        if section.id == id::CODE {
            out.push(id::CODE);
            code.encode(&mut out);
        } else {
            out.extend_from_slice(&wasm[section.whole]);
        }
    }
    out
}
