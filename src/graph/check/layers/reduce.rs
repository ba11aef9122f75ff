//! Sums, means and extremes along any axes.

use super::super::scope::Checker;
use super::super::table::Reduction;
use super::super::thing::{Dim, Id, Shape};
use super::Use;
use crate::diag::Code;
use crate::graph::shape::{self, ShapeError};
use crate::graph::{Op, ReduceKind, UnaryOp};

impl Checker<'_> {
    /// `reduce_sum(axes=[1, 2], keepdims=true)` and its kin
    pub(super) fn reduce(&mut self, at: &Use<'_>, what: Reduction) -> Id {
        let s = at.settings;
        let (Some(keep), Some(shape)) = (s.flag("keepdims", true), self.shape(at.x)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let rank = shape.dims.len();
        let axes = match (s.given("axes"), s.ints("axes")) {
            (false, _) => (0..rank).collect(),
            (true, None) => return self.unknown(vec![at.x], at.span),
            (true, Some([])) => {
                let error = ShapeError::new(Code::AxisList, "axes", "`axes` lists no axis");
                return self.side_error(at, error.help("without it, all axes are reduced"));
            }
            (true, Some(list)) => match shape::axes(list, rank) {
                Ok(axes) => axes,
                Err(error) => return self.axes_error(at, &shape, error),
            },
        };
        if axes.is_empty() {
            // A single number is its own sum.
            return at.x;
        }
        let reduced = |i: usize| axes.contains(&i);
        let kept: Vec<Dim> =
            shape.dims.iter().enumerate().map(|(i, &dim)| if reduced(i) { Some(1) } else { dim }).collect();
        let short: Vec<Dim> =
            shape.dims.iter().enumerate().filter(|&(i, _)| !reduced(i)).map(|(_, &dim)| dim).collect();
        let kept = Shape { batched: shape.batched, dims: kept };
        let mut value = self.reduction(at, what, axes, kept);
        if !keep {
            value = self.reshaped(at, value, short);
        }
        value
    }

    fn reduction(&mut self, at: &Use<'_>, what: Reduction, axes: Vec<usize>, shape: Shape) -> Id {
        let kind = match what {
            Reduction::Sum => ReduceKind::Sum,
            Reduction::Mean => ReduceKind::Mean,
            Reduction::Max => ReduceKind::Max,
            Reduction::Min => {
                // min x = −max(−x)
                let negative = self.unary(UnaryOp::Neg, at.x, at.span);
                let op = Op::Reduce(ReduceKind::Max, axes);
                let largest = self.emit(Some(op), vec![negative], Some(shape), "reduce_max", at.span);
                return self.unary(UnaryOp::Neg, largest, at.span);
            }
        };
        self.emit(Some(Op::Reduce(kind, axes)), vec![at.x], Some(shape), at.def.name, at.span)
    }
}
