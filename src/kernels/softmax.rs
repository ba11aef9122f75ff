//! Lowers softmax: `exp(x − max) / Σ exp(x − max)` in three passes, the exponentials kept in the result.
//!
//! A NaN makes its whole row NaN through the sum, so the maximum need not keep it.

#[cfg(test)]
mod tests;

use super::axes::pieces;
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, Int, LANES, Offset, Ptr, Spills, VECTOR_BYTES, VecBinary, VecUnary, Vreg};
use super::lower::{LowerError, Lowering};
use super::math;
use super::step::{Base, Call, CallArg, Nest};
use crate::plan::task::Softmax;
use crate::plan::{BufferId, LayoutKind, View};

/// Elements of one unit, about, where rows are short.
const CHUNK: u64 = 2048;
/// Vectors side by side in one unit, where the axis is not the last.
const WIDE: u64 = 4;

/// The nests of one step.
pub(super) fn lower(task: &Softmax, out: BufferId, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
    let elements = task.outer.checked_mul(task.n).and_then(|n| n.checked_mul(task.inner));
    for id in [task.x, out] {
        let view = low.view(id);
        let dense = view.kind == LayoutKind::Planar && low.halo(id).is_none();
        if !dense || Some(view.dims.iter().product()) != elements {
            return Err(LowerError::Plan("a softmax of a buffer that is not dense"));
        }
    }
    let (x, out) = (low.view(task.x), low.view(out));
    if task.inner == 1 { Ok(rows(task, &x, &out, low)) } else { Ok(columns(task, &x, &out, low)) }
}

/// `exp(x − max)`
fn shifted_exp(k: &mut KernelBuilder, x: Vreg, max: Vreg) -> Vreg {
    let shifted = k.binary(VecBinary::Sub, x, max);
    math::exp(k, shifted)
}

/// Along rows: a unit is some rows.
fn rows(task: &Softmax, x: &View, out: &View, low: &mut Lowering<'_>) -> Vec<Nest> {
    let row = 4 * task.n as i64;
    let mut nests = Vec::new();
    for (first, rows, units) in pieces(task.outer, (CHUNK / task.n).max(1)) {
        let strides = [rows as i64 * row];
        let args = [x, out].map(|view| view.arg(first as i64 * row, &strides));
        let calls = vec![rows_call(args, task.n, rows, low)];
        nests.push(Nest::new(vec![units], calls));
    }
    nests
}

fn rows_call(args: [CallArg; 2], n: u64, rows: u64, low: &mut Lowering<'_>) -> Call {
    let (vectors, tail) = (n / LANES as u64, (n % LANES as u64) as usize);
    let mut c = CallBuilder::new(format!("softmax_rows_t{tail}"));
    let [x, out] = args.map(|arg| c.ptr(arg));
    // −∞ in the lanes that a partial load leaves 0.
    let fill = (tail > 0).then(|| c.ptr(lane_fill(tail, f32::NEG_INFINITY, 1, low)));
    let (rows, vectors) = (c.int(rows as i64), c.int(vectors as i64));
    let k = &mut c.b;
    let (from, to, sums) = (k.ptr(), k.ptr(), k.ptr());
    k.repeat(Count::Int(rows), |k| {
        let max = k.splat(f32::NEG_INFINITY);
        k.set_ptr(from, x, Offset::Bytes(0));
        k.repeat(Count::Int(vectors), |k| {
            k.binary_to(VecBinary::Max, max, max, from.at(0));
            k.advance(from, VECTOR_BYTES as i32);
        });
        if let Some(fill) = fill {
            let last = k.load(from.at(0), tail);
            let last = k.binary(VecBinary::Or, last, fill.at(0));
            k.binary_to(VecBinary::Max, max, max, last);
        }
        let max = k.unary(VecUnary::MaxLanes, max);

        let sum = k.splat(0.0);
        k.set_ptr(to, out, Offset::Bytes(0));
        k.repeat(Count::Int(vectors), |k| {
            let value = k.load(x.at(0), LANES);
            let value = shifted_exp(k, value, max);
            k.store(to.at(0), value, LANES);
            k.binary_to(VecBinary::Add, sum, sum, value);
            k.advance(x, VECTOR_BYTES as i32);
            k.advance(to, VECTOR_BYTES as i32);
        });
        if tail > 0 {
            let value = k.load(x.at(0), tail);
            let value = shifted_exp(k, value, max);
            k.store(to.at(0), value, tail);
            // Loaded again, so that the other lanes are 0.
            let value = k.load(to.at(0), tail);
            k.binary_to(VecBinary::Add, sum, sum, value);
            k.advance(x, 4 * tail as i32);
        }
        let sum = k.unary(VecUnary::SumLanes, sum);

        k.set_ptr(sums, out, Offset::Bytes(0));
        k.repeat(Count::Int(vectors), |k| {
            divide(k, sums, 0, sum, LANES);
            k.advance(sums, VECTOR_BYTES as i32);
        });
        if tail > 0 {
            divide(k, sums, 0, sum, tail);
        }
        k.set_ptr(out, sums, Offset::Bytes(4 * tail as i32));
    });
    c.finish(Spills::Allowed, low)
}

fn divide(k: &mut KernelBuilder, ptr: Ptr, at: i32, by: Vreg, lanes: usize) {
    let value = k.load(ptr.at(at), lanes);
    let value = k.binary(VecBinary::Div, value, by);
    k.store(ptr.at(at), value, lanes);
}

/// A constant vector: `lanes` zeros, then `fill`.
pub(super) fn lane_fill(lanes: usize, fill: f32, dims: usize, low: &mut Lowering<'_>) -> CallArg {
    let bytes: Vec<u8> =
        (0..LANES).flat_map(|i| if i < lanes { [0; 4] } else { fill.to_le_bytes() }).collect();
    CallArg::Ptr {
        base: Base::Consts,
        offset: low.constants(&bytes),
        strides: vec![0; dims],
        tables: Vec::new(),
    }
}

/// Along an axis that is not the last: vectors lie across it. A unit is up to [`WIDE`] of them.
fn columns(task: &Softmax, x: &View, out: &View, low: &mut Lowering<'_>) -> Vec<Nest> {
    let plane = 4 * (task.n * task.inner) as i64;
    let mut nests = Vec::new();
    let vectors = task.inner / LANES as u64;
    let mut part = |first: u64, width: u64, units: u64, lanes: usize| {
        let strides = [plane, width as i64 * VECTOR_BYTES];
        let args = [x, out].map(|view| view.arg(first as i64 * VECTOR_BYTES, &strides));
        let calls = vec![columns_call(args, task, width as i32, lanes, low)];
        nests.push(Nest::new(vec![task.outer, units], calls));
    };
    let narrow = vectors % WIDE;
    for (first, width, units) in [(0, WIDE, vectors / WIDE), (vectors - narrow, 1, narrow)] {
        if units > 0 {
            part(first, width, units, LANES);
        }
    }
    let tail = (task.inner % LANES as u64) as usize;
    if tail > 0 {
        part(vectors, 1, 1, tail);
    }
    nests
}

fn columns_call(
    args: [CallArg; 2],
    task: &Softmax,
    width: i32,
    lanes: usize,
    low: &mut Lowering<'_>,
) -> Call {
    let mut c = CallBuilder::new(format!("softmax_columns_v{width}_l{lanes}"));
    let [x, out] = args.map(|arg| c.ptr(arg));
    let (n, step) = (c.int(task.n as i64), c.int(4 * task.inner as i64));
    let k = &mut c.b;
    let at = |v: usize| v as i32 * VECTOR_BYTES as i32;
    // A loop along the axis with pointers of its own.
    let walk = |k: &mut KernelBuilder,
                ptrs: [Ptr; 2],
                n: Int,
                body: &mut dyn FnMut(&mut KernelBuilder, [Ptr; 2])| {
        let own = ptrs.map(|ptr| {
            let own = k.ptr();
            k.set_ptr(own, ptr, Offset::Bytes(0));
            own
        });
        k.repeat(Count::Int(n), |k| {
            body(k, own);
            for ptr in own {
                k.advance_int(ptr, step);
            }
        });
    };
    let max: Vec<Vreg> = (0..width).map(|_| k.splat(f32::NEG_INFINITY)).collect();
    let sum: Vec<Vreg> = (0..width).map(|_| k.splat(0.0)).collect();
    walk(k, [x, out], n, &mut |k, [x, _]| {
        for (v, &max) in max.iter().enumerate() {
            let value = k.load(x.at(at(v)), lanes);
            k.binary_to(VecBinary::Max, max, max, value);
        }
    });
    walk(k, [x, out], n, &mut |k, [x, out]| {
        for (v, (&max, &sum)) in max.iter().zip(&sum).enumerate() {
            let value = k.load(x.at(at(v)), lanes);
            let value = shifted_exp(k, value, max);
            k.store(out.at(at(v)), value, lanes);
            k.binary_to(VecBinary::Add, sum, sum, value);
        }
    });
    walk(k, [x, out], n, &mut |k, [_, out]| {
        for (v, &sum) in sum.iter().enumerate() {
            divide(k, out, at(v), sum, lanes);
        }
    });
    c.finish(Spills::Allowed, low)
}
