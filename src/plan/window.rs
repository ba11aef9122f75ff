//! Windows as lists of taps, the halos they need, and pooling.

use super::build::{Builder, PlanError};
use super::fuse::Group;
use super::task::{self, TaskKind};
use super::values::Form;
use super::winograd::Choice;
use super::{Fill, Halo, Layout, LayoutKind};
use crate::graph::{self, Border, Graph, Node, Op, PoolKind, Value, Window};

/// The offsets of a window's taps from `(y·sy, x·sx)`, row by row.
pub(super) fn taps(window: &Window) -> Result<Vec<(i32, i32)>, PlanError> {
    let offsets = |axis: usize| -> Result<Vec<i32>, PlanError> {
        let before = window.pad.before(axis) as i64;
        let at = |i: u64| i32::try_from(i as i64 * window.dilation[axis] as i64 - before);
        (0..window.kernel[axis]).map(at).collect::<Result<_, _>>().map_err(|_| PlanError::TooFar)
    };
    let (rows, columns) = (offsets(0)?, offsets(1)?);
    Ok(rows.iter().flat_map(|&y| columns.iter().map(move |&x| (y, x))).collect())
}

/// The halo that `count` outputs under taps and strides need around an input of height and width `size`.
pub(crate) fn halo(
    taps: &[(i32, i32)],
    stride: [u64; 2],
    count: [u64; 2],
    size: [u64; 2],
    fill: Fill,
) -> Halo {
    let reach = |axis: usize| -> (u32, u32) {
        let of = |tap: &(i32, i32)| i64::from(if axis == 0 { tap.0 } else { tap.1 });
        let first = taps.iter().map(of).min().unwrap_or(0);
        let last = taps.iter().map(of).max().unwrap_or(0);
        let last = (count[axis].saturating_sub(1) * stride[axis]) as i64 + last;
        let before = (-first).max(0);
        let after = (last - (size[axis] as i64 - 1)).max(0);
        (before as u32, after as u32)
    };
    let ((top, bottom), (left, right)) = (reach(0), reach(1));
    let halo = Halo { top, bottom, left, right, fill };
    if halo.is_none() { Halo::NONE } else { halo }
}

impl Border {
    pub(super) fn fill(self) -> Fill {
        match self {
            Border::Zero => Fill::Zero,
            Border::Replicate => Fill::Replicate,
            Border::Reflect => Fill::Reflect,
            Border::Wrap => Fill::Wrap,
        }
    }
}

/// The halo that a node wants around its first argument; none for nodes without a window. `winograd` is how
/// Winograd's filtering computes it, which reads whole tiles.
pub(super) fn wanted_halo(graph: &Graph, node: &Node, winograd: Option<&Choice>) -> Result<Halo, PlanError> {
    let (window, fill) = match &node.op {
        Op::Conv(conv) => (&conv.window, conv.border.fill()),
        Op::Filter(window, border) => (window, border.fill()),
        Op::Pool(pool) => (&pool.window, pool_fill(pool.kind)),
        Op::WeightGrad(conv) => (&conv.window, Fill::Zero),
        Op::MaxPoolGrad(window) => (window, Fill::NegInfinity),
        Op::ConvTranspose(conv) => return super::transposed::transposed_halo(graph, node, conv, winograd),
        _ => return Ok(Halo::NONE),
    };
    let windows = match (&node.op, node.args.as_slice()) {
        (Op::WeightGrad(_) | Op::MaxPoolGrad(_), &[_, dy]) => graph.ty(dy),
        _ => &node.ty,
    };
    let (Some([_, h, w]), Some([_, oh, ow])) =
        (node.args.first().and_then(|x| graph.ty(*x).chw()), windows.chw())
    else {
        return Err(PlanError::Bug("a window on a value without rows and columns"));
    };
    let count = winograd.map_or([oh, ow], |choice| choice.covered([oh, ow]));
    Ok(halo(&taps(window)?, window.stride, count, [h, w], fill))
}

fn pool_fill(kind: PoolKind) -> Fill {
    match kind {
        PoolKind::Max => Fill::NegInfinity,
        PoolKind::Average { .. } | PoolKind::Lp { .. } => Fill::Zero,
    }
}

/// For each output position along an axis, how many of its taps count in a mean.
fn counted(window: &Window, axis: usize, n: u64, out: u64, include_pad: bool) -> Vec<u32> {
    let (before, after) = (window.pad.before(axis) as i64, window.pad.after(axis) as i64);
    let (from, to) = if include_pad { (-before, n as i64 + after) } else { (0, n as i64) };
    let count = |o: u64| {
        let start = (o * window.stride[axis]) as i64 - before;
        let at = |i: u64| start + (i * window.dilation[axis]) as i64;
        (0..window.kernel[axis]).filter(|&i| (from..to).contains(&at(i))).count() as u32
    };
    (0..out).map(count).collect()
}

impl Builder<'_> {
    /// The first argument in a layout kind with the halo that the node wants.
    pub(super) fn framed(&mut self, node: &Node, kind: LayoutKind) -> Result<super::BufferId, PlanError> {
        self.framed_for(node, kind, None)
    }

    /// As [`Self::framed`], with the halo of whole tiles.
    pub(super) fn framed_for(
        &mut self,
        node: &Node,
        kind: LayoutKind,
        winograd: Option<&Choice>,
    ) -> Result<super::BufferId, PlanError> {
        let halo = wanted_halo(self.graph, node, winograd)?;
        let x = node.args[0];
        let dims = super::dims::dims4(self.graph.ty(x));
        self.values.need(x, Form { dims, layout: Layout { kind, halo }, exact: false })
    }

    pub(super) fn pool(&mut self, root: Value, pool: &graph::Pool, group: &Group) -> Result<(), PlanError> {
        let graph = self.graph;
        let node = graph.node(root);
        let kind = self.kinds[root.index()];
        let (Some([_, h, w]), Some([_, oh, ow])) = (graph.ty(node.args[0]).chw(), node.ty.chw()) else {
            return Err(PlanError::Bug("a pool on a value without rows and columns"));
        };
        let x = self.framed(node, kind)?;
        let include = matches!(pool.kind, PoolKind::Average { count_include_pad: true });
        let (rows, cols) = match pool.kind {
            PoolKind::Max => (Vec::new(), Vec::new()),
            PoolKind::Lp { .. } => return Err(PlanError::Bug("a norm pool is left in the optimised graph")),
            PoolKind::Average { .. } => {
                (counted(&pool.window, 0, h, oh, include), counted(&pool.window, 1, w, ow, include))
            }
        };
        let task = task::Pool {
            x,
            kind: pool.kind,
            taps: taps(&pool.window)?,
            stride: strides(pool.window.stride)?,
            rows,
            cols,
            epilogue: self.epilogue(group, root, kind)?,
        };
        self.make(group, kind, TaskKind::Pool(task), "one window at a time".to_owned())
    }
}

/// Strides as tasks hold them.
pub(super) fn strides(stride: [u64; 2]) -> Result<[u32; 2], PlanError> {
    let of = |s: u64| u32::try_from(s).map_err(|_| PlanError::TooFar);
    Ok([of(stride[0])?, of(stride[1])?])
}
