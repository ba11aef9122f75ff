//! Transpositions: 8×8 in vectors, 8×16 in wide registers.

use iced_x86::{Code, Instruction, Register};

use super::EmitError;
use super::abi::{xmm, ymm, zmm};
use super::emit::{Emitter, Source};
use super::flat::Class;
use crate::kernels::ir::{LANES, Vreg, Wide};

/// Two instructions that make the two outputs of a butterfly, and their selectors.
type Butterfly = [(Code, Option<u32>); 2];

/// Elements of rows i and i + 1 alternate; pairs of them; halves.
const SINGLES: Butterfly =
    [(Code::VEX_Vunpcklps_ymm_ymm_ymmm256, None), (Code::VEX_Vunpckhps_ymm_ymm_ymmm256, None)];
const PAIRS: Butterfly =
    [(Code::VEX_Vunpcklpd_ymm_ymm_ymmm256, None), (Code::VEX_Vunpckhpd_ymm_ymm_ymmm256, None)];
const HALVES: Butterfly = [
    (Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, Some(0x20)),
    (Code::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8, Some(0x31)),
];

/// A stage: which rows each butterfly takes and leaves its outputs in.
type Stage = (Butterfly, [(usize, usize); 4]);

/// The stages of 8×8.
///
/// The first alternates the elements of two rows, the second pairs of elements: after it every row
/// holds four elements of column j in its lower half and four of column j + 4 in its upper one. The
/// third joins the halves.
const STAGES: [Stage; 3] = [
    (SINGLES, [(0, 1), (2, 3), (4, 5), (6, 7)]),
    (PAIRS, [(0, 2), (1, 3), (4, 6), (5, 7)]),
    (HALVES, [(0, 4), (2, 6), (1, 5), (3, 7)]),
];

/// Where column j is found after the last stage, by the numbers of [`STAGES`].
const COLUMN: [usize; LANES] = [0, 2, 1, 3, 4, 6, 5, 7];

const WIDE_SINGLES: Butterfly = [
    (Code::EVEX_Vunpcklps_zmm_k1z_zmm_zmmm512b32, None),
    (Code::EVEX_Vunpckhps_zmm_k1z_zmm_zmmm512b32, None),
];
const WIDE_PAIRS: Butterfly = [
    (Code::EVEX_Vunpcklpd_zmm_k1z_zmm_zmmm512b64, None),
    (Code::EVEX_Vunpckhpd_zmm_k1z_zmm_zmmm512b64, None),
];
const QUADS: Code = Code::EVEX_Vshuff32x4_zmm_k1z_zmm_zmmm512b32_imm8;
/// The first two quads of two registers, and the last two; quads 0 and 2 of both, and quads 1 and 3.
const WIDE_HALVES: Butterfly = [(QUADS, Some(0x44)), (QUADS, Some(0xee))];
const WIDE_QUADS: Butterfly = [(QUADS, Some(0x88)), (QUADS, Some(0xdd))];

/// The stages of 8×16: in each quad 4×4 as in the first two stages of 8×8, after which row j of four, 0, 2, 1, 3, has
/// columns j, j + 4, j + 8 and j + 12 of the first four rows; then 4×4 of quads. Every row ends where it belongs.
const WIDE_STAGES: [Stage; 4] = [
    (WIDE_SINGLES, [(0, 1), (2, 3), (4, 5), (6, 7)]),
    (WIDE_PAIRS, [(0, 2), (1, 3), (4, 6), (5, 7)]),
    (WIDE_HALVES, [(0, 4), (2, 6), (1, 5), (3, 7)]),
    (WIDE_QUADS, [(0, 2), (4, 6), (1, 3), (5, 7)]),
];

/// The way back: quads first.
const WIDE_STAGES_BACK: [Stage; 4] = [
    (WIDE_HALVES, [(0, 2), (4, 6), (1, 3), (5, 7)]),
    (WIDE_QUADS, [(0, 4), (2, 6), (1, 5), (3, 7)]),
    (WIDE_SINGLES, [(0, 2), (1, 3), (4, 6), (5, 7)]),
    (WIDE_PAIRS, [(0, 1), (2, 3), (4, 5), (6, 7)]),
];

/// Rows that are where they belong.
const IN_PLACE: [usize; LANES] = [0, 1, 2, 3, 4, 5, 6, 7];

impl Emitter<'_> {
    /// Transposes the matrix whose rows are `regs`.
    pub(super) fn transpose(&mut self, regs: &[Vreg; LANES]) -> Result<(), EmitError> {
        let mut rows = [0; LANES];
        for (row, &reg) in rows.iter_mut().zip(regs) {
            match self.source(reg)? {
                Source::Register(register) => *row = register,
                Source::Memory(_) => return self.transpose_in_memory(regs),
            }
        }
        let free = self.temp(Class::Vector)?;
        let copy = Code::VEX_Vmovaps_ymm_ymmm256;
        self.butterflies(&STAGES, COLUMN, (rows, free), (ymm, copy))
    }

    /// Transposes the matrix whose rows are `regs`, or the columns of which these have two each.
    pub(super) fn transpose_wide(&mut self, regs: [Wide; LANES], back: bool) -> Result<(), EmitError> {
        let mut rows = [0; LANES];
        for (row, reg) in rows.iter_mut().zip(regs) {
            *row = self.read_wide(reg)?;
        }
        let free = self.temp(Class::Wide)?;
        let stages = if back { &WIDE_STAGES_BACK } else { &WIDE_STAGES };
        let copy = Code::EVEX_Vmovaps_zmm_k1z_zmmm512;
        self.butterflies(stages, IN_PLACE, (rows, free), (zmm, copy))
    }

    /// Every butterfly writes one output to the free register and the other over its second input, which
    /// frees the first's. The outputs end in other registers than asked for, and are moved there.
    fn butterflies(
        &mut self,
        stages: &[Stage],
        column: [usize; LANES],
        (rows, mut free): ([u8; LANES], u8),
        (name, copy): (impl Fn(u8) -> Register, Code),
    ) -> Result<(), EmitError> {
        let mut at = rows;
        for (butterfly, pairs) in stages {
            for &(i, j) in pairs {
                let (a, b) = (at[i], at[j]);
                for (&(code, imm), target) in butterfly.iter().zip([free, b]) {
                    let (target, a, b) = (name(target), name(a), name(b));
                    match imm {
                        Some(imm) => self.op3_imm(code, target, a, b, imm)?,
                        None => self.op3(code, target, a, b)?,
                    }
                }
                at[i] = free;
                free = a;
            }
        }
        let mut at: [u8; LANES] = column.map(|place| at[place]);
        // The value that belongs to the free register is moved there, which frees another one.
        while let Some(wrong) = (0..LANES).find(|&i| at[i] != rows[i]) {
            // A cycle without the free register is opened by moving one of its values out.
            let column = (0..LANES).find(|&i| rows[i] == free && at[i] != free).unwrap_or(wrong);
            self.op(Instruction::with2(copy, name(free), name(at[column])))?;
            std::mem::swap(&mut at[column], &mut free);
        }
        Ok(())
    }

    /// The slow way, for rows of which some are in memory: through a buffer, element by element.
    fn transpose_in_memory(&mut self, regs: &[Vreg; LANES]) -> Result<(), EmitError> {
        let (low, high) = (self.scratch(0)?, self.scratch(1)?);
        for (i, &reg) in (0..).zip(regs) {
            let row = self.read(reg, 0)?;
            let buffer = self.frame.vector_slot(self.buffer + i);
            self.op(Instruction::with2(Code::VEX_Vmovaps_ymmm256_ymm, buffer, ymm(row)))?;
        }
        for (lane, &reg) in (0..).zip(regs) {
            for (half, register) in [(0, low), (4, high)] {
                let element = self.frame.vector_slot_lane(self.buffer + half, lane);
                self.op(Instruction::with2(Code::VEX_Vmovss_xmm_m32, xmm(register), element))?;
                for i in 1..4 {
                    let element = self.frame.vector_slot_lane(self.buffer + half + i, lane);
                    let code = Code::VEX_Vinsertps_xmm_xmm_xmmm32_imm8;
                    self.op(Instruction::with4(code, xmm(register), xmm(register), element, i << 4))?;
                }
            }
            let code = Code::VEX_Vinsertf128_ymm_ymm_xmmm128_imm8;
            let target = self.target(reg)?;
            self.op3_imm(code, ymm(target), ymm(low), xmm(high), 1)?;
            self.wrote(reg)?;
        }
        Ok(())
    }
}
