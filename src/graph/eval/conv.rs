//! Convolution, filters and the transposed convolution.

use super::border;
use super::number::{Number, View, wide};
use super::shape::planes;
use crate::graph::{Border, Conv, ConvTranspose, Window};

/// Output channels that one pass over a window's elements computes.
const LANES: usize = 8;

/// [`crate::graph::Op::Conv`]
pub(super) fn conv<T: Number>(
    conv: &Conv,
    x: View<'_, T>,
    w: View<'_, T>,
    bias: Option<View<'_, T>>,
    out: &mut [T],
    out_dims: &[usize],
) {
    let (samples, [c, height, width]) = planes(x.shape());
    let (_, [outputs, oh, ow]) = planes(out_dims);
    let groups = conv.groups as usize;
    let correlation = Correlation {
        window: conv.window,
        border: conv.border,
        samples,
        groups,
        inputs: c / groups,
        outputs: outputs / groups,
        size: [height, width],
        out_size: [oh, ow],
    };
    correlation.run(x.data(), w.data(), bias.map(|b| b.data()), out);
}

/// [`crate::graph::Op::Filter`]: every channel is a sample of one channel.
pub(super) fn filter<T: Number>(
    window: Window,
    border: Border,
    x: View<'_, T>,
    taps: View<'_, T>,
    out: &mut [T],
    out_dims: &[usize],
) {
    let (samples, [c, height, width]) = planes(x.shape());
    let (_, [_, oh, ow]) = planes(out_dims);
    let correlation = Correlation {
        window,
        border,
        samples: samples * c,
        groups: 1,
        inputs: 1,
        outputs: 1,
        size: [height, width],
        out_size: [oh, ow],
    };
    correlation.run(x.data(), taps.data(), None, out);
}

/// A cross-correlation of `x` `[samples, groups · inputs, size]` with weights
/// `[groups · outputs, inputs, kernel]`.
struct Correlation {
    window: Window,
    border: Border,
    samples: usize,
    groups: usize,
    /// Input channels of a group.
    inputs: usize,
    /// Output channels of a group.
    outputs: usize,
    size: [usize; 2],
    out_size: [usize; 2],
}

impl Correlation {
    fn run<T: Number>(&self, x: &[T], w: &[T], bias: Option<&[T]>, out: &mut [T]) {
        let pad = self.window.pad;
        let rows = border::table(self.size[0], pad.top, pad.bottom, self.border);
        let cols = border::table(self.size[1], pad.left, pad.right, self.border);
        let plane = self.size[0] * self.size[1];
        let out_plane = self.out_size[0] * self.out_size[1];
        let products = self.inputs * self.window.kernel[0] as usize * self.window.kernel[1] as usize;
        let mut patch = vec![0.0; products];
        for group in 0..self.groups {
            let first = group * self.outputs;
            let panels = Panels::pack(&w[first * products..][..self.outputs * products], products);
            let bias = bias.map(|b| &b[first..first + self.outputs]);
            for sample in 0..self.samples {
                let x = &x[(sample * self.groups + group) * self.inputs * plane..][..self.inputs * plane];
                let out = &mut out[(sample * self.groups + group) * self.outputs * out_plane..]
                    [..self.outputs * out_plane];
                for oy in 0..self.out_size[0] {
                    for ox in 0..self.out_size[1] {
                        self.gather(x, &rows, &cols, [oy, ox], &mut patch);
                        let at = oy * self.out_size[1] + ox;
                        panels.dot(&patch, |output, sum| {
                            let sum = sum + bias.map_or(0.0, |b| wide(b[output]));
                            out[output * out_plane + at] = T::round(sum);
                        });
                    }
                }
            }
        }
    }

    /// The elements that the output at `[oy, ox]` sees, in the order of a weight: channel, row, column.
    fn gather<T: Number>(
        &self,
        x: &[T],
        rows: &[Option<usize>],
        cols: &[Option<usize>],
        [oy, ox]: [usize; 2],
        patch: &mut [f64],
    ) {
        let Window { kernel, stride, dilation, .. } = self.window;
        let (dy, dx) = (dilation[0] as usize, dilation[1] as usize);
        let rows = &rows[oy * stride[0] as usize..];
        let cols = &cols[ox * stride[1] as usize..];
        let mut patch = patch.iter_mut();
        for channel in x.chunks_exact(self.size[0] * self.size[1]) {
            for row in rows.iter().step_by(dy).take(kernel[0] as usize) {
                let row = row.map(|r| &channel[r * self.size[1]..][..self.size[1]]);
                let cols = cols.iter().step_by(dx).take(kernel[1] as usize);
                for (col, element) in cols.zip(&mut patch) {
                    *element = match (row, col) {
                        (Some(row), Some(col)) => wide(row[*col]),
                        _ => 0.0,
                    };
                }
            }
        }
    }
}

/// The weights of a group in f64: blocks of [`LANES`] output channels interleaved, then what is
/// left one by one. Each output's sum still runs over channel, row, column in this order.
struct Panels {
    products: usize,
    blocks: Vec<[f64; LANES]>,
    rest: Vec<f64>,
}

impl Panels {
    fn pack<T: Number>(w: &[T], products: usize) -> Panels {
        let blocks = w.chunks_exact(LANES * products);
        let rest = blocks.remainder().iter().map(|&v| wide(v)).collect();
        let lanes = |block: &[T], k: usize| std::array::from_fn(|lane| wide(block[lane * products + k]));
        let blocks = blocks.flat_map(|block| (0..products).map(move |k| lanes(block, k))).collect();
        Panels { products, blocks, rest }
    }

    /// Calls `put` with each output channel of the group and its sum.
    fn dot(&self, patch: &[f64], mut put: impl FnMut(usize, f64)) {
        let mut output = 0;
        for block in self.blocks.chunks_exact(self.products) {
            let mut sums = [0.0; LANES];
            for (weights, &element) in block.iter().zip(patch) {
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += weight * element;
                }
            }
            for sum in sums {
                put(output, sum);
                output += 1;
            }
        }
        for weights in self.rest.chunks_exact(self.products) {
            let mut sum = 0.0;
            for (weight, element) in weights.iter().zip(patch) {
                sum += weight * element;
            }
            put(output, sum);
            output += 1;
        }
    }
}

/// [`crate::graph::Op::ConvTranspose`]: each input element adds its multiple of the kernel to the output.
pub(super) fn conv_transpose<T: Number>(
    op: &ConvTranspose,
    x: View<'_, T>,
    w: View<'_, T>,
    bias: Option<View<'_, T>>,
    out: &mut [T],
    out_dims: &[usize],
) {
    let (samples, [c, height, width]) = planes(x.shape());
    let (_, [outputs, oh, ow]) = planes(out_dims);
    let groups = op.groups as usize;
    let (inputs, outputs) = (c / groups, outputs / groups);
    let [kh, kw] = op.window.kernel.map(|k| k as usize);
    let [sy, sx] = op.window.stride.map(|s| s as usize);
    let [dy, dx] = op.window.dilation.map(|d| d as usize);
    let (top, left) = (op.window.pad.top as usize, op.window.pad.left as usize);
    let mut sums = vec![0.0; oh * ow];
    for (plane, out) in out.chunks_exact_mut(oh * ow).enumerate().take(samples * groups * outputs) {
        let (sample, output) = (plane / (groups * outputs), plane % (groups * outputs));
        let (group, in_group) = (output / outputs, output % outputs);
        sums.fill(bias.map_or(0.0, |b| wide(b.data()[output])));
        for channel in group * inputs..(group + 1) * inputs {
            let x = &x.data()[(sample * c + channel) * height * width..][..height * width];
            let w = &w.data()[(channel * outputs + in_group) * kh * kw..][..kh * kw];
            for (tap, &weight) in w.iter().enumerate() {
                let (i, j) = (tap / kw, tap % kw);
                for iy in 0..height {
                    // The row of the output that this one is added to; below 0 it is cropped.
                    let Some(oy) = (iy * sy + i * dy).checked_sub(top).filter(|&y| y < oh) else { continue };
                    let row = &mut sums[oy * ow..(oy + 1) * ow];
                    for (ix, &element) in x[iy * width..(iy + 1) * width].iter().enumerate() {
                        let ox = (ix * sx + j * dx).checked_sub(left);
                        if let Some(sum) = ox.and_then(|ox| row.get_mut(ox)) {
                            *sum += wide(weight) * wide(element);
                        }
                    }
                }
            }
        }
        for (o, &sum) in out.iter_mut().zip(&sums) {
            *o = T::round(sum);
        }
    }
}

/// [`crate::graph::Op::WeightGrad`]
pub(super) fn weight_grad<T: Number>(
    conv: &Conv,
    x: View<'_, T>,
    dy: View<'_, T>,
    out: &mut [T],
    out_dims: &[usize],
) {
    let (samples, [c, height, width]) = planes(x.shape());
    let (_, [o, oh, ow]) = planes(dy.shape());
    let &[_, inputs, kh, kw] = out_dims else { return };
    let outputs = o / conv.groups as usize;
    let rows = taps_inside(&conv.window, 0, height);
    let cols = taps_inside(&conv.window, 1, width);
    for (channel, out) in out.chunks_exact_mut(inputs * kh * kw).enumerate() {
        for (input, out) in out.chunks_exact_mut(kh * kw).enumerate() {
            let of_x = channel / outputs * inputs + input;
            for (tap, out) in out.iter_mut().enumerate() {
                let (i, j) = (tap / kw, tap % kw);
                let mut sum = 0.0;
                for sample in 0..samples {
                    let x = &x.data()[(sample * c + of_x) * height * width..];
                    let dy = &dy.data()[(sample * o + channel) * oh * ow..];
                    for y in 0..oh {
                        let Some(row) = rows(y, i) else { continue };
                        for z in 0..ow {
                            let Some(col) = cols(z, j) else { continue };
                            sum += wide(dy[y * ow + z]) * wide(x[row * width + col]);
                        }
                    }
                }
                *out = T::round(sum);
            }
        }
    }
}

/// The element that a tap of an output reads along an axis, where there is one.
fn taps_inside(window: &Window, axis: usize, n: usize) -> impl Fn(usize, usize) -> Option<usize> {
    let before = window.pad.before(axis) as usize;
    let (stride, dilation) = (window.stride[axis] as usize, window.dilation[axis] as usize);
    move |o, tap| (o * stride + tap * dilation).checked_sub(before).filter(|&at| at < n)
}
