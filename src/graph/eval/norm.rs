//! Norms by a value's own statistics, in f64 throughout.

use super::number::{Number, View, wide};
use super::shape::{around, channel_axis};

/// [`crate::graph::Op::GroupNorm`]; `affine` are the scale and the shift, as far as there are any.
pub(super) fn group_norm<T: Number>(
    groups: u64,
    eps: f32,
    x: View<'_, T>,
    affine: &[View<'_, T>],
    out: &mut [T],
) {
    let [outer, channels, inner] = around(x.shape(), channel_axis(x.shape()));
    let len = channels / groups as usize * inner;
    let parts = x.data().chunks_exact(len).zip(out.chunks_exact_mut(len)).enumerate();
    for (part, (x, out)) in parts.take(outer * groups as usize) {
        // Where a group's channels start among all.
        let first = part % groups as usize * (len / inner);
        standardise(eps, x, out, |i, value| transformed(affine, first + i / inner, value));
    }
}

/// [`crate::graph::Op::LayerNorm`]
pub(super) fn layer_norm<T: Number>(
    axes: usize,
    eps: f32,
    x: View<'_, T>,
    affine: &[View<'_, T>],
    out: &mut [T],
) {
    let rank = x.shape().len();
    let len: usize = x.shape()[rank - axes..].iter().product();
    for (x, out) in x.data().chunks_exact(len).zip(out.chunks_exact_mut(len)) {
        standardise(eps, x, out, |i, value| transformed(affine, i, value));
    }
}

/// Subtracts the mean and divides by the deviation, then applies `then` to each position's value.
fn standardise<T: Number>(eps: f32, x: &[T], out: &mut [T], then: impl Fn(usize, f64) -> f64) {
    let count = x.len() as f64;
    let mean = x.iter().map(|&v| wide(v)).sum::<f64>() / count;
    let variance = x.iter().map(|&v| (wide(v) - mean).powi(2)).sum::<f64>() / count;
    let deviation = (variance + wide(eps)).sqrt();
    for (i, (out, &x)) in out.iter_mut().zip(x).enumerate() {
        *out = T::round(then(i, (wide(x) - mean) / deviation));
    }
}

/// A value times the scale plus the shift at `i`.
fn transformed<T: Number>(affine: &[View<'_, T>], i: usize, value: f64) -> f64 {
    let at = |part: usize| affine.get(part).map(|t| wide(t.data()[i]));
    value * at(0).unwrap_or(1.0) + at(1).unwrap_or(0.0)
}

/// The settings of a local response normalisation.
#[derive(Clone, Copy)]
pub(super) struct Response {
    pub(super) size: u64,
    pub(super) alpha: f32,
    pub(super) beta: f32,
    pub(super) k: f32,
}

/// [`crate::graph::Op::Lrn`]
pub(super) fn lrn<T: Number>(of: Response, x: View<'_, T>, out: &mut [T]) {
    let [_, channels, inner] = around(x.shape(), channel_axis(x.shape()));
    let before = ((of.size - 1) / 2) as usize;
    let after = (of.size - 1) as usize - before;
    let (alpha, beta, k) = (wide(of.alpha), wide(of.beta), wide(of.k));
    let sample = channels * inner;
    for (x, out) in x.data().chunks_exact(sample).zip(out.chunks_exact_mut(sample)) {
        for (i, out) in out.iter_mut().enumerate() {
            let (c, at) = (i / inner, i % inner);
            let window = c.saturating_sub(before)..c.saturating_add(after).saturating_add(1).min(channels);
            let squares: f64 = window.map(|c| wide(x[c * inner + at]).powi(2)).sum();
            let base = k + alpha / of.size as f64 * squares;
            *out = T::round(wide(x[i]) / libm::pow(base, beta));
        }
    }
}
