//! A factor or summand for each channel becomes part of the layer beside it.
//!
//! After a convolution, a transposed one or a linear layer that nothing else reads, `y · k` goes into its
//! weights and bias and `y + t` into its bias. Before one, `x · k` goes into its weights (a summand does not:
//! padding would not have it). `k` and `t` depend on parameters only, so all this is computed when they are
//! loaded.

use super::compose::Compose;
use super::facts::fixed;
use super::rewrite::Rewrite;
use crate::graph::shape::channel_axis;
use crate::graph::{BinaryOp, Graph, Node, Op, Value};

/// Folds factors and summands that depend on parameters only.
pub fn fold_scale(graph: &Graph) -> Graph {
    let fixed = fixed(graph);
    let uses = graph.uses();
    let mut rewrite = Rewrite::new(graph);
    for (value, node) in graph.values() {
        let only = |v: Value| uses[v.index()] == 1;
        let mut parts = Compose::new(&mut rewrite, node);
        let made = match (&node.op, node.args.as_slice()) {
            _ if fixed[value.index()] => None,
            (Op::Binary(op), &[a, b]) if fixed[b.index()] && only(a) => after(&mut parts, *op, a, b),
            (Op::Binary(op @ (BinaryOp::Mul | BinaryOp::Add)), &[a, b]) if fixed[a.index()] && only(b) => {
                after(&mut parts, *op, b, a)
            }
            (_, &[x, w, ..]) if only(x) && fixed[w.index()] => before(&mut parts, graph, &fixed, x),
            _ => None,
        };
        match made {
            Some(made) => parts.stand(made),
            None => rewrite.keep(node),
        }
    }
    rewrite.finish()
}

/// `layer(x) op k` as one layer.
fn after(parts: &mut Compose<'_, '_, '_>, op: BinaryOp, layer: Value, k: Value) -> Option<Value> {
    let (layer, k) = (parts.r.get(layer), parts.r.get(k));
    let source = parts.r.new.node(layer).clone();
    if source.ty != parts.node.ty {
        return None;
    }
    let (&x, &w) = (source.args.first()?, source.args.get(1)?);
    let axis = match source.op {
        Op::Linear => source.ty.dims.len().checked_sub(1)?,
        Op::Conv(_) | Op::ConvTranspose(_) => channel_axis(source.ty.dims.len())?,
        _ => return None,
    };
    let outputs = *source.ty.dims.get(axis)?;
    let k = along(parts, k, &source.ty.dims, axis)?;
    let bias = source.args.get(2).copied();
    let (w, bias) = match op {
        BinaryOp::Mul | BinaryOp::Div => {
            let dims = match &source.op {
                Op::Conv(_) => vec![outputs, 1, 1, 1],
                Op::ConvTranspose(conv) if conv.groups == 1 => vec![1, outputs, 1, 1],
                Op::Linear => vec![outputs, 1],
                // Its weights hold the channels of a group only; one factor suits them all.
                _ if parts.ty(k).elements() == 1 => vec![1],
                _ => return None,
            };
            let k_w = spread(parts, k, dims);
            (parts.binary(op, w, k_w), bias.map(|bias| parts.binary(op, bias, k)))
        }
        BinaryOp::Add | BinaryOp::Sub => {
            let bias = match bias {
                Some(bias) => bias,
                None if op == BinaryOp::Add && parts.ty(k).dims == [outputs] => {
                    let args = vec![x, w, k];
                    return Some(parts.op(source.op, args, source.ty));
                }
                None => parts.constant(vec![outputs], vec![0.0; usize::try_from(outputs).ok()?]),
            };
            (w, Some(parts.binary(op, bias, k)))
        }
        _ => return None,
    };
    let args = [Some(x), Some(w), bias].into_iter().flatten().collect();
    Some(parts.op(source.op, args, source.ty))
}

/// `layer(x op k)` as one layer.
fn before(parts: &mut Compose<'_, '_, '_>, graph: &Graph, fixed: &[bool], x: Value) -> Option<Value> {
    let layer: &Node = parts.node;
    let scale = graph.node(x);
    let (op, source, k) = match (&scale.op, scale.args.as_slice()) {
        (Op::Binary(op @ (BinaryOp::Mul | BinaryOp::Div)), &[a, b]) if fixed[b.index()] => (*op, a, b),
        (Op::Binary(op @ BinaryOp::Mul), &[a, b]) if fixed[a.index()] => (*op, b, a),
        _ => return None,
    };
    // It may have become part of the layer before it.
    if !matches!(parts.r.new.node(parts.r.get(x)).op, Op::Binary(_)) || graph.ty(source) != &scale.ty {
        return None;
    }
    let dims = &scale.ty.dims;
    let axis = match layer.op {
        Op::Linear => dims.len().checked_sub(1)?,
        Op::Conv(_) | Op::ConvTranspose(_) => channel_axis(dims.len())?,
        _ => return None,
    };
    let inputs = *dims.get(axis)?;
    let k = parts.r.get(k);
    let k = along(parts, k, dims, axis)?;
    let w = parts.arg(1)?;
    let of_weight = match &layer.op {
        _ if parts.ty(k).elements() == 1 => vec![1],
        Op::Conv(conv) if conv.groups == 1 => vec![1, inputs, 1, 1],
        // Depthwise: output and input channels are the same ones.
        Op::Conv(conv) if conv.groups == inputs && parts.ty(w).dims.first() == Some(&inputs) => {
            vec![inputs, 1, 1, 1]
        }
        Op::ConvTranspose(_) => vec![inputs, 1, 1, 1],
        Op::Linear => vec![1, inputs],
        _ => return None,
    };
    let k = spread(parts, k, of_weight);
    let w = parts.binary(op, w, k);
    let source = parts.r.get(source);
    let args = [Some(source), Some(w), parts.arg(2)].into_iter().flatten().collect();
    Some(parts.op(layer.op.clone(), args, layer.ty.clone()))
}

/// An operand of one element as `[1]`, or of one for each element of `axis` of `dims` as `[n]`.
fn along(parts: &mut Compose<'_, '_, '_>, k: Value, dims: &[u64], axis: usize) -> Option<Value> {
    let ty = parts.ty(k);
    if ty.elements() == 1 {
        return Some(parts.reshape(k, vec![1]));
    }
    let missing = dims.len().checked_sub(ty.dims.len())?;
    let n = ty.dims.get(axis.checked_sub(missing)?).copied()?;
    let fits = n == ty.elements() && Some(&n) == dims.get(axis) && !ty.batched;
    fits.then(|| parts.reshape(k, vec![n]))
}

/// `[n]` as `dims`; one element suits any.
fn spread(parts: &mut Compose<'_, '_, '_>, k: Value, dims: Vec<u64>) -> Value {
    if parts.ty(k).elements() == 1 { k } else { parts.reshape(k, dims) }
}
