//! Small graphs made from numbers: any operation, on values of any rank, on any axis.

use convc::graph::shape::infer::infer;
use convc::graph::verify::verify;
use convc::graph::{BinaryOp, Const, Graph, Input, Node, Op, Output, Param, ParamRole, Type, UnaryOp, Value};
use convc::source::Span;
use convc::tensor::Tensor;

/// How large numbers may get before they are squashed: cancellation must not eat their digits.
const MAGNITUDE: f64 = 40.0;

/// Numbers from a seed.
pub struct Choices(u64);

impl Choices {
    pub fn new(seed: u64) -> Choices {
        Choices(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % n.max(1)
    }

    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high + 1 - low)
    }

    pub fn one_of<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize].clone()
    }

    /// In one of `n` cases.
    pub fn rarely(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Numbers in −1 .. 1.
    pub fn noise(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.below(1 << 24) as f32 / (1 << 23) as f32 - 1.0).collect()
    }

    /// The axes of a value of some rank.
    pub fn dims(&mut self, rank: usize) -> Vec<u64> {
        let mut dims = vec![1; rank];
        for axis in (0..rank).rev() {
            let room = (1500 / dims.iter().product::<u64>()).max(1);
            let wanted = match rank - axis {
                1 => self.one_of(&[1, 2, 3, 4, 7, 9, 12, 17, 33]),
                2 => self.one_of(&[1, 1, 2, 3, 5, 8, 11]),
                3 => self.one_of(&[1, 2, 3, 5, 8, 8, 9, 16, 16, 24]),
                _ => self.one_of(&[1, 2, 2, 3, 4]),
            };
            dims[axis] = wanted.min(room);
        }
        dims
    }
}

/// A graph that grows.
pub struct Maker {
    pub graph: Graph,
    pub choices: Choices,
    /// Elements of a result, at most.
    pub most: u64,
    /// A bound of each value's elements.
    magnitudes: Vec<f64>,
    /// What operations were asked for, latest last.
    pub results: Vec<Value>,
    pub params: Vec<Tensor>,
    pub inputs: Vec<Tensor>,
}

impl Maker {
    pub fn new() -> Maker {
        let graph = Graph {
            name: "random".into(),
            nodes: Vec::new(),
            inputs: Vec::new(),
            consts: Vec::new(),
            params: Vec::new(),
            outputs: Vec::new(),
            weights: None,
            labels: None,
        };
        let choices = Choices::new(1);
        Maker {
            graph,
            choices,
            most: 20_000,
            magnitudes: Vec::new(),
            results: Vec::new(),
            params: Vec::new(),
            inputs: Vec::new(),
        }
    }

    pub fn dims(&self, value: Value) -> Vec<u64> {
        self.graph.ty(value).dims.clone()
    }

    pub fn batched(&self, value: Value) -> bool {
        self.graph.ty(value).batched
    }

    pub fn magnitude(&self, value: Value) -> f64 {
        self.magnitudes[value.index()]
    }

    fn push(&mut self, op: Op, args: &[Value], ty: Type, magnitude: f64) -> Value {
        let value = Value(self.graph.nodes.len() as u32);
        let span = Span::default();
        let name = format!("n{}", value.0);
        self.graph.nodes.push(Node { op, args: args.to_vec(), ty, name, span });
        self.magnitudes.push(magnitude);
        value
    }

    /// The operation's result, where the rules allow it; `dims` is what it claims to have.
    pub fn op(&mut self, op: Op, args: &[Value], dims: &[u64], magnitude: f64) -> Option<Value> {
        let types: Vec<&Type> = args.iter().map(|a| self.graph.ty(*a)).collect();
        let batched = types.iter().any(|t| t.batched);
        let ty = infer(&op, &types, &Type { batched, dims: dims.to_vec() }).ok()?;
        if ty.elements() > self.most || ty.dims.len() > 8 || ty.dims.contains(&0) {
            return None;
        }
        let value = self.push(op, args, ty, magnitude);
        if magnitude <= MAGNITUDE {
            return Some(value);
        }
        let dims = self.dims(value);
        let squash = self.choices.one_of(&[
            UnaryOp::Softsign,
            UnaryOp::Tanh,
            UnaryOp::Clamp { lo: -2.0, hi: 1.5 },
            UnaryOp::Sigmoid,
        ]);
        self.op(Op::Unary(squash), &[value], &dims, 2.0)
    }

    /// The type that an operation's result would have by floor, where it may round up.
    pub fn inferred(&self, op: &Op, args: &[Value]) -> Option<Vec<u64>> {
        let types: Vec<&Type> = args.iter().map(|a| self.graph.ty(*a)).collect();
        infer(op, &types, &Type::plain([1, 1, 1])).ok().map(|ty| ty.dims)
    }

    /// A value that nothing is computed for.
    pub fn leaf(&mut self, dims: &[u64], may_be_batched: bool) -> Value {
        let n = dims.iter().product::<u64>() as usize;
        let data = self.choices.noise(n);
        let shape: Vec<usize> = dims.iter().map(|&d| d as usize).collect();
        let tensor = |data| Tensor::new(&shape, data).expect("the lengths agree");
        let span = Span::default();
        match self.choices.below(if may_be_batched { 6 } else { 4 }) {
            0 => {
                self.graph.consts.push(Const { dims: dims.to_vec(), data });
                let index = self.graph.consts.len() as u32 - 1;
                self.push(Op::Const(index), &[], Type::plain(dims), 1.0)
            }
            1 | 2 => {
                let index = self.graph.params.len() as u32;
                let key = format!("p{index}");
                let (aliases, role) = (Vec::new(), ParamRole::Shift);
                self.graph.params.push(Param { key, aliases, dims: dims.to_vec(), role, span });
                self.params.push(tensor(data));
                self.push(Op::Param(index), &[], Type::plain(dims), 1.0)
            }
            kind => self.input(Type { batched: kind > 3, dims: dims.to_vec() }, tensor(data)),
        }
    }

    /// A value that only a run knows.
    pub fn input(&mut self, ty: Type, data: Tensor) -> Value {
        let index = self.graph.inputs.len() as u32;
        let value = self.push(Op::Input(index), &[], ty, 1.0);
        self.graph.inputs.push(Input { name: format!("x{index}"), value, file: None });
        self.inputs.push(data);
        value
    }

    /// Weights of a layer: known before a run or not, and perhaps computed.
    pub fn weight(&mut self, dims: &[u64]) -> Value {
        let leaf = self.leaf(dims, false);
        if !self.choices.rarely(4) {
            return leaf;
        }
        let op = Op::Binary(BinaryOp::Mul);
        self.op(op, &[leaf, leaf], dims, 1.0).unwrap_or(leaf)
    }

    /// One of the latest results, or something else.
    pub fn any(&mut self) -> Value {
        let results = self.results.len();
        if results > 0 && !self.choices.rarely(6) {
            let back = if self.choices.rarely(2) { 0 } else { self.choices.below(results.min(4) as u64) };
            return self.results[results - 1 - back as usize];
        }
        let n = self.graph.nodes.len() as u64;
        if n > 0 && self.choices.rarely(3) {
            return Value(self.choices.below(n) as u32);
        }
        let rank = self.choices.one_of(&[0, 1, 2, 3, 3, 3, 3, 4, 4, 5, 6, 7, 8]);
        let dims = self.choices.dims(rank);
        self.leaf(&dims, true)
    }

    /// A value of at least three axes.
    pub fn picture(&mut self) -> Value {
        let value = self.any();
        if self.dims(value).len() >= 3 {
            return value;
        }
        let rank = self.choices.one_of(&[3, 3, 3, 4, 5]);
        let dims = self.choices.dims(rank);
        self.leaf(&dims, true)
    }

    /// The finished graph: the last value and perhaps others are its outputs.
    pub fn finish(mut self) -> Option<(Graph, Vec<Tensor>, Vec<Tensor>)> {
        let n = self.graph.nodes.len() as u64;
        let mut values = vec![n.checked_sub(1)?];
        for _ in 0..self.choices.below(3) {
            values.push(self.choices.below(n));
        }
        for (i, value) in values.into_iter().enumerate() {
            self.graph.outputs.push(Output { name: format!("y{i}"), value: Value(value as u32) });
        }
        assert_eq!(verify(&self.graph), Ok(()));
        Some((self.graph, self.inputs, self.params))
    }
}
