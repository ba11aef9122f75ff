//! Gradients of what moves elements: each goes back to where it came from.

use super::{Builder, GradError, Handed, Site};
use crate::graph::resample::adjoint_fits;
use crate::graph::{Op, PadMode, Resize, Value};
use crate::limits;

pub(super) fn reshape(b: &mut Builder, site: &Site<'_>) -> Result<Handed, GradError> {
    let dims = b.dims(site.arg(0)?);
    let dy = site.full(b)?;
    Ok(vec![Some(b.reshape(dy, dims)?)])
}

pub(super) fn transpose(b: &mut Builder, site: &Site<'_>, perm: &[usize]) -> Result<Handed, GradError> {
    let mut inverse = vec![0; perm.len()];
    for (i, &axis) in perm.iter().enumerate() {
        inverse[axis] = i;
    }
    Ok(vec![Some(b.transpose(site.dy, inverse)?)])
}

/// Each part's own.
pub(super) fn concat(b: &mut Builder, site: &Site<'_>, axis: usize) -> Result<Handed, GradError> {
    let dy = site.full(b)?;
    let mut at = 0;
    let mut handed = Vec::new();
    for (i, &part) in site.node.args.iter().enumerate() {
        let dims = b.dims(part);
        let mut start = vec![0; dims.len()];
        start[axis] = at;
        at += dims[axis];
        handed.push(if site.wants(i) { Some(b.slice(dy, start, dims)?) } else { None });
    }
    Ok(handed)
}

/// Elements go back to their places, zeros to those that were left out.
pub(super) fn slice(
    b: &mut Builder,
    site: &Site<'_>,
    start: &[u64],
    step: &[i64],
) -> Result<Handed, GradError> {
    let dims = b.dims(site.arg(0)?);
    let mut dy = site.full(b)?;
    let (mut before, mut after) = (vec![0; dims.len()], vec![0; dims.len()]);
    for axis in 0..dims.len() {
        let len = b.dims(dy)[axis];
        let stride = step[axis].unsigned_abs();
        let mut first = start[axis];
        if step[axis] < 0 && len > 1 {
            dy = reversed(b, dy, axis)?;
            first -= (len - 1) * stride;
        }
        let spread = (len - 1) * stride + 1;
        dy = spread_axis(b, dy, axis, stride)?;
        before[axis] = first;
        after[axis] = dims[axis] - first - spread;
    }
    Ok(vec![Some(b.zeros_around(dy, before, after)?)])
}

/// The last element first.
fn reversed(b: &mut Builder, x: Value, axis: usize) -> Result<Value, GradError> {
    let dims = b.dims(x);
    let (mut start, mut step) = (vec![0; dims.len()], vec![1; dims.len()]);
    start[axis] = dims[axis] - 1;
    step[axis] = -1;
    b.shaped(Op::Slice { start, step }, &[x], dims)
}

/// Zeros between the elements of an axis, so that they are `stride` apart.
fn spread_axis(b: &mut Builder, x: Value, axis: usize, stride: u64) -> Result<Value, GradError> {
    let dims = b.dims(x);
    let n = dims[axis];
    if stride == 1 || n == 1 {
        return Ok(x);
    }
    let outer: u64 = dims[..axis].iter().product();
    let inner: u64 = dims[axis + 1..].iter().product();
    let rows = b.reshape(x, vec![outer, n, 1, inner])?;
    let rows = b.zeros_around(rows, vec![0; 4], vec![0, 0, stride - 1, 0])?;
    let rows = b.reshape(rows, vec![outer, n * stride, inner])?;
    let spread = (n - 1) * stride + 1;
    let rows = b.slice(rows, vec![0; 3], vec![outer, spread, inner])?;
    let mut dims = dims;
    dims[axis] = spread;
    b.reshape(rows, dims)
}

/// What was copied outside is added where it came from, one axis after the other.
pub(super) fn pad(
    b: &mut Builder,
    site: &Site<'_>,
    before: &[u64],
    after: &[u64],
    mode: PadMode,
) -> Result<Handed, GradError> {
    let dims = b.dims(site.arg(0)?);
    let mut dy = site.full(b)?;
    for axis in 0..dims.len() {
        let n = dims[axis];
        let mut inside = part(b, dy, axis, before[axis], n)?;
        for (at, len, left) in [(0, before[axis], true), (before[axis] + n, after[axis], false)] {
            let to = match (mode, left) {
                _ if len == 0 => continue,
                // Nobody's.
                (PadMode::Constant(_), _) => continue,
                (PadMode::Replicate, true) | (PadMode::Wrap, false) => 0,
                (PadMode::Replicate, false) => n - 1,
                (PadMode::Reflect, true) => 1,
                (PadMode::Reflect, false) => n - 1 - len,
                (PadMode::Wrap, true) => n - len,
            };
            let outside = part(b, dy, axis, at, len)?;
            let outside = match mode {
                PadMode::Replicate => b.sum(outside, vec![axis])?,
                PadMode::Reflect => reversed(b, outside, axis)?,
                _ => outside,
            };
            let len = b.dims(outside)[axis];
            let (mut low, mut high) = (vec![0; dims.len()], vec![0; dims.len()]);
            low[axis] = to;
            high[axis] = n - to - len;
            let placed = b.zeros_around(outside, low, high)?;
            inside = b.add(inside, placed)?;
        }
        dy = inside;
    }
    Ok(vec![Some(dy)])
}

/// `len` elements of an axis.
fn part(b: &mut Builder, x: Value, axis: usize, from: u64, len: u64) -> Result<Value, GradError> {
    let mut dims = b.dims(x);
    let mut start = vec![0; dims.len()];
    start[axis] = from;
    dims[axis] = len;
    b.slice(x, start, dims)
}

/// `[…, C·r², H, W]` from `[…, C, H·r, W·r]`.
pub(super) fn pixel_shuffle(b: &mut Builder, site: &Site<'_>, factor: u64) -> Result<Handed, GradError> {
    let dims = b.dims(site.arg(0)?);
    let dy = site.full(b)?;
    let [.., c, h, w] = dims.as_slice() else { return Err(site.none("it has no planes")) };
    let lead: u64 = dims[..dims.len() - 3].iter().product();
    let split = b.reshape(dy, vec![lead * (c / (factor * factor)), *h, factor, *w, factor])?;
    let turned = b.transpose(split, vec![0, 2, 4, 1, 3])?;
    Ok(vec![Some(b.reshape(turned, dims.clone())?)])
}

/// Resampling is a table along each axis; its adjoint reads by the transposed ones.
pub(super) fn resize(b: &mut Builder, site: &Site<'_>, op: &Resize) -> Result<Handed, GradError> {
    let (from, to) = (b.dims(site.arg(0)?), &site.node.ty.dims);
    let rank = from.len();
    for (axis, at) in [rank - 2, rank - 1].into_iter().enumerate() {
        if !adjoint_fits(op, axis, from[at], to[at]) {
            let message = format!("its table has more than the limit of {} taps", limits::TAPS_TOTAL);
            return Err(GradError::Shape { name: site.node.name.clone(), message });
        }
    }
    let dy = site.full(b)?;
    let adjoint = Resize { adjoint: !op.adjoint, ..*op };
    Ok(vec![Some(b.shaped(Op::Resize(adjoint), &[dy], from)?)])
}
