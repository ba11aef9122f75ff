//! Lowers copies under strides: concatenation, slices, transpositions, pixel shuffles.

use super::axes::pieces;
use super::build::KernelBuilder;
use super::call::CallBuilder;
use super::ir::{Count, LANES, Spills, VECTOR_BYTES};
use super::lower::{LowerError, Lowering};
use super::rows::copy_run;
use super::step::{Call, CallArg, Nest};
use crate::plan::BufferId;
use crate::plan::task::StridedCopy;

#[cfg(test)]
mod tests;

/// Two dims are copied by one call where the inner one is shorter than this.
const SHORT_RUN: u64 = 64;
/// What a unit copies at most, so that threads can share a copy that is one run.
const UNIT_BYTES: i64 = 16 << 10;
/// The largest stride of elements in one vector, so that all fit an instruction's distance.
const LARGEST_STRIDE: i64 = 1 << 27;

/// An extent with its byte strides.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dim {
    extent: u64,
    x: i64,
    out: i64,
}

/// One unit copies a run along one dim or a piece of it, or several runs where they are short.
pub(super) fn lower(
    task: &StridedCopy,
    out: BufferId,
    low: &mut Lowering,
) -> Result<Vec<Vec<Nest>>, LowerError> {
    if task.x_strides.len() != task.dims.len() || task.out_strides.len() != task.dims.len() {
        return Err(LowerError::Plan("a copy with strides for other dims"));
    }
    if task.dims.iter().zip(&task.out_strides).any(|(&extent, &stride)| extent > 1 && stride == 0) {
        return Err(LowerError::Plan("a copy that writes an element twice"));
    }
    let element = if task.vector { VECTOR_BYTES } else { 4 };
    let strides = task.x_strides.iter().zip(&task.out_strides);
    let all = task.dims.iter().zip(strides).map(|(&extent, (&x, &out))| Dim { extent, x, out });
    let mut dims = collapse(all.collect());
    let inner = take_inner(&mut dims, element);
    let outer = if inner.extent < SHORT_RUN { take_longest(&mut dims) } else { None };

    let (x, out) = (low.view(task.x), low.view(out));
    let once = Dim { extent: 1, x: 0, out: 0 };
    let most = (UNIT_BYTES / element) as u64;
    let mut nests = Vec::new();
    for (at, extent, count) in pieces(inner.extent, most) {
        let inner_piece = Dim { extent, ..inner };
        let repeated = outer.unwrap_or(once);
        for (outer_at, outer_extent, outer_count) in pieces(repeated.extent, (most / extent).max(1)) {
            let outer_piece = outer.map(|outer| Dim { extent: outer_extent, ..outer });
            let mut dims = dims.clone();
            dims.extend(
                [repeated.apart(outer_extent, outer_count), inner.apart(extent, count)].into_iter().flatten(),
            );
            let start = |inner: i64, outer: i64| at as i64 * inner + outer_at as i64 * outer;
            let src = x.arg(
                task.x_offset + start(inner.x, repeated.x),
                &dims.iter().map(|d| d.x).collect::<Vec<_>>(),
            );
            let dst = out.arg(
                task.out_offset + start(inner.out, repeated.out),
                &dims.iter().map(|d| d.out).collect::<Vec<_>>(),
            );
            let call = match outer_piece {
                None if inner.x == element && inner.out == element => {
                    copy_run(src, dst, extent * element as u64 / 4, low)
                }
                _ => runs(src, dst, inner_piece, outer_piece, element, low),
            };
            nests.push(Nest::new(dims.iter().map(|d| d.extent).collect(), vec![call]));
        }
    }
    Ok(vec![nests])
}

impl Dim {
    /// The dim of `count` pieces of `extent` each, where there are several.
    fn apart(self, extent: u64, count: u64) -> Option<Dim> {
        (count > 1).then(|| Dim { extent: count, x: extent as i64 * self.x, out: extent as i64 * self.out })
    }
}

/// Without extents of 1, and neighbours joined that are one run on both sides.
fn collapse(dims: Vec<Dim>) -> Vec<Dim> {
    let mut joined: Vec<Dim> = Vec::new();
    for dim in dims.into_iter().filter(|d| d.extent != 1) {
        let run = dim.extent as i64;
        match joined.last_mut() {
            Some(last) if last.x == dim.x * run && last.out == dim.out * run => {
                *last = Dim { extent: last.extent * dim.extent, ..dim };
            }
            _ => joined.push(dim),
        }
    }
    joined
}

/// The dim that vectors run along: long enough for all lanes and adjacent on as many sides as can be.
fn take_inner(dims: &mut Vec<Dim>, element: i64) -> Dim {
    let rank = |d: &Dim| {
        let sides = u32::from(d.x == element) + u32::from(d.out == element);
        (d.extent.min(LANES as u64) << sides, d.out == element, d.extent)
    };
    let best = (0..dims.len()).max_by_key(|i| rank(&dims[*i]));
    best.map_or(Dim { extent: 1, x: element, out: element }, |i| dims.remove(i))
}

fn take_longest(dims: &mut Vec<Dim>) -> Option<Dim> {
    let best = (0..dims.len()).max_by_key(|i| dims[*i].extent)?;
    Some(dims.remove(best))
}

/// A run along `inner`, repeated along `outer`.
fn runs(
    src: CallArg,
    dst: CallArg,
    inner: Dim,
    outer: Option<Dim>,
    element: i64,
    low: &mut Lowering,
) -> Call {
    let mut c = CallBuilder::new("copy_strided");
    let (src, dst) = (c.ptr(src), c.ptr(dst));
    // Elements that one access moves: single ones where a vector's lanes would be too far apart.
    let far = inner.x.abs() > LARGEST_STRIDE || inner.out.abs() > LARGEST_STRIDE;
    let elements = if element == VECTOR_BYTES || far { 1 } else { LANES as u64 };
    let (full, tail) = (inner.extent / elements, (inner.extent % elements) as usize);
    let count = c.int(full as i64);
    let src_step = c.int(inner.x * elements as i64);
    let dst_step = c.int(inner.out * elements as i64);
    // From the end of a run's loop to the next run.
    let moved = (full * elements) as i64;
    let next = outer
        .map(|o| (c.int(o.extent as i64), c.int(o.x - moved * inner.x), c.int(o.out - moved * inner.out)));
    let access = |b: &mut KernelBuilder, lanes: usize| {
        let value = if element == VECTOR_BYTES {
            b.load(src.at(0), LANES)
        } else if lanes == 1 || inner.x == 0 {
            b.load_splat(src.at(0))
        } else {
            b.load_strided(src.at(0), inner.x as i32, lanes)
        };
        if element == VECTOR_BYTES {
            b.store(dst.at(0), value, LANES);
        } else if lanes == 1 {
            b.store(dst.at(0), value, 1);
        } else {
            b.store_strided(dst.at(0), value, inner.out as i32, lanes);
        }
    };
    let run = |b: &mut KernelBuilder| {
        b.repeat(Count::Int(count), |b| {
            access(b, elements as usize);
            b.advance_int(src, src_step);
            b.advance_int(dst, dst_step);
        });
        if tail > 0 {
            access(b, tail);
        }
    };
    match next {
        Some((count, src_next, dst_next)) => c.b.repeat(Count::Int(count), |b| {
            run(b);
            b.advance_int(src, src_next);
            b.advance_int(dst, dst_next);
        }),
        None => run(&mut c.b),
    }
    c.finish(Spills::Allowed, low)
}
