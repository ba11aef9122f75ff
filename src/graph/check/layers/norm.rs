//! Batchnorm, normalize, prelu: one number for each channel.

use super::super::scope::Checker;
use super::super::settings::Setting;
use super::super::thing::{Dim, Id, Shape};
use super::Use;
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::channel_axis;
use crate::graph::{BinaryOp, Op, ParamRole};

impl Checker<'_> {
    /// The channels of what a layer is applied to; reports where there is no axis.
    pub(super) fn channel_dim(&mut self, at: &Use<'_>) -> Option<(Shape, Dim)> {
        let shape = self.shape(at.x)?;
        match channel_axis(shape.dims.len()).and_then(|axis| shape.dims.get(axis).copied()) {
            Some(dim) => Some((shape, dim)),
            None => {
                let text = format!("`{}` works on channels, and it gets a value without axes", at.def.name);
                self.error(Code::WrongRank, at.settings.span, text);
                None
            }
        }
    }

    /// `eps`, which must not be negative.
    pub(super) fn eps(&mut self, at: &Use<'_>) -> Option<f32> {
        let eps = at.settings.number("eps", 1e-5)?;
        if eps < 0.0 {
            let text = format!("`eps` must not be below 0, and this is {eps}");
            self.error(Code::OutOfRange, at.settings.span("eps"), text);
            return None;
        }
        Some(eps as f32)
    }

    /// `batchnorm(eps=…)`
    pub(super) fn batchnorm(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let key = self.key(s.text("key"), at.name, "batchnorm", s.span);
        let (Some(eps), Some(training), Some((shape, channels))) =
            (self.eps(at), s.flag("training", false), self.channel_dim(at))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        if training {
            return self.batchnorm_in_training(at, key, eps, &shape);
        }
        let Some(c) = channels else {
            return self.emit(None, vec![at.x], Some(shape), "batchnorm", at.span);
        };
        let parts = [
            ("weight", "scale", ParamRole::Scale),
            ("bias", "shift", ParamRole::Shift),
            ("running_mean", "mean", ParamRole::Mean),
            ("running_var", "var", ParamRole::Variance),
        ];
        let mut args = vec![at.x];
        for (suffix, alias, role) in parts {
            match self.param(&key, suffix, Some(alias), vec![c], role, s.span) {
                Some(id) => args.push(id),
                None => return self.unknown(args, at.span),
            }
        }
        let op = Op::BatchNorm { eps };
        self.emit_as(Some(op), args, Some(shape), key.node, at.span)
    }

    /// `prelu(per_channel=…)`
    pub(super) fn prelu(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let key = self.key(s.text("key"), at.name, "prelu", s.span);
        let (Some(per_channel), Some((shape, channels))) =
            (s.flag("per_channel", false), self.channel_dim(at))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let slopes = if per_channel { channels } else { Some(1) };
        let Some(slopes) = slopes else {
            return self.emit(None, vec![at.x], Some(shape), "prelu", at.span);
        };
        match self.param(&key, "weight", Some("slope"), vec![slopes], ParamRole::Slope, s.span) {
            Some(slope) => self.emit_as(Some(Op::Prelu), vec![at.x, slope], Some(shape), key.node, at.span),
            None => self.unknown(vec![at.x], at.span),
        }
    }

    /// `normalize(mean=…, std=…)`
    pub(super) fn normalize(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        if let Some(Setting::Numbers(std)) = s.get("std")
            && std.iter().any(|&v| v as f32 == 0.0)
        {
            self.error(Code::DivisionByZero, s.span("std"), "`std` is divided by and must not be 0");
            return self.unknown(vec![at.x], at.span);
        }
        let Some((shape, channels)) = self.channel_dim(at) else { return self.unknown(vec![at.x], at.span) };
        let rank = shape.dims.len();
        let (Some(mean), Some(std)) =
            (self.per_channel(at, "mean", channels, rank), self.per_channel(at, "std", channels, rank))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let sub = Op::Binary(BinaryOp::Sub);
        let centred = self.emit(Some(sub), vec![at.x, mean], Some(shape.clone()), "sub", at.span);
        self.emit(Some(Op::Binary(BinaryOp::Div)), vec![centred, std], Some(shape), "normalize", at.span)
    }

    /// A constant of one number, or one for each channel, shaped to go with the value.
    fn per_channel(&mut self, at: &Use<'_>, name: &str, channels: Dim, rank: usize) -> Option<Id> {
        let Some(Setting::Numbers(list)) = at.settings.get(name) else { return None };
        let span = at.settings.span(name);
        let data: Vec<f32> = list.iter().map(|&v| v as f32).collect();
        let count = data.len() as u64;
        if count == 0 || (count != 1 && channels.is_some_and(|c| c != count)) {
            let have = channels.map_or("?".to_owned(), |c| c.to_string());
            let text = format!("`{name}` has {count} numbers, and the value has {have} channels");
            let diagnostic = Diagnostic::error(Code::ListLength, span, text);
            let diagnostic = self.with_source(diagnostic, at.x);
            self.report(diagnostic.help("give one number for all channels, or one for each"));
            return None;
        }
        if count == 1 {
            return Some(self.drafts.constant(Vec::new(), data, span));
        }
        let mut dims = vec![count];
        if rank >= 3 {
            dims.extend([1, 1]);
        }
        Some(self.drafts.constant(dims, data, span))
    }
}
