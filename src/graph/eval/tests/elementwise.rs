use super::*;
use crate::graph::{BinaryOp, UnaryOp};

fn unary(op: UnaryOp, x: f32) -> f32 {
    apply(Op::Unary(op), &[(&[1], &[x])], &[1])[0]
}

/// Values by an arbitrary-precision calculator, 9 digits.
#[test]
fn functions_have_their_values() {
    let cases: [(UnaryOp, f32, f64); 37] = [
        (UnaryOp::Neg, 2.0, -2.0),
        (UnaryOp::Abs, -2.5, 2.5),
        (UnaryOp::Sqrt, 3.0, 1.732_050_81),
        (UnaryOp::Exp, 1.5, 4.481_689_07),
        (UnaryOp::Log, 5.0, 1.609_437_91),
        (UnaryOp::Reciprocal, 3.0, 0.333_333_333),
        (UnaryOp::Erf, 0.5, 0.520_499_878),
        (UnaryOp::Relu, -1.0, 0.0),
        (UnaryOp::Relu, 1.5, 1.5),
        (UnaryOp::Clamp { lo: -1.0, hi: 2.0 }, -3.0, -1.0),
        (UnaryOp::Clamp { lo: -1.0, hi: 2.0 }, 3.0, 2.0),
        (UnaryOp::Clamp { lo: -1.0, hi: 2.0 }, 0.25, 0.25),
        (UnaryOp::LeakyRelu { slope: 0.25 }, -2.0, -0.5),
        (UnaryOp::LeakyRelu { slope: 0.25 }, 2.0, 2.0),
        (UnaryOp::Elu { alpha: 2.0 }, -1.0, -1.264_241_12),
        (UnaryOp::Elu { alpha: 2.0 }, 1.0, 1.0),
        (UnaryOp::Selu { alpha: 2.0, gamma: 3.0 }, -1.0, -3.792_723_35),
        (UnaryOp::Selu { alpha: 2.0, gamma: 3.0 }, 1.0, 3.0),
        (UnaryOp::Celu { alpha: 2.0 }, -1.0, -0.786_938_681),
        (UnaryOp::Celu { alpha: 2.0 }, 1.0, 1.0),
        (UnaryOp::Gelu, 1.0, 0.841_344_746),
        (UnaryOp::Gelu, -3.0, -0.004_049_694_1),
        (UnaryOp::GeluTanh, 1.0, 0.841_191_99),
        (UnaryOp::Silu, -1.0, -0.268_941_421),
        (UnaryOp::Sigmoid, 2.0, 0.880_797_078),
        (UnaryOp::Tanh, 0.5, 0.462_117_157),
        (UnaryOp::Softplus, 1.0, 1.313_261_69),
        (UnaryOp::Softplus, -1.0, 0.313_261_688),
        (UnaryOp::Softplus, 200.0, 200.0),
        (UnaryOp::Softsign, -3.0, -0.75),
        (UnaryOp::Mish, 1.0, 0.865_098_388),
        (UnaryOp::HardSigmoid { alpha: 0.25, beta: 0.5 }, 1.0, 0.75),
        (UnaryOp::HardSigmoid { alpha: 0.25, beta: 0.5 }, 3.0, 1.0),
        (UnaryOp::HardSigmoid { alpha: 0.25, beta: 0.5 }, -3.0, 0.0),
        (UnaryOp::HardSwish, 1.5, 1.125),
        (UnaryOp::HardSwish, -4.0, 0.0),
        (UnaryOp::HardSwish, 4.0, 4.0),
    ];
    for (op, x, y) in cases {
        let found = f64::from(unary(op, x));
        assert!((found - y).abs() <= 1e-7 * y.abs().max(0.1), "{op:?} of {x} is {found}, not {y}");
    }
}

#[test]
fn nan_stays_nan() {
    let ops = [
        UnaryOp::Relu,
        UnaryOp::Clamp { lo: 0.0, hi: 1.0 },
        UnaryOp::LeakyRelu { slope: 0.1 },
        UnaryOp::Elu { alpha: 1.0 },
        UnaryOp::Softplus,
        UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 },
        UnaryOp::HardSwish,
    ];
    for op in ops {
        assert!(unary(op, f32::NAN).is_nan(), "{op:?}");
    }
    for op in [BinaryOp::Min, BinaryOp::Max] {
        for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
            assert!(apply(Op::Binary(op), &[(&[1], &[a]), (&[1], &[b])], &[1])[0].is_nan());
        }
    }
}

#[test]
fn two_arguments_in_their_order() {
    let values = [
        (BinaryOp::Add, 10.0),
        (BinaryOp::Sub, 6.0),
        (BinaryOp::Mul, 16.0),
        (BinaryOp::Div, 4.0),
        (BinaryOp::Pow, 64.0),
        (BinaryOp::Min, 2.0),
        (BinaryOp::Max, 8.0),
    ];
    for (op, expected) in values {
        assert_eq!(apply(Op::Binary(op), &[(&[1], &[8.0]), (&[1], &[2.0])], &[1]), [expected], "{op:?}");
    }
}

#[test]
fn axes_are_aligned_from_the_last() {
    let x: (&[u64], &[f32]) = (&[2, 1, 3], &count(6));
    let add = || Op::Binary(BinaryOp::Add);
    let found = apply(add(), &[x, (&[2, 1], &[10.0, 20.0])], &[2, 2, 3]);
    assert_eq!(found, [10.0, 11.0, 12.0, 20.0, 21.0, 22.0, 13.0, 14.0, 15.0, 23.0, 24.0, 25.0]);
    let scalar: (&[u64], &[f32]) = (&[], &[100.0]);
    assert_eq!(apply(Op::Binary(BinaryOp::Sub), &[scalar, (&[2], &[1.0, 2.0])], &[2]), [99.0, 98.0]);
}

#[test]
fn slopes_and_statistics_belong_to_channels() {
    let x: (&[u64], &[f32]) = (&[2, 1, 2], &[-1.0, 1.0, -1.0, 1.0]);
    assert_eq!(apply(Op::Prelu, &[x, (&[2], &[0.5, 2.0])], &[2, 1, 2]), [-0.5, 1.0, -2.0, 1.0]);
    assert_eq!(apply(Op::Prelu, &[x, (&[1], &[3.0])], &[2, 1, 2]), [-3.0, 1.0, -3.0, 1.0]);
    // (x − mean) / sqrt(var + eps) · scale + shift
    let norm = Op::BatchNorm { eps: 1.0 };
    let stats: [(&[u64], &[f32]); 4] =
        [(&[2], &[1.0, 10.0]), (&[2], &[0.0, 5.0]), (&[2], &[1.0, -1.0]), (&[2], &[3.0, 8.0])];
    let args = [x, stats[0], stats[1], stats[2], stats[3]];
    close(&apply(norm, &args, &[2, 1, 2]), &[-1.0, 0.0, 5.0, 5.0 + 20.0 / 3.0]);
    // A vector's channels are its last axis.
    let vector: (&[u64], &[f32]) = (&[2], &[-1.0, -1.0]);
    assert_eq!(apply(Op::Prelu, &[vector, (&[2], &[0.5, 2.0])], &[2]), [-0.5, -2.0]);
}
