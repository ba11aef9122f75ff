//! Sizes at the edges of what the rules allow, one operation at a time. What is not said here (whether
//! weights are known before a run, numbers) is random.

use convc::graph::{
    Border, Conv, ConvTranspose, Op, PadMode, Pads, Pool, PoolKind, ReduceKind, Type, UnaryOp, Value, Window,
};
use convc::kernels::step::Base;
use convc::plan::{Plan, PlanOptions, TaskKind};
use convc::tensor::Tensor;
use convc::{pipeline, target::Target};

use super::maker::{Choices, Maker};
use crate::executors::agree;

/// Runs a graph of one operation some times, with other numbers and other kinds of arguments.
fn check(make: impl Fn(&mut Maker) -> Option<Value>) {
    for seed in 1..3 {
        let mut maker = Maker::new();
        maker.choices = Choices::new(seed * 7919);
        maker.most = 200_000;
        make(&mut maker).expect("the sizes fit");
        let (graph, inputs, params) = maker.finish().expect("there are nodes");
        let inputs: Vec<_> = inputs.iter().map(Tensor::view).collect();
        agree(&graph, &inputs, &params, 1e-4);
    }
}

fn plan(make: impl Fn(&mut Maker) -> Option<Value>) -> Plan {
    let mut maker = Maker::new();
    make(&mut maker).expect("the sizes fit");
    let (graph, ..) = maker.finish().expect("there are nodes");
    pipeline::plan(&pipeline::optimise(&graph), &PlanOptions::new(Target::X64_AVX2)).expect("there is a plan")
}

fn window(
    kernel: [u64; 2],
    stride: [u64; 2],
    dilation: [u64; 2],
    [top, bottom, left, right]: [u64; 4],
) -> Window {
    Window { kernel, stride, dilation, pad: Pads { top, bottom, left, right } }
}

/// A convolution from `dims` to `out` channels.
fn conv(m: &mut Maker, dims: &[u64], out: u64, groups: u64, window: Window, border: Border) -> Option<Value> {
    let x = m.leaf(dims, true);
    conv_of(m, x, out, groups, window, border)
}

fn conv_of(m: &mut Maker, x: Value, out: u64, groups: u64, window: Window, border: Border) -> Option<Value> {
    let [.., c, _, _] = m.dims(x)[..] else { return None };
    let [kh, kw] = window.kernel;
    let weight = m.weight(&[out, c / groups, kh, kw]);
    let bias = m.weight(&[out]);
    m.op(Op::Conv(Conv { window, border, groups }), &[x, weight, bias], &[], 1.0)
}

/// A value that lies in blocks of channels.
fn in_blocks(m: &mut Maker, [c, h, w]: [u64; 3]) -> Option<Value> {
    conv(m, &[c, h, w], c, 1, window([1, 1], [1, 1], [1, 1], [0; 4]), Border::Zero)
}

#[test]
fn windows_of_every_extreme() {
    let cases = [
        // Long and flat, with as much padding as it needs.
        ([3, 39], [1, 1], [1, 1], [1, 1, 19, 19], [5, 9]),
        ([39, 3], [1, 1], [1, 1], [19, 19, 1, 1], [1, 4]),
        // Taps that only ever meet padding beside the one in the middle.
        ([3, 3], [1, 1], [20, 30], [20, 20, 30, 30], [4, 6]),
        ([3, 3], [2, 2], [7, 9], [8, 6, 9, 9], [1, 1]),
        // Steps over most of the picture.
        ([1, 1], [5, 7], [1, 1], [0; 4], [11, 20]),
        ([2, 2], [9, 8], [1, 1], [1, 0, 0, 1], [10, 17]),
        // One pixel.
        ([1, 1], [1, 1], [1, 1], [0; 4], [1, 1]),
        ([3, 3], [1, 1], [1, 1], [1; 4], [1, 1]),
        ([5, 1], [1, 1], [1, 1], [4, 0, 0, 0], [1, 33]),
    ];
    for (kernel, stride, dilation, pad, [h, w]) in cases {
        let window = window(kernel, stride, dilation, pad);
        for (c, out, groups) in [(1, 1, 1), (3, 16, 1), (16, 9, 1), (9, 9, 9), (15, 10, 5), (16, 16, 2)] {
            check(|m| conv(m, &[c, h, w], out, groups, window, Border::Zero));
            check(|m| conv(m, &[2, c, h, w], out, groups, window, Border::Replicate));
        }
        check(|m| {
            let x = m.leaf(&[2, h, w], true);
            let taps = m.weight(&kernel);
            m.op(Op::Filter(window, Border::Zero), &[x, taps], &[], 1.0)
        });
    }
}

#[test]
fn transposed_convolutions_with_everything() {
    let cases = [
        ([3, 4], [2, 3], [1, 1], [0; 4], [1, 2], 1),
        ([3, 3], [2, 2], [2, 3], [1, 2, 0, 3], [1, 0], 1),
        ([2, 2], [5, 4], [1, 1], [1, 0, 0, 1], [4, 3], 1),
        ([1, 1], [3, 3], [1, 1], [0; 4], [0, 0], 1),
        ([4, 4], [2, 2], [1, 1], [1; 4], [0, 0], 2),
        ([3, 5], [1, 2], [4, 1], [3, 1, 2, 2], [0, 1], 4),
    ];
    for (kernel, stride, dilation, pad, output_pad, groups) in cases {
        let window = window(kernel, stride, dilation, pad);
        for (c, out) in [(4, 1), (4, 3), (8, 8), (32, 8), (16, 11)] {
            for size in [[3, 5], [1, 1]] {
                let mut tried = Maker::new();
                let op = Op::ConvTranspose(ConvTranspose { window, output_pad, groups });
                let make = |m: &mut Maker| {
                    let x = m.leaf(&[c, size[0], size[1]], true);
                    let weight = m.weight(&[c, out, kernel[0], kernel[1]]);
                    let bias = m.weight(&[out * groups]);
                    m.op(op.clone(), &[x, weight, bias], &[], 1.0)
                };
                // Padding may leave nothing of one pixel.
                if size == [1, 1] && make(&mut tried).is_none() {
                    continue;
                }
                check(make);
            }
        }
    }
}

/// More phases than there can be tasks.
#[test]
fn strides_far_beyond_the_kernel() {
    let window = window([3, 2], [90, 101], [1, 2], [1, 0, 0, 1]);
    for (c, out, groups) in [(2, 3, 1), (8, 9, 1), (4, 2, 2)] {
        check(|m| {
            let x = m.leaf(&[c, 2, 3], false);
            let weight = m.weight(&[c, out, 3, 2]);
            let conv = ConvTranspose { window, output_pad: [5, 0], groups };
            m.op(Op::ConvTranspose(conv), &[x, weight], &[], 1.0)
        });
    }
}

#[test]
fn pools_that_are_dilated_rounded_up_or_global() {
    let average = |count_include_pad| PoolKind::Average { count_include_pad };
    for kind in [PoolKind::Max, average(true), average(false)] {
        for c in [1, 8, 11] {
            for (size, window, out) in [
                ([7, 8], window([2, 3], [2, 3], [2, 2], [1, 0, 2, 1]), [3, 3]),
                ([6, 6], window([3, 3], [2, 2], [1, 1], [0; 4]), [3, 3]),
                ([1, 1], window([1, 1], [1, 1], [1, 1], [0; 4]), [1, 1]),
                ([1, 19], window([1, 19], [1, 1], [1, 1], [0; 4]), [1, 1]),
            ] {
                check(|m| {
                    let x = m.leaf(&[c, size[0], size[1]], true);
                    m.op(Op::Pool(Pool { kind, window }), &[x], &[c, out[0], out[1]], 1.0)
                });
            }
        }
    }
}

#[test]
fn every_axis_of_every_rank_is_padded() {
    let modes = [
        PadMode::Constant(0.0),
        PadMode::Constant(f32::NEG_INFINITY),
        PadMode::Constant(-2.5),
        PadMode::Replicate,
        PadMode::Reflect,
        PadMode::Wrap,
    ];
    for mode in modes {
        for dims in [&[9][..], &[3, 17], &[8, 3, 5], &[9, 4, 4], &[2, 3, 2, 2], &[2, 2, 3, 2, 2, 2, 2, 2]] {
            let side = |n: u64, least: u64| match mode {
                PadMode::Constant(_) | PadMode::Replicate => least + 2,
                PadMode::Reflect => n - 1,
                PadMode::Wrap => n,
            };
            for axis in 0..dims.len() {
                check(|m| {
                    let (mut before, mut after) = (vec![0; dims.len()], vec![0; dims.len()]);
                    (before[axis], after[axis]) = (side(dims[axis], 0), side(dims[axis], 19));
                    let x = m.leaf(dims, true);
                    m.op(Op::Pad { before, after, mode }, &[x], &[], 1.0)
                });
            }
            if dims.len() < 6 {
                check(|m| {
                    let before: Vec<u64> = dims.iter().map(|&n| side(n, 1)).collect();
                    let after: Vec<u64> = dims.iter().map(|&n| side(n, 0)).collect();
                    let x = m.leaf(dims, true);
                    m.op(Op::Pad { before, after, mode }, &[x], &[], 1.0)
                });
            }
        }
    }
}

#[test]
fn eight_axes_are_transposed_reduced_and_reversed() {
    let dims = [2, 3, 2, 1, 3, 2, 2, 3];
    for perm in [vec![7, 6, 5, 4, 3, 2, 1, 0], vec![1, 0, 3, 2, 5, 4, 7, 6], vec![4, 7, 0, 2, 6, 1, 5, 3]] {
        check(|m| {
            let x = m.leaf(&dims, true);
            m.op(Op::Transpose { perm: perm.clone() }, &[x], &[], 1.0)
        });
    }
    for axes in
        [vec![0, 2, 4, 6], vec![1, 3, 5, 7], vec![0], vec![7], vec![2, 3], vec![0, 5, 7], (0..8).collect()]
    {
        for kind in [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max] {
            check(|m| {
                let x = m.leaf(&dims, true);
                m.op(Op::Reduce(kind, axes.clone()), &[x], &[], 1.0)
            });
        }
    }
    check(|m| {
        let x = m.leaf(&[3, 4, 5, 6], true);
        m.op(Op::Reduce(ReduceKind::Mean, vec![0, 2]), &[x], &[], 1.0)
    });
    check(|m| {
        let x = m.leaf(&dims, true);
        let start = dims.iter().map(|d| d - 1).collect();
        m.op(Op::Slice { start, step: vec![-1; 8] }, &[x], &dims, 1.0)
    });
    for axis in 0..8 {
        check(|m| {
            let x = m.leaf(&dims, true);
            m.op(Op::Softmax { axis }, &[x], &dims, 1.0)
        });
    }
}

#[test]
fn matrices_of_every_size() {
    for (a, b) in [
        (&[1, 1][..], &[1, 1][..]),
        (&[1, 300], &[300, 1]),
        (&[130, 1], &[1, 130]),
        (&[1, 7], &[7, 40]),
        (&[41, 7], &[7, 1]),
        (&[97, 16], &[16, 24]),
        (&[2, 5, 3], &[3, 9]),
        (&[5, 3], &[4, 3, 9]),
        (&[2, 1, 3, 5, 4], &[3, 1, 4, 6]),
        (&[2, 3, 1, 1, 6], &[1, 3, 4, 6, 17]),
        (&[1, 2, 1, 2, 1, 2, 3, 2], &[2, 1, 2, 1, 2, 1, 2, 3]),
    ] {
        check(|m| {
            let (a, b) = (m.leaf(a, false), m.leaf(b, false));
            m.op(Op::MatMul, &[a, b], &[], 1.0)
        });
    }
}

/// Channels of whole blocks are a part of what they are cut from: nothing is copied or converted.
#[test]
fn a_split_of_blocks_is_no_work() {
    let parts = |m: &mut Maker| {
        let x = in_blocks(m, [24, 5, 6])?;
        let part = |m: &mut Maker, first: u64, channels: u64| {
            let op = Op::Slice { start: vec![first, 0, 0], step: vec![1; 3] };
            m.op(op, &[x], &[channels, 5, 6], 1.0)
        };
        let (a, b) = (part(m, 0, 8)?, part(m, 8, 16)?);
        let one = window([1, 1], [1, 1], [1, 1], [0; 4]);
        conv_of(m, a, 8, 1, one, Border::Zero)?;
        conv_of(m, b, 8, 1, window([3, 3], [1, 1], [1, 1], [1; 4]), Border::Zero)
    };
    check(parts);
    // What stands between the contractions of the run.
    let plan = plan(parts);
    let between: Vec<&str> = plan
        .run
        .iter()
        .filter(|t| plan.buffer(t.out).base == Base::Arena)
        .map(|t| t.kind.word())
        .filter(|word| !["contract", "pack", "halo", "pointwise"].contains(word))
        .collect();
    // The input into blocks, perhaps; the half that needs a border, once.
    assert!(between.iter().filter(|w| **w == "copy").count() <= 1, "{}", convc::plan::print(&plan));
}

/// Other layouts than those of the neighbours, odd channels, and channels in reverse.
#[test]
fn slices_and_joins_of_blocks() {
    for c in [8, 16, 19] {
        for (start, step, len) in
            [(0, 1, 8), (8, 1, c - 8), (0, 1, 3), (c - 1, -1, c), (1, 2, c / 2), (7, -3, 3)]
        {
            if len == 0 {
                continue;
            }
            check(|m| {
                let x = in_blocks(m, [c, 3, 4])?;
                let op = Op::Slice { start: vec![start, 2, 3], step: vec![step, -2, -1] };
                m.op(op, &[x], &[len, 2, 4], 1.0)
            });
        }
        for axis in 0..3 {
            check(|m| {
                let a = in_blocks(m, [c, 3, 4])?;
                let b = m.op(Op::Unary(UnaryOp::Abs), &[a], &[c, 3, 4], 1.0)?;
                let c = m.op(Op::Unary(UnaryOp::Tanh), &[b], &[c, 3, 4], 1.0)?;
                m.op(Op::Concat { axis }, &[a, b, c], &[], 1.0)
            });
        }
    }
}

/// Channel shuffle: a copy of planes.
#[test]
fn channels_are_shuffled() {
    for c in [16, 24, 58] {
        check(|m| {
            let x = in_blocks(m, [c, 5, 7])?;
            let split = m.op(Op::Reshape, &[x], &[2, c / 2, 5, 7], 1.0)?;
            let swapped = m.op(Op::Transpose { perm: vec![1, 0, 2, 3] }, &[split], &[], 1.0)?;
            let joined = m.op(Op::Reshape, &[swapped], &[c, 5, 7], 1.0)?;
            conv_of(m, joined, c, c, window([3, 3], [1, 1], [1, 1], [1; 4]), Border::Zero)
        });
    }
}

/// Weights that only a run knows are packed in the run, by every algorithm.
#[test]
fn weights_may_be_values() {
    for (c, out, groups) in [(2, 3, 1), (3, 8, 1), (8, 12, 1), (16, 16, 2), (6, 6, 6), (10, 4, 2)] {
        let input = |m: &mut Maker, dims: &[u64]| {
            let shape: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
            let data = m.choices.noise(shape.iter().product());
            let x = m.input(Type::plain(dims), Tensor::new(&shape, data).expect("the lengths agree"));
            m.op(Op::Unary(UnaryOp::Tanh), &[x], dims, 1.0)
        };
        let make = |m: &mut Maker| {
            let x = m.leaf(&[c, 6, 7], true);
            let (weight, bias) = (input(m, &[out, c / groups, 3, 3])?, input(m, &[out])?);
            let window = window([3, 3], [1, 1], [1, 1], [1; 4]);
            let conv = Conv { window, border: Border::Zero, groups };
            m.op(Op::Conv(conv), &[x, weight, bias], &[], 1.0)
        };
        check(make);
        let packs = |t: &convc::plan::Task| matches!(t.kind, TaskKind::PackPanels(_));
        assert!(!plan(make).prepare.iter().any(packs));
        check(|m| {
            let x = m.leaf(&[3, 5, c], true);
            let (weight, bias) = (input(m, &[out, c])?, input(m, &[out])?);
            m.op(Op::Linear, &[x, weight, bias], &[], 1.0)
        });
    }
}
