use super::*;

/// Mean 2 and variance 1 of 1, 3; mean 20 and variance 100 of 10, 30.
const X: [f32; 4] = [1.0, 3.0, 10.0, 30.0];

#[test]
fn each_channel_is_standardised_by_itself() {
    let op = Op::GroupNorm { groups: 2, eps: 0.0 };
    let result = apply(op.clone(), &[(&[2, 1, 2], &X)], &[2, 1, 2]);
    close(&result, &[-1.0, 1.0, -1.0, 1.0]);
    let affine: &[(&[u64], &[f32])] = &[(&[2, 1, 2], &X), (&[2], &[2.0, 3.0]), (&[2], &[0.5, -1.0])];
    close(&apply(op, affine, &[2, 1, 2]), &[-1.5, 2.5, -4.0, 2.0]);
    // A variance of 1 and eps 3: divided by 2.
    let op = Op::GroupNorm { groups: 1, eps: 3.0 };
    close(&apply(op, &[(&[2], &X[..2])], &[2]), &[-0.5, 0.5]);
}

#[test]
fn channels_of_a_group_have_one_mean_and_each_its_own_factor() {
    let x = [1.0, 3.0, 5.0, 7.0, 10.0, 30.0, 50.0, 70.0];
    let op = Op::GroupNorm { groups: 2, eps: 0.0 };
    let scale = [1.0, 10.0, 100.0, 1000.0];
    let result = apply(op, &[(&[4, 1, 2], &x), (&[4], &scale)], &[4, 1, 2]);
    // Mean 4 and variance 5; ten times that.
    let [a, b] = [3.0, 1.0].map(|v: f32| v / 5.0f32.sqrt());
    close(&result, &[-a, -b, 10.0 * b, 10.0 * a, -100.0 * a, -100.0 * b, 1000.0 * b, 1000.0 * a]);
}

#[test]
fn the_last_axes_are_standardised_together() {
    let op = |axes| Op::LayerNorm { axes, eps: 0.0 };
    close(&apply(op(1), &[(&[2, 2], &X)], &[2, 2]), &[-1.0, 1.0, -1.0, 1.0]);
    let affine: &[(&[u64], &[f32])] = &[(&[2, 2], &X), (&[2], &[2.0, 3.0]), (&[2], &[0.5, -1.0])];
    close(&apply(op(1), affine, &[2, 2]), &[-1.5, 2.0, -1.5, 2.0]);
    let x = [1.0, 3.0, 5.0, 7.0];
    let [a, b] = [3.0, 1.0].map(|v: f32| v / 5.0f32.sqrt());
    close(&apply(op(2), &[(&[2, 2], &x)], &[2, 2]), &[-a, -b, b, a]);
}

#[test]
fn a_response_is_divided_by_that_of_its_neighbours() {
    let lrn = |size| Op::Lrn { size, alpha: size as f32, beta: 1.0, k: 1.0 };
    let x = [1.0, 2.0, 3.0, 4.0];
    let dims: &[u64] = &[4, 1, 1];
    // Of an even window the larger part lies behind.
    close(&apply(lrn(2), &[(dims, &x)], dims), &[1.0 / 6.0, 2.0 / 14.0, 3.0 / 26.0, 4.0 / 17.0]);
    close(&apply(lrn(3), &[(dims, &x)], dims), &[1.0 / 6.0, 2.0 / 15.0, 3.0 / 30.0, 4.0 / 26.0]);
    close(&apply(lrn(99), &[(dims, &x)], dims), &x.map(|v| v / 31.0));
}

#[test]
fn the_logarithm_of_a_softmax_does_not_overflow() {
    let op = Op::LogSoftmax { axis: 1 };
    let result = apply(op, &[(&[2, 2], &[1.0, 1.0, 10_000.0, 0.0])], &[2, 2]);
    close(&result, &[-std::f32::consts::LN_2, -std::f32::consts::LN_2, 0.0, -10_000.0]);
}

#[test]
fn a_norm_pool_is_the_root_of_a_sum_of_powers() {
    let pool =
        |p| Op::Pool(Pool { kind: PoolKind::Lp { p }, window: window([1, 2], [1, 1], [1, 1], [0; 4]) });
    let x = [-3.0, 4.0, 0.0];
    close(&apply(pool(2), &[(&[1, 1, 3], &x)], &[1, 1, 2]), &[5.0, 4.0]);
    close(&apply(pool(1), &[(&[1, 1, 3], &x)], &[1, 1, 2]), &[7.0, 4.0]);
    close(&apply(pool(3), &[(&[1, 1, 3], &x)], &[1, 1, 2]), &[91.0f32.cbrt(), 4.0]);
}
