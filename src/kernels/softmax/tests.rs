use proptest::prelude::*;

use super::super::testbed::Bed;
use super::*;
use crate::plan::{Halo, LayoutKind};

/// Runs a softmax over `[outer, n, inner]` numbers.
fn run(shape: [u64; 3], x: &[f32], in_place: bool) -> Vec<f32> {
    let [outer, n, inner] = shape;
    let mut bed = Bed::new();
    let dims = [1, outer, n, inner];
    let input = bed.dense(dims, x);
    let out = if in_place { input } else { bed.buffer(dims, LayoutKind::Planar, Halo::NONE) };
    let task = Softmax { x: input, outer, n, inner };
    bed.run(out, |_, _| true, |low| Ok(vec![lower(&task, out, low)?]));
    bed.elements(out).into_iter().map(|at| bed.get(out, at)).collect()
}

/// In f64, straight from the definition.
fn definition([outer, n, inner]: [u64; 3], x: &[f32]) -> Vec<f64> {
    let mut result = vec![0.0; x.len()];
    let [outer, n, inner] = [outer, n, inner].map(|d| d as usize);
    for row in (0..outer * inner).map(|i| i / inner * n * inner + i % inner) {
        let at = |i: usize| row + i * inner;
        let max = (0..n).map(|i| x[at(i)]).fold(f32::NEG_INFINITY, f32::max);
        let exp = |i: usize| f64::from(x[at(i)] - max).exp();
        let sum: f64 = (0..n).map(exp).sum();
        for i in 0..n {
            result[at(i)] = exp(i) / sum;
        }
    }
    result
}

fn shape() -> impl Strategy<Value = [u64; 3]> {
    prop_oneof![[1..40u64, 1..60, 1..2], [1..4u64, 1..9, 1..100], [1..3u64, 2000..3000, 1..2],]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn is_the_definition(
        shape in shape(),
        scale in prop_oneof![Just(1.0f32), Just(100.0)],
        shift in prop_oneof![Just(0.0f32), Just(-500.0), Just(500.0)],
        in_place in any::<bool>(),
        seed in any::<u32>(),
    ) {
        let mut state = seed;
        let x: Vec<f32> = (0..shape.iter().product())
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32 * scale + shift
            })
            .collect();
        for (got, want) in run(shape, &x, in_place).into_iter().zip(definition(shape, &x)) {
            prop_assert!((f64::from(got) - want).abs() <= 1e-6 * want + 1e-37, "{got}, not {want}");
        }
    }
}

/// A NaN or ∞ makes its row NaN and no other.
#[test]
fn nan_stays_in_its_row() {
    for shape in [[3, 11, 1], [3, 16, 1], [3, 5, 9]] {
        let elements: u64 = shape.iter().product();
        for bad in [f32::NAN, f32::INFINITY] {
            for at in 0..elements as usize {
                let mut x = vec![0.5; elements as usize];
                x[at] = bad;
                let y = run(shape, &x, false);
                let [_, n, inner] = shape.map(|d| d as usize);
                let row = |i: usize| (i / (n * inner), i % inner);
                for (i, y) in y.iter().enumerate() {
                    assert_eq!(y.is_nan(), row(i) == row(at), "{shape:?}: {bad} at {at}, {y} at {i}");
                }
            }
        }
    }
}
