//! Small numbers worked out by hand, and brute force; recorded outputs of other frameworks are in
//! `tests/suite/`.

mod batch;
mod contraction;
mod elementwise;
mod movement;
mod norms;
mod windows;

use super::*;
use crate::graph::{Const, Input, Output, Pads, Param, ParamRole, Pool, PoolKind, Window};
use crate::source::Span;

/// A graph built node by node.
struct Build(Graph);

impl Build {
    fn new() -> Build {
        Build(Graph {
            name: "test".into(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            consts: Vec::new(),
            params: Vec::new(),
            outputs: Vec::new(),
            weights: None,
            labels: None,
        })
    }

    fn node(&mut self, op: Op, args: &[Value], ty: Type) -> Value {
        let value = Value(self.0.nodes.len() as u32);
        let name = format!("n{}", value.0);
        self.0.nodes.push(Node { op, args: args.to_vec(), ty, name, span: Span::default() });
        value
    }

    fn input(&mut self, ty: Type) -> Value {
        let index = self.0.inputs.len() as u32;
        let value = self.node(Op::Input(index), &[], ty);
        self.0.inputs.push(Input { name: format!("x{index}"), value, file: None });
        value
    }

    fn constant(&mut self, dims: &[u64], data: &[f32]) -> Value {
        let index = self.0.consts.len() as u32;
        self.0.consts.push(Const { dims: dims.to_vec(), data: data.to_vec() });
        self.node(Op::Const(index), &[], Type::plain(dims))
    }

    fn param(&mut self, dims: &[u64]) -> Value {
        let index = self.0.params.len() as u32;
        let (key, role) = (format!("p{index}"), ParamRole::Shift);
        let dims = dims.to_vec();
        self.0.params.push(Param {
            key,
            aliases: Vec::new(),
            dims: dims.clone(),
            role,
            span: Span::default(),
        });
        self.node(Op::Param(index), &[], Type::plain(dims))
    }

    fn output(mut self, value: Value) -> Graph {
        let name = format!("y{}", self.0.outputs.len());
        self.0.outputs.push(Output { name, value });
        self.0
    }
}

fn tensor(shape: &[usize], data: &[f32]) -> Tensor {
    Tensor::new(shape, data.to_vec()).unwrap()
}

/// Applies one operation to constants; `dims` are the result's.
fn apply(op: Op, args: &[(&[u64], &[f32])], dims: &[u64]) -> Vec<f32> {
    let mut build = Build::new();
    let args: Vec<Value> = args.iter().map(|(dims, data)| build.constant(dims, data)).collect();
    let value = build.node(op, &args, Type::plain(dims));
    let results = evaluate(&build.output(value), &[], &[]).unwrap();
    let shape: Vec<u64> = results[0].shape().iter().map(|&d| d as u64).collect();
    assert_eq!(shape, dims);
    results[0].data().to_vec()
}

/// 0, 1, 2, …
fn count(n: usize) -> Vec<f32> {
    (0..n).map(|i| i as f32).collect()
}

/// Numbers in −1 .. 1 without a pattern.
fn noise(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

fn window(kernel: [u64; 2], stride: [u64; 2], dilation: [u64; 2], pad: [u64; 4]) -> Window {
    let [top, bottom, left, right] = pad;
    Window { kernel, stride, dilation, pad: Pads { top, bottom, left, right } }
}

fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= 1e-6 * (1.0 + e.abs()), "at {i}: {f} is not {e}");
    }
}
