//! Operations on wide registers.

use iced_x86::{Code, Instruction, MemoryOperand, Register};

use super::EmitError;
use super::abi::{ymm, ymm_of_32, zmm};
use super::emit::Emitter;
use super::flat::{Flat, Op};
use super::pool::Constant;
use crate::kernels::ir::{Addr, Arith, Inst, WIDE_LANES, WideInst, WideOperand};

/// Some lanes of a wide register: how many, and whether they are the last ones.
pub(super) type WideMask = (u8, bool);

/// Registers of masks that stay.
const MASKS: [Register; 6] =
    [Register::K1, Register::K2, Register::K3, Register::K4, Register::K5, Register::K6];
/// The register of the others.
const SPARE: Register = Register::K7;

/// The masks that stay in registers: a kernel's first ones.
pub(super) fn masks(flat: &Flat<'_>) -> Vec<WideMask> {
    let mut all = Vec::new();
    for item in &flat.items {
        let Op::Inst(&Inst::Wide(WideInst::LoadPart { lanes, last, .. })) = item.op else { continue };
        if !all.contains(&(lanes, last)) && all.len() < MASKS.len() {
            all.push((lanes, last));
        }
    }
    all
}

fn arith_code(op: Arith) -> Code {
    match op {
        Arith::Add => Code::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
        Arith::Sub => Code::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er,
        Arith::Mul => Code::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er,
        Arith::Div => Code::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er,
        Arith::Max => Code::EVEX_Vmaxps_zmm_k1z_zmm_zmmm512b32_sae,
        Arith::Min => Code::EVEX_Vminps_zmm_k1z_zmm_zmmm512b32_sae,
        Arith::And => Code::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32,
    }
}

impl Emitter<'_> {
    /// The masks that stay, at the start of a kernel.
    pub(super) fn set_masks(&mut self) -> Result<(), EmitError> {
        let masks = self.masks.clone();
        MASKS.into_iter().zip(masks).try_for_each(|(register, mask)| self.mask(register, mask))
    }

    fn mask(&mut self, register: Register, (lanes, last): WideMask) -> Result<(), EmitError> {
        let missing = WIDE_LANES as u32 - u32::from(lanes);
        self.op(Instruction::with3(Code::VEX_Kxnorw_kr_kr_kr, register, register, register))?;
        let shift = if last { Code::VEX_Kshiftlw_kr_kr_imm8 } else { Code::VEX_Kshiftrw_kr_kr_imm8 };
        self.op(Instruction::with3(shift, register, register, missing))
    }

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
                let mask = match self.masks.iter().position(|&mask| mask == (lanes, last)) {
                    Some(place) => MASKS[place],
                    None => {
                        self.mask(SPARE, (lanes, last))?;
                        SPARE
                    }
                };
                let load = Instruction::with2(Code::EVEX_Vmovups_zmm_k1z_zmmm512, target, memory);
                self.op(load.map(|mut load| {
                    load.set_op_mask(mask);
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
            WideInst::Arith { op, dst, a, b } => {
                let (a, b) = (zmm(self.read_wide(a)?), zmm(self.read_wide(b)?));
                let target = zmm(self.target_wide(dst)?);
                self.op3(arith_code(op), target, a, b)
            }
            WideInst::Slide { dst, low, high, by } => {
                let (low, high) = (zmm(self.read_wide(low)?), zmm(self.read_wide(high)?));
                let target = zmm(self.target_wide(dst)?);
                let code = Code::EVEX_Valignd_zmm_k1z_zmm_zmmm512b32_imm8;
                self.op3_imm(code, target, high, low, u32::from(by))
            }
            WideInst::Transpose { regs, back } => self.transpose_wide(regs, back),
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
