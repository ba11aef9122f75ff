use proptest::prelude::*;

use crate::kernels::testbed::{Bed, cases};
use crate::plan::task::StridedCopy;
use crate::plan::{BufferId, Halo, LayoutKind};

/// Compares with one element after the other.
fn check(x_elements: u64, out_elements: u64, copy: impl Fn(BufferId) -> StridedCopy) {
    let mut bed = Bed::new();
    let x = bed.random([1, 1, 1, x_elements], LayoutKind::Planar, Halo::NONE, false);
    let out = bed.buffer([1, 1, 1, out_elements], LayoutKind::Planar, Halo::NONE);
    let task = copy(x);
    let width = if task.vector { 8 } else { 1 };
    let mut expected = std::collections::HashMap::new();
    for unit in 0..task.dims.iter().product::<u64>() {
        let (mut rest, mut from, mut to) = (unit, task.x_offset, task.out_offset);
        for d in (0..task.dims.len()).rev() {
            let i = (rest % task.dims[d]) as i64;
            rest /= task.dims[d];
            from += i * task.x_strides[d];
            to += i * task.out_strides[d];
        }
        for lane in 0..width {
            expected.insert(to / 4 + lane, bed.get(x, [0, 0, 0, from / 4 + lane]));
        }
    }
    bed.run(out, |_, at| expected.contains_key(&at[3]), |low| super::lower(&task, out, low));
    for (i, value) in &expected {
        assert_eq!(bed.get(out, [0, 0, 0, *i]).to_bits(), value.to_bits(), "element {i} of {task:?}");
    }
}

proptest! {
    #![proptest_config(cases(256))]
    #[test]
    fn copies_any_order_of_axes(
        dims in proptest::collection::vec(1..14u64, 0..5),
        order in Just(vec![0usize, 1, 2, 3]).prop_shuffle(),
        flips: [bool; 4],
        still: [bool; 4],
        gap in 0..2i64,
        vector: bool,
    ) {
        let element = if vector { 32 } else { 4 };
        let n = dims.len();
        let order: Vec<usize> = order.into_iter().filter(|d| *d < n).collect();
        // The source is dense in the order of the dims, the result in the shuffled one.
        let mut x_strides = vec![0; n];
        let mut out_strides = vec![0; n];
        let (mut x_size, mut out_size) = (element, element * (1 + gap));
        for d in (0..n).rev() {
            x_strides[d] = x_size;
            x_size *= dims[d] as i64;
        }
        for d in order.into_iter().rev() {
            out_strides[d] = out_size;
            out_size *= dims[d] as i64;
        }
        let mut x_offset = 0;
        for d in 0..n {
            if still[d] && flips[d] {
                x_strides[d] = 0;
            } else if flips[d] {
                x_offset += x_strides[d] * (dims[d] as i64 - 1);
                x_strides[d] = -x_strides[d];
            }
        }
        check(x_size as u64 / 4, out_size as u64 / 4, |x| StridedCopy {
            x, dims: dims.clone(), x_offset, x_strides: x_strides.clone(), out_offset: 0, out_strides: out_strides.clone(), vector,
        });
    }
}

#[test]
fn shuffles_pixels() {
    // [4, 3, 20] to [1, 6, 40]: dims are row phase, column phase, row, column.
    check(240, 240, |x| StridedCopy {
        x,
        dims: vec![2, 2, 3, 20],
        x_offset: 0,
        x_strides: vec![480, 240, 80, 4],
        out_offset: 0,
        out_strides: vec![160, 4, 320, 8],
        vector: false,
    });
}

#[test]
fn lanes_far_apart_are_copied_one_by_one() {
    let far = 1 << 28;
    let task = |x| StridedCopy {
        x,
        dims: vec![3, 1],
        x_offset: 0,
        x_strides: vec![far, 4],
        out_offset: 0,
        out_strides: vec![4, 4],
        vector: false,
    };
    let mut bed = Bed::new();
    let x = bed.random([1, 1, 1, 1], LayoutKind::Planar, Halo::NONE, false);
    bed.run(
        x,
        |_, _| false,
        |low| {
            super::lower(&task(x), x, low)?;
            Ok(Vec::new())
        },
    );
}

#[test]
fn a_dense_copy_is_one_run() {
    let mut bed = Bed::new();
    let x = bed.random([1, 1, 1, 60], LayoutKind::Planar, Halo::NONE, false);
    let out = bed.buffer([1, 1, 1, 60], LayoutKind::Planar, Halo::NONE);
    let strides = vec![80, 20, 4];
    let task = StridedCopy {
        x,
        dims: vec![3, 4, 5],
        x_offset: 0,
        x_strides: strides.clone(),
        out_offset: 0,
        out_strides: strides,
        vector: false,
    };
    bed.run(
        out,
        |_, _| true,
        |low| {
            let steps = super::lower(&task, out, low)?;
            assert!(steps[0][0].dims.is_empty());
            Ok(steps)
        },
    );
    assert_eq!(bed.get(out, [0, 0, 0, 59]), bed.get(x, [0, 0, 0, 59]));
}

#[test]
fn long_copies_are_cut_into_pieces() {
    let task = |x, dims: &[u64], x_strides: &[i64], out_strides: &[i64]| StridedCopy {
        x,
        dims: dims.to_vec(),
        x_offset: 0,
        x_strides: x_strides.to_vec(),
        out_offset: 0,
        out_strides: out_strides.to_vec(),
        vector: false,
    };
    // One run, one run with gaps, and a transposition, whose runs of 50 are copied several at a time.
    for (dims, x, out) in [
        (vec![9001], vec![4], vec![4]),
        (vec![9001], vec![4], vec![8]),
        (vec![200, 50], vec![200, 4], vec![4, 800]),
    ] {
        check(20_000, 20_000, |id| task(id, &dims, &x, &out));
        let mut bed = Bed::new();
        let from = bed.random([1, 1, 1, 20_000], LayoutKind::Planar, Halo::NONE, false);
        let to = bed.buffer([1, 1, 1, 20_000], LayoutKind::Planar, Halo::NONE);
        bed.run(
            to,
            |_, _| true,
            |low| {
                let steps = super::lower(&task(from, &dims, &x, &out), to, low)?;
                let units: u64 = steps[0].iter().map(|nest| nest.units()).sum();
                assert!(units >= 3, "{units} units");
                Ok(steps)
            },
        );
    }
}
