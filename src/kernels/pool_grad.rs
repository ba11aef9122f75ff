//! Lowers the gradients of max pools, on channel blocks.

use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Addr, Cmp, Count, LANES, Offset, Ptr, Spills, VecBinary};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Call, Nest};
use crate::plan::task::MaxPoolGrad;
use crate::plan::{BufferId, LayoutKind, View};

/// Taps that are written out; windows of more are loops.
const MOST_TAPS: u32 = 16;

/// One unit of work makes a plane: zeros first, then each window adds to one element of it.
pub(super) fn lower(
    task: &MaxPoolGrad,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    let (x, dy, out) = (low.view(task.x), low.view(task.dy), low.view(out));
    if [x.kind, dy.kind, out.kind].iter().any(|kind| *kind != LayoutKind::Blocked) {
        return Err(LowerError::Plan("the gradient of a pool on planes"));
    }
    let zero_rows = Nest::new(vec![out.dims[2]], vec![zeros(&out, low)?]);
    let windows = Nest::new(vec![dy.dims[2]], vec![row(task, &x, &dy, &out, low)?]);
    Ok(vec![vec![Nest::around(vec![out.dims[0], out.planes()], vec![zero_rows, windows])]])
}

/// A row of zeros. What is around the plane is not this task's: it may be filled at the same time.
fn zeros(out: &View, low: &mut Lowering) -> Result<Call, LowerError> {
    let mut c = CallBuilder::new("maxpool_grad_zero");
    let to = c.ptr(out.arg(0, &out.strides[..3]));
    let count = c.int(out.dims[3] as i64);
    let column = distance(out.strides[3])?;
    let zero = c.b.splat(0.0);
    c.b.repeat(Count::Int(count), |b| {
        b.store(to.at(0), zero, LANES);
        b.advance(to, column);
    });
    Ok(c.finish(Spills::Refused, low))
}

/// How a window's taps are walked.
struct Walk {
    kernel: [u32; 2],
    /// From a tap to the next one of its column, and of its row: in `x` and in `out`.
    x: [i32; 2],
    out: [i32; 2],
}

impl Walk {
    /// What `each` appends for every tap, row by row, given its places in `x` and `out`.
    fn taps(
        &self,
        b: &mut KernelBuilder,
        x: Ptr,
        out: Ptr,
        each: &mut dyn FnMut(&mut KernelBuilder, Addr, Addr),
    ) {
        let [rows, columns] = self.kernel;
        if rows * columns <= MOST_TAPS {
            for i in 0..rows as i32 {
                for j in 0..columns as i32 {
                    each(b, x.at(i * self.x[0] + j * self.x[1]), out.at(i * self.out[0] + j * self.out[1]));
                }
            }
            return;
        }
        let (x_row, out_row) = (b.ptr(), b.ptr());
        b.set_ptr(x_row, x, Offset::Bytes(0));
        b.set_ptr(out_row, out, Offset::Bytes(0));
        b.repeat(Count::Static(rows), |b| {
            let (x_tap, out_tap) = (b.ptr(), b.ptr());
            b.set_ptr(x_tap, x_row, Offset::Bytes(0));
            b.set_ptr(out_tap, out_row, Offset::Bytes(0));
            b.repeat(Count::Static(columns), |b| {
                each(b, x_tap.at(0), out_tap.at(0));
                b.advance(x_tap, self.x[1]);
                b.advance(out_tap, self.out[1]);
            });
            b.advance(x_row, self.x[0]);
            b.advance(out_row, self.out[0]);
        });
    }
}

/// The windows of one row.
fn row(task: &MaxPoolGrad, x: &View, dy: &View, out: &View, low: &mut Lowering) -> Result<Call, LowerError> {
    let [sy, sx] = task.stride.map(i64::from);
    let [i, j] = task.dilation.map(i64::from);
    let [top, left] = task.first.map(i64::from);
    let mut c = CallBuilder::new(format!("maxpool_grad_{}x{}", task.kernel[0], task.kernel[1]));
    let mut window = |view: &View| {
        let first = top * view.strides[2] + left * view.strides[3];
        c.ptr(view.arg(first, &[view.strides[0], view.strides[1], sy * view.strides[2]]))
    };
    let (from, to) = (window(x), window(out));
    let gradients = c.ptr(dy.arg(0, &dy.strides[..3]));
    let count = c.int(dy.dims[3] as i64);
    let walk = Walk {
        kernel: task.kernel,
        x: [distance(i * x.strides[2])?, distance(j * x.strides[3])?],
        out: [distance(i * out.strides[2])?, distance(j * out.strides[3])?],
    };
    let (x_step, out_step) = (distance(sx * x.strides[3])?, distance(sx * out.strides[3])?);
    let dy_step = distance(dy.strides[3])?;
    c.b.repeat(Count::Int(count), |b| {
        let (most, nan) = (b.splat(f32::NEG_INFINITY), b.splat(0.0));
        walk.taps(b, from, to, &mut |b, x, _| {
            let x = b.load(x, LANES);
            // A maximum forgets a NaN when a number follows.
            let mask = b.cmp(Cmp::Unordered, x, x);
            b.binary_to(VecBinary::Or, nan, nan, mask);
            b.binary_to(VecBinary::Max, most, most, x);
        });
        b.binary_to(VecBinary::Or, most, most, nan);
        let left = b.load(gradients.at(0), LANES);
        let zero = b.splat(0.0);
        walk.taps(b, from, to, &mut |b, x, to| {
            let x = b.load(x, LANES);
            let equal = b.cmp(Cmp::Eq, x, most);
            let mask = b.cmp(Cmp::Unordered, x, x);
            let hit = b.binary(VecBinary::Or, equal, mask);
            let share = b.binary(VecBinary::And, left, hit);
            let sum = b.binary(VecBinary::Add, share, to);
            b.store(to, sum, LANES);
            // Nothing is left for later ones.
            let rest = b.blend(hit, zero, left);
            b.inst(super::ir::Inst::Move { dst: left, src: rest });
        });
        b.advance(from, x_step);
        b.advance(to, out_step);
        b.advance(gradients, dy_step);
    });
    Ok(c.finish(Spills::Allowed, low))
}
