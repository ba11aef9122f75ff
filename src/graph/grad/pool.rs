//! Gradients of pools.

use super::conv::{sides, transposed};
use super::{Builder, GradError, Handed, Site};
use crate::graph::{
    ConvTranspose, Coordinates, Nearest, Op, Pool, PoolKind, Resize, ResizeMode, Value, Window,
};

pub(super) fn pool(b: &mut Builder, site: &Site<'_>, op: &Pool) -> Result<Handed, GradError> {
    let (x, dy) = (site.arg(0)?, site.full(b)?);
    let dx = match op.kind {
        PoolKind::Max => b.op(Op::MaxPoolGrad(op.window), &[x, dy])?,
        PoolKind::Average { count_include_pad } => {
            let (size, out) = (sides(b, x)?, sides(b, dy)?);
            let dims = b.dims(x);
            if apart(&op.window, size, out) {
                let [kh, kw] = op.window.kernel;
                let share = b.times(dy, (1.0 / (kh * kw) as f64) as f32)?;
                repeated(b, share, op.window.kernel, dims)?
            } else {
                let mut share = dy;
                for axis in 0..2 {
                    let counts =
                        (0..out[axis]).map(|o| counted(&op.window, axis, o, size[axis], count_include_pad));
                    let mut along = vec![1, 1];
                    along[axis] = out[axis];
                    let shares = b.constant(along, counts.map(f32::recip))?;
                    share = b.mul(share, shares)?;
                }
                sums_of_windows(b, share, &op.window, size, dims)?
            }
        }
        PoolKind::Lp { .. } => return Err(site.none("it is a norm that was to be expanded first")),
    };
    Ok(vec![Some(dx)])
}

/// Elements that window `o` counts along an axis.
fn counted(window: &Window, axis: usize, o: u64, n: u64, padding: bool) -> f32 {
    let before = window.pad.before(axis);
    let end = before + n + if padding { window.pad.after(axis) } else { 0 };
    let begin = if padding { 0 } else { before };
    let taps = (0..window.kernel[axis]).map(|i| o * window.stride[axis] + i * window.dilation[axis]);
    taps.filter(|at| (begin..end).contains(at)).count() as f32
}

/// Whether windows cover the input exactly, each element by one of them.
fn apart(window: &Window, size: [u64; 2], out: [u64; 2]) -> bool {
    window.pad == Default::default()
        && (0..2).all(|axis| {
            let k = window.kernel[axis];
            window.stride[axis] == k && (window.dilation[axis] == 1 || k == 1) && out[axis] * k == size[axis]
        })
}

/// Each element of a plane as a rectangle of equal ones.
fn repeated(b: &mut Builder, x: Value, by: [u64; 2], dims: Vec<u64>) -> Result<Value, GradError> {
    let resize = Resize {
        mode: ResizeMode::Nearest(Nearest::Floor),
        coordinates: Coordinates::Asymmetric,
        scale: by.map(|k| k as f64),
        exclude_outside: false,
        antialias: false,
        adjoint: false,
    };
    b.shaped(Op::Resize(resize), &[x], dims)
}

/// To each element the sum over the windows that it is in: a transposed convolution by ones, plane by plane.
fn sums_of_windows(
    b: &mut Builder,
    share: Value,
    window: &Window,
    size: [u64; 2],
    dims: Vec<u64>,
) -> Result<Value, GradError> {
    let [h, w] = sides(b, share)?;
    let planes: u64 = dims[..dims.len() - 2].iter().product();
    let [kh, kw] = window.kernel;
    let ones = b.constant(vec![1, 1, kh, kw], std::iter::repeat_n(1.0, (kh * kw) as usize))?;
    let pictures = b.reshape(share, vec![planes, 1, h, w])?;
    let (window, output_pad) = transposed(window, [h, w], size);
    let sums = b.op(Op::ConvTranspose(ConvTranspose { window, output_pad, groups: 1 }), &[pictures, ones])?;
    b.reshape(sums, dims)
}
