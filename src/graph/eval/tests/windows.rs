use super::*;
use crate::graph::{Pool, PoolKind, ReduceKind};

fn pool(kind: PoolKind, window: Window, x: &[f32], dims: [u64; 3], out: [u64; 3]) -> Vec<f32> {
    apply(Op::Pool(Pool { kind, window }), &[(&dims, x)], &out)
}

#[test]
fn max_ignores_padding_and_keeps_nan() {
    let w = window([2, 2], [2, 2], [1, 1], [1, 0, 1, 0]);
    let x: Vec<f32> = count(9).iter().map(|v| v - 20.0).collect();
    assert_eq!(pool(PoolKind::Max, w, &x, [1, 3, 3], [1, 2, 2]), [-20.0, -18.0, -14.0, -12.0]);
    let mut x = x;
    x[8] = f32::NAN;
    let found = pool(PoolKind::Max, w, &x, [1, 3, 3], [1, 2, 2]);
    assert!(found[3].is_nan() && found[..3].iter().all(|v| !v.is_nan()));
}

#[test]
fn averages_divide_by_the_window_clipped_to_the_padded_input() {
    // 1 2 3 with one zero on each side, stride 2: [0 1 2], [2 3 0].
    let w = window([1, 3], [1, 2], [1, 1], [0, 0, 1, 1]);
    let x = [1.0, 2.0, 3.0];
    let include = PoolKind::Average { count_include_pad: true };
    assert_eq!(pool(include, w, &x, [1, 1, 3], [1, 1, 2]), [1.0, 5.0 / 3.0]);
    let exclude = PoolKind::Average { count_include_pad: false };
    assert_eq!(pool(exclude, w, &x, [1, 1, 3], [1, 1, 2]), [1.5, 2.5]);
    // 1 2 3 4 where the shape was rounded up: [1 2 3], [3 4 .], and nothing counts past the padding.
    let w = window([1, 3], [1, 2], [1, 1], [0; 4]);
    assert_eq!(pool(include, w, &count(5)[1..], [1, 1, 4], [1, 1, 2]), [2.0, 3.5]);
}

#[test]
fn dilated_windows_skip_elements() {
    let w = window([1, 2], [1, 1], [1, 3], [0; 4]);
    assert_eq!(pool(PoolKind::Max, w, &[5.0, 9.0, 9.0, 1.0, 0.0], [1, 1, 5], [1, 1, 2]), [5.0, 9.0]);
    let mean = PoolKind::Average { count_include_pad: true };
    assert_eq!(pool(mean, w, &[5.0, 9.0, 9.0, 1.0, 0.0], [1, 1, 5], [1, 1, 2]), [3.0, 4.5]);
}

#[test]
fn reductions_keep_axes_of_length_one() {
    let x: (&[u64], &[f32]) = (&[2, 2, 3], &count(12));
    assert_eq!(apply(Op::Reduce(ReduceKind::Sum, vec![1, 2]), &[x], &[2, 1, 1]), [15.0, 51.0]);
    assert_eq!(apply(Op::Reduce(ReduceKind::Mean, vec![1, 2]), &[x], &[2, 1, 1]), [2.5, 8.5]);
    assert_eq!(apply(Op::Reduce(ReduceKind::Max, vec![0]), &[x], &[1, 2, 3]), count(12)[6..]);
    assert_eq!(apply(Op::Reduce(ReduceKind::Sum, vec![0, 2]), &[x], &[1, 2, 1]), [24.0, 42.0]);
    let nan = apply(Op::Reduce(ReduceKind::Max, vec![0]), &[(&[3], &[1.0, f32::NAN, 2.0])], &[1]);
    assert!(nan[0].is_nan());
}

#[test]
fn softmax_sums_to_one_along_its_axis_and_does_not_overflow() {
    let x = [1000.0, 0.0, 1000.0, 0.0];
    assert_eq!(apply(Op::Softmax { axis: 0 }, &[(&[2, 2], &x)], &[2, 2]), [0.5; 4]);
    assert_eq!(apply(Op::Softmax { axis: 1 }, &[(&[2, 2], &x)], &[2, 2]), [1.0, 0.0, 1.0, 0.0]);
    let third = apply(Op::Softmax { axis: 1 }, &[(&[1, 2, 1], &[0.0, std::f32::consts::LN_2])], &[1, 2, 1]);
    close(&third, &[1.0 / 3.0, 2.0 / 3.0]);
}
