//! Copying a graph node by node while some nodes are replaced.

use crate::graph::{BinaryOp, Const, Graph, Node, Op, Type, UnaryOp, Value};
use crate::source::Span;

/// A graph being rewritten: `old` is read in order, `new` grows.
pub(super) struct Rewrite<'g> {
    pub(super) old: &'g Graph,
    pub(super) new: Graph,
    /// The new value of each old one, as far as it is copied.
    map: Vec<Value>,
}

impl<'g> Rewrite<'g> {
    pub(super) fn new(old: &'g Graph) -> Self {
        let new = Graph { nodes: Vec::with_capacity(old.nodes.len()), ..old.clone() };
        Rewrite { old, new, map: Vec::with_capacity(old.nodes.len()) }
    }

    /// The new value that stands for an old one.
    pub(super) fn get(&self, old: Value) -> Value {
        self.map[old.index()]
    }

    /// Appends a node to the new graph.
    pub(super) fn push(&mut self, node: Node) -> Value {
        self.new.nodes.push(node);
        Value(self.new.nodes.len() as u32 - 1)
    }

    /// Says what stands for the next old value.
    pub(super) fn stand(&mut self, value: Value) {
        self.map.push(value);
    }

    /// Copies a node as it is.
    pub(super) fn keep(&mut self, node: &Node) {
        let args = node.args.iter().map(|a| self.get(*a)).collect();
        let value = self.push(Node { args, ..node.clone() });
        self.stand(value);
    }

    /// The new graph, its inputs and outputs renumbered.
    pub(super) fn finish(mut self) -> Graph {
        for input in &mut self.new.inputs {
            input.value = self.map[input.value.index()];
        }
        for output in &mut self.new.outputs {
            output.value = self.map[output.value.index()];
        }
        self.new
    }

    /// A number.
    pub(super) fn number(&mut self, x: f32, name: String, span: Span) -> Value {
        self.new.consts.push(Const { dims: vec![1], data: vec![x] });
        let op = Op::Const(self.new.consts.len() as u32 - 1);
        self.push(Node { op, args: Vec::new(), ty: Type::plain([1]), name, span })
    }

    /// An elementwise operation whose result has the type of `like`.
    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        a: Value,
        b: Value,
        like: Value,
        name: String,
        span: Span,
    ) -> Value {
        let ty = self.new.ty(like).clone();
        self.push(Node { op: Op::Binary(op), args: vec![a, b], ty, name, span })
    }

    pub(super) fn unary(&mut self, op: UnaryOp, x: Value, name: String, span: Span) -> Value {
        let ty = self.new.ty(x).clone();
        self.push(Node { op: Op::Unary(op), args: vec![x], ty, name, span })
    }

    /// The same elements under other axes.
    pub(super) fn reshape(&mut self, x: Value, dims: Vec<u64>, name: String, span: Span) -> Value {
        let ty = Type { batched: self.new.ty(x).batched, dims };
        self.push(Node { op: Op::Reshape, args: vec![x], ty, name, span })
    }
}
