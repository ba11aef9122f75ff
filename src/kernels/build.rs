//! Writing kernels: a builder that hands out variables and appends statements.

use super::ir::{
    Addr, Arg, Cmp, Count, Inst, Int, Kernel, LANES, Offset, Operand, Ptr, Spills, Stmt, VecBinary, VecUnary,
    Vreg, Wide, WideInst,
};

/// Builds one [`Kernel`]. Statements go to the innermost open loop.
pub(crate) struct KernelBuilder {
    name: String,
    args: Vec<Arg>,
    vregs: u32,
    wides: u32,
    ptrs: u32,
    /// The body, and the bodies of the loops that are open.
    bodies: Vec<Vec<Stmt>>,
}

impl Ptr {
    /// The address `offset` bytes behind the pointer.
    pub(crate) const fn at(self, offset: i32) -> Addr {
        Addr { ptr: self, offset }
    }
}

impl From<Vreg> for Operand {
    fn from(reg: Vreg) -> Operand {
        Operand::Reg(reg)
    }
}

impl From<Addr> for Operand {
    fn from(addr: Addr) -> Operand {
        Operand::Mem(addr)
    }
}

impl From<f32> for Operand {
    fn from(value: f32) -> Operand {
        Operand::Const(value.to_bits())
    }
}

impl KernelBuilder {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        KernelBuilder {
            name: name.into(),
            args: Vec::new(),
            vregs: 0,
            wides: 0,
            ptrs: 0,
            bodies: vec![Vec::new()],
        }
    }

    /// The kernel, once every loop is closed.
    pub(crate) fn finish(mut self, spills: Spills) -> Kernel {
        debug_assert_eq!(self.bodies.len(), 1, "a loop is open in {}", self.name);
        Kernel {
            name: self.name,
            args: self.args,
            vregs: self.vregs,
            wides: self.wides,
            ptrs: self.ptrs,
            body: self.bodies.pop().unwrap_or_default(),
            spills,
        }
    }

    /// A new pointer argument.
    pub(crate) fn ptr_arg(&mut self) -> Ptr {
        let ptr = self.ptr();
        self.args.push(Arg::Ptr(ptr));
        ptr
    }

    /// A new integer argument.
    pub(crate) fn int_arg(&mut self) -> Int {
        self.args.push(Arg::Int);
        Int(self.args.len() as u32 - 1)
    }

    /// A new pointer variable, unassigned.
    pub(crate) fn ptr(&mut self) -> Ptr {
        self.ptrs += 1;
        Ptr(self.ptrs - 1)
    }

    /// A new register, unassigned.
    pub(crate) fn vreg(&mut self) -> Vreg {
        self.vregs += 1;
        Vreg(self.vregs - 1)
    }

    /// A new wide register, unassigned.
    pub(crate) fn wide(&mut self) -> Wide {
        self.wides += 1;
        Wide(self.wides - 1)
    }

    fn push(&mut self, stmt: Stmt) {
        if let Some(body) = self.bodies.last_mut() {
            body.push(stmt);
        }
    }

    pub(crate) fn inst(&mut self, inst: Inst) {
        self.push(Stmt::Inst(inst));
    }

    pub(crate) fn wide_inst(&mut self, inst: WideInst) {
        self.inst(Inst::Wide(inst));
    }

    /// A new register with lanes 0 to 7 of a wide one, or 8 to 15.
    pub(crate) fn half(&mut self, src: Wide, high: bool) -> Vreg {
        let dst = self.vreg();
        self.wide_inst(WideInst::Half { dst, src, high });
        dst
    }

    /// A loop around what `body` appends.
    pub(crate) fn repeat(&mut self, count: Count, body: impl FnOnce(&mut Self)) {
        self.bodies.push(Vec::new());
        body(self);
        let body = self.bodies.pop().unwrap_or_default();
        self.push(Stmt::Loop { count, body });
    }

    /// `ptr += bytes`, where that is not 0.
    pub(crate) fn advance(&mut self, ptr: Ptr, bytes: i32) {
        if bytes != 0 {
            self.push(Stmt::Advance { dst: ptr, base: ptr, by: Offset::Bytes(bytes) });
        }
    }

    /// `ptr += int`
    pub(crate) fn advance_int(&mut self, ptr: Ptr, by: Int) {
        self.push(Stmt::Advance { dst: ptr, base: ptr, by: Offset::Int(by) });
    }

    /// `dst = base + by`
    pub(crate) fn set_ptr(&mut self, dst: Ptr, base: Ptr, by: Offset) {
        self.push(Stmt::Advance { dst, base, by });
    }

    /// `dst = base + the i32 at table`
    pub(crate) fn lookup(&mut self, dst: Ptr, base: Ptr, table: Addr, bounds: (i32, i32)) {
        self.push(Stmt::Lookup { dst, base, table, bounds });
    }

    /// A new register with `value` in every lane.
    pub(crate) fn splat(&mut self, value: f32) -> Vreg {
        let dst = self.vreg();
        self.inst(Inst::Splat { dst, bits: value.to_bits() });
        dst
    }

    /// A new register with the first `lanes` (1 to 8) from memory, 0 in the others.
    pub(crate) fn load(&mut self, addr: Addr, lanes: usize) -> Vreg {
        let dst = self.vreg();
        self.load_to(dst, addr, lanes);
        dst
    }

    /// As [`Self::load`], into a register there is.
    pub(crate) fn load_to(&mut self, dst: Vreg, addr: Addr, lanes: usize) {
        self.inst(if lanes == LANES {
            Inst::Load { dst, addr }
        } else {
            Inst::LoadPart { dst, addr, lanes: lanes as u8 }
        });
    }

    /// A new register with one f32 in every lane.
    pub(crate) fn load_splat(&mut self, addr: Addr) -> Vreg {
        let dst = self.vreg();
        self.inst(Inst::LoadSplat { dst, addr });
        dst
    }

    /// A new register with `lanes` (1 to 8) elements `stride` bytes apart; plain where they are adjacent.
    pub(crate) fn load_strided(&mut self, addr: Addr, stride: i32, lanes: usize) -> Vreg {
        if stride == 4 {
            return self.load(addr, lanes);
        }
        let dst = self.vreg();
        self.inst(Inst::LoadStrided { dst, addr, stride, lanes: lanes as u8 });
        dst
    }

    /// The first `lanes` (1 to 8) to memory.
    pub(crate) fn store(&mut self, addr: Addr, src: Vreg, lanes: usize) {
        self.inst(if lanes == LANES {
            Inst::Store { addr, src }
        } else {
            Inst::StorePart { addr, src, lanes: lanes as u8 }
        });
    }

    /// `lanes` (1 to 8) elements to memory `stride` bytes apart; plain where they are adjacent.
    pub(crate) fn store_strided(&mut self, addr: Addr, src: Vreg, stride: i32, lanes: usize) {
        if stride == 4 {
            return self.store(addr, src, lanes);
        }
        self.inst(Inst::StoreStrided { addr, src, stride, lanes: lanes as u8 });
    }

    /// `acc += a · b`
    pub(crate) fn fma(&mut self, acc: Vreg, a: Vreg, b: impl Into<Operand>) {
        self.inst(Inst::Fma { acc, a, b: b.into() });
    }

    /// A new register with `op(a, b)`.
    pub(crate) fn binary(&mut self, op: VecBinary, a: Vreg, b: impl Into<Operand>) -> Vreg {
        let dst = self.vreg();
        self.inst(Inst::Binary { op, dst, a, b: b.into() });
        dst
    }

    /// `dst = op(a, b)`
    pub(crate) fn binary_to(&mut self, op: VecBinary, dst: Vreg, a: Vreg, b: impl Into<Operand>) {
        self.inst(Inst::Binary { op, dst, a, b: b.into() });
    }

    /// A new register with the mask of a comparison.
    pub(crate) fn cmp(&mut self, cmp: Cmp, a: Vreg, b: impl Into<Operand>) -> Vreg {
        self.binary(VecBinary::Cmp(cmp), a, b)
    }

    /// A new register with `op(src)`.
    pub(crate) fn unary(&mut self, op: VecUnary, src: Vreg) -> Vreg {
        let dst = self.vreg();
        self.inst(Inst::Unary { op, dst, src });
        dst
    }

    /// A new register with `mask ? on : off`.
    pub(crate) fn blend(&mut self, mask: Vreg, on: Vreg, off: Vreg) -> Vreg {
        let dst = self.vreg();
        self.inst(Inst::Blend { dst, mask, on, off });
        dst
    }

    /// A copy in a new register.
    pub(crate) fn copy(&mut self, src: Vreg) -> Vreg {
        let dst = self.vreg();
        self.inst(Inst::Move { dst, src });
        dst
    }
}
