//! Windows: convolutions, filters and pools.

use super::{Axis, Rule, ShapeError, overflow};
use crate::diag::Code;
use crate::graph::Border;
use crate::limits;

/// A window along one axis of `n` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along {
    /// Which axis; for messages.
    pub axis: Axis,
    /// Elements of the input.
    pub n: u64,
    /// Taps.
    pub kernel: u64,
    /// Step of the output in the input.
    pub stride: u64,
    /// Step of the taps in the input.
    pub dilation: u64,
    /// Elements assumed before the input.
    pub before: u64,
    /// Elements assumed after the input.
    pub after: u64,
}

/// Checks that a window's numbers are within the limits and returns `k_eff = (k − 1)·d + 1`.
///
/// # Errors
/// If the kernel, the stride or the dilation is 0 or beyond [`limits::WINDOW`], or `k_eff` is.
pub fn check_window(axis: Axis, kernel: u64, stride: u64, dilation: u64) -> Rule<u64> {
    for (about, value) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
        if value == 0 {
            return Err(ShapeError::new(Code::OutOfRange, about, format!("`{about}` must be at least 1")));
        }
        if value > limits::WINDOW {
            return Err(ShapeError::new(
                Code::WindowLimit,
                about,
                format!("`{about}` is {value}, more than the limit of {}", limits::WINDOW),
            ));
        }
    }
    let effective = (kernel - 1) * dilation + 1;
    if effective > limits::WINDOW {
        return Err(ShapeError::new(
            Code::WindowLimit,
            "dilation",
            format!(
                "the dilated kernel covers {effective} {}, more than the limit of {}",
                axis.unit(),
                limits::WINDOW
            ),
        )
        .note(effective_formula(kernel, dilation)));
    }
    Ok(effective)
}

fn effective_formula(kernel: u64, dilation: u64) -> String {
    let effective = (kernel - 1) * dilation + 1;
    format!("k_eff = (k − 1)·d + 1 = ({kernel} − 1)·{dilation} + 1 = {effective}")
}

impl Along {
    /// `k_eff = (k − 1)·d + 1`, the elements from the first tap to the last.
    ///
    /// # Errors
    /// As [`check_window`].
    pub fn effective(&self) -> Rule<u64> {
        check_window(self.axis, self.kernel, self.stride, self.dilation)
    }

    /// Elements of the padded input, `n + p`.
    fn padded(&self) -> Rule<u64> {
        self.n
            .checked_add(self.before)
            .and_then(|n| n.checked_add(self.after))
            .ok_or_else(|| overflow("pad", "the padded input"))
    }

    /// `floor((n + p − k_eff)/s) + 1`: how many windows lie within the padded input.
    ///
    /// # Errors
    /// If the window is larger than the padded input, or beyond the limits.
    pub fn output(&self) -> Rule<u64> {
        Ok(self.room()? / self.stride + 1)
    }

    /// `n + p − k_eff`: how far the first window can move.
    fn room(&self) -> Rule<u64> {
        let effective = self.effective()?;
        let padded = self.padded()?;
        padded.checked_sub(effective).ok_or_else(|| self.too_large(effective, padded))
    }

    /// `ceil((n + p − k_eff)/s) + 1`, less one if the last window would start past `n + p_before`:
    /// the windows that begin within the padded input but may end beyond it.
    ///
    /// # Errors
    /// As [`Along::output`].
    pub fn output_ceil(&self) -> Rule<u64> {
        let out = self.room()?.div_ceil(self.stride) + 1;
        let last = (out - 1).checked_mul(self.stride).ok_or_else(|| overflow("stride", "the output"))?;
        Ok(if last >= self.n + self.before { out - 1 } else { out })
    }

    /// The formula with its numbers: `floor((n + p − k_eff)/s) + 1 = floor((28 + 4 − 5)/1) + 1 = 28`.
    pub fn formula(&self, ceil: bool) -> String {
        let effective = self.kernel.saturating_sub(1).saturating_mul(self.dilation).saturating_add(1);
        let pad = self.before.saturating_add(self.after);
        let round = if ceil { "ceil" } else { "floor" };
        let text = format!(
            "{}: out = {round}((n + p − k_eff)/s) + 1 = {round}(({} + {pad} − {effective})/{}) + 1",
            self.axis.name(),
            self.n,
            self.stride
        );
        let Some(room) = self.n.saturating_add(pad).checked_sub(effective) else { return text };
        match if ceil { self.output_ceil() } else { self.output() } {
            Ok(out) if ceil && room.div_ceil(self.stride) + 1 != out => {
                format!("{text} = {out} (one less: the last window would start past the input)")
            }
            Ok(out) => format!("{text} = {out}"),
            Err(_) => text,
        }
    }

    fn too_large(&self, effective: u64, padded: u64) -> ShapeError {
        let unit = self.axis.unit();
        let mut error = ShapeError::new(
            Code::WindowTooLarge,
            "kernel",
            format!("the kernel covers {effective} {unit}, but the padded input has {padded}"),
        )
        .note(self.formula(false));
        if self.dilation > 1 && self.kernel > 1 {
            error = error.note(effective_formula(self.kernel, self.dilation));
        }
        let missing = effective - padded;
        let side = self.before.max(self.after) + missing.div_ceil(2);
        let fits = (padded - 1) / self.dilation + 1;
        error = error
            .help(format!("`pad={side}` would make the input large enough along the {}", self.axis.name()));
        error.help(format!("a kernel of {fits} or less along the {} would fit", self.axis.name()))
    }

    /// The first window that looks only at padding, if there is one among `out` windows.
    pub fn window_of_padding(&self, out: u64) -> Option<u64> {
        let sees_input = |o: u64| {
            let start = o * self.stride;
            if start >= self.before {
                return start - self.before < self.n;
            }
            // The first tap at or past the input's first element.
            let missing = self.before - start;
            let tap = missing.div_ceil(self.dilation);
            tap < self.kernel && tap * self.dilation - missing < self.n
        };
        // Only windows that start before the input, and the last one, can miss it.
        let early = self.before.div_ceil(self.stride.max(1)).min(out);
        (0..early).chain(out.checked_sub(1)).find(|&o| !sees_input(o))
    }
}

/// Checks that a border has the elements it would repeat: reflect needs `pad < n`, wrap `pad ≤ n`.
///
/// # Errors
/// If it has not.
pub fn border_fits(axis: Axis, border: Border, n: u64, before: u64, after: u64) -> Rule<()> {
    let pad = before.max(after);
    let (limit, rule) = match border {
        Border::Zero | Border::Replicate => return Ok(()),
        Border::Reflect => (n.saturating_sub(1), "less than"),
        Border::Wrap => (n, "at most"),
    };
    if pad <= limit {
        return Ok(());
    }
    let name = if border == Border::Reflect { "reflect" } else { "wrap" };
    Err(ShapeError::new(
        Code::BorderTooLarge,
        "pad",
        format!("`border={name}` cannot give {pad} {} of padding from {n}", axis.unit()),
    )
    .note(format!("{}: `{name}` needs pad {rule} n, and here pad = {pad}, n = {n}", axis.name()))
    .help("`border=replicate` has no such limit"))
}

/// How padding is asked for, along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// So much before and after.
    Sides(u64, u64),
    /// The textbook's p, see [`total_split`].
    Total(u64),
    /// None.
    Valid,
    /// For stride 1 and odd `k_eff`, where every convention agrees.
    Same,
    /// ONNX SAME_LOWER: the extra element stands before.
    SameLower,
    /// ONNX SAME_UPPER: the extra element stands after.
    SameUpper,
}

/// The textbook's total padding p: `ceil(p/2)` before, `floor(p/2)` after.
pub const fn total_split(total: u64) -> (u64, u64) {
    (total.div_ceil(2), total / 2)
}

impl Padding {
    /// The padding before and after an axis of `n` elements; `None` where it depends on an unknown `n`.
    ///
    /// # Errors
    /// If `same` is asked for where conventions differ, or the padding is beyond [`limits::WINDOW`].
    pub fn sides(self, axis: Axis, n: Option<u64>, effective: u64, stride: u64) -> Rule<Option<(u64, u64)>> {
        let (before, after) = match self {
            Padding::Sides(before, after) => (before, after),
            Padding::Total(total) => total_split(total),
            Padding::Valid => (0, 0),
            Padding::Same => {
                if stride != 1 || effective.is_multiple_of(2) {
                    return Err(ambiguous_same(axis, n, effective, stride));
                }
                ((effective - 1) / 2, (effective - 1) / 2)
            }
            Padding::SameLower | Padding::SameUpper => {
                let Some(total) = same_total(n, effective, stride) else { return Ok(None) };
                let (large, small) = total_split(total);
                if self == Padding::SameLower { (large, small) } else { (small, large) }
            }
        };
        for side in [before, after] {
            if side > limits::WINDOW {
                return Err(ShapeError::new(
                    Code::WindowLimit,
                    "pad",
                    format!(
                        "{side} {} of padding are more than the limit of {}",
                        axis.unit(),
                        limits::WINDOW
                    ),
                ));
            }
        }
        Ok(Some((before, after)))
    }
}

/// `p = max(0, (ceil(n/s) − 1)·s + k_eff − n)`, which gives `out = ceil(n/s)`.
///
/// With stride 1 it is `k_eff − 1` for any `n`.
fn same_total(n: Option<u64>, effective: u64, stride: u64) -> Option<u64> {
    if stride == 1 {
        return Some(effective - 1);
    }
    let n = n?;
    let covered = n.div_ceil(stride).saturating_sub(1).saturating_mul(stride).saturating_add(effective);
    Some(covered.saturating_sub(n))
}

fn ambiguous_same(axis: Axis, n: Option<u64>, effective: u64, stride: u64) -> ShapeError {
    let why = if stride == 1 {
        format!("the kernel covers {effective} {}, an even number", axis.unit())
    } else {
        format!("the stride is {stride}")
    };
    let mut error = ShapeError::new(
        Code::AmbiguousSame,
        "pad",
        format!("`pad=same` means different things in different programs here: {why}"),
    );
    if let (Some(n), Some(total)) = (n, same_total(n, effective, stride)) {
        let (large, small) = total_split(total);
        let (first, second) = match axis {
            Axis::Height => ("above", "below"),
            Axis::Width => ("on the left", "on the right"),
        };
        error = error
            .note(format!(
                "{}: p = max(0, (ceil(n/s) − 1)·s + k_eff − n) = max(0, ({} − 1)·{stride} + {effective} − {n}) = {total}",
                axis.name(),
                n.div_ceil(stride)
            ))
            .note(format!(
                "same_lower: {large} {first}, {small} {second}; same_upper: {small} {first}, {large} {second}"
            ));
    }
    error
        .help("`pad=same_upper` is TensorFlow's and ONNX's SAME_UPPER (at stride 1 also PyTorch's)")
        .help("`pad=same_lower` is ONNX's SAME_LOWER (at stride 1 the textbook's rule)")
        .help(format!("`pad_total={}` is the textbook's p = k − 1 at any stride", effective - 1))
}

/// The padding per side that would make the window's output `target` long, if one up to `k_eff` does.
pub fn pad_that_gives(along: Along, target: u64) -> Option<u64> {
    let effective = along.effective().ok()?;
    (0..=effective).find(|&pad| Along { before: pad, after: pad, ..along }.output() == Ok(target))
}
