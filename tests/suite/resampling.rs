//! The modes of resampling that the graph has and the language has no words for, against ONNX.

use convc::graph::eval::evaluate;
use convc::graph::{Coordinates, Graph, Input, Nearest, Node, Op, Output, Resize, ResizeMode, Type, Value};
use convc::source::Span;
use convc::tensor::Tensor;

use crate::cases::{Tolerance, compare, data, tensors, texts};

/// `cubic half_pixel`, `nearest asymmetric ceil`
fn resize(text: &str, scale: [f64; 2]) -> Resize {
    let mut words = text.split_whitespace();
    let mode = words.next();
    let coordinates = match words.next() {
        Some("half_pixel") => Coordinates::HalfPixel,
        Some("asymmetric") => Coordinates::Asymmetric,
        Some("align_corners") => Coordinates::AlignCorners,
        other => panic!("{other:?}"),
    };
    let mode = match (mode, words.next()) {
        (Some("linear"), None) => ResizeMode::Linear,
        (Some("cubic"), None) => ResizeMode::Cubic { a: -0.75 },
        (Some("nearest"), Some("floor")) => ResizeMode::Nearest(Nearest::Floor),
        (Some("nearest"), Some("ceil")) => ResizeMode::Nearest(Nearest::Ceil),
        (Some("nearest"), Some("round_prefer_floor")) => ResizeMode::Nearest(Nearest::RoundPreferFloor),
        (Some("nearest"), Some("round_prefer_ceil")) => ResizeMode::Nearest(Nearest::RoundPreferCeil),
        other => panic!("{other:?}"),
    };
    Resize { mode, coordinates, scale, exclude_outside: false, antialias: false }
}

fn graph(op: Resize, x: &Tensor, y: &Tensor) -> Graph {
    let node = |op: Op, args: &[Value], shape: &[usize], name: &str| Node {
        op,
        args: args.to_vec(),
        ty: Type::plain(shape.iter().map(|&d| d as u64).collect::<Vec<_>>()),
        name: name.to_owned(),
        span: Span::default(),
    };
    Graph {
        name: "resize".into(),
        nodes: vec![
            node(Op::Input(0), &[], x.shape(), "x"),
            node(Op::Resize(op), &[Value(0)], y.shape(), "y"),
        ],
        inputs: vec![Input { name: "x".into(), value: Value(0), file: None }],
        consts: Vec::new(),
        params: Vec::new(),
        outputs: vec![Output { name: "y".into(), value: Value(1) }],
        weights: None,
        labels: None,
    }
}

#[test]
fn every_mode_is_that_of_onnx() {
    let bytes = std::fs::read(data("cases/onnx_resize.safetensors")).expect("it is there");
    let tensors = tensors(&bytes);
    let mut failures = Vec::new();
    for (name, text) in texts("onnx_resize") {
        let (x, y) = (&tensors[&format!("{name}/in/x")], &tensors[&format!("{name}/out/y")]);
        // A factor that is m/n is exactly that; one such as 0.6 is as near as f32 has it.
        let given = tensors[&format!("{name}/in/scale")].data();
        let sizes = |axis: usize| (x.shape()[2 + axis] as f64, y.shape()[2 + axis] as f64);
        let scale = [0, 1].map(|axis| {
            let (n, m) = sizes(axis);
            if (m / n) as f32 == given[axis] { m / n } else { f64::from(given[axis]) }
        });
        let found = evaluate(&graph(resize(&text, scale), x, y), &[x.view()], &[]).expect("it runs");
        if let Err(e) = compare(found[0].data(), y.data(), Tolerance::Element(1e-5)) {
            failures.push(format!("{name}: {e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
