//! Appending nodes to a graph, typed by the shape rules.

use super::GradError;
use crate::graph::print::op_name;
use crate::graph::shape::infer::infer;
use crate::graph::verify::limits_hold;
use crate::graph::{BinaryOp, Const, Graph, Node, Op, ReduceKind, Type, UnaryOp, Value};
use crate::limits;
use crate::source::Span;

/// A graph that grows at its end.
pub struct Builder {
    /// What there is so far.
    pub graph: Graph,
    /// What nodes are named after, and where they come from.
    place: (String, Span),
    /// What sets apart the names of what one pass and another one make for the same node.
    mark: char,
    /// Nodes made, for their names.
    made: u32,
}

impl Builder {
    /// Goes on where `graph` ends. `mark` is this pass's own letter.
    pub fn new(graph: Graph, mark: char) -> Self {
        Builder { graph, place: (String::from("grad"), Span::default()), mark, made: 0 }
    }

    /// Nodes from here on belong to a node: their names begin with its.
    pub fn at(&mut self, name: &str, span: Span) {
        self.place = (name.to_owned(), span);
    }

    /// The node that is worked on.
    pub fn place(&self) -> &str {
        &self.place.0
    }

    /// The graph, made as a copy of another one: `map` has the new value of each old one, which inputs and outputs
    /// still name.
    pub fn renumbered(self, map: &[Value]) -> Graph {
        let mut graph = self.graph;
        for input in &mut graph.inputs {
            input.value = map[input.value.index()];
        }
        for output in &mut graph.outputs {
            output.value = map[output.value.index()];
        }
        graph
    }

    /// The type of a value.
    pub fn ty(&self, value: Value) -> &Type {
        self.graph.ty(value)
    }

    /// The axes of a value.
    pub fn dims(&self, value: Value) -> Vec<u64> {
        self.ty(value).dims.clone()
    }

    /// A node whose type follows from its arguments.
    pub fn op(&mut self, op: Op, args: &[Value]) -> Result<Value, GradError> {
        self.shaped(op, args, Vec::new())
    }

    /// A node that is free to have the axes `dims`, or takes what its arguments say.
    pub fn shaped(&mut self, op: Op, args: &[Value], dims: Vec<u64>) -> Result<Value, GradError> {
        let types: Vec<&Type> = args.iter().map(|&a| self.ty(a)).collect();
        let batched = types.iter().any(|t| t.batched);
        let ty = infer(&op, &types, &Type { batched, dims })
            .map_err(|e| GradError::Shape { name: self.place.0.clone(), message: e.message })?;
        limits_hold(&ty).map_err(|message| GradError::Shape { name: self.place.0.clone(), message })?;
        self.made += 1;
        // A slash is in no name of the language, so these are unique.
        let name = format!("{}/{}_{}{}", self.place.0, op_name(&op), self.mark, self.made);
        self.graph.nodes.push(Node { op, args: args.to_vec(), ty, name, span: self.place.1 });
        Ok(Value(self.graph.nodes.len() as u32 - 1))
    }

    /// An elementwise function.
    pub fn unary(&mut self, op: UnaryOp, x: Value) -> Result<Value, GradError> {
        self.op(Op::Unary(op), &[x])
    }

    /// An elementwise function of two.
    pub fn binary(&mut self, op: BinaryOp, a: Value, b: Value) -> Result<Value, GradError> {
        self.op(Op::Binary(op), &[a, b])
    }

    /// `a · b`
    pub fn mul(&mut self, a: Value, b: Value) -> Result<Value, GradError> {
        self.binary(BinaryOp::Mul, a, b)
    }

    /// `a + b`
    pub fn add(&mut self, a: Value, b: Value) -> Result<Value, GradError> {
        self.binary(BinaryOp::Add, a, b)
    }

    /// `a − b`
    pub fn sub(&mut self, a: Value, b: Value) -> Result<Value, GradError> {
        self.binary(BinaryOp::Sub, a, b)
    }

    /// `x · factor`
    pub fn times(&mut self, x: Value, factor: f32) -> Result<Value, GradError> {
        let factor = self.number(factor)?;
        self.mul(x, factor)
    }

    /// `x + summand`
    pub fn plus(&mut self, x: Value, summand: f32) -> Result<Value, GradError> {
        let summand = self.number(summand)?;
        self.add(x, summand)
    }

    /// `number − x`
    pub fn number_minus(&mut self, number: f32, x: Value) -> Result<Value, GradError> {
        let number = self.number(number)?;
        self.sub(number, x)
    }

    /// 1 where `x` is above 0, else 0.
    pub fn positive(&mut self, x: Value) -> Result<Value, GradError> {
        let sign = self.unary(UnaryOp::Sign, x)?;
        self.unary(UnaryOp::Relu, sign)
    }

    /// A number.
    pub fn number(&mut self, x: f32) -> Result<Value, GradError> {
        self.constant(vec![1], [x])
    }

    /// Numbers known beforehand, as many as `dims` says.
    pub fn constant(
        &mut self,
        dims: Vec<u64>,
        data: impl IntoIterator<Item = f32>,
    ) -> Result<Value, GradError> {
        let elements = dims.iter().try_fold(1u64, |n, &d| n.checked_mul(d));
        if elements.is_none_or(|n| n > limits::TAPS_TOTAL as u64) {
            let message =
                format!("its table {dims:?} has more than the limit of {} elements", limits::TAPS_TOTAL);
            return Err(GradError::Shape { name: self.place.0.clone(), message });
        }
        self.graph.consts.push(Const { dims: dims.clone(), data: data.into_iter().collect() });
        self.shaped(Op::Const(self.graph.consts.len() as u32 - 1), &[], dims)
    }

    /// The sum over axes, which are left with length 1; the value itself where there are none.
    pub fn sum(&mut self, x: Value, axes: Vec<usize>) -> Result<Value, GradError> {
        if axes.iter().all(|&axis| self.ty(x).dims.get(axis) == Some(&1)) {
            return Ok(x);
        }
        self.op(Op::Reduce(ReduceKind::Sum, axes), &[x])
    }

    /// The same elements under other axes; nothing where they are the same.
    pub fn reshape(&mut self, x: Value, dims: Vec<u64>) -> Result<Value, GradError> {
        if self.ty(x).dims == dims {
            return Ok(x);
        }
        self.shaped(Op::Reshape, &[x], dims)
    }

    /// The axes in another order; nothing where it is the same.
    pub fn transpose(&mut self, x: Value, perm: Vec<usize>) -> Result<Value, GradError> {
        if perm.is_sorted() {
            return Ok(x);
        }
        self.op(Op::Transpose { perm }, &[x])
    }

    /// The last two axes exchanged.
    pub fn transpose_matrix(&mut self, x: Value) -> Result<Value, GradError> {
        let rank = self.ty(x).dims.len();
        let mut perm: Vec<usize> = (0..rank).collect();
        if rank >= 2 {
            perm.swap(rank - 2, rank - 1);
        }
        self.transpose(x, perm)
    }

    /// `len` elements from `start` in steps of 1 along each axis; nothing where that is all.
    pub fn slice(&mut self, x: Value, start: Vec<u64>, len: Vec<u64>) -> Result<Value, GradError> {
        if self.ty(x).dims == len {
            return Ok(x);
        }
        let step = vec![1; start.len()];
        self.shaped(Op::Slice { start, step }, &[x], len)
    }

    /// Zeros around; nothing where there are none.
    pub fn zeros_around(&mut self, x: Value, before: Vec<u64>, after: Vec<u64>) -> Result<Value, GradError> {
        if before.iter().chain(&after).all(|&n| n == 0) {
            return Ok(x);
        }
        let mode = crate::graph::PadMode::Constant(0.0);
        self.op(Op::Pad { before, after, mode }, &[x])
    }

    /// Axes of length 1, or that are missing in front, repeated to `dims`.
    pub fn expand(&mut self, x: Value, dims: &[u64]) -> Result<Value, GradError> {
        if self.ty(x).elements() == dims.iter().product::<u64>() {
            // Also where a number, which has an axis, stands for a value without any.
            return self.reshape(x, dims.to_vec());
        }
        self.shaped(Op::Expand, &[x], dims.to_vec())
    }

    /// The adjoint of repeating to the value's axes: sums over those that `dims` has with length 1 or not at all.
    pub fn collapse(&mut self, x: Value, dims: &[u64]) -> Result<Value, GradError> {
        let have = self.dims(x);
        let missing = have.len().saturating_sub(dims.len());
        let repeated = |axis: usize| axis.checked_sub(missing).is_none_or(|i| dims.get(i) == Some(&1));
        let axes: Vec<usize> = (0..have.len()).filter(|&axis| repeated(axis) && have[axis] != 1).collect();
        let sum = if axes.is_empty() { x } else { self.sum(x, axes)? };
        self.reshape(sum, dims.to_vec())
    }
}
