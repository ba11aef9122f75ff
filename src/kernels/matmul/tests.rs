use proptest::prelude::*;

use super::*;
use crate::kernels::testbed::{Bed, bound, cases, targets};
use crate::plan::Halo;
use crate::plan::task::{Lead, PackPanels};
use crate::plan::tiles::tile_vectors;

proptest! {
    #![proptest_config(cases(96))]

    /// Panels packed from `w`, then the product, against the formula.
    #[test]
    fn is_the_formula(
        rows in prop_oneof![Just(1u64), 1..20u64, 60..100u64],
        inner in 1..20u64,
        columns in prop_oneof![1..9u64, 1..50u64, 50..120u64],
        outer in 1..4u64,
        matrices in 1..4u64,
        same in any::<[bool; 2]>(),
        bias in any::<bool>(),
        target in targets(),
    ) {
        let mut bed = Bed::for_target(target);
        let planar = LayoutKind::Planar;
        // `x` is repeated along the outer axis, or `w` along the inner one.
        let [x_steps, w_steps] = [
            if same[0] { [0, 1] } else { [matrices, 1] },
            if same[1] { [1, 0] } else { [matrices, 1] },
        ];
        let counts = [outer, matrices];
        let many = |steps: [u64; 2]| 1 + (0..2).map(|i| (counts[i] - 1) * steps[i]).sum::<u64>();
        let x = bed.random([many(x_steps) * rows, inner, 1, 1], planar, Halo::NONE, false);
        let groups = many(w_steps);
        let w = bed.random([groups, inner, columns, 1], planar, Halo::NONE, false);
        let vectors = tile_vectors(columns.div_ceil(8), rows == 1, &target);
        let pack = PackPanels {
            w,
            transposed: true,
            out_channels: columns * groups,
            in_channels: inner,
            groups,
            tap_index: vec![0],
            w_taps: 1,
            block: 8,
            vectors,
        };
        let panels = bed.buffer([1, 1, 1, pack.panels().bytes() / 4], planar, Halo::NONE);
        bed.run(panels, |_, _| true, |low| crate::kernels::panels::lower(&pack, panels, low));
        let bias = bias.then(|| bed.random([1, columns, 1, 1], LayoutKind::Blocked, Halo::NONE, false));
        let out = bed.buffer([outer * matrices * rows, columns, 1, 1], LayoutKind::Blocked, Halo::NONE);
        let leads = (0..2)
            .map(|i| Lead { count: counts[i], x: x_steps[i], w: w_steps[i] })
            .filter(|lead| lead.count > 1)
            .collect();
        let task = MatMul { x, w: panels, bias, rows, inner, columns, leads, vectors };
        bed.run(out, |_, _| true, |low| lower(&task, out, low));
        for at in bed.elements(out) {
            let [row, n, ..] = at;
            let found = f64::from(bed.get(out, at));
            if n >= columns as i64 {
                prop_assert_eq!(found, 0.0);
                continue;
            }
            let (matrix, m) = (row as u64 / rows, row % rows as i64);
            let index = [matrix / matrices, matrix % matrices];
            let of = |steps: [u64; 2]| (index[0] * steps[0] + index[1] * steps[1]) as i64;
            let mut sum = bias.map_or(0.0, |b| f64::from(bed.get(b, [0, n, 0, 0])));
            let mut magnitude = sum.abs();
            for k in 0..inner as i64 {
                let a = f64::from(bed.get(x, [of(x_steps) * rows as i64 + m, k, 0, 0]));
                let b = f64::from(bed.get(w, [of(w_steps), k, n, 0]));
                sum += a * b;
                magnitude += (a * b).abs();
            }
            prop_assert!((found - sum).abs() <= bound(inner as usize, magnitude), "{at:?}: {found}, {sum}");
        }
    }
}
