//! The batch axis, open sizes, and what is bound.

use convc::onnx::draft::Axis;
use convc::onnx::{Bindings, Constant, InputAxis};

use super::models::{Net, int, ints, list, show};
use crate::dims;

fn shapes(name: &str, shape: &[u64]) -> Bindings {
    Bindings { shapes: [(name.to_owned(), shape.to_vec())].into(), ..Bindings::default() }
}

#[test]
fn pictures_and_open_first_axes_have_a_batch_axis() {
    for (dims, batched) in [
        (dims![1, 3, 4, 4], true),
        (dims!["N", 5], true),
        (dims![2, 5], false),
        (dims![1, 2, 3, 4, 5], false),
    ] {
        let draft = Net::new(13).input("x", dims).only("Relu", &["x"], vec![]).lower();
        assert_eq!(draft.inputs[0].batched, batched);
    }
}

#[test]
fn what_mixes_samples_takes_the_batch_axis_away() {
    let net = || Net::new(11).input("x", dims![2, 3, 4, 4]);
    let mixes: Vec<Net> = vec![
        net().only("Flatten", &["x"], vec![int("axis", 0)]),
        net().only("Transpose", &["x"], vec![list("perm", &[1, 0, 2, 3])]),
        net().only("Softmax", &["x"], vec![int("axis", 0)]),
        net().only("Concat", &["x", "x"], vec![int("axis", 0)]),
        net().only("ReduceSum", &["x"], vec![]),
        net().init(ints("s", &[2], &[-1, 4])).only("Reshape", &["x", "s"], vec![]),
        net().weight("c", &[2, 1, 1, 1]).only("Add", &["x", "c"], vec![]),
        net().weight("c", &[2, 3, 4, 4]).only("Concat", &["x", "c"], vec![int("axis", 1)]),
        net().init(ints("i", &[], &[1])).only("Gather", &["x", "i"], vec![]),
        net().only("Split", &["x"], vec![]),
    ];
    for (i, net) in mixes.iter().enumerate() {
        let draft = net.lower();
        assert!(!draft.inputs[0].batched, "network {i}:\n{}", show(&draft));
        assert_eq!(draft.inputs[0].axes.len(), 4);
    }
}

#[test]
fn whole_networks_keep_the_batch_axis_where_each_sample_is_by_itself() {
    let net = Net::new(11)
        .input("x", dims![2, 3, 4, 4])
        .weight("w", &[3, 48])
        .node("Flatten", &["x"], &["f"], vec![])
        .node("Gemm", &["f", "w"], &["g"], vec![int("transB", 1)])
        .only("Softmax", &["g"], vec![]);
    let draft = net.lower();
    assert!(draft.inputs[0].batched);
    assert_eq!(draft.dims(draft.outputs[0].1), Some(vec![3]));
    // Another number of samples is no other network.
    assert_eq!(net.try_lower(&shapes("x", &[7, 3, 4, 4])).expect("fits"), draft);
    let wrong = net.try_lower(&shapes("x", &[2, 3, 4, 5])).expect_err("does not fit").to_string();
    assert_eq!(wrong, "input \"x\": axis 3 is 4 in the network, and 5 was given");
}

#[test]
fn open_sizes_are_bound_or_asked_for() {
    let net = Net::new(13).input("x", dims!["batch", 3, "height", "?"]).only("Relu", &["x"], vec![]);
    let read = convc::onnx::read(net.bytes(), None).expect("reads");
    let axes = read.inputs()[0].axes.clone().expect("axes");
    let open = |s: &str| InputAxis::Open(s.to_owned());
    assert_eq!(axes, [open("batch"), InputAxis::Fixed(3), open("height"), open("W")]);
    assert_eq!(
        net.try_lower(&Bindings::default()).expect_err("open").to_string(),
        "input \"x\": the size \"height\" is open, and is needed to import the network"
    );
    let sizes =
        Bindings { sizes: [("height".to_owned(), 8), ("W".to_owned(), 9)].into(), ..Bindings::default() };
    let draft = net.try_lower(&sizes).expect("bound");
    let want = [Axis::Fixed(3), Axis::Open("height".to_owned(), 8), Axis::Open("W".to_owned(), 9)];
    assert_eq!(draft.inputs[0].axes, want);
    let shaped = net.try_lower(&shapes("x", &[5, 3, 8, 9])).expect("bound");
    assert_eq!(shaped, draft);
}

#[test]
fn inputs_become_words() {
    let names = ["input", "input.1", "0", "output", "ünï"];
    let mut net = Net::new(13);
    for name in names {
        net = net.input(name, dims![2]);
    }
    let read = convc::onnx::read(net.only("Sum", &names, vec![]).bytes(), None).expect("reads");
    let words: Vec<String> = read.inputs().into_iter().map(|i| i.word).collect();
    assert_eq!(words, ["x", "input_1", "x_2", "output_", "_n_"]);
}

#[test]
fn parameters_are_found_and_bound() {
    let net = Net::new(13)
        .input("x", dims![1, 2, 4, 4])
        .input("w", dims![3, 2, 1, 1])
        .whole_input("shape", dims![2])
        .node("Conv", &["x", "w"], &["c"], vec![])
        .only("Reshape", &["c", "shape"], vec![]);
    let read = convc::onnx::read(net.bytes(), None).expect("reads");
    let parameters: Vec<bool> = read.inputs().iter().map(|i| i.parameter).collect();
    assert_eq!(parameters, [false, true, true]);
    let error = net.fails();
    assert!(error.contains("the weight (\"w\") must be known"), "{error}");
    let mut bindings = Bindings::default();
    bindings.constants.insert("w".to_owned(), Constant::floats(&[3, 2, 1, 1], vec![0.5; 6]).expect("fits"));
    bindings.constants.insert("shape".to_owned(), Constant::list(vec![1, -1]));
    let draft = net.try_lower(&bindings).expect("bound");
    assert_eq!(draft.inputs.len(), 1);
    assert_eq!(
        show(&draft),
        "x0 |> conv(kernel=1, out=3, bias=false) -> [3, 4, 4] weight[3, 2, 1, 1]\n%0 |> flatten -> [48]"
    );
    bindings.constants.insert("w".to_owned(), Constant::floats(&[6], vec![0.5; 6]).expect("fits"));
    assert!(
        net.try_lower(&bindings)
            .expect_err("another shape")
            .to_string()
            .starts_with("input \"w\": a constant of the shape [6]")
    );
}
