//! The registers that a tile's sums are in: of 8 lanes, or of 16.

use super::build::KernelBuilder;
use super::ir::{Addr, Arith, Inst, LANES, Operand, VECTOR_BYTES, Vreg, Wide, WideInst, WideOperand};

/// A register of one vector or two: blocks of output channels, or columns of a row.
pub(super) trait Register: Copy {
    /// Vectors of 8 lanes.
    const VECTORS: u32;
    /// Lanes.
    const LANES: usize = LANES * Self::VECTORS as usize;
    /// Bytes.
    const BYTES: i32 = VECTOR_BYTES as i32 * Self::VECTORS as i32;

    /// A new one, unassigned.
    fn new(k: &mut KernelBuilder) -> Self;

    /// A new one, all 0.
    fn zero(k: &mut KernelBuilder) -> Self {
        let register = Self::new(k);
        register.clear(k);
        register
    }

    /// A new one with one f32 from memory in every lane.
    fn splat(k: &mut KernelBuilder, addr: Addr) -> Self {
        let register = Self::new(k);
        register.load_splat(k, addr);
        register
    }

    /// All of them 0, or what is in memory.
    fn start(k: &mut KernelBuilder, registers: &[Self], from: Option<Addr>) {
        match from {
            Some(addr) => Self::fill(k, registers, |register, k| register.load(k, addr)),
            None => registers.iter().for_each(|register| register.clear(k)),
        }
    }

    /// All of them what `load` brings to one.
    fn fill(k: &mut KernelBuilder, registers: &[Self], load: impl Fn(Self, &mut KernelBuilder));

    /// 0 in every lane.
    fn clear(self, k: &mut KernelBuilder);

    fn load(self, k: &mut KernelBuilder, addr: Addr);

    /// A vector from memory in each of its vectors.
    fn load_vector(self, k: &mut KernelBuilder, addr: Addr);

    /// The first lanes from memory, fewer than there are, or the last ones; 0 in the others.
    fn load_part(self, k: &mut KernelBuilder, addr: Addr, lanes: usize, last: bool);

    fn store(self, k: &mut KernelBuilder, addr: Addr);

    /// A new one with as many lanes of `low` followed by `high`, from lane `by` on: 1 to all but one.
    fn slide(k: &mut KernelBuilder, low: Self, high: Self, by: usize) -> Self;

    /// A new one with one number in every lane.
    fn number(k: &mut KernelBuilder, number: f32) -> Self;

    /// A new one, `op(a, b)`.
    fn arith(k: &mut KernelBuilder, op: Arith, a: Self, b: Self) -> Self;

    /// `self = op(self, b)`
    fn take(self, k: &mut KernelBuilder, op: Arith, b: Self);

    /// `self = op(self, b)`, `b` in memory.
    fn take_memory(self, k: &mut KernelBuilder, op: Arith, b: Addr);

    /// One f32 in every lane.
    fn load_splat(self, k: &mut KernelBuilder, addr: Addr);

    /// `self += a · b`
    fn fma(self, k: &mut KernelBuilder, a: Self, b: Self);

    /// `self += a · b`, `b` in memory.
    fn fma_memory(self, k: &mut KernelBuilder, a: Self, b: Addr);

    /// `self += a · b`, `b` one f32 in memory; false where there is no such operation, and nothing happens.
    fn fma_splat(self, k: &mut KernelBuilder, a: Self, b: Addr) -> bool;

    /// A vector of it.
    fn vector(self, k: &mut KernelBuilder, vector: u32) -> Vreg;
}

impl Register for Vreg {
    const VECTORS: u32 = 1;

    fn new(k: &mut KernelBuilder) -> Vreg {
        k.vreg()
    }

    fn fill(k: &mut KernelBuilder, registers: &[Vreg], load: impl Fn(Vreg, &mut KernelBuilder)) {
        let Some((&src, others)) = registers.split_first() else { return };
        load(src, k);
        others.iter().for_each(|&dst| k.inst(Inst::Move { dst, src }));
    }

    fn clear(self, k: &mut KernelBuilder) {
        k.inst(Inst::Splat { dst: self, bits: 0 });
    }

    fn load(self, k: &mut KernelBuilder, addr: Addr) {
        k.inst(Inst::Load { dst: self, addr });
    }

    fn load_vector(self, k: &mut KernelBuilder, addr: Addr) {
        self.load(k, addr);
    }

    fn load_part(self, k: &mut KernelBuilder, addr: Addr, lanes: usize, last: bool) {
        let (dst, lanes) = (self, lanes as u8);
        k.inst(if last { Inst::LoadLast { dst, addr, lanes } } else { Inst::LoadPart { dst, addr, lanes } });
    }

    fn store(self, k: &mut KernelBuilder, addr: Addr) {
        k.inst(Inst::Store { addr, src: self });
    }

    fn slide(k: &mut KernelBuilder, low: Vreg, high: Vreg, by: usize) -> Vreg {
        let dst = k.vreg();
        k.inst(Inst::Slide { dst, low, high, by: by as u8 });
        dst
    }

    fn number(k: &mut KernelBuilder, number: f32) -> Vreg {
        k.splat(number)
    }

    fn arith(k: &mut KernelBuilder, op: Arith, a: Vreg, b: Vreg) -> Vreg {
        k.binary(op.into(), a, b)
    }

    fn take(self, k: &mut KernelBuilder, op: Arith, b: Vreg) {
        k.binary_to(op.into(), self, self, b);
    }

    fn take_memory(self, k: &mut KernelBuilder, op: Arith, b: Addr) {
        k.binary_to(op.into(), self, self, b);
    }

    fn load_splat(self, k: &mut KernelBuilder, addr: Addr) {
        k.inst(Inst::LoadSplat { dst: self, addr });
    }

    fn fma(self, k: &mut KernelBuilder, a: Vreg, b: Vreg) {
        k.fma(self, a, b);
    }

    fn fma_memory(self, k: &mut KernelBuilder, a: Vreg, b: Addr) {
        k.fma(self, a, Operand::Mem(b));
    }

    fn fma_splat(self, _: &mut KernelBuilder, _: Vreg, _: Addr) -> bool {
        false
    }

    fn vector(self, _: &mut KernelBuilder, _: u32) -> Vreg {
        self
    }
}

impl Register for Wide {
    const VECTORS: u32 = 2;

    fn new(k: &mut KernelBuilder) -> Wide {
        k.wide()
    }

    fn fill(k: &mut KernelBuilder, registers: &[Wide], load: impl Fn(Wide, &mut KernelBuilder)) {
        registers.iter().for_each(|&register| load(register, k));
    }

    fn clear(self, k: &mut KernelBuilder) {
        k.wide_inst(WideInst::Splat { dst: self, bits: 0 });
    }

    fn load(self, k: &mut KernelBuilder, addr: Addr) {
        k.wide_inst(WideInst::Load { dst: self, addr });
    }

    fn load_vector(self, k: &mut KernelBuilder, addr: Addr) {
        k.wide_inst(WideInst::LoadTwice { dst: self, addr });
    }

    fn load_part(self, k: &mut KernelBuilder, addr: Addr, lanes: usize, last: bool) {
        k.wide_inst(WideInst::LoadPart { dst: self, addr, lanes: lanes as u8, last });
    }

    fn store(self, k: &mut KernelBuilder, addr: Addr) {
        k.wide_inst(WideInst::Store { addr, src: self });
    }

    fn slide(k: &mut KernelBuilder, low: Wide, high: Wide, by: usize) -> Wide {
        let dst = k.wide();
        k.wide_inst(WideInst::Slide { dst, low, high, by: by as u8 });
        dst
    }

    fn number(k: &mut KernelBuilder, number: f32) -> Wide {
        let dst = k.wide();
        k.wide_inst(WideInst::Splat { dst, bits: number.to_bits() });
        dst
    }

    fn arith(k: &mut KernelBuilder, op: Arith, a: Wide, b: Wide) -> Wide {
        let dst = k.wide();
        k.wide_inst(WideInst::Arith { op, dst, a, b });
        dst
    }

    fn take(self, k: &mut KernelBuilder, op: Arith, b: Wide) {
        k.wide_inst(WideInst::Arith { op, dst: self, a: self, b });
    }

    fn take_memory(self, k: &mut KernelBuilder, op: Arith, b: Addr) {
        let register = Wide::new(k);
        register.load(k, b);
        self.take(k, op, register);
    }

    fn load_splat(self, k: &mut KernelBuilder, addr: Addr) {
        k.wide_inst(WideInst::LoadSplat { dst: self, addr });
    }

    fn fma(self, k: &mut KernelBuilder, a: Wide, b: Wide) {
        k.wide_inst(WideInst::Fma { acc: self, a, b: WideOperand::Reg(b) });
    }

    fn fma_memory(self, k: &mut KernelBuilder, a: Wide, b: Addr) {
        k.wide_inst(WideInst::Fma { acc: self, a, b: WideOperand::Mem(b) });
    }

    fn fma_splat(self, k: &mut KernelBuilder, a: Wide, b: Addr) -> bool {
        k.wide_inst(WideInst::Fma { acc: self, a, b: WideOperand::Splat(b) });
        true
    }

    fn vector(self, k: &mut KernelBuilder, vector: u32) -> Vreg {
        k.half(self, vector == 1)
    }
}
