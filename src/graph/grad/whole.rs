//! The batch as an axis.

use super::{Builder, GradError};
use crate::graph::shape::channel_axis;
use crate::graph::{Graph, Op, Type, Value};

/// The same graph for `samples` samples at once: every batched value has them as its first axis, and none
/// is batched. Values that were not batched stay as they are.
///
/// # Errors
/// If a value with all its samples is beyond the limits of the language.
pub fn with_samples(graph: &Graph, samples: u64) -> Result<Graph, GradError> {
    let mut whole = Whole {
        old: graph,
        b: Builder::new(Graph { nodes: Vec::new(), ..graph.clone() }, 's'),
        map: Vec::with_capacity(graph.nodes.len()),
        samples,
    };
    for (value, node) in graph.values() {
        whole.b.at(&node.name, node.span);
        let new = whole.node(value)?;
        let named = &mut whole.b.graph.nodes[new.index()];
        named.name.clone_from(&node.name);
        whole.map.push(new);
    }
    Ok(whole.b.renumbered(&whole.map))
}

struct Whole<'g> {
    old: &'g Graph,
    b: Builder,
    /// The new value of each old one.
    map: Vec<Value>,
    samples: u64,
}

impl Whole<'_> {
    fn node(&mut self, value: Value) -> Result<Value, GradError> {
        let node = self.old.node(value);
        let mut args: Vec<Value> = node.args.iter().map(|a| self.map[a.index()]).collect();
        let dims = self.dims(&node.ty);
        if !node.ty.batched {
            return self.b.shaped(node.op.clone(), &args, dims);
        }
        let op = match &node.op {
            Op::Reduce(kind, axes) => Op::Reduce(*kind, axes.iter().map(|axis| axis + 1).collect()),
            Op::Softmax { axis } => Op::Softmax { axis: axis + 1 },
            Op::LogSoftmax { axis } => Op::LogSoftmax { axis: axis + 1 },
            Op::Concat { axis } => Op::Concat { axis: axis + 1 },
            Op::Slice { start, step } => Op::Slice { start: front(0, start), step: front(1, step) },
            Op::Pad { before, after, mode } => {
                Op::Pad { before: front(0, before), after: front(0, after), mode: *mode }
            }
            Op::Transpose { perm } => {
                let moved: Vec<usize> = perm.iter().map(|axis| axis + 1).collect();
                Op::Transpose { perm: front(0, &moved) }
            }
            op => op.clone(),
        };
        match op {
            // Operands are aligned from the last axis: one of fewer axes gets some of length 1 behind the samples.
            Op::Binary(_) | Op::MatMul => {
                let rank = node.ty.dims.len();
                for (arg, old) in args.iter_mut().zip(&node.args) {
                    let ty = self.old.ty(*old);
                    if ty.batched && ty.dims.len() < rank {
                        let mut dims = vec![self.samples];
                        dims.resize(1 + rank - ty.dims.len(), 1);
                        dims.extend(&ty.dims);
                        *arg = self.b.reshape(*arg, dims)?;
                    }
                }
                self.b.shaped(op, &args, dims)
            }
            // Of a sample with two axes the last is the channels'; with the samples there were three.
            Op::BatchNorm { .. } | Op::Prelu | Op::GroupNorm { .. }
                if channel_axis(node.ty.dims.len())
                    != channel_axis(dims.len()).and_then(|axis| axis.checked_sub(1)) =>
            {
                let rows: u64 = dims[..dims.len() - 1].iter().product();
                let flat = vec![rows, dims[dims.len() - 1]];
                args[0] = self.b.reshape(args[0], flat.clone())?;
                let y = self.b.shaped(op, &args, flat)?;
                self.b.reshape(y, dims)
            }
            op => self.b.shaped(op, &args, dims),
        }
    }

    fn dims(&self, ty: &Type) -> Vec<u64> {
        if ty.batched { front(self.samples, &ty.dims) } else { ty.dims.clone() }
    }
}

fn front<T: Clone>(first: T, rest: &[T]) -> Vec<T> {
    std::iter::once(first).chain(rest.iter().cloned()).collect()
}
