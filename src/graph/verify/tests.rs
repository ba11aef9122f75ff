//! One graph that holds, and each invariant broken in turn.

use super::*;
use crate::graph::{Border, UnaryOp};
use crate::graph::{Const, Conv, Input, Output, Pads, Window};
use crate::source::Span;

fn node(op: Op, args: &[u32], ty: Type, name: &str) -> Node {
    Node {
        op,
        args: args.iter().map(|&a| Value(a)).collect(),
        ty,
        name: name.to_owned(),
        span: Span::default(),
    }
}

/// A 3×3 convolution with stride 2 and more padding above than below, then relu.
fn graph() -> Graph {
    let window = Window {
        kernel: [3, 3],
        stride: [2, 2],
        dilation: [1, 1],
        pad: Pads { top: 2, bottom: 0, left: 1, right: 1 },
    };
    let conv = Op::Conv(Conv { window, border: Border::Zero, groups: 1 });
    Graph {
        name: "g".to_owned(),
        nodes: vec![
            node(Op::Input(0), &[], Type::batched([2, 9, 8]), "x"),
            node(Op::Const(0), &[], Type::plain([4, 2, 3, 3]), "taps"),
            node(conv, &[0, 1], Type::batched([4, 5, 4]), "conv"),
            node(Op::Unary(UnaryOp::Relu), &[2], Type::batched([4, 5, 4]), "relu"),
        ],
        inputs: vec![Input { name: "x".to_owned(), value: Value(0), file: None }],
        consts: vec![Const { dims: vec![4, 2, 3, 3], data: vec![0.5; 72] }],
        params: vec![],
        outputs: vec![Output { name: "y".to_owned(), value: Value(3) }],
        weights: None,
        labels: None,
    }
}

/// What the verifier says after a change.
fn broken(change: impl FnOnce(&mut Graph)) -> String {
    let mut g = graph();
    change(&mut g);
    let problems = verify(&g).expect_err("the change breaks an invariant");
    problems.iter().map(|p| format!("{}: {}\n", p.place, p.message)).collect()
}

#[test]
fn a_sound_graph_has_no_problems() {
    assert_eq!(verify(&graph()), Ok(()));
    // floor((9 + 2 − 3)/2) + 1 = 5
    assert!(broken(|g| g.nodes[2].ty.dims[1] = 4).contains("the rules give N x [4, 5, 4]"));
}

#[test]
fn each_broken_invariant_is_named() {
    type Change = fn(&mut Graph);
    let cases: &[(Change, &str)] = &[
        (|g| g.nodes[3].args[0] = Value(3), "does not come before it"),
        (|g| g.nodes[3].args[0] = Value(9), "does not come before it"),
        (|g| g.nodes[3].args.clear(), "0 arguments"),
        (|g| g.nodes[3].ty.batched = false, "the rules give N x"),
        (|g| g.nodes[1].ty = Type::batched([4, 2, 3, 3]), "its table says"),
        (|g| g.nodes[1].op = Op::Const(1), "no entry"),
        (|g| g.nodes[0].op = Op::Input(1), "no entry"),
        (|g| g.consts[0].data.truncate(71), "do not hold"),
        (|g| g.nodes[1].name = "x".to_owned(), "there twice"),
        (|g| g.outputs.clear(), "there is none"),
        (|g| g.outputs[0].value = Value(4), "no such value"),
        (|g| g.inputs[0].value = Value(1), "not its node"),
        (|g| g.nodes[0].ty = Type::batched([2, 0, 8]), "between 1 and"),
        (|g| g.nodes[0].ty = Type::batched([1; 9]), "more than 8 axes"),
        (|g| g.nodes[0].ty = Type::batched([1 << 30, 1 << 30]), "elements"),
        (
            |g| {
                let again = g.nodes[0].clone();
                g.nodes.push(Node { name: "again".to_owned(), ..again });
            },
            "two nodes",
        ),
    ];
    for (i, (change, want)) in cases.iter().enumerate() {
        let said = broken(change);
        assert!(said.contains(want), "case {i}: {said}");
    }
}

#[test]
fn all_problems_are_collected() {
    let said = broken(|g| {
        g.outputs.clear();
        g.nodes[3].ty.dims[0] = 6;
        g.nodes[2].ty.dims[0] = 5;
    });
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn the_printer_writes_one_line_a_node() {
    let text = crate::graph::print::print(&graph());
    assert_eq!(
        text,
        "graph g\n\
         %0 = input x : N x [2, 9, 8]\n\
         %2 = conv 3x3 stride 2 pad 2+0x1+1 (%0, %1) : [4, 5, 4]  # conv\n\
         %3 = relu (%2) : [4, 5, 4]  # relu\n\
         output y = %3\n\
         const %1 [4, 2, 3, 3] = 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 0.5 …\n"
    );
}
