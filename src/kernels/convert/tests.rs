use proptest::prelude::*;

use crate::kernels::testbed::{Bed, cases, halos};
use crate::plan::{Halo, LayoutKind};

proptest! {
    #![proptest_config(cases(64))]
    #[test]
    fn keeps_every_element(
        dims in (1..3u64, prop_oneof![1..20u64, Just(16)], 1..5u64, 1..36u64),
        from in halos(2),
        to in halos(2),
        to_blocked: bool,
    ) {
        let (x_kind, out_kind) = if to_blocked {
            (LayoutKind::Planar, LayoutKind::Blocked)
        } else {
            (LayoutKind::Blocked, LayoutKind::Planar)
        };
        check([dims.0, dims.1, dims.2, dims.3], (x_kind, from), (out_kind, to));
    }

    #[test]
    fn keeps_planes_of_one_pixel(leads in 1..3u64, channels in 1..40u64, to in halos(1), to_blocked: bool) {
        let (planar, blocked) = ((LayoutKind::Planar, Halo::NONE), (LayoutKind::Blocked, to));
        let (x, out) = if to_blocked { (planar, blocked) } else { (blocked, planar) };
        check([leads, channels, 1, 1], x, out);
    }
}

fn check(dims: [u64; 4], x: (LayoutKind, Halo), out: (LayoutKind, Halo)) {
    let mut bed = Bed::new();
    let x = bed.random(dims, x.0, x.1, false);
    let out = bed.buffer(dims, out.0, out.1);
    bed.run(out, |bed, at| bed.is_inside(out, at), |low| super::lower(x, out, low));
    for at in bed.elements(out) {
        if bed.is_inside(out, at) {
            let expected = if at[1] < dims[1] as i64 { bed.get(x, at) } else { 0.0 };
            assert_eq!(bed.get(out, at).to_bits(), expected.to_bits(), "{at:?}");
        }
    }
}

#[test]
fn joins_short_dense_rows() {
    let mut bed = Bed::new();
    let x = bed.random([1, 8, 7, 7], LayoutKind::Planar, Halo::NONE, false);
    let out = bed.buffer([1, 8, 7, 7], LayoutKind::Blocked, Halo::NONE);
    bed.run(
        out,
        |_, _| true,
        |low| {
            let steps = super::lower(x, out, low)?;
            assert_eq!(steps[0][0].dims, [1, 1, 1]);
            Ok(steps)
        },
    );
}
