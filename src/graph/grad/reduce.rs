//! Gradients of reductions, softmax and batchnorm.

use super::{Builder, GradError, Handed, Site};
use crate::graph::shape::channel_axis;
use crate::graph::{BinaryOp, ReduceKind, UnaryOp};

pub(super) fn reduce(
    b: &mut Builder,
    site: &Site<'_>,
    kind: ReduceKind,
    axes: &[usize],
) -> Result<Handed, GradError> {
    let x = site.arg(0)?;
    let dims = b.dims(x);
    let dx = match kind {
        // Repeated along the axes, which length 1 says as well.
        ReduceKind::Sum => site.dy,
        ReduceKind::Mean => {
            let n: u64 = axes.iter().filter_map(|&axis| dims.get(axis)).product();
            b.times(site.dy, (1.0 / n as f64) as f32)?
        }
        ReduceKind::Max => {
            // Equal maxima have equal shares.
            let difference = b.sub(x, site.y)?;
            let sign = b.unary(UnaryOp::Sign, difference)?;
            let below = b.unary(UnaryOp::Abs, sign)?;
            let equal = b.number_minus(1.0, below)?;
            let count = b.sum(equal, axes.to_vec())?;
            let share = b.binary(BinaryOp::Div, site.dy, count)?;
            b.mul(equal, share)?
        }
    };
    Ok(vec![Some(dx)])
}

/// `y · (dy − Σ dy·y)`
pub(super) fn softmax(b: &mut Builder, site: &Site<'_>, axis: usize) -> Result<Handed, GradError> {
    let product = b.mul(site.dy, site.y)?;
    let sum = b.sum(product, vec![axis])?;
    let rest = b.sub(site.dy, sum)?;
    Ok(vec![Some(b.mul(site.y, rest)?)])
}

/// `dy − exp(y) · Σ dy`
pub(super) fn log_softmax(b: &mut Builder, site: &Site<'_>, axis: usize) -> Result<Handed, GradError> {
    let dy = site.full(b)?;
    let sum = b.sum(dy, vec![axis])?;
    let share = b.unary(UnaryOp::Exp, site.y)?;
    let part = b.mul(share, sum)?;
    Ok(vec![Some(b.sub(dy, part)?)])
}

/// With the statistics given: they are arguments like scale and shift.
pub(super) fn batch_norm(b: &mut Builder, site: &Site<'_>, eps: f32) -> Result<Handed, GradError> {
    let (x, scale, mean, variance) = (site.arg(0)?, site.arg(1)?, site.arg(3)?, site.arg(4)?);
    let rank = b.dims(x).len();
    let beside = channel_axis(rank).map_or(0, |axis| rank - axis - 1);
    let channels = b.dims(scale);
    let mut along = channels.clone();
    along.extend(std::iter::repeat_n(1, beside));
    let dy = site.full(b)?;
    let variance = b.reshape(variance, along.clone())?;
    let shifted = b.plus(variance, eps)?;
    let deviation = b.unary(UnaryOp::Sqrt, shifted)?;
    let inverse = b.unary(UnaryOp::Reciprocal, deviation)?;
    let scale = b.reshape(scale, along.clone())?;
    let factor = b.mul(scale, inverse)?;
    let dx = b.mul(dy, factor)?;
    let mut handed = vec![site.wants(0).then_some(dx)];
    let normal = if site.wants(1) || site.wants(4) {
        let mean = b.reshape(mean, along.clone())?;
        let centred = b.sub(x, mean)?;
        Some(b.mul(centred, inverse)?)
    } else {
        None
    };
    let per_channel = |b: &mut Builder, value| {
        let sum = b.collapse(value, &along)?;
        b.reshape(sum, channels.clone())
    };
    handed.push(match normal {
        Some(normal) if site.wants(1) => {
            let product = b.mul(dy, normal)?;
            Some(per_channel(b, product)?)
        }
        _ => None,
    });
    handed.push(if site.wants(2) { Some(per_channel(b, dy)?) } else { None });
    handed.push(if site.wants(3) {
        let minus = b.unary(UnaryOp::Neg, dx)?;
        Some(per_channel(b, minus)?)
    } else {
        None
    });
    handed.push(match normal {
        Some(normal) if site.wants(4) => {
            // −½ · dx · normal · inverse
            let product = b.mul(dx, normal)?;
            let product = b.mul(product, inverse)?;
            let product = b.times(product, -0.5)?;
            Some(per_channel(b, product)?)
        }
        _ => None,
    });
    Ok(handed)
}
