//! Elementwise functions, computed in f64 and rounded once.
//!
//! The functions are `libm`'s, not the host's: the reference gives the same bits everywhere.

use super::number::{Number, View, wide};
use super::shape::{around, channel_axis, each_index, strides};
use crate::graph::{BinaryOp, UnaryOp};

/// [`crate::graph::Op::Unary`] of one element.
pub(super) fn unary<T: Number>(op: UnaryOp, x: T) -> T {
    let v = wide(x);
    let result = match op {
        UnaryOp::Neg => -v,
        UnaryOp::Abs => v.abs(),
        UnaryOp::Sign => match v.partial_cmp(&0.0) {
            Some(std::cmp::Ordering::Less) => -1.0,
            Some(std::cmp::Ordering::Equal) => 0.0,
            Some(std::cmp::Ordering::Greater) => 1.0,
            None => v,
        },
        UnaryOp::Sqrt => v.sqrt(),
        UnaryOp::Exp => libm::exp(v),
        UnaryOp::Log => libm::log(v),
        UnaryOp::Reciprocal => 1.0 / v,
        UnaryOp::Erf => libm::erf(v),
        UnaryOp::Relu => clamp(v, 0.0, f64::INFINITY),
        UnaryOp::Clamp { lo, hi } => clamp(v, wide(lo), wide(hi)),
        UnaryOp::LeakyRelu { slope } => leaky(v, wide(slope)),
        UnaryOp::Elu { alpha } => elu(v, wide(alpha)),
        UnaryOp::Selu { alpha, gamma } => wide(gamma) * elu(v, wide(alpha)),
        UnaryOp::Celu { alpha } => {
            let alpha = wide(alpha);
            if v > 0.0 { v } else { alpha * libm::expm1(v / alpha) }
        }
        // 1 + erf(z) = erfc(−z), which does not cancel for negative z.
        UnaryOp::Gelu => 0.5 * v * libm::erfc(-v * std::f64::consts::FRAC_1_SQRT_2),
        UnaryOp::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (v + 0.044715 * v * v * v);
            // (1 + tanh z) / 2 = sigmoid(2z)
            v * sigmoid(2.0 * inner)
        }
        UnaryOp::Silu => v * sigmoid(v),
        UnaryOp::Sigmoid => sigmoid(v),
        UnaryOp::Tanh => libm::tanh(v),
        UnaryOp::Softplus => softplus(v),
        UnaryOp::Softsign => v / (1.0 + v.abs()),
        UnaryOp::Mish => v * libm::tanh(softplus(v)),
        UnaryOp::HardSigmoid { alpha, beta } => clamp(wide(alpha) * v + wide(beta), 0.0, 1.0),
        UnaryOp::HardSwish => v * clamp(v / 6.0 + 0.5, 0.0, 1.0),
        UnaryOp::ThresholdedRelu { alpha } => {
            if v > wide(alpha) {
                v
            } else {
                0.0
            }
        }
    };
    T::round(result)
}

/// `min(max(v, lo), hi)`; NaN stays NaN.
fn clamp(v: f64, lo: f64, hi: f64) -> f64 {
    let v = if v < lo { lo } else { v };
    if v > hi { hi } else { v }
}

fn leaky(v: f64, slope: f64) -> f64 {
    if v >= 0.0 { v } else { slope * v }
}

fn elu(v: f64, alpha: f64) -> f64 {
    if v > 0.0 { v } else { alpha * libm::expm1(v) }
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-v))
}

/// `ln(1 + eᵛ)` without overflow.
fn softplus(v: f64) -> f64 {
    // `f64::max` would drop a NaN, but log1p keeps it.
    v.max(0.0) + libm::log1p(libm::exp(-v.abs()))
}

/// [`crate::graph::Op::Binary`] of two elements.
fn binary_of<T: Number>(op: BinaryOp, a: T, b: T) -> T {
    let (x, y) = (wide(a), wide(b));
    let result = match op {
        BinaryOp::Add => x + y,
        BinaryOp::Sub => x - y,
        BinaryOp::Mul => x * y,
        BinaryOp::Div => x / y,
        BinaryOp::Pow => libm::pow(x, y),
        BinaryOp::Min if x.is_nan() || x < y => x,
        BinaryOp::Min => y,
        BinaryOp::Max if x.is_nan() || x > y => x,
        BinaryOp::Max => y,
    };
    T::round(result)
}

/// [`crate::graph::Op::Binary`]: an axis of length 1, or one that is missing in front, is repeated.
pub(super) fn binary<T: Number>(
    op: BinaryOp,
    a: View<'_, T>,
    b: View<'_, T>,
    out: &mut [T],
    out_dims: &[usize],
) {
    if a.shape() == out_dims && b.shape() == out_dims {
        for ((out, &a), &b) in out.iter_mut().zip(a.data()).zip(b.data()) {
            *out = binary_of(op, a, b);
        }
        return;
    }
    let (a_strides, b_strides) = (repeating(a.shape(), out_dims), repeating(b.shape(), out_dims));
    let at =
        |index: &[usize], strides: &[usize]| index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>();
    let mut out = out.iter_mut();
    each_index(out_dims, |index| {
        if let Some(out) = out.next() {
            *out = binary_of(op, a.data()[at(index, &a_strides)], b.data()[at(index, &b_strides)]);
        }
    });
}

/// The strides of `dims` for an index of `out_dims`: 0 along repeated axes.
fn repeating(dims: &[usize], out_dims: &[usize]) -> Vec<usize> {
    let missing = out_dims.len() - dims.len();
    let own = dims.iter().zip(strides(dims)).map(|(&d, s)| if d == 1 { 0 } else { s });
    std::iter::repeat_n(0, missing).chain(own).collect()
}

/// Applies a function to each element and the number of its channel.
fn by_channel<T: Number>(x: View<'_, T>, out: &mut [T], f: impl Fn(usize, f64) -> f64) {
    let [_, channels, inner] = match x.shape() {
        [] => [1; 3],
        dims => around(dims, channel_axis(dims)),
    };
    for (plane, (x, out)) in x.data().chunks_exact(inner).zip(out.chunks_exact_mut(inner)).enumerate() {
        for (x, out) in x.iter().zip(out) {
            *out = T::round(f(plane % channels, wide(*x)));
        }
    }
}

/// [`crate::graph::Op::Prelu`]
pub(super) fn prelu<T: Number>(x: View<'_, T>, slope: View<'_, T>, out: &mut [T]) {
    let slope = slope.data();
    by_channel(x, out, |channel, v| leaky(v, wide(slope[if slope.len() == 1 { 0 } else { channel }])));
}

/// [`crate::graph::Op::BatchNorm`]; `per_channel` are scale, shift, mean and variance.
pub(super) fn batch_norm<T: Number>(eps: f32, x: View<'_, T>, per_channel: [View<'_, T>; 4], out: &mut [T]) {
    by_channel(x, out, |channel, v| {
        let [scale, shift, mean, variance] = per_channel.map(|p| wide(p.data()[channel]));
        (v - mean) / (variance + wide(eps)).sqrt() * scale + shift
    });
}
