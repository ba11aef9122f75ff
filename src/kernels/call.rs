//! A kernel and the call of it, written together so that arguments cannot get out of step.

use super::build::KernelBuilder;
use super::ir::{Int, Ptr, Spills};
use super::lower::Lowering;
use super::step::{Call, CallArg};

/// Builds a kernel along with the arguments it is called with.
pub(super) struct CallBuilder {
    /// The kernel's code.
    pub(super) b: KernelBuilder,
    args: Vec<CallArg>,
}

impl CallBuilder {
    pub(super) fn new(name: impl Into<String>) -> Self {
        CallBuilder { b: KernelBuilder::new(name), args: Vec::new() }
    }

    /// A pointer argument.
    pub(super) fn ptr(&mut self, arg: CallArg) -> Ptr {
        self.args.push(arg);
        self.b.ptr_arg()
    }

    /// An integer argument: what depends on sizes belongs here, so that kernels serve many sizes.
    pub(super) fn int(&mut self, value: i64) -> Int {
        self.args.push(CallArg::Int(value));
        self.b.int_arg()
    }

    /// The call; an equal kernel made before serves again.
    pub(super) fn finish(self, spills: Spills, low: &mut Lowering) -> Call {
        Call { kernel: low.kernel(self.b.finish(spills)), args: self.args }
    }
}

/// `(first, step)` where the numbers are equally spaced.
pub(super) fn equally_spaced(numbers: &[i64]) -> Option<(i64, i64)> {
    let (first, rest) = numbers.split_first()?;
    let step = rest.first().map_or(0, |second| second - first);
    numbers.iter().enumerate().all(|(i, n)| *n == first + i as i64 * step).then_some((*first, step))
}
