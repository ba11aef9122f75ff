//! Norms, norm pools and gradients of groups become operations that the planner knows.
//!
//! What is one node in the graph as it was checked, so that it can be named and exported, is here a few
//! reductions with elementwise steps between them, which are fused later.

use super::compose::Compose;
use super::rewrite::Rewrite;
use crate::graph::shape::channel_axis;
use crate::graph::{
    BinaryOp, Border, Conv, Graph, Node, Op, Pads, Pool, PoolKind, ReduceKind, UnaryOp, Value, Window,
};

/// Replaces group and layer norms, local response norms, norm pools and the logarithm of a softmax.
pub fn expand(graph: &Graph) -> Graph {
    each(graph, expanded)
}

/// As [`expand`], but for the logarithm of a softmax, whose gradient is simpler as it is.
pub fn expand_norms(graph: &Graph) -> Graph {
    each(graph, |parts, node, x| match node.op {
        Op::LogSoftmax { .. } => None,
        _ => expanded(parts, node, x),
    })
}

fn each(graph: &Graph, expanded: impl Fn(&mut Compose<'_, '_, '_>, &Node, Value) -> Option<Value>) -> Graph {
    let mut rewrite = Rewrite::new(graph);
    for (_, node) in graph.values() {
        let mut parts = Compose::new(&mut rewrite, node);
        let value = parts.arg(0).and_then(|x| expanded(&mut parts, node, x));
        match value {
            Some(value) => parts.stand(value),
            None => rewrite.keep(node),
        }
    }
    rewrite.finish()
}

fn expanded(parts: &mut Compose<'_, '_, '_>, node: &Node, x: Value) -> Option<Value> {
    match &node.op {
        Op::GroupNorm { groups, eps } => group_norm(parts, x, *groups, *eps),
        Op::LayerNorm { axes, eps } => layer_norm(parts, x, *axes, *eps),
        Op::Lrn { size, alpha, beta, k } => lrn(parts, x, *size, [*alpha, *beta, *k]),
        Op::LogSoftmax { axis } => Some(log_softmax(parts, x, *axis)),
        Op::WeightGrad(conv) => grouped_weight_grad(parts, x, conv),
        Op::Pool(Pool { kind: PoolKind::Lp { p }, window }) => norm_pool(parts, x, *p, window),
        _ => None,
    }
}

/// A value less its mean over axes, and its standard deviation over them.
fn centred(parts: &mut Compose<'_, '_, '_>, x: Value, axes: &[usize], eps: f32) -> (Value, Value) {
    let mean = parts.reduce(ReduceKind::Mean, axes.to_vec(), x);
    let centred = parts.binary(BinaryOp::Sub, x, mean);
    // Not the mean square less the squared mean, which cancels where the mean is large.
    let square = parts.binary(BinaryOp::Mul, centred, centred);
    let variance = parts.reduce(ReduceKind::Mean, axes.to_vec(), square);
    let sum = parts.with_number(BinaryOp::Add, variance, eps);
    (centred, parts.unary(UnaryOp::Sqrt, sum))
}

fn group_norm(parts: &mut Compose<'_, '_, '_>, x: Value, groups: u64, eps: f32) -> Option<Value> {
    let dims = parts.ty(x).dims;
    let axis = channel_axis(dims.len())?;
    let (lead, rest) = dims.split_at_checked(axis)?;
    let (&channels, sides) = rest.split_first()?;
    let in_group = channels.checked_div(groups)?;
    let mut along = vec![channels];
    along.extend(sides.iter().map(|_| 1));
    let scale = parts.arg(1).map(|v| parts.reshape(v, along.clone()));
    let shift = parts.arg(2).map(|v| parts.reshape(v, along.clone()));

    // Channels of a group lie one after the other, so they are rows of one plane.
    let (rows, columns) = match sides {
        [h, w] => (in_group.checked_mul(*h)?, *w),
        _ => (in_group, 1),
    };
    let grouped: Vec<u64> = lead.iter().copied().chain([groups, rows, columns]).collect();
    let last = [grouped.len() - 2, grouped.len() - 1];
    let planes = parts.reshape(x, grouped);
    let (centred, deviation) = centred(parts, planes, &last, eps);
    let mut value = match scale {
        // The deviation is that of one channel: one factor for each.
        Some(scale) if in_group == 1 && sides.len() == 2 => {
            let factor = parts.binary(BinaryOp::Div, scale, deviation);
            parts.binary(BinaryOp::Mul, centred, factor)
        }
        _ => {
            let value = parts.binary(BinaryOp::Div, centred, deviation);
            let value = parts.reshape(value, dims.clone());
            match scale {
                Some(scale) => parts.binary(BinaryOp::Mul, value, scale),
                None => value,
            }
        }
    };
    if let Some(shift) = shift {
        value = parts.binary(BinaryOp::Add, value, shift);
    }
    Some(value)
}

fn layer_norm(parts: &mut Compose<'_, '_, '_>, x: Value, axes: usize, eps: f32) -> Option<Value> {
    let rank = parts.ty(x).dims.len();
    let axes: Vec<usize> = (rank.checked_sub(axes)?..rank).collect();
    let (centred, deviation) = centred(parts, x, &axes, eps);
    let mut value = parts.binary(BinaryOp::Div, centred, deviation);
    if let Some(scale) = parts.arg(1) {
        value = parts.binary(BinaryOp::Mul, value, scale);
    }
    if let Some(shift) = parts.arg(2) {
        value = parts.binary(BinaryOp::Add, value, shift);
    }
    Some(value)
}

/// The sum over neighbouring channels is a mean along the rows of a picture whose rows are the channels.
fn lrn(parts: &mut Compose<'_, '_, '_>, x: Value, size: u64, [alpha, beta, k]: [f32; 3]) -> Option<Value> {
    let ty = parts.ty(x);
    let [c, h, w] = ty.chw()?;
    let lead = ty.dims.len() - 3;
    let square = parts.binary(BinaryOp::Mul, x, x);
    let mut dims: Vec<u64> = ty.dims.iter().take(lead).copied().collect();
    dims.extend([1, c, h.checked_mul(w)?]);
    let picture = parts.reshape(square, dims.clone());
    // Channels farther than all there are make no difference.
    let before = (size.checked_sub(1)? / 2).min(c - 1);
    let after = (size - 1 - (size - 1) / 2).min(c - 1);
    let kernel = before + after + 1;
    let window = Window {
        kernel: [kernel, 1],
        stride: [1, 1],
        dilation: [1, 1],
        pad: Pads { top: before, bottom: after, left: 0, right: 0 },
    };
    let pool = Op::Pool(Pool { kind: PoolKind::Average { count_include_pad: true }, window });
    let picture_ty = parts.ty(picture);
    let mean = parts.op(pool, vec![picture], picture_ty);
    let mean = parts.reshape(mean, ty.dims.clone());
    let factor = f64::from(alpha) * kernel as f64 / size as f64;
    let scaled = parts.with_number(BinaryOp::Mul, mean, factor as f32);
    let base = parts.with_number(BinaryOp::Add, scaled, k);
    let divisor = power(parts, base, beta);
    Some(parts.binary(BinaryOp::Div, x, divisor))
}

/// `x` to a constant power; by square roots for those of known networks.
fn power(parts: &mut Compose<'_, '_, '_>, x: Value, exponent: f32) -> Value {
    if exponent == 1.0 {
        return x;
    }
    if exponent == 0.5 {
        return parts.unary(UnaryOp::Sqrt, x);
    }
    if exponent == 0.75 {
        let half = parts.unary(UnaryOp::Sqrt, x);
        let quarter = parts.unary(UnaryOp::Sqrt, half);
        return parts.binary(BinaryOp::Mul, half, quarter);
    }
    parts.with_number(BinaryOp::Pow, x, exponent)
}

fn log_softmax(parts: &mut Compose<'_, '_, '_>, x: Value, axis: usize) -> Value {
    let largest = parts.reduce(ReduceKind::Max, vec![axis], x);
    let difference = parts.binary(BinaryOp::Sub, x, largest);
    let powers = parts.unary(UnaryOp::Exp, difference);
    let sum = parts.reduce(ReduceKind::Sum, vec![axis], powers);
    let log = parts.unary(UnaryOp::Log, sum);
    parts.binary(BinaryOp::Sub, difference, log)
}

fn norm_pool(parts: &mut Compose<'_, '_, '_>, x: Value, p: u32, window: &Window) -> Option<Value> {
    let (ty, out) = (parts.ty(x), parts.node.ty.clone());
    let ([_, h, w], [_, oh, ow]) = (ty.chw()?, out.chw()?);
    let powers = match p {
        1 => parts.unary(UnaryOp::Abs, x),
        _ => whole_power(parts, x, p),
    };
    let sum = if window.kernel == [h, w] && [oh, ow] == [1, 1] && window.pad == Pads::default() {
        let rank = ty.dims.len();
        parts.reduce(ReduceKind::Sum, vec![rank - 2, rank - 1], powers)
    } else {
        let [kh, kw] = window.kernel;
        let taps = parts.constant(vec![kh, kw], vec![1.0; usize::try_from(kh.checked_mul(kw)?).ok()?]);
        // Where the shape was rounded up the last windows reach farther, to more zeros, or one that would begin
        // behind the input is left out.
        let mut window = *window;
        window.pad.bottom = reach(&window, 0, h, oh)?;
        window.pad.right = reach(&window, 1, w, ow)?;
        parts.op(Op::Filter(window, Border::Zero), vec![powers, taps], out)
    };
    if !p.is_power_of_two() {
        return Some(parts.with_number(BinaryOp::Pow, sum, (1.0 / f64::from(p)) as f32));
    }
    Some((0..p.trailing_zeros()).fold(sum, |value, _| parts.unary(UnaryOp::Sqrt, value)))
}

/// How far behind the axis the last window ends.
fn reach(window: &Window, axis: usize, n: u64, out: u64) -> Option<u64> {
    let start = out.checked_sub(1)?.checked_mul(window.stride[axis])?;
    let end = start.checked_add(window.effective(axis))?;
    Some(end.saturating_sub(window.pad.before(axis).checked_add(n)?))
}

/// `|x|^p` for p above 1, by squaring: a rounding error of p half units at the most.
fn whole_power(parts: &mut Compose<'_, '_, '_>, x: Value, p: u32) -> Value {
    let square = parts.binary(BinaryOp::Mul, x, x);
    let (mut even, mut factor, mut left) = (None, square, p / 2);
    while left > 0 {
        if left % 2 == 1 {
            even = Some(even.map_or(factor, |even| parts.binary(BinaryOp::Mul, even, factor)));
        }
        left /= 2;
        if left > 0 {
            factor = parts.binary(BinaryOp::Mul, factor, factor);
        }
    }
    let even = even.unwrap_or(square);
    if p.is_multiple_of(2) {
        return even;
    }
    let size = parts.unary(UnaryOp::Abs, x);
    parts.binary(BinaryOp::Mul, even, size)
}

/// Groups of several channels, one by one.
fn grouped_weight_grad(parts: &mut Compose<'_, '_, '_>, x: Value, conv: &Conv) -> Option<Value> {
    let dy = parts.arg(1)?;
    let (of_x, of_dy) = (parts.ty(x), parts.ty(dy));
    let ([c, ..], [o, ..]) = (of_x.chw()?, of_dy.chw()?);
    let (c_group, o_group) = (c.checked_div(conv.groups)?, o.checked_div(conv.groups)?);
    if conv.groups == 1 || (c_group, o_group) == (1, 1) {
        return None;
    }
    let of_group = |parts: &mut Compose<'_, '_, '_>, value: Value, group: u64, size: u64| {
        let mut ty = parts.ty(value);
        let axis = ty.dims.len().checked_sub(3)?;
        let mut start = vec![0; ty.dims.len()];
        *start.get_mut(axis)? = group * size;
        *ty.dims.get_mut(axis)? = size;
        let step = vec![1; ty.dims.len()];
        Some(parts.op(Op::Slice { start, step }, vec![value], ty))
    };
    let single = Op::WeightGrad(Conv { groups: 1, ..*conv });
    let mut ty = parts.node.ty.clone();
    *ty.dims.first_mut()? = o_group;
    let mut joined = Vec::new();
    for group in 0..conv.groups {
        let (x, dy) = (of_group(parts, x, group, c_group)?, of_group(parts, dy, group, o_group)?);
        joined.push(parts.op(single.clone(), vec![x, dy], ty.clone()));
    }
    let ty = parts.node.ty.clone();
    Some(parts.op(Op::Concat { axis: 0 }, joined, ty))
}
