//! Batchnorm by the statistics of the value itself, composed of simpler operations.

use super::super::keys::Key;
use super::super::scope::Checker;
use super::super::thing::{Id, Shape};
use super::Use;
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::channel_axis;
use crate::graph::{BinaryOp, Op, ReduceKind, UnaryOp};

impl Checker<'_> {
    /// `batchnorm(training=true)`
    pub(super) fn batchnorm_in_training(&mut self, at: &Use<'_>, key: Key, eps: f32, shape: &Shape) -> Id {
        if shape.batched {
            let text = "`training` takes the statistics of the whole batch, which is not among the axes here";
            let diagnostic = Diagnostic::error(Code::Conflict, at.settings.span("training"), text);
            let diagnostic = self.with_source(diagnostic, at.x);
            self.report(diagnostic.help("`tensor` declares a value with all its axes"));
            return self.unknown(vec![at.x], at.span);
        }
        let rank = shape.dims.len();
        let channel = channel_axis(rank);
        let channels = channel.and_then(|axis| shape.dims.get(axis).copied()).flatten();
        let (Some(axis), Some(c)) = (channel, channels) else {
            return self.emit(None, vec![at.x], Some(shape.clone()), "batchnorm", at.span);
        };
        let Some(args) = self.affine(at, Some(&key), &[c], true, true) else {
            return self.unknown(vec![at.x], at.span);
        };
        let axes: Vec<usize> = (0..rank).filter(|&a| a != axis).collect();
        if axes.is_empty() {
            let text = "`training` has no axis to take statistics over";
            self.error(Code::WrongRank, at.settings.span("training"), text);
            return self.unknown(vec![at.x], at.span);
        }
        let mut one = shape.clone();
        for &reduced in &axes {
            if let Some(dim) = one.dims.get_mut(reduced) {
                *dim = Some(1);
            }
        }
        let span = at.span;
        let binary = |checker: &mut Self, op, a, b, shape: &Shape, stem: &str| {
            checker.emit(Some(Op::Binary(op)), vec![a, b], Some(shape.clone()), stem, span)
        };
        let mean = |checker: &mut Self, x| {
            let op = Op::Reduce(ReduceKind::Mean, axes.clone());
            checker.emit(Some(op), vec![x], Some(one.clone()), "mean", span)
        };
        let centre = mean(self, at.x);
        let centred = binary(self, BinaryOp::Sub, at.x, centre, shape, "sub");
        let square = binary(self, BinaryOp::Mul, centred, centred, shape, "mul");
        let variance = mean(self, square);
        let eps = self.scalar(f64::from(eps), span);
        let sum = binary(self, BinaryOp::Add, variance, eps, &one, "add");
        let deviation = self.emit(Some(Op::Unary(UnaryOp::Sqrt)), vec![sum], Some(one.clone()), "sqrt", span);
        let mut value = binary(self, BinaryOp::Div, centred, deviation, shape, "div");
        let after = rank - axis - 1;
        let along =
            Shape::plain(&std::iter::once(c).chain(std::iter::repeat_n(1, after)).collect::<Vec<_>>());
        let mut weights = Vec::new();
        for &weight in args.iter().skip(1) {
            weights.push(match after {
                0 => weight,
                _ => self.emit(Some(Op::Reshape), vec![weight], Some(along.clone()), "reshape", span),
            });
        }
        let [scale, shift] = weights[..] else { return self.unknown(vec![at.x], at.span) };
        value = binary(self, BinaryOp::Mul, value, scale, shape, "mul");
        let op = Some(Op::Binary(BinaryOp::Add));
        self.emit_as(op, vec![value, shift], Some(shape.clone()), key.node, span)
    }
}
