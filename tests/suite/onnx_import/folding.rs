//! What is computed at import.

use super::models::{Net, floats, int, ints, list, show, tensor, weights};
use crate::dims;

/// The elements that a constant network gives.
fn constant(net: Net) -> Vec<f32> {
    weights(&net.lower())[0].1.data().to_vec()
}

/// A network whose output is a function of constants, as f32.
fn cast(net: Net, from: &str) -> Vec<f32> {
    constant(net.node("Cast", &[from], &["y"], vec![int("to", 1)]).output("y"))
}

#[test]
fn shape_arithmetic_becomes_numbers() {
    // What PyTorch writes for x.view(x.size(0), -1, x.size(3) // 2).
    let net = Net::new(13)
        .input("x", dims!["N", 3, 4, 6])
        .node("Shape", &["x"], &["shape"], vec![])
        .node("Constant", &[], &["i0"], vec![tensor("value", ints("", &[], &[0]))])
        .node("Gather", &["shape", "i0"], &["n"], vec![])
        .node("Constant", &[], &["i3"], vec![int("value_int", 3)])
        .node("Gather", &["shape", "i3"], &["w"], vec![])
        .node("Constant", &[], &["two"], vec![int("value_int", 2)])
        .node("Div", &["w", "two"], &["half"], vec![])
        .node("Constant", &[], &["zero"], vec![list("value_ints", &[0])])
        .node("Unsqueeze", &["n", "zero"], &["n1"], vec![])
        .node("Unsqueeze", &["half", "zero"], &["h1"], vec![])
        .node("Constant", &[], &["minus"], vec![list("value_ints", &[-1])])
        .node("Concat", &["n1", "minus", "h1"], &["to"], vec![int("axis", 0)])
        .only("Reshape", &["x", "to"], vec![]);
    let draft = net.lower();
    assert!(draft.inputs[0].batched);
    assert_eq!(show(&draft), "x0 |> reshape(shape=[-1, 3]) -> [24, 3]");
}

#[test]
fn weights_are_arranged_as_nodes_say() {
    let net = || Net::new(13).init(floats("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
    let one = |op: &str, inputs: &[&str], attributes| {
        constant(net().init(ints("i", &[2], &[1, -2])).only(op, inputs, attributes))
    };
    assert_eq!(one("Transpose", &["w"], vec![]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(one("Gather", &["w", "i"], vec![int("axis", 1)]), [2.0, 2.0, 5.0, 5.0]);
    assert_eq!(one("Gather", &["w", "i"], vec![]), [4.0, 5.0, 6.0, 1.0, 2.0, 3.0]);
    assert_eq!(one("Concat", &["w", "w"], vec![int("axis", 1)])[..7], [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0]);
    assert_eq!(one("ReduceMean", &["w"], vec![int("keepdims", 0)]), [3.5]);
    let tile = net().init(ints("r", &[2], &[1, 2])).only("Tile", &["w", "r"], vec![]);
    assert_eq!(constant(tile), [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 4.0, 5.0, 6.0]);
    let sum = net().init(floats("b", &[2, 1], &[10.0, 20.0])).only("Add", &["w", "b"], vec![]);
    assert_eq!(constant(sum), [11.0, 12.0, 13.0, 24.0, 25.0, 26.0]);
    let slice = net().init(ints("s", &[1], &[-1])).init(ints("e", &[1], &[-9])).init(ints("t", &[1], &[-2]));
    let slice = slice.init(ints("a", &[1], &[1])).only("Slice", &["w", "s", "e", "a", "t"], vec![]);
    assert_eq!(constant(slice), [3.0, 1.0, 6.0, 4.0]);
    let split = net().node("Split", &["w"], &["p", "y"], vec![int("axis", 1)]).output("y");
    assert_eq!(constant(split), [3.0, 6.0]);
}

#[test]
fn whole_numbers_divide_as_onnx_does() {
    let two = |op: &str, a: i64, b: i64| {
        let net = Net::new(13).init(ints("a", &[1], &[a])).init(ints("b", &[1], &[b]));
        cast(net.node(op, &["a", "b"], &["c"], vec![]), "c")[0]
    };
    assert_eq!(two("Div", -7, 2), -3.0);
    assert_eq!(two("Mod", -7, 3), 2.0);
    assert_eq!(two("Mod", 7, -3), -2.0);
    assert_eq!(two("Pow", 3, 4), 81.0);
    let zero = Net::new(13).init(ints("a", &[1], &[1])).init(ints("b", &[1], &[0]));
    assert!(
        zero.node("Div", &["a", "b"], &["c"], vec![])
            .node("Cast", &["c"], &["y"], vec![int("to", 1)])
            .output("y")
            .fails()
            .contains("divided by 0")
    );
}

#[test]
fn conditions() {
    let net = Net::new(16)
        .init(ints("a", &[3], &[1, 2, 3]))
        .init(ints("b", &[], &[2]))
        .node("Less", &["a", "b"], &["less"], vec![])
        .node("Equal", &["a", "b"], &["equal"], vec![])
        .node("Or", &["less", "equal"], &["or"], vec![])
        .node("Not", &["or"], &["not"], vec![])
        .node("Where", &["not", "a", "b"], &["w"], vec![]);
    assert_eq!(cast(net, "w"), [2.0, 2.0, 3.0]);
}

#[test]
fn constants_from_nothing() {
    let range = |s: i64, l: i64, d: i64| {
        let one = |name, v| ints(name, &[], &[v]);
        let net = Net::new(13).init(one("s", s)).init(one("l", l)).init(one("d", d));
        net.node("Range", &["s", "l", "d"], &["r"], vec![])
    };
    assert_eq!(cast(range(10, 3, -3), "r"), [10.0, 7.0, 4.0]);
    let fill = Net::new(13).init(ints("s", &[2], &[1, 3]));
    let fill = fill.only("ConstantOfShape", &["s"], vec![tensor("value", floats("", &[1], &[2.5]))]);
    assert_eq!(constant(fill), [2.5, 2.5, 2.5]);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_made() {
    for to in [[1i64 << 40, 1 << 40], [1 << 20, 1 << 20]] {
        let fill = Net::new(13).init(ints("s", &[2], &to)).only("ConstantOfShape", &["s"], vec![]);
        assert!(fill.fails().contains("constants that are computed at import"));
        let expand =
            Net::new(13).weight("w", &[1]).init(ints("s", &[2], &to)).only("Expand", &["w", "s"], vec![]);
        assert!(expand.fails().contains("constants that are computed at import"));
    }
    // A chain of doublings.
    let mut net = Net::new(13).weight("w0", &[1024]);
    for i in 0..40 {
        let (from, to) = (format!("w{i}"), format!("w{}", i + 1));
        net = net.node("Concat", &[&from, &from], &[&to], vec![int("axis", 0)]);
    }
    assert!(net.output("w40").fails().contains("constants that are computed at import"));
    // Axes before one of length 0 may be of any length.
    let empty = Net::new(13).init(floats("w", &[1 << 40, 0], &[])).init(ints("i", &[0], &[]));
    let error = empty.only("Gather", &["w", "i"], vec![int("axis", 1)]).fails();
    assert!(error.contains("output \"y\""), "{error}");
}

#[test]
fn types_of_all_widths() {
    use convc::onnx::proto::TensorProto;
    let raw = |data_type: i32, raw: Vec<u8>, n: i64| TensorProto {
        name: Some("w".to_owned()),
        dims: vec![n],
        data_type: Some(data_type),
        raw_data: Some(raw.into()),
        ..TensorProto::default()
    };
    for (data_type, bytes) in [
        (10, vec![0x00, 0x3c, 0x00, 0xc0]),
        (16, vec![0x80, 0x3f, 0x00, 0xc0]),
        (11, [1.0f64.to_le_bytes(), (-2.0f64).to_le_bytes()].concat()),
        (6, [1i32.to_le_bytes(), (-2i32).to_le_bytes()].concat()),
        (3, vec![1, 0xfe]),
        (5, vec![1, 0, 0xfe, 0xff]),
    ] {
        assert_eq!(cast(Net::new(13).init(raw(data_type, bytes, 2)), "w"), [1.0, -2.0], "type {data_type}");
    }
    let half = TensorProto { int32_data: vec![0x3c00], raw_data: None, ..raw(10, Vec::new(), 1) };
    assert_eq!(cast(Net::new(13).init(half), "w"), [1.0]);
}
