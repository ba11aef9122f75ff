//! What layers with a window have in common: padding words, sizes, borders.

use super::super::scope::Checker;
use super::super::settings::Settings;
use super::super::thing::Dim;
use super::Use;
use crate::graph::shape::{Along, Axis, Padding, ShapeError, border_fits, check_window};
use crate::graph::{Border, Pads, Window};

/// The sizes that a window is asked for with.
#[derive(Clone, Copy)]
pub(super) struct Asked {
    pub kernel: [u64; 2],
    pub stride: [u64; 2],
    pub dilation: [u64; 2],
    pub padding: [Padding; 2],
    pub border: Border,
    pub ceil: bool,
}

/// A window put on a value: as far as the value's size is known.
pub(super) struct Placed {
    /// `None` while the padding waits for a size.
    pub window: Option<Window>,
    pub out: [Dim; 2],
    /// The window along each axis, where it is all known.
    pub along: [Option<Along>; 2],
}

impl Checker<'_> {
    /// `pad` or `pad_total`.
    pub(super) fn padding(&mut self, at: &Use<'_>) -> Option<[Padding; 2]> {
        if !at.settings.given("pad_total") {
            return at.settings.pad("pad", [Padding::Sides(0, 0); 2]);
        }
        if at.settings.given("pad") {
            self.conflict(
                at,
                "pad",
                "pad_total",
                "`pad` is for each side, `pad_total` for both sides together",
            );
            return None;
        }
        at.settings.pair("pad_total", [0, 0]).map(|total| total.map(Padding::Total))
    }

    /// The border's setting.
    pub(super) fn border(settings: &Settings) -> Option<Border> {
        Some(match settings.word("border", "zero")? {
            "replicate" => Border::Replicate,
            "reflect" => Border::Reflect,
            "wrap" => Border::Wrap,
            _ => Border::Zero,
        })
    }

    /// Puts a window on an input of `[h, w]`; reports what does not fit.
    pub(super) fn place(&mut self, at: &Use<'_>, asked: Asked, size: [Dim; 2]) -> Option<Placed> {
        let mut placed = Placed { window: None, out: [None; 2], along: [None; 2] };
        let mut sides = [None; 2];
        let mut failed = false;
        for axis in Axis::BOTH {
            match place_axis(asked, axis, size[axis.index()]) {
                Ok((pads, along, out)) => {
                    let i = axis.index();
                    sides[i] = pads;
                    placed.along[i] = along;
                    placed.out[i] = out;
                }
                Err(error) => {
                    failed = true;
                    self.window_error(at, error);
                }
            }
        }
        if failed {
            return None;
        }
        if let [Some((top, bottom)), Some((left, right))] = sides {
            let pad = Pads { top, bottom, left, right };
            let Asked { kernel, stride, dilation, .. } = asked;
            placed.window = Some(Window { kernel, stride, dilation, pad });
        }
        Some(placed)
    }

    /// Reports a broken rule under the setting that it is about.
    pub(super) fn window_error(&mut self, at: &Use<'_>, error: ShapeError) {
        let about = match error.about {
            // Taps in the text are the kernel's size; `pad_total` is a padding too.
            "kernel" if !at.settings.given("kernel") && at.settings.given("weight") => "weight",
            "kernel" if !at.settings.given("kernel") => "taps",
            "pad" if !at.settings.given("pad") && at.settings.given("pad_total") => "pad_total",
            about => about,
        };
        let diagnostic = self.shape_error(error, at.settings.span(about));
        let diagnostic = self.from_where(diagnostic, at.x);
        self.report(diagnostic);
    }
}

type Axed = (Option<(u64, u64)>, Option<Along>, Dim);

fn place_axis(asked: Asked, axis: Axis, n: Dim) -> Result<Axed, ShapeError> {
    let i = axis.index();
    let (kernel, stride, dilation) = (asked.kernel[i], asked.stride[i], asked.dilation[i]);
    let effective = check_window(axis, kernel, stride, dilation)?;
    let sides = asked.padding[i].sides(axis, n, effective, stride)?;
    let (Some(n), Some((before, after))) = (n, sides) else { return Ok((sides, None, None)) };
    border_fits(axis, asked.border, n, before, after)?;
    let along = Along { axis, n, kernel, stride, dilation, before, after };
    let out = if asked.ceil { along.output_ceil()? } else { along.output()? };
    Ok((sides, Some(along), Some(out)))
}
