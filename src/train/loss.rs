//! What training makes small.

use crate::graph::grad::{Builder, GradError};
use crate::graph::{Op, ReduceKind, Type, UnaryOp, Value};

/// A loss of a batch: one number, a mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The mean of `(y − t)²` over all elements.
    Mse,
    /// The mean of `|y − t|` over all elements.
    L1,
    /// The mean of `−ln softmax(y)[t]` over samples (and pixels), y having a class an element of its axis of channels
    /// and t being numbers of classes. A softmax that the model ends in is taken to be this one.
    CrossEntropy,
}

impl Loss {
    /// Its name in options.
    pub const fn name(self) -> &'static str {
        match self {
            Loss::Mse => "mse",
            Loss::L1 => "l1",
            Loss::CrossEntropy => "cross_entropy",
        }
    }

    /// The axes of a target for outputs with the axes `dims`, samples first.
    pub fn target_dims(self, dims: &[u64]) -> Vec<u64> {
        match (self, dims) {
            (Loss::CrossEntropy, [n, _, rest @ ..]) => {
                std::iter::once(*n).chain(rest.iter().copied()).collect()
            }
            _ => dims.to_vec(),
        }
    }

    /// How many classes outputs with the axes `dims` tell apart.
    pub fn classes(self, dims: &[u64]) -> Option<u64> {
        match (self, dims) {
            (Loss::CrossEntropy, [_, classes, ..]) => Some(*classes),
            _ => None,
        }
    }

    /// What the loss is computed from: the output, or what its softmax is of, also where that is reshaped within
    /// its classes.
    pub(super) fn scores(self, b: &mut Builder, y: Value) -> Result<Value, GradError> {
        let dims = b.dims(y);
        let mut at = y;
        loop {
            let node = b.graph.node(at);
            match (self, &node.op, node.args.first()) {
                (Loss::CrossEntropy, Op::Softmax { axis: 1 } | Op::LogSoftmax { axis: 1 }, Some(&x)) => {
                    return b.reshape(x, dims);
                }
                (Loss::CrossEntropy, Op::Reshape, Some(&x)) if b.dims(x).get(..2) == dims.get(..2) => at = x,
                _ => return Ok(y),
            }
        }
    }

    /// Appends the loss, of one element, of scores `y` and a target `t`.
    pub(super) fn append(self, b: &mut Builder, y: Value, t: Value) -> Result<Value, GradError> {
        let Type { dims, .. } = b.ty(y).clone();
        let all: Vec<usize> = (0..dims.len()).collect();
        let mean = match self {
            Loss::Mse => {
                let difference = b.sub(y, t)?;
                let square = b.mul(difference, difference)?;
                b.op(Op::Reduce(ReduceKind::Mean, all), &[square])?
            }
            Loss::L1 => {
                let difference = b.sub(y, t)?;
                let size = b.unary(UnaryOp::Abs, difference)?;
                b.op(Op::Reduce(ReduceKind::Mean, all), &[size])?
            }
            Loss::CrossEntropy => {
                let classes = dims.get(1).copied().unwrap_or(1);
                let logs = b.op(Op::LogSoftmax { axis: 1 }, &[y])?;
                let mut along = dims.clone();
                along[1] = 1;
                let samples: u64 = along.iter().product();
                let t = b.reshape(t, along)?;
                let mut numbers = vec![classes];
                numbers.resize(dims.len() - 1, 1);
                let numbers = b.constant(numbers, (0..classes).map(|k| k as f32))?;
                // 1 at the target's class, else 0: whole numbers are 0 or at least 1 apart.
                let apart = b.sub(t, numbers)?;
                let apart = b.unary(UnaryOp::Abs, apart)?;
                let rest = b.number_minus(1.0, apart)?;
                let hit = b.unary(UnaryOp::Relu, rest)?;
                let chosen = b.mul(hit, logs)?;
                let sum = b.op(Op::Reduce(ReduceKind::Sum, all), &[chosen])?;
                b.times(sum, (-1.0 / samples as f64) as f32)?
            }
        };
        b.reshape(mean, vec![1])
    }
}
