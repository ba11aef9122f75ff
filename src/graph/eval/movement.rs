//! Operations that move elements, and the resize.

use super::border;
use super::number::{Number, View, wide};
use super::shape::{around, each_index, planes, strides};
use crate::graph::resample::{Tap, extrapolation, taps};
use crate::graph::{Border, PadMode, Resize};

/// [`crate::graph::Op::Concat`]
pub(super) fn concat<T: Number>(axis: usize, parts: &[View<'_, T>], out: &mut [T], out_dims: &[usize]) {
    let [_, len, inner] = around(out_dims, axis);
    let mut start = 0;
    for part in parts {
        let length = part.shape()[axis] * inner;
        for (x, out) in part.data().chunks_exact(length).zip(out.chunks_exact_mut(len * inner)) {
            out[start..start + length].copy_from_slice(x);
        }
        start += length;
    }
}

/// [`crate::graph::Op::Slice`]
pub(super) fn slice<T: Number>(
    start: &[u64],
    step: &[i64],
    x: View<'_, T>,
    out: &mut [T],
    out_dims: &[usize],
) {
    let axes = out_dims.iter().zip(start.iter().zip(step)).map(|(&n, (&start, &step))| {
        (0..n as i64).map(|i| usize::try_from(start as i64 + i * step).ok()).collect()
    });
    pick(&axes.collect::<Vec<_>>(), T::of(0.0), x, out);
}

/// [`crate::graph::Op::Pad`]
pub(super) fn pad<T: Number>(before: &[u64], after: &[u64], mode: PadMode, x: View<'_, T>, out: &mut [T]) {
    let (border, fill) = match mode {
        PadMode::Constant(fill) => (Border::Zero, fill),
        PadMode::Replicate => (Border::Replicate, 0.0),
        PadMode::Reflect => (Border::Reflect, 0.0),
        PadMode::Wrap => (Border::Wrap, 0.0),
    };
    let sides = before.iter().zip(after);
    let axes = x.shape().iter().zip(sides).map(|(&n, (&b, &a))| border::table(n, b, a, border));
    pick(&axes.collect::<Vec<_>>(), T::of(fill), x, out);
}

/// Each output element is the element of `x` that its axes' tables name, or `fill`.
fn pick<T: Number>(axes: &[Vec<Option<usize>>], fill: T, x: View<'_, T>, out: &mut [T]) {
    let strides = strides(x.shape());
    let dims: Vec<usize> = axes.iter().map(Vec::len).collect();
    let mut out = out.iter_mut();
    each_index(&dims, |index| {
        let at = index.iter().zip(axes).zip(&strides).map(|((&i, axis), s)| axis[i].map(|i| i * s));
        if let Some(out) = out.next() {
            *out = at.sum::<Option<usize>>().map_or(fill, |at| x.data()[at]);
        }
    });
}

/// [`crate::graph::Op::Transpose`]
pub(super) fn transpose<T: Number>(perm: &[usize], x: View<'_, T>, out: &mut [T], out_dims: &[usize]) {
    let strides = strides(x.shape());
    let strides: Vec<usize> = perm.iter().map(|&axis| strides[axis]).collect();
    let mut out = out.iter_mut();
    each_index(out_dims, |index| {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        if let Some(out) = out.next() {
            *out = x.data()[at];
        }
    });
}

/// [`crate::graph::Op::PixelShuffle`]
pub(super) fn pixel_shuffle<T: Number>(factor: u64, x: View<'_, T>, out: &mut [T]) {
    let r = factor as usize;
    let (samples, [channels, height, width]) = planes(x.shape());
    let (out_height, out_width) = (height * r, width * r);
    for (plane, x) in x.data().chunks_exact(height * width).enumerate().take(samples * channels) {
        let (out_plane, phase) = (plane / (r * r), plane % (r * r));
        let out = &mut out[out_plane * out_height * out_width..];
        for (at, &element) in x.iter().enumerate() {
            let (y, x) = (at / width, at % width);
            out[(y * r + phase / r) * out_width + x * r + phase % r] = element;
        }
    }
}

/// [`crate::graph::Op::Resize`]
pub(super) fn resize<T: Number>(op: &Resize, x: View<'_, T>, out: &mut [T], out_dims: &[usize]) {
    let (_, [_, height, width]) = planes(x.shape());
    let (_, [_, oh, ow]) = planes(out_dims);
    let rows = taps(op, 0, height as u64, oh as u64);
    let cols = taps(op, 1, width as u64, ow as u64);
    let element = |x: &[T], row: &Tap, col: &Tap| wide(x[row.index as usize * width + col.index as usize]);
    for (x, out) in x.data().chunks_exact(height * width).zip(out.chunks_exact_mut(oh * ow)) {
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(ow)) {
            for (col, out) in cols.iter().zip(out) {
                if row.is_empty() || col.is_empty() {
                    *out = T::of(extrapolation(op));
                    continue;
                }
                let line = |r: &Tap| r.weight * col.iter().map(|c| c.weight * element(x, r, c)).sum::<f64>();
                *out = T::round(row.iter().map(line).sum::<f64>());
            }
        }
    }
}

/// [`crate::graph::Op::Expand`]
pub(super) fn expand<T: Number>(x: View<'_, T>, out: &mut [T], out_dims: &[usize]) {
    let missing = out_dims.len() - x.shape().len();
    let strides = strides(x.shape());
    let mut at = 0;
    each_index(out_dims, |index| {
        let own = index[missing..].iter().zip(x.shape()).zip(&strides);
        let from: usize = own.map(|((&i, &n), &stride)| if n == 1 { 0 } else { i * stride }).sum();
        out[at] = x.data()[from];
        at += 1;
    });
}
