//! Operations on wide registers.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::EmitError;
use super::abi::{ymm, ymm_of_32, zmm};
use super::emit::Emitter;
use super::pool::Constant;
use crate::kernels::ir::{Addr, WIDE_LANES, WideInst, WideOperand};

impl Emitter<'_> {
    pub(super) fn wide_inst(&mut self, inst: WideInst) -> Result<(), EmitError> {
        match inst {
            WideInst::Splat { dst, bits: 0 } => {
                let target = zmm(self.target_wide(dst)?);
                self.op3(Code::EVEX_Vxorps_zmm_k1z_zmm_zmmm512b32, target, target, target)
            }
            WideInst::Splat { dst, bits } => {
                let target = zmm(self.target_wide(dst)?);
                self.asm.emit_constant(Constant::Scalar(bits), |memory| {
                    Instruction::with2(Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32, target, memory)
                })
            }
            WideInst::Load { dst, addr } => {
                let (memory, target) = (self.memory(addr)?, zmm(self.target_wide(dst)?));
                self.op(Instruction::with2(Code::EVEX_Vmovups_zmm_k1z_zmmm512, target, memory))
            }
            WideInst::LoadTwice { dst, addr } => {
                let (memory, target) = (self.memory(addr)?, zmm(self.target_wide(dst)?));
                self.op(Instruction::with2(Code::EVEX_Vbroadcastf64x4_zmm_k1z_m256, target, memory))
            }
            WideInst::LoadPart { dst, addr, lanes, last } => {
                let missing = WIDE_LANES as u32 - u32::from(lanes);
                // What is masked is not accessed.
                let start = if last { addr.offset - 4 * missing as i32 } else { addr.offset };
                let memory = self.memory(Addr { offset: start, ..addr })?;
                let target = zmm(self.target_wide(dst)?);
                let ones = Register::K1;
                self.op(Instruction::with3(Code::VEX_Kxnorw_kr_kr_kr, ones, ones, ones))?;
                let shift = if last { Code::VEX_Kshiftlw_kr_kr_imm8 } else { Code::VEX_Kshiftrw_kr_kr_imm8 };
                self.op(Instruction::with3(shift, ones, ones, missing))?;
                let load = Instruction::with2(Code::EVEX_Vmovups_zmm_k1z_zmmm512, target, memory);
                self.op(load.map(|mut load| {
                    load.set_op_mask(ones);
                    load.set_zeroing_masking(true);
                    load
                }))
            }
            WideInst::LoadSplat { dst, addr } => {
                let (memory, target) = (self.memory(addr)?, zmm(self.target_wide(dst)?));
                self.op(Instruction::with2(Code::EVEX_Vbroadcastss_zmm_k1z_xmmm32, target, memory))
            }
            WideInst::Fma { acc, a, b } => {
                let (sum, a) = (zmm(self.target_wide(acc)?), zmm(self.read_wide(a)?));
                let code = Code::EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er;
                let instruction = match b {
                    WideOperand::Reg(reg) => Instruction::with3(code, sum, a, zmm(self.read_wide(reg)?)),
                    WideOperand::Mem(addr) => Instruction::with3(code, sum, a, self.memory(addr)?),
                    WideOperand::Splat(addr) => {
                        let memory = MemoryOperand { is_broadcast: true, ..self.memory(addr)? };
                        Instruction::with3(code, sum, a, memory)
                    }
                };
                self.op(instruction)
            }
            WideInst::Store { addr, src } => {
                let (memory, src) = (self.memory(addr)?, zmm(self.read_wide(src)?));
                self.op(Instruction::with2(Code::EVEX_Vmovups_zmmm512_k1z_zmm, memory, src))
            }
            WideInst::Half { dst, src, high } => {
                let (src, target) = (self.read_wide(src)?, ymm(self.target(dst)?));
                self.op(if high {
                    Instruction::with3(Code::EVEX_Vextractf64x4_ymmm256_k1z_zmm_imm8, target, zmm(src), 1)
                } else {
                    Instruction::with2(Code::EVEX_Vmovaps_ymm_k1z_ymmm256, target, ymm_of_32(src))
                })?;
                self.wrote(dst)
            }
        }
    }
}
