//! Transposed convolution.

use super::super::scope::Checker;
use super::super::thing::{Dim, Id};
use super::Use;
use crate::diag::{Code, Diagnostic};
use crate::graph::shape::{Axis, Padding, ShapeError, TransposedAlong, check_window, group, pads_for_output};
use crate::graph::{ConvTranspose, Op, Pads, ParamRole, Window};

/// The numbers that a transposed convolution is asked for with.
#[derive(Clone, Copy)]
struct Asked {
    kernel: [u64; 2],
    stride: [u64; 2],
    dilation: [u64; 2],
    padding: [Padding; 2],
    output_pad: [u64; 2],
    output_shape: Option<[u64; 2]>,
}

impl Checker<'_> {
    /// `conv_transpose(kernel=…, out=…)`
    pub(super) fn conv_transpose(&mut self, at: &Use<'_>) -> Id {
        let s = at.settings;
        let key = self.key(s.text("key"), at.name, "conv_transpose", s.span);
        let output_shape =
            if s.given("output_shape") { s.pair("output_shape", [1, 1]).map(Some) } else { Some(None) };
        let asked = (|| {
            Some(Asked {
                kernel: s.pair("kernel", [1, 1])?,
                stride: s.pair("stride", [1, 1])?,
                dilation: s.pair("dilation", [1, 1])?,
                padding: s.pad("pad", [Padding::Sides(0, 0); 2])?,
                output_pad: s.pair("output_pad", [0, 0])?,
                output_shape: output_shape?,
            })
        })();
        let out = self.channels_setting(at, "out");
        let groups = s.whole("groups", 1u64);
        let picture = self.picture(at);
        let (Some(asked), Some(out), Some(groups), Some((shape, [c, h, w]))) = (asked, out, groups, picture)
        else {
            return self.unknown(vec![at.x], at.span);
        };
        if !self.check_in(at, c, "channels") || !self.padding_makes_sense(at, asked) {
            return self.unknown(vec![at.x], at.span);
        }
        let mut outer = None;
        for (what, channels) in [("input", c), ("output", Some(out))] {
            let Some(channels) = channels else { continue };
            match group(what, channels, groups) {
                Ok(n) => outer = Some(n),
                Err(error) => {
                    self.window_error(at, error);
                    return self.unknown(vec![at.x], at.span);
                }
            }
        }
        let mut sizes: [Dim; 2] = [None; 2];
        let mut sides = [None; 2];
        let mut failed = false;
        for axis in Axis::BOTH {
            let i = axis.index();
            match place(asked, axis, [h, w][i]) {
                Ok((pads, out)) => {
                    sides[i] = pads;
                    sizes[i] = out;
                }
                Err(error) => {
                    failed = true;
                    self.window_error(at, error);
                }
            }
        }
        let (false, Some(outer)) = (failed, outer) else { return self.unknown(vec![at.x], at.span) };
        let [kh, kw] = asked.kernel;
        let weights = c.and_then(|c| {
            // What PyTorch takes for it, which does not swap the axes of a transposed convolution's weight.
            let fan_in = outer.saturating_mul(kh).saturating_mul(kw);
            let role = ParamRole::Weight { fan_in };
            self.param(&key, "weight", None, vec![c, outer, kh, kw], role, s.span).map(|w| (w, fan_in))
        });
        let op = match sides {
            [Some((top, bottom)), Some((left, right))] => {
                let pad = Pads { top, bottom, left, right };
                let window =
                    Window { kernel: asked.kernel, stride: asked.stride, dilation: asked.dilation, pad };
                Some(Op::ConvTranspose(ConvTranspose { window, output_pad: asked.output_pad, groups }))
            }
            _ => None,
        };
        let shape = shape.with_chw([Some(out), sizes[0], sizes[1]]);
        self.weighted(at, Some(key), weights, out, shape, op, true)
    }

    fn padding_makes_sense(&mut self, at: &Use<'_>, asked: Asked) -> bool {
        if asked.padding.contains(&Padding::Same) {
            let text = "`pad=same` does not say where a transposed convolution is cut";
            let diagnostic = Diagnostic::error(Code::AmbiguousSame, at.settings.span("pad"), text)
                .help("`pad=same_upper` cuts the smaller half before, `pad=same_lower` the larger; the output is n·s");
            self.report(diagnostic);
            return false;
        }
        let explicit = asked.padding.iter().any(|p| matches!(p, Padding::Sides(a, b) if a + b > 0));
        if asked.output_shape.is_some() && explicit {
            self.conflict(at, "pad", "output_shape", "the padding follows from the output's shape");
            return false;
        }
        true
    }
}

/// Along one axis: the padding and the output, as far as they are known.
fn place(asked: Asked, axis: Axis, n: Dim) -> Result<(Option<(u64, u64)>, Dim), ShapeError> {
    let i = axis.index();
    let (kernel, stride, dilation) = (asked.kernel[i], asked.stride[i], asked.dilation[i]);
    let effective = check_window(axis, kernel, stride, dilation)?;
    let along = |n: u64, (before, after): (u64, u64)| TransposedAlong {
        axis,
        n,
        kernel,
        stride,
        dilation,
        before,
        after,
        output_pad: asked.output_pad[i],
    };
    along(n.unwrap_or(1), (0, 0)).check_output_pad()?;
    let target = match (asked.output_shape, asked.padding[i]) {
        (Some(shape), _) => Some(shape[i]),
        (None, Padding::SameLower | Padding::SameUpper) => match n {
            Some(n) => Some(n.saturating_mul(stride)),
            None => return Ok((None, None)),
        },
        (None, _) => None,
    };
    let sides = match (target, n) {
        (Some(target), Some(n)) => {
            Some(pads_for_output(along(n, (0, 0)), target, asked.padding[i] == Padding::SameUpper)?)
        }
        (Some(_), None) => None,
        (None, _) => asked.padding[i].sides(axis, n, effective, stride)?,
    };
    let out = match (sides, n) {
        (Some(sides), Some(n)) => Some(along(n, sides).output()?),
        _ => asked.output_shape.map(|shape| shape[i]),
    };
    Ok((sides, out))
}
