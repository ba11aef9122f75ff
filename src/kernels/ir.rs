//! The vector IR: what a kernel computes, for one machine-independent vector width. One page.
//!
//! A kernel is structured code over four kinds of variable:
//! - [`Vreg`]: a mutable register of [`LANES`] 32-bit lanes, f32 unless an operation says otherwise;
//! - [`Wide`]: one of twice the lanes, for the sums of contractions where the target has such registers;
//! - [`Ptr`]: a mutable byte pointer, derived from a pointer argument;
//! - [`Int`]: an immutable 64-bit argument (a byte stride or a count).
//!
//! Invariants, which [`super::verify`] checks:
//! - a register or pointer is assigned before it is read, on every path (a loop with a run-time
//!   count may run no iteration: what it alone assigns is unassigned after it);
//! - partial operations touch 1 to 7 lanes, of wide registers 1 to 15, and slides go as far; strides of strided operations are not 0 and multiples of 4;
//! - loops nest at most [`MAX_LOOP_DEPTH`] deep; static counts are at least 1;
//! - all memory operations lie within the ranges that [`super::range`] computes from the arguments
//!   and that the planner holds against its buffers.
//!
//! Semantics: every operation is IEEE 754 binary32 with round-to-nearest-even; [`Inst::Fma`] rounds
//! once where the target has it. Memory is only 4-byte aligned. An emitter keeps the order of
//! floating-point operations as written.

mod wide;

pub use wide::{Arith, WIDE_LANES, Wide, WideInst, WideOperand};

/// Lanes of a vector register, on every target; also the channels of a block.
pub const LANES: usize = 8;
/// Bytes that caches hold together, on every target.
pub const LINE: i64 = 64;
/// Bytes of a vector register.
pub const VECTOR_BYTES: i64 = 4 * LANES as i64;
/// How deep loops may nest.
pub const MAX_LOOP_DEPTH: usize = 5;

/// A vector register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Vreg(pub u32);

/// A pointer variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ptr(pub u32);

/// An integer argument: its number among the kernel's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Int(pub u32);

/// A kernel.
///
/// Its machine code is `extern "C" fn(args: *const u64)`: `args[k]` is the k-th argument, a pointer or
/// an integer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Says the specialisation in words: `conv3x3_s1_i64_p6v2_relu`. Not unique by itself.
    pub name: String,
    /// The arguments, in order.
    pub args: Vec<Arg>,
    /// How many vector registers there are: `Vreg(0) .. Vreg(vregs)`.
    pub vregs: u32,
    /// How many wide registers there are: `Wide(0) .. Wide(wides)`. They never go to memory, and a target that
    /// has none of 16 lanes may have no code for them.
    pub wides: u32,
    /// How many pointers there are: `Ptr(0) .. Ptr(ptrs)`.
    pub ptrs: u32,
    /// The code.
    pub body: Vec<Stmt>,
    /// Whether an emitter may keep registers in memory when it has too few.
    pub spills: Spills,
}

/// A kernel's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arg {
    /// A pointer, which the variable holds at the start.
    Ptr(Ptr),
    /// An integer, named by its position: argument k is `Int(k)`.
    Int,
}

/// Whether registers may be kept in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spills {
    /// Elementwise code: better slow than refused.
    Allowed,
    /// Contractions: a spill in the inner loop is a planner's bug, and an error.
    Refused,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stmt {
    /// A vector operation.
    Inst(Inst),
    /// `dst = base + by`
    Advance {
        /// Assigned.
        dst: Ptr,
        /// Read; may be `dst`.
        base: Ptr,
        /// How far.
        by: Offset,
    },
    /// `dst = base + sign_extend(i32 at table)`: a row or column looked up.
    Lookup {
        /// Assigned.
        dst: Ptr,
        /// Read.
        base: Ptr,
        /// Where the 32-bit byte offset stands.
        table: Addr,
        /// The least and the greatest offset the table holds; the planner vouches for it.
        bounds: (i32, i32),
    },
    /// Runs the body `count` times.
    Loop {
        /// How often.
        count: Count,
        /// What.
        body: Vec<Stmt>,
    },
}

/// A distance in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Offset {
    /// Known at compile time.
    Bytes(i32),
    /// An argument.
    Int(Int),
}

/// How often a loop runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Count {
    /// Known at compile time, at least 1.
    Static(u32),
    /// An argument, at least 0.
    Int(Int),
}

/// An address: a pointer and a constant number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Addr {
    /// The pointer.
    pub ptr: Ptr,
    /// Added to it.
    pub offset: i32,
}

/// The last operand of arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A register.
    Reg(Vreg),
    /// 8 lanes in memory.
    Mem(Addr),
    /// The same 32 bits in every lane.
    Const(u32),
}

/// A vector operation. `lanes` of partial operations: the first ones, where nothing else is said; loads leave 0 in the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inst {
    /// Every lane = `bits`.
    Splat {
        /// Assigned.
        dst: Vreg,
        /// The lane's bits.
        bits: u32,
    },
    /// `dst = src`
    Move {
        /// Assigned.
        dst: Vreg,
        /// Read.
        src: Vreg,
    },
    /// 8 lanes from memory.
    Load {
        /// Assigned.
        dst: Vreg,
        /// The first lane.
        addr: Addr,
    },
    /// One f32 from memory in every lane.
    LoadSplat {
        /// Assigned.
        dst: Vreg,
        /// The f32.
        addr: Addr,
    },
    /// The first lanes from memory.
    LoadPart {
        /// Assigned.
        dst: Vreg,
        /// The first lane.
        addr: Addr,
        /// How many, 1 to 7.
        lanes: u8,
    },
    /// The last lanes from memory, 0 in the others: an element before a row's first one is 0.
    LoadLast {
        /// Assigned.
        dst: Vreg,
        /// Lane `8 - lanes`.
        addr: Addr,
        /// How many, 1 to 7.
        lanes: u8,
    },
    /// Lane i from `addr + i · stride`.
    LoadStrided {
        /// Assigned.
        dst: Vreg,
        /// The first lane.
        addr: Addr,
        /// Bytes from lane to lane.
        stride: i32,
        /// How many, 1 to 8.
        lanes: u8,
    },
    /// Lane i from `addr + 4 · index[i]`, all 8.
    Gather {
        /// Assigned; not `index`.
        dst: Vreg,
        /// What the indices count from.
        addr: Addr,
        /// Eight i32.
        index: Vreg,
        /// The least and the greatest index; the planner vouches for it.
        bounds: (i32, i32),
    },
    /// 8 lanes to memory.
    Store {
        /// The first lane.
        addr: Addr,
        /// Read.
        src: Vreg,
    },
    /// The first lanes to memory.
    StorePart {
        /// The first lane.
        addr: Addr,
        /// Read.
        src: Vreg,
        /// How many, 1 to 7.
        lanes: u8,
    },
    /// Lane i to `addr + i · stride`.
    StoreStrided {
        /// The first lane.
        addr: Addr,
        /// Read.
        src: Vreg,
        /// Bytes from lane to lane.
        stride: i32,
        /// How many, 1 to 8.
        lanes: u8,
    },
    /// `acc = a · b + acc`, rounded once.
    Fma {
        /// Read and assigned.
        acc: Vreg,
        /// Read.
        a: Vreg,
        /// Read.
        b: Operand,
    },
    /// `dst = op(a, b)`
    Binary {
        /// What.
        op: VecBinary,
        /// Assigned.
        dst: Vreg,
        /// Read.
        a: Vreg,
        /// Read.
        b: Operand,
    },
    /// `dst = op(src)`
    Unary {
        /// What.
        op: VecUnary,
        /// Assigned.
        dst: Vreg,
        /// Read.
        src: Vreg,
    },
    /// Lane by lane: `mask`'s highest bit ? `on` : `off`.
    Blend {
        /// Assigned.
        dst: Vreg,
        /// As a comparison leaves it.
        mask: Vreg,
        /// Where the bit is 1.
        on: Vreg,
        /// Where it is 0.
        off: Vreg,
    },
    /// Lanes `by` to `by + 7` of `low` followed by `high`.
    Slide {
        /// Assigned; neither `low` nor `high`.
        dst: Vreg,
        /// Read.
        low: Vreg,
        /// Read.
        high: Vreg,
        /// How far, 1 to 7.
        by: u8,
    },
    /// The 8×8 matrix whose row i is `regs[i]`, transposed in place. The registers are distinct.
    Transpose {
        /// Read and assigned.
        regs: [Vreg; LANES],
    },
    /// Asks for a cache line that will be read. The address may lie outside of every buffer: nothing is accessed.
    Prefetch {
        /// A byte of the line.
        addr: Addr,
        /// How near it is to come.
        cache: Cache,
    },
    /// An operation on wide registers.
    Wide(WideInst),
}

/// Where a line comes that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// The first level: for what is read next.
    First,
    /// The second level, where it drives out nothing that is in use: for what is read after much else.
    Second,
}

/// Operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VecBinary {
    /// `a + b`
    Add,
    /// `a − b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`
    Div,
    /// `a > b ? a : b`: b where either is NaN, and where both are zeros.
    Max,
    /// `a < b ? a : b`: b where either is NaN, and where both are zeros.
    Min,
    /// Bits.
    And,
    /// Bits.
    Or,
    /// Bits.
    Xor,
    /// Bits: `!a & b`.
    AndNot,
    /// A comparison: all bits of the lane 1 where it holds, else 0.
    Cmp(Cmp),
    /// i32, wrapping.
    AddInt,
    /// i32, wrapping.
    SubInt,
}

/// Comparisons of f32; false where either is NaN, but for `Unordered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cmp {
    /// `a = b`
    Eq,
    /// `a < b`
    Lt,
    /// `a ≤ b`
    Le,
    /// Either is NaN.
    Unordered,
}

/// Operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VecUnary {
    /// `√x`
    Sqrt,
    /// To the nearest integer, ties to even, as f32.
    Round,
    /// Downwards, as f32.
    Floor,
    /// f32 → i32 to nearest even; the least i32 where it does not fit or is NaN.
    ToInt,
    /// i32 → f32.
    ToFloat,
    /// i32 shifted left.
    ShiftLeft(u8),
    /// i32 shifted right, zeros in.
    ShiftRight(u8),
    /// i32 shifted right, sign in.
    ShiftRightArithmetic(u8),
    /// Every lane = the sum, in this order: `t[i] = x[i] + x[i+4]`, `u[i] = t[i] + t[i+2]`, `u[0] + u[1]`.
    SumLanes,
    /// Every lane = the maximum, in the order of `SumLanes` with [`VecBinary::Max`].
    MaxLanes,
}
