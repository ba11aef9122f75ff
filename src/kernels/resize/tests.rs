use proptest::prelude::*;

use crate::graph::{Coordinates, Nearest, Resize, ResizeMode};
use crate::kernels::testbed::{Bed, bound, cases, halos};
use crate::plan::task;
use crate::plan::{Halo, LayoutKind};

/// The coordinate of output `o`.
fn coordinate(resize: &Resize, n: f64, m: f64, o: f64) -> f64 {
    let c = match resize.coordinates {
        Coordinates::HalfPixel => ((2.0 * o + 1.0) * n - m) / (2.0 * m),
        Coordinates::Asymmetric => o * n / m,
        Coordinates::AlignCorners if m == 1.0 => 0.0,
        Coordinates::AlignCorners => o * (n - 1.0) / (m - 1.0),
        other => unreachable!("{other:?} is not among the cases"),
    };
    if matches!(resize.mode, ResizeMode::Linear) { c.max(0.0) } else { c }
}

/// The element at a coordinate of a line.
fn sample(mode: ResizeMode, c: f64, line: &dyn Fn(i64) -> f64, n: i64) -> f64 {
    let at = |i: f64| line((i as i64).clamp(0, n - 1));
    let (floor, t) = (c.floor(), c - c.floor());
    match mode {
        ResizeMode::Nearest(Nearest::Floor) => at(floor),
        ResizeMode::Nearest(Nearest::Ceil) => at(c.ceil()),
        ResizeMode::Nearest(Nearest::RoundPreferFloor) => at((c - 0.5).ceil()),
        ResizeMode::Nearest(Nearest::RoundPreferCeil) => at((c + 0.5).floor()),
        ResizeMode::Linear => at(floor) * (1.0 - t) + if t > 0.0 { at(floor + 1.0) * t } else { 0.0 },
        ResizeMode::Cubic { a } => {
            let a = f64::from(a);
            let near = |u: f64| (a + 2.0) * u.powi(3) - (a + 3.0) * u.powi(2) + 1.0;
            let far = |u: f64| a * u.powi(3) - 5.0 * a * u.powi(2) + 8.0 * a * u - 4.0 * a;
            at(floor - 1.0) * far(1.0 + t)
                + at(floor) * near(t)
                + at(floor + 1.0) * near(1.0 - t)
                + at(floor + 2.0) * far(2.0 - t)
        }
    }
}

fn check(dims: [u64; 4], to: [u64; 2], mode: ResizeMode, coordinates: Coordinates, halos: (Halo, Halo)) {
    let scale = [to[0] as f64 / dims[2] as f64, to[1] as f64 / dims[3] as f64];
    let resize = Resize { mode, coordinates, scale, exclude_outside: false, antialias: false };
    let mut bed = Bed::new();
    let x = bed.random(dims, LayoutKind::Planar, halos.0, false);
    let out = bed.buffer([dims[0], dims[1], to[0], to[1]], LayoutKind::Planar, halos.1);
    let task = task::Resize { x, resize };
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| super::lower(&task, out, low));
    let exact = matches!(mode, ResizeMode::Nearest(_));
    for at @ [n, c, y, x_] in bed.elements(out) {
        if !bed.is_inside(out, at) {
            continue;
        }
        let row = coordinate(&resize, dims[2] as f64, to[0] as f64, y as f64);
        let column = coordinate(&resize, dims[3] as f64, to[1] as f64, x_ as f64);
        let (h, w) = (dims[2] as i64, dims[3] as i64);
        let value = |i: i64, j: i64| f64::from(bed.get(x, [n, c, i, j]));
        let expected = sample(mode, row, &|i| sample(mode, column, &|j| value(i, j), w), h);
        let actual = f64::from(bed.get(out, at));
        let bound = if exact { 0.0 } else { bound(16, 6.0) };
        assert!((actual - expected).abs() <= bound, "{actual}, not {expected} at {at:?}");
    }
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn samples_rows_and_columns(
        dims in (1..3u64, 1..3u64, 1..9u64, 1..20u64),
        to in (1..20u64, 1..40u64),
        mode in prop_oneof![
            Just(ResizeMode::Nearest(Nearest::Floor)),
            Just(ResizeMode::Nearest(Nearest::Ceil)),
            Just(ResizeMode::Nearest(Nearest::RoundPreferFloor)),
            Just(ResizeMode::Nearest(Nearest::RoundPreferCeil)),
            Just(ResizeMode::Linear),
            Just(ResizeMode::Cubic { a: -0.75 }),
        ],
        coordinates in prop_oneof![
            Just(Coordinates::HalfPixel),
            Just(Coordinates::Asymmetric),
            Just(Coordinates::AlignCorners),
        ],
        around in (halos(2), halos(2)),
    ) {
        check([dims.0, dims.1, dims.2, dims.3], [to.0, to.1], mode, coordinates, around);
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
    };
    bed.run(out, |_, _| true, |low| super::lower(&task::Resize { x, resize }, out, low));
    let row: Vec<f32> = (0..4).map(|i| bed.get(out, [0, 0, 1, i])).collect();
    assert_eq!(row, [f32::INFINITY, f32::INFINITY, f32::INFINITY, 1.0]);
}
