use proptest::prelude::*;

use crate::kernels::testbed::{At, Bed, cases, halos, layouts};
use crate::plan::{Fill, Halo, LayoutKind};

/// The index that a position outside of `0..n` repeats.
fn source(fill: Fill, at: i64, n: i64) -> i64 {
    match fill {
        Fill::Replicate => at.max(0).min(n - 1),
        Fill::Reflect if at < 0 => -at,
        Fill::Reflect if at >= n => n - 1 - (at - (n - 1)),
        Fill::Wrap if at < 0 => at + n,
        Fill::Wrap if at >= n => at - n,
        _ => at,
    }
}

fn check(dims: [u64; 4], kind: LayoutKind, halo: Halo, fill: Fill) {
    let mut bed = Bed::new();
    let out = bed.random(dims, kind, halo, false);
    bed.run(out, |bed, at| !bed.is_inside(out, at), |low| super::lower(fill, out, low));
    for at @ [n, c, y, x] in bed.elements(out) {
        if bed.is_inside(out, at) {
            continue;
        }
        let [_, _, h, w] = bed.dims(out);
        let inside: At = [n, c, source(fill, y, h), source(fill, x, w)];
        let expected = match fill {
            _ if c >= dims[1] as i64 => 0.0,
            Fill::Zero => 0.0,
            Fill::NegInfinity => f32::NEG_INFINITY,
            Fill::Constant(bits) => f32::from_bits(bits),
            Fill::Replicate | Fill::Reflect | Fill::Wrap => bed.get(out, inside),
        };
        assert_eq!(bed.get(out, at).to_bits(), expected.to_bits(), "{fill:?} at {at:?}");
    }
}

fn fills() -> impl Strategy<Value = Fill> {
    prop_oneof![
        Just(Fill::Zero),
        Just(Fill::NegInfinity),
        Just(Fill::Constant(2.5f32.to_bits())),
        Just(Fill::Replicate),
        Just(Fill::Reflect),
        Just(Fill::Wrap),
    ]
}

proptest! {
    #![proptest_config(cases(192))]
    #[test]
    fn repeats_what_the_border_says(
        dims in (1..3u64, 1..19u64, 4..8u64, 4..12u64),
        kind in layouts(),
        halo in halos(3),
        fill in fills(),
    ) {
        check([dims.0, dims.1, dims.2, dims.3], kind, halo, fill);
    }

    #[test]
    fn repeats_far_columns(width in 100..140u64, left in 60..100u32, right in 60..100u32, kind in layouts(), fill in fills()) {
        check([1, 3, 2, width], kind, Halo { top: 1, bottom: 0, left, right, fill }, fill);
    }
}

#[test]
fn wide_halos_take_little_code() {
    for kind in [LayoutKind::Planar, LayoutKind::Blocked] {
        let halo = Halo { top: 4, bottom: 5, left: 1001, right: 999, fill: Fill::Replicate };
        let mut bed = Bed::new();
        let out = bed.random([1, 1, 1, 1], kind, halo, false);
        bed.run(out, |bed, at| !bed.is_inside(out, at), |low| super::lower(Fill::Replicate, out, low));
        let value = bed.get(out, [0, 0, 0, 0]);
        for at in bed.elements(out) {
            assert!(at[1] > 0 || bed.get(out, at).to_bits() == value.to_bits());
        }
        assert!(bed.statements() < 100, "{} statements", bed.statements());
    }
}

#[test]
fn reflection_beyond_the_picture_is_an_error() {
    let halo = Halo { top: 0, bottom: 0, left: 3, right: 0, fill: Fill::Reflect };
    let mut bed = Bed::new();
    let out = bed.random([1, 1, 3, 3], LayoutKind::Planar, halo, false);
    bed.run(
        out,
        |_, _| false,
        |low| {
            assert!(super::lower(Fill::Reflect, out, low).is_err());
            assert!(super::lower(Fill::Wrap, out, low).is_ok());
            Ok(Vec::new())
        },
    );
}
