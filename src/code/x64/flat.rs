//! A kernel as a flat list of items, with every access to a variable listed.
//!
//! Liveness walks the list backwards, emission forwards; both see the same accesses, so that each
//! access knows the live range, and with it the register, that it belongs to.

use super::EmitError;
use crate::kernels::ir::{
    Addr, Arg, Count, Inst, Kernel, Offset, Operand, Ptr, Stmt, VecUnary, Vreg, Wide, WideInst, WideOperand,
};

/// What registers hold. Vectors and wide vectors share a file of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// ymm registers.
    Vector,
    /// General purpose: pointers and loop counters.
    General,
    /// zmm registers.
    Wide,
}

/// All of them, in the order of their numbers.
pub(super) const CLASSES: [Class; 3] = [Class::Vector, Class::General, Class::Wide];

/// A variable: a register of the IR, a pointer of the IR or, numbered after those, a loop's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Var {
    pub class: Class,
    pub number: u32,
}

/// How an item touches a variable. Item p reads at time 2p and writes at time 2p + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Read, before anything is written.
    Use,
    /// Read, perhaps after the results are written: shares no register with them.
    UseLate,
    /// Written.
    Def,
    /// Read and written in place.
    Update,
    /// Not a variable: a register that the item needs for itself.
    Temp,
}

/// One access of an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub var: Var,
    pub role: Role,
    /// The live range, once liveness has found it; [`NO_RANGE`] for a parameter that is never read.
    pub range: u32,
}

/// See [`Access::range`].
pub(super) const NO_RANGE: u32 = u32::MAX;

/// What an item does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op<'a> {
    /// Pointer arguments are loaded.
    Entry,
    Inst(&'a Inst),
    Advance {
        dst: Ptr,
        base: Ptr,
        by: Offset,
    },
    Lookup {
        dst: Ptr,
        base: Ptr,
        table: Addr,
    },
    /// Loops are numbered in the order of their starts.
    LoopStart {
        number: u32,
        count: Count,
    },
    LoopEnd {
        number: u32,
    },
}

/// An operation and where its accesses stand in [`Flat::accesses`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a> {
    pub op: Op<'a>,
    pub first: u32,
    pub end: u32,
    /// The innermost loop that it is repeated by.
    pub inside: Option<u32>,
}

/// The flat list.
pub(super) struct Flat<'a> {
    pub items: Vec<Item<'a>>,
    pub accesses: Vec<Access>,
    pub loops: Vec<LoopShape>,
    /// How many variables there are, by class.
    pub vars: [usize; CLASSES.len()],
    /// The loop whose body is being flattened.
    inside: Option<u32>,
}

/// What is known of a loop.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoopShape {
    /// The item that it starts with.
    pub start: u32,
    /// The loop around it.
    pub parent: Option<u32>,
    /// How many loops are around it.
    pub depth: u32,
    /// No loop is in it.
    pub innermost: bool,
    /// A multiply-add adds to a sum that the loop carries from one iteration to the next.
    pub contracts: bool,
}

/// The variable of a register of the IR.
pub(super) const fn vector(reg: Vreg) -> Var {
    Var { class: Class::Vector, number: reg.0 }
}

/// The variable of a wide register of the IR.
pub(super) const fn wide(reg: Wide) -> Var {
    Var { class: Class::Wide, number: reg.0 }
}

/// The variable of a pointer of the IR.
pub(super) const fn pointer(ptr: Ptr) -> Var {
    Var { class: Class::General, number: ptr.0 }
}

/// A temporary of a class. Its number is not a variable's.
pub(super) const fn temporary(class: Class) -> Var {
    Var { class, number: u32::MAX }
}

/// Whether a strided access cannot name its last lane by a 32-bit displacement.
pub(super) fn is_far(addr: Addr, stride: i32, lanes: u8) -> bool {
    let last = i64::from(addr.offset) + i64::from(stride) * (i64::from(lanes) - 1);
    i32::try_from(last).is_err()
}

/// Whether a strided load takes every other element, 4 or 8 of them: two loads and shuffles then fetch them.
pub(super) fn is_pairs(addr: Addr, stride: i32, lanes: u8) -> bool {
    stride == 8 && (lanes == 4 || lanes == 8) && !is_far(addr, stride, lanes)
}

/// Flattens a kernel. Loops that run exactly once leave no trace.
pub(super) fn flatten(kernel: &Kernel) -> Result<Flat<'_>, EmitError> {
    let statements = statements(&kernel.body);
    let mut flat = Flat {
        items: Vec::with_capacity(statements + 1),
        accesses: Vec::with_capacity(3 * statements),
        loops: Vec::new(),
        vars: [kernel.vregs as usize, kernel.ptrs as usize, kernel.wides as usize],
        inside: None,
    };
    let args = kernel.args.iter().filter_map(|arg| match arg {
        Arg::Ptr(ptr) => Some((pointer(*ptr), Role::Def)),
        Arg::Int => None,
    });
    flat.push(kernel, Op::Entry, args)?;
    flat.block(kernel, &kernel.body)?;
    flat.vars[1] += flat.loops.len();
    Ok(flat)
}

/// About how many items a body has.
fn statements(body: &[Stmt]) -> usize {
    let inner =
        body.iter().map(|stmt| if let Stmt::Loop { body, .. } = stmt { 1 + statements(body) } else { 0 });
    body.len() + inner.sum::<usize>()
}

impl<'a> Flat<'a> {
    /// The accesses of an item.
    pub fn accesses(&self, item: &Item<'_>) -> &[Access] {
        self.accesses.get(item.first as usize..item.end as usize).unwrap_or(&[])
    }

    /// The loops that repeat an item, innermost first.
    pub fn loops_around(&self, item: &Item<'_>) -> impl Iterator<Item = &LoopShape> {
        let shape = |number: Option<u32>| self.loops.get(number? as usize);
        std::iter::successors(shape(item.inside), move |inner| shape(inner.parent))
    }

    fn block(&mut self, kernel: &Kernel, body: &'a [Stmt]) -> Result<(), EmitError> {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => {
                    let (list, len) = accesses_of(inst);
                    self.push(kernel, Op::Inst(inst), list.into_iter().take(len))?;
                }
                Stmt::Advance { dst, base, by } => {
                    let op = Op::Advance { dst: *dst, base: *base, by: *by };
                    if dst == base {
                        self.push(kernel, op, [(pointer(*dst), Role::Update)])?;
                    } else {
                        self.push(kernel, op, [(pointer(*base), Role::Use), (pointer(*dst), Role::Def)])?;
                    }
                }
                Stmt::Lookup { dst, base, table, .. } => {
                    let op = Op::Lookup { dst: *dst, base: *base, table: *table };
                    let table = (pointer(table.ptr), Role::Use);
                    if dst == base {
                        let temp = (temporary(Class::General), Role::Temp);
                        self.push(kernel, op, [table, (pointer(*dst), Role::Update), temp])?;
                    } else {
                        let base = (pointer(*base), Role::UseLate);
                        self.push(kernel, op, [table, base, (pointer(*dst), Role::Def)])?;
                    }
                }
                Stmt::Loop { count: Count::Static(1), body } => self.block(kernel, body)?,
                Stmt::Loop { count, body } => {
                    let (number, parent) = (self.loops.len() as u32, self.inside);
                    let depth = parent.map_or(0, |parent| self.loops[parent as usize].depth + 1);
                    let start = self.items.len() as u32;
                    self.loops.push(LoopShape { start, parent, depth, innermost: true, contracts: false });
                    if let Some(parent) = parent {
                        self.loops[parent as usize].innermost = false;
                    }
                    let counter = Var { class: Class::General, number: kernel.ptrs + number };
                    self.push(kernel, Op::LoopStart { number, count: *count }, [(counter, Role::Def)])?;
                    self.inside = Some(number);
                    self.block(kernel, body)?;
                    self.push(kernel, Op::LoopEnd { number }, [(counter, Role::Update)])?;
                    self.inside = parent;
                }
            }
        }
        Ok(())
    }

    fn push(
        &mut self,
        kernel: &Kernel,
        op: Op<'a>,
        list: impl IntoIterator<Item = (Var, Role)>,
    ) -> Result<(), EmitError> {
        let first = self.accesses.len() as u32;
        for (var, role) in list {
            let known = match var.class {
                _ if role == Role::Temp => true,
                Class::Vector => var.number < kernel.vregs,
                Class::Wide => var.number < kernel.wides,
                Class::General => var.number < kernel.ptrs + self.loops.len() as u32,
            };
            if !known {
                return Err(EmitError::Variable { kernel: kernel.name.clone() });
            }
            self.accesses.push(Access { var, role, range: NO_RANGE });
        }
        self.items.push(Item { op, first, end: self.accesses.len() as u32, inside: self.inside });
        Ok(())
    }
}

/// The accesses of a vector operation: at most [`MAX_ACCESSES`].
fn accesses_of(inst: &Inst) -> ([(Var, Role); MAX_ACCESSES], usize) {
    let mut list = [(temporary(Class::Vector), Role::Temp); MAX_ACCESSES];
    let mut len = 0;
    let mut add = |var: Var, role: Role| {
        if let Some(slot) = list.get_mut(len) {
            *slot = (var, role);
            len += 1;
        }
    };
    let temp = temporary(Class::Vector);
    match inst {
        Inst::Splat { dst, .. } => add(vector(*dst), Role::Def),
        Inst::Move { dst, src } => {
            add(vector(*src), Role::Use);
            add(vector(*dst), Role::Def);
        }
        Inst::Load { dst, addr }
        | Inst::LoadSplat { dst, addr }
        | Inst::LoadPart { dst, addr, .. }
        | Inst::LoadLast { dst, addr, .. } => {
            add(pointer(addr.ptr), Role::Use);
            add(vector(*dst), Role::Def);
        }
        Inst::LoadStrided { dst, addr, stride, lanes } => {
            add(pointer(addr.ptr), Role::Use);
            add(vector(*dst), Role::Def);
            if *lanes > 4 && !is_pairs(*addr, *stride, *lanes) {
                add(temp, Role::Temp);
            }
            if is_far(*addr, *stride, *lanes) {
                add(temporary(Class::General), Role::Temp);
            }
        }
        Inst::Gather { dst, addr, index, .. } => {
            add(pointer(addr.ptr), Role::Use);
            add(vector(*index), Role::UseLate);
            add(vector(*dst), Role::Def);
            add(temp, Role::Temp);
        }
        Inst::Store { addr, src } => {
            add(pointer(addr.ptr), Role::Use);
            add(vector(*src), Role::Use);
        }
        Inst::StorePart { addr, src, lanes } => {
            add(pointer(addr.ptr), Role::Use);
            add(vector(*src), Role::Use);
            if *lanes > 4 {
                add(temp, Role::Temp);
            }
        }
        Inst::StoreStrided { addr, src, stride, lanes } => {
            add(pointer(addr.ptr), Role::Use);
            add(vector(*src), Role::Use);
            if *lanes > 4 {
                add(temp, Role::Temp);
            }
            if is_far(*addr, *stride, *lanes) {
                add(temporary(Class::General), Role::Temp);
            }
        }
        Inst::Fma { acc, a, b } => {
            add(vector(*a), Role::Use);
            add_operand(b, &mut add);
            add(vector(*acc), Role::Update);
        }
        Inst::Binary { dst, a, b, .. } => {
            add(vector(*a), Role::Use);
            add_operand(b, &mut add);
            add(vector(*dst), Role::Def);
        }
        Inst::Unary { op, dst, src } => {
            add(vector(*src), Role::Use);
            add(vector(*dst), Role::Def);
            if matches!(op, VecUnary::SumLanes | VecUnary::MaxLanes) {
                add(temp, Role::Temp);
            }
        }
        Inst::Blend { dst, mask, on, off } => {
            add(vector(*mask), Role::Use);
            add(vector(*on), Role::Use);
            add(vector(*off), Role::Use);
            add(vector(*dst), Role::Def);
        }
        Inst::Slide { dst, low, high, .. } => {
            add(vector(*low), Role::UseLate);
            add(vector(*high), Role::UseLate);
            add(vector(*dst), Role::Def);
        }
        Inst::Transpose { regs } => {
            for reg in regs {
                add(vector(*reg), Role::Update);
            }
            add(temp, Role::Temp);
        }
        Inst::Prefetch { addr, .. } => add(pointer(addr.ptr), Role::Use),
        Inst::Wide(inst) => match inst {
            WideInst::Splat { dst, .. } => add(wide(*dst), Role::Def),
            WideInst::Load { dst, addr }
            | WideInst::LoadTwice { dst, addr }
            | WideInst::LoadPart { dst, addr, .. }
            | WideInst::LoadSplat { dst, addr } => {
                add(pointer(addr.ptr), Role::Use);
                add(wide(*dst), Role::Def);
            }
            WideInst::Fma { acc, a, b } => {
                add(wide(*a), Role::Use);
                match b {
                    WideOperand::Reg(reg) => add(wide(*reg), Role::Use),
                    WideOperand::Mem(addr) | WideOperand::Splat(addr) => add(pointer(addr.ptr), Role::Use),
                }
                add(wide(*acc), Role::Update);
            }
            WideInst::Store { addr, src } => {
                add(pointer(addr.ptr), Role::Use);
                add(wide(*src), Role::Use);
            }
            WideInst::Arith { dst, a, b, .. } => {
                add(wide(*a), Role::Use);
                add(wide(*b), Role::Use);
                add(wide(*dst), Role::Def);
            }
            WideInst::Slide { dst, low, high, .. } => {
                add(wide(*low), Role::Use);
                add(wide(*high), Role::Use);
                add(wide(*dst), Role::Def);
            }
            WideInst::Transpose { regs, .. } => {
                for reg in regs {
                    add(wide(*reg), Role::Update);
                }
                add(temporary(Class::Wide), Role::Temp);
            }
            WideInst::Half { dst, src, .. } => {
                add(wide(*src), Role::Use);
                add(vector(*dst), Role::Def);
            }
        },
    }
    (list, len)
}

/// The most accesses that an operation has: a transposition's 8 registers and a temporary.
const MAX_ACCESSES: usize = 9;

fn add_operand(operand: &Operand, add: &mut impl FnMut(Var, Role)) {
    match operand {
        Operand::Reg(reg) => add(vector(*reg), Role::Use),
        Operand::Mem(addr) => add(pointer(addr.ptr), Role::Use),
        Operand::Const(_) => {}
    }
}
