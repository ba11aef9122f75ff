//! Vector operations that are one instruction, or few.

use iced_x86::{Code, Instruction};

use super::EmitError;
use super::abi::{xmm, ymm};
use super::emit::{Emitter, Source};
use super::flat::Class;
use super::pool::Constant;
use crate::kernels::ir::{Cache, Cmp, Inst, Operand, VecBinary, VecUnary, Vreg};

/// The rounding that `vroundps` is asked for; 8 suppresses the inexact flag.
const NEAREST: u32 = 8;
const DOWNWARDS: u32 = 9;

impl Emitter<'_> {
    pub(super) fn inst(&mut self, inst: &Inst) -> Result<(), EmitError> {
        match *inst {
            Inst::Splat { dst, bits } => self.splat(dst, bits),
            Inst::Move { dst, src } => self.copy(dst, src),
            Inst::Load { dst, addr } => {
                let (memory, target) = (self.memory(addr)?, self.target(dst)?);
                self.op(Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, ymm(target), memory))?;
                self.wrote(dst)
            }
            Inst::LoadSplat { dst, addr } => {
                let (memory, target) = (self.memory(addr)?, self.target(dst)?);
                self.op(Instruction::with2(Code::VEX_Vbroadcastss_ymm_m32, ymm(target), memory))?;
                self.wrote(dst)
            }
            Inst::LoadPart { dst, addr, lanes } => self.load_part(dst, addr, lanes),
            Inst::LoadLast { dst, addr, lanes } => self.load_last(dst, addr, lanes),
            Inst::LoadStrided { dst, addr, stride, lanes } => self.load_strided(dst, addr, stride, lanes),
            Inst::Gather { dst, addr, index, .. } => self.gather(dst, addr, index),
            Inst::Store { addr, src } => {
                let (src, memory) = (self.read(src, 0)?, self.memory(addr)?);
                self.op(Instruction::with2(Code::VEX_Vmovups_ymmm256_ymm, memory, ymm(src)))
            }
            Inst::StorePart { addr, src, lanes } => self.store_part(addr, src, lanes),
            Inst::StoreStrided { addr, src, stride, lanes } => self.store_strided(addr, src, stride, lanes),
            Inst::Fma { acc, a, b } => {
                // A sum in memory comes to the register that `target` then names.
                let target = self.read(acc, 0)?;
                let a = self.read(a, 1)?;
                self.arithmetic(Code::VEX_Vfmadd231ps_ymm_ymm_ymmm256, target, a, b, None)?;
                self.wrote(acc)
            }
            Inst::Binary { op, dst, a, b } => {
                let (code, imm) = binary_code(op);
                let (a, target) = (self.read(a, 0)?, self.target(dst)?);
                self.arithmetic(code, target, a, b, imm)?;
                self.wrote(dst)
            }
            Inst::Unary { op, dst, src } => self.unary(op, dst, src),
            Inst::Blend { dst, mask, on, off } => self.blend(dst, mask, on, off),
            Inst::Slide { dst, low, high, by } => self.slide(dst, low, high, by),
            Inst::Transpose { ref regs } => self.transpose(regs),
            Inst::Prefetch { addr, cache } => {
                let memory = self.memory(addr)?;
                let code = match cache {
                    Cache::First => Code::Prefetcht0_m8,
                    Cache::Second => Code::Prefetcht1_m8,
                };
                self.op(Instruction::with1(code, memory))
            }
            Inst::Wide(inst) => self.wide_inst(inst),
        }
    }

    /// By way of the middle: the upper half of `low` and the lower half of `high`.
    fn slide(&mut self, dst: Vreg, low: Vreg, high: Vreg, by: u8) -> Result<(), EmitError> {
        // Of the operands, which are halves 0 and 1 and halves 2 and 3.
        const MIDDLE: u32 = 0x21;
        let target = ymm(self.target(dst)?);
        let first = ymm(self.read(low, 1)?);
        let code = Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8;
        match self.source(high)? {
            Source::Register(high) => self.op3_imm(code, target, first, ymm(high), MIDDLE)?,
            Source::Memory(high) => self.op(Instruction::with4(code, target, first, high, MIDDLE))?,
        }
        let code = Code::VEX_Vpalignr_ymm_ymm_ymmm256_imm8;
        let bytes = 4 * u32::from(by % 4);
        match by {
            1..=3 => self.op3_imm(code, target, target, first, bytes)?,
            4 => {}
            5..=7 => {
                let last = ymm(self.read(high, 1)?);
                self.op3_imm(code, target, last, target, bytes)?;
            }
            _ => return Err(self.bug("a slide by no lane or by all")),
        }
        self.wrote(dst)
    }

    fn splat(&mut self, dst: Vreg, bits: u32) -> Result<(), EmitError> {
        let target = self.target(dst)?;
        if bits == 0 {
            let zero = xmm(target);
            self.op3(Code::VEX_Vxorps_xmm_xmm_xmmm128, zero, zero, zero)?;
        } else {
            self.asm.emit_constant(Constant::Scalar(bits), |memory| {
                Instruction::with2(Code::VEX_Vbroadcastss_ymm_m32, ymm(target), memory)
            })?;
        }
        self.wrote(dst)
    }

    fn copy(&mut self, dst: Vreg, src: Vreg) -> Result<(), EmitError> {
        let target = self.target(dst)?;
        match self.source(src)? {
            Source::Register(src) if src == target => {}
            Source::Register(src) => {
                self.op(Instruction::with2(Code::VEX_Vmovaps_ymm_ymmm256, ymm(target), ymm(src)))?;
            }
            Source::Memory(src) => {
                self.op(Instruction::with2(Code::VEX_Vmovaps_ymm_ymmm256, ymm(target), src))?;
            }
        }
        self.wrote(dst)
    }

    /// `code target, a, b` or `code target, a, b, imm`, `b` being a register, memory or a constant.
    fn arithmetic(
        &mut self,
        code: Code,
        target: u8,
        a: u8,
        b: Operand,
        imm: Option<u32>,
    ) -> Result<(), EmitError> {
        let (target, a) = (ymm(target), ymm(a));
        let source = match b {
            Operand::Reg(reg) => self.source(reg)?,
            Operand::Mem(addr) => Source::Memory(self.memory(addr)?),
            Operand::Const(bits) => {
                return self.asm.emit_constant(Constant::Splat(bits), |memory| match imm {
                    Some(imm) => Instruction::with4(code, target, a, memory, imm),
                    None => Instruction::with3(code, target, a, memory),
                });
            }
        };
        self.op(match (source, imm) {
            (Source::Register(b), Some(imm)) => Instruction::with4(code, target, a, ymm(b), imm),
            (Source::Register(b), None) => Instruction::with3(code, target, a, ymm(b)),
            (Source::Memory(b), Some(imm)) => Instruction::with4(code, target, a, b, imm),
            (Source::Memory(b), None) => Instruction::with3(code, target, a, b),
        })
    }

    fn blend(&mut self, dst: Vreg, mask: Vreg, on: Vreg, off: Vreg) -> Result<(), EmitError> {
        let (off, mask) = (ymm(self.read(off, 0)?), ymm(self.read(mask, 1)?));
        let target = ymm(self.target(dst)?);
        let code = Code::VEX_Vblendvps_ymm_ymm_ymmm256_ymm;
        let instruction = match self.source(on)? {
            Source::Register(on) => Instruction::with4(code, target, off, ymm(on), mask),
            Source::Memory(on) => Instruction::with4(code, target, off, on, mask),
        };
        self.op(instruction)?;
        self.wrote(dst)
    }

    fn unary(&mut self, op: VecUnary, dst: Vreg, src: Vreg) -> Result<(), EmitError> {
        let (code, imm) = match op {
            VecUnary::Sqrt => (Code::VEX_Vsqrtps_ymm_ymmm256, None),
            VecUnary::ToInt => (Code::VEX_Vcvtps2dq_ymm_ymmm256, None),
            VecUnary::ToFloat => (Code::VEX_Vcvtdq2ps_ymm_ymmm256, None),
            VecUnary::Round => (Code::VEX_Vroundps_ymm_ymmm256_imm8, Some(NEAREST)),
            VecUnary::Floor => (Code::VEX_Vroundps_ymm_ymmm256_imm8, Some(DOWNWARDS)),
            VecUnary::ShiftLeft(by) => return self.shift(Code::VEX_Vpslld_ymm_ymm_imm8, by, dst, src),
            VecUnary::ShiftRight(by) => return self.shift(Code::VEX_Vpsrld_ymm_ymm_imm8, by, dst, src),
            VecUnary::ShiftRightArithmetic(by) => {
                return self.shift(Code::VEX_Vpsrad_ymm_ymm_imm8, by, dst, src);
            }
            VecUnary::SumLanes => return self.across(Code::VEX_Vaddps_xmm_xmm_xmmm128, dst, src),
            VecUnary::MaxLanes => return self.across(Code::VEX_Vmaxps_xmm_xmm_xmmm128, dst, src),
        };
        let target = ymm(self.target(dst)?);
        let instruction = match (self.source(src)?, imm) {
            (Source::Register(src), Some(imm)) => Instruction::with3(code, target, ymm(src), imm),
            (Source::Register(src), None) => Instruction::with2(code, target, ymm(src)),
            (Source::Memory(src), Some(imm)) => Instruction::with3(code, target, src, imm),
            (Source::Memory(src), None) => Instruction::with2(code, target, src),
        };
        self.op(instruction)?;
        self.wrote(dst)
    }

    fn shift(&mut self, code: Code, by: u8, dst: Vreg, src: Vreg) -> Result<(), EmitError> {
        let (src, target) = (ymm(self.read(src, 0)?), ymm(self.target(dst)?));
        self.op(Instruction::with3(code, target, src, u32::from(by)))?;
        self.wrote(dst)
    }

    /// All lanes combined by an operation of four lanes, the upper half onto the lower first.
    fn across(&mut self, code: Code, dst: Vreg, src: Vreg) -> Result<(), EmitError> {
        let src = self.read(src, 0)?;
        let (target, temp) = (self.target(dst)?, self.temp(Class::Vector)?);
        self.op(Instruction::with3(Code::VEX_Vextractf128_xmmm128_ymm_imm8, xmm(temp), ymm(src), 1))?;
        self.op3(code, xmm(temp), xmm(src), xmm(temp))?;
        // The source has been read: the target may be the same register.
        self.op3(Code::VEX_Vmovhlps_xmm_xmm_xmm, xmm(target), xmm(temp), xmm(temp))?;
        self.op3(code, xmm(temp), xmm(temp), xmm(target))?;
        self.op(Instruction::with2(Code::VEX_Vmovshdup_xmm_xmmm128, xmm(target), xmm(temp)))?;
        self.op3(code, xmm(temp), xmm(temp), xmm(target))?;
        self.op(Instruction::with2(Code::VEX_Vbroadcastss_ymm_xmm, ymm(target), xmm(temp)))?;
        self.wrote(dst)
    }
}

/// The instruction of an operation, and its predicate if it has one.
fn binary_code(op: VecBinary) -> (Code, Option<u32>) {
    let code = match op {
        VecBinary::Add => Code::VEX_Vaddps_ymm_ymm_ymmm256,
        VecBinary::Sub => Code::VEX_Vsubps_ymm_ymm_ymmm256,
        VecBinary::Mul => Code::VEX_Vmulps_ymm_ymm_ymmm256,
        VecBinary::Div => Code::VEX_Vdivps_ymm_ymm_ymmm256,
        VecBinary::Max => Code::VEX_Vmaxps_ymm_ymm_ymmm256,
        VecBinary::Min => Code::VEX_Vminps_ymm_ymm_ymmm256,
        VecBinary::And => Code::VEX_Vandps_ymm_ymm_ymmm256,
        VecBinary::Or => Code::VEX_Vorps_ymm_ymm_ymmm256,
        VecBinary::Xor => Code::VEX_Vxorps_ymm_ymm_ymmm256,
        VecBinary::AndNot => Code::VEX_Vandnps_ymm_ymm_ymmm256,
        VecBinary::AddInt => Code::VEX_Vpaddd_ymm_ymm_ymmm256,
        VecBinary::SubInt => Code::VEX_Vpsubd_ymm_ymm_ymmm256,
        VecBinary::Cmp(cmp) => {
            // Ordered, non-signalling predicates.
            let predicate = match cmp {
                Cmp::Eq => 0x00,
                Cmp::Lt => 0x11,
                Cmp::Le => 0x12,
                Cmp::Unordered => 0x03,
            };
            return (Code::VEX_Vcmpps_ymm_ymm_ymmm256_imm8, Some(predicate));
        }
    };
    (code, None)
}
