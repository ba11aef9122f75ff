//! Linear, flatten, softmax.

use super::super::scope::Checker;
use super::super::table::Layer;
use super::super::thing::{Dim, Id, Shape};
use super::Use;
use crate::diag::{Code, Diagnostic};
use crate::graph::{Op, ParamRole};

impl Checker<'_> {
    /// `flatten`
    pub(super) fn flatten(&mut self, at: &Use<'_>) -> Id {
        let Some(shape) = self.shape(at.x) else { return self.unknown(vec![at.x], at.span) };
        if shape.dims.len() == 1 {
            // It is flat already.
            return at.x;
        }
        let flat = flattened(&shape);
        self.emit(Some(Op::Reshape), vec![at.x], Some(flat), "flatten", at.span)
    }

    /// `linear(out=…)`
    pub(super) fn linear(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let key = self.key(s.text("key"), at.name, "linear", s.span);
        let out = self.channels_setting(at, "out");
        let (Some(out), Some(mut shape)) = (out, self.shape(at.x)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let mut x = at.x;
        if let Some([c, h, w]) = shape.chw() {
            match (h, w) {
                // One position: the channels are the values, as after a global pool.
                (Some(1), Some(1)) if shape.dims.len() == 3 => {
                    shape = Shape { batched: shape.batched, dims: vec![c] };
                    x = self.emit(Some(Op::Reshape), vec![x], Some(shape.clone()), "flatten", at.span);
                }
                // It may turn out to be one position.
                (None, _) | (_, None) if h.is_none_or(|h| h == 1) && w.is_none_or(|w| w == 1) => {
                    return self.unknown(vec![at.x], at.span);
                }
                _ if shape.batched => {
                    self.not_flat(at, &shape);
                    return self.unknown(vec![at.x], at.span);
                }
                _ => {}
            }
        }
        let Some(&last) = shape.dims.last() else {
            let text = "`linear` gets a value without axes";
            self.error(Code::WrongRank, s.span, text);
            return self.unknown(vec![at.x], at.span);
        };
        if !self.check_in(at, last, "values") {
            return self.unknown(vec![at.x], at.span);
        }
        let weights = last.and_then(|n| {
            let role = ParamRole::Weight { fan_in: n };
            self.param(&key, "weight", None, vec![out, n], role, s.span).map(|w| (w, n))
        });
        if let Some(slot) = shape.dims.last_mut() {
            *slot = Some(out);
        }
        let at = Use { x, ..*at };
        self.weighted(&at, Some(key), weights, out, shape, Some(Op::Linear), true)
    }

    fn not_flat(&mut self, at: &Use<'_>, shape: &Shape) {
        let text = format!("`linear` gets {shape}, which is not flat");
        let diagnostic = Diagnostic::error(Code::NotFlat, at.settings.span, text);
        let diagnostic = self.with_source(diagnostic, at.x);
        let values = flattened(shape).dims.first().copied().flatten();
        let help = match values {
            Some(n) => format!("`flatten` before it makes {n} values of it"),
            None => "`flatten` before it makes one axis of it".to_owned(),
        };
        self.report(diagnostic.help(help).help("`global_avgpool` before it makes one value of each channel"));
    }

    /// `softmax(axis=…)` and `log_softmax(axis=…)`
    pub(super) fn softmax(&mut self, at: &Use<'_>) -> Id {
        let shape = self.shape(at.x);
        if shape.as_ref().is_some_and(|s| s.dims.is_empty()) {
            let text = format!("`{}` gets a value without axes", at.def.name);
            self.error(Code::WrongRank, at.settings.span, text);
            return self.unknown(vec![at.x], at.span);
        }
        let Some(axis) = self.axis(at.settings, at.x) else { return self.unknown(vec![at.x], at.span) };
        let op =
            if at.def.layer == Layer::LogSoftmax { Op::LogSoftmax { axis } } else { Op::Softmax { axis } };
        self.emit(Some(op), vec![at.x], shape, at.def.name, at.span)
    }
}

/// All axes as one.
fn flattened(shape: &Shape) -> Shape {
    let all: Dim = shape.dims.iter().copied().try_fold(1u64, |n, d| d.map(|d| n.saturating_mul(d)));
    Shape { batched: shape.batched, dims: vec![all] }
}
