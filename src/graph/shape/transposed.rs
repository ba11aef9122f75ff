//! Transposed convolution.

use super::{Axis, Rule, ShapeError, check_window, overflow, total_split};
use crate::diag::Code;

/// A transposed convolution along one axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransposedAlong {
    /// Which axis; for messages.
    pub axis: Axis,
    /// Elements of the input.
    pub n: u64,
    /// Taps.
    pub kernel: u64,
    /// Step of the input in the output.
    pub stride: u64,
    /// Step of the taps in the output.
    pub dilation: u64,
    /// Elements cut off before the output.
    pub before: u64,
    /// Elements cut off after the output.
    pub after: u64,
    /// Elements added after the output.
    pub output_pad: u64,
}

impl TransposedAlong {
    /// `(n − 1)·s − p + k_eff + output_pad`.
    ///
    /// # Errors
    /// If nothing is left, or `output_pad` is not below the stride or the dilation.
    pub fn output(&self) -> Rule<u64> {
        let whole = self.whole()?;
        self.check_output_pad()?;
        let cut = self.before.checked_add(self.after).ok_or_else(|| overflow("pad", "the padding"))?;
        match whole.checked_sub(cut) {
            Some(out) if out > 0 => Ok(out),
            _ => Err(ShapeError::new(
                Code::EmptyShape,
                "pad",
                format!("the padding cuts off all {whole} {} of the output", self.axis.unit()),
            )
            .note(self.formula())
            .help("`pad` of a transposed convolution makes its output smaller: use less")),
        }
    }

    /// The output before padding is cut off, `(n − 1)·s + k_eff + output_pad`.
    fn whole(&self) -> Rule<u64> {
        let effective = check_window(self.axis, self.kernel, self.stride, self.dilation)?;
        self.n
            .saturating_sub(1)
            .checked_mul(self.stride)
            .and_then(|v| v.checked_add(effective))
            .and_then(|v| v.checked_add(self.output_pad))
            .ok_or_else(|| overflow("stride", "the output"))
    }

    /// `0 ≤ output_pad < max(s, d)`.
    ///
    /// # Errors
    /// If it is not so.
    pub fn check_output_pad(&self) -> Rule<()> {
        let limit = self.stride.max(self.dilation);
        if self.output_pad < limit {
            return Ok(());
        }
        Err(ShapeError::new(
            Code::BadOutputPad,
            "output_pad",
            format!("`output_pad` is {} along the {}, not below {limit}", self.output_pad, self.axis.name()),
        )
        .note(format!("0 ≤ output_pad < max(s, d) = max({}, {}) = {limit}", self.stride, self.dilation)))
    }

    /// The formula with its numbers.
    pub fn formula(&self) -> String {
        let effective = self.kernel.saturating_sub(1).saturating_mul(self.dilation).saturating_add(1);
        let pad = self.before.saturating_add(self.after);
        let mut text = format!(
            "{}: out = (n − 1)·s − p + k_eff + output_pad = ({} − 1)·{} − {pad} + {effective} + {}",
            self.axis.name(),
            self.n,
            self.stride,
            self.output_pad
        );
        let out = self.whole().ok().and_then(|whole| whole.checked_sub(pad));
        if let Some(out) = out.filter(|&out| out > 0) {
            text.push_str(&format!(" = {out}"));
        }
        text
    }
}

/// The padding that gives an output of `target` elements: `p = (n − 1)·s + k_eff + output_pad − target`
/// (ONNX's `output_shape`). The larger half stands before, or, with `small_first`, after.
///
/// # Errors
/// If the layer makes fewer elements than that without any padding.
pub fn pads_for_output(along: TransposedAlong, target: u64, small_first: bool) -> Rule<(u64, u64)> {
    let whole = along.whole()?;
    let Some(total) = whole.checked_sub(target) else {
        return Err(ShapeError::new(
            Code::BadOutputPad,
            "output_shape",
            format!("the layer makes only {whole} {}, fewer than the {target} asked for", along.axis.unit()),
        )
        .note(format!(
            "{}: p = (n − 1)·s + k_eff + output_pad − out = {whole} − {target} < 0",
            along.axis.name()
        )));
    };
    let (large, small) = total_split(total);
    Ok(if small_first { (small, large) } else { (large, small) })
}
