//! Live ranges.
//!
//! A variable that is live into a loop's iteration, or past a loop that may not run, is live for the
//! whole loop; so every maximal stretch of the flat list in which a variable is live stands for
//! itself, and may have a register of its own.

use super::EmitError;
use super::flat::{CLASSES, Class, Flat, NO_RANGE, Op, Role, Var, vector, wide};
use crate::kernels::ir::{Count, Inst, WideInst};

/// A stretch of times over which a value must keep its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub class: Class,
    /// The first and the last time, both included.
    pub start: u32,
    pub end: u32,
    /// What it stands for, as the allocator may change it.
    pub kind: Kind,
    /// The range whose value this one starts as a copy of.
    pub copy_of: u32,
}

/// What a range stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value, in a register if there is one.
    Value,
    /// What an item needs for itself: always in a register.
    Temp,
    /// A value in memory.
    Memory,
    /// Nothing any more: another range took over.
    Gone,
}

/// Finds the ranges and writes their numbers into the accesses.
pub(super) fn ranges(flat: &mut Flat<'_>, kernel: &str) -> Result<Vec<Range>, EmitError> {
    let exposed = exposed(flat);
    for item in &flat.items {
        let sum = match item.op {
            Op::Inst(Inst::Fma { acc, .. }) => vector(*acc),
            Op::Inst(Inst::Wide(WideInst::Fma { acc, .. })) => wide(*acc),
            _ => continue,
        };
        if let Some(inside) = item.inside
            && exposed[inside as usize].vars.contains(&sum)
        {
            flat.loops[inside as usize].contracts = true;
        }
    }
    let mut walk = Walk {
        ranges: Vec::new(),
        open: flat.vars.map(|count| vec![None; count]),
        held: flat.vars.map(|count| vec![0; count]),
    };
    // The variables that each open loop holds.
    let mut holds: Vec<Vec<Var>> = Vec::new();
    for p in (0..flat.items.len()).rev() {
        let (read, write) = (2 * p as u32, 2 * p as u32 + 1);
        let item = flat.items[p];
        if let Op::LoopEnd { number } = item.op {
            let Exposed { vars, may_skip } = &exposed[number as usize];
            for &var in vars {
                walk.extend(var, write);
            }
            // What is held twice is released twice: a variable may be in both lists.
            let mut held = vars.clone();
            if *may_skip {
                held.extend(walk.live());
            }
            for var in &held {
                walk.held[var.class as usize][var.number as usize] += 1;
            }
            holds.push(held);
        }
        if let Op::LoopStart { .. } = item.op {
            for var in holds.pop().unwrap_or_default() {
                walk.held[var.class as usize][var.number as usize] -= 1;
            }
        }
        let accesses = &mut flat.accesses[item.first as usize..item.end as usize];
        for access in accesses.iter_mut() {
            access.range = match access.role {
                Role::Def if matches!(item.op, Op::Entry) && !walk.is_live(access.var) => NO_RANGE,
                Role::Def => walk.define(access.var, write),
                Role::Temp => walk.push(access.var.class, read, write, Kind::Temp),
                Role::Update => walk.extend(access.var, write),
                Role::Use | Role::UseLate => continue,
            };
        }
        for access in accesses.iter_mut() {
            match access.role {
                Role::Use => access.range = walk.extend(access.var, read),
                Role::UseLate => access.range = walk.extend(access.var, write),
                Role::Update => {
                    walk.extend(access.var, read);
                }
                Role::Def | Role::Temp => {}
            }
        }
        if let (Op::Inst(Inst::Move { .. }) | Op::Advance { .. }, [from, to]) = (item.op, &*accesses)
            && let Some(range) = walk.ranges.get_mut(to.range as usize)
        {
            range.copy_of = from.range;
        }
    }
    if walk.live().next().is_some() {
        return Err(EmitError::Unassigned { kernel: kernel.to_owned() });
    }
    Ok(walk.ranges)
}

/// The walk backwards.
struct Walk {
    ranges: Vec<Range>,
    /// By class and variable: the range that is live.
    open: [Vec<Option<u32>>; CLASSES.len()],
    /// How many of the open loops keep the variable live throughout.
    held: [Vec<u32>; CLASSES.len()],
}

impl Walk {
    fn is_live(&self, var: Var) -> bool {
        self.open[var.class as usize][var.number as usize].is_some()
    }

    fn live(&self) -> impl Iterator<Item = Var> {
        CLASSES.into_iter().flat_map(|class| {
            let live = self.open[class as usize].iter().enumerate().filter(|(_, range)| range.is_some());
            live.map(move |(number, _)| Var { class, number: number as u32 })
        })
    }

    fn push(&mut self, class: Class, start: u32, end: u32, kind: Kind) -> u32 {
        self.ranges.push(Range { class, start, end, kind, copy_of: NO_RANGE });
        self.ranges.len() as u32 - 1
    }

    /// The live range of a variable, opened at `time` if there is none, stretched to it in any case.
    fn extend(&mut self, var: Var, time: u32) -> u32 {
        let number = match self.open[var.class as usize][var.number as usize] {
            Some(number) => number,
            None => {
                let number = self.push(var.class, time, time, Kind::Value);
                self.open[var.class as usize][var.number as usize] = Some(number);
                number
            }
        };
        let range = &mut self.ranges[number as usize];
        range.start = range.start.min(time);
        number
    }

    /// A write: the range starts here, unless a loop around keeps the variable live.
    fn define(&mut self, var: Var, time: u32) -> u32 {
        let number = self.extend(var, time);
        if self.held[var.class as usize][var.number as usize] == 0 {
            self.open[var.class as usize][var.number as usize] = None;
        }
        number
    }
}

/// What a loop's iterations need from before.
struct Exposed {
    /// What an iteration reads before it assigns it.
    vars: Vec<Var>,
    /// Whether the loop may run no iteration.
    may_skip: bool,
}

/// For each loop, by its number: what an iteration may read before it assigns it.
fn exposed(flat: &Flat<'_>) -> Vec<Exposed> {
    struct Open {
        number: usize,
        may_skip: bool,
        defined: [Vec<bool>; CLASSES.len()],
        exposed: [Vec<bool>; CLASSES.len()],
    }
    let fresh = || flat.vars.map(|count| vec![false; count]);
    let mut stack: Vec<Open> = Vec::new();
    let mut result: Vec<Exposed> = Vec::new();
    for item in &flat.items {
        let accesses = flat.accesses(item);
        let reads = accesses.iter().filter(|a| !matches!(a.role, Role::Def | Role::Temp));
        for Var { class, number } in reads.map(|a| a.var) {
            for open in stack.iter_mut().rev() {
                if open.defined[class as usize][number as usize] {
                    break;
                }
                if !open.exposed[class as usize][number as usize] {
                    open.exposed[class as usize][number as usize] = true;
                    result[open.number].vars.push(Var { class, number });
                }
            }
        }
        let writes = accesses.iter().filter(|a| matches!(a.role, Role::Def | Role::Update));
        if let Some(open) = stack.last_mut() {
            for Var { class, number } in writes.map(|a| a.var) {
                open.defined[class as usize][number as usize] = true;
            }
        }
        match item.op {
            Op::LoopStart { number, count } => {
                let may_skip = matches!(count, Count::Int(_));
                result.push(Exposed { vars: Vec::new(), may_skip });
                stack.push(Open { number: number as usize, may_skip, defined: fresh(), exposed: fresh() });
            }
            Op::LoopEnd { .. } => {
                let inner = stack.pop();
                if let (Some(inner), Some(outer)) = (inner, stack.last_mut())
                    && !inner.may_skip
                {
                    for (outer, inner) in outer.defined.iter_mut().zip(&inner.defined) {
                        outer.iter_mut().zip(inner).for_each(|(o, i)| *o |= i);
                    }
                }
            }
            _ => {}
        }
    }
    result
}
