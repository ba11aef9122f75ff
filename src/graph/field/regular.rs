//! Size, stride and start, carried forward through the graph.

use super::Extent;
use super::blocks::Blocks;
use super::pull::{is_global, is_swap, is_weight, last_step, last_two, sides};
use crate::graph::{Graph, Node, Op, Value, Window};

/// What a value sees of an input: along each axis regular, or `None` where it has to be pulled back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub local: Option<[Option<Extent>; 2]>,
    pub global: bool,
}

impl Reach {
    pub fn is_irregular(&self) -> bool {
        self.local.is_some_and(|axes| axes.iter().any(Option::is_none))
    }
}

/// For each node.
pub(super) fn reaches(graph: &Graph, input: Value) -> Vec<Option<Reach>> {
    let mut all: Vec<Option<Reach>> = Vec::with_capacity(graph.nodes.len());
    for (value, node) in graph.values() {
        let mut reach = (value == input).then(|| {
            let itself = [0, 1].map(|_| Some(Extent::Regular { size: 1, stride: 1, start: 0 }));
            Reach { local: Some(itself), global: false }
        });
        if let Some(blocks) = Blocks::behind(graph, node) {
            let from = all.get(blocks.of.index()).copied().flatten();
            all.push(from.map(|from| Reach { local: from.local.map(|axes| blocks.reach(axes)), ..from }));
            continue;
        }
        for (position, &arg) in node.args.iter().enumerate() {
            if is_weight(&node.op, position) {
                continue;
            }
            let Some(from) = all.get(arg.index()).copied().flatten() else { continue };
            let through = step(graph, value, node, arg, from);
            reach = Some(match reach {
                None => through,
                Some(known) => union(known, through),
            });
        }
        all.push(reach);
    }
    all
}

fn union(a: Reach, b: Reach) -> Reach {
    let local = match (a.local, b.local) {
        (Some(x), Some(y)) => Some([0, 1].map(|i| hull(x[i]?, y[i]?))),
        (x, y) => x.or(y),
    };
    Reach { local, global: a.global || b.global }
}

/// Both at once, where they move alike.
fn hull(a: Extent, b: Extent) -> Option<Extent> {
    let (Extent::Regular { size: n, stride, start: x }, Extent::Regular { size: m, stride: other, start: y }) =
        (a, b)
    else {
        return None;
    };
    let end = (x.saturating_add_unsigned(n)).max(y.saturating_add_unsigned(m));
    let start = x.min(y);
    (stride == other).then(|| Extent::Regular { size: end.abs_diff(start), stride, start })
}

fn step(graph: &Graph, value: Value, node: &Node, arg: Value, reach: Reach) -> Reach {
    if is_global(graph, node, arg) {
        return Reach { local: None, global: true };
    }
    let swap = is_swap(&node.op);
    let (have, size) = (sides(graph, value), sides(graph, arg));
    let local = reach.local.map(|axes| {
        [0, 1].map(|axis| {
            let from = if swap { 1 - axis } else { axis };
            let extent = along(node, axis, axes[from]?)?;
            // One position, seen by all.
            let spread = size[from] == 1 && have[axis] > 1;
            Some(match extent {
                Extent::Regular { size, start, .. } if spread && is_plain(&node.op) => {
                    Extent::Regular { size, stride: 0, start }
                }
                other => other,
            })
        })
    });
    Reach { local, global: reach.global }
}

/// Whether positions go one to one.
fn is_plain(op: &Op) -> bool {
    matches!(op, Op::Binary(_))
}

fn along(node: &Node, axis: usize, from: Extent) -> Option<Extent> {
    match &node.op {
        Op::Conv(conv) => windowed(&conv.window, axis, from),
        Op::Filter(window, _) => windowed(window, axis, from),
        Op::Pool(pool) => windowed(&pool.window, axis, from),
        Op::Slice { start, step } if start.len() >= 3 => match last_step(step, axis) {
            step @ 1.. => Some(strided(moved(from, last_two(start, axis)), step as u64)),
            _ => None,
        },
        Op::Pad { before, .. } if before.len() >= 3 => Some(moved(from, -last_two(before, axis))),
        Op::ConvTranspose(conv) if conv.window.stride[axis] == 1 => {
            let window = &conv.window;
            let reach = window.effective(axis) as i64 - 1;
            let before = window.pad.before(axis) as i64;
            Some(widened(moved(from, before - reach), reach as u64))
        }
        Op::PixelShuffle { factor: 1 } => Some(from),
        Op::Concat { axis: joined } => {
            let rank = node.ty.dims.len();
            let along_it = rank >= 3 && joined + 2 == rank + axis;
            (!along_it).then_some(from)
        }
        Op::ConvTranspose(_) | Op::Resize(_) | Op::PixelShuffle { .. } => None,
        _ => Some(from),
    }
}

/// Starting `by` positions later.
fn moved(extent: Extent, by: i64) -> Extent {
    match extent {
        Extent::Regular { size, stride, start } => {
            let step = i64::try_from(stride).unwrap_or(i64::MAX);
            Extent::Regular { size, stride, start: start.saturating_add(by.saturating_mul(step)) }
        }
        other => other,
    }
}

/// Stepping `by` times as far.
pub(super) fn strided(extent: Extent, by: u64) -> Extent {
    match extent {
        Extent::Regular { size, stride, start } => {
            Extent::Regular { size, stride: stride.saturating_mul(by), start }
        }
        other => other,
    }
}

/// Reaching over `more` positions more.
pub(super) fn widened(extent: Extent, more: u64) -> Extent {
    match extent {
        Extent::Regular { size, stride, start } => {
            Extent::Regular { size: size.saturating_add(more.saturating_mul(stride)), stride, start }
        }
        other => other,
    }
}

fn windowed(window: &Window, axis: usize, from: Extent) -> Option<Extent> {
    let before = window.pad.before(axis) as i64;
    let reached = widened(moved(from, -before), window.effective(axis) - 1);
    match reached {
        Extent::Regular { size, stride, start } => {
            Some(Extent::Regular { size, stride: stride.saturating_mul(window.stride[axis]), start })
        }
        other => Some(other),
    }
}
