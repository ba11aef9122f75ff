//! Which bytes a kernel and a step can touch.
//!
//! A kernel's addresses depend on its arguments and on table entries, whose bounds it states, and on
//! nothing else. So they are found by running it on *intervals*: a pointer is an argument plus a least
//! and a greatest distance. A loop's body is, as far as pointers go, a shift: every pointer becomes
//! one of the pointers before plus an interval. Shifts compose, so `n` iterations cost `log n`
//! compositions, and the result is the exact hull of all iterations.

use std::ops::Range;

use super::ir::{
    Addr, Arg, Count, Inst, Int, Kernel, LANES, Offset, Operand, Ptr, Stmt, WideInst, WideOperand,
};
use super::step::CallArg;

#[cfg(test)]
mod tests;

/// Bytes around a pointer argument that are accessed, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Read.
    pub reads: Option<Range<i64>>,
    /// Written.
    pub writes: Option<Range<i64>>,
}

impl Touched {
    /// Read or written.
    pub fn both(&self) -> Option<Range<i64>> {
        match (&self.reads, &self.writes) {
            (Some(a), Some(b)) => Some(a.start.min(b.start)..a.end.max(b.end)),
            (a, b) => a.clone().or(b.clone()),
        }
    }
}

/// Why the bytes cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// Distances exceed 63 bits.
    #[error("a distance overflows")]
    Overflow,
    /// A pointer holds an argument on one path and another argument on another.
    #[error("p{} is derived from different arguments", .0.0)]
    Ambiguous(Ptr),
    /// A pointer is read before it is assigned.
    #[error("p{} is read before it is assigned", .0.0)]
    Unassigned(Ptr),
    /// An integer argument is missing.
    #[error("argument {} is not an integer", .0.0)]
    NoInteger(Int),
    /// A loop would run a negative number of times.
    #[error("a loop of {0} iterations")]
    Negative(i64),
}

/// A least and a greatest distance in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval {
    lo: i64,
    hi: i64,
}

impl Interval {
    const ZERO: Interval = Interval { lo: 0, hi: 0 };

    fn plus(self, other: Interval) -> Result<Interval, RangeError> {
        let lo = self.lo.checked_add(other.lo).ok_or(RangeError::Overflow)?;
        let hi = self.hi.checked_add(other.hi).ok_or(RangeError::Overflow)?;
        Ok(Interval { lo, hi })
    }

    fn hull(self, other: Interval) -> Interval {
        Interval { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }
}

/// A pointer's value: something it is derived from, and how far from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value {
    /// In a state: a pointer argument's position. In a shift: a pointer at the start of the body.
    from: usize,
    by: Interval,
}

/// The values of all pointers; nothing where unassigned.
type State = Vec<Option<Value>>;

/// What a body does to the pointers, in terms of those at its start.
type Shift = State;

fn identity(kernel: &Kernel) -> Shift {
    (0..kernel.ptrs as usize).map(|from| Some(Value { from, by: Interval::ZERO })).collect()
}

/// `shift` applied to `state`, which may itself be a shift.
fn apply(shift: &Shift, state: &State) -> Result<State, RangeError> {
    let value = |after: &Option<Value>| -> Result<Option<Value>, RangeError> {
        let Some(after) = after else { return Ok(None) };
        let Some(before) = state.get(after.from).copied().flatten() else { return Ok(None) };
        Ok(Some(Value { from: before.from, by: before.by.plus(after.by)? }))
    };
    shift.iter().map(value).collect()
}

/// A state that stands for both.
fn join(a: &State, b: &State) -> Result<State, RangeError> {
    let value = |(i, (a, b)): (usize, (&Option<Value>, &Option<Value>))| match (*a, *b) {
        (Some(a), Some(b)) if a.from != b.from => Err(RangeError::Ambiguous(Ptr(i as u32))),
        (Some(a), Some(b)) => Ok(Some(Value { from: a.from, by: a.by.hull(b.by) })),
        (a, b) => Ok(a.or(b)),
    };
    a.iter().zip(b).enumerate().map(value).collect()
}

/// The pointers after `count` runs of a body.
fn power(shift: &Shift, count: u64, kernel: &Kernel) -> Result<Shift, RangeError> {
    let mut result = identity(kernel);
    for bit in (0..64 - count.leading_zeros()).rev() {
        result = apply(&result, &result)?;
        if count >> bit & 1 == 1 {
            result = apply(shift, &result)?;
        }
    }
    Ok(result)
}

/// The hull of the states before each of `count` runs (at least 1) of a body that starts in `state`.
fn all_runs(shift: &Shift, count: u64, state: &State, kernel: &Kernel) -> Result<State, RangeError> {
    let (mut hull, mut step) = (state.clone(), shift.clone());
    for bit in (0..63 - count.leading_zeros()).rev() {
        hull = join(&hull, &apply(&step, &hull)?)?;
        step = apply(&step, &step)?;
        if count >> bit & 1 == 1 {
            hull = join(state, &apply(shift, &hull)?)?;
            step = apply(shift, &step)?;
        }
    }
    debug_assert_eq!(hull.len(), kernel.ptrs as usize);
    Ok(hull)
}

struct Analysis<'a> {
    kernel: &'a Kernel,
    /// The values of integer arguments.
    ints: &'a [Option<i64>],
    /// By position of the argument.
    touched: Vec<Touched>,
}

/// The bytes that a kernel touches around each argument. `ints` holds the values of the integer
/// arguments at their positions; the result has an entry for every argument, empty for integers.
///
/// # Errors
/// If a distance overflows, or the kernel breaks an invariant of [`super::ir`] that matters here.
pub fn kernel(kernel: &Kernel, ints: &[Option<i64>]) -> Result<Vec<Touched>, RangeError> {
    let touched = vec![Touched::default(); kernel.args.len()];
    let mut analysis = Analysis { kernel, ints, touched };
    let mut state: State = vec![None; kernel.ptrs as usize];
    for (from, arg) in kernel.args.iter().enumerate() {
        if let Arg::Ptr(ptr) = *arg {
            *state.get_mut(ptr.0 as usize).ok_or(RangeError::Unassigned(ptr))? =
                Some(Value { from, by: Interval::ZERO });
        }
    }
    analysis.run(&kernel.body, &mut state, true)?;
    Ok(analysis.touched)
}

/// The distances from its base that a pointer argument of a call takes over all units of a nest: the
/// least and the greatest.
///
/// # Errors
/// If they overflow. Nothing where the argument is an integer, a table misses entries or a dim is 0.
pub fn argument(arg: &CallArg, dims: &[u64]) -> Result<Option<(i64, i64)>, RangeError> {
    let CallArg::Ptr { offset, strides, tables, .. } = arg else { return Ok(None) };
    let mut sum = Interval { lo: *offset, hi: *offset };
    for (d, &dim) in dims.iter().enumerate() {
        let stride = strides.get(d).copied().unwrap_or(0);
        let at = |index: u64| {
            let index = i64::try_from(index).map_err(|_| RangeError::Overflow)?;
            index.checked_mul(stride).ok_or(RangeError::Overflow)
        };
        let mut of_dim = Vec::new();
        let tables: Vec<_> = tables.iter().filter(|table| table.dim == d).collect();
        let Some(last) = dim.checked_sub(1) else { return Ok(None) };
        if tables.is_empty() {
            of_dim.extend([at(0)?, at(last)?]);
        } else {
            // Tables and stride go by one index: their sum is what counts.
            for index in 0..dim {
                let mut value = at(index)?;
                for table in &tables {
                    let Some(entry) = table.offsets.get(index as usize) else { return Ok(None) };
                    value = value.checked_add(*entry).ok_or(RangeError::Overflow)?;
                }
                of_dim.push(value);
            }
        }
        let (Some(&lo), Some(&hi)) = (of_dim.iter().min(), of_dim.iter().max()) else { return Ok(None) };
        sum = sum.plus(Interval { lo, hi })?;
    }
    Ok(Some((sum.lo, sum.hi)))
}

impl Analysis<'_> {
    /// Runs a body on a state, or (not `record`) on a shift.
    fn run(&mut self, body: &[Stmt], state: &mut State, record: bool) -> Result<(), RangeError> {
        for stmt in body {
            match stmt {
                Stmt::Inst(inst) if record => self.inst(inst, state)?,
                Stmt::Inst(_) => {}
                Stmt::Advance { dst, base, by } => {
                    let by = match *by {
                        Offset::Bytes(bytes) => i64::from(bytes),
                        Offset::Int(int) => self.int(int)?,
                    };
                    assign(state, *dst, *base, Interval { lo: by, hi: by })?;
                }
                Stmt::Lookup { dst, base, table, bounds: (lo, hi) } => {
                    if record {
                        self.touch(*table, Interval::ZERO, 4, false, state)?;
                    }
                    let by = Interval { lo: i64::from(*lo), hi: i64::from(*hi) };
                    assign(state, *dst, *base, by)?;
                }
                Stmt::Loop { count, body } => {
                    let count = match *count {
                        Count::Static(count) => i64::from(count),
                        Count::Int(int) => self.int(int)?,
                    };
                    let count = u64::try_from(count).map_err(|_| RangeError::Negative(count))?;
                    if count == 0 {
                        continue;
                    }
                    let mut shift = identity(self.kernel);
                    self.run(body, &mut shift, false)?;
                    if record {
                        let mut hull = all_runs(&shift, count, state, self.kernel)?;
                        self.run(body, &mut hull, true)?;
                    }
                    *state = apply(&power(&shift, count, self.kernel)?, state)?;
                }
            }
        }
        Ok(())
    }

    fn inst(&mut self, inst: &Inst, state: &State) -> Result<(), RangeError> {
        const VECTOR: i64 = 4 * LANES as i64;
        let at = Interval::ZERO;
        let strided = |stride: i32, lanes: u8| {
            let last = i64::from(stride) * (i64::from(lanes) - 1);
            Interval { lo: last.min(0), hi: last.max(0) }
        };
        match *inst {
            Inst::Load { addr, .. } => self.touch(addr, at, VECTOR, false, state),
            Inst::LoadSplat { addr, .. } => self.touch(addr, at, 4, false, state),
            Inst::LoadPart { addr, lanes, .. } | Inst::LoadLast { addr, lanes, .. } => {
                self.touch(addr, at, 4 * i64::from(lanes), false, state)
            }
            Inst::LoadStrided { addr, stride, lanes, .. } => {
                self.touch(addr, strided(stride, lanes), 4, false, state)
            }
            Inst::Gather { addr, bounds: (lo, hi), .. } => {
                let by = Interval { lo: 4 * i64::from(lo), hi: 4 * i64::from(hi) };
                self.touch(addr, by, 4, false, state)
            }
            Inst::Store { addr, .. } => self.touch(addr, at, VECTOR, true, state),
            Inst::StorePart { addr, lanes, .. } => self.touch(addr, at, 4 * i64::from(lanes), true, state),
            Inst::StoreStrided { addr, stride, lanes, .. } => {
                self.touch(addr, strided(stride, lanes), 4, true, state)
            }
            Inst::Fma { b: Operand::Mem(addr), .. } | Inst::Binary { b: Operand::Mem(addr), .. } => {
                self.touch(addr, at, VECTOR, false, state)
            }
            Inst::Fma { .. } | Inst::Binary { .. } | Inst::Unary { .. } | Inst::Blend { .. } => Ok(()),
            Inst::Splat { .. } | Inst::Move { .. } | Inst::Slide { .. } | Inst::Transpose { .. } => Ok(()),
            Inst::Prefetch { .. } => Ok(()),
            Inst::Wide(inst) => match inst {
                WideInst::Load { addr, .. } | WideInst::Fma { b: WideOperand::Mem(addr), .. } => {
                    self.touch(addr, at, 2 * VECTOR, false, state)
                }
                WideInst::LoadTwice { addr, .. } => self.touch(addr, at, VECTOR, false, state),
                WideInst::LoadPart { addr, lanes, .. } => {
                    self.touch(addr, at, 4 * i64::from(lanes), false, state)
                }
                WideInst::Store { addr, .. } => self.touch(addr, at, 2 * VECTOR, true, state),
                WideInst::LoadSplat { addr, .. } | WideInst::Fma { b: WideOperand::Splat(addr), .. } => {
                    self.touch(addr, at, 4, false, state)
                }
                WideInst::Splat { .. }
                | WideInst::Fma { .. }
                | WideInst::Arith { .. }
                | WideInst::Slide { .. }
                | WideInst::Transpose { .. }
                | WideInst::Half { .. } => Ok(()),
            },
        }
    }

    /// Records an access to `bytes` bytes that start somewhere in `addr + by`.
    fn touch(
        &mut self,
        addr: Addr,
        by: Interval,
        bytes: i64,
        write: bool,
        state: &State,
    ) -> Result<(), RangeError> {
        let value = read(state, addr.ptr)?;
        let offset = i64::from(addr.offset);
        let at = value.by.plus(by)?.plus(Interval { lo: offset, hi: offset })?;
        let end = at.hi.checked_add(bytes).ok_or(RangeError::Overflow)?;
        if let Some(touched) = self.touched.get_mut(value.from) {
            let range = if write { &mut touched.writes } else { &mut touched.reads };
            *range = Some(match range {
                Some(range) => range.start.min(at.lo)..range.end.max(end),
                None => at.lo..end,
            });
        }
        Ok(())
    }

    fn int(&self, int: Int) -> Result<i64, RangeError> {
        self.ints.get(int.0 as usize).copied().flatten().ok_or(RangeError::NoInteger(int))
    }
}

fn read(state: &State, ptr: Ptr) -> Result<Value, RangeError> {
    state.get(ptr.0 as usize).copied().flatten().ok_or(RangeError::Unassigned(ptr))
}

fn assign(state: &mut State, dst: Ptr, base: Ptr, by: Interval) -> Result<(), RangeError> {
    let base = read(state, base)?;
    let value = Value { from: base.from, by: base.by.plus(by)? };
    *state.get_mut(dst.0 as usize).ok_or(RangeError::Unassigned(dst))? = Some(value);
    Ok(())
}
