//! Norms by a value's own statistics: instance, group and layer norm, and local response.

use super::super::keys::Key;
use super::super::scope::Checker;
use super::super::table::Layer;
use super::super::thing::{Id, Shape};
use super::Use;
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::group;
use crate::graph::{Op, ParamRole};
use crate::limits;

impl Checker<'_> {
    /// `instance_norm(…)` and `group_norm(groups, …)`
    pub(super) fn group_norm(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let affine = s.flag("affine", true);
        let key = self.affine_key(at, affine);
        let (Some(eps), Some(affine), Some((shape, channels))) = (self.eps(at), affine, self.channel_dim(at))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let groups = match at.def.layer {
            Layer::InstanceNorm => channels,
            _ => match s.whole("groups", 1u64) {
                Some(groups) => Some(groups),
                None => return self.unknown(vec![at.x], at.span),
            },
        };
        if let (Some(channels), Some(groups)) = (channels, groups)
            && let Err(error) = group("input", channels, groups)
        {
            let diagnostic = self.shape_error(error, s.span("groups"));
            let diagnostic = self.with_source(diagnostic, at.x);
            self.report(diagnostic);
            return self.unknown(vec![at.x], at.span);
        }
        let op = groups.map(|groups| Op::GroupNorm { groups, eps });
        let (Some(op), Some(c)) = (op, channels) else {
            return self.emit(None, vec![at.x], Some(shape), at.def.name, at.span);
        };
        let Some(args) = self.affine(at, key.as_ref(), &[c], affine, affine) else {
            return self.unknown(vec![at.x], at.span);
        };
        self.emit_norm(at, op, args, shape, key)
    }

    /// `layer_norm(axes=…)`
    pub(super) fn layer_norm(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let affine = s.flag("affine", true);
        let key = self.affine_key(at, affine);
        let (Some(eps), Some(affine), Some(bias), Some(axes), Some(shape)) =
            (self.eps(at), affine, s.flag("bias", true), s.whole("axes", 1u64), self.shape(at.x))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let rank = shape.dims.len();
        let Some(axes) = usize::try_from(axes).ok().filter(|&axes| axes <= rank) else {
            let text = format!("{shape} has not {axes} axes");
            let diagnostic = Diagnostic::error(Code::BadAxis, s.span("axes"), text);
            let diagnostic = self.with_source(diagnostic, at.x);
            self.report(diagnostic.note("the batch axis is not among them"));
            return self.unknown(vec![at.x], at.span);
        };
        let last: Option<Vec<u64>> = shape.dims.iter().skip(rank - axes).copied().collect::<Option<_>>();
        let Some(dims) = last else {
            return self.emit(None, vec![at.x], Some(shape), at.def.name, at.span);
        };
        let Some(args) = self.affine(at, key.as_ref(), &dims, affine, affine && bias) else {
            return self.unknown(vec![at.x], at.span);
        };
        self.emit_norm(at, Op::LayerNorm { axes, eps }, args, shape, key)
    }

    /// `lrn(size, …)`
    pub(super) fn lrn(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let number = |name: &str, default: f64| s.number(name, default).map(|v| v as f32);
        let (Some(size), Some(alpha), Some(beta), Some(k)) =
            (s.whole("size", 1u64), number("alpha", 1e-4), number("beta", 0.75), number("k", 1.0))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let Some((shape, _)) = self.picture(at) else {
            return self.unknown(vec![at.x], at.span);
        };
        if size > limits::WINDOW {
            let text = format!("`size` is {size}, more than the limit of {}", limits::WINDOW);
            self.error(Code::OutOfRange, s.span("size"), text);
            return self.unknown(vec![at.x], at.span);
        }
        self.emit(Some(Op::Lrn { size, alpha, beta, k }), vec![at.x], Some(shape), at.def.name, at.span)
    }

    /// The key of a norm that has weights.
    fn affine_key(&mut self, at: &Use<'_>, affine: Option<bool>) -> Option<Key> {
        let s = at.settings;
        (affine != Some(false)).then(|| self.key(s.text("key"), at.name, at.def.name, s.span))
    }

    /// The value and the weights of a norm.
    pub(super) fn affine(
        &mut self,
        at: &Use<'_>,
        key: Option<&Key>,
        dims: &[u64],
        scale: bool,
        shift: bool,
    ) -> Option<Vec<Id>> {
        let mut args = vec![at.x];
        let Some(key) = key else { return Some(args) };
        let parts =
            [(scale, "weight", "scale", ParamRole::Scale), (shift, "bias", "shift", ParamRole::Shift)];
        for (_, suffix, alias, role) in parts.into_iter().filter(|(wanted, ..)| *wanted) {
            args.push(self.param(key, suffix, Some(alias), dims.to_vec(), role, at.settings.span)?);
        }
        Some(args)
    }

    fn emit_norm(&mut self, at: &Use<'_>, op: Op, args: Vec<Id>, shape: Shape, key: Option<Key>) -> Id {
        match key {
            Some(key) => self.emit_as(Some(op), args, Some(shape), key.node, at.span),
            None => self.emit(Some(op), args, Some(shape), at.def.name, at.span),
        }
    }
}
