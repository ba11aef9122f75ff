//! Gradients of products of matrices.

use super::{Builder, GradError, Handed, Site};
use crate::graph::Op;

/// `x wᵀ + b`: all axes of `x` but the last are rows of one matrix.
pub(super) fn linear(b: &mut Builder, site: &Site<'_>) -> Result<Handed, GradError> {
    let (x, w, dy) = (site.arg(0)?, site.arg(1)?, site.full(b)?);
    let (x_dims, [out, inner]) = (b.dims(x), two(b.dims(w), site)?);
    let rows = x_dims.iter().product::<u64>() / inner.max(1);
    let dy = b.reshape(dy, vec![rows, out])?;
    let dx = if site.wants(0) {
        let dx = b.op(Op::MatMul, &[dy, w])?;
        Some(b.reshape(dx, x_dims)?)
    } else {
        None
    };
    let dw = if site.wants(1) {
        let x = b.reshape(x, vec![rows, inner])?;
        let turned = b.transpose_matrix(dy)?;
        Some(b.op(Op::MatMul, &[turned, x])?)
    } else {
        None
    };
    let db = if site.wants(2) {
        let sum = b.sum(dy, vec![0])?;
        Some(b.reshape(sum, vec![out])?)
    } else {
        None
    };
    Ok(vec![dx, dw, db])
}

fn two(dims: Vec<u64>, site: &Site<'_>) -> Result<[u64; 2], GradError> {
    dims.try_into().map_err(|_| site.none("its weight is no matrix"))
}

/// `dA = dC Bᵀ`, `dB = Aᵀ dC`, summed over what was repeated.
pub(super) fn matmul(b: &mut Builder, site: &Site<'_>) -> Result<Handed, GradError> {
    let (left, right, dy) = (site.arg(0)?, site.arg(1)?, site.full(b)?);
    let da = if site.wants(0) {
        let turned = b.transpose_matrix(right)?;
        let product = b.op(Op::MatMul, &[dy, turned])?;
        let dims = b.dims(left);
        Some(b.collapse(product, &dims)?)
    } else {
        None
    };
    let db = if site.wants(1) {
        let turned = b.transpose_matrix(left)?;
        let product = b.op(Op::MatMul, &[turned, dy])?;
        let dims = b.dims(right);
        Some(b.collapse(product, &dims)?)
    } else {
        None
    };
    Ok(vec![da, db])
}
