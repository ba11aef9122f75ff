use super::*;
use crate::graph::{BinaryOp, UnaryOp};

/// y = −(x · p) with x batched and p a parameter.
fn scaled() -> Graph {
    let mut build = Build::new();
    let x = build.input(Type::batched([2]));
    let p = build.param(&[2]);
    let product = build.node(Op::Binary(BinaryOp::Mul), &[x, p], Type::batched([2]));
    let y = build.node(Op::Unary(UnaryOp::Neg), &[product], Type::batched([2]));
    build.output(y)
}

#[test]
fn samples_are_computed_one_by_one() {
    let (x, p) = (tensor(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), tensor(&[2], &[1.0, 10.0]));
    let y = evaluate(&scaled(), &[x.view()], &[p]).unwrap();
    assert_eq!(y, [tensor(&[3, 2], &[-1.0, -20.0, -3.0, -40.0, -5.0, -60.0])]);
}

#[test]
fn an_input_without_the_axis_gives_an_output_without_it() {
    let (x, p) = (tensor(&[2], &[1.0, 2.0]), tensor(&[2], &[1.0, 10.0]));
    assert_eq!(evaluate(&scaled(), &[x.view()], &[p]).unwrap(), [tensor(&[2], &[-1.0, -20.0])]);
}

#[test]
fn every_value_can_be_seen() {
    let (x, p) = (tensor(&[1, 2], &[1.0, 2.0]), tensor(&[2], &[1.0, 10.0]));
    let all = evaluate_all(&scaled(), &[x.view()], std::slice::from_ref(&p)).unwrap();
    let expected = [x, p, tensor(&[1, 2], &[1.0, 20.0]), tensor(&[1, 2], &[-1.0, -20.0])];
    assert_eq!(all, expected);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let graph = scaled();
    let p = [tensor(&[2], &[1.0, 10.0])];
    let error = |x: Tensor, p: &[Tensor]| evaluate(&graph, &[x.view()], p).unwrap_err().to_string();
    assert_eq!(
        error(tensor(&[3], &[0.0; 3]), &p),
        "input `x0` has the shape [3], but the model declares [2] (with or without a batch axis in front)"
    );
    assert_eq!(error(tensor(&[0, 2], &[]), &p), "input `x0` has 0 samples, but 1 are expected");
    assert_eq!(error(tensor(&[2], &[0.0; 2]), &[]), "the model has 1 parameters, but 0 were given");
    assert_eq!(
        error(tensor(&[2], &[0.0; 2]), &[tensor(&[1], &[0.0])]),
        "parameter `p0` has the shape [1], but the model wants [2]"
    );
    assert_eq!(
        evaluate(&graph, &[], &p).unwrap_err().to_string(),
        "the model has 1 inputs, but 0 were given"
    );
}

#[test]
fn inputs_agree_about_the_batch() {
    let mut build = Build::new();
    let a = build.input(Type::batched([1]));
    let b = build.input(Type::plain([1]));
    let c = build.input(Type::batched([1]));
    let ab = build.node(Op::Binary(BinaryOp::Add), &[a, b], Type::batched([1]));
    let y = build.node(Op::Binary(BinaryOp::Add), &[ab, c], Type::batched([1]));
    let graph = build.output(y);
    let one = tensor(&[1], &[100.0]);
    let (two, three) = (tensor(&[2, 1], &[1.0, 2.0]), tensor(&[3, 1], &[0.0; 3]));
    let found = evaluate(&graph, &[two.view(), one.view(), two.view()], &[]).unwrap();
    assert_eq!(found, [tensor(&[2, 1], &[102.0, 104.0])]);
    let error = evaluate(&graph, &[two.view(), one.view(), three.view()], &[]).unwrap_err();
    assert_eq!(error, EvalError::Batch { name: "x2".into(), expected: 2, given: 3 });
}

#[test]
fn a_graph_that_is_not_valid_is_an_error() {
    let mut graph = scaled();
    graph.nodes[2].ty = Type::batched([3]);
    let (x, p) = (tensor(&[2], &[1.0, 2.0]), tensor(&[2], &[1.0, 10.0]));
    assert!(matches!(evaluate(&graph, &[x.view()], &[p]), Err(EvalError::Invalid { .. })));
}
