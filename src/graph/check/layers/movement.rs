//! Layers that move elements along any axes: reshape, permute, slice, pad with one number for each axis.

use super::super::scope::Checker;
use super::super::thing::{Dim, Id, Shape};
use super::Use;
use super::sides::pad_mode;
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::{self, ShapeError};
use crate::graph::{Border, Op};

impl Checker<'_> {
    /// `reshape([2, -1])`
    pub(super) fn reshape(&mut self, at: &Use<'_>) -> Id {
        let (Some(list), Some(shape)) = (at.settings.ints("shape"), self.shape(at.x)) else {
            return self.unknown(vec![at.x], at.span);
        };
        // The limits come first: what is larger needs no arithmetic.
        let claimed = list.iter().map(|&n| u64::try_from(n).ok()).collect();
        let claimed = Shape { batched: shape.batched, dims: claimed };
        if !self.within_limits(&claimed, at.settings.span("shape")) {
            return self.unknown(vec![at.x], at.span);
        }
        match shape::reshape(&shape.dims, list) {
            Ok(dims) => self.reshaped(at, at.x, dims),
            Err(error) => {
                let error = match (error.code, shape.batched) {
                    (Code::ElementCount, true) => {
                        error.note("the batch axis is not listed: it stays in front")
                    }
                    _ => error,
                };
                self.side_error(at, error)
            }
        }
    }

    /// A value under other axes; itself where they are its own.
    pub(super) fn reshaped(&mut self, at: &Use<'_>, x: Id, dims: Vec<Dim>) -> Id {
        let Some(shape) = self.shape(x) else { return self.unknown(vec![x], at.span) };
        if shape.dims == dims && dims.iter().all(Option::is_some) {
            return x;
        }
        let shape = Shape { batched: shape.batched, dims };
        self.emit(Some(Op::Reshape), vec![x], Some(shape), "reshape", at.span)
    }

    /// `permute([1, 0, 2])`
    pub(super) fn permute(&mut self, at: &Use<'_>) -> Id {
        let (Some(list), Some(shape)) = (at.settings.ints("axes"), self.shape(at.x)) else {
            return self.unknown(vec![at.x], at.span);
        };
        match shape::permutation(list, shape.dims.len()) {
            Ok(perm) => self.permuted(at, at.x, perm),
            Err(error) => self.axes_error(at, &shape, error),
        }
    }

    /// A value with its axes in another order, which is a permutation; itself where it is its own.
    pub(super) fn permuted(&mut self, at: &Use<'_>, x: Id, perm: Vec<usize>) -> Id {
        let Some(shape) = self.shape(x) else { return self.unknown(vec![x], at.span) };
        if perm.is_sorted() {
            return x;
        }
        let dims = perm.iter().map(|&i| shape.dims.get(i).copied().flatten()).collect();
        let shape = Shape { batched: shape.batched, dims };
        self.emit(Some(Op::Transpose { perm }), vec![x], Some(shape), "permute", at.span)
    }

    /// Reports a list of axes that does not fit the value.
    pub(super) fn axes_error(&mut self, at: &Use<'_>, shape: &Shape, error: ShapeError) -> Id {
        let error = if shape.batched { error.note("the batch axis is not among them") } else { error };
        self.side_error(at, error)
    }

    /// `slice(axis=…, start=…, end=…, step=…)`
    pub(super) fn slice(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        // A bound that was given may wait for a size.
        let bound = |name: &str| match s.given(name) {
            true => s.int(name, 0).map(Some),
            false => Some(None),
        };
        let (Some(start), Some(end), Some(step)) = (bound("start"), bound("end"), s.int("step", 1)) else {
            return self.unknown(vec![at.x], at.span);
        };
        if !s.given("axis") || s.get("axis").is_none() {
            return self.unknown(vec![at.x], at.span);
        }
        let (Some(axis), Some(mut shape)) = (self.axis(s, at.x), self.shape(at.x)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let Some(Some(n)) = shape.dims.get(axis).copied() else {
            if let Some(slot) = shape.dims.get_mut(axis) {
                *slot = None;
            }
            return self.emit(None, vec![at.x], Some(shape), "slice", at.span);
        };
        let range = match shape::range(n, start, end, step) {
            Ok(range) => range,
            Err(error) => return self.side_error(at, error),
        };
        if range == (shape::Range { first: 0, len: n, step: 1 }) {
            return at.x;
        }
        let rank = shape.dims.len();
        let (mut first, mut steps) = (vec![0; rank], vec![1; rank]);
        for (i, dim) in shape.dims.iter_mut().enumerate() {
            if i == axis {
                (first[i], steps[i], *dim) = (range.first, range.step, Some(range.len));
            }
        }
        let op = Op::Slice { start: first, step: steps };
        self.emit(Some(op), vec![at.x], Some(shape), "slice", at.span)
    }

    /// `pad(before=[…], after=[…])`
    pub(super) fn pad_axes(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        for side in ["before", "after"] {
            if s.given("pad") && s.given(side) {
                self.conflict(at, "pad", side, "`pad` is for the sides, `before` and `after` for each axis");
                return self.unknown(vec![at.x], at.span);
            }
        }
        let (border, value) = (Self::border(s), s.number("value", 0.0));
        let (Some(border), Some(value), Some(shape)) = (border, value, self.shape(at.x)) else {
            return self.unknown(vec![at.x], at.span);
        };
        if border != Border::Zero && s.given("value") {
            self.conflict(at, "border", "value", "`value` is what `border=zero` adds");
            return self.unknown(vec![at.x], at.span);
        }
        let (Some(before), Some(after)) = (self.added(at, "before", &shape), self.added(at, "after", &shape))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let mut dims = Vec::with_capacity(shape.dims.len());
        for (axis, (dim, (&b, &a))) in shape.dims.iter().zip(before.iter().zip(&after)).enumerate() {
            match dim.map(|n| shape::pad_axis(axis, border, n, b, a)).transpose() {
                Ok(n) => dims.push(n),
                Err(error) => return self.side_error(at, error),
            }
        }
        if before.iter().chain(&after).all(|&n| n == 0) {
            return at.x;
        }
        let op = Op::Pad { before, after, mode: pad_mode(border, value) };
        let shape = Shape { batched: shape.batched, dims };
        self.emit(Some(op), vec![at.x], Some(shape), "pad", at.span)
    }

    /// How many elements are added to each axis.
    fn added(&mut self, at: &Use<'_>, name: &'static str, shape: &Shape) -> Option<Vec<u64>> {
        let rank = shape.dims.len();
        if !at.settings.given(name) {
            return Some(vec![0; rank]);
        }
        let list = at.settings.ints(name)?;
        let span = at.settings.span(name);
        if list.len() != rank {
            let text = format!("`{name}` has {} numbers, and {shape} has {rank} axes", list.len());
            let diagnostic = Diagnostic::error(Code::AxisList, span, text);
            let diagnostic = self.with_source(diagnostic, at.x);
            let diagnostic = match shape.batched {
                true => diagnostic.note("the batch axis is not among them"),
                false => diagnostic,
            };
            self.report(diagnostic.help("give one number for each axis, 0 where nothing is added"));
            return None;
        }
        let counts = list.iter().map(|&n| u64::try_from(n).ok()).collect::<Option<Vec<u64>>>();
        if counts.is_none() {
            let text = format!("`{name}` adds elements, and a number in it is below 0");
            let diagnostic = Diagnostic::error(Code::OutOfRange, span, text);
            self.report(diagnostic.help("`slice` takes elements away"));
        }
        counts
    }
}
