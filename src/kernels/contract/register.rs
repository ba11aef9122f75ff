//! The registers that a tile's sums are in.

use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{Addr, Inst, Operand, VECTOR_BYTES, Vreg, Wide, WideInst, WideOperand};

/// A register of output channels: one block of them, or two.
pub(super) trait Register: Copy {
    /// Blocks of channels.
    const BLOCKS: u32;
    /// Bytes.
    const BYTES: i32 = VECTOR_BYTES as i32 * Self::BLOCKS as i32;

    /// A new one, unassigned.
    fn new(k: &mut KernelBuilder) -> Self;

    /// All of them 0, or what is in memory.
    fn start(k: &mut KernelBuilder, registers: &[Self], from: Option<Addr>);

    fn load(self, k: &mut KernelBuilder, addr: Addr);

    /// One f32 in every lane.
    fn load_splat(self, k: &mut KernelBuilder, addr: Addr);

    /// `self += a · b`
    fn fma(self, k: &mut KernelBuilder, a: Self, b: Self);

    /// `self += a · b`, `b` in memory.
    fn fma_memory(self, k: &mut KernelBuilder, a: Self, b: Addr);

    /// `self += a · b`, `b` one f32 in memory; false where there is no such operation, and nothing happens.
    fn fma_splat(self, k: &mut KernelBuilder, a: Self, b: Addr) -> bool;

    /// A block of it.
    fn block(self, k: &mut KernelBuilder, block: u32) -> Vreg;
}

impl Register for Vreg {
    const BLOCKS: u32 = 1;

    fn new(k: &mut KernelBuilder) -> Vreg {
        k.vreg()
    }

    fn start(k: &mut KernelBuilder, registers: &[Vreg], from: Option<Addr>) {
        for &dst in registers {
            match from {
                Some(addr) if dst == registers[0] => k.inst(Inst::Load { dst, addr }),
                Some(_) => k.inst(Inst::Move { dst, src: registers[0] }),
                None => k.inst(Inst::Splat { dst, bits: 0 }),
            }
        }
    }

    fn load(self, k: &mut KernelBuilder, addr: Addr) {
        k.inst(Inst::Load { dst: self, addr });
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

    fn block(self, _: &mut KernelBuilder, _: u32) -> Vreg {
        self
    }
}

impl Register for Wide {
    const BLOCKS: u32 = 2;

    fn new(k: &mut KernelBuilder) -> Wide {
        k.wide()
    }

    fn start(k: &mut KernelBuilder, registers: &[Wide], from: Option<Addr>) {
        for &dst in registers {
            k.wide_inst(match from {
                Some(addr) => WideInst::Load { dst, addr },
                None => WideInst::Splat { dst, bits: 0 },
            });
        }
    }

    fn load(self, k: &mut KernelBuilder, addr: Addr) {
        k.wide_inst(WideInst::Load { dst: self, addr });
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

    fn block(self, k: &mut KernelBuilder, block: u32) -> Vreg {
        k.half(self, block == 1)
    }
}
