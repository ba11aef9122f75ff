//! Registers of 16 lanes: what sums of products do with them, and nothing else.

use super::{Addr, LANES, Vreg};

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
    /// 16 lanes to memory.
    Store {
        /// The first lane.
        addr: Addr,
        /// Read.
        src: Wide,
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
