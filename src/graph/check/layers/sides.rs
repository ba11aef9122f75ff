//! Layers that change the sides: upsample, pixel_shuffle, pad, crop.

use super::super::scope::Checker;
use super::super::settings::Setting;
use super::super::thing::{Dim, Id};
use super::Use;
use crate::diag::Code;
use crate::graph::shape::{self, Axis, Padding, ShapeError, border_fits, scaled, scaled_by};
use crate::graph::{Border, Coordinates, Nearest, Op, PadMode, Resize, ResizeMode};

impl Checker<'_> {
    /// `upsample(scale=…)` or `upsample(size=…)`
    pub(super) fn upsample(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        if s.given("scale") && s.given("size") {
            self.conflict(at, "scale", "size", "each alone says how large the output is");
            return self.unknown(vec![at.x], at.span);
        }
        if !s.given("scale") && !s.given("size") {
            self.missing(at, "scale", " or `size`", "`upsample(scale=2)`");
            return self.unknown(vec![at.x], at.span);
        }
        let (mode, align) = (s.word("mode", "nearest"), s.flag("align_corners", false));
        let (Some(mode), Some(align), Some((shape, [c, h, w]))) = (mode, align, self.picture(at)) else {
            return self.unknown(vec![at.x], at.span);
        };
        if align && mode == "nearest" {
            self.conflict(at, "mode", "align_corners", "`nearest` has no centres to align");
            return self.unknown(vec![at.x], at.span);
        }
        let mut out: [Dim; 2] = [None; 2];
        let mut scale = [None; 2];
        for axis in Axis::BOTH {
            let i = axis.index();
            let n = [h, w][i];
            match (s.get("scale"), s.get("size")) {
                (Some(Setting::Factor(factor)), _) => {
                    scale[i] = Some(factor[i]);
                    let Some(n) = n else { continue };
                    let whole = factor[i].fract() == 0.0 && factor[i] < 1e15;
                    let size =
                        if whole { scaled(axis, n, factor[i] as u64) } else { scaled_by(axis, n, factor[i]) };
                    match size {
                        Ok(size) => out[i] = Some(size),
                        Err(error) => return self.side_error(at, error),
                    }
                }
                (_, Some(Setting::Pair(size))) => {
                    out[i] = Some(size[i]);
                    scale[i] = n.map(|n| size[i] as f64 / n as f64);
                }
                _ => return self.unknown(vec![at.x], at.span),
            }
        }
        let (mode, coordinates) = match mode {
            "bilinear" => (ResizeMode::Linear, Coordinates::HalfPixel),
            "bicubic" => (ResizeMode::Cubic { a: -0.75 }, Coordinates::HalfPixel),
            _ => (ResizeMode::Nearest(Nearest::Floor), Coordinates::Asymmetric),
        };
        let coordinates = if align { Coordinates::AlignCorners } else { coordinates };
        let op = match scale {
            [Some(y), Some(x)] => Some(Op::Resize(Resize {
                mode,
                coordinates,
                scale: [y, x],
                exclude_outside: false,
                antialias: false,
                adjoint: false,
            })),
            _ => None,
        };
        let shape = shape.with_chw([c, out[0], out[1]]);
        self.emit(op, vec![at.x], Some(shape), "upsample", at.span)
    }

    /// Reports a broken shape rule at the setting that it is about.
    pub(super) fn side_error(&mut self, at: &Use<'_>, error: ShapeError) -> Id {
        let diagnostic = self.shape_error(error.clone(), at.settings.span(error.about));
        let diagnostic = self.with_source(diagnostic, at.x);
        self.report(diagnostic);
        self.unknown(vec![at.x], at.span)
    }

    /// `pixel_shuffle(r)`
    pub(super) fn pixel_shuffle(&mut self, at: &Use<'_>) -> Id {
        let (Some(factor), Some((shape, [c, h, w]))) = (at.settings.whole("factor", 1u64), self.picture(at))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let c = match c.map(|c| shape::pixel_shuffle(c, factor)).transpose() {
            Ok(c) => c,
            Err(error) => return self.side_error(at, error),
        };
        let side = |n: Dim| n.map(|n| n.saturating_mul(factor));
        let shape = shape.with_chw([c, side(h), side(w)]);
        self.emit(Some(Op::PixelShuffle { factor }), vec![at.x], Some(shape), "pixel_shuffle", at.span)
    }

    /// `pad(n, border=…)`
    pub(super) fn pad(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        if s.given("before") || s.given("after") {
            return self.pad_axes(at);
        }
        if !s.given("pad") {
            self.missing(
                at,
                "pad",
                ", `before` or `after`",
                "`pad(2)` adds two rows and columns on each side",
            );
            return self.unknown(vec![at.x], at.span);
        }
        let padding = s.pad("pad", [Padding::Valid; 2]);
        let (border, value) = (Self::border(s), s.number("value", 0.0));
        let (Some(padding), Some(border), Some(value), Some((shape, [c, h, w]))) =
            (padding, border, value, self.picture(at))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        if border != Border::Zero && s.given("value") {
            self.conflict(at, "border", "value", "`value` is what `border=zero` adds");
            return self.unknown(vec![at.x], at.span);
        }
        let rank = shape.dims.len();
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        let mut out: [Dim; 2] = [None; 2];
        for axis in Axis::BOTH {
            let i = axis.index();
            let n = [h, w][i];
            let Padding::Sides(..) = padding[i] else {
                let text = "`pad` of a layer without a kernel takes numbers, not a word";
                self.error(Code::WrongKind, s.span("pad"), text);
                return self.unknown(vec![at.x], at.span);
            };
            let sides = match padding[i].sides(axis, n, 1, 1) {
                Ok(sides) => sides.unwrap_or((0, 0)),
                Err(error) => return self.side_error(at, error),
            };
            if let Some(Err(error)) = n.map(|n| border_fits(axis, border, n, sides.0, sides.1)) {
                return self.side_error(at, error);
            }
            (before[rank - 2 + i], after[rank - 2 + i]) = sides;
            out[i] = n.map(|n| n.saturating_add(sides.0).saturating_add(sides.1));
        }
        let mode = pad_mode(border, value);
        let shape = shape.with_chw([c, out[0], out[1]]);
        self.emit(Some(Op::Pad { before, after, mode }), vec![at.x], Some(shape), "pad", at.span)
    }

    /// `crop(n)` or `crop(top=…, bottom=…, left=…, right=…)`
    pub(super) fn crop(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let sides = ["top", "bottom", "left", "right"];
        if s.given("all")
            && let Some(side) = sides.iter().find(|side| s.given(side))
        {
            self.conflict(at, "all", side, "a number without a name is for all sides");
            return self.unknown(vec![at.x], at.span);
        }
        if !s.given("all") && !sides.iter().any(|side| s.given(side)) {
            self.missing(
                at,
                "top",
                ", `bottom`, `left` or `right`",
                "`crop(2)` cuts two rows and columns off each side",
            );
            return self.unknown(vec![at.x], at.span);
        }
        let all = s.pair("all", [0, 0]);
        let cut =
            |name: &str, i: usize| if s.given("all") { all.map(|all| all[i]) } else { s.whole(name, 0u64) };
        let (Some(top), Some(bottom)) = (cut("top", 0), cut("bottom", 0)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let (Some(left), Some(right)) = (cut("left", 1), cut("right", 1)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let Some((shape, [c, h, w])) = self.picture(at) else { return self.unknown(vec![at.x], at.span) };
        let mut out: [Dim; 2] = [None; 2];
        for (axis, n, before, after) in [(Axis::Height, h, top, bottom), (Axis::Width, w, left, right)] {
            match n.map(|n| shape::crop(axis, n, before, after)).transpose() {
                Ok(size) => out[axis.index()] = size,
                Err(mut error) => {
                    if s.given("all") {
                        error.about = "all";
                    }
                    return self.side_error(at, error);
                }
            }
        }
        let mut start = vec![0; shape.dims.len().saturating_sub(2)];
        start.extend([top, left]);
        let shape = shape.with_chw([c, out[0], out[1]]);
        self.emit(
            Some(Op::Slice { step: vec![1; start.len()], start }),
            vec![at.x],
            Some(shape),
            "crop",
            at.span,
        )
    }
}

/// What a border puts around a value.
pub(super) fn pad_mode(border: Border, value: f64) -> PadMode {
    match border {
        Border::Zero => PadMode::Constant(value as f32),
        Border::Replicate => PadMode::Replicate,
        Border::Reflect => PadMode::Reflect,
        Border::Wrap => PadMode::Wrap,
    }
}
