use proptest::prelude::*;

use crate::kernels::testbed::{Bed, Numbers, Windowed, bound, cases, targets, windows};
use crate::plan::task::Depthwise;
use crate::plan::{Halo, LayoutKind};
use crate::target::Target;

fn check(case: &Windowed, shared: bool, known: bool, biased: bool, target: Target) {
    let mut bed = Bed::for_target(target);
    let channels = case.out[1];
    let taps = case.taps.len() as u64;
    let x = case.input(&mut bed, channels);
    let w_dims = match (shared, case.kind) {
        (true, _) => [1, 1, 1, taps],
        (false, LayoutKind::Planar) => [1, channels, 1, taps],
        (false, LayoutKind::Blocked) => [1, channels, 1, taps],
    };
    let w_kind = if shared { LayoutKind::Planar } else { case.kind };
    // Taps that are known: some are 1 or −1, which are added, and some equal.
    let known: Vec<f32> = match shared && known {
        true => Numbers::new(taps).take(taps as usize).iter().map(|x| (x * 2.0).round()).collect(),
        false => Vec::new(),
    };
    let w = match known.is_empty() {
        true => bed.random(w_dims, w_kind, Halo::NONE, false),
        false => bed.dense(w_dims, &known),
    };
    let bias = biased.then(|| bed.random([1, channels, 1, 1], case.kind, Halo::NONE, false));
    let (epilogue, operand) = case.epilogue(&mut bed);
    let out = bed.buffer(case.out, case.kind, case.halo);
    let task =
        Depthwise { x, w, shared, bias, taps: case.taps.clone(), known, stride: case.stride, epilogue };
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| super::lower(&task, out, low));
    let [sy, sx] = case.stride.map(i64::from);
    for at @ [n, c, y, x_] in bed.elements(out) {
        if !bed.is_inside(out, at) {
            continue;
        }
        if c >= channels as i64 {
            assert!(case.broadcast.is_some() || bed.get(out, at) == 0.0, "padding lane at {at:?}");
            continue;
        }
        let bias = bias.map_or(0.0, |bias| f64::from(bed.get(bias, [0, c, 0, 0])));
        let (mut sum, mut magnitude) = (bias, bias.abs());
        for (t, (dy, dx)) in case.taps.iter().enumerate() {
            let weight = f64::from(bed.get(w, [0, if shared { 0 } else { c }, 0, t as i64]));
            let value = bed.get(x, [n, c, y * sy + i64::from(*dy), x_ * sx + i64::from(*dx)]);
            sum += weight * f64::from(value);
            magnitude += (weight * f64::from(value)).abs();
        }
        let expected = case.finished(&bed, operand, at, sum);
        let actual = f64::from(bed.get(out, at));
        let bound = bound(case.taps.len(), magnitude);
        assert!((actual - expected).abs() <= bound, "{actual}, not {expected} at {at:?}");
    }
}

proptest! {
    #![proptest_config(cases(128))]
    #[test]
    fn sums_each_channel_by_itself(
        case in windows(),
        shared: bool,
        known: bool,
        biased: bool,
        target in targets(),
    ) {
        check(&case, shared, known, biased, target);
    }
}

#[test]
fn large_windows_take_little_code() {
    let grid = |h: i32, w: i32| (0..h * w).map(|i| (i / w, i % w)).collect::<Vec<_>>();
    for taps in [grid(61, 61), grid(1, 4001), grid(4001, 1), grid(3, 500)] {
        for kind in [LayoutKind::Planar, LayoutKind::Blocked] {
            let case = Windowed {
                kind,
                out: [1, 1, 1, 9],
                size: [1, 9],
                taps: taps.clone(),
                stride: [1, 1],
                halo: Halo::NONE,
                broadcast: None,
            };
            let mut bed = Bed::new();
            let x = case.input(&mut bed, 1);
            let w = bed.random([1, 1, 1, taps.len() as u64], LayoutKind::Planar, Halo::NONE, false);
            let out = bed.buffer(case.out, kind, Halo::NONE);
            let task = Depthwise {
                x,
                w,
                shared: true,
                bias: None,
                taps: taps.clone(),
                known: Vec::new(),
                stride: [1, 1],
                epilogue: Default::default(),
            };
            bed.run(out, |_, _| true, |low| super::lower(&task, out, low));
            assert!(bed.statements() < 1500, "{} statements", bed.statements());
        }
    }
}
