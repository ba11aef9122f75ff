//! Operations that move nothing go away, and those that follow each other become one.

use super::rewrite::Rewrite;
use crate::graph::resample::taps_at;
use crate::graph::{Graph, Node, Op, PadMode, Resize, Value};

/// Removes identities among reshapes, transposes, slices, paddings, resizes and concatenations, and merges
/// consecutive reshapes, transposes, slices and constant paddings.
pub fn remove_identities(graph: &Graph) -> Graph {
    let mut rewrite = Rewrite::new(graph);
    for (_, node) in graph.values() {
        match node.args.first().map(|&x| rewrite.get(x)) {
            Some(x) => movement(&mut rewrite, node, x),
            None => rewrite.keep(node),
        }
    }
    rewrite.finish()
}

fn movement(r: &mut Rewrite<'_>, node: &Node, x: Value) {
    let from = &r.new.ty(x).dims;
    if node.args.len() == 1 && *from == node.ty.dims && is_identity(&node.op, from) {
        return r.stand(x);
    }
    let inner = r.new.node(x);
    let merged = match (&node.op, inner.args.as_slice()) {
        (_, &[source]) if node.args.len() == 1 => merge(&inner.op, &node.op).map(|op| (op, source)),
        _ => None,
    };
    let Some((op, source)) = merged else {
        return match as_reshape(node, from) {
            true => {
                let value = r.push(Node { op: Op::Reshape, args: vec![x], ..node.clone() });
                r.stand(value);
            }
            false => r.keep(node),
        };
    };
    let from = &r.new.ty(source).dims;
    if *from == node.ty.dims && is_identity(&op, from) {
        return r.stand(source);
    }
    let value = r.push(Node { op, args: vec![source], ..node.clone() });
    r.stand(value);
}

/// Whether an operation whose result has its argument's axes gives it as it is.
fn is_identity(op: &Op, dims: &[u64]) -> bool {
    match op {
        Op::Reshape | Op::Concat { .. } | Op::PixelShuffle { .. } => true,
        Op::Transpose { perm } => perm.iter().copied().eq(0..perm.len()),
        // All elements of an axis in steps of 1 start at its first.
        Op::Slice { start, step } => {
            step.iter().zip(dims).all(|(&s, &n)| s == 1 || n == 1) && start.iter().all(|&s| s == 0)
        }
        Op::Pad { before, after, .. } => before.iter().chain(after).all(|&n| n == 0),
        Op::Resize(resize) => match dims {
            [.., h, w] => reads_itself(resize, 0, *h) && reads_itself(resize, 1, *w),
            _ => false,
        },
        _ => false,
    }
}

/// Whether each position of an axis reads itself alone.
fn reads_itself(resize: &Resize, axis: usize, n: u64) -> bool {
    (0..n).all(|o| {
        let taps = taps_at(resize, axis, n, n, o);
        matches!(taps.as_slice(), [tap] if tap.index == o && tap.weight == 1.0)
    })
}

/// Whether a transpose moves only axes of one element: the elements stay in their order.
fn as_reshape(node: &Node, from: &[u64]) -> bool {
    let Op::Transpose { perm } = &node.op else { return false };
    perm.iter().filter(|&&axis| from.get(axis).is_some_and(|&n| n != 1)).is_sorted()
}

/// One operation for `first` and then `second`.
fn merge(first: &Op, second: &Op) -> Option<Op> {
    match (first, second) {
        (Op::Reshape, Op::Reshape) => Some(Op::Reshape),
        (Op::Transpose { perm: inner }, Op::Transpose { perm }) => {
            let perm = perm.iter().map(|&axis| inner.get(axis).copied());
            Some(Op::Transpose { perm: perm.collect::<Option<_>>()? })
        }
        (Op::Slice { start: s1, step: t1 }, Op::Slice { start: s2, step: t2 }) => {
            let axes = s1.iter().zip(t1).zip(s2.iter().zip(t2));
            let merged = axes.map(|((&s1, &t1), (&s2, &t2))| {
                let start = i128::from(s1) + i128::from(s2) * i128::from(t1);
                Some((u64::try_from(start).ok()?, t1.checked_mul(t2)?))
            });
            let (start, step) = merged.collect::<Option<Vec<_>>>()?.into_iter().unzip();
            Some(Op::Slice { start, step })
        }
        (
            Op::Pad { before: b1, after: a1, mode: PadMode::Constant(v1) },
            Op::Pad { before: b2, after: a2, mode: PadMode::Constant(v2) },
        ) if v1.to_bits() == v2.to_bits() => {
            let sum = |a: &[u64], b: &[u64]| {
                a.iter().zip(b).map(|(a, b)| a.checked_add(*b)).collect::<Option<Vec<u64>>>()
            };
            Some(Op::Pad { before: sum(b1, b2)?, after: sum(a1, a2)?, mode: PadMode::Constant(*v1) })
        }
        _ => None,
    }
}
