//! Kernels and steps as text, for people and for snapshots.
//!
//! ```text
//! kernel double(p0, p1, i2)
//!   loop i2 {
//!     v0 = load [p0]
//!     v1 = mul v0, 2.0
//!     store [p1 + 32], v1
//!     p0 = p0 + 32
//!   }
//! ```

use std::fmt::{self, Display, Formatter, Write};

use super::ir::{
    Addr, Arg, Cache, Cmp, Count, Inst, Int, Kernel, Offset, Operand, Ptr, Stmt, VecBinary, VecUnary, Vreg,
    Wide, WideInst, WideOperand,
};
use super::step::{Base, CallArg, Lowered, Nest, Step, TableArg};

/// Entries of a table that are printed before and after the ellipsis.
const TABLE_ENDS: usize = 4;

impl Display for Vreg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Wide {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "w{}", self.0)
    }
}

impl Display for Ptr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", self.0)
    }
}

impl Display for Int {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "i{}", self.0)
    }
}

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Count::Static(n) => write!(f, "{n}"),
            Count::Int(int) => write!(f, "{int}"),
        }
    }
}

/// ` + 8`, ` - 8`, or nothing.
struct Plus(i64);

impl Display for Plus {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            n if n < 0 => write!(f, " - {}", n.unsigned_abs()),
            n => write!(f, " + {n}"),
        }
    }
}

impl Display for Offset {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Offset::Bytes(bytes) => Plus(i64::from(*bytes)).fmt(f),
            Offset::Int(int) => write!(f, " + {int}"),
        }
    }
}

impl Display for Addr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "[{}{}]", self.ptr, Plus(i64::from(self.offset)))
    }
}

/// The bits of a lane: as f32, or as hexadecimal digits where they are not meant as a number.
struct Bits(u32);

impl Display for Bits {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let value = f32::from_bits(self.0);
        if value.is_nan() || value.is_subnormal() {
            write!(f, "{:#010x}", self.0)
        } else {
            write!(f, "{value:?}")
        }
    }
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Reg(reg) => reg.fmt(f),
            Operand::Mem(addr) => addr.fmt(f),
            Operand::Const(bits) => Bits(*bits).fmt(f),
        }
    }
}

impl Display for WideOperand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            WideOperand::Reg(reg) => reg.fmt(f),
            WideOperand::Mem(addr) => addr.fmt(f),
            WideOperand::Splat(addr) => write!(f, "splat {addr}"),
        }
    }
}

impl Display for WideInst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            WideInst::Splat { dst, bits } => write!(f, "{dst} = splat {}", Bits(*bits)),
            WideInst::Load { dst, addr } => write!(f, "{dst} = load {addr}"),
            WideInst::LoadTwice { dst, addr } => write!(f, "{dst} = load twice {addr}"),
            WideInst::LoadPart { dst, addr, lanes, last } => {
                let which = if *last { "last " } else { "" };
                write!(f, "{dst} = load {which}{lanes} of {addr}")
            }
            WideInst::LoadSplat { dst, addr } => write!(f, "{dst} = load splat {addr}"),
            WideInst::Fma { acc, a, b } => write!(f, "{acc} = fma {acc}, {a}, {b}"),
            WideInst::Store { addr, src } => write!(f, "store {addr}, {src}"),
            WideInst::Arith { op, dst, a, b } => write!(f, "{dst} = {} {a}, {b}", VecBinary::from(*op)),
            WideInst::Slide { dst, low, high, by } => write!(f, "{dst} = slide {low}, {high} by {by}"),
            WideInst::Transpose { regs, back } => {
                let back = if *back { " back" } else { "" };
                let regs: Vec<String> = regs.iter().map(Wide::to_string).collect();
                write!(f, "transpose{back} {}", regs.join(", "))
            }
            WideInst::Half { dst, src, high: false } => write!(f, "{dst} = low {src}"),
            WideInst::Half { dst, src, high: true } => write!(f, "{dst} = high {src}"),
        }
    }
}

impl Display for VecBinary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VecBinary::Add => "add",
            VecBinary::Sub => "sub",
            VecBinary::Mul => "mul",
            VecBinary::Div => "div",
            VecBinary::Max => "max",
            VecBinary::Min => "min",
            VecBinary::And => "and",
            VecBinary::Or => "or",
            VecBinary::Xor => "xor",
            VecBinary::AndNot => "andnot",
            VecBinary::Cmp(Cmp::Eq) => "eq",
            VecBinary::Cmp(Cmp::Lt) => "lt",
            VecBinary::Cmp(Cmp::Le) => "le",
            VecBinary::Cmp(Cmp::Unordered) => "unordered",
            VecBinary::AddInt => "addint",
            VecBinary::SubInt => "subint",
        })
    }
}

impl VecBinary {
    /// Whether a constant operand is bits or an integer, and not a number.
    fn is_bits(self) -> bool {
        match self {
            VecBinary::And | VecBinary::Or | VecBinary::Xor | VecBinary::AndNot => true,
            VecBinary::AddInt | VecBinary::SubInt => true,
            VecBinary::Add | VecBinary::Sub | VecBinary::Mul | VecBinary::Div => false,
            VecBinary::Max | VecBinary::Min | VecBinary::Cmp(_) => false,
        }
    }
}

impl Display for Inst {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Inst::Splat { dst, bits } => write!(f, "{dst} = splat {}", Bits(*bits)),
            Inst::Move { dst, src } => write!(f, "{dst} = {src}"),
            Inst::Load { dst, addr } => write!(f, "{dst} = load {addr}"),
            Inst::LoadSplat { dst, addr } => write!(f, "{dst} = load splat {addr}"),
            Inst::LoadPart { dst, addr, lanes } => write!(f, "{dst} = load {lanes} of {addr}"),
            Inst::LoadLast { dst, addr, lanes } => write!(f, "{dst} = load last {lanes} of {addr}"),
            Inst::LoadStrided { dst, addr, stride, lanes } => {
                write!(f, "{dst} = load {lanes} of {addr} by {stride}")
            }
            Inst::Gather { dst, addr, index, bounds: (lo, hi) } => {
                write!(f, "{dst} = gather {addr} at {index} in {lo}..={hi}")
            }
            Inst::Store { addr, src } => write!(f, "store {addr}, {src}"),
            Inst::StorePart { addr, src, lanes } => write!(f, "store {lanes} of {addr}, {src}"),
            Inst::StoreStrided { addr, src, stride, lanes } => {
                write!(f, "store {lanes} of {addr} by {stride}, {src}")
            }
            Inst::Fma { acc, a, b } => write!(f, "{acc} = fma {acc}, {a}, {b}"),
            Inst::Binary { op, dst, a, b: Operand::Const(bits) } if op.is_bits() => {
                write!(f, "{dst} = {op} {a}, {bits:#010x}")
            }
            Inst::Binary { op, dst, a, b } => write!(f, "{dst} = {op} {a}, {b}"),
            Inst::Unary { op, dst, src } => match op {
                VecUnary::Sqrt => write!(f, "{dst} = sqrt {src}"),
                VecUnary::Round => write!(f, "{dst} = round {src}"),
                VecUnary::Floor => write!(f, "{dst} = floor {src}"),
                VecUnary::ToInt => write!(f, "{dst} = toint {src}"),
                VecUnary::ToFloat => write!(f, "{dst} = tofloat {src}"),
                VecUnary::ShiftLeft(by) => write!(f, "{dst} = shl {src}, {by}"),
                VecUnary::ShiftRight(by) => write!(f, "{dst} = shr {src}, {by}"),
                VecUnary::ShiftRightArithmetic(by) => write!(f, "{dst} = sar {src}, {by}"),
                VecUnary::SumLanes => write!(f, "{dst} = sum {src}"),
                VecUnary::MaxLanes => write!(f, "{dst} = maximum {src}"),
            },
            Inst::Blend { dst, mask, on, off } => write!(f, "{dst} = {mask} ? {on} : {off}"),
            Inst::Slide { dst, low, high, by } => write!(f, "{dst} = slide {low}, {high} by {by}"),
            Inst::Transpose { regs } => {
                f.write_str("transpose ")?;
                list(f, regs)
            }
            Inst::Prefetch { addr, cache: Cache::First } => write!(f, "prefetch {addr}"),
            Inst::Prefetch { addr, cache: Cache::Second } => write!(f, "prefetch.l2 {addr}"),
            Inst::Wide(inst) => inst.fmt(f),
        }
    }
}

fn list<T: Display>(f: &mut impl Write, items: &[T]) -> fmt::Result {
    for (i, item) in items.iter().enumerate() {
        let sep = if i == 0 { "" } else { ", " };
        write!(f, "{sep}{item}")?;
    }
    Ok(())
}

fn block(f: &mut Formatter<'_>, body: &[Stmt], depth: usize) -> fmt::Result {
    let indent = 2 * depth;
    for stmt in body {
        write!(f, "{:indent$}", "")?;
        match stmt {
            Stmt::Inst(inst) => writeln!(f, "{inst}")?,
            Stmt::Advance { dst, base, by } => writeln!(f, "{dst} = {base}{by}")?,
            Stmt::Lookup { dst, base, table, bounds: (lo, hi) } => {
                writeln!(f, "{dst} = {base} + lookup {table} in {lo}..={hi}")?;
            }
            Stmt::Loop { count, body } => {
                writeln!(f, "loop {count} {{")?;
                block(f, body, depth + 1)?;
                writeln!(f, "{:indent$}}}", "")?;
            }
        }
    }
    Ok(())
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "kernel {}(", self.name)?;
        for (i, arg) in self.args.iter().enumerate() {
            let sep = if i == 0 { "" } else { ", " };
            match arg {
                Arg::Ptr(ptr) => write!(f, "{sep}{ptr}")?,
                Arg::Int => write!(f, "{sep}{}", Int(i as u32))?,
            }
        }
        f.write_str(")\n")?;
        block(f, &self.body, 1)
    }
}

impl Display for Base {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Base::Consts => f.write_str("consts"),
            Base::Packed => f.write_str("packed"),
            Base::Arena => f.write_str("arena"),
            Base::Local => f.write_str("local"),
            Base::Input(i) => write!(f, "input{i}"),
            Base::Output(i) => write!(f, "output{i}"),
            Base::Param(i) => write!(f, "param{i}"),
        }
    }
}

impl Display for CallArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            CallArg::Int(value) => write!(f, "{value}"),
            CallArg::Ptr { base, offset, strides, tables } => {
                write!(f, "{base}{}", Plus(*offset))?;
                for (i, &stride) in strides.iter().enumerate().filter(|(_, stride)| **stride != 0) {
                    write!(f, "{}·x{i}", Plus(stride))?;
                }
                tables.iter().try_for_each(|table| write!(f, " + {table}"))
            }
        }
    }
}

impl Display for TableArg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        let offsets = &self.offsets;
        match (offsets.first_chunk::<TABLE_ENDS>(), offsets.last_chunk::<TABLE_ENDS>()) {
            (Some(head), Some(tail)) if offsets.len() > 2 * TABLE_ENDS => {
                list(f, head)?;
                f.write_str(", …, ")?;
                list(f, tail)?;
            }
            _ => list(f, offsets)?,
        }
        write!(f, "][x{}]", self.dim)
    }
}

fn nest(f: &mut Formatter<'_>, lowered: &Lowered, nest: &Nest, outer: usize, depth: usize) -> fmt::Result {
    let indent = "  ".repeat(depth);
    write!(f, "{indent}for")?;
    if nest.dims.is_empty() {
        f.write_str(" once")?;
    }
    for (i, dim) in nest.dims.iter().enumerate() {
        let sep = if i == 0 { "" } else { "," };
        write!(f, "{sep} x{} < {dim}", outer + i)?;
    }
    f.write_str(if nest.anew && depth == 1 { ", shared out anew\n" } else { "\n" })?;
    for call in &nest.calls {
        let name = lowered.kernels.get(call.kernel.0 as usize).map_or("?", |kernel| kernel.name.as_str());
        write!(f, "{indent}  k{} {name}(", call.kernel.0)?;
        list(f, &call.args)?;
        f.write_str(")\n")?;
    }
    nest.inner.iter().try_for_each(|inner| self::nest(f, lowered, inner, outer + nest.dims.len(), depth + 1))
}

struct StepText<'a>(&'a Lowered, &'a Step);

impl Display for StepText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let StepText(lowered, step) = self;
        writeln!(f, "step {}, {} units", step.name, step.units())?;
        step.nests.iter().try_for_each(|n| nest(f, lowered, n, 0, 1))
    }
}

/// A step with the kernels that it calls by name.
pub fn step(lowered: &Lowered, step: &Step) -> String {
    StepText(lowered, step).to_string()
}

impl Display for Lowered {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "consts {} bytes, packed {} bytes, arena {} bytes",
            self.consts.len(),
            self.packed_bytes,
            self.arena_bytes
        )?;
        for (title, steps) in [("prepare", &self.prepare), ("run", &self.run)] {
            if !steps.is_empty() {
                writeln!(f, "\n== {title}")?;
            }
            steps.iter().try_for_each(|step| StepText(self, step).fmt(f))?;
        }
        for (i, kernel) in self.kernels.iter().enumerate() {
            write!(f, "\nk{i}: {kernel}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
