//! The invariants of one kernel.

use super::Problem;
use crate::kernels::ir::{
    Addr, Arg, Count, Inst, Int, Kernel, LANES, MAX_LOOP_DEPTH, Offset, Operand, Ptr, Stmt, VecUnary, Vreg,
    WIDE_LANES, Wide, WideInst, WideOperand,
};

/// Which variables are assigned, by number.
#[derive(Clone)]
struct Assigned {
    vregs: Vec<bool>,
    wides: Vec<bool>,
    ptrs: Vec<bool>,
}

struct Verifier<'a> {
    kernel: &'a Kernel,
    /// The position of the statement in each open body.
    path: Vec<usize>,
    /// The statement; none while the arguments are looked at.
    at: Option<&'a Stmt>,
    problems: Vec<Problem>,
}

pub(super) fn verify(kernel: &Kernel) -> Vec<Problem> {
    let mut verifier = Verifier { kernel, path: Vec::new(), at: None, problems: Vec::new() };
    let mut assigned = Assigned {
        vregs: vec![false; kernel.vregs as usize],
        wides: vec![false; kernel.wides as usize],
        ptrs: vec![false; kernel.ptrs as usize],
    };
    for arg in &kernel.args {
        if let Arg::Ptr(ptr) = *arg {
            if assigned.ptrs.get(ptr.0 as usize) == Some(&true) {
                verifier.report(format!("{ptr} stands for two arguments"));
            }
            verifier.set_ptr(ptr, &mut assigned);
        }
    }
    verifier.body(&kernel.body, &mut assigned);
    verifier.problems
}

impl<'a> Verifier<'a> {
    fn report(&mut self, what: String) {
        let path: Vec<String> = self.path.iter().map(usize::to_string).collect();
        let at = match self.at {
            None => "arguments".to_owned(),
            Some(Stmt::Inst(inst)) => inst.to_string(),
            Some(Stmt::Advance { dst, base, by }) => format!("{dst} = {base}{by}"),
            Some(Stmt::Lookup { dst, base, table, .. }) => format!("{dst} = {base} + lookup {table}"),
            Some(Stmt::Loop { count, .. }) => format!("loop {count}"),
        };
        let place = format!("kernel `{}`, {} `{at}`", self.kernel.name, path.join("."));
        self.problems.push(Problem { place, what });
    }

    fn body(&mut self, body: &'a [Stmt], assigned: &mut Assigned) {
        for (i, stmt) in body.iter().enumerate() {
            self.path.push(i);
            self.stmt(stmt, assigned);
            self.path.pop();
        }
    }

    fn stmt(&mut self, stmt: &'a Stmt, assigned: &mut Assigned) {
        self.at = Some(stmt);
        match stmt {
            Stmt::Inst(inst) => self.inst(inst, assigned),
            Stmt::Advance { dst, base, by } => {
                self.ptr(*base, assigned);
                match *by {
                    Offset::Bytes(bytes) => self.multiple_of_4(bytes),
                    Offset::Int(int) => self.int(int),
                }
                self.set_ptr(*dst, assigned);
            }
            Stmt::Lookup { dst, base, table, bounds } => {
                self.ptr(*base, assigned);
                self.addr(*table, assigned);
                self.bounds(*bounds);
                self.set_ptr(*dst, assigned);
            }
            Stmt::Loop { count, body } => {
                // Each statement pushed its position: the path counts the loops around, and this one.
                if self.path.len() > MAX_LOOP_DEPTH {
                    return self.report(format!("loops nest deeper than {MAX_LOOP_DEPTH}"));
                }
                match *count {
                    Count::Static(0) => self.report("a loop of no iteration".to_owned()),
                    Count::Static(_) => self.body(body, assigned),
                    Count::Int(int) => {
                        self.int(int);
                        // It may run no iteration.
                        self.body(body, &mut assigned.clone());
                    }
                }
            }
        }
    }

    fn inst(&mut self, inst: &Inst, assigned: &mut Assigned) {
        match *inst {
            Inst::Splat { dst, .. } => self.set(dst, assigned),
            Inst::Move { dst, src } => {
                self.reg(src, assigned);
                self.set(dst, assigned);
            }
            Inst::Load { dst, addr } | Inst::LoadSplat { dst, addr } => {
                self.addr(addr, assigned);
                self.set(dst, assigned);
            }
            Inst::LoadPart { dst, addr, lanes } | Inst::LoadLast { dst, addr, lanes } => {
                self.lanes(lanes, LANES - 1);
                self.addr(addr, assigned);
                self.set(dst, assigned);
            }
            Inst::LoadStrided { dst, addr, stride, lanes } => {
                self.lanes(lanes, LANES);
                self.stride(stride);
                self.addr(addr, assigned);
                self.set(dst, assigned);
            }
            Inst::Gather { dst, addr, index, bounds } => {
                if dst == index {
                    self.report(format!("{dst} is both the result and the index"));
                }
                self.bounds(bounds);
                self.addr(addr, assigned);
                self.reg(index, assigned);
                self.set(dst, assigned);
            }
            Inst::Store { addr, src } => {
                self.addr(addr, assigned);
                self.reg(src, assigned);
            }
            Inst::StorePart { addr, src, lanes } => {
                self.lanes(lanes, LANES - 1);
                self.addr(addr, assigned);
                self.reg(src, assigned);
            }
            Inst::StoreStrided { addr, src, stride, lanes } => {
                self.lanes(lanes, LANES);
                self.stride(stride);
                self.addr(addr, assigned);
                self.reg(src, assigned);
            }
            Inst::Fma { acc, a, b } => {
                self.reg(acc, assigned);
                self.reg(a, assigned);
                self.operand(b, assigned);
            }
            Inst::Binary { dst, a, b, .. } => {
                self.reg(a, assigned);
                self.operand(b, assigned);
                self.set(dst, assigned);
            }
            Inst::Unary { op, dst, src } => {
                if let VecUnary::ShiftLeft(by) | VecUnary::ShiftRight(by) | VecUnary::ShiftRightArithmetic(by) =
                    op
                    && by >= 32
                {
                    self.report(format!("a shift by {by}"));
                }
                self.reg(src, assigned);
                self.set(dst, assigned);
            }
            Inst::Blend { dst, mask, on, off } => {
                for reg in [mask, on, off] {
                    self.reg(reg, assigned);
                }
                self.set(dst, assigned);
            }
            Inst::Slide { dst, low, high, by } => {
                if !(1..LANES as u8).contains(&by) {
                    self.report(format!("a slide by {by}"));
                }
                if dst == low || dst == high {
                    self.report(format!("{dst} is both the result of a slide and slid"));
                }
                self.reg(low, assigned);
                self.reg(high, assigned);
                self.set(dst, assigned);
            }
            Inst::Transpose { regs } => {
                for (i, &reg) in regs.iter().enumerate() {
                    if regs[..i].contains(&reg) {
                        self.report(format!("{reg} is there twice"));
                    }
                    self.reg(reg, assigned);
                }
            }
            Inst::Prefetch { addr, .. } => self.addr(addr, assigned),
            Inst::Wide(inst) => self.wide_inst(inst, assigned),
        }
    }

    fn wide_inst(&mut self, inst: WideInst, assigned: &mut Assigned) {
        match inst {
            WideInst::Splat { dst, .. } => self.set_wide(dst, assigned),
            WideInst::LoadPart { dst, addr, lanes, .. } => {
                if !(1..WIDE_LANES as u8).contains(&lanes) {
                    self.report(format!("{lanes} lanes of a wide register"));
                }
                self.addr(addr, assigned);
                self.set_wide(dst, assigned);
            }
            WideInst::Load { dst, addr }
            | WideInst::LoadTwice { dst, addr }
            | WideInst::LoadSplat { dst, addr } => {
                self.addr(addr, assigned);
                self.set_wide(dst, assigned);
            }
            WideInst::Fma { acc, a, b } => {
                self.wide(acc, assigned);
                self.wide(a, assigned);
                match b {
                    WideOperand::Reg(reg) => self.wide(reg, assigned),
                    WideOperand::Mem(addr) | WideOperand::Splat(addr) => self.addr(addr, assigned),
                }
            }
            WideInst::Store { addr, src } => {
                self.addr(addr, assigned);
                self.wide(src, assigned);
            }
            WideInst::Arith { dst, a, b, .. } => {
                self.wide(a, assigned);
                self.wide(b, assigned);
                self.set_wide(dst, assigned);
            }
            WideInst::Slide { dst, low, high, by } => {
                if !(1..WIDE_LANES as u8).contains(&by) {
                    self.report(format!("a slide of a wide register by {by}"));
                }
                self.wide(low, assigned);
                self.wide(high, assigned);
                self.set_wide(dst, assigned);
            }
            WideInst::Transpose { regs, .. } => {
                for (i, &reg) in regs.iter().enumerate() {
                    if regs[..i].contains(&reg) {
                        self.report(format!("{reg} is there twice"));
                    }
                    self.wide(reg, assigned);
                }
            }
            WideInst::Half { dst, src, .. } => {
                self.wide(src, assigned);
                self.set(dst, assigned);
            }
        }
    }

    fn wide(&mut self, reg: Wide, assigned: &Assigned) {
        match assigned.wides.get(reg.0 as usize) {
            None => self.report(format!("there is no {reg}")),
            Some(false) => self.report(format!("{reg} may be read before it is assigned")),
            Some(true) => {}
        }
    }

    fn set_wide(&mut self, reg: Wide, assigned: &mut Assigned) {
        match assigned.wides.get_mut(reg.0 as usize) {
            None => self.report(format!("there is no {reg}")),
            Some(assigned) => *assigned = true,
        }
    }

    fn reg(&mut self, reg: Vreg, assigned: &Assigned) {
        match assigned.vregs.get(reg.0 as usize) {
            None => self.report(format!("there is no {reg}")),
            Some(false) => self.report(format!("{reg} may be read before it is assigned")),
            Some(true) => {}
        }
    }

    fn set(&mut self, reg: Vreg, assigned: &mut Assigned) {
        match assigned.vregs.get_mut(reg.0 as usize) {
            None => self.report(format!("there is no {reg}")),
            Some(assigned) => *assigned = true,
        }
    }

    fn ptr(&mut self, ptr: Ptr, assigned: &Assigned) {
        match assigned.ptrs.get(ptr.0 as usize) {
            None => self.report(format!("there is no {ptr}")),
            Some(false) => self.report(format!("{ptr} may be read before it is assigned")),
            Some(true) => {}
        }
    }

    fn set_ptr(&mut self, ptr: Ptr, assigned: &mut Assigned) {
        match assigned.ptrs.get_mut(ptr.0 as usize) {
            None => self.report(format!("there is no {ptr}")),
            Some(assigned) => *assigned = true,
        }
    }

    fn int(&mut self, int: Int) {
        if self.kernel.args.get(int.0 as usize) != Some(&Arg::Int) {
            self.report(format!("{int} is no integer argument"));
        }
    }

    fn addr(&mut self, addr: Addr, assigned: &Assigned) {
        self.ptr(addr.ptr, assigned);
        self.multiple_of_4(addr.offset);
    }

    fn operand(&mut self, operand: Operand, assigned: &Assigned) {
        match operand {
            Operand::Reg(reg) => self.reg(reg, assigned),
            Operand::Mem(addr) => self.addr(addr, assigned),
            Operand::Const(_) => {}
        }
    }

    fn multiple_of_4(&mut self, bytes: i32) {
        if bytes % 4 != 0 {
            self.report(format!("{bytes} is no multiple of 4"));
        }
    }

    fn lanes(&mut self, lanes: u8, most: usize) {
        if !(1..=most).contains(&usize::from(lanes)) {
            self.report(format!("{lanes} lanes, not 1 to {most}"));
        }
    }

    fn stride(&mut self, stride: i32) {
        if stride == 0 {
            self.report("a stride of 0".to_owned());
        }
        self.multiple_of_4(stride);
    }

    fn bounds(&mut self, (lo, hi): (i32, i32)) {
        if lo > hi {
            self.report(format!("no value lies in {lo}..={hi}"));
        }
    }
}
