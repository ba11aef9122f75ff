use proptest::prelude::*;

use crate::graph::PoolKind;
use crate::kernels::testbed::{Bed, Windowed, bound, cases, windows};
use crate::plan::task::{Epilogue, Pool};
use crate::plan::{Halo, LayoutKind};

/// Runs a pool and compares with every window taken by itself.
fn check(case: &Windowed, kind: PoolKind, rows: Vec<u32>, cols: Vec<u32>, nan_every: i64) {
    let mut bed = Bed::new();
    let x = case.input(&mut bed, case.out[1]);
    if nan_every > 0 {
        for at in bed.elements(x) {
            if at[1] < case.out[1] as i64 && (at[2] * 7 + at[3] * 3 + at[1]).rem_euclid(nan_every) == 0 {
                bed.set(x, at, f32::NAN);
            }
        }
    }
    let (epilogue, operand) = case.epilogue(&mut bed);
    let out = bed.buffer(case.out, case.kind, case.halo);
    let task = Pool {
        x,
        kind,
        taps: case.taps.clone(),
        stride: case.stride,
        rows: rows.clone(),
        cols: cols.clone(),
        epilogue,
    };
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| super::lower(&task, out, low));
    let [sy, sx] = case.stride.map(i64::from);
    for at @ [n, c, y, x_] in bed.elements(out) {
        if !bed.is_inside(out, at) || c >= case.out[1] as i64 {
            continue;
        }
        let window: Vec<f32> = case
            .taps
            .iter()
            .map(|(dy, dx)| bed.get(x, [n, c, y * sy + i64::from(*dy), x_ * sx + i64::from(*dx)]))
            .collect();
        let pooled = if kind == PoolKind::Max {
            let any_nan = window.iter().any(|v| v.is_nan());
            let max = window.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            f64::from(if any_nan { f32::NAN } else { max })
        } else {
            let sum: f64 = window.iter().map(|v| f64::from(*v)).sum();
            sum / f64::from(rows[y as usize] * cols[x_ as usize])
        };
        let expected = case.finished(&bed, operand, at, pooled);
        let actual = f64::from(bed.get(out, at));
        if expected.is_nan() {
            assert!(actual.is_nan(), "{actual} in place of NaN at {at:?}");
        } else {
            let magnitude = window.iter().map(|v| f64::from(v.abs())).sum();
            let bound = if kind == PoolKind::Max { 2e-7 } else { bound(window.len(), magnitude) };
            assert!((actual - expected).abs() <= bound, "{actual}, not {expected} at {at:?}");
        }
    }
}

proptest! {
    #![proptest_config(cases(96))]
    #[test]
    fn finds_maxima(case in windows(), nan_every in prop_oneof![Just(0i64), 2..40i64]) {
        check(&case, PoolKind::Max, Vec::new(), Vec::new(), nan_every);
    }

    #[test]
    fn divides_sums(case in windows(), uniform: [bool; 2]) {
        let counts = |n: u64, uniform: bool| (0..n).map(|i| if uniform { 3 } else { 1 + (i % 4) as u32 }).collect::<Vec<_>>();
        let (rows, cols) = (counts(case.out[2], uniform[0]), counts(case.out[3], uniform[1]));
        check(&case, PoolKind::Average { count_include_pad: false }, rows, cols, 0);
    }
}

#[test]
fn kernels_do_not_depend_on_height_and_width() {
    let kernels = |size: u64| {
        let mut bed = Bed::new();
        let x = bed.random([1, 8, size, size], LayoutKind::Blocked, Halo::NONE, false);
        let out = bed.buffer([1, 8, size / 2, size / 2], LayoutKind::Blocked, Halo::NONE);
        let task = Pool {
            x,
            kind: PoolKind::Max,
            taps: vec![(0, 0), (0, 1), (1, 0), (1, 1)],
            stride: [2, 2],
            rows: Vec::new(),
            cols: Vec::new(),
            epilogue: Epilogue::default(),
        };
        bed.run(out, |_, _| true, |low| super::lower(&task, out, low));
        bed.kernels
    };
    assert_eq!(kernels(24), kernels(48));
}
