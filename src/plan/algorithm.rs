//! Which algorithm computes a convolution, and in which layout values are made.

use super::LayoutKind;
use super::copies::{concat_keeps_blocks, slice_keeps_blocks};
use super::dims::dims4;
use super::stencil::{COLUMNS, TAPS};
use crate::graph::{Graph, Node, Op, Value};
use crate::kernels::ir::LANES;

/// From how many channels on blocks of 8 are worth their padding lanes.
const BLOCKED_FROM: u64 = 8;

/// How a convolution, a filter or a linear layer is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Tiles of pixels × output channel blocks; the input blocked or, with few channels, planar.
    Contract(LayoutKind),
    /// Products of matrices of several rows.
    MatMul,
    /// Vectors along rows of planar buffers.
    Planar,
    /// Each channel by itself, in the layout of the input.
    Depthwise(LayoutKind),
}

/// The algorithm of a node, for nodes that have weights or taps, and why.
pub(crate) fn algorithm(graph: &Graph, value: Value, kinds: &[LayoutKind]) -> Option<(Algorithm, String)> {
    let node = graph.node(value);
    let x = *node.args.first()?;
    let kind = kinds.get(x.index()).copied().unwrap_or(LayoutKind::Planar);
    let in_channels = dims4(graph.ty(x))[1];
    let features = graph.ty(x).dims.last().copied().unwrap_or(1);
    let out_channels = dims4(&node.ty)[1];
    let groups = match &node.op {
        Op::Filter(..) => {
            return Some((Algorithm::Depthwise(kind), "taps are shared by all channels".into()));
        }
        Op::Linear => {
            let rows = graph.ty(x).elements() / features.max(1);
            // Channels of a picture of one pixel are the last axis only up to two axes.
            if rows > 1 || graph.ty(x).dims.len() > 2 {
                return Some((Algorithm::MatMul, format!("{rows} rows of {features} features")));
            }
            let why = format!("{features} features into blocks of {LANES} outputs");
            return Some((Algorithm::Contract(LayoutKind::Planar), why));
        }
        Op::Conv(conv) => conv.groups,
        Op::ConvTranspose(conv) => conv.groups,
        _ => return None,
    };
    let (c, o) = (in_channels / groups, out_channels / groups);
    let lanes = LANES as u64;
    if groups > 1 && c == 1 && o == 1 && matches!(node.op, Op::Conv(_)) {
        return Some((Algorithm::Depthwise(kind), "one channel a group".into()));
    }
    if groups > 1 {
        return Some(if c.is_multiple_of(lanes) && o.is_multiple_of(lanes) {
            let why = format!("{groups} groups of {c} to {o} channels are whole blocks");
            (Algorithm::Contract(LayoutKind::Blocked), why)
        } else {
            (Algorithm::Planar, format!("{groups} groups of {c} to {o} channels are not whole blocks"))
        });
    }
    Some(if c == 1 && only_seen_outside(graph, value) {
        (
            Algorithm::Planar,
            format!("the caller's planes of {o} channels are made as they are, from one plane"),
        )
    } else if between_planes(graph, value) {
        (Algorithm::Planar, format!("{c} to {o} channels, from the caller's planes to the caller's planes"))
    } else if o < BLOCKED_FROM && c < BLOCKED_FROM {
        (Algorithm::Planar, format!("{c} to {o} channels fill no block"))
    } else if c < BLOCKED_FROM {
        (Algorithm::Contract(LayoutKind::Planar), format!("{c} input channels are read from planes"))
    } else {
        (Algorithm::Contract(LayoutKind::Blocked), format!("{c} to {o} channels in blocks"))
    })
}

/// Whether a convolution's sums, or what elementwise functions make of them, go to the caller alone: there nobody
/// wants blocks, and in one channel there is nothing to sum that blocks are good for. Only of windows that read
/// adjacent columns of long rows.
fn only_seen_outside(graph: &Graph, value: Value) -> bool {
    let node = graph.node(value);
    let Op::Conv(conv) = &node.op else { return false };
    let [_, _, _, width] = dims4(&node.ty);
    let taps = conv.window.kernel[0] * conv.window.kernel[1];
    conv.window.stride[1] == 1 && taps <= TAPS as u64 && width >= COLUMNS && goes_outside(graph, value)
}

/// Pixels from which on a last vector that is not full matters little.
const PIXELS: u64 = 1024;
/// What the sets of a first-level cache repeat after, in bytes, and in how many places of it planes must begin at the
/// least: a sum reads every plane, and those of 32×32 or 64×64 pixels all begin in one.
const SETS_BYTES: u64 = 4096;
const PLACES: u64 = 8;

/// Whether a 1×1 convolution reads planes of the caller and is made for the caller alone: then it is a product of
/// matrices in planes, and a conversion into blocks and back would only be added to it. Not where planes fall on each other in
/// the caches.
fn between_planes(graph: &Graph, value: Value) -> bool {
    let node = graph.node(value);
    let Op::Conv(conv) = &node.op else { return false };
    let window = &conv.window;
    let [_, _, height, width] = dims4(&node.ty);
    let same_pixels = |x: &Value| dims4(graph.ty(*x))[2..] == [height, width];
    let outside = |x: &Value| matches!(graph.node(*x).op, Op::Input(_)) && same_pixels(x);
    window.kernel == [1, 1]
        && window.stride == [1, 1]
        && height * width >= PIXELS
        && !(4 * height * width).is_multiple_of(2 * SETS_BYTES / PLACES)
        && node.args.first().is_some_and(outside)
        && goes_outside(graph, value)
}

/// Whether a value, or what elementwise functions make of it, goes to the caller alone.
fn goes_outside(graph: &Graph, mut value: Value) -> bool {
    loop {
        let mut readers = graph.values().filter(|(_, reader)| reader.args.contains(&value));
        let seen = graph.outputs.iter().any(|output| output.value == value);
        match (readers.next(), readers.next(), seen) {
            (None, None, seen) => return seen,
            (Some((next, Node { op: Op::Unary(_), .. })), None, false) => value = next,
            _ => return false,
        }
    }
}

/// The layout in which each value is made.
pub(crate) fn layout_kinds(graph: &Graph) -> Vec<LayoutKind> {
    let mut kinds = Vec::with_capacity(graph.nodes.len());
    for (value, _) in graph.values() {
        kinds.push(layout_kind(graph, value, &kinds));
    }
    kinds
}

fn layout_kind(graph: &Graph, value: Value, kinds: &[LayoutKind]) -> LayoutKind {
    let node = graph.node(value);
    use LayoutKind::{Blocked, Planar};
    let of = |value: &Value| kinds.get(value.index()).copied().unwrap_or(Planar);
    let first = node.args.first().map_or(Planar, of);
    match &node.op {
        Op::Conv(_) | Op::Filter(..) | Op::ConvTranspose(_) | Op::Linear => {
            match algorithm(graph, value, kinds) {
                Some((Algorithm::Contract(_), _)) => Blocked,
                Some((Algorithm::Depthwise(kind), _)) => kind,
                _ => Planar,
            }
        }
        Op::Pool(_) => first,
        Op::Reduce(_, axes) => {
            let rank = graph.ty(node.args[0]).dims.len();
            let spatial = rank >= 3 && axes.iter().all(|&a| a + 2 >= rank);
            if spatial { first } else { Planar }
        }
        Op::Unary(_) | Op::Prelu => first,
        Op::MaxPoolGrad(_) => Blocked,
        Op::Binary(_) => {
            let dims = dims4(&node.ty);
            let whole = |v: &&Value| dims4(graph.ty(**v)) == dims && of(v) == Blocked;
            if node.args.iter().any(|v| whole(&v)) { Blocked } else { Planar }
        }
        Op::Concat { axis } => {
            let blocks = node.args.iter().all(|v| of(v) == Blocked);
            if blocks && concat_keeps_blocks(graph, node, *axis) { Blocked } else { Planar }
        }
        Op::Slice { start, step } => {
            let x = &graph.ty(node.args[0]).dims;
            if slice_keeps_blocks(x, start, step, &node.ty.dims) { first } else { Planar }
        }
        Op::Pad { .. } => {
            // Blocks can be framed along rows and columns only.
            let x = dims4(graph.ty(node.args[0]));
            let rank = node.ty.dims.len();
            if rank >= 3 && x[..2] == dims4(&node.ty)[..2] { first } else { Planar }
        }
        Op::Input(_)
        | Op::Const(_)
        | Op::Param(_)
        | Op::BatchNorm { .. }
        | Op::GroupNorm { .. }
        | Op::LayerNorm { .. }
        | Op::Lrn { .. }
        | Op::LogSoftmax { .. }
        | Op::MatMul
        | Op::Softmax { .. }
        | Op::Resize(_)
        | Op::PixelShuffle { .. }
        | Op::Reshape
        | Op::Expand
        | Op::WeightGrad(_)
        | Op::Transpose { .. } => Planar,
    }
}
