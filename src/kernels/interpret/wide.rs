//! Operations on wide registers, as pairs of vectors.

use super::lanes::{self, Lanes};
use super::{Fault, Machine, Memory};
use crate::kernels::ir::{Addr, LANES, VECTOR_BYTES, Wide, WideInst, WideOperand};

impl Machine {
    pub(super) fn wide_inst(&mut self, inst: WideInst, memory: &mut Memory) -> Result<(), Fault> {
        let (dst, value) = match inst {
            WideInst::Splat { dst, bits } => (dst, [[bits; LANES]; 2]),
            WideInst::Load { dst, addr } => (dst, self.load_wide(addr, memory)?),
            WideInst::LoadTwice { dst, addr } => (dst, [memory.load_vector(self.place(addr)?)?; 2]),
            WideInst::LoadPart { dst, addr, lanes, last } => {
                let place = self.place(addr)?;
                let first = if last { 2 * LANES - usize::from(lanes) } else { 0 };
                let mut all = [[0; LANES]; 2];
                for lane in 0..usize::from(lanes) {
                    let at = first + lane;
                    all[at / LANES][at % LANES] = memory.load(place.plus(4 * lane as i64)?)?;
                }
                (dst, all)
            }
            WideInst::LoadSplat { dst, addr } => (dst, [[memory.load(self.place(addr)?)?; LANES]; 2]),
            WideInst::Fma { acc, a, b } => {
                let (sum, a) = (self.wide(acc)?, self.wide(a)?);
                let b = match b {
                    WideOperand::Reg(reg) => self.wide(reg)?,
                    WideOperand::Mem(addr) => self.load_wide(addr, memory)?,
                    WideOperand::Splat(addr) => [[memory.load(self.place(addr)?)?; LANES]; 2],
                };
                (acc, [0, 1].map(|half| lanes::fma(sum[half], a[half], b[half], self.rounding)))
            }
            WideInst::Store { addr, src } => {
                let (place, [low, high]) = (self.place(addr)?, self.wide(src)?);
                memory.store_vector(place, low)?;
                return memory.store_vector(place.plus(VECTOR_BYTES)?, high);
            }
            WideInst::Arith { op, dst, a, b } => {
                let (a, b) = (self.wide(a)?, self.wide(b)?);
                (dst, [0, 1].map(|half| lanes::binary(op.into(), a[half], b[half])))
            }
            WideInst::Slide { dst, low, high, by } => {
                let [low, high] = [self.wide(low)?, self.wide(high)?];
                let lanes = [low, high].concat().concat();
                let lane = |at: usize| lanes.get(at + usize::from(by)).copied().ok_or(Fault::Lanes(by));
                let mut all = [[0; LANES]; 2];
                for at in 0..2 * LANES {
                    all[at / LANES][at % LANES] = lane(at)?;
                }
                (dst, all)
            }
            WideInst::Transpose { regs, back } => return self.transpose_wide(regs, back),
            WideInst::Half { dst, src, high } => {
                let halves = self.wide(src)?;
                return self.set_reg(dst, halves[usize::from(high)]);
            }
        };
        *self.wides.get_mut(dst.0 as usize).ok_or(Fault::Wide(dst))? = Some(value);
        Ok(())
    }

    fn transpose_wide(&mut self, regs: [Wide; LANES], back: bool) -> Result<(), Fault> {
        if regs.iter().enumerate().any(|(i, reg)| regs[..i].contains(reg)) {
            return Err(Fault::Transpose);
        }
        let mut old = [[[0; LANES]; 2]; LANES];
        for (value, &reg) in old.iter_mut().zip(&regs) {
            *value = self.wide(reg)?;
        }
        for (i, reg) in regs.into_iter().enumerate() {
            let mut new = [[0; LANES]; 2];
            for (at, value) in new.iter_mut().flatten().enumerate() {
                *value = if back {
                    // Column `at` of row i.
                    old[at / 2][at % 2][i]
                } else {
                    let (row, column) = (at % LANES, 2 * i + at / LANES);
                    old[row][column / LANES][column % LANES]
                };
            }
            *self.wides.get_mut(reg.0 as usize).ok_or(Fault::Wide(reg))? = Some(new);
        }
        Ok(())
    }

    fn load_wide(&self, addr: Addr, memory: &Memory) -> Result<[Lanes; 2], Fault> {
        let place = self.place(addr)?;
        Ok([memory.load_vector(place)?, memory.load_vector(place.plus(VECTOR_BYTES)?)?])
    }

    fn wide(&self, reg: Wide) -> Result<[Lanes; 2], Fault> {
        self.wides.get(reg.0 as usize).copied().flatten().ok_or(Fault::Wide(reg))
    }
}
