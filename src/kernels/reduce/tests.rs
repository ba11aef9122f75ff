use proptest::prelude::*;

use super::super::testbed::{At, Bed, halos, layouts};
use super::*;
use crate::plan::Halo;

const KINDS: [ReduceKind; 3] = [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max];

/// The elements that make a result.
fn reduced(dims: [i64; 4], axes: [bool; 4], at: At) -> Vec<At> {
    let range = |d: usize| if axes[d] { 0..dims[d] } else { at[d]..at[d] + 1 };
    let mut all = Vec::new();
    for n in range(0) {
        for c in range(1) {
            for y in range(2) {
                all.extend(range(3).map(|x| [n, c, y, x]));
            }
        }
    }
    all
}

/// Runs a reduction with some elements replaced; gives what there is and what there should be.
fn run(
    dims: [u64; 4],
    kind: LayoutKind,
    axes: [bool; 4],
    halos: [Halo; 2],
    reduce: ReduceKind,
    replace: &[(At, f32)],
) -> Vec<(At, f32, f64)> {
    let mut bed = Bed::new();
    let x = bed.random(dims, kind, halos[0], false);
    if reduce == ReduceKind::Max {
        // All negative: nothing that is not an element may win.
        for at in bed.elements(x) {
            if bed.is_inside(x, at) && at[1] < bed.dims(x)[1] {
                bed.set(x, at, bed.get(x, at) - 2.0);
            }
        }
    }
    for &(at, value) in replace {
        bed.set(x, at, value);
    }
    let of = std::array::from_fn(|d| if axes[d] { 1 } else { dims[d] });
    let out = bed.buffer(of, kind, halos[1]);
    let task = Reduce { x, kind: reduce, axes };
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| Ok(vec![lower(&task, out, low)?]));
    let inside = bed.elements(out).into_iter().filter(|at| bed.is_inside(out, *at));
    inside
        .map(|at| {
            if at[1] >= bed.dims(out)[1] {
                return (at, bed.get(out, at), 0.0);
            }
            let values = reduced(bed.dims(x), axes, at).into_iter().map(|at| f64::from(bed.get(x, at)));
            let n = values.len() as f64;
            let want = match reduce {
                ReduceKind::Sum => values.sum(),
                ReduceKind::Mean => values.sum::<f64>() / n,
                ReduceKind::Max => {
                    values.fold(f64::NEG_INFINITY, |a, b| if a > b || a.is_nan() { a } else { b })
                }
            };
            (at, bed.get(out, at), want)
        })
        .collect()
}

fn blocked_axes(kind: LayoutKind, axes: [bool; 4]) -> [bool; 4] {
    let planar = kind == LayoutKind::Planar;
    [axes[0] && planar, axes[1] && planar, axes[2], axes[3]]
}

fn dims() -> impl Strategy<Value = [u64; 4]> {
    prop_oneof![
        4 => [1..4u64, 1..20, 1..12, 1..40],
        1 => [1..2u64, 1..3, 1..3, 100..400],
        // Vectors along axes whose elements are not adjacent.
        1 => [1..3u64, 1..3, 1..80, 1..2],
        1 => [1..3u64, 1..80, 1..2, 1..2],
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_axes_of_any_layout(
        dims in dims(),
        kind in layouts(),
        axes in any::<[bool; 4]>(),
        halos in [halos(2), halos(2)],
        dense in any::<bool>(),
        reduce in prop::sample::select(KINDS.to_vec()),
    ) {
        let axes = blocked_axes(kind, axes);
        let halos = if dense { [Halo::NONE; 2] } else { halos };
        for (at, got, want) in run(dims, kind, axes, halos, reduce, &[]) {
            match reduce {
                ReduceKind::Max => prop_assert_eq!(f64::from(got), want, "{:?}", at),
                // Elements are less than 1.
                _ => prop_assert!((f64::from(got) - want).abs() < 1e-4, "{at:?}: {got}, not {want}"),
            }
        }
    }

    /// A NaN comes through, wherever it stands, and to its own result only.
    #[test]
    fn nan_comes_through(
        dims in [1..3u64, 1..10, 1..5, 1..40],
        kind in layouts(),
        axes in any::<[bool; 4]>(),
        halos in [halos(1), halos(1)],
        at in any::<[prop::sample::Index; 4]>(),
        reduce in prop::sample::select(KINDS.to_vec()),
        infinities in any::<bool>(),
    ) {
        let axes = blocked_axes(kind, axes);
        let place: At = std::array::from_fn(|d| at[d].index(dims[d] as usize) as i64);
        let mut replace = vec![(place, f32::NAN)];
        // Beside infinities, which must not make more of them; all −∞ is a maximum too.
        if infinities && reduce == ReduceKind::Max {
            for c in 0..dims[1] as i64 {
                for x in 0..dims[3] as i64 {
                    replace.insert(0, ([0, c, 0, x], if (c + x) % 2 == 0 { f32::NEG_INFINITY } else { f32::INFINITY }));
                }
            }
        }
        for (at, got, _) in run(dims, kind, axes, halos, reduce, &replace) {
            let hit = (0..4).all(|d| axes[d] || at[d] == place[d]);
            prop_assert_eq!(got.is_nan(), hit, "{:?}: {}", at, got);
        }
    }
}

#[test]
fn contradictions_are_errors() {
    let mut bed = Bed::new();
    let x = bed.random([1, 8, 4, 5], LayoutKind::Blocked, Halo::NONE, false);
    let out = bed.buffer([1, 1, 4, 5], LayoutKind::Blocked, Halo::NONE);
    for axes in [[false, true, false, false], [false, false, true, true]] {
        let task = Reduce { x, kind: ReduceKind::Sum, axes };
        bed.run(
            out,
            |_, _| false,
            |low| {
                assert!(matches!(lower(&task, out, low), Err(LowerError::Plan(_))));
                Ok(Vec::new())
            },
        );
    }
}
