//! Slices, joins, other axes, padding, reductions.

use super::models::{Net, floats, int, ints, list, text};
use crate::dims;

#[test]
fn slices_keep_what_counts_from_the_end() {
    let net = |starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]| {
        let list = |name, v: &[i64]| ints(name, &[v.len() as i64], v);
        let net = Net::new(13).input("x", dims![1, 3, 8, 9]);
        let net =
            net.init(list("s", starts)).init(list("e", ends)).init(list("a", axes)).init(list("t", steps));
        net.only("Slice", &["x", "s", "e", "a", "t"], vec![]).shows()
    };
    let end = i64::MAX;
    for (starts, ends, axes, steps, want) in [
        (vec![1], vec![3], vec![1], vec![1], "slice(axis=0, start=1) -> [2, 8, 9]"),
        (vec![0], vec![2], vec![1], vec![1], "slice(axis=0, end=2) -> [2, 8, 9]"),
        (vec![-2], vec![end], vec![1], vec![1], "slice(axis=0, start=-2) -> [2, 8, 9]"),
        (vec![1, 1], vec![-1, -1], vec![2, 3], vec![1, 1], "crop(all=1) -> [3, 6, 7]"),
        (vec![1, 0], vec![end, -2], vec![3, 2], vec![1, 1], "crop(bottom=2, left=1) -> [3, 6, 8]"),
        (vec![-1], vec![-end], vec![3], vec![-1], "slice(axis=2, step=-1) -> [3, 8, 9]"),
        (vec![-2], vec![1], vec![3], vec![-3], "slice(axis=2, start=-2, end=1, step=-3) -> [3, 8, 2]"),
        (vec![0], vec![100], vec![3], vec![2], "slice(axis=2, step=2) -> [3, 8, 5]"),
    ] {
        assert_eq!(net(&starts, &ends, &axes, &steps), format!("x0 |> {want}"));
    }
    let old = Net::new(9).input("x", dims![1, 3, 8, 9]);
    let old = old.only(
        "Slice",
        &["x"],
        vec![list("starts", &[0, 2]), list("ends", &[9, 3]), list("axes", &[0, 1])],
    );
    assert_eq!(old.shows(), "x0 |> slice(axis=0, start=2) -> [1, 8, 9]");
}

/// Elements of a line of `n` that a slice takes, element by element as in Python.
#[test]
fn lengths_of_slices_are_pythons() {
    for n in 1..6i64 {
        for start in -7..8 {
            for stop in -7..8 {
                for step in [-3, -2, -1, 1, 2, 3] {
                    let clamp = |v: i64, low: i64, high: i64| if v < 0 { v + n } else { v }.clamp(low, high);
                    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
                    let (mut at, to) = (clamp(start, low, high), clamp(stop, low, high));
                    let mut count = 0;
                    while if step > 0 { at < to } else { at > to } {
                        count += 1;
                        at += step;
                    }
                    let list = |name, v: i64| ints(name, &[1], &[v]);
                    let net = Net::new(13).input("x", dims![n]);
                    let net = net
                        .init(list("s", start))
                        .init(list("e", stop))
                        .init(list("a", 0))
                        .init(list("t", step));
                    let net = net.only("Slice", &["x", "s", "e", "a", "t"], vec![]);
                    match net.try_lower(&Default::default()) {
                        Ok(draft) => assert_eq!(draft.dims(draft.outputs[0].1), Some(vec![count])),
                        Err(error) => assert_eq!(count, 0, "{n} [{start}:{stop}:{step}]: {error}"),
                    }
                }
            }
        }
    }
}

#[test]
fn splits_and_gathers() {
    let net = Net::new(13).input("x", dims![1, 6, 2, 2]);
    let parts = net.clone().node("Split", &["x"], &["a", "", "c"], vec![int("axis", 1)]);
    assert_eq!(
        parts.output("a").output("c").shows(),
        "x0 |> slice(axis=0, end=2) -> [2, 2, 2]\nx0 |> slice(axis=0, start=4) -> [2, 2, 2]"
    );
    let uneven = net.clone().init(ints("n", &[2], &[1, 5])).node(
        "Split",
        &["x", "n"],
        &["a", "b"],
        vec![int("axis", 1)],
    );
    assert_eq!(uneven.output("b").shows(), "x0 |> slice(axis=0, start=1) -> [5, 2, 2]");
    let gather = |dims: &[i64], indices: &[i64]| {
        let net = net.clone().init(ints("i", dims, indices));
        net.only("Gather", &["x", "i"], vec![int("axis", 1)]).shows()
    };
    assert_eq!(
        gather(&[], &[-1]),
        "x0 |> slice(axis=0, start=5) -> [1, 2, 2]\n%0 |> reshape(shape=[2, 2]) -> [2, 2]"
    );
    assert_eq!(gather(&[3], &[4, 2, 0]), "x0 |> slice(axis=0, start=4, step=-2) -> [3, 2, 2]");
    assert_eq!(
        gather(&[3], &[0, 1, 5]),
        "x0 |> slice(axis=0, end=2) -> [2, 2, 2]\nx0 |> slice(axis=0, start=5) -> [1, 2, 2]\n\
         concat(%0, %1) -> [3, 2, 2]"
    );
    assert_eq!(gather(&[6], &[0, 1, 2, 3, 4, 5]), "");
}

#[test]
fn joined_and_repeated() {
    let net = Net::new(13).input("x", dims![1, 3, 2, 2]).input("z", dims![1, 3, 2, 4]);
    assert_eq!(
        net.only("Concat", &["x", "z"], vec![int("axis", -1)]).shows(),
        "concat(x0, x1, axis=2) -> [3, 2, 6]"
    );
    let tile = Net::new(13).input("x", dims![1, 3, 2, 2]).init(ints("r", &[4], &[1, 2, 1, 1]));
    assert_eq!(tile.only("Tile", &["x", "r"], vec![]).shows(), "concat(x0, x0) -> [6, 2, 2]");
    let expand = |to: &[i64]| {
        let net = Net::new(13).input("x", dims![1, 3, 1, 2]).init(ints("s", &[to.len() as i64], to));
        net.only("Expand", &["x", "s"], vec![]).shows()
    };
    assert_eq!(expand(&[1, 1, 1]), "");
    assert_eq!(expand(&[2, 2]), "concat(x0, x0, axis=1) -> [3, 2, 2]");
    assert_eq!(expand(&[3, 40, 2]), "param -> [40, 1] [40, 1]\nx0 * %0 -> [3, 40, 2]");
}

#[test]
fn other_axes() {
    let net =
        |op: &str, attributes| Net::new(11).input("x", dims!["N", 4, 2, 3]).only(op, &["x"], attributes);
    let show =
        |net: Net| net.try_lower(&Default::default()).map(|d| super::models::show(&d)).expect("imports");
    assert_eq!(
        show(net("Transpose", vec![list("perm", &[0, 2, 3, 1])])),
        "x0 |> permute(axes=[1, 2, 0]) -> [2, 3, 4]"
    );
    assert_eq!(show(net("Flatten", vec![])), "x0 |> flatten -> [24]");
    assert_eq!(
        show(net("Unsqueeze", vec![list("axes", &[1, -1])])),
        "x0 |> reshape(shape=[1, 4, 2, 3, 1]) -> [1, 4, 2, 3, 1]"
    );
    let d2s = |mode| show(net("DepthToSpace", vec![int("blocksize", 2), text("mode", mode)]));
    assert_eq!(d2s("DCR"), "x0 |> depth_to_space(factor=2) -> [1, 4, 6]");
    assert_eq!(d2s("CRD"), "x0 |> pixel_shuffle(factor=2) -> [1, 4, 6]");
    let reshape = |to: &[i64], zero: i64| {
        let net = Net::new(14).input("x", dims!["N", 4, 2, 3]).init(ints("s", &[to.len() as i64], to));
        show(net.only("Reshape", &["x", "s"], vec![int("allowzero", zero)]))
    };
    assert_eq!(reshape(&[0, -1], 0), "x0 |> flatten -> [24]");
    assert_eq!(reshape(&[-1, 8, 3], 0), "x0 |> reshape(shape=[8, 3]) -> [8, 3]");
    assert_eq!(reshape(&[1, 0, -1], 0), "x0 |> reshape(shape=[4, -1]) -> [4, 6]");
    assert_eq!(reshape(&[0, 4, 2, 3], 0), "");
}

#[test]
fn padding() {
    let new = |pads: &[i64], mode: &str| {
        let net = Net::new(19).input("x", dims![1, 3, 4, 5]).init(ints("p", &[pads.len() as i64], pads));
        net.init(floats("v", &[], &[1.5])).only("Pad", &["x", "p", "v"], vec![text("mode", mode)])
    };
    assert_eq!(
        new(&[0, 0, 1, 2, 0, 0, 3, 0], "reflect").shows(),
        "x0 |> pad(pad=((1, 3), (2, 0)), border=reflect) -> [3, 8, 7]"
    );
    assert_eq!(
        new(&[0, 1, 0, 0, 0, 0, 0, 2], "constant").shows(),
        "x0 |> pad(before=[1, 0, 0], after=[0, 0, 2], value=1.5) -> [4, 4, 7]"
    );
    assert_eq!(
        new(&[0, 0, -1, 0, 0, 0, 2, -1], "edge").shows(),
        "x0 |> slice(axis=1, start=1) -> [3, 3, 5]\n%0 |> slice(axis=2, end=-1) -> [3, 3, 4]\n\
         %1 |> pad(pad=((0, 2), (0, 0)), border=replicate) -> [3, 5, 4]"
    );
    assert!(new(&[0, 0, 4, 0, 0, 0, 0, 0], "reflect").fails().contains("takes at most 3 elements"));
    let old = Net::new(9).input("x", dims![1, 3, 4, 5]).only(
        "Pad",
        &["x"],
        vec![list("pads", &[0, 0, 1, 1, 0, 0, 1, 1])],
    );
    assert_eq!(old.shows(), "x0 |> pad(pad=((1, 1), (1, 1))) -> [3, 6, 7]");
}

#[test]
fn reductions() {
    let old = |op: &str, axes: &[i64], keep: i64| {
        let net = Net::new(11).input("x", dims![1, 3, 4, 5]);
        net.only(op, &["x"], vec![list("axes", axes), int("keepdims", keep)]).shows()
    };
    assert_eq!(old("ReduceMean", &[2, 3], 1), "x0 |> global_avgpool -> [3, 1, 1]");
    assert_eq!(old("ReduceMean", &[-1, -2], 0), "x0 |> global_avgpool -> [3, 1, 1]\n%0 |> flatten -> [3]");
    assert_eq!(old("ReduceMax", &[1], 0), "x0 |> reduce_max(axes=[0], keepdims=false) -> [4, 5]");
    assert_eq!(old("ReduceSum", &[1, 2, 3], 1), "x0 |> reduce_sum -> [1, 1, 1]");
    assert_eq!(
        old("ReduceL2", &[1], 1),
        "x0 * x0 -> [3, 4, 5]\n%0 |> reduce_sum(axes=[0]) -> [1, 4, 5]\nsqrt(%1) -> [1, 4, 5]"
    );
    let new = Net::new(18).input("x", dims![1, 3, 4, 5]).init(ints("a", &[1], &[3]));
    assert_eq!(new.only("ReduceMin", &["x", "a"], vec![]).shows(), "x0 |> reduce_min(axes=[2]) -> [3, 4, 1]");
    let noop = Net::new(18).input("x", dims![1, 3, 4, 5]).only(
        "ReduceSum",
        &["x"],
        vec![int("noop_with_empty_axes", 1)],
    );
    assert_eq!(noop.shows(), "");
}
