//! Lowers reductions: sums, means and maxima over axes.
//!
//! Where the innermost axis is reduced, vectors lie along it and a result is the sum of 8 lanes of
//! [`CHAINS`] accumulators; else vectors lie across, along an axis that is kept or in a block's lanes.
//! Either way the order of the operations of a result is fixed by the shape alone.

#[cfg(test)]
mod tests;

use super::axes::{Axis, LARGEST_STRIDE, collapse};
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Cmp, Count, Inst, Int, LANES, Offset, Ptr, Spills, VecBinary, VecUnary, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::math;
use super::softmax::lane_fill;
use super::step::Nest;
use crate::graph::ReduceKind;
use crate::plan::task::Reduce;
use crate::plan::{BufferId, LayoutKind};

/// Accumulators of a result that are independent of each other.
const CHAINS: u64 = 4;
/// Vectors across in one unit.
const WIDE: u64 = 4;

/// The strides in an axis: of what is read, and of the result.
const X: usize = 0;
const OUT: usize = 1;

/// The nests of one step.
pub(super) fn lower(task: &Reduce, out: BufferId, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
    let (x, to) = (low.view(task.x), low.view(out));
    let blocked = x.kind == LayoutKind::Blocked;
    let fits = (0..4).all(|d| to.dims[d] == if task.axes[d] { 1 } else { x.dims[d] });
    if !fits || x.kind != to.kind || blocked && (task.axes[0] || task.axes[1]) {
        return Err(LowerError::Plan("a reduction over axes that cannot be reduced"));
    }
    let axes = (0..4).map(|d| {
        let extent = if d == 1 { x.planes() } else { x.dims[d] };
        let out = if task.axes[d] { 0 } else { to.strides[d] };
        Axis { extent, strides: vec![x.strides[d], out], reduced: task.axes[d] }
    });
    let mut axes = collapse(axes);
    let elements = (0..4).filter(|d| task.axes[*d]).map(|d| x.dims[d]).product();
    let mut job = Job { kind: task.kind, elements, x: task.x, out, kept: Vec::new(), reduced: Vec::new() };
    let single = |reduced: bool| Axis { extent: 1, strides: vec![4, 4], reduced };
    let far = |axis: &Axis| axis.strides.iter().any(|stride| stride.abs() > LARGEST_STRIDE);
    let inner = if blocked { None } else { axes.pop_if(|axis| !far(axis)) };
    for axis in axes {
        if axis.reduced { job.reduced.push(axis) } else { job.kept.push(axis) }
    }
    match inner {
        None if blocked => job.blocks(low),
        Some(inner) if inner.reduced => job.along(&inner, low),
        inner => job.across(&inner.unwrap_or_else(|| single(false)), low),
    }
}

struct Job {
    kind: ReduceKind,
    /// How many elements make one result.
    elements: u64,
    x: BufferId,
    out: BufferId,
    /// Axes that are not in vectors.
    kept: Vec<Axis>,
    reduced: Vec<Axis>,
}

/// A loop over a reduced axis: how often, and the bytes from one index to the next.
type Level = (Int, Int);

impl Job {
    fn word(&self) -> &'static str {
        match self.kind {
            ReduceKind::Sum => "sum",
            ReduceKind::Mean => "mean",
            ReduceKind::Max => "max",
        }
    }

    /// The arguments `x` and `out`, `at` bytes on, moving along the kept axes and along `more`.
    fn args(&self, c: &mut CallBuilder, at: [i64; 2], more: &[[i64; 2]], low: &Lowering<'_>) -> [Ptr; 2] {
        [(X, self.x), (OUT, self.out)].map(|(i, id)| {
            let kept = self.kept.iter().map(|axis| axis.strides[i]);
            let strides: Vec<i64> = kept.chain(more.iter().map(|stride| stride[i])).collect();
            c.ptr(low.view(id).arg(at[i], &strides))
        })
    }

    fn levels(c: &mut CallBuilder, axes: &[Axis]) -> Vec<Level> {
        axes.iter().map(|axis| (c.int(axis.extent as i64), c.int(axis.strides[X]))).collect()
    }

    fn nest(&self, more: &[u64], c: CallBuilder, low: &mut Lowering<'_>) -> Nest {
        let dims = self.kept.iter().map(|axis| axis.extent).chain(more.iter().copied()).collect();
        Nest::new(dims, vec![c.finish(Spills::Allowed, low)])
    }

    /// Vectors along the innermost axis, which is reduced. A unit is one result.
    fn along(&self, inner: &Axis, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let stride = distance(inner.strides[X])?;
        let (vectors, tail) = (inner.extent / LANES as u64, (inner.extent % LANES as u64) as usize);
        let mut c = CallBuilder::new(format!("{}_along_s{stride}_t{tail}", self.word()));
        let [x, out] = self.args(&mut c, [0, 0], &[], low);
        // What a partial load leaves 0 must not win a maximum.
        let fill = (tail > 0 && self.kind == ReduceKind::Max)
            .then(|| c.ptr(lane_fill(tail, f32::NEG_INFINITY, self.kept.len(), low)));
        let levels = Self::levels(&mut c, &self.reduced);
        let counts = [(vectors / CHAINS, CHAINS as i32), (vectors % CHAINS, 1)]
            .map(|(count, unroll)| (c.int(count as i64), unroll));
        let k = &mut c.b;
        let acc: Vec<Vreg> = (0..CHAINS).map(|_| self.start(k)).collect();
        let at = k.ptr();
        let step = LANES as i32 * stride;
        loops(k, &levels, x, &mut |k, row| {
            k.set_ptr(at, row, Offset::Bytes(0));
            for (count, unroll) in counts {
                k.repeat(Count::Int(count), |k| {
                    for (i, &acc) in (0..unroll).zip(&acc) {
                        let value = k.load_strided(at.at(i * step), stride, LANES);
                        self.accumulate(k, acc, value);
                    }
                    k.advance(at, unroll * step);
                });
            }
            if tail > 0 {
                let mut value = k.load_strided(at.at(0), stride, tail);
                if let Some(fill) = fill {
                    value = k.binary(VecBinary::Or, value, fill.at(0));
                }
                self.accumulate(k, acc[0], value);
            }
        });
        let sum = self.join(k, &acc);
        let sum = self.across_lanes(k, sum);
        let result = self.finish(k, sum);
        k.store(out.at(0), result, 1);
        Ok(vec![self.nest(&[], c, low)])
    }

    /// Vectors along the innermost axis, which is kept. A unit is up to [`WIDE`] of them.
    fn across(&self, inner: &Axis, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let vectors = inner.extent / LANES as u64;
        let tail = (inner.extent % LANES as u64) as usize;
        let narrow = vectors % WIDE;
        let parts = [
            (0, WIDE, vectors / WIDE, LANES),
            (vectors - narrow, 1, narrow, LANES),
            (vectors, 1, u64::from(tail > 0), tail),
        ];
        let strides = [distance(inner.strides[X])?, distance(inner.strides[OUT])?];
        let [x_stride, out_stride] = strides;
        let mut nests = Vec::new();
        for (first, width, units, lanes) in parts.into_iter().filter(|part| part.2 > 0) {
            let name = format!("{}_across_s{x_stride}_{out_stride}_v{width}_l{lanes}", self.word());
            let mut c = CallBuilder::new(name);
            let vector = strides.map(|stride| LANES as i64 * i64::from(stride));
            let moves = vector.map(|bytes| width as i64 * bytes);
            let [x, out] = self.args(&mut c, vector.map(|bytes| first as i64 * bytes), &[moves], low);
            let levels = Self::levels(&mut c, &self.reduced);
            let k = &mut c.b;
            let acc: Vec<Vreg> = (0..width).map(|_| self.start(k)).collect();
            loops(k, &levels, x, &mut |k, at| {
                for (i, &acc) in (0i32..).zip(&acc) {
                    let value = k.load_strided(at.at(i * LANES as i32 * x_stride), x_stride, lanes);
                    self.accumulate(k, acc, value);
                }
            });
            for (i, &acc) in (0i32..).zip(&acc) {
                let result = self.finish(k, acc);
                k.store_strided(out.at(i * LANES as i32 * out_stride), result, out_stride, lanes);
            }
            nests.push(self.nest(&[units], c, low));
        }
        Ok(nests)
    }

    /// A vector is a block of channels. A unit is one of the result.
    fn blocks(&mut self, low: &mut Lowering<'_>) -> Result<Vec<Nest>, LowerError> {
        let far = |axis: &Axis| axis.strides[X].abs() > LARGEST_STRIDE;
        let inner = self.reduced.pop_if(|axis| !far(axis));
        let inner = inner.unwrap_or_else(|| Axis { extent: 1, strides: vec![0, 0], reduced: true });
        let stride = distance(inner.strides[X])?;
        let mut c = CallBuilder::new(format!("{}_blocks_s{stride}", self.word()));
        let [x, out] = self.args(&mut c, [0, 0], &[], low);
        let levels = Self::levels(&mut c, &self.reduced);
        let counts = [(inner.extent / CHAINS, CHAINS as i32), (inner.extent % CHAINS, 1)]
            .map(|(count, unroll)| (c.int(count as i64), unroll));
        let k = &mut c.b;
        let acc: Vec<Vreg> = (0..CHAINS).map(|_| self.start(k)).collect();
        let at = k.ptr();
        loops(k, &levels, x, &mut |k, row| {
            k.set_ptr(at, row, Offset::Bytes(0));
            for (count, unroll) in counts {
                k.repeat(Count::Int(count), |k| {
                    for (i, &acc) in (0..unroll).zip(&acc) {
                        let value = k.load(at.at(i * stride), LANES);
                        self.accumulate(k, acc, value);
                    }
                    k.advance(at, unroll * stride);
                });
            }
        });
        let sum = self.join(k, &acc);
        let result = self.finish(k, sum);
        k.store(out.at(0), result, LANES);
        Ok(vec![self.nest(&[], c, low)])
    }

    /// An accumulator of nothing.
    fn start(&self, k: &mut KernelBuilder) -> Vreg {
        k.splat(match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => 0.0,
            ReduceKind::Max => f32::NEG_INFINITY,
        })
    }

    fn accumulate(&self, k: &mut KernelBuilder, acc: Vreg, value: Vreg) {
        match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => k.binary_to(VecBinary::Add, acc, acc, value),
            ReduceKind::Max => {
                let max = math::keep_nan(k, VecBinary::Max, acc, value);
                k.inst(Inst::Move { dst: acc, src: max });
            }
        }
    }

    /// Accumulators joined in pairs.
    fn join(&self, k: &mut KernelBuilder, acc: &[Vreg]) -> Vreg {
        let mut step = 1;
        while step < acc.len() {
            for pair in acc.chunks(2 * step) {
                if let Some(&other) = pair.get(step) {
                    self.accumulate(k, pair[0], other);
                }
            }
            step *= 2;
        }
        acc[0]
    }

    /// All lanes into one, in every lane.
    fn across_lanes(&self, k: &mut KernelBuilder, acc: Vreg) -> Vreg {
        match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => k.unary(VecUnary::SumLanes, acc),
            ReduceKind::Max => {
                // The maximum of lanes may lose a NaN. The mask of a NaN is one itself.
                let max = k.unary(VecUnary::MaxLanes, acc);
                let nan = k.cmp(Cmp::Unordered, acc, acc);
                let nan = k.unary(VecUnary::SumLanes, nan);
                k.binary(VecBinary::Add, max, nan)
            }
        }
    }

    fn finish(&self, k: &mut KernelBuilder, acc: Vreg) -> Vreg {
        match self.kind {
            ReduceKind::Mean => k.binary(VecBinary::Div, acc, self.elements as f32),
            ReduceKind::Sum | ReduceKind::Max => acc,
        }
    }
}

/// Loops over axes, each with a pointer of its own, around `body`.
fn loops(k: &mut KernelBuilder, levels: &[Level], from: Ptr, body: &mut dyn FnMut(&mut KernelBuilder, Ptr)) {
    let Some((&(count, stride), rest)) = levels.split_first() else { return body(k, from) };
    let at = k.ptr();
    k.set_ptr(at, from, Offset::Bytes(0));
    k.repeat(Count::Int(count), |k| {
        loops(k, rest, at, body);
        k.advance_int(at, stride);
    });
}
