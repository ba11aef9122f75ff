//! `matmul(a, b)`

use super::super::expr::broadcast;
use super::super::scope::Checker;
use super::super::thing::{Id, Shape, Thing};
use crate::diag::{Code, Diagnostic};
use crate::graph::Op;
use crate::source::Span;

impl Checker<'_> {
    /// Matrix products of the last two axes.
    pub fn matmul(&mut self, things: &[(Thing, Span)], span: Span) -> Id {
        let mut ids = Vec::with_capacity(2);
        for (thing, place) in things {
            match thing {
                Thing::Value(id) => ids.push(*id),
                other => {
                    let text = format!("`matmul` takes values, and this is {}", other.describe());
                    let diagnostic = Diagnostic::error(Code::WrongKind, *place, text);
                    self.report(diagnostic.help("`*` multiplies by a number"));
                    return self.unknown(ids, span);
                }
            }
        }
        let &[a, b] = ids.as_slice() else { return self.unknown(ids, span) };
        let (Some(left), Some(right)) = (self.shape(a), self.shape(b)) else {
            return self.unknown(ids, span);
        };
        for ((shape, id), (_, place)) in [(&left, a), (&right, b)].into_iter().zip(things) {
            if shape.dims.len() < 2 {
                self.not_a_matrix(shape, id, *place);
                return self.unknown(ids, span);
            }
        }
        let ([lead_a @ .., m, k], [lead_b @ .., rows, n]) = (left.dims.as_slice(), right.dims.as_slice())
        else {
            return self.unknown(ids, span);
        };
        if let (Some(k), Some(rows)) = (k, rows)
            && k != rows
        {
            self.do_not_multiply([&left, &right], [a, b], [*k, *rows], span);
            return self.unknown(ids, span);
        }
        let lead =
            |shape: &Shape, dims: &[Option<u64>]| Shape { batched: shape.batched, dims: dims.to_vec() };
        let mut shape = match broadcast(&lead(&left, lead_a), &lead(&right, lead_b)) {
            Ok(shape) => shape,
            Err(why) => {
                let text = format!("the axes before the last two of {left} and {right} do not go together");
                let diagnostic = Diagnostic::error(Code::MatrixShapes, span, text).note(why);
                let diagnostic = self.with_source(self.with_source(diagnostic, a), b);
                self.report(diagnostic);
                return self.unknown(ids, span);
            }
        };
        shape.dims.extend([*m, *n]);
        self.emit(Some(Op::MatMul), ids, Some(shape), "matmul", span)
    }

    fn not_a_matrix(&mut self, shape: &Shape, id: Id, place: Span) {
        let text = format!("`matmul` multiplies matrices, and this is {shape}");
        let diagnostic = Diagnostic::error(Code::WrongRank, place, text);
        let diagnostic = self.with_source(diagnostic, id);
        let diagnostic = match shape.dims.as_slice() {
            [Some(n)] => diagnostic
                .help(format!("`reshape([1, {n}])` makes a row of it, `reshape([{n}, 1])` a column")),
            _ => diagnostic.note("a matrix has two axes, rows and columns"),
        };
        self.report(diagnostic);
    }

    fn do_not_multiply(&mut self, shapes: [&Shape; 2], ids: [Id; 2], [k, rows]: [u64; 2], span: Span) {
        let [left, right] = shapes;
        let text = format!("{left} and {right} cannot be multiplied");
        let diagnostic = Diagnostic::error(Code::MatrixShapes, span, text)
            .note(format!("[M, K] by [K, N]: K is {k} on the left, {rows} on the right"));
        let mut diagnostic = self.with_source(self.with_source(diagnostic, ids[0]), ids[1]);
        let rank = right.dims.len();
        if right.dims.last() == Some(&Some(k)) {
            let axes: Vec<String> =
                (0..rank - 2).chain([rank - 1, rank - 2]).map(|axis| axis.to_string()).collect();
            let help =
                format!("`permute([{}])` exchanges rows and columns of the right one", axes.join(", "));
            diagnostic = diagnostic.help(help);
        }
        self.report(diagnostic);
    }
}
