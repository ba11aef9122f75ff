//! Resampling with every mode of ONNX.

use super::super::scope::Checker;
use super::super::settings::Setting;
use super::super::thing::{Dim, Id};
use super::Use;
use crate::diag::{Code, Diagnostic};
use crate::graph::resample::most_taps;
use crate::graph::shape::{Axis, scaled_by};
use crate::graph::{Coordinates, Nearest, Op, Resize, ResizeMode};
use crate::limits;

impl Checker<'_> {
    /// `resize(…)`
    pub(super) fn resize(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        if !s.given("scale") && !s.given("size") {
            self.missing(at, "scale", " or `size`", "`resize(scale=2)`");
            return self.unknown(vec![at.x], at.span);
        }
        let (Some(mode), Some(coordinates)) = (self.resize_mode(at), self.coordinates(at)) else {
            return self.unknown(vec![at.x], at.span);
        };
        let (Some(exclude_outside), Some(antialias), Some((shape, [c, h, w]))) =
            (s.flag("exclude_outside", false), s.flag("antialias", false), self.picture(at))
        else {
            return self.unknown(vec![at.x], at.span);
        };
        let nearest = matches!(mode, ResizeMode::Nearest(_));
        for (given, name) in [(exclude_outside, "exclude_outside"), (antialias, "antialias")] {
            if given && nearest {
                let text = format!("`{name}` is for `mode=linear` and `mode=cubic`");
                let diagnostic = Diagnostic::error(Code::Conflict, s.span(name), text);
                self.report(diagnostic.note("`nearest` reads one element, which has no weight"));
                return self.unknown(vec![at.x], at.span);
            }
        }
        let share = match coordinates {
            Coordinates::TfCropAndResize { roi, .. } => {
                roi.map(|[start, end]| f64::from(end) - f64::from(start))
            }
            _ => [1.0; 2],
        };
        let mut out: [Dim; 2] = [None; 2];
        let mut scale = [None; 2];
        for axis in Axis::BOTH {
            let i = axis.index();
            let n = [h, w][i];
            let factor = match s.get("scale") {
                Some(Setting::Factor(factor)) => Some(factor[i]),
                _ if s.given("scale") => return self.unknown(vec![at.x], at.span),
                _ => None,
            };
            match (s.get("size"), factor) {
                (Some(Setting::Pair(size)), factor) => {
                    out[i] = Some(size[i]);
                    scale[i] = factor.or(n.map(|n| size[i] as f64 / n as f64));
                }
                (None, Some(factor)) if !s.given("size") => {
                    scale[i] = Some(factor);
                    match n.map(|n| scaled_by(axis, n, factor * share[i])).transpose() {
                        Ok(size) => out[i] = size,
                        Err(error) => return self.side_error(at, error),
                    }
                }
                _ => return self.unknown(vec![at.x], at.span),
            }
        }
        let resize = scale[0].zip(scale[1]).map(|(y, x)| Resize {
            mode,
            coordinates,
            scale: [y, x],
            exclude_outside,
            antialias,
            adjoint: false,
        });
        // Only a factor far from the quotient of the sizes reads so many.
        let taps = resize.map(|r| [0, 1].map(|i| most_taps(&r, i) * out[i].unwrap_or(1) as f64));
        if antialias && taps.is_some_and(|taps| taps.iter().any(|&t| t > limits::TAPS_TOTAL as f64)) {
            let text = format!("a side would be read by more than the limit of {} taps", limits::TAPS_TOTAL);
            self.error(Code::OutOfRange, s.span("antialias"), text);
            return self.unknown(vec![at.x], at.span);
        }
        let op = resize.map(Op::Resize);
        let shape = shape.with_chw([c, out[0], out[1]]);
        self.emit(op, vec![at.x], Some(shape), "resize", at.span)
    }

    fn resize_mode(&mut self, at: &Use<'_>) -> Option<ResizeMode> {
        let s = at.settings;
        let word = s.word("mode", "nearest")?;
        for (setting, needs) in [("nearest", "nearest"), ("cubic_a", "cubic")] {
            if s.given(setting) && word != needs {
                let text = format!("`{setting}` is for `mode={needs}`");
                self.error(Code::Conflict, s.span(setting), text);
                return None;
            }
        }
        Some(match word {
            "linear" => ResizeMode::Linear,
            "cubic" => ResizeMode::Cubic { a: s.number("cubic_a", -0.75)? as f32 },
            _ => ResizeMode::Nearest(match s.word("nearest", "round_prefer_floor")? {
                "round_prefer_ceil" => Nearest::RoundPreferCeil,
                "floor" => Nearest::Floor,
                "ceil" => Nearest::Ceil,
                _ => Nearest::RoundPreferFloor,
            }),
        })
    }

    fn coordinates(&mut self, at: &Use<'_>) -> Option<Coordinates> {
        let s = at.settings;
        let word = s.word("coordinates", "half_pixel")?;
        let crop = word == "tf_crop_and_resize";
        for setting in ["roi", "extrapolation"] {
            if s.given(setting) && !crop {
                let text = format!("`{setting}` is for `coordinates=tf_crop_and_resize`");
                self.error(Code::Conflict, s.span(setting), text);
                return None;
            }
        }
        Some(match word {
            "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
            "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
            "tf_half_pixel_for_nn" => Coordinates::TfHalfPixelForNn,
            "asymmetric" => Coordinates::Asymmetric,
            "align_corners" => Coordinates::AlignCorners,
            "tf_crop_and_resize" => {
                let roi = match s.get("roi") {
                    Some(Setting::Region(roi)) => roi.map(|side| side.map(|v| v as f32)),
                    _ if s.given("roi") => return None,
                    _ => {
                        self.missing(
                            at,
                            "roi",
                            " with `coordinates=tf_crop_and_resize`",
                            "`roi=((0, 1), (0, 1))` is the whole input",
                        );
                        return None;
                    }
                };
                if roi.iter().any(|[start, end]| start >= end) && !s.given("size") {
                    let text = "`roi` without a `size` must end behind its start";
                    self.error(Code::OutOfRange, s.span("roi"), text);
                    return None;
                }
                let extrapolation = s.number("extrapolation", 0.0)? as f32;
                Coordinates::TfCropAndResize { roi, extrapolation }
            }
            _ => Coordinates::HalfPixel,
        })
    }
}
