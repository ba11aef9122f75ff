//! Gradients of convolutions: each is the adjoint of the other, in both arguments.

use super::{Builder, GradError, Handed, Site};
use crate::graph::{Border, Conv, ConvTranspose, Op, Pads, Value, Window};

/// The window and the rows and columns to add so that what is transposed has the size `size` again, where
/// the output had `out`.
pub(super) fn transposed(window: &Window, out: [u64; 2], size: [u64; 2]) -> (Window, [u64; 2]) {
    let mut pad = window.pad;
    let mut output_pad = [0; 2];
    for axis in 0..2 {
        let reached = (out[axis] - 1) * window.stride[axis] + window.effective(axis);
        let wanted = size[axis] + window.pad.before(axis);
        let after = reached.saturating_sub(wanted);
        output_pad[axis] = wanted.saturating_sub(reached);
        if axis == 0 {
            pad.bottom = after;
        } else {
            pad.right = after;
        }
    }
    (Window { pad, ..*window }, output_pad)
}

/// The last two axes.
pub(super) fn sides(b: &Builder, value: Value) -> Result<[u64; 2], GradError> {
    match b.ty(value).dims.as_slice() {
        [.., h, w] => Ok([*h, *w]),
        _ => Err(GradError::Shape { name: String::new(), message: "a picture has two axes".into() }),
    }
}

/// The sum over all axes but the channels'.
fn bias(b: &mut Builder, dy: Value) -> Result<Value, GradError> {
    let dims = b.dims(dy);
    let channels = dims.len() - 3;
    let axes = (0..dims.len()).filter(|&axis| axis != channels).collect();
    let sum = b.sum(dy, axes)?;
    b.reshape(sum, vec![dims[channels]])
}

/// Input: the transposed convolution by the same weights. Weights: how input and gradient correlate.
pub(super) fn conv(b: &mut Builder, site: &Site<'_>, op: &Conv) -> Result<Handed, GradError> {
    if op.border != Border::Zero {
        return Err(site.none("its border was to be a padding of its own"));
    }
    let (x, w, dy) = (site.arg(0)?, site.arg(1)?, site.full(b)?);
    let dx = if site.wants(0) {
        let (window, output_pad) = transposed(&op.window, sides(b, dy)?, sides(b, x)?);
        Some(b.op(Op::ConvTranspose(ConvTranspose { window, output_pad, groups: op.groups }), &[dy, w])?)
    } else {
        None
    };
    let dw = if site.wants(1) { Some(b.op(Op::WeightGrad(*op), &[x, dy])?) } else { None };
    let db = if site.wants(2) { Some(bias(b, dy)?) } else { None };
    Ok(vec![dx, dw, db])
}

/// Each channel is a picture of its own under one convolution.
pub(super) fn filter(b: &mut Builder, site: &Site<'_>, window: Window) -> Result<Handed, GradError> {
    let (x, taps, dy) = (site.arg(0)?, site.arg(1)?, site.full(b)?);
    let one = |b: &mut Builder, value: Value| {
        let dims = b.dims(value);
        let (lead, [h, w]) = (dims[..dims.len() - 2].iter().product(), sides(b, value)?);
        b.reshape(value, vec![lead, 1, h, w])
    };
    let (dims, kernel) = (b.dims(x), b.dims(taps));
    let (pictures, gradients) = (one(b, x)?, one(b, dy)?);
    let dx = if site.wants(0) {
        let (window, output_pad) = transposed(&window, sides(b, dy)?, sides(b, x)?);
        let w = b.reshape(taps, vec![1, 1, kernel[0], kernel[1]])?;
        let op = Op::ConvTranspose(ConvTranspose { window, output_pad, groups: 1 });
        let dx = b.op(op, &[gradients, w])?;
        Some(b.reshape(dx, dims)?)
    } else {
        None
    };
    let dtaps = if site.wants(1) {
        let conv = Conv { window, border: Border::Zero, groups: 1 };
        let dw = b.op(Op::WeightGrad(conv), &[pictures, gradients])?;
        Some(b.reshape(dw, kernel)?)
    } else {
        None
    };
    Ok(vec![dx, dtaps])
}

/// Input: the convolution by the same weights.
pub(super) fn conv_transpose(
    b: &mut Builder,
    site: &Site<'_>,
    op: &ConvTranspose,
) -> Result<Handed, GradError> {
    let (x, w, dy) = (site.arg(0)?, site.arg(1)?, site.full(b)?);
    let conv = Conv { window: op.window, border: Border::Zero, groups: op.groups };
    let dx = if site.wants(0) {
        let dx = b.op(Op::Conv(conv), &[dy, w])?;
        let dims = b.dims(x);
        Some(b.slice(dx, vec![0; dims.len()], dims)?)
    } else {
        None
    };
    let dw = if site.wants(1) { Some(b.op(Op::WeightGrad(conv), &[dy, x])?) } else { None };
    let db = if site.wants(2) { Some(bias(b, dy)?) } else { None };
    Ok(vec![dx, dw, db])
}

/// A window whose padding is gone.
pub(super) fn unpadded(window: &Window) -> Window {
    Window { pad: Pads::default(), ..*window }
}
