//! Checks the invariants of kernels and steps, all of them, and says where each is broken.
//!
//! [`super::ir`] and [`super::step`] state the invariants. Besides: prepare steps write only packed
//! weights, run steps never write constants, packed weights, inputs or parameters.

mod kernel;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use super::ir::{Arg, Kernel};
use super::range::{self, RangeError, Touched};
use super::step::{Base, Call, CallArg, KernelId, Lowered, MAX_DIMS, Nest, Step};

/// An invariant that does not hold: a bug of the compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kernel and statement, or the step, nest and call.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// When a step runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Prepare,
    Run,
}

impl Phase {
    fn may_read(self, base: Base) -> bool {
        match base {
            Base::Consts | Base::Packed | Base::Param(_) => true,
            Base::Local => true,
            Base::Arena | Base::Input(_) | Base::Output(_) => self == Phase::Run,
        }
    }

    fn may_write(self, base: Base) -> bool {
        match base {
            Base::Packed => self == Phase::Prepare,
            Base::Local => true,
            Base::Arena | Base::Output(_) => self == Phase::Run,
            Base::Consts | Base::Input(_) | Base::Param(_) => false,
        }
    }
}

/// All problems of a kernel by itself.
pub fn verify_kernel(kernel: &Kernel) -> Vec<Problem> {
    kernel::verify(kernel)
}

/// All problems of all kernels and steps.
pub fn verify(lowered: &Lowered) -> Vec<Problem> {
    let mut problems = Vec::new();
    for kernel in &lowered.kernels {
        problems.extend(kernel::verify(kernel));
    }
    let mut steps = Steps { lowered, ranges: BTreeMap::new(), problems };
    for (phase, list) in [(Phase::Prepare, &lowered.prepare), (Phase::Run, &lowered.run)] {
        for step in list {
            steps.step(phase, step);
        }
    }
    steps.problems
}

/// Integer arguments of a call by position.
type Ints = Vec<Option<i64>>;

struct Steps<'a> {
    lowered: &'a Lowered,
    /// What kernels touch for the integers that they are called with.
    ranges: BTreeMap<(KernelId, Ints), Result<Vec<Touched>, RangeError>>,
    problems: Vec<Problem>,
}

impl Steps<'_> {
    /// Places are put into words only where something is wrong there.
    fn report(&mut self, place: fmt::Arguments<'_>, what: String) {
        self.problems.push(Problem { place: place.to_string(), what });
    }

    fn step(&mut self, phase: Phase, step: &Step) {
        let mut units = Some(0u64);
        for (i, nest) in step.nests.iter().enumerate() {
            let nest_units = self.nest(phase, nest, &[], format_args!("step `{}`, nest {i}", step.name));
            units = units.zip(nest_units).and_then(|(a, b)| a.checked_add(b));
        }
        if units.is_none() {
            self.report(format_args!("step `{}`", step.name), "the number of units overflows".to_owned());
        }
    }

    /// Checks a nest within nests over `outer`, and gives its number of units where that is a number.
    fn nest(&mut self, phase: Phase, nest: &Nest, outer: &[u64], place: fmt::Arguments<'_>) -> Option<u64> {
        if nest.dims.contains(&0) {
            self.report(place, format!("a dim of {:?} is 0", nest.dims));
            return Some(0);
        }
        let dims = [outer, nest.dims.as_slice()].concat();
        if dims.len() > MAX_DIMS {
            self.report(place, format!("{} dims are more than {MAX_DIMS}", dims.len()));
            return Some(0);
        }
        for (j, call) in nest.calls.iter().enumerate() {
            self.call(phase, &dims, call, format_args!("{place}, call {j}"));
        }
        for (j, inner) in nest.inner.iter().enumerate() {
            if self.nest(phase, inner, &dims, format_args!("{place}, nest {j}")).is_none() {
                let what = "the number of units overflows".to_owned();
                self.report(format_args!("{place}, nest {j}"), what);
            }
        }
        nest.dims.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim))
    }

    fn call(&mut self, phase: Phase, dims: &[u64], call: &Call, place: fmt::Arguments<'_>) {
        let lowered = self.lowered;
        let Some(kernel) = lowered.kernels.get(call.kernel.0 as usize) else {
            return self.report(place, format!("there is no kernel number {}", call.kernel.0));
        };
        self.call_of(phase, dims, (call, kernel), format_args!("{place} of `{}`", kernel.name));
    }

    fn call_of(
        &mut self,
        phase: Phase,
        dims: &[u64],
        (call, kernel): (&Call, &Kernel),
        place: fmt::Arguments<'_>,
    ) {
        if call.args.len() != kernel.args.len() {
            let what = format!("{} arguments, {} declared", call.args.len(), kernel.args.len());
            return self.report(place, what);
        }
        let mut well_formed = true;
        for (i, (arg, declared)) in call.args.iter().zip(&kernel.args).enumerate() {
            for what in argument_problems(self.lowered, dims, arg, *declared) {
                well_formed = false;
                self.report(place, format!("argument {i}: {what}"));
            }
        }
        if !well_formed {
            return;
        }
        let ints: Ints = call
            .args
            .iter()
            .map(|arg| match arg {
                CallArg::Int(value) => Some(*value),
                CallArg::Ptr { .. } => None,
            })
            .collect();
        let touched = self
            .ranges
            .entry((call.kernel, ints))
            .or_insert_with_key(|(_, ints)| range::kernel(kernel, ints))
            .clone();
        let touched = match touched {
            Ok(touched) => touched,
            Err(error) => return self.report(place, error.to_string()),
        };
        for (i, (arg, touched)) in call.args.iter().zip(touched).enumerate() {
            self.accesses(phase, dims, arg, &touched, format_args!("{place}, argument {i}"));
        }
    }

    fn accesses(
        &mut self,
        phase: Phase,
        dims: &[u64],
        arg: &CallArg,
        touched: &Touched,
        place: fmt::Arguments<'_>,
    ) {
        let CallArg::Ptr { base, .. } = arg else { return };
        let span = match range::argument(arg, dims) {
            Ok(Some(span)) => span,
            Ok(None) => return,
            Err(error) => return self.report(place, error.to_string()),
        };
        let size = self.lowered.base_bytes(*base);
        let kinds = [
            ("read", &touched.reads, phase.may_read(*base)),
            ("written", &touched.writes, phase.may_write(*base)),
        ];
        for (verb, range, allowed) in kinds {
            let Some(range) = range else { continue };
            if !allowed {
                self.report(place, format!("{base} is {verb} by a {phase:?} step"));
            }
            match whole(span, range) {
                Some(bytes) if bytes.start >= 0 && bytes.end as u64 <= size => {}
                Some(Range { start, end }) => {
                    self.report(
                        place,
                        format!("bytes {start}..{end} of {base} are {verb}, which has {size}"),
                    );
                }
                None => self.report(place, RangeError::Overflow.to_string()),
            }
        }
    }
}

/// What is touched when the argument takes every value in `span`.
fn whole(span: (i64, i64), touched: &Range<i64>) -> Option<Range<i64>> {
    Some(span.0.checked_add(touched.start)?..span.1.checked_add(touched.end)?)
}

fn argument_problems(lowered: &Lowered, dims: &[u64], arg: &CallArg, declared: Arg) -> Vec<String> {
    let (base, offset, strides, tables) = match (arg, declared) {
        (CallArg::Int(_), Arg::Int) => return Vec::new(),
        (CallArg::Ptr { base, offset, strides, tables }, Arg::Ptr(_)) => (base, offset, strides, tables),
        (CallArg::Int(_), Arg::Ptr(_)) => return vec!["an integer for a pointer".to_owned()],
        (CallArg::Ptr { .. }, Arg::Int) => return vec!["a pointer for an integer".to_owned()],
    };
    let mut problems = Vec::new();
    let exists = match *base {
        Base::Consts | Base::Packed | Base::Arena | Base::Local => true,
        Base::Input(i) => (i as usize) < lowered.input_bytes.len(),
        Base::Output(i) => (i as usize) < lowered.output_bytes.len(),
        Base::Param(i) => (i as usize) < lowered.param_bytes.len(),
    };
    if !exists {
        problems.push(format!("there is no {base}"));
    }
    if strides.len() != dims.len() {
        problems.push(format!("{} strides for {} dims", strides.len(), dims.len()));
    }
    for table in tables {
        match dims.get(table.dim) {
            None => problems.push(format!("a table for dim {} of {}", table.dim, dims.len())),
            Some(&dim) if dim != table.offsets.len() as u64 => {
                problems.push(format!("a table of {} entries for a dim of {dim}", table.offsets.len()));
            }
            Some(_) => {}
        }
    }
    let entries = tables.iter().flat_map(|table| &table.offsets);
    if [offset].into_iter().chain(strides).chain(entries).any(|bytes| bytes % 4 != 0) {
        problems.push("an offset or a stride is no multiple of 4".to_owned());
    }
    problems
}
