use proptest::prelude::*;

use crate::graph::resample::reference::{resizes, sample};
use crate::graph::{Coordinates, Resize, ResizeMode};
use crate::kernels::testbed::{Bed, bound, cases, halos};
use crate::plan::task;
use crate::plan::{Halo, LayoutKind};

fn check(dims: [u64; 4], to: [u64; 2], resize: Resize, halos: (Halo, Halo)) {
    let mut bed = Bed::new();
    let x = bed.random(dims, LayoutKind::Planar, halos.0, false);
    let out = bed.buffer([dims[0], dims[1], to[0], to[1]], LayoutKind::Planar, halos.1);
    let task = task::Resize { x, resize };
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| super::lower(&task, out, low));
    let exact = matches!(resize.mode, ResizeMode::Nearest(_));
    for at @ [n, c, y, x_] in bed.elements(out) {
        if !bed.is_inside(out, at) {
            continue;
        }
        let [h, w] = [dims[2] as i64, dims[3] as i64];
        let [oh, ow] = to.map(|m| m as i64);
        let value = |i: i64, j: i64| f64::from(bed.get(x, [n, c, i, j]));
        let along = |i: i64| sample(&resize, 1, w, ow, x_, &|j| value(i, j));
        let expected = sample(&resize, 0, h, oh, y, &along);
        let actual = f64::from(bed.get(out, at));
        let bound = if exact { 0.0 } else { bound(16, 6.0) };
        assert!((actual - expected).abs() <= bound, "{actual}, not {expected} at {at:?}");
    }
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn samples_rows_and_columns(
        (dims, to, resize) in (1..3u64, 1..3u64, [1..9u64, 1..20u64], [1..20u64, 1..40u64]).prop_flat_map(
            |(n, c, from, to)| (Just([n, c, from[0], from[1]]), Just(to), resizes(from, to)),
        ),
        around in (halos(2), halos(2)),
    ) {
        check(dims, to, resize, around);
    }
}

#[test]
fn infinite_elements_stay_infinite_at_the_edge() {
    let mut bed = Bed::new();
    let x = bed.dense([1, 1, 1, 2], &[f32::INFINITY, 1.0]);
    let out = bed.buffer([1, 1, 2, 4], LayoutKind::Planar, Halo::NONE);
    let resize = Resize {
        mode: ResizeMode::Linear,
        coordinates: Coordinates::HalfPixel,
        scale: [2.0, 2.0],
        exclude_outside: false,
        antialias: false,
        adjoint: false,
    };
    bed.run(out, |_, _| true, |low| super::lower(&task::Resize { x, resize }, out, low));
    let row: Vec<f32> = (0..4).map(|i| bed.get(out, [0, 0, 1, i])).collect();
    assert_eq!(row, [f32::INFINITY, f32::INFINITY, f32::INFINITY, 1.0]);
}
