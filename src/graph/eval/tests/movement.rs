use super::*;
use crate::graph::{Coordinates, PadMode, Resize, ResizeMode};

#[test]
fn parts_are_joined_along_an_axis() {
    let a: (&[u64], &[f32]) = (&[2, 1], &[1.0, 2.0]);
    let b: (&[u64], &[f32]) = (&[2, 2], &[3.0, 4.0, 5.0, 6.0]);
    assert_eq!(apply(Op::Concat { axis: 1 }, &[a, b], &[2, 3]), [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    assert_eq!(apply(Op::Concat { axis: 0 }, &[b, b], &[4, 2]), [3.0, 4.0, 5.0, 6.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn a_slice_starts_where_it_says() {
    let x: (&[u64], &[f32]) = (&[2, 3, 4], &count(24));
    assert_eq!(
        apply(Op::Slice { start: vec![1, 0, 1], step: vec![1; 3] }, &[x], &[1, 2, 3]),
        [13.0, 14.0, 15.0, 17.0, 18.0, 19.0]
    );
}

#[test]
fn a_slice_steps_over_elements_and_backwards() {
    let x: (&[u64], &[f32]) = (&[3, 5], &count(15));
    let slice = |start: [u64; 2], step: [i64; 2], dims: [u64; 2]| {
        apply(Op::Slice { start: start.to_vec(), step: step.to_vec() }, &[x], &dims)
    };
    assert_eq!(slice([0, 1], [2, 3], [2, 2]), [1.0, 4.0, 11.0, 14.0]);
    assert_eq!(slice([2, 4], [-1, -2], [2, 3]), [14.0, 12.0, 10.0, 9.0, 7.0, 5.0]);
    assert_eq!(slice([1, 3], [i64::MIN, i64::MAX], [1, 1]), [8.0]);
}

#[test]
fn padding_stands_on_its_side() {
    let x: (&[u64], &[f32]) = (&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let pad = |mode, before: [u64; 2], after: [u64; 2], dims: [u64; 2]| {
        apply(Op::Pad { before: before.to_vec(), after: after.to_vec(), mode }, &[x], &dims)
    };
    assert_eq!(
        pad(PadMode::Constant(9.0), [1, 0], [0, 2], [3, 5]),
        [9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 9.0, 9.0, 4.0, 5.0, 6.0, 9.0, 9.0]
    );
    assert_eq!(pad(PadMode::Reflect, [0, 2], [0, 0], [2, 5])[..5], [3.0, 2.0, 1.0, 2.0, 3.0]);
    assert_eq!(pad(PadMode::Replicate, [0, 2], [0, 0], [2, 5])[..5], [1.0, 1.0, 1.0, 2.0, 3.0]);
    assert_eq!(pad(PadMode::Wrap, [0, 2], [0, 0], [2, 5])[..5], [2.0, 3.0, 1.0, 2.0, 3.0]);
}

#[test]
fn axes_change_places() {
    let x: (&[u64], &[f32]) = (&[2, 1, 3], &count(6));
    assert_eq!(
        apply(Op::Transpose { perm: vec![2, 0, 1] }, &[x], &[3, 2, 1]),
        [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
    );
    assert_eq!(apply(Op::Reshape, &[x], &[3, 2]), count(6));
    let one: (&[u64], &[f32]) = (&[], &[7.0]);
    assert_eq!(apply(Op::Reshape, &[one], &[1, 1]), [7.0]);
    assert_eq!(apply(Op::Transpose { perm: vec![] }, &[one], &[]), [7.0]);
}

#[test]
fn pixel_shuffle_takes_phases_from_channels() {
    let x: (&[u64], &[f32]) = (&[8, 1, 2], &count(16));
    let found = apply(Op::PixelShuffle { factor: 2 }, &[x], &[2, 2, 4]);
    assert_eq!(found, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0, 8.0, 10.0, 9.0, 11.0, 12.0, 14.0, 13.0, 15.0]);
}

#[test]
fn rows_and_columns_are_resampled_by_their_own_factors() {
    let x: (&[u64], &[f32]) = (&[1, 2, 2], &[0.0, 10.0, 100.0, 110.0]);
    let resize = Resize {
        mode: ResizeMode::Linear,
        coordinates: Coordinates::AlignCorners,
        scale: [1.0, 1.5],
        exclude_outside: false,
        antialias: false,
        adjoint: false,
    };
    let found = apply(Op::Resize(resize), &[x], &[1, 2, 3]);
    assert_eq!(found, [0.0, 5.0, 10.0, 100.0, 105.0, 110.0]);
}
