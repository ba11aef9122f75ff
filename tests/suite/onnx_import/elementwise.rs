//! Arithmetic and activations.

use super::models::{Net, float, floats, show, text};
use crate::dims;

fn with(c: &[i64], op: &str, order: [&str; 2]) -> String {
    let net = Net::new(13).input("x", dims![1, 3, 4, 5]).weight("c", c);
    net.only(op, &order, vec![]).shows()
}

#[test]
fn constants_are_numbers_or_params_without_the_batch() {
    for c in [vec![], vec![1], vec![1, 1, 1]] {
        assert_eq!(with(&c, "Add", ["x", "c"]), "x0 + 0 -> [3, 4, 5]");
    }
    assert_eq!(with(&[], "Sub", ["c", "x"]), "0 - x0 -> [3, 4, 5]");
    for (c, own) in [(vec![3, 1, 1], "[3, 1, 1]"), (vec![1, 3, 1, 1], "[3, 1, 1]"), (vec![1, 5], "[5]")] {
        assert_eq!(with(&c, "Div", ["x", "c"]), format!("param -> {own} {own}\nx0 / %0 -> [3, 4, 5]"));
    }
    assert!(
        Net::new(13)
            .input("x", dims![1, 3, 4, 5])
            .weight("c", &[2])
            .only("Mul", &["x", "c"], vec![])
            .fails()
            .contains("do not go together")
    );
}

#[test]
fn numbers_that_no_text_can_say_are_params() {
    let net = Net::new(13).input("x", dims![2, 3]).init(floats("c", &[], &[f32::INFINITY]));
    assert_eq!(net.only("Min", &["x", "c"], vec![]).shows(), "param -> [] []\nmin(x0, %0) -> [2, 3]");
}

#[test]
fn more_axes_than_the_value_has() {
    let net = Net::new(13).input("x", dims![5]).weight("c", &[1, 1]);
    assert_eq!(net.only("Mul", &["x", "c"], vec![]).shows(), "param -> [1, 1] [1, 1]\nx0 * %0 -> [1, 5]");
}

#[test]
fn a_batch_axis_that_meets_another_is_no_batch_axis() {
    let net = |a, b| Net::new(13).input("a", a).input("b", b).only("Add", &["a", "b"], vec![]).lower();
    let same = net(dims!["N", 3], dims!["N", 3]);
    assert!(same.inputs.iter().all(|i| i.batched));
    let other = net(dims!["N", 3, 4], dims!["N", 4]);
    assert!(other.inputs.iter().all(|i| !i.batched));
    let beside = net(dims![2, 3, 4, 5], dims![4, 5]);
    assert_eq!((beside.inputs[0].batched, beside.inputs[1].batched), (true, false));
    assert_eq!(show(&beside), "x0 + x1 -> [3, 4, 5]");
}

#[test]
fn any_number_of_operands() {
    let net = |op: &str, inputs: &[&str]| {
        let net = Net::new(13).input("a", dims![2, 3]).input("b", dims![3]).init(floats("c", &[], &[4.0]));
        net.only(op, inputs, vec![]).shows()
    };
    assert_eq!(net("Sum", &["a", "b", "c"]), "x0 + x1 -> [2, 3]\n%0 + 4 -> [2, 3]");
    assert_eq!(net("Mean", &["a", "b"]), "x0 + x1 -> [2, 3]\n%0 / 2 -> [2, 3]");
    assert_eq!(net("Max", &["b", "c", "a"]), "max(x1, 4, x0) -> [2, 3]");
    assert_eq!(net("Min", &["a"]), "");
}

#[test]
fn powers() {
    let net = |e: f32| {
        Net::new(13).input("x", dims![2, 3]).init(floats("e", &[], &[e])).only("Pow", &["x", "e"], vec![])
    };
    assert_eq!(net(2.0).shows(), "x0 * x0 -> [2, 3]");
    assert_eq!(net(0.5).shows(), "pow(x0, 0.5) -> [2, 3]");
}

#[test]
fn activations() {
    let net =
        |op: &str, attributes| Net::new(22).input("x", dims![2, 3]).only(op, &["x"], attributes).shows();
    for (op, attributes, want) in [
        ("Relu", vec![], "x0 |> relu"),
        ("LeakyRelu", vec![], "x0 |> leaky_relu"),
        ("LeakyRelu", vec![float("alpha", 0.2)], "x0 |> leaky_relu(slope=0.2)"),
        ("HardSigmoid", vec![], "x0 |> hardsigmoid(alpha=0.2)"),
        ("Selu", vec![], "x0 |> selu"),
        ("Selu", vec![float("gamma", 3.0)], "x0 |> selu(gamma=3)"),
        ("Gelu", vec![text("approximate", "tanh")], "x0 |> gelu(approximate=tanh)"),
        ("ThresholdedRelu", vec![float("alpha", 2.0)], "x0 |> thresholded_relu(alpha=2)"),
        ("Erf", vec![], "erf(x0)"),
        ("Neg", vec![], "x0 * -1"),
        ("Reciprocal", vec![], "1 / x0"),
        ("Swish", vec![], "x0 |> silu"),
    ] {
        assert_eq!(net(op, attributes), format!("{want} -> [2, 3]"));
    }
    assert_eq!(
        net("Swish", vec![float("alpha", 2.0)]),
        "x0 * 2 -> [2, 3]\n%0 |> sigmoid -> [2, 3]\nx0 * %1 -> [2, 3]"
    );
}

#[test]
fn clips_of_all_versions() {
    let old = |attributes| Net::new(7).input("x", dims![3]).only("Clip", &["x"], attributes).shows();
    assert_eq!(old(vec![float("min", 0.0), float("max", 6.0)]), "x0 |> relu6 -> [3]");
    assert_eq!(old(vec![float("min", 0.0), float("max", f32::MAX)]), "x0 |> relu -> [3]");
    assert_eq!(old(vec![float("min", -1.5)]), "x0 |> clamp(min=-1.5) -> [3]");
    let new = |low: f32, high: f32| {
        let net =
            Net::new(13).input("x", dims![3]).init(floats("l", &[], &[low])).init(floats("h", &[], &[high]));
        net.only("Clip", &["x", "l", "h"], vec![]).shows()
    };
    assert_eq!(new(-1.0, 1.0), "x0 |> clamp(min=-1, max=1) -> [3]");
    // Above the upper bound the lower one loses.
    assert_eq!(new(2.0, 1.0), "max(x0, 2) -> [3]\nmin(%0, 1) -> [3]");
    let live = Net::new(13).input("x", dims![3]).input("l", dims![]).only("Clip", &["x", "l"], vec![]);
    assert_eq!(live.shows(), "max(x0, x1) -> [3]");
}

#[test]
fn slopes() {
    let net = |dims, slope: &[i64]| {
        Net::new(16).input("x", dims).weight("p", slope).only("PRelu", &["x", "p"], vec![]).shows()
    };
    for slope in [vec![1], vec![1, 1, 1]] {
        assert_eq!(net(dims![1, 3, 4, 5], &slope), "x0 |> prelu -> [3, 4, 5] weight[1]");
    }
    for slope in [vec![3, 1, 1], vec![1, 3, 1, 1], vec![3]] {
        assert_eq!(net(dims![1, 3, 4, 5], &slope), "x0 |> prelu(per_channel=true) -> [3, 4, 5] weight[3]");
    }
    assert_eq!(
        net(dims![1, 3, 4, 5], &[5]),
        "x0 |> relu -> [3, 4, 5]\nmin(x0, 0) -> [3, 4, 5]\nparam -> [5] [5]\n\
         %2 * %1 -> [3, 4, 5]\n%0 + %3 -> [3, 4, 5]"
    );
}

#[test]
fn slopes_of_values_without_axes_are_written_out() {
    let net = Net::new(16).input("x", dims!["N"]).weight("p", &[1]).only("PRelu", &["x", "p"], vec![]);
    assert_eq!(net.shows(), "x0 |> relu -> []\nmin(x0, 0) -> []\n0 * %1 -> []\n%0 + %2 -> []");
}

#[test]
fn softmax_before_version_13_is_over_all_axes_that_follow() {
    let net = |opset, op: &str, dims| Net::new(opset).input("x", dims).only(op, &["x"], vec![]).shows();
    assert_eq!(net(13, "Softmax", dims![1, 3, 4, 5]), "x0 |> softmax(axis=2) -> [3, 4, 5]");
    assert_eq!(net(11, "Softmax", dims![1, 3, 1, 1]), "x0 |> softmax -> [3, 1, 1]");
    assert_eq!(net(11, "LogSoftmax", dims!["N", 5]), "x0 |> log_softmax -> [5]");
    assert_eq!(net(11, "Softmax", dims![1, 1, 4, 1]), "x0 |> softmax(axis=1) -> [1, 4, 1]");
    assert_eq!(
        net(11, "Softmax", dims![1, 3, 4, 5]),
        "x0 |> flatten -> [60]\n%0 |> softmax -> [60]\n%1 |> reshape(shape=[3, 4, 5]) -> [3, 4, 5]"
    );
}
