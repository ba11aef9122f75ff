//! Convolution and filter.

use std::rc::Rc;

use super::super::scope::Checker;
use super::super::settings::Setting;
use super::super::thing::{Dim, Id, Shape, Taps};
use super::Use;
use super::window::Asked;
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::group;
use crate::graph::{Conv, Op, ParamRole};
use crate::source::Span;

impl Checker<'_> {
    /// `filter(taps, …)`
    pub(super) fn filter(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let taps = s.taps("taps");
        let flip = s.flag("flip", false);
        let asked = taps.as_ref().and_then(|taps| self.asked(at, taps_size(taps)?));
        let picture = self.picture(at);
        let (Some(taps), Some(flip), Some(asked), Some((shape, [c, h, w]))) = (taps, flip, asked, picture)
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let Some(placed) = self.place(at, asked, [h, w]) else { return self.unknown(vec![at.x], at.span) };
        let taps = if flip { Rc::new(taps.flipped()) } else { taps };
        let Some(weight) = self.taps_const(&taps, s.span("taps")) else {
            return self.unknown(vec![at.x], at.span);
        };
        let op = placed.window.map(|window| Op::Filter(window, asked.border));
        let out = shape.with_chw([c, placed.out[0], placed.out[1]]);
        self.emit(op, vec![at.x, weight], Some(out), "filter", at.span)
    }

    /// `conv(kernel=…, out=…)` or `conv(weight=taps)`
    pub(super) fn conv(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let by_taps = s.given("weight");
        let taps = s.taps("weight");
        if by_taps && s.given("kernel") {
            self.conflict(at, "weight", "kernel", "taps in the text have a size of their own");
        }
        if !by_taps && !s.given("kernel") {
            self.missing(
                at,
                "kernel",
                " or `weight`",
                "`conv(kernel=3, out=16)` has weights, `conv(weight=taps)` has its taps in the text",
            );
        } else if !by_taps && !s.given("out") {
            self.missing(
                at,
                "out",
                "",
                "`out` is the number of channels of the output: `conv(kernel=3, out=16)`",
            );
        }
        let flip = s.flag("flip", false);
        if flip == Some(true) && !by_taps {
            let text = "`flip=true` turns taps in the text, and this layer has weights";
            let diagnostic = Diagnostic::error(Code::Conflict, s.span("flip"), text);
            self.report(diagnostic.note("weights are stored as a cross-correlation needs them"));
        }
        // A layer's name is asked for even if the rest of it is wrong.
        let key = (!by_taps).then(|| self.key(s.text("key"), at.name, "conv", s.span));
        let kernel = match (by_taps, &taps) {
            (true, Some(taps)) => taps_size(taps),
            (false, _) if s.given("kernel") => s.pair("kernel", [1, 1]),
            _ => None,
        };
        let out = self.output_channels(at, taps.as_deref());
        let asked = kernel.and_then(|kernel| self.asked(at, kernel));
        let groups = s.whole("groups", 1u64);
        let picture = self.picture(at);
        let (Some(kernel), Some(asked), Some(groups), Some((shape, [c, h, w]))) =
            (kernel, asked, groups, picture)
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let ok = self.check_in(at, c, "channels");
        let (Some(out), Some(inner)) = (out, self.grouped(at, c, out, groups)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let fits = self.taps_fit(at, taps.as_deref(), inner, c, groups);
        let placed = self.place(at, asked, [h, w]);
        let (true, true, Some(placed)) = (ok, fits, placed) else { return self.unknown(vec![at.x], at.span) };
        let weights = match (&taps, &key, inner) {
            (Some(taps), _, _) => {
                let taps = if flip == Some(true) { Rc::new(taps.flipped()) } else { Rc::clone(taps) };
                self.taps_const(&taps, s.span("weight")).map(|w| (w, taps.dims.iter().skip(1).product()))
            }
            (None, Some(key), Some(inner)) => {
                let [kh, kw] = kernel;
                let fan_in = inner.saturating_mul(kh).saturating_mul(kw);
                let role = ParamRole::Weight { fan_in };
                self.param(key, "weight", None, vec![out, inner, kh, kw], role, s.span).map(|w| (w, fan_in))
            }
            _ => None,
        };
        let shape = shape.with_chw([Some(out), placed.out[0], placed.out[1]]);
        let op = placed.window.map(|window| Op::Conv(Conv { window, border: asked.border, groups }));
        self.weighted(at, key, weights, out, shape, op, !by_taps)
    }

    /// The end of every layer with a weight and perhaps a bias: the node.
    #[expect(clippy::too_many_arguments, reason = "one caller's locals, each named")]
    pub(super) fn weighted(
        &mut self,
        at: &Use<'_>,
        key: Option<super::super::keys::Key>,
        weights: Option<(Id, u64)>,
        out: u64,
        shape: Shape,
        op: Option<Op>,
        bias_default: bool,
    ) -> Id {
        let Some((weight, fan_in)) = weights else {
            // The weight waits for a size, or it failed, and that is reported.
            let shape = if self.waits(at.x) { Some(shape) } else { None };
            return self.emit(None, vec![at.x], shape, at.def.name, at.span);
        };
        let mut args = vec![at.x, weight];
        match self.bias(at, key.as_ref(), out, fan_in, bias_default) {
            Ok(bias) => args.extend(bias),
            Err(()) => return self.unknown(args, at.span),
        }
        match key {
            Some(key) => self.emit_as(op, args, Some(shape), key.node, at.span),
            None => self.emit(op, args, Some(shape), at.def.name, at.span),
        }
    }

    /// Whether a value's shape has axes that wait for a size.
    fn waits(&self, x: Id) -> bool {
        self.drafts.shape(x).is_some_and(|s| s.dims.iter().any(Option::is_none))
    }

    fn bias(
        &mut self,
        at: &Use<'_>,
        key: Option<&super::super::keys::Key>,
        out: u64,
        fan_in: u64,
        default: bool,
    ) -> Result<Option<Id>, ()> {
        let s = at.settings;
        let wanted = match s.get("bias") {
            None if s.given("bias") => return Err(()),
            None => default,
            Some(Setting::Numbers(list)) => {
                let list = list.clone();
                return self.bias_list(at, &list, out).map(Some).ok_or(());
            }
            Some(Setting::Flag(flag)) => *flag,
            Some(_) => return Err(()),
        };
        if !wanted {
            return Ok(None);
        }
        let Some(key) = key else {
            let text = "taps in the text have no bias to learn";
            let diagnostic = Diagnostic::error(Code::Conflict, s.span("bias"), text);
            self.report(
                diagnostic.help("write the bias itself: `bias=[…]`, one number for each output channel"),
            );
            return Err(());
        };
        let role = ParamRole::Bias { fan_in };
        self.param(key, "bias", None, vec![out], role, s.span).map(Some).ok_or(())
    }

    fn bias_list(&mut self, at: &Use<'_>, list: &[f64], out: u64) -> Option<Id> {
        let span = at.settings.span("bias");
        if list.len() as u64 != out {
            let text = format!("the bias has {} numbers, and there are {out} output channels", list.len());
            self.error(Code::ListLength, span, text);
            return None;
        }
        let data = list.iter().map(|&v| v as f32).collect();
        Some(self.drafts.constant(vec![out], data, span))
    }

    /// Stride, padding and so on of a convolution with that kernel.
    fn asked(&mut self, at: &Use<'_>, kernel: [u64; 2]) -> Option<Asked> {
        let s = at.settings;
        let padding = self.padding(at);
        Some(Asked {
            kernel,
            stride: s.pair("stride", [1, 1])?,
            dilation: s.pair("dilation", [1, 1])?,
            padding: padding?,
            border: Self::border(s)?,
            ceil: false,
        })
    }

    /// `out`, or what the taps say.
    fn output_channels(&mut self, at: &Use<'_>, taps: Option<&Taps>) -> Option<u64> {
        let s = at.settings;
        if !s.given("weight") {
            return if s.given("out") { self.channels_setting(at, "out") } else { None };
        }
        let have = taps.and_then(|t| t.dims.first().copied())?;
        if s.given("out") {
            let claimed = s.whole("out", have)?;
            if claimed != have {
                let text = format!("the taps have {have} output channels, not {claimed}");
                self.error(Code::TapsChannels, s.span("out"), text);
                return None;
            }
        }
        Some(have)
    }

    /// A number of channels within the limit of an axis.
    pub(super) fn channels_setting(&mut self, at: &Use<'_>, name: &str) -> Option<u64> {
        let value = at.settings.whole(name, 1u64)?;
        if value <= crate::limits::DIM {
            return Some(value);
        }
        let text = format!("`{name}` is {value}, more than the limit of {} for an axis", crate::limits::DIM);
        self.error(Code::DimTooLarge, at.settings.span(name), text);
        None
    }

    /// Channels of a group; the inner `None` while the number of channels waits for a size.
    fn grouped(&mut self, at: &Use<'_>, c: Dim, out: Option<u64>, groups: u64) -> Option<Dim> {
        let mut ok = true;
        let mut inner = None;
        for (what, channels) in [("input", c), ("output", out)] {
            let Some(channels) = channels else { continue };
            match group(what, channels, groups) {
                Ok(n) if what == "input" => inner = Some(n),
                Ok(_) => {}
                Err(error) => {
                    ok = false;
                    let diagnostic = self.shape_error(error, at.settings.span("groups"));
                    let diagnostic =
                        if what == "input" { self.from_where(diagnostic, at.x) } else { diagnostic };
                    self.report(diagnostic);
                }
            }
        }
        ok.then_some(inner)
    }

    fn taps_fit(&mut self, at: &Use<'_>, taps: Option<&Taps>, inner: Dim, c: Dim, groups: u64) -> bool {
        let (Some(&[_, have, _, _]), Some(inner)) = (taps.map(|t| t.dims.as_slice()), inner) else {
            return true;
        };
        if have == inner {
            return true;
        }
        let text = match groups {
            1 => format!("the taps are for {have} channels, and the value has {inner}"),
            _ => format!("the taps are for {have} channels, and a group has {inner}"),
        };
        let diagnostic = Diagnostic::error(Code::TapsChannels, at.settings.span("weight"), text)
            .note("taps are [out, in/groups, kh, kw]");
        let diagnostic = self.from_where(diagnostic, at.x);
        let diagnostic = match (have, c) {
            (1, Some(c)) => diagnostic
                .help(format!("`groups={c}` with {c} output channels gives each channel a kernel of its own"))
                .help("`filter(taps)` applies one 2-D kernel to each channel"),
            _ => diagnostic,
        };
        self.report(diagnostic);
        false
    }

    /// Taps as a constant.
    pub(super) fn taps_const(&mut self, taps: &Taps, span: Span) -> Option<Id> {
        let mut data = Vec::with_capacity(taps.data.len());
        for &value in &taps.data {
            data.push(self.narrow(value, span)?);
        }
        Some(self.drafts.constant(taps.dims.clone(), data, span))
    }
}

fn taps_size(taps: &Taps) -> Option<[u64; 2]> {
    match taps.dims.as_slice() {
        [.., h, w] => Some([*h, *w]),
        _ => None,
    }
}
