//! Sizes of resampled axes.

use super::{Axis, Rule, ShapeError, overflow};
use crate::diag::Code;
use crate::limits;

/// `n·scale` for a whole factor.
///
/// # Errors
/// If it overflows.
pub fn scaled(axis: Axis, n: u64, scale: u64) -> Rule<u64> {
    n.checked_mul(scale).ok_or_else(|| overflow("scale", &format!("the {} times {scale}", axis.name())))
}

/// `floor(n·scale)` for any factor above 0, as PyTorch and ONNX have it.
///
/// # Errors
/// If it is 0 or beyond [`limits::DIM`].
pub fn scaled_by(axis: Axis, n: u64, scale: f64) -> Rule<u64> {
    let out = (n as f64 * scale).floor();
    if out < 1.0 {
        return Err(ShapeError::new(
            Code::EmptyShape,
            "scale",
            format!("nothing is left of {n} {} scaled by {scale}", axis.unit()),
        )
        .note(format!("{}: out = floor(n·scale) = floor({n}·{scale}) = 0", axis.name())));
    }
    if out > limits::DIM as f64 {
        return Err(ShapeError::new(
            Code::DimTooLarge,
            "scale",
            format!("{n} {} scaled by {scale} are more than the limit of {}", axis.unit(), limits::DIM),
        ));
    }
    Ok(out as u64)
}
