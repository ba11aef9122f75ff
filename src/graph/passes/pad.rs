//! A padding of rows and columns becomes that of the window after it.

use super::rewrite::Rewrite;
use crate::graph::shape::infer::infer;
use crate::graph::{Border, Conv, Graph, Node, Op, PadMode, Pads, Pool, PoolKind, Type, Window};

/// Folds paddings that only one convolution, filter or pool reads into it, where what they add is what the
/// window assumes around its input.
pub fn fold_pad(graph: &Graph) -> Graph {
    let uses = graph.uses();
    let mut rewrite = Rewrite::new(graph);
    for (_, node) in graph.values() {
        let Some((&x, rest)) = node.args.split_first() else {
            rewrite.keep(node);
            continue;
        };
        let pad = graph.node(x);
        let source = pad.args.first().copied();
        let op = if uses[x.index()] == 1 { folded(graph, node, pad) } else { None };
        match (op, source) {
            (Some(op), Some(source)) => {
                let args = std::iter::once(source).chain(rest.iter().copied());
                let args = args.map(|a| rewrite.get(a)).collect();
                let value = rewrite.push(Node { op, args, ..node.clone() });
                rewrite.stand(value);
            }
            _ => rewrite.keep(node),
        }
    }
    rewrite.finish()
}

/// The operation on what was padded.
fn folded(graph: &Graph, node: &Node, pad: &Node) -> Option<Op> {
    let Op::Pad { before, after, mode } = &pad.op else { return None };
    let (top, left) = last_two(before)?;
    let (bottom, right) = last_two(after)?;
    let sides = Pads { top, bottom, left, right };
    let op = with_pads(&node.op, sides, *mode)?;
    // The rules of shapes have the last word: a window may not see padding alone, a border has its limits.
    let source = pad.args.first().map(|&x| graph.ty(x))?;
    let args: Vec<&Type> =
        std::iter::once(source).chain(node.args.iter().skip(1).map(|&a| graph.ty(a))).collect();
    infer(&op, &args, &node.ty).ok().filter(|ty| *ty == node.ty).map(|_| op)
}

/// The paddings of rows and columns, if no other axis is padded.
fn last_two(pads: &[u64]) -> Option<(u64, u64)> {
    match pads {
        [others @ .., h, w] if others.iter().all(|&n| n == 0) => Some((*h, *w)),
        _ => None,
    }
}

fn with_pads(op: &Op, sides: Pads, mode: PadMode) -> Option<Op> {
    match op {
        Op::Conv(conv) => {
            let (window, border) = bordered(conv.window, conv.border, sides, mode)?;
            Some(Op::Conv(Conv { window, border, ..*conv }))
        }
        Op::Filter(window, border) => {
            let (window, border) = bordered(*window, *border, sides, mode)?;
            Some(Op::Filter(window, border))
        }
        Op::Pool(pool) => {
            let PadMode::Constant(value) = mode else { return None };
            let unpadded = pool.window.pad == Pads::default();
            let kind = match pool.kind {
                PoolKind::Max if value == f32::NEG_INFINITY => pool.kind,
                PoolKind::Lp { .. } | PoolKind::Average { count_include_pad: true } if value == 0.0 => {
                    pool.kind
                }
                // What the padding added did count.
                PoolKind::Average { count_include_pad: false } if value == 0.0 && unpadded => {
                    PoolKind::Average { count_include_pad: true }
                }
                _ => return None,
            };
            Some(Op::Pool(Pool { kind, window: widened(pool.window, sides)? }))
        }
        _ => None,
    }
}

/// A window with its border over the unpadded value.
fn bordered(window: Window, border: Border, sides: Pads, mode: PadMode) -> Option<(Window, Border)> {
    let unpadded = window.pad == Pads::default();
    let own = match mode {
        PadMode::Constant(0.0) => Border::Zero,
        PadMode::Constant(_) => return None,
        PadMode::Replicate => Border::Replicate,
        PadMode::Reflect => Border::Reflect,
        PadMode::Wrap => Border::Wrap,
    };
    // Zeros around zeros are zeros; other borders repeat the padded value, not the value.
    if !unpadded && (own != Border::Zero || border != Border::Zero) {
        return None;
    }
    Some((widened(window, sides)?, own))
}

fn widened(window: Window, sides: Pads) -> Option<Window> {
    let pad = Pads {
        top: window.pad.top.checked_add(sides.top)?,
        bottom: window.pad.bottom.checked_add(sides.bottom)?,
        left: window.pad.left.checked_add(sides.left)?,
        right: window.pad.right.checked_add(sides.right)?,
    };
    Some(Window { pad, ..window })
}
