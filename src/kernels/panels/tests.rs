use proptest::prelude::*;

use crate::kernels::testbed::{Bed, Numbers, cases};
use crate::plan::task::PackPanels;
use crate::plan::{Halo, LayoutKind, Panels};

proptest! {
    #![proptest_config(cases(96))]
    #[test]
    fn packs_every_weight_once(
        groups in 1..4u64,
        outs in 1..40u64,
        in_channels in 1..20u64,
        taps in proptest::sample::subsequence((0..6u32).collect::<Vec<_>>(), 1..6),
        reverse: bool,
        blocked: bool,
        transposed: bool,
        vectors in 1..4u32,
    ) {
        let mut tap_index = taps;
        if reverse {
            tap_index.reverse();
        }
        let w_taps = 6;
        let count = (groups * outs * in_channels) as usize * w_taps;
        let values = Numbers::new(count as u64).take(count);
        let mut bed = Bed::new();
        let dims = if transposed { [groups * in_channels, outs, 1, 6] } else { [groups * outs, in_channels, 1, 6] };
        let w = bed.dense(dims, &values);
        let task = PackPanels {
            w,
            transposed,
            out_channels: groups * outs,
            in_channels,
            groups,
            tap_index: tap_index.clone(),
            w_taps: w_taps as u32,
            block: if blocked { 8 } else { 1 },
            vectors,
        };
        // Written down one after the other in the order of the layout.
        let mut expected = Vec::new();
        for g in 0..groups {
            let mut first = 0;
            while first < outs {
                let panel = (outs - first).next_multiple_of(8).min(8 * u64::from(vectors));
                for block in 0..in_channels.div_ceil(u64::from(task.block)) {
                    for tap in &tap_index {
                        for lane in 0..u64::from(task.block) {
                            for o in first..first + panel {
                                let c = block * u64::from(task.block) + lane;
                                let at = if transposed {
                                    [g * in_channels + c, o, 0, u64::from(*tap)]
                                } else {
                                    [g * outs + o, c, 0, u64::from(*tap)]
                                };
                                let real = c < in_channels && o < outs;
                                expected.push(if real { bed.get(w, at.map(|i| i as i64)) } else { 0.0 });
                            }
                        }
                    }
                }
                first += panel;
            }
        }
        prop_assert_eq!(task.panels().bytes(), 4 * expected.len() as u64);
        let out = bed.buffer([1, 1, 1, expected.len() as u64], LayoutKind::Planar, Halo::NONE);
        bed.run(out, |_, _| true, |low| super::lower(&task, out, low));
        for (i, value) in expected.iter().enumerate() {
            prop_assert_eq!(bed.get(out, [0, 0, 0, i as i64]).to_bits(), value.to_bits(), "at {}", i);
        }
    }
}

#[test]
fn panels_of_a_group_follow_one_another() {
    let panels = Panels { groups: 2, out_channels: 40, in_channels: 10, taps: 9, block: 8, vectors: 2 };
    assert_eq!((panels.count(), panels.vectors_of(1), panels.vectors_of(2)), (3, 2, 1));
    let rows = 2 * 9 * 8;
    assert_eq!(panels.offset(0, 1, 0, 0, 0), rows * 64);
    assert_eq!(panels.offset(0, 2, 1, 3, 5), 2 * rows * 64 + ((9 + 3) * 8 + 5) * 32);
    assert_eq!(panels.offset(1, 0, 0, 0, 0), 5 * rows * 32);
    assert_eq!(panels.bytes(), 10 * rows * 32);
}
