//! Runs kernels and steps without machine code, every access checked.
//!
//! Every operation gives the bits that [`super::ir`] defines, up to the payload of NaNs. What a kernel
//! must not do (leave its buffers, read what was never assigned) is an error, never undefined.

mod lanes;
mod memory;
mod step;
#[cfg(test)]
mod tests;
mod wide;

pub use memory::{Memory, Place};
pub use step::{run, run_prepare, run_step, run_units};

use super::ir::{
    Addr, Arg, Count, Inst, Int, Kernel, LANES, MAX_LOOP_DEPTH, Offset, Operand, Ptr, Stmt, Vreg, Wide,
};
use lanes::Lanes;

/// How a target computes [`Inst::Fma`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FmaRounding {
    /// In hardware: the exact sum is rounded.
    #[default]
    Once,
    /// As a multiplication and an addition.
    Twice,
}

/// The value of a kernel's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgValue {
    /// For [`Arg::Ptr`].
    Ptr(Place),
    /// For [`Arg::Int`].
    Int(i64),
}

/// A kernel did what no kernel may do: a bug of the compiler.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kernel `{kernel}`: {what}")]
pub struct InterpretError {
    /// The kernel's name; empty where no kernel runs.
    pub kernel: String,
    /// What it did.
    pub what: String,
}

/// [`InterpretError`] before it is put into words.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Args,
    NoKernel(u32),
    Vreg(Vreg),
    Wide(Wide),
    Ptr(Ptr),
    Int(Int),
    Lanes(u8),
    Shift(u8),
    Count(i64),
    Depth,
    Bounds { value: i32, bounds: (i32, i32) },
    Transpose,
    Overflow,
    Memory { at: Place, bytes: usize, len: usize },
}

impl Fault {
    fn of(self, kernel: &str) -> InterpretError {
        let what = match self {
            Fault::Args => "the arguments are not those that it declares".to_owned(),
            Fault::NoKernel(id) => format!("there is no kernel number {id}"),
            Fault::Vreg(reg) => format!("v{} is read before it is assigned", reg.0),
            Fault::Wide(reg) => format!("w{} is read before it is assigned", reg.0),
            Fault::Ptr(ptr) => format!("p{} is read before it is assigned", ptr.0),
            Fault::Int(int) => format!("argument {} is not an integer", int.0),
            Fault::Lanes(lanes) => format!("a partial access to {lanes} lanes"),
            Fault::Shift(by) => format!("a shift by {by}"),
            Fault::Count(count) => format!("a loop of {count} iterations"),
            Fault::Depth => format!("loops nest deeper than {MAX_LOOP_DEPTH}"),
            Fault::Bounds { value, bounds: (lo, hi) } => format!("{value} was looked up, not in {lo}..={hi}"),
            Fault::Transpose => "a transposition of equal registers".to_owned(),
            Fault::Overflow => "an address overflows".to_owned(),
            Fault::Memory { at, bytes, len } => {
                format!(
                    "an access to {bytes} bytes at {} of buffer {}, which has {len}",
                    at.offset, at.buffer
                )
            }
        };
        InterpretError { kernel: kernel.to_owned(), what }
    }
}

/// Runs a kernel once.
///
/// # Errors
/// If it accesses bytes outside a buffer, reads a variable that is not assigned, or breaks another
/// invariant of [`super::ir`].
pub fn run_kernel(
    kernel: &Kernel,
    args: &[ArgValue],
    memory: &mut Memory,
    rounding: FmaRounding,
) -> Result<(), InterpretError> {
    Machine::new(rounding).run(kernel, args, memory).map_err(|fault| fault.of(&kernel.name))
}

/// The variables of the kernel that runs. Kept from call to call, so that calls do not allocate.
struct Machine {
    rounding: FmaRounding,
    vregs: Vec<Option<Lanes>>,
    /// Lanes 0 to 7, and 8 to 15.
    wides: Vec<Option<[Lanes; 2]>>,
    ptrs: Vec<Option<Place>>,
    ints: Vec<Option<i64>>,
}

impl Machine {
    fn new(rounding: FmaRounding) -> Machine {
        Machine { rounding, vregs: Vec::new(), wides: Vec::new(), ptrs: Vec::new(), ints: Vec::new() }
    }

    fn run(&mut self, kernel: &Kernel, args: &[ArgValue], memory: &mut Memory) -> Result<(), Fault> {
        self.vregs.clear();
        self.vregs.resize(kernel.vregs as usize, None);
        self.wides.clear();
        self.wides.resize(kernel.wides as usize, None);
        self.ptrs.clear();
        self.ptrs.resize(kernel.ptrs as usize, None);
        self.ints.clear();
        if args.len() != kernel.args.len() {
            return Err(Fault::Args);
        }
        for (arg, &value) in kernel.args.iter().zip(args) {
            let int = match (arg, value) {
                (Arg::Ptr(ptr), ArgValue::Ptr(place)) => {
                    self.set_ptr(*ptr, place)?;
                    None
                }
                (Arg::Int, ArgValue::Int(value)) => Some(value),
                _ => return Err(Fault::Args),
            };
            self.ints.push(int);
        }
        self.block(&kernel.body, memory, 0)
    }

    fn block(&mut self, body: &[Stmt], memory: &mut Memory, depth: usize) -> Result<(), Fault> {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) => self.inst(inst, memory)?,
                Stmt::Advance { dst, base, by } => {
                    let by = match *by {
                        Offset::Bytes(bytes) => i64::from(bytes),
                        Offset::Int(int) => self.int(int)?,
                    };
                    let place = self.ptr(*base)?.plus(by)?;
                    self.set_ptr(*dst, place)?;
                }
                Stmt::Lookup { dst, base, table, bounds } => {
                    let value = memory.load(self.place(*table)?)? as i32;
                    let place = self.ptr(*base)?.plus(i64::from(within(value, *bounds)?))?;
                    self.set_ptr(*dst, place)?;
                }
                Stmt::Loop { count, body } => {
                    if depth == MAX_LOOP_DEPTH {
                        return Err(Fault::Depth);
                    }
                    let count = match *count {
                        Count::Static(count) => i64::from(count),
                        Count::Int(int) => self.int(int)?,
                    };
                    if count < 0 {
                        return Err(Fault::Count(count));
                    }
                    for _ in 0..count {
                        self.block(body, memory, depth + 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn inst(&mut self, inst: &Inst, memory: &mut Memory) -> Result<(), Fault> {
        let (dst, value) = match *inst {
            Inst::Splat { dst, bits } => (dst, [bits; LANES]),
            Inst::Move { dst, src } => (dst, self.reg(src)?),
            Inst::Load { dst, addr } => (dst, memory.load_vector(self.place(addr)?)?),
            Inst::LoadSplat { dst, addr } => (dst, [memory.load(self.place(addr)?)?; LANES]),
            Inst::LoadPart { dst, addr, lanes } => {
                (dst, self.load_lanes(addr, 4, partial(lanes, LANES - 1)?, memory)?)
            }
            Inst::LoadLast { dst, addr, lanes } => {
                let lanes = partial(lanes, LANES - 1)?;
                let mut value = self.load_lanes(addr, 4, lanes, memory)?;
                value.rotate_right(LANES - lanes);
                (dst, value)
            }
            Inst::LoadStrided { dst, addr, stride, lanes } => {
                (dst, self.load_lanes(addr, stride, partial(lanes, LANES)?, memory)?)
            }
            Inst::Gather { dst, addr, index, bounds } => {
                let (base, index) = (self.place(addr)?, self.reg(index)?);
                let mut value = [0; LANES];
                for (lane, index) in value.iter_mut().zip(index) {
                    *lane = memory.load(base.plus(4 * i64::from(within(index as i32, bounds)?))?)?;
                }
                (dst, value)
            }
            Inst::Store { addr, src } => return memory.store_vector(self.place(addr)?, self.reg(src)?),
            Inst::StorePart { addr, src, lanes } => {
                return self.store_lanes(addr, src, 4, partial(lanes, LANES - 1)?, memory);
            }
            Inst::StoreStrided { addr, src, stride, lanes } => {
                return self.store_lanes(addr, src, stride, partial(lanes, LANES)?, memory);
            }
            Inst::Fma { acc, a, b } => {
                let (sum, a, b) = (self.reg(acc)?, self.reg(a)?, self.operand(b, memory)?);
                (acc, lanes::fma(sum, a, b, self.rounding))
            }
            Inst::Binary { op, dst, a, b } => {
                (dst, lanes::binary(op, self.reg(a)?, self.operand(b, memory)?))
            }
            Inst::Unary { op, dst, src } => (dst, lanes::unary(op, self.reg(src)?)?),
            Inst::Blend { dst, mask, on, off } => {
                let (mask, on, mut value) = (self.reg(mask)?, self.reg(on)?, self.reg(off)?);
                for (i, lane) in value.iter_mut().enumerate() {
                    if mask[i] >> 31 == 1 {
                        *lane = on[i];
                    }
                }
                (dst, value)
            }
            Inst::Slide { dst, low, high, by } => {
                let lanes = [self.reg(low)?, self.reg(high)?].concat();
                let mut value = [0; LANES];
                for (lane, from) in value.iter_mut().zip(usize::from(by)..) {
                    *lane = lanes.get(from).copied().ok_or(Fault::Lanes(by))?;
                }
                (dst, value)
            }
            Inst::Transpose { regs } => return self.transpose(&regs),
            // Only that the pointer is assigned.
            Inst::Prefetch { addr, .. } => return self.ptr(addr.ptr).map(|_| ()),
            Inst::Wide(inst) => return self.wide_inst(inst, memory),
        };
        self.set_reg(dst, value)
    }

    fn load_lanes(&self, addr: Addr, stride: i32, lanes: usize, memory: &Memory) -> Result<Lanes, Fault> {
        let mut place = self.place(addr)?;
        let mut value = [0; LANES];
        for lane in value.iter_mut().take(lanes) {
            *lane = memory.load(place)?;
            place = place.plus(i64::from(stride))?;
        }
        Ok(value)
    }

    fn store_lanes(
        &self,
        addr: Addr,
        src: Vreg,
        stride: i32,
        lanes: usize,
        memory: &mut Memory,
    ) -> Result<(), Fault> {
        let mut place = self.place(addr)?;
        for &lane in self.reg(src)?.iter().take(lanes) {
            memory.store(place, lane)?;
            place = place.plus(i64::from(stride))?;
        }
        Ok(())
    }

    fn transpose(&mut self, regs: &[Vreg; LANES]) -> Result<(), Fault> {
        let mut rows = [[0; LANES]; LANES];
        for (i, (row, &reg)) in rows.iter_mut().zip(regs).enumerate() {
            if regs[..i].contains(&reg) {
                return Err(Fault::Transpose);
            }
            *row = self.reg(reg)?;
        }
        for (i, &reg) in regs.iter().enumerate() {
            self.set_reg(reg, rows.map(|row| row[i]))?;
        }
        Ok(())
    }

    fn reg(&self, reg: Vreg) -> Result<Lanes, Fault> {
        self.vregs.get(reg.0 as usize).copied().flatten().ok_or(Fault::Vreg(reg))
    }

    fn set_reg(&mut self, reg: Vreg, value: Lanes) -> Result<(), Fault> {
        *self.vregs.get_mut(reg.0 as usize).ok_or(Fault::Vreg(reg))? = Some(value);
        Ok(())
    }

    fn ptr(&self, ptr: Ptr) -> Result<Place, Fault> {
        self.ptrs.get(ptr.0 as usize).copied().flatten().ok_or(Fault::Ptr(ptr))
    }

    fn set_ptr(&mut self, ptr: Ptr, place: Place) -> Result<(), Fault> {
        *self.ptrs.get_mut(ptr.0 as usize).ok_or(Fault::Ptr(ptr))? = Some(place);
        Ok(())
    }

    fn int(&self, int: Int) -> Result<i64, Fault> {
        self.ints.get(int.0 as usize).copied().flatten().ok_or(Fault::Int(int))
    }

    fn place(&self, addr: Addr) -> Result<Place, Fault> {
        self.ptr(addr.ptr)?.plus(i64::from(addr.offset))
    }

    fn operand(&self, operand: Operand, memory: &Memory) -> Result<Lanes, Fault> {
        match operand {
            Operand::Reg(reg) => self.reg(reg),
            Operand::Mem(addr) => memory.load_vector(self.place(addr)?),
            Operand::Const(bits) => Ok([bits; LANES]),
        }
    }
}

fn partial(lanes: u8, most: usize) -> Result<usize, Fault> {
    if (1..=most).contains(&usize::from(lanes)) { Ok(lanes.into()) } else { Err(Fault::Lanes(lanes)) }
}

fn within(value: i32, bounds: (i32, i32)) -> Result<i32, Fault> {
    if (bounds.0..=bounds.1).contains(&value) { Ok(value) } else { Err(Fault::Bounds { value, bounds }) }
}
