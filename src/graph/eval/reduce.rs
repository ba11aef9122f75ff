//! Pools, reductions, softmax, the linear layer and matrix products.

use super::number::{Number, View, wide};
use super::shape::{around, each_index, planes, strides};
use crate::graph::{Pool, PoolKind, ReduceKind, Window};

/// The larger; NaN if either is.
pub(super) fn max<T: Number>(a: T, b: T) -> T {
    if wide(a).is_nan() || a > b { a } else { b }
}

/// One output's window along one axis: its taps inside the input, and how many of its taps are
/// inside the padded input.
struct Reach {
    inside: Vec<usize>,
    padded: usize,
}

/// The windows of every output along axis 0 (h) or 1 (w).
fn reaches(pool: &Pool, axis: usize, n: usize, m: usize) -> Vec<Reach> {
    let window = &pool.window;
    let before = window.pad.before(axis) as usize;
    let end = before + n + window.pad.after(axis) as usize;
    let (s, d) = (window.stride[axis] as usize, window.dilation[axis] as usize);
    (0..m)
        .map(|o| {
            // Positions count from the start of the padding.
            let taps = (0..window.kernel[axis] as usize).map(|i| o * s + i * d).filter(|&p| p < end);
            let padded = taps.clone().count();
            let inside = taps.filter_map(|p| p.checked_sub(before)).filter(|&p| p < n).collect();
            Reach { inside, padded }
        })
        .collect()
}

/// [`crate::graph::Op::Pool`]
pub(super) fn pool<T: Number>(pool: &Pool, x: View<'_, T>, out: &mut [T], out_dims: &[usize]) {
    let (_, [_, height, width]) = planes(x.shape());
    let (_, [_, oh, ow]) = planes(out_dims);
    let rows = reaches(pool, 0, height, oh);
    let cols = reaches(pool, 1, width, ow);
    for (x, out) in x.data().chunks_exact(height * width).zip(out.chunks_exact_mut(oh * ow)) {
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(ow)) {
            for (col, out) in cols.iter().zip(out) {
                let elements =
                    row.inside.iter().flat_map(|&iy| col.inside.iter().map(move |&ix| x[iy * width + ix]));
                *out = match pool.kind {
                    PoolKind::Max => elements.fold(T::of(f32::NEG_INFINITY), max),
                    PoolKind::Lp { p } => {
                        let p = f64::from(p);
                        let sum: f64 = elements.map(|x| libm::pow(wide(x).abs(), p)).sum();
                        T::round(libm::pow(sum, 1.0 / p))
                    }
                    PoolKind::Average { count_include_pad } => {
                        let count = match count_include_pad {
                            true => row.padded * col.padded,
                            false => row.inside.len() * col.inside.len(),
                        };
                        T::round(elements.map(wide).sum::<f64>() / count as f64)
                    }
                };
            }
        }
    }
}

/// [`crate::graph::Op::MaxPoolGrad`]
pub(super) fn max_pool_grad<T: Number>(window: &Window, x: View<'_, T>, dy: View<'_, T>, out: &mut [T]) {
    let (_, [_, height, width]) = planes(x.shape());
    let (_, [_, oh, ow]) = planes(dy.shape());
    let pool = Pool { kind: PoolKind::Max, window: *window };
    let rows = reaches(&pool, 0, height, oh);
    let cols = reaches(&pool, 1, width, ow);
    let planes = x.data().chunks_exact(height * width).zip(dy.data().chunks_exact(oh * ow));
    for ((x, dy), out) in planes.zip(out.chunks_exact_mut(height * width)) {
        let mut sums = vec![0.0f64; height * width];
        for (row, dy) in rows.iter().zip(dy.chunks_exact(ow)) {
            for (col, &dy) in cols.iter().zip(dy) {
                let elements =
                    row.inside.iter().flat_map(|&y| col.inside.iter().map(move |&z| y * width + z));
                // The first of equal ones; a NaN is above everything before it.
                let largest = elements.reduce(|best, at| {
                    if x[at] > x[best] || (wide(x[at]).is_nan() && !wide(x[best]).is_nan()) {
                        at
                    } else {
                        best
                    }
                });
                if let Some(at) = largest {
                    sums[at] += wide(dy);
                }
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = T::round(sum);
        }
    }
}

/// [`crate::graph::Op::Reduce`]
pub(super) fn reduce<T: Number>(
    kind: ReduceKind,
    axes: &[usize],
    x: View<'_, T>,
    out: &mut [T],
    out_dims: &[usize],
) {
    // An axis that is reduced has length 1 in the result: its index does not count there.
    let mut strides = strides(out_dims);
    for &axis in axes {
        strides[axis] = 0;
    }
    let mut elements = x.data().iter();
    let mut next = |index: &[usize]| {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        (at, elements.next().copied().unwrap_or(T::of(0.0)))
    };
    if kind == ReduceKind::Max {
        out.fill(T::of(f32::NEG_INFINITY));
        each_index(x.shape(), |index| {
            let (at, element) = next(index);
            out[at] = max(out[at], element);
        });
        return;
    }
    let mut sums = vec![0.0; out.len()];
    each_index(x.shape(), |index| {
        let (at, element) = next(index);
        sums[at] += wide(element);
    });
    let divisor = match kind {
        ReduceKind::Mean => axes.iter().map(|&axis| x.shape()[axis]).product::<usize>() as f64,
        ReduceKind::Sum | ReduceKind::Max => 1.0,
    };
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = T::round(sum / divisor);
    }
}

/// [`crate::graph::Op::Softmax`]
pub(super) fn softmax<T: Number>(axis: usize, x: View<'_, T>, out: &mut [T]) {
    along(axis, x, out, |_, power, sum| power / sum);
}

/// [`crate::graph::Op::LogSoftmax`]
pub(super) fn log_softmax<T: Number>(axis: usize, x: View<'_, T>, out: &mut [T]) {
    along(axis, x, out, |difference, _, sum| difference - libm::log(sum));
}

/// What `f` makes of each element's difference `d` to the maximum along the axis, of `exp(d)`, and of the sum of those.
fn along<T: Number>(axis: usize, x: View<'_, T>, out: &mut [T], f: impl Fn(f64, f64, f64) -> f64) {
    let [outer, len, inner] = around(x.shape(), axis);
    let mut terms = vec![(0.0, 0.0); len];
    for start in (0..outer).flat_map(|o| (0..inner).map(move |i| o * len * inner + i)) {
        let line = || x.data()[start..].iter().step_by(inner).take(len);
        let largest = wide(line().copied().fold(T::of(f32::NEG_INFINITY), max));
        for (term, &element) in terms.iter_mut().zip(line()) {
            let difference = wide(element) - largest;
            *term = (difference, libm::exp(difference));
        }
        let sum: f64 = terms.iter().map(|t| t.1).sum();
        for (out, (difference, power)) in out[start..].iter_mut().step_by(inner).zip(&terms) {
            *out = T::round(f(*difference, *power, sum));
        }
    }
}

/// [`crate::graph::Op::Linear`]
pub(super) fn linear<T: Number>(x: View<'_, T>, w: View<'_, T>, bias: Option<View<'_, T>>, out: &mut [T]) {
    let [outputs, inputs] = [w.shape()[0], w.shape()[1]];
    for (x, out) in x.data().chunks_exact(inputs).zip(out.chunks_exact_mut(outputs)) {
        for (output, (out, w)) in out.iter_mut().zip(w.data().chunks_exact(inputs)).enumerate() {
            let mut sum = bias.map_or(0.0, |b| wide(b.data()[output]));
            for (x, w) in x.iter().zip(w) {
                sum += wide(*x) * wide(*w);
            }
            *out = T::round(sum);
        }
    }
}

/// [`crate::graph::Op::MatMul`]
pub(super) fn matmul<T: Number>(a: View<'_, T>, b: View<'_, T>, out: &mut [T], out_dims: &[usize]) {
    let &[ref lead @ .., rows, cols] = out_dims else { return };
    let inner = a.shape().last().copied().unwrap_or(1);
    // Where each operand's matrices lie: an axis of length 1 is the same matrix again and again.
    let matrices = |shape: &[usize]| {
        let own = &shape[..shape.len().saturating_sub(2)];
        let missing = lead.len().saturating_sub(own.len());
        let strides: Vec<usize> =
            own.iter().zip(strides(own)).map(|(&d, s)| if d == 1 { 0 } else { s }).collect();
        move |index: &[usize]| index[missing..].iter().zip(&strides).map(|(i, s)| i * s).sum::<usize>()
    };
    let (of_a, of_b) = (matrices(a.shape()), matrices(b.shape()));
    let mut out = out.chunks_exact_mut(rows * cols);
    let mut sums = vec![0.0; cols];
    each_index(lead, |index| {
        let a = &a.data()[of_a(index) * rows * inner..][..rows * inner];
        let b = &b.data()[of_b(index) * inner * cols..][..inner * cols];
        let Some(out) = out.next() else { return };
        for (a, out) in a.chunks_exact(inner).zip(out.chunks_exact_mut(cols)) {
            sums.fill(0.0);
            for (&a, b) in a.iter().zip(b.chunks_exact(cols)) {
                for (sum, &b) in sums.iter_mut().zip(b) {
                    *sum += wide(a) * wide(b);
                }
            }
            for (out, &sum) in out.iter_mut().zip(&sums) {
                *out = T::round(sum);
            }
        }
    });
}
