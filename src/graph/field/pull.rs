//! Pulling an interval back through the graph.

use super::Interval;
use super::blocks::Blocks;
use crate::graph::resample::taps_at;
use crate::graph::{Border, Graph, Node, Op, PadMode, Pool, Value, Window};

/// What is needed of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Rows and columns needed through windows, within the value.
    pub local: Option<[Interval; 2]>,
    /// Whether a global layer needs all of it.
    pub global: bool,
}

/// What is needed of every value for the rows and columns `wanted` of one: `None` for values that it
/// does not depend on. Values with fewer than three axes have one row and one column.
pub fn pull(graph: &Graph, value: Value, wanted: [Interval; 2]) -> Vec<Option<Region>> {
    let mut regions: Vec<Option<Region>> = vec![None; graph.nodes.len()];
    if value.index() >= regions.len() {
        return regions;
    }
    regions[value.index()] = Some(Region { local: Some(wanted), global: false });
    for i in (0..=value.index()).rev() {
        let Some(region) = regions[i] else { continue };
        let node = &graph.nodes[i];
        if let Some(blocks) = Blocks::behind(graph, node) {
            let needed = Region { local: region.local.map(|wanted| blocks.seen(wanted)), ..region };
            join(&mut regions, blocks.of, needed);
            continue;
        }
        for (position, &arg) in node.args.iter().enumerate() {
            let Some(needed) = needed(graph, node, position, arg, region) else { continue };
            join(&mut regions, arg, needed);
        }
    }
    regions
}

/// Adds to what is needed of a value.
fn join(regions: &mut [Option<Region>], of: Value, needed: Region) {
    if let Some(slot) = regions.get_mut(of.index()) {
        *slot = Some(match *slot {
            None => needed,
            Some(known) => union(known, needed),
        });
    }
}

fn union(a: Region, b: Region) -> Region {
    let local = match (a.local, b.local) {
        (Some(x), Some(y)) => Some([x[0].hull(y[0]), x[1].hull(y[1])]),
        (x, y) => x.or(y),
    };
    Region { local, global: a.global || b.global }
}

/// Rows and columns of a value; one of each where it has fewer than three axes.
pub(super) fn sides(graph: &Graph, value: Value) -> [i64; 2] {
    match graph.nodes.get(value.index()).and_then(|n| n.ty.chw()) {
        Some([_, h, w]) => [h as i64, w as i64],
        None => [1, 1],
    }
}

/// Whether an argument holds weights rather than positions.
pub(super) fn is_weight(op: &Op, position: usize) -> bool {
    let data = match op {
        Op::Binary(_) | Op::Concat { .. } | Op::MatMul => usize::MAX,
        _ => 1,
    };
    position >= data
}

/// Whether an operation mixes all positions of its argument.
pub(super) fn is_global(graph: &Graph, node: &Node, arg: Value) -> bool {
    let Some(from) = graph.nodes.get(arg.index()) else { return false };
    let (rank, [h, w]) = (from.ty.dims.len(), sides(graph, arg));
    let spatial = |axis: usize| rank >= 3 && axis + 2 >= rank;
    let long = |axis: usize| from.ty.dims.get(axis).is_some_and(|&d| d > 1);
    match &node.op {
        Op::Reduce(_, axes) => axes.iter().any(|&a| spatial(a) && long(a)),
        Op::Softmax { axis } | Op::LogSoftmax { axis } => spatial(*axis) && long(*axis),
        Op::GroupNorm { .. } => rank >= 3 && h * w > 1,
        Op::LayerNorm { axes, .. } => (rank.saturating_sub(*axes)..rank).any(|a| spatial(a) && long(a)),
        Op::Linear => rank >= 3 && w > 1,
        // Rows of the left meet columns of the right: K elements of each are summed.
        Op::MatMul => {
            let summed = node.args.first().and_then(|&a| graph.nodes.get(a.index()));
            rank >= 3 && summed.and_then(|n| n.ty.dims.last()).is_some_and(|&k| k > 1)
        }
        Op::Reshape => {
            let same = rank >= 3 && node.ty.chw().is_some_and(|[_, oh, ow]| [oh as i64, ow as i64] == [h, w]);
            !same && h * w > 1
        }
        Op::Transpose { perm } => {
            let tail = [rank.wrapping_sub(2), rank.wrapping_sub(1)];
            rank >= 3
                && h * w > 1
                && perm.get(rank - 2..).is_none_or(|t| t != tail && t != [tail[1], tail[0]])
        }
        _ => false,
    }
}

fn needed(graph: &Graph, node: &Node, position: usize, arg: Value, region: Region) -> Option<Region> {
    if is_weight(&node.op, position) {
        return None;
    }
    if is_global(graph, node, arg) {
        return Some(Region { local: None, global: true });
    }
    let size = sides(graph, arg);
    let local = region.local.and_then(|wanted| {
        let wanted = if is_swap(&node.op) { [wanted[1], wanted[0]] } else { wanted };
        let h = along(graph, node, position, 0, wanted[0], size[0])?;
        let w = along(graph, node, position, 1, wanted[1], size[1])?;
        Some([h, w])
    });
    (local.is_some() || region.global).then_some(Region { local, global: region.global })
}

/// Whether an operation exchanges rows and columns.
pub(super) fn is_swap(op: &Op) -> bool {
    match op {
        Op::Transpose { perm } => matches!(perm.as_slice(), [.., _, a, b] if a > b && *a + 1 == perm.len()),
        _ => false,
    }
}

/// One axis of a local operation: what is needed of the `n` positions of an argument.
fn along(
    graph: &Graph,
    node: &Node,
    position: usize,
    axis: usize,
    wanted: Interval,
    n: i64,
) -> Option<Interval> {
    let whole = Interval { first: 0, last: n - 1 };
    match &node.op {
        Op::Conv(conv) => bordered(windowed(&conv.window, axis, wanted), conv.border, n),
        Op::Filter(window, border) => bordered(windowed(window, axis, wanted), *border, n),
        Op::Pool(Pool { window, .. }) => windowed(window, axis, wanted).meet(whole),
        Op::ConvTranspose(conv) => {
            let window = &conv.window;
            let (s, before) = (window.stride[axis] as i64, window.pad.before(axis) as i64);
            let reach = window.effective(axis) as i64 - 1;
            let first = (wanted.first + before - reach + s - 1).div_euclid(s);
            let last = (wanted.last + before).div_euclid(s);
            if first > last { None } else { Interval { first, last }.meet(whole) }
        }
        Op::Resize(resize) if resize.adjoint => Some(whole),
        Op::Resize(resize) => {
            let m = node.ty.chw().map_or(1, |chw| chw[1 + axis]);
            let ends = [wanted.first, wanted.last].map(|o| {
                let taps = taps_at(resize, axis, n as u64, m, o.max(0) as u64);
                let index = |t: Option<&crate::graph::resample::Tap>| t.map_or(0, |t| t.index as i64);
                Interval { first: index(taps.first()), last: index(taps.last()) }
            });
            Some(ends[0].hull(ends[1]))
        }
        Op::PixelShuffle { factor } => {
            let r = *factor as i64;
            Some(Interval { first: wanted.first.div_euclid(r), last: wanted.last.div_euclid(r) })
        }
        Op::Slice { start, step } if start.len() >= 3 => {
            let (offset, step) = (last_two(start, axis), last_step(step, axis));
            let ends = [offset + wanted.first * step, offset + wanted.last * step];
            Some(Interval { first: ends[0].min(ends[1]), last: ends[0].max(ends[1]) })
        }
        Op::Pad { before, mode, .. } if before.len() >= 3 => {
            let offset = last_two(before, axis);
            let border = match mode {
                PadMode::Constant(_) => Border::Zero,
                PadMode::Replicate => Border::Replicate,
                PadMode::Reflect => Border::Reflect,
                PadMode::Wrap => Border::Wrap,
            };
            bordered(Interval { first: wanted.first - offset, last: wanted.last - offset }, border, n)
        }
        Op::Concat { axis: joined } if joined + 2 == node.ty.dims.len() + axis && node.ty.dims.len() >= 3 => {
            let before = node.args.iter().take(position);
            let offset: i64 = before.map(|&a| sides(graph, a)[axis]).sum();
            Interval { first: wanted.first - offset, last: wanted.last - offset }.meet(whole)
        }
        // Position by position, a single one seen by all.
        _ if n == 1 => Some(Interval { first: 0, last: 0 }),
        _ => Some(wanted),
    }
}

/// The entry of a list of axes for the height or the width.
pub(super) fn last_two(axes: &[u64], axis: usize) -> i64 {
    let at = (axes.len() + axis).checked_sub(2);
    at.and_then(|i| axes.get(i)).map_or(0, |&v| v as i64)
}

/// As [`last_two`] of the steps of a slice; 1 where the axis is missing.
pub(super) fn last_step(steps: &[i64], axis: usize) -> i64 {
    let at = (steps.len() + axis).checked_sub(2);
    at.and_then(|i| steps.get(i)).copied().unwrap_or(1)
}

/// From the first tap of the first window to the last tap of the last, padding included.
fn windowed(window: &Window, axis: usize, wanted: Interval) -> Interval {
    let (s, before) = (window.stride[axis] as i64, window.pad.before(axis) as i64);
    let reach = window.effective(axis) as i64 - 1;
    Interval { first: wanted.first * s - before, last: wanted.last * s - before + reach }
}

/// What a border makes of positions outside of `0 .. n`.
fn bordered(seen: Interval, border: Border, n: i64) -> Option<Interval> {
    let whole = Interval { first: 0, last: n - 1 };
    let (under, over) = (seen.first < 0, seen.last >= n);
    match border {
        Border::Zero => seen.meet(whole),
        Border::Replicate => {
            Some(Interval { first: seen.first.clamp(0, n - 1), last: seen.last.clamp(0, n - 1) })
        }
        Border::Wrap if under || over => Some(whole),
        Border::Wrap => Some(seen),
        Border::Reflect => {
            let mut out = seen.meet(whole);
            let mut add = |interval: Interval| {
                let inside = interval.meet(whole);
                out = match (out, inside) {
                    (Some(a), Some(b)) => Some(a.hull(b)),
                    (a, b) => a.or(b),
                };
            };
            if under {
                add(Interval { first: -seen.last.min(-1), last: -seen.first });
            }
            if over {
                let end = 2 * (n - 1);
                add(Interval { first: end - seen.last, last: end - seen.first.max(n) });
            }
            out
        }
    }
}
