use proptest::prelude::*;

use crate::kernels::testbed::{Bed, Windowed, bound, cases, targets, windows};
use crate::plan::task::{Phase, PlanarConv};
use crate::plan::{Halo, LayoutKind};
use crate::target::Target;

/// What a convolution has beside its window.
#[derive(Clone, Debug)]
struct Channels {
    groups: u64,
    ins: u64,
    outs: u64,
    biased: bool,
    transposed: bool,
    /// Step and start of the output's rows and columns.
    steps: [(u32, u32); 2],
}

/// Gives the bed that it ran in.
fn check(case: &Windowed, channels: &Channels, target: Target) -> Bed {
    let Channels { groups, ins, outs, biased, transposed, steps } = *channels;
    // The output has room for all positions of the phase and more.
    let counts = [case.out[2] as u32, case.out[3] as u32];
    let phase: [Phase; 2] =
        std::array::from_fn(|a| Phase { start: steps[a].1, step: steps[a].0, count: counts[a] });
    let extent = |p: &Phase| u64::from(p.start + p.step * p.count);
    let out_dims = [case.out[0], groups * outs, extent(&phase[0]), extent(&phase[1])];
    let mut bed = Bed::for_target(target);
    let counts = counts.map(u64::from);
    let case = Windowed { kind: LayoutKind::Planar, ..case.clone() };
    let x = case.input_for(&mut bed, groups * ins, counts);
    let case = Windowed { out: out_dims, ..case };
    let taps = case.taps.len() as u64;
    // Taps are numbered from behind, and the weights have some that are not used.
    let w_taps = taps + 2;
    let tap_index: Vec<u32> = (0..taps as u32).map(|t| taps as u32 - t).collect();
    let w_dims = if transposed { [1, groups * ins, outs, w_taps] } else { [1, groups * outs, ins, w_taps] };
    let w = bed.random(w_dims, LayoutKind::Planar, Halo::NONE, false);
    let bias = biased.then(|| bed.random([1, 1, 1, groups * outs], LayoutKind::Planar, Halo::NONE, false));
    let (epilogue, operand) = case.epilogue(&mut bed);
    let out = bed.buffer(out_dims, LayoutKind::Planar, case.halo);
    let task = PlanarConv {
        x,
        w,
        bias,
        groups,
        taps: case.taps.clone(),
        tap_index: tap_index.clone(),
        w_taps: w_taps as u32,
        known: Vec::new(),
        w_transposed: transposed,
        stride: case.stride,
        phase,
        epilogue,
        then: None,
    };
    // The index of a position in the phase, if it is one.
    let index = |p: &Phase, at: i64| {
        let i = at - i64::from(p.start);
        let step = i64::from(p.step);
        (i >= 0 && i % step == 0 && i / step < i64::from(p.count)).then_some(i / step)
    };
    let position = |at: [i64; 4]| Some((index(&phase[0], at[2])?, index(&phase[1], at[3])?));
    bed.run(out, |_, at| position(at).is_some(), |low| super::lower(&task, out, low));
    let [sy, sx] = case.stride.map(i64::from);
    for at @ [n, c, ..] in bed.elements(out) {
        let Some((i, j)) = position(at) else {
            continue;
        };
        let (group, o) = (c / outs as i64, c % outs as i64);
        let bias = bias.map_or(0.0, |bias| f64::from(bed.get(bias, [0, 0, 0, c])));
        let (mut sum, mut magnitude) = (bias, bias.abs());
        for k in 0..ins as i64 {
            let in_channel = group * ins as i64 + k;
            for ((dy, dx), t) in case.taps.iter().zip(&tap_index) {
                let w_at =
                    if transposed { [0, in_channel, o, i64::from(*t)] } else { [0, c, k, i64::from(*t)] };
                let x_at = [n, in_channel, i * sy + i64::from(*dy), j * sx + i64::from(*dx)];
                let product = f64::from(bed.get(w, w_at)) * f64::from(bed.get(x, x_at));
                sum += product;
                magnitude += product.abs();
            }
        }
        let expected = case.finished(&bed, operand, at, sum);
        let actual = f64::from(bed.get(out, at));
        let bound = bound(case.taps.len() * ins as usize, magnitude);
        assert!((actual - expected).abs() <= bound, "{actual}, not {expected} at {at:?}");
    }
    bed
}

fn channels() -> impl Strategy<Value = Channels> {
    let step = (1..4u32, 0..3u32);
    let plain = Just((1u32, 0u32));
    let steps = prop_oneof![(plain, plain), (step.clone(), step)];
    (1..4u64, 1..6u64, 1..9u64, any::<bool>(), any::<bool>(), steps).prop_map(
        |(groups, ins, outs, biased, transposed, steps)| Channels {
            groups,
            ins,
            outs,
            biased,
            transposed,
            steps: [steps.0, steps.1],
        },
    )
}

proptest! {
    #![proptest_config(cases(96))]
    #[test]
    fn sums_channels_and_taps(case in windows(), channels in channels(), target in targets()) {
        check(&case, &channels, target);
    }

    #[test]
    fn products_of_planes_are_1x1_convolutions(
        samples in 1..3u64,
        size in (1..9u64, 1..40u64),
        channels in (6..20u64, 6..30u64),
        flags: [bool; 2],
        target in targets(),
    ) {
        let case = Windowed {
            kind: LayoutKind::Planar,
            out: [samples, 1, size.0, size.1],
            size: [size.0, size.1],
            taps: vec![(0, 0)],
            stride: [1, 1],
            halo: Halo::NONE,
            broadcast: None,
        };
        let ((ins, outs), [biased, transposed]) = (channels, flags);
        let channels = Channels { groups: 1, ins, outs, biased, transposed, steps: [(1, 0); 2] };
        let bed = check(&case, &channels, target);
        prop_assert!(bed.kernels.iter().all(|kernel| kernel.name.starts_with("products")));
    }
}

#[test]
fn a_phase_without_taps_is_the_bias() {
    let case = Windowed {
        kind: LayoutKind::Planar,
        out: [1, 1, 2, 11],
        size: [2, 3],
        taps: Vec::new(),
        stride: [1, 1],
        halo: Halo::NONE,
        broadcast: None,
    };
    let channels =
        Channels { groups: 1, ins: 2, outs: 3, biased: true, transposed: true, steps: [(2, 1), (2, 0)] };
    check(&case, &channels, Target::X64_AVX2);
}

/// Whatever the tile and the registers, an output has the same bits: those of a long row are those of its parts.
#[test]
fn sums_do_not_depend_on_the_tile() {
    for ins in [1, 5] {
        sums_of_channels_do_not_depend_on_the_tile(ins);
    }
}

fn sums_of_channels_do_not_depend_on_the_tile(ins: u64) {
    let outputs = |width: u64, target: Target| {
        let mut bed = Bed::for_target(target);
        let halo = Halo { top: 1, bottom: 1, left: 1, right: 1, fill: crate::plan::Fill::Zero };
        let x = bed.random([1, ins, 3, 90], LayoutKind::Planar, halo, true);
        let w = bed.random([1, 7, ins, 9], LayoutKind::Planar, Halo::NONE, false);
        let out = bed.buffer([1, 7, 3, width], LayoutKind::Planar, Halo::NONE);
        let whole = |count: u64| Phase { start: 0, step: 1, count: count as u32 };
        let task = PlanarConv {
            x,
            w,
            bias: None,
            groups: 1,
            taps: (0..9).map(|i| (i / 3 - 1, i % 3 - 1)).collect(),
            tap_index: (0..9).collect(),
            w_taps: 9,
            known: Vec::new(),
            w_transposed: false,
            stride: [1, 1],
            phase: [whole(3), whole(width)],
            epilogue: Default::default(),
            then: None,
        };
        bed.run(out, |_, _| true, |low| super::lower(&task, out, low));
        move |at| bed.get(out, at).to_bits()
    };
    let long = outputs(90, Target::X64_AVX2);
    for width in [1, 7, 8, 9, 16, 23, 24, 25, 31, 32, 33, 64, 89, 90] {
        for target in [Target::X64_AVX2, Target::X64_AVX512] {
            let short = outputs(width, target);
            for (c, x) in (0..7).flat_map(|c| (0..width as i64).map(move |x| (c, x))) {
                assert_eq!(long([0, c, 1, x]), short([0, c, 1, x]), "column {x} of {width} for {target}");
            }
        }
    }
}
