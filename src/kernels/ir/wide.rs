//! Registers of 16 lanes: what sums of products do with them and what often follows, and nothing else.

use super::{Addr, LANES, VecBinary, Vreg};

/// Lanes of a wide register: two [`Vreg`]s, two neighbouring blocks of channels.
pub const WIDE_LANES: usize = 2 * LANES;

/// A wide register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wide(pub u32);

/// The last operand of a wide multiply-add.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WideOperand {
    /// A register.
    Reg(Wide),
    /// 16 lanes in memory.
    Mem(Addr),
    /// One f32 in memory, in every lane.
    Splat(Addr),
}

/// Arithmetic that wide registers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arith {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// As [`VecBinary::Max`].
    Max,
    /// As [`VecBinary::Min`].
    Min,
    /// Bits.
    And,
}

impl From<Arith> for VecBinary {
    fn from(op: Arith) -> VecBinary {
        match op {
            Arith::Add => VecBinary::Add,
            Arith::Sub => VecBinary::Sub,
            Arith::Mul => VecBinary::Mul,
            Arith::Div => VecBinary::Div,
            Arith::Max => VecBinary::Max,
            Arith::Min => VecBinary::Min,
            Arith::And => VecBinary::And,
        }
    }
}

/// An operation on wide registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WideInst {
    /// Every lane = `bits`.
    Splat {
        /// Assigned.
        dst: Wide,
        /// The lane's bits.
        bits: u32,
    },
    /// 16 lanes from memory.
    Load {
        /// Assigned.
        dst: Wide,
        /// The first lane.
        addr: Addr,
    },
    /// 8 lanes from memory, twice.
    LoadTwice {
        /// Assigned.
        dst: Wide,
        /// The first lane.
        addr: Addr,
    },
    /// Some lanes from memory, 0 in the others.
    LoadPart {
        /// Assigned.
        dst: Wide,
        /// The first of those lanes.
        addr: Addr,
        /// How many, 1 to 15.
        lanes: u8,
        /// Whether they are the last lanes of the register, not the first ones.
        last: bool,
    },
    /// One f32 from memory in every lane.
    LoadSplat {
        /// Assigned.
        dst: Wide,
        /// The f32.
        addr: Addr,
    },
    /// `acc = a · b + acc`, rounded once.
    Fma {
        /// Read and assigned.
        acc: Wide,
        /// Read.
        a: Wide,
        /// Read.
        b: WideOperand,
    },
    /// `dst = op(a, b)`
    Arith {
        /// What.
        op: Arith,
        /// Assigned.
        dst: Wide,
        /// Read.
        a: Wide,
        /// Read.
        b: Wide,
    },
    /// 16 lanes to memory.
    Store {
        /// The first lane.
        addr: Addr,
        /// Read.
        src: Wide,
    },
    /// Lanes `by` to `by + 15` of `low` followed by `high`.
    Slide {
        /// Assigned.
        dst: Wide,
        /// Read.
        low: Wide,
        /// Read.
        high: Wide,
        /// How far, 1 to 15.
        by: u8,
    },
    /// The 8×16 matrix whose row i is `regs[i]`, transposed in place: then the halves of `regs[i]` are columns 2i and
    /// 2i + 1. Or back. The registers are distinct.
    Transpose {
        /// Read and assigned.
        regs: [Wide; LANES],
        /// From columns to rows.
        back: bool,
    },
    /// 8 of the 16 lanes.
    Half {
        /// Assigned.
        dst: Vreg,
        /// Read.
        src: Wide,
        /// Lanes 8 to 15, not 0 to 7.
        high: bool,
    },
}
