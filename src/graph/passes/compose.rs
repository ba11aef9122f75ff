//! Composing what one node means out of several.

use super::rewrite::Rewrite;
use crate::graph::{BinaryOp, Const, Node, Op, ReduceKind, Type, UnaryOp, Value};

/// Makes the parts of one old node: their names begin with its name, their places are its place.
pub(super) struct Compose<'r, 'g, 'n> {
    pub(super) r: &'r mut Rewrite<'g>,
    /// What is replaced.
    pub(super) node: &'n Node,
    /// Parts made so far.
    parts: u32,
}

impl<'r, 'g, 'n> Compose<'r, 'g, 'n> {
    pub(super) fn new(r: &'r mut Rewrite<'g>, node: &'n Node) -> Self {
        Compose { r, node, parts: 0 }
    }

    /// The new value of an argument of the node.
    pub(super) fn arg(&self, i: usize) -> Option<Value> {
        self.node.args.get(i).map(|&a| self.r.get(a))
    }

    /// The type of a new value.
    pub(super) fn ty(&self, value: Value) -> Type {
        self.r.new.ty(value).clone()
    }

    /// A node of any operation.
    pub(super) fn op(&mut self, op: Op, args: Vec<Value>, ty: Type) -> Value {
        self.parts += 1;
        // A slash is in no name of the language, so these are unique.
        let name = format!("{}/{}_{}", self.node.name, crate::graph::print::op_name(&op), self.parts);
        self.r.push(Node { op, args, ty, name, span: self.node.span })
    }

    /// Says that the value stands for the node: it gets its name.
    pub(super) fn stand(self, value: Value) {
        let made = self.parts > 0 && value.index() + 1 == self.r.new.nodes.len();
        match self.r.new.nodes.last_mut() {
            Some(last) if made => last.name.clone_from(&self.node.name),
            _ => {}
        }
        self.r.stand(value);
    }

    pub(super) fn unary(&mut self, op: UnaryOp, x: Value) -> Value {
        let ty = self.ty(x);
        self.op(Op::Unary(op), vec![x], ty)
    }

    /// Axes of length 1, or that are missing in front, are repeated; the others agree.
    pub(super) fn binary(&mut self, op: BinaryOp, a: Value, b: Value) -> Value {
        let (a_ty, b_ty) = (self.ty(a), self.ty(b));
        let rank = a_ty.dims.len().max(b_ty.dims.len());
        let axis = |ty: &Type, i: usize| {
            let at = (i + ty.dims.len()).checked_sub(rank);
            at.and_then(|at| ty.dims.get(at).copied()).unwrap_or(1)
        };
        let dims: Vec<u64> = (0..rank).map(|i| axis(&a_ty, i).max(axis(&b_ty, i))).collect();
        let ty = Type { batched: a_ty.batched || b_ty.batched, dims };
        self.op(Op::Binary(op), vec![a, b], ty)
    }

    /// With a number as the second operand.
    pub(super) fn with_number(&mut self, op: BinaryOp, a: Value, number: f32) -> Value {
        let number = self.constant(vec![1], vec![number]);
        self.binary(op, a, number)
    }

    pub(super) fn constant(&mut self, dims: Vec<u64>, data: Vec<f32>) -> Value {
        self.r.new.consts.push(Const { dims: dims.clone(), data });
        let op = Op::Const(self.r.new.consts.len() as u32 - 1);
        self.op(op, Vec::new(), Type::plain(dims))
    }

    pub(super) fn reduce(&mut self, kind: ReduceKind, axes: Vec<usize>, x: Value) -> Value {
        let mut ty = self.ty(x);
        for &axis in &axes {
            if let Some(dim) = ty.dims.get_mut(axis) {
                *dim = 1;
            }
        }
        self.op(Op::Reduce(kind, axes), vec![x], ty)
    }

    /// The same elements under other axes; nothing where they are the same.
    pub(super) fn reshape(&mut self, x: Value, dims: Vec<u64>) -> Value {
        let ty = self.ty(x);
        if ty.dims == dims {
            return x;
        }
        self.op(Op::Reshape, vec![x], Type { dims, ..ty })
    }
}
