//! Lowers elementwise expressions.
//!
//! All buffers are walked along the axes of the result, with a stride of 0 where they are broadcast.
//! Axes that are one run everywhere are joined. The innermost is what a vector lies along (planar) or
//! what vectors follow each other along (blocked); the next one is looped over in the kernel where rows
//! are short, so that a unit has about [`CHUNK`] vectors.

mod expr;
mod simple;
#[cfg(test)]
mod tests;

pub(super) use expr::emit_expr;
pub(super) use simple::Simple;

use super::axes::{Axis, LARGEST_STRIDE, collapse, pieces};
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, Int, LANES, Ptr, Spills, VECTOR_BYTES, VecBinary, Vreg};
use super::lower::{LowerError, Lowering, distance};
use super::step::{Call, Nest};
use crate::plan::{BufferId, LayoutKind, Operand, Pointwise, View};

/// Vectors of one unit, about: 16 KB of each buffer.
const CHUNK: u64 = 512;

/// The nests of one step.
pub(super) fn lower(
    task: &Pointwise,
    out: BufferId,
    low: &mut Lowering<'_>,
) -> Result<Vec<Nest>, LowerError> {
    let out = low.view(out);
    let mut views = vec![out];
    for input in &task.inputs {
        match input {
            Operand::Buffer(id) => views.push(low.view(*id)),
            Operand::Sum => return Err(LowerError::Plan("a sum outside of an epilogue")),
        }
    }
    for view in &views {
        let fits = view.dims.iter().zip(&out.dims).all(|(&of, &to)| of == to || of == 1);
        if !fits || view.kind != out.kind && !is_spread(view, &out) {
            return Err(LowerError::Plan("an operand that cannot be broadcast"));
        }
    }
    let spread: Vec<bool> = views.iter().map(|view| is_spread(view, &out)).collect();
    let partial = out.kind == LayoutKind::Blocked && out.last_lanes() < LANES;
    let masked = partial && !expr::keeps_zero(task, &spread[1..]);
    let job = Job { task, views, spread, blocked: out.kind == LayoutKind::Blocked };
    let planes = out.planes();
    if !masked {
        return job.nests(0, planes, None, low);
    }
    // The last block by itself, its padding lanes cleared.
    let mask: Vec<u8> =
        (0..LANES).flat_map(|i| if i < out.last_lanes() { [0xff; 4] } else { [0; 4] }).collect();
    let mask = low.constants(&mask);
    let mut nests = Vec::new();
    if planes > 1 {
        nests.extend(job.nests(0, planes - 1, None, low)?);
    }
    nests.extend(job.nests(planes - 1, 1, Some(mask), low)?);
    Ok(nests)
}

/// Whether an operand of a blocked task has one channel for all, and so is planar.
fn is_spread(view: &View, out: &View) -> bool {
    out.kind == LayoutKind::Blocked && view.dims[1] == 1 && out.dims[1] != 1
}

/// How a vector is read or written at a pointer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lanes {
    /// 8 adjacent elements.
    Vector,
    /// Elements some bytes apart.
    Strided(i32),
    /// One element for all lanes.
    Splat,
}

/// How a buffer is walked along the innermost axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Walk {
    lanes: Lanes,
    /// Bytes from one vector to the next.
    step: i32,
}

struct Job<'a> {
    task: &'a Pointwise,
    /// The result, then the operands.
    views: Vec<View>,
    /// Which of them are planar in a blocked task.
    spread: Vec<bool>,
    blocked: bool,
}

impl Job<'_> {
    /// The nests of some planes; `mask`: where the constant is that their results are masked with.
    fn nests(
        &self,
        first_plane: u64,
        planes: u64,
        mask: Option<i64>,
        low: &mut Lowering<'_>,
    ) -> Result<Vec<Nest>, LowerError> {
        let out = &self.views[0];
        let stride = |view: &View, d: usize| if view.dims[d] == 1 { 0 } else { view.strides[d] };
        let axis = |d: usize| Axis {
            extent: if d == 1 { planes } else { out.dims[d] },
            strides: self.views.iter().map(|view| stride(view, d)).collect(),
            reduced: false,
        };
        let mut axes = collapse((0..4).map(axis));
        let far = |axis: &Axis| axis.strides.iter().any(|stride| stride.abs() > LARGEST_STRIDE);
        let inner = match axes.pop() {
            Some(inner) if !far(&inner) => inner,
            rest => {
                axes.extend(rest);
                Axis { extent: 1, strides: vec![0; self.views.len()], reduced: false }
            }
        };
        let per_vector = if self.blocked { 1 } else { LANES as u64 };
        let vectors = inner.extent.div_ceil(per_vector);
        let rows = if vectors < CHUNK { axes.pop() } else { None };
        let rows =
            rows.unwrap_or_else(|| Axis { extent: 1, strides: vec![0; self.views.len()], reduced: false });
        let starts: Vec<i64> = self.views.iter().map(|view| first_plane as i64 * stride(view, 1)).collect();
        let mut nests = Vec::new();
        for (row, row_count, row_units) in pieces(rows.extent, (CHUNK / vectors).max(1)) {
            for (at, extent, units) in pieces(inner.extent, CHUNK * per_vector) {
                let mut dims: Vec<u64> = axes.iter().map(|axis| axis.extent).collect();
                dims.extend([row_units, units]);
                let strides = |i: usize| -> Vec<i64> {
                    let mut strides: Vec<i64> = axes.iter().map(|axis| axis.strides[i]).collect();
                    strides.push(row_count as i64 * rows.strides[i]);
                    strides.push(extent as i64 * inner.strides[i]);
                    strides
                };
                let args = (0..self.views.len()).map(|i| {
                    let offset = starts[i] + row as i64 * rows.strides[i] + at as i64 * inner.strides[i];
                    (offset, strides(i))
                });
                let piece = Piece { rows: &rows, row_count, inner: &inner, extent, mask };
                let calls = vec![self.call(&args.collect::<Vec<_>>(), &piece, low)?];
                nests.push(Nest::new(dims, calls));
            }
        }
        Ok(nests)
    }

    /// How each buffer is walked.
    fn walks(&self, inner: &Axis) -> Result<Vec<Walk>, LowerError> {
        let mut walks = Vec::new();
        for (i, &stride) in inner.strides.iter().enumerate() {
            let stride = distance(stride)?;
            walks.push(match (self.blocked, stride) {
                (true, _) if self.spread[i] => Walk { lanes: Lanes::Splat, step: stride },
                (true, _) => Walk { lanes: Lanes::Vector, step: stride },
                // A single element is also written as one.
                (false, 0) if i > 0 => Walk { lanes: Lanes::Splat, step: 0 },
                (false, 0 | 4) => Walk { lanes: Lanes::Vector, step: VECTOR_BYTES as i32 },
                (false, _) => Walk { lanes: Lanes::Strided(stride), step: LANES as i32 * stride },
            });
        }
        Ok(walks)
    }

    /// The call for a piece; `args`: offset and strides of each buffer.
    fn call(
        &self,
        args: &[(i64, Vec<i64>)],
        piece: &Piece<'_>,
        low: &mut Lowering<'_>,
    ) -> Result<Call, LowerError> {
        let walks = self.walks(piece.inner)?;
        let per_vector = if self.blocked { 1 } else { LANES as u64 };
        let (vectors, tail) = (piece.extent / per_vector, (piece.extent % per_vector) as usize);
        let mut c = CallBuilder::new(expr::name(self.task));
        let ptrs: Vec<Ptr> = self
            .views
            .iter()
            .zip(args)
            .map(|(view, (offset, strides))| c.ptr(view.arg(*offset, strides)))
            .collect();
        let mask = piece.mask.map(|offset| {
            let strides = vec![0; args.first().map_or(0, |(_, strides)| strides.len())];
            let base = super::step::Base::Consts;
            c.ptr(super::step::CallArg::Ptr { base, offset, strides, tables: Vec::new() })
        });
        let unroll = expr::unroll(self.task);
        let counts = [(c.int((vectors / unroll) as i64), unroll), (c.int((vectors % unroll) as i64), 1)];
        // What is left to the next row after a row's vectors.
        let next: Vec<Option<Int>> = (0..ptrs.len())
            .map(|i| {
                let moved = vectors as i64 * i64::from(walks[i].step);
                let moves = walks[i].step != 0 || piece.rows.strides[i] != 0;
                (piece.row_count > 1 && moves).then(|| c.int(piece.rows.strides[i] - moved))
            })
            .collect();
        let body = Body { task: self.task, ptrs: &ptrs, walks: &walks, mask };
        let row = |k: &mut KernelBuilder| {
            for (count, unroll) in counts {
                k.repeat(Count::Int(count), |k| {
                    for i in 0..unroll {
                        body.vector(k, i as i32, LANES);
                    }
                    for (&ptr, walk) in ptrs.iter().zip(&walks) {
                        k.advance(ptr, unroll as i32 * walk.step);
                    }
                });
            }
            if tail > 0 {
                body.vector(k, 0, tail);
            }
        };
        if piece.row_count > 1 {
            let rows = c.int(piece.row_count as i64);
            c.b.repeat(Count::Int(rows), |k| {
                row(k);
                for (&ptr, next) in ptrs.iter().zip(&next) {
                    if let Some(next) = *next {
                        k.advance_int(ptr, next);
                    }
                }
            });
        } else {
            row(&mut c.b);
        }
        Ok(c.finish(Spills::Allowed, low))
    }
}

/// What one unit does.
struct Piece<'a> {
    rows: &'a Axis,
    row_count: u64,
    inner: &'a Axis,
    extent: u64,
    mask: Option<i64>,
}

struct Body<'a> {
    task: &'a Pointwise,
    ptrs: &'a [Ptr],
    walks: &'a [Walk],
    mask: Option<Ptr>,
}

impl Body<'_> {
    /// Computes the `i`-th vector from the pointers on, or its first lanes.
    fn vector(&self, k: &mut KernelBuilder, i: i32, lanes: usize) {
        let result = emit_expr(k, self.task, |k, input| self.load(k, input + 1, i, lanes));
        let result = match self.mask {
            Some(mask) => k.binary(VecBinary::And, result, mask.at(0)),
            None => result,
        };
        let (ptr, walk) = (self.ptrs[0], self.walks[0]);
        let to = ptr.at(i * walk.step);
        match walk.lanes {
            Lanes::Strided(stride) => k.store_strided(to, result, stride, lanes),
            Lanes::Vector | Lanes::Splat => k.store(to, result, lanes),
        }
    }

    fn load(&self, k: &mut KernelBuilder, buffer: usize, i: i32, lanes: usize) -> Vreg {
        let walk = self.walks[buffer];
        let from = self.ptrs[buffer].at(i * walk.step);
        match walk.lanes {
            Lanes::Vector => k.load(from, lanes),
            Lanes::Strided(stride) => k.load_strided(from, stride, lanes),
            Lanes::Splat => k.load_splat(from),
        }
    }
}
