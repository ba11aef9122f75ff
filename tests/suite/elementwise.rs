//! Elementwise functions, softmax and reductions, by every executor.

use convc::graph::{BinaryOp, Graph, Input, Node, Op, Output, ReduceKind, Type, UnaryOp, Value};
use convc::source::Span;
use convc::tensor::Tensor;
use proptest::prelude::*;

use crate::executors::{Executor, agree};

/// A graph without weights, node by node.
struct Builder {
    graph: Graph,
}

impl Builder {
    fn new() -> Builder {
        let graph = Graph {
            name: "test".into(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            consts: Vec::new(),
            params: Vec::new(),
            outputs: Vec::new(),
            weights: None,
            labels: None,
        };
        Builder { graph }
    }

    fn node(&mut self, op: Op, args: &[Value], dims: &[u64]) -> Value {
        let name = format!("v{}", self.graph.nodes.len());
        let ty = Type::batched(dims);
        self.graph.nodes.push(Node { op, args: args.to_vec(), ty, name, span: Span::default() });
        Value(self.graph.nodes.len() as u32 - 1)
    }

    fn input(&mut self, dims: &[u64]) -> Value {
        let i = self.graph.inputs.len() as u32;
        let value = self.node(Op::Input(i), &[], dims);
        self.graph.inputs.push(Input { name: format!("x{i}"), value, file: None });
        value
    }

    fn finish(mut self, last: Value) -> Graph {
        self.graph.outputs.push(Output { name: "y".into(), value: last });
        assert_eq!(convc::graph::verify::verify(&self.graph), Ok(()));
        self.graph
    }
}

fn noise(dims: &[u64], seed: u32) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let data = (0..dims.iter().product())
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 22) as f32 - 2.0
        })
        .collect();
    let shape: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
    Tensor::new(&shape, data).expect("the lengths agree")
}

const UNARY: [UnaryOp; 23] = [
    UnaryOp::Neg,
    UnaryOp::Abs,
    UnaryOp::Sqrt,
    UnaryOp::Exp,
    UnaryOp::Log,
    UnaryOp::Reciprocal,
    UnaryOp::Erf,
    UnaryOp::Relu,
    UnaryOp::Clamp { lo: -1.0, hi: 2.5 },
    UnaryOp::LeakyRelu { slope: 0.2 },
    UnaryOp::LeakyRelu { slope: -1.5 },
    UnaryOp::Elu { alpha: 1.5 },
    UnaryOp::Selu { alpha: 1.673_263_2, gamma: 1.050_701 },
    UnaryOp::Celu { alpha: 0.5 },
    UnaryOp::Gelu,
    UnaryOp::GeluTanh,
    UnaryOp::Silu,
    UnaryOp::Sigmoid,
    UnaryOp::Tanh,
    UnaryOp::Softplus,
    UnaryOp::Mish,
    UnaryOp::HardSigmoid { alpha: 0.2, beta: 0.5 },
    UnaryOp::HardSwish,
];
const BINARY: [BinaryOp; 7] =
    [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Div, BinaryOp::Pow, BinaryOp::Min, BinaryOp::Max];

/// Numbers of all magnitudes, and those where functions change.
fn arguments() -> Vec<f32> {
    let special = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -3.0, 3.0, 1e-40, -1e-40, f32::INFINITY, -f32::INFINITY];
    let near = (-400..400).map(|i| i as f32 * 0.26);
    let bits = (0..1u64 << 32).step_by(9_999_991).map(|bits| f32::from_bits(bits as u32));
    special.into_iter().chain([f32::NAN, f32::MAX, f32::MIN, 88.8, -104.0]).chain(near).chain(bits).collect()
}

/// Executors with a fused multiply-add give the same bits, NaN being one.
fn same_bits(graph: &Graph, inputs: &[Tensor]) {
    let views: Vec<_> = inputs.iter().map(Tensor::view).collect();
    let expected = Executor::Interpreter.run(graph, &views, &[]);
    for executor in Executor::all() {
        if matches!(executor, Executor::Evaluator | Executor::Interpreter) {
            continue;
        }
        let found = executor.run(graph, &views, &[]);
        for (i, (f, e)) in found[0].data().iter().zip(expected[0].data()).enumerate() {
            let args: Vec<f32> = inputs.iter().map(|x| x.data()[i % x.data().len()]).collect();
            assert!(
                f.to_bits() == e.to_bits() || f.is_nan() && e.is_nan(),
                "{executor:?}: element {i} (of {args:?}): {f:e} is not {e:e}\n{}",
                convc::graph::print::print(graph)
            );
        }
    }
}

#[test]
fn functions_give_the_same_bits_everywhere() {
    let x = arguments();
    let n = x.len() as u64;
    for op in UNARY {
        let mut b = Builder::new();
        let input = b.input(&[n]);
        let y = b.node(Op::Unary(op), &[input], &[n]);
        let graph = b.finish(y);
        same_bits(&graph, &[Tensor::new(&[x.len()], x.clone()).expect("the lengths agree")]);
    }
    let other: Vec<f32> = x.iter().cycle().skip(7).step_by(13).take(x.len()).copied().collect();
    for op in BINARY {
        let mut b = Builder::new();
        let inputs = [b.input(&[n]), b.input(&[n])];
        let y = b.node(Op::Binary(op), &inputs, &[n]);
        let graph = b.finish(y);
        let tensors = [&x, &other].map(|x| Tensor::new(&[x.len()], x.clone()).expect("the lengths agree"));
        same_bits(&graph, &tensors);
    }
}

/// Each operation: which, of which values, and along which axes.
type Choice = (u8, u32, u32, [bool; 4]);

/// A graph over values of one shape, broadcast operands beside it.
fn pipeline(dims: &[u64], inputs: &[[bool; 4]], choices: &[Choice]) -> (Graph, Vec<Tensor>) {
    let mut b = Builder::new();
    let rank = dims.len();
    let mut values: Vec<(Value, Vec<u64>)> = Vec::new();
    let mut tensors = Vec::new();
    for (i, ones) in inputs.iter().enumerate() {
        let of: Vec<u64> = dims.iter().zip(ones).map(|(&d, &one)| if one && i > 0 { 1 } else { d }).collect();
        values.push((b.input(&of), of.clone()));
        tensors.push(noise(&of, i as u32 + 1));
    }
    for (which, a, c, axes) in choices {
        let pick = |i: u32| values[i as usize % values.len()].clone();
        let (x, of) = pick(*a);
        let value = match which % 8 {
            0..3 => {
                let op = UNARY[*c as usize % UNARY.len()];
                (b.node(Op::Unary(op), &[x], &of), of)
            }
            3..6 => {
                let (y, to) = pick(*c);
                let ops = [BinaryOp::Add, BinaryOp::Sub, BinaryOp::Mul, BinaryOp::Min, BinaryOp::Max];
                let op = ops[(c / 7) as usize % ops.len()];
                let joined: Vec<u64> = of.iter().zip(&to).map(|(&a, &b)| a.max(b)).collect();
                (b.node(Op::Binary(op), &[x, y], &joined), joined)
            }
            6 => {
                let kinds = [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max];
                let axes: Vec<usize> = (0..rank).filter(|d| axes[*d]).collect();
                let to: Vec<u64> =
                    of.iter().enumerate().map(|(d, &n)| if axes.contains(&d) { 1 } else { n }).collect();
                if axes.is_empty() {
                    (x, of)
                } else {
                    (b.node(Op::Reduce(kinds[*c as usize % 3], axes), &[x], &to), to)
                }
            }
            _ => (b.node(Op::Softmax { axis: *c as usize % rank }, &[x], &of), of),
        };
        values.push(value);
    }
    // Everything is used.
    let (mut last, mut of) = values[0].clone();
    for (value, to) in &values[1..] {
        of = of.iter().zip(to).map(|(&a, &b)| a.max(b)).collect();
        last = b.node(Op::Binary(BinaryOp::Max), &[last, *value], &of);
    }
    (b.finish(last), tensors)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pipelines_agree(
        dims in prop::collection::vec(1u64..18, 1..5),
        inputs in prop::collection::vec(any::<[bool; 4]>(), 1..4),
        choices in prop::collection::vec(any::<Choice>(), 0..7),
    ) {
        let (graph, tensors) = pipeline(&dims, &inputs, &choices);
        same_bits(&graph, &tensors);
    }
}

/// Each function, and reductions and softmax along every axis, within a tolerance of the evaluator.
#[test]
fn the_evaluator_agrees() {
    let dims = [3, 5, 6, 11];
    let x = noise(&dims, 1);
    let check = |op: Op, to: &[u64]| {
        let mut b = Builder::new();
        let input = b.input(&dims);
        let y = b.node(op, &[input], to);
        agree(&b.finish(y), &[x.view()], &[], 2e-6);
    };
    for op in UNARY {
        check(Op::Unary(op), &dims);
    }
    for axes in 1..16usize {
        let axes: Vec<usize> = (0..4).filter(|d| axes >> d & 1 == 1).collect();
        let to: Vec<u64> =
            dims.iter().enumerate().map(|(d, &n)| if axes.contains(&d) { 1 } else { n }).collect();
        check(Op::Reduce(ReduceKind::Mean, axes.clone()), &to);
        check(Op::Reduce(ReduceKind::Max, axes), &to);
    }
    for axis in 0..4 {
        check(Op::Softmax { axis }, &dims);
    }
}
