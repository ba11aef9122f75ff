use proptest::prelude::*;

use super::super::testbed::{At, Bed, halos, layouts};
use super::*;
use crate::graph::{BinaryOp, UnaryOp};
use crate::plan::{Halo, PointwiseOp};

/// Chooses an operation; arguments are taken modulo what there is.
type Choice = (u8, u32, u32);

/// An expression of the operands and some numbers; every value is in the sum that results.
fn expression(inputs: Vec<Operand>, choices: &[Choice]) -> Pointwise {
    let mut ops: Vec<PointwiseOp> = (0..inputs.len() as u32).map(PointwiseOp::Operand).collect();
    ops.push(PointwiseOp::Scalar(0.75));
    ops.push(PointwiseOp::Scalar(-1.5));
    for &(op, a, b) in choices {
        let n = ops.len() as u32;
        let (a, b) = (a % n, b % n);
        ops.push(match op % 14 {
            0 => PointwiseOp::Binary(BinaryOp::Add, a, b),
            1 => PointwiseOp::Binary(BinaryOp::Sub, a, b),
            2 | 3 => PointwiseOp::Binary(BinaryOp::Mul, a, b),
            4 => PointwiseOp::Binary(BinaryOp::Min, a, b),
            5 => PointwiseOp::Binary(BinaryOp::Max, a, b),
            6 => PointwiseOp::Unary(UnaryOp::Relu, a),
            7 => PointwiseOp::Unary(UnaryOp::Neg, a),
            8 => PointwiseOp::Unary(UnaryOp::Abs, a),
            9 => PointwiseOp::Unary(UnaryOp::Clamp { lo: -0.5, hi: 0.25 }, a),
            10 => PointwiseOp::Unary(UnaryOp::LeakyRelu { slope: 0.1 }, a),
            11 => PointwiseOp::Prelu(a, b),
            12 => PointwiseOp::Unary(UnaryOp::Sigmoid, a),
            _ => PointwiseOp::Unary(UnaryOp::HardSwish, a),
        });
    }
    for i in 0..ops.len() as u32 - 1 {
        ops.push(PointwiseOp::Binary(BinaryOp::Add, ops.len() as u32 - 1, i));
    }
    Pointwise { inputs, ops }
}

/// The definition, on numbers.
fn evaluate(expr: &Pointwise, inputs: &[f32]) -> f32 {
    let mut values: Vec<f32> = Vec::new();
    for op in &expr.ops {
        let at = |i: u32| values[i as usize];
        values.push(match *op {
            PointwiseOp::Operand(i) => inputs[i as usize],
            PointwiseOp::Scalar(x) => x,
            PointwiseOp::Binary(op, a, b) => match op {
                BinaryOp::Add => at(a) + at(b),
                BinaryOp::Sub => at(a) - at(b),
                BinaryOp::Mul => at(a) * at(b),
                BinaryOp::Min => at(a).min(at(b)),
                BinaryOp::Max => at(a).max(at(b)),
                BinaryOp::Div | BinaryOp::Pow => unreachable!(),
            },
            PointwiseOp::Prelu(x, slope) if at(x) < 0.0 => at(x) * at(slope),
            PointwiseOp::Prelu(x, _) => at(x),
            PointwiseOp::Unary(op, x) => match (op, at(x)) {
                (UnaryOp::Relu, x) => x.max(0.0),
                (UnaryOp::Neg, x) => -x,
                (UnaryOp::Abs, x) => x.abs(),
                (UnaryOp::Clamp { lo, hi }, x) => x.clamp(lo, hi),
                (UnaryOp::LeakyRelu { slope }, x) if x < 0.0 => x * slope,
                (UnaryOp::LeakyRelu { .. }, x) => x,
                (UnaryOp::Sigmoid, x) => 1.0 / (1.0 + (-x).exp()),
                (UnaryOp::HardSwish, x) => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
                _ => unreachable!(),
            },
        });
    }
    *values.last().unwrap()
}

/// An operand's broadcast axes and its halo.
type Shape = ([bool; 4], Halo);

fn run(
    dims: [u64; 4],
    kind: LayoutKind,
    out_halo: Halo,
    shapes: &[Shape],
    in_place: bool,
    choices: &[Choice],
) -> Result<(), TestCaseError> {
    let mut bed = Bed::new();
    let mut inputs = Vec::new();
    for &(broadcast, halo) in shapes {
        let mut of = dims;
        for (dim, broadcast) in of.iter_mut().zip(broadcast) {
            if broadcast {
                *dim = 1;
            }
        }
        let spread = kind == LayoutKind::Blocked && of[1] == 1 && dims[1] != 1;
        let kind = if spread { LayoutKind::Planar } else { kind };
        inputs.push(bed.random(of, kind, halo, false));
    }
    let full = shapes.iter().position(|(broadcast, _)| !broadcast.contains(&true));
    let out = match full {
        Some(i) if in_place => inputs[i],
        _ => bed.buffer(dims, kind, out_halo),
    };
    let expr = expression(inputs.iter().copied().map(Operand::Buffer).collect(), choices);
    let want: Vec<(At, f32)> = bed
        .elements(out)
        .into_iter()
        .filter(|&at| bed.is_inside(out, at))
        .map(|at| {
            let values: Vec<f32> = inputs
                .iter()
                .map(|&input| {
                    let dims = bed.dims(input);
                    bed.get(input, std::array::from_fn(|d| if dims[d] == 1 { 0 } else { at[d] }))
                })
                .collect();
            (at, if at[1] < dims[1] as i64 { evaluate(&expr, &values) } else { 0.0 })
        })
        .collect();
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| Ok(vec![lower(&expr, out, low)?]));
    for (at, want) in want {
        let got = bed.get(out, at);
        prop_assert!((got - want).abs() <= 1e-5 * want.abs().max(1.0), "{at:?}: {got}, not {want}");
    }
    Ok(())
}

fn dims() -> impl Strategy<Value = [u64; 4]> {
    let small = [1..3u64, 1..20, 1..6, 1..30];
    // Rows and pictures that are cut into several units.
    prop_oneof![
        8 => small,
        // Vectors along axes whose elements are not adjacent.
        1 => [1..3u64, 1..3, 1..40, 1..3],
        1 => [1..3u64, 1..40, 1..2, 1..3],
        1 => [1..2u64, 1..3, 1..4, 4000..9000],
        1 => [1..2u64, 1..3, 100..300, 40..70],
    ]
}

fn shapes() -> impl Strategy<Value = Vec<Shape>> {
    let broadcast = prop_oneof![
        3 => Just([false; 4]),
        1 => Just([true, false, true, true]),
        1 => Just([true; 4]),
        2 => any::<[bool; 4]>(),
    ];
    prop::collection::vec((broadcast, prop_oneof![Just(Halo::NONE), halos(2)]), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_expression_of_any_operands(
        dims in dims(),
        kind in layouts(),
        out_halo in prop_oneof![Just(Halo::NONE), halos(2)],
        shapes in shapes(),
        in_place in any::<bool>(),
        choices in prop::collection::vec(any::<Choice>(), 0..6),
    ) {
        run(dims, kind, out_halo, &shapes, in_place, &choices)?;
    }
}

/// What makes padding lanes of 0 into something else is masked, and nothing else is.
#[test]
fn padding_lanes_stay_zero_at_no_needless_cost() {
    let masked = |ops: Vec<PointwiseOp>| {
        let expr = Pointwise { inputs: Vec::new(), ops };
        !expr::keeps_zero(&expr, &[false, true])
    };
    let x = PointwiseOp::Operand(0);
    let spread = PointwiseOp::Operand(1);
    let unary = |op| PointwiseOp::Unary(op, 0);
    assert!(!masked(vec![x, unary(UnaryOp::Silu)]));
    assert!(masked(vec![x, unary(UnaryOp::Sigmoid)]));
    assert!(masked(vec![x, unary(UnaryOp::Clamp { lo: 0.5, hi: 1.0 })]));
    assert!(masked(vec![spread, unary(UnaryOp::Relu)]));
    assert!(masked(vec![x, spread, PointwiseOp::Binary(BinaryOp::Mul, 0, 1)]));
    assert!(!masked(vec![x, spread, PointwiseOp::Prelu(0, 1)]));
    let scalar = |number, op| vec![x, PointwiseOp::Scalar(number), PointwiseOp::Binary(op, 0, 1)];
    assert!(masked(scalar(1.0, BinaryOp::Add)));
    assert!(!masked(scalar(2.0, BinaryOp::Mul)));
    assert!(masked(scalar(f32::INFINITY, BinaryOp::Mul)));
    assert!(masked(scalar(0.0, BinaryOp::Pow)));
    assert!(!masked(scalar(-1.0, BinaryOp::Max)));
    assert!(masked(scalar(0.0, BinaryOp::Div)));
}

/// NaN comes through a minimum and a maximum with a number on either side.
#[test]
fn nan_comes_through_bounds() {
    for op in [BinaryOp::Min, BinaryOp::Max] {
        for (a, b) in [(0, 1), (1, 0)] {
            let mut bed = Bed::new();
            let dims = [1, 1, 1, 3];
            let x = bed.dense(dims, &[f32::NAN, -2.0, 2.0]);
            let out = bed.buffer(dims, LayoutKind::Planar, Halo::NONE);
            let ops = vec![PointwiseOp::Operand(0), PointwiseOp::Scalar(0.5), PointwiseOp::Binary(op, a, b)];
            let expr = Pointwise { inputs: vec![Operand::Buffer(x)], ops };
            bed.run(out, |_, _| true, |low| Ok(vec![lower(&expr, out, low)?]));
            let got = [0, 1, 2].map(|x| bed.get(out, [0, 0, 0, x]));
            let want = if op == BinaryOp::Min { [-2.0, 0.5] } else { [0.5, 2.0] };
            assert!(got[0].is_nan() && got[1..] == want, "{op:?}: {got:?}");
        }
    }
}

/// A dense picture is one long row: one kernel, and no more instructions than its vectors need.
#[test]
fn dense_operands_make_one_run() {
    let mut bed = Bed::new();
    let dims = [2, 3, 5, 7];
    let [a, b] = [(); 2].map(|()| bed.random(dims, LayoutKind::Planar, Halo::NONE, false));
    let out = bed.buffer(dims, LayoutKind::Planar, Halo::NONE);
    let expr = Pointwise {
        inputs: vec![Operand::Buffer(a), Operand::Buffer(b)],
        ops: vec![PointwiseOp::Operand(0), PointwiseOp::Operand(1), PointwiseOp::Binary(BinaryOp::Add, 0, 1)],
    };
    bed.run(
        out,
        |bed, at| bed.is_inside(out, at),
        |low| {
            let nests = lower(&expr, out, low)?;
            assert_eq!(nests.len(), 1);
            assert_eq!(nests[0].units(), 1);
            Ok(vec![nests])
        },
    );
    // Four vectors, one vector and the last two lanes, each two loads, a sum and a store; 6 steps.
    assert_eq!(bed.statements(), 4 * (4 + 1 + 1) + 6);
}

#[test]
fn contradictions_are_errors() {
    let mut bed = Bed::new();
    let a = bed.random([1, 3, 4, 5], LayoutKind::Planar, Halo::NONE, false);
    let out = bed.buffer([1, 3, 4, 6], LayoutKind::Planar, Halo::NONE);
    for input in [Operand::Sum, Operand::Buffer(a)] {
        let expr = Pointwise { inputs: vec![input], ops: vec![PointwiseOp::Operand(0)] };
        bed.run(
            out,
            |_, _| false,
            |low| {
                assert!(matches!(lower(&expr, out, low), Err(LowerError::Plan(_))));
                Ok(Vec::new())
            },
        );
    }
}
