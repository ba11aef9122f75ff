use super::*;
use crate::graph::{Border, Conv, ConvTranspose};

/// The element that a border puts at position `i` of a line, by walking.
fn border_element(line: &[f32], i: i64, border: Border) -> f32 {
    let n = line.len() as i64;
    let mut i = i;
    loop {
        if (0..n).contains(&i) {
            return line[i as usize];
        }
        i = match border {
            Border::Zero => return 0.0,
            Border::Replicate => i + if i < 0 { 1 } else { -1 },
            Border::Reflect => (if i < 0 { 0 } else { 2 * (n - 1) }) - i,
            Border::Wrap => i + if i < 0 { n } else { -n },
        };
    }
}

struct Case {
    size: [u64; 2],
    inputs: u64,
    outputs: u64,
    groups: u64,
    window: Window,
    border: Border,
}

impl Case {
    fn out(&self, axis: usize) -> u64 {
        let w = &self.window;
        (self.size[axis] + w.pad.before(axis) + w.pad.after(axis) - w.effective(axis)) / w.stride[axis] + 1
    }

    /// By the formula, element by element.
    fn expected(&self, x: &[f32], w: &[f32], b: &[f32]) -> Vec<f32> {
        let [height, width] = self.size;
        let Window { kernel, stride, dilation, pad } = self.window;
        let (per_group, out_per_group) = (self.inputs / self.groups, self.outputs / self.groups);
        let mut out = Vec::new();
        for o in 0..self.outputs {
            for oy in 0..self.out(0) {
                for ox in 0..self.out(1) {
                    let mut sum = f64::from(b[o as usize]);
                    for c in 0..per_group {
                        let channel = o / out_per_group * per_group + c;
                        for (i, j) in (0..kernel[0]).flat_map(|i| (0..kernel[1]).map(move |j| (i, j))) {
                            let iy = (oy * stride[0] + i * dilation[0]) as i64 - pad.top as i64;
                            let ix = (ox * stride[1] + j * dilation[1]) as i64 - pad.left as i64;
                            let column: Vec<f32> = (0..height)
                                .map(|y| {
                                    let start = ((channel * height + y) * width) as usize;
                                    border_element(&x[start..start + width as usize], ix, self.border)
                                })
                                .collect();
                            let element = border_element(&column, iy, self.border);
                            let at = ((o * per_group + c) * kernel[0] + i) * kernel[1] + j;
                            sum += f64::from(element) * f64::from(w[at as usize]);
                        }
                    }
                    out.push(sum as f32);
                }
            }
        }
        out
    }

    fn check(&self) {
        let x = noise((self.inputs * self.size[0] * self.size[1]) as usize, 1);
        let w_dims = [self.outputs, self.inputs / self.groups, self.window.kernel[0], self.window.kernel[1]];
        let w = noise(w_dims.iter().product::<u64>() as usize, 2);
        let b = noise(self.outputs as usize, 3);
        let op = Op::Conv(Conv { window: self.window, border: self.border, groups: self.groups });
        let found = apply(
            op,
            &[(&[self.inputs, self.size[0], self.size[1]], &x), (&w_dims, &w), (&[self.outputs], &b)],
            &[self.outputs, self.out(0), self.out(1)],
        );
        close(&found, &self.expected(&x, &w, &b));
    }
}

#[test]
fn convolution_is_its_formula() {
    let windows = [
        window([1, 1], [1, 1], [1, 1], [0, 0, 0, 0]),
        window([3, 3], [1, 1], [1, 1], [1, 1, 1, 1]),
        window([3, 2], [2, 3], [1, 2], [2, 0, 1, 3]),
        window([2, 4], [1, 2], [3, 1], [0, 3, 2, 1]),
        window([1, 1], [3, 2], [1, 1], [0, 0, 0, 0]),
    ];
    for window in windows {
        for border in [Border::Zero, Border::Replicate, Border::Reflect, Border::Wrap] {
            for (inputs, outputs, groups) in [(1, 1, 1), (3, 9, 1), (4, 2, 2), (3, 6, 3), (2, 34, 2)] {
                Case { size: [5, 7], inputs, outputs, groups, window, border }.check();
            }
        }
    }
}

#[test]
fn two_channels_of_the_textbook() {
    let x = [count(9), count(10)[1..].to_vec()].concat();
    let w = [0.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0];
    let op =
        Op::Conv(Conv { window: window([2, 2], [1, 1], [1, 1], [0; 4]), border: Border::Zero, groups: 1 });
    assert_eq!(apply(op, &[(&[2, 3, 3], &x), (&[1, 2, 2, 2], &w)], &[1, 2, 2]), [56.0, 72.0, 104.0, 120.0]);
}

#[test]
fn sums_are_not_rounded_on_the_way() {
    // In f32, 2^24 + 1 = 2^24.
    let x = [16_777_216.0, 1.0, -16_777_216.0];
    let op =
        Op::Conv(Conv { window: window([1, 3], [1, 1], [1, 1], [0; 4]), border: Border::Zero, groups: 1 });
    assert_eq!(apply(op, &[(&[1, 1, 3], &x), (&[1, 1, 1, 3], &[1.0; 3])], &[1, 1, 1]), [1.0]);
    assert_eq!(apply(Op::Linear, &[(&[3], &x), (&[1, 3], &[1.0; 3])], &[1]), [1.0]);
}

#[test]
fn a_filter_is_a_depthwise_convolution_with_equal_taps() {
    let (x, taps) = (noise(3 * 6 * 5, 1), noise(6, 2));
    let window = window([2, 3], [2, 1], [1, 1], [1, 0, 1, 1]);
    let filtered =
        apply(Op::Filter(window, Border::Reflect), &[(&[3, 6, 5], &x), (&[2, 3], &taps)], &[3, 3, 5]);
    let conv = Op::Conv(Conv { window, border: Border::Reflect, groups: 3 });
    let convolved = apply(conv, &[(&[3, 6, 5], &x), (&[3, 1, 2, 3], &[&taps[..]; 3].concat())], &[3, 3, 5]);
    assert_eq!(filtered, convolved);
}

#[test]
fn the_transposed_convolution_is_the_adjoint() {
    let windows = [
        (window([3, 3], [2, 2], [1, 1], [1, 1, 1, 1]), [1, 1]),
        (window([2, 4], [1, 3], [3, 2], [0, 2, 3, 1]), [0, 2]),
        (window([1, 2], [3, 1], [1, 1], [0, 0, 0, 0]), [2, 0]),
    ];
    for (window, output_pad) in windows {
        for groups in [1, 2] {
            let (c, o, small) = (4, 2 * groups, [3, 4]);
            let size = |axis: usize| {
                (small[axis] - 1) * window.stride[axis] + window.effective(axis) + output_pad[axis]
                    - window.pad.before(axis)
                    - window.pad.after(axis)
            };
            let large = [o, size(0), size(1)];
            let w_dims = [c, o / groups, window.kernel[0], window.kernel[1]];
            let w = noise(w_dims.iter().product::<u64>() as usize, 1);
            let x = noise((c * small[0] * small[1]) as usize, 2);
            let y = noise(large.iter().product::<u64>() as usize, 3);
            let op = Op::ConvTranspose(ConvTranspose { window, output_pad, groups });
            let tx = apply(op, &[(&[c, small[0], small[1]], &x), (&w_dims, &w)], &large);
            let op = Op::Conv(Conv { window, border: Border::Zero, groups });
            let ty = apply(op, &[(&large, &y), (&w_dims, &w)], &[c, small[0], small[1]]);
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
            assert!((dot(&tx, &y) - dot(&x, &ty)).abs() < 1e-5, "{window:?}");
        }
    }
}

#[test]
fn the_transposed_convolution_adds_its_bias() {
    let op = Op::ConvTranspose(ConvTranspose {
        window: window([2, 2], [2, 2], [1, 1], [0; 4]),
        output_pad: [0, 0],
        groups: 1,
    });
    let found = apply(
        op,
        &[(&[1, 1, 2], &[1.0, 2.0]), (&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]), (&[1], &[0.5])],
        &[1, 2, 4],
    );
    assert_eq!(found, [1.5, 2.5, 2.5, 4.5, 3.5, 4.5, 6.5, 8.5]);
}

#[test]
fn linear_maps_the_last_axis() {
    let found = apply(
        Op::Linear,
        &[(&[2, 3], &count(6)), (&[2, 3], &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0]), (&[2], &[10.0, 20.0])],
        &[2, 2],
    );
    assert_eq!(found, [10.0, 23.0, 13.0, 32.0]);
}

#[test]
fn matrix_products_repeat_over_the_axes_before() {
    // Two matrices 1×3 (the axis of 1 in the middle is repeated) by three of 3×2.
    let (a, b) = (count(6), count(18));
    let found = apply(Op::MatMul, &[(&[2, 1, 1, 3], &a), (&[3, 3, 2], &b)], &[2, 3, 1, 2]);
    let mut expected = Vec::new();
    for i in 0..2 {
        for j in 0..3 {
            for n in 0..2 {
                expected.push((0..3).map(|k| a[i * 3 + k] * b[j * 6 + k * 2 + n]).sum::<f32>());
            }
        }
    }
    assert_eq!(found, expected);
    assert_eq!(apply(Op::MatMul, &[(&[2, 1], &[2.0, 3.0]), (&[1, 1], &[5.0])], &[2, 1]), [10.0, 15.0]);
}
