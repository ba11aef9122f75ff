//! Steps as they are run: which kernel is called when, and with which arguments.
//!
//! Arguments of a nest stand in an array, one call's after another's. Entering a nest computes them; from
//! unit to unit those that move along the last dim of more than one index are added to, and where an outer index moves, all are
//! computed anew. So a unit costs an addition for each of three or four pointers.

use std::ops::Range;

use super::LoadError;
use super::map::{CodeMap, Entry};
use super::split::Work;
use crate::code::BufferSizes;
use crate::kernels::step::{CallArg, MAX_DIMS, Nest, Step, TableArg};

/// A step with its kernels' addresses.
pub(super) struct LoadedStep {
    nests: Vec<LoadedNest>,
    /// Its units.
    pub(super) work: Work,
    /// How many arguments are alive at once at the most.
    pub(super) args: usize,
}

struct LoadedNest {
    units: u64,
    dims: Vec<u64>,
    /// Dims of the nests around it.
    outer: usize,
    /// The last of its dims that has more than one index: those after it never move.
    last: usize,
    args: Vec<Arg>,
    calls: Vec<LoadedCall>,
    /// Arguments that move with the last dim: where, and how far.
    moving: Vec<(usize, i64)>,
    /// Arguments that look something up by the last dim.
    looked_up: Vec<usize>,
    inner: Vec<LoadedNest>,
}

struct LoadedCall {
    entry: Entry,
    /// Where its arguments begin among the nest's.
    first: usize,
}

enum Arg {
    Int(i64),
    Ptr {
        /// Its place in the table of base pointers.
        base: usize,
        offset: i64,
        /// Dims that matter, those of nests around included, and bytes for each index.
        strides: Vec<(usize, i64)>,
        tables: Vec<TableArg>,
    },
}

/// Indices of the nest that runs, and of those around it before.
type Indices = [u64; MAX_DIMS];

/// What of a step cannot be loaded.
type Malformed = &'static str;

impl LoadedStep {
    /// Finds the kernels of a step, for whose nests a unit has these costs.
    ///
    /// # Errors
    /// Where a kernel is missing or nests have too many dims.
    pub(super) fn new(
        step: &Step,
        costs: &[u64],
        map: &CodeMap,
        sizes: &BufferSizes,
    ) -> Result<LoadedStep, LoadError> {
        let nests: Vec<LoadedNest> = step
            .nests
            .iter()
            .map(|nest| LoadedNest::new(nest, &[], map, sizes))
            .collect::<Result<_, _>>()
            .map_err(|what| LoadError::Map(format!("step {}: {what}", step.name)))?;
        let args = nests.iter().map(LoadedNest::args_alive).max().unwrap_or(0);
        Ok(LoadedStep { nests, work: Work::of(step, costs), args })
    }

    /// Runs some units: gives `call` each kernel with its arguments, in order. `args` has room
    /// for [`Self::args`].
    pub(super) fn run(
        &self,
        units: Range<u64>,
        bases: &[*mut u8],
        args: &mut [u64],
        call: &mut impl FnMut(Entry, &[u64]),
    ) {
        let mut first = 0;
        let mut indices = [0; MAX_DIMS];
        for nest in &self.nests {
            let after = first + nest.units;
            let (from, to) = (units.start.clamp(first, after), units.end.clamp(first, after));
            nest.run(from - first, to - first, &mut indices, bases, args, call);
            first = after;
        }
    }
}

impl LoadedNest {
    fn new(nest: &Nest, around: &[u64], map: &CodeMap, sizes: &BufferSizes) -> Result<LoadedNest, Malformed> {
        let all = [around, nest.dims.as_slice()].concat();
        if all.len() > MAX_DIMS {
            return Err("too many dims");
        }
        let last = nest.dims.iter().rposition(|&dim| dim > 1);
        let mut loaded = LoadedNest {
            units: nest.units(),
            dims: nest.dims.clone(),
            outer: around.len(),
            last: last.unwrap_or(0),
            args: Vec::new(),
            calls: Vec::new(),
            moving: Vec::new(),
            looked_up: Vec::new(),
            inner: Vec::new(),
        };
        let last = last.map(|last| around.len() + last);
        for call in &nest.calls {
            let entry = map.entry(call.kernel.0).ok_or("it calls a kernel that there is not")?;
            loaded.calls.push(LoadedCall { entry, first: loaded.args.len() });
            for arg in &call.args {
                let at = loaded.args.len();
                loaded.args.push(match arg {
                    CallArg::Int(value) => Arg::Int(*value),
                    CallArg::Ptr { base, offset, strides, tables } => {
                        let base = sizes.base_index(*base);
                        if base >= sizes.bases() || strides.len() != all.len() {
                            return Err("a pointer's base or strides do not exist");
                        }
                        for table in tables {
                            if all.get(table.dim) != Some(&(table.offsets.len() as u64)) {
                                return Err("a table has not one offset for each index");
                            }
                        }
                        let strides: Vec<(usize, i64)> = (strides.iter().copied().enumerate())
                            .filter(|&(dim, stride)| stride != 0 && all[dim] > 1)
                            .collect();
                        if let Some(&(_, stride)) = strides.iter().find(|(dim, _)| Some(*dim) == last) {
                            loaded.moving.push((at, stride));
                        }
                        if tables.iter().any(|table| Some(table.dim) == last) {
                            loaded.looked_up.push(at);
                        }
                        Arg::Ptr { base, offset: *offset, strides, tables: tables.clone() }
                    }
                });
            }
        }
        for inner in &nest.inner {
            loaded.inner.push(LoadedNest::new(inner, &all, map, sizes)?);
        }
        Ok(loaded)
    }

    fn args_alive(&self) -> usize {
        self.args.len() + self.inner.iter().map(LoadedNest::args_alive).max().unwrap_or(0)
    }

    fn run(
        &self,
        from: u64,
        to: u64,
        indices: &mut Indices,
        bases: &[*mut u8],
        args: &mut [u64],
        call: &mut impl FnMut(Entry, &[u64]),
    ) {
        if from >= to {
            return;
        }
        let (mine, rest) = args.split_at_mut(self.args.len());
        self.split(from, indices);
        self.compute(indices, bases, mine);
        for unit in from..to {
            if unit > from {
                self.count_on(indices, bases, mine);
            }
            for loaded in &self.calls {
                call(loaded.entry, &mine[loaded.first..]);
            }
            for inner in &self.inner {
                inner.run(0, inner.units, indices, bases, rest, call);
            }
        }
    }

    /// The indices of a unit.
    fn split(&self, unit: u64, indices: &mut Indices) {
        let mut left = unit;
        for (index, &dim) in indices[self.outer..].iter_mut().zip(&self.dims).rev() {
            *index = left % dim;
            left /= dim;
        }
    }

    /// Goes to the next unit.
    fn count_on(&self, indices: &mut Indices, bases: &[*mut u8], args: &mut [u64]) {
        for (position, (index, &dim)) in indices[self.outer..].iter_mut().zip(&self.dims).enumerate().rev() {
            *index += 1;
            if *index < dim {
                if position == self.last {
                    for &(at, stride) in &self.moving {
                        args[at] = args[at].wrapping_add_signed(stride);
                    }
                    for &at in &self.looked_up {
                        args[at] = self.args[at].value(indices, bases);
                    }
                } else {
                    self.compute(indices, bases, args);
                }
                return;
            }
            *index = 0;
        }
    }

    fn compute(&self, indices: &Indices, bases: &[*mut u8], args: &mut [u64]) {
        for (value, arg) in args.iter_mut().zip(&self.args) {
            *value = arg.value(indices, bases);
        }
    }
}

impl Arg {
    /// Within its buffer, as was verified when the code was assembled: nothing wraps.
    fn value(&self, indices: &Indices, bases: &[*mut u8]) -> u64 {
        match self {
            Arg::Int(value) => *value as u64,
            Arg::Ptr { base, offset, strides, tables } => {
                let mut sum = *offset;
                for &(dim, stride) in strides {
                    sum = sum.wrapping_add((indices[dim] as i64).wrapping_mul(stride));
                }
                for table in tables {
                    sum = sum.wrapping_add(table.offsets[indices[table.dim] as usize]);
                }
                bases[*base].wrapping_offset(sum as isize) as u64
            }
        }
    }
}
