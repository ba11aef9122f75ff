//! Accesses to less than 8 adjacent lanes. None touches a byte of a lane that it is not about.

use iced_x86::{Code, Instruction, MemoryOperand};

use super::EmitError;
use super::abi::{Gpr, r64, xmm, ymm};
use super::emit::{Emitter, memory_at};
use super::flat::{Class, is_far, is_pairs};
use super::pool::Constant;
use crate::kernels::ir::{Addr, Vreg};

/// Addresses of lanes, asked for in order.
struct Lanes {
    base: Gpr,
    offset: i64,
    stride: i32,
    /// A register that follows the lanes, where 32 bits do not hold their displacement.
    follower: Option<Gpr>,
    /// Which lane the follower points to.
    at: i64,
}

impl Emitter<'_> {
    /// The first lanes from memory, zeros in the others.
    pub(super) fn load_part(&mut self, dst: Vreg, addr: Addr, lanes: u8) -> Result<(), EmitError> {
        let (memory, target) = (self.memory(addr)?, self.target(dst)?);
        match lanes {
            1 => self.op(Instruction::with2(Code::VEX_Vmovss_xmm_m32, xmm(target), memory))?,
            2 => self.op(Instruction::with2(Code::VEX_Vmovsd_xmm_m64, xmm(target), memory))?,
            4 => self.op(Instruction::with2(Code::VEX_Vmovups_xmm_xmmm128, xmm(target), memory))?,
            3 => {
                self.asm.emit_constant(Constant::Mask(lanes), |mask| {
                    Instruction::with2(Code::VEX_Vmovups_xmm_xmmm128, xmm(target), mask)
                })?;
                let code = Code::VEX_Vmaskmovps_xmm_xmm_m128;
                self.op(Instruction::with3(code, xmm(target), xmm(target), memory))?;
            }
            5..=7 => {
                self.asm.emit_constant(Constant::Mask(lanes), |mask| {
                    Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, ymm(target), mask)
                })?;
                let code = Code::VEX_Vmaskmovps_ymm_ymm_m256;
                self.op(Instruction::with3(code, ymm(target), ymm(target), memory))?;
            }
            _ => return Err(self.bug("a partial load of 0 or more than 7 lanes")),
        }
        self.wrote(dst)
    }

    /// The last lanes from memory, zeros in the others. What a masked load does not load it does not touch.
    pub(super) fn load_last(&mut self, dst: Vreg, addr: Addr, lanes: u8) -> Result<(), EmitError> {
        if !(1..=7).contains(&lanes) {
            return Err(self.bug("a partial load of 0 or more than 7 lanes"));
        }
        let base = self.pointer(addr.ptr)?;
        let memory = self.displaced(base, i64::from(addr.offset) - 4 * (8 - i64::from(lanes)))?;
        let target = self.target(dst)?;
        self.asm.emit_constant(Constant::LastMask(lanes), |mask| {
            Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, ymm(target), mask)
        })?;
        let code = Code::VEX_Vmaskmovps_ymm_ymm_m256;
        self.op(Instruction::with3(code, ymm(target), ymm(target), memory))?;
        self.wrote(dst)
    }

    /// The first lanes to memory. By plain stores: masked ones are slow on some processors.
    pub(super) fn store_part(&mut self, addr: Addr, src: Vreg, lanes: u8) -> Result<(), EmitError> {
        let src = self.read(src, 0)?;
        let base = self.pointer(addr.ptr)?;
        match lanes {
            1..=3 => self.store_low(base, addr.offset.into(), src, lanes),
            4..=7 => {
                let memory = self.displaced(base, addr.offset.into())?;
                self.op(Instruction::with2(Code::VEX_Vmovups_xmmm128_xmm, memory, xmm(src)))?;
                if lanes == 4 {
                    return Ok(());
                }
                let upper = self.temp(Class::Vector)?;
                let code = Code::VEX_Vextractf128_xmmm128_ymm_imm8;
                self.op(Instruction::with3(code, xmm(upper), ymm(src), 1))?;
                self.store_low(base, i64::from(addr.offset) + 16, upper, lanes - 4)
            }
            _ => Err(self.bug("a partial store of 0 or more than 7 lanes")),
        }
    }

    /// 1 to 3 lanes to memory.
    fn store_low(&mut self, base: Gpr, offset: i64, src: u8, lanes: u8) -> Result<(), EmitError> {
        let memory = self.displaced(base, offset)?;
        if lanes == 1 {
            return self.op(Instruction::with2(Code::VEX_Vmovss_m32_xmm, memory, xmm(src)));
        }
        self.op(Instruction::with2(Code::VEX_Vmovlps_m64_xmm, memory, xmm(src)))?;
        if lanes == 3 {
            let memory = self.displaced(base, offset + 8)?;
            self.op(Instruction::with3(Code::VEX_Vextractps_rm32_xmm_imm8, memory, xmm(src), 2))?;
        }
        Ok(())
    }

    /// Lane i from `addr + i · stride`, zeros in the others.
    pub(super) fn load_strided(
        &mut self,
        dst: Vreg,
        addr: Addr,
        stride: i32,
        lanes: u8,
    ) -> Result<(), EmitError> {
        if !(1..=8).contains(&lanes) {
            return Err(self.bug("a strided load of 0 or more than 8 lanes"));
        }
        let base = self.pointer(addr.ptr)?;
        let target = self.target(dst)?;
        if is_pairs(addr, stride, lanes) {
            self.load_pairs(target, base, addr.offset, lanes)?;
            return self.wrote(dst);
        }
        let mut addresses = self.lanes(base, addr, stride, lanes)?;
        self.load_four(target, &mut addresses, 0, lanes.min(4))?;
        if lanes > 4 {
            let upper = self.temp(Class::Vector)?;
            self.load_four(upper, &mut addresses, 4, lanes - 4)?;
            let code = Code::VEX_Vinsertf128_ymm_ymm_xmmm128_imm8;
            self.op3_imm(code, ymm(target), ymm(target), xmm(upper), 1)?;
        }
        self.wrote(dst)
    }

    /// Every other element, 4 or 8 of them, by two loads of which the second ends with the last.
    fn load_pairs(&mut self, target: u8, base: Gpr, offset: i32, lanes: u8) -> Result<(), EmitError> {
        // Of the first load elements 0 and 2 of each half, of the second elements 1 and 3.
        const EVEN_ODD: u32 = 0b11_01_10_00;
        let first = memory_at(base, offset);
        let second = self.displaced(base, i64::from(offset) + 4 * i64::from(lanes) - 4)?;
        if lanes == 4 {
            self.op(Instruction::with2(Code::VEX_Vmovups_xmm_xmmm128, xmm(target), first))?;
            let code = Code::VEX_Vshufps_xmm_xmm_xmmm128_imm8;
            return self.op(Instruction::with4(code, xmm(target), xmm(target), second, EVEN_ODD));
        }
        // Leaves the pairs in the order 0, 2, 1, 3.
        const MIDDLE_SWAPPED: u32 = 0b11_01_10_00;
        self.op(Instruction::with2(Code::VEX_Vmovups_ymm_ymmm256, ymm(target), first))?;
        let code = Code::VEX_Vshufps_ymm_ymm_ymmm256_imm8;
        self.op(Instruction::with4(code, ymm(target), ymm(target), second, EVEN_ODD))?;
        let code = Code::VEX_Vpermpd_ymm_ymmm256_imm8;
        self.op(Instruction::with3(code, ymm(target), ymm(target), MIDDLE_SWAPPED))
    }

    /// `count` lanes, from lane `first` on, into the lower half of a register.
    fn load_four(
        &mut self,
        target: u8,
        addresses: &mut Lanes,
        first: u8,
        count: u8,
    ) -> Result<(), EmitError> {
        let memory = self.lane(addresses, first)?;
        self.op(Instruction::with2(Code::VEX_Vmovss_xmm_m32, xmm(target), memory))?;
        for lane in 1..count {
            let memory = self.lane(addresses, first + lane)?;
            let code = Code::VEX_Vinsertps_xmm_xmm_xmmm32_imm8;
            let place = u32::from(lane) << 4;
            self.op(Instruction::with4(code, xmm(target), xmm(target), memory, place))?;
        }
        Ok(())
    }

    /// Lane i to `addr + i · stride`.
    pub(super) fn store_strided(
        &mut self,
        addr: Addr,
        src: Vreg,
        stride: i32,
        lanes: u8,
    ) -> Result<(), EmitError> {
        if !(1..=8).contains(&lanes) {
            return Err(self.bug("a strided store of 0 or more than 8 lanes"));
        }
        let src = self.read(src, 0)?;
        let base = self.pointer(addr.ptr)?;
        let mut addresses = self.lanes(base, addr, stride, lanes)?;
        let mut from = src;
        for lane in 0..lanes {
            if lane == 4 {
                from = self.temp(Class::Vector)?;
                let code = Code::VEX_Vextractf128_xmmm128_ymm_imm8;
                self.op(Instruction::with3(code, xmm(from), ymm(src), 1))?;
            }
            let memory = self.lane(&mut addresses, lane)?;
            if lane % 4 == 0 {
                self.op(Instruction::with2(Code::VEX_Vmovss_m32_xmm, memory, xmm(from)))?;
            } else {
                let code = Code::VEX_Vextractps_rm32_xmm_imm8;
                self.op(Instruction::with3(code, memory, xmm(from), u32::from(lane % 4)))?;
            }
        }
        Ok(())
    }

    /// Lane i from `addr + 4 · index[i]`.
    pub(super) fn gather(&mut self, dst: Vreg, addr: Addr, index: Vreg) -> Result<(), EmitError> {
        let base = self.pointer(addr.ptr)?;
        let index = self.read(index, 1)?;
        let (target, mask) = (self.target(dst)?, self.temp(Class::Vector)?);
        self.op3(Code::VEX_Vpcmpeqd_ymm_ymm_ymmm256, ymm(mask), ymm(mask), ymm(mask))?;
        // The instruction merges into its target: without this it would wait for the old value.
        self.op3(Code::VEX_Vxorps_xmm_xmm_xmmm128, xmm(target), xmm(target), xmm(target))?;
        let size = u32::from(addr.offset != 0);
        let memory = MemoryOperand::with_base_index_scale_displ_size(
            r64(base),
            ymm(index),
            4,
            addr.offset.into(),
            size,
        );
        self.op(Instruction::with3(Code::VEX_Vgatherdps_ymm_vm32y_ymm, ymm(target), memory, ymm(mask)))?;
        self.wrote(dst)
    }

    fn lanes(&mut self, base: Gpr, addr: Addr, stride: i32, lanes: u8) -> Result<Lanes, EmitError> {
        let offset = i64::from(addr.offset);
        if !is_far(addr, stride, lanes) {
            return Ok(Lanes { base, offset, stride, follower: None, at: 0 });
        }
        let follower = self.temp(Class::General)?;
        self.op(Instruction::with2(Code::Lea_r64_m, r64(follower), memory_at(base, addr.offset)))?;
        Ok(Lanes { base, offset, stride, follower: Some(follower), at: 0 })
    }

    fn lane(&mut self, lanes: &mut Lanes, lane: u8) -> Result<MemoryOperand, EmitError> {
        let lane = i64::from(lane);
        let Some(follower) = lanes.follower else {
            return self.displaced(lanes.base, lanes.offset + lane * i64::from(lanes.stride));
        };
        while lanes.at < lane {
            self.op(Instruction::with2(Code::Add_rm64_imm32, r64(follower), lanes.stride))?;
            lanes.at += 1;
        }
        Ok(memory_at(follower, 0))
    }

    fn displaced(&self, base: Gpr, offset: i64) -> Result<MemoryOperand, EmitError> {
        let offset = i32::try_from(offset).map_err(|_| self.bug("an address beyond 2 GiB of its pointer"))?;
        Ok(memory_at(base, offset))
    }
}
